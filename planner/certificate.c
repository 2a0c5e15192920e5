/* certificate.c - the certificate of the steps alone, and the JSON form of all. */
#include "planner/certificate.h"

#include "schema/arena.h"
#include "schema/json.h"

dms_code dms_certificate_plain(uint32_t n_steps, int32_t last_input, int64_t bound_ns,
                               dms_arena *arena, dms_certificate **out_certificate,
                               dms_status *st) {
    dms_certificate *c;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *c, "certificate", &c, st));
    DMS_TRY(dms_alloc_st(arena, 2, sizeof *c->group, "certificate", &c->group, st));
    if (last_input >= 0) {
        c->group[0].last = (uint32_t)last_input;
        c->group[0].inputs = (int64_t)DMS_PRICE_PER_TIME;
        c->n_groups = 1;
    }
    if (last_input + 1 < (int64_t)n_steps)
        c->group[c->n_groups++].last = n_steps - 1;
    c->bound_ns = bound_ns;
    c->cut_bytes[0] = 1;
    c->n_paces = 1;
    *out_certificate = c;
    return DMS_OK;
}

static void write_group(dms_json *json, const dms_certificate_group *g, uint32_t n_paces) {
    dms_json_array(json, NULL);
    dms_json_uint(json, NULL, g->last);
    dms_json_int(json, NULL, g->link);
    dms_json_int(json, NULL, g->arrival);
    dms_json_int(json, NULL, g->link_time);
    dms_json_int(json, NULL, g->arrival_time);
    dms_json_int(json, NULL, g->density);
    dms_json_int(json, NULL, g->memory);
    dms_json_int(json, NULL, g->out);
    dms_json_int(json, NULL, g->inputs);
    dms_json_int(json, NULL, g->away);
    dms_json_int(json, NULL, g->busy);
    for (uint32_t p = 0; p < n_paces; p++) {
        dms_json_int(json, NULL, g->due[p]);
        dms_json_int(json, NULL, g->early[p]);
    }
    dms_json_end_array(json);
}

static void write_case(dms_json *json, const dms_certificate *c) {
    dms_json_object(json, NULL);
    dms_json_array(json, "cut_bytes");
    for (uint32_t p = 0; p < c->n_paces; p++)
        dms_json_uint(json, NULL, c->cut_bytes[p]);
    dms_json_end_array(json);
    dms_json_int(json, "link_total", c->link_total);
    dms_json_int(json, "spare", c->spare);
    dms_json_uint(json, "busy_bytes", c->busy_bytes);
    dms_json_int(json, "storage", c->storage);
    dms_json_int(json, "large", c->large);
    dms_json_int(json, "lasts", c->lasts);
    dms_json_int(json, "pair", c->pair);
    dms_json_int(json, "apart", c->apart);
    dms_json_int(json, "host", c->host);
    dms_json_int(json, "short", c->shorts);
    dms_json_uint(json, "short_bytes", c->short_bytes);
    dms_json_uint(json, "own_bytes", c->own_bytes);
    dms_json_array(json, "groups");
    for (uint32_t g = 0; g < c->n_groups; g++)
        write_group(json, c->group + g, c->n_paces);
    dms_json_end_array(json);
    dms_json_end_object(json);
}

dms_code dms_certificate_write(const dms_certificate *certificate, FILE *out, dms_status *st) {
    dms_json json = {.out = out, .line_depth = 4};
    dms_json_object(&json, NULL);
    dms_json_text(&json, "format", "dms-certificate");
    dms_json_uint(&json, "version", 7);
    dms_json_uint(&json, "device_bytes", certificate->device_bytes);
    dms_json_uint(&json, "host_bytes", certificate->host_bytes);
    dms_json_int(&json, "bound_ns", certificate->bound_ns);
    dms_json_int(&json, "period_ns", certificate->period_ns);
    dms_json_uint(&json, "large_bytes", certificate->large_bytes);
    dms_json_text(&json, "columns",
                  "last step, link, arrival, link_time, arrival_time, density, memory, out, "
                  "inputs, away, busy; due and early of each pace");
    dms_json_array(&json, "cases");
    for (const dms_certificate *c = certificate; c; c = c->other)
        write_case(&json, c);
    dms_json_end_array(&json);
    dms_json_end_object(&json);
    if (fputc('\n', out) == EOF || ferror(out))
        return dms_fail(st, DMS_EIO, "cannot write the certificate");
    return DMS_OK;
}
