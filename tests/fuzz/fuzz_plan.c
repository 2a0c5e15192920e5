/* fuzz_plan.c - any bytes as a plan: read, then proven or refused; what is proven is printed, and
 * written again to the same bytes that its copy gives.
 *
 * The checksum is made right again, so that the change reaches what lies behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"
#include "tests/fuzz/fuzz.h"

#define HEADER_BYTES 40u

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

static const char *kernel_name(uint32_t kernel) {
    const dms_kernel_row *row = dms_kernel_row_find(kernel);
    return row ? row->name : "?";
}

static void print(const dms_plan *plan) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return;
    dms_plan_print(plan, kernel_name, out);
    (void)fclose(out);
    free(text);
}

/* Writing loses nothing: what was written reads as a plan that is written as the same bytes. */
static void write_twice(const dms_plan *plan, dms_arena *arena) {
    dms_status st = {0};
    dms_plan again;
    uint8_t *data[2];
    uint64_t size[2];
    if (dms_plan_encode(plan, arena, &data[0], &size[0], &st) != DMS_OK ||
        dms_plan_decode(data[0], size[0], arena, &again, &st) != DMS_OK ||
        dms_plan_encode(&again, arena, &data[1], &size[1], &st) != DMS_OK) {
        fprintf(stderr, "a plan that was proven cannot be written and read: %s\n", st.msg);
        abort();
    }
    if (size[0] != size[1] || memcmp(data[0], data[1], size[0]) != 0)
        abort();
}

static void read_and_prove(const uint8_t *data, size_t size) {
    dms_arena arena;
    dms_status st = {0};
    dms_plan plan;
    dms_hash meaning;
    dms_arena_init(&arena, FUZZ_MEMORY_BYTES);
    if (fuzz_verdict(dms_plan_decode(data, size, &arena, &plan, &st), &st) == DMS_OK &&
        fuzz_verdict(dms_check_plan(&plan, &arena, &meaning, &st), &st) == DMS_OK) {
        print(&plan);
        write_twice(&plan, &arena);
    }
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
