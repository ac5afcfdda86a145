/*
 * Distinguished names as text, up to the DER of a subject.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "pki/csr.h"
#include "pki/dn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(xfree) char *text = xstrndup((const char *)data, size);
    cleanup(dn_deinit) struct dn dn = {};
    cleanup(buf_deinit) struct buf der = BUF(64 * LIMIT_DN_TEXT);
    struct err err = {};

    if (dn_parse(text, &dn, &err) < 0)
        return 0;
    for (size_t i = 0; i < dn.len; i++)
        if (!str_is_utf8(dn.items[i].value, strlen(dn.items[i].value)))
            abort();
    if (dn.len == 0 || dn.items[0].joins || subject_text_to_der(text, &der, &err) < 0)
        abort(); /* whatever can be read can be written */
    return 0;
}
