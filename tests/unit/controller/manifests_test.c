#include "support/testing.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/kinds.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/thread.h"
#include "controller/controllers.h"
#include "controller/manifests.h"
#include "pki/csr.h"
#include "store/local.h"

#define NOW "2020-01-01T00:00:00Z" /* older than every file: time stamps of files are not trusted */

#define CERTIFICATE(name, secret)                                                                  \
    "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata:\n  name: " name "\n"             \
    "spec:\n  secretName: " secret "\n  dnsNames: [" name ".example.com]\n"                        \
    "  issuerRef:\n    name: ca\n"
#define ISSUER                                                                                     \
    "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata:\n  name: ca\nspec:\n  acme:\n"        \
    "    server: https://ca.example/directory\n    privateKeySecretRef:\n      name: account\n"    \
    "    solvers:\n    - http01:\n        ingress: {}\n"
#define SECRET(value)                                                                              \
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web-tls\nstringData:\n  tls.crt: " value     \
    "\n  tls.key: key\n"

/* --- parsing --- */

static char *problem_text(const struct manifest_problem *problem)
{
    struct buf text = BUF(4096);

    manifest_problem_format(problem, &text);
    return buf_take(&text);
}

static const struct {
    const char *name, *text;
    const char *problem; /* begins with it */
    bool is_warning;
} bad_texts[] = {
    {"broken yaml", "a: [1\nb: 2\n", "f.yaml:", false},
    {"tab", "apiVersion: v1\n\tkind: Secret\n", "f.yaml:2: ", false},
    {"no object", "- just\n- text\n", "f.yaml:1: is not an object but a list", false},
    {"no kind", "apiVersion: v1\n", "f.yaml:1: kind: must be set; known are Certificate", false},
    {"foreign kind", "apiVersion: apps/v1\nkind: Deployment\n",
     "f.yaml:2: kind: kind 'Deployment' of 'apps/v1' is not known here; known are", false},
    {"misspelt kind", "kind: Certficate\napiVersion: cert-manager.io/v1\n",
     "f.yaml:1: kind: kind 'Certficate' of", false},
    {"old version", "apiVersion: cert-manager.io/v1alpha2\nkind: Certificate\n",
     "f.yaml:1: apiVersion: must be 'cert-manager.io/v1' for kind 'Certificate'", false},
    {"order", "apiVersion: acme.cert-manager.io/v1\nkind: Order\nmetadata: {name: o}\n",
     "f.yaml:2: Order 'o': kind: is made by the program only", false},
    {"unknown field", CERTIFICATE("web", "web-tls") "  dnsName: [a.example]\n",
     "f.yaml:10: Certificate default/web: spec.dnsName: ", false},
    {"wrong type", CERTIFICATE("web", "web-tls") "  isCA: maybe\n",
     "f.yaml:10: Certificate default/web: spec.isCA: ", false},
    {"hostile namespace",
     "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: ../..\n",
     "f.yaml:5: Secret 's': metadata.namespace: ", false},
    {"hostile name", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ../../etc/passwd\n",
     "f.yaml:4: Secret '../../etc/passwd': metadata.name: ", false},
    {"controls in a name", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"a\\e[2J\"\n",
     "f.yaml:4: Secret 'a?[2J': metadata.name: ", false},
    {"no name", "apiVersion: v1\nkind: Secret\ndata: {}\n",
     "f.yaml:1: Secret without a name: ", false},
    {"hostile secret key",
     "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  ..data: x\n",
     "f.yaml:5: Secret default/s: stringData[..data]: ", false},
    {"no base64", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: '%'\n",
     "f.yaml:5: Secret default/s: data[a]: is not base64", false},
    {"namespace of a cluster issuer",
     "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: c, namespace: d}\nspec: {}\n",
     "f.yaml:3: ClusterIssuer c: metadata.namespace: must not be set", false},
    {"status", CERTIFICATE("web", "web-tls") "status: {revision: 1}\n",
     "f.yaml:10: Certificate default/web: status: is passed over", true},
    {"finalizers", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  finalizers: [a.b/c]\n",
     "f.yaml:5: Secret default/s: metadata.finalizers: is passed over", true},
    {"item of a list",
     "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  oops: 1\n",
     "f.yaml:7: Secret default/s: oops: ", false},
};

TEST(what_is_wrong_is_said_with_file_line_object_and_field)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_texts); i++) {
        cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
        cleanup(manifest_objects_deinit) struct manifest_objects objects = {};
        cleanup(xfree) char *said = NULL;
        bool found = false;

        CASE(bad_texts[i].name);
        manifest_parse("f.yaml", bad_texts[i].text, strlen(bad_texts[i].text), &objects, &problems);
        ASSERT_TRUE(problems.len > 0);
        for (size_t j = 0; j < problems.len && !found; j++) {
            xfree(said);
            said = problem_text(&problems.items[j]);
            found = str_starts(said, bad_texts[i].problem) &&
                    problems.items[j].is_warning == bad_texts[i].is_warning;
        }
        if (!found)
            ASSERT_STREQ(said, bad_texts[i].problem);
        ASSERT_EQ(objects.len, bad_texts[i].is_warning ? 1 : 0);
    }
}

static void parse(const char *text, struct manifest_objects *objects,
                  struct manifest_problems *problems)
{
    manifest_parse("f.yaml", text, strlen(text), objects, problems);
}

static const char *text_at(const struct manifest_objects *objects, size_t i, const char *path)
{
    return json_as_text(json_path(objects->items[i].json, path));
}

TEST(every_document_and_every_item_of_a_list_is_an_object_with_its_line)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};

    parse(
        CERTIFICATE(
            "a",
            "a-tls") "---\n---\n" ISSUER
                     "---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s, namespace: team}\n",
        &objects, &problems);
    ASSERT_EQ(problems.len, 0);
    ASSERT_EQ(objects.len, 3);
    ASSERT_STREQ(objects.items[0].kind->resource.kind, "Certificate");
    ASSERT_EQ(objects.items[0].line, 1);
    ASSERT_STREQ(text_at(&objects, 0, "metadata.namespace"), "default");
    ASSERT_STREQ(objects.items[1].kind->resource.kind, "Issuer");
    ASSERT_EQ(objects.items[1].line, 12);
    ASSERT_STREQ(objects.items[2].kind->resource.kind, "Secret");
    ASSERT_STREQ(text_at(&objects, 2, "metadata.namespace"), "team");
    ASSERT_EQ(objects.items[2].line, 28);
}

TEST(what_a_server_keeps_in_an_object_is_not_applied)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};

    parse("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  uid: u\n  resourceVersion: '4'\n"
          "  creationTimestamp: null\n  generation: 3\n  managedFields: [{manager: x}]\n"
          "  ownerReferences: [{apiVersion: v1, kind: Pod, name: p, uid: q}]\ntype: null\n",
          &objects, &problems);
    ASSERT_EQ(problems.len, 1);
    ASSERT_STREQ(problems.items[0].field, "metadata.ownerReferences");
    ASSERT_EQ(objects.len, 1);
    ASSERT_EQ(json_len(json_path(objects.items[0].json, "metadata")), 2);
    ASSERT_NULL(json_get(objects.items[0].json, "type"));
}

TEST(one_bad_object_does_not_take_the_others_of_its_file_with_it)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};

    parse(CERTIFICATE("a", "a-tls") "  oops: 1\n---\n" CERTIFICATE("b", "b-tls"), &objects,
          &problems);
    ASSERT_EQ(problems.len, 1);
    ASSERT_EQ(objects.len, 1);
    ASSERT_STREQ(text_at(&objects, 0, "metadata.name"), "b");
}

TEST(a_file_of_nothing_but_mistakes_makes_a_bounded_list_of_problems)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_MANIFEST_FILE);

    for (int i = 0; i < 2 * MANIFEST_PROBLEMS_MAX; i++)
        buf_add_str(&text, "--- 1\n");
    manifest_parse("f.yaml", buf_str(&text), text.len, NULL, &problems);
    ASSERT_EQ(problems.len, MANIFEST_PROBLEMS_MAX);
    ASSERT_EQ(problems.dropped, MANIFEST_PROBLEMS_MAX);
}

TEST(aliases_that_explode_are_refused)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(buf_deinit) struct buf text = BUF(4096);

    buf_add_str(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++)
        buf_addf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    manifest_parse("f.yaml", buf_str(&text), text.len, NULL, &problems);
    ASSERT_EQ(problems.len, 1);
    ASSERT_TRUE(problems.items[0].line > 1);
}

TEST(duplicates_and_shared_secrets_are_found_over_several_files)
{
    static const char *const files[] = {"a.yaml", "b.yaml"};
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    struct manifest_objects objects[2] = {};
    cleanup(xfree) char *first = NULL, *second = NULL;

    parse(CERTIFICATE("web", "tls"), &objects[0], &problems);
    parse(CERTIFICATE("mail", "tls") "---\n" CERTIFICATE("web", "other"), &objects[1], &problems);
    manifest_check_together(files, objects, 2, &problems);
    ASSERT_EQ(problems.len, 2);
    first = problem_text(&problems.items[0]);
    ASSERT_STREQ(first,
                 "b.yaml:1: Certificate default/mail: spec.secretName: names the Secret that "
                 "Certificate default/web (a.yaml:1) names already; only one of them gets it");
    ASSERT_TRUE(problems.items[0].is_warning);
    second = problem_text(&problems.items[1]);
    ASSERT_STREQ(second,
                 "b.yaml:11: Certificate default/web: is in a.yaml:1 already; that one stays "
                 "in force and this one is passed over");
    ASSERT_FALSE(problems.items[1].is_warning);
    manifest_objects_deinit(&objects[0]);
    manifest_objects_deinit(&objects[1]);
}

#define ACME_ISSUER(name, secret)                                                                  \
    "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: " name "}\n"                   \
    "spec: {acme: {server: 'https://ca.example/d', privateKeySecretRef: {name: " secret "}}}\n"

/* The account would be lost with the first certificate, whose key would be the next account's. */
TEST(an_account_in_the_secret_of_a_certificate_is_told_of)
{
    static const char *const texts[] = {
        ACME_ISSUER("acme", "tls") "---\n" CERTIFICATE("web", "tls"),
        CERTIFICATE("web", "tls") "---\n" ACME_ISSUER("acme", "tls"),
        ACME_ISSUER("acme", "account") "---\n" ACME_ISSUER("other", "account") "---\n" CERTIFICATE(
            "web", "tls"),
    };
    static const char *const told[] = {
        "Certificate default/web: spec.secretName: names the Secret that Issuer default/acme",
        "Issuer default/acme: spec.acme.privateKeySecretRef.name: names the Secret that "
        "Certificate default/web",
        NULL};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        static const char *const file = "a.yaml";
        cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
        struct manifest_objects objects = {};
        cleanup(xfree) char *text = NULL;

        parse(texts[i], &objects, &problems);
        manifest_check_together(&file, &objects, 1, &problems);
        ASSERT_EQ(problems.len, told[i] ? 1 : 0);
        if (told[i]) {
            text = problem_text(&problems.items[0]);
            ASSERT_CONTAINS(text, told[i]);
            ASSERT_TRUE(problems.items[0].is_warning);
        }
        manifest_objects_deinit(&objects);
    }
}

#define CA_ISSUER(name, secret)                                                                    \
    "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: " name                    \
    "}\nspec: {ca: {secretName: " secret "}}\n"

/* CERTIFICATE() is signed by Issuer 'ca'. */
TEST(a_certificate_that_would_replace_the_ca_which_signs_it_is_told_of)
{
    static const struct {
        const char *text;
        bool is_told;
    } rows[] = {
        {CERTIFICATE("web", "tls") CA_ISSUER("ca", "tls"), true},
        {CERTIFICATE("web", "tls") CA_ISSUER("ca", "root"), false},
        {CERTIFICATE("web", "tls") CA_ISSUER("other", "tls"), false}, /* it may be a root */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static const char *const file = "a.yaml";
        cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
        struct manifest_objects objects = {};
        cleanup(xfree) char *text = NULL;

        parse(rows[i].text, &objects, &problems);
        manifest_check_together(&file, &objects, 1, &problems);
        ASSERT_EQ(problems.len, rows[i].is_told);
        if (rows[i].is_told) {
            text = problem_text(&problems.items[0]);
            ASSERT_CONTAINS(text, "a.yaml:1: Certificate default/web: spec.secretName: names the "
                                  "Secret that its Issuer default/ca has the CA in");
            ASSERT_TRUE(problems.items[0].is_warning);
        }
        manifest_objects_deinit(&objects);
    }
}

/* --- the loader --- */

struct bed {
    char dir[64], folder[80];
    struct fake_clock clock;
    struct context ctx;
    struct store *store;
    struct manifests *manifests;
    int reports;
    size_t fresh; /* problems that were new in the last report */
    bool broken_store;
};

static int fault(void *arg, bool after, struct err *err)
{
    const struct bed *bed = arg;

    return bed->broken_store && !after ? err_set(err, ERR_IO, "disk is full") : 0;
}

static void report(void *arg, const struct manifest_problems *problems)
{
    struct bed *bed = arg;

    bed->reports++;
    bed->fresh = 0;
    for (size_t i = 0; i < problems->len; i++)
        bed->fresh += problems->items[i].is_new;
}

static void open_loader(struct bed *bed)
{
    struct manifests_options options = {.folder = bed->folder,
                                        .store = bed->store,
                                        .clock = &bed->clock.clock,
                                        .report = report,
                                        .report_arg = bed};
    struct err err = {};

    ASSERT_OK(manifests_new(&options, &bed->manifests, &err));
}

static struct bed *bed_new(void)
{
    struct bed *bed = xalloc(sizeof(*bed));
    struct local_options options = {
        .clock = &bed->clock.clock, .resources = kind_resources, .fault = fault, .fault_arg = bed};
    struct err err = {};

    (void)snprintf(bed->dir, sizeof(bed->dir), "/tmp/manifests-XXXXXX");
    ASSERT_TRUE(mkdtemp(bed->dir));
    (void)snprintf(bed->folder, sizeof(bed->folder), "%s/manifests", bed->dir);
    fake_clock_init(&bed->clock, AT(NOW));
    bed->ctx = context_background(&bed->clock.clock);
    ASSERT_OK(store_local_open(&options, &bed->store, &err));
    open_loader(bed);
    return bed;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void bed_free(struct bed *bed)
{
    manifests_free(bed->manifests);
    store_close(bed->store);
    (void)nftw(bed->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    xfree(bed);
}

static void put(struct bed *bed, const char *name, const char *text)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", bed->folder, name);
    char *slash = strrchr(path, '/');
    struct err err = {};
    int dir;

    *slash = '\0';
    ASSERT_OK(file_mkdirs(path, 0700, &err));
    dir = open(path, O_RDONLY | O_DIRECTORY);
    ASSERT_OK(file_write_at(dir, slash + 1, text, strlen(text), 0600, &err));
    (void)close(dir);
}

static void drop(struct bed *bed, const char *name)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", bed->folder, name);

    ASSERT_EQ(unlink(path), 0);
}

static void load(struct bed *bed)
{
    struct err err = {};

    ASSERT_OK(manifests_load(bed->manifests, &bed->ctx, &err));
}

static int64_t look(struct bed *bed)
{
    struct err err = {};
    int64_t wait_ms = 0;

    ASSERT_OK(manifests_step(bed->manifests, &bed->ctx, &wait_ms, &err));
    return wait_ms;
}

static struct json *stored(struct bed *bed, const struct kind *kind, const char *name)
{
    struct key key = {.namespace = kind->resource.namespaced ? "default" : "", .name = name};
    struct json *json = NULL;
    struct err err = {};
    int r = store_get(bed->store, &bed->ctx, &kind->resource, &key, &json, &err);

    if (r != ERR_NOT_FOUND)
        ASSERT_OK(r);
    return json;
}

static bool is_stored(struct bed *bed, const char *name)
{
    cleanup(json_unref) struct json *json = stored(bed, &kind_certificate, name);

    return json != NULL;
}

static char *secret_name(struct bed *bed, const char *name)
{
    cleanup(json_unref) struct json *json = stored(bed, &kind_certificate, name);

    return xstrdup(json_as_text(json_path(json, "spec.secretName")));
}

/* All problems, a line each. */
static char *problems_of(struct bed *bed)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    struct buf text = BUF(1 << 20);

    manifests_problems(bed->manifests, &problems);
    for (size_t i = 0; i < problems.len; i++) {
        manifest_problem_format(&problems.items[i], &text);
        buf_add_char(&text, '\n');
    }
    buf_add_str(&text, "");
    return buf_take(&text);
}

#define ASSERT_PROBLEM(bed, part)                                                                  \
    do {                                                                                           \
        cleanup(xfree) char *said_ = problems_of(bed);                                             \
        ASSERT_CONTAINS(said_, part);                                                              \
    } while (0)
#define ASSERT_NO_PROBLEM(bed)                                                                     \
    do {                                                                                           \
        cleanup(xfree) char *said_ = problems_of(bed);                                             \
        ASSERT_STREQ(str_or(said_, ""), "");                                                       \
    } while (0)
#define ASSERT_SECRET_NAME(bed, name, value)                                                       \
    do {                                                                                           \
        cleanup(xfree) char *found_ = secret_name(bed, name);                                      \
        ASSERT_STREQ(found_, value);                                                               \
    } while (0)

TEST(what_is_in_the_folder_and_below_is_applied)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    put(bed, "sub/deep/b.yml", CERTIFICATE("b", "b-tls"));
    put(bed, "c.json",
        "{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"ClusterIssuer\",\"metadata\":{\"name\":\"ca\"},"
        "\"spec\":{\"acme\":{\"server\":\"https://ca.example/d\",\"privateKeySecretRef\":{\"name\":\"k\"}}}}");
    put(bed, ".hidden.yaml", CERTIFICATE("h", "h-tls"));
    put(bed, ".git/x.yaml", CERTIFICATE("g", "g-tls"));
    put(bed, "web.yaml~", CERTIFICATE("t", "t-tls"));
    put(bed, "README", "not a manifest");
    load(bed);
    ASSERT_NO_PROBLEM(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    ASSERT_TRUE(is_stored(bed, "b"));
    ASSERT_FALSE(is_stored(bed, "h"));
    ASSERT_FALSE(is_stored(bed, "g"));
    ASSERT_FALSE(is_stored(bed, "t"));
    {
        cleanup(json_unref) struct json *ca = stored(bed, &kind_cluster_issuer, "ca");

        ASSERT_TRUE(ca);
    }
    bed_free(bed);
}

TEST(a_changed_file_changes_its_objects_and_an_unchanged_one_writes_nothing)
{
    struct bed *bed = bed_new();
    cleanup(json_unref) struct json *before = NULL, *after = NULL;

    put(bed, "a.yaml", CERTIFICATE("a", "one"));
    load(bed);
    before = stored(bed, &kind_certificate, "a");
    (void)look(bed);
    after = stored(bed, &kind_certificate, "a");
    ASSERT_TRUE(json_same(before, after));
    put(bed, "a.yaml", CERTIFICATE("a", "two"));
    (void)look(bed);
    ASSERT_SECRET_NAME(bed, "a", "two");
    bed_free(bed);
}

TEST(a_broken_file_keeps_the_last_good_version_of_its_objects)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "one"));
    load(bed);
    put(bed, "a.yaml", "metadata: [\n");
    (void)look(bed);
    fake_clock_advance(&bed->clock, DAYS(1));
    (void)look(bed);
    ASSERT_SECRET_NAME(bed, "a", "one");
    ASSERT_PROBLEM(bed, "manifests/a.yaml:");
    put(bed, "a.yaml", CERTIFICATE("a", "two"));
    (void)look(bed);
    ASSERT_NO_PROBLEM(bed);
    ASSERT_SECRET_NAME(bed, "a", "two");
    bed_free(bed);
}

TEST(an_object_that_is_not_valid_any_more_stays_and_the_others_of_its_file_change)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "one") "---\n" CERTIFICATE("b", "one-b"));
    load(bed);
    put(bed, "a.yaml", CERTIFICATE("a", "two") "  oops: 1\n---\n" CERTIFICATE("b", "two-b"));
    (void)look(bed);
    fake_clock_advance(&bed->clock, MINUTES(1));
    (void)look(bed);
    ASSERT_SECRET_NAME(bed, "a", "one");
    ASSERT_SECRET_NAME(bed, "b", "two-b");
    ASSERT_PROBLEM(bed, "manifests/a.yaml:10: Certificate default/a: spec.oops: ");
    bed_free(bed);
}

TEST(an_object_is_removed_when_no_file_has_held_it_for_two_seconds)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    load(bed);
    drop(bed, "a.yaml");
    ASSERT_EQ(look(bed), 2000);
    fake_clock_advance(&bed->clock, 1999);
    ASSERT_EQ(look(bed), 1);
    ASSERT_TRUE(is_stored(bed, "a"));
    fake_clock_advance(&bed->clock, 1);
    (void)look(bed);
    ASSERT_FALSE(is_stored(bed, "a"));
    bed_free(bed);
}

TEST(an_object_that_moves_to_another_file_is_not_removed)
{
    struct bed *bed = bed_new();
    cleanup(json_unref) struct json *before = NULL, *after = NULL;

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    load(bed);
    before = stored(bed, &kind_certificate, "a");
    drop(bed, "a.yaml");
    (void)look(bed);
    fake_clock_advance(&bed->clock, SECONDS(1));
    put(bed, "sub/b.yaml", CERTIFICATE("a", "a-tls"));
    (void)look(bed);
    fake_clock_advance(&bed->clock, SECONDS(10));
    (void)look(bed);
    after = stored(bed, &kind_certificate, "a");
    ASSERT_TRUE(json_same(before, after));
    bed_free(bed);
}

static const struct {
    const char *name, *text;
    bool blocks;
} blockers[] = {
    {"broken yaml", "a: [\n", true},
    {"misspelt kind", "apiVersion: cert-manager.io/v1\nkind: Certficate\nmetadata: {name: a}\n",
     true},
    {"misspelt metadata", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetdata: {name: a}\n",
     true},
    {"bad name", "apiVersion: v1\nkind: Secret\nmetadata: {name: A_A}\n", true},
    {"no object", "hello\n", true},
    {"not valid, but with a name", CERTIFICATE("b", "b-tls") "  oops: 1\n", false},
    {"foreign kind", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", false},
    {"order", "apiVersion: acme.cert-manager.io/v1\nkind: Order\nmetadata: {name: a}\n", false},
};

TEST(nothing_is_removed_while_something_may_still_hold_it)
{
    for (size_t i = 0; i < ARRAY_LEN(blockers); i++) {
        struct bed *bed = bed_new();

        CASE(blockers[i].name);
        put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
        load(bed);
        put(bed, "a.yaml", "");
        put(bed, "b.yaml", blockers[i].text);
        (void)look(bed);
        fake_clock_advance(&bed->clock, HOURS(1));
        (void)look(bed);
        ASSERT_EQ(is_stored(bed, "a"), blockers[i].blocks);
        if (blockers[i].blocks)
            ASSERT_PROBLEM(bed, "manifests: Certificate default/a: is in no file any more");
        drop(bed, "b.yaml");
        (void)look(bed);
        fake_clock_advance(&bed->clock, SECONDS(2));
        (void)look(bed);
        ASSERT_FALSE(is_stored(bed, "a"));
        bed_free(bed);
    }
}

TEST(of_two_files_with_the_same_object_the_first_is_in_force_until_it_is_gone)
{
    struct bed *bed = bed_new();

    put(bed, "b.yaml", CERTIFICATE("a", "second"));
    put(bed, "a.yaml", CERTIFICATE("a", "first"));
    load(bed);
    ASSERT_SECRET_NAME(bed, "a", "first");
    ASSERT_PROBLEM(bed,
                   "manifests/b.yaml:1: Certificate default/a: is in manifests/a.yaml:1 already");
    drop(bed, "a.yaml");
    (void)look(bed);
    ASSERT_SECRET_NAME(bed, "a", "second");
    ASSERT_NO_PROBLEM(bed);
    bed_free(bed);
}

TEST(a_start_removes_what_was_taken_away_meanwhile)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    put(bed, "b.yaml", CERTIFICATE("b", "b-tls"));
    load(bed);
    manifests_free(bed->manifests);
    drop(bed, "a.yaml");
    open_loader(bed);
    load(bed);
    ASSERT_FALSE(is_stored(bed, "a"));
    ASSERT_TRUE(is_stored(bed, "b"));
    bed_free(bed);
}

TEST(a_start_removes_nothing_when_a_file_does_not_parse)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    load(bed);
    manifests_free(bed->manifests);
    put(bed, "a.yaml", "a: [\n");
    open_loader(bed);
    load(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    put(bed, "a.yaml", CERTIFICATE("a", "new-tls"));
    (void)look(bed);
    ASSERT_SECRET_NAME(bed, "a", "new-tls");
    bed_free(bed);
}

TEST(objects_of_others_are_never_removed)
{
    struct bed *bed = bed_new();
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    parse(CERTIFICATE("a", "a-tls"), &objects, &problems);
    ASSERT_OK(store_create(bed->store, &bed->ctx, &kind_certificate.resource, "somebody",
                           objects.items[0].json, &ret, &err));
    load(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    bed_free(bed);
}

TEST(a_folder_that_goes_away_removes_nothing)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *elsewhere = xasprintf("%s/elsewhere", bed->dir);

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    load(bed);
    ASSERT_EQ(rename(bed->folder, elsewhere), 0);
    ASSERT_EQ(look(bed), SECONDS(10)); /* inotify would not tell that it is back */
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    ASSERT_PROBLEM(bed, "manifests: cannot be read: ");
    bed_free(bed);
}

TEST(symbolic_links_are_followed_and_loops_are_not)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *loop = xasprintf("%s/sub/loop", bed->folder);
    cleanup(xfree) char *link = xasprintf("%s/link.yaml", bed->folder);
    cleanup(xfree) char *gone = xasprintf("%s/unmounted", bed->folder);
    cleanup(xfree) char *target = xasprintf("%s/.real", bed->folder);

    put(bed, "sub/a.yaml", CERTIFICATE("a", "a-tls"));
    put(bed, ".real", CERTIFICATE("b", "b-tls"));
    ASSERT_EQ(symlink("../..", loop), 0); /* also reaches DIR itself */
    ASSERT_EQ(symlink(target, link), 0);
    load(bed);
    ASSERT_NO_PROBLEM(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    ASSERT_TRUE(is_stored(bed, "b"));
    ASSERT_EQ(symlink("/nowhere/at/all", gone), 0);
    (void)look(bed);
    ASSERT_PROBLEM(bed, "manifests/unmounted: cannot be read: ");
    bed_free(bed);
}

TEST(folders_too_deep_and_files_that_are_none_are_problems)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf path = BUF(4096);
    cleanup(xfree) char *pipe = NULL, *big = NULL;
    int fd;

    for (int i = 0; i < 34; i++)
        buf_add_str(&path, "d/");
    buf_add_str(&path, "a.yaml");
    put(bed, buf_str(&path), CERTIFICATE("a", "a-tls"));
    pipe = xasprintf("%s/pipe.yaml", bed->folder);
    ASSERT_EQ(mkfifo(pipe, 0600), 0);
    big = xasprintf("%s/big.yaml", bed->folder);
    fd = open(big, O_CREAT | O_WRONLY, 0600);
    ASSERT_EQ(ftruncate(fd, LIMIT_MANIFEST_FILE + 1), 0);
    (void)close(fd);
    load(bed);
    ASSERT_FALSE(is_stored(bed, "a"));
    ASSERT_PROBLEM(bed, "is more than 32 folders deep");
    ASSERT_PROBLEM(bed, "manifests/pipe.yaml: is not a regular file");
    ASSERT_PROBLEM(bed, "manifests/big.yaml: file '");
    bed_free(bed);
}

TEST(a_folder_that_may_not_be_read_is_a_problem)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *sub = xasprintf("%s/sub", bed->folder);

    put(bed, "sub/a.yaml", CERTIFICATE("a", "a-tls"));
    ASSERT_EQ(chmod(sub, 0), 0);
    ASSERT_EQ(chmod(bed->dir, 0755), 0);
    ASSERT_EQ(chmod(bed->folder, 0755), 0);
    (void)setfsuid(65534); /* root may read everything */
    load(bed);
    (void)setfsuid(0);
    ASSERT_EQ(chmod(sub, 0700), 0);
    ASSERT_PROBLEM(bed, "manifests/sub: cannot be read: ");
    ASSERT_FALSE(is_stored(bed, "a"));
    bed_free(bed);
}

TEST(a_secret_that_others_may_read_is_applied_with_a_warning)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *path = xasprintf("%s/s.yaml", bed->folder);
    cleanup(json_unref) struct json *secret = NULL;

    put(bed, "s.yaml", SECRET("one"));
    ASSERT_EQ(chmod(path, 0640), 0);
    load(bed);
    ASSERT_PROBLEM(
        bed, "manifests/s.yaml: holds a Secret and can be read or written by others (mode 0640)");
    secret = stored(bed, &kind_secret, "web-tls");
    ASSERT_TRUE(secret);
    ASSERT_EQ(chmod(path, 0600), 0);
    (void)look(bed);
    ASSERT_NO_PROBLEM(bed);
    bed_free(bed);
}

TEST(what_has_no_effect_here_is_said_once)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *said = NULL;

    put(bed, "a.yaml",
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: a}\nspec: {acme: {server: 'https://c/d', "
        "privateKeySecretRef: {name: k}, solvers: [{http01: {ingress: {class: nginx}}}]}}\n---\n"
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: b}\nspec: {acme: {server: 'https://c/d', "
        "privateKeySecretRef: {name: k}, solvers: [{http01: {ingress: {class: nginx}}}]}}\n");
    load(bed);
    said = problems_of(bed);
    ASSERT_CONTAINS(
        said,
        "Issuer default/a: spec.acme.solvers[0].http01.ingress.class: has no effect in a directory");
    ASSERT_NULL(strstr(said, "Issuer default/b"));
    bed_free(bed);
}

TEST(problems_are_reported_when_they_change_and_what_is_new_is_marked)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls") "  oops: 1\n");
    load(bed);
    ASSERT_EQ(bed->reports, 1);
    ASSERT_EQ(bed->fresh, 1);
    (void)look(bed);
    ASSERT_EQ(bed->reports, 1);
    put(bed, "a.yaml", "# moved by a line\n" CERTIFICATE("a", "a-tls") "  oops: 1\n  oops2: 2\n");
    (void)look(bed);
    ASSERT_EQ(bed->reports, 2);
    ASSERT_EQ(bed->fresh, 1);
    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    (void)look(bed);
    ASSERT_EQ(bed->reports, 3);
    bed_free(bed);
}

TEST(a_store_that_fails_is_tried_again_later)
{
    struct bed *bed = bed_new();

    put(bed, "a.yaml", CERTIFICATE("a", "a-tls"));
    bed->broken_store = true;
    load(bed);
    ASSERT_PROBLEM(bed, "manifests/a.yaml:1: Certificate default/a: cannot be stored: ");
    ASSERT_EQ(look(bed), SECONDS(10));
    ASSERT_EQ(look(bed), SECONDS(20));
    bed->broken_store = false;
    (void)look(bed);
    ASSERT_NO_PROBLEM(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    bed_free(bed);
}

TEST(what_the_store_refuses_is_a_problem_of_its_file)
{
    struct bed *bed = bed_new();

    put(bed, "s.yaml", SECRET("one") "type: Opaque\n");
    load(bed);
    put(bed, "s.yaml", SECRET("one") "type: kubernetes.io/tls\n");
    (void)look(bed);
    ASSERT_PROBLEM(bed, "manifests/s.yaml:1: Secret default/web-tls: cannot be stored: ");
    ASSERT_PROBLEM(bed, "type: cannot be changed");
    bed_free(bed);
}

static char *new_csr(void)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CERT_PEM);
    struct err err = {};

    strlist_add(&names.dns_names, "a.example.com");
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    ASSERT_OK(csr_new(&(struct csr_request){.names = &names}, key, &csr, &err));
    csr_to_pem(csr, &pem);
    return base64_new(buf_str(&pem), pem.len);
}

/* Of a file nobody knows who wrote it, so that nothing may rely on what it says of that. */
TEST(who_asks_is_passed_over_with_a_warning)
{
    static const char *const fields[] = {"username", "uid", "groups", "extra"};
    cleanup(xfree) char *csr = new_csr();
    cleanup(xfree) char *text = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {name: hand}\nspec:\n"
        "  issuerRef: {name: ca}\n  username: root\n  uid: u\n  groups: [system:masters]\n"
        "  extra: {a: [b]}\n  request: %s\n",
        csr);
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};

    parse(text, &objects, &problems);
    ASSERT_EQ(objects.len, 1);
    ASSERT_EQ(problems.len, ARRAY_LEN(fields));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        cleanup(xfree) char *said = problem_text(&problems.items[i]);
        cleanup(xfree) char *wanted = xasprintf(
            "f.yaml:%zu: CertificateRequest default/hand: spec.%s: is passed over", 6 + i,
            fields[i]);

        ASSERT_CONTAINS(said, wanted);
        ASSERT_TRUE(problems.items[i].is_warning);
        ASSERT_FALSE(json_get(json_get(objects.items[0].json, "spec"), fields[i]));
    }
}

static void put_request(struct bed *bed, const char *issuer, const char *csr)
{
    cleanup(xfree) char *text = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\n"
        "metadata: {name: hand}\nspec:\n  issuerRef: {name: %s}\n"
        "  request: %s\n",
        issuer, csr);

    put(bed, "r.yaml", text);
}

TEST(a_request_that_came_with_who_asks_is_the_same_without)
{
    cleanup(xfree) char *csr = new_csr();
    cleanup(json_unref) struct json *with = NULL, *ret = NULL;
    struct bed *bed = bed_new();
    struct err err = {};

    put_request(bed, "ca", csr);
    load(bed);
    with = stored(bed, &kind_certificate_request, "hand");
    json_set_text(json_get(with, "spec"), "username", "alice");
    ASSERT_OK(store_update(bed->store, &bed->ctx, &kind_certificate_request.resource, STORE_OBJECT,
                           "other", with, &ret, &err));
    manifests_free(bed->manifests);
    open_loader(bed);
    load(bed);
    ASSERT_NO_PROBLEM(bed);
    bed_free(bed);
}

/* Else its approval and its certificate would be those of another request. */
TEST(a_request_stays_what_it_was)
{
    cleanup(xfree) char *csr = new_csr(), *other = new_csr();
    struct bed *bed = bed_new();

    put_request(bed, "ca", csr);
    load(bed);
    ASSERT_NO_PROBLEM(bed);
    put_request(bed, "ca", other);
    (void)look(bed);
    ASSERT_PROBLEM(bed, "CertificateRequest default/hand: cannot be stored: ");
    ASSERT_PROBLEM(bed, "spec: may not be changed once it is stored");
    put_request(bed, "self", csr);
    (void)look(bed);
    ASSERT_PROBLEM(bed, "give another request another name");
    put_request(bed, "ca", csr);
    (void)look(bed);
    ASSERT_NO_PROBLEM(bed);
    bed_free(bed);
}

/* --- Secrets and Certificates --- */

static void issue_into_secret(struct bed *bed)
{
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    parse(SECRET("renewed"), &objects, &problems);
    ASSERT_OK(store_apply(bed->store, &bed->ctx, &kind_secret.resource, MANAGER_ISSUING,
                          objects.items[0].json, &ret, &err));
}

static void assert_certificate_in_secret(struct bed *bed, const char *base64)
{
    cleanup(json_unref) struct json *secret = stored(bed, &kind_secret, "web-tls");

    ASSERT_STREQ(json_get_text(json_get(secret, "data"), "tls.crt"), base64);
}

TEST(a_manifest_does_not_bring_back_a_certificate_that_was_renewed)
{
    struct bed *bed = bed_new();

    put(bed, "s.yaml", SECRET("old"));
    load(bed);
    issue_into_secret(bed);
    manifests_free(bed->manifests);
    open_loader(bed);
    load(bed);
    assert_certificate_in_secret(bed, "cmVuZXdlZA==");
    ASSERT_PROBLEM(bed, "Secret default/web-tls: is kept by a Certificate now");
    drop(bed, "s.yaml");
    (void)look(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    assert_certificate_in_secret(bed, "cmVuZXdlZA==");
    ASSERT_PROBLEM(bed, "manifests: there is no file in '");
    bed_free(bed);
}

TEST(a_removed_secret_manifest_leaves_a_secret_that_a_certificate_names)
{
    struct bed *bed = bed_new();

    put(bed, "s.yaml", SECRET("old"));
    put(bed, "c.yaml", CERTIFICATE("web", "web-tls"));
    load(bed);
    drop(bed, "s.yaml");
    (void)look(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    assert_certificate_in_secret(bed, "b2xk");
    bed_free(bed);
}

static void assert_immutable_becomes(bool still, const char *manifest, bool with_restart)
{
    struct bed *bed = bed_new();
    cleanup(json_unref) struct json *secret = NULL;

    put(bed, "s.yaml", SECRET("old") "immutable: true\n");
    put(bed, "c.yaml", CERTIFICATE("web", "web-tls"));
    load(bed);
    if (manifest)
        put(bed, "s.yaml", manifest);
    else
        drop(bed, "s.yaml");
    if (with_restart) {
        manifests_free(bed->manifests);
        open_loader(bed);
        load(bed);
    }
    (void)look(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    secret = stored(bed, &kind_secret, "web-tls");
    ASSERT_EQ(json_get_bool(secret, "immutable", false), still);
    assert_certificate_in_secret(bed, "b2xk");
    bed_free(bed);
}

TEST(a_manifest_takes_back_that_its_secret_is_immutable)
{
    assert_immutable_becomes(false, SECRET("old"), false);
    assert_immutable_becomes(false, SECRET("old"), true);
    assert_immutable_becomes(false, SECRET("old") "immutable: false\n", false);
    assert_immutable_becomes(false, NULL, false);
    assert_immutable_becomes(false, NULL, true);
    assert_immutable_becomes(true, SECRET("new") "immutable: true\n", false);
}

TEST(what_somebody_else_made_immutable_stays_so)
{
    struct bed *bed = bed_new();
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};
    cleanup(json_unref) struct json *ret = NULL, *secret = NULL;
    struct err err = {};

    put(bed, "s.yaml", SECRET("old"));
    load(bed);
    parse(SECRET("old") "immutable: true\n", &objects, &problems);
    ASSERT_OK(store_apply(bed->store, &bed->ctx, &kind_secret.resource, "other",
                          objects.items[0].json, &ret, &err));
    put(bed, "s.yaml", SECRET("old") "type: Opaque\n");
    (void)look(bed);
    secret = stored(bed, &kind_secret, "web-tls");
    ASSERT_TRUE(json_get_bool(secret, "immutable", false));
    bed_free(bed);
}

TEST(a_removed_certificate_leaves_its_secret)
{
    struct bed *bed = bed_new();

    put(bed, "c.yaml", CERTIFICATE("web", "web-tls"));
    load(bed);
    issue_into_secret(bed);
    drop(bed, "c.yaml");
    (void)look(bed);
    fake_clock_advance(&bed->clock, HOURS(1));
    (void)look(bed);
    ASSERT_FALSE(is_stored(bed, "web"));
    assert_certificate_in_secret(bed, "cmVuZXdlZA==");
    bed_free(bed);
}

/* --- the thread --- */

struct running {
    struct bed *bed;
    struct context ctx;
    struct mutex mutex;
    struct cond cond;
    int reports;
};

static void report_running(void *arg, const struct manifest_problems *problems)
{
    struct running *running = arg;

    mutex_lock(&running->mutex);
    running->reports++;
    cond_broadcast(&running->cond);
    mutex_unlock(&running->mutex);
}

static void run(void *arg)
{
    struct running *running = arg;

    manifests_run(running->bed->manifests, &running->ctx);
}

static void wait_for_reports(struct running *running, int count)
{
    mutex_lock(&running->mutex);
    while (running->reports < count && cond_wait_for(&running->cond, &running->mutex, SECONDS(60)))
        continue;
    mutex_unlock(&running->mutex);
    ASSERT_EQ(running->reports, count);
}

TEST(while_it_runs_new_folders_and_renamed_files_are_heard_of)
{
    struct bed *bed = bed_new();
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context background = context_background(clock_system());
    struct running running = {.bed = bed, .ctx = context_with_cancel(&background, cancel)};
    struct manifests_options options = {.folder = bed->folder,
                                        .store = bed->store,
                                        .clock = clock_system(),
                                        .report = report_running,
                                        .report_arg = &running};
    cleanup(xfree) char *outside = xasprintf("%s/outside", bed->dir);
    cleanup(xfree) char *inside = xasprintf("%s/inside", bed->folder);
    struct thread *thread = NULL;
    struct err err = {};

    manifests_free(bed->manifests);
    ASSERT_OK(manifests_new(&options, &bed->manifests, &err));
    mutex_init(&running.mutex);
    cond_init(&running.cond);
    ASSERT_OK(thread_start("manifests", run, &running, &thread, &err));
    wait_for_reports(&running, 1);
    ASSERT_PROBLEM(bed, "that ends in .yaml, .yml or .json");
    put(bed, "../outside/deep/a.yaml", "a: [\n");
    ASSERT_EQ(rename(outside, inside), 0);
    wait_for_reports(&running, 2);
    ASSERT_PROBLEM(bed, "manifests/inside/deep/a.yaml:");
    put(bed, "inside/deep/a.yaml", CERTIFICATE("a", "a-tls")); /* by rename() */
    wait_for_reports(&running, 3);
    ASSERT_NO_PROBLEM(bed);
    ASSERT_TRUE(is_stored(bed, "a"));
    cancel_fire(cancel);
    thread_join(thread);
    cond_deinit(&running.cond);
    mutex_deinit(&running.mutex);
    bed_free(bed);
}

RUN_TESTS(
    cmocka_unit_test(what_is_wrong_is_said_with_file_line_object_and_field),
    cmocka_unit_test(every_document_and_every_item_of_a_list_is_an_object_with_its_line),
    cmocka_unit_test(what_a_server_keeps_in_an_object_is_not_applied),
    cmocka_unit_test(one_bad_object_does_not_take_the_others_of_its_file_with_it),
    cmocka_unit_test(a_file_of_nothing_but_mistakes_makes_a_bounded_list_of_problems),
    cmocka_unit_test(aliases_that_explode_are_refused),
    cmocka_unit_test(an_account_in_the_secret_of_a_certificate_is_told_of),
    cmocka_unit_test(a_certificate_that_would_replace_the_ca_which_signs_it_is_told_of),
    cmocka_unit_test(duplicates_and_shared_secrets_are_found_over_several_files),
    cmocka_unit_test(what_is_in_the_folder_and_below_is_applied),
    cmocka_unit_test(a_changed_file_changes_its_objects_and_an_unchanged_one_writes_nothing),
    cmocka_unit_test(a_broken_file_keeps_the_last_good_version_of_its_objects),
    cmocka_unit_test(an_object_that_is_not_valid_any_more_stays_and_the_others_of_its_file_change),
    cmocka_unit_test(an_object_is_removed_when_no_file_has_held_it_for_two_seconds),
    cmocka_unit_test(an_object_that_moves_to_another_file_is_not_removed),
    cmocka_unit_test(nothing_is_removed_while_something_may_still_hold_it),
    cmocka_unit_test(of_two_files_with_the_same_object_the_first_is_in_force_until_it_is_gone),
    cmocka_unit_test(a_start_removes_what_was_taken_away_meanwhile),
    cmocka_unit_test(a_start_removes_nothing_when_a_file_does_not_parse),
    cmocka_unit_test(objects_of_others_are_never_removed),
    cmocka_unit_test(a_folder_that_goes_away_removes_nothing),
    cmocka_unit_test(symbolic_links_are_followed_and_loops_are_not),
    cmocka_unit_test(folders_too_deep_and_files_that_are_none_are_problems),
    cmocka_unit_test(a_folder_that_may_not_be_read_is_a_problem),
    cmocka_unit_test(a_secret_that_others_may_read_is_applied_with_a_warning),
    cmocka_unit_test(what_has_no_effect_here_is_said_once),
    cmocka_unit_test(problems_are_reported_when_they_change_and_what_is_new_is_marked),
    cmocka_unit_test(a_store_that_fails_is_tried_again_later),
    cmocka_unit_test(what_the_store_refuses_is_a_problem_of_its_file),
    cmocka_unit_test(who_asks_is_passed_over_with_a_warning),
    cmocka_unit_test(a_request_that_came_with_who_asks_is_the_same_without),
    cmocka_unit_test(a_request_stays_what_it_was),
    cmocka_unit_test(a_manifest_does_not_bring_back_a_certificate_that_was_renewed),
    cmocka_unit_test(a_removed_secret_manifest_leaves_a_secret_that_a_certificate_names),
    cmocka_unit_test(a_manifest_takes_back_that_its_secret_is_immutable),
    cmocka_unit_test(what_somebody_else_made_immutable_stays_so),
    cmocka_unit_test(a_removed_certificate_leaves_its_secret),
    cmocka_unit_test(while_it_runs_new_folders_and_renamed_files_are_heard_of));
