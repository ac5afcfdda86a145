/*
 * ledger.h - the CA's known budgets of one account and what has been spent of them. Lives inside
 * the gate, under its lock.
 */
#ifndef ACME_LEDGER_H
#define ACME_LEDGER_H

#include "acme/gate.h"
#include "base/map.h"
#include "json/json.h"

struct acme_ledger {
    const struct acme_limits *limits; /* NULL: no budgets */
    struct map *buckets;              /* by kind and subject; absent: full */
    size_t sweep_at;                  /* buckets, before full ones are looked for */
    bool changed;                     /* for who saves it to reset */
};

void acme_ledger_init(struct acme_ledger *ledger, const struct acme_limits *limits);
void acme_ledger_deinit(struct acme_ledger *ledger);

/* "not before <time>: <why>" with err->retry_at_ms; returns ERR_RATE_LIMITED. */
int acme_refuse_until(struct err *err, int64_t at_ms, const char *why);
/* 128 bits in hex for an exact set of names. */
char *acme_set_hash(const struct strlist *names);

int acme_ledger_take_order(struct acme_ledger *ledger, const struct acme_budget_request *request,
                           int64_t now_ms, struct err *err);
void acme_ledger_return_order(struct acme_ledger *ledger,
                              const struct acme_budget_request *request);
/* After a newOrder that was answered: with a certificate, or without in the end. */
void acme_ledger_end_order(struct acme_ledger *ledger, const struct acme_budget_request *request,
                           bool issued, int64_t now_ms);
void acme_ledger_count_failure(struct acme_ledger *ledger, const char *name, int64_t now_ms);
int acme_ledger_check_name(struct acme_ledger *ledger, const char *name, int64_t now_ms,
                           struct err *err);

/* At most `max` bytes of text: what stays empty for longest goes first. */
struct json *acme_ledger_save(struct acme_ledger *ledger, int64_t now_ms, size_t max);
void acme_ledger_restore(struct acme_ledger *ledger, const struct json *saved);

#endif
