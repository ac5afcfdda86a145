/* target_secret.c - what is applied to a target Secret. */
#include "controller/target_secret.h"

#include <string.h>

#include "api/kinds.h"
#include "base/base64.h"
#include "base/limits.h"
#include "controller/controllers.h"

/* --- metadata --- */

static void set_csv(struct strmap *to, const char *key, const struct strlist *values,
                    bool even_if_empty)
{
    cleanup(xfree) char *line = NULL;

    if (values->len == 0 && !even_if_empty)
        return;
    line = csv_line(values);
    strmap_set(to, key, line);
}

/* Names of the certificate: the first four are always there, the others only with a value. */
static void set_name_annotations(struct strmap *to, const struct x509_names *leaf)
{
    strmap_set(to, ANNOTATION_COMMON_NAME, str_or(leaf->common_name, ""));
    set_csv(to, ANNOTATION_ALT_NAMES, &leaf->dns_names, true);
    set_csv(to, ANNOTATION_IP_SANS, &leaf->ip_addresses, true);
    set_csv(to, ANNOTATION_URI_SANS, &leaf->uris, true);
    set_csv(to, ANNOTATION_EMAIL_SANS, &leaf->email_addresses, false);
    set_csv(to, "cert-manager.io/subject-organizations", &leaf->organizations, false);
    set_csv(to, "cert-manager.io/subject-organizationalunits", &leaf->organizational_units, false);
    set_csv(to, "cert-manager.io/subject-countries", &leaf->countries, false);
    set_csv(to, "cert-manager.io/subject-provinces", &leaf->provinces, false);
    set_csv(to, "cert-manager.io/subject-localities", &leaf->localities, false);
    set_csv(to, "cert-manager.io/subject-postalcodes", &leaf->postal_codes, false);
    set_csv(to, "cert-manager.io/subject-streetaddresses", &leaf->street_addresses, false);
    if (!str_empty(leaf->serial_number))
        strmap_set(to, "cert-manager.io/subject-serialnumber", leaf->serial_number);
}

static void add_pairs(struct strmap *to, const struct array_pair *from)
{
    for (size_t i = 0; i < from->len; i++)
        strmap_set(to, from->items[i].key, from->items[i].value);
}

static void set_if(struct strmap *to, const char *key, const char *value)
{
    if (value)
        strmap_set(to, key, value);
}

void target_secret_metadata(const struct target_secret *target, const struct x509_names *leaf,
                            struct strmap *ret_labels, struct strmap *ret_annotations)
{
    const struct secret_template *template = target->crt->spec.secret_template;

    if (template) {
        add_pairs(ret_labels, &template->labels);
        add_pairs(ret_annotations, &template->annotations);
    }
    strmap_set(ret_labels, LABEL_FAO, "true");
    strmap_set(ret_annotations, ANNOTATION_CERTIFICATE_NAME, target->crt->object.metadata.name);
    set_if(ret_annotations, ANNOTATION_ISSUER_NAME, target->issuer_name);
    set_if(ret_annotations, ANNOTATION_ISSUER_KIND, target->issuer_kind);
    set_if(ret_annotations, ANNOTATION_ISSUER_GROUP, target->issuer_group);
    set_name_annotations(ret_annotations, leaf);
}

/* --- data --- */

static void set_data(struct json *data, const char *key, const void *value, size_t len)
{
    cleanup(xfree_secret) char *text = base64_new(value, len);

    json_set_text(data, key, text);
}

static bool wants_format(const struct certificate_spec *spec, enum output_format format)
{
    for (size_t i = 0; i < spec->additional_output_formats.len; i++) {
        if (spec->additional_output_formats.items[i].type == (int)format)
            return true;
    }
    return false;
}

static void set_combined(struct json *data, const struct target_secret *target)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM + LIMIT_CHAIN_BODY + 1);

    buf_add_str(&pem, target->key_pem);
    buf_add_char(&pem, '\n');
    buf_add_str(&pem, target->chain_pem);
    set_data(data, "tls-combined.pem", buf_str(&pem), pem.len);
}

static int set_der(struct json *data, const char *key_pem, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = key_pem;
    int r = pem_next(&at, key_pem + strlen(key_pem), &block, err);

    if (r < 0)
        return err_wrap(err, "reading tls.key");
    set_data(data, "key.der", block.der, block.der_len);
    return 0;
}

/* The API server's own message about it does not say what to do. */
static int check_size(const struct json *data, struct err *err)
{
    size_t size = 0;

    json_for_each (key, value, data) {
        (void)key;
        size += json_text_len(value) / 4 * 3;
    }
    if (size <= LIMIT_SECRET)
        return 0;
    return err_set(err, ERR_TOO_LARGE,
                   "the Secret would have %zu bytes, but may have %d; leave key stores or output "
                   "formats out, or let the issuer send a smaller ca.crt",
                   size, LIMIT_SECRET);
}

static int data_json(const struct target_secret *target, const struct chain *chain,
                     struct json *data, struct err *err)
{
    const struct certificate_spec *spec = &target->crt->spec;
    int r = 0;

    set_data(data, "tls.key", target->key_pem, strlen(target->key_pem));
    set_data(data, "tls.crt", target->chain_pem, strlen(target->chain_pem));
    if (!str_empty(target->ca_pem))
        set_data(data, "ca.crt", target->ca_pem, strlen(target->ca_pem));
    if (wants_format(spec, OUTPUT_COMBINED_PEM))
        set_combined(data, target);
    if (wants_format(spec, OUTPUT_DER))
        r = set_der(data, target->key_pem, err);
    if (r == 0)
        r = keystores_add(target, chain, data, err);
    return r < 0 ? r : check_size(data, err);
}

static struct json *owners_json(const struct certificate *crt)
{
    char api_version[API_VERSION_MAX];
    struct owner_reference owner = owner_reference_to(&crt->object, api_version);
    struct json *list = json_new_list();

    json_append(list, fields_encode(&owner_reference_fields, &owner));
    return list;
}

int target_secret_json(const struct target_secret *target, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *secret = json_new_map();
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(strmap_deinit) struct strmap labels = {}, annotations = {};
    struct json *metadata = json_need_map(secret, "metadata");
    int r;

    r = chain_from_pem(target->chain_pem, strlen(target->chain_pem), &chain, err);
    if (r < 0)
        return err_wrap(err, "reading the certificate for Secret '%s'",
                        target->crt->spec.secret_name);
    target_secret_metadata(target, cert_names(chain.certs[0]), &labels, &annotations);
    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(secret, "type", str_or(target->type, "kubernetes.io/tls"));
    json_set_text(metadata, "name", target->crt->spec.secret_name);
    json_set_text(metadata, "namespace", target->crt->object.metadata.namespace);
    json_set(metadata, "labels", json_new_strmap(&labels));
    json_set(metadata, "annotations", json_new_strmap(&annotations));
    if (target->owner_ref)
        json_set(metadata, "ownerReferences", owners_json(target->crt));
    r = data_json(target, &chain, json_need_map(secret, "data"), err);
    if (r < 0)
        return r;
    *ret = take(secret);
    return 0;
}

/* --- is it still as applied (behaviour.md 2.4)? --- */

static bool is_ours_by_prefix(const char *key)
{
    return str_starts(key, "cert-manager.io/") || str_starts(key, "controller.cert-manager.io/");
}

/* Annotations that say where a Secret came from, and those whose presence depends on the leaf's subject,
 * do not count as a difference. */
static bool is_exempt(const char *key)
{
    return streq(key, ANNOTATION_CERTIFICATE_NAME) || str_starts(key, "cert-manager.io/issuer-") ||
           str_starts(key, "cert-manager.io/subject-");
}

static const char *first_difference(const struct array_pair *found, const struct strmap *wanted)
{
    strmap_for_each (entry, wanted) {
        if (!is_exempt(entry->key) && !streq(array_pair_get(found, entry->key), entry->value))
            return entry->key;
    }
    return NULL;
}

/* A key that we applied once and do not want any more. */
static const char *first_leftover(const struct array_string *owned, const struct strmap *wanted)
{
    for (size_t i = 0; i < owned->len; i++) {
        if (!strmap_get(wanted, owned->items[i]) && !is_exempt(owned->items[i]))
            return owned->items[i];
    }
    return NULL;
}

/* A key that has the right value but is not ours yet: it would not go when the template drops it. */
static const char *first_unowned(const struct array_string *owned, const struct strmap *wanted)
{
    strmap_for_each (entry, wanted) {
        if (!is_exempt(entry->key) && !array_string_has(owned, entry->key))
            return entry->key;
    }
    return NULL;
}

static void leaf_names(const struct secret_facts *secret, struct x509_names *ret)
{
    ret->common_name = xstrdup(secret->leaf_common_name);
    array_string_add_to(&secret->leaf_dns_names, &ret->dns_names);
    array_string_add_to(&secret->leaf_ip_addresses, &ret->ip_addresses);
    array_string_add_to(&secret->leaf_uris, &ret->uris);
    array_string_add_to(&secret->leaf_email_addresses, &ret->email_addresses);
}

static struct violation metadata_violation(const struct certificate_facts *facts,
                                           struct arena *arena)
{
    cleanup(strmap_deinit) struct strmap labels = {}, annotations = {};
    cleanup(x509_names_deinit) struct x509_names leaf = {};
    struct target_secret target = {.crt = facts->crt};
    const struct metadata *metadata = &facts->secret->object.metadata;
    const char *key;

    leaf_names(facts->secret, &leaf);
    target_secret_metadata(&target, &leaf, &labels, &annotations);
    key = first_difference(&metadata->labels, &labels);
    if (!key)
        key = first_difference(&metadata->annotations, &annotations);
    if (!key)
        key = first_leftover(&facts->secret->owned_labels, &labels);
    if (!key)
        key = first_leftover(&facts->secret->owned_annotations, &annotations);
    if (!key)
        key = first_unowned(&facts->secret->owned_labels, &labels);
    if (!key)
        key = first_unowned(&facts->secret->owned_annotations, &annotations);
    if (!key)
        return (struct violation){};
    return (struct violation){
        is_ours_by_prefix(key) ? "SecretManagedMetadataMismatch" : "SecretTemplateMismatch",
        arena_printf(arena, "The Secret's metadata is not as the Certificate wants it: '%s'", key)};
}

static struct violation formats_violation(const struct certificate_facts *facts)
{
    static const struct {
        enum output_format format;
        const char *key;
    } formats[] = {{OUTPUT_DER, "key.der"}, {OUTPUT_COMBINED_PEM, "tls-combined.pem"}};
    const struct secret_facts *secret = facts->secret;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        bool fits = formats[i].format == OUTPUT_DER ? secret->key_der_fits : secret->combined_fits;
        bool wanted = wants_format(&facts->crt->spec, formats[i].format);

        bool owned = array_string_has(&secret->owned_data, formats[i].key);

        if (wanted ? !fits || !owned : owned)
            return (struct violation){
                "AdditionalOutputFormatsMismatch",
                "The Secret's additional output formats are not as the Certificate wants them"};
    }
    return (struct violation){};
}

static bool has_owner(const struct metadata *secret, const struct object *crt)
{
    char api_version[API_VERSION_MAX];
    struct owner_reference wanted = owner_reference_to(crt, api_version);

    for (size_t i = 0; i < secret->owner_references.len; i++)
        if (fields_equal(&owner_reference_fields, &secret->owner_references.items[i], &wanted))
            return true;
    return false;
}

/* What somebody else has applied is theirs to take off. */
static struct violation owner_violation(const struct certificate_facts *facts, bool owner_ref)
{
    const struct object *crt = &facts->crt->object;
    cleanup(xfree) char *uid = xasprintf("{\"uid\":\"%s\"}", str_or(crt->metadata.uid, ""));
    bool is_owned = array_string_has(&facts->secret->owned_owners, uid);

    if (owner_ref ? is_owned && has_owner(&facts->secret->object.metadata, crt) : !is_owned)
        return (struct violation){};
    return (struct violation){
        "SecretOwnerRefMismatch",
        "The Secret's owner reference is not as --enable-certificate-owner-ref says"};
}

struct violation repair_violation(const struct certificate_facts *facts, bool owner_ref,
                                  struct arena *arena)
{
    struct violation found;

    if (!facts->secret || !facts->secret->has_data)
        return (struct violation){};
    found = metadata_violation(facts, arena);
    if (!found.reason)
        found = formats_violation(facts);
    if (!found.reason)
        found = owner_violation(facts, owner_ref);
    if (!found.reason)
        found = keystores_violation(facts, arena);
    return found;
}
