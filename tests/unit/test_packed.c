/* test_packed.c - the last page of a packed file: what decides its key, what a footer must have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/packed.h"

static const dms_hash A = {1, 2}, B = {3, 4};

/* Two cells. */
static dms_hash key_of(dms_hash first, uint64_t first_at, dms_hash second, uint64_t second_at) {
    return dms_packed_key_add(dms_packed_key_add(dms_packed_key(), first, first_at), second,
                              second_at);
}

static void the_key_is_the_same_for_the_same_cells(void **state) {
    (void)state;
    assert_true(dms_hash_equal(key_of(A, 0, B, 4096), key_of(A, 0, B, 4096)));
}

static void another_cell_order_or_place_is_another_key(void **state) {
    (void)state;
    const dms_hash key = key_of(A, 0, B, 4096);
    assert_false(dms_hash_equal(key, key_of(B, 0, A, 4096)));
    assert_false(dms_hash_equal(key, key_of(A, 4096, B, 0)));
    assert_false(dms_hash_equal(key, key_of(A, 0, B, 4097)));
    assert_false(dms_hash_equal(key, key_of(A, 0, A, 4096)));
    assert_false(dms_hash_equal(key, dms_packed_key_add(dms_packed_key(), A, 0)));
    assert_false(dms_hash_equal(key, dms_packed_key_add(key, A, 0)));
}

static void a_footer_fits_the_size_and_the_key_that_it_was_made_for(void **state) {
    (void)state;
    const dms_hash key = key_of(A, 0, B, 4096);
    dms_packed_footer footer = dms_packed_footer_make(8192, key);
    footer.digest = A; /* whatever it is */
    assert_true(dms_packed_footer_fits(&footer, 8192, key));
    assert_false(dms_packed_footer_fits(&footer, 12288, key));
    assert_false(dms_packed_footer_fits(&footer, 8192, dms_packed_key()));
    footer.version++;
    assert_false(dms_packed_footer_fits(&footer, 8192, key));
}

static void what_does_not_begin_as_a_footer_is_none(void **state) {
    (void)state;
    const dms_hash key = dms_packed_key();
    for (uint32_t k = 0; k < 8; k++) {
        dms_packed_footer footer = dms_packed_footer_make(0, key);
        assert_true(dms_packed_footer_fits(&footer, 0, key));
        footer.magic[k] ^= 1;
        assert_false(dms_packed_footer_fits(&footer, 0, key));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_the_same_for_the_same_cells),
        cmocka_unit_test(another_cell_order_or_place_is_another_key),
        cmocka_unit_test(a_footer_fits_the_size_and_the_key_that_it_was_made_for),
        cmocka_unit_test(what_does_not_begin_as_a_footer_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
