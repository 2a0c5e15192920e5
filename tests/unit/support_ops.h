/* support_ops.h - one operator application written as text, for the tests of onnx/ops.
 *
 * Reads    "Reshape-14", "x:f32[2,3,4] shape=i64{0,-1}", "allowzero=1".
 * Returns  what infer, alias and lower of its row make of it, as text.
 * Cost     a graph per call.
 * Source   none.
 * Not here what the kernels compute (tests/conformance, test_map.c and its kin).
 *
 * Inputs, separated by blanks:
 *     x:f32[2,3]      computed, with these dims ([]: a scalar)
 *     s=i64{4,5}      a constant vector      s=f32(0.5)   a constant scalar
 *     s=f32[2,2]{1,2,3,4}                    a constant of these dims
 *     -               absent
 * Attributes: axis=1  alpha=0.5 (a point makes it real)  axes=[0,1]  scales=[1.,2.]  mode='linear'
 * names=['a','b']
 * to='f32': a dtype by name is written as its number.
 */
#ifndef DMS_TESTS_SUPPORT_OPS_H
#define DMS_TESTS_SUPPORT_OPS_H

#include "onnx/op.h"

/* dtypes and dims of all outputs: "f32 [2, 3]; i64 [2]"; or the sentence that refuses. Outputs
 * are named y, y1, ...; the text lives until the next call. */
const char *op_infer(const char *op, const char *inputs, const char *attributes, uint32_t n_out);

/* Output k as a view of input 0, which is dense: "[2, 2] pitches [4, 1] offset 3"; "no view". */
const char *op_view(const char *op, const char *inputs, const char *attributes, uint32_t n_out,
                    uint32_t k);

/* The same for an input 0 with these pitches (as many as it has axes). */
const char *op_view_of(const int64_t *pitch, const char *op, const char *inputs,
                       const char *attributes);

/* The calls that a node lowers to, without trying views: "copy(1); add()", with the integer and
 * real parameters; or the sentence that refuses. */
const char *op_calls(const char *op, const char *inputs, const char *attributes, uint32_t n_out);

/* Operand k of call `call` of the last op_calls: "f32 [2, 3] pitches [3, 1] offset 0". */
const char *op_operand(uint32_t call, uint32_t k);

/* The values of all outputs, computed by running the calls: "f32 [2]: 0.5 1"; or the sentence that
 * refuses. Computed inputs hold 0, 1, 2, ... (bool: 0 1 0 1 ...). */
const char *op_values(const char *op, const char *inputs, const char *attributes, uint32_t n_out);

/* Infers, and what was accepted lowers and runs. Returns 0 when infer refused, 1 when all went well
 * (an index out of range included), -1 when lowering or running failed: op_sentence() has why. */
int op_try(const char *op, const char *inputs, const char *attributes, uint32_t n_out);

/* The sentence of the last failure. */
const char *op_sentence(void);

/* The next checks speak of this: a wrong text fails the test with both texts and the place. */
#define INFERS(op, inputs, attributes, n_out, text)                                                \
    assert_string_equal(op_infer(op, inputs, attributes, n_out), text)
#define VIEWS(op, inputs, attributes, text)                                                        \
    assert_string_equal(op_view(op, inputs, attributes, 1, 0), text)
#define CALLS(op, inputs, attributes, text)                                                        \
    assert_string_equal(op_calls(op, inputs, attributes, 1), text)

#define VALUES(op, inputs, attributes, n_out, text)                                                \
    assert_string_equal(op_values(op, inputs, attributes, n_out), text)

#endif
