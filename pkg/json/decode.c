/*
 * decode.c - documents to structs: the walk along a table.
 *
 * Every member goes the same way: is it there, may it be (decode_member), what is it (the decoder
 * of its type), does it keep its rules (check_member). Rules that look at several members come
 * after the last one.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "json/decoder.h"

static enum outcome decode_struct(struct decoder *d, const struct fields *fields,
                                  const struct json *value, const struct path *path, void *self);

enum outcome decoder_broken(struct decoder *d, enum field_problem_kind kind,
                            const struct path *path, const char *fmt, ...)
{
    cleanup(xfree) char *where = NULL;
    char text[ERR_TEXT_MAX];
    va_list args;

    if (!d->report)
        return PASSED_OVER;
    where = path_text(path);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut where it is too long */
    va_end(args);
    field_report_add(d->report, kind, where, "%s", text);
    return PASSED_OVER;
}

static const char *kind_with_article(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_KIND_NULL] = "null",      [JSON_KIND_BOOL] = "a boolean",
        [JSON_KIND_INT] = "an integer", [JSON_KIND_REAL] = "a fraction or too large",
        [JSON_KIND_TEXT] = "a string",  [JSON_KIND_LIST] = "a list",
        [JSON_KIND_MAP] = "a map",
    };

    return names[kind];
}

/* YAML made something else of `version: 1.10`. */
static bool wants_quotes(const char *wanted, enum json_kind kind)
{
    return streq(wanted, "a string") &&
           (kind == JSON_KIND_BOOL || kind == JSON_KIND_INT || kind == JSON_KIND_REAL);
}

enum outcome decoder_wrong_type(struct decoder *d, const struct path *path, const char *wanted,
                                const struct json *value)
{
    enum json_kind kind = json_kind(value);
    const char *hint = wants_quotes(wanted, kind) ? "; put it in quotes" : "";
    const char *is = kind == JSON_KIND_REAL && *hint ? "a number" : kind_with_article(kind);
    cleanup(xfree) char *where = NULL;

    if (d->report)
        return decoder_broken(d, PROBLEM_TYPE, path, "must be %s, is %s%s", wanted, is, hint);
    where = path_text(path);
    (void)err_set(d->err, ERR_INVALID, "%s%smust be %s, is %s", where, *where ? ": " : "", wanted,
                  is);
    return FAILED;
}

/* Lists of values */

/* null in a list: Go reads it as the zero value, which `items` already holds. */
static enum outcome decode_item(struct decoder *d, const struct field *row, decode_fn *decode,
                                const struct json *value, const struct path *path, void *item)
{
    if (!d->report && json_kind(value) == JSON_KIND_NULL)
        return DECODED;
    return decode(d, row, value, path, item);
}

/* Items that cannot be read leave their place zeroed, so that positions stay. The list is passed over with
 * them, so that its rules do not find the zeros and tell of each again. */
static enum outcome decode_items(struct decoder *d, const struct field *row, decode_fn *decode,
                                 size_t item_size, const struct json *value,
                                 const struct path *path, struct array_any *array)
{
    enum outcome outcome = DECODED;

    if (json_kind(value) != JSON_KIND_LIST)
        return decoder_wrong_type(d, path, "a list", value);
    if (json_len(value) == 0)
        return DECODED;
    array->len = json_len(value);
    array->items = arena_alloc(d->arena, array->len * item_size);
    json_for_each_item (item, value) {
        struct path place = {.up = path, .index = item_at};
        void *at = array->items + item_at * item_size;
        enum outcome of_item = decode_item(d, row, decode, item, &place, at);

        if (of_item == FAILED)
            return FAILED;
        outcome = of_item == PASSED_OVER ? PASSED_OVER : outcome;
    }
    return outcome;
}

static enum outcome decode_strings(struct decoder *d, const struct field *row,
                                   const struct json *value, const struct path *path, void *member)
{
    struct array_string *strings = member;
    enum outcome outcome = decode_items(d, row, scalar_decode_string, sizeof(char *), value, path,
                                        member);

    for (size_t i = 0; i < strings->len; i++)
        if (!strings->items[i])
            strings->items[i] = "";
    return outcome;
}

static enum outcome decode_enums(struct decoder *d, const struct field *row,
                                 const struct json *value, const struct path *path, void *member)
{
    return decode_items(d, row, scalar_decode_enum, sizeof(int), value, path, member);
}

static enum outcome decode_list_item(struct decoder *d, const struct field *row,
                                     const struct json *value, const struct path *path, void *item)
{
    return decode_struct(d, row->of, value, path, item);
}

/* List-maps */

static void add_key(const struct json *item, const char *name, struct buf *to)
{
    const struct json *value = name ? json_get(item, name) : NULL;

    if (!value)
        return;
    buf_addf(to, "%s%s ", to->len > 0 ? "and " : "", name);
    json_print(value, to);
    buf_add_char(to, ' ');
}

static bool has_key(const struct field *row, const struct json *item)
{
    return json_get(item, row->key) || (row->key2 && json_get(item, row->key2));
}

/* Keys are looked up in a map, because the list is as long as an outsider likes. */
static void check_keys_unique(struct decoder *d, const struct field *row, const struct json *list,
                              const struct path *path)
{
    cleanup(map_free) struct map *seen = map_new(NULL);

    json_for_each_item (item, list) {
        cleanup(buf_deinit) struct buf key = BUF(SIZE_MAX);
        struct path place = {.up = path, .index = item_at};

        if (!has_key(row, item))
            continue; /* its absence is another rule's matter */
        add_key(item, row->key, &key);
        add_key(item, row->key2, &key);
        if (map_has(seen, buf_str(&key)))
            (void)decoder_broken(d, PROBLEM_INVALID, &place, "%.200sis in the list already",
                                 buf_str(&key));
        else
            map_set(seen, buf_str(&key), (void *)row);
    }
}

static enum outcome decode_list_strictly(struct decoder *d, const struct field *row,
                                         const struct json *value, const struct path *path,
                                         void *member)
{
    size_t len = json_len(value);
    enum outcome outcome;

    if (row->max > 0 && len > (size_t)row->max)
        return decoder_broken(d, PROBLEM_INVALID, path, "may have %lld items, and has %zu",
                              (long long)row->max, len);
    d->items += len;
    if (d->items > FIELD_ITEMS_MAX)
        return decoder_broken(d, PROBLEM_INVALID, path, "the lists up to here have over %d items",
                              FIELD_ITEMS_MAX);
    outcome = decode_items(d, row, decode_list_item, row->of->size, value, path, member);
    if (outcome == DECODED && row->key)
        check_keys_unique(d, row, value, path);
    return outcome;
}

static struct json *cut_list(const struct json *value, size_t len)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < len; i++)
        json_append(list, json_ref(json_at(value, i)));
    return list;
}

/* A store has let in what it has. The first item too many stays, so that the strict form finds fault with what
 * was decoded here, and those who look at the object can say so to its owner. */
static enum outcome decode_list_cut(struct decoder *d, const struct field *row,
                                    const struct json *value, const struct path *path, void *member)
{
    cleanup(json_unref) struct json *cut = NULL;

    if (d->items > FIELD_ITEMS_MAX)
        return DECODED; /* nothing of what is behind it */
    cut = cut_list(value, FIELD_ITEMS_MAX - d->items + 1);
    d->items = FIELD_ITEMS_MAX + 1;
    return decode_items(d, row, decode_list_item, row->of->size, cut, path, member);
}

static enum outcome decode_list(struct decoder *d, const struct field *row,
                                const struct json *value, const struct path *path, void *member)
{
    if (d->report)
        return decode_list_strictly(d, row, value, path, member);
    if (json_kind(value) == JSON_KIND_LIST && d->items + json_len(value) > FIELD_ITEMS_MAX)
        return decode_list_cut(d, row, value, path, member);
    d->items += json_len(value);
    return decode_items(d, row, decode_list_item, row->of->size, value, path, member);
}

/* Structs, maps and anything else */

static enum outcome decode_inline(struct decoder *d, const struct field *row,
                                  const struct json *value, const struct path *path, void *member)
{
    /* Of a whole object, metadata, spec and status each count alone: the strict form looks at a spec alone, too, and
     * a spec that is cut must not take the status behind it away. */
    if (!d->report && !path->up->up)
        d->items = 0;
    return decode_struct(d, row->of, value, path, member);
}

static enum outcome decode_object(struct decoder *d, const struct field *row,
                                  const struct json *value, const struct path *path, void *member)
{
    void *object;

    if (json_kind(value) != JSON_KIND_MAP)
        return decoder_wrong_type(d, path, "a map", value);
    object = arena_alloc(d->arena, row->of->size);
    *(void **)member = object;
    return decode_struct(d, row->of, value, path, object);
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static enum outcome decode_map(struct decoder *d, const struct field *row, const struct json *value,
                               const struct path *path, void *member)
{
    struct array_pair *map = member;

    if (json_kind(value) != JSON_KIND_MAP)
        return decoder_wrong_type(d, path, "a map", value);
    if (json_len(value) == 0)
        return DECODED;
    map->items = arena_alloc(d->arena, json_len(value) * sizeof(*map->items));
    json_for_each (key, text, value) {
        struct path place = {.up = path, .name = key, .is_key = true};
        struct pair pair = {.value = ""};

        if (decode_item(d, row, scalar_decode_text, text, &place, &pair.value) == FAILED)
            return FAILED;
        pair.key = arena_strdup(d->arena, key);
        map->items[map->len++] = pair;
    }
    qsort(map->items, map->len, sizeof(*map->items), compare_pairs);
    return DECODED;
}

static enum outcome decode_raw(struct decoder *d, const struct field *row, const struct json *value,
                               const struct path *path, void *member)
{
    *(struct json **)member = arena_hold_json(d->arena, (struct json *)value);
    return DECODED;
}

static decode_fn *const decoders[] = {
    [FIELD_STRING] = scalar_decode_string,
    [FIELD_SECRET] = scalar_decode_string,
    [FIELD_QUANTITY] = scalar_decode_quantity,
    [FIELD_BOOL] = scalar_decode_bool,
    [FIELD_OPT_BOOL] = scalar_decode_opt_bool,
    [FIELD_INT] = scalar_decode_int,
    [FIELD_OPT_INT] = scalar_decode_opt_int,
    [FIELD_DURATION] = scalar_decode_duration,
    [FIELD_TIME] = scalar_decode_time,
    [FIELD_MICROTIME] = scalar_decode_time,
    [FIELD_BYTES] = scalar_decode_bytes,
    [FIELD_ENUM] = scalar_decode_enum,
    [FIELD_INLINE] = decode_inline,
    [FIELD_OBJECT] = decode_object,
    [FIELD_STRINGS] = decode_strings,
    [FIELD_ENUMS] = decode_enums,
    [FIELD_LIST] = decode_list,
    [FIELD_MAP] = decode_map,
    [FIELD_RAW] = decode_raw,
};

/* Rules of one member */

static bool is_empty_text(const struct field *row, const void *member)
{
    if (field_is_text(row->type))
        return **(const char *const *)member == '\0';
    return row->type == FIELD_BYTES && ((const struct bytes *)member)->len == 0;
}

static void check_member(struct decoder *d, const struct field *row, const void *member,
                         const struct path *path)
{
    cleanup(xfree) char *where = NULL;

    if (is_empty_text(row, member) && row->flags & F_REQUIRED && !(row->flags & F_MAY_BE_EMPTY)) {
        (void)decoder_broken(d, PROBLEM_REQUIRED, path, "must not be empty");
        return;
    }
    scalar_check_limits(d, row, member, path);
    if (!row->check || !member_is_present(row, member) || is_empty_text(row, member))
        return;
    where = path_text(path);
    row->check(member, where, d->report);
}

static void check_built(struct decoder *d, const struct field *row, const struct path *path)
{
    if (row->flags & F_UNBUILT)
        (void)decoder_broken(d, PROBLEM_UNBUILT, path,
                             "not built in this version of certlet yet; remove the field");
    if (row->flags & F_NO_EFFECT)
        (void)decoder_broken(d, PROBLEM_WARNING, path, "has no effect in a directory");
}

static bool is_absent(const struct json *value)
{
    return json_kind(value) == JSON_KIND_NULL;
}

static enum outcome decode_member(struct decoder *d, const struct field *row,
                                  const struct json *value, const struct path *up, void *self)
{
    struct path path = {.up = up, .name = row->name};
    void *member = member_of(self, row);
    enum outcome outcome;

    if (is_absent(value)) {
        if (row->flags & F_REQUIRED)
            (void)decoder_broken(d, PROBLEM_REQUIRED, &path, "must be set");
        return DECODED;
    }
    check_built(d, row, &path);
    outcome = decoders[row->type](d, row, value, &path, member);
    if (outcome == DECODED && d->report)
        check_member(d, row, member, &path);
    return outcome;
}

/* Rules of one struct */

static bool report_is_full(const struct field_report *report)
{
    return report->len == FIELD_PROBLEMS_MAX;
}

static void check_unknown(struct decoder *d, const struct fields *fields, const struct json *value,
                          const struct path *path)
{
    json_for_each (name, member, value) {
        struct path place = {.up = path, .name = name};
        const char *meant;

        if (fields_row(fields, name))
            continue;
        /* A document of nothing but unknown names must not cost a search for each. */
        meant = report_is_full(d->report) ? NULL : fields_nearest_name(fields, name);
        if (meant)
            (void)decoder_broken(d, PROBLEM_UNKNOWN, &place, "unknown field, did you mean '%s'?",
                                 meant);
        else
            (void)decoder_broken(d, PROBLEM_UNKNOWN, &place, "unknown field");
    }
}

static bool is_set(const struct json *value)
{
    return !is_absent(value) && !streq(json_as_text(value), "");
}

/* "'a', 'b' and 'c'" of the group, all or those that are set; returns how many. */
static size_t list_group(const struct fields *fields, int shift, unsigned group,
                         const struct json *only_set_in, struct buf *to)
{
    const char *last = NULL;
    size_t count = 0;

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];

        if ((row->flags >> shift & 0xf) != group)
            continue;
        if (only_set_in && !is_set(json_get(only_set_in, row->name)))
            continue;
        if (last)
            buf_addf(to, "%s'%s'", count > 1 ? ", " : "", last);
        last = row->name;
        count++;
    }
    if (last)
        buf_addf(to, "%s'%s'", count > 1 ? " and " : "", last);
    return count;
}

static void check_group(struct decoder *d, const struct fields *fields, int shift, unsigned group,
                        const struct json *value, const struct path *path)
{
    cleanup(buf_deinit) struct buf all = BUF(ERR_TEXT_MAX), found = BUF(ERR_TEXT_MAX);
    size_t count = list_group(fields, shift, group, value, &found);

    if (count == 1 || (count == 0 && shift == F_AT_MOST_ONE_SHIFT))
        return;
    (void)list_group(fields, shift, group, NULL, &all);
    if (shift == F_AT_MOST_ONE_SHIFT)
        (void)decoder_broken(d, PROBLEM_INVALID, path, "at most one of %s may be set, found %s",
                             buf_str(&all), buf_str(&found));
    else
        (void)decoder_broken(d, count ? PROBLEM_INVALID : PROBLEM_REQUIRED, path,
                             "exactly one of %s must be set, found %s", buf_str(&all),
                             count ? buf_str(&found) : "none");
}

static void check_groups(struct decoder *d, const struct fields *fields, int shift,
                         const struct json *value, const struct path *path)
{
    unsigned seen = 0;

    for (size_t i = 0; i < fields->count; i++) {
        unsigned group = fields->rows[i].flags >> shift & 0xf;

        if (group == 0 || seen & 1U << group)
            continue;
        seen |= 1U << group;
        check_group(d, fields, shift, group, value, path);
    }
}

static void check_struct(struct decoder *d, const struct fields *fields, const struct json *value,
                         const struct path *path, const void *self, bool complete)
{
    cleanup(xfree) char *where = NULL;

    check_unknown(d, fields, value, path);
    check_groups(d, fields, F_ONE_OF_SHIFT, value, path);
    check_groups(d, fields, F_AT_MOST_ONE_SHIFT, value, path);
    if (!fields->check || !complete)
        return;
    where = path_text(path);
    fields->check(self, where, d->report);
}

static enum outcome decode_struct(struct decoder *d, const struct fields *fields,
                                  const struct json *value, const struct path *path, void *self)
{
    bool complete = true;

    if (json_kind(value) != JSON_KIND_MAP)
        return decoder_wrong_type(d, path, "a map", value);
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        enum outcome outcome = decode_member(d, row, json_get(value, row->name), path, self);

        if (outcome == FAILED)
            return FAILED;
        complete = complete && outcome == DECODED;
    }
    if (d->report)
        check_struct(d, fields, value, path, self, complete);
    return DECODED;
}

int fields_decode(const struct fields *fields, const struct json *value, struct arena *arena,
                  void *self, const char *path, struct field_report *report, struct err *err)
{
    struct err own = {};
    struct decoder d = {.arena = arena, .report = report, .err = err ? err : &own};
    struct path root = {.name = path};

    if (decode_struct(&d, fields, value, &root, self) == FAILED)
        return d.err->code;
    return 0;
}
