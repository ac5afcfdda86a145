"""cert-manager's conformance suite for Certificates against `certlet controller`: each case by each issuer, as an
Issuer and as a ClusterIssuer (tests/parity.md §1; the same in a folder is test_140).

All Certificates are asked for at once, of one process; each test waits for its own.
"""

import pytest

from support import manifests as m
from support import pki
from support.bed import Pebble
from support.certlet import solver_flags
from support.conformance import (
    ROUNDS,
    SUITES,
    cases_of,
    certificate_of,
    issuer_name,
    namespace_of_round,
)
from support.controller import NAMESPACE, Controller, apply, refused, secret_data
from support.issued import check_issued, is_done
from support.resources import CERTIFICATES

pytestmark = pytest.mark.kube

MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
ACME_ROUNDS = [(suite, kind) for suite, kind in ROUNDS if "ACMEUseARI" not in SUITES[suite]]


@pytest.fixture(scope="module")
def bound_pebble(bind, tmp_path_factory):
    """A CA that wants an external account."""
    with Pebble(tmp_path_factory.mktemp("bound"), dns=bind.address, eab={"kid-1": MAC_KEY}) as server:
        yield server


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    flags = [*solver_flags(bind), "--account-key-type=ecdsa", "--leader-elect=false"]
    with Controller(binary, folder, cluster, flags) as process:
        yield process


@pytest.fixture(scope="module")
def issuer_specs(bind, pebble, bound_pebble, tmp_path_factory):
    """{suite: (Secrets, spec)}; the Secrets of a ClusterIssuer are in the cluster resource namespace."""
    folder = tmp_path_factory.mktemp("ca")
    pair = pki.pair_data(pki.new_certificate(folder, "ca", "conformance CA", pki.IS_CA))
    solvers = [m.rfc2136_solver(bind)]
    eab, binding = m.external_account("kid-1", MAC_KEY)
    return {
        "selfSigned": ([], {"selfSigned": {}}),
        "ca": ([m.secret("ca", pair)], {"ca": {"secretName": "ca"}}),
        "acme": ([m.tsig_secret(bind)], m.issuer(pebble, solvers)["spec"]),
        "acme-eab": (
            [m.tsig_secret(bind), eab],
            m.issuer(bound_pebble, solvers, "bound", externalAccountBinding=binding)["spec"],
        ),
    }


@pytest.fixture(scope="module")
def asked(controller, cluster, issuer_specs):
    """Everything is asked for."""
    for suite, kind in ROUNDS:
        namespace = namespace_of_round(suite, kind)
        cluster.create("namespaces", {"metadata": {"name": namespace}})
        secrets, spec = issuer_specs[suite]
        of_issuer = namespace if kind == "Issuer" else NAMESPACE
        apply(
            cluster,
            *({**one, "metadata": {**one["metadata"], "namespace": of_issuer}} for one in secrets),
            m.private_issuer(issuer_name(suite, kind), spec, namespace if kind == "Issuer" else None),
        )
    apply(
        cluster,
        *(
            certificate_of(suite, kind, name)
            for suite, kind in ROUNDS
            for name in cases_of(suite)
        ),
    )


def wait_done(cluster, name, namespace, generation=None):
    """The Certificate once it is ready for that generation, or its own, and nothing is under way."""
    return cluster.wait_for(
        f"{CERTIFICATES}/{name}", namespace, condition=lambda one: is_done(one, generation), seconds=480
    )


@pytest.mark.parametrize(
    "suite, kind, name",
    [(suite, kind, name) for suite, kind in ROUNDS for name in cases_of(suite)],
)
def test_certificate_is_as_it_was_asked_for(asked, cluster, tmp_path, suite, kind, name):
    namespace = namespace_of_round(suite, kind)
    one = wait_done(cluster, name, namespace)
    secret = cluster.get(f"secrets/{name}-tls", namespace)
    check_issued(one, secret, SUITES[suite], tmp_path)


@pytest.mark.parametrize("suite, kind", ROUNDS)
def test_key_stays_when_the_chain_is_emptied_and_the_policy_says_never(asked, cluster, tmp_path, suite, kind):
    namespace = namespace_of_round(suite, kind)
    wait_done(cluster, "keeps-key", namespace)
    before = secret_data(cluster, "keeps-key-tls", namespace)
    cluster.patch("secrets/keeps-key-tls", {"data": {"tls.crt": ""}}, namespace)

    def is_again(one):
        return is_done(one) and one["status"]["revision"] == 2

    one = cluster.wait_for(f"{CERTIFICATES}/keeps-key", namespace, condition=is_again, seconds=240)
    secret = cluster.get("secrets/keeps-key-tls", namespace)
    check_issued(one, secret, SUITES[suite], tmp_path)
    after = secret_data(cluster, "keeps-key-tls", namespace)
    assert after["tls.crt"] != before["tls.crt"]
    assert pki.public_of(after["tls.key"]) == pki.public_of(before["tls.key"])


@pytest.mark.parametrize("suite, kind", ROUNDS)
def test_name_that_is_added_is_in_the_next_certificate(asked, cluster, tmp_path, suite, kind):
    namespace = namespace_of_round(suite, kind)
    names = wait_done(cluster, "gains-name", namespace)["spec"]["dnsNames"]
    more = {"spec": {"dnsNames": [*names, f"more.{names[0]}"]}}
    changed = cluster.patch(f"{CERTIFICATES}/gains-name", more, namespace)
    one = wait_done(cluster, "gains-name", namespace, changed["metadata"]["generation"])
    secret = cluster.get("secrets/gains-name-tls", namespace)
    check_issued(one, secret, SUITES[suite], tmp_path)


@pytest.mark.parametrize("suite, kind", ACME_ROUNDS)
def test_renewal_window_of_the_ca_is_in_the_status(asked, cluster, suite, kind):
    def has_asked(one):
        return one["status"].get("acme", {}).get("ari", {}).get("nextCheck")

    namespace = namespace_of_round(suite, kind)
    wait_done(cluster, "ecdsa", namespace)
    one = cluster.wait_for(f"{CERTIFICATES}/ecdsa", namespace, condition=has_asked)
    told = one["status"]["acme"]["ari"]
    assert told["suggestedWindow"]["start"] < told["suggestedWindow"]["end"]
    assert told["lastChecked"] < told["nextCheck"] and not told.get("lastError")


def test_no_permission_is_missing(asked, cluster):
    """After all of the above: nothing was refused to the ServiceAccount."""
    assert refused(cluster) == []
