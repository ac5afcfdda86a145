/*
 * limits.h - the most that we take from outside, all in one place.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define LIMIT_JSON_DEPTH     64            /* nesting of any document                        */
#define LIMIT_ACME_BODY      (1024 * 1024) /* an ACME answer other than a chain: bytes       */
#define LIMIT_CHAIN_BODY     95000  /* a PEM chain: cert-manager's --max-certificate-chain-length */
#define LIMIT_CHAIN_CERTS    16     /* certificates in a chain                        */
#define LIMIT_CERT_PEM       36500  /* one certificate in PEM: --max-certificate-size  */
#define LIMIT_KEY_PEM        13000  /* a private key in PEM: --max-private-key-size    */
#define LIMIT_BUNDLE_PEM     330000 /* a CA bundle: --max-certificate-bundle-size      */
#define LIMIT_BUNDLE_CERTS   512    /* certificates in it                              */
#define LIMIT_KEYSTORE       (512 * 1024) /* a PKCS#12 or Java key store: a bundle, a chain, a key */
#define LIMIT_PASSWORD       4096         /* of a key store                                 */
#define LIMIT_ALIAS          21845 /* of a key in a JKS: 65535 bytes, 3 for a unit of UTF-16 at most */
#define LIMIT_SECRET         (1024 * 1024)     /* all values of a Secret: Kubernetes              */
#define LIMIT_HTTP_HEADERS   (64 * 1024)       /* all header lines of one answer: bytes          */
#define LIMIT_MANIFEST_FILE  (4 * 1024 * 1024) /* one YAML file                            */
#define LIMIT_MANIFEST_NODES 200000            /* values in one file after aliases               */
#define LIMIT_OBJECT         (3 * 1024 * 1024 / 2) /* one stored object: etcd's limit       */
#define LIMIT_ANNOTATIONS    (256 * 1024)       /* all annotations of one object: Kubernetes      */
#define LIMIT_KUBE_BODY      (4 * 1024 * 1024)  /* an API server's answer about one object     */
#define LIMIT_KUBE_LIST      (64 * 1024 * 1024) /* one page of a list                          */
#define LIMIT_KUBE_LINE      (16 * 1024 * 1024) /* one event of a watch: LIMIT_OBJECT as \u003c */
#define LIMIT_DN_TEXT        8192               /* a distinguished name as RFC 4514 text       */
#define LIMIT_TOKEN          (64 * 1024)        /* a bearer token                              */
#define LIMIT_PLUGIN_OUTPUT  (256 * 1024)       /* what a credential plugin prints             */
#define LIMIT_DNS_MESSAGE    65535
#define LIMIT_CNAME_CHAIN    16
#define LIMIT_NAME_BYTES     24000 /* names of one Certificate: with keys and PEM, LIMIT_CERT_PEM     */
#define LIMIT_NAMES          100 /* names in one order; Let's Encrypt's classic limit is 100 */
#define LIMIT_WINDOWS        64 /* for the renewal of one Certificate: each is searched at each look */
#define LIMIT_ZONE_FILE      (64 * 1024) /* a TZif file: the largest there is has 4 kB      */
#define LIMIT_ZONES          1024 /* time zones that are kept; IANA has 600 names           */
#define LIMIT_EXCERPT        200  /* how much of a foreign text gets into a message */

#endif
