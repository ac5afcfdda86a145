/*
 * Key usages between their bit set (api.md 3) and the extensions keyUsage and extKeyUsage.
 */
#include "base/str.h"
#include "pki/openssl.h"

/* A second row for the same bit is another word for it: reading yields the first. */
static const struct {
    enum key_usage usage;
    int bit; /* RFC 5280 4.2.1.3 */
} key_usage_bits[] = {
    {USAGE_DIGITAL_SIGNATURE, 0}, {USAGE_SIGNING, 0},           {USAGE_CONTENT_COMMITMENT, 1},
    {USAGE_KEY_ENCIPHERMENT, 2},  {USAGE_DATA_ENCIPHERMENT, 3}, {USAGE_KEY_AGREEMENT, 4},
    {USAGE_CERT_SIGN, 5},         {USAGE_CRL_SIGN, 6},          {USAGE_ENCIPHER_ONLY, 7},
    {USAGE_DECIPHER_ONLY, 8},
};

static const struct {
    enum key_usage usage;
    int nid;
} extended_usages[] = {
    {USAGE_ANY, NID_anyExtendedKeyUsage},
    {USAGE_SERVER_AUTH, NID_server_auth},
    {USAGE_CLIENT_AUTH, NID_client_auth},
    {USAGE_CODE_SIGNING, NID_code_sign},
    {USAGE_EMAIL_PROTECTION, NID_email_protect},
    {USAGE_SMIME, NID_email_protect},
    {USAGE_IPSEC_END_SYSTEM, NID_ipsecEndSystem},
    {USAGE_IPSEC_TUNNEL, NID_ipsecTunnel},
    {USAGE_IPSEC_USER, NID_ipsecUser},
    {USAGE_TIMESTAMPING, NID_time_stamp},
    {USAGE_OCSP_SIGNING, NID_OCSP_sign},
    {USAGE_MICROSOFT_SGC, NID_ms_sgc},
    {USAGE_NETSCAPE_SGC, NID_ns_sgc},
};

static bool has_usage(key_usages usages, enum key_usage usage)
{
    return usages & (key_usages)1 << usage;
}

static void write_key_usage(key_usages usages, X509_EXTENSIONS **extensions)
{
    cleanup(ASN1_BIT_STRING_free) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool any = false;

    openssl_must(bits);
    for (size_t i = 0; i < ARRAY_LEN(key_usage_bits); i++) {
        if (!has_usage(usages, key_usage_bits[i].usage))
            continue;
        openssl_must(ASN1_BIT_STRING_set_bit(bits, key_usage_bits[i].bit, 1) == 1);
        any = true;
    }
    if (any)
        extension_add(extensions, NID_key_usage, bits, true);
}

static void write_extended(key_usages usages, X509_EXTENSIONS **extensions)
{
    cleanup(EXTENDED_KEY_USAGE_free) EXTENDED_KEY_USAGE *list = EXTENDED_KEY_USAGE_new();
    int last = NID_undef;

    openssl_must(list);
    for (size_t i = 0; i < ARRAY_LEN(extended_usages); i++) {
        if (!has_usage(usages, extended_usages[i].usage) || extended_usages[i].nid == last)
            continue;
        last = extended_usages[i].nid;
        openssl_must(sk_ASN1_OBJECT_push(list, OBJ_nid2obj(last)) > 0);
    }
    if (last != NID_undef)
        extension_add(extensions, NID_ext_key_usage, list, false);
}

void usages_write(key_usages usages, X509_EXTENSIONS **extensions)
{
    write_key_usage(usages, extensions);
    write_extended(usages, extensions);
}

static key_usages from_bits(const ASN1_BIT_STRING *bits)
{
    key_usages usages = 0;

    for (size_t i = 0; i < ARRAY_LEN(key_usage_bits); i++)
        if (key_usage_bits[i].usage != USAGE_SIGNING &&
            ASN1_BIT_STRING_get_bit(bits, key_usage_bits[i].bit))
            usages |= (key_usages)1 << key_usage_bits[i].usage;
    return usages;
}

static key_usages from_nid(int nid)
{
    for (size_t i = 0; i < ARRAY_LEN(extended_usages); i++)
        if (extended_usages[i].nid == nid)
            return (key_usages)1 << extended_usages[i].usage;
    return 0; /* not one that Kubernetes has a word for */
}

static key_usages from_list(const EXTENDED_KEY_USAGE *list)
{
    key_usages usages = 0;

    for (int i = 0; i < sk_ASN1_OBJECT_num(list); i++)
        usages |= from_nid(OBJ_obj2nid(sk_ASN1_OBJECT_value(list, i)));
    return usages;
}

int usages_read(const X509_EXTENSIONS *extensions, key_usages *ret, bool *ret_has, struct err *err)
{
    cleanup(ASN1_BIT_STRING_free) ASN1_BIT_STRING *bits = NULL;
    cleanup(EXTENDED_KEY_USAGE_free) EXTENDED_KEY_USAGE *list = NULL;
    void *value = NULL;
    int r;

    r = extension_get(extensions, NID_key_usage, &value, err);
    if (r < 0)
        return r;
    bits = value;
    value = NULL;
    r = extension_get(extensions, NID_ext_key_usage, &value, err);
    if (r < 0)
        return r;
    list = value;
    *ret = (bits ? from_bits(bits) : 0) | (list ? from_list(list) : 0);
    *ret_has = bits || list;
    return 0;
}

int usages_read_others(const X509_EXTENSIONS *extensions, struct strlist *to, struct err *err)
{
    cleanup(EXTENDED_KEY_USAGE_free) EXTENDED_KEY_USAGE *list = NULL;
    void *value = NULL;
    int r = extension_get(extensions, NID_ext_key_usage, &value, err);

    list = value;
    for (int i = 0; r == 0 && list && i < sk_ASN1_OBJECT_num(list); i++) {
        const ASN1_OBJECT *oid = sk_ASN1_OBJECT_value(list, i);

        if (!from_nid(OBJ_obj2nid(oid)))
            strlist_add_take(to, oid_text("", oid));
    }
    return r;
}

int constraints_read(const X509_EXTENSIONS *extensions, bool *ret_is_ca, bool *ret_has,
                     struct err *err)
{
    cleanup(BASIC_CONSTRAINTS_free) BASIC_CONSTRAINTS *constraints = NULL;
    void *value = NULL;
    int r = extension_get(extensions, NID_basic_constraints, &value, err);

    if (r < 0)
        return r;
    constraints = value;
    *ret_is_ca = constraints && constraints->ca;
    *ret_has = constraints;
    return 0;
}
