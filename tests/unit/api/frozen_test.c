/*
 * What was frozen and thawed is what it was. Besides the manifests, objects of every kind are made up
 * from the tables: each member there or not, texts and lists of any length.
 */
#include "api/frozen.h"

#include "api/secret.h"
#include "api_testing.h"
#include "manifests.h"
#include "support/left_behind.h"

enum { ROUNDS = 60, DEEP = 6 };

/* --- objects out of nothing --- */

struct maker {
    uint64_t state;
    struct arena *arena;
};

/* The same numbers in every run: xorshift64. */
static uint64_t any_number(struct maker *m)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return m->state;
}

static unsigned below(struct maker *m, unsigned limit)
{
    return (unsigned)(any_number(m) >> 33) % limit;
}

/* Zero, small, of some bytes, negative, or all bits. */
static int64_t any_int(struct maker *m)
{
    return below(m, 3) == 0 ? 0 : (int64_t)any_number(m) >> below(m, 64);
}

static const char *any_text(struct maker *m)
{
    static const char *const some[] = {NULL,
                                       "",
                                       "Ready",
                                       "default",
                                       "tls.crt",
                                       "name",
                                       "ame",
                                       "Issuer ",
                                       "example.com",
                                       "0b7e11aa-0000-4000-8000-000000000001",
                                       "0B7E11AA-0000-4000-8000-000000000001",
                                       "0b7e11aa-0000-4000-8000-00000000000g",
                                       "0b7e11aa00000-4000-8000-000000000001"};
    unsigned i = below(m, ARRAY_LEN(some) + 3);

    if (i < ARRAY_LEN(some))
        return some[i];
    return arena_printf(m->arena, "%0*d", (int)below(m, 300) + 1, (int)below(m, 100));
}

static struct json *any_json(struct maker *m)
{
    struct json *value = json_new_map();

    json_set_text(value, "text", any_text(m));
    json_set(value, "real", json_new_real(1.0 / (1 + below(m, 1000))));
    json_set_int(value, "int", any_int(m));
    json_set(value, "list", json_new_list());
    arena_on_free(m->arena, (void (*)(void *))json_unref, value);
    return value;
}

static void make_up(struct maker *m, const struct fields *fields, char *self, int depth);

static void *any_list(struct maker *m, const struct fields *of, size_t len, int depth)
{
    char *items = arena_alloc(m->arena, len * of->size);

    for (size_t i = 0; i < len; i++)
        make_up(m, of, items + i * of->size, depth - 1);
    return items;
}

static void make_up_array(struct maker *m, const struct field *row, void *member, int depth)
{
    struct array_string *array = member; /* all arrays look like this */
    size_t len = below(m, 4);

    array->len = len;
    array->items = arena_alloc(m->arena, len * sizeof(struct pair));
    for (size_t i = 0; i < len && row->type == FIELD_STRINGS; i++)
        array->items[i] = any_text(m);
    for (size_t i = 0; i < 2 * len && row->type == FIELD_MAP; i++)
        array->items[i] = str_or(any_text(m), "");
    for (size_t i = 0; i < len && row->type == FIELD_ENUMS; i++)
        ((int *)array->items)[i] = (int)i + 1;
    for (size_t i = 0; i < len && row->type == FIELD_BYTES; i++)
        ((char *)array->items)[i] = (char)any_number(m);
    if (row->type == FIELD_LIST)
        array->items = any_list(m, row->of, len, depth);
}

static void make_up_member(struct maker *m, const struct field *row, void *member, int depth)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        *(const char **)member = any_text(m);
        break;
    case FIELD_BOOL:
        *(bool *)member = below(m, 2);
        break;
    case FIELD_OPT_BOOL:
        *(struct opt_bool *)member = (struct opt_bool){below(m, 2), below(m, 2)};
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_MICROTIME:
        *(int64_t *)member = any_int(m);
        break;
    case FIELD_OPT_INT:
        *(struct opt_int *)member = (struct opt_int){below(m, 2), any_int(m)};
        break;
    case FIELD_DURATION:
        *(struct opt_duration *)member = (struct opt_duration){below(m, 2), any_int(m),
                                                               any_text(m)};
        break;
    case FIELD_ENUM:
        *(int *)member = (int)below(m, 5);
        break;
    case FIELD_INLINE:
        make_up(m, row->of, member, depth);
        break;
    case FIELD_OBJECT:
        if (depth > 0 && below(m, 2))
            *(void **)member = any_list(m, row->of, 1, depth);
        break;
    case FIELD_RAW:
        *(struct json **)member = below(m, 2) ? any_json(m) : NULL;
        break;
    default:
        if (depth > 0)
            make_up_array(m, row, member, depth);
        break;
    }
}

static void make_up(struct maker *m, const struct fields *fields, char *self, int depth)
{
    for (size_t i = 0; i < fields->count; i++)
        make_up_member(m, &fields->rows[i], self + fields->rows[i].offset, depth);
}

/* --- there and back --- */

static void assert_survives(const struct frozen_form *form, const void *self, struct bytes known)
{
    cleanup(arena_free) struct arena *arena = NULL;
    cleanup(json_unref) struct json *before = fields_encode(form->fields, self);
    cleanup(json_unref) struct json *after = NULL;
    cleanup(xfree) char *before_text = json_text(before);
    cleanup(xfree) char *after_text = NULL;
    struct buf frozen = BUF(SIZE_MAX);
    void *thawed;

    freeze(form, self, known, &frozen);
    thawed = thaw(form, frozen.data, known, &arena);
    buf_deinit(&frozen); /* what was thawed does not need it */
    after = fields_encode(form->fields, thawed);
    after_text = json_text(after);
    ASSERT_STREQ(after_text, before_text);
}

TEST(any_object_of_every_kind_is_the_same_when_thawed)
{
    static const char names[] = "default\0name";

    for (size_t k = 0; kinds[k]; k++) {
        struct frozen_form form = {.fields = kinds[k]->fields, .secret = kinds[k]->is_secret};

        for (unsigned round = 0; round < ROUNDS; round++) {
            cleanup(arena_free) struct arena *arena = arena_new(0);
            struct maker maker = {.state = 88172645463325252U + round, .arena = arena};
            char *self = any_list(&maker, form.fields, 1, DEEP);

            assert_survives(&form, self, (struct bytes){});
            assert_survives(&form, self, bytes_of(names, sizeof(names)));
        }
    }
}

TEST(nothing_at_all_is_the_same_when_thawed)
{
    for (size_t k = 0; kinds[k]; k++) {
        struct frozen_form form = {.fields = kinds[k]->fields};
        cleanup(arena_free) struct arena *arena = arena_new(0);

        assert_survives(&form, arena_alloc(arena, form.fields->size), (struct bytes){});
    }
}

static struct object_form form_of(const struct object *object)
{
    return (struct object_form){.kind = object->kind, .fields = object->kind->fields};
}

static void assert_manifest_survives(const char *text)
{
    cleanup(object_unref) const struct object *object = decode_yaml(text, NULL);
    cleanup(object_unref) const struct object *thawed = NULL;
    cleanup(buf_deinit) struct buf frozen = BUF(SIZE_MAX);
    cleanup(json_unref) struct json *before = object_encode(object);
    cleanup(json_unref) struct json *after = NULL;
    struct object_form form = form_of(object);

    object_freeze(&form, object, (struct bytes){}, &frozen);
    thawed = object_thaw(&form, frozen.data, (struct bytes){});
    after = object_encode(thawed);
    ASSERT_TRUE(json_same(before, after));
    ASSERT_PTREQ(thawed->kind, object->kind);
}

TEST(every_manifest_is_the_same_when_thawed)
{
    static const char *const texts[] = {manifest_certificate,
                                        manifest_certificate_other_choices,
                                        manifest_certificate_request,
                                        manifest_issuer_acme,
                                        manifest_cluster_issuer_acme,
                                        manifest_issuer_ca,
                                        manifest_issuer_vault,
                                        manifest_issuer_venafi_tpp,
                                        manifest_order,
                                        manifest_challenge,
                                        manifest_secret};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_manifest_survives(texts[i]);
}

TEST(a_usual_certificate_takes_a_quarter_while_frozen)
{
    cleanup(object_unref) const struct object *object = decode_yaml(
        "apiVersion: cert-manager.io/v1\n"
        "kind: Certificate\n"
        "metadata: {name: web-1, namespace: team-1, resourceVersion: \"4711\", generation: 1,\n"
        "  uid: 0b7e11aa-0000-4000-8000-000000000001, creationTimestamp: \"2026-01-01T00:00:00Z\"}\n"
        "spec: {secretName: web-1-tls, dnsNames: [web-1.example.com], issuerRef: {name: acme}}\n"
        "status:\n"
        "  conditions:\n"
        "  - {type: Ready, status: \"True\", reason: Ready, observedGeneration: 1,\n"
        "     lastTransitionTime: \"2026-01-01T00:00:10Z\",\n"
        "     message: Certificate is up to date and has not expired}\n"
        "  notBefore: \"2026-01-01T00:00:00Z\"\n"
        "  notAfter: \"2026-04-01T00:00:00Z\"\n"
        "  renewalTime: \"2026-03-01T00:00:00Z\"\n"
        "  revision: 1\n",
        NULL);
    struct object_form form = form_of(object);
    cleanup(buf_deinit) struct buf frozen = BUF(SIZE_MAX);
    size_t before = arena_size(object->arena);

    object_freeze(&form, object, (struct bytes){}, &frozen);
    print_message("a Certificate: %zu bytes, frozen %zu\n", before, frozen.len);
    ASSERT_TRUE(frozen.len * 4 <= before);
}

TEST(texts_that_are_known_anyway_are_not_kept_again)
{
    static const char names[] = "default\0web";
    cleanup(object_unref) const struct object *object = decode_yaml(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
        "metadata: {name: web, labels: {web: eb}}\n",
        NULL);
    struct object_form form = form_of(object);
    struct bytes known = bytes_of(names, sizeof(names));
    cleanup(buf_deinit) struct buf frozen = BUF(SIZE_MAX);
    cleanup(object_unref) const struct object *thawed = NULL;

    object_freeze(&form, object, known, &frozen);
    ASSERT_NULL(memmem(frozen.data, frozen.len, "web", 4));
    thawed = object_thaw(&form, frozen.data, known);
    ASSERT_STREQ(thawed->metadata.name, "web");
    ASSERT_STREQ(object_label(thawed, "web"), "eb");
}

/* Not in the tables: hashes and dates stand in the struct itself. */
TEST(members_beside_the_tables_are_the_same_when_thawed)
{
    cleanup(json_unref) struct json *value = read_yaml(manifest_secret);
    cleanup(buf_deinit) struct buf frozen = BUF(SIZE_MAX);
    const struct secret_facts *facts, *thawed;
    struct err err = {};
    size_t from = offsetof(struct secret_facts, has_data);
    size_t to = offsetof(struct secret_facts, ari_id);

    ASSERT_OK(secret_facts_decode(value, &facts, &err));
    object_freeze(&secret_facts_form, &facts->object, (struct bytes){}, &frozen);
    thawed = (const struct secret_facts *)object_thaw(&secret_facts_form, frozen.data,
                                                      (struct bytes){});
    ASSERT_EQ(memcmp((const char *)facts + from, (const char *)thawed + from, to - from), 0);
    ASSERT_EQ(thawed->keys.len, facts->keys.len);
    object_unref(&facts->object);
    object_unref(&thawed->object);
}

/* Tokens of some DNS providers are uuids, which are frozen in a form of their own. */
TEST(a_secret_that_is_a_uuid_is_left_nowhere)
{
    static const unsigned char bytes[] = {0x0b, 0xad, 0xca, 0xfe};
    cleanup(json_unref) struct json *value = read_yaml(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\n"
        "stringData: {token: 0badcafe-0000-4000-8000-000000000001}\n");
    const struct object *object;
    struct err err = {};

    left_behind_look_for(bytes, sizeof(bytes));
    ASSERT_OK(object_decode(&kind_secret, value, NULL, &object, &err));
    ASSERT_EQ(left_behind_count(), 0);
    left_behind_look_for("0badcafe", 8);
    object_unref(object);
    ASSERT_EQ(left_behind_count(), 0);
}

/* --- words: runs of zeros, repetitions, and blocks that end within a word --- */

struct words {
    struct bytes bytes;
    struct array_int numbers;
    const char *text;
    char last[5]; /* of no table */
};

static const struct field words_rows[] = {
    FIELD(struct words, bytes, "bytes", BYTES),
    FIELD(struct words, numbers, "numbers", ENUMS),
    FIELD(struct words, text, "text", STRING),
};
static DEFINE_FIELDS(words, "words", words_rows, NULL);

/* Sizes around all borders: of a word, of fifteen zeros, of 64 KB. */
static size_t any_size(struct maker *m)
{
    static const unsigned limits[] = {1, 9, 40, 300, 70000};

    return below(m, limits[below(m, ARRAY_LEN(limits))]);
}

static void fill_any(struct maker *m, unsigned char *to, size_t size)
{
    for (size_t at = 0, len; at < size; at += len) {
        unsigned how = below(m, 4);

        len = below(m, 200) + 1;
        len = len < size - at ? len : size - at;
        for (size_t i = at; i < at + len && how > 0; i++)
            to[i] = how == 1 && i >= 32 ? to[i - 32] : (unsigned char)any_number(m);
    }
}

static void any_words(struct maker *m, struct words *words)
{
    size_t bytes = any_size(m), numbers = any_size(m), text = any_size(m);

    words->bytes = bytes_of(arena_alloc(m->arena, bytes), bytes);
    fill_any(m, (unsigned char *)words->bytes.data, bytes);
    words->numbers.items = arena_alloc(m->arena, numbers * sizeof(int));
    words->numbers.len = numbers;
    fill_any(m, (unsigned char *)words->numbers.items, numbers * sizeof(int));
    words->text = arena_printf(m->arena, "%0*u", (int)text + 1, below(m, 2));
    fill_any(m, (unsigned char *)words->last, sizeof(words->last));
}

/* In a block of exactly its size, so that the checker sees a byte too many being read. */
static const struct words *frozen_and_thawed(const struct words *words, struct arena **ret_arena)
{
    static const struct frozen_form form = {.fields = &words_fields};
    cleanup(buf_deinit) struct buf frozen = BUF(SIZE_MAX);
    cleanup(xfree) void *exact = NULL;

    freeze(&form, words, (struct bytes){}, &frozen);
    exact = xmemdup(frozen.data, frozen.len);
    return thaw(&form, exact, (struct bytes){}, ret_arena);
}

TEST(any_words_are_the_same_when_thawed)
{
    for (unsigned round = 0; round < 300; round++) {
        cleanup(arena_free) struct arena *arena = arena_new(0), *thawed_arena = NULL;
        struct maker maker = {.state = 88172645463325252U + round, .arena = arena};
        struct words words = {};
        const struct words *thawed;

        any_words(&maker, &words);
        thawed = frozen_and_thawed(&words, &thawed_arena);
        ASSERT_MEMEQ(thawed->bytes.data, thawed->bytes.len, words.bytes.data, words.bytes.len);
        ASSERT_MEMEQ(thawed->numbers.items, thawed->numbers.len * sizeof(int), words.numbers.items,
                     words.numbers.len * sizeof(int));
        ASSERT_STREQ(thawed->text, words.text);
        ASSERT_MEMEQ(thawed->last, sizeof(words.last), words.last, sizeof(words.last));
    }
}

RUN_TESTS(cmocka_unit_test(any_words_are_the_same_when_thawed),
          cmocka_unit_test(a_secret_that_is_a_uuid_is_left_nowhere),
          cmocka_unit_test(any_object_of_every_kind_is_the_same_when_thawed),
          cmocka_unit_test(nothing_at_all_is_the_same_when_thawed),
          cmocka_unit_test(every_manifest_is_the_same_when_thawed),
          cmocka_unit_test(a_usual_certificate_takes_a_quarter_while_frozen),
          cmocka_unit_test(texts_that_are_known_anyway_are_not_kept_again),
          cmocka_unit_test(members_beside_the_tables_are_the_same_when_thawed));
