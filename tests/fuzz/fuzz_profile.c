/* fuzz_profile.c - any bytes as a machine profile: every number of what is accepted is in range. */
#include <stdlib.h>

#include "planner/profile_read.h"
#include "tests/fuzz/fuzz.h"

static void want_sane(const dms_profile *p) {
    const int64_t positive[] = {p->f32_flops,        p->f16_flops,       p->f64_flops,
                                p->i8_flops,         p->launch_ns,       p->memory_bytes_per_s,
                                p->in.bytes_per_s,   p->out.bytes_per_s, p->load.bytes_per_s,
                                p->store.bytes_per_s};
    for (size_t k = 0; k < sizeof positive / sizeof *positive; k++)
        if (positive[k] < 1)
            abort();
    if (p->in.latency_ns < 0 || p->out.latency_ns < 0 || p->name[0] == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    dms_status st = {0};
    dms_profile profile;
    fuzz_file file;
    if (!fuzz_file_fill(&file, data, size))
        return 0;
    if (fuzz_verdict(dms_profile_load(file.path, &profile, &st), &st) == DMS_OK)
        want_sane(&profile);
    return 0;
}
