/* certificate_make.c - the next private key, the CSR for it, and the CertificateRequest that carries it. */
#include <string.h>

#include "api/live.h"
#include "base/base64.h"
#include "base/limits.h"
#include "controller/certificate_run.h"
#include "controller/facts.h"
#include "controller/keymaker.h"

#define NAME_WHOLE_MAX 233         /* behaviour.md 16: a revision of 19 digits has room behind it */
#define NAME_CUT_MAX   168         /* a hash in hexadecimal, too */
#define KEY_RECHECK_MS SECONDS(10) /* only in case the call of the keymaker was missed */

/* --- the key --- */

int certificate_read_key(struct certificate_run *run, const char *secret_name,
                         const struct pkey **ret, struct err *err)
{
    struct key key = {.namespace = run->key.namespace, .name = secret_name};
    cleanup(object_unref) const struct object *secret = NULL;
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    int r = live_secret(run->self->store, run->ctx, &key, &secret, err);

    if (r == 0)
        r = secret_value((const struct secret *)secret, "tls.key", &pem, err);
    if (r == 0)
        r = pkey_from_pem(buf_str(&pem), pem.len, ret, err);
    return r;
}

static int new_key(struct certificate_run *run, const struct pkey **ret, struct err *err)
{
    enum key_algorithm algorithm = certificate_key_algorithm(&run->crt->spec);
    int size = certificate_key_size(&run->crt->spec);

    return algorithm == KEY_RSA ? keymaker_take(run->self->keymaker, &run->key, size, ret, err)
                                : pkey_generate(algorithm, size, ret, err);
}

static bool reuses_key(const struct certificate_run *run)
{
    return !certificate_rotates_key(&run->crt->spec) && run->facts.secret &&
           run->facts.secret->key_ok;
}

/* One that was to stay is lost: whoever has it elsewhere can put it back. */
static void tell_undecodable(struct certificate_run *run)
{
    const struct secret_facts *secret = run->facts.secret;

    if (!certificate_rotates_key(&run->crt->spec) && secret && secret->has_data && !secret->key_ok)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, "DecodeFailed",
              "spec.privateKey.rotationPolicy is Never, but the key in Secret '%s' cannot be read: "
              "another one is made",
              run->crt->spec.secret_name);
}

int certificate_next_key(struct certificate_run *run, struct reconcile_result *result,
                         const struct pkey **ret, struct err *err)
{
    const struct certificate_spec *spec = &run->crt->spec;
    int r = reuses_key(run) ? certificate_read_key(run, spec->secret_name, ret, err)
                            : new_key(run, ret, err);

    run->waits_for_key = r == ERR_BUSY;
    if (run->waits_for_key)
        reconcile_again_by(result, context_now_ms(run->ctx) + KEY_RECHECK_MS);
    if (r == 0)
        tell_undecodable(run);
    return r;
}

static struct json *next_key_json(struct certificate_run *run, const struct pkey *key)
{
    struct pair label_items[] = {{LABEL_NEXT_PRIVATE_KEY, "true"}, {LABEL_FAO, "true"}};
    struct array_pair labels = {.items = label_items, .len = ARRAY_LEN(label_items)};
    struct key name = {.namespace = run->key.namespace, .name = run->decision.next_key_name};
    struct json *secret = object_child_json(&kind_secret, &name, &run->crt->object, &labels, NULL);
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(xfree_secret) char *text = NULL;

    pkey_to_pem(key, KEY_PKCS8, &pem); /* whatever spec.encoding says (behaviour.md 1.2) */
    text = base64_new(buf_str(&pem), pem.len);
    json_set_text(json_need_map(secret, "data"), "tls.key", text);
    return secret;
}

static bool is_usable(const struct certificate_run *run, const struct pkey *key,
                      const struct secret_facts *secret)
{
    unsigned char key_hash[SHA256_LEN];

    pkey_public_hash(key, key_hash);
    return certificate_is_next_key(run->crt, &secret->object) && secret->key_ok &&
           memcmp(secret->key_hash, key_hash, SHA256_LEN) == 0;
}

/* What is not ours, or not this key, would be passed over, and another one made. */
static int drop_changed_key(struct certificate_run *run, const struct secret_facts *facts,
                            struct err *err)
{
    int r = write_delete(run->self, run->ctx, &facts->object, err);

    return r < 0 ? r
                 : err_set(err, ERR_INVALID,
                           "a policy of the cluster changes the Secret '%s' as it is created, so "
                           "that it cannot be used; exempt it there",
                           run->decision.next_key_name);
}

/* A reference to the facts of the Secret as it was stored. */
static int store_next_key(struct certificate_run *run, const struct pkey *key,
                          const struct secret_facts **ret, struct err *err)
{
    cleanup(json_unref) struct json *secret = next_key_json(run, key), *stored = NULL;
    cleanup(object_unref) const struct secret_facts *facts = NULL;
    int r = write_new(certificate_author(run), secret, &stored, err);

    if (r == 0)
        r = cache_decode(run->self->caches.secrets, stored, (const void **)&facts, err);
    if (r < 0)
        return r;
    if (!is_usable(run, key, facts))
        return drop_changed_key(run, facts, err);
    *ret = take(facts);
    return 0;
}

int certificate_store_next_key(struct certificate_run *run, const struct pkey *key, struct err *err)
{
    cleanup(object_unref) const struct secret_facts *facts = NULL;

    return store_next_key(run, key, &facts, err);
}

static void tell_key(struct certificate_run *run)
{
    if (reuses_key(run))
        event_extra(run->self, run->ctx, &run->crt->object, "Reused",
                    "Reusing the private key in Secret '%s'", run->crt->spec.secret_name);
    else
        event_extra(run->self, run->ctx, &run->crt->object, "Generated",
                    "Storing a new private key in the temporary Secret '%s'",
                    run->decision.next_key_name);
}

/* What the CSR names. CN is not added to the SANs by itself (behaviour.md 1.3). */
int certificate_names(const struct certificate_spec *spec, struct x509_names *ret, struct err *err)
{
    const struct certificate_subject *subject = spec->subject;
    char text[IP_TEXT_MAX];

    if (!str_empty(spec->literal_subject))
        ret->literal_subject = xstrdup(spec->literal_subject);
    ret->common_name = xstrdup(spec->common_name);
    array_string_add_to(&spec->dns_names, &ret->dns_names);
    array_string_add_to(&spec->uris, &ret->uris);
    array_string_add_to(&spec->email_addresses, &ret->email_addresses);
    for (size_t i = 0; i < spec->other_names.len; i++)
        x509_names_add_other(ret, str_or(spec->other_names.items[i].oid, ""),
                             str_or(spec->other_names.items[i].utf8_value, ""));
    for (size_t i = 0; i < spec->ip_addresses.len; i++) {
        int r = ip_canonical(spec->ip_addresses.items[i], text, err);

        if (r < 0)
            return r;
        strlist_add(&ret->ip_addresses, text);
    }
    if (!subject)
        return 0;
    array_string_add_to(&subject->organizations, &ret->organizations);
    array_string_add_to(&subject->countries, &ret->countries);
    array_string_add_to(&subject->organizational_units, &ret->organizational_units);
    array_string_add_to(&subject->localities, &ret->localities);
    array_string_add_to(&subject->provinces, &ret->provinces);
    array_string_add_to(&subject->street_addresses, &ret->street_addresses);
    array_string_add_to(&subject->postal_codes, &ret->postal_codes);
    ret->serial_number = xstrdup(subject->serial_number);
    return 0;
}

static void add_subtrees(const struct name_constraint_item *item, struct subtrees *to)
{
    if (!item)
        return;
    array_string_add_to(&item->dns_domains, &to->dns_domains);
    array_string_add_to(&item->ip_ranges, &to->ip_ranges);
    array_string_add_to(&item->email_addresses, &to->email_addresses);
    array_string_add_to(&item->uri_domains, &to->uri_domains);
}

static void add_bounds(const struct certificate_spec *spec, struct name_bounds *to)
{
    if (!spec->name_constraints)
        return;
    to->critical = spec->name_constraints->critical;
    add_subtrees(spec->name_constraints->permitted, &to->permitted);
    add_subtrees(spec->name_constraints->excluded, &to->excluded);
}

static int make_csr(const struct certificate_spec *spec, const struct pkey *key, struct buf *to_pem,
                    struct err *err)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct csr_request request = {
        .names = &names,
        .bounds = &bounds,
        .usages = usages_of(&spec->usages, spec->is_ca),
        .encode_usages = !spec->encode_usages_in_request.is_set ||
                         spec->encode_usages_in_request.value,
        .is_ca = spec->is_ca,
        .signature = spec->signature_algorithm,
    };
    int r = certificate_names(spec, &names, err);

    add_bounds(spec, &bounds);
    if (r == 0)
        r = csr_new(&request, key, &csr, err);
    if (r < 0)
        return r;
    csr_to_pem(csr, to_pem);
    return buf_check(to_pem, "certificate signing request", err);
}

/* Same name for the same revision: a second create is ERR_EXISTS, not a second request (behaviour.md 16). */
static char *request_name(struct certificate_run *run, int64_t revision)
{
    const char *name = run->crt->object.metadata.name;
    cleanup(xfree) char *hash = NULL;
    size_t len = strlen(name);

    if (len <= NAME_WHOLE_MAX)
        return arena_printf(run->arena, "%s-%lld", name, (long long)revision);
    hash = sha256_hex(name, len);
    return arena_printf(run->arena, "%.*s-%s-%lld", (int)object_name_cut(name, NAME_CUT_MAX), name,
                        hash, (long long)revision);
}

/* The one that it gets where that is the name of a request which is not this Certificate's: an orphan of one of the
 * same name that was deleted, say. No other Certificate's can have it. */
static char *request_name_by_uid(struct certificate_run *run, int64_t revision)
{
    const struct metadata *metadata = &run->crt->object.metadata;

    return arena_printf(run->arena, "%.*s-%s-%lld",
                        (int)object_name_cut(metadata->name, NAME_CUT_MAX), metadata->name,
                        metadata->uid, (long long)revision);
}

static void add_pair(struct array_pair *to, const char *key, const char *value)
{
    to->items[to->len++] = (struct pair){.key = key, .value = value};
}

static struct json *request_json(struct certificate_run *run, const struct buf *csr_pem,
                                 const char *key_secret)
{
    const struct certificate_spec *spec = &run->crt->spec;
    const struct metadata *metadata = &run->crt->object.metadata;
    int64_t revision = certificate_next_revision(&run->crt->status);
    struct certificate_request_spec body = {
        .duration = spec->duration,
        .issuer_ref = spec->issuer_ref,
        .request = bytes_of(buf_str(csr_pem), csr_pem->len),
        .is_ca = spec->is_ca,
        .usages = spec->usages,
    };
    struct key name = {.namespace = run->key.namespace, .name = request_name(run, revision)};
    struct array_pair annotations = {};
    struct json *request;

    copied_annotations(run->self, &metadata->annotations, run->arena, &annotations);
    add_pair(&annotations, ANNOTATION_REVISION,
             arena_printf(run->arena, "%lld", (long long)revision));
    add_pair(&annotations, ANNOTATION_PRIVATE_KEY_SECRET, key_secret);
    add_pair(&annotations, ANNOTATION_CERTIFICATE_NAME, metadata->name);
    if (run->decision.replaces_young)
        add_pair(&annotations, ANNOTATION_REPLACES_YOUNG, "true");
    request = object_child_json(&kind_certificate_request, &name, &run->crt->object,
                                &metadata->labels, &annotations);
    json_set(request, "spec", fields_encode(&certificate_request_spec_fields, &body));
    return request;
}

int certificate_request_json(struct certificate_run *run, const struct pkey *key,
                             const char *key_secret, struct json **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CERT_PEM);
    int r = make_csr(&run->crt->spec, key, &pem, err);

    if (r < 0)
        return err_wrap(err, "making the certificate signing request");
    *ret = request_json(run, &pem, key_secret);
    return 0;
}

/* What the store has made of the request, if that is not what it was to be. */
static const char *what_was_changed(struct certificate_run *run, const struct pkey *key,
                                    const struct request_facts *facts)
{
    int64_t revision = certificate_next_revision(&run->crt->status);
    unsigned char key_hash[SHA256_LEN];
    struct violation changed;

    pkey_public_hash(key, key_hash);
    changed = request_changed(run->crt, facts, revision, key_hash, run->arena);
    if (!changed.reason)
        return NULL;
    return arena_printf(run->arena,
                        "a policy of the cluster changed CertificateRequest '%s' as it was "
                        "created, so it cannot be used; exempt it there, or let the "
                        "Certificate ask for the same: %s",
                        facts->request.object.metadata.name, changed.message);
}

int certificate_create_request(struct certificate_run *run, const struct json *request,
                               const struct pkey *key, struct json **ret_stored,
                               const char **ret_changed, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    cleanup(object_unref) const struct object *facts = NULL;
    int r = write_new(certificate_author(run), request, &stored, err);

    if (r == 0)
        r = cache_decode(run->self->caches.requests, stored, (const void **)&facts, err);
    if (r < 0)
        return r;
    *ret_changed = what_was_changed(run, key, (const struct request_facts *)facts);
    if (*ret_changed)
        return write_delete(run->self, run->ctx, facts, err);
    *ret_stored = take(stored);
    return 0;
}

/* To drop it and to make it again would have no end: the attempt has failed. */
static int fail_changed(struct certificate_run *run, const char *changed, struct err *err)
{
    struct certificate_policy policy = certificate_policy_of(run);

    run->facts.changed = changed;
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return certificate_fail(run, err);
}

/* Its reconciler is held off until we know that it may stay. */
static int create_held(struct certificate_run *run, const struct json *request,
                       const struct pkey *key, const char **ret_changed, struct err *err)
{
    struct key name = {.namespace = run->key.namespace,
                       .name = json_as_text(json_path(request, "metadata.name"))};
    cleanup(json_unref) struct json *stored = NULL;
    int r;

    expectations_hold(run->self->expectations, LANE_REQUESTS, &name);
    r = certificate_create_request(run, request, key, &stored, ret_changed, err);
    if (stored) /* its reconciler needs the bytes next */
        written_note(run->self->issuers.written, &kind_certificate_request.resource, stored);
    expectations_release(run->self->expectations, LANE_REQUESTS, &name);
    return r;
}

/* Under the other name. One of ours the caches have not seen yet. */
static int create_beside(struct certificate_run *run, struct json *request, const struct pkey *key,
                         const struct err *exists, const char **ret_changed, struct err *err)
{
    struct key name = {.namespace = run->key.namespace,
                       .name = json_as_text(json_path(request, "metadata.name"))};
    int64_t revision = certificate_next_revision(&run->crt->status);
    cleanup(object_unref) const struct object *found = NULL;
    int r = live_object(run->self->store, run->ctx, &kind_certificate_request, &name, &found, err);

    if (r < 0)
        return err_wrap(err, "looking at the CertificateRequest '%s'", name.name);
    if (object_is_controlled_by(found, run->crt->object.metadata.uid))
        return err_pass(err, exists);
    json_set_text(json_need_map(request, "metadata"), "name", request_name_by_uid(run, revision));
    return create_held(run, request, key, ret_changed, err);
}

static int create_under_free_name(struct certificate_run *run, struct json *request,
                                  const struct pkey *key, const char **ret_changed, struct err *err)
{
    struct err why = {};
    int r = create_held(run, request, key, ret_changed, &why);

    if (r == ERR_EXISTS)
        return create_beside(run, request, key, &why, ret_changed, err);
    return r < 0 ? err_pass(err, &why) : 0;
}

static int make_request(struct certificate_run *run, const struct pkey *key, struct err *err)
{
    const char *changed = NULL;
    cleanup(json_unref) struct json *request = NULL;
    int r = certificate_request_json(run, key, run->decision.next_key->object.metadata.name,
                                     &request, err);

    if (r < 0)
        return r;
    r = create_under_free_name(run, request, key, &changed, err);
    if (r == 0 && changed)
        return fail_changed(run, changed, err);
    if (r == 0)
        event_extra(run->self, run->ctx, &run->crt->object, "Requested",
                    "Created new CertificateRequest resource '%s'",
                    json_as_text(json_path(request, "metadata.name")));
    return r;
}

int certificate_make_request(struct certificate_run *run, struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    int r = certificate_read_key(run, run->decision.next_key->object.metadata.name, &key, err);

    return r < 0 ? err_wrap(err, "making the certificate signing request")
                 : make_request(run, key, err);
}

/* --- both --- */

/* For the rest of the run it is the only one: there was none that could be used. */
static void add_next_key(struct certificate_run *run, const struct secret_facts *stored)
{
    const struct secret_facts **keys = arena_alloc(run->arena, sizeof(*keys));

    keys[0] = stored;
    run->facts.next_keys = keys;
    run->facts.next_key_count = 1;
    certificate_keep(run, &stored->object);
}

/* With the key at hand, so that it need not be read, if the request is what comes next. Takes the facts over. */
static int go_on(struct certificate_run *run, const struct pkey *key,
                 const struct secret_facts *stored, struct err *err)
{
    struct certificate_policy policy = certificate_policy_of(run);

    add_next_key(run, stored);
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return run->decision.action == CERTIFICATE_MAKE_REQUEST ? make_request(run, key, err) : 0;
}

int certificate_make_key(struct certificate_run *run, struct reconcile_result *result,
                         struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    const struct secret_facts *stored = NULL;
    int r = certificate_next_key(run, result, &key, err);

    if (r == ERR_BUSY)
        return 0;
    if (r < 0)
        return err_wrap(err, "making the next private key");
    tell_key(run);
    r = store_next_key(run, key, &stored, err);
    return r < 0 ? r : go_on(run, key, stored, err);
}
