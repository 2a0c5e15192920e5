/* cuda_driver.c - the table of entry points, filled with CUDA's own.
 *
 * The runtime is linked statically and finds the driver by itself when it is first called; the
 * three functions that only the driver has are asked for by name and version. So this library
 * loads, and says what is missing, on machines without a driver.
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cuda/cuda_api.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/cuda_kernel.h"
#include "runtime/cuda/cuda_open.h"

_Static_assert(cudaErrorMemoryAllocation == DMS_CUDA_OUT_OF_MEMORY, "as in cuda_api.h");
_Static_assert(cudaErrorInsufficientDriver == DMS_CUDA_OLD_DRIVER, "as in cuda_api.h");
_Static_assert(cudaErrorNoDevice == DMS_CUDA_NO_DEVICE, "as in cuda_api.h");
_Static_assert(cudaErrorNotReady == DMS_CUDA_NOT_READY, "as in cuda_api.h");
_Static_assert(cudaErrorNotSupported == DMS_CUDA_NOT_SUPPORTED, "as in cuda_api.h");

typedef CUresult (*attribute_function)(int *, CUdevice_attribute, CUdevice);
typedef CUresult (*value_function)(CUstream, CUdeviceptr, cuuint64_t, unsigned);

/* What the driver alone has. */
typedef struct driver {
    attribute_function attribute;
    value_function wait_value, write_value;
} driver;

/* An error that does not last is taken back, so that the next call does not report it again. */
static int seen(cudaError_t error) {
    if (error != cudaSuccess && error != cudaErrorNotReady)
        (void)cudaGetLastError();
    return (int)error;
}

/* Before CUDA 12.5 a runtime could only ask for functions as they were in its own version. */
#if CUDART_VERSION < 12050
#define GET_ENTRY_POINT(name, out, result)                                                         \
    cudaGetDriverEntryPoint(name, out, cudaEnableDefault, result)
#else
#define GET_ENTRY_POINT(name, out, result)                                                         \
    cudaGetDriverEntryPointByVersion(name, out, 12000, cudaEnableDefault, result)
#endif

/* Its number since CUDA 12.2, for the headers of those before; their drivers do not know it. */
#define HOST_NUMA_ID ((CUdevice_attribute)134)
#if CUDA_VERSION >= 12020
_Static_assert(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID == 134, "as in CUDA's headers");
#endif

/* A function of the driver as it was in CUDA 12; NULL where it has none. */
static void *find(const char *name) {
    void *function = NULL;
    enum cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    if (GET_ENTRY_POINT(name, &function, &result) != cudaSuccess ||
        result != cudaDriverEntryPointSuccess)
        return NULL;
    return function;
}

static int versions(void *state, int *out_driver, int *out_runtime) {
    (void)state;
    const int error = seen(cudaDriverGetVersion(out_driver));
    return error != 0 ? error : seen(cudaRuntimeGetVersion(out_runtime));
}

static int device_count(void *state, int *out_count) {
    (void)state;
    return seen(cudaGetDeviceCount(out_count));
}

/* 0 where the driver does not know the attribute. */
static int attribute(const driver *d, CUdevice_attribute which, int ordinal) {
    int value = 0;
    if (d->attribute == NULL || d->attribute(&value, which, ordinal) != CUDA_SUCCESS)
        return 0;
    return value;
}

/* Looked for, not kept: nothing is read through it (docs/decisions.md). */
static bool find_cufile(void) {
    void *library = dlopen("libcufile.so.0", RTLD_LAZY | RTLD_LOCAL);
    const bool is_there = library != NULL && dlsym(library, "cuFileDriverOpen") != NULL;
    if (library != NULL)
        (void)dlclose(library);
    return is_there && access("/proc/driver/nvidia-fs/version", R_OK) == 0;
}

static int read_card(void *state, int ordinal, dms_cuda_card *out) {
    driver *d = state;
    struct cudaDeviceProp prop;
    int version = 0, error = seen(cudaGetDeviceProperties(&prop, ordinal));
    if (error == 0)
        error = seen(cudaDriverGetVersion(&version));
    if (error != 0)
        return error;
    d->attribute = (attribute_function)(uintptr_t)find("cuDeviceGetAttribute");
    d->wait_value = (value_function)(uintptr_t)find("cuStreamWaitValue64");
    d->write_value = (value_function)(uintptr_t)find("cuStreamWriteValue64");
    const bool has_values =
        d->wait_value != NULL && d->write_value != NULL &&
        attribute(d, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, ordinal) != 0;
    int node = -1;
    if (d->attribute == NULL || d->attribute(&node, HOST_NUMA_ID, ordinal) != CUDA_SUCCESS)
        node = -1;
    *out = (dms_cuda_card){.major = prop.major,
                           .minor = prop.minor,
                           .driver_version = version,
                           .n_sms = prop.multiProcessorCount,
                           .total_bytes = prop.totalGlobalMem,
                           .has_stream_values = has_values,
                           .has_cufile = find_cufile(),
                           .numa_node = node};
    memcpy(out->name, prop.name, sizeof out->name - 1); /* the rest is 0 */
    return 0;
}

static int use_card(void *state, int ordinal) {
    (void)state;
    return seen(cudaSetDevice(ordinal));
}

static int free_bytes(void *state, uint64_t *out_bytes) {
    (void)state;
    size_t available = 0, total = 0;
    const int error = seen(cudaMemGetInfo(&available, &total));
    *out_bytes = available;
    return error;
}

static int device_alloc(void *state, uint64_t bytes, uint64_t *out_address) {
    (void)state;
    void *memory = NULL;
    const int error = seen(cudaMalloc(&memory, (size_t)bytes));
    *out_address = (uint64_t)(uintptr_t)memory;
    return error;
}

static int device_free(void *state, uint64_t address) {
    (void)state;
    return seen(cudaFree((void *)(uintptr_t)address));
}

static int pin(void *state, void *memory, uint64_t bytes) {
    (void)state;
    return seen(
        cudaHostRegister(memory, (size_t)bytes, cudaHostRegisterMapped | cudaHostRegisterPortable));
}

static int unpin(void *state, void *memory) {
    (void)state;
    return seen(cudaHostUnregister(memory));
}

static int address_of(void *state, void *memory, uint64_t *out_address) {
    (void)state;
    void *address = NULL;
    const int error = seen(cudaHostGetDevicePointer(&address, memory, 0));
    *out_address = (uint64_t)(uintptr_t)address;
    return error;
}

static int stream_create(void *state, void **out_stream) {
    (void)state;
    return seen(cudaStreamCreateWithFlags((cudaStream_t *)out_stream, cudaStreamNonBlocking));
}

static int stream_destroy(void *state, void *stream) {
    (void)state;
    return seen(cudaStreamDestroy(stream));
}

static int stream_query(void *state, void *stream) {
    (void)state;
    return seen(cudaStreamQuery(stream));
}

static int event_create(void *state, void **out_event) {
    (void)state;
    return seen(cudaEventCreateWithFlags((cudaEvent_t *)out_event, cudaEventDefault));
}

static int event_destroy(void *state, void *event) {
    (void)state;
    return seen(cudaEventDestroy(event));
}

static int event_record(void *state, void *event, void *stream) {
    (void)state;
    return seen(cudaEventRecord(event, stream));
}

static int event_query(void *state, void *event) {
    (void)state;
    return seen(cudaEventQuery(event));
}

static int event_elapsed(void *state, float *out_ms, void *begin, void *end) {
    (void)state;
    return seen(cudaEventElapsedTime(out_ms, begin, end));
}

static int stream_wait_event(void *state, void *stream, void *event) {
    (void)state;
    return seen(cudaStreamWaitEvent(stream, event, 0));
}

/* Errors of the driver have the numbers of the runtime's. */
static int stream_wait_value(void *state, void *stream, uint64_t address, uint64_t value) {
    const driver *d = state;
    return (int)d->wait_value(stream, (CUdeviceptr)address, value, CU_STREAM_WAIT_VALUE_GEQ);
}

static int stream_write_value(void *state, void *stream, uint64_t address, uint64_t value) {
    const driver *d = state;
    return (int)d->write_value(stream, (CUdeviceptr)address, value, CU_STREAM_WRITE_VALUE_DEFAULT);
}

static int copy_in(void *state, uint64_t to, const void *from, uint64_t bytes, void *stream) {
    (void)state;
    return seen(cudaMemcpyAsync((void *)(uintptr_t)to, from, (size_t)bytes, cudaMemcpyHostToDevice,
                                stream));
}

static int copy_out(void *state, void *to, uint64_t from, uint64_t bytes, void *stream) {
    (void)state;
    return seen(cudaMemcpyAsync(to, (const void *)(uintptr_t)from, (size_t)bytes,
                                cudaMemcpyDeviceToHost, stream));
}

static int fill(void *state, uint64_t to, int byte, uint64_t bytes, void *stream) {
    (void)state;
    return seen(cudaMemsetAsync((void *)(uintptr_t)to, byte, (size_t)bytes, stream));
}

static int host_function(void *state, void *stream, void (*function)(void *), void *argument) {
    (void)state;
    return seen(cudaLaunchHostFunc(stream, function, argument));
}

static const char *error_name(void *state, int error) {
    (void)state;
    return cudaGetErrorName((cudaError_t)error);
}

static const char *error_text(void *state, int error) {
    (void)state;
    return cudaGetErrorString((cudaError_t)error);
}

static dms_cuda_api table_of(driver *d) {
    return (dms_cuda_api){.state = d,
                          .versions = versions,
                          .device_count = device_count,
                          .read_card = read_card,
                          .use_card = use_card,
                          .free_bytes = free_bytes,
                          .device_alloc = device_alloc,
                          .device_free = device_free,
                          .pin = pin,
                          .unpin = unpin,
                          .address_of = address_of,
                          .stream_create = stream_create,
                          .stream_destroy = stream_destroy,
                          .stream_query = stream_query,
                          .event_create = event_create,
                          .event_destroy = event_destroy,
                          .event_record = event_record,
                          .event_query = event_query,
                          .event_elapsed = event_elapsed,
                          .stream_wait_event = stream_wait_event,
                          .stream_wait_value = stream_wait_value,
                          .stream_write_value = stream_write_value,
                          .copy_in = copy_in,
                          .copy_out = copy_out,
                          .fill = fill,
                          .host_function = host_function,
                          .error_name = error_name,
                          .error_text = error_text,
                          .kernel_find = dms_cuda_kernel_find,
                          .libraries_open = dms_cuda_libraries_open,
                          .libraries_warm = dms_cuda_libraries_warm,
                          .libraries_bytes = dms_cuda_libraries_bytes,
                          .libraries_note = dms_cuda_libraries_note,
                          .libraries_close = dms_cuda_libraries_close};
}

static dms_code find_card(int ordinal, dms_status *st) {
    driver d = {0};
    const dms_cuda_api api = table_of(&d);
    return dms_cuda_device_find(ordinal, &api, st);
}

/* The table lives as long as the device, in the same arena. */
static dms_code open_card(const dms_device_options *options, dms_arena *arena,
                          dms_device **out_device, dms_status *st) {
    dms_cuda_api *api;
    driver *d;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *d, "CUDA", &d, st));
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *api, "CUDA", &api, st));
    *api = table_of(d);
    return dms_cuda_device_open(options, api, arena, out_device, st);
}

const dms_cuda_library dms_cuda_library_entry = {DMS_VERSION, sizeof(dms_device_options), find_card,
                                                 open_card};
