/*
 * certificate_run.h - inside of the certificate reconciler: one run over one Certificate, and its steps.
 *
 *   certificate.c        gather, decide (certificate_decide.c), act: which step is next
 *   certificate_make.c   the next private key, and the CertificateRequest for it
 *   certificate_store.c  verify what was issued, write the target Secret; repair it
 *   certificate_passwords.c  passwords of key stores
 *   certificate_short.c  all of it in one run, where the issuer signs at once
 *   certificate_temporary.c  a certificate of our own, until the issuer's comes
 *   certificate_ari.c    the CA's renewal information
 *   plan.c               only looks
 *
 * Only these files include it. A run belongs to one worker.
 */
#ifndef CONTROLLER_CERTIFICATE_RUN_H
#define CONTROLLER_CERTIFICATE_RUN_H

#include "controller/caches.h"
#include "controller/certificate_decide.h"
#include "controller/target_secret.h"

struct certificate_run {
    struct controllers *self;
    const struct context *ctx;
    struct key key;
    const struct certificate *crt;
    struct arena *arena;
    struct certificate_facts facts;
    struct certificate_decision decision;
    struct gathered *gathered; /* certificate.c's, behind the facts */
    bool secret_unread;        /* the caches lack the target Secret, and the store was not asked */
    bool waits_for_key;        /* nothing has begun */
    const char *refusals;      /* what clients have against what was issued; NULL: nothing */
    const char *
        failure; /* reason of the event for an error that time does not mend; NULL: RequestFailed */
};

static inline struct author certificate_author(const struct certificate_run *run)
{
    return (struct author){run->self, run->ctx, LANE_CERTIFICATES, &run->key, MANAGER_CERTS};
}
/* Gathers and decides, and no more. What `tell` is given is gone after it. */
typedef void certificate_look_fn(void *arg, const struct certificate_facts *facts,
                                 const struct certificate_decision *decision);
int certificate_look(struct controllers *self, const struct context *ctx,
                     const struct certificate *crt, certificate_look_fn *tell, void *arg,
                     struct err *err);
struct certificate_policy certificate_policy_of(const struct certificate_run *run);
/* Writes the decision's status, if it differs. */
int certificate_save(struct certificate_run *run, struct err *err);
/* An issuer that sends what cannot be stored has failed: recorded with back-off, the old Secret stays. */
int certificate_fail_unusable(struct certificate_run *run, const struct err *problem,
                              struct err *err);

/* The key in a Secret of the Certificate's namespace, read live. */
int certificate_read_key(struct certificate_run *run, const char *secret_name,
                         const struct pkey **ret, struct err *err);
/* What the CSR names. CN is not added to the SANs by itself (behaviour.md 1.3). */
int certificate_names(const struct certificate_spec *spec, struct x509_names *ret, struct err *err);

/* Status, and the event of it. */
int certificate_start(struct certificate_run *run, struct err *err);
int certificate_finish(struct certificate_run *run, struct err *err);
int certificate_fail(struct certificate_run *run, struct err *err);

/* The key of the next certificate: a new one, or with rotationPolicy Never the one in the Secret. ERR_BUSY:
 * it takes its time; whoever makes it wakes us, and the result has a timer for the case that he does not. */
int certificate_next_key(struct certificate_run *run, struct reconcile_result *result,
                         const struct pkey **ret, struct err *err);
/* Is it this Certificate's: by uid, and still with the label? */
bool certificate_is_next_key(const struct certificate *crt, const struct object *secret);
/* Into a Secret with the decision's next_key_name. What a policy of the cluster makes useless is gone again. */
int certificate_store_next_key(struct certificate_run *run, const struct pkey *key,
                               struct err *err);
/* The CertificateRequest for this key, whose Secret has, or would have, the name. */
int certificate_request_json(struct certificate_run *run, const struct pkey *key,
                             const char *key_secret, struct json **ret, struct err *err);
/* Creates it. With `ret_changed` set, a policy of the cluster has made something else of it, and it is gone
 * again; else `ret_stored` is what the store has. */
int certificate_create_request(struct certificate_run *run, const struct json *request,
                               const struct pkey *key, struct json **ret_stored,
                               const char **ret_changed, struct err *err);
/* Nothing is stored before chain, key, names and dates are right (incident acme.sh 2025-05). */
int certificate_verify(struct certificate_run *run, const struct bytes *chain_pem,
                       const struct pkey *key, struct err *err);
/* What is certain that clients have against it, in run->refusals: it is stored all the same, as by cert-manager. */
void certificate_judge(struct certificate_run *run, const struct bytes *chain_pem,
                       const struct bytes *ca_pem);
/* The event of that, once it is stored; none where they have nothing. */
void certificate_tell_refusals(struct certificate_run *run);
/* As `wish` says, read live where it names a Secret. */
int certificate_read_password(struct store *store, const struct context *ctx, const char *namespace,
                              const struct keystore_wish *wish, struct buf *to, struct err *err);
/* Those of the key stores that `target` has to have made, read live. An error that is not transient is told in
 * an event of its own (run->failure). With `may_lack` that leaves 0 and target->lacks, the error in `err`. */
int certificate_read_passwords(struct certificate_run *run, struct target_secret *target,
                               struct keystore_passwords *ret, struct err *err);
/* The target Secret, from an issued request; *ret_stored (may be NULL) holds the private key. */
int certificate_apply(struct certificate_run *run, const struct certificate_request *request,
                      const struct pkey *key, struct json **ret_stored, struct err *err);

/* With the key stores that have to be made. Forced, under the manager that may take over what cert-manager wrote.
 * `key` is the one that it holds. */
int certificate_apply_target(struct certificate_run *run, struct target_secret *target,
                             const struct pkey *key, struct json **ret_stored, struct err *err);
/* What is wrong with a target Secret whose data cannot be changed, and what to do. */
char *certificate_immutable_text(const struct controllers *self, const char *secret_name,
                                 struct arena *arena);
/* ERR_INVALID: what was applied to the target Secret is not what is in it. */
int certificate_target_changed(struct certificate_run *run, struct err *err);
/* Of the target Secret as it was stored: is it as it was applied? The decision is as of then: to finish. */
int certificate_check_stored(struct certificate_run *run, const struct json *stored,
                             struct err *err);
/* The facts of the target Secret as it is in the store now. */
int certificate_read_secret(struct certificate_run *run, struct err *err);
/* Takes over a reference, to the end of the run. */
void certificate_keep(struct certificate_run *run, const struct object *object);

int certificate_issue_at_once(struct certificate_run *run, struct reconcile_result *result,
                              struct err *err);
/* The next key into its Secret, then the request for it. */
int certificate_make_key(struct certificate_run *run, struct reconcile_result *result,
                         struct err *err);
int certificate_make_request(struct certificate_run *run, struct err *err);
int certificate_store_temporary(struct certificate_run *run, struct err *err);
int certificate_store(struct certificate_run *run, struct err *err);
int certificate_repair(struct certificate_run *run, struct err *err);
int certificate_fetch_ari(struct certificate_run *run, struct reconcile_result *result,
                          struct err *err);
/* Into the decision, which is to finish: the window goes into the same status. */
void certificate_fetch_ari_along(struct certificate_run *run);

#endif
