/*
 * selector.h - label selectors as kubectl's -l takes them.
 *
 *      app=web,tier!=db,stage in (test, live),owner notin (x),checked,!old
 *
 * A selector is constant and belongs to who parsed it. Any thread.
 */
#ifndef STORE_SELECTOR_H
#define STORE_SELECTOR_H

#include "json/json.h"

struct selector;

/* ERR_INVALID says which requirement is wrong. An empty text selects everything. */
int selector_parse(const char *text, struct selector **ret, struct err *err);
void selector_free(struct selector *selector);
DEFINE_CLEANUP(struct selector, selector_free);
/* `labels` is metadata.labels; NULL: there are none. */
bool selector_matches(const struct selector *selector, const struct json *labels);

#endif
