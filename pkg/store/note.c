#include "store/note.h"

#include <inttypes.h>
#include <string.h>

#include "base/timetext.h"
#include "store/name.h"

#define WORD_MAX    128  /* reason, action, reporting instance: bytes */
#define MESSAGE_MAX 1024 /* bytes */
#define MANAGER     "certlet"

static size_t cut_len(const char *text, size_t max)
{
    size_t len = 0, step;

    while (text[len] && (step = str_utf8_next(text + len, strlen(text + len))) > 0 &&
           len + step <= max)
        len += step;
    return len;
}

static void set_cut(struct json *map, const char *name, const char *text, size_t max)
{
    json_set(map, name, json_new_text_len(text, cut_len(text, max)));
}

static struct json *event_metadata(const struct store_note *note, uint64_t number, int64_t now_ms)
{
    struct json *metadata = json_new_map();
    uint64_t nanos = (uint64_t)now_ms * 1000000 + number % 1000000;
    cleanup(xfree) char *suffix = xasprintf(".%" PRIx64, nanos);
    /* An Event's own name must be a DNS name, whatever the object is called. */
    const char *about = stored_name_is_subdomain(note->key.name) ? note->key.name
                                                                 : note->resource->plural;
    cleanup(xfree) char *name = xasprintf("%.*s%s", (int)(NAME_SUBDOMAIN_MAX - strlen(suffix)),
                                          about, suffix);

    json_set_text(metadata, "name", name);
    json_set_text(metadata, "namespace", str_or(note->key.namespace, "default"));
    return metadata;
}

static struct json *regarding(const struct store_note *note)
{
    struct json *map = json_new_map();
    char api_version[API_VERSION_MAX];

    resource_api_version(note->resource, api_version, sizeof(api_version));
    json_set_text(map, "apiVersion", api_version);
    json_set_text(map, "kind", note->resource->kind);
    json_set_text(map, "name", note->key.name);
    if (!str_empty(note->key.namespace))
        json_set_text(map, "namespace", note->key.namespace);
    if (!str_empty(note->uid))
        json_set_text(map, "uid", note->uid);
    return map;
}

static const char *action_of(const struct store_note *note)
{
    return str_or(note->action, note->reason);
}

struct json *note_event(const struct store_note *note, const char *instance, uint64_t number,
                        int64_t now_ms)
{
    struct json *event = json_new_map();
    char time[TIME_TEXT_MAX];

    time_format_micro(now_ms, time);
    json_set_text(event, "apiVersion", "events.k8s.io/v1");
    json_set_text(event, "kind", "Event");
    json_set(event, "metadata", event_metadata(note, number, now_ms));
    json_set_text(event, "eventTime", time);
    json_set_text(event, "reportingController", str_or(note->manager, MANAGER));
    set_cut(event, "reportingInstance", instance, WORD_MAX);
    set_cut(event, "action", action_of(note), WORD_MAX);
    set_cut(event, "reason", note->reason, WORD_MAX);
    json_set_text(event, "type", note->type == EVENT_WARNING ? "Warning" : "Normal");
    json_set(event, "regarding", regarding(note));
    set_cut(event, "note", str_or(note->message, ""), MESSAGE_MAX);
    return event;
}

size_t note_place(const enum note_place places[NOTE_SERIES_MAX])
{
    for (size_t i = 0; i < NOTE_SERIES_MAX; i++)
        if (places[i] == PLACE_SAME_TEXT)
            return i;
    for (size_t i = 0; i < NOTE_SERIES_MAX; i++)
        if (places[i] == PLACE_FREE)
            return i;
    return NOTE_SERIES_MAX - 1;
}

char *note_series(const struct store_note *note, size_t place)
{
    return xasprintf("%zu|%d|%s|%s|%s|%s|%s|%s|%s|%s", place, note->type, action_of(note),
                     note->reason, str_or(note->manager, ""), note->resource->group,
                     note->resource->kind, str_or(note->key.namespace, ""), note->key.name,
                     str_or(note->uid, ""));
}

uint64_t note_text(const char *message)
{
    const char *text = str_or(message, "");

    return str_hash(text, cut_len(text, MESSAGE_MAX));
}
