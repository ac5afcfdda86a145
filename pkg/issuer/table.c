/* table.c - every issuer type, one row each. */
#include "issuer/issuers.h"

static const struct issuer_ops *const issuer_types[] = {
    &issuer_acme,
    &issuer_ca,
    &issuer_self_signed,
};

const struct issuer_ops *issuer_type_of(const struct issuer_spec *spec)
{
    for (size_t i = 0; i < ARRAY_LEN(issuer_types); i++) {
        if (issuer_types[i]->is_configured(spec))
            return issuer_types[i];
    }
    return NULL;
}

const char *issuer_type_name(const struct issuer_spec *spec)
{
    const struct issuer_ops *ops = issuer_type_of(spec);

    if (ops)
        return ops->type;
    return spec->vault ? "vault" : spec->venafi ? "venafi" : NULL;
}

const char *issuer_secret_namespace(const struct issuers *issuers, const struct issuer *issuer)
{
    return issuer->object.kind->resource.namespaced ? issuer->object.metadata.namespace
                                                    : issuers->resource_namespace;
}
