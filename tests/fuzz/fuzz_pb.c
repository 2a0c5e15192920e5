/* fuzz_pb.c - any bytes as a TensorProto. */
#include "tests/fuzz/fuzz_array.h"

static dms_code header(dms_array *array, uint64_t size, dms_status *st) {
    return dms_pb_header(array, size, st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_array(data, size, header);
}
