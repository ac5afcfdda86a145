/*
 * report.h - Certificates, Issuers and hand-made requests as rows for people: `certlet status`, and the end of `--once`.
 *
 * One look explains a Certificate that is not ready: what it waits for, the CA's words, the failing name,
 * the attempt and the next time. Rows are found in a store (the same for a running process and beside it).
 */
#ifndef CONTROLLER_REPORT_H
#define CONTROLLER_REPORT_H

#include "controller/certificate_decide.h"
#include "controller/manifests.h"
#include "store/store.h"

struct report_node { /* an object behind a Certificate; depth-first */
    int depth;
    const char *kind, *name;
    const char *state; /* "pending", "issued", "not ready"; NULL: not known */
    const char *text;  /* more of it; NULL */
};
struct certificate_row {
    const char *namespace, *name, *ready; /* "True", "False", "Unknown" */
    const char *reason, *message;         /* of Ready */
    struct array_string dns_names, ip_addresses;
    struct array_string names; /* of every kind; where there is none, the common name */
    const char *issuer_kind, *issuer_name, *secret_name;
    int64_t not_before_ms, not_after_ms, renewal_time_ms;
    bool is_unissuable; /* as it is: the message says why, and nothing else counts */
    bool is_early;      /* not in force yet, though it is Ready */
    bool is_issuing;
    const char *issuing_message; /* NULL */
    int64_t attempts;            /* failed in a row; said nowhere in `problem` */
    int64_t next_attempt_ms;     /* 0: none is held back */
    const char *waiting_for;     /* NULL */
    const char *problem;         /* what went wrong last, the CA's words; NULL */
    const char *failing_name;    /* NULL */
    const char *issuer_hint; /* where an issuer of that name is, if not where it is meant; NULL */
    const char *issuer_refused; /* file, line and what is wrong; NULL until report_tell_refused() */
    const char *serial;         /* of the stored certificate; NULL until report_load_leaves() */
    const char *signed_by;      /* common name of its issuer; the same */
    struct report_node
        *nodes; /* issuer, Secret, requests with Orders with Challenges: scope.with_tree */
    size_t node_count;
};
struct issuer_row {
    const char *kind, *namespace, *name, *ready, *reason, *message, *account;
};
struct request_row { /* a CertificateRequest of no Certificate's: somebody wrote it by hand */
    const char *namespace, *name, *issuer_kind, *issuer_name;
    const char *state; /* "issued", "failed", "denied", ...: as in the tree */
    const char *text;  /* more of it; NULL */
    bool is_issued;
};
struct report_scope {          /* zeroed: everything but requests */
    struct strlist namespaces; /* empty: all */
    /* "NAME" or "NAMESPACE/NAME" of Certificates, and only the issuers that they refer to; empty: all */
    struct strlist names;
    /* What explains a Certificate and may not be read is left out and named in report.refused. Without
     * it, and for Certificates themselves, that is ERR_DENIED. */
    bool tolerant;
    bool with_tree; /* fill in the rows' nodes */
    bool
        with_requests; /* those of no Certificate: in a cluster they are other programs' business */
};
struct report { /* everything borrowed by the rows lives in here */
    struct arena *arena;
    struct strlist refused; /* "not permitted to read ..." */
    bool tolerant;
    struct certificate_row *certificates;
    size_t certificate_count;
    struct issuer_row *issuers;
    size_t issuer_count;
    struct request_row *requests;
    size_t request_count;
};
void report_deinit(struct report *report);
DEFINE_CLEANUP_VALUE(struct report, report_deinit);

/* All of it, sorted by namespace and name. */
int report_load(struct store *store, const struct context *ctx, struct report *ret,
                struct err *err);
/* With as few lists as do: what explains a Certificate is read only when one of them needs it. */
int report_load_scope(struct store *store, const struct context *ctx,
                      const struct report_scope *scope, struct report *ret, struct err *err);
/* Is there a Certificate of this "NAME" or "NAMESPACE/NAME"? */
bool report_has(const struct report *report, const char *name);

/* Reads the Secret of every row, for serial and signed_by. */
int report_load_leaves(struct store *store, const struct context *ctx, struct report *report,
                       struct err *err);

/* Of a folder: says of each Certificate that is not in force, or is being issued, when the manifest of its issuer was
 * refused, so that there is none or not the one that is meant. */
void report_tell_refused(struct report *report, const struct manifest_problems *problems);

/* Is it in force, and no renewal is overdue? */
bool certificate_row_is_fine(const struct certificate_row *row, int64_t now_ms);
/* "default/web: not ready: ...": one line that says why. */
void certificate_row_explain(const struct certificate_row *row, struct buf *to);
/* "CertificateRequest default/web: denied: ...". */
void request_row_explain(const struct request_row *row, struct buf *to);

#endif
