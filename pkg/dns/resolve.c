#include "dns/resolve.h"

#include <string.h>

#include "base/file.h"
#include "dns/message.h"

#define LIMIT_SYSTEM_FILE (256 * 1024)
#define NAMESERVERS_MAX   3 /* as many as the C library takes: resolv.conf(5) MAXNS */
#define NDOTS_MAX         15

const struct resolve_files resolve_files_of_system = {"/etc/hosts", "/etc/resolv.conf"};

void resolv_conf_deinit(struct resolv_conf *conf)
{
    strlist_deinit(&conf->nameservers);
    strlist_deinit(&conf->search);
}

/* Both files: words between blanks, comments from '#' (and ';' where it stands first). */
static void split_words(struct strlist *words, const char *line)
{
    size_t len = strcspn(line, "#");

    while (len > 0 && *line != ';') {
        size_t blank = strspn(line, " \t\r"), word;

        if (blank >= len)
            return;
        line += blank;
        len -= blank;
        word = strcspn(line, " \t\r");
        if (word > len)
            word = len;
        strlist_add_take(words, xstrndup(line, word));
        line += word;
        len -= word;
    }
}

typedef bool line_fn(void *arg, const struct strlist *words); /* false: stop */

static int each_line(const char *path, line_fn *fn, void *arg, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_SYSTEM_FILE);
    cleanup(strlist_deinit) struct strlist lines = {};
    struct err read_err;
    int r;

    r = file_read(path, &text, &read_err);
    if (r == ERR_NOT_FOUND)
        return 0;
    if (r < 0)
        return err_pass(err, &read_err);
    strlist_split(&lines, buf_str(&text), '\n');
    for (size_t i = 0; i < lines.len; i++) {
        cleanup(strlist_deinit) struct strlist words = {};

        split_words(&words, lines.items[i]);
        if (words.len > 1 && !fn(arg, &words))
            break;
    }
    return 0;
}

static bool conf_line(void *arg, const struct strlist *words)
{
    struct resolv_conf *conf = arg;
    const char *keyword = words->items[0];
    int64_t ndots;

    if (streq(keyword, "nameserver") && conf->nameservers.len < NAMESERVERS_MAX)
        strlist_add(&conf->nameservers, words->items[1]);
    if (streq(keyword, "search") || streq(keyword, "domain")) {
        strlist_deinit(&conf->search); /* the last one counts */
        for (size_t i = 1; i < words->len; i++)
            strlist_add(&conf->search, words->items[i]);
    }
    for (size_t i = 1; streq(keyword, "options") && i < words->len; i++) {
        if (str_starts(words->items[i], "ndots:") &&
            str_parse_int(words->items[i] + strlen("ndots:"), 0, NDOTS_MAX, &ndots) == 0)
            conf->ndots = (int)ndots;
    }
    return true;
}

int resolv_conf_read(const char *path, struct resolv_conf *ret, struct err *err)
{
    cleanup(resolv_conf_deinit) struct resolv_conf conf = {.ndots = 1};
    int r;

    r = each_line(path, conf_line, &conf, err);
    if (r < 0)
        return r;
    *ret = conf;
    conf = (struct resolv_conf){};
    return 0;
}

struct hosts_search {
    const char *host;
    struct strlist *found;
};

static bool hosts_line(void *arg, const struct strlist *words)
{
    struct hosts_search *search = arg;

    for (size_t i = 1; i < words->len; i++) {
        if (streq_ci(words->items[i], search->host) && !strlist_has(search->found, words->items[0]))
            strlist_add(search->found, words->items[0]);
    }
    return true;
}

static int count_dots(const char *name)
{
    int count = 0;

    for (; *name; name++)
        count += *name == '.';
    return count;
}

/* In the order in which the C library tries them. */
static void candidates(const struct resolv_conf *conf, const char *host, struct strlist *names)
{
    bool as_it_is_first = count_dots(host) >= conf->ndots;

    if (as_it_is_first)
        strlist_add(names, host);
    for (size_t i = 0; !str_ends(host, ".") && i < conf->search.len; i++)
        strlist_add_take(names, xasprintf("%s.%s", host, conf->search.items[i]));
    if (!as_it_is_first)
        strlist_add(names, host);
}

int resolve_host(struct dns *dns, const struct context *ctx, const struct resolve_files *files,
                 const char *host, struct strlist *ret, struct err *err)
{
    cleanup(strlist_deinit) struct strlist found = {}, names = {};
    cleanup(resolv_conf_deinit) struct resolv_conf conf = {};
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    struct hosts_search search = {host, &found};
    struct err lookup_err;
    int r;

    r = each_line(files->hosts, hosts_line, &search, err);
    if (r == 0 && found.len > 0) {
        *ret = found;
        found = (struct strlist){};
        return 0;
    }
    if (r == 0)
        r = resolv_conf_read(files->resolv_conf, &conf, err);
    if (r == 0)
        r = dns_servers_of_system(files->resolv_conf, &servers, err);
    if (r < 0)
        return r;
    candidates(&conf, host, &names);
    r = ERR_NOT_FOUND;
    for (size_t i = 0; i < names.len && r == ERR_NOT_FOUND; i++)
        r = dns_addresses(dns, ctx, &servers, names.items[i], ret, &lookup_err);
    if (r == ERR_NOT_FOUND)
        return err_set(err, ERR_NETWORK, "no address is known for host '%s'", host);
    return r < 0 ? err_pass(err, &lookup_err) : 0;
}
