#include "dns/message.h"
#include "scripted.h"

static const unsigned char request[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                       "\x01"
                                       "a\x07"
                                       "example\x03"
                                       "com\x00\x00\x10\x00\x01";

static void begin(struct msg *msg, unsigned flags)
{
    msg_begin(msg, request, sizeof(request) - 1, flags);
}

TEST(each_type_has_its_text)
{
    static const struct {
        const char *what;
        unsigned type;
        const char *rdata;
        size_t len;
        const char *value; /* NULL: malformed */
    } cases[] = {
        {"A", DNS_A, "\xc0\x00\x02\x01", 4, "192.0.2.1"},
        {"A of 3 octets", DNS_A, "\xc0\x00\x02", 3, NULL},
        {"AAAA", DNS_AAAA, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16, "2001:db8::1"},
        {"AAAA of 4 octets", DNS_AAAA, "\x20\x01\x0d\xb8", 4, NULL},
        {"NS", DNS_NS, "\x02NS\xc0\x0e", 5, "ns.example.com."},
        {"NS with more behind it", DNS_NS, "\x02ns\xc0\x0e\x00", 6, NULL},
        {"NS that is empty", DNS_NS, "", 0, NULL},
        {"CNAME of the root", DNS_CNAME, "\x00", 1, "."},
        {"CNAME with a dot inside a label", DNS_CNAME,
         "\x03"
         "a.b\x00",
         5, "a\\.b."},
        {"SOA", DNS_SOA,
         "\x02ns\x00\x01h\x00"
         "12345678901234567890",
         27, "ns."},
        {"TXT of no strings", DNS_TXT, "", 0, ""},
        {"TXT of two strings", DNS_TXT, "\x03one\x03two", 8, "onetwo"},
        {"TXT with a NUL", DNS_TXT,
         "\x03"
         "a\0b",
         4, "a\\000b"},
        {"TXT that ends early", DNS_TXT, "\x04one", 4, NULL},
        {"CAA", DNS_CAA, "\x80\x05issueca.example", 17, "128 issue ca.example"},
        {"CAA without value", DNS_CAA, "\x00\x05issue", 7, "0 issue "},
        {"CAA without tag", DNS_CAA, "\x00\x00", 2, NULL},
        {"CAA with a long tag", DNS_CAA, "\x00\x09issue", 7, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dns_reply reply = {};
        struct err err = {};
        struct msg msg;

        CASE(cases[i].what);
        begin(&msg, 0x8180);
        msg_record(&msg, 1, "a.example.com.", cases[i].type, 7, cases[i].rdata, cases[i].len);
        if (!cases[i].value) {
            ASSERT_ERR(ERR_PROTOCOL, reply_parse(msg.data, msg.len, &reply, &err));
            continue;
        }
        ASSERT_OK(reply_parse(msg.data, msg.len, &reply, &err));
        ASSERT_EQ(reply.answer_count, 1);
        ASSERT_STREQ(reply.answers[0].value, cases[i].value);
        ASSERT_EQ(reply.answers[0].type, cases[i].type);
        ASSERT_EQ(reply.answers[0].ttl, 7);
        dns_reply_deinit(&reply);
    }
    CASE("");
}

TEST(sections_are_kept_apart_and_other_types_left_out)
{
    struct dns_reply reply = {};
    struct err err = {};
    struct msg msg;

    begin(&msg, 0x8583);                                                 /* AA, NXDOMAIN */
    msg_record(&msg, 1, "A.Example.COM.", 46, 7, "not looked into", 15); /* RRSIG */
    msg_named(&msg, 1, "A.Example.COM.", DNS_CNAME, "B.example.com.");
    msg_named(&msg, 2, "example.com.", DNS_NS, "ns.example.com.");
    msg_record(&msg, 3, "ns.example.com.", DNS_A, 7, "\x7f\0\0\1", 4);
    ASSERT_OK(reply_parse(msg.data, msg.len, &reply, &err));
    ASSERT_EQ(reply.rcode, DNS_NXDOMAIN);
    ASSERT_TRUE(reply.authoritative);
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].name, "a.example.com.");
    ASSERT_STREQ(reply.answers[0].value, "b.example.com.");
    ASSERT_EQ(reply.authority_count, 1);
    ASSERT_STREQ(reply.authority[0].value, "ns.example.com.");
    dns_reply_deinit(&reply);
}

TEST(the_upper_bits_of_the_rcode_come_from_edns)
{
    struct dns_reply reply = {};
    struct err err = {};
    struct msg msg;

    begin(&msg, 0x8180);
    msg_record(&msg, 3, "", 41, 0x01000000, "", 0); /* BADVERS */
    ASSERT_OK(reply_parse(msg.data, msg.len, &reply, &err));
    ASSERT_EQ(reply.rcode, 16);
    ASSERT_STREQ(dns_rcode_name(reply.rcode), "rcode 16");
    ASSERT_STREQ(dns_rcode_name(DNS_NXDOMAIN), "NXDOMAIN");
    ASSERT_STREQ(dns_rcode_name(DNS_NOTAUTH), "NOTAUTH");
    dns_reply_deinit(&reply);
}

TEST(compression_that_runs_in_circles_is_an_error)
{
    struct dns_reply reply = {};
    struct err err = {};
    struct msg msg;
    size_t at;

    begin(&msg, 0x8180);
    at = msg.len;
    msg_named(&msg, 1, "", DNS_CNAME, "b.");
    /* The owner becomes a pointer to itself: "\0" and the type's first octet stand there. */
    memmove(msg.data + at + 2, msg.data + at + 1, msg.len - at - 1);
    msg.len++;
    msg.data[at] = (unsigned char)(0xc0 | at >> 8);
    msg.data[at + 1] = (unsigned char)at;
    ASSERT_ERR(ERR_PROTOCOL, reply_parse(msg.data, msg.len, &reply, &err));
}

TEST(every_cut_of_a_reply_is_an_error)
{
    struct dns_reply reply = {};
    struct err err = {};
    struct msg msg;

    begin(&msg, 0x8180);
    msg_txt(&msg, "a.example.com.", "value");
    msg_named(&msg, 1, "a.example.com.", DNS_CNAME, "b.example.com.");
    for (size_t len = 0; len < msg.len; len++) {
        cleanup(xfree) unsigned char *exact = xmemdup(msg.data, len); /* for the address checker */

        ASSERT_ERR(ERR_PROTOCOL, reply_parse(exact, len, &reply, &err));
    }
}

TEST(more_records_than_the_limit_are_refused)
{
    static struct msg msg;
    struct dns_reply reply = {};
    struct err err = {};

    begin(&msg, 0x8180);
    for (int i = 0; i < LIMIT_DNS_RECORDS; i++)
        msg_record(&msg, 1, "", DNS_TXT, 7, "", 0);
    ASSERT_OK(reply_parse(msg.data, msg.len, &reply, &err));
    ASSERT_EQ(reply.answer_count, LIMIT_DNS_RECORDS);
    dns_reply_deinit(&reply);
    msg_record(&msg, 1, "", DNS_TXT, 7, "", 0);
    ASSERT_ERR(ERR_TOO_LARGE, reply_parse(msg.data, msg.len, &reply, &err));
}

TEST(a_query_asks_with_edns_for_one_name)
{
    static const char expected[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
                                   "\x01"
                                   "a\x07"
                                   "example\x03"
                                   "com\x00\x00\x10\x00\x01"
                                   "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00";
    const struct dns_query query = {.name = "a.example.com", .type = DNS_TXT};
    cleanup(request_deinit) struct request asked = {};
    struct err err = {};

    ASSERT_OK(request_init_query(&asked, &query, 0x1234, &err));
    ASSERT_MEMEQ(asked.wire.data, asked.wire.len, expected, sizeof(expected) - 1);
}

TEST(what_is_no_name_cannot_be_asked_for)
{
    static const char *const names[] = {
        "a..b",
        ".a",
        "0123456789012345678901234567890123456789012345678901234567890123.com",
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct dns_query query = {.name = names[i], .type = DNS_TXT};
        struct request asked = {};

        CASE(names[i]);
        ASSERT_ERR(ERR_INVALID, request_init_query(&asked, &query, 1, &err));
    }
    CASE("");
}

RUN_TESTS(cmocka_unit_test(each_type_has_its_text),
          cmocka_unit_test(sections_are_kept_apart_and_other_types_left_out),
          cmocka_unit_test(the_upper_bits_of_the_rcode_come_from_edns),
          cmocka_unit_test(compression_that_runs_in_circles_is_an_error),
          cmocka_unit_test(every_cut_of_a_reply_is_an_error),
          cmocka_unit_test(more_records_than_the_limit_are_refused),
          cmocka_unit_test(a_query_asks_with_edns_for_one_name),
          cmocka_unit_test(what_is_no_name_cannot_be_asked_for));
