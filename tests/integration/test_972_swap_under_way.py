"""What is under way when one of cert-manager and certlet is killed, and the other one starts: it goes on, with the same
objects, the same key and the same order at the CA.
"""

import pytest

from support import manifests as m
from support import pki
from support.bed import wait_until
from support.cert_manager import CertManager
from support.controller import Controller, apply, is_ready_now, is_true, secret_data, wait_ready
from support.resources import CERTIFICATES, CHALLENGES, ISSUERS, ORDERS, REQUESTS
from support.swap import BOTH, Picture, leaf, wait_all_ready

pytestmark = pytest.mark.kube


def web(scene):
    return scene.get(f"{CERTIFICATES}/web") or {}


def first(scene, resource):
    return (scene.list(resource) or [{}])[0]


def has_next_key(scene):
    return is_true(web(scene), "Issuing") and web(scene)["status"].get("nextPrivateKeySecretName")


def is_presented(scene):
    return scene.records("web") and first(scene, CHALLENGES).get("status", {}).get("presented")


def is_refused(scene):
    """The name server has not taken the record."""
    return first(scene, CHALLENGES).get("status", {}).get("reason")


# What of cert-manager does not run, and how to see that it is as far as it gets.
POINTS = {
    "next-key": ("certificates-request-manager", has_next_key),
    "request": ("certificaterequests-approver", lambda scene: scene.list(REQUESTS)),
    "approved": (
        "certificaterequests-issuer-acme",
        lambda scene: is_true(first(scene, REQUESTS), "Approved"),
    ),
    "order": ("orders", lambda scene: scene.list(ORDERS)),
    "challenge": ("challenges", lambda scene: scene.list(CHALLENGES)),
    "refused": (None, is_refused),
    "presented": (None, is_presented),
    "issued": ("certificates-issuing", lambda scene: is_true(first(scene, REQUESTS))),
}


def hold(scene, point, seconds):
    """Let a program that runs as a whole get no further than `point`."""
    if point == "presented":
        scene.make_issuer(seconds)
    elif point == "refused":
        apply(scene.kube, m.secret("tsig-certlet", {"secret": "bm90IHRoZSBrZXk="}, scene.namespace))


def release(scene, point):
    if point == "presented":
        scene.release()
    elif point == "refused":
        apply(scene.kube, m.tsig_secret(scene.bind, namespace=scene.namespace))


class UnderWay:
    """What there is of the Certificate 'web' when one of the programs was killed."""

    def __init__(self, scene):
        self.scene = scene
        self.picture = Picture(scene.kube, scene.namespace)
        self.orders, self.finalized = scene.orders(), scene.finalizes()
        self.url = first(scene, ORDERS).get("status", {}).get("url")
        name = web(scene)["status"].get("nextPrivateKeySecretName")
        self.key = secret_data(scene.kube, name, scene.namespace).get("tls.key") if name else None

    def assert_carried_on(self):
        """Ready by the same objects, with the same key, and no Order at the CA that another one has made before."""
        scene = self.scene
        scene.wait_ready()
        scene.wait_tidy()
        after = Picture(scene.kube, scene.namespace)
        assert is_ready_now(after.certificates["web"]) and after.certificates["web"]["status"]["revision"] == 1
        for before, now in ((self.picture.requests, after.requests), (self.picture.orders, after.orders)):
            assert len(now) == 1 and (not before or before == now)
        assert self.url in (None, first(scene, ORDERS)["status"]["url"])
        assert (scene.orders(), scene.finalizes()) == (1, 1)
        assert made(scene) == {"certificaterequests": 1, "orders": 1, "challenges": 1}
        if self.key:
            stored = secret_data(scene.kube, "web-tls", scene.namespace)["tls.key"]
            assert pki.public_of(stored) == pki.public_of(self.key)


def made(scene):
    """How many of each kind have been made in the namespace, by whom ever of the two."""
    counts = {"certificaterequests": 0, "orders": 0, "challenges": 0}
    for user in (Controller.user, CertManager.user):
        for event in scene.kube.api_server.audit(user):
            about = event.get("objectRef", {})
            is_made = event["verb"] == "create" and event["responseStatus"]["code"] == 201
            if is_made and about.get("namespace") == scene.namespace and about["resource"] in counts:
                counts[about["resource"]] += 1
    return counts


def bring_to(scene, point, start, seconds="1h"):
    """Let `start()` work until then and no further, and kill it."""
    hold(scene, point, seconds)
    with start() as process:
        scene.ask("web")
        wait_until(lambda: POINTS[point][1](scene), 90, f"to get to '{point}'", process.child)
        process.kill()
    later = list(POINTS)[list(POINTS).index(point) + 1 :]
    assert [name for name in later if POINTS[name][1](scene)] == []
    return UnderWay(scene)


@BOTH
@pytest.mark.parametrize("point", POINTS)
def test_certlet_carries_on_where_cert_manager_was_killed(swap, quick, point, server_side_apply):
    without = [name for name in POINTS[point][:1] if name]
    under_way = bring_to(
        quick, point, lambda: swap.cert_manager(without=without, server_side_apply=server_side_apply)
    )
    assert swap.verdicts(quick.namespace) == {"web": "carry on"}
    with swap.certlet():
        release(quick, point)
        under_way.assert_carried_on()


@pytest.mark.parametrize("point", ["next-key", "request", "approved", "issued"])
def test_certlet_carries_on_with_a_private_ca(swap, cluster, private_ca, point):
    without = POINTS[point][0].replace("issuer-acme", "issuer-ca")
    with swap.cert_manager():
        wait_all_ready(cluster, private_ca)
        wait_ready(cluster, f"{ISSUERS}/ca", private_ca)

    def found():
        """As of POINTS, but for one Certificate among others."""
        one = cluster.get(f"{CERTIFICATES}/web", private_ca) or {}
        request = cluster.get(f"{REQUESTS}/web-1", private_ca)
        return {
            "next-key": is_true(one, "Issuing") and one["status"].get("nextPrivateKeySecretName"),
            "request": request,
            "approved": is_true(request, "Approved"),
            "issued": is_true(request),
        }[point]

    with swap.cert_manager(without=[without]) as process:
        apply(cluster, leaf("web", private_ca))
        wait_until(found, 90, f"to get to '{point}'", process.child)
        wait_until(lambda: next_key(cluster, private_ca), 60, "the next key", process.child)
        process.kill()
    before, key = Picture(cluster, private_ca), next_key(cluster, private_ca)
    assert swap.verdicts(private_ca) == {"root": "keep", "web": "carry on"}
    with swap.certlet():
        wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
        wait_until(lambda: not next_key(cluster, private_ca), 60, "the next key to go")
    after = Picture(cluster, private_ca)
    assert before.requests.get("web-1", after.requests["web-1"]) == after.requests["web-1"]
    assert pki.public_of(secret_data(cluster, "web-tls", private_ca)["tls.key"]) == pki.public_of(key)


def next_key(kube, namespace):
    status = (kube.get(f"{CERTIFICATES}/web", namespace) or {}).get("status", {})
    name = status.get("nextPrivateKeySecretName")
    return secret_data(kube, name, namespace).get("tls.key") if name else None


@BOTH
@pytest.mark.parametrize("point", ["request", "refused", "presented"])
def test_cert_manager_carries_on_where_certlet_was_killed(swap, quick, point, server_side_apply):
    """A Challenge waits for as long as its own spec says."""
    flags = ["--controllers=*,-certificaterequests-approver"] if point == "request" else []
    under_way = bring_to(quick, point, lambda: swap.certlet(*flags), "20s")
    with swap.cert_manager(server_side_apply=server_side_apply):
        release(quick, "refused")
        under_way.assert_carried_on()
