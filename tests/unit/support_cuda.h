/* support_cuda.h - sessions on the CUDA device, over the fake of tests/cuda.
 *
 * Reads    plans made by hand, a fake card.
 * Returns  an open session, or how opening it failed.
 * Cost     three threads of the fake per session.
 * Source   none.
 * Not here the assertions.
 */
#ifndef DMS_TESTS_SUPPORT_CUDA_H
#define DMS_TESTS_SUPPORT_CUDA_H

#include "fake_cuda.h"
#include "runtime/dms.h"

typedef struct dms_plan dms_plan;     /* schema/plan.h */
typedef struct run_case run_case;     /* support_run.h */
typedef struct chain_case chain_case; /* support_chain.h */

/* Turns a finished plan for the CPU into one for a card: what its prologue loads to the device, and
 * the tensors of the caller, go through the host. */
void cuda_plan(run_case *c);

/* The chain of support_chain.h, for a card. */
void cuda_chain(chain_case *c);

/* Opens a session on a plan that may be wrong, over a fake; *out is NULL where it is refused. */
dms_code cuda_open(const dms_plan *plan, dms_options options, fake_cuda *fake, dms_session **out,
                   dms_status *st);

/* The same for the chain, with its ports bound; fails the test where it is refused. */
dms_session *cuda_chain_open(chain_case *c, dms_options options, fake_cuda *fake);

/* Writes what the kernel of this machine makes of memory on node 0, as a device's note says it. */
void cuda_node_0(char out[64]);

/* Fails the test unless everything was given back; ends the fake. */
void cuda_end(fake_cuda *fake);

#endif
