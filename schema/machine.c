/* machine.c - small files of the kernel. */
#include "schema/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096u

/* Where a version of control groups keeps what. Version 2 has one tree, marked by an empty list of
 * controllers; version 1 one per controller. */
typedef struct group_files {
    const char *controllers, *tree, *limit, *usage, *cache, *shared;
} group_files;

static const group_files VERSION[] = {
    {"", "/sys/fs/cgroup", "memory.max", "memory.current", "file ", "shmem "},
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_cache ", "total_shmem "},
};

/* The number behind `key` in a file of "key N" lines, times `unit`; 0 when it is not there. */
static uint64_t read_line(const char *path, const char *key, uint64_t unit) {
    char line[256];
    uint64_t value = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (value == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoull(line + strlen(key), NULL, 10) * unit;
    (void)fclose(file);
    return value;
}

/* The number in a file; UINT64_MAX where it is "max" or the file is not there. */
static uint64_t read_number(const char *path) {
    char line[64];
    uint64_t number = UINT64_MAX;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return number;
    if (fgets(line, sizeof line, file) != NULL && line[0] >= '0' && line[0] <= '9')
        number = strtoull(line, NULL, 10);
    (void)fclose(file);
    return number;
}

/* "FOLDER/NAME"; a path that is too long names nothing. */
static const char *join(const char *folder, const char *name, char out[PATH_BYTES]) {
    const int length = snprintf(out, PATH_BYTES, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= PATH_BYTES)
        out[0] = 0;
    return out;
}

/* One group: its limit, and what it leaves. Page cache is given back when memory is short, shared
 * memory, which is counted with it, is not. */
static void read_group(const group_files *v, const char *folder, dms_machine *out) {
    char path[PATH_BYTES];
    const uint64_t limit = read_number(join(folder, v->limit, path));
    const uint64_t usage = read_number(join(folder, v->usage, path));
    if (limit == UINT64_MAX || usage == UINT64_MAX)
        return;
    (void)join(folder, "memory.stat", path);
    const uint64_t cache = read_line(path, v->cache, 1), shared = read_line(path, v->shared, 1);
    const uint64_t back = cache > shared ? cache - shared : 0;
    const uint64_t used = usage > back ? usage - back : 0;
    const uint64_t left = limit > used ? limit - used : 0;
    if (limit < out->limit_bytes)
        out->limit_bytes = limit;
    if (left < out->left_bytes)
        out->left_bytes = left;
}

/* A group and all above it. Inside a container the path of the group may be that of the host, which
 * does not exist here: then the top is the container's own. */
static void read_groups(const group_files *v, const char *root, const char *group,
                        dms_machine *out) {
    char folder[PATH_BYTES];
    const int top = snprintf(folder, sizeof folder, "%s%s", root, v->tree);
    if (top < 0 || (size_t)top + strlen(group) >= sizeof folder)
        return;
    memcpy(folder + top, group, strlen(group) + 1);
    for (;;) {
        read_group(v, folder, out);
        char *slash = strrchr(folder + top, '/');
        if (slash == NULL)
            return;
        *slash = 0;
    }
}

/* A line of /proc/self/cgroup: "4:memory:/path", "0::/path". */
static void read_membership(char *line, const char *root, dms_machine *out) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return;
    *group++ = 0;
    for (size_t v = 0; v < sizeof VERSION / sizeof VERSION[0]; v++)
        if (strcmp(controllers + 1, VERSION[v].controllers) == 0)
            read_groups(&VERSION[v], root, group, out);
}

dms_machine dms_machine_read(const char *root) {
    char path[PATH_BYTES], line[PATH_BYTES];
    dms_machine machine = {.limit_bytes = UINT64_MAX, .left_bytes = UINT64_MAX};
    (void)join(root, "proc/meminfo", path);
    machine.available_bytes = read_line(path, "MemAvailable:", 1024);
    machine.swap_bytes = read_line(path, "SwapFree:", 1024);
    FILE *file = fopen(join(root, "proc/self/cgroup", path), "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        read_membership(line, root, &machine);
    if (file != NULL)
        (void)fclose(file);
    return machine;
}

uint64_t dms_machine_free_bytes(void) {
    const dms_machine machine = dms_machine_read("");
    return machine.left_bytes < machine.available_bytes ? machine.left_bytes
                                                        : machine.available_bytes;
}

uint64_t dms_machine_peak_rss(void) {
    return read_line("/proc/self/status", "VmHWM:", 1024);
}
