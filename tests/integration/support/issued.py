"""What must hold of every certificate that is issued: the validations of cert-manager's conformance suite
(tests/parity.md §1.2), by the openssl command.
"""

import base64
import dataclasses
import datetime
import functools
import ipaddress
import pathlib
import re

from . import pki
from .controller import is_ready_now, is_true
from .files import general_names_of

EXTENSIONS = "subjectAltName,basicConstraints,keyUsage,extendedKeyUsage"
USAGES = {
    "signing": "Digital Signature",
    "digital signature": "Digital Signature",
    "key encipherment": "Key Encipherment",
    "data encipherment": "Data Encipherment",
    "cert sign": "Certificate Sign",
    "server auth": "TLS Web Server Authentication",
    "client auth": "TLS Web Client Authentication",
}
# (algorithm, size) to what openssl says of the public key.
KEYS = {
    ("RSA", 2048): "Public-Key: (2048 bit)\nModulus:",
    ("ECDSA", 256): "NIST CURVE: P-256",
    ("ECDSA", 384): "NIST CURVE: P-384",
    ("Ed25519", 0): "ED25519 Public-Key:",
}
SIZES = {"RSA": 2048, "ECDSA": 256, "Ed25519": 0}
KNOWN_KEYS = {"tls.key", "tls.crt", "ca.crt", "key.der", "tls-combined.pem"}
SLACK = datetime.timedelta(seconds=30)


def _time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Leaf:
    """The first certificate of a PEM text."""

    def __init__(self, pem):
        style = ("-nameopt", "multiline,utf8", "-dateopt", "iso_8601")
        what = ("-subject", "-issuer", "-startdate", "-enddate", "-ext", EXTENSIONS, "-pubkey")
        self.pem = pem
        self.text = pki.openssl("x509", "-noout", *style, *what, stdin=pem)
        subject, _, rest = self.text.partition("issuer=")
        self.common_names = self._values(subject, "commonName")
        self.organizations = self._values(subject, "organizationName")
        self.subject, self.issuer = subject.partition("=")[2], rest.partition("notBefore=")[0]
        self.not_before, self.not_after = (_time(self._after(f"{word}=")) for word in ("notBefore", "notAfter"))
        self.public_key = self.text[self.text.index("-----BEGIN PUBLIC KEY") :]
        self.is_ca = "CA:TRUE" in self.text

    def _after(self, word):
        return self.text.partition(word)[2].partition("\n")[0].strip()

    @staticmethod
    def _values(subject, type_):
        return re.findall(rf"^ *{type_} *= (.*)$", subject, re.M)

    def extension(self, name):
        """Its words, as openssl prints them."""
        found = re.search(rf"X509v3 {name}:.*\n +(.*)", self.text)
        return [word.strip() for word in found[1].split(",")] if found else []

    @property
    def usages(self):
        return set(self.extension("Key Usage") + self.extension("Extended Key Usage"))

    def names(self, sort):
        """'DNS', 'IP Address', 'email', 'URI' or 'othername', sorted."""
        found = [word.partition(":")[2] for word in self.extension("Subject Alternative Name") if word.startswith(sort)]
        return sorted(found)


@dataclasses.dataclass(frozen=True)
class Issued:
    """A Certificate and its Secret, as they are stored."""

    certificate: dict
    secret: dict
    folder: pathlib.Path  # for files of openssl

    @property
    def spec(self):
        return self.certificate["spec"]

    @property
    def status(self):
        return self.certificate["status"]

    @functools.cached_property
    def data(self):
        return {key: base64.b64decode(value) for key, value in self.secret["data"].items()}

    @functools.cached_property
    def leaf(self):
        return Leaf(self.data["tls.crt"].decode("ascii"))

    def wanted(self, member):
        return sorted(self.spec.get(member, []))

    @property
    def formats(self):
        return {one["type"] for one in self.spec.get("additionalOutputFormats", [])}


def _dns_names(one):
    return set(one.wanted("dnsNames")) <= set(one.leaf.names("DNS"))


def _organizations(one):
    wanted = one.spec.get("subject", {}).get("organizations", [])
    wanted = wanted or re.findall(r"(?:^|,)O=([^,]*)", one.spec.get("literalSubject", ""))
    return sorted(wanted) == sorted(one.leaf.organizations)


def _key_is_of_certificate(one):
    return pki.public_of(one.data["tls.key"]) == one.leaf.public_key


def _key_is_as_asked(one):
    asked = one.spec.get("privateKey", {})
    algorithm = asked.get("algorithm", "RSA")
    expected = KEYS[algorithm, asked.get("size", SIZES[algorithm])]
    return expected in pki.openssl("pkey", "-noout", "-text_pub", stdin=one.data["tls.key"])


def _output_formats(one):
    der = base64.b64decode("".join(one.data["tls.key"].decode("ascii").splitlines()[1:-1]))
    wanted = {
        "key.der": der if "DER" in one.formats else None,
        "tls-combined.pem": one.data["tls.key"] + b"\n" + one.data["tls.crt"] if "CombinedPEM" in one.formats else None,
    }
    return all(one.data.get(key) == value for key, value in wanted.items())


def is_done(certificate, generation=None):
    """Ready for its generation, nothing under way: how cert-manager's own tests wait."""
    return (
        is_ready_now(certificate, generation)
        and not is_true(certificate, "Issuing")
        and "nextPrivateKeySecretName" not in certificate["status"]
    )


def _common_name(one):
    found, asked = one.leaf.common_names, one.spec.get("commonName")
    if asked or one.spec.get("literalSubject"):
        return not asked or found == [asked]
    return set(found) <= set(one.leaf.names("DNS") + one.leaf.names("IP Address"))


def _addresses(one):
    found, wanted = one.leaf.names("IP Address"), one.wanted("ipAddresses")
    return {ipaddress.ip_address(text) for text in found} == {ipaddress.ip_address(text) for text in wanted}


def _duration(one):
    hours = int(re.fullmatch(r"(\d+)h(0m0s)?", one.spec.get("duration", "2160h"))[1])
    return abs(one.leaf.not_after - one.leaf.not_before - datetime.timedelta(hours=hours)) <= SLACK


def _file(one, name):
    path = one.folder / name
    path.write_bytes(one.data[name])
    return path


def _chain_verifies(one):
    files = ("-CAfile", _file(one, "ca.crt"), "-untrusted", _file(one, "tls.crt"))
    name = one.spec.get("dnsNames", [])[:1]
    how = ("-verify_hostname", name[0]) if name else ()
    return "OK" in pki.openssl("verify", *files, *how, one.folder / "tls.crt")


def _ca_issued_it(one):
    return Leaf(one.data["ca.crt"].decode("ascii")).subject == one.leaf.issuer


def _usages(one):
    return {USAGES[usage] for usage in one.spec.get("usages", [])} <= one.leaf.usages


def _literal_subject(one):
    """RFC 2253's text begins with the last RDN."""
    asked = one.spec.get("literalSubject")
    found = pki.openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", stdin=one.leaf.pem)
    return not asked or found.strip() == f"subject={asked}"


def _other_names(one):
    """Together with all names beside them, byte for byte as openssl makes them."""
    asked = one.spec.get("otherNames")
    if not asked:
        return not one.leaf.names("othername")
    names = [f"otherName:{name['oid']};UTF8:{name['utf8Value']}" for name in asked]
    sorts = {"dnsNames": "DNS", "emailAddresses": "email", "uris": "URI", "ipAddresses": "IP"}
    names += [f"{word}:{name}" for member, word in sorts.items() for name in one.wanted(member)]
    san = f"subjectAltName={','.join(names)}"
    reference, _ = pki.new_certificate(one.folder, "reference", "reference", san)
    return sorted(general_names_of(reference.read_text())) == sorted(general_names_of(one.leaf.pem))


# (what must hold, the check, the features that it needs)
CHECKS = (
    ("the DNS names are there", _dns_names, ()),
    ("the organizations are those of the spec", _organizations, ()),
    ("tls.key is the key of tls.crt", _key_is_of_certificate, ()),
    ("the key is of the kind that was asked for", _key_is_as_asked, ()),
    ("it is a CA if it was to be one", lambda o: o.leaf.is_ca == o.spec.get("isCA", False), ()),
    ("status.notAfter is its end", lambda o: _time(o.status["notAfter"]) == o.leaf.not_after, ()),
    ("the Secret has two of the known keys", lambda o: len(KNOWN_KEYS & set(o.data)) >= 2, ()),
    (
        "the Secret says whose it is",
        lambda o: o.secret["metadata"]["annotations"]["cert-manager.io/certificate-name"]
        == o.certificate["metadata"]["name"],
        (),
    ),
    ("the output formats are those of key and chain", _output_formats, ()),
    ("Ready is about this generation and nothing is under way", lambda o: is_done(o.certificate), ()),
    ("the common name is that of the spec, or a name", _common_name, ("CommonName",)),
    ("the URIs are those of the spec", lambda o: o.leaf.names("URI") == o.wanted("uris"), ("URISANs",)),
    (
        "the e-mail addresses are those of the spec",
        lambda o: o.leaf.names("email") == o.wanted("emailAddresses"),
        ("EmailSANs",),
    ),
    ("the IP addresses are those of the spec", _addresses, ("IPAddress",)),
    ("the duration is that of the spec", _duration, ("Duration",)),
    ("the chain verifies against ca.crt for the first name", _chain_verifies, ("SaveCAToSecret",)),
    ("ca.crt has issued it", _ca_issued_it, ("SaveCAToSecret",)),
    ("the usages are there", _usages, ("KeyUsages",)),
    ("the subject is the literal one, in its order", _literal_subject, ("LiteralSubject",)),
    ("the other names are those of the spec", _other_names, ("OtherNames",)),
)


def check_issued(certificate, secret, lacks, folder):
    """Fails with all that does not hold; a check that needs what the issuer `lacks` is left out."""
    one = Issued(certificate, secret, pathlib.Path(folder))
    applicable = [row for row in CHECKS if not set(row[2]) & set(lacks)]
    wrong = [what for what, holds, _ in applicable if not holds(one)]
    assert not wrong, f"not so: {wrong}\nof {one.spec}\n{one.status}\n{one.leaf.text}"
