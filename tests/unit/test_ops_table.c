/* test_ops_table.c - the rows as a whole: what every one of them promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/ops.h"

#define NEWEST 23u

static const dms_op_family *const families[] = {
#define ADDRESS(family) &dms_ops_##family,
    DMS_OP_FAMILIES(ADDRESS)
#undef ADDRESS
};

/* Calls `check` for every row. */
static void each_row(void (*check)(const dms_op *row)) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++)
            check(&families[f]->row[k]);
}

static void row_is_complete(const dms_op *row) {
    assert_non_null(row->name);
    assert_non_null(row->infer);
    assert_true(row->alias != NULL || row->lower != NULL);
    assert_true(row->min_in <= row->max_in && row->min_out <= row->max_out);
    assert_true(row->max_out >= 1 && row->since >= 1);
    assert_true(row->until == 0 || (row->until >= row->since && row->until <= NEWEST));
}

static void every_row_is_complete(void **state) {
    (void)state;
    each_row(row_is_complete);
}

/* A node of each opset of a row finds this row and no other one. */
static void row_is_found(const dms_op *row) {
    const uint32_t until = row->until == 0 ? NEWEST : row->until;
    for (uint32_t version = row->since; version <= until; version++)
        assert_ptr_equal(dms_op_find(row->domain, row->name, version), row);
}

static void rows_of_one_name_do_not_overlap(void **state) {
    (void)state;
    each_row(row_is_found);
}

static void operators_end_where_the_specification_ends_them(void **state) {
    (void)state;
    assert_null(dms_op_find("", "Upsample", 10));
    assert_null(dms_op_find("", "Scatter", 11));
    assert_null(dms_op_find("", "Resize", 9));
    assert_null(dms_op_find("", "Gelu", 19));
    assert_true(dms_op_is_known("ai.onnx", "Upsample"));
    assert_false(dms_op_is_known("", "NoSuchOperator"));
    assert_null(dms_op_find("com.example", "Relu", 13));
}

/* The list that dmsc --list-ops prints: sorted by domain, name and opset, each row once, without
 * the operators that only rewriting makes. */
static void the_list_is_sorted_and_whole(void **state) {
    (void)state;
    char line[128], last[128] = "", name[64], domain[64];
    unsigned since = 0, n_lines = 0, n_rows = 0, n_clip = 0;
    FILE *file = tmpfile();
    assert_non_null(file);
    dms_ops_print(file);
    rewind(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "operator                    domain         opsets\n");
    for (; fgets(line, sizeof line, file) != NULL; n_lines++) {
        char key[128];
        assert_int_equal(sscanf(line, "%63s %63s %u", name, domain, &since), 3);
        assert_string_not_equal(domain, "dms");
        (void)snprintf(key, sizeof key, "%.20s %.40s %04u", domain, name, since);
        assert_true(strcmp(last, key) < 0);
        (void)strcpy(last, key);
        if (strcmp(name, "Clip") == 0)
            assert_non_null(strstr(line, n_clip++ == 0 ? " 6 to 10\n" : " 11 to 23\n"));
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(n_clip, 2);
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++)
            n_rows += families[f]->row[k].domain == NULL ||
                      strcmp(families[f]->row[k].domain, "dms") != 0;
    assert_int_equal(n_lines, n_rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(rows_of_one_name_do_not_overlap),
        cmocka_unit_test(operators_end_where_the_specification_ends_them),
        cmocka_unit_test(the_list_is_sorted_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
