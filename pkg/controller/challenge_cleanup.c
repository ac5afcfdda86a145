/* challenge_cleanup.c - a Challenge goes when what it has presented is gone, or when nobody can help it. */
#include "controller/challenge_run.h"

/* A finalizer must not hold a namespace for ever (users.md row 9). Where no namespace can be waiting, the end of
 * an outage of the DNS provider is worth a week. */
#define CLEANUP_GIVE_UP_MS       HOURS(1)
#define CLEANUP_GIVE_UP_LATER_MS DAYS(7)

/* --- the finalizer --- */

/* Those of others. */
static struct json *foreign_finalizers(const struct metadata *metadata)
{
    struct json *kept = json_new_list();

    for (size_t i = 0; i < metadata->finalizers.len; i++) {
        const char *finalizer = metadata->finalizers.items[i];

        if (!streq(finalizer, FINALIZER_CHALLENGE) && !streq(finalizer, FINALIZER_CHALLENGE_LEGACY))
            json_append_text(kept, finalizer);
    }
    return kept;
}

static int write_finalizers(struct challenge_run *run, struct json *finalizers,
                            struct json **ret_stored, struct err *err)
{
    const struct metadata *metadata = &run->challenge->object.metadata;
    struct store_precondition exactly = {.uid = metadata->uid,
                                         .version = metadata->resource_version};
    cleanup(json_unref) struct json *patch = json_new_map();

    json_set(json_need_map(patch, "metadata"), "finalizers", finalizers);
    return store_patch(run->self->store, run->ctx, &kind_challenge.resource, run->key, &exactly,
                       MANAGER_CHALLENGES, patch, ret_stored, err);
}

static int drop_finalizer(struct challenge_run *run, struct err *err)
{
    int r = write_finalizers(run, foreign_finalizers(&run->challenge->object.metadata), NULL, err);

    return r == ERR_NOT_FOUND ? 0 : r;
}

/* By this manager, and not by whoever makes the Challenge: cert-manager takes off what its manager of the same name has
 * put on, and nothing else. */
int challenge_add_finalizer(struct challenge_run *run, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    struct json *finalizers = foreign_finalizers(&run->challenge->object.metadata);
    struct challenge *now = arena_alloc(run->arena, sizeof(*now));
    int r;

    json_append_text(finalizers, FINALIZER_CHALLENGE);
    r = write_finalizers(run, finalizers, &stored, err);
    if (r < 0)
        return err_wrap(err, "putting the finalizer on Challenge '%s'", run->key->name);
    *now = *run->challenge;
    now->object.metadata.resource_version = arena_strdup(
        run->arena, json_as_text(json_path(stored, "metadata.resourceVersion")));
    run->challenge = now;
    if (!run->means) /* else somebody has taken off the first one */
        challenges_note_untouched(run->self->challenges, now->object.metadata.uid);
    return 0;
}

bool challenge_has_finalizer(const struct challenge *challenge)
{
    return array_string_has(&challenge->object.metadata.finalizers, FINALIZER_CHALLENGE) ||
           array_string_has(&challenge->object.metadata.finalizers, FINALIZER_CHALLENGE_LEGACY);
}

static bool has_survivor(struct cache *cache, const char *namespace)
{
    cleanup(cache_refs_deinit) struct cache_refs refs = {};

    cache_list(cache, namespace, &refs);
    for (size_t i = 0; i < refs.len; i++) {
        if (!((const struct object *)refs.items[i])->metadata.deletion_timestamp_ms)
            return true;
    }
    return false;
}

/* Whoever deletes a namespace, or uninstalls us, deletes all of these at once. Orders count too: the requests of
 * CSI drivers have no Certificate. */
static bool may_be_the_end_of_all(const struct challenge_run *run)
{
    return !has_survivor(run->self->caches.certificates, run->key->namespace) &&
           !has_survivor(run->self->caches.orders, run->key->namespace);
}

/* Counted from when we began to work: what was deleted before, nobody has tried to take back since. */
static bool may_give_up(const struct challenge_run *run)
{
    int64_t since_ms = run->challenge->object.metadata.deletion_timestamp_ms;
    int64_t work_since_ms = controllers_work_since_ms(run->self);
    int64_t tried_ms;

    if (since_ms == 0)
        return false;
    if (since_ms < work_since_ms)
        since_ms = work_since_ms;
    tried_ms = context_now_ms(run->ctx) - since_ms;
    return tried_ms > CLEANUP_GIVE_UP_LATER_MS ||
           (tried_ms > CLEANUP_GIVE_UP_MS && may_be_the_end_of_all(run));
}

/* One value may be the proof of several: a CA that goes on with a pending authorization gives it to two Orders, and
 * whoever can read a Challenge can copy it. The last of them takes it back. */
struct sharing {
    const struct challenge *self;
    bool found;
};

static void note_sharing(void *arg, const void *object)
{
    struct sharing *sharing = arg;
    const struct challenge *other = object, *self = sharing->self;

    if (!streq(other->object.metadata.uid, self->object.metadata.uid) &&
        !other->object.metadata.deletion_timestamp_ms && other->status.presented &&
        !state_is_final(other->status.state) && other->spec.type == self->spec.type &&
        streq(other->spec.key, self->spec.key) &&
        streq_ci(other->spec.dns_name, self->spec.dns_name))
        sharing->found = true;
}

static bool is_still_needed(const struct challenge_run *run)
{
    struct sharing sharing = {.self = run->challenge};

    cache_visit_index(run->self->caches.challenges, INDEX_PLACE, PLACE_PRESENTED, note_sharing,
                      &sharing);
    return sharing.found;
}

/* Why nobody will ever take it back; NULL: it can be tried. */
static const char *hopeless(const struct challenge_run *run)
{
    if (!run->ops || !run->task.solver)
        return "its Issuer is gone, or has no solver for it any more";
    if (run->client && !challenge_key_is_ours(&run->challenge->spec, acme_client_key(run->client)))
        return "it was not made with the account that its Issuer has now";
    return NULL;
}

static int take_back(struct challenge_run *run, struct err *why)
{
    if (!run->client) /* of one that is ready it will be, in a moment */
        return err_set(why, issuer_is_ready(run->issuer) ? ERR_BUSY : ERR_UNAVAILABLE,
                       "the account of issuer '%s' is not set up",
                       run->issuer->object.metadata.name);
    if (is_still_needed(run))
        return 0;
    return run->ops->clean_up(run->self->solvers, run->ctx, &run->task, why);
}

/* The last trace of what stays behind. */
static int give_up(struct challenge_run *run, const char *why, struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    int r = drop_finalizer(run, err);

    if (r == 0)
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "CleanUpGivenUp",
              "Gave up cleaning up the %s challenge of '%s'; remove what is left of it by hand: %s",
              enum_name(&challenge_type_names, spec->type), spec->dns_name, why);
    return r;
}

int challenge_clean_up(struct challenge_run *run, struct err *err)
{
    const char *end = hopeless(run);
    struct err why = {};
    int r;

    if (!challenge_has_finalizer(run->challenge))
        return 0;
    if (challenges_is_untouched(run->self->challenges, run->challenge->object.metadata.uid))
        return drop_finalizer(run, err); /* nothing is waited for where nothing was written */
    if (end)
        return give_up(run, end, err);
    r = take_back(run, &why);
    if (r == 0)
        return drop_finalizer(run, err);
    if (r != ERR_CANCELED && r != ERR_BUSY) {
        if (may_give_up(run))
            return give_up(run, why.text, err);
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "CleanUpError",
              "Error cleaning up challenge: %s", why.text);
    }
    *err = why;
    return r;
}
