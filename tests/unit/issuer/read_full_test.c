/* read_full_test.c - in full what a cache has in part: the same object, or none. */
#include "unit/issuer/bed.h"

static const struct object *order(const char *uid, const char *version)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\": \"acme.cert-manager.io/v1\", \"kind\": \"Order\", \"metadata\": {\"name\": "
        "\"o\", \"namespace\": \"a\", \"uid\": \"%s\", \"resourceVersion\": \"%s\"}, \"spec\": "
        "{\"request\": \"YQ==\", \"issuerRef\": {\"name\": \"acme\"}}}",
        uid, version);
    cleanup(json_unref) struct json *value = NULL;
    const struct object *object = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &value, &err));
    ASSERT_OK(object_decode(&kind_order, value, NULL, &object, &err));
    return object;
}

static int read_one(struct bed *bed, const char *uid, const char *version, struct err *err)
{
    cleanup(object_unref) const struct object *cached = order(uid, version), *found = NULL;
    int r = issuers_read_full(&bed->issuers, &bed->ctx, cached, &found, err);

    ASSERT_EQ(r == 0, found != NULL);
    if (found)
        ASSERT_EQ(((const struct order *)found)->spec.request.len, 1);
    return r;
}

static void store(struct bed *bed, const char *uid, const char *version)
{
    cleanup(object_unref) const struct object *stored = order(uid, version);

    json_set(bed->objects, "Order/a/o", object_encode(stored));
}

TEST(another_one_of_its_name_is_not_taken_for_it)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    store(&bed, "u", "2");
    ASSERT_OK(read_one(&bed, "u", "1", &err)); /* the cache is behind */
    ASSERT_ERR(ERR_NOT_FOUND, read_one(&bed, "before", "1", &err));
    ASSERT_CONTAINS(err.text, "another one has its name");
    bed.objects = (json_unref(bed.objects), json_new_map());
    ASSERT_ERR(ERR_NOT_FOUND, read_one(&bed, "u", "1", &err));
    ASSERT_EQ(bed.reads, 3);
}

TEST(what_was_just_written_is_not_read)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(object_unref) const struct object *written = order("u", "2");
    cleanup(json_unref) struct json *value = object_encode(written);
    struct err err = {};

    bed_init(&bed);
    written_note(bed.issuers.written, &kind_order.resource, value);
    ASSERT_OK(read_one(&bed, "u", "2", &err));
    ASSERT_EQ(bed.reads, 0);
    store(&bed, "u", "3");
    ASSERT_OK(read_one(&bed, "u", "3", &err)); /* somebody else wrote it */
    ASSERT_EQ(bed.reads, 1);
}

RUN_TESTS(cmocka_unit_test(another_one_of_its_name_is_not_taken_for_it),
          cmocka_unit_test(what_was_just_written_is_not_read));
