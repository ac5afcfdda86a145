/*
 * pki.h - keys, certificates and digests; OpenSSL stays behind the headers of this folder.
 *
 *   digest.h   SHA-2, HMAC, hex            pem.h     linear PEM scanner
 *   pkey.h     private and public keys     csr.h     certificate signing requests
 *   cert.h     certificates and chains     names.h   DNS name and IP text rules
 *   sign.h     issuing certificates        revocation.h  CRL and OCSP
 *   dn.h       distinguished names as text  keystore.h  PKCS#12, Java key stores
 *
 * Only provider-independent OpenSSL 3 calls (EVP_PKEY, OSSL_PARAM), so that FIPS and PKCS#11
 * providers work. Objects are immutable once built and may be read from any thread.
 */
#ifndef PKI_PKI_H
#define PKI_PKI_H

#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/digest.h"
#include "pki/dn.h"
#include "pki/keystore.h"
#include "pki/names.h"
#include "pki/pem.h"
#include "pki/pkey.h"
#include "pki/revocation.h"
#include "pki/sign.h"

/* Call it first in main(), before anything uses OpenSSL: from then on memory that OpenSSL gives
 * back is wiped. False when it came too late. */
bool pki_setup(void);

#endif
