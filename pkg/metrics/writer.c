/*
 * Ten thousand Certificates are 70,000 series: they lie one behind the other in their section, and a
 * section goes when it is printed.
 */
#include "metrics/writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"
#include "metrics/text.h"

enum { SECTION_MAX = INT32_MAX };

struct part { /* of a section's text */
    uint32_t at, len;
};

struct line {
    struct part labels, text; /* the labels may be a part of the text */
};

struct section { /* one family's */
    const struct metric_family *family;
    struct buf text;
    struct line *lines;
    size_t len, room;
};

struct metrics_writer {
    struct map *sections; /* by name of family */
};

static void section_empty(struct section *section)
{
    buf_deinit(&section->text);
    xfree(section->lines);
    section->lines = NULL;
    section->len = section->room = 0;
}

static void section_free(void *section)
{
    section_empty(section);
    xfree(section);
}

struct metrics_writer *writer_new(void)
{
    struct metrics_writer *writer = xalloc(sizeof(*writer));

    writer->sections = map_new(section_free);
    return writer;
}

void writer_free(struct metrics_writer *writer)
{
    if (!writer)
        return;
    map_free(writer->sections);
    xfree(writer);
}

static struct section *section_for(struct metrics_writer *writer,
                                   const struct metric_family *family)
{
    struct section *section = map_get(writer->sections, family->name);

    if (section)
        return section;
    section = xalloc(sizeof(*section));
    section->family = family;
    section->text = BUF(SECTION_MAX);
    map_set(writer->sections, family->name, section);
    return section;
}

void metrics_write_head(struct metrics_writer *writer, const struct metric_family *family)
{
    (void)section_for(writer, family); /* now it is there */
}

static void add_series(struct section *section, struct part labels, struct part text)
{
    if (section->text.failed)
        return; /* the answer would be too large anyway */
    if (section->len == section->room) {
        section->room = section->room ? section->room * 2 : 8;
        section->lines = xrealloc(section->lines, section->room * sizeof(*section->lines));
    }
    section->lines[section->len++] = (struct line){.labels = labels, .text = text};
}

static struct part part_of(size_t at, size_t len)
{
    return (struct part){.at = (uint32_t)at, .len = (uint32_t)len};
}

void writer_add(struct metrics_writer *writer, const struct metric_family *family,
                const char *labels, const char *text)
{
    struct section *section = section_for(writer, family);
    struct part labels_part = part_of(section->text.len, strlen(labels));
    struct part text_part = part_of(section->text.len + labels_part.len, strlen(text));

    buf_add_str(&section->text, labels);
    buf_add_str(&section->text, text);
    add_series(section, labels_part, text_part);
}

char *labels_text(const struct metric_family *family, const char *const *values)
{
    cleanup(buf_deinit) struct buf text = BUF(LABELS_TEXT_MAX);

    for (size_t i = 0; i < METRIC_LABELS_MAX && family->labels[i]; i++)
        text_add_label(&text, family->labels[i], str_or(values[i], ""));
    return xstrdup(buf_str(&text));
}

void add_line(struct buf *to, const char *name, const char *suffix, const char *labels,
              const char *more, double value)
{
    bool both = *labels && more;

    buf_add_str(to, name);
    buf_add_str(to, suffix ? suffix : "");
    if (*labels || more)
        buf_addf(to, "{%s%s%s}", labels, both ? "," : "", more ? more : "");
    buf_add_char(to, ' ');
    text_add_number(to, value);
    buf_add_char(to, '\n');
}

void add_histogram(struct buf *to, const struct metric_family *family, const char *labels,
                   const uint64_t *in_bucket, uint64_t count, double sum)
{
    uint64_t below = 0;

    for (size_t i = 0; family->buckets && family->buckets[i] != 0; i++) {
        cleanup(buf_deinit) struct buf le = BUF(64);

        below += in_bucket[i];
        buf_add_str(&le, "le=\"");
        text_add_number(&le, family->buckets[i]);
        buf_add_char(&le, '"');
        add_line(to, family->name, "_bucket", labels, buf_str(&le), (double)below);
    }
    add_line(to, family->name, "_bucket", labels, "le=\"+Inf\"", (double)count);
    add_line(to, family->name, "_sum", labels, NULL, sum);
    add_line(to, family->name, "_count", labels, NULL, (double)count);
}

void metrics_write(struct metrics_writer *writer, const struct metric_family *family,
                   const char *const *values, double v)
{
    struct section *section = section_for(writer, family);
    cleanup(xfree) char *labels = labels_text(family, values);
    size_t at = section->text.len;

    add_line(&section->text, family->name, NULL, labels, NULL, v);
    add_series(section, part_of(at + strlen(family->name) + 1, strlen(labels)),
               part_of(at, section->text.len - at));
}

static int compare_lines(const void *a, const void *b, void *arg)
{
    const struct part *left = &((const struct line *)a)->labels;
    const struct part *right = &((const struct line *)b)->labels;
    const char *text = arg;
    uint32_t len = left->len < right->len ? left->len : right->len;
    int order = memcmp(text + left->at, text + right->at, len);

    return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

static int compare_sections(const void *a, const void *b)
{
    const struct section *const *left = a, *const *right = b;

    return strcmp((*left)->family->name, (*right)->family->name);
}

static void print_section(struct section *section, struct buf *to)
{
    static const char *const types[] = {[METRIC_COUNTER] = "counter",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_HISTOGRAM] = "histogram",
                                        [METRIC_SUMMARY] = "summary"};
    const struct metric_family *family = section->family;

    if (!str_empty(family->help)) {
        buf_addf(to, "# HELP %s ", family->name);
        text_add_help(to, family->help);
        buf_add_char(to, '\n');
    }
    buf_addf(to, "# TYPE %s %s\n", family->name, types[family->type]);
    if (section->len > 1)
        qsort_r(section->lines, section->len, sizeof(*section->lines), compare_lines,
                section->text.data);
    for (size_t i = 0; i < section->len; i++)
        buf_add(to, section->text.data + section->lines[i].text.at, section->lines[i].text.len);
}

void writer_print(struct metrics_writer *writer, struct buf *to)
{
    cleanup(xfree) struct section **sorted = xcalloc(map_len(writer->sections) + 1,
                                                     sizeof(*sorted));
    size_t len = 0;

    map_for_each (entry, writer->sections)
        sorted[len++] = map_entry_value(entry);
    if (len > 1)
        qsort(sorted, len, sizeof(*sorted), compare_sections);
    for (size_t i = 0; i < len; i++) {
        print_section(sorted[i], to);
        section_empty(sorted[i]);
    }
}
