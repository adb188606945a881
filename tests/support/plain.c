/* plain.c - see plain.h. */
#include "plain.h"

#include <math.h>

#include "runtime/term.h"

bool is_positive(const pg_term *term)
{
    return pg_term_type(term) == PG_T_INT && pg_term_int(NULL, term) > 0;
}

unsigned draw(world *w, unsigned below)
{
    return (unsigned)(check_random(&w->random) % below);
}

static pg_value *cells(world *w, size_t count)
{
    CHECK(w->used + count <= sizeof w->cells / sizeof *w->cells);
    w->used += count;
    return &w->cells[w->used - count];
}

static pg_value random_scalar(world *w)
{
    static const double floats[] = {0.0, -0.0, 1.0, 2.5, NAN, INFINITY};
    switch (draw(w, 9)) {
    case 0: return PG_NIL;
    case 1: return pg_v_bool(draw(w, 2));
    case 2:
    case 3: return pg_v_int((int)draw(w, 4) - 1);
    case 4: return pg_v_float(floats[draw(w, 6)]);
    case 5: return pg_strn("aaaaaaaaaaaaaaaa", draw(w, 17));
    case 6: return pg_v_str(draw(w, 2) ? LONG_A : LONG_B);
    case 7: return pg_bytes(draw(w, 2) ? LONG_A : LONG_B, draw(w, 2) ? 37 : 3);
    default: return draw(w, 2) ? pg_v_pid((pg_pid){draw(w, 3)}) : pg_v_ref((pg_ref){draw(w, 3)});
    }
}

/* Keys of one index are equal or of different forms; keys of different indices differ. */
static pg_value key_of(world *w, size_t index)
{
    static const char *const names[] = {"k0", "k1", "k2", LONG_A "2", LONG_A "3"};
    pg_value *element;
    switch (index % 4) {
    case 0: return pg_v_int((int64_t)index);
    case 1: return pg_v_str(names[index % 5]);
    case 2: return pg_v_float((double)index);
    default:
        element = cells(w, 2);
        element[0] = pg_v_str(LONG_B);
        element[1] = pg_v_int((int64_t)index);
        return pg_tuple_of(2, element);
    }
}

pg_value random_value(world *w, unsigned depth)
{
    unsigned kind = draw(w, depth == 0 ? 1 : 8);
    if (kind < 5) return random_scalar(w);
    size_t count = draw(w, 4);
    pg_value *elements = cells(w, 2 * count + 1);
    size_t first = draw(w, 3);
    for (size_t i = 0; i < count; i++) {
        if (kind < 7) {
            elements[i] = random_value(w, depth - 1);
        } else {
            elements[2 * i] = key_of(w, first + i);
            elements[2 * i + 1] = random_value(w, depth - 1);
        }
    }
    return kind == 5   ? pg_tuple_of(count, elements)
           : kind == 6 ? pg_list_of(count, elements)
                       : pg_dict_of(2 * count, elements);
}

pg_value random_pattern(world *w, pg_value v, unsigned depth)
{
    pg_type type = (pg_type)(v.head & 0xff);
    unsigned kind = draw(w, 12);
    if (kind == 0) return PG_ANY;
    if (kind == 1) return pg_p_type(type);
    if (kind == 2) return PG_WHERE(is_positive);
    if (kind == 3) return random_value(w, depth);
    if (!pgi_in(type, PGI_SEQUENCES)) return v;
    size_t count = pgi_value_count(v), left = 0;
    pg_value *elements = cells(w, count + 1);
    const pg_value *old = pgi_value_elements(v);
    if (type == PG_T_DICT) {
        for (size_t i = count; i != 0; i -= 2) { /* in another order, and not all of them */
            if (draw(w, 3) == 0) continue;
            elements[left++] = old[i - 2];
            elements[left++] = random_pattern(w, old[i - 1], depth - 1);
        }
        return pg_dict_of(left, elements);
    }
    for (size_t i = 0; i < count && draw(w, 6) != 0; i++) elements[left++] = random_pattern(w, old[i], depth - 1);
    if (draw(w, 3) == 0 || (left != count && draw(w, 2))) elements[left++] = PG_ETC;
    return type == PG_T_TUPLE ? pg_tuple_of(left, elements) : pg_list_of(left, elements);
}

pg_value random_message(world *w, unsigned depth)
{
    pg_value message;
    do message = random_value(w, depth);
    while ((message.head & 0xff) != PG_T_TUPLE);
    return message;
}

pg_value random_receiver(world *w, pg_value message, unsigned depth)
{
    pg_value pattern;
    do pattern = random_pattern(w, message, depth);
    while ((pattern.head & 0xff) != PG_T_TUPLE);
    return pattern;
}

bool plainly_matches(pg_value p, pg_value v)
{
    pg_type type = (pg_type)(p.head & 0xff), found = (pg_type)(v.head & 0xff);
    if (type == PG_T_ANY) return true;
    if (type == PG_T_TYPE) return found == p.head >> 8;
    if (type == PG_T_WHERE) return found == PG_T_INT && (int64_t)v.body > 0;
    if (type != found) return false;
    if (type == PG_T_FLOAT) {
        double a, b;
        memcpy(&a, &p.body, 8);
        memcpy(&b, &v.body, 8);
        return a == b;
    }
    if (pgi_in(type, PGI_TEXTS)) {
        size_t a = p.body < PG_LONG_MARK ? 14 - (p.body >> 56) : pgi_value_count(p);
        size_t b = v.body < PG_LONG_MARK ? 14 - (v.body >> 56) : pgi_value_count(v);
        const char *x = p.body < PG_LONG_MARK ? (const char *)&p + 1 : pgi_value_text(p);
        const char *y = v.body < PG_LONG_MARK ? (const char *)&v + 1 : pgi_value_text(v);
        return a == b && memcmp(x, y, a) == 0;
    }
    if (!pgi_in(type, PGI_SEQUENCES)) return p.body == v.body;
    size_t count = pgi_value_count(p), have = pgi_value_count(v);
    const pg_value *a = pgi_value_elements(p), *b = pgi_value_elements(v);
    if (type == PG_T_DICT) {
        for (size_t i = 0; i < count; i += 2) {
            size_t j = 0;
            while (j < have && !plainly_matches(a[i], b[j])) j += 2;
            if (j == have || !plainly_matches(a[i + 1], b[j + 1])) return false;
        }
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if ((a[i].head & 0xff) == PG_T_ETC) return true;
        if (i >= have || !plainly_matches(a[i], b[i])) return false;
    }
    return count == have;
}
