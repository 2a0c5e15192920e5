/* support_cuda.c - see support_cuda.h. */
#include "support_cuda.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/kernels/kernel.h"
#include "support_chain.h"

void cuda_plan(run_case *c) {
    dms_program *p = &c->plan.prologue;
    c->plan.device_kind = DMS_DEVICE_CUDA;
    for (uint32_t k = 0; k < p->n_cmds[DMS_QUEUE_LOAD]; k++) {
        dms_cmd *load = &p->cmd[DMS_QUEUE_LOAD][k];
        const uint32_t to = load->to;
        if (c->buffer[to].arena != DMS_TIER_DEVICE)
            continue;
        load->to = run_buffer(c, c->buffer[to].tensor, DMS_TIER_HOST);
        load->is_signal = true;
        run_cmd(c, 0, DMS_QUEUE_IN, DMS_CMD_COPY, load->to, to)->wait_cmd[DMS_QUEUE_LOAD] = k;
    }
    p->n_order = c->plan.body.n_order = 0;
    run_finish(c);
    c->plan.host_budget = c->plan.host_arena += dms_plan_stage_all(&c->plan);
}

void cuda_chain(chain_case *c) {
    chain_make(c);
    cuda_plan(&c->run);
}

dms_code cuda_open(const dms_plan *plan, dms_options options, fake_cuda *fake, dms_session **out,
                   dms_status *st) {
    dms_session *s;
    *out = NULL;
    assert_int_equal(dms_session_make(&s, NULL), DMS_OK);
    s->plan = plan;
    s->open_cuda = fake_cuda_open;
    s->cuda_context = fake;
    if (options.device == NULL)
        options.device = "cuda";
    if (options.threads == 0)
        options.threads = 1;
    const dms_code code = dms_session_fill(s, ".", &options, st);
    if (code != DMS_OK)
        dms_close(s);
    else
        *out = s;
    return code;
}

dms_session *cuda_chain_open(chain_case *c, dms_options options, fake_cuda *fake) {
    dms_session *s;
    dms_status st = {.msg = ""};
    if (cuda_open(&c->run.plan, options, fake, &s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    const dms_user_tensor in = run_user(c->x, CHAIN_ROWS), out = run_user(c->y, CHAIN_ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    return s;
}

void cuda_node_0(char out[64]) {
    const unsigned long mask = 1;
    void *page = mmap(NULL, 256, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    const long error = syscall(SYS_mbind, page, 256ul, 1, &mask, 65ul, 0) == 0 ? 0 : errno;
    (void)munmap(page, 256);
    if (error == 0)
        (void)snprintf(out, 64, " on node 0");
    else
        (void)snprintf(out, 64, ", not on node 0 (%s)", strerror((int)error));
}

void cuda_end(fake_cuda *fake) {
    const fake_cuda_report seen = fake_cuda_look(fake);
    assert_int_equal(seen.n_live, 0);
    assert_int_equal(seen.n_pageable, 0);
    assert_true(seen.most_pending <= 64);
    fake_cuda_free(fake);
}
