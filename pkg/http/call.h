/*
 * call.h - one transfer on its way from the caller to the I/O thread and back.
 *
 * From io_submit() until `done` everything in it belongs to the I/O thread, except the part that
 * the lock of `io` guards. The request and what it points to must live until `head_ready` of a
 * stream, until `done` of any other call.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "http/io.h"
#include "http/url.h"

struct call {
    /* set before it is submitted */
    struct io *io;
    const struct http_request *request;
    struct url_parts url;
    char *method, *action; /* copies: the observation of a stream comes after its request is gone */
    int64_t started_ms;    /* monotonic, like the next */
    int64_t due_ms;        /* of the call, or of a stream's head */
    int64_t stream_due_ms; /* of the rest of a stream */
    bool streaming;
    size_t max_body;
    bool takes_cut_401;
    int max_redirects;

    /* the I/O thread's */
    struct list link;   /* in io->submitted */
    struct list active; /* in io->active */
    int fd;             /* of the connection that its request went out on; -1 */
    int64_t heard_ms;   /* monotonic: when that brought the latest answer, of whichever call */
    struct heap_node deadline;
    CURL *easy;
    CURLcode setup; /* first option that was refused */
    struct curl_slist *headers, *connect_to;
    char error[CURL_ERROR_SIZE];
    struct http_response response;
    size_t header_bytes;
    bool in_head;
    int fault; /* why one of our callbacks ended the transfer: an err_code */
    bool repeated;
    bool is_dropped; /* nobody wants what still comes */

    /* shared, under io's lock */
    struct cond changed;
    struct list nudge;
    unsigned nudges; /* enum io_nudge */
    bool head_ready; /* stream: response has status and headers and is not written any more */
    bool paused;
    struct buf waiting; /* stream: what came and was not read yet */
    uint64_t received;
    bool done;
    int result;
    struct err err;
};

/* A reader who is this late makes the sender wait. */
#define CALL_WAITING_MAX (256 * 1024)

/* Checks the request. `timeout_ms` is what is left for it. */
int call_init(struct call *call, struct io *io, const struct http_request *request,
              int64_t timeout_ms, struct err *err);
void call_deinit(struct call *call);
DEFINE_CLEANUP_VALUE(struct call, call_deinit);

/* For the I/O thread: dress the handle for the first try; CURLE_OK or why not. */
CURLcode call_dress(struct call *call, CURL *easy);
void call_undress(struct call *call);
/* Failed in a way that a new connection may mend, and may be sent again? */
bool call_wants_repeat(const struct call *call, CURLcode code);
bool call_is_after_redirect(struct call *call);
void call_note_final_url(struct call *call);
void call_announce_head(struct call *call); /* of a stream, to who waits for it */
/* Fill response or err; returns the result. */
int call_conclude(struct call *call, CURLcode code, struct err *err);
int call_conclude_timeout(struct call *call, struct err *err);

#endif
