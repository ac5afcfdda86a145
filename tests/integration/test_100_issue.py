"""From manifests to files: what real ACME CAs issue, and what lies in tls/ afterwards.

One run issues everything that one CA can give; the tests look at what it left. What a Certificate's
life holds later (renewal, edits) is test_200.
"""

import contextlib
import datetime
import http.server
import os
import re
import stat
import threading

import pytest

from support import manifests as m
from support import pki
from support.bed import Pebble
from support.certlet import Certlet, solver_flags
from support.files import key_matches, names_of, subject_of, verify
from support.server import accepts_connections

HUNDRED = [f"n{i:03}.many.example.test" for i in range(100)]
MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
TEN_DAYS, THREE_DAYS = 864000, 259200

# Everything that the shared run is asked for: name of the Certificate, its names, the rest of its spec.
WANTED = {
    "dns": (["dns.example.test", "*.dns.example.test"], {}),
    "web": (["web.other.test", "www.web.other.test"], {}),
    "address": ([], {"ipAddresses": ["127.0.0.1"]}),
    "many": (HUNDRED, {}),
    "rsa": (["rsa.other.test"], {"privateKey": {"algorithm": "RSA", "size": 2048}}),
    "pkcs8": (
        ["pkcs8.other.test"],
        {
            "privateKey": {"algorithm": "ECDSA", "size": 384, "encoding": "PKCS8"},
            "additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}],
            "secretTemplate": {"labels": {"team": "web"}, "annotations": {"note": "hello"}},
        },
    ),
    "named": (["named.other.test"], {"commonName": "named.other.test"}),
}


@pytest.fixture(scope="module")
def pebble(bind, tmp_path_factory):
    """With two profiles, a second root, and three intermediates."""
    folder = tmp_path_factory.mktemp("pebble")
    env = {"PEBBLE_ALTERNATE_ROOTS": "1", "PEBBLE_CHAIN_LENGTH": "3"}
    profiles = {"classic": TEN_DAYS, "shortlived": THREE_DAYS}
    with Pebble(folder, dns=bind.address, env=env, profiles=profiles) as server:
        yield server


def common_name(pem):
    return re.search(r"CN\s*=\s*(.+)", subject_of(pem)).group(1).strip()


@pytest.fixture(scope="module")
def issued(binary, bind, pebble, tmp_path_factory):
    """The program after one run with all of WANTED, and the numbers of orders at the CA."""
    folder = tmp_path_factory.mktemp("issued") / "dir"
    flags = solver_flags(bind, http01_port=pebble.http_port)
    flags += ["--cluster-resource-namespace", "platform"]
    program = Certlet(binary, folder, flags)
    by_dns = m.rfc2136_solver(bind, selector={"dnsZones": ["example.test"]})
    solvers = [by_dns, m.http01_solver()]
    other_chain = common_name(pebble.root_pem(1))
    program.write(
        "issuers/acme.yaml",
        m.tsig_secret(bind),
        m.issuer(pebble, solvers, email="admin@example.test"),
        m.issuer(pebble, solvers, name="shortlived", profile="shortlived"),
        m.issuer(pebble, solvers, name="alternate", preferredChain=other_chain),
    )
    program.write(
        "issuers/cluster.yaml",
        m.tsig_secret(bind, namespace="platform"),
        m.cluster_issuer(pebble, solvers, name="everywhere"),
    )
    everywhere = {"name": "everywhere", "kind": "ClusterIssuer"}
    program.write(
        "certificates.yaml",
        *(m.certificate(name, names, **spec) for name, (names, spec) in WANTED.items()),
        m.certificate("short", ["short.other.test"], "shortlived"),
        m.certificate("alternate", ["alternate.other.test"], "alternate"),
        m.certificate("cluster", ["c.example.test"], namespace="shop", issuerRef=everywhere),
        m.certificate("cluster", ["c.other.test"], namespace="blog", issuerRef=everywhere),
    )
    done = program.run_once(seconds=240)
    assert done.returncode == 0, done.stderr
    program.stderr = done.stderr
    return program


# --- what was issued ---


@pytest.mark.threads
@pytest.mark.parametrize("name", WANTED)
def test_certificate_has_exactly_its_names_and_its_key_and_verifies(
    issued, pebble, tmp_path, name
):
    names, spec = WANTED[name]
    chain = issued.certificate_pem(f"{name}-tls")
    assert names_of(chain) == sorted([*names, *spec.get("ipAddresses", [])])
    assert key_matches(issued.tls(f"{name}-tls"))
    assert "OK" in verify(chain, pebble.root_pem(), tmp_path)


def test_every_certificate_took_one_order_and_one_finalization(issued, pebble):
    count = len(issued.status()["certificates"])
    assert (pebble.new_orders(), pebble.finalizes()) == (count, count)


def test_stored_chain_holds_all_intermediates_and_not_the_root(issued, pebble):
    chain = issued.certificate_pem("dns-tls")
    assert chain.count("BEGIN CERTIFICATE") == 4  # the leaf, and PEBBLE_CHAIN_LENGTH=3
    assert pebble.root_pem().strip() not in chain


@pytest.mark.parametrize(
    "name, line",
    [("rsa", "Public-Key: (2048 bit)"), ("dns", "P-256"), ("pkcs8", "P-384")],
)
def test_key_is_of_the_kind_that_was_asked_for(issued, name, line):
    chain = issued.certificate_pem(f"{name}-tls")
    assert line in pki.openssl("x509", "-noout", "-text", stdin=chain)


@pytest.mark.parametrize(
    "name, head",
    [
        ("rsa", "BEGIN RSA PRIVATE KEY"),
        ("dns", "BEGIN EC PRIVATE KEY"),
        ("pkcs8", "BEGIN PRIVATE KEY"),
    ],
)
def test_key_file_is_encoded_as_the_spec_says(issued, name, head):
    assert head in (issued.tls(f"{name}-tls") / "tls.key").read_text()


def test_common_name_of_the_spec_is_never_in_the_way(issued):
    assert names_of(issued.certificate_pem("named-tls")) == ["named.other.test"]


def test_profile_of_the_issuer_decides_the_lifetime(issued):
    assert life_seconds(issued, "short") in (THREE_DAYS, THREE_DAYS - 1)


def life_seconds(program, name):
    row = next(one for one in program.status()["certificates"] if one["name"] == name)
    ends, starts = (
        datetime.datetime.fromisoformat(row[key].replace("Z", "+00:00"))
        for key in ("notAfter", "notBefore")
    )
    return (ends - starts).total_seconds()


def test_preferred_chain_selects_the_alternate_one(issued, pebble, tmp_path):
    chain = issued.certificate_pem("alternate-tls")
    assert "OK" in verify(chain, pebble.root_pem(1), tmp_path)
    with pytest.raises(AssertionError):
        verify(chain, pebble.root_pem(0), tmp_path)


def test_cluster_issuer_serves_every_namespace_with_its_secrets_in_the_resource_namespace(
    issued, pebble, tmp_path
):
    for namespace, name in (("shop", "c.example.test"), ("blog", "c.other.test")):
        chain = issued.certificate_pem("cluster-tls", namespace)
        assert names_of(chain) == [name]
        assert "OK" in verify(chain, pebble.root_pem(), tmp_path)
    assert issued.secret("everywhere-account", "platform")["tls.key"]
    assert issued.object("Secret", "everywhere-account", "shop") is None


def test_each_issuer_has_one_account_whatever_it_issues(issued, pebble):
    accounts = [one["account"] for one in issued.status()["issuers"]]
    assert len(accounts) == len(set(accounts)) == 4
    assert all(url.startswith("https://127.0.0.1:") for url in accounts)
    assert pebble.requests("/sign-me-up") == 4


def test_account_key_is_rsa_2048_as_in_cert_manager(issued):
    key = issued.secret("acme-account")["tls.key"]
    assert b"BEGIN RSA PRIVATE KEY" in key
    assert "2048 bit" in pki.openssl("rsa", "-noout", "-text", stdin=key)


def test_no_txt_record_is_left(issued, bind):
    assert bind.txt("_acme-challenge.dns.example.test") == []
    assert bind.txt("_acme-challenge.n042.many.example.test") == []


# --- files ---


def test_files_are_links_into_one_version_that_is_swapped_as_one(issued):
    folder = issued.tls("dns-tls")
    assert os.readlink(folder / "tls.crt") == "..data/tls.crt"
    assert os.readlink(folder / "tls.key") == "..data/tls.key"
    version = os.readlink(folder / "..data")
    assert version.startswith("..") and "/" not in version
    assert (folder / version / "tls.crt").is_file()


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_files_and_state_are_for_their_owner_only(issued):
    assert mode_of(issued.folder / "state.db") == 0o600
    for file in (issued.tls("dns-tls")).resolve().glob("tls.*"):
        assert mode_of(file) == 0o600
    assert mode_of(issued.tls("dns-tls")) & 0o077 == 0


def test_tls_mode_and_group_open_the_files_to_a_group(issued):
    """Files of before are brought to what the flags say."""
    assert issued.run_once("--tls-mode", "0640", "--tls-group", str(os.getgid())).returncode == 0
    folder = issued.tls("dns-tls")
    assert mode_of(folder / "tls.key") == 0o640
    assert mode_of(folder) & 0o050 == 0o050
    assert mode_of(issued.folder / "tls") & 0o050 == 0o050


def test_output_formats_are_files_and_secret_entries(issued):
    folder = issued.tls("pkcs8-tls")
    key, chain = ((folder / name).read_text() for name in ("tls.key", "tls.crt"))
    assert (folder / "tls-combined.pem").read_text() == key + "\n" + chain
    as_pem = pki.openssl("pkey", "-inform", "DER", "-in", folder / "key.der")
    assert as_pem.strip() == key.strip()
    assert set(issued.secret("pkcs8-tls")) >= {"tls.crt", "tls.key", "key.der", "tls-combined.pem"}


def test_secret_template_and_cert_manager_annotations_are_on_the_secret(issued):
    metadata = issued.object("Secret", "pkcs8-tls")["metadata"]
    assert metadata["labels"]["team"] == "web"
    annotations = metadata["annotations"]
    assert annotations["note"] == "hello"
    assert annotations["cert-manager.io/certificate-name"] == "pkcs8"
    assert annotations["cert-manager.io/issuer-name"] == "acme"
    assert annotations["cert-manager.io/alt-names"] == "pkcs8.other.test"
    assert issued.object("Secret", "pkcs8-tls")["type"] == "kubernetes.io/tls"


def test_status_says_it_all_as_json(issued):
    status = issued.status()
    assert all(one["ready"] == "True" for one in status["certificates"] + status["issuers"])
    row = next(one for one in status["certificates"] if one["name"] == "dns")
    assert row["namespace"] == "default"
    assert row["reason"] == "Ready" and row["message"]
    assert row["dnsNames"] == ["dns.example.test", "*.dns.example.test"]
    assert row["issuer"] == {"kind": "Issuer", "name": "acme"}
    assert row["secretName"] == "dns-tls"
    assert row["notBefore"] < row["renewalTime"] < row["notAfter"]
    assert row["issuing"] is False and "problem" not in row


def test_a_second_run_does_nothing(issued, pebble):
    before = (pebble.new_orders(), pebble.finalizes(), pebble.requests("/sign-me-up"))
    chain = issued.certificate_pem("dns-tls")
    versions = issued.versions()
    assert issued.run_once().returncode == 0
    assert (pebble.new_orders(), pebble.finalizes(), pebble.requests("/sign-me-up")) == before
    assert issued.certificate_pem("dns-tls") == chain
    assert issued.versions() == versions


# --- one at a time ---


@pytest.fixture
def program(certlet):
    """A second folder at the same CA."""
    return certlet


def one_issuer(program, pebble, *more, **acme):
    """An HTTP-01 issuer and the Certificate 'a' in one file."""
    program.write(
        "a.yaml",
        *more,
        m.issuer(pebble, [m.http01_solver()], **acme),
        m.certificate("a", ["a.other.test"]),
    )


def said_of(program, name="acme"):
    """What status says of an issuer that is not ready."""
    issuer = next(one for one in program.status()["issuers"] if one["name"] == name)
    assert issuer["ready"] == "False"
    return issuer["message"]


@pytest.mark.parametrize("more", [{}, {"disableAccountKeyGeneration": True}], ids=["", "only"])
def test_own_account_key_finds_the_account_that_it_has(issued, program, pebble, more):
    key = {"tls.key": issued.secret("acme-account")["tls.key"].decode()}
    one_issuer(program, pebble, m.secret("acme-account", key), **more)
    assert program.run_once().returncode == 0
    before = next(one for one in issued.status()["issuers"] if one["name"] == "acme")
    assert program.status()["issuers"][0]["account"] == before["account"]


def test_changed_address_is_told_to_the_ca_and_the_account_stays(issued, program, pebble):
    one_issuer(program, pebble, email="old@example.test")
    assert program.run_once().returncode == 0
    account = program.status()["issuers"][0]["account"]
    one_issuer(program, pebble, email="new@example.test")
    assert program.run_once().returncode == 0
    assert program.status()["issuers"][0]["account"] == account
    status = program.object("Issuer", "acme")["status"]["acme"]
    assert status["lastRegisteredEmail"] == "new@example.test"


def new_key(*arguments):
    return pki.openssl("genpkey", *arguments)


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_account_key_of_the_user_may_be_ecdsa(program, pebble, curve):
    key = new_key("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    one_issuer(program, pebble, m.secret("acme-account", {"tls.key": key}))
    done = program.run_once()
    assert done.returncode == 0, done.stderr
    assert program.secret("acme-account")["tls.key"].decode() == key


def test_new_account_key_is_ecdsa_by_flag(program, pebble):
    one_issuer(program, pebble)
    assert program.run_once("--account-key-type", "ecdsa").returncode == 0
    assert b"BEGIN EC PRIVATE KEY" in program.secret("acme-account")["tls.key"]


def test_account_key_that_the_ca_does_not_take_is_told_with_what_it_takes(program, pebble):
    """Pebble knows no Ed25519."""
    key = new_key("-algorithm", "ED25519")
    one_issuer(program, pebble, m.secret("acme-account", {"tls.key": key}))
    assert program.run_once().returncode == 1
    assert "ES256" in said_of(program)


def test_missing_account_key_that_must_not_be_made_is_told_and_used_when_it_comes(
    issued, program, pebble
):
    one_issuer(program, pebble, disableAccountKeyGeneration=True)
    program.start()
    program.wait_until(lambda: "default/acme-account" in message_of(program), what="its name")
    assert "spec.acme.disableAccountKeyGeneration" in message_of(program)
    key = {"tls.key": issued.secret("acme-account")["tls.key"].decode()}
    program.write("key.yaml", m.secret("acme-account", key))
    program.wait_for_certificate("a-tls", seconds=20)


def message_of(program, name="acme"):
    found = program.object("Issuer", name) if (program.folder / "state.db").exists() else None
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == "Ready"), "")


def test_account_secret_without_a_key_is_told_by_its_name(program, pebble):
    one_issuer(program, pebble, m.secret("acme-account", {"tls.key": "no key"}))
    done = program.run_once()
    assert done.returncode == 1
    assert "default/acme-account" in said_of(program)
    assert "default/acme-account" in done.stderr


def test_unknown_profile_is_told_with_those_that_there_are(program, pebble):
    orders = pebble.new_orders()
    one_issuer(program, pebble, profile="frobnicate")
    done = program.run_once()
    assert done.returncode == 1
    for word in ("frobnicate", "classic", "shortlived"):
        assert word in done.stderr
        assert word in str(program.status()["certificates"])
    assert pebble.new_orders() == orders


def test_unknown_preferred_chain_gives_the_default_one_and_an_event(program, pebble, tmp_path):
    one_issuer(program, pebble, preferredChain="No Such Root")
    assert program.run_once().returncode == 0
    assert "OK" in verify(program.certificate_pem("a-tls"), pebble.root_pem(), tmp_path)
    assert any("No Such Root" in event.get("message", event.get("note", "")) for event in program.events())


def test_ed25519_key_of_a_certificate_is_issued_or_refused_with_the_cas_words(program, pebble):
    """Which of them is Pebble's choice."""
    program.write(
        "a.yaml",
        m.issuer(pebble, [m.http01_solver()]),
        m.certificate("a", ["a.other.test"], privateKey={"algorithm": "Ed25519"}),
    )
    done = program.run_once()
    if done.returncode == 0:
        text = pki.openssl("x509", "-noout", "-text", stdin=program.certificate_pem("a-tls"))
        assert "Public Key Algorithm: ED25519" in text
    else:
        last = done.stderr.strip().splitlines()[-1]
        assert "default/a: " in last and "badCSR" in last and "Ed25519" in last
        assert "set spec.privateKey.algorithm of the Certificate to ECDSA or RSA" in last
        problem = program.status()["certificates"][0]["problem"]
        assert "Ed25519" in problem and "spec.privateKey.algorithm" in problem
        orders = pebble.new_orders()
        assert program.run_once().returncode == 1
        assert pebble.new_orders() == orders, "it waits for the back-off"
        program.write(
            "a.yaml",
            m.issuer(pebble, [m.http01_solver()]),
            m.certificate("a", ["a.other.test"], privateKey={"algorithm": "ECDSA"}),
        )
        done = program.run_once()
        assert done.returncode == 0, done.stderr[-4000:]


# --- external accounts ---


@pytest.fixture(scope="module")
def bound(binary, bind, tmp_path_factory):
    """One run at a CA that wants an external account: {issuer: its row}, and the program."""
    folder = tmp_path_factory.mktemp("bound")
    with Pebble(folder / "pebble", dns=bind.address, eab={"kid-1": MAC_KEY, "kid-2": MAC_KEY}) as ca:
        program = Certlet(binary, folder / "dir", solver_flags(bind, ca.http_port))
        wrong = MAC_KEY[::-1]
        cases = {
            "good": ("kid-1", MAC_KEY, {}),
            "padded": ("kid-2", MAC_KEY + "=" * (-len(MAC_KEY) % 4) + "\n", {"keyAlgorithm": "HS384"}),
            "wrong-key": ("kid-1", wrong, {}),
            "wrong-kid": ("kid-9", MAC_KEY, {}),
            "no-base64": ("kid-1", "not base64!", {}),
        }
        for name, (kid, key, more) in cases.items():
            secret, reference = m.external_account(kid, key, name=f"eab-{name}")
            binding = {**reference, **more}
            issuer = m.issuer(ca, [m.http01_solver()], name=name, externalAccountBinding=binding)
            program.write(f"{name}.yaml", secret, issuer, m.certificate(name, [f"{name}.other.test"], name))
        lost = {"keyID": "kid-1", "keySecretRef": {"name": "lost", "key": "secret"}}
        program.write("missing.yaml", m.issuer(ca, [m.http01_solver()], name="missing"))
        program.write(
            "lost.yaml", m.issuer(ca, [m.http01_solver()], name="lost", externalAccountBinding=lost)
        )
        done = program.run_once()
        program.stderr, program.orders = done.stderr, ca.new_orders()
        assert done.returncode == 1, done.stderr
        yield program


@pytest.mark.parametrize("name", ["good", "padded"])
def test_external_account_is_bound_and_certificates_are_issued(bound, name):
    assert names_of(bound.certificate_pem(f"{name}-tls")) == [f"{name}.other.test"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("wrong-key", ["registering with 'https://127.0.0.1"]),
        ("wrong-kid", ["kid-9"]),
        ("no-base64", ["eab-no-base64", "base64url"]),
        ("missing", ["set spec.acme.externalAccountBinding"]),
        ("lost", ["external account key", "'default/lost' does not exist"]),
    ],
)
def test_external_account_that_cannot_be_bound_is_told(bound, name, words):
    message = said_of(bound, name)
    for word in words:
        assert word in message
        assert word in bound.stderr
    assert not next(one for one in bound.status()["issuers"] if one["name"] == name).get("account")
    assert bound.certificate_pem(f"{name}-tls") == ""


def test_without_an_account_nothing_is_ordered(bound):
    assert bound.orders == 2


def test_keys_of_external_accounts_are_in_no_message(bound):
    assert MAC_KEY not in bound.stderr and MAC_KEY[::-1] not in bound.stderr


# --- challenges ---


@pytest.mark.threads
def test_http01_is_answered_by_our_own_server_only_while_needed(program, pebble):
    program.write("issuer.yaml", m.issuer(pebble, [m.http01_solver()]))
    program.write("a.yaml", m.certificate("own", ["own.other.test"]))
    program.start()
    program.wait_for_certificate("own-tls")
    program.wait_until(lambda: not accepts_connections(pebble.http_port), 10, "port 80 given back")


def test_http01_by_web_root_of_a_server_that_runs_already(binary, bind, pebble, tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    flags = solver_flags(bind, http01_port=pebble.http_port, http01_webroot=root)
    program = Certlet(binary, tmp_path / "dir", flags)
    program.write("issuer.yaml", m.issuer(pebble, [m.http01_solver()]))
    program.write("a.yaml", m.certificate("web", ["root.other.test"]))
    with web_server(root, pebble.http_port) as asked:
        done = program.run_once()
    assert done.returncode == 0, done.stderr
    assert names_of(program.certificate_pem("web-tls")) == ["root.other.test"]
    assert asked and all(path.startswith("/.well-known/acme-challenge/") for path in asked)
    left = [path for path in root.rglob("*") if path.is_file()]
    assert left == []


@contextlib.contextmanager
def web_server(root, port):
    """A plain web server for `root`; the list of paths that it was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield asked
        server.shutdown()


def test_name_without_a_solver_is_told_with_what_keeps_each_solver_from_it(program, pebble):
    orders = pebble.finalizes()
    solver = m.http01_solver(selector={"dnsNames": ["one.other.test"]})
    program.write(
        "a.yaml",
        m.issuer(pebble, [solver]),
        m.certificate("a", ["one.other.test", "two.other.test"]),
    )
    done = program.run_once()
    assert done.returncode == 1
    for word in ("no solver", "'two.other.test'", "solvers[0]: selector.dnsNames"):
        assert word in str(program.status()["certificates"])
        assert word in done.stderr
    assert pebble.finalizes() == orders


def selectors(bind):
    """Lists of solvers for n.z.example.test with label use=dns; only the one that must be chosen works."""

    def solver(works, **selector):
        right = m.rfc2136_solver(bind, selector=selector)
        if not works:
            right["dns01"]["rfc2136"]["nameserver"] = "127.0.0.1:9"  # nobody is there
        return right

    label, name = {"use": "dns"}, ["n.z.example.test"]
    near, far = ["z.example.test"], ["example.test"]
    other = {"use": "web"}
    return {
        "name-before-zone": [solver(False, dnsZones=near), solver(True, dnsNames=name)],
        "name-before-label": [solver(False, matchLabels=label), solver(True, dnsNames=name)],
        "zone-before-label": [solver(False, matchLabels=label), solver(True, dnsZones=far)],
        "longer-zone": [solver(False, dnsZones=far), solver(True, dnsZones=near)],
        "label-decides": [
            solver(False, dnsZones=near),
            solver(True, dnsZones=near, matchLabels=label),
        ],
        "label-that-differs": [
            solver(False, dnsNames=name, matchLabels=other),
            solver(True, dnsZones=far),
        ],
        "first-of-equals": [solver(True, dnsZones=far), solver(False, dnsZones=far)],
        "any-before-none": [solver(False), solver(True, dnsZones=far)],
    }


def test_selectors_choose_by_name_before_zone_before_labels(program, bind, pebble):
    """As cert-manager does; every list is an issuer of its own."""
    program.write("key.yaml", m.tsig_secret(bind))
    for case, solvers in selectors(bind).items():
        certificate = m.certificate(case, ["n.z.example.test"], case)
        certificate["metadata"]["labels"] = {"use": "dns"}
        program.write(f"{case}.yaml", m.issuer(pebble, solvers, name=case), certificate)
    done = program.run_once()
    assert done.returncode == 0, done.stderr


def test_challenge_record_is_written_where_the_alias_leads(program, bind, pebble):
    bind.add_record("_acme-challenge.alias.example.test", "CNAME", "target.other.test.")
    solver = m.rfc2136_solver(bind, cnameStrategy="Follow")
    program.write("issuer.yaml", m.tsig_secret(bind), m.issuer(pebble, [solver]))
    program.write("a.yaml", m.certificate("alias", ["alias.example.test"]))
    done = program.run_once()
    assert done.returncode == 0, done.stderr
    assert bind.txt("target.other.test") == []


def test_cluster_issuer_of_the_default_resource_namespace(program, bind, pebble):
    program.write("s.yaml", m.tsig_secret(bind, namespace="kube-system"))
    program.write("issuer.yaml", m.cluster_issuer(pebble, [m.rfc2136_solver(bind)], name="all"))
    reference = {"name": "all", "kind": "ClusterIssuer"}
    certificate = m.certificate("c", ["cl.example.test"], namespace="team", issuerRef=reference)
    program.write("a.yaml", certificate)
    done = program.run_once()
    assert done.returncode == 0, done.stderr
    assert program.secret("all-account", "kube-system")


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
def test_missing_issuer_is_named(program, kind):
    reference = {"name": "nobody", "kind": kind}
    program.write("a.yaml", m.certificate("a", ["a.other.test"], issuerRef=reference))
    done = program.run_once()
    assert done.returncode == 1
    assert f"default/a: waiting: Referenced {kind} 'nobody' does not exist" in done.stderr
    assert f"{kind} 'nobody' does not exist" in str(program.status()["certificates"])
