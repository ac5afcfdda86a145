"""`certlet controller` in trouble: servers that go away, lost permissions, objects that vanish or lie."""

import base64
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from support import manifests as m
from support import pki
from support.bed import wait_until
from support.certlet import Certlet, solver_flags
from support.controller import (
    ACCOUNT,
    NAMESPACE,
    ROOT,
    WORK,
    Controller,
    apply,
    install,
    is_true,
    may_work,
    namespace_of,
)
from support.kube import write_private
from support.kube_api import KubeApi, KubeError
from support.kube_fronts import Wire, kubeconfig
from support.resources import (
    CERTIFICATES,
    CHALLENGES,
    DEFINITIONS,
    ISSUERS,
    ORDERS,
    OURS,
    REQUESTS,
)
from support.scene import Scene, is_pair, leaks, repeated
from support.server import LOOPBACK

pytestmark = pytest.mark.kube


class Token:
    """Tokens of the controller's ServiceAccount in a file; each ends with a Secret that it is bound to."""

    def __init__(self, kube, file):
        self._kube, self.file, self.all = kube, file, []
        self.renew()

    def _secret(self, token):
        return f"token-{self.all.index(token)}"

    def renew(self):
        name = f"token-{len(self.all)}"
        self._kube.create("secrets", {"metadata": {"name": name}}, NAMESPACE)
        bound = {"kind": "Secret", "apiVersion": "v1", "name": name}
        path = self._kube.path(f"serviceaccounts/{ACCOUNT}", NAMESPACE, "token")
        asked = {"spec": {"expirationSeconds": 86400, "boundObjectRef": bound}}
        token = self._kube.request("POST", path, asked)["status"]["token"]
        self.all.append(token)
        new = self.file.with_suffix(".new")
        write_private(new, token).replace(self.file)

    def revoke(self, token):
        """Returns when the API server refuses it."""
        self._kube.delete(f"secrets/{self._secret(token)}", NAMESPACE)
        user = KubeApi(self._kube.url, self._kube.ca_file, token=token)

        def is_refused():
            try:
                user.request("GET", "/apis/cert-manager.io/v1/certificates")
            except KubeError as error:
                return error.code == 401
            return False

        wait_until(is_refused, 60, "the old token to be refused", every=0.5)


@pytest.fixture(scope="module")
def wire(cluster):
    with Wire(cluster.api_server.port) as wire:
        yield wire


@pytest.fixture(scope="module")
def token(cluster, tmp_path_factory):
    return Token(cluster, tmp_path_factory.mktemp("token") / "token")


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, wire, token, tmp_path_factory):
    """By itself, so that an API server that is away for long does not end it; over a wire that can be cut."""
    folder = tmp_path_factory.mktemp("controller")
    config = kubeconfig(folder, wire.url, cluster.ca_file, tokenFile=str(token.file))
    flags = [*solver_flags(bind), "--leader-elect=false", "-v=4"]
    with Controller(binary, folder, cluster, flags, config) as process:
        yield process


@pytest.fixture
def scenes(controller, cluster, bind, pebble, request):
    """Makes the Scene of a test; in the end nothing is left of it, and the controller still lives."""
    made = []

    def make(held=False):
        name = f"{namespace_of(request.node.name)}-{len(made)}"
        made.append(Scene(cluster, bind, pebble, name, held))
        return made[-1]

    yield make
    for scene in made:
        scene.remove()
    for scene in made:
        wait_until(scene.is_gone, 180, f"the namespace {scene.namespace} to go", every=0.2)
        wait_until(lambda one=scene: not one.records(), 20, "records to go")
    assert controller.child.poll() is None, controller.log_text()[-4000:]


def start_unready(controller):
    """It lives, and is not ready."""
    controller.is_ready = lambda: controller.health("/livez")[0] == 200
    try:
        controller.start()
    finally:
        del controller.is_ready
    assert controller.health("/readyz")[0] == 503


def wait_in_step(controller, seconds=180):
    wait_until(controller.is_ready, seconds, "the caches to be full", controller.child)


# --- servers that go away ---


@pytest.mark.parametrize("which", ["api_server", "etcd"])
def test_a_server_that_is_killed_while_certificates_are_issued_costs_no_order(
    controller, cluster, scenes, which
):
    scene = scenes()
    scene.ask(*(f"c{number}" for number in range(6)))
    wait_until(lambda: scene.list(CHALLENGES), 60, "a Challenge")
    server = getattr(cluster, which)
    server.kill()
    assert controller.health("/livez") == (200, "ok")
    server.start()
    wait_until(cluster.is_ready, 60, "the API server")
    scene.wait_ready()
    assert (scene.orders(), scene.finalizes()) == (6, 6)
    scene.wait_tidy()


def test_an_api_server_that_is_down_at_the_start_is_waited_for(controller, cluster, scenes):
    scene = scenes()
    controller.stop()
    cluster.api_server.stop()
    before = len(controller.log_text())
    start_unready(controller)
    wait_until(lambda: "trying again" in controller.log_text()[before:], 30, "a word about it")
    assert controller.health("/livez") == (200, "ok") and not controller.is_ready()
    cluster.api_server.start()
    wait_in_step(controller)
    scene.ask("web")
    scene.wait_ready()


def test_versions_that_were_forgotten_while_the_path_was_cut_are_made_up_for(
    controller, cluster, wire, scenes
):
    scene = scenes()
    scene.ask("goes", "stays")
    scene.wait_ready()
    wire.target_gone()
    try:
        scene.delete(f"{CERTIFICATES}/goes")
        scene.delete("secrets/stays-tls")
        scene.ask("comes")
        cluster.forget_versions(CERTIFICATES, "secrets")
    finally:
        wire.target_back()
    cluster.wait_for("secrets/stays-tls", scene.namespace, seconds=180)
    scene.wait_ready("comes", "stays")
    assert not scene.get(f"{CERTIFICATES}/goes")
    wait_until(lambda: scene.finalizes() == 4, 20, "four certificates from the CA")
    scene.wait_tidy()


# --- what is not installed, or not allowed ---


def test_definitions_that_are_missing_at_the_start_may_come_later(controller, cluster, bind, pebble):
    controller.stop()
    definitions = [f"{DEFINITIONS}/{resource}" for resource in OURS]
    for name in definitions:
        cluster.delete(name)
    for name in definitions:
        cluster.wait_for(name, condition=lambda found: found is None, seconds=60)
    before = len(controller.log_text())
    try:
        start_unready(controller)
        text = wait_until(
            lambda: (log := controller.log_text()[before:]) and "certificates" in log and log, 30, "a word"
        )
        assert "cert-manager.io" in text
    finally:
        install(cluster)
    wait_in_step(controller)
    scene = Scene(cluster, bind, pebble, "defined-late")
    scene.ask("web")
    scene.wait_ready()
    scene.remove()


def without_status(one):
    names = ("name", "labels")
    metadata = {name: value for name, value in one["metadata"].items() if name in names}
    return {**one, "metadata": metadata}


DENIED = re.compile(
    r"denied: needs verb '(\w+)' on '([a-z./]+?)\.(?:acme\.)?cert-manager\.io' in namespace '([^']+)'"
)
NEEDED = {  # the first thing that is missing
    "certificates": ("update", "certificates/status"),
    "orders": ("update", "orders/status"),
    "challenges": ("patch", "challenges"),
}


def take_away(cluster, *jobs):
    """Delete the bindings of these controllers. What can be applied to give them back; when this returns, the
    API server refuses.
    """
    kind = "clusterrolebindings.rbac.authorization.k8s.io"
    names = [f"{kind}/certlet-controller-{job}" for job in jobs]
    saved = [without_status(cluster.get(name)) for name in names]
    for name in names:
        cluster.delete(name)
    lost = [one for one in WORK if one[1] in jobs]
    wait_until(lambda: not any(may_work(cluster, lost)), 60, "the API server to refuse")
    return saved


@pytest.mark.parametrize("job", NEEDED)
def test_a_permission_that_is_missing_is_named_and_waited_for(controller, cluster, scenes, job):
    scene = scenes()
    refused = controller.metric("rest_client_requests_total", code="403")
    before = len(controller.log_text())
    saved = take_away(cluster, job)
    try:
        scene.ask("web")
        needed = (*NEEDED[job], scene.namespace)
        wait_until(lambda: needed in DENIED.findall(controller.log_text()[before:]), 60, f"a word about {needed}")
    finally:
        apply(cluster, *saved)
    scene.wait_ready()
    assert controller.metric("rest_client_requests_total", code="403") > refused


def test_a_permission_that_is_lost_mid_flight_fails_no_order(controller, cluster, scenes):
    """As for a moment after each start of an API server, which does not know its roles yet."""
    scene = scenes(held=True)
    scene.ask("web")
    scene.wait_presented("web")
    before = len(controller.log_text())
    saved = take_away(cluster, "certificates", "orders")
    try:
        scene.release()
        denied = f"needs verb 'get' on 'orders.acme.cert-manager.io' in namespace '{scene.namespace}'"
        wait_until(lambda: denied in controller.log_text()[before:], 60, "an Order that cannot be read")
    finally:
        apply(cluster, *saved)
    scene.wait_ready()
    assert (scene.orders(), scene.finalizes()) == (1, 1)


def test_a_token_that_was_rotated_is_read_again_when_the_old_one_is_refused(
    controller, wire, token, scenes
):
    scene = scenes()
    old = token.all[-1]
    token.renew()
    token.revoke(old)
    wire.cut()
    scene.ask("web")
    scene.wait_ready()


# --- objects that vanish ---


@pytest.mark.parametrize("what", [REQUESTS, ORDERS, CHALLENGES])
def test_what_is_deleted_mid_flight_is_made_again(cluster, scenes, what):
    scene = scenes(held=True)
    scene.ask("web")
    (record,) = scene.wait_presented("web")
    name = scene.the_only(what)
    uid = scene.get(f"{what}/{name}")["metadata"]["uid"]
    scene.delete(f"{what}/{name}")

    def is_another():
        return [one for one in scene.list(what) if one["metadata"]["uid"] != uid]

    wait_until(is_another, 180, f"another of {what}", every=0.1)
    scene.release()
    scene.wait_ready()
    scene.wait_tidy()
    assert record not in scene.records()
    assert is_pair(scene.get("secrets/web-tls")["data"]) and scene.finalizes() == 1


def test_a_next_key_that_is_deleted_mid_flight_is_made_again(scenes):
    scene = scenes(held=True)
    scene.ask("web")
    scene.wait_presented("web")
    name = scene.get(f"{CERTIFICATES}/web")["status"]["nextPrivateKeySecretName"]
    assert scene.delete(f"secrets/{name}")
    scene.release()
    scene.wait_ready()
    scene.wait_tidy()
    assert is_pair(scene.get("secrets/web-tls")["data"])


def test_a_certificate_that_is_deleted_mid_flight_takes_everything_with_it(scenes):
    scene = scenes(held=True)
    scene.ask("web")
    scene.wait_presented("web")
    scene.delete(f"{CERTIFICATES}/web")
    for what in (REQUESTS, ORDERS, CHALLENGES):
        wait_until(lambda kind=what: not scene.list(kind), 180, f"{what} to go", every=0.1)
    scene.wait_tidy()
    left = {"tsig-certlet", "acme-account"}
    wait_until(
        lambda: {one["metadata"]["name"] for one in scene.list("secrets")} == left, 30, "the next key to go"
    )


def test_an_issuer_that_is_deleted_mid_flight_is_waited_for(scenes):
    scene = scenes(held=True)
    scene.ask("web")
    scene.wait_presented("web")
    scene.delete(f"{ISSUERS}/acme")

    def says_so():
        found = scene.list(CHALLENGES)
        return found and "Issuer" in found[0].get("status", {}).get("reason", "")

    wait_until(says_so, 60, "the Challenge to say so", every=0.1)
    scene.release()
    scene.wait_ready()
    scene.wait_tidy()
    assert scene.finalizes() == 1


def test_an_issuer_that_is_deleted_with_its_certificates_leaves_no_record(scenes):
    scene = scenes(held=True)
    scene.ask("web")
    scene.wait_presented("web")
    scene.delete(f"{ISSUERS}/acme")
    scene.delete("secrets/tsig-certlet")
    scene.delete(f"{CERTIFICATES}/web")
    scene.wait_tidy()


def test_a_namespace_that_is_deleted_mid_flight_goes_and_leaves_no_record(scenes):
    scene = scenes(held=True)
    scene.ask("a", "b", "c")
    for name in scene.names:
        scene.wait_presented(name)
    scene.remove()
    wait_until(scene.is_gone, 180, "the namespace to go", every=0.2)
    wait_until(lambda: not scene.records(), 20, "records to go")


def test_a_solver_s_secret_that_is_replaced_is_the_one_that_signs(cluster, scenes, bind):
    """Its value is kept until it changes."""
    scene = scenes()
    scene.ask("before")
    scene.wait_ready()
    apply(cluster, m.secret("tsig-certlet", {"secret": "d3Jvbmc="}, scene.namespace))
    scene.ask("web")

    def says_so():
        found = scene.list(CHALLENGES)
        return found and "secret" in found[0].get("status", {}).get("reason", "")

    wait_until(says_so, 60, "the Challenge to name the Secret", every=0.1)
    assert not scene.is_ready("web")
    apply(cluster, m.tsig_secret(bind, namespace=scene.namespace))
    scene.wait_ready()
    scene.wait_tidy()


# --- foreign hands ---


def a_pair(folder, name):
    """Data of a Secret that somebody else made."""
    key, certificate = pki.new_certificate(folder, name, name, f"subjectAltName=DNS:{name}")[::-1]
    encoded = {
        "tls.crt": base64.b64encode(certificate.read_bytes()).decode(),
        "tls.key": base64.b64encode(key.read_bytes()).decode(),
    }
    return {"data": encoded}


def test_a_foreign_writer_of_our_secret_is_corrected_once_and_then_named(binary, cluster, scenes, tmp_path):
    scene = scenes()
    scene.ask("web")
    scene.wait_ready()
    ours = scene.get("secrets/web-tls")["data"]

    def overwrite(name):
        path = cluster.path("secrets/web-tls", scene.namespace) + "?fieldManager=somebody"
        cluster.request(
            "PATCH", path, a_pair(tmp_path, name), content_type="application/merge-patch+json"
        )

    overwrite("first.test")

    def is_issued_again():
        found = scene.get("secrets/web-tls")["data"]
        revision = scene.get(f"{CERTIFICATES}/web")["status"]["revision"]
        return revision == 2 and is_pair(found) and found["tls.crt"] != ours["tls.crt"]

    wait_until(is_issued_again, 60, "a new certificate", every=0.1)
    scene.wait_ready()
    overwrite("second.test")

    def names_it():
        one = scene.get(f"{CERTIFICATES}/web")
        return "'somebody'" in json.dumps(one["status"]["conditions"])

    wait_until(names_it, 90, "the writer to be named", every=0.1)
    assert scene.finalizes() <= 3

    def is_told():
        found = scene.list("events.events.k8s.io")
        return [one["note"] for one in found if one["reason"] == "SecretOverwritten"]

    wait_until(is_told, 10, "an event that names the writer")
    assert len(is_told()) == 1 and is_told()[0].startswith("'somebody' keeps overwriting the Secret 'web-tls'")
    planner = Certlet(binary, tmp_path / "plan", env={"KUBECONFIG": str(cluster.kubeconfig)})
    done = planner.command("plan", "-n", scene.namespace, "-o", "json")
    (row,) = json.loads(done.stdout)["certificates"]
    assert done.returncode == 1 and (row["what"], row["reason"]) == ("hold", "SecretOverwritten")
    assert f"left alone until {row['notBefore']};" in row["message"]


def mallory(cluster, namespace):
    """A user who may make what cert-manager's users may, and no more: an API client of his own."""
    cluster.create("serviceaccounts", {"metadata": {"name": "mallory"}}, namespace)
    rule = {
        "apiGroups": ["acme.cert-manager.io"],
        "resources": ["orders", "challenges"],
        "verbs": ["create", "get", "patch"],
    }
    status = {**rule, "resources": ["orders/status", "challenges/status"], "verbs": ["update", "patch"]}
    cluster.create(
        "roles.rbac.authorization.k8s.io",
        {"metadata": {"name": "mallory"}, "rules": [rule, status]},
        namespace,
    )
    cluster.create(
        "rolebindings.rbac.authorization.k8s.io",
        {
            "metadata": {"name": "mallory"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mallory"},
            "subjects": [{"kind": "ServiceAccount", "name": "mallory", "namespace": namespace}],
        },
        namespace,
    )
    return cluster.as_service_account(namespace, "mallory")


def forged(one, name, owner, **spec):
    return {
        "apiVersion": one["apiVersion"],
        "kind": one["kind"],
        "metadata": {
            "name": name,
            "ownerReferences": [m.owner_reference(owner)],
            "annotations": one["metadata"].get("annotations", {}),
            "finalizers": one["metadata"].get("finalizers", []),
        },
        "spec": {**one["spec"], **spec},
    }


def create_when_allowed(user, resource, body, namespace):
    """Its new role is known to the server a moment later."""

    def created():
        try:
            return user.create(resource, body, namespace)
        except KubeError as error:
            if error.code == 403 and "cannot create" in str(error):
                return None
            raise

    return wait_until(created, 20, f"a forged one of {resource}", every=0.2)


def test_forged_orders_and_challenges_are_not_acted_on(cluster, scenes):
    """GHSA-8rvj-mm4h-c258: whose owner an object names is what its creator wrote."""
    scene = scenes(held=True)
    scene.ask("web")
    (ours,) = scene.wait_presented("web")
    request, order, challenge = (
        scene.get(f"{what}/{scene.the_only(what)}") for what in (REQUESTS, ORDERS, CHALLENGES)
    )
    user = mallory(cluster, scene.namespace)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.bind((LOOPBACK, 0))
        thief.settimeout(0.5)
        solver = m.rfc2136_solver(scene.bind)
        solver["dns01"]["rfc2136"]["nameserver"] = f"{LOOPBACK}:{thief.getsockname()[1]}"
        victim = scene.host("victim")
        bad = [
            forged(challenge, "other-server", order, solver=solver),
            forged(challenge, "other-name", order, dnsName=victim),
            forged(challenge, "other-key", order, key="stolen"),
            forged(challenge, "no-order", request, dnsName=victim, key="stolen"),
            forged(order, "other-order", request, dnsNames=[victim]),
            forged(order, "same-order", request),
        ]
        orders = scene.orders()
        for one in bad:
            kind = ORDERS if one["kind"] == "Order" else CHALLENGES
            create_when_allowed(user, kind, one, scene.namespace)
        # A certificate that is asked for later is there when the forged ones have been looked at.
        scene.ask("later")
        scene.wait_presented("later")

        def is_judged(one):
            kind = ORDERS if one["kind"] == "Order" else CHALLENGES
            found = scene.get(f"{kind}/{one['metadata']['name']}")
            if kind == ORDERS:
                return not found
            status = (found or {}).get("status", {})
            return status.get("state") == "errored" or status.get("reason")

        for one in bad[1:]:  # the first one does what ours does, by the Issuer's own solver
            wait_until(lambda it=one: is_judged(it), 60, f"a word about {one['metadata']['name']}")
        with pytest.raises(TimeoutError):
            thief.recv(4096)
    assert scene.records("web") == [ours] and scene.records("victim") == []
    assert scene.orders() == orders + 1
    scene.release()
    scene.wait_ready()
    assert scene.finalizes() == 2
    for one in bad:
        kind = ORDERS if one["kind"] == "Order" else CHALLENGES
        scene.delete(f"{kind}/{one['metadata']['name']}")
    scene.wait_tidy()


def test_a_storm_of_other_writes_delays_and_harms_nothing(cluster, scenes):
    """Labels, and a condition of somebody else's, twenty times a second while it is issued."""
    scene = scenes()
    count = [0]

    def disturb():
        count[0] += 1
        scene.kube.patch(
            f"{CERTIFICATES}/web", {"metadata": {"labels": {"storm": str(count[0])}}}, scene.namespace
        )
        one = scene.get(f"{CERTIFICATES}/web")
        others = [c for c in one.get("status", {}).get("conditions", []) if c["type"] != "Stormy"]
        mine = {"type": "Stormy", "status": "True", "reason": "Wind", "message": str(count[0])}
        version = one["metadata"]["resourceVersion"]
        scene.kube.patch(
            f"{CERTIFICATES}/web",
            {"metadata": {"resourceVersion": version}, "status": {"conditions": [*others, mine]}},
            scene.namespace,
            "status",
        )

    with repeated(disturb) as done:
        scene.ask("web")
        scene.wait_ready()
        wait_until(lambda: done[0] >= 10, 60, "ten disturbances")
    one = scene.get(f"{CERTIFICATES}/web")
    assert is_true(one, "Stormy") and is_true(one) and one["status"]["revision"] == 1
    assert (scene.orders(), scene.finalizes()) == (1, 1)


def test_a_large_certificate_is_issued_and_one_whose_secret_is_too_large_is_told_so(
    cluster, scenes
):
    scene = scenes()
    large = scene.certificate("large")
    # The API server takes 256 KiB of annotations; the request and the Order get them too.
    large["metadata"]["annotations"] = {f"example.test/a{n}": "x" * 60_000 for n in range(4)}
    huge = scene.certificate("huge", secretTemplate={"annotations": {"example.test/a": "x" * 1_000_000}})
    scene.names += ["large", "huge"]
    for one in (large, huge):
        scene.kube.create(CERTIFICATES, one, scene.namespace)
    scene.ask("small")
    scene.wait_ready("large", "small")

    def is_told(one):
        return "secretTemplate" in json.dumps(one.get("status", {}))

    cluster.wait_for(f"{CERTIFICATES}/huge", scene.namespace, is_told, 60)
    assert not scene.is_ready("huge") and not scene.get("secrets/huge-tls")
    assert scene.finalizes() <= 3
    scene.delete(f"{CERTIFICATES}/huge")
    scene.wait_tidy()


def test_of_two_certificates_with_one_secret_one_has_it_and_the_other_says_so(scenes):
    scene = scenes()
    scene.ask("first")
    scene.wait_ready()
    scene.ask("second", secretName="first-tls")

    def says_so():
        one = scene.get(f"{CERTIFICATES}/second")
        return "first-tls" in json.dumps(one.get("status", {})) and not is_true(one)

    wait_until(says_so, 60, "the second to say so", every=0.1)
    assert scene.is_ready("first") and scene.finalizes() == 1
    scene.delete(f"{CERTIFICATES}/first")
    scene.wait_ready("second", seconds=240)
    assert scene.finalizes() == 2


# --- the end ---


def documented(heading, word):
    """The shell lines with `word` in a section of docs/cluster.md."""
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return found


def shell(cluster, folder, script):
    """Runs it with this cluster's kubectl."""
    program = folder / "kubectl"
    program.write_text(
        f'#!/bin/sh\nexec "{cluster.kubectl_program}" --kubeconfig="{cluster.kubeconfig}" '
        f'--cache-dir="{cluster.folder / "kubectl-cache"}" "$@"\n'
    )
    program.chmod(0o700)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_an_uninstall_while_issuing_leaves_nothing_stuck(controller, cluster, bind, pebble, tmp_path):
    scene = Scene(cluster, bind, pebble, "uninstalled", held=True)
    scene.ask("web", "other")
    scene.wait_presented("web")
    scene.wait_presented("other")
    controller.kill()
    uninstall = documented("Uninstall", "-k deploy")
    tidy = documented("Uninstall", "finalizers")
    removing = {}
    try:
        thread = threading.Thread(target=lambda: removing.update(done=shell(cluster, tmp_path, uninstall)))
        thread.start()
        wait_until(
            lambda: all("deletionTimestamp" in one["metadata"] for one in scene.list(CHALLENGES)),
            120,
            "Challenges to be deleted",
        )
        assert len(scene.list(CHALLENGES)) == 2
        cleared = shell(cluster, tmp_path, tidy)
        assert cleared.returncode == 0, cleared.stderr
        thread.join(180)
        assert removing["done"].returncode == 0, removing["done"].stderr
        for resource in OURS:
            assert not cluster.get(f"{DEFINITIONS}/{resource}")
        scene.remove()
        wait_until(scene.is_gone, 180, "the namespace to go", every=0.2)
    finally:
        for name in scene.names:
            bind.delete_record(f"_acme-challenge.{scene.host(name)}", "TXT")


def test_no_key_material_was_ever_in_the_log(controller, token, bind):
    """After all of the above, at the highest verbosity."""
    text = controller.log_text()
    assert "updating certificates/status" in text  # which is said at that verbosity only
    secrets = {f"token {number}": one for number, one in enumerate(token.all)}
    assert leaks(text, {**secrets, "the TSIG secret": bind.tsig["certlet"][1]}) == []
