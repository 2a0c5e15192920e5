/* box.c - a stack that knows its box, and an allocator that never returns NULL. */
#include "planner/box.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schema/checked.h"

#define STACK_BYTES ((size_t)16 << 20) /* a power of two; pages are taken as they are used */

/* What the thread is given. */
typedef struct visit {
    dms_box *box;
    void (*work)(void *context);
    void *context;
} visit;

/* The box whose function runs on this stack. */
static dms_box *box_here(void) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    return *(dms_box **)(frame & ~(uintptr_t)(STACK_BYTES - 1));
}

/* Maps a stack at a multiple of its size, with the box at its bottom and a page nobody may touch
 * above it; NULL where there is no memory. */
static unsigned char *take_stack(dms_box *box) {
    const int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *all = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    const size_t skip = (size_t)(-(uintptr_t)all & (STACK_BYTES - 1));
    unsigned char *stack = all + skip;
    if (skip != 0)
        (void)munmap(all, skip);
    (void)munmap(stack + STACK_BYTES, STACK_BYTES - skip);
    (void)mprotect(stack + page, page, PROT_NONE);
    memcpy(stack, &box, sizeof(box));
    return stack;
}

static void *enter(void *argument) {
    const visit *v = argument;
    if (setjmp(v->box->out) == 0)
        v->work(v->context);
    return NULL;
}

/* Runs the visit on its own stack; an errno, or 0. */
static int run_on(unsigned char *stack, visit *v) {
    const size_t bottom = 2 * (size_t)sysconf(_SC_PAGESIZE);
    pthread_attr_t how;
    pthread_t thread;
    int error = pthread_attr_init(&how);
    if (error != 0)
        return error;
    error = pthread_attr_setstack(&how, stack + bottom, STACK_BYTES - bottom);
    if (error == 0)
        error = pthread_create(&thread, &how, enter, v);
    (void)pthread_attr_destroy(&how);
    return error != 0 ? error : pthread_join(thread, NULL);
}

dms_code dms_box_run(dms_box *box, void (*work)(void *context), void *context, dms_status *st) {
    visit v = {box, work, context};
    box->has_failed = false;
    unsigned char *stack = take_stack(box);
    if (stack == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: stack of lp_solve");
    const int error = run_on(stack, &v);
    (void)munmap(stack, STACK_BYTES);
    if (error == 0 && !box->has_failed)
        return DMS_OK;
    dms_box_empty(box);
    return error != 0
               ? dms_fail(st, DMS_EINTERNAL, "starting the thread of lp_solve: %s", strerror(error))
               : dms_fail(st, DMS_EINTERNAL, "out of memory: lp_solve");
}

void dms_box_empty(dms_box *box) {
    dms_heap_free(&box->heap);
}

/* Leaves lp_solve for good: everything it holds goes when dms_box_run returns. */
static void *or_leave(dms_box *box, void *object) {
    if (object != NULL)
        return object;
    box->has_failed = true;
    longjmp(box->out, 1);
}

void *dms_box_malloc(size_t bytes) {
    dms_box *box = box_here();
    return or_leave(box, dms_heap_resize(&box->heap, NULL, bytes));
}

void *dms_box_calloc(size_t n, size_t bytes) {
    uint64_t all;
    if (!dms_mul(n, bytes, &all))
        return or_leave(box_here(), NULL);
    return memset(dms_box_malloc((size_t)all), 0, (size_t)all);
}

/* As glibc has it: an object of no bytes is given back. */
void *dms_box_realloc(void *object, size_t bytes) {
    dms_box *box = box_here();
    if (object != NULL && bytes == 0) {
        dms_heap_drop(&box->heap, object);
        return NULL;
    }
    return or_leave(box, dms_heap_resize(&box->heap, object, bytes));
}

void dms_box_free(void *object) {
    dms_heap_drop(&box_here()->heap, object);
}

char *dms_box_strdup(const char *text) {
    const size_t bytes = strlen(text) + 1;
    return memcpy(dms_box_malloc(bytes), text, bytes);
}
