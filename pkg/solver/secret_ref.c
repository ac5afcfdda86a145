#include "solver/secret_ref.h"

#include "api/kinds.h"
#include "api/secret.h"

int secret_ref_read(struct store *store, const struct context *ctx, const char *namespace,
                    const struct secret_key_selector *ref, struct buf *to, struct err *err)
{
    struct key key = {.namespace = namespace, .name = ref->name};
    cleanup(json_unref) struct json *value = NULL;
    cleanup(object_unref) const struct object *object = NULL;
    int r;

    if (str_empty(ref->name) || str_empty(ref->key))
        return err_set(err, ERR_INVALID, "a reference to a secret needs 'name' and 'key'");
    r = store_get(store, ctx, &kind_secret.resource, &key, &value, err);
    if (r == 0)
        r = object_decode(&kind_secret, value, NULL, &object, err);
    if (r < 0)
        return err_wrap(err, "reading secret '%s/%s'", namespace, ref->name);
    return secret_value((const struct secret *)object, ref->key, to, err);
}
