/*
 * watch.c - one watch: the present state, then changes for as long as the caller reads (kubernetes.md 4).
 *
 *      listing ──last page──┐         a server that does not send the initial state
 *                           ▼
 *      initial ──bookmark─► live ◄──┐ streams follow each other from the last version;
 *         │                   └─────┘ the caller does not notice
 *         └── end of the stream: an error, because a part of the state is missing
 *
 * A stream ends by itself after 5 to 10 minutes. It is taken for dead after 3 minutes without a byte:
 * bookmarks come each minute. One that ended at once and brought nothing is an error, so that who
 * watches backs off. One that brought nothing for so long follows from a version that is still to come, of a server
 * whose etcd was restored: what it has in place of it is listed.
 *
 * A line without end is passed over: anybody who may write objects must not be able to end a watch.
 */
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "kube/store_private.h"

#define INITIAL_END     "k8s.io/initial-events-end"
#define DEAD_MS         MINUTES(3)
#define AT_ONCE_MS      SECONDS(1)
#define OPEN_MS         SECONDS(30)
#define STREAM_EXTRA_MS SECONDS(30)
#define PAGE_TIMEOUT_MS MINUTES(1)
#define TEXT_KEPT       (64 * 1024) /* of a buffer that a large event has made grow */
enum { PAGE_ITEMS = 500, PAGE_SHRINKS = 8, HEAD_MAX = 512 };

struct kube_watch {
    struct store_watch watch;
    const struct resource *resource;
    struct store_view *view;
    char version[sizeof(((struct store_event *)NULL)->version)];
    bool initial; /* until all of the present state was given */

    bool listing;
    struct json *items; /* of the page that is being given; NULL: has to be asked for */
    char *next_page;    /* NULL: this is the last */
    unsigned page_items;

    struct http_stream *stream;
    struct buf text;
    size_t at;         /* in `text`: the next line */
    size_t looked_to;  /* in `text`: no line ends before */
    int64_t opened_ms; /* monotonic */
    int64_t heard_ms;  /* monotonic: the latest byte */
    bool any_event;    /* from this stream */

    char head[HEAD_MAX]; /* how the line begins that is passed over; "": none is */
    bool lost_deletion;  /* by passing over its line: only a list can tell */
};

static struct kube_watch *watch_of(struct store_watch *watch)
{
    return CONTAINER_OF(watch, struct kube_watch, watch);
}

static struct kube_store *store_of(const struct kube_watch *self)
{
    return kube_store_of(self->watch.store);
}

static struct kube_about about(const struct kube_watch *self, const char *doing, const char *verb)
{
    return (struct kube_about){.doing = doing,
                               .verb = verb,
                               .resource = self->resource,
                               .namespace = self->view->namespace};
}

static struct kube_about about_watch(const struct kube_watch *self)
{
    return about(self, "watching", "watch");
}

static int64_t now_ms(const struct kube_watch *self)
{
    return clock_monotonic_ms(kube_clock(store_of(self)->kube));
}

static int fail(const struct kube_watch *self, int code, const char *why, struct err *err)
{
    struct kube_about watching = about_watch(self);

    (void)err_set(err, code, "%s", why); /* wrapped in the next line */
    return kube_about_wrap(&watching, err);
}

static void stream_end(struct kube_watch *self)
{
    http_stream_close(take(self->stream));
    buf_deinit(&self->text);
    self->text = BUF_SECRET(LIMIT_KUBE_LINE);
    self->at = self->looked_to = 0;
    self->head[0] = '\0';
}

static void watch_free(struct kube_watch *self)
{
    stream_end(self);
    json_unref(self->items);
    xfree(self->view);
    xfree(self->next_page);
    xfree(self);
}
DEFINE_CLEANUP(struct kube_watch, watch_free);

/* --- versions and objects --- */

static int take_version(const struct kube_watch *self, const struct json *object, char *to,
                        struct err *err)
{
    const char *version = json_as_text(json_path(object, "metadata.resourceVersion"));

    if (str_empty(version) || strlen(version) >= sizeof(self->version))
        return fail(self, ERR_PROTOCOL, "an event has no resourceVersion, or a very long one", err);
    memcpy(to, version, strlen(version) + 1);
    return 0;
}

static void dress_object(const struct kube_watch *self, struct json *object)
{
    if (self->view->metadata_only) {
        json_set_text(object, "apiVersion", PARTIAL_API_VERSION);
        json_set_text(object, "kind", PARTIAL_KIND);
    }
    kube_object_complete(self->resource, object);
    if (self->resource->watched_without_owners)
        json_remove(json_get(object, "metadata"), "managedFields");
}

/* What the server is to leave out (kubernetes.md 5). */
static const char *accept_of(const struct kube_watch *self, bool list)
{
    if (!self->view->metadata_only)
        return NULL;
    return list ? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
                : "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
}

/* --- listing --- */

static int ask_page(struct kube_watch *self, const struct context *ctx, struct json **ret,
                    struct err *err)
{
    cleanup(xfree) char *limit = xasprintf("%u", self->page_items);
    struct kube_call call = {
        .about = about(self, "listing", "list"),
        .method = "GET",
        .params = {{"limit", limit},
                   {"continue", self->next_page},
                   {"labelSelector", self->view->label_selector},
                   {"fieldSelector", self->view->field_selector}},
        .accept = accept_of(self, true),
        .repeatable = true,
        .max_body = LIMIT_KUBE_LIST,
        .timeout_ms = PAGE_TIMEOUT_MS,
    };

    return kube_do(store_of(self)->kube, ctx, &call, ret, NULL, err);
}

/* Fewer at a time when that many are too large. */
static int ask_page_that_fits(struct kube_watch *self, const struct context *ctx, struct json **ret,
                              struct err *err)
{
    for (;;) {
        int r = ask_page(self, ctx, ret, err);

        if (r != ERR_TOO_LARGE || self->page_items == 1)
            return r;
        self->page_items = self->page_items > PAGE_SHRINKS ? self->page_items / PAGE_SHRINKS : 1;
    }
}

static int fetch_page(struct kube_watch *self, const struct context *ctx, struct err *err)
{
    cleanup(json_unref) struct json *page = NULL;
    const struct json *metadata;
    char *next;
    int r;

    r = ask_page_that_fits(self, ctx, &page, err);
    if (r == 0)
        r = take_version(self, page, self->version, err);
    if (r < 0)
        return r;
    metadata = json_get(page, "metadata");
    next = str_empty(json_get_text(metadata, "continue"))
               ? NULL
               : xstrdup(json_get_text(metadata, "continue"));
    xfree(self->next_page);
    self->next_page = next;
    self->items = json_kind(json_get(page, "items")) == JSON_KIND_LIST
                      ? json_ref(json_get(page, "items"))
                      : json_new_list(); /* Go writes an empty list as null, too */
    return 0;
}

static int give_listed(struct kube_watch *self, struct store_event *ret, struct err *err)
{
    cleanup(json_unref) struct json *object = json_ref(json_at(self->items, 0));
    int r;

    r = take_version(self, object, ret->version, err);
    if (r < 0)
        return r;
    json_remove_at(self->items, 0); /* the caller is its only owner */
    dress_object(self, object);
    ret->type = STORE_ADDED;
    ret->object = take(object);
    return 0;
}

static void give_list_end(struct kube_watch *self, struct store_event *ret)
{
    json_unref(take(self->items));
    self->listing = self->initial = false;
    ret->type = STORE_BOOKMARK;
    ret->initial_end = true;
    memcpy(ret->version, self->version, sizeof(ret->version));
}

static int next_listed(struct kube_watch *self, const struct context *ctx, struct store_event *ret,
                       struct err *err)
{
    while (!self->items || (json_len(self->items) == 0 && self->next_page)) {
        int r;

        json_unref(take(self->items));
        r = fetch_page(self, ctx, err);
        if (r < 0)
            return r;
    }
    if (json_len(self->items) > 0)
        return give_listed(self, ret, err);
    give_list_end(self, ret);
    return 0;
}

/* --- streams --- */

static int open_stream(struct kube_watch *self, const struct context *ctx,
                       struct kube_status *status, struct err *err)
{
    unsigned least = store_of(self)->watch_seconds;
    unsigned seconds = least + (unsigned)random_below(least);
    cleanup(xfree) char *timeout = xasprintf("%u", seconds);
    struct context soon = context_with_timeout(ctx, OPEN_MS);
    struct kube_call call = {
        .about = about_watch(self),
        .method = "GET",
        .params = {{"watch", "1"},
                   {"allowWatchBookmarks", "true"},
                   {"timeoutSeconds", timeout},
                   {"sendInitialEvents", self->initial ? "true" : NULL},
                   {"resourceVersionMatch", self->initial ? "NotOlderThan" : NULL},
                   {"resourceVersion", self->initial ? NULL : self->version},
                   {"labelSelector", self->view->label_selector},
                   {"fieldSelector", self->view->field_selector}},
        .accept = accept_of(self, false),
        .repeatable = true,
        .timeout_ms = SECONDS(seconds) + STREAM_EXTRA_MS,
    };
    int r = kube_stream(store_of(self)->kube, &soon, &call, &self->stream, status, err);

    if (r < 0)
        return r;
    self->opened_ms = self->heard_ms = now_ms(self);
    self->any_event = false;
    return 0;
}

/* It does not know `sendInitialEvents`, or has it switched off (kubernetes.md 4). */
static bool wants_list(const struct kube_watch *self, const struct kube_status *status)
{
    return self->initial && (status->http == 400 || status->http == 422);
}

static int begin(struct kube_watch *self, const struct context *ctx, struct err *err)
{
    struct kube_status status = {};
    int r;

    self->listing = self->initial && atomic_load(&store_of(self)->list_first);
    if (self->listing)
        return fetch_page(self, ctx, err);
    r = open_stream(self, ctx, &status, err);
    if (r == 0 || !wants_list(self, &status))
        return r;
    atomic_store(&store_of(self)->list_first, true);
    self->listing = true;
    return fetch_page(self, ctx, err);
}

/* 0: another one is to be opened. */
static int after_stream(struct kube_watch *self, struct err *err)
{
    int64_t lived_ms = now_ms(self) - self->opened_ms;
    bool at_once = !self->any_event && lived_ms < AT_ONCE_MS;

    stream_end(self);
    if (self->initial)
        return fail(self, ERR_UNAVAILABLE, "the server ended it before all objects were sent", err);
    if (at_once)
        return fail(self, ERR_UNAVAILABLE, "the server ended it at once", err);
    if (!self->any_event && lived_ms >= DEAD_MS)
        return fail(self, ERR_GONE, "the server has not come to the version that was seen last",
                    err);
    if (self->lost_deletion)
        return fail(self, ERR_GONE, "a deletion was too long to be read", err);
    return 0;
}

/* --- lines --- */

/* The next whole line that is there; NULL: more has to be read. */
static const char *find_line(struct kube_watch *self, size_t *ret_len)
{
    const char *end = NULL, *line;

    if (self->text.len > self->looked_to)
        end = memchr(self->text.data + self->looked_to, '\n', self->text.len - self->looked_to);
    if (!end) {
        self->looked_to = self->text.len;
        return NULL;
    }
    line = self->text.data + self->at;
    *ret_len = (size_t)(end - line);
    self->at += *ret_len + 1;
    self->looked_to = self->at;
    return line;
}

/* What was read goes, so that the next line finds room. */
static void drop_read(struct kube_watch *self)
{
    size_t left = self->text.len - self->at;

    if (left == 0 && self->text.alloc > TEXT_KEPT) {
        buf_deinit(&self->text);
        self->text = BUF_SECRET(LIMIT_KUBE_LINE);
    } else if (self->at > 0) {
        memmove(self->text.data, self->text.data + self->at, left);
        buf_truncate(&self->text, left);
    }
    self->at = 0;
    self->looked_to = left;
}

/* What stands behind `name` in how a line begins; an object's name and namespace are the first that do. "?": nothing that
 * a log should have. */
static const char *word_of_head(const char *head, const char *name, struct buf *to)
{
    const char *at = strstr(head, name);
    size_t len = at ? strspn(at + strlen(name), "abcdefghijklmnopqrstuvwxyz0123456789.:-") : 0;

    if (len > 0 && at[strlen(name) + len] == '"')
        buf_add(to, at + strlen(name), len);
    else
        buf_add_char(to, '?');
    return buf_str(to);
}

/* The end of a line that was passed over. */
static void tell_passed_over(struct kube_watch *self, const struct context *ctx)
{
    cleanup(buf_deinit) struct buf namespace = BUF(HEAD_MAX), name = BUF(HEAD_MAX);

    log_warning(
        ctx,
        "watching %s: an event of more than %d MiB about '%s/%s' is passed over; make that object smaller, or "
        "delete it",
        self->resource->plural, LIMIT_KUBE_LINE / (1024 * 1024),
        word_of_head(self->head, "\"namespace\":\"", &namespace),
        word_of_head(self->head, "\"name\":\"", &name));
    if (strstr(self->head, "\"type\":\"DELETED\""))
        self->lost_deletion = true;
    self->any_event = true;
    self->head[0] = '\0';
}

/* No room is left for the rest of a line: only how it began is kept. */
static void pass_over(struct kube_watch *self)
{
    if (str_empty(self->head)) {
        memcpy(self->head, self->text.data, HEAD_MAX - 1);
        self->head[HEAD_MAX - 1] = '\0';
    }
    buf_truncate(&self->text, 0);
    self->looked_to = 0;
}

/* ERR_TIMEOUT and ERR_CANCELED are those of `ctx`; whatever else ends a stream is ERR_NOT_FOUND. */
static int read_more(struct kube_watch *self, const struct context *ctx, struct err *err)
{
    int64_t left_ms = self->heard_ms + DEAD_MS - now_ms(self);
    struct context soon = context_with_timeout(ctx, left_ms > 0 ? left_ms : 0);
    int r;

    drop_read(self);
    if (self->text.len >= LIMIT_KUBE_LINE)
        pass_over(self);
    r = http_stream_read(self->stream, &soon, &self->text, err);
    if (r == 0)
        self->heard_ms = now_ms(self);
    if (r == 0 || r == ERR_CANCELED)
        return r;
    if (r == ERR_TIMEOUT && context_remaining_ms(ctx, 1) <= 0)
        return r;
    return ERR_NOT_FOUND;
}

/* Lent until the next call; NULL: the stream has ended. */
static int next_line(struct kube_watch *self, const struct context *ctx, const char **ret,
                     size_t *ret_len, struct err *err)
{
    struct kube_about watching = about_watch(self);

    for (;;) {
        int r;

        *ret = find_line(self, ret_len);
        if (*ret && str_empty(self->head))
            return 0;
        if (*ret) {
            tell_passed_over(self, ctx);
            continue;
        }
        r = read_more(self, ctx, err);
        if (r == ERR_NOT_FOUND)
            return 0;
        if (r < 0)
            return kube_about_wrap(&watching, err);
    }
}

/* --- events --- */

static const struct {
    const char *name;
    enum store_event_type type;
} types[] = {
    {"ADDED", STORE_ADDED},
    {"MODIFIED", STORE_MODIFIED},
    {"DELETED", STORE_DELETED},
    {"BOOKMARK", STORE_BOOKMARK},
};

static int type_of(const struct json *event, enum store_event_type *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (streq(types[i].name, json_get_text(event, "type"))) {
            *ret = types[i].type;
            return 0;
        }
    }
    return ERR_PROTOCOL;
}

static int event_error(const struct kube_watch *self, const struct json *event, struct err *err)
{
    int64_t wall_ms = clock_wall_ms(kube_clock(store_of(self)->kube));
    struct kube_about watching = about_watch(self);
    struct kube_status status;

    if (!streq(json_get_text(event, "type"), "ERROR"))
        return fail(self, ERR_PROTOCOL, "an event of an unknown type", err);
    return kube_status_of_event(&watching, json_get(event, "object"), wall_ms, &status, err);
}

static bool ends_initial(const struct json *bookmark)
{
    const struct json *annotations = json_path(bookmark, "metadata.annotations");

    return streq(json_get_text(annotations, INITIAL_END), "true");
}

/* Versions of the initial state are in no order, so none of them is where to go on from. */
static void note_version(struct kube_watch *self, const struct store_event *event)
{
    if (event->initial_end)
        self->initial = false;
    if (!self->initial)
        memcpy(self->version, event->version, sizeof(self->version));
}

static int read_event(struct kube_watch *self, const char *line, size_t len,
                      struct store_event *ret, struct err *err)
{
    cleanup(json_unref) struct json *event = NULL;
    struct json *object;
    int r;

    if (json_parse_foreign(line, len, LIMIT_KUBE_LINE, &event, err) < 0)
        return fail(self, ERR_PROTOCOL, "an event is not JSON", err);
    self->any_event = true;
    if (type_of(event, &ret->type) < 0)
        return event_error(self, event, err);
    object = json_get(event, "object");
    r = take_version(self, object, ret->version, err);
    if (r < 0)
        return r;
    if (ret->type == STORE_BOOKMARK) {
        ret->initial_end = self->initial && ends_initial(object);
    } else {
        dress_object(self, object);
        ret->object = json_ref(object);
    }
    note_version(self, ret);
    return 0;
}

static int next_streamed(struct kube_watch *self, const struct context *ctx,
                         struct store_event *ret, struct err *err)
{
    const char *line = NULL;
    size_t len = 0;
    int r;

    while (!line) {
        if (!self->stream) {
            r = open_stream(self, ctx, &(struct kube_status){}, err);
            if (r < 0)
                return r;
        }
        r = next_line(self, ctx, &line, &len, err);
        if (r == 0 && !line)
            r = after_stream(self, err);
        if (r < 0)
            return r;
    }
    return read_event(self, line, len, ret, err);
}

int kube_watch_next(struct store_watch *watch, const struct context *ctx, struct store_event *ret,
                    struct err *err)
{
    struct kube_watch *self = watch_of(watch);
    cleanup(store_event_deinit) struct store_event event = {};
    int r = context_check(ctx, err);

    if (r == ERR_CANCELED)
        return r;
    r = self->listing ? next_listed(self, ctx, &event, err) : next_streamed(self, ctx, &event, err);
    if (r == ERR_TIMEOUT &&
        context_remaining_ms(ctx, 1) > 0) /* the server's or a try's, not ours */
        return fail(self, ERR_UNAVAILABLE, "the server did not answer in time", err);
    if (r < 0)
        return r;
    *ret = event;
    event.object = NULL;
    return 0;
}

void kube_watch_close(struct store_watch *watch)
{
    watch_free(watch_of(watch));
}

int kube_watch(struct store *store, const struct context *ctx, const struct resource *resource,
               const struct store_view *view, const char *since, struct store_watch **ret,
               struct err *err)
{
    cleanup(watch_free) struct kube_watch *self = xalloc(sizeof(*self));
    int r;

    self->watch.store = store;
    self->resource = resource;
    self->view = store_view_copy(view);
    self->text = BUF_SECRET(LIMIT_KUBE_LINE);
    self->page_items = PAGE_ITEMS;
    self->initial = !since;
    r = store_view_check(view, err);
    if (r < 0)
        return r;
    if (since && strlen(since) >= sizeof(self->version))
        return fail(self, ERR_INVALID, "the version to start from is too long", err);
    if (since)
        memcpy(self->version, since, strlen(since) + 1);
    r = begin(self, ctx, err);
    if (r < 0)
        return r;
    *ret = &take(self)->watch;
    return 0;
}
