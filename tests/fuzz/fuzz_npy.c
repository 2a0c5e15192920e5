/* fuzz_npy.c - any bytes as a .npy file. */
#include "tests/fuzz/fuzz_array.h"

static dms_code header(dms_array *array, uint64_t size, dms_status *st) {
    return dms_npy_header(array, 0, size, st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_array(data, size, header);
}
