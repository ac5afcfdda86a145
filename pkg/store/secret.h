/*
 * secret.h - what the API server does to Secrets beyond what it does to every object: stringData,
 * the default type, immutability, the keys a type needs. No other kind is known to the store.
 */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "store/resource.h"
#include "json/json.h"

bool resource_is_secret(const struct resource *resource);
/* Moves stringData into data; before anything else is done with what a writer gave. */
int secret_admit(struct json *secret, struct err *err);
/* `stored` is NULL for a new one. Sets the default type. */
int secret_check(const struct json *stored, struct json *secret, struct err *err);

#endif
