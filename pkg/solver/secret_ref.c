#include "solver/secret_ref.h"

#include "api/kinds.h"
#include "api/secret.h"
#include "base/map.h"
#include "base/thread.h"

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

/* --- what is known of what is there now --- */

struct solver_values {
    struct mutex mutex;
    struct map *secrets; /* "namespace/name" to a reference to a struct secret */
};

static void secret_free(void *secret)
{
    object_unref(secret);
}

struct solver_values *solver_values_new(void)
{
    struct solver_values *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->secrets = map_new(secret_free);
    return self;
}

void solver_values_free(struct solver_values *self)
{
    if (!self)
        return;
    map_free(self->secrets);
    mutex_deinit(&self->mutex);
    xfree(self);
}

void solver_values_forget(struct solver_values *self, const struct key *secret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char name[KEY_TEXT_MAX];

    key_format(secret, name);
    map_remove(self->secrets, name);
}

size_t solver_values_len(struct solver_values *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_len(self->secrets);
}

/* Of the version that the cache has, or of a later one. */
static bool is_current(const struct object *secret, const struct object *newest)
{
    return secret && newest && streq(secret->metadata.uid, newest->metadata.uid) &&
           version_compare(secret->metadata.resource_version, newest->metadata.resource_version) >=
               0;
}

/* Only what the cache shows: who else would tell that it is gone? It is looked at last, because its handler
 * may have come in between. */
static void know(const struct solvers *solvers, const struct key *key, const char *name,
                 const struct object *secret)
{
    cleanup(object_unref) const struct object *newest = NULL;

    mutex_lock(&solvers->values->mutex);
    map_set(solvers->values->secrets, name, (void *)object_ref(secret));
    mutex_unlock(&solvers->values->mutex);
    newest = cache_get(solvers->secrets, key);
    if (!is_current(secret, newest))
        solver_values_forget(solvers->values, key);
}

/* NULL: it has to be read. */
static const struct object *known(const struct solvers *solvers, const struct key *key,
                                  const char *name)
{
    cleanup(object_unref) const struct object *newest = cache_get(solvers->secrets, key);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&solvers->values->mutex);
    const struct object *secret = map_get(solvers->values->secrets, name);

    return is_current(secret, newest) ? object_ref(secret) : NULL;
}

/* --- what is there now --- */

static int read_secret(const struct secret_source *source, const struct context *ctx,
                       const struct key *key, const struct object **ret, struct err *err)
{
    bool keeps = source->solvers && source->solvers->secrets;
    cleanup(json_unref) struct json *value = NULL;
    char name[KEY_TEXT_MAX];
    int r;

    key_format(key, name);
    *ret = keeps ? known(source->solvers, key, name) : NULL;
    if (*ret)
        return 0;
    r = store_get(source->store, ctx, &kind_secret.resource, key, &value, err);
    if (r == ERR_NOT_FOUND)
        return err_set(err, r, "secret '%s' does not exist", name);
    if (r == 0)
        r = object_decode(&kind_secret, value, NULL, ret, err);
    if (r < 0)
        return err_wrap(err, "reading secret '%s'", name);
    if (keeps)
        know(source->solvers, key, name, *ret);
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
