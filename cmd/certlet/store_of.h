/*
 * store_of.h - the store of a folder, for the commands that work beside `certlet run`.
 */
#ifndef CERTLET_STORE_OF_H
#define CERTLET_STORE_OF_H

#include "store/local.h"

/* DIR/state.db, which must exist. The error says how it comes to be. */
int store_of(const char *dir, bool read_only, struct store **ret, struct err *err);

#endif
