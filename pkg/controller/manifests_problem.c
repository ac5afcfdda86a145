/* manifests_problem.c - what is wrong with manifests: a bounded list, and its form for people. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "controller/manifests_private.h"

enum { NAME_MAX_TEXT = 300, TEXT_MAX = 1200 };

static void problem_deinit(struct manifest_problem *problem)
{
    xfree(problem->file);
    xfree(problem->object);
    xfree(problem->field);
    xfree(problem->text);
}

void manifest_problems_deinit(struct manifest_problems *problems)
{
    for (size_t i = 0; i < problems->len; i++)
        problem_deinit(&problems->items[i]);
    xfree(problems->items);
    *problems = (struct manifest_problems){};
}

static char *clean_copy(const char *s, size_t max)
{
    char *copy = s ? xstrndup(s, max) : NULL;

    if (copy)
        str_clean(copy);
    return copy;
}

/* Room for one more, or NULL. An error takes the place of the last warning. */
static struct manifest_problem *problems_place(struct manifest_problems *problems, bool is_warning)
{
    size_t size = problems->len + 1;

    if (problems->len < MANIFEST_PROBLEMS_MAX) {
        if ((size & (size - 1)) == 0) /* full at every power of two */
            problems->items = xrealloc(problems->items, 2 * size * sizeof(*problems->items));
        return &problems->items[problems->len++];
    }
    problems->dropped++;
    for (size_t i = problems->len; !is_warning && i-- > 0;) {
        if (!problems->items[i].is_warning)
            continue;
        problem_deinit(&problems->items[i]);
        return &problems->items[i];
    }
    return NULL;
}

void problems_add(struct manifest_problems *problems, const struct manifest_problem *problem)
{
    struct manifest_problem *to = problems_place(problems, problem->is_warning);

    if (!to)
        return;
    *to = *problem;
    to->file = clean_copy(problem->file, NAME_MAX_TEXT);
    to->object = clean_copy(problem->object, NAME_MAX_TEXT);
    to->field = clean_copy(problem->field, NAME_MAX_TEXT);
    to->text = clean_copy(problem->text, TEXT_MAX);
}

void problems_addf(struct manifest_problems *problems, const char *file, const char *fmt, ...)
{
    char text[TEXT_MAX];
    struct manifest_problem problem = {.file = (char *)file, .text = text};
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut there */
    va_end(args);
    problems_add(problems, &problem);
}

void problems_copy(struct manifest_problems *to, const struct manifest_problems *from)
{
    for (size_t i = 0; i < from->len; i++)
        problems_add(to, &from->items[i]);
    to->dropped += from->dropped;
}

static bool problem_same(const struct manifest_problem *a, const struct manifest_problem *b)
{
    return a->line == b->line && a->is_warning == b->is_warning && streq(a->file, b->file) &&
           streq(a->object, b->object) && streq(a->field, b->field) && streq(a->text, b->text);
}

bool problems_same(const struct manifest_problems *a, const struct manifest_problems *b)
{
    if (a->len != b->len || a->dropped != b->dropped)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!problem_same(&a->items[i], &b->items[i]))
            return false;
    return true;
}

void manifest_problem_format(const struct manifest_problem *problem, struct buf *to)
{
    buf_add_str(to, str_or(problem->file, "-"));
    if (problem->line > 0)
        buf_addf(to, ":%d", problem->line);
    buf_add_str(to, ": ");
    if (problem->object)
        buf_addf(to, "%s: ", problem->object);
    if (!str_empty(problem->field))
        buf_addf(to, "%s: ", problem->field);
    buf_add_str(to, problem->text);
}

/* Without the line: a problem that only moved is not new. */
static char *problem_identity(const struct manifest_problem *problem)
{
    return xasprintf("%s\n%s\n%s\n%s", str_or(problem->file, ""), str_or(problem->object, ""),
                     str_or(problem->field, ""), problem->text);
}

void problems_mark_new(struct manifest_problems *problems, const struct manifest_problems *before)
{
    cleanup(map_free) struct map *known = map_new(NULL);

    for (size_t i = 0; i < before->len; i++) {
        cleanup(xfree) char *identity = problem_identity(&before->items[i]);

        map_set(known, identity, known);
    }
    for (size_t i = 0; i < problems->len; i++) {
        cleanup(xfree) char *identity = problem_identity(&problems->items[i]);

        problems->items[i].is_new = !map_has(known, identity);
    }
}
