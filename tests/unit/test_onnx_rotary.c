/* test_onnx_rotary.c - the written-out rotary embedding: the half that is negated in every query
 * and key changes the signs of the sine instead, once. Each form is run as it is rewritten and from
 * its parts, which must have the same bits.
 *
 * x [2,3,4,6] and z [2,3,4,6] are inputs, cosine c [4,6] and sine s [4,6] as well; h and t are the
 * halves of x.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { N_X = 2 * 3 * 4 * 6, N_ANGLES = 4 * 6 };

#define HALVES "Slice x,zero,three,axis h; Slice x,three,six,axis t; "
#define PARTS HALVES "Neg t n; Concat n,h r axis=-1; "

static void begin(onnx_case *c) {
    const float ones[N_X] = {1};
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3,4,6");
    onnx_input(c, "z", F32, "2,3,4,6");
    onnx_input(c, "c", F32, "4,6");
    onnx_input(c, "s", F32, "4,6");
    onnx_output(c, c->graph, "y", F32, "");
    (void)onnx_initializer(c, c->graph, "fixed", F32, "4,6", ones);
    onnx_i64(c, c->graph, "zero", "0");
    onnx_i64(c, c->graph, "first", "0");
    onnx_i64(c, c->graph, "one", "1");
    onnx_i64(c, c->graph, "two", "2");
    onnx_i64(c, c->graph, "three", "3");
    onnx_i64(c, c->graph, "six", "6");
    onnx_i64(c, c->graph, "axis", "3");
}

/* The first output of a text, as it is or with every result in between an output too. */
static void run(const char *text, bool is_exposed, uint32_t *negations, float *y) {
    float x[N_X], z[N_X], angle[2][N_ANGLES];
    const float *const input[4] = {x, z, angle[0], angle[1]};
    onnx_case c;
    onnx_noise(x, N_X, 1);
    onnx_noise(z, N_X, 2);
    onnx_noise(angle[0], N_ANGLES, 3);
    onnx_noise(angle[1], N_ANGLES, 4);
    begin(&c);
    onnx_text(&c, text);
    if (is_exposed)
        onnx_expose(&c);
    if (onnx_lower(&c, NULL) != DMS_OK)
        fail_msg("'%s': %s", text, c.st.msg);
    onnx_run(&c, input, 0, y, N_X);
    *negations = onnx_count(&c, "Neg");
    onnx_end(&c);
}

/* `left` negations are left of the text's. */
static void expect(const char *text, uint32_t left) {
    float got[N_X], wanted[N_X];
    uint32_t found, before;
    run(text, false, &found, got);
    run(text, true, &before, wanted);
    if (found != left || before == 0)
        fail_msg("'%s': %u of %u negations, wanted %u", text, found, before, left);
    if (memcmp(got, wanted, sizeof got) != 0)
        fail_msg("'%s': other bits than its parts", text);
}

static void the_signs_of_the_sine_change_instead_of_a_half(void **state) {
    (void)state;
    expect(PARTS "Mul x,c a; Mul r,s b; Add a,b y", 0);
    expect(PARTS "Mul x,c a; Mul s,r b; Add a,b y", 0);
    expect(PARTS "Mul x,c a; Mul r,fixed b; Add a,b y", 0); /* a table: folded */
    expect(HALVES "Neg t n; Concat n,h r axis=3; Mul x,c a; Mul r,s b; Add a,b y", 0);
}

/* Parts of other lengths: the first has one element, the second five. */
static void parts_need_not_be_halves(void **state) {
    (void)state;
    expect("Slice x,zero,one,axis h; Slice x,one,six,axis t; Neg h n; Concat n,t r axis=-1; "
           "Mul r,s y",
           0);
}

/* Of queries and keys, one changed sine is left: two products of r and k with it, two with the
 * cosine, and the one that changes its signs. */
static void one_changed_sine_serves_all(void **state) {
    onnx_case c;
    (void)state;
    begin(&c);
    onnx_text(&c, PARTS "Slice z,zero,three,axis i; Slice z,three,six,axis j; Neg j m; "
                        "Concat m,i k axis=-1; Mul x,c a; Mul r,s b; Add a,b q; Mul z,c d; "
                        "Mul k,s e; Add d,e w; Sub q,w y");
    if (onnx_read(&c, NULL) != DMS_OK)
        fail_msg("%s", c.st.msg);
    assert_int_equal(onnx_count(&c, "Mul"), 5);
    assert_int_equal(onnx_count(&c, "Neg"), 0);
    onnx_end(&c);
}

/* A factor as large as what it multiplies saves nothing; another axis, a second reader of the
 * joined halves or of the negated one, a half of the factor's length, the second part negated. */
static void other_products_stay_as_they_are(void **state) {
    (void)state;
    expect(PARTS "Mul r,z y", 1);
    expect(PARTS "Mul r,s b; Add b,r y", 1);
    expect(PARTS "Mul r,s b; Concat n,h g axis=-1; Add b,g y", 1);
    expect(HALVES "Neg t n; Concat h,n r axis=-1; Mul r,s y", 1);
    expect("Neg x n; Concat n,z r axis=0; Slice r,zero,two,first g; Mul g,s y", 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signs_of_the_sine_change_instead_of_a_half),
        cmocka_unit_test(parts_need_not_be_halves),
        cmocka_unit_test(one_changed_sine_serves_all),
        cmocka_unit_test(other_products_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
