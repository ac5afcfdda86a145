#include "base/limits.h"
#include "store/local_private.h"

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_COUNTER] = "SELECT version, compacted FROM counter",
    [SQL_NEXT_VERSION] = "UPDATE counter SET version = version + 1,"
                         " compacted = max(compacted, version + 1 - ?1)"
                         " RETURNING version, compacted",
    [SQL_GET] =
        "SELECT id, object FROM objects WHERE resource = ?1 AND namespace = ?2 AND name = ?3",
    [SQL_INSERT] = "INSERT INTO objects (resource, namespace, name, uid, version, deleting, object)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (resource, namespace, name)"
                   " DO NOTHING RETURNING id",
    [SQL_REPLACE] = "UPDATE objects SET version = ?2, deleting = ?3, object = ?4 WHERE id = ?1",
    [SQL_REMOVE] = "DELETE FROM objects WHERE id = ?1",
    [SQL_LIST] = "SELECT namespace, name, version, object FROM objects WHERE resource = ?1"
                 " AND (namespace, name) > (?2, ?3) AND (?4 IS NULL OR namespace = ?4)"
                 " ORDER BY namespace, name",
    [SQL_CURRENT_VERSION] = "SELECT version FROM objects"
                            " WHERE resource = ?1 AND namespace = ?2 AND name = ?3",
    [SQL_LOG_ADD] = "INSERT INTO log (version, type, resource, namespace, name, object)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_LOG_TRIM] = "DELETE FROM log WHERE version <= ?1",
    [SQL_LOG_FORGET] =
        "DELETE FROM log WHERE resource = 'secrets' AND namespace = ?1 AND name = ?2",
    [SQL_LOG_READ] = "SELECT namespace, name, version, object, type FROM log WHERE version > ?2"
                     " AND resource = ?1 AND (?3 IS NULL OR namespace = ?3) ORDER BY version",
    [SQL_OWNER_ADD] = "INSERT OR IGNORE INTO owners (child, uid, known) VALUES (?1, ?2, ?3)",
    [SQL_OWNERS_REMOVE] = "DELETE FROM owners WHERE child = ?1",
    [SQL_OWNS_ANYTHING] = "SELECT 1 FROM owners WHERE uid = ?1 LIMIT 1",
/* An owner lives in the namespace of what it owns, or in none. One of a kind that is not kept
     * here may be alive somewhere else. */
#define IS_ORPHAN                                                                                  \
    "NOT EXISTS (SELECT 1 FROM owners w WHERE w.child = c.id AND (w.known = 0 OR EXISTS"           \
    " (SELECT 1 FROM objects o WHERE o.uid = w.uid AND o.namespace IN ('', c.namespace))))"
    [SQL_IS_ORPHAN] = "SELECT 1 FROM objects c WHERE c.id = ?1 AND " IS_ORPHAN,
    [SQL_ORPHANS] = "SELECT c.resource, c.namespace, c.name FROM objects c"
                    " WHERE c.id IN (SELECT child FROM owners) AND c.deleting = 0 AND " IS_ORPHAN
                    " ORDER BY c.resource, c.namespace, c.name",
    [SQL_EVENT_FIND] = "SELECT id, object FROM events WHERE series = ?1 AND last_ms >= ?2"
                       " ORDER BY last_ms DESC LIMIT 1",
    [SQL_EVENT_ADD] = "INSERT INTO events (resource, namespace, name, series, last_ms, object)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
    [SQL_EVENT_REPLACE] = "UPDATE events SET last_ms = ?2, object = ?3 WHERE id = ?1",
    [SQL_EVENT_TRIM_OBJECT] = "DELETE FROM events WHERE id IN (SELECT id FROM events"
                              " WHERE resource = ?1 AND namespace = ?2 AND name = ?3"
                              " ORDER BY last_ms DESC, id DESC LIMIT -1 OFFSET ?4)",
    [SQL_EVENT_TRIM] = "DELETE FROM events WHERE id <= ?1",
    [SQL_EVENT_LIST] = "SELECT object FROM events WHERE ?1 IS NULL OR"
                       " (resource = ?1 AND namespace = ?2 AND name = ?3) ORDER BY last_ms, id",
};

int local_db_prepare(struct local_store *self, struct err *err)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(self->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &self->stmts[i], NULL);

        if (rc != SQLITE_OK)
            return local_fail(self, rc, "preparing", err);
    }
    return 0;
}

void local_db_finalize(struct local_store *self)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(
            self->stmts[i]); /* repeats the last step's error, already reported */
        self->stmts[i] = NULL;
    }
}

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_UNAVAILABLE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_IO;
    }
    return ERR_INTERNAL;
}

static const char *advice_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another process is writing to it";
    case SQLITE_FULL:
        return "the disk is full, make room on it";
    case SQLITE_READONLY:
        return "the file, its -shm and -wal, or its folder is read only: make all writable";
    case SQLITE_CANTOPEN:
        return "it cannot be opened, check that its folder exists and is writable";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the file is damaged, restore it from a backup";
    }
    return NULL;
}

/* Never with the code of the errno: an ENOENT from the disk is not an object that is not there. */
static int disk_failed(struct local_store *self, const char *doing, const char *path,
                       struct err *err)
{
    struct err reason = {};

    (void)err_set_errno(&reason, sqlite3_system_errno(self->db),
                        "the disk fails"); /* only its text */
    return err_set(err, ERR_IO, "%s store '%s': %s", doing, path, reason.text);
}

int local_fail(struct local_store *self, int rc, const char *doing, struct err *err)
{
    const char *advice = advice_of(rc);
    const char *path = self->path ? self->path : "in memory";

    if ((rc & 0xff) == SQLITE_IOERR)
        return disk_failed(self, doing, path, err);
    if (!advice)
        return err_set(err, code_of(rc), "%s store '%s': %s", doing, path,
                       sqlite3_errmsg(self->db));
    return err_set(err, code_of(rc), "%s store '%s': %s (%s)", doing, path, advice,
                   sqlite3_errstr(rc & 0xff));
}

sqlite3_stmt *local_stmt(struct local_store *self, enum local_sql sql)
{
    return self->stmts[sql];
}

void local_stmt_reset(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error of the last step, which was looked at */
    (void)sqlite3_clear_bindings(stmt);
}

void local_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text)
        (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC); /* a bad `at` shows in tests */
}

const char *local_column_text(sqlite3_stmt *stmt, int at)
{
    const unsigned char *text = sqlite3_column_text(stmt, at);

    return text ? (const char *)text : "";
}

int local_run(struct local_store *self, enum local_sql sql, const char *doing, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, sql);
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return local_fail(self, rc, doing, err);
    return 0;
}

void local_set_busy(struct local_store *self, const struct context *ctx, int64_t most_ms)
{
    int64_t ms = context_remaining_ms(ctx, most_ms);

    (void)sqlite3_busy_timeout(self->db, (int)(ms < most_ms ? ms : most_ms)); /* cannot fail */
}

int local_counter(struct local_store *self, int64_t *ret_version, int64_t *ret_compacted,
                  struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_COUNTER);
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_DONE)
        rc = SQLITE_CORRUPT;
    if (rc != SQLITE_ROW)
        return local_fail(self, rc, "reading", err);
    *ret_version = sqlite3_column_int64(stmt, 0);
    *ret_compacted = sqlite3_column_int64(stmt, 1);
    return 0;
}

static int damaged(struct err *err)
{
    return err_set(err, ERR_IO, "reading the store: an object in it is damaged, restore a backup");
}

int local_parse(const char *text, size_t len, struct json **ret, struct err *err)
{
    int r = json_parse(text, len, LIMIT_OBJECT, ret, err);

    return r < 0 ? damaged(err) : 0;
}

int local_parse_without_owners(const char *text, size_t len, struct json **ret, struct err *err)
{
    int r = json_parse_without(text, len, LIMIT_OBJECT, "managedFields", "metadata", ret, err);

    return r < 0 ? damaged(err) : 0;
}
