"""Incidents of other tools that must be impossible here, by name (tests/incidents.md lists all of them)."""

import base64
import contextlib
import http.server
import json
import os
import socket
import threading
import time

import pytest

from support import manifests as m
from support import pki
from support.certlet import SANITIZERS, Certlet, solver_flags
from support.fault_ca import FaultCA
from support.hostile_dns import KINDS, HostileDns, Trap
from support.troubled import quick_solver

LISTEN = ["--http01-listen", "127.0.0.1:0"]


def open_ca(folder, **more):
    return FaultCA(folder / "ca", **more)


def row(program, name):
    """What `certlet status` has on a Certificate; {} before there is a store."""
    if not (program.folder / "state.db").exists():
        return {}
    return next((one for one in program.status()["certificates"] if one["name"] == name), {})


def word(program, name):
    """Why it is not Ready, as far as that is known by now."""
    one = row(program, name)
    return one.get("problem") or one.get("waitingFor") or ""


def wait_for_word(program, name, part="", seconds=30):
    """Something is said on the Certificate, with `part` in it."""

    def said_it():
        words = word(program, name)
        return part in words and words

    return program.wait_until(said_it, seconds, f"a word on '{name}' with '{part}'")


def said(program):
    return json.dumps(program.status())


# --- GHSA-8rvj-mm4h-c258: objects that somebody else wrote ---


def forged(kind, name, spec, owner=None):
    owners = [m.owner_reference(owner)] if owner else []
    metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
    api = "acme.cert-manager.io/v1"
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec, "status": {}}


@pytest.fixture(scope="module")
def attacked(binary, bind, tmp_path_factory):
    """A program with an order in flight, stopped; then somebody writes Orders and Challenges into its store,
    which name its issuer, its order and a DNS server of theirs; then it runs on.
    """
    folder = tmp_path_factory.mktemp("attacked")
    with FaultCA(folder / "ca") as ca, Trap() as trap:
        ca.fault("challenge", "never-validates", times=None)
        program = Certlet(binary, folder / "dir", [*LISTEN, *solver_flags(bind)])
        program.write("i.yaml", m.tsig_secret(bind), m.issuer(ca, [m.rfc2136_solver(bind, wait="0s")]))
        program.write("a.yaml", m.certificate("a", ["a.example.test"]))
        program.start()
        ca.wait_for("challenge")
        program.stop()
        order, request = program.objects("Order")[0], program.objects("CertificateRequest")[0]
        challenge = program.objects("Challenge")[0]["spec"]
        theirs = json.loads(json.dumps(challenge["solver"]))
        theirs["dns01"]["rfc2136"]["nameserver"] = f"127.0.0.1:{int(trap.port)}"
        other_names = {**order["spec"], "dnsNames": ["admin.example.test"]}
        planted = {
            "orders.acme.cert-manager.io": [
                forged("Order", "no-owner", order["spec"]),
                forged("Order", "other-names", other_names, request),
                forged("Order", "other-owner", other_names, program.object("Certificate", "a")),
                forged("Order", "copy", order["spec"], request),
            ],
            "challenges.acme.cert-manager.io": [
                forged("Challenge", "their-dns", {**challenge, "solver": theirs}),
                forged("Challenge", "their-dns-owned", {**challenge, "solver": theirs}, order),
                forged("Challenge", "other-name", {**challenge, "dnsName": "admin.example.test"}, order),
                forged("Challenge", "other-key", {**challenge, "key": "A" * 43}, order),
                forged("Challenge", "other-token", {**challenge, "token": "B" * 43}, order),
                forged(
                    "Challenge",
                    "other-url",
                    {**challenge, "url": f"https://127.0.0.1:{int(trap.port)}/x"},
                    order,
                ),
                forged(
                    "Challenge",
                    "other-authorization",
                    {**challenge, "authorizationURL": f"https://127.0.0.1:{int(trap.port)}/y"},
                    order,
                ),
            ],
        }
        for resource, objects in planted.items():
            for one in objects:
                program.plant(resource, one)
        program.ca, program.trap, program.honest = ca, trap, order["metadata"]["name"]
        program.before = ca.count("newOrder"), ca.count("challenge")
        with program:
            program.start("-v", "4")
            program.write("b.yaml", m.certificate("b", ["b.example.test"]))
            ca.wait_for("newOrder", program.before[0] + 1)  # the stopped one may ask its challenge once more
            ca.wait_for("challenge", program.before[1] + 1)  # an honest order gets so far
            yield program


FORGED_CHALLENGES = [
    "their-dns", "other-name", "other-key", "other-token", "other-url", "other-authorization",
]  # fmt: skip


def is_refused(program, kind, name):
    """It has ended with a reason, or waits with one; or is gone with its owner."""
    one = program.object(kind, name)
    if not one:
        return True
    status = one.get("status", {})
    return status.get("reason") and not status.get("presented")


@pytest.mark.parametrize("name", FORGED_CHALLENGES)
def test_ghsa_8rvj_mm4h_c258_a_forged_challenge_presents_nothing(attacked, name):
    attacked.wait_until(lambda: is_refused(attacked, "Challenge", name), 30, f"a word on {name}")


@pytest.mark.parametrize("name", ["no-owner", "other-names", "other-owner", "copy"])
def test_ghsa_8rvj_mm4h_c258_a_forged_order_orders_nothing(attacked, name):
    attacked.wait_until(lambda: is_refused(attacked, "Order", name), 30, f"a word on {name}")
    left = attacked.object("Order", name)  # one that does not follow from its request is deleted
    assert not left or not left["status"].get("url")


def test_ghsa_8rvj_mm4h_c258_a_solver_of_the_challenge_is_never_used(attacked, bind):
    for name in FORGED_CHALLENGES:
        attacked.wait_until(lambda: is_refused(attacked, "Challenge", name), 30, f"a word on {name}")
    assert attacked.trap.heard == []
    # What they wrote beside the honest order has not failed it.
    assert "url" in attacked.object("Order", attacked.honest)["status"]
    assert "failedIssuanceAttempts" not in attacked.object("Certificate", "a")["status"]
    assert bind.txt("_acme-challenge.admin.example.test") == []
    assert attacked.ca.count("newOrder") == attacked.before[0] + 1  # b's


@pytest.mark.parametrize("kind", ["Order", "Challenge"])
def test_ghsa_8rvj_mm4h_c258_manifests_bring_no_orders_and_challenges(binary, tmp_path, kind):
    program = Certlet(binary, tmp_path / "dir", LISTEN)
    program.write("x.yaml", forged(kind, "x", {}))
    done = program.run_once()
    assert done.returncode == 1 and f"{kind} 'x'" in done.stderr and "only" in done.stderr
    assert program.objects(kind) == []


# --- GHSA-gx3x-vq4p-mhhv: answers of DNS in any shape ---


@pytest.fixture(scope="module")
def misled(binary, bind, tmp_path_factory):
    """A certificate for each way in which a DNS server can answer wrongly, and a good one."""
    folder = tmp_path_factory.mktemp("misled")
    with FaultCA(folder / "ca") as ca, HostileDns() as dns:
        program = Certlet(binary, folder / "dir", [*LISTEN, *solver_flags(None)])
        bad = m.rfc2136_solver(bind)
        bad["dns01"]["rfc2136"]["nameserver"] = dns.nameserver
        for name, solver in (("bad", bad), ("good", quick_solver())):
            program.write(f"{name}.yaml", m.tsig_secret(bind), m.issuer(ca, [solver], name=name))
        program.write("good.yaml", m.issuer(ca, [quick_solver()], name="good"))
        for kind in KINDS:
            program.write(f"c-{kind}.yaml", m.certificate(kind, [f"{kind}.test"], "bad"))
        program.write("c-good.yaml", m.certificate("good", ["good.test"], "good"))
        with program:
            program.start(
                *("--dns01-recursive-nameservers", dns.nameserver),
                *("--dns01-recursive-nameservers-only", "--dns01-check-retry-period", "1s"),
            )
            program.dns = dns
            yield program
            assert program.is_running()


def test_ghsa_gx3x_vq4p_mhhv_a_good_certificate_is_issued_beside_all_that(misled):
    misled.wait_for_certificate("good-tls")


@pytest.mark.parametrize("kind", KINDS)
def test_ghsa_gx3x_vq4p_mhhv_dns_answers_of_any_shape_are_told(misled, kind):
    def told():
        one = row(misled, kind)
        return one.get("issuing") and one.get("waitingFor", "")

    words = misled.wait_until(told, 60, f"a word on '{kind}'")
    assert kind in words or "127.0.0.1" in words
    assert misled.certificate_pem(f"{kind}-tls") == ""


# --- GHSA-r4pg-vg54-wxx4, CERTMAN-4, CERTMAN-8: PEM, and DER in it ---

def der_pem(der):
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


PEMS = {
    "heads": "-----BEGIN CERTIFICATE-----\n" * 10_000,
    "dashes": "-" * 300_000,
    "tails": "-----BEGIN X-----\n" + "-----END Y-----\n" * 10_000,
    "nulls": "\0" * 300_000,
    "lengths": der_pem(b"\x30\x84\x7f\xff\xff\xff" * 20),  # each says that 2 GB follow
    "nested": der_pem(b"\x30\x80" * 30_000),
    "certificates": der_pem(b"\x30\x03\x02\x01\x00") * 700,
}


def test_ghsa_r4pg_vg54_wxx4_hostile_pem_costs_no_time(binary, tmp_path):
    with open_ca(tmp_path) as ca, Certlet(binary, tmp_path / "dir", LISTEN) as program:
        for name, body in PEMS.items():
            ca.fault(
                "cert",
                "body",
                times=None,
                when=lambda request, name=name: order_is_for(ca, request, f"{name}.test"),
                body=body,
                content_type="application/pem-certificate-chain",
            )
        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        program.write("c.yaml", *(m.certificate(name, [f"{name}.test"]) for name in (*PEMS, "good")))
        program.start("--account-key-type", "ecdsa")
        program.wait_for_certificate("good-tls")
        for name in PEMS:
            wait_for_word(program, name, "certificate")
            assert program.certificate_pem(f"{name}-tls") == ""
        assert cpu_seconds(program.pid) < 10  # a parser that goes over it again and again takes minutes


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def order_is_for(ca, request, name):
    order = ca.ca.orders.get(request.ident)
    return order is not None and order.names == [name]


# --- CERTMAN-6, CERTMAN-7: our own listeners ---


def connect(port):
    return socket.create_connection(("127.0.0.1", int(port)), timeout=30)


def talk(port, data):
    with connect(port) as channel:
        channel.settimeout(30)
        answer = b""
        with contextlib.suppress(OSError):
            channel.sendall(data)
            while piece := channel.recv(65536):
                answer += piece
        return answer


def test_ghsa_vgf6_pvf4_34rq_idle_and_huge_requests_hold_up_nobody(binary, tmp_path, free_port):
    with Certlet(binary, tmp_path / "dir", LISTEN) as program:
        program.start("--metrics-listen-address", f"127.0.0.1:{int(free_port)}")
        program.wait_until(lambda: answers(free_port), 20, "the listener")
        idle = []
        try:
            for _ in range(300):
                try:
                    idle.append(connect(free_port))
                    idle[-1].send(b"GET /met")
                except OSError:
                    break  # refused or closed: as good as served
            program.wait_until(lambda: answers(free_port), 30, "an answer beside idle connections")
        finally:
            for one in idle:
                one.close()
        for request in (
            b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 1_000_000,
            b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
            b"\0" * 100_000,
        ):
            talk(free_port, request)
            assert program.is_running()
        program.wait_until(lambda: answers(free_port), 30, "an answer after all that")


def answers(port):
    try:
        return b" 200 " in talk(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    except OSError:
        return False


# --- SSRF and echo by the self-check; paths from tokens ---


class Deceiver(http.server.BaseHTTPRequestHandler):
    """A web server that does not have the answer: gives a secret away, or sends to somewhere inside."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.headers["Host"].startswith("redirect"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.trap}/inside")
            self.end_headers()
            return
        body = b"INSIDE-SECRET-7731 <b>\x1b[31m"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_cert_manager_2026_07_self_check_follows_nobody_inside_and_echoes_nothing(
    binary, bind, tmp_path, free_port
):
    with open_ca(tmp_path) as ca, Trap() as trap:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(free_port)), Deceiver)
        server.trap = int(trap.port)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        flags = solver_flags(bind, free_port, http01_webroot=tmp_path)
        with Certlet(binary, tmp_path / "dir", flags) as program:
            program.write("i.yaml", m.issuer(ca, [m.http01_solver()]))
            for name in ("redirect", "echo"):
                program.write(f"{name}.yaml", m.certificate(name, [f"{name}.example.test"]))
            program.start("-v", "5")
            words = {name: wait_for_word(program, name, "propagation") for name in ("redirect", "echo")}
            text = said(program) + program.log_text()
        server.shutdown()
        server.server_close()
    assert "not a public address" in words["redirect"] and "another answer" in words["echo"]
    assert "INSIDE-SECRET" not in text and "\x1b" not in text
    assert trap.heard == []


TOKENS = ["../../../escaped", "a/b/" + "c" * 20, "..", "", ".", "x" * 5000, "%2e%2e%2f" * 4, "a\0b" * 9, "$(id)`id`" * 4]


@pytest.fixture(scope="module")
def tokens(binary, tmp_path_factory):
    """A CA that gives each of TOKENS to a name of its own; the program writes to a web root."""
    folder = tmp_path_factory.mktemp("tokens")
    root = folder / "outer" / "www"
    root.mkdir(parents=True)
    by_name = {f"t{number}.test": token for number, token in enumerate(TOKENS)}

    def spoil(doc):
        token = by_name.get(doc["identifier"]["value"])
        if token is not None:
            doc["challenges"] = [{**one, "token": token} for one in doc["challenges"]]
        return doc

    with FaultCA(folder / "ca") as ca:
        ca.fault("authz", "edit", times=None, edit=spoil)
        with Certlet(binary, folder / "dir", ["--http01-webroot", str(root)]) as program:
            names = [f"t{number}" for number in range(len(TOKENS))]
            program.write("i.yaml", m.issuer(ca, [quick_solver()]))
            program.write("c.yaml", *(m.certificate(name, [f"{name}.test"]) for name in (*names, "good")))
            program.start("--account-key-type", "ecdsa")
            program.wait_for_certificate("good-tls")
            program.words = [wait_for_word(program, name) for name in names]
            program.root = root
            yield program


@pytest.mark.parametrize("number", range(len(TOKENS)))
def test_cve_2026_40611_a_token_that_is_none_is_refused_for_its_name(tokens, number):
    assert row(tokens, f"t{number}")["ready"] == "False"
    words = tokens.words[number]
    if "\0" in TOKENS[number]:  # such JSON is refused as a whole
        assert "not valid JSON" in words
    else:
        assert "token" in words and f"t{number}.test" in words
    assert len(words) < 1500


def test_cve_2026_40611_nothing_is_written_outside_of_the_web_root(tokens):
    assert tokens.certificate_pem("good-tls")
    left = [path for path in tokens.root.parent.rglob("*") if path.is_file()]
    assert left == []
    assert not list(tokens.folder.parent.rglob("escaped*"))


def test_cve_2022_30636_the_http01_listener_serves_tokens_and_no_files(binary, tmp_path, free_port):
    with open_ca(tmp_path) as ca, Certlet(
        binary, tmp_path / "dir", ["--http01-listen", f"127.0.0.1:{int(free_port)}"]
    ) as program:
        ca.fault("challenge", "never-validates", times=None)
        program.write("a.yaml", m.issuer(ca, [quick_solver()]), m.certificate("a", ["a.test"]))
        program.start()
        ca.wait_for("challenge")
        token = next(iter(ca.ca.authorizations.values())).token
        at = "/.well-known/acme-challenge/"
        assert ask(free_port, at + token, "a.test").split(b"\r\n\r\n")[1].startswith(token.encode() + b".")
        for path in (
            at + "../../state.db",
            at + "..%2f..%2fstate.db",
            at + token + "/../../../../etc/passwd",
            at + token + "x",
            at + token[:-1],
            at,
            "/",
            "/etc/passwd",
            "//etc/passwd",
        ):
            answer = ask(free_port, path, "a.test")
            assert answer == b"" or answer.split()[1][:1] == b"4", path
        assert ask(free_port, at + token, "other.test").split()[1] == b"404"


def ask(port, path, host):
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return talk(port, request.encode())


# --- acme.sh HiCA, CVE-2023-38198: what a CA says is text ---


def test_cve_2023_38198_words_of_the_ca_are_never_run_and_shown_clean(binary, tmp_path):
    marker = tmp_path / "marker"
    detail = f"$(touch {marker}) `touch {marker}` ; touch {marker} | \x1b[31m\x07\r\nERROR fake line\u202e %s%n"
    with open_ca(tmp_path) as ca:
        ca.fault("newOrder", "problem", times=None, type="malformed", detail=detail)
        program = Certlet(binary, tmp_path / "dir", LISTEN)
        program.write("a.yaml", m.issuer(ca, [quick_solver()]), m.certificate("a", ["a.test"]))
        done = program.run_once()
    table = program.command("status", "--dir", program.folder).stdout
    assert not marker.exists()
    for text in (done.stderr, table):
        assert "touch" in text
        assert not any(ord(one) < 32 and one != "\n" for one in text)
        assert not any(line.startswith("ERROR fake") for line in text.splitlines())


# --- floods: cm#4846, cm#5074, cm#407, cm#1948, cm#4612 ---


def test_cm_407_a_refused_order_is_not_repeated(binary, tmp_path):
    """Nor by restarts, nor by touching the manifest."""
    with open_ca(tmp_path) as ca:
        ca.fault("challenge", "invalid", times=None, type="dns", detail="no such name")
        program = Certlet(binary, tmp_path / "dir", LISTEN)
        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        for number in range(3):
            program.write("a.yaml", m.certificate("a", ["a.test"]))
            assert program.run_once().returncode == 1
        assert ca.count("newOrder") == ca.count("challenge") == 1
        assert row(program, "a")["attempts"] == 1


RUNAWAYS = {  # what it does, and how far away the next renewal must be, in seconds
    "window": ("its renewal information always says 'now'", 5 * 3600),
    "aged": ("its certificates are past two thirds of their life when they come", 60),
}


@pytest.mark.parametrize("kind", RUNAWAYS)
def test_cm_4846_a_ca_cannot_make_us_order_without_end(binary, tmp_path, kind):
    what, pause = RUNAWAYS[kind]
    with open_ca(tmp_path) as ca:
        if kind == "window":
            ca.ca.renewal_info = {"suggestedWindow": {"start": ago(1800), "end": ago(60)}}
        else:
            ca.ca.life = pki.Life(-3600, 600)
        with Certlet(binary, tmp_path / "dir", LISTEN) as program:
            program.write("a.yaml", m.issuer(ca, [quick_solver()]), m.certificate("a", ["a.test"]))
            program.start()
            program.wait_for_certificate("a-tls")
            if kind == "window":
                ca.wait_for("renewalInfo")

            def renewal_is_ahead():
                status = program.object("Certificate", "a").get("status", {})
                asked = kind != "window" or "acme" in status
                return asked and status.get("renewalTime", "") > ago(-pause)

            program.wait_until(renewal_is_ahead, 20, f"a pause after the renewal: {what}")
            program.wait_until(lambda: len(program.objects("CertificateRequest")) == 1, 20, "the old request gone")
            assert ca.count("newOrder") == 2  # what is called back is replaced, once


def ago(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


# --- cm#6217, cm#4368: memory that only grows ---


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def test_cm_6217_memory_and_log_lines_do_not_grow_with_what_happens(binary, tmp_path):
    """The address sanitizer keeps what was freed for a while: not here."""
    keep_nothing = ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    env = {"ASAN_OPTIONS": SANITIZERS["ASAN_OPTIONS"] + keep_nothing}
    names = [f"c{number}" for number in range(10)]

    with open_ca(tmp_path) as ca, Certlet(binary, tmp_path / "dir", LISTEN, env) as program:

        def edit(number):
            labels = {"labels": {"edit": str(number)}}
            program.write("c.yaml", *(m.certificate(n, [f"{n}.test"], secretTemplate=labels) for n in names))
            program.wait_until(lambda: all(label_of(program, n) == str(number) for n in names), 30, "the edit")

        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        program.write("c.yaml", *(m.certificate(n, [f"{n}.test"]) for n in names))
        program.start("-v", "5", "--account-key-type", "ecdsa")
        for name in names:
            program.wait_for_certificate(f"{name}-tls")
        for number in range(5):
            edit(number)
        first, lines = memory_kb(program.pid), program.log_text().splitlines()
        for number in range(5, 20):
            edit(number)
        assert memory_kb(program.pid) - first < 6000  # most of it SQLite's, which stops at 2 MB
        more = program.log_text().splitlines()[len(lines) :]
        assert len(more) > 100 and max(map(len, more)) <= max(map(len, lines)) + 20
        assert ca.count("newOrder") == len(names)


def label_of(program, name):
    return program.object("Secret", f"{name}-tls")["metadata"].get("labels", {}).get("edit")


# --- mass re-issue ---


def test_cm_1_19_0_defaults_written_out_are_no_change(binary, tmp_path):
    with open_ca(tmp_path) as ca:
        program = Certlet(binary, tmp_path / "dir", LISTEN)
        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        short = m.certificate("a", ["a.test"], issuerRef={"name": "acme"}, privateKey={"algorithm": "ECDSA"})
        program.write("a.yaml", short)
        assert program.run_once().returncode == 0
        long = m.certificate(
            "a",
            ["a.test"],
            issuerRef={"name": "acme", "kind": "Issuer", "group": "cert-manager.io"},
            privateKey={"algorithm": "ECDSA", "size": 256, "encoding": "PKCS1", "rotationPolicy": "Always"},
            usages=["digital signature", "key encipherment"],
            duration="2160h",
        )
        program.write("a.yaml", long)
        assert program.run_once().returncode == 0
        program.write("a.yaml", short)
        assert program.run_once().returncode == 0
        assert ca.count("newOrder") == 1


def test_cm_9083_an_issuer_gets_ready_when_its_secret_comes_late(binary, tmp_path):
    with open_ca(tmp_path) as ca, Certlet(binary, tmp_path / "dir", LISTEN) as program:
        secret, binding = m.external_account("kid", "c2VjcmV0")
        program.write("i.yaml", m.issuer(ca, [quick_solver()], externalAccountBinding=binding))
        program.write("a.yaml", m.certificate("a", ["a.test"]))
        program.start()
        program.wait_until(lambda: (program.folder / "state.db").exists() and "default/eab" in said(program), 30, "a word")
        program.write("s.yaml", secret)
        program.wait_for_certificate("a-tls")


def test_le_mass_revocation_everything_is_replaced_by_one_command(binary, tmp_path):
    with open_ca(tmp_path) as ca:
        program = Certlet(binary, tmp_path / "dir", LISTEN)
        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        program.write("c.yaml", *(m.certificate(f"c{n}", [f"c{n}.test"]) for n in range(5)))
        assert program.run_once().returncode == 0
        before = {n: program.certificate_pem(f"c{n}-tls") for n in range(5)}
        assert program.command("renew", "--dir", program.folder, "--all").returncode == 0
        assert program.run_once().returncode == 0
        assert all(program.certificate_pem(f"c{n}-tls") != before[n] for n in range(5))
        assert ca.accepted("finalize") == 10


# --- Kubernetes, Trail of Bits 2019: secrets in logs ---

# Of whom what is said.
MISTAKES = {"wrong": "tsig-wrong", "none": "tsig-none", "bad": "bad-account", "loose": "eab-none"}
WORD = "c2VjcmV0d29yZDc3MzE"  # 'secretword7731' in base64url


@pytest.fixture(scope="module")
def talkative(binary, bind, tmp_path_factory):
    """Everything that a run with many secrets and many mistakes has said, and all that must not be in it."""
    folder = tmp_path_factory.mktemp("talkative")
    with FaultCA(folder / "ca") as ca:
        program = Certlet(binary, folder / "dir", [*LISTEN, *solver_flags(bind)])
        eab, binding = m.external_account("kid-7731", WORD * 4)
        no_eab, no_binding = m.external_account("kid-7732", "!!no-eab-7731!!", name="eab-none")
        by_dns = m.rfc2136_solver(bind)
        wrong_tsig = m.rfc2136_solver(bind)
        wrong_tsig["dns01"]["rfc2136"]["tsigSecretSecretRef"] = {"name": "tsig-wrong", "key": "secret"}
        no_base64 = m.rfc2136_solver(bind)
        no_base64["dns01"]["rfc2136"]["tsigSecretSecretRef"] = {"name": "tsig-none", "key": "secret"}
        program.write(
            "i.yaml",
            eab,
            no_eab,
            m.tsig_secret(bind),
            m.secret("tsig-wrong", {"secret": base64.b64encode(b"wrong-tsig-7731-wrong-tsig").decode()}),
            m.secret("tsig-none", {"secret": "!!no-base64-7731!!"}),
            m.secret("bad-account", {"tls.key": "-----BEGIN PRIVATE KEY-----\nbm8ta2V5LTc3MzE=\n-----END PRIVATE KEY-----\n"}),
            m.issuer(ca, [by_dns], name="dns", externalAccountBinding=binding),
            m.issuer(ca, [quick_solver()], name="http"),
            m.issuer(ca, [wrong_tsig], name="wrong"),
            m.issuer(ca, [no_base64], name="none"),
            m.issuer(ca, [quick_solver()], name="bad"),
            m.issuer(ca, [quick_solver()], name="loose", externalAccountBinding=no_binding),
        )
        for name in ("dns", "http", *MISTAKES):
            program.write(f"{name}.yaml", m.certificate(name, [f"{name}.example.test"], name))
        broken = m.secret("broken", {})
        broken["data"] = {"key": "not base64 7731 at all", "..data": "eA=="}
        program.write("broken.yaml", broken)
        program.write("broken2.yaml", "kind: Secret\napiVersion: v1\nstringData: [very-secret-7731]\nmetadata: {name: x}\n")
        for flags in (["-v", "5"], ["-v", "9", "--logging-format", "json"]):
            program.start(*flags, "--account-key-type", "ecdsa")
            for name in ("dns", "http"):
                program.wait_for_certificate(f"{name}-tls")
            for name, words in MISTAKES.items():
                wait_for_word(program, name, words)
            program.stop()
            program.command("renew", "--dir", program.folder, "--all")
        text = program.log_text()
        for form in ("table", "wide", "json", "yaml"):
            text += program.command("status", "--dir", program.folder, "-o", form).stdout
        objects = [*program.events()]
        for kind in ("Certificate", "CertificateRequest", "Issuer", "Order"):
            objects += [one.get("status", {}).get("conditions", []) for one in program.objects(kind)]
            objects += [one.get("status", {}).get("reason", "") for one in program.objects(kind)]
        text += json.dumps(objects)
        return text, secrets_of(program, ca, bind)


def secrets_of(program, ca, bind):
    """{what: text that must not be said}."""
    found = {
        "EAB": WORD * 4,
        "EAB without base64url": "no-eab-7731",
        "TSIG": bind.tsig["certlet"][1],
        "wrong TSIG": "wrong-tsig-7731",
        "wrong TSIG, as it stands in the Secret": base64.b64encode(b"wrong-tsig-7731-wrong-tsig").decode(),
        "TSIG without base64": "no-base64-7731",
        "bad account key": "bm8ta2V5LTc3MzE=",
        "data without base64": "not base64 7731",
        "stringData of a wrong type": "very-secret-7731",
    }
    for secret in program.objects("Secret"):
        for key, value in secret["data"].items():
            name = f"{secret['metadata']['name']}/{key}"
            if key != "tls.crt":
                found[name + " (base64)"] = value
                for number, line in enumerate(base64.b64decode(value).decode("latin-1").splitlines()):
                    if len(line) > 12 and not line.startswith("-----"):
                        found[f"{name} line {number}"] = line
    for one in ca.ca.authorizations.values():
        found[f"token of {one.identifier['value']} {one.ident}"] = one.token
    return found


def test_trail_of_bits_2019_no_secret_and_no_token_is_in_any_log_event_or_status(talkative):
    text, secrets = talkative
    assert len(secrets) > 40 and "default/dns" in text
    assert [what for what, word in secrets.items() if word in text] == []


def test_trail_of_bits_2019_the_log_has_said_what_is_wrong_all_the_same(talkative):
    text = talkative[0]
    for words in (*MISTAKES.values(), "broken.yaml", "broken2.yaml"):
        assert words in text, words


def test_secrets_are_not_in_the_environment_or_arguments_of_the_program(binary, tmp_path):
    with open_ca(tmp_path) as ca, Certlet(binary, tmp_path / "dir", LISTEN) as program:
        program.write("a.yaml", m.issuer(ca, [quick_solver()]), m.certificate("a", ["a.test"]))
        program.start()
        program.wait_for_certificate("a-tls")
        with open(f"/proc/{program.pid}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
