/* output.c - see output.h. */
#include "output.h"

#include <stdio.h>

#include "base/timetext.h"
#include "yaml/yaml.h"

#define OUTPUT_MAX (256 * 1024 * 1024) /* bytes */

void output_set_time(struct json *map, const char *key, int64_t ms)
{
    char text[TIME_TEXT_MAX];

    if (ms == 0)
        return;
    time_format(ms, text);
    json_set_text(map, key, text);
}

void output_set_issuer(struct json *map, const char *kind, const char *name)
{
    struct json *issuer = json_need_map(map, "issuer");

    json_set_text(issuer, "kind", kind);
    json_set_text(issuer, "name", name);
}

void output_print(const struct json *value, const char *format)
{
    cleanup(buf_deinit) struct buf text = BUF(OUTPUT_MAX);
    bool is_json = streq(format, "json");

    if (is_json)
        json_print_pretty(value, &text);
    else
        yaml_print(value, &text);
    printf("%s%s", buf_str(&text), is_json ? "\n" : "");
}
