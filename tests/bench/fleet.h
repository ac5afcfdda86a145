/*
 * fleet.h - a folder full of Certificates, as the program leaves them once they are issued.
 *
 *   DIR/manifests/  issuer.yaml, certificates-0001.yaml, ... (100 each)
 *   DIR/state.db    per Certificate: itself (Ready), its CertificateRequest (Approved, Issued), its
 *                   Order (valid), its Secret; one Issuer (Ready) and the Secret of its account key
 *
 * Everything is written through the store by the managers that the program writes as, and a
 * Certificate's status is what certificate_decide() says. The CA is a key in memory; the Issuer's
 * server is a port on loopback where nobody answers, so a program that asks it shows in the log.
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "base/context.h"
#include "controller/controllers.h"

#define FLEET_NAMESPACE "default"
#define FLEET_ISSUER    "acme"

struct fleet_options {
    const char *dir;
    int count;
    bool rsa; /* RSA-2048 keys out of a pool of FLEET_RSA_POOL; else P-256, one each */
};
enum { FLEET_RSA_POOL = 16 };

/* --- fleet_manifests.c --- */

int fleet_write_manifests(const struct fleet_options *options, struct err *err);
void fleet_certificate_name(int i, char to[32]); /* "web-000001" */

/* --- fleet.c --- */

struct fleet;
/* Opens DIR/state.db and applies DIR/manifests as the program does; the Issuer becomes Ready. */
int fleet_new(const struct fleet_options *options, const struct context *ctx, struct fleet **ret,
              struct err *err);
void fleet_free(struct fleet *fleet);
DEFINE_CLEANUP(struct fleet, fleet_free);
/* Certificate `i` of the manifests, from 1. */
int fleet_issue(struct fleet *fleet, int i, struct err *err);

/* --- fleet_ca.c --- */

struct fleet_ca;
int fleet_ca_new(struct fleet_ca **ret, struct err *err);
void fleet_ca_free(struct fleet_ca *ca);
DEFINE_CLEANUP(struct fleet_ca, fleet_ca_free);
/* Leaf and intermediate as PEM, valid for 90 days since an hour ago. */
int fleet_ca_issue(struct fleet_ca *ca, const struct csr *csr, int64_t now_ms, struct buf *to_pem,
                   struct err *err);

#endif
