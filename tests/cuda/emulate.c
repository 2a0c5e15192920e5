/* emulate.c - see emulate.h. Each thread of a block has a stack of its own; the scheduler goes
 * round them, and lets go of a barrier once everybody who is not done stands before it. */
#include "tests/cuda/emulate.h"

#include <setjmp.h> /* of cmocka */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#define MOST_THREADS 1024u
#define STACK_BYTES (96u << 10)

/* A card of compute capability 8.6 lets a block have 99 KiB. */
#define MOST_SHARED (99u << 10)
#define MOST_COPIES 256u
#define MOST_NAMES 128u

enum { READY, AT_BLOCK, AT_WARP, DONE };

/* A copy under way; groups count from 0. */
typedef struct copy {
    void *to;
    const void *from; /* NULL: zeros */
    int group;
} copy;

/* Where a thread goes on. The compiler's own jump: that of libc asks the sanitizer's library for a
 * system call each time, which took five sixths of the time of these tests there. */
typedef void *place[5];

typedef struct fiber {
    ucontext_t context; /* by which it starts; from then on `at` is enough: no system call */
    place at;
    bool is_made, has_started;
    int state;
    uint64_t passed; /* to the other lanes */
    copy copies[MOST_COPIES];
    uint32_t n_copies;
    int n_groups; /* closed */
} fiber;

emulated_index threadIdx, blockIdx, blockDim, gridDim;
_Alignas(128) unsigned char emulate_shared[MOST_SHARED];

/* The block that runs; there is one at a time. */
static struct {
    fiber fiber[MOST_THREADS];
    _Alignas(64) char stack[MOST_THREADS][STACK_BYTES];
    ucontext_t start;
    place scheduler;
    bool is_running;
    void (*body)(const void *p);
    const void *p;
    uint32_t launches, most_blocks;
    const char *name[MOST_NAMES]; /* of the kernels so far */
    uint32_t of_name[MOST_NAMES];
} block;

void emulate_limit_blocks(uint32_t most) {
    block.most_blocks = most;
}

uint32_t emulate_launches(void) {
    return block.launches;
}

uint32_t emulate_launches_of(const char *name) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < MOST_NAMES && block.name[k] != NULL; k++)
        if (strncmp(block.name[k], name, strlen(name)) == 0)
            n += block.of_name[k];
    return n;
}

static void count_launch(const char *name) {
    uint32_t k = 0;
    while (block.name[k] != NULL && strcmp(block.name[k], name) != 0)
        assert_in_range(++k, 0, MOST_NAMES - 1);
    block.name[k] = name;
    block.of_name[k]++;
    block.launches++;
}

/* What a jump leaves stands on a stack of its own and is come back to: nothing to tell about. */
#ifdef __clang__
#define NO_REPORT __attribute__((no_sanitize_address, noinline))
#else
#define NO_REPORT __attribute__((no_sanitize_address, noipa))
#endif

/* A function of its own: gcc drops the way back where a function both sets and jumps. */
NO_REPORT _Noreturn static void jump(place to) {
    __builtin_longjmp(to, 1);
}

NO_REPORT static void wait_at(int state) {
    fiber *self = &block.fiber[threadIdx.x];
    self->state = state;
    if (__builtin_setjmp(self->at) == 0)
        jump(block.scheduler);
}

/* A thread of one block goes on as that of the next. */
static void enter(void) {
    for (;;) {
        block.body(block.p);
        wait_at(DONE);
    }
}

/* Lets a thread run until it waits or is done. */
NO_REPORT static void go_on(uint32_t t) {
    fiber *f = &block.fiber[t];
    threadIdx.x = t;
    if (__builtin_setjmp(block.scheduler) != 0)
        return;
    if (f->has_started)
        jump(f->at);
    f->has_started = true;
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

void emulate_show(const void *mine) {
    block.fiber[threadIdx.x].passed = (uint64_t)(uintptr_t)mine;
    __syncwarp();
}

const void *emulate_shown(uint32_t lane) {
    const uint32_t other = threadIdx.x / DMS_WARP * DMS_WARP + lane % DMS_WARP;
    assert_in_range(other, 0, blockDim.x - 1);
    return (const void *)(uintptr_t)block.fiber[other].passed;
}

void emulate_hide(void) {
    __syncwarp();
}

int emulate_any(int x) {
    int any = 0;
    block.fiber[threadIdx.x].passed = x != 0;
    __syncthreads();
    for (uint32_t t = 0; t < blockDim.x; t++)
        any |= block.fiber[t].passed != 0;
    __syncthreads();
    return any;
}

void emulate_copy(void *to, const void *from, int is_there) {
    fiber *self = &block.fiber[threadIdx.x];
    assert_in_range(self->n_copies, 0, MOST_COPIES - 1);
    assert_int_equal((uintptr_t)to % 16, 0);
    assert_int_equal((uintptr_t)from % 16, 0);
    memset(to, 0xFF, 16);
    self->copies[self->n_copies++] = (copy){to, is_there ? from : NULL, self->n_groups};
}

void emulate_close_copies(void) {
    block.fiber[threadIdx.x].n_groups++;
}

void emulate_wait_copies(int open) {
    fiber *self = &block.fiber[threadIdx.x];
    uint32_t kept = 0;
    for (uint32_t k = 0; k < self->n_copies; k++) {
        const copy c = self->copies[k];
        if (c.group >= self->n_groups - open)
            self->copies[kept++] = c;
        else if (c.from != NULL)
            memcpy(c.to, c.from, 16);
        else
            memset(c.to, 0, 16);
    }
    self->n_copies = kept;
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

/* One turn: warp by warp, each as far as it gets, so that nobody profits from a barrier that is not
 * there. Returns whether somebody goes on. */
static int run_turn(uint32_t n) {
    for (uint32_t first = 0; first < n; first += DMS_WARP) {
        const uint32_t end = first + DMS_WARP < n ? first + DMS_WARP : n;
        do
            for (uint32_t t = first; t < end; t++)
                if (block.fiber[t].state == READY)
                    go_on(t);
        while (release(first, end, AT_WARP));
    }
    return release(0, n, AT_BLOCK);
}

/* With a stack of its own, on which it is to begin. */
static void make_thread(uint32_t t) {
    fiber *f = &block.fiber[t];
    assert_int_equal(getcontext(&f->context), 0);
    f->context.uc_stack.ss_sp = block.stack[t];
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, enter, 0);
    f->is_made = true;
}

static void run_block(uint32_t n) {
    for (uint32_t t = 0; block.is_running && t < MOST_THREADS; t++)
        block.fiber[t].is_made = block.fiber[t].has_started = false; /* a test failed within one */
    block.is_running = true;
    for (uint32_t t = 0; t < n; t++) {
        fiber *f = &block.fiber[t];
        if (!f->is_made)
            make_thread(t);
        f->state = READY;
        f->n_copies = 0;
        f->n_groups = 0;
    }
    while (run_turn(n))
        ;
    for (uint32_t t = 0; t < n; t++)
        if (block.fiber[t].state != DONE)
            fail_msg("thread %u of block %u waits at a barrier that others have left", t,
                     blockIdx.x);
    block.is_running = false;
}

int emulate_launch(const char *name, dms_grid grid, uint32_t shared, void (*body)(const void *p),
                   const void *p) {
    assert_in_range(grid.threads, 1, MOST_THREADS);
    assert_in_range(shared, 0, MOST_SHARED);
    if (grid.blocks > 0)
        count_launch(name);
    block.body = body;
    block.p = p;
    blockDim.x = grid.threads;
    gridDim.x =
        block.most_blocks > 0 && block.most_blocks < grid.blocks ? block.most_blocks : grid.blocks;
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        memset(emulate_shared, 0xFF, shared);
        run_block(grid.threads);
    }
    return 0;
}
