/*
 * certificate_decide.h - what is to be done about a Certificate. Pure: facts in, decision out.
 *
 *            ┌──────── trigger: no Secret, other spec, renewal due ────────┐
 *   up to date ◄── ISSUE_AT_ONCE, where the issuer can ◄───────────────┤
 *      ▲                                                               START  Issuing=True
 *      ▲   ▲                                                                │
 *      │   └─ REPAIR metadata of the Secret                             MAKE_KEY      next key Secret
 *      │                                                                    │
 *   CLEAN next keys, old requests                                      MAKE_REQUEST   CertificateRequest
 *      ▲                                                                    │
 *    FINISH ◄── Secret holds it already ── STORE target Secret ◄── issued ── WAIT ── failed ──► FAIL, back-off
 *
 * One step per run: each changes one object, whose change wakes the next run, so that a crash between
 * any two is an ordinary start. Files: certificate_policy.c (is the Secret what the spec asks for),
 * certificate_claim.c (may it be written), certificate_renewal.c and certificate_windows.c (times),
 * certificate_readiness.c (what is shown of the Secret), certificate_words.c (what is shown of an issuance),
 * certificate_decide.c (the machine).
 */
#ifndef CONTROLLER_CERTIFICATE_DECIDE_H
#define CONTROLLER_CERTIFICATE_DECIDE_H

#include "api/issuer.h"
#include "controller/facts.h"

enum certificate_action {
    CERTIFICATE_NOTHING,       /* but the status may be written */
    CERTIFICATE_START,         /* status only: Issuing=True */
    CERTIFICATE_ISSUE_AT_ONCE, /* request, certificate, Secret and status in one run */
    CERTIFICATE_DROP_KEY,      /* delete `secret_name`, a next key Secret that does not fit */
    CERTIFICATE_MAKE_KEY,
    CERTIFICATE_DROP_REQUEST, /* delete `request` */
    CERTIFICATE_MAKE_REQUEST,
    CERTIFICATE_STORE_TEMPORARY, /* one of our own into the target Secret, until the issuer's comes */
    CERTIFICATE_STORE,           /* write the target Secret from `request` and the next key */
    CERTIFICATE_FINISH,          /* status only: issued */
    CERTIFICATE_FAIL,            /* status only: failed */
    CERTIFICATE_REPAIR,          /* apply the target Secret again from its own data */
    CERTIFICATE_FETCH_ARI,       /* ask the CA for the renewal window */
};
const char *certificate_action_name(enum certificate_action action);

/* Everything a decision looks at. Borrowed from the caches for one run. */
struct certificate_facts {
    const struct certificate *crt;
    const struct issuer *issuer;       /* NULL: does not exist */
    const struct secret_facts *secret; /* target; NULL: does not exist */
    const char *owner;                 /* Certificate that owns secretName; NULL: this one */
    const char *claim; /* why secretName is an Issuer's own Secret; NULL: it is not */
    const struct request_facts *const *requests; /* controlled by this Certificate */
    size_t request_count;
    const struct secret_facts *const *next_keys; /* owned, labelled next-private-key */
    size_t next_key_count;
    bool signs_at_once;    /* the issuer can, now, and we approve (DESIGN 6: short path) */
    bool under_way;        /* the next certificate: the CA, or another program, was asked for it */
    bool foreign_next_key; /* status names a next key Secret that is not ours */
    const char *spec_problem;   /* what validation says of the spec; NULL: fine */
    const char *waiting_for;    /* why the request in flight does not move; NULL: it does */
    const char *unusable;       /* why what the issuer sent cannot be stored; NULL */
    const char *changed;        /* what was made of a request of ours as it was created; NULL */
    bool repair_is_futile;      /* it was tried on this version of the Secret */
    int64_t foreign_until_ms;   /* with foreign_writer: we hold still so long */
    const char *foreign_writer; /* who overwrote the Secret twice; NULL: nobody */
};

/* Reason of Issuing=False where nothing has failed. */
#define ISSUING_CALLED_OFF "CalledOff"

struct certificate_policy { /* settings */
    int64_t now_ms;
    int64_t backoff_min_ms, backoff_max_ms;
    bool owner_ref;
    int64_t duplicate_recheck_ms;
};

struct certificate_decision {
    enum certificate_action action;
    const char *reason, *message; /* why; static or in the arena */
    bool begins;                  /* an issuance, perhaps after tidying up what stands in its way */
    bool is_stuck;                /* the issuance: somebody has to change something, see reason */
    bool calls_off;               /* one that had begun: it is needed no more */
    struct certificate_status status;    /* what it should be; texts borrowed or in the arena */
    bool write_status;                   /* it differs from what is stored */
    const struct request_facts *request; /* FETCH_ARI: the current one, or NULL */
    const struct secret_facts *next_key;
    const char *next_key_name; /* MAKE_KEY; ISSUE_AT_ONCE: should it need that Secret after all */
    bool replaces_young;       /* MAKE_REQUEST, ISSUE_AT_ONCE */
    bool wants_window;         /* FINISH: the CA may be asked when to renew */
    const char
        *window_problem; /* START, ISSUE_AT_ONCE: why it is renewed outside of its windows; NULL */
    int64_t next_ms;     /* look again; 0: when something changes */
    /* What is due does not begin before: a back-off, or another writer of the Secret; 0: nothing is held back. */
    int64_t held_until_ms;
};
void certificate_decide(const struct certificate_facts *facts,
                        const struct certificate_policy *policy, struct arena *arena,
                        struct certificate_decision *ret);

/* The CA's window has come since a decision to finish or to fetch it: renewal time and readiness follow from it,
 * and nothing else. */
void certificate_take_window(const struct certificate_facts *facts,
                             const struct certificate_policy *policy, struct arena *arena,
                             struct certificate_acme_status *acme,
                             struct certificate_decision *decision);

/* Until when a Secret that somebody overwrites is left alone, as the Ready condition says; 0: it says nothing of
 * this, or said it of another spec. */
int64_t certificate_left_alone_until_ms(const struct certificate *crt);

/* Why no next key can be made: one that is to stay does not fit. NULL: it can. */
const char *certificate_key_problem(const struct certificate_facts *facts, struct arena *arena);

/* Of the certificate that comes next. Users may write a status, too: behind the last number comes 1. */
int64_t certificate_next_revision(const struct certificate_status *status);

/* --- certificate_claim.c --- */

/* Why what `issuer` has in the Secret of this name would be lost with a certificate there; NULL: nothing would. Looks
 * at the Certificate, its issuer and requests, and the Secret. In the arena. */
const char *certificate_claim(const struct certificate_facts *facts, const struct issuer *issuer,
                              struct arena *arena);

/* --- certificate_policy.c --- */

struct violation {
    const char *reason;  /* NULL: none */
    const char *message; /* static or in the arena */
};
/* Checks 1-8 of behaviour.md 2: shared by trigger and readiness. `current` may be NULL. */
struct violation secret_violation(const struct certificate_facts *facts,
                                  const struct request_facts *current, struct arena *arena);
/* Checks 1-3: is there a certificate that can be read, and the key to it? NULL: no Secret. */
bool secret_has_key_pair(const struct secret_facts *secret);
/* Is its certificate the one that the request brought? NULL: no Secret. */
bool secret_came_by(const struct secret_facts *secret, const struct request_facts *request);
/* And the key the request's? */
bool secret_holds(const struct secret_facts *secret, const struct request_facts *request);
/* Does the request still ask for what the spec says (2.2)? */
struct violation request_violation(const struct certificate_spec *spec,
                                   const struct request_facts *request, struct arena *arena);
/* 2.4: metadata and extra data keys of the Secret. */
struct violation repair_violation(const struct certificate_facts *facts, bool owner_ref,
                                  struct arena *arena);
/* The same, where it is to be put right. */
struct violation certificate_repair_due(const struct certificate_facts *facts,
                                        const struct certificate_policy *policy,
                                        struct arena *arena);
/* Is it, as it is stored, what was made for this revision and key? A policy of the cluster may have changed it:
 * then the next one would be changed, too. */
struct violation request_changed(const struct certificate *crt, const struct request_facts *request,
                                 int64_t revision, const unsigned char key_hash[SHA256_LEN],
                                 struct arena *arena);
bool key_fits_spec(const struct certificate_spec *spec, int algorithm, int size,
                   struct arena *arena, const char **ret_why);
/* --- certificate_renewal.c --- */

/* When to renew a certificate of this validity (behaviour.md 3); 0: never (policy Disabled). */
int64_t renewal_time_ms(const struct certificate_spec *spec, int64_t not_before_ms,
                        int64_t not_after_ms);
/* With the CA's window, when there is one that was given for this certificate. Never later than the
 * plain time unless the window as a whole is later (acme.md 6: fallback). */
int64_t renewal_time_with_ari_ms(const struct certificate_spec *spec,
                                 const struct certificate_acme_status *acme,
                                 const struct secret_facts *secret);
/*
 * A certificate may be due minutes after it was issued: the CA calls it back, or sends one whose life is
 * nearly over. That is followed at once. A CA that does so every time would be asked for new ones without
 * end (cm#4846): so a request that replaces a young certificate is marked, and what it brought stays for
 * the longest wait of a failed issuance, a third of its life at most.
 */
bool certificate_is_young(const struct secret_facts *secret, const struct request_facts *current,
                          const struct certificate_policy *policy);
/* `renew_ms`, or the end of that stay. `current`: the request that the certificate came by, or NULL. */
int64_t renewal_time_after_ms(int64_t renew_ms, const struct secret_facts *secret,
                              const struct request_facts *current,
                              const struct certificate_policy *policy);
/*
 * All of that, and the windows of the spec on top. NULL `problem`: it is as the windows say. What the CA calls
 * back in the first half of its life does not wait for them: it is about to be revoked (acme.md 6).
 */
struct renewal_basis {
    const struct certificate_spec *spec;
    const struct certificate_acme_status *acme; /* or NULL */
    const struct secret_facts *secret;
    const struct request_facts *current; /* or NULL */
    const struct certificate_policy *policy;
};
struct renewal {
    int64_t at_ms;       /* 0: never */
    const char *problem; /* why the windows are passed over; in the arena */
};
struct renewal certificate_renewal(const struct renewal_basis *basis, struct arena *arena);
bool certificate_uses_ari(const struct issuer *issuer);
bool issuer_is_acme_ready(const struct issuer *issuer); /* Ready=True: its account can be asked */
/* Of what has happened, by more than another machine's clock may be ahead: a clock told it that was set back since, so
 * nobody waits for what was counted from it. */
bool time_is_to_come(int64_t at_ms, int64_t now_ms);
/* End of the back-off after a failure; 0: none (DESIGN 12.5). */
int64_t backoff_end_ms(const struct certificate_spec *spec, const struct certificate_status *status,
                       const struct certificate_policy *policy);
/* --- certificate_words.c --- */

/* "<why it was started> (waiting: <what>)"; `what` NULL: the reason alone. In the arena. */
const char *certificate_waiting_message(const char *message, const char *what, struct arena *arena);
/* The `what` of such a message, in the arena; NULL: it has none. */
const char *certificate_waits_for(const char *message, struct arena *arena);
/* "...: <why> (attempt <n>, next not before <time>)", in the arena. */
const char *certificate_failure_message(const char *why, int64_t attempts, int64_t again_ms,
                                        struct arena *arena);
/* Of the Issuing condition of a failure: when it is tried again; 0: it does not say. */
int64_t certificate_told_attempt_ms(const struct condition *issuing);
/* Its message without the number of the attempt and that time, in the arena; NULL: there is none. */
const char *certificate_failure_cause(const char *message, struct arena *arena);

/* --- certificate_windows.c --- */

/*
 * When a renewal that is due at `due_ms` may happen (behaviour.md 3): then, if a window is open; else when the
 * next one opens, as long as the certificate has not expired. If none does, or one of them cannot be read, it
 * is `due_ms`, with a problem: a certificate that lapses is worse than a renewal outside of its windows.
 *
 * It says nothing of now: a renewal whose window went by while nobody was there is overdue, and follows at
 * once, as does what is tried again after a failure.
 */
struct renewal renewal_in_windows(const struct certificate_renewal *renewal, int64_t due_ms,
                                  const struct secret_facts *secret, struct arena *arena);

#endif
