/*
 * certificate_store.c - what the issuer sent, checked and written into the target Secret; and the
 * Secret's metadata and derived entries put right from its own data.
 */
#include "api/live.h"
#include "base/limits.h"
#include "controller/certificate_run.h"
#include "controller/writers.h"

#define CLOCK_SLACK_MS HOURS(1) /* CAs date notBefore back, hosts' clocks are off */

static int read_issued(struct certificate_run *run, const struct object **ret, struct err *err)
{
    return read_full(run->self, run->ctx, &run->decision.request->request.object, ret, err);
}

int certificate_verify(struct certificate_run *run, const struct bytes *chain_pem,
                       const struct pkey *key, struct err *err)
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
        r = certificate_names(&run->crt->spec, &names, err);
    if (r == 0)
        r = chain_verify(&chain, &expect, &extra, err);
    if (r == 0 && extra.len > 0)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, "ExtraNames",
              "The issued certificate also holds '%s', which was not asked for", extra.items[0]);
    return r;
}

/* What cannot be read has been told, or is a CA that the path then ends below. */
void certificate_judge(struct certificate_run *run, const struct bytes *chain_pem,
                       const struct bytes *ca_pem)
{
    cleanup(chain_deinit) struct chain chain = {}, ca = {};
    cleanup(xfree) char *text = NULL;
    struct err why;

    (void)chain_from_pem((const char *)chain_pem->data, chain_pem->len, &chain, NULL);
    (void)chain_from_pem((const char *)ca_pem->data, ca_pem->len, &ca, NULL);
    text = chain_refusal_text(&chain, &ca);
    if (!text)
        return;
    (void)err_set(&why, ERR_INVALID, "%s", text); /* fit for an event, whatever a subject has */
    run->refusals = arena_strdup(run->arena, why.text);
}

void certificate_tell_refusals(struct certificate_run *run)
{
    if (run->refusals)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, EVENT_CHAIN_REFUSED,
              "Clients refuse the certificate that was issued: %s", run->refusals);
}

char *certificate_immutable_text(const struct controllers *self, const char *secret_name,
                                 struct arena *arena)
{
    return arena_printf(arena, "the Secret '%s' is immutable; %s", secret_name,
                        self->options.split_secrets
                            ? "delete it, and it is made again"
                            : "take 'immutable' out of its manifest, or remove the manifest");
}

/* Under the manager that may take over what cert-manager wrote. */
static int apply_target(struct certificate_run *run, const struct json *secret,
                        struct json **ret_stored, struct err *err)
{
    struct author issuing = certificate_author(run);
    int r;

    issuing.manager = MANAGER_ISSUING;
    r = write_apply(issuing, secret, ret_stored, err);
    if (r != ERR_INVALID || !run->facts.secret || !run->facts.secret->is_immutable)
        return r;
    run->failure = "SecretImmutable";
    return err_wrap(err, "%s",
                    certificate_immutable_text(run->self, run->crt->spec.secret_name, run->arena));
}

static void only_where_absent(struct json *secret)
{
    json_set_text(json_need_map(secret, "metadata"), "resourceVersion", STORE_ABSENT);
}

static const char *pem_text(struct certificate_run *run, const struct bytes *bytes)
{
    return bytes->len > 0 ? arena_strndup(run->arena, (const char *)bytes->data, bytes->len) : NULL;
}

/* The object, with the key stores that have to be made. With 0 and target->lacks, `err` says what is lacking. */
static int build_target(struct certificate_run *run, struct target_secret *target,
                        struct json **ret, struct err *err)
{
    cleanup(keystore_passwords_deinit) struct keystore_passwords passwords = {};
    struct err why = {};
    int r = certificate_read_passwords(run, target, &passwords, err);

    if (r < 0)
        return r;
    target->passwords = &passwords;
    target->now_ms = context_now_ms(run->ctx);
    r = target_secret_json(target, ret, &why);
    target->passwords = NULL;
    if (r == 0)
        return 0;
    run->failure = "RequestFailed"; /* by the spec, a password or what the issuer sent */
    return err_pass(err, &why);
}

int certificate_apply_target(struct certificate_run *run, struct target_secret *target,
                             const struct pkey *key, struct json **ret_stored, struct err *err)
{
    cleanup(json_unref) struct json *secret = NULL;
    unsigned char key_hash[SHA256_LEN];
    int r = build_target(run, target, &secret, err);

    if (r < 0)
        return r;
    if (run->decision.action == CERTIFICATE_ISSUE_AT_ONCE && run->secret_unread)
        only_where_absent(secret);
    r = apply_target(run, secret, ret_stored, err);
    if (r < 0)
        return r;
    pkey_public_hash(key, key_hash);
    writers_note_stored(run->self->writers, run->crt->object.metadata.uid, key_hash);
    return 0;
}

int certificate_apply(struct certificate_run *run, const struct certificate_request *request,
                      const struct pkey *key, struct json **ret_stored, struct err *err)
{
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_KEY_PEM);
    struct target_secret target;

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
    return certificate_apply_target(run, &target, key, ret_stored, err);
}

static void drop_kept(void *object)
{
    object_unref(object);
}

void certificate_keep(struct certificate_run *run, const struct object *object)
{
    arena_on_free(run->arena, drop_kept, (void *)object);
}

int certificate_target_changed(struct certificate_run *run, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "a policy of the cluster changes the Secret '%s' as it is written, so that "
                   "it does not hold what was to be stored; exempt it there",
                   run->crt->spec.secret_name);
}

int certificate_check_stored(struct certificate_run *run, const struct json *stored,
                             struct err *err)
{
    struct certificate_policy policy = certificate_policy_of(run);
    const struct secret_facts *secret = NULL;
    int r = cache_decode(run->self->caches.secrets, stored, (const void **)&secret, err);

    if (r < 0)
        return r;
    certificate_keep(run, &secret->object);
    run->facts.secret = secret;
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return run->decision.action == CERTIFICATE_FINISH ? 0 : certificate_target_changed(run, err);
}

int certificate_store(struct certificate_run *run, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(pkey_unref) const struct pkey *key = NULL;
    const struct certificate_request *request;
    struct err problem = {};
    int r = read_issued(run, &object, err);

    if (r == 0)
        r = certificate_read_key(run, run->decision.next_key->object.metadata.name, &key, err);
    if (r < 0)
        return r;
    request = (const struct certificate_request *)object;
    if (certificate_verify(run, &request->status.certificate, key, &problem) < 0)
        return certificate_fail_unusable(run, &problem, err);
    certificate_judge(run, &request->status.certificate, &request->status.ca);
    r = certificate_apply(run, request, key, &stored, err);
    if (r == 0)
        r = certificate_check_stored(run, stored, err);
    if (r == 0)
        certificate_tell_refusals(run);
    return r;
}

/* --- repair: the Secret from its own data --- */

/* What was read must not come back over what somebody has stored since. */
static void only_this_version(struct json *applied, const struct metadata *read)
{
    struct json *metadata = json_need_map(applied, "metadata");

    json_set_text(metadata, "uid", read->uid);
    json_set_text(metadata, "resourceVersion", read->resource_version);
}

int certificate_repair(struct certificate_run *run, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_KEY_PEM),
                                   chain = BUF(LIMIT_CHAIN_BODY), ca = BUF(LIMIT_BUNDLE_PEM);
    cleanup(json_unref) struct json *applied = NULL;
    struct key key = {.namespace = run->key.namespace, .name = run->crt->spec.secret_name};
    struct target_secret target;
    struct array_pair kept = {};
    const struct secret *secret;
    const char *lacking;
    struct err why = {};
    int r = live_secret(run->self->store, run->ctx, &key, &object, err);

    if (r < 0)
        return r;
    if (!streq(object->metadata.resource_version,
               run->facts.secret->object.metadata.resource_version))
        return err_set(err, ERR_CONFLICT, "the Secret '%s' has changed meanwhile", key.name);
    secret = (const struct secret *)object;
    r = secret_value(secret, "tls.key", &key_pem, err);
    if (r == 0)
        r = secret_value(secret, "tls.crt", &chain, err);
    if (r == 0 && secret_has(secret, "ca.crt"))
        r = secret_value(secret, "ca.crt", &ca, err);
    if (r < 0)
        return r;
    keystores_keep(run->facts.secret, secret, run->arena, &kept);
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
        .kept = &kept,
        .may_lack = true,
    };
    r = build_target(run, &target, &applied, &why);
    if (r < 0)
        return err_pass(err, &why);
    only_this_version(applied, &object->metadata);
    /* Where it changes nothing, the next run finds the same version and lets it be. */
    if (!target.lacks)
        writers_note_repaired(run->self->writers, run->crt->object.metadata.uid,
                              object->metadata.resource_version);
    lacking = run->failure;
    run->failure = NULL; /* a refused write has its own reason */
    r = apply_target(run, applied, NULL, err);
    if (r < 0 || !target.lacks)
        return r;
    run->failure = lacking;
    return err_pass(err, &why);
}
