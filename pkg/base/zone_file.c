/* zone_file.c - TZif files (RFC 9636), version 2 and later: their second block, in 64 bit, and the footer. */
#include <string.h>

#include "base/str.h"
#include "base/zone_inside.h"

enum {
    HEADER_SIZE = 44,
    TYPE_SIZE = 6,
    CHANGES_MAX = 4096, /* the most that any zone has is 300 */
    TYPES_MAX = 256,
    OFFSET_MAX_S = 26 * 3600, /* RFC 9636 3.2 */
    FOOTER_MAX = 256,
};

struct reader {
    const unsigned char *p;
    size_t left;
};

/* NULL: the file ends sooner. */
static const unsigned char *reader_skip(struct reader *reader, uint64_t size)
{
    const unsigned char *from = reader->p;

    if (size > reader->left)
        return NULL;
    reader->p += size;
    reader->left -= size;
    return from;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct header { /* how many of each */
    unsigned char version;
    uint32_t ut_marks, standard_marks, leap_seconds, changes, types, name_bytes;
};

static bool read_header(struct reader *reader, struct header *ret)
{
    const unsigned char *p = reader_skip(reader, HEADER_SIZE);

    if (!p || memcmp(p, "TZif", 4) != 0)
        return false;
    *ret = (struct header){p[4],         be32(p + 20), be32(p + 24), be32(p + 28),
                           be32(p + 32), be32(p + 36), be32(p + 40)};
    return true;
}

static uint64_t block_size(const struct header *header, unsigned time_size)
{
    return (uint64_t)header->changes * (time_size + 1) + (uint64_t)header->types * TYPE_SIZE +
           header->name_bytes + (uint64_t)header->leap_seconds * (time_size + 4) +
           header->standard_marks + header->ut_marks;
}

struct block { /* of the file */
    struct header header;
    const unsigned char *times, *kinds, *types;
};

static const char *read_block(struct reader *reader, struct block *ret)
{
    struct header first;
    const unsigned char *p;

    if (!read_header(reader, &first))
        return "it does not begin as one";
    if (first.version < '2')
        return "it is of version 1";
    if (!reader_skip(reader, block_size(&first, 4)) || !read_header(reader, &ret->header))
        return "it ends too soon";
    if (ret->header.changes > CHANGES_MAX || ret->header.types == 0 ||
        ret->header.types > TYPES_MAX)
        return "it has too much of something";
    if (ret->header.leap_seconds > 0)
        return "it counts leap seconds";
    p = reader_skip(reader, block_size(&ret->header, 8));
    if (!p)
        return "it ends too soon";
    ret->times = p;
    ret->kinds = p + (size_t)ret->header.changes * 8;
    ret->types = ret->kinds + ret->header.changes;
    return NULL;
}

static bool read_offset(const struct block *block, unsigned type, int *ret)
{
    int32_t offset;

    if (type >= block->header.types)
        return false;
    offset = (int32_t)be32(block->types + (size_t)type * TYPE_SIZE);
    *ret = offset;
    return offset >= -OFFSET_MAX_S && offset <= OFFSET_MAX_S;
}

/* Changes of the name alone are left out; not the last, behind which the rule begins. */
static const char *read_changes(const struct block *block, struct zone *zone)
{
    size_t count = block->header.changes;
    int64_t before_s = INT64_MIN;

    zone->at_s = xcalloc(count + 1, sizeof(*zone->at_s));
    zone->offset_s = xcalloc(count + 1, sizeof(*zone->offset_s));
    if (!read_offset(block, 0, &zone->offset_s[0]))
        return "an offset is out of range";
    for (size_t i = 0; i < count; i++) {
        int64_t at_s = be64(block->times + i * 8);
        int offset_s;

        if (at_s <= before_s)
            return "its times are not in order";
        before_s = at_s;
        if (!read_offset(block, block->kinds[i], &offset_s))
            return "an offset is out of range";
        if (offset_s == zone->offset_s[zone->count] && i + 1 < count)
            continue;
        zone->at_s[zone->count] = at_s;
        zone->offset_s[++zone->count] = offset_s;
    }
    return NULL;
}

/* "\n<rule>\n"; without a rule what came last holds on. */
static int read_footer(struct reader *reader, struct zone *zone, struct err *err)
{
    char text[FOOTER_MAX + 1];
    const char *begin = (const char *)reader->p;
    const char *end = reader->left > 1 ? memchr(begin + 1, '\n', reader->left - 1) : NULL;
    size_t len;

    if (!end || begin[0] != '\n')
        return err_set(err, ERR_INVALID, "it has no footer");
    len = (size_t)(end - begin - 1);
    if (len > FOOTER_MAX || memchr(begin + 1, '\0', len))
        return err_set(err, ERR_INVALID, "its footer is too long");
    if (len == 0)
        return 0;
    memcpy(text, begin + 1, len);
    text[len] = '\0';
    zone->has_rule = true;
    return zone_rule_parse(text, &zone->rule, err);
}

int zone_parse(const void *data, size_t len, struct zone **ret, struct err *err)
{
    cleanup(zone_free) struct zone *zone = xalloc(sizeof(*zone));
    struct reader reader = {data, len};
    struct block block = {};
    const char *problem = read_block(&reader, &block);
    int r;

    if (!problem)
        problem = read_changes(&block, zone);
    if (problem)
        return err_set(err, ERR_INVALID, "%s", problem);
    r = read_footer(&reader, zone, err);
    if (r == 0)
        *ret = take(zone);
    return r;
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    xfree(zone->at_s);
    xfree(zone->offset_s);
    xfree(zone);
}
