/* cuda_card.c - is there a card that runs the plan? Asked before anything is taken or loaded. */
#include <inttypes.h>
#include <stdio.h>

#include "runtime/cuda/cuda_internal.h"
#include "schema/checked.h"

#define LEAST_MAJOR 8 /* compute capability: bf16, asynchronous copies */

/* Drivers of Linux by the CUDA that they bring. */
static const struct {
    int cuda;
    const char *driver;
} drivers[] = {{12000, "525"}, {13000, "580"}};

/* The oldest driver for a runtime of this major version. */
static const char *driver_for(int runtime) {
    const char *name = "of that CUDA";
    for (size_t k = 0; k < sizeof drivers / sizeof *drivers; k++)
        if (drivers[k].cuda / 1000 == runtime / 1000)
            name = drivers[k].driver;
    return name;
}

/* A driver of an older major version cannot run what this library was built with. */
static dms_code check_driver(cuda_device *d, dms_status *st) {
    int driver = 0, runtime = 0;
    CUDA_TRY(d, "asking for versions", d->api->versions(d->api->state, &driver, &runtime));
    if (driver == 0)
        return dms_fail(st, DMS_EDEVICE,
                        "no NVIDIA driver is there: CUDA %d needs driver %s or newer",
                        runtime / 1000, driver_for(runtime));
    if (driver / 1000 < runtime / 1000)
        return dms_fail(st, DMS_EDEVICE,
                        "the NVIDIA driver is for CUDA %d.%d, this build needs CUDA %d: install "
                        "driver %s or newer",
                        driver / 1000, driver % 1000 / 10, runtime / 1000, driver_for(runtime));
    return DMS_OK;
}

static dms_code find_card(cuda_device *d, int ordinal, dms_status *st) {
    int n = 0;
    const int error = d->api->device_count(d->api->state, &n);
    if (error == DMS_CUDA_NO_DEVICE || (error == 0 && n == 0))
        return dms_fail(st, DMS_EDEVICE,
                        "no NVIDIA card is there, or CUDA_VISIBLE_DEVICES hides it");
    CUDA_TRY(d, "counting cards", error);
    if (ordinal >= n)
        return dms_fail(st, DMS_EDEVICE, "cuda:%d: there %s %d, from cuda:0 on", ordinal,
                        n == 1 ? "is" : "are", n);
    d->card.ordinal = ordinal;
    CUDA_TRY(d, "asking for the card", d->api->read_card(d->api->state, ordinal, &d->card));
    d->card.ordinal = ordinal;
    if (d->card.major < LEAST_MAJOR)
        return dms_fail(st, DMS_EDEVICE,
                        "cuda:%d '%s' has compute capability %d.%d: %d.0 or newer is needed",
                        ordinal, d->card.name, d->card.major, d->card.minor, LEAST_MAJOR);
    return DMS_OK;
}

/* Says which budget would fit, or that none does. */
static dms_code refuse_room(const cuda_device *d, const dms_device_options *options,
                            uint64_t free_bytes, uint64_t fits, dms_status *st) {
    const bool is_below = fits < options->floor_bytes;
    if (options->is_calibration)
        return dms_fail(st, DMS_EDEVICE,
                        "calibrating takes %" PRIu64 " bytes of a card, cuda:%d '%s' has %" PRIu64
                        " free of %" PRIu64,
                        options->device_bytes, d->card.ordinal, d->card.name, free_bytes,
                        d->card.total_bytes);
    return dms_fail(st, DMS_EDEVICE,
                    "the plan's device arena takes %" PRIu64 " bytes, cuda:%d '%s' has %" PRIu64
                    " free of %" PRIu64 "%s%" PRIu64,
                    options->device_bytes, d->card.ordinal, d->card.name, free_bytes,
                    d->card.total_bytes,
                    is_below ? ", less than at the model's floor, --device-mem "
                             : ": compile with --device-mem ",
                    is_below ? options->floor_bytes : fits);
}

static dms_code check_room(cuda_device *d, const dms_device_options *options, dms_status *st) {
    uint64_t free_bytes = 0;
    CUDA_TRY(d, "asking for free memory", d->api->free_bytes(d->api->state, &free_bytes));
    d->base.memory.total = d->card.total_bytes;
    d->base.memory.first = d->base.memory.with_arena = free_bytes;
    if (options->device_bytes <= free_bytes)
        return DMS_OK;
    return refuse_room(d, options, free_bytes, free_bytes / DMS_ALIGN * DMS_ALIGN, st);
}

dms_code dms_cuda_take_card(cuda_device *d, const dms_device_options *options, dms_status *st) {
    uint64_t free_bytes = 0;
    if (options->device_bytes == 0)
        return DMS_OK;
    const int error =
        d->api->device_alloc(d->api->state, options->device_bytes, &d->device_address);
    if (error == DMS_CUDA_OUT_OF_MEMORY)
        (void)d->api->free_bytes(d->api->state, &free_bytes); /* in pieces, or taken meanwhile */
    const uint64_t fits = (free_bytes - free_bytes / 32) / DMS_ALIGN * DMS_ALIGN;
    if (free_bytes != 0 && fits < options->device_bytes)
        return refuse_room(d, options, free_bytes, fits, st);
    CUDA_TRY(d, "taking the device arena", error);
    CUDA_TRY(d, "asking for free memory",
             d->api->free_bytes(d->api->state, &d->base.memory.with_arena));
    return DMS_OK;
}

dms_code dms_cuda_find_card(cuda_device *d, int ordinal, dms_status *st) {
    DMS_TRY(check_driver(d, st));
    return find_card(d, ordinal, st);
}

dms_code dms_cuda_device_find(int ordinal, const dms_cuda_api *api, dms_status *st) {
    dms_arena arena = {0};
    cuda_device *d;
    DMS_TRY(dms_alloc_st(&arena, 1, sizeof *d, "device", &d, st));
    d->api = api;
    d->card.ordinal = ordinal;
    const dms_code code = dms_cuda_find_card(d, ordinal, st);
    dms_arena_free(&arena);
    return code;
}

dms_code dms_cuda_check_card(cuda_device *d, const dms_device_options *options, dms_status *st) {
    DMS_TRY(dms_cuda_find_card(d, options->ordinal, st));
    CUDA_TRY(d, "using the card", d->api->use_card(d->api->state, options->ordinal));
    return check_room(d, options, st);
}
