/* order_request.c - kinds of requests that have Orders, one row each. */
#include "controller/order_request.h"

#include "controller/access.h"
#include "controller/caches.h"

/* --- CertificateRequest --- */

static bool certificate_request_is_approved(const struct object *object)
{
    const struct request_facts *facts = (const struct request_facts *)object;

    return condition_is(&facts->request.status.conditions, "Approved", CONDITION_TRUE);
}

static bool certificate_request_has_ended(const struct object *object)
{
    static const char *const ended[] = {"Issued", "Failed", "Denied"};
    const struct request_facts *facts = (const struct request_facts *)object;

    if (condition_is(&facts->request.status.conditions, "InvalidRequest", CONDITION_TRUE))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ended); i++) {
        if (condition_has_reason(&facts->request.status.conditions, "Ready", ended[i]))
            return true;
    }
    return false;
}

/* --- CertificateSigningRequest --- */

static bool signing_request_is_approved(const struct object *object)
{
    const struct signing_request_facts *facts = (const struct signing_request_facts *)object;

    return facts->is_ours && signing_request_has(&facts->request, "Approved") &&
           !signing_request_has(&facts->request, "Denied");
}

static bool signing_request_has_ended(const struct object *object)
{
    return !signing_request_is_open((const struct signing_request_facts *)object);
}

/* --- the table --- */

static const struct request_kind {
    const struct kind *kind;
    bool (*is_approved)(const struct object *facts);
    bool (*has_ended)(const struct object *facts);
} request_kinds[] = {
    {&kind_certificate_request, certificate_request_is_approved, certificate_request_has_ended},
    {&kind_signing_request, signing_request_is_approved, signing_request_has_ended},
};

static const struct request_kind *kind_named(const struct owner_reference *owner)
{
    for (size_t i = 0; owner && i < ARRAY_LEN(request_kinds); i++) {
        if (streq(owner->kind, request_kinds[i].kind->resource.kind))
            return &request_kinds[i];
    }
    return NULL;
}

bool order_names_request(const struct order *order)
{
    return kind_named(object_controller(&order->object));
}

bool order_is_left_alone(const struct controllers *self, const struct order *order)
{
    const struct request_kind *row = kind_named(object_controller(&order->object));

    return row && row->kind == &kind_signing_request && !self->options.signing_requests;
}

static const struct object *find(struct controllers *self, const struct order *order,
                                 const struct request_kind *row,
                                 const struct owner_reference *owner)
{
    const struct resource *resource = &row->kind->resource;
    struct key key = {.namespace = resource->namespaced ? order->object.metadata.namespace : "",
                      .name = str_or(owner->name, "")};
    cleanup(object_unref)
        const struct object *request = cache_get(cache_of(&self->caches, resource), &key);

    return request && streq(request->metadata.uid, owner->uid) ? take(request) : NULL;
}

const struct object *request_of_order(struct controllers *self, const struct order *order,
                                      struct err *err)
{
    const struct owner_reference *owner = object_controller(&order->object);
    const struct request_kind *row = kind_named(owner);
    const char *name = order->object.metadata.name;
    cleanup(object_unref) const struct object *request = NULL;

    if (!row) {
        (void)err_set(err, ERR_DENIED, "order '%s' belongs to no CertificateRequest", name);
        return NULL;
    }
    request = find(self, order, row, owner);
    if (!request) {
        (void)err_set(err, ERR_NOT_FOUND, "the %s '%s' of order '%s' does not exist any more",
                      owner->kind, str_or(owner->name, ""), name);
        return NULL;
    }
    if (!row->is_approved(request)) {
        (void)err_set(err, ERR_DENIED, "the %s '%s' of order '%s' is not approved", owner->kind,
                      owner->name, name);
        return NULL;
    }
    return take(request);
}

static const struct request_kind *kind_of(const struct object *request)
{
    for (size_t i = 0; i < ARRAY_LEN(request_kinds); i++) {
        if (request->kind == request_kinds[i].kind)
            return &request_kinds[i];
    }
    return NULL;
}

bool request_is_approved(const struct object *request)
{
    const struct request_kind *row = kind_of(request);

    return row && row->is_approved(request);
}

bool request_asks_again(const struct object *request, const struct object *seen)
{
    const char *asked = object_annotation(request, ANNOTATION_RETRY);

    return asked && !streq(asked, str_or(object_annotation(seen, ANNOTATION_RETRY), ""));
}

bool request_has_ended(const struct object *request)
{
    const struct request_kind *row = kind_of(request);

    return !row || row->has_ended(request);
}

int request_access(struct controllers *self, const struct context *ctx,
                   const struct object *request, const struct issuer *issuer, bool *ret_allowed,
                   struct err *err)
{
    *ret_allowed = true;
    if (request->kind != &kind_signing_request)
        return 0; /* in the issuer's namespace, or for anybody */
    return access_to_issuer(self->store, ctx, (const struct signing_request *)request,
                            &issuer->object, ret_allowed, err);
}
