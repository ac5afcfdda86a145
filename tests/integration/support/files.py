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
    of_key = pki.openssl("pkey", "-pubout", "-in", folder / "tls.key")
    return of_key == pki.openssl("x509", "-noout", "-pubkey", "-in", folder / "tls.crt")


def serial_of(pem):
    return pki.openssl("x509", "-noout", "-serial", stdin=pem).strip().partition("=")[2]


def verify(chain_pem, root_pem, folder):
    """openssl verify of leaf and intermediates against the root; an AssertionError (BedError) if it fails."""
    folder = pathlib.Path(folder)
    chain, root = folder / "chain.pem", folder / "root.pem"
    chain.write_text(chain_pem)
    root.write_text(root_pem)
    return pki.openssl("verify", "-CAfile", root, "-untrusted", chain, chain)
