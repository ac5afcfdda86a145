"""The CustomResourceDefinitions on a real API server: what kubectl and other users of the API see.

That schemas and our field tables say the same is tests/unit/api/crds_test.c.
"""

import copy
import functools
import pathlib

import pytest
import yaml

from support.kube_api import KubeError
from support.resources import DEFINITIONS
from support.server import wait_until

pytestmark = pytest.mark.kube

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "crds"
APPLY = "application/apply-patch+yaml"
ACME = ("orders", "challenges")
NAMESPACED = ("certificates", "certificaterequests", "issuers", *ACME)
KINDS = (*NAMESPACED, "clusterissuers")
WITH_ISSUER_REF = ("certificates", "certificaterequests", *ACME)

# Their copy in the annotation of `kubectl apply` must fit into 256 KiB, with room for other annotations.
SIZE_MAX = 200_000


def resource(plural, name=None):
    group = "acme.cert-manager.io" if plural in ACME else "cert-manager.io"
    return f"{plural}.{group}" + (f"/{name}" if name else "")


@functools.cache
def definition(plural):
    """As it is in the tree; change a copy."""
    kind, _, group = resource(plural).partition(".")
    return yaml.safe_load((FOLDER / f"{group}_{kind}.yaml").read_text(encoding="utf-8"))


def schema_of(plural):
    return definition(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def place(plural, namespace):
    return namespace if plural in NAMESPACED else None


@pytest.fixture(scope="module")
def cluster(kube):
    """A server that has the definitions, by client-side apply: the way most people take first."""
    kube.kubectl("apply", "-f", FOLDER)
    for plural in KINDS:
        wait_for_definition(kube, plural)
    wait_until(lambda: knows_all_schemas(kube), 30, "schemas for kubectl")
    return kube


def knows_all_schemas(kube):
    """They come a little after the definitions are established."""
    try:
        known = [
            *kube.request("GET", "/openapi/v3/apis/cert-manager.io/v1")["components"]["schemas"],
            *kube.request("GET", "/openapi/v3/apis/acme.cert-manager.io/v1")["components"]["schemas"],
        ]
    except KubeError:
        return False
    return all(f"v1.{definition(plural)['spec']['names']['kind']}" in " ".join(known) for plural in KINDS)


def conditions_of(found):
    """Type -> status; of a new definition they are null for a moment."""
    conditions = (found or {}).get("status", {}).get("conditions") or []
    return {condition["type"]: condition["status"] for condition in conditions}


def wait_for_definition(kube, plural):
    name = f"{DEFINITIONS}/{resource(plural)}"
    return kube.wait_for(name, condition=lambda found: conditions_of(found).get("Established") == "True")


# --- the definitions ---


@pytest.mark.parametrize("how", [("--server-side", "--force-conflicts"), ()], ids=["server", "client"])
def test_they_are_applied_again_by(cluster, how):
    cluster.kubectl("apply", *how, "-f", FOLDER)
    for plural in KINDS:
        found = wait_for_definition(cluster, plural)
        conditions = conditions_of(found)
        assert conditions["NamesAccepted"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False", found["status"]


def test_they_are_applied_by_kustomize(cluster):
    said = cluster.kubectl("apply", "-k", FOLDER)
    assert len(said.splitlines()) == len(KINDS)


@pytest.mark.parametrize("plural", KINDS)
def test_the_copy_of_client_side_apply_fits_into_its_annotation(cluster, plural):
    found = wait_for_definition(cluster, plural)
    annotations = found["metadata"]["annotations"]
    assert len(annotations["kubectl.kubernetes.io/last-applied-configuration"]) < SIZE_MAX
    assert annotations["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize("plural", KINDS)
def test_the_server_warns_of_nothing_in(cluster, plural):
    """An unknown format, a default that does not fit: the server takes it and warns."""
    made = copy.deepcopy(definition(plural))
    made["metadata"]["name"] = f"{plural}.warned.test"
    made["spec"]["group"] = "warned.test"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All&fieldValidation=Strict"
    assert cluster.warnings("POST", path, made) == []


def test_kubectl_explains(cluster):
    said = " ".join(cluster.kubectl("explain", "certificate.spec.renewBefore").split())
    assert "<string>" in said and "a third of the actual lifetime" in said
    assert "Not together with renewBeforePercentage." in said
    said = " ".join(cluster.kubectl("explain", "certificate.spec").split())
    assert "secretName <string> -required-" in said
    said = " ".join(cluster.kubectl("explain", "clusterissuer.spec.acme.server").split())
    assert "https://acme-v02.api.letsencrypt.org/directory" in said
    said = " ".join(cluster.kubectl("explain", "order.status.state").split())
    assert "enum: valid, ready, pending" in said or "ENUM: valid ready pending" in said
    everything = cluster.kubectl("explain", "challenge", "--recursive")
    assert "matchLabelKeys" in everything and "tsigSecretSecretRef" in everything


SHORT_NAMES = {
    "cert": "certificates",
    "certs": "certificates",
    "cr": "certificaterequests",
    "crs": "certificaterequests",
    "iss": "issuers",
    "ciss": "clusterissuers",
}


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_kubectl_knows_the_short_name(cluster, namespace, short):
    plural = SHORT_NAMES[short]
    create_minimal(cluster, plural, namespace, f"by-{short}")
    names = cluster.kubectl("get", short, "-n", namespace, "-o", "name").split()
    assert resource(plural, f"by-{short}").replace("s.", ".", 1) in names


def test_kubectl_gets_all_kinds_by_their_category(cluster, namespace):
    for plural in KINDS:
        create_minimal(cluster, plural, namespace, "one")
    assert categories(cluster, namespace, "cert-manager") >= set(KINDS)
    assert categories(cluster, namespace, "cert-manager-acme") == set(ACME)


def categories(kube, namespace, category):
    """The kinds of which kubectl shows something."""
    names = kube.kubectl("get", category, "-n", namespace, "-o", "name").split()
    return {name.partition(".")[0] + "s" for name in names}


COLUMNS = {
    "certificates": "NAME READY SECRET ISSUER STATUS EXPIRATION AGE",
    "certificaterequests": "NAME APPROVED DENIED READY ISSUER REQUESTER STATUS AGE",
    "issuers": "NAME READY STATUS AGE",
    "clusterissuers": "NAME READY STATUS AGE",
    "orders": "NAME STATE ISSUER REASON AGE",
    "challenges": "NAME STATE DOMAIN REASON AGE",
}
NARROW = {
    "certificates": "NAME READY SECRET AGE",
    "certificaterequests": "NAME APPROVED DENIED READY ISSUER REQUESTER AGE",
    "issuers": "NAME READY AGE",
    "clusterissuers": "NAME READY AGE",
    "orders": "NAME STATE AGE",
    "challenges": "NAME STATE DOMAIN AGE",
}


@pytest.mark.parametrize("plural", KINDS)
def test_kubectl_shows_the_columns_of(cluster, namespace, plural):
    create_minimal(cluster, plural, namespace, "columns")
    get = ("get", resource(plural), "-n", namespace)
    assert cluster.kubectl(*get).splitlines()[0].split() == NARROW[plural].split()
    assert cluster.kubectl(*get, "-o", "wide").splitlines()[0].split() == COLUMNS[plural].split()


def test_the_columns_have_the_state(cluster, namespace):
    create_minimal(cluster, "certificates", namespace, "web")
    ready = {"type": "Ready", "status": "True", "message": "fine"}
    other = {"type": "Issuing", "status": "False", "message": "no"}
    status = {"conditions": [other, ready], "notAfter": "2026-03-01T00:00:00Z"}
    cluster.patch(resource("certificates", "web"), {"status": status}, namespace, "status")
    line = cluster.kubectl("get", "cert", "-n", namespace, "-o", "wide").splitlines()[1].split()
    assert line[:-1] == ["web", "True", "x", "x", "fine", "2026-03-01T00:00:00Z"]


@pytest.mark.parametrize("plural", WITH_ISSUER_REF)
def test_the_issuer_selects(cluster, namespace, plural):
    ours = {"name": "ours", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    create_minimal(cluster, plural, namespace, "a", issuerRef=ours)
    create_minimal(cluster, plural, namespace, "b", issuerRef={"name": "other"})
    for word, value in ours.items():
        selector = f"--field-selector=spec.issuerRef.{word}={value}"
        got = cluster.kubectl("get", resource(plural), "-n", namespace, selector, "-o", "name")
        assert got.split() == [resource(plural, "a").replace("s.", ".", 1)], selector


# --- objects ---


MINIMAL = {
    "certificates": {"secretName": "x", "issuerRef": {"name": "x"}},
    "certificaterequests": {"request": "eA==", "issuerRef": {"name": "x"}},
    "issuers": {},
    "clusterissuers": {},
    "orders": {"request": "eA==", "issuerRef": {"name": "x"}},
    "challenges": {
        **{word: "x" for word in ("url", "authorizationURL", "dnsName", "token", "key")},
        "type": "DNS-01",
        "solver": {},
        "issuerRef": {"name": "x"},
    },
}


def create_minimal(kube, plural, namespace, name, **spec):
    body = object_of(plural, name, {**MINIMAL[plural], **spec})
    where = place(plural, namespace)
    if not where and kube.get(resource(plural, name)):  # not of this test alone
        kube.delete(resource(plural, name))
    return kube.create(resource(plural), body, where)


def object_of(plural, name, spec):
    made = definition(plural)["spec"]
    version = f"{made['group']}/v1"
    return {
        "apiVersion": version,
        "kind": made["names"]["kind"],
        "metadata": {"name": name},
        "spec": spec,
    }


PATTERNS = {  # a text for each pattern of the schemas, by its beginning
    r"^([0-9]+(\.": "1h30m",
    "^$|^[a-z0-9]": "gateway.networking.k8s.io",
    "^[a-zA-Z]": "ListenerSet",
    "^[a-z0-9]": "web",
}


def full(schema):
    """A value with every member there is, two of what can be many."""
    kind = schema.get("type")
    if "properties" in schema:
        return {name: full(member) for name, member in schema["properties"].items()}
    if "additionalProperties" in schema:
        return {f"example.com/{name}": full(schema["additionalProperties"]) for name in "ab"}
    if kind == "array":
        return full_list(schema)
    if kind == "boolean":
        return True
    if kind == "integer":
        return schema.get("maximum", 7)
    if kind == "string":
        return full_text(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return "64Mi"
    assert schema.get("x-kubernetes-preserve-unknown-fields"), schema
    return {"secretRef": {"name": "x"}, "list": [1, "two", {"three": True}], "deep": {"er": {}}}


def full_list(schema):
    item = schema["items"]
    if "enum" in item:
        return list(item["enum"])
    items = [full(item), full(item)]
    for key in schema.get("x-kubernetes-list-map-keys", []):
        items[1][key] = "another"
    return items


def full_text(schema):
    if "enum" in schema:
        return schema["enum"][-1]
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    if schema.get("format") == "byte":
        return "AAECAw=="
    for pattern, text in PATTERNS.items():
        if schema.get("pattern", "").startswith(pattern):
            return text
    return "x"


VENAFI = ("tpp", "cloud", "ngts")


def full_objects(plural):
    """One, or more where some members exclude others."""
    schema = schema_of(plural)["properties"]
    made = object_of(plural, "full", full(schema["spec"]))
    made["status"] = full(schema["status"])
    if "venafi" not in made["spec"]:
        return [made]
    return [without(made, [("spec", "venafi", other) for other in VENAFI if other != one]) for one in VENAFI]


def without(value, paths):
    value = copy.deepcopy(value)
    for *path, last in paths:
        at = value
        for word in path:
            at = at[word]
        del at[last]
    return value


def create_strictly(kube, plural, body, namespace):
    path = kube.path(resource(plural), place(plural, namespace))
    return kube.request("POST", f"{path}?fieldValidation=Strict", body)


@pytest.mark.parametrize("plural", KINDS)
def test_nothing_is_taken_from_a_full_object_of(cluster, namespace, plural):
    for number, body in enumerate(full_objects(plural)):
        name = body["metadata"]["name"] = f"full-{number}"
        made = create_strictly(cluster, plural, body, namespace)
        made["status"] = body["status"]
        cluster.replace(resource(plural, name), made, place(plural, namespace), "status")
        found = cluster.get(resource(plural, name), place(plural, namespace))
        assert found["spec"] == body["spec"]
        assert found["status"] == body["status"]


@pytest.mark.parametrize("plural", KINDS)
def test_nothing_is_added_to_a_small_object_of(cluster, namespace, plural):
    """Not even issuerRef.kind: what Git has and what the server has stay the same."""
    made = create_minimal(cluster, plural, namespace, "small")
    assert made["spec"] == MINIMAL[plural]
    assert "status" not in made


def test_the_few_defaults_are_there(cluster, namespace):
    acme = {"server": "https://acme.test/dir", "privateKeySecretRef": {"name": "account"}}
    pod = {"spec": {"imagePullSecrets": [{}]}}
    route = {"parentRefs": [{"name": "web"}], "podTemplate": pod}
    acme["solvers"] = [{"http01": {"gatewayHTTPRoute": route}}]
    spec = cluster.create(resource("issuers"), object_of("issuers", "d", {"acme": acme}), namespace)["spec"]
    assert spec["acme"]["renewalInformationSource"] == "ARI"
    route = spec["acme"]["solvers"][0]["http01"]["gatewayHTTPRoute"]
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    assert route["parentRefs"] == [gateway]
    assert route["podTemplate"]["spec"]["imagePullSecrets"] == [{"name": ""}]


SOLVER = ("spec", "acme", "solvers", 0)


def window(member, value):
    """A row of WRONG."""
    where = ("spec", "renewal", "windows", 0, member)
    return ("certificates", where, value, f"spec.renewal.windows[0].{member}", "FieldValueInvalid")


WRONG = [  # kind, where, value (None: left out), the path that the server tells, its reason
    ("certificates", ("spec", "privateKey", "algorithm"), "DSA", None, "FieldValueNotSupported"),
    ("certificates", ("spec", "privateKey", "rotationPolicy"), "Alway!", None, "FieldValueNotSupported"),
    ("certificates", ("spec", "usages", 0), "fly", "spec.usages[0]", "FieldValueNotSupported"),
    ("certificates", ("spec", "renewal", "policy"), "", None, "FieldValueNotSupported"),
    ("certificates", ("spec", "keystores", "pkcs12", "profile"), "Old", None, "FieldValueNotSupported"),
    ("certificates", ("spec", "secretName"), None, None, "FieldValueRequired"),
    ("certificates", ("spec", "issuerRef", "name"), None, None, "FieldValueRequired"),
    ("certificates", ("spec", "keystores", "jks", "create"), None, None, "FieldValueRequired"),
    ("certificates", ("spec", "dnsNames"), "a.example", None, "FieldValueTypeInvalid"),
    ("certificates", ("spec", "isCA"), "yes", None, "FieldValueTypeInvalid"),
    ("certificates", ("spec", "privateKey", "size"), "2048", None, "FieldValueTypeInvalid"),
    window("windowDuration", "2 hours"),
    window("windowDuration", "-1h"),
    window("cron", ""),
    window("timezone", ""),
    ("certificaterequests", ("spec", "request"), None, None, "FieldValueRequired"),
    ("certificaterequests", ("spec", "request"), "not base64", None, "FieldValueTypeInvalid"),
    ("certificaterequests", ("spec", "extra", "example.com/a"), "x", None, "FieldValueTypeInvalid"),
    ("issuers", ("spec",), None, None, "FieldValueRequired"),
    ("issuers", ("spec", "acme", "server"), None, None, "FieldValueRequired"),
    ("issuers", ("spec", "acme", "privateKeySecretRef"), None, None, "FieldValueRequired"),
    ("issuers", ("spec", "acme", "preferredChain"), "x" * 65, None, "FieldValueTooLong"),
    ("issuers", ("spec", "acme", "renewalInformationSource"), "Some", None, "FieldValueNotSupported"),
    (
        "issuers",
        (*SOLVER, "dns01", "cnameStrategy"),
        "Ask",
        "spec.acme.solvers[0].dns01.cnameStrategy",
        "FieldValueNotSupported",
    ),
    (
        "issuers",
        (*SOLVER, "http01", "gatewayHTTPRoute", "parentRefs", 0, "port"),
        65536,
        "spec.acme.solvers[0].http01.gatewayHTTPRoute.parentRefs[0].port",
        "FieldValueInvalid",
    ),
    ("issuers", ("spec", "vault", "auth", "aws", "role"), "", None, "FieldValueInvalid"),
    ("issuers", ("spec", "venafi", "tpp"), None, "spec.venafi", "FieldValueInvalid"),
    ("clusterissuers", ("spec", "ca", "secretName"), None, None, "FieldValueRequired"),
    ("orders", ("spec", "issuerRef"), None, None, "FieldValueRequired"),
    ("challenges", ("spec", "type"), "TLS-ALPN-01", None, "FieldValueNotSupported"),
    ("challenges", ("spec", "solver"), None, None, "FieldValueRequired"),
]


@pytest.mark.parametrize(
    "plural, where, value, path, reason",
    WRONG,
    ids=["-".join([row[0], *map(str, row[1][1:]), row[4]]) for row in WRONG],
)
def test_it_is_refused_at_its_place(cluster, plural, where, value, path, reason):
    body = full_objects(plural)[0]
    at = body
    for word in where[:-1]:
        at = at[word]
    if value is None:
        del at[where[-1]]
    else:
        at[where[-1]] = value
    with pytest.raises(KubeError) as refused:
        create_strictly(cluster, plural, body, "default")
    assert refused.value.code == 422
    causes = refused.value.status["details"]["causes"]
    told = [(cause["field"], cause["reason"]) for cause in causes]
    assert (path or ".".join(map(str, where)), reason) in told, causes


def test_a_misspelt_field_is_refused_where_the_user_asks_for_it(cluster):
    body = object_of("certificates", "typo", {**MINIMAL["certificates"], "dnsName": ["a.example"]})
    with pytest.raises(KubeError, match='unknown field "spec.dnsName"'):
        create_strictly(cluster, "certificates", body, "default")


def test_a_request_cannot_be_changed_between_approval_and_signature(cluster, namespace):
    create_minimal(cluster, "certificaterequests", namespace, "once")
    once = resource("certificaterequests", "once")
    approved = {"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "x"}]}
    cluster.patch(once, {"status": approved}, namespace, "status")
    cluster.patch(once, {"metadata": {"labels": {"a": "b"}}}, namespace)
    changes = (
        {"request": "eQ=="},
        {"isCA": True},
        {"issuerRef": {"name": "other"}},
        {"issuerRef": {"kind": "ClusterIssuer"}},
        {"username": "root"},
        None,  # and put back otherwise later
    )
    for change in changes:
        with pytest.raises(KubeError, match="cannot be changed") as refused:
            cluster.patch(once, {"spec": change}, namespace)
        assert refused.value.code == 422
    found = cluster.get(once, namespace)
    assert found["spec"] == MINIMAL["certificaterequests"]
    assert conditions_of(found) == {"Approved": "True"}


WITH_CONDITIONS = ("certificates", "certificaterequests", "issuers", "clusterissuers")
READY = {"type": "Ready", "status": "False", "reason": "x", "message": "x"}
POLICY = {"type": "Approved", "status": "True", "reason": "policy", "message": "y"}


@pytest.mark.parametrize("plural", WITH_CONDITIONS)
def test_two_appliers_keep_a_condition_each(cluster, namespace, plural):
    create_minimal(cluster, plural, namespace, "two")
    apply_conditions(cluster, plural, namespace, "controller", [READY])
    apply_conditions(cluster, plural, namespace, "approver", [POLICY])
    apply_conditions(cluster, plural, namespace, "controller", [{**READY, "status": "True"}])
    found = cluster.get(resource(plural, "two"), place(plural, namespace))
    assert conditions_of(found) == {"Ready": "True", "Approved": "True"}
    with pytest.raises(KubeError, match="conflict"):
        apply_conditions(cluster, plural, namespace, "other", [{**READY, "status": "Unknown"}])
    found["status"]["conditions"].append(READY)
    with pytest.raises(KubeError, match="Duplicate"):
        cluster.replace(resource(plural, "two"), found, place(plural, namespace), "status")


@pytest.mark.parametrize("plural", WITH_CONDITIONS)
def test_an_applier_lets_go_of_its_own_condition_and_takes_over_by_force(cluster, namespace, plural):
    create_minimal(cluster, plural, namespace, "two")
    apply_conditions(cluster, plural, namespace, "controller", [READY])
    apply_conditions(cluster, plural, namespace, "approver", [POLICY])
    after = apply_conditions(cluster, plural, namespace, "controller", [])
    assert after["status"]["conditions"] == [POLICY]
    mine = {**POLICY, "reason": "mine"}
    with pytest.raises(KubeError, match="conflict"):
        apply_conditions(cluster, plural, namespace, "controller", [mine])
    taken = apply_conditions(cluster, plural, namespace, "controller", [mine], force=True)
    assert taken["status"]["conditions"] == [mine]


def test_an_applier_takes_back_its_own_numbers_and_times_of_a_status_only(cluster, namespace):
    create_minimal(cluster, "certificates", namespace, "two")
    failure = {"failedIssuanceAttempts": 2, "lastFailureTime": "2026-01-01T00:00:00Z"}

    def applied(manager, **status):
        return apply_status(cluster, "certificates", namespace, manager, status)["status"]

    assert applied("revisions", revision=7) == {"revision": 7}
    assert applied("issuing", **failure) == {"revision": 7, **failure}
    assert applied("issuing") == {"revision": 7}
    applied("issuing", **failure)
    applied("another", **failure)
    assert applied("issuing") == {"revision": 7, **failure}
    assert applied("another") == {"revision": 7}


def apply_conditions(kube, plural, namespace, manager, conditions, force=False):
    return apply_status(kube, plural, namespace, manager, {"conditions": conditions}, force)


def apply_status(kube, plural, namespace, manager, status, force=False):
    body = object_of(plural, "two", None)
    del body["spec"]
    body["status"] = status
    path = kube.path(resource(plural, "two"), place(plural, namespace), "status")
    return kube.request("PATCH", f"{path}?fieldManager={manager}&force={str(force).lower()}", body, APPLY)


# --- what is copied from others ---


def test_the_pod_of_a_solver_has_all_that_core_v1_has(cluster):
    """A field of affinity that we did not know would be taken away without a word."""
    core = cluster.request("GET", "/openapi/v3/api/v1")["components"]["schemas"]
    solver = schema_of("challenges")["properties"]["spec"]["properties"]["solver"]["properties"]
    pod = solver["http01"]["properties"]["ingress"]["properties"]["podTemplate"]["properties"]["spec"]["properties"]
    security = pod["securityContext"]["properties"]
    pairs = (
        (pod["affinity"], "Affinity"),
        (pod["tolerations"]["items"], "Toleration"),
        (pod["imagePullSecrets"]["items"], "LocalObjectReference"),
        (security["seLinuxOptions"], "SELinuxOptions"),
        (security["seccompProfile"], "SeccompProfile"),
        (security["sysctls"]["items"], "Sysctl"),
    )
    for ours, name in pairs:
        compare(ours, {"$ref": f"#/components/schemas/io.k8s.api.core.v1.{name}"}, core, name)


def compare(ours, theirs, schemas, path):
    """Names, types, formats, required members and merging; not texts."""
    while "$ref" in theirs or "allOf" in theirs:
        reference = theirs.get("$ref") or theirs["allOf"][0]["$ref"]
        theirs = schemas[reference.rpartition("/")[2]]
    for word in ("type", "format", "x-kubernetes-list-type", "x-kubernetes-map-type"):
        assert ours.get(word) == theirs.get(word), f"{path}: {word}"
    assert set(ours.get("required", [])) == set(theirs.get("required", [])), path
    members = theirs.get("properties", {})
    assert set(ours.get("properties", {})) == set(members), path
    for name, member in members.items():
        compare(ours["properties"][name], member, schemas, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        assert (word in ours) == (word in theirs), f"{path}: {word}"
        if word in ours:
            compare(ours[word], theirs[word], schemas, f"{path}[]")
