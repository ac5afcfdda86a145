/*
 * resource.h - what an object is called: resource (kind) and key.
 */
#ifndef STORE_RESOURCE_H
#define STORE_RESOURCE_H

#include "base/base.h"

struct resource {      /* static const rows, see api/kinds.h */
    const char *group; /* "" for core */
    const char *version;
    const char *kind;   /* "Certificate" */
    const char *plural; /* "certificates" */
    bool namespaced;
    bool has_status; /* status is written apart and does not change generation */
    /* Whoever watches or lists it never asks who owns which field: without metadata.managedFields, which is
     * half of all members of a small object. A get() gives them. */
    bool watched_without_owners;
    /* Created to be answered and never stored, so without a name: SubjectAccessReview. */
    bool is_question;
    /* A name need not be a DNS name, but for what no path can hold: CertificateSigningRequest. */
    bool any_name;
};

/* Borrowed names; `namespace` is "" for cluster-scoped objects. */
struct key {
    const char *namespace;
    const char *name;
};

#define KEY_TEXT_MAX (253 + 1 + 253 + 1)
void key_format(const struct key *key, char text[KEY_TEXT_MAX]); /* "ns/name", or "name" */
/* Points into `text`, which it changes. */
struct key key_parse(char *text);
bool key_equal(const struct key *a, const struct key *b);
/* "cert-manager.io/v1", "v1". Lent buffer of the caller. */
#define API_VERSION_MAX 320 /* bytes with the terminator, of a group and a version */
void resource_api_version(const struct resource *resource, char *to, size_t size);

#endif
