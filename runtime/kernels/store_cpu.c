/* store_cpu.c - sums of a convolution's part into y: rows without the gaps between them, rounded,
 * through the chain where the call carries one. */
#include <string.h>

#include "runtime/kernels/chain_run.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/vector_internal.h"

/* n sums side by side into one run of y. */
static void store_run(const dms_taps *t, const float *sum, int64_t n, char *y) {
    if (t->dtype == DMS_DTYPE_F32 && t->y.pitch_w == 1)
        dms_copy_exact((float *)(void *)y, sum, n);
    else if (t->dtype == DMS_DTYPE_F32 && t->y.pitch_w == 2) /* transposed: one phase of two */
        dms_copy_apart2((float *)(void *)y, sum, n);
    else
        DMS_ISA(dms_strip_store)(t->dtype, sum, y, t->y.pitch_w, n);
}

/* One channel without a chain. */
static void store_channel(const dms_taps *t, int64_t m, const float *sum, int64_t pitch_h) {
    char *y = t->y.at + m * t->y.pitch_c * t->size;
    if (pitch_h == t->y.w && t->y.pitch_h == t->y.w * t->y.pitch_w) {
        store_run(t, sum, t->y.h * t->y.w, y);
        return;
    }
    for (int64_t r = 0; r < t->y.h; r++, sum += pitch_h, y += t->y.pitch_h * t->size)
        store_run(t, sum, t->y.w, y);
}

/* n results, dense, of outputs that follow one another from `first` on. */
static void run_chain(const dms_taps *t, int64_t first, int64_t n, const float *dense,
                      dms_taps_scratch *s) {
    const void *result = dense;
    if (t->dtype != DMS_DTYPE_F32) {
        DMS_ISA(dms_strip_store)(t->dtype, dense, s->narrow, 1, n);
        result = s->narrow;
    }
    DMS_ISA(dms_chain_run)(t->chain, first, n, result);
}

/* Channels whose outputs follow one another go through the chain together, since a chain takes as
 * long for a few elements as for hundreds. */
static void store_by_chain(const dms_taps *t, int64_t m, int64_t n, dms_taps_sums sums,
                           dms_taps_scratch *s) {
    const int64_t w = t->y.w, pixels = t->y.h * w;
    const bool is_whole = pixels == t->plane, is_wide = w == t->width || t->y.h == 1;
    const int64_t together = is_whole ? DMS_TAPS_DENSE / pixels : 1;
    for (int64_t c = 0; c < n; c += together) {
        const int64_t some = n - c < together ? n - c : together;
        const dms_copy_shape rows = {t->y.h, w, 0, 0, sums.pitch_h, w, 0.0f};
        for (int64_t r = 0; r < some; r++)
            dms_copy_rows(s->dense + r * pixels, sums.at + (c + r) * sums.pitch_c, &rows);
        const int64_t first = t->first + (m + c) * t->plane;
        if (is_wide)
            run_chain(t, first, some * pixels, s->dense, s);
        for (int64_t i = 0; i < t->y.h && !is_wide; i++)
            run_chain(t, first + i * t->width, w, s->dense + i * w, s);
    }
}

/* Rows of channels, one pass from sums to y; what follows over as much of y as lies together. */
static void store_affine(const dms_taps *t, int64_t m, int64_t n, dms_taps_sums sums) {
    const int64_t w = t->y.w, pixels = t->y.h * w;
    const bool is_one_run = t->y.h == 1 || t->y.pitch_h == w;
    const bool is_dense = is_one_run && t->y.pitch_c == pixels;
    const bool is_flat = is_one_run && (t->y.h == 1 || sums.pitch_h == w);
    float *const y = (float *)(void *)t->y.at + m * t->y.pitch_c;
    for (int64_t c = 0; c < n; c++) {
        const float *from = sums.at + c * sums.pitch_c;
        float *to = y + c * t->y.pitch_c;
        const int64_t rows = is_flat ? 1 : t->y.h, length = is_flat ? pixels : w;
        for (int64_t i = 0; i < rows; i++)
            DMS_ISA(dms_affine_row)
        (t->affine, t->channel + m + c, from + i * sums.pitch_h, to + i * t->y.pitch_h, length);
        for (int64_t i = 0; i < t->y.h && !is_one_run; i++)
            DMS_ISA(dms_affine_end)(t->affine, to + i * t->y.pitch_h, w);
        if (is_one_run && !is_dense)
            DMS_ISA(dms_affine_end)(t->affine, to, pixels);
    }
    if (is_dense)
        DMS_ISA(dms_affine_end)(t->affine, y, n * pixels);
}

void DMS_ISA(dms_taps_store)(const dms_taps *t, int64_t m, int64_t n, dms_taps_sums sums,
                             dms_taps_scratch *s) {
    if (t->affine != NULL)
        store_affine(t, m, n, sums);
    else if (t->chain != NULL)
        store_by_chain(t, m, n, sums, s);
    else
        for (int64_t c = 0; c < n; c++)
            store_channel(t, m + c, sums.at + c * sums.pitch_c, sums.pitch_h);
}
