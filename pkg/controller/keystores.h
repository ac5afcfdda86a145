/*
 * keystores.h - key stores in a target Secret: keystore.jks, truststore.jks, keystore.p12, truststore.p12
 * (api.md 4; behaviour.md 2.4, 5). Pure, but for their salts.
 *
 * A store is made when a certificate is stored, and when it is missing or not ours. One that is there and ours
 * stays as it is, byte for byte, also when the Secret is applied again for another reason, and when password,
 * alias or profile change: the next certificate brings those. Trust stores are made only with a ca.crt.
 */
#ifndef CONTROLLER_KEYSTORES_H
#define CONTROLLER_KEYSTORES_H

#include "controller/certificate_decide.h"

struct target_secret;

enum keystore_format { KEYSTORE_JKS, KEYSTORE_PKCS12, KEYSTORE_FORMAT_COUNT };

/* What of a format a Certificate asks for, and where the password comes from. Borrowed from the spec. */
struct keystore_wish {
    bool create;
    const char *path; /* "spec.keystores.jks" */
    const struct secret_key_selector *ref;
    const char *literal;
};
struct keystore_wish keystore_wish_of(const struct certificate_spec *spec,
                                      enum keystore_format format);

struct keystore_passwords {
    struct buf of[KEYSTORE_FORMAT_COUNT]; /* secret bufs; empty: not needed */
};
void keystore_passwords_deinit(struct keystore_passwords *passwords);
DEFINE_CLEANUP_VALUE(struct keystore_passwords, keystore_passwords_deinit);

/* Has a store of this format to be made, so that its password is needed? */
bool keystores_need_password(const struct target_secret *target, enum keystore_format format);
/* The stores that `target` asks for, made or kept, into the Secret's data. */
int keystores_add(const struct target_secret *target, const struct chain *chain, struct json *data,
                  struct err *err);
/* Those of the Secret, as it was read, that stay as they are: ours by its facts, which must be of the same version. */
void keystores_keep(const struct secret_facts *facts, const struct secret *secret,
                    struct arena *arena, struct array_pair *ret);
/* One is missing, or is there and ours though nobody asks for it. */
struct violation keystores_violation(const struct certificate_facts *facts, struct arena *arena);

#endif
