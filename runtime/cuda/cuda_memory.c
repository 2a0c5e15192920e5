/* cuda_memory.c - one allocation on the card, one locked range of the host, one page of counters.
 *
 * The host arena is a mapping of exactly the planned size, next to the card where the kernel allows
 * it, and locked as a whole. Where it cannot be locked it stays pageable, and copies pass through a
 * locked block for each direction, in the order of their stream; `note` says so.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cuda/cuda_internal.h"

#define POISON 0xff /* a NaN in every floating type, -1 in every signed one */
#define PREFERRED 1 /* MPOL_PREFERRED of mbind(2), which libc does not declare */

/* Address space of exactly `bytes`; NULL where there is none. */
static void *map(uint64_t bytes) {
    void *memory =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Asks for pages of the node beside the card. Writes where they are, or why not there: containers
 * often forbid it; then the kernel chooses. */
static void place_near(void *memory, uint64_t bytes, int node, char *out, size_t size) {
    const unsigned long bits = 8 * sizeof(unsigned long);
    out[0] = 0;
    if (node < 0)
        return; /* there is one node, or none is told */
    const unsigned long mask = (unsigned long)node < bits ? 1ul << node : 0;
    errno = mask == 0 ? EINVAL : 0;
    if (mask == 0 || /* the kernel takes one bit less than it is told */
        syscall(SYS_mbind, memory, (size_t)bytes, PREFERRED, &mask, bits + 1, 0) != 0)
        (void)snprintf(out, size, ", not on node %d (%s)", node, strerror(errno));
    else
        (void)snprintf(out, size, " on node %d", node);
}

/* A locked block for each direction.
 * Errors   DMS_EDEVICE: not even those can be locked. */
static dms_code take_bounce(cuda_device *d, int said, dms_status *st) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char reason[96] = "";
    for (int k = 0; k < 2; k++) {
        d->bounce[k] = map(CUDA_BOUNCE_BYTES);
        if (d->bounce[k] == NULL)
            return dms_fail(st, DMS_EDEVICE, "memory of %u bytes cannot be had", CUDA_BOUNCE_BYTES);
        CUDA_TRY(d, "locking 4 MiB of host memory",
                 d->api->pin(d->api->state, d->bounce[k], CUDA_BOUNCE_BYTES));
        d->is_bounce_locked[k] = true;
        d->own_bytes += CUDA_BOUNCE_BYTES;
    }
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < d->base.host_bytes)
        (void)snprintf(reason, sizeof reason, ", the limit of locked memory is %" PRIu64 " bytes",
                       (uint64_t)limit.rlim_cur);
    (void)snprintf(d->arena_note, sizeof d->arena_note,
                   "host arena of %" PRIu64 " bytes not locked (%s%s): copies pass through 4 MiB "
                   "that are",
                   d->base.host_bytes, d->api->error_name(d->api->state, said), reason);
    return DMS_OK;
}

static dms_code take_host(cuda_device *d, const dms_device_options *options, dms_status *st) {
    const uint64_t bytes = options->host_bytes;
    if (bytes == 0)
        return DMS_OK;
    d->base.host_arena = map(bytes);
    if (d->base.host_arena == NULL)
        return dms_fail(st, DMS_EDEVICE, "a host arena of %" PRIu64 " bytes cannot be had", bytes);
    char where[96];
    place_near(d->base.host_arena, bytes, d->card.numa_node, where, sizeof where);
    if (options->poison)
        memset(d->base.host_arena, POISON, (size_t)bytes);
    const int said = d->api->pin(d->api->state, d->base.host_arena, bytes);
    if (said != 0)
        return take_bounce(d, said, st);
    d->is_arena_locked = true;
    (void)snprintf(d->arena_note, sizeof d->arena_note, "host arena locked%s", where);
    return DMS_OK;
}

static dms_code take_page(cuda_device *d, const dms_device_options *options, dms_status *st) {
    d->n_index_words = 2 * options->n_commands;
    d->page_bytes = DMS_N_QUEUES * CUDA_COUNTER_BYTES + d->n_index_words * sizeof(uint32_t);
    d->page = map(d->page_bytes);
    if (d->page == NULL)
        return dms_fail(st, DMS_EDEVICE, "memory of %" PRIu64 " bytes cannot be had",
                        d->page_bytes);
    CUDA_TRY(d, "locking the page of counters", d->api->pin(d->api->state, d->page, d->page_bytes));
    d->is_page_locked = true;
    d->own_bytes += d->page_bytes;
    CUDA_TRY(d, "mapping the page of counters",
             d->api->address_of(d->api->state, d->page, &d->page_address));
    return DMS_OK;
}

dms_code dms_cuda_take_memory(cuda_device *d, const dms_device_options *options, dms_status *st) {
    DMS_TRY(dms_cuda_take_card(d, options, st));
    DMS_TRY(take_host(d, options, st));
    return take_page(d, options, st);
}

/* What was never taken is NULL. */
static void give_back(cuda_device *d, void *memory, uint64_t bytes, bool is_locked) {
    if (is_locked)
        (void)d->api->unpin(d->api->state, memory);
    if (memory != NULL)
        (void)munmap(memory, (size_t)bytes);
}

void dms_cuda_give_memory(cuda_device *d) {
    give_back(d, d->page, d->page_bytes, d->is_page_locked);
    for (int k = 0; k < 2; k++)
        give_back(d, d->bounce[k], CUDA_BOUNCE_BYTES, d->is_bounce_locked[k]);
    give_back(d, d->base.host_arena, d->base.host_bytes, d->is_arena_locked);
    if (d->device_address != 0)
        (void)d->api->device_free(d->api->state, d->device_address);
}

#define ALL_PIECES (CUDA_STREAMS * CUDA_PIECES)

dms_code dms_cuda_take_pieces(cuda_device *d, dms_status *st) {
    d->pieces = map(ALL_PIECES * sizeof *d->pieces); /* zero: FREE */
    if (d->pieces == NULL)
        return dms_fail(st, DMS_EDEVICE, "memory of %zu bytes cannot be had",
                        ALL_PIECES * sizeof *d->pieces);
    for (uint32_t q = 0; q < CUDA_STREAMS; q++)
        d->stream[q].piece = d->pieces + q * CUDA_PIECES;
    d->own_bytes += ALL_PIECES * sizeof *d->pieces;
    return DMS_OK;
}

bool dms_cuda_revoke_pieces(cuda_device *d) {
    bool is_still = true;
    for (uint32_t k = 0; d->pieces != NULL && k < ALL_PIECES; k++) {
        int waiting = CUDA_PIECE_WAITING;
        (void)atomic_compare_exchange_strong(&d->pieces[k].state, &waiting, CUDA_PIECE_REVOKED);
        is_still &= atomic_load(&d->pieces[k].state) != CUDA_PIECE_MOVING;
    }
    return is_still;
}

void dms_cuda_give_pieces(cuda_device *d) {
    for (uint32_t k = 0; d->pieces != NULL && k < ALL_PIECES; k++)
        if (atomic_load(&d->pieces[k].state) != CUDA_PIECE_FREE)
            return;
    give_back(d, d->pieces, ALL_PIECES * sizeof *d->pieces, false);
}

_Atomic uint64_t *dms_cuda_counter(const cuda_device *d, uint32_t queue) {
    return (_Atomic uint64_t *)(void *)(d->page + (uint64_t)queue * CUDA_COUNTER_BYTES);
}
