"""`certlet controller` against a control plane of the bed, under its ServiceAccount and the RBAC that we ship."""

import base64
import contextlib
import json
import pathlib
import re
import signal
import urllib.error
import urllib.request
import zlib

from . import manifests
from .certlet import SANITIZERS, SANITIZER_EXIT
from .kube import account_user
from .resources import CERTIFICATES, DEFINITIONS, LEASES, OURS
from .server import LOOPBACK, BedError, Server, reserve_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMESPACE, ACCOUNT = "cert-manager", "certlet"
LEASE_NAMESPACE, LEASE = "kube-system", "cert-manager-controller"
# As in deploy/base/deployment.yaml.
LEASE_FLAGS = (
    "--leader-election-lease-duration=15s",
    "--leader-election-renew-deadline=10s",
    "--leader-election-retry-period=2s",
)


def _is_established(crd):
    conditions = (crd or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def install(kube, folder="deploy"):
    """What `kubectl apply -k deploy` makes, once the CRDs are served; identity too where it can be."""
    if folder == "deploy" and kube.minor >= 36:
        folder = "deploy/identity"
    text = kube.kubectl("kustomize", str(ROOT / folder))
    kube.apply(text)
    for resource in OURS:
        kube.wait_for(f"{DEFINITIONS}/{resource}", condition=_is_established)
    wait_until(lambda: all(may_work(kube)), 60, "the permissions of the controller")


# (group, resource, subresource, verb): what the ServiceAccount may do by one binding and by no other.
WORK = (
    ("cert-manager.io", "certificates", "status", "update"),
    ("cert-manager.io", "issuers", "status", "update"),
    ("cert-manager.io", "clusterissuers", "status", "update"),
    ("acme.cert-manager.io", "orders", "status", "update"),
    ("acme.cert-manager.io", "challenges", "status", "update"),
    ("coordination.k8s.io", "leases", "", "create"),
)


def may_work(kube, work=WORK):
    """For each of `work`, whether the API server lets the ServiceAccount do it by now."""
    user = account_user(NAMESPACE, ACCOUNT)
    names = ("group", "resource", "subresource", "verb")
    return [kube.allows(user, namespace=LEASE_NAMESPACE, **dict(zip(names, one))) for one in work]


class Controller(Server):
    """One process. Several with the same control plane compete for the Lease."""

    name = "certlet-controller"
    ready_seconds = 120
    user = account_user(NAMESPACE, ACCOUNT)  # in the audit log

    def __init__(self, binary, folder, kube, flags=(), kubeconfig=None, name=None):
        super().__init__(folder)
        if name:
            self.name = name
        self.binary, self.kube = str(binary), kube
        self.kubeconfig = kubeconfig or kube.service_account(NAMESPACE, ACCOUNT, 86400)
        self.metrics_port, self.health_port = reserve_port(), reserve_port()
        self.flags = list(flags)
        self._led = 0  # how often it has led before its last start

    def command(self):
        return [
            self.binary,
            "controller",
            f"--kubeconfig={self.kubeconfig}",
            f"--cluster-resource-namespace={NAMESPACE}",
            *LEASE_FLAGS,
            f"--metrics-listen-address={LOOPBACK}:{self.metrics_port}",
            f"--internal-healthz-listen-address={LOOPBACK}:{self.health_port}",
            *self.flags,
        ]

    def environment(self):
        return SANITIZERS

    def is_ready(self):
        return self.health("/readyz")[0] == 200

    def start(self):
        self._led = self._count_led()
        super().start()

    def stop(self):
        code = super().stop()
        if code == SANITIZER_EXIT:
            raise BedError(f"a checker found something, see {self.log_file}:\n{self.log_text()[-4000:]}")
        return code

    def interrupt(self):
        self.child.send_signal(signal.SIGTERM)

    # --- what it says ---

    def health(self, path):
        """(HTTP status, text); (0, '') while nobody listens."""
        return self._ask(f"http://{LOOPBACK}:{self.health_port}{path}")

    def metrics(self):
        return self._ask(f"http://{LOOPBACK}:{self.metrics_port}/metrics")[1]

    def metric(self, metric, /, **labels):
        """The sum of the series of that name whose labels include these."""
        total = 0.0
        for line in self.metrics().splitlines():
            found = re.match(rf"{re.escape(metric)}(?:\{{(.*)\}})? (\S+)$", line)
            if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                total += float(found[2])
        return total

    @staticmethod
    def _ask(url):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(url, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    # --- leading ---

    def holder(self):
        lease = self.kube.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)
        return (lease or {}).get("spec", {}).get("holderIdentity", "")

    def wait_to_lead(self, seconds=60):
        """Since its last start."""
        wait_until(lambda: self._count_led() > self._led, seconds, "waiting for the Lease", self.child)

    def _count_led(self):
        return self.log_text().count("leading as")

    @contextlib.contextmanager
    def instead(self, folder, *flags, kubeconfig=None):
        """Another one with these flags too, or as another account, while this one is stopped; then this one leads
        again.
        """
        self.stop()
        try:
            flags = [*self.flags, *flags]
            with Controller(self.binary, folder, self.kube, flags, kubeconfig, "instead") as process:
                process.wait_to_lead()
                yield process
        finally:
            self.start()
            self.wait_to_lead()

    def requests(self, verb=None, resource=None):
        return self.kube.requests(self.user, verb, resource)


def refused(kube):
    """Of all that the ServiceAccount has asked for, what it was not allowed."""
    events = kube.api_server.audit(account_user(NAMESPACE, ACCOUNT))
    assert events, "nothing was asked for"
    return [one["requestURI"] for one in events if one.get("responseStatus", {}).get("code") == 403]


# --- objects ---


def namespace_of(test_name):
    """What a namespace is called after a test: the sum keeps tests apart whose names begin alike."""
    words = re.sub("[^a-z0-9]+", "-", test_name.lower().removeprefix("test_"))
    return f"{words[:40].strip('-')}-{zlib.crc32(test_name.encode()):08x}"


def new_namespace(kube, test_name):
    """A namespace called after a test; its name."""
    name = namespace_of(test_name)
    kube.create("namespaces", {"metadata": {"name": name}})
    return name


def acme_issuer(kube, bind, ca, namespace, name="acme", **acme):
    """An ACME Issuer that proves names by `bind`, whose key comes with it."""
    apply(kube, manifests.tsig_secret(bind, namespace=namespace))
    solvers = [manifests.rfc2136_solver(bind)]
    apply(kube, manifests.issuer(ca, solvers, name=name, namespace=namespace, **acme))


def secret_data(kube, name, namespace):
    """{key: text} of a Secret; {} while there is none."""
    data = (kube.get(f"secrets/{name}", namespace) or {}).get("data") or {}
    return {key: base64.b64decode(value).decode("latin-1") for key, value in data.items()}


def condition_of(one, kind):
    """A condition as it is stored, or {}."""
    found = (one or {}).get("status", {}).get("conditions", [])
    return next((condition for condition in found if condition["type"] == kind), {})


def condition(one, kind):
    """A condition as (status, reason, message), or None."""
    found = condition_of(one, kind)
    return (found["status"], found.get("reason"), found.get("message")) if found else None


def is_true(one, kind="Ready"):
    return condition_of(one, kind).get("status") == "True"


def is_ready_now(one, generation=None, if_untold=False):
    """Ready for its generation, or for that one. `if_untold`: for any, if the condition does not say for which."""
    if not is_true(one):
        return False
    wanted = generation or one["metadata"]["generation"]
    return condition_of(one, "Ready").get("observedGeneration", wanted if if_untold else 0) >= wanted


def wait_ready(kube, resource, namespace="default", seconds=120):
    """The object once its Ready is True for the generation that is asked for."""
    return kube.wait_for(
        resource, namespace, condition=lambda one: is_ready_now(one, if_untold=True), seconds=seconds
    )


def wait_for_revision(kube, name, namespace, revision, seconds=120):
    """The Certificate once it is ready and has been issued so often."""

    def holds(one):
        return is_true(one) and one["status"].get("revision", 0) >= revision

    return kube.wait_for(f"{CERTIFICATES}/{name}", namespace, condition=holds, seconds=seconds)


def apply(kube, *objects, kubeconfig=None):
    return kube.apply("".join("---\n" + json.dumps(one) + "\n" for one in objects), kubeconfig)
