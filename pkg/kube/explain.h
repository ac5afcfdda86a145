/*
 * explain.h - what of a configuration to look at when the API server and we do not trust each other.
 *
 * Pure functions, for the ends of messages. Names of files and contexts and the time at which a token
 * expired are told, credentials never.
 */
#ifndef KUBE_EXPLAIN_H
#define KUBE_EXPLAIN_H

#include "kube/config.h"

/* After a 401: "the token in '/x/token' expired at 2026-01-01T00:00:00Z". `token` NULL: none was sent. */
void kube_explain_credentials(const struct kube_config *config, const char *token, int64_t now_ms,
                              struct buf *to);
/* After a server's certificate was not accepted: "check certificate-authority '/x/ca.crt'". */
void kube_explain_trust(const struct kube_config *config, struct buf *to);

#endif
