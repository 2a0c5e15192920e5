/* tensor.h - words of tensor cores: products of 16 x 16 by 16 x 8 narrow floats, summed in f32.
 *
 * Reads    fragments: what each lane of a warp holds of the factors, two elements to a word.
 * Returns  sums; fragments from shared memory; copies into shared memory that run ahead.
 * Cost     one instruction each.
 * Source   the PTX manual: mma.m16n8k16, ldmatrix, cp.async, ex2.approx.
 * Not here which elements they are (attention_*.h, conv_tile.h).
 *
 *     lane l: g = l / 4, t = l % 4          a lane's words, two neighbours along k each
 *     a 16 x 16   rows g, g + 8             a[0] (g, 2t)  a[1] (g + 8, 2t)  a[2] (g, 2t + 8)  a[3]
 *     b 16 x 8    column g                  b[0] rows 2t  b[1] rows 2t + 8
 *     d 16 x 8    columns 2t, 2t + 1        d[0] d[1] of row g, d[2] d[3] of row g + 8
 *
 * The order of the 16 terms of a sum is the card's. The emulation (tests/cuda) sums them in order
 * of k. All lanes of a warp call these together.
 */
#ifndef DMS_RUNTIME_CUDA_TENSOR_H
#define DMS_RUNTIME_CUDA_TENSOR_H

#include "runtime/cuda/kernels/launch.h"

/* 16 bytes: eight narrow floats. */
typedef struct DMS_ALIGNED(16) dms_eight {
    uint32_t w[4];
} dms_eight;

#ifdef __CUDACC__

/* d += a b, of bf16 where is_brain, else of f16. */
DMS_DEVICE void dms_mma(int is_brain, float *d, const uint32_t *a, const uint32_t *b) {
    if (is_brain)
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                     "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                     "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Four matrices of 8 x 8 from shared memory: lane l says where row l % 8 of matrix l / 8 begins;
 * word i of a lane is then row g of matrix i, columns 2t and 2t + 1. */
DMS_DEVICE void dms_matrices(uint32_t *out, const void *row) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}

/* The same transposed: word i is column g of matrix i, rows 2t and 2t + 1. */
DMS_DEVICE void dms_matrices_turned(uint32_t *out, const void *row) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}

/* Copies 16 bytes into shared memory, or zeros where nothing is there; it has landed when
 * dms_copies_wait says so, for the thread that began it. */
DMS_DEVICE void dms_copy_ahead(void *to, const void *from, int is_there) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    const int bytes = is_there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;"
                 :
                 : "r"(at), "l"(from), "r"(bytes)
                 : "memory");
}

/* Ends a group of copies. */
DMS_DEVICE void dms_copies_close(void) {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits for all groups of this thread but the newest OPEN, a constant. */
#define DMS_COPIES_WAIT(OPEN) asm volatile("cp.async.wait_group %0;" ::"n"(OPEN) : "memory")

/* Two floats as narrow ones in a word. */
DMS_DEVICE uint32_t dms_pack(int is_brain, float low, float high) {
    uint32_t word;
    if (is_brain)
        asm("cvt.rn.bf16x2.f32 %0,%1,%2;" : "=r"(word) : "f"(high), "f"(low));
    else
        asm("cvt.rn.f16x2.f32 %0,%1,%2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

/* Half 0 or 1 of a word as the float that it is. */
DMS_DEVICE float dms_half_as_float(int is_brain, uint32_t word, int half) {
    float x;
    if (is_brain)
        return __uint_as_float(half == 0 ? word << 16 : word & 0xFFFF0000u);
    asm("cvt.f32.f16 %0,%1;" : "=f"(x) : "h"((unsigned short)(word >> 16 * half)));
    return x;
}

/* Two narrow floats each: a + b, each rounded once. */
DMS_DEVICE uint32_t dms_pair_add(int is_brain, uint32_t a, uint32_t b) {
    uint32_t word;
    if (is_brain) /* a x 1 + b: 8.0 has no addition of its own */
        asm("fma.rn.bf16x2 %0,%1,%2,%3;" : "=r"(word) : "r"(a), "r"(0x3F803F80u), "r"(b));
    else
        asm("add.rn.f16x2 %0,%1,%2;" : "=r"(word) : "r"(a), "r"(b));
    return word;
}

/* a b, each rounded once. */
DMS_DEVICE uint32_t dms_pair_multiply(int is_brain, uint32_t a, uint32_t b) {
    uint32_t word;
    if (is_brain) /* a b + -0 */
        asm("fma.rn.bf16x2 %0,%1,%2,%3;" : "=r"(word) : "r"(a), "r"(b), "r"(0x80008000u));
    else
        asm("mul.rn.f16x2 %0,%1,%2;" : "=r"(word) : "r"(a), "r"(b));
    return word;
}

/* 2 to the x, in two units of the last place; 0 below the normal numbers. */
DMS_DEVICE float dms_exp2f(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0,%1;" : "=f"(y) : "f"(x));
    return y;
}

/* Whether any thread of the block passes true; all of them come here. */
DMS_DEVICE int dms_any_of_block(int x) {
    return __syncthreads_or(x);
}

#else
#include DMS_EMULATE_TENSOR_H
#endif

/* Eight narrow floats from memory at a multiple of 16 bytes; zeros where nothing is there. */
DMS_DEVICE dms_eight dms_eight_load(const uint16_t *from, int is_there) {
    dms_eight x = {{0, 0, 0, 0}};
    if (is_there)
        x = *(const dms_eight *)(const void *)from;
    return x;
}

/* The low halves of two words, the first one low. */
DMS_DEVICE uint32_t dms_low_halves(uint32_t a, uint32_t b) {
    return (a & 0xFFFFu) | b << 16;
}
/* The high ones. */
DMS_DEVICE uint32_t dms_high_halves(uint32_t a, uint32_t b) {
    return a >> 16 | (b & 0xFFFF0000u);
}

#endif
