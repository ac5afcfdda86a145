#include "store/managed_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/field_set.h"
#include "store/field_tree.h"

/* The API server folds the oldest Update entries beyond this many into one. */
#define UPDATE_ENTRIES_MAX 10
#define ANCIENT_MANAGER    "ancient-changes"
#define STEP_MAX           512 /* longer names are not certain */

struct entry {
    struct json *json; /* everything but fieldsV1 */
    struct field_set *fields;
};
struct entries {
    struct entry *items;
    size_t len;
};

static void entry_deinit(struct entry *entry)
{
    json_unref(entry->json);
    field_set_free(entry->fields);
}

static void entries_deinit(struct entries *entries)
{
    for (size_t i = 0; i < entries->len; i++)
        entry_deinit(&entries->items[i]);
    xfree(entries->items);
}
DEFINE_CLEANUP_VALUE(struct entries, entries_deinit);

static struct entry *entries_add(struct entries *entries, struct json *json,
                                 struct field_set *fields)
{
    struct entry *entry;

    entries->items = xrealloc(entries->items, (entries->len + 1) * sizeof(entries->items[0]));
    entry = &entries->items[entries->len++];
    *entry = (struct entry){.json = json, .fields = fields};
    return entry;
}

static void entries_remove(struct entries *entries, size_t i)
{
    entry_deinit(&entries->items[i]);
    entries->len--;
    memmove(entries->items + i, entries->items + i + 1,
            (entries->len - i) * sizeof(entries->items[0]));
}

static void entries_read(struct entries *entries, const struct json *object)
{
    json_for_each_item (item, json_path(object, "metadata.managedFields")) {
        struct json *json = json_deep(item);

        json_remove(json, "fieldsV1");
        entries_add(entries, json, field_set_from_json(json_get(item, "fieldsV1")));
    }
}

static int text_compare(const struct json *a, const struct json *b, const char *name)
{
    return strcmp(str_or(json_get_text(a, name), ""), str_or(json_get_text(b, name), ""));
}

/* The API server's order: Apply before Update, then by time, then by name. */
static int entry_compare(const void *a, const void *b)
{
    static const char *const by[] = {"operation", "time", "manager", "apiVersion", "subresource"};
    const struct entry *left = a, *right = b;
    int order = 0;

    for (size_t i = 0; i < ARRAY_LEN(by) && order == 0; i++)
        order = text_compare(left->json, right->json, by[i]);
    return order;
}

static bool is_update(const struct entry *entry)
{
    return streq(json_get_text(entry->json, "operation"), "Update");
}

/* Makes one entry of the two oldest Update entries until few enough are left; sorted input. */
static void entries_cap(struct entries *entries)
{
    size_t updates = 0, first;

    for (size_t i = 0; i < entries->len; i++)
        updates += is_update(&entries->items[i]);
    first = entries->len - updates;
    while (updates-- > UPDATE_ENTRIES_MAX) {
        struct entry *merged = &entries->items[first + 1];

        field_set_add_all(merged->fields, entries->items[first].fields);
        json_set_text(merged->json, "manager", ANCIENT_MANAGER);
        entries_remove(entries, first);
    }
}

static void entries_write(struct entries *entries, struct json *object)
{
    struct json *list;

    for (size_t i = entries->len; i-- > 0;) {
        if (field_set_is_empty(entries->items[i].fields))
            entries_remove(entries, i);
    }
    if (entries->len > 0)
        qsort(entries->items, entries->len, sizeof(entries->items[0]), entry_compare);
    entries_cap(entries);
    list = json_new_list();
    for (size_t i = 0; i < entries->len; i++) {
        struct json *item = json_deep(entries->items[i].json);

        json_set(item, "fieldsV1", field_set_to_json(entries->items[i].fields));
        json_append(list, item);
    }
    json_set(json_need_map(object, "metadata"), "managedFields", list);
}

/* An applier is the same whatever version of the API it used; an updater is not. */
static bool entry_is_of(const struct json *json, const struct field_writer *writer,
                        const char *operation)
{
    return streq(json_get_text(json, "manager"), writer->manager) &&
           streq(json_get_text(json, "operation"), operation) &&
           streq(json_get_text(json, "subresource"), writer->subresource) &&
           (streq(operation, "Apply") ||
            streq(json_get_text(json, "apiVersion"), writer->api_version));
}

static struct entry *entries_need(struct entries *entries, const struct field_writer *writer,
                                  const char *operation)
{
    struct json *json;

    for (size_t i = 0; i < entries->len; i++) {
        if (entry_is_of(entries->items[i].json, writer, operation))
            return &entries->items[i];
    }
    json = json_new_map();
    json_set_text(json, "manager", writer->manager);
    json_set_text(json, "operation", operation);
    json_set_text(json, "fieldsType", "FieldsV1");
    if (writer->subresource)
        json_set_text(json, "subresource", writer->subresource);
    return entries_add(entries, json, field_set_new());
}

static void entry_touch(struct entry *entry, const struct field_writer *writer)
{
    json_set_text(entry->json, "apiVersion", writer->api_version);
    json_set_text(entry->json, "time", writer->time);
}

static void entries_remove_fields(struct entries *entries, const struct entry *but,
                                  const struct field_set *fields)
{
    for (size_t i = 0; i < entries->len; i++) {
        if (&entries->items[i] != but)
            field_set_remove_all(entries->items[i].fields, fields);
    }
}

static struct json *tree_of(const struct json *object)
{
    return object ? field_tree_from_object(object) : json_new_map();
}

void managed_fields_update(const struct json *live, struct json *object,
                           const struct field_writer *writer)
{
    cleanup(entries_deinit) struct entries entries = {};
    cleanup(json_unref) struct json *before = tree_of(live);
    cleanup(json_unref) struct json *after = tree_of(object);
    cleanup(field_set_free) struct field_set *gained = field_set_new();
    cleanup(field_set_free) struct field_set *lost = field_set_new();

    field_tree_compare(before, after, gained, lost);
    entries_read(&entries, live);
    entries_remove_fields(&entries, NULL, lost);
    if (!field_set_is_empty(gained)) {
        struct entry *mine = entries_need(&entries, writer, "Update");

        entries_remove_fields(&entries, mine, gained);
        field_set_add_all(mine->fields, gained);
        entry_touch(mine, writer);
    }
    entries_write(&entries, object);
}

/* Removes from `tree` what `mine` applied before, `now` does not name, and no other entry owns. */
static void prune(struct json *tree, const struct entries *entries, const struct entry *mine,
                  const struct field_set *now)
{
    cleanup(field_set_free) struct field_set *keep = field_set_new();

    field_set_add_all(keep, now);
    for (size_t i = 0; i < entries->len; i++) {
        if (&entries->items[i] != mine)
            field_set_add_all(keep, entries->items[i].fields);
    }
    field_tree_prune(tree, mine->fields, keep);
}

static void copy_system_metadata(const struct json *live, struct json *object)
{
    struct json *metadata = json_need_map(object, "metadata");

    json_set_text(object, "apiVersion", json_get_text(live, "apiVersion"));
    json_set_text(object, "kind", json_get_text(live, "kind"));
    json_for_each (name, value, json_get(live, "metadata")) {
        if (field_is_system(name))
            json_set(metadata, name, json_ref(value));
    }
}

struct json *managed_fields_apply(const struct json *live, const struct json *config,
                                  const struct field_writer *writer)
{
    cleanup(entries_deinit) struct entries entries = {};
    cleanup(json_unref) struct json *before = tree_of(live);
    cleanup(json_unref) struct json *tree = tree_of(live);
    cleanup(json_unref) struct json *wanted = tree_of(config);
    cleanup(field_set_free) struct field_set *now = field_tree_paths(wanted);
    cleanup(field_set_free) struct field_set *changed = field_set_new();
    cleanup(json_unref) struct json *object = NULL;
    struct entry *mine;

    entries_read(&entries, live);
    mine = entries_need(&entries, writer, "Apply");
    field_tree_merge(tree, wanted);
    prune(tree, &entries, mine, now);
    field_tree_compare(before, tree, changed, changed);
    entries_remove_fields(&entries, mine, changed);
    field_set_free(mine->fields);
    mine->fields = take(now);
    entry_touch(mine, writer);

    object = field_tree_to_object(tree);
    copy_system_metadata(live ? live : config, object);
    entries_write(&entries, object);
    return take(object);
}

/* --- applying what is there already --- */

enum level { LEVEL_ROOT, LEVEL_METADATA, LEVEL_CONTENT };

static bool is_left_out(enum level level, const char *name)
{
    if (level == LEVEL_ROOT)
        return streq(name, "apiVersion") || streq(name, "kind");
    return level == LEVEL_METADATA && field_is_system(name);
}

static bool holds_map(const struct json *live, const struct json *config, const struct json *owned,
                      enum level level);

static bool holds_value(const char *name, const struct json *live, const struct json *value,
                        const struct json *owned)
{
    if (json_kind(value) == JSON_KIND_MAP && json_len(value) > 0)
        return json_kind(live) == JSON_KIND_MAP && holds_map(live, value, owned, LEVEL_CONTENT);
    if (json_kind(value) == JSON_KIND_LIST && field_may_be_keyed(name))
        return false;
    return json_kind(owned) == JSON_KIND_MAP && json_len(owned) == 0 && live &&
           json_same(live, value);
}

/* `owned` must name all members of `config` that are not the server's, and no other. Metadata as such is
 * owned by nobody, so it may be missing there. */
static bool holds_map(const struct json *live, const struct json *config, const struct json *owned,
                      enum level level)
{
    size_t count = 0;

    json_for_each (name, value, config) {
        const struct json *there = json_get(live, name), *mine;
        char step[STEP_MAX];

        if (is_left_out(level, name))
            continue;
        if (snprintf(step, sizeof(step), "f:%s", name) >= STEP_MAX)
            return false;
        mine = json_get(owned, step);
        count += mine != NULL;
        if (level == LEVEL_ROOT && streq(name, "metadata")) {
            if (!holds_map(there, value, mine, LEVEL_METADATA))
                return false;
        } else if (!mine || !holds_value(name, there, value, mine)) {
            return false;
        }
    }
    return count == json_len(owned);
}

bool managed_fields_hold(const struct json *live, const struct json *config,
                         const struct field_writer *writer)
{
    json_for_each_item (item, json_path(live, "metadata.managedFields")) {
        if (entry_is_of(item, writer, "Apply"))
            return streq(json_get_text(item, "apiVersion"), writer->api_version) &&
                   holds_map(live, config, json_get(item, "fieldsV1"), LEVEL_ROOT);
    }
    return false;
}

/* The entries without their times, as one list. */
static struct json *timeless(const struct json *object)
{
    struct json *list = json_deep(json_path(object, "metadata.managedFields"));

    json_for_each_item (item, list) {
        json_remove(item, "time");
    }
    return list;
}

static bool holds_all(const struct json *a, const struct json *b)
{
    json_for_each_item (item, a) {
        bool found = false;

        json_for_each_item (other, b) {
            found = found || json_same(item, other);
        }
        if (!found)
            return false;
    }
    return true;
}

bool managed_fields_same(const struct json *a, const struct json *b)
{
    cleanup(json_unref) struct json *left = timeless(a);
    cleanup(json_unref) struct json *right = timeless(b);

    return json_len(left) == json_len(right) && holds_all(left, right);
}
