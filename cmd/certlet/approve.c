/* approve.c - certlet approve, certlet deny: decides about CertificateRequests, as `cmctl` does. */
#include <stdio.h>

#include "api/certificate_request.h"
#include "api/kinds.h"
#include "command.h"
#include "place.h"

#define TRIES_MAX 10 /* the controller writes the same status */

struct verdict {
    const char *condition, *verb, *done, *message;
};
static const struct verdict approval = {"Approved", "approve", "approved",
                                        "approved by hand with certlet"};
static const struct verdict denial = {"Denied", "deny", "denied", "denied by hand with certlet"};

struct decision {
    const struct place *place;
    struct context ctx;
    const struct verdict *verdict;
    const char *reason, *message;
};

/* Whoever reads it trusts that what was decided stays. */
static int check_undecided(const struct certificate_request *request, struct err *err)
{
    const struct verdict *const verdicts[] = {&approval, &denial};

    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        const struct condition *is = condition_find(&request->status.conditions,
                                                    verdicts[i]->condition);

        if (is && is->status == CONDITION_TRUE)
            return err_set(
                err, ERR_EXISTS,
                "is %s already, for reason '%s'; that is final: a new request can be made",
                verdicts[i]->done, str_or(is->reason, ""));
    }
    return 0;
}

/* Why an approval comes too late: nobody signs it any more. NULL: it does not. */
static const char *why_unsigned(const struct decision *decision,
                                const struct certificate_request *request)
{
    const struct conditions *conditions = &request->status.conditions;
    const struct condition *invalid = condition_find(conditions, "InvalidRequest"),
                           *ready = condition_find(conditions, "Ready");

    if (decision->verdict != &approval)
        return NULL;
    if (invalid && invalid->status == CONDITION_TRUE)
        return str_or(invalid->message, "it is invalid");
    return ready && streq(ready->reason, "Failed") ? str_or(ready->message, "it has failed") : NULL;
}

static int write_verdict(const struct decision *decision, const struct object *object,
                         struct err *err)
{
    const struct certificate_request *request = (const struct certificate_request *)object;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(json_unref) struct json *body = NULL;
    struct certificate_request_status status = request->status;
    struct condition condition = {
        .type = decision->verdict->condition,
        .status = CONDITION_TRUE,
        .reason = decision->reason,
        .message = str_or(decision->message, decision->verdict->message),
    };
    int r = check_undecided(request, err);

    if (r < 0)
        return r;
    condition_set(&status.conditions, &condition, context_now_ms(&decision->ctx), arena);
    body = object_status_json(object, &status);
    return store_update(decision->place->store, &decision->ctx, &kind_certificate_request.resource,
                        STORE_STATUS, "certlet-approve", body, NULL, err);
}

/* *ret_obstacle: why nothing comes of it, for the caller to free; NULL: it is signed now. */
static int decide_once(const struct decision *decision, const struct key *key, char **ret_obstacle,
                       struct err *err)
{
    cleanup(json_unref) struct json *json = NULL;
    cleanup(object_unref) const struct object *object = NULL;
    const char *why;
    int r = store_get(decision->place->store, &decision->ctx, &kind_certificate_request.resource,
                      key, &json, err);

    if (r == 0)
        r = object_decode(&kind_certificate_request, json, NULL, &object, err);
    if (r == 0)
        r = write_verdict(decision, object, err);
    if (r < 0)
        return r;
    why = why_unsigned(decision, (const struct certificate_request *)object);
    *ret_obstacle = why ? xstrdup(why) : NULL;
    if (why)
        str_clean(*ret_obstacle);
    return 0;
}

static int decide(const struct decision *decision, const char *name, struct err *err)
{
    cleanup(xfree) char *text = xstrdup(name), *obstacle = NULL;
    struct key key = place_key(decision->place, text);
    int r = ERR_CONFLICT;

    for (int i = 0; i < TRIES_MAX && r == ERR_CONFLICT; i++)
        r = decide_once(decision, &key, &obstacle, err);
    if (r == ERR_NOT_FOUND)
        return r; /* it names the request */
    if (r < 0)
        return err_wrap(err, "CertificateRequest '%s/%s'", key.namespace, key.name);
    if (obstacle)
        return err_set(err, ERR_INVALID,
                       "CertificateRequest '%s/%s' is approved, but will not be signed: %s; make a "
                       "new one",
                       key.namespace, key.name, obstacle);
    printf("%s/%s: %s\n", key.namespace, key.name, decision->verdict->done);
    return 0;
}

static int decide_all(const struct decision *decision, const char *const *names, size_t count,
                      const struct usage *usage)
{
    int code = EXIT_OK;

    for (size_t i = 0; i < count; i++) {
        struct err err = {};

        if (decide(decision, names[i], &err) == 0)
            continue;
        place_complain(decision->place, usage, &err);
        code = EXIT_NOT_READY;
    }
    return code;
}

static int run(struct decision *decision, const char *synopsis, const char *about, int argc,
               char **argv)
{
    struct place_flags flags = {};
    const struct option options[] = {
        PLACE_OPTIONS(&flags),
        {.name = "reason",
         .type = OPTION_TEXT,
         .target = &decision->reason,
         .value = "WORD",
         .default_text = "KubectlCertManager",
         .help = "reason of the condition, one word"},
        {.name = "message",
         .type = OPTION_TEXT,
         .target = &decision->message,
         .value = "TEXT",
         .help = "message of the condition, for people"},
        {},
    };
    const struct usage usage = {.synopsis = synopsis, .about = about, .options = options};
    cleanup(xfree) const char **names = NULL;
    cleanup(place_close) struct place place = {};
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &names, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count == 0)
        return usage_error(&usage, "which CertificateRequest? give a NAME");
    if (flags.all_namespaces)
        return usage_error(&usage, "a decision is about one request: write NAMESPACE/NAME");
    code = place_open(&usage, &flags, false, &place);
    if (code != EXIT_OK)
        return code;
    decision->ctx = context_background(clock_system());
    decision->place = &place;
    return decide_all(decision, names, count, &usage);
}

#define ABOUT_SECOND_PART                                                                                          \
    "What was decided once stays so: such a request is refused. It takes the permission 'approve' on\n"            \
    "'signers' of cert-manager.io for the issuer, and 'update' on 'certificaterequests/status'.\n"                 \
    "Exit code 0: all done, 1: not all, or what is approved will not be signed, 4: the folder or cluster cannot\n" \
    "be used."

int command_approve(int argc, char **argv)
{
    struct decision decision = {.verdict = &approval};

    return run(
        &decision, "certlet approve [flags] NAME...",
        "Approves CertificateRequests of a cluster, so that their issuer signs them.\n" ABOUT_SECOND_PART,
        argc, argv);
}

int command_deny(int argc, char **argv)
{
    struct decision decision = {.verdict = &denial};

    return run(
        &decision, "certlet deny [flags] NAME...",
        "Denies CertificateRequests of a cluster: they fail, and nothing is signed.\n" ABOUT_SECOND_PART,
        argc, argv);
}
