/* plan.c - cells of a tensor, and the container: magic, version, length, checksum, message.
 *
 *     0         8         12        16        24                 40
 *     | DMSPLAN\n | version | 0 0 0 0 | length  | checksum lo, hi  | message ...
 */
#include "plan_internal.h"

#include <inttypes.h>
#include <string.h>

#include "schema/checked.h"

static const char MAGIC[8] = {'D', 'M', 'S', 'P', 'L', 'A', 'N', '\n'};

#define CHECKED_HEADER_BYTES 24u /* what the checksum covers of the header */
/* A message costs up to 10 times its bytes in protobuf-c (a view: 112 for 12), columns 4 times. */
#define MEMORY_PER_BYTE 16u
#define SLACK_BYTES (1024u * 1024u)

uint32_t dms_plan_cells(const dms_plan_tensor *tensor) {
    if (tensor->cell_len <= 0)
        return 1;
    const int64_t dim = tensor->stored.dim[tensor->cell_axis];
    return (uint32_t)(dim / tensor->cell_len + (dim % tensor->cell_len != 0));
}

dms_view dms_plan_cell_view(const dms_plan_tensor *tensor, uint32_t first, uint32_t n) {
    int64_t dim[DMS_MAX_RANK];
    memcpy(dim, tensor->stored.dim, sizeof dim);
    if (tensor->cell_len > 0) {
        const int64_t from = (int64_t)first * tensor->cell_len;
        const int64_t rest = dim[tensor->cell_axis] - from;
        dim[tensor->cell_axis] = rest / tensor->cell_len < n ? rest : n * tensor->cell_len;
    }
    dms_view view = {0};
    (void)dms_view_dense(tensor->stored.dtype, tensor->stored.rank, dim, &view);
    return view;
}

uint64_t dms_plan_buffer_bytes(const dms_plan_tensor *tensor, uint32_t cell) {
    const dms_view view = tensor->is_split ? dms_plan_cell_view(tensor, cell, 1) : tensor->stored;
    return dms_view_bytes(&view);
}

int64_t dms_plan_cell_offset(const dms_plan_tensor *tensor, uint32_t first) {
    if (tensor->is_split || tensor->cell_len <= 0)
        return 0;
    return (int64_t)first * tensor->cell_len * tensor->stored.pitch[tensor->cell_axis];
}

/* Larger pieces copy no faster, and 4 MiB are little beside any card's models. */
#define STAGE_BYTES (4u << 20)

uint64_t dms_plan_stage_bytes(uint64_t largest) {
    return largest < STAGE_BYTES ? (largest + DMS_ALIGN - 1) / DMS_ALIGN * DMS_ALIGN : STAGE_BYTES;
}

/* Cells are equally long but for the last one, which is shorter: the first is a largest one. */
uint64_t dms_plan_stage_larger(uint64_t largest, const dms_plan_tensor *tensor) {
    const uint64_t bytes = tensor == NULL ? 0 : dms_plan_buffer_bytes(tensor, 0);
    return bytes > largest ? bytes : largest;
}

static uint64_t largest_of(const dms_plan *plan, const dms_port *port, uint32_t n) {
    uint64_t largest = 0;
    for (uint32_t k = 0; k < n; k++)
        largest = dms_plan_stage_larger(
            largest, port[k].tensor == DMS_NONE ? NULL : &plan->tensor[port[k].tensor]);
    return largest;
}

dms_plan_stage dms_plan_stage_of(const dms_plan *plan) {
    dms_plan_stage stage = {0};
    if (plan->device_kind == 0)
        return stage;
    stage.in_bytes = dms_plan_stage_bytes(largest_of(plan, plan->input, plan->n_inputs));
    stage.out_bytes = dms_plan_stage_bytes(largest_of(plan, plan->output, plan->n_outputs));
    return stage;
}

uint64_t dms_plan_stage_all(const dms_plan *plan) {
    const dms_plan_stage stage = dms_plan_stage_of(plan);
    return stage.in_bytes + stage.out_bytes;
}

const char *dms_queue_name(dms_queue queue) {
    static const char *const names[DMS_N_QUEUES] = {"compute", "in", "out", "load", "store"};
    return (unsigned)queue < DMS_N_QUEUES ? names[queue] : "?";
}

/* Little-endian integers, whatever the machine. */
static void put_le(uint8_t *out, uint64_t value, uint32_t bytes) {
    for (uint32_t k = 0; k < bytes; k++)
        out[k] = (uint8_t)(value >> (8 * k));
}

static uint64_t get_le(const uint8_t *in, uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t k = 0; k < bytes; k++)
        value |= (uint64_t)in[k] << (8 * k);
    return value;
}

/* Joined from two hashes, so that neither part has to be copied behind the other. */
static dms_hash checksum(const uint8_t *header, const uint8_t *message, uint64_t size) {
    return dms_hash_join(dms_hash_bytes(header, CHECKED_HEADER_BYTES, 0),
                         dms_hash_bytes(message, size, 0));
}

dms_code dms_plan_encode(const dms_plan *plan, dms_arena *arena, uint8_t **out_data,
                         uint64_t *out_size, dms_status *st) {
    dms_arena own = {0};
    Dms__Plan *message = NULL;
    uint8_t *data = NULL;
    uint64_t length = 0;
    dms_code code = dms_plan_to_message(plan, &own, &message, st);
    if (code == DMS_OK) {
        length = dms__plan__get_packed_size(message);
        code = dms_alloc_st(arena, DMS_PLAN_HEADER_BYTES + length, 1, "plan file", &data, st);
    }
    if (code == DMS_OK) {
        memcpy(data, MAGIC, sizeof MAGIC);
        put_le(data + 8, DMS_PLAN_VERSION, 4);
        put_le(data + 16, length, 8);
        (void)dms__plan__pack(message, data + DMS_PLAN_HEADER_BYTES);
        const dms_hash sum = checksum(data, data + DMS_PLAN_HEADER_BYTES, length);
        put_le(data + 24, sum.lo, 8);
        put_le(data + 32, sum.hi, 8);
        *out_data = data;
        *out_size = DMS_PLAN_HEADER_BYTES + length;
    }
    dms_arena_free(&own);
    return code;
}

/* Checks the 40 bytes in front and that the message follows whole and unchanged. */
static dms_code check_container(const uint8_t *data, uint64_t size, dms_status *st) {
    if (size < sizeof MAGIC || memcmp(data, MAGIC, sizeof MAGIC) != 0)
        return dms_fail(st, DMS_EPLAN, "not a plan: the file does not begin with \"DMSPLAN\"");
    if (size < DMS_PLAN_HEADER_BYTES)
        return dms_fail(st, DMS_EPLAN, "damaged plan: %" PRIu64 " bytes, the header has %u", size,
                        DMS_PLAN_HEADER_BYTES);
    const uint64_t version = get_le(data + 8, 4), length = get_le(data + 16, 8);
    if (version != DMS_PLAN_VERSION)
        return dms_fail(st, DMS_EPLAN,
                        "plan format version %" PRIu64 "; this build reads version %u: "
                        "compile the model again",
                        version, DMS_PLAN_VERSION);
    if (get_le(data + 12, 4) != 0)
        return dms_fail(st, DMS_EPLAN, "damaged plan: the reserved word is not 0");
    if (length != size - DMS_PLAN_HEADER_BYTES)
        return dms_fail(st, DMS_EPLAN,
                        "damaged plan: %" PRIu64 " bytes follow the header, it says %" PRIu64,
                        size - DMS_PLAN_HEADER_BYTES, length);
    const dms_hash found = checksum(data, data + DMS_PLAN_HEADER_BYTES, length);
    const dms_hash told = {get_le(data + 24, 8), get_le(data + 32, 8)};
    if (!dms_hash_equal(found, told))
        return dms_fail(st, DMS_EPLAN, "damaged plan: the checksum does not match");
    return DMS_OK;
}

/* What protobuf-c may take: it believes the counts in the message, so the total is bounded here. */
typedef struct budget {
    dms_arena arena;
    uint64_t left_bytes;
    bool is_passed;
} budget;

/* NULL makes protobuf-c give up and free what it has. */
static void *take(void *data, size_t size) {
    budget *b = data;
    if (size > b->left_bytes) {
        b->is_passed = true;
        return NULL;
    }
    b->left_bytes -= size;
    return dms_alloc(&b->arena, size, 1);
}

/* Single objects are not given back: the arena goes as a whole. */
static void give_back(void *data, void *pointer) {
    (void)data;
    (void)pointer;
}

dms_code dms_plan_decode(const uint8_t *data, uint64_t size, dms_arena *arena, dms_plan *out_plan,
                         dms_status *st) {
    DMS_TRY(check_container(data, size, st));
    budget b = {.left_bytes = MEMORY_PER_BYTE * size + SLACK_BYTES};
    ProtobufCAllocator allocator = {take, give_back, &b};
    const dms_arena_mark mark = dms_arena_here(arena);
    const Dms__Plan *message = dms__plan__unpack(&allocator, (size_t)size - DMS_PLAN_HEADER_BYTES,
                                                 data + DMS_PLAN_HEADER_BYTES);
    dms_plan plan = {0};
    dms_code code;
    if (message != NULL)
        code = dms_plan_from_message(message, arena, &plan, st);
    else if (b.is_passed)
        code = dms_fail(st, DMS_EPLAN, "the plan wants more memory than %u x its size + 1 MiB",
                        MEMORY_PER_BYTE);
    else if (b.arena.has_failed)
        code = dms_fail(st, DMS_EINTERNAL, "out of memory: decoding the plan");
    else
        code = dms_fail(st, DMS_EPLAN, "damaged plan: the message cannot be decoded");
    dms_arena_free(&b.arena);
    if (code == DMS_OK)
        *out_plan = plan;
    else
        dms_arena_release(arena, mark);
    return code;
}
