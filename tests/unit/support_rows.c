/* support_rows.c - see support_rows.h. */
#include "support_rows.h"
#include "support_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

const row_text row_good[] = {
    {"unary", "f32[3,5] -> f32[3,5]", "4", NULL},
    {"unary", "i8[7] -> i8[7]", "39", "-2,3"},
    {"unary", "f16[2,9] -> bool[2,9]", "42", NULL},
    {"binary", "f32[3,5] f32[3,5] -> f32[3,5]", "0", NULL},
    {"binary", "i64[9] i64[9] -> bool[9]", "10", NULL},
    {"binary", "f64[2,3] i32[2,3] -> f64[2,3]", "4", NULL},
    {"select", "bool[2,6] u16[2,6] u16[2,6] -> u16[2,6]", NULL, NULL},
    {"cast", "f32[3,7] -> i8[3,7]", "1", NULL},
    {"cast", "bool[11] -> f16[11]", "0", NULL},
    {"fill", "-> i16[4,3]", "65535", NULL},
    {"range", "-> i32[6]", "3,-2", NULL},
    {"range", "-> f32[6]", NULL, "0.5,0.25"},
    {"copy", "u8[3,4] -> u8[3,4]", "2", NULL},
    {"copy", "f64[2,3,4] -> f64[2,3,4]", "0", NULL},
    {"concat", "f32[2,3] f32[2,1] f32[2,4] -> f32[2,8]", "1", NULL},
    {"pad", "f32[3,4] -> f32[5,5]", "0,0,1,-1", NULL},
    {"pad", "i64[3,4] -> i64[7,6]", "2,0,2,1", NULL},
    {"trilu", "f32[2,4,5] -> f32[2,4,5]", "1,-1", NULL},
    {"gather", "f32[2,5,3] i64[4] -> f32[2,4,3]", NULL, NULL},
    {"gather_part", "f32[2,5,3] i64[4] -> f32[2,4,3]", "0,9", NULL},
    {"gather_part", "u8[1,6,33] i32[9] u8[1,9,33] -> u8[1,9,33]", "3,9", NULL},
    {"gather_elements", "i8[4,5] i32[2,5] -> i8[2,5]", "0", NULL},
    {"gather_nd", "f32[2,3,4,5] i64[2,6,2] -> f32[2,6,5]", "2", NULL},
    {"scatter_elements", "f32[4,5] i64[2,3] f32[2,3] -> f32[4,5]", "1,1", NULL},
    {"scatter_nd", "f32[4,5,2] i64[3,2] f32[3,2] -> f32[4,5,2]", "2,0", NULL},
    {"one_hot", "i64[3,2] f32[2] -> f32[3,7,2]", NULL, NULL},
    {"reduce", "f32[3,4,5] -> f32[3]", "0,1", NULL},
    {"reduce", "i32[3,40] -> i32[3]", "2,1", NULL},
    {"softmax", "f32[3,33] -> f32[3,33]", "0", NULL},
    {"layer_norm", "f32[3,17] f32[17] f32[17] -> f32[3,17] f32[3] f32[3]", "0", "1e-5"},
    {"group_norm", "f32[2,2,3,9] f32[2,3] f32[2,3] -> f32[2,2,3,9]", NULL, "1e-5"},
    {"batch_norm", "f16[2,3,9] f32[3] f32[3] f32[3] f32[3] -> f16[2,3,9]", NULL, "1e-5"},
    {"arg", "f32[3,10] -> i64[3]", "0,1", NULL},
    {"cumsum", "f32[3,11] -> f32[3,11]", "1,1", NULL},
    {"topk", "f32[3,20] -> f32[3,5] i64[3,5]", "1,1", NULL},
    {"lrn", "f32[2,7,5] -> f32[2,7,5]", "3", "0.1,0.75,1"},
    {"matmul", "f32[3,8] f32[8,40] -> f32[3,40]", "0,40", "1,1"},
    {"matmul", "f32[2,5,8] f32[2,8,9] f32[2,5,9] -> f32[2,5,9]", "0,9", "0.5,2"},
    {"matmul", "f32[3,8] f32[3,8,16]= -> f32[3,40]", "1,40", "1,1"},
    {"matmul", "i32[3,8] i32[8,9] -> i32[3,9]", "0,9", "1,1"},
    {"matmul_part", "f32[2,256] f32[256,5] -> f32[2,5]=", "0,5,0", "1,1"},
    {"matmul_part", "bf16[2,256] bf16[256,5] f32[2,5]= -> f32[2,5]=", "0,5,1", "1,1"},
    {"matmul_part", "f16[2,3,8] f16[2,8,9] f16[2,3,9] f32[2,3,9]= -> f16[2,3,9]", "0,9,2", "0.5,2"},
    {"matmul_part", "f32[3,8] f32[3,8,16]= f32[3,40]= -> f32[3,40]", "1,40,2,0,512", "1,1"},
    {"matmul_bits", "f32[3,40] u8[20,2,16]= f32[20,2]= u8[20,1]= -> f32[3,20]", NULL, NULL},
    {"matmul_bits", "f16[2,3,64] u8[5,2,16]= f16[5,2]= -> f16[2,3,5]", NULL, NULL},
    {"matmul_bits", "f32[1,64] u8[40,2,16]= f32[40,2]= u8[40,1]= -> f32[1,40]", NULL, NULL},
    {"conv", "f32[1,4,9,8] f32[6,2,3,3] f32[6] -> f32[1,6,9,4]", "2,1,2,1,1,1,1", NULL},
    {"conv", "f32[1,3,7,7] f32[2,3,3,3,16]= -> f32[1,20,5,5]", "1,1,1,1,1,0,0", NULL},
    {"conv_transpose", "f32[1,4,5,3] f32[4,3,2,3] -> f32[1,3,10,7]", "1,2,2,1,1,0,0", NULL},
    {"pool", "f32[1,2,7,6] -> f32[1,2,3,3] i64[1,2,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL},
    {"pool", "f32[1,2,7,6] -> f32[1,2,7,6]", "1,3,3,1,1,1,1,1,1,1,1,1,0", NULL},
    {"resize", "f32[1,2,5,6] -> f32[1,2,9,4]", "1,0,0,0,0",
     "-0.75,0,1,0,1,1,0,1,1.8,0,1,0.6666666,0,1"},
    {"chain", "f32[3,5] f32[3,5] -> f32[3,5]", "2,512,4328521729", NULL},  /* relu(a) + b */
    {"matmul", "f32[3,8] f32[3,8,16]= -> f32[3,40]", "1,40,0,512", "1,1"}, /* relu behind it */
    {"matmul", "f32[3,8] f32[3,8,16]= f32[3,40] f32[3,40] -> f32[3,40]", "1,40,1,512,4328521729",
     "1,1"},
    {"conv", "f32[1,3,7,7] f32[2,3,3,3,16]= -> f32[1,20,5,5]", "1,1,1,1,1,0,0,0,512", NULL},
    {"recurrent", "f32[1,3,2,20] f32[1,20,5] -> f32[1,3,2,5]", "3,0,0,0,1,0,0,1,1,0,1,1",
     "0,0,0,0,0,0,0,0,0,0,0,0,0"},
    {"recurrent", "f32[2,3,2,9] f32[2,9,3] f32[2,18] i32[2] f32[2,2,3] -> f32[2,3,2,3] f32[2,2,3]",
     "1,0,2,7,3,0,0,1,0,0,1,0", "0,0,0,0,0,0,0,0,0,0,0,0,0"},
    {"quantize", "f32[3,7] f32[3,7] u8[3,7] -> u8[3,7]", NULL, NULL},
    {"dequantize", "i8[3,7] f32[3,7] i8[3,7] -> f32[3,7]", NULL, NULL},
    {"lookup", "u8[3,9] i8[256]= -> i8[3,9]", NULL, NULL},
    {"conv_bytes",
     "u8[1,1,4,5,6] i8[1,9,4,3,3] u8[1] i8[1,9] i32[1,9] f32[1,9] u8[1] -> u8[1,1,9,5,6]",
     "0,3,3,1,1,1,1,1,1,0,255", NULL},
    {"conv_bytes", "u8[2,1,5,1,3] u8[2,3,5,1,1] u8[2] u8[2,3] -> i32[2,1,3,1,3]",
     "0,1,1,1,1,1,1,0,0,0,0", NULL},
    {"grid_sample", "f32[1,2,5,6] f32[1,3,4,2] -> f32[1,2,3,4]", "1,0,0", NULL},
    {"attention", "f32[1,4,6,8] f32[1,2,9,8] f32[1,2,9,5] f32[1,4,6,9] -> f32[1,4,6,5]", "1,1,0",
     "0.35,0"},
};
const uint32_t n_row_good = sizeof row_good / sizeof *row_good;

/* Reads "f32[2,3]=" into the next operand; returns what follows. */
static const char *read_operand(row_case *c, const char *text, bool is_out) {
    const size_t length = strcspn(text, "[");
    const uint32_t k = c->call.n_in + c->call.n_out;
    char name[16] = "";
    int64_t dim[DMS_MAX_RANK + 1];
    uint32_t rank = 0;
    assert_true(length < sizeof name && text[length] == '[' && k < ROW_OPERANDS);
    memcpy(name, text, length);
    dms_dtype dtype = DMS_DTYPE_F32;
    while (dms_dtype_bytes(dtype) == 0 || strcmp(dms_dtype_name(dtype), name) != 0) {
        dtype = (dms_dtype)(dtype + 1);
        assert_true(dtype < 32);
    }
    for (text += length + 1; *text != ']'; text += *text == ',') {
        char *end;
        assert_true(rank < DMS_MAX_RANK);
        dim[rank++] = strtoll(text, &end, 10);
        assert_true(end > text);
        text = end;
    }
    c->is_dense[k] = *++text == '=';
    assert_true(dms_view_dense(dtype, rank, dim, &c->view[k]));
    *(is_out ? &c->call.n_out : &c->call.n_in) += 1;
    return text + c->is_dense[k];
}

void row_read(row_case *c, const row_text *text) {
    const dms_kernel_row *row = dms_kernel_row_by_name(text->kernel);
    memset(c, 0, sizeof *c);
    assert_non_null(row);
    c->call = (dms_call){.kernel = row->id, .view = c->view, .i = c->i, .f = c->f};
    bool is_out = false;
    for (const char *p = text->operands; *p != 0; p += strspn(p, " ")) {
        if (strncmp(p, "->", 2) == 0) {
            is_out = true;
            p += 2;
        } else {
            p = read_operand(c, p, is_out);
        }
    }
    char *end;
    for (const char *p = text->i; p != NULL && *p != 0; p = end + (*end == ','))
        c->i[c->call.n_i++] = strtoll(p, &end, 10);
    for (const char *p = text->f; p != NULL && *p != 0; p = end + (*end == ','))
        c->f[c->call.n_f++] = strtod(p, &end);
}

/* ---- layouts ------------------------------------------------------------------------------ */

void row_lay(row_case *c, row_layout layout) {
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++) {
        dms_view *v = &c->view[k];
        const bool is_out = k >= c->call.n_in;
        assert_true(dms_view_dense(v->dtype, v->rank, v->dim, v));
        if (layout != ROW_DENSE)
            v->offset = 3 + k;
        if (layout <= ROW_OFFSET || c->is_dense[k])
            continue;
        int64_t pitch = layout == ROW_TURNED ? 1 : 2;
        for (uint32_t n = 0; n < v->rank; n++) {
            const uint32_t axis = layout == ROW_TURNED ? n : v->rank - 1 - n;
            v->pitch[axis] = pitch;
            pitch = (v->dim[axis] > 0 ? v->dim[axis] : 1) * pitch + (layout != ROW_TURNED);
        }
        if (layout == ROW_REPEATED && !is_out && v->rank > 0)
            v->pitch[k % v->rank] = 0;
    }
}

/* ---- memory that ends at a wall -------------------------------------------------------------- */

/* A buffer of whole pages with a forbidden page on one side. */
typedef struct walled {
    uint8_t *map, *at; /* `at`: the first byte of the operand's buffer */
    size_t map_bytes, bytes;
} walled;

static walled wall_in(size_t bytes, bool before) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (bytes + page - 1) / page * page + page;
    walled w = {.bytes = bytes, .map_bytes = inside + page};
    w.map = mmap(NULL, w.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(w.map != MAP_FAILED);
    assert_int_equal(mprotect(before ? w.map : w.map + inside, page, PROT_NONE), 0);
    w.at = before ? w.map + page : w.map + inside - bytes;
    return w;
}

/* The byte offset of element n, row-major in the dims, from the start of the buffer. */
static uint64_t element_at(const dms_view *v, int64_t n) {
    int64_t at = v->offset;
    for (uint32_t axis = v->rank; axis-- > 0; n /= v->dim[axis])
        at += n % v->dim[axis] * v->pitch[axis];
    return (uint64_t)at * dms_dtype_bytes(v->dtype);
}

/* Bytes of an element from a sequence: small whole numbers of every type. */
static void draw_element(dms_dtype dtype, uint64_t *random, uint8_t *out) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    const int64_t whole = (int64_t)(*random >> 40) % 5;
    const float f = (float)whole - 1.5f;
    const double d = (double)f;
    const uint16_t half[5] = {0xBE00, 0xB800, 0x3800, 0x3E00, 0x4100};
    if (dtype == DMS_DTYPE_F32)
        memcpy(out, &f, sizeof f);
    else if (dtype == DMS_DTYPE_F64)
        memcpy(out, &d, sizeof d);
    else if (dtype == DMS_DTYPE_F16)
        memcpy(out, &half[whole], sizeof *half);
    else if (dtype == DMS_DTYPE_BF16)
        memcpy(out, (const uint8_t *)&f + 2, 2);
    else if (dtype == DMS_DTYPE_BOOL)
        *out = (uint8_t)(whole & 1);
    else
        memcpy(out, &whole, dms_dtype_bytes(dtype)); /* little endian, as every machine of ours */
}

static void fill(const row_case *c, uint32_t k, const row_memory *memory, uint64_t *random,
                 const walled *w) {
    const uint32_t size = dms_dtype_bytes(c->view[k].dtype);
    memset(w->at, memory->beside, w->bytes);
    for (int64_t n = 0; n < dms_view_count(&c->view[k]); n++) {
        uint8_t *at = w->at + element_at(&c->view[k], n);
        if (k < c->call.n_in)
            draw_element(c->view[k].dtype, random, at);
        else
            memset(at, memory->before, size);
    }
}

/* Copies the elements of an output to `to`, and fails where a byte beside them changed. */
static uint8_t *collect(const row_case *c, uint32_t k, const row_memory *memory, const walled *w,
                        uint8_t *to) {
    const uint32_t size = dms_dtype_bytes(c->view[k].dtype);
    const int64_t count = dms_view_count(&c->view[k]);
    for (int64_t n = 0; n < count; n++, to += size)
        memcpy(to, w->at + element_at(&c->view[k], n), size);
    for (int64_t n = 0; n < count; n++)
        memset(w->at + element_at(&c->view[k], n), memory->beside, size);
    for (size_t b = 0; b < w->bytes; b++)
        if (w->at[b] != memory->beside)
            fail_msg("kernel %u wrote byte %zu beside operand %u", c->call.kernel, b, k);
    return to;
}

uint8_t *row_run(const row_case *c, const row_memory *memory, uint64_t seed, dms_arena *arena,
                 uint64_t *out_bytes) {
    const uint32_t n_in = c->call.n_in, n = n_in + c->call.n_out;
    walled w[ROW_OPERANDS], work;
    void *operand[ROW_OPERANDS];
    *out_bytes = 0;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t size = dms_dtype_bytes(c->view[k].dtype);
        w[k] = wall_in((size_t)dms_view_end(&c->view[k]) * size, memory->wall_before);
        fill(c, k, memory, &seed, &w[k]);
        if (memory->shares && k == n_in + memory->out) {
            assert_int_equal(munmap(w[k].map, w[k].map_bytes), 0);
            w[k] = w[memory->in];
        }
        operand[k] = w[k].at + c->view[k].offset * (int64_t)size;
        *out_bytes += k >= n_in ? dms_view_bytes(&c->view[k]) : 0;
    }
    work = wall_in((size_t)dms_call_workspace(&c->call, DMS_DEVICE_CPU), memory->wall_before);
    const walled scratch = wall_in(DMS_CPU_SCRATCH_BYTES, false); /* pages cost when touched */
    uint8_t *result = dms_alloc(arena, *out_bytes + 1, 1), *to = result;
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(c->call.kernel, memory->isa);
    assert_true(kernel != NULL && result != NULL);
    memset(work.at, memory->beside, work.bytes);
    atomic_uint index_error = 0;
    const dms_cpu_job job = {&c->call, operand, work.at, scratch.at, &index_error};
    uint32_t ignored;
    if (!memory->on_device || device_run == NULL || !device_run(&c->call, operand, &ignored))
        kernel->run(&job, 0, kernel->parts(&c->call));
    for (uint32_t k = 0; k < n; k++) {
        if (k >= n_in)
            to = collect(c, k, memory, &w[k], to);
        if (!memory->shares || k != memory->in)
            assert_int_equal(munmap(w[k].map, w[k].map_bytes), 0);
    }
    assert_int_equal(munmap(work.map, work.map_bytes), 0);
    assert_int_equal(munmap(scratch.map, scratch.map_bytes), 0);
    return result;
}
