/* config.c - finds, reads and merges kubeconfig files. */
#include "kube/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "yaml/yaml.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define NAMESPACE_MAX   256

/* --- what a file holds --- */

struct named_cluster {
    const char *name;
    struct kube_cluster cluster;
};
struct named_user {
    const char *name;
    struct kube_user user;
};
struct context_body {
    const char *cluster, *user, *namespace;
};
struct named_context {
    const char *name;
    struct context_body context;
};
struct content {
    const char *current_context;
    ARRAY_OF(struct named_cluster) clusters;
    ARRAY_OF(struct named_user) users;
    ARRAY_OF(struct named_context) contexts;
};

static const struct field cluster_rows[] = {
    FIELD(struct kube_cluster, server, "server", STRING),
    FIELD(struct kube_cluster, tls_server_name, "tls-server-name", STRING),
    FIELD(struct kube_cluster, proxy_url, "proxy-url", STRING),
    FIELD(struct kube_cluster, insecure_skip_tls_verify, "insecure-skip-tls-verify", BOOL),
    FIELD(struct kube_cluster, disable_compression, "disable-compression", BOOL),
    FIELD(struct kube_cluster, certificate_authority, "certificate-authority", STRING),
    FIELD(struct kube_cluster, certificate_authority_data, "certificate-authority-data", BYTES),
};
static DEFINE_FIELDS(kube_cluster, "cluster", cluster_rows, NULL);

static const char *const interactive_mode_texts[] = {"", "Never", "IfAvailable", "Always"};
static const struct enum_names interactive_mode_names = {interactive_mode_texts,
                                                         ARRAY_LEN(interactive_mode_texts)};
static const struct field exec_env_rows[] = {
    FIELD(struct kube_exec_env, name, "name", STRING),
    FIELD(struct kube_exec_env, value, "value", SECRET),
};
static DEFINE_FIELDS(kube_exec_env, "environment variable", exec_env_rows, NULL);
static const struct field exec_rows[] = {
    FIELD(struct kube_exec, api_version, "apiVersion", STRING, .flags = F_REQUIRED),
    FIELD(struct kube_exec, command, "command", STRING, .flags = F_REQUIRED),
    FIELD(struct kube_exec, install_hint, "installHint", STRING),
    FIELD(struct kube_exec, args, "args", STRINGS),
    FIELD(struct kube_exec, env, "env", LIST, .of = &kube_exec_env_fields),
    FIELD(struct kube_exec, provide_cluster_info, "provideClusterInfo", BOOL),
    FIELD(struct kube_exec, interactive_mode, "interactiveMode", ENUM,
          .names = &interactive_mode_names),
};
static DEFINE_FIELDS(kube_exec, "exec", exec_rows, NULL);

static const struct field user_rows[] = {
    FIELD(struct kube_user, client_certificate, "client-certificate", STRING),
    FIELD(struct kube_user, client_key, "client-key", STRING),
    FIELD(struct kube_user, client_certificate_data, "client-certificate-data", BYTES),
    FIELD(struct kube_user, client_key_data, "client-key-data", BYTES),
    FIELD(struct kube_user, token, "token", SECRET),
    FIELD(struct kube_user, token_file, "tokenFile", STRING),
    FIELD(struct kube_user, username, "username", STRING),
    FIELD(struct kube_user, password, "password", SECRET),
    FIELD(struct kube_user, as, "as", STRING),
    FIELD(struct kube_user, as_uid, "as-uid", STRING),
    FIELD(struct kube_user, as_groups, "as-groups", STRINGS),
    FIELD(struct kube_user, as_user_extra, "as-user-extra", RAW),
    FIELD(struct kube_user, auth_provider, "auth-provider", RAW),
    FIELD(struct kube_user, exec, "exec", OBJECT, .of = &kube_exec_fields),
};
static DEFINE_FIELDS(kube_user, "user", user_rows, NULL);

static const struct field named_cluster_rows[] = {
    FIELD(struct named_cluster, name, "name", STRING),
    FIELD(struct named_cluster, cluster, "cluster", INLINE, .of = &kube_cluster_fields),
};
static DEFINE_FIELDS(named_cluster, "cluster", named_cluster_rows, NULL);
static const struct field named_user_rows[] = {
    FIELD(struct named_user, name, "name", STRING),
    FIELD(struct named_user, user, "user", INLINE, .of = &kube_user_fields),
};
static DEFINE_FIELDS(named_user, "user", named_user_rows, NULL);
static const struct field context_body_rows[] = {
    FIELD(struct context_body, cluster, "cluster", STRING),
    FIELD(struct context_body, user, "user", STRING),
    FIELD(struct context_body, namespace, "namespace", STRING),
};
static DEFINE_FIELDS(context_body, "context", context_body_rows, NULL);
static const struct field context_entry_rows[] = {
    FIELD(struct named_context, name, "name", STRING),
    FIELD(struct named_context, context, "context", INLINE, .of = &context_body_fields),
};
static DEFINE_FIELDS(named_context, "context", context_entry_rows, NULL);
static const struct field content_rows[] = {
    FIELD(struct content, current_context, "current-context", STRING),
    FIELD(struct content, clusters, "clusters", LIST, .of = &named_cluster_fields),
    FIELD(struct content, users, "users", LIST, .of = &named_user_fields),
    FIELD(struct content, contexts, "contexts", LIST, .of = &named_context_fields),
};
static DEFINE_FIELDS(content, "kubeconfig", content_rows, NULL);

/* --- one file --- */

struct file {
    const char *path, *folder;
    struct content content;
};

struct loading {
    const struct kube_config_options *options;
    struct arena *arena;
    ARRAY_OF(struct file) files;
};

static const char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? arena_strndup(arena, path, (size_t)(slash - path)) : ".";
}

/* Fields that we do not know are of newer clients, and no fault. */
static int first_problem(const struct field_report *report, const struct yaml_stream *stream,
                         const char *path, struct err *err)
{
    for (size_t i = 0; i < report->len; i++) {
        const struct field_problem *problem = &report->items[i];

        if (problem->kind == PROBLEM_UNKNOWN || problem->kind == PROBLEM_WARNING)
            continue;
        return err_set(err, ERR_INVALID, "kubeconfig '%s', line %d: %s: %s", path,
                       yaml_line(stream, 0, problem->path), problem->path, problem->text);
    }
    return 0;
}

static int decode(struct loading *loading, const struct yaml_stream *stream, struct file *file,
                  struct err *err)
{
    cleanup(field_report_deinit) struct field_report report = {};
    int r;

    if (yaml_document_count(stream) == 0)
        return 0; /* an empty file is one */
    r = fields_decode(&content_fields, yaml_document(stream, 0), loading->arena, &file->content, "",
                      &report, err);
    if (r < 0)
        return err_wrap(err, "kubeconfig '%s'", file->path);
    return first_problem(&report, stream, file->path, err);
}

static int read_kubeconfig(struct loading *loading, const char *path, struct file *ret,
                           struct err *err)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(buf_deinit) struct buf text = BUF_SECRET(LIMIT_MANIFEST_FILE);
    int r = file_read(path, &text, err);

    if (r == 0)
        r = buf_check(&text, path, err);
    if (r == 0)
        r = yaml_parse(buf_str(&text), text.len, &stream, err);
    if (r < 0)
        return err_wrap(err, "kubeconfig '%s'", path);
    *ret = (struct file){.path = arena_strdup(loading->arena, path),
                         .folder = folder_of(loading->arena, path)};
    return decode(loading, stream, ret, err);
}

/* --- several files: of each name the first one counts, whole --- */

/* Any list of struct content, looked at without its type: its items begin with their name. */
struct named_list {
    const char *items;
    size_t len;
};

static const void *find_in(const struct named_list *list, size_t item_size, const char *name)
{
    for (size_t i = 0; i < list->len; i++) {
        const void *item = list->items + i * item_size;
        const char *const *item_name = item;

        if (streq(*item_name, name))
            return item;
    }
    return NULL;
}

static const void *find_named(const struct loading *loading, size_t list_offset, size_t item_size,
                              const char *name, const struct file **ret_file)
{
    for (size_t i = 0; i < loading->files.len; i++) {
        const struct file *file = &loading->files.items[i];
        const void *list = (const char *)&file->content + list_offset;
        const void *found = find_in(list, item_size, name);

        if (found) {
            *ret_file = file;
            return found;
        }
    }
    return NULL;
}

#define FIND(loading, list, name, ret_file)                                                        \
    find_named(loading, offsetof(struct content, list),                                            \
               sizeof(*((struct content *)NULL)->list.items), name, ret_file)

static const char *current_context(const struct loading *loading)
{
    for (size_t i = 0; i < loading->files.len; i++) {
        if (!str_empty(loading->files.items[i].content.current_context))
            return loading->files.items[i].content.current_context;
    }
    return NULL;
}

static void resolve(struct arena *arena, const struct file *file, const char **path)
{
    if (!str_empty(*path) && (*path)[0] != '/')
        *path = arena_printf(arena, "%s/%s", file->folder, *path);
}

static void take_cluster(struct kube_config *config, const struct kube_cluster *cluster,
                         const struct file *file)
{
    config->cluster = *cluster;
    resolve(config->arena, file, &config->cluster.certificate_authority);
}

static int take_user(struct kube_config *config, const struct named_user *named,
                     const struct file *file, struct err *err)
{
    const struct kube_user *user = &named->user;
    struct kube_exec *exec;

    if (user->auth_provider)
        return err_set(err, ERR_UNSUPPORTED,
                       "user '%s' of kubeconfig '%s' has an auth-provider, which Kubernetes 1.26 "
                       "removed; use a credential plugin (exec) instead",
                       named->name, file->path);
    config->user = *user;
    resolve(config->arena, file, &config->user.client_certificate);
    resolve(config->arena, file, &config->user.client_key);
    resolve(config->arena, file, &config->user.token_file);
    if (!user->exec)
        return 0;
    exec = arena_memdup(config->arena, user->exec, sizeof(*exec));
    if (strchr(exec->command, '/'))
        resolve(config->arena, file, &exec->command); /* else it is looked for in $PATH */
    config->user.exec = exec;
    return 0;
}

static const char *list_files(const struct loading *loading)
{
    cleanup(buf_deinit) struct buf text = BUF(ERR_TEXT_MAX);

    for (size_t i = 0; i < loading->files.len; i++)
        buf_addf(&text, "%s'%s'", i > 0 ? ", " : "", loading->files.items[i].path);
    return arena_strdup(loading->arena, buf_str(&text));
}

static int choose(struct loading *loading, struct kube_config *config, struct err *err)
{
    const char *name = str_or(loading->options->context, current_context(loading));
    const struct file *at = NULL, *cluster_at = NULL, *user_at = NULL;
    const struct named_context *context;
    const struct named_cluster *cluster;
    const struct named_user *user;

    if (str_empty(name))
        return err_set(err, ERR_NOT_FOUND, "no current-context in %s; name one with --context",
                       list_files(loading));
    context = FIND(loading, contexts, name, &at);
    if (!context)
        return err_set(err, ERR_NOT_FOUND, "no context '%s' in %s", name, list_files(loading));
    cluster = FIND(loading, clusters, str_or(context->context.cluster, ""), &cluster_at);
    if (!cluster || str_empty(cluster->cluster.server))
        return err_set(err, ERR_NOT_FOUND,
                       "context '%s' of '%s': there is no server for cluster '%s'", name, at->path,
                       str_or(context->context.cluster, ""));
    take_cluster(config, &cluster->cluster, cluster_at);
    config->origin = arena_printf(config->arena, "context '%s' of '%s'", name, at->path);
    config->namespace = str_or(context->context.namespace, "default");
    if (str_empty(context->context.user))
        return 0;
    user = FIND(loading, users, context->context.user, &user_at);
    if (!user)
        return err_set(err, ERR_NOT_FOUND, "context '%s' of '%s': there is no user '%s'", name,
                       at->path, context->context.user);
    return take_user(config, user, user_at, err);
}

/* --- where to look --- */

static const char *env(const struct loading *loading, const char *name)
{
    return loading->options->getenv ? loading->options->getenv(name) : getenv(name);
}

/* Those of the list that exist. */
static int read_list(struct loading *loading, const struct strlist *paths, struct err *err)
{
    loading->files.items = arena_alloc(loading->arena, (paths->len + 1) * sizeof(struct file));
    for (size_t i = 0; i < paths->len; i++) {
        struct file *file = &loading->files.items[loading->files.len];
        struct err why = {};
        int r = read_kubeconfig(loading, paths->items[i], file, &why);

        if (r == 0)
            loading->files.len++;
        else if (r != ERR_NOT_FOUND || loading->options->kubeconfig) {
            *err = why;
            return r;
        }
    }
    return 0;
}

static int from_files(struct loading *loading, struct kube_config *config, const char *list,
                      struct err *err)
{
    cleanup(strlist_deinit) struct strlist paths = {};
    int r;

    if (loading->options->kubeconfig)
        strlist_add(&paths, list);
    else
        strlist_split(&paths, list, ':');
    r = read_list(loading, &paths, err);
    if (r < 0)
        return r;
    if (loading->files.len == 0)
        return err_set(err, ERR_NOT_FOUND, "none of the kubeconfig files '%s' exists", list);
    return choose(loading, config, err);
}

/* kubernetes.md 1, "in-cluster". The token is read anew while we run. */
static int from_pod(struct loading *loading, struct kube_config *config, struct err *err)
{
    const char *host = env(loading, "KUBERNETES_SERVICE_HOST");
    const char *port = env(loading, "KUBERNETES_SERVICE_PORT");
    const char *folder = str_or(loading->options->service_account, SERVICE_ACCOUNT);
    cleanup(buf_deinit) struct buf namespace = BUF(NAMESPACE_MAX);
    bool is_ipv6 = strchr(host, ':');
    int r = file_read(arena_printf(config->arena, "%s/namespace", folder), &namespace, err);

    if (r == 0)
        r = buf_check(&namespace, "the namespace of the pod", err);
    if (r < 0)
        return err_wrap(err, "reading the pod's ServiceAccount");
    config->origin = "the ServiceAccount of this pod";
    config->namespace = arena_strdup(config->arena, buf_str(&namespace));
    config->cluster.server = arena_printf(config->arena, "https://%s%s%s:%s", is_ipv6 ? "[" : "",
                                          host, is_ipv6 ? "]" : "", port);
    config->cluster.certificate_authority = arena_printf(config->arena, "%s/ca.crt", folder);
    config->user.token_file = arena_printf(config->arena, "%s/token", folder);
    return 0;
}

static int load(struct loading *loading, struct kube_config *config, struct err *err)
{
    const char *files = str_or(loading->options->kubeconfig, env(loading, "KUBECONFIG"));
    const char *home = env(loading, "HOME");

    if (!str_empty(files))
        return from_files(loading, config, files, err);
    if (!str_empty(env(loading, "KUBERNETES_SERVICE_HOST")) &&
        !str_empty(env(loading, "KUBERNETES_SERVICE_PORT")))
        return from_pod(loading, config, err);
    if (str_empty(home))
        return err_set(
            err, ERR_NOT_FOUND,
            "no API server: not in a pod, and neither --kubeconfig nor KUBECONFIG is given");
    return from_files(loading, config, arena_printf(loading->arena, "%s/.kube/config", home), err);
}

int kube_config_load(const struct kube_config_options *options, struct kube_config **ret,
                     struct err *err)
{
    struct arena *arena = arena_new_secret(0);
    cleanup(kube_config_free) struct kube_config *config = arena_alloc(arena, sizeof(*config));
    struct loading loading = {.options = options, .arena = arena};
    int r;

    config->arena = arena;
    config->namespace = "default";
    r = load(&loading, config, err);
    if (r < 0)
        return r;
    if (!str_empty(options->server))
        config->cluster.server = arena_strdup(arena, options->server);
    *ret = take(config);
    return 0;
}

void kube_config_free(struct kube_config *config)
{
    if (config)
        arena_free(config->arena);
}
