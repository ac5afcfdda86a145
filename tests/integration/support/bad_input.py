"""An object with one thing wrong, and what each layer says of it: `certlet check`, the API server with its
schemas and policies, the controller's conditions.

A place is told as in `spec.acme.solvers[0].dns01`; a member of a map as `labels[app]`, which the schemas of
the API server call `labels.app`.
"""

import collections
import concurrent.futures
import copy
import functools
import pathlib
import re
import subprocess

import yaml

from . import manifests as m
from .certlet import SANITIZERS
from .kube_api import KubeError

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "crds"
GROUP = "cert-manager.io"
PLURALS = {
    "Certificate": "certificates",
    "CertificateRequest": "certificaterequests",
    "Issuer": "issuers",
    "ClusterIssuer": "clusterissuers",
}

# `path`: the field. `words`: of what certlet says, by check and by condition alike. `change`: a merge patch of
# the spec of a good object. `sees`: who is the first to refuse it in a cluster: "schema", "policy", "controller".
Row = collections.namedtuple("Row", "path words sees change")


# --- places ---


def canonical(path):
    """As the schemas tell it."""
    return re.sub(r"\[([^]]*[^]0-9][^]]*)\]", r".\1", path)


def field_of(path):
    """Of all items of a list and of all keys of a map."""
    return re.sub(r"\[[^]]*\]", "", path)


def said_path(text):
    """The field at the beginning of a message."""
    return canonical(text.partition(": ")[0])


# --- objects ---


def merged(one, patch):
    """A merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(one) if isinstance(one, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def new_object(kind, name, namespace, spec):
    metadata = {"name": name, **({} if kind == "ClusterIssuer" else {"namespace": namespace})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def resource_of(body):
    return f"{PLURALS[body['kind']]}.{GROUP}"


def place_of(body):
    return f"{resource_of(body)}/{body['metadata']['name']}", body["metadata"].get("namespace")


# --- schemas ---


@functools.cache
def spec_schema(kind):
    text = (FOLDER / f"{GROUP}_{PLURALS[kind]}.yaml").read_text(encoding="utf-8")
    version = yaml.safe_load(text)["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def below(schema):
    """The steps from a schema to those below it: the name of a member, the index of an item, a key."""
    if "properties" in schema:
        return schema["properties"].items()
    if "additionalProperties" in schema:
        return [("[key]", schema["additionalProperties"])]
    return [("[0]", schema["items"])] if "items" in schema else []


def nodes(schema, path=("spec",)):
    """(steps, schema) of everything, the outermost first."""
    yield path, schema
    for step, member in below(schema):
        yield from nodes(member, (*path, step))


def path_text(steps):
    return "".join(step if step.startswith("[") else f".{step}" for step in steps).lstrip(".")


def fields(kind):
    """Of the spec: all that is no structure. A list is one field with its items, a map one with its values."""
    found = {field_of(path_text(steps)): schema for steps, schema in nodes(spec_schema(kind))}
    return [path for path, schema in found.items() if not is_structure(schema)]


def is_structure(schema):
    return "properties" in schema or ("items" in schema and "properties" in schema["items"])


def wrong_value(schema):
    """Of another JSON type; None where every type will do."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    if schema.get("x-kubernetes-int-or-string"):
        return ["many"]
    return {"string": 7, "boolean": "yes", "integer": "many"}.get(schema["type"], "text")


def wrong_types(kind):
    """(steps, value of another type) for each place of the spec."""
    found = [(steps, wrong_value(schema)) for steps, schema in nodes(spec_schema(kind))]
    return [(steps, value) for steps, value in found if value is not None]


def planted(into, steps, value):
    """`into` with the value at the place, and what is needed on the way."""
    if not steps:
        return value
    step, *rest = steps
    if step == "[0]":
        return [planted(into[0] if into else {}, rest, value)]
    key = step.strip("[]")
    into = dict(into or {})
    into[key] = planted(into.get(key) or ([] if rest and rest[0] == "[0]" else {}), rest, value)
    return into


# --- certlet check ---


def run_check(binary, file):
    env = {"PATH": "/usr/bin:/bin", **SANITIZERS}
    argv = [str(binary), "check", str(file)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=False)


class Checked:
    """What `certlet check` says of objects: problems by object and path, warnings left out."""

    def __init__(self, binary, file, objects):
        file.write_text(m.text(*objects), encoding="utf-8")
        done = run_check(binary, file)
        self.code, self.lines = done.returncode, done.stdout.splitlines()
        assert done.stderr == "", done.stderr
        self._of = collections.defaultdict(list)
        for line in self.lines:
            found = re.match(rf"{re.escape(str(file))}:\d+: (\w+) (?:[\w-]+/)?([\w.-]+): (.*)", line)
            if found:
                self._of[found[1], found[2]].append(found[3])

    def of(self, body):
        return self._of[body["kind"], body["metadata"]["name"]]


# --- the API server ---


def creation(user, body):
    """None when it was let in, else the error."""
    try:
        user.create(resource_of(body), body, body["metadata"].get("namespace"))
        return None
    except KubeError as error:
        return error


def creations(user, bodies):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(functools.partial(creation, user), bodies))


def refusals(error):
    """(path, text) of all that the schemas or a policy say."""
    message = error.status.get("message", "")
    _, found, text = message.partition("denied request: ")
    if found:
        return [(said_path(text), text)]
    causes = (error.status.get("details") or {}).get("causes") or []
    return [(_cause_path(one), one.get("message", "")) for one in causes]


def _cause_path(cause):
    """Of a number that is too large, the server tells the field at the end of the message alone."""
    field = cause.get("field", "")
    return canonical(cause.get("message", "").rpartition(" in ")[2] if field == "<nil>" else field)


def refused_by(error):
    return "policy" if "denied request: " in error.status.get("message", "") else "schema"


# --- the controller ---


def complaints(body):
    """(type, reason, message) of the conditions of an object that say that it cannot be used."""
    status = (body or {}).get("status", {})
    return [
        (one["type"], one.get("reason", ""), one.get("message", ""))
        for one in status.get("conditions", ())
        if (one["type"], one["status"]) in (("Ready", "False"), ("InvalidRequest", "True"))
    ]


def tells(message, path, words):
    """Whether a condition names the field and what is wrong with it; it may name others beside it."""
    return any(
        said_path(part) == canonical(path) and words in part for part in message.split("; ")
    ) or (canonical(message).startswith(f"{canonical(path)}: ") and words in message)
