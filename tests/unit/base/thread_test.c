#include "support/testing.h"

#include <signal.h>
#include <sys/prctl.h>

#include "base/thread.h"

struct counter {
    struct mutex mutex;
    struct cond changed;
    int value;
};

static void counter_init(struct counter *counter)
{
    *counter = (struct counter){};
    mutex_init(&counter->mutex);
    cond_init(&counter->changed);
}

static void counter_deinit(struct counter *counter)
{
    cond_deinit(&counter->changed);
    mutex_deinit(&counter->mutex);
}

static void add_thousand(void *arg)
{
    struct counter *counter = arg;

    for (int i = 0; i < 1000; i++) {
        cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&counter->mutex);

        counter->value++;
        cond_signal(&counter->changed);
    }
}

TEST(a_lock_keeps_threads_apart)
{
    struct err err = {};
    struct thread *threads[4];
    struct counter counter;

    counter_init(&counter);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("adder", add_thousand, &counter, &threads[i], &err));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    ASSERT_EQ(counter.value, 4000);
    counter_deinit(&counter);
}

TEST(a_waiter_sees_what_another_thread_changed)
{
    struct err err = {};
    struct thread *thread;
    struct counter counter;

    counter_init(&counter);
    ASSERT_OK(thread_start("adder", add_thousand, &counter, &thread, &err));
    mutex_lock(&counter.mutex);
    while (counter.value < 1000)
        cond_wait(&counter.changed, &counter.mutex);
    mutex_unlock(&counter.mutex);
    thread_join(thread);
    counter_deinit(&counter);
}

TEST(a_bounded_wait_ends)
{
    struct counter counter;

    counter_init(&counter);
    mutex_lock(&counter.mutex);
    ASSERT_FALSE(cond_wait_for(&counter.changed, &counter.mutex, 0));
    ASSERT_FALSE(cond_wait_for(&counter.changed, &counter.mutex, -5));
    while (cond_wait_for(&counter.changed, &counter.mutex, 1))
        continue;
    mutex_unlock(&counter.mutex);
    counter_deinit(&counter);
}

static void wait_long(void *arg)
{
    struct counter *counter = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&counter->mutex);

    while (counter->value == 0)
        ASSERT_TRUE(cond_wait_for(&counter->changed, &counter->mutex, INT64_MAX));
}

TEST(a_broadcast_wakes_all_even_from_the_longest_wait)
{
    struct err err = {};
    struct thread *threads[3];
    struct counter counter;

    counter_init(&counter);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("waiter", wait_long, &counter, &threads[i], &err));
    mutex_lock(&counter.mutex);
    counter.value = 1;
    cond_broadcast(&counter.changed);
    mutex_unlock(&counter.mutex);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    counter_deinit(&counter);
}

struct looks {
    char name[32];
    bool term_blocked, segv_blocked;
};

static void look_at_self(void *arg)
{
    struct looks *looks = arg;
    sigset_t set;

    prctl(PR_GET_NAME, looks->name);
    sigprocmask(SIG_BLOCK, NULL, &set);
    looks->term_blocked = sigismember(&set, SIGTERM);
    looks->segv_blocked = sigismember(&set, SIGSEGV);
}

TEST(a_thread_has_its_name_and_no_signals_but_its_own_faults)
{
    struct err err = {};
    struct looks looks = {};
    struct thread *thread;
    sigset_t set;

    ASSERT_OK(thread_start("a-name-that-is-too-long", look_at_self, &looks, &thread, &err));
    thread_join(thread);
    ASSERT_STREQ(looks.name, "a-name-that-is-");
    ASSERT_TRUE(looks.term_blocked);
    ASSERT_FALSE(looks.segv_blocked);
    sigprocmask(SIG_BLOCK, NULL, &set);
    ASSERT_FALSE(sigismember(&set, SIGTERM)); /* the starter keeps its own */
}

TEST(zeroed_locks_work_and_deinit_may_come_twice)
{
    static struct mutex mutex;
    struct counter counter;

    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    counter_init(&counter);
    counter_deinit(&counter);
    counter_deinit(&counter);
    thread_join(NULL);
}

RUN_TESTS(cmocka_unit_test(a_lock_keeps_threads_apart),
          cmocka_unit_test(a_waiter_sees_what_another_thread_changed),
          cmocka_unit_test(a_bounded_wait_ends),
          cmocka_unit_test(a_broadcast_wakes_all_even_from_the_longest_wait),
          cmocka_unit_test(a_thread_has_its_name_and_no_signals_but_its_own_faults),
          cmocka_unit_test(zeroed_locks_work_and_deinit_may_come_twice));
