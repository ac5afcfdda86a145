/*
 * directory.h - the client's copy of the directory (RFC 8555 7.1.1).
 */
#ifndef ACME_DIRECTORY_H
#define ACME_DIRECTORY_H

#include "acme/acme.h"
#include "json/json.h"

enum acme_resource {
    ACME_NEW_NONCE,
    ACME_NEW_ACCOUNT,
    ACME_NEW_ORDER_URL,
    ACME_NEW_AUTHZ,
    ACME_REVOKE_CERT,
    ACME_KEY_CHANGE,
    ACME_RENEWAL_INFO,
};

/* ERR_UNSUPPORTED when the directory does not have it. */
int acme_directory_url(struct acme_client *client, const struct context *ctx,
                       enum acme_resource resource, char **ret, struct err *err);
/* Something the directory says seems to be out of date: forget a copy older than a minute.
 * True when it was forgotten, so that asking again makes sense. */
bool acme_directory_expire(struct acme_client *client, const struct context *ctx);

int acme_directory_decode(const struct json *value, struct acme_directory *ret, struct err *err);

#endif
