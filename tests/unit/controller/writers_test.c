/* writers_test.c - who overwrites what we stored, and when we hold still. */
#include "controller/writers.h"

#include <stdio.h>
#include <string.h>

#include "support/testing.h"

#define START AT("2026-01-01T00:00:00Z")

static const unsigned char ours[SHA256_LEN] = {1}, theirs[SHA256_LEN] = {2};

static struct secret_facts secret_of(const unsigned char key_hash[SHA256_LEN], const char *manager)
{
    struct secret_facts secret = {.foreign_owner = manager};

    memcpy(secret.key_hash, key_hash, SHA256_LEN);
    return secret;
}

static struct object certificate_of(const char *uid, int64_t generation)
{
    return (struct object){.metadata = {.uid = uid, .generation = generation}};
}

/* The manager that must be stopped first, of a Secret with the other key. */
static const char *rival_of(struct writers *writers, const struct object *crt, int64_t now_ms)
{
    struct secret_facts secret = secret_of(theirs, "other");
    int64_t until_ms = 0;
    const char *found = writers_rival(writers, crt, &secret, now_ms, &until_ms);

    ASSERT_TRUE(!found || until_ms > now_ms);
    return found;
}

static const char *rival(struct writers *writers, const char *uid, int64_t now_ms)
{
    struct object crt = certificate_of(uid, 1);

    return rival_of(writers, &crt, now_ms);
}

TEST(who_overwrites_a_secret_twice_within_ten_minutes_stops_us_for_an_hour)
{
    cleanup(writers_free) struct writers *writers = writers_new();

    writers_note_stored(writers, "a", ours);
    ASSERT_NULL(rival(writers, "a", START));
    ASSERT_NULL(rival(writers, "a", START + 1)); /* the same one, seen again */
    writers_note_stored(writers, "a", ours);
    ASSERT_STREQ(rival(writers, "a", START + MINUTES(9)), "other");
    ASSERT_STREQ(rival(writers, "a", START + MINUTES(68)), "other");
    ASSERT_NULL(rival(writers, "a", START + MINUTES(70)));
}

TEST(an_edit_ends_the_stop_and_the_next_one_that_overwrites_begins_it_again)
{
    cleanup(writers_free) struct writers *writers = writers_new();
    struct object before = certificate_of("a", 1), edited = certificate_of("a", 2);

    writers_note_stored(writers, "a", ours);
    ASSERT_NULL(rival_of(writers, &before, START));
    writers_note_stored(writers, "a", ours);
    ASSERT_STREQ(rival_of(writers, &before, START + MINUTES(1)), "other");
    ASSERT_NULL(rival_of(writers, &edited, START + MINUTES(2)));
    writers_note_stored(writers, "a", ours);
    ASSERT_STREQ(rival_of(writers, &edited, START + MINUTES(3)), "other");
}

TEST(a_program_that_edits_without_end_does_not_end_the_stop_each_time)
{
    cleanup(writers_free) struct writers *writers = writers_new();
    int64_t now_ms = START;
    int let_go = 0;

    for (int64_t generation = 1; generation <= 120; generation++, now_ms += MINUTES(1)) {
        struct object crt = certificate_of("a", generation);

        if (generation > 2 && rival_of(writers, &crt, now_ms))
            continue; /* edited, and still stopped */
        let_go++;
        writers_note_stored(writers, "a", ours);
        (void)rival_of(writers, &crt, now_ms); /* and overwritten at once */
    }
    ASSERT_EQ(let_go, 2 * (2 + 1)); /* in each of two hours two that begin the stop, and one edit */
}

TEST(twice_within_more_than_ten_minutes_does_not)
{
    cleanup(writers_free) struct writers *writers = writers_new();

    writers_note_stored(writers, "a", ours);
    ASSERT_NULL(rival(writers, "a", START));
    writers_note_stored(writers, "a", ours);
    ASSERT_NULL(rival(writers, "a", START + MINUTES(11)));
}

TEST(what_is_ours_or_was_never_stored_by_us_or_has_no_foreign_owner_is_not_overwritten)
{
    cleanup(writers_free) struct writers *writers = writers_new();
    struct secret_facts same = secret_of(ours, "other"), alone = secret_of(theirs, NULL);
    struct object a = certificate_of("a", 1);
    int64_t until_ms;

    for (int i = 0; i < 3; i++) {
        writers_note_stored(writers, "a", ours);
        ASSERT_NULL(writers_rival(writers, &a, &same, START, &until_ms));
        ASSERT_NULL(writers_rival(writers, &a, &alone, START, &until_ms));
        ASSERT_NULL(writers_rival(writers, &a, NULL, START, &until_ms));
        ASSERT_NULL(rival(writers, "b", START));
    }
}

TEST(each_certificate_has_notes_of_its_own_until_it_is_forgotten)
{
    cleanup(writers_free) struct writers *writers = writers_new();
    char uid[24];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            (void)snprintf(uid, sizeof(uid), "uid-%d", i);
            writers_note_stored(writers, uid, ours);
            ASSERT_TRUE(!rival(writers, uid, START + round) == (round == 0 || i == 50));
        }
        writers_forget(writers, "uid-50");
        ASSERT_NULL(rival(writers, "uid-50", START));
    }
}

TEST(a_repair_of_the_version_that_is_there_still_is_futile)
{
    cleanup(writers_free) struct writers *writers = writers_new();
    struct secret_facts secret = secret_of(ours, NULL);

    secret.object.metadata.resource_version = "7";
    ASSERT_FALSE(writers_repair_is_futile(writers, "a", &secret));
    writers_note_repaired(writers, "a", "7");
    ASSERT_TRUE(writers_repair_is_futile(writers, "a", &secret));
    ASSERT_FALSE(writers_repair_is_futile(writers, "b", &secret));
    secret.object.metadata.resource_version = "8";
    ASSERT_FALSE(writers_repair_is_futile(writers, "a", &secret));
}

RUN_TESTS(cmocka_unit_test(who_overwrites_a_secret_twice_within_ten_minutes_stops_us_for_an_hour),
          cmocka_unit_test(an_edit_ends_the_stop_and_the_next_one_that_overwrites_begins_it_again),
          cmocka_unit_test(a_program_that_edits_without_end_does_not_end_the_stop_each_time),
          cmocka_unit_test(twice_within_more_than_ten_minutes_does_not),
          cmocka_unit_test(
              what_is_ours_or_was_never_stored_by_us_or_has_no_foreign_owner_is_not_overwritten),
          cmocka_unit_test(each_certificate_has_notes_of_its_own_until_it_is_forgotten),
          cmocka_unit_test(a_repair_of_the_version_that_is_there_still_is_futile));
