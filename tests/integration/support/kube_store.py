"""The API server's store as a program (tests/integration/kube_store.c), and the kinds that it is tried with."""

import json
import os
import pathlib
import queue
import subprocess
import threading

from .certlet import SANITIZERS, find_binary
from .server import BedError, end, wait_until

# As far as the store can tell them from the real ones: conditions are a list by type, the rest is free.
CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.cert-manager.io, annotations: {{api-approved.kubernetes.io: unapproved}}}}
spec:
  group: cert-manager.io
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
            properties:
              conditions:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [type]
                items:
                  type: object
                  required: [type]
                  properties: {{type: {{type: string}}, status: {{type: string}}}}
---
"""
KINDS = (("Certificate", "Namespaced"), ("ClusterIssuer", "Cluster"))


def install_kinds(kube):
    """Certificate and ClusterIssuer, served when this returns."""
    for kind, scope in KINDS:
        singular = kind.lower()
        plural = f"{singular}s"
        kube.apply(CRD.format(kind=kind, scope=scope, singular=singular, plural=plural))

    def are_served():
        return all(_is_served(kube, f"{kind.lower()}s") for kind, _ in KINDS)

    wait_until(are_served, 30, "the test's kinds are served")


def _is_served(kube, plural):
    try:
        kube.list(f"{plural}.cert-manager.io")
    except AssertionError:  # of the bed: no such kind yet
        return False
    return True


def find_program(root):
    """Beside the program under test, from the same build."""
    path = find_binary(root).parent / "tests/kube_store"
    if not path.exists():
        raise BedError(f"no program at '{path}'; build the target kube_store")
    return path


def run_suite(program, kubeconfig, *options):
    """(exit code, what cmocka said)."""
    argv = [program, "suite", "--kubeconfig", kubeconfig, *options]
    done = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, **SANITIZERS}, timeout=1800, check=False
    )
    said = done.stdout + done.stderr
    # A failed case leaves what it owned, which is not what one wants to read about.
    return done.returncode, said.partition("ERROR: LeakSanitizer")[0] if "FAILED" in said else said


# In every namespace, sooner or later: not counted.
COMES_BY_ITSELF = "kube-root-ca.crt"


class StoreError(Exception):
    """What the store has answered: `code` is the name of an err_code."""

    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code, self.retry_at_ms, self.answer = answer["code"], answer["retry_at_ms"], answer


class Reflection:
    """What a reflector's cache has seen: versions by namespace/name, and how often it changed each way."""

    def __init__(self):
        self.objects, self.counts, self.synced = {}, {}, False

    def take(self, line):
        kind = line["type"]
        if line.get("name", "").endswith(f"/{COMES_BY_ITSELF}"):
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "synced":
            self.synced = True
        elif kind == "deleted":
            del self.objects[line["name"]]
        else:
            self.objects[line["name"]] = line["version"]


class Console:
    """One store, told what to do. Its log is in `log_file`. `within` goes in front of its command."""

    def __init__(self, program, folder, kubeconfig, *options, env=None, within=()):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "kube_store.log"
        self._argv = [*within, program, "console", *options]
        if kubeconfig:
            self._argv += ["--kubeconfig", kubeconfig]
        self._env = {**os.environ, **SANITIZERS, **(env or {})}
        self._answers, self._reflections, self._next = queue.Queue(), {}, 1

    def __enter__(self):
        with open(self.log_file, "ab") as log:
            self.child = subprocess.Popen(
                list(map(str, self._argv)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind, *_):
        self.child.stdin.close()
        try:
            code = self.child.wait(30)
        except subprocess.TimeoutExpired:
            code = end(self.child)
        self._reader.join(10)
        self.child.stdout.close()
        if kind is None:
            assert code == 0, f"exit {code}\n{self.log()}"

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def _read(self):
        for text in self.child.stdout:
            line = json.loads(text)
            if line.get("done"):
                self._answers.put(line)
            else:
                self._reflections[line["id"]].take(line)

    def begin(self, op, resource=None, name=None, namespace=None, **words):
        """Give an order and go on; its id."""
        order = {"id": self._next, "op": op, "resource": resource, "name": name, **words}
        self._next += 1
        order["namespace"] = namespace
        given = {key: value for key, value in order.items() if value is not None}
        if op == "reflect":
            self._reflections[given["id"]] = Reflection()
        self.child.stdin.write(json.dumps(given) + "\n")
        self.child.stdin.flush()
        return given["id"]

    def end(self, seconds=360):
        """The answer of the order that was begun first."""
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise BedError(f"no answer within {seconds} s; {self.log()}") from None
        if "error" in answer:
            raise StoreError(answer)
        return answer

    def do(self, op, resource=None, name=None, namespace=None, **words):
        self.begin(op, resource, name, namespace, **words)
        return self.end()

    def object(self, *arguments, **words):
        return self.do(*arguments, **words)["object"]

    def open(self, resource, namespace, **words):
        """A bare watch; a server that was started again lets nobody watch until it has read all."""

        def opens():
            try:
                return self.do("open", resource, namespace=namespace, **words)
            except StoreError as error:
                if error.code == "rate limited":
                    return None
                raise

        wait_until(opens, 30, f"{resource} can be watched", self.child, every=0.2)

    def reflect(self, resource, namespace=None):
        ident = self.begin("reflect", resource, namespace=namespace)
        self.end()
        return self._reflections[ident]

    def synced(self, resource, namespace=None, seconds=60):
        """A reflector that has its first list."""
        seen = self.reflect(resource, namespace)
        wait_until(lambda: seen.synced, seconds, f"the first list of {resource}", self.child)
        return seen
