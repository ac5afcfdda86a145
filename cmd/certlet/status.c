/* status.c - certlet status: the Certificates of a folder or cluster, and why one is not ready. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timetext.h"
#include "command.h"
#include "controller/report.h"
#include "options.h"
#include "output.h"
#include "place.h"

struct view {
    const struct report *report;
    struct manifest_problems problems; /* of a folder, where something is not as it should be */
    bool is_wide, is_terminal;
    bool with_namespace; /* before the name */
    int64_t now_ms;
};

/* --- table --- */

#define COLUMNS      6
#define COLUMNS_WIDE 10
struct table {
    char *cells[COLUMNS_WIDE];
};

static char *names_text(const struct certificate_row *row, bool all)
{
    cleanup(buf_deinit) struct buf text = BUF(64 * 1024);
    size_t shown = 0, count = row->names.len;

    for (; shown < count && (all || shown < 2); shown++)
        buf_addf(&text, "%s%s", shown ? "," : "", row->names.items[shown]);
    if (shown < count)
        buf_addf(&text, ",+%zu", count - shown);
    return count ? buf_take(&text) : xstrdup("-");
}

static char *when_text(int64_t at_ms, int64_t now_ms)
{
    char words[TIME_TEXT_MAX];

    if (at_ms == 0)
        return xstrdup("-");
    duration_words(at_ms > now_ms ? at_ms - now_ms : now_ms - at_ms, words);
    return at_ms > now_ms ? xasprintf("in %s", words) : xasprintf("%s ago", words);
}

static void fill(const struct view *view, const struct certificate_row *row, struct table *ret)
{
    ret->cells[0] = view->with_namespace ? xasprintf("%s/%s", row->namespace, row->name)
                                         : xstrdup(row->name);
    ret->cells[1] = xstrdup(row->ready);
    ret->cells[2] = names_text(row, view->is_wide);
    ret->cells[3] = xstrdup(str_or(row->issuer_name, "-"));
    ret->cells[4] = when_text(row->not_after_ms, view->now_ms);
    ret->cells[5] = row->is_issuing ? xstrdup("now")
                                    : when_text(row->renewal_time_ms, view->now_ms);
    if (view->is_wide) {
        ret->cells[6] = xstrdup(str_or(row->secret_name, "-"));
        ret->cells[7] = xstrdup(str_or(row->serial, "-"));
        ret->cells[8] = xstrdup(str_or(row->signed_by, "-"));
        ret->cells[9] = xstrdup(str_or(row->problem, "-"));
    }
}

static void print_reason(const struct certificate_row *row)
{
    if (row->is_early) {
        cleanup(buf_deinit) struct buf text = BUF(64 * 1024);

        certificate_row_explain(row, &text);
        printf("  %s\n", buf_str(&text));
    }
    if (row->reason && !streq(row->ready, "True"))
        printf("  %s: %s\n", row->reason, str_or(row->message, ""));
    if (row->is_issuing && row->issuing_message)
        printf("  issuing: %s\n", row->issuing_message);
    if (row->waiting_for &&
        !(row->issuing_message && strstr(row->issuing_message, row->waiting_for)))
        printf("  waiting for: %s\n", row->waiting_for);
    if (row->issuer_hint)
        printf("  issuer: %s\n", row->issuer_hint);
    if (row->issuer_refused)
        printf("  its issuer's manifest was refused: %s\n", row->issuer_refused);
    if (row->problem)
        printf("  problem: %s\n", row->problem);
    if (row->failing_name)
        printf("  name: %s\n", row->failing_name);
    if (row->next_attempt_ms > 0) {
        char when[TIME_TEXT_MAX];

        time_format(row->next_attempt_ms, when);
        printf("  attempt %lld failed, next not before %s\n", (long long)row->attempts, when);
    }
}

static void print_row(const struct view *view, const struct table *row, const int *widths,
                      size_t columns, bool is_good)
{
    for (size_t i = 0; i < columns; i++) {
        const char *color = i == 1 && view->is_terminal ? (is_good ? "\033[32m" : "\033[31m") : "";

        printf("%s%-*s%s%s", color, i + 1 < columns ? widths[i] : 0, row->cells[i],
               *color ? "\033[0m" : "", i + 1 < columns ? "  " : "\n");
    }
}

static void table_deinit(struct table *row)
{
    for (size_t i = 0; i < COLUMNS_WIDE; i++)
        xfree(row->cells[i]);
}

static void print_table(const struct view *view)
{
    static const char *const heads[COLUMNS_WIDE] = {"NAME",      "READY",     "NAMES",  "ISSUER",
                                                    "EXPIRES",   "RENEWS",    "SECRET", "SERIAL",
                                                    "SIGNED BY", "LAST ERROR"};
    size_t columns = view->is_wide ? COLUMNS_WIDE : COLUMNS,
           count = view->report->certificate_count;
    struct table *rows = xcalloc(count + 1, sizeof(*rows));
    int widths[COLUMNS_WIDE];

    for (size_t c = 0; c < columns; c++)
        widths[c] = (int)strlen(heads[c]);
    for (size_t i = 0; i < count; i++) {
        fill(view, &view->report->certificates[i], &rows[i]);
        for (size_t c = 0; c < columns; c++) {
            int width = (int)strlen(rows[i].cells[c]);

            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t c = 0; c < columns && count > 0; c++)
        printf("%-*s%s", c + 1 < columns ? widths[c] : 0, heads[c], c + 1 < columns ? "  " : "\n");
    for (size_t i = 0; i < count; i++) {
        const struct certificate_row *row = &view->report->certificates[i];
        bool is_good = streq(row->ready, "True");

        print_row(view, &rows[i], widths, columns, is_good);
        print_reason(row);
        table_deinit(&rows[i]);
    }
    xfree(rows);
}

/* --- tree --- */

static bool is_last_of_depth(const struct certificate_row *row, size_t i)
{
    for (size_t j = i + 1; j < row->node_count; j++) {
        if (row->nodes[j].depth <= row->nodes[i].depth)
            return row->nodes[j].depth < row->nodes[i].depth;
    }
    return true;
}

/* Does a line go on below the node before `i` that is at this depth? */
static bool goes_on_at(const struct certificate_row *row, size_t i, int depth)
{
    for (size_t j = i + 1; j < row->node_count && row->nodes[j].depth >= depth; j++)
        if (row->nodes[j].depth == depth)
            return true;
    return false;
}

static void print_node(const struct certificate_row *row, size_t i)
{
    const struct report_node *node = &row->nodes[i];

    for (int depth = 0; depth < node->depth; depth++)
        printf("%s", goes_on_at(row, i, depth) ? "│  " : "   ");
    printf("%s %s %s", is_last_of_depth(row, i) ? "└─" : "├─", node->kind, str_or(node->name, "-"));
    if (node->state)
        printf(": %s", node->state);
    if (node->text)
        printf(" (%s)", node->text);
    printf("\n");
}

/* The one line that says it all. */
static void print_line(const struct view *view, const struct certificate_row *row)
{
    cleanup(buf_deinit) struct buf text = BUF(64 * 1024);
    cleanup(xfree) char *expires = when_text(row->not_after_ms, view->now_ms);
    cleanup(xfree) char *renews = when_text(row->renewal_time_ms, view->now_ms);

    if (certificate_row_is_fine(row, view->now_ms)) {
        printf("%s/%s: ready, expires %s, renewed %s", row->namespace, row->name, expires,
               row->renewal_time_ms ? renews : "never");
        if (row->is_issuing)
            printf("; being issued anew: %s",
                   str_or(row->waiting_for, str_or(row->issuing_message, "no reason is given")));
        printf("\n");
        return;
    }
    certificate_row_explain(row, &text);
    printf("%s\n", buf_str(&text));
}

static void print_tree(const struct view *view)
{
    for (size_t i = 0; i < view->report->certificate_count; i++) {
        const struct certificate_row *row = &view->report->certificates[i];

        print_line(view, row);
        for (size_t n = 0; n < row->node_count; n++)
            print_node(row, n);
    }
}

static void print_issuers(const struct view *view)
{
    for (size_t i = 0; i < view->report->issuer_count; i++) {
        const struct issuer_row *row = &view->report->issuers[i];

        if (streq(row->ready, "True"))
            continue;
        printf("%s %s is not ready: %s\n", row->kind, row->name,
               str_or(row->message, str_or(row->reason, "it has not been looked at yet")));
    }
}

static void print_requests(const struct view *view)
{
    for (size_t i = 0; i < view->report->request_count; i++) {
        cleanup(buf_deinit) struct buf line = BUF(64 * 1024);

        if (view->report->requests[i].is_issued)
            continue;
        request_row_explain(&view->report->requests[i], &line);
        printf("%s\n", buf_str(&line));
    }
}

static void print_refused(const struct view *view)
{
    for (size_t i = 0; i < view->report->refused.len; i++)
        printf("%s\n", view->report->refused.items[i]);
}

/* What was refused may be what is looked for in vain: "manifests/web.yaml:7: Certificate default/web: ...". */
static void add_refused_manifests(const struct view *view, struct strlist *to)
{
    for (size_t i = 0; i < view->problems.len; i++) {
        cleanup(buf_deinit) struct buf line = BUF(64 * 1024);

        if (view->problems.items[i].is_warning)
            continue;
        manifest_problem_format(&view->problems.items[i], &line);
        strlist_add(to, buf_str(&line));
    }
}

static void print_refused_manifests(const struct view *view)
{
    cleanup(strlist_deinit) struct strlist lines = {};

    add_refused_manifests(view, &lines);
    for (size_t i = 0; i < lines.len; i++)
        printf("refused: %s\n", lines.items[i]);
}

/* --- json and yaml --- */

static struct json *names_json(const struct array_string *names)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < names->len; i++)
        json_append_text(list, names->items[i]);
    return list;
}

static struct json *nodes_json(const struct certificate_row *row)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < row->node_count; i++) {
        struct json *map = json_new_map();

        json_set_int(map, "depth", row->nodes[i].depth);
        json_set_text(map, "kind", row->nodes[i].kind);
        json_set_text(map, "name", row->nodes[i].name);
        json_set_text(map, "state", row->nodes[i].state);
        json_set_text(map, "text", row->nodes[i].text);
        json_append(list, map);
    }
    return list;
}

static struct json *certificate_json(const struct certificate_row *row)
{
    struct json *map = json_new_map();

    output_set_issuer(map, row->issuer_kind, row->issuer_name);
    json_set_text(map, "namespace", row->namespace);
    json_set_text(map, "name", row->name);
    json_set_text(map, "ready", row->ready);
    json_set_text(map, "reason", row->reason);
    json_set_text(map, "message", row->message);
    json_set(map, "dnsNames", names_json(&row->dns_names));
    json_set(map, "ipAddresses", names_json(&row->ip_addresses));
    json_set(map, "names", names_json(&row->names));
    json_set_text(map, "secretName", row->secret_name);
    output_set_time(map, "notBefore", row->not_before_ms);
    output_set_time(map, "notAfter", row->not_after_ms);
    output_set_time(map, "renewalTime", row->renewal_time_ms);
    json_set_bool(map, "issuing", row->is_issuing);
    json_set_text(map, "issuingMessage", row->issuing_message);
    json_set_int(map, "attempts", row->attempts);
    output_set_time(map, "nextAttempt", row->next_attempt_ms);
    json_set_text(map, "waitingFor", row->waiting_for);
    json_set_text(map, "problem", row->problem);
    json_set_text(map, "failingName", row->failing_name);
    json_set_text(map, "issuerHint", row->issuer_hint);
    json_set_text(map, "issuerRefused", row->issuer_refused);
    json_set_text(map, "serial", row->serial);
    json_set_text(map, "signedBy", row->signed_by);
    json_set(map, "objects", nodes_json(row));
    return map;
}

static struct json *issuer_json(const struct issuer_row *row)
{
    struct json *map = json_new_map();

    json_set_text(map, "kind", row->kind);
    json_set_text(map, "namespace", row->namespace);
    json_set_text(map, "name", row->name);
    json_set_text(map, "ready", row->ready);
    json_set_text(map, "reason", row->reason);
    json_set_text(map, "message", row->message);
    json_set_text(map, "account", row->account);
    return map;
}

static struct json *request_json(const struct request_row *row)
{
    struct json *map = json_new_map();

    output_set_issuer(map, row->issuer_kind, row->issuer_name);
    json_set_text(map, "namespace", row->namespace);
    json_set_text(map, "name", row->name);
    json_set_text(map, "state", row->state);
    json_set_text(map, "text", row->text);
    return map;
}

static struct json *view_json(const struct view *view)
{
    struct json *map = json_new_map();
    struct json *certificates = json_new_list(), *issuers = json_new_list(),
                *requests = json_new_list();
    cleanup(strlist_deinit) struct strlist refused_manifests = {};

    for (size_t i = 0; i < view->report->certificate_count; i++)
        json_append(certificates, certificate_json(&view->report->certificates[i]));
    for (size_t i = 0; i < view->report->issuer_count; i++)
        json_append(issuers, issuer_json(&view->report->issuers[i]));
    json_set(map, "certificates", certificates);
    for (size_t i = 0; i < view->report->request_count; i++)
        json_append(requests, request_json(&view->report->requests[i]));
    json_set(map, "issuers", issuers);
    json_set(map, "requests", requests);
    if (view->report->refused.len > 0)
        json_set(map, "refused", json_new_strlist(&view->report->refused));
    add_refused_manifests(view, &refused_manifests);
    if (refused_manifests.len > 0)
        json_set(map, "refusedManifests", json_new_strlist(&refused_manifests));
    return map;
}

static void print_view(const struct view *view, const char *format)
{
    cleanup(json_unref) struct json *json = NULL;

    if (streq(format, "table") || streq(format, "wide") || streq(format, "tree")) {
        if (streq(format, "tree"))
            print_tree(view);
        else
            print_table(view);
        print_issuers(view);
        print_requests(view);
        print_refused_manifests(view);
        print_refused(view);
        return;
    }
    json = view_json(view);
    output_print(json, format);
}

/* --- what to look at --- */

/* In a folder a bare name is that of any namespace; in a cluster it is in the one that is meant. */
static void add_name(const struct place *place, const char *name, struct report_scope *scope)
{
    cleanup(xfree) char *text = xstrdup(name);
    struct key key = place_key(place, text);
    char full[KEY_TEXT_MAX];

    if (!place->only_namespace) {
        strlist_add(&scope->names, name);
        return;
    }
    key_format(&key, full);
    strlist_add(&scope->names, full);
    strlist_add(&scope->namespaces, key.namespace);
}

static void find_scope(const struct place *place, const char *const *names, size_t count,
                       struct report_scope *scope)
{
    scope->tolerant = !place->dir;
    scope->with_requests = place->dir && count == 0;
    for (size_t i = 0; i < count; i++)
        add_name(place, names[i], scope);
    if (count == 0 && place->only_namespace)
        strlist_add(&scope->namespaces, place->only_namespace);
    strlist_sort_unique(&scope->namespaces);
}

static void scope_deinit(struct report_scope *scope)
{
    strlist_deinit(&scope->namespaces);
    strlist_deinit(&scope->names);
}
DEFINE_CLEANUP_VALUE(struct report_scope, scope_deinit);

/* Every name that was asked for must be there. */
static bool find_names(const struct report *report, const struct strlist *names)
{
    bool all_there = true;

    for (size_t i = 0; i < names->len; i++) {
        if (report_has(report, names->items[i]))
            continue;
        (void)fprintf(stderr, "%s status: there is no Certificate '%s'\n", program_name(),
                      names->items[i]);
        all_there = false;
    }
    return all_there;
}

/* Of one namespace that was asked for, the names alone say it all. */
static bool needs_namespace(const struct report *report, const struct report_scope *scope)
{
    if (scope->namespaces.len > 0)
        return scope->namespaces.len > 1;
    for (size_t i = 0; i < report->certificate_count; i++) {
        if (!streq(report->certificates[i].namespace, "default"))
            return true;
    }
    return false;
}

static void say_nothing_is_there(const struct place *place)
{
    (void)fprintf(stderr, "%s status: there is no Certificate", program_name());
    if (place->only_namespace)
        (void)fprintf(stderr, " in namespace '%s'", place->only_namespace);
    if (place->dir)
        (void)fprintf(stderr, "; 'certlet run %s' takes in those of '%s/manifests'", place->dir,
                      place->dir);
    (void)fprintf(stderr, "\n");
}

static int exit_code_of(const struct report *report)
{
    for (size_t i = 0; i < report->certificate_count; i++) {
        if (!streq(report->certificates[i].ready, "True"))
            return EXIT_NOT_READY;
    }
    for (size_t i = 0; i < report->request_count; i++) {
        if (!report->requests[i].is_issued)
            return EXIT_NOT_READY;
    }
    return EXIT_OK;
}

/* What was asked for by name is there and fine: no manifest explains anything. */
static bool is_answered(const struct report *report, const struct strlist *names, int64_t now_ms)
{
    for (size_t i = 0; i < report->certificate_count; i++)
        if (!certificate_row_is_fine(&report->certificates[i], now_ms))
            return false;
    for (size_t i = 0; i < names->len; i++)
        if (!report_has(report, names->items[i]))
            return false;
    return names->len > 0;
}

/* The manifests of a folder: what was refused is in no store. */
static void read_manifests(const struct place *place, struct report *report, struct view *view)
{
    cleanup(xfree) char *folder = xasprintf("%s/manifests", place->dir);

    if (access(folder, F_OK) < 0)
        return; /* a copy of state.db alone can be looked at, too */
    manifests_check(folder, &view->problems);
    report_tell_refused(report, &view->problems);
}

static void view_deinit(struct view *view)
{
    manifest_problems_deinit(&view->problems);
}
DEFINE_CLEANUP_VALUE(struct view, view_deinit);

static int show(const struct place *place, const struct report_scope *scope, const char *format,
                struct err *err)
{
    cleanup(report_deinit) struct report report = {};
    struct context ctx = context_background(clock_system());
    cleanup(view_deinit) struct view view = {.report = &report, .is_wide = streq(format, "wide")};
    int r = report_load_scope(place->store, &ctx, scope, &report, err);

    if (r == 0 && !streq(format, "table"))
        r = report_load_leaves(place->store, &ctx, &report, err);
    if (r < 0)
        return EXIT_STORE;
    view.is_terminal = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    view.now_ms = context_now_ms(&ctx);
    if (place->dir && !is_answered(&report, &scope->names, view.now_ms))
        read_manifests(place, &report, &view);
    view.with_namespace = needs_namespace(&report, scope);
    print_view(&view, format);
    if (report.certificate_count == 0 && scope->names.len == 0)
        say_nothing_is_there(place);
    return find_names(&report, &scope->names) ? exit_code_of(&report) : EXIT_NOT_READY;
}

int command_status(int argc, char **argv)
{
    struct place_flags flags = {};
    const char *format;
    const struct option options[] = {
        PLACE_OPTIONS(&flags),
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &format,
         .choices = "table|wide|tree|json|yaml",
         .default_text = "table",
         .help = "how to print it; tree, json and yaml have the objects behind each Certificate"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet status [flags] [NAME...]",
        .about =
            "Shows Certificates: names, issuer, expiry, renewal, and for each that is not ready what it waits\n"
            "for. Those of a cluster, or with --dir of a folder, also beside a running certlet run. NAME is\n"
            "NAME or NAMESPACE/NAME. -o tree shows the objects behind each (issuer, Secret, requests, Orders,\n"
            "Challenges) and one line that explains it. What may not be read beside Certificates is left out\n"
            "and named; table reads no Secret. Of a folder, without NAME, also the CertificateRequests that are of no\n"
            "Certificate: what becomes of those that are not issued.\n"
            "Exit code 0: all are ready, 1: not all, 4: the folder or cluster cannot be read.",
        .options = options,
    };
    cleanup(xfree) const char **names = NULL;
    cleanup(place_close) struct place place = {};
    cleanup(scope_deinit) struct report_scope scope = {};
    struct err err = {};
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &names, &count);
    if (code != OPTIONS_OK)
        return code;
    code = place_open(&usage, &flags, true, &place);
    if (code != EXIT_OK)
        return code;
    find_scope(&place, names, count, &scope);
    scope.with_tree = !streq(format, "table") && !streq(format, "wide");
    code = show(&place, &scope, format, &err);
    if (err.code)
        place_complain(&place, &usage, &err);
    return code;
}
