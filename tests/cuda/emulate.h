/* emulate.h - blocks and threads of CUDA, one after another on the host.
 *
 * Reads    a grid and a kernel's parameters.
 * Returns  what the kernel writes: the same source, built by gcc, with every thread of a block run
 *          up to its next barrier in turn. It proves indices, trees and barriers, and nothing about
 *          speed, memory order or what nvcc makes of the source.
 * Cost     one context switch per thread and barrier.
 * Source   none.
 * Not here the fake of CUDA's host functions (CUDEV's files beside this one).
 *
 * A barrier that not all threads of a block (or lanes of a warp) reach fails the test.
 */
#ifndef DMS_TESTS_CUDA_EMULATE_H
#define DMS_TESTS_CUDA_EMULATE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "runtime/cuda/kernels/grid.h"

typedef struct emulated_index {
    uint32_t x;
} emulated_index;

/* Where the thread that runs stands. */
extern emulated_index threadIdx, blockIdx, blockDim, gridDim;

/* All threads of the block are here. */
void __syncthreads(void);

/* All lanes of the warp are here. */
void __syncwarp(void);

/* What lane `lane` of this warp passed as `bits`. */
uint64_t emulate_shuffle(uint64_t bits, uint32_t lane);

/* Shows `mine` to the other lanes, until emulate_hide. */
void emulate_show(const void *mine);

/* What lane `lane` of this warp shows. */
const void *emulate_shown(uint32_t lane);

/* Ends what emulate_show began: all lanes have looked. */
void emulate_hide(void);

/* Whether any thread of the block passed true. */
int emulate_any(int x);

/* A copy of 16 bytes (zeros where nothing is there) that lands as late as it may: when its thread
 * waits for the group that holds it. Until then the target holds NaNs. */
void emulate_copy(void *to, const void *from, int is_there);

/* Closes the group of this thread's copies. */
void emulate_close_copies(void);

/* Lands all groups of this thread but the newest `open`. */
void emulate_wait_copies(int open);

/* Runs `body(p)` once per thread of the grid, with `shared` bytes of memory that a block shares,
 * full of NaNs at its start; returns 0. */
int emulate_launch(const char *name, dms_grid grid, uint32_t shared, void (*body)(const void *p),
                   const void *p);

/* From now on a launch has at most so many blocks, which go over the rest; 0: as many as it asks. */
void emulate_limit_blocks(uint32_t most);

/* Launches so far; of kernels whose name begins with `name`. */
uint32_t emulate_launches(void);
uint32_t emulate_launches_of(const char *name);

/* Shared memory of a size given at the launch. */
extern unsigned char emulate_shared[];

#define DMS_DEVICE static inline __attribute__((unused))
#define DMS_DEVICE_FAR static __attribute__((noinline, unused))
#define DMS_SHARED static
#define DMS_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define DMS_EACH(i, n) for (int i = 0; i < (n); i++)
#define DMS_UNROLL_LOADS
#define DMS_ROLLED

/* As launch.h has them for nvcc. */
static inline float dms_shuffle_f32(float x, uint32_t lane) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (uint32_t)emulate_shuffle(bits, lane);
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline double dms_shuffle_f64(double x, uint32_t lane) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = emulate_shuffle(bits, lane);
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint64_t dms_shuffle_u64(uint64_t x, uint32_t lane) {
    return emulate_shuffle(x, lane);
}

static inline int32_t dms_dot4(int32_t a, int32_t b, int32_t sum) {
    for (int k = 0; k < 4; k++)
        sum = (int32_t)((uint32_t)sum + (uint32_t)((int8_t)(a >> 8 * k) * (int8_t)(b >> 8 * k)));
    return sum;
}

#define dms_shared emulate_shared
#define DMS_CUDA_KERNEL(NAME, P) DMS_CUDA_KERNEL_SHARED(NAME, P, 0)
#define DMS_CUDA_KERNEL_SHARED(NAME, P, BYTES) DMS_CUDA_KERNEL_NAMED(NAME, P, BYTES)
/* A block of the cards with least (8.6, 8.9, 12.0) may share 99 KiB; nvcc does not ask. */
#define DMS_CUDA_KERNEL_NAMED(NAME, P, BYTES)                                                      \
    _Static_assert((BYTES) <= 99 * 1024, "shared memory of a block on every card");                \
    static void NAME##_kernel(const P p);                                                          \
    static void NAME##_enter(const void *at) {                                                     \
        NAME##_kernel(*(const P *)at);                                                             \
    }                                                                                              \
    int dms_launch_##NAME(dms_grid grid, const P *p) {                                             \
        return emulate_launch(#NAME, grid, BYTES, NAME##_enter, p);                                \
    }                                                                                              \
    static void NAME##_kernel(const P p)

#endif
