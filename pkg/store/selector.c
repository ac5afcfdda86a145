/* selector.c - see selector.h. */
#include "store/selector.h"

#include <string.h>

#include "store/name.h"

#define KEY_CHARS "-_./0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SPACE     " \t"

struct requirement {
    char *key;
    bool negated;          /* holds where the other does not */
    bool any;              /* the key is enough */
    struct strlist values; /* one of them */
};
struct selector {
    struct requirement *items;
    size_t len;
};

void selector_free(struct selector *selector)
{
    if (!selector)
        return;
    for (size_t i = 0; i < selector->len; i++) {
        xfree(selector->items[i].key);
        strlist_deinit(&selector->items[i].values);
    }
    xfree(selector->items);
    xfree(selector);
}

bool selector_matches(const struct selector *selector, const struct json *labels)
{
    for (size_t i = 0; i < selector->len; i++) {
        const struct requirement *one = &selector->items[i];
        const char *value = json_get_text(labels, one->key);
        bool holds = value && (one->any || strlist_has(&one->values, value));

        if (holds == one->negated)
            return false;
    }
    return true;
}

/* --- parser --- */

static void skip_space(const char **at)
{
    *at += strspn(*at, SPACE);
}

static bool skip(const char **at, const char *word)
{
    if (!str_starts(*at, word))
        return false;
    *at += strlen(word);
    skip_space(at);
    return true;
}

static char *take_word(const char **at)
{
    size_t len = strspn(*at, KEY_CHARS);
    char *word = xasprintf("%.*s", (int)len, *at);

    *at += len;
    skip_space(at);
    return word;
}

static int take_value(const char **at, struct requirement *to, struct err *err)
{
    cleanup(xfree) char *value = take_word(at);

    if (!stored_name_is_label_value(value))
        return err_set(err, ERR_INVALID, "'%s' is not a label value", value);
    strlist_add(&to->values, value);
    return 0;
}

static int take_set(const char **at, struct requirement *to, struct err *err)
{
    int r;

    if (!skip(at, "("))
        return err_set(err, ERR_INVALID, "'in' and 'notin' want (VALUE, ...)");
    do {
        r = take_value(at, to, err);
    } while (r == 0 && skip(at, ","));
    if (r == 0 && !skip(at, ")"))
        r = err_set(err, ERR_INVALID, "a ')' is missing");
    return r;
}

static int take_condition(const char **at, struct requirement *to, struct err *err)
{
    if (skip(at, "==") || skip(at, "="))
        return take_value(at, to, err);
    to->negated = skip(at, "!=");
    if (to->negated)
        return take_value(at, to, err);
    to->negated = skip(at, "notin");
    if (to->negated || skip(at, "in"))
        return take_set(at, to, err);
    to->any = true;
    return 0;
}

static int take_requirement(const char **at, struct requirement *to, struct err *err)
{
    bool absent;

    skip_space(at);
    absent = skip(at, "!");
    to->key = take_word(at);
    if (!stored_name_is_qualified(to->key))
        return err_set(err, ERR_INVALID, "'%s' is not a label's name", to->key);
    if (absent) {
        to->any = to->negated = true;
        return 0;
    }
    return take_condition(at, to, err);
}

static int take_all(const char *at, struct selector *to, struct err *err)
{
    skip_space(&at);
    while (*at) {
        int r;

        to->items = xrealloc(to->items, (to->len + 1) * sizeof(*to->items));
        to->items[to->len] = (struct requirement){};
        r = take_requirement(&at, &to->items[to->len++], err);
        if (r < 0)
            return r;
        if (*at && !skip(&at, ","))
            return err_set(err, ERR_INVALID, "'%s' is not understood", at);
    }
    return 0;
}

int selector_parse(const char *text, struct selector **ret, struct err *err)
{
    cleanup(selector_free) struct selector *selector = xcalloc(1, sizeof(*selector));
    struct err why = {};
    int r = take_all(text, selector, &why);

    if (r < 0)
        return err_set(err, r, "selector '%s': %s", text, why.text);
    *ret = take(selector);
    return 0;
}
