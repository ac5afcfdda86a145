/*
 * problem.h - problem documents, for the .c files of this folder.
 */
#ifndef ACME_PROBLEM_H
#define ACME_PROBLEM_H

#include "acme/acme.h"
#include "json/json.h"

#define ACME_URN "urn:ietf:params:acme:error:"

/* The `error` of an order or challenge: there the same types mean something else to the caller
 * (unauthorized: this order is lost). NULL gives ACME_OK. */
void acme_problem_embedded(const struct json *value, struct acme_problem *ret);
/* The code and text that the problem's HTTP answer makes; returns the code. */
int acme_problem_err(const struct acme_problem *problem, struct err *err);
/* "retry after 2026-01-02 03:04:05 UTC" as Boulder words it; 0 when there is none. */
int64_t acme_problem_detail_time_ms(const char *detail);

/* Does a limit concern these names, and not all of the account? By how Boulder words it: "exact set of
 * identifiers", or a name or its parent in double quotes. */
bool acme_problem_is_about_names(const struct acme_problem *problem, const struct strlist *names);
/* Empties `to` (may be NULL) and moves the problem there; `from` is empty afterwards. */
void acme_problem_move(struct acme_problem *from, struct acme_problem *to);

#endif
