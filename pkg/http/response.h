/*
 * response.h - filling an answer, for the files of this folder.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http/http.h"

/* One line "Name: value\r\n"; a repeated name gets an entry of its own. Others are ignored. */
void response_add_header(struct http_response *response, const char *line, size_t len);
void response_note_date(struct http_response *response); /* sets date_ms from the headers */

#endif
