/*
 * Where a challenge's record has to be written: at the end of the CNAME chain of its name.
 *
 * '*.example.com CNAME www.example.net' answers for _acme-challenge.example.com too, though nobody
 * delegated it, and a record written in example.net would be wrong (cm#5716, cm#8474). A wildcard
 * gives a random sibling the same target; a CNAME of the name itself does not, nor does a DNAME,
 * which gives each name a target of its own. Once our TXT is there it hides the wildcard (RFC
 * 4592 2.2.1).
 */
#include "base/random.h"
#include "dns/lookup.h"

/* The CNAME of `name`, or NULL. */
static int cname_of(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                    const char *name, char **ret_target, struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    const struct dns_record *cname;
    int r;

    r = dns_ask(dns, ctx, servers, name, DNS_CNAME, &reply, err);
    if (r == 0)
        r = reply_check(&reply, name, DNS_CNAME, err);
    if (r < 0)
        return r;
    cname = reply_find(&reply, DNS_CNAME, name);
    *ret_target = cname ? dns_absolute(cname->value) : NULL;
    return 0;
}

/* A name beside `name` that nobody has made. */
static char *random_sibling(const char *name)
{
    const char *dot = name;

    while (*dot && *dot != '.')
        dot += *dot == '\\' && dot[1] ? 2 : 1;
    return xasprintf("certlet-%016llx%s", (unsigned long long)random_below(UINT64_MAX), dot);
}

static int is_wildcard(struct dns *dns, const struct context *ctx,
                       const struct dns_servers *servers, const char *name, const char *target,
                       bool *ret, struct err *err)
{
    cleanup(xfree) char *sibling = random_sibling(name);
    cleanup(xfree) char *of_sibling = NULL;
    int r;

    r = cname_of(dns, ctx, servers, sibling, &of_sibling, err);
    if (r < 0)
        return r;
    *ret = streq(of_sibling, target);
    return 0;
}

/* `seen` holds the chain so far, and its last name is where we stand. */
static int one_hop(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                   struct strlist *seen, bool *ret_at_end, struct err *err)
{
    const char *name = seen->items[seen->len - 1];
    cleanup(xfree) char *target = NULL;
    bool wildcard = false;
    int r;

    r = cname_of(dns, ctx, servers, name, &target, err);
    if (r == 0 && target && seen->len == 1)
        r = is_wildcard(dns, ctx, servers, name, target, &wildcard, err);
    if (r < 0)
        return r;
    *ret_at_end = !target || wildcard;
    if (*ret_at_end)
        return 0;
    if (strlist_has(seen, target))
        return err_set(err, ERR_INVALID, "the CNAME of '%s' leads back to '%s'", name, target);
    if (seen->len > LIMIT_CNAME_CHAIN)
        return err_set(err, ERR_INVALID, "more than %d CNAMEs in a row", LIMIT_CNAME_CHAIN);
    strlist_add_take(seen, take(target));
    return 0;
}

int dns_follow_cname(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                     const char *name, char **ret_name, struct err *err)
{
    cleanup(strlist_deinit) struct strlist seen = {};
    bool at_end = false;

    strlist_add_take(&seen, dns_absolute(name));
    while (!at_end) {
        if (one_hop(dns, ctx, servers, &seen, &at_end, err) < 0)
            return err_wrap(err, "following the CNAME of '%s'", seen.items[0]);
    }
    *ret_name = xstrdup(seen.items[seen.len - 1]);
    return 0;
}
