/* signable.c - kinds of requests, one row each: what each of them asks for. */
#include "api/certificate.h"
#include "api/kinds.h"
#include "api/live.h"
#include "api/signing_request.h"
#include "issuer/issuers.h"

struct asking {
    const struct issuers *issuers;
    const struct issuer *issuer;
    const struct object *request;
};
typedef int fill_fn(const struct asking *asking, struct signable *ret, struct err *err);

static int of_certificate_request(const struct asking *asking, struct signable *ret,
                                  struct err *err)
{
    const struct object *object = asking->request;
    const struct certificate_request_spec *spec =
        &((const struct certificate_request *)object)->spec;

    *ret = (struct signable){
        .object = object,
        .request = spec->request,
        .issuer_ref = spec->issuer_ref,
        .duration = spec->duration,
        .is_ca = spec->is_ca,
        .usages = usages_of(&spec->usages, spec->is_ca),
        .namespace = object->metadata.namespace,
        .key_annotation = ANNOTATION_PRIVATE_KEY_SECRET,
    };
    return 0;
}

static struct issuer_reference reference_to(const struct object *issuer)
{
    return (struct issuer_reference){.name = issuer->metadata.name,
                                     .kind = issuer->kind->resource.kind,
                                     .group = issuer->kind->resource.group};
}

static int of_signing_request(const struct asking *asking, struct signable *ret, struct err *err)
{
    const struct signing_request *request = (const struct signing_request *)asking->request;
    const struct object *issuer = &asking->issuer->object;
    bool is_ca = signing_request_is_ca(request);
    struct signer signer;

    if (!signer_parse(request->spec.signer_name, &signer) || !signer_is(&signer, issuer))
        return err_set(err, ERR_INVALID, "signer '%s' is not the %s '%s'",
                       str_or(request->spec.signer_name, ""), issuer->kind->resource.kind,
                       issuer->metadata.name);
    *ret = (struct signable){
        .object = asking->request,
        .request = request->spec.request,
        .issuer_ref = reference_to(issuer),
        .is_ca = is_ca,
        .usages = usages_of(&request->spec.usages, is_ca),
        .namespace = issuer_secret_namespace(asking->issuers, asking->issuer),
        .key_annotation = ANNOTATION_SIGNING_KEY_SECRET,
        .is_plain = true,
    };
    return signing_request_duration(request, &ret->duration, err);
}

static const struct {
    const struct kind *kind;
    fill_fn *fill;
} rows[] = {
    {&kind_certificate_request, of_certificate_request},
    {&kind_signing_request, of_signing_request},
};

int signable_of(const struct issuers *issuers, const struct issuer *issuer,
                const struct object *request, struct signable *ret, struct err *err)
{
    const struct asking asking = {issuers, issuer, request};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (request->kind == rows[i].kind)
            return rows[i].fill(&asking, ret, err);
    }
    return err_set(err, ERR_INTERNAL, "a %s is no request", request->kind->resource.kind);
}

/* What may not be read counts as there: its kind may be left alone here (order_is_left_alone()). */
int signable_is_served(const struct issuers *issuers, const struct context *ctx,
                       const struct object *order, bool *ret, struct err *err)
{
    const struct owner_reference *owner = object_controller(order);
    struct err why = {};
    int r;

    *ret = false;
    for (size_t i = 0; owner && i < ARRAY_LEN(rows); i++) {
        const struct resource *resource = &rows[i].kind->resource;
        struct key key = {.namespace = resource->namespaced ? order->metadata.namespace : "",
                          .name = str_or(owner->name, "")};

        if (!streq(owner->kind, resource->kind))
            continue;
        r = live_has(issuers->store, ctx, resource, &key, owner->uid, ret, &why);
        *ret = *ret || r == ERR_DENIED;
        return r < 0 && r != ERR_DENIED ? err_pass(err, &why) : 0;
    }
    return 0;
}
