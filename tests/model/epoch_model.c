/* epoch_model.c - sched/epoch.h and epoch.c under the explorer.
 *
 * A slot hangs on a link.  Readers follow the link and read the slot while they may; somebody unlinks it, and whoever
 * finds that its stamp has passed writes the slot anew.  In the cases of the cheap advance a member may hold the slot
 * from one announcement to the next: that is more than the header allows, and this advance bears it.
 *
 * Invariants checked:
 *   1. The slot is not written anew while a reader that followed the link may still read it, and all that readers did
 *      is before the writing (happens-before: a reader and the writer in the same moment are a data race).
 *   2. With all readers gone or quiescent, two advances pass any stamp: reuse comes.  With all members outside, two
 *      forced advances do, whatever the members have announced. */
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

/* The only member has announced, and the epoch has moved since: nothing but force moves it on. */
static void setup_stale(void)
{
    pgs_epoch_init(&domain);
    pgs_epoch_register(&domain, &member);
    store_relaxed(&link, &slot);
    store_relaxed(&stamp, 0);
    pgs_epoch_member_online(&domain, &member);
    MODEL_CHECK(pgs_epoch_try_advance(&domain));
    MODEL_CHECK(!pgs_epoch_try_advance(&domain));
}

/* No member yet, and one that will be, in memory that was something else before. */
static void setup_unregistered(void)
{
    pgs_epoch_init(&domain);
    store_relaxed(&other.announced, 99);
}

static void register_other(void)
{
    pgs_epoch_register(&domain, &other);
}

static void advance_past_new(void)
{
    MODEL_CHECK(pgs_epoch_try_advance(&domain));
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

static void operate(void)
{
    pgs_epoch_member_enter(&member);
    follow();
    pgs_epoch_member_leave(&member);
}

static void operate_twice(void)
{
    operate();
    operate();
}

static void operate_nested(void)
{
    pgs_epoch_member_enter(&member);
    int *found = load_acquire(&link);
    pgs_epoch_member_enter(&member);
    (void)load_relaxed(&link);
    pgs_epoch_member_leave(&member);
    if (found) model_read(found);
    pgs_epoch_member_leave(&member);
}

static void operate_and_quiesce(void)
{
    operate();
    pgs_epoch_quiesce(&domain, &member);
    operate();
}

static void visitor(void)
{
    pgs_epoch_visitor g = pgs_epoch_enter(&domain);
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

static void retire_by_force(void)
{
    unlink_and_stamp();
    for (int i = 0; i < 2; i++) (void)pgs_epoch_force_advance(&domain);
    reuse_if_passed();
}

static void force(void)
{
    for (int i = 0; i < 2; i++) (void)pgs_epoch_force_advance(&domain);
}

static void force_once(void)
{
    (void)pgs_epoch_force_advance(&domain);
}

static void force_and_reuse(void)
{
    force_once();
    reuse_if_passed();
}

static void advance(void)
{
    for (int i = 0; i < 2; i++) (void)pgs_epoch_try_advance(&domain);
}

static void advance_once(void)
{
    (void)pgs_epoch_try_advance(&domain);
}

static void advance_once_and_reuse(void)
{
    advance_once();
    reuse_if_passed();
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

static void finish_by_force(void)
{
    uint64_t now = pgs_epoch_now(&domain);
    MODEL_CHECK(pgs_epoch_force_advance(&domain));
    MODEL_CHECK(pgs_epoch_force_advance(&domain));
    MODEL_CHECK(pgs_epoch_passed(&domain, now));
}

int main(void)
{
    static const struct model_case cases[] = {
        {"epoch: a member quiesces", setup_online, {reader_quiesces, retire}, finish, 4, 1, 0},
        {"epoch: a member comes online", setup, {reader_comes_and_goes, retire}, finish, 4, 2, 0},
        {"epoch: a visitor", setup, {visitor, retire}, finish, 4, 1, 0},
        {"epoch: a visitor, advanced by another", setup, {visitor, unlink_and_look, advance}, finish, 4, 1, 0},
        {"epoch: a member, advanced by another",
         setup_online,
         {reader_quiesces, unlink_and_look, advance},
         finish,
         4,
         1,
         0},
        {"epoch: a visitor that enters late", setup, {visitor, unlink_and_stamp, advance_and_reuse}, finish, 3, 1, 0},
        {"epoch: a member, advanced by two",
         setup,
         {reader_comes_and_goes, unlink_and_stamp, advance_once, advance_once_and_reuse},
         finish,
         2,
         1,
         0},
        {"epoch: a visitor, forced by two",
         setup_stale,
         {visitor, unlink_and_stamp, force_once, force_and_reuse},
         finish_by_force,
         2,
         1,
         0},
        {"epoch: a member is registered", setup_unregistered, {register_other, advance_past_new}, NULL, 4, 2, 0},
        {"epoch: a member and a visitor", setup_online, {reader_quiesces, visitor, retire}, finish, 3, 1, 0},
        {"epoch: forced, a member operates", setup_online, {operate_twice, retire_by_force}, finish_by_force, 4, 2, 0},
        {"epoch: forced, a member nests", setup_online, {operate_nested, retire_by_force}, finish_by_force, 4, 2, 0},
        {"epoch: forced, a member quiesces too",
         setup_online,
         {operate_and_quiesce, retire_by_force},
         finish_by_force,
         3,
         1,
         0},
        {"epoch: forced by another", setup_online, {operate, unlink_and_look, force}, finish_by_force, 3, 1, 0},
        {"epoch: forced, a visitor", setup, {visitor, retire_by_force}, finish, 4, 1, 0},
        {"epoch: forced by two",
         setup_stale,
         {operate, unlink_and_stamp, force_once, force_and_reuse},
         finish_by_force,
         3,
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
