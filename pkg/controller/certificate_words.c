/*
 * certificate_words.c - what the Issuing condition says, and what can be read off it again: other runs of the reconciler,
 * `certlet status` and `certlet plan` know no more of an issuance than that. Pure.
 */
#include <string.h>

#include "controller/certificate_decide.h"

#define WAITING_SUFFIX " (waiting: "
#define ATTEMPT        " (attempt "
#define NEXT_ATTEMPT   "next not before "

const char *certificate_waiting_message(const char *message, const char *what, struct arena *arena)
{
    const char *suffix = message ? strstr(message, WAITING_SUFFIX) : NULL;
    const char *base = suffix ? arena_strndup(arena, message, (size_t)(suffix - message))
                              : str_or(message, "");

    return what ? arena_printf(arena, "%s" WAITING_SUFFIX "%.900s)", base, what) : base;
}

const char *certificate_waits_for(const char *message, struct arena *arena)
{
    const char *what = message ? strstr(message, WAITING_SUFFIX) : NULL;

    if (!what)
        return NULL;
    what += strlen(WAITING_SUFFIX);
    return arena_strndup(arena, what, strlen(what) - str_ends(what, ")"));
}

const char *certificate_failure_message(const char *why, int64_t attempts, int64_t again_ms,
                                        struct arena *arena)
{
    char again[TIME_TEXT_MAX];

    time_format(again_ms, again);
    return arena_printf(arena,
                        "The certificate request has failed to complete and will be retried: "
                        "%s" ATTEMPT "%lld, " NEXT_ATTEMPT "%s)",
                        why, (long long)attempts, again);
}

int64_t certificate_told_attempt_ms(const struct condition *issuing)
{
    return condition_time_ms(issuing, NEXT_ATTEMPT);
}

const char *certificate_failure_cause(const char *message, struct arena *arena)
{
    const char *end = str_last(message, ATTEMPT);

    return end && strstr(end, NEXT_ATTEMPT) ? arena_strndup(arena, message, (size_t)(end - message))
                                            : message;
}
