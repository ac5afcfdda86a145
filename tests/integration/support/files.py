"""What is in certificates and beside them, by the openssl command."""

import pathlib

from . import pki


def names_of(pem):
    """All names of a leaf, sorted."""
    text = pki.openssl("x509", "-noout", "-ext", "subjectAltName", stdin=pem)
    entries = text.partition("\n")[2].strip().split(", ")
    return sorted(entry.partition(":")[2] for entry in entries)


def subject_of(pem):
    return pki.openssl("x509", "-noout", "-subject", stdin=pem)


def key_matches(folder):
    """Whether tls.key is the key of tls.crt."""
    folder = pathlib.Path(folder)
    key, chain = ((folder / name).read_bytes() for name in ("tls.key", "tls.crt"))
    return pki.public_of(key) == pki.public_of(chain)


def serial_of(pem):
    return pki.openssl("x509", "-noout", "-serial", stdin=pem).strip().partition("=")[2]


def verify(chain_pem, root_pem, folder):
    """openssl verify of leaf and intermediates against the root; an AssertionError (BedError) if it fails."""
    folder = pathlib.Path(folder)
    chain, root = folder / "chain.pem", folder / "root.pem"
    chain.write_text(chain_pem)
    root.write_text(root_pem)
    return pki.openssl("verify", "-CAfile", root, "-untrusted", chain, chain)


def rdns_of(pem):
    """The subject's RDNs in the order of the certificate, such as ["2.5.4.10 = Example", "2.5.4.3 = web"]."""
    style = ("-nameopt", "oid,sep_multiline,utf8,space_eq")
    text = pki.openssl("x509", "-noout", "-subject", *style, stdin=pem)
    return [line.strip() for line in text.splitlines()[1:] if line.strip()]


def general_names_of(pem):
    """The bytes of each subjectAltName, in their order, as hexadecimal text."""
    lines = pki.openssl("asn1parse", stdin=pem).splitlines()
    start = next(i for i, line in enumerate(lines) if ":X509v3 Subject Alternative Name" in line)
    value = next(line for line in lines[start:] if "OCTET STRING" in line)
    _, names = _first_value(bytes.fromhex(value.rpartition(":")[2]))
    found = []
    while names:
        length, content = _first_value(names)
        assert content
        found.append(names[:length].hex())
        names = names[length:]
    return found


def _first_value(der):
    """The length of the DER value that `der` begins with, and its content."""
    octets = der[1] - 0x80 if der[1] >= 0x80 else 0
    length = int.from_bytes(der[2 : 2 + octets], "big") if octets else der[1]
    return 2 + octets + length, der[2 + octets : 2 + octets + length]


def bounds_of(pem):
    """The nameConstraints as {(Permitted or Excluded, name as openssl shows it)}"""
    text = pki.openssl("x509", "-noout", "-ext", "nameConstraints", stdin=pem)
    found, half = set(), ""
    for line in map(str.strip, text.splitlines()[1:]):
        if line in ("Permitted:", "Excluded:"):
            half = line[:-1]
        elif line:
            found.add((half, line))
    return found
