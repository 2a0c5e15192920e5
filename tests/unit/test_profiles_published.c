/* test_profiles_published.c - the built-in profiles hold what docs/profiles.md says was published,
 * times the factors it states: a figure stands in one place for people and is checked here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planner/profile_read.h"
#include "runtime/kernels/kernel.h"

#define MOST 32

/* One row of the table of published figures. */
typedef struct published {
    char name[32];
    double f32, f16, f64, i8; /* 10^12 a second */
    double memory, size;      /* GB/s, GB */
    int generation, lanes;
} published;

typedef struct document {
    published row[MOST];
    uint32_t n_rows;
    double arithmetic, memory, in, out; /* factors */
} document;

/* The names that `dmsc --list-profiles` prints. */
typedef struct names {
    char name[MOST][32];
    uint32_t n;
} names;

/* "| `l4` | L4 | 30.3 | 121 | 0.49 | 242.5 | 300 | 24 | 4 x16 | ..." */
static bool read_row(const char *line, published *out) {
    return sscanf(line, "| `%31[^`]` | %*[^|]| %lf | %lf | %lf | %lf | %lf | %lf | %d x%d |",
                  out->name, &out->f32, &out->f16, &out->f64, &out->i8, &out->memory, &out->size,
                  &out->generation, &out->lanes) == 9;
}

static void read_document(document *out) {
    FILE *file = fopen(DMS_SOURCE_DIR "/docs/profiles.md", "r");
    assert_non_null(file);
    char line[1000];
    *out = (document){.n_rows = 0};
    while (fgets(line, sizeof line, file) != NULL) {
        assert_in_range(out->n_rows, 0, MOST - 1);
        if (read_row(line, &out->row[out->n_rows]))
            out->n_rows++;
        (void)sscanf(line, "| arithmetic | %lf |", &out->arithmetic);
        (void)sscanf(line, "| device memory | %lf |", &out->memory);
        (void)sscanf(line, "| link in | %lf |", &out->in);
        (void)sscanf(line, "| link out | %lf |", &out->out);
    }
    (void)fclose(file);
}

static void read_names(names *out) {
    char *text = NULL, line[200];
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    dms_status st;
    assert_non_null(to);
    assert_int_equal(dms_profiles_print(to, &st), DMS_OK);
    (void)fclose(to);
    FILE *from = fmemopen(text, length, "r");
    assert_non_null(from);
    assert_non_null(fgets(line, sizeof line, from)); /* the head */
    for (out->n = 0; fgets(line, sizeof line, from) != NULL; out->n++) {
        assert_in_range(out->n, 0, MOST - 1);
        assert_int_equal(sscanf(line, "%31s", out->name[out->n]), 1);
    }
    (void)fclose(from);
    free(text);
}

static dms_profile load(const char *name) {
    dms_profile p;
    dms_status st;
    if (dms_profile_load(name, &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return p;
}

/* GB/s of a PCIe link behind its encoding (128 of 130 bits carry data). */
static double pcie(const published *row) {
    const double giga_transfers = row->generation == 5 ? 32 : 16;
    return giga_transfers * row->lanes / 8 * 128 / 130;
}

/* Profiles hold rounded numbers: 2.5 % is the widest. */
static void near(const char *name, const char *what, double found, double wanted) {
    if (fabs(found / wanted - 1) > 0.025)
        fail_msg("profile '%s', %s: %g, docs/profiles.md says %g", name, what, found, wanted);
}

static void each_figure_is_the_published_one_times_its_factor(void **state) {
    (void)state;
    document d;
    read_document(&d);
    assert_in_range(d.n_rows, 12, MOST);
    assert_true(d.arithmetic > 0 && d.memory > 0 && d.in > 0 && d.out > 0);
    for (uint32_t i = 0; i < d.n_rows; i++) {
        const published *row = &d.row[i];
        const dms_profile p = load(row->name);
        near(row->name, "f32", (double)p.f32_flops, row->f32 * 1e12 * d.arithmetic);
        near(row->name, "f16", (double)p.f16_flops, row->f16 * 1e12 * d.arithmetic);
        near(row->name, "f64", (double)p.f64_flops, row->f64 * 1e12 * d.arithmetic);
        near(row->name, "i8", (double)p.i8_flops, row->i8 * 1e12 * d.arithmetic);
        near(row->name, "memory", (double)p.memory_bytes_per_s, row->memory * 1e9 * d.memory);
        near(row->name, "size", (double)p.device_bytes, row->size * 1e9);
        near(row->name, "in", (double)p.in.bytes_per_s, pcie(row) * 1e9 * d.in);
        near(row->name, "out", (double)p.out.bytes_per_s, pcie(row) * 1e9 * d.out);
    }
}

static void every_profile_is_described_and_every_description_has_one(void **state) {
    (void)state;
    document d;
    names listed;
    read_document(&d);
    read_names(&listed);
    for (uint32_t i = 0; i < listed.n; i++) {
        const dms_profile p = load(listed.name[i]);
        assert_string_equal(p.name, listed.name[i]); /* the file is named like what it holds */
        bool is_described = p.device_kind == DMS_DEVICE_CPU;
        for (uint32_t k = 0; k < d.n_rows; k++)
            is_described = is_described || strcmp(d.row[k].name, p.name) == 0;
        if (!is_described)
            fail_msg("profile '%s' has no row in docs/profiles.md", p.name);
    }
    assert_int_equal(listed.n, d.n_rows + 1); /* and `cpu` */
}

/* A tier further away is never the faster one, and a wider type never computes faster. */
static void profiles_are_possible_machines(void **state) {
    (void)state;
    names listed;
    read_names(&listed);
    for (uint32_t i = 0; i < listed.n; i++) {
        const dms_profile p = load(listed.name[i]);
        assert_true(p.memory_bytes_per_s > p.in.bytes_per_s);
        assert_true(p.in.bytes_per_s >= p.out.bytes_per_s);
        assert_true(p.out.bytes_per_s > p.load.bytes_per_s);
        assert_true(p.load.bytes_per_s >= p.store.bytes_per_s);
        assert_true(p.f64_flops < p.f32_flops);
        if (p.device_kind == DMS_DEVICE_CUDA) {
            assert_true(p.in.bytes_per_s < 63000000000); /* PCIe 5 x16 */
            assert_true(p.f16_flops > p.f32_flops && p.i8_flops > p.f16_flops);
        }
    }
}

static void the_cards_that_users_name_are_there(void **state) {
    (void)state;
    static const char *const NAMES[] = {"a100-40", "a100-80", "h100-pcie", "h100-sxm",
                                        "h200",    "b200",    "l4",        "l40s",
                                        "rtx3060", "rtx4090", "rtx5090",   "laptop"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        assert_int_equal(load(NAMES[i]).device_kind, DMS_DEVICE_CUDA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_figure_is_the_published_one_times_its_factor),
        cmocka_unit_test(every_profile_is_described_and_every_description_has_one),
        cmocka_unit_test(profiles_are_possible_machines),
        cmocka_unit_test(the_cards_that_users_name_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
