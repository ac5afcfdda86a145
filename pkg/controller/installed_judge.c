/* installed_judge.c - the server, CRDs, policies and the Lease, judged by their objects alone. */
#include <string.h>

#include "base/limits.h"
#include "base/timetext.h"
#include "controller/installed.h"
#include "runtime/lease.h"

#define INSTALL "kubectl apply -k deploy"

/* The first has ValidatingAdmissionPolicy v1; tests run between the others (kubernetes.md 12). */
enum { MINOR_LEAST = 30, MINOR_TRIED_FROM = 33, MINOR_TRIED_TO = 37 };

/* Between the machine of the controller and this one. */
#define CLOCKS_DIFFER_MS MINUTES(1)

static const char *label(const struct json *object, const char *key)
{
    return json_get_text(json_path(object, "metadata.labels"), key);
}

static const char *annotation(const struct json *object, const char *key)
{
    return json_get_text(json_path(object, "metadata.annotations"), key);
}

static const char *name_of(const struct json *object)
{
    return str_or(json_as_text(json_path(object, "metadata.name")), "?");
}

static bool has_text(const struct json *list, const char *text)
{
    json_for_each_item (item, list) {
        if (streq(json_as_text(item), text))
            return true;
    }
    return false;
}

/* --- server --- */

/* Some clouds write "36+". */
static int minor_in(const struct json *version, const char *member)
{
    const char *text = str_or(json_get_text(version, member), "");
    size_t len = strspn(text, "0123456789");
    char digits[8] = "";
    int64_t minor = 0;

    if (!streq(json_get_text(version, "major"), "1") || len >= sizeof(digits))
        return 0;
    memcpy(digits, text, len);
    return str_parse_int(digits, 0, INT32_MAX, &minor) == 0 ? (int)minor : 0;
}

int server_minor(const struct json *version)
{
    int emulated = minor_in(version, "emulationMinor");

    return emulated > 0 ? emulated : minor_in(version, "minor");
}

static char *server_name(const struct json *version)
{
    const char *name = str_or(json_get_text(version, "gitVersion"), "?");
    int minor = server_minor(version);

    if (minor == minor_in(version, "minor"))
        return xstrdup(name);
    return xasprintf("%s (emulating 1.%d)", name, minor);
}

void judge_server(const struct json *version, struct findings *to)
{
    cleanup(xfree) char *name = server_name(version);
    int minor = server_minor(version);

    if (minor == 0)
        findings_add(to, FINDING_WARNING, "server", NULL, "its version is not known");
    else if (minor < MINOR_LEAST)
        findings_add(to, FINDING_PROBLEM, "server", "upgrade the cluster",
                     "%s is too old: admission policies need 1.%d", name, MINOR_LEAST);
    else if (minor < MINOR_TRIED_FROM || minor > MINOR_TRIED_TO)
        findings_add(to, FINDING_WARNING, "server", NULL, "%s: certlet is tried with 1.%d to 1.%d",
                     name, MINOR_TRIED_FROM, MINOR_TRIED_TO);
    else
        findings_add(to, FINDING_OK, "server", NULL, "%s%s", name,
                     minor < SERVER_MINOR_STAMPS
                         ? ": who made a request is checked, and stamped from 1.36 on"
                         : "");
}

/* --- CRDs --- */

static const struct json *served_version(const struct json *crd, const char *name)
{
    json_for_each_item (version, json_path(crd, "spec.versions")) {
        if (streq(json_get_text(version, "name"), name) && json_get_bool(version, "served", false))
            return version;
    }
    return NULL;
}

static bool has_condition(const struct json *object, const char *type)
{
    json_for_each_item (condition, json_path(object, "status.conditions")) {
        if (streq(json_get_text(condition, "type"), type))
            return streq(json_get_text(condition, "status"), "True");
    }
    return false;
}

static bool is_ours(const struct json *object)
{
    return streq(label(object, "app.kubernetes.io/part-of"), "certlet");
}

/* Why nothing can be stored under it; NULL: it can. */
static const char *crd_obstacle(const struct resource *resource, const struct json *crd)
{
    if (!served_version(crd, resource->version))
        return "does not serve version v1";
    if (json_path(crd, "metadata.deletionTimestamp"))
        return "is being deleted, with every object of it";
    if (!has_condition(crd, "Established"))
        return "is not established yet";
    if (!json_path(served_version(crd, resource->version), "subresources.status"))
        return "has no status subresource";
    if (streq(json_as_text(json_path(crd, "spec.conversion.strategy")), "Webhook"))
        return "has its objects converted by a webhook, which is not ours";
    return NULL;
}

/* Helm deletes what it made, and with a CRD go all its objects. */
static void judge_keep(const char *about, const struct json *crd, struct findings *to)
{
    const char *release = annotation(crd, "meta.helm.sh/release-name");
    cleanup(xfree) char *todo = xasprintf("kubectl annotate crd %s helm.sh/resource-policy=keep",
                                          name_of(crd));

    if (streq(annotation(crd, "helm.sh/resource-policy"), "keep"))
        return;
    if (release)
        findings_add(to, FINDING_PROBLEM, about, todo,
                     "helm uninstall %s would delete it and every object of it", release);
    else
        findings_add(to, FINDING_WARNING, about, todo,
                     "has no annotation helm.sh/resource-policy: keep");
}

static void judge_origin(const char *about, const struct json *crd, struct findings *to)
{
    const char *version = label(crd, "app.kubernetes.io/version");

    if (!is_ours(crd))
        findings_add(to, FINDING_WARNING, about, INSTALL,
                     "is another's (%s %s): works, without our rules and descriptions",
                     str_or(label(crd, "app.kubernetes.io/name"), "not labelled"),
                     str_or(version, "of unknown version"));
    else if (!streq(version, "v" CERTLET_VERSION))
        findings_add(to, FINDING_WARNING, about, INSTALL, "is of certlet %s, this is certlet v%s",
                     str_or(version, "of unknown version"), CERTLET_VERSION);
    else
        findings_add(to, FINDING_OK, about, NULL, "serves %s, of certlet %s", "v1", version);
}

void judge_crd(const struct resource *resource, const struct json *crd, struct findings *to)
{
    cleanup(xfree) char *about = xasprintf("CRD %s.%s", resource->plural, resource->group);
    const char *obstacle = crd ? crd_obstacle(resource, crd) : "is missing";
    const struct json *stored = json_path(crd, "status.storedVersions");

    if (obstacle) {
        findings_add(to, FINDING_PROBLEM, about, INSTALL, "%s", obstacle);
        return;
    }
    judge_origin(about, crd, to);
    judge_keep(about, crd, to);
    if (json_len(stored) > 1 || (json_len(stored) == 1 && !has_text(stored, "v1")))
        findings_add(to, FINDING_WARNING, about,
                     "write each object anew (cmctl upgrade migrate-api-version)",
                     "may hold objects of old versions");
    judge_injection("customresourcedefinition", crd, to);
}

/* --- policies --- */

struct policy_row {
    const char *name;
    bool mutating;
    int from_minor;           /* where it can be */
    enum finding_level level; /* of its absence */
    const char *loss;         /* what is possible without it */
};
static const struct policy_row policy_rows[] = {
    {"certlet-certificaterequest-approval", false, 0, FINDING_PROBLEM,
     "whoever may write a request's status can approve it"},
    {"certlet-certificaterequest-identity", false, 0, FINDING_PROBLEM,
     "a requester can claim to be somebody else"},
    {"certlet-certificaterequest-identity", true, SERVER_MINOR_STAMPS, FINDING_WARNING,
     "requests do not say who made them"},
    {"certlet-certificaterequest-identity-required", false, SERVER_MINOR_STAMPS, FINDING_WARNING,
     "requests need not say who made them"},
    {"certlet-certificaterequest-immutable", false, 0, FINDING_PROBLEM,
     "a request can change after it was approved"},
    {"certlet-order-immutable", false, 0, FINDING_WARNING, "an Order can be changed half-way"},
    {"certlet-challenge-immutable", false, 0, FINDING_WARNING,
     "a Challenge can be changed half-way"},
    {"certlet-certificate", false, 0, FINDING_WARNING,
     "mistakes in Certificates show only in their conditions"},
    {"certlet-certificaterequest", false, 0, FINDING_WARNING,
     "mistakes in requests show only in their conditions"},
    {"certlet-issuer", false, 0, FINDING_WARNING,
     "mistakes in Issuers show only in their conditions"},
    {"certlet-issuer-solver", false, 0, FINDING_WARNING,
     "mistakes in solvers show only in conditions"},
    {"certlet-issuer-warning", false, 0, FINDING_WARNING, "users are not warned of old fields"},
};

static const struct json *find_named(const struct json *list, const char *name)
{
    json_for_each_item (item, list) {
        if (streq(name_of(item), name))
            return item;
    }
    return NULL;
}

/* A mutating one has no actions: to be bound is enough. */
static bool is_bound(const struct json *bindings, const char *name, bool mutating)
{
    json_for_each_item (binding, bindings) {
        const struct json *actions = json_path(binding, "spec.validationActions");

        if (streq(json_as_text(json_path(binding, "spec.policyName")), name) &&
            (mutating || has_text(actions, "Deny") || has_text(actions, "Warn")))
            return true;
    }
    return false;
}

/* The server's own view of the expressions; only kept for those that refuse. */
static const char *first_mistake(const struct json *policy)
{
    const struct json *warnings = json_path(policy, "status.typeChecking.expressionWarnings");

    return json_get_text(json_at(warnings, 0), "warning");
}

static bool was_looked_at(const struct json *policy)
{
    return json_as_int(json_path(policy, "status.observedGeneration"), 0) >=
           json_as_int(json_path(policy, "metadata.generation"), 0);
}

static bool judge_policy(const struct policy_row *row, const struct json *policies,
                         const struct json *bindings, struct findings *to)
{
    cleanup(xfree) char *about = xasprintf("%s policy %s", row->mutating ? "mutating" : "admission",
                                           row->name);
    const struct json *policy = find_named(policies, row->name);

    if (!policy)
        findings_add(to, row->level, about, INSTALL, "is missing: %s", row->loss);
    else if (!is_bound(bindings, row->name, row->mutating))
        findings_add(to, row->level, about, INSTALL, "is not bound: %s", row->loss);
    else if (!row->mutating && !was_looked_at(policy))
        findings_add(to, FINDING_WARNING, about, "look again in some seconds",
                     "is not active yet: %s", row->loss);
    else if (first_mistake(policy))
        findings_add(to, FINDING_WARNING, about, INSTALL, "does not fit the CRDs: %s",
                     first_mistake(policy));
    else
        return true;
    return false;
}

void judge_policies(const struct json *policies, const struct json *bindings, bool mutating,
                    int minor, struct findings *to)
{
    size_t wanted = 0, good = 0;

    for (size_t i = 0; i < ARRAY_LEN(policy_rows); i++) {
        const struct policy_row *row = &policy_rows[i];

        if (row->mutating != mutating || minor < row->from_minor)
            continue;
        wanted++;
        good += judge_policy(row, policies, bindings, to);
    }
    if (good > 0)
        findings_add(to, FINDING_OK, mutating ? "mutating policies" : "admission policies", NULL,
                     "%zu of %zu are there, bound and active", good, wanted);
}

/* --- the running controller --- */

/* "<host>_<uuid>" is ours, "<host>-external-cert-manager-controller" cert-manager's. */
static const char *program_of(const char *holder)
{
    const char *uuid = strrchr(holder, '_');

    if (strstr(holder, "-external-cert-manager-controller"))
        return "cert-manager";
    return uuid && strlen(uuid + 1) == 36 && strspn(uuid + 1, "0123456789abcdef-") == 36
               ? "certlet"
               : "an unknown program";
}

struct holding {
    struct lease_record record;
    int64_t age_ms; /* of its latest renewal */
    bool is_over;
};

static struct holding holding_of(const struct json *lease, int64_t now_ms)
{
    struct holding holding;
    int64_t renewed_ms = 0;

    lease_read(lease, &holding.record);
    (void)time_parse_rfc3339(str_or(json_as_text(json_path(lease, "spec.renewTime")), ""),
                             &renewed_ms, NULL); /* none: long ago */
    holding.age_ms = now_ms > renewed_ms ? now_ms - renewed_ms : 0;
    holding.is_over = holding.age_ms > holding.record.duration_ms + CLOCKS_DIFFER_MS;
    return holding;
}

static void judge_holder(const char *about, const struct holding *holding, struct findings *to)
{
    const char *holder = holding->record.holder, *program = program_of(holder);
    char age[TIME_TEXT_MAX];

    duration_words(holding->age_ms, age);
    if (holding->is_over)
        findings_add(
            to, FINDING_PROBLEM, about, "start the controller, or see why it does not work",
            "held by %s (%s), who has not renewed it for %s: nobody works", holder, program, age);
    else if (!streq(program, "certlet"))
        findings_add(to, FINDING_WARNING, about,
                     "scale the other down when certlet is to take over",
                     "held by %s (%s), renewed %s ago: certlet waits", holder, program, age);
    else
        findings_add(to, FINDING_OK, about, NULL, "held by %s (%s), renewed %s ago", holder,
                     program, age);
}

void judge_lease(const struct key *key, const struct json *lease, int64_t now_ms,
                 struct findings *to)
{
    cleanup(xfree) char *about = xasprintf("Lease %s/%s", key->namespace, key->name);
    struct holding holding = holding_of(lease, now_ms);

    if (!lease)
        findings_add(to, FINDING_PROBLEM, about, "start the controller: " INSTALL,
                     "there is none: no controller has run");
    else if (str_empty(holding.record.holder))
        findings_add(to, FINDING_PROBLEM, about, "start the controller",
                     "nobody holds it: no controller works");
    else
        judge_holder(about, &holding, to);
}

void judge_foreign_lease(const struct key *key, const struct json *lease, int64_t now_ms,
                         struct findings *to)
{
    cleanup(xfree) char *about = xasprintf("Lease %s/%s", key->namespace, key->name);
    struct holding holding = holding_of(lease, now_ms);

    if (str_empty(holding.record.holder) || holding.is_over)
        return;
    findings_add(to, FINDING_PROBLEM, about,
                 "scale one of them down, or let both use one --leader-election-namespace",
                 "held by %s (%s): it works beside whoever holds the Lease of certlet",
                 holding.record.holder, program_of(holding.record.holder));
}
