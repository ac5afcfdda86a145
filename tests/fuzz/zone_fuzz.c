/*
 * A TZif file of the time zone database, the same bytes as the rule in its footer, and as a cron line that is
 * followed through what either gave. Whatever they say, spans follow each other, and a time that is found lies
 * where it was looked for.
 */
#include "base/cron.h"
#include "base/str.h"
#include "base/zone_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define START_MS INT64_C(1767225600000) /* 2026 */
#define END_MS   (START_MS + INT64_C(4) * 365 * 86400 * 1000)

static void look_at_spans(const struct zone *zone)
{
    int64_t at_s = START_MS / 1000;

    for (int i = 0; i < 50; i++) {
        struct zone_span span = zone_span_at(zone, at_s);

        if (span.from_s > at_s || span.to_s <= at_s)
            __builtin_trap();
        if (span.to_s == INT64_MAX)
            return;
        at_s = span.to_s;
    }
}

static void look_at_cron(const struct cron *cron, const struct zone *zone)
{
    int64_t next_ms = cron_next_ms(cron, zone, START_MS, END_MS);

    if (next_ms == 0 || cron->every_s > 0)
        return;
    if (next_ms <= START_MS || next_ms > END_MS || cron_never_fires(cron) ||
        cron_last_ms(cron, zone, next_ms, START_MS) != next_ms ||
        cron_last_ms(cron, zone, next_ms - 1, START_MS + 1) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(xfree) char *text = xstrndup((const char *)data, size);
    cleanup(zone_free) struct zone *zone = NULL;
    static int offsets[1];
    struct zone by_rule = {.offset_s = offsets};
    struct cron hourly, cron;

    if (cron_parse("30 * * * *", &hourly, NULL) < 0)
        __builtin_trap();
    if (zone_parse(data, size, &zone, NULL) == 0) {
        look_at_spans(zone);
        look_at_cron(&hourly, zone);
    }
    if (zone_rule_parse(text, &by_rule.rule, NULL) == 0) {
        by_rule.has_rule = true;
        look_at_spans(&by_rule);
        look_at_cron(&hourly, &by_rule);
    }
    if (cron_parse(text, &cron, NULL) == 0) {
        const struct zone *berlin;

        look_at_cron(&cron, &by_rule);
        if (zone_get("Europe/Berlin", &berlin, NULL) == 0)
            look_at_cron(&cron, berlin);
    }
    return 0;
}
