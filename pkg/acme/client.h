/*
 * client.h - inside of an acme_client. Only for the .c files of this folder.
 *
 * Two locks, never held together nor across a call: the nonce pool has its own, `mutex` guards the
 * account URL and the copy of the directory. All else is constant after acme_client_new().
 */
#ifndef ACME_CLIENT_H
#define ACME_CLIENT_H

#include <stdatomic.h>

#include "acme/acme.h"
#include "acme/gate.h"
#include "acme/nonce.h"
#include "base/thread.h"

struct acme_client {
    atomic_int refs;
    struct http *http;
    char *directory_url;
    char *ca_pem, *server_name;
    struct http_tls tls; /* lends the two above */
    const struct pkey *key;
    struct acme_gate *gate;
    int64_t timeout_ms;
    struct acme_nonces nonces;

    struct mutex mutex;
    char *account_url;
    struct strlist made_urls; /* of orders that were made, one of each origin */
    char *orders_url; /* of the account's list; "": the CA keeps none; NULL: not known yet */
    struct acme_directory directory;
    bool has_directory;
    int64_t directory_at_ms; /* monotonic */
};

/* An order that the CA has made: its origin is known from now on. */
void acme_client_note_made(struct acme_client *client, const char *order_url);
/* Is the URL's that of the directory, of the account or of an order that was made? */
bool acme_client_knows_origin(struct acme_client *client, const char *url);
void acme_client_set_orders(struct acme_client *client, const char *orders_url);
char *acme_client_orders(struct acme_client *client); /* copy */

#endif
