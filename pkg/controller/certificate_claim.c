/*
 * certificate_claim.c - is the Secret that a Certificate names an Issuer's own? Pure.
 *
 * An Issuer may sign with what a Certificate has brought: a root of one's own begins so. What somebody else has put
 * there, and the key of an ACME account, would be lost with the first certificate.
 */
#include "api/kinds.h"
#include "controller/certificate_decide.h"

static const char *certificate_annotated(const struct secret_facts *secret)
{
    return secret ? object_annotation(&secret->object, ANNOTATION_CERTIFICATE_NAME) : NULL;
}

static bool came_by_request(const struct certificate_facts *facts)
{
    for (size_t i = 0; i < facts->request_count; i++) {
        if (secret_came_by(facts->secret, facts->requests[i]))
            return true;
    }
    return false;
}

/* Without the annotation, which somebody may have taken off, by the certificate in it. */
static bool is_own_secret(const struct certificate_facts *facts)
{
    const struct secret_facts *secret = facts->secret;
    const char *annotated = certificate_annotated(secret);

    if (annotated)
        return streq(annotated, facts->crt->object.metadata.name);
    return came_by_request(facts);
}

static bool has_account_there(const struct certificate_facts *facts, const struct issuer *issuer)
{
    const struct acme_issuer *acme = issuer->spec.acme;

    return acme && streq(acme->private_key_secret_ref.name, facts->crt->spec.secret_name) &&
           !(is_own_secret(facts) && secret_has_key_pair(facts->secret));
}

/* Of another Certificate that is gone it may be taken over, but never to hold what it has signed. */
static bool has_ca_there(const struct certificate_facts *facts, const struct issuer *issuer)
{
    const struct ca_issuer *ca = issuer->spec.ca;
    const struct secret_facts *secret = facts->secret;

    if (!ca || !streq(ca->secret_name, facts->crt->spec.secret_name) || is_own_secret(facts))
        return false;
    if (facts->issuer && streq(facts->issuer->object.metadata.uid, issuer->object.metadata.uid))
        return true;
    return secret && (secret->has_data || secret->key_ok) && !certificate_annotated(secret);
}

const char *certificate_claim(const struct certificate_facts *facts, const struct issuer *issuer,
                              struct arena *arena)
{
    const char *kind = issuer->object.kind->resource.kind, *name = issuer->object.metadata.name;
    const char *secret = facts->crt->spec.secret_name;

    if (has_account_there(facts, issuer))
        return arena_printf(arena,
                            "%s '%s' has the key of its ACME account in Secret '%s'; give this "
                            "Certificate another spec.secretName",
                            kind, name, secret);
    if (has_ca_there(facts, issuer))
        return arena_printf(arena,
                            "%s '%s' has its CA in Secret '%s', which is not of this Certificate; "
                            "give it another spec.secretName",
                            kind, name, secret);
    return NULL;
}
