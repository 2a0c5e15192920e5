/* support_interleave.c - queues, the user, and memory that is put back.
 *
 *     device arena | host arena | spot, user set 0, user set 1 | images of 4 commands
 *
 * All of it together is a state. Positions only grow, so the graph of states has no cycle, and the
 * orders from a state on are the sum over its moves.
 */
#include "support_interleave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/device.h"
#include "runtime/session.h"
#include "runtime/storage.h"

#define LANES 4u /* compute, in, out, load */
#define START LANES
#define WAIT (LANES + 1)
#define MOVES (LANES + 2)
#define GARBAGE 0xff
#define PIECES 4u /* of a state */
#define MOST_STRETCHES 4096
#define MOST_DEPTH 4096

/* Where a queue stands. */
typedef struct lane {
    uint64_t published;
    uint32_t turn, index, is_running, zero;
} lane;

/* Where everybody stands. */
typedef struct spot {
    lane lane[LANES];
    uint32_t is_body, n_started, n_waited, zero;
} spot;

/* Bytes side by side that a command writes. */
typedef struct stretch {
    uint8_t *at;
    uint64_t bytes;
} stretch;

/* A state that was visited, and the orders from there on. */
typedef struct seen {
    dms_hash key;
    double n_orders;
} seen;

typedef struct interleave machine;

struct interleave {
    const interleave_case *c;
    const dms_plan *plan;
    dms_plan on_cpu; /* the same tables and commands, for the device that is here */
    dms_session *session;
    uint8_t *piece[PIECES]; /* device arena, host arena, spot and users, images */
    uint64_t bytes[PIECES];
    spot *spot;
    uint8_t *user[2], *image[LANES], *scratch;
    uint64_t input_at[INTERLEAVE_PORTS], output_at[INTERLEAVE_PORTS], user_bytes, image_bytes;
    stretch stretch[MOST_STRETCHES];
    uint32_t n_stretches;
    seen *table;
    uint64_t n_table; /* a power of 2 */
    uint8_t *saved[MOST_DEPTH];
    uint8_t path[MOST_DEPTH];
    uint64_t random, saved_bytes;
    uint32_t own_end[LANES]; /* one past the last command that is not ahead */
    interleave_result result;
};

static uint64_t mix(uint64_t a, uint64_t b) {
    const uint64_t word[2] = {a, b};
    return dms_hash_bytes(word, sizeof word, 5).lo;
}

static uint64_t next_random(machine *m) {
    return m->random = mix(m->random, 1);
}

static const dms_program *program_of(const machine *m) {
    return m->spot->is_body != 0 ? &m->plan->body : &m->plan->prologue;
}

static uint32_t turns_of(const machine *m) {
    return m->spot->is_body != 0 ? m->c->n_turns : 1;
}

/* ---- what a command writes ---- */

static void add_stretch(machine *m, uint8_t *at, uint64_t bytes) {
    assert_true(m->n_stretches < MOST_STRETCHES);
    m->stretch[m->n_stretches++] = (stretch){at, bytes};
}

/* Elements of a view whose element 0 lies at `base`, run by run along the last axis. */
static void add_view(machine *m, uint8_t *base, const dms_view *view, const int64_t *pitch) {
    const uint64_t size = dms_dtype_bytes(view->dtype);
    const int64_t count = dms_view_count(view);
    const bool is_run = view->rank > 0 && pitch[view->rank - 1] == 1;
    const int64_t len = is_run ? view->dim[view->rank - 1] : 1;
    for (int64_t flat = 0; flat < count; flat += len) {
        int64_t rest = flat, at = 0;
        for (uint32_t k = view->rank; k-- > 0; rest /= view->dim[k])
            at += rest % view->dim[k] * pitch[k];
        add_stretch(m, base + (uint64_t)at * size, (uint64_t)len * size);
    }
}

static uint8_t *buffer_at(const machine *m, uint32_t buffer) {
    const dms_buffer *b = &m->plan->buffer[buffer];
    return m->piece[b->arena == DMS_TIER_DEVICE ? 0 : 1] + b->offset;
}

static void add_results(machine *m, const dms_cmd *cmd) {
    const dms_plan_call *call = &m->plan->call[cmd->call];
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++) {
        const dms_operand *o = &cmd->operand[k];
        const dms_view *view = &call->view[k];
        const dms_plan_tensor *t = &m->plan->tensor[m->plan->buffer[o->buffer].tensor];
        const int64_t first = dms_plan_cell_offset(t, o->first) + view->offset;
        add_view(m, buffer_at(m, o->buffer) + (uint64_t)first * dms_dtype_bytes(view->dtype), view,
                 view->pitch);
    }
}

static void add_loaded(machine *m, const dms_cmd *cmd) {
    const dms_plan_tensor *t = &m->plan->tensor[m->plan->buffer[cmd->to].tensor];
    const uint32_t cell = cmd->from - t->first_source;
    const dms_view view = dms_plan_cell_view(t, cell, 1);
    const uint64_t at = (uint64_t)dms_plan_cell_offset(t, cell) * dms_dtype_bytes(view.dtype);
    add_view(m, buffer_at(m, cmd->to) + at, &view, t->is_split ? view.pitch : t->stored.pitch);
}

/* The tests' outputs are dense, and as wide as the tensor. */
static void add_sent(machine *m, const dms_cmd *cmd, uint32_t turn) {
    const dms_buffer *b = &m->plan->buffer[cmd->from];
    const dms_plan_tensor *t = &m->plan->tensor[b->tensor];
    uint8_t *base = m->user[turn & 1] + m->output_at[cmd->to];
    const bool is_cell = t->is_split && t->cell_len > 0;
    const dms_view view = is_cell ? dms_plan_cell_view(t, b->cell, 1) : t->stored;
    const int64_t first =
        is_cell ? (int64_t)b->cell * t->cell_len * t->stored.pitch[t->cell_axis] : 0;
    add_view(m, base + (uint64_t)first * dms_dtype_bytes(view.dtype), &view, t->stored.pitch);
}

/* Lists what the command writes, without its workspace; returns the bytes. */
static uint64_t list_writes(machine *m, const dms_cmd *cmd, uint32_t turn) {
    m->n_stretches = 0;
    switch (cmd->kind) {
    case DMS_CMD_CALL:
        add_results(m, cmd);
        break;
    case DMS_CMD_COPY:
        add_stretch(m, buffer_at(m, cmd->to), m->plan->buffer[cmd->to].bytes);
        break;
    case DMS_CMD_FROM_USER: {
        const dms_buffer *b = &m->plan->buffer[cmd->to];
        add_stretch(m, buffer_at(m, cmd->to),
                    dms_plan_buffer_bytes(&m->plan->tensor[b->tensor], b->cell));
        break;
    }
    case DMS_CMD_TO_USER:
        add_sent(m, cmd, turn);
        break;
    case DMS_CMD_LOAD:
        add_loaded(m, cmd);
        break;
    case DMS_N_CMD_KINDS:
        fail_msg("a command of no kind");
    }
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < m->n_stretches; k++)
        bytes += m->stretch[k].bytes;
    return bytes;
}

/* ---- how it takes effect ---- */

typedef enum part_kind { TAKE, PUT, SPOIL } part_kind;

/* Takes, puts back or spoils bytes [first, end) of what the stretches hold, as one row of bytes. */
static void on_stretches(machine *m, part_kind what, uint8_t *row, uint64_t first, uint64_t end) {
    uint64_t at = 0;
    for (uint32_t k = 0; k < m->n_stretches; at += m->stretch[k++].bytes) {
        const uint64_t from = at > first ? at : first;
        const uint64_t last = at + m->stretch[k].bytes, to = last < end ? last : end;
        if (from >= to)
            continue;
        uint8_t *memory = m->stretch[k].at + (from - at);
        if (what == TAKE)
            memcpy(row + from, memory, to - from);
        else if (what == PUT)
            memcpy(memory, row + from, to - from);
        else
            memset(memory, GARBAGE, to - from);
    }
}

static void run_now(machine *m, const dms_cmd *cmd, uint32_t turn) {
    uint64_t bytes;
    dms_status st;
    if (dms_engine_command(m->session, cmd, &m->session->of_turn[turn & 1], &bytes, &st) != DMS_OK)
        fail_msg("a command failed: %s", st.msg);
}

static interleave_effect effect_of(const machine *m, uint32_t q) {
    if (m->c->effect != INTERLEAVE_MIXED)
        return m->c->effect;
    const lane *l = &m->spot->lane[q];
    const uint64_t place = ((uint64_t)l->turn << 32) + ((uint64_t)l->index << 8) + q;
    return (interleave_effect)(mix(m->c->seed, place) % 3);
}

/* A torn command runs twice: here, for the half that it writes now; what was there before is kept
 * for the second time, because a command in place reads it. */
static void begin_command(machine *m, uint32_t q, const dms_cmd *cmd) {
    const uint32_t turn = m->spot->lane[q].turn;
    const interleave_effect effect = effect_of(m, q);
    if (effect == INTERLEAVE_LATE)
        return;
    if (effect == INTERLEAVE_EARLY) {
        run_now(m, cmd, turn);
        return;
    }
    const uint64_t bytes = list_writes(m, cmd, turn);
    on_stretches(m, TAKE, m->image[q], 0, bytes);
    run_now(m, cmd, turn);
    on_stretches(m, SPOIL, NULL, bytes / 2, bytes);
}

static void end_command(machine *m, uint32_t q, const dms_cmd *cmd) {
    const uint32_t turn = m->spot->lane[q].turn;
    const interleave_effect effect = effect_of(m, q);
    if (effect == INTERLEAVE_LATE)
        run_now(m, cmd, turn);
    if (effect != INTERLEAVE_TORN)
        return;
    const uint64_t bytes = list_writes(m, cmd, turn);
    on_stretches(m, TAKE, m->scratch, 0, bytes);
    on_stretches(m, PUT, m->image[q], 0, bytes);
    run_now(m, cmd, turn);
    on_stretches(m, PUT, m->scratch, 0, bytes / 2);
    memset(m->image[q], 0, m->image_bytes);
}

/* ---- moves ---- */

static bool waits_are_met(const machine *m, const lane *l, const dms_cmd *cmd) {
    const dms_program *program = program_of(m);
    for (uint32_t q = 0; q < LANES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE || l->turn < cmd->wait_back[q])
            continue;
        const uint64_t turn = l->turn - cmd->wait_back[q];
        if (m->spot->lane[q].published < turn * program->n_cmds[q] + cmd->wait_cmd[q] + 1)
            return false;
    }
    return true;
}

/* Own work of the oldest turn under way is published. */
static bool turn_is_over(const machine *m) {
    for (uint32_t q = 0; q < LANES; q++) {
        const uint32_t own = m->own_end[q];
        const uint64_t value = (uint64_t)m->spot->n_waited * m->plan->body.n_cmds[q] + own;
        if (own != 0 && m->spot->lane[q].published < value)
            return false;
    }
    return true;
}

static bool can_move(const machine *m, uint32_t move) {
    const spot *s = m->spot;
    if (move == START)
        return s->is_body && s->n_started < m->c->n_turns &&
               s->n_started - s->n_waited < m->c->most_under_way;
    if (move == WAIT)
        return s->n_waited < s->n_started && turn_is_over(m);
    const lane *l = &s->lane[move];
    if (program_of(m)->n_cmds[move] == 0 || l->turn == turns_of(m))
        return false;
    if (l->is_running)
        return true;
    if (s->is_body && l->turn >= s->n_started)
        return false;
    return waits_are_met(m, l, &program_of(m)->cmd[move][l->index]);
}

/* Counts a command that has ended, as run_pass of the engine does. */
static void finish(machine *m, uint32_t q) {
    lane *l = &m->spot->lane[q];
    const uint32_t n = program_of(m)->n_cmds[q], k = l->index;
    l->is_running = 0;
    if (program_of(m)->cmd[q][k].is_signal || k + 1 == n || k + 1 == m->own_end[q])
        l->published = (uint64_t)l->turn * n + k + 1;
    l->index = (k + 1) % n;
    l->turn += l->index == 0;
}

/* The prologue ends before turn 0 begins. */
static void leave_prologue(machine *m) {
    if (m->spot->is_body)
        return;
    for (uint32_t q = 0; q < LANES; q++)
        if (m->plan->prologue.n_cmds[q] != 0 && m->spot->lane[q].turn == 0)
            return;
    memset(m->spot, 0, sizeof *m->spot);
    m->spot->is_body = 1;
}

static void move_lane(machine *m, uint32_t q) {
    lane *l = &m->spot->lane[q];
    const dms_cmd *cmd = &program_of(m)->cmd[q][l->index];
    const bool is_last = m->spot->is_body && !m->c->is_endless && l->turn + 1 == m->c->n_turns;
    if (!l->is_running && !(cmd->is_ahead && is_last)) {
        begin_command(m, q, cmd);
        l->is_running = 1;
        return;
    }
    if (l->is_running)
        end_command(m, q, cmd);
    finish(m, q);
    leave_prologue(m);
}

/* The user gives a turn its inputs; nothing is in its outputs yet. */
static void start_turn(machine *m) {
    const uint32_t turn = m->spot->n_started++;
    uint8_t *user = m->user[turn & 1];
    memset(user, GARBAGE, m->user_bytes);
    for (uint32_t k = 0; k < m->plan->n_inputs; k++)
        memcpy(user + m->input_at[k], m->c->input[turn][k],
               dms_view_bytes(&m->plan->input[k].view));
}

/* The user looks at a turn's outputs and uses all of its memory for something else; false where
 * they are not what they should be. */
static bool wait_turn(machine *m) {
    const uint32_t turn = m->spot->n_waited++;
    uint8_t *user = m->user[turn & 1];
    bool is_right = true;
    for (uint32_t k = 0; k < m->plan->n_outputs; k++)
        is_right &= memcmp(user + m->output_at[k], m->c->want[turn][k],
                           dms_view_bytes(&m->plan->output[k].view)) == 0;
    memset(user, GARBAGE, m->user_bytes);
    return is_right;
}

/* False where a turn ended with other bits. */
static bool do_move(machine *m, uint32_t move) {
    m->result.n_moves++;
    if (move == WAIT)
        return wait_turn(m);
    if (move == START)
        start_turn(m);
    else
        move_lane(m, move);
    return true;
}

static bool is_through(const machine *m) {
    for (uint32_t q = 0; q < LANES; q++)
        if (m->plan->body.n_cmds[q] != 0 && m->spot->lane[q].turn != m->c->n_turns)
            return false;
    return m->spot->is_body && m->spot->n_waited == m->c->n_turns;
}

/* ---- states ---- */

static dms_hash key_of(const machine *m) {
    dms_hash key = {1, 2};
    for (uint32_t k = 0; k < PIECES; k++)
        key = dms_hash_join(key, dms_hash_bytes(m->piece[k], m->bytes[k], k));
    return key;
}

/* The place of a key, or where it should stand. */
static seen *find(machine *m, dms_hash key) {
    uint64_t at = key.lo & (m->n_table - 1);
    while ((m->table[at].key.lo | m->table[at].key.hi) != 0 &&
           !dms_hash_equal(m->table[at].key, key))
        at = (at + 1) & (m->n_table - 1);
    return &m->table[at];
}

static void grow_table(machine *m) {
    seen *old = m->table;
    const uint64_t n = m->n_table;
    m->n_table = n == 0 ? 1024 : 4 * n;
    m->table = calloc(m->n_table, sizeof *m->table);
    assert_non_null(m->table);
    for (uint64_t k = 0; k < n; k++)
        if ((old[k].key.lo | old[k].key.hi) != 0)
            *find(m, old[k].key) = old[k];
    free(old);
}

static void save(machine *m, uint32_t depth) {
    assert_true(depth < MOST_DEPTH);
    if (m->saved[depth] == NULL)
        m->saved[depth] = malloc(m->saved_bytes);
    uint8_t *to = m->saved[depth];
    assert_non_null(to);
    for (uint32_t k = 0; k < PIECES; to += m->bytes[k++])
        if (m->bytes[k] != 0)
            memcpy(to, m->piece[k], m->bytes[k]);
}

static void put_back(machine *m, uint32_t depth) {
    const uint8_t *from = m->saved[depth];
    for (uint32_t k = 0; k < PIECES; from += m->bytes[k++])
        if (m->bytes[k] != 0)
            memcpy(m->piece[k], from, m->bytes[k]);
}

/* Writes the end of a path: "c+ i+ i- ..." is compute begins, in begins and ends; S and W are the
 * user's. */
static void note_order(machine *m, uint32_t depth) {
    uint32_t at = 0;
    bool runs[LANES] = {false};
    const uint32_t most = (uint32_t)sizeof m->result.order / 3 - 1;
    if (m->result.n_wrong + m->result.n_stuck > 1)
        return;
    for (uint32_t k = 0; k < depth; k++) {
        const uint32_t move = m->path[k];
        const char sign = move >= LANES ? ' ' : (runs[move] = !runs[move]) ? '+' : '-';
        if (k + most >= depth)
            at += (uint32_t)snprintf(m->result.order + at, sizeof m->result.order - at, "%c%c ",
                                     "ciolSW"[move], sign);
    }
}

static void note_wrong(machine *m, uint32_t depth) {
    m->result.n_wrong++;
    note_order(m, depth);
}

static void note_stuck(machine *m, uint32_t depth) {
    m->result.n_stuck++;
    note_order(m, depth);
}

static bool should_stop(const machine *m) {
    return m->c->stops_when_wrong && m->result.n_wrong + m->result.n_stuck > 0;
}

/* Follows all orders from the present state; returns how many there are. */
static double visit(machine *m, uint32_t depth) {
    const dms_hash key = key_of(m);
    if (4 * m->result.n_states >= 3 * m->n_table)
        grow_table(m);
    seen *known = find(m, key);
    if (dms_hash_equal(known->key, key))
        return known->n_orders;
    known->key = key;
    if (++m->result.n_states == m->c->most_states)
        m->result.is_whole = false;
    double n_orders = 0;
    save(m, depth);
    for (uint32_t move = 0; move < MOVES && m->result.is_whole && !should_stop(m); move++) {
        if (!can_move(m, move))
            continue;
        m->path[depth] = (uint8_t)move;
        if (do_move(m, move)) {
            n_orders += visit(m, depth + 1);
        } else {
            note_wrong(m, depth + 1);
            n_orders += 1;
        }
        put_back(m, depth);
    }
    if (n_orders == 0 && m->result.is_whole && !should_stop(m)) {
        n_orders = 1;
        if (!is_through(m))
            note_stuck(m, depth);
    }
    find(m, key)->n_orders = n_orders;
    return n_orders;
}

/* Follows one random order. */
static void walk(machine *m) {
    for (uint32_t depth = 0;; depth++) {
        uint32_t able[MOVES], n = 0;
        assert_true(depth < MOST_DEPTH);
        for (uint32_t move = 0; move < MOVES; move++)
            if (can_move(m, move))
                able[n++] = move;
        if (n == 0) {
            if (!is_through(m))
                note_stuck(m, depth);
            return;
        }
        m->path[depth] = (uint8_t)able[next_random(m) % n];
        if (!do_move(m, m->path[depth])) {
            note_wrong(m, depth + 1);
            return;
        }
    }
}

/* ---- opening ---- */

/* A plan for another kind of device runs here too, where no call wants a workspace of its own. */
static void turn_to_cpu(machine *m) {
    m->on_cpu = *m->plan;
    m->on_cpu.device_kind = DMS_DEVICE_CPU;
    for (uint32_t k = 0; k < m->plan->n_calls && m->plan->device_kind != DMS_DEVICE_CPU; k++) {
        const dms_plan_call *c = &m->plan->call[k];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        assert_int_equal(dms_call_workspace(&call, DMS_DEVICE_CPU), 0);
    }
}

static void open_session(machine *m) {
    const interleave_case *c = m->c;
    const dms_options options = {.model_dir = c->folder,
                                 .threads = 1,
                                 .poison = c->poison,
                                 .turns = c->is_endless ? 0 : c->n_turns};
    dms_status st;
    if (dms_session_open(&m->on_cpu, c->folder, &options, &m->session, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_session *s = m->session;
    const dms_storage_options storage = {.model_dir = c->folder,
                                         .plan_dir = c->folder,
                                         .cancel = &s->cancel,
                                         .stop = &s->is_stopped};
    if (dms_storage_open(c->plan, &storage, &s->arena, &s->storage, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static void place_ports(machine *m) {
    const dms_plan *p = m->plan;
    assert_true(p->n_inputs <= INTERLEAVE_PORTS && p->n_outputs <= INTERLEAVE_PORTS);
    for (uint32_t k = 0; k < p->n_inputs; k++) {
        m->input_at[k] = m->user_bytes;
        m->user_bytes += dms_view_bytes(&p->input[k].view);
    }
    for (uint32_t k = 0; k < p->n_outputs; k++) {
        m->output_at[k] = m->user_bytes;
        m->user_bytes += dms_view_bytes(&p->output[k].view);
    }
}

static void free_saved(machine *m) {
    for (uint32_t k = 0; k < MOST_DEPTH; k++) {
        free(m->saved[k]);
        m->saved[k] = NULL;
    }
}

/* Writes of the largest command. */
static uint64_t image_bytes(machine *m) {
    uint64_t most = 0;
    const dms_program *program[2] = {&m->plan->prologue, &m->plan->body};
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t q = 0; q < LANES; q++)
            for (uint32_t k = 0; k < program[p]->n_cmds[q]; k++) {
                const uint64_t bytes = list_writes(m, &program[p]->cmd[q][k], 0);
                most = bytes > most ? bytes : most;
            }
    return most;
}

/* Room for images and states; the images are part of a state only where there are any. */
static void take_images(machine *m) {
    const uint64_t need = image_bytes(m);
    if (need > m->image_bytes || m->piece[3] == NULL) {
        m->image_bytes = need;
        free(m->piece[3]);
        free(m->scratch);
        m->piece[3] = malloc(LANES * need + 1);
        m->scratch = malloc(need + 1);
        assert_true(m->piece[3] != NULL && m->scratch != NULL);
        m->saved_bytes = m->bytes[0] + m->bytes[1] + m->bytes[2] + LANES * need;
        free_saved(m);
    }
    const bool is_torn = m->c->effect == INTERLEAVE_TORN || m->c->effect == INTERLEAVE_MIXED;
    m->bytes[3] = is_torn ? LANES * m->image_bytes : 0;
    for (uint32_t q = 0; q < LANES; q++)
        m->image[q] = m->piece[3] + q * m->image_bytes;
}

static void bind_user(machine *m) {
    const dms_plan *p = m->plan;
    for (uint32_t set = 0; set < 2; set++) {
        dms_binding *binding = &m->session->of_turn[set];
        for (uint32_t k = 0; k < p->n_inputs; k++)
            binding->input[k] = (dms_user_tensor){p->input[k].view, m->user[set] + m->input_at[k]};
        for (uint32_t k = 0; k < p->n_outputs; k++)
            binding->output[k] =
                (dms_user_tensor){p->output[k].view, m->user[set] + m->output_at[k]};
    }
}

static void lay_out(machine *m) {
    const dms_device *d = m->session->device;
    m->piece[0] = d->device_arena;
    m->piece[1] = d->host_arena;
    m->bytes[0] = d->device_bytes;
    m->bytes[1] = d->host_bytes;
    place_ports(m);
    m->bytes[2] = sizeof(spot) + 2 * m->user_bytes;
    m->piece[2] = malloc(m->bytes[2]);
    assert_non_null(m->piece[2]);
    m->spot = (spot *)m->piece[2];
    m->user[0] = m->piece[2] + sizeof(spot);
    m->user[1] = m->user[0] + m->user_bytes;
    bind_user(m);
}

/* The state before the prologue: garbage everywhere. */
static void reset(machine *m) {
    for (uint32_t k = 0; k < 2; k++)
        if (m->bytes[k] != 0)
            memset(m->piece[k], GARBAGE, m->bytes[k]);
    memset(m->spot, 0, sizeof *m->spot);
    memset(m->user[0], GARBAGE, 2 * m->user_bytes);
    memset(m->piece[3], 0, m->bytes[3]);
    leave_prologue(m);
}

void interleave_close(interleave *m) {
    dms_close(m->session);
    free_saved(m);
    free(m->piece[2]);
    free(m->piece[3]);
    free(m->scratch);
    free(m->table);
    free(m);
}

interleave *interleave_open(const interleave_case *c) {
    machine *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->c = c;
    m->plan = c->plan;
    turn_to_cpu(m);
    open_session(m);
    lay_out(m);
    return m;
}

/* Everything of a run that the case or a changed plan decides. */
static void prepare(machine *m, const interleave_case *c) {
    assert_true(c->n_turns <= INTERLEAVE_TURNS && c->plan == m->plan);
    m->c = c;
    m->random = c->seed;
    m->result = (interleave_result){.is_whole = true};
    free(m->table);
    m->table = NULL;
    m->n_table = 0;
    take_images(m);
    for (uint32_t q = 0; q < LANES; q++) {
        m->own_end[q] = m->plan->body.n_cmds[q];
        while (m->own_end[q] > 0 && m->plan->body.cmd[q][m->own_end[q] - 1].is_ahead)
            m->own_end[q]--;
    }
}

interleave_result interleave_follow(interleave *m, const interleave_case *c) {
    prepare(m, c);
    for (uint32_t k = 0; k < c->n_walks && !should_stop(m); k++) {
        reset(m);
        walk(m);
    }
    if (c->n_walks == 0) {
        reset(m);
        m->result.n_orders = visit(m, 0);
    }
    m->result.is_whole &= c->n_walks == 0 && !should_stop(m);
    return m->result;
}

interleave_result interleave_run(const interleave_case *c) {
    interleave *m = interleave_open(c);
    const interleave_result result = interleave_follow(m, c);
    interleave_close(m);
    return result;
}
