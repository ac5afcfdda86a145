/* fleet_ca.c - a root, an intermediate, and the chains that they issue. */
#include "bench/fleet.h"
#include "pki/pki.h"

#define LIFE_MS DAYS(90)

struct fleet_ca {
    const struct pkey *key;
    struct cert *intermediate;
};

static int sign_named(const char *name, const struct pkey *key, const struct cert *issuer,
                      const struct pkey *issuer_key, struct cert **ret, struct err *err)
{
    struct x509_names names = {.common_name = (char *)name};
    int64_t now_ms = clock_wall_ms(clock_system());
    struct cert_template template = {
        .names = &names,
        .public_key = key,
        .is_ca = true,
        .not_before_ms = now_ms - DAYS(1),
        .not_after_ms = now_ms + DAYS(3650),
        .issuer = issuer,
        .issuer_key = issuer_key,
    };

    return cert_sign(&template, ret, err);
}

int fleet_ca_new(struct fleet_ca **ret, struct err *err)
{
    cleanup(fleet_ca_free) struct fleet_ca *self = xalloc(sizeof(*self));
    cleanup(pkey_unref) const struct pkey *root_key = NULL;
    cleanup(cert_unref) struct cert *root = NULL;
    int r = pkey_generate(KEY_ECDSA, 256, &root_key, err);

    if (r == 0)
        r = pkey_generate(KEY_ECDSA, 256, &self->key, err);
    if (r == 0)
        r = sign_named("Bench Root", root_key, NULL, root_key, &root, err);
    if (r == 0)
        r = sign_named("Bench Intermediate", self->key, root, root_key, &self->intermediate, err);
    if (r < 0)
        return r;
    *ret = take(self);
    return 0;
}

void fleet_ca_free(struct fleet_ca *self)
{
    if (!self)
        return;
    if (self->intermediate)
        cert_unref(self->intermediate);
    pkey_unref_ptr(&self->key);
    xfree(self);
}

int fleet_ca_issue(struct fleet_ca *self, const struct csr *csr, int64_t now_ms, struct buf *to_pem,
                   struct err *err)
{
    cleanup(cert_unref) struct cert *leaf = NULL;
    struct cert_template template = {
        .csr = csr,
        .usages = USAGE(DIGITAL_SIGNATURE) | USAGE(SERVER_AUTH),
        .not_before_ms = now_ms - HOURS(1),
        .not_after_ms = now_ms - HOURS(1) + LIFE_MS,
        .issuer = self->intermediate,
        .issuer_key = self->key,
    };
    int r = cert_sign(&template, &leaf, err);

    if (r < 0)
        return r;
    cert_to_pem(leaf, to_pem);
    cert_to_pem(self->intermediate, to_pem);
    return buf_check(to_pem, "chain", err);
}
