/* test_spans.c - who owns which bytes: against an array that holds the owner of every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/spans.h"
#include "support_execute.h"

enum { BYTES = 1 << 16, BUFFERS = 20000, CLAIMS = 20000 };

/* The owners of [from, end) in the array, a change of owner each. */
static void expect_pieces(const uint32_t *owner, uint64_t from, uint64_t end, dms_spans *spans) {
    dms_span_walk walk = dms_spans_visit(spans, from, end - from);
    uint32_t found, last = DMS_NONE - 1;
    uint64_t at = from;
    while (dms_spans_next(spans, &walk, &found)) {
        if (found == last)
            continue; /* two pieces of one owner */
        last = found;
        assert_true(at < end);
        assert_int_equal(found, owner[at]);
        while (at < end && owner[at] == found)
            at++;
    }
    assert_int_equal(at, end);
}

static dms_buffer random_range(uint64_t *random, uint64_t longest) {
    const uint64_t offset = execute_random(random) % BYTES;
    uint64_t bytes = 1 + execute_random(random) % longest;
    bytes = bytes > BYTES - offset ? BYTES - offset : bytes;
    return (dms_buffer){DMS_NONE, 0, DMS_TIER_DEVICE, offset, bytes};
}

/* Many small claims and few large ones, so that both splitting and joining happen often. */
static void claims_and_visits_agree_with_an_array_of_owners(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_status st = {0};
    uint64_t random = 42;
    dms_plan plan = {.n_buffers = BUFFERS, .buffer = DMS_NEW(&arena, dms_buffer, BUFFERS)};
    uint32_t *owner = DMS_NEW(&arena, uint32_t, BYTES);
    memset(owner, 0xff, BYTES * sizeof *owner);
    for (uint32_t k = 0; k < BUFFERS; k++)
        plan.buffer[k] = random_range(&random, k % 50 == 0 ? BYTES : 64);
    dms_spans spans;
    assert_int_equal(dms_spans_init(&spans, &plan, DMS_TIER_DEVICE, &arena, &st), DMS_OK);
    assert_true(spans.n_edges > 64 * 64); /* three levels of bits */
    for (uint32_t n = 0; n < CLAIMS; n++) {
        const uint32_t k = (uint32_t)(execute_random(&random) % BUFFERS);
        const dms_buffer *b = &plan.buffer[k];
        expect_pieces(owner, b->offset, b->offset + b->bytes, &spans);
        dms_spans_claim(&spans, b->offset, b->bytes, k);
        for (uint64_t at = b->offset; at < b->offset + b->bytes; at++)
            owner[at] = k;
    }
    dms_arena_free(&arena);
}

/* Buffers A [0, 4), B [4, 8), C [8, 12), D [2, 10): D takes B whole and half of A and C. */
static void a_claim_leaves_the_rest_to_the_old_owners(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_status st = {0};
    dms_buffer buffer[4] = {{DMS_NONE, 0, DMS_TIER_HOST, 0, 4},
                            {DMS_NONE, 0, DMS_TIER_HOST, 4, 4},
                            {DMS_NONE, 0, DMS_TIER_HOST, 8, 4},
                            {DMS_NONE, 0, DMS_TIER_HOST, 2, 8}};
    const dms_plan plan = {.n_buffers = 4, .buffer = buffer};
    dms_spans spans;
    uint32_t owner;
    assert_int_equal(dms_spans_init(&spans, &plan, DMS_TIER_HOST, &arena, &st), DMS_OK);
    for (uint32_t k = 0; k < 4; k++)
        dms_spans_claim(&spans, buffer[k].offset, buffer[k].bytes, k);
    dms_span_walk walk = dms_spans_visit(&spans, 0, 12);
    static const uint32_t wanted[3] = {0, 3, 2};
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(dms_spans_next(&spans, &walk, &owner));
        assert_int_equal(owner, wanted[k]);
    }
    assert_false(dms_spans_next(&spans, &walk, &owner));
    dms_arena_free(&arena);
}

static void an_arena_without_buffers_is_fine(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_status st = {0};
    const dms_plan plan = {0};
    dms_spans spans;
    assert_int_equal(dms_spans_init(&spans, &plan, DMS_TIER_HOST, &arena, &st), DMS_OK);
    assert_int_equal(spans.n_edges, 1);
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_and_visits_agree_with_an_array_of_owners),
        cmocka_unit_test(a_claim_leaves_the_rest_to_the_old_owners),
        cmocka_unit_test(an_arena_without_buffers_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
