#include "api/live.h"

#include "api/kinds.h"

static int get(struct store *store, const struct context *ctx, const struct kind *kind,
               const struct key *key, const struct object **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    int r = store_get(store, ctx, &kind->resource, key, &value, err);

    return r < 0 ? r : object_decode(kind, value, NULL, ret, err);
}

int live_object(struct store *store, const struct context *ctx, const struct kind *kind,
                const struct key *key, const struct object **ret, struct err *err)
{
    int r = get(store, ctx, kind, key, ret, err);

    return r < 0 ? err_wrap(err, "reading %s '%s'", kind->resource.kind, key->name) : 0;
}

int live_secret(struct store *store, const struct context *ctx, const struct key *key,
                const struct object **ret, struct err *err)
{
    int r = get(store, ctx, &kind_secret, key, ret, err);
    char name[KEY_TEXT_MAX];

    if (r == 0)
        return 0;
    key_format(key, name);
    if (r == ERR_NOT_FOUND)
        return err_set(err, r, "secret '%s' does not exist", name);
    return err_wrap(err, "reading secret '%s'", name);
}
