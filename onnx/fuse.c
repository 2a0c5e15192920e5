/* fuse.c - which calls are joined, and where the joint call stands.
 *
 *     call   0  CONV  x        -> a           a has one reader (2), written before b's
 *            1  CONV  z        -> b           b has one reader (2), the last that 2 waits for
 *            2  add   a, b     -> c           joined into 1: what 2 reads is there when 1 runs
 *            3  relu  c        -> y           joined into 1
 *
 * Upwards: a reader joins the last producer that it waits for. Everything else that it reads is
 * older, so it may run there, and nothing lives longer for it. Downwards: a producer joins its
 * reader, and what the producer reads must live until there; that is done where it costs no more
 * bytes than the intermediate did.
 *
 * A joint call touches the operands of both, so its footprint is the larger one. The largest
 * footprint of a call before any joining is the limit, since it is what the smallest budget must
 * hold anyway, and a thousandth more: the norm behind the largest convolution has two numbers per
 * channel, 128 bytes beside 460 KB in mobilenet_v3; joined, the two take 45 us instead of 54. */
#include <string.h>

#include "onnx/fuse_internal.h"
#include "runtime/kernels/chain.h"
#include "schema/checked.h"

#define LITTLE 1000u /* a share of the floor for which nobody chooses another card */

/* What is known of a storage. Calls are indices into dms_lowered. */
typedef struct storage {
    uint32_t n_writers, writer; /* the last writing call */
    uint32_t n_uses, last_reader;
    bool is_output;
} storage;

typedef struct fusion {
    dms_graph *graph;
    dms_lowered *lowered;
    storage *storage;
    bool *is_gone; /* per call */
    uint64_t cell_bytes, limit_bytes;
} fusion;

static const dms_lowered_call *at(const fusion *f, uint32_t c) {
    return &f->lowered->call[c];
}

static bool is_activation(const fusion *f, uint32_t id) {
    return f->graph->tensor[id].origin == DMS_ORIGIN_NODE;
}

static uint64_t bytes_of(const fusion *f, uint32_t id) {
    return dms_view_bytes(&f->graph->tensor[id].view);
}

/* Bytes of a storage that one step needs. Weights that can be cut come cell by cell; a guess is
 * enough here, for it is made of the limit and of what is compared to it alike. */
static uint64_t step_bytes(const fusion *f, uint32_t id) {
    const uint64_t bytes = f->graph->tensor[id].bytes;
    if (!dms_tensor_is_constant(&f->graph->tensor[id]))
        return bytes_of(f, id);
    return bytes < f->cell_bytes ? bytes : f->cell_bytes;
}

/* Operands of a call that lie in a storage, inputs only. */
static uint32_t uses_in(const dms_lowered_call *low, uint32_t id) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < low->call.n_in; k++)
        n += low->operand[k].tensor == id;
    return n;
}

/* Operand k is the first one in its storage. */
static bool is_first_use(const dms_lowered_call *low, uint32_t k) {
    for (uint32_t j = 0; j < k; j++)
        if (low->operand[j].tensor == low->operand[k].tensor)
            return false;
    return true;
}

/* The call will be cut along a weight, so that its output is made cell by cell. Close calls count
 * as cut: the cells are chosen later, for layouts that may be a little larger. */
static bool is_cut(const fusion *f, const dms_lowered_call *low) {
    for (uint32_t k = 0; k < low->call.n_in; k++) {
        const dms_tensor *t = &f->graph->tensor[low->operand[k].tensor];
        if (dms_tensor_is_constant(t) && t->bytes > f->cell_bytes - f->cell_bytes / 8)
            return true;
    }
    return false;
}

/* y may take the place of an input that nobody else reads; not while y has cells, for the first of
 * them would replace what the others still read. */
static bool runs_in_place(const fusion *f, const dms_lowered_call *low) {
    const uint32_t y = low->operand[low->call.n_in].tensor;
    if (is_cut(f, low))
        return false;
    for (uint32_t k = 0; k < low->call.n_in; k++) {
        const uint32_t id = low->operand[k].tensor;
        if (is_activation(f, id) && f->storage[id].n_uses == 1 && !f->storage[id].is_output &&
            bytes_of(f, id) == bytes_of(f, y) && dms_call_in_place(&low->call, k, 0))
            return true;
    }
    return false;
}

/* Bytes that the step of a call must find on the device. */
static uint64_t footprint(const fusion *f, const dms_lowered_call *low) {
    uint64_t sum = dms_call_workspace(&low->call, DMS_DEVICE_CPU);
    for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++)
        if (is_first_use(low, k))
            sum += step_bytes(f, low->operand[k].tensor);
    if (low->call.n_out == 1 && runs_in_place(f, low))
        sum -= bytes_of(f, low->operand[low->call.n_in].tensor);
    return sum;
}

/* Uses, writers, and the limits that follow from all calls. */
static void survey(fusion *f) {
    uint64_t weights = 0;
    for (uint32_t c = 0; c < f->lowered->n_calls; c++) {
        const dms_lowered_call *low = at(f, c);
        for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++) {
            storage *s = &f->storage[low->operand[k].tensor];
            if (k < low->call.n_in) {
                s->n_uses++;
                s->last_reader = c;
            } else if (s->n_writers == 0 || s->writer != c) {
                s->n_writers++;
                s->writer = c;
            }
        }
    }
    for (uint32_t k = 0; k < f->graph->n_outputs; k++)
        f->storage[f->lowered->output[k]].is_output = true;
    for (uint32_t t = 0; t < f->graph->n_tensors; t++)
        if (f->storage[t].n_uses > 0 && dms_tensor_is_constant(&f->graph->tensor[t]))
            weights += f->graph->tensor[t].bytes;
    f->cell_bytes = weights / 128 < (64u << 10) ? 64u << 10 : weights / 128;
    f->limit_bytes = 0;
    for (uint32_t c = 0; c < f->lowered->n_calls; c++) {
        const uint64_t bytes = footprint(f, at(f, c));
        f->limit_bytes = bytes > f->limit_bytes ? bytes : f->limit_bytes;
    }
    f->limit_bytes += f->limit_bytes / LITTLE;
}

/* The intermediate can vanish: written once, by one call that writes nothing else, and read by
 * `reader` alone. */
static bool is_private(const fusion *f, uint32_t id, uint32_t reader) {
    const storage *s = &f->storage[id];
    return is_activation(f, id) && !s->is_output && s->n_writers == 1 &&
           at(f, s->writer)->call.n_out == 1 && s->n_uses == uses_in(at(f, reader), id);
}

/* Books the joint call in place `to` of the two calls. */
static void replace(fusion *f, uint32_t producer, uint32_t reader, uint32_t to,
                    const dms_lowered_call *joint) {
    const uint32_t gone[2] = {producer, reader};
    for (uint32_t g = 0; g < 2; g++)
        for (uint32_t k = 0; k < at(f, gone[g])->call.n_in; k++)
            f->storage[at(f, gone[g])->operand[k].tensor].n_uses--;
    for (uint32_t k = 0; k < joint->call.n_in; k++) {
        storage *s = &f->storage[joint->operand[k].tensor];
        s->n_uses++;
        s->last_reader = s->last_reader > to ? s->last_reader : to;
    }
    f->storage[joint->operand[joint->call.n_in].tensor].writer = to;
    f->is_gone[producer] = f->is_gone[reader] = true;
    f->is_gone[to] = false;
    f->lowered->call[to] = *joint;
}

/* Joins two calls at `to` where chain and footprint allow it. */
static dms_code join_at(fusion *f, uint32_t producer, uint32_t reader, uint32_t id, uint32_t to,
                        bool *out_done, dms_status *st) {
    dms_lowered_call joint;
    DMS_TRY(dms_fuse_join(f->graph, at(f, producer), at(f, reader), id, &joint, out_done, st));
    if (*out_done && footprint(f, &joint) > f->limit_bytes)
        *out_done = false;
    if (*out_done)
        replace(f, producer, reader, to, &joint);
    return DMS_OK;
}

/* The input whose writer comes last, or DMS_NONE where no call writes any. */
static uint32_t last_written(const fusion *f, const dms_lowered_call *low) {
    uint32_t best = DMS_NONE;
    for (uint32_t k = 0; k < low->call.n_in; k++) {
        const uint32_t id = low->operand[k].tensor;
        if (f->storage[id].n_writers > 0 &&
            (best == DMS_NONE || f->storage[id].writer > f->storage[best].writer))
            best = id;
    }
    return best;
}

/* Joins call `c` into the last producer that it waits for; `*c` becomes the joint call. */
static dms_code join_upwards(fusion *f, uint32_t *c, bool *out_done, dms_status *st) {
    const dms_lowered_call *low = at(f, *c);
    const uint32_t id = last_written(f, low);
    *out_done = false;
    if (id == DMS_NONE || !is_private(f, id, *c) || !dms_fuse_is_element_wise(&low->call) ||
        f->storage[low->operand[low->call.n_in].tensor].n_writers != 1)
        return DMS_OK;
    const uint32_t producer = f->storage[id].writer;
    DMS_TRY(join_at(f, producer, *c, id, producer, out_done, st));
    *c = *out_done ? producer : *c;
    return DMS_OK;
}

/* Bytes that live on until call `c` when their reader `producer` moves there; all ones where one of
 * them is written in between. */
static uint64_t bytes_kept_longer(const fusion *f, uint32_t producer, uint32_t c) {
    const dms_lowered_call *low = at(f, producer);
    uint64_t sum = 0;
    for (uint32_t k = 0; k < low->call.n_in; k++) {
        const uint32_t id = low->operand[k].tensor;
        const storage *s = &f->storage[id];
        if (s->n_writers > 0 && s->writer > producer)
            return UINT64_MAX;
        if (!dms_tensor_is_constant(&f->graph->tensor[id]) && is_first_use(low, k) &&
            s->last_reader < c && !s->is_output)
            sum += bytes_of(f, id);
    }
    return sum;
}

/* Joins one of the producers of call `c` into it, at its place. */
static dms_code join_downwards(fusion *f, uint32_t c, bool *out_done, dms_status *st) {
    *out_done = false;
    for (uint32_t k = 0; k < at(f, c)->call.n_in && !*out_done; k++) {
        const uint32_t id = at(f, c)->operand[k].tensor;
        if (!is_private(f, id, c))
            continue;
        const uint32_t producer = f->storage[id].writer;
        if (dms_fuse_is_element_wise(&at(f, producer)->call) &&
            bytes_kept_longer(f, producer, c) <= bytes_of(f, id))
            DMS_TRY(join_at(f, producer, c, id, c, out_done, st));
    }
    return DMS_OK;
}

/* Everything that can be joined with call `c`, whose producers have all been seen. A join may make
 * an intermediate private that was not, so it is tried again. */
static dms_code join_all(fusion *f, uint32_t c, dms_status *st) {
    for (bool is_done = true; is_done;) {
        DMS_TRY(join_upwards(f, &c, &is_done, st));
        if (!is_done && dms_chain_is_in(&at(f, c)->call))
            DMS_TRY(join_downwards(f, c, &is_done, st));
        else if (!is_done && dms_fuse_is_element_wise(&at(f, c)->call))
            DMS_TRY(join_downwards(f, c, &is_done, st));
    }
    return DMS_OK;
}

dms_code dms_graph_fuse(dms_graph *graph, dms_lowered *lowered, dms_status *st) {
    fusion f = {.graph = graph, .lowered = lowered};
    DMS_TRY(dms_alloc_st(graph->arena, graph->n_tensors, sizeof *f.storage, "storages", &f.storage,
                         st));
    DMS_TRY(
        dms_alloc_st(graph->arena, lowered->n_calls, sizeof *f.is_gone, "calls", &f.is_gone, st));
    survey(&f);
    for (uint32_t c = 0; c < lowered->n_calls; c++)
        if (!f.is_gone[c])
            DMS_TRY(join_all(&f, c, st));
    uint32_t n = 0;
    for (uint32_t c = 0; c < lowered->n_calls; c++)
        if (!f.is_gone[c])
            lowered->call[n++] = lowered->call[c];
    lowered->n_calls = n;
    return DMS_OK;
}
