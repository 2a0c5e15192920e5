/* order.cu - kernels in which the order of a row's elements counts: ARG (a warp per row), CUMSUM
 * and TOPK (a thread per row, since their rows are chains).
 *
 * Grid: blocks of 256 threads over rows. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/rows.h"
#include "runtime/cuda/kernels/warp_fold.h"
#include "runtime/cuda/kernels/words.h"

/* --- ARG: the extreme is folded first, then each lane looks for it. */

/* The extreme of a row, of any class. */
DMS_DEVICE dms_scalar extreme_of(const dms_warp_row *x, int64_t n, dms_fold_kind kind) {
    const dms_class of = dms_class_of(x->dtype);
    dms_scalar y;
    y.u64 = 0;
    if (of == DMS_CLASS_F32)
        y.f32 = dms_warp_fold_f32(kind, x, n);
    else if (of == DMS_CLASS_F64)
        y.f64 = dms_warp_fold_f64(kind, x, n);
    else
        y = dms_warp_fold_whole(kind, x, n);
    return y;
}

/* A NaN is the extreme of its row. */
DMS_DEVICE int is_same(dms_class of, dms_scalar a, dms_scalar b) {
    if (of == DMS_CLASS_F32)
        return a.f32 == b.f32 || (a.f32 != a.f32 && b.f32 != b.f32);
    if (of == DMS_CLASS_F64)
        return a.f64 == b.f64 || (a.f64 != a.f64 && b.f64 != b.f64);
    return a.u64 == b.u64;
}

/* The first or last place of it, over all lanes. */
DMS_DEVICE int64_t find(const dms_warp_row *x, int64_t n, dms_scalar wanted, int is_last) {
    const dms_class of = dms_class_of(x->dtype);
    int64_t found = is_last ? -1 : n;
    for (int64_t i = dms_lane(); i < n; i += DMS_WARP)
        if (is_same(of, dms_row_get(x, i), wanted) && (is_last || i < found))
            found = i;
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2) {
        const int64_t other = (int64_t)dms_shuffle_u64((uint64_t)found, dms_lane() + d);
        if (is_last ? other > found : other < found)
            found = other;
    }
    return found;
}

DMS_CUDA_KERNEL(arg, dms_rows_params) {
    const dms_fold_kind kind = p.fn != 0 ? DMS_FOLD_MIN : DMS_FOLD_MAX;
    for (int64_t row = dms_warp(); row < p.rows.count; row += dms_warps()) {
        const dms_warp_row x = dms_row_of(&p, 0, row);
        const dms_scalar wanted = extreme_of(&x, p.row.count, kind);
        const int64_t found = find(&x, p.row.count, wanted, p.form != 0);
        if (dms_lane() == 0)
            ((int64_t *)p.operand[1])[dms_place_of(&p.rows, 1, row)] = found;
    }
}

/* --- CUMSUM: pitches are negated, and rows begin at their end, where it runs backward. */

DMS_CUDA_KERNEL(cumsum, dms_rows_params) {
    const dms_class of = dms_class_of((dms_dtype)p.dtype[0]);
    for (int64_t row = dms_thread(); row < p.rows.count; row += dms_threads()) {
        const dms_warp_row x = dms_row_of(&p, 0, row), y = dms_row_of(&p, 1, row);
        dms_scalar sum, out;
        sum.u64 = 0;
        for (int64_t i = 0; i < p.row.count; i++) {
            const dms_scalar before = sum, v = dms_row_get(&x, i);
            if (of == DMS_CLASS_F32)
                sum.f32 = before.f32 + v.f32;
            else if (of == DMS_CLASS_F64)
                sum.f64 = before.f64 + v.f64;
            else
                sum.u64 = before.u64 + v.u64;
            out = p.form != 0 ? before : sum;
            if (of == DMS_CLASS_F32)
                out.f32 = dms_quietf(out.f32);
            else if (of == DMS_CLASS_F64)
                out.f64 = dms_quiet(out.f64);
            dms_row_put(&y, i, out);
        }
    }
}

/* --- TOPK: a heap of the k best so far, the worst on top, kept in the output for the indices */

typedef struct heap {
    const void *x;
    dms_dtype dtype;
    int64_t first, pitch; /* of a row of x */
    uint64_t flip;
    int64_t *at; /* positions, pitch_at apart */
    int64_t pitch_at;
} heap;

DMS_DEVICE uint64_t key_of(const heap *h, int64_t position) {
    const dms_scalar value = dms_element_load(h->dtype, h->x, h->first + position * h->pitch);
    return dms_order_key(dms_class_of(h->dtype), value) ^ h->flip;
}

/* Lets the element at `at` sink in a heap of n. */
DMS_DEVICE_FAR void sink(const heap *h, int64_t at, int64_t n) {
    const int64_t p = h->pitch_at, moved = h->at[at * p];
    const uint64_t key = key_of(h, moved);
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        uint64_t key_child = key_of(h, h->at[child * p]);
        if (child + 1 < n) {
            const uint64_t key_next = key_of(h, h->at[(child + 1) * p]);
            if (dms_order_is_worse(key_next, h->at[(child + 1) * p], key_child, h->at[child * p])) {
                key_child = key_next;
                child++;
            }
        }
        if (!dms_order_is_worse(key_child, h->at[child * p], key, moved))
            break;
        h->at[at * p] = h->at[child * p];
        at = child;
    }
    h->at[at * p] = moved;
}

/* Fills the heap with the best k of n positions, best first. */
DMS_DEVICE void best_of_row(const heap *h, int64_t n, int64_t k) {
    const int64_t p = h->pitch_at;
    for (int64_t i = 0; i < k; i++)
        h->at[i * p] = i;
    for (int64_t i = k / 2; i-- > 0;)
        sink(h, i, k);
    uint64_t worst = key_of(h, h->at[0]);
    for (int64_t i = k; i < n; i++) {
        const uint64_t key = key_of(h, i);
        if (!dms_order_is_worse(worst, h->at[0], key, i))
            continue;
        h->at[0] = i;
        sink(h, 0, k);
        worst = key_of(h, h->at[0]);
    }
    for (int64_t left = k - 1; left > 0; left--) { /* heap sort: the worst goes to the end */
        const int64_t top = h->at[0];
        h->at[0] = h->at[left * p];
        h->at[left * p] = top;
        sink(h, 0, left);
    }
}

DMS_CUDA_KERNEL(topk, dms_topk_params) {
    for (int64_t row = dms_thread(); row < p.rows.count; row += dms_threads()) {
        heap h;
        h.x = p.operand[0];
        h.dtype = (dms_dtype)p.dtype;
        h.first = dms_place_of(&p.rows, 0, row);
        h.pitch = p.pitch[0];
        h.flip = p.flip;
        h.at = (int64_t *)p.operand[2] + dms_place_of(&p.rows, 2, row);
        h.pitch_at = p.pitch[2];
        best_of_row(&h, p.n, p.k);
        const int64_t to = dms_place_of(&p.rows, 1, row);
        for (int64_t i = 0; i < p.k; i++)
            dms_words_store(p.bytes,
                            dms_words_load(p.bytes, h.x, h.first + h.at[i * h.pitch_at] * h.pitch),
                            p.operand[1], to + i * p.pitch[1]);
    }
}
