/* epoch_test.c - sched/epoch: what holds a stamp back and what lets it pass; one thread. */
#include "epoch.h"

#include "check.h"

static pgs_epoch domain;
static pgs_epoch_member one, two;

static bool passes(uint64_t stamp)
{
    for (int i = 0; i < 4; i++) pgs_epoch_try_advance(&domain);
    return pgs_epoch_passed(&domain, stamp);
}

static void test_members(void)
{
    pgs_epoch_init(&domain);
    uint64_t stamp = pgs_epoch_now(&domain);
    CHECK(!pgs_epoch_passed(&domain, stamp));
    CHECK(passes(stamp)); /* no readers at all */
    pgs_epoch_register(&domain, &one);
    pgs_epoch_register(&domain, &two);
    CHECK(passes(pgs_epoch_now(&domain))); /* both are offline */

    pgs_epoch_member_online(&domain, &one);
    pgs_epoch_member_online(&domain, &two);
    stamp = pgs_epoch_now(&domain);
    CHECK(!passes(stamp));
    pgs_epoch_quiesce(&domain, &one);
    CHECK(!passes(stamp));
    pgs_epoch_quiesce(&domain, &two);
    CHECK(passes(stamp)); /* the two had announced `stamp` before, so the second step is all they hold back */

    stamp = pgs_epoch_now(&domain);
    pgs_epoch_member_offline(&domain, &one);
    CHECK(!passes(stamp));
    pgs_epoch_member_offline(&domain, &two);
    CHECK(passes(stamp));
}

static bool passes_by_force(uint64_t stamp)
{
    for (int i = 0; i < 4; i++) pgs_epoch_force_advance(&domain);
    return pgs_epoch_passed(&domain, stamp);
}

/* What a member has announced does not matter to force, only whether it is inside. */
static void test_force(void)
{
    pgs_epoch_init(&domain);
    pgs_epoch_register(&domain, &one);
    pgs_epoch_register(&domain, &two);
    pgs_epoch_member_online(&domain, &one);
    pgs_epoch_member_online(&domain, &two);
    uint64_t stamp = pgs_epoch_now(&domain);
    CHECK(!passes(stamp));
    if (!domain.can_force) {
        printf("no membarrier here: force is the cheap attempt\n");
        CHECK(!passes_by_force(stamp));
        return;
    }
    CHECK(passes_by_force(stamp));

    stamp = pgs_epoch_now(&domain);
    pgs_epoch_member_enter(&one);
    pgs_epoch_member_enter(&one);
    CHECK(!passes_by_force(stamp));
    pgs_epoch_member_leave(&one);
    CHECK(!passes_by_force(stamp)); /* still in the outer one */
    pgs_epoch_member_enter(&two);
    pgs_epoch_member_leave(&one);
    CHECK(!passes_by_force(stamp)); /* now it is the other that stops it */
    pgs_epoch_member_leave(&two);
    CHECK(passes_by_force(stamp));

    pgs_epoch_visitor visitor = pgs_epoch_enter(&domain);
    stamp = pgs_epoch_now(&domain);
    CHECK(!passes_by_force(stamp));
    pgs_epoch_leave(&domain, visitor);
    CHECK(passes_by_force(stamp));

    domain.can_force = false; /* as under a kernel without the call */
    stamp = pgs_epoch_now(&domain);
    CHECK(!passes_by_force(stamp));
    pgs_epoch_quiesce(&domain, &one);
    pgs_epoch_quiesce(&domain, &two);
    CHECK(pgs_epoch_force_advance(&domain));
    pgs_epoch_quiesce(&domain, &one);
    pgs_epoch_quiesce(&domain, &two);
    CHECK(pgs_epoch_force_advance(&domain));
    CHECK(pgs_epoch_passed(&domain, stamp));
}

static void test_guests(void)
{
    pgs_epoch_init(&domain);
    pgs_epoch_visitor early = pgs_epoch_enter(&domain);
    uint64_t stamp = pgs_epoch_now(&domain);
    CHECK(pgs_epoch_try_advance(&domain));
    pgs_epoch_visitor late = pgs_epoch_enter(&domain); /* of the next epoch, and nested */
    CHECK(!passes(stamp));
    pgs_epoch_leave(&domain, late);
    CHECK(!passes(stamp));
    pgs_epoch_leave(&domain, early);
    CHECK(passes(stamp));

    late = pgs_epoch_enter(&domain);
    CHECK(passes(stamp)); /* what passed stays passed */
    CHECK(!passes(pgs_epoch_now(&domain)));
    pgs_epoch_leave(&domain, late);
    CHECK(passes(pgs_epoch_now(&domain)));
}

int main(void)
{
    test_members();
    test_guests();
    test_force();
    return 0;
}
