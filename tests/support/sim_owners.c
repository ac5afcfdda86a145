/*
 * sim_owners.c - Certificates that name one Secret: one of them owns it, and the others keep off.
 *
 * The owner is the one that the Secret's annotation names, if it is one of them, else the oldest, ties by
 * name (behaviour.md 1.1).
 */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "controller/caches.h"
#include "support/sim_inside.h"

/* Where no watch tells that the owner has gone, the others look again after 3 min. */
#define SOON_MS MINUTES(10)

struct sim_rival { /* what is known of a Certificate */
    char uid[40], owner[64];
    int64_t since_ms; /* it is the owner's turn, or not */
    int64_t begun_ms; /* what is under way; 0: nothing */
};

/* --- by what the store has: what is written must be the owner's --- */

static bool comes_first(const struct json *a, const struct json *b)
{
    int order = strcmp(json_get_text(a, "creationTimestamp"),
                       json_get_text(b, "creationTimestamp"));

    return order != 0 ? order < 0 : strcmp(json_get_text(a, "name"), json_get_text(b, "name")) < 0;
}

/* Lent from `certificates`; NULL: nobody names it. */
static const char *owner_of(const struct json *certificates, const char *namespace,
                            const char *secret, const char *annotated)
{
    const struct json *first = NULL;

    json_for_each_item (crt, certificates) {
        const struct json *metadata = json_get(crt, "metadata");

        if (!streq(json_get_text(metadata, "namespace"), namespace) ||
            !streq(json_as_text(json_path(crt, "spec.secretName")), secret))
            continue;
        if (annotated && streq(json_get_text(metadata, "name"), annotated))
            return annotated;
        if (!first || comes_first(metadata, first))
            first = metadata;
    }
    return json_get_text(first, "name");
}

static const char *certificate_name(const struct json *secret)
{
    return json_get_text(json_path(secret, "metadata.annotations"), ANNOTATION_CERTIFICATE_NAME);
}

static struct json *live_secret_of(struct sim *sim, const char *namespace, const char *name)
{
    struct key key = {.namespace = namespace, .name = name};
    struct json *live = NULL;

    (void)sim->store_ops->get(sim->store, &sim->ctx, &kind_secret.resource, &key, &live,
                              &(struct err){}); /* NULL: there is none */
    return live;
}

void sim_look_at_write(struct sim *sim, const struct json *secret)
{
    const char *writer = certificate_name(secret), *owner;
    const char *namespace = json_as_text(json_path(secret, "metadata.namespace"));
    const char *name = json_as_text(json_path(secret, "metadata.name"));
    cleanup(json_unref) struct json *live = live_secret_of(sim, namespace, name), *all = NULL;
    struct err err = {};

    if (!sim->rivals || !writer)
        return;
    ASSERT_OK(store_list(sim->store, &sim->ctx, &kind_certificate.resource, namespace, &all, &err));
    owner = owner_of(all, namespace, name, certificate_name(live));
    if (!streq(owner, writer) && sim->problem[0] == '\0')
        (void)snprintf(sim->problem, sizeof(sim->problem),
                       "Certificate '%s' writes the Secret '%s', which '%s' owns", writer, name,
                       str_or(owner, "nobody"));
}

/* --- by what the caches have: who issues --- */

static bool is_older(const struct metadata *a, const struct metadata *b)
{
    if (a->creation_timestamp_ms != b->creation_timestamp_ms)
        return a->creation_timestamp_ms < b->creation_timestamp_ms;
    return strcmp(a->name, b->name) < 0;
}

static const struct metadata *owner_among(const struct cache_refs *rivals, const char *annotated)
{
    const struct metadata *oldest = NULL;

    for (size_t i = 0; i < rivals->len; i++) {
        const struct metadata *one = &((const struct object *)rivals->items[i])->metadata;

        if (annotated && streq(one->name, annotated))
            return one;
        if (!oldest || is_older(one, oldest))
            oldest = one;
    }
    return oldest;
}

static char *cached_owner(struct sim *sim, const struct certificate *crt)
{
    struct key key = {.namespace = crt->object.metadata.namespace, .name = crt->spec.secret_name};
    cleanup(object_unref)
        const struct object *secret = cache_get(sim->controllers->caches.secrets, &key);
    cleanup(xfree) char *value = index_name_value(key.namespace, key.name);
    cleanup(cache_refs_deinit) struct cache_refs rivals = {};

    cache_by_index(sim->controllers->caches.certificates, INDEX_SECRET_NAME, value, &rivals);
    return xstrdup(
        owner_among(&rivals, secret ? object_annotation(secret, ANNOTATION_CERTIFICATE_NAME) : NULL)
            ->name);
}

static struct sim_rival *rival_of(struct sim *sim, const struct certificate *crt, const char *owner)
{
    const struct metadata *metadata = &crt->object.metadata;
    cleanup(xfree) char *key = xasprintf("%s/%s", metadata->namespace, metadata->name);
    const struct sim_rival *before = map_get(sim->rivals, key);
    struct sim_rival *of = xalloc(sizeof(*of));

    if (before && streq(before->uid, metadata->uid))
        *of = *before;
    if (!streq(of->owner, owner))
        of->since_ms = sim->looked_ms;
    (void)snprintf(of->uid, sizeof(of->uid), "%s", metadata->uid);
    (void)snprintf(of->owner, sizeof(of->owner), "%s", owner);
    map_set(sim->rivals, key, of);
    return of;
}

static const char *problem(struct sim *sim, const struct certificate *crt, const char *owner,
                           const char *what)
{
    (void)snprintf(sim->problem, sizeof(sim->problem),
                   "Certificate '%s' %s: '%s' owns the Secret '%s'", crt->object.metadata.name,
                   what, owner, crt->spec.secret_name);
    return sim->problem;
}

/* By itself. What began just before a crash is seen behind it. */
static bool has_begun(const struct sim *sim, const struct certificate *crt, struct sim_rival *of)
{
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    bool is_issuing = issuing && issuing->status == CONDITION_TRUE;
    int64_t before_ms = of->begun_ms;

    of->begun_ms = is_issuing ? issuing->last_transition_time_ms : 0;
    return is_issuing && of->begun_ms != before_ms && of->begun_ms > sim->restarted_ms &&
           !streq(issuing->reason, "ManuallyTriggered");
}

const char *sim_look_at_owner(struct sim *sim, const struct certificate *crt)
{
    bool says_so = condition_has_reason(&crt->status.conditions, "Ready", "DuplicateSecretName");
    cleanup(xfree) char *owner = cached_owner(sim, crt);
    bool is_owner = streq(owner, crt->object.metadata.name);
    struct sim_rival *of = rival_of(sim, crt, owner);
    bool begins = has_begun(sim, crt, of);
    bool is_settled = sim->looked_ms > of->since_ms + SOON_MS &&
                      sim->looked_ms > sim->restarted_ms + SOON_MS;

    if (!is_owner && begins)
        return problem(sim, crt, owner, "begins to issue");
    if (is_settled && !is_owner && !says_so)
        return problem(sim, crt, owner, "does not say so");
    if (is_settled && is_owner && says_so)
        return problem(sim, crt, owner, "does not know it");
    return NULL;
}

void sim_watch_owners(struct sim *sim)
{
    sim->rivals = map_new(xfree);
}
