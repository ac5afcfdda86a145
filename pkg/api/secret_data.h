/*
 * secret_data.h - values of a Secret's data. Private to this folder.
 */
#ifndef API_SECRET_DATA_H
#define API_SECRET_DATA_H

#include "base/buf.h"

/* Appends what the base64 text stands for; line breaks in it are passed over, as in Go. */
int secret_data_decode(const char *text, struct buf *to, struct err *err);

#endif
