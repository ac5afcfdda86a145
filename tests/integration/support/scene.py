"""Namespaces of a control plane in which `certlet controller` issues, and what must be gone after them."""

import base64
import contextlib
import http.client
import json
import subprocess
import threading
import urllib.parse

from . import manifests as m
from .controller import apply, is_true, wait_ready
from .kube_api import KubeError
from .resources import CERTIFICATES, CHALLENGES
from .server import wait_until

HELD = "1h"  # how long a held Challenge waits after its record is there


def is_pair(data):
    """Whether the data of a Secret is a certificate and its key."""
    chain, key = (base64.b64decode(data.get(name, "")) for name in ("tls.crt", "tls.key"))
    found = [
        subprocess.run(argv, input=text, capture_output=True, check=False).stdout
        for argv, text in (
            (["openssl", "x509", "-noout", "-pubkey"], chain),
            (["openssl", "pkey", "-pubout"], key),
        )
    ]
    return bool(found[0]) and found[0] == found[1]


def text_of(secret, key):
    return base64.b64decode(secret["data"][key]).decode("ascii")


class Scene:
    """A namespace with an ACME Issuer for `pebble` and `bind`; certificates are NAME.NAMESPACE.example.test.

    With `held`, each Challenge stays as it is once its record is in the DNS, until release().
    """

    def __init__(self, kube, bind, pebble, namespace, held=False):
        self.kube, self.bind, self.pebble, self.namespace = kube, bind, pebble, namespace
        self.names = []
        self._orders, self._finalizes = pebble.new_orders(), pebble.finalizes()
        kube.create("namespaces", {"metadata": {"name": namespace}})
        apply(kube, m.tsig_secret(bind, namespace=namespace))
        self.make_issuer(HELD if held else None)

    def make_issuer(self, wait=None):
        solvers = [m.rfc2136_solver(self.bind, wait=wait)]
        apply(self.kube, m.issuer(self.pebble, solvers, namespace=self.namespace))

    def release(self):
        self.make_issuer("0s")

    # --- certificates ---

    def host(self, name):
        return f"{name}.{self.namespace}.example.test"

    def certificate(self, name, **spec):
        return m.certificate(name, [self.host(name)], namespace=self.namespace, **spec)

    def ask(self, *names, **spec):
        self.names += names
        apply(self.kube, *(self.certificate(name, **spec) for name in names))

    def wait_ready(self, *names, seconds=180):
        for name in names or self.names:
            wait_ready(self.kube, f"{CERTIFICATES}/{name}", self.namespace, seconds)

    def certificates(self):
        return self.list(CERTIFICATES)

    def is_ready(self, name):
        return is_true(self.get(f"{CERTIFICATES}/{name}"))

    def get(self, resource):
        return self.kube.get(resource, self.namespace)

    def list(self, resource):
        return self.kube.list(resource, self.namespace)

    def delete(self, resource):
        return self.kube.delete(resource, self.namespace)

    def the_only(self, resource):
        """The name of the one that there is, waited for."""
        wait_until(lambda: len(self.list(resource)) == 1, 60, f"one of {resource}")
        return self.list(resource)[0]["metadata"]["name"]

    # --- what the CA and the name server have seen ---

    def orders(self):
        return self.pebble.new_orders() - self._orders

    def finalizes(self):
        return self.pebble.finalizes() - self._finalizes

    def records(self, *names):
        hosts = [f"_acme-challenge.{self.host(name)}" for name in names or self.names]
        return [text for host in hosts for text in self.bind.txt(host)]

    def wait_presented(self, name, seconds=60):
        return wait_until(lambda: self.records(name), seconds, f"the record of {self.host(name)}")

    def next_keys(self):
        """Secrets with the key of a certificate that is under way."""
        label = "cert-manager.io/next-private-key"
        return [one for one in self.list("secrets") if label in one["metadata"].get("labels", {})]

    def wait_tidy(self, seconds=60):
        """No Challenge, no record and no next key any more: these go behind Ready."""
        wait_until(lambda: not self.list(CHALLENGES), seconds, "Challenges to go", every=0.1)
        wait_until(lambda: not self.records(), seconds, "records to go", every=0.1)
        wait_until(lambda: not self.next_keys(), seconds, "next keys to go", every=0.1)

    # --- end ---

    def remove(self):
        self.kube.delete(f"namespaces/{self.namespace}")

    def is_gone(self):
        return self.kube.get(f"namespaces/{self.namespace}") is None


class Watcher:
    """Follows a resource in all namespaces: `see(type, object)` for each version, also over restarts of the
    API server. Where that has forgotten versions meanwhile, what is there comes as ADDED once more.
    """

    def __init__(self, kube, resource, see):
        self._kube, self._see = kube, see
        self._begun, self._ended = threading.Event(), threading.Event()
        self._path = kube.path(resource)
        self._version = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.error = None

    def __enter__(self):
        """Returns when it watches: it sees every version of what is made from now on."""
        self._thread.start()
        wait_until(self._begun.is_set, 60, f"the watch of {self._path}")
        return self

    def __exit__(self, kind, *_):
        self._ended.set()
        self._thread.join(30)
        if kind is None and self.error:
            raise self.error

    def _follow(self):
        while not self._ended.is_set():
            try:
                self._follow_one()
            except (OSError, http.client.HTTPException, KubeError, json.JSONDecodeError) as error:
                if getattr(error, "code", None) == 410:
                    self._version = None
                self._ended.wait(0.1)  # it was cut off, or nobody is there
            except Exception as error:  # of `see`
                self.error = error
                return

    def _follow_one(self):
        query = {"watch": "true", "timeoutSeconds": "5", "allowWatchBookmarks": "true"}
        if self._version:
            query["resourceVersion"] = self._version
        for event in self._kube.stream(f"{self._path}?{urllib.parse.urlencode(query)}", self._begun.set):
            if event["type"] == "ERROR":
                self._version = None
                return
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._see(event["type"], event["object"])
            if self._ended.is_set():
                return


@contextlib.contextmanager
def repeated(act, every=0.05):
    """Do `act()` again and again in the background; what the API server refuses meanwhile is no matter."""
    ended, done = threading.Event(), [0]

    def loop():
        while not ended.is_set():
            with contextlib.suppress(KubeError, OSError):
                act()
                done[0] += 1
            ended.wait(every)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join(30)


def leaks(text, secrets):
    """What of `secrets` {what: value} and of key material is in a log."""
    marks = {"a private key": "PRIVATE KEY-----", **secrets}
    return [what for what, mark in marks.items() if mark and mark in text]
