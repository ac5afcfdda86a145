#include "store/field_tree.h"

#include <string.h>

enum place { AT_ROOT, AT_METADATA, AT_CONTENT };

/* How the items of a list are told apart; NULL: atomic. */
struct list_rule {
    enum place place;
    const char *name;
    const char *key; /* NULL: a set of texts */
    bool atomic_items;
};

static const struct list_rule list_rules[] = {
    {AT_METADATA, "finalizers", NULL, false},
    {AT_METADATA, "ownerReferences", "uid", true},
    {AT_CONTENT, "conditions", "type", false},
};

static const char *const system_fields[] = {
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
};

bool field_is_system(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(system_fields); i++) {
        if (streq(name, system_fields[i]))
            return true;
    }
    return false;
}

bool field_may_be_keyed(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(list_rules); i++) {
        if (streq(list_rules[i].name, name))
            return true;
    }
    return false;
}

static const struct list_rule *list_rule_find(enum place place, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(list_rules); i++) {
        if (list_rules[i].place == place && streq(list_rules[i].name, name))
            return &list_rules[i];
    }
    return NULL;
}

/* Object to tree. */

static struct json *tree_from_map(const struct json *map, enum place place);

static char *step_of_item(const struct list_rule *rule, const struct json *item)
{
    const struct json *id = rule->key ? json_get(item, rule->key) : item;
    cleanup(xfree) char *text = NULL;
    cleanup(json_unref) struct json *keys = NULL;

    if (!json_as_text(id))
        return NULL;
    if (!rule->key) {
        text = json_text(id);
        return xasprintf("v:%s", text);
    }
    keys = json_new_map();
    json_set_text(keys, rule->key, json_as_text(id));
    text = json_text(keys);
    return xasprintf("k:%s", text);
}

static struct json *tree_from_item(const struct list_rule *rule, struct json *item)
{
    struct json *wrapped;

    if (!rule->key)
        return json_ref(item);
    if (!rule->atomic_items)
        return tree_from_map(item, AT_CONTENT);
    wrapped = json_new_list(); /* no map, hence a leaf; opened again by list_from_tree() */
    json_append(wrapped, json_ref(item));
    return wrapped;
}

/* NULL when the items cannot be told apart: then the list is atomic, as without a rule. */
static struct json *tree_from_list(const struct list_rule *rule, const struct json *list)
{
    cleanup(json_unref) struct json *tree = json_new_map();

    json_for_each_item (item, list) {
        cleanup(xfree) char *step = step_of_item(rule, item);

        if (!step || json_get(tree, step))
            return NULL;
        json_set(tree, step, tree_from_item(rule, item));
    }
    return json_len(list) > 0 ? take(tree) : NULL;
}

static struct json *tree_from_value(struct json *value, enum place place, const char *name)
{
    const struct list_rule *rule;
    struct json *tree = NULL;

    if (json_kind(value) == JSON_KIND_MAP)
        return tree_from_map(value, place == AT_ROOT && streq(name, "metadata") ? AT_METADATA
                                                                                : AT_CONTENT);
    rule = json_kind(value) == JSON_KIND_LIST ? list_rule_find(place, name) : NULL;
    if (rule)
        tree = tree_from_list(rule, value);
    return tree ? tree : json_ref(value);
}

static struct json *tree_from_map(const struct json *map, enum place place)
{
    struct json *tree = json_new_map();

    json_for_each (name, value, map) {
        cleanup(xfree) char *step = NULL;

        if (place == AT_ROOT && (streq(name, "apiVersion") || streq(name, "kind")))
            continue;
        if (place == AT_METADATA && field_is_system(name))
            continue;
        step = xasprintf("f:%s", name);
        json_set(tree, step, tree_from_value(value, place, name));
    }
    return tree;
}

struct json *field_tree_from_object(const struct json *object)
{
    return tree_from_map(object, AT_ROOT);
}

/* Tree to object. */

static const char *first_step(const struct json *tree)
{
    struct json_iter *first = json_kind(tree) == JSON_KIND_MAP ? json_iter_first(tree) : NULL;

    return first ? json_iter_name(first) : NULL;
}

static bool is_list_tree(const struct json *tree)
{
    const char *step = first_step(tree);

    return step && !str_starts(step, "f:");
}

static struct json *list_from_tree(const struct json *tree)
{
    struct json *list = json_new_list();

    json_for_each (step, value, tree) {
        if (str_starts(step, "k:") && json_kind(value) == JSON_KIND_LIST)
            json_append(list, json_ref(json_at(value, 0)));
        else
            json_append(list, field_tree_to_object(value));
    }
    return list;
}

struct json *field_tree_to_object(const struct json *tree)
{
    struct json *map;

    if (json_kind(tree) != JSON_KIND_MAP)
        return json_ref((struct json *)tree);
    if (is_list_tree(tree))
        return list_from_tree(tree);
    map = json_new_map();
    json_for_each (step, value, tree) {
        json_set(map, step + 2, field_tree_to_object(value));
    }
    return map;
}

/* Work on trees. */

static bool both_are_maps(const struct json *a, const struct json *b)
{
    if (json_kind(a) != JSON_KIND_MAP || json_kind(b) != JSON_KIND_MAP)
        return false;
    /* A map against a keyed list: one replaces the other. An empty map goes with both. */
    return json_len(a) == 0 || json_len(b) == 0 || is_list_tree(a) == is_list_tree(b);
}

void field_tree_merge(struct json *tree, const struct json *more)
{
    json_for_each (step, value, more) {
        struct json *mine = json_get(tree, step);

        if (mine && both_are_maps(mine, value))
            field_tree_merge(mine, value);
        else
            json_set(tree, step,
                     json_kind(value) == JSON_KIND_MAP ? json_deep(value) : json_ref(value));
    }
}

/* As structured-merge-diff's toFieldSet: leaves, empty maps and items of lists are members. */
static void add_applied_paths(struct field_set *set, const struct json *tree)
{
    json_for_each (step, value, tree) {
        struct field_set *child = field_set_need(set, step);

        if (json_kind(value) == JSON_KIND_MAP)
            add_applied_paths(child, value);
        if (json_kind(value) != JSON_KIND_MAP || json_len(value) == 0 || !str_starts(step, "f:"))
            child->member = true;
    }
}

struct field_set *field_tree_paths(const struct json *tree)
{
    struct field_set *set = field_set_new();
    struct field_set *metadata;

    add_applied_paths(set, tree);
    metadata = field_set_get(set, "f:metadata");
    if (metadata)
        metadata->member = false; /* never owned by anybody */
    return set;
}

static void add_whole(struct field_set *set, const char *step, const struct json *value)
{
    struct field_set *child = field_set_need(set, step);

    child->member = true;
    if (json_kind(value) != JSON_KIND_MAP)
        return;
    json_for_each (inner, item, value) {
        add_whole(child, inner, item);
    }
}

static void compare_maps(const struct json *before, const struct json *after,
                         struct field_set *gained, struct field_set *lost);

static void compare_step(const char *step, const struct json *old, const struct json *new,
                         struct field_set *gained, struct field_set *lost)
{
    if (!old) {
        add_whole(gained, step, new);
    } else if (both_are_maps(old, new)) {
        compare_maps(old, new, field_set_need(gained, step), field_set_need(lost, step));
    } else if (json_kind(old) == JSON_KIND_MAP || json_kind(new) == JSON_KIND_MAP) {
        add_whole(lost, step, old);
        add_whole(gained, step, new);
    } else if (!json_same(old, new)) {
        field_set_need(gained, step)->member = true;
    }
}

static void compare_maps(const struct json *before, const struct json *after,
                         struct field_set *gained, struct field_set *lost)
{
    json_for_each (step, value, after) {
        compare_step(step, json_get(before, step), value, gained, lost);
    }
    json_for_each (gone, old, before) {
        if (!json_get(after, gone))
            add_whole(lost, gone, old);
    }
}

void field_tree_compare(const struct json *before, const struct json *after,
                        struct field_set *gained, struct field_set *lost)
{
    compare_maps(before, after, gained, lost);
    if (field_set_get(gained, "f:metadata"))
        field_set_get(gained, "f:metadata")->member = false;
}

/* An item that lives on because of others' fields keeps the key that names it. */
static void restore_item_key(const char *step, struct json *item)
{
    cleanup(json_unref) struct json *keys = NULL;
    int r;

    r = json_parse(step + 2, strlen(step + 2), strlen(step + 2), &keys, NULL);
    if (r < 0)
        return; /* a step that we did not write */
    json_for_each (name, value, keys) {
        cleanup(xfree) char *inner = xasprintf("f:%s", name);

        if (!json_get(item, inner))
            json_set(item, inner, json_ref(value));
    }
}

static bool prune_step(const char *step, struct json *value, const struct field_set *last,
                       const struct field_set *keep)
{
    bool kept = !field_set_is_empty(keep);

    if (json_kind(value) != JSON_KIND_MAP)
        return last->member && !kept;
    field_tree_prune(value, last, keep);
    if (json_len(value) == 0)
        return !kept;
    if (str_starts(step, "k:"))
        restore_item_key(step, value);
    return false;
}

void field_tree_prune(struct json *tree, const struct field_set *last, const struct field_set *keep)
{
    for (size_t i = 0; i < last->len; i++) {
        const char *step = last->children[i]->step;
        struct json *value = json_get(tree, step);

        if (value && prune_step(step, value, last->children[i], field_set_get(keep, step)))
            json_remove(tree, step);
    }
}
