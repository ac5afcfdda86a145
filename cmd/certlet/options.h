/*
 * options.h - flags from tables: one row each, which parses, documents and gives the default.
 *
 *   --flag value   --flag=value   -f value   -f=value   --switch   --switch=false
 *
 * Rows without a name end the table. What is not a flag is a positional argument; "--" ends flags.
 */
#ifndef CERTLET_OPTIONS_H
#define CERTLET_OPTIONS_H

#include "base/str.h"

enum option_type {
    OPTION_TEXT,     /* const char *: points into argv or to the default */
    OPTION_LIST,     /* struct strlist: comma separated, may be repeated; owned by the caller */
    OPTION_SWITCH,   /* bool */
    OPTION_NUMBER,   /* int64_t */
    OPTION_DURATION, /* int64_t ms, Go duration text */
    OPTION_CHOICE,   /* const char *, one of `choices` ("text|json") */
    OPTION_UNBUILT, /* no target: any value but the default is refused, with `help` as the reason */
    OPTION_IGNORED, /* no target: taken for the sake of old command lines, without effect */
};
struct option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum option_type type;
    void *target;
    const char *value; /* how the value is called in the help */
    const char *help;
    const char *default_text; /* NULL: zero */
    const char *choices;
    bool hidden;
    bool is_path;       /* in a configuration file, from its folder */
    bool is_switch;     /* of OPTION_UNBUILT and OPTION_IGNORED: needs no value */
    const char *config; /* path of the same in a configuration file; NULL: none */
};

struct usage {
    const char
        *synopsis;     /* "certlet run DIR [flags]"; printed with the name that we were called by */
    const char *about; /* paragraphs, wrapped by hand */
    const struct option *options;
};

/* Sets defaults, then parses. OPTIONS_OK: go on. Else the exit code of the program: the help was asked for and
 * printed to standard output, or the reason why not went to standard error. Positional arguments are
 * borrowed from argv. */
enum { OPTIONS_OK = -1 };
int options_parse(const struct usage *usage, int argc, char **argv, const char ***ret_positional,
                  size_t *ret_count);
/* The same once more without the defaults: what a configuration file has set by option_set() gives way to
 * the command line. Cannot fail after options_parse() of the same arguments. */
void options_parse_again(const struct usage *usage, int argc, char **argv);
/* A value in place of the one there is. ERR_INVALID: the reason, without the option's name. */
int option_set(const struct option *option, const char *value, struct err *err);
/* Says what is wrong with the arguments and how to get help; returns EXIT_USAGE. */
int usage_error(const struct usage *usage, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "certlet status: reading ...: denied": what went wrong in a command, on standard error. */
void usage_complain(const struct usage *usage, const struct err *err);

#endif
