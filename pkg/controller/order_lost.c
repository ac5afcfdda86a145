/*
 * order_lost.c - the order that the CA made and whose URL never reached the store (DESIGN 6).
 *
 * A newOrder whose answer was lost, or a stop between the answer and the write, leaves an order that
 * nobody knows. It is looked for in the account's list where the CA keeps one (RFC 8555 7.1.2.1),
 * before another one is placed. Elsewhere it is abandoned and counted.
 */
#include "controller/order_run.h"
#include "controller/placed.h"

#define LISTED_MAX 1000 /* URLs taken from the account's list */
#define READ_MAX   100  /* orders read, the newest first: more than a process has workers */

#define CLOCK_SLACK_MS HOURS(1)

static void identifiers_of(const struct acme_order *order, struct strlist *to)
{
    for (size_t i = 0; i < order->identifier_count; i++)
        strlist_add(to, str_or(order->identifiers[i].value, ""));
}

static void names_of(const struct order_spec *spec, struct strlist *to)
{
    for (size_t i = 0; i < spec->dns_names.len; i++) {
        char *name = xstrdup(spec->dns_names.items[i]);

        str_lower(name);
        strlist_add_take(to, name);
    }
    array_string_add_to(&spec->ip_addresses, to);
}

static bool is_open(const struct acme_order *order)
{
    return order->status == ACME_STATUS_PENDING || order->status == ACME_STATUS_READY;
}

/* Asked for in the life of `live`, by the end that was asked for; a CA need not repeat it (7.1.3). */
static bool ends_as_asked(const struct acme_order *order, const struct order *live, int64_t now_ms)
{
    int64_t asked_ms = order->not_after_ms - live->spec.duration.ns / 1000000;

    if (!live->spec.duration.is_set || order->not_after_ms == 0)
        return true;
    return asked_ms >= live->object.metadata.creation_timestamp_ms - CLOCK_SLACK_MS &&
           asked_ms <= now_ms + CLOCK_SLACK_MS;
}

/* Open, and for the same: an order of another profile, duration or predecessor is left alone. */
static bool fits(const struct acme_order *order, const struct order *live, int64_t now_ms)
{
    const struct order_spec *spec = &live->spec;
    cleanup(strlist_deinit) struct strlist has = {}, wants = {};

    if (!is_open(order))
        return false;
    if (!str_empty(spec->profile) && !streq(str_or(order->profile, ""), spec->profile))
        return false;
    if (!ends_as_asked(order, live, now_ms))
        return false;
    if (!str_empty(order->replaces) && !streq(order->replaces, str_or(spec->replaces, "")))
        return false;
    identifiers_of(order, &has);
    names_of(spec, &wants);
    return strlist_same_set(&has, &wants);
}

/* What stands in the way of the search comes to: the code, which is tried again, or 0: it goes on without this.
 * A call that was not made is made later, as is one whose failure may pass, for a while. All else is the CA's
 * last word, and must not keep the Certificate waiting: most public CAs keep no list. */
static int search_failed(struct order_run *run, int code, struct acme_problem *problem,
                         const struct err *why)
{
    const char *uid = run->order->object.metadata.uid;
    int64_t now_ms = context_now_ms(run->ctx);

    placed_doubt(run->self->placed, uid);
    if (code == ERR_BUSY || code == ERR_CANCELED || code == ERR_RATE_LIMITED)
        return code;
    if (flow_of(code, problem, why, "", now_ms, run->arena).verdict == FLOW_RETRY &&
        placed_may_search(run->self->placed, uid, now_ms))
        return code;
    acme_problem_deinit(problem); /* nobody's who goes on */
    *problem = (struct acme_problem){};
    return 0;
}

static int list(struct order_run *run, struct acme_orders *ret, struct acme_problem *problem,
                struct err *err)
{
    cleanup(xfree) char *url = NULL;
    int r = acme_account_orders_url(run->client, run->ctx, &url, problem, err);

    if (r == 0)
        r = acme_account_orders(run->client, run->ctx, url, LISTED_MAX, ret, problem, err);
    if (r == ERR_UNSUPPORTED)
        return 0;
    return r < 0 ? search_failed(run, r, problem, err) : 0;
}

static int read_and_compare(struct order_run *run, const char *url, const struct order *live,
                            struct acme_order *ret, struct acme_problem *problem, struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    int r = acme_order_get(run->client, run->ctx, url, &order, problem, err);

    if (r < 0)
        return search_failed(run, r, problem, err);
    if (!is_open(&order))
        placed_note_ended(run->self->placed, url);
    if (!fits(&order, live, context_now_ms(run->ctx)))
        return 0;
    *ret = order;
    order = (struct acme_order){};
    return 1;
}

/* An order that is among the rest stays there, open until it expires. */
static void tell_of_the_rest(struct order_run *run)
{
    event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "OrdersNotRead",
          "An order whose answer was lost may be left open at the CA: the account's list of "
          "orders is too long to be read to its end");
}

int order_find_lost(struct order_run *run, const struct order *live, struct acme_order *ret,
                    struct acme_problem *problem, struct err *err)
{
    cleanup(acme_orders_deinit) struct acme_orders listed = {};
    int r = list(run, &listed, problem, err), read = 0;

    if (r < 0)
        return r;
    for (size_t i = listed.urls.len; i-- > 0 && read < READ_MAX;) {
        const char *url = listed.urls.items[i];

        if (placed_is_claimed(run->self->placed, url) || placed_has_ended(run->self->placed, url))
            continue;
        read++;
        r = read_and_compare(run, url, live, ret, problem, err);
        if (r != 0)
            return r;
    }
    if (read == READ_MAX) /* of these, those that have ended are not read again */
        placed_doubt(run->self->placed, run->order->object.metadata.uid);
    if (read == READ_MAX || listed.is_cut)
        tell_of_the_rest(run);
    return 0;
}
