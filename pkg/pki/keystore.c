/* keystore.c - what both formats have in common: what is refused before anything is made. */
#include "pki/keystore.h"

#include <string.h>

#include "pki/keystore_format.h"

int keystore_check_password(const struct buf *password, struct err *err)
{
    if (password->len == 0)
        return err_set(err, ERR_INVALID, "the password is empty");
    if (memchr(password->data, '\0', password->len))
        return err_set(err, ERR_INVALID, "the password has a NUL byte in it; use text");
    if (!str_is_utf8(password->data, password->len))
        return err_set(err, ERR_INVALID, "the password is not UTF-8; use text");
    return 0;
}

/* Those formats are made with what FIPS 140-3 does not approve. */
static int check_fips(const char *format, bool fips, struct err *err)
{
    if (fips || !EVP_default_properties_is_fips_enabled(NULL))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s is not for FIPS mode, in which OpenSSL runs here; use PKCS#12 with the "
                   "profile Modern2026",
                   format);
}

int keystore_key_der(const struct keystore *keystore, struct buf *to, struct err *err)
{
    pkey_to_der(keystore->key, KEY_PKCS8, to);
    return buf_check(to, "the private key", err);
}

int keystore_pkcs12(const struct keystore *keystore, enum pkcs12_profile profile, struct buf *to,
                    struct err *err)
{
    int r = keystore_check_password(keystore->password, err);

    if (r == 0)
        r = check_fips("this PKCS#12 profile", profile == PKCS12_MODERN_2026, err);
    return r < 0 ? r : pkcs12_write(keystore, profile, to, err);
}

int keystore_jks(const struct keystore *keystore, struct buf *to, struct err *err)
{
    int r = keystore_check_password(keystore->password, err);

    if (r == 0)
        r = check_fips("a Java key store", false, err);
    return r < 0 ? r : jks_write(keystore, to, err);
}
