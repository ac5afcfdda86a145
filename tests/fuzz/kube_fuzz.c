/*
 * What an API server, a kubeconfig and a credential plugin say, and a Lease: the first octet chooses the decoder, the
 * rest is its text. Whatever comes must end in a struct or an error, and no error may quote a Secret.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/cache.h"
#include "kube/exec.h"
#include "kube/explain.h"
#include "kube/store.h"
#include "runtime/lease.h"

#define NOW_MS     1767225600000 /* 2026-01-01 */
#define EVENTS_MAX 1000
#define CANARY     "c4n4ry"

static const struct resource certificates = {"cert-manager.io", "v1", "Certificate",
                                             "certificates",    true, true};
static const struct resource secrets = {
    "", "v1", "Secret", "secrets", true, false, .watched_without_owners = true};

struct text {
    const char *data;
    size_t len;
};

/* --- a watch or a list, from a server that says the same to everything --- */

static int answer(void *arg, const struct context *ctx, const struct http_request *request,
                  struct http_response *ret, struct err *err)
{
    const struct text *text = arg;

    ret->status = 200;
    buf_add(&ret->body, text->data, text->len);
    return 0;
}

static int skip_wait(void *arg, const struct context *ctx, int64_t wait_ms, struct err *err)
{
    return 0;
}

/* --- what was decoded last: never another object's, nor another version --- */

struct seen { /* of an object */
    int refs;
    char *uid, *version;
};

static int seen_decode(const struct json *object, const void **ret, struct err *err)
{
    const struct json *metadata = json_get(object, "metadata");
    struct seen *seen = xalloc(sizeof(*seen));

    *seen = (struct seen){
        .refs = 1,
        .uid = xstrdup(str_or(json_get_text(metadata, "uid"), "")),
        .version = xstrdup(str_or(json_get_text(metadata, "resourceVersion"), ""))};
    *ret = seen;
    return 0;
}

static const void *seen_ref(const void *object)
{
    ((struct seen *)object)->refs++;
    return object;
}

static void seen_unref(const void *object)
{
    struct seen *seen = (struct seen *)object;

    if (--seen->refs > 0)
        return;
    xfree(seen->uid);
    xfree(seen->version);
    xfree(seen);
}

static const struct cache_kind seen_kind = {
    .decode = seen_decode, .ref = seen_ref, .unref = seen_unref};

static void check_decoded(struct cache *cache, const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");
    const struct seen *seen;
    const void *found = NULL;

    if (cache_decode(cache, object, &found, NULL) < 0)
        abort();
    seen = found;
    if (!streq(seen->uid, str_or(json_get_text(metadata, "uid"), "")) ||
        !streq(seen->version, str_or(json_get_text(metadata, "resourceVersion"), "")))
        abort();
    seen_unref(found);
}

static void check_event(const struct store_event *event, struct cache *cache)
{
    if (str_empty(event->version) || memchr(event->version, '\0', sizeof(event->version)) == NULL)
        abort();
    if ((event->type == STORE_BOOKMARK) == (event->object != NULL))
        abort();
    if (event->object)
        check_decoded(cache, event->object);
}

/* `since` NULL: the present state, too. */
static void watch(struct store *store, const struct context *ctx, const struct resource *resource,
                  const char *since)
{
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    cleanup(cache_free) struct cache *cache = cache_new(&seen_kind);
    struct err err = {};

    if (store->ops->watch(store, ctx, resource, NULL, since, &watch, &err) < 0)
        return;
    for (int i = 0; i < EVENTS_MAX; i++) {
        cleanup(store_event_deinit) struct store_event event = {};

        if (store->ops->watch_next(watch, ctx, &event, &err) < 0) {
            if (resource == &secrets && strstr(err.text, CANARY))
                abort();
            return;
        }
        check_event(&event, cache);
    }
}

static void read_store(const char *data, size_t len)
{
    static const struct kube_config config = {.cluster.server = "https://api.test"};
    struct text text = {data, len};
    struct fake_clock clock; /* outlives the store */
    cleanup(http_free) struct http *http = http_new_fake(answer, &text);
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *object = NULL;
    struct key key = {"a", "b"};
    struct context ctx;

    fake_clock_init(&clock, NOW_MS);
    ctx = context_background(&clock.clock);
    if (store_kube_open(&(struct store_kube_options){.config = &config,
                                                     .http = http,
                                                     .clock = &clock.clock,
                                                     .wait = skip_wait,
                                                     .notes_by_hand = true},
                        &store, NULL) < 0)
        abort();
    watch(store, &ctx, &certificates, NULL);
    watch(store, &ctx, &secrets, "7");
    (void)store_get(store, &ctx, &secrets, &key, &object, NULL);
}

/* --- Status --- */

static void read_status(const char *data, size_t len)
{
    static const int statuses[] = {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504, 302};
    static const struct resource *const resources[] = {&certificates, &secrets};

    for (size_t i = 0; i < 2 * ARRAY_LEN(statuses); i++) {
        cleanup(http_response_deinit) struct http_response response = {
            .status = statuses[i / 2], .body = BUF(LIMIT_KUBE_BODY)};
        const struct resource *resource = resources[i % 2];
        struct kube_about about = {
            .doing = "reading", .verb = "get", .resource = resource, .namespace = "a", .name = "b"};
        struct kube_status status;
        struct err err = {};

        buf_add(&response.body, data, len);
        if (kube_status_check(&about, &response, NOW_MS, &status, &err) >= 0 || !err.text[0])
            abort();
        if (status.code != err.code || (status.retry_at_ms != 0 && status.retry_at_ms < NOW_MS))
            abort();
        /* The reason and names of fields are told, so that is where it may be. */
        if (resource == &secrets && strstr(err.text, CANARY) && !strstr(status.reason, CANARY) &&
            !memmem(data, len, "field", 5))
            abort();
    }
}

/* --- kubeconfig --- */

static const char *no_environment(const char *name)
{
    return NULL;
}

static void read_kubeconfig(const char *data, size_t len)
{
    cleanup(kube_config_free) struct kube_config *config = NULL;
    int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    char path[64];
    struct err err = {};

    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (kube_config_load(
            &(struct kube_config_options){.kubeconfig = path, .getenv = no_environment}, &config,
            &err) == 0 &&
        (str_empty(config->cluster.server) || !config->origin || config->user.auth_provider))
        abort();
    (void)close(fd);
}

/* --- ExecCredential --- */

static void read_credential(const char *data, size_t len)
{
    static const struct kube_exec exec = {.api_version = "client.authentication.k8s.io/v1"};
    static const struct kube_config config = {.origin = "the test"};
    cleanup(buf_deinit) struct buf told = BUF(1 << 16);
    cleanup(kube_exec_reply_deinit) struct kube_exec_reply reply = {};
    cleanup(buf_deinit) struct buf output = BUF(LIMIT_PLUGIN_OUTPUT);
    struct err err = {};

    buf_add(&output, data, len);
    if (kube_exec_read(&exec, &output, &reply, &err) < 0) {
        if (strstr(err.text, CANARY))
            abort();
        return;
    }
    if (!reply.cert_pem != !reply.key_pem || (!reply.token && !reply.cert_pem))
        abort();
    kube_explain_credentials(&config, reply.token, NOW_MS, &told);
    if (told.len > 0 && strstr(buf_str(&told), CANARY))
        abort();
}

/* --- Lease --- */

static void read_lease(const char *data, size_t len)
{
    static const struct key key = {"a", "b"};
    cleanup(json_unref) struct json *lease = NULL, *taken = NULL;
    struct lease_record record;

    if (json_parse_foreign(data, len, LIMIT_KUBE_BODY, &lease, NULL) < 0 ||
        json_kind(json_get(lease, "metadata")) != JSON_KIND_MAP)
        return; /* the store gives no such object */
    lease_read(lease, &record);
    if (!record.holder || record.duration_ms < 0)
        abort();
    taken = lease_written(lease, &key, LEASE_TAKE, "us", SECONDS(15), NOW_MS);
    lease_read(taken, &record);
    if (!streq(record.holder, "us") || record.duration_ms != SECONDS(15))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(const char *data, size_t len) = {
        read_store, read_status, read_kubeconfig, read_credential, read_lease};

    if (size > 0)
        decoders[(uint8_t)(data[0] - '0') % ARRAY_LEN(decoders)]((const char *)data + 1, size - 1);
    return 0;
}
