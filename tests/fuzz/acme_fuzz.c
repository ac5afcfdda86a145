/*
 * Answers of an ACME server: the first octet chooses the decoder, the rest is a header line (up to
 * the first newline) and the body. All decoders are run on the tolerant side, as in the program:
 * whatever comes must end in a struct or an error.
 */
#include <stdlib.h>
#include <string.h>

#include "acme/acme.h"
#include "acme/decode.h"
#include "acme/directory.h"
#include "acme/gate.h"
#include "acme/problem.h"

#define NOW_MS 1767225600000 /* 2026-01-01 */

static const char *const headers[] = {"retry-after", "link", "content-type", "location", "date"};

static void read_problem(const struct http_response *response)
{
    static const int statuses[] = {400, 403, 404, 409, 429, 500, 503, 301};
    cleanup(buf_deinit) struct buf text = BUF(64 * 1024);

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        cleanup(acme_problem_deinit) struct acme_problem problem = {};
        struct err err = {};

        acme_problem_parse(statuses[i], response, NOW_MS, &problem);
        if (problem.class == ACME_OK || acme_problem_err(&problem, &err) >= 0)
            abort();
        if (problem.retry_at_ms != 0 && problem.retry_at_ms < NOW_MS)
            abort();
        acme_problem_text(&problem, &text);
    }
}

static void read_order(const struct json *body)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    struct err err = {};

    if (acme_order_decode(body, &order, &err) < 0)
        return;
    if (order.finalize_url && !str_starts(order.finalize_url, "https://") &&
        http_url_check_https(order.finalize_url, NULL) < 0)
        abort();
    if (order.identifier_count == 0 || order.status > ACME_STATUS_REVOKED)
        abort();
}

static void read_authorization(const struct json *body)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    struct err err = {};

    if (acme_authorization_decode(body, &authorization, &err) < 0)
        return;
    for (size_t i = 0; i < authorization.challenge_count; i++) {
        const struct acme_challenge *challenge = &authorization.challenges[i];

        if (streq(challenge->type, "http-01") && acme_token_check(challenge->token, NULL) < 0)
            abort();
    }
}

static void read_rest(const struct json *body)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
    struct err err = {};

    (void)acme_directory_decode(body, &directory, &err);
    (void)acme_account_decode(body, &account, &err);
    if (acme_renewal_info_decode(body, &info, &err) == 0) {
        int64_t instant_ms = acme_renewal_instant("a.b", info.start_ms, info.end_ms);

        if (instant_ms < info.start_ms || instant_ms >= info.end_ms)
            abort();
    }
}

static void read_gate(const char *text)
{
    cleanup(acme_gate_unref) struct acme_gate *gate = acme_gate_new(
        "https://acme-v02.api.letsencrypt.org/directory");
    cleanup(strlist_deinit) struct strlist names = {};
    cleanup(xfree) char *saved = NULL;
    struct acme_budget_request request = {
        .names = &names, .registered_domains = &names, .tenant = "t"};
    struct fake_clock clock;
    struct context ctx;
    struct err err = {};

    fake_clock_init(&clock, NOW_MS);
    ctx = context_background(&clock.clock);
    strlist_add(&names, "example.com");
    acme_gate_restore(gate, text);
    if (acme_gate_check(gate, &ctx, &err) < 0 && err.retry_at_ms > NOW_MS + DAYS(7))
        abort();
    if (acme_gate_take_order(gate, &ctx, &request, &err) < 0 && err.retry_at_ms <= NOW_MS)
        abort();
    saved = acme_gate_save(gate, &ctx);
}

static void read_body(unsigned char choice, const struct http_response *response)
{
    cleanup(json_unref) struct json *body = NULL;
    struct err err = {};

    if (choice % 5 == 0) {
        read_problem(response);
        return;
    }
    if (choice % 5 == 1) {
        read_gate(buf_str(&response->body));
        return;
    }
    if (acme_body(response, &body, &err) < 0)
        return;
    if (choice % 5 == 2)
        read_order(body);
    else if (choice % 5 == 3)
        read_authorization(body);
    else
        read_rest(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(http_response_deinit) struct http_response response = {.status = 200,
                                                                   .body = BUF(LIMIT_ACME_BODY)};
    const uint8_t *newline = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    cleanup(xfree) char *header = NULL, *url = NULL;
    size_t start;

    if (size == 0)
        return 0;
    start = newline ? (size_t)(newline - data) + 1 : 1;
    header = newline ? xstrndup((const char *)data + 1, start - 2) : xstrdup("");
    response.final_url = xstrdup("https://ca.test/acme/new-order");
    strmap_set(&response.headers, headers[data[0] / 5 % ARRAY_LEN(headers)], header);
    buf_add(&response.body, data + start, size - start);
    read_body(data[0], &response);
    (void)acme_location(&response, false, &url, NULL);
    return 0;
}
