/* depthwise_cpu.c - one channel in and one out per group: channels as many as fit the nearest cache
 * are copied together, and several of them are summed at a time. */
#include "runtime/kernels/run_internal.h"
#include "runtime/kernels/taps_internal.h"

enum { NEAR = 6 * 1024 }; /* elements of images that stay in the first-level cache */

/* Channels that are copied together. */
static int64_t choose_together(const dms_taps *t, const dms_window *b, int64_t pitch) {
    int64_t n = NEAR / b->pitch_c;
    n = n < 8 ? 8 : n;
    n = n < DMS_TAPS_IMAGE / b->pitch_c ? n : DMS_TAPS_IMAGE / b->pitch_c;
    n = n < DMS_TAPS_SUMS / pitch ? n : DMS_TAPS_SUMS / pitch;
    n = n < DMS_TAPS_TERMS ? n : DMS_TAPS_TERMS; /* biases lie among the weights */
    return n < t->groups ? n : t->groups;
}

/* The window is planned for one channel; groups take the place of channels while it is copied. */
void DMS_ISA(dms_depthwise_run)(const dms_taps *taps, void *scratch) {
    dms_taps_scratch *s = scratch;
    dms_window *b = &s->window;
    dms_taps t = *taps;
    if (!DMS_ISA(dms_window_next)(&t, b, s->offset))
        return; /* never: there is one channel */
    dms_run run = {.k = t.n,
                   .x = s->image,
                   .offset = s->offset,
                   .bias = s->weight,
                   .to = s->sum,
                   .pitch_x = b->pitch_c,
                   .pitch_w = t.w_m};
    run.n = dms_taps_positions(t.y.h, t.y.w, b->pitch_h - t.y.w);
    run.pitch_to = (run.n + DMS_TAPS_PANEL - 1) / DMS_TAPS_PANEL * DMS_TAPS_PANEL;
    const int64_t together = choose_together(&t, b, run.pitch_to);
    for (int64_t m = 0; m < t.groups; m += together) {
        const int64_t n = t.groups - m < together ? t.groups - m : together;
        b->c0 = m;
        b->nc = n;
        (void)DMS_ISA(dms_window_load)(&t, b, s->image);
        for (int64_t c = 0; c < n; c++)
            s->weight[c] = 0.0f;
        if (t.bias != NULL)
            DMS_ISA(dms_taps_load)
        (&t, t.bias + m * t.bias_pitch * t.size, t.bias_pitch, n, s->weight);
        run.rows = (int)n;
        run.w = (const float *)(const void *)t.w + m * t.w_m;
        DMS_ISA(dms_run_apart)(&run);
        DMS_ISA(dms_taps_store)
        (&t, m, n, (dms_taps_sums){s->sum, run.pitch_to, b->pitch_h}, s);
    }
}
