/* wire_test.c - frames of each type, and each of their fields wrong; messages of every shape there and back; what
 * must be refused, by hand; and every byte of a few messages changed, and several at once, where whatever passes is
 * read in every way.  PG_TEST_CORPUS=FOLDER writes the messages as inputs of the fuzz target. */
#include "wire.h"

#include <math.h>

#include "check.h"
#include "walk.h"

static uint64_t state;

static uint64_t random_below(uint64_t n)
{
    return check_random(&state) % n;
}

/* ------------------------------------------------------------------------------------------------------- frames */

enum { CAPACITY = 4096 };

static int judge(pgi_frame frame)
{
    return pgi_frame_check(&frame, CAPACITY, CAPACITY);
}

static const pgi_frame good[] = {
    {.type = PGI_F_MESSAGE, .length = 16, .to = 1},
    {.type = PGI_F_PART, .flags = PGI_F_MESSAGE, .length = 4064, .to = 1, .word = 32},
    {.type = PGI_F_PART, .flags = PGI_F_DOWN, .length = 16, .to = 1, .from = 2},
    {.type = PGI_F_TERMINATE, .length = 96, .to = 1},
    {.type = PGI_F_DOWN, .length = 96, .to = 1, .from = 2},
    {.type = PGI_F_LINK, .to = 1, .from = 2},
    {.type = PGI_F_UNLINK, .to = 1, .from = 2, .word = 3},
    {.type = PGI_F_SPAWN, .length = 96},
    {.type = PGI_F_ASK, .flags = PGI_ASK_KILL, .to = 1, .from = 2},
    {.type = PGI_F_ASK, .flags = PGI_ASK_WAIT, .to = 1, .from = 2},
    {.type = PGI_F_ASK, .flags = PGI_ASK_SPAWN, .length = 96, .to = 1, .from = 2},
    {.type = PGI_F_PART, .flags = PGI_F_ASK, .length = 16, .to = 1, .from = 2},
    {.type = PGI_F_PART, .flags = PGI_F_SPAWN, .length = 16, .word = 16},
    {.type = PGI_F_ANSWER, .length = 96, .to = 1, .from = 2},
    {.type = PGI_F_ANSWER, .to = 1},
    {.type = PGI_F_CANCEL, .to = 1, .from = 2},
    {.type = PGI_F_STOP},
    {.type = PGI_F_NODE_DOWN, .length = 96, .from = 2},
    {.type = PGI_F_ENDED, .length = 96, .from = 2},
    {.type = PGI_F_GOODBYE, .word = 7},
    {.type = PGI_F_LOG, .flags = PG_LOG_WARNING, .length = 5},
    {.type = PGI_F_UNLINKED, .to = 1, .from = 2, .word = 3},
};

static void test_frames(void)
{
    unsigned types = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pgi_frame frame = good[i];
        size_t whole = pgi_frame_bytes(&frame);
        types |= 1u << frame.type;
        CHECK_EQ(judge(frame), PG_OK);
        CHECK_EQ(whole % 16, 0);
        CHECK_EQ(pgi_frame_check(&frame, whole, whole), PG_OK);
        CHECK_EQ(pgi_frame_check(&frame, whole - 1, CAPACITY), PGI_WIRE_PART);
        CHECK_EQ(pgi_frame_check(&frame, CAPACITY, whole - 1), PG_EINVAL);
        CHECK_EQ(pgi_frame_check(&frame, 0, 0), PG_EINVAL);

        /* What no type allows, and what this one does not. */
        frame.spare = 1;
        CHECK_EQ(judge(frame), PG_EINVAL);
        frame = good[i];
        frame.flags = PGI_F_DOWN + 1;
        CHECK_EQ(judge(frame), PG_EINVAL);
        frame = good[i];
        if (frame.type != PGI_F_LOG) {
            frame.length++;
            CHECK_EQ(judge(frame), PG_EINVAL);
        }
        for (uint32_t length = UINT32_MAX; length > UINT32_MAX - 40; length--) {
            frame.length = length;
            CHECK_EQ(judge(frame), PG_EINVAL);
        }
        frame = good[i];
        frame.to = !frame.to;
        CHECK_EQ(judge(frame), PG_EINVAL);
        frame = good[i];
        if (frame.type != PGI_F_ANSWER) {
            frame.from = !frame.from;
            CHECK_EQ(judge(frame), PG_EINVAL);
        }
        frame = good[i];
        bool numbered = frame.type == PGI_F_UNLINK || frame.type == PGI_F_UNLINKED;
        frame.word = numbered ? 0 : 1;
        bool free = frame.type == PGI_F_GOODBYE || frame.type == PGI_F_ANSWER;
        CHECK_EQ(judge(frame), free ? PG_OK : PG_EINVAL);
        if (good[i].length != 0 && good[i].length != 4064 && !(frame.type == PGI_F_ANSWER)) {
            frame = good[i];
            frame.length = 0;
            CHECK_EQ(judge(frame), PG_EINVAL);
        }
    }
    CHECK_EQ(types, (1u << PGI_F_TYPES) - 2);
    for (unsigned type = PGI_F_TYPES; type <= 256; type++) {
        pgi_frame frame = {.type = (uint8_t)type};
        CHECK_EQ(judge(frame), PG_EINVAL);
    }
    pgi_frame part = {.type = PGI_F_PART, .flags = PGI_F_MESSAGE, .length = 16, .to = 1};
    part.word = (uint64_t)PGI_UNITS_MAX * 16 - 16;
    CHECK_EQ(judge(part), PG_OK);
    part.word += 16;
    CHECK_EQ(judge(part), PG_EINVAL);
    part.word = UINT64_MAX & ~UINT64_C(15);
    CHECK_EQ(judge(part), PG_EINVAL);
    part = (pgi_frame){.type = PGI_F_PART, .flags = PGI_F_PART, .length = 16, .to = 1};
    CHECK_EQ(judge(part), PG_EINVAL);
    pgi_frame ask = {.type = PGI_F_ASK, .flags = PGI_ASK_WHY, .from = 1};
    CHECK_EQ(judge(ask), PG_EINVAL);
}

static void test_brief_heads(void)
{
    for (uint32_t length = 0; length <= PGI_BRIEF_MAX; length += 16) {
        const pgi_brief good_one = {.length = length, .type = PGI_F_BRIEF, .to = 1};
        CHECK(pgi_brief_check(&good_one, 16 + length) && pgi_brief_check(&good_one, CAPACITY));
        CHECK(!pgi_brief_check(&good_one, length) && !pgi_brief_check(&good_one, 0));
        for (int i = 0; i < 3; i++) {
            pgi_brief other = good_one;
            other.zero[i] = 1;
            CHECK(!pgi_brief_check(&other, CAPACITY));
        }
        for (uint32_t more = 1; more < 16; more++)
            CHECK(!pgi_brief_check(&(pgi_brief){.length = length + more, .type = PGI_F_BRIEF, .to = 1}, CAPACITY));
        CHECK(!pgi_brief_check(&(pgi_brief){.length = length, .type = PGI_F_BRIEF}, CAPACITY));
    }
    for (uint64_t length = PGI_BRIEF_MAX + 16; length <= UINT32_MAX; length = length * 2 - 16)
        CHECK(!pgi_brief_check(&(pgi_brief){.length = (uint32_t)length, .type = PGI_F_BRIEF, .to = 1}, CAPACITY));
    CHECK(!pgi_brief_check(&(pgi_brief){.length = UINT32_MAX - 15, .type = PGI_F_BRIEF, .to = 1}, CAPACITY));
}

/* ------------------------------------------------------------------------------------------------ there and back */

/* A message in the form in which it lies on a ring. */
typedef struct image {
    size_t bytes;
    char *block; /* of exactly that many bytes */
} image;

/* Takes the message over. */
static image image_of(pg_message *message)
{
    image made;
    CHECK(pgi_wire_may_cross(message));
    CHECK_EQ(pgi_wire_prepare(NULL, &message, &made.bytes), PG_OK);
    CHECK(made.bytes <= (size_t)message->units * PGI_UNIT);
    made.block = malloc(made.bytes);
    pgi_wire_write(message, made.bytes, 0, made.block, made.bytes);

    /* In pieces it is the same. */
    char *pieces = malloc(made.bytes);
    for (size_t offset = 0, length; offset < made.bytes; offset += length) {
        length = 1 + random_below(made.bytes - offset);
        pgi_wire_write(message, made.bytes, offset, pieces + offset, length);
    }
    CHECK(memcmp(pieces, made.block, made.bytes) == 0);
    free(pieces);
    pgi_message_free(NULL, message);
    return made;
}

static pg_message *build(size_t count, const pg_value *values)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build(NULL, count, values, &message), PG_OK);
    return message;
}

static image image_of_values(size_t count, const pg_value *values)
{
    return image_of(build(count, values));
}

#define IMAGE(...) image_of_values(PG_VALUES(__VA_ARGS__))

static int check_image(image i, uint8_t kind)
{
    return pgi_wire_check(i.block, i.bytes, kind, NULL, 0);
}

/* What came from `original` passes, reads well, and says the same; the original is freed. */
static void check_round(pg_message *original)
{
    pg_message *copy;
    uint8_t kind = original->kind;
    CHECK_EQ(pgi_message_copy(NULL, original, &copy), PG_OK);
    image i = image_of(copy);
    for (uint8_t other = 0; other < 4; other++)
        if (other != kind) CHECK_EQ(check_image(i, other), PG_EINVAL);
    CHECK_EQ(check_image(i, kind), PG_OK);
    CHECK_EQ(pgi_wire_check(i.block, i.bytes - 16, kind, NULL, 0), PG_EINVAL);
    CHECK_EQ(pgi_wire_check(i.block, 0, kind, NULL, 0), PG_EINVAL);
    walk_message((const pg_message *)(void *)i.block);

    void *block = pgi_block_alloc(NULL, i.bytes / PGI_UNIT);
    memcpy(block, i.block, i.bytes);
    pg_message *arrived = pgi_wire_adopt(block);
    CHECK_EQ(pg_count(arrived), pg_count(original));
    for (size_t k = 0; k < pg_count(arrived); k++)
        CHECK(pgi_term_equal(pg_get(NULL, arrived, k), pg_get(NULL, original, k)));
    pgi_message_free(NULL, arrived);
    pgi_message_free(NULL, original);
    free(i.block);
}

enum { POOL = 4000 };
static pg_value pool[POOL];
static size_t pool_used;
static char texts[1 << 12];

static pg_value random_value(unsigned depth)
{
    static const double floats[] = {0.0, -0.0, 1.5, NAN, INFINITY, -1e300};
    uint64_t kind = random_below(depth == 0 || pool_used + 40 > POOL ? 8 : 12);
    size_t length = random_below(4) != 0 ? random_below(18) : random_below(200);
    switch (kind) {
    case 0: return PG_NIL;
    case 1: return pg_v_bool(random_below(2) != 0);
    case 2: return PG_V((int64_t)random_below(12) - 5);
    case 3: return PG_V(floats[random_below(6)]);
    case 4: return pg_strn(texts + random_below(1000), length);
    case 5: return pg_bytes(texts + random_below(1000), length);
    case 6: return PG_V((pg_pid){check_random(&state)});
    case 7: return PG_V((pg_ref){random_below(5)});
    default: break;
    }
    size_t count = random_below(kind >= 10 ? 40 : 6);
    if (kind >= 10) count -= count % 2;
    if (pool_used + count > POOL) count = 0;
    pg_value *elements = &pool[pool_used];
    pool_used += count;
    for (size_t i = 0; i < count; i++) elements[i] = random_value(depth - 1);
    return kind == 8   ? pg_tuple_of(count, elements)
           : kind == 9 ? pg_list_of(count, elements)
                       : pg_dict_of(count, elements);
}

static void test_rounds(void)
{
    pg_value values[PG_VALUES_MAX];
    for (size_t i = 0; i < sizeof texts; i++) texts[i] = (char)random_below(3);
    for (size_t count = 0; count <= PG_VALUES_MAX; count++) {
        for (size_t i = 0; i < count; i++) values[i] = PG_V(i);
        check_round(build(count, values));
    }
    for (size_t length = 0; length < 70; length++) {
        const pg_value both[3] = {pg_strn(texts, length), PG_V(1), pg_bytes(texts + 1, length)};
        check_round(build(3, both));
    }
    for (int round = 0; round < (SANITIZED ? 300 : 1000); round++) {
        pool_used = 0;
        size_t count = random_below(5);
        for (size_t i = 0; i < count; i++) values[i] = random_value(4);
        check_round(build(count, values));
    }
    check_round(build(PG_VALUES(pg_tuple(), pg_list(), pg_dict())));
    static char large[300000];
    memset(large, 'x', sizeof large);
    check_round(build(PG_VALUES(pg_strn(large, sizeof large), pg_list(1, pg_bytes(large, 100000)))));
}

static void test_exits(void)
{
    static const char *const names[] = {"", "short", "exactly fourtn", "much longer than fifteen bytes"};
    _Alignas(16) unsigned char block[PGI_SIGNAL_BYTES];
    pg_message *message;
    for (int i = 0; i < 4; i++) {
        const pg_value error = pg_tuple(names[i], pg_list(1, 2));
        CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, names[i], error, (pg_pid){9}, PGI_DOWN, &message), PG_OK);
        check_round(message);
        CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_UNKNOWN, names[i], PG_NIL, (pg_pid){0}, PGI_TERMINATE, &message),
                 PG_OK);
        check_round(message);
        CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_KILLED, names[i], error, (pg_pid){0}, PGI_USER, &message), PG_OK);
        check_round(message);

        /* A signal's block is part of something else: it is sent from where it lies. */
        for (uint64_t pid = 0; pid < 2; pid++) {
            size_t bytes;
            pg_message *at = message =
                pgi_signal_build(block, PG_EXIT_NORMAL, names[i], (pg_pid){pid}, pid != 0 ? PGI_DOWN : PGI_TERMINATE);
            CHECK_EQ(pgi_wire_prepare(NULL, &message, &bytes), PG_OK);
            CHECK(message == at && bytes == (pid != 0 ? 96 : 80));
            image here = {bytes, malloc(bytes)};
            pgi_wire_write(message, bytes, 0, here.block, bytes);
            CHECK_EQ(check_image(here, message->kind), PG_OK);
            free(here.block);
        }
    }
    /* The runtime's own messages have the values that their handlers take for granted, and no more. */
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "", PG_NIL, (pg_pid){1}, PGI_USER, &message), PG_OK);
    image more = IMAGE(pg_get(NULL, message, 0), (pg_pid){1}, 1);
    pgi_message_free(NULL, message);
    for (uint8_t kind = 0; kind < 5; kind++) {
        ((pg_message *)(void *)more.block)->kind = kind;
        CHECK_EQ(check_image(more, kind), kind == PGI_USER ? PG_OK : PG_EINVAL);
    }
    free(more.block);
    image user = IMAGE(1);
    ((pg_message *)(void *)user.block)->kind = PGI_DOWN;
    CHECK_EQ(check_image(user, PGI_DOWN), PG_EINVAL);
    ((pg_message *)(void *)user.block)->kind = PGI_TERMINATE;
    CHECK_EQ(check_image(user, PGI_TERMINATE), PG_EINVAL);
    free(user.block);
}

/* As deep as a value may be, an exit of that, and one level more, which only a hand makes. */
static void test_depth(void)
{
    static pg_value levels[PG_DEPTH_MAX + 1];
    pg_value value = PG_V("a string at the very bottom");
    for (int depth = 0; depth < PG_DEPTH_MAX; depth++) {
        levels[depth] = value;
        value = depth % 2 != 0 ? pg_list_of(1, &levels[depth]) : pg_tuple_of(1, &levels[depth]);
    }
    pg_message *message;
    check_round(build(1, &value));
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "x", value, (pg_pid){1}, PGI_DOWN, &message), PG_OK);
    check_round(message);

    for (int depth = 1; depth < 1000; depth++) {
        image i = {16 + 16 * (size_t)(depth + 1), NULL};
        i.block = calloc(1, i.bytes);
        pg_message *header = (pg_message *)(void *)i.block;
        pg_term *terms = (pg_term *)(void *)(header + 1);
        header->units = (uint32_t)(i.bytes / PGI_UNIT);
        header->count = 1;
        for (int k = 0; k < depth; k++) terms[k] = (pg_term){PG_T_LIST | 1 << 8, 16};
        CHECK_EQ(check_image(i, PGI_USER), depth <= PG_DEPTH_MAX ? PG_OK : PG_EINVAL);
        free(i.block);
    }
}

static void test_pointers(void)
{
    const pg_value hidden[3] = {PG_V(1), PG_V((void *)&state), PG_V("a string of more than 14 bytes")};
    const pg_value in_list = pg_list_of(3, hidden), in_dict = pg_dict_of(2, hidden),
                   in_tuple = pg_tuple_of(1, &in_list);
    const pg_value *const cases[] = {&hidden[1], &in_list, &in_dict, &in_tuple};
    for (int i = 0; i < 4; i++) {
        size_t bytes = 77;
        pg_message *message = build(1, cases[i]), *before = message;
        CHECK(!pgi_wire_may_cross(message));
        CHECK_EQ(pgi_wire_prepare(NULL, &message, &bytes), PG_EINVAL);
        CHECK(message == before);
        pgi_message_free(NULL, message);
    }
    image i = IMAGE(1, pg_list(2));
    ((uint64_t *)(void *)i.block)[2] = PG_T_PTR;
    CHECK_EQ(check_image(i, PGI_USER), PG_EINVAL);
    free(i.block);
}

/* A dict that was written out of order is sent in order, without its holes; memory for that may be short. */
static void test_packing(void)
{
    const pg_value pairs[6] = {PG_V("b, the second of all keys"), PG_V("its first value, soon gone"),
                               PG_V("a, the first of all keys"),  pg_list("a list", "with a string of 23 bytes"),
                               PG_V("b, the second of all keys"), PG_V("its last value, that is kept")};
    const pg_value values[2] = {pg_dict_of(6, pairs), PG_V("behind the dict")};
    pg_message *message = build(2, values), *before = message;
    size_t bytes;
    pgi_memory_fail(1);
    CHECK_EQ(pgi_wire_prepare(NULL, &message, &bytes), PG_ENOMEM);
    CHECK(message == before);
    CHECK_EQ(pgi_wire_prepare(NULL, &message, &bytes), PG_OK);
    CHECK_EQ(bytes,
             16 * (1 + 2 + 4 + 2 + 2 + 2 + 2 + 2 + 1)); /* header, terms, pairs, a, list, 23 bytes, b, last, behind */
    before = message;
    CHECK_EQ(pgi_wire_prepare(NULL, &message, &bytes), PG_OK);
    CHECK(message == before);
    check_round(message);
    check_round(build(2, values));
}

/* --------------------------------------------------------------------------------------------- what is refused */

/* The image with one word changed. */
static void check_word(image i, size_t word, uint64_t value, int status)
{
    image copy = {i.bytes, malloc(i.bytes)};
    memcpy(copy.block, i.block, i.bytes);
    memcpy(copy.block + 8 * word, &value, sizeof value);
    int found = check_image(copy, PGI_USER);
    if (found != status) CHECK_FAIL("word %zu as %#" PRIx64 " gives %d, expected %d", word, value, found, status);
    if (found == PG_OK) walk_message((const pg_message *)(void *)copy.block);
    free(copy.block);
}

/* Words: 0 and 1 the header, 2 and 3 the first term, and so on. */
static void test_refused(void)
{
    image ints = IMAGE(1, true ? PG_TRUE : PG_NIL, "abc", pg_bytes("\0\0", 2));
    check_word(ints, 0, 1, PG_EINVAL);                             /* a queue's link */
    check_word(ints, 1, 5 | UINT64_C(4) << 32, PG_OK);             /* as it was */
    check_word(ints, 1, 5 | UINT64_C(3) << 32, PG_EINVAL);         /* a term that nobody has */
    check_word(ints, 1, 5 | UINT64_C(5) << 32, PG_EINVAL);         /* one term too many */
    check_word(ints, 1, 5 | UINT64_C(65535) << 32, PG_EINVAL);     /* many of them */
    check_word(ints, 1, 4 | UINT64_C(4) << 32, PG_EINVAL);         /* a block that is shorter */
    check_word(ints, 1, 0 | UINT64_C(4) << 32, PG_EINVAL);         /* than its header */
    check_word(ints, 1, 8 | UINT64_C(4) << 32, PG_EINVAL);         /* that is longer */
    check_word(ints, 1, 5 | UINT64_C(0x10004) << 32, PG_EINVAL);   /* of another kind */
    check_word(ints, 1, 5 | UINT64_C(0x1000004) << 32, PG_EINVAL); /* of flags */
    for (uint64_t type = 0; type < 256; type++) /* the int 1 as a scalar or 14 bytes, and as what needs more */
        check_word(ints, 2, type, type >= PG_T_BOOL && type <= PG_T_REF ? PG_OK : PG_EINVAL);
    check_word(ints, 2, PG_T_INT | 256, PG_EINVAL);                       /* a head that is not clean */
    check_word(ints, 5, 2, PG_EINVAL);                                    /* neither true nor false */
    check_word(ints, 6, PG_T_STR | UINT64_C(0x64636261) << 8, PG_EINVAL); /* "abc" with a d in its padding */
    check_word(ints, 7, UINT64_C(11) << 56 | 1, PG_EINVAL);               /* or behind it */
    check_word(ints, 7, UINT64_C(10) << 56, PG_OK);                       /* "abc" with a NUL */
    check_word(ints, 7, UINT64_C(12) << 56, PG_EINVAL);                   /* "ab" with a c in its padding */
    check_word(ints, 7, UINT64_C(15) << 56, PG_EINVAL);                   /* no length */
    check_word(ints, 7, UINT64_C(254) << 56, PG_EINVAL);
    check_word(ints, 7, PG_LONG_MARK | 16, PG_EINVAL); /* long, with nothing there */
    free(ints.block);

    image text = IMAGE("a string of 24 bytes now", "another of the same size"); /* words 6 to 9, 10 to 13 */
    check_word(text, 3, PG_LONG_MARK | 32, PG_OK);
    check_word(text, 3, PG_LONG_MARK | 48, PG_EINVAL);  /* elsewhere */
    check_word(text, 3, PG_LONG_MARK | 64, PG_EINVAL);  /* the other's */
    check_word(text, 3, 32, PG_EINVAL);                 /* not marked */
    check_word(text, 5, PG_LONG_MARK | 16, PG_EINVAL);  /* both the same */
    check_word(text, 2, PG_T_STR | 16 << 8, PG_EINVAL); /* shorter: bytes behind it */
    check_word(text, 2, PG_T_STR | 14 << 8, PG_EINVAL); /* so short that it is no long one */
    check_word(text, 2, PG_T_STR | 25 << 8, PG_OK);     /* its NUL for its own */
    check_word(text, 2, PG_T_STR | 32 << 8, PG_EINVAL); /* without a NUL */
    check_word(text, 4, PG_T_STR | 32 << 8, PG_EINVAL); /* up to the very end */
    check_word(text, 4, PG_T_STR | UINT64_C(0xffffffffffffff) << 8, PG_EINVAL);
    check_word(text, 9, 1, PG_EINVAL); /* no NUL */
    check_word(text, 13, UINT64_C(1) << 56, PG_EINVAL);
    free(text.block);

    image one = IMAGE("fifteen bytes..");
    one.block[46] = 0;
    check_word(one, 2, PG_T_STR | 15 << 8, PG_OK);     /* the last of them a NUL */
    check_word(one, 2, PG_T_STR | 14 << 8, PG_EINVAL); /* 14 bytes have another form */
    free(one.block);

    image many = {16 * (2 + PG_VALUES_MAX), NULL};
    many.block = calloc(1, many.bytes);
    for (uint64_t count = 0; count <= PG_VALUES_MAX + 1; count++) /* values, all nil; too few, and too many */
        check_word(many, 1, (2 + PG_VALUES_MAX) | count << 32, PG_EINVAL);
    free(many.block);

    image list = IMAGE(pg_list(1, pg_tuple(2, 3)), pg_dict(1, 2, 3, 4)); /* words 6 to 9, 10 to 13, 14 to 21 */
    check_word(list, 3, 32, PG_OK);
    check_word(list, 2, PG_T_TUPLE | 2 << 8, PG_OK);
    check_word(list, 2, PG_T_EXIT | 2 << 8, PG_EINVAL);
    check_word(list, 2, PG_T_LIST | 1 << 8, PG_EINVAL); /* an element that nobody has */
    check_word(list, 2, PG_T_LIST | 4 << 8, PG_EINVAL); /* one that two have */
    check_word(list, 2, PG_T_LIST, PG_EINVAL);          /* empty, and still somewhere */
    check_word(list, 2, PG_T_LIST | UINT64_C(1) << 60, PG_EINVAL);
    check_word(list, 3, 0, PG_EINVAL);             /* itself */
    check_word(list, 3, (uint64_t)-16, PG_EINVAL); /* before itself */
    check_word(list, 3, 40, PG_EINVAL);            /* askew */
    check_word(list, 9, 0, PG_EINVAL);             /* the inner one in itself */
    check_word(list, 9, (uint64_t)-48, PG_EINVAL); /* in the outer one */
    check_word(list, 5, (uint64_t)-16, PG_EINVAL);
    check_word(list, 4, PG_T_DICT | 3 << 8, PG_EINVAL); /* half a pair */
    check_word(list, 15, 3, PG_EINVAL);                 /* a key twice */
    check_word(list, 15, 4, PG_EINVAL);                 /* out of order */
    check_word(list, 15, (uint64_t)-1, PG_OK);
    check_word(list, 14, PG_T_REF, PG_EINVAL);
    free(list.block);

    pg_message *message;
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "why", PG_V(1), (pg_pid){1}, PGI_USER, &message), PG_OK);
    image end = image_of(message); /* words 2 to 5, parts from 6 on */
    check_word(end, 7, PG_EXIT_UNKNOWN, PG_OK);
    check_word(end, 7, PG_EXIT_UNKNOWN + 1, PG_EINVAL);
    check_word(end, 7, (uint64_t)-1, PG_EINVAL);
    check_word(end, 6, PG_T_REF, PG_EINVAL);
    check_word(end, 8, PG_T_BYTES | UINT64_C(0x796877) << 8, PG_EINVAL);
    check_word(end, 10, PG_T_PID, PG_OK);
    check_word(end, 2, PG_T_TUPLE | 3 << 8, PG_OK);
    free(end.block);
}

/* ------------------------------------------------------------------------------------------------------ corruption */

enum { SAMPLES = 9 };
static image samples[SAMPLES];

static void make_samples(void)
{
    pg_message *message;
    int n = 0;
    samples[n++] = IMAGE("ping", 1);
    samples[n++] = IMAGE(PG_NIL, PG_TRUE, -1, 2.5, "", "fourteen bytes", pg_bytes("\0\1", 2), (pg_pid){1}, (pg_ref){2});
    samples[n++] = IMAGE("a string of 24 bytes now", pg_bytes("bytes, more than fourteen", 25));
    samples[n++] = IMAGE(pg_tuple(1, pg_list(2, pg_tuple()), 3), pg_list("x", pg_list("a string of 24 bytes now")));
    samples[n++] = IMAGE(pg_dict("k", 1, "l", pg_dict(pg_tuple(1, 2), "x", pg_tuple(1, 3), "y"), NAN, -0.0));
    samples[n++] = IMAGE(pg_dict("the key, which is longer", pg_list(1), "the key, which is longest", pg_tuple(2)), 7);
    samples[n++] = IMAGE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "sixteen values");
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "a text of more than 14 bytes", pg_list(1, "x"), (pg_pid){1},
                                    PGI_DOWN, &message),
             PG_OK);
    samples[n++] = image_of(message);
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_NORMAL, "", PG_NIL, (pg_pid){0}, PGI_TERMINATE, &message), PG_OK);
    samples[n++] = image_of(message);
    CHECK_EQ(n, SAMPLES);
}

static uint8_t kind_of(image i)
{
    return ((const pg_message *)(void *)i.block)->kind;
}

static long passed, refused;

static void try_image(image i, uint8_t kind)
{
    if (check_image(i, kind) == PG_OK) {
        passed++;
        walk_message((const pg_message *)(void *)i.block);
    } else {
        refused++;
    }
}

/* Every byte, with each bit of it turned and a few values. */
static void corrupt_each(image i)
{
    uint8_t kind = kind_of(i);
    for (size_t at = 0; at < i.bytes; at++) {
        unsigned char was = (unsigned char)i.block[at];
        unsigned char others[] = {0, 0xff, (unsigned char)(was + 1), (unsigned char)(was - 1),
                                  (unsigned char)random_below(256)};
        for (int bit = 0; bit < 8; bit++) {
            i.block[at] = (char)(was ^ 1 << bit);
            try_image(i, kind);
        }
        for (size_t k = 0; k < sizeof others; k++) {
            i.block[at] = (char)others[k];
            try_image(i, kind);
        }
        i.block[at] = (char)was;
    }
}

/* Several words or bytes at once, the words such as stand elsewhere in the block or are small; pieces moved about. */
static void corrupt_some(image i, int rounds)
{
    uint8_t kind = kind_of(i);
    char *was = malloc(i.bytes);
    memcpy(was, i.block, i.bytes);
    while (rounds-- > 0) {
        for (uint64_t n = 1 + random_below(4); n > 0; n--) {
            size_t at = 8 * random_below(i.bytes / 8), from = 8 * random_below(i.bytes / 8);
            uint64_t word;
            switch (random_below(5)) {
            case 0: memmove(i.block + at, i.block + from, 8); break;
            case 1: memmove(i.block + (at & ~(size_t)15), i.block + (from & ~(size_t)15), 16); break;
            case 2: i.block[at + random_below(8)] = (char)random_below(256); break;
            default:
                memcpy(&word, i.block + at, sizeof word);
                word += (random_below(7) - 3) << (8 * random_below(8));
                if (random_below(2) != 0) word = random_below(20) * 8 + (random_below(4) == 0 ? PG_LONG_MARK : 0);
                memcpy(i.block + at, &word, sizeof word);
                break;
            }
        }
        try_image(i, kind);
        memcpy(i.block, was, i.bytes);
    }
    free(was);
}

static void test_corruption(void)
{
    for (int n = 0; n < SAMPLES; n++) {
        CHECK_EQ(check_image(samples[n], kind_of(samples[n])), PG_OK);
        corrupt_each(samples[n]);
        corrupt_some(samples[n], SANITIZED ? 3000 : 20000);
    }
    printf("corrupted: %ld refused, %ld passed\n", refused, passed);
    CHECK(refused > 10000 && passed > 1000);
}

/* ---------------------------------------------------------------------------------------------------------- briefs */

/* Writes a message as a brief over bytes that are not zero, and reads it into another one. */
static void check_brief(pg_message *msg)
{
    union {
        pgi_brief head;
        unsigned char bytes[sizeof(pgi_brief) + PGI_BRIEF_MAX + 1];
    } frame;
    size_t count = pg_count(msg), bytes = pgi_brief_bytes(count);
    CHECK(pgi_brief_fits_message(msg) && bytes < sizeof frame);
    memset(&frame, 0xee, sizeof frame);
    pgi_brief_write(7, count, pgi_brief_values(msg), &frame);
    CHECK(pgi_brief_check(&frame.head, bytes) && frame.head.type == PGI_F_BRIEF && frame.head.to == 7);
    CHECK_EQ(frame.head.length, 16 * count);
    CHECK_EQ(frame.bytes[bytes], 0xee);
    pg_message *copy = pgi_block_alloc(NULL, 1 + count);
    CHECK(pgi_brief_read(copy, count, &frame.head + 1));
    CHECK_EQ(pg_count(copy), count);
    CHECK_EQ(copy->units, pgi_block_units(1 + count));
    CHECK(copy->kind == PGI_USER && copy->flags == 0);
    CHECK(memcmp(pgi_message_terms(copy), pgi_message_terms(msg), 16 * count) == 0);
    walk_message(copy);
    pgi_message_free(NULL, copy);
    pgi_message_free(NULL, msg);
}

/* One value that makes a brief malformed, and a message no brief. */
static void check_no_brief(const pg_term *value)
{
    pg_term values[] = {{PG_T_INT, 1}, *value, {PG_T_INT, 2}};
    pg_message *msg = pgi_block_alloc(NULL, 4);
    CHECK(!pgi_brief_read(msg, 3, values));
    CHECK(!pgi_brief_fits_message(msg)); /* it is the values' bytes, as read */
    CHECK(pgi_brief_read(msg, 1, values));
    pgi_message_free(NULL, msg);
}

static void test_briefs(void)
{
    pg_value many[PGI_BRIEF_MAX / 16 + 1];
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) many[i] = pg_v_int((int64_t)random_below(1000));
    for (size_t count = 0; count <= PGI_BRIEF_MAX / 16; count++) check_brief(build(count, many));
    pg_message *longer = build(PGI_BRIEF_MAX / 16 + 1, many);
    CHECK(!pgi_brief_fits_message(longer));
    pgi_message_free(NULL, longer);
    static const char text[] = "fourteen bytes";
    for (size_t length = 0; length <= PG_INLINE_MAX; length++) {
        const pg_value one = pg_strn(text, length);
        check_brief(build(1, &one));
    }
    check_brief(build(PG_VALUES("sym", 1.5, true, pg_v_nil(), (pg_pid){77})));

    const pg_value list[] = {pg_v_int(1)};
    const pg_value others[] = {pg_v_str("a text that is not in its words"), pg_list_of(1, list), pg_list_of(0, list),
                               pg_v_ptr(many)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        pg_message *msg = build(1, &others[i]);
        check_no_brief(pgi_message_terms(msg));
        pgi_message_free(NULL, msg);
    }
    const pg_value short_text = pg_v_str("ab");
    pg_message *msg = build(1, &short_text);
    pg_term padded = *pgi_message_terms(msg);
    padded.head |= UINT64_C(1) << 40;
    check_no_brief(&padded);
    check_no_brief(&(pg_term){0xff, 0});
    check_no_brief(&(pg_term){PG_T_BUFFER, 1});
    pgi_message_free(NULL, msg);
}

/* ---------------------------------------------------------------------------------------------------------- spawns */

static image spawn_image(const char *name, image args)
{
    pgi_spawn_body head = {.target = 1,
                           .table = 2,
                           .isolation = {.cpu_seconds = 3},
                           .name_length = (uint32_t)strlen(name),
                           .args_bytes = (uint32_t)args.bytes};
    image made = {pgi_wire_spawn_size(head.name_length, head.args_bytes), NULL};
    pg_message *message = NULL;
    if (args.bytes != 0) {
        message = pgi_block_alloc(NULL, args.bytes / PGI_UNIT);
        memcpy(message, args.block, args.bytes);
        pgi_wire_adopt(message);
    }
    made.block = malloc(made.bytes);
    memset(made.block, 0xee, made.bytes);
    pgi_wire_spawn_write(made.block, &head, name, message);
    pgi_message_free(NULL, message);
    return made;
}

static void test_spawns(void)
{
    const size_t name_at = sizeof(pgi_spawn_body);
    char name[41] = "";
    const image none = {0, NULL};
    for (size_t length = 0; length <= 40; length++) {
        memset(name, 'n', length);
        for (int with = 0; with < 2; with++) {
            image i = spawn_image(name, with ? samples[3] : none);
            const pgi_spawn_body *body = (const pgi_spawn_body *)(void *)i.block;
            CHECK_EQ(i.bytes % 16, 0);
            CHECK_EQ(pgi_wire_spawn_check(body, i.bytes, NULL, 0), PG_OK);
            CHECK_EQ(pgi_wire_spawn_check(body, i.bytes - 16, NULL, 0), PG_EINVAL);
            CHECK(body->target == 1 && body->table == 2 && body->isolation.cpu_seconds == 3);
            CHECK_STR(pgi_wire_spawn_name(body), name);
            const pg_message *args = pgi_wire_spawn_args(body);
            CHECK((args != NULL) == with);
            if (args != NULL) {
                CHECK(memcmp(args, samples[3].block, samples[3].bytes) == 0);
                walk_message(args);
            }
            /* Each byte behind the addresses and limits. */
            for (size_t at = offsetof(pgi_spawn_body, name_length); at < i.bytes; at++) {
                for (int bit = 0; bit < 8; bit++) {
                    i.block[at] = (char)(i.block[at] ^ 1 << bit);
                    bool fits = pgi_wire_spawn_check(body, i.bytes, NULL, 0) == PG_OK;
                    if (at < name_at + length && at >= name_at) CHECK(fits);
                    if (at < name_at || (!with && at >= name_at + length)) CHECK(!fits);
                    if (fits && args != NULL) walk_message(pgi_wire_spawn_args(body));
                    i.block[at] = (char)(i.block[at] ^ 1 << bit);
                }
            }
            if (length != 0) {
                i.block[name_at] = 0;
                CHECK_EQ(pgi_wire_spawn_check(body, i.bytes, NULL, 0), PG_EINVAL);
            }
            free(i.block);
        }
    }
    image other = spawn_image("x", samples[7]); /* no arguments: of another kind */
    CHECK_EQ(pgi_wire_spawn_check(other.block, other.bytes, NULL, 0), PG_EINVAL);
    free(other.block);
}

/* ----------------------------------------------------------------------------------------------- corpus and
 * figures */

static void write_input(const char *folder, const char *name, int number, int first, const void *data, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%d", folder, name, number);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fputc(first, file) == first && fwrite(data, 1, size, file) == size);
    CHECK_EQ(fclose(file), 0);
}

static void write_corpus(const char *folder)
{
    for (int n = 0; n < SAMPLES; n++)
        write_input(folder, "message", n, kind_of(samples[n]), samples[n].block, samples[n].bytes);
    for (size_t n = 0; n < sizeof good / sizeof *good; n += 2) {
        uint32_t input[10] = {CAPACITY, CAPACITY};
        memcpy(input + 2, &good[n], sizeof good[n]);
        write_input(folder, "frame", (int)n, 3, input, sizeof input);
    }
    for (int n = 0; n < 3; n++) {
        const pg_value values[] = {pg_v_str("fourteen bytes"), pg_v_int(n), pg_v_pid((pg_pid){77})};
        pg_message *msg = build((size_t)n + 1, values);
        char brief[sizeof(pgi_brief) + sizeof values];
        pgi_brief_write(7, (size_t)n + 1, pgi_brief_values(msg), brief);
        write_input(folder, "brief", n, 5, brief, pgi_brief_bytes((size_t)n + 1));
        pgi_message_free(NULL, msg);
    }
    for (int n = 0; n < 4; n++) {
        image i = spawn_image(n % 2 != 0 ? "a name of 18 bytes" : "", n < 2 ? samples[0] : samples[n]);
        write_input(folder, "spawn", n, 4, i.block, i.bytes);
        free(i.block);
    }
}

static void time_checks(void)
{
    static const char *const names[SAMPLES] = {
        [0] = "(\"ping\", 1)", [2] = "two texts", [4] = "nested dicts", [6] = "16 values"};
    const int times = SANITIZED ? 1000 : 1000000;
    for (int n = 0; n < SAMPLES; n++) {
        if (names[n] == NULL) continue;
        int64_t begin = check_now_ns();
        for (int i = 0; i < times; i++) {
            char *block = samples[n].block;
            __asm__ volatile("" : "+r"(block) : : "memory");
            CHECK_EQ(pgi_wire_check(block, samples[n].bytes, PGI_USER, NULL, 0), PG_OK);
        }
        printf("%s: %.1f ns to judge\n", names[n], (double)(check_now_ns() - begin) / times);
    }
}

int main(void)
{
    state = check_seed();
    make_samples();
    if (getenv("PG_TEST_CORPUS") != NULL) {
        write_corpus(getenv("PG_TEST_CORPUS"));
        return 0;
    }
    test_frames();
    test_brief_heads();
    test_briefs();
    test_rounds();
    test_exits();
    test_depth();
    test_pointers();
    test_packing();
    test_refused();
    test_corruption();
    test_spawns();
    time_checks();
    for (int n = 0; n < SAMPLES; n++) free(samples[n].block);
    return 0;
}
