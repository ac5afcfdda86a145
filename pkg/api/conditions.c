/*
 * conditions.c - status.conditions, alike in all kinds.
 */
#include <stdio.h>
#include <string.h>

#include "api/object.h"
#include "base/timetext.h"

enum { SECOND_MS = 1000 };

static const char *const status_names[] = {NULL, "True", "False", "Unknown"};
const struct enum_names condition_status_names = {status_names, ARRAY_LEN(status_names)};

#define PLAIN_ROWS                                                                                 \
    FIELD(struct condition, type, "type", STRING, .flags = F_REQUIRED),                            \
        FIELD(struct condition, status, "status", ENUM, .names = &condition_status_names,          \
              .flags = F_REQUIRED),                                                                \
        FIELD(struct condition, last_transition_time_ms, "lastTransitionTime", TIME),              \
        FIELD(struct condition, reason, "reason", STRING),                                         \
        FIELD(struct condition, message, "message", STRING)

static const struct field condition_rows[] = {
    PLAIN_ROWS,
    FIELD(struct condition, observed_generation, "observedGeneration", INT),
};
DEFINE_FIELDS(condition, "condition", condition_rows, NULL);

static const struct field condition_plain_rows[] = {PLAIN_ROWS};
const struct fields condition_plain_fields = {
    .name = "condition",
    .size = sizeof(struct condition),
    .rows = condition_plain_rows,
    .count = ARRAY_LEN(condition_plain_rows),
};

static size_t index_of(const struct conditions *conditions, const char *type)
{
    size_t i = 0;

    while (i < conditions->len && !streq(conditions->items[i].type, type))
        i++;
    return i;
}

const struct condition *condition_find(const struct conditions *conditions, const char *type)
{
    size_t i = index_of(conditions, type);

    return i < conditions->len ? &conditions->items[i] : NULL;
}

bool condition_is(const struct conditions *conditions, const char *type,
                  enum condition_status status)
{
    const struct condition *condition = condition_find(conditions, type);

    return condition && condition->status == (int)status;
}

bool condition_has_reason(const struct conditions *conditions, const char *type, const char *reason)
{
    const struct condition *condition = condition_find(conditions, type);

    return condition && streq(condition->reason, reason);
}

/* A list of `len` with as much of the old one as fits. */
static void copy_list(struct conditions *conditions, size_t len, struct arena *arena)
{
    struct condition *items = arena_alloc(arena, len * sizeof(*items));

    if (conditions->len > 0)
        memcpy(items, conditions->items, conditions->len * sizeof(*items));
    conditions->items = items;
    conditions->len = len;
}

static bool says_the_same(const struct condition *a, const struct condition *b)
{
    return a->status == b->status && a->observed_generation == b->observed_generation &&
           streq(str_or(a->reason, ""), str_or(b->reason, "")) &&
           streq(str_or(a->message, ""), str_or(b->message, ""));
}

bool condition_set(struct conditions *conditions, const struct condition *condition, int64_t now_ms,
                   struct arena *arena)
{
    size_t i = index_of(conditions, condition->type);
    bool is_new = i == conditions->len;
    struct condition before;

    copy_list(conditions, conditions->len + is_new, arena);
    before = conditions->items[i];
    conditions->items[i] = (struct condition){
        .type = arena_strdup(arena, condition->type),
        .status = condition->status,
        /* Whole seconds, as it will read back. */
        .last_transition_time_ms = now_ms - now_ms % SECOND_MS,
        .reason = arena_strdup(arena, condition->reason),
        .message = arena_strdup(arena, condition->message),
        .observed_generation = condition->observed_generation,
    };
    if (!is_new && before.status == condition->status && before.last_transition_time_ms)
        conditions->items[i].last_transition_time_ms = before.last_transition_time_ms;
    return is_new || !says_the_same(&before, condition);
}

bool condition_remove(struct conditions *conditions, const char *type, struct arena *arena)
{
    size_t i = index_of(conditions, type);

    if (i == conditions->len)
        return false;
    copy_list(conditions, conditions->len, arena);
    conditions->len--;
    memmove(&conditions->items[i], &conditions->items[i + 1],
            (conditions->len - i) * sizeof(*conditions->items));
    return true;
}

int64_t condition_time_ms(const struct condition *condition, const char *words)
{
    const char *found = str_last(condition->message, words);
    char time[TIME_TEXT_MAX];
    int64_t at_ms;

    if (!found)
        return 0;
    found += strlen(words);
    (void)snprintf(time, sizeof(time), "%.*s", (int)strcspn(found, "Z") + 1, found);
    return time_parse_rfc3339(time, &at_ms, NULL) == 0 ? at_ms : 0;
}
