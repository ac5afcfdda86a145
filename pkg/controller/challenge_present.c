/* challenge_present.c - a place among those that are under way, and the solver's part. */
#include "controller/challenge_run.h"

/* --- the solver's part --- */

static void note_means(struct challenge_run *run)
{
    challenge_means_unref(run->means);
    run->means = challenges_note_means(run->self->challenges, run->challenge->object.metadata.uid,
                                       run->issuer, run->client);
    run->task.secrets = run->means->secrets;
}

/* The solver, with a note whether it can have written anything. */
static int present_noted(struct challenge_run *run, struct err *why)
{
    const char *uid = run->challenge->object.metadata.uid;
    bool was_untouched = challenges_touch(run->self->challenges, uid), sent = false;
    int r;

    run->task.sent = &sent;
    r = run->ops->present(run->self->solvers, run->ctx, &run->task, why);
    run->task.sent = NULL;
    if (was_untouched && solver_wrote_nothing(run->ops, r, sent))
        challenges_note_untouched(run->self->challenges, uid);
    return r;
}

int challenge_present(struct challenge_run *run, struct err *err)
{
    struct err why = {};
    int r;

    note_means(run);
    r = present_noted(run, &why);
    if (r == 0)
        return 0;
    if (r == ERR_CANCELED || r == ERR_BUSY) {
        *err = why;
        return r;
    }
    run->status.processing = false;
    run->status.reason = arena_printf(run->arena, "Error presenting challenge: %s", why.text);
    if (why.retry_at_ms == 0) /* else it comes back then, and not by its back-off */
        run->status.reason = reason_with_next_try(challenge_author(run), run->status.reason,
                                                  run->arena);
    if (!reason_is_the_same(run->challenge->status.reason, run->status.reason))
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "PresentError", "%s",
              run->status.reason);
    r = challenge_save(run, err);
    if (r < 0)
        return r;
    *err = why;
    return why.code;
}

/* --- places: a quarter is not for one namespace, whose names may all lead nowhere --- */

struct place_count {
    struct challenges *challenges;
    size_t stored;
};

static void count_stored(void *arg, const void *object)
{
    struct place_count *count = arg;

    count->stored += !challenges_has_place(count->challenges,
                                           ((const struct object *)object)->metadata.uid);
}

static size_t places_stored(struct challenge_run *run, const char *who)
{
    struct place_count count = {.challenges = run->self->challenges};

    cache_visit_index(run->self->caches.challenges, INDEX_PLACE, who, count_stored, &count);
    return count.stored;
}

bool challenge_take_place(struct challenge_run *run)
{
    size_t most = (size_t)run->self->options.max_challenges;
    struct places places = {.most = most, .most_of_one = most - most / 4};

    if (challenge_holds_place(run->challenge))
        return true; /* at each poll, most of the time */
    places.stored = places_stored(run, "*");
    places.stored_of_one = places_stored(run, run->key->namespace);
    return challenges_take_place(run->self->challenges, &run->challenge->object, &places);
}

int challenge_wait_for_place(struct challenge_run *run)
{
    challenges_queue(run->self->challenges, run->key, run->challenge->status.presented);
    /* for places that got free unseen */
    run->result->requeue_at_ms = context_now_ms(run->ctx) + run->self->options.check_retry_ms;
    return 0;
}
