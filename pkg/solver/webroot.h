/*
 * webroot.h - answers as files below the web root of a server that runs already.
 *
 * The web root may be open to others for writing: no symbolic link is followed below it, and tokens
 * are checked by the caller (http01_token_check()). One thread at a time. Private to this folder.
 */
#ifndef SOLVER_WEBROOT_H
#define SOLVER_WEBROOT_H

#include "base/err.h"

struct webroot {
    char *path;
    bool made[2]; /* by us, from the web root on: taken away again when empty */
};

/* ERR_NOT_FOUND and others when the folder cannot be used. */
int webroot_init(struct webroot *webroot, const char *path, struct err *err);
void webroot_deinit(struct webroot *webroot);
/* Idempotent, both; a restart in between does no harm. */
int webroot_write(struct webroot *webroot, const char *token, const char *key, struct err *err);
int webroot_remove(struct webroot *webroot, const char *token, struct err *err);

#endif
