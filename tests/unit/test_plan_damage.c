/* test_plan_damage.c - plans with a right checksum and wrong fields: the reader refuses each before
 * anything uses it. The fields are changed in the message, as a stranger would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schema/plan.pb-c.h"
#include "support_plan.h"

#define HEADER 40u

/* The small plan as a message; `seal` puts the container around it again. */
typedef struct message_case {
    case_plan c;
    Dms__Plan *m;
} message_case;

static int make(void **state) {
    message_case *w = test_malloc(sizeof *w);
    uint8_t *data;
    uint64_t size;
    case_make(&w->c);
    assert_int_equal(dms_plan_encode(&w->c.plan, &w->c.arena, &data, &size, &w->c.st), DMS_OK);
    w->m = dms__plan__unpack(NULL, size - HEADER, data + HEADER);
    assert_non_null(w->m);
    *state = w;
    return 0;
}

static int drop(void **state) {
    message_case *w = *state;
    dms__plan__free_unpacked(w->m, NULL);
    case_free(&w->c);
    test_free(w);
    return 0;
}

/* The file of any message bytes, with the checksum that belongs to them. */
static uint8_t *wrap(dms_arena *arena, const uint8_t *message, uint64_t n) {
    uint8_t *data = dms_alloc(arena, HEADER + n, 1);
    assert_non_null(data);
    memcpy(data, "DMSPLAN\n\1\0\0\0\0\0\0\0", 16);
    memcpy(data + 16, &n, 8);
    memcpy(data + HEADER, message, n);
    const dms_hash sum = dms_hash_join(dms_hash_bytes(data, 24, 0), dms_hash_bytes(message, n, 0));
    memcpy(data + 24, &sum.lo, 8);
    memcpy(data + 32, &sum.hi, 8);
    return data;
}

static dms_code read_again(message_case *w) {
    dms_arena arena = {0};
    dms_plan plan;
    const uint64_t n = dms__plan__get_packed_size(w->m);
    uint8_t *packed = dms_alloc(&arena, n, 1);
    assert_non_null(packed);
    assert_int_equal(dms__plan__pack(w->m, packed), n);
    w->c.st = (dms_status){0};
    const dms_code code =
        dms_plan_decode(wrap(&arena, packed, n), HEADER + n, &arena, &plan, &w->c.st);
    dms_arena_free(&arena);
    return code;
}

/* Sets a field to a wrong value, sees it refused with these words, sets it back. */
#define REFUSED(w, field, value, words)                                                            \
    do {                                                                                           \
        const __typeof__(field) was_ = (field);                                                    \
        (field) = (__typeof__(field))(value);                                                      \
        assert_int_equal(read_again(w), DMS_EPLAN);                                                \
        if (strstr((w)->c.st.msg, words) == NULL)                                                  \
            fail_msg("wanted '%s', got: %s", words, (w)->c.st.msg);                                \
        (field) = was_;                                                                            \
        assert_int_equal(read_again(w), DMS_OK);                                                   \
    } while (0)

static void tables_name_only_what_exists(void **state) {
    message_case *w = *state;
    Dms__Plan *m = w->m;
    REFUSED(w, m->source[0]->file, 2, "file 2 does not exist");
    REFUSED(w, m->tensor[T_W1]->first_source, 3, "'W1'"); /* two cells, sources 3 and 4 of 4 */
    REFUSED(w, m->tensor[T_W1]->first_source, UINT32_MAX, "'W1'");
    REFUSED(w, m->buffers->tensor[0], N_TENSORS + 1, "buffer 0");
    REFUSED(w, m->buffers->cell[B_RING1], 2, "cell 2 of 2");
    REFUSED(w, m->buffers->cell[B_H], 1, "cell 1 of 1"); /* h is cut, but in one buffer */
    REFUSED(w, m->buffers->arena[0], 2, "arena 2");
    REFUSED(w, m->input[0]->tensor, N_TENSORS + 1, "port 'x'");
    REFUSED(w, m->steps->name_id[4], 4, "name 4");
}

static void kinds_and_sizes_are_in_range(void **state) {
    message_case *w = *state;
    Dms__Plan *m = w->m;
    REFUSED(w, m->file[0]->kind, 4, "kind 4");
    REFUSED(w, m->file[0]->large_bytes[0], 32769, "large range 0");
    REFUSED(w, m->file[0]->large_offset[0], UINT64_MAX, "large range 0");
    REFUSED(w, m->tensor[0]->kind, 4, "kind 4");
    REFUSED(w, m->tensor[0]->dtype, 8, "dtype"); /* strings */
    REFUSED(w, m->tensor[0]->dim[0], -1, "'x'");
    REFUSED(w, m->tensor[0]->dim[0], 0, "no elements");
    REFUSED(w, m->tensor[0]->dim[0], INT64_MAX, "'x'");
    REFUSED(w, m->tensor[T_W1]->cell_axis, 2, "axis 2");
    REFUSED(w, m->tensor[T_W1]->cell_len, -1, "'W1'");
    REFUSED(w, m->tensor[T_W1]->cell_len, 1, "'W1'"); /* 128 cells, which have no sources */
    REFUSED(w, m->source[0]->valid_last, UINT64_MAX, "valid_last");
    REFUSED(w, m->source[3]->file, 1, "embedded"); /* in the file and in the plan */
    REFUSED(w, m->source[0]->packed_file, 2, "packed file 2"); /* there is one file */
    REFUSED(w, m->source[3]->packed_file, 1, "packed file 1"); /* in the plan and packed */
    REFUSED(w, m->input[0]->dim[0], 5, "its elements are not those");
    REFUSED(w, m->input[0]->dtype, DMS_DTYPE_I32, "its elements are not those");
    REFUSED(w, m->output[0]->tensor, 0, "its elements are not those");
}

static void views_are_in_range(void **state) {
    message_case *w = *state;
    Dms__View *view = w->m->call[C_FC1]->view[2]; /* f32 [4, 64] with pitches 128, 1 */
    REFUSED(w, view->dtype, 0, "dtype 0");
    REFUSED(w, view->offset, -1, "negative");
    REFUSED(w, view->offset, INT64_MAX, "63 bits");
    REFUSED(w, view->dim[0], -4, "negative");
    REFUSED(w, view->dim[0], INT64_MAX / 2, "63 bits");
    REFUSED(w, view->pitch[0], -1, "negative");
    REFUSED(w, view->pitch[0], INT64_MAX, "63 bits");
    REFUSED(w, view->n_pitch, 1, "2 dims and 1 pitches");
    REFUSED(w, w->m->call[0]->n_in, 4, "4 inputs, 3 views");
    REFUSED(w, w->m->source[0]->view, NULL, "view is missing");
}

static void columns_have_one_length(void **state) {
    message_case *w = *state;
    Dms__Buffers *b = w->m->buffers;
    REFUSED(w, b->n_tensor, N_BUFFERS - 1, "columns differ");
    REFUSED(w, b->n_cell, N_BUFFERS - 1, "columns differ");
    REFUSED(w, b->n_arena, N_BUFFERS - 1, "columns differ");
    REFUSED(w, b->n_offset_256, N_BUFFERS - 1, "columns differ");
    REFUSED(w, b->n_bytes, N_BUFFERS - 1, "columns differ");
    REFUSED(w, w->m->file[0]->n_large_bytes, 0, "columns");
    REFUSED(w, w->m->steps->n_predicted_ns, 4, "columns differ");
    Dms__Queue *q = w->m->body->queue[IN];
    REFUSED(w, q->n_kind, 3, "columns differ");
    REFUSED(w, q->n_flags, 3, "columns differ");
    REFUSED(w, q->n_n_waits, 3, "columns differ");
    REFUSED(w, q->n_wait_queue, 4, "columns differ");
    REFUSED(w, q->n_wait_cmd, 4, "columns differ");
    REFUSED(w, q->n_wait_back, 4, "columns differ");
    REFUSED(w, q->n_arg, 7, "does not exist");
    REFUSED(w, w->m->body->queue[COMPUTE]->n_arg, 5, "do not fit");
    REFUSED(w, w->m->body->n_queue, 4, "4 queues");
}

static void commands_name_only_what_exists(void **state) {
    message_case *w = *state;
    Dms__Queue *compute = w->m->body->queue[COMPUTE], *in = w->m->body->queue[IN];
    REFUSED(w, in->kind[1], DMS_N_CMD_KINDS, "kind 5");
    REFUSED(w, in->flags[1], 4, "flags 4");
    REFUSED(w, in->arg[0], 1, "does not exist");         /* input 1 */
    REFUSED(w, in->arg[2], N_BUFFERS, "does not exist"); /* copy from */
    REFUSED(w, in->arg[3], N_BUFFERS, "does not exist"); /* copy to */
    REFUSED(w, in->arg[3], B_WORK, "workspace");
    REFUSED(w, w->m->body->queue[OUT]->arg[3], 1, "does not exist"); /* output 1 */
    REFUSED(w, w->m->prologue->queue[LOAD]->arg[0], 4, "does not exist");
    REFUSED(w, compute->arg[0], N_CALLS, "call or workspace");
    REFUSED(w, compute->arg[1], 5, "step 5");
    REFUSED(w, compute->arg[2], N_BUFFERS + 1, "call or workspace");
    REFUSED(w, compute->arg[2], B_X + 1, "is no workspace");
    REFUSED(w, compute->arg[3], N_BUFFERS, "holds no tensor");
    REFUSED(w, compute->arg[3], B_WORK, "holds no tensor");
    REFUSED(w, compute->arg[4], 1, "cells 1 + 1 of tensor 'x'");
    REFUSED(w, compute->arg[5], 0, "cells 0 + 0");
    REFUSED(w, compute->arg[5], UINT32_MAX, "cells 0");
    REFUSED(w, compute->arg[7], 1, "tensor 'W1'"); /* the buffer holds cell 0 alone */
    REFUSED(w, compute->arg[11], 3, "tensor 'h'");
}

static void waits_name_only_what_exists(void **state) {
    message_case *w = *state;
    Dms__Queue *in = w->m->body->queue[IN];
    REFUSED(w, in->wait_queue[0], DMS_N_QUEUES, "queue 5");
    REFUSED(w, in->wait_queue[0], IN, "waits for command"); /* its own */
    REFUSED(w, in->wait_cmd[0], 5, "waits for command 5");
    REFUSED(w, in->wait_back[0], 2, "2 turns back");
    REFUSED(w, w->m->prologue->queue[IN]->wait_back[0], 1, "1 turns back");
    REFUSED(w, in->n_waits[0], 5, "5 waits");
    REFUSED(w, in->n_waits[0], 2, "twice"); /* takes the wait of the next one */
    REFUSED(w, in->n_waits[3], 1, "left over");
    REFUSED(w, in->n_waits[3], 3, "too short");
    REFUSED(w, w->m->body->order[0], DMS_N_QUEUES, "queue 5");
    REFUSED(w, w->m->body->order[0], OUT, "times");
    REFUSED(w, w->m->body->n_order, 10, "times");
}

static void names_are_bounded(void **state) {
    message_case *w = *state;
    char *name = test_malloc(4098);
    memset(name, 'n', 4097);
    name[4097] = 0;
    REFUSED(w, w->m->tensor[0]->name, name, "longer than 4096");
    REFUSED(w, w->m->steps->name[0], name, "longer than 4096");
    REFUSED(w, w->m->file[0]->name, name, "longer than 4096");
    name[4096] = 0;
    char *was = w->m->tensor[0]->name;
    w->m->tensor[0]->name = name;
    assert_int_equal(read_again(w), DMS_OK);
    w->m->tensor[0]->name = was;
    test_free(name);
}

static void large_constants_are_not_embedded(void **state) {
    message_case *w = *state;
    const ProtobufCBinaryData was = w->m->source[3]->embedded;
    uint8_t *bytes = test_malloc(DMS_EMBEDDED_BYTES + 1);
    memset(bytes, 0, DMS_EMBEDDED_BYTES + 1);
    w->m->source[3]->embedded = (ProtobufCBinaryData){DMS_EMBEDDED_BYTES, bytes};
    assert_int_equal(read_again(w), DMS_OK);
    w->m->source[3]->embedded.len++;
    assert_int_equal(read_again(w), DMS_EPLAN);
    w->m->source[3]->embedded = was;
    test_free(bytes);
}

/* Two bytes make a tensor: field 11, length 0. protobuf-c would take about 90 for each. */
static void a_small_file_cannot_ask_for_much_memory(void **state) {
    message_case *w = *state;
    const uint64_t n = 1u << 20;
    uint8_t *message = test_malloc(n);
    for (uint64_t k = 0; k < n; k += 2) {
        message[k] = 11 << 3 | 2;
        message[k + 1] = 0;
    }
    dms_arena arena = {0};
    dms_plan plan;
    const uint8_t *data = wrap(&arena, message, n);
    assert_int_equal(dms_plan_decode(data, HEADER + n, &arena, &plan, &w->c.st), DMS_EPLAN);
    assert_non_null(strstr(w->c.st.msg, "more memory than 16 x its size"));
    dms_arena_free(&arena);
    test_free(message);
}

static void what_is_no_message_is_refused(void **state) {
    message_case *w = *state;
    dms_arena arena = {0};
    dms_plan plan;
    const uint8_t *data = wrap(&arena, (const uint8_t *)"\xff\xff\xff\xff", 4);
    assert_int_equal(dms_plan_decode(data, HEADER + 4, &arena, &plan, &w->c.st), DMS_EPLAN);
    assert_non_null(strstr(w->c.st.msg, "cannot be decoded"));
    dms_arena_free(&arena);
}

/* Out of memory at the n-th request, for every n: a status each time, and no crash. */
static void every_failed_allocation_is_reported(void **state) {
    message_case *w = *state;
    uint8_t *data;
    uint64_t size;
    assert_int_equal(dms_plan_encode(&w->c.plan, &w->c.arena, &data, &size, &w->c.st), DMS_OK);
    dms_code code = DMS_EINTERNAL;
    uint64_t n = 0;
    while (code != DMS_OK) {
        dms_arena arena = {.fail_at = ++n};
        dms_plan plan;
        code = dms_plan_decode(data, size, &arena, &plan, &w->c.st);
        if (code != DMS_OK)
            assert_int_equal(code, DMS_EINTERNAL);
        dms_arena_free(&arena);
    }
    assert_true(n > 50);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(tables_name_only_what_exists),
        CASE(kinds_and_sizes_are_in_range),
        CASE(views_are_in_range),
        CASE(columns_have_one_length),
        CASE(commands_name_only_what_exists),
        CASE(waits_name_only_what_exists),
        CASE(names_are_bounded),
        CASE(large_constants_are_not_embedded),
        CASE(a_small_file_cannot_ask_for_much_memory),
        CASE(what_is_no_message_is_refused),
        CASE(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
