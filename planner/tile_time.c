/* tile_time.c - what a step takes: d_t of PLACEMENT.md section 1.
 *
 *     max(arithmetic, bytes / rate) + launch
 *     arithmetic = flops / (share x peak) + results x result_ps + rows x row_ps
 *
 * A profile that says nothing of families has shares of 1 and no ps. The rate is that of the cache
 * where a profile knows one and the step touches no more than it holds. */
#include "planner/tile_internal.h"

#define LONGEST_NS ((int64_t)1 << 62)

__extension__ typedef unsigned __int128 wide;

/* Peak of the arithmetic type a call works in. */
static int64_t peak_flops(const dms_profile *profile, const dms_call *call) {
    const dms_dtype dtype = call->view[call->n_in > 0 ? 0 : call->n_in].dtype;
    switch (dtype) {
    case DMS_DTYPE_F16:
    case DMS_DTYPE_BF16:
        return profile->f16_flops;
    case DMS_DTYPE_F64:
        return profile->f64_flops;
    case DMS_DTYPE_I8:
    case DMS_DTYPE_U8:
        return profile->i8_flops;
    case DMS_DTYPE_NONE:
    case DMS_DTYPE_F32:
    case DMS_DTYPE_U16:
    case DMS_DTYPE_I16:
    case DMS_DTYPE_I32:
    case DMS_DTYPE_I64:
    case DMS_DTYPE_BOOL:
    case DMS_DTYPE_U32:
    case DMS_DTYPE_U64:
        break;
    }
    return profile->f32_flops;
}

/* amount / rate in nanoseconds, rounded up; `thousandths` of the rate. */
static wide time_of(uint64_t amount, int64_t per_s, int32_t thousandths) {
    const wide rate = (wide)(uint64_t)per_s * (uint32_t)thousandths;
    return ((wide)amount * 1000000000000u + rate - 1) / rate;
}

/* amount x ps in nanoseconds, rounded up. */
static wide time_at(uint64_t amount, int64_t ps) {
    return ((wide)amount * (uint64_t)ps + 999) / 1000;
}

int64_t dms_tile_step_ns(const dms_profile *profile, const dms_call *call, dms_cost cost) {
    _Static_assert(DMS_N_FAMILIES == DMS_PROFILE_FAMILIES, "numbers for each family");
    const dms_family_cost *family = &profile->family[dms_call_family(call)];
    const bool is_cached = profile->cache_bytes_per_s != 0 && cost.bytes <= profile->cache_bytes;
    const int64_t rate = is_cached ? profile->cache_bytes_per_s : profile->memory_bytes_per_s;
    const wide memory = time_of(cost.bytes, rate, 1000);
    wide ns =
        time_of(cost.flops, peak_flops(profile, call), family->share == 0 ? 1000 : family->share) +
        time_at(cost.results, family->result_ps) + time_at(cost.rows, family->row_ps);
    ns = (ns > memory ? ns : memory) + (uint64_t)profile->launch_ns;
    return ns > (uint64_t)LONGEST_NS ? LONGEST_NS : (int64_t)ns;
}
