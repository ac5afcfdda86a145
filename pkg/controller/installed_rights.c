/*
 * installed_rights.c - may the controller do what it has to do? Asked of the server's own authorizer.
 *
 *      SubjectAccessReview        about the controller's ServiceAccount
 *      SelfSubjectAccessReview    about whoever asks, when he may not ask about others
 */
#include "controller/access.h"
#include "controller/installed.h"

static const struct resource account_resource = {.group = "",
                                                 .version = "v1",
                                                 .kind = "ServiceAccount",
                                                 .plural = "serviceaccounts",
                                                 .namespaced = true};
static const struct resource self_review_resource = {.group = "authorization.k8s.io",
                                                     .version = "v1",
                                                     .kind = "SelfSubjectAccessReview",
                                                     .plural = "selfsubjectaccessreviews",
                                                     .is_question = true};

#define CM    "cert-manager.io"
#define ACME  "acme.cert-manager.io"
#define CERTS "certificates.k8s.io"

/* What the reconcilers and the elector do. Events are not here: without them nothing stands still. */
static const struct right {
    const char *group, *resource, *subresource, *name, *verbs;
    bool of_lease; /* in its namespace */
} rights[] = {
    {CM, "certificates", NULL, NULL, "get,list,watch"},
    {CM, "certificates", "status", NULL, "update"},
    {CM, "certificaterequests", NULL, NULL, "get,list,watch,create,delete"},
    {CM, "certificaterequests", "status", NULL, "update"},
    {CM, "issuers", NULL, NULL, "get,list,watch"},
    {CM, "issuers", "status", NULL, "update"},
    {CM, "clusterissuers", NULL, NULL, "get,list,watch"},
    {CM, "clusterissuers", "status", NULL, "update"},
    {CM, "signers", NULL, "issuers.cert-manager.io/*", "approve"},
    {CM, "signers", NULL, "clusterissuers.cert-manager.io/*", "approve"},
    {ACME, "orders", NULL, NULL, "get,list,watch,create,patch,delete"},
    {ACME, "orders", "status", NULL, "update"},
    {ACME, "challenges", NULL, NULL, "get,list,watch,create,patch,delete"},
    {ACME, "challenges", "status", NULL, "update"},
    {"", "secrets", NULL, NULL, "get,list,watch,create,patch,delete"},
    {"coordination.k8s.io", "leases", NULL, NULL, "create", true},
    {"coordination.k8s.io", "leases", NULL, "", "get,update", true},
};

/* Besides, with the gate of CertificateSigningRequests on. Not the right to their finalizers, which few servers
 * ask for. */
static const struct right signing_rights[] = {
    {CERTS, "certificatesigningrequests", NULL, NULL, "get,list,watch"},
    {CERTS, "certificatesigningrequests", "status", NULL, "update"},
    {CERTS, "signers", NULL, "issuers.cert-manager.io/*", "sign"},
    {CERTS, "signers", NULL, "clusterissuers.cert-manager.io/*", "sign"},
    {"authorization.k8s.io", "subjectaccessreviews", NULL, NULL, "create"},
};

struct asking {
    struct store *store;
    const struct context *ctx;
    const struct installed_options *options;
    bool about_self;
    size_t asked, allowed;
    struct findings *to;
};

/* "system:serviceaccount:NAMESPACE:NAME" */
static char *account_user(const struct key *account)
{
    return xasprintf("system:serviceaccount:%s:%s", account->namespace, account->name);
}

static struct json *account_groups(const struct key *account)
{
    cleanup(xfree) char *own = xasprintf("system:serviceaccounts:%s", account->namespace);
    struct json *groups = json_new_list();

    json_append_text(groups, "system:serviceaccounts");
    json_append_text(groups, own);
    json_append_text(groups, "system:authenticated");
    return groups;
}

static struct json *question(const struct asking *asking, const struct right *right,
                             const char *verb)
{
    const struct key *account = &asking->options->service_account;
    cleanup(xfree) char *user = account_user(account);
    struct json *review = json_new_map(), *spec = json_need_map(review, "spec");
    struct json *what = json_need_map(spec, "resourceAttributes");

    (void)json_need_map(review, "metadata"); /* every object has one */
    json_set_text(what, "group", right->group);
    json_set_text(what, "resource", right->resource);
    json_set_text(what, "subresource", right->subresource);
    json_set_text(what, "verb", verb);
    if (right->name)
        json_set_text(what, "name", right->name[0] ? right->name : asking->options->lease.name);
    if (right->of_lease)
        json_set_text(what, "namespace", asking->options->lease.namespace);
    if (!asking->about_self) {
        json_set_text(spec, "user", user);
        json_set(spec, "groups", account_groups(account));
    }
    return review;
}

static int ask(const struct asking *asking, const struct right *right, const char *verb,
               bool *ret_allowed, struct err *err)
{
    cleanup(json_unref) struct json *review = question(asking, right, verb);
    cleanup(json_unref) struct json *answer = NULL;
    int r = store_create(asking->store, asking->ctx,
                         asking->about_self ? &self_review_resource : &access_review_resource,
                         "certlet-check", review, &answer, err);

    if (r == 0)
        *ret_allowed = json_as_bool(json_path(answer, "status.allowed"), false);
    return r;
}

static char *account_about(const struct installed_options *options)
{
    const struct key *account = &options->service_account;

    return xasprintf("ServiceAccount %s/%s", account->namespace, account->name);
}

/* "update certificates/status.cert-manager.io" */
static char *right_text(const struct right *right, const struct strlist *verbs)
{
    cleanup(xfree) char *joined = strlist_join(verbs, ", ");

    return xasprintf("%s %s%s%s%s%s%s%s", joined, right->resource, right->subresource ? "/" : "",
                     str_or(right->subresource, ""), right->group[0] ? "." : "", right->group,
                     str_empty(right->name) ? "" : " ", str_or(right->name, ""));
}

static void say_missing(const struct asking *asking, const struct right *right,
                        const struct strlist *missing)
{
    cleanup(xfree) char *text = right_text(right, missing);
    cleanup(xfree) char *about = asking->about_self ? xstrdup("permissions of yours")
                                                    : account_about(asking->options);

    findings_add(asking->to, asking->about_self ? FINDING_WARNING : FINDING_PROBLEM, about,
                 asking->about_self ? NULL : "kubectl apply -k deploy", "may not %s", text);
}

static int ask_verbs(struct asking *asking, const struct right *right, struct strlist *ret_missing,
                     struct err *err)
{
    cleanup(strlist_deinit) struct strlist verbs = {};

    strlist_split(&verbs, right->verbs, ',');
    for (size_t i = 0; i < verbs.len; i++) {
        bool allowed = false;
        int r = ask(asking, right, verbs.items[i], &allowed, err);

        if (r < 0)
            return r;
        asking->asked++;
        asking->allowed += allowed;
        if (!allowed)
            strlist_add(ret_missing, verbs.items[i]);
    }
    return 0;
}

static int ask_right(struct asking *asking, const struct right *right, struct err *err)
{
    cleanup(strlist_deinit) struct strlist missing = {};
    int r = ask_verbs(asking, right, &missing, err);

    if (r == 0 && missing.len > 0)
        say_missing(asking, right, &missing);
    return r;
}

static int ask_all(struct asking *asking, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(rights); i++)
        r = ask_right(asking, &rights[i], err);
    return r;
}

static bool is_there(const struct asking *asking)
{
    const struct key *account = &asking->options->service_account;
    cleanup(json_unref) struct json *found = NULL;

    /* Who may not look may still ask. */
    return store_get(asking->store, asking->ctx, &account_resource, account, &found, NULL) !=
           ERR_NOT_FOUND;
}

static void say_self(const struct asking *asking, struct findings *to)
{
    const struct key *account = &asking->options->service_account;

    findings_add(to, FINDING_WARNING, "permissions of yours", NULL,
                 "not permitted to ask about ServiceAccount %s/%s; of the %zu permissions that it "
                 "needs, you have %zu",
                 account->namespace, account->name, asking->asked, asking->allowed);
}

/* Of who has none of them, as most people, they are not listed one by one. */
static int look_at_self(const struct asking *about_account, struct err *err)
{
    cleanup(findings_deinit) struct findings missing = {};
    struct asking asking = *about_account;
    struct err why = {};
    int r;

    asking.about_self = true;
    asking.asked = asking.allowed = 0;
    asking.to = &missing;
    r = ask_all(&asking, &why);
    if (r == ERR_DENIED)
        findings_add(about_account->to, FINDING_WARNING, "permissions of yours", NULL,
                     "not permitted to ask who may do what");
    else if (r < 0)
        return err_pass(err, &why);
    else
        say_self(&asking, about_account->to);
    if (r == 0 && asking.allowed > 0)
        findings_move(about_account->to, &missing);
    return 0;
}

static int look_at_account(struct asking *asking, const char *about, struct err *err)
{
    struct err why = {};
    int r;

    if (!is_there(asking)) {
        findings_add(asking->to, FINDING_PROBLEM, about,
                     "kubectl apply -k deploy, or name another with --service-account",
                     "is missing");
        return 0;
    }
    r = ask_all(asking, &why);
    if (r == ERR_DENIED)
        return look_at_self(asking, err);
    if (r < 0)
        return err_pass(err, &why);
    if (asking->allowed == asking->asked)
        findings_add(asking->to, FINDING_OK, about, NULL,
                     "has the %zu permissions that the controller needs", asking->asked);
    return 0;
}

int installed_look_at_rights(struct store *store, const struct context *ctx,
                             const struct installed_options *options, struct findings *to,
                             struct err *err)
{
    cleanup(xfree) char *about = account_about(options);
    struct asking asking = {.store = store, .ctx = ctx, .options = options, .to = to};

    return look_at_account(&asking, about, err);
}

int installed_missing_signing_rights(struct store *store, const struct context *ctx,
                                     const struct installed_options *options, struct strlist *ret,
                                     struct err *err)
{
    struct asking asking = {.store = store, .ctx = ctx, .options = options};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(signing_rights); i++) {
        cleanup(strlist_deinit) struct strlist missing = {};

        r = ask_verbs(&asking, &signing_rights[i], &missing, err);
        if (missing.len > 0)
            strlist_add_take(ret, right_text(&signing_rights[i], &missing));
    }
    return r;
}
