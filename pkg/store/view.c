/* view.c - what a watch is to see of a resource. */
#include <string.h>

#include "store/selector.h"
#include "store/store.h"

/* --- field selectors: "metadata.name=a", "spec.signerName!=b,spec.signerName!=c" --- */

static const char *const selectable[] = {"metadata.name", "spec.signerName"};

struct field_term {
    const char *path; /* of `selectable` */
    bool differs;
    const char *value;
    size_t value_len;
};

/* The first term of `text`, and where the next one begins; NULL: it is none. */
static const char *read_term(const char *text, struct field_term *ret)
{
    size_t path_len = strcspn(text, "!=,");
    bool differs = text[path_len] == '!';
    const char *value = text + path_len + differs;

    if (*value++ != '=')
        return NULL;
    *ret = (struct field_term){
        .differs = differs, .value = value, .value_len = strcspn(value, ",=!")};
    for (size_t i = 0; i < ARRAY_LEN(selectable); i++) {
        if (strlen(selectable[i]) == path_len && memcmp(selectable[i], text, path_len) == 0)
            ret->path = selectable[i];
    }
    if (!ret->path || ret->value_len == 0)
        return NULL;
    value += ret->value_len;
    if (*value == ',' && value[1])
        return value + 1;
    return *value ? NULL : value;
}

static bool is_field_selector(const char *text)
{
    struct field_term term;

    do {
        text = read_term(text, &term);
    } while (text && *text);
    return text;
}

static bool term_fits(const struct field_term *term, const struct json *object)
{
    const char *value = str_or(json_as_text(json_path(object, term->path)), "");
    bool same = strlen(value) == term->value_len &&
                memcmp(value, term->value, term->value_len) == 0;

    return same != term->differs;
}

/* `text` was checked. */
static bool has_fields(const struct json *object, const char *text)
{
    struct field_term term;

    while (*text) {
        text = read_term(text, &term);
        if (!term_fits(&term, object))
            return false;
    }
    return true;
}

int store_view_check(const struct store_view *view, struct err *err)
{
    cleanup(selector_free) struct selector *selector = NULL;

    if (view && view->field_selector && !is_field_selector(view->field_selector))
        return err_set(
            err, ERR_INVALID,
            "field selector '%s': use metadata.name=<name>, or spec.signerName=<name>, or != "
            "and commas in between",
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
    return !view->field_selector || has_fields(object, view->field_selector);
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
