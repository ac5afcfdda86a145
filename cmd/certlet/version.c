/* version.c - certlet version. */
#include <stdio.h>

#include "command.h"
#include "options.h"
#include "json/json.h"

int command_version(int argc, char **argv)
{
    const char *format;
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &format,
         .default_text = "text",
         .choices = "text|json",
         .help = "how to print it"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet version [flags]", .about = "Prints the version.", .options = options};
    cleanup(xfree) const char **positional = NULL;
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &positional, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count > 0)
        return usage_error(&usage, "unexpected argument '%s'", positional[0]);
    if (streq(format, "json"))
        printf("{\"version\":\"%s\"}\n", CERTLET_VERSION);
    else
        printf("certlet %s\n", CERTLET_VERSION);
    return EXIT_OK;
}
