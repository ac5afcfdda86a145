/*
 * certificate_check.c - rules over several members of a Certificate (api.md 4, "WH").
 */
#include "api/certificate_check.h"

#include <stdio.h>
#include <string.h>

#include "api/certificate.h"
#include "api/check.h"
#include "api/kinds.h"
#include "base/cron.h"
#include "base/limits.h"
#include "pki/dn.h"
#include "pki/names.h"

#define SECOND_NS  INT64_C(1000000000)
#define MINUTE_NS  (60 * SECOND_NS)
#define HOUR_NS    (60 * MINUTE_NS)
#define DEFAULT_NS (90 * 24 * HOUR_NS)

enum { RSA_MIN = 2048, RSA_MAX = 8192, RENEW_BEFORE_MIN_MINUTES = 5 };

/* Names */

/* Any one of them counts: cert-manager asks for the first, and reads the last in what is issued. */
static bool has_common_name(const struct certificate_spec *spec)
{
    cleanup(dn_deinit) struct dn dn = {};

    if (str_empty(spec->literal_subject))
        return !str_empty(spec->common_name);
    if (dn_parse(spec->literal_subject, &dn, NULL) < 0)
        return true; /* has its own check, and may be meant to have one */
    for (size_t i = 0; i < dn.len; i++)
        if (streq(dn.items[i].oid, DN_COMMON_NAME) && *dn.items[i].value)
            return true;
    return false;
}

static void check_has_name(const struct certificate_spec *spec, const char *path,
                           struct field_report *report)
{
    size_t names = spec->dns_names.len + spec->ip_addresses.len + spec->uris.len +
                   spec->email_addresses.len + spec->other_names.len;

    if (names == 0 && !has_common_name(spec))
        field_report_add(report, PROBLEM_REQUIRED, path,
                         "at least one of 'dnsNames', 'ipAddresses', 'uris', 'emailAddresses', "
                         "'otherNames' and 'commonName' must be set");
}

static bool subject_is_empty(const struct certificate_subject *subject)
{
    const struct array_string *lists[] = {
        &subject->organizations, &subject->countries, &subject->organizational_units,
        &subject->localities,    &subject->provinces, &subject->street_addresses,
        &subject->postal_codes,
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (lists[i]->len > 0)
            return false;
    return str_empty(subject->serial_number);
}

static void check_one_subject(const struct certificate_spec *spec, const char *path,
                              struct field_report *report)
{
    if (str_empty(spec->literal_subject))
        return;
    if (!str_empty(spec->common_name))
        problem_at_member(report, PROBLEM_INVALID, path, "commonName",
                          "must not be set together with 'literalSubject'; write it there as "
                          "'CN=...'");
    if (spec->subject && !subject_is_empty(spec->subject))
        problem_at_member(report, PROBLEM_INVALID, path, "subject",
                          "must not be set together with 'literalSubject'; remove one of them");
}

/* The rules of commonName hold for each CN in it too. */
static const char *attribute_problem(const struct dn_attribute *attribute)
{
    if (text_has_controls(attribute->value))
        return "must not contain control characters";
    if (streq(attribute->oid, DN_COMMON_NAME) && strlen(attribute->value) > COMMON_NAME_MAX)
        return "has a CN of more than 64 bytes; put the name into 'dnsNames' alone";
    return NULL;
}

void check_literal_subject(const void *member, const char *path, struct field_report *report)
{
    cleanup(dn_deinit) struct dn dn = {};
    struct err err = {};

    if (dn_parse(*(const char *const *)member, &dn, &err) < 0)
        field_report_add(report, PROBLEM_INVALID, path,
                         "is not a distinguished name such as 'CN=web,O=Example': %s", err.text);
    for (size_t i = 0; i < dn.len; i++) {
        const char *problem = attribute_problem(&dn.items[i]);

        if (problem)
            field_report_add(report, PROBLEM_INVALID, path, "%s", problem);
        else
            warn_of_unseen(dn.items[i].value, path, report);
    }
}

void certificate_other_name_check(const void *self, const char *path, struct field_report *report)
{
    const struct certificate_other_name *name = self;

    if (str_empty(name->oid))
        problem_at_member(report, PROBLEM_REQUIRED, path, "oid",
                          "must be set: of which sort the name is");
    if (str_empty(name->utf8_value))
        problem_at_member(report, PROBLEM_REQUIRED, path, "utf8Value", "is empty; set the name");
}

/* RFC 5280 4.2.1.9; cert-manager lets it in. */
static void check_cert_sign(const struct certificate_spec *spec, const char *path,
                            struct field_report *report)
{
    if (!spec->is_ca && usages_of(&spec->usages, false) & USAGE(CERT_SIGN))
        problem_at_member(report, PROBLEM_WARNING, path, "isCA",
                          "is not true, but 'usages' has 'cert sign': what such a certificate "
                          "signs is not trusted, and it may be refused itself");
}

/* Name constraints */

void name_constraints_check(const void *self, const char *path, struct field_report *report)
{
    const struct name_constraints *constraints = self;

    if (!constraints->permitted && !constraints->excluded)
        field_report_add(report, PROBLEM_REQUIRED, path,
                         "at least one of 'permitted' and 'excluded' must be set");
}

static void check_is_bounded_ca(const struct certificate_spec *spec, const char *path,
                                struct field_report *report)
{
    if (spec->name_constraints && !spec->is_ca)
        problem_at_member(report, PROBLEM_INVALID, path, "nameConstraints",
                          "are for CAs only; set 'isCA' or remove them");
}

/* What the names of a field take in a certificate: their texts, and what stands around each. */
struct name_part {
    const char *path;
    size_t count, size;
};
enum { SAN_OVERHEAD = 4, RDN_OVERHEAD = 12, NAME_PARTS_MAX = 21 };
struct name_parts {
    struct name_part items[NAME_PARTS_MAX];
    size_t len;
};

static void add_strings(struct name_parts *to, const char *path, const struct array_string *texts,
                        size_t overhead)
{
    struct name_part *part = &to->items[to->len++];

    *part = (struct name_part){.path = path, .count = texts->len};
    for (size_t i = 0; i < texts->len; i++)
        part->size += strlen(texts->items[i]) + overhead;
}

static void add_subject(struct name_parts *to, const struct certificate_subject *subject)
{
    add_strings(to, "subject.organizations", &subject->organizations, RDN_OVERHEAD);
    add_strings(to, "subject.countries", &subject->countries, RDN_OVERHEAD);
    add_strings(to, "subject.organizationalUnits", &subject->organizational_units, RDN_OVERHEAD);
    add_strings(to, "subject.localities", &subject->localities, RDN_OVERHEAD);
    add_strings(to, "subject.provinces", &subject->provinces, RDN_OVERHEAD);
    add_strings(to, "subject.streetAddresses", &subject->street_addresses, RDN_OVERHEAD);
    add_strings(to, "subject.postalCodes", &subject->postal_codes, RDN_OVERHEAD);
}

static void add_other_names(struct name_parts *to, const struct certificate_spec *spec)
{
    struct name_part *part = &to->items[to->len++];

    *part = (struct name_part){.path = "otherNames", .count = spec->other_names.len};
    for (size_t i = 0; i < spec->other_names.len; i++)
        part->size += strlen(str_or(spec->other_names.items[i].oid, "")) +
                      strlen(str_or(spec->other_names.items[i].utf8_value, "")) + RDN_OVERHEAD;
}

static const struct {
    const char *permitted, *excluded; /* paths */
    size_t offset;
} bound_parts[] = {
#define BOUND_PART(name, member)                                                                   \
    {                                                                                              \
        "nameConstraints.permitted." name, "nameConstraints.excluded." name,                       \
            offsetof(struct name_constraint_item, member)                                          \
    }
    BOUND_PART("dnsDomains", dns_domains),
    BOUND_PART("ipRanges", ip_ranges),
    BOUND_PART("emailAddresses", email_addresses),
    BOUND_PART("uriDomains", uri_domains),
#undef BOUND_PART
};

static void add_bounds(struct name_parts *to, const struct name_constraint_item *bounds,
                       bool are_permitted)
{
    for (size_t i = 0; bounds && i < ARRAY_LEN(bound_parts); i++)
        add_strings(to, are_permitted ? bound_parts[i].permitted : bound_parts[i].excluded,
                    (const struct array_string *)((const char *)bounds + bound_parts[i].offset),
                    RDN_OVERHEAD);
}

static void add_all_names(struct name_parts *to, const struct certificate_spec *spec)
{
    const char *literal = str_or(spec->literal_subject, "");
    const struct name_constraints *bounds = spec->name_constraints;

    add_strings(to, "dnsNames", &spec->dns_names, SAN_OVERHEAD);
    add_strings(to, "ipAddresses", &spec->ip_addresses, SAN_OVERHEAD);
    add_strings(to, "uris", &spec->uris, SAN_OVERHEAD);
    add_strings(to, "emailAddresses", &spec->email_addresses, SAN_OVERHEAD);
    add_strings(to, "literalSubject", &(struct array_string){&literal, 1}, SAN_OVERHEAD);
    add_other_names(to, spec);
    if (spec->subject)
        add_subject(to, spec->subject);
    if (bounds) {
        add_bounds(to, bounds->permitted, true);
        add_bounds(to, bounds->excluded, false);
    }
}

/* What is larger is read by nobody: neither the request nor the certificate. */
static void check_size(const struct certificate_spec *spec, const char *path,
                       struct field_report *report)
{
    struct name_parts parts = {};
    const struct name_part *largest = &parts.items[0];
    size_t total = 0;

    add_all_names(&parts, spec);
    for (size_t i = 0; i < parts.len; i++) {
        total += parts.items[i].size;
        largest = parts.items[i].size > largest->size ? &parts.items[i] : largest;
    }
    if (total > LIMIT_NAME_BYTES)
        problem_at_member(report, PROBLEM_INVALID, path, largest->path,
                          "the names of a certificate may take %d bytes in all, and these %zu "
                          "items make it %zu; use several Certificates",
                          LIMIT_NAME_BYTES, largest->count, total);
}

/* Times */

static void check_renew_before(const struct certificate_spec *spec, int64_t duration_ns,
                               const char *path, struct field_report *report)
{
    if (!spec->renew_before.is_set)
        return;
    if (spec->renew_before.ns < RENEW_BEFORE_MIN_MINUTES * MINUTE_NS)
        problem_at_member(report, PROBLEM_INVALID, path, "renewBefore", "must be at least 5m");
    else if (spec->renew_before.ns >= duration_ns)
        problem_at_member(report, PROBLEM_INVALID, path, "renewBefore",
                          "must be shorter than 'duration'%s",
                          spec->duration.is_set ? "" : ", which is 2160h where it is not set");
}

/* Beside a duration the lead must make sense; alone, a nonsensical one is passed over at run time
 * (api.md 4), so it is not refused either. */
static void check_percentage(const struct certificate_spec *spec, int64_t duration_ns,
                             const char *path, struct field_report *report)
{
    static const char name[] = "renewBeforePercentage";
    int64_t percentage = spec->renew_before_percentage.value;
    bool in_range = percentage > 0 && percentage < 100;

    if (!spec->renew_before_percentage.is_set)
        return;
    if (spec->renew_before.is_set)
        problem_at_member(report, PROBLEM_INVALID, path, name,
                          "must not be set together with 'renewBefore'; remove one of them");
    else if (!spec->duration.is_set && !in_range)
        problem_at_member(report, PROBLEM_WARNING, path, name,
                          "is not from 1 to 99 and so has no effect: renewal is due when a third "
                          "of the lifetime is left");
    else if (!in_range)
        problem_at_member(report, PROBLEM_INVALID, path, name, "must be from 1 to 99");
    else if (spec->duration.is_set &&
             duration_ns / 100 * (100 - percentage) < RENEW_BEFORE_MIN_MINUTES * MINUTE_NS)
        problem_at_member(report, PROBLEM_INVALID, path, name,
                          "leaves less than 5m of the 'duration'; choose a smaller one");
}

static void check_times(const struct certificate_spec *spec, const char *path,
                        struct field_report *report)
{
    int64_t duration_ns = spec->duration.is_set ? spec->duration.ns : DEFAULT_NS;

    if (duration_ns < HOUR_NS) {
        problem_at_member(report, PROBLEM_INVALID, path, "duration", "must be at least 1h");
        return;
    }
    check_renew_before(spec, duration_ns, path, report);
    check_percentage(spec, duration_ns, path, report);
}

/* Keys */

static bool signature_fits(int signature, enum key_algorithm algorithm)
{
    switch (signature) {
    case SIGNATURE_SHA256_RSA:
    case SIGNATURE_SHA384_RSA:
    case SIGNATURE_SHA512_RSA:
        return algorithm == KEY_RSA;
    case SIGNATURE_ECDSA_SHA256:
    case SIGNATURE_ECDSA_SHA384:
    case SIGNATURE_ECDSA_SHA512:
        return algorithm == KEY_ECDSA;
    case SIGNATURE_ED25519:
        return algorithm == KEY_ED25519;
    default:
        return true;
    }
}

static void check_signature(const struct certificate_spec *spec, const char *path,
                            struct field_report *report)
{
    static const char *const algorithms[] = {
        [KEY_RSA] = "RSA", [KEY_ECDSA] = "ECDSA", [KEY_ED25519] = "Ed25519"};
    enum key_algorithm algorithm = certificate_key_algorithm(spec);

    if (!signature_fits(spec->signature_algorithm, algorithm))
        problem_at_member(report, PROBLEM_INVALID, path, "signatureAlgorithm",
                          "'%s' does not fit a private key of algorithm %s",
                          enum_name(&signature_algorithm_names, spec->signature_algorithm),
                          algorithms[algorithm]);
}

void certificate_private_key_check(const void *self, const char *path, struct field_report *report)
{
    const struct certificate_private_key *key = self;
    int64_t size = key->size;

    if (size == 0 || key->algorithm == CERTIFICATE_KEY_ED25519)
        return;
    if (key->algorithm == CERTIFICATE_KEY_ECDSA) {
        if (size != 256 && size != 384 && size != 521)
            problem_at_member(report, PROBLEM_INVALID, path, "size",
                              "must be 256, 384 or 521 for ECDSA, is %lld", (long long)size);
    } else if (size < RSA_MIN || size > RSA_MAX) {
        problem_at_member(report, PROBLEM_INVALID, path, "size",
                          "must be from %d to %d for RSA, is %lld", RSA_MIN, RSA_MAX,
                          (long long)size);
    } else if (size % 2 == 1) { /* it makes one bit less of it */
        problem_at_member(report, PROBLEM_INVALID, path, "size",
                          "is %lld: OpenSSL makes no RSA keys of odd sizes; use %lld",
                          (long long)size, (long long)size + 1);
    }
}

/* Key stores. A reference counts with its name only; an empty password has been told of already. A store that
 * is not made needs no password, and cert-manager lets such a reference be. */

static void check_password_key(const struct secret_key_selector *ref, bool is_made,
                               const char *path, struct field_report *report)
{
    if (!str_empty(ref->key))
        return;
    problem_at_member(report, is_made ? PROBLEM_REQUIRED : PROBLEM_WARNING, path,
                      "passwordSecretRef.key", "%s",
                      is_made ? "must be set: which key of the Secret is meant"
                              : "is not set, and must be before 'create' is true");
}

static void check_password(const struct secret_key_selector *ref, const char *password,
                           bool is_made, const char *path, struct field_report *report)
{
    bool has_ref = ref && !str_empty(ref->name);

    if (has_ref && !name_is_dns1123_subdomain(ref->name))
        problem_at_member(report, PROBLEM_WARNING, path, "passwordSecretRef.name",
                          "is not a name that a Secret can have, so that there is none");
    if (has_ref && !password)
        check_password_key(ref, is_made, path, report);
    if (has_ref == (password != NULL))
        field_report_add(report, PROBLEM_INVALID, path,
                         "exactly one of 'passwordSecretRef' (with its name) and 'password' must "
                         "be set, found %s",
                         has_ref ? "both" : "neither");
}

void jks_keystore_check(const void *self, const char *path, struct field_report *report)
{
    const struct jks_keystore *jks = self;

    check_password(jks->password_secret_ref, jks->password, jks->create.value, path, report);
}

void pkcs12_keystore_check(const void *self, const char *path, struct field_report *report)
{
    const struct pkcs12_keystore *pkcs12 = self;

    check_password(pkcs12->password_secret_ref, pkcs12->password, pkcs12->create.value, path,
                   report);
}

/* The rest */

static void check_formats(const struct certificate_spec *spec, const char *path,
                          struct field_report *report)
{
    unsigned seen = 0;

    for (size_t i = 0; i < spec->additional_output_formats.len; i++) {
        unsigned bit = 1U << spec->additional_output_formats.items[i].type;
        char place[256];

        (void)snprintf(place, sizeof(place), "%s.additionalOutputFormats", path);
        if (bit > 1 && seen & bit)
            problem_at_index(report, PROBLEM_INVALID, place, i, "is in the list already");
        seen |= bit;
    }
}

void certificate_spec_check(const void *self, const char *path, struct field_report *report)
{
    const struct certificate_spec *spec = self;

    check_has_name(spec, path, report);
    check_one_subject(spec, path, report);
    check_cert_sign(spec, path, report);
    check_is_bounded_ca(spec, path, report);
    check_size(spec, path, report);
    check_times(spec, path, report);
    check_signature(spec, path, report);
    check_formats(spec, path, report);
}

static const char *zone_of(const struct certificate_renewal *renewal, size_t i)
{
    return str_or(renewal->windows.items[i].timezone, "UTC");
}

static bool is_first_of_its_zone(const struct certificate_renewal *renewal, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (streq(zone_of(renewal, j), zone_of(renewal, i)))
            return false;
    return true;
}

/* What cannot be looked up here is for the machine to judge that renews. */
static void check_zone(const struct certificate_renewal *renewal, size_t first, const char *path,
                       struct field_report *report)
{
    const struct zone *zone;
    struct err problem = {};
    int r = zone_get(zone_of(renewal, first), &zone, &problem);

    for (size_t i = first; r < 0 && i < renewal->windows.len; i++) {
        cleanup(xfree) char *place = xasprintf("%s.windows[%zu].timezone", path, i);

        if (streq(zone_of(renewal, i), zone_of(renewal, first)))
            field_report_add(report, r == ERR_UNAVAILABLE ? PROBLEM_WARNING : PROBLEM_INVALID,
                             place, "%s", problem.text);
    }
}

/* Each name once: one that is not known is looked for in files again. */
static void check_zones(const struct certificate_renewal *renewal, const char *path,
                        struct field_report *report)
{
    for (size_t i = 0; i < renewal->windows.len; i++)
        if (is_first_of_its_zone(renewal, i))
            check_zone(renewal, i, path, report);
}

void certificate_renewal_check(const void *self, const char *path, struct field_report *report)
{
    const struct certificate_renewal *renewal = self;

    if (renewal->policy == RENEWAL_DEFAULT)
        problem_at_member(report, PROBLEM_REQUIRED, path, "policy",
                          "must be 'RenewBefore' or 'Disabled'; remove 'renewal' for the default");
    if (renewal->policy == RENEWAL_DISABLED && renewal->windows.len > 0)
        problem_at_member(report, PROBLEM_INVALID, path, "windows",
                          "must not be set when renewal is disabled");
    check_zones(renewal, path, report);
}

/* cert-manager takes lines that never fire, so they stop nothing here either (behaviour.md 3). */
void check_window_cron(const void *member, const char *path, struct field_report *report)
{
    const char *text = *(const char *const *)member;
    struct cron cron;
    struct err problem = {};

    if (cron_parse(text, &cron, &problem) < 0)
        field_report_add(report, PROBLEM_INVALID, path, "%s", problem.text);
    else if (cron.every_s > 0)
        problem_with(report, PROBLEM_WARNING, path, text,
                     "names no hours: a renewal may happen at any time");
    else if (cron_never_fires(&cron))
        problem_with(
            report, PROBLEM_WARNING, path, text,
            "never fires: no renewal can wait for it, and the certificate will not be Ready "
            "where it has no other window (WindowError)");
}

void check_window_duration(const void *member, const char *path, struct field_report *report)
{
    if (((const struct opt_duration *)member)->ns <= 0)
        field_report_add(report, PROBLEM_INVALID, path, "must be longer than 0s");
}

/* cert-manager lets them in, so they are no error; for 'cert-manager.io/' in annotations there is a rule. */
static bool is_reserved(const char *key)
{
    return str_starts(key, "cert-manager.io/") || str_starts(key, "controller.cert-manager.io/") ||
           str_starts(key, "acme.certlet.dev/");
}

static const char reserved_text[] =
    "has a prefix that the controller uses for itself; take another one";

void check_template_labels(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *labels = member;

    check_labels(member, path, report);
    for (size_t i = 0; i < labels->len; i++) {
        const struct pair *label = &labels->items[i];

        if (!streq(label->key, LABEL_FAO)) {
            if (is_reserved(label->key))
                problem_at_key(report, PROBLEM_WARNING, path, label->key, "%s", reserved_text);
        } else if (!streq(label->value, "true")) {
            problem_at_key(report, PROBLEM_WARNING, path, label->key,
                           "has no effect: the controller writes it, and always as 'true'");
        }
    }
}

/* Ours are written by us, so a template must not name them. */
void check_template_annotations(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *annotations = member;

    check_annotations(member, path, report);
    for (size_t i = 0; i < annotations->len; i++) {
        const char *key = annotations->items[i].key;

        if (str_starts(key, "cert-manager.io/") && !streq(key, ANNOTATION_ALLOW_DIRECT_INJECTION))
            problem_at_key(report, PROBLEM_INVALID, path, key,
                           "annotations of 'cert-manager.io/' are written by the controller and "
                           "may not be in a template");
        else if (is_reserved(key) && !streq(key, ANNOTATION_ALLOW_DIRECT_INJECTION))
            problem_at_key(report, PROBLEM_WARNING, path, key, "%s", reserved_text);
    }
}
