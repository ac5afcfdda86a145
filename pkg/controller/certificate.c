/*
 * certificate.c - keeps a Certificate true: gather, decide (certificate_decide.c), act.
 *
 * act does one step and every step is idempotent: what it changes wakes the next run through the
 * watch. What an outside party will know about is stored before the step that makes it real: the
 * next key is in its Secret before a request carries its public half.
 */
#include <stdlib.h>
#include <string.h>

#include "api/kinds.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "controller/caches.h"
#include "controller/certificate_decide.h"
#include "controller/target_secret.h"
#include "controller/writers.h"

#define DUPLICATE_RECHECK_MS MINUTES(3)
#define ARI_RETRY_MS         HOURS(6)    /* after an answer that is no window (acme.md 6) */
#define ARI_TIMEOUT_MS       SECONDS(20) /* a slow CA must not hold the worker */
#define CLOCK_SLACK_MS       HOURS(1)    /* CAs date notBefore back, hosts' clocks are off */

struct run { /* one reconcile of one Certificate */
    struct controllers *self;
    const struct context *ctx;
    struct key key;
    const struct certificate *crt;
    struct arena *arena;
    struct certificate_facts facts;
    struct certificate_decision decision;
};

/* --- gather --- */

struct gathered { /* references that keep the facts alive */
    struct cache_refs requests, secrets, rivals, orders;
    const struct secret_facts *secret;
    const struct issuer *issuer;
    const struct secret_facts **next_keys;
};

static void gathered_deinit(struct gathered *gathered)
{
    cache_refs_deinit(&gathered->requests);
    cache_refs_deinit(&gathered->secrets);
    cache_refs_deinit(&gathered->rivals);
    cache_refs_deinit(&gathered->orders);
    if (gathered->secret)
        object_unref(&gathered->secret->object);
    if (gathered->issuer)
        object_unref(&gathered->issuer->object);
}
DEFINE_CLEANUP_VALUE(struct gathered, gathered_deinit);

/* Of several Certificates that name one Secret, the one that its annotation names owns it, else the
 * oldest, ties by name (behaviour.md 1.1). */
static const char *owner_among(const struct cache_refs *rivals, const struct secret_facts *secret)
{
    const char *annotated = secret ? object_annotation(&secret->object, ANNOTATION_CERTIFICATE_NAME)
                                   : NULL;
    const struct certificate *oldest = NULL;

    for (size_t i = 0; i < rivals->len; i++) {
        const struct certificate *rival = rivals->items[i];

        if (annotated && streq(rival->object.metadata.name, annotated))
            return annotated;
        if (!oldest || rival->object.metadata.creation_timestamp_ms <
                           oldest->object.metadata.creation_timestamp_ms)
            oldest = rival;
    }
    return oldest ? oldest->object.metadata.name : NULL;
}

static void gather_owner(struct run *run, struct gathered *gathered)
{
    const struct metadata *metadata = &run->crt->object.metadata;
    cleanup(xfree) char *value = index_name_value(metadata->namespace, run->crt->spec.secret_name);
    const char *owner;

    cache_by_index(run->self->caches.certificates, INDEX_SECRET_NAME, value, &gathered->rivals);
    owner = owner_among(&gathered->rivals, gathered->secret);
    if (owner && !streq(owner, metadata->name))
        run->facts.owner = owner;
}

/* Ours by uid, and still labelled: without the label it could neither be used nor replaced. */
static bool is_next_key_of(const struct certificate *crt, const struct object *secret)
{
    return object_is_controlled_by(secret, crt->object.metadata.uid) &&
           streq(object_label(secret, LABEL_NEXT_PRIVATE_KEY), "true");
}

static void gather_next_keys(struct run *run, struct gathered *gathered)
{
    const char *named = run->crt->status.next_private_key_secret_name;
    struct key key = {.namespace = run->key.namespace, .name = named};
    cleanup(object_unref) const struct object *found = NULL;

    cache_by_index(run->self->caches.secrets, INDEX_OWNER, run->crt->object.metadata.uid,
                   &gathered->secrets);
    gathered->next_keys = arena_alloc(run->arena,
                                      (gathered->secrets.len + 1) * sizeof(*gathered->next_keys));
    for (size_t i = 0; i < gathered->secrets.len; i++) {
        const struct secret_facts *secret = gathered->secrets.items[i];

        if (is_next_key_of(run->crt, &secret->object))
            gathered->next_keys[run->facts.next_key_count++] = secret;
    }
    run->facts.next_keys = gathered->next_keys;
    if (str_empty(named))
        return;
    found = cache_get(run->self->caches.secrets, &key);
    run->facts.foreign_next_key = found && !is_next_key_of(run->crt, found);
}

/* Why the request in flight does not move: its Order's reason, or what the request itself says. */
static void gather_waiting(struct run *run, struct gathered *gathered)
{
    int64_t next = run->crt->status.revision.is_set ? run->crt->status.revision.value + 1 : 1;

    for (size_t i = 0; i < run->facts.request_count; i++) {
        const struct request_facts *request = run->facts.requests[i];
        const struct condition *ready = condition_find(&request->request.status.conditions,
                                                       "Ready");

        if (request->revision != next)
            continue;
        cache_by_index(run->self->caches.orders, INDEX_OWNER, request->request.object.metadata.uid,
                       &gathered->orders);
        if (gathered->orders.len > 0) {
            const struct order_facts *order = gathered->orders.items[0];

            run->facts.waiting_for = str_empty(order->order.status.reason)
                                         ? NULL
                                         : order->order.status.reason;
        } else if (ready && ready->status == CONDITION_FALSE) {
            run->facts.waiting_for = ready->message;
        }
        return; /* its texts are borrowed from here on */
    }
}

static void gather_spec_problem(struct run *run)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err problem;

    object_check_spec(&run->crt->object, &report);
    if (field_report_check(&report, &problem) < 0)
        run->facts.spec_problem = arena_strdup(run->arena, problem.text);
}

static void gather(struct run *run, struct gathered *gathered)
{
    struct controllers *self = run->self;
    struct key secret = {.namespace = run->key.namespace, .name = run->crt->spec.secret_name};

    gathered->secret = cache_get(self->caches.secrets, &secret);
    gathered->issuer = issuer_of(self, &run->crt->spec.issuer_ref, run->key.namespace);
    cache_by_index(self->caches.requests, INDEX_OWNER, run->crt->object.metadata.uid,
                   &gathered->requests);
    run->facts = (struct certificate_facts){
        .crt = run->crt,
        .issuer = gathered->issuer,
        .secret = gathered->secret,
        .requests = (const struct request_facts *const *)gathered->requests.items,
        .request_count = gathered->requests.len,
    };
    gather_spec_problem(run);
    run->facts.foreign_writer = writers_rival(self->writers, run->crt->object.metadata.uid,
                                              gathered->secret, context_now_ms(run->ctx),
                                              &run->facts.foreign_until_ms);
    run->facts.repair_is_futile = writers_repair_is_futile(
        self->writers, run->crt->object.metadata.uid, gathered->secret);
    gather_owner(run, gathered);
    gather_next_keys(run, gathered);
    gather_waiting(run, gathered);
}

/* --- act: one function per action --- */

static int act_status(struct run *run, struct err *err)
{
    if (!run->decision.write_status)
        return 0;
    return write_status(run->self, run->ctx, LANE_CERTIFICATES, &run->key,
                        run->self->caches.certificates, &run->crt->object, &run->decision.status,
                        MANAGER_CERTS, err);
}

static int act_start(struct run *run, struct err *err)
{
    int r = act_status(run, err);

    if (r < 0)
        return r;
    event(run->self, run->ctx, &run->crt->object, EVENT_NORMAL, "Issuing", "%s",
          run->decision.message);
    if (streq(object_annotation(&run->crt->object, ANNOTATION_TEMPORARY), "true"))
        event(
            run->self, run->ctx, &run->crt->object, EVENT_WARNING, "TemporaryCertificate",
            "temporary certificates are not built in this version: the annotation '%s' has no effect",
            ANNOTATION_TEMPORARY);
    return 0;
}

static int act_fail(struct run *run, struct err *err)
{
    int r = act_status(run, err);

    if (r == 0)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, run->decision.reason, "%s",
              run->decision.message);
    return r;
}

static int act_finish(struct run *run, struct err *err)
{
    int r = act_status(run, err);

    if (r == 0)
        event(run->self, run->ctx, &run->crt->object, EVENT_NORMAL, "Issuing",
              "The certificate has been successfully issued");
    return r;
}

static int act_drop_key(struct run *run, struct err *err)
{
    return write_delete(run->self, run->ctx, &run->decision.next_key->object, err);
}

static int act_drop_request(struct run *run, struct err *err)
{
    return write_delete(run->self, run->ctx, &run->decision.request->request.object, err);
}

/* Reads one value of a Secret, live, into a secret buf. */
static int read_secret_value(struct run *run, const char *name, const char *key, struct buf *to,
                             struct err *err)
{
    struct key secret_key = {.namespace = run->key.namespace, .name = name};
    cleanup(object_unref) const struct object *secret = NULL;
    int r = read_live(run->self, run->ctx, &kind_secret, &secret_key, &secret, err);

    if (r < 0)
        return r;
    return secret_value((const struct secret *)secret, key, to, err);
}

static int read_key(struct run *run, const char *secret_name, const struct pkey **ret,
                    struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    int r = read_secret_value(run, secret_name, "tls.key", &pem, err);

    if (r == 0)
        r = pkey_from_pem(buf_str(&pem), pem.len, ret, err);
    return r;
}

/* The key of the next certificate: a new one, or with rotationPolicy Never the one in the Secret. */
static int next_key(struct run *run, const struct pkey **ret, struct err *err)
{
    const struct certificate_spec *spec = &run->crt->spec;

    if (!certificate_rotates_key(spec) && run->facts.secret && run->facts.secret->key_ok) {
        event_extra(run->self, run->ctx, &run->crt->object, "Reused",
                    "Reusing the private key in Secret '%s'", spec->secret_name);
        return read_key(run, spec->secret_name, ret, err);
    }
    event_extra(run->self, run->ctx, &run->crt->object, "Generated",
                "Storing a new private key in the temporary Secret '%s'",
                run->decision.next_key_name);
    return pkey_generate(certificate_key_algorithm(spec), certificate_key_size(spec), ret, err);
}

static struct json *next_key_json(struct run *run, const struct pkey *key)
{
    struct pair label_items[] = {{LABEL_NEXT_PRIVATE_KEY, "true"}, {LABEL_FAO, "true"}};
    struct array_pair labels = {.items = label_items, .len = ARRAY_LEN(label_items)};
    struct json *secret = child_json(&kind_secret, run->decision.next_key_name, &run->crt->object,
                                     &labels, NULL);
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(xfree_secret) char *text = NULL;

    pkey_to_pem(key, KEY_PKCS8, &pem); /* whatever spec.encoding says (behaviour.md 1.2) */
    text = base64_new(buf_str(&pem), pem.len);
    json_set_text(json_need_map(secret, "data"), "tls.key", text);
    return secret;
}

static int act_make_key(struct run *run, struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(json_unref) struct json *secret = NULL;
    int r = next_key(run, &key, err);

    if (r < 0)
        return err_wrap(err, "making the next private key");
    secret = next_key_json(run, key);
    return write_new(run->self, run->ctx, LANE_CERTIFICATES, &run->key, run->self->caches.secrets,
                     secret, MANAGER_CERTS, NULL, err);
}

static void copy_array(struct strlist *to, const struct array_string *from)
{
    for (size_t i = 0; i < from->len; i++)
        strlist_add(to, from->items[i]);
}

/* What the CSR names. CN is not added to the SANs by itself (behaviour.md 1.3). */
static int names_of_spec(const struct certificate_spec *spec, struct x509_names *ret,
                         struct err *err)
{
    const struct certificate_subject *subject = spec->subject;
    char text[IP_TEXT_MAX];

    ret->common_name = xstrdup(spec->common_name);
    copy_array(&ret->dns_names, &spec->dns_names);
    copy_array(&ret->uris, &spec->uris);
    copy_array(&ret->email_addresses, &spec->email_addresses);
    for (size_t i = 0; i < spec->ip_addresses.len; i++) {
        int r = ip_canonical(spec->ip_addresses.items[i], text, err);

        if (r < 0)
            return r;
        strlist_add(&ret->ip_addresses, text);
    }
    if (!subject)
        return 0;
    copy_array(&ret->organizations, &subject->organizations);
    copy_array(&ret->countries, &subject->countries);
    copy_array(&ret->organizational_units, &subject->organizational_units);
    copy_array(&ret->localities, &subject->localities);
    copy_array(&ret->provinces, &subject->provinces);
    copy_array(&ret->street_addresses, &subject->street_addresses);
    copy_array(&ret->postal_codes, &subject->postal_codes);
    ret->serial_number = xstrdup(subject->serial_number);
    return 0;
}

static int make_csr(const struct certificate_spec *spec, const struct pkey *key, struct buf *to_pem,
                    struct err *err)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct csr_request request = {
        .names = &names,
        .usages = usages_of(&spec->usages, spec->is_ca),
        .encode_usages = !spec->encode_usages_in_request.is_set ||
                         spec->encode_usages_in_request.value,
        .is_ca = spec->is_ca,
        .signature = spec->signature_algorithm,
    };
    int r = names_of_spec(spec, &names, err);

    if (r == 0)
        r = csr_new(&request, key, &csr, err);
    if (r < 0)
        return r;
    csr_to_pem(csr, to_pem);
    return buf_check(to_pem, "certificate signing request", err);
}

/* Same name for the same revision: a second create is ERR_EXISTS, not a second request (behaviour.md 16). */
static char *request_name(struct run *run, int64_t revision)
{
    const char *name = run->crt->object.metadata.name;
    cleanup(xfree) char *hash = NULL;
    size_t len = strlen(name);

    if (len <= 233)
        return arena_printf(run->arena, "%s-%lld", name, (long long)revision);
    hash = sha256_hex(name, len);
    for (len = 168; len > 0 && (name[len - 1] == '-' || name[len - 1] == '.'); len--)
        ;
    return arena_printf(run->arena, "%.*s-%s-%lld", (int)len, name, hash, (long long)revision);
}

static void add_pair(struct array_pair *to, const char *key, const char *value)
{
    to->items[to->len++] = (struct pair){.key = key, .value = value};
}

static struct json *request_json(struct run *run, const struct buf *csr_pem)
{
    const struct certificate_spec *spec = &run->crt->spec;
    const struct metadata *metadata = &run->crt->object.metadata;
    int64_t revision = run->crt->status.revision.is_set ? run->crt->status.revision.value + 1 : 1;
    struct certificate_request_spec body = {
        .duration = spec->duration,
        .issuer_ref = spec->issuer_ref,
        .request = bytes_of(buf_str(csr_pem), csr_pem->len),
        .is_ca = spec->is_ca,
        .usages = spec->usages,
    };
    struct array_pair annotations = {};
    struct json *request;

    copied_annotations(run->self, &metadata->annotations, run->arena, &annotations);
    add_pair(&annotations, ANNOTATION_REVISION,
             arena_printf(run->arena, "%lld", (long long)revision));
    add_pair(&annotations, ANNOTATION_PRIVATE_KEY_SECRET,
             run->decision.next_key->object.metadata.name);
    add_pair(&annotations, ANNOTATION_CERTIFICATE_NAME, metadata->name);
    request = child_json(&kind_certificate_request, request_name(run, revision), &run->crt->object,
                         &metadata->labels, &annotations);
    json_set(request, "spec", fields_encode(&certificate_request_spec_fields, &body));
    return request;
}

static int act_make_request(struct run *run, struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_BUNDLE_PEM);
    cleanup(json_unref) struct json *request = NULL;
    int r = read_key(run, run->decision.next_key->object.metadata.name, &key, err);

    if (r == 0)
        r = make_csr(&run->crt->spec, key, &pem, err);
    if (r < 0)
        return err_wrap(err, "making the certificate signing request");
    request = request_json(run, &pem);
    r = write_new(run->self, run->ctx, LANE_CERTIFICATES, &run->key, run->self->caches.requests,
                  request, MANAGER_CERTS, NULL, err);
    if (r == 0)
        event_extra(run->self, run->ctx, &run->crt->object, "Requested",
                    "Created new CertificateRequest resource '%s'",
                    json_as_text(json_path(request, "metadata.name")));
    return r;
}

/* --- store: verify, then write --- */

static int read_issued(struct run *run, const struct object **ret, struct err *err)
{
    struct key key = object_key(&run->decision.request->request.object);

    return read_live(run->self, run->ctx, &kind_certificate_request, &key, ret, err);
}

/* Nothing is stored before chain, key, names and dates are right (incident acme.sh 2025-05). */
static int verify_issued(struct run *run, const struct bytes *chain_pem, const struct pkey *key,
                         struct err *err)
{
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(strlist_deinit) struct strlist extra = {};
    struct chain_expectation expect = {
        .key = key,
        .dns_names = &names.dns_names,
        .ip_addresses = &names.ip_addresses,
        .now_ms = context_now_ms(run->ctx),
        .clock_slack_ms = CLOCK_SLACK_MS,
    };
    int r = chain_from_pem((const char *)chain_pem->data, chain_pem->len, &chain, err);

    if (r == 0)
        r = names_of_spec(&run->crt->spec, &names, err);
    if (r == 0)
        r = chain_verify(&chain, &expect, &extra, err);
    if (r == 0 && extra.len > 0)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, "ExtraNames",
              "The issued certificate also holds '%s', which was not asked for", extra.items[0]);
    return r;
}

static const char *pem_text(struct run *run, const struct bytes *bytes)
{
    return bytes->len > 0 ? arena_strndup(run->arena, (const char *)bytes->data, bytes->len) : NULL;
}

static struct certificate_policy policy_of(const struct run *run)
{
    return (struct certificate_policy){
        .now_ms = context_now_ms(run->ctx),
        .backoff_min_ms = run->self->options.backoff_min_ms,
        .backoff_max_ms = run->self->options.backoff_max_ms,
        .owner_ref = run->self->options.owner_ref,
        .duplicate_recheck_ms = DUPLICATE_RECHECK_MS,
    };
}

/* An issuer that sends what cannot be stored has failed: recorded with back-off, the old Secret stays. */
static int fail_unusable(struct run *run, const struct err *problem, struct err *err)
{
    struct certificate_policy policy = policy_of(run);

    run->facts.unusable = arena_strdup(run->arena, problem->text);
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return act_fail(run, err);
}

static int act_store(struct run *run, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(json_unref) struct json *secret = NULL;
    const struct certificate_request *request;
    struct target_secret target;
    struct err problem = {};
    int r = read_issued(run, &object, err);

    if (r == 0)
        r = read_key(run, run->decision.next_key->object.metadata.name, &key, err);
    if (r < 0)
        return r;
    request = (const struct certificate_request *)object;
    if (verify_issued(run, &request->status.certificate, key, &problem) < 0)
        return fail_unusable(run, &problem, err);
    pkey_to_pem(key, certificate_key_encoding(&run->crt->spec), &key_pem);
    target = (struct target_secret){
        .crt = run->crt,
        .issuer_name = str_or(request->spec.issuer_ref.name, ""),
        .issuer_kind = str_or(request->spec.issuer_ref.kind, ""),
        .issuer_group = str_or(request->spec.issuer_ref.group, ""),
        .type = run->facts.secret ? run->facts.secret->type : NULL,
        .key_pem = buf_str(&key_pem),
        .chain_pem = pem_text(run, &request->status.certificate),
        .ca_pem = pem_text(run, &request->status.ca),
        .owner_ref = run->self->options.owner_ref,
    };
    r = target_secret_json(&target, &secret, err);
    if (r < 0)
        return r;
    r = write_apply(run->self, run->ctx, LANE_CERTIFICATES, &run->key, run->self->caches.secrets,
                    secret, MANAGER_ISSUING, err);
    if (r == 0)
        writers_note_stored(run->self->writers, run->crt->object.metadata.uid,
                            run->decision.request->key_hash);
    return r;
}

/* --- repair: the Secret from its own data --- */

static int act_repair(struct run *run, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_KEY_PEM),
                                   chain = BUF(LIMIT_CHAIN_BODY), ca = BUF(LIMIT_BUNDLE_PEM);
    cleanup(json_unref) struct json *applied = NULL;
    struct key key = {.namespace = run->key.namespace, .name = run->crt->spec.secret_name};
    struct target_secret target;
    const struct secret *secret;
    int r = read_live(run->self, run->ctx, &kind_secret, &key, &object, err);

    if (r < 0)
        return r;
    secret = (const struct secret *)object;
    r = secret_value(secret, "tls.key", &key_pem, err);
    if (r == 0)
        r = secret_value(secret, "tls.crt", &chain, err);
    if (r == 0 && secret_has(secret, "ca.crt"))
        r = secret_value(secret, "ca.crt", &ca, err);
    if (r < 0)
        return r;
    target = (struct target_secret){
        .crt = run->crt,
        .issuer_name = object_annotation(object, ANNOTATION_ISSUER_NAME),
        .issuer_kind = object_annotation(object, ANNOTATION_ISSUER_KIND),
        .issuer_group = object_annotation(object, ANNOTATION_ISSUER_GROUP),
        .type = secret->type,
        .key_pem = buf_str(&key_pem),
        .chain_pem = buf_str(&chain),
        .ca_pem = buf_str(&ca),
        .owner_ref = run->self->options.owner_ref,
    };
    r = target_secret_json(&target, &applied, err);
    if (r < 0)
        return r;
    /* Where it changes nothing, the next run finds the same version and lets it be. */
    writers_note_repaired(run->self->writers, run->crt->object.metadata.uid,
                          object->metadata.resource_version);
    return write_apply(run->self, run->ctx, LANE_CERTIFICATES, &run->key, run->self->caches.secrets,
                       applied, MANAGER_ISSUING, err);
}

/* --- renewal information --- */

static int fetch_window(struct run *run, struct certificate_ari *ari, struct err *err)
{
    cleanup(acme_client_unref) struct acme_client *client = accounts_get(
        run->self->issuers.accounts, run->facts.issuer->object.metadata.uid);
    cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
    struct context brief = context_with_timeout(run->ctx, ARI_TIMEOUT_MS);
    int r;

    if (!client)
        return err_set(err, ERR_BUSY, "the account of issuer '%s' is being set up",
                       run->crt->spec.issuer_ref.name);
    r = acme_renewal_info(client, &brief, run->facts.secret->ari_id, &info, err);
    if (r < 0)
        return r;
    ari->suggested_window = arena_alloc(run->arena, sizeof(*ari->suggested_window));
    /* Whole seconds, as it will be read back: the instant is derived from it. */
    *ari->suggested_window = (struct certificate_ari_window){info.start_ms / 1000 * 1000,
                                                             info.end_ms / 1000 * 1000};
    ari->explanation_url = arena_strdup(run->arena, info.explanation_url);
    ari->next_check_ms = ari->last_checked_ms + info.retry_after_ms;
    ari->last_error = NULL;
    return 0;
}

/* Where the CA has no renewal information nothing is stored: the plain schedule holds (acme.md 6). */
static int act_fetch_ari(struct run *run, struct reconcile_result *result, struct err *err)
{
    struct certificate_acme_status *acme = arena_alloc(run->arena, sizeof(*acme));
    const struct certificate_acme_status *stored = run->crt->status.acme;
    struct err problem = {};
    int r;

    acme->ari = arena_alloc(run->arena, sizeof(*acme->ari));
    if (stored && stored->ari && stored->ari->last_checked_ms >= run->facts.secret->not_before_ms)
        *acme->ari = *stored->ari;
    acme->ari->last_checked_ms = context_now_ms(run->ctx);
    r = fetch_window(run, acme->ari, &problem);
    if (r == ERR_CANCELED || r == ERR_BUSY) {
        *err = problem;
        return r;
    }
    if (r == ERR_UNSUPPORTED) {
        int64_t again_ms = acme->ari->last_checked_ms + ARI_RETRY_MS;

        if (result->requeue_at_ms == 0 || again_ms < result->requeue_at_ms)
            result->requeue_at_ms = again_ms; /* the renewal timer stays if it is sooner */
        return 0;
    }
    if (r < 0) {
        acme->ari->last_error = arena_strdup(run->arena, problem.text);
        acme->ari->next_check_ms = acme->ari->last_checked_ms + ARI_RETRY_MS;
    }
    run->decision.status.acme = acme;
    run->decision.status.renewal_time_ms = renewal_time_with_ari_ms(&run->crt->spec, acme,
                                                                    run->facts.secret);
    run->decision.write_status = true;
    return act_status(run, err);
}

/* --- the reconciler --- */

static int act(struct run *run, struct reconcile_result *result, struct err *err)
{
    switch (run->decision.action) {
    case CERTIFICATE_NOTHING:
        return act_status(run, err);
    case CERTIFICATE_START:
        return act_start(run, err);
    case CERTIFICATE_DROP_KEY:
        return act_drop_key(run, err);
    case CERTIFICATE_MAKE_KEY:
        return act_make_key(run, err);
    case CERTIFICATE_DROP_REQUEST:
        return act_drop_request(run, err);
    case CERTIFICATE_MAKE_REQUEST:
        return act_make_request(run, err);
    case CERTIFICATE_STORE:
        return act_store(run, err);
    case CERTIFICATE_FINISH:
        return act_finish(run, err);
    case CERTIFICATE_FAIL:
        return act_fail(run, err);
    case CERTIFICATE_REPAIR:
        return act_repair(run, err);
    case CERTIFICATE_FETCH_ARI:
        return act_fetch_ari(run, result, err);
    }
    return err_set(err, ERR_INTERNAL, "no such action");
}

/* A step that fails for a reason which time does not mend stands in the Issuing condition, not only in
 * the log. The error is returned all the same, for the back-off. */
static int show_failure(struct run *run, int code, struct err *err)
{
    struct certificate_status status = run->crt->status;
    const struct condition *issuing = condition_find(&status.conditions, "Issuing");
    struct condition changed;
    struct err ignored = {};

    if (err_is_transient(code) || code == ERR_CANCELED || !issuing ||
        issuing->status != CONDITION_TRUE)
        return code;
    changed = *issuing;
    changed.message = certificate_waiting_message(issuing->message, err->text, run->arena);
    if (!condition_set(&status.conditions, &changed, context_now_ms(run->ctx), run->arena))
        return code;
    event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, "RequestFailed", "%s", err->text);
    (void)write_status(run->self, run->ctx, LANE_CERTIFICATES, &run->key,
                       run->self->caches.certificates, &run->crt->object, &status, MANAGER_CERTS,
                       &ignored); /* the next run tries again */
    return code;
}

int certificate_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                          struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref) const struct certificate *crt = cache_get(self->caches.certificates, key);
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(gathered_deinit) struct gathered gathered = {};
    struct run run = {.self = self, .ctx = ctx, .key = *key, .crt = crt, .arena = arena};
    struct certificate_policy policy = policy_of(&run);
    int r;

    if (!crt || crt->object.metadata.deletion_timestamp_ms)
        return 0; /* deleted: nothing to keep in step, the Secret stays */
    gather(&run, &gathered);
    certificate_decide(&run.facts, &policy, arena, &run.decision);
    ret_result->requeue_at_ms = run.decision.next_ms;
    log_debug(ctx, "decided: %s", certificate_action_name(run.decision.action));
    r = act(&run, ret_result, err);
    return r < 0 ? show_failure(&run, r, err) : 0;
}
