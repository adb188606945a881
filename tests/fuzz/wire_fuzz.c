/* wire_fuzz.c - any bytes as what a peer has written: judged by runtime/wire.c, and read in every way where they
 * pass.
 *
 * The first byte of an input says what the others are: a message of each kind, a brief, the header of a frame with a
 * word before it that says what can be read, or a spawn.  They are copied into memory of their own size, so that
 * AddressSanitizer sees every byte that is read behind the end. */
#include "parcel.h"
#include "wire.h"

#include "check.h"
#include "exactly.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message that was let pass has one form only: built again of its values, it has the same bytes. */
static void check_form(const pg_message *message, size_t size)
{
    pg_value values[PG_VALUES_MAX];
    pg_message *built;
    size_t bytes;
    for (size_t i = 0; i < pg_count(message); i++) values[i] = pg_v_term(pg_get(NULL, message, i));
    if (pgi_message_build(NULL, pg_count(message), values, &built) != PG_OK) return;
    built->kind = message->kind;
    CHECK_EQ(pgi_wire_prepare(NULL, &built, &bytes), PG_OK);
    CHECK_EQ(bytes, size);
    char *again = malloc(bytes);
    pgi_wire_write(built, bytes, 0, again, bytes);
    CHECK(memcmp(again, message, bytes) == 0);
    free(again);
    pgi_message_free(NULL, built);
}

static void try_message(const uint8_t *data, size_t size, uint8_t kind)
{
    void *block = exactly(data, size);
    if (pgi_wire_check(block, size, kind, NULL, 0) == PG_OK) {
        CHECK(pgi_wire_may_cross(block));
        check_form(block, size);
        walk_message(block);
    }
    free(block);
}

static void try_frame(const uint8_t *data, size_t size)
{
    pgi_frame frame;
    uint32_t room[2];
    if (size < sizeof room + sizeof frame) return;
    memcpy(room, data, sizeof room);
    memcpy(&frame, data + sizeof room, sizeof frame);
    int status = pgi_frame_check(&frame, room[0], room[1]);
    if (status == PG_EINVAL) return;
    CHECK(pgi_frame_bytes(&frame) <= room[1]);
    CHECK((pgi_frame_bytes(&frame) <= room[0]) == (status == PG_OK));
    CHECK(frame.type != 0 && frame.type < PGI_F_TYPES && frame.spare == 0 && frame.buffers <= PGI_PARCEL_MAX);
}

/* A brief, and what may be read behind it.  What is let pass is a message that may be sent so, in the same bytes. */
static void try_brief(const uint8_t *data, size_t size)
{
    pgi_brief head;
    if (size < sizeof head) return;
    memcpy(&head, data, sizeof head);
    if (head.type != PGI_F_BRIEF || !pgi_brief_check(&head, size)) return;
    size_t count = head.length / sizeof(pg_value), bytes = pgi_brief_bytes(count);
    CHECK(bytes <= size && head.length <= PGI_BRIEF_MAX && head.to != 0);
    void *frame = exactly(data, bytes), *again = malloc(bytes);
    pg_message *message = pgi_block_alloc(NULL, 1 + count);
    if (pgi_brief_read(message, count, (const pgi_brief *)frame + 1)) {
        CHECK(pgi_brief_fits_message(message));
        pgi_brief_write(head.to, count, pgi_brief_values(message), again);
        CHECK(memcmp(again, frame, bytes) == 0);
        walk_message(message);
    }
    pgi_message_free(NULL, message);
    free(frame);
    free(again);
}

static void try_spawn(const uint8_t *data, size_t size)
{
    pgi_spawn_body *body = exactly(data, size);
    if (pgi_wire_spawn_check(body, size, NULL, 0) == PG_OK) {
        const char *name = pgi_wire_spawn_name(body);
        const pg_message *args = pgi_wire_spawn_args(body);
        CHECK_EQ(strlen(name), body->name_length);
        CHECK_EQ(pgi_wire_spawn_size(body->name_length, body->args_bytes), size);
        if (args != NULL) walk_message(args);
    }
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    switch (data[0] % 6) {
    case 3: try_frame(data + 1, size - 1); break;
    case 4: try_spawn(data + 1, size - 1); break;
    case 5: try_brief(data + 1, size - 1); break;
    default: try_message(data + 1, size - 1, data[0] % 6); break;
    }
    return 0;
}
