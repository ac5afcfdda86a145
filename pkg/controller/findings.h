/*
 * findings.h - what a look at a cluster has found, a line each.
 *
 * A list belongs to its caller; texts are copied and made fit for a terminal.
 */
#ifndef CONTROLLER_FINDINGS_H
#define CONTROLLER_FINDINGS_H

#include "base/str.h"
#include "store/resource.h"

enum finding_level {
    FINDING_OK,
    FINDING_WARNING, /* works, or is not known; somebody should look */
    FINDING_PROBLEM, /* certificates are not issued, or not protected */
};
extern const char *const finding_level_names[]; /* "ok", "warning", "problem" */

struct finding {
    enum finding_level level;
    char *about; /* "CRD orders.acme.cert-manager.io" */
    char *text;  /* "is missing" */
    char *todo;  /* what to do about it; NULL: nothing */
};
struct findings { /* zeroed is empty */
    struct finding *items;
    size_t len;
};
void findings_deinit(struct findings *findings);
DEFINE_CLEANUP_VALUE(struct findings, findings_deinit);

/* `todo` may be NULL. */
void findings_add(struct findings *to, enum finding_level level, const char *about,
                  const char *todo, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Appends all of `from`, which is empty then. */
void findings_move(struct findings *to, struct findings *from);
/* "not permitted to read leases.coordination.k8s.io in namespace 'x': " and what is not known for it.
 * `namespace` NULL or empty: in all. */
char *refusal_text(const struct resource *resource, const char *namespace, const char *unknown);
size_t findings_count(const struct findings *findings, enum finding_level level);

#endif
