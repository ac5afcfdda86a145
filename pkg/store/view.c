/* view.c - what a watch is to see of a resource. */
#include <string.h>

#include "store/selector.h"
#include "store/store.h"

#define FIELD_NAME "metadata.name="

static bool is_field_selector(const char *text)
{
    return str_starts(text, FIELD_NAME) && text[strlen(FIELD_NAME)] && !strchr(text, ',');
}

int store_view_check(const struct store_view *view, struct err *err)
{
    cleanup(selector_free) struct selector *selector = NULL;

    if (view && view->field_selector && !is_field_selector(view->field_selector))
        return err_set(err, ERR_INVALID, "field selector '%s': use " FIELD_NAME "<name>",
                       view->field_selector);
    if (!view || !view->label_selector)
        return 0;
    return selector_parse(view->label_selector, &selector, err);
}

static bool has_labels(const struct json *object, const char *text)
{
    cleanup(selector_free) struct selector *selector = NULL;

    return selector_parse(text, &selector, NULL) == 0 &&
           selector_matches(selector, json_path(object, "metadata.labels"));
}

bool store_view_could_have(const struct store_view *view, const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");

    if (!view)
        return true;
    if (!str_empty(view->namespace) &&
        !streq(json_get_text(metadata, "namespace"), view->namespace))
        return false;
    return !view->field_selector ||
           streq(json_get_text(metadata, "name"), view->field_selector + strlen(FIELD_NAME));
}

bool store_view_has(const struct store_view *view, const struct json *object)
{
    return store_view_could_have(view, object) &&
           (!view || !view->label_selector || has_labels(object, view->label_selector));
}

static const char *put_text(char **at, const char *text)
{
    char *to = *at;

    if (!text)
        return NULL;
    memcpy(to, text, strlen(text) + 1);
    *at += strlen(text) + 1;
    return to;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

struct store_view *store_view_copy(const struct store_view *view)
{
    static const struct store_view all;
    const struct store_view *from = view ? view : &all;
    struct store_view *copy = xalloc(sizeof(*copy) + text_size(from->namespace) +
                                     text_size(from->label_selector) +
                                     text_size(from->field_selector));
    char *at = (char *)(copy + 1);

    copy->namespace = put_text(&at, from->namespace);
    copy->label_selector = put_text(&at, from->label_selector);
    copy->field_selector = put_text(&at, from->field_selector);
    copy->metadata_only = from->metadata_only;
    return copy;
}
