/* fuzz_npz.c - any bytes as an .npz archive, of which member "x" is asked for. */
#include "tests/fuzz/fuzz_array.h"

static dms_code header(dms_array *array, uint64_t size, dms_status *st) {
    return dms_npz_header(array, size, "x", st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_array(data, size, header);
}
