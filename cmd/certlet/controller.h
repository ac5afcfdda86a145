/*
 * controller.h - the parts of `certlet controller`: what flags and configuration file say, and what is
 * set up from them.
 *
 *   controller.c          parse, set up, wait to lead, run, tear down
 *   controller_flags.c    the table of flags, the configuration file over it
 *   controller_names.c    --controllers and --feature-gates: cert-manager's names, and what they are here
 *   controller_setup.c    API server, Lease, engine, ports
 *   health.c              /livez and /readyz
 */
#ifndef CERTLET_CONTROLLER_H
#define CERTLET_CONTROLLER_H

#include <time.h>

#include "cluster.h"
#include "engine.h"
#include "runtime/elector.h"

struct controller_flags {
    struct engine_flags engine;
    struct cluster_flags cluster;
    const char *config;
    struct strlist namespaces;
    bool leader_elect;
    const char *leader_namespace;
    int64_t lease_ms, renew_deadline_ms, retry_ms, health_slack_ms;
    struct strlist controllers, feature_gates;
    const char *healthz_address;
    struct arena *arena; /* of texts from the configuration file */
};

/* What --controllers switches off. */
struct controller_choice {
    bool approve, object_metrics;
    unsigned lanes_off;                 /* bit (1 << enum lane) */
    struct strlist issuers_off;         /* issuer types that are another program's: "acme" */
    struct strlist signing_issuers_off; /* the same for CertificateSigningRequests */
};

struct controller_run { /* in order of setting up; torn down the other way round */
    struct controller_flags flags;
    struct controller_choice choice;
    struct engine engine;
    struct kube_config *config;
    char *instance;         /* who we are: Lease and Events */
    struct http *api;       /* to the API server */
    struct http *lease_api; /* Lease traffic has a connection of its own (kubernetes.md 9, 10) */
    struct store *lease_store;
    struct elector *elector; /* NULL: --leader-elect=false */
    timer_t last_moment;     /* there with the elector: ends the process with the Lease */
    struct server_listener *health_listener;
    bool is_leading;  /* atomic */
    bool is_stopping; /* atomic: not ready any more */
};

/* controller_flags.c: as options_parse(). */
int controller_flags_parse(int argc, char **argv, struct controller_flags *flags,
                           struct controller_choice *choice);
void controller_flags_deinit(struct controller_flags *flags);

/* controller_names.c. ERR_INVALID names the entry and says what there is. */
int controller_choice_parse(const struct strlist *controllers, struct controller_choice *ret,
                            struct err *err);
int feature_gates_check(const struct strlist *gates, struct err *err);
/* Are CertificateSigningRequests looked at? */
bool feature_gates_have_signing_requests(const struct strlist *gates);
/* One line for each name that was asked for and has no effect here. */
void controller_names_log(const struct controller_flags *flags);

/* controller_setup.c */
int controller_setup(struct controller_run *self, struct err *err);
void controller_teardown(struct controller_run *self);

/* health.c. Handlers of server.h, `arg` is the controller. */
void health_answer(void *arg, const struct server_request *request,
                   struct server_response *response);
void metrics_answer(void *arg, const struct server_request *request,
                    struct server_response *response);

#endif
