/*
 * report.c - problems collected, and what becomes of them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/field.h"

enum { PROBLEMS_IN_ERR = 3, TEXT_MAX = 1024, PATH_MAX_TEXT = 512 };

void field_report_deinit(struct field_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        xfree(report->items[i].path);
        xfree(report->items[i].text);
    }
    xfree(report->items);
    *report = (struct field_report){};
}

/* Place for one more: a new one or, when full, that of a warning if an error needs it. */
static struct field_problem *report_place(struct field_report *report, enum field_problem_kind kind)
{
    if (!report->items)
        report->items = xcalloc(FIELD_PROBLEMS_MAX, sizeof(*report->items));
    if (report->len < FIELD_PROBLEMS_MAX)
        return &report->items[report->len++];

    report->dropped++;
    for (size_t i = report->len; kind != PROBLEM_WARNING && i-- > 0;) {
        struct field_problem *problem = &report->items[i];

        if (problem->kind == PROBLEM_WARNING) {
            xfree(problem->path);
            xfree(problem->text);
            return problem;
        }
    }
    return NULL;
}

static char *clean_copy(const char *s, size_t max)
{
    char *copy = xstrndup(s, max);

    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return copy;
}

void field_report_add(struct field_report *report, enum field_problem_kind kind, const char *path,
                      const char *fmt, ...)
{
    struct field_problem *problem;
    char text[TEXT_MAX];
    va_list args;

    problem = report ? report_place(report, kind) : NULL;
    if (!problem)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut where it is too long */
    va_end(args);
    problem->kind = kind;
    problem->path = clean_copy(path, PATH_MAX_TEXT);
    problem->text = clean_copy(text, sizeof(text));
}

bool field_report_has_errors(const struct field_report *report)
{
    for (size_t i = 0; i < report->len; i++)
        if (report->items[i].kind != PROBLEM_WARNING)
            return true;
    return false;
}

static void add_problem(const struct field_problem *problem, struct buf *to)
{
    if (to->len > 0)
        buf_add_str(to, "; ");
    if (!str_empty(problem->path))
        buf_addf(to, "%s: ", problem->path);
    buf_add_str(to, problem->text);
}

int field_report_check(const struct field_report *report, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(PROBLEMS_IN_ERR * (TEXT_MAX + PATH_MAX_TEXT + 4));
    size_t errors = 0, more;
    bool all_unbuilt = true;
    int code;

    for (size_t i = 0; i < report->len; i++) {
        const struct field_problem *problem = &report->items[i];

        if (problem->kind == PROBLEM_WARNING)
            continue;
        all_unbuilt = all_unbuilt && problem->kind == PROBLEM_UNBUILT;
        if (errors++ < PROBLEMS_IN_ERR)
            add_problem(problem, &text);
    }
    if (errors == 0)
        return 0;

    code = all_unbuilt ? ERR_UNSUPPORTED : ERR_INVALID;
    more = errors > PROBLEMS_IN_ERR ? errors - PROBLEMS_IN_ERR : 0;
    if (errors == FIELD_PROBLEMS_MAX)
        more += report->dropped;
    if (more > 0)
        return err_set(err, code, "%s; and %zu more", buf_str(&text), more);
    return err_set(err, code, "%s", buf_str(&text));
}
