"""Throw-away certificates by the openssl command."""

import dataclasses
import datetime
import pathlib
import re
import subprocess
import tempfile
import threading

from .server import BedError


def openssl(*arguments, stdin=None):
    """Run openssl on text or bytes; return what it printed as text."""
    return openssl_bytes(*arguments, stdin=stdin).decode("utf-8", "replace")


def openssl_bytes(*arguments, stdin=None):
    data = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise BedError(f"openssl {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


IS_CA = "keyUsage=critical,keyCertSign,cRLSign"  # req -x509 adds CA:TRUE by itself
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def san_text(names):
    """`names` as openssl's subjectAltName value; what looks like an address or a URI becomes one."""
    sorts = (("URI", r".*://.*"), ("IP", r"[0-9.]+|.*:.*"), ("DNS", r".*"))

    def sort_of(name):
        return next(sort for sort, pattern in sorts if re.fullmatch(pattern, name))

    return ",".join(f"{sort_of(name)}:{name}" for name in names)


def new_certificate(folder, stem, common_name, *extensions, issuer=None):
    """Make folder/stem.pem and .key, signed by `issuer` (such a pair) or itself; return both paths."""
    certificate, key = (pathlib.Path(folder) / f"{stem}.{suffix}" for suffix in ("pem", "key"))
    added = [word for extension in extensions for word in ("-addext", extension)]
    signer = ["-CA", issuer[0], "-CAkey", issuer[1]] if issuer else []
    output = ("-keyout", key, "-out", certificate, "-days", 30, "-subj", f"/CN={common_name}")
    openssl("req", "-x509", *NEW_KEY, *output, *signer, *added)
    return certificate, key


def pair_data(files):
    """What new_certificate() has made, as the data of a Secret."""
    return {key: path.read_text(encoding="ascii") for key, path in zip(("tls.crt", "tls.key"), files)}


def server_certificate(folder, names=("localhost", "127.0.0.1")):
    """A certificate for a TLS server of ours, which is its own trust root."""
    san = f"subjectAltName={san_text(names)}"
    return new_certificate(
        folder, "server", "certlet test server", san, "extendedKeyUsage=serverAuth"
    )


PUBLIC_KEY = {  # by the last word of a PEM label
    b"KEY": ("pkey", "-pubout"),
    b"REQUEST": ("req", "-noout", "-pubkey"),
    b"CERTIFICATE": ("x509", "-noout", "-pubkey"),
}


def public_of(pem):
    """The public key of a private key, a CSR or a certificate (the first one), in text or bytes of PEM."""
    data = pem.encode("ascii") if isinstance(pem, str) else pem
    label = re.search(rb"-----BEGIN [A-Z ]*?([A-Z]+)-----", data)[1]
    return openssl(*PUBLIC_KEY[label], stdin=data)


def csr_names(csr_pem):
    """The names that a CSR asks for, as its subjectAltName lists them."""
    text = openssl("req", "-noout", "-text", stdin=csr_pem)
    found = re.search(r"X509v3 Subject Alternative Name:.*\n\s*(.+)", text)
    return [entry.strip().partition(":")[2] for entry in found.group(1).split(",")] if found else []


def new_csr(names, *extensions):
    """A CSR for `names` under a fresh key that nobody keeps."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = (
            "-keyout",
            f"{folder}/key",
            "-subj",
            "/",
            "-addext",
            f"subjectAltName={san_text(names)}",
        )
        added = [word for extension in extensions for word in ("-addext", extension)]
        return openssl("req", "-new", *NEW_KEY, *arguments, *added)


def forged(csr_pem):
    """The same with another signature."""
    der = bytearray(openssl_bytes("req", "-outform", "DER", stdin=csr_pem))
    der[-1] ^= 1
    return openssl("req", "-inform", "DER", stdin=bytes(der))


KEY_KINDS = {
    "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ecdsa": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ed25519": ("ED25519",),
}


def key_and_csr(kind="ecdsa", subject="/", san=()):
    """A fresh key of KEY_KINDS and a CSR by it, as PEM; `san` are openssl's words: DNS:a, IP:1.2.3.4, email:a@b."""
    key = openssl("genpkey", "-algorithm", *KEY_KINDS[kind])
    added = ("-addext", f"subjectAltName={','.join(san)}") if san else ()
    with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
        file.write(key)
        file.flush()
        return key, openssl("req", "-new", "-key", file.name, "-subj", subject, *added)


@dataclasses.dataclass(frozen=True)
class Life:
    """When a certificate is valid, in seconds from now."""

    starts: int = -3600
    ends: int = 90 * 86400

    def flags(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [
            (now + datetime.timedelta(seconds=s)).strftime("%Y%m%d%H%M%SZ")
            for s in (self.starts, self.ends)
        ]
        return ["-startdate", dates[0], "-enddate", dates[1]]


CA_CONFIG = """[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = optional
"""

CA_EXTENSIONS = """basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectAltName = {san}
"""
LEAF_EXTENSIONS = """basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
subjectAltName = {san}
"""


class Authority:
    """A throw-away CA: a root, and an intermediate that signs the leaves."""

    def __init__(self, folder, name="certlet fault CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        root = new_certificate(self.folder, "root", f"{name} root", IS_CA)
        self._issuer = new_certificate(
            self.folder, "issuer", f"{name} intermediate", IS_CA, issuer=root
        )
        self.root_file = root[0]
        (self.folder / "index.txt").touch()
        (self.folder / "ca.conf").write_text(CA_CONFIG.format(folder=self.folder), encoding="utf-8")
        self._turn = threading.Lock()  # openssl ca rewrites its database

    @property
    def root_pem(self):
        return self.root_file.read_text(encoding="ascii")

    @property
    def chain_pem(self):
        """What goes behind a leaf."""
        return self._issuer[0].read_text(encoding="ascii")

    def sign(self, csr_pem, names, life=Life(), extensions=LEAF_EXTENSIONS):
        """A leaf for the key of `csr_pem` and for `names`, as PEM."""
        with self._turn, tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            config, csr = pathlib.Path(scratch) / "ext", pathlib.Path(scratch) / "csr"
            config.write_text(extensions.format(san=san_text(names)), encoding="utf-8")
            csr.write_text(csr_pem, encoding="ascii")
            subject = f"/CN={names[0]}" if len(names[0]) <= 64 else "/CN=long name"
            return openssl(
                *("ca", "-batch", "-notext", "-config", self.folder / "ca.conf"),
                *(
                    "-cert",
                    self._issuer[0],
                    "-keyfile",
                    self._issuer[1],
                    "-subj",
                    subject,
                    *life.flags(),
                ),
                *("-extfile", config, "-in", csr),
            )


def expired_authority(folder):
    """folder/expired.pem and .key of a CA that was one until an hour ago; both paths."""
    certificate, key = new_certificate(folder, "expired", "expired")
    csr = openssl("x509", "-x509toreq", "-in", certificate, "-signkey", key)
    life = Life(starts=-7200, ends=-3600)
    signed = Authority(pathlib.Path(folder) / "above").sign(csr, ["expired"], life, CA_EXTENSIONS)
    certificate.write_text(signed, encoding="ascii")
    return certificate, key
