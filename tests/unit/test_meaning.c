/* test_meaning.c - content ids: whatever changes what a cell contains changes its id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/meaning.h"
#include "support_plan.h"

static void differ(dms_hash a, dms_hash b) {
    assert_false(dms_hash_equal(a, b));
}

static void a_weight_cell_is_its_bytes_and_the_walk_over_them(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    dms_plan *p = &c.plan;
    dms_source *s = &p->source[2];
    const dms_source was = *s;
    const dms_hash id = dms_meaning_source(p, 2);
#define CHANGED(field, value)                                                                      \
    do {                                                                                           \
        s->field = (value);                                                                        \
        differ(id, dms_meaning_source(p, 2));                                                      \
        *s = was;                                                                                  \
    } while (0)
    CHANGED(offset, 32772);
    CHANGED(valid_last, 3);
    CHANGED(file, DMS_NONE);
    CHANGED(view.offset, 1);
    CHANGED(view.dim[0], 127);
    CHANGED(view.pitch[1], 2);
    CHANGED(view.rank, 1);
    CHANGED(view.dtype, DMS_DTYPE_I32);
#undef CHANGED
    p->file[0].digest.lo++;
    differ(id, dms_meaning_source(p, 2));
    p->file[0].digest.lo--;
    p->file[0].name = "elsewhere"; /* a name is no content */
    assert_true(dms_hash_equal(id, dms_meaning_source(p, 2)));
    case_free(&c);
}

static void an_input_cell_is_its_port_its_dims_and_its_place(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    dms_port port[2] = {c.plan.input[0], c.plan.input[0]};
    c.plan.input = port;
    const dms_hash id = dms_meaning_input(&c.plan, 0, 0);
    differ(id, dms_meaning_input(&c.plan, 1, 0));
    differ(id, dms_meaning_input(&c.plan, 0, 1));
    port[0].view.dim[0] = 2;
    port[0].view.dim[1] = 128;
    differ(id, dms_meaning_input(&c.plan, 0, 0));
    case_free(&c);
}

static void a_computed_cell_is_its_inputs_its_output_and_its_place(void **state) {
    (void)state;
    const dms_hash a = {1, 2}, b = {3, 4}, call = {5, 6};
    const dms_hash ab = dms_meaning_add(dms_meaning_add(call, a), b);
    const dms_hash ba = dms_meaning_add(dms_meaning_add(call, b), a);
    differ(ab, ba);
    differ(dms_meaning_output(ab, 0, 0), dms_meaning_output(ba, 0, 0));
    differ(dms_meaning_output(ab, 0, 0), dms_meaning_output(ab, 0, 1));
    differ(dms_meaning_output(ab, 0, 0), dms_meaning_output(ab, 1, 0));
    differ(dms_meaning_output(ab, 0, 1), dms_meaning_output(ab, 1, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_cell_is_its_bytes_and_the_walk_over_them),
        cmocka_unit_test(an_input_cell_is_its_port_its_dims_and_its_place),
        cmocka_unit_test(a_computed_cell_is_its_inputs_its_output_and_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
