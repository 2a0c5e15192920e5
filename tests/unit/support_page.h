/* support_page.h - a page that dmsc wrote, read back as strictly as XML is read.
 *
 * Reads    the text of a page.
 * Returns  its elements in order with their attributes as written; the text of those with an id.
 * Cost     O(bytes).
 * Source   none.
 * Not here what the page should say.
 */
#ifndef DMS_TESTS_SUPPORT_PAGE_H
#define DMS_TESTS_SUPPORT_PAGE_H

#include <jansson.h>

#include "support_views.h"

#define PAGE_ATTRIBUTES 16u

/* One start tag. All texts point into the page and are as long as they say. */
typedef struct page_piece {
    const char *at;
    size_t n;
} page_piece;

typedef struct page_element {
    page_piece tag, key[PAGE_ATTRIBUTES], value[PAGE_ATTRIBUTES];
    uint32_t n_attributes, depth;
    page_piece text; /* up to the next tag */
} page_element;

typedef struct page {
    page_element *element;
    uint32_t n;
    char *text;
} page;

/* Reads the page a compile gives; fails the test where it is not well-formed: a tag that is not
 * closed in turn, an attribute without quotes or given twice, a bare <, & or ", a character that
 * XML does not have. Lives in the arena of the case. */
page page_of(graph_case *g, const dms_compiled *c);

/* Reads a page from its text, as page_of does. */
page page_read(graph_case *g, char *text);

/* The text of the page of a compile. */
char *page_text(graph_case *g, const dms_compiled *c);

/* The first element from place `from` on with this value of an attribute; the value may be NULL.
 * Fails the test where there is none. */
const page_element *page_find(const page *p, uint32_t from, const char *key, const char *value);

/* How many elements have this attribute, with this value where it is not NULL. */
uint32_t page_count(const page *p, const char *key, const char *value);

/* The value of an attribute, or NULL; lives in the arena of the case. */
char *page_value(graph_case *g, const page_element *e, const char *key);

/* An attribute that must be there and be an integer. */
int64_t page_integer(const page_element *e, const char *key);

/* The data of the page; the caller releases it. */
json_t *page_data(const page *p);

/* Entry `k` of an array of the data. */
int64_t page_entry(const json_t *data, const char *key, size_t k);

#endif
