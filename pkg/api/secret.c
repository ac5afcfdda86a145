/*
 * secret.c - Secrets in full: the table, its rules, and reading a value.
 */
#include "api/secret.h"

#include <string.h>

#include "api/check.h"
#include "api/secret_data.h"
#include "base/limits.h"
#include "pki/names.h"

static bool check_key(const char *key, const char *path, struct field_report *report)
{
    if (name_is_secret_key(key))
        return true;
    problem_at_key(
        report, PROBLEM_INVALID, path, key,
        "is not a key that a Secret may have: use letters, digits, '-', '_' and '.', not "
        "'..' at its beginning, at most 253 characters");
    return false;
}

static void check_data(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *data = member;

    for (size_t i = 0; i < data->len; i++) {
        const struct pair *pair = &data->items[i];
        cleanup(buf_deinit) struct buf value = BUF_SECRET(LIMIT_OBJECT);
        struct err why = {};

        if (check_key(pair->key, path, report) && secret_data_decode(pair->value, &value, &why) < 0)
            problem_at_key(report, PROBLEM_INVALID, path, pair->key,
                           "is not base64: %s; plain text belongs under 'stringData'", why.text);
    }
}

static void check_string_data(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *data = member;

    for (size_t i = 0; i < data->len; i++)
        (void)check_key(data->items[i].key, path, report); /* reported, go on */
}

static const struct field secret_rows[] = {
    FIELD(struct secret, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct secret, immutable, "immutable", OPT_BOOL),
    FIELD(struct secret, data, "data", MAP, .check = check_data),
    FIELD(struct secret, string_data, "stringData", MAP, .check = check_string_data),
    FIELD(struct secret, type, "type", STRING, .default_text = "Opaque"),
};
DEFINE_FIELDS(secret, "Secret", secret_rows, NULL);

bool secret_has(const struct secret *secret, const char *key)
{
    return array_pair_get(&secret->string_data, key) || array_pair_get(&secret->data, key);
}

/* "secret 'ns/name'" */
static const char *name_secret(const struct secret *secret, char text[KEY_TEXT_MAX])
{
    struct key key = object_key(&secret->object);

    key_format(&key, text);
    return text;
}

int secret_value(const struct secret *secret, const char *key, struct buf *to, struct err *err)
{
    const char *plain = array_pair_get(&secret->string_data, key);
    const char *value = array_pair_get(&secret->data, key);
    char name[KEY_TEXT_MAX];
    int r;

    if (plain) { /* it goes before data, as in the API server */
        buf_add_str(to, plain);
        return buf_check(to, key, err);
    }
    if (!value)
        return err_set(err, ERR_NOT_FOUND, "secret '%s' has no key '%s'", name_secret(secret, name),
                       key);
    r = secret_data_decode(value, to, err);
    if (r < 0)
        return err_wrap(err, "key '%s' of secret '%s'", key, name_secret(secret, name));
    return 0;
}
