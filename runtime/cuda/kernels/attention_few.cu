/* attention_few.cu - attention of few queries over many keys, on tensor cores: decoding.
 *
 *     keys        0   16   32   48   64        warp w of the call's parts takes chunks of 16 keys
 *     part        0    1    2    3    0        w, w + parts, ...; then the parts of each row are
 *                                              joined in order
 *
 * How many parts there are depends on the call alone (dms_attention_parts), so bits do not depend
 * on card or budget. The query heads that share a key head are rows of one product, so k and v are
 * read once per 16 of them. f16 and bf16, sums f32; weights are rounded to the narrow type.
 *
 * Grid: blocks of 4 warps, a part each; the join: a thread per element of y. Bytes: k and v once,
 * the parts' sums twice. In flight per warp: 16 keys of k and of v. */
#include "runtime/cuda/kernels/attention_score.h"

#define NAME attention_few_half_64
#define WIDE 64
#define IS_BRAIN 0
#include "runtime/cuda/kernels/attention_few.h"

#define NAME attention_few_half_128
#define WIDE 128
#define IS_BRAIN 0
#include "runtime/cuda/kernels/attention_few.h"

#define NAME attention_few_half_256
#define WIDE 256
#define IS_BRAIN 0
#include "runtime/cuda/kernels/attention_few.h"

#define NAME attention_few_brain_64
#define WIDE 64
#define IS_BRAIN 1
#include "runtime/cuda/kernels/attention_few.h"

#define NAME attention_few_brain_128
#define WIDE 128
#define IS_BRAIN 1
#include "runtime/cuda/kernels/attention_few.h"

#define NAME attention_few_brain_256
#define WIDE 256
#define IS_BRAIN 1
#include "runtime/cuda/kernels/attention_few.h"

/* The parts of a row, each shrunk to the highest maximum, in order. */
DMS_CUDA_KERNEL(attention_join, dms_attention_params) {
    const int64_t rows = p.per_head * p.s, n = p.batch * (p.heads / p.per_head) * rows * p.e;
    for (int64_t i = dms_thread(); i < n; i += dms_threads()) {
        const int64_t column = i % p.e, row = i / p.e, pitch = p.e + 2;
        const float *from = p.partial + row * p.parts * pitch;
        const dms_group at = dms_group_of(&p, row / rows);
        float high = -INFINITY, sum = 0.0f, o = 0.0f;
        for (int64_t k = 0; k < p.parts; k++)
            high = from[k * pitch] > high ? from[k * pitch] : high;
        for (int64_t k = 0; k < p.parts; k++) {
            const float shrink = dms_exp2f((from[k * pitch] - dms_base(high)) * p.unit);
            sum = fmaf(from[k * pitch + 1], shrink, sum);
            o = fmaf(from[k * pitch + 2 + column], shrink, o);
        }
        dms_scalar out;
        out.f32 = dms_is_empty(high, sum) ? dms_empty_of(&p, at.v, column) : o / sum;
        dms_element_store((dms_dtype)p.dtype, out, p.y,
                          at.y + dms_row_place(&p, p.y_pitch, (int)(row % rows)) + column);
    }
}
