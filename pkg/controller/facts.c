/*
 * facts.c - cached forms of requests of both kinds and of Orders: bytes become hashes.
 *
 * Everything is decoded into a scratch arena; what need not stay is taken out there, and
 * object_seal() keeps the rest.
 */
#include "controller/facts.h"

#include <string.h>

#include "api/kinds.h"
#include "base/limits.h"
#include "store/name.h"

enum { SCRATCH_SIZE = 8192 };

static const struct field request_facts_rows[] = {
    FIELD(struct request_facts, request, "request", INLINE, .of = &certificate_request_fields),
};
static DEFINE_FIELDS(request_facts, "facts of a CertificateRequest", request_facts_rows, NULL);
const struct object_form request_facts_form = {.kind = &kind_certificate_request,
                                               .fields = &request_facts_fields};

static const struct field order_facts_rows[] = {
    FIELD(struct order_facts, order, "order", INLINE, .of = &order_fields),
};
static DEFINE_FIELDS(order_facts, "facts of an Order", order_facts_rows, NULL);
const struct object_form order_facts_form = {.kind = &kind_order, .fields = &order_facts_fields};

static const struct field signing_request_facts_rows[] = {
    FIELD(struct signing_request_facts, request, "request", INLINE, .of = &signing_request_fields),
};
static DEFINE_FIELDS(signing_request_facts, "facts of a CertificateSigningRequest",
                     signing_request_facts_rows, NULL);
const struct object_form signing_request_facts_form = {.kind = &kind_signing_request,
                                                       .fields = &signing_request_facts_fields};

const char *const csr_field_paths[CSR_FIELD_COUNT] = {
    [CSR_COMMON_NAME] = "spec.commonName",
    [CSR_DNS_NAMES] = "spec.dnsNames",
    [CSR_IP_ADDRESSES] = "spec.ipAddresses",
    [CSR_URIS] = "spec.uris",
    [CSR_EMAIL_ADDRESSES] = "spec.emailAddresses",
    [CSR_SERIAL_NUMBER] = "spec.subject.serialNumber",
    [CSR_ORGANIZATIONS] = "spec.subject.organizations",
    [CSR_COUNTRIES] = "spec.subject.countries",
    [CSR_LOCALITIES] = "spec.subject.localities",
    [CSR_ORGANIZATIONAL_UNITS] = "spec.subject.organizationalUnits",
    [CSR_POSTAL_CODES] = "spec.subject.postalCodes",
    [CSR_PROVINCES] = "spec.subject.provinces",
    [CSR_STREET_ADDRESSES] = "spec.subject.streetAddresses",
    [CSR_LITERAL_SUBJECT] = "spec.literalSubject",
    [CSR_OTHER_NAMES] = "spec.otherNames",
};

/* Hashes of fields */

typedef char *canonical_fn(const char *value); /* heap string */

static char *canonical_dns_name(const char *name)
{
    char *lower = xstrdup(name);

    str_lower(lower);
    return lower;
}

static char *canonical_ip(const char *ip)
{
    char text[IP_TEXT_MAX];

    return xstrdup(ip_canonical(ip, text, NULL) == 0 ? text : ip);
}

/* Most fields are empty in most requests, and a zero takes no room in a cache. */
static uint64_t hash_text(const char *text)
{
    return str_empty(text) ? 0 : str_hash(text, strlen(text));
}

/* As a set: neither order nor repeats count. No text contains the NUL that ends each. */
static uint64_t hash_set(const char *const *items, size_t len, canonical_fn *canonical)
{
    cleanup(strlist_deinit) struct strlist set = {};
    cleanup(buf_deinit) struct buf joined = BUF(SIZE_MAX); /* of texts that are in memory already */

    for (size_t i = 0; i < len; i++)
        strlist_add_take(&set, canonical ? canonical(items[i]) : xstrdup(items[i]));
    strlist_sort_unique(&set);
    for (size_t i = 0; i < set.len; i++)
        buf_add(&joined, set.items[i], strlen(set.items[i]) + 1);
    return joined.len > 0 ? str_hash(buf_str(&joined), joined.len) : 0;
}

/* As "<oid>=<value>": no oid has a '='. */
static uint64_t hash_other_names(const struct x509_names *names)
{
    cleanup(strlist_deinit) struct strlist texts = {};

    for (size_t i = 0; i < names->other_name_count; i++)
        strlist_add_take(&texts, xasprintf("%s=%s", names->other_names[i].oid,
                                           names->other_names[i].utf8_value));
    return hash_set((const char *const *)texts.items, texts.len, NULL);
}

/* Both sources in one shape. */
struct csr_values {
    const char *common_name, *serial_number;
    struct array_string lists[CSR_FIELD_COUNT]; /* the other fields */
};

static void hash_values(const struct csr_values *values, uint64_t ret[CSR_FIELD_COUNT])
{
    for (int i = 0; i < CSR_FIELD_COUNT; i++) {
        canonical_fn *canonical = i == CSR_DNS_NAMES      ? canonical_dns_name
                                  : i == CSR_IP_ADDRESSES ? canonical_ip
                                                          : NULL;

        ret[i] = hash_set((const char *const *)values->lists[i].items, values->lists[i].len,
                          canonical);
    }
    ret[CSR_COMMON_NAME] = hash_text(values->common_name);
    ret[CSR_SERIAL_NUMBER] = hash_text(values->serial_number);
}

/* What cannot be written is no request's subject. */
static uint64_t hash_literal_subject(const char *text)
{
    enum { NO_SUBJECT = 1 };
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CERT_PEM);

    if (str_empty(text))
        return 0;
    return subject_text_to_der(text, &der, NULL) < 0 ? NO_SUBJECT
                                                     : str_hash(buf_str(&der), der.len);
}

static uint64_t hash_other_names_of_spec(const struct certificate_spec *spec)
{
    cleanup(x509_names_deinit) struct x509_names names = {};

    for (size_t i = 0; i < spec->other_names.len; i++)
        x509_names_add_other(&names, str_or(spec->other_names.items[i].oid, ""),
                             str_or(spec->other_names.items[i].utf8_value, ""));
    return hash_other_names(&names);
}

bool csr_field_counts(const struct certificate_spec *spec, enum csr_field field)
{
    bool is_literal = !str_empty(spec->literal_subject);

    switch (field) {
    case CSR_COMMON_NAME:
    case CSR_SERIAL_NUMBER:
    case CSR_ORGANIZATIONS:
    case CSR_COUNTRIES:
    case CSR_LOCALITIES:
    case CSR_ORGANIZATIONAL_UNITS:
    case CSR_POSTAL_CODES:
    case CSR_PROVINCES:
    case CSR_STREET_ADDRESSES:
        return !is_literal;
    case CSR_LITERAL_SUBJECT:
        return is_literal;
    case CSR_OTHER_NAMES:
        return spec->other_names.len > 0;
    default:
        return true;
    }
}

void csr_hashes_of_spec(const struct certificate_spec *spec, uint64_t ret[CSR_FIELD_COUNT])
{
    static const struct certificate_subject nothing;
    const struct certificate_subject *subject = spec->subject ? spec->subject : &nothing;
    struct csr_values values = {
        .common_name = certificate_common_name(spec),
        .serial_number = subject->serial_number,
        .lists =
            {
                [CSR_DNS_NAMES] = spec->dns_names,
                [CSR_IP_ADDRESSES] = spec->ip_addresses,
                [CSR_URIS] = spec->uris,
                [CSR_EMAIL_ADDRESSES] = spec->email_addresses,
                [CSR_ORGANIZATIONS] = subject->organizations,
                [CSR_COUNTRIES] = subject->countries,
                [CSR_LOCALITIES] = subject->localities,
                [CSR_ORGANIZATIONAL_UNITS] = subject->organizational_units,
                [CSR_POSTAL_CODES] = subject->postal_codes,
                [CSR_PROVINCES] = subject->provinces,
                [CSR_STREET_ADDRESSES] = subject->street_addresses,
            },
    };

    hash_values(&values, ret);
    ret[CSR_LITERAL_SUBJECT] = hash_literal_subject(spec->literal_subject);
    ret[CSR_OTHER_NAMES] = hash_other_names_of_spec(spec);
}

static struct array_string lent(const struct strlist *list)
{
    return (struct array_string){.items = (const char **)list->items, .len = list->len};
}

void csr_hashes_of_csr(const struct csr *csr, uint64_t ret[CSR_FIELD_COUNT])
{
    const struct x509_names *names = csr_names(csr);
    cleanup(buf_deinit) struct buf subject = BUF(LIMIT_CERT_PEM);
    struct csr_values values = {
        .common_name = names->common_name,
        .serial_number = names->serial_number,
        .lists =
            {
                [CSR_DNS_NAMES] = lent(&names->dns_names),
                [CSR_IP_ADDRESSES] = lent(&names->ip_addresses),
                [CSR_URIS] = lent(&names->uris),
                [CSR_EMAIL_ADDRESSES] = lent(&names->email_addresses),
                [CSR_ORGANIZATIONS] = lent(&names->organizations),
                [CSR_COUNTRIES] = lent(&names->countries),
                [CSR_LOCALITIES] = lent(&names->localities),
                [CSR_ORGANIZATIONAL_UNITS] = lent(&names->organizational_units),
                [CSR_POSTAL_CODES] = lent(&names->postal_codes),
                [CSR_PROVINCES] = lent(&names->provinces),
                [CSR_STREET_ADDRESSES] = lent(&names->street_addresses),
            },
    };

    hash_values(&values, ret);
    csr_subject_to_der(csr, &subject);
    ret[CSR_LITERAL_SUBJECT] = str_hash(buf_str(&subject), subject.len);
    ret[CSR_OTHER_NAMES] = hash_other_names(names);
}

/* CertificateRequest */

/* To decode a key takes its time, and only what has failed is asked for it. */
static void read_failed_key(struct request_facts *facts)
{
    const struct bytes *request = &facts->request.spec.request;
    cleanup(csr_free) struct csr *csr = NULL;

    if (facts->request.status.failure_time_ms == 0 ||
        csr_parse_unverified(request->data, request->len, &csr, NULL) < 0)
        return;
    facts->key_algorithm = pkey_algorithm(csr_public_key(csr));
    facts->key_size = pkey_size(csr_public_key(csr));
}

static void read_csr(struct request_facts *facts)
{
    const struct bytes *request = &facts->request.spec.request;
    cleanup(csr_free) struct csr *csr = NULL;

    facts->csr_ok = request->len > 0 && csr_look(request->data, request->len, &csr, NULL) == 0;
    if (!facts->csr_ok)
        return;
    csr_public_hash(csr, facts->key_hash);
    csr_hashes_of_csr(csr, facts->csr_hashes);
    read_failed_key(facts);
}

static void read_certificate(struct request_facts *facts)
{
    const struct bytes *pem = &facts->request.status.certificate;
    cleanup(cert_unref) struct cert *leaf = NULL;
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CHAIN_BODY);

    facts->has_certificate = pem->len > 0;
    facts->certificate_ok = facts->has_certificate &&
                            leaf_look((const char *)pem->data, pem->len, &leaf, NULL) == 0;
    if (!facts->certificate_ok)
        return;
    cert_to_der(leaf, &der);
    sha256(der.data, der.len, facts->certificate_hash);
    cert_public_hash(leaf, facts->certificate_key_hash);
    facts->not_after_ms = cert_not_after_ms(leaf);
}

static int64_t revision_of(const struct object *object)
{
    const char *text = object_annotation(object, ANNOTATION_REVISION);
    int64_t revision;

    if (!text || str_parse_int(text, 1, INT64_MAX, &revision) < 0)
        return 0;
    return revision;
}

/* What is known by its hash now, and what nobody asks a cache for. */
static void drop_request_bytes(struct certificate_request *request)
{
    request->spec.request = (struct bytes){};
    request->spec.username = NULL;
    request->spec.uid = NULL;
    request->spec.groups = (struct array_string){};
    request->spec.extra = NULL;
    request->status.certificate = (struct bytes){};
    request->status.ca = (struct bytes){};
    metadata_drop_last_applied(&request->object.metadata);
}

int request_facts_decode(const struct json *value, const void **ret, struct err *err)
{
    cleanup(arena_free) struct arena *scratch = arena_new(SCRATCH_SIZE);
    struct request_facts facts = {};
    int r;

    r = object_read(&kind_certificate_request, value, scratch, &facts, NULL, err);
    if (r < 0)
        return r;
    read_csr(&facts);
    read_certificate(&facts);
    facts.revision = revision_of(&facts.request.object);
    facts.replaces_young = object_annotation(&facts.request.object, ANNOTATION_REPLACES_YOUNG);
    drop_request_bytes(&facts.request);
    if (facts.has_certificate) { /* they say how to issue it */
        facts.request.object.metadata.labels = (struct array_pair){};
        facts.request.object.metadata.annotations = (struct array_pair){};
    }
    *ret = object_seal(&request_facts_form, &facts);
    return 0;
}

/* Order */

/* An Order that has ended is never looked into again: what it took to get there is most of its bytes. */
static void drop_order_steps(struct order *order)
{
    order->object.metadata.labels = (struct array_pair){};
    order->object.metadata.annotations = (struct array_pair){};
    order->spec = (struct order_spec){.issuer_ref = order->spec.issuer_ref};
    order->status.url = NULL;
    order->status.finalize_url = NULL;
    order->status.authorizations.len = 0;
}

int order_facts_decode(const struct json *value, const void **ret, struct err *err)
{
    cleanup(arena_free) struct arena *scratch = arena_new(SCRATCH_SIZE);
    struct order_facts facts = {};
    int r;

    r = object_read(&kind_order, value, scratch, &facts, NULL, err);
    if (r < 0)
        return r;
    facts.has_certificate = facts.order.status.certificate.len > 0;
    facts.order.spec.request = (struct bytes){};
    facts.order.status.certificate = (struct bytes){};
    if (facts.has_certificate || state_is_failed(facts.order.status.state))
        drop_order_steps(&facts.order);
    metadata_drop_last_applied(&facts.order.object.metadata);
    *ret = object_seal(&order_facts_form, &facts);
    return 0;
}

/* CertificateSigningRequest */

bool signing_request_is_open(const struct signing_request_facts *facts)
{
    return facts->is_ours && !facts->has_certificate &&
           !signing_request_has(&facts->request, "Denied") &&
           !signing_request_has(&facts->request, "Failed");
}

static void keep_name_alone(struct signing_request *request)
{
    const struct metadata *metadata = &request->object.metadata;

    *request = (struct signing_request){
        .object = {.kind = request->object.kind,
                   .metadata = {.name = metadata->name,
                                .uid = metadata->uid,
                                .resource_version = metadata->resource_version}}};
}

static void drop_signing_bytes(struct signing_request *request)
{
    request->spec.request = (struct bytes){};
    request->spec.username = NULL;
    request->spec.uid = NULL;
    request->spec.groups = (struct array_string){};
    request->spec.extra = NULL;
    request->status.certificate = (struct bytes){};
    for (size_t i = 0; i < request->status.conditions.len; i++) {
        struct signing_condition *condition = &request->status.conditions.items[i];

        *condition = (struct signing_condition){.type = condition->type,
                                                .status = condition->status};
    }
    metadata_drop_last_applied(&request->object.metadata);
}

/* They say how to issue it. */
static void drop_wishes(struct signing_request *request)
{
    request->object.metadata.labels = (struct array_pair){};
    request->object.metadata.annotations = (struct array_pair){};
    request->spec.usages = (struct array_int){};
}

int signing_request_facts_decode(const struct json *value, const void **ret, struct err *err)
{
    cleanup(arena_free) struct arena *scratch = arena_new(SCRATCH_SIZE);
    struct signing_request_facts facts = {};
    struct signer signer;
    int r;

    r = object_read(&kind_signing_request, value, scratch, &facts, NULL, err);
    if (r < 0)
        return r;
    facts.is_ours = signer_parse(facts.request.spec.signer_name, &signer) &&
                    stored_name_is_step(facts.request.object.metadata.name);
    facts.has_certificate = facts.is_ours && facts.request.status.certificate.len > 0;
    if (!facts.is_ours)
        keep_name_alone(&facts.request);
    drop_signing_bytes(&facts.request);
    if (!signing_request_is_open(&facts))
        drop_wishes(&facts.request);
    *ret = object_seal(&signing_request_facts_form, &facts);
    return 0;
}
