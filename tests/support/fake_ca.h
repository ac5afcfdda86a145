/*
 * fake_ca.h - an ACME CA in memory behind http_new_fake(): for unit tests and the simulator.
 *
 * It keeps accounts, orders, authorizations and certificates over as many clients (and simulated
 * restarts of the program) as a test makes; certificates are real ones. Time comes from the
 * request's context, chance from the seed. It is strict: nonces once, `url` and `kid` exact,
 * signatures verified; what a client does wrong is also kept as a complaint, so that a test sees it
 * even where the client got over it. One thread at a time.
 *
 *     struct fake_ca *ca = fake_ca_new(&(struct fake_ca_options){.seed = 1});
 *     struct http *http = fake_ca_http(ca);
 *     ... ACME server FAKE_CA_DIRECTORY ...
 *     ASSERT_NULL(fake_ca_complaint(ca));
 *
 * Endpoints, as faults and queued answers name them: directory newNonce newAccount account orders
 * newOrder order authz challenge finalize certificate alternate renewalInfo.
 */
#ifndef SUPPORT_FAKE_CA_H
#define SUPPORT_FAKE_CA_H

#include "acme/gate.h"
#include "http/http.h"

#define FAKE_CA_HOST      "ca.test"
#define FAKE_CA_URL       "https://" FAKE_CA_HOST
#define FAKE_CA_DIRECTORY FAKE_CA_URL "/dir"

enum fake_ca_fault {
    FAKE_CA_NONE,
    FAKE_CA_CUT,       /* connection lost: before the effect, or after it */
    FAKE_CA_TIMEOUT,   /* the same, noticed late */
    FAKE_CA_HTML,      /* 502 with a web page */
    FAKE_CA_TRUNCATED, /* half of the answer's body */
    /* the following only before the effect, which then does not happen */
    FAKE_CA_BAD_NONCE,
    FAKE_CA_500,
    FAKE_CA_503,         /* without Retry-After */
    FAKE_CA_503_SECONDS, /* Retry-After: 120 */
    FAKE_CA_429,         /* bare */
    FAKE_CA_429_SECONDS, /* Retry-After: 3600 */
    FAKE_CA_429_DATE,    /* Retry-After: a date one hour ahead */
    FAKE_CA_429_DETAIL,  /* "retry after ..." one hour ahead, in the detail only */
    FAKE_CA_PROCESSING,  /* challenge, finalize: takes effect 30 s later */
    FAKE_CA_BUSY,        /* the call is not made: our side has too many in flight */
};
/* Asked twice per request: before its effect, and after it with the answer not sent yet. */
typedef enum fake_ca_fault fake_ca_fault_fn(void *arg, const char *endpoint, bool after);

/* Does the validation succeed? `name` without "*."; `value` is the key authorization (http-01) or
 * the TXT value (dns-01). */
struct fake_ca_validation {
    const char *type, *name, *token, *value;
    bool is_ip;
};
typedef bool fake_ca_validate_fn(void *arg, const struct fake_ca_validation *validation);

enum fake_ca_chain { /* what is wrong with certificates issued from now on */
                     FAKE_CA_GOOD_CHAIN,
                     FAKE_CA_OTHER_KEY,     /* the leaf is for another key */
                     FAKE_CA_OTHER_NAME,    /* the leaf is for another name */
                     FAKE_CA_WITH_KEY,      /* a PRIVATE KEY block in the chain */
                     FAKE_CA_OTHER_ISSUER,  /* the intermediate has not signed the leaf */
                     FAKE_CA_EXPIRED_CHAIN, /* the leaf's time is over */
};

struct fake_ca_profile {
    const char *name, *description;
    int64_t lifetime_ms;
};

/* Everything may be left out. What is pointed to is borrowed. */
struct fake_ca_options {
    uint64_t seed;
    const char *url; /* NULL: FAKE_CA_URL; changed, it is as a CA that is gone, and another one */
    int64_t lifetime_ms;      /* 90 days */
    int64_t backdate_ms;      /* notBefore lies before the clock by this much */
    int64_t validation_ms;    /* a challenge is `processing` for this long; 0: not at all */
    int64_t issue_ms;         /* the same of finalize */
    int64_t order_ms;         /* 7 days */
    int64_t authorization_ms; /* pending: 7 days */
    int64_t reuse_ms;   /* a valid authorization serves the account's later orders this long */
    bool reuse_pending; /* so does a pending one, until it has ended */
    bool reuse_orders;  /* the same pending order is given out again, as Let's Encrypt does */
    int nonce_reject_percent;
    int64_t clock_skew_ms; /* of the Date header */
    const struct fake_ca_profile *profiles;
    size_t profile_count;
    const char *eab_key_id; /* required then */
    const void *eab_mac_key;
    size_t eab_mac_key_len;
    size_t alternates;       /* 0-2: chains ending at FAKE_CA_ROOT(2) and (3) */
    bool no_renewal_info;    /* not in the directory */
    bool no_order_list;      /* of an account, as at Let's Encrypt */
    int orders_per_page;     /* of that list; 0: 3 */
    bool calls_all_back;     /* the renewal window of every certificate is over */
    bool unknown_challenge;  /* offers one more of an unknown type, without token */
    bool replaces_fails_500; /* Pebble before 2.10 */
    enum fake_ca_chain chain;
    const struct acme_limits *limits; /* enforced; an order beyond them is a violation */
    fake_ca_validate_fn *validate;    /* NULL: always valid */
    void *validate_arg;
    fake_ca_fault_fn *fault;
    void *fault_arg;
};
#define FAKE_CA_ROOT(n) "Fake Root X" #n /* 1: the default chain's */

struct fake_ca;
struct fake_ca *fake_ca_new(const struct fake_ca_options *options); /* NULL: all defaults */
void fake_ca_free(struct fake_ca *ca);
DEFINE_CLEANUP(struct fake_ca, fake_ca_free);
struct http *fake_ca_http(struct fake_ca *ca); /* the caller's, as often as wanted; before the CA */
http_fake_fn fake_ca_handle; /* `arg` is the CA: for a fake of more than one host */
struct fake_ca_options *fake_ca_get_options(struct fake_ca *ca);  /* may be changed at any time */
const char *fake_ca_root_pem(const struct fake_ca *ca, size_t n); /* lent; n from 1 */

/* The next request to `endpoint` gets this answer and has no effect. First in, first out. */
struct fake_ca_answer {
    int status;
    const char *content_type; /* NULL: application/json, of an error application/problem+json */
    const char *body;
    const char *retry_after, *location, *link; /* header values; may be NULL */
    bool no_nonce;
};
void fake_ca_queue(struct fake_ca *ca, const char *endpoint, const struct fake_ca_answer *answer);

/* Window of one certificate (or of all that there are: NULL). */
void fake_ca_set_window(struct fake_ca *ca, const char *cert_id, int64_t start_ms, int64_t end_ms,
                        const char *explanation_url);
/* Orders with this name are refused with an unpause URL. */
void fake_ca_pause_name(struct fake_ca *ca, const char *name, bool paused);
void fake_ca_end_renewal_info(struct fake_ca *ca); /* the directory does not name it any more */
void fake_ca_forget_accounts(struct fake_ca *ca);  /* accountDoesNotExist from now on */
void fake_ca_recall_accounts(struct fake_ca *ca);  /* what it has forgotten */
void fake_ca_drop_nonces(struct fake_ca *ca);      /* as when the CA moves to another datacentre */

struct fake_ca_counts {
    int requests, new_accounts, new_orders, finalized, issued, downloads, validations,
        failed_validations, bad_nonces, limit_violations;
};
const struct fake_ca_counts *fake_ca_counts(const struct fake_ca *ca);
int fake_ca_requests(const struct fake_ca *ca, const char *endpoint);
/* Of one exact set: names sorted, joined with commas. */
int fake_ca_orders_of(const struct fake_ca *ca, const char *names);
int fake_ca_issued_of(const struct fake_ca *ca, const char *names);
/* The first thing a client did that RFC 8555 forbids; NULL: nothing. */
const char *fake_ca_complaint(const struct fake_ca *ca);
/* The last request's parts, decoded: for tests of what is sent. NULL for GET and HEAD. */
const char *fake_ca_last_header(const struct fake_ca *ca);  /* protected */
const char *fake_ca_last_payload(const struct fake_ca *ca); /* "" for POST-as-GET */

#endif
