#include "http/response.h"

#include <string.h>

#include "base/timetext.h"
#include "http/http.h"

void http_response_deinit(struct http_response *response)
{
    strmap_deinit(&response->headers);
    buf_deinit(&response->body);
    xfree(response->final_url);
    *response = (struct http_response){};
}

const char *http_header(const struct http_response *response, const char *name)
{
    strmap_for_each (header, &response->headers) {
        if (streq_ci(header->key, name))
            return header->value;
    }
    return NULL;
}

int64_t http_retry_at_ms(const struct http_response *response, int64_t now_ms)
{
    const char *text = http_header(response, "retry-after");
    int64_t at_ms = 0;

    if (!text || time_parse_retry_after(text, now_ms, response->date_ms, &at_ms, NULL) < 0)
        return 0;
    return at_ms;
}

void response_note_date(struct http_response *response)
{
    const char *text = http_header(response, "date");
    int64_t date_ms = 0;

    if (text && time_parse_http_date(text, &date_ms, NULL) == 0)
        response->date_ms = date_ms;
}

/* Room doubles whenever the length is a power of two, so that 16,000 tiny headers of a hostile
 * server do not cost 16,000 copies of the list on the I/O thread. */
static void header_append(struct strmap *headers, char *key, char *value)
{
    if ((headers->len & (headers->len - 1)) == 0) {
        size_t room = headers->len ? headers->len * 2 : 1;

        headers->items = xrealloc(headers->items, room * sizeof(*headers->items));
    }
    headers->items[headers->len++] = (struct strmap_entry){.key = key, .value = value};
}

void response_add_header(struct http_response *response, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *value, *end = line + len;
    char *key;

    if (!colon || colon == line || *line == ' ' || *line == '\t')
        return; /* not a header, or the folded rest of one (RFC 9112 5.2 forbids sending those) */
    value = colon + 1;
    while (value < end && strchr(" \t", *value))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    key = xstrndup(line, (size_t)(colon - line));
    str_lower(key);
    header_append(&response->headers, key, xstrndup(value, (size_t)(end - value)));
}
