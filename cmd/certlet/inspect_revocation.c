/* inspect_revocation.c - asks the CRLs and OCSP responders that certificates name. */
#include "inspect.h"

#include "base/clock.h"
#include "http/http.h"
#include "pki/names.h"

#define USER_AGENT  "certlet-inspect/" CERTLET_VERSION " (linux)"
#define TIMEOUT_MS  SECONDS(15)
#define CRL_MAX     (32 * 1024 * 1024) /* of a large CA */
#define OCSP_MAX    (64 * 1024)
#define SOURCES_MAX 8 /* of one certificate and kind */

struct asking {
    struct contents *contents;
    const struct context *ctx;
    struct http *http;
    size_t certificate;
    const struct cert *cert, *issuer;
};

/* --- one source --- */

static int fetch(const struct asking *asking, const struct http_request *request,
                 struct http_response *ret, struct err *err)
{
    int r = http_do(asking->http, asking->ctx, request, ret, err);

    if (r == 0 && ret->status != 200)
        return err_set(err, ERR_UNAVAILABLE, "it answers with status %d", ret->status);
    return r;
}

static int ask_crl(const struct asking *asking, const char *url, struct revocation *ret,
                   struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .max_body = CRL_MAX,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_redirects = 3};
    int r = fetch(asking, &request, &response, err);

    return r < 0 ? r
                 : crl_look_up(response.body.data, response.body.len, asking->cert, asking->issuer,
                               context_now_ms(asking->ctx), ret, err);
}

static int ask_ocsp(const struct asking *asking, const char *url, struct revocation *ret,
                    struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(strmap_deinit) struct strmap headers = {};
    cleanup(buf_deinit) struct buf question = BUF(OCSP_MAX);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = &headers,
                                   .max_body = OCSP_MAX,
                                   .timeout_ms = TIMEOUT_MS,
                                   .repeatable = true};
    int r;

    strmap_set(&headers, "content-type", "application/ocsp-request");
    ocsp_request(asking->cert, asking->issuer, &question);
    request.body = question.data;
    request.body_len = question.len;
    r = fetch(asking, &request, &response, err);
    return r < 0 ? r
                 : ocsp_look_up(response.body.data, response.body.len, asking->cert, asking->issuer,
                                context_now_ms(asking->ctx), ret, err);
}

/* --- all sources of a certificate --- */

static const struct source {
    const char *kind;
    void (*urls)(const struct cert *cert, struct strlist *ret);
    int (*ask)(const struct asking *asking, const char *url, struct revocation *ret,
               struct err *err);
} sources[] = {
    {"CRL", cert_crl_urls, ask_crl},
    {"OCSP", cert_ocsp_urls, ask_ocsp},
};

static bool can_be_asked(const char *url)
{
    return name_is_url_text(url) && (str_starts(url, "http://") || str_starts(url, "https://"));
}

static int find_out(const struct asking *asking, const struct source *source, const char *url,
                    struct revocation *ret, struct err *err)
{
    if (!can_be_asked(url))
        return err_set(err, ERR_UNSUPPORTED,
                       "not asked, as only http:// and https:// can be fetched here");
    if (!asking->issuer)
        return err_set(err, ERR_NOT_FOUND,
                       "not asked, as the certificate of its issuer is not at hand");
    return source->ask(asking, url, ret, err);
}

static void ask(const struct asking *asking, const struct source *source, const char *url)
{
    struct contents *contents = asking->contents;
    struct revocation_answer *answer;

    contents->answers = xrealloc(contents->answers,
                                 (contents->answer_count + 1) * sizeof(*contents->answers));
    answer = &contents->answers[contents->answer_count++];
    *answer = (struct revocation_answer){
        .certificate = asking->certificate, .kind = source->kind, .url = xstrdup(url)};
    (void)find_out(asking, source, url, &answer->found, &answer->err); /* shown with the answer */
}

static void ask_sources(const struct asking *asking, const struct source *source)
{
    cleanup(strlist_deinit) struct strlist urls = {};
    size_t counts[2] = {}; /* those that are only told keep none from being asked */

    source->urls(asking->cert, &urls);
    for (size_t i = 0; i < urls.len; i++)
        if (counts[can_be_asked(urls.items[i])]++ < SOURCES_MAX)
            ask(asking, source, urls.items[i]);
}

static void ask_all(struct asking *asking)
{
    const struct chain *chain = &asking->contents->chain;

    for (size_t i = 0; i < chain->len; i++) {
        asking->certificate = i;
        asking->cert = chain->certs[i];
        asking->issuer = contents_issuer(asking->contents, i);
        for (size_t s = 0; s < ARRAY_LEN(sources); s++)
            ask_sources(asking, &sources[s]);
    }
}

int contents_ask_revocation(struct contents *contents, const struct context *ctx, struct err *err)
{
    cleanup(http_free) struct http *http = NULL;
    struct http_options options = {.user_agent = USER_AGENT};
    struct asking asking = {.contents = contents, .ctx = ctx};
    int r = http_new(&options, &http, err);

    if (r < 0)
        return r;
    asking.http = http;
    ask_all(&asking);
    contents->asked = true;
    return 0;
}
