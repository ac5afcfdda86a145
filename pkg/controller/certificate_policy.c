/*
 * certificate_policy.c - is the Secret what the Certificate asks for? Pure.
 *
 * Two chains of behaviour.md 2, each a table: the first check that objects decides. The same checks
 * serve "issue anew" (trigger) and "is it ready", so that the two can never disagree.
 */
#include <string.h>

#include "api/kinds.h"
#include "controller/certificate_decide.h"

static const struct violation no_violation = {};

static struct violation violation(const char *reason, const char *message)
{
    return (struct violation){.reason = reason, .message = message};
}

/* --- checks 1-8 --- */

struct check_input {
    const struct certificate_facts *facts;
    const struct request_facts *current; /* may be NULL */
    struct arena *arena;
};

static struct violation check_exists(const struct check_input *in)
{
    if (in->facts->secret)
        return no_violation;
    return violation("DoesNotExist", "Issuing certificate as Secret does not exist");
}

static struct violation check_has_data(const struct check_input *in)
{
    const struct secret_facts *secret = in->facts->secret;

    if (secret->has_data)
        return no_violation;
    if (secret->keys.len == 0)
        return violation("MissingData", "Issuing certificate as Secret does not contain any data");
    return violation("MissingData", "Issuing certificate as Secret lacks tls.key or tls.crt");
}

static struct violation check_key_pair(const struct check_input *in)
{
    const struct secret_facts *secret = in->facts->secret;

    if (!secret->key_ok)
        return violation(
            "InvalidKeyPair",
            "Issuing certificate as the Secret's tls.key is no private key that can be read");
    if (!secret->cert_ok)
        return violation(
            "InvalidCertificate",
            "Issuing certificate as the Secret's tls.crt is no certificate that can be read");
    if (memcmp(secret->key_hash, secret->cert_key_hash, SHA256_LEN) != 0)
        return violation(
            "InvalidKeyPair",
            "Issuing certificate as the Secret's tls.key does not belong to its tls.crt");
    return no_violation;
}

bool secret_has_key_pair(const struct secret_facts *secret)
{
    return secret && secret->has_data && secret->key_ok && secret->cert_ok &&
           memcmp(secret->key_hash, secret->cert_key_hash, SHA256_LEN) == 0;
}

bool secret_came_by(const struct secret_facts *secret, const struct request_facts *request)
{
    return secret && secret->cert_ok && request->certificate_ok &&
           memcmp(secret->cert_hash, request->certificate_hash, SHA256_LEN) == 0;
}

bool secret_holds(const struct secret_facts *secret, const struct request_facts *request)
{
    return secret_came_by(secret, request) && secret->has_data && secret->key_ok &&
           memcmp(secret->key_hash, request->key_hash, SHA256_LEN) == 0;
}

/* Nobody trusts it, so that it makes nobody ready; and where its issuance has failed, it is tried again. */
static struct violation check_is_issued(const struct check_input *in)
{
    if (!in->facts->secret->is_temporary)
        return no_violation;
    return violation("TemporaryCertificate",
                     "The Secret holds a temporary certificate until the issuer sends one");
}

static struct violation check_issuer(const struct check_input *in)
{
    const struct object *secret = &in->facts->secret->object;
    struct issuer_reference stored = {
        .name = object_annotation(secret, ANNOTATION_ISSUER_NAME),
        .kind = object_annotation(secret, ANNOTATION_ISSUER_KIND),
        .group = object_annotation(secret, ANNOTATION_ISSUER_GROUP),
    };
    const struct issuer_reference *wanted = &in->facts->crt->spec.issuer_ref;

    /* A Secret that nobody annotated was made by hand or by another tool: kind and group then must be
     * the default ones, the name is not known (behaviour.md 2, row 4). */
    if (!stored.name && !stored.kind && !stored.group)
        stored.name = wanted->name;
    if (issuer_reference_equal(&stored, wanted))
        return no_violation;
    return violation("IncorrectIssuer",
                     arena_printf(in->arena, "Issuing certificate as Secret was issued by %s '%s'",
                                  issuer_reference_kind(&stored), str_or(stored.name, "")));
}

static struct violation check_certificate_name(const struct check_input *in)
{
    const char *name = object_annotation(&in->facts->secret->object, ANNOTATION_CERTIFICATE_NAME);

    if (!name || streq(name, in->facts->crt->object.metadata.name))
        return no_violation;
    return violation(
        "IncorrectCertificate",
        arena_printf(in->arena,
                     "Secret was issued for Certificate '%s'; if that is not being renamed, "
                     "two Certificates name the same Secret",
                     name));
}

bool key_fits_spec(const struct certificate_spec *spec, int algorithm, int size,
                   struct arena *arena, const char **ret_why)
{
    static const char *const names[] = {"none", "RSA", "ECDSA", "Ed25519", "other"};
    enum key_algorithm wanted = certificate_key_algorithm(spec);
    int wanted_size = certificate_key_size(spec);

    if (algorithm != (int)wanted) {
        *ret_why = arena_printf(arena, "spec.privateKey.algorithm is %s, the key is %s",
                                names[wanted], names[algorithm]);
        return false;
    }
    if (wanted != KEY_ED25519 && size != wanted_size) {
        *ret_why = arena_printf(arena, "spec.privateKey.size is %d, the key has %d", wanted_size,
                                size);
        return false;
    }
    return true;
}

static struct violation check_key_settings(const struct check_input *in)
{
    const struct secret_facts *secret = in->facts->secret;
    const char *why;

    if (key_fits_spec(&in->facts->crt->spec, secret->key_algorithm, secret->key_size, in->arena,
                      &why))
        return no_violation;
    return violation("SecretMismatch",
                     arena_printf(in->arena, "Existing private key is not up to date: %s", why));
}

static struct violation check_request_key(const struct check_input *in)
{
    if (!in->current)
        return no_violation;
    if (!in->current->csr_ok)
        return violation("InvalidCertificateRequest",
                         "The current CertificateRequest holds no request that can be read");
    if (memcmp(in->current->key_hash, in->facts->secret->key_hash, SHA256_LEN) == 0)
        return no_violation;
    return violation(
        "SecretMismatch",
        "The Secret's private key is not the one that the current CertificateRequest was made with");
}

static bool strlist_equals_array(const struct strlist *a, const struct array_string *b)
{
    struct strlist other = {.items = (char **)b->items, .len = b->len};

    return strlist_same_set(a, &other);
}

/* Names as the set of DNS names and common name: CAs move the common name into the DNS names. */
static bool same_dns_names(const struct certificate_spec *spec, const struct secret_facts *secret)
{
    cleanup(strlist_deinit) struct strlist wanted = {}, found = {};
    cleanup(xfree) char *common_name = certificate_subject_common_name(spec);

    array_string_add_to(&spec->dns_names, &wanted);
    if (!str_empty(common_name))
        strlist_add(&wanted, common_name);
    array_string_add_to(&secret->leaf_dns_names, &found);
    if (!str_empty(secret->leaf_common_name))
        strlist_add(&found, secret->leaf_common_name);
    /* A common name that the CA chose among the DNS names is not a difference. */
    return strlist_same_set(&wanted, &found) ||
           (str_empty(common_name) && strlist_equals_array(&wanted, &secret->leaf_dns_names));
}

static bool same_ip_addresses(const struct array_string *wanted, const struct array_string *found)
{
    cleanup(strlist_deinit) struct strlist canonical = {};
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < wanted->len; i++)
        strlist_add(&canonical,
                    ip_canonical(wanted->items[i], text, NULL) == 0 ? text : wanted->items[i]);
    return strlist_equals_array(&canonical, found);
}

/* 2.3: without a current request the certificate itself is compared, as far as CAs keep what was asked. */
static struct violation check_fuzzy(const struct check_input *in)
{
    const struct certificate_spec *spec = &in->facts->crt->spec;
    const struct secret_facts *secret = in->facts->secret;
    const char *field = NULL;

    if (!same_dns_names(spec, secret))
        field = "spec.dnsNames";
    else if (!same_ip_addresses(&spec->ip_addresses, &secret->leaf_ip_addresses))
        field = "spec.ipAddresses";
    else if (!array_string_same_set(&spec->uris, &secret->leaf_uris))
        field = "spec.uris";
    else if (!array_string_same_set(&spec->email_addresses, &secret->leaf_email_addresses))
        field = "spec.emailAddresses";
    if (!field)
        return no_violation;
    return violation("SecretMismatch",
                     arena_printf(in->arena,
                                  "Issuing certificate as Secret does not match the spec: [%s]",
                                  field));
}

static struct violation check_request_spec(const struct check_input *in)
{
    if (!in->current)
        return check_fuzzy(in);
    return request_violation(&in->facts->crt->spec, in->current, in->arena);
}

struct violation secret_violation(const struct certificate_facts *facts,
                                  const struct request_facts *current, struct arena *arena)
{
    static struct violation (*const checks[])(const struct check_input *) = {
        check_exists,       check_has_data,    check_key_pair,
        check_is_issued,    check_issuer,      check_certificate_name,
        check_key_settings, check_request_key, check_request_spec,
    };
    struct check_input in = {.facts = facts, .current = current, .arena = arena};

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct violation found = checks[i](&in);

        if (found.reason)
            return found;
    }
    return no_violation;
}

/* --- 2.2: request against spec --- */

static void name_field(struct arena *arena, const char **list, const char *path)
{
    *list = *list ? arena_printf(arena, "%s, %s", *list, path) : path;
}

struct violation request_violation(const struct certificate_spec *spec,
                                   const struct request_facts *request, struct arena *arena)
{
    const struct certificate_request_spec *asked = &request->request.spec;
    uint64_t wanted[CSR_FIELD_COUNT];
    bool either_is_ca = spec->is_ca || asked->is_ca; /* has its own field, and adds 'cert sign' */
    const char *fields = NULL;

    if (!request->csr_ok)
        return violation("InvalidCertificateRequest",
                         "The CertificateRequest holds no request that can be read");
    csr_hashes_of_spec(spec, wanted);
    for (int i = 0; i < CSR_FIELD_COUNT; i++) {
        if (csr_field_counts(spec, i) && wanted[i] != request->csr_hashes[i])
            name_field(arena, &fields, csr_field_paths[i]);
    }
    if (spec->is_ca != asked->is_ca)
        name_field(arena, &fields, "spec.isCA");
    if (usages_of(&spec->usages, either_is_ca) != usages_of(&asked->usages, either_is_ca))
        name_field(arena, &fields, "spec.usages");
    if (spec->duration.is_set && asked->duration.is_set && spec->duration.ns != asked->duration.ns)
        name_field(arena, &fields, "spec.duration");
    if (!issuer_reference_equal(&spec->issuer_ref, &asked->issuer_ref))
        name_field(arena, &fields, "spec.issuerRef");
    if (!fields)
        return no_violation;
    return violation(
        "RequestChanged",
        arena_printf(arena, "Fields of the existing CertificateRequest are not up to date: [%s]",
                     fields));
}

/* What we look at in it without saying so in the spec. */
static const char *changed_elsewhere(const struct certificate *crt,
                                     const struct request_facts *request, int64_t revision,
                                     const unsigned char key_hash[SHA256_LEN])
{
    if (memcmp(request->key_hash, key_hash, SHA256_LEN) != 0)
        return "spec.request";
    if (request->revision != revision)
        return "metadata.annotations[" ANNOTATION_REVISION "]";
    if (!object_is_controlled_by(&request->request.object, crt->object.metadata.uid))
        return "metadata.ownerReferences";
    return NULL;
}

struct violation request_changed(const struct certificate *crt, const struct request_facts *request,
                                 int64_t revision, const unsigned char key_hash[SHA256_LEN],
                                 struct arena *arena)
{
    struct violation found = request_violation(&crt->spec, request, arena);
    const char *field;

    if (found.reason)
        return found;
    field = changed_elsewhere(crt, request, revision, key_hash);
    if (!field)
        return no_violation;
    return violation("RequestChanged", arena_printf(arena, "[%s] is not as it was sent", field));
}
