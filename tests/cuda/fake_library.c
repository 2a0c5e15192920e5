/* fake_library.c - the fake as a libdms_cuda.so, so that dmsrun runs plans for CUDA without a card.
 *
 * FAKE_CUDA is "seed=3,no_values,pin_limit=1000000,free=...,fail_call=...,fail_entry=...,code=700,
 * lost,no_driver,old_driver,no_card,old_card,calm,clock"; nothing: a card that never fails.
 * FAKE_CUDA_CALLS names a file for a line about each call. Closing ends the program where something was not given back, or a copy met memory that was not locked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "runtime/cuda/cuda_internal.h"
#include "runtime/cuda/cuda_open.h"

/* The number behind a name, or 1 where there is none; 0 where the name is not there. */
static uint64_t word(const char *name) {
    const char *text = getenv("FAKE_CUDA");
    const size_t n = strlen(name);
    while (text != NULL && *text != 0) {
        if (strncmp(text, name, n) == 0 && strchr("=,", text[n]) != NULL) /* the end of it too */
            return text[n] == '=' ? strtoull(text + n + 1, NULL, 10) : 1;
        text = strchr(text, ',');
        text = text == NULL ? NULL : text + 1;
    }
    return 0;
}

static void close_and_look(dms_device *device) {
    fake_cuda *fake = ((cuda_device *)device)->api->state;
    fake->close(device);
    const fake_cuda_report seen = fake_cuda_look(fake);
    fake_cuda_free(fake);
    if (seen.n_live == 0 && seen.n_pageable == 0)
        return;
    fprintf(stderr, "fake CUDA: %llu objects left, %llu pageable copies\n",
            (unsigned long long)seen.n_live, (unsigned long long)seen.n_pageable);
    abort();
}

static const dms_device_ops looking = {.name = "cuda", .close = close_and_look};

/* About what an A100 takes. */
static const fake_clock usual_clock = {.in_rate = 24,
                                       .out_rate = 23,
                                       .memory_rate = 1600,
                                       .cache_rate = 4000,
                                       .f32_rate = 15000,
                                       .f16_rate = 200000,
                                       .f64_rate = 8000,
                                       .i8_rate = 100000,
                                       .cache_bytes = 24u << 20,
                                       .in_ns = 2000,
                                       .out_ns = 2500,
                                       .launch_ns = 3000,
                                       .wait_ns = 1000,
                                       .host_ns = 300000,
                                       .extra = {{0, 20, 10}, {15, 0, 100}, {10, 120, 0}}};

/* Written to its end when the program ends. */
static FILE *calls_file(void) {
    const char *path = getenv("FAKE_CUDA_CALLS");
    return path == NULL ? NULL : fopen(path, "w");
}

static fake_cuda *card_of_environment(void) {
    const fake_cuda_options kind = {.seed = word("seed"),
                                    .is_calm = word("calm") != 0,
                                    .calls = calls_file(),
                                    .clock = word("clock") != 0 ? &usual_clock : NULL,
                                    .has_no_driver = word("no_driver") != 0,
                                    .has_old_driver = word("old_driver") != 0,
                                    .has_no_card = word("no_card") != 0,
                                    .is_old_card = word("old_card") != 0,
                                    .has_no_values = word("no_values") != 0,
                                    .free_bytes = word("free"),
                                    .pin_limit = word("pin_limit"),
                                    .fail_call = word("fail_call"),
                                    .fail_entry = word("fail_entry"),
                                    .fail_code = (int)word("code"),
                                    .is_lost = word("lost") != 0};
    return fake_cuda_new(&kind);
}

/* Calls are counted anew when the card is opened. */
static dms_code find_fake(int ordinal, dms_status *st) {
    fake_cuda *fake = card_of_environment();
    const dms_code code = fake_cuda_find(fake, ordinal, st);
    fake_cuda_free(fake);
    return code;
}

static dms_code open_fake(const dms_device_options *options, dms_arena *arena,
                          dms_device **out_device, dms_status *st) {
    fake_cuda *fake = card_of_environment();
    const dms_code code = fake_cuda_open(fake, options, arena, out_device, st);
    if (code != DMS_OK) {
        fake_cuda_free(fake);
        return code;
    }
    fake->close = (*out_device)->ops->close;
    (*out_device)->ops = &looking;
    return DMS_OK;
}

extern const dms_cuda_library dms_cuda_library_entry;
const dms_cuda_library dms_cuda_library_entry = {DMS_VERSION, sizeof(dms_device_options), find_fake,
                                                 open_fake};
