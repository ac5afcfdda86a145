/*
 * acme.h - an ACME client (RFC 8555, 9773, 8738, draft-ietf-acme-profiles). Knows no Kubernetes.
 *
 *   client  one (directory, account key): directory cache, nonce pool, account URL
 *   gate    one (directory, account): "not before", and the CA's known budgets; kept by the caller
 *           over restarts as a text
 *   calls   one request each (plus nonce and directory upkeep; alternate chains and pages are one
 *           each); no call sleeps or polls: what is to be asked again later comes back as a time
 *
 * State lives with the caller: it stores an order's URL before anything else is done with it and
 * goes on from there after any interruption. A client may be used from any thread.
 *
 * *ret_problem (NULL, or initialised by the caller) is emptied first, and filled when the CA has
 * answered with an error. Every call: ERR_RATE_LIMITED with err->retry_at_ms while the gate is
 * closed (no request is made) or when the CA says so; ERR_UNAVAILABLE for 5xx and for answers that
 * are no ACME (HTML); ERR_NETWORK, ERR_TIMEOUT, ERR_CANCELED, ERR_BUSY, ERR_TOO_LARGE from http;
 * ERR_DENIED and ERR_INVALID by the class of the problem document; ERR_CONFLICT for ACME_NOT_READY
 * and ACME_ALREADY_REPLACED; ERR_NOT_FOUND for 404; ERR_PROTOCOL for broken JSON, URLs that are not
 * https, missing members; ERR_UNSUPPORTED for what the directory does not offer. The server is
 * hostile input.
 */
#ifndef ACME_ACME_H
#define ACME_ACME_H

#include "base/context.h"
#include "base/str.h"
#include "http/http.h"
#include "pki/pki.h"

struct acme_client;
struct acme_gate;

/* --- problem documents (RFC 7807, RFC 8555 6.7; acme.md 8) --- */

enum acme_class {
    ACME_OK,
    ACME_RETRY,            /* transient: same request again later            */
    ACME_RATE_LIMITED,     /* not before retry_at_ms; ACME_PAUSED: until the user acts */
    ACME_PAUSED,           /* rateLimited with an unpause URL                */
    ACME_NEW_ORDER,        /* this order is lost; a new one after a back-off */
    ACME_FIX_CONFIG,       /* the same request never works                   */
    ACME_ACCOUNT,          /* something is wrong with the account            */
    ACME_NOT_READY,        /* orderNotReady: look at the order again         */
    ACME_ALREADY_REPLACED, /* drop `replaces` and ask again                  */
};
struct acme_subproblem {
    char *type, *detail, *identifier;
};
struct acme_problem {
    enum acme_class class;
    int status; /* HTTP; 0: the CA has not answered, or embedded without one */
    char *type; /* "rateLimited": without urn:ietf:params:acme:error:; NULL: no document */
    char *detail, *instance;
    char *help_url;      /* unpause URL, or Link rel=help / terms-of-service */
    int64_t retry_at_ms; /* wall clock; 0 unknown */
    struct acme_subproblem *subproblems;
    size_t subproblem_count;
    struct strlist algorithms; /* badSignatureAlgorithm */
};
void acme_problem_deinit(struct acme_problem *problem);
DEFINE_CLEANUP_VALUE(struct acme_problem, acme_problem_deinit);
/* One line for a condition:
 * "429 urn:ietf:params:acme:error:rateLimited: too many ... (example.com: ...)". */
void acme_problem_text(const struct acme_problem *problem, struct buf *to);
/* Pure: HTTP status and body to a problem. `body` may be HTML, empty or cut. */
void acme_problem_parse(int status, const struct http_response *response, int64_t now_ms,
                        struct acme_problem *ret);

/* --- client --- */

struct acme_options {
    struct http *http;         /* borrowed */
    const char *directory_url; /* https only */
    struct http_tls tls;       /* texts are copied */
    const struct pkey *key;    /* shared */
    const char *account_url;   /* NULL: not known yet */
    struct acme_gate *gate;    /* shared, may be NULL */
    int64_t timeout_ms;        /* per request; 0: 90 s */
};
int acme_client_new(const struct acme_options *options, struct acme_client **ret, struct err *err);
struct acme_client *acme_client_ref(struct acme_client *client);
void acme_client_unref(struct acme_client *client);
DEFINE_CLEANUP(struct acme_client, acme_client_unref);
void acme_client_set_account(struct acme_client *client, const char *account_url);
char *acme_client_account(struct acme_client *client); /* copy; NULL when unknown */
const struct pkey *acme_client_key(const struct acme_client *client);
struct acme_gate *acme_client_gate(const struct acme_client *client);

struct acme_directory { /* a copy */
    char *new_nonce, *new_account, *new_order, *new_authz, *revoke_cert, *key_change, *renewal_info;
    char *terms_of_service, *website;
    struct strlist caa_identities;
    bool external_account_required;
    struct strmap profiles; /* name to description */
};
void acme_directory_deinit(struct acme_directory *directory);
DEFINE_CLEANUP_VALUE(struct acme_directory, acme_directory_deinit);
int acme_directory(struct acme_client *client, const struct context *ctx,
                   struct acme_directory *ret, struct err *err);

/* --- account (RFC 8555 7.3) --- */

struct acme_eab {
    const char *key_id;
    const unsigned char *mac_key; /* decoded */
    size_t mac_key_len;
    enum digest_type algorithm; /* HS256, HS384, HS512 */
};
struct acme_registration {
    const struct strlist *contacts; /* "mailto:..." */
    bool only_existing;
    const struct acme_eab *eab; /* NULL: none */
};
struct acme_account {
    char *url, *status, *orders_url;
    struct strlist contacts;
    bool created; /* 201 */
};
void acme_account_deinit(struct acme_account *account);
DEFINE_CLEANUP_VALUE(struct acme_account, acme_account_deinit);
/* Agrees to the terms. ERR_INVALID at once when the directory wants EAB and none is given.
 * Sets the client's account URL. */
int acme_account_register(struct acme_client *client, const struct context *ctx,
                          const struct acme_registration *registration, struct acme_account *ret,
                          struct acme_problem *ret_problem, struct err *err);
int acme_account_update_contacts(struct acme_client *client, const struct context *ctx,
                                 const struct strlist *contacts, struct acme_account *ret,
                                 struct acme_problem *ret_problem, struct err *err);
/* Where the account's list of orders is; "": the CA keeps none. Asks once in a client's life. */
int acme_account_orders_url(struct acme_client *client, const struct context *ctx, char **ret,
                            struct acme_problem *ret_problem, struct err *err);
struct acme_orders {
    struct strlist urls; /* in the CA's order */
    bool is_cut;         /* there are more: what is not here may be there */
};
void acme_orders_deinit(struct acme_orders *orders);
DEFINE_CLEANUP_VALUE(struct acme_orders, acme_orders_deinit);
/* The last `max` orders of the account, of a hundred pages; ERR_UNSUPPORTED where the CA keeps no list. */
int acme_account_orders(struct acme_client *client, const struct context *ctx,
                        const char *orders_url, size_t max, struct acme_orders *ret,
                        struct acme_problem *ret_problem, struct err *err);

/* --- orders, authorizations, challenges (7.1.3 - 7.5.1) --- */

enum acme_status {
    ACME_STATUS_UNKNOWN,
    ACME_STATUS_PENDING,
    ACME_STATUS_READY,
    ACME_STATUS_PROCESSING,
    ACME_STATUS_VALID,
    ACME_STATUS_INVALID,
    ACME_STATUS_DEACTIVATED,
    ACME_STATUS_EXPIRED,
    ACME_STATUS_REVOKED
};
const char *acme_status_name(enum acme_status status);

enum acme_identifier_type { ACME_DNS, ACME_IP, ACME_IDENTIFIER_OTHER };
struct acme_identifier {
    enum acme_identifier_type type;
    char *value;
};
struct acme_order_request {
    const struct strlist *dns_names;    /* lower-case A-labels, wildcards as "*.x" */
    const struct strlist *ip_addresses; /* canonical */
    const char
        *profile; /* NULL: none; must be listed in the directory: ERR_INVALID with the list */
    int64_t not_after_ms; /* 0: none */
    const char *replaces; /* certID; NULL: none */
};
struct acme_order {
    char *url; /* Location of newOrder; the asked URL for get; may be NULL on finalize */
    enum acme_status status;
    char *finalize_url, *certificate_url, *profile, *replaces;
    int64_t expires_ms, not_after_ms;
    struct acme_identifier *identifiers;
    size_t identifier_count;
    struct strlist authorizations;
    struct acme_problem error; /* class ACME_OK when there is none */
    int64_t retry_at_ms;       /* when to look again; from Retry-After, else 0 */
};
void acme_order_deinit(struct acme_order *order);
DEFINE_CLEANUP_VALUE(struct acme_order, acme_order_deinit);
int acme_order_new(struct acme_client *client, const struct context *ctx,
                   const struct acme_order_request *request, struct acme_order *ret,
                   struct acme_problem *ret_problem, struct err *err);
/* Is an order's URL of the client's CA? By its origin: that of the directory, of the account, of an order that newOrder
 * has made, or of newOrder, for which alone the directory is read. 1, 0, or why it cannot be read. */
int acme_order_url_is_known(struct acme_client *client, const struct context *ctx, const char *url,
                            struct err *err);
int acme_order_get(struct acme_client *client, const struct context *ctx, const char *url,
                   struct acme_order *ret, struct acme_problem *ret_problem, struct err *err);
/* `csr` DER. ACME_NOT_READY: read the order and act on its state. */
int acme_order_finalize(struct acme_client *client, const struct context *ctx,
                        const char *finalize_url, const void *csr, size_t csr_len,
                        struct acme_order *ret, struct acme_problem *ret_problem, struct err *err);
/* The default chain, or the first whose topmost certificate was issued by `preferred_chain` (CN).
 * *ret_preferred_found says whether one was; true when none was asked for. Bytes as served; parse
 * with chain_from_pem(). */
int acme_certificate_download(struct acme_client *client, const struct context *ctx,
                              const char *url, const char *preferred_chain, struct buf *ret_pem,
                              bool *ret_preferred_found, struct acme_problem *ret_problem,
                              struct err *err);

struct acme_challenge {
    char *type, *url,
        *token; /* token: checked by acme_token_check before use; may be NULL for unknown types */
    enum acme_status status;
    struct acme_problem error;
};
struct acme_authorization {
    enum acme_status status;
    struct acme_identifier identifier;
    bool wildcard;
    int64_t expires_ms;
    struct acme_challenge *challenges;
    size_t challenge_count;
    int64_t retry_at_ms;
};
void acme_authorization_deinit(struct acme_authorization *authorization);
DEFINE_CLEANUP_VALUE(struct acme_authorization, acme_authorization_deinit);
int acme_authorization_get(struct acme_client *client, const struct context *ctx, const char *url,
                           struct acme_authorization *ret, struct acme_problem *ret_problem,
                           struct err *err);
int acme_authorization_deactivate(struct acme_client *client, const struct context *ctx,
                                  const char *url, struct acme_problem *ret_problem,
                                  struct err *err);
/* POST {} exactly once per challenge; after a crash read the authorization first. */
int acme_challenge_start(struct acme_client *client, const struct context *ctx, const char *url,
                         int64_t *ret_retry_at_ms, struct acme_problem *ret_problem,
                         struct err *err);

/* --- values for challenges (8.1, 8.3, 8.4); pure --- */

/* Base64url alphabet, 22-128 characters. The two below are NULL for any other token. */
int acme_token_check(const char *token, struct err *err);
char *acme_key_authorization(const char *token, const struct pkey *key);
char *acme_dns01_value(const char *token,
                       const struct pkey *key); /* base64url(SHA-256(key authorization)) */

/* --- renewal information (RFC 9773; acme.md 6) --- */

struct acme_renewal_info {
    int64_t start_ms, end_ms;
    char *explanation_url;
    int64_t retry_after_ms; /* span, clamped to [1 min, 1 day]; 6 h when absent */
};
void acme_renewal_info_deinit(struct acme_renewal_info *info);
DEFINE_CLEANUP_VALUE(struct acme_renewal_info, acme_renewal_info_deinit);
/* Unauthenticated GET, whose refusal holds no other call up. ERR_UNSUPPORTED without renewalInfo in the directory; ERR_INVALID when end <= start. */
int acme_renewal_info(struct acme_client *client, const struct context *ctx, const char *cert_id,
                      struct acme_renewal_info *ret, struct err *err);
/* The instant in [start, end) that belongs to this certificate and window: derived from both, so
 * nothing has to be stored and it stays the same while the window does. */
int64_t acme_renewal_instant(const char *cert_id, int64_t start_ms, int64_t end_ms);

#endif
