/*
 * sample.h - a struct with every field type and flag, for the tests and the fuzzer of json/.
 */
#ifndef UNIT_JSON_SAMPLE_H
#define UNIT_JSON_SAMPLE_H

#include "json/field.h"

enum colour { COLOUR_RED = 1, COLOUR_DARK_BLUE };
static const char *const colour_texts[] = {NULL, "Red", "DarkBlue"};
static const struct enum_names colour_names = {colour_texts, ARRAY_LEN(colour_texts)};

struct sample_ref {
    const char *name, *kind;
};
static const struct field sample_ref_rows[] = {
    FIELD(struct sample_ref, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct sample_ref, kind, "kind", STRING),
};
static DEFINE_FIELDS(sample_ref, "reference", sample_ref_rows, NULL);

struct sample_condition {
    const char *type, *status;
    int64_t port;
};
static const struct field sample_condition_rows[] = {
    FIELD(struct sample_condition, type, "type", STRING, .flags = F_REQUIRED),
    FIELD(struct sample_condition, port, "port", INT),
    FIELD(struct sample_condition, status, "status", STRING),
};
static DEFINE_FIELDS(sample_condition, "condition", sample_condition_rows, NULL);

struct sample {
    const char *text, *password, *memory, *fixed;
    bool on;
    struct opt_bool maybe;
    int64_t count;
    struct opt_int limit;
    struct opt_duration duration;
    int64_t since, since_micro;
    struct bytes der;
    int colour;
    struct sample_ref place;
    struct sample_ref *ref, *other_ref;
    struct array_string names;
    struct array_int colours;
    ARRAY_OF(struct sample_condition) conditions;
    ARRAY_OF(struct sample_condition) pairs;
    ARRAY_OF(struct sample_ref) plain;
    struct array_pair labels;
    struct json *config;
    const char *one, *two, *left, *right, *later, *ignored;
};

static int64_t sample_struct_checks; /* how often the struct's own check ran */

static inline void sample_check(const void *self, const char *path, struct field_report *report)
{
    const struct sample *sample = self;

    sample_struct_checks++;
    if (streq(sample->text, "forbidden"))
        field_report_add(report, PROBLEM_INVALID, path, "text is forbidden");
}

static inline void sample_check_text(const void *member, const char *path,
                                     struct field_report *report)
{
    if (streq(*(const char *const *)member, "bad"))
        field_report_add(report, PROBLEM_INVALID, path, "must not be bad");
}

static const struct field sample_rows[] = {
    FIELD(struct sample, text, "text", STRING, .max = 20, .check = sample_check_text),
    FIELD(struct sample, password, "password", SECRET, .min = 3),
    FIELD(struct sample, memory, "memory", QUANTITY),
    FIELD(struct sample, fixed, "fixed", STRING, .flags = F_IMMUTABLE),
    FIELD(struct sample, on, "on", BOOL),
    FIELD(struct sample, maybe, "maybe", OPT_BOOL),
    FIELD(struct sample, count, "count", INT, .min = 0, .max = 100),
    FIELD(struct sample, limit, "limit", OPT_INT, .min = 1, .max = 10),
    FIELD(struct sample, duration, "duration", DURATION),
    FIELD(struct sample, since, "since", TIME),
    FIELD(struct sample, since_micro, "sinceMicro", MICROTIME),
    FIELD(struct sample, der, "der", BYTES),
    FIELD(struct sample, colour, "colour", ENUM, .names = &colour_names),
    FIELD(struct sample, place, "place", INLINE, .of = &sample_ref_fields),
    FIELD(struct sample, ref, "ref", OBJECT, .of = &sample_ref_fields),
    FIELD(struct sample, other_ref, "otherRef", OBJECT, .of = &sample_ref_fields,
          .flags = F_IMMUTABLE),
    FIELD(struct sample, names, "dnsNames", STRINGS),
    FIELD(struct sample, colours, "colours", ENUMS, .names = &colour_names),
    FIELD(struct sample, conditions, "conditions", LIST, .of = &sample_condition_fields,
          .key = "type"),
    FIELD(struct sample, pairs, "pairs", LIST, .of = &sample_condition_fields, .key = "type",
          .key2 = "port"),
    FIELD(struct sample, plain, "plain", LIST, .of = &sample_ref_fields),
    FIELD(struct sample, labels, "labels", MAP),
    FIELD(struct sample, config, "config", RAW),
    FIELD(struct sample, one, "one", STRING, .flags = F_AT_MOST_ONE(1)),
    FIELD(struct sample, two, "two", STRING, .flags = F_AT_MOST_ONE(1)),
    FIELD(struct sample, left, "left", STRING, .flags = F_AT_MOST_ONE(2)),
    FIELD(struct sample, right, "right", STRING, .flags = F_AT_MOST_ONE(2)),
    FIELD(struct sample, later, "later", STRING, .flags = F_UNBUILT),
    FIELD(struct sample, ignored, "ignored", STRING, .flags = F_NO_EFFECT),
};
static DEFINE_FIELDS(sample, "sample", sample_rows, sample_check);

/* Every member that can be there at once, written as it is written back. */
#define SAMPLE_FULL                                                                                \
    "{\"text\":\"hello\",\"password\":\"geheim\",\"memory\":\"64Mi\",\"fixed\":\"f\",\"on\":true," \
    "\"maybe\":false,\"count\":7,\"limit\":3,\"duration\":\"2160h0m0s\","                          \
    "\"since\":\"2026-01-02T03:04:05Z\",\"sinceMicro\":\"2026-01-02T03:04:05.678000Z\","           \
    "\"der\":\"AAEC\",\"colour\":\"DarkBlue\",\"place\":{\"name\":\"here\"},"                      \
    "\"ref\":{\"name\":\"r\",\"kind\":\"Issuer\"},\"otherRef\":{\"name\":\"o\"},"                  \
    "\"dnsNames\":[\"a\",\"b\"],\"colours\":[\"Red\",\"DarkBlue\"],"                               \
    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"Issuing\"}],"            \
    "\"pairs\":[{\"type\":\"tcp\",\"port\":1},{\"type\":\"tcp\",\"port\":2}],"                     \
    "\"plain\":[{\"name\":\"x\"}],\"labels\":{\"a\":\"1\",\"b\":\"\"},"                            \
    "\"config\":{\"z\":[1,null]},\"one\":\"1\",\"right\":\"r\"}"

#endif
