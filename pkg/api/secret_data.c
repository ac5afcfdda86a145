#include "api/secret_data.h"

#include <string.h>

#include "base/base64.h"

int secret_data_decode(const char *text, struct buf *to, struct err *err)
{
    cleanup(buf_deinit) struct buf joined = BUF_SECRET(strlen(text));

    if (joined.max == strcspn(text, "\r\n"))
        return base64_decode(to, text, joined.max, err); /* as servers write it */
    while (*text) {
        size_t len = strcspn(text, "\r\n");

        buf_add(&joined, text, len);
        text += len + strspn(text + len, "\r\n");
    }
    return base64_decode(to, buf_str(&joined), joined.len, err);
}
