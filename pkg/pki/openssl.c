#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/timetext.h"
#include "pki/openssl.h"

int openssl_err(struct err *err, int code, const char *fmt, ...)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (reason)
        err_set(err, code, "%s: %s", text, reason);
    else
        err_set(err, code, "%s", text);
    ERR_clear_error();
    return code;
}

void openssl_must(bool ok)
{
    if (!ok)
        abort();
}

int asn1_time_ms(const ASN1_TIME *time, const char *what, int64_t *ret_ms, struct err *err)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return openssl_err(err, ERR_INVALID, "%s cannot be read", what);
    *ret_ms = time_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                              tm.tm_sec);
    return 0;
}

int extension_get(const X509_EXTENSIONS *extensions, int nid, void **ret, struct err *err)
{
    int critical;
    void *value = X509V3_get_d2i(extensions, nid, &critical, NULL);

    /* -1: not there; -2: more than once; else there, and NULL means malformed. */
    if (!value && critical != -1)
        return openssl_err(err, ERR_INVALID, "the extension '%s' %s", OBJ_nid2ln(nid),
                           critical == -2 ? "is there more than once" : "is malformed");
    *ret = value;
    return 0;
}

void extension_add(X509_EXTENSIONS **extensions, int nid, void *value, bool critical)
{
    openssl_must(X509V3_add1_i2d(extensions, nid, value, critical, X509V3_ADD_APPEND) == 1);
}

char *oid_text(const char *head, const ASN1_OBJECT *oid)
{
    int len = OBJ_obj2txt(NULL, 0, oid, 1);
    cleanup(xfree) char *dotted = xalloc((size_t)(len > 0 ? len : 0) + 1);

    if (len > 0)
        (void)OBJ_obj2txt(dotted, len + 1, oid, 1); /* the length that it just said */
    return xasprintf("%s%s", head, len > 0 ? dotted : "(an OID that is too long)");
}
