/*
 * secrets.h - a store for tests that knows Secrets from a table and nothing else.
 */
#ifndef TESTS_SOLVER_SECRETS_H
#define TESTS_SOLVER_SECRETS_H

#include <stdio.h>

#include "api/kinds.h"
#include "base/base64.h"
#include "store/store.h"
#include "support/testing.h"

struct secret_row {
    const char *name; /* "namespace/name" */
    const char *key, *value;
};

struct secrets {
    struct store store;
    const struct secret_row *rows;
    size_t len;
    int asked;
};

static inline struct json *secrets_object(const struct secret_row *row, const struct key *key)
{
    cleanup(xfree) char *value = base64_new(row->value, strlen(row->value));
    struct json *secret = json_new_map();

    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(json_need_map(secret, "metadata"), "name", key->name);
    json_set_text(json_need_map(secret, "metadata"), "namespace", key->namespace);
    json_set_text(json_need_map(secret, "metadata"), "uid", "u");
    json_set_text(json_need_map(secret, "metadata"), "resourceVersion", "1");
    json_set_text(json_need_map(secret, "data"), row->key, value);
    return secret;
}

static inline int secrets_get(struct store *store, const struct context *ctx,
                              const struct resource *resource, const struct key *key,
                              struct json **ret, struct err *err)
{
    struct secrets *secrets = CONTAINER_OF(store, struct secrets, store);
    char name[KEY_TEXT_MAX];

    ASSERT_STREQ(resource->kind, "Secret");
    secrets->asked++;
    key_format(key, name);
    for (size_t i = 0; i < secrets->len; i++) {
        if (!streq(secrets->rows[i].name, name))
            continue;
        *ret = secrets_object(&secrets->rows[i], key);
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "not found");
}

static inline struct secrets secrets_of(const struct secret_row *rows, size_t len)
{
    static const struct store_ops ops = {.get = secrets_get};

    return (struct secrets){.store = {&ops}, .rows = rows, .len = len};
}

#endif
