/* keymaker_test.c - RSA keys in the background. Keys are real, so a case takes about a second. */
#include "controller/keymaker.h"

#include "base/buf.h"
#include "base/thread.h"
#include "support/testing.h"

#define PATIENCE_MS SECONDS(120)

/* Hears what is ready, in order; may hold the keymaker's threads back. */
struct ear {
    struct mutex mutex;
    struct cond changed;
    struct buf heard; /* "a/1 a/2 " */
    int count;
    bool is_shut;
};

static void hear(void *arg, const struct key *key)
{
    struct ear *ear = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&ear->mutex);

    while (ear->is_shut)
        cond_wait(&ear->changed, &ear->mutex);
    buf_addf(&ear->heard, "%s/%s ", key->namespace, key->name);
    ear->count++;
    cond_broadcast(&ear->changed);
}

static void ear_init(struct ear *ear)
{
    *ear = (struct ear){.heard = BUF(1000)};
    mutex_init(&ear->mutex);
    cond_init(&ear->changed);
}

static void ear_deinit(struct ear *ear)
{
    buf_deinit(&ear->heard);
    cond_deinit(&ear->changed);
    mutex_deinit(&ear->mutex);
}

static void wait_for(struct ear *ear, int count)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&ear->mutex);

    while (ear->count < count)
        ASSERT_TRUE(cond_wait_for(&ear->changed, &ear->mutex, PATIENCE_MS));
}

static void open_ear(struct ear *ear)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&ear->mutex);

    ear->is_shut = false;
    cond_broadcast(&ear->changed);
}

/* Of the tests with threads. */
static struct ear listener;
static struct keymaker *keymaker;

static int start(void **state)
{
    struct keymaker_options options = {
        .clock = clock_system(), .threads = 2, .ready = hear, .arg = &listener};
    struct err err = {};

    ear_init(&listener);
    return keymaker_new(&options, &keymaker, &err);
}

static int end(void **state)
{
    keymaker_free(keymaker);
    ear_deinit(&listener);
    return 0;
}

static int ask(const char *namespace, const char *name, int size, const struct pkey **ret)
{
    struct key key = {.namespace = namespace, .name = name};
    struct err err = {};

    return keymaker_take(keymaker, &key, size, ret, &err);
}

static void expect_busy(const char *namespace, const char *name, int size)
{
    const struct pkey *none = NULL;

    ASSERT_EQ(ask(namespace, name, size, &none), ERR_BUSY);
}

TEST(without_threads_the_key_is_there_at_once)
{
    struct keymaker_options options = {.clock = clock_system()};
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(keymaker_new(&options, &keymaker, &err));
    ASSERT_EQ(ask("a", "1", 2048, &key), 0);
    ASSERT_EQ(pkey_size(key), 2048);
    keymaker_free(keymaker);
}

TEST(who_asks_is_told_when_the_key_is_there_and_gets_it_once)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;

    expect_busy("a", "1", 3072);
    wait_for(&listener, 1);
    ASSERT_EQ(ask("a", "1", 3072, &key), 0);
    ASSERT_EQ(pkey_size(key), 3072);
    ASSERT_EQ(pkey_algorithm(key), KEY_RSA);
}

TEST(keys_of_a_size_that_was_asked_for_are_made_ahead)
{
    const struct pkey *key = NULL;
    int asked = 0;

    while (!key && asked < 50) {
        cleanup(xfree) char *name = xasprintf("%d", ++asked);

        if (ask("a", name, 2048, &key) == ERR_BUSY)
            wait_for(&listener, asked);
    }
    ASSERT_TRUE(key != NULL);
    ASSERT_TRUE(asked > 1); /* not the first one: nobody had asked before */
    pkey_unref(key);
}

TEST(another_size_is_another_key)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;

    expect_busy("a", "1", 2048);
    wait_for(&listener, 1);
    expect_busy("a", "1", 2304);
    wait_for(&listener, 2);
    ASSERT_EQ(ask("a", "1", 2304, &key), 0);
    ASSERT_EQ(pkey_size(key), 2304);
}

TEST(a_large_key_delays_no_small_one_nor_the_end)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;

    expect_busy("a", "large", 8192);
    expect_busy("a", "larger", 8192);
    expect_busy("a", "small", 2048);
    for (int heard = 1; ask("a", "small", 2048, &key) == ERR_BUSY; heard++)
        wait_for(&listener, heard);
    keymaker_stop(keymaker);
    ASSERT_EQ(ask("a", "large", 8192, &key), ERR_CANCELED);
}

TEST(namespaces_take_turns)
{
    listener.is_shut = true; /* both threads stop at the first key they have made */
    expect_busy("a", "1", 2048);
    expect_busy("a", "2", 2048);
    expect_busy("a", "3", 2048);
    expect_busy("a", "4", 2048);
    expect_busy("a", "5", 2048);
    expect_busy("b", "1", 2048);
    open_ear(&listener);
    wait_for(&listener, 6);
    ASSERT_TRUE(strstr(buf_str(&listener.heard), "b/1") < strstr(buf_str(&listener.heard), "a/5"));
    ASSERT_TRUE(strstr(buf_str(&listener.heard), "b/1") < strstr(buf_str(&listener.heard), "a/4"));
}

TEST(a_size_that_no_key_has_is_said)
{
    const struct pkey *none = NULL;
    struct key key = {.namespace = "a", .name = "1"};
    struct err err = {};

    expect_busy("a", "1", 1024);
    wait_for(&listener, 1);
    ASSERT_EQ(keymaker_take(keymaker, &key, 1024, &none, &err), ERR_INVALID);
    ASSERT_CONTAINS(err.text, "1024");
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
RUN_TESTS(cmocka_unit_test(without_threads_the_key_is_there_at_once),
          T(who_asks_is_told_when_the_key_is_there_and_gets_it_once),
          T(keys_of_a_size_that_was_asked_for_are_made_ahead), T(another_size_is_another_key),
          T(a_large_key_delays_no_small_one_nor_the_end), T(namespaces_take_turns),
          T(a_size_that_no_key_has_is_said));
