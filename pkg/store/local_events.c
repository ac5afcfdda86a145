/*
 * local_events.c - Events about objects: events.k8s.io/v1, folded into series, the oldest dropped.
 *
 * They have no place in the change log: nobody reconciles them. Their commits are not synced to disk
 * one by one; the next write of an object takes them along.
 */
#include "base/random.h"
#include "base/timetext.h"
#include "store/local_private.h"
#include "store/note.h"

#define SERIES_MS          MINUTES(6) /* client-go: events of one key this close are one series */
#define EVENTS_PER_OBJECT  100
#define EVENTS_MAX         10000
#define REPORTING_INSTANCE "certlet"

static struct json *event_of(struct local_store *self, const struct store_note *note,
                             int64_t now_ms)
{
    struct json *event = note_event(note, REPORTING_INSTANCE, self->event_count++, now_ms);
    struct json *metadata = json_need_map(event, "metadata");
    char uid[UUID_TEXT_MAX], time[TIME_TEXT_MAX];

    random_uuid(uid);
    time_format(now_ms, time);
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "creationTimestamp", time);
    return event;
}

/* The Event that `series` goes on; `ret->object` stays NULL when there is none. */
static int find_series(struct local_store *self, const char *series, int64_t now_ms,
                       struct local_row *ret, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_EVENT_FIND);
    int rc;

    local_bind_text(stmt, 1, series);
    (void)sqlite3_bind_int64(stmt, 2, now_ms - SERIES_MS);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return local_fail(self, rc, "reading", err);
    ret->id = sqlite3_column_int64(stmt, 0);
    return local_parse(local_column_text(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1),
                       &ret->object, err);
}

/* It says what the latest one says: in the last place texts differ. */
static int count_series(struct local_store *self, struct local_row *row,
                        const struct store_note *note, int64_t now_ms, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_EVENT_REPLACE);
    cleanup(json_unref) struct json *latest = event_of(self, note, now_ms);
    struct json *series = json_need_map(row->object, "series");
    cleanup(xfree) char *text = NULL;
    char time[TIME_TEXT_MAX];
    int rc;

    time_format_micro(now_ms, time);
    json_set_int(series, "count", json_get_int(series, "count", 1) + 1);
    json_set_text(series, "lastObservedTime", time);
    json_set_text(row->object, "note", json_get_text(latest, "note"));
    text = json_text(row->object);
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    local_bind_text(stmt, 3, text);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(self, rc, "writing to", err);
}

static int trim_events(struct local_store *self, const struct store_note *note,
                       const char *resource, int64_t newest, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *object = local_stmt(self, SQL_EVENT_TRIM_OBJECT);
    cleanup(local_stmt_reset) sqlite3_stmt *all = local_stmt(self, SQL_EVENT_TRIM);
    int rc;

    local_bind_text(object, 1, resource);
    local_bind_text(object, 2, str_or(note->key.namespace, ""));
    local_bind_text(object, 3, note->key.name);
    (void)sqlite3_bind_int(object, 4, EVENTS_PER_OBJECT);
    rc = sqlite3_step(object);
    if (rc != SQLITE_DONE)
        return local_fail(self, rc, "writing to", err);
    (void)sqlite3_bind_int64(all, 1, newest - EVENTS_MAX);
    rc = sqlite3_step(all);
    return rc == SQLITE_DONE ? 0 : local_fail(self, rc, "writing to", err);
}

static int add_event(struct local_store *self, const struct store_note *note, const char *resource,
                     const char *series, int64_t now_ms, int64_t *ret_id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_EVENT_ADD);
    cleanup(json_unref) struct json *event = event_of(self, note, now_ms);
    cleanup(xfree) char *text = json_text(event);
    int rc;

    local_bind_text(stmt, 1, resource);
    local_bind_text(stmt, 2, str_or(note->key.namespace, ""));
    local_bind_text(stmt, 3, note->key.name);
    local_bind_text(stmt, 4, series);
    (void)sqlite3_bind_int64(stmt, 5, now_ms);
    local_bind_text(stmt, 6, text);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        return local_fail(self, rc, "writing to", err);
    *ret_id = sqlite3_column_int64(stmt, 0);
    return 0;
}

/* What goes on there. */
struct place {
    char *series;
    struct local_row row; /* its object stays NULL when nothing does */
};

static void places_deinit(struct place places[NOTE_SERIES_MAX])
{
    for (size_t i = 0; i < NOTE_SERIES_MAX; i++) {
        xfree(places[i].series);
        local_row_deinit(&places[i].row);
    }
}

static int read_places(struct local_store *self, const struct store_note *note, int64_t now_ms,
                       struct place places[NOTE_SERIES_MAX], struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < NOTE_SERIES_MAX && r == 0; i++) {
        places[i].series = note_series(note, i);
        r = find_series(self, places[i].series, now_ms, &places[i].row, err);
    }
    return r;
}

static struct place *choose_place(struct place places[NOTE_SERIES_MAX],
                                  const struct store_note *note)
{
    uint64_t text = note_text(note->message);
    enum note_place are[NOTE_SERIES_MAX];

    for (size_t i = 0; i < NOTE_SERIES_MAX; i++) {
        const struct json *event = places[i].row.object;

        are[i] = !event                                            ? PLACE_FREE
                 : note_text(json_get_text(event, "note")) == text ? PLACE_SAME_TEXT
                                                                   : PLACE_OTHER_TEXT;
    }
    return &places[note_place(are)];
}

static int write_at(struct local_store *self, const struct store_note *note, struct place *place,
                    int64_t now_ms, struct err *err)
{
    char resource[RESOURCE_NAME_MAX];
    int64_t id = 0;
    int r;

    if (place->row.object)
        return count_series(self, &place->row, note, now_ms, err);
    local_resource_name(note->resource, resource);
    r = add_event(self, note, resource, place->series, now_ms, &id, err);
    return r < 0 ? r : trim_events(self, note, resource, id, err);
}

static int write_note(struct local_store *self, const struct store_note *note, struct err *err)
{
    struct place places[NOTE_SERIES_MAX] = {};
    int64_t now_ms = clock_wall_ms(self->clock);
    int r = read_places(self, note, now_ms, places, err);

    if (r == 0)
        r = write_at(self, note, choose_place(places, note), now_ms, err);
    places_deinit(places);
    return r;
}

/* A note in a transaction of its own; the mutex is not held. */
static int try_note(struct local_store *self, const struct context *ctx,
                    const struct store_note *note, struct err *err)
{
    cleanup(local_tx_deinit) struct local_tx tx = {};
    int r;

    r = local_tx_begin_note(&tx, self, ctx, err);
    if (r < 0)
        return r;
    r = write_note(self, note, err);
    if (r < 0)
        return r;
    return local_tx_commit(&tx, err);
}

void local_note(struct store *store, const struct context *ctx, const struct store_note *note)
{
    (void)try_note(local_of(store), ctx, note, NULL); /* an Event is not worth failing for */
}

static int list_events(struct local_store *self, const char *resource, const struct key *key,
                       struct json *list, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_EVENT_LIST);
    int rc, r;

    if (key) {
        local_bind_text(stmt, 1, resource);
        local_bind_text(stmt, 2, str_or(key->namespace, ""));
        local_bind_text(stmt, 3, key->name);
    }
    for (;;) {
        struct json *event = NULL;

        rc = sqlite3_step(stmt);
        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return local_fail(self, rc, "reading", err);
        r = local_parse(local_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0), &event,
                        err);
        if (r < 0)
            return r;
        json_append(list, event);
    }
}

int store_local_events(struct store *store, const struct context *ctx,
                       const struct resource *resource, const struct key *key, struct json **ret,
                       struct err *err)
{
    struct local_store *self = local_of(store);
    cleanup(json_unref) struct json *list = json_new_list();
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    char name[RESOURCE_NAME_MAX] = "";
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    if (key)
        local_resource_name(resource, name);
    locked = mutex_hold(&self->mutex);
    local_set_busy(self, ctx, LOCAL_BUSY_MS);
    r = list_events(self, name, key, list, err);
    if (r < 0)
        return r;
    *ret = take(list);
    return 0;
}
