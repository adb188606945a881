/* epoch_model.c - sched/epoch.h and epoch.c under the explorer.
 *
 * A slot hangs on a link.  Readers follow the link and read the slot while they may; somebody unlinks it, and whoever
 * finds that its stamp has passed writes the slot anew.
 *
 * Invariants checked:
 *   1. The slot is not written anew while a reader that followed the link may still read it, and all that readers did
 * is before the writing (happens-before: a reader and the writer in the same moment are a data race).
 *   2. With all readers gone or quiescent, two advances pass any stamp: reuse comes. */
#include "epoch.h"
#include "explorer.h"

static pgs_epoch domain;
static pgs_epoch_member member, other;
static _Atomic(int *) link;
static int slot;
static _Atomic(uint64_t) stamp; /* 0: not unlinked yet */

static void setup(void)
{
    pgs_epoch_init(&domain);
    pgs_epoch_register(&domain, &member);
    pgs_epoch_register(&domain, &other);
    store_relaxed(&link, &slot);
    store_relaxed(&stamp, 0);
}

static void setup_online(void)
{
    setup();
    pgs_epoch_member_online(&domain, &member);
}

static void follow(void)
{
    int *found = load_acquire(&link);
    if (!found) return;
    model_read(found);
    (void)load_relaxed(&link); /* a moment in which it holds the slot */
    model_read(found);
}

static void reader_quiesces(void)
{
    follow();
    pgs_epoch_quiesce(&domain, &member);
    follow();
    pgs_epoch_member_offline(&domain, &member);
}

static void reader_comes_and_goes(void)
{
    pgs_epoch_member_online(&domain, &member);
    follow();
    pgs_epoch_member_offline(&domain, &member);
}

static void guest(void)
{
    pgs_epoch_guest g = pgs_epoch_enter(&domain);
    follow();
    pgs_epoch_leave(&domain, g);
}

static void unlink_and_stamp(void)
{
    store_relaxed(&link, NULL);
    store_release(&stamp, pgs_epoch_now(&domain));
}

static void reuse_if_passed(void)
{
    uint64_t s = load_acquire(&stamp);
    if (s && pgs_epoch_passed(&domain, s)) model_write(&slot);
}

static void retire(void)
{
    unlink_and_stamp();
    for (int i = 0; i < 2; i++) (void)pgs_epoch_try_advance(&domain);
    reuse_if_passed();
}

static void advance(void)
{
    for (int i = 0; i < 2; i++) (void)pgs_epoch_try_advance(&domain);
}

static void advance_and_reuse(void)
{
    for (int i = 0; i < 3; i++) (void)pgs_epoch_try_advance(&domain);
    reuse_if_passed();
}

static void unlink_and_look(void)
{
    unlink_and_stamp();
    reuse_if_passed();
}

static void finish(void)
{
    pgs_epoch_member_offline(&domain, &member);
    uint64_t now = pgs_epoch_now(&domain);
    MODEL_CHECK(pgs_epoch_try_advance(&domain));
    MODEL_CHECK(pgs_epoch_try_advance(&domain));
    MODEL_CHECK(pgs_epoch_passed(&domain, now));
}

int main(void)
{
    static const struct model_case cases[] = {
        {"epoch: a member quiesces", setup_online, {reader_quiesces, retire}, finish, 4, 1, 0},
        {"epoch: a member comes online", setup, {reader_comes_and_goes, retire}, finish, 4, 2, 0},
        {"epoch: a guest", setup, {guest, retire}, finish, 4, 1, 0},
        {"epoch: a guest, advanced by another", setup, {guest, unlink_and_look, advance}, finish, 4, 1, 0},
        {"epoch: a member, advanced by another",
         setup_online,
         {reader_quiesces, unlink_and_look, advance},
         finish,
         4,
         1,
         0},
        {"epoch: a guest that enters late", setup, {guest, unlink_and_stamp, advance_and_reuse}, finish, 3, 1, 0},
        {"epoch: a member and a guest", setup_online, {reader_quiesces, guest, retire}, finish, 3, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
