#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dns/resolve.h"
#include "dns/socket.h"
#include "http/http.h"

#define PORT_DNS 53

static int invalid(const char *text, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "dns server '%s': %s", text, why);
}

static int parse_url(const char *text, struct dns_server *ret, struct err *err)
{
    struct dns_server server = {.transport = DNS_HTTPS};
    int r;

    if (strlen(text) >= sizeof(server.url))
        return invalid(text, "the url is too long", err);
    r = http_url_check_https(text, err);
    if (r < 0)
        return err_wrap(err, "dns server '%s'", text);
    (void)snprintf(server.url, sizeof(server.url), "%s", text);
    *ret = server;
    return 0;
}

static bool is_host_name(const char *text)
{
    size_t label = 0;

    for (; *text; text++) {
        label = *text == '.' ? 0 : label + 1;
        if (*text == '.' ? text[1] == '.'
                         : !isalnum((unsigned char)*text) && *text != '-' && *text != '_')
            return false;
        if (label > 63)
            return false;
    }
    return true;
}

/* Where the address ends and, behind ':', the port begins; NULL: no port. */
static const char *split_port(const char *text, size_t *ret_len, bool *ret_ok)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL, *colon = strchr(text, ':');

    *ret_ok = *text != '[' || end;
    if (end) {
        *ret_len = (size_t)(end - text) - 1;
        *ret_ok = end[1] == '\0' || end[1] == ':';
        return end[1] == ':' ? end + 2 : NULL;
    }
    if (!colon || strchr(colon + 1, ':')) { /* two colons: IPv6 without brackets */
        *ret_len = strlen(text);
        return NULL;
    }
    *ret_len = (size_t)(colon - text);
    return colon + 1;
}

static int parse_address(const char *text, struct dns_server *ret, struct err *err)
{
    struct dns_server server = {.transport = DNS_UDP, .port = PORT_DNS};
    struct address literal;
    const char *port;
    int64_t number;
    size_t len;
    bool ok;

    port = split_port(text, &len, &ok);
    if (!ok || len == 0 || len >= sizeof(server.address))
        return invalid(text, "want an address or host name, and a port behind ':'", err);
    memcpy(server.address, text + (*text == '['), len);
    if (str_empty(port))
        port = NULL; /* 'host:' is what cert-manager takes for 'host', too */
    if (port && str_parse_int(port, 1, UINT16_MAX, &number) < 0)
        return invalid(text, "the port is not a number from 1 to 65535", err);
    if (port)
        server.port = (uint16_t)number;
    if (address_parse(server.address, server.port, &literal, NULL) < 0 &&
        (*text == '[' || !is_host_name(server.address)))
        return invalid(text, "neither an address nor a host name", err);
    *ret = server;
    return 0;
}

int dns_server_parse(const char *text, struct dns_server *ret, struct err *err)
{
    if (strstr(text, "://"))
        return parse_url(text, ret, err);
    return parse_address(text, ret, err);
}

void dns_server_format(const struct dns_server *server, struct buf *to)
{
    if (server->transport == DNS_HTTPS)
        buf_add_str(to, server->url);
    else
        buf_addf(to, strchr(server->address, ':') ? "[%s]:%u" : "%s:%u", server->address,
                 server->port);
}

/* --- lists --- */

void dns_servers_deinit(struct dns_servers *servers)
{
    xfree(servers->items);
    *servers = (struct dns_servers){};
}

static int add_text(struct dns_servers *servers, const char *text, struct err *err)
{
    struct dns_server server;
    int r;

    r = dns_server_parse(text, &server, err);
    if (r < 0)
        return r;
    servers->items = xrealloc(servers->items, (servers->len + 1) * sizeof(*servers->items));
    servers->items[servers->len++] = server;
    return 0;
}

static int add_texts(struct dns_servers *servers, const struct strlist *texts, struct err *err)
{
    for (size_t i = 0; i < texts->len; i++) {
        int r = add_text(servers, texts->items[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}

int dns_servers_parse(const struct strlist *texts, struct dns_servers *ret, struct err *err)
{
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    cleanup(strlist_deinit) struct strlist split = {};
    int r;

    for (size_t i = 0; i < texts->len; i++)
        strlist_split(&split, texts->items[i], ',');
    r = add_texts(&servers, &split, err);
    if (r < 0)
        return r;
    *ret = servers;
    servers = (struct dns_servers){};
    return 0;
}

int dns_servers_of_system(const char *resolv_conf_path, struct dns_servers *ret, struct err *err)
{
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    cleanup(resolv_conf_deinit) struct resolv_conf conf = {};
    int r;

    r = resolv_conf_read(resolv_conf_path, &conf, err);
    if (r < 0)
        return r;
    if (conf.nameservers.len == 0)
        strlist_split(&conf.nameservers, "8.8.8.8,8.8.4.4", ',');
    r = add_texts(&servers, &conf.nameservers, err);
    if (r < 0)
        return err_wrap(err, "reading '%s'", resolv_conf_path);
    *ret = servers;
    servers = (struct dns_servers){};
    return 0;
}
