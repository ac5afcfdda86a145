#include "kube/credentials.h"

#include <ctype.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/thread.h"
#include "kube/exec.h"

#define TOKEN_PERIOD_MS   MINUTES(1)
#define FILES_PERIOD_MS   MINUTES(5)
#define RETRY_MS          SECONDS(10) /* after a file could not be read again */
#define EXPIRY_LEEWAY_MS  SECONDS(10)
#define PLUGIN_PAUSE_MS   SECONDS(10) /* not more often, when the server refuses what it gives */
#define NEVER             INT64_MAX
#define BEARER            "Bearer "
#define IMPERSONATE_EXTRA "Impersonate-Extra-"

struct kube_identity {
    atomic_int refs;
    char *authorization; /* NULL: the client certificate says it */
    struct strmap headers;
    char *ca_pem, *cert_pem, *key_pem;
    struct http_tls tls; /* lends the three above */
    int64_t expires_ms;  /* wall clock; 0: not known to */
};

enum source_name { SOURCE_TOKEN, SOURCE_CA, SOURCE_CERT, SOURCE_KEY, SOURCES };

struct source {
    const char *path; /* NULL: constant */
    const char *what; /* for messages */
    size_t max;
    int64_t period_ms;
    char *text;     /* NULL: none, or not read yet */
    int64_t due_ms; /* monotonic */
};

struct kube_credentials {
    const struct kube_config *config;
    const struct clock *clock;

    struct mutex mutex;
    struct cond changed;
    struct kube_identity *identity; /* NULL: has to be made */
    bool refreshing;                /* a thread is at it; the rest belongs to that one then */
    int64_t due_ms;                 /* monotonic: the next look at any source */

    struct source sources[SOURCES];
    struct kube_exec_reply plugin;
    bool plugin_ran;
    int64_t plugin_ran_ms;   /* monotonic */
    int64_t plugin_retry_ms; /* monotonic: not sooner, as long as the old reply holds */
};

/* --- headers --- */

void kube_header_add(struct strmap *headers, const char *name, const char *value)
{
    headers->items = xrealloc(headers->items, (headers->len + 1) * sizeof(*headers->items));
    headers->items[headers->len++] = (struct strmap_entry){xstrdup(name), xstrdup(value)};
}

void kube_headers_deinit(struct strmap *headers)
{
    for (size_t i = 0; i < headers->len; i++)
        wipe(headers->items[i].value, strlen(headers->items[i].value));
    strmap_deinit(headers);
}

/* Keys are anything, header names are not: others bytes as %XX, which the server decodes. */
static char *extra_name(const char *key)
{
    cleanup(buf_deinit) struct buf name = BUF(LIMIT_HTTP_HEADERS);

    buf_add_str(&name, IMPERSONATE_EXTRA);
    for (const unsigned char *c = (const unsigned char *)key; *c; c++) {
        if (isalnum(*c) || strchr("!#$&'*+-.^_`|~", *c))
            buf_add_char(&name, (char)*c);
        else
            buf_addf(&name, "%%%02X", *c);
    }
    return buf_take(&name);
}

static void add_impersonation(const struct kube_user *user, struct strmap *headers)
{
    if (!str_empty(user->as))
        kube_header_add(headers, "Impersonate-User", user->as);
    if (!str_empty(user->as_uid))
        kube_header_add(headers, "Impersonate-Uid", user->as_uid);
    for (size_t i = 0; i < user->as_groups.len; i++)
        kube_header_add(headers, "Impersonate-Group", user->as_groups.items[i]);
    json_for_each (key, values, user->as_user_extra) {
        cleanup(xfree) char *name = extra_name(key);

        json_for_each_item (value, values)
            kube_header_add(headers, name, str_or(json_as_text(value), ""));
    }
}

static char *basic_of(const struct kube_user *user)
{
    cleanup(xfree_secret) char *both = xasprintf("%s:%s", user->username,
                                                 str_or(user->password, ""));
    cleanup(xfree_secret) char *encoded = base64_new(both, strlen(both));

    return xasprintf("Basic %s", encoded);
}

/* --- identity --- */

void kube_identity_unref(const struct kube_identity *identity)
{
    struct kube_identity *self = (struct kube_identity *)identity;

    if (!self || atomic_fetch_sub(&self->refs, 1) > 1)
        return;
    xfree_secret(self->authorization);
    kube_headers_deinit(&self->headers);
    xfree(self->ca_pem);
    xfree(self->cert_pem);
    xfree_secret(self->key_pem);
    xfree(self);
}

const struct http_tls *kube_identity_tls(const struct kube_identity *identity)
{
    return &identity->tls;
}

const char *kube_identity_token(const struct kube_identity *identity)
{
    const char *text = str_or(identity->authorization, "");

    return str_starts(text, BEARER) ? text + strlen(BEARER) : NULL;
}

void kube_identity_add_headers(const struct kube_identity *identity, struct strmap *headers)
{
    if (identity->authorization)
        kube_header_add(headers, "Authorization", identity->authorization);
    strmap_for_each (header, &identity->headers)
        kube_header_add(headers, header->key, header->value);
}

/* What is there already wins over the plugin, as in client-go. */
static char *authorization_of(const struct kube_credentials *self)
{
    const struct kube_user *user = &self->config->user;
    const char *token = self->sources[SOURCE_TOKEN].text;

    if (!token && !str_empty(user->username))
        return basic_of(user);
    if (!token)
        token = self->plugin.token;
    return token ? xasprintf(BEARER "%s", token) : NULL;
}

static struct kube_identity *identity_new(const struct kube_credentials *self)
{
    struct kube_identity *identity = xalloc(sizeof(*identity));
    const struct kube_cluster *cluster = &self->config->cluster;
    bool own_cert = self->sources[SOURCE_CERT].text != NULL;

    identity->expires_ms = self->plugin.expires_ms;
    atomic_init(&identity->refs, 1);
    identity->authorization = authorization_of(self);
    add_impersonation(&self->config->user, &identity->headers);
    identity->ca_pem = xstrdup(self->sources[SOURCE_CA].text);
    identity->cert_pem = xstrdup(own_cert ? self->sources[SOURCE_CERT].text
                                          : self->plugin.cert_pem);
    identity->key_pem = xstrdup(own_cert ? self->sources[SOURCE_KEY].text : self->plugin.key_pem);
    identity->tls = (struct http_tls){
        .ca_pem = identity->ca_pem,
        .skip_verify = cluster->insecure_skip_tls_verify,
        .server_name = str_empty(cluster->tls_server_name) ? NULL : cluster->tls_server_name,
        .cert_pem = identity->cert_pem,
        .key_pem = identity->key_pem,
    };
    return identity;
}

/* --- sources --- */

static void source_init(struct source *source, const char *what, const char *path,
                        struct bytes data, size_t max, int64_t period_ms)
{
    *source = (struct source){.what = what, .max = max, .period_ms = period_ms, .due_ms = NEVER};
    if (data.len > 0) {
        source->text = xstrndup((const char *)data.data, data.len);
    } else if (!str_empty(path)) {
        source->path = path;
        source->due_ms = INT64_MIN;
    }
}

static void trim(struct buf *text)
{
    while (text->len > 0 && isspace((unsigned char)text->data[text->len - 1]))
        buf_truncate(text, text->len - 1);
}

static int source_load(const struct source *source, char **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(source->max);
    int r = file_read(source->path, &text, err);

    if (r < 0)
        return err_wrap(err, "reading the %s", source->what);
    trim(&text);
    if (text.len == 0)
        return err_set(err, ERR_INVALID, "the %s '%s' is empty", source->what, source->path);
    if (strlen(text.data) != text.len)
        return err_set(err, ERR_INVALID, "the %s '%s' is no text", source->what, source->path);
    *ret = buf_take(&text);
    return 0;
}

/* Keeps what it has when there is nothing new to be had. Where it has nothing, each call tries again: none may go out
 * without the token, or to a server that the CA of the file does not vouch for. */
static int source_refresh(struct source *source, int64_t now_ms, bool *ret_changed, struct err *err)
{
    cleanup(xfree_secret) char *text = NULL;
    int r;

    if (now_ms < source->due_ms)
        return 0;
    r = source_load(source, &text, err);
    if (r < 0 && !source->text)
        return r;
    source->due_ms = now_ms + (r < 0 ? RETRY_MS : source->period_ms);
    if (r < 0)
        return 0;
    if (streq(text, source->text))
        return 0;
    xfree_secret(source->text);
    source->text = take(text);
    *ret_changed = true;
    return 0;
}

static void source_drop(struct source *source)
{
    xfree_secret(take(source->text));
    source->due_ms = INT64_MIN;
}

static bool has_expired(const struct kube_credentials *self, int64_t expires_ms, int64_t leeway_ms)
{
    return expires_ms > 0 && clock_wall_ms(self->clock) >= expires_ms - leeway_ms;
}

static bool plugin_is_due(const struct kube_credentials *self, int64_t now_ms)
{
    if (!self->config->user.exec)
        return false;
    if (!self->plugin_ran || has_expired(self, self->plugin.expires_ms, 0))
        return true;
    return has_expired(self, self->plugin.expires_ms, EXPIRY_LEEWAY_MS) &&
           now_ms >= self->plugin_retry_ms;
}

static int plugin_refresh(struct kube_credentials *self, const struct context *ctx,
                          bool *ret_changed, struct err *err)
{
    int64_t now_ms = clock_monotonic_ms(self->clock);
    struct kube_exec_reply reply = {};
    int r;

    if (!plugin_is_due(self, now_ms))
        return 0;
    r = kube_exec_run(self->config, ctx, &reply, err);
    if (r < 0) {
        self->plugin_retry_ms = now_ms + RETRY_MS;
        return plugin_is_due(self, now_ms) ? r : 0;
    }
    kube_exec_reply_deinit(&self->plugin);
    self->plugin = reply;
    self->plugin_ran = true;
    self->plugin_ran_ms = clock_monotonic_ms(self->clock);
    *ret_changed = true;
    return 0;
}

/* By the one thread that refreshes. */
static int refresh_sources(struct kube_credentials *self, const struct context *ctx,
                           bool *ret_changed, struct err *err)
{
    int64_t now_ms = clock_monotonic_ms(self->clock);
    int r = 0;

    for (int i = 0; i < SOURCES && r == 0; i++)
        r = source_refresh(&self->sources[i], now_ms, ret_changed, err);
    return r < 0 ? r : plugin_refresh(self, ctx, ret_changed, err);
}

static int64_t next_due_ms(const struct kube_credentials *self)
{
    int64_t due_ms = NEVER;

    for (int i = 0; i < SOURCES; i++)
        if (self->sources[i].due_ms < due_ms)
            due_ms = self->sources[i].due_ms;
    return due_ms;
}

/* --- one refreshes, the others wait --- */

static bool holds(const struct kube_credentials *self, int64_t leeway_ms)
{
    return self->identity && !has_expired(self, self->identity->expires_ms, leeway_ms);
}

static bool is_fresh(const struct kube_credentials *self)
{
    return holds(self, EXPIRY_LEEWAY_MS) && clock_monotonic_ms(self->clock) < self->due_ms;
}

static const struct kube_identity *identity_ref(struct kube_identity *identity)
{
    atomic_fetch_add(&identity->refs, 1);
    return identity;
}

struct waiter {
    struct kube_credentials *self;
    bool canceled; /* under the lock */
};

static void wake_waiter(void *arg)
{
    struct waiter *waiter = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&waiter->self->mutex);

    waiter->canceled = true;
    cond_broadcast(&waiter->self->changed);
}

/* With the lock held, until there is an identity or it is ours to make one. */
static int await_identity(struct kube_credentials *self, const struct context *ctx,
                          const struct waiter *waiter, struct err *err)
{
    int64_t left_ms;

    while (self->refreshing && !holds(self, 0)) {
        left_ms = context_remaining_ms(ctx, MINUTES(1));
        if (waiter->canceled)
            return err_set(err, ERR_CANCELED, "canceled");
        if (left_ms <= 0)
            return err_set(err, ERR_TIMEOUT, "no credentials for the API server in time");
        (void)cond_wait_for(&self->changed, &self->mutex, left_ms); /* the loop looks */
    }
    return 0;
}

/* True: the caller is the one who refreshes. */
static int choose(struct kube_credentials *self, const struct context *ctx,
                  const struct kube_identity **ret, bool *ret_mine, struct err *err)
{
    struct waiter waiter = {.self = self};
    struct cancel_waker waker = {.wake = wake_waiter, .arg = &waiter};
    int r;

    if (ctx->cancel)
        cancel_add_waker(ctx->cancel, &waker);
    mutex_lock(&self->mutex);
    r = await_identity(self, ctx, &waiter, err);
    if (r == 0 && (is_fresh(self) || self->refreshing)) {
        *ret = identity_ref(self->identity);
    } else if (r == 0) {
        self->refreshing = true;
        *ret_mine = true;
    }
    mutex_unlock(&self->mutex);
    if (ctx->cancel)
        cancel_remove_waker(ctx->cancel, &waker);
    return r;
}

static int refresh(struct kube_credentials *self, const struct context *ctx,
                   const struct kube_identity **ret, struct err *err)
{
    cleanup(kube_identity_unref) const struct kube_identity *old = NULL;
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    bool changed = false;
    int r = refresh_sources(self, ctx, &changed, err);

    locked = mutex_hold(&self->mutex);
    self->refreshing = false;
    self->due_ms = next_due_ms(self);
    cond_broadcast(&self->changed);
    if (r < 0)
        return r;
    if (changed || !self->identity) {
        old = self->identity;
        self->identity = identity_new(self);
    }
    *ret = identity_ref(self->identity);
    return 0;
}

int kube_credentials_get(struct kube_credentials *self, const struct context *ctx,
                         const struct kube_identity **ret, struct err *err)
{
    bool mine = false;
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    r = choose(self, ctx, ret, &mine, err);
    if (r == 0 && mine)
        r = refresh(self, ctx, ret, err);
    return r < 0 ? err_wrap(err, "authenticating to the API server") : 0;
}

static bool may_rerun_plugin(const struct kube_credentials *self)
{
    return self->config->user.exec &&
           clock_monotonic_ms(self->clock) - self->plugin_ran_ms >= PLUGIN_PAUSE_MS;
}

/* What may be another one by now; false: nothing. The CA is not what was refused. */
static bool drop_renewable(struct kube_credentials *self)
{
    bool any = may_rerun_plugin(self);

    self->plugin_ran = self->plugin_ran && !any;
    for (int i = 0; i < SOURCES; i++) {
        if (i == SOURCE_CA || !self->sources[i].path)
            continue;
        source_drop(&self->sources[i]);
        any = true;
    }
    return any;
}

bool kube_credentials_refuse(struct kube_credentials *self, const struct kube_identity *used)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    if (self->identity != used || self->refreshing)
        return true; /* somebody else has heard it before */
    if (!drop_renewable(self))
        return false;
    kube_identity_unref(take(self->identity));
    return true;
}

/* --- start and end --- */

struct kube_credentials *kube_credentials_new(const struct kube_config *config,
                                              const struct clock *clock)
{
    struct kube_credentials *self = xalloc(sizeof(*self));
    const struct kube_user *user = &config->user;
    const struct kube_cluster *cluster = &config->cluster;
    struct bytes token = bytes_of(user->token, user->token ? strlen(user->token) : 0);

    self->config = config;
    self->clock = clock;
    mutex_init(&self->mutex);
    cond_init(&self->changed);
    if (!str_empty(user->token_file)) /* wins */
        token = (struct bytes){};
    source_init(&self->sources[SOURCE_TOKEN], "token", user->token_file, token, LIMIT_TOKEN,
                TOKEN_PERIOD_MS);
    source_init(&self->sources[SOURCE_CA], "CA bundle", cluster->certificate_authority,
                cluster->certificate_authority_data, LIMIT_BUNDLE_PEM, FILES_PERIOD_MS);
    source_init(&self->sources[SOURCE_CERT], "client certificate", user->client_certificate,
                user->client_certificate_data, LIMIT_BUNDLE_PEM, FILES_PERIOD_MS);
    source_init(&self->sources[SOURCE_KEY], "client key", user->client_key, user->client_key_data,
                LIMIT_KEY_PEM, FILES_PERIOD_MS);
    return self;
}

void kube_credentials_free(struct kube_credentials *self)
{
    if (!self)
        return;
    for (int i = 0; i < SOURCES; i++)
        xfree_secret(self->sources[i].text);
    kube_exec_reply_deinit(&self->plugin);
    kube_identity_unref(self->identity);
    cond_deinit(&self->changed);
    mutex_deinit(&self->mutex);
    xfree(self);
}
