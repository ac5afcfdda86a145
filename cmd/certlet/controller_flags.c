/*
 * controller_flags.c - one table for the command line and for the configuration file.
 *
 * Flags and file are cert-manager's (cli-metrics-helm.md 1.1). A value in the file takes the place of a
 * default, one on the command line that of both. A flag whose feature is not built is refused unless it
 * says what is so anyway, so that nobody believes in what does not happen.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "command.h"
#include "controller.h"
#include "yaml/yaml.h"

#define CONFIG_MAX     (1024 * 1024)
#define CONFIG_VERSION "controller.config.cert-manager.io/v1alpha1"
#define CONFIG_KIND    "ControllerConfiguration"

/* --- configuration file --- */

struct config_file {
    const char *path;
    const struct option *options;
    struct controller_flags *flags;
    struct yaml_stream *stream;
};

static const struct option *row_of(const struct option *options, const char *path)
{
    for (const struct option *option = options; option->name; option++) {
        if (option->config && streq(option->config, path))
            return option;
    }
    return NULL;
}

/* Of a list, its items with commas; of a map, "name=value" with commas. ERR_INVALID: deeper than that. */
static int value_text(const struct json *value, struct buf *to, struct err *err);

static int items_text(const struct json *value, struct buf *to, struct err *err)
{
    int r = 0;

    json_for_each_item (item, value) {
        if (to->len > 0)
            buf_add_str(to, ",");
        r = value_text(item, to, err);
        if (r < 0)
            break;
    }
    return r;
}

static int members_text(const struct json *value, struct buf *to, struct err *err)
{
    int r = 0;

    json_for_each (name, member, value) {
        buf_addf(to, "%s%s=", to->len > 0 ? "," : "", name);
        r = value_text(member, to, err);
        if (r < 0)
            break;
    }
    return r;
}

static int value_text(const struct json *value, struct buf *to, struct err *err)
{
    switch (json_kind(value)) {
    case JSON_KIND_TEXT:
        buf_add_str(to, json_as_text(value));
        return 0;
    case JSON_KIND_BOOL:
        buf_add_str(to, json_as_bool(value, false) ? "true" : "false");
        return 0;
    case JSON_KIND_INT:
        buf_addf(to, "%lld", (long long)json_as_int(value, 0));
        return 0;
    case JSON_KIND_LIST:
        return items_text(value, to, err);
    case JSON_KIND_MAP:
        return members_text(value, to, err);
    default:
        return err_set(err, ERR_INVALID, "is no text, number, list or map");
    }
}

/* A path in the file is meant from the file's folder. */
static const char *text_in_flags(const struct config_file *file, const struct option *option,
                                 const char *text)
{
    const char *slash = strrchr(file->path, '/');

    if (!option->is_path || text[0] == '/' || !text[0] || !slash)
        return arena_strdup(file->flags->arena, text);
    return arena_printf(file->flags->arena, "%.*s/%s", (int)(slash - file->path), file->path, text);
}

static int set_from_file(const struct config_file *file, const struct option *option,
                         const struct json *value, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(CONFIG_MAX);
    int r = value_text(value, &text, err);

    return r < 0 ? r : option_set(option, text_in_flags(file, option, buf_str(&text)), err);
}

static int take_map(const struct config_file *file, const struct json *map, const char *prefix,
                    struct err *err);

static int take_member(const struct config_file *file, const char *path, const struct json *value,
                       struct err *err)
{
    const struct option *option = row_of(file->options, path);
    int r;

    if (!option && json_kind(value) == JSON_KIND_MAP)
        return take_map(file, value, path, err);
    r = option ? set_from_file(file, option, value, err)
               : err_set(err, ERR_INVALID, "there is no such field");
    if (r < 0)
        return err_wrap(err, "%s:%d: %s", file->path, yaml_line(file->stream, 0, path), path);
    return 0;
}

static int take_map(const struct config_file *file, const struct json *map, const char *prefix,
                    struct err *err)
{
    int r = 0;

    json_for_each (name, value, map) {
        cleanup(xfree) char *path = *prefix ? xasprintf("%s.%s", prefix, name) : xstrdup(name);

        if (streq(path, "apiVersion") || streq(path, "kind"))
            continue;
        r = take_member(file, path, value, err);
        if (r < 0)
            break;
    }
    return r;
}

static int check_head(const struct config_file *file, const struct json *document, struct err *err)
{
    const char *version = json_get_text(document, "apiVersion");
    const char *kind = json_get_text(document, "kind");

    if (yaml_document_count(file->stream) != 1 || json_kind(document) != JSON_KIND_MAP)
        return err_set(err, ERR_INVALID, "%s: must hold one document, a %s of '%s'", file->path,
                       CONFIG_KIND, CONFIG_VERSION);
    if (!streq(str_or(version, ""), CONFIG_VERSION) || !streq(str_or(kind, ""), CONFIG_KIND))
        return err_set(err, ERR_INVALID, "%s:1: is '%s' of '%s', must be %s of '%s'", file->path,
                       str_or(kind, ""), str_or(version, ""), CONFIG_KIND, CONFIG_VERSION);
    return 0;
}

static int load_config(const struct usage *usage, struct controller_flags *flags, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(CONFIG_MAX);
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct config_file file = {.path = flags->config, .options = usage->options, .flags = flags};
    int r = file_read(file.path, &text, err);

    if (r < 0)
        return r;
    r = yaml_parse(buf_str(&text), text.len, &stream, err);
    if (r < 0)
        return err_wrap(err, "%s", file.path);
    file.stream = stream;
    r = check_head(&file, yaml_document(stream, 0), err);
    return r < 0 ? r : take_map(&file, yaml_document(stream, 0), "", err);
}

/* --- flags --- */

static const char about[] =
    "Makes the Certificates of a cluster true: issues, renews, writes their Secrets. One process at a time\n"
    "does, the holder of a Lease; others stand by with full caches.\n"
    "\n"
    "Flags and configuration file are those of cert-manager's controller; what is not built in this version is\n"
    "refused. Exit codes: 0 stopped by a signal; 1 the Lease was lost; 2 wrong usage; 4 there is no way to the\n"
    "API server, or a port cannot be used; 130 stopped by a second signal.";

#define UNBUILT(name_, what_, ...)                                                                 \
    {                                                                                              \
        .name = name_, .type = OPTION_UNBUILT, .help = what_, __VA_ARGS__                          \
    }
#define IGNORED(name_, ...)                                                                        \
    {                                                                                              \
        .name = name_, .type = OPTION_IGNORED, .help = "has no effect", __VA_ARGS__                \
    }

static int check(const struct usage *usage, const struct controller_flags *flags,
                 struct controller_choice *choice)
{
    struct err err = {};

    if (engine_flags_check(usage, &flags->engine) != EXIT_OK)
        return EXIT_USAGE;
    if (flags->leader_elect &&
        elector_check_times(flags->lease_ms, flags->renew_deadline_ms, flags->retry_ms, &err) < 0)
        return usage_error(usage, "%s", err.text);
    if (controller_choice_parse(&flags->controllers, choice, &err) < 0)
        return usage_error(usage, "flag '--controllers': %s", err.text);
    if (feature_gates_check(&flags->feature_gates, &err) < 0)
        return usage_error(usage, "flag '--feature-gates': %s", err.text);
    return OPTIONS_OK;
}

static int parse_with(const struct usage *usage, int argc, char **argv,
                      struct controller_flags *flags, struct controller_choice *choice)
{
    cleanup(xfree) const char **positional = NULL;
    struct err err = {};
    size_t count = 0;
    int code;

    code = options_parse(usage, argc, argv, &positional, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count > 0)
        return usage_error(usage, "'%s' is no flag, and there is nothing else to give",
                           positional[0]);
    if (!str_empty(flags->config)) {
        if (load_config(usage, flags, &err) < 0)
            return usage_error(usage, "flag '--config': %s", err.text);
        options_parse_again(usage, argc, argv);
    }
    return check(usage, flags, choice);
}

int controller_flags_parse(int argc, char **argv, struct controller_flags *flags,
                           struct controller_choice *choice)
{
    const struct option options[] = {
        FLAG("config", TEXT, config, .value = "FILE",
             .help = "a ControllerConfiguration; flags win over it"),
        CLUSTER_OPTIONS(&flags->cluster),
        FLAG("namespace", LIST, namespaces, .value = "NAMESPACE,...", .config = "namespace",
             .help = "work in these only, without ClusterIssuers (default: all)"),
        FLAG("leader-elect", SWITCH, leader_elect, .default_text = "true",
             .config = "leaderElectionConfig.enabled",
             .help = "work only while holding the Lease (--leader-elect=false: at once)"),
        FLAG("leader-election-namespace", TEXT, leader_namespace, .value = "NAMESPACE",
             .default_text = "kube-system", .config = "leaderElectionConfig.namespace",
             .help = "where the Lease 'cert-manager-controller' is"),
        FLAG("leader-election-lease-duration", DURATION, lease_ms, .value = "DURATION",
             .default_text = "60s", .config = "leaderElectionConfig.leaseDuration",
             .help = "how long others wait for a leader that is silent"),
        FLAG("leader-election-renew-deadline", DURATION, renew_deadline_ms, .value = "DURATION",
             .default_text = "40s", .config = "leaderElectionConfig.renewDeadline",
             .help = "a leader that cannot renew for this long ends"),
        FLAG("leader-election-retry-period", DURATION, retry_ms, .value = "DURATION",
             .default_text = "15s", .config = "leaderElectionConfig.retryPeriod",
             .help = "time between two tries"),
        FLAG("internal-healthz-leader-election-timeout", DURATION, health_slack_ms,
             .value = "DURATION", .default_text = "20s", .hidden = true,
             .config = "leaderElectionConfig.healthzTimeout",
             .help = "/livez fails when a leader has not renewed for the lease duration and this"),
        FLAG("controllers", LIST, controllers, .value = "NAME,-NAME,*", .default_text = "*",
             .config = "controllers", .help = "which of cert-manager's controllers are to run"),
        FLAG("feature-gates", LIST, feature_gates, .value = "NAME=BOOL,...",
             .config = "featureGates", .help = "cert-manager's gates; most are built in for good"),
        FLAG("metrics-listen-address", TEXT, engine.metrics_address, .value = "ADDRESS",
             .default_text = "0.0.0.0:9402", .config = "metricsListenAddress",
             .help = "where /metrics is served; 0: nowhere"),
        FLAG("internal-healthz-listen-address", TEXT, healthz_address, .value = "ADDRESS",
             .default_text = "0.0.0.0:9403", .config = "healthzListenAddress",
             .help = "where /livez, /healthz and /readyz are served; 0: nowhere"),
#include "engine_flags.inc"
        FLAG("http01-listen", TEXT, engine.http01_listen, .hidden = true, .help = "for tests"),
        FLAG("http01-self-check-port", NUMBER, engine.http01_port, .hidden = true,
             .default_text = "80", .help = "for tests"),
#include "controller_unbuilt.inc"
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet controller [flags]", .about = about, .options = options};

    flags->arena = arena_new(0);
    return parse_with(&usage, argc, argv, flags, choice);
}

void controller_flags_deinit(struct controller_flags *flags)
{
    engine_flags_deinit(&flags->engine);
    strlist_deinit(&flags->namespaces);
    strlist_deinit(&flags->controllers);
    strlist_deinit(&flags->feature_gates);
    arena_free(take(flags->arena));
}
