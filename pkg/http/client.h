/*
 * client.h - what stands behind struct http, for the files of this folder.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/shares.h"
#include "http/io.h"

struct http {
    struct io io;
    http_fake_fn *fake; /* with it nothing in `io` runs */
    void *fake_arg;
    struct shares *per_host, *per_tenant; /* NULL with a fake */
};

/* One answer of the fake, complete with what the header promises. */
int http_ask_fake(struct http *http, const struct context *ctx, const struct http_request *request,
                  size_t max_body, struct http_response *ret_response, struct err *err);
/* What the request may take, the context's deadline included. */
int64_t http_timeout_ms(const struct context *ctx, const struct http_request *request);

#endif
