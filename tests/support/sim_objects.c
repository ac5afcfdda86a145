/* sim_objects.c - what users do and see. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "store/local.h"
#include "support/sim_inside.h"
#include "yaml/yaml.h"

#define USER "kubectl"

static void must(int r, const struct err *err, const char *what, const char *name)
{
    if (r >= 0)
        return;
    print_error("%s '%s': %s\n", what, name, err->text);
    fail();
}

static const char *lend(struct sim *sim, char *text)
{
    strlist_add_take(&sim->lent, text);
    return text;
}

/* --- names --- */

struct named { /* "certificate/web", "secret/other/web-tls" */
    char *text;
    const struct kind *kind;
    struct key key;
};

static void named_deinit(struct named *named)
{
    xfree(named->text);
}
DEFINE_CLEANUP_VALUE(struct named, named_deinit);

static struct named parse_name(const char *name)
{
    struct named named = {.text = xstrdup(name)};
    char *kind = named.text, *rest = strchr(kind, '/'), *second;

    ASSERT_TRUE(rest != NULL);
    *rest++ = '\0';
    named.kind = kind_by_name(kind);
    if (!named.kind) {
        print_error("no kind '%s'\n", kind);
        fail();
    }
    second = strchr(rest, '/');
    if (second)
        *second++ = '\0';
    named.key.namespace = !named.kind->resource.namespaced ? "" : second ? rest : "default";
    named.key.name = second ? second : rest;
    return named;
}

/* --- what users do --- */

static void apply_document(struct sim *sim, const struct json *document)
{
    cleanup(json_unref) struct json *object = json_deep(document);
    const struct kind *kind = kind_find(json_get_text(object, "apiVersion"),
                                        json_get_text(object, "kind"));
    struct json *metadata = json_need_map(object, "metadata");
    struct err err = {};

    ASSERT_TRUE(kind != NULL);
    if (kind->resource.namespaced && !json_get_text(metadata, "namespace"))
        json_set_text(metadata, "namespace", "default");
    must(store_apply(sim->store, &sim->ctx, &kind->resource, USER, object, NULL, &err), &err,
         "applying", json_get_text(metadata, "name"));
}

void sim_apply(struct sim *sim, const char *yaml)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    must(yaml_parse(yaml, strlen(yaml), &stream, &err), &err, "reading", yaml);
    sim->quiet = true;
    for (size_t i = 0; i < yaml_document_count(stream); i++)
        apply_document(sim, yaml_document(stream, i));
    sim->quiet = false;
}

void sim_patch(struct sim *sim, const char *name, const char *yaml)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(named_deinit) struct named named = parse_name(name);
    struct store_precondition none = {};
    struct err err = {};

    must(yaml_parse(yaml, strlen(yaml), &stream, &err), &err, "reading", yaml);
    sim->quiet = true;
    must(store_patch(sim->store, &sim->ctx, &named.kind->resource, &named.key, &none, USER,
                     yaml_document(stream, 0), NULL, &err),
         &err, "patching", name);
    sim->quiet = false;
}

void sim_change_written(struct sim *sim, const char *kind, const char *yaml)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(xfree) char *any = xasprintf("%s/any", kind);
    cleanup(named_deinit) struct named named = parse_name(any);
    struct err err = {};

    sim->changed_kind = named.kind;
    sim->written = 0;
    json_unref(take(sim->change));
    if (!yaml)
        return;
    must(yaml_parse(yaml, strlen(yaml), &stream, &err), &err, "reading", yaml);
    sim->change = json_deep(yaml_document(stream, 0));
}

void sim_delete(struct sim *sim, const char *name)
{
    cleanup(named_deinit) struct named named = parse_name(name);
    struct store_precondition none = {};
    struct err err = {};

    sim->quiet = true;
    must(store_delete(sim->store, &sim->ctx, &named.kind->resource, &named.key, &none, &err), &err,
         "deleting", name);
    sim->quiet = false;
}

static void replace_condition(struct json *conditions, struct json *condition)
{
    json_for_each_item (item, conditions) {
        if (streq(json_get_text(item, "type"), json_get_text(condition, "type"))) {
            json_remove_at(conditions, item_at);
            break;
        }
    }
    json_append(conditions, condition);
}

void sim_set_condition(struct sim *sim, const char *name, const char *type, const char *status,
                       const char *reason, const char *message)
{
    cleanup(named_deinit) struct named named = parse_name(name);
    cleanup(json_unref) struct json *object = json_deep(sim_get(sim, name));
    struct json *in_status = json_need_map(object, "status"), *condition = json_new_map();
    char now[TIME_TEXT_MAX];
    struct err err = {};

    time_format(sim->clock.now_ms, now);
    json_set_text(condition, "type", type);
    json_set_text(condition, "status", status);
    json_set_text(condition, "reason", reason);
    json_set_text(condition, "message", message);
    json_set_text(condition, "lastTransitionTime", now);
    if (!json_get(in_status, "conditions"))
        json_set(in_status, "conditions", json_new_list());
    replace_condition(json_get(in_status, "conditions"), condition);
    sim->quiet = true;
    must(store_update(sim->store, &sim->ctx, &named.kind->resource, STORE_STATUS, USER, object,
                      NULL, &err),
         &err, "writing the status of", name);
    sim->quiet = false;
}

/* --- what they see --- */

const struct json *sim_get(struct sim *sim, const char *name)
{
    cleanup(named_deinit) struct named named = parse_name(name);
    struct json *object = NULL;
    struct err err = {};
    int r = store_get(sim->store, &sim->ctx, &named.kind->resource, &named.key, &object, &err);

    if (r == ERR_NOT_FOUND)
        return NULL;
    must(r, &err, "reading", name);
    json_append(sim->objects, object);
    return object;
}

/* As JSON, which is YAML, too. */
char *sim_backup(struct sim *sim, const char *name)
{
    cleanup(json_unref) struct json *object = json_deep(sim_get(sim, name));
    struct json *metadata = json_get(object, "metadata");
    static const char *const gone[] = {"uid",           "resourceVersion", "creationTimestamp",
                                       "managedFields", "ownerReferences", "generation"};

    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        json_remove(metadata, gone[i]);
    json_remove(object, "status");
    return json_text(object);
}

const char *sim_text(struct sim *sim, const char *name, const char *path)
{
    const struct json *value = json_path(sim_get(sim, name), path);

    if (!value)
        return NULL;
    return json_as_text(value) ? json_as_text(value) : lend(sim, json_text(value));
}

int64_t sim_time(struct sim *sim, const char *name, const char *path)
{
    const char *text = sim_text(sim, name, path);

    return text ? AT(text) : 0;
}

static const struct json *condition(struct sim *sim, const char *name, const char *type)
{
    const struct json *conditions = json_path(sim_get(sim, name), "status.conditions");

    json_for_each_item (item, conditions) {
        if (streq(json_get_text(item, "type"), type))
            return item;
    }
    return NULL;
}

const char *sim_condition(struct sim *sim, const char *name, const char *type)
{
    return json_get_text(condition(sim, name, type), "status");
}

const char *sim_reason(struct sim *sim, const char *name, const char *type)
{
    return json_get_text(condition(sim, name, type), "reason");
}

const char *sim_message(struct sim *sim, const char *name, const char *type)
{
    return json_get_text(condition(sim, name, type), "message");
}

const char *sim_secret(struct sim *sim, const char *name, const char *key)
{
    cleanup(xfree) char *full = xasprintf("secret/%s", name);
    const char *text = json_get_text(json_get(sim_get(sim, full), "data"), key);
    struct buf value = BUF(1024 * 1024);
    struct err err = {};

    ASSERT_FALSE(str_starts(name, "secret/")); /* is put in front here */
    if (!text)
        return NULL;
    must(base64_decode(&value, text, strlen(text), &err), &err, "decoding", name);
    return lend(sim, buf_take(&value));
}

static struct json *list(struct sim *sim, const char *kind)
{
    struct json *all = NULL;
    struct err err = {};

    ASSERT_TRUE(kind_by_name(kind) != NULL);
    must(store_list(sim->store, &sim->ctx, &kind_by_name(kind)->resource, NULL, &all, &err), &err,
         "listing", kind);
    return all;
}

size_t sim_count(struct sim *sim, const char *kind)
{
    cleanup(json_unref) struct json *all = list(sim, kind);

    return json_len(all);
}

const char *sim_only(struct sim *sim, const char *kind)
{
    cleanup(json_unref) struct json *all = list(sim, kind);
    const struct json *metadata = json_get(json_at(all, 0), "metadata");

    ASSERT_EQ(json_len(all), 1);
    return lend(sim, xasprintf("%s/%s/%s", kind, json_get_text(metadata, "namespace"),
                               json_get_text(metadata, "name")));
}

static struct json *events_of(struct sim *sim, const char *name)
{
    cleanup(named_deinit) struct named named = parse_name(name);
    struct json *events = NULL;
    struct err err = {};

    must(
        store_local_events(sim->store, &sim->ctx, &named.kind->resource, &named.key, &events, &err),
        &err, "reading events of", name);
    return events;
}

size_t sim_events(struct sim *sim, const char *name)
{
    cleanup(json_unref) struct json *events = events_of(sim, name);

    return json_len(events);
}

int sim_times_told(struct sim *sim, const char *name, const char *reason)
{
    cleanup(json_unref) struct json *events = events_of(sim, name);
    int64_t times = 0;

    json_for_each_item (item, events) {
        if (streq(json_get_text(item, "reason"), reason))
            times += json_get_int(json_get(item, "series"), "count", 1);
    }
    return (int)times;
}

bool sim_has_event(struct sim *sim, const char *name, const char *reason)
{
    return sim_times_told(sim, name, reason) > 0;
}

bool sim_has_account(struct sim *sim, const char *issuer)
{
    const char *uid = sim_text(sim, issuer, "metadata.uid");
    cleanup(acme_client_unref) struct acme_client *client = accounts_get(sim->accounts, uid);

    return client;
}
