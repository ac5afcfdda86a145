/*
 * listen.h - listening sockets by text, with the reason when there is none.
 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "base/err.h"

/* As server_listen() says. The descriptor does not block. */
int listen_on(const char *address, int *ret_fd, uint16_t *ret_port, struct err *err);

#endif
