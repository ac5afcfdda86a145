"""Incidents of other tools, one test per row; each name says the row.

Rows that other tests hold already:

| row | where |
|---|---|
| GHSA-gx3x-vq4p-mhhv, DNS answers in any order | tests/unit/dns/reply_test.c, lookup_test.c |
| GHSA-vgf6-pvf4-34rq, unbounded bodies, slow clients | tests/unit/server/server_test.c |
| CERTMAN-3/-4/-8, 1.21 DoH body cap | tests/unit/dns/doh_test.c, tests/unit/pki/chain_test.c |
| not in v1.21.1: endless body of an ACME server | test_400: huge, huge-dir, huge-chain, drip |
| not in v1.21.1: HTTP-01 self-check follows redirects | tests/unit/solver/http01_check_test.c; test_400: redirected |
| cm#8930, lego CVE-2022-30636, Kubernetes: path traversal | test_300: path-namespace, path-name, path-secret-name, path-key, dots-key |
| cm#6217, cm#4368, C clients: leaks | the leak checker over all of these tests |
| 1.21.0, type assertions over all enum values | tests/unit/controller/certificate_decide_test.c |
| cm#7232, cm#8464, renewal missed after a pause | tests/sim/renew_test.c |
| lego CVE-2026-40611, a token as a path | test_400: traversal, test_a_token_never_becomes_a_path |
| lego CVE-2025-54799, plain http | test_400: http-urls, test_a_directory_without_tls_... |
| acme.sh nonce bug, an empty file over a good one | test_400: no-nonce, empty-chain, huge-chain and all of ORDER_CASES |
| step-ca GHSA-h8cp-697h-8c8p, verify what is received | test_400: wrong-chain, other-key, missing-names, expired, private-key |
| certbot hooks under sudo | test_700 |
| CA side: forced replacement | test_110: test_the_window_of_the_ca_renews_... |
"""

import base64
import json
import socket
import sqlite3
import uuid

import pytest

from support import manifests
from support.acme_ca import thumbprint
from support.certlet import Certlet, solver_flags
from support.fault_ca import FaultCA
from support.server import reserve_port
from support.troubled import quick_solver


@pytest.fixture
def quick(binary, fault_ca, tmp_path):
    """The program with an Issuer 'acme' at fault_ca."""
    with Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]) as program:
        program.write("issuer.yaml", manifests.issuer(fault_ca, [quick_solver()]))
        yield program


def objects(program, kind):
    """All objects of a kind in the store."""
    with sqlite3.connect(f"file:{program.folder}/state.db?mode=ro", uri=True) as store:
        rows = [json.loads(text) for (text,) in store.execute("SELECT object FROM objects")]
    return [one for one in rows if one["kind"] == kind]


def forge(program, resource, thing, owner=None):
    """Put an object into the store as somebody with too many rights could, while nobody works on it."""
    metadata = {"namespace": "default", "uid": str(uuid.uuid4()), "generation": 1, **thing["metadata"]}
    metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
    if owner:
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    with sqlite3.connect(program.folder / "state.db") as store:
        store.execute("UPDATE counter SET version = version + 1")
        (version,) = store.execute("SELECT version FROM counter").fetchone()
        metadata["resourceVersion"] = str(version)
        text = json.dumps({**thing, "metadata": metadata})
        columns = "resource, namespace, name, uid, version, deleting, object"
        place = (resource, "default", metadata["name"], metadata["uid"], version, 0, text)
        row = store.execute(f"INSERT INTO objects ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", place)
        if owner:
            store.execute(
                "INSERT INTO owners VALUES (?, ?, 1)", (row.lastrowid, owner["metadata"]["uid"])
            )
    store.close()


class Ear:
    """A name server of an attacker's, which only notes that somebody came."""

    def __init__(self):
        self.port = reserve_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for one in (self.udp, self.tcp):
            one.bind(("127.0.0.1", self.port))
            one.setblocking(False)
        self.tcp.listen()

    def heard(self):
        found = []
        for take in (lambda: self.udp.recv(4096), lambda: self.tcp.accept()):
            try:
                found.append(take())
            except BlockingIOError:
                pass
        return found

    def close(self):
        self.udp.close()
        self.tcp.close()


@pytest.fixture
def ear():
    one = Ear()
    yield one
    one.close()


def forged_challenge(ear, ca, **spec):
    """A Challenge that would send the victim's DNS key's signature to the attacker."""
    solver = {
        "dns01": {
            "rfc2136": {
                "nameserver": f"127.0.0.1:{ear.port}",
                "tsigKeyName": "certlet",
                "tsigAlgorithm": "HMACSHA256",
                "tsigSecretSecretRef": {"name": "tsig-certlet", "key": "secret"},
            }
        }
    }
    body = {
        "type": "DNS-01",
        "dnsName": "victim.example.test",
        "wildcard": False,
        "token": "A" * 43,
        "key": "A" * 43,
        "url": ca.ca.url("challenge", "1/dns-01"),
        "authorizationURL": ca.ca.url("authz", "1"),
        "issuerRef": {"name": "acme", "kind": "Issuer", "group": "cert-manager.io"},
        "solver": solver,
        **spec,
    }
    name = f"forged-{uuid.uuid4().hex[:8]}"
    return {
        "apiVersion": "acme.cert-manager.io/v1",
        "kind": "Challenge",
        "metadata": {"name": name},
        "spec": body,
    }


def run_with_new_certificate(program, name):
    """Issue one more, so that what was forged has been looked at beside it."""
    program.write(f"{name}.yaml", manifests.certificate(name, [f"{name}.example.test"]))
    done = program.run_once(seconds=30)
    assert program.certificate_pem(f"{name}-tls"), done.stderr[-3000:]
    return done


@pytest.mark.parametrize("owned", [False, True], ids=["of-nobody", "of-an-order"])
def test_ghsa_8rvj_mm4h_c258_a_forged_challenge_presents_nothing(
    quick, fault_ca, ear, owned
):
    quick.write("key.yaml", manifests.secret("tsig-certlet", {"secret": "c2VjcmV0"}))
    run_with_new_certificate(quick, "a")
    posts = fault_ca.count("challenge")
    order = objects(quick, "Order")[0] if owned else None
    forge(quick, "challenges.acme.cert-manager.io", forged_challenge(ear, fault_ca), order)
    presented = {"presented": True, "processing": True, "state": "pending"}
    again = {**forged_challenge(ear, fault_ca), "status": presented}
    forge(quick, "challenges.acme.cert-manager.io", again, order)
    run_with_new_certificate(quick, "b")
    assert ear.heard() == []
    assert fault_ca.count("challenge") == posts + 1  # for 'b'
    for one in objects(quick, "Challenge"):
        assert one.get("status", {}).get("state") in (None, "errored", "invalid", "pending")


def test_ghsa_8rvj_mm4h_c258_a_forged_order_orders_nothing(quick, fault_ca):
    run_with_new_certificate(quick, "a")
    request, real = objects(quick, "CertificateRequest")[0], objects(quick, "Order")[0]
    for name, owner in (("of-nobody", None), ("of-a-request", request)):
        spec = {**real["spec"], "dnsNames": ["victim.example.test"]}
        forged = {
            "apiVersion": "acme.cert-manager.io/v1",
            "kind": "Order",
            "metadata": {"name": name},
            "spec": spec,
        }
        forge(quick, "orders.acme.cert-manager.io", forged, owner)
    run_with_new_certificate(quick, "b")
    asked = [entry.request.payload for entry in fault_ca.requests("newOrder")]
    assert len(asked) == 2 and "victim" not in json.dumps(asked)


def test_ghsa_8rvj_mm4h_c258_challenges_and_orders_are_no_manifests(quick, ear, fault_ca):
    file = quick.write("forged.yaml", forged_challenge(ear, fault_ca))
    done = quick.command("check", file)
    assert done.returncode == 1 and "made by the program only" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\n" * 3000,
        "-----BEGIN CERTIFICATE-----\n" + "A" * 90000,
        "-----BEGIN " * 8000,
        "-" * 94000,
    ],
    ids=["begins", "one-line", "half-begins", "dashes"],
)
def test_cve_2024_12401_a_hostile_pem_is_refused_at_once(quick, fault_ca, text):
    fault_ca.fault("cert", "body", times=None, body=text, content_type="application/pem-certificate-chain")
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    done = quick.run_once(seconds=20)
    assert done.returncode == 1 and "certificate" in done.stderr
    assert quick.certificate_pem("a-tls") == ""


def test_cm_master_2026_07_no_body_of_a_stranger_gets_into_a_message(quick, fault_ca):
    fault_ca.fault("newOrder", "body", times=None, status=500, body="internal " * 1000 + "SECRET-AT-END")
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    done = quick.run_once(seconds=3)
    everything = done.stderr + json.dumps(quick.status())
    assert "SECRET-AT-END" not in everything
    assert "internal " * 30 not in everything


def test_cm_1_19_0_defaults_that_are_written_out_issue_nothing(quick, fault_ca):
    run_with_new_certificate(quick, "a")
    pem = quick.certificate_pem("a-tls")
    written_out = {
        "duration": "2160h",
        "usages": ["digital signature", "key encipherment"],
        "revisionHistoryLimit": 1,
        "issuerRef": {"name": "acme", "kind": "Issuer", "group": "cert-manager.io"},
        "privateKey": {
            "algorithm": "ECDSA",
            "size": 256,
            "encoding": "PKCS1",
            "rotationPolicy": "Always",
        },
    }
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"], **written_out))
    done = quick.run_once(seconds=20)
    assert done.returncode == 0, done.stderr
    assert fault_ca.accepted("newOrder") == 1 and quick.certificate_pem("a-tls") == pem


def test_cm_9083_an_issuer_whose_secret_comes_late_gets_ready(quick, fault_ca):
    secret, reference = manifests.external_account("kid-1", "bGF0ZSBrZXkgb2YgZW5vdWdoIGJ5dGVzIHRvIHNpZ24")
    quick.write("issuer.yaml", manifests.issuer(fault_ca, [quick_solver()], externalAccountBinding=reference))
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    quick.start()
    quick.wait_until((quick.folder / "state.db").exists, 20, "the store")
    quick.wait_until(lambda: "'default/eab'" in str(quick.status()["issuers"]), 20, "the missing Secret's name")
    quick.write("eab.yaml", secret)
    quick.wait_for_certificate("a-tls", seconds=20)


def test_cm_407_restarts_are_no_way_around_the_back_off(quick, fault_ca):
    fault_ca.fault("newOrder", "rejected-identifier", times=None)
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    for _ in range(4):
        done = quick.run_once(seconds=10)
        assert done.returncode == 1 and "policy forbids this name" in done.stderr
    assert fault_ca.count("newOrder") == 1


def test_cm_1948_a_limit_of_the_ca_holds_over_restarts(quick, fault_ca):
    fault_ca.fault("newOrder", "rate-limited", times=None, retry_after=3600)
    for name in ("a", "b", "c"):
        quick.write(f"{name}.yaml", manifests.certificate(name, [f"{name}.example.test"]))
        done = quick.run_once(seconds=10)
        assert done.returncode == 1 and "not before" in done.stderr
    assert fault_ca.count("newOrder") == 1


def test_cm_4846_a_ca_that_fails_makes_no_crowd_of_objects(quick, fault_ca):
    fault_ca.fault("newOrder", "unauthorized", times=None)
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    for _ in range(5):
        quick.run_once(seconds=10)
        quick.command("renew", "--dir", quick.folder, "a")
    for kind in ("CertificateRequest", "Order", "Challenge"):
        assert len(objects(quick, kind)) <= 2
    assert len(objects(quick, "Secret")) <= 3  # the account's key, and a next key


def test_cve_2023_38198_what_a_ca_says_is_text_and_nothing_else(quick, fault_ca, tmp_path):
    """HiCA: texts of the CA that a shell or a terminal would act on."""
    evil = f"\x1b[2J\x07$(touch {tmp_path}/ran)`touch {tmp_path}/ran`;touch {tmp_path}/ran\r\nINFO forged line"
    fault_ca.fault("newOrder", "problem", times=None, type="malformed", detail=evil)
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    done = quick.run_once(seconds=10)
    table = quick.command("status", "--dir", quick.folder).stdout
    assert "touch" in done.stderr and "touch" in table
    for text in (done.stderr, table):
        assert not set(text) & {"\x1b", "\x07", "\r"}
        assert not [line for line in text.splitlines() if line.startswith("INFO forged")]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("token", ["$(touch ran)" + "A" * 30, "a" * 40 + "\n", "A" * 5000, "é" * 30])
def test_cve_2023_38198_a_token_that_is_none_is_refused(quick, fault_ca, token):
    fault_ca.fault("authz", "traversal-token", times=None, token=token)
    quick.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    done = quick.run_once(seconds=3)
    assert done.returncode == 1 and "the token has" in done.stderr
    assert fault_ca.count("challenge") == 0


@pytest.mark.parametrize("format_", ["text", "json"])
def test_kubernetes_81114_no_secret_gets_into_the_log(binary, fault_ca, bind, tmp_path, format_):
    eab_key = "RUFCLWtleS1vZi10aGUtdGVzdC1uby1sb2ctbWF5LWhvbGQ"
    secret, reference = manifests.external_account("kid-1", eab_key)
    dns = {**manifests.rfc2136_solver(bind), "waitInsteadOfSelfCheck": "0s"}
    names = ["logged.example.test", "*.logged.example.test"]
    with Certlet(binary, tmp_path / "dir", solver_flags(bind, http01_port=reserve_port())) as program:
        program.write(
            "all.yaml",
            manifests.tsig_secret(bind),
            secret,
            manifests.issuer(fault_ca, [dns], name="dns", externalAccountBinding=reference),
            manifests.issuer(fault_ca, [quick_solver()], name="http", externalAccountBinding=reference),
            manifests.certificate("d", names, "dns"),
            manifests.certificate("h", ["web.example.test"], "http"),
        )
        fault_ca.fault("finalize", "bad-nonce", times=1)
        fault_ca.fault("authz", "server-internal", times=1)
        program.start("-v", "5", "--logging-format", format_)
        program.wait_for_certificate("d-tls")
        program.wait_for_certificate("h-tls")
        assert program.stop() == 0
    log = program.log_file.read_bytes()
    with sqlite3.connect(program.folder / "state.db") as store:
        events = "\n".join(text for (text,) in store.execute("SELECT object FROM events"))
    statuses = json.dumps(
        [one.get("status") for kind in ("Certificate", "Issuer", "Order") for one in objects(program, kind)]
    )
    assert len(log) > 10000
    for what, value in secrets_of(program, fault_ca, bind, eab_key):
        for place, text in (("log", log), ("events", events.encode()), ("status", statuses.encode())):
            assert value not in text, f"{what} is in the {place}"
    program._child = None


def secrets_of(program, ca, bind, eab_key):
    """(what it is, its bytes) of everything that must stay secret."""
    tsig = bind.tsig["certlet"][1]
    yield "the TSIG secret", tsig.encode()
    yield "the TSIG secret, decoded", base64.b64decode(tsig)
    yield "the EAB key", eab_key.encode()
    yield "the EAB key, decoded", base64.urlsafe_b64decode(eab_key + "=")
    for one in ca.ca.authorizations.values():
        yield "a token", one.token.encode()
    for account in ca.ca.accounts.values():
        yield "a thumbprint (of a key authorization)", thumbprint(account.jwk).encode()
    yield "a key's armour", b"PRIVATE KEY"
    for stored in objects(program, "Secret"):
        for key, value in stored.get("data", {}).items():
            if not key.endswith(".key"):
                continue
            yield f"Secret {stored['metadata']['name']}, as stored", value[:60].encode()
            for line in base64.b64decode(value).splitlines()[1:-1]:
                if len(line) > 20:
                    yield f"a line of {stored['metadata']['name']}/{key}", line
