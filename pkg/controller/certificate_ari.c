/* certificate_ari.c - asks the CA when to renew (RFC 9773), and stores the window in the status. */
#include "controller/certificate_run.h"

#define ARI_RETRY_MS         HOURS(6)    /* after an answer that is no window (acme.md 6) */
#define ARI_LATEST_MS        DAYS(1)     /* although the CA wants to be asked later still */
#define ARI_TIMEOUT_MS       SECONDS(20) /* a slow CA must not hold the worker */
#define ARI_ALONG_TIMEOUT_MS SECONDS(3)  /* nor a Certificate that is issued */

static int fetch_window(struct certificate_run *run, struct certificate_ari *ari,
                        int64_t timeout_ms, struct err *err)
{
    cleanup(acme_client_unref) struct acme_client *client = accounts_get(
        run->self->issuers.accounts, run->facts.issuer->object.metadata.uid);
    cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
    struct context brief = context_with_timeout(run->ctx, timeout_ms);
    int r;

    if (!client)
        return err_set(err, ERR_BUSY, "the account of issuer '%s' is being set up",
                       run->crt->spec.issuer_ref.name);
    r = acme_renewal_info(client, &brief, run->facts.secret->ari_id, &info, err);
    if (r < 0)
        return r;
    ari->suggested_window = arena_alloc(run->arena, sizeof(*ari->suggested_window));
    /* Whole seconds, as it will be read back: the instant is derived from it. */
    *ari->suggested_window = (struct certificate_ari_window){info.start_ms / 1000 * 1000,
                                                             info.end_ms / 1000 * 1000};
    ari->explanation_url = arena_strdup(run->arena, info.explanation_url);
    ari->next_check_ms = ari->last_checked_ms + info.retry_after_ms;
    ari->last_error = NULL;
    return 0;
}

/* Its refusals are remembered here alone: no other call waits for them. */
static int64_t next_try_ms(int64_t now_ms, const struct err *problem)
{
    int64_t at_ms = now_ms + ARI_RETRY_MS, latest_ms = now_ms + ARI_LATEST_MS;

    if (problem->retry_at_ms > at_ms)
        at_ms = problem->retry_at_ms;
    return at_ms < latest_ms ? at_ms : latest_ms;
}

static int ask(struct certificate_run *run, int64_t timeout_ms,
               struct certificate_acme_status **ret, struct err *err)
{
    struct certificate_acme_status *acme = arena_alloc(run->arena, sizeof(*acme));
    const struct certificate_acme_status *stored = run->crt->status.acme;

    acme->ari = arena_alloc(run->arena, sizeof(*acme->ari));
    if (stored && stored->ari && stored->ari->last_checked_ms >= run->facts.secret->not_before_ms)
        *acme->ari = *stored->ari;
    acme->ari->last_checked_ms = context_now_ms(run->ctx);
    *ret = acme;
    return fetch_window(run, acme->ari, timeout_ms, err);
}

/* `problem` of the CA; NULL: it has told. */
static void take_answer(struct certificate_run *run, struct certificate_acme_status *acme,
                        const struct err *problem)
{
    struct certificate_policy policy = certificate_policy_of(run);

    if (problem) {
        acme->ari->last_error = arena_strdup(run->arena, problem->text);
        acme->ari->next_check_ms = next_try_ms(acme->ari->last_checked_ms, problem);
    }
    certificate_take_window(&run->facts, &policy, run->arena, acme, &run->decision);
}

/* Where the CA has no renewal information nothing is stored: the plain schedule holds (acme.md 6). */
int certificate_fetch_ari(struct certificate_run *run, struct reconcile_result *result,
                          struct err *err)
{
    struct certificate_acme_status *acme;
    struct err problem = {};
    int r = ask(run, ARI_TIMEOUT_MS, &acme, &problem);

    if (r == ERR_CANCELED || r == ERR_BUSY) {
        *err = problem;
        return r;
    }
    if (r == ERR_UNSUPPORTED) {
        reconcile_again_by(result, acme->ari->last_checked_ms + ARI_RETRY_MS);
        return certificate_save(run, err);
    }
    take_answer(run, acme, r < 0 ? &problem : NULL);
    return certificate_save(run, err);
}

/* What takes no answer is asked again when the Certificate is Ready. */
void certificate_fetch_ari_along(struct certificate_run *run)
{
    struct certificate_acme_status *acme;
    struct err problem = {};
    int r = ask(run, ARI_ALONG_TIMEOUT_MS, &acme, &problem);

    if (r != ERR_CANCELED && r != ERR_BUSY && r != ERR_TIMEOUT && r != ERR_UNSUPPORTED)
        take_answer(run, acme, r < 0 ? &problem : NULL);
}
