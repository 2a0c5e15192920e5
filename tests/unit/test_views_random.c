/* test_views_random.c - random views of random ranks through the kernels that take any: axes
 * permuted, with gaps, repeated, of one entry. The seeds are fixed; each failure names its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define ROUNDS 400

typedef struct random_state {
    uint64_t seed;
} random_state;

/* A number of [0, n). */
static int64_t draw(random_state *r, int64_t n) {
    r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(r->seed >> 33) % n;
}

/* Mostly short axes, some long enough for strips and vectors, now and then none at all. */
static uint32_t draw_dims(random_state *r, uint32_t most, int64_t *dim) {
    const uint32_t rank = (uint32_t)draw(r, (int64_t)most + 1);
    int64_t count = 1;
    for (uint32_t k = 0; k < rank; k++) {
        const int64_t kind = draw(r, 10);
        dim[k] = kind == 0 ? 1 : kind < 8 ? 1 + draw(r, 6) : 1 + draw(r, 600);
        if (count * dim[k] > 6000)
            dim[k] = 1;
        count *= dim[k];
    }
    if (rank > 0 && draw(r, 40) == 0)
        dim[draw(r, rank)] = 0;
    return rank;
}

/* These dims in memory in a random order of axes, with a gap here and there; `repeats` allows
 * pitches of 0. */
static dms_view draw_view(random_state *r, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                          bool repeats) {
    dms_view view = case_dense(dtype, rank, dim);
    if (draw(r, 3) == 0)
        return view;
    uint32_t order[DMS_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++)
        order[k] = k;
    for (uint32_t k = rank; k > 1; k--) {
        const uint32_t other = (uint32_t)draw(r, k), last = order[k - 1];
        order[k - 1] = order[other];
        order[other] = last;
    }
    int64_t pitch = 1 + draw(r, 2);
    for (uint32_t k = 0; k < rank; k++) {
        view.pitch[order[k]] = pitch;
        pitch = pitch * (dim[order[k]] > 0 ? dim[order[k]] : 1) + draw(r, 3);
        if (repeats && draw(r, 5) == 0)
            view.pitch[order[k]] = 0;
    }
    view.offset = draw(r, 4);
    return view;
}

static dms_dtype draw_type(random_state *r) {
    static const dms_dtype types[] = {DMS_DTYPE_F32,  DMS_DTYPE_F32, DMS_DTYPE_F16,
                                      DMS_DTYPE_BF16, DMS_DTYPE_F64, DMS_DTYPE_I8,
                                      DMS_DTYPE_I32,  DMS_DTYPE_I64, DMS_DTYPE_I16};
    return types[draw(r, sizeof types / sizeof *types)];
}

static void say_seed(kernel_case *c, uint64_t round, int64_t index, double want, uint32_t operand) {
    if (case_get(c, operand, index) != want)
        fail_msg("round %lu: element %ld is %g, wants %g", (unsigned long)round, (long)index,
                 case_get(c, operand, index), want);
}

static void sums_of_any_two_views(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_state r = {round};
        int64_t dim[DMS_MAX_RANK] = {0};
        const dms_dtype dtype = draw_type(&r);
        const uint32_t rank = draw_dims(&r, 6, dim);
        kernel_case c;
        case_open(&c, DMS_K_BINARY);
        case_i(&c, DMS_FN_ADD);
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_out(&c, draw_view(&r, dtype, rank, dim, false));
        case_run(&c);
        for (int64_t e = 0; e < dms_view_count(&c.view[2]); e++)
            say_seed(&c, round, e, case_get(&c, 0, e) + case_get(&c, 1, e), 2);
        case_close(&c);
    }
}

static void choices_between_any_views(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_state r = {round + 1000};
        int64_t dim[DMS_MAX_RANK] = {0};
        const dms_dtype dtype = draw_type(&r);
        const uint32_t rank = draw_dims(&r, 6, dim);
        kernel_case c;
        case_open(&c, DMS_K_SELECT);
        case_in(&c, draw_view(&r, DMS_DTYPE_BOOL, rank, dim, true));
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_out(&c, draw_view(&r, dtype, rank, dim, false));
        case_run(&c);
        for (int64_t e = 0; e < dms_view_count(&c.view[3]); e++)
            say_seed(&c, round, e, case_get(&c, case_get(&c, 0, e) != 0 ? 1 : 2, e), 3);
        case_close(&c);
    }
}

static void copies_from_any_view_to_any_other(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 2 * ROUNDS; round++) {
        random_state r = {round + 2000};
        int64_t dim[DMS_MAX_RANK] = {0};
        const dms_dtype dtype = draw_type(&r);
        const uint32_t rank = draw_dims(&r, DMS_MAX_RANK, dim);
        kernel_case c;
        case_open(&c, DMS_K_COPY);
        case_i(&c, draw(&r, 2) * draw(&r, INT64_C(1) << rank));
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_out(&c, draw_view(&r, dtype, rank, dim, false));
        case_run(&c);
        for (int64_t e = 0; e < dms_view_count(&c.view[1]); e++) {
            int64_t from = 0, index = e, unit = 1;
            for (uint32_t k = rank; k-- > 0; index /= dim[k], unit *= dim[k]) {
                const int64_t i = index % dim[k];
                from += unit * (c.i[0] >> k & 1 ? dim[k] - 1 - i : i);
            }
            say_seed(&c, round, e, case_get(&c, 0, from), 1);
        }
        case_close(&c);
    }
}

static void concats_of_any_views(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_state r = {round + 3000};
        int64_t dim[DMS_MAX_RANK] = {0};
        const dms_dtype dtype = draw_type(&r);
        const uint32_t rank = draw_dims(&r, 5, dim);
        if (rank == 0)
            continue;
        const uint32_t axis = (uint32_t)draw(&r, rank), n = 1 + (uint32_t)draw(&r, 5);
        int64_t inner = 1, total = 0, first[6] = {0};
        for (uint32_t k = axis + 1; k < rank; k++)
            inner *= dim[k];
        kernel_case c;
        case_open(&c, DMS_K_CONCAT);
        case_i(&c, axis);
        for (uint32_t k = 0; k < n; k++) {
            dim[axis] = draw(&r, 7);
            case_in(&c, draw_view(&r, dtype, rank, dim, true));
            total += dim[axis];
            first[k + 1] = total;
        }
        dim[axis] = total;
        case_out(&c, draw_view(&r, dtype, rank, dim, false));
        case_run(&c);
        for (int64_t e = 0; e < dms_view_count(&c.view[n]); e++) {
            const int64_t i = e / inner % total, outer = e / inner / total;
            uint32_t k = 0;
            while (i >= first[k + 1])
                k++;
            const int64_t width = first[k + 1] - first[k];
            const int64_t from = (outer * width + i - first[k]) * inner + e % inner;
            say_seed(&c, round, e, case_get(&c, k, from), n);
        }
        case_close(&c);
    }
}

static void reductions_over_any_axes_of_any_view(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_state r = {round + 4000};
        int64_t dim[DMS_MAX_RANK] = {0};
        const uint32_t rank = draw_dims(&r, 6, dim), kept = (uint32_t)draw(&r, rank + 1);
        const int64_t fn = draw(&r, 2) ? DMS_FN_SUM : DMS_FN_REDUCE_MAX;
        const dms_dtype dtype = draw(&r, 2) ? DMS_DTYPE_F64 : DMS_DTYPE_F32; /* sums stay exact */
        kernel_case c;
        case_open(&c, DMS_K_REDUCE);
        case_i(&c, fn);
        case_i(&c, kept);
        case_in(&c, draw_view(&r, dtype, rank, dim, true));
        case_out(&c, draw_view(&r, dtype, kept, dim, false));
        case_run(&c);
        const int64_t outputs = dms_view_count(&c.view[1]);
        const int64_t n = outputs == 0 ? 0 : dms_view_count(&c.view[0]) / outputs;
        for (int64_t o = 0; o < outputs; o++) {
            double want = fn == DMS_FN_SUM ? 0.0 : -(double)INFINITY;
            for (int64_t i = 0; i < n; i++) {
                const double x = case_get(&c, 0, o * n + i);
                want = fn == DMS_FN_SUM ? want + x : x > want ? x : want;
            }
            say_seed(&c, round, o, want, 1);
        }
        case_close(&c);
    }
}

static void gathers_from_any_view(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_state r = {round + 5000};
        const int64_t x[] = {1 + draw(&r, 4), 1 + draw(&r, 9), draw(&r, 30)};
        const int64_t n = draw(&r, 12), y[] = {x[0], n, x[2]};
        const dms_dtype dtype = draw_type(&r);
        kernel_case c;
        case_open(&c, DMS_K_GATHER);
        case_in(&c, draw_view(&r, dtype, 3, x, true));
        case_in(&c, draw_view(&r, draw(&r, 2) ? DMS_DTYPE_I64 : DMS_DTYPE_I32, 1, &n, true));
        for (int64_t e = 0; e < n; e++)
            case_set(&c, 1, e, (double)(draw(&r, 2 * x[1]) - x[1]));
        case_out(&c, draw_view(&r, dtype, 3, y, false));
        case_run(&c);
        assert_int_equal(c.index_error, 0);
        for (int64_t e = 0; e < dms_view_count(&c.view[2]); e++) {
            const int64_t o = e / x[2] / n, s = e % x[2];
            const int64_t index = case_get_i(&c, 1, e / x[2] % n);
            const int64_t entry = index < 0 ? index + x[1] : index;
            say_seed(&c, round, e, case_get(&c, 0, (o * x[1] + entry) * x[2] + s), 2);
        }
        case_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_any_two_views),
        cmocka_unit_test(choices_between_any_views),
        cmocka_unit_test(copies_from_any_view_to_any_other),
        cmocka_unit_test(concats_of_any_views),
        cmocka_unit_test(reductions_over_any_axes_of_any_view),
        cmocka_unit_test(gathers_from_any_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
