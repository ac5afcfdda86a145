/* options.c - the parser behind options.h. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/timetext.h"
#include "command.h"

/* --- values --- */

static bool is_choice(const char *choices, const char *value)
{
    cleanup(strlist_deinit) struct strlist list = {};

    strlist_split(&list, choices, '|');
    return strlist_has(&list, value);
}

static int set_switch(bool *target, const char *value, struct err *err)
{
    if (streq(value, "true") || streq(value, "false"))
        *target = value[0] == 't';
    else
        return err_set(err, ERR_INVALID, "must be true or false, not '%s'", value);
    return 0;
}

static int set_duration(int64_t *target, const char *value, struct err *err)
{
    int64_t ns;
    int r = duration_parse(value, &ns, err);

    if (r < 0)
        return r;
    if (ns < 0)
        return err_set(err, ERR_INVALID, "must not be negative");
    *target = ns / 1000000;
    return 0;
}

static int check_unbuilt(const struct option *option, const char *value, struct err *err)
{
    if (streq(value, str_or(option->default_text, option->is_switch ? "false" : "")))
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "not built in this version: %s", option->help);
}

static int set_value(const struct option *option, const char *value, struct err *err)
{
    switch (option->type) {
    case OPTION_TEXT:
        *(const char **)option->target = value;
        return 0;
    case OPTION_LIST:
        strlist_split(option->target, value, ',');
        return 0;
    case OPTION_SWITCH:
        return set_switch(option->target, value, err);
    case OPTION_NUMBER:
        if (str_parse_int(value, 0, INT32_MAX, option->target) < 0)
            return err_set(err, ERR_INVALID, "'%s' is not a whole number", value);
        return 0;
    case OPTION_DURATION:
        return set_duration(option->target, value, err);
    case OPTION_CHOICE:
        if (!is_choice(option->choices, value))
            return err_set(err, ERR_INVALID, "must be one of %s, not '%s'", option->choices, value);
        *(const char **)option->target = value;
        return 0;
    case OPTION_UNBUILT:
        return check_unbuilt(option, value, err);
    case OPTION_IGNORED:
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "no such type of option");
}

static void set_defaults(const struct option *options)
{
    for (const struct option *option = options; option->name; option++) {
        if (option->default_text)
            (void)set_value(option, option->default_text, NULL); /* our own text: it is valid */
    }
}

int option_set(const struct option *option, const char *value, struct err *err)
{
    if (option->type == OPTION_LIST) {
        strlist_deinit(option->target);
        *(struct strlist *)option->target = (struct strlist){};
    }
    return set_value(option, value, err);
}

/* --- help --- */

static void print_option(const struct option *option)
{
    char flag[80];

    if (option->type == OPTION_SWITCH)
        (void)snprintf(flag, sizeof(flag), "%c%c%s--%s", option->letter ? '-' : ' ',
                       option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
                       option->name);
    else
        (void)snprintf(flag, sizeof(flag), "%c%c%s--%s %s", option->letter ? '-' : ' ',
                       option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
                       option->name,
                       option->choices ? option->choices : str_or(option->value, "VALUE"));
    printf("  %s\n          %s", flag, option->help);
    if (option->default_text && option->default_text[0] && option->type != OPTION_SWITCH)
        printf(" (default %s)", option->default_text);
    printf("\n");
}

static void print_help(const struct usage *usage)
{
    printf("usage: %s%s\n\n%s\n", program_name(), strchr(usage->synopsis, ' '), usage->about);
    if (!usage->options->name)
        return;
    printf("\nFlags:\n");
    for (const struct option *option = usage->options; option->name; option++) {
        if (!option->hidden && option->type != OPTION_UNBUILT && option->type != OPTION_IGNORED)
            print_option(option);
    }
}

/* The second word of "certlet run DIR [flags]". */
static const char *command_in(const struct usage *usage, int *ret_len)
{
    const char *command = strchr(usage->synopsis, ' ') + 1;

    *ret_len = (int)strcspn(command, " ");
    return command;
}

int usage_error(const struct usage *usage, const char *fmt, ...)
{
    int len;
    const char *command = command_in(usage, &len);
    va_list args;

    (void)fprintf(stderr, "%s %.*s: ", program_name(), len, command);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "\nsee %s %.*s --help\n", program_name(), len, command);
    return EXIT_USAGE;
}

void usage_complain(const struct usage *usage, const struct err *err)
{
    int len;
    const char *command = command_in(usage, &len);

    (void)fprintf(stderr, "%s %.*s: %s\n", program_name(), len, command, err->text);
}

/* --- parser --- */

struct parser {
    const struct usage *usage;
    char **argv;
    int argc, at;
    const char **positional;
    size_t count;
    bool *given; /* by row: set by hand already */
};

/* What the user gives takes the place of a list's default; further values of his are added. */
static void forget_default(struct parser *p, const struct option *option)
{
    bool *given = &p->given[option - p->usage->options];

    if (option->type == OPTION_LIST && !*given) {
        strlist_deinit(option->target);
        *(struct strlist *)option->target = (struct strlist){};
    }
    *given = true;
}

static const struct option *find(const struct option *options, const char *name, size_t len)
{
    for (const struct option *option = options; option->name; option++) {
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
        if (option->letter && len == 1 && name[0] == option->letter)
            return option;
    }
    return NULL;
}

static size_t count_rows(const struct option *options)
{
    size_t n = 0;

    while (options[n].name)
        n++;
    return n;
}

static int parse_flag(struct parser *p)
{
    const char *flag = p->argv[p->at];
    const char *name = flag + (flag[1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    const struct option *option = find(p->usage->options, name, len);
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    struct err err = {};

    if (!option)
        return usage_error(p->usage, "unknown flag '%s'", flag);
    if (!value && (option->type == OPTION_SWITCH || option->is_switch))
        value = "true";
    if (!value && p->at + 1 < p->argc)
        value = p->argv[++p->at];
    if (!value)
        return usage_error(p->usage, "flag '--%s' needs a value", option->name);
    forget_default(p, option);
    if (set_value(option, value, &err) < 0)
        return usage_error(p->usage, "flag '--%s': %s", option->name, err.text);
    return OPTIONS_OK;
}

static bool is_help(const char *arg)
{
    return streq(arg, "--help") || streq(arg, "-h");
}

static int help(const struct usage *usage)
{
    print_help(usage);
    return EXIT_OK;
}

static int parse(const struct usage *usage, int argc, char **argv, const char ***ret_positional,
                 size_t *ret_count)
{
    cleanup(xfree) bool *given = xcalloc(count_rows(usage->options) + 1, sizeof(*given));
    struct parser p = {.usage = usage, .argv = argv, .argc = argc, .given = given};
    bool flags_ended = false;

    p.positional = xcalloc((size_t)argc + 1, sizeof(*p.positional));
    for (p.at = 1; p.at < argc; p.at++) {
        const char *arg = argv[p.at];
        int code = OPTIONS_OK;

        if (!flags_ended && streq(arg, "--"))
            flags_ended = true;
        else if (!flags_ended && is_help(arg))
            code = help(usage);
        else if (!flags_ended && arg[0] == '-' && arg[1])
            code = parse_flag(&p);
        else
            p.positional[p.count++] = arg;
        if (code != OPTIONS_OK) {
            xfree(p.positional);
            return code;
        }
    }
    *ret_positional = p.positional;
    *ret_count = p.count;
    return OPTIONS_OK;
}

int options_parse(const struct usage *usage, int argc, char **argv, const char ***ret_positional,
                  size_t *ret_count)
{
    set_defaults(usage->options);
    return parse(usage, argc, argv, ret_positional, ret_count);
}

void options_parse_again(const struct usage *usage, int argc, char **argv)
{
    cleanup(xfree) const char **positional = NULL;
    size_t count;

    (void)parse(usage, argc, argv, &positional, &count); /* went well before */
}
