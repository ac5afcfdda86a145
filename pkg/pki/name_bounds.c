/*
 * The extension nameConstraints (RFC 5280 4.2.1.10), in the order of cert-manager: domains, addresses,
 * e-mail addresses, URIs.
 */
#include <string.h>

#include "pki/names.h"
#include "pki/openssl.h"

static const struct {
    int type;
    const char *what;
    size_t offset;
} subtree_types[] = {
    {GEN_DNS, "DNS domain", offsetof(struct subtrees, dns_domains)},
    {GEN_IPADD, "IP range", offsetof(struct subtrees, ip_ranges)},
    {GEN_EMAIL, "e-mail address", offsetof(struct subtrees, email_addresses)},
    {GEN_URI, "URI domain", offsetof(struct subtrees, uri_domains)},
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
}

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

static int set_domain(const char *text, const char *what, ASN1_IA5STRING *to, struct err *err)
{
    if (!name_is_url_text(text))
        return err_set(err, ERR_INVALID,
                       "the %s '%s' is not ASCII or has blanks (a domain is written as xn--...)",
                       what, text);
    openssl_must(ASN1_STRING_set(to, text, -1) == 1);
    return 0;
}

static int add_subtree(int type, const char *what, const char *text, STACK_OF(GENERAL_SUBTREE) * to,
                       struct err *err)
{
    GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
    ASN1_STRING *value = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING
                                                                : V_ASN1_IA5STRING);

    openssl_must(subtree && value && sk_GENERAL_SUBTREE_push(to, subtree) > 0);
    GENERAL_NAME_set0_value(subtree->base, type, value);
    return type == GEN_IPADD ? set_range(text, value, err) : set_domain(text, what, value, err);
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
            r = add_subtree(subtree_types[i].type, subtree_types[i].what, texts->items[k], *to,
                            err);
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
