/* plan.c - see plan.h. */
#include "controller/plan.h"

#include "base/limits.h"
#include "base/timetext.h"
#include "controller/certificate_run.h"
#include "controller/controllers.h"

/* --- verdict --- */

const char *plan_verdict_name(enum plan_verdict verdict)
{
    static const char *const names[] = {
        [PLAN_KEEP] = "keep",   [PLAN_TAKE_OVER] = "take over", [PLAN_CARRY_ON] = "carry on",
        [PLAN_RENEW] = "renew", [PLAN_ISSUE] = "issue",         [PLAN_REISSUE] = "re-issue",
        [PLAN_HOLD] = "hold",
    };

    return names[verdict];
}

static bool has_certificate(const struct secret_facts *secret)
{
    return secret && secret->has_data && secret->cert_ok && !secret->is_temporary;
}

static enum plan_verdict verdict_of_start(const struct certificate_facts *facts,
                                          const struct certificate_decision *decision)
{
    if (!has_certificate(facts->secret))
        return PLAN_ISSUE;
    return streq(decision->reason, "Renewing") ? PLAN_RENEW : PLAN_REISSUE;
}

/* The certificate is fine, and its renewal comes when it is due. */
static bool is_only_outside_of_windows(const struct certificate_decision *decision)
{
    return condition_has_reason(&decision->status.conditions, "Ready", "WindowError");
}

enum plan_verdict plan_verdict_of(const struct certificate_facts *facts,
                                  const struct certificate_decision *decision)
{
    const struct conditions *before = &facts->crt->status.conditions;

    if (decision->begins)
        return verdict_of_start(facts, decision);
    if (condition_is(before, "Issuing", CONDITION_TRUE) && !decision->calls_off &&
        !facts->spec_problem && !facts->owner && !facts->claim)
        return PLAN_CARRY_ON;
    if (decision->action == CERTIFICATE_FINISH)
        return PLAN_CARRY_ON; /* its certificate is stored already, by whoever was there before */
    if (!condition_is(&decision->status.conditions, "Ready", CONDITION_TRUE) &&
        !is_only_outside_of_windows(decision))
        return PLAN_HOLD;
    return decision->reason ? PLAN_TAKE_OVER : PLAN_KEEP;
}

/* --- Certificates --- */

struct planning {
    struct controllers *controllers;
    const struct context *ctx;
    struct plan *plan;
    bool owner_ref, no_http01;
    struct plan_row *row; /* the one that is being filled */
};

/* --- what is in the way --- */

static void add_obstacle(struct planning *planning, const char *text)
{
    struct plan_row *row = planning->row;

    if (text)
        row->obstacle = row->obstacle
                            ? arena_printf(planning->plan->arena, "%s; %s", row->obstacle, text)
                            : text;
}

static void add_lasting(struct planning *planning, const char *text)
{
    add_obstacle(planning, text);
    planning->row->is_stuck = planning->row->is_stuck || text;
}

static const char *issuer_problem(struct planning *planning, const struct certificate_facts *facts)
{
    const struct issuer_reference *ref = &facts->crt->spec.issuer_ref;
    const char *reason;

    if (!streq(issuer_reference_group(ref), "cert-manager.io"))
        return NULL; /* another program's: nobody here knows how it is */
    return issuer_obstacle(planning->controllers, facts->issuer, ref, planning->plan->arena,
                           &reason);
}

/* One that nobody has looked at yet, as before a first start, may well get ready. */
static bool is_issuer_known(const struct certificate_facts *facts)
{
    return !facts->issuer || condition_find(&facts->issuer->status.conditions, "Ready");
}

/* For now: what is in the way is in the way of a renewal. */
static bool stays(const struct planning *planning)
{
    enum plan_verdict verdict = planning->row->verdict;

    return verdict == PLAN_KEEP || verdict == PLAN_TAKE_OVER;
}

/* What is issued for the first time may wait for its Issuer, as a leaf for a root that comes along with it. */
static void find_issuer_obstacle(struct planning *planning, const struct certificate_facts *facts)
{
    bool may_wait = planning->row->verdict == PLAN_ISSUE && facts->issuer;
    const char *problem = issuer_problem(planning, facts);

    if (is_issuer_known(facts) && !may_wait)
        add_lasting(planning, problem);
    else if (!stays(planning))
        add_obstacle(planning, problem);
}

static const char *password_problem(struct planning *planning,
                                    const struct certificate_facts *facts,
                                    enum keystore_format format)
{
    cleanup(buf_deinit) struct buf password = BUF_SECRET(LIMIT_PASSWORD);
    struct keystore_wish wish = keystore_wish_of(&facts->crt->spec, format);
    struct err why = {};

    if (!wish.create || certificate_read_password(planning->controllers->store, planning->ctx,
                                                  facts->crt->object.metadata.namespace, &wish,
                                                  &password, &why) == 0)
        return NULL;
    return arena_strdup(planning->plan->arena, why.text);
}

/* What the certificate that comes next meets, however long that is. */
static const char *target_problem(struct planning *planning, const struct certificate_facts *facts)
{
    return facts->secret && facts->secret->is_immutable
               ? certificate_immutable_text(planning->controllers, facts->crt->spec.secret_name,
                                            planning->plan->arena)
               : NULL;
}

/* Of a certificate that stays for now, what the next one will meet. */
static void say_from_when(struct planning *planning)
{
    struct plan_row *row = planning->row;
    char when[TIME_TEXT_MAX];

    if (!row->obstacle || row->renewal_ms == 0)
        return;
    time_format(row->renewal_ms, when);
    row->obstacle = arena_printf(planning->plan->arena, "in the way of the renewal at %s: %s", when,
                                 row->obstacle);
}

static void find_obstacles(struct planning *planning, const struct certificate_facts *facts)
{
    if (planning->row->verdict == PLAN_HOLD)
        return;
    if (!stays(planning) && facts->next_key_count == 0)
        add_lasting(planning, certificate_key_problem(facts, planning->plan->arena));
    find_issuer_obstacle(planning, facts);
    for (int i = 0; i < KEYSTORE_FORMAT_COUNT; i++)
        add_lasting(planning, password_problem(planning, facts, (enum keystore_format)i));
    add_lasting(planning, target_problem(planning, facts));
    if (stays(planning))
        say_from_when(planning);
}

/* --- rows --- */

/* Of one that is held or under way the condition says more than the decision, unless what it tells of is given up.
 * In a back-off that is the failure, not what it has led to. */
static const struct condition *condition_of(const struct certificate_facts *facts,
                                            const struct certificate_decision *decision,
                                            enum plan_verdict verdict)
{
    const struct conditions *conditions = &decision->status.conditions;
    const struct condition *issuing = condition_find(conditions, "Issuing");
    bool backs_off = decision->held_until_ms > 0 && !facts->foreign_writer;

    if (verdict == PLAN_HOLD)
        return backs_off && issuing ? issuing : condition_find(conditions, "Ready");
    if (verdict == PLAN_KEEP && is_only_outside_of_windows(decision))
        return condition_find(conditions, "Ready");
    if (verdict == PLAN_CARRY_ON && !decision->reason)
        return condition_find(&facts->crt->status.conditions, "Issuing");
    return NULL;
}

static void fill(void *arg, const struct certificate_facts *facts,
                 const struct certificate_decision *decision)
{
    struct planning *planning = arg;
    struct plan_row *row = planning->row;
    struct arena *arena = planning->plan->arena;
    const struct condition *condition;
    struct certificate_policy policy = {.owner_ref = planning->owner_ref};
    struct violation repair = {};

    row->verdict = plan_verdict_of(facts, decision);
    if (row->verdict == PLAN_KEEP) /* a next key that was left goes first */
        repair = certificate_repair_due(facts, &policy, arena);
    condition = condition_of(facts, decision, row->verdict);
    row->reason = arena_strdup(arena, condition ? condition->reason : decision->reason);
    row->message = arena_strdup(arena, condition ? condition->message : decision->message);
    if (repair.reason) {
        row->verdict = PLAN_TAKE_OVER;
        row->reason = repair.reason;
        row->message = arena_strdup(arena, repair.message);
    }
    row->renewal_ms = decision->status.renewal_time_ms;
    if (row->verdict == PLAN_HOLD)
        row->until_ms = decision->held_until_ms;
    find_obstacles(planning, facts);
}

static int add_row(struct planning *planning, const struct certificate *crt, struct err *err)
{
    struct plan *plan = planning->plan;
    struct arena *arena = plan->arena;
    int r;

    planning->row = &plan->rows[plan->len];
    *planning->row = (struct plan_row){
        .namespace = arena_strdup(arena, crt->object.metadata.namespace),
        .name = arena_strdup(arena, crt->object.metadata.name),
        .secret_name = arena_strdup(arena, crt->spec.secret_name),
        .issuer_kind = arena_strdup(arena, issuer_reference_kind(&crt->spec.issuer_ref)),
        .issuer_name = arena_strdup(arena, crt->spec.issuer_ref.name),
    };
    r = certificate_look(planning->controllers, planning->ctx, crt, fill, planning, err);
    if (r < 0)
        return err_wrap(err, "Certificate '%s/%s'", planning->row->namespace, planning->row->name);
    plan->counts[planning->row->verdict]++;
    plan->len++;
    return 0;
}

static int add_rows(struct planning *planning, struct err *err)
{
    cleanup(cache_refs_deinit) struct cache_refs found = {};
    struct plan *plan = planning->plan;
    int r = 0;

    cache_list(planning->controllers->caches.certificates, NULL, &found);
    plan->rows = arena_alloc(plan->arena, (found.len + 1) * sizeof(*plan->rows));
    for (size_t i = 0; i < found.len && r == 0; i++) {
        const struct certificate *crt = found.items[i];

        if (!crt->object.metadata.deletion_timestamp_ms)
            r = add_row(planning, crt, err);
    }
    return r;
}

/* --- Issuers --- */

static bool names_issuer(const struct plan_row *row, const struct plan_issuer *issuer)
{
    return streq(row->issuer_kind, issuer->kind) && streq(row->issuer_name, issuer->name) &&
           (str_empty(issuer->namespace) || streq(row->namespace, issuer->namespace));
}

static bool is_used(const struct plan *plan, const struct plan_issuer *issuer)
{
    for (size_t i = 0; i < plan->len; i++)
        if (names_issuer(&plan->rows[i], issuer))
            return true;
    return false;
}

/* What its spec may say, but nobody does here. */
static const char *unanswered(struct planning *planning, const struct issuer *issuer)
{
    const struct acme_issuer *acme = issuer->spec.acme;

    for (size_t i = 0; planning->no_http01 && acme && i < acme->solvers.len; i++)
        if (acme->solvers.items[i].http01)
            return arena_printf(planning->plan->arena,
                                "spec.acme.solvers[%zu].http01: is not built in a cluster in this "
                                "version; names that it is for need a dns01 solver",
                                i);
    return NULL;
}

static const char *problem_of(struct planning *planning, const struct issuer *issuer)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err problem = {};

    object_check_spec(&issuer->object, &report);
    return field_report_check(&report, &problem) < 0
               ? arena_strdup(planning->plan->arena, problem.text)
               : unanswered(planning, issuer);
}

static void add_issuer(struct planning *planning, const struct issuer *issuer)
{
    struct plan *plan = planning->plan;
    const struct metadata *metadata = &issuer->object.metadata;
    struct plan_issuer row = {
        .kind = issuer->object.kind->resource.kind,
        .namespace = arena_strdup(plan->arena, str_or(metadata->namespace, "")),
        .name = arena_strdup(plan->arena, metadata->name),
        .problem = problem_of(planning, issuer),
    };

    if (!row.problem)
        return;
    row.is_used = is_used(plan, &row);
    plan->issuers[plan->issuer_count++] = row;
}

static void add_issuers(struct planning *planning)
{
    const struct caches *caches = &planning->controllers->caches;
    cleanup(cache_refs_deinit) struct cache_refs found = {};
    struct plan *plan = planning->plan;

    cache_list(caches->cluster_issuers, NULL, &found);
    cache_list(caches->issuers, NULL, &found);
    plan->issuers = arena_alloc(plan->arena, (found.len + 1) * sizeof(*plan->issuers));
    for (size_t i = 0; i < found.len; i++)
        add_issuer(planning, found.items[i]);
}

/* --- all of it --- */

void plan_deinit(struct plan *plan)
{
    arena_free(plan->arena);
    *plan = (struct plan){};
}

static int open_controllers(struct store *store, const struct context *ctx,
                            const struct plan_options *options, struct solvers *solvers,
                            struct controllers **ret, struct err *err)
{
    const struct controllers_parts parts = {
        .store = store, .clock = ctx->clock, .solvers = solvers};
    const struct controllers_options as_started = {
        .resource_namespace = options->resource_namespace,
        .approve = true,
        .owner_ref = options->owner_ref,
        .backoff_min_ms = options->backoff_min_ms,
        .backoff_max_ms = options->backoff_max_ms,
        .only_namespaces = options->namespaces,
        .with_cluster_issuers = true,
        .split_secrets = options->split_secrets,
    };

    return controllers_new(&parts, &as_started, ret, err);
}

int plan_make(struct store *store, const struct context *ctx, const struct plan_options *options,
              struct plan *ret, struct err *err)
{
    struct solvers solvers = {};
    cleanup(controllers_free) struct controllers *controllers = NULL;
    cleanup(plan_deinit) struct plan plan = {.arena = arena_new(0)};
    struct planning planning = {.ctx = ctx,
                                .plan = &plan,
                                .owner_ref = options->owner_ref,
                                .no_http01 = options->no_http01};
    int r = open_controllers(store, ctx, options, &solvers, &controllers, err);

    if (r == 0)
        r = manager_read(controllers->manager, ctx, err);
    if (r < 0)
        return r;
    planning.controllers = controllers;
    r = add_rows(&planning, err);
    if (r < 0)
        return r;
    add_issuers(&planning);
    *ret = plan;
    plan = (struct plan){};
    return 0;
}
