/* zone.c - which zones there are, and when their clocks are put forward and back. */
#include "base/zone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/zone_inside.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
enum { NAME_MAX_BYTES = 64 }; /* the longest has 32 */

/* --- names --- */

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_name_char(char c)
{
    return is_capital(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("_+-/", c));
}

/* IANA's begin with a capital, and what lies beside them ("localtime", "right/UTC", "tzdata.zi") does not.
 * There is no dot, and so no way out of the folder. */
bool zone_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        bool is_empty_part = name[i] == '/' && (name[i + 1] == '/' || name[i + 1] == '\0');

        if (!is_name_char(name[i]) || is_empty_part)
            return false;
    }
    return len <= NAME_MAX_BYTES && is_capital(name[0]);
}

/* --- files --- */

static const char *default_folder(void)
{
    const char *named = getenv("TZDIR");

    return named && named[0] == '/' ? named : ZONE_FOLDER;
}

static int read_file(const char *folder, const char *name, struct buf *to, struct err *err)
{
    cleanup(fd_close) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return ERR_NOT_FOUND;
    return file_read_at(dir, name, to, err);
}

static bool is_database_there(const char *folder)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_ZONE_FILE);

    return read_file(folder, "Etc/UTC", &text, NULL) == 0;
}

/* A folder, such as Europe, is no zone either. */
static int explain(const char *folder, const char *name, int code, struct err *err)
{
    if (!is_database_there(folder))
        return err_set(
            err, ERR_UNAVAILABLE,
            "time zone '%s' cannot be looked up: there is no time zone database in '%s'; "
            "install it (Debian: tzdata), or use UTC",
            name, folder);
    if (code == ERR_NOT_FOUND || code == ERR_INVALID)
        return err_set(
            err, ERR_NOT_FOUND,
            "time zone '%s' is not known here; write it as in 'Europe/Zurich', or install the "
            "time zone database that has it (Debian: tzdata, old names in tzdata-legacy)",
            name);
    return err_wrap(err, "reading time zone '%s'", name);
}

int zone_read(const char *folder, const char *name, struct zone **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_ZONE_FILE);
    struct err problem = {.code = ERR_NOT_FOUND};
    int r = read_file(folder, name, &text, &problem);

    if (r < 0) {
        if (err)
            *err = problem;
        return explain(folder, name, r, err);
    }
    if (zone_parse(buf_str(&text), text.len, ret, &problem) < 0)
        return err_set(err, ERR_INVALID, "the file of time zone '%s' in '%s' is none: %s", name,
                       folder, problem.text);
    return 0;
}

/* --- those read already --- */

static struct mutex lock;
static struct map *zones; /* by name; grows only */

static const struct zone *find(const char *name)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&lock);

    return zones ? map_get(zones, name) : NULL;
}

/* Whoever was first is kept. */
static int keep(const char *name, struct zone **zone, const struct zone **ret, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&lock);
    const struct zone *first;

    if (!zones)
        zones = map_new(NULL);
    first = map_get(zones, name);
    if (first) {
        *ret = first;
        return 0;
    }
    if (map_len(zones) >= LIMIT_ZONES)
        return err_set(err, ERR_TOO_LARGE, "time zone '%s' is one too many: there are %d already",
                       name, LIMIT_ZONES);
    *ret = *zone;
    map_set(zones, name, take(*zone));
    return 0;
}

int zone_get(const char *name, const struct zone **ret, struct err *err)
{
    static int no_offset;
    static const struct zone utc = {.offset_s = &no_offset};
    cleanup(zone_free) struct zone *zone = NULL;
    const struct zone *known;
    int r;

    if (streq(name, "UTC") || streq(name, "Etc/UTC")) {
        *ret = &utc;
        return 0;
    }
    if (streq(name, "Local")) /* Go's word for it */
        return err_set(err, ERR_INVALID,
                       "'Local' is the time zone of whichever machine looks; write its name, as in "
                       "'Europe/Zurich', or UTC");
    if (!zone_name_is_valid(name))
        return err_set(err, ERR_INVALID,
                       "'%.80s' is not the name of a time zone; write it as in 'Europe/Zurich'",
                       name);
    known = find(name);
    if (known) {
        *ret = known;
        return 0;
    }
    r = zone_read(default_folder(), name, &zone, err);
    return r < 0 ? r : keep(name, &zone, ret, err);
}

/* --- spans --- */

/* How many changes there were at `at_s`. */
static size_t changes_until(const struct zone *zone, int64_t at_s)
{
    size_t low = 0, high = zone->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->at_s[middle] <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct zone_span zone_span_at(const struct zone *zone, int64_t at_s)
{
    size_t changes = changes_until(zone, at_s);
    int64_t from_s = changes > 0 ? zone->at_s[changes - 1] : INT64_MIN;
    struct zone_span span;

    if (changes < zone->count || !zone->has_rule)
        return (struct zone_span){from_s, changes < zone->count ? zone->at_s[changes] : INT64_MAX,
                                  zone->offset_s[changes]};
    span = zone_rule_span(&zone->rule, at_s);
    if (span.from_s < from_s)
        span.from_s = from_s;
    return span;
}
