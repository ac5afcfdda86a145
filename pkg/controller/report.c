/* report.c - rows from objects. */
#include "controller/report.h"

#include <stdlib.h>
#include <string.h>

#include "api/challenge.h"
#include "api/kinds.h"
#include "api/secret.h"
#include "base/limits.h"
#include "pki/cert.h"

/* Flags of the running process are not known here: cert-manager's defaults. */
#define BACKOFF_MIN_MS HOURS(1)
#define BACKOFF_MAX_MS HOURS(32)

struct objects { /* decoded objects of one kind, owned */
    const struct object **items;
    size_t len;
};

static void objects_deinit(struct objects *objects)
{
    for (size_t i = 0; i < objects->len; i++)
        object_unref(objects->items[i]);
    xfree(objects->items);
    *objects = (struct objects){};
}

struct loading {
    struct objects certificates, requests, orders, challenges, issuers, cluster_issuers;
    struct report *report;
};

static void loading_deinit(struct loading *loading)
{
    objects_deinit(&loading->certificates);
    objects_deinit(&loading->requests);
    objects_deinit(&loading->orders);
    objects_deinit(&loading->challenges);
    objects_deinit(&loading->issuers);
    objects_deinit(&loading->cluster_issuers);
}
DEFINE_CLEANUP_VALUE(struct loading, loading_deinit);

static int load(struct store *store, const struct context *ctx, const struct kind *kind,
                struct objects *ret, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    int r = store_list(store, ctx, &kind->resource, NULL, &list, err);

    if (r < 0)
        return err_wrap(err, "listing %s", kind->resource.plural);
    ret->items = xcalloc(json_len(list) + 1, sizeof(*ret->items));
    for (size_t i = 0; i < json_len(list); i++) {
        /* What does not decode is shown by nobody, and delays nobody. */
        if (object_decode(kind, json_at(list, i), NULL, &ret->items[ret->len], NULL) == 0)
            ret->len++;
    }
    return 0;
}

static const char *owner_uid(const struct object *object)
{
    const struct owner_reference *owner = object_controller(object);

    return owner ? str_or(owner->uid, "") : "";
}

static int by_owner(const void *a, const void *b)
{
    return strcmp(owner_uid(*(const struct object *const *)a),
                  owner_uid(*(const struct object *const *)b));
}

/* Children stand together: with 10,000 Certificates nobody looks through all requests for each. */
static void sort_by_owner(struct objects *objects)
{
    if (objects->len > 1)
        qsort(objects->items, objects->len, sizeof(*objects->items), by_owner);
}

/* Index of the first one whose owner is not before `uid`. */
static size_t first_of(const struct objects *objects, const char *uid)
{
    size_t low = 0, high = objects->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(owner_uid(objects->items[middle]), uid) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct object *child_of(const struct objects *objects, const struct object *owner,
                                     size_t nth)
{
    const char *uid = str_or(owner->metadata.uid, "");
    size_t at = first_of(objects, uid) + nth;

    if (uid[0] && at < objects->len && streq(owner_uid(objects->items[at]), uid))
        return objects->items[at];
    return NULL;
}

/* The request in flight, or the one that failed last. */
static const struct certificate_request *request_of(const struct loading *loading,
                                                    const struct certificate *crt)
{
    int64_t next = crt->status.revision.is_set ? crt->status.revision.value + 1 : 1;
    const struct object *request;

    for (size_t i = 0; (request = child_of(&loading->requests, &crt->object, i)); i++) {
        const char *revision = object_annotation(request, ANNOTATION_REVISION);
        int64_t n;

        if (revision && str_parse_int(revision, 0, INT64_MAX, &n) == 0 && n == next)
            return (const struct certificate_request *)request;
    }
    return NULL;
}

/* For terminals: no control characters. */
static const char *copy(struct report *report, const char *text)
{
    char *copied = str_empty(text) ? NULL : arena_strdup(report->arena, text);

    if (copied)
        str_clean(copied);
    return copied;
}

static void copy_names(struct report *report, const struct array_string *from,
                       struct array_string *to)
{
    to->items = arena_alloc(report->arena, (from->len + 1) * sizeof(*to->items));
    to->len = from->len;
    for (size_t i = 0; i < from->len; i++)
        to->items[i] = arena_strdup(report->arena, from->items[i]);
}

/* "name: what", at the start (a challenge's reason) or in the list of what the CA refuses. */
static bool blames(const char *reason, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(reason, name); at; at = strstr(at + len, name)) {
        if ((at == reason || strchr(" (", at[-1])) && str_starts(at + len, ": "))
            return true;
    }
    return false;
}

static const char *name_in_reason(struct report *report, const struct order *order)
{
    const struct array_string *const lists[] = {&order->spec.dns_names, &order->spec.ip_addresses};
    const char *reason = str_or(order->status.reason, "");

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        for (size_t i = 0; i < lists[l]->len; i++) {
            const char *name = lists[l]->items[i];
            const char *bare = str_starts(name, "*.") ? name + 2 : name;

            if (blames(reason, name) || blames(reason, bare))
                return arena_strdup(report->arena, bare);
        }
    }
    return NULL;
}

static const char *failing_name(const struct loading *loading, const struct order *order)
{
    const struct object *object;

    for (size_t i = 0; (object = child_of(&loading->challenges, &order->object, i)); i++) {
        const struct challenge *challenge = (const struct challenge *)object;

        if (state_is_failed(challenge->status.state) ||
            (challenge->status.state != STATE_VALID && !str_empty(challenge->status.reason)))
            return arena_strdup(loading->report->arena, challenge->spec.dns_name);
    }
    return name_in_reason(loading->report, order);
}

static void explain(const struct loading *loading, const struct certificate *crt,
                    struct certificate_row *row)
{
    struct report *report = loading->report;
    const struct certificate_request *request = request_of(loading, crt);
    const struct order *order =
        request ? (const struct order *)child_of(&loading->orders, &request->object, 0) : NULL;
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    const struct condition *ready = request ? condition_find(&request->status.conditions, "Ready")
                                            : NULL;

    if (order && row->is_issuing && !state_is_failed(order->status.state))
        row->waiting_for = copy(report, order->status.reason);
    else if (row->is_issuing && ready && ready->status == CONDITION_FALSE)
        row->waiting_for = copy(report, ready->message);
    if (order && state_is_failed(order->status.state))
        row->problem = copy(report, order->status.reason);
    else if (issuing && issuing->status == CONDITION_FALSE)
        row->problem = copy(report, issuing->message);
    if (order)
        row->failing_name = failing_name(loading, order);
}

static void add_certificate(struct loading *loading, const struct certificate *crt, int64_t now_ms)
{
    struct report *report = loading->report;
    struct certificate_row *row = &report->certificates[report->certificate_count++];
    const struct condition *ready = condition_find(&crt->status.conditions, "Ready");
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    struct certificate_policy policy = {
        .now_ms = now_ms, .backoff_min_ms = BACKOFF_MIN_MS, .backoff_max_ms = BACKOFF_MAX_MS};

    *row = (struct certificate_row){
        .namespace = copy(report, crt->object.metadata.namespace),
        .name = copy(report, crt->object.metadata.name),
        .ready = ready ? enum_name(&condition_status_names, ready->status) : "Unknown",
        .reason = ready ? copy(report, ready->reason) : NULL,
        .message = ready ? copy(report, ready->message)
                         : "it has not been looked at yet: start certlet run",
        .issuer_kind = copy(report, issuer_reference_kind(&crt->spec.issuer_ref)),
        .issuer_name = copy(report, crt->spec.issuer_ref.name),
        .secret_name = copy(report, crt->spec.secret_name),
        .not_before_ms = crt->status.not_before_ms,
        .not_after_ms = crt->status.not_after_ms,
        .renewal_time_ms = crt->status.renewal_time_ms,
        .is_issuing = issuing && issuing->status == CONDITION_TRUE,
        .issuing_message = issuing ? copy(report, issuing->message) : NULL,
        .attempts = crt->status.failed_issuance_attempts.value,
    };
    copy_names(report, &crt->spec.dns_names, &row->dns_names);
    copy_names(report, &crt->spec.ip_addresses, &row->ip_addresses);
    if (row->attempts > 0 && !row->is_issuing)
        row->next_attempt_ms = backoff_end_ms(&crt->spec, &crt->status, &policy);
    explain(loading, crt, row);
}

static void add_issuers(struct loading *loading, const struct objects *issuers)
{
    struct report *report = loading->report;

    for (size_t i = 0; i < issuers->len; i++) {
        const struct issuer *issuer = (const struct issuer *)issuers->items[i];
        const struct condition *ready = condition_find(&issuer->status.conditions, "Ready");

        report->issuers[report->issuer_count++] = (struct issuer_row){
            .kind = issuer->object.kind->resource.kind,
            .namespace = copy(report, issuer->object.metadata.namespace),
            .name = copy(report, issuer->object.metadata.name),
            .ready = ready ? enum_name(&condition_status_names, ready->status) : "Unknown",
            .reason = ready ? copy(report, ready->reason) : NULL,
            .message = ready ? copy(report, ready->message) : NULL,
            .account = issuer->status.acme ? copy(report, issuer->status.acme->uri) : NULL,
        };
    }
}

static int load_all(struct store *store, const struct context *ctx, struct loading *loading,
                    struct err *err)
{
    const struct {
        const struct kind *kind;
        struct objects *to;
    } lists[] = {
        {&kind_certificate, &loading->certificates},
        {&kind_certificate_request, &loading->requests},
        {&kind_order, &loading->orders},
        {&kind_challenge, &loading->challenges},
        {&kind_issuer, &loading->issuers},
        {&kind_cluster_issuer, &loading->cluster_issuers},
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int r = load(store, ctx, lists[i].kind, lists[i].to, err);

        if (r < 0)
            return r;
    }
    sort_by_owner(&loading->requests);
    sort_by_owner(&loading->orders);
    sort_by_owner(&loading->challenges);
    return 0;
}

int report_load(struct store *store, const struct context *ctx, struct report *ret, struct err *err)
{
    cleanup(loading_deinit) struct loading loading = {.report = ret};
    int r = load_all(store, ctx, &loading, err);

    if (r < 0)
        return r;
    *ret = (struct report){.arena = arena_new(0)};
    ret->certificates = arena_alloc(ret->arena,
                                    (loading.certificates.len + 1) * sizeof(*ret->certificates));
    ret->issuers = arena_alloc(ret->arena, (loading.issuers.len + loading.cluster_issuers.len + 1) *
                                               sizeof(*ret->issuers));
    for (size_t i = 0; i < loading.certificates.len; i++)
        add_certificate(&loading, (const struct certificate *)loading.certificates.items[i],
                        context_now_ms(ctx));
    add_issuers(&loading, &loading.issuers);
    add_issuers(&loading, &loading.cluster_issuers);
    return 0;
}

/* --- what is stored --- */

static int read_chain(struct store *store, const struct context *ctx, const struct key *key,
                      struct chain *ret, struct err *err)
{
    cleanup(json_unref) struct json *json = NULL;
    cleanup(object_unref) const struct object *secret = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    int r = store_get(store, ctx, &kind_secret.resource, key, &json, err);

    if (r == 0)
        r = object_decode(&kind_secret, json, NULL, &secret, err);
    if (r == 0)
        r = secret_value((const struct secret *)secret, "tls.crt", &pem, err);
    return r < 0 ? r : chain_from_pem(buf_str(&pem), pem.len, ret, err);
}

int report_load_leaves(struct store *store, const struct context *ctx, struct report *report,
                       struct err *err)
{
    for (size_t i = 0; i < report->certificate_count; i++) {
        struct certificate_row *row = &report->certificates[i];
        struct key key = {.namespace = row->namespace, .name = row->secret_name};
        cleanup(chain_deinit) struct chain chain = {};
        struct err why = {};
        int r = row->secret_name ? read_chain(store, ctx, &key, &chain, &why) : ERR_NOT_FOUND;

        if (r == ERR_NOT_FOUND || r == ERR_INVALID || r == ERR_TOO_LARGE)
            continue; /* nothing is stored, or it is no certificate: Ready says so */
        if (r < 0)
            return err_set(err, r, "%s", why.text);
        row->serial = arena_strdup(report->arena, cert_serial_hex(chain.certs[0]));
        row->signed_by = copy(report, cert_issuer_common_name(chain.certs[0]));
    }
    return 0;
}

void report_deinit(struct report *report)
{
    arena_free(report->arena);
    *report = (struct report){};
}

bool certificate_row_is_fine(const struct certificate_row *row, int64_t now_ms)
{
    if (!streq(row->ready, "True"))
        return false;
    return row->attempts == 0 && !(row->renewal_time_ms > 0 && row->renewal_time_ms <= now_ms);
}

void certificate_row_explain(const struct certificate_row *row, struct buf *to)
{
    char when[TIME_TEXT_MAX];

    buf_addf(to, "%s/%s: ", row->namespace, row->name);
    if (row->waiting_for)
        buf_addf(to, "waiting: %s", row->waiting_for);
    else if (row->problem)
        buf_add_str(to, row->problem);
    else if (row->is_issuing)
        buf_add_str(to, str_or(row->issuing_message, "being issued"));
    else
        buf_add_str(to, str_or(row->message, "not ready"));
    if (row->next_attempt_ms > 0) {
        time_format(row->next_attempt_ms, when);
        buf_addf(to, " (attempt %lld failed, next not before %s)", (long long)row->attempts, when);
    }
}
