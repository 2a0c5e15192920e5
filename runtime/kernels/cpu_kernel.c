/* cpu_kernel.c - the tables of implementations, one per instruction set. */
#include "runtime/kernels/cpu_kernel.h"

#include <cpuid.h>
#include <inttypes.h>
#include <stddef.h>

#include "runtime/kernels/families.h"

#define BASE(name) &dms_cpu_##name##_base,
#define AVX2(name) &dms_cpu_##name##_avx2,
#define AVX512(name) &dms_cpu_##name##_avx512,
#define VNNI(name) &dms_cpu_##name##_vnni,
static const dms_cpu_kernel *const base_kernels[] = {DMS_ALL_KERNELS(BASE) NULL};
static const dms_cpu_kernel *const avx2_kernels[] = {DMS_ALL_KERNELS(AVX2) NULL};
static const dms_cpu_kernel *const avx512_kernels[] = {DMS_ALL_KERNELS(AVX512) NULL};
static const dms_cpu_kernel *const vnni_kernels[] = {DMS_BYTES_KERNELS(VNNI) DMS_ALL_KERNELS(AVX512)
                                                         NULL};
static const dms_cpu_kernel *const *const tables[DMS_N_ISAS] = {base_kernels, avx2_kernels,
                                                                avx512_kernels, vnni_kernels};
#undef BASE
#undef AVX2
#undef AVX512
#undef VNNI

dms_isa dms_isa_detect(void) {
    unsigned a, b, c, d;
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi2") && __get_cpuid(1, &a, &b, &c, &d) != 0 &&
                          (c & bit_F16C) != 0;
    const bool has_avx512 =
        has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (has_avx512 && __builtin_cpu_supports("avx512vnni"))
        return DMS_ISA_VNNI;
    return has_avx512 ? DMS_ISA_AVX512 : has_avx2 ? DMS_ISA_AVX2 : DMS_ISA_BASE;
}

const dms_cpu_kernel *dms_cpu_kernel_find(uint32_t id, dms_isa isa) {
    const dms_cpu_kernel *const *table = tables[isa];
    for (; *table != NULL; table++)
        if ((*table)->id == id)
            return *table;
    return NULL;
}

dms_code dms_cpu_run(const dms_call *call, void *const *operand, void *workspace, void *scratch,
                     dms_status *st) {
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(call->kernel, dms_isa_detect());
    if (kernel == NULL || !dms_call_runs_on_cpu(call))
        return dms_fail(st, DMS_EDEVICE,
                        "kernel %" PRIu32
                        ": this build does not run these element types on the CPU",
                        call->kernel);
    atomic_uint index_error = 0;
    const dms_cpu_job job = {call, operand, workspace, scratch, &index_error};
    kernel->run(&job, 0, kernel->parts(call));
    const unsigned bad = atomic_load(&index_error);
    if (bad != 0)
        return dms_fail(st, DMS_EINPUT, "kernel '%s', operand %u: an index is out of range",
                        dms_kernel_row_find(call->kernel)->name, bad - 1);
    return DMS_OK;
}
