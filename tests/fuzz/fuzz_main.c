/* fuzz_main.c - a seeded mutator for builds without libFuzzer.
 *
 * usage: fuzz_NAME ROUNDS FILE...
 * Changes each file ROUNDS times, always in the same way, and hands the result to the parser: the
 * same call repeats a crash.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define SEED 88172645463325252u
#define LARGEST_BYTES (16u << 20)
#define ROOM_BYTES 64u /* what one round may add */

/* xorshift64: the same numbers everywhere. */
static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Most files begin with what steers the parser; half of the changes go there. */
static size_t pick(uint64_t *state, size_t size) {
    const uint64_t wide = next(state) % 2 ? size : size / 16 + 1;
    return (size_t)(next(state) % (wide < size ? wide : size));
}

/* One change; returns the new size. `data` has ROOM_BYTES behind its end. */
static size_t mutate(uint64_t *state, uint8_t *data, size_t size) {
    static const uint8_t extreme[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const size_t at = pick(state, size), from = pick(state, size);
    const size_t room = size - (at > from ? at : from);
    const size_t n = 1 + (size_t)(next(state) % 8);
    switch (next(state) % 10) {
    case 0:
        data[at] ^= (uint8_t)(1u << next(state) % 8);
        return size;
    case 1:
        data[at] = extreme[next(state) % sizeof extreme];
        return size;
    case 2: /* a long number: ten bytes of a varint */
        memset(data + at, 0xff, room < 9 ? room : 9);
        return size;
    case 3: /* copy some bytes elsewhere */
        memmove(data + at, data + from, room < 32 ? room : 32);
        return size;
    case 4: /* insert */
        memmove(data + at + n, data + at, size - at);
        return size + n;
    case 5: /* remove, or now and then cut the end off */
        if (next(state) % 16 == 0)
            return at + 1;
        if (size - at <= n)
            return size;
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    default: /* another small number: the bit that says whether a varint goes on stays */
        data[at] = (uint8_t)((data[at] & 0x80) | ((data[at] + 1 + next(state) % 3 * 63) & 0x7f));
        return size;
    }
}

static uint8_t *load(const char *path, size_t *out_size) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = f ? malloc(LARGEST_BYTES + ROOM_BYTES) : NULL;
    *out_size = data ? fread(data, 1, LARGEST_BYTES, f) : 0;
    if (f)
        fclose(f);
    return data;
}

/* All rounds over one file; false when it cannot be read. */
static int rounds_of(const char *path, uint64_t rounds) {
    size_t size;
    uint64_t state = SEED;
    uint8_t *seed = load(path, &size), *data = malloc(LARGEST_BYTES + 4 * ROOM_BYTES);
    const int ok = seed && data && size > 0;
    for (uint64_t r = 0; ok && r < rounds; r++) {
        size_t n = size;
        memcpy(data, seed, size);
        for (uint64_t k = 1 + next(&state) % 3; k > 0; k--)
            n = mutate(&state, data, n);
        (void)LLVMFuzzerTestOneInput(data, n);
    }
    free(seed);
    free(data);
    return ok;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: %s ROUNDS FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        if (rounds_of(argv[i], strtoull(argv[1], NULL, 10))) {
            passed++;
        } else {
            printf("FAILED %s: cannot be read\n", argv[i]);
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
