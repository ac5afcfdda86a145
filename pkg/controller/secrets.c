/* secrets.c - facts of Secrets, cached or live. */
#include "controller/secrets.h"

#include <string.h>

int secret_facts_live(struct controllers *self, const struct context *ctx, const struct key *key,
                      const struct secret_facts **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    int r = store_get(self->store, ctx, &kind_secret.resource, key, &value, err);

    if (r == ERR_NOT_FOUND) {
        *ret = NULL;
        return 0;
    }
    if (r < 0)
        return r;
    r = secret_facts_decode(value, ret, err);
    return r < 0 ? err_wrap(err, "reading secrets '%s/%s'", key->namespace, key->name) : 0;
}

int secret_facts_get(struct controllers *self, const struct context *ctx, const struct key *key,
                     const struct secret_facts **ret, struct err *err)
{
    cleanup(object_unref) const struct secret_facts *cached = cache_get(self->caches.secrets, key);

    if (cached && cached->is_partial)
        return secret_facts_live(self, ctx, key, ret, err);
    *ret = take(cached);
    return 0;
}

bool secret_may_be_missed(const struct controllers *self)
{
    return self->options.split_secrets;
}

bool secret_data_changed(const struct secret_facts *before, const struct secret_facts *after)
{
    if (!before || !after)
        return before != after;
    if (before->is_partial || after->is_partial)
        return !streq(before->object.metadata.resource_version,
                      after->object.metadata.resource_version);
    return memcmp(before->data_hash, after->data_hash, SHA256_LEN) != 0;
}
