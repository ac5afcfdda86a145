/*
 * The extension nameConstraints (RFC 5280 4.2.1.10), in the order of cert-manager: domains, addresses,
 * e-mail addresses, URIs.
 */
#include <string.h>

#include "pki/names.h"
#include "pki/openssl.h"

/* A prefix behind the slash, and not another mask. */
static bool range_has_prefix(const char *text)
{
    const char *slash = strchr(text, '/');

    return slash && !strpbrk(slash, ".:");
}

static const struct subtree_type {
    int type;
    const char *what;
    bool (*is_readable)(const char *text); /* for Go */
    size_t offset;
} subtree_types[] = {
    {GEN_DNS, "DNS domain", name_is_domain_bound, offsetof(struct subtrees, dns_domains)},
    {GEN_IPADD, "IP range", range_has_prefix, offsetof(struct subtrees, ip_ranges)},
    {GEN_EMAIL, "e-mail address", name_is_email_bound, offsetof(struct subtrees, email_addresses)},
    {GEN_URI, "URI domain", name_is_uri_bound, offsetof(struct subtrees, uri_domains)},
};

static struct strlist *texts_of(const struct subtrees *subtrees, size_t offset)
{
    return (struct strlist *)((char *)subtrees + offset);
}

void name_bounds_deinit(struct name_bounds *bounds)
{
    for (size_t i = 0; i < ARRAY_LEN(subtree_types); i++) {
        strlist_deinit(texts_of(&bounds->permitted, subtree_types[i].offset));
        strlist_deinit(texts_of(&bounds->excluded, subtree_types[i].offset));
    }
    strlist_deinit(&bounds->permitted.others);
    strlist_deinit(&bounds->excluded.others);
}

static int check_subtree(const struct subtree_type *type, const char *text, struct err *err)
{
    if (type->is_readable(text))
        return 0;
    return err_set(err, ERR_INVALID, "the %s '%s' is one that some programs cannot read",
                   type->what, text);
}

/*
 * Writing.
 */

static int set_range(const char *text, ASN1_OCTET_STRING *to, struct err *err)
{
    unsigned char range[32];
    size_t len = 0;
    int r = ip_range_parse(text, range, &len, err);

    if (r < 0)
        return r;
    openssl_must(ASN1_STRING_set(to, range, (int)len) == 1);
    return 0;
}

static int add_subtree(const struct subtree_type *type, const char *text,
                       STACK_OF(GENERAL_SUBTREE) * to, struct err *err)
{
    GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
    ASN1_STRING *value = ASN1_STRING_type_new(type->type == GEN_IPADD ? V_ASN1_OCTET_STRING
                                                                      : V_ASN1_IA5STRING);

    openssl_must(subtree && value && sk_GENERAL_SUBTREE_push(to, subtree) > 0);
    GENERAL_NAME_set0_value(subtree->base, type->type, value);
    if (type->type == GEN_IPADD)
        return set_range(text, value, err);
    openssl_must(ASN1_STRING_set(value, text, -1) == 1);
    return check_subtree(type, text, err);
}

/* *to stays NULL where there is nothing: an empty list must not be written. */
static int add_subtrees(const struct subtrees *subtrees, STACK_OF(GENERAL_SUBTREE) * *to,
                        struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(subtree_types); i++) {
        const struct strlist *texts = texts_of(subtrees, subtree_types[i].offset);

        for (size_t k = 0; k < texts->len; k++) {
            int r;

            if (!*to)
                *to = sk_GENERAL_SUBTREE_new_null();
            openssl_must(*to);
            r = add_subtree(&subtree_types[i], texts->items[k], *to, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int name_bounds_write(const struct name_bounds *bounds, X509_EXTENSIONS **extensions,
                      struct err *err)
{
    cleanup(NAME_CONSTRAINTS_free) NAME_CONSTRAINTS *value = NAME_CONSTRAINTS_new();
    int r;

    openssl_must(value);
    r = add_subtrees(&bounds->permitted, &value->permittedSubtrees, err);
    if (r == 0)
        r = add_subtrees(&bounds->excluded, &value->excludedSubtrees, err);
    if (r < 0)
        return err_wrap(err, "name constraints");
    if (value->permittedSubtrees || value->excludedSubtrees)
        extension_add(extensions, NID_name_constraints, value, bounds->critical);
    return 0;
}

/*
 * Reading.
 */

static int read_range(struct strlist *to, const ASN1_STRING *value, struct err *err)
{
    int len = ASN1_STRING_length(value);
    char text[IP_RANGE_TEXT_MAX];

    if (len != 8 && len != 32)
        return err_set(err, ERR_INVALID, "an IP range of %d bytes", len);
    ip_range_format(ASN1_STRING_get0_data(value), (size_t)len, text);
    strlist_add(to, text);
    return 0;
}

static int read_directory_name(struct strlist *to, const X509_NAME *name, struct err *err)
{
    cleanup(xfree) char *text = NULL;
    int r = name_text(name, &text, err);

    if (r == 0)
        strlist_add_take(to, xasprintf("directory name %s", text));
    return r;
}

int other_name_read(struct strlist *to, int type, const void *value, struct err *err)
{
    static const char *const words[] = {
        [GEN_OTHERNAME] = "an other name",
        [GEN_X400] = "an X.400 address",
        [GEN_EDIPARTY] = "an EDI party name",
    };

    if (type == GEN_DIRNAME)
        return read_directory_name(to, value, err);
    if (type == GEN_RID)
        strlist_add_take(to, oid_text("registered identifier ", value));
    else
        strlist_add(to, words[type]);
    return 0;
}

static int read_subtree(const GENERAL_NAME *name, struct subtrees *to, struct err *err)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);

    if (type == GEN_IPADD)
        return read_range(&to->ip_ranges, value, err);
    for (size_t i = 0; i < ARRAY_LEN(subtree_types); i++)
        if (type == subtree_types[i].type)
            return ia5_read(texts_of(to, subtree_types[i].offset), value, subtree_types[i].what,
                            err);
    return other_name_read(&to->others, type, value, err);
}

static int read_subtrees(const STACK_OF(GENERAL_SUBTREE) * subtrees, struct subtrees *to,
                         struct err *err)
{
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        int r = read_subtree(sk_GENERAL_SUBTREE_value(subtrees, i)->base, to, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int name_bounds_read(const X509_EXTENSIONS *extensions, struct name_bounds *ret, struct err *err)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(NAME_CONSTRAINTS_free) NAME_CONSTRAINTS *value = NULL;
    void *found = NULL;
    int r = extension_get(extensions, NID_name_constraints, &found, err);

    if (r < 0 || !found)
        return r;
    value = found;
    bounds.critical = X509_EXTENSION_get_critical(
        X509v3_get_ext(extensions, X509v3_get_ext_by_NID(extensions, NID_name_constraints, -1)));
    r = read_subtrees(value->permittedSubtrees, &bounds.permitted, err);
    if (r == 0)
        r = read_subtrees(value->excludedSubtrees, &bounds.excluded, err);
    if (r < 0)
        return err_wrap(err, "name constraints");
    *ret = bounds;
    bounds = (struct name_bounds){};
    return 0;
}

/*
 * Checking.
 */

static int check_subtrees(const struct subtrees *subtrees, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(subtree_types); i++) {
        const struct strlist *texts = texts_of(subtrees, subtree_types[i].offset);

        for (size_t k = 0; k < texts->len; k++) {
            int r = check_subtree(&subtree_types[i], texts->items[k], err);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static bool is_empty(const struct subtrees *subtrees)
{
    for (size_t i = 0; i < ARRAY_LEN(subtree_types); i++)
        if (texts_of(subtrees, subtree_types[i].offset)->len > 0)
            return false;
    return subtrees->others.len == 0;
}

static int check_bounds(const struct name_bounds *bounds, struct err *err)
{
    int r = check_subtrees(&bounds->permitted, err);

    if (r == 0)
        r = check_subtrees(&bounds->excluded, err);
    if (r == 0 && is_empty(&bounds->permitted) && is_empty(&bounds->excluded))
        r = err_set(err, ERR_INVALID, "there is no name in them");
    return r < 0 ? err_wrap(err, "name constraints") : 0;
}

int name_bounds_check(const X509_EXTENSIONS *extensions, struct err *err)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    int r = name_bounds_read(extensions, &bounds, err);

    if (r < 0 || X509v3_get_ext_by_NID(extensions, NID_name_constraints, -1) < 0)
        return r;
    return check_bounds(&bounds, err);
}
