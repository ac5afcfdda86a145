"""docs/migration.md as its reader follows it: every command in it is run, in order, on a cluster of cert-manager's.

What the bed has not got is nodes: processes are started and stopped as the guide scales Deployments
(support/deployments.py). cert-manager's webhook is one without pods, so that the guide fails where a reader of it
would have been refused.
"""

import os
import pathlib
import re
import subprocess

import pytest

from support import manifests as m
from support.cert_manager import CertManager
from support.certlet import solver_flags
from support.controller import NAMESPACE, Controller, apply, wait_for_revision, wait_ready
from support.deployments import DEPLOYMENTS, Nodes, deployment
from support.resources import CERTIFICATES, DEFINITIONS, OURS, POLICIES, STAMPS
from support.swap import Picture, wait_all_ready

pytestmark = pytest.mark.kube
ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/migration.md"
KEEP = "helm.sh/resource-policy"
WEBHOOKS = tuple(
    f"{kind}webhookconfigurations.admissionregistration.k8s.io" for kind in ("validating", "mutating")
)


def blocks():
    """{heading: [shell text]}."""
    found, heading = {}, None
    for part in re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0].strip()
        found[heading] = re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    return found


class Reader:
    """Runs what the guide says, from a clone of the repository, with kubectl and its plugin in the PATH."""

    def __init__(self, binary, kube, folder):
        (folder / "kubectl").symlink_to(kube.kubectl_program)
        (folder / "kubectl-certlet").symlink_to(pathlib.Path(binary).resolve())
        self.folder = folder / "clone"
        self.folder.mkdir()
        for name in ("crds", "deploy"):
            (self.folder / name).symlink_to(ROOT / name)
        self._kube = kube
        self._env = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "KUBECONFIG": str(kube.kubeconfig),
            "HOME": str(folder),
        }

    def run(self, text):
        """What it prints; each command of it must succeed."""
        if self._kube.minor >= 36:  # as the guide says
            text = text.replace("-k deploy\n", "-k deploy/identity\n")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


def webhook_configurations():
    """As cert-manager's chart has them, for what matters here: asked about all of our objects, and strict."""
    service = {"name": "cert-manager-webhook", "namespace": NAMESPACE, "path": "/validate"}
    rule = {
        "apiGroups": ["cert-manager.io", "acme.cert-manager.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*/*"],
    }
    webhook = {
        "name": "webhook.cert-manager.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": [rule],
        "clientConfig": {"service": service},
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "cert-manager-webhook"},
            "webhooks": [webhook],
        }
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    ]


def replicas(kube):
    return {one["metadata"]["name"]: one["spec"]["replicas"] for one in kube.list(DEPLOYMENTS, NAMESPACE)}


def have_webhooks(kube):
    return [bool(kube.get(f"{kind}/cert-manager-webhook")) for kind in WEBHOOKS]


def have_policies(kube):
    return [bool(kube.list(kind)) for kind in (*POLICIES, *(STAMPS if kube.minor >= 36 else ()))]


@pytest.fixture
def installed(kube):
    """What cert-manager's chart leaves, with our CRDs in the place of its own; the user has a namespace 'shop'."""
    kube.apply(kube.kubectl("kustomize", str(ROOT / "crds")))
    for resource in OURS:
        kube.kubectl("wait", "--for=condition=Established", f"crd/{resource}", "--timeout=60s")
        kube.kubectl("annotate", f"crd/{resource}", f"{KEEP}-")
    for name in (NAMESPACE, "shop"):
        kube.create("namespaces", {"metadata": {"name": name}})
    args = [f"--cluster-resource-namespace={NAMESPACE}"]
    apply(kube, deployment("cert-manager", args=args))
    apply(kube, *(deployment(f"cert-manager-{name}") for name in ("webhook", "cainjector")))
    return kube


def ask(kube, bind, pebble):
    apply(
        kube,
        *m.private_ca("shop"),
        m.tsig_secret(bind, namespace="shop"),
        m.issuer(pebble, [m.rfc2136_solver(bind, wait="0s")], namespace="shop"),
        m.certificate("inside", ["inside.example.test"], "ca", "shop"),
        m.certificate("web", ["web.example.test"], "acme", "shop"),
    )
    wait_all_ready(kube, "shop")


def test_the_guide_leads_there_and_back(binary, installed, bind, pebble, tmp_path):
    kube, steps = installed, blocks()
    reader = Reader(binary, kube, tmp_path)
    processes = {
        "cert-manager": CertManager(tmp_path / "cert-manager", kube, bind),
        "certlet": Controller(binary, tmp_path / "certlet", kube, solver_flags(bind)),
    }
    with Nodes(kube, processes):
        ask(kube, bind, pebble)
        before, orders = Picture(kube, "shop"), pebble.requests("/order-plz")
        apply(kube, *webhook_configurations())

        plan, args = map(reader.run, steps["1. Look, before anything is changed"])
        assert plan.splitlines()[-1] == "0 of 3 certificates would be re-issued: 3 kept as they are"
        assert f"--cluster-resource-namespace={NAMESPACE}" in args
        for text in steps["2. Keep what may be wanted again"]:
            reader.run(text)
        assert "web.example.test" in (reader.folder / "cert-manager-objects.yaml").read_text()
        for resource in OURS:
            assert kube.get(f"{DEFINITIONS}/{resource}")["metadata"]["annotations"][KEEP] == "keep"
        for text in steps["3. Install certlet beside it"]:
            reader.run(text)
        assert replicas(kube)["certlet"] == 2 and processes["cert-manager"].leads()
        assert all(have_policies(kube))
        for text in steps["4. Hand over"]:
            reader.run(text)
        assert replicas(kube) == {
            "certlet": 2,
            "cert-manager": 0,
            "cert-manager-webhook": 0,
            "cert-manager-cainjector": 0,
        }
        assert have_webhooks(kube) == [False, False]
        processes["certlet"].wait_to_lead()
        for text in steps["5. Look again"]:
            reader.run(text)
        assert Picture(kube, "shop").data() == before.data()
        assert pebble.requests("/order-plz") == orders
        reader.run("kubectl certlet renew shop/web shop/inside")
        for name in ("web", "inside"):
            wait_for_revision(kube, name, "shop", 2)

        between = Picture(kube, "shop")
        for text in steps["The way back"]:
            reader.run(text)
        assert have_webhooks(kube) == [True, True]
        assert not any(have_policies(kube))
        for kind in WEBHOOKS:  # nobody answers for it here
            kube.delete(f"{kind}/cert-manager-webhook")
        processes["cert-manager"].wait_to_lead()
        apply(kube, m.certificate("later", ["later.example.test"], "ca", "shop"))
        wait_ready(kube, f"{CERTIFICATES}/later", "shop")
        after = Picture(kube, "shop")
        assert {name: after.data()[name] for name in between.data()} == between.data()
        assert after.not_ready() == []


def test_each_block_of_the_guide_is_one_that_the_other_test_runs():
    """Blocks of other languages are for reading only: such as need Helm."""
    known = {
        "1. Look, before anything is changed": 2,
        "2. Keep what may be wanted again": 2,
        "3. Install certlet beside it": 1,
        "4. Hand over": 3,
        "5. Look again": 1,
        "The way back": 2,
        "When it is to stay": 0,
    }
    assert {heading: len(texts) for heading, texts in blocks().items()} == known
