/*
 * csr.h - PKCS#10 certificate signing requests.
 */
#ifndef PKI_CSR_H
#define PKI_CSR_H

#include "base/str.h"
#include "pki/pkey.h"

/* An alternative name of a sort that only its users know, such as a user principal name. */
struct other_name {
    char *oid; /* dotted */
    char *utf8_value;
};

/* Subject and alternative names: of a request to be built, of a parsed request, of a certificate. */
struct x509_names {
    /* RFC 4514 text (dn.h), instead of all other members of the subject; NULL in what was parsed. */
    char *literal_subject;
    char *common_name;
    struct strlist organizations, countries, organizational_units, localities, provinces,
        street_addresses, postal_codes;
    char *serial_number;
    struct strlist dns_names, ip_addresses /* canonical text */, email_addresses, uris;
    struct other_name *other_names; /* those with a UTF8String */
    size_t other_name_count;
};
void x509_names_add_other(struct x509_names *names, const char *oid, const char *utf8_value);
void x509_names_deinit(struct x509_names *names);
DEFINE_CLEANUP_VALUE(struct x509_names, x509_names_deinit);

/* Key usages in the order of api.md 3; a bit each. First ten are keyUsage bits, the rest EKUs. */
enum key_usage {
    USAGE_NONE,
    USAGE_SIGNING,
    USAGE_DIGITAL_SIGNATURE,
    USAGE_CONTENT_COMMITMENT,
    USAGE_KEY_ENCIPHERMENT,
    USAGE_KEY_AGREEMENT,
    USAGE_DATA_ENCIPHERMENT,
    USAGE_CERT_SIGN,
    USAGE_CRL_SIGN,
    USAGE_ENCIPHER_ONLY,
    USAGE_DECIPHER_ONLY,
    USAGE_ANY,
    USAGE_SERVER_AUTH,
    USAGE_CLIENT_AUTH,
    USAGE_CODE_SIGNING,
    USAGE_EMAIL_PROTECTION,
    USAGE_SMIME,
    USAGE_IPSEC_END_SYSTEM,
    USAGE_IPSEC_TUNNEL,
    USAGE_IPSEC_USER,
    USAGE_TIMESTAMPING,
    USAGE_OCSP_SIGNING,
    USAGE_MICROSOFT_SGC,
    USAGE_NETSCAPE_SGC,
    USAGE_COUNT
};
typedef uint32_t key_usages; /* bit 1 << enum key_usage */
#define USAGE(u) ((key_usages)1 << USAGE_##u)

enum signature_algorithm {
    SIGNATURE_DEFAULT,
    SIGNATURE_SHA256_RSA,
    SIGNATURE_SHA384_RSA,
    SIGNATURE_SHA512_RSA,
    SIGNATURE_ECDSA_SHA256,
    SIGNATURE_ECDSA_SHA384,
    SIGNATURE_ECDSA_SHA512,
    SIGNATURE_ED25519
};

/* Names that a CA may sign, or may not (RFC 5280 4.2.1.10). */
struct subtrees {
    struct strlist dns_domains, ip_ranges /* as 192.0.2.0/24 */, email_addresses, uri_domains;
    struct strlist others; /* of other sorts, in words; only of what was read */
};
struct name_bounds {
    bool critical;
    struct subtrees permitted, excluded; /* both empty: no extension */
};
void name_bounds_deinit(struct name_bounds *bounds);
DEFINE_CLEANUP_VALUE(struct name_bounds, name_bounds_deinit);

struct csr_request {
    const struct x509_names *names;
    const struct name_bounds *bounds; /* NULL: none */
    key_usages usages;                /* only encoded when encode_usages; 0 means none */
    bool encode_usages;
    bool is_ca; /* adds cert sign to the usages; no basicConstraints extension (as cert-manager) */
    enum signature_algorithm signature; /* default: behaviour.md 1.3 by key */
};

struct csr;
/* Subject order C, O, OU, L, ST, STREET, PostalCode, CN, serialNumber as Go's pkix; SAN critical iff
 * the subject is empty. Keeps a reference to `key`. ERR_INVALID for what no certificate can hold. */
int csr_new(const struct csr_request *request, const struct pkey *key, struct csr **ret,
            struct err *err);
/* PEM "CERTIFICATE REQUEST", or DER; self-signature is checked, and that a certificate with its names can be read
 * (ERR_INVALID). */
int csr_parse(const void *data, size_t len, struct csr **ret, struct err *err);
/* The same without its signature, where nothing is signed or sent. */
int csr_parse_unverified(const void *data, size_t len, struct csr **ret, struct err *err);
/* Of bytes that csr_new() has made for `key`: neither the signature nor the public key is looked at again. Keeps a
 * reference to `key`. */
int csr_parse_own(const void *data, size_t len, const struct pkey *key, struct csr **ret,
                  struct err *err);
/* Without the signature, and the public key only as bytes to be compared, which together take as long as
 * all the rest: for looking at requests that csr_parse() reads again before anything is signed or sent. */
int csr_look(const void *data, size_t len, struct csr **ret, struct err *err);
void csr_free(struct csr *csr);
DEFINE_CLEANUP(struct csr, csr_free);
void csr_to_pem(const struct csr *csr, struct buf *to);
void csr_to_der(const struct csr *csr, struct buf *to);
const struct x509_names *csr_names(const struct csr *csr); /* lent */
void csr_subject_to_der(const struct csr *csr, struct buf *to);
/* The same of a subject that is still text (dn.h). */
int subject_text_to_der(const char *text, struct buf *to, struct err *err);
const struct pkey *csr_public_key(const struct csr *csr); /* lent; NULL after csr_look() */
void csr_public_hash(const struct csr *csr, unsigned char to[SHA256_LEN]); /* as of its pkey */
/* From the extensions; *ret_has (may be NULL) says whether KU or EKU were there. Of two words for
 * one bit the result has "digital signature" and "email protection". */
key_usages csr_usages(const struct csr *csr, bool *ret_has);
bool csr_is_ca(const struct csr *csr, bool *ret_has); /* of basicConstraints, in the same way */

#endif
