/*
 * budget.h - token buckets and fair shares of them. Not for threads at once: the gate's lock.
 *
 * A bucket is one time, `full_at_ms`, as in the generic cell rate algorithm (ATM Forum UNI 4.0):
 * each token spent moves it ahead by the time that one token takes to come back. The tokens that are
 * missing now are (full_at - now) / refill. That is little to store, and nothing has to tick.
 *
 * CAs count a certificate when they issue it, long after its order: until then its token is held. A
 * held token does not come back with time; it is spent or released in the end, at the latest after
 * the life of an order. Saved, held tokens count as spent.
 */
#ifndef ACME_BUDGET_H
#define ACME_BUDGET_H

#include "base/base.h"
#include "json/json.h"

struct acme_budget {
    int64_t capacity;  /* tokens; 0: no limit */
    int64_t refill_ms; /* for one token */
};

struct acme_bucket;
struct acme_bucket *acme_bucket_new(void);
void acme_bucket_free(struct acme_bucket *bucket);
DEFINE_CLEANUP(struct acme_bucket, acme_bucket_free);

/* When `tenant` (NULL: nobody in particular) may have a token with `reserve` more left over: now_ms or
 * earlier if at once. */
int64_t acme_bucket_free_at_ms(struct acme_bucket *bucket, const struct acme_budget *budget,
                               const char *tenant, int64_t reserve, int64_t now_ms);
void acme_bucket_spend(struct acme_bucket *bucket, const struct acme_budget *budget,
                       const char *tenant, int64_t now_ms);
void acme_bucket_return(struct acme_bucket *bucket, const struct acme_budget *budget,
                        const char *tenant);
void acme_bucket_hold(struct acme_bucket *bucket, const struct acme_budget *budget,
                      const char *tenant, int64_t now_ms);
/* Of a token held; if there is none (a restart lies between), it is spent as any other. */
void acme_bucket_spend_held(struct acme_bucket *bucket, const struct acme_budget *budget,
                            int64_t now_ms);
void acme_bucket_release(struct acme_bucket *bucket, const struct acme_budget *budget,
                         const char *tenant); /* nothing if there is none */

int64_t acme_bucket_full_at_ms(const struct acme_bucket *bucket);
bool acme_bucket_is_full(const struct acme_bucket *bucket,
                         int64_t now_ms); /* and nothing is held */
/* A number; with shares a map. Restoring keeps what is stricter. */
struct json *acme_bucket_save(const struct acme_bucket *bucket, const struct acme_budget *budget,
                              int64_t now_ms);
void acme_bucket_restore(struct acme_bucket *bucket, const struct json *value);

#endif
