/* plan.c - certlet plan: what would be issued anew, and why, before certlet takes over. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/kinds.h"
#include "base/timetext.h"
#include "command.h"
#include "controller/manifests.h"
#include "controller/plan.h"
#include "options.h"
#include "output.h"
#include "place.h"
#include "store/local.h"

#define LINE_MAX_BYTES  (64 * 1024)
#define PLAN_TIMEOUT_MS MINUTES(10)

struct view {
    const struct plan *plan;
    const char *format;
    bool all; /* those that are kept, too */
};

/* --- table --- */

static bool is_shown(const struct view *view, const struct plan_row *row)
{
    return view->all || row->verdict != PLAN_KEEP || row->reason || row->obstacle;
}

static int name_width(const struct view *view)
{
    size_t widest = strlen("NAME");

    for (size_t i = 0; i < view->plan->len; i++) {
        const struct plan_row *row = &view->plan->rows[i];
        size_t width = strlen(row->namespace) + 1 + strlen(row->name);

        if (is_shown(view, row) && width > widest)
            widest = width;
    }
    return (int)widest;
}

/* A condition may say already what is in the way, or when it is tried again. */
static void add_unsaid(struct buf *text, const char *words, const char *what)
{
    if (!strstr(buf_str(text), what))
        buf_addf(text, "%s%s%s", text->len ? "; " : "", words, what);
}

static char *why_text(const struct plan_row *row)
{
    cleanup(buf_deinit) struct buf text = BUF(LINE_MAX_BYTES);
    char until[TIME_TEXT_MAX];

    if (row->reason)
        buf_addf(&text, "%s: %s", row->reason, str_or(row->message, ""));
    if (row->obstacle)
        add_unsaid(&text, "", row->obstacle);
    if (row->until_ms > 0) {
        time_format(row->until_ms, until);
        add_unsaid(&text, "not before ", until);
    }
    return text.len ? buf_take(&text) : xstrdup("-");
}

static void print_row(const struct plan_row *row, int width)
{
    cleanup(xfree) char *name = xasprintf("%s/%s", row->namespace, row->name);
    cleanup(xfree) char *why = why_text(row);

    printf("%-*s  %-9s  %s\n", width, name, plan_verdict_name(row->verdict), why);
}

static void print_rows(const struct view *view)
{
    const struct plan *plan = view->plan;
    int width = name_width(view);
    bool has_head = false;

    for (size_t i = 0; i < plan->len; i++) {
        if (!is_shown(view, &plan->rows[i]))
            continue;
        if (!has_head)
            printf("%-*s  %-9s  %s\n", width, "NAME", "WHAT", "WHY");
        has_head = true;
        print_row(&plan->rows[i], width);
    }
    if (has_head)
        printf("\n");
}

static void print_issuers(const struct plan *plan)
{
    for (size_t i = 0; i < plan->issuer_count; i++) {
        const struct plan_issuer *issuer = &plan->issuers[i];

        printf("%s %s%s%s cannot be worked with as it is%s: %s\n", issuer->kind, issuer->namespace,
               *issuer->namespace ? "/" : "", issuer->name,
               issuer->is_used ? ", so that what it has issued is not renewed" : "",
               issuer->problem);
    }
    if (plan->issuer_count > 0)
        printf("\n");
}

static void print_counts(const struct plan *plan)
{
    static const struct {
        enum plan_verdict verdict;
        const char *what;
    } rows[] = {
        {PLAN_KEEP, "kept as they are"},
        {PLAN_TAKE_OVER, "taken over (the Secret's metadata is written, the certificate stays)"},
        {PLAN_CARRY_ON, "carried on with where they are"},
        {PLAN_RENEW, "renewed, as they are due"},
        {PLAN_ISSUE, "issued for the first time"},
        {PLAN_HOLD, "left alone"},
    };
    const char *separator = ": ";

    printf("%zu of %zu certificates would be re-issued", plan->counts[PLAN_REISSUE], plan->len);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (plan->counts[rows[i].verdict] == 0)
            continue;
        printf("%s%zu %s", separator, plan->counts[rows[i].verdict], rows[i].what);
        separator = ", ";
    }
    printf("\n");
}

/* --- json and yaml --- */

static struct json *row_json(const struct plan_row *row)
{
    struct json *map = json_new_map();

    output_set_issuer(map, row->issuer_kind, row->issuer_name);
    json_set_text(map, "namespace", row->namespace);
    json_set_text(map, "name", row->name);
    json_set_text(map, "secretName", row->secret_name);
    json_set_text(map, "what", plan_verdict_name(row->verdict));
    json_set_text(map, "reason", row->reason);
    json_set_text(map, "message", row->message);
    json_set_text(map, "obstacle", row->obstacle);
    output_set_time(map, "renewalTime", row->renewal_ms);
    output_set_time(map, "notBefore", row->until_ms);
    return map;
}

static struct json *issuer_json(const struct plan_issuer *issuer)
{
    struct json *map = json_new_map();

    json_set_text(map, "kind", issuer->kind);
    if (*issuer->namespace)
        json_set_text(map, "namespace", issuer->namespace);
    json_set_text(map, "name", issuer->name);
    json_set_text(map, "problem", issuer->problem);
    json_set_bool(map, "used", issuer->is_used);
    return map;
}

static struct json *plan_json(const struct view *view)
{
    const struct plan *plan = view->plan;
    struct json *map = json_new_map();
    struct json *counts = json_need_map(map, "counts");
    struct json *rows = json_new_list(), *issuers = json_new_list();

    json_set_int(counts, "all", (int64_t)plan->len);
    for (int i = 0; i < PLAN_VERDICT_COUNT; i++)
        json_set_int(counts, plan_verdict_name(i), (int64_t)plan->counts[i]);
    for (size_t i = 0; i < plan->len; i++)
        if (is_shown(view, &plan->rows[i]))
            json_append(rows, row_json(&plan->rows[i]));
    for (size_t i = 0; i < plan->issuer_count; i++)
        json_append(issuers, issuer_json(&plan->issuers[i]));
    json_set(map, "certificates", rows);
    json_set(map, "issuers", issuers);
    return map;
}

static void print_plan(const struct view *view)
{
    cleanup(json_unref) struct json *json = NULL;

    if (streq(view->format, "table")) {
        print_rows(view);
        print_issuers(view->plan);
        print_counts(view->plan);
        return;
    }
    json = plan_json(view);
    output_print(json, view->format);
}

/* --- a folder: what its manifests would make of a copy of its store --- */

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static int copy_state(const char *path, struct store **ret, struct err *err)
{
    cleanup(store_close) struct store *state = NULL;
    struct local_options options = {
        .path = path, .clock = clock_system(), .read_only = true, .resources = kind_resources};
    int r = store_local_open(&options, &state, err);

    return r < 0 ? r : store_local_copy(state, ret, err);
}

static int open_copy(const char *dir, struct store **ret, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", dir);
    struct local_options empty = {.clock = clock_system(), .resources = kind_resources};

    return is_there(path) ? copy_state(path, ret, err) : store_local_open(&empty, ret, err);
}

static size_t say_problems(struct manifests *manifests)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    size_t errors = 0;

    manifests_problems(manifests, &problems);
    for (size_t i = 0; i < problems.len; i++) {
        cleanup(buf_deinit) struct buf line = BUF(LINE_MAX_BYTES);

        errors += !problems.items[i].is_warning;
        manifest_problem_format(&problems.items[i], &line);
        (void)fprintf(stderr, "%s\n", buf_str(&line));
    }
    return errors + problems.dropped;
}

static int load_manifests(const char *dir, struct store *store, const struct context *ctx,
                          size_t *ret_errors, struct err *err)
{
    cleanup(manifests_free) struct manifests *manifests = NULL;
    cleanup(xfree) char *folder = xasprintf("%s/manifests", dir);
    struct manifests_options options = {.folder = folder, .store = store, .clock = ctx->clock};
    int r;

    if (!is_there(folder))
        return err_set(err, ERR_NOT_FOUND, "'%s' does not exist; name a folder of certlet run",
                       folder);
    r = manifests_new(&options, &manifests, err);
    if (r == 0)
        r = manifests_load(manifests, ctx, err);
    if (r == 0)
        *ret_errors = say_problems(manifests);
    return r;
}

/* --- the command --- */

struct planned {
    struct place place;
    struct store *copy; /* of a folder; NULL: a cluster */
    size_t manifest_errors;
};

static void planned_deinit(struct planned *planned)
{
    store_close(planned->copy);
    place_close(&planned->place);
}
DEFINE_CLEANUP_VALUE(struct planned, planned_deinit);

static int open_place(struct planned *planned, const struct usage *usage,
                      const struct place_flags *flags, const struct context *ctx)
{
    const char *dir = place_folder(flags);
    struct err err = {};
    int r;

    if (!dir)
        return place_open(usage, flags, true, &planned->place);
    r = open_copy(dir, &planned->copy, &err);
    if (r == 0)
        r = load_manifests(dir, planned->copy, ctx, &planned->manifest_errors, &err);
    if (r == 0)
        return EXIT_OK;
    usage_complain(usage, &err);
    return EXIT_STORE;
}

static bool stands_still(const struct plan_row *row)
{
    return row->verdict == PLAN_HOLD || row->is_stuck;
}

static int exit_code_of(const struct plan *plan, const struct planned *planned)
{
    bool has_obstacle = planned->manifest_errors > 0;

    for (size_t i = 0; i < plan->issuer_count; i++)
        has_obstacle = has_obstacle || plan->issuers[i].is_used;
    for (size_t i = 0; i < plan->len; i++)
        has_obstacle = has_obstacle || stands_still(&plan->rows[i]);
    return has_obstacle || plan->counts[PLAN_REISSUE] > 0 ? EXIT_NOT_READY : EXIT_OK;
}

static int make_and_print(struct planned *planned, const struct usage *usage,
                          const struct plan_options *options, struct view *view,
                          const struct context *ctx)
{
    cleanup(plan_deinit) struct plan plan = {};
    struct store *store = planned->copy ? planned->copy : planned->place.store;
    struct err err = {};

    if (plan_make(store, ctx, options, &plan, &err) < 0) {
        place_complain(&planned->place, usage, &err);
        return EXIT_STORE;
    }
    view->plan = &plan;
    print_plan(view);
    return exit_code_of(&plan, planned);
}

int command_plan(int argc, char **argv)
{
    struct place_flags flags = {};
    struct plan_options wanted = {};
    struct view view = {};
    const struct option options[] = {
        PLACE_OPTIONS(&flags),
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &view.format,
         .choices = "table|json|yaml",
         .default_text = "table",
         .help = "how to print it"},
        {.name = "all",
         .type = OPTION_SWITCH,
         .target = &view.all,
         .help = "show the Certificates that are kept as they are, too"},
        {.name = "cluster-resource-namespace",
         .type = OPTION_TEXT,
         .target = &wanted.resource_namespace,
         .value = "NAMESPACE",
         .default_text = "kube-system",
         .help = "as the controller will be given it"},
        {.name = "enable-certificate-owner-ref",
         .type = OPTION_SWITCH,
         .target = &wanted.owner_ref,
         .help = "as the controller will be given it"},
        {.name = "certificate-request-minimum-backoff-duration",
         .type = OPTION_DURATION,
         .target = &wanted.backoff_min_ms,
         .value = "DURATION",
         .default_text = "1h",
         .help = "as the controller will be given it"},
        {.name = "certificate-request-maximum-backoff-duration",
         .type = OPTION_DURATION,
         .target = &wanted.backoff_max_ms,
         .value = "DURATION",
         .default_text = "32h",
         .help = "as the controller will be given it"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet plan [flags]",
        .about =
            "Says what would be done about each Certificate if the controller started now, and why; of a\n"
            "cluster that cert-manager looks after, what would be issued anew by certlet. Of all namespaces\n"
            "where --namespace names none. Nothing is written. With --dir, what certlet run would do with the\n"
            "manifests as they are.\n"
            "Exit code 0: no certificate is re-issued and nothing is in the way, 1: otherwise, 4: the folder or\n"
            "cluster cannot be read.",
        .options = options,
    };
    cleanup(planned_deinit) struct planned planned = {};
    cleanup(xfree) const char **names = NULL;
    struct context forever = context_background(clock_system());
    struct context ctx = context_with_timeout(&forever, PLAN_TIMEOUT_MS);
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &names, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count > 0)
        return usage_error(&usage, "'%s' is one argument too many", names[0]);
    code = open_place(&planned, &usage, &flags, &ctx);
    if (code != EXIT_OK)
        return code;
    wanted.split_secrets = wanted.no_http01 = !planned.copy;
    if (flags.namespace)
        strlist_add(&wanted.namespaces, flags.namespace);
    code = make_and_print(&planned, &usage, &wanted, &view, &ctx);
    strlist_deinit(&wanted.namespaces);
    return code;
}
