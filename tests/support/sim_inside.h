/*
 * sim_inside.h - what the files of the simulator share.
 *
 *   sim.c          the program: put together, stepped, stopped, started again
 *   sim_objects.c  what users do and see
 *   sim_world.c    the way to CA, name servers and web root, and what goes wrong on it
 *   sim_check.c    what must always hold
 *   sim_windows.c  ... of renewals in windows
 *   sim_owners.c   ... of Certificates that name one Secret
 *   sim_swap.c     what cert-manager leaves
 *   sim_random.c   chance, OpenSSL's included
 */
#ifndef SUPPORT_SIM_INSIDE_H
#define SUPPORT_SIM_INSIDE_H

#include "support/sim.h"

struct sim_planned_fault { /* sim_fail_ca() */
    const char *endpoint;
    enum fake_ca_fault fault;
    bool after;
    int left;
};

struct sim_late { /* an event that a watch has not told of yet; zeroed: none */
    struct store_watch *watch;
    struct store_event event;
};

struct sim {
    struct sim_options options;
    struct fake_clock clock;
    struct context ctx;
    struct store *store;
    struct fake_ca *ca;
    struct fake_dns *zones;
    char *webroot; /* a folder */
    uint64_t chance;

    /* the running program */
    struct http *http;
    struct dns *dns;
    struct http01 *http01;
    struct accounts *accounts;
    struct solvers solvers;
    struct controllers *controllers;
    uint64_t runs_at_this_time;
    const char *account_hash; /* of the issuer `acme`; NULL: not registered yet */

    /* what goes wrong */
    struct sim_planned_fault planned[16];
    size_t planned_count;
    struct sim_faults faults;
    bool ca_is_down, http_is_down;
    bool refuses_every_third;
    unsigned refused;
    bool quiet;                        /* a user writes: no faults, no points */
    const struct store_ops *store_ops; /* the store's own */
    struct store_ops ops;              /* what the program has: its watches are late while `runs` */
    const struct kind *changed_kind;   /* sim_change_written() */
    struct json *change;               /* NULL: none */
    int written;
    struct sim_late late[32];
    bool runs;
    unsigned withheld; /* events, in this pass */
    int points, crash_at;
    bool crash_after, has_crashed;
    int refuse_at;
    enum err_code refuse_code;

    bool watches_expiry, allows_violations;
    int64_t looked_ms; /* after the jump before this one */
    int64_t seen_ms;   /* Certificates were looked at */
    int points_seen;
    int64_t restarted_ms; /* after a crash; 0: never */
    struct map *windowed; /* sim_windows.c; NULL: not watched */
    int windowed_renewals;
    struct map *rivals; /* sim_owners.c; NULL: not watched */
    char problem[1024];
    struct strlist lent;
    struct json *objects; /* list: lent JSON */
};

/* sim_random.c */
void sim_seed(uint64_t seed);
uint64_t sim_random_next(uint64_t *state);

/* sim_world.c */
int sim_store_fault(void *arg, bool after, struct err *err);
void sim_stand_between(struct sim *sim); /* what the program does to the store passes here */
void sim_be_late(struct sim *sim);       /* from now on, watches of the store are */
int sim_dns_fault(void *arg, bool after, struct err *err);
fake_ca_fault_fn sim_ca_fault;
fake_ca_validate_fn sim_validate;
http_fake_fn sim_http_handle;

/* sim_check.c: after every jump of the clock. */
void sim_check_running(struct sim *sim);

/* What does not hold, as it runs and when nothing is due; NULL: all does. */
const char *sim_look_at_windows(struct sim *sim, const struct certificate *crt);
const char *sim_check_windows(struct sim *sim, const struct certificate *crt);
const char *sim_look_at_owner(struct sim *sim, const struct certificate *crt);
/* The program is about to apply this Secret. */
void sim_look_at_write(struct sim *sim, const struct json *secret);

/* sim_swap.c: while the program does not run. */
void sim_dress_up(struct sim *sim);

#endif
