"""cert-manager's own controllers stop and certlet starts, and the other way round: nothing is issued anew, what is
under way goes on, and what one of them has written the other one can take away.

The work of cert-manager is done by cert-manager (support/cert_manager.py); what was ordered and finalized is
counted at the CA, what was written in the audit log.
"""

import base64
import contextlib
import datetime

import pytest

from support import manifests as m
from support import pki
from support.bed import Pebble, wait_until
from support.cert_manager import CertManager
from support.certlet import solver_flags
from support.cmctl import Cmctl
from support.controller import (
    NAMESPACE,
    Controller,
    apply,
    condition,
    secret_data,
    wait_for_revision,
    wait_ready,
)
from support.files import serial_of
from support.resources import CERTIFICATES, CHALLENGES, CLUSTER_ISSUERS, ISSUERS, REQUESTS
from support.swap import BOTH, Picture, leaf, managers, wait_all_ready, wait_idle, writes

pytestmark = pytest.mark.kube
RSA = {"algorithm": "RSA", "size": 2048}


def next_keys(kube, namespace):
    return kube.list("secrets", namespace, "cert-manager.io/next-private-key")


# --- what is there stays ---

SUBJECT = {
    "organizations": ["Bread, Salt and Co", 'The "Second"'],
    "organizationalUnits": ["Ovens"],
    "countries": ["DE"],
    "provinces": ["BE"],
    "localities": ["Berlin"],
    "streetAddresses": ["Am Ofen 1"],
    "postalCodes": ["10115"],
    "serialNumber": "4711",
}
NAMES = {
    "ipAddresses": ["127.0.0.1", "::1"],
    "uris": ["spiffe://example.test/ns/a/sa/b"],
    "emailAddresses": ["a@example.test"],
}
OF_THE_CA = {
    "plain": {},
    "rsa": {"privateKey": {**RSA, "rotationPolicy": "Never"}},
    "pkcs8": {"privateKey": {**RSA, "encoding": "PKCS8", "rotationPolicy": "Always"}},
    "ed25519": {"privateKey": {"algorithm": "Ed25519"}},
    "template": {"secretTemplate": {"labels": {"team": "web"}, "annotations": {"note": "of the team"}}},
    "formats": {"additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}]},
    "subject": {"commonName": "a subject", "subject": SUBJECT, **NAMES},
    "usages": {"usages": ["server auth", "client auth"], "duration": "2160h0m0s", "renewBefore": "360h0m0s"},
    "percent": {"renewBeforePercentage": 20},
    "history": {"revisionHistoryLimit": 3},
    "keystores": {
        "keystores": {
            "jks": {"create": True, "password": "changeit"},
            "pkcs12": {"create": True, "password": "changeit", "profile": "Modern2023"},
        }
    },
    "literal": {"literalSubject": "CN=a literal,OU=b,O=c"},
    "short": {"issuerRef": {"name": "ca"}},
    "full": {"issuerRef": {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}},
}

OF_ACME = ("web", "web-rsa", "wild", "of-cluster-acme")


class Fleet:
    """Issuers of every type, of a namespace and of the cluster, and Certificates of them."""

    def __init__(self, kube, bind, pebble, namespace):
        self.kube, self.namespace = kube, namespace
        solvers = [m.rfc2136_solver(bind, wait="0s")]  # cert-manager would look, and then wait for a minute
        self._mark = f"of-{namespace}"[:50].strip("-")
        issuers = [
            *m.private_ca(namespace),
            m.tsig_secret(bind, namespace=namespace),
            m.issuer(pebble, solvers, namespace=namespace, email="ops@example.test"),
        ]
        self._cluster_root = m.root_certificate("self", NAMESPACE, self._mark)
        self._cluster_root["spec"]["issuerRef"] = self._cluster("self")
        cluster_issuers = [
            m.private_issuer(self._name("self"), {"selfSigned": {}}),
            self._cluster_root,
            m.private_issuer(self._name("ca"), {"ca": {"secretName": f"{self._mark}-tls"}}),
            m.tsig_secret(bind, namespace=NAMESPACE),
            m.cluster_issuer(pebble, solvers, self._name("acme")),
        ]
        apply(kube, *issuers, *cluster_issuers, *self._certificates())

    def _name(self, kind):
        return f"{kind}-{self._mark}"

    def _cluster(self, kind):
        return {"name": self._name(kind), "kind": "ClusterIssuer"}

    def _certificates(self):
        def one(name, issuer="ca", dns_names=(), **spec):
            names = list(dns_names) or [f"{name}.{self.namespace}.example.test"]
            return m.certificate(name, names, issuer, self.namespace, **spec)

        apex = f"wild.{self.namespace}.example.test"
        return [
            *(one(name, **spec) for name, spec in OF_THE_CA.items()),
            one("own", "self"),
            one("own-rsa", "self", privateKey=RSA),
            one("of-cluster-ca", issuerRef=self._cluster("ca")),
            one("web", "acme"),
            one("web-rsa", "acme", privateKey=RSA),
            one("wild", "acme", [apex, f"*.{apex}"]),
            one("of-cluster-acme", issuerRef=self._cluster("acme")),
        ]

    def wait_ready(self):
        wait_ready(self.kube, f"{CERTIFICATES}/{self._mark}", NAMESPACE)
        wait_all_ready(self.kube, self.namespace)
        wait_until(lambda: not self.kube.list(CHALLENGES, self.namespace), 120, "Challenges to go")
        wait_until(lambda: not next_keys(self.kube, self.namespace), 60, "next keys to go")

    def accounts(self):
        """Where the CA has the accounts."""
        issuers = (
            self.kube.get(f"{ISSUERS}/acme", self.namespace),
            self.kube.get(f"{CLUSTER_ISSUERS}/{self._name('acme')}"),
        )
        return [one["status"]["acme"]["uri"] for one in issuers]

    def picture(self):
        return Picture(self.kube, self.namespace)

    def remove(self):
        for kind in ("self", "ca", "acme"):
            self.kube.delete(f"{CLUSTER_ISSUERS}/{self._name(kind)}")
        self.kube.delete(f"{CERTIFICATES}/{self._mark}", NAMESPACE)
        self.kube.delete(f"namespaces/{self.namespace}")
        gone = f"namespaces/{self.namespace}"
        wait_until(lambda: self.kube.get(gone) is None, 180, "the namespace to go", every=0.2)


@pytest.fixture
def fleet(cluster, bind, pebble, namespace):
    one = Fleet(cluster, bind, pebble, namespace)
    yield one
    one.remove()


def seen(pebble):
    """What the CA was asked for: Orders, accounts, certificates."""
    return pebble.requests("/order-plz"), pebble.requests("/sign-me-up"), pebble.finalizes()


def assert_same(before, after, but=()):
    """The same pairs, requests and Orders; the Certificates `but` may be renewed at another time."""
    assert after.not_ready() == []
    assert after.data() == before.data()
    assert after.metadata() == before.metadata()
    assert (after.requests, after.orders) == (before.requests, before.orders)
    for name, dates in before.dates().items():
        again = {"renewalTime": None} if name in but else {}
        assert (name, {**after.dates()[name], **again}) == (name, {**dates, **again})


@BOTH
def test_what_is_ready_stays_as_it_is_on_the_way_in_and_on_the_way_back(
    swap, fleet, pebble, server_side_apply
):
    with swap.cert_manager(server_side_apply=server_side_apply):
        fleet.wait_ready()
    before, accounts, asked = fleet.picture(), fleet.accounts(), seen(pebble)
    rows, last = swap.plan(fleet.namespace)
    count = len(before.certificates)
    assert {name: row["what"] for name, row in rows.items()} == dict.fromkeys(before.certificates, "keep")
    assert last == f"0 of {count} certificates would be re-issued: {count} kept as they are"

    with swap.certlet() as certlet:
        wait_idle(certlet, count)
        wait_until(lambda: len(writes(certlet, fleet.namespace)) >= len(OF_ACME), 60, "the CA to have been asked when to renew")
        assert_same(before, fleet.picture(), but=OF_ACME)
        assert (fleet.accounts(), seen(pebble)) == (accounts, asked)
        # What the CA says of the time, which cert-manager does not ask for.
        expected = [("update", "certificates/status", name) for name in sorted(OF_ACME)]
        assert sorted(writes(certlet, fleet.namespace)) == expected

    with swap.cert_manager(server_side_apply=server_side_apply):
        apply(swap.kube, m.certificate("later", ["later.example.test"], "ca", fleet.namespace))
        wait_ready(swap.kube, f"{CERTIFICATES}/later", fleet.namespace)
        swap.kube.delete(f"{CERTIFICATES}/later", fleet.namespace)
        swap.kube.delete("secrets/later-tls", fleet.namespace)
        wait_until(lambda: set(fleet.picture().requests) == set(before.requests), 60, "its request to go")
        assert_same(before, fleet.picture())
        assert (fleet.accounts(), seen(pebble)) == (accounts, asked)


# --- who owns what ---

ISSUES = ("cert-manager-certificates-issuing", "Apply")


def template(*keys):
    return {"secretTemplate": {"labels": dict.fromkeys(keys, "x"), "annotations": dict.fromkeys(keys, "y")}}


def keys_of(kube, name, namespace):
    """Of a Secret: what there is of the keys that these tests write, as labels, annotations and data."""
    one = kube.get(f"secrets/{name}", namespace)
    found = [one["metadata"].get(what) or {} for what in ("labels", "annotations")] + [one["data"]]
    return [sorted(key for key in keys if key.startswith("k-") or key.endswith((".der", "combined.pem"))) for keys in found]


def wait_keys(kube, name, namespace, *expected):
    wait_until(
        lambda: keys_of(kube, name, namespace) == list(expected), 60, f"{name} to have the keys {expected}"
    )


def write_as_a_third(kube, name, namespace):
    """Keys of somebody who knows nothing of Certificates."""
    third = {"labels": {"k-third": "x"}, "annotations": {"k-third": "y"}}
    kube.patch(f"secrets/{name}", {"metadata": third, "data": {"k-third": "eA=="}}, namespace)


@BOTH
@pytest.mark.parametrize("way", ["in", "back"])
def test_keys_that_one_has_written_go_under_the_other(swap, cluster, private_ca, server_side_apply, way):
    turns = [lambda: swap.cert_manager(server_side_apply=server_side_apply), swap.certlet]
    first, second = turns if way == "in" else reversed(turns)
    formats = {"additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}]}
    with first():
        apply(cluster, leaf("web", private_ca, **template("k-one", "k-two"), **formats))
        wait_all_ready(cluster, private_ca)
    write_as_a_third(cluster, "web-tls", private_ca)
    before = cluster.get("secrets/web-tls", private_ca)
    with second():
        apply(cluster, leaf("web", private_ca, **template("k-two", "k-three")))
        theirs = ["k-third", "k-three", "k-two"]
        wait_keys(cluster, "web-tls", private_ca, theirs, theirs, ["k-third"])
        apply(cluster, leaf("web", private_ca))
        wait_keys(cluster, "web-tls", private_ca, *[["k-third"]] * 3)
        wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
        after = cluster.get("secrets/web-tls", private_ca)
        assert managers(after) == [ISSUES, ("certlet-test-bed", "Update")]
        for key in ("tls.crt", "tls.key", "ca.crt"):
            assert after["data"][key] == before["data"][key]
        assert len(cluster.list(REQUESTS, private_ca)) == 2  # of the root and of this one


def test_owner_references_go_and_come_by_flag(swap, cluster, private_ca):
    """A flag that the other one did not have is known to the plan."""
    owned, flag = leaf("web", private_ca), "--enable-certificate-owner-ref"

    def owners():
        return [
            owner["name"]
            for owner in cluster.get("secrets/web-tls", private_ca)["metadata"].get("ownerReferences", [])
        ]

    with swap.cert_manager(flag):
        apply(cluster, owned)
        wait_all_ready(cluster, private_ca)
    before = Picture(cluster, private_ca)
    assert owners() == ["web"]
    assert set(swap.verdicts(private_ca, flag).values()) == {"keep"}
    assert swap.verdicts(private_ca) == {"root": "take over", "web": "take over"}
    with swap.certlet(flag) as certlet:
        wait_idle(certlet, 2)
        assert owners() == ["web"] and writes(certlet, private_ca) == []
    with swap.certlet():
        wait_until(lambda: not owners(), 60, "the owner to go")
    with swap.cert_manager(flag):
        wait_until(lambda: owners() == ["web"], 60, "the owner to come back")
    assert Picture(cluster, private_ca).data() == before.data()


# --- renewals and edits after it ---


def pair(kube, name, namespace):
    data = secret_data(kube, name, namespace)
    return serial_of(data["tls.crt"]), data["tls.key"]


@BOTH
def test_what_was_taken_over_is_renewed_by_command(swap, cluster, private_ca, plugin, server_side_apply):
    keeps = {**RSA, "rotationPolicy": "Never"}
    with swap.cert_manager(server_side_apply=server_side_apply):
        apply(
            cluster,
            leaf("always", private_ca, revisionHistoryLimit=2),
            leaf("never", private_ca, privateKey=keeps),
            leaf("own", private_ca, "self"),
            leaf("edited", private_ca),
            leaf("rest", private_ca),
        )
        wait_all_ready(cluster, private_ca)
    names = ("always", "never", "own", "edited", "rest")
    kept = ["always-1", "always-2", "edited-2", "never-2", "own-2", "rest-1"]

    def requests_left():
        return sorted(name for name in Picture(cluster, private_ca).requests if not name.startswith("root"))

    before = {name: pair(cluster, f"{name}-tls", private_ca) for name in names}
    with swap.certlet():
        assert plugin("renew", "-n", private_ca, "always", "never").returncode == 0
        Cmctl(cluster).output("renew", "own", "-n", private_ca)
        edited = leaf("edited", private_ca)
        edited["spec"]["dnsNames"].append("more.example.test")
        apply(cluster, edited)
        for name in names[:-1]:
            wait_for_revision(cluster, name, private_ca, 2)
        wait_until(lambda: requests_left() == kept, 60, "old requests to go")
    after = {name: pair(cluster, f"{name}-tls", private_ca) for name in names}
    assert {name for name in names if after[name][0] != before[name][0]} == set(names[:-1])
    assert {name for name in names if after[name][1] == before[name][1]} == {"never", "rest"}
    with swap.cert_manager(server_side_apply=server_side_apply) as process:
        Cmctl(cluster).output("renew", "always", "-n", private_ca)
        wait_for_revision(cluster, "always", private_ca, 3)
        wait_until(
            lambda: "always-1" not in Picture(cluster, private_ca).requests, 60, "old requests to go", process.child
        )
    last = {name: pair(cluster, f"{name}-tls", private_ca) for name in names}
    assert {name for name in names if last[name] != after[name]} == {"always"}


# --- what has failed, and what is due ---


def test_a_failure_of_cert_managers_is_sat_out(swap, cluster, bind, namespace, tmp_path):
    """The CA refuses a name: until the pause is over nobody asks it again; an edit ends the pause."""
    refused = f"refused.{namespace}.example.test"
    with Pebble(tmp_path / "ca", dns=bind.address, blocklist=[refused]) as ca:
        apply(cluster, m.tsig_secret(bind, namespace=namespace))
        apply(cluster, m.issuer(ca, [m.rfc2136_solver(bind, wait="0s")], namespace=namespace))
        with swap.cert_manager():
            apply(cluster, *(leaf(name, namespace, "acme") for name in ("refused", "good")))
            wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
            failed = cluster.wait_for(
                f"{CERTIFICATES}/refused",
                namespace,
                lambda one: one and one.get("status", {}).get("failedIssuanceAttempts"),
                90,
            )
        asked = seen(ca)
        row = swap.plan(namespace)[0]["refused"]
        assert row["what"] == "hold" and row["notBefore"] > failed["status"]["lastFailureTime"]
        with swap.certlet() as certlet:
            wait_idle(certlet, 2)
            one = cluster.get(f"{CERTIFICATES}/refused", namespace)
            names = ("failedIssuanceAttempts", "lastFailureTime")
            assert [one["status"].get(name) for name in names] == [failed["status"][name] for name in names]
            assert condition(one, "Issuing")[0] == "False"
            assert seen(ca) == asked
            long_ago = {"status": {"lastFailureTime": "2026-01-01T00:00:00Z"}}
            cluster.patch(f"{CERTIFICATES}/refused", long_ago, namespace, "status")
            cluster.wait_for(
                f"{CERTIFICATES}/refused",
                namespace,
                lambda one: one["status"].get("failedIssuanceAttempts") == 2,
                90,
            )
            apply(cluster, m.certificate("refused", [f"ok.{namespace}.example.test"], "acme", namespace))
            one = wait_ready(cluster, f"{CERTIFICATES}/refused", namespace)
            assert "failedIssuanceAttempts" not in one["status"]
        assert ca.finalizes() == 2


def test_what_is_due_is_renewed_once_and_said_so(swap, quick):
    """It becomes due while nobody works: its user wants it renewed almost as soon as it has come."""
    with swap.cert_manager():
        quick.ask("due", "rest")
        quick.wait_ready()
        quick.wait_tidy()
    before = Picture(quick.kube, quick.namespace)
    apply(quick.kube, quick.certificate("due", renewBefore="2159h59m58s"))
    wait_until(lambda: swap.verdicts(quick.namespace) == {"due": "renew", "rest": "keep"}, 60, "the plan")
    rows, last = swap.plan(quick.namespace)
    assert rows["due"]["reason"] == "Renewing"
    assert last == "0 of 2 certificates would be re-issued: 1 kept as they are, 1 renewed, as they are due"
    with swap.certlet():
        wait_for_revision(quick.kube, "due", quick.namespace, 2)
        quick.wait_tidy()
    after = Picture(quick.kube, quick.namespace)
    assert after.data()["rest-tls"] == before.data()["rest-tls"]
    assert after.data()["due-tls"] != before.data()["due-tls"]
    assert after.dates()["due"]["revision"] == 2 and (quick.orders(), quick.finalizes()) == (3, 3)


# As cert-manager writes them where the Certificate says nothing of usages.
USAGES = """basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
authorityKeyIdentifier = keyid
subjectAltName = {san}
"""
LONG_AGO = pki.Life(starts=-91 * 86400, ends=-86400)


def let_expire(kube, name, namespace, authority):
    """Put the certificate of an earlier time in the place of that which cert-manager has just got: for the names and
    the key of the same request and by the same CA, in the Secret, the request and the status. Nothing else is
    touched; that the certificate has a common name is of this CA's making.
    """
    one = kube.get(f"{CERTIFICATES}/{name}", namespace)
    request = f"{REQUESTS}/{name}-{one['status']['revision']}"
    asked = kube.get(request, namespace)
    csr = base64.b64decode(asked["spec"]["request"]).decode("ascii")
    old = authority.sign(csr, one["spec"]["dnsNames"], LONG_AGO, USAGES)
    _, end, above = secret_data(kube, f"{name}-tls", namespace)["tls.crt"].partition("-----END CERTIFICATE-----\n")
    chain = base64.b64encode((old + above).encode("ascii")).decode("ascii")
    assert end
    kube.patch(f"secrets/{name}-tls", {"data": {"tls.crt": chain}}, namespace)
    kube.patch(request, {"status": {"certificate": chain}}, namespace, "status")
    start, last = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days) for days in (-91, -1))
    dates = {"notBefore": start, "notAfter": last, "renewalTime": start + datetime.timedelta(days=60)}
    status = {key: f"{value:%Y-%m-%dT%H:%M:%SZ}" for key, value in dates.items()}
    kube.patch(f"{CERTIFICATES}/{name}", {"status": status}, namespace, "status")


def test_what_has_expired_is_renewed_once_and_said_so(swap, cluster, namespace, tmp_path):
    """cert-manager was away from before the renewal until a day after the end. It has issued these certificates; the
    time that went by is made up (let_expire()): it makes none that ends within an hour, and the clock is real.
    """
    authority = pki.Authority(tmp_path / "ca")
    pair_of_ca = pki.pair_data((authority.folder / "issuer.pem", authority.folder / "issuer.key"))
    issuer = m.private_issuer("ca", {"ca": {"secretName": "ca"}}, namespace)
    with swap.cert_manager():
        apply(cluster, m.secret("ca", pair_of_ca, namespace), issuer)
        apply(cluster, leaf("gone", namespace), leaf("rest", namespace))
        wait_all_ready(cluster, namespace)
    before = Picture(cluster, namespace)
    nth = before.dates()["gone"]["revision"] + 1  # cert-manager may have issued twice at the start
    let_expire(cluster, "gone", namespace, authority)
    expired = pair(cluster, "gone-tls", namespace)

    rows, last = swap.plan(namespace)
    assert {name: row["what"] for name, row in rows.items()} == {"gone": "renew", "rest": "keep"}
    assert rows["gone"]["reason"] == "Renewing"
    assert last == "0 of 2 certificates would be re-issued: 1 kept as they are, 1 renewed, as they are due"
    with swap.certlet() as certlet:
        one = wait_for_revision(cluster, "gone", namespace, nth)
        wait_idle(certlet, 2)
        made = [what for what in writes(certlet, namespace) if what[:2] == ("create", "certificaterequests")]
    after = Picture(cluster, namespace)
    assert made == [("create", "certificaterequests", f"gone-{nth}")]
    assert after.data()["rest-tls"] == before.data()["rest-tls"]
    assert all(new != old for new, old in zip(pair(cluster, "gone-tls", namespace), expired))
    assert after.dates()["gone"]["revision"] == nth and after.not_ready() == []
    assert one["status"]["notAfter"] > f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"


# --- who works ---


@pytest.fixture
def by_lease(binary, cluster, bind, tmp_path):
    """by_lease('cert-manager'), by_lease('certlet'): processes that wait for the Lease. They end with the test."""
    with contextlib.ExitStack() as stack:

        def start(name):
            folder = tmp_path / name
            if name == "certlet":
                process = Controller(binary, folder, cluster, solver_flags(bind))
            else:
                process = CertManager(folder, cluster, bind)
            stack.callback(process.stop)
            process.start()
            return process

        yield start


@pytest.mark.parametrize("way", ["in", "back"])
def test_one_of_them_works_and_a_hand_over_loses_none(by_lease, quick, way):
    names = ["cert-manager", "certlet"]
    one, other = names if way == "in" else reversed(names)
    leader = by_lease(one)
    leader.wait_to_lead()
    standby = by_lease(other)
    quick.ask(*(f"c{number}" for number in range(20)))
    wait_until(lambda: quick.finalizes() >= 5, 120, "some of them to be issued", leader.child)
    assert not leads(standby)
    leader.stop()
    standby.wait_to_lead()
    quick.wait_ready(seconds=300)
    quick.wait_tidy()
    revisions = [one["status"]["revision"] for one in quick.certificates()]
    assert quick.finalizes() == sum(revisions)
    if way == "in":
        assert revisions == [1] * 20 and quick.orders() == 20
    else:
        # cert-manager does not look for an Order whose URL it has not got. And where its cache has a Certificate
        # before its Secret, it finds that there is none and issues again.
        assert set(revisions) <= {1, 2}
        assert quick.orders() in (sum(revisions), sum(revisions) + 1)


def leads(process):
    if isinstance(process, CertManager):
        return process.leads()
    return process.metric("leader_election_master_status") == 1
