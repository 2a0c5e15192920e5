/* test_row_refusals.c - what each row refuses, and in which words. A line differs from a good call
 * in one place; the sentence names the operand or the parameter that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_rows.h"

/* A call, and what its refusal says behind "kernel 'NAME'". */
typedef struct refusal {
    row_text call;
    const char *words;
} refusal;

static void all_refused(const refusal *list, size_t n) {
    for (size_t k = 0; k < n; k++) {
        row_case c;
        dms_status st = {0};
        char wanted[256];
        row_read(&c, &list[k].call);
        if (list[k].words[0] == '=') /* the whole sentence */
            (void)snprintf(wanted, sizeof wanted, "%s", list[k].words + 1);
        else
            (void)snprintf(wanted, sizeof wanted, "kernel '%s'%s", list[k].call.kernel,
                           list[k].words);
        if (dms_call_check(&c.call, &st) != DMS_EPLAN)
            fail_msg("%s %s passes, wants: %s", list[k].call.kernel, list[k].call.operands, wanted);
        if (strncmp(st.msg, wanted, strlen(wanted)) != 0)
            fail_msg("says: %s\nwants: %s", st.msg, wanted);
    }
}

#define ALL_REFUSED(list) all_refused(list, sizeof(list) / sizeof *(list))

static void counts_of_operands_and_parameters_are_those_of_the_row(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_case c;
        dms_status st;
        row_read(&c, &row_good[k]);
        const dms_kernel_row *row = dms_kernel_row_find(c.call.kernel);
        const dms_call good = c.call;
        c.call.n_out = row->min_out - 1u;
        assert_int_equal(dms_call_check(&c.call, &st), DMS_EPLAN);
        c.call = good;
        /* what carries a chain may have more of everything, but not more than anyone */
        const bool is_open = row->epilogue != NULL;
        c.call.n_in = is_open ? DMS_MAX_OPERANDS + 1 : row->max_in + 1u;
        assert_int_equal(dms_call_check(&c.call, &st), DMS_EPLAN);
        c.call = good;
        c.call.n_i = row->n_i == 255 || is_open ? DMS_MAX_PARAMS + 1 : row->n_i + 1u;
        assert_int_equal(dms_call_check(&c.call, &st), DMS_EPLAN);
        c.call = good;
        c.call.n_f = row->n_f == 255 || is_open ? DMS_MAX_PARAMS + 1 : row->n_f + 1u;
        assert_int_equal(dms_call_check(&c.call, &st), DMS_EPLAN);
        assert_non_null(strstr(st.msg, is_open ? row->name : "real parameters"));
        c.call = good;
        assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    }
}

static void maps_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"unary", "f32[3] -> f32[3]", "45", NULL}, ": integer parameter 0 is 45, wants 0 to 44"},
        {{"unary", "f32[3] -> f32[3]", "-1", NULL}, ": integer parameter 0 is -1"},
        {{"unary", "f32[3] -> f32[3]", "39", "1"}, ": function 39 wants 2 real parameters, has 1"},
        {{"unary", "f32[3] -> f32[3]", "0", "1,2,3"}, ": function 0 wants 0 real parameters"},
        {{"unary", "i32[3] -> i32[3]", "5", NULL}, ", operand 0: dtype i32 does not fit"},
        {{"unary", "f32[3] -> bool[3]", "40", NULL}, ", operand 0: dtype f32 does not fit"},
        {{"unary", "f32[3] -> f32[3]", "42", NULL}, ", operand 1: dtype f32 does not fit"},
        {{"unary", "f32[3] -> f16[3]", "0", NULL}, ", operand 1: dtype f16 does not fit"},
        {{"unary", "f32[3] -> f32[4]", "0", NULL}, ", operand 1: f32 [4], operand 0 is f32 [3]"},
        {{"unary", "f32[3] -> f32[3,1]", "0", NULL}, ", operand 1: f32 [3, 1], operand 0"},
        {{"binary", "f32[3] f32[3] -> f32[3]", "23", NULL}, ": integer parameter 0 is 23"},
        {{"binary", "f32[3] i32[3] -> f32[3]", "0", NULL}, ", operand 1: dtype i32"},
        {{"binary", "f32[3] bool[3] -> f32[3]", "4", NULL}, ", operand 1: dtype bool"},
        {{"binary", "f32[3] f32[3] -> f32[3]", "9", NULL}, ", operand 2: dtype f32"},
        {{"binary", "f32[3] f32[3] -> f64[3]", "0", NULL}, ", operand 2: dtype f64"},
        {{"binary", "f32[3] f32[3] -> bool[3]", "14", NULL}, ", operand 0: dtype f32"},
        {{"binary", "f32[3] f32[3] -> f32[3]", "20", NULL}, ", operand 0: dtype f32"},
        {{"binary", "bool[3] bool[3] -> bool[3]", "10", NULL}, ", operand 0: dtype bool"},
        {{"binary", "f32[3] f32[1] -> f32[3]", "0", NULL}, ", operand 1: f32 [1], operand 0"},
        {{"select", "u8[3] f32[3] f32[3] -> f32[3]", NULL, NULL}, ", operand 0: dtype u8"},
        {{"select", "bool[3] f32[3] f64[3] -> f32[3]", NULL, NULL}, ", operand 2: dtype f64"},
        {{"select", "bool[3] f32[3] f32[3] -> f64[3]", NULL, NULL}, ", operand 3: dtype f64"},
        {{"select", "bool[3] f32[3] f32[3] -> f32[2]", NULL, NULL}, ", operand 3: f32 [2]"},
        {{"cast", "f32[3] -> i8[3]", "2", NULL}, ": integer parameter 0 is 2, wants 0 to 1"},
        {{"cast", "f32[3] -> i8[2]", "1", NULL}, ", operand 1: i8 [2]"},
        {{"fill", "-> u8[3]", "256", NULL}, ": integer parameter 0 is 256, wants 0 to 255"},
        {{"fill", "-> f32[3]", "-1", NULL}, ": integer parameter 0 is -1"},
        {{"range", "-> bool[3]", "0,1", NULL}, ", operand 0: dtype bool"},
        {{"range", "-> f32[3]", "0,1", NULL}, ": wants start and delta of f32"},
        {{"range", "-> i32[3]", "0", NULL}, ": wants start and delta of i32"},
        {{"range", "-> i32[3,1]", "0,1", NULL}, ", operand 0: rank 2, wants 1"},
    };
    ALL_REFUSED(LIST);
}

static void moves_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"copy", "f32[3] -> u32[3]", "0", NULL}, ", operand 1: dtype u32 differs from f32"},
        {{"copy", "f32[3] -> f32[4]", "0", NULL}, ", operand 1: f32 [4]"},
        {{"copy", "f32[3,4] -> f32[3,4]", "4", NULL}, ": integer parameter 0 is 4, wants 0 to 3"},
        {{"concat", "f32[3] f32[2] -> f32[5]", "1", NULL}, ": integer parameter 0 is 1"},
        {{"concat", "f32[3] f32[2] -> f32[4]", "0", NULL}, ", operand 1: does not fit"},
        {{"concat", "f32[3] f32[2] -> f32[6]", "0", NULL}, ", operand 2: the inputs leave 1 of"},
        {{"concat", "f32[3,2] f32[2,3] -> f32[5,2]", "0", NULL},
         ", operand 1: f32 [2, 3], wants 2"},
        {{"concat", "f32[3,1] f32[2] -> f32[5,1]", "0", NULL}, ", operand 1: rank 1, wants 2"},
        {{"pad", "f32[3] -> f32[5]", "4,0,1", NULL}, ": integer parameter 0 is 4, wants 0 to 3"},
        {{"pad", "f32[3] -> f32[5]", "0,0", NULL}, ": wants mode, value and 1 pads, has 2"},
        {{"pad", "f32[3] -> f32[5,1]", "0,0,1", NULL}, ", operand 1: rank 2, wants 1"},
        {{"pad", "f32[0] -> f32[2]", "1,0,1", NULL}, ", operand 0: nothing to repeat along axis 0"},
        {{"pad", "f32[3] -> f32[5]", "0,0,1099511627777", NULL}, ": integer parameter 2 is 109951"},
        {{"trilu", "f32[3] -> f32[3]", "0,0", NULL}, ", operand 0: rank 1, wants at least 2"},
        {{"trilu", "f32[3,3] -> f32[3,3]", "2,0", NULL}, ": integer parameter 0 is 2"},
        {{"trilu", "f32[3,3] -> f32[3,4]", "0,0", NULL}, ", operand 1: f32 [3, 4]"},
    };
    ALL_REFUSED(LIST);
}

static void look_ups_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"gather", "f32[2,5,3] f32[4] -> f32[2,4,3]", NULL, NULL}, ", operand 1: dtype f32"},
        {{"gather", "f32[2,5,3] i64[4] -> f64[2,4,3]", NULL, NULL}, ", operand 2: dtype f64"},
        {{"gather", "f32[5,3] i64[4] -> f32[4,3]", NULL, NULL}, ", operand 0: rank 2, wants 3"},
        {{"gather", "f32[2,5,3] i64[4,1] -> f32[2,4,3]", NULL, NULL}, ", operand 1: rank 2"},
        {{"gather", "f32[2,5,3] i64[4] -> f32[3,4,3]", NULL, NULL}, ", operand 2: f32 [3, 4, 3]"},
        {{"gather", "f32[2,5,3] i64[4] -> f32[2,5,3]", NULL, NULL}, ", operand 2: f32 [2, 5, 3]"},
        {{"gather", "f32[2,5,3] i64[4] -> f32[2,4,4]", NULL, NULL}, ", operand 2: f32 [2, 4, 4]"},
        {{"gather", "f32[2,0,3] i64[4] -> f32[2,4,3]", NULL, NULL}, ", operand 0: has no entry"},
        {{"gather_part", "f32[1,5,3] f32[4] -> f32[1,4,3]", "0,9", NULL}, ", operand 1: dtype f32"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f16[1,4,3]", "0,9", NULL}, ", operand 2: dtype f16"},
        {{"gather_part", "f32[5,3] i64[4] -> f32[4,3]", "0,9", NULL}, ", operand 0: rank 2"},
        {{"gather_part", "f32[1,5,3] i64[4,1] -> f32[1,4,3]", "0,9", NULL}, ", operand 1: rank 2"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[1,3,3]", "0,9", NULL}, ", operand 2: f32"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[2,4,3]", "0,9", NULL}, ", operand 2: f32"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[1,4,2]", "0,9", NULL}, ", operand 2: f32"},
        {{"gather_part", "f32[1,0,3] i64[4] -> f32[1,4,3]", "0,9", NULL},
         ", operand 0: has no entry"},
        {{"gather_part", "f32[1,5,3] i64[4] f32[1,5,3] -> f32[1,4,3]", "0,9", NULL},
         ", operand 2: f32 [1, 5, 3]"},
        {{"gather_part", "f32[1,5,3] i64[4] f64[1,4,3] -> f32[1,4,3]", "0,9", NULL},
         ", operand 2: dtype f64"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[1,4,3]", "0,4", NULL},
         ": integer parameter 1 is 4"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[1,4,3]", "5,9", NULL},
         ": integer parameter 0 is 5, wants 0 to 4"},
        {{"gather_part", "f32[1,5,3] i64[4] -> f32[1,4,3]", "-1,9", NULL},
         ": integer parameter 0 is -1"},
        {{"gather_elements", "f32[4,5] i32[2,6] -> f32[2,6]", "0", NULL},
         ", operand 1: reaches beyond operand 0 along axis 1"},
        {{"gather_elements", "f32[4,5] i32[2,5] -> f32[2,4]", "0", NULL},
         ", operand 2: f32 [2, 4]"},
        {{"gather_elements", "f32[4,5] i32[2,5] -> f32[2,5]", "2", NULL}, ": integer parameter 0"},
        {{"gather_elements", "f32[4,5] i32[2] -> f32[2]", "0", NULL}, ", operand 1: rank 1"},
        {{"gather_nd", "f32[2,3,5] i64[2,6,2] -> f32[2,6,5]", "2", NULL}, ", operand 0: rank 3"},
        {{"gather_nd", "f32[2,3,4,5] i64[2,6,1] -> f32[2,6,5]", "2", NULL}, ", operand 1: i64"},
        {{"gather_nd", "f32[2,3,4,5] i64[2,6,2] -> f32[2,7,5]", "2", NULL}, ", operand 2: f32"},
        {{"gather_nd", "f32[2,3,4,5] i64[2,6,2] -> f32[2,6,5]", "7", NULL},
         ": integer parameter 0"},
        {{"gather_nd", "f32[2,3,0,5] i64[2,6,2] -> f32[2,6,5]", "2", NULL},
         ", operand 0: has no entry along axis 2"},
        {{"scatter_elements", "f32[4,5] i64[2,3] f32[2,3] -> f32[4,5]", "0,5", NULL},
         ": integer parameter 1 is 5, wants 0 to 4"},
        {{"scatter_elements", "f32[4,5] i64[2,3] f32[2,4] -> f32[4,5]", "0,0", NULL},
         ", operand 2: f32 [2, 4]"},
        {{"scatter_elements", "bool[4] i64[2] bool[2] -> bool[4]", "0,1", NULL},
         ", operand 0: dtype bool"},
        {{"scatter_elements", "f32[4] i64[2] f32[2] -> f32[5]", "0,1", NULL}, ", operand 3: f32"},
        {{"scatter_elements", "f32[4] i64[2] f32[2] -> f64[4]", "0,0", NULL},
         ", operand 3: dtype f64"},
        {{"scatter_elements", "f32[4] i64[2] f16[2] -> f32[4]", "0,0", NULL},
         ", operand 2: dtype f16"},
        {{"scatter_elements", "f32[4] u32[2] f32[2] -> f32[4]", "0,0", NULL},
         ", operand 1: dtype u32"},
        {{"scatter_nd", "f32[4,5,2] i64[3,2] f32[3,3] -> f32[4,5,2]", "2,0", NULL},
         ", operand 2: f32 [3, 3], wants 2 along axis 1"},
        {{"scatter_nd", "f32[4,5,2] i64[3,2] f32[2,2] -> f32[4,5,2]", "2,0", NULL}, ", operand 2"},
        {{"scatter_nd", "f32[4,5,2] i64[3,3] f32[3,2] -> f32[4,5,2]", "2,0", NULL}, ", operand 1"},
        {{"scatter_nd", "f32[4,0,2] i64[3,2] f32[3,2] -> f32[4,0,2]", "2,0", NULL},
         ", operand 0: has no entry along axis 1"},
        {{"one_hot", "i64[3,2] f32[3] -> f32[3,7,2]", NULL, NULL}, ", operand 1: f32 [3], wants 2"},
        {{"one_hot", "i64[3,2] f32[2] -> f64[3,7,2]", NULL, NULL}, ", operand 2: dtype f64"},
        {{"one_hot", "bool[3,2] f32[2] -> f32[3,7,2]", NULL, NULL}, ", operand 0: dtype bool"},
        {{"one_hot", "i64[3,2] f32[2] -> f32[3,7,3]", NULL, NULL}, ", operand 2: f32 [3, 7, 3]"},
    };
    ALL_REFUSED(LIST);
}

static void rows_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"reduce", "f32[3,4] -> f32[3]", "10,1", NULL}, ": integer parameter 0 is 10"},
        {{"reduce", "f32[3,4] -> f32[4]", "0,1", NULL}, ", operand 1: f32 [4], wants 3"},
        {{"reduce", "bool[3,4] -> bool[3]", "0,1", NULL}, ", operand 0: dtype bool"},
        {{"reduce", "i32[3,4] -> i32[3]", "9,1", NULL}, ", operand 0: dtype i32"},
        {{"softmax", "f32[] -> f32[]", "0", NULL}, ", operand 0: a scalar has no rows"},
        {{"softmax", "i32[4] -> i32[4]", "0", NULL}, ", operand 0: dtype i32"},
        {{"softmax", "f32[4] -> f32[4]", "2", NULL}, ": integer parameter 0 is 2"},
        {{"layer_norm", "f32[3,5] f32[4] -> f32[3,5]", "0", "1"}, ", operand 1: f32 [4], wants 5"},
        {{"layer_norm", "f32[3,5] f32[5] f32[1,5] -> f32[3,5]", "0", "1"}, ", operand 2: rank 2"},
        {{"layer_norm", "f32[3,5] -> f32[3,5] f64[3]", "0", "1"}, ", operand 2: dtype f64"},
        {{"layer_norm", "f32[3,5] -> f32[3,5] f32[5]", "0", "1"}, ", operand 2: f32 [5], wants 3"},
        {{"layer_norm", "f32[3,5] -> f32[3,4]", "0", "1"}, ", operand 1: f32 [3, 4]"},
        {{"group_norm", "f32[2,2,3] f32[2,3] f32[2,3] -> f32[2,2,3]", NULL, "1"},
         ", operand 0: rank 3, wants 4"},
        {{"group_norm", "f32[2,2,3,4] f32[2,4] f32[2,3] -> f32[2,2,3,4]", NULL, "1"},
         ", operand 1: f32 [2, 4], wants 3"},
        {{"group_norm", "f32[2,2,3,4] f32[2,3] f32[3,3] -> f32[2,2,3,4]", NULL, "1"},
         ", operand 2: f32 [3, 3], wants 2"},
        {{"batch_norm", "f32[2,3,4] f32[4] f32[3] f32[3] f32[3] -> f32[2,3,4]", NULL, "1"},
         ", operand 1: f32 [4], wants 3"},
        {{"batch_norm", "f32[2,3,4] f32[3] f32[3] f32[3] i32[3] -> f32[2,3,4]", NULL, "1"},
         ", operand 4: dtype i32"},
        {{"arg", "f32[3,4] -> i32[3]", "0,0", NULL}, ", operand 1: dtype i32"},
        {{"arg", "f32[3,4] -> i64[3]", "2,0", NULL}, ": integer parameter 0 is 2"},
        {{"arg", "f32[3,0] -> i64[3]", "0,0", NULL}, ", operand 0: an empty row has no largest"},
        {{"cumsum", "f32[3] -> f32[3]", "0,2", NULL}, ": integer parameter 1 is 2"},
        {{"cumsum", "bool[3] -> bool[3]", "0,0", NULL}, ", operand 0: dtype bool"},
        {{"topk", "f32[3,4] -> f32[3,5] i64[3,5]", "1,1", NULL}, ", operand 1: wants 5 of 4"},
        {{"topk", "f32[3,4] -> f32[3,2] i64[3,3]", "1,1", NULL}, ", operand 2: i64 [3, 3]"},
        {{"topk", "f32[3,4] -> f32[2,2] i64[2,2]", "1,1", NULL},
         ", operand 1: f32 [2, 2], wants 3"},
        {{"topk", "f32[3,4] -> f32[3,2] i32[3,2]", "1,1", NULL}, ", operand 2: dtype i32"},
        {{"lrn", "f32[2,7,5] -> f32[2,7,5]", "0", "1,1,1"}, ": integer parameter 0 is 0"},
        {{"lrn", "f32[7,5] -> f32[7,5]", "3", "1,1,1"}, ", operand 0: rank 2, wants 3"},
    };
    ALL_REFUSED(LIST);
}

static void products_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"matmul", "f32[8] f32[8,9] -> f32[9]", "0,9", "1,1"}, ", operand 2: rank 1, wants 2 or"},
        {{"matmul", "f32[3,8] f32[7,9] -> f32[3,9]", "0,9", "1,1"}, ", operand 1: f32 [7, 9]"},
        {{"matmul", "f32[3,8] f32[8,9] -> f32[3,9]", "0,8", "1,1"}, ": integer parameter 1 is 8"},
        {{"matmul", "f32[3,8] f32[8,9] -> f32[4,9]", "0,9", "1,1"}, ", operand 0: f32 [3, 8]"},
        {{"matmul", "f32[3,8] f32[8,9] -> f32[3,9]", "2,9", "1,1"}, ": integer parameter 0 is 2"},
        {{"matmul", "f32[2,3,8] f32[8,9] -> f32[2,3,9]", "0,9", "1,1"}, ", operand 1: rank 2"},
        {{"matmul", "f32[2,3,8] f32[3,8,9] -> f32[2,3,9]", "0,9", "1,1"}, ", operand 1: f32 [3,"},
        {{"matmul", "f32[3,8] f32[8,9] f32[9] -> f32[3,9]", "0,9", "1,1"}, ", operand 2: f32 [9]"},
        {{"matmul", "bool[3,8] bool[8,9] -> bool[3,9]", "0,9", "1,1"}, ", operand 0: dtype bool"},
        {{"matmul", "i32[3,8] i32[8,9] -> i32[3,9]", "0,9", "0.5,1"}, ": factor 0.5 of an integer"},
        {{"matmul", "i32[3,8] i32[8,9] -> i32[3,9]", "0,9", "1,3e9"}, ": factor 3e+09"},
        {{"matmul", "f32[3,8] f32[2,8,16] -> f32[3,40]", "1,40", "1,1"}, ", operand 1: f32 [2, 8,"},
        {{"matmul", "f32[3,8] f32[3,8,8] -> f32[3,40]", "1,40", "1,1"},
         ", operand 1: f32 [3, 8, 8]"},
        {{"matmul", "f64[3,8] f64[3,8,16] -> f64[3,40]", "1,40", "1,1"}, ", operand 1: panels are"},
    };
    ALL_REFUSED(LIST);
}

static void parts_of_products_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"matmul_part", "f32[3,256] f32[256,9] -> f32[3,9]", "0,9,3", "1,1"},
         ": integer parameter 2 is 3"},
        {{"matmul_part", "f32[3,8] f32[8,9] -> f32[3,9]", "0,9,0", "1,1"},
         ", operand 0: 8 columns, wants a multiple of 256"},
        {{"matmul_part", "f32[3,300] f32[300,9] f32[3,9] -> f32[3,9]", "0,9,1", "1,1"},
         ", operand 0: 300 columns, wants a multiple of 256"},
        {{"matmul_part", "f32[3,8] f32[8,9] -> f32[3,9]", "0,9,2", "1,1"}, ": 2 inputs at place 2"},
        {{"matmul_part", "f32[3,256] f32[256,9] f32[3,9] -> f32[3,9]", "0,9,0", "1,1"},
         ": 3 inputs at place 0"},
        {{"matmul_part", "f32[3,256] f32[256,9] f32[3,9] f32[3,9] -> f32[3,9]", "0,9,1", "1,1"},
         ": 4 inputs at place 1"},
        {{"matmul_part", "f16[3,8] f16[8,9] f16[3,9] -> f16[3,9]", "0,9,2", "1,1"},
         ", operand 2: dtype f16"},
        {{"matmul_part", "f16[3,256] f16[256,9] -> f16[3,9]", "0,9,0", "1,1"},
         ", operand 2: dtype f16"},
        {{"matmul_part", "f64[3,256] f64[256,9] -> f32[3,9]", "0,9,0", "1,1"},
         ", operand 0: dtype f64"},
        {{"matmul_part", "f32[3,8] f32[8,9] f32[3,8] -> f32[3,9]", "0,9,2", "1,1"}, ", operand 2"},
        {{"matmul_part", "f32[3,256] f32[255,9] -> f32[3,9]", "0,9,0", "1,1"},
         ", operand 1: f32 [255, 9]"},
        {{"matmul_part", "f32[3,256] f32[256,9] -> f32[3,9]", "0,9,0,0,512", "1,1"},
         ": this call cannot carry a chain"},
    };
    ALL_REFUSED(LIST);
}

static void windows_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"conv", "f32[1,4,9,8] f32[6,2,3,3] -> f32[1,6,9,4]", "4,1,2,1,1,1,1", NULL},
         ", operand 2: 6 channels in 4 groups"},
        {{"conv", "f32[1,4,9,8] f32[6,3,3,3] -> f32[1,6,9,4]", "2,1,2,1,1,1,1", NULL},
         ", operand 0: f32 [1, 4, 9, 8], wants 6 along axis 1"},
        {{"conv", "f32[1,4,9,8] f32[5,4,3,3] -> f32[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 1: f32 [5, 4, 3, 3], wants 6"},
        {{"conv", "f32[1,4,9,8] f32[6,4,3,3] f32[5] -> f32[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 2: f32 [5], wants 6"},
        {{"conv", "f32[2,4,9,8] f32[6,4,3,3] -> f32[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 2: f32 [1, 6, 9, 4], wants 2"},
        {{"conv", "f32[4,9,8] f32[6,4,3,3] -> f32[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 0: rank 3, wants 4"},
        {{"conv", "f32[1,4,9,8] f32[6,4,3] -> f32[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 1: rank 3, wants 4"},
        {{"conv", "f64[1,4,9,8] f64[6,4,3,3] -> f64[1,6,9,4]", "1,1,2,1,1,1,1", NULL},
         ", operand 0: dtype f64"},
        {{"conv", "f32[1,4,9,8] f32[6,4,3,3] -> f32[1,6,9,4]", "1,0,2,1,1,1,1", NULL},
         ": integer parameter 1 is 0"},
        {{"conv", "f32[1,4,9,8] f32[6,4,3,3] -> f32[1,6,9,4]", "0,1,2,1,1,1,1", NULL},
         ": integer parameter 0 is 0"},
        {{"conv", "f32[1,4,9,8] f32[6,4,3,3] -> f32[1,6,9,4]", "1,1,1,1,1073741824,1,1", NULL},
         ": axis 3 is too long"},
        {{"conv", "f32[1,3,7,7] f32[1,3,3,3,16] -> f32[1,20,5,5]", "1,1,1,1,1,0,0", NULL},
         ", operand 1: f32 [1, 3, 3, 3, 16], wants 2 along axis 0"},
        {{"conv", "f32[1,6,7,7] f32[2,3,3,3,16] -> f32[1,24,5,5]", "2,1,1,1,1,0,0", NULL},
         ", operand 1: panels are dense and within a group"},
        {{"conv_transpose", "f32[1,4,5,3] f32[5,3,2,3] -> f32[1,3,10,7]", "1,2,2,1,1,0,0", NULL},
         ", operand 0: f32 [1, 4, 5, 3], wants 5"},
        {{"conv_transpose", "f32[1,4,5,3] f32[4,3,2,3] -> f32[1,4,10,7]", "1,2,2,1,1,0,0", NULL},
         ", operand 2: f32 [1, 4, 10, 7], wants 3"},
        {{"conv_transpose", "f32[1,4,5,3] f32[4,3,2,3] -> f32[1,9,10,7]", "3,2,2,1,1,0,0", NULL},
         ", operand 1: 3 groups do not fit"},
        {{"pool", "f32[1,2,7,6] -> f32[1,2,3,3]", "3,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ": integer parameter 0 is 3"},
        {{"pool", "i32[1,2,7,6] -> i32[1,2,3,3]", "1,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ", operand 0: dtype i32"},
        {{"pool", "f32[1,2,7,6] -> f64[1,2,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ", operand 1: dtype differs from operand 0"},
        {{"pool", "f32[1,2,7,6] -> f32[1,3,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ", operand 1: f32 [1, 3, 3, 3], wants 2"},
        {{"pool", "f32[1,2,7,6] -> f32[1,2,3,3]", "2,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ": integer parameter 12 is 0"},
        {{"pool", "f32[1,2,7,6] -> f32[1,2,3,3] i64[1,2,3,3]", "1,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ", operand 2: only the maximum has indices"},
        {{"pool", "f32[1,2,7,6] -> f32[1,2,3,3] i32[1,2,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ", operand 2: dtype i32"},
        {{"pool", "f32[1,2,7,2147483649] -> f32[1,2,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
         ": axis 3 is too long"},
        {{"resize", "f32[5] -> f32[9]", "3,0,0,0,0", "0,0,1.8,0,1"}, ": integer parameter 0 is 3"},
        {{"resize", "f32[5] -> f32[9]", "1,6,0,0,0", "0,0,1.8,0,1"}, ": integer parameter 1 is 6"},
        {{"resize", "f32[5] -> f32[9]", "1,0,0,0,0", "0,0,1.8,0"},
         ", operand 0: rank 1 with 4 real"},
        {{"resize", "f32[5] -> f32[9]", "1,0,0,0,0", "0,0,nan,0,1"}, ": scale nan of axis 0"},
        {{"resize", "f32[5] -> f32[9]", "1,0,0,0,0", "0,0,1,inf,1"}, ": scale 1 of axis 0"},
        {{"resize", "f32[0] -> f32[9]", "1,0,0,0,0", "0,0,1,0,1"},
         ", operand 0: axis 0 has nothing"},
        {{"resize", "bool[5] -> bool[9]", "1,0,0,0,0", "0,0,1,0,1"}, ", operand 0: bool cannot be"},
        {{"resize", "f32[4294967296] -> f32[9]", "1,0,0,0,0", "0,0,1,0,1"},
         ", operand 0: axis 0 is too long"},
        {{"resize", "f32[] -> f32[]", "0,0,0,0,0", "0,0"}, ", operand 0: rank 0 with 2 real"},
    };
    ALL_REFUSED(LIST);
}

#define Q "f32[1,4,6,8] "
#define K "f32[1,2,9,8] "
#define V "f32[1,2,9,5] "
#define Y "-> f32[1,4,6,5]"

static void attention_is_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"attention", Q K V Y, "3,0,0", "1,0"}, ": integer parameter 0 is 3"},
        {{"attention", Q K V Y, "2,0,0", "1,0,-1"}, ": causal 2 without fill or added mask"},
        {{"attention", Q K V Y, "1,0,0", "1"}, ": 1 real parameters, wants 2 or 3"},
        {{"attention", Q K V Y, "0,3,0", "1,0"}, ": integer parameter 1 is 3"},
        {{"attention", Q K V Y, "0,0,3", "1,0"}, ": integer parameter 2 is 3"},
        {{"attention", Q K V Y, "0,1,0", "1,0"}, ": 3 inputs and mask kind 1"},
        {{"attention", Q K V "f32[1,4,6,9] " Y, "0,0,0", "1,0"}, ": 4 inputs and mask kind 0"},
        {{"attention", Q K V "f32[1,4,6,9] " Y, "0,2,0", "1,0"}, ", operand 3: dtype f32"},
        {{"attention", Q K V "f16[1,4,6,9] " Y, "0,1,0", "1,0"}, ", operand 3: dtype f16"},
        {{"attention", Q K V "f32[1,4,6,8] " Y, "0,1,0", "1,0"}, ", operand 3: f32 [1, 4, 6, 8]"},
        {{"attention", Q K V "f32[4,6,9] " Y, "0,1,0", "1,0"}, ", operand 3: rank 3, wants 4"},
        {{"attention", Q "f32[1,3,9,8] f32[1,3,9,5] " Y, "0,0,0", "1,0"}, ", operand 0: 4 heads"},
        {{"attention", Q "f32[1,2,9,7] " V Y, "0,0,0", "1,0"}, ", operand 1: f32 [1, 2, 9, 7]"},
        {{"attention", Q K "f32[1,2,8,5] " Y, "0,0,0", "1,0"}, ", operand 2: f32 [1, 2, 8, 5]"},
        {{"attention", Q K V "-> f32[1,4,6,8]", "0,0,0", "1,0"}, ", operand 3: f32 [1, 4, 6, 8]"},
        {{"attention", Q K V "-> f32[1,4,9,5]", "0,0,0", "1,0"}, ", operand 3: f32 [1, 4, 9, 5]"},
        {{"attention", Q "f16[1,2,9,8] " V Y, "0,0,0", "1,0"}, ", operand 1: dtype differs"},
        {{"attention", "f32[1,1,1,16385] f32[1,1,1,16385] f32[1,1,1,1] -> f32[1,1,1,1]", "0,0,0",
          "1,0"},
         ": heads wider than 16384"},
    };
    ALL_REFUSED(LIST);
}

#define F13 "0,0,0,0,0,0,0,0,0,0,0,0,0"
#define LSTM "f32[1,3,2,20] f32[1,20,5] "

static void recurrent_layers_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "4,0,0,0,1,0,0,1,1,0,1,1", F13},
         ": integer parameter 0 is 4"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "3,0,4,0,1,0,0,1,1,0,1,1", F13},
         ": integer parameter 2 is 4"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "3,0,0,0,0,0,0,1,1,0,1,1", F13},
         ": integer parameter 4 is 0"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "3,0,0,1,1,0,0,1,1,0,1,1", F13},
         ": 2 inputs and 1 outputs, its parameters name 3 and 1"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "3,0,0,0,3,0,0,1,1,0,1,1", F13},
         ": 2 inputs and 1 outputs, its parameters name 2 and 2"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "3,0,0,0,1,0,0,1,1,0,1,1",
          "-1,0,0,0,0,0,0,0,0,0,0,0,0"},
         ": clips at -1"},
        {{"recurrent", LSTM "-> f32[1,3,2,5]", "0,0,0,0,1,0,0,1,1,0,1,1", F13}, ", operand 1: f32"},
        {{"recurrent", "f32[3,3,2,20] f32[3,20,5] -> f32[3,3,2,5]", "3,0,0,0,1,0,0,1,1,0,1,1", F13},
         ", operand 0: 3 directions"},
        {{"recurrent", LSTM "-> f32[1,3,2,6]", "3,0,0,0,1,0,0,1,1,0,1,1", F13}, ", operand 2: f32"},
        {{"recurrent", LSTM "-> f16[1,3,2,5]", "3,0,0,0,1,0,0,1,1,0,1,1", F13},
         ", operand 2: dtype f16"},
        {{"recurrent", LSTM "f32[2] -> f32[1,3,2,5]", "3,0,0,2,1,0,0,1,1,0,1,1", F13},
         ", operand 2: dtype f32"}, /* lengths */
        {{"recurrent", "f32[1,3,2,5] f32[1,5,5] f32[1,2,5] -> f32[1,3,2,5]",
          "0,0,0,8,1,0,1,1,1,1,1,1", F13},
         ": only an LSTM has the state of a cell"},
        {{"recurrent", "f32[1,3,2,20] f32[1,4,1,5,16] -> f32[1,3,2,5]", "3,1,0,0,1,0,0,1,1,0,1,1",
          F13},
         ", operand 1: f32"}, /* panels of 16, but 5 units */
    };
    ALL_REFUSED(LIST);
}

/* A word is kind + 256 fn + 2^16 dtype + 2^24 source 0 + 2^32 source 1 + 2^40 source 2. */
static void programs_are_refused(void **state) {
    (void)state;
    static const refusal LIST[] = {
        {{"chain", "f32[3] -> f32[3]", NULL, NULL}, ": its chain names -1 operands"},
        {{"chain", "f32[3] -> f32[3]", "2,512", NULL}, ": its chain names 2 operands"},
        {{"chain", "f32[3] -> f32[3]", "1", NULL}, ": its chain has 0 instructions"},
        {{"chain", "f32[3] -> f32[3]", "1,9", NULL},
         "=chain, instruction 0: its kind is not known"},
        {{"chain", "f32[3] -> f32[3]", "1,16777728", NULL}, /* source 0 is 1: its own result */
         "=chain, instruction 0: reads a value that is not there yet"},
        {{"chain", "f32[3] -> f32[3]", "1,4294967808", NULL}, /* a second source */
         "=chain, instruction 0: reads a value that is not there yet"},
        {{"chain", "f32[3] -> f32[3]", "1,9984", NULL}, /* CLIP without its limits */
         "=chain, instruction 0: lacks real parameters"},
        {{"chain", "f32[3] -> f32[3]", "1,10240", NULL}, /* NOT of a float */
         "=chain, instruction 0: its function does not take these types"},
        {{"chain", "f32[3] -> f32[3]", "1,281474976711168", NULL}, /* reals that relu lacks */
         "=chain, instruction 0: a field that it does not use is not 0"},
        {{"chain", "f32[3] f32[4] -> f32[3]", "2,512,4328521729", NULL}, ", operand 1: f32 [4]"},
        {{"chain", "f32[3] -> f16[3]", "1,512", NULL}, ", operand 1"},
        {{"matmul", "f32[3,8] f32[8,9] -> f32[3,9]", "0,9,2,512", "1,1"},
         ": 2 inputs and 1 outputs"},
        {{"matmul", "f32[3,8] f32[8,9] -> f32[3,9]", "0,9,0", "1,1"},
         ": its chain has 0 instructions"},
        {{"conv", "f32[1,3,7,7] f32[5,3,3,3] -> f32[1,5,5,5]", "1,1,1,1,1,0,0,0,10240", NULL},
         "=chain, instruction 0: its function does not take these types"},
    };
    ALL_REFUSED(LIST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_operands_and_parameters_are_those_of_the_row),
        cmocka_unit_test(maps_are_refused),
        cmocka_unit_test(moves_are_refused),
        cmocka_unit_test(look_ups_are_refused),
        cmocka_unit_test(rows_are_refused),
        cmocka_unit_test(products_are_refused),
        cmocka_unit_test(parts_of_products_are_refused),
        cmocka_unit_test(windows_are_refused),
        cmocka_unit_test(attention_is_refused),
        cmocka_unit_test(recurrent_layers_are_refused),
        cmocka_unit_test(programs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
