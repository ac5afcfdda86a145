/*
 * caches.h - the caches of all kinds: how each is decoded and indexed, and whom a change wakes.
 */
#ifndef CONTROLLER_CACHES_H
#define CONTROLLER_CACHES_H

#include "controller/controllers.h"
#include "controller/facts.h"

void caches_init(struct caches *caches);
/* Reflectors for all of them: one for each kind and namespace, of Secrets perhaps two. */
void caches_add_to(struct caches *caches, struct manager *manager,
                   const struct controllers_options *options);
void caches_deinit(struct caches *caches);
/* The one with objects of this resource; NULL: there is none. */
struct cache *cache_of(struct caches *caches, const struct resource *resource);
/* watches.c: handlers on all caches that add keys to the queue. */
void watches_add(struct controllers *self);

/* Index value helpers; the caller frees. */
char *index_issuer_value(const struct issuer_reference *ref, const char *namespace);
char *index_signer_value(const struct signer *signer); /* as index_issuer_value() */
char *index_name_value(const char *namespace, const char *name);
/* The Secrets that an issuer reads, as index_name_value(); `namespace` is where it has them. */
void issuer_used_secrets(const struct issuer *issuer, const char *namespace, cache_emit_fn *emit,
                         void *arg);

#endif
