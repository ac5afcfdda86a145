"""Key stores as Java's keytool and the openssl command see them, and PBMAC1 by Python alone."""

import base64
import dataclasses
import functools
import hashlib
import hmac
import os
import pathlib
import re
import subprocess

from . import pki
from .files import der_values
from .server import BedError

STORES = ("keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12")
PASSWORD = "changeit"
VARIABLE, NEW_VARIABLE = "STORE_PASSWORD", "NEW_STORE_PASSWORD"  # never on a command line
PBMAC1 = bytes.fromhex("2a864886f70d01050e")


def run(*argv, password=PASSWORD):
    environment = {**os.environ, VARIABLE: password, NEW_VARIABLE: PASSWORD, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        list(map(str, argv)), env=environment, capture_output=True, text=True, errors="replace",
        timeout=120, check=False,
    )


def keytool(*arguments, password=PASSWORD):
    """What it printed; a BedError if it refuses."""
    words = ("-J-Duser.language=en", "-J-Duser.country=US", "-J-Dfile.encoding=UTF-8")
    done = run("keytool", *words, *arguments, password=password)
    if done.returncode != 0:
        raise BedError(f"keytool {arguments[0]}: {done.stdout} {done.stderr}")
    return done.stdout


@functools.cache
def java_major():
    found = re.search(r'version "(\d+)', run("java", "-version").stderr)
    return int(found[1])


@functools.cache
def openssl_version():
    return tuple(map(int, re.search(r"OpenSSL (\d+)\.(\d+)", pki.openssl("version")).groups()))


@dataclasses.dataclass
class Entry:
    """`kind`: PrivateKeyEntry or trustedCertEntry; the SHA-256 of each certificate, leaf first."""

    kind: str
    chain: list


def entries(store, password=PASSWORD):
    """{alias: Entry} as keytool -list -v tells."""
    text = keytool("-list", "-v", "-keystore", store, "-storepass:env", VARIABLE, password=password)
    found = {}
    for part in re.split(r"^Alias name: ", text, flags=re.M)[1:]:
        kind = re.search(r"^Entry type: (\S+)", part, re.M)[1]
        prints = re.findall(r"SHA256: ([0-9A-F:]+)", part)
        found[part.splitlines()[0]] = Entry(kind, [one.replace(":", "").lower() for one in prints])
    return found


def fingerprints(pem):
    """The same of certificates in PEM."""
    bodies = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S)
    return [hashlib.sha256(base64.b64decode(body)).hexdigest() for body in bodies]


def key_of(store, alias, folder, password=PASSWORD):
    """The private key in PEM that keytool takes out of a store, by way of one that it makes itself."""
    out = pathlib.Path(folder) / "taken-out.p12"
    out.unlink(missing_ok=True)
    secret = ("-srcstorepass:env", VARIABLE, "-deststorepass:env", NEW_VARIABLE)
    where = ("-srckeystore", store, "-destkeystore", out, "-deststoretype", "PKCS12")
    keytool("-importkeystore", *where, "-srcalias", alias, *secret, "-noprompt", password=password)
    return key_by_openssl(out)


def openssl_pkcs12(store, *options, password=PASSWORD):
    """(what it printed, what it told) about a store."""
    done = run("openssl", "pkcs12", "-in", store, "-passin", f"env:{VARIABLE}", *options, password=password)
    if done.returncode != 0:
        raise BedError(f"openssl pkcs12: {done.stderr}")
    return done.stdout, done.stderr


def key_by_openssl(store, *options, password=PASSWORD):
    text = openssl_pkcs12(store, "-nocerts", "-nodes", *options, password=password)[0]
    return text[text.index("-----BEGIN") :]


# --- PBMAC1 (RFC 9579) ---


def parts(der):
    """The contents of the values in a piece of DER."""
    return [content for _, content in der_values(der)]


def pbmac1_fits(store, password=PASSWORD):
    """Whether the MAC over the file is the password's, computed from what the file says of it."""
    (frame,) = parts(store)
    _version, safes, mac_data = parts(frame)
    ((content,),) = [parts(parts(safes)[1])]
    digest_info, _salt = parts(mac_data)  # the salt of PBMAC1 is elsewhere
    algorithm, mac = parts(digest_info)
    oid, parameters = parts(algorithm)
    assert oid == PBMAC1
    derivation, scheme = parts(parameters)
    salt, rounds, length = parts(parts(derivation)[1])[:3]
    assert parts(scheme)[0].hex() == "2a864886f70d0209"  # hmacWithSHA256
    rounds, length = (int.from_bytes(one, "big") for one in (rounds, length))
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, length)
    return hmac.compare_digest(mac, hmac.new(key, content, "sha256").digest())
