#include "solver/http01.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/thread.h"
#include "server/server.h"
#include "support/testing.h"

#define HOST  "www.example.com"
#define TOKEN "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define KEY   TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define PATH  "/.well-known/acme-challenge/" TOKEN

/* --- what is answered --- */

struct bed {
    struct server *server;
    struct http01 *http01;
};

static void bed_init(struct bed *bed, const char *listen)
{
    struct err err = {};
    struct http01_options options = {.listen = listen};

    *bed = (struct bed){};
    ASSERT_OK(server_new(&bed->server, &err));
    options.server = bed->server;
    ASSERT_OK(http01_new(&options, &bed->http01, &err));
}

static void bed_deinit(struct bed *bed)
{
    http01_free(bed->http01);
    server_free(bed->server);
    *bed = (struct bed){};
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

#define SETUP()                                                                                    \
    cleanup(bed_deinit) struct bed bed = {};                                                       \
    struct err err = {};                                                                           \
                                                                                                   \
    bed_init(&bed, "127.0.0.1:0")

/* Status; the body is in `body`. */
static int answer(struct bed *bed, const char *method, const char *host, const char *path,
                  struct buf *body)
{
    struct server_request request = {method, path, "", host, "192.0.2.1"};
    struct server_response response = {.status = 200, .body = BUF(1024)};

    http01_answer(bed->http01, &request, &response);
    ASSERT_TRUE(response.no_store);
    buf_reset(body);
    buf_add(body, response.body.data, response.body.len);
    buf_deinit(&response.body);
    return response.status;
}

TEST(only_the_exact_question_is_answered)
{
    static const struct {
        const char *method, *host, *path;
        int status;
    } cases[] = {
        {"GET", HOST, PATH, 200},
        {"HEAD", HOST, PATH, 200},
        {"GET", HOST ":8080", PATH, 200},
        {"GET", "WWW.Example.COM", PATH, 200},
        {"POST", HOST, PATH, 404},
        {"GET", "example.com", PATH, 404},
        {"GET", "", PATH, 404},
        {"GET", "[" HOST "]", PATH, 200},
        {"GET", HOST ".evil.example", PATH, 404},
        {"GET", HOST, "/", 404},
        {"GET", HOST, "/healthz", 404},
        {"GET", HOST, PATH "/", 404},
        {"GET", HOST, PATH "x", 404},
        {"GET", HOST, "/x" PATH, 404},
        {"GET", HOST, "/.well-known/acme-challenge/", 404},
        {"GET", HOST, "/.well-known/acme-challenge", 404},
        {"GET", HOST, "/.well-known/acme-challenge/../acme-challenge/" TOKEN, 404},
    };
    cleanup(buf_deinit) struct buf body = BUF(1024);
    SETUP();

    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CASE(cases[i].path);
        ASSERT_EQ(answer(&bed, cases[i].method, cases[i].host, cases[i].path, &body),
                  cases[i].status);
        ASSERT_STREQ(buf_str(&body), cases[i].status == 200 ? KEY : "");
    }
}

TEST(addresses_are_compared_as_addresses)
{
    static const struct {
        const char *added, *asked;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1", "192.0.2.1:80"},
        {"2001:db8::1", "[2001:db8::1]"},
        {"2001:db8::1", "[2001:DB8:0:0::1]:80"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(buf_deinit) struct buf body = BUF(1024);
        SETUP();

        CASE(cases[i].asked);
        ASSERT_OK(http01_add(bed.http01, cases[i].added, TOKEN, KEY, &err));
        ASSERT_EQ(answer(&bed, "GET", cases[i].asked, PATH, &body), 200);
    }
}

TEST(tokens_that_could_leave_their_folder_are_refused)
{
    static const char *const tokens[] = {
        "../" TOKEN,
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "a.b",
        "a%2fb",
        "a b",
        "a\n",
        "\xc3\xa4",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
        "12345678901234567890123456789012345678"};
    SETUP();

    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        CASE(tokens[i]);
        ASSERT_ERR(ERR_INVALID, http01_add(bed.http01, HOST, tokens[i], KEY, &err));
        ASSERT_ERR(ERR_INVALID, http01_remove(bed.http01, HOST, tokens[i], &err));
    }
    ASSERT_EQ(http01_port(bed.http01), 0);
}

TEST(a_token_with_another_key_is_refused_and_the_first_goes_on)
{
    cleanup(buf_deinit) struct buf body = BUF(1024);
    SETUP();

    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    ASSERT_ERR(ERR_EXISTS, http01_add(bed.http01, HOST, TOKEN, "other", &err));
    ASSERT_ERR(ERR_EXISTS, http01_add(bed.http01, "evil.example", TOKEN, "other", &err));
    ASSERT_OK(http01_remove(bed.http01, "evil.example", TOKEN, &err));
    ASSERT_EQ(answer(&bed, "GET", HOST, PATH, &body), 200);
    ASSERT_STREQ(buf_str(&body), KEY);
}

/* --- the listener --- */

/* -1: nobody listens. */
static int dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (void *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static void ask(uint16_t port, const char *host, struct buf *to)
{
    cleanup(xfree) char *request = xasprintf("GET " PATH " HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    cleanup(fd_close) int fd = dial(port);
    char step[1024];
    ssize_t got;

    ASSERT_TRUE(fd >= 0);
    ASSERT_EQ(write(fd, request, strlen(request)), strlen(request));
    while ((got = read(fd, step, sizeof(step))) > 0)
        buf_add(to, step, (size_t)got);
}

TEST(the_port_is_bound_only_while_there_is_a_token)
{
    uint16_t port;
    SETUP();

    ASSERT_EQ(http01_port(bed.http01), 0);
    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    ASSERT_OK(http01_add(bed.http01, HOST, "second", "second.key", &err));
    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    port = http01_port(bed.http01);
    ASSERT_TRUE(port > 0);
    ASSERT_OK(http01_remove(bed.http01, HOST, TOKEN, &err));
    ASSERT_EQ(http01_port(bed.http01), port);
    ASSERT_OK(http01_remove(bed.http01, HOST, "second", &err));
    ASSERT_EQ(http01_port(bed.http01), 0);
    ASSERT_EQ(dial(port), -1);
    ASSERT_OK(http01_remove(bed.http01, HOST, "second", &err));
}

TEST(the_key_is_served_over_a_socket_without_a_line_break)
{
    cleanup(buf_deinit) struct buf good = BUF(8192), bad = BUF(8192);
    SETUP();

    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    ask(http01_port(bed.http01), HOST, &good);
    ASSERT_TRUE(str_starts(buf_str(&good), "HTTP/1.1 200 "));
    ASSERT_TRUE(str_ends(buf_str(&good), "\r\n\r\n" KEY));
    ASSERT_CONTAINS(buf_str(&good), "no-store");
    ask(http01_port(bed.http01), "other.example", &bad);
    ASSERT_TRUE(str_starts(buf_str(&bad), "HTTP/1.1 404 "));
    ASSERT_NULL(strstr(buf_str(&bad), KEY));
}

TEST(a_refused_bind_says_where_and_what_to_do)
{
    cleanup(xfree) char *address = NULL;
    cleanup(bed_deinit) struct bed second = {};
    SETUP();

    ASSERT_OK(http01_add(bed.http01, HOST, TOKEN, KEY, &err));
    address = xasprintf("127.0.0.1:%u", http01_port(bed.http01));
    bed_init(&second, address);
    ASSERT_ERR(ERR_EXISTS, http01_add(second.http01, HOST, TOKEN, KEY, &err));
    ASSERT_CONTAINS(err.text, address);
    ASSERT_CONTAINS(err.text, "--http01-webroot");
    ASSERT_CONTAINS(err.text, "--http01-listen");

    /* It is tried anew each time: the port may have become free. */
    ASSERT_OK(http01_remove(bed.http01, HOST, TOKEN, &err));
    ASSERT_OK(http01_add(second.http01, HOST, TOKEN, KEY, &err));
}

struct crowd {
    struct bed *bed;
    int number;
};

static void add_ask_remove(void *arg)
{
    struct crowd *crowd = arg;
    cleanup(xfree) char *token = xasprintf("token-%d", crowd->number);
    cleanup(xfree) char *path = xasprintf("/.well-known/acme-challenge/%s", token);

    for (int i = 0; i < 50; i++) {
        cleanup(buf_deinit) struct buf body = BUF(1024);
        struct err err = {};

        ASSERT_OK(http01_add(crowd->bed->http01, HOST, token, token, &err));
        ASSERT_EQ(answer(crowd->bed, "GET", HOST, path, &body), 200);
        ASSERT_STREQ(buf_str(&body), token);
        ASSERT_OK(http01_remove(crowd->bed->http01, HOST, token, &err));
    }
}

TEST(many_threads_add_and_remove_at_once)
{
    struct crowd crowds[4];
    struct thread *threads[ARRAY_LEN(crowds)];
    SETUP();

    for (size_t i = 0; i < ARRAY_LEN(crowds); i++) {
        crowds[i] = (struct crowd){&bed, (int)i};
        ASSERT_OK(thread_start("crowd", add_ask_remove, &crowds[i], &threads[i], &err));
    }
    for (size_t i = 0; i < ARRAY_LEN(crowds); i++)
        thread_join(threads[i]);
    ASSERT_EQ(http01_port(bed.http01), 0);
}

TEST(somebody_must_be_able_to_answer)
{
    struct http01 *http01 = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, http01_new(&(struct http01_options){.listen = ":80"}, &http01, &err));
    ASSERT_NULL(http01);
}

/* --- web root --- */

struct tree {
    char path[64];
    struct http01 *http01;
};

static struct http01 *webroot_http01(const char *path)
{
    struct http01 *http01 = NULL;
    struct err err = {};

    ASSERT_OK(http01_new(&(struct http01_options){.webroot = path}, &http01, &err));
    return http01;
}

static void tree_init(struct tree *tree)
{
    snprintf(tree->path, sizeof(tree->path), "/tmp/certlet-webroot-XXXXXX");
    assert_non_null(mkdtemp(tree->path));
    tree->http01 = webroot_http01(tree->path);
}

static void tree_deinit(struct tree *tree)
{
    http01_free(tree->http01);
    ASSERT_EQ(rmdir(tree->path), 0); /* nothing is left behind */
}
DEFINE_CLEANUP_VALUE(struct tree, tree_deinit);

static char *below(const struct tree *tree, const char *path)
{
    return xasprintf("%s%s", tree->path, path);
}

static void assert_mode(const struct tree *tree, const char *path, mode_t mode)
{
    cleanup(xfree) char *full = below(tree, path);
    struct stat st = {};

    CASE(path);
    ASSERT_EQ(stat(full, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, mode);
}

static bool exists(const struct tree *tree, const char *path)
{
    cleanup(xfree) char *full = below(tree, path);
    struct stat st;

    return lstat(full, &st) == 0;
}

static void make_folder(const struct tree *tree, const char *path)
{
    cleanup(xfree) char *full = below(tree, path);

    ASSERT_EQ(mkdir(full, 0755), 0);
}

static void remove_folder(const struct tree *tree, const char *path)
{
    cleanup(xfree) char *full = below(tree, path);

    ASSERT_EQ(rmdir(full), 0);
}

static void read_file(const struct tree *tree, const char *path, struct buf *to)
{
    cleanup(xfree) char *full = below(tree, path);
    struct err err = {};

    buf_reset(to);
    ASSERT_OK(file_read(full, to, &err));
}

TEST(the_answer_is_a_file_that_others_can_read_and_goes_with_its_folders)
{
    cleanup(tree_deinit) struct tree tree = {};
    cleanup(buf_deinit) struct buf content = BUF(1024);
    struct err err = {};
    mode_t mask = umask(077);

    tree_init(&tree);
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    umask(mask);
    read_file(&tree, PATH, &content);
    ASSERT_STREQ(buf_str(&content), KEY);
    assert_mode(&tree, PATH, 0644);
    assert_mode(&tree, "/.well-known", 0755);
    assert_mode(&tree, "/.well-known/acme-challenge", 0755);
    ASSERT_EQ(http01_port(tree.http01), 0);
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    ASSERT_OK(http01_remove(tree.http01, HOST, TOKEN, &err));
    ASSERT_FALSE(exists(&tree, "/.well-known"));
    ASSERT_OK(http01_remove(tree.http01, HOST, TOKEN, &err));
}

TEST(folders_of_others_stay_and_so_do_folders_in_use)
{
    cleanup(tree_deinit) struct tree tree = {};
    struct err err = {};

    tree_init(&tree);
    make_folder(&tree, "/.well-known");
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    ASSERT_OK(http01_add(tree.http01, HOST, "second", "second.key", &err));
    ASSERT_OK(http01_remove(tree.http01, HOST, TOKEN, &err));
    ASSERT_FALSE(exists(&tree, PATH));
    ASSERT_TRUE(exists(&tree, "/.well-known/acme-challenge/second"));
    ASSERT_OK(http01_remove(tree.http01, HOST, "second", &err));
    ASSERT_FALSE(exists(&tree, "/.well-known/acme-challenge"));
    ASSERT_TRUE(exists(&tree, "/.well-known"));
    remove_folder(&tree, "/.well-known");
}

TEST(a_file_of_an_earlier_run_is_taken_over_and_removed)
{
    cleanup(tree_deinit) struct tree tree = {};
    cleanup(http01_free) struct http01 *later = NULL;
    struct err err = {};

    tree_init(&tree);
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    later = webroot_http01(tree.path);
    ASSERT_OK(http01_remove(later, HOST, TOKEN, &err));
    ASSERT_FALSE(exists(&tree, PATH));
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err)); /* and it is put back */
    ASSERT_TRUE(exists(&tree, PATH));
}

TEST(a_token_of_two_hosts_stays_until_the_last)
{
    cleanup(tree_deinit) struct tree tree = {};
    struct err err = {};

    tree_init(&tree);
    ASSERT_OK(http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    ASSERT_OK(http01_add(tree.http01, "example.com", TOKEN, KEY, &err));
    ASSERT_OK(http01_remove(tree.http01, HOST, TOKEN, &err));
    ASSERT_TRUE(exists(&tree, PATH));
    ASSERT_OK(http01_remove(tree.http01, "example.com", TOKEN, &err));
    ASSERT_FALSE(exists(&tree, PATH));
}

TEST(no_symbolic_link_below_the_web_root_is_followed)
{
    cleanup(tree_deinit) struct tree tree = {};
    cleanup(xfree) char *link = NULL;
    struct err err = {};

    tree_init(&tree);
    link = below(&tree, "/.well-known");
    ASSERT_EQ(symlink("/tmp", link), 0);
    ASSERT_ERR(ERR_IO, http01_add(tree.http01, HOST, TOKEN, KEY, &err));
    ASSERT_CONTAINS(err.text, "not a symbolic link");
    ASSERT_EQ(unlink(link), 0);
}

TEST(a_web_root_that_is_not_there_is_said_at_the_start)
{
    struct http01 *http01 = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND,
               http01_new(&(struct http01_options){.webroot = "/nowhere/certlet"}, &http01, &err));
    ASSERT_CONTAINS(err.text, "'/nowhere/certlet'");
}

RUN_TESTS(cmocka_unit_test(only_the_exact_question_is_answered),
          cmocka_unit_test(addresses_are_compared_as_addresses),
          cmocka_unit_test(tokens_that_could_leave_their_folder_are_refused),
          cmocka_unit_test(a_token_with_another_key_is_refused_and_the_first_goes_on),
          cmocka_unit_test(the_port_is_bound_only_while_there_is_a_token),
          cmocka_unit_test(the_key_is_served_over_a_socket_without_a_line_break),
          cmocka_unit_test(a_refused_bind_says_where_and_what_to_do),
          cmocka_unit_test(many_threads_add_and_remove_at_once),
          cmocka_unit_test(somebody_must_be_able_to_answer),
          cmocka_unit_test(the_answer_is_a_file_that_others_can_read_and_goes_with_its_folders),
          cmocka_unit_test(folders_of_others_stay_and_so_do_folders_in_use),
          cmocka_unit_test(a_file_of_an_earlier_run_is_taken_over_and_removed),
          cmocka_unit_test(a_token_of_two_hosts_stays_until_the_last),
          cmocka_unit_test(no_symbolic_link_below_the_web_root_is_followed),
          cmocka_unit_test(a_web_root_that_is_not_there_is_said_at_the_start));
