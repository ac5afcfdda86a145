/*
 * credentials.h - who we are to the API server, as it is now (kubernetes.md 1).
 *
 * Tokens and certificates change while we run. An identity is what one call sends: counted, constant
 * and wiped at its end; a call takes one and lets go of it after the answer, so that nothing old stays
 * with a connection. Files are read again now and then and after a 401, a credential plugin runs again
 * when what it gave expires or was refused; one thread does that, the others go on with what there is
 * or, when there is nothing, wait. What cannot be read again is kept until the server refuses it.
 *
 * Any thread. The config must outlive the credentials.
 */
#ifndef KUBE_CREDENTIALS_H
#define KUBE_CREDENTIALS_H

#include "base/context.h"
#include "http/http.h"
#include "kube/config.h"

struct kube_credentials;
struct kube_identity;

struct kube_credentials *kube_credentials_new(const struct kube_config *config,
                                              const struct clock *clock);
void kube_credentials_free(struct kube_credentials *self);
DEFINE_CLEANUP(struct kube_credentials, kube_credentials_free);

/* May read files or run the plugin, and blocks as long. */
int kube_credentials_get(struct kube_credentials *self, const struct context *ctx,
                         const struct kube_identity **ret, struct err *err);
/* The server answered 401 to `used`. True: there may be a better one now, so try once more. */
bool kube_credentials_refuse(struct kube_credentials *self, const struct kube_identity *used);

void kube_identity_unref(const struct kube_identity *identity);
static inline void kube_identity_unref_ptr(const struct kube_identity **identity)
{
    kube_identity_unref(*identity);
}
/* Lent until it is let go. */
const struct http_tls *kube_identity_tls(const struct kube_identity *identity);
/* The bearer token that is sent, lent like the identity; NULL: none. Secret. */
const char *kube_identity_token(const struct kube_identity *identity);
/* Appends Authorization and impersonation headers; some repeat. The values are secret. */
void kube_identity_add_headers(const struct kube_identity *identity, struct strmap *headers);

/* A header beside others of the same name, which strmap_set() would replace. */
void kube_header_add(struct strmap *headers, const char *name, const char *value);
/* Wipes the values. */
void kube_headers_deinit(struct strmap *headers);
DEFINE_CLEANUP_VALUE(struct strmap, kube_headers_deinit);

#endif
