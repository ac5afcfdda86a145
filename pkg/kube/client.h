/*
 * client.h - calls to the API server: paths, credentials, limits, retries (kubernetes.md 2, 3).
 *
 *      kube_do()  ─► identity ─► http_do() ─► status ─► 2xx: the document
 *         ▲                                     │
 *         └── 401: once more, as renewed ◄──────┤
 *         └── Retry-After, lost connection ◄────┘ where sending twice does no harm
 *
 * Waits between tries end with the context's cancel, are never beyond its deadline, and short: a server
 * that wants more than KUBE_WAIT_MAX_MS is an error with its time, so that no worker is held for it.
 *
 * Any thread. Errors as in status.h, and http.h's; texts name what was done to which object.
 */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include "http/http.h"
#include "kube/config.h"
#include "kube/status.h"

#define KUBE_WAIT_MAX_MS SECONDS(10)

struct kube;

/* One request, for metrics. */
struct kube_observation {
    const char *method;  /* "GET" */
    const char *host;    /* with its port, if the configuration gives one */
    int status;          /* HTTP; 0: no answer */
    int64_t duration_ms; /* -1: a stream, of which only the head has come */
};
typedef void kube_observe_fn(void *arg, const struct kube_observation *observation);

struct kube_options { /* all of it must outlive the client */
    const struct kube_config *config;
    struct http *http;
    const struct clock *clock;
    /* Waits in place of ours, for tests; NULL: ours. */
    int (*wait)(void *arg, const struct context *ctx, int64_t wait_ms, struct err *err);
    void *wait_arg;
    kube_observe_fn *observe; /* on the thread that calls; must be short; NULL: nobody counts */
    void *observe_arg;
    /* Asked before each try of a call that `is_write`; else ERR_CANCELED. Any thread; NULL: always. */
    bool (*may_write)(void *arg);
    void *may_write_arg;
};

struct kube *kube_new(const struct kube_options *options);
void kube_free(struct kube *kube);
DEFINE_CLEANUP(struct kube, kube_free);
const struct clock *kube_clock(const struct kube *kube);

struct kube_param {
    const char *name, *value; /* NULL value: left out */
};
#define KUBE_PARAMS_MAX 10

struct kube_call {
    struct kube_about about; /* the path is made from it, too */
    bool collection;         /* the name is not in the path: create */
    const char *path;        /* what is no object: "/version"; NULL: made from `about` */
    const char *method;
    struct kube_param params[KUBE_PARAMS_MAX]; /* up to the first without a name */
    const char *accept;                        /* NULL: JSON */
    const char *content_type;                  /* of the body; NULL: JSON */
    const struct json *body;                   /* NULL: none */
    bool is_write;                             /* kube_options.may_write */
    bool repeatable; /* doing it twice is as good as once: a lost answer is no reason to give up */
    size_t max_body; /* of the answer; 0: LIMIT_KUBE_BODY */
    int64_t timeout_ms; /* of each try, of a whole stream; 0: 30 s */
};

/* `ret` may be NULL. `ret_status` may be NULL; it tells more about an answer that was no success, and
 * is zero otherwise. */
int kube_do(struct kube *kube, const struct context *ctx, const struct kube_call *call,
            struct json **ret, struct kube_status *ret_status, struct err *err);
/* One try (two after a 401): who watches has a back-off of his own. */
int kube_stream(struct kube *kube, const struct context *ctx, const struct kube_call *call,
                struct http_stream **ret, struct kube_status *ret_status, struct err *err);

#endif
