/*
 * export.h - Secrets named by a Certificate's secretName as files, and the programs that run after.
 *
 *   DIR/tls/<namespace>/<secretName>/tls.crt ─► ..data/tls.crt,  ..data ─► ..2026-11-24T13-00-00.123-4f2a/
 *
 * All files of a Secret are swapped as one through the symbolic link `..data`, as kubelet does, so that
 * a server never reads a new certificate with an old key; the two newest versions stay, because a server
 * may just be reading the older. Names are checked before any path is built, folders are opened without following links.
 *
 * After a change every program in DIR/hooks/deploy.d runs (in order of name, executable files only, no
 * shell) with CERTLET_NAMESPACE, CERTLET_NAME, CERTLET_SECRET, CERTLET_PATH; bounded in time; retried
 * after a failure (1 min doubling to 1 h) and after a crash: which data each hook took last is kept in
 * DIR/hooks/.taken.json. One thread runs hooks; nothing else waits for it.
 */
#ifndef CONTROLLER_EXPORT_H
#define CONTROLLER_EXPORT_H

#include "controller/controllers.h"

struct export;
struct export_options {
    const char *dir;         /* DIR */
    unsigned mode;           /* --tls-mode: of tls.key and everything beside; 0600 */
    int64_t group;           /* --tls-group as gid; -1: ours */
    int64_t hook_timeout_ms; /* --hook-timeout; 0: 5 min */
};
int export_new(const struct export_options *options, struct controllers *controllers,
               struct export **ret, struct err *err);
void export_free(struct export *export);
DEFINE_CLEANUP(struct export, export_free);
/* export_reconcile (controllers.h) is its row in the table: `self` is the controllers, the key a
 * Certificate's. export_new() sets controllers->export and adds handlers to the caches of Certificates
 * and Secrets that wake the lane; it must come before the manager starts. */

/* After manager_start(): drops what hooks took for Certificates that are gone, and starts the thread. */
int export_start_hooks(struct export *export, const struct context *ctx, struct err *err);
/* Ends a running hook (SIGTERM, then SIGKILL); it is due again at the next start. */
void export_stop_hooks(struct export *export);
/* Instead of the thread, for one-threaded tests: runs what is due now. */
void export_run_hooks(struct export *export, const struct context *ctx);

struct export_state {
    size_t exporting;     /* Secrets to be looked at or written now */
    size_t export_failed; /* besides: failed, waiting for another try */
    size_t hooks_due;     /* hook runs due now or running */
    size_t hooks_failed;  /* waiting for another try */
};
void export_state(struct export *export, struct export_state *ret);
/* What each of those that failed says, exports first. */
void export_failures(struct export *export, struct strlist *to);

#endif
