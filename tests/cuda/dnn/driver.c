/* driver.c - a libcuda that has no device and takes whatever it is given to load: with it in its
 * place cuDNN plans for a card that is described to it, on a machine without one. It calls what
 * stands here by name; whatever else it may ask for fails. */
#include <dlfcn.h>
#include <stddef.h>

enum { FINE = 0, NO_DEVICE = 100 };

/* Entries that say nothing but whether they went well. */
#define FINE_ENTRY(name)                                                                           \
    int name(void);                                                                                \
    int name(void) {                                                                               \
        return FINE;                                                                               \
    }
#define MISSING_ENTRY(name)                                                                        \
    int name(void);                                                                                \
    int name(void) {                                                                               \
        return NO_DEVICE;                                                                          \
    }
/* Entries that make something, and name it first. */
#define MAKING_ENTRY(name)                                                                         \
    int name(void **out);                                                                          \
    int name(void **out) {                                                                         \
        static char made;                                                                          \
        *out = &made;                                                                              \
        return FINE;                                                                               \
    }

MISSING_ENTRY(cuInit)
MISSING_ENTRY(cuLaunchKernel)
MISSING_ENTRY(cuLaunchKernelEx)
MISSING_ENTRY(cuLaunchCooperativeKernel)
MISSING_ENTRY(cuOccupancyMaxPotentialClusterSize)
MISSING_ENTRY(cuStreamGetCtx)
MISSING_ENTRY(cuLibraryLoadFromFile)
MISSING_ENTRY(cuLinkCreate)
MISSING_ENTRY(cuLinkAddData)
MISSING_ENTRY(cuLinkComplete)
FINE_ENTRY(cuLinkDestroy)
FINE_ENTRY(cuCtxPushCurrent)
FINE_ENTRY(cuLibraryUnload)
FINE_ENTRY(cuKernelSetAttribute)
FINE_ENTRY(cuFuncSetAttribute)
FINE_ENTRY(cuModuleUnload)
MISSING_ENTRY(cuTensorMapEncodeTiled)
MISSING_ENTRY(cuTensorMapEncodeIm2col)
MAKING_ENTRY(cuCtxGetCurrent)
MAKING_ENTRY(cuCtxPopCurrent)
MAKING_ENTRY(cuLibraryLoadData)
MAKING_ENTRY(cuLibraryGetKernel)
MAKING_ENTRY(cuKernelGetFunction)
MAKING_ENTRY(cuModuleLoadData)
MAKING_ENTRY(cuModuleGetFunction)

/* Entries that give numbers and texts. */
int cuDriverGetVersion(int *version);
int cuDeviceGetCount(int *n);
int cuDeviceGet(int *device, int n);
int cuCtxGetLimit(size_t *bytes, int which);
int cuKernelGetAttribute(int *value, int which, void *kernel, int device);
int cuGetErrorString(int error, const char **text);
int cuGetErrorName(int error, const char **name);
int cuGetProcAddress(const char *name, void **out, int version, unsigned long flags);
int cuGetProcAddress_v2(const char *name, void **out, int version, unsigned long flags,
                        int *status);

int cuDriverGetVersion(int *version) {
    *version = 13000;
    return FINE;
}

int cuDeviceGetCount(int *n) {
    *n = 0;
    return FINE;
}

int cuDeviceGet(int *device, int n) {
    *device = n;
    return NO_DEVICE;
}

int cuCtxGetLimit(size_t *bytes, int which) {
    (void)which;
    *bytes = 0;
    return FINE;
}

int cuKernelGetAttribute(int *value, int which, void *kernel, int device) {
    (void)which, (void)kernel, (void)device;
    *value = 0;
    return FINE;
}

int cuGetErrorString(int error, const char **text) {
    *text = error == FINE ? "fine" : "no device";
    return FINE;
}

int cuGetErrorName(int error, const char **name) {
    return cuGetErrorString(error, name);
}

int cuGetProcAddress(const char *name, void **out, int version, unsigned long flags) {
    int status;
    return cuGetProcAddress_v2(name, out, version, flags, &status);
}

int cuGetProcAddress_v2(const char *name, void **out, int version, unsigned long flags,
                        int *status) {
    (void)version, (void)flags;
    void *self = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    *out = self == NULL ? NULL : dlsym(self, name);
    if (*out == NULL)
        *(int (**)(void))out = cuInit;
    if (status != NULL)
        *status = 0;
    return FINE;
}
