/* test_attention_dnn_real.c - what cuDNN itself says to our graphs: for cards that are described to
 * it, its heuristics, its notes and its plans are those of a machine that has them, and nothing
 * runs. Skipped where the library is not found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cuda/kernels/attention_dnn.h"
#include "runtime/cuda/kernels/libraries.h"
#include "tests/unit/support_call.h"

/* Our numbers are those of the library's header, where there is one. */
#if defined(__has_include)
#if __has_include(<cudnn.h>)
#include <cudnn.h>
#define IS_SAME(word, number) _Static_assert((int)CUDNN_##word == (number), #word);
DMS_DNN_WORDS(IS_SAME)
#endif
#endif

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16

/* What cuDNN is told of a card: numbers of NVIDIA's data sheets and programming guide. */
typedef struct card {
    const char *name;
    int capability, multiprocessors, threads, blocks, shared_bytes, sm_khz, memory_khz, bus_bits,
        l2_bytes;
} card;

static const card cards[] = {
    {"NVIDIA A100-SXM4-80GB", 800, 108, 2048, 32, 166912, 1410000, 1593000, 5120, 41943040},
    {"NVIDIA H100 80GB HBM3", 900, 132, 2048, 32, 232448, 1980000, 2619000, 5120, 52428800},
    {"NVIDIA A10", 860, 72, 1536, 16, 101376, 1695000, 6251000, 384, 6291456},
    {"NVIDIA L40S", 890, 142, 1536, 24, 101376, 2520000, 9001000, 384, 100663296},
    {"NVIDIA B200", 1000, 148, 2048, 32, 232448, 1965000, 3996000, 8192, 132644864},
    {"NVIDIA GeForce RTX 5090", 1200, 170, 1536, 24, 101376, 2407000, 14001000, 512, 100663296},
};
enum { N_CARDS = sizeof cards / sizeof *cards };

/* The descriptor of a card. */
static dms_dnn_desc describe(const dms_dnn *dnn, const card *of) {
    char text[1024];
    dms_dnn_desc made = NULL;
    const int n = snprintf(
        text, sizeof text,
        "{\"deviceVer\":%d,\"driverVer\":13000,\"multiProcessorCount\":%d,\"smCountOrigin\":0,"
        "\"warpSize\":32,\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
        "\"regsPerBlock\":65536,\"maxSharedMemoryPerBlock\":49152,"
        "\"maxSharedMemoryPerBlockOptin\":%d,\"oversizedSharedMemoryPerBlock\":0,"
        "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":%d,"
        "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":%d,\"pciDeviceId\":0,\"isTccDriver\":0,"
        "\"supportCoopLaunch\":1,\"smClockRateKHz\":%d,\"memClockRateKHz\":%d,"
        "\"memoryBusWidth\":%d,\"l2CacheSize\":%d,\"deviceName\":\"%s\","
        "\"totalGlobalMem\":85000000000,\"cudaDeviceId\":0}",
        of->capability, of->multiprocessors, of->shared_bytes, of->blocks, of->threads, of->sm_khz,
        of->memory_khz, of->bus_bits, of->l2_bytes, of->name);
    assert_in_range(n, 1, (int)sizeof text - 1);
    assert_int_equal(dnn->desc_create(DMS_DNN_BACKEND_DEVICEPROP_DESCRIPTOR, &made), 0);
    assert_int_equal(dnn->desc_set(made, DMS_DNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                   DMS_DNN_TYPE_CHAR, n, text),
                     0);
    assert_int_equal(dnn->desc_finish(made), 0);
    return made;
}

typedef struct shape {
    dms_dtype dtype;
    int64_t batch, heads, shared, s, t, d, e, causal;
    bool by_token;
} shape;

/* Views of operands that nobody reads. */
static void view_of(dms_view *out, dms_dtype dtype, bool by_token, const int64_t *dim) {
    *out = (dms_view){.dtype = dtype, .rank = 4};
    memcpy(out->dim, dim, 4 * sizeof *dim);
    out->pitch[3] = 1;
    out->pitch[2] = by_token ? dim[1] * dim[3] : dim[3];
    out->pitch[1] = by_token ? dim[3] : dim[2] * dim[3];
    out->pitch[0] = dim[1] * dim[2] * dim[3];
}

/* Whether the library plans the call for the card within the planned workspace, which it takes. */
static void expect_plan(const dms_dnn *dnn, const card *on, const shape *z, uint64_t *out_bytes) {
    const int64_t q[4] = {z->batch, z->heads, z->s, z->d}, k[4] = {z->batch, z->shared, z->t, z->d};
    const int64_t v[4] = {z->batch, z->shared, z->t, z->e}, y[4] = {z->batch, z->heads, z->s, z->e};
    const int64_t *const dim[4] = {q, k, v, y};
    const int64_t i[3] = {z->causal, 0, 0};
    const double f[2] = {1.0 / sqrt((double)z->d), 0};
    dms_view view[4];
    dms_status st;
    for (uint32_t n = 0; n < 4; n++)
        view_of(&view[n], z->dtype, z->by_token, dim[n]);
    const dms_call call = {.kernel = DMS_K_ATTENTION,
                           .n_in = 3,
                           .n_out = 1,
                           .n_i = 3,
                           .n_f = 2,
                           .view = view,
                           .i = i,
                           .f = f};
    assert_int_equal(dms_call_check(&call, &st), DMS_OK);
    dms_dnn_plan plan = {.dnn = dnn};
    const bool is_planned =
        dms_attention_dnn_plan(&call, dms_call_workspace(&call, DMS_DEVICE_CUDA), &plan);
    if (!is_planned)
        fail_msg("%s: no plan for %d queries, %d keys, heads of %d", on->name, (int)z->s, (int)z->t,
                 (int)z->d);
    *out_bytes = plan.workspace;
    dms_dnn_give_back(&plan);
}

static void attention_without_a_mask_is_planned_for_every_card(void **state) {
    static const shape shapes[] = {
        {BF16, 1, 40, 40, 8192, 8192, 128, 128, 1, true}, /* Llama-2-13B, prefill */
        {F16, 2, 32, 8, 512, 2048, 128, 128, 1, false},   /* behind a cache */
        {F16, 1, 8, 8, 4096, 77, 40, 40, 0, true},        /* of pictures */
        {F16, 1, 8, 8, 65, 65, 64, 64, 0, false},
    };
    dms_dnn *dnn = *state;
    for (int k = 0; k < N_CARDS; k++) {
        dnn->card = describe(dnn, &cards[k]);
        const size_t n_shapes = k < 2 ? sizeof shapes / sizeof *shapes : 1;
        for (size_t n = 0; n < n_shapes; n++) {
            uint64_t bytes;
            expect_plan(dnn, &cards[k], &shapes[n], &bytes);
            assert_int_equal(bytes, cards[k].capability == 900 ? 256 : 0);
        }
        assert_int_equal(dnn->desc_destroy(dnn->card), 0);
    }
}

/* The driver that takes everything goes first, so that the library finds no other. */
int main(int argc, char **argv) {
    static dms_dnn dnn;
    if (argc != 2 || dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) == NULL) {
        (void)fprintf(stderr, "no driver to stand in: %s\n", argc == 2 ? dlerror() : "usage");
        return 1;
    }
    if (!dms_dnn_load(&dnn)) {
        (void)printf("skipped: no libcudnn.so.9 of 9.19 or newer\n");
        return 77;
    }
    (void)printf("cuDNN %zu\n", dnn.version());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(attention_without_a_mask_is_planned_for_every_card, &dnn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
