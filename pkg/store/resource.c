#include "store/resource.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

void key_format(const struct key *key, char text[KEY_TEXT_MAX])
{
    if (str_empty(key->namespace))
        snprintf(text, KEY_TEXT_MAX, "%s", key->name);
    else
        snprintf(text, KEY_TEXT_MAX, "%s/%s", key->namespace, key->name);
}

struct key key_parse(char *text)
{
    char *slash = strchr(text, '/');

    if (!slash)
        return (struct key){.namespace = "", .name = text};
    *slash = '\0';
    return (struct key){.namespace = text, .name = slash + 1};
}

bool key_equal(const struct key *a, const struct key *b)
{
    return streq(str_or(a->namespace, ""), str_or(b->namespace, "")) && streq(a->name, b->name);
}

void resource_api_version(const struct resource *resource, char *to, size_t size)
{
    if (str_empty(resource->group))
        snprintf(to, size, "%s", resource->version);
    else
        snprintf(to, size, "%s/%s", resource->group, resource->version);
}
