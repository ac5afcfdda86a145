#include "solver/secret_ref.h"

#include "api/live.h"
#include "api/secret.h"
#include "base/map.h"

/* --- what was read before --- */

struct solver_secrets {
    struct map *values; /* "namespace/name/key" to struct buf */
};

static void value_free(void *value)
{
    buf_deinit(value);
    xfree(value);
}

struct solver_secrets *solver_secrets_new(void)
{
    struct solver_secrets *self = xalloc(sizeof(*self));

    self->values = map_new(value_free);
    return self;
}

void solver_secrets_free(struct solver_secrets *self)
{
    if (!self)
        return;
    map_free(self->values);
    xfree(self);
}

static char *name_of(const struct secret_source *source, const struct secret_key_selector *ref)
{
    return xasprintf("%s/%s/%s", source->namespace, ref->name, ref->key);
}

static void keep(const struct secret_source *source, const struct secret_key_selector *ref,
                 const struct buf *to, size_t start)
{
    cleanup(xfree) char *name = name_of(source, ref);
    struct buf *copy = xalloc(sizeof(*copy));

    *copy = BUF_SECRET(to->max);
    buf_add(copy, to->data + start, to->len - start);
    map_set(source->kept->values, name, copy);
}

static bool find_kept(const struct secret_source *source, const struct secret_key_selector *ref,
                      struct buf *to)
{
    cleanup(xfree) char *name = name_of(source, ref);
    const struct buf *value = map_get(source->kept->values, name);

    if (!value)
        return false;
    buf_add(to, value->data, value->len);
    return true;
}

/* --- what is there now --- */

static const void *ref(const void *secret)
{
    return object_ref(secret);
}

static void unref(const void *secret)
{
    object_unref(secret);
}

struct derived *solver_values_new(struct cache *secrets)
{
    static const struct derived_kind kind = {ref, unref};

    return derived_new(secrets, &kind);
}

static int read_secret(const struct secret_source *source, const struct context *ctx,
                       const struct key *key, const struct object **ret, struct err *err)
{
    const struct metadata *metadata;
    int r;

    *ret = source->values ? derived_get(source->values, key) : NULL;
    if (*ret)
        return 0;
    r = live_secret(source->store, ctx, key, ret, err);
    if (r < 0 || !source->values)
        return r;
    metadata = &(*ret)->metadata;
    derived_put(source->values, key, metadata->uid, metadata->resource_version, *ret);
    return 0;
}

static int read_now(const struct secret_source *source, const struct context *ctx,
                    const struct secret_key_selector *ref, struct buf *to, struct err *err)
{
    struct key key = {.namespace = source->namespace, .name = ref->name};
    cleanup(object_unref) const struct object *object = NULL;
    int r = read_secret(source, ctx, &key, &object, err);

    if (r < 0)
        return r;
    return secret_value((const struct secret *)object, ref->key, to, err);
}

int secret_ref_read(const struct secret_source *source, const struct context *ctx,
                    const struct secret_key_selector *ref, struct buf *to, struct err *err)
{
    size_t start = to->len;
    struct err why = {};
    int r;

    if (str_empty(ref->name) || str_empty(ref->key))
        return err_set(err, ERR_INVALID, "a reference to a secret needs 'name' and 'key'");
    r = read_now(source, ctx, ref, to, &why);
    if (r == ERR_NOT_FOUND && source->kept && source->use_kept && find_kept(source, ref, to))
        return 0;
    if (r < 0)
        return err_pass(err, &why);
    if (source->kept)
        keep(source, ref, to, start);
    return 0;
}
