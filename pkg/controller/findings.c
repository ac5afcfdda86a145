/* findings.c - see findings.h. */
#include "controller/findings.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 2048

const char *const finding_level_names[] = {"ok", "warning", "problem"};

static char *clean(const char *text)
{
    char *copy = text ? xstrdup(text) : NULL;

    if (copy)
        str_clean(copy);
    return copy;
}

void findings_add(struct findings *to, enum finding_level level, const char *about,
                  const char *todo, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) >= (int)sizeof(text))
        str_ellipsis(text, sizeof(text));
    va_end(args);
    to->items = xrealloc(to->items, (to->len + 1) * sizeof(*to->items));
    to->items[to->len++] = (struct finding){
        .level = level, .about = clean(about), .text = clean(text), .todo = clean(todo)};
}

void findings_move(struct findings *to, struct findings *from)
{
    to->items = xrealloc(to->items, (to->len + from->len + 1) * sizeof(*to->items));
    for (size_t i = 0; i < from->len; i++)
        to->items[to->len++] = from->items[i];
    xfree(from->items);
    *from = (struct findings){};
}

char *refusal_text(const struct resource *resource, const char *namespace, const char *unknown)
{
    bool in_all = str_empty(namespace);

    return xasprintf("not permitted to read %s%s%s%s%s%s: %s", resource->plural,
                     str_empty(resource->group) ? "" : ".", resource->group,
                     in_all ? "" : " in namespace '", str_or(namespace, ""), in_all ? "" : "'",
                     unknown);
}

size_t findings_count(const struct findings *findings, enum finding_level level)
{
    size_t count = 0;

    for (size_t i = 0; i < findings->len; i++)
        count += findings->items[i].level == level;
    return count;
}

void findings_deinit(struct findings *findings)
{
    for (size_t i = 0; i < findings->len; i++) {
        xfree(findings->items[i].about);
        xfree(findings->items[i].text);
        xfree(findings->items[i].todo);
    }
    xfree(findings->items);
    *findings = (struct findings){};
}
