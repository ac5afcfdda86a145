/* table.c - every issuer type, one row each, and what they all need. */
#include "issuer/issuers.h"

#include "api/kinds.h"

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

static int read_now(const struct issuers *issuers, const struct context *ctx,
                    const struct object *cached, struct json **ret, struct err *err)
{
    struct key key = object_key(cached);

    *ret = written_get(issuers->written, &cached->kind->resource, &key, cached->metadata.uid,
                       cached->metadata.resource_version);
    return *ret ? 0 : store_get(issuers->store, ctx, &cached->kind->resource, &key, ret, err);
}

/* Whoever may delete and create could put another one in its place, of which nothing that the cache says is
 * true: not that it is approved. */
static int check_is_the_same(const struct object *cached, const struct object *found,
                             struct err *err)
{
    if (streq(found->metadata.uid, cached->metadata.uid))
        return 0;
    return err_set(err, ERR_NOT_FOUND, "it is gone, and another one has its name");
}

int issuers_read_full(const struct issuers *issuers, const struct context *ctx,
                      const struct object *cached, const struct object **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    cleanup(object_unref) const struct object *found = NULL;
    int r = read_now(issuers, ctx, cached, &value, err);

    if (r == 0)
        r = object_decode(cached->kind, value, NULL, &found, err);
    if (r == 0)
        r = check_is_the_same(cached, found, err);
    if (r < 0)
        return err_wrap(err, "reading %s '%s'", cached->kind->resource.kind, cached->metadata.name);
    *ret = take(found);
    return 0;
}

int issuer_secret_read(const struct issuers *issuers, const struct context *ctx,
                       const struct key *key, const struct object **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    int r = store_get(issuers->store, ctx, &kind_secret.resource, key, &value, err);

    if (r == ERR_NOT_FOUND)
        return err_set(err, r, "secret '%s/%s' does not exist", key->namespace, key->name);
    if (r == 0)
        r = object_decode(&kind_secret, value, NULL, ret, err);
    return r < 0 ? err_wrap(err, "reading secret '%s/%s'", key->namespace, key->name) : 0;
}
