#include "kube/exec.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/child.h"
#include "base/file.h"
#include "base/limits.h"

#define INFO            "KUBERNETES_EXEC_INFO"
#define TIMEOUT_MS      MINUTES(1)
#define ASK_TIMEOUT_MS  MINUTES(5) /* somebody types, or logs in with a browser */
#define GRACE_MS        SECONDS(1)
#define CREDENTIAL_KIND "ExecCredential"

static const char *const versions[] = {"client.authentication.k8s.io/v1",
                                       "client.authentication.k8s.io/v1beta1"};

void kube_exec_reply_deinit(struct kube_exec_reply *reply)
{
    xfree_secret(reply->token);
    xfree_secret(reply->cert_pem);
    xfree_secret(reply->key_pem);
    *reply = (struct kube_exec_reply){};
}

/* --- what it is told --- */

static int check(const struct kube_exec *exec, struct err *err)
{
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        known = known || streq(exec->api_version, versions[i]);
    if (!known)
        return err_set(err, ERR_UNSUPPORTED, "apiVersion '%s' is not built here",
                       str_or(exec->api_version, ""));
    if (streq(exec->api_version, versions[0]) && exec->interactive_mode == KUBE_INTERACTIVE_UNSET)
        return err_set(err, ERR_INVALID, "interactiveMode is required in %s", versions[0]);
    if (exec->interactive_mode == KUBE_INTERACTIVE_ALWAYS && !isatty(STDIN_FILENO))
        return err_set(err, ERR_INVALID, "it wants to ask on a terminal, and there is none");
    return 0;
}

static bool may_ask(const struct kube_exec *exec)
{
    return exec->interactive_mode != KUBE_INTERACTIVE_NEVER && isatty(STDIN_FILENO);
}

static int cluster_ca(const struct kube_cluster *cluster, char **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_BUNDLE_PEM);
    int r;

    if (cluster->certificate_authority_data.len > 0) {
        *ret = base64_new(cluster->certificate_authority_data.data,
                          cluster->certificate_authority_data.len);
        return 0;
    }
    if (str_empty(cluster->certificate_authority))
        return 0;
    r = file_read(cluster->certificate_authority, &text, err);
    if (r < 0)
        return r;
    *ret = base64_new(text.data, text.len);
    return 0;
}

static int cluster_info(const struct kube_cluster *cluster, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *info = json_new_map();
    cleanup(xfree) char *ca = NULL;
    int r = cluster_ca(cluster, &ca, err);

    if (r < 0)
        return r;
    json_set_text(info, "server", cluster->server);
    if (!str_empty(cluster->tls_server_name))
        json_set_text(info, "tls-server-name", cluster->tls_server_name);
    if (!str_empty(cluster->proxy_url))
        json_set_text(info, "proxy-url", cluster->proxy_url);
    if (cluster->insecure_skip_tls_verify)
        json_set_bool(info, "insecure-skip-tls-verify", true);
    json_set_text(info, "certificate-authority-data", ca);
    *ret = take(info);
    return 0;
}

static int info_text(const struct kube_config *config, char **ret, struct err *err)
{
    const struct kube_exec *exec = config->user.exec;
    cleanup(json_unref) struct json *info = json_new_map();
    struct json *spec = json_need_map(info, "spec"), *cluster = NULL;
    int r = 0;

    json_set_text(info, "apiVersion", exec->api_version);
    json_set_text(info, "kind", CREDENTIAL_KIND);
    json_set_bool(spec, "interactive", may_ask(exec));
    if (exec->provide_cluster_info)
        r = cluster_info(&config->cluster, &cluster, err);
    if (r < 0)
        return r;
    json_set(spec, "cluster", cluster);
    *ret = json_text(info);
    return 0;
}

/* --- its arguments and environment, all in one arena --- */

static char **arguments_of(struct arena *arena, const struct kube_exec *exec)
{
    char **list = arena_alloc(arena, (exec->args.len + 2) * sizeof(*list));

    list[0] = arena_strdup(arena, exec->command);
    for (size_t i = 0; i < exec->args.len; i++)
        list[i + 1] = arena_strdup(arena, exec->args.items[i]);
    return list;
}

static size_t name_len(const char *variable)
{
    return strcspn(variable, "=");
}

static bool is_replaced(const struct kube_exec *exec, const char *variable)
{
    size_t len = name_len(variable);

    if (len == strlen(INFO) && strncmp(variable, INFO, len) == 0)
        return true;
    for (size_t i = 0; i < exec->env.len; i++) {
        const char *name = str_or(exec->env.items[i].name, "");

        if (strlen(name) == len && strncmp(name, variable, len) == 0)
            return true;
    }
    return false;
}

static char **environment_of(struct arena *arena, const struct kube_exec *exec, const char *info)
{
    size_t count = 0, used = 0;
    char **list;

    while (environ && environ[count])
        count++;
    list = arena_alloc(arena, (count + exec->env.len + 2) * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        if (!is_replaced(exec, environ[i]))
            list[used++] = environ[i];
    for (size_t i = 0; i < exec->env.len; i++)
        list[used++] = arena_printf(arena, "%s=%s", str_or(exec->env.items[i].name, ""),
                                    str_or(exec->env.items[i].value, ""));
    list[used] = arena_printf(arena, INFO "=%s", info);
    return list;
}

/* --- what it answers --- */

static int check_reply(const struct kube_exec *exec, const struct json *reply, struct err *err)
{
    const struct json *status = json_get(reply, "status");
    bool cert = json_get_text(status, "clientCertificateData") != NULL;
    bool key = json_get_text(status, "clientKeyData") != NULL;

    if (!streq(json_get_text(reply, "kind"), CREDENTIAL_KIND))
        return err_set(err, ERR_PROTOCOL, "it did not print an ExecCredential");
    if (!streq(json_get_text(reply, "apiVersion"), exec->api_version))
        return err_set(err, ERR_PROTOCOL, "it printed an ExecCredential that is not of %s",
                       exec->api_version);
    if (cert != key)
        return err_set(err, ERR_PROTOCOL,
                       "it printed a client certificate without its key, or the other way round");
    if (!cert && str_empty(json_get_text(status, "token")))
        return err_set(err, ERR_PROTOCOL, "it printed neither a token nor a certificate");
    return 0;
}

int kube_exec_read(const struct kube_exec *exec, const struct buf *output,
                   struct kube_exec_reply *ret, struct err *err)
{
    cleanup(json_unref) struct json *reply = NULL;
    const struct json *status;
    const char *expires;
    int r = json_parse(buf_str(output), output->len, LIMIT_PLUGIN_OUTPUT, &reply, err);

    if (r < 0)
        return err_set(err, ERR_PROTOCOL, "it did not print JSON");
    r = check_reply(exec, reply, err);
    if (r < 0)
        return r;
    status = json_get(reply, "status");
    expires = json_get_text(status, "expirationTimestamp");
    if (!str_empty(expires) && time_parse_rfc3339(expires, &ret->expires_ms, err) < 0)
        return err_set(err, ERR_PROTOCOL, "expirationTimestamp is not a time");
    if (!str_empty(json_get_text(status, "token")))
        ret->token = xstrdup(json_get_text(status, "token"));
    ret->cert_pem = xstrdup(json_get_text(status, "clientCertificateData"));
    ret->key_pem = xstrdup(json_get_text(status, "clientKeyData"));
    return 0;
}

/* --- the program --- */

static bool keep_output(void *arg, const char *data, size_t len)
{
    struct buf *output = arg;

    buf_add(output, data, len);
    return output->failed;
}

static int result_of(const struct child_end *end, const struct buf *output, struct err *err)
{
    switch (end->how) {
    case CHILD_EXITED:
        if (end->number != 0)
            return err_set(err, ERR_DENIED, "exit status %d", end->number);
        break;
    case CHILD_KILLED:
        return err_set(err, ERR_DENIED, "ended by signal %d", end->number);
    case CHILD_TIMED_OUT:
        return err_set(err, ERR_TIMEOUT, "it did not end in time");
    case CHILD_CANCELED:
        return err_set(err, ERR_CANCELED, "canceled");
    case CHILD_ENOUGH: /* the output is too large */
        break;
    }
    return buf_check(output, "its output", err);
}

static int64_t timeout_of(const struct context *ctx, bool may_ask)
{
    int64_t timeout_ms = may_ask ? ASK_TIMEOUT_MS : TIMEOUT_MS;
    int64_t left_ms = context_remaining_ms(ctx, timeout_ms);

    return left_ms < timeout_ms ? left_ms : timeout_ms;
}

static int run(const struct kube_config *config, const struct context *ctx, struct buf *output,
               struct err *err)
{
    const struct kube_exec *exec = config->user.exec;
    cleanup(arena_free) struct arena *arena = arena_new_secret(0);
    cleanup(xfree) char *info = NULL;
    struct child child = {.program = exec->command,
                          .called = "it",
                          .search_path = true,
                          .on_terminal = may_ask(exec),
                          .grace_ms = GRACE_MS,
                          .output = keep_output,
                          .arg = output};
    struct child_end end;
    int r = info_text(config, &info, err);

    if (r < 0)
        return r;
    child.arguments = arguments_of(arena, exec);
    child.environment = environment_of(arena, exec, info);
    child.timeout_ms = timeout_of(ctx, child.on_terminal);
    r = child_run(ctx, &child, &end, err);
    return r < 0 ? r : result_of(&end, output, err);
}

static int fail(const struct kube_exec *exec, struct err *err, int r)
{
    if (r == ERR_NOT_FOUND && !str_empty(exec->install_hint))
        return err_set(err, r, "credential plugin '%s' is not installed: %s", exec->command,
                       exec->install_hint);
    return err_wrap(err, "credential plugin '%s'", exec->command);
}

int kube_exec_run(const struct kube_config *config, const struct context *ctx,
                  struct kube_exec_reply *ret, struct err *err)
{
    const struct kube_exec *exec = config->user.exec;
    cleanup(buf_deinit) struct buf output = BUF_SECRET(LIMIT_PLUGIN_OUTPUT);
    cleanup(kube_exec_reply_deinit) struct kube_exec_reply reply = {};
    int r = check(exec, err);

    if (r == 0)
        r = run(config, ctx, &output, err);
    if (r == 0)
        r = kube_exec_read(exec, &output, &reply, err);
    if (r < 0)
        return fail(exec, err, r);
    *ret = reply;
    reply = (struct kube_exec_reply){};
    return 0;
}
