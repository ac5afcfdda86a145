/* config_test.c - kubeconfig files as users have them. */
#include "kube/config.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "support/folder.h"

/* --- an environment --- */

static const char *env_kubeconfig, *env_home, *env_host, *env_port;

static const char *fake_env(const char *name)
{
    if (streq(name, "KUBECONFIG"))
        return env_kubeconfig;
    if (streq(name, "HOME"))
        return env_home;
    if (streq(name, "KUBERNETES_SERVICE_HOST"))
        return env_host;
    return streq(name, "KUBERNETES_SERVICE_PORT") ? env_port : NULL;
}

static int setup(void **state)
{
    env_kubeconfig = env_home = env_host = env_port = NULL;
    return folder_make();
}

static int teardown(void **state)
{
    static const char *const names[] = {"a", "b", "namespace", ".kube/config", ".kube"};

    return folder_remove(names, ARRAY_LEN(names));
}

static struct kube_config *load(const struct kube_config_options *given)
{
    struct kube_config_options options = *given;
    struct kube_config *config = NULL;
    struct err err = {};

    options.getenv = fake_env;
    ASSERT_OK(kube_config_load(&options, &config, &err));
    return config;
}

static void expect_error(const struct kube_config_options *given, int code, const char *text)
{
    struct kube_config_options options = *given;
    struct kube_config *config = NULL;
    struct err err = {};

    options.getenv = fake_env;
    ASSERT_EQ(kube_config_load(&options, &config, &err), code);
    ASSERT_CONTAINS(err.text, text);
}

#define CLUSTER(name, server) "- {name: " name ", cluster: {server: '" server "'}}\n"
#define CONTEXT(name, cluster, user)                                                               \
    "- {name: " name ", context: {cluster: " cluster ", user: " user "}}\n"

static const char usual[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: dev\npreferences: {}\n"
    "clusters:\n- name: dev\n  cluster:\n    server: https://10.0.0.1:6443\n"
    "    certificate-authority: pki/ca.crt\n    tls-server-name: kubernetes\n"
    "    proxy-url: socks5://127.0.0.1:1080\n"
    "contexts:\n- name: dev\n  context: {cluster: dev, user: admin, namespace: web}\n"
    "users:\n- name: admin\n  user:\n    client-certificate-data: Y2VydA==\n"
    "    client-key: ../keys/admin.key\n    tokenFile: /run/token\n    token: older\n";

TEST(the_current_context_says_where_and_how)
{
    cleanup(xfree) char *path = folder_path("a"), *ca = folder_path("pki/ca.crt"),
                        *key = folder_path("../keys/admin.key");
    struct kube_config *config;

    folder_put("a", usual);
    config = load(&(struct kube_config_options){.kubeconfig = path});
    ASSERT_STREQ(config->cluster.server, "https://10.0.0.1:6443");
    ASSERT_STREQ(config->cluster.certificate_authority, ca); /* beside the file */
    ASSERT_STREQ(config->cluster.tls_server_name, "kubernetes");
    ASSERT_STREQ(config->cluster.proxy_url, "socks5://127.0.0.1:1080");
    ASSERT_EQ(config->user.client_certificate_data.len, 4);
    ASSERT_STREQ(config->user.client_key, key);
    ASSERT_STREQ(config->user.token_file, "/run/token");
    ASSERT_STREQ(config->namespace, "web");
    ASSERT_CONTAINS(config->origin, "context 'dev' of '/tmp/");
    kube_config_free(config);
}

TEST(of_several_files_the_first_that_has_a_name_counts)
{
    cleanup(xfree) char *list = xasprintf("%s/missing:%s/a:%s/b", folder, folder, folder);
    struct kube_config *config;

    folder_put("a", "clusters:\n" CLUSTER(
                        "one", "https://first") "users:\n- {name: u, user: {token: t1}}\n");
    folder_put("b", "current-context: c\nclusters:\n" CLUSTER("one", "https://second")
                        CLUSTER("two", "https://two") "contexts:\n" CONTEXT("c", "one", "u")
                            CONTEXT("d", "two",
                                    "u") "users:\n- {name: u, user: {username: not-merged}}\n");
    env_kubeconfig = list;
    config = load(&(struct kube_config_options){});
    ASSERT_STREQ(config->cluster.server, "https://first");
    ASSERT_STREQ(config->user.token, "t1");
    ASSERT_NULL(config->user.username); /* entries are taken whole */
    ASSERT_STREQ(config->namespace, "default");
    kube_config_free(config);
    config = load(&(struct kube_config_options){.context = "d"});
    ASSERT_STREQ(config->cluster.server, "https://two");
    kube_config_free(config);
}

TEST(a_flag_is_used_alone_and_must_exist)
{
    cleanup(xfree) char *path = folder_path("a"), *other = folder_path("b");

    folder_put("a", usual);
    env_kubeconfig = path;
    expect_error(&(struct kube_config_options){.kubeconfig = other}, ERR_NOT_FOUND, other);
    expect_error(&(struct kube_config_options){.context = "prod"}, ERR_NOT_FOUND,
                 "no context 'prod' in '/tmp/");
}

TEST(a_server_that_is_given_takes_the_place_of_the_cluster_s)
{
    cleanup(xfree) char *path = folder_path("a");
    struct kube_config *config;

    folder_put("a", usual);
    config = load(
        &(struct kube_config_options){.kubeconfig = path, .server = "https://127.0.0.1:1"});
    ASSERT_STREQ(config->cluster.server, "https://127.0.0.1:1");
    kube_config_free(config);
}

TEST(in_a_pod_the_service_account_is_used)
{
    struct kube_config *config;
    cleanup(xfree) char *ca = folder_path("ca.crt"), *token = folder_path("token");

    folder_put("namespace", "cert-manager");
    env_host = "fd00::1";
    env_port = "443";
    env_home = folder; /* not looked at */
    config = load(&(struct kube_config_options){.service_account = folder});
    ASSERT_STREQ(config->cluster.server, "https://[fd00::1]:443");
    ASSERT_STREQ(config->cluster.certificate_authority, ca);
    ASSERT_STREQ(config->user.token_file, token);
    ASSERT_STREQ(config->namespace, "cert-manager");
    kube_config_free(config);
    env_host = "10.96.0.1";
    config = load(&(struct kube_config_options){.service_account = folder});
    ASSERT_STREQ(config->cluster.server, "https://10.96.0.1:443");
    kube_config_free(config);
}

TEST(the_file_in_the_home_folder_is_the_last_resort)
{
    cleanup(xfree) char *kube = folder_path(".kube");
    struct kube_config *config;

    expect_error(&(struct kube_config_options){}, ERR_NOT_FOUND, "--kubeconfig");
    env_home = folder;
    expect_error(&(struct kube_config_options){}, ERR_NOT_FOUND, "/.kube/config' exists");
    ASSERT_EQ(mkdir(kube, 0700), 0);
    folder_put(".kube/config", usual);
    config = load(&(struct kube_config_options){});
    ASSERT_STREQ(config->cluster.server, "https://10.0.0.1:6443");
    kube_config_free(config);
}

TEST(a_credential_plugin_is_read_and_its_path_resolved)
{
    cleanup(xfree) char *path = folder_path("a"), *command = folder_path("bin/login");
    struct kube_config *config;

    folder_put(
        "a",
        "current-context: c\nclusters:\n" CLUSTER("k", "https://k") "contexts:\n" CONTEXT(
            "c", "k",
            "u") "users:\n- name: u\n  user:\n    exec:\n"
                 "      apiVersion: client.authentication.k8s.io/v1\n      command: bin/login\n"
                 "      args: [--quiet, x]\n      env: [{name: A, value: b}]\n"
                 "      interactiveMode: IfAvailable\n      provideClusterInfo: true\n"
                 "      installHint: get it\n");
    config = load(&(struct kube_config_options){.kubeconfig = path});
    ASSERT_STREQ(config->user.exec->command, command);
    ASSERT_EQ(config->user.exec->args.len, 2);
    ASSERT_STREQ(config->user.exec->env.items[0].value, "b");
    ASSERT_EQ(config->user.exec->interactive_mode, KUBE_INTERACTIVE_IF_AVAILABLE);
    ASSERT_TRUE(config->user.exec->provide_cluster_info);
    kube_config_free(config);
}

TEST(what_is_wrong_is_said_with_file_line_and_field)
{
    static const struct {
        const char *name, *text, *says;
        int code;
    } rows[] = {
        {"no YAML", "a: [b\n", "line", ERR_INVALID},
        {"wrong type", "clusters:\n- name: k\n  cluster:\n    server: [a]\n",
         "line 4: clusters[0].cluster.server", ERR_INVALID},
        {"no base64", "clusters:\n- {name: k, cluster: {certificate-authority-data: '%%'}}\n",
         "clusters[0].cluster.certificate-authority-data", ERR_INVALID},
        {"plugin without command",
         "users:\n- {name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}\n",
         "users[0].user.exec.command", ERR_INVALID},
        {"no current context", "clusters:\n" CLUSTER("k", "https://k"), "no current-context in",
         ERR_NOT_FOUND},
        {"empty", "", "no current-context in", ERR_NOT_FOUND},
        {"no cluster", "current-context: c\ncontexts:\n" CONTEXT("c", "k", "u"),
         "there is no server for cluster 'k'", ERR_NOT_FOUND},
        {"no user",
         "current-context: c\nclusters:\n" CLUSTER("k", "https://k") "contexts:\n" CONTEXT("c", "k",
                                                                                           "u"),
         "there is no user 'u'", ERR_NOT_FOUND},
        {"auth-provider",
         "current-context: c\nclusters:\n" CLUSTER("k", "https://k") "contexts:\n" CONTEXT(
             "c", "k", "u") "users:\n- {name: u, user: {auth-provider: {name: gcp}}}\n",
         "use a credential plugin", ERR_UNSUPPORTED},
    };
    cleanup(xfree) char *path = folder_path("a");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name);
        folder_put("a", rows[i].text);
        expect_error(&(struct kube_config_options){.kubeconfig = path}, rows[i].code, rows[i].says);
    }
}

TEST(no_secret_of_a_file_is_in_a_message)
{
    cleanup(xfree) char *path = folder_path("a");
    struct kube_config_options options = {.kubeconfig = path, .getenv = fake_env};
    struct kube_config *config = NULL;
    struct err err = {};

    folder_put("a", "users:\n- {name: u, user: {token: [hunter2], password: {a: hunter2}}}\n");
    ASSERT_EQ(kube_config_load(&options, &config, &err), ERR_INVALID);
    ASSERT_NULL(strstr(err.text, "hunter2"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(the_current_context_says_where_and_how),
          T(of_several_files_the_first_that_has_a_name_counts),
          T(a_flag_is_used_alone_and_must_exist),
          T(a_server_that_is_given_takes_the_place_of_the_cluster_s),
          T(in_a_pod_the_service_account_is_used),
          T(the_file_in_the_home_folder_is_the_last_resort),
          T(a_credential_plugin_is_read_and_its_path_resolved),
          T(what_is_wrong_is_said_with_file_line_and_field),
          T(no_secret_of_a_file_is_in_a_message));
