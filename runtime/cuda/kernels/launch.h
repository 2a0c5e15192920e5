/* launch.h - the dialect of .cu files, and how C starts what they hold.
 *
 * Reads    a grid, and one record of parameters per kernel, passed by value.
 * Returns  DMS_CUDA_KERNEL: a kernel and `int dms_launch_NAME(grid, parameters)`, which is C; words
 *          for what threads of a block do together.
 * Cost     one launch; no allocation, no wait.
 * Source   none.
 * Not here bodies shared with the CPU device (runtime/kernels); who fills the parameters (*.c).
 *
 * nvcc builds a .cu file for the card. gcc builds the same file for tests, where emulate.h
 * (tests/cuda) runs the threads of a block one after another, so that grids, indices and trees are
 * tested without a card. A .cu file is C that is C++ too; beyond it only what stands here is used.
 */
#ifndef DMS_RUNTIME_CUDA_LAUNCH_H
#define DMS_RUNTIME_CUDA_LAUNCH_H

#include "runtime/cuda/kernels/grid.h"

#ifdef __cplusplus
#define DMS_EXTERN_C extern "C"
#else
#define DMS_EXTERN_C extern
#endif

#ifdef __CUDACC__
#include <cuda_runtime.h>

#define DMS_DEVICE static __device__ __forceinline__
#define DMS_DEVICE_FAR static __device__ __noinline__
#define DMS_SHARED __shared__
#define DMS_ALIGNED(bytes) __align__(bytes)
#define DMS_EACH(i, n) _Pragma("unroll") for (int i = 0; i < (n); i++)
#define DMS_UNROLL_LOADS _Pragma("unroll 4")
#define DMS_ROLLED _Pragma("unroll 1") /* in front of a loop whose registers are wanted elsewhere */

/* What lane `lane` mod 32 of this warp passes as x; all lanes come here. */
DMS_DEVICE float dms_shuffle_f32(float x, uint32_t lane) {
    return __shfl_sync(0xFFFFFFFFu, x, (int)(lane % 32));
}
DMS_DEVICE double dms_shuffle_f64(double x, uint32_t lane) {
    return __shfl_sync(0xFFFFFFFFu, x, (int)(lane % 32));
}
DMS_DEVICE uint64_t dms_shuffle_u64(uint64_t x, uint32_t lane) {
    return __shfl_sync(0xFFFFFFFFu, (unsigned long long)x, (int)(lane % 32));
}

/* sum + the products of four signed bytes each. */
DMS_DEVICE int32_t dms_dot4(int32_t a, int32_t b, int32_t sum) {
    return __dp4a(a, b, sum);
}

/* Shared memory of a size given at the launch. */
extern __shared__ __align__(128) unsigned char dms_shared[];

/* A kernel over parameters `p` of type P, and the C function that launches it. A grid of no blocks
 * launches nothing: with it a kernel is loaded without being run. */
#define DMS_CUDA_KERNEL(NAME, P) DMS_CUDA_KERNEL_SHARED(NAME, P, 0)

/* The same for one whose blocks share BYTES bytes at `dms_shared`, up to 99 KiB. */
#define DMS_CUDA_KERNEL_SHARED(NAME, P, BYTES) DMS_CUDA_KERNEL_NAMED(NAME, P, BYTES)
#define DMS_CUDA_KERNEL_NAMED(NAME, P, BYTES)                                                      \
    static __global__ void NAME##_kernel(const __grid_constant__ P p);                             \
    DMS_EXTERN_C int dms_launch_##NAME(dms_grid grid, const P *p) {                                \
        cudaFuncAttributes ignored;                                                                \
        if (grid.blocks == 0 && BYTES > 48 * 1024) {                                               \
            const int refused = (int)cudaFuncSetAttribute(                                         \
                NAME##_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, BYTES);                \
            if (refused != 0)                                                                      \
                return refused;                                                                    \
        }                                                                                          \
        if (grid.blocks == 0)                                                                      \
            return (int)cudaFuncGetAttributes(&ignored, NAME##_kernel);                            \
        NAME##_kernel<<<grid.blocks, grid.threads, BYTES, (cudaStream_t)grid.stream>>>(*p);        \
        return (int)cudaGetLastError();                                                            \
    }                                                                                              \
    static __global__ void NAME##_kernel(const __grid_constant__ P p)

#else
#include DMS_EMULATE_H /* the same words for gcc; tests/cuda says where */
#endif

/* The index of a thread in the grid, and how many there are. */
DMS_DEVICE int64_t dms_thread(void) {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

DMS_DEVICE int64_t dms_threads(void) {
    return (int64_t)gridDim.x * blockDim.x;
}

#endif
