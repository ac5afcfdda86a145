/* inspect_print.c - what was inspected, in words and as JSON. */
#include "inspect.h"

#include <stdio.h>
#include <string.h>

#include "api/certificate.h"
#include "api/kinds.h"
#include "base/clock.h"
#include "base/timetext.h"
#include "output.h"

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

/* As a Certificate has them. */
static void set_other_names(struct json *map, const struct x509_names *names)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < names->other_name_count; i++) {
        struct json *one = json_new_map();

        json_set_text(one, "oid", names->other_names[i].oid);
        json_set_text(one, "utf8Value", names->other_names[i].utf8_value);
        json_append(list, one);
    }
    json_set(map, "otherNames", list);
}

/* By the names of Certificate's nameConstraints; `others` has none there. */
static const struct {
    const char *key, *word;
    size_t offset;
} subtree_kinds[] = {
    {"dnsDomains", "DNS", offsetof(struct subtrees, dns_domains)},
    {"ipRanges", "IP", offsetof(struct subtrees, ip_ranges)},
    {"emailAddresses", "e-mail", offsetof(struct subtrees, email_addresses)},
    {"uriDomains", "URI", offsetof(struct subtrees, uri_domains)},
    {"others", NULL, offsetof(struct subtrees, others)},
};

static void set_subtrees(struct json *map, const char *key, const struct subtrees *subtrees)
{
    struct json *one = json_new_map();

    for (size_t i = 0; i < ARRAY_LEN(subtree_kinds); i++)
        set_names(one, subtree_kinds[i].key,
                  (const struct strlist *)((const char *)subtrees + subtree_kinds[i].offset));
    if (json_len(one) > 0)
        json_set(map, key, json_ref(one));
    json_unref(one);
}

static void set_bounds(struct json *map, const struct cert *cert)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    struct json *one = json_new_map();
    struct err err = {};

    if (cert_bounds(cert, &bounds, &err) < 0)
        json_set_text(one, "problem", err.text);
    set_subtrees(one, "permitted", &bounds.permitted);
    set_subtrees(one, "excluded", &bounds.excluded);
    if (json_len(one) > 0) {
        if (err.code == 0)
            json_set_bool(one, "critical", bounds.critical);
        json_set(map, "nameConstraints", json_ref(one));
    }
    json_unref(one);
}

static void set_others(struct json *map, const struct cert *cert)
{
    cleanup(strlist_deinit) struct strlist names = {}, usages = {};
    struct err err = {};

    if (cert_others(cert, &names, &usages, &err) < 0)
        strlist_add(&names, err.text);
    set_names(map, "furtherNames", &names);
    set_names(map, "furtherUsages", &usages);
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
    if (names->other_name_count > 0)
        set_other_names(map, names);
    output_set_time(map, "notBefore", cert_not_before_ms(cert));
    output_set_time(map, "notAfter", cert_not_after_ms(cert));
    json_set_int(map, "daysLeft", (cert_not_after_ms(cert) - now_ms) / DAYS(1));
    set_key(map, cert_public_key(cert));
    json_set(map, "usages", usages_json(cert_usages(cert)));
    json_set_bool(map, "isCA", cert_is_ca(cert));
    set_others(map, cert);
    set_bounds(map, cert);
    json_set_text(map, "serial", cert_serial_hex(cert));
    json_set_text(map, "sha256", fingerprint);
    if (!cert_is_self_signed(cert) && cert_ari_id(cert, &ari, NULL) == 0)
        json_set_text(map, "renewalInfoID", ari);
    return map;
}

/* Names and annotations may say anything, to a terminal too. */
static char *harmless(const char *s)
{
    char *text = xstrdup(s);

    str_clean(text);
    return text;
}

static void print_pair(const char *head, const char *value)
{
    cleanup(xfree) char *text = harmless(str_or(value, ""));

    if (*text)
        printf("  %-12s %s\n", head, text);
}

static void print_list(const char *head, const struct json *list)
{
    if (json_len(list) == 0)
        return;
    printf("  %-12s", head);
    for (size_t i = 0; i < json_len(list); i++) {
        cleanup(xfree) char *text = harmless(json_as_text(json_at(list, i)));

        printf("%s%s", i ? ", " : " ", text);
    }
    printf("\n");
}

static void print_other_names(const struct json *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        cleanup(xfree) char *value = harmless(json_get_text(json_at(list, i), "utf8Value"));

        printf("  %-12s %s (of type %s)\n", "other name", value,
               json_get_text(json_at(list, i), "oid"));
    }
}

/* One that is empty holds for every name of its kind. */
static void print_subtree(const char *word, const struct json *subtree)
{
    cleanup(xfree) char *text = harmless(json_as_text(subtree));

    printf("%s%s%s", str_or(word, ""), word ? " " : "", *text ? text : "(all)");
}

static void print_subtrees(const char *head, const struct json *subtrees)
{
    if (!subtrees)
        return;
    printf("  %-12s", head);
    for (size_t i = 0, printed = 0; i < ARRAY_LEN(subtree_kinds); i++) {
        const struct json *list = json_get(subtrees, subtree_kinds[i].key);

        for (size_t k = 0; k < json_len(list); k++) {
            printf("%s", printed++ ? ", " : " ");
            print_subtree(subtree_kinds[i].word, json_at(list, k));
        }
    }
    printf("\n");
}

static void print_bounds(const struct json *bounds)
{
    if (!bounds)
        return;
    if (json_get_text(bounds, "problem")) {
        printf("  %-12s problem: %s\n", "bounds", json_get_text(bounds, "problem"));
        return;
    }
    print_subtrees("may sign", json_get(bounds, "permitted"));
    print_subtrees("may not sign", json_get(bounds, "excluded"));
    printf("  %-12s %s\n", "bounds are",
           json_get_bool(bounds, "critical", false) ? "critical" : "not critical");
}

static void print_key(const char *head, const struct json *map)
{
    printf("  %-12s %s", head, json_get_text(map, "key"));
    if (json_get_int(map, "keySize", 0) > 0)
        printf(" %lld", (long long)json_get_int(map, "keySize", 0));
    printf("\n");
}

static void print_validity(const struct json *map, const struct cert *cert, int64_t now_ms)
{
    char words[TIME_TEXT_MAX];
    int64_t left_ms = cert_not_after_ms(cert) - now_ms,
            ahead_ms = cert_not_before_ms(cert) - now_ms;
    const char *what = left_ms < 0    ? "expired for"
                       : ahead_ms > 0 ? "NOT in force for another"
                                      : "left:";

    duration_words(left_ms < 0 ? -left_ms : ahead_ms > 0 ? ahead_ms : left_ms, words);
    printf("  %-12s %s to %s (%s %s)\n", "valid", json_get_text(map, "notBefore"),
           json_get_text(map, "notAfter"), what, words);
}

static void print_words(const struct json *map, const struct cert *cert, size_t number,
                        int64_t now_ms)
{
    printf("certificate %zu%s\n", number + 1, json_get_bool(map, "isCA", false) ? " (a CA)" : "");
    print_pair("subject", str_or(json_get_text(map, "subject"), "(none)"));
    print_pair("issuer", json_get_text(map, "issuer"));
    print_list("names", json_get(map, "dnsNames"));
    print_list("addresses", json_get(map, "ipAddresses"));
    print_list("e-mails", json_get(map, "emailAddresses"));
    print_list("URIs", json_get(map, "uris"));
    print_other_names(json_get(map, "otherNames"));
    print_list("more names", json_get(map, "furtherNames"));
    print_validity(map, cert, now_ms);
    print_key("key", map);
    print_list("usages", json_get(map, "usages"));
    print_list("more usages", json_get(map, "furtherUsages"));
    print_bounds(json_get(map, "nameConstraints"));
    printf("  %-12s %s\n  %-12s %s\n", "serial", json_get_text(map, "serial"), "SHA-256",
           json_get_text(map, "sha256"));
    if (json_get_text(map, "renewalInfoID"))
        printf("  %-12s %s\n", "ARI", json_get_text(map, "renewalInfoID"));
}

static void print_problem(const char *problem)
{
    cleanup(xfree) char *text = harmless(str_or(problem, ""));

    if (*text)
        printf("problem: %s\n", text);
}

static void print_findings(const struct contents *contents)
{
    if (contents->in_order && contents->chain.len > 1)
        printf("each certificate is signed by the next one\n");
    for (size_t i = 0; i < contents->findings.len; i++)
        print_problem(contents->findings.items[i]);
}

/* --- a Secret --- */

static void print_entries(const struct secret *secret)
{
    printf("  %-12s", "entries");
    for (size_t i = 0; i < secret->data.len; i++)
        printf("%s%s", i ? ", " : " ", secret->data.items[i].key);
    printf("%s\n", secret->data.len ? "" : " none");
}

static void print_secret(const struct secret *secret)
{
    const struct object *object = &secret->object;
    cleanup(xfree) char *issuer = xasprintf(
        "%s %s", str_or(object_annotation(object, ANNOTATION_ISSUER_KIND), ""),
        str_or(object_annotation(object, ANNOTATION_ISSUER_NAME), ""));
    cleanup(xfree) char *type = harmless(str_or(secret->type, "Opaque"));

    printf("secret %s/%s (%s)\n", object->metadata.namespace, object->metadata.name, type);
    print_entries(secret);
    print_pair("certificate", object_annotation(object, ANNOTATION_CERTIFICATE_NAME));
    if (object_annotation(object, ANNOTATION_ISSUER_NAME))
        print_pair("issuer", str_starts(issuer, " ") ? issuer + 1 : issuer);
}

static void print_ca(const struct contents *contents)
{
    if (contents->ca.len == 0)
        return;
    printf("ca.crt\n");
    for (size_t i = 0; i < contents->ca.len; i++)
        print_pair("subject", cert_subject(contents->ca.certs[i]));
    if (contents->chain.len > 0)
        print_pair("signs", contents->ca_fits ? "the chain" : "NOT the chain");
}

/* --- revocation --- */

static const char *state_text(enum revocation_state state)
{
    static const char *const texts[] = {
        [REVOCATION_GOOD] = "not revoked",
        [REVOCATION_REVOKED] = "REVOKED",
        [REVOCATION_UNKNOWN] = "the responder does not know it",
    };

    return texts[state];
}

static void print_answer(const struct revocation_answer *answer)
{
    char when[TIME_TEXT_MAX];
    cleanup(xfree) char *url = harmless(answer->url);

    printf("  certificate %zu, %s %s: ", answer->certificate + 1, answer->kind, url);
    if (answer->err.code) {
        printf("problem: %s\n", answer->err.text);
        return;
    }
    printf("%s", state_text(answer->found.state));
    if (answer->found.state == REVOCATION_REVOKED) {
        time_format(answer->found.revoked_at_ms, when);
        printf(" at %s%s%s", when, answer->found.reason ? ", " : "",
               str_or(answer->found.reason, ""));
    }
    time_format(answer->found.this_update_ms, when);
    printf(" (as of %s%s)\n", when,
           answer->found.next_update_ms ? "" : "; it does not say when the next one is due");
}

static void print_answers(const struct contents *contents)
{
    if (!contents->asked)
        return;
    printf("revocation\n");
    if (contents->answer_count == 0)
        printf("  no certificate names a CRL or OCSP responder\n");
    for (size_t i = 0; i < contents->answer_count; i++)
        print_answer(&contents->answers[i]);
}

/* --- all of it --- */

/* Of a private key only the kind is said. */
static void print_private_key(const struct contents *contents, const struct private_key *key)
{
    cleanup(json_unref) struct json *map = json_new_map();

    set_key(map, key->key);
    print_key("kind", map);
    if (contents->chain.len > 0)
        printf("  %-12s %s\n", "fits",
               contents_key_fits(contents, key) ? "certificate 1" : "NOT the first certificate");
}

static void print_private_keys(const struct contents *contents)
{
    for (size_t i = 0; i < contents->key_count; i++) {
        const struct private_key *key = &contents->keys[i];

        if (key->key || i > 0)
            printf("%s\n", i ? "one more private key, which programs pass over" : "private key");
        if (key->key)
            print_private_key(contents, key);
        print_problem(key->problem);
    }
}

void contents_print(const struct contents *contents, int64_t now_ms)
{
    const struct chain *chain = &contents->chain;

    if (contents->secret)
        print_secret(contents->secret);
    print_private_keys(contents);
    for (size_t i = 0; i < chain->len; i++) {
        cleanup(json_unref) struct json *map = certificate_json(chain->certs[i], now_ms);

        print_words(map, chain->certs[i], i, now_ms);
    }
    print_findings(contents);
    print_problem(contents->chain_problem);
    print_ca(contents);
    print_answers(contents);
}

/* --- JSON --- */

static struct json *chain_json(const struct chain *chain, int64_t now_ms)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < chain->len; i++)
        json_append(list, certificate_json(chain->certs[i], now_ms));
    return list;
}

static struct json *answer_json(const struct revocation_answer *answer)
{
    static const char *const states[] = {"good", "revoked", "unknown"};
    struct json *map = json_new_map();

    json_set_int(map, "certificate", (int64_t)answer->certificate + 1);
    json_set_text(map, "kind", answer->kind);
    json_set_text(map, "url", answer->url);
    if (answer->err.code) {
        json_set_text(map, "problem", answer->err.text);
        return map;
    }
    json_set_text(map, "state", states[answer->found.state]);
    output_set_time(map, "thisUpdate", answer->found.this_update_ms);
    if (answer->found.next_update_ms)
        output_set_time(map, "nextUpdate", answer->found.next_update_ms);
    if (answer->found.state == REVOCATION_REVOKED) {
        output_set_time(map, "revokedAt", answer->found.revoked_at_ms);
        json_set_text(map, "reason", answer->found.reason);
    }
    return map;
}

static struct json *secret_json(const struct secret *secret)
{
    const struct object *object = &secret->object;
    struct json *map = json_new_map(), *entries = json_new_list();

    for (size_t i = 0; i < secret->data.len; i++)
        json_append_text(entries, secret->data.items[i].key);
    json_set_text(map, "namespace", object->metadata.namespace);
    json_set_text(map, "name", object->metadata.name);
    json_set_text(map, "type", str_or(secret->type, "Opaque"));
    json_set(map, "entries", entries);
    json_set_text(map, "certificateName", object_annotation(object, ANNOTATION_CERTIFICATE_NAME));
    json_set_text(map, "issuerName", object_annotation(object, ANNOTATION_ISSUER_NAME));
    json_set_text(map, "issuerKind", object_annotation(object, ANNOTATION_ISSUER_KIND));
    return map;
}

static struct json *private_key_json(const struct contents *contents, const struct private_key *key)
{
    struct json *map = json_new_map();

    if (key->key)
        set_key(map, key->key);
    json_set_text(map, "problem", key->problem);
    if (key->key && contents->chain.len > 0)
        json_set_bool(map, "fits", contents_key_fits(contents, key));
    return map;
}

static void set_private_keys(struct json *map, const struct contents *contents)
{
    struct json *more = json_new_list();

    for (size_t i = 1; i < contents->key_count; i++)
        json_append(more, private_key_json(contents, &contents->keys[i]));
    if (contents->key_count > 0)
        json_set(map, "privateKey", private_key_json(contents, &contents->keys[0]));
    if (contents->key_count > 1)
        json_set(map, "morePrivateKeys", json_ref(more));
    json_unref(more);
}

void contents_print_json(const struct contents *contents, int64_t now_ms)
{
    cleanup(json_unref) struct json *map = json_new_map();
    struct json *answers = json_new_list();

    if (contents->secret)
        json_set(map, "secret", secret_json(contents->secret));
    set_private_keys(map, contents);
    json_set(map, "certificates", chain_json(&contents->chain, now_ms));
    json_set_text(map, "problem", contents->chain_problem);
    set_names(map, "findings", &contents->findings);
    if (contents->ca.len > 0)
        json_set(map, "ca", chain_json(&contents->ca, now_ms));
    if (contents->ca.len > 0 && contents->chain.len > 0)
        json_set_bool(map, "caFits", contents->ca_fits);
    for (size_t i = 0; i < contents->answer_count; i++)
        json_append(answers, answer_json(&contents->answers[i]));
    if (contents->asked)
        json_set(map, "revocation", json_ref(answers));
    json_unref(answers);
    output_print(map, "json");
}
