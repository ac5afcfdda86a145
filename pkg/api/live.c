#include "api/live.h"

#include "api/kinds.h"

/* What the store says names the object; what the decoder says does not. */
int live_object(struct store *store, const struct context *ctx, const struct kind *kind,
                const struct key *key, const struct object **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    char name[KEY_TEXT_MAX];
    int r = store_get(store, ctx, &kind->resource, key, &value, err);

    if (r < 0)
        return r;
    r = object_decode(kind, value, NULL, ret, err);
    if (r == 0)
        return 0;
    key_format(key, name);
    return err_wrap(err, "reading %s '%s'", kind->resource.plural, name);
}

int live_secret(struct store *store, const struct context *ctx, const struct key *key,
                const struct object **ret, struct err *err)
{
    int r = live_object(store, ctx, &kind_secret, key, ret, err);
    char name[KEY_TEXT_MAX];

    if (r != ERR_NOT_FOUND)
        return r;
    key_format(key, name);
    return err_set(err, r, "secret '%s' does not exist", name);
}

int live_has(struct store *store, const struct context *ctx, const struct resource *resource,
             const struct key *key, const char *uid, bool *ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    struct err why = {};
    int r = store_get(store, ctx, resource, key, &value, &why);

    if (r < 0 && r != ERR_NOT_FOUND)
        return err_pass(err, &why);
    *ret = r == 0 && streq(json_as_text(json_path(value, "metadata.uid")), uid);
    return 0;
}
