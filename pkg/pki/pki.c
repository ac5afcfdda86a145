/*
 * OpenSSL wipes the numbers of a private key when it frees the key, but not the DER that it decoded
 * them from or wrote them to: with 3.0.22 that of an RSA key can be found in freed memory. So all
 * that OpenSSL gives back is wiped here, which also covers the session keys of TLS.
 */
#include "pki/pki.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "pki/openssl.h"

static void *wiping_malloc(size_t size, const char *file, int line)
{
    return malloc(size);
}

static void wiping_free(void *p, const char *file, int line)
{
    if (p)
        wipe(p, malloc_usable_size(p));
    free(p);
}

/* Not realloc(): that gives the old memory back as it is. */
static void *wiping_realloc(void *p, size_t size, const char *file, int line)
{
    size_t old_size = p ? malloc_usable_size(p) : 0;
    void *grown;

    if (p && size > 0 && size <= old_size)
        return p;
    grown = size > 0 ? malloc(size) : NULL;
    if (size > 0 && !grown)
        return NULL;
    if (p && grown)
        memcpy(grown, p, old_size);
    wiping_free(p, file, line);
    return grown;
}

bool pki_setup(void)
{
    return CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) == 1;
}
