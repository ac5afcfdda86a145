/*
 * child.h - runs another program: without a shell, watched, ended in time.
 *
 * It gets its own process group, so that its children end with it, an empty standard input, no
 * signal blocked or ignored, and no descriptor of ours. What it prints comes in pieces through a
 * callback, in the thread that called. Deadline, cancel or "enough" end it: SIGTERM, and SIGKILL
 * after `grace_ms`. One that ends by itself may leave others behind, who are let alone: their
 * output is not waited for.
 *
 * Blocks. Any thread. Everything is borrowed for the call; nothing is left when it returns, except
 * a program that the kernel cannot end.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include "base/context.h"

struct child {
    const char *program;
    const char *called;       /* in texts of errors: "it" */
    char *const *arguments;   /* from argv[0] on; NULL ends it */
    char *const *environment; /* all of it; NULL ends it */
    bool search_path;         /* a name without a slash is looked for in our $PATH */
    bool on_terminal;         /* has our standard input; in our group, or it could not read there */
    bool with_stderr;         /* read, too; otherwise it goes to ours */
    int64_t timeout_ms;       /* of the context, only clock and cancel count */
    int64_t grace_ms;         /* after a cancel at most 1 s: somebody waits for us */
    /* True: enough, end it. Until then called for all that it prints, also while it is ended. */
    bool (*output)(void *arg, const char *data, size_t len);
    void *arg;
};

struct child_end {
    enum child_how {
        CHILD_EXITED, /* `number` is the exit status */
        CHILD_KILLED, /* ... the signal, which was not ours */
        /* Ended by us: */
        CHILD_TIMED_OUT,
        CHILD_CANCELED,
        CHILD_ENOUGH,
    } how;
    int number;
};

/* However it ends, that is 0. ERR_NOT_FOUND, ERR_DENIED, ERR_IO: it was not started. */
int child_run(const struct context *ctx, const struct child *child, struct child_end *ret_end,
              struct err *err);

#endif
