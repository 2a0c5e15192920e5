/* emulate_tensor.h - the words of tensor cores (tensor.h) as plain loops over what the lanes hold.
 *
 * Reads    fragments, shared memory, as tensor.h says.
 * Returns  the same numbers, each sum in order of k.
 * Cost     two barriers of a warp each.
 * Source   the PTX manual, as tensor.h.
 * Not here barriers and copies (emulate.c).
 */
#ifndef DMS_TESTS_CUDA_EMULATE_TENSOR_H
#define DMS_TESTS_CUDA_EMULATE_TENSOR_H

#include "runtime/kernels/element.h"
#include "tests/cuda/emulate.h"

/* What a lane brings to a product: its words as floats. */
typedef struct emulated_factors {
    float a[8], b[4]; /* word w: elements 2 w and 2 w + 1 */
} emulated_factors;

/* Half `k` of a row of words. */
static inline float emulated_half(int is_brain, const uint32_t *word, int k) {
    const uint16_t bits = (uint16_t)(word[k / 2] >> 16 * (k % 2));
    return is_brain ? dms_float_of_brain(bits) : dms_float_of_half(bits);
}

/* As tensor.h has them for nvcc. */
DMS_DEVICE void dms_mma(int is_brain, float *d, const uint32_t *a, const uint32_t *b) {
    const uint32_t lane = threadIdx.x % DMS_WARP;
    emulated_factors mine;
    for (int k = 0; k < 8; k++)
        mine.a[k] = emulated_half(is_brain, a, k);
    for (int k = 0; k < 4; k++)
        mine.b[k] = emulated_half(is_brain, b, k);
    emulate_show(&mine);
    for (uint32_t k = 0; k < 16; k++)
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            const emulated_factors *left = emulate_shown(row % 8 * 4 + k % 8 / 2);
            const emulated_factors *right = emulate_shown(column * 4 + k % 8 / 2);
            d[i] = fmaf(left->a[2 * (row / 8 + 2 * (k / 8)) + k % 2], right->b[2 * (k / 8) + k % 2],
                        d[i]);
        }
    emulate_hide();
}

/* The elements at rows and columns of four matrices that the lanes point at. */
static inline void emulated_matrices(uint32_t *out, const void *row, int is_turned) {
    const uint32_t lane = threadIdx.x % DMS_WARP, g = lane / 4, t = lane % 4;
    emulate_show(row);
    for (uint32_t i = 0; i < 4; i++) {
        uint16_t pair[2];
        for (uint32_t h = 0; h < 2; h++) {
            const uint32_t r = is_turned ? 2 * t + h : g, c = is_turned ? g : 2 * t + h;
            pair[h] = ((const uint16_t *)emulate_shown(8 * i + r))[c];
        }
        out[i] = pair[0] | (uint32_t)pair[1] << 16;
    }
    emulate_hide();
}

DMS_DEVICE void dms_matrices(uint32_t *out, const void *row) {
    emulated_matrices(out, row, 0);
}

DMS_DEVICE void dms_matrices_turned(uint32_t *out, const void *row) {
    emulated_matrices(out, row, 1);
}

DMS_DEVICE void dms_copy_ahead(void *to, const void *from, int is_there) {
    emulate_copy(to, from, is_there);
}

DMS_DEVICE void dms_copies_close(void) {
    emulate_close_copies();
}

#define DMS_COPIES_WAIT(OPEN) emulate_wait_copies(OPEN)

DMS_DEVICE uint32_t dms_pack(int is_brain, float low, float high) {
    return is_brain ? dms_brain_of_float(low) | (uint32_t)dms_brain_of_float(high) << 16
                    : dms_half_of_float(low) | (uint32_t)dms_half_of_float(high) << 16;
}

DMS_DEVICE float dms_half_as_float(int is_brain, uint32_t word, int half) {
    return emulated_half(is_brain, &word, half);
}

/* Sums of two narrow floats need no more than the 24 bits of a float where they lie within 2^13 of
 * each other, products of two never do: one rounding. */
DMS_DEVICE uint32_t dms_pair_add(int is_brain, uint32_t a, uint32_t b) {
    return dms_pack(is_brain, emulated_half(is_brain, &a, 0) + emulated_half(is_brain, &b, 0),
                    emulated_half(is_brain, &a, 1) + emulated_half(is_brain, &b, 1));
}

DMS_DEVICE uint32_t dms_pair_multiply(int is_brain, uint32_t a, uint32_t b) {
    return dms_pack(is_brain, emulated_half(is_brain, &a, 0) * emulated_half(is_brain, &b, 0),
                    emulated_half(is_brain, &a, 1) * emulated_half(is_brain, &b, 1));
}

DMS_DEVICE float dms_exp2f(float x) {
    return x < -126.0f ? 0.0f : exp2f(x);
}

DMS_DEVICE int dms_any_of_block(int x) {
    return emulate_any(x);
}

#endif
