/* test_user_copy.c - tensors of the caller against a plain loop over coordinates; large copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/cpu_device.h"
#include "runtime/user_copy.h"

#define ARENA_BYTES 65536u
#define USER_NUMBERS 4096

/* A device, and memory of a caller filled with 0, 1, 2, ... */
typedef struct copy_case {
    dms_arena arena;
    dms_device *device;
    int32_t user[USER_NUMBERS];
} copy_case;

static void make_case(copy_case *c) {
    memset(c, 0, sizeof *c);
    const dms_device_options options = {.device_bytes = ARENA_BYTES, .threads = 1};
    assert_int_equal(dms_cpu_device_open(&options, &c->arena, &c->device, NULL), DMS_OK);
    for (int32_t i = 0; i < USER_NUMBERS; i++)
        c->user[i] = i;
}

static void remove_case(copy_case *c) {
    c->device->ops->close(c->device);
    dms_arena_free(&c->arena);
}

static dms_plan_tensor stored(uint32_t rank, const int64_t *dim, uint32_t axis, int64_t cell_len) {
    dms_plan_tensor t = {.name = "t",
                         .kind = DMS_TENSOR_INPUT,
                         .cell_axis = axis,
                         .cell_len = cell_len,
                         .is_split = cell_len != 0,
                         .first_source = DMS_NONE};
    assert_true(dms_view_dense(DMS_DTYPE_I32, rank, dim, &t.stored));
    return t;
}

/* The number that the caller holds at dense place `flat` of a view. */
static int32_t number_at(const dms_view *view, int64_t flat) {
    int64_t at = view->offset;
    for (uint32_t k = view->rank; k-- > 0; flat /= view->dim[k])
        at += flat % view->dim[k] * view->pitch[k];
    return (int32_t)at;
}

/* The same cell in pieces of 1, 4, 7, ... numbers: `want` holds it whole. */
static void check_pieces(const dms_plan_tensor *t, const dms_view *view, uint32_t cell,
                         int32_t *user, const int32_t *want, int64_t n) {
    int32_t piece[USER_NUMBERS + 1], back[USER_NUMBERS];
    const dms_user_tensor in = {*view, user}, out = {*view, back};
    for (int64_t size = 1; size < n + 3; size = 3 * size + 1) {
        memset(back, 0xff, sizeof back);
        for (int64_t at = 0; at < n; at += size) {
            const int64_t left = n - at < size ? n - at : size;
            piece[left] = -7;
            dms_user_gather(piece, t, cell, &in, (uint64_t)at * 4, (uint64_t)left * 4);
            assert_memory_equal(piece, want + at, (size_t)left * 4);
            assert_int_equal(piece[left], -7);
            dms_user_scatter(&out, t, cell, (uint64_t)at * 4, (uint64_t)left * 4, piece);
        }
        int64_t n_written = 0;
        for (int32_t i = 0; i < USER_NUMBERS; i++) {
            assert_true(back[i] == -1 || back[i] == i);
            n_written += back[i] == i;
        }
        assert_int_equal(n_written, n);
    }
}

/* Copies every cell in and compares each number; then out again to another place and compares. */
static void check_both_ways(copy_case *c, const dms_plan_tensor *t, const dms_view *view) {
    const dms_user_tensor in = {*view, c->user};
    int32_t back[USER_NUMBERS];
    memset(back, 0xff, sizeof back);
    const dms_user_tensor out = {*view, back};
    for (uint32_t cell = 0; cell < (t->is_split ? dms_plan_cells(t) : 1); cell++) {
        const dms_view part = t->is_split ? dms_plan_cell_view(t, cell, 1) : t->stored;
        const uint64_t bytes = dms_user_copy_in(c->device, 256, t, cell, &in);
        assert_int_equal(bytes, dms_view_bytes(&part));
        const int32_t *got = (const int32_t *)(const void *)(c->device->device_arena + 256);
        for (int64_t i = 0; i < dms_view_count(&part); i++) {
            int64_t rest = i, flat = 0; /* place in the whole tensor */
            for (uint32_t k = part.rank; k-- > 0; rest /= part.dim[k]) {
                const int64_t first = t->is_split && k == t->cell_axis ? cell * t->cell_len : 0;
                flat += (rest % part.dim[k] + first) * t->stored.pitch[k];
            }
            assert_int_equal(got[i], number_at(view, flat));
        }
        assert_int_equal(dms_user_copy_out(c->device, &out, t, cell, 256), bytes);
        check_pieces(t, view, cell, c->user, got, (int64_t)(bytes / 4));
    }
    for (int64_t i = 0; i < dms_view_count(view); i++)
        assert_int_equal(back[number_at(view, i)], number_at(view, i));
}

static void a_dense_tensor_is_one_run(void **state) {
    (void)state;
    copy_case c;
    make_case(&c);
    const int64_t dim[3] = {5, 6, 7};
    const dms_plan_tensor t = stored(3, dim, 0, 0);
    check_both_ways(&c, &t, &t.stored);
    remove_case(&c);
}

static void room_between_rows_and_elements_is_skipped(void **state) {
    (void)state;
    copy_case c;
    make_case(&c);
    const int64_t dim[3] = {5, 6, 7};
    const dms_plan_tensor t = stored(3, dim, 0, 0);
    dms_view rows = t.stored, elements = t.stored, turned = t.stored;
    rows.pitch[1] = 10; /* rows of 7 in lines of 10, planes of 60 */
    rows.pitch[0] = 60;
    rows.offset = 3;
    check_both_ways(&c, &t, &rows);
    elements.pitch[2] = 3;
    elements.pitch[1] = 21;
    elements.pitch[0] = 126;
    check_both_ways(&c, &t, &elements);
    turned.pitch[0] = 1; /* first axis fastest */
    turned.pitch[1] = 5;
    turned.pitch[2] = 30;
    check_both_ways(&c, &t, &turned);
    remove_case(&c);
}

static void cells_are_cut_along_any_axis(void **state) {
    (void)state;
    copy_case c;
    make_case(&c);
    const int64_t dim[3] = {5, 6, 7};
    for (uint32_t axis = 0; axis < 3; axis++)
        for (int64_t cell_len = 1; cell_len <= 4; cell_len++) {
            const dms_plan_tensor t = stored(3, dim, axis, cell_len);
            dms_view rows = t.stored;
            rows.pitch[1] = 10;
            rows.pitch[0] = 60;
            check_both_ways(&c, &t, &t.stored);
            check_both_ways(&c, &t, &rows);
        }
    remove_case(&c);
}

static void the_caller_may_see_other_dims_of_as_many_elements(void **state) {
    (void)state;
    copy_case c;
    make_case(&c);
    const int64_t dim[2] = {12, 10}, seen[3] = {3, 4, 10};
    for (int64_t cell_len = 0; cell_len <= 5; cell_len += 5) {
        const dms_plan_tensor t = stored(2, dim, 1, cell_len);
        dms_view view;
        assert_true(dms_view_dense(DMS_DTYPE_I32, 3, seen, &view));
        check_both_ways(&c, &t, &view);
        view.pitch[0] = 100;
        check_both_ways(&c, &t, &view);
    }
    remove_case(&c);
}

static void large_copies_are_whole_at_every_alignment(void **state) {
    (void)state;
    const size_t room = 3u << 20;
    uint8_t *from = malloc(room), *to = malloc(room), *want = malloc(room);
    for (size_t i = 0; i < room; i++)
        from[i] = (uint8_t)(i * 31 + (i >> 8));
    static const size_t sizes[] = {0, 1, 63, 4096, 524287, 524288, 1048577, 2097152};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t shift = 0; shift < 130; shift += 43) {
            memset(to, 0x11, room);
            memset(want, 0x11, room);
            memcpy(want + shift, from + 7, sizes[s]);
            dms_host_copy(to + shift, from + 7, sizes[s]);
            assert_memory_equal(to, want, room);
        }
    free(from);
    free(to);
    free(want);
}

static void poison_fills_everything_with_nan(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_device *device = NULL;
    const dms_device_options options = {
        .device_bytes = 4096, .host_bytes = 8192, .threads = 1, .poison = true};
    assert_int_equal(dms_cpu_device_open(&options, &arena, &device, NULL), DMS_OK);
    for (int i = 0; i < 1024; i++) {
        float number;
        memcpy(&number, device->device_arena + 4 * i, sizeof number);
        assert_true(number != number);
        memcpy(&number, device->host_arena + 8 * i, sizeof number);
        assert_true(number != number);
    }
    device->ops->close(device);
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_tensor_is_one_run),
        cmocka_unit_test(room_between_rows_and_elements_is_skipped),
        cmocka_unit_test(cells_are_cut_along_any_axis),
        cmocka_unit_test(the_caller_may_see_other_dims_of_as_many_elements),
        cmocka_unit_test(large_copies_are_whole_at_every_alignment),
        cmocka_unit_test(poison_fills_everything_with_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
