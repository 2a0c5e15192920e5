/* libraries.c - see libraries.h. Libraries are looked up by name at run time: a machine without
 * them runs our own kernels, and libdms_cuda loads without them. */
#include "runtime/cuda/kernels/libraries.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "runtime/cuda/kernels/attention_dnn.h"
#include "runtime/cuda/kernels/product_lt.h"

#define PLACE_ALIGNMENT 256u
#define OLDEST_DNN 91900u /* 9.19.0 */
#define NEXT_DNN 100000u

struct dms_cuda_libraries {
    dms_cuda_card card;
    bool was_asked, was_dnn_asked; /* for cuBLASLt, for cuDNN */
    dms_dnn dnn;
    dms_dnn_plan *newest_plan;
    int dnn_status; /* with which it did not start */
    char note[96];
#ifdef DMS_HAS_CUBLASLT
    dms_lt lt;
    dms_lt_product *newest;
#endif
};

dms_code dms_cuda_libraries_open(const dms_cuda_card *card, dms_arena *arena,
                                 dms_cuda_libraries **out_libraries, dms_status *st) {
    dms_cuda_libraries *l = dms_alloc(arena, sizeof *l, 1);
    if (l == NULL)
        return dms_fail(st, DMS_EINTERNAL, "no memory for the libraries' handles");
    *l = (dms_cuda_libraries){.card = *card};
    *out_libraries = l;
    return DMS_OK;
}

/* What the library takes of the host is its own; it allocates nothing on the card for us, since its
 * workspaces lie in the arena. */
uint64_t dms_cuda_libraries_bytes(const dms_cuda_libraries *libraries) {
    (void)libraries;
    return 0;
}

#ifdef DMS_HAS_CUBLASLT
/* Loads the library and looks its functions up; false where any is missing. */
static bool load(dms_lt *lt) {
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};
    for (uint32_t k = 0; k < sizeof names / sizeof *names && lt->library == NULL; k++)
        lt->library = dlopen(names[k], RTLD_NOW | RTLD_LOCAL);
    if (lt->library == NULL)
        return false;
    bool has_all = true;
#define LOOK_UP(member, function)                                                                  \
    *(void **)&lt->member = dlsym(lt->library, #function);                                         \
    has_all = has_all && lt->member != NULL;
    DMS_LT_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    return has_all;
}

dms_lt_product *dms_lt_add(dms_cuda_libraries *libraries, dms_arena *arena) {
    dms_lt_product *product = dms_alloc(arena, 1, sizeof *product);
    if (product != NULL) {
        *product = (dms_lt_product){.next = libraries->newest, .lt = &libraries->lt};
        libraries->newest = product;
    }
    return product;
}

const dms_lt_product *dms_lt_products(const dms_cuda_libraries *libraries) {
    return libraries->newest;
}

/* What there is of them: making them may have failed midway. */
static void give_back(const dms_lt *lt, const dms_lt_product *own) {
    if (own->desc != NULL)
        (void)lt->desc_destroy(own->desc);
    for (uint32_t k = 0; k < 4; k++)
        if (own->layout[k] != NULL)
            (void)lt->layout_destroy(own->layout[k]);
}

dms_code dms_lt_get(dms_cuda_libraries *libraries, const dms_lt **out, dms_status *st) {
    dms_lt *lt = &libraries->lt;
    *out = NULL;
    if (!libraries->was_asked && load(lt)) {
        const cublasStatus_t status = lt->create(&lt->handle);
        if (status != CUBLAS_STATUS_SUCCESS)
            return dms_fail(st, DMS_EDEVICE, "cuBLASLt does not start on %s: status %d",
                            libraries->card.name, (int)status);
    }
    libraries->was_asked = true;
    if (lt->handle != NULL)
        *out = lt;
    return DMS_OK;
}
#endif

bool dms_dnn_load(dms_dnn *dnn) {
    dnn->library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    if (dnn->library == NULL)
        return false;
    bool has_all = true;
#define LOOK_UP(result, member, function, parameters)                                              \
    *(void **)&dnn->member = dlsym(dnn->library, #function);                                       \
    has_all = has_all && dnn->member != NULL;
    DMS_DNN_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    return has_all && dnn->version() >= OLDEST_DNN && dnn->version() < NEXT_DNN;
}

const dms_dnn *dms_dnn_get(dms_cuda_libraries *libraries) {
    dms_dnn *dnn = &libraries->dnn;
    if (!libraries->was_dnn_asked && dms_dnn_load(dnn)) {
        libraries->dnn_status = dnn->create(&dnn->handle);
        if (libraries->dnn_status != 0)
            dnn->handle = NULL;
    }
    libraries->was_dnn_asked = true;
    return dnn->handle == NULL ? NULL : dnn;
}

dms_dnn_plan *dms_dnn_add(dms_cuda_libraries *libraries, dms_arena *arena) {
    dms_dnn_plan *plan = dms_alloc(arena, 1, sizeof *plan);
    if (plan != NULL) {
        *plan = (dms_dnn_plan){.next = libraries->newest_plan, .dnn = &libraries->dnn};
        libraries->newest_plan = plan;
    }
    return plan;
}

const dms_dnn_plan *dms_dnn_plans(const dms_cuda_libraries *libraries) {
    return libraries->newest_plan;
}

void dms_dnn_give_back(dms_dnn_plan *plan) {
    while (plan->n_descs > 0)
        (void)plan->dnn->desc_destroy(plan->desc[--plan->n_descs]);
    plan->plan = NULL;
}

bool dms_libraries_spread(const uint64_t bytes[5], uint64_t memory, uint64_t room,
                          uint64_t out_place[5]) {
    uint64_t at = 0;
    for (uint32_t k = 0; k < 5; k++) {
        if (at > room || bytes[k] > room - at)
            return false;
        out_place[k] = memory + at;
        at = (at + bytes[k] + PLACE_ALIGNMENT - 1) & ~(uint64_t)(PLACE_ALIGNMENT - 1);
    }
    return true;
}

dms_code dms_cuda_libraries_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                                 void *stream, dms_status *st) {
    DMS_TRY(dms_product_lt_warm(libraries, memory, bytes, stream, st));
    return dms_attention_dnn_warm(libraries, memory, bytes, stream, st);
}

const char *dms_cuda_libraries_note(dms_cuda_libraries *libraries) {
    const size_t room = sizeof libraries->note;
    uint32_t n = 0, n_taken = 0;
    for (const dms_dnn_plan *plan = libraries->newest_plan; plan != NULL; plan = plan->next) {
        n++;
        n_taken += plan->plan != NULL;
    }
    if (libraries->dnn_status != 0)
        (void)snprintf(libraries->note, room, "cuDNN does not start: status %d",
                       libraries->dnn_status);
    else if (n > 0)
        (void)snprintf(libraries->note, room,
                       "cuDNN %zu takes %" PRIu32 " of %" PRIu32 " attentions",
                       libraries->dnn.version(), n_taken, n);
    return libraries->note;
}

static void close_dnn(dms_cuda_libraries *libraries) {
    dms_dnn *dnn = &libraries->dnn;
    for (; libraries->newest_plan != NULL; libraries->newest_plan = libraries->newest_plan->next)
        dms_dnn_give_back(libraries->newest_plan);
    if (dnn->handle != NULL)
        (void)dnn->destroy(dnn->handle); /* a lost card cannot be told */
    if (dnn->library != NULL)
        (void)dlclose(dnn->library);
    *dnn = (dms_dnn){0};
}

void dms_cuda_libraries_close(dms_cuda_libraries *libraries) {
    if (libraries == NULL)
        return;
    close_dnn(libraries);
#ifdef DMS_HAS_CUBLASLT
    dms_lt *lt = &libraries->lt;
    for (; libraries->newest != NULL; libraries->newest = libraries->newest->next)
        give_back(lt, libraries->newest);
    if (lt->handle != NULL)
        (void)lt->destroy(lt->handle); /* a lost card cannot be told */
    if (lt->library != NULL)
        (void)dlclose(lt->library);
    lt->handle = NULL;
    lt->library = NULL;
#endif
}
