"""What Argo CD and `kubectl wait` read from our statuses, at every version of them (kubernetes.md 15)."""

import collections

import pytest

from support.bed import BedError, wait_until
from support.certlet import solver_flags
from support.controller import Controller
from support.files import names_of
from support.kube_api import KubeError
from support.resources import CERTIFICATES, ISSUERS
from support.scene import Watcher, text_of

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def controller(binary, cluster, bind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    flags = [*solver_flags(bind), "--leader-elect=false"]
    with Controller(binary, folder, cluster, flags) as process:
        yield process


class Watched:
    """Every version of the Certificates and Issuers of the control plane, by (kind, namespace, name)."""

    def __init__(self, cluster):
        self.versions = collections.defaultdict(list)
        self._watchers = [Watcher(cluster, what, self._see) for what in (CERTIFICATES, ISSUERS)]

    def _see(self, kind, one):
        if kind != "DELETED":
            metadata = one["metadata"]
            self.versions[one["kind"], metadata["namespace"], metadata["name"]].append(one)

    def certificate(self, namespace, name, revision):
        """The versions of a Certificate, once the latest one says that revision."""
        versions = self.versions["Certificate", namespace, name]
        wait_until(
            lambda: versions and versions[-1].get("status", {}).get("revision") == revision,
            60,
            f"the watch to see revision {revision} of {name}",
        )
        return list(versions)

    def __enter__(self):
        for watcher in self._watchers:
            watcher.__enter__()
        return self

    def __exit__(self, *failure):
        for watcher in self._watchers:
            watcher.__exit__(*failure)


@pytest.fixture
def watched(cluster):
    with Watched(cluster) as seen:
        yield seen


@pytest.fixture
def scene(watched, controller, scene):
    """All of it is watched, and the controller is there until it has gone."""
    return scene


def conditions(one):
    return {c["type"]: c["status"] for c in one.get("status", {}).get("conditions", [])}


def argo_of_certificate(one):
    found = conditions(one)
    if found.get("Issuing") == "True":
        return "Progressing"
    return {"True": "Healthy", "False": "Degraded"}.get(found.get("Ready"), "Progressing")


def argo_of_issuer(one):
    return {"True": "Healthy", "False": "Degraded"}.get(conditions(one).get("Ready"), "Progressing")


def changes(words):
    """Without repetitions."""
    words = list(words)
    return [word for n, word in enumerate(words) if n == 0 or words[n - 1] != word]


def renewed_by_hand(scene, name):
    """As cmctl renew does it; False: somebody else has written meanwhile."""
    one = scene.get(f"{CERTIFICATES}/{name}")
    issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by hand"}
    one["status"]["conditions"].append(issuing)
    try:
        scene.kube.replace(f"{CERTIFICATES}/{name}", one, scene.namespace, "status")
    except KubeError as error:
        if error.code != 409:
            raise
        return False
    return True


def test_argo_cd_sees_progress_and_health_and_never_a_degraded_certificate(scene, watched):
    scene.ask("web")
    scene.wait_ready()
    wait_until(lambda: renewed_by_hand(scene, "web"), 20, "no conflict")
    versions = watched.certificate(scene.namespace, "web", revision=2)
    health = [argo_of_certificate(version) for version in versions]
    assert changes(health) == ["Progressing", "Healthy", "Progressing", "Healthy"]
    seen = watched.versions["Issuer", scene.namespace, "acme"]
    wait_until(lambda: seen and argo_of_issuer(seen[-1]) == "Healthy", 60, "the watch to see the Issuer ready")
    assert changes(map(argo_of_issuer, seen)) == ["Progressing", "Healthy"]


def test_kubectl_wait_does_not_take_yesterdays_ready_for_todays(controller, cluster, scene):
    scene.ask("web")
    scene.wait_ready()
    wait = ("wait", "--for=condition=Ready", "certificate/web", "-n", scene.namespace)
    assert "condition met" in cluster.kubectl(*wait, "--timeout=30s")
    scene.make_issuer("1h")
    more = [scene.host("web"), scene.host("more")]
    controller.pause()
    try:
        scene.ask("web", dnsNames=more)
        with pytest.raises(BedError, match="timed out"):  # nobody has looked at it yet
            cluster.kubectl(*wait, "--timeout=1s")
    finally:
        controller.resume()
    scene.wait_presented("more")
    with pytest.raises(BedError, match="timed out"):  # the new one is under way
        cluster.kubectl(*wait, "--timeout=1s")
    scene.release()
    assert "condition met" in cluster.kubectl(*wait, "--timeout=60s")
    assert names_of(text_of(scene.get("secrets/web-tls"), "tls.crt")) == sorted(more)


def test_every_version_says_which_generation_it_is_about(scene, watched):
    """A Ready=True whose observedGeneration is the present one stands for a Secret of that generation."""
    scene.ask("web")
    scene.wait_ready()
    scene.ask("web", dnsNames=[scene.host("web"), scene.host("two")])
    for one in watched.certificate(scene.namespace, "web", revision=2):
        for condition in one.get("status", {}).get("conditions", []):
            assert 0 < condition["observedGeneration"] <= one["metadata"]["generation"]
            if condition["type"] == "Ready" and condition["status"] == "True":
                assert one["status"]["revision"] == condition["observedGeneration"]
