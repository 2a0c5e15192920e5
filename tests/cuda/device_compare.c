/* device_compare.c - results of the second device beside those of the CPU device. */
#include "tests/cuda/device_compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/element.h"
#include "schema/dtype.h"
#include "tests/unit/support_device.h"

void device_compare(const dms_call *call, uint32_t k, const void *want, const void *got) {
    const dms_view *view = &call->view[k];
    const double tolerance = device_tolerance(call);
    for (int64_t e = 0; e < dms_view_count(view); e++) {
        int64_t at = 0, rest = e;
        for (uint32_t axis = view->rank; axis-- > 0; rest /= view->dim[axis])
            at += rest % view->dim[axis] * view->pitch[axis];
        const uint32_t bytes = dms_dtype_bytes(view->dtype);
        const char *a = (const char *)want + at * bytes, *b = (const char *)got + at * bytes;
        if (memcmp(a, b, bytes) == 0)
            continue;
        const dms_scalar x = dms_element_load(view->dtype, a, 0);
        const dms_scalar y = dms_element_load(view->dtype, b, 0);
        const bool is_f32 = dms_class_of(view->dtype) == DMS_CLASS_F32;
        const double p = is_f32 ? (double)x.f32 : x.f64, q = is_f32 ? (double)y.f32 : y.f64;
        if (tolerance > 0 && (fabs(p - q) <= tolerance * (1.0 + fabs(p)) || (isnan(p) && isnan(q))))
            continue;
        fail_msg(
            "kernel %u, fn %ld, operand %u (%s), element %ld: %.9g (%016lx) on the CPU device, "
            "%.9g (%016lx) on CUDA",
            call->kernel, call->n_i > 0 ? (long)call->i[0] : -1L, k, dms_dtype_name(view->dtype),
            (long)e, p, (unsigned long)x.u64, q, (unsigned long)y.u64);
    }
}
