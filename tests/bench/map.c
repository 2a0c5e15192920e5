/* map.c - speed of the kernels that do not multiply matrices: GB/s of operands, one thread.
 *
 * Each line is the best of several rounds of one call on the best instruction set of this machine;
 * bytes are those of dms_call_cost (each operand once). memcpy of the same size is the yardstick.
 * */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain.h"
#include "runtime/kernels/cpu_kernel.h"

#define ROUNDS 9
#define MAX_OPERANDS 6
#define BUFFER_BYTES (16u << 20)

static _Alignas(64) char buffers[MAX_OPERANDS][BUFFER_BYTES];
static _Alignas(64) char scratch[DMS_CPU_SCRATCH_BYTES];

typedef struct bench {
    const char *name;
    dms_call call;
    dms_view view[MAX_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
} bench;

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Small numbers of either sign, and indices within any table here. */
static void fill(const dms_view *view, char *to) {
    const int64_t n = (int64_t)(BUFFER_BYTES / dms_dtype_bytes(view->dtype));
    for (int64_t k = 0; k < n; k++) {
        const float x = (float)(k * 7919 % 2001 - 1000) * 0.004f;
        if (view->dtype == DMS_DTYPE_F32)
            ((float *)(void *)to)[k] = x;
        else if (view->dtype == DMS_DTYPE_I64)
            ((int64_t *)(void *)to)[k] = k * 7919 % 1000;
        else if (view->dtype == DMS_DTYPE_F16)
            ((uint16_t *)(void *)to)[k] = (uint16_t)(0x3000 + k % 2048);
        else
            to[k] = (char)(k % 3 == 0);
    }
}

static void run(bench *b) {
    dms_status st;
    b->call.view = b->view;
    b->call.i = b->i;
    b->call.f = b->f;
    if (dms_call_check(&b->call, &st) != DMS_OK) {
        (void)printf("%-34s %s\n", b->name, st.msg);
        return;
    }
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(b->call.kernel, dms_isa_detect());
    void *operand[MAX_OPERANDS];
    for (uint32_t k = 0; k < b->call.n_in + b->call.n_out; k++) {
        operand[k] = buffers[k];
        fill(&b->view[k], buffers[k]);
    }
    atomic_uint index_error = 0;
    const dms_cpu_job job = {&b->call, operand, NULL, scratch, &index_error};
    const uint64_t parts = kernel->parts(&b->call);
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now_s();
        kernel->run(&job, 0, parts);
        const double spent = now_s() - start;
        best = spent < best ? spent : best;
    }
    const double bytes = (double)dms_call_cost(&b->call).bytes;
    const double n = (double)dms_view_count(&b->view[0]);
    (void)printf("%-34s %8.2f GB/s %8.3f ns/element %8.1f us\n", b->name, bytes / best * 1e-9,
                 best / n * 1e9, best * 1e6);
}

static dms_view dense(dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    dms_view view;
    if (!dms_view_dense(dtype, rank, dim, &view))
        exit(1);
    return view;
}

#define F32(...) dense(DMS_DTYPE_F32, DIMS(__VA_ARGS__))
#define F16(...) dense(DMS_DTYPE_F16, DIMS(__VA_ARGS__))
#define I64(...) dense(DMS_DTYPE_I64, DIMS(__VA_ARGS__))
#define TRUTH(...) dense(DMS_DTYPE_BOOL, DIMS(__VA_ARGS__))
#define DIMS(...)                                                                                  \
    (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) {                  \
        __VA_ARGS__                                                                                \
    }

static void unary(const char *name, int fn, dms_view x) {
    bench b = {.name = name, .call = {DMS_K_UNARY, 1, 1, 1, 2, 0, 0, 0}, .i = {fn}, .f = {0.1, 2}};
    b.view[0] = b.view[1] = x;
    run(&b);
}

static void binary(const char *name, int fn, dms_view x, dms_view z) {
    bench b = {.name = name, .call = {DMS_K_BINARY, 2, 1, 1, 0, 0, 0, 0}, .i = {fn}};
    b.view[0] = b.view[2] = x;
    b.view[1] = z;
    run(&b);
}

static void one_to_one(const char *name, uint32_t kernel, int64_t i0, int64_t i1, uint32_t n_i,
                       uint32_t n_f, dms_view x, dms_view y) {
    bench b = {.name = name, .call = {kernel, 1, 1, n_i, n_f, 0, 0, 0}, .i = {i0, i1}};
    b.f[0] = 1e-5;
    b.view[0] = x;
    b.view[1] = y;
    run(&b);
}

static dms_view swap(dms_view view, uint32_t a, uint32_t b) {
    const int64_t dim = view.dim[a], pitch = view.pitch[a];
    view.dim[a] = view.dim[b];
    view.pitch[a] = view.pitch[b];
    view.dim[b] = dim;
    view.pitch[b] = pitch;
    return view;
}

static void maps(void) {
    const dms_view x = F32(64, 4096); /* 1 MiB: in the L2 cache, as activations are */
    unary("relu", DMS_FN_RELU, x);
    unary("exp", DMS_FN_EXP, x);
    unary("tanh", DMS_FN_TANH, x);
    unary("sigmoid", DMS_FN_SIGMOID, x);
    unary("silu", DMS_FN_SILU, x);
    unary("erf", DMS_FN_ERF, x);
    unary("gelu", DMS_FN_GELU, x);
    unary("gelu_tanh", DMS_FN_GELU_TANH, x);
    unary("hard_swish", DMS_FN_HARD_SWISH, x);
    unary("log", DMS_FN_LOG, x);
    unary("sin", DMS_FN_SIN, x);
    unary("gelu f16", DMS_FN_GELU, F16(64, 4096));
    dms_view row = x, column = x, scalar = x, channel = F32(1, 64, 4096);
    row.pitch[0] = 0;
    column.pitch[1] = 0;
    scalar.pitch[0] = scalar.pitch[1] = 0;
    channel.pitch[0] = channel.pitch[2] = 0;
    channel.pitch[1] = 1;
    binary("add", DMS_FN_ADD, x, x);
    binary("add row", DMS_FN_ADD, x, row);
    binary("mul column", DMS_FN_MUL, x, column);
    binary("mul channel", DMS_FN_MUL, F32(1, 64, 4096), channel);
    binary("div scalar", DMS_FN_DIV, x, scalar);
    binary("pow scalar", DMS_FN_POW, x, scalar);
    binary("equal i64", DMS_FN_ADD, I64(64, 4096), I64(64, 4096));
    dms_view narrow = F32(32768, 8), per = narrow;
    per.pitch[1] = 0;
    per.pitch[0] = 1;
    binary("mul, runs of 8", DMS_FN_MUL, narrow, per);
    one_to_one("cast f32 f16", DMS_K_CAST, 0, 0, 1, 0, x, F16(64, 4096));
    one_to_one("cast f16 f32", DMS_K_CAST, 0, 0, 1, 0, F16(64, 4096), x);
    one_to_one("cast i64 f32", DMS_K_CAST, 0, 0, 1, 0, I64(64, 4096), x);
    bench b = {.name = "select", .call = {DMS_K_SELECT, 3, 1, 0, 0, 0, 0, 0}};
    b.view[0] = TRUTH(64, 4096);
    b.view[1] = b.view[2] = b.view[3] = x;
    run(&b);
}

static void moves(void) {
    one_to_one("copy dense", DMS_K_COPY, 0, 0, 1, 0, F32(64, 4096), F32(64, 4096));
    one_to_one("transpose 512 x 512", DMS_K_COPY, 0, 0, 1, 0, swap(F32(512, 512), 0, 1),
               F32(512, 512));
    one_to_one("transpose 96 x 3136", DMS_K_COPY, 0, 0, 1, 0, swap(F32(96, 3136), 0, 1),
               F32(3136, 96));
    one_to_one("heads 128 x 12 x 64 to 12 x 128", DMS_K_COPY, 0, 0, 1, 0,
               swap(F32(128, 12, 64), 0, 1), F32(12, 128, 64));
    one_to_one("keys 12 x 128 x 64 to 64 x 128", DMS_K_COPY, 0, 0, 1, 0,
               swap(F32(12, 128, 64), 1, 2), F32(12, 64, 128));
    one_to_one("transpose f16", DMS_K_COPY, 0, 0, 1, 0, swap(F16(512, 512), 0, 1), F16(512, 512));
    bench b = {.name = "gather rows of 1024", .call = {DMS_K_GATHER, 2, 1, 0, 0, 0, 0, 0}};
    b.view[0] = F32(1, 1000, 1024);
    b.view[1] = I64(512);
    b.view[2] = F32(1, 512, 1024);
    run(&b);
    bench pad = {.name = "pad 64 x 56 x 56 by 1", .call = {DMS_K_PAD, 1, 1, 5, 0, 0, 0, 0}};
    pad.i[3] = pad.i[4] = 1;
    pad.view[0] = F32(64, 56, 56);
    pad.view[1] = F32(64, 58, 58);
    run(&pad);
}

static void rows(void) {
    one_to_one("softmax of 128", DMS_K_SOFTMAX, 0, 0, 1, 0, F32(2048, 128), F32(2048, 128));
    one_to_one("softmax of 4096", DMS_K_SOFTMAX, 0, 0, 1, 0, F32(64, 4096), F32(64, 4096));
    one_to_one("softmax of 10", DMS_K_SOFTMAX, 0, 0, 1, 0, F32(20480, 10), F32(20480, 10));
    one_to_one("sum of 4096", DMS_K_REDUCE, DMS_FN_SUM, 1, 2, 0, F32(64, 4096), F32(64));
    one_to_one("mean of 49", DMS_K_REDUCE, DMS_FN_MEAN, 1, 2, 0, F32(4096, 49), F32(4096));
    one_to_one("mean over rows", DMS_K_REDUCE, DMS_FN_MEAN, 1, 2, 0, swap(F32(64, 4096), 0, 1),
               F32(4096));
    one_to_one("largest of 4096", DMS_K_REDUCE, DMS_FN_REDUCE_MAX, 1, 2, 0, F32(64, 4096), F32(64));
    one_to_one("argmax of 4096", DMS_K_ARG, 0, 0, 2, 0, F32(64, 4096), I64(64));
    one_to_one("cumsum of 4096", DMS_K_CUMSUM, 0, 0, 2, 0, F32(64, 4096), F32(64, 4096));
    const int64_t width[] = {24, 64, 768, 4096};
    for (int k = 0; k < 4; k++) {
        char name[64];
        (void)snprintf(name, sizeof name, "layer_norm of %ld", (long)width[k]);
        const dms_view x = F32(262144 / width[k], width[k]), v = F32(width[k]);
        bench b = {.name = name, .call = {DMS_K_LAYER_NORM, 3, 1, 1, 1, 0, 0, 0}, .f = {1e-5}};
        b.view[0] = b.view[3] = x;
        b.view[1] = b.view[2] = v;
        run(&b);
    }
    bench topk = {.name = "topk 50 of 50000", .call = {DMS_K_TOPK, 1, 2, 2, 0, 0, 0, 0}};
    topk.i[0] = topk.i[1] = 1;
    topk.view[0] = F32(4, 50000);
    topk.view[1] = F32(4, 50);
    topk.view[2] = I64(4, 50);
    run(&topk);
    bench lrn = {.name = "lrn 96 x 27 x 27, 5", .call = {DMS_K_LRN, 1, 1, 1, 3, 0, 0, 0}};
    lrn.i[0] = 5;
    lrn.f[0] = 1e-4;
    lrn.f[1] = 0.75;
    lrn.f[2] = 1;
    lrn.view[0] = lrn.view[1] = F32(1, 96, 729);
    run(&lrn);
}

/* x cos + turned sin over runs of 32, as rotary embeddings have them; the same over long runs; and
 * bytes of three channels scaled. */
static void chains(void) {
    dms_chain rotary = {.n_in = 4, .n_ops = 3};
    rotary.op[0] = (dms_chain_op){DMS_CHAIN_BINARY, DMS_FN_MUL, 0, {0, 1}, 0, 0};
    rotary.op[1] = (dms_chain_op){DMS_CHAIN_BINARY, DMS_FN_MUL, 0, {2, 3}, 0, 0};
    rotary.op[2] = (dms_chain_op){DMS_CHAIN_BINARY, DMS_FN_ADD, 0, {4, 5}, 0, 0};
    const dms_view x = F32(8, 128, 32);
    dms_view heads = swap(F32(128, 8, 32), 0, 1), angle = x;
    angle.pitch[0] = 0;
    bench b = {.name = "chain of 3, runs of 32", .call = {DMS_K_CHAIN, 4, 1, 4, 0, 0, 0, 0}};
    dms_chain_write(&rotary, b.i, b.f);
    b.view[0] = heads;
    b.view[1] = b.view[3] = angle;
    b.view[2] = b.view[4] = x;
    run(&b);
    b.name = "chain of 3, dense";
    for (int k = 0; k < 5; k++)
        b.view[k] = F32(64, 4096);
    run(&b);
    dms_chain bytes = {.n_in = 2, .n_ops = 2};
    bytes.op[0] = (dms_chain_op){DMS_CHAIN_CAST, 0, DMS_DTYPE_F32, {0}, 0, 0};
    bytes.op[1] = (dms_chain_op){DMS_CHAIN_BINARY, DMS_FN_MUL, 0, {2, 1}, 0, 0};
    bench c = {.name = "chain of u8, runs of 3", .call = {DMS_K_CHAIN, 2, 1, 3, 0, 0, 0, 0}};
    dms_chain_write(&bytes, c.i, c.f);
    c.view[0] = dense(DMS_DTYPE_U8, DIMS(224, 224, 3));
    c.view[1] = c.view[2] = F32(224, 224, 3);
    c.view[1].pitch[0] = c.view[1].pitch[1] = 0;
    run(&c);
}

static void windows(void) {
    bench b = {.name = "max pool 3 x 3, 64 x 112 x 112 by 2",
               .call = {DMS_K_POOL, 1, 1, 13, 0, 0, 0, 0},
               .i = {0, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 2}};
    b.view[0] = F32(1, 64, 112, 112);
    b.view[1] = F32(1, 64, 56, 56);
    run(&b);
    b.name = "average pool 2 x 2 by 2";
    const int64_t average[13] = {1, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0, 2};
    memcpy(b.i, average, sizeof average);
    run(&b);
    bench r = {.name = "resize nearest, 96 x 20 x 28 by 2",
               .call = {DMS_K_RESIZE, 1, 1, 5, 14, 0, 0, 0},
               .i = {0, 3, 2, 0, 0},
               .f = {-0.75, 0, 1, 0, 1, 1, 0, 1, 2, 0, 1, 2, 0, 1}};
    r.view[0] = F32(1, 96, 20, 28);
    r.view[1] = F32(1, 96, 40, 56);
    run(&r);
    r.name = "resize linear, 96 x 20 x 28 by 2";
    r.i[0] = 1;
    r.i[1] = 0;
    run(&r);
    bench p = {.name = "resize linear, u8 240 x 250 x 3",
               .call = {DMS_K_RESIZE, 1, 1, 5, 11, 0, 0, 0},
               .i = {1, 0, 2, 0, 1},
               .f = {-0.75, 0, 0.9333333, 0, 1, 0.9333333, 0, 1, 1, 0, 1}};
    p.view[0] = dense(DMS_DTYPE_U8, DIMS(240, 250, 3));
    p.view[1] = dense(DMS_DTYPE_U8, DIMS(224, 233, 3));
    run(&p);
    bench pad = {.name = "pad 172 x 216 x 1 at the end", .call = {DMS_K_PAD, 1, 1, 6, 0, 0, 0, 0}};
    pad.view[0] = F32(1, 172, 216, 1);
    pad.view[0].pitch[1] = 309;
    pad.view[1] = F32(1, 172, 309, 1);
    run(&pad);
    one_to_one("sum of pairs", DMS_K_REDUCE, DMS_FN_SUM, 3, 2, 0, F32(1, 309, 172, 2),
               F32(1, 309, 172));
}

/* Queries, keys and values of h heads. */
static void attend(const char *name, int64_t h, int64_t q, int64_t k, int64_t d) {
    bench b = {.name = name, .call = {DMS_K_ATTENTION, 3, 1, 3, 2, 0, 0, 0}, .f = {0.125, 0}};
    b.view[0] = b.view[3] = F32(1, h, q, d);
    b.view[1] = b.view[2] = F32(1, h, k, d);
    run(&b);
}

static void attentions(void) {
    attend("attention 8 x 256 x 3", 8, 256, 256, 3);
    attend("attention 8 x 78 x 32", 8, 78, 78, 32);
    attend("attention 12 x 128 x 64", 12, 128, 128, 64);
    attend("attention 8 x 1 of 512 x 64", 8, 1, 512, 64);
}

int main(void) {
    const double start = now_s();
    for (int k = 0; k < 100; k++)
        memcpy(buffers[1] + k, buffers[0] + k, 1u << 20);
    (void)printf("%-34s %8.2f GB/s (read and written)\n", "memcpy of 1 MiB",
                 200.0 * (1u << 20) / (now_s() - start) * 1e-9);
    maps();
    moves();
    rows();
    chains();
    windows();
    attentions();
    return 0;
}
