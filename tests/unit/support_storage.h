/* support_storage.h - a folder with one file of numbers, opened as the storage of a plan.
 *
 * Reads    nothing.
 * Returns  weights whose every byte is known from its place; readers that fail when told to.
 * Cost     one file beside the test program; a large one (17 MiB) for reads past the page cache.
 * Source   none.
 * Not here what is expected of them.
 */
#ifndef DMS_TESTS_SUPPORT_STORAGE_H
#define DMS_TESTS_SUPPORT_STORAGE_H

#include "runtime/storage_internal.h"
#include "support_run.h"

/* Numbers of a file that is read past the page cache where the file system allows it. */
#define STORAGE_LARGE_NUMBERS ((17u << 20) / 4 + 3)

/* The file w.bin holds the numbers 0, 1, 2, ... as u32; source 0 of the plan reads from it. */
typedef struct storage_case {
    char dir[64];
    uint32_t n_numbers;
    run_case run;
    dms_arena arena;
    dms_storage *storage;
    dms_status st;
} storage_case;

/* Writes the file and a plan with one weight of all its numbers. */
void storage_make(storage_case *c, uint32_t n_numbers);

/* Closes the storage and removes the folder; files of other names must be gone. */
void storage_remove(storage_case *c);

/* Path of a file in the folder; returns `out` of 200 bytes. */
char *storage_path(const storage_case *c, const char *name, char *out);

/* Opens the storage on the folder. */
dms_code storage_open_with(storage_case *c, dms_storage_options options);

/* The same with no options. */
dms_code storage_open(storage_case *c);

/* Loads `view` from byte `offset` of the file to `to`, with these pitches. */
dms_code storage_load(storage_case *c, const dms_view *view, uint64_t offset, const int64_t *pitch,
                      void *to);

/* Loads as above, compares every byte of the place with the plain loop over all elements. The file
 * begins at element `first` of the walk; `shift` bytes lie between the place and a page. */
void storage_check(storage_case *c, const dms_view *view, int64_t valid_last, uint64_t first,
                   const int64_t *pitch, int64_t n_place, uint32_t shift);

/* How a reader of the tests behaves. Counts begin with 1; 0 = never. */
typedef struct storage_faults {
    uint32_t fail_submit, fail_complete; /* the n-th one ends with `error` */
    bool is_for_ever;                    /* and every one behind it */
    int error;
    uint64_t most_bytes;   /* a read brings at most this many bytes; 0: all */
    uint32_t cancel_after; /* the n-th completion sets *cancel */
    atomic_int *cancel;
    bool is_backwards;                            /* the newest read is completed first */
    uint32_t n_submits, n_completes, n_under_way; /* what happened */
    uint32_t most_under_way;
} storage_faults;

/* Puts a reader before all reads that obeys `faults` and reads by pread; it lives in `arena`. */
void storage_use_faults(dms_storage *storage, dms_arena *arena, storage_faults *faults);

/* Direct reads by pread, as where io_uring is forbidden. */
void storage_use_pread(storage_case *c);

#endif
