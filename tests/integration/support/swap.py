"""cert-manager and certlet by turns on the same objects, and what must not have changed between them."""

import contextlib
import json

import pytest

from . import manifests as m
from .cert_manager import CertManager
from .certlet import Certlet, solver_flags
from .controller import NAMESPACE, Controller, is_ready_now, is_true
from .resources import CERTIFICATES, ORDERS, REQUESTS
from .server import wait_until

# How cert-manager writes statuses: whole, or with its gate ServerSideApply. Secrets it applies in any case.
BOTH = pytest.mark.parametrize("server_side_apply", [False, True], ids=["updates", "applies"])
ALONE = "--leader-elect=false"
WRITES = ("create", "update", "patch", "delete")


class Swap:
    """Both programs for one control plane; each start() is a process in a folder of its own."""

    def __init__(self, binary, folder, kube, bind):
        self.binary, self.folder, self.kube, self.bind = binary, folder, kube, bind
        self._count = 0

    def _next(self, name):
        self._count += 1
        return self.folder / f"{self._count}-{name}"

    @contextlib.contextmanager
    def cert_manager(self, *flags, without=(), server_side_apply=False):
        with CertManager(
            self._next("cert-manager"),
            self.kube,
            self.bind,
            [ALONE, *flags],
            without,
            server_side_apply,
        ) as process:
            yield process

    @contextlib.contextmanager
    def certlet(self, *flags):
        folder, flags = self._next("certlet"), [*solver_flags(self.bind), ALONE, *flags]
        process = Controller(self.binary, folder, self.kube, flags)
        process.asked_before = process.requests()
        with process:
            yield process

    def plan(self, namespace, *flags):
        """{name: row} of `certlet plan`, and its last line."""
        command = Certlet(self.binary, self._next("plan"), env={"KUBECONFIG": str(self.kube.kubeconfig)})
        argv = ("plan", "-n", namespace, f"--cluster-resource-namespace={NAMESPACE}", *flags)
        done = command.command(*argv, "--all", "-o", "json")
        assert done.returncode in (0, 1), done.stderr
        rows = {row["name"]: row for row in json.loads(done.stdout)["certificates"]}
        return rows, command.command(*argv).stdout.splitlines()[-1]

    def verdicts(self, namespace, *flags):
        """{name: what} of `certlet plan`."""
        return {name: row["what"] for name, row in self.plan(namespace, *flags)[0].items()}


def wait_idle(controller, certificates):
    """Until certlet has looked at so many Certificates, and has nothing in its queues."""
    last = None

    def has_settled():
        nonlocal last
        before, last = last, controller.metric("workqueue_adds_total")
        looked = controller.metric("controller_runtime_reconcile_total", controller="certificates")
        busy = controller.metric("workqueue_depth") + controller.metric("workqueue_unfinished_work_seconds")
        return looked >= certificates and busy == 0 and before == last

    wait_until(has_settled, 120, "certlet to have looked at everything", controller.child, every=0.5)


def writes(process, namespace):
    """[(verb, resource/subresource, name)] of what a Swap's certlet has written there, and of what is in no namespace;
    events aside.
    """
    found = []
    for event in process.kube.api_server.audit(process.user)[process.asked_before :]:
        about = event.get("objectRef", {})
        is_there = about.get("namespace") in (namespace, None)
        if is_there and event["verb"] in WRITES and about.get("resource") != "events":
            what = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
            found.append((event["verb"], what, about.get("name")))
    return found


class Picture:
    """What is in a namespace: pairs of Secrets, requests, Orders, and the statuses of Certificates."""

    def __init__(self, kube, namespace):
        self.certificates = {
            one["metadata"]["name"]: one for one in kube.list(CERTIFICATES, namespace)
        }
        self.secrets = {one["metadata"]["name"]: one for one in kube.list("secrets", namespace)}
        self.requests = self._uids(kube, REQUESTS, namespace)
        self.orders = self._uids(kube, ORDERS, namespace)

    @staticmethod
    def _uids(kube, resource, namespace):
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in kube.list(resource, namespace)}

    def data(self):
        return {name: one.get("data") for name, one in self.secrets.items()}

    def metadata(self):
        """Labels and annotations of the Secrets."""
        return {
            name: (one["metadata"].get("labels"), one["metadata"].get("annotations"))
            for name, one in self.secrets.items()
        }

    def dates(self):
        names = ("revision", "notBefore", "notAfter", "renewalTime")
        return {
            name: {key: one["status"].get(key) for key in names}
            for name, one in self.certificates.items()
        }

    def not_ready(self):
        return [name for name, one in self.certificates.items() if not is_ready_now(one)]


def managers(one, subresource=""):
    """[(manager, operation)] of an object's metadata.managedFields."""
    return sorted(
        (entry["manager"], entry["operation"])
        for entry in one["metadata"].get("managedFields", [])
        if entry.get("subresource", "") == subresource
    )


def is_settled(one):
    return (
        is_ready_now(one, if_untold=True)
        and not is_true(one, "Issuing")
        and not one["status"].get("nextPrivateKeySecretName")
    )


def wait_all_ready(kube, namespace, seconds=240):
    """Each Certificate, and with nothing under way: cert-manager ends Issuing in a later write than Ready, and takes
    the name of the next key away in one after that."""
    for one in kube.list(CERTIFICATES, namespace):
        kube.wait_for(
            f"{CERTIFICATES}/{one['metadata']['name']}",
            namespace,
            condition=is_settled,
            seconds=seconds,
        )


def leaf(name, namespace, issuer="ca", **spec):
    return m.certificate(name, [f"{name}.{namespace}.example.test"], issuer, namespace, **spec)
