#include "support/testing.h"

#include "base/base64.h"
#include "base/random.h"

/* RFC 4648 10, and bytes that use the two last digits. */
static const struct {
    const char *plain, *standard, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
};

TEST(encoding_gives_the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        size_t len = strlen(vectors[i].plain);
        cleanup(xfree) char *standard = base64_new(vectors[i].plain, len);
        cleanup(xfree) char *url = base64url_new(vectors[i].plain, len);

        ASSERT_STREQ(standard, vectors[i].standard);
        ASSERT_STREQ(url, vectors[i].url);
    }
}

TEST(decoding_gives_the_bytes_back)
{
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const char *standard = vectors[i].standard, *url = vectors[i].url;
        cleanup(buf_deinit) struct buf a = BUF(100), b = BUF(100);

        CASE(standard);
        ASSERT_OK(base64_decode(&a, standard, strlen(standard), &err));
        ASSERT_STREQ(buf_str(&a), vectors[i].plain);
        ASSERT_OK(base64url_decode(&b, url, strlen(url), &err));
        ASSERT_STREQ(buf_str(&b), vectors[i].plain);
    }
}

TEST(url_form_takes_padding_but_no_wrong_padding)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(100);

    ASSERT_OK(base64url_decode(&buf, "Zg==", 4, &err));
    ASSERT_STREQ(buf_str(&buf), "f");
    ASSERT_ERR(ERR_INVALID, base64url_decode(&buf, "Zg=", 3, &err));
    ASSERT_ERR(ERR_INVALID, base64url_decode(&buf, "Zm9v=", 5, &err));
    ASSERT_STREQ(buf_str(&buf), "f");
}

TEST(bad_text_is_refused_with_its_offset_and_adds_nothing)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"Zg", "not base64 at offset 2"},       {"Zg=", "not base64 at offset 2"},
        {"Zg==Zg==", "not base64 at offset 2"}, {"Z===", "not base64 at offset 1"},
        {"====", "not base64 at offset 0"},     {"=", "not base64 at offset 0"},
        {"Zm9v\n", "not base64 at offset 4"},   {"Zm9v Zm9v", "not base64 at offset 4"},
        {"Zm9-", "not base64 at offset 3"},     {"Zm\x80v", "not base64 at offset 2"},
        {"Zm9vY", "not base64 at offset 5"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf buf = BUF(100);
        struct err err = {};

        CASE(rows[i].text);
        buf_add_str(&buf, "before");
        ASSERT_ERR(ERR_INVALID, base64_decode(&buf, rows[i].text, strlen(rows[i].text), &err));
        ASSERT_STREQ(err.text, rows[i].message);
        ASSERT_STREQ(buf_str(&buf), "before");
    }
}

TEST(every_byte_is_a_digit_or_refused)
{
    static const char *const alphabets[] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    };

    for (int is_url = 0; is_url < 2; is_url++)
        for (int c = 1; c < 256; c++) {
            cleanup(buf_deinit) struct buf out = BUF(3);
            const char *digit = strchr(alphabets[is_url], c);
            char text[] = {'A', 'A', 'A', (char)c};
            struct err err = {};
            int r = is_url ? base64url_decode(&out, text, 4, &err)
                           : base64_decode(&out, text, 4, &err);

            if (c == '=')
                continue; /* padding */
            ASSERT_EQ(r, digit ? 0 : ERR_INVALID);
            ASSERT_EQ(out.len, digit ? 3 : 0);
            if (digit)
                ASSERT_EQ(out.data[2], digit - alphabets[is_url]);
        }
}

TEST(decoding_stays_within_the_maximum)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(5);

    ASSERT_ERR(ERR_TOO_LARGE, base64_decode(&buf, "Zm9vYmFy", 8, &err));
}

TEST(any_bytes_make_the_round_trip)
{
    struct err err = {};
    uint8_t bytes[100];

    random_seed_for_tests(7);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        cleanup(buf_deinit) struct buf standard = BUF(200), url = BUF(200), back = BUF(200);

        random_bytes(bytes, len);
        base64_encode(&standard, bytes, len);
        base64url_encode(&url, bytes, len);
        ASSERT_OK(base64_decode(&back, buf_str(&standard), standard.len, &err));
        ASSERT_MEMEQ(back.data, back.len, bytes, len);
        buf_reset(&back);
        ASSERT_OK(base64url_decode(&back, buf_str(&url), url.len, &err));
        ASSERT_MEMEQ(back.data, back.len, bytes, len);
    }
}

RUN_TESTS(cmocka_unit_test(encoding_gives_the_vectors_of_the_rfc),
          cmocka_unit_test(decoding_gives_the_bytes_back),
          cmocka_unit_test(url_form_takes_padding_but_no_wrong_padding),
          cmocka_unit_test(bad_text_is_refused_with_its_offset_and_adds_nothing),
          cmocka_unit_test(every_byte_is_a_digit_or_refused),
          cmocka_unit_test(decoding_stays_within_the_maximum),
          cmocka_unit_test(any_bytes_make_the_round_trip));
