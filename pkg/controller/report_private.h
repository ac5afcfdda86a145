/*
 * report_private.h - inside of report: what was loaded, and how one finds the children of an object.
 * Only report.c and report_tree.c include it.
 */
#ifndef CONTROLLER_REPORT_PRIVATE_H
#define CONTROLLER_REPORT_PRIVATE_H

#include "api/certificate_request.h"
#include "controller/report.h"

struct objects { /* decoded objects of one kind, owned */
    const struct object **items;
    size_t len;
};

struct loading {
    struct store *store;
    const struct context *ctx;
    const struct report_scope *scope;
    struct objects certificates, requests, orders, challenges, issuers, cluster_issuers;
    struct report *report;
};

/* The nth of those that `owner` controls, of a list that is sorted by owner; NULL: no more. */
const struct object *report_child_of(const struct objects *objects, const struct object *owner,
                                     size_t nth);
/* Into the report's arena, without control characters, as for terminals; "" and NULL become NULL. */
const char *report_copy(struct report *report, const char *text);

/* report_tree.c: how far a request is, in a word, and what more there is to say; NULL: nothing. */
const char *report_request_state(const struct certificate_request *request);
const char *report_request_text(const struct certificate_request *request);
/* report_tree.c: the row's nodes. */
void report_add_tree(const struct loading *loading, const struct certificate *crt,
                     struct certificate_row *row);

#endif
