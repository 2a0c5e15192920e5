/* emulate.c - see emulate.h. Each thread of a block has a stack of its own; the scheduler goes
 * round them, and lets go of a barrier once everybody who is not done stands before it. */
#include "tests/cuda/emulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ucontext.h>

#include <cmocka.h>

#define MOST_THREADS 1024u
#define STACK_BYTES (96u << 10)

enum { READY, AT_BLOCK, AT_WARP, DONE };

typedef struct fiber {
    ucontext_t
        context; /* by which it starts; from then on `at` is enough, and needs no system call */
    jmp_buf at;
    int has_started;
    int state;
    uint64_t passed; /* to the other lanes */
} fiber;

emulated_index threadIdx, blockIdx, blockDim, gridDim;

/* The block that runs; there is one at a time. */
static struct {
    fiber fiber[MOST_THREADS];
    _Alignas(64) char stack[MOST_THREADS][STACK_BYTES];
    ucontext_t start;
    jmp_buf scheduler;
    void (*body)(const void *p);
    const void *p;
    uint32_t launches;
} block;

uint32_t emulate_launches(void) {
    return block.launches;
}

static void enter(void) {
    block.body(block.p);
    block.fiber[threadIdx.x].state = DONE;
    _longjmp(block.scheduler, 1);
}

static void wait_at(int state) {
    fiber *self = &block.fiber[threadIdx.x];
    self->state = state;
    if (_setjmp(self->at) == 0)
        _longjmp(block.scheduler, 1);
}

/* Lets a thread run until it waits or is done. */
static void go_on(uint32_t t) {
    fiber *f = &block.fiber[t];
    threadIdx.x = t;
    if (_setjmp(block.scheduler) != 0)
        return;
    if (f->has_started)
        _longjmp(f->at, 1);
    f->has_started = 1;
    (void)swapcontext(&block.start, &f->context);
}

void __syncthreads(void) {
    wait_at(AT_BLOCK);
}

void __syncwarp(void) {
    wait_at(AT_WARP);
}

uint64_t emulate_shuffle(uint64_t bits, uint32_t lane) {
    const uint32_t other = threadIdx.x / DMS_WARP * DMS_WARP + lane % DMS_WARP;
    block.fiber[threadIdx.x].passed = bits;
    __syncwarp();
    const uint64_t out = other < blockDim.x ? block.fiber[other].passed : bits;
    __syncwarp(); /* nobody passes anything new before all have read */
    return out;
}

/* Lets threads [first, end) go on where each of them waits at `state` or is done; returns whether
 * any of them waited. */
static int release(uint32_t first, uint32_t end, int state) {
    int waits = 0;
    for (uint32_t t = first; t < end; t++) {
        if (block.fiber[t].state != state && block.fiber[t].state != DONE)
            return 0;
        waits |= block.fiber[t].state == state;
    }
    for (uint32_t t = first; t < end; t++)
        if (block.fiber[t].state == state)
            block.fiber[t].state = READY;
    return waits;
}

/* One turn: every thread that may run does, until it waits. Returns whether somebody goes on. */
static int run_turn(uint32_t n) {
    int goes_on = 0;
    for (uint32_t t = 0; t < n; t++)
        if (block.fiber[t].state == READY)
            go_on(t);
    for (uint32_t t = 0; t < n; t += DMS_WARP)
        goes_on |= release(t, t + DMS_WARP < n ? t + DMS_WARP : n, AT_WARP);
    return goes_on | release(0, n, AT_BLOCK);
}

static void run_block(uint32_t n) {
    for (uint32_t t = 0; t < n; t++) {
        fiber *f = &block.fiber[t];
        assert_int_equal(getcontext(&f->context), 0);
        f->context.uc_stack.ss_sp = block.stack[t];
        f->context.uc_stack.ss_size = STACK_BYTES;
        f->context.uc_link = NULL;
        f->state = READY;
        f->has_started = 0;
        makecontext(&f->context, enter, 0);
    }
    while (run_turn(n))
        ;
    for (uint32_t t = 0; t < n; t++)
        if (block.fiber[t].state != DONE)
            fail_msg("thread %u of block %u waits at a barrier that others have left", t,
                     blockIdx.x);
}

int emulate_launch(dms_grid grid, void (*body)(const void *p), const void *p) {
    assert_in_range(grid.threads, 1, MOST_THREADS);
    block.launches += grid.blocks > 0;
    block.body = body;
    block.p = p;
    blockDim.x = grid.threads;
    gridDim.x = grid.blocks;
    for (blockIdx.x = 0; blockIdx.x < grid.blocks; blockIdx.x++)
        run_block(grid.threads);
    return 0;
}
