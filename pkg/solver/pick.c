/*
 * pick.c - cert-manager's choice (pkg/util/solverpicker): among the solvers that fit, the one whose
 * selector says most about the name. A solver without a selector fits everything and says nothing,
 * and so does one with an empty selector; the first of equals wins.
 */
#include "solver/pick.h"

#include <string.h>

#include "base/str.h"

#define REASONS_MAX 4096

/* How much a selector says, most important first. */
struct weight {
    int names; /* 1: the name itself is listed; more mentions count no more */
    int zone_labels;
    int labels;
};

struct fit {
    int type;        /* enum challenge_type */
    const char *why; /* it does not fit; NULL: it does */
    struct weight weight;
};

static int type_of(const struct acme_solver *solver, const char *acme_type)
{
    if (solver->http01 && streq(acme_type, "http-01"))
        return CHALLENGE_HTTP01;
    if (solver->dns01 && streq(acme_type, "dns-01"))
        return CHALLENGE_DNS01;
    return CHALLENGE_NONE;
}

/* The first that the CA offers. */
static int offered_type(const struct acme_solver *solver, const struct strlist *offered)
{
    int type = CHALLENGE_NONE;

    for (size_t i = 0; i < offered->len && type == CHALLENGE_NONE; i++)
        type = type_of(solver, offered->items[i]);
    return type;
}

static bool names_have(const struct array_string *names, const char *identifier)
{
    for (size_t i = 0; i < names->len; i++) {
        if (streq_ci(names->items[i], identifier))
            return true;
    }
    return false;
}

/* Whole labels only: "ple.com" is no zone of "example.com". "*" is a label like others. */
static bool is_in_zone(const char *name, const char *zone)
{
    size_t name_len = strlen(name), zone_len = strlen(zone);

    if (zone_len == 0 || zone_len > name_len || !streq_ci(name + name_len - zone_len, zone))
        return false;
    return zone_len == name_len || name[name_len - zone_len - 1] == '.';
}

static int count_labels(const char *name)
{
    int count = 1;

    for (; *name; name++)
        count += *name == '.';
    return count;
}

/* Of the longest zone that holds the name; 0: none does. */
static int zone_labels(const struct array_string *zones, const char *identifier)
{
    int most = 0;

    for (size_t i = 0; i < zones->len; i++) {
        int labels = count_labels(zones->items[i]);

        if (labels > most && is_in_zone(identifier, zones->items[i]))
            most = labels;
    }
    return most;
}

static bool has_labels(const struct array_pair *wanted, const struct array_pair *labels)
{
    for (size_t i = 0; i < wanted->len; i++) {
        const char *value = labels ? array_pair_get(labels, wanted->items[i].key) : NULL;

        if (!value || !streq(value, str_or(wanted->items[i].value, "")))
            return false;
    }
    return true;
}

/* Every part of the selector that is not empty must match. */
static const char *weigh(const struct acme_selector *selector,
                         const struct solver_question *question, struct weight *ret)
{
    struct weight weight = {
        .names = names_have(&selector->dns_names, question->identifier),
        .zone_labels = zone_labels(&selector->dns_zones, question->identifier),
        .labels = (int)selector->match_labels.len,
    };

    if (selector->dns_names.len > 0 && !weight.names)
        return "selector.dnsNames does not list it";
    if (selector->dns_zones.len > 0 && !weight.zone_labels)
        return "it is in none of selector.dnsZones";
    if (!has_labels(&selector->match_labels, question->labels))
        return "the labels of the Order do not match selector.matchLabels";
    *ret = weight;
    return NULL;
}

static const char *not_offered(const struct acme_solver *solver,
                               const struct solver_question *question)
{
    if (question->is_begun)
        return "it is of another type";
    if (solver->http01)
        return "the CA does not offer http-01 for it";
    if (solver->dns01)
        return "the CA does not offer dns-01 for it";
    return "it has neither http01 nor dns01";
}

static struct fit fit_of(const struct acme_solver *solver, const struct solver_question *question)
{
    struct fit fit = {.type = offered_type(solver, question->offered)};

    if (fit.type == CHALLENGE_NONE)
        fit.why = not_offered(solver, question);
    else if (solver->selector)
        fit.why = weigh(solver->selector, question, &fit.weight);
    return fit;
}

static bool says_more(const struct weight *a, const struct weight *b)
{
    if (a->names != b->names)
        return a->names > b->names;
    if (a->zone_labels != b->zone_labels)
        return a->zone_labels > b->zone_labels;
    return a->labels > b->labels;
}

static int no_fit(const struct solver_question *question, const char *reasons, struct err *err)
{
    if (str_empty(reasons))
        reasons = "it has none; add one under spec.acme.solvers";
    if (!question->is_begun)
        return err_set(err, ERR_NOT_FOUND, "no solver of the issuer fits '%s': %s",
                       question->identifier, reasons);
    return err_set(err, ERR_NOT_FOUND,
                   "no solver of the issuer fits the %s challenge of '%s' any more: %s",
                   question->offered->items[0], question->identifier, reasons);
}

int solver_pick(const struct acme_issuer *issuer, const struct solver_question *question,
                const struct acme_solver **ret, int *ret_type, struct err *err)
{
    cleanup(buf_deinit) struct buf reasons = BUF(REASONS_MAX);
    const struct acme_solver *best = NULL;
    struct fit best_fit = {};

    for (size_t i = 0; i < issuer->solvers.len; i++) {
        const struct acme_solver *solver = &issuer->solvers.items[i];
        struct fit fit = fit_of(solver, question);

        if (fit.why) {
            buf_addf(&reasons, "%ssolvers[%zu]: %s", i > 0 ? "; " : "", i, fit.why);
        } else if (!best || says_more(&fit.weight, &best_fit.weight)) {
            best = solver;
            best_fit = fit;
        }
    }
    if (!best)
        return no_fit(question, buf_str(&reasons), err);
    *ret = best;
    *ret_type = best_fit.type;
    return 0;
}
