/* fuzz_plan.c - any bytes as a plan: read, then proven or refused.
 *
 * The checksum is made right again, so that the change reaches what lies behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/check/check.h"
#include "tests/fuzz/fuzz.h"

#define HEADER_BYTES 40u
#define MEMORY_BYTES (256u << 20)

static void put_le(uint8_t *out, uint64_t value) {
    for (unsigned k = 0; k < 8; k++)
        out[k] = (uint8_t)(value >> (8 * k));
}

/* Length and checksum as docs/plan-format.md has them. */
static void seal(uint8_t *data, size_t size) {
    put_le(data + 16, size - HEADER_BYTES);
    const dms_hash sum = dms_hash_join(dms_hash_bytes(data, 24, 0),
                                       dms_hash_bytes(data + HEADER_BYTES, size - HEADER_BYTES, 0));
    put_le(data + 24, sum.lo);
    put_le(data + 32, sum.hi);
}

static void read_and_prove(const uint8_t *data, size_t size) {
    dms_arena arena;
    dms_status st = {0};
    dms_plan plan;
    dms_hash meaning;
    dms_arena_init(&arena, MEMORY_BYTES);
    if (dms_plan_decode(data, size, &arena, &plan, &st) == DMS_OK)
        (void)!dms_check_plan(&plan, &arena, &meaning, &st);
    dms_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_and_prove(data, size);
    uint8_t *sealed = size >= HEADER_BYTES ? malloc(size) : NULL;
    if (!sealed)
        return 0;
    memcpy(sealed, data, size);
    seal(sealed, size);
    read_and_prove(sealed, size);
    free(sealed);
    return 0;
}
