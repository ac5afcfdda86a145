#include <idn2.h>
#include <libpsl.h>
#include <stdatomic.h>
#include <string.h>

#include "dns/dns.h"

#define LABEL_LEN_MAX 63
#define NAME_LEN_MAX  253

/* --- registered domains --- */

/* The newer of the system's list and the one compiled into libpsl; loaded once and never freed. */
static const psl_ctx_t *suffix_list(void)
{
    static _Atomic(psl_ctx_t *) loaded;
    psl_ctx_t *list = atomic_load(&loaded), *none = NULL;

    if (list)
        return list;
    list = psl_latest(NULL);
    if (!list)
        return psl_builtin();
    if (atomic_compare_exchange_strong(&loaded, &none, list))
        return list;
    psl_free(list); /* another thread was first */
    return none;
}

char *dns_registered_domain(const char *name)
{
    const psl_ctx_t *list = suffix_list();
    cleanup(xfree) char *plain = NULL;
    const char *found;

    if (dns_to_alabel(name, &plain, NULL) < 0) {
        plain = xstrdup(name); /* not a name at all: a key of its own */
        str_lower(plain);
    }
    found = list ? psl_registrable_domain(list, plain) : NULL;
    return found ? xstrdup(found) : take(plain);
}

/* --- internationalised names --- */

static bool is_plain_ascii(const char *name)
{
    for (const char *p = name; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            return false;
    }
    return !strcasestr(name, "xn--");
}

/* Lengths by RFC 1035 2.3.4; no empty label; nothing that is blank or a control character. */
static int check_ascii(const char *name, const char *given, struct err *err)
{
    size_t label = 0;

    if (strlen(name) > NAME_LEN_MAX)
        return err_set(err, ERR_INVALID, "'%s' is longer than %d bytes", given, NAME_LEN_MAX);
    for (const char *p = name;; p++) {
        if (*p == '.' || *p == '\0') {
            if (label == 0)
                return err_set(err, ERR_INVALID, "'%s' has an empty label", given);
            label = 0;
        } else if (++label > LABEL_LEN_MAX) {
            return err_set(err, ERR_INVALID, "'%s' has a label longer than %d bytes", given,
                           LABEL_LEN_MAX);
        } else if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return err_set(err, ERR_INVALID, "'%s' is not a dns name", given);
        }
        if (*p == '\0')
            return 0;
    }
}

/* Names of plain ASCII have nothing to convert, and libidn2 refuses some that are in use
 * ("ab--cd"). */
static int to_ascii(const char *name, const char *given, char **ret, struct err *err)
{
    uint8_t *ascii = NULL;
    int status;

    if (is_plain_ascii(name)) {
        *ret = xstrdup(name);
        str_lower(*ret);
        return 0;
    }
    status = idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (status != IDN2_OK)
        return err_set(err, ERR_INVALID, "'%s' is not an internationalised name: %s", given,
                       idn2_strerror(status));
    *ret = xstrdup((const char *)ascii);
    idn2_free(ascii);
    str_lower(*ret);
    return 0;
}

int dns_to_alabel(const char *name, char **ret, struct err *err)
{
    bool wildcard = str_starts(name, "*.");
    cleanup(xfree) char *rest = xstrdup(wildcard ? name + 2 : name);
    cleanup(xfree) char *ascii = NULL;
    int r;

    if (str_ends(rest, "."))
        rest[strlen(rest) - 1] = '\0';
    r = to_ascii(rest, name, &ascii, err);
    if (r < 0)
        return r;
    r = check_ascii(ascii, name, err);
    if (r < 0)
        return r;
    *ret = wildcard ? xasprintf("*.%s", ascii) : take(ascii);
    return 0;
}
