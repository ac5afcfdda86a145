/*
 * manifests_parse.c - one text: its objects, and what is wrong with it.
 *
 * An object is brought into the form that is applied before it is checked: without status and without
 * what a server keeps in metadata, because `kubectl get -o yaml` is where manifests often come from.
 * Positions in lists stay, so that a problem's path is also the way to its line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/certificate.h"
#include "base/limits.h"
#include "controller/manifests_private.h"
#include "pki/names.h"
#include "yaml/yaml.h"

enum { QUOTED_MAX = 80 };
#define NAMESPACE_DEFAULT "default"

/* What may stand in a manifest; Orders and Challenges are made by the program. */
static const struct kind *const manifest_kinds[] = {
    &kind_certificate, &kind_issuer, &kind_cluster_issuer, &kind_certificate_request, &kind_secret,
};
#define KNOWN_KINDS                                                                                \
    "known are Certificate, Issuer, ClusterIssuer and CertificateRequest of cert-manager.io/v1, "  \
    "and Secret of v1"

struct reader {
    struct manifest_text *text;
    const char *file;
    const struct yaml_stream *stream;
    size_t document;
    struct arena *arena; /* of the items' texts */
};

/* One object of a document; `place` is the path to it, "" or "items[2]". */
struct subject {
    const char *place;
    char *id; /* NULL: not known */
};

void manifest_text_deinit(struct manifest_text *text)
{
    for (size_t i = 0; i < text->len; i++)
        json_unref(text->items[i].json);
    xfree(text->items);
    xfree(text->texts);
    manifest_problems_deinit(&text->problems);
    *text = (struct manifest_text){};
}

struct key manifest_entry_key(const struct kind *kind, const char *id, char to[KEY_TEXT_MAX])
{
    (void)snprintf(to, KEY_TEXT_MAX, "%s", id + strlen(kind->resource.kind) + 1);
    return key_parse(to);
}

/* Problems. */

static int line_of(const struct reader *reader, const struct subject *subject, const char *field)
{
    bool joined = *subject->place && *field && *field != '[';
    cleanup(xfree) char *path = xasprintf("%s%s%s", subject->place, joined ? "." : "", field);

    return yaml_line(reader->stream, reader->document, path);
}

static void say(const struct reader *reader, const struct subject *subject, const char *field,
                bool is_warning, const char *text)
{
    struct manifest_problem problem = {
        .file = (char *)reader->file,
        .line = line_of(reader, subject, field),
        .object = subject->id,
        .field = *field ? (char *)field : NULL,
        .text = (char *)text,
        .is_warning = is_warning,
    };

    problems_add(&reader->text->problems, &problem);
}

static void say_report(const struct reader *reader, const struct subject *subject,
                       const struct field_report *report)
{
    cleanup(xfree) char *more = NULL;

    for (size_t i = 0; i < report->len; i++) {
        const struct field_problem *problem = &report->items[i];

        say(reader, subject, problem->path, problem->kind == PROBLEM_WARNING, problem->text);
    }
    if (report->dropped == 0)
        return;
    more = xasprintf("and %zu more problems", report->dropped);
    say(reader, subject, "", !field_report_has_errors(report), more);
}

/* The form that is applied. */

static struct json *without_nulls(const struct json *value)
{
    struct json *copy;

    if (json_kind(value) == JSON_KIND_MAP) {
        copy = json_new_map();
        json_for_each (key, member, value)
            if (json_kind(member) != JSON_KIND_NULL)
                json_set(copy, key, without_nulls(member));
        return copy;
    }
    if (json_kind(value) != JSON_KIND_LIST)
        return json_ref((struct json *)value);
    copy = json_new_list();
    json_for_each_item (item, value)
        json_append(copy, without_nulls(item));
    return copy;
}

/* An API server writes who asks, or refuses another than that. Of a file nobody knows. */
#define UNPROVEN "is passed over: nobody proves here who asks"

static const struct passed_over {
    const char *in, *name;   /* member of an object's member */
    const char *warning;     /* NULL: every object that was read from a server has it */
    const struct kind *kind; /* NULL: any */
} passed_over[] = {
    {"metadata", "uid", NULL, NULL},
    {"metadata", "resourceVersion", NULL, NULL},
    {"metadata", "generation", NULL, NULL},
    {"metadata", "creationTimestamp", NULL, NULL},
    {"metadata", "managedFields", NULL, NULL},
    {"metadata", "selfLink", NULL, NULL},
    {"metadata", "deletionTimestamp", NULL, NULL},
    {"metadata", "deletionGracePeriodSeconds", NULL, NULL},
    /* Somebody would have to take the finalizer away; an owner elsewhere means deletion here. */
    {"metadata", "finalizers", "is passed over: nobody would take it away here", NULL},
    {"metadata", "ownerReferences", "is passed over: the owner is an object of another store",
     NULL},
    {"spec", "username", UNPROVEN, &kind_certificate_request},
    {"spec", "uid", UNPROVEN, &kind_certificate_request},
    {"spec", "groups", UNPROVEN, &kind_certificate_request},
    {"spec", "extra", UNPROVEN, &kind_certificate_request},
};

static bool concerns(const struct passed_over *row, const struct kind *kind)
{
    return !row->kind || row->kind == kind;
}

static bool says_something(const struct json *value)
{
    return json_len(value) > 0 || !str_empty(json_as_text(value));
}

static bool wants_namespace(const struct kind *kind, const struct json *metadata)
{
    const struct json *namespace = json_get(metadata, "namespace");

    return kind->resource.namespaced && (!namespace || streq(json_as_text(namespace), ""));
}

static struct json *applied_form(const struct kind *kind, const struct json *value)
{
    struct json *body = without_nulls(value);
    struct json *metadata = json_get(body, "metadata");

    if (kind->status_fields)
        json_remove(body, "status");
    for (size_t i = 0; i < ARRAY_LEN(passed_over); i++) {
        struct json *in = json_get(body, passed_over[i].in);

        if (concerns(&passed_over[i], kind) && json_kind(in) == JSON_KIND_MAP)
            json_remove(in, passed_over[i].name); /* of anything else the decoder tells */
    }
    if (json_kind(metadata) == JSON_KIND_MAP && wants_namespace(kind, metadata))
        json_set_text(metadata, "namespace", NAMESPACE_DEFAULT);
    return body;
}

static void warn_of_passed_over(const struct reader *reader, const struct subject *subject,
                                const struct kind *kind, const struct json *value)
{
    char field[64];

    if (kind->status_fields && json_len(json_get(value, "status")) > 0)
        say(reader, subject, "status", true, "is passed over: the program writes it");
    for (size_t i = 0; i < ARRAY_LEN(passed_over); i++) {
        const struct passed_over *row = &passed_over[i];

        if (!row->warning || !concerns(row, kind) ||
            !says_something(json_get(json_get(value, row->in), row->name)))
            continue;
        (void)snprintf(field, sizeof(field), "%s.%s", row->in, row->name);
        say(reader, subject, field, true, row->warning);
    }
}

/* Objects. */

static char *quoted(const char *s)
{
    char *copy = xstrndup(str_or(s, ""), QUOTED_MAX);

    str_clean(copy);
    return copy;
}

/* "Certificate default/web"; NULL when the name is not one, so that it could be any object. */
static char *subject_id(const struct kind *kind, const struct json *body)
{
    const struct json *metadata = json_get(body, "metadata");
    const char *name = str_or(json_get_text(metadata, "name"), "");
    const char *namespace = str_or(json_get_text(metadata, "namespace"), "");

    if (!name_is_dns1123_subdomain(name))
        return NULL;
    if (!kind->resource.namespaced)
        return xasprintf("%s %s", kind->resource.kind, name);
    if (!name_is_dns1123_label(namespace))
        return NULL;
    return xasprintf("%s %s/%s", kind->resource.kind, namespace, name);
}

/* For messages only, where subject_id() is NULL. */
static char *subject_guess(const struct kind *kind, const struct json *body)
{
    cleanup(xfree) char *name = quoted(json_as_text(json_path(body, "metadata.name")));

    return *name ? xasprintf("%s '%s'", kind->resource.kind, name)
                 : xasprintf("%s without a name", kind->resource.kind);
}

/* An error here, though only a warning for a server: it is often meant to be an Issuer. */
static bool check_scope(const struct reader *reader, const struct subject *subject,
                        const struct kind *kind, const struct json *body)
{
    if (kind->resource.namespaced || !json_path(body, "metadata.namespace"))
        return true;
    say(reader, subject, "metadata.namespace", false,
        "must not be set: a ClusterIssuer belongs to no namespace");
    json_remove(json_get(body, "metadata"), "namespace");
    return false;
}

/* Fields that name a Secret which certlet writes. */
static const struct target_field {
    const struct kind *kind;
    const char *field;
} target_fields[] = {
    {&kind_certificate, "spec.secretName"},
    {&kind_issuer, "spec.acme.privateKeySecretRef.name"},
};

static const char *target_field_of(const struct kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(target_fields); i++)
        if (target_fields[i].kind == kind)
            return target_fields[i].field;
    return NULL;
}

static char *in_namespace(const struct json *body, const char *name)
{
    return xasprintf("%s/%s", str_or(json_as_text(json_path(body, "metadata.namespace")), ""),
                     str_or(name, ""));
}

/* "default/web-tls", of the field that has the name alone; NULL: it has none. */
static char *secret_at(const struct json *body, const char *field)
{
    const char *secret = field ? json_as_text(json_path(body, field)) : NULL;

    return str_empty(secret) ? NULL : in_namespace(body, secret);
}

static char *target_of(const struct kind *kind, const struct json *body)
{
    return secret_at(body, target_field_of(kind));
}

static bool check_object(const struct reader *reader, const struct subject *subject,
                         const struct kind *kind, const struct json *body)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = NULL;
    struct err err = {};
    bool valid = check_scope(reader, subject, kind, body);

    if (object_decode(kind, body, &report, &object, &err) < 0) {
        say(reader, subject, "", false, err.text);
        return false;
    }
    say_report(reader, subject, &report);
    return valid && !field_report_has_errors(&report);
}

static uint64_t hash_of(const struct json *body)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(SIZE_MAX);

    json_print(body, &text);
    return str_hash(buf_str(&text), text.len);
}

static struct manifest_entry *text_add(struct manifest_text *text)
{
    if (text->len == text->alloc) {
        text->alloc = text->alloc ? text->alloc * 2 : 1;
        text->items = xrealloc(text->items, text->alloc * sizeof(*text->items));
    }
    text->items[text->len] = (struct manifest_entry){};
    return &text->items[text->len++];
}

static void read_object(const struct reader *reader, const struct kind *kind,
                        const struct json *value, const char *place)
{
    cleanup(json_unref) struct json *body = applied_form(kind, value);
    cleanup(xfree) char *id = subject_id(kind, body);
    cleanup(xfree) char *guess = id ? NULL : subject_guess(kind, body);
    cleanup(xfree) char *target = target_of(kind, body);
    struct subject subject = {.place = place, .id = id ? id : guess};
    struct manifest_entry *entry;
    bool valid;

    warn_of_passed_over(reader, &subject, kind, value);
    valid = check_object(reader, &subject, kind, body);
    if (!id) {
        reader->text->has_unknown = true;
        return;
    }
    reader->text->has_secret = reader->text->has_secret || kind->is_secret;
    entry = text_add(reader->text);
    *entry = (struct manifest_entry){.kind = kind,
                                     .id = arena_strdup(reader->arena, id),
                                     .target = arena_strdup(reader->arena, target),
                                     .line = line_of(reader, &subject, ""),
                                     .valid = valid};
    if (!valid)
        return;
    entry->hash = hash_of(body);
    entry->json = take(body);
}

/* What is no object of ours. */

/* Could it have been meant to be one of ours? Then nothing may count as removed. */
static bool is_foreign(const char *api_version)
{
    return api_version && strchr(api_version, '/') && !strstr(api_version, "cert-manager");
}

static const struct kind *kind_by_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(manifest_kinds); i++)
        if (streq(manifest_kinds[i]->resource.kind, name))
            return manifest_kinds[i];
    return NULL;
}

static void refuse_kind(const struct reader *reader, const struct json *value, const char *place)
{
    struct subject subject = {.place = place};
    const char *api_version = json_get_text(value, "apiVersion");
    const char *name = json_get_text(value, "kind");
    const struct kind *meant = kind_by_kind(name);
    cleanup(xfree) char *quoted_version = quoted(api_version), *quoted_name = quoted(name);
    cleanup(xfree) char *text = NULL;
    char own[API_VERSION_MAX];

    reader->text->has_unknown = reader->text->has_unknown || !is_foreign(api_version);
    if (str_empty(name)) {
        say(reader, &subject, "kind", false, "must be set; " KNOWN_KINDS);
        return;
    }
    if (!meant) {
        text = xasprintf("kind '%s' of '%s' is not known here; " KNOWN_KINDS, quoted_name,
                         quoted_version);
        say(reader, &subject, "kind", false, text);
        return;
    }
    resource_api_version(&meant->resource, own, sizeof(own));
    text = xasprintf("must be '%s' for kind '%s', not '%s'", own, quoted_name, quoted_version);
    say(reader, &subject, "apiVersion", false, text);
}

static void refuse_own_kind(const struct reader *reader, const struct kind *kind,
                            const struct json *value, const char *place)
{
    cleanup(xfree) char *guess = subject_guess(kind, value);
    struct subject subject = {.place = place, .id = guess};

    say(reader, &subject, "kind", false,
        "is made by the program only; remove it from the manifests");
}

/* Documents. */

static void read_value(const struct reader *reader, const struct json *value, const char *place);

static bool is_list(const struct json *value)
{
    return str_ends(str_or(json_get_text(value, "kind"), ""), "List") &&
           json_kind(json_get(value, "items")) == JSON_KIND_LIST;
}

static void read_list(const struct reader *reader, const struct json *list, const char *place)
{
    json_for_each_item (item, list) {
        cleanup(xfree) char *at = xasprintf("%s%sitems[%zu]", place, *place ? "." : "", item_at);

        read_value(reader, item, at);
    }
}

static void read_value(const struct reader *reader, const struct json *value, const char *place)
{
    const struct kind *kind = kind_find(json_get_text(value, "apiVersion"),
                                        json_get_text(value, "kind"));
    struct subject subject = {.place = place};

    if (json_kind(value) != JSON_KIND_MAP) {
        cleanup(xfree) char *text = xasprintf("is not an object but a %s",
                                              json_kind_name(json_kind(value)));

        reader->text->has_unknown = true;
        say(reader, &subject, "", false, text);
    } else if (is_list(value)) {
        read_list(reader, json_get(value, "items"), place);
    } else if (!kind) {
        refuse_kind(reader, value, place);
    } else if (!kind_by_kind(kind->resource.kind)) {
        refuse_own_kind(reader, kind, value, place);
    } else {
        read_object(reader, kind, value, place);
    }
}

/* "line 3, column 5: ..." stands in the text of the error; the line belongs before it. */
static void say_broken(struct manifest_text *text, const char *file, const struct err *err)
{
    struct manifest_problem problem = {.file = (char *)file, .text = (char *)err->text};
    char *end;

    if (str_starts(err->text, "line ")) {
        problem.line = (int)strtol(err->text + strlen("line "), &end, 10);
        problem.text = str_starts(end, ", ") ? end + 2 : end;
    }
    problems_add(&text->problems, &problem);
    text->has_unknown = true;
}

static const char *move_text(char **to, const char *text)
{
    char *moved = *to;

    if (!text)
        return NULL;
    *to = stpcpy(moved, text) + 1;
    return moved;
}

/* It stays for long: one block of exactly the size for the items, and one for their texts. */
static void settle(struct manifest_text *text)
{
    size_t size = 0;
    char *to;

    for (size_t i = 0; i < text->len; i++)
        size += strlen(text->items[i].id) + strlen(str_or(text->items[i].target, "")) + 2;
    to = text->texts = xalloc(size);
    for (size_t i = 0; i < text->len; i++) {
        text->items[i].id = move_text(&to, text->items[i].id);
        text->items[i].target = move_text(&to, text->items[i].target);
    }
    text->items = xrealloc(text->items, text->len * sizeof(*text->items));
    text->alloc = text->len;
}

/* `text` is empty before. */
int manifest_text_read(struct manifest_text *text, const char *file, const char *data, size_t len)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct reader reader = {.text = text, .file = file};
    struct err err = {};
    int r = yaml_parse(data, len, &stream, &err);

    if (r < 0) {
        say_broken(text, file, &err);
        return r;
    }
    reader.stream = stream;
    reader.arena = arena;
    for (; reader.document < yaml_document_count(stream); reader.document++)
        read_value(&reader, yaml_document(stream, reader.document), "");
    settle(text);
    return 0;
}

/* The public form. */

void manifest_objects_deinit(struct manifest_objects *objects)
{
    for (size_t i = 0; i < objects->len; i++)
        json_unref(objects->items[i].json);
    xfree(objects->items);
    *objects = (struct manifest_objects){};
}

void manifest_parse(const char *file, const char *text, size_t len,
                    struct manifest_objects *ret_objects, struct manifest_problems *problems)
{
    cleanup(manifest_text_deinit) struct manifest_text read = {};
    struct manifest_objects objects = {};

    (void)manifest_text_read(&read, file, text, len); /* the problem is in the list */
    problems_copy(problems, &read.problems);
    if (!ret_objects)
        return;
    objects.items = xcalloc(read.len + 1, sizeof(*objects.items));
    for (size_t i = 0; i < read.len; i++) {
        struct manifest_entry *entry = &read.items[i];

        if (entry->valid)
            objects.items[objects.len++] = (struct manifest_object){
                .kind = entry->kind, .json = take(entry->json), .line = entry->line};
    }
    *ret_objects = objects;
}

/* Rules between objects. */

struct place {
    const struct kind *kind;
    const char *id, *file;
    int line;
};

static struct place *place_new(const struct together *together, const char *file,
                               const struct manifest_entry *entry)
{
    struct place *place = arena_alloc(together->arena, sizeof(*place));

    *place = (struct place){
        .kind = entry->kind, .id = entry->id, .file = file, .line = entry->line};
    return place;
}

void together_init(struct together *together)
{
    together->arena = arena_new(0);
    together->objects = map_new(NULL);
    together->targets = map_new(NULL);
}

void together_deinit(struct together *together)
{
    map_free(together->objects);
    map_free(together->targets);
    arena_free(together->arena);
    *together = (struct together){};
}

bool together_has_target(const struct together *together, const char *target)
{
    const struct place *place = map_get(together->targets, target);

    return place && place->kind == &kind_certificate;
}

static void say_together(struct manifest_problems *problems, const char *file,
                         const struct manifest_entry *entry, const char *field, bool is_warning,
                         const char *text)
{
    struct manifest_problem problem = {.file = (char *)file,
                                       .line = entry->line,
                                       .object = (char *)entry->id,
                                       .field = (char *)field,
                                       .text = (char *)text,
                                       .is_warning = is_warning};

    problems_add(problems, &problem);
}

/* Issuers may share an account. */
static const char *collision(const struct kind *one, const struct kind *other)
{
    if (one != other)
        return "; the certificate is not issued, as its key would overwrite the account's: give each a Secret of its own";
    return one == &kind_certificate ? "; only one of them gets it" : NULL;
}

static void add_target(struct together *together, const char *file,
                       const struct manifest_entry *entry, struct manifest_problems *problems)
{
    const struct place *first = map_get(together->targets, entry->target);
    const char *end = first ? collision(first->kind, entry->kind) : NULL;
    cleanup(xfree) char *text = NULL;

    if (!first || (entry->kind == &kind_certificate && first->kind != entry->kind))
        map_set(together->targets, entry->target, place_new(together, file, entry));
    if (!end)
        return;
    text = xasprintf("names the Secret that %s (%s:%d) names already%s", first->id, first->file,
                     first->line, end);
    say_together(problems, file, entry, target_field_of(entry->kind), true, text);
}

bool together_add(struct together *together, const char *file, const struct manifest_entry *entry,
                  struct manifest_problems *problems)
{
    const struct place *first = map_get(together->objects, entry->id);
    cleanup(xfree) char *text = NULL;

    if (first) {
        text = xasprintf("is in %s:%d already; that one stays in force and this one is passed over",
                         first->file, first->line);
        say_together(problems, file, entry, NULL, false, text);
        return false;
    }
    map_set(together->objects, entry->id, place_new(together, file, entry));
    if (entry->target)
        add_target(together, file, entry, problems);
    return true;
}

static void check_object_together(struct together *together, const char *file,
                                  const struct manifest_object *object,
                                  struct manifest_problems *problems)
{
    cleanup(xfree) char *id = subject_id(object->kind, object->json);
    cleanup(xfree) char *target = target_of(object->kind, object->json);
    struct manifest_entry entry = {.kind = object->kind,
                                   .id = arena_strdup(together->arena, id),
                                   .target = target,
                                   .line = object->line};

    (void)together_add(together, file, &entry, problems); /* reported */
}

/* An Issuer cannot sign what would replace its CA, as in certificate_claim(). */
static void check_signer(const struct map *cas, const char *file,
                         const struct manifest_object *object, struct manifest_problems *problems)
{
    const struct json *ref = json_path(object->json, "spec.issuerRef");
    cleanup(xfree) char *signer = in_namespace(object->json, json_get_text(ref, "name"));
    cleanup(xfree) char *target = NULL, *id = NULL, *text = NULL;
    const char *ca = map_get(cas, signer);
    struct manifest_entry entry;

    if (!ca || streq(json_get_text(ref, "kind"), "ClusterIssuer"))
        return;
    target = target_of(object->kind, object->json);
    if (!streq(ca, target))
        return;
    id = subject_id(object->kind, object->json);
    entry = (struct manifest_entry){.kind = object->kind, .id = id, .line = object->line};
    text = xasprintf("names the Secret that its Issuer %s has the CA in; it is not issued, give it "
                     "another",
                     signer);
    say_together(problems, file, &entry, target_field_of(object->kind), true, text);
}

static void note_ca(struct map *cas, const struct manifest_object *object)
{
    const char *name = json_as_text(json_path(object->json, "metadata.name"));
    cleanup(xfree) char *issuer = in_namespace(object->json, name);
    char *secret = secret_at(object->json, "spec.ca.secretName");

    if (secret)
        map_set(cas, issuer, secret);
}

static void check_signers(const char *const *files, const struct manifest_objects *objects,
                          size_t file_count, struct manifest_problems *problems)
{
    cleanup(map_free) struct map *cas = map_new(xfree); /* "default/ca" to "default/root-tls" */

    for (size_t i = 0; i < file_count; i++)
        for (size_t j = 0; j < objects[i].len; j++)
            if (objects[i].items[j].kind == &kind_issuer)
                note_ca(cas, &objects[i].items[j]);
    if (map_len(cas) == 0)
        return;
    for (size_t i = 0; i < file_count; i++)
        for (size_t j = 0; j < objects[i].len; j++)
            if (objects[i].items[j].kind == &kind_certificate)
                check_signer(cas, files[i], &objects[i].items[j], problems);
}

void manifest_check_together(const char *const *files, const struct manifest_objects *objects,
                             size_t file_count, struct manifest_problems *problems)
{
    cleanup(together_deinit) struct together together = {};

    together_init(&together);
    for (size_t i = 0; i < file_count; i++)
        for (size_t j = 0; j < objects[i].len; j++)
            check_object_together(&together, files[i], &objects[i].items[j], problems);
    check_signers(files, objects, file_count, problems);
}
