/* credentials_test.c - tokens, certificates and plugins that change while we run. */
#include "kube/credentials.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/folder.h"

static struct fake_clock now;
static struct context ctx;
static struct kube_config config;
static char *token_path, *plugin_path;

static int setup(void **state)
{
    fake_clock_init(&now, AT("2026-01-01T00:00:00Z"));
    ctx = context_background(&now.clock);
    config = (struct kube_config){};
    return folder_make();
}

static int teardown(void **state)
{
    static const char *const names[] = {"token", "ca", "plugin", "reply", "runs", "environment"};

    xfree(take(token_path));
    xfree(take(plugin_path));
    return folder_remove(names, ARRAY_LEN(names));
}

/* Of a token's file. */
static struct kube_credentials *token_credentials(const char *text)
{
    token_path = folder_path("token");
    folder_put("token", text);
    config.user.token_file = token_path;
    return kube_credentials_new(&config, &now.clock);
}

static const char *header(const struct strmap *headers, const char *name)
{
    return str_or(strmap_get(headers, name), "none");
}

static void expect_authorization(struct kube_credentials *credentials, const char *text)
{
    cleanup(kube_identity_unref) const struct kube_identity *identity = NULL;
    cleanup(kube_headers_deinit) struct strmap headers = {};
    struct err err = {};

    ASSERT_OK(kube_credentials_get(credentials, &ctx, &identity, &err));
    kube_identity_add_headers(identity, &headers);
    ASSERT_STREQ(header(&headers, "Authorization"), text);
}

/* As the client does after a 401. */
static bool refuse_current(struct kube_credentials *credentials)
{
    cleanup(kube_identity_unref) const struct kube_identity *identity = NULL;
    struct err err = {};

    ASSERT_OK(kube_credentials_get(credentials, &ctx, &identity, &err));
    return kube_credentials_refuse(credentials, identity);
}

TEST(a_token_file_is_read_again_after_a_minute)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;

    config.user.token = "older";
    credentials = token_credentials("one\n");
    expect_authorization(credentials, "Bearer one");
    folder_put("token", "two");
    fake_clock_advance(&now, SECONDS(59));
    expect_authorization(credentials, "Bearer one");
    fake_clock_advance(&now, SECONDS(1));
    expect_authorization(credentials, "Bearer two");
}

TEST(a_token_stays_while_its_file_cannot_be_read)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;

    credentials = token_credentials("one");
    expect_authorization(credentials, "Bearer one");
    folder_put("token", "");
    fake_clock_advance(&now, MINUTES(1));
    expect_authorization(credentials, "Bearer one");
    ASSERT_EQ(remove(token_path), 0);
    fake_clock_advance(&now, MINUTES(1));
    expect_authorization(credentials, "Bearer one");
    folder_put("token", "two");
    fake_clock_advance(&now, SECONDS(10));
    expect_authorization(credentials, "Bearer two");
}

TEST(a_refused_token_is_dropped_and_read_at_once)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
    const struct kube_identity *identity = NULL;
    struct err err = {};

    credentials = token_credentials("one");
    expect_authorization(credentials, "Bearer one");
    folder_put("token", "two");
    ASSERT_TRUE(refuse_current(credentials));
    expect_authorization(credentials, "Bearer two");
    ASSERT_EQ(remove(token_path), 0);
    ASSERT_TRUE(refuse_current(credentials));
    for (int i = 0; i < 2; i++) { /* no call goes out without one */
        ASSERT_ERR(ERR_NOT_FOUND, kube_credentials_get(credentials, &ctx, &identity, &err));
        ASSERT_CONTAINS(err.text, "authenticating to the API server: reading the token");
    }
    folder_put("token", "three");
    expect_authorization(credentials, "Bearer three");
}

TEST(no_server_is_trusted_while_the_ca_cannot_be_read)
{
    cleanup(xfree) char *path = folder_path("ca");
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
    cleanup(kube_identity_unref) const struct kube_identity *identity = NULL;
    struct err err = {};

    config.cluster.certificate_authority = path;
    credentials = token_credentials("one");
    for (int i = 0; i < 2; i++)
        ASSERT_ERR(ERR_NOT_FOUND, kube_credentials_get(credentials, &ctx, &identity, &err));
    folder_put("ca", "CA one\n");
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &identity, &err));
    ASSERT_STREQ(kube_identity_tls(identity)->ca_pem, "CA one");
}

TEST(what_somebody_else_has_renewed_is_not_dropped_again)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
    cleanup(kube_identity_unref) const struct kube_identity *old = NULL;
    struct err err = {};

    credentials = token_credentials("one");
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &old, &err));
    folder_put("token", "two");
    ASSERT_TRUE(kube_credentials_refuse(credentials, old));
    expect_authorization(credentials, "Bearer two");
    ASSERT_EQ(remove(token_path), 0);
    ASSERT_TRUE(kube_credentials_refuse(credentials, old));
    expect_authorization(credentials, "Bearer two");
}

TEST(a_token_of_the_kubeconfig_cannot_be_renewed)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;

    config.user.token = "fixed";
    credentials = kube_credentials_new(&config, &now.clock);
    expect_authorization(credentials, "Bearer fixed");
    ASSERT_FALSE(refuse_current(credentials));
    expect_authorization(credentials, "Bearer fixed");
}

TEST(a_password_is_sent_as_basic)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;

    config.user.username = "admin";
    config.user.password = "secret";
    credentials = kube_credentials_new(&config, &now.clock);
    expect_authorization(credentials, "Basic YWRtaW46c2VjcmV0");
}

TEST(certificates_come_from_files_or_data_and_files_are_looked_at_every_5_minutes)
{
    cleanup(xfree) char *path = folder_path("ca");
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
    cleanup(kube_identity_unref) const struct kube_identity *one = NULL, *same = NULL, *two = NULL;
    struct err err = {};

    folder_put("ca", "CA one\n");
    config.cluster.certificate_authority = path;
    config.cluster.tls_server_name = "kubernetes";
    config.user.client_certificate_data = bytes_of("cert", 4);
    config.user.client_key_data = bytes_of("key", 3);
    credentials = kube_credentials_new(&config, &now.clock);
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &one, &err));
    ASSERT_STREQ(kube_identity_tls(one)->ca_pem, "CA one");
    ASSERT_STREQ(kube_identity_tls(one)->cert_pem, "cert");
    ASSERT_STREQ(kube_identity_tls(one)->key_pem, "key");
    ASSERT_STREQ(kube_identity_tls(one)->server_name, "kubernetes");
    fake_clock_advance(&now, MINUTES(5));
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &same, &err));
    ASSERT_PTREQ(same, one);
    folder_put("ca", "CA two\n");
    fake_clock_advance(&now, MINUTES(5));
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &two, &err));
    ASSERT_STREQ(kube_identity_tls(two)->ca_pem, "CA two");
    ASSERT_STREQ(kube_identity_tls(one)->ca_pem, "CA one"); /* of a call that still runs */
}

TEST(impersonation_is_sent_in_headers_of_its_own)
{
    static const char *groups[] = {"dev", "ops"};
    static const char extra[] = "{\"example.com/team a\": [\"x\", \"y\"]}";
    cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
    cleanup(kube_identity_unref) const struct kube_identity *identity = NULL;
    cleanup(kube_headers_deinit) struct strmap headers = {};
    cleanup(json_unref) struct json *value = NULL;
    cleanup(buf_deinit) struct buf all = BUF(4096);
    struct err err = {};

    ASSERT_OK(json_parse(extra, strlen(extra), 1000, &value, &err));
    config.user.as = "jane";
    config.user.as_uid = "7";
    config.user.as_groups.items = groups;
    config.user.as_groups.len = 2;
    config.user.as_user_extra = value;
    credentials = kube_credentials_new(&config, &now.clock);
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &identity, &err));
    kube_identity_add_headers(identity, &headers);
    strmap_for_each (entry, &headers)
        buf_addf(&all, "%s=%s;", entry->key, entry->value);
    ASSERT_STREQ(buf_str(&all), "Impersonate-User=jane;Impersonate-Uid=7;Impersonate-Group=dev;"
                                "Impersonate-Group=ops;Impersonate-Extra-example.com%2Fteam%20a=x;"
                                "Impersonate-Extra-example.com%2Fteam%20a=y;");
}

/* --- plugins --- */

static struct kube_exec plugin;

/* Prints the file "reply", and a line into "runs" each time. */
static struct kube_credentials *plugin_credentials(const char *script)
{
    cleanup(xfree) char *text = xasprintf("#!/bin/sh\ncd '%s'\necho x >> runs\n%s\n", folder,
                                          script);

    plugin_path = folder_path("plugin");
    folder_put("plugin", text);
    ASSERT_EQ(chmod(plugin_path, 0700), 0);
    plugin = (struct kube_exec){
        .api_version = "client.authentication.k8s.io/v1",
        .command = plugin_path,
        .interactive_mode = KUBE_INTERACTIVE_NEVER,
    };
    config.user.exec = &plugin;
    return kube_credentials_new(&config, &now.clock);
}

static int runs(void)
{
    cleanup(xfree) char *path = folder_path("runs");
    struct stat st = {};

    return stat(path, &st) < 0 ? 0 : (int)st.st_size / 2;
}

static void put_reply(const char *status)
{
    cleanup(xfree) char *text = xasprintf("{\"apiVersion\": \"client.authentication.k8s.io/v1\","
                                          " \"kind\": \"ExecCredential\", \"status\": {%s}}",
                                          status);

    folder_put("reply", text);
}

TEST(a_plugin_runs_again_when_its_reply_expires)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "cat reply");

    put_reply("\"token\": \"one\", \"expirationTimestamp\": \"2026-01-01T01:00:00Z\"");
    expect_authorization(credentials, "Bearer one");
    expect_authorization(credentials, "Bearer one");
    ASSERT_EQ(runs(), 1);
    put_reply("\"token\": \"two\", \"expirationTimestamp\": \"2026-01-01T02:00:00Z\"");
    fake_clock_advance(&now, MINUTES(59));
    expect_authorization(credentials, "Bearer one");
    fake_clock_advance(&now, SECONDS(50));
    expect_authorization(credentials, "Bearer two");
    ASSERT_EQ(runs(), 2);
}

TEST(a_reply_that_holds_survives_a_plugin_that_fails)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "cat reply");
    const struct kube_identity *identity = NULL;
    struct err err = {};

    put_reply("\"token\": \"one\", \"expirationTimestamp\": \"2026-01-01T01:00:00Z\"");
    expect_authorization(credentials, "Bearer one");
    folder_put("reply", "trouble");
    fake_clock_advance(&now, MINUTES(60) - SECONDS(10));
    expect_authorization(credentials, "Bearer one");
    expect_authorization(credentials, "Bearer one");
    ASSERT_EQ(runs(), 2);
    fake_clock_advance(&now, SECONDS(10));
    ASSERT_ERR(ERR_PROTOCOL, kube_credentials_get(credentials, &ctx, &identity, &err));
    ASSERT_CONTAINS(err.text, "it did not print JSON");
}

TEST(a_401_makes_a_plugin_run_once_more_but_not_without_end)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "cat reply");

    put_reply("\"token\": \"one\"");
    expect_authorization(credentials, "Bearer one");
    fake_clock_advance(&now, DAYS(1));
    put_reply("\"token\": \"two\"");
    ASSERT_TRUE(refuse_current(credentials));
    expect_authorization(credentials, "Bearer two");
    ASSERT_FALSE(refuse_current(credentials));
    ASSERT_EQ(runs(), 2);
}

TEST(a_plugin_may_give_a_client_certificate)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "cat reply");
    cleanup(kube_identity_unref) const struct kube_identity *identity = NULL;
    struct err err = {};

    put_reply("\"clientCertificateData\": \"CERT\", \"clientKeyData\": \"KEY\"");
    ASSERT_OK(kube_credentials_get(credentials, &ctx, &identity, &err));
    ASSERT_STREQ(kube_identity_tls(identity)->cert_pem, "CERT");
    ASSERT_STREQ(kube_identity_tls(identity)->key_pem, "KEY");
}

TEST(a_plugin_is_told_what_it_is_for_and_has_nothing_to_read)
{
    static struct kube_exec_env env = {"OWN", "value"};
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "printf '%s|%s|%s|%s' \"$OWN\" \"$1\" \"$(cat)\" \"$KUBERNETES_EXEC_INFO\""
        " > environment\ncat reply");
    static const char *arguments[] = {"get-token"};
    cleanup(xfree) char *path = folder_path("environment");
    char text[1024] = "";
    FILE *file;

    put_reply("\"token\": \"one\"");
    config.cluster.server = "https://10.0.0.1:6443";
    plugin.provide_cluster_info = true;
    plugin.env.items = &env;
    plugin.env.len = 1;
    plugin.args.items = arguments;
    plugin.args.len = 1;
    expect_authorization(credentials, "Bearer one");
    file = fopen(path, "r");
    ASSERT_TRUE(file && fgets(text, sizeof(text), file));
    ASSERT_EQ(fclose(file), 0);
    ASSERT_STREQ(text, "value|get-token||{\"apiVersion\":\"client.authentication.k8s.io/v1\","
                       "\"kind\":\"ExecCredential\",\"spec\":{\"cluster\":{\"server\":"
                       "\"https://10.0.0.1:6443\"},\"interactive\":false}}");
}

TEST(plugins_that_do_not_do_are_named)
{
    static const struct {
        const char *name, *script;
        int code;
        const char *text;
    } rows[] = {
        {"fails", "exit 3", ERR_DENIED, "plugin': exit status 3"},
        {"killed", "kill -9 $$", ERR_DENIED, "ended by signal 9"},
        {"silent", "true", ERR_PROTOCOL, "it did not print JSON"},
        {"other version", "echo '{\"apiVersion\": \"v0\", \"kind\": \"ExecCredential\"}'",
         ERR_PROTOCOL, "not of client.authentication.k8s.io/v1"},
        {"endless", "exec yes", ERR_TOO_LARGE, "its output is larger than"},
        {"half a certificate",
         "echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\":"
         " \"ExecCredential\", \"status\": {\"clientKeyData\": \"x\"}}'",
         ERR_PROTOCOL, "without its key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(kube_credentials_free) struct kube_credentials *credentials = NULL;
        const struct kube_identity *identity = NULL;
        struct err err = {};

        CASE(rows[i].name);
        credentials = plugin_credentials(rows[i].script);
        ASSERT_ERR(rows[i].code, kube_credentials_get(credentials, &ctx, &identity, &err));
        ASSERT_CONTAINS(err.text, rows[i].text);
        xfree(take(plugin_path));
    }
}

TEST(a_missing_plugin_says_how_to_install_it)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials("");
    const struct kube_identity *identity = NULL;
    struct err err = {};

    plugin.command = "certlet-no-such-plugin";
    plugin.install_hint = "apt install it";
    ASSERT_ERR(ERR_NOT_FOUND, kube_credentials_get(credentials, &ctx, &identity, &err));
    ASSERT_CONTAINS(err.text, "'certlet-no-such-plugin' is not installed: apt install it");
}

TEST(a_plugin_without_end_is_ended_in_time)
{
    cleanup(kube_credentials_free) struct kube_credentials *credentials = plugin_credentials(
        "exec tail -f /dev/null");
    struct context real = context_background(clock_system());
    struct context soon = context_with_timeout(&real, 50);
    const struct kube_identity *identity = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_TIMEOUT, kube_credentials_get(credentials, &soon, &identity, &err));
    ASSERT_CONTAINS(err.text, "it did not end in time");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(a_token_file_is_read_again_after_a_minute),
          T(a_token_stays_while_its_file_cannot_be_read),
          T(a_refused_token_is_dropped_and_read_at_once),
          T(no_server_is_trusted_while_the_ca_cannot_be_read),
          T(what_somebody_else_has_renewed_is_not_dropped_again),
          T(a_token_of_the_kubeconfig_cannot_be_renewed), T(a_password_is_sent_as_basic),
          T(certificates_come_from_files_or_data_and_files_are_looked_at_every_5_minutes),
          T(impersonation_is_sent_in_headers_of_its_own),
          T(a_plugin_runs_again_when_its_reply_expires),
          T(a_reply_that_holds_survives_a_plugin_that_fails),
          T(a_401_makes_a_plugin_run_once_more_but_not_without_end),
          T(a_plugin_may_give_a_client_certificate),
          T(a_plugin_is_told_what_it_is_for_and_has_nothing_to_read),
          T(plugins_that_do_not_do_are_named), T(a_missing_plugin_says_how_to_install_it),
          T(a_plugin_without_end_is_ended_in_time));
