/* machine.c - small files of the kernel. */
#include "planner/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `key` in a file of "Key:   N kB" lines, in bytes; 0 when it is not there. */
static uint64_t read_line(const char *path, const char *key) {
    char line[256];
    uint64_t bytes = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (bytes == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            bytes = strtoull(line + strlen(key), NULL, 10) * 1024;
    (void)fclose(file);
    return bytes;
}

/* The number in a file; UINT64_MAX where it is "max" or the file is not there. */
static uint64_t read_limit(const char *path) {
    char line[64];
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return limit;
    if (fgets(line, sizeof line, file) != NULL && line[0] >= '0' && line[0] <= '9')
        limit = strtoull(line, NULL, 10);
    (void)fclose(file);
    return limit;
}

uint64_t dms_machine_free_bytes(void) {
    static const char *const LIMITS[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t bytes = read_line("/proc/meminfo", "MemAvailable:");
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        const uint64_t limit = read_limit(LIMITS[i]);
        if (limit < bytes)
            bytes = limit;
    }
    return bytes;
}

uint64_t dms_machine_peak_rss(void) {
    return read_line("/proc/self/status", "VmHWM:");
}
