/* move.cu - elements are moved as they are: copies, transposes, borders, triangles, choices.
 *
 * Grid: blocks of 256 threads over the elements of the result, of up to 16 bytes each; transposes:
 * one tile of 32 x 32 per block. Bytes: each operand once. */
#include "runtime/cuda/kernels/move.h"

#include "runtime/cuda/kernels/words.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/index_body.h"

DMS_CUDA_KERNEL(copy, dms_copy_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        if (p.places.rank == 1) {
            dms_words_store(p.bytes, dms_words_load(p.bytes, p.from, i * p.places.pitch[0][0]),
                            p.to, i * p.places.pitch[1][0]);
            continue;
        }
        const dms_coords c = dms_coords_of(&p.places, i);
        dms_words_store(p.bytes, dms_words_load(p.bytes, p.from, dms_place(&p.places, 0, &c)), p.to,
                        dms_place(&p.places, 1, &c));
    }
}

/* --- transposes: to[t pitch_to + l] = from[l pitch_from + t]; rows of a tile are read along t and
 * written along l, both dense. One word more per row: columns of a tile lie in different banks. */

enum { TILE = 32, TILE_ROWS = 8 }; /* 32 x 8 threads */

/* Where tile `index` of the grid begins: (t, l) of its block, elements of both operands. */
typedef struct tile_at {
    int64_t t, l, from, to;
} tile_at;

DMS_DEVICE tile_at find_tile(const dms_copy_params *p, int64_t index) {
    const uint32_t rank = p->places.rank;
    tile_at at;
    at.l = index % p->tiles[1] * TILE;
    index /= p->tiles[1];
    at.t = index % p->tiles[0] * TILE;
    index /= p->tiles[0];
    at.from = at.to = 0;
    for (uint32_t axis = rank - 2; axis-- > 0;) {
        const int64_t c = index % p->places.dim[axis].d;
        index /= p->places.dim[axis].d;
        at.from += c * p->places.pitch[0][axis];
        at.to += c * p->places.pitch[1][axis];
    }
    return at;
}

DMS_CUDA_KERNEL(turn, dms_copy_params) {
    DMS_SHARED uint64_t tile[TILE][TILE + 1];
    const uint32_t last = p.places.rank - 1, x = threadIdx.x % TILE, y = threadIdx.x / TILE;
    const int64_t dim_t = p.places.dim[last - 1].d, dim_l = p.places.dim[last].d;
    const int64_t pitch_from = p.places.pitch[0][last], pitch_to = p.places.pitch[1][last - 1];
    for (int64_t index = blockIdx.x; index < p.n_tiles; index += gridDim.x) {
        const tile_at at = find_tile(&p, index);
        for (uint32_t row = y; row < TILE; row += TILE_ROWS)
            if (at.l + row < dim_l && at.t + x < dim_t)
                tile[row][x] =
                    dms_words_load(p.bytes, p.from, at.from + (at.l + row) * pitch_from + at.t + x)
                        .low;
        __syncthreads();
        for (uint32_t row = y; row < TILE; row += TILE_ROWS)
            if (at.t + row < dim_t && at.l + x < dim_l) {
                dms_words w;
                w.low = tile[x][row];
                w.high = 0;
                dms_words_store(p.bytes, w, p.to, at.to + (at.t + row) * pitch_to + at.l + x);
            }
        __syncthreads(); /* the tile is read before the next one is written */
    }
}

/* --- PAD, TRILU */

DMS_CUDA_KERNEL(pad, dms_pad_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        int64_t from = 0;
        for (int axis = 0; axis < (int)p.places.rank; axis++) {
            const int64_t k = dms_pad_source(p.mode, c.at[axis] - p.begin[axis], p.dim[axis]);
            from = from < 0 || k < 0 ? -1 : from + k * p.places.pitch[0][axis];
        }
        dms_words w;
        w.low = p.value;
        w.high = 0;
        if (from >= 0)
            w = dms_words_load(p.bytes, p.from, from);
        dms_words_store(p.bytes, w, p.to, dms_place(&p.places, 1, &c));
    }
}

DMS_CUDA_KERNEL(trilu, dms_trilu_params) {
    const uint32_t last = p.places.rank - 1;
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const int64_t beyond = c.at[last] - c.at[last - 1]; /* columns right of the diagonal */
        dms_words w;
        w.low = w.high = 0;
        if (p.is_upper ? beyond >= p.k : beyond <= p.k)
            w = dms_words_load(p.bytes, p.from, dms_place(&p.places, 0, &c));
        dms_words_store(p.bytes, w, p.to, dms_place(&p.places, 1, &c));
    }
}

/* --- SELECT, FILL, RANGE */

DMS_CUDA_KERNEL(select, dms_pick_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const int is_true = ((const uint8_t *)p.operand[0])[dms_place(&p.places, 0, &c)] != 0;
        const uint32_t k = is_true ? 1 : 2;
        const dms_words w = dms_words_load(p.bytes, p.operand[k], dms_place(&p.places, k, &c));
        dms_words_store(p.bytes, w, p.operand[3], dms_place(&p.places, 3, &c));
    }
}

DMS_CUDA_KERNEL(fill, dms_pick_params) {
    dms_words w;
    w.low = w.high = p.value;
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads())
        dms_words_store(p.bytes, w, p.operand[0], dms_place_of(&p.places, 0, i));
}

/* Computed in f64, or in 64 bits with wrapping. */
DMS_CUDA_KERNEL(range, dms_pick_params) {
    const dms_dtype dtype = (dms_dtype)p.dtype;
    const dms_class of = dms_class_of(dtype);
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const double real = p.real_start + (double)i * p.real_delta;
        dms_scalar value;
        if (of == DMS_CLASS_F32)
            value.f32 = (float)real;
        else if (of == DMS_CLASS_F64)
            value.f64 = real;
        else
            value.u64 = p.start + (uint64_t)i * p.delta;
        dms_element_store(dtype, value, p.operand[0], dms_place_of(&p.places, 0, i));
    }
}
