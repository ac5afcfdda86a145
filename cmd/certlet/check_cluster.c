/* check_cluster.c - see check_cluster.h. */
#include "check_cluster.h"

#include <stdio.h>

#include "command.h"
#include "controller.h"
#include "controller/installed.h"
#include "output.h"

static void print_finding(const struct finding *finding)
{
    printf("%-7s  %s: %s%s%s\n", finding_level_names[finding->level], finding->about, finding->text,
           finding->todo ? "; " : "", str_or(finding->todo, ""));
}

static void print_lines(const struct findings *findings, bool quiet)
{
    for (size_t i = 0; i < findings->len; i++) {
        if (!quiet || findings->items[i].level != FINDING_OK)
            print_finding(&findings->items[i]);
    }
}

static struct json *finding_json(const struct finding *finding)
{
    struct json *map = json_new_map();

    json_set_text(map, "level", finding_level_names[finding->level]);
    json_set_text(map, "about", finding->about);
    json_set_text(map, "text", finding->text);
    json_set_text(map, "todo", finding->todo);
    return map;
}

static void print_json(const struct findings *findings)
{
    cleanup(json_unref) struct json *map = json_new_map();
    struct json *list = json_new_list();

    for (size_t i = 0; i < findings->len; i++)
        json_append(list, finding_json(&findings->items[i]));
    json_set_int(map, "problems", (int64_t)findings_count(findings, FINDING_PROBLEM));
    json_set_int(map, "warnings", (int64_t)findings_count(findings, FINDING_WARNING));
    json_set(map, "findings", list);
    output_print(map, "json");
}

/* Every user may read it, unless somebody took that away; who may not goes on without. */
static int read_version(const struct cluster *cluster, const struct context *ctx, struct json **ret,
                        struct err *err)
{
    struct err why = {};
    int r = store_kube_version(cluster->store, ctx, ret, &why);

    if (r < 0 && r != ERR_DENIED)
        return err_set(err, r, "%s", why.text);
    return 0;
}

static int look(const struct cluster *cluster, const struct check_cluster_flags *flags,
                struct findings *findings, struct err *err)
{
    struct context ctx = context_background(clock_system());
    cleanup(xfree) char *account = xstrdup(flags->service_account);
    cleanup(json_unref) struct json *version = NULL;
    struct installed_options options = {
        .lease = {.namespace = flags->lease_namespace, .name = CONTROLLER_LEASE},
        .service_account = key_parse(account),
        .signing_gate_is_on = feature_gates_have_signing_requests};
    int r = read_version(cluster, &ctx, &version, err);

    options.version = version;
    return r == 0 ? installed_look(cluster->store, &ctx, &options, findings, err) : r;
}

int check_cluster(const struct usage *usage, const struct check_cluster_flags *flags)
{
    cleanup(cluster_close) struct cluster cluster = {};
    cleanup(findings_deinit) struct findings findings = {};
    struct err err = {};

    if (cluster_open(&flags->cluster, &cluster, &err) < 0) {
        usage_complain(usage, &err);
        return EXIT_STORE;
    }
    if (look(&cluster, flags, &findings, &err) < 0) {
        cluster_advise(&cluster, &err);
        usage_complain(usage, &err);
        return EXIT_STORE;
    }
    if (streq(flags->format, "json"))
        print_json(&findings);
    else
        print_lines(&findings, flags->quiet);
    return findings_count(&findings, FINDING_PROBLEM) > 0 ? EXIT_NOT_READY : EXIT_OK;
}
