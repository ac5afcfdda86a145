/*
 * certificate_defaults.c - what a Certificate asks for where it says nothing.
 *
 * cert-manager applies these at the point of use and never writes them back (api.md 2).
 */
#include "api/certificate.h"

#include "base/clock.h"
#include "pki/dn.h"

enum { RSA_SIZE = 2048, ECDSA_SIZE = 256, HISTORY = 1, NS_PER_MS = 1000000, DURATION_DAYS = 90 };

static const struct certificate_private_key *private_key(const struct certificate_spec *spec)
{
    static const struct certificate_private_key nothing_said;

    return spec->private_key ? spec->private_key : &nothing_said;
}

enum key_algorithm certificate_key_algorithm(const struct certificate_spec *spec)
{
    switch (private_key(spec)->algorithm) {
    case CERTIFICATE_KEY_ECDSA:
        return KEY_ECDSA;
    case CERTIFICATE_KEY_ED25519:
        return KEY_ED25519;
    default:
        return KEY_RSA;
    }
}

int certificate_key_size(const struct certificate_spec *spec)
{
    enum key_algorithm algorithm = certificate_key_algorithm(spec);

    if (algorithm == KEY_ED25519)
        return 0;
    if (private_key(spec)->size != 0)
        return (int)private_key(spec)->size;
    return algorithm == KEY_ECDSA ? ECDSA_SIZE : RSA_SIZE;
}

enum key_encoding certificate_key_encoding(const struct certificate_spec *spec)
{
    if (certificate_key_algorithm(spec) == KEY_ED25519)
        return KEY_PKCS8;
    return private_key(spec)->encoding == CERTIFICATE_ENCODING_PKCS8 ? KEY_PKCS8 : KEY_PKCS1;
}

bool certificate_rotates_key(const struct certificate_spec *spec)
{
    return private_key(spec)->rotation_policy != ROTATION_NEVER;
}

key_usages usages_of(const struct array_int *usages, bool is_ca)
{
    key_usages bits = 0;

    for (size_t i = 0; i < usages->len; i++)
        bits |= usages->items[i] > 0 ? (key_usages)1 << usages->items[i] : 0;
    if (usages->len == 0)
        bits = USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT);
    return is_ca ? bits | USAGE(CERT_SIGN) : bits;
}

int64_t certificate_duration_ms(const struct certificate_spec *spec)
{
    return spec->duration.is_set ? spec->duration.ns / NS_PER_MS : DAYS(DURATION_DAYS);
}

enum pkcs12_profile certificate_pkcs12_profile(const struct pkcs12_keystore *pkcs12)
{
    return pkcs12->profile > 0 ? (enum pkcs12_profile)pkcs12->profile : PKCS12_LEGACY_RC2;
}

int64_t certificate_history_limit(const struct certificate_spec *spec)
{
    return spec->revision_history_limit.is_set ? spec->revision_history_limit.value : HISTORY;
}

const char *certificate_common_name(const struct certificate_spec *spec)
{
    return str_or(spec->common_name, "");
}

char *certificate_subject_common_name(const struct certificate_spec *spec)
{
    cleanup(dn_deinit) struct dn dn = {};

    if (str_empty(spec->literal_subject))
        return xstrdup(spec->common_name);
    return dn_parse(spec->literal_subject, &dn, NULL) < 0 ? NULL : xstrdup(dn_common_name(&dn));
}
