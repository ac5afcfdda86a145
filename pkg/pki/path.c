/*
 * path.c - a chain as clients judge it (RFC 5280 6.1), by OpenSSL.
 *
 * Left to itself OpenSSL looks for the path that it judges, passes over what does not fit, and says of a CA that
 * may not sign only that no issuer was found. So it is told the path (is_next()), and asked for everything that it
 * has against it. What it does not say is found out behind it by its own functions: which name, which extension.
 */
#include <limits.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "pki/names.h"
#include "pki/openssl.h"

DEFINE_CLEANUP(X509_STORE, X509_STORE_free);
DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free);

#define NAMES_SHOWN 8 /* of those that a CA may not sign: a certificate can have thousands */
/* Of a certificate for each CA where nobody asked: a chain can have ten thousand, and fifteen CAs with limits, which
 * would keep a worker busy for a second. */
#define NAMES_TRIED 1000

struct judging {
    const struct chain *path;
    const struct strlist *places;
    X509 **certs; /* those of `path`, with keys */
    struct strlist *ret;
    size_t named; /* the place, from 1, of the one whose names were told last */
    bool only_certain;
};

static void judging_deinit(struct judging *judging)
{
    for (size_t i = 0; judging->certs && i < judging->path->len; i++)
        X509_free(judging->certs[i]);
    xfree(judging->certs);
}
DEFINE_CLEANUP_VALUE(struct judging, judging_deinit);

/* The same may come from two of OpenSSL's rules. Takes `text`. */
static void add_finding(const struct judging *judging, char *text)
{
    if (strlist_has(judging->ret, text))
        xfree(text);
    else
        strlist_add_take(judging->ret, text);
}

/* --- what a CA may --- */

/* RFC 5280 6.1.4 l: what a CA has issued for itself does not count. */
static size_t cas_below(const struct judging *judging, size_t i)
{
    size_t count = 0;

    for (size_t k = 1; k < i; k++)
        if (!(X509_get_extension_flags(judging->certs[k]) & EXFLAG_SI))
            count++;
    return count;
}

static void tell_path_length(struct judging *judging, size_t i, int error)
{
    add_finding(judging,
                xasprintf("%s may have %ld CAs below it (basicConstraints, pathLenConstraint) and "
                          "has %zu: get a certificate from a CA within that limit, or a CA "
                          "without it",
                          judging->places->items[i], X509_get_pathlen(judging->certs[i]),
                          cas_below(judging, i)));
}

static const char *why_not_ca(X509 *cert)
{
    if (!(X509_get_key_usage(cert) & X509v3_KU_KEY_CERT_SIGN))
        return "may not sign certificates, as its key usage lacks keyCertSign: have it issued "
               "anew with 'cert sign' among its usages";
    return "does not say that it is a CA (basicConstraints): have it issued anew as one";
}

static void tell_not_ca(struct judging *judging, size_t i, int error)
{
    add_finding(judging,
                xasprintf("%s %s", judging->places->items[i], why_not_ca(judging->certs[i])));
}

static void tell_other_key(struct judging *judging, size_t i, int error)
{
    add_finding(judging,
                xasprintf("%s says that another key has signed it (authorityKeyIdentifier) than "
                          "that of %s: put the certificate of the CA that it means in that place",
                          judging->places->items[i], judging->places->items[i + 1]));
}

/* --- critical extensions --- */

static void tell_critical(struct judging *judging, size_t i, int error)
{
    const X509 *cert = judging->certs[i];

    for (int k = 0; k < X509_get_ext_count(cert); k++) {
        X509_EXTENSION *extension = X509_get_ext(cert, k);
        cleanup(xfree) char *oid = NULL;

        if (!X509_EXTENSION_get_critical(extension) || X509_supported_extension(extension))
            continue;
        oid = oid_text("", X509_EXTENSION_get_object(extension));
        add_finding(judging,
                    xasprintf("%s has the critical extension %s, which clients do not know and so "
                              "have to refuse: have it issued without, or with it not critical",
                              judging->places->items[i], oid));
    }
}

/* --- name constraints --- */

static char *text_of(const GENERAL_NAME *name)
{
    static const struct {
        int type;
        const char *what;
    } rows[] = {{GEN_DNS, "DNS name"}, {GEN_EMAIL, "e-mail address"}, {GEN_URI, "URI"}};
    cleanup(strlist_deinit) struct strlist words = {};
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    char ip[IP_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (type == rows[i].type)
            return xasprintf("%s '%.*s'", rows[i].what, ASN1_STRING_length(value),
                             (const char *)ASN1_STRING_get0_data(value));
    if (type == GEN_IPADD) {
        ip_format(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), ip);
        return xasprintf("IP address %s", ip);
    }
    return xstrdup(other_name_read(&words, type, value, NULL) == 0 ? words.items[0]
                                                                   : "a name that cannot be read");
}

/* What a CA has against names of a certificate. */
enum clash { CLASH_OUTSIDE, CLASH_EXCLUDED, CLASH_UNCLEAR, CLASH_COUNT };

static enum clash clash_of(int error)
{
    return error == X509_V_ERR_PERMITTED_VIOLATION  ? CLASH_OUTSIDE
           : error == X509_V_ERR_EXCLUDED_VIOLATION ? CLASH_EXCLUDED
                                                    : CLASH_UNCLEAR;
}

struct clashes {
    NAME_CONSTRAINTS *bounds;
    struct strlist names[CLASH_COUNT]; /* NAMES_SHOWN at most */
    size_t counts[CLASH_COUNT];
};

static void clashes_deinit(struct clashes *clashes)
{
    for (size_t i = 0; i < CLASH_COUNT; i++)
        strlist_deinit(&clashes->names[i]);
}
DEFINE_CLEANUP_VALUE(struct clashes, clashes_deinit);

/* Takes `text`. */
static void add_clash(struct clashes *clashes, int error, char *text)
{
    enum clash clash = clash_of(error);

    if (clashes->counts[clash]++ < NAMES_SHOWN)
        strlist_add_take(&clashes->names[clash], text);
    else
        xfree(text);
}

/* NAME_CONSTRAINTS_check() stops at the first name, and does not say which: each is tried alone, in a certificate of
 * nothing else. A copy without the others would take thirty times as long, for its key. */
static void try_name(struct clashes *clashes, GENERAL_NAME *name)
{
    cleanup(X509_free) X509 *alone = X509_new();
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    int error;

    openssl_must(alone && names && sk_GENERAL_NAME_push(names, name) > 0 &&
                 X509_add1_ext_i2d(alone, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1);
    sk_GENERAL_NAME_free(names);            /* `name` is only lent */
    (void)X509_check_purpose(alone, -1, 0); /* reads the extensions, and says nothing */
    error = NAME_CONSTRAINTS_check(alone, clashes->bounds);
    if (error != X509_V_OK)
        add_clash(clashes, error, text_of(name));
}

static void try_alternative_names(struct clashes *clashes, const X509 *cert, int max)
{
    cleanup(GENERAL_NAMES_free)
        GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < max; i++)
        try_name(clashes, sk_GENERAL_NAME_value(names, i));
}

/* The common name of a leaf without DNS names counts as one for some clients (RFC 6125 6.4.4). */
static void try_subject(struct clashes *clashes, const struct cert *cert, bool with_common_name)
{
    cleanup(X509_free) X509 *alone = X509_new();
    int error;

    openssl_must(alone &&
                 X509_set_subject_name(alone, X509_get_subject_name(cert_x509(cert))) == 1);
    error = NAME_CONSTRAINTS_check(alone, clashes->bounds);
    if (error != X509_V_OK) {
        add_clash(clashes, error, xasprintf("subject '%s'", cert_subject(cert)));
        return;
    }
    if (with_common_name && cert_names(cert)->dns_names.len == 0)
        error = NAME_CONSTRAINTS_check_CN(alone, clashes->bounds);
    if (error != X509_V_OK)
        add_clash(clashes, error,
                  xasprintf("common name '%s'", str_or(cert_names(cert)->common_name, "")));
}

static void add_clash_finding(const struct judging *judging, size_t i, size_t by,
                              const struct clashes *clashes, enum clash clash)
{
    static const char *const texts[] = {
        [CLASH_OUTSIDE] = "outside of what is permitted",
        [CLASH_EXCLUDED] = "within what is excluded",
        [CLASH_UNCLEAR] = "not to be compared with what is permitted or excluded",
    };
    cleanup(xfree) char *names = strlist_join(&clashes->names[clash], ", ");
    size_t more = clashes->counts[clash] - clashes->names[clash].len;
    cleanup(xfree) char *rest = more > 0 ? xasprintf(" and %zu more", more) : xstrdup("");

    add_finding(judging,
                xasprintf("%s has names that %s may not sign (name constraints: %s): %s%s; "
                          "leave them out, or use a CA that may sign them",
                          judging->places->items[i], judging->places->items[by], texts[clash],
                          names, rest));
}

static void tell_clashes(const struct judging *judging, size_t i, size_t by)
{
    cleanup(NAME_CONSTRAINTS_free) NAME_CONSTRAINTS *bounds = X509_get_ext_d2i(
        judging->certs[by], NID_name_constraints, NULL, NULL);
    cleanup(clashes_deinit) struct clashes clashes = {.bounds = bounds};

    if (!bounds)
        return;
    try_subject(&clashes, judging->path->certs[i], i == 0 && !judging->only_certain);
    try_alternative_names(&clashes, judging->certs[i],
                          judging->only_certain ? NAMES_TRIED : INT_MAX);
    for (size_t clash = 0; clash < CLASH_COUNT; clash++)
        if (clashes.counts[clash] > 0)
            add_clash_finding(judging, i, by, &clashes, clash);
}

/* --- all of it --- */

static void tell_other(struct judging *judging, size_t i, int error)
{
    if (judging->only_certain)
        return;
    add_finding(judging, xasprintf("%s is refused by OpenSSL: %s", judging->places->items[i],
                                   X509_verify_cert_error_string(error)));
}

static void tell_names(struct judging *judging, size_t i, int error)
{
    size_t before = judging->ret->len;

    if (judging->named == i + 1)
        return; /* OpenSSL says it for each CA that has something against them */
    judging->named = i + 1;
    for (size_t by = i + 1; by < judging->path->len; by++)
        tell_clashes(judging, i, by);
    if (judging->ret->len == before)
        tell_other(judging, i, error);
}

/*
 * Certain is what no client of RFC 5280 does without. Not the rest: a key identifier may be that of the CA's other
 * certificate, for which clients look themselves, names of a sort that OpenSSL cannot compare (the user principal
 * names of a Windows domain, say) others can, and a common name, of a user 'john.doe' too, is a DNS name for OpenSSL
 * and not by 4.2.1.10, Go or a browser.
 */
static const struct {
    int error;
    bool is_certain;
    void (*tell)(struct judging *judging, size_t i, int error);
} rules[] = {
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, true, tell_path_length},
    {X509_V_ERR_INVALID_CA, true, tell_not_ca},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, true, tell_not_ca},
    {X509_V_ERR_AKID_SKID_MISMATCH, false, tell_other_key},
    {X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH, false, tell_other_key},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, true, tell_critical},
    {X509_V_ERR_PERMITTED_VIOLATION, true, tell_names},
    {X509_V_ERR_EXCLUDED_VIOLATION, true, tell_names},
    {X509_V_ERR_SUBTREE_MINMAX, false, tell_names},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, false, tell_names},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, false, tell_names},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, false, tell_names},
};

static void tell(struct judging *judging, size_t i, int error)
{
    for (size_t k = 0; k < ARRAY_LEN(rules); k++)
        if (rules[k].error == error) {
            if (rules[k].is_certain || !judging->only_certain)
                rules[k].tell(judging, i, error);
            return;
        }
    tell_other(judging, i, error);
}

/* Always goes on, so that all that is wrong is told. */
static int on_error(int ok, X509_STORE_CTX *ctx)
{
    struct judging *judging = X509_STORE_CTX_get_app_data(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);

    if (!ok && depth >= 0 && (size_t)depth < judging->path->len)
        tell(judging, (size_t)depth, X509_STORE_CTX_get_error(ctx));
    return 1;
}

/* Of the topmost the issuer is itself, or not here. */
static int is_next(X509_STORE_CTX *ctx, X509 *cert, X509 *issuer)
{
    const struct judging *judging = X509_STORE_CTX_get_app_data(ctx);
    size_t last = judging->path->len - 1;

    for (size_t i = 0; i < last; i++)
        if (judging->certs[i] == cert)
            return judging->certs[i + 1] == issuer;
    return cert == issuer && cert_is_self_signed(judging->path->certs[last]);
}

static void verify(struct judging *judging)
{
    const unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME;
    cleanup(X509_STORE_free) X509_STORE *trusted = X509_STORE_new();
    cleanup(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    size_t last = judging->path->len - 1;

    openssl_must(trusted && ctx && between &&
                 X509_STORE_add_cert(trusted, judging->certs[last]) == 1 &&
                 X509_STORE_set_flags(trusted, flags) == 1);
    for (size_t i = 1; i < last; i++)
        openssl_must(sk_X509_push(between, judging->certs[i]) > 0);
    X509_STORE_set_check_issued(trusted, is_next);
    X509_STORE_set_verify_cb(trusted, on_error);
    openssl_must(X509_STORE_CTX_init(ctx, trusted, judging->certs[0], between) == 1);
    openssl_must(X509_STORE_CTX_set_app_data(ctx, judging) == 1);
    if (X509_verify_cert(ctx) != 1) /* nothing that on_error() was told of */
        tell_other(judging, 0, X509_STORE_CTX_get_error(ctx));
    sk_X509_free(between);
}

/* Of the issuers, what is_next() did not let OpenSSL look at. */
static void check_issuers(struct judging *judging)
{
    for (size_t i = 0; i + 1 < judging->path->len; i++) {
        int error = X509_check_issued(judging->certs[i + 1], judging->certs[i]);

        if (error == X509_V_ERR_AKID_SKID_MISMATCH ||
            error == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH)
            tell(judging, i, error);
    }
}

/* OpenSSL looks no further where one is, and does not say so. */
static bool tell_malformed(const struct judging *judging)
{
    bool found = false;

    for (size_t i = 0; i < judging->path->len; i++) {
        if (!(X509_get_extension_flags(judging->certs[i]) & EXFLAG_INVALID))
            continue;
        found = true;
        if (!judging->only_certain)
            add_finding(judging,
                        xasprintf("%s has extensions that are malformed or contradict each "
                                  "other: have it issued anew",
                                  judging->places->items[i]));
    }
    return found;
}

static void judge(struct judging *judging)
{
    if (judging->path->len == 0)
        return;
    judging->certs = xcalloc(judging->path->len, sizeof(*judging->certs));
    for (size_t i = 0; i < judging->path->len; i++)
        judging->certs[i] = x509_with_key(judging->path->certs[i]);
    if (!tell_malformed(judging)) {
        verify(judging);
        check_issuers(judging);
    }
    (void)openssl_err(NULL, ERR_INVALID, "no"); /* empties the queue */
}

void chain_judge(const struct chain *path, const struct strlist *places, struct strlist *ret)
{
    cleanup(judging_deinit) struct judging judging = {.path = path, .places = places, .ret = ret};

    judge(&judging);
}

void chain_refusals(const struct chain *path, const struct strlist *places, struct strlist *ret)
{
    cleanup(judging_deinit) struct judging judging = {
        .path = path, .places = places, .ret = ret, .only_certain = true};

    judge(&judging);
}

bool cert_names_fit(const struct cert *leaf, const struct cert *ca)
{
    X509 *x509 = cert_x509(leaf);
    cleanup(NAME_CONSTRAINTS_free) NAME_CONSTRAINTS *bounds = X509_get_ext_d2i(
        cert_x509(ca), NID_name_constraints, NULL, NULL);
    bool fit = true;

    if (bounds) {
        (void)X509_check_purpose(x509, -1, 0); /* reads the extensions, and says nothing */
        fit = NAME_CONSTRAINTS_check(x509, bounds) == X509_V_OK;
    }
    (void)openssl_err(NULL, ERR_INVALID, "no"); /* empties the queue */
    return fit;
}

/* --- the path --- */

/* By its place where it was read, however the path has come to it. */
static char *place_of(const struct chain *chain, const struct chain *ca, const struct cert *cert)
{
    const struct {
        const struct chain *chain;
        const char *name;
    } rows[] = {{chain, "the chain"}, {ca, "ca.crt"}};
    const char *subject = *cert_subject(cert) ? cert_subject(cert) : "(none)";

    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        for (size_t i = 0; i < rows[r].chain->len; i++)
            if (cert_equal(rows[r].chain->certs[i], cert))
                return xasprintf("certificate %zu of %s ('%s')", i + 1, rows[r].name, subject);
    return xstrdup(subject); /* never: the path is made of those */
}

static void append_roots(struct chain *to, const struct chain *from)
{
    for (size_t i = 0; i < from->len; i++)
        if (cert_is_self_signed(from->certs[i]))
            chain_append(to, &(struct chain){&from->certs[i], 1});
}

void chain_path(const struct chain *chain, const struct chain *ca, struct chain *ret,
                struct strlist *ret_places)
{
    const struct chain leaf = {chain->certs, chain->len > 0 ? 1 : 0};
    cleanup(chain_deinit) struct chain all = {};

    chain_append(&all, &leaf);
    if (leaf.len > 0) {
        append_roots(&all, ca);
        chain_append(&all, ca);
    }
    chain_append(&all, chain);
    chain_upwards(&all, ret);
    for (size_t i = 0; i < ret->len; i++)
        strlist_add_take(ret_places, place_of(chain, ca, ret->certs[i]));
}

char *chain_refusal_text(const struct chain *chain, const struct chain *ca)
{
    cleanup(chain_deinit) struct chain path = {};
    cleanup(strlist_deinit) struct strlist places = {}, found = {};

    chain_path(chain, ca, &path, &places);
    chain_refusals(&path, &places, &found);
    return found.len > 0 ? strlist_join(&found, "; ") : NULL;
}
