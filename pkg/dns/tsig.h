/*
 * tsig.h - signatures on whole messages (RFC 8945), made and checked by ldns.
 *
 * What ldns leaves to its caller is done here: time, key name and algorithm of an answer, one TSIG
 * as the last record, and an owner name that is not compressed (not every server follows pointers
 * there). Time signed is the system's: ldns reads it itself, the one clock that we do not hand in.
 */
#ifndef DNS_TSIG_H
#define DNS_TSIG_H

#include "dns/message.h"

#define TSIG_FUDGE_S 300 /* RFC 8945 10, and cert-manager's */

enum tsig_error {
    TSIG_OK = 0,
    TSIG_BADSIG = 16,
    TSIG_BADKEY = 17,
    TSIG_BADTIME = 18,
    TSIG_BADTRUNC = 22
};

/* Appends the signature. ERR_INVALID: key name or empty secret; ERR_UNSUPPORTED: the system's
 * OpenSSL refuses the algorithm (MD5 under FIPS). */
int tsig_sign(struct buf *wire, const struct tsig *tsig, struct err *err);
/* What the answer says about our signature: enum tsig_error; TSIG_OK also without a TSIG.
 * Not proven by anything: only good for explaining a refusal. */
int tsig_error_of(const void *answer, size_t len);
/* 0 when `answer` carries the right signature for the signed `request`; ERR_PROTOCOL otherwise. */
int tsig_verify(const void *answer, size_t len, const struct buf *request, const struct tsig *tsig,
                int64_t now_ms, struct err *err);

#endif
