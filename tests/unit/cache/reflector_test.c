#include "support/testing.h"

#include "base/log.h"
#include "base/random.h"
#include "cache/write.h"
#include "unit/cache/script.h"

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct cache *cache;
    struct cache_source *source;
    struct reflector *reflector;
    char log[1000];
    int lines;
};

static void keep_line(void *arg, enum log_level level, const char *line)
{
    struct bed *bed = arg;

    bed->lines++;
    (void)snprintf(bed->log, sizeof(bed->log), "%s", line);
}

static void bed_init_with(struct bed *bed, struct script *script, const struct cache_kind *kind,
                          const struct store_view *view)
{
    *bed = (struct bed){};
    random_seed_for_tests(1);
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    bed->cache = cache_new(kind);
    bed->source = cache_add_source(bed->cache, view);
    bed->reflector = reflector_new(&script->store, bed->source);
    log_set_sink(keep_line, bed);
}

static void bed_init(struct bed *bed, struct script *script)
{
    bed_init_with(bed, script, &thing_kind, NULL);
}

static void bed_deinit(struct bed *bed)
{
    log_set_sink(NULL, NULL);
    reflector_free(bed->reflector);
    cache_free(bed->cache);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static size_t size_after_turns(struct bed *bed, int count)
{
    for (int i = 0; i < count; i++)
        ASSERT_EQ(reflector_turn(bed->reflector, &bed->ctx), 0);
    return cache_len(bed->cache);
}

TEST(it_lists_then_follows)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "x", "3"},
        {SCRIPT_ADDED, "y", "2"},
        {SCRIPT_END, NULL, "4"},
        {SCRIPT_MODIFIED, "x", "5", "blue"},
        {SCRIPT_DELETED, "y", "6"},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed, &script);
    ASSERT_EQ(reflector_step(bed.reflector, &bed.ctx, &err), 5);
    ASSERT_EQ(reflector_step(bed.reflector, &bed.ctx, &err), 0);
    ASSERT_EQ(err.code, 0);
    ASSERT_TRUE(cache_is_synced(bed.cache));
    ASSERT_TRUE(cache_source_has_seen(bed.source, "6"));
    ASSERT_EQ(cache_len(bed.cache), 1);
    ASSERT_STREQ(script.opened, "- ");
    ASSERT_EQ(script.open, 1);
}

TEST(gone_lists_anew_at_once_and_sweeps)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "x", "1"},
        {SCRIPT_ADDED, "y", "2"},
        {SCRIPT_END, NULL, "2"},
        {SCRIPT_FAIL, .result = ERR_GONE},
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "y", "2"},
        {SCRIPT_END, NULL, "90"},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    ASSERT_EQ(size_after_turns(&bed, 4), 2);
    ASSERT_EQ(size_after_turns(&bed, 4), 1);
    ASSERT_TRUE(cache_source_has_seen(bed.source, "90"));
    ASSERT_STREQ(script.opened, "- - ");
    ASSERT_EQ(script.open, 1);
}

TEST(a_step_lists_anew_by_itself_when_the_version_is_gone)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "x", "1"},
        {SCRIPT_END, NULL, "2"},
        {SCRIPT_FAIL, .result = ERR_GONE},
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "y", "9"},
        {SCRIPT_END, NULL, "90"},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed, &script);
    ASSERT_EQ(reflector_step(bed.reflector, &bed.ctx, &err), 2);
    ASSERT_EQ(cache_len(bed.cache), 1);
}

TEST(gone_twice_in_a_row_waits)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_FAIL, .result = ERR_GONE},
        {SCRIPT_OPEN, .result = ERR_GONE},
        {SCRIPT_OPEN, .result = ERR_GONE},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    ASSERT_EQ(size_after_turns(&bed, 2), 0);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) >= 800);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) >= 1600);
}

TEST(an_error_opens_again_where_it_was_and_a_bookmark_moves_that_place)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "x", "1"},
        {SCRIPT_END, NULL, "2"},
        {SCRIPT_BOOKMARK, NULL, "70"},
        {SCRIPT_FAIL, .result = ERR_NETWORK},
        {SCRIPT_OPEN},
        {SCRIPT_MODIFIED, "x", "71", "blue"},
        {SCRIPT_FAIL, .result = ERR_NETWORK},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    ASSERT_EQ(size_after_turns(&bed, 4), 1);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_CONTAINS(bed.log, "watching things: scripted; trying again in ");
    ASSERT_EQ(script.open, 0);
    ASSERT_EQ(size_after_turns(&bed, 2), 1);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_EQ(size_after_turns(&bed, 1), 1);
    ASSERT_STREQ(script.opened, "- 70 71 ");
}

TEST(a_list_that_breaks_off_is_begun_again)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN}, {SCRIPT_ADDED, "x", "1"}, {SCRIPT_FAIL, .result = ERR_NETWORK},
        {SCRIPT_OPEN}, {SCRIPT_ADDED, "y", "2"}, {SCRIPT_END, NULL, "3"},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed, &script);
    ASSERT_ERR(ERR_NETWORK, reflector_step(bed.reflector, &bed.ctx, &err));
    ASSERT_FALSE(cache_is_synced(bed.cache));
    ASSERT_EQ(reflector_step(bed.reflector, &bed.ctx, &err), 2);
    ASSERT_EQ(cache_len(bed.cache), 1);
    ASSERT_STREQ(script.opened, "- - ");
}

TEST(backoff_doubles_to_30_seconds_with_jitter_and_starts_anew_after_two_quiet_minutes)
{
    static const int64_t least_ms[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    struct script_row rows[20];
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    int64_t delay_ms;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rows[i] = (struct script_row){SCRIPT_OPEN, .result = ERR_UNAVAILABLE};
    bed_init(&bed, &script);
    for (size_t i = 0; i < ARRAY_LEN(least_ms); i++) {
        delay_ms = reflector_turn(bed.reflector, &bed.ctx);
        ASSERT_TRUE(delay_ms >= least_ms[i]);
        ASSERT_TRUE(delay_ms < 2 * least_ms[i]);
        fake_clock_advance(&bed.clock, delay_ms);
    }
    fake_clock_advance(&bed.clock, MINUTES(2) + 1);
    delay_ms = reflector_turn(bed.reflector, &bed.ctx);
    ASSERT_TRUE(delay_ms < 1600);
}

TEST(an_object_that_does_not_decode_is_logged_and_the_watch_goes_on)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN},
        {SCRIPT_ADDED, "x", "1", "broken"},
        {SCRIPT_ADDED, "y", "2"},
        {SCRIPT_END, NULL, "3"},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed, &script);
    ASSERT_EQ(reflector_step(bed.reflector, &bed.ctx, &err), 3);
    ASSERT_EQ(cache_len(bed.cache), 1);
    ASSERT_CONTAINS(bed.log, "decoding Thing 'a/x': spec.colour: 'broken' is no colour");
}

static void fire(void *arg, const struct key *key, const void *before, const void *after,
                 bool initial)
{
    cancel_fire(arg);
}

TEST(run_ends_when_cancelled_and_closes_its_watch)
{
    static const struct script_row rows[] = {{SCRIPT_OPEN}, {SCRIPT_ADDED, "x", "1"}};
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();

    bed_init(&bed, &script);
    cache_add_handler(bed.cache, fire, cancel);
    bed.ctx.cancel = cancel;
    reflector_run(bed.reflector, &bed.ctx);
    ASSERT_EQ(script.open, 0);
    ASSERT_EQ(cache_len(bed.cache), 1);
}

TEST(it_is_current_when_the_store_has_nothing_newer)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN}, {SCRIPT_ADDED, "x", "1"}, {SCRIPT_END, NULL, "2"},
        {SCRIPT_OPEN}, {SCRIPT_ADDED, "y", "3"}, /* the look: something new */
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    ASSERT_FALSE(reflector_is_current(bed.reflector, &bed.ctx)); /* no list yet, nothing asked */
    ASSERT_EQ(size_after_turns(&bed, 3), 1);
    ASSERT_FALSE(reflector_is_current(bed.reflector, &bed.ctx));
    ASSERT_TRUE(reflector_is_current(bed.reflector, &bed.ctx));
    ASSERT_STREQ(script.opened, "- 2 2 ");
}

TEST(trouble_is_told_once_as_long_as_it_stays_the_same_and_when_it_is_over)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN, .result = ERR_NETWORK},
        {SCRIPT_OPEN, .result = ERR_NETWORK},
        {SCRIPT_OPEN, .result = ERR_NETWORK},
        {SCRIPT_OPEN},
        {SCRIPT_END, NULL, "2"},
        {SCRIPT_FAIL, .result = ERR_NETWORK},
    };
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    for (int i = 0; i < 3; i++)
        ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_EQ(bed.lines, 1);
    ASSERT_EQ(size_after_turns(&bed, 2), 0);
    ASSERT_EQ(bed.lines, 2);
    ASSERT_CONTAINS(bed.log, "watching things works now");
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_EQ(bed.lines, 3);
}

TEST(a_watch_that_is_denied_is_told_with_what_would_help)
{
    static const struct {
        const char *namespace, *advice;
    } cases[] = {
        {NULL, "a ClusterRole with verbs list and watch on things, or name the namespaces that it "
               "may see in --namespace; trying again"},
        {"team", "a Role in namespace 'team' with verbs list and watch on things, or leave the "
                 "namespace out of --namespace; trying again"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static const struct script_row rows[] = {{SCRIPT_OPEN, .result = ERR_DENIED}};
        struct store_view view = {.namespace = cases[i].namespace};
        struct script script = SCRIPT(rows);
        cleanup(bed_deinit) struct bed bed = {};

        bed_init_with(&bed, &script, &thing_kind, &view);
        ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
        ASSERT_CONTAINS(bed.log, cases[i].advice);
    }
}

static const struct script_row appears_at_the_third_try[] = {
    {SCRIPT_OPEN, .result = ERR_UNSUPPORTED},
    {SCRIPT_OPEN, .result = ERR_UNSUPPORTED},
    {SCRIPT_OPEN},
    {SCRIPT_ADDED, "x", "1"},
    {SCRIPT_END, NULL, "2"},
};

TEST(a_kind_that_is_missing_is_waited_for_and_comes_in_when_it_appears)
{
    struct script script = SCRIPT(appears_at_the_third_try);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, &script);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) >= 800);
    ASSERT_CONTAINS(bed.log, "install the CustomResourceDefinition of things");
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) >= 1600);
    ASSERT_EQ(bed.lines, 1);
    ASSERT_FALSE(cache_is_synced(bed.cache)); /* nothing runs without it */
    ASSERT_EQ(size_after_turns(&bed, 3), 1);
    ASSERT_TRUE(cache_is_synced(bed.cache));
}

TEST(an_optional_kind_that_is_missing_holds_up_nobody)
{
    struct cache_kind kind = thing_kind;
    struct script script = SCRIPT(appears_at_the_third_try);
    cleanup(bed_deinit) struct bed bed = {};

    kind.optional = true;
    bed_init_with(&bed, &script, &kind, NULL);
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_TRUE(cache_is_synced(bed.cache));
    ASSERT_TRUE(reflector_is_current(bed.reflector, &bed.ctx)); /* nothing is asked */
    ASSERT_TRUE(reflector_turn(bed.reflector, &bed.ctx) > 0);
    ASSERT_EQ(bed.lines, 1);
    ASSERT_EQ(size_after_turns(&bed, 3), 1);
    ASSERT_STREQ(script.opened, "- - - ");
}

/* The other source has found the store set back: this one must not go on from where it was. */
TEST(it_lists_again_when_another_source_asks_for_it)
{
    static const struct script_row rows[] = {
        {SCRIPT_OPEN}, {SCRIPT_END, NULL, "9"}, {SCRIPT_OPEN}, {SCRIPT_END, NULL, "5"}};
    struct store_event set_back = {.type = STORE_BOOKMARK, .version = "5", .initial_end = true};
    struct store_event start = {.type = STORE_BOOKMARK, .version = "9", .initial_end = true};
    struct script script = SCRIPT(rows);
    cleanup(bed_deinit) struct bed bed = {};
    struct cache_source *other;
    struct err err = {};

    bed_init(&bed, &script);
    other = cache_add_source(bed.cache, &(struct store_view){.label_selector = "a=b"});
    ASSERT_EQ(size_after_turns(&bed, 2), 0);
    cache_begin_list(other);
    ASSERT_OK(cache_apply(other, &start, &err));
    cache_begin_list(other);
    ASSERT_OK(cache_apply(other, &set_back, &err));
    ASSERT_EQ(size_after_turns(&bed, 2), 0);
    ASSERT_STREQ(script.opened, "- - ");
    ASSERT_EQ(script.open, 1);
}

RUN_TESTS(cmocka_unit_test(it_lists_then_follows),
          cmocka_unit_test(gone_lists_anew_at_once_and_sweeps),
          cmocka_unit_test(a_step_lists_anew_by_itself_when_the_version_is_gone),
          cmocka_unit_test(gone_twice_in_a_row_waits),
          cmocka_unit_test(an_error_opens_again_where_it_was_and_a_bookmark_moves_that_place),
          cmocka_unit_test(a_list_that_breaks_off_is_begun_again),
          cmocka_unit_test(
              backoff_doubles_to_30_seconds_with_jitter_and_starts_anew_after_two_quiet_minutes),
          cmocka_unit_test(an_object_that_does_not_decode_is_logged_and_the_watch_goes_on),
          cmocka_unit_test(run_ends_when_cancelled_and_closes_its_watch),
          cmocka_unit_test(it_is_current_when_the_store_has_nothing_newer),
          cmocka_unit_test(trouble_is_told_once_as_long_as_it_stays_the_same_and_when_it_is_over),
          cmocka_unit_test(a_watch_that_is_denied_is_told_with_what_would_help),
          cmocka_unit_test(a_kind_that_is_missing_is_waited_for_and_comes_in_when_it_appears),
          cmocka_unit_test(an_optional_kind_that_is_missing_holds_up_nobody),
          cmocka_unit_test(it_lists_again_when_another_source_asks_for_it));
