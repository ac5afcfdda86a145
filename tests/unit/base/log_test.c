#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

static struct {
    int lines;
    enum log_level level;
    char last[40000];
} seen;

static void keep_line(void *arg, enum log_level level, const char *line)
{
    seen.lines++;
    seen.level = level;
    snprintf(seen.last, sizeof(seen.last), "%s", line);
}

static struct fake_clock fake;

static void start(enum log_level most, enum log_format format)
{
    memset(&seen, 0, sizeof(seen));
    fake_clock_init(&fake, AT("2026-11-24T13:00:00.123Z"));
    log_setup(most, format, &fake.clock);
    log_set_sink(keep_line, NULL);
}

static struct context certificate_context(void)
{
    struct context ctx = context_background(&fake.clock);

    ctx.controller = "certificates";
    ctx.object = "Certificate default/web";
    ctx.reconcile_id = 0x4f2a;
    return ctx;
}

TEST(a_text_line_has_time_level_fields_and_message)
{
    struct context ctx = certificate_context();

    start(LOG_INFO, LOG_TEXT);
    log_info(&ctx, "issuing %s", "certificate");
    ASSERT_STREQ(seen.last, "2026-11-24T13:00:00.123Z INFO  controller=certificates "
                            "object=\"Certificate default/web\" id=4f2a issuing certificate");
    ASSERT_EQ(seen.level, LOG_INFO);
    log_warning(NULL, "no context");
    ASSERT_STREQ(seen.last, "2026-11-24T13:00:00.123Z WARN  no context");
    log_error(NULL, "wrong");
    ASSERT_STREQ(seen.last, "2026-11-24T13:00:00.123Z ERROR wrong");
}

TEST(a_json_line_is_one_object)
{
    struct context ctx = certificate_context();

    start(LOG_DEBUG, LOG_JSON);
    log_debug(&ctx, "issuing %s", "certificate");
    ASSERT_STREQ(seen.last,
                 "{\"ts\":\"2026-11-24T13:00:00.123Z\",\"level\":\"debug\",\"msg\":\"issuing "
                 "certificate\",\"controller\":\"certificates\",\"object\":\"Certificate "
                 "default/web\",\"id\":\"4f2a\"}");
    log_warning(NULL, "x");
    ASSERT_STREQ(seen.last,
                 "{\"ts\":\"2026-11-24T13:00:00.123Z\",\"level\":\"warning\",\"msg\":\"x\"}");
}

TEST(a_klog_line_is_what_collectors_of_kubernetes_expect)
{
    struct context ctx = certificate_context();
    char expected[300];

    start(LOG_DEBUG, LOG_KLOG);
    log_info(&ctx, "say \"%s\"", "hi");
    snprintf(expected, sizeof(expected),
             "I1124 13:00:00.123000 %7d log_test.c:%d] \"say \\\"hi\\\"\" "
             "controller=\"certificates\" kind=\"Certificate\" namespace=\"default\" "
             "name=\"web\" reconcileID=\"4f2a\"",
             (int)getpid(), __LINE__ - 5);
    ASSERT_STREQ(seen.last, expected);
    ctx = context_background(&fake.clock);
    ctx.object = "ClusterIssuer ca";
    log_error(&ctx, "x");
    ASSERT_EQ(seen.last[0], 'E');
    ASSERT_CONTAINS(seen.last, "] \"x\" kind=\"ClusterIssuer\" name=\"ca\"");
    log_warning(NULL, "x");
    ASSERT_EQ(seen.last[0], 'W');
}

TEST(a_klog_json_line_has_time_caller_message_and_verbosity)
{
    struct context ctx = certificate_context();
    char expected[300];

    start(LOG_DEBUG, LOG_KLOG_JSON);
    log_debug(&ctx, "x");
    snprintf(expected, sizeof(expected),
             "{\"ts\":1795525200123,\"caller\":\"log_test.c:%d\",\"msg\":\"x\",\"v\":4,"
             "\"controller\":\"certificates\",\"kind\":\"Certificate\","
             "\"namespace\":\"default\",\"name\":\"web\",\"reconcileID\":\"4f2a\"}",
             __LINE__ - 5);
    ASSERT_STREQ(seen.last, expected);
    log_error(NULL, "wrong");
    ASSERT_CONTAINS(seen.last, "\"msg\":\"wrong\"}");
    log_warning(NULL, "x");
    ASSERT_CONTAINS(seen.last, "\"v\":0,\"level\":\"warning\"}");
}

TEST(foreign_text_can_neither_end_a_line_nor_break_json)
{
    static const struct {
        const char *message, *text, *json;
    } rows[] = {
        {"a\nb\r\t", "a\\nb\\r\\t", "a\\nb\\r\\t"},
        {"\x1b[0m\x7f", "\\x1b[0m\\x7f", "\\u001b[0m\\u007f"},
        {"say \"hi\" \\", "say \"hi\" \\", "say \\\"hi\\\" \\\\"},
        {"gr\xc3\xbcn", "gr\xc3\xbcn", "gr\xc3\xbcn"},
        {"\xff\xc3", "??", "??"},
        {"\xc2\x9b", "?", "?"},
        {"\u202ea\u2069", "?a?", "?a?"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[200];

        CASE(rows[i].message);
        start(LOG_INFO, LOG_TEXT);
        log_info(NULL, "%s", rows[i].message);
        ASSERT_STREQ(seen.last + strlen("2026-11-24T13:00:00.123Z INFO  "), rows[i].text);
        start(LOG_INFO, LOG_JSON);
        log_info(NULL, "%s", rows[i].message);
        snprintf(expected, sizeof(expected), "\"msg\":\"%s\"}", rows[i].json);
        ASSERT_CONTAINS(seen.last, expected);
    }
}

TEST(a_field_is_quoted_when_it_must_be)
{
    struct context ctx = context_background(&fake.clock);

    start(LOG_INFO, LOG_TEXT);
    ctx.object = "a\"b=c\n";
    log_info(&ctx, "x");
    ASSERT_CONTAINS(seen.last, " object=\"a\\\"b=c\\n\" x");
    ctx.object = "plain";
    log_info(&ctx, "x");
    ASSERT_CONTAINS(seen.last, " object=plain x");
}

TEST(a_huge_message_is_cut_and_the_line_still_whole)
{
    struct context ctx = certificate_context();
    char *huge = xalloc(100001);

    memset(huge, '\x01', 100000);
    start(LOG_INFO, LOG_JSON);
    log_info(&ctx, "%s", huge);
    ASSERT_CONTAINS(seen.last, "\\u0001...\",\"controller\"");
    ASSERT_STREQ(seen.last + strlen(seen.last) - 2, "\"}");
    xfree(huge);
}

TEST(levels_beyond_the_chosen_one_are_silent)
{
    start(LOG_WARNING, LOG_TEXT);
    log_info(NULL, "x");
    log_debug(NULL, "x");
    ASSERT_EQ(seen.lines, 0);
    log_warning(NULL, "x");
    log_error(NULL, "x");
    ASSERT_EQ(seen.lines, 2);
    ASSERT_TRUE(log_enabled(LOG_ERROR));
    ASSERT_FALSE(log_enabled(LOG_INFO));
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

TEST(silent_debug_does_not_even_look_at_its_arguments)
{
    start(LOG_INFO, LOG_TEXT);
    evaluated = 0;
    log_debug(NULL, "%d", evaluate());
    ASSERT_EQ(evaluated, 0);
    start(LOG_DEBUG, LOG_TEXT);
    log_debug(NULL, "%d", evaluate());
    ASSERT_EQ(evaluated, 1);
}

/* Runs `log_info(NULL, message)` with standard error in a file and reads that. */
static void log_to_file(const char *message, char *to, size_t size)
{
    char path[] = "/tmp/certlet-log-test-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    ssize_t len;

    dup2(fd, STDERR_FILENO);
    log_info(NULL, "%s", message);
    dup2(saved, STDERR_FILENO);
    len = pread(fd, to, size - 1, 0);
    to[len < 0 ? 0 : len] = '\0';
    unlink(path);
    fd_close(saved);
    fd_close(fd);
}

TEST(without_a_sink_lines_go_to_standard_error)
{
    char text[200];

    start(LOG_INFO, LOG_TEXT);
    log_set_sink(NULL, NULL);
    log_to_file("hello", text, sizeof(text));
    ASSERT_STREQ(text, "2026-11-24T13:00:00.123Z INFO  hello\n");
    ASSERT_EQ(seen.lines, 0);
}

static void log_hundred(void *arg)
{
    struct context ctx = certificate_context();

    for (int i = 0; i < 100; i++)
        log_info(&ctx, "line %d", i);
}

TEST(threads_may_log_at_once)
{
    struct err err = {};
    struct thread *threads[4];

    start(LOG_INFO, LOG_TEXT);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("logger", log_hundred, NULL, &threads[i], &err));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    ASSERT_EQ(seen.lines, 400);
}

RUN_TESTS(cmocka_unit_test(a_text_line_has_time_level_fields_and_message),
          cmocka_unit_test(a_json_line_is_one_object),
          cmocka_unit_test(a_klog_line_is_what_collectors_of_kubernetes_expect),
          cmocka_unit_test(a_klog_json_line_has_time_caller_message_and_verbosity),
          cmocka_unit_test(foreign_text_can_neither_end_a_line_nor_break_json),
          cmocka_unit_test(a_field_is_quoted_when_it_must_be),
          cmocka_unit_test(a_huge_message_is_cut_and_the_line_still_whole),
          cmocka_unit_test(levels_beyond_the_chosen_one_are_silent),
          cmocka_unit_test(silent_debug_does_not_even_look_at_its_arguments),
          cmocka_unit_test(without_a_sink_lines_go_to_standard_error),
          cmocka_unit_test(threads_may_log_at_once));
