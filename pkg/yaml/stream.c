/*
 * stream.c - all documents of a text, and what went wrong in words.
 *
 * The text may hold a Secret. libyaml has no hook for its memory, so its buffers, tokens and events are
 * wiped before they go back to it. Out of reach are the first halves of a long scalar that its strings
 * leave while they grow.
 */
#include <string.h>

#include "base/limits.h"
#include "yaml/compose.h"
#include "yaml/json_text.h"
#include "yaml/yaml.h"

struct document {
    struct json *value;
    const struct place *place;
    int line;
};

struct yaml_stream {
    struct arena *arena;
    struct document *documents;
    size_t len, alloc;
};

static struct yaml_stream *stream_new(void)
{
    struct yaml_stream *stream = xalloc(sizeof(*stream));

    stream->arena = arena_new(0);
    return stream;
}

void yaml_stream_free(struct yaml_stream *stream)
{
    if (!stream)
        return;
    for (size_t i = 0; i < stream->len; i++)
        json_unref(stream->documents[i].value);
    xfree(stream->documents);
    arena_free(stream->arena);
    xfree(stream);
}

static void stream_add(struct yaml_stream *stream, struct node *node, int line)
{
    if (stream->len == stream->alloc) {
        stream->alloc = stream->alloc ? stream->alloc * 2 : 4;
        stream->documents = xrealloc(stream->documents, stream->alloc * sizeof(*stream->documents));
    }
    stream->documents[stream->len++] = (struct document){
        .value = take(node->json), .place = node->place, .line = line};
}

/* What libyaml's scanner says of a tab is "cannot start any token". */
static bool line_is_indented_by_tab(const struct composer *self, size_t line)
{
    const char *p = self->text, *end = self->text + self->len;

    for (; p && line > 0; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : NULL;
    }
    while (p && p < end && *p == ' ')
        p++;
    return p && p < end && *p == '\t';
}

/* The reader gives the offset of a byte and no mark. */
static int read_failed(struct composer *self)
{
    yaml_mark_t mark = {};

    for (size_t i = 0; i < self->parser.problem_offset && i < self->len; i++) {
        mark.column++;
        if (self->text[i] == '\n')
            mark = (yaml_mark_t){.line = mark.line + 1};
    }
    if (self->parser.problem_value < 0)
        return composer_fail(self, ERR_INVALID, &mark, "%s", self->parser.problem);
    return composer_fail(self, ERR_INVALID, &mark, "%s (0x%02x)%s", self->parser.problem,
                         self->parser.problem_value,
                         strstr(self->parser.problem, "UTF-8") ? "; save the file as UTF-8" : "");
}

/* What people mostly did when libyaml says this; both texts are compared by their beginning. */
static const struct {
    const char *problem, *context, *hint;
} hints[] = {
    {"", "while scanning an alias", "; text that begins with '*' needs quotes"},
    {"", "while scanning an anchor", "; text that begins with '&' needs quotes"},
    {"found character that cannot start any token", "", "; text that begins with it needs quotes"},
    {"mapping values are not allowed", "",
     "; check the indentation, or quote text with ': ' in it"},
};

static const char *hint_of(const yaml_parser_t *parser)
{
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (str_starts(parser->problem, hints[i].problem) &&
            str_starts(parser->context ? parser->context : "", hints[i].context))
            return hints[i].hint;
    return "";
}

static int parse_failed(struct composer *self)
{
    const yaml_parser_t *parser = &self->parser;
    const yaml_mark_t *mark = &parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(self->err, ERR_NOMEM, "no memory left to read YAML");
    if (parser->error == YAML_READER_ERROR)
        return read_failed(self);
    if (line_is_indented_by_tab(self, mark->line))
        return composer_fail(self, ERR_INVALID, mark, "a tab cannot indent YAML; use spaces");
    if (!parser->context || parser->context_mark.index == parser->problem_mark.index)
        return composer_fail(self, ERR_INVALID, mark, "%s%s", parser->problem, hint_of(parser));
    return composer_fail(self, ERR_INVALID, mark, "%s %s that starts in line %d, column %d%s",
                         parser->problem, parser->context, (int)parser->context_mark.line + 1,
                         (int)parser->context_mark.column + 1, hint_of(parser));
}

int composer_next(struct composer *self, yaml_event_t *ret_event)
{
    return yaml_parser_parse(&self->parser, ret_event) ? 0 : parse_failed(self);
}

static int composer_init(struct composer *self, const char *text, size_t len, struct arena *arena,
                         struct err *err)
{
    *self = (struct composer){.text = text, .len = len, .arena = arena, .err = err};
    if (!yaml_parser_initialize(&self->parser))
        return err_set(err, ERR_NOMEM, "no memory left to read YAML");
    yaml_parser_set_input_string(&self->parser, (const unsigned char *)text, len);
    return 0;
}

void event_deinit(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

/* All of it: what was read is moved about in there. */
static void wipe_buffer(unsigned char *start, const unsigned char *end)
{
    if (start)
        wipe(start, (size_t)(end - start));
}

static void wipe_tokens(yaml_parser_t *parser)
{
    for (yaml_token_t *token = parser->tokens.head; token != parser->tokens.tail; token++)
        if (token->type == YAML_SCALAR_TOKEN)
            wipe(token->data.scalar.value, token->data.scalar.length);
}

static void composer_deinit(struct composer *self)
{
    wipe_buffer(self->parser.raw_buffer.start, self->parser.raw_buffer.end);
    wipe_buffer(self->parser.buffer.start, self->parser.buffer.end);
    wipe_tokens(&self->parser);
    yaml_parser_delete(&self->parser);
    map_free(self->anchors);
    self->anchors = NULL;
}
DEFINE_CLEANUP_VALUE(struct composer, composer_deinit);

static int add_document(struct composer *self, struct yaml_stream *stream)
{
    cleanup(event_deinit) yaml_event_t event = {};
    cleanup(node_deinit) struct node node = {};
    int r;

    map_free(self->anchors); /* an anchor does not outlive its document */
    self->anchors = anchors_new();
    r = composer_next(self, &event);
    if (r == 0)
        r = compose_node(self, &event, 0, &node);
    if (r < 0)
        return r;
    if (json_kind(node.json) != JSON_KIND_NULL)
        stream_add(stream, &node, (int)event.start_mark.line + 1);
    return 0;
}

static int add_documents(struct composer *self, struct yaml_stream *stream)
{
    for (;;) {
        cleanup(event_deinit) yaml_event_t event = {};
        int r = composer_next(self, &event);

        if (r < 0 || event.type == YAML_STREAM_END_EVENT)
            return r;
        if (event.type != YAML_DOCUMENT_START_EVENT)
            continue; /* start of the stream, end of a document */
        r = add_document(self, stream);
        if (r < 0)
            return r;
    }
}

int yaml_parse(const char *text, size_t len, struct yaml_stream **ret, struct err *err)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(buf_deinit) struct buf joined = BUF_SECRET(LIMIT_MANIFEST_FILE);
    cleanup(composer_deinit) struct composer composer = {};
    int r;

    if (len > LIMIT_MANIFEST_FILE)
        return err_set(err, ERR_TOO_LARGE, "YAML is larger than %d bytes", LIMIT_MANIFEST_FILE);
    if (json_text_has_pairs(text, len)) {
        json_text_join_pairs(text, len, &joined);
        text = buf_str(&joined);
        len = joined.len;
    }
    stream = stream_new();
    r = composer_init(&composer, text, len, stream->arena, err);
    if (r == 0)
        r = add_documents(&composer, stream);
    if (r < 0)
        return r;
    *ret = take(stream);
    return 0;
}

size_t yaml_document_count(const struct yaml_stream *stream)
{
    return stream->len;
}

struct json *yaml_document(const struct yaml_stream *stream, size_t i)
{
    return i < stream->len ? stream->documents[i].value : NULL;
}

int yaml_line(const struct yaml_stream *stream, size_t i, const char *path)
{
    if (i >= stream->len)
        return 0;
    return place_line(stream->documents[i].place, stream->documents[i].line, path);
}
