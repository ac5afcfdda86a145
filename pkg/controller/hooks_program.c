/*
 * hooks_program.c - one program: whose it is, what it prints, how it ended.
 *
 * Its output goes to the log, line by line and not without end.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/timetext.h"
#include "controller/hooks.h"

enum { OUTPUT_MAX = 64 * 1024, LINE_MAX_BYTES = 1000 };
#define GRACE_MS SECONDS(5) /* less when we stop (DESIGN 4: within 3 s) */

int program_check_owner(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_errno(err, errno, "looking at '%s'", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, "'%s' belongs to another user (%u): chown it to root", path,
                       (unsigned)st.st_uid);
    if (st.st_mode & 022)
        return err_set(err, ERR_DENIED, "'%s' is writable by others (mode %04o): chmod go-w", path,
                       (unsigned)st.st_mode & 07777);
    return 0;
}

/* --- output --- */

struct output {
    const struct context *ctx;
    const char *name;
    struct buf line; /* begun, not logged yet */
    size_t total;
};

static void output_deinit(struct output *output)
{
    buf_deinit(&output->line);
}
DEFINE_CLEANUP_VALUE(struct output, output_deinit);

static void log_line(struct output *output)
{
    cleanup(xfree) char *line = buf_take(&output->line);

    if (str_empty(line))
        return;
    str_clean(line);
    log_info(output->ctx, "hook '%s': %s", output->name, line);
}

static void add_char(struct output *output, char c)
{
    if (output->total++ >= OUTPUT_MAX)
        return;
    if (c != '\n' && c != '\r')
        buf_add_char(&output->line, c);
    if (c == '\n' || output->line.len == LINE_MAX_BYTES)
        log_line(output);
    if (output->total == OUTPUT_MAX) {
        log_line(output);
        log_info(output->ctx, "hook '%s': the rest of its output is left out", output->name);
    }
}

/* Never enough: to print much is no failure. */
static bool add_output(void *arg, const char *data, size_t len)
{
    struct output *output = arg;

    for (size_t i = 0; i < len; i++)
        add_char(output, data[i]);
    return false;
}

/* --- the run --- */

static int result_of(const struct program *program, const struct child_end *end, struct err *err)
{
    char words[TIME_TEXT_MAX];

    switch (end->how) {
    case CHILD_EXITED:
        if (end->number != 0)
            return err_set(err, ERR_INVALID, "exit status %d", end->number);
        break;
    case CHILD_KILLED:
        return err_set(err, ERR_INVALID, "ended by signal %d (%s)", end->number,
                       strsignal(end->number));
    case CHILD_TIMED_OUT:
        duration_words(program->timeout_ms, words);
        return err_set(err, ERR_TIMEOUT, "ended after %s, as --hook-timeout says", words);
    case CHILD_CANCELED:
        return err_set(err, ERR_CANCELED, "ended because the program stops");
    case CHILD_ENOUGH: /* add_output() never says so */
        break;
    }
    return 0;
}

int program_run(const struct context *ctx, const struct program *program, struct err *err)
{
    cleanup(output_deinit) struct output output = {
        .ctx = ctx, .name = program->name, .line = BUF(LINE_MAX_BYTES + 1)};
    cleanup(xfree) char *called = xasprintf("'%s'", program->path);
    char *arguments[] = {(char *)program->path, NULL};
    const struct child child = {.program = program->path,
                                .called = called,
                                .arguments = arguments,
                                .environment = program->environment,
                                .with_stderr = true,
                                .timeout_ms = program->timeout_ms,
                                .grace_ms = GRACE_MS,
                                .output = add_output,
                                .arg = &output};
    struct child_end end;
    struct err why = {};
    int r = child_run(ctx, &child, &end, &why);

    log_line(&output);      /* the last, which may lack its end */
    if (r == ERR_NOT_FOUND) /* it was there a moment ago */
        return err_set(err, r, "%s; is the program of its first line there, and no CR behind it?",
                       why.text);
    return r < 0 ? err_pass(err, &why) : result_of(program, &end, err);
}
