/* order_challenges.c - a Challenge for each authorization of an Order that is not valid yet. */
#include <string.h>

#include "controller/order_run.h"
#include "pki/names.h"
#include "solver/pick.h"
#include "solver/solver.h"

#define TOLD_URL_MAX 2048 /* of a challenge, in the Order's status: bytes */

static bool is_followed(const struct order_run *run, const struct challenge *challenge)
{
    return challenge_is_of_order(&challenge->spec, run->order) &&
           challenge_key_is_ours(&challenge->spec, acme_client_key(run->client));
}

void order_find_ours(struct order_run *run)
{
    run->ours = arena_alloc(run->arena, (run->challenges.len + 1) * sizeof(struct challenge *));
    for (size_t i = 0; i < run->challenges.len; i++) {
        if (is_followed(run, run->challenges.items[i]))
            run->ours[run->ours_count++] = run->challenges.items[i];
    }
}

/* --- the way that the Issuer has for a name --- */

/* "*.example.com" for wildcards */
static const char *identifier_of(struct order_run *run, const struct challenge_spec *spec)
{
    return arena_printf(run->arena, "%s%s", spec->wildcard ? "*." : "", spec->dns_name);
}

static void add_offered(struct strlist *types, const struct acme_authorization *authorization)
{
    for (size_t i = 0; i < authorization->challenge_count; i++)
        strlist_add(types, str_or(authorization->challenges[i].type, ""));
}

static int pick(struct order_run *run, const struct challenge_spec *spec,
                const struct strlist *types, const struct acme_solver **ret, int *ret_type,
                struct err *err)
{
    struct solver_question question = {.identifier = identifier_of(run, spec),
                                       .labels = &run->order->object.metadata.labels,
                                       .offered = types};

    return solver_pick(run->issuer->spec.acme, &question, ret, ret_type, err);
}

static bool is_of_another_type(struct order_run *run, const struct challenge_spec *spec,
                               const struct strlist *types)
{
    const struct acme_solver *solver;
    struct err ignored = {};
    int type;

    return pick(run, spec, types, &solver, &type, &ignored) < 0 || type != spec->type;
}

/* --- Challenges that the Issuer has outlived --- */

/* Nothing was made for it, it says why, and the Issuer may prove the name in another way by now. What the CA
 * offers is not known here. */
static bool looks_misplaced(struct order_run *run, const struct challenge *challenge)
{
    cleanup(strlist_deinit) struct strlist types = {};

    if (challenge->status.presented || str_empty(challenge->status.reason) ||
        state_is_final(challenge->status.state))
        return false;
    if (!challenge->spec.wildcard)
        strlist_add(&types, solver_http01.acme_type);
    if (!name_is_ip(challenge->spec.dns_name))
        strlist_add(&types, solver_dns01.acme_type);
    return is_of_another_type(run, &challenge->spec, &types);
}

/* 1: *ret says it; 0: the Order waits or has ended. */
static int ask_if_misplaced(struct order_run *run, const struct challenge *challenge, bool *ret,
                            struct err *err)
{
    cleanup(acme_authorization_deinit) struct acme_authorization read = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(strlist_deinit) struct strlist types = {};
    struct err why = {};
    int r = acme_authorization_get(run->client, run->ctx, challenge->spec.authorization_url, &read,
                                   &problem, &why);

    if (r < 0)
        return order_settle(run, r, &problem, &why, "fetch authorization", err);
    add_offered(&types, &read);
    *ret = read.status == ACME_STATUS_PENDING && is_of_another_type(run, &challenge->spec, &types);
    return 1;
}

int order_drop_misplaced(struct order_run *run, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->ours_count; i++) {
        const struct challenge *challenge = run->ours[i];
        bool misplaced = looks_misplaced(run, challenge);
        int r = misplaced ? ask_if_misplaced(run, challenge, &misplaced, err) : 1;

        if (r <= 0)
            return r;
        if (!misplaced)
            run->ours[kept++] = challenge;
        else if (!challenge->object.metadata.deletion_timestamp_ms)
            r = write_delete(run->self, run->ctx, &challenge->object, err);
        if (r < 0)
            return r;
    }
    run->ours_count = kept;
    return 1;
}

/* --- one for each authorization --- */

static const struct challenge *challenge_of(const struct order_run *run,
                                            const char *authorization_url)
{
    for (size_t i = 0; i < run->ours_count; i++) {
        if (streq(run->ours[i]->spec.authorization_url, authorization_url))
            return run->ours[i];
    }
    return NULL;
}

static const struct acme_challenge *offered(const struct acme_authorization *authorization,
                                            const char *acme_type)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        if (streq(authorization->challenges[i].type, acme_type))
            return &authorization->challenges[i];
    }
    return NULL;
}

/* It follows from another open Order of this issuer: where a CA gives a pending authorization to two Orders, and
 * their long names begin alike, the Challenge of both has one name. */
static bool is_of_another_order(struct order_run *run, const struct challenge *found)
{
    const struct owner_reference *owner = object_controller(&found->object);
    struct key key = {.namespace = run->key->namespace,
                      .name = owner ? str_or(owner->name, "") : ""};
    cleanup(object_unref)
        const struct order_facts *facts = cache_get(run->self->caches.orders, &key);
    cleanup(object_unref) const struct object *request = NULL;
    struct err ignored = {};

    if (!facts || !streq(facts->order.object.metadata.uid, owner->uid) ||
        !issuer_reference_equal(&facts->order.spec.issuer_ref, &run->order->spec.issuer_ref) ||
        !challenge_is_of_order(&found->spec, &facts->order) ||
        !challenge_key_is_ours(&found->spec, acme_client_key(run->client)))
        return false;
    request = request_of_order(run->self, &facts->order, &ignored);
    return request;
}

/* One of that name is there. Ours: the cache was behind. Another Order's: what it comes to is this one's, too
 * (ERR_EXISTS). Else it makes room. Its going does not wake us when we are not its owner, so there is a timer. */
static int make_room(struct order_run *run, const char *name, struct err *err)
{
    struct key key = {.namespace = run->key->namespace, .name = name};
    cleanup(object_unref)
        const struct object *found = cache_get(run->self->caches.challenges, &key);
    const struct challenge *challenge = (const struct challenge *)found;

    (void)order_look_again(run, 0);
    if (!found || found->metadata.deletion_timestamp_ms)
        return 0;
    if (object_is_controlled_by(found, run->order->object.metadata.uid) &&
        is_followed(run, challenge))
        return 0;
    if (is_of_another_order(run, challenge))
        return err_set(err, ERR_EXISTS,
                       "%s: waiting for the Challenge '%s' of Order '%s', which has the same name",
                       challenge->spec.dns_name, name, object_controller(found)->name);
    event(run->self, run->ctx, found, EVENT_WARNING, "ChallengeDiscarded",
          "the Challenge does not follow from Order '%s'", run->key->name);
    return write_delete(run->self, run->ctx, found, err);
}

static int create_challenge(struct order_run *run, const struct challenge_spec *spec,
                            struct err *err)
{
    cleanup(xfree) char *name = challenge_name(&run->order->object, spec);
    struct key key = {.namespace = run->key->namespace, .name = name};
    cleanup(json_unref) struct json *challenge = object_child_json(&kind_challenge, &key,
                                                                   &run->order->object, NULL, NULL);
    int r;

    json_set(challenge, "spec", fields_encode(&challenge_spec_fields, spec));
    r = write_new(order_author(run), challenge, NULL, err);
    if (r == ERR_EXISTS)
        return make_room(run, name, err);
    if (r == 0)
        event_extra(run->self, run->ctx, &run->order->object, "Created",
                    "Created Challenge resource for domain '%s'", spec->dns_name);
    return r;
}

static int begin_challenge(struct order_run *run, const char *authorization_url,
                           const struct acme_authorization *authorization, struct err *err)
{
    cleanup(strlist_deinit) struct strlist types = {};
    const struct acme_solver *solver;
    const struct acme_challenge *challenge;
    cleanup(xfree) char *key = NULL;
    struct challenge_spec spec = {
        .authorization_url = authorization_url,
        .dns_name = authorization->identifier.value,
        .wildcard = authorization->wildcard,
        .issuer_ref = run->order->spec.issuer_ref,
    };
    int r;

    add_offered(&types, authorization);
    r = pick(run, &spec, &types, &solver, &spec.type, err);
    if (r < 0)
        return r;
    challenge = offered(authorization, solver_of(spec.type)->acme_type);
    r = acme_token_check(challenge->token, err);
    if (r < 0)
        return err_wrap(err, "name '%s'", identifier_of(run, &spec));
    key = spec.type == CHALLENGE_DNS01
              ? acme_dns01_value(challenge->token, acme_client_key(run->client))
              : acme_key_authorization(challenge->token, acme_client_key(run->client));
    spec.url = challenge->url;
    spec.token = challenge->token;
    spec.key = key;
    spec.solver = *solver;
    return create_challenge(run, &spec, err);
}

static void describe(struct order_run *run, struct order_authorization *to,
                     const struct acme_authorization *from)
{
    to->identifier = arena_strdup(run->arena, from->identifier.value);
    to->wildcard = (struct opt_bool){true, from->wildcard};
    to->initial_state = from->status == ACME_STATUS_VALID ? STATE_VALID : STATE_PENDING;
    to->challenges.len = 0;
    to->challenges.items = arena_alloc(run->arena,
                                       (from->challenge_count + 1) * sizeof(*to->challenges.items));
    for (size_t i = 0; i < from->challenge_count; i++) {
        to->challenges.items[to->challenges.len++] = (struct order_challenge){
            .url = arena_strdup(run->arena, from->challenges[i].url),
            .token = arena_strdup(run->arena, str_or(from->challenges[i].token, "")),
            .type = arena_strdup(run->arena, from->challenges[i].type),
        };
    }
}

/* Only names of the order are proved: a CA that a tenant chose must not get a proof for another one. */
static bool is_asked_for(struct order_run *run, const struct acme_authorization *authorization)
{
    const struct order_spec *spec = &run->order->spec;
    const char *name = arena_printf(run->arena, "%s%s", authorization->wildcard ? "*." : "",
                                    str_or(authorization->identifier.value, ""));

    if (authorization->identifier.type == ACME_IP)
        return array_string_has(&spec->ip_addresses, name);
    for (size_t i = 0; i < spec->dns_names.len; i++) {
        if (streq_ci(spec->dns_names.items[i], name))
            return authorization->identifier.type == ACME_DNS;
    }
    return false;
}

/* One authorization that has neither a Challenge nor is known to be valid. 1: it is settled, 0: the
 * Order has ended or waits, status says why. */
static int settle_authorization(struct order_run *run, size_t i, struct err *err)
{
    struct order_authorization *stored = &run->status.authorizations.items[i];
    cleanup(acme_authorization_deinit) struct acme_authorization read = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = acme_authorization_get(run->client, run->ctx, stored->url, &read, &problem, &why);

    if (r < 0)
        return order_settle(run, r, &problem, &why, "fetch authorization", err);
    if (!is_asked_for(run, &read))
        return order_end_failed(
            run, STATE_ERRORED,
            arena_printf(run->arena, "The CA wants '%s' to be proved, which was not asked for",
                         str_or(read.identifier.value, "")),
            err);
    if (read.status == ACME_STATUS_VALID) {
        describe(run, stored, &read);
        return 1;
    }
    if (read.status != ACME_STATUS_PENDING)
        return order_end_failed(run, STATE_INVALID,
                                arena_printf(run->arena, "The CA's authorization for '%s' is %s",
                                             str_or(read.identifier.value, "?"),
                                             acme_status_name(read.status)),
                                err);
    r = begin_challenge(run, stored->url, &read, &why);
    if (r == 0)
        return 1;
    if (r == ERR_EXISTS) {
        run->status.reason = arena_strdup(run->arena, why.text);
        return order_save(run, err);
    }
    if (r == ERR_NOT_FOUND || r == ERR_INVALID || r == ERR_PROTOCOL) {
        /* No solver, or a token that must not be used: shown, and looked at when the Issuer changes. */
        if (!streq(run->order->status.reason, why.text))
            event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "Solver", "%s",
                  why.text);
        run->status.reason = arena_strdup(run->arena, why.text);
        return order_save(run, err);
    }
    *err = why;
    return r;
}

static bool is_settled(const struct order_run *run, const struct order_authorization *authorization)
{
    return authorization->initial_state == STATE_VALID || challenge_of(run, authorization->url);
}

/* A private copy, because the cached status is shared. */
static void copy_authorizations(struct order_run *run)
{
    size_t size = run->status.authorizations.len * sizeof(*run->status.authorizations.items);

    if (size > 0)
        run->status.authorizations.items = arena_memdup(run->arena,
                                                        run->status.authorizations.items, size);
}

static void describe_by(struct order_run *run, struct order_authorization *to,
                        const struct challenge *challenge)
{
    const struct challenge_spec *spec = &challenge->spec;
    const struct solver_ops *ops = solver_of(spec->type);
    struct order_challenge *picked = arena_alloc(run->arena, sizeof(*picked));

    *picked = (struct order_challenge){
        .url = spec->url, .token = spec->token, .type = ops ? ops->acme_type : ""};
    to->identifier = spec->dns_name;
    to->wildcard = (struct opt_bool){true, spec->wildcard};
    to->initial_state = STATE_PENDING;
    to->challenges.items = picked;
    to->challenges.len = 1;
}

/* A copy of ours that somebody else wrote, with a URL that is not the CA's, has failed or is about to, and may
 * be as large as an Order can be. */
static const struct challenge *describing(const struct order_run *run, const char *url)
{
    const struct challenge *failed = NULL;

    for (size_t i = 0; i < run->ours_count; i++) {
        const struct challenge *challenge = run->ours[i];

        if (!streq(challenge->spec.authorization_url, url) ||
            strlen(str_or(challenge->spec.url, "")) > TOLD_URL_MAX)
            continue;
        if (!state_is_failed(challenge->status.state))
            return challenge;
        failed = challenge;
    }
    return failed;
}

void order_describe_authorizations(struct order_run *run)
{
    copy_authorizations(run);
    for (size_t i = 0; i < run->status.authorizations.len; i++) {
        struct order_authorization *one = &run->status.authorizations.items[i];
        const struct challenge *challenge = str_empty(one->identifier) ? describing(run, one->url)
                                                                       : NULL;

        if (challenge)
            describe_by(run, one, challenge);
    }
}

/* 1: each authorization is valid or has its Challenge; 0: it waits or has ended. */
int order_settle_authorizations(struct order_run *run, struct err *err)
{
    bool created = false;

    copy_authorizations(run);
    for (size_t i = 0; i < run->status.authorizations.len; i++) {
        int r;

        if (is_settled(run, &run->status.authorizations.items[i]))
            continue;
        r = settle_authorization(run, i, err);
        if (r <= 0)
            return r;
        created = true;
    }
    if (!created)
        return 1;
    run->status.reason = NULL;
    /* What the CA reused is stored, so that it is not asked for at every step. */
    return order_save(run, err);
}
