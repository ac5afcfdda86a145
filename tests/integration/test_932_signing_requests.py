"""CertificateSigningRequests of Kubernetes whose signer is an issuer, by `certlet controller` with its gate on.

The rows are cert-manager's conformance cases; each set of them runs by an Issuer and by a ClusterIssuer. Whoever
asks may create CertificateSigningRequests and refer to the Issuers of one namespace, and nothing else.
"""

import base64
import dataclasses
import datetime
import re
import urllib.parse

import pytest

from support import manifests as m
from support import pki, rbac
from support.bed import wait_until
from support.certlet import solver_flags
from support.controller import (
    NAMESPACE,
    Controller,
    acme_issuer,
    apply,
    condition,
    install,
    is_true,
    may_work,
    refused,
    wait_ready,
)
from support.issued import USAGES
from support.kube_api import KubeError
from support.resources import CLUSTER_ISSUERS, ISSUERS, ORDERS, SIGNING_REQUESTS

pytestmark = pytest.mark.kube

HOME = "signing"  # the namespace of the Issuers, and of who asks
ISSUERS_OF = {"Issuer": HOME, "ClusterIssuer": NAMESPACE}  # where they have Secrets and Orders
GATE = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true"
EXPERIMENTAL = "experimental.cert-manager.io"
DAY, HOUR = 86400, 3600


@pytest.fixture(scope="module")
def cluster(kube):
    install(kube, "deploy/signing_requests")
    work = (("certificates.k8s.io", "certificatesigningrequests", "status", "update"),)
    wait_until(lambda: all(may_work(kube, work)), 60, "the permissions of the component")
    kube.create("namespaces", {"metadata": {"name": HOME}})
    return kube


@pytest.fixture(scope="module")
def flags(bind):
    return [*solver_flags(bind), GATE, "--events=all"]


@pytest.fixture(scope="module")
def controller(binary, cluster, flags, tmp_path_factory):
    with Controller(binary, tmp_path_factory.mktemp("controller"), cluster, flags) as process:
        process.wait_to_lead()
        yield process


def user_who_may(cluster, account, *in_home):
    """Who may create CertificateSigningRequests, and in HOME what the rules say."""
    cluster.service_account(HOME, account)
    everywhere = rbac.rule(
        "certificatesigningrequests", "create", "get", apiGroups=["certificates.k8s.io"]
    )
    rbac.grant_everywhere(cluster, HOME, account, everywhere)
    if in_home:
        rbac.grant(cluster, HOME, account, *in_home)
    user = cluster.as_service_account(HOME, account)

    def may():
        try:
            return user.get(f"{SIGNING_REQUESTS}/none") is None
        except KubeError:
            return False

    wait_until(may, 20, "its role")
    return user


@pytest.fixture(scope="module")
def requester(cluster):
    return user_who_may(cluster, "requester", rbac.rule("signers", "reference", resourceNames=["*"]))


@pytest.fixture(scope="module")
def issuers(controller, cluster, bind, pebble):
    """'self', 'ca' and 'acme' of both kinds, ready."""
    for namespace in (HOME, None):
        where = namespace or NAMESPACE
        apply(
            cluster,
            m.private_issuer("self", {"selfSigned": {}}, namespace),
            m.root_certificate("self", where, "root", issuerRef=kind_of("self", namespace)),
            m.private_issuer("ca", {"ca": {"secretName": "root-tls"}}, namespace),
        )
    acme_issuer(cluster, bind, pebble, HOME)
    apply(cluster, m.tsig_secret(bind, namespace=NAMESPACE))
    apply(cluster, m.cluster_issuer(pebble, [m.rfc2136_solver(bind)]))
    for name in ("self", "ca", "acme"):
        wait_ready(cluster, f"{ISSUERS}/{name}", HOME)
        cluster.wait_for(f"{CLUSTER_ISSUERS}/{name}", condition=is_true, seconds=120)
    return cluster


def kind_of(name, namespace):
    return {"name": name, "kind": "Issuer" if namespace else "ClusterIssuer"}


def signer_of(kind, issuer):
    return f"issuers.cert-manager.io/{HOME}.{issuer}" if kind == "Issuer" else (
        f"clusterissuers.cert-manager.io/{issuer}"
    )


def signing_request(name, csr, signer, annotations=None, usages=("digital signature",), **spec):
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "annotations": annotations or {}, "labels": {"team": "web"}},
        "spec": {
            "request": base64.b64encode(csr.encode()).decode(),
            "signerName": signer,
            "usages": list(usages),
            **spec,
        },
    }


def approve(cluster, *names):
    cluster.kubectl("certificate", "approve", *names)


def certificate_in(one):
    return base64.b64decode((one or {}).get("status", {}).get("certificate", "")).decode()


def wait_signed(cluster, name, seconds=120):
    def holds(one):
        assert not condition(one, "Failed"), condition(one, "Failed")
        return certificate_in(one)

    return cluster.wait_for(f"{SIGNING_REQUESTS}/{name}", condition=holds, seconds=seconds)


def wait_failed(cluster, name, reason):
    one = cluster.wait_for(f"{SIGNING_REQUESTS}/{name}", condition=lambda one: condition(one, "Failed"))
    status, found, message = condition(one, "Failed")
    assert (status, found) == ("True", reason)
    assert not certificate_in(one)
    return message


def events_about(cluster, one, reason):
    """As people find them: in 'default', by the uid."""
    uid = one["metadata"]["uid"]
    return [
        event
        for event in cluster.list("events", "default")
        if event["involvedObject"].get("uid") == uid and event["reason"] == reason
    ]


def wait_told(cluster, one, reason, kind="Warning"):
    wait_until(lambda: events_about(cluster, one, reason), 30, f"the event {reason}")
    assert {event["type"] for event in events_about(cluster, one, reason)} == {kind}


# --- what is asked, and what must come of it ---


@dataclasses.dataclass(frozen=True)
class Row:
    """`host` in the words of a row is a name of its own."""

    key: str = "ecdsa"
    subject: str = "/"
    san: tuple = ()
    usages: tuple = ("digital signature", "key encipherment", "server auth")
    annotations: dict = dataclasses.field(default_factory=dict)
    seconds: int = 0  # spec.expirationSeconds
    life: int = 90 * DAY
    is_ca: bool = False


DNS = ("DNS:host",)
CN = "/CN=host"
LONG = "DNS:" + "a" * 63 + ".host"
IS_CA = {f"{EXPERIMENTAL}/request-is-ca": "true"}
LIFE = {f"{EXPERIMENTAL}/request-duration": "896h"}
BY_ALL = {
    "rsa-san": Row(key="rsa", san=DNS),
    "ecdsa-san": Row(san=DNS),
    "common-name-of-two": Row(subject=CN, san=("DNS:host", "DNS:also.host")),
    "wildcard": Row(san=("DNS:*.host",)),
    "wildcard-and-apex": Row(san=("DNS:*.host", "DNS:host")),
    "long-label": Row(san=(LONG,)),
}
# What an ACME CA certifies by DNS-01 is names alone; Pebble gives every certificate its own life.
BY_OURS = {
    "ed25519-san": Row(key="ed25519", san=DNS),
    "rsa-cn": Row(key="rsa", subject=CN),
    "ecdsa-cn": Row(subject=CN),
    "ed25519-cn": Row(key="ed25519", subject=CN),
    "cn-and-ip": Row(subject=CN, san=("IP:10.0.0.1",)),
    "ip": Row(san=("IP:10.0.0.1",)),
    "dns-and-ip": Row(san=("DNS:host", "IP:10.0.0.1", "IP:2001:db8::1")),
    "is-ca": Row(san=DNS, annotations=IS_CA, is_ca=True),
    "emails": Row(san=("email:alice@example.test", "email:bob@example.test")),
    "cn-and-uri": Row(subject=CN, san=("URI:spiffe://cluster.local/ns/a/sa/b",)),
    "uri": Row(san=("URI:spiffe://cluster.local/ns/a/sa/b",)),
    "dns-and-another-cn": Row(subject="/CN=other.host", san=DNS),
    "organization": Row(subject="/O=first/O=second/CN=host", san=DNS),
    "duration-cn": Row(subject=CN, san=DNS, annotations=LIFE, life=896 * HOUR),
    "duration-san": Row(san=DNS, annotations=LIFE, life=896 * HOUR),
    "expiration": Row(san=DNS, seconds=3333, life=3333),
    "duration-goes-before-expiration": Row(san=DNS, annotations=LIFE, seconds=3333, life=896 * HOUR),
    "usages": Row(
        subject=CN, usages=("server auth", "client auth", "digital signature", "data encipherment")
    ),
    "is-ca-for-long": Row(
        subject=CN,
        usages=("digital signature", "cert sign"),
        annotations={**IS_CA, f"{EXPERIMENTAL}/request-duration": "10000h"},
        life=10000 * HOUR,
        is_ca=True,
    ),
}
ROWS = {"self": {**BY_ALL, **BY_OURS}, "ca": {**BY_ALL, **BY_OURS}, "acme": BY_ALL}


def ask(cluster, requester, kind, issuer, name, row):
    """The CSR as PEM, once the request is made."""
    host = f"{name}.{issuer}.{kind.lower()}.example.test"
    san = [word.replace("host", host) for word in row.san]
    key, csr = pki.key_and_csr(row.key, row.subject.replace("host", host), san)
    annotations = dict(row.annotations)
    full = f"{issuer}-{kind.lower()}-{name}"
    if issuer == "self":
        annotations[f"{EXPERIMENTAL}/private-key-secret-name"] = full
        apply(cluster, m.secret(full, {"tls.key": key}, ISSUERS_OF[kind]))
    more = {"expirationSeconds": row.seconds} if row.seconds else {}
    asked = signing_request(full, csr, signer_of(kind, issuer), annotations, row.usages, **more)
    requester.create(SIGNING_REQUESTS, asked)
    return full, csr


def sign_one(cluster, requester, name):
    """By the CA. Once it is there, the controller has looked at what was there before."""
    full, _ = ask(cluster, requester, "Issuer", "ca", name, Row(san=DNS))
    approve(cluster, full)
    return wait_signed(cluster, full, 240)


def seconds_of(leaf):
    start, end = (
        datetime.datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y %Z")
        for line in pki.openssl("x509", "-noout", "-dates", stdin=leaf).splitlines()
    )
    return (end - start).total_seconds()


def names_in(text):
    """Of what openssl prints about a CSR or a certificate: subjectAltName as a set."""
    found = re.search(r"X509v3 Subject Alternative Name:.*\n\s*(.+)", text)
    return set(found.group(1).split(", ")) if found else set()


def check(one, csr, row, by_acme):
    leaf = certificate_in(one)
    text = pki.openssl("x509", "-noout", "-text", stdin=leaf)
    asked = pki.openssl("req", "-noout", "-text", stdin=csr)
    assert pki.public_of(leaf) == pki.public_of(csr)
    assert names_in(text) >= names_in(asked)
    assert ("CA:TRUE" in text) == row.is_ca
    assert "Digital Signature" in text
    assert is_true(one, "Approved") and not condition(one, "Denied")
    if by_acme:
        return
    for usage in row.usages:
        assert USAGES[usage] in text, usage
    subject = ("-noout", "-subject", "-nameopt", "RFC2253")
    assert pki.openssl("x509", *subject, stdin=leaf) == pki.openssl("req", *subject, stdin=csr)
    assert seconds_of(leaf) == row.life


@pytest.mark.parametrize("kind", ISSUERS_OF)
@pytest.mark.parametrize("issuer", ROWS)
def test_every_case_of_cert_manager_by(issuers, requester, issuer, kind):
    asked = {
        name: ask(issuers, requester, kind, issuer, name, row) for name, row in ROWS[issuer].items()
    }
    approve(issuers, *(full for full, _ in asked.values()))
    for name, (full, csr) in asked.items():
        one = wait_signed(issuers, full, 240)
        try:
            check(one, csr, ROWS[issuer][name], issuer == "acme")
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_a_chain_of_a_ca_leads_to_its_root(issuers, requester, tmp_path):
    note = {"example.test/note": "mine"}
    full, _ = ask(issuers, requester, "Issuer", "ca", "chain", Row(san=DNS, annotations=note))
    approve(issuers, full)
    one = wait_signed(issuers, full)
    (tmp_path / "leaf").write_text(certificate_in(one))
    root = base64.b64decode(issuers.get("secrets/root-tls", HOME)["data"]["tls.crt"])
    (tmp_path / "root").write_bytes(root)
    assert "OK" in pki.openssl("verify", "-CAfile", tmp_path / "root", tmp_path / "leaf")
    assert one["metadata"]["labels"] == {"team": "web"}  # what is the user's stays
    assert one["metadata"]["annotations"] == note
    wait_told(issuers, one, "CertificateIssued", "Normal")


def test_the_component_switches_the_gate_on(cluster):
    (container,) = cluster.get("deployments.apps/certlet", NAMESPACE)["spec"]["template"]["spec"]["containers"]
    assert GATE in container["args"]


# --- who may ---


def test_nobody_signs_before_the_approval_and_a_denied_one_never(issuers, requester):
    for name in ("approved", "denied"):
        asked = signing_request(name, pki.new_csr([f"{name}.test"]), signer_of("Issuer", "ca"))
        wait_told(issuers, requester.create(SIGNING_REQUESTS, asked), "WaitingApproval", "Normal")
    issuers.kubectl("certificate", "deny", "denied")
    approve(issuers, "approved")
    wait_signed(issuers, "approved")
    one = issuers.get(f"{SIGNING_REQUESTS}/denied")
    assert not certificate_in(one) and not condition(one, "Failed")


def test_who_may_not_refer_to_an_issuer_gets_nothing_of_it(issuers, requester):
    """By name, or by '*': else it ends, before anybody is told whether the Issuer is ready."""
    named = rbac.rule("signers", "reference", resourceNames=["ca"])
    stranger, friend = user_who_may(issuers, "stranger"), user_who_may(issuers, "friend", named)
    for name, user, issuer in (
        ("of-stranger", stranger, "ca"),
        ("of-friend", friend, "ca"),
        ("of-friend-elsewhere", friend, "acme"),
    ):
        asked = signing_request(name, pki.new_csr([f"{name}.test"]), signer_of("Issuer", issuer))
        user.create(SIGNING_REQUESTS, asked)
        approve(issuers, name)
    assert "'reference'" in wait_failed(issuers, "of-stranger", "DeniedReference")
    wait_failed(issuers, "of-friend-elsewhere", "DeniedReference")
    wait_signed(issuers, "of-friend")
    one = issuers.get(f"{SIGNING_REQUESTS}/of-stranger")
    wait_told(issuers, one, "DeniedReference")
    uid = issuers.get(f"{SIGNING_REQUESTS}/of-friend-elsewhere")["metadata"]["uid"]
    assert all(uid != owner_of(order)["uid"] for order in issuers.list(ORDERS, HOME))
    # A ClusterIssuer is there for all whose requests are approved.
    asked = signing_request("of-all", pki.new_csr(["all.test"]), signer_of("ClusterIssuer", "ca"))
    stranger.create(SIGNING_REQUESTS, asked)
    approve(issuers, "of-all")
    wait_signed(issuers, "of-all")


def owner_of(one):
    return (one["metadata"].get("ownerReferences") or [{"uid": None, "kind": None}])[0]


# --- what cannot be ---

BAD = {  # what is wrong with it: (annotations, the reason of Failed)
    "no-duration": ({f"{EXPERIMENTAL}/request-duration": "soon"}, "ErrorParseDuration"),
    "too-short": ({f"{EXPERIMENTAL}/request-duration": "9m59s"}, "InvalidDuration"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_duration_that_cannot_be_fails(issuers, requester, name):
    annotations, reason = BAD[name]
    asked = signing_request(name, pki.new_csr(["a.test"]), signer_of("Issuer", "ca"), annotations)
    requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, name)
    wait_failed(issuers, name, reason)


def test_a_name_that_acme_cannot_prove_fails(issuers, requester):
    _, csr = pki.key_and_csr(subject="/CN=other.example.test", san=["DNS:a.example.test"])
    requester.create(SIGNING_REQUESTS, signing_request("other-cn", csr, signer_of("Issuer", "acme")))
    approve(issuers, "other-cn")
    assert "other.example.test" in wait_failed(issuers, "other-cn", "InvalidOrder")


@pytest.mark.parametrize("issuer, reason", [("ca", "SigningError"), ("acme", "InvalidOrder")])
def test_a_bound_that_go_cannot_read_fails(issuers, requester, issuer, reason):
    """Nor could it read the certificate. Of URIs the API server says so itself."""
    name = f"unreadable-{issuer}"
    csr = pki.new_csr(["a.example.test"], "nameConstraints=permitted;DNS:a..test")
    requester.create(SIGNING_REQUESTS, signing_request(name, csr, signer_of("Issuer", issuer)))
    approve(issuers, name)
    assert "the DNS domain 'a..test' is one that some programs cannot read" in wait_failed(issuers, name, reason)


def test_a_self_signed_one_needs_its_annotation_and_its_key(issuers, requester):
    _, csr = pki.key_and_csr(subject="/CN=a")
    another, _ = pki.key_and_csr()
    apply(issuers, m.secret("another-key", {"tls.key": another}, HOME))
    named = {f"{EXPERIMENTAL}/private-key-secret-name": "another-key"}
    for name, annotations in (("no-annotation", {}), ("no-match", named)):
        asked = signing_request(name, csr, signer_of("Issuer", "self"), annotations)
        requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, "no-annotation", "no-match")
    message = wait_failed(issuers, "no-annotation", "MissingAnnotation")
    assert f"{EXPERIMENTAL}/private-key-secret-name" in message
    wait_failed(issuers, "no-match", "ErrorKeyMatch")


def test_an_issuer_that_comes_later_signs_what_waits(issuers, requester):
    """Its name has dots, as a namespace has none."""
    signer = f"issuers.cert-manager.io/{HOME}.late.er"
    one = requester.create(
        SIGNING_REQUESTS, signing_request("late", pki.new_csr(["late.test"]), signer)
    )
    approve(issuers, "late")
    wait_told(issuers, one, "IssuerNotFound")
    apply(issuers, m.private_issuer("late.er", {"ca": {"secretName": "late-ca"}}, HOME))
    wait_told(issuers, one, "IssuerNotReady")
    root = {"issuerRef": kind_of("self", HOME), "secretName": "late-ca"}
    apply(issuers, m.root_certificate("self", HOME, "late-root", **root))
    wait_signed(issuers, "late", 30)


def test_signers_of_others_are_left_alone(issuers, requester):
    signers = (
        "example.com/theirs",
        "issuers.cert-manager.io/no-dot",
        "kubernetes.io/kube-apiserver-client",
    )
    for i, signer in enumerate(signers):
        asked = signing_request(
            f"other-{i}", pki.new_csr(["a.test"]), signer, usages=["client auth"]
        )
        requester.create(SIGNING_REQUESTS, asked)
        approve(issuers, f"other-{i}")
    asked = signing_request("after-others", pki.new_csr(["a.test"]), signer_of("Issuer", "ca"))
    requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, "after-others")
    wait_signed(issuers, "after-others")
    for i in range(len(signers)):
        assert set(issuers.get(f"{SIGNING_REQUESTS}/other-{i}")["status"]) == {"conditions"}


def test_a_name_that_is_no_dns_name_is_signed_but_not_ordered(issuers, requester):
    """Of all kinds that there are here, only this one may be called so; an Order may not."""
    for name, issuer in (("Odd: name_1", "ca"), ("Odd: name_2", "acme")):
        csr = pki.new_csr(["odd.example.test"])
        asked = signing_request(name, csr, signer_of("Issuer", issuer))
        requester.create(SIGNING_REQUESTS, asked)
        approve(issuers, name)
    one = wait_signed(issuers, urllib.parse.quote("Odd: name_1"))
    wait_told(issuers, one, "CertificateIssued", "Normal")
    wait_failed(issuers, urllib.parse.quote("Odd: name_2"), "OrderBuildingError")


# --- the key of a self-signed one ---


@pytest.mark.parametrize("kind", ISSUERS_OF)
@pytest.mark.parametrize(
    "first, reason", [(None, "SecretNotFound"), ({"other": "data"}, "ErrorParsingKey")]
)
def test_a_key_that_comes_later_signs_at_once(issuers, requester, kind, first, reason):
    key, csr = pki.key_and_csr(subject="/CN=later")
    name = f"later-{kind.lower()}-{reason.lower()}"
    where = ISSUERS_OF[kind]
    if first:
        apply(issuers, m.secret(name, first, where))
    annotations = {f"{EXPERIMENTAL}/private-key-secret-name": name}
    asked = signing_request(name, csr, signer_of(kind, "self"), annotations)
    one = requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, name)
    wait_told(issuers, one, reason)
    assert not condition(issuers.get(f"{SIGNING_REQUESTS}/{name}"), "Failed")
    apply(issuers, m.secret(name, {"tls.key": key}, where))
    wait_signed(issuers, name, 20)


# --- Orders ---


def orders_of(cluster, namespace, uid):
    return [one for one in cluster.list(ORDERS, namespace) if owner_of(one)["uid"] == uid]


@pytest.mark.parametrize("kind", ISSUERS_OF)
def test_an_order_is_its_requests_and_goes_with_it(issuers, requester, kind):
    name = f"ordered-{kind.lower()}"
    annotations = {"example.test/note": "kept", "kubectl.kubernetes.io/note": "left out"}
    csr = pki.new_csr([f"{name}.example.test"])
    asked = signing_request(name, csr, signer_of(kind, "acme"), annotations)
    one = requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, name)
    wait_signed(issuers, name)
    (order,) = orders_of(issuers, ISSUERS_OF[kind], one["metadata"]["uid"])
    assert owner_of(order) == m.owner_reference(one)
    assert order["metadata"]["labels"] == {"team": "web"}
    assert order["metadata"]["annotations"] == {"example.test/note": "kept"}
    assert order["spec"]["issuerRef"] == {"name": "acme", "kind": kind, "group": "cert-manager.io"}
    assert order["spec"]["dnsNames"] == [f"{name}.example.test"]
    assert not {"profile", "replaces", "duration"} & set(order["spec"])
    issuers.delete(f"{SIGNING_REQUESTS}/{name}")

    def is_gone():
        return not orders_of(issuers, ISSUERS_OF[kind], one["metadata"]["uid"])

    wait_until(is_gone, 180, "the garbage collector")


def test_an_order_that_failed_fails_its_request(issuers, requester, bind, pebble):
    """Its Issuer has no solver for the name: the Order waits; who ends it by hand ends the request."""
    selector = {"dnsNames": ["one.example.test"]}
    solver = m.rfc2136_solver(bind, selector=selector)
    apply(issuers, m.issuer(pebble, [solver], name="picky", namespace=HOME))
    wait_ready(issuers, f"{ISSUERS}/picky", HOME)
    asked = signing_request(
        "picky", pki.new_csr(["two.example.test"]), signer_of("Issuer", "picky")
    )
    uid = requester.create(SIGNING_REQUESTS, asked)["metadata"]["uid"]
    approve(issuers, "picky")
    wait_until(lambda: orders_of(issuers, HOME, uid), 30, "its Order")
    (order,) = orders_of(issuers, HOME, uid)
    status = {"status": {"state": "errored", "reason": "ended by hand"}}
    issuers.patch(f"{ORDERS}/{order['metadata']['name']}", status, HOME, "status")
    assert "ended by hand" in wait_failed(issuers, "picky", "OrderFailed")


def forged(name, owner, dns_name, csr, issuer="acme", kind="Issuer"):
    return {
        "apiVersion": "acme.cert-manager.io/v1",
        "kind": "Order",
        "metadata": {"name": name, "ownerReferences": [m.owner_reference(owner)]},
        "spec": {
            "request": base64.b64encode(csr.encode()).decode(),
            "issuerRef": {"name": issuer, "kind": kind, "group": "cert-manager.io"},
            "dnsNames": [dns_name],
        },
    }


def test_forged_orders_are_not_acted_on_and_hold_nothing_up(issuers, requester, pebble):
    """Whoever can create Orders writes what he likes: another name, another place, no approval, no access."""
    cluster, before = issuers, pebble.new_orders()
    cluster.create("namespaces", {"metadata": {"name": "elsewhere"}})
    stranger = user_who_may(cluster, "thief")
    owners, csr = {}, pki.new_csr(["mine.example.test"])
    for name, user in (("mine", requester), ("unapproved", requester), ("no-access", stranger)):
        asked = signing_request(name, csr, signer_of("Issuer", "acme"))
        owners[name] = user.create(SIGNING_REQUESTS, asked)
    other_kind = {**owners["mine"], "kind": "CertificateRequest", "apiVersion": "cert-manager.io/v1"}
    bad = (
        ("a-name", owners["mine"], "victim.example.test", HOME, {}),
        ("a-place", owners["mine"], "mine.example.test", "elsewhere", {}),
        ("a-kind", other_kind, "mine.example.test", HOME, {}),
        ("a-void", owners["mine"], "mine.example.test", HOME, {"issuer": "nobody"}),
        ("a-cluster", owners["mine"], "mine.example.test", HOME, {"kind": "ClusterIssuer"}),
        ("a-draft", owners["unapproved"], "mine.example.test", HOME, {}),
        ("a-guest", owners["no-access"], "mine.example.test", HOME, {}),
    )
    for name, owner, dns_name, namespace, more in bad:
        cluster.create(ORDERS, forged(name, owner, dns_name, csr, **more), namespace)
    approve(cluster, "mine", "no-access")
    wait_failed(cluster, "no-access", "DeniedReference")
    check(wait_signed(cluster, "mine"), csr, Row(san=DNS), True)
    for name, _, _, namespace, _ in bad:
        one = cluster.get(f"{ORDERS}/{name}", namespace)
        assert "url" not in (one or {}).get("status", {}), name
        cluster.delete(f"{ORDERS}/{name}", namespace)
    assert pebble.new_orders() == before + 1


# --- interruptions ---


def test_a_kill_in_between_signs_once(controller, issuers, requester, pebble):
    before = pebble.new_orders(), pebble.finalizes()
    names = [f"killed-{i}" for i in range(4)]
    for name in names:
        csr = pki.new_csr([f"{name}.example.test"])
        for issuer in ("acme", "ca"):
            asked = signing_request(f"{name}-{issuer}", csr, signer_of("Issuer", issuer))
            requester.create(SIGNING_REQUESTS, asked)
    approve(issuers, *(f"{name}-{issuer}" for name in names for issuer in ("acme", "ca")))
    wait_until(lambda: pebble.new_orders() > before[0], 30, "a first order")
    controller.kill()
    controller.start()
    signed = {}
    for name in names:
        for issuer in ("acme", "ca"):
            full = f"{name}-{issuer}"
            signed[full] = certificate_in(wait_signed(issuers, full, 240))
    assert pebble.finalizes() == before[1] + len(names)
    controller.restart()
    sign_one(issuers, requester, "marker")
    for full, leaf in signed.items():
        assert certificate_in(issuers.get(f"{SIGNING_REQUESTS}/{full}")) == leaf
    assert pebble.finalizes() == before[1] + len(names)


# --- the gate ---


def test_without_the_gate_nobody_looks(binary, controller, cluster, requester, tmp_path, flags):
    controller.stop()
    try:
        before = controller.requests(resource="certificatesigningrequests")
        others = [flag for flag in flags if flag != GATE]
        with Controller(binary, tmp_path, cluster, others, name="gateless") as process:
            process.wait_to_lead()
            asked = signing_request("gated", pki.new_csr(["a.test"]), signer_of("Issuer", "ca"))
            requester.create(SIGNING_REQUESTS, asked)
            approve(cluster, "gated")
            apply(cluster, m.certificate("web", ["a.test"], "ca", HOME))
            wait_ready(cluster, "certificates.cert-manager.io/web", HOME)
        assert controller.requests(resource="certificatesigningrequests") == before
        assert not certificate_in(cluster.get(f"{SIGNING_REQUESTS}/gated"))
    finally:
        controller.start()
    wait_signed(cluster, "gated")


def test_an_issuer_type_that_is_taken_out_is_another_programs(controller, cluster, requester, tmp_path):
    with controller.instead(tmp_path, "--controllers=*,-certificatesigningrequests-issuer-ca"):
        key, csr = pki.key_and_csr(subject="/CN=a")
        apply(cluster, m.secret("partly", {"tls.key": key}, HOME))
        named = {f"{EXPERIMENTAL}/private-key-secret-name": "partly"}
        for issuer in ("ca", "self"):
            asked = signing_request(f"partly-{issuer}", csr, signer_of("Issuer", issuer), named)
            requester.create(SIGNING_REQUESTS, asked)
        approve(cluster, "partly-ca", "partly-self")
        wait_signed(cluster, "partly-self")
        assert not certificate_in(cluster.get(f"{SIGNING_REQUESTS}/partly-ca"))
    wait_signed(cluster, "partly-ca")


def test_queue_and_syncs_are_counted(controller, issuers, requester):
    sign_one(issuers, requester, "counted")
    for metric in ("workqueue_adds_total", "certmanager_controller_sync_call_count"):
        assert controller.metric(metric, controller="certificatesigningrequests") > 0, metric


def test_no_permission_is_missing(controller, cluster):
    """After all of the above: nothing was refused to the ServiceAccount."""
    assert refused(cluster) == []
