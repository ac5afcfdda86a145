/* renew.c - certlet renew: asks for a new certificate now, as `cmctl renew` does. */
#include <stdio.h>

#include "api/certificate.h"
#include "api/kinds.h"
#include "api/order.h"
#include "base/timetext.h"
#include "command.h"
#include "lock.h"
#include "place.h"
#include "store/selector.h"

#define TRIES_MAX 10 /* the running process writes the same status */

struct renewal {
    const struct place *place;
    struct store *store;
    struct context ctx;
    const struct selector *selector; /* NULL: all */
    struct strlist issuing,
        namespaces; /* "namespace/name" of those that were being issued, and where */
    size_t marked;
};

static void renewal_deinit(struct renewal *renewal)
{
    strlist_deinit(&renewal->issuing);
    strlist_deinit(&renewal->namespaces);
}
DEFINE_CLEANUP_VALUE(struct renewal, renewal_deinit);

/* What the controller says of this very spec: to mark it would only hide that. */
static int check_issuable(const struct object *object, struct err *err)
{
    const char *why = certificate_unissuable((const struct certificate *)object);

    return why ? err_set(err, ERR_INVALID, "cannot be issued as it is: %s", why) : 0;
}

/* *ret_waiting: why it has not been issued, if that is under way already. */
static int trigger(struct renewal *renewal, const struct object *object, char **ret_waiting,
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
    const struct condition *under_way = condition_find(&status.conditions, "Issuing");
    int r;

    if (under_way && under_way->status == CONDITION_TRUE) {
        *ret_waiting = xstrdup(str_or(under_way->message, "no reason is given"));
        str_clean(*ret_waiting);
        return 0;
    }
    r = check_issuable(object, err);
    if (r < 0)
        return r;
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
    return strlist_has(&renewal->issuing, text);
}

/* On its request: who may renew a Certificate need not have a right to write Orders. */
static int mark_request(struct renewal *renewal, const struct object *order, struct err *err)
{
    const struct owner_reference *request = object_controller(order);
    struct key key = {.namespace = order->metadata.namespace, .name = request->name};
    struct store_precondition exactly = {.uid = request->uid};
    cleanup(json_unref) struct json *patch = json_new_map();
    char now[TIME_TEXT_MAX];

    time_format(context_now_ms(&renewal->ctx), now);
    json_set_text(json_need_map(json_need_map(patch, "metadata"), "annotations"), ANNOTATION_RETRY,
                  now);
    return store_patch(renewal->store, &renewal->ctx, &kind_certificate_request.resource, &key,
                       &exactly, "certlet-renew", patch, NULL, err);
}

static bool is_of_request(const struct object *order)
{
    const struct owner_reference *owner = object_controller(order);

    return owner && streq(owner->kind, kind_certificate_request.resource.kind);
}

static int retry_order(struct renewal *renewal, const struct json *json, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    int r = object_decode(&kind_order, json, NULL, &object, err);

    if (r < 0)
        return r;
    if (!is_open((const struct order *)object) || !is_waited_for(renewal, object) ||
        !is_of_request(object))
        return 0;
    r = mark_request(renewal, object, err);
    if (r == ERR_NOT_FOUND || r == ERR_CONFLICT)
        return 0; /* it has come to its end just now */
    if (r == 0)
        printf("%s/%s: its Order is tried again within a minute\n", object->metadata.namespace,
               object_annotation(object, ANNOTATION_CERTIFICATE_NAME));
    return r;
}

static int retry_orders_in(struct renewal *renewal, const char *namespace, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    int r = store_list(renewal->store, &renewal->ctx, &kind_order.resource, namespace, &list, err);

    for (size_t i = 0; r == 0 && i < json_len(list); i++)
        r = retry_order(renewal, json_at(list, i), err);
    return r;
}

/* Whatever the Orders of `issuing` wait for, as the end of a pause by the CA: they are tried again. */
static int retry_orders(struct renewal *renewal, struct err *err)
{
    strlist_sort_unique(&renewal->issuing);
    strlist_sort_unique(&renewal->namespaces);
    for (size_t i = 0; i < renewal->namespaces.len; i++) {
        int r = retry_orders_in(renewal, renewal->namespaces.items[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}

static void note_issuing(struct renewal *renewal, const struct key *key)
{
    char text[KEY_TEXT_MAX];

    key_format(key, text);
    strlist_add(&renewal->issuing, text);
    strlist_add(&renewal->namespaces, key->namespace);
}

/* `seen`: as it was listed; NULL: it is read. */
static int trigger_once(struct renewal *renewal, const struct key *key, const struct json *seen,
                        char **ret_waiting, struct err *err)
{
    cleanup(json_unref) struct json *read = NULL;
    cleanup(object_unref) const struct object *object = NULL;
    int r = 0;

    if (!seen)
        r = store_get(renewal->store, &renewal->ctx, &kind_certificate.resource, key, &read, err);
    if (r == 0)
        r = object_decode(&kind_certificate, seen ? seen : read, NULL, &object, err);
    return r == 0 ? trigger(renewal, object, ret_waiting, err) : r;
}

static int renew_one(struct renewal *renewal, const struct key *key, const struct json *seen,
                     struct err *err)
{
    cleanup(xfree) char *waiting = NULL;
    int r = trigger_once(renewal, key, seen, &waiting, err);

    for (int i = 1; i < TRIES_MAX && r == ERR_CONFLICT; i++)
        r = trigger_once(renewal, key, NULL, &waiting, err);
    if (r == ERR_NOT_FOUND)
        return r; /* it names the Certificate */
    if (r < 0)
        return err_wrap(err, "Certificate '%s/%s'", key->namespace, key->name);
    if (waiting)
        note_issuing(renewal, key);
    else
        renewal->marked++;
    printf("%s/%s: %s%s\n", key->namespace, key->name,
           waiting ? "is being issued already: " : "will be issued anew", str_or(waiting, ""));
    return 0;
}

static bool is_selected(const struct renewal *renewal, const struct json *certificate)
{
    return !renewal->selector ||
           selector_matches(renewal->selector, json_path(certificate, "metadata.labels"));
}

static int say_none(const struct renewal *renewal, struct err *err)
{
    const char *namespace = renewal->place->only_namespace;

    return err_set(err, ERR_NOT_FOUND, "there is no Certificate%s%s%s%s",
                   renewal->selector ? " with such labels" : "", namespace ? " in namespace '" : "",
                   str_or(namespace, ""), namespace ? "'" : "");
}

/* One that cannot be marked does not keep the others from it; the first error is told. */
static int renew_listed(struct renewal *renewal, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    size_t selected = 0;
    int failed = store_list(renewal->store, &renewal->ctx, &kind_certificate.resource,
                            renewal->place->only_namespace, &list, err);

    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *metadata = json_get(json_at(list, i), "metadata");
        struct key key = {.namespace = json_get_text(metadata, "namespace"),
                          .name = json_get_text(metadata, "name")};
        struct err why = {};

        if (!is_selected(renewal, json_at(list, i)))
            continue;
        selected++;
        if (renew_one(renewal, &key, json_at(list, i), &why) < 0 && failed == 0)
            failed = err_set(err, why.code, "%s", why.text);
    }
    return failed == 0 && selected == 0 ? say_none(renewal, err) : failed;
}

static void say_what_is_next(const char *dir)
{
    int64_t pid;

    if (!dir)
        printf("a running controller does it at once; see %s status\n", program_name());
    else if (lock_is_held(dir, &pid))
        printf("process %lld works on '%s' and does it now; see certlet status --dir %s\n",
               (long long)pid, dir, dir);
    else
        printf("nothing works on '%s': run 'certlet run %s --once' to do it\n", dir, dir);
}

static int renew_named(struct renewal *renewal, const char *name, struct err *err)
{
    cleanup(xfree) char *text = xstrdup(name);
    struct key key = place_key(renewal->place, text);

    return renew_one(renewal, &key, NULL, err);
}

/* How many could not be done. */
static size_t renew(struct renewal *renewal, const char *const *names, size_t count,
                    const struct usage *usage)
{
    struct err err = {};
    size_t failed = 0;

    if (count == 0 && renew_listed(renewal, &err) < 0) {
        place_complain(renewal->place, usage, &err);
        failed++;
    }
    for (size_t i = 0; i < count; i++) {
        if (renew_named(renewal, names[i], &err) == 0)
            continue;
        place_complain(renewal->place, usage, &err);
        failed++;
    }
    if (renewal->marked > 0)
        say_what_is_next(renewal->place->dir);
    if (retry_orders(renewal, &err) < 0) {
        place_complain(renewal->place, usage, &err);
        failed++;
    }
    return failed;
}

int command_renew(int argc, char **argv)
{
    struct place_flags flags = {};
    const char *labels = NULL;
    bool all = false;
    const struct option options[] = {
        PLACE_OPTIONS(&flags),
        {.name = "selector",
         .letter = 'l',
         .type = OPTION_TEXT,
         .target = &labels,
         .value = "LABELS",
         .help = "those with these labels: app=web,tier!=db,stage in (test,live)"},
        {.name = "all", .type = OPTION_SWITCH, .target = &all, .help = "every Certificate"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet renew [flags] NAME... | -l LABELS | --all",
        .about =
            "Marks Certificates of a cluster, or with --dir of a folder, to be issued anew. A running controller\n"
            "or certlet run does it at once; without one, it is done by the next certlet run DIR --once. A\n"
            "back-off after failures is passed over. The Order of one that is being issued and waits, as for the\n"
            "end of a pause by the CA, is tried again within a minute.\n"
            "Exit code 0: all are marked, 1: not all, 4: the folder or cluster cannot be used.",
        .options = options,
    };
    cleanup(xfree) const char **names = NULL;
    cleanup(selector_free) struct selector *selector = NULL;
    cleanup(place_close) struct place place = {};
    cleanup(renewal_deinit) struct renewal renewal = {.ctx = context_background(clock_system()),
                                                      .place = &place};
    struct err err = {};
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &names, &count);
    if (code != OPTIONS_OK)
        return code;
    if (all + (labels != NULL) + (count > 0) != 1)
        return usage_error(&usage, all || labels ? "give names, -l or --all, not two of them"
                                                 : "which Certificate? give a NAME, -l or --all");
    if (labels && selector_parse(labels, &selector, &err) < 0)
        return usage_error(&usage, "%s", err.text);
    code = place_open(&usage, &flags, false, &place);
    if (code != EXIT_OK)
        return code;
    renewal.store = place.store;
    renewal.selector = selector;
    return renew(&renewal, names, count, &usage) > 0 ? EXIT_NOT_READY : EXIT_OK;
}
