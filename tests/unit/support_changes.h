/* support_changes.h - thousands of changed plans: each is refused, or does what it says.
 *
 * Reads    a good plan as a file, a seed.
 * Returns  how many changes of each kind ended how, and a sentence about each that went wrong.
 * Cost     one proof per change, one or two runs per change that passes.
 * Source   none.
 * Not here the changes themselves (support_change.h).
 *
 * What must hold of a changed plan that reader and checker let pass, by the meaning that the
 * checker finds in it (P5), which is computed anew and not what the plan claims:
 *
 *     the good plan's   it runs with poison in every byte of the arenas, its commands delayed
 *                       at random, and its outputs have the good plan's bits in every turn
 *     another           two runs agree in how they end and in every bit, one on two threads with
 *                       poison, one on one thread without, outputs filled differently before
 *
 * In both cases it may end with a message instead, before anything ran: the files are not those of
 * the plan, or this machine cannot take it. A plan keeps its claim in half of the changes (so that
 * a change of meaning is refused) and claims nothing in the other half. Two
 * things are no part of the meaning, and count as another one here: where a packed cell lies, and
 * which files are made up, in a run that makes up files (the good plan's were missing).
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_CHANGES_H
#define DMS_TESTS_UNIT_SUPPORT_CHANGES_H

#include <stdio.h>

#include "support_change.h"

/* What became of the changes of one kind. */
typedef struct changes_count {
    uint32_t none;         /* the change left the plan's bytes as they were */
    uint32_t reader;       /* cannot be written, or the reader refuses it */
    uint32_t property[11]; /* the checker refuses it: [k] by P<k> */
    uint32_t slow;         /* passes, but large or slow: not run */
    uint32_t run;          /* refused before anything ran: files, machine */
    uint32_t equal;        /* runs, the good plan's bits */
    uint32_t other;        /* means something else: two runs agree */
    uint32_t wrong;
} changes_count;

typedef struct changes_case {
    const uint8_t *data; /* the good plan, a file as dmsc writes it */
    uint64_t size;
    const char *name;               /* what it is called in messages */
    const char *folder, *model_dir; /* see replay_case */
    uint64_t seed;
    uint32_t rounds;
    FILE *report; /* sentences about what is wrong */
    changes_count count[N_CHANGES];
} changes_case;

/* Makes `rounds` changed plans, each with one change of its kind, every second one with a further
 * change of any kind; adds up in c->count. False where the good plan itself does not run. */
bool changes_run(changes_case *c);

/* All that reader and checker refused. */
uint32_t changes_refused(const changes_count *count);

/* Prints one line per kind and the sums; returns how many changes went wrong. */
uint32_t changes_print(const changes_count count[N_CHANGES], FILE *out);

#endif
