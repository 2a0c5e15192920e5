/* support_steps.c - the guest runs on the stack of the host, and leaves it by a jump. */
#include "support_steps.h"

#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#define MOST_YIELDS 3000 /* who has yielded so often waits for the other */

/* One run. */
static struct {
    const steps_case *c;
    uint32_t at, n_steps, n_yields;
    bool is_guest, has_come, came_at_step;
    const void *bed; /* the word that the host or the guest sleeps on */
    bool is_lost;
    jmp_buf door; /* where a guest that sleeps leaves to */
    jmp_buf end;  /* where a host that sleeps for ever leaves to */
} the;

static void let_guest_in(void) {
    the.is_guest = the.has_come = true;
    the.n_yields = 0;
    if (setjmp(the.door) == 0)
        the.c->guest();
    the.is_guest = false;
    the.n_yields = 0;
}

void steps_step(void) {
    if (the.is_guest || ++the.n_steps != the.at || the.has_come)
        return;
    the.came_at_step = true;
    let_guest_in();
}

/* The kernel looks at the word once more; then the thread sleeps until somebody wakes it. A host
 * sleeps until the guest comes; when that was before, for ever. */
void steps_sleep_on(const void *word, uint32_t seen) {
    if (__atomic_load_n((const uint32_t *)word, __ATOMIC_SEQ_CST) != seen)
        return;
    const bool guest_sleeps = the.bed != NULL;
    the.bed = word;
    if (the.is_guest)
        longjmp(the.door, 1);
    if (!the.has_come)
        let_guest_in();
    if (the.bed != NULL || guest_sleeps) {
        the.is_lost = true;
        longjmp(the.end, 1);
    }
}

void steps_wake_up(const void *word) {
    if (the.bed == word)
        the.bed = NULL;
}

int steps_yield(void) {
    if (++the.n_yields < MOST_YIELDS)
        return 0;
    if (the.is_guest)
        longjmp(the.door, 1);
    if (!the.has_come)
        let_guest_in();
    the.n_yields = 0;
    return 0;
}

uint32_t steps_everywhere(const steps_case *c, uint32_t *out_at) {
    uint32_t *at = out_at;
    *at = 0;
    do {
        ++*at;
        memset(&the, 0, sizeof the);
        c->begin();
        the.c = c;
        the.n_steps = 0; /* what begin did does not count */
        the.at = *at;
        if (setjmp(the.end) == 0)
            c->host();
        if (the.is_lost || the.bed != NULL)
            return 0;
    } while (the.came_at_step);
    return *at - 1;
}
