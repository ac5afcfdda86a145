/*
 * directory.c - the directory is read when it is first needed and kept for an hour. What the CA
 * does not know any more (404, malformed), or a profile that is not there, makes a fresh look.
 */
#include "acme/directory.h"

#include "acme/client.h"
#include "acme/decode.h"
#include "acme/request.h"

#define DIRECTORY_LIFE_MS    HOURS(1)
#define DIRECTORY_REFRESH_MS MINUTES(1) /* a CA that errs all the time is not asked more often */

static const struct {
    const char *name;
    size_t offset;
    bool required;
} resources[] = {
    [ACME_NEW_NONCE] = {"newNonce", offsetof(struct acme_directory, new_nonce), true},
    [ACME_NEW_ACCOUNT] = {"newAccount", offsetof(struct acme_directory, new_account), true},
    [ACME_NEW_ORDER_URL] = {"newOrder", offsetof(struct acme_directory, new_order), true},
    [ACME_NEW_AUTHZ] = {"newAuthz", offsetof(struct acme_directory, new_authz), false},
    [ACME_REVOKE_CERT] = {"revokeCert", offsetof(struct acme_directory, revoke_cert), false},
    [ACME_KEY_CHANGE] = {"keyChange", offsetof(struct acme_directory, key_change), false},
    [ACME_RENEWAL_INFO] = {"renewalInfo", offsetof(struct acme_directory, renewal_info), false},
};

static char **member(struct acme_directory *directory, enum acme_resource resource)
{
    return (char **)((char *)directory + resources[resource].offset);
}

void acme_directory_deinit(struct acme_directory *directory)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        xfree(*member(directory, i));
    xfree(directory->terms_of_service);
    xfree(directory->website);
    strlist_deinit(&directory->caa_identities);
    strmap_deinit(&directory->profiles);
    *directory = (struct acme_directory){};
}

static void directory_copy(struct acme_directory *to, const struct acme_directory *from)
{
    *to = (struct acme_directory){};
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        *member(to, i) = xstrdup(*member((struct acme_directory *)from, i));
    to->terms_of_service = xstrdup(from->terms_of_service);
    to->website = xstrdup(from->website);
    to->external_account_required = from->external_account_required;
    strlist_copy(&to->caa_identities, &from->caa_identities);
    strmap_copy(&to->profiles, &from->profiles);
}

static void decode_meta(const struct json *meta, struct acme_directory *to)
{
    to->terms_of_service = acme_decode_text(meta, "termsOfService");
    to->website = acme_decode_text(meta, "website");
    to->external_account_required = json_get_bool(meta, "externalAccountRequired", false);
    json_for_each_item (item, json_get(meta, "caaIdentities")) {
        if (json_as_text(item) && to->caa_identities.len < LIMIT_NAMES)
            strlist_add(&to->caa_identities, json_as_text(item));
    }
    json_for_each (name, item, json_get(meta, "profiles")) {
        cleanup(xfree) char *description = acme_clip(str_or(json_as_text(item), ""), ACME_TEXT_MAX);

        if (to->profiles.len < LIMIT_NAMES)
            strmap_set(&to->profiles, name, description);
    }
}

int acme_directory_decode(const struct json *value, struct acme_directory *ret, struct err *err)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    int r;

    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        r = acme_decode_url(value, resources[i].name, resources[i].required, member(&directory, i),
                            err);
        if (r < 0)
            return r;
    }
    decode_meta(json_get(value, "meta"), &directory);
    *ret = directory;
    directory = (struct acme_directory){};
    return 0;
}

static int fetch(struct acme_client *client, const struct context *ctx, struct acme_directory *ret,
                 struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *body = NULL;
    struct acme_call call = {
        .step = "fetching directory", .action = "discover", .url = client->directory_url};
    int r;

    r = acme_fetch(client, ctx, "GET", &call, &response, NULL, err);
    if (r < 0)
        return r;
    r = acme_body(&response, &body, err);
    if (r >= 0)
        r = acme_directory_decode(body, ret, err);
    return r < 0 ? err_wrap(err, "directory '%s'", client->directory_url) : 0;
}

static bool copy_cached(struct acme_client *client, const struct context *ctx,
                        struct acme_directory *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);
    int64_t now_ms = clock_monotonic_ms(ctx->clock);

    if (!client->has_directory || now_ms - client->directory_at_ms >= DIRECTORY_LIFE_MS)
        return false;
    directory_copy(ret, &client->directory);
    return true;
}

static void cache(struct acme_client *client, const struct context *ctx,
                  const struct acme_directory *directory)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    acme_directory_deinit(&client->directory);
    directory_copy(&client->directory, directory);
    client->directory_at_ms = clock_monotonic_ms(ctx->clock);
    client->has_directory = true;
}

int acme_directory(struct acme_client *client, const struct context *ctx,
                   struct acme_directory *ret, struct err *err)
{
    int r;

    if (copy_cached(client, ctx, ret))
        return 0;
    r = fetch(client, ctx, ret, err);
    if (r < 0)
        return r;
    cache(client, ctx, ret);
    return 0;
}

int acme_directory_url(struct acme_client *client, const struct context *ctx,
                       enum acme_resource resource, char **ret, struct err *err)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    int r;

    r = acme_directory(client, ctx, &directory, err);
    if (r < 0)
        return r;
    if (!*member(&directory, resource))
        return err_set(err, ERR_UNSUPPORTED, "the CA does not offer %s (directory '%s')",
                       resources[resource].name, client->directory_url);
    *ret = take(*member(&directory, resource));
    return 0;
}

bool acme_directory_expire(struct acme_client *client, const struct context *ctx)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    if (clock_monotonic_ms(ctx->clock) - client->directory_at_ms < DIRECTORY_REFRESH_MS)
        return false;
    client->has_directory = false;
    return true;
}
