/* fuzz_array.c - any bytes as a .npy, an .npz and a TensorProto. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/npy_internal.h"
#include "tests/fuzz/fuzz.h"

#define LARGEST_BYTES (1u << 20)

/* What was accepted must lie in the file, and must be readable or refused. */
static void read_array(const dms_array *array, uint64_t size) {
    dms_status st;
    if (array->offset > size || array->bytes > size - array->offset)
        abort();
    const uint64_t bytes = dms_view_bytes(&array->view);
    void *data = bytes <= LARGEST_BYTES ? malloc((size_t)bytes + 1) : NULL;
    if (data != NULL)
        (void)!dms_array_read(array, data, &st);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    dms_status st;
    dms_array array = {.path = "fuzz", .fd = memfd_create("fuzz", 0)};
    if (array.fd >= 0 && write(array.fd, data, size) == (ssize_t)size) {
        if (dms_npy_header(&array, 0, size, &st) == DMS_OK)
            read_array(&array, size);
        if (dms_npz_header(&array, size, "x", &st) == DMS_OK)
            read_array(&array, size);
        if (dms_pb_header(&array, size, &st) == DMS_OK)
            read_array(&array, size);
    }
    dms_array_close(&array);
    return 0;
}
