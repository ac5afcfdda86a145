/*
 * fake_ca_inside.h - what the files of the scripted CA share.
 *
 *   fake_ca.c         objects, requests in, answers out, faults
 *   fake_ca_jws.c     checks of what a client signed
 *   fake_ca_order.c   newOrder to finalize
 *   fake_ca_limits.c  rate limits
 *   fake_ca_issue.c   roots, certificates, renewal windows
 */
#ifndef SUPPORT_FAKE_CA_INSIDE_H
#define SUPPORT_FAKE_CA_INSIDE_H

#include "acme/acme.h"
#include "base/map.h"
#include "pki/sign.h"
#include "support/fake_ca.h"
#include "json/json.h"

struct ca_list { /* item n has id n + 1; items are never removed */
    void **items;
    size_t len;
};
void *ca_list_add(struct ca_list *list, size_t size, int *ret_id);
void *ca_list_get(const struct ca_list *list, int id); /* NULL when there is none */

struct ca_account {
    int id;
    const struct pkey *key;
    char *thumbprint;
    struct strlist contacts;
    bool forgotten;
};
struct ca_challenge {
    int id;
    struct ca_authz *authz;
    const char *type;
    char *token; /* NULL for the unknown type */
    enum acme_status status;
    int64_t done_at_ms; /* while processing */
};
#define CA_CHALLENGES_MAX 3
struct ca_authz {
    int id;
    struct ca_account *account;
    bool is_ip, is_wildcard;
    char *value;
    enum acme_status status;
    int64_t expires_ms;
    struct ca_challenge *challenges[CA_CHALLENGES_MAX];
    size_t challenge_count;
};
struct ca_order {
    int id;
    struct ca_account *account;
    struct strlist dns_names, ip_addresses; /* sorted */
    char *set;
    char *profile, *replaces;
    int64_t not_after_ms, expires_ms;
    enum acme_status status;
    struct ca_authz **authzs;
    size_t authz_count;
    struct csr *csr; /* while processing */
    int64_t done_at_ms;
    int certificate;            /* id; 0: none */
    bool is_exempt, is_renewal; /* of limits */
    char *error_type, *error_detail;
};
struct ca_certificate {
    int id;
    struct ca_account *account;
    char *chains[3]; /* PEM; [1] and [2] are alternates */
    char *cert_id;   /* ARI */
    char *set;
    struct strlist names;
    int64_t not_before_ms, not_after_ms;
    int64_t window_start_ms, window_end_ms; /* 0: by lifetime */
    char *explanation_url;
    bool replaced;
};
struct ca_set { /* one exact set of names */
    int orders, issued;
    int64_t issued_at_ms;
};
struct ca_bucket {
    int64_t level_ms, at_ms;
};
struct ca_root {
    const struct pkey *key;
    struct cert *cert, *intermediate; /* the same intermediate key under each root */
    char *pem;
};

struct fake_ca {
    struct fake_ca_options options;
    uint64_t random;
    struct ca_list accounts, orders, authzs, challenges, certificates;
    struct map *nonces;   /* outstanding */
    struct map *sets;     /* struct ca_set */
    struct map *buckets;  /* struct ca_bucket */
    struct map *by_id;    /* ARI id to certificate, lent */
    struct map *requests; /* endpoint to int */
    struct map *paused;   /* name to itself */
    struct map *queues;   /* endpoint to struct ca_queue */
    struct ca_root roots[3];
    const struct pkey *intermediate_key, *other_key;
    struct fake_ca_counts counts;
    char *complaint, *last_header, *last_payload;
};

struct ca_answer {
    int status;
    struct json *body;
    char *text; /* instead of the body: PEM, canned */
    const char *content_type;
    struct strmap headers;
};
/* Everything about the request under way. */
struct ca_request {
    struct fake_ca *ca;
    int64_t now_ms;
    const struct http_request *http;
    const char *endpoint;
    int id;                        /* behind the endpoint in the path */
    const char *rest;              /* behind the id */
    bool delayed;                  /* FAKE_CA_PROCESSING */
    struct ca_account *account;    /* by kid */
    const struct pkey *key;        /* by jwk; the request's */
    struct json *jwk;              /* lent, inside of header */
    struct json *header, *payload; /* payload NULL: POST-as-GET */
    struct ca_answer answer;
};

const char *ca_url(const struct fake_ca *ca);
uint64_t ca_random(struct fake_ca *ca);
char *ca_random_text(struct fake_ca *ca); /* 43 characters of base64url */
int ca_complain(struct fake_ca *ca, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Answers; all return -1 for errors so that a check can end with them. */
int ca_problem(struct ca_request *request, int status, const char *type, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void ca_header(struct ca_request *request, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* fake_ca_jws.c: 0, or -1 with the answer made. */
int ca_jws_check(struct ca_request *request);
int ca_eab_check(struct ca_request *request);

/* fake_ca_order.c */
void ca_settle(struct fake_ca *ca, int64_t now_ms); /* what has become due */
void ca_new_order(struct ca_request *request);
void ca_get_order(struct ca_request *request);
void ca_get_authz(struct ca_request *request);
void ca_start_challenge(struct ca_request *request);
void ca_finalize(struct ca_request *request);

/* fake_ca_limits.c */
const char *ca_plain_name(const char *name); /* without "*." */
int ca_check_limits(struct ca_request *request, struct ca_order *order);
void ca_spend_certificate(struct fake_ca *ca, const struct ca_order *order, int64_t now_ms);
void ca_spend_failure(struct fake_ca *ca, const struct ca_authz *authz, int64_t now_ms);

/* fake_ca_issue.c */
void ca_roots_init(struct fake_ca *ca);
void ca_roots_deinit(struct fake_ca *ca);
/* NULL: the order has ended invalid. */
struct ca_certificate *ca_issue(struct fake_ca *ca, struct ca_order *order, int64_t now_ms);
void ca_get_certificate(struct ca_request *request);
void ca_get_renewal_info(struct ca_request *request);
void ca_window(const struct ca_certificate *certificate, int64_t *ret_start_ms,
               int64_t *ret_end_ms);

#endif
