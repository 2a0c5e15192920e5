/* test_plan_print.c - the text of a plan, word by word: people and diff rely on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "support_plan.h"

/* Prints the plan and compares what stands from `title` to the next empty line. */
static void expect_section(case_plan *c, const char *title, const char *want) {
    char text[16384] = "";
    FILE *out = tmpfile();
    assert_non_null(out);
    dms_plan_print(&c->plan, NULL, out);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = 0;
    assert_int_equal(fclose(out), 0);
    char *section = strstr(text, title);
    assert_non_null(section);
    char *end = strstr(section + 1, "\n\n");
    if (end != NULL)
        end[1] = 0;
    assert_string_equal(section, want);
}

static void the_head_says_of_what_by_whom_how_large_how_fast(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0x0123456789abcdef, 0xfe};
    expect_section(&c, "plan of",
                   "plan of 'small.onnx' by 'dmsc 0.1.0' with 'lp_solve 5.5'\n"
                   "profile 'cpu', device kind 0\n"
                   "device arena 53504 of 60000 bytes, host arena 34048 of 40000 bytes\n"
                   "weights 65792 bytes, floor 50000 bytes\n"
                   "predicted period 500 ns, latency 600 ns, compute 420 ns, bound 450 ns\n"
                   "meaning 00000000000000fe0123456789abcdef\n"
                   "dim 'batch' = 4\n");
    case_free(&c);
}

static void files_have_size_and_digest(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\nfiles 1\n",
                   "\n"
                   "files 1\n"
                   "     0 external 'data/w.bin' 65536 bytes, digest "
                   "00000000000056780000000000001234, 1 large ranges\n");
    case_free(&c);
}

static void sources_say_where_bytes_lie_and_how_they_are_walked(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\nsources 4\n",
                   "\n"
                   "sources 4\n"
                   "     0 file 0 + 0 f32 [64, 64] pitch [128, 1]\n"
                   "     1 file 0 + 256 f32 [64, 64] pitch [128, 1]\n"
                   "     2 file 0 + 32768 f32 [128, 64]\n"
                   "     3 embedded 256 bytes + 0 f32 [1, 64]\n");
    case_free(&c);
}

static void tensors_say_kind_shape_and_cells(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\ntensors 8\n",
                   "\n"
                   "tensors 8\n"
                   "     0 input 'x' f32 [4, 64]\n"
                   "     1 weight 'W1' f32 [64, 128], 2 cells of 64 along axis 1, split, source 0\n"
                   "     2 weight 'W2' f32 [128, 64], source 2\n"
                   "     3 weight 'b' f32 [1, 64], source 3\n"
                   "     4 activation 'h' f32 [4, 128], 2 cells of 64 along axis 1\n"
                   "     5 activation 'r' f32 [4, 128]\n"
                   "     6 activation 'y' f32 [4, 64]\n"
                   "     7 output 'z' f32 [4, 64]\n");
    case_free(&c);
}

static void calls_show_views_that_are_not_dense_with_pitches(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(
        &c, "\ncalls 4\n",
        "\n"
        "calls 4\n"
        "     0 ? (40) f32 [4, 64], f32 [64, 64] -> f32 [4, 64] pitch [128, 1] i 0,64 f 1,1\n"
        "     1 ? (1) f32 [4, 128] -> f32 [4, 128] i 2\n"
        "     2 ? (40) f32 [4, 128], f32 [128, 64], f32 [4, 64] pitch [0, 1] -> f32 [4, "
        "64] i 0,64 f 1,1\n"
        "     3 ? (2) f32 [4, 64], f32 [4, 64] -> f32 [4, 64] i 0\n");
    case_free(&c);
}

static void buffers_say_place_size_and_content(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\nbuffers 15\n",
                   "\n"
                   "buffers 15\n"
                   "     0 device + 0, 32768 bytes: 'W2'\n"
                   "     1 device + 32768, 256 bytes: 'b'\n"
                   "     2 device + 33024, 16384 bytes: 'W1' cell 0\n"
                   "     3 device + 33024, 16384 bytes: 'W1' cell 1\n"
                   "     4 device + 49408, 1024 bytes: 'x'\n"
                   "     5 device + 49408, 1024 bytes: 'x'\n"
                   "     6 device + 49408, 1024 bytes: workspace\n"
                   "     7 device + 50432, 2048 bytes: 'h'\n"
                   "     8 device + 50432, 2048 bytes: 'r'\n"
                   "     9 device + 52480, 1024 bytes: 'y'\n"
                   "    10 device + 52480, 1024 bytes: 'z'\n"
                   "    11 host + 0, 16384 bytes: 'W1' cell 0\n"
                   "    12 host + 16384, 16384 bytes: 'W1' cell 1\n"
                   "    13 host + 32768, 1024 bytes: 'x'\n"
                   "    14 host + 33792, 256 bytes: 'b'\n");
    case_free(&c);
}

static void inputs_name_their_tensor(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\ninputs 1\n",
                   "\n"
                   "inputs 1\n"
                   "     0 'x' f32 [4, 64], tensor 0\n");
    case_free(&c);
}

static void outputs_name_their_tensor(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\noutputs 1\n",
                   "\n"
                   "outputs 1\n"
                   "     0 'z' f32 [4, 64], tensor 7\n");
    case_free(&c);
}

static void the_prologue_is_printed_in_submission_order(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(&c, "\nprologue 6 commands\n",
                   "\n"
                   "prologue 6 commands\n"
                   "  load       0 load source 0 -> buffer 11, signal\n"
                   "  load       1 load source 1 -> buffer 12, signal\n"
                   "  load       2 load source 2 -> buffer 0, signal\n"
                   "  load       3 load source 3 -> buffer 14, signal\n"
                   "  in         0 copy buffer 11 -> buffer 2, waits load 0, signal\n"
                   "  in         1 copy buffer 14 -> buffer 1, waits load 3, signal\n");
    case_free(&c);
}

static void waits_signals_and_cells_of_commands_are_shown(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    expect_section(
        &c, "\nbody 11 commands\n",
        "\n"
        "body 11 commands\n"
        "  in         0 input 0 -> buffer 4, waits compute 4 of the turn before, signal\n"
        "  out        0 copy buffer 4 -> buffer 13, waits in 0, signal\n"
        "  compute    0 call 0 step 0 'fc1' buffer 4, buffer 2 cells 0+1 -> buffer 7 "
        "cells 0+1, waits in 0, signal\n"
        "  in         1 copy buffer 12 -> buffer 3, waits compute 0, signal\n"
        "  compute    1 call 0 step 1 'fc1' buffer 4, buffer 3 cells 1+1 -> buffer 7 "
        "cells 1+1, waits in 1, signal\n"
        "  in         2 copy buffer 11 -> buffer 2, waits compute 1, signal, ahead\n"
        "  compute    2 call 1 step 2 'relu' buffer 7 cells 0+2 -> buffer 8, signal\n"
        "  compute    3 call 2 step 3 'fc2' buffer 8, buffer 0, buffer 1 -> buffer 9 "
        "workspace 6, waits out 0, signal\n"
        "  in         3 copy buffer 13 -> buffer 5, waits compute 3, waits out 0, signal\n"
        "  compute    4 call 3 step 4 'add' buffer 9, buffer 5 -> buffer 10, waits in 3, "
        "signal\n"
        "  out        1 buffer 10 -> output 0, waits compute 4, signal\n");
    case_free(&c);
}

static const char *name_of(uint32_t kernel) {
    return kernel == 40 ? "matmul" : NULL;
}

static void kernels_are_named_by_whoever_knows_them(void **state) {
    (void)state;
    case_plan c;
    char text[16384] = "";
    FILE *out = tmpfile();
    assert_non_null(out);
    case_make(&c);
    dms_plan_print(&c.plan, name_of, out);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = 0;
    assert_non_null(strstr(text, "     0 matmul (40) f32 [4, 64]"));
    assert_non_null(strstr(text, "     1 ? (1) f32 [4, 128]"));
    assert_int_equal(fclose(out), 0);
    case_free(&c);
}

/* A name from a model never moves the cursor nor ends its quotes. */
static void names_of_strangers_are_escaped(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    c.plan.input[0].name = "a\n'b\\\x1b[2J\x7f\xc3\xa9";
    expect_section(&c, "\ninputs 1\n",
                   "\ninputs 1\n"
                   "     0 'a\\x0a\\x27b\\x5c\\x1b[2J\\x7f\xc3\xa9' f32 [4, 64], tensor 0\n");
    case_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_says_of_what_by_whom_how_large_how_fast),
        cmocka_unit_test(files_have_size_and_digest),
        cmocka_unit_test(sources_say_where_bytes_lie_and_how_they_are_walked),
        cmocka_unit_test(tensors_say_kind_shape_and_cells),
        cmocka_unit_test(calls_show_views_that_are_not_dense_with_pitches),
        cmocka_unit_test(buffers_say_place_size_and_content),
        cmocka_unit_test(inputs_name_their_tensor),
        cmocka_unit_test(outputs_name_their_tensor),
        cmocka_unit_test(the_prologue_is_printed_in_submission_order),
        cmocka_unit_test(waits_signals_and_cells_of_commands_are_shown),
        cmocka_unit_test(kernels_are_named_by_whoever_knows_them),
        cmocka_unit_test(names_of_strangers_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
