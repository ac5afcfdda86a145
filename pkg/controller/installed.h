/*
 * installed.h - what is in a cluster that certlet needs, and what would get in its way:
 * `certlet check --cluster`.
 *
 *      installed_look()     reads, and asks the judges (installed.c, installed_rights.c)
 *      judge_...()          pure: objects in, findings out (installed_judge.c, installed_webhooks.c,
 *                           installed_signing.c)
 *
 * Nothing is written. What may not be read is a warning that says what is not known for it.
 */
#ifndef CONTROLLER_INSTALLED_H
#define CONTROLLER_INSTALLED_H

#include "controller/findings.h"
#include "store/store.h"

struct installed_options {
    const struct json *version;        /* of the server, as /version has it; NULL: not known */
    struct key lease, service_account; /* of the controller */
    /* Do these of its --feature-gates let it sign CertificateSigningRequests? */
    bool (*signing_gate_is_on)(const struct strlist *gates);
};
/* Errors are those of the connection; whatever else is a finding. */
int installed_look(struct store *store, const struct context *ctx,
                   const struct installed_options *options, struct findings *to, struct err *err);

/* --- for installed.c and tests --- */

/* 36 for "1.36"; of a server that emulates an older one (--emulated-version) it is that of the older, since
 * its API is. 0: not known. */
int server_minor(const struct json *version);
/* On these every request carries who made it, stamped by the server. */
#define SERVER_MINOR_STAMPS 36

void judge_server(const struct json *version, struct findings *to);
/* `crd` NULL: there is none. */
void judge_crd(const struct resource *resource, const struct json *crd, struct findings *to);
/* Lists of policies and of bindings. `mutating`: those that stamp, else those that refuse. */
void judge_policies(const struct json *policies, const struct json *bindings, bool mutating,
                    int minor, struct findings *to);
/* `lease` NULL: there is none. */
typedef void judge_lease_fn(const struct key *key, const struct json *lease, int64_t now_ms,
                            struct findings *to);
judge_lease_fn judge_lease;
/* Of the same name where cert-manager's chart has it: two that hold one each both work. */
judge_lease_fn judge_foreign_lease;
/* The namespace of that one. */
#define LEASE_NAMESPACE_OF_CHART "kube-system"

/* Would a webhook of this configuration be asked about objects of ours? */
bool webhook_is_asked(const struct json *webhook);
/* "namespace/name" of the Service that answers; NULL: an address. */
char *webhook_service(const struct json *webhook);
enum endpoints { ENDPOINTS_READY, ENDPOINTS_NONE, ENDPOINTS_UNKNOWN };
enum endpoints judge_endpoints(const struct json *slices, const char *service_name);
/* `kind` as kubectl takes it: "validatingwebhookconfiguration". */
void judge_webhook(const char *kind, const char *configuration, const struct json *webhook,
                   enum endpoints endpoints, struct findings *to);
/* Does it expect cainjector to write a CA into it? */
void judge_injection(const char *kind, const struct json *object, struct findings *to);

/* installed_rights.c */
int installed_look_at_rights(struct store *store, const struct context *ctx,
                             const struct installed_options *options, struct findings *to,
                             struct err *err);
/* Rights for CertificateSigningRequests that the account lacks, in words. ERR_DENIED: not permitted to ask. */
int installed_missing_signing_rights(struct store *store, const struct context *ctx,
                                     const struct installed_options *options, struct strlist *ret,
                                     struct err *err);

/* --- CertificateSigningRequests, which need a gate and a role of their own (deploy/signing_requests) --- */

#define SIGNING_ROLE "certlet-controller-signing-requests" /* the binding has the same name */
enum signing_gate { SIGNING_OFF, SIGNING_ON, SIGNING_UNKNOWN };
/* As the arguments of those Deployments say that run under the account; not known: there is none, or it has
 * a file of flags. */
enum signing_gate signing_gate_of(const struct json *deployments,
                                  const struct installed_options *options);
struct signing_setup {
    enum signing_gate gate;
    bool has_role, has_binding;
    const struct strlist *missing; /* rights; NULL: not known */
};
/* Somebody wants them signed: the permissions matter. */
bool signing_is_meant(const struct signing_setup *setup);
void judge_signing(const struct signing_setup *setup, struct findings *to);

#endif
