/* signable.c - kinds of requests, one row each: what each of them asks for. */
#include "api/certificate.h"
#include "api/kinds.h"
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

static const struct {
    const struct kind *kind;
    fill_fn *fill;
} rows[] = {
    {&kind_certificate_request, of_certificate_request},
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
