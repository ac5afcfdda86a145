"""`certlet controller` in a control plane, under the ServiceAccount and the RBAC of deploy/."""

import collections
import time

import pytest

from support import manifests as m
from support import pki
from support.bed import wait_until
from support.certlet import STOPS_WITHIN_S, solver_flags
from support.controller import (
    ACCOUNT,
    LEASE,
    LEASE_NAMESPACE,
    NAMESPACE,
    Controller,
    acme_issuer,
    apply,
    condition,
    is_true,
    refused,
    secret_data,
    wait_ready,
)
from support.files import names_of, verify
from support.kube import account_user
from support.resources import CERTIFICATES, CHALLENGES, ISSUERS, LEASES, ORDERS, REQUESTS

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, tmp_path_factory):
    """One that leads, for the tests that need no other."""
    folder = tmp_path_factory.mktemp("controller")
    with Controller(binary, folder, cluster, solver_flags(bind)) as process:
        process.wait_to_lead()
        yield process


# --- issuing ---


def test_a_certificate_is_issued_by_dns01(
    controller, cluster, bind, pebble, namespace, tmp_path
):
    acme_issuer(cluster, bind, pebble, namespace)
    names = [f"{namespace}.example.test", f"*.{namespace}.example.test"]
    apply(cluster, m.certificate("web", names, namespace=namespace))
    one = wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    chain = secret_data(cluster, "web-tls", namespace)["tls.crt"]
    assert sorted(names_of(chain)) == sorted(names)
    key = secret_data(cluster, "web-tls", namespace)["tls.key"]
    assert pki.public_of(key) == pki.public_of(chain)
    verify(chain, pebble.root_pem(), tmp_path)
    assert one["status"]["revision"] == 1 and "nextPrivateKeySecretName" not in one["status"]
    assert cluster.get("secrets/web-tls", namespace)["type"] == "kubernetes.io/tls"
    wait_until(lambda: not cluster.list(CHALLENGES, namespace), 20, "Challenges to go")
    printed = cluster.kubectl("get", "certificates", "-n", namespace)
    assert printed.split()[:4] == ["NAME", "READY", "SECRET", "AGE"] and "True" in printed


def test_kubectl_wait_and_describe_work(controller, cluster, bind, pebble, namespace):
    acme_issuer(cluster, bind, pebble, namespace)
    apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
    wait = ("wait", "--for=condition=Ready", "certificate/web", "-n", namespace, "--timeout=60s")
    assert "condition met" in cluster.kubectl(*wait)

    def described():
        text = cluster.kubectl("describe", "certificate", "web", "-n", namespace)
        return "The certificate has been successfully issued" in text

    wait_until(described, 20, "the event to be shown")


# (verb, resource): how often. The CA's renewal window goes into the Certificate's last status.
COST_OF_AN_ACME_CERTIFICATE = {
    ("create", "secrets"): 1,
    ("create", "certificaterequests"): 1,
    ("create", "orders"): 1,
    ("create", "challenges"): 1,
    ("create", "events"): 5,
    ("update", "certificates/status"): 2,
    ("update", "certificaterequests/status"): 2,
    ("update", "orders/status"): 2,
    ("update", "challenges/status"): 2,
    ("patch", "challenges"): 2,  # the finalizer, on and off, as cert-manager can take it off too
    ("patch", "secrets"): 1,
    ("delete", "challenges"): 1,
    ("delete", "secrets"): 1,
}


# Of Secrets: the one that is not there yet, and the next key. The solver's Secret was read for the Certificate before.
# Request and Order are at hand as they were written.
READS_OF_AN_ACME_CERTIFICATE = {("get", "secrets"): 2}


def requests_in(cluster, namespace):
    """What the program asked there, but for its Issuer, its account and its watches."""
    events = cluster.api_server.audit(account_user(NAMESPACE, ACCOUNT))
    found = collections.Counter()
    for event in events:
        about = event.get("objectRef", {})
        resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
        about_issuer = resource.startswith("issuers") or about.get("name") == "acme-account"
        if about.get("namespace") == namespace and not about_issuer and event["verb"] != "watch":
            found[event["verb"], resource] += 1
    return found


def writes_of(requests):
    return collections.Counter({what: count for what, count in requests.items() if what[0] != "get"})


def is_all(requests, writes):
    return requests if writes_of(requests).total() >= writes else None


def cost_of_one(cluster, namespace, name):
    before = requests_in(cluster, namespace)
    apply(cluster, m.certificate(name, [f"{name}.{namespace}.example.test"], namespace=namespace))
    wait_ready(cluster, f"{CERTIFICATES}/{name}", namespace)
    wanted = sum(COST_OF_AN_ACME_CERTIFICATE.values())
    return wait_until(
        lambda: is_all(requests_in(cluster, namespace) - before, wanted), 60, "the last write"
    )


def costs_too_much(asked):
    return asked != COST_OF_AN_ACME_CERTIFICATE | READS_OF_AN_ACME_CERTIFICATE


def test_an_acme_certificate_costs_so_many_requests(controller, cluster, bind, pebble, namespace):
    """Whoever lets it wait, as the CA or the name server may, has that written, too: not in each of three."""
    acme_issuer(cluster, bind, pebble, namespace)
    wait_ready(cluster, f"{ISSUERS}/acme", namespace)
    cost_of_one(cluster, namespace, "before")
    costs = []
    while len(costs) < 3 and all(map(costs_too_much, costs)):
        costs.append(cost_of_one(cluster, namespace, f"web{len(costs)}"))
    assert not all(map(costs_too_much, costs)), costs


def test_a_deleted_secret_is_made_again(controller, cluster, bind, pebble, namespace):
    acme_issuer(cluster, bind, pebble, namespace)
    apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    before = cluster.get("secrets/web-tls", namespace)
    cluster.delete("secrets/web-tls", namespace)
    again = cluster.wait_for("secrets/web-tls", namespace, seconds=60)
    assert again["metadata"]["uid"] != before["metadata"]["uid"]
    assert again["data"]["tls.crt"] != before["data"]["tls.crt"]
    one = cluster.wait_for(
        f"{CERTIFICATES}/web", namespace, condition=lambda o: o["status"].get("revision") == 2
    )
    assert is_true(one)


def knows_its_window(one):
    """The CA is asked for the renewal window behind Ready; it is the last that is written."""
    return one["status"].get("acme", {}).get("ari", {}).get("nextCheck")


def test_nothing_is_written_once_all_is_well(controller, cluster, bind, pebble, namespace):
    acme_issuer(cluster, bind, pebble, namespace)
    apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    wait_until(lambda: not cluster.list(CHALLENGES, namespace), 20, "Challenges to go")
    before = cluster.wait_for(f"{CERTIFICATES}/web", namespace, condition=knows_its_window)
    cluster.patch(f"{CERTIFICATES}/web", {"metadata": {"labels": {"seen": "true"}}}, namespace)
    apply(cluster, m.certificate("other", [f"b.{namespace}.example.test"], namespace=namespace))
    wait_ready(cluster, f"{CERTIFICATES}/other", namespace)
    after = cluster.get(f"{CERTIFICATES}/web", namespace)
    assert after["status"] == before["status"]


def test_a_deleted_certificate_takes_its_requests_and_leaves_its_secret(
    controller, cluster, bind, pebble, namespace
):
    acme_issuer(cluster, bind, pebble, namespace)
    apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    cluster.delete(f"{CERTIFICATES}/web", namespace)
    wait_until(lambda: not cluster.list(REQUESTS, namespace), 180, "requests to go")
    wait_until(lambda: not cluster.list(ORDERS, namespace), 180, "Orders to go")
    assert cluster.get("secrets/web-tls", namespace)


def test_an_issuer_that_is_missing_is_said_and_waited_for(
    controller, cluster, bind, pebble, namespace
):
    apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))

    def is_issuing(one):
        return is_true(one, "Issuing") and "acme" in (condition(one, "Issuing")[2] or "")

    cluster.wait_for(f"{CERTIFICATES}/web", namespace, condition=is_issuing)
    acme_issuer(cluster, bind, pebble, namespace)
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)


# --- health and metrics ---


def test_health_and_metrics_are_served(controller):
    assert controller.health("/livez") == (200, "ok")
    assert controller.health("/healthz") == (200, "ok")
    assert controller.health("/readyz") == (200, "ok")
    assert "[+]leaderElection ok" in controller.health("/livez?verbose")[1]
    assert controller.health("/livez/clockHealth")[0] == 200
    assert controller.health("/nothing")[0] == 404
    assert controller.metric("certmanager_controller_sync_call_count", controller="issuers") > 0
    assert controller.metric("leader_election_master_status") == 1
    assert controller.metric("rest_client_requests_total", method="GET", code="200") > 0
    assert controller.metric("workqueue_adds_total", name="certificates") > 0


# --- leading ---


def test_the_lease_is_cert_managers_and_names_the_holder(controller, cluster):
    lease = cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)
    assert lease["spec"]["holderIdentity"] and lease["spec"]["leaseDurationSeconds"] == 15
    assert "leading as" in controller.log_text()


def test_a_second_one_takes_over_when_the_first_stops(
    binary, controller, cluster, bind, pebble, namespace, tmp_path
):
    acme_issuer(cluster, bind, pebble, namespace)
    with Controller(binary, tmp_path / "b", cluster, solver_flags(bind), name="second") as second:
        assert "leading as" not in second.log_text()
        controller.stop()
        try:
            apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
            second.wait_to_lead()
            wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
        finally:
            second.stop()
            controller.start()
            controller.wait_to_lead()


# --- trouble ---


def test_it_ends_in_time_though_the_api_server_hangs(
    controller, cluster, bind, pebble, namespace, tmp_path
):
    """With a pause of the CA to save, events to send, a Lease to release: a kubelet kills in the end."""
    acme_issuer(cluster, bind, pebble, namespace)
    with controller.instead(tmp_path) as second:
        apply(cluster, m.certificate("web", [f"{namespace}.example.test"], namespace=namespace))
        wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
        cluster.pause()
        try:
            began = time.monotonic()
            second.interrupt()
            second.child.wait(timeout=60)
            took = time.monotonic() - began
        finally:
            cluster.resume()
        assert took < STOPS_WITHIN_S + 1  # which the checkers take at the end of a debug build
        assert "runs out" in second.log_text()  # the Lease was ours to the end


def test_what_rbac_refuses_is_in_the_log(binary, cluster, tmp_path):
    kubeconfig = cluster.service_account(NAMESPACE, "nobody")
    process = Controller(binary, tmp_path, cluster, ["--leader-elect=false"], kubeconfig=kubeconfig)
    process.is_ready = lambda: process.health("/livez")[0] == 200
    words = ("forbidden", "certificates", "watch")
    with process:
        wait_until(lambda: all(word in process.log_text().lower() for word in words), 60, f"{words} in the log")
        assert process.health("/readyz")[0] == 503
        assert process.health("/livez")[0] == 200


def test_no_permission_is_missing(controller, cluster):
    """After all of the above: nothing was refused to the ServiceAccount."""
    assert refused(cluster) == []
