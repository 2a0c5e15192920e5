/* box.h - lp_solve where a lack of memory does no harm.
 *
 * Reads    a function that calls lp_solve.
 * Returns  when it has ended, or when an allocation of lp_solve failed and nothing of it is left.
 * Cost     a thread per call (about 30 us), 16 bytes per object of lp_solve.
 * Source   none. lp_solve 5.5 reads and writes through pointers that it did not get, leaks, or goes
 *          on with wrong numbers when one of its allocations fails: tests/fault shows it.
 * Not here the program that is solved (lp.h).
 *
 *     stack of the thread, a multiple of its size      | box | guard | <- lp_solve's frames grow |
 *
 * The build renames malloc, calloc, realloc, free and strdup in the objects of lp_solve to the
 * functions at the end. These are told no box; they find it at the bottom of the stack they run on,
 * hence the thread, and leave by longjmp where there is no memory.
 */
#ifndef DMS_PLANNER_BOX_H
#define DMS_PLANNER_BOX_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "schema/arena.h"

/* What lp_solve has allocated. Zero-initialise; lives as long as the programs made in it. */
typedef struct dms_box {
    dms_heap heap;
    jmp_buf out; /* while a function runs */
    bool has_failed;
} dms_box;

/* Runs work(context), the only place where lp_solve may be called.
 * Errors   DMS_EINTERNAL: no memory for lp_solve or no thread; the box is then empty, and whatever
 *          lp_solve made in it is gone. */
DMS_CHECKED dms_code dms_box_run(dms_box *box, void (*work)(void *context), void *context,
                                 dms_status *st);

/* Everything that was made in the box goes. */
void dms_box_empty(dms_box *box);

/* malloc, for lp_solve alone. */
void *dms_box_malloc(size_t bytes);

/* calloc, for lp_solve alone. */
void *dms_box_calloc(size_t n, size_t bytes);

/* realloc, for lp_solve alone. */
void *dms_box_realloc(void *object, size_t bytes);

/* free, for lp_solve alone. */
void dms_box_free(void *object);

/* strdup, for lp_solve alone. */
char *dms_box_strdup(const char *text);

#endif
