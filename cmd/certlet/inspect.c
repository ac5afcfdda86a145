/* inspect.c - certlet inspect: a certificate, a chain or a key in words. */
#include <stdio.h>
#include <string.h>

#include "api/certificate.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "command.h"
#include "options.h"
#include "pki/pki.h"
#include "json/json.h"

static const char *algorithm_name(const struct pkey *key)
{
    static const char *const names[] = {"none", "RSA", "ECDSA", "Ed25519", "other"};

    return names[pkey_algorithm(key)];
}

static struct json *usages_json(key_usages usages)
{
    struct json *list = json_new_list();

    for (int i = 1; i < USAGE_COUNT; i++) {
        if (usages & (key_usages)1 << i)
            json_append_text(list, enum_name(&key_usage_names, i));
    }
    return list;
}

static void set_time(struct json *map, const char *key, int64_t ms)
{
    char text[TIME_TEXT_MAX];

    time_format(ms, text);
    json_set_text(map, key, text);
}

static void set_key(struct json *map, const struct pkey *key)
{
    json_set_text(map, "key", algorithm_name(key));
    if (pkey_size(key) > 0 && pkey_algorithm(key) != KEY_ED25519)
        json_set_int(map, "keySize", pkey_size(key));
}

static void set_names(struct json *map, const char *key, const struct strlist *names)
{
    if (names->len > 0)
        json_set(map, key, json_new_strlist(names));
}

static struct json *certificate_json(const struct cert *cert, int64_t now_ms)
{
    struct json *map = json_new_map();
    const struct x509_names *names = cert_names(cert);
    cleanup(xfree) char *fingerprint = cert_fingerprint_hex(cert);
    cleanup(xfree) char *ari = NULL;

    json_set_text(map, "subject", cert_subject(cert));
    json_set_text(map, "issuer", cert_issuer(cert));
    set_names(map, "dnsNames", &names->dns_names);
    set_names(map, "ipAddresses", &names->ip_addresses);
    set_names(map, "emailAddresses", &names->email_addresses);
    set_names(map, "uris", &names->uris);
    set_time(map, "notBefore", cert_not_before_ms(cert));
    set_time(map, "notAfter", cert_not_after_ms(cert));
    json_set_int(map, "daysLeft", (cert_not_after_ms(cert) - now_ms) / DAYS(1));
    set_key(map, cert_public_key(cert));
    json_set(map, "usages", usages_json(cert_usages(cert)));
    json_set_bool(map, "isCA", cert_is_ca(cert));
    json_set_text(map, "serial", cert_serial_hex(cert));
    json_set_text(map, "sha256", fingerprint);
    if (!cert_is_self_signed(cert) && cert_ari_id(cert, &ari, NULL) == 0)
        json_set_text(map, "renewalInfoID", ari);
    return map;
}

static void print_list(const char *head, const struct json *list)
{
    if (json_len(list) == 0)
        return;
    printf("  %-12s", head);
    for (size_t i = 0; i < json_len(list); i++)
        printf("%s%s", i ? ", " : " ", json_as_text(json_at(list, i)));
    printf("\n");
}

static void print_key(const char *head, const struct json *map)
{
    printf("  %-12s %s", head, json_get_text(map, "key"));
    if (json_get_int(map, "keySize", 0) > 0)
        printf(" %lld", (long long)json_get_int(map, "keySize", 0));
    printf("\n");
}

static void print_words(const struct json *map, size_t number, int64_t not_after_ms, int64_t now_ms)
{
    char words[TIME_TEXT_MAX];
    int64_t left_ms = not_after_ms - now_ms;

    duration_words(left_ms < 0 ? -left_ms : left_ms, words);
    printf("certificate %zu%s\n", number + 1, json_get_bool(map, "isCA", false) ? " (a CA)" : "");
    printf("  %-12s %s\n  %-12s %s\n", "subject", str_or(json_get_text(map, "subject"), "(none)"),
           "issuer", json_get_text(map, "issuer"));
    print_list("names", json_get(map, "dnsNames"));
    print_list("addresses", json_get(map, "ipAddresses"));
    print_list("e-mails", json_get(map, "emailAddresses"));
    print_list("URIs", json_get(map, "uris"));
    printf("  %-12s %s to %s (%s %s)\n", "valid", json_get_text(map, "notBefore"),
           json_get_text(map, "notAfter"), left_ms < 0 ? "expired for" : "left:", words);
    print_key("key", map);
    print_list("usages", json_get(map, "usages"));
    printf("  %-12s %s\n  %-12s %s\n", "serial", json_get_text(map, "serial"), "SHA-256",
           json_get_text(map, "sha256"));
    if (json_get_text(map, "renewalInfoID"))
        printf("  %-12s %s\n", "ARI", json_get_text(map, "renewalInfoID"));
}

/* What chain_verify() says of the order and the signatures, without looking at names. */
static void print_chain(const struct chain *chain, int64_t now_ms)
{
    struct chain_expectation expect = {.now_ms = now_ms};
    struct err err = {};

    if (chain_verify(chain, &expect, NULL, &err) == 0)
        printf("each certificate is signed by the next one\n");
    else
        printf("problem: %s\n", err.text);
}

/* A file may hold key and chain together (tls-combined.pem): the certificates among its blocks. */
static int pick_certificates(const struct buf *text, struct buf *ret, bool *ret_has_key,
                             struct err *err)
{
    const char *at = buf_str(text), *end = at + text->len;
    int r;

    *ret_has_key = false;
    for (;;) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        r = pem_next(&at, end, &block, err);
        if (r < 0)
            return r == ERR_NOT_FOUND ? buf_check(ret, "the chain", err) : r;
        if (streq(block.label, "CERTIFICATE"))
            buf_add(ret, block.start, (size_t)(block.end - block.start));
        else if (str_ends(block.label, "PRIVATE KEY"))
            *ret_has_key = true;
    }
}

struct contents {
    const struct pkey *key; /* NULL: none */
    struct chain chain;
};

static void contents_deinit(struct contents *contents)
{
    pkey_unref_ptr(&contents->key);
    chain_deinit(&contents->chain);
}
DEFINE_CLEANUP_VALUE(struct contents, contents_deinit);

static int read_contents(const struct buf *text, struct contents *ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_BUNDLE_PEM + 16 * LIMIT_CHAIN_CERTS);
    bool has_key;
    int r = pick_certificates(text, &pem, &has_key, err);

    if (r == 0 && has_key)
        r = pkey_from_pem(buf_str(text), text->len, &ret->key, err);
    if (r == 0 && (pem.len > 0 || !has_key))
        r = chain_from_pem(buf_str(&pem), pem.len, &ret->chain, err);
    return r;
}

static bool key_fits(const struct contents *contents)
{
    return pkey_equal_public(contents->key, cert_public_key(contents->chain.certs[0]));
}

static void print_json(const struct contents *contents, int64_t now_ms)
{
    cleanup(json_unref) struct json *map = json_new_map();
    cleanup(buf_deinit) struct buf out = BUF(1024 * 1024);
    struct json *list = json_new_list();

    for (size_t i = 0; i < contents->chain.len; i++)
        json_append(list, certificate_json(contents->chain.certs[i], now_ms));
    if (contents->key)
        set_key(json_need_map(map, "privateKey"), contents->key);
    if (contents->key && contents->chain.len > 0)
        json_set_bool(json_need_map(map, "privateKey"), "fits", key_fits(contents));
    json_set(map, "certificates", list);
    json_print_pretty(map, &out);
    printf("%s\n", buf_str(&out));
}

/* Of a private key only the kind is said. */
static void print_private_key(const struct contents *contents)
{
    cleanup(json_unref) struct json *map = json_new_map();

    set_key(map, contents->key);
    printf("private key\n");
    print_key("kind", map);
    if (contents->chain.len > 0)
        printf("  %-12s %s\n", "fits",
               key_fits(contents) ? "certificate 1" : "NOT the first certificate");
}

static void print_all(const struct contents *contents, int64_t now_ms)
{
    const struct chain *chain = &contents->chain;

    if (contents->key)
        print_private_key(contents);
    for (size_t i = 0; i < chain->len; i++) {
        cleanup(json_unref) struct json *map = certificate_json(chain->certs[i], now_ms);

        print_words(map, i, cert_not_after_ms(chain->certs[i]), now_ms);
    }
    if (chain->len > 1)
        print_chain(chain, now_ms);
}

int command_inspect(int argc, char **argv)
{
    const char *format;
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &format,
         .choices = "text|json",
         .default_text = "text",
         .help = "how to print it"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet inspect [flags] FILE|-",
        .about =
            "Says what a PEM file of certificates holds, leaf first, and whether each signs the one before it.\n"
            "Of a private key only the kind is said.",
        .options = options,
    };
    cleanup(xfree) const char **paths = NULL;
    cleanup(buf_deinit) struct buf text = BUF_SECRET(LIMIT_BUNDLE_PEM);
    cleanup(contents_deinit) struct contents contents = {};
    int64_t now_ms = clock_wall_ms(clock_system());
    size_t count = 0;
    struct err err = {};
    int code;

    code = options_parse(&usage, argc, argv, &paths, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count != 1)
        return usage_error(&usage, "give one FILE, or - for standard input");
    if (file_read(streq(paths[0], "-") ? "/dev/stdin" : paths[0], &text, &err) < 0) {
        (void)fprintf(stderr, "certlet inspect: %s\n", err.text);
        return EXIT_STORE;
    }
    if (read_contents(&text, &contents, &err) < 0) {
        (void)fprintf(stderr, "certlet inspect: '%s': %s\n", paths[0], err.text);
        return EXIT_NOT_READY;
    }
    if (streq(format, "json"))
        print_json(&contents, now_ms);
    else
        print_all(&contents, now_ms);
    return EXIT_OK;
}
