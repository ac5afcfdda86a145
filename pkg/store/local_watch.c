/*
 * local_watch.c - a watch: first the objects there are, then the change log.
 *
 * The log is the only source of changes; a watch holds a version (`last`: every change up to it was
 * delivered or is none of ours) and a small batch of rows, so what it holds is bounded however far
 * it is behind. Other processes append to the same log.
 *
 * The present state is read in batches too, while others write. Listing starts at version `last`; an
 * object met later may already be newer than that. Changes between `last` and the end of the listing
 * (`listed_to`) are in the log still to be read, and could set such an object back: of those, only
 * rows that are the present state of their object (or its absence) are delivered, some of them for
 * the second time. The bookmark that ends the listing carries `last`, which is less than what was
 * seen and so true.
 *
 * The log does not say what an object was before a change. A watch with a selector therefore remembers
 * whom it has told of (`told_of`), to know who enters and who leaves its view. Only tests and tools select
 * here: `certlet run` wants all of everything.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/map.h"
#include "store/local_private.h"

#define BATCH_ROWS  64
#define BATCH_BYTES (256 * 1024)
#define BOOKMARK_MS MINUTES(1) /* a quiet watch tells that often how far it is, as the API server */

enum phase { PHASE_LISTING, PHASE_LISTED, PHASE_LIVE };

struct batch_row {
    enum store_event_type type;
    int64_t version;
    char *text; /* the object; may hold key material */
    size_t len;
};

struct local_watch {
    struct store_watch watch;
    struct list node; /* in the store's watches */
    char resource[RESOURCE_NAME_MAX];
    bool without_owners;
    struct store_view *view;
    struct map *told_of; /* "ns/name" to `inside` or `outside`; NULL: the view has no selector */
    bool since;          /* it began in the middle: who is not in `told_of` may be in the view */
    int wake_fd;
    bool marked; /* a write that concerns it awaits its commit */
    enum phase phase;
    bool listing_began;
    bool caught_up;               /* the log was read to its end */
    char *at_namespace, *at_name; /* the last object listed */
    int64_t last;
    int64_t listed_to;
    int64_t told_ms; /* monotonic: when the caller last learned a version */
    int64_t told;
    struct batch_row rows[BATCH_ROWS];
    size_t next, len, bytes;
};

static struct local_watch *watch_of(struct store_watch *watch)
{
    return CONTAINER_OF(watch, struct local_watch, watch);
}

static void batch_reset(struct local_watch *self)
{
    for (size_t i = self->next; i < self->len; i++)
        xfree_secret(self->rows[i].text);
    self->next = self->len = self->bytes = 0;
}

static void batch_add(struct local_watch *self, enum store_event_type type, int64_t version,
                      sqlite3_stmt *stmt)
{
    size_t len = (size_t)sqlite3_column_bytes(stmt, 3);

    self->rows[self->len++] = (struct batch_row){
        .type = type,
        .version = version,
        .text = xstrndup(local_column_text(stmt, 3), len),
        .len = len,
    };
    self->bytes += len;
}

static bool batch_is_full(const struct local_watch *self)
{
    return self->len == BATCH_ROWS || self->bytes >= BATCH_BYTES;
}

static void watch_free(struct local_watch *self)
{
    batch_reset(self);
    fd_close(self->wake_fd);
    xfree(self->view);
    map_free(self->told_of);
    xfree(self->at_namespace);
    xfree(self->at_name);
    xfree(self);
}
DEFINE_CLEANUP(struct local_watch, watch_free);

/* Opening. */

static int start_at(struct local_watch *self, struct local_store *store, const char *since,
                    struct err *err)
{
    int64_t version, compacted;
    int r;

    if (!since)
        return 0;
    r = local_counter(store, &version, &compacted, err);
    if (r < 0)
        return r;
    if (str_parse_int(since, 0, INT64_MAX, &self->last) < 0)
        return err_set(err, ERR_INVALID, "'%s' is not a version of this store", since);
    self->phase = PHASE_LIVE;
    self->since = true;
    /* A version from the future comes from another life of the file (a restored backup). */
    if (self->last < compacted || self->last > version)
        return err_set(err, ERR_GONE,
                       "version %s is not in the change log any more (%lld to %lld are)", since,
                       (long long)compacted, (long long)version);
    return 0;
}

static int watch_new(struct local_store *store, const struct resource *resource,
                     const struct store_view *view, struct local_watch **ret, struct err *err)
{
    cleanup(watch_free) struct local_watch *self = xalloc(sizeof(*self));

    self->watch.store = &store->store;
    self->view = store_view_copy(view);
    if (self->view->label_selector || self->view->field_selector)
        self->told_of = map_new(NULL);
    self->at_namespace = xstrdup(str_or(self->view->namespace, ""));
    self->at_name = xstrdup("");
    local_resource_name(resource, self->resource);
    self->without_owners = resource->watched_without_owners;
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0)
        return err_set_errno(err, errno, "opening a watch");
    *ret = take(self);
    return 0;
}

int local_watch(struct store *store, const struct context *ctx, const struct resource *resource,
                const struct store_view *view, const char *since, struct store_watch **ret,
                struct err *err)
{
    struct local_store *self = local_of(store);
    cleanup(watch_free) struct local_watch *watch = NULL;
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    int r;

    r = context_check(ctx, err);
    if (r == 0)
        r = store_view_check(view, err);
    if (r < 0)
        return r;
    r = watch_new(self, resource, view, &watch, err);
    if (r < 0)
        return r;
    locked = mutex_hold(&self->mutex);
    local_set_busy(self, ctx, LOCAL_BUSY_MS);
    r = start_at(watch, self, since, err);
    if (r < 0)
        return r;
    watch->told = watch->last;
    watch->told_ms = clock_monotonic_ms(self->clock);
    list_append(&self->watches, &watch->node);
    *ret = &take(watch)->watch;
    return 0;
}

void local_watch_close(struct store_watch *watch)
{
    struct local_watch *self = watch_of(watch);
    struct local_store *store = local_of(watch->store);

    mutex_lock(&store->mutex);
    list_remove(&self->node);
    mutex_unlock(&store->mutex);
    watch_free(self);
}

/* Waking. */

static void wake(struct local_watch *self)
{
    uint64_t one = 1;

    /* A full counter is as awake as can be. */
    if (write(self->wake_fd, &one, sizeof(one)) < 0)
        return;
}

void local_watch_mark(struct local_store *store, const char *resource_name)
{
    list_for_each (node, &store->watches) {
        struct local_watch *self = list_entry(node, struct local_watch, node);

        self->marked = self->marked || streq(self->resource, resource_name);
    }
}

void local_watch_wake_marked(struct local_store *store, int64_t version)
{
    list_for_each (node, &store->watches) {
        struct local_watch *self = list_entry(node, struct local_watch, node);

        /* A watch that has nothing to see must still follow, or the log is compacted behind it. */
        if (self->marked || version - self->last >= store->log_keep / 2)
            wake(self);
        self->marked = false;
    }
}

void local_watch_wake_all(struct local_store *store)
{
    list_for_each (node, &store->watches)
        wake(list_entry(node, struct local_watch, node));
}

/* Reading; the mutex is held. */

static void listing_goes_on_after(struct local_watch *self, sqlite3_stmt *stmt)
{
    xfree(self->at_namespace);
    xfree(self->at_name);
    self->at_namespace = xstrdup(local_column_text(stmt, 0));
    self->at_name = xstrdup(local_column_text(stmt, 1));
}

static int read_list(struct local_watch *self, struct local_store *store, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(store, SQL_LIST);
    int64_t version, compacted;
    int rc = SQLITE_ROW, r;

    r = local_counter(store, &version, &compacted, err);
    if (r < 0)
        return r;
    if (!self->listing_began)
        self->last = version;
    self->listing_began = true;
    local_bind_text(stmt, 1, self->resource);
    local_bind_text(stmt, 2, self->at_namespace);
    local_bind_text(stmt, 3, self->at_name);
    local_bind_text(stmt, 4, self->view->namespace);
    while (!batch_is_full(self)) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        batch_add(self, STORE_ADDED, sqlite3_column_int64(stmt, 2), stmt);
    }
    if (rc == SQLITE_ROW) {
        listing_goes_on_after(self, stmt); /* not sooner: the place where it began is bound */
        return 0;
    }
    if (rc != SQLITE_DONE)
        return local_fail(store, rc, "reading", err);
    self->listed_to = version;
    self->phase = PHASE_LISTED;
    return 0;
}

/* Is this row of the log what its object is now? See the head of this file. */
static int row_is_present_state(struct local_watch *self, struct local_store *store,
                                sqlite3_stmt *row, bool *ret, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(store, SQL_CURRENT_VERSION);
    int64_t version = sqlite3_column_int64(row, 2);
    int rc;

    local_bind_text(stmt, 1, self->resource);
    local_bind_text(stmt, 2, local_column_text(row, 0));
    local_bind_text(stmt, 3, local_column_text(row, 1));
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return local_fail(store, rc, "reading", err);
    if (rc == SQLITE_DONE)
        *ret = sqlite3_column_int(row, 4) == STORE_DELETED;
    else
        *ret = sqlite3_column_int64(stmt, 0) == version;
    return 0;
}

static int read_log_row(struct local_watch *self, struct local_store *store, sqlite3_stmt *stmt,
                        struct err *err)
{
    int64_t version = sqlite3_column_int64(stmt, 2);
    bool wanted = true;
    int r;

    if (version <= self->listed_to) {
        r = row_is_present_state(self, store, stmt, &wanted, err);
        if (r < 0)
            return r;
    }
    if (wanted)
        batch_add(self, (enum store_event_type)sqlite3_column_int(stmt, 4), version, stmt);
    self->last = version;
    return 0;
}

/* `ret_end`: every row there is was read. */
static int read_log_rows(struct local_watch *self, struct local_store *store, bool *ret_end,
                         struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(store, SQL_LOG_READ);
    int rc, r;

    local_bind_text(stmt, 1, self->resource);
    (void)sqlite3_bind_int64(stmt, 2, self->last);
    local_bind_text(stmt, 3, self->view->namespace);
    while (!batch_is_full(self)) {
        rc = sqlite3_step(stmt);
        *ret_end = rc == SQLITE_DONE;
        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return local_fail(store, rc, "reading", err);
        r = read_log_row(self, store, stmt, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_log(struct local_watch *self, struct local_store *store, struct err *err)
{
    int64_t version, compacted;
    int r;

    r = local_counter(store, &version, &compacted, err);
    if (r < 0)
        return r;
    if (self->last < compacted || self->last > version)
        return err_set(err, ERR_GONE,
                       "the watch fell behind the change log (at %lld, log from %lld)",
                       (long long)self->last, (long long)compacted);
    self->caught_up = self->last == version;
    if (self->caught_up)
        return 0;
    r = read_log_rows(self, store, &self->caught_up, err);
    if (r == 0 && self->caught_up)
        self->last = version;
    return r;
}

/* Fills the batch from one state of the file: another process may commit at any time. */
static int watch_read(struct local_watch *self, struct local_store *store,
                      const struct context *ctx, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&store->mutex);
    int r;

    (void)locked; /* held for its scope */
    batch_reset(self);
    if (self->phase == PHASE_LIVE) { /* a mere listing needs no ear for others */
        r = local_notice_start(store, err);
        if (r < 0)
            return r;
    }
    local_set_busy(store, ctx, LOCAL_BUSY_MS);
    r = local_run(store, SQL_BEGIN_READ, "reading", err);
    if (r < 0)
        return r;
    if (self->phase == PHASE_LISTING)
        r = read_list(self, store, err);
    else
        r = read_log(self, store, err);
    (void)local_run(store, SQL_COMMIT, "reading", NULL); /* nothing was written */
    return r;
}

/* Delivering. */

static void tell_version(struct local_watch *self, int64_t version, struct store_event *ret)
{
    snprintf(ret->version, sizeof(ret->version), "%lld", (long long)version);
    self->told = version;
    self->told_ms = clock_monotonic_ms(local_of(self->watch.store)->clock);
}

static int take_row(struct local_watch *self, struct batch_row *ret, struct json **ret_object,
                    struct err *err)
{
    struct batch_row *row = &self->rows[self->next];
    int r = self->without_owners ? local_parse_without_owners(row->text, row->len, ret_object, err)
                                 : local_parse(row->text, row->len, ret_object, err);

    if (r < 0)
        return r;
    *ret = *row;
    ret->text = NULL;
    xfree_secret(row->text);
    self->next++;
    return 0;
}

static char inside, outside; /* marks in `told_of` */

/* Was the object in the view before this change, as far as the reader knows? */
static bool was_inside(const struct local_watch *self, const char *key, enum store_event_type type)
{
    const char *mark = map_get(self->told_of, key);

    return mark ? mark == &inside : self->since && type != STORE_ADDED;
}

/* What the change is to whoever looks through the view; false: nothing. */
static bool see(struct local_watch *self, const struct json *object, enum store_event_type *type)
{
    const struct json *metadata = json_get(object, "metadata");
    struct key key = {.namespace = str_or(json_get_text(metadata, "namespace"), ""),
                      .name = str_or(json_get_text(metadata, "name"), "")};
    bool is_inside = *type != STORE_DELETED && store_view_has(self->view, object);
    char text[KEY_TEXT_MAX];
    bool was;

    if (!store_view_could_have(self->view, object))
        return false;
    key_format(&key, text);
    was = was_inside(self, text, *type);
    if (is_inside || self->since)
        map_set(self->told_of, text, is_inside ? &inside : &outside);
    else
        (void)map_remove(self->told_of, text); /* it may not be there */
    if (is_inside)
        *type = was ? STORE_MODIFIED : STORE_ADDED;
    else
        *type = STORE_DELETED;
    return is_inside || was;
}

static struct json *without_data(const struct json *object)
{
    struct json *partial = json_new_map();

    json_set_text(partial, "apiVersion", PARTIAL_API_VERSION);
    json_set_text(partial, "kind", PARTIAL_KIND);
    json_set(partial, "metadata", json_ref(json_get(object, "metadata")));
    return partial;
}

/* `ret_told` false: the row is of no interest to this watch. */
static int deliver_row(struct local_watch *self, struct store_event *ret, bool *ret_told,
                       struct err *err)
{
    cleanup(json_unref) struct json *object = NULL;
    struct batch_row row;
    int r = take_row(self, &row, &object, err);

    if (r < 0)
        return r;
    *ret_told = !self->told_of || see(self, object, &row.type);
    if (!*ret_told)
        return 0;
    *ret = (struct store_event){.type = row.type};
    ret->object = self->view->metadata_only ? without_data(object) : take(object);
    tell_version(self, row.version, ret);
    return 0;
}

static void deliver_bookmark(struct local_watch *self, bool initial_end, struct store_event *ret)
{
    *ret = (struct store_event){.type = STORE_BOOKMARK, .initial_end = initial_end};
    tell_version(self, self->last, ret);
}

/* Every minute while something wakes it, and before the log is compacted past what the caller knows:
 * it may open another watch from there. */
static bool bookmark_is_due(const struct local_watch *self)
{
    const struct local_store *store = local_of(self->watch.store);
    int64_t quiet_ms = clock_monotonic_ms(store->clock) - self->told_ms;

    if (self->phase != PHASE_LIVE || self->last <= self->told)
        return false;
    return quiet_ms >= BOOKMARK_MS || self->last - self->told >= store->log_keep / 2;
}

static bool has_event(const struct local_watch *self)
{
    return self->next < self->len || self->phase == PHASE_LISTED || bookmark_is_due(self);
}

static int deliver(struct local_watch *self, struct store_event *ret, bool *ret_told,
                   struct err *err)
{
    if (self->next < self->len)
        return deliver_row(self, ret, ret_told, err);
    *ret_told = true;
    deliver_bookmark(self, self->phase == PHASE_LISTED, ret);
    self->phase = PHASE_LIVE;
    return 0;
}

static void drain_wakes(const struct local_watch *self)
{
    uint64_t count;

    if (read(self->wake_fd, &count, sizeof(count)) < 0)
        return; /* EAGAIN: nobody woke us */
}

/* Until something was written, or the context ends. */
static int wait_for_change(const struct local_watch *self, const struct context *ctx,
                           struct err *err)
{
    struct pollfd fds[] = {
        {.fd = self->wake_fd, .events = POLLIN},
        {.fd = cancel_fd(ctx->cancel), .events = POLLIN},
    };
    int64_t ms = context_remaining_ms(ctx, -1);
    int n;

    n = poll(fds, ARRAY_LEN(fds), ms > INT32_MAX ? INT32_MAX : (int)ms);
    if (n < 0 && errno != EINTR)
        return err_set_errno(err, errno, "waiting for a change");
    if (n == 0) /* not asked of the clock again: a fake one stands still */
        return err_set(err, ERR_TIMEOUT, "nothing changed in time");
    return 0;
}

int local_watch_next(struct store_watch *watch, const struct context *ctx, struct store_event *ret,
                     struct err *err)
{
    struct local_watch *self = watch_of(watch);
    bool told = false;
    int r;

    for (;;) {
        if (cancel_is_fired(ctx->cancel))
            return err_set(err, ERR_CANCELED, "canceled");
        if (has_event(self)) {
            r = deliver(self, ret, &told, err);
            if (r < 0 || told)
                return r;
            continue;
        }
        drain_wakes(self);
        r = watch_read(self, local_of(watch->store), ctx, err);
        if (r < 0)
            return r;
        if (has_event(self) || self->phase != PHASE_LIVE || !self->caught_up)
            continue;
        r = wait_for_change(self, ctx, err);
        if (r < 0)
            return r;
    }
}
