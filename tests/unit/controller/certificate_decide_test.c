#include "unit/controller/certificate_facts.h"

/* A decision that writes only the status is followed by the one that finds it written; that one must
 * not write again. */
static void decide(struct sample *s, struct certificate_decision *ret)
{
    certificate_decide(&s->facts, &s->policy, s->arena, ret);
    if (ret->action != CERTIFICATE_NOTHING || !ret->write_status)
        return;
    s->crt.status = ret->status;
    certificate_decide(&s->facts, &s->policy, s->arena, ret);
    if (ret->action == CERTIFICATE_NOTHING)
        ASSERT_FALSE(ret->write_status);
}

struct row {
    const char *name;
    void (*spoil)(struct sample *s);
    enum certificate_action action;
    const char *ready;  /* reason of the Ready condition; NULL: "Ready" */
    const char *reason; /* of the decision; NULL: whatever */
};

static const char *reason_of(const struct certificate_decision *decision, const char *type)
{
    const struct condition *condition = condition_find(&decision->status.conditions, type);

    return condition ? condition->reason : NULL;
}

static const char *message_of(const struct certificate_decision *decision, const char *type)
{
    const struct condition *condition = condition_find(&decision->status.conditions, type);

    return condition ? condition->message : NULL;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        CASE(rows[i].name);
        sample_init(&s);
        rows[i].spoil(&s);
        decide(&s, &decision);
        ASSERT_STREQ(certificate_action_name(decision.action),
                     certificate_action_name(rows[i].action));
        ASSERT_STREQ(reason_of(&decision, "Ready"), rows[i].ready ? rows[i].ready : "Ready");
        if (rows[i].reason)
            ASSERT_STREQ(decision.reason, rows[i].reason);
    }
}

/* --- nothing is being issued --- */

SPOIL(almost_due, s->policy.now_ms = START_MS + DAYS(60) - 1);
SPOIL(has_expired, s->policy.now_ms = START_MS + DAYS(90) + 1);

static void failed_half_an_hour_ago(struct sample *s)
{
    s->facts.secret = NULL;
    s->crt.status.last_failure_time_ms = NOW_MS - MINUTES(30);
    s->crt.status.failed_issuance_attempts = (struct opt_int){true, 1};
}

/* By a clock that was set back since. */
static void failed_in_a_year(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->crt.status.last_failure_time_ms = NOW_MS + DAYS(365);
}

static void failed_an_hour_ago(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->crt.status.last_failure_time_ms = NOW_MS - HOURS(1);
}

static void failed_and_left_a_key(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->next_key = sample_next_key("web-next");
    s->next_keys[s->facts.next_key_count++] = &s->next_key;
}

static void failed_and_edited(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->next);
    s->crt.spec.dns_names.items = s->other_names;
}

static void failed_and_another_key_wanted(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    s->next.key_algorithm = KEY_ED25519;
    sample_add_request(s, &s->next);
}

static void failed_and_not_edited(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    s->next.key_algorithm = certificate_key_algorithm(&s->crt.spec);
    s->next.key_size = certificate_key_size(&s->crt.spec);
    sample_add_request(s, &s->next);
}

static void a_key_is_left(struct sample *s)
{
    s->next_key = sample_next_key("web-next");
    s->next_keys[s->facts.next_key_count++] = &s->next_key;
}

static void history_is_too_long(struct sample *s)
{
    s->current.revision = 3;
    s->crt.status.revision.value = 3;
    s->next = sample_request(s, 2, OLD_KEY);
    sample_add_request(s, &s->next);
}

static void history_is_kept(struct sample *s)
{
    history_is_too_long(s);
    s->crt.spec.revision_history_limit = (struct opt_int){true, 2};
}

static void repair_is_futile(struct sample *s)
{
    metadata_changed(s);
    s->facts.repair_is_futile = true;
}

static void somebody_else_repairs(struct sample *s)
{
    metadata_changed(s);
    s->facts.foreign_writer = "argocd";
    s->facts.foreign_until_ms = NOW_MS + HOURS(1);
}

static void somebody_else_overwrote_it(struct sample *s)
{
    s->secret.cert_key_hash[0] ^= 1;
    s->facts.foreign_writer = "argocd";
    s->facts.foreign_until_ms = NOW_MS + HOURS(1);
}

SPOIL(window_is_asked_for, s->acme.renewal_information_source = ARI_ARI);

static void window_is_asked_for_of_a_leaf_without_id(struct sample *s)
{
    window_is_asked_for(s);
    s->secret.ari_id = NULL;
}

static void issuer_is_not_ready(struct sample *s)
{
    window_is_asked_for(s);
    s->issuer.status.conditions.len = 0;
}

TEST(an_idle_certificate_starts_or_is_tended)
{
    static const struct row rows[] = {
        {"up to date", as_it_is, CERTIFICATE_NOTHING, NULL, NULL},
        {"no Secret", no_secret, CERTIFICATE_START, "DoesNotExist", "DoesNotExist"},
        {"edited", other_names, CERTIFICATE_START, "RequestChanged", "RequestChanged"},
        {"renewal due", is_due, CERTIFICATE_START, NULL, "Renewing"},
        {"almost due", almost_due, CERTIFICATE_NOTHING, NULL, NULL},
        {"expired", has_expired, CERTIFICATE_START, "Expired", "Renewing"},
        {"another Certificate owns the Secret", owned_by_another, CERTIFICATE_NOTHING,
         "DuplicateSecretName", NULL},
        {"an Issuer's Secret", claimed_by_an_issuer, CERTIFICATE_NOTHING, "SecretOfIssuer", NULL},
        {"spec is wrong", bad_spec, CERTIFICATE_NOTHING, "InvalidSpec", NULL},
        {"within the back-off", failed_half_an_hour_ago, CERTIFICATE_NOTHING, "DoesNotExist", NULL},
        {"failed in time to come", failed_in_a_year, CERTIFICATE_START, "DoesNotExist", NULL},
        {"after the back-off", failed_an_hour_ago, CERTIFICATE_START, "DoesNotExist", NULL},
        {"edited since the failure", failed_and_edited, CERTIFICATE_START, "DoesNotExist", NULL},
        {"another key since the failure", failed_and_another_key_wanted, CERTIFICATE_START,
         "DoesNotExist", NULL},
        {"not edited since", failed_and_not_edited, CERTIFICATE_NOTHING, "DoesNotExist", NULL},
        {"key of the failure", failed_and_left_a_key, CERTIFICATE_DROP_KEY, "DoesNotExist", NULL},
        {"a key is left", a_key_is_left, CERTIFICATE_DROP_KEY, NULL, NULL},
        {"old request", history_is_too_long, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"longer history", history_is_kept, CERTIFICATE_NOTHING, NULL, NULL},
        {"metadata", metadata_changed, CERTIFICATE_REPAIR, NULL, "SecretManagedMetadataMismatch"},
        {"tried in vain", repair_is_futile, CERTIFICATE_NOTHING, NULL, NULL},
        {"no tug of war over metadata", somebody_else_repairs, CERTIFICATE_NOTHING, NULL, NULL},
        {"no tug of war over data", somebody_else_overwrote_it, CERTIFICATE_NOTHING,
         "SecretOverwritten", NULL},
        {"renewal information", window_is_asked_for, CERTIFICATE_FETCH_ARI, NULL, NULL},
        {"no id", window_is_asked_for_of_a_leaf_without_id, CERTIFICATE_NOTHING, NULL, NULL},
        {"issuer not ready", issuer_is_not_ready, CERTIFICATE_NOTHING, NULL, NULL},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

TEST(an_idle_certificate_is_looked_at_again_at_the_next_time_that_matters)
{
    static const struct {
        const char *name;
        void (*spoil)(struct sample *s);
        int64_t after_now_ms;
    } rows[] = {
        {"renewal", as_it_is, DAYS(50)},
        {"end of the back-off", failed_half_an_hour_ago, MINUTES(30)},
        {"the Secret's owner may go", owned_by_another, MINUTES(3)},
        {"somebody else may stop", somebody_else_overwrote_it, HOURS(1)},
        {"the issuer may become ready", issuer_is_not_ready, HOURS(1)},
        {"a wrong spec: only the expiry", bad_spec, DAYS(80) + 1000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        CASE(rows[i].name);
        sample_init(&s);
        rows[i].spoil(&s);
        decide(&s, &decision);
        ASSERT_EQ(decision.next_ms - NOW_MS, rows[i].after_now_ms);
    }
}

TEST(the_request_beyond_the_history_that_goes_is_the_oldest)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    history_is_too_long(&s);
    decide(&s, &decision);
    ASSERT_EQ(decision.request->revision, 2);
}

/* The status was lost, and counting began anew. */
TEST(the_request_of_the_certificate_in_force_stays_whatever_its_number)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    s.next = sample_request(&s, 5, OTHER_KEY);
    sample_add_request(&s, &s.next);
    decide(&s, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_DROP_REQUEST);
    ASSERT_PTREQ(decision.request, &s.next);
    s.crt.spec.revision_history_limit = (struct opt_int){true, 2};
    decide(&s, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_NOTHING);
}

TEST(the_status_is_written_before_anything_is_tidied_up)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s); /* has no Ready condition yet */
    a_key_is_left(&s);
    certificate_decide(&s.facts, &s.policy, s.arena, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_NOTHING);
    ASSERT_TRUE(decision.write_status);
}

#define NO_TIME INT64_MIN

TEST(a_window_of_the_ca_is_asked_for_again_when_it_says_or_after_a_renewal)
{
    static const struct {
        const char *name;
        int64_t checked_ago_ms, next_in_ms;
        bool fetched;
    } rows[] = {
        {"not yet", HOURS(1), HOURS(5), false},
        {"due", HOURS(6), 0, true},
        {"no time given", HOURS(1), NO_TIME, true},
        {"it was for the certificate before", DAYS(11), HOURS(5), true},
        {"asked in time to come", -DAYS(30), DAYS(30) + HOURS(5), true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_ari ari = {
            .last_checked_ms = NOW_MS - rows[i].checked_ago_ms,
            .next_check_ms = rows[i].next_in_ms == NO_TIME ? 0 : NOW_MS + rows[i].next_in_ms};
        struct certificate_acme_status acme = {.ari = &ari};
        struct certificate_decision decision;

        CASE(rows[i].name);
        sample_init(&s);
        window_is_asked_for(&s);
        s.crt.status.acme = &acme;
        decide(&s, &decision);
        ASSERT_EQ(decision.action == CERTIFICATE_FETCH_ARI, rows[i].fetched);
        if (!rows[i].fetched)
            ASSERT_EQ(decision.next_ms - NOW_MS, rows[i].next_in_ms);
    }
}

TEST(issuer_settings_without_renewal_information_drop_what_was_stored_of_it)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_ari ari = {.last_checked_ms = NOW_MS};
    struct certificate_acme_status acme = {.ari = &ari};
    struct certificate_decision decision;

    sample_init(&s);
    s.crt.status.acme = &acme;
    decide(&s, &decision);
    ASSERT_NULL(decision.status.acme);
}

/* --- issuing: the next key --- */

static void issuing(struct sample *s)
{
    sample_set(s, &s->crt.status.conditions, "Issuing", CONDITION_TRUE, "ManuallyTriggered",
               "it is time");
    s->crt.status.next_private_key_secret_name = "web-next";
}

static void issuing_without_a_name(struct sample *s)
{
    issuing(s);
    s->crt.status.next_private_key_secret_name = NULL;
}

static void a_stranger_has_the_name(struct sample *s)
{
    issuing(s);
    s->facts.foreign_next_key = true;
}

static void with_key(struct sample *s)
{
    issuing(s);
    a_key_is_left(s);
}

static void with_two_keys(struct sample *s)
{
    with_key(s);
    s->second_key = sample_next_key("web-other");
    s->next_keys[s->facts.next_key_count++] = &s->second_key;
}

static void with_a_broken_key(struct sample *s)
{
    with_key(s);
    s->next_key.key_ok = false;
}

static void with_a_key_of_the_wrong_size(struct sample *s)
{
    with_key(s);
    s->next_key.key_size = 384;
}

static void never_rotated_and_fits(struct sample *s)
{
    issuing(s);
    s->private_key.rotation_policy = ROTATION_NEVER;
}

static void never_rotated_and_does_not_fit(struct sample *s)
{
    never_rotated_and_fits(s);
    s->private_key.size = 384;
    s->secret.key_size = 256;
}

static void never_rotated_and_no_secret(struct sample *s)
{
    never_rotated_and_fits(s);
    s->facts.secret = NULL;
}

TEST(an_issuance_begins_with_exactly_one_next_key_that_fits)
{
    static const struct row rows[] = {
        {"no key yet", issuing, CERTIFICATE_MAKE_KEY, NULL, NULL},
        {"set by hand, without a name", issuing_without_a_name, CERTIFICATE_START, NULL,
         "ManuallyTriggered"},
        {"a stranger's Secret", a_stranger_has_the_name, CERTIFICATE_START, NULL,
         "ManuallyTriggered"},
        {"two", with_two_keys, CERTIFICATE_DROP_KEY, NULL, NULL},
        {"broken", with_a_broken_key, CERTIFICATE_DROP_KEY, NULL, NULL},
        {"wrong size", with_a_key_of_the_wrong_size, CERTIFICATE_DROP_KEY, NULL, NULL},
        {"rotationPolicy Never", never_rotated_and_fits, CERTIFICATE_MAKE_KEY, NULL, NULL},
        {"Never, and the key does not fit", never_rotated_and_does_not_fit, CERTIFICATE_NOTHING,
         "SecretMismatch", "CannotRegenerateKey"},
        {"Never, and there is none", never_rotated_and_no_secret, CERTIFICATE_MAKE_KEY,
         "DoesNotExist", NULL},
        {"one that fits", with_key, CERTIFICATE_MAKE_REQUEST, NULL, NULL},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

TEST(of_two_next_keys_the_one_that_the_status_does_not_name_goes)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    with_two_keys(&s);
    decide(&s, &decision);
    ASSERT_STREQ(decision.next_key->object.metadata.name, "web-other");
}

TEST(the_name_of_the_next_key_is_derived_and_changes_when_a_stranger_has_it)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision first, again, other;

    sample_init(&s);
    no_secret(&s);
    decide(&s, &first);
    decide(&s, &again);
    ASSERT_STREQ(first.status.next_private_key_secret_name,
                 again.status.next_private_key_secret_name);
    s.crt.status = first.status;
    s.facts.foreign_next_key = true;
    decide(&s, &other);
    ASSERT_EQ(other.action, CERTIFICATE_START);
    ASSERT_FALSE(streq(first.status.next_private_key_secret_name,
                       other.status.next_private_key_secret_name));
}

/* --- issuing: the request --- */

static void requested(struct sample *s)
{
    with_key(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->next);
}

static void requested_without_revision(struct sample *s)
{
    requested(s);
    s->next.revision = 0;
}

static void requested_and_edited(struct sample *s)
{
    requested(s);
    s->crt.spec.dns_names.items = s->other_names;
}

static void requested_with_another_key(struct sample *s)
{
    requested(s);
    memset(s->next.key_hash, OTHER_KEY, SHA256_LEN);
}

static void requested_twice(struct sample *s)
{
    requested(s);
    s->second = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->second);
}

static void end_request(struct sample *s, const char *type, const char *reason)
{
    requested(s);
    sample_set(s, &s->next.request.status.conditions, type,
               streq(type, "Ready") ? CONDITION_FALSE : CONDITION_TRUE, reason, "because");
    s->next.request.status.failure_time_ms = NOW_MS;
}

SPOIL(failed, end_request(s, "Ready", "Failed"));
SPOIL(denied, end_request(s, "Denied", "Policy"));
SPOIL(refused, end_request(s, "InvalidRequest", "Broken"));
SPOIL(pending, end_request(s, "Ready", "Pending"));

static void failed_before_this_issuance(struct sample *s)
{
    failed(s);
    s->next.request.status.failure_time_ms = NOW_MS - HOURS(2);
}

/* Times in the status are whole seconds: one that ended in the second in which the issuance began is
 * taken for its own. */
static void failed_as_this_issuance_began(struct sample *s)
{
    failed(s);
    s->next.request.status.failure_time_ms = NOW_MS - HOURS(1);
}

static void denied_before_this_issuance(struct sample *s)
{
    denied(s);
    s->next.request.status.failure_time_ms = 0;
    s->next.request.object.metadata.creation_timestamp_ms = NOW_MS - HOURS(2);
}

static void issued(struct sample *s)
{
    requested(s);
    sample_issue(s, &s->next);
}

static void issued_unreadable(struct sample *s)
{
    issued(s);
    s->next.certificate_ok = false;
}

static void issued_for_another_key(struct sample *s)
{
    issued(s);
    s->next.certificate_key_hash[0] ^= 1;
}

static void issued_too_late(struct sample *s)
{
    issued(s);
    s->next.not_after_ms = NOW_MS;
}

static void issued_unusable(struct sample *s)
{
    issued(s);
    s->facts.unusable = "the chain is broken";
}

static void stored(struct sample *s)
{
    issued(s);
    sample_store(s, &s->next);
}

static struct pair of_another_issuer = {ANNOTATION_ISSUER_NAME, "other"};

static void stored_and_key_gone(struct sample *s)
{
    stored(s);
    s->facts.next_key_count = 0;
}

static void stored_and_edited(struct sample *s)
{
    stored(s);
    s->crt.spec.dns_names.items = s->other_names;
}

/* By a policy of the cluster, say: it would be issued anew as soon as this one is finished. */
static void stored_and_changed(struct sample *s)
{
    stored(s);
    s->secret.object.metadata.annotations = (struct array_pair){&of_another_issuer, 1};
}

TEST(a_request_is_dropped_waited_for_failed_or_stored)
{
    static const struct row rows[] = {
        {"without revision", requested_without_revision, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"edited since", requested_and_edited, CERTIFICATE_DROP_REQUEST, "RequestChanged", NULL},
        {"another key", requested_with_another_key, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"two of them", requested_twice, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"failed before", failed_before_this_issuance, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"denied before", denied_before_this_issuance, CERTIFICATE_DROP_REQUEST, NULL, NULL},
        {"new", requested, CERTIFICATE_NOTHING, NULL, NULL},
        {"pending", pending, CERTIFICATE_NOTHING, NULL, NULL},
        {"failed", failed, CERTIFICATE_FAIL, NULL, "Failed"},
        {"failed at once", failed_as_this_issuance_began, CERTIFICATE_FAIL, NULL, "Failed"},
        {"denied", denied, CERTIFICATE_FAIL, NULL, "Policy"},
        {"invalid", refused, CERTIFICATE_FAIL, NULL, "Broken"},
        {"unreadable", issued_unreadable, CERTIFICATE_FAIL, NULL, "InvalidCertificate"},
        {"for another key", issued_for_another_key, CERTIFICATE_FAIL, NULL, "InvalidCertificate"},
        {"expired already", issued_too_late, CERTIFICATE_FAIL, NULL, "InvalidCertificate"},
        {"chain broken", issued_unusable, CERTIFICATE_FAIL, NULL, "InvalidCertificate"},
        {"issued", issued, CERTIFICATE_STORE, NULL, NULL},
        {"stored", stored, CERTIFICATE_FINISH, NULL, NULL},
        {"stored, and changed", stored_and_changed, CERTIFICATE_STORE, "IncorrectIssuer", NULL},
        {"stored, next key gone", stored_and_key_gone, CERTIFICATE_FINISH, NULL, NULL},
        {"stored, then edited", stored_and_edited, CERTIFICATE_DROP_REQUEST, "SecretMismatch",
         NULL},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

/* --- called off --- */

static void issuing_for(struct sample *s, const char *reason)
{
    issuing(s);
    s->crt.status.conditions.len = 0;
    sample_set(s, &s->crt.status.conditions, "Issuing", CONDITION_TRUE, reason, "there was none");
}

SPOIL(began_without_secret, issuing_for(s, "DoesNotExist"));
SPOIL(began_for_an_edit, issuing_for(s, "RequestChanged"));
SPOIL(marked_by_another, issuing_for(s, "e2eTest"));

static void began_and_still_without_secret(struct sample *s)
{
    began_without_secret(s);
    no_secret(s);
}

static void began_and_is_due_by_now(struct sample *s)
{
    began_without_secret(s);
    is_due(s);
}

static void began_with_a_key(struct sample *s)
{
    began_without_secret(s);
    a_key_is_left(s);
}

static void began_with_a_request(struct sample *s)
{
    began_with_a_key(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->next);
}

static void began_and_failed(struct sample *s)
{
    began_with_a_request(s);
    sample_set(s, &s->next.request.status.conditions, "Denied", CONDITION_TRUE, "Policy", "no");
}

static void began_and_is_ordered(struct sample *s)
{
    began_with_a_request(s);
    s->facts.under_way = true;
}

static void began_and_is_issued(struct sample *s)
{
    began_and_is_ordered(s);
    sample_issue(s, &s->next);
}

/* Whether the edit was taken back is in the request alone. */
static void began_for_an_edit_and_lost_the_request(struct sample *s)
{
    began_for_an_edit(s);
    s->facts.request_count = 0;
}

static void began_for_a_key_that_must_stay(struct sample *s)
{
    issuing_for(s, "SecretMismatch");
    s->private_key.rotation_policy = ROTATION_NEVER;
}

static void began_with_a_history(struct sample *s)
{
    began_with_a_request(s);
    s->crt.spec.revision_history_limit = (struct opt_int){true, 5};
}

TEST(an_issuance_that_is_needed_no_more_is_called_off_while_nobody_was_asked)
{
    static const struct {
        struct row row;
        bool goes_on;
    } rows[] = {
        {{"restored", began_without_secret, CERTIFICATE_NOTHING, NULL, NULL}, false},
        {{"edited to and fro", began_for_an_edit, CERTIFICATE_NOTHING, NULL, NULL}, false},
        {{"key size to and fro", began_for_a_key_that_must_stay, CERTIFICATE_NOTHING, NULL, NULL},
         false},
        {{"with a key", began_with_a_key, CERTIFICATE_DROP_KEY, NULL, NULL}, false},
        {{"with a request", began_with_a_request, CERTIFICATE_DROP_REQUEST, NULL, NULL}, false},
        {{"which is no history", began_with_a_history, CERTIFICATE_DROP_REQUEST, NULL, NULL},
         false},
        {{"refused", began_and_failed, CERTIFICATE_DROP_KEY, NULL, NULL}, false},
        {{"ordered", began_and_is_ordered, CERTIFICATE_NOTHING, NULL, NULL}, true},
        {{"issued", began_and_is_issued, CERTIFICATE_STORE, NULL, NULL}, true},
        {{"not restored", began_and_still_without_secret, CERTIFICATE_MAKE_KEY, "DoesNotExist",
          NULL},
         true},
        {{"due by now", began_and_is_due_by_now, CERTIFICATE_MAKE_KEY, NULL, NULL}, true},
        {{"by hand", issuing, CERTIFICATE_MAKE_KEY, NULL, NULL}, true},
        {{"by hand of another", marked_by_another, CERTIFICATE_MAKE_KEY, NULL, NULL}, true},
        {{"nobody can tell", began_for_an_edit_and_lost_the_request, CERTIFICATE_MAKE_KEY, NULL,
          NULL},
         true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        check_rows(&rows[i].row, 1);
        sample_init(&s);
        rows[i].row.spoil(&s);
        decide(&s, &decision);
        ASSERT_EQ(condition_is(&decision.status.conditions, "Issuing", CONDITION_TRUE),
                  rows[i].goes_on);
        if (!rows[i].goes_on) {
            ASSERT_STREQ(reason_of(&decision, "Issuing"), ISSUING_CALLED_OFF);
            ASSERT_NULL(decision.status.next_private_key_secret_name);
        }
    }
}

/* They count for the wait before the next attempt, as where the Secret is mended during that wait. */
TEST(an_issuance_that_is_called_off_leaves_the_failures_before_it)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    began_without_secret(&s);
    s.crt.status.failed_issuance_attempts = (struct opt_int){true, 2};
    s.crt.status.last_failure_time_ms = NOW_MS - DAYS(1);
    certificate_decide(&s.facts, &s.policy, s.arena, &decision);
    ASSERT_TRUE(decision.calls_off);
    ASSERT_NULL(decision.reason);
    ASSERT_EQ(decision.status.failed_issuance_attempts.value, 2);
    ASSERT_EQ(decision.status.last_failure_time_ms, NOW_MS - DAYS(1));
    ASSERT_EQ(decision.status.revision.value, 1);
}

/* The reason tells whether the issuance may be called off. */
TEST(a_key_that_must_stay_and_does_not_fit_is_what_the_issuance_waits_for)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    never_rotated_and_does_not_fit(&s);
    decide(&s, &decision);
    ASSERT_TRUE(decision.is_stuck);
    ASSERT_STREQ(reason_of(&decision, "Issuing"), "ManuallyTriggered");
    ASSERT_CONTAINS(message_of(&decision, "Issuing"),
                    "it is time (waiting: spec.privateKey.rotationPolicy is Never");
}

/* --- a temporary certificate --- */

static void asks_for_a_temporary(struct sample *s)
{
    static struct pair asked[] = {{ANNOTATION_TEMPORARY, "true"}};

    s->crt.object.metadata.annotations = (struct array_pair){asked, 1};
}

static void waits_and_has_none(struct sample *s)
{
    pending(s);
    asks_for_a_temporary(s);
    s->facts.secret = NULL;
}

static void waits_and_has_half_of_one(struct sample *s)
{
    pending(s);
    asks_for_a_temporary(s);
    s->secret.has_data = false;
}

static void waits_and_the_key_is_another(struct sample *s)
{
    pending(s);
    asks_for_a_temporary(s);
    memset(s->secret.key_hash, OTHER_KEY, SHA256_LEN);
}

static void waits_and_has_an_old_one(struct sample *s)
{
    pending(s);
    asks_for_a_temporary(s);
}

static void waits_and_has_a_temporary_one(struct sample *s)
{
    waits_and_has_an_old_one(s);
    s->secret.is_temporary = true;
}

static void waits_and_does_not_ask(struct sample *s)
{
    pending(s);
    s->facts.secret = NULL;
}

static void has_failed_with_a_temporary_one(struct sample *s)
{
    s->secret.is_temporary = true;
    s->facts.request_count = 0;
    s->crt.status.revision = (struct opt_int){};
    s->crt.status.last_failure_time_ms = NOW_MS - HOURS(1);
    s->crt.status.failed_issuance_attempts = (struct opt_int){true, 1};
}

TEST(a_temporary_certificate_fills_the_gap_and_counts_for_nothing_else)
{
    static const struct row rows[] = {
        {"nothing there", waits_and_has_none, CERTIFICATE_STORE_TEMPORARY, "DoesNotExist", NULL},
        {"no key or no certificate", waits_and_has_half_of_one, CERTIFICATE_STORE_TEMPORARY,
         "MissingData", NULL},
        {"they do not belong together", waits_and_the_key_is_another, CERTIFICATE_STORE_TEMPORARY,
         "InvalidKeyPair", NULL},
        {"the old one stays", waits_and_has_an_old_one, CERTIFICATE_NOTHING, NULL, NULL},
        {"it is there", waits_and_has_a_temporary_one, CERTIFICATE_NOTHING, "TemporaryCertificate",
         NULL},
        {"nobody asks for it", waits_and_does_not_ask, CERTIFICATE_NOTHING, "DoesNotExist", NULL},
        {"after a failure it is tried again", has_failed_with_a_temporary_one, CERTIFICATE_START,
         "TemporaryCertificate", "TemporaryCertificate"},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

/* --- the short path --- */

static void at_once(struct sample *s)
{
    s->facts.signs_at_once = true;
    s->facts.secret = NULL;
}

static void at_once_as_it_is(struct sample *s)
{
    s->facts.signs_at_once = true;
}

static void at_once_renewal(struct sample *s)
{
    at_once_as_it_is(s);
    is_due(s);
}

static void at_once_within_the_backoff(struct sample *s)
{
    failed_half_an_hour_ago(s);
    s->facts.signs_at_once = true;
}

static void at_once_with_a_key_left(struct sample *s)
{
    at_once(s);
    a_key_is_left(s);
}

/* A crash behind the request, or behind its status: nobody has the key. */
static void at_once_with_a_request_left(struct sample *s)
{
    at_once(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->next);
}

static void at_once_with_an_issued_request_left(struct sample *s)
{
    at_once_with_a_request_left(s);
    sample_issue(s, &s->next);
}

/* A crash behind the Secret. */
static void at_once_stored(struct sample *s)
{
    at_once_as_it_is(s);
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_issue(s, &s->next);
    sample_add_request(s, &s->next);
    sample_store(s, &s->next);
}

static void at_once_stored_and_edited(struct sample *s)
{
    at_once_stored(s);
    s->crt.spec.dns_names.items = s->other_names;
}

static void at_once_stored_and_changed(struct sample *s)
{
    at_once_stored(s);
    s->secret.object.metadata.annotations = (struct array_pair){&of_another_issuer, 1};
}

static void at_once_set_by_hand(struct sample *s)
{
    at_once_as_it_is(s);
    issuing_without_a_name(s);
}

static void at_once_but_begun_the_long_way(struct sample *s)
{
    at_once_as_it_is(s);
    issuing(s);
}

static void at_once_never_rotated(struct sample *s)
{
    at_once_renewal(s);
    s->private_key.rotation_policy = ROTATION_NEVER;
}

static void at_once_never_rotated_and_does_not_fit(struct sample *s)
{
    at_once_never_rotated(s);
    s->private_key.size = 384;
    s->secret.key_size = 256;
}

TEST(what_can_be_signed_at_once_is_and_leaves_nothing_behind)
{
    static const struct row rows[] = {
        {"up to date", at_once_as_it_is, CERTIFICATE_NOTHING, NULL, NULL},
        {"new", at_once, CERTIFICATE_ISSUE_AT_ONCE, "DoesNotExist", "DoesNotExist"},
        {"renewal", at_once_renewal, CERTIFICATE_ISSUE_AT_ONCE, NULL, "Renewing"},
        {"within the back-off", at_once_within_the_backoff, CERTIFICATE_NOTHING, "DoesNotExist",
         NULL},
        {"a key is left", at_once_with_a_key_left, CERTIFICATE_DROP_KEY, "DoesNotExist", NULL},
        {"a request is left", at_once_with_a_request_left, CERTIFICATE_DROP_REQUEST, "DoesNotExist",
         NULL},
        {"an issued one is left", at_once_with_an_issued_request_left, CERTIFICATE_DROP_REQUEST,
         "DoesNotExist", NULL},
        {"stored", at_once_stored, CERTIFICATE_FINISH, NULL, NULL},
        {"stored and edited", at_once_stored_and_edited, CERTIFICATE_DROP_REQUEST, "SecretMismatch",
         NULL},
        {"stored and changed", at_once_stored_and_changed, CERTIFICATE_DROP_REQUEST,
         "IncorrectIssuer", NULL},
        {"set by hand", at_once_set_by_hand, CERTIFICATE_ISSUE_AT_ONCE, NULL, "ManuallyTriggered"},
        {"on the long way", at_once_but_begun_the_long_way, CERTIFICATE_MAKE_KEY, NULL, NULL},
        {"key kept", at_once_never_rotated, CERTIFICATE_ISSUE_AT_ONCE, NULL, "Renewing"},
        {"key kept and does not fit", at_once_never_rotated_and_does_not_fit, CERTIFICATE_START,
         "SecretMismatch", NULL},
    };

    check_rows(rows, ARRAY_LEN(rows));
}

/* The request names the Secret that the key gets should the long path have to go on. */
TEST(both_paths_give_the_next_key_the_same_name)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision short_path, long_path;

    sample_init(&s);
    at_once(&s);
    certificate_decide(&s.facts, &s.policy, s.arena, &short_path);
    s.facts.signs_at_once = false;
    certificate_decide(&s.facts, &s.policy, s.arena, &long_path);
    ASSERT_EQ(short_path.action, CERTIFICATE_ISSUE_AT_ONCE);
    ASSERT_EQ(long_path.action, CERTIFICATE_START);
    ASSERT_STREQ(short_path.next_key_name, long_path.status.next_private_key_secret_name);
}

TEST(of_two_requests_for_the_next_revision_one_stays)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    requested_twice(&s);
    decide(&s, &decision);
    ASSERT_PTREQ(decision.request, &s.second);
}

TEST(what_the_request_waits_for_stands_behind_the_reason_of_the_issuance)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    requested(&s);
    s.facts.waiting_for = "the CA is slow";
    decide(&s, &decision);
    ASSERT_STREQ(message_of(&decision, "Issuing"), "it is time (waiting: the CA is slow)");
    s.facts.waiting_for = "the name server is slow";
    decide(&s, &decision);
    ASSERT_STREQ(message_of(&decision, "Issuing"), "it is time (waiting: the name server is slow)");
    s.facts.waiting_for = NULL;
    decide(&s, &decision);
    ASSERT_STREQ(message_of(&decision, "Issuing"), "it is time");
}

/* --- the ends --- */

TEST(a_failure_is_counted_and_says_when_the_next_attempt_comes)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    failed(&s);
    s.crt.status.failed_issuance_attempts = (struct opt_int){true, 2};
    decide(&s, &decision);
    ASSERT_EQ(decision.status.failed_issuance_attempts.value, 3);
    ASSERT_EQ(decision.status.last_failure_time_ms, NOW_MS);
    ASSERT_NULL(decision.status.next_private_key_secret_name);
    ASSERT_EQ(decision.status.revision.value, 1);
    ASSERT_TRUE(condition_is(&decision.status.conditions, "Issuing", CONDITION_FALSE));
    ASSERT_STREQ(message_of(&decision, "Issuing"),
                 "The certificate request has failed to complete and will be retried: because "
                 "(attempt 3, next not before 2026-01-11T04:00:00Z)");
}

/* Whoever may edit a namespace may write any number into the status. */
TEST(the_last_number_of_all_is_not_counted_beyond)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    failed(&s);
    s.next.revision = 1;
    s.crt.status.revision = (struct opt_int){true, INT64_MAX};
    s.crt.status.failed_issuance_attempts = (struct opt_int){true, INT64_MAX};
    ASSERT_EQ(certificate_next_revision(&s.crt.status), 1);
    s.requests[0] = &s.next; /* the only one */
    s.facts.request_count = 1;
    decide(&s, &decision);
    ASSERT_STREQ(certificate_action_name(decision.action),
                 certificate_action_name(CERTIFICATE_FAIL));
    ASSERT_EQ(decision.status.failed_issuance_attempts.value, INT64_MAX);
}

TEST(a_finished_issuance_leaves_a_new_revision_and_nothing_of_the_failures_before)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_ari ari = {.last_checked_ms = NOW_MS};
    struct certificate_acme_status acme = {.ari = &ari};
    struct certificate_decision decision;

    sample_init(&s);
    stored(&s);
    window_is_asked_for(&s);
    s.crt.status.acme = &acme;
    s.crt.status.failed_issuance_attempts = (struct opt_int){true, 2};
    s.crt.status.last_failure_time_ms = NOW_MS - DAYS(1);
    decide(&s, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_FINISH);
    ASSERT_TRUE(decision.write_status);
    ASSERT_EQ(decision.status.revision.value, 2);
    ASSERT_FALSE(decision.status.failed_issuance_attempts.is_set);
    ASSERT_EQ(decision.status.last_failure_time_ms, 0);
    ASSERT_NULL(decision.status.next_private_key_secret_name);
    ASSERT_NULL(decision.status.acme); /* its window was for the certificate before */
    ASSERT_NULL(condition_find(&decision.status.conditions, "Issuing"));
    ASSERT_EQ(decision.status.not_before_ms, s.secret.not_before_ms);
    ASSERT_EQ(decision.status.not_after_ms, s.secret.not_after_ms);
    ASSERT_EQ(decision.status.renewal_time_ms, START_MS + DAYS(60));
}

TEST(times_in_the_status_go_with_a_certificate_that_cannot_be_read)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    s.crt.status.not_before_ms = s.crt.status.not_after_ms = s.crt.status.renewal_time_ms = NOW_MS;
    s.secret.cert_ok = false;
    decide(&s, &decision);
    ASSERT_EQ(decision.status.not_before_ms, 0);
    ASSERT_EQ(decision.status.not_after_ms, 0);
    ASSERT_EQ(decision.status.renewal_time_ms, 0);
}

/* --- another writer of the Secret --- */

TEST(how_long_a_secret_is_left_alone_stands_in_the_ready_condition)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    somebody_else_overwrote_it(&s);
    s.facts.foreign_writer = "which is left alone until 2030-01-01T00:00:00Z; me";
    decide(&s, &decision);
    ASSERT_EQ(decision.held_until_ms, NOW_MS + HOURS(1));
    ASSERT_EQ(certificate_left_alone_until_ms(&s.crt), NOW_MS + HOURS(1));
    s.crt.object.metadata.generation++;
    ASSERT_EQ(certificate_left_alone_until_ms(&s.crt), 0);
}

TEST(a_condition_that_does_not_tell_a_time_leaves_nothing_alone)
{
    static const struct {
        const char *reason, *message;
    } rows[] = {
        {"SecretMismatch", "which is left alone until 2026-01-11T01:00:00Z; stop it"},
        {"SecretOverwritten", NULL},
        {"SecretOverwritten", "'argocd' keeps overwriting it"},
        {"SecretOverwritten", "which is left alone until "},
        {"SecretOverwritten", "which is left alone until tomorrow; stop it"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};

        sample_init(&s);
        ASSERT_EQ(certificate_left_alone_until_ms(&s.crt), 0);
        sample_set(&s, &s.crt.status.conditions, "Ready", CONDITION_FALSE, rows[i].reason,
                   rows[i].message);
        ASSERT_EQ(certificate_left_alone_until_ms(&s.crt), 0);
    }
}

/* --- windows that nothing fits --- */

static struct renewal_window never = {.cron = "0 0 30 2 *",
                                      .window_duration = {true, HOURS(1) * 1000000}};
static struct certificate_renewal in_never = {.policy = RENEWAL_RENEW_BEFORE,
                                              .windows = {&never, 1}};

TEST(a_window_that_never_opens_ends_readiness_and_holds_nothing_up)
{
    cleanup(sample_deinit) struct sample s = {};
    struct certificate_decision decision;

    sample_init(&s);
    s.crt.spec.renewal = &in_never;
    decide(&s, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_NOTHING);
    ASSERT_EQ(decision.status.renewal_time_ms, START_MS + DAYS(60));
    ASSERT_EQ(decision.next_ms, START_MS + DAYS(60));
    ASSERT_STREQ(reason_of(&decision, "Ready"), "WindowError");
    ASSERT_TRUE(strstr(message_of(&decision, "Ready"), "windows[0] '0 0 30 2 *' in UTC"));
    ASSERT_TRUE(
        strstr(message_of(&decision, "Ready"), "it will be renewed at 2026-03-02T00:00:00Z"));
    ASSERT_NULL(decision.window_problem);
    s.policy.now_ms = START_MS + DAYS(60);
    decide(&s, &decision);
    ASSERT_EQ(decision.action, CERTIFICATE_START);
    ASSERT_STREQ(decision.reason, "Renewing");
    ASSERT_STREQ(decision.message, "Renewing certificate as renewal was scheduled at "
                                   "2026-03-02T00:00:00Z, without regard to its windows");
    ASSERT_TRUE(strstr(decision.window_problem, "windows[0]"));
}

TEST(what_is_worse_than_a_window_comes_before_it)
{
    static const struct row rows[] = {
        {"no Secret", no_secret, CERTIFICATE_START, "DoesNotExist", "DoesNotExist"},
        {"expired", has_expired, CERTIFICATE_START, "Expired", "Renewing"},
        {"other names", other_names, CERTIFICATE_START, "RequestChanged", "RequestChanged"},
        {"a broken spec", bad_spec, CERTIFICATE_NOTHING, "InvalidSpec", NULL},
        {"owned by another", owned_by_another, CERTIFICATE_NOTHING, "DuplicateSecretName", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        CASE(rows[i].name);
        sample_init(&s);
        s.crt.spec.renewal = &in_never;
        rows[i].spoil(&s);
        decide(&s, &decision);
        ASSERT_EQ(decision.action, rows[i].action);
        ASSERT_STREQ(reason_of(&decision, "Ready"), rows[i].ready);
        ASSERT_EQ(decision.window_problem != NULL, streq(rows[i].name, "expired"));
    }
}

RUN_TESTS(
    cmocka_unit_test(an_idle_certificate_starts_or_is_tended),
    cmocka_unit_test(an_idle_certificate_is_looked_at_again_at_the_next_time_that_matters),
    cmocka_unit_test(the_request_beyond_the_history_that_goes_is_the_oldest),
    cmocka_unit_test(the_request_of_the_certificate_in_force_stays_whatever_its_number),
    cmocka_unit_test(the_status_is_written_before_anything_is_tidied_up),
    cmocka_unit_test(a_window_of_the_ca_is_asked_for_again_when_it_says_or_after_a_renewal),
    cmocka_unit_test(issuer_settings_without_renewal_information_drop_what_was_stored_of_it),
    cmocka_unit_test(an_issuance_begins_with_exactly_one_next_key_that_fits),
    cmocka_unit_test(a_temporary_certificate_fills_the_gap_and_counts_for_nothing_else),
    cmocka_unit_test(of_two_next_keys_the_one_that_the_status_does_not_name_goes),
    cmocka_unit_test(the_name_of_the_next_key_is_derived_and_changes_when_a_stranger_has_it),
    cmocka_unit_test(a_request_is_dropped_waited_for_failed_or_stored),
    cmocka_unit_test(an_issuance_that_is_needed_no_more_is_called_off_while_nobody_was_asked),
    cmocka_unit_test(an_issuance_that_is_called_off_leaves_the_failures_before_it),
    cmocka_unit_test(a_key_that_must_stay_and_does_not_fit_is_what_the_issuance_waits_for),
    cmocka_unit_test(what_can_be_signed_at_once_is_and_leaves_nothing_behind),
    cmocka_unit_test(both_paths_give_the_next_key_the_same_name),
    cmocka_unit_test(of_two_requests_for_the_next_revision_one_stays),
    cmocka_unit_test(what_the_request_waits_for_stands_behind_the_reason_of_the_issuance),
    cmocka_unit_test(a_failure_is_counted_and_says_when_the_next_attempt_comes),
    cmocka_unit_test(the_last_number_of_all_is_not_counted_beyond),
    cmocka_unit_test(a_finished_issuance_leaves_a_new_revision_and_nothing_of_the_failures_before),
    cmocka_unit_test(times_in_the_status_go_with_a_certificate_that_cannot_be_read),
    cmocka_unit_test(how_long_a_secret_is_left_alone_stands_in_the_ready_condition),
    cmocka_unit_test(a_condition_that_does_not_tell_a_time_leaves_nothing_alone),
    cmocka_unit_test(a_window_that_never_opens_ends_readiness_and_holds_nothing_up),
    cmocka_unit_test(what_is_worse_than_a_window_comes_before_it));
