/* order.c - see order.h (behaviour.md 7 and 16). */
#include "issuer/order.h"

#include <stdio.h>
#include <string.h>

#include "api/kinds.h"
#include "api/live.h"

static void array_from(struct arena *arena, const struct strlist *from, struct array_string *ret)
{
    ret->items = arena_alloc(arena, (from->len + 1) * sizeof(*ret->items));
    ret->len = from->len;
    for (size_t i = 0; i < from->len; i++)
        ret->items[i] = arena_strdup(arena, from->items[i]);
}

/* A common name must be among the names that are validated. */
static int check_common_name(const struct x509_names *names, struct err *err)
{
    if (str_empty(names->common_name) || strlist_has(&names->dns_names, names->common_name) ||
        strlist_has(&names->ip_addresses, names->common_name))
        return 0;
    return err_set(
        err, ERR_INVALID,
        "the common name '%s' must also be in dnsNames or ipAddresses: ACME validates no other names",
        names->common_name);
}

int order_spec_of(const struct issuer *issuer, const struct signable *request, const char *replaces,
                  struct arena *arena, struct order_spec *ret, struct err *err)
{
    const struct acme_issuer *acme = issuer->spec.acme;
    cleanup(csr_free) struct csr *csr = NULL;
    const struct x509_names *names;
    int r = csr_parse(request->request.data, request->request.len, &csr, err);

    if (r < 0)
        return err_wrap(err, "spec.request");
    names = csr_names(csr);
    r = check_common_name(names, err);
    if (r < 0)
        return r;
    *ret = (struct order_spec){
        .request = request->request,
        .issuer_ref = request->issuer_ref,
        .common_name = arena_strdup(arena, names->common_name),
        .profile = request->is_plain ? NULL : acme->profile,
        .replaces = request->is_plain ? NULL : replaces,
    };
    array_from(arena, &names->dns_names, &ret->dns_names);
    array_from(arena, &names->ip_addresses, &ret->ip_addresses);
    if (acme->enable_duration_feature)
        ret->duration = request->duration;
    if (ret->dns_names.len + ret->ip_addresses.len == 0)
        return err_set(
            err, ERR_INVALID,
            "the request holds no DNS name and no IP address: ACME certifies nothing else");
    return 0;
}

/* What cert-manager hashes, to the byte: it looks for an Order by its name, and places another one where that is
 * not there. The table has the order of its struct. */
static char *order_hash_text(const char *request_name, const struct order_spec *spec)
{
    struct order_spec hashed = *spec;
    cleanup(json_unref) struct json *whole = json_new_map();
    struct json *of_spec;

    hashed.request = (struct bytes){};
    of_spec = fields_encode_as_go(&order_spec_fields, &hashed);
    json_set_text(whole, "certificateRequestName", request_name);
    json_set(whole, "spec", of_spec);
    return json_text_as_go(strlen(request_name) < NAME_PREFIX_MAX ? of_spec : whole);
}

char *order_name(const struct object *request, const struct order_spec *spec)
{
    const char *name = request->metadata.name;
    cleanup(xfree) char *text = order_hash_text(name, spec);

    return xasprintf("%.*s-%u", (int)object_name_cut(name, NAME_PREFIX_MAX), name,
                     str_fnv1_32(text, strlen(text)));
}

char *order_name_by_uid(const struct object *request)
{
    const char *name = request->metadata.name;

    return xasprintf("%.*s-%s", (int)object_name_cut(name, NAME_PREFIX_MAX), name,
                     request->metadata.uid);
}

/* A mark on the request is for the Order to follow (request_asks_again()), not one that it has followed. */
static struct json *order_json(const struct signable *request, const struct order_spec *spec,
                               const struct array_pair *annotations)
{
    const struct metadata *from = &request->object->metadata;
    cleanup(xfree) char *name = order_name(request->object, spec);
    struct key key = {.namespace = request->namespace, .name = name};
    struct json *order = object_child_json(&kind_order, &key, request->object, &from->labels,
                                           annotations ? annotations : &from->annotations);

    if (object_annotation(request->object, ANNOTATION_RETRY))
        json_remove(json_need_map(json_need_map(order, "metadata"), "annotations"),
                    ANNOTATION_RETRY);
    json_set(order, "spec", fields_encode(&order_spec_fields, spec));
    return order;
}

bool order_names(const struct order *order, const struct signable *request)
{
    const struct owner_reference *owner = object_controller(&order->object);
    const struct object *object = request->object;

    return owner && streq(owner->uid, object->metadata.uid) &&
           streq(owner->kind, object->kind->resource.kind) &&
           streq(owner->name, object->metadata.name) &&
           streq(order->object.metadata.namespace, request->namespace) &&
           issuer_reference_equal(&order->spec.issuer_ref, &request->issuer_ref);
}

struct signing {
    struct issuers *issuers;
    const struct context *ctx;
    const struct issuer *issuer;
    struct arena *arena;
    struct sign_result *result;
};

static int pending(struct signing *signing, const char *reason, const char *message)
{
    signing->result->state = SIGN_PENDING;
    signing->result->reason = reason;
    signing->result->message = message;
    return 0;
}

static int failed(struct signing *signing, const char *reason, const char *message)
{
    signing->result->state = SIGN_FAILED;
    signing->result->reason = reason;
    signing->result->message = arena_strdup(signing->arena, message);
    return 0;
}

/* There is one of the name that our Order must have. Ours: the cache is behind. Else its owner is gone, or
 * somebody wrote it to be in the way (GHSA-8rvj-mm4h-c258): it goes, and the next look makes ours. */
static int make_room(struct signing *signing, const struct signable *request, const char *name,
                     struct err *err)
{
    struct key key = {.namespace = request->namespace, .name = name};
    cleanup(object_unref) const struct object *found = NULL;
    struct store_precondition exactly = {};
    int r = live_object(signing->issuers->store, signing->ctx, &kind_order, &key, &found, err);

    if (r == 0 && (found->metadata.deletion_timestamp_ms ||
                   order_names((const struct order *)found, request)))
        return err_set(err, ERR_EXISTS, "the Order '%s' exists already", name);
    if (r == 0) {
        exactly.uid = found->metadata.uid;
        r = store_delete(signing->issuers->store, signing->ctx, &kind_order.resource, &key,
                         &exactly, err);
    }
    if (r < 0 && r != ERR_NOT_FOUND)
        return err_wrap(err, "deleting the Order '%s' of another owner", name);
    signing->result->requeue_at_ms = context_now_ms(signing->ctx) + SECONDS(1);
    return pending(signing, NULL, NULL);
}

/* Its reconciler needs the bytes next. */
static int write_order(struct signing *signing, const struct signable *request,
                       const struct json *order, struct json **ret_stored, struct err *err)
{
    struct key key = {.namespace = request->namespace,
                      .name = json_as_text(json_path(order, "metadata.name"))};
    struct written_flight flight = {.resource = &kind_order.resource, .key = key};
    char manager[128];
    int r;

    (void)snprintf(manager, sizeof(manager), "cert-manager-%s-issuer-acme",
                   request->object->kind->resource.plural);
    written_begin(signing->issuers->written, &flight);
    r = store_create(signing->issuers->store, signing->ctx, &kind_order.resource, manager, order,
                     ret_stored, err);
    written_end(signing->issuers->written, &flight, r == 0 ? *ret_stored : NULL);
    return r;
}

/* Where the name is that of another request's Order, which must not be deleted: under the other name. The two
 * requests may be of two kinds, or have long names that begin alike. ERR_EXISTS: it is not. */
static int write_beside(struct signing *signing, const struct signable *request, struct json *order,
                        struct json **ret_stored, struct err *err)
{
    struct key key = {.namespace = request->namespace,
                      .name = json_as_text(json_path(order, "metadata.name"))};
    cleanup(object_unref) const struct object *found = NULL;
    cleanup(xfree) char *name = order_name_by_uid(request->object);
    bool is_served = false;
    int r = live_object(signing->issuers->store, signing->ctx, &kind_order, &key, &found, err);

    if (r == 0 && !order_names((const struct order *)found, request))
        r = signable_is_served(signing->issuers, signing->ctx, found, &is_served, err);
    if (r < 0 && r != ERR_NOT_FOUND)
        return err_wrap(err, "looking at the Order '%s'", key.name);
    if (!is_served)
        return err_set(err, ERR_EXISTS, "the Order '%s' exists already", key.name);
    signing->result->warning = arena_printf(
        signing->arena,
        "The name '%s' is that of the Order of another request, %s '%s': the Order of this one is '%s'",
        key.name, object_controller(found)->kind, object_controller(found)->name, name);
    json_set_text(json_need_map(order, "metadata"), "name", name);
    return write_order(signing, request, order, ret_stored, err);
}

/* `request` has its bytes. */
static int create_order(struct signing *signing, const struct signable *request,
                        const struct sign_input *input, struct err *err)
{
    cleanup(json_unref) struct json *order = NULL, *stored = NULL;
    struct order_spec spec = {};
    struct err why = {};
    int r = order_spec_of(signing->issuer, request, input->replaces, signing->arena, &spec, &why);

    if (r < 0)
        return failed(signing, "InvalidOrder", why.text);
    order = order_json(request, &spec, input->order_annotations);
    r = write_order(signing, request, order, &stored, &why);
    if (r == ERR_EXISTS)
        r = write_beside(signing, request, order, &stored, &why);
    if (r == ERR_EXISTS)
        return make_room(signing, request, json_as_text(json_path(order, "metadata.name")), err);
    if (r == ERR_INVALID)
        return failed(signing, "OrderBuildingError", why.text);
    if (r < 0) {
        *err = why;
        return err_wrap(err, "creating the Order");
    }
    signing->result->order_version = arena_strdup(
        signing->arena, json_as_text(json_path(stored, "metadata.resourceVersion")));
    return pending(signing, "OrderCreated",
                   arena_printf(signing->arena, "Created Order resource %s/%s", request->namespace,
                                json_as_text(json_path(order, "metadata.name"))));
}

static int begin_order(struct signing *signing, const struct sign_input *input,
                       const struct signable *request, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    struct signable full;
    int r;

    if (request->request.len > 0)
        return create_order(signing, request, input, err);
    r = issuers_read_full(signing->issuers, signing->ctx, request->object, &object, err);
    if (r == 0)
        r = signable_of(signing->issuers, input->issuer, object, &full, err);
    return r < 0 ? r : create_order(signing, &full, input, err);
}

static int take_certificate(struct signing *signing, const struct order *cached, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    const struct order *order;
    int r = issuers_read_full(signing->issuers, signing->ctx, &cached->object, &object, err);

    if (r < 0)
        return r;
    order = (const struct order *)object;
    if (order->status.certificate.len == 0)
        return pending(signing, NULL, NULL);
    signing->result->state = SIGN_ISSUED;
    signing->result->certificate = bytes_of(
        arena_memdup(signing->arena, order->status.certificate.data, order->status.certificate.len),
        order->status.certificate.len);
    return 0;
}

static int follow_order(struct signing *signing, const struct order *order, struct err *err)
{
    if (state_is_failed(order->status.state))
        return failed(signing, "OrderFailed",
                      arena_printf(signing->arena, "Order '%s' is %s: %.900s",
                                   order->object.metadata.name,
                                   enum_name(&order_state_names, order->status.state),
                                   str_or(order->status.reason, "no reason given")));
    if (order->status.state == STATE_VALID)
        return take_certificate(signing, order, err);
    return pending(signing, NULL, NULL);
}

int sign_by_order(struct issuers *issuers, const struct context *ctx,
                  const struct sign_input *input, struct arena *arena, struct sign_result *ret,
                  struct err *err)
{
    struct signing signing = {
        .issuers = issuers, .ctx = ctx, .issuer = input->issuer, .arena = arena, .result = ret};
    cleanup(cache_refs_deinit) struct cache_refs orders = {};
    struct signable request;
    int r = signable_of(issuers, input->issuer, input->request, &request, err);

    if (r < 0)
        return r;
    cache_by_index(issuers->orders, INDEX_OWNER, input->request->metadata.uid, &orders);
    for (size_t i = 0; i < orders.len; i++) {
        if (order_names(orders.items[i], &request))
            return follow_order(&signing, orders.items[i], err);
    }
    return begin_order(&signing, input, &request, err);
}
