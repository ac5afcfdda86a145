/*
 * certificate_short.c - the short path (DESIGN 6): what the issuer signs at once is made in one run, of four
 * writes and one event.
 *
 *   1 CertificateRequest   2 its status: Approved, Ready, certificate   3 target Secret   4 Certificate status
 *
 * The private key is nowhere but in this run until 3. The request's own reconciler is held off from
 * before 1, and sees it when it is issued. Whatever stops us turns into the long path: Issuing=True, and
 * the key goes into the Secret that the request names, so that what is there already is of use. A crash
 * behind 1 or 2 leaves a request for a key that is lost, which the next run replaces; behind 3 only the
 * status is missing (certificate_decide.c, is_stored()).
 *
 * For the first certificate 3 also finds out whether there is a Secret that the caches do not have (a restored
 * one, say): it is written only where nothing is. What is there then decides.
 */
#include <string.h>

#include "base/log.h"
#include "controller/certificate_run.h"

struct short_path {
    struct certificate_run *run;
    const struct pkey *key;
    bool asked;                   /* there may be a request for the key */
    const struct object *request; /* as created, then as issued */
    bool csr_is_own;              /* its CSR is the one that we made, byte for byte */
    struct sign_result signed_;
    struct violation cause;
};

static void short_path_deinit(struct short_path *path)
{
    if (path->key)
        pkey_unref(path->key);
    if (path->request)
        object_unref(path->request);
}
DEFINE_CLEANUP_VALUE(struct short_path, short_path_deinit);

/* Takes over what was stored, in full and, for the decisions, as facts. */
static int take_request(struct short_path *path, const struct json *stored,
                        const struct request_facts **ret_facts, struct err *err)
{
    const struct object *request = NULL;
    const void *facts = NULL;
    int r = object_decode(&kind_certificate_request, stored, NULL, &request, err);

    if (r < 0)
        return r;
    if (path->request)
        object_unref(path->request);
    path->request = request;
    r = cache_decode(path->run->self->caches.requests, stored, &facts, err);
    *ret_facts = facts;
    return r;
}

/* 1. What a policy of the cluster changed in it must not be signed as ours. */
static int create_request(struct short_path *path, const struct json *request, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    const char *changed = NULL;
    int r = certificate_create_request(path->run, request, path->key, &stored, &changed, err);

    if (r == 0 && changed)
        return err_set(err, ERR_CONFLICT, "%s", changed);
    if (r < 0)
        return r;
    path->csr_is_own = streq(json_as_text(json_path(request, "spec.request")),
                             json_as_text(json_path(stored, "spec.request")));
    return object_decode(&kind_certificate_request, stored, NULL, &path->request, err);
}

static int sign(struct short_path *path, struct err *err)
{
    struct certificate_run *run = path->run;
    struct sign_input input = {.issuer = run->facts.issuer,
                               .request = path->request,
                               .key = path->key,
                               .is_own = path->csr_is_own};
    int r = issuer_type_of(&input.issuer->spec)
                ->sign(&run->self->issuers, run->ctx, &input, run->arena, &path->signed_, err);

    if (r < 0)
        return r;
    if (path->signed_.state != SIGN_ISSUED)
        return err_set(err, ERR_UNAVAILABLE, "%s", str_or(path->signed_.message, "not signed"));
    r = certificate_verify(run, &path->signed_.certificate, path->key, err);
    if (r == 0 && path->signed_.may_be_refused)
        certificate_judge(run, &path->signed_.certificate, &path->signed_.ca);
    return r;
}

/* 2. With the uid and version of what was created: whoever denied it meanwhile comes first. */
static int issue_request(struct short_path *path, const struct request_facts **ret_facts,
                         struct err *err)
{
    struct certificate_run *run = path->run;
    struct certificate_request_status status =
        ((const struct certificate_request *)path->request)->status;
    struct author author = certificate_author(run);
    struct key key = object_key(path->request);
    cleanup(json_unref) struct json *stored = NULL;
    int64_t now_ms = context_now_ms(run->ctx);
    int r;

    author.manager = MANAGER_REQUESTS;
    request_approve(&status, now_ms, run->arena);
    request_issue(&status, &path->signed_, now_ms, run->arena);
    r = write_status_stored(author, path->request, &status, &stored, err);
    if (r < 0)
        return r;
    expectations_add(run->self->expectations, LANE_REQUESTS, &key,
                     cache_source_in(run->self->caches.requests, key.namespace),
                     json_as_text(json_path(stored, "metadata.resourceVersion")));
    return take_request(path, stored, ret_facts, err);
}

/* For the rest of the run it stands beside what was gathered. */
static void add_facts(struct certificate_run *run, const struct request_facts *request)
{
    size_t count = run->facts.request_count;
    const struct request_facts **requests = arena_alloc(run->arena,
                                                        (count + 1) * sizeof(*requests));

    for (size_t i = 0; i < count; i++)
        requests[i] = run->facts.requests[i];
    requests[count] = request;
    run->facts.requests = requests;
    run->facts.request_count = count + 1;
    certificate_keep(run, &request->request.object);
}

/* 2 and 3, and the decision that they lead to. */
static int store_all(struct short_path *path, struct err *err)
{
    struct certificate_run *run = path->run;
    cleanup(json_unref) struct json *stored = NULL;
    const struct request_facts *request = NULL;
    int r = issue_request(path, &request, err);

    if (r < 0)
        return r;
    add_facts(run, request);
    r = certificate_apply(run, (const struct certificate_request *)path->request, path->key,
                          &stored, err);
    return r < 0 ? r : certificate_check_stored(run, stored, err);
}

static int make_all(struct short_path *path, const struct json *request, struct err *err)
{
    int r = create_request(path, request, err);

    if (r == 0)
        r = sign(path, err);
    return r < 0 ? r : store_all(path, err);
}

/* On the long path the cause is told when it begins. It is no news that the first one is missing, that one is due, or
 * what somebody has asked for. */
static bool is_news(const struct short_path *path)
{
    const struct certificate_status *before = &path->run->crt->status;

    return before->revision.is_set && !streq(path->cause.reason, "Renewing") &&
           !condition_is(&before->conditions, "Issuing", CONDITION_TRUE);
}

/* 4, as at the end of the long path. */
static int finish(struct short_path *path, struct err *err)
{
    struct certificate_run *run = path->run;
    int r;

    if (is_news(path))
        event(run->self, run->ctx, &run->crt->object, EVENT_NORMAL, "Issuing", "%s",
              path->cause.message);
    r = certificate_finish(run, err);
    if (r < 0)
        return r;
    certificate_tell_refusals(run);
    if (path->signed_.warning)
        event(run->self, run->ctx, path->request, EVENT_WARNING, "BadConfig", "%s",
              path->signed_.warning);
    return 0;
}

/* A Secret that was found only now may hold the key that must stay. */
static bool key_may_be_next(const struct short_path *path)
{
    const struct secret_facts *secret = path->run->facts.secret;
    unsigned char key_hash[SHA256_LEN];

    if (certificate_rotates_key(&path->run->crt->spec) || !secret || !secret->key_ok)
        return true;
    pkey_public_hash(path->key, key_hash);
    return memcmp(secret->key_hash, key_hash, SHA256_LEN) == 0;
}

static int start_long(struct short_path *path, struct err *err)
{
    struct certificate_run *run = path->run;
    int r = certificate_start(run, err);

    if (r < 0 || !path->asked || !key_may_be_next(path))
        return r;
    run->decision.next_key_name = run->decision.status.next_private_key_secret_name;
    return certificate_store_next_key(run, path->key, err);
}

/* The target Secret was there, and nothing is to be issued. */
static int use_found(struct short_path *path, const struct err *why, struct err *err)
{
    struct certificate_run *run = path->run;
    int r;

    if (run->decision.action == CERTIFICATE_FINISH) /* ours: the answer to the write was lost */
        return certificate_finish(run, err);
    r = path->request ? write_delete(run->self, run->ctx, path->request, err) : 0;
    if (r < 0)
        return r;
    return run->decision.action == CERTIFICATE_NOTHING ? certificate_save(run, err)
                                                       : err_pass(err, why);
}

/* What stopped us is for the long path to show. */
static int go_long(struct short_path *path, const struct err *why, struct err *err)
{
    struct certificate_run *run = path->run;
    struct certificate_policy policy = certificate_policy_of(run);
    bool was_unread = run->secret_unread;
    int r = was_unread ? certificate_read_secret(run, err) : 0;

    if (r < 0)
        return r;
    log_debug(run->ctx, "not at once: %s", why->text);
    run->facts.signs_at_once = false;
    run->failure = NULL; /* the long path will meet it, and tell */
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    if (run->decision.action == CERTIFICATE_START)
        return start_long(path, err);
    return was_unread && run->facts.secret ? use_found(path, why, err) : err_pass(err, why);
}

static int request_at_once(struct short_path *path, const struct json *request, struct err *err)
{
    struct certificate_run *run = path->run;
    struct key key = {.namespace = run->key.namespace,
                      .name = json_as_text(json_path(request, "metadata.name"))};
    struct err why = {};
    int r;

    path->asked = true;
    expectations_hold(run->self->expectations, LANE_REQUESTS, &key);
    r = make_all(path, request, &why);
    if (r == ERR_CANCELED)
        (void)err_pass(err, &why); /* `r` is its code */
    else if (r < 0)
        r = go_long(path, &why, err);
    else
        r = finish(path, err);
    expectations_release(run->self->expectations, LANE_REQUESTS, &key);
    return r;
}

int certificate_issue_at_once(struct certificate_run *run, struct reconcile_result *result,
                              struct err *err)
{
    cleanup(short_path_deinit) struct short_path path = {
        .run = run, .cause = {run->decision.reason, run->decision.message}};
    cleanup(json_unref) struct json *request = NULL;
    struct err why = {};
    int r = certificate_next_key(run, result, &path.key, &why);

    if (r == ERR_BUSY)
        return 0;
    if (r == ERR_CANCELED)
        return err_pass(err, &why);
    if (r == 0)
        r = certificate_request_json(run, path.key, run->decision.next_key_name, &request, &why);
    if (r < 0)
        return go_long(&path, &why, err);
    return request_at_once(&path, request, err);
}
