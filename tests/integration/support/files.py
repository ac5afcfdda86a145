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
    ((_, content),) = der_values(bytes.fromhex(value.rpartition(":")[2]))
    names = der_values(content)
    assert all(name for _, name in names)
    return [whole.hex() for whole, _ in names]


def der_values(der):
    """[(the value as it is, its content)] of a piece of DER, one after the other."""
    found = []
    while der:
        length, start = der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        found.append((der[: start + length], der[start : start + length]))
        der = der[start + length :]
    return found


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
