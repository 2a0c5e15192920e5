/* tile_time.c - what a step takes: d_t of PLACEMENT.md section 1.
 *
 *     max(arithmetic + way, bytes / rate) + launch
 *     arithmetic = flops / (share x peak) + results x result_ps + rows x row_ps + carried
 *     carried    = what a chain does behind the kernel x result_ps of maps
 *     way        = bytes / memory rate - bytes / cache rate, where the cache does not hold them
 *
 * A profile that says nothing of families has shares of 1 and no ps. A share of a family that does
 * not multiply and add is one of the f32 rate, whatever the type: that is how it is measured. The
 * rate of bytes is that of the cache where a profile knows one and the step touches no more than it
 * holds. Families are measured on operands that come from the cache, so that the arithmetic has
 * their way from there in it; what comes from further takes the difference longer. */
#include "planner/tile_internal.h"

#define LONGEST_NS ((int64_t)1 << 62)

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

/* a x b / c, rounded up; the longest time where it does not fit. */
static int64_t ratio(uint64_t a, uint64_t b, uint64_t c) {
    __extension__ typedef unsigned __int128 wide;
    const wide ns = ((wide)a * b + c - 1) / c;
    return ns > (uint64_t)LONGEST_NS ? LONGEST_NS : (int64_t)ns;
}

/* Neither is longer than the longest. */
static int64_t add(int64_t a, int64_t b) {
    return a > LONGEST_NS - b ? LONGEST_NS : a + b;
}

/* Flops at a share of a rate, which is a whole number per second as well. */
static int64_t flops_ns(uint64_t flops, int64_t per_s, int32_t share) {
    if (share == 0 || share == 1000)
        return ratio(flops, 1000000000, (uint64_t)per_s);
    const uint64_t rate = (uint64_t)ratio((uint64_t)per_s, (uint64_t)share, 1000);
    return ratio(flops, 1000000000, rate);
}

int64_t dms_tile_step_ns(const dms_profile *profile, const dms_call *call, dms_cost cost) {
    _Static_assert(DMS_N_FAMILIES == DMS_PROFILE_FAMILIES, "numbers for each family");
    const dms_family kind = dms_call_family(call);
    const dms_family_cost *family = &profile->family[kind];
    const bool has_cache = profile->cache_bytes_per_s != 0;
    const bool is_cached = has_cache && cost.bytes <= profile->cache_bytes;
    const int64_t rate = is_cached ? profile->cache_bytes_per_s : profile->memory_bytes_per_s;
    const bool is_by_type = family->share == 0 || kind <= DMS_FAMILY_RECURRENT;
    const int64_t peak = is_by_type ? peak_flops(profile, call) : profile->f32_flops;
    const int64_t memory = ratio(cost.bytes, 1000000000, (uint64_t)rate);
    int64_t ns = flops_ns(cost.flops, peak, family->share);
    ns = add(ns, ratio(cost.results, (uint64_t)family->result_ps, 1000));
    ns = add(ns, ratio(cost.rows, (uint64_t)family->row_ps, 1000));
    ns = add(ns, ratio(cost.carried, (uint64_t)profile->family[DMS_FAMILY_MAP].result_ps, 1000));
    if (has_cache && !is_cached) {
        const int64_t cache = ratio(cost.bytes, 1000000000, (uint64_t)profile->cache_bytes_per_s);
        ns = add(ns, memory > cache ? memory - cache : 0);
    }
    return add(ns > memory ? ns : memory, profile->launch_ns);
}
