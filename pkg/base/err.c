#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The latest code of this thread that had no `struct err` to go to: err_wrap(NULL, ...) must
 * return it, or a caller without an err would see a failure as success. */
static _Thread_local int unheard_code;

/* `text` holds what a *printf of `wanted` bytes left in ERR_TEXT_MAX. */
static void text_finish(char text[ERR_TEXT_MAX], int wanted)
{
    if (wanted < 0)
        text[0] = '\0';
    if (wanted >= ERR_TEXT_MAX)
        str_ellipsis(text, ERR_TEXT_MAX);
    str_clean(text);
}

PRINTF_LIKE(2, 0)
static void text_vformat(char text[ERR_TEXT_MAX], const char *fmt, va_list args)
{
    text_finish(text, vsnprintf(text, ERR_TEXT_MAX, fmt, args));
}

/* The finished text is copied in one step, since an argument may have been err->text itself. */
static int err_fill(struct err *err, int code, const char text[ERR_TEXT_MAX])
{
    if (!err) {
        unheard_code = code;
        return code;
    }
    err->code = code;
    err->retry_at_ms = 0;
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    assert(code < 0);
    va_start(args, fmt);
    text_vformat(text, fmt, args);
    va_end(args);
    return err_fill(err, code, text);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char doing[ERR_TEXT_MAX], text[ERR_TEXT_MAX];
    va_list args;

    if (!err)
        return unheard_code < 0 ? unheard_code : ERR_INTERNAL;
    assert(err->code < 0);
    if (err->code >= 0)
        err->code = ERR_INTERNAL; /* our own mistake must not look like success */

    va_start(args, fmt);
    text_vformat(doing, fmt, args);
    va_end(args);
    text_finish(text, snprintf(text, sizeof(text), "%s: %s", doing, err->text));
    memcpy(err->text, text, strlen(text) + 1);
    return err->code;
}

int err_pass(struct err *to, const struct err *from)
{
    int code = from->code < 0 ? from->code : ERR_INTERNAL; /* as in err_wrap() */

    assert(from->code < 0);
    (void)err_fill(to, code, from->text);
    if (to)
        to->retry_at_ms = from->retry_at_ms;
    return code;
}

static int code_from_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EEXIST:
        return ERR_EXISTS;
    default:
        return ERR_IO;
    }
}

int err_set_errno(struct err *err, int errnum, const char *fmt, ...)
{
    char doing[ERR_TEXT_MAX], reason[128];
    va_list args;

    va_start(args, fmt);
    text_vformat(doing, fmt, args);
    va_end(args);
    return err_set(err, code_from_errno(errnum), "%s: %s", doing,
                   strerror_r(errnum, reason, sizeof(reason)));
}

const char *err_code_name(int code)
{
    static const char *const names[] = {
        [-ERR_NONE] = "none",
        [-ERR_NOT_FOUND] = "not found",
        [-ERR_EXISTS] = "exists",
        [-ERR_CONFLICT] = "conflict",
        [-ERR_GONE] = "gone",
        [-ERR_INVALID] = "invalid",
        [-ERR_DENIED] = "denied",
        [-ERR_RATE_LIMITED] = "rate limited",
        [-ERR_TIMEOUT] = "timeout",
        [-ERR_CANCELED] = "canceled",
        [-ERR_BUSY] = "busy",
        [-ERR_PROTOCOL] = "protocol",
        [-ERR_TOO_LARGE] = "too large",
        [-ERR_NETWORK] = "network",
        [-ERR_UNAVAILABLE] = "unavailable",
        [-ERR_UNSUPPORTED] = "unsupported",
        [-ERR_IO] = "input/output",
        [-ERR_NOMEM] = "out of memory",
        [-ERR_STRANGER] = "not authenticated",
        [-ERR_INTERNAL] = "internal",
        [-ERR_DELETED] = "deleted",
    };

    if (code > 0 || code <= -(int)ARRAY_LEN(names))
        return "unknown";
    return names[-code];
}

bool err_is_transient(int code)
{
    switch (code) {
    case ERR_CONFLICT: /* after a fresh look */
    case ERR_GONE:
    case ERR_RATE_LIMITED:
    case ERR_TIMEOUT:
    case ERR_BUSY:
    case ERR_NETWORK:
    case ERR_UNAVAILABLE:
    case ERR_IO: /* a full disk empties again */
    case ERR_NOMEM:
    case ERR_STRANGER: /* credentials are renewed */
        return true;
    default:
        return false;
    }
}
