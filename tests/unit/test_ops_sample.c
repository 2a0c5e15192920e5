/* test_ops_sample.c - GridSample: words of both opsets, shapes, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void the_grid_gives_the_extents(void **state) {
    (void)state;
    INFERS("GridSample-16", "x:f32[2,3,8,9] g:f32[2,5,6,2]", "", 1, "f32 [2, 3, 5, 6]");
    INFERS("GridSample-20", "x:f16[2,3,7,8,9] g:f32[2,4,5,6,3]", "", 1, "f16 [2, 3, 4, 5, 6]");
    INFERS("GridSample-20", "x:f32[2,3,9] g:f32[2,5,1]", "", 1, "f32 [2, 3, 5]");
}

static void words_of_both_opsets_are_known(void **state) {
    (void)state;
    CALLS("GridSample-16", "x:f32[1,1,2,2] g:f32[1,1,1,2]", "mode='bilinear'",
          "grid_sample(1 0 0)");
    CALLS("GridSample-20", "x:f32[1,1,2,2] g:f32[1,1,1,2]", "", "grid_sample(1 0 0)");
    CALLS("GridSample-16", "x:f32[1,1,2,2] g:f32[1,1,1,2]",
          "mode='bicubic' padding_mode='reflection' align_corners=1", "grid_sample(2 2 1)");
    CALLS("GridSample-20", "x:f32[1,1,2,2] g:f32[1,1,1,2]", "mode='nearest' padding_mode='border'",
          "grid_sample(0 1 0)");
    INFERS("GridSample-20", "x:f32[1,1,2,2] g:f32[1,1,1,2]", "mode='area'", 1,
           "node 'n' (GridSample): attribute 'mode' is 'area', which is not known");
    INFERS("GridSample-20", "x:f32[1,1,2,2] g:f32[1,1,1,2]", "padding_mode='wrap'", 1,
           "node 'n' (GridSample): attribute 'padding_mode' is 'wrap', which is not known");
}

/* x = 0 1; 2 3. The centre is the mean; aligned, a corner is its element. */
static void a_picture_by_hand(void **state) {
    (void)state;
    VALUES("GridSample-16", "x:f32[1,1,2,2] g=f32[1,1,2,2]{0,0,1,-1}", "align_corners=1", 1,
           "f32 [1, 1, 1, 2]: 1.5 1");
    VALUES("GridSample-16", "x:f32[1,1,2,2] g=f32[1,1,2,2]{0.5,0.5,1,1}", "", 1,
           "f32 [1, 1, 1, 2]: 3 0.75");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    INFERS("GridSample-16", "x:f32[2,3,8,9] g:f32[1,5,6,2]", "", 1,
           "node 'n' (GridSample): input 'g' has 1 samples of 2 coordinates, input 'x' 2 of 2");
    INFERS("GridSample-16", "x:f32[2,3,8,9] g:f32[2,5,6,3]", "", 1,
           "node 'n' (GridSample): input 'g' has 2 samples of 3 coordinates, input 'x' 2 of 2");
    INFERS("GridSample-16", "x:f32[2,3,8,9] g:f32[2,5,2]", "", 1,
           "node 'n' (GridSample): input 'g' has rank 3, wants 4");
    INFERS("GridSample-16", "x:f32[2,3,0,9] g:f32[2,5,6,2]", "", 1,
           "node 'n' (GridSample): input 'x' has no element");
    INFERS("GridSample-16", "x:i32[2,3,8,9] g:f32[2,5,6,2]", "", 1,
           "node 'n' (GridSample): input 'x' has dtype i32, which this operator does not take");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grid_gives_the_extents),
        cmocka_unit_test(words_of_both_opsets_are_known),
        cmocka_unit_test(a_picture_by_hand),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
