/*
 * Rules: a minimal manifest that is accepted, one line more, and the problem that it makes.
 */
#include "api_testing.h"
#include "base/limits.h"
#include "manifests.h"

#define CERTIFICATE                                                                                  \
    "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web, namespace: default}\n" \
    "spec:\n  secretName: web-tls\n  issuerRef: {name: acme}\n"
#define NAMED_CERTIFICATE CERTIFICATE "  dnsNames: [example.com]\n"
#define WINDOW(members)                                                                            \
    NAMED_CERTIFICATE                                                                              \
    "  renewal: {policy: RenewBefore, windows: [{cron: '@daily', windowDuration: 1h}, {" members   \
    "}]}\n"
#define ISSUER "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: acme}\nspec:\n"
#define ACME                                                                                       \
    ISSUER "  acme:\n    server: https://ca.example/dir\n    privateKeySecretRef: {name: account}\n"
#define SOLVER  ACME "    solvers:\n    - "
#define RFC2136 SOLVER "dns01: {rfc2136: {nameserver: 192.0.2.1, "
#define REQUEST                                                                                    \
    "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {name: web}\nspec:\n"     \
    "  issuerRef: {name: acme}\n"
#define SECRET   "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
#define LABEL_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_256 LABEL_64 "." LABEL_64 "." LABEL_64 "." LABEL_64

static const struct rule_case {
    const char *name, *manifest, *path;
    enum field_problem_kind kind; /* PROBLEM_UNKNOWN: no problem at all */
    const char *text;
} rules[] = {
    /* metadata */
    {"a name is needed",
     "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {}\nspec: {acme: {}}\n",
     "metadata.name", PROBLEM_REQUIRED, "must be set"},
    {"metadata is needed", "apiVersion: cert-manager.io/v1\nkind: Issuer\nspec: {acme: {}}\n",
     "metadata", PROBLEM_REQUIRED, "must be set"},
    {"a spec is needed where the CRD asks",
     "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: a}\n", "spec",
     PROBLEM_REQUIRED, "must be set"},
    {"a spec is needed where the CRD does not ask",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\n", "spec",
     PROBLEM_REQUIRED, "must be set"},
    {"a namespace cannot leave its folder",
     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ../..}\n", "metadata.namespace",
     PROBLEM_INVALID, "'../..' is not a name that Kubernetes accepts here"},
    {"a name cannot leave its folder", "apiVersion: v1\nkind: Secret\nmetadata: {name: ../s}\n",
     "metadata.name", PROBLEM_INVALID, "'../s' is not a name"},
    {"a cluster kind has no namespace",
     "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: a, namespace: b}\n"
     "spec: {acme: {}}\n",
     "metadata.namespace", PROBLEM_WARNING, "belongs to no namespace"},
    {"label keys", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {a b: c}}\n",
     "metadata.labels[a b]", PROBLEM_INVALID, "is not a key that Kubernetes accepts"},
    {"label values", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {a: b c}}\n",
     "metadata.labels[a]", PROBLEM_INVALID, "value is not one that Kubernetes accepts"},
    {"annotation keys",
     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {a/b/c: d}}\n",
     "metadata.annotations[a/b/c]", PROBLEM_INVALID, "is not a key that Kubernetes accepts"},
    {"annotation domains, in any case",
     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {A.b/c: d}}\n", NULL, 0, NULL},
    {"label domains", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {A.b/c: d}}\n",
     "metadata.labels[A.b/c]", PROBLEM_INVALID, "is not a key that Kubernetes accepts"},
    {"owners are named",
     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, ownerReferences: [{}]}\n",
     "metadata.ownerReferences[0].uid", PROBLEM_REQUIRED, "must be set"},
    /* Certificate */
    {"a certificate without any name", CERTIFICATE, "spec", PROBLEM_REQUIRED,
     "at least one of 'dnsNames'"},
    {"an IP address is a name", CERTIFICATE "  ipAddresses: ['::1']\n", NULL, 0, NULL},
    {"a common name is a name", CERTIFICATE "  commonName: a\n", NULL, 0, NULL},
    {"a URI is a name", CERTIFICATE "  uris: ['a:b']\n", NULL, 0, NULL},
    {"an e-mail address is a name", CERTIFICATE "  emailAddresses: [a@b]\n", NULL, 0, NULL},
    {"a common name of 64 bytes", CERTIFICATE "  commonName: " LABEL_64 "\n", NULL, 0, NULL},
    {"a common name of 65 bytes", CERTIFICATE "  commonName: a" LABEL_64 "\n", "spec.commonName",
     PROBLEM_INVALID, "must be at most 64 bytes, has 65"},
    {"a subject as text is a name", CERTIFICATE "  literalSubject: 'O=a, CN=b'\n", NULL, 0, NULL},
    {"a subject as text beside a name", NAMED_CERTIFICATE "  literalSubject: O=a\n", NULL, 0, NULL},
    {"a subject as text without a common name", CERTIFICATE "  literalSubject: O=a\n", "spec",
     PROBLEM_REQUIRED, "at least one of"},
    {"a subject as text with an empty common name", CERTIFICATE "  literalSubject: CN=\n", "spec",
     PROBLEM_REQUIRED, "at least one of"},
    {"an unknown type in a subject", NAMED_CERTIFICATE "  literalSubject: UNKNOWN=blah\n",
     "spec.literalSubject", PROBLEM_INVALID,
     "is not a distinguished name such as 'CN=web,O=Example': 'UNKNOWN' at byte 1 is no type that is "
     "known (C, O, OU, CN, SERIALNUMBER, L, ST, STREET, DC, UID) and no object identifier such as "
     "2.5.4.12; its value begins with 'blah'"},
    {"a blank subject as text", NAMED_CERTIFICATE "  literalSubject: ' '\n", "spec.literalSubject",
     PROBLEM_INVALID, "is not a distinguished name"},
    {"a common name of 64 bytes in a text", CERTIFICATE "  literalSubject: CN=" LABEL_64 "\n", NULL,
     0, NULL},
    {"a common name of 65 bytes in a text", CERTIFICATE "  literalSubject: O=a,CN=a" LABEL_64 "\n",
     "spec.literalSubject", PROBLEM_INVALID, "has a CN of more than 64 bytes"},
    {"a line break in a text", NAMED_CERTIFICATE "  literalSubject: 'O=a\\0Ab'\n",
     "spec.literalSubject", PROBLEM_INVALID, "must not contain control characters"},
    {"two common names", CERTIFICATE "  literalSubject: CN=a\n  commonName: a\n", "spec.commonName",
     PROBLEM_INVALID, "must not be set together with 'literalSubject'"},
    {"two subjects", CERTIFICATE "  literalSubject: CN=a\n  subject: {countries: [CH]}\n",
     "spec.subject", PROBLEM_INVALID, "must not be set together with 'literalSubject'"},
    {"two subjects, one of them a serial number",
     CERTIFICATE "  literalSubject: CN=a\n  subject: {serialNumber: '1'}\n", "spec.subject",
     PROBLEM_INVALID, "must not be set together with 'literalSubject'"},
    {"a subject that is empty beside a text",
     CERTIFICATE "  literalSubject: CN=a\n  subject: {countries: []}\n", NULL, 0, NULL},
    {"an other name is a name", CERTIFICATE "  otherNames: [{oid: 1.2.3, utf8Value: a}]\n", NULL, 0,
     NULL},
    {"an other name of no type",
     CERTIFICATE "  otherNames: [{oid: 1.2.3, utf8Value: a}, {utf8Value: a}]\n",
     "spec.otherNames[1].oid", PROBLEM_REQUIRED, "must be set"},
    {"an other name of a type that is no number",
     CERTIFICATE "  otherNames: [{oid: BAD_OID, utf8Value: a}]\n", "spec.otherNames[0].oid",
     PROBLEM_INVALID, "'BAD_OID' is not an object identifier"},
    {"an other name of a type above the limit",
     CERTIFICATE "  otherNames: [{oid: 1.2.2147483648, utf8Value: a}]\n", "spec.otherNames[0].oid",
     PROBLEM_INVALID, "'1.2.2147483648' is not an object identifier"},
    {"an other name without a value", CERTIFICATE "  otherNames: [{oid: 1.2.3}]\n",
     "spec.otherNames[0].utf8Value", PROBLEM_REQUIRED, "is empty; set the name"},
    {"bounds of a CA",
     NAMED_CERTIFICATE
     "  isCA: true\n  nameConstraints: {critical: true, permitted: {ipRanges: "
     "[10.0.0.0/8, '2001:db8::/32'], dnsDomains: [example.com, ''], emailAddresses: "
     "[a@b], uriDomains: [.b]}}\n",
     NULL, 0, NULL},
    {"bounds of what is no CA", NAMED_CERTIFICATE "  nameConstraints: {excluded: {}}\n",
     "spec.nameConstraints", PROBLEM_INVALID, "are for CAs only; set 'isCA' or remove them"},
    {"bounds of neither kind",
     NAMED_CERTIFICATE "  isCA: true\n  nameConstraints: {critical: true}\n",
     "spec.nameConstraints", PROBLEM_REQUIRED, "at least one of 'permitted' and 'excluded'"},
    {"an address where a range must be",
     NAMED_CERTIFICATE
     "  isCA: true\n  nameConstraints: {excluded: {ipRanges: [10.0.0.0/8, 10.0.0.1]}}\n",
     "spec.nameConstraints.excluded.ipRanges[1]", PROBLEM_INVALID,
     "'10.0.0.1' is not a range; write it as in '10.0.0.0/8'"},
    {"a domain that is not ASCII",
     NAMED_CERTIFICATE "  isCA: true\n  nameConstraints: {permitted: {dnsDomains: [b\xc3\xbc"
                       "cher.example]}}\n",
     "spec.nameConstraints.permitted.dnsDomains[0]", PROBLEM_INVALID, "the xn-- form of others"},
    {"a domain with a dot at its end",
     NAMED_CERTIFICATE "  isCA: true\n  nameConstraints: {permitted: {dnsDomains: [a, a.]}}\n",
     "spec.nameConstraints.permitted.dnsDomains[1]", PROBLEM_INVALID, "'a.' is not a domain"},
    {"a mail domain with a blank",
     NAMED_CERTIFICATE
     "  isCA: true\n  nameConstraints: {permitted: {emailAddresses: [a, 'b c']}}\n",
     "spec.nameConstraints.permitted.emailAddresses[1]", PROBLEM_INVALID, "without blanks"},
    {"a mail address that is none",
     NAMED_CERTIFICATE
     "  isCA: true\n  nameConstraints: {permitted: {emailAddresses: [a@b, a@]}}\n",
     "spec.nameConstraints.permitted.emailAddresses[1]", PROBLEM_INVALID, "'a@' is neither"},
    {"a URI domain with a line break",
     NAMED_CERTIFICATE "  isCA: true\n  nameConstraints: {excluded: {uriDomains: [\"a\\n\"]}}\n",
     "spec.nameConstraints.excluded.uriDomains[0]", PROBLEM_INVALID, "without blanks"},
    {"a URI domain that is an address",
     NAMED_CERTIFICATE "  isCA: true\n  nameConstraints: {excluded: {uriDomains: [192.0.2.1]}}\n",
     "spec.nameConstraints.excluded.uriDomains[0]", PROBLEM_INVALID, "no IP address"},
    {"an empty DNS name", CERTIFICATE "  dnsNames: [a.example, '']\n", "spec.dnsNames[1]",
     PROBLEM_INVALID, "must not be empty"},
    {"a DNS name with a line break", CERTIFICATE "  dnsNames: [\"a\\nb\"]\n", "spec.dnsNames[0]",
     PROBLEM_INVALID, "'a?b' must not contain control characters"},
    {"a DNS name that is too long", CERTIFICATE "  dnsNames: [" NAME_256 "]\n", "spec.dnsNames[0]",
     PROBLEM_INVALID, "is longer than 253 characters"},
    {"a DNS name that only we doubt", CERTIFICATE "  dnsNames: [a.example, 'b c']\n",
     "spec.dnsNames[1]", PROBLEM_WARNING, "'b c' is not a DNS name that CAs accept"},
    {"a wildcard", CERTIFICATE "  dnsNames: ['*.example.com']\n", NULL, 0, NULL},
    {"an IP address that is none", CERTIFICATE "  ipAddresses: [192.0.2.1, 192.0.2]\n",
     "spec.ipAddresses[1]", PROBLEM_INVALID, "'192.0.2' is not an IP address"},
    {"an e-mail address with a name", CERTIFICATE "  emailAddresses: ['Me <me@example.com>']\n",
     "spec.emailAddresses[0]", PROBLEM_INVALID, "is not a plain e-mail address"},
    {"an empty URI", CERTIFICATE "  uris: ['']\n", "spec.uris[0]", PROBLEM_INVALID,
     "must not be empty"},
    {"a duration of an hour", NAMED_CERTIFICATE "  duration: 1h\n  renewBefore: 5m\n", NULL, 0,
     NULL},
    {"a shorter duration", NAMED_CERTIFICATE "  duration: 59m\n", "spec.duration", PROBLEM_INVALID,
     "must be at least 1h"},
    {"the longest duration", NAMED_CERTIFICATE "  duration: 2562047h\n", NULL, 0, NULL},
    {"a duration that is too long", NAMED_CERTIFICATE "  duration: 2562048h\n", "spec.duration",
     PROBLEM_INVALID, "'2562048h' is not a duration"},
    {"a duration in days", NAMED_CERTIFICATE "  duration: 90d\n", "spec.duration", PROBLEM_INVALID,
     "'90d' is not a duration such as '2160h'"},
    {"a short renewBefore", NAMED_CERTIFICATE "  renewBefore: 4m\n", "spec.renewBefore",
     PROBLEM_INVALID, "must be at least 5m"},
    {"renewBefore as long as the duration", NAMED_CERTIFICATE "  duration: 2h\n  renewBefore: 2h\n",
     "spec.renewBefore", PROBLEM_INVALID, "must be shorter than 'duration'"},
    {"renewBefore against the default duration", NAMED_CERTIFICATE "  renewBefore: 2160h\n",
     "spec.renewBefore", PROBLEM_INVALID, "which is 2160h where it is not set"},
    {"both forms of renewBefore",
     NAMED_CERTIFICATE "  renewBefore: 1h\n  renewBeforePercentage: 10\n",
     "spec.renewBeforePercentage", PROBLEM_INVALID, "must not be set together"},
    {"a percentage of 100 with a duration",
     NAMED_CERTIFICATE "  duration: 2h\n  renewBeforePercentage: 100\n",
     "spec.renewBeforePercentage", PROBLEM_INVALID, "must be from 1 to 99"},
    {"a percentage of 0 with a duration",
     NAMED_CERTIFICATE "  duration: 2h\n  renewBeforePercentage: 0\n", "spec.renewBeforePercentage",
     PROBLEM_INVALID, "must be from 1 to 99"},
    {"a percentage that leaves too little",
     NAMED_CERTIFICATE "  duration: 1h\n  renewBeforePercentage: 99\n",
     "spec.renewBeforePercentage", PROBLEM_INVALID, "leaves less than 5m"},
    {"a percentage alone is passed over by cert-manager",
     NAMED_CERTIFICATE "  renewBeforePercentage: 100\n", "spec.renewBeforePercentage",
     PROBLEM_WARNING, "has no effect"},
    {"a percentage beyond int32", NAMED_CERTIFICATE "  renewBeforePercentage: 3000000000\n",
     "spec.renewBeforePercentage", PROBLEM_INVALID, "must be from -2147483648"},
    {"renewal without a policy", NAMED_CERTIFICATE "  renewal: {}\n", "spec.renewal.policy",
     PROBLEM_REQUIRED, "'RenewBefore' or 'Disabled'"},
    {"windows of a disabled renewal",
     NAMED_CERTIFICATE
     "  renewal: {policy: Disabled, windows: [{cron: '@daily', windowDuration: 1h}]}\n",
     "spec.renewal.windows", PROBLEM_INVALID, "must not be set when renewal is disabled"},
    {"a window in a time zone",
     WINDOW("cron: '0 2 * * sat', windowDuration: 4h30m, timezone: Europe/Zurich"), NULL, 0, NULL},
    {"a window without a line", WINDOW("windowDuration: 1h"), "spec.renewal.windows[1].cron",
     PROBLEM_REQUIRED, "must be set"},
    {"a window without a length", WINDOW("cron: '@daily'"),
     "spec.renewal.windows[1].windowDuration", PROBLEM_REQUIRED, "must be set"},
    {"a window of no length", WINDOW("cron: '@daily', windowDuration: 0s"),
     "spec.renewal.windows[1].windowDuration", PROBLEM_INVALID, "must be longer than 0s"},
    {"a window of less than no length", WINDOW("cron: '@daily', windowDuration: -1h"),
     "spec.renewal.windows[1].windowDuration", PROBLEM_INVALID, "'-1h' is not a duration"},
    {"a window of a part of a second", WINDOW("cron: '@daily', windowDuration: 0.5s"), NULL, 0,
     NULL},
    {"a window in milliseconds", WINDOW("cron: '@daily', windowDuration: 1ms"),
     "spec.renewal.windows[1].windowDuration", PROBLEM_INVALID, "'1ms' is not a duration"},
    {"a window without a digit in front", WINDOW("cron: '@daily', windowDuration: .5h"),
     "spec.renewal.windows[1].windowDuration", PROBLEM_INVALID, "with a digit in front of each"},
    {"a window on the eighth day of the week", WINDOW("cron: '0 2 * * 7', windowDuration: 1h"),
     "spec.renewal.windows[1].cron", PROBLEM_INVALID,
     "day of week '7' is out of range; it is from 0 (Sunday) to 6 or sun to sat"},
    {"a window with six fields", WINDOW("cron: '0 0 2 * * *', windowDuration: 1h"),
     "spec.renewal.windows[1].cron", PROBLEM_INVALID, "has 6 field(s) in place of 5"},
    {"a window with the zone in its line", WINDOW("cron: 'TZ=UTC 0 2 * * *', windowDuration: 1h"),
     "spec.renewal.windows[1].cron", PROBLEM_INVALID, "put it into 'timezone'"},
    {"a window that never opens", WINDOW("cron: '0 0 30 2 *', windowDuration: 1h"),
     "spec.renewal.windows[1].cron", PROBLEM_WARNING, "'0 0 30 2 *' never fires"},
    {"a window that is always open", WINDOW("cron: '@every 1h', windowDuration: 1h"),
     "spec.renewal.windows[1].cron", PROBLEM_WARNING, "names no hours"},
    {"a window on Mars", WINDOW("cron: '@daily', windowDuration: 1h, timezone: Mars/Phobos"),
     "spec.renewal.windows[1].timezone", PROBLEM_INVALID,
     "time zone 'Mars/Phobos' is not known here"},
    {"a window in the zone of the machine",
     WINDOW("cron: '@daily', windowDuration: 1h, timezone: Local"),
     "spec.renewal.windows[1].timezone", PROBLEM_INVALID,
     "write its name, as in 'Europe/Zurich', or UTC"},
    {"a window in no zone", WINDOW("cron: '@daily', windowDuration: 1h, timezone: ../UTC"),
     "spec.renewal.windows[1].timezone", PROBLEM_INVALID,
     "'../UTC' is not the name of a time zone"},
    {"a window in an empty zone", WINDOW("cron: '@daily', windowDuration: 1h, timezone: ''"),
     "spec.renewal.windows[1].timezone", PROBLEM_INVALID, "must not be empty"},
    {"a long serial number",
     NAMED_CERTIFICATE "  subject: {serialNumber: " LABEL_64 LABEL_64 LABEL_64 LABEL_64 "}\n",
     "spec.subject.serialNumber", PROBLEM_INVALID, "at most 200 bytes, has 256"},
    {"a small RSA key", NAMED_CERTIFICATE "  privateKey: {size: 1024}\n", "spec.privateKey.size",
     PROBLEM_INVALID, "must be from 2048 to 8192 for RSA, is 1024"},
    {"an odd RSA key", NAMED_CERTIFICATE "  privateKey: {size: 2049}\n", "spec.privateKey.size",
     PROBLEM_INVALID, "no RSA keys of odd sizes; use 2050"},
    {"an even RSA key", NAMED_CERTIFICATE "  privateKey: {size: 2050}\n", NULL, 0, NULL},
    {"a huge RSA key", NAMED_CERTIFICATE "  privateKey: {algorithm: RSA, size: 8193}\n",
     "spec.privateKey.size", PROBLEM_INVALID, "for RSA, is 8193"},
    {"an ECDSA key without a curve",
     NAMED_CERTIFICATE "  privateKey: {algorithm: ECDSA, size: 2048}\n", "spec.privateKey.size",
     PROBLEM_INVALID, "must be 256, 384 or 521 for ECDSA, is 2048"},
    {"an Ed25519 key has one size",
     NAMED_CERTIFICATE "  privateKey: {algorithm: Ed25519, size: 1}\n", NULL, 0, NULL},
    {"an unknown algorithm", NAMED_CERTIFICATE "  privateKey: {algorithm: DSA}\n",
     "spec.privateKey.algorithm", PROBLEM_INVALID, "'DSA' is not one of 'RSA', 'ECDSA', 'Ed25519'"},
    {"a signature for another key", NAMED_CERTIFICATE "  signatureAlgorithm: ECDSAWithSHA256\n",
     "spec.signatureAlgorithm", PROBLEM_INVALID, "does not fit a private key of algorithm RSA"},
    {"a signature that fits",
     NAMED_CERTIFICATE "  privateKey: {algorithm: Ed25519}\n  signatureAlgorithm: PureEd25519\n",
     NULL, 0, NULL},
    {"a Secret's name",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: ../x, issuerRef: {name: a}, dnsNames: [a]}\n",
     "spec.secretName", PROBLEM_INVALID, "'../x' is not a name"},
    {"an empty Secret's name",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: '', issuerRef: {name: a}, dnsNames: [a]}\n",
     "spec.secretName", PROBLEM_REQUIRED, "must not be empty"},
    {"no issuer",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, dnsNames: [a]}\n",
     "spec.issuerRef", PROBLEM_REQUIRED, "must be set"},
    {"an issuer without a name",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {}, dnsNames: [a]}\n",
     "spec.issuerRef.name", PROBLEM_REQUIRED, "must be set"},
    {"an issuer of another kind",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a, kind: AWSPCAIssuer}, dnsNames: [a]}\n",
     "spec.issuerRef.kind", PROBLEM_INVALID, "'AWSPCAIssuer' must be 'Issuer' or 'ClusterIssuer'"},
    {"an issuer of another group",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\nspec: {secretName: a, "
     "issuerRef: {name: a, kind: AWSPCAIssuer, group: awspca.cert-manager.io}, dnsNames: [a]}\n",
     NULL, 0, NULL},
    {"our annotations in a template",
     NAMED_CERTIFICATE "  secretTemplate: {annotations: {cert-manager.io/issuer-name: a}}\n",
     "spec.secretTemplate.annotations[cert-manager.io/issuer-name]", PROBLEM_INVALID,
     "are written by the controller"},
    {"the label of the cache in a template",
     NAMED_CERTIFICATE "  secretTemplate: {labels: {controller.cert-manager.io/fao: a}}\n",
     "spec.secretTemplate.labels[controller.cert-manager.io/fao]", PROBLEM_WARNING,
     "has no effect"},
    {"the same as it is",
     NAMED_CERTIFICATE "  secretTemplate: {labels: {controller.cert-manager.io/fao: 'true'}}\n",
     NULL, 0, NULL},
    {"a label of ours in a template",
     NAMED_CERTIFICATE "  secretTemplate: {labels: {cert-manager.io/next-private-key: a}}\n",
     "spec.secretTemplate.labels[cert-manager.io/next-private-key]", PROBLEM_WARNING,
     "uses for itself"},
    {"an annotation of ours that cert-manager lets in",
     NAMED_CERTIFICATE "  secretTemplate: {annotations: {controller.cert-manager.io/a: b}}\n",
     "spec.secretTemplate.annotations[controller.cert-manager.io/a]", PROBLEM_WARNING,
     "uses for itself"},
    {"direct injection",
     NAMED_CERTIFICATE
     "  secretTemplate: {annotations: {cert-manager.io/allow-direct-injection: 'true'}}\n",
     NULL, 0, NULL},
    {"labels in a template", NAMED_CERTIFICATE "  secretTemplate: {labels: {a: '-'}}\n",
     "spec.secretTemplate.labels[a]", PROBLEM_INVALID, "value is not one"},
    {"a format twice", NAMED_CERTIFICATE "  additionalOutputFormats: [{type: DER}, {type: DER}]\n",
     "spec.additionalOutputFormats[1]", PROBLEM_INVALID, "is in the list already"},
    {"no history", NAMED_CERTIFICATE "  revisionHistoryLimit: 0\n", "spec.revisionHistoryLimit",
     PROBLEM_INVALID, "must be from 1 to"},
    {"an unknown usage", NAMED_CERTIFICATE "  usages: [server auth, servr auth]\n",
     "spec.usages[1]", PROBLEM_INVALID, "'servr auth' is not one of"},
    {"two passwords",
     NAMED_CERTIFICATE
     "  keystores: {jks: {create: true, password: a, passwordSecretRef: {name: b}}}\n",
     "spec.keystores.jks", PROBLEM_INVALID, "exactly one of"},
    {"a password beside a reference without a name, as Go clients write it",
     NAMED_CERTIFICATE
     "  keystores: {jks: {create: true, password: a, passwordSecretRef: {name: ''}}}\n",
     NULL, 0, NULL},
    {"no password", NAMED_CERTIFICATE "  keystores: {pkcs12: {create: false}}\n",
     "spec.keystores.pkcs12", PROBLEM_INVALID, "exactly one of"},
    {"a password in no Secret",
     NAMED_CERTIFICATE
     "  keystores: {jks: {create: true, passwordSecretRef: {name: '', key: a}}}\n",
     "spec.keystores.jks", PROBLEM_INVALID, "found neither"},
    {"a reference without a name",
     NAMED_CERTIFICATE "  keystores: {jks: {create: true, passwordSecretRef: {key: a}}}\n",
     "spec.keystores.jks.passwordSecretRef.name", PROBLEM_REQUIRED, "must be set"},
    {"a literal subject that names nobody",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, literalSubject: 'CN=,O=a'}\n",
     "spec", PROBLEM_REQUIRED, "at least one of"},
    {"a literal subject with one empty name of two",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, literalSubject: 'CN=,CN=a'}\n",
     NULL, 0, NULL},
    {"a literal subject that cannot be read, alone",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, literalSubject: UNKNOWN=a}\n",
     "spec.literalSubject", PROBLEM_INVALID, "is not a distinguished name"},
    {"an address as a DNS name",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, dnsNames: [192.0.2.1]}\n",
     "spec.dnsNames[0]", PROBLEM_WARNING, "look for in 'ipAddresses'"},
    {"URIs",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, uris: ['spiffe://a/b', 'urn:a', 'http://a/%20']}\n",
     NULL, 0, NULL},
    {"a URI without a scheme",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, uris: ['a:b', '//a/b']}\n",
     "spec.uris[1]", PROBLEM_WARNING, "is not a URI such as"},
    {"a URI with a scheme that is none", CERTIFICATE "  uris: ['a:b', '://a']\n", "spec.uris[1]",
     PROBLEM_INVALID, "'://a' is not a URI, and programs in Go read no certificate with it"},
    {"a URI with a blank",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, uris: ['http://a/b c']}\n",
     "spec.uris[0]", PROBLEM_WARNING, "is not a URI such as"},
    {"a URI with a broken escape",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a}, uris: ['http://a/?%2']}\n",
     "spec.uris[0]", PROBLEM_WARNING, "is not a URI such as"},
    {"a URI with a broken escape in its path", CERTIFICATE "  uris: ['http://a/%2']\n",
     "spec.uris[0]", PROBLEM_INVALID, "is not a URI, and"},
    {"a URI with a blank in its host", CERTIFICATE "  uris: ['http://a b/']\n", "spec.uris[0]",
     PROBLEM_INVALID, "is not a URI, and"},
    {"an issuer whose name there cannot be",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\n"
     "spec: {secretName: a, issuerRef: {name: a/b}, dnsNames: [a]}\n",
     "spec.issuerRef.name", PROBLEM_WARNING, "'a/b' is not a name that an issuer can have"},
    {"cert sign without a CA", NAMED_CERTIFICATE "  usages: [cert sign]\n", "spec.isCA",
     PROBLEM_WARNING, "'usages' has 'cert sign'"},
    {"cert sign of a CA", NAMED_CERTIFICATE "  isCA: true\n  usages: [cert sign]\n", NULL, 0, NULL},
    {"a password in a Secret whose name there cannot be",
     NAMED_CERTIFICATE
     "  keystores: {jks: {create: true, passwordSecretRef: {name: A_B, key: a}}}\n",
     "spec.keystores.jks.passwordSecretRef.name", PROBLEM_WARNING,
     "can have, so that there is none"},
    {"a reference without a key",
     NAMED_CERTIFICATE "  keystores: {jks: {create: true, passwordSecretRef: {name: a}}}\n",
     "spec.keystores.jks.passwordSecretRef.key", PROBLEM_REQUIRED, "must be set"},
    {"a reference with an empty key",
     NAMED_CERTIFICATE
     "  keystores: {pkcs12: {create: true, passwordSecretRef: {name: a, key: ''}}}\n",
     "spec.keystores.pkcs12.passwordSecretRef.key", PROBLEM_REQUIRED, "must be set"},
    {"a reference without a key for a store that is not made",
     NAMED_CERTIFICATE "  keystores: {pkcs12: {create: false, passwordSecretRef: {name: a}}}\n",
     "spec.keystores.pkcs12.passwordSecretRef.key", PROBLEM_WARNING,
     "must be before 'create' is true"},
    {"an empty password", NAMED_CERTIFICATE "  keystores: {jks: {create: true, password: ''}}\n",
     "spec.keystores.jks.password", PROBLEM_INVALID, "must not be empty"},
    {"a common name with a character that is not seen",
     NAMED_CERTIFICATE "  commonName: \"a\\u200bb\"\n", "spec.commonName", PROBLEM_WARNING,
     "has a character that nobody sees, U+200B"},
    {"an organization written from right to left",
     NAMED_CERTIFICATE "  subject: {organizations: [a, \"\\u202Eb\"]}\n",
     "spec.subject.organizations[1]", PROBLEM_WARNING, "U+202E"},
    {"a country with a line break", NAMED_CERTIFICATE "  subject: {countries: [\"C\\nH\"]}\n",
     "spec.subject.countries[0]", PROBLEM_WARNING, "U+000A"},
    {"a serial number with a soft hyphen",
     NAMED_CERTIFICATE "  subject: {serialNumber: \"1\\xAD2\"}\n", "spec.subject.serialNumber",
     PROBLEM_WARNING, "U+00AD"},
    {"an other name with a character that is not seen",
     NAMED_CERTIFICATE "  otherNames: [{oid: 1.2.3, utf8Value: \"a\\uFEFF\"}]\n",
     "spec.otherNames[0].utf8Value", PROBLEM_WARNING, "U+FEFF"},
    {"a literal subject with a character that is not seen",
     NAMED_CERTIFICATE "  literalSubject: \"O=a\\u2060\"\n", "spec.literalSubject", PROBLEM_WARNING,
     "U+2060"},
    {"a subject in letters of all sorts",
     NAMED_CERTIFICATE "  commonName: \u00fc\u05d0\n  subject: {organizations: [\u4f60]}\n", NULL,
     0, NULL},
    {"a misspelt member", NAMED_CERTIFICATE "  dnsname: [a]\n", "spec.dnsname", PROBLEM_UNKNOWN,
     "unknown field, did you mean 'dnsNames'?"},
    /* CertificateRequest */
    {"a request", REQUEST "  request: " MANIFEST_CSR "\n", NULL, 0, NULL},
    {"a request that is none", REQUEST "  request: aGVsbG8=\n", "spec.request", PROBLEM_INVALID,
     "is not a certificate signing request"},
    {"an empty request", REQUEST "  request: ''\n", "spec.request", PROBLEM_REQUIRED,
     "must not be empty"},
    {"a request with other usages", REQUEST "  request: " MANIFEST_CSR_KEY_AGREEMENT "\n",
     "spec.usages", PROBLEM_INVALID, "the same key usages as the request"},
    {"a request with these usages",
     REQUEST "  request: " MANIFEST_CSR_KEY_AGREEMENT "\n  usages: [key agreement]\n", NULL, 0,
     NULL},
    {"a request that signs certificates", REQUEST "  request: " MANIFEST_CSR_CERT_SIGN "\n",
     "spec.isCA", PROBLEM_INVALID, "is not true, and the request asks for 'cert sign'"},
    {"a request that signs certificates, of a CA",
     REQUEST "  request: " MANIFEST_CSR_CERT_SIGN "\n  isCA: true\n", NULL, 0, NULL},
    {"a request that signs certificates, as usages say",
     REQUEST "  request: " MANIFEST_CSR_CERT_SIGN
             "\n  usages: [signing, key encipherment, cert sign]\n",
     NULL, 0, NULL},
    {"a request that signs none, of a CA",
     REQUEST "  request: " MANIFEST_CSR_KEY_AGREEMENT "\n  isCA: true\n  usages: [key agreement]\n",
     "spec.isCA", PROBLEM_INVALID, "is true, which asks for 'cert sign'"},
    {"a request that signs none, where usages say so",
     REQUEST "  request: " MANIFEST_CSR_KEY_AGREEMENT
             "\n  isCA: true\n  usages: [key agreement, cert sign]\n",
     "spec.usages", PROBLEM_INVALID, "the same key usages as the request"},
    {"a request that is no CA, for one",
     REQUEST "  request: " MANIFEST_CSR_NO_CA "\n  isCA: true\n", "spec.isCA", PROBLEM_INVALID,
     "is true, and the basic constraints of the request say"},
    {"a request that is no CA", REQUEST "  request: " MANIFEST_CSR_NO_CA "\n", NULL, 0, NULL},
    {"a request for the past", REQUEST "  request: " MANIFEST_CSR "\n  duration: -1h\n",
     "spec.duration", PROBLEM_INVALID, "must be longer than 0"},
    {"identity of another item", REQUEST "  request: " MANIFEST_CSR "\n  extra: {a: [b, 1]}\n",
     "spec.extra[a][1]", PROBLEM_TYPE, "must be a string"},
    {"identity of another shape", REQUEST "  request: " MANIFEST_CSR "\n  extra: {a: b}\n",
     "spec.extra[a]", PROBLEM_TYPE, "must be a list of strings"},
    {"a request's issuer kind",
     "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {name: web}\n"
     "spec: {request: " MANIFEST_CSR ", issuerRef: {name: a, kind: X}}\n",
     "spec.issuerRef.kind", PROBLEM_INVALID, "must be 'Issuer'"},
    /* Issuer */
    {"an ACME issuer", ACME, NULL, 0, NULL},
    {"no type", ISSUER "  {}\n", "spec", PROBLEM_REQUIRED, "exactly one of 'acme', 'ca', 'vault'"},
    {"two types", ACME "  ca: {secretName: a}\n", "spec", PROBLEM_INVALID, "found 'acme' and 'ca'"},
    {"an unknown type", ISSUER "  vaullt: {}\n", "spec.vaullt", PROBLEM_UNKNOWN,
     "did you mean 'vault'?"},
    {"an unknown member of what is not built", ISSUER "  vault: {serve: a}\n", "spec.vault.serve",
     PROBLEM_UNKNOWN, "did you mean 'server'?"},
    {"a CA",
     ISSUER "  ca: {secretName: a, ocspServers: ['http://a'], issuingCertificateURLs: []}\n", NULL,
     0, NULL},
    {"a CA without a Secret", ISSUER "  ca: {}\n", "spec.ca.secretName", PROBLEM_REQUIRED,
     "must be set"},
    {"an empty OCSP server", ISSUER "  ca: {secretName: a, ocspServers: ['http://a', '']}\n",
     "spec.ca.ocspServers[1]", PROBLEM_INVALID, "must not be empty"},
    {"a CRL that is no URL", ISSUER "  ca: {secretName: a, crlDistributionPoints: ['a b']}\n",
     "spec.ca.crlDistributionPoints[0]", PROBLEM_INVALID, "must be an URL"},
    {"self-signed", ISSUER "  selfSigned: {}\n", NULL, 0, NULL},
    {"self-signed with a CRL that is no URL",
     ISSUER "  selfSigned: {crlDistributionPoints: ['\xc3\xa4']}\n",
     "spec.selfSigned.crlDistributionPoints[0]", PROBLEM_INVALID, "must be an URL"},
    {"plain http",
     ISSUER "  acme: {server: 'http://ca.example/dir', privateKeySecretRef: {name: a}}\n",
     "spec.acme.server", PROBLEM_INVALID, "is plain http, which is refused"},
    {"a server that is no URL", ISSUER "  acme: {server: ca, privateKeySecretRef: {name: a}}\n",
     "spec.acme.server", PROBLEM_INVALID, "must be the https:// address"},
    {"a server without a host",
     ISSUER "  acme: {server: 'https:///dir', privateKeySecretRef: {name: a}}\n",
     "spec.acme.server", PROBLEM_INVALID, "has no host"},
    {"a server with a blank",
     ISSUER "  acme: {server: 'https://ca/my dir', privateKeySecretRef: {name: a}}\n",
     "spec.acme.server", PROBLEM_INVALID, "'https://ca/my dir' must have no blanks"},
    {"no server", ISSUER "  acme: {privateKeySecretRef: {name: a}}\n", "spec.acme.server",
     PROBLEM_REQUIRED, "must be set"},
    {"no account key", ISSUER "  acme: {server: 'https://a'}\n", "spec.acme.privateKeySecretRef",
     PROBLEM_REQUIRED, "must be set"},
    {"an account key without a name",
     ISSUER "  acme: {server: 'https://a', privateKeySecretRef: {key: a}}\n",
     "spec.acme.privateKeySecretRef.name", PROBLEM_REQUIRED, "must be set"},
    {"a contact with a parameter", ACME "    email: me@example.com?cc=you@example.com\n",
     "spec.acme.email", PROBLEM_INVALID, "is not a plain e-mail address"},
    {"a contact with a scheme", ACME "    email: mailto:me@example.com\n", "spec.acme.email",
     PROBLEM_INVALID, "is not a plain e-mail address"},
    {"an empty contact", ACME "    email: ''\n", NULL, 0, NULL},
    {"an external account without its key",
     ACME "    externalAccountBinding: {keyID: a, keySecretRef: {name: b}}\n",
     "spec.acme.externalAccountBinding.keySecretRef.key", PROBLEM_REQUIRED, "must be set"},
    {"an external account without its id",
     ACME "    externalAccountBinding: {keySecretRef: {name: b, key: c}}\n",
     "spec.acme.externalAccountBinding.keyID", PROBLEM_REQUIRED, "must be set"},
    {"a bundle without certificates", ACME "    caBundle: aGVsbG8=\n", "spec.acme.caBundle",
     PROBLEM_INVALID, "must have at least one PEM certificate"},
    {"a bundle that is not base64", ACME "    caBundle: '-----BEGIN'\n", "spec.acme.caBundle",
     PROBLEM_INVALID, "is not base64"},
    {"a bundle for a server that is not verified",
     ACME "    caBundle: " MANIFEST_CERTIFICATE "\n    skipTLSVerify: true\n",
     "spec.acme.skipTLSVerify", PROBLEM_INVALID, "must not be set together with 'caBundle'"},
    {"a bundle for a server that is verified",
     ACME "    caBundle: " MANIFEST_CERTIFICATE "\n    skipTLSVerify: false\n", NULL, 0, NULL},
    {"a long preferred chain", ACME "    preferredChain: a" LABEL_64 "\n",
     "spec.acme.preferredChain", PROBLEM_INVALID, "must be at most 64 bytes"},
    /* solvers */
    {"a solver of no type", SOLVER "{}\n", "spec.acme.solvers[0]", PROBLEM_REQUIRED,
     "exactly one of 'http01' and 'dns01'"},
    {"a solver of two types", SOLVER "{http01: {ingress: {}}, dns01: {rfc2136: {nameserver: a}}}\n",
     "spec.acme.solvers[0]", PROBLEM_INVALID, "found 'http01' and 'dns01'"},
    {"http01 of no kind", SOLVER "http01: {}\n", "spec.acme.solvers[0].http01", PROBLEM_REQUIRED,
     "exactly one of 'ingress' and 'gatewayHTTPRoute'"},
    {"two ways to an Ingress", SOLVER "http01: {ingress: {class: a, name: b}}\n",
     "spec.acme.solvers[0].http01.ingress", PROBLEM_INVALID, "at most one of"},
    {"an odd Service", SOLVER "http01: {ingress: {serviceType: LoadBalancer}}\n",
     "spec.acme.solvers[0].http01.ingress.serviceType", PROBLEM_INVALID,
     "'LoadBalancer' must be 'ClusterIP' or 'NodePort'"},
    {"a class that is no name", SOLVER "http01: {ingress: {ingressClassName: A}}\n",
     "spec.acme.solvers[0].http01.ingress.ingressClassName", PROBLEM_INVALID, "is not a name"},
    {"a misspelt member of a pod",
     SOLVER "http01: {ingress: {podTemplate: {spec: {nodeSelectors: {}}}}}\n",
     "spec.acme.solvers[0].http01.ingress.podTemplate.spec.nodeSelectors", PROBLEM_UNKNOWN,
     "did you mean 'nodeSelector'?"},
    {"a port", SOLVER "http01: {gatewayHTTPRoute: {parentRefs: [{name: a, port: 65536}]}}\n",
     "spec.acme.solvers[0].http01.gatewayHTTPRoute.parentRefs[0].port", PROBLEM_INVALID,
     "must be from 1 to 65535"},
    {"a parent without a name",
     SOLVER "http01: {gatewayHTTPRoute: {parentRefs: [{kind: Gateway}]}}\n",
     "spec.acme.solvers[0].http01.gatewayHTTPRoute.parentRefs[0].name", PROBLEM_REQUIRED,
     "must be set"},
    {"a negative wait", SOLVER "{http01: {ingress: {}}, waitInsteadOfSelfCheck: -1s}\n",
     "spec.acme.solvers[0].waitInsteadOfSelfCheck", PROBLEM_INVALID, "must not be negative"},
    {"no provider", SOLVER "dns01: {cnameStrategy: Follow}\n", "spec.acme.solvers[0].dns01",
     PROBLEM_REQUIRED, "exactly one of 'akamai'"},
    {"two providers, one of them akamai", SOLVER "dns01: {akamai: {}, rfc2136: {nameserver: a}}\n",
     "spec.acme.solvers[0].dns01", PROBLEM_INVALID, "found 'akamai' and 'rfc2136'"},
    {"a misspelt member of a provider",
     SOLVER "dns01: {cloudflare: {apiTokenSecretReff: {name: a}}}\n",
     "spec.acme.solvers[0].dns01.cloudflare.apiTokenSecretReff", PROBLEM_UNKNOWN,
     "did you mean 'apiTokenSecretRef'?"},
    {"a provider that is no map", SOLVER "dns01: {cloudflare: yes}\n",
     "spec.acme.solvers[0].dns01.cloudflare", PROBLEM_TYPE, "must be a map"},
    {"a resolver without a port",
     SOLVER "dns01: {nameservers: [192.0.2.1], rfc2136: {nameserver: a}}\n",
     "spec.acme.solvers[0].dns01.nameservers[0]", PROBLEM_INVALID, "needs a port"},
    {"a resolver over plain http",
     SOLVER "dns01: {nameservers: ['http://a/'], rfc2136: {nameserver: a}}\n",
     "spec.acme.solvers[0].dns01.nameservers[0]", PROBLEM_INVALID, "'https://...'"},
    {"a name server over HTTPS with a blank",
     SOLVER "dns01: {nameservers: ['https://a/b c'], rfc2136: {nameserver: a}}\n",
     "spec.acme.solvers[0].dns01.nameservers[0]", PROBLEM_INVALID, "and no blanks"},
    {"an IPv6 server without brackets", SOLVER "dns01: {rfc2136: {nameserver: '2001:db8::1'}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.nameserver", PROBLEM_INVALID, "needs brackets"},
    {"a server with brackets", SOLVER "dns01: {rfc2136: {nameserver: '[2001:db8::1]'}}\n", NULL, 0,
     NULL},
    {"a server with a name and a port", SOLVER "dns01: {rfc2136: {nameserver: 'ns.example.:53'}}\n",
     NULL, 0, NULL},
    {"a server with a port that is none", SOLVER "dns01: {rfc2136: {nameserver: 'a:+53'}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.nameserver", PROBLEM_INVALID, "a port from 1 to 65535"},
    {"a server without a host", SOLVER "dns01: {rfc2136: {nameserver: ':53'}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.nameserver", PROBLEM_INVALID, "must begin with a host"},
    {"brackets around no address", SOLVER "dns01: {rfc2136: {nameserver: '[a]:53'}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.nameserver", PROBLEM_INVALID, "between the brackets"},
    {"brackets that do not end", SOLVER "dns01: {rfc2136: {nameserver: '[::1'}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.nameserver", PROBLEM_INVALID, "between the brackets"},
    {"TSIG", RFC2136 "tsigKeyName: a, tsigSecretSecretRef: {name: b, key: c}}}\n", NULL, 0, NULL},
    {"TSIG without its secret", RFC2136 "tsigKeyName: a}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.tsigSecretSecretRef", PROBLEM_REQUIRED, "must be set"},
    {"TSIG without its name", RFC2136 "tsigSecretSecretRef: {name: b, key: c}}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.tsigKeyName", PROBLEM_REQUIRED, "must be set"},
    {"TSIG without a key of the Secret",
     RFC2136 "tsigKeyName: a, tsigSecretSecretRef: {name: b}}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.tsigSecretSecretRef.key", PROBLEM_REQUIRED, "must be set"},
    {"a TSIG algorithm in any case", RFC2136 "tsigAlgorithm: hmacSHA512}}\n", NULL, 0, NULL},
    {"a TSIG algorithm that is none", RFC2136 "tsigAlgorithm: SHA512}}\n",
     "spec.acme.solvers[0].dns01.rfc2136.tsigAlgorithm", PROBLEM_INVALID,
     "'SHA512' is not one of 'HMACMD5'"},
    {"a protocol", RFC2136 "protocol: QUIC}}\n", "spec.acme.solvers[0].dns01.rfc2136.protocol",
     PROBLEM_INVALID, "'QUIC' is not one of 'TCP', 'UDP'"},
    /* Secret */
    {"a Secret", SECRET "data: {a.b: aGVsbG8=}\nstringData: {c: d}\n", NULL, 0, NULL},
    {"a key that is a folder of kubelet", SECRET "data: {..data: aGVsbG8=}\n", "data[..data]",
     PROBLEM_INVALID, "is not a key that a Secret may have"},
    {"a key with a slash", SECRET "stringData: {a/b: c}\n", "stringData[a/b]", PROBLEM_INVALID,
     "is not a key that a Secret may have"},
    {"a value that is not base64", SECRET "data: {a: hello!}\n", "data[a]", PROBLEM_INVALID,
     "is not base64: not base64 at offset 5; plain text belongs under 'stringData'"},
    {"a value with line breaks", SECRET "data:\n  a: |\n    aGVs\n    bG8=\n", NULL, 0, NULL},
    {"immutable", SECRET "immutable: maybe\n", "immutable", PROBLEM_TYPE, "must be true or false"},
};

static void assert_no_problem(const struct field_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        if (report->items[i].kind != PROBLEM_WARNING)
            print_report(report);
        ASSERT_EQ(report->items[i].kind, PROBLEM_WARNING);
    }
}

TEST(each_rule_names_the_place_and_says_what_to_do)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(object_unref) const struct object *object = NULL;
        const struct field_problem *problem;

        CASE(rules[i].name);
        object = decode_yaml(rules[i].manifest, &report);
        if (!rules[i].path) {
            assert_no_problem(&report);
            continue;
        }
        problem = find_problem(&report, rules[i].path, rules[i].kind);
        if (!problem)
            print_report(&report);
        ASSERT_TRUE(problem);
        ASSERT_CONTAINS(problem->text, rules[i].text);
    }
}

TEST(annotations_have_a_limit_in_all)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(json_unref) struct json *value = read_yaml(SECRET);
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(xfree) char *large = xalloc(256 * 1024 + 1);
    struct err err = {};

    memset(large, 'a', 256 * 1024);
    json_set_text(json_need_map(json_get(value, "metadata"), "annotations"), "k", large);
    ASSERT_OK(object_decode(&kind_secret, value, &report, &object, &err));
    ASSERT_CONTAINS(find_problem(&report, "metadata.annotations", PROBLEM_INVALID)->text,
                    "at most 262144 bytes in all, has 262145");
}

static char *names(const char *one, int count)
{
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX);

    for (int i = 0; i < count; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", one);
    return buf_take(&text);
}

/* 24,000 bytes, with 4 around each name and 12 around each part of the subject. */
TEST(the_names_of_a_certificate_are_bounded_together)
{
    static const struct {
        const char *name;
        int dns_names, organizations;
        const char *path;
    } rows[] = {
        {"as many names as fit", 352, 0, NULL}, /* of 68 bytes */
        {"one more", 353, 0, "spec.dnsNames"},
        {"both lists, as many as fit", 202, 135, NULL}, /* of 76 bytes */
        {"one more of the shorter list", 202, 136, "spec.dnsNames"},
        {"more of the longer list", 135, 202, "spec.subject.organizations"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(xfree) char *dns_names = names(LABEL_64, rows[i].dns_names);
        cleanup(xfree) char *organizations = names(LABEL_64, rows[i].organizations);
        cleanup(xfree) char *text = xasprintf(CERTIFICATE "  dnsNames: [%s]\n"
                                                          "  subject: {organizations: [%s]}\n",
                                              dns_names, organizations);
        cleanup(object_unref) const struct object *object = decode_yaml(text, &report);

        CASE(rows[i].name);
        if (rows[i].path)
            ASSERT_CONTAINS(find_problem(&report, rows[i].path, PROBLEM_INVALID)->text,
                            "may take 24000 bytes in all");
        else
            ASSERT_FALSE(field_report_has_errors(&report));
    }
}

/* Each with 12 bytes around it. */
TEST(other_names_and_name_constraints_count_too)
{
    static const struct {
        const char *path, *before, *item, *after;
        int fits;
    } rows[] = {
        {"spec.otherNames", "otherNames: [", "{oid: '1.2', utf8Value: " LABEL_64 "}", "]", 303},
        {"spec.nameConstraints.permitted.dnsDomains", "nameConstraints: {permitted: {dnsDomains: [",
         LABEL_64, "]}}", 315},
        {"spec.nameConstraints.permitted.ipRanges", "nameConstraints: {permitted: {ipRanges: [",
         "10.0.0.0/8", "]}}", 1090},
        {"spec.nameConstraints.permitted.emailAddresses",
         "nameConstraints: {permitted: {emailAddresses: [", LABEL_64, "]}}", 315},
        {"spec.nameConstraints.permitted.uriDomains", "nameConstraints: {permitted: {uriDomains: [",
         LABEL_64, "]}}", 315},
        {"spec.nameConstraints.excluded.dnsDomains", "nameConstraints: {excluded: {dnsDomains: [",
         LABEL_64, "]}}", 315},
        {"spec.nameConstraints.excluded.ipRanges", "nameConstraints: {excluded: {ipRanges: [",
         "10.0.0.0/8", "]}}", 1090},
        {"spec.nameConstraints.excluded.emailAddresses",
         "nameConstraints: {excluded: {emailAddresses: [", LABEL_64, "]}}", 315},
        {"spec.nameConstraints.excluded.uriDomains", "nameConstraints: {excluded: {uriDomains: [",
         LABEL_64, "]}}", 315},
    };

    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(xfree) char *items = names(rows[i / 2].item, rows[i / 2].fits + (int)(i % 2));
        cleanup(xfree) char *text = xasprintf(CERTIFICATE "  dnsNames: [a.test]\n  isCA: true\n"
                                                          "  %s%s%s\n",
                                              rows[i / 2].before, items, rows[i / 2].after);
        cleanup(object_unref) const struct object *object = decode_yaml(text, &report);

        CASE(rows[i / 2].path);
        if (i % 2)
            ASSERT_CONTAINS(find_problem(&report, rows[i / 2].path, PROBLEM_INVALID)->text,
                            "may take 24000 bytes in all");
        else
            ASSERT_FALSE(field_report_has_errors(&report));
    }
}

TEST(what_a_key_store_has_no_room_for_is_refused)
{
    static const struct {
        const char *store, *member, *path, *text;
        size_t max;
    } rows[] = {
        {"jks", "password: ", "spec.keystores.jks.password", "at most 4096 bytes", 4096},
        {"pkcs12", "password: ", "spec.keystores.pkcs12.password", "at most 4096 bytes", 4096},
        {"jks", "password: a, alias: ", "spec.keystores.jks.alias", "at most 21845 bytes", 21845},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t over = 0; over < 2; over++) {
            cleanup(field_report_deinit) struct field_report report = {};
            cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX);
            cleanup(object_unref) const struct object *object = NULL;
            const struct field_problem *problem;

            CASE(rows[i].path);
            buf_addf(&text, NAMED_CERTIFICATE "  keystores: {%s: {create: true, %s", rows[i].store,
                     rows[i].member);
            for (size_t k = 0; k < rows[i].max + over; k++)
                buf_add_char(&text, 'a');
            buf_add_str(&text, "}}\n");
            object = decode_yaml(buf_str(&text), &report);
            problem = find_problem(&report, rows[i].path, PROBLEM_INVALID);
            ASSERT_EQ(problem != NULL, over == 1);
            if (problem)
                ASSERT_CONTAINS(problem->text, rows[i].text);
        }
}

TEST(a_document_of_another_kind_is_refused)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(json_unref) struct json *value = read_yaml(ACME);
    cleanup(object_unref) const struct object *object = NULL;
    struct err err = {};

    ASSERT_OK(object_decode(&kind_order, value, &report, &object, &err));
    ASSERT_STREQ(find_problem(&report, "kind", PROBLEM_INVALID)->text, "must be 'Order'");
    ASSERT_STREQ(find_problem(&report, "apiVersion", PROBLEM_INVALID)->text,
                 "must be 'acme.cert-manager.io/v1'");
}

TEST(windows_are_bounded_and_each_unknown_zone_is_told_of)
{
    static const char window[] = "{cron: '@daily', windowDuration: 1h, timezone: Mars/Phobos}";
    cleanup(field_report_deinit) struct field_report fit = {}, too_many = {};
    cleanup(xfree) char *some = names(window, LIMIT_WINDOWS);
    cleanup(xfree) char *more = names(window, LIMIT_WINDOWS + 1);
    cleanup(xfree) char *a = xasprintf(
        NAMED_CERTIFICATE "  renewal: {policy: RenewBefore, windows: [%s]}\n", some);
    cleanup(xfree) char *b = xasprintf(
        NAMED_CERTIFICATE "  renewal: {policy: RenewBefore, windows: [%s]}\n", more);
    cleanup(object_unref) const struct object *first = decode_yaml(a, &fit);
    cleanup(object_unref) const struct object *second = decode_yaml(b, &too_many);

    ASSERT_EQ(fit.len + fit.dropped, LIMIT_WINDOWS);
    ASSERT_TRUE(find_problem(&fit, "spec.renewal.windows[0].timezone", PROBLEM_INVALID));
    ASSERT_TRUE(find_problem(&fit, "spec.renewal.windows[49].timezone", PROBLEM_INVALID));
    ASSERT_EQ(too_many.len, 1);
    ASSERT_STREQ(find_problem(&too_many, "spec.renewal.windows", PROBLEM_INVALID)->text,
                 "may have 64 items, and has 65");
}

TEST(an_item_that_cannot_be_read_is_told_of_once)
{
    static const struct {
        const char *line, *path;
    } rows[] = {
        {"dnsNames: [a.test, \"b\\uFFFD\"]", "spec.dnsNames[1]"},
        {"dnsNames: [a.test, 1]", "spec.dnsNames[1]"},
        {"uris: [[], 'a:b']", "spec.uris[0]"},
        {"usages: [signing, 1]", "spec.usages[1]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(xfree) char *text = xasprintf(CERTIFICATE "  commonName: a\n  %s\n", rows[i].line);
        cleanup(object_unref) const struct object *object = decode_yaml(text, &report);

        CASE(rows[i].line);
        ASSERT_EQ(report.len, 1);
        ASSERT_STREQ(report.items[0].path, rows[i].path);
    }
}

TEST(an_object_from_a_store_is_checked_by_the_same_rules)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = decode_yaml(
        NAMED_CERTIFICATE "  duration: 1m\n  literalSubject: CN\n", NULL);

    object_check_spec(object, &report);
    ASSERT_TRUE(find_problem(&report, "spec.duration", PROBLEM_INVALID));
    ASSERT_TRUE(find_problem(&report, "spec.literalSubject", PROBLEM_INVALID));
    ASSERT_EQ(report.len, 2);
}

TEST(a_duration_from_a_store_that_is_none_is_told_as_it_is_there)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref)
        const struct object *object = decode_yaml(NAMED_CERTIFICATE "  renewBefore: 1w\n", NULL);

    object_check_spec(object, &report);
    ASSERT_EQ(report.len, 1);
    ASSERT_STREQ(report.items[0].path, "spec.renewBefore");
    ASSERT_CONTAINS(report.items[0].text, "'1w' is not a duration");
}

/* Of the CRD's pattern, "0.5s"; Go would write it back as "500ms", which is not. */
TEST(a_window_from_a_store_is_as_its_crd_has_it)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = decode_yaml(
        WINDOW("cron: '@daily', windowDuration: 0.5s"), NULL);

    object_check_spec(object, &report);
    ASSERT_EQ(report.len, 0);
}

RUN_TESTS(cmocka_unit_test(each_rule_names_the_place_and_says_what_to_do),
          cmocka_unit_test(annotations_have_a_limit_in_all),
          cmocka_unit_test(the_names_of_a_certificate_are_bounded_together),
          cmocka_unit_test(other_names_and_name_constraints_count_too),
          cmocka_unit_test(what_a_key_store_has_no_room_for_is_refused),
          cmocka_unit_test(a_document_of_another_kind_is_refused),
          cmocka_unit_test(windows_are_bounded_and_each_unknown_zone_is_told_of),
          cmocka_unit_test(an_item_that_cannot_be_read_is_told_of_once),
          cmocka_unit_test(an_object_from_a_store_is_checked_by_the_same_rules),
          cmocka_unit_test(a_duration_from_a_store_that_is_none_is_told_as_it_is_there),
          cmocka_unit_test(a_window_from_a_store_is_as_its_crd_has_it));
