/*
 * certificate_facts.h - a Certificate with everything a decision looks at, up to date, to be spoilt by
 * tests: revision 1 of 'web', 90 days from START_MS on, seen ten days later.
 */
#ifndef UNIT_CONTROLLER_CERTIFICATE_FACTS_H
#define UNIT_CONTROLLER_CERTIFICATE_FACTS_H

#include "api/kinds.h"
#include "controller/certificate_decide.h"
#include "controller/target_secret.h"
#include "support/testing.h"

#define START_MS AT("2026-01-01T00:00:00Z")
#define NOW_MS   (START_MS + DAYS(10))

enum { OLD_KEY = 1, NEXT_KEY, OTHER_KEY }; /* bytes of hashes */

struct sample {
    struct arena *arena;
    struct certificate crt;
    struct certificate_private_key private_key;
    struct secret_template template;
    struct acme_issuer acme;
    struct issuer issuer;
    struct secret_facts secret, next_key, second_key;
    struct request_facts current, next, second;
    const struct request_facts *requests[3];
    const struct secret_facts *next_keys[2];
    const char *names[1], *other_names[1];
    struct certificate_facts facts;
    struct certificate_policy policy;
};

static inline struct array_pair sample_pairs(struct sample *sample, const struct strmap *map)
{
    struct array_pair pairs = {.items = arena_alloc(sample->arena, 32 * sizeof(*pairs.items))};

    strmap_for_each (entry, map)
        pairs.items[pairs.len++] = (struct pair){arena_strdup(sample->arena, entry->key),
                                                 arena_strdup(sample->arena, entry->value)};
    return pairs;
}

static inline struct array_string sample_keys(struct sample *sample, const struct array_pair *pairs)
{
    const char **items = arena_alloc(sample->arena, 32 * sizeof(*items));

    for (size_t i = 0; i < pairs->len; i++)
        items[i] = pairs->items[i].key;
    return (struct array_string){items, pairs->len};
}

/* Labels and annotations as we would have applied them. */
static inline void sample_apply_metadata(struct sample *sample)
{
    cleanup(strmap_deinit) struct strmap labels = {}, annotations = {};
    cleanup(x509_names_deinit) struct x509_names leaf = {};
    struct target_secret target = {
        .crt = &sample->crt, .issuer_name = "acme", .issuer_kind = "", .issuer_group = ""};
    struct metadata *metadata = &sample->secret.object.metadata;

    strlist_add(&leaf.dns_names, sample->names[0]);
    target_secret_metadata(&target, &leaf, &labels, &annotations);
    metadata->labels = sample_pairs(sample, &labels);
    metadata->annotations = sample_pairs(sample, &annotations);
    sample->secret.owned_labels = sample_keys(sample, &metadata->labels);
    sample->secret.owned_annotations = sample_keys(sample, &metadata->annotations);
}

static inline void sample_set(struct sample *sample, struct conditions *conditions,
                              const char *type, enum condition_status status, const char *reason,
                              const char *message)
{
    struct condition condition = {
        .type = type, .status = status, .reason = reason, .message = message};

    condition_set(conditions, &condition, NOW_MS - HOURS(1), sample->arena);
}

static inline struct request_facts sample_request(struct sample *sample, int64_t revision, int key)
{
    struct request_facts request = {.csr_ok = true, .revision = revision};

    request.request.object.metadata.name = arena_printf(sample->arena, "web-%lld",
                                                        (long long)revision);
    request.request.object.metadata.creation_timestamp_ms = NOW_MS;
    request.request.spec.issuer_ref = sample->crt.spec.issuer_ref;
    memset(request.key_hash, key, SHA256_LEN);
    csr_hashes_of_spec(&sample->crt.spec, request.csr_hashes);
    return request;
}

static inline void sample_issue(struct sample *sample, struct request_facts *request)
{
    request->has_certificate = request->certificate_ok = true;
    memcpy(request->certificate_key_hash, request->key_hash, SHA256_LEN);
    memcpy(request->certificate_hash, request->key_hash, SHA256_LEN); /* one leaf for each key */
    request->not_after_ms = NOW_MS + DAYS(90);
    sample_set(sample, &request->request.status.conditions, "Ready", CONDITION_TRUE, "Issued", "");
}

/* The Secret holds the certificate of this request. */
static inline void sample_store(struct sample *sample, const struct request_facts *request)
{
    memcpy(sample->secret.key_hash, request->key_hash, SHA256_LEN);
    memcpy(sample->secret.cert_key_hash, request->key_hash, SHA256_LEN);
    memcpy(sample->secret.cert_hash, request->certificate_hash, SHA256_LEN);
}

static inline struct secret_facts sample_next_key(const char *name)
{
    struct secret_facts key = {
        .key_ok = true, .key_algorithm = KEY_ECDSA, .key_size = 256, .has_data = false};

    key.object.metadata.name = name;
    memset(key.key_hash, NEXT_KEY, SHA256_LEN);
    return key;
}

static inline void sample_add_request(struct sample *sample, const struct request_facts *request)
{
    sample->requests[sample->facts.request_count++] = request;
}

static inline void sample_init_secret(struct sample *sample)
{
    struct secret_facts *secret = &sample->secret;

    secret->has_data = secret->key_ok = secret->cert_ok = true;
    secret->key_algorithm = KEY_ECDSA;
    secret->key_size = 256;
    secret->not_before_ms = START_MS;
    secret->not_after_ms = START_MS + DAYS(90);
    secret->ari_id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    secret->leaf_dns_names = (struct array_string){sample->names, 1};
    secret->keys = (struct array_string){sample->names, 1}; /* any: not empty */
    sample_apply_metadata(sample);
}

static inline void sample_init(struct sample *sample)
{
    *sample = (struct sample){.arena = arena_new(0)};
    sample->names[0] = "www.example.com";
    sample->other_names[0] = "other.example.com";
    sample->private_key = (struct certificate_private_key){.algorithm = CERTIFICATE_KEY_ECDSA,
                                                           .size = 256};
    sample->crt.object.kind = &kind_certificate;
    sample->crt.object.metadata.name = "web";
    sample->crt.object.metadata.uid = "uid-of-web";
    sample->crt.spec = (struct certificate_spec){
        .dns_names = {sample->names, 1},
        .secret_name = "web-tls",
        .private_key = &sample->private_key,
        .issuer_ref = {.name = "acme"},
    };
    sample->crt.status.revision = (struct opt_int){true, 1};
    sample->acme.renewal_information_source = ARI_NONE;
    sample->issuer.spec.acme = &sample->acme;
    sample_set(sample, &sample->issuer.status.conditions, "Ready", CONDITION_TRUE, "", "");
    sample->current = sample_request(sample, 1, OLD_KEY);
    sample_issue(sample, &sample->current);
    sample_init_secret(sample);
    sample_store(sample, &sample->current);
    sample->facts = (struct certificate_facts){
        .crt = &sample->crt,
        .issuer = &sample->issuer,
        .secret = &sample->secret,
        .requests = sample->requests,
        .next_keys = sample->next_keys,
    };
    sample_add_request(sample, &sample->current);
    sample->policy = (struct certificate_policy){
        .now_ms = NOW_MS,
        .backoff_min_ms = HOURS(1),
        .backoff_max_ms = HOURS(32),
        .duplicate_recheck_ms = MINUTES(3),
    };
}

static inline void sample_deinit(struct sample *sample)
{
    arena_free(sample->arena);
    sample->arena = NULL;
}
DEFINE_CLEANUP_VALUE(struct sample, sample_deinit);

/* What tables of cases do to a sample. */
#define SPOIL(name, statement)                                                                     \
    static inline void name(struct sample *s)                                                      \
    {                                                                                              \
        statement;                                                                                 \
    }                                                                                              \
    struct base_swallow_semicolon

SPOIL(as_it_is, (void)s);
SPOIL(no_secret, s->facts.secret = NULL);
SPOIL(is_due, s->policy.now_ms = START_MS + DAYS(60));
SPOIL(other_names, s->crt.spec.dns_names.items = s->other_names);
SPOIL(another_issuer, s->crt.spec.issuer_ref.name = "other");
SPOIL(metadata_changed, s->secret.object.metadata.labels.len = 0);
SPOIL(owned_by_another, s->facts.owner = "api");
SPOIL(claimed_by_an_issuer, s->facts.claim = "Issuer 'corp' has its CA in Secret 'web-tls'");
SPOIL(bad_spec, s->facts.spec_problem = "spec.dnsNames[0]: is no name");

#endif
