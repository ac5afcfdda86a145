"""What cert-manager's behaviour suites and integration tests assert of Certificates, their Secrets, requests and
Orders (tests/parity.md §3, §4 and §5), by `certlet controller`.
"""

import base64
import collections
import datetime

import pytest

from support import manifests as m
from support import pki
from support.bed import wait_until
from support.certlet import solver_flags
from support.controller import (
    ACCOUNT,
    NAMESPACE,
    Controller,
    apply,
    condition,
    is_true,
    namespace_of,
    secret_data,
    wait_for_revision,
    wait_ready,
)
from support.kube_api import KubeError
from support.resources import CERTIFICATES, CHALLENGES, ISSUERS, ORDERS, REQUESTS
from support.scene import Scene, Watcher

pytestmark = pytest.mark.kube

OURS = "cert-manager-certificates-issuing"  # the manager of what we apply to a target Secret
APPLY = "application/apply-patch+yaml"
DER, COMBINED = {"type": "DER"}, {"type": "CombinedPEM"}
OUTSIDE = {"name": "outside", "kind": "Outside", "group": "issuers.example.test"}


@pytest.fixture(scope="module")
def flags(bind):
    return [*solver_flags(bind), "--account-key-type=ecdsa"]


@pytest.fixture(scope="module")
def controller(binary, cluster, flags, tmp_path_factory):
    with Controller(binary, tmp_path_factory.mktemp("controller"), cluster, flags) as process:
        process.wait_to_lead()
        yield process


@pytest.fixture
def ca(controller, private_ca):
    """The namespace of self ─► root ─► ca."""
    return private_ca


def leaf(namespace, name="web", **spec):
    return m.certificate(name, [f"{name}.example.test"], "ca", namespace, **spec)


def ask(cluster, one):
    """Apply a Certificate, and wait until it is ready."""
    apply(cluster, one)
    return wait_ready(cluster, f"{CERTIFICATES}/{one['metadata']['name']}", one["metadata"]["namespace"])


def apply_as(cluster, manager, namespace, name="web-tls", **members):
    """Server-side apply of a Secret by somebody else."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    body["metadata"].update(members.pop("metadata", {}))
    path = cluster.path(f"secrets/{name}", namespace) + f"?fieldManager={manager}&force=true"
    return cluster.request("PATCH", path, {**body, **members}, APPLY)


def owned_paths(secret, manager=OURS):
    """What a manager has applied, as {('data', 'tls.key'), ...} of metadata and data."""
    found = set()
    for entry in secret["metadata"].get("managedFields", []):
        if entry["manager"] != manager or entry["operation"] != "Apply":
            continue
        fields = entry["fieldsV1"]
        for where in (fields, fields.get("f:metadata", {})):
            for member in ("f:data", "f:labels", "f:annotations"):
                found |= {(member[2:], key[2:]) for key in where.get(member, {}) if key != "."}
    return found


def wait_for_secret(cluster, namespace, holds, name="web-tls", seconds=60):
    return cluster.wait_for(
        f"secrets/{name}", namespace, condition=lambda one: one and holds(one), seconds=seconds
    )


def pair_of(secret):
    return {key: secret["data"].get(key) for key in ("tls.crt", "tls.key", "ca.crt")}


def mark(cluster, name, namespace, reason="ManuallyTriggered"):
    """Issuing=True by a status update, as cmctl does it."""

    def written():
        one = cluster.get(f"{CERTIFICATES}/{name}", namespace)
        others = [c for c in one["status"]["conditions"] if c["type"] != "Issuing"]
        issuing = {"type": "Issuing", "status": "True", "reason": reason, "message": "by hand"}
        one["status"]["conditions"] = [*others, {**issuing, "observedGeneration": one["metadata"]["generation"]}]
        try:
            return cluster.replace(f"{CERTIFICATES}/{name}", one, namespace, "status")
        except KubeError as error:
            if error.code != 409:
                raise
            return None

    wait_until(written, 60, f"{name} to be marked")


# --- additional output formats ---


def formats_of(secret):
    return {"key.der", "tls-combined.pem"} & set(secret["data"])


def are_of_the_pair(secret):
    """Each format that is there says the same as key and chain."""
    data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    der = base64.b64decode("".join(data["tls.key"].decode().splitlines()[1:-1]))
    combined = data["tls.key"] + b"\n" + data["tls.crt"]
    return data.get("key.der", der) == der and data.get("tls-combined.pem", combined) == combined


def test_output_formats_come_and_go_without_a_new_certificate(cluster, ca):
    ask(cluster, leaf(ca))
    first = cluster.get("secrets/web-tls", ca)
    assert not formats_of(first)
    for formats in ([COMBINED], [COMBINED, DER], [DER], []):
        apply(cluster, leaf(ca, additionalOutputFormats=formats))
        wanted = {{"DER": "key.der", "CombinedPEM": "tls-combined.pem"}[one["type"]] for one in formats}
        secret = wait_for_secret(cluster, ca, lambda one: formats_of(one) == wanted)
        assert are_of_the_pair(secret) and pair_of(secret) == pair_of(first)
    assert cluster.get(f"{CERTIFICATES}/web", ca)["status"]["revision"] == 1


@pytest.mark.parametrize("key", ["key.der", "tls-combined.pem"])
def test_output_format_that_somebody_changed_is_put_back(cluster, ca, key):
    ask(cluster, leaf(ca, additionalOutputFormats=[COMBINED, DER]))
    first = cluster.get("secrets/web-tls", ca)
    for change in (base64.b64encode(b"mine").decode(), None):
        cluster.patch("secrets/web-tls", {"data": {key: change}}, ca)
        wait_for_secret(cluster, ca, lambda one: one["data"] == first["data"])
    assert cluster.get(f"{CERTIFICATES}/web", ca)["status"]["revision"] == 1


def test_output_formats_follow_a_renewal_by_hand_whatever_its_reason(cluster, ca):
    key = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
    ask(cluster, leaf(ca, additionalOutputFormats=[COMBINED, DER], privateKey=key))
    first = cluster.get("secrets/web-tls", ca)
    mark(cluster, "web", ca, reason="e2eTest")
    wait_for_revision(cluster, "web", ca, 2)
    second = cluster.get("secrets/web-tls", ca)
    assert all(second["data"][name] != first["data"][name] for name in ("tls.crt", "tls.key"))
    assert formats_of(second) == {"key.der", "tls-combined.pem"} and are_of_the_pair(second)


def test_data_of_others_stays_though_it_has_the_name_of_a_format(cluster, ca):
    ask(cluster, leaf(ca))
    theirs = {name: base64.b64encode(b"theirs").decode() for name in ("key.der", "tls-combined.pem", "random")}
    cluster.patch("secrets/web-tls", {"data": theirs}, ca)
    apply(cluster, leaf(ca, secretTemplate={"labels": {"seen": "yes"}}))
    secret = wait_for_secret(cluster, ca, lambda one: one["metadata"]["labels"].get("seen") == "yes")
    assert {name: secret["data"].get(name) for name in theirs} == theirs


def test_output_formats_that_another_manager_has_too_are_shared_and_left(cluster, ca):
    ask(cluster, leaf(ca))
    paths = {("data", "key.der"), ("data", "tls-combined.pem")}
    apply(cluster, leaf(ca, additionalOutputFormats=[COMBINED, DER]))
    made = wait_for_secret(cluster, ca, lambda one: formats_of(one) and paths <= owned_paths(one))
    apply(cluster, leaf(ca))
    wait_for_secret(cluster, ca, lambda one: not formats_of(one))
    theirs = {name: made["data"][name] for _, name in paths}
    apply_as(cluster, "somebody", ca, data=theirs)
    apply(cluster, leaf(ca, additionalOutputFormats=[COMBINED, DER]))
    wait_for_secret(cluster, ca, lambda one: paths <= owned_paths(one))
    apply(cluster, leaf(ca))
    secret = wait_for_secret(cluster, ca, lambda one: not paths & owned_paths(one))
    assert {name: secret["data"].get(name) for name in theirs} == theirs
    assert paths <= owned_paths(secret, "somebody")


# --- the template of the Secret ---


def test_template_comes_changes_and_goes_and_what_others_wrote_stays(cluster, ca):
    ask(cluster, leaf(ca))
    theirs = {"labels": {"abc": "123", "foo": "bar"}, "annotations": {"foo": "bar"}}
    others_data = {"random-1": base64.b64encode(b"data").decode()}
    cluster.patch("secrets/web-tls", {"metadata": theirs, "data": others_data}, ca)
    first = cluster.get("secrets/web-tls", ca)

    def has(template):
        """Of the keys below our.test/ exactly these."""

        def holds(one):
            metadata = one["metadata"]
            return all(
                {key: value for key, value in metadata[kind].items() if key.startswith("our.test/")}
                == template.get(kind, {})
                for kind in ("labels", "annotations")
            )

        return holds

    templates = (
        {"labels": {"our.test/a": "1", "our.test/b": "2"}, "annotations": {"our.test/x": "1", "our.test/y": "2"}},
        {"labels": {"our.test/a": "9", "our.test/b": "2"}, "annotations": {"our.test/x": "1", "our.test/y": "9"}},
        {"labels": {"our.test/b": "2"}, "annotations": {"our.test/y": "9"}},
        {"labels": {"our.test/b": "2", "our.test/c": "3"}, "annotations": {"our.test/y": "9", "our.test/z": "3"}},
        {},
    )
    for template in templates:
        apply(cluster, leaf(ca, **({"secretTemplate": template} if template else {})))
        secret = wait_for_secret(cluster, ca, has(template))
        assert secret["data"] == first["data"]
        for kind, values in theirs.items():
            assert values.items() <= secret["metadata"][kind].items()
    assert cluster.get(f"{CERTIFICATES}/web", ca)["status"]["revision"] == 1


def test_template_keys_that_another_manager_has_too_stay_when_it_lets_them_go(cluster, ca):
    ask(cluster, leaf(ca))
    values = {"labels": {"abc": "123"}, "annotations": {"foo": "bar"}}
    paths = {("labels", "abc"), ("annotations", "foo")}
    apply_as(cluster, "somebody", ca, metadata=values)
    apply(cluster, leaf(ca, secretTemplate=values))
    both = wait_for_secret(cluster, ca, lambda one: paths <= owned_paths(one))
    assert paths <= owned_paths(both, "somebody")
    apply_as(cluster, "somebody", ca)
    secret = cluster.get("secrets/web-tls", ca)
    assert not owned_paths(secret, "somebody") and paths <= owned_paths(secret)
    assert all(values[kind].items() <= secret["metadata"][kind].items() for kind in values)


# --- begun, and needed no more ---


def is_called_off(cluster, namespace):
    """The Certificate, if so."""
    one = cluster.get(f"{CERTIFICATES}/web", namespace)
    issuing = condition(one, "Issuing")
    return one if issuing and tuple(issuing[:2]) == ("False", "CalledOff") else None


def names_of(cluster, resource, namespace, prefix):
    names = (one["metadata"]["name"] for one in cluster.list(resource, namespace))
    return sorted(name for name in names if name.startswith(prefix))


@pytest.mark.parametrize(
    "there",
    [{"issuerRef": {"name": "nope"}}, {"privateKey": {"size": 384}}],
    ids=["issuer", "key"],
)
def test_edit_that_is_taken_back_before_anybody_was_asked_keeps_the_certificate(cluster, ca, there):
    key = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"}
    asked = leaf(ca, privateKey=key)
    ask(cluster, asked)
    first = cluster.get("secrets/web-tls", ca)
    back = {field: {name: asked["spec"][field][name] for name in change} for field, change in there.items()}

    def waits(one):
        issuing = condition(one, "Issuing")
        return issuing is not None and issuing[0] == "True" and "(waiting: " in issuing[2]

    cluster.patch(f"{CERTIFICATES}/web", {"spec": there}, ca)
    cluster.wait_for(f"{CERTIFICATES}/web", ca, condition=waits)
    cluster.patch(f"{CERTIFICATES}/web", {"spec": back}, ca)
    wait_ready(cluster, f"{CERTIFICATES}/web", ca)
    one = wait_until(lambda: is_called_off(cluster, ca), 60, "the issuance to be called off")
    assert is_true(one) and one["status"]["revision"] == 1
    assert "nextPrivateKeySecretName" not in one["status"]
    wait_until(lambda: names_of(cluster, REQUESTS, ca, "web-") == ["web-1"], 60, "the other request to go")
    wait_until(lambda: names_of(cluster, "secrets", ca, "web-") == ["web-tls"], 60, "the next key to go")
    assert cluster.get("secrets/web-tls", ca)["data"] == first["data"]


def test_certificate_that_is_restored_before_its_secret_and_its_issuer_is_kept(cluster, ca):
    ask(cluster, leaf(ca))
    secret, issuer = cluster.get("secrets/web-tls", ca), cluster.get(f"{ISSUERS}/ca", ca)
    for resource in (f"{CERTIFICATES}/web", "secrets/web-tls", f"{ISSUERS}/ca"):
        cluster.delete(resource, ca)
    cluster.wait_for(f"{REQUESTS}/web-1", ca, condition=lambda one: one is None)
    apply(cluster, leaf(ca))
    cluster.wait_for(f"{REQUESTS}/web-1", ca, condition=lambda one: one and condition(one, "Ready"))
    for one in (secret, issuer):
        one["metadata"] = {
            key: value
            for key, value in one["metadata"].items()
            if key in ("name", "namespace", "labels", "annotations")
        }
        apply(cluster, one)
        wait_ready(cluster, f"{CERTIFICATES}/web", ca)
    one = wait_until(lambda: is_called_off(cluster, ca), 60, "the issuance to be called off")
    assert "revision" not in one["status"]
    assert cluster.get("secrets/web-tls", ca)["data"] == secret["data"]


# --- whose Secret it is ---


class Crowd:
    """How many Certificates of a namespace were ready at once, and how many requests each had at once, at most."""

    def __init__(self, cluster, namespace):
        self.namespace = namespace
        self.most_ready, self.most_requests = 0, 0
        self._ready, self._owner = set(), {}
        self._watchers = [Watcher(cluster, CERTIFICATES, self._certificate), Watcher(cluster, REQUESTS, self._request)]

    def _certificate(self, kind, one):
        if one["metadata"]["namespace"] == self.namespace:
            name = one["metadata"]["name"]
            (self._ready.add if kind != "DELETED" and is_true(one) else self._ready.discard)(name)
            self.most_ready = max(self.most_ready, len(self._ready))

    def _request(self, kind, one):
        metadata = one["metadata"]
        if metadata["namespace"] != self.namespace:
            return
        self._owner.pop(metadata["name"], None)
        if kind != "DELETED":
            self._owner[metadata["name"]] = metadata["ownerReferences"][0]["uid"]
        counts = collections.Counter(self._owner.values())
        self.most_requests = max([self.most_requests, *counts.values()])

    def __enter__(self):
        for watcher in self._watchers:
            watcher.__enter__()
        return self

    def __exit__(self, *failure):
        for watcher in self._watchers:
            watcher.__exit__(*failure)


def test_of_three_certificates_with_one_secret_one_is_ready_until_each_has_its_own(cluster, controller, namespace):
    apply(cluster, m.private_issuer("self", {"selfSigned": {}}, namespace))
    names = ("a", "b", "c")

    def one(name, **spec):
        return m.certificate(name, [f"{name}.example.test"], "self", namespace, **spec)

    def blocked():
        found = [cluster.get(f"{CERTIFICATES}/{name}", namespace) for name in names]
        told = [item for item in found if not is_true(item) and "shared-tls" in str(item.get("status", {}))]
        return len(told) == 2 and any(map(is_true, found))

    with Crowd(cluster, namespace) as crowd:
        apply(cluster, *(one(name, secretName="shared-tls") for name in names))
        wait_until(blocked, 60, "two of three to say that the Secret is another's", every=0.1)
        wait_until(lambda: crowd.most_ready, 60, "the watch to see one ready")
        assert (crowd.most_ready, crowd.most_requests) == (1, 1)
        apply(cluster, *(one(name) for name in names))
        for name in names:
            wait_ready(cluster, f"{CERTIFICATES}/{name}", namespace)

    def owners():
        return sorted(found["metadata"]["ownerReferences"][0]["name"] for found in cluster.list(REQUESTS, namespace))

    wait_until(lambda: owners() == list(names), 60, "one request for each to be left")


def test_nothing_is_made_for_a_certificate_that_is_being_deleted(cluster, ca):
    """What it has goes by hand, not with a foreground deletion: the garbage collector lets the owner go, and what it
    owns stay, where it hears of the deletion before it hears of the request.
    """
    one = ask(cluster, leaf(ca))
    cluster.patch(f"{CERTIFICATES}/web", {"metadata": {"finalizers": ["example.test/wait"]}}, ca)
    cluster.delete(f"{CERTIFICATES}/web", ca)

    def requests():
        return [
            found["metadata"]["name"]
            for found in cluster.list(REQUESTS, ca)
            if found["metadata"]["ownerReferences"][0]["uid"] == one["metadata"]["uid"]
        ]

    try:
        (request,) = requests()
        cluster.delete(f"{REQUESTS}/{request}", ca)
        cluster.delete("secrets/web-tls", ca)
        for n in range(2):  # each is looked at behind it
            cluster.patch(f"{CERTIFICATES}/web", {"metadata": {"labels": {"seen": str(n)}}}, ca)
            ask(cluster, leaf(ca, f"marker-{n}"))
            assert not requests() and cluster.get("secrets/web-tls", ca) is None
        assert cluster.get(f"{CERTIFICATES}/web", ca)["metadata"]["deletionTimestamp"]
    finally:
        cluster.patch(f"{CERTIFICATES}/web", {"metadata": {"finalizers": None}}, ca)


def owner_references(secret):
    return secret["metadata"].get("ownerReferences", [])


def test_owner_reference_of_the_secret_is_as_the_flag_says(controller, cluster, ca, tmp_path):
    certificate = ask(cluster, leaf(ca))
    assert not owner_references(cluster.get("secrets/web-tls", ca))
    ours = m.owner_reference(certificate)
    other = ask(cluster, leaf(ca, "other"))
    theirs = {**m.owner_reference(other), "controller": False, "blockOwnerDeletion": False}

    def with_ours(one):
        return ours in owner_references(one)

    with controller.instead(tmp_path, "--enable-certificate-owner-ref"):
        secret = wait_for_secret(cluster, ca, with_ours)
        pair = pair_of(secret)
        apply_as(cluster, "somebody", ca, metadata={"ownerReferences": [theirs]})
        for change in ([], [{**ours, "name": "another"}], [{**ours, "blockOwnerDeletion": False}]):
            cluster.patch("secrets/web-tls", {"metadata": {"ownerReferences": [*change, theirs]}}, ca)
            wait_for_secret(cluster, ca, with_ours)
    # And without the flag it goes, and that of somebody else stays.
    secret = wait_for_secret(cluster, ca, lambda one: not with_ours(one))
    assert [one["uid"] for one in owner_references(secret)] == [theirs["uid"]]
    assert pair_of(secret) == pair
    one = cluster.get(f"{CERTIFICATES}/web", ca)
    assert one["status"]["revision"] == 1 and condition(one, "Issuing") is None


# --- requests of users ---


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
@pytest.mark.parametrize("there", ["no Secret", "an empty Secret"])
def test_self_signed_request_waits_for_its_key(cluster, controller, namespace, tmp_path, kind, there):
    issuer = f"self-{namespace}"[:60].rstrip("-")
    apply(cluster, m.private_issuer(issuer, {"selfSigned": {}}, namespace if kind == "Issuer" else None))
    key = pki.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(key)
    csr = pki.openssl("req", "-new", "-key", tmp_path / "key", "-subj", "/CN=self-signed")
    if there == "an empty Secret":
        apply(cluster, m.secret("key", {}, namespace))
    create_request(
        cluster,
        namespace,
        csr,
        {"name": issuer, "kind": kind, "group": "cert-manager.io"},
        {"cert-manager.io/private-key-secret-name": "key"},
    )

    def is_pending(one):
        return (condition(one, "Ready") or ("", ""))[:2] == ("False", "Pending") and "key" in condition(one, "Ready")[2]

    cluster.wait_for(f"{REQUESTS}/asked", namespace, condition=is_pending)
    apply(cluster, m.secret("key", {"tls.key": key}, namespace))
    one = cluster.wait_for(f"{REQUESTS}/asked", namespace, condition=is_true)
    pem = base64.b64decode(one["status"]["certificate"]).decode()
    assert pki.public_of(key) == pki.public_of(pem)


def create_request(cluster, namespace, csr, issuer, annotations=None, **spec):
    body = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "asked", "annotations": annotations or {}},
        "spec": {"request": base64.b64encode(csr.encode()).decode(), "issuerRef": issuer, **spec},
    }
    return cluster.create(REQUESTS, body, namespace)


KEY_USAGES = "keyUsage=critical,digitalSignature,keyEncipherment"
DEFAULT_USAGES = ["digital signature", "key encipherment"]
REQUEST_USAGES = {  # extensions of the CSR, spec.usages, whether it is issued
    "equal": ([KEY_USAGES, "extendedKeyUsage=clientAuth"], [*DEFAULT_USAGES, "client auth"], True),
    "neither": ([], None, True),
    "only-in-spec": ([], [*DEFAULT_USAGES, "client auth"], True),
    "only-in-csr": ([KEY_USAGES, "extendedKeyUsage=clientAuth"], None, False),
    "different": ([KEY_USAGES, "extendedKeyUsage=clientAuth"], [*DEFAULT_USAGES, "code signing"], False),
}


@pytest.mark.parametrize("case", REQUEST_USAGES)
def test_usages_of_a_request_are_those_of_its_csr(cluster, ca, tmp_path, case):
    """cert-manager's webhook refuses the others; no policy can look into a CSR, so a condition says it."""
    extensions, usages, is_fine = REQUEST_USAGES[case]
    added = [word for extension in extensions for word in ("-addext", extension)]
    csr = pki.openssl("req", "-new", *pki.NEW_KEY, "-keyout", tmp_path / "key", "-subj", "/CN=a", *added)
    issuer = {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}
    create_request(cluster, ca, csr, issuer, **({"usages": usages} if usages else {}))

    def has_ended(one):
        return (condition(one, "Ready") or ("", ""))[1] in ("Issued", "Failed")

    one = cluster.wait_for(f"{REQUESTS}/asked", ca, condition=has_ended)
    assert is_true(one) == is_fine, one["status"]
    if not is_fine:
        assert "spec.usages" in condition(one, "Ready")[2] and "certificate" not in one["status"]


# --- requests of Certificates: the test is the issuer ---


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(cluster, namespace, conditions, name="web-1", **status):
    """Write the status of a request, as an issuer of another project does."""
    found = cluster.get(f"{REQUESTS}/{name}", namespace)
    kept = found.get("status", {}).get("conditions", [])
    new = {one["type"] for one in conditions}
    status["conditions"] = [*(one for one in kept if one["type"] not in new), *conditions]
    cluster.patch(f"{REQUESTS}/{name}", {"status": status}, namespace, "status")


def wait_for_request(cluster, namespace, other_than=None, name="web-1"):
    """A request that waits for its issuer."""

    def holds(one):
        return one and one["metadata"]["uid"] != other_than

    return cluster.wait_for(f"{REQUESTS}/{name}", namespace, condition=holds)


def key_of_request(request):
    return pki.public_of(base64.b64decode(request["spec"]["request"]))


# In words of RBAC: what lets us approve requests to issuers of that group.
SIGNERS_OUTSIDE = """---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: "{name}"}}
rules:
- {{apiGroups: [cert-manager.io], resources: [signers], resourceNames: ["outsides.issuers.example.test/*"], verbs: [approve]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: "{name}"}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "{name}"}}
subjects: [{{kind: ServiceAccount, name: "{account}", namespace: "{place}"}}]
"""


def ask_outside(cluster, namespace, name):
    apply(cluster, m.certificate(name, [f"{name}.example.test"], namespace=namespace, issuerRef=OUTSIDE))


def test_a_request_to_another_programs_issuer_is_approved_where_rbac_allows_it(cluster, controller, namespace):
    def is_told(line):
        return "not approved, as for" in line and f'namespace="{namespace}"' in line and 'name="early-1"' in line

    ask_outside(cluster, namespace, "early")
    wait_until(lambda: any(map(is_told, controller.log_text().splitlines())), 60, "it to be told")
    assert condition(cluster.get(f"{REQUESTS}/early-1", namespace), "Approved") is None
    cluster.apply(SIGNERS_OUTSIDE.format(name=namespace, account=ACCOUNT, place=NAMESPACE))
    try:
        ask_outside(cluster, namespace, "late")
        late = cluster.wait_for(f"{REQUESTS}/late-1", namespace, condition=lambda one: is_true(one, "Approved"))
        assert condition(late, "Ready") is None
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", namespace)


REFUSALS = {
    "InvalidRequest": {"type": "InvalidRequest", "status": "True", "reason": "NotToday", "message": "no"},
    "Failed": {"type": "Ready", "status": "False", "reason": "Failed", "message": "no"},
}


@pytest.mark.parametrize("how", REFUSALS)
def test_another_request_of_the_same_name_has_another_key(cluster, controller, namespace, how):
    apply(cluster, m.certificate("web", ["web.example.test"], namespace=namespace, issuerRef=OUTSIDE))
    first = wait_for_request(cluster, namespace)
    answer(cluster, namespace, [{**REFUSALS[how], "lastTransitionTime": now()}], failureTime=now())

    def has_failed(one):
        return (condition(one, "Issuing") or ("",))[0] == "False"

    one = cluster.wait_for(f"{CERTIFICATES}/web", namespace, condition=has_failed)
    assert one["status"]["failedIssuanceAttempts"] == 1
    mark(cluster, "web", namespace)
    second = wait_for_request(cluster, namespace, other_than=first["metadata"]["uid"])
    assert key_of_request(second) != key_of_request(first)


def test_a_request_that_is_nobodys_does_not_hold_up_the_certificate_of_its_name(cluster, ca):
    """As `kubectl delete certificate --cascade=orphan` leaves it."""
    ask(cluster, leaf(ca, "other"))
    first = f"{REQUESTS}/web-1"
    other = cluster.get(f"{REQUESTS}/other-1", ca)
    orphan = {key: other[key] for key in ("apiVersion", "kind", "spec")}
    cluster.create(REQUESTS, {**orphan, "metadata": {"name": "web-1"}}, ca)
    uid = wait_ready(cluster, first, ca)["metadata"]["uid"]
    one = ask(cluster, leaf(ca))
    assert one["status"]["revision"] == 1
    made = cluster.get(f"{REQUESTS}/web-{one['metadata']['uid']}-1", ca)
    assert made["metadata"]["annotations"]["cert-manager.io/certificate-revision"] == "1"
    assert cluster.get(first, ca)["metadata"]["uid"] == uid


def test_secret_is_whole_before_the_status_says_that_it_is_issued(cluster, controller, namespace, tmp_path):
    """Also a next key in PKCS#1 becomes PKCS#8 where the Certificate wants that."""
    key = {"algorithm": "RSA", "size": 2048, "encoding": "PKCS8"}
    names = {"ipAddresses": ["192.0.2.1"], "uris": ["spiffe://example.test/web"], "commonName": "web.example.test"}
    versions = []
    with Watcher(cluster, CERTIFICATES, lambda _, one: versions.append(one)):
        apply(
            cluster,
            m.certificate("web", ["web.example.test"], namespace=namespace, issuerRef=OUTSIDE, privateKey=key, **names),
        )
        request = wait_for_request(cluster, namespace)
        next_name = cluster.get(f"{CERTIFICATES}/web", namespace)["status"]["nextPrivateKeySecretName"]
        pem = secret_data(cluster, next_name, namespace)["tls.key"]
        traditional = pki.openssl("rsa", "-traditional", stdin=pem)
        assert "BEGIN RSA PRIVATE KEY" in traditional
        encoded = base64.b64encode(traditional.encode()).decode()
        cluster.patch(f"secrets/{next_name}", {"data": {"tls.key": encoded}}, namespace)
        authority = pki.Authority(tmp_path / "outside")
        csr = base64.b64decode(request["spec"]["request"]).decode()
        chain = authority.sign(csr, ["web.example.test", "192.0.2.1"]) + authority.chain_pem
        issued = {"type": "Ready", "status": "True", "reason": "Issued", "message": "", "lastTransitionTime": now()}
        encoded = {"certificate": chain, "ca": authority.root_pem}
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in encoded.items()}
        answer(cluster, namespace, [issued], **encoded)
        wait_ready(cluster, f"{CERTIFICATES}/web", namespace)

        def first_with_revision():
            ours = [one for one in versions if one["metadata"]["namespace"] == namespace]
            return next((one for one in ours if one.get("status", {}).get("revision") == 1), None)

        one = wait_until(first_with_revision, 60, "the watch to see the revision")
    secret = cluster.get("secrets/web-tls", namespace)
    assert int(secret["metadata"]["resourceVersion"]) < int(one["metadata"]["resourceVersion"])
    assert condition(one, "Issuing") is None
    data = secret_data(cluster, "web-tls", namespace)
    assert data["tls.key"].startswith("-----BEGIN PRIVATE KEY") and data["tls.crt"] == chain
    assert data["ca.crt"] == authority.root_pem
    wanted = {
        "common-name": "web.example.test",
        "alt-names": "web.example.test",
        "ip-sans": "192.0.2.1",
        "uri-sans": "",
        "issuer-name": OUTSIDE["name"],
        "issuer-kind": OUTSIDE["kind"],
        "issuer-group": OUTSIDE["group"],
        "certificate-name": "web",
    }
    annotations = secret["metadata"]["annotations"]
    assert {name: annotations.get(f"cert-manager.io/{name}") for name in wanted} == wanted


def test_requests_beyond_the_history_go_the_oldest_first(cluster, ca):
    ask(cluster, leaf(ca, revisionHistoryLimit=3))
    for revision in range(2, 7):
        mark(cluster, "web", ca)
        wait_for_revision(cluster, "web", ca, revision)

    def revisions():
        found = [one["metadata"] for one in cluster.list(REQUESTS, ca)]
        found = [one for one in found if one["ownerReferences"][0]["name"] == "web"]
        return sorted(one["annotations"]["cert-manager.io/certificate-revision"] for one in found)

    wait_until(lambda: revisions() == ["4", "5", "6"], 60, "the last three to be left")


# --- Orders and metrics ---


def series(controller, metric, **labels):
    """The lines of the metric whose labels include these."""
    return [
        line
        for line in controller.metrics().splitlines()
        if line.startswith(metric + "{") and all(f'{key}="{value}"' in line for key, value in labels.items())
    ]


def test_order_has_one_challenge_which_it_owns_and_the_metrics_show(cluster, controller, bind, pebble, request):
    scene = Scene(cluster, bind, pebble, namespace_of(request.node.name), held=True)
    scene.ask("web")
    scene.wait_presented("web")
    (challenge,), (order,) = scene.list(CHALLENGES), scene.list(ORDERS)
    assert challenge["metadata"]["ownerReferences"] == [m.owner_reference(order)]
    about = {"namespace": scene.namespace, "name": challenge["metadata"]["name"]}
    metric = "certmanager_certificate_challenge_status"
    shown = {"domain": scene.host("web"), "type": "DNS-01", "processing": "true", **about}
    wait_until(lambda: len(series(controller, metric, **shown)) == 8, 60, "a series for each state")
    assert controller.metric(metric, **about) == 1
    scene.release()
    scene.wait_ready()
    assert len(scene.list(ORDERS)) == 1 and scene.orders() == 1
    scene.wait_tidy()
    wait_until(lambda: not series(controller, metric, **about), 60, "its series to go")
    scene.remove()
    wait_until(scene.is_gone, 180, "the namespace to go", every=0.2)


TIMES = {
    "certmanager_certificate_expiration_timestamp_seconds": "notAfter",
    "certmanager_certificate_not_after_timestamp_seconds": "notAfter",
    "certmanager_certificate_not_before_timestamp_seconds": "notBefore",
    "certmanager_certificate_renewal_timestamp_seconds": "renewalTime",
}


def test_metrics_of_a_certificate_follow_its_status_and_go_with_it(cluster, controller, ca):
    apply(cluster, m.certificate("waits", ["waits.example.test"], "later", ca))
    cluster.wait_for(f"{CERTIFICATES}/waits", ca, condition=lambda one: is_true(one, "Issuing"))
    of_waits = {"namespace": ca, "name": "waits", "issuer_name": "later", "issuer_kind": "Issuer"}
    ready = "certmanager_certificate_ready_status"
    wait_until(lambda: controller.metric(ready, condition="False", **of_waits) == 1, 60, "Ready=False")
    assert all(controller.metric(metric, **of_waits) == 0 for metric in TIMES)
    one = ask(cluster, leaf(ca))
    of_web = {"namespace": ca, "name": "web", "issuer_name": "ca", "issuer_kind": "Issuer", "issuer_group": ""}
    wait_until(lambda: controller.metric(ready, condition="True", **of_web) == 1, 60, "Ready=True")
    assert controller.metric(ready, **of_web) == 1 and len(series(controller, ready, **of_web)) == 3
    for metric, member in TIMES.items():
        text = one["status"][member].replace("Z", "+00:00")
        assert controller.metric(metric, **of_web) == datetime.datetime.fromisoformat(text).timestamp()
    cluster.delete(f"{CERTIFICATES}/web", ca)
    names = (ready, *TIMES)
    wait_until(lambda: not any(series(controller, name, **of_web) for name in names), 60, "its series to go")
    assert len(series(controller, ready, **of_waits)) == 3
