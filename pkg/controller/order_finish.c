/* order_finish.c - finalize, download, and the checks before a certificate is taken. */
#include "controller/order_run.h"

/* Its bytes are not in the cache; a run that finalizes has read them already. */
static int read_csr(struct order_run *run, struct csr **ret, struct err *err)
{
    int r = order_read(run, err);

    if (r < 0)
        return r;
    return csr_parse(run->live->spec.request.data, run->live->spec.request.len, ret, err);
}

/* What cannot become a Secret must not become an Order's certificate either. ERR_PROTOCOL: it is no chain
 * at all, as when the answer was cut; the next one may be whole. */
static int check_chain(struct order_run *run, const struct buf *pem, struct err *err)
{
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct chain_expectation expect = {.now_ms = context_now_ms(run->ctx),
                                       .clock_slack_ms = HOURS(1)};
    struct err why = {};
    int r = read_csr(run, &csr, err);

    if (r < 0)
        return ERR_BUSY; /* our store, not the chain */
    if (chain_from_pem(pem->data, pem->len, &chain, &why) < 0)
        return err_set(err, ERR_PROTOCOL, "%s", why.text);
    expect.key = csr_public_key(csr);
    expect.dns_names = &csr_names(csr)->dns_names;
    expect.ip_addresses = &csr_names(csr)->ip_addresses;
    return chain_verify(&chain, &expect, NULL, err);
}

int order_download(struct order_run *run, const struct acme_order *order, struct err *err)
{
    const char *preferred = run->issuer->spec.acme->preferred_chain;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    bool found = true;
    int r;

    r = acme_certificate_download(run->client, run->ctx, order->certificate_url,
                                  str_empty(preferred) ? NULL : preferred, &pem, &found, &problem,
                                  &why);
    if (r == ERR_NOT_FOUND) { /* the CA's copies lag behind (acme.md 5, download) */
        r = ERR_UNAVAILABLE;
        problem.class = ACME_RETRY;
    }
    if (r < 0)
        return order_settle(run, r, &problem, &why, "retrieve signed certificate", err);
    r = check_chain(run, &pem, &why);
    if (r == ERR_BUSY) {
        *err = why;
        return why.code;
    }
    if (r == ERR_PROTOCOL && !order_is_old(run))
        return order_settle(run, r, &problem, &why, "read signed certificate", err);
    if (r < 0)
        return order_end_failed(
            run, STATE_ERRORED,
            arena_printf(run->arena, "The CA's certificate cannot be used: %s", why.text), err);
    if (!str_empty(preferred) && !found)
        event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "PreferredChain",
              "No chain of the CA ends at '%s'; its default one is used", preferred);
    run->status.state = STATE_VALID;
    run->status.reason = NULL;
    run->status.certificate = (struct bytes){arena_memdup(run->arena, pem.data, pem.len), pem.len};
    r = order_save(run, err);
    if (r == 0)
        order_end_budget(run, true);
    if (r == 0)
        event(run->self, run->ctx, &run->order->object, EVENT_NORMAL, "Complete",
              "Order completed successfully");
    return r;
}

int order_finalize(struct order_run *run, const struct acme_order *ready, struct err *err)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_BUNDLE_PEM);
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = order_check_spec(run, &why);

    if (r == ERR_DENIED ||
        r == ERR_INVALID) /* changed since it was placed: not what was approved */
        return order_end_failed(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
    if (r < 0) {
        *err = why;
        return r;
    }
    r = read_csr(run, &csr, err);
    if (r < 0)
        return r;
    csr_to_der(csr, &der);
    r = acme_order_finalize(run->client, run->ctx, ready->finalize_url, der.data, der.len, &order,
                            &problem, &why);
    if (r < 0 && problem.class == ACME_NOT_READY) /* though it says it is */
        return order_wait_for_ca(run, ready, err);
    run->advice = key_advice(&problem, pkey_algorithm(csr_public_key(csr)));
    if (r < 0)
        return order_settle(run, r, &problem, &why, "finalize Order", err);
    if (order.status == ACME_STATUS_VALID && order.certificate_url)
        return order_download(run, &order, err);
    return order_look_again(run, order.retry_at_ms);
}
