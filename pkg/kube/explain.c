#include "kube/explain.h"

#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "json/json.h"

static const char *origin(const struct kube_config *config)
{
    return str_or(config->origin, "the kubeconfig");
}

/* When a JSON Web Token ends; 0: it is none, or does not say. */
static int64_t expires_ms(const char *token)
{
    cleanup(buf_deinit) struct buf claims = BUF_SECRET(LIMIT_TOKEN);
    cleanup(json_unref) struct json *value = NULL;
    const char *from = strchr(token, '.'), *to = from ? strchr(from + 1, '.') : NULL;
    int64_t seconds;

    if (!to || base64url_decode(&claims, from + 1, (size_t)(to - from - 1), NULL) < 0 ||
        json_parse(buf_str(&claims), claims.len, LIMIT_TOKEN, &value, NULL) < 0)
        return 0;
    seconds = json_get_int(value, "exp", 0);
    return seconds > 0 && seconds < INT64_MAX / 1000 ? SECONDS(seconds) : 0;
}

static void add_end(const char *token, int64_t now_ms, struct buf *to)
{
    int64_t end_ms = expires_ms(token);
    char time[TIME_TEXT_MAX];

    if (end_ms == 0 || end_ms > now_ms) {
        buf_add_str(to, " is not valid there (any more)");
        return;
    }
    time_format(end_ms, time);
    buf_addf(to, " expired at %s", time);
}

static void add_token(const struct kube_config *config, struct buf *to)
{
    const struct kube_user *user = &config->user;

    if (!str_empty(user->token_file))
        buf_addf(to, "the token in '%s'", user->token_file);
    else if (!str_empty(user->token))
        buf_addf(to, "the token of %s", origin(config));
    else
        buf_addf(to, "the token that credential plugin '%s' gave",
                 user->exec ? str_or(user->exec->command, "") : "");
}

static void add_other(const struct kube_config *config, struct buf *to)
{
    const struct kube_user *user = &config->user;

    if (!str_empty(user->username))
        buf_addf(to, "it does not know the username and password of %s", origin(config));
    else if (!str_empty(user->client_certificate))
        buf_addf(to, "the client certificate in '%s' is not of its CA, or has expired",
                 user->client_certificate);
    else if (user->client_certificate_data.len > 0)
        buf_addf(to, "the client certificate of %s is not of its CA, or has expired",
                 origin(config));
    else if (user->exec)
        buf_addf(to, "what credential plugin '%s' gave is not valid there",
                 str_or(user->exec->command, ""));
    else
        buf_addf(to, "%s has none", origin(config));
}

void kube_explain_credentials(const struct kube_config *config, const char *token, int64_t now_ms,
                              struct buf *to)
{
    if (!token) {
        add_other(config, to);
        return;
    }
    add_token(config, to);
    add_end(token, now_ms, to);
}

void kube_explain_trust(const struct kube_config *config, struct buf *to)
{
    const struct kube_cluster *cluster = &config->cluster;

    if (cluster->certificate_authority_data.len > 0)
        buf_addf(to, "check certificate-authority-data of %s", origin(config));
    else if (!str_empty(cluster->certificate_authority))
        buf_addf(to, "check certificate-authority '%s'", cluster->certificate_authority);
    else
        buf_addf(to, "%s names no certificate-authority, so the system's roots are trusted",
                 origin(config));
}
