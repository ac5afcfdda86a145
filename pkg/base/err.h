/*
 * err.h - why a call failed, in words fit for a condition.
 *
 * The `struct err` lives on the caller's stack, needs no release and is untouched on success.
 * Functions return 0 or the negative code that they also put into `err`. Text is lower case,
 * without a full stop, names in single quotes, and says what to do where we know it. Secrets
 * never go in; bytes that are not UTF-8 become '?' like control characters, so that a text is
 * fit for JSON. `err` may be NULL everywhere: the code alone then has to do.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum err_code {
    ERR_NONE = 0,
    ERR_NOT_FOUND = -1,    /* no such object, file, name                                  */
    ERR_EXISTS = -2,       /* create of something that is there                           */
    ERR_CONFLICT = -3,     /* precondition or version does not hold: look again           */
    ERR_GONE = -4,         /* the watch fell behind the change log: list again            */
    ERR_INVALID = -5,      /* what we were given is wrong; retrying the same is pointless */
    ERR_DENIED = -6,       /* the other side says no (403, EACCES)                        */
    ERR_RATE_LIMITED = -7, /* not before err->retry_at_ms                                 */
    ERR_TIMEOUT = -8,      /* deadline passed, here or on the way                         */
    ERR_CANCELED = -9,     /* the context was cancelled: stop, do not report              */
    ERR_BUSY = -10,        /* a fair share is used up here: requeue                       */
    ERR_PROTOCOL = -11,    /* the other side does not speak what it should                */
    ERR_TOO_LARGE = -12,   /* a byte or nesting limit was reached                         */
    ERR_NETWORK = -13,     /* could not reach, connection lost, name not resolved         */
    ERR_UNAVAILABLE = -14, /* reached, but cannot serve now (5xx, SERVFAIL)               */
    ERR_UNSUPPORTED = -15, /* valid, but not built here or not offered there              */
    ERR_IO = -16,          /* the local disk or system                                    */
    ERR_NOMEM = -17,       /* a library said so                                           */
    ERR_STRANGER = -18,    /* the API server does not know who we are (401)               */
    ERR_INTERNAL = -19,    /* our own mistake                                             */
    ERR_DELETED = -20,     /* what it is about has gone, or its namespace goes: no fault  */
};

#define ERR_TEXT_MAX 1024 /* bytes with the terminator; longer text ends in "..." */

struct err {
    int code;            /* enum err_code */
    int64_t retry_at_ms; /* wall clock, 0 when unknown; with ERR_RATE_LIMITED and ERR_UNAVAILABLE */
    char text[ERR_TEXT_MAX];
};

/* Set and return `code`. Control characters in the text become '?'. Clears retry_at_ms. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* "<what we were doing>: <text so far>"; returns err->code, which must be set.
 * For NULL it returns the latest code that this thread set without an err. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The error of an attempt whose failure turned out to count, with its retry_at_ms. Returns its code, which
 * must be set. */
int err_pass(struct err *to, const struct err *from);

/* ERR_IO, ERR_NOT_FOUND, ERR_DENIED, ERR_EXISTS from errno, text + ": " + strerror. */
int err_set_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* "not found", "rate limited": for logs and tests. */
const char *err_code_name(int code);

/* Will the same call possibly work later, without anybody changing anything?
 * Conflict and gone count: a fresh look is part of trying again. */
bool err_is_transient(int code);

#endif
