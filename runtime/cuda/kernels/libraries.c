/* libraries.c - see libraries.h. Libraries are looked up by name at run time: a machine without
 * them runs our own kernels, and libdms_cuda loads without them. */
#include "runtime/cuda/kernels/libraries.h"

#include <dlfcn.h>
#include <stddef.h>

struct dms_cuda_libraries {
    dms_cuda_card card;
    bool was_asked; /* for cuBLASLt */
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

void dms_cuda_libraries_close(dms_cuda_libraries *libraries) {
    if (libraries == NULL)
        return;
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
