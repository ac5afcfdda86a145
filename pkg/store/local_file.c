/*
 * local_file.c - the SQLite file: created for us alone, recognised as ours, with today's schema.
 *
 * SQLite gives -wal and -shm the mode of the file itself, so that is made 0600 before SQLite sees it,
 * and no umask is touched. A foreign file must not be changed at all: whose it is is read before
 * anything (even the journal mode) is written.
 *
 * Reading beside a running process needs -shm. Where it can be neither opened nor made (a folder
 * that is not ours) and no -wal holds newer pages, the file is read as it lies (immutable=1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "store/local_private.h"

#define APPLICATION_ID 0x6365726c /* "cerl" */
#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1),"
    " version INTEGER NOT NULL, compacted INTEGER NOT NULL);"
    "INSERT INTO counter VALUES (1, 0, 0);"
    "CREATE TABLE objects (id INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL,"
    " name TEXT NOT NULL, uid TEXT NOT NULL, version INTEGER NOT NULL, deleting INTEGER NOT NULL,"
    " object TEXT NOT NULL, UNIQUE (resource, namespace, name));"
    "CREATE UNIQUE INDEX objects_uid ON objects (uid, namespace);"
    /* `known` = 0: the owner is of a kind that is not kept here */
    "CREATE TABLE owners (child INTEGER NOT NULL, uid TEXT NOT NULL, known INTEGER NOT NULL,"
    " PRIMARY KEY (child, uid)) WITHOUT ROWID;"
    "CREATE INDEX owners_uid ON owners (uid);"
    /* type: enum store_event_type; every version up to counter.compacted is gone */
    "CREATE TABLE log (version INTEGER PRIMARY KEY, type INTEGER NOT NULL, resource TEXT NOT NULL,"
    " namespace TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL);"
    "CREATE INDEX log_secrets ON log (namespace, name) WHERE resource = 'secrets';"
    "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL,"
    " namespace TEXT NOT NULL, name TEXT NOT NULL, series TEXT NOT NULL, last_ms INTEGER NOT NULL,"
    " object TEXT NOT NULL);"
    "CREATE INDEX events_object ON events (resource, namespace, name, last_ms);"
    "CREATE INDEX events_series ON events (series, last_ms);"
    "PRAGMA application_id = 0x6365726c;"
    "PRAGMA user_version = 1;";

/* Old keys do not stay readable in pages that are written anyway; what is in the file is ours. */
static const char settings[] = "PRAGMA secure_delete = FAST; PRAGMA trusted_schema = OFF;"
                               " PRAGMA cell_size_check = ON;";
/* The kernel caches the file, too: half a megabyte of our own is enough for the tops of the trees. Not in
 * the settings, for it reads the file. */
static const char journal[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                              " PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -512;";

static int run_text(struct local_store *self, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(self->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : local_fail(self, rc, "opening", err);
}

static int query_int(struct local_store *self, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    rc = sqlite3_prepare_v2(self->db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt); /* repeats rc */
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

struct identity {
    int64_t application;
    int64_t version;
    int64_t tables;
};

static int identity_read(struct local_store *self, struct identity *ret)
{
    int rc;

    rc = query_int(self, "PRAGMA application_id", &ret->application);
    if (rc == SQLITE_OK)
        rc = query_int(self, "PRAGMA user_version", &ret->version);
    if (rc == SQLITE_OK)
        rc = query_int(self, "SELECT count(*) FROM sqlite_schema", &ret->tables);
    return rc;
}

static bool identity_is_new(const struct identity *identity)
{
    return identity->application == 0 && identity->version == 0 && identity->tables == 0;
}

static int identity_check(const struct local_store *self, const struct identity *identity,
                          struct err *err)
{
    if (identity->application != APPLICATION_ID)
        return err_set(err, ERR_INVALID, "'%s' is not a store of certlet, give another file",
                       self->path);
    if (identity->version > SCHEMA_VERSION)
        return err_set(
            err, ERR_INVALID,
            "store '%s' was written by a newer certlet (schema %lld, here %d), use that one",
            self->path, (long long)identity->version, SCHEMA_VERSION);
    return 0;
}

static int identity_failed(struct local_store *self, int rc, struct err *err)
{
    if ((rc & 0xff) == SQLITE_NOTADB)
        return err_set(err, ERR_INVALID, "'%s' is not a store of certlet, give another file",
                       self->path);
    return local_fail(self, rc, "opening", err);
}

/* Makes the tables, unless another process has just done so. */
static int schema_make(struct local_store *self, struct err *err)
{
    struct identity identity = {};
    int rc, r;

    r = run_text(self, "BEGIN IMMEDIATE", err);
    if (r < 0)
        return r;
    rc = identity_read(self, &identity);
    if (rc != SQLITE_OK)
        r = identity_failed(self, rc, err);
    else if (identity_is_new(&identity))
        r = run_text(self, schema, err);
    if (r == 0)
        r = run_text(self, "COMMIT", err);
    if (r < 0)
        (void)sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL); /* the first error is told */
    return r;
}

/* One state of the file: another process may be making the tables at this moment. */
static int identity_read_once(struct local_store *self, struct identity *ret, struct err *err)
{
    int rc, r;

    r = run_text(self, "BEGIN", err);
    if (r < 0)
        return r;
    rc = identity_read(self, ret);
    (void)sqlite3_exec(self->db, "COMMIT", NULL, NULL, NULL); /* nothing was written */
    return rc == SQLITE_OK ? 0 : identity_failed(self, rc, err);
}

static int schema_ensure(struct local_store *self, struct err *err)
{
    struct identity identity = {};
    int r;

    r = identity_read_once(self, &identity, err);
    if (r < 0)
        return r;
    if (self->read_only)
        return identity_check(self, &identity, err);
    if (!identity_is_new(&identity)) {
        r = identity_check(self, &identity, err);
        if (r < 0)
            return r;
    }
    r = run_text(self, journal, err);
    if (r < 0)
        return r;
    return identity_is_new(&identity) ? schema_make(self, err) : 0;
}

static int open_db(struct local_store *self, const char *name, int flags, struct err *err)
{
    int rc;

    (void)sqlite3_close(self->db); /* of an earlier try; no statements are open */
    self->db = NULL;
    rc = sqlite3_open_v2(name, &self->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         NULL);
    if (!self->db)
        return err_set(err, ERR_NOMEM, "opening store: no memory");
    if (rc != SQLITE_OK)
        return local_fail(self, rc, "opening", err);
    (void)sqlite3_busy_timeout(self->db, LOCAL_BUSY_MS); /* cannot fail */
    return run_text(self, settings, err);
}

static int open_memory(struct local_store *self, struct err *err)
{
    int r;

    r = open_db(self, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (r < 0)
        return r;
    return run_text(self, schema, err);
}

/* Others must not read what holds private keys, whoever made the file. */
static int make_private(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_errno(err, errno, "opening store '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "store '%s' is not a file", path);
    if ((st.st_mode & 077) != 0 && chmod(path, 0600) < 0)
        return err_set_errno(err, errno, "store '%s' is open to others, closing it", path);
    return 0;
}

/* Makes the file under another name and gives it its own when it is complete: two processes may
 * start at once, and switching to WAL does not wait for the other (no busy handler). */
static int make_as(struct local_store *self, const char *name, struct err *err)
{
    cleanup(fd_close) int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return err_set_errno(err, errno, "creating store '%s'", self->path);
    r = open_db(self, name, SQLITE_OPEN_READWRITE, err);
    if (r < 0)
        return r;
    r = schema_ensure(self, err);
    (void)sqlite3_close(take(self->db)); /* no statements are open */
    if (r < 0)
        return r;
    if (link(name, self->path) < 0 &&
        errno != EEXIST) /* another process was faster: all the same */
        return err_set_errno(err, errno, "creating store '%s'", self->path);
    return 0;
}

static int make_file(struct local_store *self, struct err *err)
{
    cleanup(xfree) char *name = NULL;
    char unique[UUID_TEXT_MAX];
    int r;

    random_uuid(unique);
    name = xasprintf("%s.%s.new", self->path, unique);
    r = make_as(self, name, err);
    (void)unlink(name); /* best effort: an empty store under an odd name does no harm */
    return r;
}

/* An existing file is only opened by SQLite: closing another descriptor of it would drop the locks
 * that a connection of this process holds (POSIX; sqlite.org/howtocorrupt.html 2.2). */
static int open_read_write(struct local_store *self, struct err *err)
{
    int r = 0;

    if (access(self->path, F_OK) < 0)
        r = make_file(self, err);
    if (r < 0)
        return r;
    r = make_private(self->path, err);
    if (r < 0)
        return r;
    r = open_db(self, self->path, SQLITE_OPEN_READWRITE, err);
    if (r < 0)
        return r;
    return schema_ensure(self, err);
}

static bool has_wal(const struct local_store *self)
{
    cleanup(xfree) char *wal = xasprintf("%s-wal", self->path);
    struct stat st;

    return stat(wal, &st) == 0 && st.st_size > 0;
}

static char *immutable_uri(const char *path)
{
    cleanup(buf_deinit) struct buf uri = BUF(SIZE_MAX); /* three times the path at most */

    buf_add_str(&uri, "file:");
    for (; *path; path++) {
        if (strchr("%?#", *path))
            buf_addf(&uri, "%%%02X", (unsigned char)*path);
        else
            buf_add_char(&uri, *path);
    }
    buf_add_str(&uri, "?immutable=1");
    return buf_take(&uri);
}

static int open_immutable(struct local_store *self, struct err *err)
{
    cleanup(xfree) char *uri = immutable_uri(self->path);

    if (has_wal(self))
        return err_set(
            err, ERR_DENIED,
            "reading store '%s' beside a running certlet needs write access to its folder:"
            " run this as the user that runs certlet",
            self->path);
    return open_db(self, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
}

static int open_read_only(struct local_store *self, struct err *err)
{
    int64_t tables;
    int rc, r;

    if (access(self->path, R_OK) < 0)
        return err_set_errno(err, errno, "opening store '%s'", self->path);
    r = open_db(self, self->path, SQLITE_OPEN_READONLY, err);
    if (r < 0)
        return r;
    rc = query_int(self, "SELECT count(*) FROM sqlite_schema", &tables);
    if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) {
        r = open_immutable(self, err);
        if (r < 0)
            return r;
    }
    return schema_ensure(self, err);
}

int local_file_open(struct local_store *self, struct err *err)
{
    if (!self->path)
        return open_memory(self, err);
    return self->read_only ? open_read_only(self, err) : open_read_write(self, err);
}
