/*
 * run.h - the parts of `certlet run`: what the flags say, and what is set up from them.
 */
#ifndef CERTLET_RUN_H
#define CERTLET_RUN_H

#include "controller/export.h"
#include "controller/manifests.h"
#include "engine.h"

struct run_flags {
    struct engine_flags engine;
    const char *dir;
    bool once;
    int64_t timeout_ms;
    const char *tls_mode, *tls_group;
    int64_t hook_timeout_ms;
};

struct run { /* in order of setting up; torn down the other way round */
    struct run_flags flags;
    int lock_fd;
    struct engine engine;
    struct export *export;
    struct manifests *manifests;
    struct cancel *watching; /* of the manifest thread */
    struct thread *manifest_thread;
    bool is_loaded;         /* atomic: the manifests are in the store */
    size_t manifest_errors; /* atomic: of the last look */
};

/* run_setup.c */
/* Returns an exit code; EXIT_OK: all there; RUN_STOPPED: a signal came before that. */
enum { RUN_STOPPED = -1 };
int run_setup(struct run *run, struct err *err);
void run_teardown(struct run *run);

#endif
