#include "store/secret.h"

#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "store/name.h"

#define SECRET_DATA_MAX (1024 * 1024) /* all values together, decoded: Kubernetes */

bool resource_is_secret(const struct resource *resource)
{
    return str_empty(resource->group) && streq(resource->kind, "Secret");
}

static int set_encoded(struct json *data, const char *key, const char *text, struct err *err)
{
    cleanup(xfree_secret) char *encoded = NULL;

    if (!text)
        return err_set(err, ERR_INVALID, "stringData: value of '%s' is not a string", key);
    encoded = base64_new(text, strlen(text));
    json_set_text(data, key, encoded);
    return 0;
}

int secret_admit(struct json *secret, struct err *err)
{
    struct json *data;
    int r;

    if (!json_get(secret, "stringData"))
        return 0;
    if (json_kind(json_get(secret, "stringData")) != JSON_KIND_MAP)
        return err_set(err, ERR_INVALID, "stringData: is not a map");
    data = json_need_map(secret, "data");
    json_for_each (key, value, json_get(secret, "stringData")) {
        r = set_encoded(data, key, json_as_text(value), err);
        if (r < 0)
            return r;
    }
    json_remove(secret, "stringData");
    return 0;
}

static int check_value(const char *key, const struct json *value, size_t *total, struct err *err)
{
    cleanup(buf_deinit) struct buf decoded = BUF_SECRET(SECRET_DATA_MAX);
    const char *text = json_as_text(value);

    if (!stored_name_is_data_key(key))
        return err_set(err, ERR_INVALID, "data: '%s' is not a key (letters, digits, '-', '_', '.')",
                       key);
    /* The decoder's own text may quote the value: not for a Secret. */
    if (!text || base64_decode(&decoded, text, strlen(text), NULL) < 0 || decoded.failed)
        return err_set(err, ERR_INVALID, "data: value of '%s' is not base64 text", key);
    *total += decoded.len;
    return 0;
}

static int check_data(const struct json *data, struct err *err)
{
    size_t total = 0;
    int r;

    if (data && json_kind(data) != JSON_KIND_MAP)
        return err_set(err, ERR_INVALID, "data: is not a map");
    json_for_each (key, value, data) {
        r = check_value(key, value, &total, err);
        if (r < 0)
            return r;
    }
    if (total > SECRET_DATA_MAX)
        return err_set(err, ERR_TOO_LARGE, "data: together larger than %d bytes", SECRET_DATA_MAX);
    return 0;
}

static int check_type(const struct json *secret, struct err *err)
{
    const struct json *data = json_get(secret, "data");

    if (!streq(json_get_text(secret, "type"), "kubernetes.io/tls"))
        return 0;
    if (!json_get(data, "tls.crt") || !json_get(data, "tls.key"))
        return err_set(err, ERR_INVALID,
                       "data: a secret of type 'kubernetes.io/tls' needs 'tls.crt' and 'tls.key'");
    return 0;
}

static int check_against_stored(const struct json *stored, const struct json *secret,
                                struct err *err)
{
    const char *was = json_get_text(stored, "type");

    if (!streq(was, json_get_text(secret, "type")))
        return err_set(err, ERR_INVALID,
                       "type: cannot be changed (from '%s' to '%s'), delete the secret first", was,
                       json_get_text(secret, "type"));
    if (!json_get_bool(stored, "immutable", false))
        return 0;
    if (!json_get_bool(secret, "immutable", false))
        return err_set(err, ERR_INVALID, "immutable: cannot be taken back");
    if (!json_same(json_get(stored, "data"), json_get(secret, "data")))
        return err_set(err, ERR_INVALID, "data: cannot be changed, the secret is immutable");
    return 0;
}

int secret_check(const struct json *stored, struct json *secret, struct err *err)
{
    int r;

    if (str_empty(json_get_text(secret, "type")))
        json_set_text(secret, "type", "Opaque");
    if (stored) {
        r = check_against_stored(stored, secret, err);
        if (r < 0)
            return r;
    }
    r = check_data(json_get(secret, "data"), err);
    if (r < 0)
        return r;
    return check_type(secret, err);
}
