/* test_hash.c - is it the published XXH3-128, and do order and place matter? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schema/hash.h"

#define PRIME32 2654435761u

/* The byte sequence that the published vectors are of: high bytes of powers of a prime. */
static void fill(uint8_t *bytes, size_t n) {
    uint64_t word = PRIME32;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(word >> 56);
        word *= 11400714785074694797u;
    }
}

/* One vector for each way through the algorithm: 0, 1-3, 4-8, 9-16, 17-128, 129-240, longer, and
 * lengths around a block of 1024 bytes. From the self-test of xxHash 0.8. */
static void published_vectors_come_out(void **state) {
    (void)state;
    static const struct {
        size_t size;
        uint64_t seed, lo, hi;
    } vector[] = {
        {0, 0, 0x6001C324468D497F, 0x99AA06D3014798D8},
        {0, PRIME32, 0x5444F7869C671AB0, 0x92220AE55E14AB50},
        {1, 0, 0xC44BDFF4074EECDB, 0xA6CD5E9392000F6A},
        {1, PRIME32, 0xB53D5557E7F76F8D, 0x89B99554BA22467C},
        {6, 0, 0x3E7039BDDA43CFC6, 0x082AFE0B8162D12A},
        {6, PRIME32, 0x269D8F70BE98856E, 0x5A865B5389ABD2B1},
        {12, 0, 0x061A192713F69AD9, 0x6E3EFD8FC7802B18},
        {24, 0, 0x1E7044D28B1B901D, 0x0CE966E4678D3761},
        {48, 0, 0xF942219AED80F67B, 0xA002AC4E5478227E},
        {81, 0, 0x5E8BAFB9F95FB803, 0x4952F58181AB0042},
        {222, 0, 0xF1AEBD597CEC6B3A, 0x337E09641B948717},
        {403, 0, 0xCDEB804D65C6DEA4, 0x1B6DE21E332DD73D},
        {512, 0, 0x617E49599013CB6B, 0x18D2D110DCC9BCA1},
        {2048, 0, 0xDD59E2C3A5F038E0, 0xF736557FD47073A5},
        {2240, 0, 0x6E73A90539CF2948, 0xCCB134FBFA7CE49D},
    };
    uint8_t bytes[2240];
    fill(bytes, sizeof bytes);
    for (size_t k = 0; k < sizeof vector / sizeof *vector; k++) {
        const dms_hash hash = dms_hash_bytes(bytes, vector[k].size, vector[k].seed);
        if (hash.lo != vector[k].lo || hash.hi != vector[k].hi)
            fail_msg("%zu bytes, seed %u", vector[k].size, (unsigned)vector[k].seed);
    }
}

static void text_is_the_high_half_first(void **state) {
    (void)state;
    char text[33];
    const dms_hash hash = {0x0123456789abcdef, 0x00000000000000fe};
    assert_string_equal(dms_hash_text(hash, text), "00000000000000fe0123456789abcdef");
    assert_string_equal(dms_hash_text(dms_hash_bytes(NULL, 0, 0), text),
                        "99aa06d3014798d86001c324468d497f"); /* as xxhsum -H2 prints it */
    assert_int_equal(text[32], 0);
}

static void any_changed_bit_changes_both_halves(void **state) {
    (void)state;
    static const size_t size[] = {1, 4, 16, 17, 100, 240, 241, 1025};
    uint8_t bytes[1025];
    for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
        fill(bytes, size[k]);
        const dms_hash before = dms_hash_bytes(bytes, size[k], 0);
        for (size_t bit = 0; bit < 8 * size[k]; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            const dms_hash after = dms_hash_bytes(bytes, size[k], 0);
            assert_true(after.lo != before.lo && after.hi != before.hi);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_true(dms_hash_equal(before, dms_hash_bytes(bytes, size[k], 0)));
    }
}

/* Zeros of different number are different files. */
static void zeros_are_counted(void **state) {
    (void)state;
    static const uint8_t zeros[600];
    dms_hash seen[600];
    for (size_t n = 0; n < 600; n++) {
        seen[n] = dms_hash_bytes(zeros, n, 0);
        for (size_t k = 0; k < n; k++)
            assert_false(dms_hash_equal(seen[n], seen[k]));
    }
}

static void the_address_does_not_matter(void **state) {
    (void)state;
    uint8_t bytes[400], moved[464];
    fill(bytes, sizeof bytes);
    for (size_t at = 0; at < 64; at++) {
        memcpy(moved + at, bytes, sizeof bytes);
        assert_true(dms_hash_equal(dms_hash_bytes(bytes, sizeof bytes, 9),
                                   dms_hash_bytes(moved + at, sizeof bytes, 9)));
    }
}

static void joining_knows_first_from_second(void **state) {
    (void)state;
    const dms_hash a = {1, 2}, b = {3, 4}, c = {5, 6};
    assert_false(dms_hash_equal(dms_hash_join(a, b), dms_hash_join(b, a)));
    assert_false(dms_hash_equal(dms_hash_join(a, a), a));
    assert_false(dms_hash_equal(dms_hash_join(dms_hash_join(a, b), c),
                                dms_hash_join(a, dms_hash_join(b, c))));
    assert_true(dms_hash_equal(dms_hash_join(a, b), dms_hash_join(a, b)));
}

/* Each of the 256 bits that go into a join matters, halves cannot stand in for each other. */
static void joining_uses_all_bits_of_both(void **state) {
    (void)state;
    uint64_t word[4] = {11, 22, 33, 44};
    const dms_hash before = dms_hash_join((dms_hash){11, 22}, (dms_hash){33, 44});
    for (int bit = 0; bit < 256; bit++) {
        word[bit / 64] ^= (uint64_t)1 << bit % 64;
        const dms_hash a = {word[0], word[1]}, b = {word[2], word[3]};
        assert_false(dms_hash_equal(dms_hash_join(a, b), before));
        word[bit / 64] ^= (uint64_t)1 << bit % 64;
    }
    assert_false(dms_hash_equal(dms_hash_join((dms_hash){22, 11}, (dms_hash){33, 44}), before));
}

static void both_halves_must_be_equal(void **state) {
    (void)state;
    assert_true(dms_hash_equal((dms_hash){1, 2}, (dms_hash){1, 2}));
    assert_false(dms_hash_equal((dms_hash){1, 2}, (dms_hash){1, 3}));
    assert_false(dms_hash_equal((dms_hash){1, 2}, (dms_hash){0, 2}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_come_out),
        cmocka_unit_test(text_is_the_high_half_first),
        cmocka_unit_test(any_changed_bit_changes_both_halves),
        cmocka_unit_test(zeros_are_counted),
        cmocka_unit_test(the_address_does_not_matter),
        cmocka_unit_test(joining_knows_first_from_second),
        cmocka_unit_test(joining_uses_all_bits_of_both),
        cmocka_unit_test(both_halves_must_be_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
