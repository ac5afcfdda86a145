"""The cases of cert-manager's conformance suite for Certificates (tests/parity.md §1), as a table.

A case needs features that not every issuer has: SUITES says which each of them lacks.
"""

import dataclasses

from . import manifests as m
from .names import UPN

EDDSA, ECDSA = {"algorithm": "Ed25519"}, {"algorithm": "ECDSA"}


def _words(text):
    return frozenset(text.split())


@dataclasses.dataclass(frozen=True)
class Case:
    """`spec(domain)` is what a Certificate says beside secretName and issuerRef; None: as if not said."""

    needs: frozenset
    spec: object


def _case(needs, spec):
    return Case(_words(needs), spec)


# Ed25519: Pebble refuses such a request, which test_100 holds certlet to say in the CA's words.
OF_ACME = _words(
    "Duration URISANs CommonName KeyUsages EmailSANs SaveCAToSecret IssueCA LiteralSubject OtherNames IPAddress"
    " Ed25519"
)
SUITES = {
    "selfSigned": _words("ACMEUseARI"),
    "ca": _words("ACMEUseARI"),
    "acme": OF_ACME,
    "acme-eab": OF_ACME,
}
KINDS = ("Issuer", "ClusterIssuer")

# RSA keys take tenths of a second under the checkers, so only those have them that say so.
CASES = {
    "defaults": _case("OnlySAN", lambda d: {"dnsNames": [d], "privateKey": None}),
    "is-ca": _case("IssueCA OnlySAN", lambda d: {"dnsNames": [d], "isCA": True}),
    "ecdsa": _case("ECDSA OnlySAN", lambda d: {"dnsNames": [d], "privateKey": ECDSA}),
    "ed25519": _case("Ed25519 OnlySAN", lambda d: {"dnsNames": [d], "privateKey": EDDSA}),
    "cn": _case("CommonName", lambda d: {"commonName": d, "privateKey": {"algorithm": "RSA", "size": 2048}}),
    "cn-ecdsa": _case("ECDSA CommonName", lambda d: {"commonName": d, "privateKey": ECDSA}),
    "cn-ed25519": _case("Ed25519 CommonName", lambda d: {"commonName": d, "privateKey": EDDSA}),
    "other-names": _case(
        "OtherNames",
        lambda d: {
            "commonName": d,
            "emailAddresses": [f"mail@{d}"],
            "otherNames": [{"oid": UPN, "utf8Value": f"{who}@{d}"} for who in ("first", "second")],
        },
    ),
    "literal-subject": _case(
        "LiteralSubject",
        lambda d: {
            "dnsNames": [f"*.{d}"],
            "literalSubject": f"CN=*.{d},OU=FooLong,OU=Bar,OU=Baz,OU=Dept.,O=Corp.",
        },
    ),
    "ip": _case("IPAddress", lambda d: {"ipAddresses": ["192.0.2.7"]}),
    "dns-ip": _case(
        "IPAddress OnlySAN", lambda d: {"dnsNames": [d], "ipAddresses": ["192.0.2.7", "2001:db8::7"]}
    ),
    "cn-ip": _case("CommonName IPAddress", lambda d: {"commonName": d, "ipAddresses": ["192.0.2.7"]}),
    "email": _case("EmailSANs OnlySAN", lambda d: {"emailAddresses": [f"alice@{d}"]}),
    "cn-uri": _case("URISANs CommonName", lambda d: {"commonName": d, "uris": ["spiffe://cluster.test/web"]}),
    "dns-as-cn": _case("CommonName", lambda d: {"commonName": d, "dnsNames": [d, f"other.{d}"]}),
    "dns-other-cn": _case("CommonName", lambda d: {"commonName": f"other.{d}", "dnsNames": [d]}),
    "duration": _case("Duration OnlySAN", lambda d: {"dnsNames": [d], "duration": "896h"}),
    "wildcard": _case("Wildcards OnlySAN", lambda d: {"dnsNames": [f"*.{d}"]}),
    "uri": _case("URISANs OnlySAN", lambda d: {"uris": ["spiffe://cluster.test/web"]}),
    "usages": _case(
        "KeyUsages OnlySAN",
        lambda d: {
            "dnsNames": [d],
            "usages": ["signing", "data encipherment", "server auth", "client auth"],
        },
    ),
    "long-label": _case("OnlySAN LongDomain", lambda d: {"dnsNames": [f"{'l' * 63}.{d}"]}),
    "wildcard-apex": _case("Wildcards OnlySAN", lambda d: {"dnsNames": [f"*.{d}", d]}),
    "keeps-key": _case(
        "ReusePrivateKey OnlySAN",
        lambda d: {"dnsNames": [d], "privateKey": {**ECDSA, "rotationPolicy": "Never"}},
    ),
    "gains-name": _case("OnlySAN", lambda d: {"dnsNames": [d]}),
}


def cases_of(suite):
    return [name for name, case in CASES.items() if not case.needs & SUITES[suite]]


ROUNDS = [(suite, kind) for suite in SUITES for kind in KINDS]


def namespace_of_round(suite, kind):
    return f"{suite}-{kind}".lower()


def issuer_name(suite, kind):
    """Of a ClusterIssuer too: none of another suite has it."""
    return f"{suite}-issuer".lower()


def certificate_of(suite, kind, name):
    """The Certificate of a case; its Secret is NAME-tls."""
    namespace = namespace_of_round(suite, kind)
    spec = {"issuerRef": {"name": issuer_name(suite, kind), "kind": kind}}
    spec.update(CASES[name].spec(f"{name}.{namespace}.example.test"))
    one = m.certificate(name, [], namespace=namespace, **spec)
    one["spec"] = {key: value for key, value in one["spec"].items() if value not in (None, [])}
    return one
