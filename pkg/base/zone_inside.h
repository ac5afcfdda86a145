/*
 * zone_inside.h - what the files behind zone.h share.
 *
 *   zone.c        names, files, those read already
 *   zone_file.c   TZif: the changes that are known
 *   zone_rule.c   its footer, a TZ string of POSIX: those of all later years
 */
#ifndef BASE_ZONE_INSIDE_H
#define BASE_ZONE_INSIDE_H

#include "base/zone.h"

enum { ZONE_DAY_S = 86400 };

enum zone_day_kind {
    ZONE_DAY_OF_YEAR,      /* 0-365, 29 February counts */
    ZONE_DAY_OF_365,       /* 1-365, it does not: 60 is always 1 March */
    ZONE_WEEKDAY_OF_MONTH, /* the `week`-th, 5 is the last, `day` (0 is Sunday) of `month` */
};
struct zone_day {
    enum zone_day_kind kind;
    int month, week, day;
    int second_s; /* of that day, local time before the change; -167 h to 167 h */
};
struct zone_rule {
    int standard_s, summer_s; /* offsets */
    bool has_summer;
    struct zone_day start, end; /* of summer time */
};

struct zone {
    size_t count;
    int64_t *at_s; /* of each change */
    int *offset_s; /* before the first, and after each: one more */
    bool has_rule; /* for after the last */
    struct zone_rule rule;
};

/* As zone_get(), of a name that is well-formed, from the file in `folder`. */
int zone_read(const char *folder, const char *name, struct zone **ret, struct err *err);

/* "CET-1CEST,M3.5.0,M10.5.0/3" with the extensions of RFC 9636 3.3.2. */
int zone_rule_parse(const char *text, struct zone_rule *ret, struct err *err);
struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t at_s);

#endif
