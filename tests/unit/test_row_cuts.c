/* test_row_cuts.c - every call that its row can cut gives the bits of the whole at any width, its
 * pieces cost what the whole costs, a packed operand holds each element of the plain one once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_call.h"
#include "support_rows.h"

/* Beside row_good: calls that are large enough for several pieces. */
static const row_text LARGE[] = {
    {"matmul", "f32[5,30] f32[30,70] -> f32[5,70]", "0,70", "1,1"},
    {"matmul", "f32[5,30] f32[30,70] f32[5,70] -> f32[5,70]", "0,70", "0.5,2"},
    {"matmul", "f16[2,3,9] f16[2,9,50] -> f16[2,3,50]", "0,50", "1,1"},
    {"matmul", "f64[4,7] f64[7,33] -> f64[4,33]", "0,33", "1,1"},
    {"matmul", "i32[4,7] i32[7,33] -> i32[4,33]", "0,33", "1,1"},
    {"conv", "f32[1,5,9,9] f32[40,5,3,3] f32[40] -> f32[1,40,7,7]", "1,1,1,1,1,0,0", NULL},
    {"conv", "bf16[2,3,6,8] bf16[33,3,1,3] -> bf16[2,33,6,8]", "1,1,1,1,1,0,1", NULL},
    {"conv", "f32[1,8,7,7] f32[32,4,3,3] -> f32[1,32,5,5]", "2,1,1,1,1,0,0", NULL},
    {"gather", "f32[1,50,40] i64[6] -> f32[1,6,40]", NULL, NULL},
    {"gather", "i8[3,20,64] i32[9] -> i8[3,9,64]", NULL, NULL},
    {"conv_transpose", "f32[1,4,5,3] f32[4,33,2,3] -> f32[1,33,10,7]", "1,2,2,1,1,0,0", NULL},
    {"softmax", "f32[33,70] -> f32[33,70]", "0", NULL},
    {"binary", "f32[64,33] f32[64,33] -> f32[64,33]", "2", NULL},
};
#define N_LARGE (sizeof LARGE / sizeof *LARGE)

/* Call k of both lists. */
static const row_text *text_of(size_t k) {
    return k < N_LARGE ? &LARGE[k] : &row_good[k - N_LARGE];
}
#define N_TEXTS (N_LARGE + n_row_good)

/* The call with random operands; ROW_TURNED: their first axis varies fastest. */
static void begin(call_case *c, const row_text *text, bool is_turned) {
    row_case r;
    uint32_t turned[DMS_MAX_RANK];
    row_read(&r, text);
    call_begin(c, r.call.kernel, 7);
    for (uint32_t k = 0; k < r.call.n_in + r.call.n_out; k++) {
        const dms_view *v = &r.view[k];
        for (uint32_t axis = 0; axis < v->rank; axis++)
            turned[axis] = v->rank - 1 - axis;
        const uint32_t *order = is_turned && !r.is_dense[k] ? turned : NULL;
        if (k < r.call.n_in)
            (void)call_in_strided(c, v->dtype, v->rank, v->dim, order, 0, 0);
        else
            (void)call_out_strided(c, v->dtype, v->rank, v->dim, order, 0);
    }
    call_params(c, r.call.n_i, r.i, r.call.n_f, r.f);
    call_is_valid(c);
}

static void pieces_of_every_width_give_the_bits_of_the_whole(void **state) {
    (void)state;
    uint32_t n_cut = 0;
    for (size_t k = 0; k < N_TEXTS; k++)
        for (int turned = 0; turned < 2; turned++) {
            call_case c;
            dms_cut cut;
            begin(&c, text_of(k), turned != 0);
            if (dms_call_cut(&c.call, &cut)) {
                call_runs_alike(&c);
                for (int64_t width = 1; width <= cut.extent; width += cut.granule)
                    call_cuts_alike(&c, width);
                n_cut += cut.extent > cut.granule;
            }
            call_free(&c);
        }
    assert_true(n_cut >= 12);
}

/* What a cut says: operands that are cut have the extent along their axis, the parameter too. */
static void a_cut_speaks_of_axes_that_are_there(void **state) {
    (void)state;
    for (size_t k = 0; k < N_TEXTS; k++) {
        call_case c;
        dms_cut cut;
        begin(&c, text_of(k), false);
        if (dms_call_cut(&c.call, &cut)) {
            bool cuts_output = false;
            assert_true(cut.extent > 1 && cut.granule >= 1);
            for (uint32_t o = 0; o < c.call.n_in + c.call.n_out; o++) {
                if (cut.axis[o] < 0)
                    continue;
                assert_true((uint32_t)cut.axis[o] < c.view[o].rank);
                assert_int_equal(c.view[o].dim[cut.axis[o]],
                                 (cut.extent + cut.unit[o] - 1) / cut.unit[o]);
                assert_int_equal(cut.granule % cut.unit[o], 0);
                cuts_output = cuts_output || o >= c.call.n_in;
            }
            assert_true(cuts_output); /* else two pieces would write the same elements */
            if (cut.extent_param >= 0)
                assert_int_equal(c.i[cut.extent_param], cut.extent);
        }
        call_free(&c);
    }
}

static void pieces_cost_what_the_whole_costs(void **state) {
    (void)state;
    for (size_t k = 0; k < N_TEXTS; k++) {
        call_case c;
        dms_cut cut;
        begin(&c, text_of(k), false);
        if (dms_call_cut(&c.call, &cut)) {
            uint64_t flops = 0, written = 0;
            for (int64_t first = 0; first < cut.extent; first += cut.granule) {
                const int64_t end =
                    first + cut.granule < cut.extent ? first + cut.granule : cut.extent;
                dms_view view[CALL_OPERANDS];
                int64_t i[DMS_MAX_PARAMS];
                dms_call piece;
                assert_true(dms_call_slice(&c.call, &cut, first, end, NULL, view, i, &piece));
                flops += dms_call_cost(&piece).flops;
                for (uint32_t o = c.call.n_in; o < c.call.n_in + c.call.n_out; o++)
                    written += (uint64_t)dms_view_count(&view[o]);
            }
            assert_int_equal(flops, dms_call_cost(&c.call).flops);
            for (uint32_t o = c.call.n_in; o < c.call.n_in + c.call.n_out; o++)
                written -= (uint64_t)dms_view_count(&c.view[o]);
            assert_int_equal(written, 0); /* each element by one piece */
        }
        call_free(&c);
    }
}

/* Counts how often the walk of a packing meets each element of the plain operand. */
static void packs_each_once(const dms_view *plain, const dms_packing *p) {
    static uint8_t met[1 << 16];
    const int64_t end = dms_view_end(plain);
    int64_t n_met = 0;
    assert_true(end < (1 << 16));
    memset(met, 0, sizeof met);
    for (int64_t n = 0; n < dms_view_count(&p->source); n++) {
        int64_t rest = n, at = p->source.offset, index[DMS_MAX_RANK];
        const uint32_t last = p->source.rank - 1;
        for (uint32_t axis = p->source.rank; axis-- > 0; rest /= p->source.dim[axis]) {
            index[axis] = rest % p->source.dim[axis];
            at += index[axis] * p->source.pitch[axis];
        }
        if (p->valid_last != 0 && index[0] + 1 == p->source.dim[0] && index[last] >= p->valid_last)
            continue; /* does not exist: a zero */
        assert_in_range(at, 0, end - 1);
        assert_int_equal(met[at]++, 0);
        n_met++;
    }
    assert_int_equal(n_met, dms_view_count(plain));
}

static void a_packed_operand_holds_each_element_once(void **state) {
    (void)state;
    uint32_t n_packed = 0;
    for (size_t k = 0; k < N_TEXTS; k++)
        for (int turned = 0; turned < 2; turned++) {
            call_case c;
            begin(&c, text_of(k), turned != 0);
            for (uint32_t o = 0; o < c.call.n_in; o++) {
                dms_packing packing;
                if (!dms_call_pack(&c.call, o, DMS_DEVICE_CPU, &packing))
                    continue;
                packs_each_once(&c.view[o], &packing);
                call_runs_alike(&c);
                call_packs_alike(&c, o);
                n_packed++;
                break;
            }
            call_free(&c);
        }
    assert_true(n_packed >= 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_every_width_give_the_bits_of_the_whole),
        cmocka_unit_test(a_cut_speaks_of_axes_that_are_there),
        cmocka_unit_test(pieces_cost_what_the_whole_costs),
        cmocka_unit_test(a_packed_operand_holds_each_element_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
