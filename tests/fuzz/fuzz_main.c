/* fuzz_main.c - a seeded mutator for builds without libFuzzer.
 *
 * usage: fuzz_NAME ROUNDS FILE...
 * Hands each file to the parser, then ROUNDS changed copies of it, always the same ones: the same
 * call repeats a crash. 0 rounds hands over the files alone. An input that takes more than a second
 * of processor time, or 200 MB, is a failure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/fuzz/fuzz.h"

#define SEED 88172645463325252u
#define LARGEST_BYTES (16u << 20)
#define ROOM_BYTES 64u /* what one round may add */
#define MOST_NS 1000000000
#define MOST_KILOBYTES (200 * 1024)

/* Sanitizers take time and memory of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 5
#else
#define SLOWER 1
#endif

/* What became of one file and its changed copies. */
typedef struct report {
    const char *wrong; /* NULL: nothing */
    uint64_t round;
} report;

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
    uint8_t *data = f ? malloc(LARGEST_BYTES) : NULL; /* untouched pages cost nothing */
    *out_size = data ? fread(data, 1, LARGEST_BYTES, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static int64_t cpu_ns(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static long peak_kilobytes(void) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* One input, from a copy that ends where it ends, so that a sanitizer sees a step beyond it. */
static const char *try_input(const uint8_t *data, size_t size) {
    const int64_t begin = cpu_ns();
    uint8_t *exact = malloc(size);
    if (!exact)
        return "no memory";
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    if (cpu_ns() - begin > (int64_t)MOST_NS * SLOWER)
        return "takes more than a second";
    return SLOWER == 1 && peak_kilobytes() > MOST_KILOBYTES ? "takes more than 200 MB" : NULL;
}

/* The file as it is, then all rounds over it, up to the first that fails. */
static report rounds_of(const char *path, uint64_t rounds) {
    size_t size;
    uint64_t state = SEED;
    report r = {"cannot be read, or is empty", 0};
    uint8_t *seed = load(path, &size), *data = malloc(LARGEST_BYTES + 4 * ROOM_BYTES);
    if (seed && data && size > 0)
        r.wrong = try_input(seed, size);
    for (; !r.wrong && r.round < rounds; r.round += r.wrong == NULL) {
        size_t n = size;
        memcpy(data, seed, size);
        for (uint64_t k = 1 + next(&state) % 3; k > 0; k--)
            n = mutate(&state, data, n);
        r.wrong = try_input(data, n);
    }
    free(seed);
    free(data);
    return r;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: %s ROUNDS FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        const report r = rounds_of(argv[i], strtoull(argv[1], NULL, 10));
        if (r.wrong)
            printf("FAILED %s, round %" PRIu64 ": %s\n", argv[i], r.round, r.wrong);
        passed += r.wrong == NULL;
        failed += r.wrong != NULL;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
