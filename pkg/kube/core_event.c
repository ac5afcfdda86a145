#include "kube/core_event.h"

#include "base/timetext.h"

static const struct {
    const char *name, *core;
} renamed[] = {
    {"note", "message"},
    {"regarding", "involvedObject"},
    {"reportingController", "reportingComponent"},
};

static const char *core_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++) {
        if (streq(renamed[i].name, name))
            return renamed[i].core;
    }
    return name;
}

static void set_time(struct json *core, const char *name, int64_t ms)
{
    char time[TIME_TEXT_MAX];

    time_format(ms, time);
    json_set_text(core, name, time);
}

struct json *core_event(const struct json *event)
{
    struct json *core = json_new_map();
    int64_t time_ms = 0;

    json_for_each (name, value, event)
        json_set(core, core_name(name), json_ref(value));
    json_set_text(core, "apiVersion", "v1");
    json_set_text(json_need_map(core, "source"), "component",
                  json_get_text(event, "reportingController"));
    (void)time_parse_rfc3339(str_or(json_get_text(event, "eventTime"), ""), &time_ms,
                             NULL); /* it is our own print */
    set_time(core, "firstTimestamp", time_ms);
    set_time(core, "lastTimestamp", time_ms);
    json_set_int(core, "count", 1);
    return core;
}

void core_event_set_series(struct json *core, int64_t count, int64_t last_ms)
{
    struct json *series = json_need_map(core, "series");
    char time[TIME_TEXT_MAX];

    time_format_micro(last_ms, time);
    json_set_int(series, "count", count);
    json_set_text(series, "lastObservedTime", time);
    set_time(core, "lastTimestamp", last_ms);
    json_set_int(core, "count", count);
}
