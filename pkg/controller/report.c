/* report.c - rows from objects. */
#include "controller/report.h"

#include <stdlib.h>
#include <string.h>

#include "api/challenge.h"
#include "api/kinds.h"
#include "api/live.h"
#include "api/secret.h"
#include "base/limits.h"
#include "controller/certificate_decide.h"
#include "controller/findings.h"
#include "controller/report_private.h"
#include "pki/cert.h"

/* Flags of the running process are not known here: cert-manager's defaults. */
#define BACKOFF_MIN_MS HOURS(1)
#define BACKOFF_MAX_MS HOURS(32)

static void objects_deinit(struct objects *objects)
{
    for (size_t i = 0; i < objects->len; i++)
        object_unref(objects->items[i]);
    xfree(objects->items);
    *objects = (struct objects){};
}

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

/* "NAME" or "NAMESPACE/NAME". */
static bool is_called(const char *namespace, const char *name, const char *text)
{
    size_t len = strlen(namespace);

    if (strncmp(text, namespace, len) == 0 && text[len] == '/')
        text += len + 1;
    return streq(name, text);
}

static bool is_wanted(const struct report_scope *scope, const struct object *object)
{
    if (scope->names.len == 0 || object->kind != &kind_certificate)
        return true;
    for (size_t i = 0; i < scope->names.len; i++) {
        if (is_called(object->metadata.namespace, object->metadata.name, scope->names.items[i]))
            return true;
    }
    return false;
}

static void add_object(const struct loading *loading, const struct kind *kind,
                       const struct json *json, struct objects *to)
{
    cleanup(object_unref) const struct object *object = NULL;

    /* What does not decode is shown by nobody, and delays nobody. */
    if (object_decode(kind, json, NULL, &object, NULL) == 0 && is_wanted(loading->scope, object))
        to->items[to->len++] = take(object);
}

static int load_namespace(const struct loading *loading, const struct kind *kind,
                          const char *namespace, struct objects *to, struct err *err)
{
    cleanup(json_unref) struct json *list = NULL;
    int r = store_list(loading->store, loading->ctx, &kind->resource, namespace, &list, err);

    if (r < 0)
        return r;
    to->items = xrealloc(to->items, (to->len + json_len(list) + 1) * sizeof(*to->items));
    for (size_t i = 0; i < json_len(list); i++)
        add_object(loading, kind, json_at(list, i), to);
    return 0;
}

static void note_refused(struct report *report, const struct resource *resource,
                         const char *namespace, const char *unknown)
{
    strlist_add_take(&report->refused, refusal_text(resource, namespace, unknown));
}

/* `unknown`: what is not shown when it may not be read; NULL: it is a must. */
static int load(const struct loading *loading, const struct kind *kind, const char *unknown,
                struct objects *to, struct err *err)
{
    const struct strlist *namespaces = &loading->scope->namespaces;
    bool everywhere = !kind->resource.namespaced || namespaces->len == 0;

    for (size_t i = 0; i < (everywhere ? 1 : namespaces->len); i++) {
        const char *namespace = everywhere ? NULL : namespaces->items[i];
        struct err why = {};
        int r = load_namespace(loading, kind, namespace, to, &why);

        if (r == ERR_DENIED && loading->scope->tolerant && unknown)
            note_refused(loading->report, &kind->resource, namespace, unknown);
        else if (r < 0)
            return err_pass(err, &why);
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

const struct object *report_child_of(const struct objects *objects, const struct object *owner,
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
    int64_t next = certificate_next_revision(&crt->status);
    const struct object *request;

    for (size_t i = 0; (request = report_child_of(&loading->requests, &crt->object, i)); i++) {
        const char *revision = object_annotation(request, ANNOTATION_REVISION);
        int64_t n;

        if (revision && str_parse_int(revision, 0, INT64_MAX, &n) == 0 && n == next)
            return (const struct certificate_request *)request;
    }
    return NULL;
}

const char *report_copy(struct report *report, const char *text)
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

static void add_name(struct report *report, struct array_string *to, const char *name)
{
    const char *copied = report_copy(report, name);

    if (copied)
        to->items[to->len++] = copied;
}

static void collect_names(struct report *report, const struct certificate_spec *spec,
                          struct array_string *to)
{
    const struct array_string *const lists[] = {&spec->dns_names, &spec->ip_addresses, &spec->uris,
                                                &spec->email_addresses};
    cleanup(xfree) char *common_name = certificate_subject_common_name(spec);
    size_t max = spec->other_names.len + 1;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        max += lists[l]->len;
    to->items = arena_alloc(report->arena, max * sizeof(*to->items));
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->len; i++)
            add_name(report, to, lists[l]->items[i]);
    for (size_t i = 0; i < spec->other_names.len; i++)
        add_name(report, to, spec->other_names.items[i].utf8_value);
    if (to->len == 0)
        add_name(report, to, common_name);
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

    for (size_t i = 0; (object = report_child_of(&loading->challenges, &order->object, i)); i++) {
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
    const struct order *order = request ? (const struct order *)report_child_of(&loading->orders,
                                                                                &request->object, 0)
                                        : NULL;
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    const struct condition *ready = request ? condition_find(&request->status.conditions, "Ready")
                                            : NULL;

    if (order && row->is_issuing && !state_is_failed(order->status.state))
        row->waiting_for = report_copy(report, order->status.reason);
    else if (row->is_issuing && ready && ready->status == CONDITION_FALSE)
        row->waiting_for = report_copy(report, ready->message);
    if (row->is_issuing && !row->waiting_for)
        row->waiting_for = certificate_waits_for(row->issuing_message, report->arena);
    if (order && state_is_failed(order->status.state))
        row->problem = report_copy(report, order->status.reason);
    else if (issuing && issuing->status == CONDITION_FALSE &&
             !streq(issuing->reason, ISSUING_CALLED_OFF))
        row->problem = report_copy(report,
                                   certificate_failure_cause(issuing->message, report->arena));
    if (order)
        row->failing_name = failing_name(loading, order);
}

/* As the controller says, which has flags for it; else by their defaults. */
static int64_t next_attempt_ms(const struct certificate *crt, const struct condition *issuing,
                               const struct certificate_policy *policy)
{
    int64_t told_ms = issuing ? certificate_told_attempt_ms(issuing) : 0;

    return told_ms ? told_ms : backoff_end_ms(&crt->spec, &crt->status, policy);
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
        .namespace = report_copy(report, crt->object.metadata.namespace),
        .name = report_copy(report, crt->object.metadata.name),
        .ready = ready ? enum_name(&condition_status_names, ready->status) : "Unknown",
        .reason = ready ? report_copy(report, ready->reason) : NULL,
        .message =
            ready ? report_copy(report, ready->message)
                  : "it has not been looked at yet: start certlet run, or the cluster's controller",
        .issuer_kind = report_copy(report, issuer_reference_kind(&crt->spec.issuer_ref)),
        .issuer_name = report_copy(report, crt->spec.issuer_ref.name),
        .secret_name = report_copy(report, crt->spec.secret_name),
        .is_unissuable = certificate_unissuable(crt),
        .not_before_ms = crt->status.not_before_ms,
        .not_after_ms = crt->status.not_after_ms,
        .renewal_time_ms = crt->status.renewal_time_ms,
        .is_early = time_is_to_come(crt->status.not_before_ms, now_ms),
        .is_issuing = issuing && issuing->status == CONDITION_TRUE,
        .issuing_message = issuing ? report_copy(report, issuing->message) : NULL,
        .attempts = crt->status.failed_issuance_attempts.value,
    };
    copy_names(report, &crt->spec.dns_names, &row->dns_names);
    copy_names(report, &crt->spec.ip_addresses, &row->ip_addresses);
    collect_names(report, &crt->spec, &row->names);
    if (row->attempts > 0 && !row->is_issuing)
        row->next_attempt_ms = next_attempt_ms(crt, issuing, &policy);
    explain(loading, crt, row);
    if (loading->scope->with_tree)
        report_add_tree(loading, crt, row);
}

static void add_issuers(struct loading *loading, const struct objects *issuers)
{
    struct report *report = loading->report;

    for (size_t i = 0; i < issuers->len; i++) {
        const struct issuer *issuer = (const struct issuer *)issuers->items[i];
        const struct condition *ready = condition_find(&issuer->status.conditions, "Ready");

        report->issuers[report->issuer_count++] = (struct issuer_row){
            .kind = issuer->object.kind->resource.kind,
            .namespace = report_copy(report, issuer->object.metadata.namespace),
            .name = report_copy(report, issuer->object.metadata.name),
            .ready = ready ? enum_name(&condition_status_names, ready->status) : "Unknown",
            .reason = ready ? report_copy(report, ready->reason) : NULL,
            .message = ready ? report_copy(report, ready->message) : NULL,
            .account = issuer->status.acme ? report_copy(report, issuer->status.acme->uri) : NULL,
        };
    }
}

static bool waits(const struct certificate_row *row)
{
    return !streq(row->ready, "True") || row->is_issuing;
}

/* Of a Certificate in that namespace, if it is of the right kind. */
static bool is_in_reach(const struct issuer_row *issuer, const struct certificate_row *row)
{
    return !issuer->namespace || streq(issuer->namespace, row->namespace);
}

/* The usual mistakes: another kind, another namespace. */
static const char *issuer_hint(struct report *report, const struct certificate_row *row)
{
    const struct issuer_row *found = NULL;

    for (size_t i = 0; i < report->issuer_count; i++) {
        const struct issuer_row *issuer = &report->issuers[i];
        bool in_reach = is_in_reach(issuer, row);

        if (!streq(issuer->name, row->issuer_name))
            continue;
        if (in_reach && streq(issuer->kind, row->issuer_kind))
            return NULL;
        if (!found || in_reach)
            found = issuer;
    }
    if (!found)
        return NULL;
    if (is_in_reach(found, row))
        return arena_printf(report->arena, "there is %s '%s': set spec.issuerRef.kind", found->kind,
                            found->name);
    return arena_printf(report->arena,
                        "there is an Issuer '%s' in namespace '%s', which is for that one only",
                        found->name, found->namespace);
}

static void add_hints(struct report *report)
{
    for (size_t i = 0; i < report->certificate_count; i++)
        if (waits(&report->certificates[i]))
            report->certificates[i].issuer_hint = issuer_hint(report, &report->certificates[i]);
}

static bool is_used(const struct report *report, const struct issuer_row *issuer)
{
    for (size_t i = 0; i < report->certificate_count; i++) {
        const struct certificate_row *row = &report->certificates[i];

        if (is_in_reach(issuer, row) && streq(issuer->kind, row->issuer_kind) &&
            streq(issuer->name, row->issuer_name))
            return true;
    }
    return false;
}

/* Whoever asks for some Certificates by name is not told of what is none of theirs. */
static void keep_used_issuers(struct report *report)
{
    size_t kept = 0;

    for (size_t i = 0; i < report->issuer_count; i++) {
        if (is_used(report, &report->issuers[i]))
            report->issuers[kept++] = report->issuers[i];
    }
    report->issuer_count = kept;
}

static void add_requests(struct loading *loading)
{
    struct report *report = loading->report;

    for (size_t i = 0; i < loading->requests.len; i++) {
        const struct certificate_request *request =
            (const struct certificate_request *)loading->requests.items[i];
        const struct issuer_reference *ref = &request->spec.issuer_ref;
        const char *state = report_request_state(request);

        if (object_controller(&request->object))
            continue;
        report->requests[report->request_count++] = (struct request_row){
            .namespace = report_copy(report, request->object.metadata.namespace),
            .name = report_copy(report, request->object.metadata.name),
            .issuer_kind = report_copy(report, issuer_reference_kind(ref)),
            .issuer_name = report_copy(report, ref->name),
            .state = state,
            .text = report_copy(report, report_request_text(request)),
            .is_issued = streq(state, "issued"),
        };
    }
}

static bool is_in_force(const struct object *object)
{
    const struct conditions *conditions = &((const struct certificate *)object)->status.conditions;

    return condition_is(conditions, "Ready", CONDITION_TRUE) &&
           !condition_find(conditions, "Issuing");
}

static bool need_explaining(const struct objects *certificates)
{
    for (size_t i = 0; i < certificates->len; i++) {
        if (!is_in_force(certificates->items[i]))
            return true;
    }
    return false;
}

/* Requests, then their Orders, then the Challenges of those: as far down as there is something. */
static int load_children(struct loading *loading, struct err *err)
{
    const struct {
        const struct kind *kind;
        const char *unknown;
        struct objects *to;
    } steps[] = {
        {&kind_certificate_request, "what a request waits for is not shown", &loading->requests},
        {&kind_order, "what the CA says is not shown", &loading->orders},
        {&kind_challenge, "the name that fails is not shown", &loading->challenges},
    };
    bool explains = loading->scope->with_tree || need_explaining(&loading->certificates);
    bool is_needed = explains || loading->scope->with_requests;

    for (size_t i = 0; is_needed && i < ARRAY_LEN(steps); i++) {
        int r = load(loading, steps[i].kind, steps[i].unknown, steps[i].to, err);

        if (r < 0)
            return r;
        sort_by_owner(steps[i].to);
        is_needed = explains && steps[i].to->len > 0;
    }
    return 0;
}

static int load_all(struct loading *loading, struct err *err)
{
    int r = load(loading, &kind_certificate, NULL, &loading->certificates, err);

    if (r == 0)
        r = load_children(loading, err);
    if (r == 0)
        r = load(loading, &kind_issuer, "whether Issuers are ready is not shown", &loading->issuers,
                 err);
    if (r == 0)
        r = load(loading, &kind_cluster_issuer, "whether ClusterIssuers are ready is not shown",
                 &loading->cluster_issuers, err);
    return r;
}

static void add_all(struct loading *loading)
{
    struct report *report = loading->report;
    size_t certificates = loading->certificates.len + 1,
           issuers = loading->issuers.len + loading->cluster_issuers.len + 1,
           requests = loading->requests.len + 1;

    report->arena = arena_new(0);
    report->certificates = arena_alloc(report->arena, certificates * sizeof(*report->certificates));
    report->issuers = arena_alloc(report->arena, issuers * sizeof(*report->issuers));
    report->requests = arena_alloc(report->arena, requests * sizeof(*report->requests));
    for (size_t i = 0; i < loading->certificates.len; i++)
        add_certificate(loading, (const struct certificate *)loading->certificates.items[i],
                        context_now_ms(loading->ctx));
    add_issuers(loading, &loading->issuers);
    add_issuers(loading, &loading->cluster_issuers);
    add_hints(report);
    if (loading->scope->names.len > 0)
        keep_used_issuers(report);
    if (loading->scope->with_requests)
        add_requests(loading);
}

int report_load_scope(struct store *store, const struct context *ctx,
                      const struct report_scope *scope, struct report *ret, struct err *err)
{
    cleanup(report_deinit) struct report report = {.tolerant = scope->tolerant};
    cleanup(loading_deinit) struct loading loading = {
        .store = store, .ctx = ctx, .scope = scope, .report = &report};
    int r = load_all(&loading, err);

    if (r < 0)
        return r;
    add_all(&loading);
    *ret = report;
    report = (struct report){};
    return 0;
}

int report_load(struct store *store, const struct context *ctx, struct report *ret, struct err *err)
{
    return report_load_scope(store, ctx, &(struct report_scope){.with_requests = true}, ret, err);
}

bool report_has(const struct report *report, const char *name)
{
    for (size_t i = 0; i < report->certificate_count; i++) {
        if (is_called(report->certificates[i].namespace, report->certificates[i].name, name))
            return true;
    }
    return false;
}

/* --- what is stored --- */

struct stored {
    bool is_judged; /* or only named */
    struct chain chain, ca;
    const char *lacks; /* the Secret is there, but not this key of it; NULL */
};

static void stored_deinit(struct stored *stored)
{
    chain_deinit(&stored->chain);
    chain_deinit(&stored->ca);
}
DEFINE_CLEANUP_VALUE(struct stored, stored_deinit);

static const char *lacking_key(const struct secret *secret)
{
    static const char *const keys[] = {"tls.crt", "tls.key"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_empty(array_pair_get(&secret->data, keys[i])))
            return keys[i];
    return NULL;
}

/* It may be missing, or hold anything: then the chain is looked at without it. */
static void read_ca(const struct secret *secret, struct chain *ret)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);

    if (secret_has(secret, "ca.crt") && secret_value(secret, "ca.crt", &pem, NULL) == 0)
        (void)chain_from_pem(buf_str(&pem), pem.len, ret, NULL);
}

static int read_stored(struct store *store, const struct context *ctx, const struct key *key,
                       struct stored *ret, struct err *err)
{
    cleanup(object_unref) const struct object *secret = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    int r = live_secret(store, ctx, key, &secret, err);

    if (r < 0)
        return r;
    ret->lacks = lacking_key((const struct secret *)secret);
    if (ret->is_judged)
        read_ca((const struct secret *)secret, &ret->ca);
    r = secret_value((const struct secret *)secret, "tls.crt", &pem, err);
    return r < 0 ? r : chain_from_pem(buf_str(&pem), pem.len, &ret->chain, err);
}

static bool may_skip(const struct report *report, int code)
{
    /* Nothing is stored, or it is no certificate: Ready says so. */
    return code == ERR_NOT_FOUND || code == ERR_INVALID || code == ERR_TOO_LARGE ||
           (code == ERR_DENIED && report->tolerant);
}

static const char *stored_text(struct report *report, const struct certificate_row *row,
                               const struct stored *stored)
{
    cleanup(xfree) char *refusals = chain_refusal_text(&stored->chain, &stored->ca);

    return arena_printf(report->arena, "serial %s, signed by '%s'%s%s", row->serial,
                        str_or(row->signed_by, ""), refusals ? "; clients refuse it: " : "",
                        refusals ? report_copy(report, refusals) : "");
}

static void fill_secret_node(struct report *report, const struct certificate_row *row,
                             const struct stored *stored, int code, const struct err *why,
                             struct report_node *node)
{
    if (stored->lacks) {
        node->state = "incomplete";
        node->text = arena_printf(report->arena, "it has no '%s'", stored->lacks);
        return;
    }
    node->state = code == 0               ? "stored"
                  : code == ERR_NOT_FOUND ? "not there"
                  : code == ERR_DENIED    ? "not shown"
                                          : "not usable";
    node->text = code == 0 ? stored_text(report, row, stored) : report_copy(report, why->text);
}

/* The same in the tree, where there is one. */
static void tell_node(struct report *report, const struct certificate_row *row,
                      const struct stored *stored, int code, const struct err *why)
{
    for (size_t i = 0; i < row->node_count; i++)
        if (streq(row->nodes[i].kind, "Secret"))
            fill_secret_node(report, row, stored, code, why, &row->nodes[i]);
}

int report_load_leaves(struct store *store, const struct context *ctx, struct report *report,
                       struct err *err)
{
    const char *refused_in = NULL; /* rows of a namespace stand together: it is asked once */

    for (size_t i = 0; i < report->certificate_count; i++) {
        struct certificate_row *row = &report->certificates[i];
        struct key key = {.namespace = row->namespace, .name = row->secret_name};
        cleanup(stored_deinit) struct stored stored = {.is_judged = row->node_count > 0};
        struct err why = {};
        int r;

        if (!row->secret_name || (refused_in && streq(refused_in, row->namespace)))
            continue;
        r = read_stored(store, ctx, &key, &stored, &why);
        if (r == ERR_DENIED && report->tolerant) {
            refused_in = row->namespace;
            note_refused(report, &kind_secret.resource, refused_in,
                         "serial numbers and who signed are not shown");
        }
        if (r < 0 && !may_skip(report, r))
            return err_pass(err, &why);
        if (r == 0) {
            row->serial = arena_strdup(report->arena, cert_serial_hex(stored.chain.certs[0]));
            row->signed_by = report_copy(report, cert_issuer_common_name(stored.chain.certs[0]));
        }
        tell_node(report, row, &stored, r, &why);
    }
    return 0;
}

/* --- manifests that were refused --- */

static const char *refusal_of_issuer(struct report *report, const struct certificate_row *row,
                                     const struct manifest_problems *problems)
{
    bool is_cluster = streq(row->issuer_kind, "ClusterIssuer");
    cleanup(xfree) char *issuer = xasprintf("%s %s%s%s", str_or(row->issuer_kind, ""),
                                            is_cluster ? "" : row->namespace, is_cluster ? "" : "/",
                                            str_or(row->issuer_name, ""));
    cleanup(buf_deinit) struct buf text = BUF(16 * 1024);

    for (size_t i = 0; i < problems->len; i++) {
        if (problems->items[i].is_warning || !streq(problems->items[i].object, issuer))
            continue;
        manifest_problem_format(&problems->items[i], &text);
        return report_copy(report, buf_str(&text));
    }
    return NULL;
}

void report_tell_refused(struct report *report, const struct manifest_problems *problems)
{
    for (size_t i = 0; i < report->certificate_count; i++) {
        struct certificate_row *row = &report->certificates[i];

        if (waits(row))
            row->issuer_refused = refusal_of_issuer(report, row, problems);
    }
}

void report_deinit(struct report *report)
{
    arena_free(report->arena);
    strlist_deinit(&report->refused);
    *report = (struct report){};
}

bool certificate_row_is_fine(const struct certificate_row *row, int64_t now_ms)
{
    if (!streq(row->ready, "True") || row->is_early)
        return false;
    return row->attempts == 0 && !(row->renewal_time_ms > 0 && row->renewal_time_ms <= now_ms);
}

void certificate_row_explain(const struct certificate_row *row, struct buf *to)
{
    char when[TIME_TEXT_MAX];

    buf_addf(to, "%s/%s: ", row->namespace, row->name);
    if (row->is_unissuable) {
        buf_add_str(to, str_or(row->message, row->reason));
        return;
    }
    if (row->is_early) {
        time_format(row->not_before_ms, when);
        buf_addf(to,
                 "not valid before %s: the clock was ahead when it was issued ('certlet renew' has "
                 "another one made), or is behind now",
                 when);
        return;
    }
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
    if (row->issuer_hint)
        buf_addf(to, "; %s", row->issuer_hint);
    if (row->issuer_refused)
        buf_addf(to, "; its issuer's manifest was refused: %s", row->issuer_refused);
}

void request_row_explain(const struct request_row *row, struct buf *to)
{
    buf_addf(to, "CertificateRequest %s/%s: %s%s%s", row->namespace, row->name, row->state,
             row->text ? ": " : "", str_or(row->text, ""));
}
