/* fake_ca_issue.c - roots, certificates and when to renew them. */
#include <string.h>

#include "base/timetext.h"
#include "support/fake_ca_inside.h"

#define PEM_MAX (256 * 1024)

/* Our own mistakes, not a client's. */
static void must(int result)
{
    if (result < 0)
        __builtin_trap();
}

/* --- roots --- */

static struct cert *sign_ca(const char *name, const struct pkey *key, const struct ca_root *issuer)
{
    struct x509_names names = {.common_name = xstrdup(name)};
    struct cert_template template = {.names = &names,
                                     .public_key = key,
                                     .is_ca = true,
                                     .not_before_ms = time_from_civil(2020, 1, 1, 0, 0, 0),
                                     .not_after_ms = time_from_civil(2099, 1, 1, 0, 0, 0),
                                     .issuer = issuer ? issuer->cert : NULL,
                                     .issuer_key = issuer ? issuer->key : key};
    struct cert *cert = NULL;

    must(cert_sign(&template, &cert, NULL));
    x509_names_deinit(&names);
    return cert;
}

static char *pem_of(const struct cert *cert)
{
    struct buf pem = BUF(PEM_MAX);

    cert_to_pem(cert, &pem);
    return buf_take(&pem);
}

static void root_init(struct ca_root *root, const char *name, const struct pkey *intermediate_key)
{
    must(pkey_generate(KEY_ECDSA, 256, &root->key, NULL));
    root->cert = sign_ca(name, root->key, NULL);
    root->intermediate = sign_ca("Fake Intermediate", intermediate_key, root);
    root->pem = pem_of(root->cert);
}

void ca_roots_init(struct fake_ca *ca)
{
    must(pkey_generate(KEY_ECDSA, 256, &ca->intermediate_key, NULL));
    must(pkey_generate(KEY_ECDSA, 256, &ca->other_key, NULL));
    root_init(&ca->roots[0], FAKE_CA_ROOT(1), ca->intermediate_key);
    root_init(&ca->roots[1], FAKE_CA_ROOT(2), ca->intermediate_key);
    root_init(&ca->roots[2], FAKE_CA_ROOT(3), ca->intermediate_key);
}

void ca_roots_deinit(struct fake_ca *ca)
{
    for (size_t i = 0; i < ARRAY_LEN(ca->roots); i++) {
        cert_unref(ca->roots[i].intermediate);
        cert_unref(ca->roots[i].cert);
        pkey_unref(ca->roots[i].key);
        xfree(ca->roots[i].pem);
    }
    pkey_unref(ca->other_key);
    pkey_unref(ca->intermediate_key);
}

const char *fake_ca_root_pem(const struct fake_ca *ca, size_t n)
{
    return ca->roots[n - 1].pem;
}

/* --- issue --- */

static int64_t lifetime_ms(const struct fake_ca *ca, const struct ca_order *order)
{
    for (size_t i = 0; i < ca->options.profile_count; i++)
        if (streq(ca->options.profiles[i].name, order->profile))
            return ca->options.profiles[i].lifetime_ms;
    return ca->options.lifetime_ms > 0 ? ca->options.lifetime_ms : DAYS(90);
}

static void set_dates(const struct fake_ca *ca, const struct ca_order *order, int64_t now_ms,
                      struct ca_certificate *certificate)
{
    int64_t start_ms = now_ms - ca->options.backdate_ms;

    if (ca->options.chain == FAKE_CA_EXPIRED_CHAIN)
        start_ms -= 2 * lifetime_ms(ca, order);
    certificate->not_before_ms = start_ms / 1000 * 1000;
    certificate->not_after_ms = certificate->not_before_ms + lifetime_ms(ca, order) - 1000;
    if (order->not_after_ms > 0 && order->not_after_ms < certificate->not_after_ms)
        certificate->not_after_ms = order->not_after_ms;
}

static struct cert *sign_leaf(struct fake_ca *ca, const struct ca_order *order,
                              const struct ca_certificate *certificate)
{
    struct x509_names other = {};
    unsigned char serial[16] = {0x01};
    struct cert_template template = {.csr = order->csr,
                                     .usages = USAGE(DIGITAL_SIGNATURE) | USAGE(SERVER_AUTH),
                                     .not_before_ms = certificate->not_before_ms,
                                     .not_after_ms = certificate->not_after_ms,
                                     .serial = serial,
                                     .serial_len = sizeof(serial),
                                     .issuer = ca->roots[0].intermediate,
                                     .issuer_key = ca->intermediate_key};
    struct cert *cert = NULL;

    for (size_t i = 1; i < sizeof(serial); i++)
        serial[i] = (unsigned char)ca_random(ca);
    strlist_add(&other.dns_names, "other.invalid");
    if (ca->options.chain == FAKE_CA_OTHER_NAME)
        template.names = &other;
    if (ca->options.chain == FAKE_CA_OTHER_KEY)
        template.public_key = ca->other_key;
    must(cert_sign(&template, &cert, NULL));
    x509_names_deinit(&other);
    return cert;
}

static char *chain_pem(const struct fake_ca *ca, const struct cert *leaf,
                       const struct ca_root *root)
{
    struct buf pem = BUF(PEM_MAX);

    cert_to_pem(leaf, &pem);
    if (ca->options.chain == FAKE_CA_WITH_KEY)
        pkey_to_pem(ca->other_key, KEY_PKCS8, &pem);
    cert_to_pem(ca->options.chain == FAKE_CA_OTHER_ISSUER ? root->cert : root->intermediate, &pem);
    return buf_take(&pem);
}

static void forget_expired(struct fake_ca *ca, int64_t now_ms)
{
    for (size_t i = 0; i < ca->certificates.len; i++) {
        struct ca_certificate *certificate = ca->certificates.items[i];

        if (certificate->not_after_ms > now_ms)
            continue;
        for (size_t n = 0; n < ARRAY_LEN(certificate->chains); n++) {
            xfree(certificate->chains[n]);
            certificate->chains[n] = NULL;
        }
    }
}

static struct ca_set *need_set(struct fake_ca *ca, const char *names)
{
    struct ca_set *set = map_get(ca->sets, names);

    if (!set) {
        set = xalloc(sizeof(*set));
        map_set(ca->sets, names, set);
    }
    return set;
}

static void note_replaced(struct fake_ca *ca, const struct ca_order *order)
{
    struct ca_certificate *older = order->replaces ? map_get(ca->by_id, order->replaces) : NULL;

    if (older)
        older->replaced = true;
}

struct ca_certificate *ca_issue(struct fake_ca *ca, struct ca_order *order, int64_t now_ms)
{
    cleanup(cert_unref) struct cert *leaf = NULL;
    struct ca_certificate *certificate;
    struct ca_set *set = need_set(ca, order->set);
    int id;

    if (ca->certificates.len % 100 == 99)
        forget_expired(ca, now_ms); /* a simulation runs for years */
    certificate = ca_list_add(&ca->certificates, sizeof(*certificate), &id);
    certificate->id = id;
    certificate->account = order->account;
    certificate->set = xstrdup(order->set);
    strlist_split(&certificate->names, order->set, ',');
    set_dates(ca, order, now_ms, certificate);
    if (ca->options.calls_all_back) {
        certificate->window_start_ms = certificate->not_before_ms - HOURS(2);
        certificate->window_end_ms = certificate->not_before_ms - HOURS(1);
    }
    leaf = sign_leaf(ca, order, certificate);
    for (size_t i = 0; i < ARRAY_LEN(certificate->chains); i++)
        certificate->chains[i] = chain_pem(ca, leaf, &ca->roots[i]);
    must(cert_ari_id(leaf, &certificate->cert_id, NULL));
    map_set(ca->by_id, certificate->cert_id, certificate);
    note_replaced(ca, order);
    ca->counts.issued++;
    set->issued++;
    set->issued_at_ms = now_ms;
    return certificate;
}

/* --- download --- */

void ca_get_certificate(struct ca_request *request)
{
    struct ca_certificate *certificate = ca_list_get(&request->ca->certificates, request->id);
    size_t n = streq(request->endpoint, "alternate") && *request->rest == '/'
                   ? (size_t)(request->rest[1] - '0')
                   : 0;

    if (!certificate || certificate->account != request->account ||
        n >= ARRAY_LEN(certificate->chains) || !certificate->chains[n]) {
        ca_problem(request, 404, "malformed", "no such certificate");
        return;
    }
    request->ca->counts.downloads++;
    request->answer.status = 200;
    request->answer.text = xstrdup(certificate->chains[n]);
    request->answer.content_type = "application/pem-certificate-chain";
    if (n == 0 && request->ca->options.alternates == 1)
        ca_header(request, "link", "</alternate/%d/1>;rel=\"alternate\"", certificate->id);
    if (n == 0 && request->ca->options.alternates >= 2)
        ca_header(request, "link",
                  "<%s/alternate/%d/1>;rel=\"alternate\", <%s/alternate/%d/2>;rel=\"alternate\"",
                  ca_url(request->ca), certificate->id, ca_url(request->ca), certificate->id);
}

/* --- renewal information --- */

/* As Boulder: in the middle of the time when a third (half below 10 days) is left, 2 % wide. */
void ca_window(const struct ca_certificate *certificate, int64_t *ret_start_ms, int64_t *ret_end_ms)
{
    int64_t life_ms = certificate->not_after_ms - certificate->not_before_ms;
    int64_t centre_ms = certificate->not_after_ms - life_ms / (life_ms < DAYS(10) ? 2 : 3);

    if (certificate->window_end_ms > 0) {
        *ret_start_ms = certificate->window_start_ms;
        *ret_end_ms = certificate->window_end_ms;
        return;
    }
    *ret_start_ms = (centre_ms - life_ms / 100) / 1000 * 1000;
    *ret_end_ms = (centre_ms + life_ms / 100) / 1000 * 1000;
}

void ca_get_renewal_info(struct ca_request *request)
{
    const struct ca_certificate *certificate = map_get(request->ca->by_id,
                                                       *request->rest ? request->rest + 1 : "");
    struct json *window;
    int64_t start_ms, end_ms;
    char text[TIME_TEXT_MAX];

    if (!certificate) {
        ca_problem(request, 404, "malformed", "no such certificate");
        return;
    }
    ca_window(certificate, &start_ms, &end_ms);
    window = json_new_map();
    time_format(start_ms, text);
    json_set_text(window, "start", text);
    time_format(end_ms, text);
    json_set_text(window, "end", text);
    request->answer.status = 200;
    request->answer.body = json_new_map();
    json_set(request->answer.body, "suggestedWindow", window);
    json_set_text(request->answer.body, "explanationURL", certificate->explanation_url);
    ca_header(request, "retry-after", "21600");
}

void fake_ca_set_window(struct fake_ca *ca, const char *cert_id, int64_t start_ms, int64_t end_ms,
                        const char *explanation_url)
{
    for (size_t i = 0; i < ca->certificates.len; i++) {
        struct ca_certificate *certificate = ca->certificates.items[i];

        if (cert_id && !streq(certificate->cert_id, cert_id))
            continue;
        certificate->window_start_ms = start_ms;
        certificate->window_end_ms = end_ms;
        xfree(certificate->explanation_url);
        certificate->explanation_url = xstrdup(explanation_url);
    }
}
