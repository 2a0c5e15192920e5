/* fuzz_support_array.c - the common half of the array parsers' targets. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_array.h"

#define LARGEST_BYTES (1u << 20)

/* What was accepted must lie in the file, and must be readable or refused. */
static void read_array(const dms_array *array, uint64_t size) {
    dms_status st = {0};
    if (array->offset > size || array->bytes > size - array->offset)
        abort();
    const uint64_t bytes = dms_view_bytes(&array->view);
    void *data = bytes <= LARGEST_BYTES ? malloc((size_t)bytes + 1) : NULL;
    if (data != NULL)
        (void)fuzz_verdict(dms_array_read(array, data, &st), &st);
    free(data);
}

int fuzz_array(const uint8_t *data, size_t size, fuzz_header *header) {
    dms_status st = {0};
    fuzz_file file;
    if (!fuzz_file_fill(&file, data, size))
        return 0;
    dms_array array = {.path = "fuzz", .fd = dup(file.fd)};
    if (fuzz_verdict(header(&array, size, &st), &st) == DMS_OK)
        read_array(&array, size);
    dms_array_close(&array); /* and with it its number */
    return 0;
}
