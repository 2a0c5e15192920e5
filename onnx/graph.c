/* graph.c - tensors of a graph: adding, sizes, and the bytes of constants.
 *
 * Tables grow by moving: a pointer into graph->tensor holds until the next tensor is added, an id
 * for ever. Constants in files are read anew at each call; folding keeps what it needs.
 */
#include "onnx/graph.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "onnx/files.h"
#include "schema/checked.h"

bool dms_tensor_is_constant(const dms_tensor *tensor) {
    return tensor->origin == DMS_ORIGIN_FILE || tensor->origin == DMS_ORIGIN_MADE ||
           tensor->origin == DMS_ORIGIN_FILL;
}

dms_code dms_tensor_bytes(const dms_tensor *tensor, uint64_t *out_bytes, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    dms_view view;
    for (uint32_t k = 0; k < tensor->rank && k < DMS_MAX_RANK; k++)
        dim[k] = tensor->dim[k].hi;
    if (!dms_view_dense(tensor->dtype, tensor->rank, dim, &view))
        return dms_dtype_bytes(tensor->dtype) == 0
                   ? dms_fail(st, DMS_EUNSUPPORTED,
                              "tensor '%.120s': data type %s is not supported", tensor->name,
                              dms_dtype_name(tensor->dtype))
                   : dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': its size exceeds 63 bits",
                              tensor->name);
    *out_bytes = dms_view_bytes(&view);
    return DMS_OK;
}

dms_code dms_graph_add_tensor(dms_graph *graph, const char *name, uint32_t *out, dms_status *st) {
    DMS_TRY(dms_grow(graph->arena, &graph->tensor, &graph->cap_tensors,
                     (uint64_t)graph->n_tensors + 1, sizeof *graph->tensor, st));
    const uint32_t id = graph->n_tensors++;
    graph->tensor[id] = (dms_tensor){.name = name, .producer = DMS_NONE, .storage = id};
    *out = id;
    return DMS_OK;
}

dms_code dms_graph_add_constant(dms_graph *graph, const char *name, dms_dtype dtype, uint32_t rank,
                                const int64_t *dim, const void *data, uint32_t *out,
                                dms_status *st) {
    uint32_t id;
    DMS_TRY(dms_graph_add_tensor(graph, name, &id, st));
    dms_tensor *t = &graph->tensor[id];
    t->origin = DMS_ORIGIN_MADE;
    t->dtype = dtype;
    t->has_shape = true;
    t->rank = rank;
    for (uint32_t k = 0; k < rank && k < DMS_MAX_RANK; k++)
        t->dim[k] = (dms_dim){dim[k], dim[k]};
    t->data = data;
    DMS_TRY(dms_tensor_bytes(t, &t->bytes, st));
    *out = id;
    return DMS_OK;
}

dms_code dms_constant_read(const dms_graph *graph, uint32_t tensor, uint64_t limit_bytes,
                           dms_arena *arena, const uint8_t **out_data, dms_status *st) {
    const dms_tensor *t = &graph->tensor[tensor];
    if (t->origin == DMS_ORIGIN_MADE) {
        *out_data = t->data != NULL ? t->data : (const uint8_t *)""; /* of no bytes */
        return DMS_OK;
    }
    const bool is_fill = t->origin == DMS_ORIGIN_FILL;
    if ((t->origin != DMS_ORIGIN_FILE && !is_fill) || t->bytes > limit_bytes)
        return dms_fail(st, DMS_EINTERNAL,
                        "tensor '%.120s': %" PRIu64 " bytes are no constant "
                        "that can be read here",
                        t->name, t->bytes);
    int fd;
    uint8_t *data;
    DMS_TRY(dms_alloc_st(arena, t->bytes, 1, "a constant", &data, st));
    if (is_fill) {
        const uint32_t size = dms_dtype_bytes(t->dtype);
        for (uint64_t at = 0; at < t->bytes; at += size)
            memcpy(data + at, t->data, size);
        *out_data = data;
        return DMS_OK;
    }
    DMS_TRY(dms_file_open(graph, t->file, &fd, st));
    const dms_code code = dms_read_at(fd, graph->file[t->file].name, t->offset, data, t->bytes, st);
    (void)close(fd);
    if (code != DMS_OK)
        return dms_context(st, "tensor '%.120s'", t->name);
    *out_data = data;
    return DMS_OK;
}
