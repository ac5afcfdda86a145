/* renew.c - certlet renew: asks for a new certificate now, as `cmctl renew` does. */
#include <stdio.h>

#include "api/certificate.h"
#include "api/kinds.h"
#include "api/order.h"
#include "base/map.h"
#include "base/timetext.h"
#include "command.h"
#include "lock.h"
#include "options.h"
#include "store_of.h"

#define TRIES_MAX 10 /* the running process writes the same status */

struct renewal {
    struct store *store;
    struct context ctx;
    const char *namespace;
    struct map *issuing; /* "namespace/name" of those that were being issued; no values */
};

static int trigger(struct renewal *renewal, const struct object *object, bool *ret_was_issuing,
                   struct err *err)
{
    const struct certificate *crt = (const struct certificate *)object;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(json_unref) struct json *body = NULL;
    struct certificate_status status = crt->status;
    struct condition issuing = {
        .type = "Issuing",
        .status = CONDITION_TRUE,
        .reason = "ManuallyTriggered",
        .message = "Certificate re-issuance manually triggered",
        .observed_generation = object->metadata.generation,
    };

    *ret_was_issuing = condition_is(&status.conditions, "Issuing", CONDITION_TRUE);
    if (*ret_was_issuing)
        return 0;
    condition_set(&status.conditions, &issuing, context_now_ms(&renewal->ctx), arena);
    body = object_status_json(object, &status);
    return store_update(renewal->store, &renewal->ctx, &kind_certificate.resource, STORE_STATUS,
                        "certlet-renew", body, NULL, err);
}

static bool is_open(const struct order *order)
{
    return order->status.state != STATE_VALID && !state_is_failed(order->status.state);
}

/* Of a Certificate that is being issued. */
static bool is_waited_for(const struct renewal *renewal, const struct object *order)
{
    struct key certificate = {.namespace = order->metadata.namespace,
                              .name = object_annotation(order, ANNOTATION_CERTIFICATE_NAME)};
    char text[KEY_TEXT_MAX];

    if (!certificate.name)
        return false;
    key_format(&certificate, text);
    return map_has(renewal->issuing, text);
}

static int retry_order(struct renewal *renewal, const struct json *json, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(json_unref) struct json *patch = json_new_map();
    struct store_precondition exactly = {};
    struct key key;
    char now[TIME_TEXT_MAX];
    int r = object_decode(&kind_order, json, NULL, &object, err);

    if (r < 0)
        return r;
    if (!is_open((const struct order *)object) || !is_waited_for(renewal, object))
        return 0;
    key = object_key(object);
    exactly.uid = object->metadata.uid;
    time_format(context_now_ms(&renewal->ctx), now);
    json_set_text(json_need_map(json_need_map(patch, "metadata"), "annotations"), ANNOTATION_RETRY,
                  now);
    r = store_patch(renewal->store, &renewal->ctx, &kind_order.resource, &key, &exactly,
                    "certlet-renew", patch, NULL, err);
    return r == ERR_NOT_FOUND || r == ERR_CONFLICT ? 0 : r; /* it has come to its end just now */
}

/* Whatever the Orders of `issuing` wait for, as the end of a pause by the CA: they are tried again. */
static int retry_orders(struct renewal *renewal, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    int r;

    if (map_len(renewal->issuing) == 0)
        return 0;
    r = store_list(renewal->store, &renewal->ctx, &kind_order.resource, NULL, &list, err);
    for (size_t i = 0; r == 0 && i < json_len(list); i++)
        r = retry_order(renewal, json_at(list, i), err);
    return r;
}

static void note_issuing(struct renewal *renewal, const struct key *key)
{
    char text[KEY_TEXT_MAX];

    key_format(key, text);
    map_set(renewal->issuing, text, renewal);
}

static int renew_one(struct renewal *renewal, const struct key *key, struct err *err)
{
    bool was_issuing = false;
    int r = ERR_CONFLICT;

    for (int i = 0; i < TRIES_MAX && r == ERR_CONFLICT; i++) {
        cleanup(json_unref) struct json *json = NULL;
        cleanup(object_unref) const struct object *object = NULL;

        r = store_get(renewal->store, &renewal->ctx, &kind_certificate.resource, key, &json, err);
        if (r == 0)
            r = object_decode(&kind_certificate, json, NULL, &object, err);
        if (r == 0)
            r = trigger(renewal, object, &was_issuing, err);
    }
    if (r == ERR_NOT_FOUND)
        return r; /* it names the Certificate */
    if (r < 0)
        return err_wrap(err, "Certificate '%s/%s'", key->namespace, key->name);
    if (was_issuing)
        note_issuing(renewal, key);
    printf("%s/%s: %s\n", key->namespace, key->name,
           was_issuing ? "is being issued already; what it waits for is tried again within a minute"
                       : "will be issued anew");
    return 0;
}

/* One that cannot be marked does not keep the others from it. */
static int renew_all(struct renewal *renewal, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    int failed = store_list(renewal->store, &renewal->ctx, &kind_certificate.resource, NULL, &list,
                            err);

    if (failed == 0 && json_len(list) == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no Certificate");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *metadata = json_get(json_at(list, i), "metadata");
        struct key key = {.namespace = json_get_text(metadata, "namespace"),
                          .name = json_get_text(metadata, "name")};
        int r = renew_one(renewal, &key, err);

        failed = failed < 0 ? failed : r;
    }
    return failed;
}

static void say_what_is_next(const char *dir)
{
    int64_t pid;

    if (lock_is_held(dir, &pid))
        printf("process %lld works on '%s' and does it now; see certlet status --dir %s\n",
               (long long)pid, dir, dir);
    else
        printf("nothing works on '%s': run 'certlet run %s --once' to do it\n", dir, dir);
}

/* NAME, or NAMESPACE/NAME. */
static int renew_named(struct renewal *renewal, const char *name, struct err *err)
{
    cleanup(xfree) char *text = xstrdup(name);
    struct key key = key_parse(text);

    if (!key.namespace[0])
        key.namespace = renewal->namespace;
    return renew_one(renewal, &key, err);
}

int command_renew(int argc, char **argv)
{
    cleanup(map_free) struct map *issuing = map_new(NULL);
    struct renewal renewal = {.ctx = context_background(clock_system()), .issuing = issuing};
    const char *dir;
    bool all = false;
    const struct option options[] = {
        {.name = "dir",
         .letter = 'd',
         .type = OPTION_TEXT,
         .target = &dir,
         .value = "DIR",
         .default_text = ".",
         .help = "the folder of certlet run"},
        {.name = "namespace",
         .letter = 'n',
         .type = OPTION_TEXT,
         .target = &renewal.namespace,
         .value = "NAMESPACE",
         .default_text = "default",
         .help = "namespace of names that do not say theirs"},
        {.name = "all", .type = OPTION_SWITCH, .target = &all, .help = "every Certificate"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet renew [flags] NAME...",
        .about =
            "Marks Certificates to be issued anew. A running certlet run does it at once; without one, it is done\n"
            "by the next certlet run DIR --once. A back-off after failures is passed over. One that is being\n"
            "issued and waits, as for the end of a pause by the CA, is tried again within a minute.\n"
            "Exit code 0: all are marked, 1: not all, 4: the folder cannot be used.",
        .options = options,
    };
    cleanup(xfree) const char **names = NULL;
    cleanup(store_close) struct store *store = NULL;
    struct err err = {};
    size_t count = 0;
    size_t failed = 0;

    switch (options_parse(&usage, argc, argv, &names, &count)) {
    case OPTIONS_HELP:
        return EXIT_OK;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    if (all == (count > 0))
        return usage_error(&usage, all ? "give names or --all, not both"
                                       : "which Certificate? give a NAME, or --all");
    if (store_of(dir, false, &store, &err) < 0) {
        (void)fprintf(stderr, "certlet renew: %s\n", err.text);
        return EXIT_STORE;
    }
    renewal.store = store;
    if (all && renew_all(&renewal, &err) < 0) {
        (void)fprintf(stderr, "certlet renew: %s\n", err.text);
        failed++;
    }
    for (size_t i = 0; i < count; i++) {
        if (renew_named(&renewal, names[i], &err) == 0)
            continue;
        (void)fprintf(stderr, "certlet renew: %s\n", err.text);
        failed++;
    }
    if (retry_orders(&renewal, &err) < 0) {
        (void)fprintf(stderr, "certlet renew: %s\n", err.text);
        failed++;
    }
    if (all || failed < count)
        say_what_is_next(dir);
    return failed ? EXIT_NOT_READY : EXIT_OK;
}
