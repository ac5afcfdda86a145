/* report_tree.c - the objects behind one Certificate: issuer, Secret, requests, Orders, Challenges. */
#include <stdlib.h>

#include "api/challenge.h"
#include "api/issuer.h"
#include "api/kinds.h"
#include "api/order.h"
#include "controller/report_private.h"

struct growing { /* a tree under construction; nodes are in the report's arena once it is done */
    const struct loading *loading;
    struct report_node *items;
    size_t len, size;
};

static void growing_deinit(struct growing *tree)
{
    xfree(tree->items);
}
DEFINE_CLEANUP_VALUE(struct growing, growing_deinit);

static void add(struct growing *tree, int depth, const char *kind, const char *name,
                const char *state, const char *text)
{
    struct report *report = tree->loading->report;

    if (tree->len == tree->size) {
        tree->size = tree->size * 2 + 8;
        tree->items = xrealloc(tree->items, tree->size * sizeof(*tree->items));
    }
    tree->items[tree->len++] = (struct report_node){
        .depth = depth,
        .kind = kind,
        .name = report_copy(report, name),
        .state = state,
        .text = report_copy(report, text),
    };
}

/* --- above: who signs, and where it is stored --- */

static const struct issuer *find_issuer(const struct loading *loading,
                                        const struct issuer_reference *ref, const char *namespace)
{
    bool is_cluster = streq(issuer_reference_kind(ref), "ClusterIssuer");
    const struct objects *among = is_cluster ? &loading->cluster_issuers : &loading->issuers;

    for (size_t i = 0; i < among->len; i++) {
        const struct metadata *metadata = &among->items[i]->metadata;

        if (streq(metadata->name, ref->name) &&
            (is_cluster || streq(metadata->namespace, namespace)))
            return (const struct issuer *)among->items[i];
    }
    return NULL;
}

static void add_issuer(struct growing *tree, const struct certificate *crt)
{
    const struct issuer_reference *ref = &crt->spec.issuer_ref;
    const char *kind = report_copy(tree->loading->report, issuer_reference_kind(ref));
    const struct issuer *issuer;
    const struct condition *ready;

    if (!streq(issuer_reference_group(ref), "cert-manager.io")) {
        add(tree, 0, kind, ref->name, "of another program", issuer_reference_group(ref));
        return;
    }
    issuer = find_issuer(tree->loading, ref, crt->object.metadata.namespace);
    if (!issuer) {
        add(tree, 0, kind, ref->name, "not there", NULL);
        return;
    }
    ready = condition_find(&issuer->status.conditions, "Ready");
    add(tree, 0, kind, ref->name, ready && ready->status == CONDITION_TRUE ? "ready" : "not ready",
        ready ? ready->message : "it has not been looked at yet");
}

/* --- below: what was asked for --- */

const char *report_request_state(const struct certificate_request *request)
{
    static const struct {
        const char *type, *reason; /* reason NULL: the condition is True */
        const char *state;
    } rows[] = {
        {"InvalidRequest", NULL, "invalid"}, {"Denied", NULL, "denied"},
        {"Ready", "Failed", "failed"},       {"Ready", "Issued", "issued"},
        {"Approved", NULL, "approved"},
    };
    const struct conditions *conditions = &request->status.conditions;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].reason ? condition_has_reason(conditions, rows[i].type, rows[i].reason)
                           : condition_is(conditions, rows[i].type, CONDITION_TRUE))
            return rows[i].state;
    return "not approved yet";
}

const char *report_request_text(const struct certificate_request *request)
{
    const struct conditions *conditions = &request->status.conditions;
    const struct condition *found = condition_find(conditions, "InvalidRequest");

    if (!found)
        found = condition_find(conditions, "Denied");
    if (!found)
        found = condition_find(conditions, "Ready");
    return found && !(found->status == CONDITION_TRUE && streq(found->type, "Ready"))
               ? found->message
               : NULL;
}

static const char *state_text(int state)
{
    const char *name = enum_name(&order_state_names, state);

    return str_empty(name) ? "new" : name;
}

static const char *challenge_text(const struct loading *loading, const struct challenge *challenge)
{
    const char *type = challenge->spec.type == CHALLENGE_DNS01 ? "DNS-01" : "HTTP-01";
    const char *reason = str_or(challenge->status.reason, "");

    return arena_printf(loading->report->arena, "%s of %s%s%s", type, challenge->spec.dns_name,
                        *reason ? ": " : "", reason);
}

static void add_challenges(struct growing *tree, const struct order *order)
{
    const struct object *object;

    for (size_t i = 0; (object = report_child_of(&tree->loading->challenges, &order->object, i));
         i++) {
        const struct challenge *challenge = (const struct challenge *)object;

        add(tree, 2, "Challenge", object->metadata.name, state_text(challenge->status.state),
            challenge_text(tree->loading, challenge));
    }
}

static void add_orders(struct growing *tree, const struct object *request)
{
    const struct object *object;

    for (size_t i = 0; (object = report_child_of(&tree->loading->orders, request, i)); i++) {
        const struct order *order = (const struct order *)object;

        add(tree, 1, "Order", object->metadata.name, state_text(order->status.state),
            order->status.reason);
        add_challenges(tree, order);
    }
}

static void add_requests(struct growing *tree, const struct certificate *crt)
{
    const struct object *object;

    for (size_t i = 0; (object = report_child_of(&tree->loading->requests, &crt->object, i)); i++) {
        const struct certificate_request *request = (const struct certificate_request *)object;

        add(tree, 0, "CertificateRequest", object->metadata.name, report_request_state(request),
            report_request_text(request));
        add_orders(tree, object);
    }
}

void report_add_tree(const struct loading *loading, const struct certificate *crt,
                     struct certificate_row *row)
{
    cleanup(growing_deinit) struct growing tree = {.loading = loading};

    add_issuer(&tree, crt);
    add(&tree, 0, "Secret", crt->spec.secret_name, NULL, NULL); /* report_load_leaves() */
    add_requests(&tree, crt);
    row->nodes = arena_alloc(loading->report->arena, tree.len * sizeof(*row->nodes));
    row->node_count = tree.len;
    for (size_t i = 0; i < tree.len; i++)
        row->nodes[i] = tree.items[i];
}
