/*
 * Replies of name servers: the walk over records, what lookups read from them, and the signatures
 * of answers to updates (where ldns' own parser sees the rest of the message).
 */
#include <stdlib.h>
#include <string.h>

#include "dns/lookup.h"
#include "dns/message.h"
#include "dns/tsig.h"
#include "dns/update.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

static void read_reply(const unsigned char *data, size_t len)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    cleanup(strlist_deinit) struct strlist values = {};
    struct err err = {};

    if (reply_parse(data, len, &reply, &err) < 0)
        return;
    if (reply.answer_count + reply.authority_count > 2 * LIMIT_DNS_RECORDS)
        abort();
    reply_values(&reply, DNS_TXT, reply_end_of_chain(&reply, "a.example.com."), &values);
}

/* The first octet chooses an algorithm, the rest is the answer. */
static void judge_answer(const unsigned char *data, size_t len)
{
    const struct tsig tsig = {.key_name = "key",
                              .algorithm = data[0] & 3,
                              .secret = (const unsigned char *)"s",
                              .secret_len = 1};
    const struct dns_update update = {
        .zone = "example.com", .name = "a.example.com", .value = "v", .tsig = &tsig};
    cleanup(request_deinit) struct request request = {};
    cleanup(buf_deinit) struct buf answer = BUF(LIMIT_DNS_MESSAGE);
    struct err err = {};
    int64_t now_ms = 0;

    buf_add(&answer, data + 1, len - 1);
    if (answer.failed || answer.len < DNS_HEADER_LEN ||
        request_init_update(&request, &update, 0, &err) < 0)
        return;
    (void)request_is_answered_by(&request, answer.data, answer.len);
    if (update_judge(&update, &request, &answer, now_ms, &err) == 0)
        abort(); /* nobody can sign without the key */
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    read_reply(data, len);
    if (len > 1)
        judge_answer(data, len);
    return 0;
}
