/*
 * status.h - what an answer of the API server means (metav1.Status; kubernetes.md 3). Pure functions.
 *
 * The reason decides, then the HTTP status; never the text, which is only passed on. A text of the
 * server about a Secret may quote it, so of those only reason and field names are passed on.
 *
 *      NotFound            ERR_NOT_FOUND      AlreadyExists       ERR_EXISTS
 *      Conflict            ERR_CONFLICT       Expired, Gone       ERR_GONE
 *      Invalid, 400        ERR_INVALID        Forbidden           ERR_DENIED
 *      429                 ERR_RATE_LIMITED   5xx                 ERR_UNAVAILABLE
 *      504, Timeout        ERR_TIMEOUT        404 of a kind       ERR_UNSUPPORTED
 *      401                 ERR_STRANGER       NamespaceTerminating, a cause  ERR_DELETED
 */
#ifndef KUBE_STATUS_H
#define KUBE_STATUS_H

#include "http/http.h"
#include "store/resource.h"
#include "json/json.h"

/* What we did and to what, for messages. Lent texts. */
struct kube_about {
    const char *doing; /* "reading" */
    const char *verb;  /* as RBAC calls it: "get" */
    const struct resource *resource;
    const char *subresource; /* "status"; NULL: the object */
    const char *namespace;   /* "" or NULL: none, or all of them */
    const char *name;        /* "" or NULL: not one object */
};

#define KUBE_REASON_MAX 64
struct kube_status {
    int http;                     /* HTTP status */
    int code;                     /* enum err_code */
    char reason[KUBE_REASON_MAX]; /* "" when the server gave none */
    bool namespace_terminating;   /* 403: nothing may be created there any more */
    bool version_too_large;       /* the server is behind what was asked for */
    bool foreign_uid;             /* 422 because the object has another uid */
    bool about_object;            /* 404: one object is missing, not its kind */
    bool namespace_missing;       /* 404: that object is the namespace to write to */
    int64_t retry_at_ms;          /* wall clock, a day ahead at most; 0: the server did not say */
};

/* Fills `err` and returns its code for an answer that is no success (2xx); 0 for one that is. The
 * answer's body has been read whole. */
int kube_status_check(const struct kube_about *about, const struct http_response *response,
                      int64_t now_ms, struct kube_status *ret, struct err *err);
/* The same for a Status that came inside of a watch; always an error. */
int kube_status_of_event(const struct kube_about *about, const struct json *status, int64_t now_ms,
                         struct kube_status *ret, struct err *err);
/* "reading secrets 'default/web'", for other failures of the same call. */
void kube_about_text(const struct kube_about *about, struct buf *to);
int kube_about_wrap(const struct kube_about *about, struct err *err);

#endif
