"""Plays the part of nodes: starts and stops processes as Deployments are scaled, and writes the Deployments' status."""

import contextlib
import threading

from .controller import NAMESPACE

DEPLOYMENTS = "deployments.apps"


def deployment(name, replicas=1, labels=None, **container):
    """A manifest with one container; nobody pulls its image here."""
    labels = labels or {"app.kubernetes.io/name": name}
    pod = {"containers": [{"name": name, "image": f"{name}:bed", **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


class Nodes:
    """`processes` {Deployment: Server}: one runs while its Deployment wants replicas. Deployments of other names have
    pods that do nothing.
    """

    def __init__(self, kube, processes):
        self._kube, self._processes = kube, processes
        self._ended, self.error = threading.Event(), None
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(300)
        with contextlib.ExitStack() as stack:
            for process in self._processes.values():
                stack.callback(process.stop)
            if self.error:
                raise self.error

    def _loop(self):
        try:
            while not self._ended.wait(0.2):
                for one in self._kube.list(DEPLOYMENTS, NAMESPACE):
                    self._follow(one)
        except Exception as error:  # told at the end; until then rollouts wait in vain
            self.error = error

    def _follow(self, one):
        name, wanted = one["metadata"]["name"], one["spec"]["replicas"]
        process = self._processes.get(name)
        if process and bool(process.child) != bool(wanted):
            (process.start if wanted else process.stop)()
        self._write_status(one, wanted)

    def _write_status(self, one, wanted):
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        status = {"observedGeneration": one["metadata"]["generation"], **counts}
        found = one.get("status", {})
        if any(found.get(key, 0) != value for key, value in status.items()):
            path = f"{DEPLOYMENTS}/{one['metadata']['name']}"
            self._kube.patch(path, {"status": status}, NAMESPACE, "status")
