/*
 * decode.h - answers of the CA to structs. All input is hostile; unknown members are passed over.
 *
 * A missing or wrong member that we need is ERR_PROTOCOL, as is any URL that is not https. Texts
 * for people are cut and cleaned. The decoders need no client, so that the fuzzer can call them.
 */
#ifndef ACME_DECODE_H
#define ACME_DECODE_H

#include "acme/acme.h"
#include "json/json.h"

#define ACME_TEXT_MAX 1000 /* bytes of a text for people */

/* The body as a JSON map. HTML or another foreign page is ERR_UNAVAILABLE: something between us
 * and the CA has answered. */
int acme_body(const struct http_response *response, struct json **ret, struct err *err);
bool acme_answer_is(const struct http_response *response, const char *content_type);

int acme_decode_url(const struct json *map, const char *name, bool required, char **ret,
                    struct err *err);
int acme_check_url(const char *what, const char *url, struct err *err);
char *acme_decode_text(const struct json *map, const char *name); /* NULL when absent */
char *acme_clip(const char *text, size_t max);
int64_t acme_decode_time(const struct json *map,
                         const char *name); /* 0 when absent or unreadable */
int acme_decode_status(const struct json *map, enum acme_status *ret, struct err *err);
int acme_decode_identifier(const struct json *value, struct acme_identifier *ret, struct err *err);
void acme_identifier_deinit(struct acme_identifier *identifier);
int acme_location(const struct http_response *response, bool required, char **ret, struct err *err);

int acme_account_decode(const struct json *value, struct acme_account *ret, struct err *err);
int acme_order_decode(const struct json *value, struct acme_order *ret, struct err *err);
int acme_authorization_decode(const struct json *value, struct acme_authorization *ret,
                              struct err *err);
int acme_renewal_info_decode(const struct json *value, struct acme_renewal_info *ret,
                             struct err *err);

#endif
