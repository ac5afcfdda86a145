"""cert-manager's conformance suite for Certificates in a folder: each case by each issuer, as an Issuer and as a
ClusterIssuer, in one run (tests/parity.md §1; the same in a cluster is test_933).
"""

import pytest

from support import manifests as m
from support import pki
from support.certlet import Certlet, solver_flags
from support.conformance import (
    ROUNDS,
    SUITES,
    cases_of,
    certificate_of,
    issuer_name,
    namespace_of_round,
)
from support.issued import check_issued

TRUST = "kube-system"  # where ClusterIssuers have their Secrets
HERE = [(suite, kind) for suite, kind in ROUNDS if suite != "acme-eab"]


@pytest.fixture(scope="module")
def issued(binary, bind, pebble, tmp_path_factory):
    """The folder after the run."""
    folder = tmp_path_factory.mktemp("conformance")
    program = Certlet(binary, folder / "dir", [*solver_flags(bind), "--http01-listen", "127.0.0.1:0"])
    pair = pki.pair_data(pki.new_certificate(folder, "ca", "conformance CA", pki.IS_CA))
    specs = {
        "selfSigned": {"selfSigned": {}},
        "ca": {"ca": {"secretName": "ca"}},
        "acme": m.issuer(pebble, [m.rfc2136_solver(bind)])["spec"],
    }
    for suite, kind in HERE:
        namespace = namespace_of_round(suite, kind)
        of_issuer = namespace if kind == "Issuer" else TRUST
        secrets = {"ca": [m.secret("ca", pair, of_issuer)], "acme": [m.tsig_secret(bind, namespace=of_issuer)]}
        program.write(
            f"{namespace}.yaml",
            *secrets.get(suite, []),
            m.private_issuer(issuer_name(suite, kind), specs[suite], namespace if kind == "Issuer" else None),
            *(certificate_of(suite, kind, name) for name in cases_of(suite)),
        )
    done = program.run_once("--account-key-type", "ecdsa", seconds=300)
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize(
    "suite, kind, name",
    [(suite, kind, name) for suite, kind in HERE for name in cases_of(suite)],
)
def test_certificate_is_as_it_was_asked_for(issued, tmp_path, suite, kind, name):
    namespace = namespace_of_round(suite, kind)
    one = issued.object("Certificate", name, namespace)
    stored = issued.object("Secret", f"{name}-tls", namespace)
    check_issued(one, stored, SUITES[suite], tmp_path)
    for key, value in issued.secret(f"{name}-tls", namespace).items():
        assert (issued.tls(f"{name}-tls", namespace) / key).read_bytes() == value
