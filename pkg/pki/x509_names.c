/*
 * Subject and alternative names between struct x509_names and X.509.
 *
 * Written as Go's crypto/x509/pkix does, because cert-manager's requests look like that: the
 * types in one order, all values of a type in one RDN, PrintableString where that is enough.
 */
#include <string.h>

#include "base/str.h"
#include "pki/names.h"
#include "pki/openssl.h"

/* In Go's order (behaviour.md 1.3). A row is a list or one string. */
static const struct {
    int nid;
    bool is_list;
    size_t offset;
} subject_types[] = {
    {NID_countryName, true, offsetof(struct x509_names, countries)},
    {NID_organizationName, true, offsetof(struct x509_names, organizations)},
    {NID_organizationalUnitName, true, offsetof(struct x509_names, organizational_units)},
    {NID_localityName, true, offsetof(struct x509_names, localities)},
    {NID_stateOrProvinceName, true, offsetof(struct x509_names, provinces)},
    {NID_streetAddress, true, offsetof(struct x509_names, street_addresses)},
    {NID_postalCode, true, offsetof(struct x509_names, postal_codes)},
    {NID_commonName, false, offsetof(struct x509_names, common_name)},
    {NID_serialNumber, false, offsetof(struct x509_names, serial_number)},
};

/* Alternative names that are text, in the order of their tags. IP addresses come behind them. */
static const struct {
    int type;
    const char *what;
    size_t offset;
} text_types[] = {
    {GEN_EMAIL, "e-mail address", offsetof(struct x509_names, email_addresses)},
    {GEN_DNS, "DNS name", offsetof(struct x509_names, dns_names)},
    {GEN_URI, "URI", offsetof(struct x509_names, uris)},
};

static void *member(const struct x509_names *names, size_t offset)
{
    return (char *)names + offset;
}

void x509_names_deinit(struct x509_names *names)
{
    for (size_t i = 0; i < ARRAY_LEN(subject_types); i++) {
        void *value = member(names, subject_types[i].offset);

        if (subject_types[i].is_list)
            strlist_deinit(value);
        else
            xfree(*(char **)value);
    }
    for (size_t i = 0; i < ARRAY_LEN(text_types); i++)
        strlist_deinit(member(names, text_types[i].offset));
    strlist_deinit(&names->ip_addresses);
    *names = (struct x509_names){};
}

/*
 * Writing.
 */

/* X.680 41.4, and as in Go without '*' and '&', which the standard leaves out. */
static bool is_printable_string(const char *s)
{
    static const char printable[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    " '()+,-./:=?";

    return strspn(s, printable) == strlen(s);
}

/* `joins`: into the RDN of the value before. */
static int add_attribute(X509_NAME *to, int nid, const char *value, bool joins, struct err *err)
{
    int type = is_printable_string(value) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
    size_t len = strlen(value);

    if (!str_is_utf8(value, len))
        return err_set(err, ERR_INVALID, "the subject's %s is not UTF-8", OBJ_nid2ln(nid));
    /* An explicit type, since MBSTRING_UTF8 would apply OpenSSL's length limits per attribute. */
    if (!X509_NAME_add_entry_by_NID(to, nid, type, (const unsigned char *)value, (int)len, -1,
                                    joins ? -1 : 0))
        return openssl_err(err, ERR_INVALID, "the subject's %s", OBJ_nid2ln(nid));
    return 0;
}

static int add_attributes(X509_NAME *to, int nid, const struct strlist *values, struct err *err)
{
    for (size_t i = 0; i < values->len; i++) {
        int r = add_attribute(to, nid, values->items[i], i > 0, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int x509_names_write_subject(const struct x509_names *names, X509_NAME *to, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(subject_types) && r == 0; i++) {
        void *value = member(names, subject_types[i].offset);

        if (subject_types[i].is_list)
            r = add_attributes(to, subject_types[i].nid, value, err);
        else if (!str_empty(*(char **)value))
            r = add_attribute(to, subject_types[i].nid, *(char **)value, false, err);
    }
    return r;
}

static bool subject_is_empty(const struct x509_names *names)
{
    for (size_t i = 0; i < ARRAY_LEN(subject_types); i++) {
        void *value = member(names, subject_types[i].offset);

        if (subject_types[i].is_list ? ((struct strlist *)value)->len > 0
                                     : !str_empty(*(char **)value))
            return false;
    }
    return true;
}

static bool is_ia5(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] == 0 || s[i] > 0x7f)
            return false;
    return true;
}

/* `bytes` becomes a name of `type` in `to`. */
static void add_general_name(GENERAL_NAMES *to, int type, int string_type, const void *bytes,
                             size_t len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(string_type);

    openssl_must(name && value && ASN1_STRING_set(value, bytes, (int)len) == 1);
    GENERAL_NAME_set0_value(name, type, value);
    openssl_must(sk_GENERAL_NAME_push(to, name) > 0);
}

static int add_texts(GENERAL_NAMES *to, int type, const char *what, const struct strlist *texts,
                     struct err *err)
{
    for (size_t i = 0; i < texts->len; i++) {
        const char *text = texts->items[i];
        size_t len = strlen(text);

        if (len == 0)
            return err_set(err, ERR_INVALID, "an empty %s cannot be in a certificate", what);
        if (!is_ia5((const unsigned char *)text, len))
            return err_set(err, ERR_INVALID,
                           "the %s '%s' is not ASCII (a domain is written as xn--...)", what, text);
        add_general_name(to, type, V_ASN1_IA5STRING, text, len);
    }
    return 0;
}

static int add_ips(GENERAL_NAMES *to, const struct strlist *ips, struct err *err)
{
    for (size_t i = 0; i < ips->len; i++) {
        unsigned char ip[16];
        size_t len;
        int r = ip_parse(ips->items[i], ip, &len, err);

        if (r < 0)
            return r;
        add_general_name(to, GEN_IPADD, V_ASN1_OCTET_STRING, ip, len);
    }
    return 0;
}

int x509_names_write_san(const struct x509_names *names, X509_EXTENSIONS **extensions,
                         struct err *err)
{
    cleanup(GENERAL_NAMES_free) GENERAL_NAMES *san = GENERAL_NAMES_new();
    int r = 0;

    openssl_must(san);
    for (size_t i = 0; i < ARRAY_LEN(text_types) && r == 0; i++)
        r = add_texts(san, text_types[i].type, text_types[i].what,
                      member(names, text_types[i].offset), err);
    if (r == 0)
        r = add_ips(san, &names->ip_addresses, err);
    if (r < 0)
        return r;
    if (sk_GENERAL_NAME_num(san) > 0)
        extension_add(extensions, NID_subject_alt_name, san, subject_is_empty(names));
    return 0;
}

/*
 * Reading.
 */

/* Heap text of any ASN.1 string type. */
static int text_of(const ASN1_STRING *string, char **ret, struct err *err)
{
    cleanup(openssl_free) unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);

    if (len < 0)
        return openssl_err(err, ERR_INVALID, "a name cannot be read");
    if (memchr(utf8, 0, (size_t)len))
        return err_set(err, ERR_INVALID, "a name contains a NUL byte");
    if (!str_is_utf8((char *)utf8, (size_t)len))
        return err_set(err, ERR_INVALID, "a name is not UTF-8");
    *ret = xstrndup((char *)utf8, (size_t)len);
    return 0;
}

static void keep_attribute(struct x509_names *names, int nid, char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(subject_types); i++) {
        void *value = member(names, subject_types[i].offset);

        if (subject_types[i].nid != nid)
            continue;
        if (subject_types[i].is_list) {
            strlist_add_take(value, text);
        } else {
            xfree(*(char **)value); /* the last one counts, as in Go */
            *(char **)value = text;
        }
        return;
    }
    xfree(text);
}

static int read_subject(struct x509_names *names, const X509_NAME *subject, struct err *err)
{
    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        char *text = NULL;
        int r = text_of(X509_NAME_ENTRY_get_data(entry), &text, err);

        if (r < 0)
            return err_wrap(err, "subject");
        keep_attribute(names, OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)), text);
    }
    return 0;
}

static int read_ip(struct x509_names *names, const ASN1_STRING *value, struct err *err)
{
    int len = ASN1_STRING_length(value);
    char text[IP_TEXT_MAX];

    if (len != 4 && len != 16)
        return err_set(err, ERR_INVALID, "an IP address of %d bytes", len);
    ip_format(ASN1_STRING_get0_data(value), (size_t)len, text);
    strlist_add(&names->ip_addresses, text);
    return 0;
}

static int read_text(struct strlist *list, const ASN1_STRING *value, const char *what,
                     struct err *err)
{
    const unsigned char *data = ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);

    if (!is_ia5(data, len))
        return err_set(err, ERR_INVALID, "%s with a NUL byte or outside of ASCII", what);
    strlist_add_take(list, xstrndup((const char *)data, len));
    return 0;
}

/* Other types (otherName, directoryName, ...) are passed over. */
static int read_general_name(struct x509_names *names, const GENERAL_NAME *name, struct err *err)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);

    if (type == GEN_IPADD)
        return read_ip(names, value, err);
    for (size_t i = 0; i < ARRAY_LEN(text_types); i++)
        if (type == text_types[i].type)
            return read_text(member(names, text_types[i].offset), value, text_types[i].what, err);
    return 0;
}

static int read_san(struct x509_names *names, const X509_EXTENSIONS *extensions, struct err *err)
{
    cleanup(GENERAL_NAMES_free) GENERAL_NAMES *san = NULL;
    void *value = NULL;
    int r;

    r = extension_get(extensions, NID_subject_alt_name, &value, err);
    if (r < 0)
        return r;
    san = value;
    for (int i = 0; san && i < sk_GENERAL_NAME_num(san); i++) {
        r = read_general_name(names, sk_GENERAL_NAME_value(san, i), err);
        if (r < 0)
            return err_wrap(err, "alternative names");
    }
    return 0;
}

int x509_names_read(struct x509_names *names, const X509_NAME *subject,
                    const X509_EXTENSIONS *extensions, struct err *err)
{
    int r = read_subject(names, subject, err);

    return r < 0 ? r : read_san(names, extensions, err);
}
