/*
 * hooks.h - the programs of DIR/hooks/deploy.d, run after the files of a Secret have changed.
 *
 *   hooks_want() ─► waiting targets ─► each program that has not taken this data yet ─► .taken.json
 *
 * Programs run in order of name, one at a time; executable files only, no shell, nothing of ours but
 * the named environment. They are root's or ours and writable by nobody else, or they are refused.
 * A failure is tried again (1 min doubling to 1 h) and does not stop the other programs. Which data
 * each program took last is kept in DIR/hooks/.taken.json, so that a crash costs at most a run too many.
 *
 * hooks_want(), hooks_state() and hooks_failures() may be called from any thread; one thread runs.
 */
#ifndef CONTROLLER_HOOKS_H
#define CONTROLLER_HOOKS_H

#include "base/context.h"
#include "base/str.h"
#include "pki/digest.h"

struct hooks;
struct hooks_options {
    const char *dir; /* DIR/hooks; may be missing */
    const struct clock *clock;
    int64_t timeout_ms; /* of one run; 0: 5 min */
};
int hooks_new(const struct hooks_options *options, struct hooks **ret, struct err *err);
void hooks_free(struct hooks *hooks);
DEFINE_CLEANUP(struct hooks, hooks_free);

struct hook_target {
    const char *namespace, *certificate, *secret;
    const char *path;               /* folder with the files */
    unsigned char hash[SHA256_LEN]; /* of all data */
};
/* Programs that have not taken this data are due; nothing if all have. */
void hooks_want(struct hooks *hooks, const struct hook_target *target);
/* Forgets what was taken for Secrets ("ns/name") that `is_known` does not know. */
void hooks_keep_only(struct hooks *hooks, bool (*is_known)(void *arg, const char *secret),
                     void *arg);
/* Body of the thread: until cancelled. */
void hooks_run(struct hooks *hooks, const struct context *ctx);
/* Runs what is due now. When more is due (monotonic); 0: when something is wanted. */
int64_t hooks_run_due(struct hooks *hooks, const struct context *ctx);

struct hooks_state {
    size_t due;    /* targets with something to run now */
    size_t failed; /* programs that wait for another try */
};
void hooks_state(struct hooks *hooks, struct hooks_state *ret);
/* Adds "hook 'reload' for 'default/web-tls' and 2 more: exit status 1" of each program that failed, for each thing
 * that it failed of. */
void hooks_failures(struct hooks *hooks, struct strlist *to);

/* --- hooks_program.c: one program --- */

struct program {
    const char *name; /* for the log: "reload" */
    const char *path;
    char *const *environment;
    int64_t timeout_ms;
};
/* 0: exit status 0. ERR_TIMEOUT (it was ended), ERR_CANCELED (the same), ERR_DENIED, ERR_INVALID
 * (exit status or signal in words), ERR_IO. Its output goes to the log. */
int program_run(const struct context *ctx, const struct program *program, struct err *err);
/* ERR_DENIED when others than root and we could change what stands there. */
int program_check_owner(const char *path, struct err *err);

#endif
