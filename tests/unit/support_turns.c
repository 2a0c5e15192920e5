/* support_turns.c - see support_turns.h. */
#include "support_turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GARBAGE 0xff

static const dms_port *port_of(const turns_user *u, uint32_t out, uint32_t k) {
    return out ? &u->c->plan->output[k] : &u->c->plan->input[k];
}

static uint32_t n_ports(const turns_user *u, uint32_t out) {
    return out ? u->c->plan->n_outputs : u->c->plan->n_inputs;
}

void turns_begin(turns_user *u, const interleave_case *c) {
    memset(u, 0, sizeof *u);
    u->c = c;
    for (uint32_t out = 0; out < 2; out++) {
        for (uint32_t k = 0; k < n_ports(u, out); k++)
            u->bytes[out] += dms_view_bytes(&port_of(u, out, k)->view);
        for (uint32_t set = 0; set < 2; set++) {
            u->memory[set][out] = malloc(u->bytes[out] + 1);
            assert_non_null(u->memory[set][out]);
        }
    }
}

void turns_end(turns_user *u) {
    for (uint32_t k = 0; k < 4; k++)
        free(u->memory[k / 2][k % 2]);
}

static void spoil(turns_user *u, uint32_t turn) {
    for (uint32_t out = 0; out < 2; out++)
        memset(u->memory[turn & 1][out], GARBAGE, u->bytes[out]);
}

/* Binds the memory of a turn, filled with its inputs; its outputs hold garbage. */
static void fill_turn(turns_user *u, uint32_t turn) {
    dms_user_tensor tensor[2][INTERLEAVE_PORTS];
    assert_true(turn < INTERLEAVE_TURNS);
    spoil(u, turn);
    for (uint32_t out = 0; out < 2; out++) {
        uint8_t *at = u->memory[turn & 1][out];
        for (uint32_t k = 0; k < n_ports(u, out); k++) {
            const dms_view *view = &port_of(u, out, k)->view;
            tensor[out][k] = (dms_user_tensor){*view, at};
            if (!out)
                memcpy(at, u->c->input[turn][k], dms_view_bytes(view));
            at += dms_view_bytes(view);
        }
    }
    assert_int_equal(
        dms_bind(u->session, tensor[0], n_ports(u, 0), tensor[1], n_ports(u, 1), &u->st), DMS_OK);
}

/* Whether the outputs of a turn are right; its memory serves something else from now on. */
static bool use_turn(turns_user *u, uint32_t turn) {
    const uint8_t *at = u->memory[turn & 1][1];
    bool is_right = true;
    for (uint32_t k = 0; k < n_ports(u, 1); k++) {
        const uint64_t bytes = dms_view_bytes(&port_of(u, 1, k)->view);
        is_right &= memcmp(at, u->c->want[turn][k], bytes) == 0;
        at += bytes;
    }
    spoil(u, turn);
    return is_right;
}

dms_code turns_follow(turns_user *u, const char *script, bool *out_right) {
    *out_right = true;
    for (; *script != 0; script++) {
        if (*script == 'S') {
            fill_turn(u, u->n_started);
            DMS_TRY(dms_start(u->session, &u->st));
            u->n_started++;
        } else {
            DMS_TRY(dms_wait(u->session, &u->st));
            *out_right &= use_turn(u, u->n_waited++);
        }
    }
    return DMS_OK;
}
