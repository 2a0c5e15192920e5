/* attention_tile.cu - attention of many queries on tensor cores: prefill.
 *
 *               keys: stage 0     stage 1    ...
 *     warp 0  +-----------------+                  a warp has 32 rows (16 of wide heads), all of
 *     warp 1  |  s = q k, then  |                  their columns and sums in registers; the block
 *     warp 2  |  o += p v       |  fills           goes over the keys with a running maximum
 *     warp 3  +-----------------+
 *
 * Rows are those of a group of query heads that share a key head (attention_score.h). Stages begin
 * at multiples of 32 keys from key 0 on, whatever the budget: bits depend on the call alone. f16
 * and bf16, sums and softmax f32, weights rounded to the narrow type for the second product; keys
 * beyond the limit of a row take part with weight 0 where its stage or its tile has others.
 *
 * Grid: blocks of 4 warps over tiles of 128 (64) rows, longest first. Bytes: q and y once, k and
 * v once per tile, mostly from the second cache. One kernel per width of heads and type. */
#include "runtime/cuda/kernels/attention_score.h"

#define NAME attention_tile_half_64
#define WIDE 64
#define IS_BRAIN 0
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_half_96
#define WIDE 96
#define IS_BRAIN 0
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_half_128
#define WIDE 128
#define IS_BRAIN 0
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_half_256
#define WIDE 256
#define IS_BRAIN 0
#define SLABS 1
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_brain_64
#define WIDE 64
#define IS_BRAIN 1
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_brain_96
#define WIDE 96
#define IS_BRAIN 1
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_brain_128
#define WIDE 128
#define IS_BRAIN 1
#define SLABS 2
#include "runtime/cuda/kernels/attention_tile.h"

#define NAME attention_tile_brain_256
#define WIDE 256
#define IS_BRAIN 1
#define SLABS 1
#include "runtime/cuda/kernels/attention_tile.h"
