"""What a cluster asks of ACME CAs, by `certlet controller`: accounts, names, chains, renewal, and CAs in trouble.

The same scenarios in a folder are in test_100, test_200 and test_500. One process works for all tests;
each has a namespace of its own.
"""

import base64
import datetime
import json

import pytest

from support import manifests as m
from support import pki
from support.bed import Bind, Pebble, wait_until
from support.certlet import solver_flags
from support.controller import (
    Controller,
    NAMESPACE,
    acme_issuer,
    apply,
    condition,
    is_true,
    secret_data,
    wait_for_revision,
    wait_ready,
)
from support.files import names_of, serial_of, verify
from support.resources import CERTIFICATES, CHALLENGES, ISSUERS, ORDERS, REQUESTS

pytestmark = pytest.mark.kube

MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
HUNDRED = [f"n{i:03}.many.example.test" for i in range(100)]
THREE_DAYS, BRIEF = 3 * 86400, 45  # lives of profiles, in seconds
REFUSED = "refused.example.test"
SHARED = "shared"  # the namespace of what one round issues, for the tests that look at it

# name of the Certificate: (its names, the rest of its spec)
WANTED = {
    "web": (["web.example.test", "*.web.example.test"], {}),
    "short": (["short.example.test"], {"issuer_name": "short"}),
    "alternate": (["alternate.example.test"], {"issuer_name": "alternate"}),
    "cluster": (["cluster.example.test"], {"issuerRef": {"name": "everywhere", "kind": "ClusterIssuer"}}),
    "dressed": (
        ["dressed.example.test"],
        {
            "privateKey": {"algorithm": "ECDSA", "size": 384, "encoding": "PKCS8"},
            "additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}],
            "secretTemplate": {"labels": {"team": "web"}, "annotations": {"note": "hello"}},
        },
    ),
    "many": (HUNDRED, {}),
}


@pytest.fixture(scope="module")
def pebble(bind, tmp_path_factory):
    """With profiles, a second root, three intermediates, and a name that it refuses."""
    env = {"PEBBLE_ALTERNATE_ROOTS": "1", "PEBBLE_CHAIN_LENGTH": "3"}
    profiles = {"classic": 90 * 86400, "short": THREE_DAYS, "brief": BRIEF}
    folder = tmp_path_factory.mktemp("pebble")
    with Pebble(folder, dns=bind.address, env=env, profiles=profiles, blocklist=[REFUSED]) as server:
        yield server


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    flags = [*solver_flags(bind), "--account-key-type=ecdsa"]
    with Controller(binary, folder, cluster, flags) as process:
        process.wait_to_lead()
        yield process


def common_name(pem):
    subject = pki.openssl("x509", "-noout", "-subject", "-nameopt", "multiline", stdin=pem)
    return subject.partition("commonName")[2].partition("=")[2].splitlines()[0].strip()


@pytest.fixture(scope="module")
def shared(controller, cluster, bind, pebble):
    """Everything of WANTED, asked for at once; tests wait for what they look at."""
    cluster.create("namespaces", {"metadata": {"name": SHARED}})
    acme_issuer(cluster, bind, pebble, SHARED, email="admin@example.test", profile="classic")
    acme_issuer(cluster, bind, pebble, SHARED, "short", profile="short")
    other_root = common_name(pebble.root_pem(1))
    acme_issuer(cluster, bind, pebble, SHARED, "alternate", profile="classic", preferredChain=other_root)
    apply(
        cluster,
        m.tsig_secret(bind, namespace=NAMESPACE),
        m.cluster_issuer(pebble, [m.rfc2136_solver(bind)], "everywhere", profile="classic"),
        *(m.certificate(name, names, namespace=SHARED, **spec) for name, (names, spec) in WANTED.items()),
    )
    return SHARED


def certificate(name, namespace, names=None, issuer="acme", **spec):
    return m.certificate(name, names or [f"{name}.{namespace}.example.test"], issuer, namespace, **spec)


def chain_of(cluster, secret, namespace):
    return secret_data(cluster, secret, namespace).get("tls.crt", "")


def said_by(one, kind="Issuing"):
    return (condition(one, kind) or ("", "", ""))[2] or ""


def wait_until_said(cluster, resource, namespace, *words, kind="Issuing", status="", seconds=120):
    """The object once the message of its condition has all of `words`, and with it `status` where that is given."""

    def holds(one):
        is_it = not status or (condition(one, kind) or ("",))[0] == status
        return is_it and all(word in said_by(one, kind) for word in words)

    return cluster.wait_for(resource, namespace, condition=holds, seconds=seconds)


# --- what one round issues ---


@pytest.mark.parametrize("name", [name for name in WANTED if name != "many"])
def test_certificate_has_exactly_its_names_and_verifies(shared, cluster, pebble, tmp_path, name):
    wait_ready(cluster, f"{CERTIFICATES}/{name}", shared)
    chain = chain_of(cluster, f"{name}-tls", shared)
    assert names_of(chain) == sorted(WANTED[name][0])
    assert chain.count("BEGIN CERTIFICATE") == 4  # the leaf, and PEBBLE_CHAIN_LENGTH=3
    root = pebble.root_pem(1 if name == "alternate" else 0)
    assert "OK" in verify(chain, root, tmp_path)


def test_profile_of_the_issuer_decides_the_lifetime(shared, cluster):
    status = wait_ready(cluster, f"{CERTIFICATES}/short", shared)["status"]
    starts, ends = (
        datetime.datetime.fromisoformat(status[key].replace("Z", "+00:00"))
        for key in ("notBefore", "notAfter")
    )
    assert (ends - starts).total_seconds() in (THREE_DAYS, THREE_DAYS - 1)


def test_template_and_output_formats_are_in_the_secret(shared, cluster):
    wait_ready(cluster, f"{CERTIFICATES}/dressed", shared)
    secret = cluster.get("secrets/dressed-tls", shared)
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"]["labels"]["team"] == "web"
    assert secret["metadata"]["annotations"]["note"] == "hello"
    assert secret["metadata"]["annotations"]["cert-manager.io/issuer-name"] == "acme"
    data = secret_data(cluster, "dressed-tls", shared)
    assert "BEGIN PRIVATE KEY" in data["tls.key"]
    assert data["tls-combined.pem"] == data["tls.key"] + "\n" + data["tls.crt"]
    assert "key.der" in data


def test_account_of_a_cluster_issuer_is_in_the_resource_namespace(shared, cluster):
    wait_ready(cluster, f"{CERTIFICATES}/cluster", shared)
    assert secret_data(cluster, "everywhere-account", NAMESPACE)["tls.key"]
    assert cluster.get("secrets/everywhere-account", shared) is None


# --- accounts ---


def account_of(one):
    return one["status"]["acme"]["uri"]


def test_account_key_of_the_user_finds_the_account_that_it_has(
    shared, cluster, bind, pebble, namespace
):
    first = wait_ready(cluster, f"{ISSUERS}/acme", shared)
    key = secret_data(cluster, "acme-account", shared)["tls.key"]
    assert "BEGIN EC PRIVATE KEY" in key  # by --account-key-type
    assert first["status"]["acme"]["lastRegisteredEmail"] == "admin@example.test"
    acme_issuer(cluster, bind, pebble, namespace, disableAccountKeyGeneration=True)
    wait_until_said(
        cluster, f"{ISSUERS}/acme", namespace, "acme-account", "disableAccountKeyGeneration", kind="Ready"
    )
    apply(cluster, m.secret("acme-account", {"tls.key": key}, namespace))
    again = wait_ready(cluster, f"{ISSUERS}/acme", namespace)
    assert account_of(again) == account_of(first)


def test_external_account_is_bound_and_a_wrong_one_is_told_and_mended(
    controller, cluster, bind, namespace, tmp_path
):
    with Pebble(tmp_path, dns=bind.address, eab={"kid-1": MAC_KEY, "kid-2": MAC_KEY}) as ca:
        wrong = {
            "none": (None, ["set spec.acme.externalAccountBinding"]),
            "lost": ("kid-1", ["external account key", f"'{namespace}/lost' does not exist"]),
            "kid": ("kid-9", ["kid-9"]),
            "key": ("kid-2", ["registering with 'https://127.0.0.1"]),
        }
        apply(cluster, m.tsig_secret(bind, namespace=namespace))
        apply(cluster, m.secret("kid", {"secret": MAC_KEY}, namespace))
        apply(cluster, m.secret("key", {"secret": MAC_KEY[::-1]}, namespace))
        for name, (kid, _) in wrong.items():
            reference = {"keyID": kid, "keySecretRef": {"name": name, "key": "secret"}}
            acme = {"externalAccountBinding": reference} if kid else {}
            acme_issuer(cluster, bind, ca, namespace, name, **acme)
        for name, (_, words) in wrong.items():
            one = wait_until_said(cluster, f"{ISSUERS}/{name}", namespace, *words, kind="Ready")
            assert not is_true(one) and MAC_KEY not in json.dumps(one)
            assert MAC_KEY[::-1] not in json.dumps(one)
        assert ca.requests("/order-plz") == 0
        apply(cluster, m.secret("key", {"secret": MAC_KEY}, namespace))
        wait_ready(cluster, f"{ISSUERS}/key", namespace)
        apply(cluster, certificate("web", namespace, issuer="key"))
        wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    assert MAC_KEY not in controller.log_text()


# --- renewal ---


def test_short_lived_certificate_is_renewed_in_time(controller, cluster, bind, pebble, namespace):
    acme_issuer(cluster, bind, pebble, namespace, profile="brief", renewalInformationSource="None")
    apply(cluster, certificate("brief", namespace))
    first = wait_ready(cluster, f"{CERTIFICATES}/brief", namespace)
    second = wait_for_revision(cluster, "brief", namespace, 2)
    # There was no moment without a valid one.
    assert second["status"]["notBefore"] < first["status"]["notAfter"]
    assert "failedIssuanceAttempts" not in second["status"]
    cluster.delete(f"{CERTIFICATES}/brief", namespace)


def window(starts_in, ends_in):
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = (
        (now + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for s in (starts_in, ends_in)
    )
    return {"suggestedWindow": {"start": start, "end": end}}


def test_window_that_the_ca_moves_into_the_past_renews_now(
    controller, cluster, bind, pebble, namespace
):
    """It asks again in hours; a check that is due is made so by the admin."""
    acme_issuer(cluster, bind, pebble, namespace, profile="classic")
    apply(cluster, certificate("ari", namespace))

    def has_asked(one):
        return is_true(one) and one["status"].get("acme", {}).get("ari", {}).get("nextCheck")

    cluster.wait_for(f"{CERTIFICATES}/ari", namespace, condition=has_asked)
    first = chain_of(cluster, "ari-tls", namespace)
    pebble.set_renewal_info(first, window(-7200, -3600))
    due = {"status": {"acme": {"ari": {"nextCheck": "2026-01-01T00:00:00Z"}}}}
    cluster.patch(f"{CERTIFICATES}/ari", due, namespace, "status")
    wait_for_revision(cluster, "ari", namespace, 2)
    assert serial_of(chain_of(cluster, "ari-tls", namespace)) != serial_of(first)
    orders = [one["spec"].get("replaces") for one in cluster.list(ORDERS, namespace)]
    assert any(orders), orders


def test_kubectl_certlet_renew_issues_anew(controller, cluster, bind, pebble, namespace, plugin):
    acme_issuer(cluster, bind, pebble, namespace, profile="classic")
    apply(cluster, certificate("a", namespace), certificate("b", namespace))
    for name in "ab":
        wait_ready(cluster, f"{CERTIFICATES}/{name}", namespace)
    first = {name: secret_data(cluster, f"{name}-tls", namespace) for name in "ab"}
    done = plugin("renew", "-n", namespace, "a")
    assert done.returncode == 0 and "will be issued anew" in done.stdout, done.stderr
    wait_for_revision(cluster, "a", namespace, 2)
    second = {name: secret_data(cluster, f"{name}-tls", namespace) for name in "ab"}
    assert serial_of(second["a"]["tls.crt"]) != serial_of(first["a"]["tls.crt"])
    assert second["a"]["tls.key"] != first["a"]["tls.key"]
    assert second["b"] == first["b"]


# --- settings of the CA ---

SETTINGS = {
    "half-of-the-nonces-refused": {"PEBBLE_WFE_NONCEREJECT": "50"},
    "nine-of-ten-nonces-refused": {"PEBBLE_WFE_NONCEREJECT": "90"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_pebble_with(controller, cluster, bind, namespace, tmp_path, name):
    with Pebble(tmp_path, dns=bind.address, env=SETTINGS[name]) as ca:
        acme_issuer(cluster, bind, ca, namespace)
        apply(cluster, certificate("a", namespace))
        wait_ready(cluster, f"{CERTIFICATES}/a", namespace, seconds=240)
        assert (ca.new_orders(), ca.finalizes()) == (1, 1)


def test_authorizations_that_the_ca_reuses_are_not_proved_again(
    controller, cluster, bind, namespace, tmp_path
):
    with Pebble(tmp_path, dns=bind.address, env={"PEBBLE_AUTHZREUSE": "100"}) as ca:
        acme_issuer(cluster, bind, ca, namespace)
        apply(cluster, certificate("a", namespace, ["reuse.example.test"]))
        wait_ready(cluster, f"{CERTIFICATES}/a", namespace)
        proofs = ca.requests("/chalZ/")
        assert proofs > 0
        apply(cluster, certificate("again", namespace, ["reuse.example.test"]))
        wait_ready(cluster, f"{CERTIFICATES}/again", namespace)
        assert (ca.finalizes(), ca.requests("/chalZ/")) == (2, proofs)


# --- trouble, and whom it concerns ---


def test_a_ca_that_answers_nobody_for_a_while_delays_and_issues_once(
    controller, cluster, bind, namespace, tmp_path
):
    with Pebble(tmp_path, dns=bind.address) as ca:
        acme_issuer(cluster, bind, ca, namespace)
        apply(cluster, certificate("before", namespace))
        wait_ready(cluster, f"{CERTIFICATES}/before", namespace)
        chain = chain_of(cluster, "before-tls", namespace)
        ca.pause()  # it keeps its memory, and answers nobody
        apply(cluster, certificate("a", namespace))
        cluster.wait_for(f"{CERTIFICATES}/a", namespace, condition=lambda one: is_true(one, "Issuing"))
        ca.resume()
        wait_ready(cluster, f"{CERTIFICATES}/a", namespace)
        assert chain_of(cluster, "before-tls", namespace) == chain
        assert (ca.new_orders(), ca.finalizes()) == (2, 2)


def test_a_ca_that_refuses_connections_is_told_and_fails_no_attempt(
    controller, cluster, bind, namespace, tmp_path
):
    with Pebble(tmp_path, dns=bind.address) as ca:
        ca.stop()
        acme_issuer(cluster, bind, ca, namespace)
        apply(cluster, certificate("a", namespace))
        words = ("connecting to", f"127.0.0.1:{ca.port}")
        wait_until_said(cluster, f"{ISSUERS}/acme", namespace, *words, kind="Ready")
        wait_until_said(cluster, f"{CERTIFICATES}/a", namespace, *words)
        ca.start()
        one = wait_ready(cluster, f"{CERTIFICATES}/a", namespace, seconds=300)  # the pauses grow
        assert "failedIssuanceAttempts" not in one["status"]


@pytest.mark.parametrize("account", ["acme-account", "other-account"])
def test_what_is_under_way_is_ordered_at_the_ca_that_the_issuer_gets(
    controller, cluster, bind, namespace, tmp_path, account
):
    """For a Certificate, and for a request that has none. What was presented for the CA before is taken back."""
    names = [f"{one}.{namespace}.example.test" for one in ("a", "alone")]
    alone = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "alone", "namespace": namespace},
        "spec": {
            "request": base64.b64encode(pki.new_csr(names[1:]).encode()).decode(),
            "issuerRef": {"name": "acme"},
        },
    }
    with Pebble(tmp_path / "old", dns=bind.address) as old, Pebble(tmp_path / "new", dns=bind.address) as new:
        apply(cluster, m.tsig_secret(bind, namespace=namespace))
        apply(cluster, m.issuer(old, [m.rfc2136_solver(bind, wait="1h")], namespace=namespace))
        apply(cluster, certificate("a", namespace, names[:1]), alone)
        for name in names:
            wait_until(lambda one=name: bind.txt(f"_acme-challenge.{one}"), 60, f"the record of {name}")
        old.stop()
        solvers = [m.rfc2136_solver(bind, wait="0s")]
        key = {"name": account}
        apply(cluster, m.issuer(new, solvers, namespace=namespace, privateKeySecretRef=key))
        one = wait_ready(cluster, f"{CERTIFICATES}/a", namespace)
        assert "failedIssuanceAttempts" not in one["status"] and one["status"]["revision"] == 1
        wait_ready(cluster, f"{REQUESTS}/alone", namespace)
        assert (new.new_orders(), new.finalizes()) == (2, 2)
        for name in names:
            wait_until(lambda one=name: not bind.txt(f"_acme-challenge.{one}"), 60, f"no record of {name}")
        said = [one for one in cluster.list("events.events.k8s.io", namespace) if one["reason"] == "OrderLeft"]
        assert sorted(one["regarding"]["name"] for one in said) == ["a-1", "alone"]
        assert not any(one.get("series") for one in said)  # each once
        assert all(f":{port}/" in one["note"] for one in said for port in (old.port, new.port))


def test_a_dns_server_that_is_down_is_told_and_waited_for(
    controller, cluster, namespace, tmp_path, plugin
):
    with Bind(tmp_path / "bind") as away, Pebble(tmp_path / "ca", dns=away.address) as ca:
        away.stop()
        apply(cluster, m.tsig_secret(away, namespace=namespace))
        solver = m.rfc2136_solver(away, wait="0s")  # our own look-ups go to another server than the CA's
        apply(cluster, m.issuer(ca, [solver], namespace=namespace))
        apply(cluster, certificate("a", namespace))
        wait_until_said(
            cluster, f"{CERTIFICATES}/a", namespace, f"a.{namespace}.example.test", away.nameserver
        )
        row = plugin.row("a", namespace)
        assert row["failingName"] == f"a.{namespace}.example.test" and row["attempts"] == 0
        away.start()
        wait_ready(cluster, f"{CERTIFICATES}/a", namespace, seconds=300)
        assert (ca.new_orders(), ca.finalizes()) == (1, 1)


def test_a_name_that_the_ca_refuses_is_told_with_its_next_attempt_and_delays_nobody(
    controller, cluster, bind, pebble, namespace, plugin
):
    acme_issuer(cluster, bind, pebble, namespace, profile="classic")
    apply(
        cluster,
        certificate("bad", namespace, [f"fine.{namespace}.example.test", REFUSED]),
        certificate("good", namespace),
    )
    wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
    bad = wait_until_said(cluster, f"{CERTIFICATES}/bad", namespace, REFUSED, status="False")
    assert bad["status"]["failedIssuanceAttempts"] == 1 and bad["status"]["lastFailureTime"]
    row = plugin.row("bad", namespace)
    assert row["attempts"] == 1 and row["nextAttempt"] > bad["status"]["lastFailureTime"]
    assert REFUSED in row["problem"]
    # Mended, it is tried at once: a failure holds for what was asked then.
    apply(cluster, certificate("bad", namespace, [f"fine.{namespace}.example.test"]))
    one = wait_ready(cluster, f"{CERTIFICATES}/bad", namespace)
    assert "failedIssuanceAttempts" not in one["status"]


def test_a_name_without_a_solver_is_told_and_delays_nobody(
    controller, cluster, bind, pebble, namespace
):
    solver = m.rfc2136_solver(bind, selector={"dnsNames": ["one.example.test"]})
    apply(cluster, m.tsig_secret(bind, namespace=namespace))
    apply(cluster, m.issuer(pebble, [solver], namespace=namespace, profile="classic"))
    apply(
        cluster,
        certificate("bad", namespace, ["one.example.test", "two.example.test"]),
        certificate("good", namespace, ["one.example.test"]),
    )
    wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
    words = ("no solver", "'two.example.test'", "solvers[0]: selector.dnsNames")
    wait_until_said(cluster, f"{CERTIFICATES}/bad", namespace, *words)


def test_http01_in_a_cluster_is_said_not_to_be_built_and_delays_nobody(
    controller, cluster, bind, pebble, namespace
):
    solvers = [m.rfc2136_solver(bind, selector={"dnsZones": ["example.test"]}), m.http01_solver()]
    apply(cluster, m.tsig_secret(bind, namespace=namespace))
    apply(cluster, m.issuer(pebble, solvers, namespace=namespace, profile="classic"))
    address = certificate("address", namespace, ["-"], ipAddresses=["127.0.0.1"])
    del address["spec"]["dnsNames"]
    bad = certificate("bad", namespace, ["web.other.test"])
    apply(cluster, address, bad, certificate("good", namespace))
    wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
    words = ("HTTP-01 in a cluster is not built in this version", "'web.other.test'", "dns01 solver")
    wait_until_said(cluster, f"{CERTIFICATES}/bad", namespace, *words)
    wait_until_said(cluster, f"{CERTIFICATES}/address", namespace, "not built in this version")

    # Of the good one, a Challenge may still be there: it goes behind Ready.
    bad_ones = {
        one["spec"]["dnsName"]: one.get("status", {})
        for one in cluster.list(CHALLENGES, namespace)
        if one["spec"]["dnsName"] in ("web.other.test", "127.0.0.1")
    }
    assert all(word in bad_ones["web.other.test"].get("reason", "") for word in words)
    assert not any(status.get("presented") for status in bad_ones.values())
    # The Issuer gets a solver that can: nobody has to delete anything.
    apply(cluster, m.issuer(pebble, [m.rfc2136_solver(bind)], namespace=namespace, profile="classic"))
    wait_ready(cluster, f"{CERTIFICATES}/bad", namespace)


def test_an_issuer_that_does_not_exist_is_told_and_delays_nobody(
    controller, cluster, bind, pebble, namespace
):
    acme_issuer(cluster, bind, pebble, namespace, profile="classic")
    lost = {"issuerRef": {"name": "nobody", "kind": "ClusterIssuer"}}
    apply(
        cluster,
        certificate("lost", namespace, issuer="nobody"),
        certificate("lost-cluster", namespace, **lost),
        certificate("good", namespace),
    )
    wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
    wait_until_said(cluster, f"{CERTIFICATES}/lost", namespace, "Issuer 'nobody' does not exist")
    wait_until_said(
        cluster, f"{CERTIFICATES}/lost-cluster", namespace, "ClusterIssuer 'nobody' does not exist"
    )


def test_a_rate_limit_is_waited_for_fails_no_attempt_and_delays_nobody(
    controller, cluster, bind, pebble, namespace, fault_ca, plugin
):
    """Two limits of one CA: a short one is sat out, with a long one it says until when."""
    apply(cluster, m.tsig_secret(bind, namespace=namespace))
    solver = m.rfc2136_solver(bind, wait="0s")
    apply(cluster, m.issuer(fault_ca, [solver], name="limited", namespace=namespace))
    acme_issuer(cluster, bind, pebble, namespace, profile="classic")
    fault_ca.fault("newOrder", "rate-limited", times=1, retry_after=2)
    apply(cluster, certificate("soon", namespace, issuer="limited"))
    wait_ready(cluster, f"{CERTIFICATES}/soon", namespace)
    assert fault_ca.accepted("newOrder") == 1
    fault_ca.fault("newOrder", "rate-limited", times=None, retry_after=3600)
    apply(cluster, certificate("late", namespace, issuer="limited"), certificate("good", namespace))
    wait_ready(cluster, f"{CERTIFICATES}/good", namespace)
    words = ("429", "rateLimited", "this exact set", "not before 20")
    late = wait_until_said(cluster, f"{CERTIFICATES}/late", namespace, *words)
    assert is_true(late, "Issuing") and "failedIssuanceAttempts" not in late["status"]
    assert plugin.row("late", namespace)["attempts"] == 0
    assert fault_ca.count("newOrder") == 3  # the first limit, the certificate, and the second limit


# --- and at the end of all this ---


def test_hundred_names_are_in_one_certificate(shared, cluster, pebble, tmp_path):
    wait_ready(cluster, f"{CERTIFICATES}/many", shared, seconds=300)
    chain = chain_of(cluster, "many-tls", shared)
    assert names_of(chain) == sorted(HUNDRED)
    assert "OK" in verify(chain, pebble.root_pem(), tmp_path)


def test_no_record_and_no_challenge_is_left(shared, cluster, bind):
    for name in WANTED:
        wait_ready(cluster, f"{CERTIFICATES}/{name}", shared, seconds=300)
    wait_until(lambda: not cluster.list(CHALLENGES, shared), 120, "Challenges to go")
    for name in ("web", "short", "n042.many"):
        assert bind.txt(f"_acme-challenge.{name}.example.test") == []


def test_account_keys_and_tsig_keys_are_not_in_the_log(shared, controller, cluster, bind):
    text = controller.log_text()
    assert "PRIVATE KEY" not in text and bind.tsig["certlet"][1] not in text
    key = secret_data(cluster, "acme-account", shared)["tls.key"]
    assert base64.b64encode(key.encode()).decode() not in text
