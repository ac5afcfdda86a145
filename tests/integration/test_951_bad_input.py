"""One thing wrong, at every field: the same verdict and the same field from every layer that can see it.

A table per kind lists what is done to a good object, the field that is told, and what of the message. Each row
goes through `certlet check`, through the API server as a user of a namespace where the policies hold, and, if
the schema lets it in, to the controller: in a namespace where the rules for fields are off, as in a cluster
that has no policies. Texts differ between policies and certlet; which field it is does not.
"""

import base64
import contextlib
import json

import pytest
import yaml

from support import manifests as m
from support import pki
from support.bad_input import (
    Checked,
    Row,
    canonical,
    complaints,
    creation,
    creations,
    field_of,
    fields,
    merged,
    new_object,
    nodes,
    path_text,
    place_of,
    planted,
    refusals,
    refused_by,
    resource_of,
    run_check,
    spec_schema,
    tells,
    wrong_types,
)
from support.controller import Controller, apply, condition, install, is_true, wait_ready
from support.kube_api import KubeError
from support.names import NO_NAME_BOUNDS, NO_URIS
from support.resources import CERTIFICATES, ISSUERS, REQUESTS
from support.server import BedError, wait_until

pytestmark = pytest.mark.kube

CHECKED, UNCHECKED = "checked", "unchecked"
SECONDS = 60  # and never less, on a loaded machine
SCHEMA, POLICY, CONTROLLER = "schema", "policy", "controller"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


# --- good objects ---

CSR = encoded(pki.new_csr(["a.test"]))
CSR_OF_A_CA = encoded(pki.new_csr(["a.test"], "basicConstraints=critical,CA:TRUE"))
CSR_OF_NO_CA = encoded(pki.new_csr(["a.test"], "basicConstraints=critical,CA:FALSE"))
CSR_OF_ANOTHER_KEY = encoded(pki.forged(pki.new_csr(["a.test"])))
CSR_THAT_SIGNS = encoded(
    pki.new_csr(["a.test"], "keyUsage=digitalSignature,keyEncipherment,keyCertSign")
)
CSR_OF_NO_URI = encoded(pki.new_csr(["a.test", "http://a b/"]))
CSR_OF_NO_BOUND = encoded(pki.new_csr(["a.test"], "nameConstraints=permitted;DNS:a..test"))
CSR_OF_A_CLIENT = encoded(pki.new_csr(["a.test"], "extendedKeyUsage=clientAuth"))
KEY = {"name": "secret", "key": "key"}
ACCOUNT = {"server": "https://127.0.0.1:1/directory", "privateKeySecretRef": {"name": "account"}}
RFC2136 = {"nameserver": "192.0.2.1:53"}
EC_KEY = {"algorithm": "ECDSA", "size": 256}


def good(kind, name):
    """The spec; no two Certificates have a Secret in common."""
    specs = {
        "Certificate": {
            "secretName": name,
            "issuerRef": {"name": "self"},
            "dnsNames": ["a.test"],
            "privateKey": EC_KEY,
        },
        "CertificateRequest": {"request": CSR, "issuerRef": {"name": "self"}},
        "Issuer": {"acme": ACCOUNT},
        "ClusterIssuer": {"acme": ACCOUNT},
    }
    return specs[kind]


# --- tables ---


def rows(*table):
    return [Row(*row) for row in table]


LABEL = "a" * 64
LARGE = "a" * 1_400_000  # with this an object is just below what etcd takes
MANY = [f"a-name-of-usual-length-{number}.example.test" for number in range(5000)]
PARTS = (
    "organizations countries organizationalUnits localities provinces streetAddresses postalCodes".split()
)
NOT_A_DURATION = "is not a duration such as '2160h'"


def other(**members):
    good_one = {"oid": "1.2.3", "utf8Value": "a"}
    return {"otherNames": [good_one, merged(good_one, members)]}


LONG_OID = {"oid": "2" + ".2147483647" * 60, "utf8Value": "a"}


def bounds(**members):
    return {"isCA": True, "nameConstraints": members}


def window(**members):
    good_one = {"cron": "@daily", "windowDuration": "1h"}
    return {"renewal": {"policy": "RenewBefore", "windows": [good_one, merged(good_one, members)]}}


def store(kind, **members):
    return {"keystores": {kind: {"create": True, **members}}}


WINDOW = "spec.renewal.windows[1]"
CERTIFICATES_BAD = rows(
    # references
    ("spec.secretName", "must be set", SCHEMA, {"secretName": None}),
    ("spec.secretName", "must not be empty", POLICY, {"secretName": ""}),
    ("spec.secretName", "'Web_TLS' is not a name", POLICY, {"secretName": "Web_TLS"}),
    ("spec.secretName", "at most 253", POLICY, {"secretName": "a" * 254}),
    ("spec.issuerRef", "must be set", SCHEMA, {"issuerRef": None}),
    ("spec.issuerRef.name", "must be set", SCHEMA, {"issuerRef": {"name": None}}),
    ("spec.issuerRef.name", "must not be empty", POLICY, {"issuerRef": {"name": ""}}),
    ("spec.issuerRef.kind", "'Isuer' must be", POLICY, {"issuerRef": {"kind": "Isuer"}}),
    (
        "spec.issuerRef.kind",
        "'issuer' must be",
        POLICY,
        {"issuerRef": {"kind": "issuer", "group": "cert-manager.io"}},
    ),
    # names
    ("spec", "at least one of 'dnsNames'", POLICY, {"dnsNames": None}),
    ("spec", "at least one of 'dnsNames'", POLICY, {"dnsNames": []}),
    ("spec.commonName", "at most 64 bytes, has 65", POLICY, {"commonName": LABEL + "a"}),
    ("spec.commonName", "at most 64 bytes, has 66", POLICY, {"commonName": "\u00fc" * 33}),
    ("spec.commonName", "control characters", POLICY, {"commonName": "a\nb"}),
    ("spec.dnsNames[1]", "must not be empty", POLICY, {"dnsNames": ["a.test", ""]}),
    ("spec.dnsNames[0]", "control characters", POLICY, {"dnsNames": ["a\nb"]}),
    ("spec.dnsNames[1]", "is not ASCII", POLICY, {"dnsNames": ["a.test", "b\u00fccher.test"]}),
    ("spec.dnsNames[0]", "longer than 253", POLICY, {"dnsNames": [".".join([LABEL] * 4)]}),
    ("spec.dnsNames", "may take 24000 bytes", POLICY, {"dnsNames": ["a" * 236] * 101}),
    ("spec.dnsNames", "these 5000 items make it", POLICY, {"dnsNames": MANY}),
    ("spec.uris", "may take 24000 bytes", POLICY, {"uris": ["a:" + "b" * 30_000]}),
    ("spec.ipAddresses", "may take 24000 bytes", POLICY, {"ipAddresses": ["2001:db8::1"] * 2000}),
    ("spec.emailAddresses", "may take 24000 bytes", POLICY, {"emailAddresses": ["a@a.test"] * 2000}),
    *(
        (f"spec.subject.{part}", "may take 24000 bytes", POLICY, {"subject": {part: ["a" * 20] * 1000}})
        for part in PARTS
    ),
    (
        "spec.subject.organizations",
        "may take 24000 bytes",
        POLICY,
        {"dnsNames": ["a" * 200] * 58, "subject": {"organizations": ["\u00fc" * 100] * 58}},
    ),
    ("spec.subject.serialNumber", "at most 200", POLICY, {"subject": {"serialNumber": "a" * 201}}),
    ("spec.subject.organizations", "these 1 items", POLICY, {"subject": {"organizations": [LARGE]}}),
    (
        "spec.subject.organizations",
        "these 50000 items",
        POLICY,
        {"subject": {"organizations": ["b"] * 50_000}},
    ),
    ("spec.ipAddresses[1]", "'a.test' is not an IP", POLICY, {"ipAddresses": ["::1", "a.test"]}),
    ("spec.ipAddresses[0]", "is not an IP", POLICY, {"ipAddresses": ["192.0.2.0/24"]}),
    ("spec.ipAddresses[0]", "is not an IP", POLICY, {"ipAddresses": ["192.0.2.256"]}),
    ("spec.ipAddresses[0]", "is not an IP", POLICY, {"ipAddresses": [""]}),
    ("spec.uris[0]", "must not be empty", POLICY, {"uris": [""]}),
    ("spec.uris[1]", "control characters", POLICY, {"uris": ["a:b", "a:\tb"]}),
    ("spec.uris[1]", "is not ASCII", POLICY, {"uris": ["a:b", "http://\u00fc.test/"]}),
    *(("spec.uris[1]", "is not a URI", POLICY, {"uris": ["a:b", uri]}) for uri in NO_URIS),
    ("spec.emailAddresses[0]", "not a plain e-mail", POLICY, {"emailAddresses": ["A <a@a.test>"]}),
    ("spec.emailAddresses[1]", "not a plain e-mail", POLICY, {"emailAddresses": ["a@a.test", "a"]}),
    ("spec.emailAddresses[0]", "not a plain e-mail", POLICY, {"emailAddresses": [""]}),
    ("spec.emailAddresses[0]", "not a plain e-mail", POLICY, {"emailAddresses": ["a..b@a.test"]}),
    ("spec.emailAddresses[0]", "not a plain e-mail", POLICY, {"emailAddresses": ["\u00fc@a.test"]}),
    ("spec.literalSubject", "is not a distinguished name", POLICY, {"literalSubject": "UNKNOWN=a"}),
    (
        "spec.literalSubject",
        "is not a distinguished name",
        POLICY,
        {"literalSubject": "O=a,2" + ".5" * 118 + "=b"},
    ),
    ("spec.literalSubject", "more than 64 bytes", POLICY, {"literalSubject": f"CN={LABEL}a"}),
    ("spec.commonName", "not be set together", POLICY, {"literalSubject": "CN=a", "commonName": "a"}),
    (
        "spec.subject",
        "not be set together",
        POLICY,
        {"literalSubject": "CN=a", "subject": {"countries": ["CH"]}},
    ),
    ("spec.otherNames[1].oid", "BAD_OID", POLICY, other(oid="BAD_OID")),
    ("spec.otherNames[1].oid", "118 of them at most", POLICY, other(oid="2" + ".2147483647" * 118)),
    ("spec.otherNames[1].oid", "must be set", POLICY, other(oid=None)),
    ("spec.otherNames[1].utf8Value", "is empty", POLICY, other(utf8Value="")),
    ("spec.otherNames", "may take 24000 bytes", POLICY, other(utf8Value="a" * 24_000)),
    ("spec.otherNames", "may take 24000 bytes", POLICY, {"otherNames": [LONG_OID] * 40}),
    *(
        (
            f"spec.nameConstraints.{side}.{part}",
            "may take 24000 bytes",
            POLICY,
            bounds(**{side: {part: [text] * 2000}}),
        )
        for side in ("permitted", "excluded")
        for part, text in (
            ("ipRanges", "10.0.0.0/8"),
            ("dnsDomains", "a.test"),
            ("emailAddresses", "a.test"),
            ("uriDomains", "a.test"),
        )
    ),
    ("spec.nameConstraints", "are for CAs only", POLICY, {"nameConstraints": {"permitted": {}}}),
    ("spec.nameConstraints", "at least one of", POLICY, bounds(critical=True)),
    *(
        (
            f"spec.nameConstraints.{side}.{part}[1]",
            words,
            POLICY,
            bounds(**{side: {part: [good_one, bad]}}),
        )
        for side in ("permitted", "excluded")
        for part, good_one, bad, words in (
            ("ipRanges", "10.0.0.0/8", "10.0.0.1", "is not"),
            ("dnsDomains", "a.test", "\u00fc.test", "xn--"),
            ("emailAddresses", "a.test", "\u00fc.test", ""),
            ("uriDomains", "a.test", "\u00fc.test", ""),
        )
    ),
    *(
        (f"spec.nameConstraints.permitted.{part}[1]", "is n", POLICY, bounds(permitted={part: ["a", bad]}))
        for part, bad in NO_NAME_BOUNDS
    ),
    # key stores
    *(
        row
        for kind in ("jks", "pkcs12")
        for row in (
            (f"spec.keystores.{kind}", "exactly one of", POLICY, store(kind)),
            (
                f"spec.keystores.{kind}",
                "exactly one of",
                POLICY,
                store(kind, password="a", passwordSecretRef=KEY),
            ),
            (f"spec.keystores.{kind}.password", "must not be empty", POLICY, store(kind, password="")),
            (f"spec.keystores.{kind}.password", "at most 4096", POLICY, store(kind, password="a" * 4097)),
            (f"spec.keystores.{kind}.password", "at most 4096", POLICY, store(kind, password="\u00fc" * 2049)),
            (
                f"spec.keystores.{kind}.create",
                "must be set",
                SCHEMA,
                {"keystores": {kind: {"password": "a"}}},
            ),
            (
                f"spec.keystores.{kind}.passwordSecretRef.name",
                "must be set",
                SCHEMA,
                store(kind, passwordSecretRef={"key": "a"}),
            ),
            (
                f"spec.keystores.{kind}.passwordSecretRef.key",
                "must be set",
                POLICY,
                store(kind, passwordSecretRef={"name": "a"}),
            ),
        )
    ),
    (
        "spec.keystores.jks.alias",
        "at most 21845",
        POLICY,
        store("jks", password="a", alias="a" * 21846),
    ),
    (
        "spec.keystores.pkcs12.profile",
        "is not one of",
        SCHEMA,
        store("pkcs12", password="a", profile="Old"),
    ),
    # times
    (f"{WINDOW}.cron", "has 6 field(s)", POLICY, window(cron="0 0 2 * * *")),
    (f"{WINDOW}.cron", "'7' is out of range", CONTROLLER, window(cron="0 2 * * 7")),
    (f"{WINDOW}.cron", "must be set", SCHEMA, window(cron=None)),
    (f"{WINDOW}.windowDuration", "longer than 0s", POLICY, window(windowDuration="0s")),
    (f"{WINDOW}.windowDuration", NOT_A_DURATION, SCHEMA, window(windowDuration="2 hours")),
    (f"{WINDOW}.windowDuration", "is not a duration", SCHEMA, window(windowDuration="1ms")),
    (f"{WINDOW}.windowDuration", "is not a duration", SCHEMA, window(windowDuration=".5h")),
    (f"{WINDOW}.windowDuration", "is not a duration", SCHEMA, window(windowDuration="-1h")),
    (f"{WINDOW}.timezone", "is not the name", POLICY, window(timezone="../UTC")),
    (f"{WINDOW}.timezone", "write its name, as in 'Europe/Zurich'", POLICY, window(timezone="Local")),
    (f"{WINDOW}.timezone", "is not known here", CONTROLLER, window(timezone="Mars/Phobos")),
    (
        "spec.renewal.windows",
        "may have 64 items, and has 65",
        POLICY,
        {"renewal": {"policy": "RenewBefore", "windows": 65 * [{"cron": "@daily", "windowDuration": "1h"}]}},
    ),
    (
        "spec.renewal.windows",
        "must not be set when renewal is disabled",
        POLICY,
        merged(window(), {"renewal": {"policy": "Disabled"}}),
    ),
    ("spec.duration", "'1d' " + NOT_A_DURATION, POLICY, {"duration": "1d"}),
    ("spec.duration", NOT_A_DURATION, POLICY, {"duration": ""}),
    ("spec.duration", NOT_A_DURATION, POLICY, {"duration": "9999999h"}),
    ("spec.duration", NOT_A_DURATION, POLICY, {"duration": "2562048h"}),
    ("spec.duration", NOT_A_DURATION, POLICY, {"duration": "9223372036854775808h"}),
    ("spec.duration", "must be at least 1h", POLICY, {"duration": "59m"}),
    ("spec.duration", "must be at least 1h", POLICY, {"duration": "-2160h"}),
    ("spec.duration", "must be at least 1h", POLICY, {"duration": "0"}),
    ("spec.renewBefore", "'1w' " + NOT_A_DURATION, POLICY, {"renewBefore": "1w"}),
    ("spec.renewBefore", NOT_A_DURATION, POLICY, {"renewBefore": "9999999h"}),
    ("spec.renewBefore", "must be at least 5m", POLICY, {"renewBefore": "4m59s"}),
    ("spec.renewBefore", "must be at least 5m", POLICY, {"renewBefore": "-1h"}),
    ("spec.renewBefore", "must be shorter", POLICY, {"duration": "2h", "renewBefore": "2h"}),
    ("spec.renewBefore", "must be shorter", POLICY, {"renewBefore": "2160h"}),
    (
        "spec.renewBeforePercentage",
        "must not be set together",
        POLICY,
        {"renewBefore": "1h", "renewBeforePercentage": 50},
    ),
    (
        "spec.renewBeforePercentage",
        "must be from 1 to 99",
        POLICY,
        {"duration": "2h", "renewBeforePercentage": 0},
    ),
    (
        "spec.renewBeforePercentage",
        "must be from 1 to 99",
        POLICY,
        {"duration": "2h", "renewBeforePercentage": 100},
    ),
    (
        "spec.renewBeforePercentage",
        "leaves less than 5m",
        POLICY,
        {"duration": "2h", "renewBeforePercentage": 96},
    ),
    ("spec.renewBeforePercentage", "must be from", SCHEMA, {"renewBeforePercentage": 2**31}),
    ("spec.renewal.policy", "'RenewBefore' or 'Disabled'", POLICY, {"renewal": {}}),
    ("spec.renewal.policy", "'Never' is not one of", SCHEMA, {"renewal": {"policy": "Never"}}),
    ("spec.revisionHistoryLimit", "must be from 1", POLICY, {"revisionHistoryLimit": 0}),
    ("spec.revisionHistoryLimit", "must be from 1", POLICY, {"revisionHistoryLimit": -1}),
    ("spec.revisionHistoryLimit", "must be from 1", SCHEMA, {"revisionHistoryLimit": 2**31}),
    # key
    (
        "spec.privateKey.algorithm",
        "'DSA' is not one of 'RSA', 'ECDSA', 'Ed25519'",
        SCHEMA,
        {"privateKey": {"algorithm": "DSA"}},
    ),
    ("spec.privateKey.encoding", "is not one of", SCHEMA, {"privateKey": {"encoding": "PKCS12"}}),
    (
        "spec.privateKey.rotationPolicy",
        "is not one of",
        SCHEMA,
        {"privateKey": {"rotationPolicy": "always"}},
    ),
    (
        "spec.privateKey.size",
        "from 2048 to 8192 for RSA, is 2047",
        POLICY,
        {"privateKey": {"algorithm": "RSA", "size": 2047}},
    ),
    (
        "spec.privateKey.size",
        "no RSA keys of odd sizes; use 3072",
        POLICY,
        {"privateKey": {"algorithm": "RSA", "size": 3071}},
    ),
    (
        "spec.privateKey.size",
        "for RSA, is -1",
        POLICY,
        {"privateKey": {"algorithm": None, "size": -1}},
    ),
    (
        "spec.privateKey.size",
        "for RSA, is 8193",
        POLICY,
        {"privateKey": {"algorithm": None, "size": 8193}},
    ),
    (
        "spec.privateKey.size",
        "256, 384 or 521 for ECDSA, is 2048",
        POLICY,
        {"privateKey": {"size": 2048}},
    ),
    (
        "spec.signatureAlgorithm",
        "does not fit a private key of algorithm ECDSA",
        POLICY,
        {"signatureAlgorithm": "SHA256WithRSA"},
    ),
    (
        "spec.signatureAlgorithm",
        "does not fit a private key of algorithm RSA",
        POLICY,
        {"signatureAlgorithm": "PureEd25519", "privateKey": None},
    ),
    ("spec.signatureAlgorithm", "is not one of", SCHEMA, {"signatureAlgorithm": "MD5WithRSA"}),
    ("spec.usages[1]", "'fly' is not one of", SCHEMA, {"usages": ["server auth", "fly"]}),
    # Secret
    (
        "spec.secretTemplate.annotations[cert-manager.io/alt-names]",
        "are written by the controller",
        POLICY,
        {"secretTemplate": {"annotations": {"cert-manager.io/alt-names": "a"}}},
    ),
    (
        "spec.secretTemplate.annotations[a b]",
        "is not a key",
        POLICY,
        {"secretTemplate": {"annotations": {"a b": ""}}},
    ),
    (
        "spec.secretTemplate.labels[a/b/c]",
        "is not a key",
        POLICY,
        {"secretTemplate": {"labels": {"a/b/c": ""}}},
    ),
    (
        "spec.secretTemplate.labels[a]",
        "value is not one",
        POLICY,
        {"secretTemplate": {"labels": {"a": "b c"}}},
    ),
    (
        "spec.secretTemplate.labels[a]",
        "value is not one",
        POLICY,
        {"secretTemplate": {"labels": {"a": LABEL}}},
    ),
    (
        "spec.additionalOutputFormats[2]",
        "in the list already",
        POLICY,
        {"additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}, {"type": "DER"}]},
    ),
    (
        "spec.additionalOutputFormats[0].type",
        "'PEM' is not one of",
        SCHEMA,
        {"additionalOutputFormats": [{"type": "PEM"}]},
    ),
    (
        "spec.additionalOutputFormats[0].type",
        "must be set",
        SCHEMA,
        {"additionalOutputFormats": [{}]},
    ),
)
# Fields, and those below them, that can be of a wrong type and no more.
CERTIFICATES_FREE = (
    "spec.issuerRef.group",  # another controller's, whatever it is
    "spec.isCA",
    "spec.encodeUsagesInRequest",
    "spec.nameConstraints.critical",
    "spec.keystores.jks.create",
    "spec.keystores.pkcs12.create",
)

REQUESTS_BAD = rows(
    ("spec.request", "must be set", SCHEMA, {"request": None}),
    ("spec.request", "must not be empty", SCHEMA, {"request": ""}),
    ("spec.request", "is not base64", SCHEMA, {"request": "-----BEGIN"}),
    (
        "spec.request",
        "is not a certificate signing request",
        CONTROLLER,
        {"request": encoded("hello")},
    ),
    ("spec.request", "own signature is wrong", CONTROLLER, {"request": CSR_OF_ANOTHER_KEY}),
    ("spec.request", "the URI 'http://a b/' is one that some programs cannot read", CONTROLLER, {"request": CSR_OF_NO_URI}),
    ("spec.request", "the DNS domain 'a..test' is one that some programs cannot read", CONTROLLER, {"request": CSR_OF_NO_BOUND}),
    ("spec.issuerRef", "must be set", SCHEMA, {"issuerRef": None}),
    ("spec.issuerRef.name", "must be set", SCHEMA, {"issuerRef": {"name": None}}),
    ("spec.issuerRef.name", "must not be empty", POLICY, {"issuerRef": {"name": ""}}),
    ("spec.issuerRef.kind", "'Isuer' must be", POLICY, {"issuerRef": {"kind": "Isuer"}}),
    ("spec.duration", "'1d' " + NOT_A_DURATION, POLICY, {"duration": "1d"}),
    ("spec.duration", NOT_A_DURATION, POLICY, {"duration": "9999999h"}),
    ("spec.duration", "must be longer than 0", POLICY, {"duration": "-1h"}),
    ("spec.duration", "must be longer than 0", POLICY, {"duration": "0"}),
    ("spec.isCA", "basic constraints", CONTROLLER, {"request": CSR_OF_A_CA}),
    ("spec.isCA", "basic constraints", CONTROLLER, {"request": CSR_OF_NO_CA, "isCA": True}),
    ("spec.isCA", "is not true, and", CONTROLLER, {"request": CSR_THAT_SIGNS}),
    ("spec.usages", "the same key usages", CONTROLLER, {"request": CSR_OF_A_CLIENT}),
    (
        "spec.usages",
        "the same key usages",
        CONTROLLER,
        {"request": CSR_OF_A_CLIENT, "usages": ["client auth", "server auth"]},
    ),
    ("spec.usages[0]", "'fly' is not one of", SCHEMA, {"usages": ["fly"]}),
    ("spec.usages[1]", "is not one of", SCHEMA, {"usages": ["any", ""]}),
)
# The API server writes them from 1.36 on, over whatever was sent; below, a policy compares them.
IDENTITY = ("spec.username", "spec.uid", "spec.groups", "spec.extra")
REQUESTS_FREE = ("spec.issuerRef.group", *IDENTITY)


def ca(**members):
    return {"acme": None, "ca": {"secretName": "a", **members}}


def acme(**members):
    return {"acme": members}


def binding(**members):
    return acme(externalAccountBinding=merged({"keyID": "1", "keySecretRef": KEY}, members))


def solvers(*items):
    return acme(solvers=list(items))


def ingress(**members):
    return solvers({"http01": {"ingress": members}})


def route(**members):
    return solvers({"http01": {"gatewayHTTPRoute": members}})


def dns(**provider):
    """Behind a good one."""
    return solvers({"http01": {"ingress": {}}}, {"dns01": provider})


def rfc2136(**members):
    return dns(rfc2136={**RFC2136, **members})


SOLVER, SECOND = "spec.acme.solvers[0]", "spec.acme.solvers[1].dns01"
INGRESS, ROUTE = f"{SOLVER}.http01.ingress", f"{SOLVER}.http01.gatewayHTTPRoute"
UPDATE = f"{SECOND}.rfc2136"
POD = {"podTemplate": {"spec": {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}}}
ISSUERS_BAD = rows(
    # type
    ("spec", "exactly one of 'acme', 'ca'", POLICY, {"acme": None}),
    ("spec", "found 'acme' and 'selfSigned'", POLICY, {"selfSigned": {}}),
    ("spec", "found 'acme' and 'ca'", POLICY, {"ca": {"secretName": "a"}}),
    # acme
    ("spec.acme.server", "must be set", SCHEMA, acme(server=None)),
    ("spec.acme.server", "must not be empty", POLICY, acme(server="")),
    ("spec.acme.server", "is plain http", POLICY, acme(server="http://ca.test/directory")),
    ("spec.acme.server", "must be the https:// address", POLICY, acme(server="ca.test")),
    ("spec.acme.server", "has no host", POLICY, acme(server="https:///directory")),
    ("spec.acme.server", "must have no blanks", POLICY, acme(server="https://ca.test/a directory")),
    ("spec.acme.privateKeySecretRef", "must be set", SCHEMA, acme(privateKeySecretRef=None)),
    (
        "spec.acme.privateKeySecretRef.name",
        "must be set",
        SCHEMA,
        acme(privateKeySecretRef={"name": None}),
    ),
    (
        "spec.acme.privateKeySecretRef.name",
        "must not be empty",
        POLICY,
        acme(privateKeySecretRef={"name": ""}),
    ),
    ("spec.acme.email", "not a plain e-mail", POLICY, acme(email="mailto:me@a.test")),
    ("spec.acme.email", "not a plain e-mail", POLICY, acme(email="me@a.test?cc=you@a.test")),
    ("spec.acme.preferredChain", "at most 64 bytes", SCHEMA, acme(preferredChain="a" * 65)),
    ("spec.acme.caBundle", "is not base64", SCHEMA, acme(caBundle="-----BEGIN")),
    ("spec.acme.caBundle", "at least one PEM", CONTROLLER, acme(caBundle=encoded("hello"))),
    (
        "spec.acme.skipTLSVerify",
        "must not be set together",
        POLICY,
        acme(caBundle=encoded("hello"), skipTLSVerify=True),
    ),
    ("spec.acme.externalAccountBinding.keyID", "must not be empty", POLICY, binding(keyID="")),
    ("spec.acme.externalAccountBinding.keyID", "must be set", SCHEMA, binding(keyID=None)),
    (
        "spec.acme.externalAccountBinding.keySecretRef.name",
        "must not be empty",
        POLICY,
        binding(keySecretRef={"name": ""}),
    ),
    (
        "spec.acme.externalAccountBinding.keySecretRef.key",
        "must be set",
        POLICY,
        binding(keySecretRef={"key": None}),
    ),
    (
        "spec.acme.externalAccountBinding.keyAlgorithm",
        "is not one of",
        SCHEMA,
        binding(keyAlgorithm="HS1"),
    ),
    (
        "spec.acme.renewalInformationSource",
        "is not one of",
        SCHEMA,
        acme(renewalInformationSource="Some"),
    ),
    # ca and selfSigned
    ("spec.ca.secretName", "must be set", SCHEMA, ca(secretName=None)),
    ("spec.ca.secretName", "must not be empty", POLICY, ca(secretName="")),
    ("spec.ca.ocspServers[1]", "must not be empty", POLICY, ca(ocspServers=["http://a.test", ""])),
    ("spec.ca.ocspServers[0]", "must be an URL", POLICY, ca(ocspServers=["a b"])),
    (
        "spec.ca.issuingCertificateURLs[1]",
        "must not be empty",
        POLICY,
        ca(issuingCertificateURLs=["http://a.test", ""]),
    ),
    (
        "spec.ca.issuingCertificateURLs[0]",
        "must be an URL",
        POLICY,
        ca(issuingCertificateURLs=["http://\u00fc"]),
    ),
    ("spec.ca.crlDistributionPoints[0]", "must not be empty", POLICY, ca(crlDistributionPoints=[""])),
    ("spec.ca.crlDistributionPoints[0]", "must be an URL", POLICY, ca(crlDistributionPoints=["a b"])),
    (
        "spec.selfSigned.crlDistributionPoints[1]",
        "must be an URL",
        POLICY,
        {"acme": None, "selfSigned": {"crlDistributionPoints": ["http://a.test", "a\nb"]}},
    ),
    (
        "spec.selfSigned.crlDistributionPoints[0]",
        "must not be empty",
        POLICY,
        {"acme": None, "selfSigned": {"crlDistributionPoints": [""]}},
    ),
    # what is not built
    (
        "spec.vault",
        "not built in this version",
        CONTROLLER,
        {
            "acme": None,
            "vault": {"server": "https://a", "path": "a", "auth": {"tokenSecretRef": KEY}},
        },
    ),
    (
        "spec.venafi",
        "not built in this version",
        CONTROLLER,
        {"acme": None, "venafi": {"zone": "a", "cloud": {"apiTokenSecretRef": KEY}}},
    ),
    (
        f"{SECOND}.cloudflare",
        "not built in this version",
        CONTROLLER,
        dns(cloudflare={"apiTokenSecretRef": KEY}),
    ),
    # solvers
    (SOLVER, "exactly one of 'http01' and 'dns01'", POLICY, solvers({})),
    (SOLVER, "found none", POLICY, solvers({"selector": {"dnsNames": ["a.test"]}})),
    (
        SOLVER,
        "found 'http01' and 'dns01'",
        POLICY,
        solvers({"http01": {"ingress": {}}, "dns01": {"rfc2136": RFC2136}}),
    ),
    (
        f"{SOLVER}.waitInsteadOfSelfCheck",
        "must not be negative",
        POLICY,
        solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "-1s"}),
    ),
    (
        f"{SOLVER}.waitInsteadOfSelfCheck",
        NOT_A_DURATION,
        POLICY,
        solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "1d"}),
    ),
    (
        f"{SOLVER}.waitInsteadOfSelfCheck",
        NOT_A_DURATION,
        POLICY,
        solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "9999999h"}),
    ),
    # http01
    (f"{SOLVER}.http01", "exactly one of 'ingress'", POLICY, solvers({"http01": {}})),
    (
        f"{SOLVER}.http01",
        "found 'ingress' and 'gatewayHTTPRoute'",
        POLICY,
        solvers({"http01": {"ingress": {}, "gatewayHTTPRoute": {}}}),
    ),
    (f"{INGRESS}.serviceType", "'ClusterIP' or", POLICY, ingress(serviceType="LoadBalancer")),
    (f"{INGRESS}.ingressClassName", "'A b' is not a name", POLICY, ingress(ingressClassName="A b")),
    (INGRESS, "at most one of", POLICY, ingress(**{"class": "a", "name": "b"})),
    (INGRESS, "at most one of", POLICY, ingress(**{"class": "a", "ingressClassName": "b"})),
    (f"{ROUTE}.serviceType", "'ClusterIP' or", POLICY, route(serviceType="None")),
    (f"{ROUTE}.labels[a b]", "is not a key", POLICY, route(labels={"a b": "c"})),
    (f"{ROUTE}.labels[a]", "value is not one", POLICY, route(labels={"a": "b c"})),
    (f"{ROUTE}.parentRefs[0].name", "must be set", SCHEMA, route(parentRefs=[{}])),
    (
        f"{ROUTE}.parentRefs[0].port",
        "from 1 to 65535",
        SCHEMA,
        route(parentRefs=[{"name": "a", "port": 65536}]),
    ),
    # dns01
    (SECOND, "exactly one of", POLICY, dns()),
    (SECOND, "found 'cloudflare' and 'rfc2136'", POLICY, dns(rfc2136=RFC2136, cloudflare={})),
    (
        f"{SECOND}.cnameStrategy",
        "is not one of",
        SCHEMA,
        dns(rfc2136=RFC2136, cnameStrategy="Ask"),
    ),
    (
        f"{SECOND}.nameservers[1]",
        "needs a port",
        POLICY,
        dns(rfc2136=RFC2136, nameservers=["192.0.2.1:53", "192.0.2.1"]),
    ),
    (
        f"{SECOND}.nameservers[0]",
        "must have a host",
        POLICY,
        dns(rfc2136=RFC2136, nameservers=["https://"]),
    ),
    (
        f"{SECOND}.nameservers[0]",
        "a port from 1 to 65535",
        POLICY,
        dns(rfc2136=RFC2136, nameservers=["192.0.2.1:65536"]),
    ),
    (
        f"{SECOND}.nameservers[0]",
        "and no blanks",
        POLICY,
        dns(rfc2136=RFC2136, nameservers=["https://dns.test/a query"]),
    ),
    (f"{UPDATE}.nameserver", "must not be empty", POLICY, rfc2136(nameserver="")),
    (f"{UPDATE}.nameserver", "must be set", SCHEMA, dns(rfc2136={})),
    (f"{UPDATE}.nameserver", "needs brackets", POLICY, rfc2136(nameserver="2001:db8::1")),
    (f"{UPDATE}.nameserver", "a port from 1 to 65535", POLICY, rfc2136(nameserver="a:0")),
    (f"{UPDATE}.tsigSecretSecretRef", "must be set", POLICY, rfc2136(tsigKeyName="a")),
    (f"{UPDATE}.tsigKeyName", "must be set", POLICY, rfc2136(tsigSecretSecretRef=KEY)),
    (
        f"{UPDATE}.tsigSecretSecretRef.name",
        "must not be empty",
        POLICY,
        rfc2136(tsigKeyName="a", tsigSecretSecretRef={"name": "", "key": "a"}),
    ),
    (
        f"{UPDATE}.tsigSecretSecretRef.key",
        "must be set",
        POLICY,
        rfc2136(tsigKeyName="a", tsigSecretSecretRef={"name": "a"}),
    ),
    (
        f"{UPDATE}.tsigAlgorithm",
        "'SHA512' is not one of 'HMACMD5'",
        POLICY,
        rfc2136(tsigAlgorithm="SHA512"),
    ),
    (f"{UPDATE}.protocol", "'QUIC' is not one of", SCHEMA, rfc2136(protocol="QUIC")),
)
ISSUERS_FREE = (
    "spec.acme.privateKeySecretRef.key",
    "spec.acme.disableAccountKeyGeneration",
    "spec.acme.enableDurationFeature",
    "spec.acme.profile",  # the CA knows which there are
    "spec.acme.solvers.selector",  # what matches nothing is not chosen
    "spec.acme.solvers.http01.ingress.class",
    "spec.acme.solvers.http01.ingress.name",
    "spec.acme.solvers.http01.ingress.ingressTemplate",
    # Copied into what the API server checks then.
    "spec.acme.solvers.http01.ingress.podTemplate",
    "spec.acme.solvers.http01.gatewayHTTPRoute.podTemplate",
    "spec.acme.solvers.http01.gatewayHTTPRoute.parentRefs.group",
    "spec.acme.solvers.http01.gatewayHTTPRoute.parentRefs.kind",
    "spec.acme.solvers.http01.gatewayHTTPRoute.parentRefs.namespace",
    "spec.acme.solvers.http01.gatewayHTTPRoute.parentRefs.sectionName",
    # Refused as a whole: not built.
    "spec.vault",
    "spec.venafi",
    *(
        f"spec.acme.solvers.dns01.{provider}"
        for provider in (
            "acmeDNS akamai azureDNS cloudDNS cloudflare digitalocean route53 webhook".split()
        )
    ),
)
TABLES = {
    "Certificate": (CERTIFICATES_BAD, CERTIFICATES_FREE),
    "CertificateRequest": (REQUESTS_BAD, REQUESTS_FREE),
    "Issuer": (ISSUERS_BAD, ISSUERS_FREE),
    "ClusterIssuer": (ISSUERS_BAD, ISSUERS_FREE),
}


def is_below(path, roots):
    return any(path == root or path.startswith(f"{root}.") for root in roots)


@pytest.mark.parametrize("kind", TABLES)
def test_every_field_has_a_row(kind):
    table, free = TABLES[kind]
    tried = {field_of(row.path) for row in table}
    known = fields(kind)
    assert [path for path in known if path not in tried and not is_below(path, free)] == []
    assert [root for root in free if not any(is_below(path, [root]) for path in known)] == []
    assert [path for path in tried if is_below(path, free) and path not in free] == []


# --- every layer, for all tables at once ---


def name_of(kind, number):
    return f"{kind.lower()}-{number}"


def bodies(kind, namespace):
    """The objects of a table, in its order."""
    made = []
    for number, row in enumerate(TABLES[kind][0]):
        name = name_of(kind, number)
        made.append(new_object(kind, name, namespace, merged(good(kind, name), row.change)))
    return made


AUTHOR = f"""apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: author}}
rules:
- {{apiGroups: [cert-manager.io], resources: ["*"], verbs: [create, get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: author}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: author}}
subjects: [{{kind: ServiceAccount, name: author, namespace: {CHECKED}}}]
"""
# A request that each policy for fields refuses; it becomes active some seconds after it is made.
PROBES = {
    "certlet-certificate": ("Certificate", {"dnsNames": None}),
    "certlet-certificate-extra": ("Certificate", {"renewal": {}}),
    "certlet-certificaterequest": ("CertificateRequest", {"issuerRef": {"name": ""}}),
    "certlet-issuer": ("Issuer", {"acme": None}),
    "certlet-issuer-solver": ("Issuer", solvers({})),
}


def is_active(author, policy):
    kind, change = PROBES[policy]
    error = creation(author, new_object(kind, "probe", CHECKED, merged(good(kind, "probe"), change)))
    return error is not None and f"'{policy}'" in str(error)


@pytest.fixture(scope="module")
def cluster(kube):
    """With all of deploy/, and a namespace where the rules for fields are off."""
    install(kube)
    labels = {"cert-manager.io/disable-validation": "true"}
    kube.create("namespaces", {"metadata": {"name": UNCHECKED, "labels": labels}})
    kube.service_account(CHECKED, "author")
    kube.apply(AUTHOR)
    return kube


@pytest.fixture(scope="module")
def author(cluster):
    """Who may create our objects, and no more; every policy is active."""
    user = cluster.as_service_account(CHECKED, "author")
    for policy in PROBES:
        wait_until(lambda name=policy: is_active(user, name), SECONDS, f"policy {policy}", every=0.2)
    return user


@pytest.fixture(scope="module")
def controller(binary, cluster, tmp_path_factory):
    with Controller(binary, tmp_path_factory.mktemp("controller"), cluster) as process:
        process.wait_to_lead()
        yield process


@pytest.fixture(scope="module")
def checked(binary, tmp_path_factory):
    """{kind: what `certlet check` says of the table}."""
    folder = tmp_path_factory.mktemp("check")
    return {
        kind: Checked(binary, folder / f"{kind}.yaml", bodies(kind, CHECKED)) for kind in TABLES
    }


@pytest.fixture(scope="module")
def answers(author):
    """{kind: the API server's answers}, as the author in a namespace where all policies hold."""
    return {kind: creations(author, bodies(kind, CHECKED)) for kind in TABLES}


@pytest.fixture(scope="module")
def stored(answers, author, controller):
    """{kind: the objects that got in, somewhere}: what no schema sees, less what only a policy keeps out
    and no namespace lets in.
    """
    found = {}
    for kind, answer in answers.items():
        places = [CHECKED if error is None else UNCHECKED for error in answer]
        found[kind] = [
            bodies(kind, place)[number] if kind != "ClusterIssuer" or place == CHECKED else None
            for number, place in enumerate(places)
        ]
        again = [body for body, error in zip(found[kind], answer) if body and error]
        for body, error in zip(again, creations(author, again)):
            if error:
                found[kind][int(body["metadata"]["name"].rpartition("-")[2])] = None
    return found


def cases(*layers):
    """(kind, number of the row) of all rows that one of these is the first to see."""
    made = [
        pytest.param(kind, number, id=f"{kind}-{number}-{row.path}")
        for kind, (table, _) in TABLES.items()
        for number, row in enumerate(table)
        if not layers or row.sees in layers
    ]
    return pytest.mark.parametrize("kind, number", made)


@cases()
def test_check_names_the_field(checked, kind, number):
    row, body = TABLES[kind][0][number], bodies(kind, CHECKED)[number]
    lines = checked[kind].of(body)
    assert checked[kind].code == 1
    assert any(tells(line, row.path, row.words) for line in lines), lines


@cases()
def test_api_server_names_the_field(answers, kind, number):
    row, error = TABLES[kind][0][number], answers[kind][number]
    if row.sees == CONTROLLER:
        assert error is None, error
        return
    assert error is not None, f"was let in; expected {row.sees} to name {row.path}"
    assert refused_by(error) == row.sees, error
    told = dict(refusals(error))
    assert canonical(row.path) in told, error
    assert len(told[canonical(row.path)].removeprefix(row.path)) > len(": ")


def names_it(row, body):
    return any(tells(said, row.path, row.words) for _, _, said in complaints(body))


@pytest.fixture(scope="module")
def settled(cluster, stored):
    """{kind: the objects}, once the controller has said of each what its row says, or will not."""
    expected = [
        (row, body)
        for kind, (table, _) in TABLES.items()
        for row, body in zip(table, stored[kind])
        if body
    ]
    seen = {}

    def all_are_told():
        for row, body in expected:
            place = place_of(body)
            if not (place in seen and names_it(row, seen[place])):
                seen[place] = cluster.get(*place)
        return all(names_it(row, seen[place_of(body)]) for row, body in expected)

    with contextlib.suppress(BedError):  # each row tells for itself
        wait_until(all_are_told, SECONDS, "the controller", every=1)
    return {kind: [body and seen[place_of(body)] for body in stored[kind]] for kind in TABLES}


@cases(POLICY, CONTROLLER)
def test_controller_names_the_field(settled, kind, number):
    row, body = TABLES[kind][0][number], settled[kind][number]
    if kind == "ClusterIssuer" and row.sees == POLICY:
        assert body is None  # in no namespace, so under the policies everywhere
        return
    assert body is not None and names_it(row, body), body
    said = {type_: reason for type_, reason, _ in complaints(body)}
    assert said["Ready"] in ("InvalidSpec", "InvalidConfig", "Failed"), said
    assert ("InvalidRequest" in said) == (kind == "CertificateRequest")
    assert not is_true(body, "Issuing") and not is_true(body, "Approved")


# --- wrong types, of every field ---

AT_ONCE = 200  # a run tells a thousand problems, and each of these objects lacks what else must be set


@pytest.mark.parametrize("kind", TABLES)
def test_check_names_each_field_of_a_wrong_type(binary, tmp_path, kind):
    places = wrong_types(kind)
    objects = [
        new_object(kind, f"type-{number}", CHECKED, planted({}, steps[1:], value))
        for number, (steps, value) in enumerate(places)
    ]
    missed = []
    for first in range(0, len(places), AT_ONCE):
        said = Checked(binary, tmp_path / f"{first}.yaml", objects[first : first + AT_ONCE])
        for (steps, _), body in list(zip(places, objects))[first : first + AT_ONCE]:
            path = path_text(steps)
            if kind == "CertificateRequest" and is_below(field_of(path), IDENTITY):
                continue  # passed over in a file, whatever it is
            if not any(tells(line, path, "must be ") for line in said.of(body)):
                missed.append((path, said.of(body)))
    assert missed == []


@pytest.mark.parametrize("kind", TABLES)
def test_api_server_names_each_field_of_a_wrong_type(author, kind):
    """All of one depth at once: a value of another type has nothing below it."""
    levels = {}
    for steps, value in wrong_types(kind):
        levels.setdefault(len(steps), []).append((steps, value))
    missed = []
    for places in levels.values():
        spec = {}
        for steps, value in places:
            spec = planted(spec, steps[1:], value)
        error = creation(author, new_object(kind, "types", CHECKED, spec))
        told = [path for path, _ in refusals(error)] if error else []
        paths = [path_text(steps) for steps, _ in places]
        missed += [path for path in paths if canonical(path) not in told]
    if kind == "CertificateRequest":
        missed = [path for path in missed if not is_below(field_of(path), IDENTITY)]
    assert missed == []


# --- what is next to them ---


@pytest.fixture(scope="module")
def issuers(cluster):
    """A self-signed Issuer in both namespaces."""
    for namespace in (CHECKED, UNCHECKED):
        apply(cluster, m.private_issuer("self", {"selfSigned": {}}, namespace))


def issue(cluster, namespace, name):
    """A good Certificate next to all that is there; it is ready in the end."""
    apply(cluster, m.certificate(name, [f"{name}.test"], "self", namespace))
    return wait_ready(cluster, f"{CERTIFICATES}/{name}", namespace, SECONDS)


def test_good_ones_are_issued_next_to_them(cluster, issuers, settled):
    for namespace in (CHECKED, UNCHECKED):
        issue(cluster, namespace, "good")


def test_plan_and_status_name_the_fields(plugin, cluster, issuers, settled):
    plan = json.loads(plugin("plan", "-n", UNCHECKED, "--all", "-o", "json").stdout)
    status = json.loads(plugin("status", "-n", UNCHECKED, "-o", "json").stdout)
    said = {
        "Issuer": {one["name"]: one["problem"] for one in plan["issuers"]},
        "Certificate": {one["name"]: one.get("message", "") for one in plan["certificates"]},
    }
    shown = {one["name"]: json.dumps(one) for one in status["certificates"]}
    for kind, texts in said.items():
        for row, body in zip(TABLES[kind][0], settled[kind]):
            if body and body["metadata"]["namespace"] == UNCHECKED:
                name = body["metadata"]["name"]
                assert tells(texts[name], row.path, row.words), (row, texts[name])
                assert kind == "Issuer" or f"{row.path}: " in shown[name], (row, shown[name])


# --- texts that are none ---

NUL, BROKEN = "a\0b", "a\ud800b"  # which no encoder lets out


def raw(body):
    """As it goes over the wire: with bytes that are not UTF-8, too."""
    return json.dumps(body).replace("\\ud800", "\udcff").encode("utf-8", "surrogateescape")


def string_fields(kind):
    """(steps) of every field that may be any text."""
    return [
        steps
        for steps, schema in nodes(spec_schema(kind))
        if schema.get("type") == "string"
        and not {"enum", "format", "pattern"} & schema.keys()
        and not any(step == "[key]" for step in steps)
    ]


@pytest.mark.parametrize("kind", ["Certificate", "Issuer"])
@pytest.mark.parametrize("text", [NUL, BROKEN], ids=["nul", "broken"])
def test_text_that_is_none_is_told_with_its_field(cluster, author, controller, issuers, kind, text, request):
    """Of every field: what cannot be read is in the way of nobody else."""
    expected = {}
    for number, steps in enumerate(string_fields(kind)):
        name = f"{request.node.callspec.id}-{number}".lower()
        spec = planted(good(kind, name), steps[1:], text)
        if kind == "Issuer" and steps[1] != "acme":
            del spec["acme"]
        body = new_object(kind, name, UNCHECKED, spec)
        path = author.path(resource_of(body), UNCHECKED)
        with contextlib.suppress(KubeError):  # by a rule of the schema
            author.request("POST", path, raw(body))
            expected[name] = path_text(steps)
    assert len(expected) > 10
    missing = dict(expected)

    def are_told():
        for name, path in list(missing.items()):
            found = cluster.get(f"{resource_of(new_object(kind, name, '', {}))}/{name}", UNCHECKED)
            for _, _, said in complaints(found):
                parts = [part.partition(": ")[0] for part in said.split("; ")]
                if any(path == part or path.startswith((f"{part}.", f"{part}[")) for part in parts):
                    missing.pop(name, None)
        return not missing

    with contextlib.suppress(BedError):
        wait_until(are_told, SECONDS, "the controller", every=1)
    assert missing == {}


@pytest.mark.parametrize("text, words", [("a\\0b", "NUL"), ("a\udcffb", "UTF-8")], ids=["nul", "broken"])
def test_check_tells_the_line_of_text_that_is_none(binary, tmp_path, text, words):
    body = new_object("Certificate", "web", CHECKED, good("Certificate", "web"))
    manifest = yaml.safe_dump(body).replace("a.test", f'"{text}"')
    (tmp_path / "a.yaml").write_bytes(manifest.encode("utf-8", "surrogateescape"))
    done = run_check(binary, tmp_path / "a.yaml")
    assert done.returncode == 1
    line = manifest.splitlines().index(f'  - "{text}"') + 1
    assert f"a.yaml:{line}:" in done.stdout and words in done.stdout, done.stdout


# --- JSON ---


def nested(depth):
    return {"deeper": nested(depth - 1)} if depth else {}


ODD_CONFIGS = {
    "deep": nested(300),
    "lists": json.loads("[" * 300 + "]" * 300),
    "numbers": {"whole": 10**20, "large": 1e300, "small": 1e-300},
    "nul": {"a\0b": "c\0d", "a\ufffdb": 1},
}


@pytest.mark.parametrize("name", ODD_CONFIGS)
def test_json_that_only_go_reads_is_in_nobodys_way(cluster, author, controller, issuers, name):
    """The API server keeps anything as config of a webhook, and so does the list of all Issuers."""
    webhook = {"groupName": "a.test", "solverName": "a", "config": ODD_CONFIGS[name]}
    spec = {"acme": {**ACCOUNT, "solvers": [{"dns01": {"webhook": webhook}}]}}
    body = new_object("Issuer", f"odd-{name}", CHECKED, spec)
    assert creation(author, body) is None
    found = cluster.wait_for(*place_of(body), condition=complaints, seconds=SECONDS)
    assert "spec.acme.solvers[0].dns01.webhook: " in condition(found, "Ready")[2]


# --- sizes ---


def test_names_that_just_fit_are_issued(cluster, controller, issuers):
    names = [f"{'a' * 63}.{number:03}{'b' * 168}" for number in range(100)]
    apply(cluster, m.certificate("full", names, "self", CHECKED))
    wait_ready(cluster, f"{CERTIFICATES}/full", CHECKED, SECONDS)


# --- Secrets ---


def put_secret(cluster, name, data, **members):
    encoded_data = {key: encoded(value) for key, value in data.items()}
    cluster.create("secrets", {"metadata": {"name": name}, "data": encoded_data, **members}, CHECKED)


NOT_PEM = {"tls.crt": "hello", "tls.key": "hello"}


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/tls", "example.com/other"])
def test_a_target_of_another_type_or_with_other_data_is_filled(cluster, controller, issuers, kind):
    name = f"target-{kind.rpartition('/')[2].lower()}"
    put_secret(cluster, name, {**NOT_PEM, "other": "kept"}, type=kind)
    apply(cluster, m.certificate(name, [f"{name}.test"], "self", CHECKED, secretName=name))
    wait_ready(cluster, f"{CERTIFICATES}/{name}", CHECKED, SECONDS)
    found = cluster.get(f"secrets/{name}", CHECKED)
    assert found["type"] == kind and found["data"]["other"] == encoded("kept")
    assert found["data"]["tls.crt"] != encoded("hello")


def test_an_immutable_target_is_told_and_another_one_filled(cluster, controller, issuers):
    put_secret(cluster, "fixed", NOT_PEM, immutable=True)
    apply(cluster, m.certificate("fixed", ["fixed.test"], "self", CHECKED, secretName="fixed"))

    def says_so(one):
        said = (condition(one, "Issuing") or ("", "", ""))[2]
        return "the Secret 'fixed' is immutable; delete it" in said and "field is immutable" in said

    cluster.wait_for(f"{CERTIFICATES}/fixed", CHECKED, condition=says_so, seconds=SECONDS)
    issue(cluster, CHECKED, "beside-fixed")
    cluster.delete("secrets/fixed", CHECKED)
    wait_ready(cluster, f"{CERTIFICATES}/fixed", CHECKED, SECONDS)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """{what is wrong with it: data of a CA's Secret}"""
    folder = tmp_path_factory.mktemp("authorities")
    root = pki.pair_data(pki.new_certificate(folder, "root", "root", "keyUsage=critical,keyCertSign"))
    other = pki.pair_data(pki.new_certificate(folder, "other", "other", "keyUsage=critical,keyCertSign"))
    no_ca = pki.pair_data(pki.new_certificate(folder, "leaf", "leaf", "basicConstraints=critical,CA:FALSE"))
    no_signer = pki.pair_data(pki.new_certificate(folder, "no-signer", "no-signer", "keyUsage=critical,cRLSign"))
    return {
        "no-signer": no_signer,
        "old": pki.pair_data(pki.expired_authority(folder)),
        "no-ca": no_ca,
        "keys": {**root, "tls.key": other["tls.key"]},
        "key": {"tls.crt": root["tls.crt"]},
        "crt": {"tls.key": root["tls.key"]},
        "pem": NOT_PEM,
        "nothing": None,
    }


AUTHORITIES = {  # what of the message, beside the name of the Secret
    "old": "expired",
    "no-ca": "is not a CA",
    "no-signer": "keyCertSign",
    "keys": "tls.key is not the key",
    "key": "tls.key",
    "crt": "tls.crt",
    "pem": "tls.crt",
    "nothing": "does not exist",
}


@pytest.mark.parametrize("name", AUTHORITIES)
def test_a_ca_that_cannot_sign_is_told_until_it_is_mended(cluster, controller, authorities, name):
    secret = f"ca-{name}"
    if authorities[name]:
        put_secret(cluster, secret, authorities[name])
    apply(cluster, m.private_issuer(secret, {"ca": {"secretName": secret}}, CHECKED))

    def says_so(one):
        ready = condition(one, "Ready") or ("", "", "")
        return ready[0] == "False" and f"{CHECKED}/{secret}" in ready[2] and AUTHORITIES[name] in ready[2]

    cluster.wait_for(f"{ISSUERS}/{secret}", CHECKED, condition=says_so, seconds=SECONDS)
    cluster.delete(f"secrets/{secret}", CHECKED)
    root = {"tls.crt": authorities["key"]["tls.crt"], "tls.key": authorities["crt"]["tls.key"]}
    put_secret(cluster, secret, root)
    wait_ready(cluster, f"{ISSUERS}/{secret}", CHECKED, SECONDS)


# --- lists that nobody needs ---

OTHER_NAMES = [{"oid": "1.2.3", "utf8Value": "a"}] * 10050
BOTH_FORMATS = [{"type": "DER"}, {"type": "CombinedPEM"}]
SOLVERS = [{"dns01": {"rfc2136": RFC2136}}] * 10050
LONG = {  # kind, the field that is too long, what is given, and what mends it
    "certificate": ("Certificate", "spec.otherNames", {"otherNames": OTHER_NAMES}, {"otherNames": None}),
    "together": (
        "Certificate",
        "spec.additionalOutputFormats",
        {"otherNames": OTHER_NAMES[:9999], "additionalOutputFormats": BOTH_FORMATS},
        {"otherNames": None},
    ),
    "issuer": (
        "Issuer",
        "spec.acme.solvers",
        {"acme": {**ACCOUNT, "solvers": SOLVERS}},
        {"acme": None, "selfSigned": {}},
    ),
}


@pytest.mark.parametrize("case", LONG)
def test_lists_that_are_too_long_are_told_until_they_are_mended(cluster, controller, issuers, case):
    """What no cache would keep as it is: the object says so, and others do not wait for it."""
    name, (kind, path, given, mended) = f"long-{case}", LONG[case]
    body = new_object(kind, name, UNCHECKED, {**good(kind, name), **given})
    where = place_of(body)
    made = cluster.create(resource_of(body), body, UNCHECKED)

    def says_so(one):
        ready = condition(one, "Ready") or ("", "", "")
        return ready[0] == "False" and f"{path}: the lists up to here have over 10000 items" in ready[2]

    told = cluster.wait_for(*where, condition=says_so, seconds=SECONDS)
    assert told["spec"] == made["spec"]  # what was cut is not written back
    issue(cluster, UNCHECKED, f"beside-{name}")
    cluster.patch(where[0], {"spec": mended}, UNCHECKED)
    wait_ready(cluster, *where, SECONDS)


# --- the end ---


def test_an_issuer_of_a_kind_that_nobody_has_is_left_to_others(cluster, controller, issuers):
    ref = {"name": "self", "kind": "Nothing", "group": "example.com"}
    for kind in ("Certificate", "CertificateRequest"):
        body = new_object(kind, "foreign", CHECKED, merged(good(kind, "foreign"), {"issuerRef": ref}))
        cluster.create(resource_of(body), body, CHECKED)

    def waits(one):
        issuing = condition(one, "Issuing") or ("", "", "")
        return issuing[0] == "True" and "is not approved yet" in issuing[2]

    cluster.wait_for(f"{CERTIFICATES}/foreign", CHECKED, condition=waits, seconds=SECONDS)
    issue(cluster, CHECKED, "beside-foreign")
    assert "status" not in cluster.get(f"{REQUESTS}/foreign", CHECKED)


def test_after_a_start_with_all_of_it_good_ones_are_issued(cluster, controller, issuers, settled):
    """Last of all: what came one by one comes as a list now."""
    controller.stop()
    controller.start()
    issue(cluster, CHECKED, "after-the-start")
    issue(cluster, UNCHECKED, "after-the-start")
    for kind, table in settled.items():
        for row, body in zip(TABLES[kind][0], table):
            assert not body or names_it(row, cluster.get(*place_of(body))), row
