/* certificate_status.c - what the status of a Certificate tells, for those who only read it. */
#include "api/certificate.h"

const char *certificate_unissuable(const struct certificate *crt)
{
    static const char *const reasons[] = {"InvalidSpec", "DuplicateSecretName", "SecretOfIssuer"};
    const struct condition *ready = condition_find(&crt->status.conditions, "Ready");

    if (!ready || ready->observed_generation != crt->object.metadata.generation)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (streq(ready->reason, reasons[i]))
            return str_or(ready->message, reasons[i]);
    return NULL;
}
