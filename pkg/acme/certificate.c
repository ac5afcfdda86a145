#include <string.h>

#include "acme/acme.h"
#include "acme/decode.h"
#include "acme/request.h"

#define ALTERNATES_MAX 8

static int answer_check(const struct http_response *response, struct err *err)
{
    const char *type = http_header(response, "content-type");

    if (!type || acme_answer_is(response, "application/pem-certificate-chain"))
        return 0;
    if (acme_answer_is(response, "text/html"))
        return err_set(err, ERR_UNAVAILABLE,
                       "the answer is a web page, not from an ACME server; is a proxy in the way");
    return err_set(err, ERR_PROTOCOL, "the answer is of type '%.*s', not a PEM chain",
                   LIMIT_EXCERPT, type);
}

static int download(struct acme_client *client, const struct context *ctx,
                    const struct acme_call *call, struct http_response *ret,
                    struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    int r;

    r = acme_post(client, ctx, call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = answer_check(&response, err);
    if (r < 0)
        return err_wrap(err, "%s '%s'", call->step, call->url);
    *ret = response;
    response = (struct http_response){};
    return 0;
}

/* Intermediates change at random (acme.md 3), so chains are told apart by who issued their top. */
static bool ends_at(const struct http_response *response, const char *common_name)
{
    cleanup(chain_deinit) struct chain chain = {};

    if (chain_from_pem(buf_str(&response->body), response->body.len, &chain, NULL) < 0)
        return false; /* the caller finds out when it parses what it gets */
    return streq(cert_issuer_common_name(chain.certs[chain.len - 1]), common_name);
}

/* Replaces *chain by the first alternate that ends at `common_name`, if there is one. An alternate
 * that cannot be had now is an error: settling for another chain would be final. */
static int choose_alternate(struct acme_client *client, const struct context *ctx,
                            const char *common_name, struct http_response *chain, bool *ret_found,
                            struct acme_problem *ret_problem, struct err *err)
{
    for (size_t n = 0; n < ALTERNATES_MAX; n++) {
        struct acme_call call = {.step = "downloading alternate chain",
                                 .action = "list_cert_alternates",
                                 .is_pem = true};
        cleanup(http_response_deinit) struct http_response alternate = {};
        cleanup(xfree) char *url = NULL;
        int r;

        if (http_link(chain, "alternate", n, &url, NULL) < 0)
            return 0;
        call.url = url;
        r = download(client, ctx, &call, &alternate, ret_problem, err);
        if (r < 0)
            return r;
        if (ends_at(&alternate, common_name)) {
            http_response_deinit(chain);
            *chain = alternate;
            alternate = (struct http_response){};
            *ret_found = true;
            return 0;
        }
    }
    return 0;
}

int acme_certificate_download(struct acme_client *client, const struct context *ctx,
                              const char *url, const char *preferred_chain, struct buf *ret_pem,
                              bool *ret_preferred_found, struct acme_problem *ret_problem,
                              struct err *err)
{
    cleanup(http_response_deinit) struct http_response chain = {};
    struct acme_call call = {
        .step = "downloading certificate", .action = "fetch_cert", .url = url, .is_pem = true};
    bool found = true;
    int r;

    r = download(client, ctx, &call, &chain, ret_problem, err);
    if (r < 0)
        return r;
    if (!str_empty(preferred_chain) && !ends_at(&chain, preferred_chain)) {
        found = false;
        r = choose_alternate(client, ctx, preferred_chain, &chain, &found, ret_problem, err);
        if (r < 0)
            return r;
    }
    buf_add(ret_pem, buf_str(&chain.body), chain.body.len);
    *ret_preferred_found = found;
    return buf_check(ret_pem, "the certificate chain", err);
}
