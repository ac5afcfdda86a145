/*
 * Subject and alternative names between struct x509_names and X.509.
 *
 * Written as Go's crypto/x509/pkix does, because cert-manager's requests look like that: the
 * types in one order, all values of a type in one RDN, PrintableString where that is enough.
 */
#include <string.h>

#include "base/str.h"
#include "pki/dn.h"
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

/* Alternative names that are lists, in Go's order; other names come behind them. Go reads no certificate with a
 * name that is not readable. */
static const struct list_type {
    int type;
    const char *what;
    size_t offset;
    bool (*is_readable)(const char *name); /* NULL: whatever it is */
} list_types[] = {
    {GEN_DNS, "DNS name", offsetof(struct x509_names, dns_names), NULL},
    {GEN_EMAIL, "e-mail address", offsetof(struct x509_names, email_addresses), NULL},
    {GEN_IPADD, "IP address", offsetof(struct x509_names, ip_addresses), NULL},
    {GEN_URI, "URI", offsetof(struct x509_names, uris), name_is_uri},
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
    for (size_t i = 0; i < ARRAY_LEN(list_types); i++)
        strlist_deinit(member(names, list_types[i].offset));
    for (size_t i = 0; i < names->other_name_count; i++) {
        xfree(names->other_names[i].oid);
        xfree(names->other_names[i].utf8_value);
    }
    xfree(names->other_names);
    xfree(names->literal_subject);
    *names = (struct x509_names){};
}

void x509_names_add_other(struct x509_names *names, const char *oid, const char *utf8_value)
{
    names->other_names = xrealloc(names->other_names,
                                  (names->other_name_count + 1) * sizeof(*names->other_names));
    names->other_names[names->other_name_count++] = (struct other_name){
        .oid = xstrdup(oid), .utf8_value = xstrdup(utf8_value)};
}

/*
 * Writing.
 */

/* `joins`: into the RDN of the value before. */
static int add_object(X509_NAME *to, const ASN1_OBJECT *object, const char *value, bool joins,
                      struct err *err)
{
    int type = name_is_printable_string(value) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
    const char *name = OBJ_nid2ln(OBJ_obj2nid(object));
    size_t len = strlen(value);

    if (!str_is_utf8(value, len))
        return err_set(err, ERR_INVALID, "the subject's %s is not UTF-8", name);
    /* An explicit type, since MBSTRING_UTF8 would apply OpenSSL's length limits per attribute. */
    if (!X509_NAME_add_entry_by_OBJ(to, object, type, (const unsigned char *)value, (int)len, -1,
                                    joins ? -1 : 0))
        return openssl_err(err, ERR_INVALID, "the subject's %s", name);
    return 0;
}

static int add_attribute(X509_NAME *to, int nid, const char *value, bool joins, struct err *err)
{
    return add_object(to, OBJ_nid2obj(nid), value, joins, err);
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

static int object_from(const char *oid, ASN1_OBJECT **ret, struct err *err)
{
    *ret = name_is_oid(oid) ? OBJ_txt2obj(oid, 1) : NULL;
    return *ret ? 0 : openssl_err(err, ERR_INVALID, "'%s' is not an object identifier", oid);
}

static int write_dn(const struct dn *dn, X509_NAME *to, struct err *err)
{
    for (size_t i = 0; i < dn->len; i++) {
        cleanup(ASN1_OBJECT_free) ASN1_OBJECT *object = NULL;
        int r = object_from(dn->items[i].oid, &object, err);

        if (r == 0)
            r = add_object(to, object, dn->items[i].value, dn->items[i].joins, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_text(const char *text, X509_NAME *to, struct err *err)
{
    cleanup(dn_deinit) struct dn dn = {};
    int r = dn_parse(text, &dn, err);

    return r < 0 ? err_wrap(err, "subject") : write_dn(&dn, to, err);
}

void name_to_der(const X509_NAME *name, struct buf *to)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509_NAME(name, &der);

    openssl_must(len > 0);
    buf_add(to, der, (size_t)len);
}

int subject_text_to_der(const char *text, struct buf *to, struct err *err)
{
    cleanup(X509_NAME_free) X509_NAME *name = X509_NAME_new();
    int r;

    openssl_must(name);
    r = write_text(text, name, err);
    if (r == 0)
        name_to_der(name, to);
    return r;
}

int x509_names_write_subject(const struct x509_names *names, X509_NAME *to, struct err *err)
{
    int r = 0;

    if (names->literal_subject)
        return write_text(names->literal_subject, to, err);
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
    if (names->literal_subject)
        return false; /* it was written: a text that says nothing is refused */
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

static int check_readable(const struct list_type *type, const char *name, struct err *err)
{
    if (!type->is_readable || type->is_readable(name))
        return 0;
    return err_set(err, ERR_INVALID, "the %s '%s' is one that some programs cannot read",
                   type->what, name);
}

static int check_text(const struct list_type *type, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_INVALID, "an empty %s cannot be in a certificate", type->what);
    if (!is_ia5((const unsigned char *)text, strlen(text)))
        return err_set(err, ERR_INVALID,
                       "the %s '%s' is not ASCII (a domain is written as xn--...)", type->what,
                       text);
    return check_readable(type, text, err);
}

static int add_texts(GENERAL_NAMES *to, const struct list_type *type, const struct strlist *texts,
                     struct err *err)
{
    for (size_t i = 0; i < texts->len; i++) {
        int r = check_text(type, texts->items[i], err);

        if (r < 0)
            return r;
        add_general_name(to, type->type, V_ASN1_IA5STRING, texts->items[i],
                         strlen(texts->items[i]));
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

static int add_list(const struct x509_names *names, size_t i, GENERAL_NAMES *to, struct err *err)
{
    const struct strlist *list = member(names, list_types[i].offset);

    return list_types[i].type == GEN_IPADD ? add_ips(to, list, err)
                                           : add_texts(to, &list_types[i], list, err);
}

/* [0] EXPLICIT UTF8String. */
static int add_other(const struct other_name *other, GENERAL_NAMES *to, struct err *err)
{
    size_t len = strlen(other->utf8_value);
    ASN1_OBJECT *oid = NULL;
    GENERAL_NAME *name;
    ASN1_STRING *text;
    ASN1_TYPE *value;

    if (len == 0 || !str_is_utf8(other->utf8_value, len))
        return err_set(err, ERR_INVALID, "the other name of type '%s' is empty or not UTF-8",
                       other->oid);
    if (object_from(other->oid, &oid, err) < 0)
        return err_wrap(err, "the type of an other name");
    name = GENERAL_NAME_new();
    text = ASN1_UTF8STRING_new();
    value = ASN1_TYPE_new();
    openssl_must(name && text && value && ASN1_STRING_set(text, other->utf8_value, (int)len) == 1);
    ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
    openssl_must(GENERAL_NAME_set0_othername(name, oid, value) == 1 &&
                 sk_GENERAL_NAME_push(to, name) > 0);
    return 0;
}

int x509_names_write_san(const struct x509_names *names, X509_EXTENSIONS **extensions,
                         struct err *err)
{
    cleanup(GENERAL_NAMES_free) GENERAL_NAMES *san = GENERAL_NAMES_new();
    int r = 0;

    openssl_must(san);
    for (size_t i = 0; i < ARRAY_LEN(list_types) && r == 0; i++)
        r = add_list(names, i, san, err);
    for (size_t i = 0; i < names->other_name_count && r == 0; i++)
        r = add_other(&names->other_names[i], san, err);
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

int ia5_read(struct strlist *list, const ASN1_STRING *value, const char *what, struct err *err)
{
    const unsigned char *data = ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);

    if (!is_ia5(data, len))
        return err_set(err, ERR_INVALID, "%s with a NUL byte or outside of ASCII", what);
    strlist_add_take(list, xstrndup((const char *)data, len));
    return 0;
}

/* Values of other types than UTF8String are passed over, and types whose arcs OpenSSL does not put into
 * digits because that would take it too long. */
static int read_other(struct x509_names *names, const OTHERNAME *other, struct err *err)
{
    cleanup(xfree) char *oid = NULL, *text = NULL;
    int r;

    if (OBJ_obj2txt(NULL, 0, other->type_id, 1) <= 0 ||
        ASN1_TYPE_get(other->value) != V_ASN1_UTF8STRING)
        return 0;
    r = text_of(other->value->value.utf8string, &text, err);
    if (r < 0)
        return r;
    oid = oid_text("", other->type_id);
    x509_names_add_other(names, oid, text);
    return 0;
}

/* Other types (directoryName, ...) are passed over. */
static int read_general_name(struct x509_names *names, const GENERAL_NAME *name, struct err *err)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);

    if (type == GEN_IPADD)
        return read_ip(names, value, err);
    if (type == GEN_OTHERNAME)
        return read_other(names, value, err);
    for (size_t i = 0; i < ARRAY_LEN(list_types); i++)
        if (type == list_types[i].type)
            return ia5_read(member(names, list_types[i].offset), value, list_types[i].what, err);
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

/* Is it one that read_general_name() passes over? */
static bool is_other(int type, const void *value)
{
    const OTHERNAME *other = value;

    if (type == GEN_OTHERNAME)
        return ASN1_TYPE_get(other->value) != V_ASN1_UTF8STRING;
    return type == GEN_X400 || type == GEN_DIRNAME || type == GEN_EDIPARTY || type == GEN_RID;
}

int x509_names_read_others(const X509_EXTENSIONS *extensions, struct strlist *to, struct err *err)
{
    cleanup(GENERAL_NAMES_free) GENERAL_NAMES *san = NULL;
    void *found = NULL;
    int r = extension_get(extensions, NID_subject_alt_name, &found, err);

    san = found;
    for (int i = 0; r == 0 && san && i < sk_GENERAL_NAME_num(san); i++) {
        int type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(san, i), &type);

        if (is_other(type, value))
            r = other_name_read(to, type, value, err);
    }
    return r;
}

int x509_names_read(struct x509_names *names, const X509_NAME *subject,
                    const X509_EXTENSIONS *extensions, struct err *err)
{
    int r = read_subject(names, subject, err);

    return r < 0 ? r : read_san(names, extensions, err);
}

int x509_names_check(const struct x509_names *names, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(list_types); i++) {
        const struct strlist *list = member(names, list_types[i].offset);

        for (size_t k = 0; k < list->len; k++)
            if (check_readable(&list_types[i], list->items[k], err) < 0)
                return err_wrap(err, "alternative names");
    }
    return 0;
}
