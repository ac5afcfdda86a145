/* challenge_solver.c - which solver: the Issuer's, never one that only the Challenge names (GHSA-8rvj-mm4h-c258). */
#include "controller/challenge_run.h"
#include "solver/pick.h"

const struct acme_solver *challenge_current_solver(struct challenge_run *run, struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    const struct owner_reference *owner = object_controller(&run->challenge->object);
    struct key order_key = {.namespace = run->key->namespace, .name = owner ? owner->name : ""};
    cleanup(object_unref)
        const struct object *order = cache_get(run->self->caches.orders, &order_key);
    cleanup(strlist_deinit) struct strlist types = {};
    struct solver_question question = {
        .identifier = arena_printf(run->arena, "%s%s", spec->wildcard ? "*." : "", spec->dns_name),
        .offered = &types,
        .is_begun = true};
    const struct acme_solver *solver;
    int type;

    if (!order || !streq(order->metadata.uid, owner->uid) ||
        !challenge_is_of_order(spec, &((const struct order_facts *)order)->order)) {
        (void)err_set(err, ERR_DENIED, "the Challenge does not follow from an Order of its issuer");
        return NULL;
    }
    strlist_add(&types, run->ops->acme_type);
    question.labels = &order->metadata.labels;
    if (solver_pick(run->issuer->spec.acme, &question, &solver, &type, err) < 0)
        return NULL;
    return solver;
}

static const struct acme_solver *same_solver(const struct challenge_run *run)
{
    const struct acme_issuer *acme = run->issuer->spec.acme;

    for (size_t i = 0; i < acme->solvers.len; i++) {
        if (fields_equal(&acme_solver_fields, &acme->solvers.items[i],
                         &run->challenge->spec.solver))
            return &acme->solvers.items[i];
    }
    return NULL;
}

const struct acme_solver *challenge_solver_without_order(struct challenge_run *run)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    cleanup(strlist_deinit) struct strlist types = {};
    struct solver_question question = {
        .identifier = arena_printf(run->arena, "%s%s", spec->wildcard ? "*." : "", spec->dns_name),
        .labels = &run->challenge->object.metadata.labels,
        .offered = &types,
    };
    const struct acme_solver *solver;
    struct err ignored = {};
    int type;

    if (!run->issuer || !run->issuer->spec.acme || !run->ops)
        return NULL;
    solver = same_solver(run);
    if (solver)
        return solver;
    strlist_add(&types, run->ops->acme_type);
    return solver_pick(run->issuer->spec.acme, &question, &solver, &type, &ignored) == 0 ? solver
                                                                                         : NULL;
}
