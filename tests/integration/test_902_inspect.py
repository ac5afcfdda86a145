"""certlet inspect: Secrets, and whether a certificate was revoked, asked at CRLs and OCSP responders of openssl."""

import base64
import datetime
import http.server
import json
import pathlib
import tempfile
import threading

import pytest

from support import manifests as m
from support import pki
from support.certlet import Certlet
from support.files import der_values
from support.server import BedError

LISTEN = ["--http01-listen", "127.0.0.1:0"]

CONFIG = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
crlnumber = {folder}/crlnumber
private_key = {folder}/ca.key
certificate = {folder}/ca.pem
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
unique_subject = no
[any]
commonName = supplied
[leaf]
basicConstraints = CA:false
subjectAltName = DNS:a.test
crlDistributionPoints = URI:http://127.0.0.1:{port}/crl
authorityInfoAccess = OCSP;URI:http://127.0.0.1:{port}/ocsp
[steering]
basicConstraints = CA:false
subjectAltName = DNS:a\x1b[31mb.test,URI:x:\x1b]0;c,email:\x07d@e.test
[directory]
basicConstraints = CA:false
crlDistributionPoints = URI:ldap://ldap.test/cn=list
authorityInfoAccess = OCSP;URI:ftp://ftp.test/ocsp
[further]
basicConstraints = CA:false
subjectAltName = DNS:a.test, RID:1.2.3.4, dirName:somebody, otherName:1.2.3;IA5STRING:x
extendedKeyUsage = serverAuth, 1.3.6.1.4.1.311.20.2.2
[by_name_alone]
basicConstraints = CA:false
crlDistributionPoints = by_name
[steering_url]
basicConstraints = CA:false
crlDistributionPoints = URI:ldap://ldap.test/a list\x1b[31m
[eight]
basicConstraints = CA:false
crlDistributionPoints = URI:{eight}, URI:http://127.0.0.1:{port}/crl
[both_ways]
basicConstraints = CA:false
crlDistributionPoints = URI:ldap://ldap.test/cn=list, URI:http://127.0.0.1:{port}/crl
[bounds]
basicConstraints = CA:true
nameConstraints = critical, @limits
[limits]
permitted;DNS.1 = .inside.test
permitted;DNS.2 = other.test
permitted;IP.1 = 10.0.0.0/255.128.0.0
permitted;dirName.1 = somebody
excluded;IP.1 = ::/::
excluded;email.1 = .mail.test
excluded;URI.1 = .web.test
[somebody]
O = Some, Body
[unreadable]
basicConstraints = CA:true
subjectAltName = URI:http://a b/
nameConstraints = permitted;DNS:a..test
[everything]
basicConstraints = CA:true
nameConstraints = @everyone
[everyone]
excluded;DNS.1 =
[broken]
basicConstraints = CA:true
nameConstraints = DER:0400
[intermediate]
basicConstraints = CA:true
crlDistributionPoints = URI:http://127.0.0.1:{port}/crl
[relative]
basicConstraints = CA:false
crlDistributionPoints = by_address, by_name
[by_address]
fullname = URI:http://127.0.0.1:{port}/crl
[by_name]
relativename = shard_one
[shard_one]
CN = shard one
[shard_two]
CN = shard two
[foreign]
basicConstraints = CA:false
crlDistributionPoints = foreign_point
[foreign_point]
fullname = URI:http://127.0.0.1:{port}/crl
CRLissuer = dirName:somebody
[list_same]
issuingDistributionPoint = critical, @scope_same
[scope_same]
fullname = URI:http://mirror.test/crl, URI:http://127.0.0.1:{port}/crl
[list_other]
issuingDistributionPoint = critical, @scope_other
[scope_other]
fullname = URI:http://127.0.0.1:{port}/other
[list_one]
issuingDistributionPoint = critical, @scope_one
[scope_one]
relativename = shard_one
[list_two]
issuingDistributionPoint = critical, @scope_two
[scope_two]
relativename = shard_two
[list_whole]
issuingDistributionPoint = critical, @scope_whole
[scope_whole]
fullname = dirName:shard_whole
[shard_whole]
1.CN = certlet test authority
2.CN = shard one
[list_user]
issuingDistributionPoint = critical, @scope_user
[scope_user]
onlyuser = TRUE
[list_ca]
issuingDistributionPoint = critical, @scope_ca
[scope_ca]
onlyCA = TRUE
[list_attribute]
issuingDistributionPoint = critical, @scope_attribute
[scope_attribute]
onlyAA = TRUE
[list_reasons]
issuingDistributionPoint = critical, @scope_reasons
[scope_reasons]
onlysomereasons = keyCompromise, CACompromise
[list_indirect]
issuingDistributionPoint = critical, @scope_indirect
[scope_indirect]
indirectCRL = TRUE
[list_broken]
issuingDistributionPoint = critical, DER:0400
[responder]
basicConstraints = CA:false
extendedKeyUsage = OCSPSigning
"""


class Authority:
    """A CA by `openssl ca`, with its CRL and its OCSP responder (`openssl ocsp`) on a port."""

    def __init__(self, folder, usage="keyCertSign,cRLSign"):
        self.folder = pathlib.Path(folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.signer = "ca"
        self.crl = b""
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "crlnumber").write_text("01\n")
        config = CONFIG.format(folder=folder, port=self.server.server_address[1],
                               eight=", URI:".join(f"ldap://{number}.test/" for number in range(8)))
        (self.folder / "ca.cnf").write_text(config)
        pki.new_certificate(folder, "ca", "certlet test authority", "basicConstraints=critical,CA:true",
                            f"keyUsage={usage}")

    def _handler(self):
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(authority.crl)

            def do_POST(self):
                self.reply(authority.answer(self.rfile.read(int(self.headers["content-length"]))))

            def reply(self, body):
                self.send_response(200 if body else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def ca(self, *arguments):
        pki.openssl("ca", "-batch", "-config", self.folder / "ca.cnf", *arguments)

    def issue(self, stem, section="leaf", *more, subject=None):
        key, csr, pem = (self.folder / f"{stem}.{suffix}" for suffix in ("key", "csr", "pem"))
        pki.openssl("req", "-new", "-utf8", *pki.NEW_KEY, "-keyout", key, "-out", csr, "-subj", f"/CN={subject or stem}")
        self.ca("-in", csr, "-out", pem, "-notext", "-extensions", section, *more)
        return pem, key

    def revoke(self, pem, reason):
        self.ca("-revoke", pem, "-crl_reason", reason)

    def publish(self, *arguments):
        self.ca("-gencrl", "-out", self.folder / "ca.crl", *arguments)
        self.crl = pki.openssl_bytes("crl", "-in", self.folder / "ca.crl", "-outform", "DER")

    def answer(self, question):
        with tempfile.TemporaryDirectory() as own:
            asked, told = pathlib.Path(own) / "q", pathlib.Path(own) / "a"
            asked.write_bytes(question)
            signer = self.folder / self.signer
            pki.openssl("ocsp", "-index", self.folder / "index.txt", "-CA", self.folder / "ca.pem", "-rsigner",
                        f"{signer}.pem", "-rkey", f"{signer}.key", "-reqin", asked, "-respout", told,
                        "-ndays", 1)
            return told.read_bytes()


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca").mkdir()
    with Authority(tmp_path / "ca") as one:
        yield one


@pytest.fixture
def inspect(binary, tmp_path):
    program = Certlet(binary, tmp_path / "inspect")

    def run(*arguments, code=0):
        done = program.command("inspect", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def chain(authority, pem):
    """With the issuer behind it, without which nothing can be asked."""
    file = authority.folder / "chain.pem"
    file.write_bytes(pem.read_bytes() + (authority.folder / "ca.pem").read_bytes())
    return file


def answers(inspect, file, code=0):
    found = json.loads(inspect("--revocation", "-o", "json", file, code=code))
    return {one["kind"]: one for one in found["revocation"]}


def test_a_certificate_that_was_not_revoked(authority, inspect):
    pem, _ = authority.issue("good")
    authority.publish()
    found = answers(inspect, chain(authority, pem))
    assert found["CRL"]["state"] == found["OCSP"]["state"] == "good"
    assert found["CRL"]["nextUpdate"] > found["CRL"]["thisUpdate"]
    text = inspect("--revocation", chain(authority, pem))
    assert text.count(": not revoked (as of ") == 2


def test_a_certificate_that_was_revoked(authority, inspect):
    pem, _ = authority.issue("bad")
    authority.revoke(pem, "keyCompromise")
    authority.publish()
    found = answers(inspect, chain(authority, pem), code=1)
    for kind in ("CRL", "OCSP"):
        assert found[kind]["state"] == "revoked"
        assert found[kind]["reason"] == "keyCompromise"
        assert found[kind]["revokedAt"]
    assert ": REVOKED at " in inspect("--revocation", chain(authority, pem), code=1)


def test_a_certificate_that_is_not_in_force_yet_says_so(authority, inspect):
    pem, _ = authority.issue("future", "leaf", "-startdate", "20980101000000Z", "-enddate", "20990101000000Z")
    assert "(NOT in force for another " in inspect(chain(authority, pem), code=1)


def test_nothing_is_asked_without_the_flag(authority, inspect):
    pem, _ = authority.issue("bad")
    authority.revoke(pem, "superseded")
    authority.publish()
    assert "revocation" not in inspect(chain(authority, pem))


def test_a_responder_that_the_issuer_authorised_counts(authority, inspect):
    pem, _ = authority.issue("good")
    authority.issue("responder", "responder")
    authority.publish()
    authority.signer = "responder"
    assert answers(inspect, chain(authority, pem))["OCSP"]["state"] == "good"


def test_answers_of_strangers_do_not_count(authority, inspect, tmp_path):
    pem, _ = authority.issue("good")
    authority.issue("server")  # the issuer's, but not for signing answers
    (tmp_path / "other").mkdir()
    authority.signer = "server"
    with Authority(tmp_path / "other") as other:
        other.publish()
        authority.crl = other.crl
        found = answers(inspect, chain(authority, pem), code=1)
    assert "not signed by the issuer" in found["OCSP"]["problem"]
    assert "its signature is not the issuer's" in found["CRL"]["problem"]


def test_a_list_of_one_that_may_sign_none_does_not_count(inspect, tmp_path):
    (tmp_path / "ca").mkdir()
    with Authority(tmp_path / "ca", usage="keyCertSign") as authority:
        pem, _ = authority.issue("good")
        authority.publish()
        problem = answers(inspect, chain(authority, pem))["CRL"]["problem"]
    assert problem == "its issuer may not sign it: the key usage of 'CN=certlet test authority' lacks cRLSign"


def test_a_list_that_is_out_of_date_does_not_count(authority, inspect):
    pem, _ = authority.issue("good")
    authority.publish("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
    assert "out of date" in answers(inspect, chain(authority, pem))["CRL"]["problem"]


OTHER_POINT = "does not cover the certificate: it is of another distribution point"


@pytest.mark.parametrize(
    "section, listed, says",
    [
        ("leaf", "list_same", None),
        ("leaf", "list_other", OTHER_POINT),
        ("leaf", "list_one", OTHER_POINT),
        ("relative", "list_same", None),
        ("relative", "list_other", OTHER_POINT),
        ("relative", "list_one", None),
        ("relative", "list_two", OTHER_POINT),
        ("relative", "list_whole", None),
        ("foreign", "list_same", OTHER_POINT),  # which an indirect list would have to cover
        ("leaf", "list_user", None),
        ("leaf", "list_ca", "does not cover the certificate: it is for certificates of CAs only"),
        ("intermediate", "list_ca", None),
        ("intermediate", "list_user", "does not cover the certificate: it is for end certificates only"),
        ("leaf", "list_attribute", "it is for attribute certificates only"),
        ("leaf", "list_reasons", "it has revocations for some reasons only, and none of the certificate"),
        ("leaf", "list_indirect", "it is a list of several issuers"),
        ("leaf", "list_broken", "the extension 'X509v3 Issuing Distribution Point' is malformed"),
    ],
)
def test_a_list_counts_for_the_certificates_that_it_says_it_is_about(authority, inspect, section, listed, says):
    pem, _ = authority.issue("good", section)
    authority.publish("-crlexts", listed)
    has_responder = section == "leaf"
    found = answers(inspect, chain(authority, pem), code=0 if has_responder or not says else 1)
    if says:
        assert says in found["CRL"]["problem"] and "state" not in found["CRL"]
    else:
        assert found["CRL"]["state"] == "good"


def test_a_revocation_in_a_list_for_some_reasons_counts(authority, inspect):
    pem, _ = authority.issue("bad")
    authority.revoke(pem, "keyCompromise")
    authority.publish("-crlexts", "list_reasons")
    assert answers(inspect, chain(authority, pem), code=1)["CRL"]["state"] == "revoked"


def day(days):
    """A day from now on as openssl takes it."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y%m%d%H%M%SZ")


def der(tag, *parts):
    content = b"".join(parts)
    length = len(content).to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag]) + (length if len(content) < 0x80 else bytes([0x80 + len(length)]) + length) + content


def without_next_update(authority):
    """The list that was published, without a date that openssl always writes, signed again."""
    ((_, signed),) = der_values(authority.crl)
    (_, body), (algorithm, _), _ = der_values(signed)
    values = [whole for whole, _ in der_values(body)]
    assert [value[0] for value in values[3:5]] == [0x17, 0x17]  # thisUpdate, nextUpdate
    left = der(0x30, *values[:4], *values[5:])
    signature = pki.openssl_bytes("dgst", "-sha256", "-sign", authority.folder / "ca.key", stdin=left)
    return der(0x30, left, algorithm, der(0x03, b"\0", signature))


NO_NEXT = "; it does not say when the next one is due)"


def test_a_list_that_does_not_say_when_the_next_one_comes_counts_for_a_week(authority, inspect):
    pem, _ = authority.issue("good")
    file = chain(authority, pem)
    authority.publish()
    assert NO_NEXT not in inspect("--revocation", file)

    authority.publish("-crl_lastupdate", day(-6), "-crl_nextupdate", day(1))
    authority.crl = without_next_update(authority)
    found = answers(inspect, file)["CRL"]
    assert found["state"] == "good" and "nextUpdate" not in found
    assert NO_NEXT in inspect("--revocation", file)

    authority.publish("-crl_lastupdate", day(-8), "-crl_nextupdate", day(1))
    assert answers(inspect, file)["CRL"]["state"] == "good"  # as it says that it counts for longer
    authority.crl = without_next_update(authority)
    found = answers(inspect, file)["CRL"]
    assert found["problem"] == "it does not say when the next one is due, and is older than 7 days"


def test_a_certificate_that_the_responder_does_not_know(authority, inspect):
    pem, _ = authority.issue("lost")
    (authority.folder / "index.txt").write_text("")
    authority.publish()
    assert answers(inspect, chain(authority, pem))["OCSP"]["state"] == "unknown"


def test_what_cannot_be_reached_or_read_is_a_problem_of_its_own(authority, inspect):
    pem, _ = authority.issue("good")
    found = answers(inspect, chain(authority, pem))
    assert "status 503" in found["CRL"]["problem"]
    assert found["OCSP"]["state"] == "good"
    authority.crl = b"<html>"
    assert "not a CRL" in answers(inspect, chain(authority, pem))["CRL"]["problem"]
    assert "issuer is not at hand" in answers(inspect, pem, code=1)["CRL"]["problem"]


def test_names_that_would_steer_a_terminal_do_not(authority, inspect):
    pem, _ = authority.issue("steering", "steering")
    text = inspect(pem)
    assert "b.test" in text and "d@e.test" in text
    assert "\x1b" not in text and "\x07" not in text


# Those of the direction of writing, of CVE-2021-42574; one that is unseen; C1; and a letter that is one.
UNSEEN = "a\u202eb\u2066c\u200fd\u061ce\u200bf\u009bg\u05d0"


def test_names_that_would_turn_the_line_around_do_not(authority, inspect):
    pem, _ = authority.issue("turned", subject=UNSEEN)
    text = inspect(pem)
    assert "  subject      CN=a?b?c?d?e?f?g\u05d0\n" in text
    as_json = inspect("-o", "json", pem)
    assert "CN=a\\u202eb\\u2066c" in as_json
    assert json.loads(as_json)["certificates"][0]["subject"] == f"CN={UNSEEN}"


def test_names_and_usages_that_a_certificate_cannot_ask_for_are_shown(authority, inspect):
    pem, _ = authority.issue("further", "further")
    text = inspect(pem)
    assert "  more names   registered identifier 1.2.3.4, directory name O=Some\\, Body, an other name\n" in text
    assert "  more usages  1.3.6.1.4.1.311.20.2.2\n" in text
    shown = json.loads(inspect("-o", "json", pem))["certificates"][0]
    assert shown["furtherUsages"] == ["1.3.6.1.4.1.311.20.2.2"] and len(shown["furtherNames"]) == 3


def test_names_that_go_cannot_read_are_shown(authority, inspect):
    """Nobody gets them from us, and here they are found."""
    pem, _ = authority.issue("unreadable", "unreadable")
    text = inspect(pem)
    assert "http://a b/" in text and "  may sign     DNS a..test\n" in text
    assert json.loads(inspect("-o", "json", pem))["certificates"][0]["uris"] == ["http://a b/"]


# --- places that cannot be asked ---

NOT_FETCHED = "not asked, as only http:// and https:// can be fetched here"


def test_places_that_cannot_be_asked_are_named(authority, inspect):
    pem, _ = authority.issue("directory", "directory")
    lines = inspect("--revocation", chain(authority, pem), code=1).splitlines()
    assert f"  certificate 1, CRL ldap://ldap.test/cn=list: problem: {NOT_FETCHED}" in lines
    assert f"  certificate 1, OCSP ftp://ftp.test/ocsp: problem: {NOT_FETCHED}" in lines


@pytest.mark.parametrize(
    "section, place",
    [("by_name_alone", "(a name that is no URL)"), ("steering_url", "ldap://ldap.test/a list?[31m")],
)
def test_a_place_is_told_whatever_it_is(authority, inspect, section, place):
    pem, _ = authority.issue("place", section)
    assert f"CRL {place}: problem: {NOT_FETCHED}" in inspect("--revocation", chain(authority, pem), code=1)


def test_many_places_that_cannot_be_asked_hide_none(authority, inspect):
    pem, _ = authority.issue("eight", "eight")
    authority.publish()
    assert ": not revoked (as of " in inspect("--revocation", chain(authority, pem))


def test_one_place_that_can_be_asked_is_enough(authority, inspect):
    pem, _ = authority.issue("both", "both_ways")
    authority.publish()
    text = inspect("--revocation", chain(authority, pem))
    assert NOT_FETCHED in text and text.count(": not revoked (as of ") == 1


def test_where_no_place_is_named_it_says_so(authority, inspect):
    pem, _ = authority.issue("nowhere", "everything")
    assert "no certificate names a CRL or OCSP responder" in inspect("--revocation", chain(authority, pem))


# --- what is not read ---

NOT_READ = {  # what is said, and what makes the file of a certificate's
    "there is a PEM block 'CERTIFICATE REQUEST', but no certificate": lambda pem: pem.with_suffix(".csr").read_bytes(),
    "it looks like DER": lambda pem: pki.openssl_bytes("x509", "-in", pem, "-outform", "DER"),
    "it begins with a byte order mark": lambda pem: b"\xef\xbb\xbf" + pem.read_bytes(),
    "there is no PEM block": lambda pem: b"",
}


@pytest.mark.parametrize("says", NOT_READ)
def test_what_is_there_in_place_of_a_certificate_is_told(authority, program, tmp_path, says):
    pem, _ = authority.issue("plain")
    (tmp_path / "file").write_bytes(NOT_READ[says](pem))
    done = program.command("inspect", tmp_path / "file")
    assert done.returncode == 1 and says in done.stderr


# --- private keys ---

FITS, FITS_NOT = "  fits         certificate 1", "  fits         NOT the first certificate"
ONE_MORE = "one more private key, which programs pass over"


def texts(*files):
    return b"".join(file.read_bytes() for file in files)


def test_a_second_key_is_told_and_whether_it_fits(authority, inspect, tmp_path):
    (pem, key), (_, other) = authority.issue("one"), authority.issue("two")
    file = tmp_path / "both.pem"
    file.write_bytes(texts(key, pem, other))
    lines = inspect(file, code=1).splitlines()
    assert lines[lines.index("private key") + 2] == FITS
    assert lines[lines.index(ONE_MORE) + 2] == FITS_NOT
    file.write_bytes(texts(other, key, pem))
    lines = inspect(file, code=1).splitlines()
    assert lines[lines.index("private key") + 2] == FITS_NOT
    assert lines[lines.index(ONE_MORE) + 2] == FITS
    found = json.loads(inspect("-o", "json", file, code=1))
    assert found["privateKey"]["fits"] is False and [one["fits"] for one in found["morePrivateKeys"]] == [True]
    file.write_bytes(texts(key, key, pem))
    assert ONE_MORE in inspect(file)
    file.write_bytes(texts(key))
    assert ONE_MORE not in inspect(file) and "morePrivateKeys" not in inspect("-o", "json", file)


def test_a_second_key_that_cannot_be_read_is_a_problem(authority, inspect, tmp_path):
    pem, key = authority.issue("one")
    broken = b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
    (tmp_path / "both.pem").write_bytes(texts(key, pem) + broken)
    text = inspect(tmp_path / "both.pem", code=1)
    assert f"{ONE_MORE}\nproblem: the PEM block 'EC PRIVATE KEY' cannot be read" in text
    assert FITS in text.splitlines()


def test_a_key_before_a_long_chain_is_read(authority, inspect, tmp_path):
    """Together they are larger than a key may be."""
    pem, key = authority.issue("long", "bounds", subject="a" * 60)
    file = tmp_path / "combined.pem"
    file.write_bytes(texts(key, *[pem] * 16))
    assert file.stat().st_size > 13_000
    assert FITS in inspect(file, code=1).splitlines()


# --- bounds of a CA ---


def test_the_names_that_a_ca_may_sign_are_shown(authority, inspect):
    pem, _ = authority.issue("bounded", "bounds")
    lines = inspect(pem).splitlines()
    assert "  may sign     DNS .inside.test, DNS other.test, IP 10.0.0.0/9, directory name O=Some\\, Body" in lines
    assert "  may not sign IP ::/0, e-mail .mail.test, URI .web.test" in lines
    assert "  bounds are   critical" in lines
    assert json.loads(inspect("-o", "json", pem))["certificates"][0]["nameConstraints"] == {
        "critical": True,
        "permitted": {
            "dnsDomains": [".inside.test", "other.test"],
            "ipRanges": ["10.0.0.0/9"],
            "others": ["directory name O=Some\\, Body"],
        },
        "excluded": {"ipRanges": ["::/0"], "emailAddresses": [".mail.test"], "uriDomains": [".web.test"]},
    }


def test_a_ca_that_may_sign_no_dns_name_is_shown_as_one(authority, inspect):
    pem, _ = authority.issue("bounded", "everything")
    text = inspect(pem)
    assert "  may not sign DNS (all)\n" in text and "bounds are   not critical" in text
    assert "may sign  " not in text


def test_bounds_that_cannot_be_read_are_told(authority, inspect):
    pem, _ = authority.issue("bounded", "broken")
    text = inspect(pem, code=1)
    assert "  bounds       problem: the extension 'X509v3 Name Constraints' is malformed" in text
    found = json.loads(inspect("-o", "json", pem, code=1))["certificates"][0]
    assert list(found["nameConstraints"]) == ["problem"]


def test_nothing_is_said_of_bounds_where_there_are_none(authority, inspect):
    pem, _ = authority.issue("free")
    assert "sign" not in inspect(pem).replace("signing", "")
    assert "nameConstraints" not in inspect("-o", "json", pem)


# --- what clients refuse in a chain (RFC 5280 6.1) ---


class Path:
    """root.pem, middle.pem, leaf.pem, each signed by the one before it; `own` are extensions that one has instead."""

    USUAL = {
        "root": {"basicConstraints": "critical,CA:true"},
        "middle": {"basicConstraints": "critical,CA:true"},
        "leaf": {"basicConstraints": "critical,CA:false", "subjectAltName": "DNS:a.in.test"},
    }

    def __init__(self, folder, own, subject="/CN=leaf"):
        self.folder = folder
        issuer = None
        for stem, usual in self.USUAL.items():
            name = subject if stem == "leaf" else f"/CN={stem}"
            issuer = self.make(stem, name, {**usual, **own.get(stem, {})}, issuer)

    def make(self, stem, subject, extensions, issuer):
        key, csr, pem, config = (self.folder / f"{stem}.{suffix}" for suffix in ("key", "csr", "pem", "cnf"))
        lines = [f"{name} = {value}" for name, value in extensions.items() if value]
        config.write_text("\n".join([*lines, "[somebody]", "O = In"]))
        pki.openssl("req", "-new", *pki.NEW_KEY, "-keyout", key, "-out", csr, "-subj", subject)
        signer = ["-CA", issuer[0], "-CAkey", issuer[1]] if issuer else ["-signkey", key]
        pki.openssl("x509", "-req", "-in", csr, *signer, "-days", 30, "-extfile", config, "-out", pem)
        return pem, key

    def pem(self, *stems):
        return texts(*(self.folder / f"{stem}.pem" for stem in stems))

    def file(self, *stems):
        file = self.folder / "path.pem"
        file.write_bytes(self.pem(*stems))
        return file

    def openssl_takes_it(self):
        trusted = ("-trusted", self.folder / "root.pem", "-untrusted", self.folder / "middle.pem")
        try:
            return "OK" in pki.openssl("verify", "-partial_chain", *trusted, self.folder / "leaf.pem")
        except BedError:
            return False


def bounds(text, place="middle"):
    return {place: {"nameConstraints": text}}


def names(text):
    return {"leaf": {"subjectAltName": text}}


MAY_NOT = "certificate 1 of the chain ('CN=leaf') has names that certificate 2 of the chain ('CN=middle') may not sign " \
    "(name constraints: "
OUTSIDE, WITHIN = f"{MAY_NOT}outside of what is permitted): ", f"{MAY_NOT}within what is excluded): "
UNCLEAR = f"{MAY_NOT}not to be compared with what is permitted or excluded): "
TO_DO = "; leave them out, or use a CA that may sign them"

REFUSED = [  # own extensions, and what is said
    (
        {"root": {"basicConstraints": "critical,CA:true,pathlen:0"}},
        "certificate 3 of the chain ('CN=root') may have 0 CAs below it (basicConstraints, pathLenConstraint) and has 1: "
        "get a certificate from a CA within that limit, or a CA without it",
    ),
    (
        {"middle": {"keyUsage": "critical,cRLSign"}},
        "certificate 2 of the chain ('CN=middle') may not sign certificates, as its key usage lacks keyCertSign: "
        "have it issued anew with 'cert sign' among its usages",
    ),
    (
        {"root": {"keyUsage": "cRLSign"}},
        "certificate 3 of the chain ('CN=root') may not sign certificates, as its key usage lacks keyCertSign: "
        "have it issued anew with 'cert sign' among its usages",
    ),
    (
        {"leaf": {"1.2.3.4": "critical,ASN1:NULL"}},
        "certificate 1 of the chain ('CN=leaf') has the critical extension 1.2.3.4, which clients do not know and so have "
        "to refuse: have it issued without, or with it not critical",
    ),
    (
        {"middle": {"1.3.6.1.5.5.7.1.24": "critical,DER:3003020105"}},
        "certificate 2 of the chain ('CN=middle') has the critical extension 1.3.6.1.5.5.7.1.24, which clients do not know "
        "and so have to refuse: have it issued without, or with it not critical",
    ),
    (
        {"middle": {"nameConstraints": "DER:0400"}},
        "certificate 2 of the chain ('CN=middle') has extensions that are malformed or contradict each other: "
        "have it issued anew",
    ),
    (
        {"leaf": {"authorityKeyIdentifier": "DER:30048002ABCD"}, "middle": {"subjectKeyIdentifier": "hash"}},
        "certificate 1 of the chain ('CN=leaf') says that another key has signed it (authorityKeyIdentifier) than that of "
        "certificate 2 of the chain ('CN=middle'): put the certificate of the CA that it means in that place",
    ),
    (
        {**bounds("permitted;DNS:in.test"), **names("DNS:a.in.test,DNS:out.test")},
        f"{OUTSIDE}DNS name 'out.test'{TO_DO}",
    ),
    (
        {**bounds("critical,excluded;DNS:in.test"), **names("DNS:in.test,DNS:b.in.test,DNS:out.test")},
        f"{WITHIN}DNS name 'in.test', DNS name 'b.in.test'{TO_DO}",
    ),
    (
        {**bounds("permitted;IP:10.0.0.0/255.0.0.0"), **names("IP:10.0.0.1,IP:11.0.0.1,IP:fd00::1")},
        f"{OUTSIDE}IP address 11.0.0.1, IP address fd00::1{TO_DO}",
    ),
    (
        {**bounds("excluded;email:in.test"), **names("email:a@in.test,email:b@out.test")},
        f"{WITHIN}e-mail address 'a@in.test'{TO_DO}",
    ),
    (
        {**bounds("permitted;URI:in.test"), **names("URI:https://in.test/,URI:https://out.test/")},
        f"{OUTSIDE}URI 'https://out.test/'{TO_DO}",
    ),
    (
        {**bounds("permitted;URI:in.test"), **names("URI:urn:a:b")},
        f"{UNCLEAR}URI 'urn:a:b'{TO_DO}",
    ),
    (
        {**bounds("excluded;dirName:somebody"), **names("dirName:somebody,DNS:a.in.test")},
        f"{WITHIN}directory name O=In{TO_DO}",
    ),
    (bounds("permitted;dirName:somebody"), f"{OUTSIDE}subject 'CN=leaf'{TO_DO}"),
    (
        {**bounds("excluded;DNS:.in.test"), **names(",".join(f"DNS:{number}.in.test" for number in range(10)))},
        WITHIN + ", ".join(f"DNS name '{number}.in.test'" for number in range(8)) + f" and 2 more{TO_DO}",
    ),
    (
        bounds("excluded;DNS:in.test", "root"),
        "certificate 1 of the chain ('CN=leaf') has names that certificate 3 of the chain ('CN=root') may not sign "
        f"(name constraints: within what is excluded): DNS name 'a.in.test'{TO_DO}",
    ),
    (
        {**bounds("permitted;DNS:in.test", "root"), "middle": {"subjectAltName": "DNS:out.test"}},
        "certificate 2 of the chain ('CN=middle') has names that certificate 3 of the chain ('CN=root') may not sign "
        f"(name constraints: outside of what is permitted): DNS name 'out.test'{TO_DO}",
    ),
]


def problems(text):
    head = "problem: "
    return [line[len(head):] for line in text.splitlines() if line.startswith(head)]


@pytest.mark.parametrize("own, says", REFUSED)
def test_what_clients_refuse_is_a_problem(inspect, tmp_path, own, says):
    path = Path(tmp_path, own)
    file = path.file("leaf", "middle", "root")
    text = inspect(file, code=1)
    assert problems(text) == [says]
    assert "each certificate is signed by the next one" in text.splitlines()
    assert json.loads(inspect("-o", "json", file, code=1))["findings"] == [says]
    assert not path.openssl_takes_it()


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"root": {"basicConstraints": "critical,CA:true,pathlen:1"}, "middle": {"basicConstraints": "CA:true,pathlen:0"}},
        {"root": {"keyUsage": "keyCertSign"}, "leaf": {"keyUsage": "digitalSignature"}},
        {"leaf": {"1.2.3.4": "ASN1:NULL"}},
        {**bounds("critical,permitted;DNS:in.test,excluded;IP:0.0.0.0/0.0.0.0"), **names("DNS:in.test,DNS:a.in.test")},
        {**bounds("permitted;DNS:in.test"), **names("IP:10.0.0.1")},  # nothing is said of addresses
    ],
)
def test_what_clients_take_is_none(inspect, tmp_path, own):
    path = Path(tmp_path, own)
    file = path.file("leaf", "middle", "root")
    assert problems(inspect(file)) == [] and "findings" not in json.loads(inspect("-o", "json", file))
    assert path.openssl_takes_it()


def test_a_common_name_counts_where_there_is_no_dns_name(inspect, tmp_path):
    path = Path(tmp_path, {**bounds("permitted;DNS:in.test"), **names("")}, subject="/CN=out.test")
    (found,) = problems(inspect(path.file("leaf", "middle"), code=1))
    assert found.startswith("certificate 1 of the chain ('CN=out.test') has names ")
    assert f"permitted): common name 'out.test'{TO_DO}" in found
    assert not path.openssl_takes_it()


def test_a_limit_of_what_is_not_in_the_chain_is_not_known(inspect, tmp_path):
    path = Path(tmp_path, {"root": {"basicConstraints": "critical,CA:true,pathlen:0"}})
    assert problems(inspect(path.file("leaf", "middle"))) == []


def test_all_that_is_wrong_is_told_whatever_the_order(inspect, tmp_path):
    own = {**bounds("permitted;DNS:in.test", "root"), **names("DNS:a.test"), "middle": {"1.2.3.4": "critical,ASN1:NULL"}}
    file = Path(tmp_path, own).file("leaf", "root", "middle")
    order, extension, name = problems(inspect(file, code=1))
    assert order == "certificate 2 of the chain ('CN=root') did not sign the one before it; " \
        "certificate 3 has signed certificate 1 and has to stand there"
    assert extension.startswith("certificate 3 of the chain ('CN=middle') has the critical extension 1.2.3.4")
    assert name.startswith("certificate 1 of the chain ('CN=leaf') has names that certificate 2 of the chain ('CN=root') ")
    assert json.loads(inspect("-o", "json", file, code=1))["findings"] == [order, extension, name]


WRONG_ORDER = [
    (("leaf", "middle", "middle", "root"), "certificate 3 of the chain ('CN=middle') did not sign the one before it; "
     "it is certificate 2 once more: take it out"),
    (("leaf", "leaf", "middle"), "certificate 2 of the chain ('CN=leaf') is not a CA; "
     "it is certificate 1 once more: take it out"),
    (("leaf", "stranger", "middle"), "certificate 2 of the chain ('CN=stranger') did not sign the one before it; "
     "certificate 3 has signed certificate 1 and has to stand there"),
    (("leaf", "middle", "root", "stranger"), "certificate 4 of the chain ('CN=stranger') did not sign the one before it; "
     "certificate 3 has signed itself: take out what is behind it"),
    (("leaf", "stranger"), "certificate 2 of the chain ('CN=stranger') did not sign the one before it; "
     "put that of 'CN=middle' there"),
    (("root", "middle", "leaf"), "certificate 2 of the chain ('CN=middle') did not sign the one before it; "
     "certificate 1 has signed it and must not stand before it"),
]


@pytest.mark.parametrize("stems, says", WRONG_ORDER, ids=lambda value: "-".join(value) if isinstance(value, tuple) else "")
def test_what_stands_in_the_wrong_place_is_told_with_where_it_belongs(inspect, tmp_path, stems, says):
    path = Path(tmp_path, {})
    path.make("stranger", "/CN=stranger", Path.USUAL["root"], None)
    text = inspect(path.file(*stems), code=1)
    assert problems(text) == [says] and "each certificate is signed" not in text
    assert json.loads(inspect("-o", "json", path.file(*stems), code=1))["findings"] == [says]


def test_a_certificate_that_has_expired_is_a_problem_in_words_too(authority, inspect):
    pem, _ = authority.issue("old", "leaf", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    says = "certificate 1 of the chain has expired at 2020-02-01T00:00:00Z"
    assert problems(inspect(pem, code=1)) == [says]
    assert json.loads(inspect("-o", "json", pem, code=1))["findings"] == [says]


# --- Secrets ---


@pytest.fixture
def program(binary, tmp_path):
    one = Certlet(binary, tmp_path / "dir", LISTEN)
    one.write_each(*m.private_ca())
    one.write("web.yaml", m.certificate("web", ["web.test"], "ca"))
    assert one.run_once().returncode == 0
    return one


def test_a_secret_of_a_folder(program, inspect):
    text = inspect("--dir", program.folder, "--secret", "web-tls")
    assert "secret default/web-tls (kubernetes.io/tls)" in text
    assert "entries      ca.crt, tls.crt, tls.key" in text
    assert "issuer       Issuer ca" in text
    assert "fits         certificate 1" in text
    assert "signs        the chain" in text
    found = json.loads(inspect("--dir", program.folder, "--secret", "-o", "json", "default/web-tls"))
    assert found["secret"]["certificateName"] == "web"
    assert found["privateKey"]["fits"] is True
    assert found["ca"][0]["subject"] == "CN=certlet test root"
    key = (program.tls("web-tls") / "tls.key").read_text().splitlines()[1]
    assert key[:20] not in text + json.dumps(found)


def test_a_secret_that_is_not_in_order(program, inspect):
    web, root = (program.object("Secret", f"{name}-tls")["data"] for name in ("web", "root"))
    odd = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "odd", "namespace": "default"}}
    program.write("odd.yaml", {**odd, "data": {"tls.crt": web["tls.crt"], "tls.key": root["tls.key"]}})
    empty = {**odd, "metadata": {"name": "empty", "namespace": "default"}, "data": {"tls.crt": "AAAA"}}
    program.write("empty.yaml", empty)
    program.run_once()
    assert "fits         NOT the first" in inspect("--dir", program.folder, "--secret", "odd", code=1)
    text = inspect("--dir", program.folder, "--secret", "empty", code=1)
    assert "problem: tls.key: " in text and "problem: tls.crt: " in text


def secret_of(program, name, **entries):
    data = {entry.replace("_", "."): base64.b64encode(value).decode() for entry, value in entries.items()}
    head = {"name": name, "namespace": "default"}
    program.write(f"{name}.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": head, "data": data})
    program.run_once()
    return "--dir", program.folder, "--secret", name


def test_what_is_in_ca_crt_is_on_top_of_the_chain(program, inspect, tmp_path):
    own = {**bounds("excluded;DNS:in.test", "root"), "middle": {"1.2.3.4": "critical,ASN1:NULL"}}
    path = Path(tmp_path, own)
    path.make("stranger", "/CN=stranger", {"1.2.3.5": "critical,ASN1:NULL"}, None)
    key = (tmp_path / "leaf.key").read_bytes()
    secret = secret_of(program, "limited", tls_crt=path.pem("leaf", "middle"), tls_key=key,
                       ca_crt=path.pem("stranger", "root"))
    extension, name = problems(inspect(*secret, code=1))
    assert extension.startswith("certificate 2 of the chain ('CN=middle') has the critical extension 1.2.3.4,")
    assert name.startswith("certificate 1 of the chain ('CN=leaf') has names that certificate 2 of ca.crt ('CN=root') may ")
    found = json.loads(inspect(*secret, "-o", "json", code=1))
    assert found["findings"] == [extension, name] and found["caFits"] is True

    secret = secret_of(program, "short", tls_crt=path.pem("leaf"), tls_key=key, ca_crt=path.pem("middle"))
    (extension,) = problems(inspect(*secret, code=1))
    assert extension.startswith("certificate 1 of ca.crt ('CN=middle') has the critical extension 1.2.3.4,")


def test_a_ca_crt_of_somebody_else_says_nothing_of_the_chain(program, inspect, tmp_path):
    path = Path(tmp_path, {})
    path.make("stranger", "/CN=stranger", {"1.2.3.5": "critical,ASN1:NULL"}, None)
    secret = secret_of(program, "other", tls_crt=path.pem("leaf", "middle"),
                       tls_key=(tmp_path / "leaf.key").read_bytes(), ca_crt=path.pem("stranger"))
    text = inspect(*secret)
    assert problems(text) == [] and "signs        NOT the chain" in text
    assert json.loads(inspect(*secret, "-o", "json"))["caFits"] is False


@pytest.mark.parametrize(
    "chain, above, fits",
    [
        (("leaf", "middle", "root"), ("root",), "the chain"),
        (("leaf", "middle", "root"), ("middle",), "the chain"),
        (("leaf",), ("root", "middle"), "the chain"),
        (("root",), ("root",), "the chain"),
        (("leaf", "middle", "root"), ("stranger",), "NOT the chain"),
        (("leaf",), ("root",), "NOT the chain"),
        (("root",), ("stranger",), "NOT the chain"),
    ],
)
def test_whether_a_ca_crt_is_the_chains_is_told(program, inspect, tmp_path, chain, above, fits):
    path = Path(tmp_path, {})
    path.make("stranger", "/CN=stranger", Path.USUAL["root"], None)
    key = (tmp_path / f"{chain[0]}.key").read_bytes()
    secret = secret_of(program, "one", tls_crt=path.pem(*chain), tls_key=key, ca_crt=path.pem(*above))
    assert f"  signs        {fits}" in inspect(*secret).splitlines()
    assert json.loads(inspect(*secret, "-o", "json"))["caFits"] is (fits == "the chain")


def test_a_second_key_in_a_secret_is_told(program, inspect):
    web, root = (program.object("Secret", f"{name}-tls")["data"] for name in ("web", "root"))
    keys = base64.b64encode(base64.b64decode(web["tls.key"]) + base64.b64decode(root["tls.key"])).decode()
    two = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two", "namespace": "default"}}
    program.write("two.yaml", {**two, "data": {"tls.crt": web["tls.crt"], "tls.key": keys}})
    program.run_once()
    lines = inspect("--dir", program.folder, "--secret", "two", code=1).splitlines()
    assert lines[lines.index("private key") + 2] == FITS
    assert lines[lines.index(ONE_MORE) + 2] == FITS_NOT


def test_what_is_written_on_a_secret_does_not_steer_a_terminal(program, inspect):
    said = {f"cert-manager.io/{key}": f"{key}\x1b[31m" for key in ("certificate-name", "issuer-name", "issuer-kind")}
    head = {"name": "odd", "namespace": "default", "annotations": said}
    program.write("odd.yaml", {"apiVersion": "v1", "kind": "Secret", "type": "odd\x1b[31m", "metadata": head, "data": {}})
    program.run_once()
    text = inspect("--dir", program.folder, "--secret", "odd", code=1)
    assert "issuer-kind" in text and "certificate-name" in text and "(odd" in text
    assert "\x1b" not in text


def test_a_secret_that_does_not_exist(program, binary):
    done = program.command("inspect", "--dir", program.folder, "--secret", "none")
    assert done.returncode == 1
    assert "secret 'default/none'" in done.stderr.lower()
