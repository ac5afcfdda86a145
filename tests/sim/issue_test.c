/* issue_test.c - from a Certificate to its Secret. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

TEST(a_name_is_proved_by_dns_01)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "1");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    ASSERT_EQ(fake_dns_updates(sim_dns(sim)), 2); /* made and taken back */
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_TRUE(sim_now(sim) - START < SECONDS(10)); /* no fixed sleep (DESIGN 12.2) */
    sim_free(sim);
}

TEST(a_name_is_proved_by_http_01)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ACME_ISSUER("acme", SIM_BY_HTTP));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    ASSERT_EQ(sim_http_files(sim), 0);
    ASSERT_EQ(fake_dns_updates(sim_dns(sim)), 0);
    sim_free(sim);
}

TEST(an_ip_address_is_proved_by_http_01)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ACME_ISSUER("acme", SIM_BY_HTTP));
    sim_apply(sim, SIM_CERTIFICATE("web", "[]", "  ipAddresses: [192.0.2.7, '2001:DB8::7']\n"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(json_get_text(json_path(sim_get(sim, "secret/web-tls"), "metadata.annotations"),
                               "cert-manager.io/ip-sans"),
                 "192.0.2.7,2001:db8::7");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

/* A server that does not start without any has one while the CA is away. */
TEST(a_temporary_certificate_is_there_until_the_ca_has_signed)
{
    struct sim *sim = sim_new(START);
    cleanup(xfree) char *temporary = NULL;

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_set_ca_down(sim, true);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_patch(sim, "certificate/web",
              "{metadata: {annotations: {cert-manager.io/issue-temporary-certificate: 'true'}}}");
    sim_run_until_idle(sim);
    temporary = xstrdup(sim_secret(sim, "web-tls", "tls.crt"));
    ASSERT_TRUE(str_starts(temporary, "-----BEGIN CERTIFICATE-----"));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "False");
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "TemporaryCertificate");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_NULL(json_get(json_path(sim_get(sim, "secret/web-tls"), "metadata.annotations"),
                         "cert-manager.io/issuer-name"));

    sim_set_ca_down(sim, false);
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_FALSE(streq(sim_secret(sim, "web-tls", "tls.crt"), temporary));
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

/* DESIGN 12.3: the two records of one name are there at the same time. */
TEST(apex_and_wildcard_are_proved_together)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[example.com, '*.example.com']", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(fake_dns_most_at_once(sim_dns(sim)), 2);
    ASSERT_EQ(fake_dns_updates(sim_dns(sim)), 4);
    sim_free(sim);
}

TEST(the_record_is_written_at_the_end_of_a_cname)
{
    struct sim *sim = sim_new(START);

    fake_dns_add_cname(sim_dns(sim), "_acme-challenge.www.example.com", "www.example.net");
    sim_apply(sim, SIM_ACME_ISSUER("acme", "    solvers: [{dns01: {cnameStrategy: Follow, rfc2136: "
                                           "{nameserver: " FAKE_DNS_PRIMARY "}}}]\n"));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(a_late_name_server_is_waited_for_by_a_timer)
{
    struct sim *sim = sim_new(START);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(1));
    ASSERT_CONTAINS(sim_text(sim, sim_only(sim, "challenge"), "status.reason"),
                    "Waiting for DNS-01 challenge propagation");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "192.0.2.2");
    sim_advance(sim, MINUTES(2));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->failed_validations, 0);
    sim_free(sim);
}

/* DESIGN 12.2: a name that only the CA can see is issued all the same. */
TEST(the_self_check_is_advisory)
{
    struct sim *sim = sim_new(START);

    fake_dns_set_late(sim_dns(sim), "example.com", DAYS(1));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(4));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "False");
    sim_advance(sim, MINUTES(2));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(a_slow_ca_is_polled_until_it_has_decided)
{
    struct sim_options options = {.start_ms = START,
                                  .ca = {.validation_ms = MINUTES(3), .issue_ms = MINUTES(5)}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "order") < 200);
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "authz") < 100);
    sim_free(sim);
}

TEST(authorizations_that_the_ca_still_holds_need_no_challenge)
{
    struct sim_options options = {.start_ms = START, .ca = {.reuse_ms = DAYS(30)}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("a", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("b", "[www.example.com, mail.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/b", "Ready"), "True");
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->validations, 2);
    sim_free(sim);
}

TEST(an_order_tells_in_the_end_what_was_proved)
{
    struct sim *sim = sim_new(START);
    const struct json *authorization, *challenge;

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[\"*.example.com\"]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_text(sim, sim_only(sim, "order"), "status.state"), "valid");
    authorization = json_at(
        json_path(sim_get(sim, sim_only(sim, "order")), "status.authorizations"), 0);
    ASSERT_STREQ(json_get_text(authorization, "identifier"), "example.com");
    ASSERT_TRUE(json_get_bool(authorization, "wildcard", false));
    ASSERT_STREQ(json_get_text(authorization, "initialState"), "pending");
    challenge = json_at(json_get(authorization, "challenges"), 0);
    ASSERT_STREQ(json_get_text(challenge, "type"), "dns-01");
    ASSERT_TRUE(json_get_text(challenge, "token"));
    sim_free(sim);
}

TEST(a_secret_says_where_it_comes_from)
{
    struct sim *sim = sim_new(START);
    const struct json *annotations;

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com, example.com]", ""));
    sim_run_until_idle(sim);
    annotations = json_path(sim_get(sim, "secret/web-tls"), "metadata.annotations");
    ASSERT_STREQ(json_get_text(annotations, "cert-manager.io/certificate-name"), "web");
    ASSERT_STREQ(json_get_text(annotations, "cert-manager.io/issuer-name"), "acme");
    ASSERT_STREQ(json_get_text(annotations, "cert-manager.io/alt-names"),
                 "www.example.com,example.com");
    ASSERT_STREQ(json_get_text(annotations, "cert-manager.io/ip-sans"), "");
    ASSERT_STREQ(sim_text(sim, "secret/web-tls", "type"), "kubernetes.io/tls");
    ASSERT_NULL(sim_text(sim, "secret/web-tls", "metadata.ownerReferences"));
    ASSERT_CONTAINS(sim_secret(sim, "web-tls", "tls.key"), "BEGIN EC PRIVATE KEY");
    ASSERT_CONTAINS(sim_secret(sim, "web-tls", "tls.crt"), "BEGIN CERTIFICATE");
    ASSERT_NULL(sim_secret(sim, "web-tls", "ca.crt"));
    sim_free(sim);
}

TEST(an_owner_reference_is_set_when_asked_for)
{
    struct sim_options options = {.start_ms = START, .owner_ref = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(
        json_get_text(
            json_at(json_path(sim_get(sim, "secret/web-tls"), "metadata.ownerReferences"), 0),
            "name"),
        "web");
    sim_delete(sim, "certificate/web");
    sim_run_until_idle(sim);
    ASSERT_NULL(sim_get(sim, "secret/web-tls"));
    sim_free(sim);
}

TEST(a_deleted_certificate_leaves_its_secret_and_nothing_else)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_delete(sim, "certificate/web");
    sim_run_until_idle(sim);
    ASSERT_TRUE(sim_get(sim, "secret/web-tls") != NULL);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 0);
    ASSERT_EQ(sim_count(sim, "order"), 0);
    ASSERT_EQ(sim_count(sim, "secret"), 2); /* and the account's key */
    sim_free(sim);
}

/* A certificate is being issued: its two records are written, and not to be seen for an hour. */
static struct sim *sim_with_two_records(void)
{
    struct sim *sim = sim_new(START);

    fake_dns_set_late(sim_dns(sim), "example.com", HOURS(1));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com, example.com]", ""));
    sim_advance(sim, MINUTES(1));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 2);
    return sim;
}

TEST(a_certificate_deleted_while_it_is_issued_takes_its_records_along)
{
    struct sim *sim = sim_with_two_records();

    sim_delete(sim, "certificate/web");
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_EQ(sim_count(sim, "secret"), 1); /* the account's key */
    sim_free(sim);
}

/* A namespace that is deleted loses its Issuer first, perhaps. */
TEST(records_are_taken_back_when_their_issuer_is_gone)
{
    struct sim *sim = sim_with_two_records();

    sim_delete(sim, "issuer/acme");
    sim_delete(sim, "secret/acme-account");
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 2);
    sim_delete(sim, "certificate/web");
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    sim_free(sim);
}

/* The solver that wrote the record is not in the Issuer any more; another one for the name is. */
TEST(records_are_taken_back_by_the_solver_that_the_issuer_has_now)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_new_in_flight(&options);

    sim_apply(sim, SIM_ACME_ISSUER("acme",
                                   "    solvers:\n"
                                   "    - selector: {dnsZones: [example.com]}\n"
                                   "      dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY "}}\n"));
    sim_delete(sim, "certificate/web");
    sim_advance(sim, MINUTES(5));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    sim_free(sim);
}

/* Another program, or this one with its state lost: nothing is issued again. */
static bool has_finalizer(struct sim *sim, const char *name)
{
    json_for_each_item (one, json_path(sim_get(sim, name), "metadata.finalizers")) {
        if (streq(json_as_text(one), "acme.cert-manager.io/finalizer"))
            return true;
    }
    return false;
}

/* What was stored was not what it had made: it made the next one at once. */
TEST(a_temporary_certificate_that_is_changed_as_it_is_written_is_not_made_without_end)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_set_ca_down(sim, true);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_change_written(sim, "secret", "{data: {tls.crt: bm9uZQ==}}");
    sim_patch(sim, "certificate/web",
              "{metadata: {annotations: {cert-manager.io/issue-temporary-certificate: 'true'}}}");
    sim_advance(sim, HOURS(1));
    ASSERT_TRUE(sim_written(sim) <= 200); /* one each 30 s, and they change nothing */
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "policy");
    sim_change_written(sim, "secret", NULL);
    sim_set_ca_down(sim, false);
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

/* As cert-manager leaves it when it ends between the two. */
TEST(a_challenge_that_was_made_without_a_finalizer_gets_one_before_its_record_is_there)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_change_written(sim, "challenge", "metadata: {finalizers: []}");
    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    ASSERT_TRUE(has_finalizer(sim, sim_only(sim, "challenge")));
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    sim_free(sim);
}

TEST(a_secret_that_fits_is_adopted_without_an_order)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_delete(sim, "certificate/web");
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(sim_time(sim, "certificate/web", "status.notAfter"), START + DAYS(90) - SECONDS(1));
    sim_free(sim);
}

TEST(a_certificate_of_other_names_is_not_adopted)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_delete(sim, "certificate/web");
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com, example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    sim_free(sim);
}

TEST(the_preferred_chain_is_taken_where_the_ca_has_it)
{
    struct sim_options options = {.start_ms = START, .ca = {.alternates = 2}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ACME_ISSUER("acme", "    preferredChain: " FAKE_CA_ROOT(3) "\n" SIM_BY_DNS));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "alternate"), 2);
    sim_free(sim);
}

TEST(a_profile_is_asked_for)
{
    static const struct fake_ca_profile profiles[] = {{"shortlived", "6 days", DAYS(6)}};
    struct sim_options options = {.start_ms = START,
                                  .ca = {.profiles = profiles, .profile_count = 1}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ACME_ISSUER("acme", "    profile: shortlived\n" SIM_BY_DNS));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_time(sim, "certificate/web", "status.notAfter"), START + DAYS(6) - SECONDS(1));
    sim_advance(sim, DAYS(30));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_TRUE(sim_orders_finalized(sim) >= 8);
    sim_free(sim);
}

TEST(a_hundred_names_are_one_order)
{
    struct sim *sim = sim_new(START);
    cleanup(buf_deinit) struct buf names = BUF(8192);
    cleanup(xfree) char *text = NULL;

    for (int i = 0; i < 100; i++)
        buf_addf(&names, "%s n%d.example.com", i > 0 ? "," : "", i);
    text = xasprintf("{spec: {dnsNames: [%s]}}", buf_str(&names));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_patch(sim, "certificate/web", text);
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->validations, 100);
    sim_free(sim);
}

RUN_TESTS(cmocka_unit_test(a_name_is_proved_by_dns_01),
          cmocka_unit_test(a_name_is_proved_by_http_01),
          cmocka_unit_test(an_ip_address_is_proved_by_http_01),
          cmocka_unit_test(a_temporary_certificate_is_there_until_the_ca_has_signed),
          cmocka_unit_test(
              a_temporary_certificate_that_is_changed_as_it_is_written_is_not_made_without_end),
          cmocka_unit_test(apex_and_wildcard_are_proved_together),
          cmocka_unit_test(the_record_is_written_at_the_end_of_a_cname),
          cmocka_unit_test(a_late_name_server_is_waited_for_by_a_timer),
          cmocka_unit_test(the_self_check_is_advisory),
          cmocka_unit_test(a_slow_ca_is_polled_until_it_has_decided),
          cmocka_unit_test(authorizations_that_the_ca_still_holds_need_no_challenge),
          cmocka_unit_test(an_order_tells_in_the_end_what_was_proved),
          cmocka_unit_test(a_secret_says_where_it_comes_from),
          cmocka_unit_test(an_owner_reference_is_set_when_asked_for),
          cmocka_unit_test(a_deleted_certificate_leaves_its_secret_and_nothing_else),
          cmocka_unit_test(a_certificate_deleted_while_it_is_issued_takes_its_records_along),
          cmocka_unit_test(records_are_taken_back_by_the_solver_that_the_issuer_has_now),
          cmocka_unit_test(records_are_taken_back_when_their_issuer_is_gone),
          cmocka_unit_test(
              a_challenge_that_was_made_without_a_finalizer_gets_one_before_its_record_is_there),
          cmocka_unit_test(a_secret_that_fits_is_adopted_without_an_order),
          cmocka_unit_test(a_certificate_of_other_names_is_not_adopted),
          cmocka_unit_test(the_preferred_chain_is_taken_where_the_ca_has_it),
          cmocka_unit_test(a_profile_is_asked_for),
          cmocka_unit_test(a_hundred_names_are_one_order));
