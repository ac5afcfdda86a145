/*
 * base64.h - RFC 4648 sections 4 and 5.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct buf *to, const void *data, size_t len);    /* padded */
void base64url_encode(struct buf *to, const void *data, size_t len); /* unpadded */
char *base64_new(const void *data, size_t len);
char *base64url_new(const void *data, size_t len);
/* Strict alphabet and padding, line breaks refused; ERR_INVALID names the offset. */
int base64_decode(struct buf *to, const char *text, size_t len, struct err *err);
/* Padding optional (EAB secrets come in both forms, acme.md 5). */
int base64url_decode(struct buf *to, const char *text, size_t len, struct err *err);

#endif
