/* One CSV record, byte for byte as Go's encoding/csv writes it and read with its strict rules,
 * because cert-manager's annotations are written that way. */
#include <string.h>

#include "base/str.h"

/* Go also quotes a field that is \. alone, which PostgreSQL would take for the end of data. */
static bool needs_quotes(const char *field)
{
    if (!*field)
        return false;
    return streq(field, "\\.") || field[0] == ' ' || field[0] == '\t' || strpbrk(field, ",\"\r\n");
}

static void add_quoted(struct buf *line, const char *field)
{
    buf_add_char(line, '"');
    for (; *field; field++) {
        if (*field == '"')
            buf_add_char(line, '"');
        buf_add_char(line, *field);
    }
    buf_add_char(line, '"');
}

char *csv_line(const struct strlist *list)
{
    cleanup(buf_deinit) struct buf line = BUF(SIZE_MAX / 2);

    for (size_t i = 0; i < list->len; i++) {
        if (i > 0)
            buf_add_char(&line, ',');
        if (needs_quotes(list->items[i]))
            add_quoted(&line, list->items[i]);
        else
            buf_add_str(&line, list->items[i]);
    }
    return buf_take(&line);
}

static bool at_field_end(const char *p)
{
    return *p == '\0' || *p == ',' || *p == '\n' || (p[0] == '\r' && p[1] == '\n');
}

static int read_plain(const char **pos, struct buf *field, struct err *err)
{
    const char *p = *pos;

    for (; !at_field_end(p); p++) {
        if (*p == '"')
            return err_set(err, ERR_INVALID,
                           "a quote inside of a field that does not start with one");
        buf_add_char(field, *p);
    }
    *pos = p;
    return 0;
}

/* `*pos` stands behind the opening quote. */
static int read_quoted(const char **pos, struct buf *field, struct err *err)
{
    const char *p = *pos;

    for (; *p; p++) {
        if (*p == '"' && p[1] != '"')
            break;
        if (*p == '"')
            p++;
        buf_add_char(field, *p);
    }
    if (!*p)
        return err_set(err, ERR_INVALID, "a quoted field has no end");
    *pos = p + 1;
    if (!at_field_end(*pos))
        return err_set(err, ERR_INVALID, "text behind a quoted field");
    return 0;
}

static int read_field(const char **pos, struct strlist *list, struct err *err)
{
    cleanup(buf_deinit) struct buf field = BUF(SIZE_MAX / 2);
    int r;

    if (**pos == '"') {
        (*pos)++;
        r = read_quoted(pos, &field, err);
    } else {
        r = read_plain(pos, &field, err);
    }
    if (r < 0)
        return r;
    strlist_add_take(list, buf_take(&field));
    return 0;
}

static int read_record(const char **pos, struct strlist *list, struct err *err)
{
    int r;

    for (;;) {
        r = read_field(pos, list, err);
        if (r < 0)
            return r;
        if (**pos != ',')
            return 0;
        (*pos)++;
    }
}

int csv_parse_line(const char *line, struct strlist *ret, struct err *err)
{
    cleanup(strlist_deinit) struct strlist list = {};
    const char *pos = line + strspn(line, "\r\n"); /* empty lines are skipped */
    int r;

    if (*pos) {
        r = read_record(&pos, &list, err);
        if (r < 0)
            return r;
    }
    if (pos[strspn(pos, "\r\n")])
        return err_set(err, ERR_INVALID, "more than one line");
    for (size_t i = 0; i < list.len; i++)
        strlist_add(ret, list.items[i]);
    return 0;
}
