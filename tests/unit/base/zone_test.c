#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/zone_inside.h"
#include "support/testing.h"

#define SUMMER_S (AT("2026-07-01T00:00:00Z") / 1000)

static const struct zone *zone_of(const char *name)
{
    const struct zone *zone = NULL;
    struct err err = {};

    ASSERT_OK(zone_get(name, &zone, &err));
    return zone;
}

/* As another reader of the database (Python's zoneinfo) finds them. */
TEST(clocks_are_put_forward_and_back_when_the_database_says)
{
    static const struct {
        const char *zone, *at; /* the first second of the new time */
        int before_s, from_then_s;
    } rows[] = {
        {"Europe/Berlin", "1945-04-02T01:00:00Z", 3600, 7200},
        {"Europe/Berlin", "1945-05-24T00:00:00Z", 7200, 10800}, /* double summer time */
        {"Europe/Berlin", "1945-09-24T00:00:00Z", 10800, 7200},
        {"Europe/Berlin", "1945-11-18T01:00:00Z", 7200, 3600},
        {"Europe/Berlin", "2026-03-29T01:00:00Z", 3600, 7200},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", 7200, 3600},
        {"Europe/Berlin", "2400-03-26T01:00:00Z", 3600,
         7200}, /* by the footer, as all from 2037 on */
        {"Europe/Berlin", "2400-10-29T01:00:00Z", 7200, 3600},
        {"America/New_York", "1883-11-18T17:00:00Z", -17762, -18000}, /* the first there is */
        {"America/New_York", "2026-03-08T07:00:00Z", -18000, -14400},
        {"America/New_York", "2026-11-01T06:00:00Z", -14400, -18000},
        {"America/New_York", "2399-03-14T07:00:00Z", -18000, -14400},
        {"America/New_York", "2399-11-07T06:00:00Z", -14400, -18000},
        {"Australia/Lord_Howe", "2026-04-04T15:00:00Z", 39600, 37800}, /* by half an hour */
        {"Australia/Lord_Howe", "2026-10-03T15:30:00Z", 37800, 39600},
        {"Australia/Lord_Howe", "2100-04-03T15:00:00Z", 39600, 37800},
        {"Australia/Lord_Howe", "2100-10-02T15:30:00Z", 37800, 39600},
        {"Asia/Kathmandu", "1985-12-31T18:30:00Z", 19800, 20700},
        {"Pacific/Apia", "2011-09-24T14:00:00Z", -39600, -36000},
        {"Pacific/Apia", "2011-12-30T10:00:00Z", -36000, 50400}, /* without 30 December */
        {"Europe/Dublin", "2026-03-29T01:00:00Z", 0, 3600},      /* summer is standard there */
        {"Europe/Dublin", "2026-10-25T01:00:00Z", 3600, 0},
        {"Europe/Dublin", "2150-03-29T01:00:00Z", 0, 3600},
        {"Europe/Dublin", "2150-10-25T01:00:00Z", 3600, 0},
        {"America/Nuuk", "2030-03-31T01:00:00Z", -7200, -3600}, /* on the day before, local time */
        {"America/Nuuk", "2030-10-27T01:00:00Z", -3600, -7200},
        {"America/Sao_Paulo", "2018-02-18T02:00:00Z", -7200, -10800}, /* at midnight */
        {"America/Sao_Paulo", "2018-11-04T03:00:00Z", -10800, -7200},
        {"Africa/Monrovia", "1972-01-07T00:44:30Z", -2670, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *row = xasprintf("%s %s", rows[i].zone, rows[i].at);
        const struct zone *zone = zone_of(rows[i].zone);
        int64_t at_s = AT(rows[i].at) / 1000;
        struct zone_span before = zone_span_at(zone, at_s - 1);
        struct zone_span then = zone_span_at(zone, at_s);

        CASE(row);
        ASSERT_EQ(before.offset_s, rows[i].before_s);
        ASSERT_EQ(before.to_s, at_s);
        ASSERT_EQ(then.offset_s, rows[i].from_then_s);
        ASSERT_EQ(then.from_s, at_s);
    }
}

TEST(spans_follow_each_other_without_gaps_up_to_the_end_of_time)
{
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu",
                                        "Africa/Casablanca", "UTC"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct zone *zone = zone_of(names[i]);
        struct zone_span span = zone_span_at(zone, INT64_MIN);

        CASE(names[i]);
        ASSERT_EQ(span.from_s, INT64_MIN);
        for (int n = 0; n < 1000 && span.to_s != INT64_MAX; n++) {
            struct zone_span next = zone_span_at(zone, span.to_s);

            ASSERT_EQ(next.from_s, span.to_s);
            ASSERT_TRUE(next.to_s > next.from_s);
            ASSERT_EQ(zone_span_at(zone, next.to_s - 1).from_s, next.from_s);
            span = next;
        }
        ASSERT_EQ(zone_span_at(zone, INT64_MAX).to_s, INT64_MAX);
    }
}

static void get_paris(void *arg)
{
    const struct zone **found = arg;

    (void)zone_get("Europe/Paris", found, NULL);
}

TEST(a_zone_is_read_once_whoever_asks)
{
    const struct zone *found[8] = {};
    struct thread *threads[ARRAY_LEN(found)] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        ASSERT_OK(thread_start("zone", get_paris, &found[i], &threads[i], &err));
    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        thread_join(threads[i]);
    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        ASSERT_PTREQ(found[i], zone_of("Europe/Paris"));
}

TEST(what_is_no_name_of_a_zone_never_becomes_a_path)
{
    static const char *const names[] = {
        "",
        "..",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/../UTC",
        "Europe//Rome",
        "Europe/",
        "Europe/Rome\n",
        "Europe Rome",
        "localtime",
        "posix/UTC",
        "right/UTC",
        "tzdata.zi",
        "europe/rome",
        "TZ=UTC",
        "Etc/UTC\x01",
        "Z\xc3\xbcrich",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct zone *zone = NULL;
        struct err err = {};

        CASE(names[i]);
        ASSERT_ERR(ERR_INVALID, zone_get(names[i], &zone, &err));
        ASSERT_TRUE(strstr(err.text, "is not the name of a time zone"));
        ASSERT_NULL(zone);
    }
}

TEST(the_zone_of_the_machine_has_no_name)
{
    const struct zone *zone = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, zone_get("Local", &zone, &err));
    ASSERT_CONTAINS(err.text, "write its name, as in 'Europe/Zurich', or UTC");
    ASSERT_NULL(zone);
}

TEST(a_zone_that_the_database_lacks_is_named_with_the_package_that_may_have_it)
{
    static const char *const names[] = {"Mars/Phobos", "Europe"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct zone *zone = NULL;
        struct err err = {};

        CASE(names[i]);
        ASSERT_ERR(ERR_NOT_FOUND, zone_get(names[i], &zone, &err));
        ASSERT_TRUE(strstr(err.text, names[i]));
        ASSERT_TRUE(strstr(err.text, "tzdata"));
    }
}

/* --- a database of our own --- */

struct place {
    char path[64];
    int dir;
};

static void place_init(struct place *place)
{
    struct err err = {};

    (void)snprintf(place->path, sizeof(place->path), "/tmp/zone_test.XXXXXX");
    ASSERT_TRUE(mkdtemp(place->path));
    ASSERT_OK(file_open_dir_at(AT_FDCWD, place->path, false, 0, &place->dir, &err));
}

static void place_deinit(struct place *place)
{
    static const char *const names[] = {"Here", "Text", "Half", "Pipe", "Large", "Etc/UTC"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlinkat(place->dir, names[i], 0); /* those that there are */
    (void)unlinkat(place->dir, "Etc", AT_REMOVEDIR);
    ASSERT_EQ(rmdir(place->path), 0);
    fd_close(place->dir);
}
DEFINE_CLEANUP_VALUE(struct place, place_deinit);

static void place_put(struct place *place, const char *name, const void *data, size_t len)
{
    struct err err = {};

    ASSERT_OK(file_write_at(place->dir, name, data, len, 0644, &err));
}

/* Without it there is no database, only files. */
static void place_put_utc(struct place *place)
{
    cleanup(xfree) char *path = xasprintf("%s/Etc/UTC", place->path);

    ASSERT_EQ(mkdirat(place->dir, "Etc", 0700), 0);
    ASSERT_EQ(symlink("/usr/share/zoneinfo/Etc/UTC", path), 0);
}

static void read_berlin(struct buf *to)
{
    struct err err = {};

    ASSERT_OK(file_read("/usr/share/zoneinfo/Europe/Berlin", to, &err));
}

TEST(without_a_database_there_is_utc_and_the_rest_says_what_to_install)
{
    cleanup(place_deinit) struct place place;
    struct zone *zone = NULL;
    struct err err = {};

    ASSERT_EQ(zone_span_at(zone_of("UTC"), SUMMER_S).offset_s, 0); /* no file is read */
    ASSERT_PTREQ(zone_of("UTC"), zone_of("Etc/UTC"));
    place_init(&place);
    ASSERT_ERR(ERR_UNAVAILABLE, zone_read(place.path, "Europe/Paris", &zone, &err));
    ASSERT_TRUE(strstr(err.text, "'Europe/Paris'"));
    ASSERT_TRUE(strstr(err.text, place.path));
    ASSERT_TRUE(strstr(err.text, "Debian: tzdata"));
    ASSERT_ERR(ERR_UNAVAILABLE, zone_read("/nowhere", "Europe/Paris", &zone, &err));
    ASSERT_NULL(zone);
}

TEST(a_file_that_is_no_time_zone_is_refused)
{
    cleanup(place_deinit) struct place place;
    cleanup(buf_deinit) struct buf berlin = BUF(LIMIT_ZONE_FILE);
    cleanup(zone_free) struct zone *zone = NULL;
    cleanup(xfree) char *large = xalloc(LIMIT_ZONE_FILE + 1);
    cleanup(xfree) char *pipe = NULL;
    struct err err = {};

    place_init(&place);
    place_put_utc(&place);
    read_berlin(&berlin);
    place_put(&place, "Here", buf_str(&berlin), berlin.len);
    place_put(&place, "Text", "Europe/Berlin", 13);
    place_put(&place, "Half", buf_str(&berlin), berlin.len / 2);
    place_put(&place, "Large", large, LIMIT_ZONE_FILE + 1);
    pipe = xasprintf("%s/Pipe", place.path);
    ASSERT_EQ(mkfifo(pipe, 0600), 0);
    ASSERT_ERR(ERR_INVALID, zone_read(place.path, "Text", &zone, &err));
    ASSERT_TRUE(strstr(err.text, "'Text'"));
    ASSERT_ERR(ERR_INVALID, zone_read(place.path, "Half", &zone, &err));
    ASSERT_ERR(ERR_TOO_LARGE, zone_read(place.path, "Large", &zone, &err));
    ASSERT_ERR(ERR_NOT_FOUND, zone_read(place.path, "Pipe", &zone, &err));
    ASSERT_ERR(ERR_NOT_FOUND, zone_read(place.path, "Etc", &zone, &err));
    ASSERT_NULL(zone);
    ASSERT_OK(zone_read(place.path, "Here", &zone, &err));
    ASSERT_EQ(zone_span_at(zone, SUMMER_S).offset_s, 7200);
}

/* --- the format --- */

TEST(a_file_that_ends_too_soon_is_refused_wherever_it_ends)
{
    cleanup(buf_deinit) struct buf berlin = BUF(LIMIT_ZONE_FILE);
    struct err err = {};

    read_berlin(&berlin);
    for (size_t len = 0; len < berlin.len; len++) {
        cleanup(xfree) char *part = xmemdup(buf_str(&berlin),
                                            len); /* of its own, for the checkers */
        struct zone *zone = NULL;

        ASSERT_ERR(ERR_INVALID, zone_parse(part, len, &zone, &err));
    }
}

/* Two empty blocks, of one type each; `offset` is that of UTC + 2 h. */
#define HEADER(version, changes, types, leap)                                                      \
    "TZif" version "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                                \
    "\0\0\0\0\0\0\0\0\0\0\0" leap "\0\0\0" changes "\0\0\0" types "\0\0\0\x04"
#define TYPE       "\0\0\x1c\x20\0\0"
#define NAME       "EET\0"
#define FIRST      HEADER("2", "\0", "\x01", "\0") TYPE NAME
#define DATA(text) text, sizeof(text) - 1

TEST(files_of_a_few_bytes_are_read_or_refused)
{
    static const struct {
        const char *name, *data;
        size_t len;
        const char *problem; /* NULL: two hours ahead */
    } rows[] = {
        {"a rule alone", DATA(FIRST FIRST "\nEET-2\n"), NULL},
        {"no rule", DATA(FIRST FIRST "\n\n"), NULL},
        {"version 4", DATA(FIRST HEADER("4", "\0", "\x01", "\0") TYPE NAME "\nEET-2\n"), NULL},
        {"version 1", DATA(HEADER("\0", "\0", "\x01", "\0") TYPE NAME), "version 1"},
        {"no type", DATA(FIRST HEADER("2", "\0", "\0", "\0") NAME "\n\n"), "too much"},
        {"leap seconds",
         DATA(FIRST HEADER("2", "\0", "\x01", "\x01") TYPE NAME "\0\0\0\0\0\0\0\0\0\0\0\0\n\n"),
         "leap seconds"},
        {"a type that is not there",
         DATA(FIRST HEADER("2", "\x01", "\x01", "\0") "\0\0\0\0\0\0\0\x01\x01" TYPE NAME "\n\n"),
         "out of range"},
        {"times out of order",
         DATA(FIRST HEADER("2", "\x02", "\x01",
                           "\0") "\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0" TYPE NAME "\n\n"),
         "not in order"},
        {"an offset of years",
         DATA(FIRST HEADER("2", "\0", "\x01", "\0") "\x7f\xff\xff\xff\0\0" NAME "\n\n"),
         "out of range"},
        {"no footer", DATA(FIRST FIRST), "no footer"},
        {"half a footer", DATA(FIRST FIRST "\nEET-2"), "no footer"},
        {"a footer that is no rule", DATA(FIRST FIRST "\nEET\n"), "'EET'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *data = xmemdup(rows[i].data, rows[i].len);
        cleanup(zone_free) struct zone *zone = NULL;
        struct err err = {};

        CASE(rows[i].name);
        if (rows[i].problem) {
            ASSERT_ERR(ERR_INVALID, zone_parse(data, rows[i].len, &zone, &err));
            ASSERT_TRUE(strstr(err.text, rows[i].problem));
        } else {
            ASSERT_OK(zone_parse(data, rows[i].len, &zone, &err));
            ASSERT_EQ(zone_span_at(zone, 0).offset_s, 7200);
        }
    }
}

TEST(rules_say_the_days_of_posix)
{
    static const struct {
        const char *rule, *at;
        int before_s, from_then_s;
    } rows[] = {
        {"AAA0BBB,J60/0,J61/0", "2025-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,J60/0,J61/0", "2024-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,59/0,60/0", "2025-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,59/0,60/0", "2024-02-29T00:00:00Z", 0, 3600},
        {"AAA0BBB,M2.5.0/0,M11.1.6/0", "2026-02-22T00:00:00Z", 0,
         3600}, /* the last, if only the fourth */
        {"AAA0BBB,M3.1.0,M11.1.6/0", "2026-03-01T02:00:00Z", 0, 3600}, /* at 2 without a time */
        {"AAA0BBB,M3.1.0/-2:30:15,M11.1.6/0", "2026-02-28T21:29:45Z", 0, 3600},
        {"AAA0BBB,M3.4.4/50,M10.4.4/50", "2026-03-28T02:00:00Z", 0,
         3600}, /* the day after the day after */
        {"AAA0BBB,M3.4.4/50,M10.4.4/50", "2026-10-24T01:00:00Z", 3600, 0},
        {"<-0330>3:30<-0230>,M3.2.0,M11.1.0", "2026-03-08T05:30:00Z", -12600, -9000},
        {"AAA-10BBB-10:30,M10.1.0,M4.1.0", "2026-04-04T15:30:00Z", 37800, 36000}, /* in the south */
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T01:00:00Z", 0, 3600},
        {"AAA0BBB,365/167,100/0", "2026-01-07T23:00:00Z", 0, 3600}, /* of the year before */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *row = xasprintf("%s at %s", rows[i].rule, rows[i].at);
        struct zone_rule rule;
        struct err err = {};
        int64_t at_s = AT(rows[i].at) / 1000;

        CASE(row);
        ASSERT_OK(zone_rule_parse(rows[i].rule, &rule, &err));
        ASSERT_EQ(zone_rule_span(&rule, at_s - 1).offset_s, rows[i].before_s);
        ASSERT_EQ(zone_rule_span(&rule, at_s - 1).to_s, at_s);
        ASSERT_EQ(zone_rule_span(&rule, at_s).offset_s, rows[i].from_then_s);
    }
}

TEST(summer_may_last_all_year)
{
    struct zone_rule rule;
    struct err err = {};

    ASSERT_OK(zone_rule_parse("EST5EDT,0/0,J365/25", &rule, &err)); /* RFC 9636 3.3.2 */
    for (int64_t at_s = AT("2023-12-31T00:00:00Z") / 1000; at_s < AT("2025-01-03T00:00:00Z") / 1000;
         at_s += 1800) {
        struct zone_span span = zone_rule_span(&rule, at_s);

        ASSERT_EQ(span.offset_s, -4 * 3600);
        ASSERT_TRUE(span.from_s <= at_s && at_s < span.to_s);
    }
}

TEST(anything_else_is_no_rule)
{
    static const char *const rules[] = {
        "",
        "CET",
        "CE-1",
        "CET-25",
        "CET-1:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M3.5.0,M10.5.0/3 ",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J100",
        "CET-1CEST,J366,J100",
        "CET-1CEST,366,100",
        "CET-1CEST,1000,100",
        "<CET-1",
        "<C T>-1",
        ":Europe/Berlin",
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct zone_rule rule;
        struct err err = {};

        CASE(rules[i]);
        ASSERT_ERR(ERR_INVALID, zone_rule_parse(rules[i], &rule, &err));
    }
}

RUN_TESTS(
    cmocka_unit_test(clocks_are_put_forward_and_back_when_the_database_says),
    cmocka_unit_test(spans_follow_each_other_without_gaps_up_to_the_end_of_time),
    cmocka_unit_test(a_zone_is_read_once_whoever_asks),
    cmocka_unit_test(what_is_no_name_of_a_zone_never_becomes_a_path),
    cmocka_unit_test(the_zone_of_the_machine_has_no_name),
    cmocka_unit_test(a_zone_that_the_database_lacks_is_named_with_the_package_that_may_have_it),
    cmocka_unit_test(without_a_database_there_is_utc_and_the_rest_says_what_to_install),
    cmocka_unit_test(a_file_that_is_no_time_zone_is_refused),
    cmocka_unit_test(a_file_that_ends_too_soon_is_refused_wherever_it_ends),
    cmocka_unit_test(files_of_a_few_bytes_are_read_or_refused),
    cmocka_unit_test(rules_say_the_days_of_posix), cmocka_unit_test(summer_may_last_all_year),
    cmocka_unit_test(anything_else_is_no_rule));
