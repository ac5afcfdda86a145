"""What a cluster asks of a private CA, by `certlet controller`: from the root to the leaf, who approves, who may
ask, in which namespaces, what kubectl makes of it, and a TLS server that shows the Secret.
"""

import base64
import contextlib
import json
import socket
import ssl

import pytest

from support import manifests as m
from support import pki, rbac
from support.bed import wait_until
from support.controller import (
    ACCOUNT,
    NAMESPACE,
    Controller,
    apply,
    condition,
    is_true,
    refused,
    secret_data,
    wait_for_revision,
    wait_ready,
)
from support.files import bounds_of, general_names_of, names_of, rdns_of, serial_of, subject_of, verify
from support.kube import account_user
from support.names import (
    BOUNDS,
    LITERAL_SUBJECTS,
    OTHER_NAMES,
    WITHIN,
    bounds_by_openssl,
    other_names_by_openssl,
    subject_by_openssl,
)
from support.resources import CERTIFICATES, CLUSTER_ISSUERS, ISSUERS, REQUESTS
from support.server import LOOPBACK, BedError, Server, reserve_port

pytestmark = pytest.mark.kube
KINDS = ("certificate", "certificaterequest", "issuer", "clusterissuer", "order", "challenge")
TRUST = "trust"  # where ClusterIssuers have their Secrets
FLAGS = [f"--cluster-resource-namespace={TRUST}"]


@pytest.fixture(scope="module")
def cluster(cluster):
    cluster.create("namespaces", {"metadata": {"name": TRUST}})
    return cluster


@pytest.fixture(scope="module")
def controller(binary, cluster, tmp_path_factory):
    with Controller(binary, tmp_path_factory.mktemp("controller"), cluster, FLAGS) as process:
        process.wait_to_lead()
        yield process


@pytest.fixture(scope="module")
def cluster_ca(cluster, controller):
    """The issuerRef of the ClusterIssuer at the end of cluster-self ─► cluster-root ─► cluster-ca."""
    own = {"issuerRef": {"name": "cluster-self", "kind": "ClusterIssuer"}}
    apply(
        cluster,
        m.private_issuer("cluster-self", {"selfSigned": {}}),
        m.root_certificate("cluster-self", TRUST, "cluster-root", **own),
        m.private_issuer("cluster-ca", {"ca": {"secretName": "cluster-root-tls"}}),
    )
    cluster.wait_for(f"{CLUSTER_ISSUERS}/cluster-ca", condition=is_true)
    return {"name": "cluster-ca", "kind": "ClusterIssuer"}


def leaf(name, namespace, issuer="ca", **spec):
    return m.certificate(name, [f"{name}.example.test"], issuer, namespace, **spec)


def of_secret(cluster, name, namespace):
    """Its data after a look: the key is that of the certificate."""
    data = secret_data(cluster, name, namespace)
    assert pki.public_of(data["tls.key"]) == pki.public_of(data["tls.crt"])
    return data


# --- from the root to the leaf ---


def test_root_ca_and_leaf_are_issued_and_verify(controller, cluster, private_ca, tmp_path):
    apply(cluster, leaf("web", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    root, web = (of_secret(cluster, f"{name}-tls", private_ca) for name in ("root", "web"))
    assert web["ca.crt"] == root["tls.crt"]
    assert "OK" in verify(web["tls.crt"], web["ca.crt"], tmp_path)
    assert names_of(web["tls.crt"]) == ["web.example.test"]
    assert condition(cluster.get(f"{ISSUERS}/ca", private_ca), "Ready")[1] == "KeyPairVerified"


def is_refused_for(text):
    def holds(one):
        status, reason, message = condition(one, "Ready") or (None, None, "")
        return (status, reason) == ("False", "SecretOfIssuer") and text in message

    return holds


@pytest.mark.parametrize("issuer", ["corp", "self"])
def test_a_ca_that_somebody_brought_is_not_overwritten(controller, cluster, private_ca, issuer):
    """The bootstrap goes on beside it: that root is of a Certificate."""
    wait_ready(cluster, f"{ISSUERS}/ca", private_ca)
    brought = secret_data(cluster, "root-tls", private_ca)
    apply(
        cluster,
        m.secret("corp-ca", {key: brought[key] for key in ("tls.crt", "tls.key")}, private_ca),
        m.private_issuer("corp", {"ca": {"secretName": "corp-ca"}}, private_ca),
    )
    wait_ready(cluster, f"{ISSUERS}/corp", private_ca)
    apply(cluster, leaf("web", private_ca, issuer, secretName="corp-ca"))
    said = is_refused_for("Issuer 'corp' has its CA in Secret 'corp-ca'")
    cluster.wait_for(f"{CERTIFICATES}/web", private_ca, condition=said)
    assert secret_data(cluster, "corp-ca", private_ca)["tls.key"] == brought["tls.key"]
    assert is_true(cluster.get(f"{ISSUERS}/corp", private_ca))
    apply(cluster, leaf("web", private_ca, issuer))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)


def test_a_secret_for_the_key_of_an_account_is_for_no_certificate(controller, cluster, private_ca):
    acme = {
        "server": f"https://{LOOPBACK}:9/directory",
        "privateKeySecretRef": {"name": "h-tls"},
        "solvers": [{"http01": {"ingress": {}}}],
    }
    apply(cluster, m.private_issuer("h", {"acme": acme}, private_ca))
    cluster.wait_for(f"{ISSUERS}/h", private_ca, condition=lambda one: condition(one, "Ready"))
    apply(cluster, leaf("h", private_ca))
    said = is_refused_for("Issuer 'h' has the key of its ACME account in Secret 'h-tls'")
    cluster.wait_for(f"{CERTIFICATES}/h", private_ca, condition=said)
    cluster.delete(f"{ISSUERS}/h", private_ca)
    wait_ready(cluster, f"{CERTIFICATES}/h", private_ca)


def windowed(name, namespace, window):
    spec = {"duration": "24h", "renewal": {"policy": "RenewBefore", "windows": [window]}}
    return leaf(name, namespace, **spec)


def test_renewal_time_is_moved_into_a_window_and_one_that_never_opens_is_told(
    controller, cluster, private_ca
):
    """Of a day 16 h have passed at the renewal, so that each hour of the day is a later one or tomorrow's."""
    web = f"{CERTIFICATES}/web"
    hourly = {"cron": "0 * * * *", "windowDuration": "1m", "timezone": "Asia/Kathmandu"}
    apply(cluster, windowed("web", private_ca, hourly))
    wait_ready(cluster, web, private_ca)
    assert ":15:" in cluster.get(web, private_ca)["status"]["renewalTime"]  # it may have been in the window's minute
    apply(cluster, windowed("web", private_ca, {"cron": "0 0 30 2 *", "windowDuration": "1h"}))

    def says(reason):
        return lambda one: condition(one, "Ready")[:2] == ("False", reason)

    found = cluster.wait_for(web, private_ca, condition=says("WindowError"))
    assert "windows[0] '0 0 30 2 *' in UTC" in str(found["status"]["conditions"])
    assert found["status"]["revision"] == 1
    wait_until(
        lambda: any(
            one["reason"] == "WindowError" and one["regarding"]["name"] == "web"
            for one in cluster.list("events.events.k8s.io", private_ca)
        ),
        20,
        "the event",
    )
    on_mars = {"cron": "0 2 * * 7", "windowDuration": "1h", "timezone": "Mars/Phobos"}
    apply(cluster, windowed("web", private_ca, on_mars))
    found = cluster.wait_for(web, private_ca, condition=says("InvalidSpec"))
    for member in ("cron", "timezone"):
        assert f"spec.renewal.windows[0].{member}: " in str(found["status"]["conditions"])
    apply(cluster, windowed("web", private_ca, hourly))
    wait_ready(cluster, web, private_ca)


def test_cluster_issuers_have_their_secrets_in_the_resource_namespace(
    controller, cluster, cluster_ca, namespace, tmp_path
):
    apply(cluster, leaf("web", namespace, issuerRef=cluster_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    web = of_secret(cluster, "web-tls", namespace)
    assert web["ca.crt"] == of_secret(cluster, "cluster-root-tls", TRUST)["tls.crt"]
    assert "OK" in verify(web["tls.crt"], web["ca.crt"], tmp_path)
    annotations = cluster.get("secrets/web-tls", namespace)["metadata"]["annotations"]
    assert annotations["cert-manager.io/issuer-kind"] == "ClusterIssuer"


MANY = 10


def own_requests(cluster, namespace):
    """What the controller asked the API server in a namespace, as {verb and resource: how often}."""
    counts = {}
    for event in cluster.api_server.audit(account_user(NAMESPACE, ACCOUNT)):
        about = event.get("objectRef", {})
        if about.get("namespace") == namespace and event["verb"] != "watch":
            name = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            counts[event["verb"], name] = counts.get((event["verb"], name), 0) + 1
    return counts


def wait_for_events(cluster, namespace, name):
    """Those up to the first about `name` are in the audit log: they are sent in their order."""

    def holds():
        events = cluster.list("events", namespace)
        sent = own_requests(cluster, namespace).get(("create", "events"), 0)
        return any(one["involvedObject"]["name"] == name for one in events) and sent >= len(events)

    wait_until(holds, 20, f"the event of {name}")


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
def test_a_certificate_costs_four_writes_an_event_and_a_read_at_most(
    controller, cluster, cluster_ca, private_ca, kind
):
    namespace = private_ca
    reference = cluster_ca if kind == "ClusterIssuer" else {"name": "ca", "kind": kind}
    apply(cluster, leaf("first", namespace, issuerRef=reference))
    wait_ready(cluster, f"{CERTIFICATES}/first", namespace)
    wait_for_events(cluster, namespace, "first")
    before = own_requests(cluster, namespace)
    for i in range(MANY):
        apply(cluster, leaf(f"c{i}", namespace, issuerRef=reference))
    for i in range(MANY):
        wait_ready(cluster, f"{CERTIFICATES}/c{i}", namespace)

    def counts():
        now = own_requests(cluster, namespace)
        return {key: n - before.get(key, 0) for key, n in now.items() if n > before.get(key, 0)}

    wait_until(lambda: counts().get(("create", "events"), 0) >= MANY, 20, "the events in the audit log")
    asked = counts()
    reads = sum(asked.pop((verb, name), 0) for verb, name in list(asked) if verb in ("get", "list"))
    assert reads <= MANY
    assert asked == {
        ("create", "certificaterequests"): MANY,
        ("update", "certificaterequests/status"): MANY,
        ("patch", "secrets"): MANY,
        ("update", "certificates/status"): MANY,
        ("create", "events"): MANY,
    }


def test_rotated_ca_signs_what_is_issued_from_then_on(
    controller, cluster, private_ca, plugin, tmp_path
):
    apply(cluster, leaf("web", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    old_root, old = (of_secret(cluster, f"{name}-tls", private_ca) for name in ("root", "web"))
    assert plugin("renew", "-n", private_ca, "root").returncode == 0
    wait_for_revision(cluster, "root", private_ca, 2)
    new_root = of_secret(cluster, "root-tls", private_ca)
    assert new_root["tls.crt"] != old_root["tls.crt"]
    assert of_secret(cluster, "web-tls", private_ca) == old
    assert plugin("renew", "-n", private_ca, "web").returncode == 0
    wait_for_revision(cluster, "web", private_ca, 2)
    new = of_secret(cluster, "web-tls", private_ca)
    assert new["ca.crt"] == new_root["tls.crt"]
    assert "OK" in verify(new["tls.crt"], new_root["tls.crt"], tmp_path)


def test_a_ca_secret_that_is_missing_is_told_and_used_when_it_comes(
    controller, cluster, namespace, tmp_path
):
    files = pki.new_certificate(tmp_path, "theirs", "their CA", "basicConstraints=critical,CA:TRUE")
    apply(
        cluster,
        m.private_issuer("ca", {"ca": {"secretName": "theirs"}}, namespace),
        leaf("web", namespace),
    )
    words = f"secret '{namespace}/theirs' does not exist"
    cluster.wait_for(
        f"{CERTIFICATES}/web",
        namespace,
        condition=lambda one: words in ((condition(one, "Issuing") or ("", "", ""))[2] or ""),
    )
    apply(cluster, m.secret("theirs", pki.pair_data(files), namespace))
    wait_ready(cluster, f"{CERTIFICATES}/web", namespace)
    assert "their CA" in subject_of(of_secret(cluster, "web-tls", namespace)["ca.crt"])


# --- Secrets that are there already ---


def test_a_secret_of_cert_manager_is_adopted_and_its_label_is_no_matter(
    controller, cluster, private_ca, namespace
):
    """As an older cert-manager has left it: no label of the controller, its annotations, its field manager."""
    apply(cluster, leaf("web", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    made = cluster.get("secrets/web-tls", private_ca)
    cluster.delete(f"{CERTIFICATES}/web", private_ca)
    wait_until(lambda: only_of_root(cluster, private_ca), 180, "the garbage collector")
    cluster.delete("secrets/web-tls", private_ca)
    annotations = made["metadata"]["annotations"]
    theirs = {
        "metadata": {"name": "web-tls", "annotations": annotations},
        "type": made["type"],
        "data": made["data"],
    }
    cluster.create("secrets", theirs, private_ca)
    apply(cluster, leaf("web", private_ca))
    one = wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    assert cluster.get("secrets/web-tls", private_ca)["data"] == made["data"]
    assert condition(one, "Issuing") is None
    assert only_of_root(cluster, private_ca)
    # A user who takes labels away, ours and all, gets no other certificate.
    take_off = {"metadata": {"labels": None}}
    cluster.patch("secrets/web-tls", take_off, private_ca)
    apply(cluster, leaf("other", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/other", private_ca)
    assert cluster.get("secrets/web-tls", private_ca)["data"] == made["data"]
    assert is_true(cluster.get(f"{CERTIFICATES}/web", private_ca))


def only_of_root(cluster, namespace):
    owners = [one["metadata"]["ownerReferences"][0]["name"] for one in cluster.list(REQUESTS, namespace)]
    return "web" not in owners


def test_template_and_output_formats_follow_the_spec_without_a_new_certificate(
    controller, cluster, private_ca
):
    apply(cluster, leaf("web", private_ca, secretTemplate={"labels": {"team": "web"}}))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    first = secret_data(cluster, "web-tls", private_ca)
    formats = [{"type": "DER"}, {"type": "CombinedPEM"}]
    template = {"labels": {"tier": "front"}, "annotations": {"note": "hello"}}
    apply(cluster, leaf("web", private_ca, secretTemplate=template, additionalOutputFormats=formats))
    secret = cluster.wait_for(
        "secrets/web-tls", private_ca, condition=lambda one: "tls-combined.pem" in one["data"]
    )
    labels = secret["metadata"]["labels"]
    assert labels["tier"] == "front" and "team" not in labels
    assert secret["metadata"]["annotations"]["note"] == "hello"
    now = secret_data(cluster, "web-tls", private_ca)
    assert now["tls.crt"] == first["tls.crt"] and now["tls.key"] == first["tls.key"]
    assert now["tls-combined.pem"] == now["tls.key"] + "\n" + now["tls.crt"]
    assert secret["data"]["key.der"] == "".join(now["tls.key"].splitlines()[1:-1])


# --- names that are written as they are asked for ---


def chain_of(cluster, name, namespace):
    return secret_data(cluster, f"{name}-tls", namespace)["tls.crt"]


@pytest.mark.parametrize("issuer", ["ca", "self"])
def test_literal_subjects_are_in_the_certificates_rdn_for_rdn(
    controller, cluster, private_ca, tmp_path, issuer
):
    for name, (text, _) in LITERAL_SUBJECTS.items():
        names = ["*.example.test"] if name == "order" else []
        apply(cluster, m.certificate(name, names, issuer, private_ca, literalSubject=text))
    for name, (_, subject) in LITERAL_SUBJECTS.items():
        wait_ready(cluster, f"{CERTIFICATES}/{name}", private_ca)
        reference = subject_by_openssl(subject, tmp_path)
        assert rdns_of(chain_of(cluster, name, private_ca)) == rdns_of(reference), name


@pytest.mark.parametrize("issuer", ["ca", "self"])
def test_other_names_have_the_bytes_of_openssl(controller, cluster, private_ca, tmp_path, issuer):
    spec = {"emailAddresses": ["email@example.test"], "commonName": "web", "otherNames": OTHER_NAMES}
    apply(cluster, m.certificate("web", [], issuer, private_ca, **spec))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    pem = chain_of(cluster, "web", private_ca)
    assert general_names_of(pem) == general_names_of(other_names_by_openssl(tmp_path))


def test_name_constraints_of_a_ca_bind_what_it_signs(controller, cluster, private_ca, tmp_path):
    bounded = {"isCA": True, "commonName": "bounded", "nameConstraints": {"critical": True, **BOUNDS}}
    apply(
        cluster,
        m.certificate("bounded", [], "self", private_ca, **bounded),
        m.private_issuer("bounded", {"ca": {"secretName": "bounded-tls"}}, private_ca),
        *(m.certificate(name, [], "bounded", private_ca, **spec) for name, (spec, _) in WITHIN.items()),
    )
    for name, (_, refusal) in WITHIN.items():
        wait_ready(cluster, f"{CERTIFICATES}/{name}", private_ca)
        data = secret_data(cluster, f"{name}-tls", private_ca)
        if refusal is None:
            assert "OK" in verify(data["tls.crt"], data["ca.crt"], tmp_path)
        else:
            with pytest.raises(BedError, match=refusal):
                verify(data["tls.crt"], data["ca.crt"], tmp_path)
    root = chain_of(cluster, "bounded", private_ca)
    assert bounds_of(root) == bounds_of(bounds_by_openssl(tmp_path))


def times_told(cluster, namespace, name, reason="ChainRefused"):
    """How often of the object, and the last message."""
    found = [
        one
        for one in cluster.list("events.events.k8s.io", namespace)
        if one["reason"] == reason and one["regarding"]["name"] == name
    ]
    assert all(one["type"] == "Warning" for one in found)
    return sum((one.get("series") or {"count": 1})["count"] for one in found), [one["note"] for one in found][-1:]


def short_authority(folder):
    """The Secret data of a CA that is below one with pathlen:0."""
    above = pki.new_certificate(folder, "short", "short", "basicConstraints=critical,CA:TRUE,pathlen:0")
    files = pki.new_certificate(
        folder, "below", "below", "basicConstraints=critical,CA:TRUE", pki.IS_CA, issuer=above
    )
    return {**pki.pair_data(files), "ca.crt": above[0].read_text(encoding="ascii")}


def test_a_chain_that_clients_refuse_is_issued_and_told_once(
    controller, cluster, private_ca, plugin, tmp_path
):
    """As by cert-manager it is issued, and as by cert-manager the Issuer is ready."""
    bounded = {"nameConstraints": {"critical": True, "permitted": {"dnsDomains": [".corp.example"]}}}
    apply(
        cluster,
        m.root_certificate("self", private_ca, "corp", **bounded),
        m.private_issuer("corp", {"ca": {"secretName": "corp-tls"}}, private_ca),
        m.secret("below", short_authority(tmp_path), private_ca),
        m.private_issuer("below", {"ca": {"secretName": "below"}}, private_ca),
        m.certificate("in", ["www.corp.example"], "corp", private_ca),
        m.certificate("out", ["www.other.example"], "corp", private_ca),
        m.certificate("long", ["www.example.test"], "below", private_ca),
    )
    said = {
        "out": ("DNS name 'www.other.example'", "permitted subtree violation"),
        "long": ("('CN=short') may have 0 CAs below it", "path length constraint exceeded"),
        "below": ("the CA certificate 'CN=short' may have 0 CAs below it", None),
    }
    for name in ("in", "out", "long"):
        wait_ready(cluster, f"{CERTIFICATES}/{name}", private_ca)
    for name, (words, refusal) in said.items():
        wait_until(lambda: times_told(cluster, private_ca, name)[0], 20, f"the event of {name}")  # noqa: B023
        assert words in times_told(cluster, private_ca, name)[1][0]
        if refusal:
            data = secret_data(cluster, f"{name}-tls", private_ca)
            with pytest.raises(BedError, match=refusal):
                verify(data["tls.crt"], data["ca.crt"], tmp_path)
            assert words in plugin("status", "-n", private_ca, "-o", "tree", name).stdout
    status, reason, message = condition(cluster.get(f"{ISSUERS}/below", private_ca), "Ready")
    assert (status, reason) == ("True", "KeyPairVerified") and said["below"][0] in message
    assert condition(cluster.get(f"{ISSUERS}/corp", private_ca), "Ready")[2] == "Signing CA verified"
    inside = secret_data(cluster, "in-tls", private_ca)
    assert "OK" in verify(inside["tls.crt"], inside["ca.crt"], tmp_path)
    # Looked at again, by another process, too: nothing is told twice, and nothing is issued.
    cluster.patch("secrets/out-tls", {"metadata": {"labels": None}}, private_ca)
    controller.restart()
    controller.wait_to_lead()
    apply(cluster, m.certificate("marker", ["more.other.example"], "corp", private_ca))
    wait_until(lambda: times_told(cluster, private_ca, "marker")[0], 60, "the event of another")
    for name in ("in", "corp", "ca", "root"):
        assert times_told(cluster, private_ca, name)[0] == 0, name
    for name in said:
        assert times_told(cluster, private_ca, name)[0] == 1, name
    for name in ("in", "out", "long"):
        assert cluster.get(f"{CERTIFICATES}/{name}", private_ca)["status"]["revision"] == 1


def test_another_subject_or_other_name_is_another_certificate_and_a_restart_makes_none(
    controller, cluster, private_ca
):
    def web(**spec):
        return m.certificate("web", ["www.example.test"], "ca", private_ca, **spec)

    subject = {"literalSubject": "CN=web,OU=shop,O=Example"}
    apply(cluster, web(**subject))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    apply(cluster, web(literalSubject="CN=web,O=Example,OU=shop"))
    wait_for_revision(cluster, "web", private_ca, 2)
    assert rdns_of(chain_of(cluster, "web", private_ca))[0] == "2.5.4.11 = shop"
    apply(cluster, web(**subject, otherNames=OTHER_NAMES))
    wait_for_revision(cluster, "web", private_ca, 3)
    apply(cluster, web(**subject, otherNames=OTHER_NAMES[:1]))
    wait_for_revision(cluster, "web", private_ca, 4)
    apply(cluster, m.root_certificate("self", private_ca, nameConstraints=BOUNDS))  # not compared
    before = [secret_data(cluster, f"{name}-tls", private_ca) for name in ("root", "web")]
    controller.restart()
    controller.wait_to_lead()
    apply(cluster, leaf("marker", private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/marker", private_ca)
    assert [secret_data(cluster, f"{name}-tls", private_ca) for name in ("root", "web")] == before
    assert cluster.get(f"{CERTIFICATES}/web", private_ca)["status"]["revision"] == 4


def test_an_unknown_type_in_a_subject_is_refused_by_the_api_server(cluster, namespace):
    with pytest.raises(BedError, match="spec.literalSubject: is not a distinguished name of known types"):
        apply(cluster, leaf("web", namespace, literalSubject="UNKNOWN=blah"))


# Past what CEL can see: bytes behind digits, arcs above the limit, bytes of a common name.
UNSEEN = [r"O=\FF", "O=#0201ff", "1.2.2147483648=a", "CN=" + "\u00fc" * 33, "CN=" + r"\C3\BC" * 33]


@pytest.mark.parametrize("text", UNSEEN)
def test_a_subject_that_only_the_controller_can_judge_is_told_by_condition(
    controller, cluster, private_ca, text
):
    def is_told(one):
        status, reason, message = condition(one, "Ready") or ("", "", "")
        return reason == "InvalidSpec" and "spec.literalSubject: " in message and status == "False"

    apply(cluster, leaf("web", private_ca, literalSubject=text))
    cluster.wait_for(f"{CERTIFICATES}/web", private_ca, condition=is_told)
    assert not secret_data(cluster, "web-tls", private_ca)
    apply(cluster, leaf("web", private_ca, literalSubject="O=a"))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)


# --- kubectl ---


def test_both_kinds_of_apply_work_and_again_change_nothing(controller, cluster, private_ca):
    text = m.text(leaf("web", private_ca))

    def client_side(manifest):
        return cluster.kubectl("apply", "-f", "-", stdin=manifest)

    assert "created" in client_side(text)
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    chain = secret_data(cluster, "web-tls", private_ca)["tls.crt"]
    before = cluster.get(f"{CERTIFICATES}/web", private_ca)
    assert "unchanged" in client_side(text)
    assert "serverside-applied" in cluster.apply(text)
    after = cluster.get(f"{CERTIFICATES}/web", private_ca)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == before["status"]
    more = m.certificate("web", ["web.example.test", "more.example.test"], "ca", private_ca)
    assert "configured" in client_side(m.text(more))
    wait_for_revision(cluster, "web", private_ca, 2)
    now = secret_data(cluster, "web-tls", private_ca)["tls.crt"]
    assert now != chain and names_of(now) == ["more.example.test", "web.example.test"]
    assert "serverside-applied" in cluster.apply(text)
    wait_for_revision(cluster, "web", private_ca, 3)


def test_renewal_by_a_status_update_as_cmctl_does_it(controller, cluster, private_ca):
    apply(cluster, leaf("web", private_ca))
    one = wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    first = secret_data(cluster, "web-tls", private_ca)["tls.crt"]
    issuing = {
        **{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"},
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": one["status"]["notBefore"],
        "observedGeneration": one["metadata"]["generation"],
    }
    patch = {"status": {"conditions": [*one["status"]["conditions"], issuing]}}
    how = ("--subresource=status", "--type=merge", "-n", private_ca, "-p", json.dumps(patch))
    assert "patched" in cluster.kubectl("patch", "certificate", "web", *how)
    one = wait_for_revision(cluster, "web", private_ca, 2)
    wait_until(
        lambda: condition(cluster.get(f"{CERTIFICATES}/web", private_ca), "Issuing") is None, 20, "its end"
    )
    assert serial_of(secret_data(cluster, "web-tls", private_ca)["tls.crt"]) != serial_of(first)


@pytest.mark.parametrize("kind", KINDS)
def test_kubectl_explain_tells_every_field(cluster, kind):
    def described(path):
        return cluster.kubectl("explain", path).partition("DESCRIPTION:")[2]

    for path in (kind, f"{kind}.spec", f"{kind}.status"):
        text = described(path)
        assert len(text.split()) > 5 and "<empty>" not in text, path
    assert "<empty>" not in cluster.kubectl("explain", f"{kind}.spec")


# --- who approves ---


def request_of(cluster, namespace, name):
    def is_there(one):
        return one and not is_true(one)

    return cluster.wait_for(f"{REQUESTS}/{name}", namespace, condition=is_there)


def test_an_external_approver_decides(controller, cluster, private_ca, plugin, tmp_path):
    wait_ready(cluster, f"{ISSUERS}/ca", private_ca)
    with controller.instead(tmp_path, "--controllers=*,-certificaterequests-approver"):
        apply(cluster, leaf("yes", private_ca), leaf("no", private_ca))
        for name in ("yes", "no"):
            one = request_of(cluster, private_ca, f"{name}-1")
            assert condition(one, "Approved") is None
        done = plugin("approve", "-n", private_ca, "yes-1", "--reason", "Tested", "--message", "fine by me")
        assert done.returncode == 0, done.stderr
        wait_ready(cluster, f"{CERTIFICATES}/yes", private_ca)
        assert condition(cluster.get(f"{REQUESTS}/yes-1", private_ca), "Approved") == (
            "True",
            "Tested",
            "fine by me",
        )
        done = plugin("deny", "-n", private_ca, "no-1", "--reason", "Policy", "--message", "not this name")
        assert done.returncode == 0, done.stderr

        def has_failed(one):
            return (condition(one, "Issuing") or ("",))[0] == "False"

        one = cluster.wait_for(f"{CERTIFICATES}/no", private_ca, condition=has_failed)
        status, reason, message = condition(one, "Issuing")
        assert reason == "Policy" and "not this name" in message
        assert one["status"]["failedIssuanceAttempts"] == 1
        assert plugin.row("no", private_ca)["nextAttempt"] > one["status"]["lastFailureTime"]
        assert condition(cluster.get(f"{REQUESTS}/no-1", private_ca), "Ready")[1] == "Denied"
        assert cluster.get("secrets/no-tls", private_ca) is None


@pytest.fixture
def csi_driver(cluster, namespace):
    """A user who may create CertificateRequests in the namespace, and nothing else."""
    cluster.service_account(namespace, "csi-driver")
    may_ask = rbac.rule("certificaterequests", "create", "get", "watch", "list", "delete")
    rbac.grant(cluster, namespace, "csi-driver", may_ask)
    user = cluster.as_service_account(namespace, "csi-driver")

    def may():
        with contextlib.suppress(BedError):
            return user.list(REQUESTS, namespace) is not None
        return False

    wait_until(may, 20, "its role")
    return user


def test_a_request_of_a_user_without_a_certificate_is_issued(
    controller, cluster, private_ca, csi_driver, tmp_path
):
    """As a CSI driver asks for a volume of a pod: its key never leaves the node."""
    csr = pki.new_csr(["pod.example.test"])
    asked = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"generateName": "volume-"},
        "spec": {
            "request": base64.b64encode(csr.encode()).decode(),
            "issuerRef": {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"},
            "duration": "2h",
            "usages": ["client auth", "digital signature"],
        },
    }
    name = csi_driver.create(REQUESTS, asked, private_ca)["metadata"]["name"]
    one = csi_driver.wait_for(f"{REQUESTS}/{name}", private_ca, condition=is_true)
    chain = base64.b64decode(one["status"]["certificate"]).decode()
    assert names_of(chain) == ["pod.example.test"]
    assert "OK" in verify(chain, base64.b64decode(one["status"]["ca"]).decode(), tmp_path)
    text = pki.openssl("x509", "-noout", "-text", stdin=chain)
    assert "TLS Web Client Authentication" in text and "TLS Web Server" not in text
    with pytest.raises(BedError, match="403"):
        csi_driver.patch(f"{REQUESTS}/{name}", {"status": {}}, private_ca, "status")
    # In whose name it asks, the API server knows: it is stamped, or a false one is refused.
    forged = {**asked, "spec": {**asked["spec"], "username": "admin", "groups": ["system:masters"]}}
    if cluster.minor < 36:
        with pytest.raises(BedError, match="is not you"):
            csi_driver.create(REQUESTS, forged, private_ca)
        return
    made = csi_driver.create(REQUESTS, forged, private_ca)
    for spec in (one["spec"], made["spec"]):
        assert spec["username"] == account_user(private_ca, "csi-driver")
        assert "system:masters" not in spec["groups"]


# --- some namespaces only ---


def test_a_list_of_namespaces_leaves_the_others_and_cluster_issuers_alone(
    controller, cluster, namespace, tmp_path
):
    names = [f"{namespace[:40]}-{which}" for which in ("one", "two", "three")]
    for name in names:
        cluster.create("namespaces", {"metadata": {"name": name}})
    by_cluster = {"issuerRef": {"name": "listed-self", "kind": "ClusterIssuer"}}
    with controller.instead(tmp_path, f"--namespace={names[0]},{names[1]}"):
        apply(cluster, m.private_issuer("listed-self", {"selfSigned": {}}))
        for name in names:
            apply(
                cluster,
                m.private_issuer("self", {"selfSigned": {}}, name),
                leaf("web", name, "self"),
                leaf("cluster", name, **by_cluster),
            )
        for name in names[:2]:
            wait_ready(cluster, f"{CERTIFICATES}/web", name)

        def is_refused(one):
            return "ClusterIssuer 'listed-self' is not looked at" in ((condition(one, "Issuing") or ("", "", ""))[2] or "")

        cluster.wait_for(f"{CERTIFICATES}/cluster", names[0], condition=is_refused)
        for kind in ("web", "cluster"):
            assert "status" not in cluster.get(f"{CERTIFICATES}/{kind}", names[2])
        assert "status" not in cluster.get(f"{CLUSTER_ISSUERS}/listed-self")
    # The one of all namespaces goes on with what was left.
    wait_ready(cluster, f"{CERTIFICATES}/web", names[2])
    for name in names:
        wait_ready(cluster, f"{CERTIFICATES}/cluster", name)


# --- and somebody shows it ---


class TlsServer(Server):
    """`openssl s_server` with the files of a Secret, as a pod has them in a volume."""

    name = "s_server"

    def __init__(self, folder, data):
        super().__init__(folder)
        self.port = reserve_port()
        for key in ("tls.crt", "tls.key"):
            (self.folder / key).touch(mode=0o600)
            (self.folder / key).write_text(data[key], encoding="ascii")

    def command(self):
        files = ("-cert", "tls.crt", "-cert_chain", "tls.crt", "-key", "tls.key")
        return ["openssl", "s_server", "-accept", f"{LOOPBACK}:{self.port}", *files, "-quiet"]

    def is_ready(self):
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, int(self.port)), 1):
            return True
        return False


def test_a_tls_server_that_shows_the_secret_is_believed(controller, cluster, private_ca, tmp_path):
    """Through an intermediate CA: the chain must be in tls.crt, and the root in ca.crt."""
    apply(
        cluster,
        m.root_certificate("ca", private_ca, "middle", duration="8760h"),
        m.private_issuer("middle-ca", {"ca": {"secretName": "middle-tls"}}, private_ca),
        leaf("web", private_ca, "middle-ca"),
    )
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    data = of_secret(cluster, "web-tls", private_ca)
    assert data["tls.crt"].count("BEGIN CERTIFICATE") == 2
    trust = ssl.create_default_context(cadata=data["ca.crt"])
    with TlsServer(tmp_path, data) as server:
        address = (LOOPBACK, int(server.port))
        with socket.create_connection(address, 30) as raw:
            with trust.wrap_socket(raw, server_hostname="web.example.test") as connection:
                assert ("DNS", "web.example.test") in connection.getpeercert()["subjectAltName"]
        with socket.create_connection(address, 30) as raw, pytest.raises(ssl.SSLCertVerificationError):
            trust.wrap_socket(raw, server_hostname="another.example.test")


def test_no_permission_is_missing(controller, cluster):
    """After all of the above: nothing was refused to the ServiceAccount."""
    assert refused(cluster) == []
