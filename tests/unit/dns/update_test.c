#include "dns/update.h"

#include <sys/time.h>

#include "dns/tsig.h"
#include "scripted.h"

/*
 * Known answers were computed with Python's hmac over the variables of RFC 8945 4.3, for time
 * 2026-01-01T00:00:00Z, key 'key.example.com.' with the secret below, id 0x1234.
 */
#define SIGNED_AT_S 1767225600

/* ldns reads the time by this call: here it stands still. */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict tz)
{
    *tv = (struct timeval){.tv_sec = SIGNED_AT_S};
    return 0;
}

static const unsigned char secret[] = "0123456789abcdef";

static const struct vector {
    const char *what;
    enum tsig_algorithm algorithm;
    const char *name; /* as labels */
    size_t mac_len;
    const char *mac, *answer_mac;
} vectors[] = {
    {"md5", TSIG_HMAC_MD5, "hmac-md5.sig-alg.reg.int.", 16,
     "\x14\x37\xef\x2f\xb5\x23\x06\x7a\xe7\x0f\x2a\xe4\x7b\x5b\xdf\x78",
     "\xda\x5f\xf5\x3c\x0f\x0a\x9d\x5f\x43\xf2\xd4\xfe\x9d\xde\xfc\x60"},
    {"sha1", TSIG_HMAC_SHA1, "hmac-sha1.", 20,
     "\xd3\x79\x75\x84\xa7\x20\x93\x7b\x8d\x5e\xec\x49\x15\xee\x9d\xa8"
     "\xd3\x25\xa8\x5d",
     "\x45\xc2\x5c\x15\x84\x0d\x60\xcf\xc7\xde\x81\xfc\xb1\xf3\x1c\xc0"
     "\xcf\xf7\xd6\xe2"},
    {"sha256", TSIG_HMAC_SHA256, "hmac-sha256.", 32,
     "\xca\x16\x72\x4d\x16\x67\x2f\x5e\x00\x68\xa2\x69\x1c\xa1\xb9\xc6"
     "\xa8\x0c\xdd\x9b\x61\x2d\x83\x46\x20\xe3\xc4\x17\xf3\x09\x1f\x29",
     "\xaa\x38\x66\xf9\x7e\x11\x81\xd5\xf1\xb9\x94\x51\x0a\xd8\x91\xb0"
     "\x84\x82\xfa\xa0\xba\x4b\x34\x72\x09\xd2\x9d\x28\xbc\x8d\xc2\xe0"},
    {"sha512", TSIG_HMAC_SHA512, "hmac-sha512.", 64,
     "\x97\xf2\x15\x95\x8f\x5c\x41\x8e\x22\xfc\x24\x9d\x79\x9d\x54\xa9"
     "\xd4\x82\xd5\x2e\xb4\x13\x55\x5d\x4d\x9f\x8f\x1c\xfd\xc2\xee\x78"
     "\x48\x63\x78\x5c\xc3\xdb\xe5\xe0\x89\xdc\xd5\xd7\xd9\x53\x79\x99"
     "\x29\x8e\x22\x4b\x69\xe5\xd9\x5d\x84\x9c\x5e\xc4\xd4\x6a\x61\xd9",
     "\x5f\xb8\x2b\x96\xe2\xed\x47\xa7\x91\x03\xa3\xbe\x04\x60\x9b\x64"
     "\x04\x04\x49\x6c\x8e\xe5\x33\xba\xb5\x7d\xc1\x73\xe0\x12\x6c\xdf"
     "\x9c\x8d\x77\x20\x9e\xe5\x69\x2f\xec\x5e\x1e\xd4\xd2\x03\xe5\x3f"
     "\xb3\x28\xba\x4e\xa8\xa7\x54\xd7\xb9\x34\x5f\xd3\x14\x2e\xa3\xa3"},
};

static const char plain_add[] = "\x12\x34\x28\x00\x00\x01\x00\x00\x00\x01\x00\x00"
                                "\x07"
                                "example\x03"
                                "com\x00\x00\x06\x00\x01"
                                "\x0f"
                                "_acme-challenge\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x06"
                                "\x05"
                                "value";
static const char plain_delete[] = "\x12\x34\x28\x00\x00\x01\x00\x00\x00\x01\x00\x00"
                                   "\x07"
                                   "example\x03"
                                   "com\x00\x00\x06\x00\x01"
                                   "\x0f"
                                   "_acme-challenge\xc0\x0c\x00\x10\x00\xfe\x00\x00\x00\x00\x00\x06"
                                   "\x05"
                                   "value";

static struct tsig key(enum tsig_algorithm algorithm)
{
    return (struct tsig){
        .key_name = "Key.example.com", .algorithm = algorithm, .secret = secret, .secret_len = 16};
}

static struct dns_update update_of(const struct tsig *tsig)
{
    return (struct dns_update){.zone = "example.com.",
                               .name = "_acme-challenge.example.com.",
                               .value = "value",
                               .ttl = 60,
                               .tsig = tsig};
}

TEST(an_update_adds_exactly_one_record)
{
    const struct dns_update update = update_of(NULL);
    cleanup(request_deinit) struct request request = {};
    struct err err = {};

    ASSERT_OK(request_init_update(&request, &update, 0x1234, &err));
    ASSERT_MEMEQ(request.wire.data, request.wire.len, plain_add, sizeof(plain_add) - 1);
}

TEST(an_update_deletes_exactly_one_record)
{
    struct dns_update update = update_of(NULL);
    cleanup(request_deinit) struct request request = {};
    struct err err = {};

    update.is_delete = true;
    ASSERT_OK(request_init_update(&request, &update, 0x1234, &err));
    ASSERT_MEMEQ(request.wire.data, request.wire.len, plain_delete, sizeof(plain_delete) - 1);
}

TEST(a_long_value_is_split_into_strings_of_255)
{
    static const struct {
        const char *what;
        size_t len;
        size_t rdata_len;
    } cases[] = {{"empty", 0, 1},
                 {"one full string", 255, 256},
                 {"one more", 256, 258},
                 {"three", 600, 603}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(request_deinit) struct request request = {};
        cleanup(xfree) char *value = xalloc(cases[i].len + 1);
        struct dns_update update = update_of(NULL);
        struct err err = {};
        struct wire wire;
        struct wire_record record;

        CASE(cases[i].what);
        memset(value, 'v', cases[i].len);
        update.value = value;
        ASSERT_OK(request_init_update(&request, &update, 1, &err));
        ASSERT_OK(wire_init(&wire, request.wire.data, request.wire.len, &err));
        ASSERT_OK(wire_next(&wire, &record, &err));
        ASSERT_OK(wire_next(&wire, &record, &err));
        ASSERT_EQ(record.rdata_len, cases[i].rdata_len);
        ASSERT_EQ(wire.data[record.rdata], cases[i].len < 255 ? cases[i].len : 255);
    }
    CASE("");
}

/* The record of RFC 8945 4.2 behind `message`. */
static void add_tsig(struct msg *msg, const char *key_name, const char *algorithm, int64_t time_s,
                     const void *mac, size_t mac_len, unsigned error)
{
    struct msg rdata;

    rdata.len = 0;
    msg_name(&rdata, algorithm);
    msg_u16(&rdata, (unsigned)(time_s >> 32));
    msg_u32(&rdata, (uint32_t)time_s);
    msg_u16(&rdata, 300);
    msg_u16(&rdata, (unsigned)mac_len);
    msg_add(&rdata, mac, mac_len);
    msg_u16(&rdata, 0x1234);
    msg_u16(&rdata, error);
    msg_u16(&rdata, 0);
    msg_record(msg, 3, key_name, 250, 0, rdata.data, rdata.len);
    msg->data[msg->len - rdata.len - 7] = 255; /* class ANY */
}

TEST(signatures_are_those_of_rfc_8945)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct tsig tsig = key(vectors[i].algorithm);
        const struct dns_update update = update_of(&tsig);
        cleanup(request_deinit) struct request request = {};
        struct msg expected = {};
        struct err err = {};

        CASE(vectors[i].what);
        msg_add(&expected, plain_add, sizeof(plain_add) - 1);
        add_tsig(&expected, "key.example.com.", vectors[i].name, SIGNED_AT_S, vectors[i].mac,
                 vectors[i].mac_len, 0);
        ASSERT_OK(request_init_update(&request, &update, 0x1234, &err));
        ASSERT_MEMEQ(request.wire.data, request.wire.len, expected.data, expected.len);
    }
    CASE("");
}

static const unsigned char answer_header[12] = {0x12, 0x34, 0xa8};

/* Judges an answer to the signed update of vectors[i]. */
static int judge(const struct vector *vector, const struct msg *answer, int64_t now_ms,
                 struct err *err)
{
    const struct tsig tsig = key(vector->algorithm);
    const struct dns_update update = update_of(&tsig);
    cleanup(request_deinit) struct request request = {};
    cleanup(buf_deinit) struct buf wire = BUF(LIMIT_DNS_MESSAGE);
    int r;

    r = request_init_update(&request, &update, 0x1234, err);
    if (r < 0)
        return r;
    buf_add(&wire, answer->data, answer->len);
    return update_judge(&update, &request, &wire, now_ms, err);
}

static void right_answer(const struct vector *vector, struct msg *to)
{
    to->len = 0;
    msg_add(to, answer_header, sizeof(answer_header));
    add_tsig(to, "key.example.com.", vector->name, SIGNED_AT_S, vector->answer_mac, vector->mac_len,
             0);
}

TEST(a_rightly_signed_answer_is_a_success)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct msg answer;
        struct err err = {};

        CASE(vectors[i].what);
        right_answer(&vectors[i], &answer);
        ASSERT_OK(judge(&vectors[i], &answer, SIGNED_AT_S * 1000LL, &err));
    }
    CASE("");
}

TEST(every_flipped_bit_of_a_signed_answer_is_noticed)
{
    const struct vector *sha256 = &vectors[2];
    struct msg answer;
    struct err err = {};

    right_answer(sha256, &answer);
    for (size_t at = 0; at < answer.len; at++) {
        if (at == 2) /* QR and opcode: looked at before */
            continue;
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            answer.data[at] ^= (unsigned char)bit;
            /* Upper and lower case in names are the same to the digest. */
            if (judge(sha256, &answer, SIGNED_AT_S * 1000LL, &err) == 0 && bit != 0x20) {
                print_error("octet %zu bit %02x\n", at, bit);
                fail();
            }
            answer.data[at] ^= (unsigned char)bit;
        }
    }
    ASSERT_OK(judge(sha256, &answer, SIGNED_AT_S * 1000LL, &err));
}

TEST(success_that_is_not_signed_is_not_believed)
{
    const struct vector *sha256 = &vectors[2];
    struct msg answer;
    struct err err = {};

    answer.len = 0;
    msg_add(&answer, answer_header, sizeof(answer_header));
    ASSERT_ERR(ERR_PROTOCOL, judge(sha256, &answer, SIGNED_AT_S * 1000LL, &err));
    ASSERT_CONTAINS(err.text, "not signed");
}

TEST(success_signed_otherwise_is_not_believed)
{
    const struct vector *sha256 = &vectors[2], *md5 = &vectors[0];
    struct msg answer = {};
    struct err err = {};

    msg_add(&answer, answer_header, sizeof(answer_header));
    add_tsig(&answer, "key.example.com.", md5->name, SIGNED_AT_S, md5->answer_mac, md5->mac_len, 0);
    ASSERT_ERR(ERR_PROTOCOL, judge(sha256, &answer, SIGNED_AT_S * 1000LL, &err));
    ASSERT_CONTAINS(err.text, "another algorithm");

    right_answer(sha256, &answer);
    ASSERT_ERR(ERR_PROTOCOL, judge(sha256, &answer, (SIGNED_AT_S + 301) * 1000LL, &err));
    ASSERT_CONTAINS(err.text, "clock");
    ASSERT_OK(judge(sha256, &answer, (SIGNED_AT_S + 300) * 1000LL, &err));
    ASSERT_OK(judge(sha256, &answer, (SIGNED_AT_S - 300) * 1000LL, &err));
}

/* ldns would make 4 GiB of it (message.h). */
TEST(a_signed_answer_of_64k_of_empty_strings_is_refused)
{
    static const unsigned char filling[65400];
    static struct msg answer;
    struct err err = {};

    msg_add(&answer, answer_header, sizeof(answer_header));
    msg_record(&answer, 1, "", DNS_TXT, 0, filling, sizeof(filling));
    add_tsig(&answer, "key.example.com.", "hmac-sha256.", SIGNED_AT_S, vectors[2].answer_mac, 32,
             0);
    ASSERT_ERR(ERR_PROTOCOL, judge(&vectors[2], &answer, SIGNED_AT_S * 1000LL, &err));
    ASSERT_CONTAINS(err.text, "bytes");
}

TEST(refusals_are_named_and_say_what_to_do)
{
    static const struct {
        unsigned rcode, tsig_error;
        int code;
        const char *text, *advice;
    } cases[] = {
        {DNS_REFUSED, 0, ERR_DENIED, "REFUSED", "update policy"},
        {DNS_NOTAUTH, 0, ERR_DENIED, "NOTAUTH", "primary"},
        {DNS_NOTAUTH, TSIG_BADSIG, ERR_DENIED, "BADSIG", "compare the secret"},
        {DNS_NOTAUTH, TSIG_BADKEY, ERR_DENIED, "BADKEY", "compare key name"},
        {DNS_NOTAUTH, TSIG_BADTIME, ERR_DENIED, "BADTIME", "clock"},
        {DNS_NOTAUTH, TSIG_BADTRUNC, ERR_DENIED, "BADTRUNC", "Key.example.com"},
        {DNS_NOTAUTH, 99, ERR_DENIED, "tsig error 99", ""},
        {DNS_SERVFAIL, 0, ERR_UNAVAILABLE, "SERVFAIL", "log"},
        {4, 0, ERR_UNSUPPORTED, "NOTIMP", ""},
        {10, 0, ERR_INVALID, "NOTZONE", "example.com."},
        {DNS_FORMERR, 0, ERR_PROTOCOL, "FORMERR", ""},
        {8, 0, ERR_PROTOCOL, "NXRRSET", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msg answer = {};
        struct err err = {};

        CASE(cases[i].text);
        msg_add(&answer, answer_header, sizeof(answer_header));
        answer.data[3] = (unsigned char)cases[i].rcode;
        if (cases[i].tsig_error) /* BADKEY and BADSIG come without a MAC */
            add_tsig(&answer, "key.example.com.", "hmac-sha256.", SIGNED_AT_S, "", 0,
                     cases[i].tsig_error);
        ASSERT_ERR(cases[i].code, judge(&vectors[2], &answer, SIGNED_AT_S * 1000LL, &err));
        ASSERT_CONTAINS(err.text, cases[i].text);
        ASSERT_CONTAINS(err.text, cases[i].advice);
    }
    CASE("");
}

TEST(what_cannot_be_sent_is_refused_by_name)
{
    const struct tsig no_secret = {.key_name = "k", .algorithm = TSIG_HMAC_MD5};
    const struct tsig bad_name = {
        .key_name = "k..k", .algorithm = TSIG_HMAC_MD5, .secret = secret, .secret_len = 1};
    struct dns_update update = update_of(&no_secret);
    struct request request = {};
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, request_init_update(&request, &update, 1, &err));
    ASSERT_CONTAINS(err.text, "secret of tsig key 'k' is empty");
    update.tsig = &bad_name;
    ASSERT_ERR(ERR_INVALID, request_init_update(&request, &update, 1, &err));
    update = update_of(NULL);
    update.zone = "a..b";
    ASSERT_ERR(ERR_INVALID, request_init_update(&request, &update, 1, &err));
    update = update_of(NULL);
    update.name = "a..b";
    ASSERT_ERR(ERR_INVALID, request_init_update(&request, &update, 1, &err));
}

/* --- over the wire --- */

static bool accepts(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                    struct msg *answer)
{
    msg_begin(answer, request, len, 0x8000);
    return memcmp(request + 2, plain_add + 2, len - 2) == 0 && len == sizeof(plain_add) - 1;
}

TEST(an_update_goes_over_udp_and_over_tcp)
{
    struct scripted server = {};
    struct dns_update update = update_of(NULL);
    struct dns *dns = NULL;
    struct context ctx;
    struct err err = {};

    scripted_start(&server, accepts);
    ctx = context_background(&server.clock.clock);
    ASSERT_OK(dns_new(NULL, &dns, &err));
    ASSERT_OK(dns_update(dns, &ctx, &server.address, &update, &err));
    server.address.transport = DNS_TCP;
    ASSERT_OK(dns_update(dns, &ctx, &server.address, &update, &err));
    server.address.transport = DNS_HTTPS;
    ASSERT_ERR(ERR_UNSUPPORTED, dns_update(dns, &ctx, &server.address, &update, &err));
    dns_free(dns);
    scripted_stop(&server);
    ASSERT_EQ(server.asked_udp, 1);
    ASSERT_EQ(server.asked_tcp, 1);
}

/* Over UDP it may have taken it: time passes, and the datagram that wakes the client is not an answer. */
static bool refuses_over_tcp(struct scripted *self, bool tcp, const unsigned char *request,
                             size_t len, struct msg *answer)
{
    const unsigned char header[12] = {request[0], request[1], request[2] | 0x80, DNS_REFUSED};

    if (tcp) {
        msg_add(answer, header, sizeof(header));
        return true;
    }
    atomic_fetch_add(&self->clock.mono_ms, 5001);
    msg_add(answer, "no answer", 9);
    return true;
}

TEST(a_refusal_of_the_second_try_does_not_say_that_nothing_was_written)
{
    static const struct {
        enum dns_transport transport;
        int code;
    } rows[] = {{DNS_TCP, ERR_DENIED}, {DNS_UDP, ERR_UNAVAILABLE}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scripted server = {};
        struct dns_update update = update_of(NULL);
        struct dns *dns = NULL;
        struct context ctx;
        struct err err = {};

        scripted_start(&server, refuses_over_tcp);
        ctx = context_background(&server.clock.clock);
        ASSERT_OK(dns_new(NULL, &dns, &err));
        server.address.transport = rows[i].transport;
        ASSERT_ERR(rows[i].code, dns_update(dns, &ctx, &server.address, &update, &err));
        ASSERT_CONTAINS(err.text, "REFUSED");
        dns_free(dns);
        scripted_stop(&server);
    }
}

RUN_TESTS(cmocka_unit_test(a_refusal_of_the_second_try_does_not_say_that_nothing_was_written),
          cmocka_unit_test(an_update_adds_exactly_one_record),
          cmocka_unit_test(an_update_deletes_exactly_one_record),
          cmocka_unit_test(a_long_value_is_split_into_strings_of_255),
          cmocka_unit_test(signatures_are_those_of_rfc_8945),
          cmocka_unit_test(a_rightly_signed_answer_is_a_success),
          cmocka_unit_test(every_flipped_bit_of_a_signed_answer_is_noticed),
          cmocka_unit_test(success_that_is_not_signed_is_not_believed),
          cmocka_unit_test(success_signed_otherwise_is_not_believed),
          cmocka_unit_test(a_signed_answer_of_64k_of_empty_strings_is_refused),
          cmocka_unit_test(refusals_are_named_and_say_what_to_do),
          cmocka_unit_test(what_cannot_be_sent_is_refused_by_name),
          cmocka_unit_test(an_update_goes_over_udp_and_over_tcp));
