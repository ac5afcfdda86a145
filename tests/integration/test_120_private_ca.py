"""A private CA: selfSigned and ca issuers, from the root to the leaf, without any other server."""

import base64
import re

import pytest

from support import manifests as m
from support import pki
from support.certlet import Certlet
from support.files import (
    bounds_of,
    general_names_of,
    key_matches,
    names_of,
    rdns_of,
    serial_of,
    subject_of,
    verify,
)
from support.names import (
    BAD_NAMES,
    BOUNDS,
    LITERAL_SUBJECTS,
    OTHER_NAMES,
    WITHIN,
    bounds_by_openssl,
    other_names_by_openssl,
    subject_by_openssl,
)
from support.server import BedError

LISTEN = ["--http01-listen", "127.0.0.1:0"]


@pytest.fixture
def program(binary, tmp_path):
    return Certlet(binary, tmp_path / "dir", LISTEN)


def run(program, code=0):
    done = program.run_once()
    assert done.returncode == code, done.stderr
    return done.stderr


def text_of(pem):
    return pki.openssl("x509", "-noout", "-text", stdin=pem)


def ca_of(program, secret, namespace="default"):
    return (program.tls(secret, namespace) / "ca.crt").read_text(encoding="ascii")


def verified(program, secret, folder, namespace="default"):
    """openssl verifies the files of a Secret against their own ca.crt."""
    assert key_matches(program.tls(secret, namespace))
    pem, ca = program.certificate_pem(secret, namespace), ca_of(program, secret, namespace)
    return verify(pem, ca, folder).strip().endswith("OK")


def renew(program, *names):
    done = program.command("renew", "--dir", program.folder, *names)
    assert done.returncode == 0, done.stderr


def test_root_ca_and_leaf_are_issued_in_one_run_and_verify(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    run(program)
    assert verified(program, "root-tls", tmp_path)
    assert verified(program, "web-tls", tmp_path)
    assert ca_of(program, "web-tls") == program.certificate_pem("root-tls")
    assert program.certificate_pem("web-tls").count("BEGIN CERTIFICATE") == 1
    assert names_of(program.certificate_pem("web-tls")) == ["www.example.test"]
    assert "CA:TRUE" in text_of(program.certificate_pem("root-tls"))
    assert "CA:FALSE" in text_of(program.certificate_pem("web-tls"))
    assert program.condition("ca", kind="Issuer")["reason"] == "KeyPairVerified"
    assert program.condition("self", kind="Issuer")["reason"] == "IsReady"
    # A second run finds everything in order.
    before = program.versions()
    run(program)
    assert program.versions() == before


@pytest.mark.parametrize(
    "key",
    [
        {"algorithm": "RSA", "size": 2048},
        {"algorithm": "ECDSA", "size": 384},
        {"algorithm": "ECDSA", "size": 521},
        {"algorithm": "Ed25519"},
    ],
    ids=lambda key: f"{key['algorithm']}-{key.get('size', '')}",
)
def test_keys_of_every_kind_make_a_ca(program, tmp_path, key):
    program.write_each(*m.private_ca(), m.root_certificate("self", "default", privateKey=key))
    program.write(
        "leaf.yaml",
        m.certificate("same", ["a.example.test"], "ca", privateKey=key),
        m.certificate("other", ["b.example.test"], "ca"),
    )
    run(program)
    assert verified(program, "same-tls", tmp_path)
    assert verified(program, "other-tls", tmp_path)


def test_intermediate_is_in_the_chain_and_the_root_is_the_ca(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write_each(
        m.root_certificate("ca", "default", "middle", duration="8760h"),
        m.private_issuer("middle-ca", {"ca": {"secretName": "middle-tls"}}, "default"),
    )
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "middle-ca"))
    run(program)
    assert verified(program, "web-tls", tmp_path)
    assert program.certificate_pem("web-tls").count("BEGIN CERTIFICATE") == 2
    assert ca_of(program, "web-tls") == program.certificate_pem("root-tls")


def test_what_request_and_issuer_ask_for_stands_in_the_certificate(program):
    ca = m.private_ca(
        crlDistributionPoints=["http://crl.example.test/1", "http://crl.example.test/2"],
        ocspServers=["http://ocsp.example.test"],
        issuingCertificateURLs=["http://ca.example.test/root.der"],
    )
    program.write_each(*ca)
    usages = ["digital signature", "server auth", "client auth"]
    subject = {"organizations": ["Ex & Co, Ltd"], "countries": ["DE"]}
    program.write(
        "leaf.yaml",
        m.certificate(
            "web",
            ["www.example.test"],
            "ca",
            commonName="www.example.test",
            subject=subject,
            usages=usages,
            duration="2h",
            renewBefore="1h",
            ipAddresses=["192.0.2.1", "2001:db8::1"],
            uris=["spiffe://example.test/web"],
            emailAddresses=["web@example.test"],
        ),
    )
    run(program)
    pem = program.certificate_pem("web-tls")
    text = text_of(pem)
    for part in (
        "URI:http://crl.example.test/1",
        "URI:http://crl.example.test/2",
        "OCSP - URI:http://ocsp.example.test",
        "CA Issuers - URI:http://ca.example.test/root.der",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "URI:spiffe://example.test/web",
        "email:web@example.test",
        "IP Address:192.0.2.1",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
    ):
        assert part in text, part
    assert re.search(r"X509v3 Key Usage: critical\s+Digital Signature\n", text)
    assert "O = \"Ex & Co, Ltd\"" in subject_of(pem) and "C = DE" in subject_of(pem)
    assert len(serial_of(pem)) == 40  # 20 bytes


def test_what_is_signed_at_once_says_so_once(program):
    program.write_each(*m.private_ca())
    run(program)
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    run(program)
    about = [one for one in program.events() if one["regarding"]["name"].startswith("web")]
    assert [(one["regarding"]["kind"], one["reason"]) for one in about] == [
        ("Certificate", "Issuing")
    ]
    assert about[0]["note"] == "The certificate has been successfully issued"
    request = program.object("CertificateRequest", "web-1")
    types = {one["type"]: one["reason"] for one in request["status"]["conditions"]}
    assert types == {"Approved": "cert-manager.io", "Ready": "Issued"}
    certificate = program.object("Certificate", "web")
    assert [one["type"] for one in certificate["status"]["conditions"]] == ["Ready"]


def test_renewal_by_command_has_a_new_key_and_serial_and_keeps_one_request(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    run(program)
    old = program.certificate_pem("web-tls"), program.secret("web-tls")["tls.key"]
    renew(program, "web")
    run(program)
    assert verified(program, "web-tls", tmp_path)
    assert serial_of(program.certificate_pem("web-tls")) != serial_of(old[0])
    assert program.secret("web-tls")["tls.key"] != old[1]
    assert program.object("Certificate", "web")["status"]["revision"] == 2
    names = sorted(one["metadata"]["name"] for one in program.objects("CertificateRequest"))
    assert names == ["root-1", "web-2"]
    assert sorted(one["metadata"]["name"] for one in program.objects("Secret")) == [
        "root-tls",
        "web-tls",
    ]


@pytest.mark.threads
def test_short_lived_certificate_is_renewed_in_time_while_running(program, tmp_path):
    """An hour before the end of an hour and two seconds."""
    with program:
        program.write_each(*m.private_ca())
        program.write(
            "leaf.yaml",
            m.certificate("web", ["www.example.test"], "ca", duration="1h2s", renewBefore="1h"),
        )
        program.start()
        pem = ""
        for _ in range(2):
            pem = program.wait_for_certificate("web-tls", other_than=pem)
        assert verified(program, "web-tls", tmp_path)


def test_rotated_ca_signs_what_is_issued_from_then_on(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    run(program)
    old_root, old = program.certificate_pem("root-tls"), program.certificate_pem("web-tls")
    renew(program, "root")
    run(program)
    assert program.certificate_pem("root-tls") != old_root
    assert program.certificate_pem("web-tls") == old
    assert ca_of(program, "web-tls") == old_root
    renew(program, "web")
    run(program)
    assert ca_of(program, "web-tls") == program.certificate_pem("root-tls")
    assert verified(program, "web-tls", tmp_path)


def test_ca_made_elsewhere_is_used_as_it_is(program, tmp_path):
    files = pki.new_certificate(tmp_path, "theirs", "their CA", "basicConstraints=critical,CA:TRUE")
    program.write("secret.yaml", m.secret("theirs", pki.pair_data(files)))
    program.write("ca.yaml", m.private_issuer("ca", {"ca": {"secretName": "theirs"}}, "default"))
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    run(program)
    assert verified(program, "web-tls", tmp_path)
    assert "their CA" in subject_of(ca_of(program, "web-tls"))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda data: None, "secret 'default/theirs' does not exist"),
        (lambda data: data.pop("tls.key"), "has no key 'tls.key'"),
        (lambda data: data.update({"tls.crt": "nonsense"}), "tls.crt: "),
        (lambda data: data.update({"tls.key": data["other.key"]}), "tls.key is not the key of"),
        (lambda data: data.update({"tls.crt": data["leaf.crt"], "tls.key": data["leaf.key"]}), "is not a CA"),
    ],
    ids=["missing", "no key", "nonsense", "another key", "a leaf"],
)
def test_wrong_secret_is_said_by_issuer_and_certificate_and_mended_by_a_right_one(
    program, tmp_path, spoil, words
):
    is_ca = "basicConstraints=critical,CA:TRUE"
    is_leaf = "basicConstraints=critical,CA:FALSE"
    right = pki.pair_data(pki.new_certificate(tmp_path, "theirs", "their CA", is_ca))
    leaf = pki.pair_data(pki.new_certificate(tmp_path, "leaf", "leaf", is_leaf))
    wrong = {**right, "other.key": leaf["tls.key"], "leaf.crt": leaf["tls.crt"], "leaf.key": leaf["tls.key"]}
    spoil(wrong)
    if "does not exist" not in words:
        program.write("secret.yaml", m.secret("theirs", wrong))
    program.write("ca.yaml", m.private_issuer("ca", {"ca": {"secretName": "theirs"}}, "default"))
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], "ca"))
    said = run(program, code=1)
    assert words in program.condition("ca", kind="Issuer")["message"]
    assert words in program.condition("web", "Issuing")["message"]
    assert words in said
    assert "PRIVATE KEY" not in said
    program.write("secret.yaml", m.secret("theirs", right))
    run(program)
    assert verified(program, "web-tls", tmp_path)


def test_cluster_issuer_takes_its_ca_from_its_own_namespace(program, tmp_path):
    program.write_each(
        m.private_issuer("self", {"selfSigned": {}}),
        m.root_certificate("self", "trust", issuerRef={"name": "self", "kind": "ClusterIssuer"}),
        m.private_issuer("ca", {"ca": {"secretName": "root-tls"}}),
    )
    ref = {"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}
    program.write("leaf.yaml", m.certificate("web", ["www.example.test"], namespace="shop", **ref))
    done = program.run_once("--cluster-resource-namespace", "trust")
    assert done.returncode == 0, done.stderr
    assert verified(program, "web-tls", tmp_path, "shop")
    secret = program.object("Secret", "web-tls", "shop")
    assert base64.b64decode(secret["data"]["ca.crt"]).decode() == program.certificate_pem(
        "root-tls", "trust"
    )
    assert secret["metadata"]["annotations"]["cert-manager.io/issuer-kind"] == "ClusterIssuer"


# --- names that are written as they are asked for ---


def revision(program, name="web"):
    return program.object("Certificate", name)["status"]["revision"]


def web(names=("www.example.test",), issuer_name="ca", **spec):
    return m.certificate("web", list(names), issuer_name, **spec)


def assert_at_rest(program):
    """Another start finds everything in order."""
    before = program.versions()
    run(program)
    assert program.versions() == before


@pytest.mark.parametrize("issuer_name", ["ca", "self"])
@pytest.mark.parametrize("name", LITERAL_SUBJECTS)
def test_literal_subject_is_in_the_certificate_rdn_for_rdn(program, tmp_path, name, issuer_name):
    text, subject = LITERAL_SUBJECTS[name]
    program.write_each(*m.private_ca())
    names = ["*.example.test"] if name == "order" else ()
    program.write("leaf.yaml", web(names, issuer_name, literalSubject=text))
    run(program)
    assert rdns_of(program.certificate_pem("web-tls")) == rdns_of(subject_by_openssl(subject, tmp_path))
    assert verified(program, "web-tls", tmp_path)
    assert_at_rest(program)


def test_another_literal_subject_is_another_certificate(program):
    program.write_each(*m.private_ca())
    rows = [
        ({"literalSubject": "CN=a,O=b"}, 1, ["2.5.4.10 = b", "2.5.4.3 = a"]),
        ({"literalSubject": "O=b,CN=a"}, 2, ["2.5.4.3 = a", "2.5.4.10 = b"]),
        ({"literalSubject": "o = b , cn = a"}, 2, ["2.5.4.3 = a", "2.5.4.10 = b"]),  # the same
        ({"commonName": "a", "subject": {"organizations": ["b"]}}, 2, ["2.5.4.3 = a", "2.5.4.10 = b"]),
        ({"literalSubject": "CN=a,O=b"}, 3, ["2.5.4.10 = b", "2.5.4.3 = a"]),
        ({}, 4, []),
    ]
    for spec, number, rdns in rows:
        program.write("leaf.yaml", web(**spec))
        run(program)
        assert revision(program) == number, spec
        assert rdns_of(program.certificate_pem("web-tls")) == rdns, spec


def test_literal_subject_of_a_secret_without_a_request_counts_its_common_name(program):
    """Behaviour.md 2.3: as after a restore of the Secrets alone."""
    program.write_each(*m.private_ca())
    program.write("leaf.yaml", web(literalSubject="CN=ca.example.test,O=b"))
    run(program)
    pem = program.certificate_pem("web-tls")
    secret = program.object("Secret", "web-tls")
    (program.folder / "state.db").unlink()
    kept = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    program.write("secret.yaml", m.secret("web-tls", kept))
    run(program)
    assert program.certificate_pem("web-tls") == pem


@pytest.mark.parametrize("issuer_name", ["ca", "self"])
def test_other_names_have_the_bytes_of_openssl(program, tmp_path, issuer_name):
    program.write_each(*m.private_ca())
    spec = {"emailAddresses": ["email@example.test"], "commonName": "web"}
    program.write("leaf.yaml", web((), issuer_name, otherNames=OTHER_NAMES, **spec))
    run(program)
    pem = program.certificate_pem("web-tls")
    assert general_names_of(pem) == general_names_of(other_names_by_openssl(tmp_path))
    assert_at_rest(program)
    shown = program.command("inspect", program.tls("web-tls") / "tls.crt").stdout
    for one in OTHER_NAMES:
        assert f"{one['utf8Value']} (of type {one['oid']})" in shown


def test_other_names_alone_are_enough_and_another_one_is_another_certificate(program):
    program.write_each(*m.private_ca())
    rows = [
        (OTHER_NAMES, 1),
        (OTHER_NAMES[::-1], 1),  # in any order
        (OTHER_NAMES[:1], 2),
        ([{"oid": "1.2.3", "utf8Value": "a"}], 3),
    ]
    for other_names, number in rows:
        program.write("leaf.yaml", web((), otherNames=other_names))
        run(program)
        assert revision(program) == number, other_names
        assert len(general_names_of(program.certificate_pem("web-tls"))) == len(
            other_names if number > 1 else OTHER_NAMES
        )
    # Nobody compares them where none are asked for (behaviour.md 2.2).
    program.write("leaf.yaml", web(("www.example.test",)))
    run(program)
    assert revision(program) == 4  # for the DNS name
    program.write("leaf.yaml", web(("www.example.test",), otherNames=OTHER_NAMES))
    run(program)
    program.write("leaf.yaml", web(("www.example.test",)))
    run(program)
    assert revision(program) == 5
    assert len(general_names_of(program.certificate_pem("web-tls"))) == 3


def test_name_constraints_of_a_ca_bind_what_it_signs(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write("root.yaml", m.root_certificate("self", "default", nameConstraints={"critical": True, **BOUNDS}))
    leaves = [m.certificate(name, (), "ca", **spec) for name, (spec, _) in WITHIN.items()]
    program.write("leaves.yaml", *leaves)
    run(program)
    assert "X509v3 Name Constraints: critical" in text_of(program.certificate_pem("root-tls"))
    for name, (_, refusal) in WITHIN.items():
        if refusal is None:
            assert verified(program, f"{name}-tls", tmp_path)
        else:
            with pytest.raises(BedError, match=refusal):
                verified(program, f"{name}-tls", tmp_path)


def test_name_constraints_are_those_of_openssl_and_a_change_waits_for_the_next_one(program, tmp_path):
    program.write_each(*m.private_ca())
    program.write("root.yaml", m.root_certificate("self", "default", nameConstraints=BOUNDS))
    run(program)
    pem = program.certificate_pem("root-tls")
    assert bounds_of(pem) == bounds_of(bounds_by_openssl(tmp_path))
    # Not compared (behaviour.md 2.2): a CA is not replaced by an edit.
    bounds = {"excluded": {"ipRanges": ["0.0.0.0/0"]}}
    program.write("root.yaml", m.root_certificate("self", "default", nameConstraints=bounds))
    run(program)
    assert program.certificate_pem("root-tls") == pem
    renew(program, "root")
    run(program)
    assert bounds_of(program.certificate_pem("root-tls")) == {("Excluded", "IP:0.0.0.0/0.0.0.0")}


@pytest.mark.parametrize("spec, path, words", BAD_NAMES)
def test_names_that_no_certificate_can_hold_are_told_with_their_field(program, spec, path, words):
    program.write_each(*m.private_ca())
    file = program.write("leaf.yaml", web(**spec))
    for done in (program.command("check", file), program.run_once()):
        assert done.returncode != 0
        assert f"{path}: " in done.stdout + done.stderr
        assert words in done.stdout + done.stderr
    assert not program.tls("web-tls").exists()


def test_a_request_of_your_own_that_is_not_issued_is_told(program):
    csr = base64.b64encode(pki.new_csr(["hand.test"]).encode()).decode()

    def write_request(name, issuer):
        head = {"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": name}}
        program.write(f"{name}.yaml", {**head, "spec": {"request": csr, "issuerRef": {"name": issuer}}})

    def assert_told(said):
        assert said in run(program, code=1)
        told = program.command("status", "--dir", program.folder)
        assert told.returncode == 1 and said in told.stdout and "default/good" not in told.stdout

    program.write_each(*m.private_ca())
    write_request("good", "ca")
    run(program)
    assert [one["state"] for one in program.status()["requests"]] == ["issued"]

    write_request("bad", "nobody")
    assert_told("CertificateRequest default/bad: approved: ")
    program.remove("bad.yaml")
    run(program)

    good = program.object("CertificateRequest", "good")
    no = {"type": "Denied", "status": "True", "reason": "Policy", "message": "not this one"}
    metadata = {"name": "no", "namespace": "default"}
    program.plant("certificaterequests.cert-manager.io", {**good, "metadata": metadata, "status": {"conditions": [no]}})
    assert_told("CertificateRequest default/no: denied: ")
    assert [one["state"] for one in program.status()["requests"]] == ["issued", "denied"]
