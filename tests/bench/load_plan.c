/* load_plan.c - reads a plan, and does it for one name. */
#include <string.h>

#include "api/kinds.h"
#include "base/file.h"
#include "base/limits.h"
#include "bench/load.h"

#define PLAN_MAX   (1024 * 1024)
#define OBJECT_MAX (64 * 1024)

static const struct resource event_resource = {"", "v1", "Event", "events", true, false};

/* --- steps --- */

static int create(struct store *store, const struct context *ctx, const struct load_step *step,
                  const struct json *object, struct json **ret, struct err *err)
{
    return store_create(store, ctx, step->resource, step->manager, object, ret, err);
}

static int apply(struct store *store, const struct context *ctx, const struct load_step *step,
                 const struct json *object, struct json **ret, struct err *err)
{
    return store_apply(store, ctx, step->resource, step->manager, object, ret, err);
}

static int status(struct store *store, const struct context *ctx, const struct load_step *step,
                  const struct json *object, struct json **ret, struct err *err)
{
    return store_update(store, ctx, step->resource, STORE_STATUS, step->manager, object, ret, err);
}

static const struct {
    const char *name;
    int (*write)(struct store *store, const struct context *ctx, const struct load_step *step,
                 const struct json *object, struct json **ret, struct err *err);
} ops[] = {{"create", create}, {"apply", apply}, {"status", status}};

/* --- reading --- */

static const struct resource *resource_of(const struct json *object)
{
    const char *kind_name = str_or(json_get_text(object, "kind"), "");
    const struct kind *kind = kind_find(str_or(json_get_text(object, "apiVersion"), ""), kind_name);

    if (kind)
        return &kind->resource;
    return streq(kind_name, event_resource.kind) ? &event_resource : NULL;
}

static int read_step(const struct json *json, struct load_step *step, struct err *err)
{
    const struct json *object = json_get(json, "object");

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (streq(str_or(json_get_text(json, "op"), ""), ops[i].name))
            step->write = ops[i].write;
    }
    step->resource = resource_of(object);
    if (!step->write || !step->resource)
        return err_set(err, ERR_INVALID, "the plan has a step with an unknown 'op' or kind");
    step->manager = xstrdup(str_or(json_get_text(json, "manager"), "bench-load"));
    step->text = json_text(object);
    return 0;
}

int load_plan_read(const char *path, struct load_plan *ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(PLAN_MAX);
    cleanup(json_unref) struct json *list = NULL;
    cleanup(load_plan_deinit) struct load_plan plan = {};
    int r = file_read(path, &text, err);

    if (r == 0)
        r = json_parse(buf_str(&text), text.len, PLAN_MAX, &list, err);
    if (r < 0)
        return err_wrap(err, "%s", path);
    plan.steps = xcalloc(json_len(list) + 1, sizeof(*plan.steps));
    for (size_t i = 0; r == 0 && i < json_len(list); i++) {
        plan.len++;
        r = read_step(json_at(list, i), &plan.steps[i], err);
    }
    if (r < 0)
        return r;
    *ret = plan;
    plan = (struct load_plan){};
    return 0;
}

void load_plan_deinit(struct load_plan *plan)
{
    for (size_t i = 0; i < plan->len; i++) {
        xfree(plan->steps[i].manager);
        xfree(plan->steps[i].text);
    }
    xfree(plan->steps);
    *plan = (struct load_plan){};
}

/* --- doing --- */

struct word {
    const char *mark, *value;
};

static const struct word *word_at(const char *text, const struct word *words)
{
    while (words->mark && !str_starts(text, words->mark))
        words++;
    return words->mark ? words : NULL;
}

static void fill_in(const char *text, const struct word *words, struct buf *to)
{
    while (*text) {
        size_t plain = strcspn(text, "@");
        const struct word *word = word_at(text + plain, words);

        buf_add(to, text, plain);
        text += plain;
        if (word) {
            buf_add_str(to, str_or(word->value, ""));
            text += strlen(word->mark);
        } else if (*text) {
            buf_add_char(to, *text++);
        }
    }
}

static int do_step(const struct load_step *step, struct store *store, const struct context *ctx,
                   const struct word *words, struct json **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(OBJECT_MAX);
    cleanup(json_unref) struct json *object = NULL;
    int r;

    fill_in(step->text, words, &text);
    r = json_parse(buf_str(&text), text.len, OBJECT_MAX, &object, err);
    return r < 0 ? r : step->write(store, ctx, step, object, ret, err);
}

int load_plan_do(const struct load_plan *plan, struct store *store, const struct context *ctx,
                 const char *line, struct err *err)
{
    cleanup(strlist_deinit) struct strlist parts = {};
    cleanup(json_unref) struct json *made = NULL;
    int r = 0;

    strlist_split(&parts, line, ' ');
    for (size_t i = 0; r == 0 && i < plan->len; i++) {
        const struct json *metadata = json_get(made, "metadata");
        const struct word words[] = {
            {"@name@", parts.items[0]},
            {"@uid@", parts.len > 1 ? parts.items[1] : NULL},
            {"@version@", parts.len > 2 ? parts.items[2] : NULL},
            {"@made-uid@", json_get_text(metadata, "uid")},
            {"@made-version@", json_get_text(metadata, "resourceVersion")},
            {},
        };
        struct json *answer = NULL;

        r = do_step(&plan->steps[i], store, ctx, words, &answer, err);
        json_unref(made);
        made = answer;
    }
    return r;
}
