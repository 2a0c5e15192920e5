/* load_cuda.c - dlopen of libdms_cuda. */
#include "runtime/load_cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cuda/cuda_open.h"

#define FILE_NAME "libdms_cuda.so"

/* Where it is, seen from the library or program that this code is in: in a build folder beside it;
 * installed in a folder of its own, beside libdms and in the lib folder of a program. */
static void *load_beside(void) {
    static const char *const folder[] = {"", "dms/", "../" DMS_LIBDIR "/dms/"};
    char path[4096];
    Dl_info own;
    void *library = NULL;
    if (dladdr((const void *)&FILE_NAME, &own) == 0 || own.dli_fname == NULL)
        return NULL;
    const char *slash = strrchr(own.dli_fname, '/');
    const int n = slash == NULL ? 0 : (int)(slash + 1 - own.dli_fname);
    for (size_t k = 0; k < sizeof folder / sizeof *folder && library == NULL; k++)
        if (n != 0 && snprintf(path, sizeof path, "%.*s%s%s", n, own.dli_fname, folder[k],
                               FILE_NAME) < (int)sizeof path)
            library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return library;
}

/* The library's table, or what is wrong with it. */
static dms_code load(const dms_cuda_library **out_entry, dms_status *st) {
    void *library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        library = load_beside();
    if (library == NULL)
        return dms_fail(st, DMS_EDEVICE,
                        "%s is not there: it is built where nvcc is found, see docs/cuda.md",
                        FILE_NAME);
    const dms_cuda_library *entry = dlsym(library, "dms_cuda_library_entry");
    if (entry == NULL || strcmp(entry->version, DMS_VERSION) != 0 ||
        entry->struct_bytes != sizeof(dms_device_options))
        return dms_fail(st, DMS_EDEVICE, "%s is of version %s, wanted is %s", FILE_NAME,
                        entry == NULL ? "?" : entry->version, DMS_VERSION);
    *out_entry = entry;
    return DMS_OK;
}

dms_code dms_cuda_find(void *context, int ordinal, dms_status *st) {
    (void)context;
    const dms_cuda_library *entry;
    DMS_TRY(load(&entry, st));
    return entry->find(ordinal, st);
}

dms_code dms_cuda_load(void *context, const dms_device_options *options, dms_arena *arena,
                       dms_device **out_device, dms_status *st) {
    (void)context;
    const dms_cuda_library *entry;
    DMS_TRY(load(&entry, st));
    return entry->open(options, arena, out_device, st);
}
