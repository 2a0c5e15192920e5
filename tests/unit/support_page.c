/* support_page.c - see support_page.h. */
#include "support_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/json.h"

#define DEEPEST 64u

static bool equals(page_piece a, const char *b) {
    return strlen(b) == a.n && memcmp(a.at, b, a.n) == 0;
}

static bool same(page_piece a, page_piece b) {
    return a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}

static void fail_at(const char *at, const char *what) {
    fail_msg("%s: %.80s", what, at);
}

/* Characters that XML has, references complete, nothing that would begin markup. */
static void check_text(page_piece t) {
    for (const char *s = t.at; s < t.at + t.n;) {
        const uint32_t n = dms_utf8_length(s);
        const unsigned char c = (unsigned char)*s;
        if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            fail_at(s, "no character of a page");
        if (c == '<' || strncmp(s, "]]>", 3) == 0)
            fail_at(s, "this would be markup");
        if (c == '&') {
            char *end = NULL;
            if (s[1] != '#' || strtol(s + 2, &end, 10) < 0x20 || *end != ';')
                fail_at(s, "no reference");
        }
        s += n;
    }
}

static page_piece word(const char **at) {
    const char *s = *at;
    while (strchr(" \n=/><\"'", *s) == NULL)
        s++;
    const page_piece w = {*at, (size_t)(s - *at)};
    if (w.n == 0)
        fail_at(*at, "a name is missing");
    *at = s;
    return w;
}

/* One tag from behind its <; returns whether it is closed at once. */
static bool read_tag(const char **at, page_element *e) {
    e->tag = word(at);
    for (;;) {
        const bool has_space = **at == ' ' || **at == '\n';
        while (**at == ' ' || **at == '\n')
            (*at)++;
        if (**at == '>' || (**at == '/' && (*at)[1] == '>'))
            break;
        if (!has_space)
            fail_at(*at, "attributes stand too close");
        assert_true(e->n_attributes < PAGE_ATTRIBUTES);
        const page_piece key = word(at);
        if ((*at)[0] != '=' || (*at)[1] != '"')
            fail_at(*at, "a value has no quotes");
        const char *end = strchr(*at + 2, '"');
        assert_non_null(end);
        const page_piece value = {*at + 2, (size_t)(end - *at - 2)};
        check_text(value);
        for (uint32_t k = 0; k < e->n_attributes; k++)
            if (same(e->key[k], key))
                fail_at(key.at, "an attribute stands twice");
        e->key[e->n_attributes] = key;
        e->value[e->n_attributes++] = value;
        *at = end + 1;
    }
    const bool is_closed = **at == '/';
    *at += is_closed ? 2 : 1;
    return is_closed;
}

/* The text up to the next tag, with CDATA taken whole. */
static page_piece read_text(const char **at) {
    static const char OPEN[] = "<![CDATA[";
    const char *begin = *at;
    const char *end = strchr(begin, '<');
    if (end == NULL)
        end = begin + strlen(begin);
    check_text((page_piece){begin, (size_t)(end - begin)});
    if (strncmp(end, OPEN, sizeof OPEN - 1) == 0) {
        end = strstr(end, "]]>");
        assert_non_null(end);
        end = strchr(end, '<');
        assert_non_null(end);
    }
    *at = end;
    return (page_piece){begin, (size_t)(end - begin)};
}

page page_read(graph_case *g, char *text) {
    static const char HEAD[] = "<!DOCTYPE html>";
    page p = {.text = text};
    page_piece open[DEEPEST];
    uint32_t depth = 0, most = 1;
    for (const char *s = text; *s != 0; s++)
        most += *s == '<';
    p.element = dms_alloc(&g->arena, most, sizeof *p.element);
    assert_non_null(p.element);
    if (strncmp(text, HEAD, sizeof HEAD - 1) != 0)
        fail_at(text, "no page");
    const char *at = text + sizeof HEAD - 1;
    while (*at == '\n')
        at++;
    while (*at == '<') {
        at++;
        if (*at == '/') {
            at++;
            const page_piece tag = word(&at);
            if (depth == 0 || !same(open[depth - 1], tag) || *at != '>')
                fail_at(tag.at, "this was not to be closed");
            depth--;
            at++;
            (void)read_text(&at);
            continue;
        }
        page_element *e = &p.element[p.n++];
        e->depth = depth;
        if (!read_tag(&at, e)) {
            assert_true(depth < DEEPEST);
            open[depth++] = e->tag;
        }
        e->text = read_text(&at);
    }
    if (depth != 0 || *at != 0)
        fail_at(at, "the page does not end");
    return p;
}

char *page_text(graph_case *g, const dms_compiled *c) {
    dms_status st;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    if (dms_view_report(c, &g->arena, file, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(fclose(file), 0);
    char *copy = dms_strndup(&g->arena, text, size);
    assert_int_equal(strlen(copy), size);
    free(text);
    return copy;
}

page page_of(graph_case *g, const dms_compiled *c) {
    return page_read(g, page_text(g, c));
}

static const page_piece *attribute(const page_element *e, const char *key) {
    for (uint32_t k = 0; k < e->n_attributes; k++)
        if (equals(e->key[k], key))
            return &e->value[k];
    return NULL;
}

const page_element *page_find(const page *p, uint32_t from, const char *key, const char *value) {
    for (uint32_t i = from; i < p->n; i++) {
        const page_piece *found = attribute(&p->element[i], key);
        if (found != NULL && (value == NULL || equals(*found, value)))
            return &p->element[i];
    }
    fail_msg("no element has %s=\"%s\"", key, value == NULL ? "..." : value);
    return NULL;
}

uint32_t page_count(const page *p, const char *key, const char *value) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const page_piece *found = attribute(&p->element[i], key);
        n += found != NULL && (value == NULL || equals(*found, value));
    }
    return n;
}

char *page_value(graph_case *g, const page_element *e, const char *key) {
    const page_piece *found = attribute(e, key);
    return found == NULL ? NULL : dms_strndup(&g->arena, found->at, found->n);
}

int64_t page_integer(const page_element *e, const char *key) {
    const page_piece *found = attribute(e, key);
    if (found == NULL)
        fail_msg("<%.*s> has no %s", (int)e->tag.n, e->tag.at, key);
    char *end;
    const long long value = strtoll(found->at, &end, 10);
    if (end != found->at + found->n || end == found->at)
        fail_at(found->at, "no integer");
    return value;
}

json_t *page_data(const page *p) {
    const page_piece t = page_find(p, 0, "id", "dms-data")->text;
    json_error_t error;
    json_t *data = json_loadb(t.at, t.n, JSON_REJECT_DUPLICATES, &error);
    if (data == NULL)
        fail_msg("data of the page: %s", error.text);
    return data;
}

int64_t page_entry(const json_t *data, const char *key, size_t k) {
    const json_t *value = json_array_get(json_object_get(data, key), k);
    if (!json_is_integer(value))
        fail_msg("%s[%zu] is missing or no integer", key, k);
    return json_integer_value(value);
}
