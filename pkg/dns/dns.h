/*
 * dns.h - questions to chosen DNS servers, dynamic updates, and what a name means.
 *
 * ldns makes and reads the messages; sockets, deadlines, retries and DoH are ours, over poll and
 * `http`. A struct dns is constant after start and may be used from any thread. A truncated UDP
 * answer is asked again over TCP, and so is a UDP timeout (half of the time is kept for it).
 * Every call blocks until its answer, deadline or cancel.
 *
 * A server given by host name is looked up as the C library would (hosts, then servers and search
 * list of resolv.conf), but with our own questions: getaddrinfo() knows no cancel and no deadline.
 *
 * Expected errors: ERR_TIMEOUT, ERR_CANCELED, ERR_NETWORK, ERR_INVALID (not a DNS name),
 * ERR_PROTOCOL (not DNS, wrong id or question over TCP and HTTPS, an answer that is not signed as
 * it should), ERR_TOO_LARGE, over HTTPS what http.h lists, ERR_UNAVAILABLE (SERVFAIL, HTTP 5xx and
 * 429), and for updates ERR_DENIED (REFUSED, NOTAUTH, BADKEY, BADSIG, BADTIME: named). From lookups
 * on, REFUSED is ERR_DENIED too.
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "base/context.h"
#include "base/limits.h"
#include "base/str.h"

struct http;
struct dns;

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_CAA = 257
};
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_REFUSED = 5,
    DNS_NOTAUTH = 9
};
enum dns_transport { DNS_UDP, DNS_TCP, DNS_HTTPS };
/* "NXDOMAIN"; "rcode 14" for others; static or thread-local. */
const char *dns_rcode_name(int rcode);

struct dns_server {
    enum dns_transport transport;
    char address[256]; /* IP or host name ("" for HTTPS) */
    uint16_t port;
    char url[512]; /* HTTPS only: RFC 8484 POST */
};
/* "192.0.2.1", "[2001:db8::1]:53", "ns.example.net:5353", "https://host/dns-query". Port 53 if
 * none. */
int dns_server_parse(const char *text, struct dns_server *ret, struct err *err);
void dns_server_format(const struct dns_server *server, struct buf *to);
/* A list of them, comma separated, or from /etc/resolv.conf, or 8.8.8.8 and 8.8.4.4 (behaviour.md
 * 11). */
struct dns_servers {
    struct dns_server *items;
    size_t len;
};
void dns_servers_deinit(struct dns_servers *servers);
DEFINE_CLEANUP_VALUE(struct dns_servers, dns_servers_deinit);
int dns_servers_parse(const struct strlist *texts, struct dns_servers *ret, struct err *err);
int dns_servers_of_system(const char *resolv_conf_path, struct dns_servers *ret, struct err *err);

struct dns_query {
    const char *name; /* with or without final dot */
    enum dns_type type;
    int64_t timeout_ms; /* 0: 10 s */
};
struct dns_record {
    char *name; /* owner, lower case, with final dot */
    int type;   /* enum dns_type; records of other types are left out */
    uint32_t ttl;
    /* A/AAAA: address; NS/CNAME: target with final dot; TXT: strings joined, a NUL as "\000";
     * SOA: mname; CAA: "flags tag value". */
    char *value;
};
struct dns_reply {
    int rcode;
    bool authoritative;
    struct dns_record *answers, *authority;
    size_t answer_count, authority_count;
};
void dns_reply_deinit(struct dns_reply *reply);
DEFINE_CLEANUP_VALUE(struct dns_reply, dns_reply_deinit);

/* TSIG (RFC 8945). `secret` is the decoded key. Where OpenSSL does not allow the algorithm (MD5 in
 * FIPS mode) the update is ERR_UNSUPPORTED. */
enum tsig_algorithm { TSIG_HMAC_MD5, TSIG_HMAC_SHA1, TSIG_HMAC_SHA256, TSIG_HMAC_SHA512 };
struct tsig {
    const char *key_name;
    enum tsig_algorithm algorithm;
    const unsigned char *secret;
    size_t secret_len;
};
/* RFC 2136: adds or deletes exactly one TXT record. */
struct dns_update {
    const char *zone, *name, *value;
    bool is_delete;
    uint32_t ttl;
    const struct tsig *tsig; /* NULL: unsigned */
    int64_t timeout_ms;      /* 0: 10 s */
};

/* Sockets and DoH for real; `http` is borrowed and may be NULL when no server is HTTPS. */
int dns_new(struct http *http, struct dns **ret, struct err *err);
/* At most so many questions to one server at a time, for each context->controller; beyond that ERR_BUSY.
 * Before the first question. */
void dns_limit(struct dns *dns, int max_per_server);
/* For tests: both calls go to these on the caller's thread. */
struct dns_fake {
    int (*exchange)(void *arg, const struct context *ctx, const struct dns_server *server,
                    const struct dns_query *query, struct dns_reply *ret_reply, struct err *err);
    int (*update)(void *arg, const struct context *ctx, const struct dns_server *server,
                  const struct dns_update *update, struct err *err);
    void *arg;
};
struct dns *dns_new_fake(const struct dns_fake *fake);
void dns_free(struct dns *dns);
DEFINE_CLEANUP(struct dns, dns_free);

/* One question to one server. Any rcode is a success of the exchange. */
int dns_exchange(struct dns *dns, const struct context *ctx, const struct dns_server *server,
                 const struct dns_query *query, struct dns_reply *ret_reply, struct err *err);
/* ERR_DENIED: refused, and nothing was written, which is certain only where it was sent once; else
 * ERR_UNAVAILABLE. */
int dns_update(struct dns *dns, const struct context *ctx, const struct dns_server *server,
               const struct dns_update *update, struct err *err);

/* --- lookup.h: what is built from questions. `servers` are tried in order. --- */

/* Ask the servers in turn until one answers other than SERVFAIL/REFUSED. When all did, the last
 * such answer is the result; an error only when none answered. */
int dns_ask(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
            const char *name, enum dns_type type, struct dns_reply *ret_reply, struct err *err);
/* Zone cut: SOA for the name and each parent; NXDOMAIN and a CNAME in the answer climb
 * (behaviour.md 11). Result has a final dot. ERR_NOT_FOUND when no server knows one. */
int dns_find_zone(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                  const char *name, char **ret_zone, struct err *err);
/* Where the CNAME chain of `name` ends, with final dot; `name` itself without one. A name that only
 * exists through a wildcard CNAME does not count as delegated (users.md row 14) when the chain's
 * first answer also comes for a random sibling. ERR_INVALID for a loop or > LIMIT_CNAME_CHAIN. */
int dns_follow_cname(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                     const char *name, char **ret_name, struct err *err);
/* Addresses (port 53) of all authoritative servers of a zone, without those that this host has no
 * route to (IPv6 in most clusters), unless no other is left. */
int dns_authoritative_servers(struct dns *dns, const struct context *ctx,
                              const struct dns_servers *servers, const char *zone,
                              struct dns_servers *ret, struct err *err);
/* TXT values at the name as this one server says (following CNAME only inside its answer). */
int dns_txt(struct dns *dns, const struct context *ctx, const struct dns_server *server,
            const char *name, struct strlist *ret_values, struct err *err);
/* A and AAAA addresses of a host by the servers. */
int dns_addresses(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                  const char *host, struct strlist *ret, struct err *err);

/* --- names: libpsl and libidn2 --- */

/* "example.co.uk" of "a.b.example.co.uk", as A-labels; the name itself when it is a public suffix.
 * A top level that the list does not have is one (its rule "*"): "corp.internal" of
 * "db.corp.internal". */
char *dns_registered_domain(const char *name);
/* Lower-case A-label form (IDNA 2008, non-transitional); keeps a leading "*."; drops a final dot.
 */
int dns_to_alabel(const char *name, char **ret, struct err *err);

#endif
