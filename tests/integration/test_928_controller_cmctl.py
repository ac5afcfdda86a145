"""cert-manager's own command line tool on our objects: what `cmctl` reads from them, and what it sets off."""

import re

import pytest

from support import manifests as m
from support import pki, rbac
from support.bed import wait_until
from support.certlet import solver_flags
from support.cmctl import Cmctl
from support.controller import (
    Controller,
    apply,
    condition,
    secret_data,
    wait_for_revision,
    wait_ready,
)
from support.files import names_of, serial_of
from support.kube_api import MERGE_PATCH, KubeError
from support.resources import CERTIFICATES, CHALLENGES, ISSUERS, ORDERS, REQUESTS

pytestmark = pytest.mark.kube
ISSUED = "The certificate has been successfully issued"


def start(binary, cluster, bind, folder, *flags):
    return Controller(binary, folder, cluster, [*solver_flags(bind), "--leader-elect=false", *flags])


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, tmp_path_factory):
    with start(binary, cluster, bind, tmp_path_factory.mktemp("controller")) as process:
        yield process


@pytest.fixture(scope="module")
def cmctl(cluster):
    return Cmctl(cluster)


@pytest.fixture
def no_approver(binary, cluster, bind, controller, private_ca, tmp_path):
    """Instead of the one of all tests, when private_ca is ready: one that leaves approval to others."""
    wait_ready(cluster, f"{ISSUERS}/ca", private_ca)
    controller.stop()
    try:
        flag = "--controllers=*,-certificaterequests-approver"
        with start(binary, cluster, bind, tmp_path / "no-approver", flag) as process:
            yield process
    finally:
        controller.start()


def leaf(name, namespace, **spec):
    return m.certificate(name, [f"{name}.example.test"], "ca", namespace, **spec)


# --- status certificate ---


def events_in(block):
    """(type, reason, from, message) of those that say an age."""
    row = re.compile(r"^ +(\w+) +(\w+) +\d\w* +([\w-]+) +(.+)$", re.MULTILINE)
    return row.findall(block)


def test_status_of_a_ready_certificate(controller, cluster, cmctl, scene):
    scene.ask("web")
    scene.wait_ready()
    # An event is sent after the status that it is about.
    wait_until(lambda: ISSUED in cmctl.status("web", scene.namespace)["Events"], 20, "the event of success")
    said = cmctl.status("web", scene.namespace)
    assert events_in(said["Events"]) == [
        ("Normal", "Issuing", "cert-manager-certificates", "Issuing certificate as Secret does not exist"),
        ("Normal", "Issuing", "cert-manager-certificates", ISSUED),
    ]
    status = scene.get(f"{CERTIFICATES}/web")["status"]
    assert said["Conditions"].strip() == (
        "Ready: True, Reason: Ready, Message: Certificate is up to date and has not expired"
    )
    assert said["DNS Names"].split() == ["-", scene.host("web")]
    for heading, field in (
        ("Not Before", "notBefore"),
        ("Not After", "notAfter"),
        ("Renewal Time", "renewalTime"),
    ):
        assert said[heading].strip() == status[field]
    assert "Name: acme\n  Kind: Issuer\n" in said["Issuer"]
    assert "Ready: True, Reason: ACMEAccountRegistered" in said["Issuer"]
    serial = serial_of(secret_data(cluster, "web-tls", scene.namespace)["tls.crt"]).lower()
    assert "Name: web-tls\n" in said["Secret"] and f"Serial Number: {serial}\n" in said["Secret"]
    assert "Issuer Common Name: Pebble Intermediate" in said["Secret"]
    # Of a revision that is done it does not look for the request.
    assert "No CertificateRequest found for this Certificate" in said and "Order" not in said


def test_status_of_a_certificate_that_waits_for_its_name_to_be_proved(controller, cmctl, scene):
    scene.make_issuer("1h")
    scene.ask("web")
    scene.wait_presented("web")
    request, order, challenge = (scene.the_only(kind) for kind in (REQUESTS, ORDERS, CHALLENGES))
    scene.kube.wait_for(
        f"{CHALLENGES}/{challenge}", scene.namespace, lambda one: one.get("status", {}).get("presented")
    )
    said = cmctl.status("web", scene.namespace)
    assert re.findall(r"(\w+: \w+), Reason: DoesNotExist", said["Conditions"]) == [
        "Issuing: True",
        "Ready: False",
    ]
    assert said['error when finding Secret "web-tls"'].strip() == 'secrets "web-tls" not found'
    assert said["Not After"].strip() == said["Renewal Time"].strip() == "<none>"
    assert f"Name: {request}\n" in said["CertificateRequest"]
    assert "Approved: True, Reason: cert-manager.io" in said["CertificateRequest"]
    assert "Ready: False, Reason: Pending" in said["CertificateRequest"]
    assert f"Name: {order}\n  State: pending" in said["Order"]
    assert f"URL: {scene.pebble.directory_url.removesuffix('/dir')}/authZ/" in said["Order"]
    spec = scene.get(f"{CHALLENGES}/{challenge}")["spec"]
    expected = f"Name: {challenge}, Type: DNS-01, Token: {spec['token']}, Key: {spec['key']}, State: pending"
    assert f"- {expected}, " in said["Challenges"]
    assert said["Challenges"].strip().endswith("Processing: true, Presented: true")
    scene.release()
    scene.wait_ready()
    assert "Order" not in cmctl.status("web", scene.namespace)


def test_status_of_a_certificate_whose_issuer_is_missing(controller, cluster, cmctl, namespace):
    apply(cluster, leaf("web", namespace))
    words = "Referenced Issuer 'ca' does not exist"
    wait_until(lambda: words in cmctl.status("web", namespace)["Conditions"], 30, "the reason")
    said = cmctl.status("web", namespace)
    assert "Issuing: True" in said["Conditions"]
    assert said["error when getting Issuer"].strip().endswith('"ca" not found')
    assert "Name: web-1\n" in said["CertificateRequest"] and words in said["CertificateRequest"]


def test_inspect_secret_tells_names_life_and_issuer(controller, cluster, cmctl, private_ca):
    apply(cluster, leaf("web", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    said = cmctl.output("inspect", "secret", "web-tls", "-n", private_ca)
    assert "- web.example.test\n" in said
    assert re.search(r"Issued By:\n\tCommon Name:\s+certlet test root\n", said)
    assert "Is a CA certificate: false" in said
    assert "Is a CA certificate: true" in cmctl.output("inspect", "secret", "root-tls", "-n", private_ca)


# --- renew ---


def test_renew_makes_the_next_revision(controller, cluster, cmctl, private_ca):
    apply(cluster, leaf("web", private_ca), leaf("other", private_ca))
    for name in ("web", "other"):
        wait_ready(cluster, f"{CERTIFICATES}/{name}", private_ca)
    first = secret_data(cluster, "web-tls", private_ca)
    said = cmctl.output("renew", "web", "-n", private_ca)
    assert said == f"Manually triggered issuance of Certificate {private_ca}/web\n"
    one = wait_for_revision(cluster, "web", private_ca, 2)
    second = secret_data(cluster, "web-tls", private_ca)
    assert one["status"]["revision"] == 2
    assert second["tls.key"] != first["tls.key"]
    assert serial_of(second["tls.crt"]) != serial_of(first["tls.crt"])
    assert "Issuing" not in cmctl.status("web", private_ca)["Conditions"]
    assert cluster.get(f"{CERTIFICATES}/other", private_ca)["status"]["revision"] == 1


def test_renew_of_an_acme_certificate_shows_the_order_of_its_next_revision(controller, cmctl, scene):
    scene.ask("web")
    scene.wait_ready()
    scene.wait_tidy()
    scene.make_issuer("1h")
    cmctl.output("renew", "web", "-n", scene.namespace)
    scene.wait_presented("web")
    said = cmctl.status("web", scene.namespace)
    assert "Ready: True, Reason: Ready," in said["Conditions"]
    assert "Issuing: True, Reason: ManuallyTriggered," in said["Conditions"]
    assert "Name: web-2\n" in said["CertificateRequest"]
    assert "State: pending" in said["Order"]
    scene.release()
    assert wait_for_revision(scene.kube, "web", scene.namespace, 2)["status"]["revision"] == 2


def test_renew_by_label_takes_those_with_it(controller, cluster, cmctl, private_ca):
    front = leaf("front", private_ca)
    front["metadata"]["labels"] = {"tier": "front"}
    apply(cluster, front, leaf("back", private_ca))
    for name in ("front", "back"):
        wait_ready(cluster, f"{CERTIFICATES}/{name}", private_ca)
    cmctl.output("renew", "-l", "tier=front", "-n", private_ca)
    wait_for_revision(cluster, "front", private_ca, 2)
    assert cluster.get(f"{CERTIFICATES}/back", private_ca)["status"]["revision"] == 1


@pytest.mark.parametrize("role", ["view", "edit"])
def test_renew_is_for_who_may_edit(controller, cluster, private_ca, role):
    """Kubernetes' own roles, with what we add to them."""
    user = Cmctl(cluster, cluster.service_account(private_ca, role))
    rbac.bind(cluster, private_ca, role, role)
    apply(cluster, leaf("web", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    api = cluster.as_service_account(private_ca, role)
    wait_until(lambda: may(lambda: api.get(f"{CERTIFICATES}/web", private_ca)), 30, "its role")
    if role == "edit":
        user.output("renew", "web", "-n", private_ca)
        wait_for_revision(cluster, "web", private_ca, 2)
        return
    before = cluster.get(f"{CERTIFICATES}/web", private_ca)
    said = user.refusal("renew", "web", "-n", private_ca)
    assert f"failed to trigger issuance of Certificate {private_ca}/web" in said
    assert 'cannot update resource "certificates/status"' in said
    assert cluster.get(f"{CERTIFICATES}/web", private_ca) == before


# --- approve and deny ---

POLICY = "certlet-certificaterequest-approval"


def may(ask):
    """Whether the API server takes it."""
    try:
        ask()
    except KubeError as error:
        if error.code != 403:
            raise
        return False
    return True


@pytest.fixture
def users(cluster, private_ca):
    """By name: 'reader' may read requests, 'writer' write their status too, 'approver' also approve for 'ca'."""
    found = {}
    for name in ("reader", "writer", "approver"):
        status = [] if name == "reader" else [rbac.rule("certificaterequests/status", "update", "patch")]
        found[name] = Cmctl(cluster, cluster.service_account(private_ca, name))
        rbac.grant(cluster, private_ca, name, rbac.rule("certificaterequests", "get"), *status)
    signer = rbac.rule("signers", "approve", resourceNames=[f"issuers.cert-manager.io/{private_ca}.ca"])
    rbac.grant_everywhere(cluster, private_ca, "approver", signer)
    return found


@pytest.fixture
def undecided(no_approver, cluster, private_ca, users):
    """The name of a request of Certificate 'web' on which nobody has decided; users and policy are in force."""
    apply(cluster, leaf("web", private_ca))
    cluster.wait_for(f"{REQUESTS}/web-1", private_ca)
    path = cluster.path(f"{REQUESTS}/web-1", private_ca, "status") + "?dryRun=All"
    approved = {"type": "Approved", "status": "True", "reason": "Probe", "message": "as a dry run"}
    body = {"status": {"conditions": [approved]}}
    apis = [cluster.as_service_account(private_ca, name) for name in ("writer", "approver")]

    def is_in_force():
        return [may(lambda api=api: api.request("PATCH", path, body, MERGE_PATCH)) for api in apis] == [
            False,
            True,
        ]

    wait_until(is_in_force, 60, "roles and policies", every=0.1)
    assert condition(cluster.get(f"{REQUESTS}/web-1", private_ca), "Approved") is None
    return "web-1"


def test_approve_lets_the_certificate_be_issued(cluster, users, private_ca, undecided):
    said = users["approver"].output("approve", undecided, "-n", private_ca)
    assert said == f"Approved CertificateRequest '{private_ca}/{undecided}'\n"
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    assert condition(cluster.get(f"{REQUESTS}/{undecided}", private_ca), "Approved") == (
        "True",
        "KubectlCertManager",
        'manually approved by "cmctl"',
    )
    assert names_of(secret_data(cluster, "web-tls", private_ca)["tls.crt"]) == ["web.example.test"]
    assert "already approved" in users["approver"].refusal("deny", undecided, "-n", private_ca)


def test_deny_ends_the_issuance_with_its_reason(cluster, cmctl, users, private_ca, undecided):
    why = ("--reason", "Policy", "--message", "not this name")
    said = users["approver"].output("deny", undecided, "-n", private_ca, *why)
    assert said == f"Denied CertificateRequest '{private_ca}/{undecided}'\n"

    def has_failed(one):
        return (condition(one, "Issuing") or ("",))[0] == "False"

    one = cluster.wait_for(f"{CERTIFICATES}/web", private_ca, has_failed)
    assert one["status"]["failedIssuanceAttempts"] == 1
    said = cmctl.status("web", private_ca)
    assert "Issuing: False, Reason: Policy, Message: " in said["Conditions"]
    assert "not this name" in said["Conditions"]
    assert "Denied: True, Reason: Policy, Message: not this name\n" in said["CertificateRequest"]
    assert "Ready: False, Reason: Denied" in said["CertificateRequest"]
    assert cluster.get("secrets/web-tls", private_ca) is None


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_who_may_not_is_told_so_and_nothing_is_decided(cluster, users, private_ca, undecided, verb):
    said = users["writer"].refusal(verb, undecided, "-n", private_ca)
    assert POLICY in said and f"issuers.cert-manager.io/{private_ca}.ca" in said
    said = users["reader"].refusal(verb, undecided, "-n", private_ca)
    assert 'cannot update resource "certificaterequests/status"' in said
    one = cluster.get(f"{REQUESTS}/{undecided}", private_ca)
    assert condition(one, "Approved") is None and condition(one, "Denied") is None
    users["approver"].output(verb, undecided, "-n", private_ca)


# --- what else it asks ---


def test_create_certificaterequest_is_given_its_certificate(
    controller, cluster, cmctl, private_ca, tmp_path
):
    """cmctl makes the key and waits until the request is signed."""
    wait_ready(cluster, f"{ISSUERS}/ca", private_ca)
    wanted, key, chain = (tmp_path / name for name in ("wanted.yaml", "own.key", "own.crt"))
    wanted.write_text(m.text(leaf("own", private_ca)), encoding="utf-8")
    cmctl.output(
        *("create", "certificaterequest", "own", "-n", private_ca, "--fetch-certificate"),
        *("--timeout=120s", f"--from-certificate-file={wanted}"),
        *(f"--output-key-file={key}", f"--output-certificate-file={chain}"),
    )
    assert names_of(chain.read_text()) == ["own.example.test"]
    assert pki.public_of(key.read_text()) == pki.public_of(chain.read_text())


def test_check_api_misses_the_webhook_and_leaves_nothing_behind(cluster, cmctl, namespace):
    """Its two dry runs want a requester's name stamped, and a refusal in the words of cert-manager's webhook."""
    missing = "validating webhook did not validate"
    if cluster.minor < 36:
        missing = "mutation webhook did not mutate"  # see docs/admission.md on identity
    assert missing in cmctl.refusal("check", "api", "-n", namespace)
    assert cluster.list(REQUESTS, namespace) == []
