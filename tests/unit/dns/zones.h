/*
 * zones.h - a fake resolver for tests of what is built from questions: rows of a table.
 */
#ifndef TESTS_DNS_ZONES_H
#define TESTS_DNS_ZONES_H

#include <stdio.h>

#include "base/context.h"
#include "dns/dns.h"
#include "support/testing.h"

struct zone_row {
    const char *server; /* NULL: every one */
    const char *asked;  /* "*": every name that no row above has */
    int type;           /* 0: every type */
    int rcode;          /* or a negative code of err.h: the exchange fails */
    struct {
        const char *name; /* NULL: the name that was asked for */
        int type;
        const char *value;
    } answers[6];
};

struct zones {
    const struct zone_row *rows;
    size_t len;
    int asked;
    char last[256];
};

static inline void zones_add_answer(struct dns_reply *reply, const char *name, int type,
                                    const char *value)
{
    reply->answers = xrealloc(reply->answers, (reply->answer_count + 1) * sizeof(*reply->answers));
    reply->answers[reply->answer_count++] = (struct dns_record){
        .name = xstrdup(name), .type = type, .ttl = 60, .value = xstrdup(value)};
}

static inline bool zones_row_fits(const struct zone_row *row, const struct dns_server *server,
                                  const struct dns_query *query)
{
    return (!row->server || streq(row->server, server->address)) &&
           (streq(row->asked, "*") || streq(row->asked, query->name)) &&
           (row->type == 0 || row->type == (int)query->type);
}

/* Without a row: NXDOMAIN. */
static inline int zones_exchange(void *arg, const struct context *ctx,
                                 const struct dns_server *server, const struct dns_query *query,
                                 struct dns_reply *ret, struct err *err)
{
    struct zones *zones = arg;
    const struct zone_row *row = NULL;

    zones->asked++;
    (void)snprintf(zones->last, sizeof(zones->last), "%s", query->name);
    for (size_t i = 0; !row && i < zones->len; i++) {
        if (zones_row_fits(&zones->rows[i], server, query))
            row = &zones->rows[i];
    }
    if (row && row->rcode < 0)
        return err_set(err, row->rcode, "as the table says");
    *ret = (struct dns_reply){.rcode = row ? row->rcode : DNS_NXDOMAIN};
    for (size_t i = 0; row && i < ARRAY_LEN(row->answers) && row->answers[i].type; i++)
        zones_add_answer(ret, str_or(row->answers[i].name, query->name), row->answers[i].type,
                         row->answers[i].value);
    return 0;
}

static inline struct dns *zones_dns(struct zones *zones, const struct zone_row *rows, size_t len)
{
    *zones = (struct zones){.rows = rows, .len = len};
    return dns_new_fake(&(struct dns_fake){.exchange = zones_exchange, .arg = zones});
}

static inline void zones_servers(struct dns_servers *servers, const char *texts)
{
    cleanup(strlist_deinit) struct strlist list = {};
    struct err err = {};

    strlist_split(&list, texts, ',');
    ASSERT_OK(dns_servers_parse(&list, servers, &err));
}

#endif
