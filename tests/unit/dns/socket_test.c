#include "dns/socket.h"

#include "scripted.h"

#define ANSWER   0x8180u
#define NXDOMAIN 0x8183u
#define TC       0x0200u

static bool answers(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                    struct msg *answer)
{
    msg_begin(answer, request, len, ANSWER | 0x0400);
    msg_txt(answer, "_acme-challenge.example.com.", tcp ? "by tcp" : "by udp");
    return true;
}

TEST(an_answer_over_udp_is_read)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, answers);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.rcode, DNS_NOERROR);
    ASSERT_TRUE(reply.authoritative);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].name, "_acme-challenge.example.com.");
    ASSERT_STREQ(reply.answers[0].value, "by udp");
    ASSERT_EQ(reply.answers[0].ttl, 60);
    ASSERT_EQ(server.asked_tcp, 0);
    dns_reply_deinit(&reply);
}

TEST(an_answer_over_tcp_is_read_though_it_comes_byte_by_byte)
{
    struct scripted server = {.split_tcp = true};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, answers);
    ASSERT_OK(scripted_ask(&server, DNS_TCP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].value, "by tcp");
    ASSERT_EQ(server.asked_udp, 0);
    dns_reply_deinit(&reply);
}

static bool truncates(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                      struct msg *answer)
{
    msg_begin(answer, request, len, ANSWER | (tcp ? 0 : TC));
    if (tcp)
        msg_txt(answer, "_acme-challenge.example.com.", "whole");
    return true;
}

TEST(a_truncated_answer_is_asked_for_again_over_tcp)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, truncates);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(server.asked_udp, 1);
    ASSERT_EQ(server.asked_tcp, 1);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].value, "whole");
    dns_reply_deinit(&reply);
}

/* Over UDP time passes, and the datagram that wakes the client is not an answer. */
static bool lets_udp_time_out(struct scripted *self, bool tcp, const unsigned char *request,
                              size_t len, struct msg *answer)
{
    if (tcp)
        return answers(self, tcp, request, len, answer);
    atomic_fetch_add(&self->clock.mono_ms, 5001);
    msg_add(answer, "no answer", 9);
    return true;
}

TEST(silence_over_udp_for_half_of_the_time_leads_to_tcp)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, lets_udp_time_out);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].value, "by tcp");
    ASSERT_EQ(err.code, 0); /* untouched: what failed on the way is not told */
    dns_reply_deinit(&reply);
}

static bool lets_all_time_pass(struct scripted *self, bool tcp, const unsigned char *request,
                               size_t len, struct msg *answer)
{
    atomic_fetch_add(&self->clock.mono_ms, 10001);
    msg_add(answer, "no answer", 9);
    return true;
}

TEST(the_deadline_ends_the_wait)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, lets_all_time_pass);
    ASSERT_ERR(ERR_TIMEOUT, scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_CONTAINS(err.text, "asking dns server '127.0.0.1:");
    ASSERT_CONTAINS(err.text, "for TXT of '_acme-challenge.example.com'");
}

static void send_forged(struct scripted *self, const unsigned char *request, size_t len,
                        int change_at, unsigned change)
{
    struct msg forged;

    msg_begin(&forged, request, len, ANSWER);
    msg_txt(&forged, "_acme-challenge.example.com.", "forged");
    forged.data[change_at] ^= (unsigned char)change;
    scripted_send_udp(self, forged.data, forged.len);
}

static bool forges_first(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                         struct msg *answer)
{
    scripted_send_udp(self, "x", 1);
    scripted_send_udp(self, "", 0);
    send_forged(self, request, len, 0, 0x01);  /* another id */
    send_forged(self, request, len, 1, 0x80);  /* another id */
    send_forged(self, request, len, 2, 0x80);  /* a question, not an answer */
    send_forged(self, request, len, 2, 0x28);  /* an update */
    send_forged(self, request, len, 5, 0x01);  /* no question */
    send_forged(self, request, len, 5, 0x03);  /* two */
    send_forged(self, request, len, 15, 0x01); /* another name */
    send_forged(self, request, len, 42, 0x01); /* another type or class */
    return answers(self, tcp, request, len, answer);
}

TEST(datagrams_that_are_not_the_answer_are_passed_over)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, forges_first);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].value, "by udp");
    ASSERT_EQ(server.asked_tcp, 0);
    dns_reply_deinit(&reply);
}

static bool mistakes_the_id(struct scripted *self, bool tcp, const unsigned char *request,
                            size_t len, struct msg *answer)
{
    answers(self, tcp, request, len, answer);
    answer->data[0] ^= 1;
    return true;
}

TEST(a_wrong_id_over_tcp_is_an_error)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, mistakes_the_id);
    ASSERT_ERR(ERR_PROTOCOL, scripted_ask(&server, DNS_TCP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
}

static bool cancels(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                    struct msg *answer)
{
    cancel_fire(self->arg);
    return false;
}

TEST(a_cancel_from_another_thread_ends_the_wait_over_udp)
{
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct scripted server = {.arg = cancel};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, cancels);
    ASSERT_ERR(ERR_CANCELED, scripted_ask(&server, DNS_UDP, DNS_TXT, cancel, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(server.asked_tcp, 0);
}

/* A listener that never accepts: the connection stands, the request is sent, nothing comes. */
static void fire(void *arg)
{
    struct scripted *server = arg;
    cleanup(fd_close) int fd = accept(server->tcp, NULL, NULL);
    unsigned char octet;

    assert_true(fd >= 0 && read(fd, &octet, 1) == 1);
    cancel_fire(server->arg);
    while (read(fd, &octet, 1) == 1) /* until the client has gone */
        ;
}

TEST(a_cancel_from_another_thread_ends_the_wait_over_tcp)
{
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct scripted server = {.arg = cancel};
    struct dns_reply reply = {};
    struct thread *thread = NULL;
    struct err err = {};

    scripted_start(&server, answers);
    scripted_stop(&server);
    server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(address);

        assert_return_code(bind(server.tcp, (struct sockaddr *)&address, len), 0);
        assert_return_code(listen(server.tcp, 1), 0);
        assert_return_code(getsockname(server.tcp, (struct sockaddr *)&address, &len), 0);
        server.address.port = ntohs(address.sin_port);
    }
    ASSERT_OK(thread_start("fire", fire, &server, &thread, &err));
    ASSERT_ERR(ERR_CANCELED, scripted_ask(&server, DNS_TCP, DNS_TXT, cancel, &reply, &err));
    thread_join(thread);
    fd_close(server.tcp);
}

TEST(a_cancel_that_came_before_sends_nothing)
{
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, answers);
    cancel_fire(cancel);
    ASSERT_ERR(ERR_CANCELED, scripted_ask(&server, DNS_UDP, DNS_TXT, cancel, &reply, &err));
    scripted_stop(&server);
}

static bool says_nxdomain(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                          struct msg *answer)
{
    msg_begin(answer, request, len, NXDOMAIN);
    return true;
}

TEST(nxdomain_is_a_success_of_the_exchange)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, says_nxdomain);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.rcode, DNS_NXDOMAIN);
    ASSERT_EQ(reply.answer_count, 0);
    ASSERT_FALSE(reply.authoritative);
}

static bool says_refused(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                         struct msg *answer)
{
    const unsigned char header[12] = {request[0], request[1], 0x81, DNS_REFUSED};

    msg_add(answer, header, sizeof(header)); /* without the question */
    return true;
}

TEST(a_refusal_may_lack_the_question)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, says_refused);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_EQ(reply.rcode, DNS_REFUSED);
}

static bool is_cut(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                   struct msg *answer)
{
    answers(self, tcp, request, len, answer);
    answer->len -= 3;
    return true;
}

TEST(an_answer_that_is_cut_is_a_protocol_error)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, is_cut);
    ASSERT_ERR(ERR_PROTOCOL, scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    ASSERT_ERR(ERR_PROTOCOL, scripted_ask(&server, DNS_TCP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
}

static bool hangs_up(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                     struct msg *answer)
{
    return false;
}

TEST(a_connection_that_closes_early_is_a_network_error)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, hangs_up);
    ASSERT_ERR(ERR_NETWORK, scripted_ask(&server, DNS_TCP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_CONTAINS(err.text, "closed");
}

TEST(a_closed_port_is_a_network_error)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, answers);
    scripted_stop(&server);
    ASSERT_ERR(ERR_NETWORK, scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    ASSERT_ERR(ERR_NETWORK, scripted_ask(&server, DNS_TCP, DNS_TXT, NULL, &reply, &err));
}

static bool fills_64k(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                      struct msg *answer)
{
    char value[256];

    memset(value, 'v', 255);
    value[255] = '\0';
    msg_begin(answer, request, len, ANSWER | (tcp ? 0 : TC));
    while (tcp && answer->len + 400 < 65535)
        msg_txt(answer, "_acme-challenge.example.com.", value);
    return true;
}

TEST(a_large_answer_comes_whole_over_tcp)
{
    struct scripted server = {};
    struct dns_reply reply = {};
    struct err err = {};

    scripted_start(&server, fills_64k);
    ASSERT_OK(scripted_ask(&server, DNS_UDP, DNS_TXT, NULL, &reply, &err));
    scripted_stop(&server);
    ASSERT_TRUE(reply.answer_count > 200);
    ASSERT_EQ(strlen(reply.answers[reply.answer_count - 1].value), 255);
    dns_reply_deinit(&reply);
}

TEST(only_literal_addresses_are_parsed)
{
    static const struct {
        const char *text;
        int family; /* 0: none */
    } cases[] = {
        {"127.0.0.1", AF_INET}, {"::1", AF_INET6}, {"fe80::1%lo", AF_INET6},
        {"localhost", 0},       {"", 0},           {"1.2.3", 0},
        {"0x7f.1", 0},          {"10", 0},
    };
    struct address address;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CASE(cases[i].text);
        address.storage.ss_family = 0;
        (void)address_parse(cases[i].text, 53, &address, NULL);
        ASSERT_EQ(address.storage.ss_family, cases[i].family);
    }
    CASE("");
}

RUN_TESTS(cmocka_unit_test(an_answer_over_udp_is_read),
          cmocka_unit_test(an_answer_over_tcp_is_read_though_it_comes_byte_by_byte),
          cmocka_unit_test(a_truncated_answer_is_asked_for_again_over_tcp),
          cmocka_unit_test(silence_over_udp_for_half_of_the_time_leads_to_tcp),
          cmocka_unit_test(the_deadline_ends_the_wait),
          cmocka_unit_test(datagrams_that_are_not_the_answer_are_passed_over),
          cmocka_unit_test(a_wrong_id_over_tcp_is_an_error),
          cmocka_unit_test(a_cancel_from_another_thread_ends_the_wait_over_udp),
          cmocka_unit_test(a_cancel_from_another_thread_ends_the_wait_over_tcp),
          cmocka_unit_test(a_cancel_that_came_before_sends_nothing),
          cmocka_unit_test(nxdomain_is_a_success_of_the_exchange),
          cmocka_unit_test(a_refusal_may_lack_the_question),
          cmocka_unit_test(an_answer_that_is_cut_is_a_protocol_error),
          cmocka_unit_test(a_connection_that_closes_early_is_a_network_error),
          cmocka_unit_test(a_closed_port_is_a_network_error),
          cmocka_unit_test(a_large_answer_comes_whole_over_tcp),
          cmocka_unit_test(only_literal_addresses_are_parsed));
