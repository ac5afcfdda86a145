/* access.c - see access.h. */
#include "controller/access.h"

#include "controller/controllers.h"

const struct resource access_review_resource = {.group = "authorization.k8s.io",
                                                .version = "v1",
                                                .kind = "SubjectAccessReview",
                                                .plural = "subjectaccessreviews",
                                                .is_question = true};

static struct json *texts(const struct array_string *items)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < items->len; i++)
        json_append_text(list, items->items[i]);
    return list;
}

static void add_requester(struct json *spec, const struct signing_request_spec *request)
{
    json_set_text(spec, "user", str_or(request->username, ""));
    json_set_text(spec, "uid", request->uid);
    json_set(spec, "groups", texts(&request->groups));
    if (request->extra)
        json_set(spec, "extra", json_ref(request->extra));
}

static struct json *question(const struct signing_request *request, const char *namespace,
                             const char *name)
{
    struct json *review = json_new_map(), *spec = json_need_map(review, "spec");
    struct json *what = json_need_map(spec, "resourceAttributes");

    (void)json_need_map(review, "metadata"); /* every object has one */
    add_requester(spec, &request->spec);
    json_set_text(what, "group", "cert-manager.io");
    json_set_text(what, "version", "*");
    json_set_text(what, "resource", "signers");
    json_set_text(what, "verb", "reference");
    json_set_text(what, "namespace", namespace);
    json_set_text(what, "name", name);
    return review;
}

static int ask(struct store *store, const struct context *ctx,
               const struct signing_request *request, const char *namespace, const char *name,
               bool *ret_allowed, struct err *err)
{
    cleanup(json_unref) struct json *review = question(request, namespace, name), *answer = NULL;
    int r = store_create(store, ctx, &access_review_resource, MANAGER_SIGNING, review, &answer,
                         err);

    if (r < 0)
        return err_wrap(err, "asking whether the requester may refer to '%s/%s'", namespace, name);
    *ret_allowed = json_as_bool(json_path(answer, "status.allowed"), false);
    return 0;
}

int access_to_issuer(struct store *store, const struct context *ctx,
                     const struct signing_request *request, const struct object *issuer,
                     bool *ret_allowed, struct err *err)
{
    const char *const names[] = {issuer->metadata.name, "*"};
    bool allowed = !issuer->kind->resource.namespaced;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && !allowed && r == 0; i++)
        r = ask(store, ctx, request, issuer->metadata.namespace, names[i], &allowed, err);
    if (r == 0)
        *ret_allowed = allowed;
    return r;
}
