/* table.c - every issuer type, one row each, and what they all need. */
#include "issuer/issuers.h"

#include "api/live.h"

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

/* Whoever may delete and create could put another one in its place, of which nothing that the cache says is
 * true: not that it is approved. */
static int check_is_the_same(const struct object *cached, const struct object *found,
                             struct err *err)
{
    if (streq(found->metadata.uid, cached->metadata.uid))
        return 0;
    return err_set(err, ERR_NOT_FOUND, "%s '%s' is gone, and another one has its name",
                   cached->kind->resource.kind, cached->metadata.name);
}

static int read_now(const struct issuers *issuers, const struct context *ctx,
                    const struct object *cached, const struct object **ret, struct err *err)
{
    const struct kind *kind = cached->kind;
    const struct metadata *metadata = &cached->metadata;
    struct key key = object_key(cached);
    cleanup(json_unref) struct json *value = written_get(issuers->written, &kind->resource, &key,
                                                         metadata->uid, metadata->resource_version);

    return value ? object_decode(kind, value, NULL, ret, err)
                 : live_object(issuers->store, ctx, kind, &key, ret, err);
}

int issuers_read_full(const struct issuers *issuers, const struct context *ctx,
                      const struct object *cached, const struct object **ret, struct err *err)
{
    cleanup(object_unref) const struct object *found = NULL;
    int r = read_now(issuers, ctx, cached, &found, err);

    if (r == 0)
        r = check_is_the_same(cached, found, err);
    if (r == 0)
        *ret = take(found);
    return r;
}
