/*
 * name.h - which texts Kubernetes accepts as names and keys (apimachinery's validation).
 *
 * Pure functions; NULL is never valid.
 */
#ifndef STORE_NAME_H
#define STORE_NAME_H

#include "base/base.h"

#define NAME_LABEL_MAX     63
#define NAME_SUBDOMAIN_MAX 253

bool stored_name_is_label(const char *s);          /* RFC 1123 label: namespaces */
bool stored_name_is_subdomain(const char *s);      /* RFC 1123 subdomain: object names */
bool stored_name_is_step(const char *s);           /* of a path, as any API server takes it */
bool stored_name_is_qualified(const char *s);      /* "[domain/]name": keys of labels; finalizers */
bool stored_name_is_annotation_key(const char *s); /* the same, but the domain in any case */
bool stored_name_is_label_value(const char *s);    /* may be "" */
bool stored_name_is_data_key(const char *s);       /* key of Secret data; safe as a file name */

#endif
