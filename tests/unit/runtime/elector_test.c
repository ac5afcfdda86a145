/* Over the local store in memory; each elector has a way to it that can be made to fail. */
#include "runtime/elector.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "runtime/lease.h"
#include "store/local.h"
#include "support/testing.h"

#define NAMESPACE "cert-manager"
#define NAME      "cert-manager-controller"
#define LEASE_MS  SECONDS(15)
#define RENEW_MS  SECONDS(10)
#define RETRY_MS  SECONDS(2)
enum { MEMBERS = 4 };

static const struct key key = {NAMESPACE, NAME};

/* --- a way to the store --- */

enum fault { WORKS, FAILS, ANSWER_LOST };

struct way {
    struct store store;
    struct store *to;
    enum fault reads, writes, watches;
    int fails_with; /* an err_code */
    int gets, written;
    struct fake_clock *clock;
    int64_t answer_ms;               /* how long the answer to a write takes */
    void (*before_write)(void *arg); /* once */
    void *arg;
};

static struct way *way_of(struct store *store)
{
    return CONTAINER_OF(store, struct way, store);
}

static int closed(const struct way *way, const char *doing, struct err *err)
{
    return err_set(err, way->fails_with, "%s: the way is closed", doing);
}

static int way_get(struct store *store, const struct context *ctx, const struct resource *resource,
                   const struct key *of, struct json **ret, struct err *err)
{
    struct way *way = way_of(store);

    way->gets++;
    return way->reads == WORKS ? store_get(way->to, ctx, resource, of, ret, err)
                               : closed(way, "reading it", err);
}

static void begin_write(struct way *way)
{
    void (*before_write)(void *arg) = way->before_write;

    way->before_write = NULL;
    if (before_write)
        before_write(way->arg);
}

static int end_write(struct way *way, int r, struct json **ret, struct err *err)
{
    if (r < 0)
        return r;
    way->written++;
    fake_clock_advance(way->clock, way->answer_ms);
    if (way->writes == WORKS)
        return 0;
    json_unref(take(*ret));
    return closed(way, "changing it", err);
}

static int way_create(struct store *store, const struct context *ctx,
                      const struct resource *resource, const char *manager,
                      const struct json *object, struct json **ret, struct err *err)
{
    struct way *way = way_of(store);

    begin_write(way);
    if (way->writes == FAILS)
        return closed(way, "changing it", err);
    return end_write(way, store_create(way->to, ctx, resource, manager, object, ret, err), ret,
                     err);
}

static int way_update(struct store *store, const struct context *ctx,
                      const struct resource *resource, enum store_part part, const char *manager,
                      const struct json *object, struct json **ret, struct err *err)
{
    struct way *way = way_of(store);

    begin_write(way);
    if (way->writes == FAILS)
        return closed(way, "changing it", err);
    return end_write(way, store_update(way->to, ctx, resource, part, manager, object, ret, err),
                     ret, err);
}

static int way_watch(struct store *store, const struct context *ctx,
                     const struct resource *resource, const struct store_view *view,
                     const char *since, struct store_watch **ret, struct err *err)
{
    struct way *way = way_of(store);

    if (way->watches != WORKS)
        return closed(way, "watching it", err);
    return way->to->ops->watch(way->to, ctx, resource, view, since, ret, err);
}

static int way_watch_next(struct store_watch *watch, const struct context *ctx,
                          struct store_event *ret, struct err *err)
{
    return watch->store->ops->watch_next(watch, ctx, ret, err);
}

static void way_note(struct store *store, const struct context *ctx, const struct store_note *note)
{
    store_note(way_of(store)->to, ctx, note);
}

/* A watch is the inner store's, with its operations. */
static const struct store_ops way_ops = {
    .get = way_get,
    .create = way_create,
    .update = way_update,
    .watch = way_watch,
    .watch_next = way_watch_next,
    .note = way_note,
};

/* --- members of an election --- */

struct bed;
struct member {
    struct bed *bed;
    struct way way;
    struct elector *elector;
    int led, lost, held;
    int64_t held_for_ms;
    int infos_before; /* lines of the log when it was told that */
    char why[300];
};

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct store *store;
    struct member members[MEMBERS];
    int warnings, infos, deaf;
    char warning[500];
};

static void keep_line(void *arg, enum log_level level, const char *line)
{
    struct bed *bed = arg;

    if (level == LOG_WARNING) {
        bed->warnings++;
        (void)snprintf(bed->warning, sizeof(bed->warning), "%s", line);
    }
    bed->infos += level == LOG_INFO;
    bed->deaf += level == LOG_INFO && strstr(line, "at the next look only");
}

static void holds(void *arg, int64_t for_ms)
{
    struct member *member = arg;

    member->held++;
    member->held_for_ms = for_ms;
    member->infos_before = member->bed->infos;
}

static void leads(void *arg)
{
    ((struct member *)arg)->led++;
}

static void lost(void *arg, const char *why)
{
    struct member *member = arg;

    ASSERT_FALSE(elector_is_leader(member->elector)); /* whoever asks now stops, too */
    member->lost++;
    (void)snprintf(member->why, sizeof(member->why), "%s", why);
}

static struct elector *elector_for(struct bed *bed, struct member *member, const char *identity)
{
    struct elector_options options = {
        .store = &member->way.store,
        .clock = &bed->clock.clock,
        .namespace = NAMESPACE,
        .name = NAME,
        .identity = identity,
        .lease_ms = LEASE_MS,
        .renew_deadline_ms = RENEW_MS,
        .retry_ms = RETRY_MS,
        .held = holds,
        .leading = leads,
        .lost = lost,
        .arg = member,
    };
    struct elector *elector = NULL;
    struct err err = {};

    ASSERT_OK(elector_new(&options, &elector, &err));
    return elector;
}

static void member_init(struct bed *bed, struct member *member, const char *identity)
{
    *member = (struct member){.bed = bed, .way = {.store = {.ops = &way_ops}, .to = bed->store}};
    member->way.fails_with = ERR_NETWORK;
    member->way.clock = &bed->clock;
    member->elector = elector_for(bed, member, identity);
}

static void bed_init(struct bed *bed)
{
    static const struct resource *const resources[] = {&lease_resource, NULL};
    struct local_options local = {.resources = resources, .clock = &bed->clock.clock};
    char identity[8] = "a";
    struct err err = {};

    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    random_seed_for_tests(1);
    log_setup(LOG_INFO, LOG_TEXT, &bed->clock.clock);
    log_set_sink(keep_line, bed);
    ASSERT_OK(store_local_open(&local, &bed->store, &err));
    for (int i = 0; i < MEMBERS; i++, identity[0]++)
        member_init(bed, &bed->members[i], identity);
}

static void bed_deinit(struct bed *bed)
{
    for (int i = 0; i < MEMBERS; i++)
        elector_free(bed->members[i].elector);
    store_close(bed->store);
    log_set_sink(NULL, NULL);
    log_setup(LOG_INFO, LOG_TEXT, clock_system());
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static int64_t turn(struct member *member)
{
    return elector_turn(member->elector, &member->bed->ctx);
}

/* Turns of one member, each when it is due, for so long. */
static void run_for(struct member *member, int64_t ms)
{
    int64_t wait_ms;

    for (wait_ms = turn(member); wait_ms <= ms; wait_ms = turn(member)) {
        fake_clock_advance(&member->bed->clock, wait_ms);
        ms -= wait_ms;
    }
    fake_clock_advance(&member->bed->clock, ms);
}

static bool is_leader(struct member *member)
{
    return elector_is_leader(member->elector);
}

static struct json *stored(struct bed *bed)
{
    struct json *lease = NULL;
    struct err err = {};

    ASSERT_OK(store_get(bed->store, &bed->ctx, &lease_resource, &key, &lease, &err));
    return lease;
}

static void expect_record(struct bed *bed, const char *holder, int64_t seconds, int64_t transitions)
{
    cleanup(json_unref) struct json *lease = stored(bed);
    const struct json *spec = json_get(lease, "spec");

    ASSERT_STREQ(json_get_text(spec, "holderIdentity"), holder);
    ASSERT_EQ(json_get_int(spec, "leaseDurationSeconds", -1), seconds);
    ASSERT_EQ(json_get_int(spec, "leaseTransitions", -1), transitions);
}

static void expect_text(struct bed *bed, const char *path, const char *wanted)
{
    cleanup(json_unref) struct json *lease = stored(bed);

    ASSERT_STREQ(json_as_text(json_path(lease, path)), wanted);
}

/* As somebody else writes it. */
static void write_by_hand(struct bed *bed, const char *holder, int64_t seconds, const char *time)
{
    cleanup(json_unref) struct json *lease = stored(bed), *ret = NULL;
    struct json *spec = json_need_map(lease, "spec");
    struct err err = {};

    json_set_text(spec, "holderIdentity", holder);
    json_set_int(spec, "leaseDurationSeconds", seconds);
    json_set_text(spec, "renewTime", time);
    ASSERT_OK(store_update(bed->store, &bed->ctx, &lease_resource, STORE_OBJECT, "hand", lease,
                           &ret, &err));
}

static void create_by_hand(struct bed *bed, const char *text)
{
    cleanup(json_unref) struct json *lease = NULL, *ret = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &lease, &err));
    ASSERT_OK(store_create(bed->store, &bed->ctx, &lease_resource, "hand", lease, &ret, &err));
}

static void remove_by_hand(struct bed *bed)
{
    struct err err = {};

    ASSERT_OK(store_delete(bed->store, &bed->ctx, &lease_resource, &key, NULL, &err));
}

static void expect_note(struct bed *bed, size_t at, const char *note)
{
    cleanup(json_unref) struct json *events = NULL;
    struct err err = {};

    ASSERT_OK(store_local_events(bed->store, &bed->ctx, &lease_resource, &key, &events, &err));
    ASSERT_TRUE(json_len(events) > at);
    ASSERT_STREQ(json_get_text(json_at(events, at), "note"), note);
    ASSERT_STREQ(json_get_text(json_at(events, at), "reason"), "LeaderElection");
}

/* --- taking it --- */

TEST(times_that_the_rules_do_not_allow_are_refused)
{
    static const struct {
        const char *name;
        int64_t lease_ms, renew_deadline_ms, retry_ms;
        int result;
    } rows[] = {
        {"cert-manager's", 60000, 40000, 15000, 0},
        {"ours", 15000, 10000, 2000, 0},
        {"the deadline is the lease", 10000, 10000, 2000, ERR_INVALID},
        {"no time for a second try", 15000, 10000, 8400, ERR_INVALID},
        {"just enough", 15000, 10000, 8300, 0},
        {"no pause", 15000, 10000, 0, ERR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct elector_options options = {.clock = clock_system(),
                                          .namespace = NAMESPACE,
                                          .name = NAME,
                                          .identity = "a",
                                          .lease_ms = rows[i].lease_ms,
                                          .renew_deadline_ms = rows[i].renew_deadline_ms,
                                          .retry_ms = rows[i].retry_ms};
        cleanup(elector_free) struct elector *elector = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_ERR(rows[i].result, elector_new(&options, &elector, &err));
    }
}

TEST(whoever_finds_no_lease_makes_one_and_leads)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];
    char holder[ELECTOR_HOLDER_MAX];

    bed_init(&bed);
    elector_holder(a->elector, holder);
    ASSERT_STREQ(holder, "");
    ASSERT_FALSE(is_leader(a));
    ASSERT_EQ(turn(a), RETRY_MS);
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->led, 1);
    expect_record(&bed, "a", 15, 0);
    expect_text(&bed, "spec.acquireTime", "2026-01-01T00:00:00.000000Z");
    expect_text(&bed, "spec.renewTime", "2026-01-01T00:00:00.000000Z");
    expect_note(&bed, 0, "a became leader");
    elector_holder(a->elector, holder);
    ASSERT_STREQ(holder, "a");
    {
        cleanup(json_unref) struct json *lease = stored(&bed);

        ASSERT_STREQ(
            json_get_text(json_path(lease, "metadata.labels"), "app.kubernetes.io/managed-by"),
            "cert-manager");
    }
}

TEST(a_leader_renews_without_reading)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    run_for(a, MINUTES(10));
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->led, 1);
    ASSERT_EQ(a->way.gets, 1);
    ASSERT_EQ(a->way.written, 1 + MINUTES(10) / RETRY_MS);
    expect_record(&bed, "a", 15, 0);
    expect_text(&bed, "spec.acquireTime", "2026-01-01T00:00:00.000000Z");
    expect_text(&bed, "spec.renewTime", "2026-01-01T00:10:00.000000Z");
}

/* A log that nobody reads holds up whoever writes to it. */
TEST(each_renewal_says_first_how_long_the_lease_is_ours)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    a->way.answer_ms = 700;
    (void)turn(a);
    ASSERT_EQ(a->held, 1);
    ASSERT_EQ(a->held_for_ms, LEASE_MS - 700); /* from when it was sent */
    ASSERT_EQ(a->infos_before, 0);
    ASSERT_TRUE(bed.infos > 0); /* "became leader" */
    a->way.answer_ms = 0;
    run_for(a, RETRY_MS + 1);
    ASSERT_EQ(a->held, 2);
    ASSERT_EQ(a->held_for_ms, LEASE_MS);
    a->way.reads = a->way.writes = FAILS;
    run_for(a, RETRY_MS * 2);
    ASSERT_EQ(a->held, 2);
}

TEST(a_record_that_does_not_change_for_its_duration_is_taken_over)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];
    int64_t began_ms;

    bed_init(&bed);
    run_for(a, SECONDS(7)); /* renewed at 6 s; then it is gone */
    began_ms = bed.clock.mono_ms;
    run_for(b, LEASE_MS - 1);
    ASSERT_EQ(b->led, 0); /* 16 s after the renewal, but seen for less than 15 */
    fake_clock_advance(&bed.clock, 1);
    run_for(b, RETRY_MS / 10);
    ASSERT_TRUE(is_leader(b));
    ASSERT_TRUE(bed.clock.mono_ms - began_ms <= LEASE_MS + RETRY_MS / 10);
    expect_record(&bed, "b", 15, 1);
    ASSERT_FALSE(is_leader(a)); /* without a turn: its time is up */
}

TEST(times_in_the_record_are_not_compared_with_our_clock)
{
    static const char *const times[] = {"1970-01-01T00:00:00.000000Z",
                                        "2099-01-01T00:00:00.000000Z"};

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        struct member *a = &bed.members[0];

        CASE(times[i]);
        bed_init(&bed);
        create_by_hand(&bed,
                       "{\"metadata\":{\"namespace\":\"" NAMESPACE "\",\"name\":\"" NAME "\"}}");
        write_by_hand(&bed, "other", 30, times[i]);
        run_for(a, SECONDS(29));
        ASSERT_FALSE(is_leader(a));
        bed.clock.now_ms -= DAYS(400); /* nor is our own wall clock */
        write_by_hand(&bed, "other", 31, times[i]);
        run_for(a, SECONDS(30));
        ASSERT_FALSE(is_leader(a));
        run_for(a, SECONDS(2));
        ASSERT_TRUE(is_leader(a));
    }
}

TEST(cert_manager_is_waited_for_as_long_as_its_own_record_says)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];
    char holder[ELECTOR_HOLDER_MAX];

    bed_init(&bed);
    create_by_hand(
        &bed,
        "{\"metadata\":{\"namespace\":\"" NAMESPACE "\",\"name\":\"" NAME "\"},"
        "\"spec\":{\"holderIdentity\":\"cert-manager-7d4f8-external-cert-manager-controller\","
        "\"leaseDurationSeconds\":60,\"leaseTransitions\":41,"
        "\"acquireTime\":\"2025-12-31T00:00:00.000000Z\","
        "\"renewTime\":\"2025-12-31T23:59:59.000000Z\"}}");
    run_for(a, SECONDS(59));
    elector_holder(a->elector, holder);
    ASSERT_STREQ(holder, "cert-manager-7d4f8-external-cert-manager-controller");
    ASSERT_EQ(a->led, 0);
    ASSERT_TRUE(a->way.gets >= 13 && a->way.gets <= 30); /* every 2 to 4.4 s */
    run_for(a, SECONDS(2));
    ASSERT_TRUE(is_leader(a));
    expect_record(&bed, "a", 15, 42);
}

TEST(what_we_do_not_know_in_a_lease_stays)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    create_by_hand(&bed, "{\"metadata\":{\"namespace\":\"" NAMESPACE "\",\"name\":\"" NAME "\","
                         "\"labels\":{\"team\":\"x\"},\"annotations\":{\"note\":\"y\"}},"
                         "\"spec\":{\"strategy\":\"OldestEmulationVersion\","
                         "\"preferredHolder\":\"z\",\"future\":\"w\"}}");
    run_for(a, SECONDS(5));
    ASSERT_TRUE(is_leader(a));
    elector_stop(a->elector);
    expect_record(&bed, "", 1, 1);
    expect_text(&bed, "metadata.labels.team", "x");
    expect_text(&bed, "metadata.annotations.note", "y");
    expect_text(&bed, "spec.strategy", "OldestEmulationVersion");
    expect_text(&bed, "spec.preferredHolder", "z");
    expect_text(&bed, "spec.future", "w");
    {
        cleanup(json_unref) struct json *lease = stored(&bed);

        ASSERT_EQ(json_len(json_path(lease, "metadata.labels")), 1); /* it is not ours */
    }
}

static void turn_of(void *arg)
{
    (void)turn(arg); /* when it is due again does not matter here */
}

TEST(of_two_who_see_a_free_lease_one_gets_it)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    a->way.before_write = turn_of; /* both have found none */
    a->way.arg = b;
    (void)turn(a);
    ASSERT_FALSE(is_leader(a));
    ASSERT_TRUE(is_leader(b));
    elector_stop(b->elector);
    fake_clock_advance(&bed.clock, RETRY_MS * 3);
    a->way.before_write = turn_of; /* both have read that nobody holds it */
    a->way.arg = &bed.members[2];
    (void)turn(a);
    ASSERT_FALSE(is_leader(a));
    ASSERT_TRUE(is_leader(&bed.members[2]));
    expect_record(&bed, "c", 15, 1);
    ASSERT_EQ(bed.warnings, 0); /* daily life */
}

/* --- giving it up --- */

TEST(a_released_lease_is_taken_at_once)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    (void)turn(a);
    (void)turn(b);
    fake_clock_advance(&bed.clock, 500);
    elector_stop(a->elector);
    ASSERT_FALSE(is_leader(a));
    expect_record(&bed, "", 1, 0);
    expect_text(&bed, "spec.acquireTime", "2026-01-01T00:00:00.500000Z");
    expect_text(&bed, "spec.renewTime", "2026-01-01T00:00:00.500000Z");
    ASSERT_EQ(a->lost, 0); /* it was given, not lost */
    expect_note(&bed, 1, "a stopped leading");
    (void)turn(b);
    ASSERT_TRUE(is_leader(b));
    expect_record(&bed, "b", 15, 1);
}

TEST(a_removed_lease_is_left_to_its_holder_for_as_long_as_he_may_lead)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    (void)turn(a);
    (void)turn(b);
    remove_by_hand(&bed);
    run_for(b, LEASE_MS - 1);
    ASSERT_FALSE(is_leader(b));
    ASSERT_TRUE(is_leader(a)); /* and could have put it back */
    fake_clock_advance(&bed.clock, 1);
    run_for(b, RETRY_MS * 22 / 10);
    ASSERT_TRUE(is_leader(b));
    expect_record(&bed, "b", 15, 0);
}

TEST(without_a_watch_a_released_lease_is_taken_at_the_next_look)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    b->way.watches = FAILS;
    b->way.fails_with = ERR_DENIED;
    (void)turn(a);
    (void)turn(b);
    for (int i = 0; i < 3; i++) {
        run_for(a, MINUTES(1));
        (void)turn(b);
    }
    ASSERT_EQ(bed.deaf, 1); /* of several refusals */
    elector_stop(a->elector);
    (void)turn(b);
    ASSERT_FALSE(is_leader(b));
    run_for(b, RETRY_MS * 22 / 10);
    ASSERT_TRUE(is_leader(b));
}

TEST(a_standby_that_stops_leaves_the_lease_alone)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    (void)turn(a);
    (void)turn(b);
    elector_stop(b->elector);
    ASSERT_EQ(b->way.written, 0);
    expect_record(&bed, "a", 15, 0);
}

TEST(a_stop_releases_what_it_may_hold_without_knowing)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    a->way.writes = ANSWER_LOST;
    (void)turn(a);
    ASSERT_FALSE(is_leader(a));
    expect_record(&bed, "a", 15, 0);
    a->way.writes = WORKS;
    elector_stop(a->elector);
    expect_record(&bed, "", 1, 0);
}

TEST(a_release_of_an_old_version_is_done_again_and_of_a_foreign_one_not)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];

    bed_init(&bed);
    (void)turn(a);
    write_by_hand(&bed, "a", 99, "2026-01-01T00:00:00.000000Z");
    elector_stop(a->elector);
    expect_record(&bed, "", 1, 0);
    (void)turn(b);
    ASSERT_TRUE(is_leader(b));
    write_by_hand(&bed, "other", 99, "2026-01-01T00:00:00.000000Z");
    elector_stop(b->elector);
    expect_record(&bed, "other", 99, 1);
}

/* --- losing it --- */

TEST(a_leader_that_cannot_renew_stops_at_the_deadline)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    run_for(a, SECONDS(3)); /* renewed at 2 s, so the next round begins at 4 s */
    a->way.reads = a->way.writes = FAILS;
    run_for(a, SECONDS(4) + RENEW_MS - SECONDS(3) - 1);
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->lost, 0);
    fake_clock_advance(&bed.clock, 1);
    (void)turn(a);
    ASSERT_FALSE(is_leader(a));
    ASSERT_EQ(a->lost, 1);
    ASSERT_CONTAINS(a->why,
                    "lease 'cert-manager/cert-manager-controller' was not renewed for 12s: ");
    ASSERT_CONTAINS(a->why, "the way is closed");
    ASSERT_EQ(bed.warnings, 1); /* of a dozen failed tries */
    a->way.reads = a->way.writes = WORKS;
    run_for(a, MINUTES(5));
    ASSERT_EQ(a->lost, 1);
    ASSERT_EQ(a->led, 1);
    ASSERT_FALSE(is_leader(a)); /* the end is the end */
}

TEST(a_leader_stops_when_its_lease_runs_out_even_before_the_deadline)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];
    cleanup(elector_free) struct elector *elector = NULL;
    struct elector_options options = {.store = &a->way.store,
                                      .clock = &bed.clock.clock,
                                      .namespace = NAMESPACE,
                                      .name = NAME,
                                      .identity = "slow",
                                      .lease_ms = SECONDS(15),
                                      .renew_deadline_ms = SECONDS(14),
                                      .retry_ms = SECONDS(10),
                                      .lost = lost,
                                      .arg = a};
    struct err err = {};

    bed_init(&bed);
    options.store = &a->way.store;
    ASSERT_OK(elector_new(&options, &elector, &err));
    elector_free(a->elector);
    a->elector = take(elector);
    (void)turn(a);
    a->way.reads = a->way.writes = FAILS;
    run_for(a, SECONDS(15) - 1); /* the round would last until 24 s */
    ASSERT_TRUE(is_leader(a));
    fake_clock_advance(&bed.clock, 1);
    ASSERT_FALSE(is_leader(a)); /* before it has noticed */
    (void)turn(a);
    ASSERT_EQ(a->lost, 1);
}

TEST(a_slow_answer_counts_from_when_it_was_asked_for)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    a->way.answer_ms = SECONDS(4); /* others may have seen the record since its begin */
    (void)turn(a);
    fake_clock_advance(&bed.clock, LEASE_MS - SECONDS(4) - 1);
    ASSERT_TRUE(is_leader(a));
    fake_clock_advance(&bed.clock, 1);
    ASSERT_FALSE(is_leader(a));
}

TEST(trouble_within_the_deadline_is_told_once_and_goes_by)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];
    int infos;

    bed_init(&bed);
    (void)turn(a);
    a->way.reads = a->way.writes = FAILS;
    run_for(a, SECONDS(8));
    ASSERT_EQ(bed.warnings, 1);
    ASSERT_CONTAINS(bed.warning, "is the API server up");
    infos = bed.infos;
    a->way.reads = a->way.writes = WORKS;
    run_for(a, SECONDS(3));
    ASSERT_EQ(bed.infos, infos + 1); /* that it works again */
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->lost, 0);
    expect_record(&bed, "a", 15, 0);
}

TEST(a_standby_without_the_right_to_the_lease_says_what_to_allow_and_goes_on_trying)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    a->way.reads = FAILS;
    a->way.fails_with = ERR_DENIED;
    run_for(a, MINUTES(5));
    ASSERT_EQ(bed.warnings, 1);
    ASSERT_CONTAINS(bed.warning, "allow get, create and update of leases.coordination.k8s.io");
    a->way.reads = WORKS;
    a->way.writes = FAILS;
    run_for(a, MINUTES(5));
    ASSERT_EQ(bed.warnings, 2);
    ASSERT_CONTAINS(bed.warning, "changing it: the way is closed");
    a->way.writes = WORKS;
    run_for(a, RETRY_MS * 22 / 10);
    ASSERT_TRUE(is_leader(a));
}

TEST(an_answer_that_was_lost_costs_nothing)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    a->way.writes = ANSWER_LOST; /* of the create */
    (void)turn(a);
    ASSERT_FALSE(is_leader(a));
    a->way.writes = WORKS;
    run_for(a, RETRY_MS * 22 / 10);
    ASSERT_TRUE(is_leader(a));
    expect_record(&bed, "a", 15, 0);
    expect_text(&bed, "spec.acquireTime", "2026-01-01T00:00:00.000000Z");
    a->way.writes = ANSWER_LOST; /* of renewals */
    run_for(a, SECONDS(5));
    a->way.writes = WORKS;
    run_for(a, SECONDS(5));
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->led, 1);
    expect_record(&bed, "a", 15, 0);
}

TEST(a_leader_who_finds_another_holder_stops_at_once)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    (void)turn(a);
    write_by_hand(&bed, "other", 15, "2026-01-01T00:00:00.000000Z");
    run_for(a, RETRY_MS);
    ASSERT_FALSE(is_leader(a));
    ASSERT_EQ(a->lost, 1);
    ASSERT_STREQ(a->why, "'other' holds lease 'cert-manager/cert-manager-controller' now");
    expect_record(&bed, "other", 15, 0);
    expect_note(&bed, 1, "a stopped leading");
    elector_stop(a->elector);
    expect_record(&bed, "other", 15, 0);
}

TEST(a_leader_whose_lease_was_changed_or_removed_by_hand_leads_on)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0];

    bed_init(&bed);
    (void)turn(a);
    write_by_hand(&bed, "a", 99, "2026-01-01T00:00:00.000000Z");
    run_for(a, RETRY_MS);
    ASSERT_TRUE(is_leader(a));
    expect_record(&bed, "a", 15, 0);
    write_by_hand(&bed, "", 99, "2026-01-01T00:00:00.000000Z");
    run_for(a, RETRY_MS);
    expect_record(&bed, "a", 15, 1);
    remove_by_hand(&bed);
    run_for(a, RETRY_MS);
    expect_record(&bed, "a", 15, 0);
    ASSERT_TRUE(is_leader(a));
    ASSERT_EQ(a->led, 1);
    ASSERT_EQ(a->lost, 0);
}

TEST(health_fails_when_a_leader_is_still_there_long_after_its_lease)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct member *a = &bed.members[0], *b = &bed.members[1];
    int64_t slack_ms = SECONDS(20);

    bed_init(&bed);
    (void)turn(a);
    (void)turn(b);
    a->way.reads = a->way.writes = FAILS;
    fake_clock_advance(&bed.clock, LEASE_MS + slack_ms);
    ASSERT_TRUE(elector_is_healthy(a->elector, slack_ms));
    fake_clock_advance(&bed.clock, 1);
    ASSERT_FALSE(elector_is_healthy(a->elector, slack_ms)); /* its thread hangs */
    (void)turn(a);
    ASSERT_EQ(a->lost, 1);
    ASSERT_FALSE(elector_is_healthy(a->elector, slack_ms)); /* nobody ends the process */
    ASSERT_TRUE(elector_is_healthy(b->elector, slack_ms));
}

TEST(the_metric_says_who_leads)
{
    static const struct metric_family family = {
        .name = "leader_election_master_status", .type = METRIC_GAUGE, .labels = {"name"}};
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(elector_free) struct elector *elector = NULL;
    cleanup(buf_deinit) struct buf text = BUF(10000);
    const char *labels[] = {NAME, NULL};
    struct elector_options options = {.clock = &bed.clock.clock,
                                      .metrics = metrics,
                                      .namespace = NAMESPACE,
                                      .name = NAME,
                                      .identity = "a",
                                      .lease_ms = LEASE_MS,
                                      .renew_deadline_ms = RENEW_MS,
                                      .retry_ms = RETRY_MS};
    struct err err = {};

    bed_init(&bed);
    options.store = bed.store;
    ASSERT_OK(elector_new(&options, &elector, &err));
    metrics_print(metrics, &text);
    ASSERT_CONTAINS(buf_str(&text),
                    "leader_election_master_status{name=\"cert-manager-controller\"} 0\n");
    (void)elector_turn(elector, &bed.ctx);
    ASSERT_EQ(metrics_get(metrics, &family, labels), 1);
    elector_stop(elector);
    ASSERT_EQ(metrics_get(metrics, &family, labels), 0);
}

/* --- anything may happen --- */

static int count_leaders(struct bed *bed)
{
    int leaders = 0;

    for (int i = 0; i < MEMBERS; i++)
        leaders += is_leader(&bed->members[i]);
    return leaders;
}

static void time_passes(void *arg)
{
    struct member *member = arg;

    fake_clock_advance(&member->bed->clock, (int64_t)random_below(4000));
    (void)turn(member);
}

static void shake(struct member *member)
{
    static const enum fault faults[] = {WORKS, WORKS, WORKS, WORKS, FAILS, ANSWER_LOST};

    member->way.reads = random_below(5) ? WORKS : FAILS;
    member->way.writes = faults[random_below(ARRAY_LEN(faults))];
    member->way.watches = random_below(3) ? WORKS : FAILS;
    member->way.answer_ms = random_below(5) ? 0 : (int64_t)random_below(RENEW_MS / 2);
    if (random_below(4) == 0) { /* somebody else's turn falls between its read and its write */
        member->way.before_write = time_passes;
        member->way.arg = &member->bed->members[random_below(MEMBERS)];
    }
    if (member->way.arg == member)
        member->way.before_write = NULL;
}

/* A process that ended comes again with another name. */
static void restart(struct bed *bed, struct member *member, int *born)
{
    char identity[16];

    elector_free(member->elector);
    (void)snprintf(identity, sizeof(identity), "m-%d", (*born)++);
    member->way.before_write = NULL;
    member->elector = elector_for(bed, member, identity);
}

static void step(struct bed *bed, int *born)
{
    struct member *member = &bed->members[random_below(MEMBERS)];

    fake_clock_advance(&bed->clock, (int64_t)random_below(random_below(20) ? 1500 : 20000));
    ASSERT_TRUE(count_leaders(bed) <= 1);
    shake(member);
    if (random_below(60) == 0 || member->lost > 0) {
        member->lost = 0;
        restart(bed, member, born);
    } else if (random_below(200) == 0) {
        struct err err = {};

        (void)store_delete(bed->store, &bed->ctx, &lease_resource, &key, NULL, &err);
        fake_clock_advance(&bed->clock, LEASE_MS); /* see the header: nothing fences that */
    } else {
        (void)turn(member);
    }
    ASSERT_TRUE(count_leaders(bed) <= 1);
}

static void expect_one_leader_in_the_end(struct bed *bed)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct way *way = &bed->members[i].way;

        way->reads = way->writes = way->watches = WORKS;
        way->before_write = NULL;
        way->answer_ms = 0;
    }
    for (int s = 0; s < 60; s++) {
        fake_clock_advance(&bed->clock, SECONDS(1));
        for (int i = 0; i < MEMBERS; i++)
            (void)turn(&bed->members[i]);
    }
    ASSERT_EQ(count_leaders(bed), 1);
}

TEST(there_are_never_two_leaders_whatever_happens_and_in_whatever_order)
{
    enum { SEEDS = 12, STEPS = 1500 };
    char name[32];

    for (int seed = 1; seed <= SEEDS; seed++) {
        cleanup(bed_deinit) struct bed bed = {};
        int born = 0;

        (void)snprintf(name, sizeof(name), "seed %d", seed);
        CASE(name);
        bed_init(&bed);
        random_seed_for_tests((uint64_t)seed);
        for (int i = 0; i < STEPS; i++)
            step(&bed, &born);
        expect_one_leader_in_the_end(&bed);
    }
}

/* --- with threads --- */

struct post { /* what the elector's thread tells this one */
    struct mutex mutex;
    struct cond changed;
    bool leads, lost;
};

static void post_leads(void *arg)
{
    struct post *post = arg;

    mutex_lock(&post->mutex);
    post->leads = true;
    cond_broadcast(&post->changed);
    mutex_unlock(&post->mutex);
}

static void post_lost(void *arg, const char *why)
{
    struct post *post = arg;

    mutex_lock(&post->mutex);
    post->lost = true;
    cond_broadcast(&post->changed);
    mutex_unlock(&post->mutex);
}

static void wait_for(struct post *post, const bool *what)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&post->mutex);

    while (!*what)
        cond_wait(&post->changed, &post->mutex);
}

static void start_elector(struct store *store, struct post *post, const char *host,
                          int64_t retry_ms, struct elector **ret)
{
    cleanup(xfree) char *identity = elector_identity(host);
    struct elector_options options = {.store = store,
                                      .clock = clock_system(),
                                      .namespace = NAMESPACE,
                                      .name = NAME,
                                      .identity = identity,
                                      .lease_ms = HOURS(3),
                                      .renew_deadline_ms = HOURS(2),
                                      .retry_ms = retry_ms,
                                      .leading = post_leads,
                                      .lost = post_lost,
                                      .arg = post};
    struct err err = {};

    ASSERT_TRUE(str_starts(identity, host));
    mutex_init(&post->mutex);
    cond_init(&post->changed);
    ASSERT_OK(elector_new(&options, ret, &err));
    ASSERT_OK(elector_start(*ret, &err));
}

static void discard(void *arg, enum log_level level, const char *line)
{
}

TEST(a_thread_hands_over_to_another_without_waiting)
{
    struct local_options local = {.clock = clock_system()};
    cleanup(store_close) struct store *store = NULL;
    cleanup(elector_free) struct elector *a = NULL, *b = NULL;
    struct post a_post = {}, b_post = {};
    char holder[ELECTOR_HOLDER_MAX];
    struct err err = {};

    log_set_sink(discard, NULL);
    ASSERT_OK(store_local_open(&local, &store, &err));
    start_elector(store, &a_post, "a", HOURS(1), &a); /* nothing happens by time alone */
    wait_for(&a_post, &a_post.leads);
    start_elector(store, &b_post, "b", HOURS(1), &b);
    do /* until it has looked, so that it stands by */
        elector_holder(b, holder);
    while (holder[0] != 'a');
    ASSERT_TRUE(elector_is_leader(a));
    ASSERT_FALSE(elector_is_leader(b));
    elector_stop(a);
    wait_for(&b_post, &b_post.leads); /* hangs if it takes an hour */
    ASSERT_FALSE(elector_is_leader(a));
    ASSERT_TRUE(elector_is_leader(b));
    ASSERT_TRUE(elector_is_healthy(b, 0));
    ASSERT_FALSE(a_post.lost);
    elector_stop(b);
    elector_stop(b); /* twice is fine */
}

static bool steal(struct bed *bed)
{
    cleanup(json_unref) struct json *lease = stored(bed), *ret = NULL;

    json_set_text(json_need_map(lease, "spec"), "holderIdentity", "thief");
    return store_update(bed->store, &bed->ctx, &lease_resource, STORE_OBJECT, "hand", lease, &ret,
                        NULL) == 0;
}

TEST(a_thread_notices_that_another_took_its_lease)
{
    struct local_options local = {.clock = clock_system()};
    struct bed bed = {.ctx = context_background(clock_system())};
    cleanup(store_close) struct store *store = NULL;
    cleanup(elector_free) struct elector *a = NULL;
    struct post post = {};
    struct err err = {};

    log_set_sink(discard, NULL);
    ASSERT_OK(store_local_open(&local, &store, &err));
    start_elector(store, &post, "a", 10, &a);
    wait_for(&post, &post.leads);
    bed.store = store;
    while (!steal(&bed)) /* its renewals come in between */
        continue;
    wait_for(&post, &post.lost);
    ASSERT_FALSE(elector_is_leader(a));
}

RUN_TESTS(cmocka_unit_test(times_that_the_rules_do_not_allow_are_refused),
          cmocka_unit_test(whoever_finds_no_lease_makes_one_and_leads),
          cmocka_unit_test(a_leader_renews_without_reading),
          cmocka_unit_test(each_renewal_says_first_how_long_the_lease_is_ours),
          cmocka_unit_test(a_record_that_does_not_change_for_its_duration_is_taken_over),
          cmocka_unit_test(times_in_the_record_are_not_compared_with_our_clock),
          cmocka_unit_test(cert_manager_is_waited_for_as_long_as_its_own_record_says),
          cmocka_unit_test(what_we_do_not_know_in_a_lease_stays),
          cmocka_unit_test(of_two_who_see_a_free_lease_one_gets_it),
          cmocka_unit_test(a_released_lease_is_taken_at_once),
          cmocka_unit_test(a_removed_lease_is_left_to_its_holder_for_as_long_as_he_may_lead),
          cmocka_unit_test(without_a_watch_a_released_lease_is_taken_at_the_next_look),
          cmocka_unit_test(a_standby_that_stops_leaves_the_lease_alone),
          cmocka_unit_test(a_stop_releases_what_it_may_hold_without_knowing),
          cmocka_unit_test(a_release_of_an_old_version_is_done_again_and_of_a_foreign_one_not),
          cmocka_unit_test(a_leader_that_cannot_renew_stops_at_the_deadline),
          cmocka_unit_test(a_leader_stops_when_its_lease_runs_out_even_before_the_deadline),
          cmocka_unit_test(a_slow_answer_counts_from_when_it_was_asked_for),
          cmocka_unit_test(trouble_within_the_deadline_is_told_once_and_goes_by),
          cmocka_unit_test(
              a_standby_without_the_right_to_the_lease_says_what_to_allow_and_goes_on_trying),
          cmocka_unit_test(an_answer_that_was_lost_costs_nothing),
          cmocka_unit_test(a_leader_who_finds_another_holder_stops_at_once),
          cmocka_unit_test(a_leader_whose_lease_was_changed_or_removed_by_hand_leads_on),
          cmocka_unit_test(health_fails_when_a_leader_is_still_there_long_after_its_lease),
          cmocka_unit_test(the_metric_says_who_leads),
          cmocka_unit_test(there_are_never_two_leaders_whatever_happens_and_in_whatever_order),
          cmocka_unit_test(a_thread_hands_over_to_another_without_waiting),
          cmocka_unit_test(a_thread_notices_that_another_took_its_lease));
