"""crds/policies on a real API server, as users who may write the objects and no more.

A case is a good object and one change to it. What a policy refuses must be refused by that policy, with
the path of the field in its message; the good object and all that is just right must be let in. Nothing
here needs the program: the API server alone decides.
"""

import base64
import copy
import json
import os
import pathlib
import re
import subprocess

import pytest

from support import pki
from support.bad_input import merged
from support.kube_api import KubeError
from support.names import BAD_NAMES, NAME_BOUNDS, NO_NAME_BOUNDS, NO_URIS, URIS
from support.resources import POLICIES, STAMPS
from support.server import BedError, wait_until

pytestmark = pytest.mark.kube

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = "policies"
SECONDS = 180  # until a policy is active, at most

RESOURCES = {
    "Certificate": ("certificates", "cert-manager.io"),
    "CertificateRequest": ("certificaterequests", "cert-manager.io"),
    "Issuer": ("issuers", "cert-manager.io"),
    "ClusterIssuer": ("clusterissuers", "cert-manager.io"),
    "Order": ("orders", "acme.cert-manager.io"),
    "Challenge": ("challenges", "acme.cert-manager.io"),
}

# --- good objects ---

REQUEST = base64.b64encode(pki.new_csr(["a.test"]).encode("ascii")).decode("ascii")
KEY = {"name": "secret", "key": "key"}


def account(**members):
    return {
        "server": "https://ca.test/directory",
        "privateKeySecretRef": {"name": "account"},
        **members,
    }


def solvers(*items):
    return {"acme": account(solvers=list(items))}


def dns(**provider):
    return solvers({"http01": {"ingress": {}}}, {"dns01": provider})


def challenge(token):
    return {"url": f"https://ca.test/challenge/{token}", "token": token, "type": "dns-01"}


ORDER_STATUS = {
    "url": "https://ca.test/order/1",
    "finalizeURL": "https://ca.test/order/1/finalize",
    "certificate": base64.b64encode(b"certificate").decode("ascii"),
    "state": "pending",
    "authorizations": [
        {
            "url": "https://ca.test/authz/1",
            "identifier": "a.test",
            "wildcard": False,
            "initialState": "pending",
            "challenges": [challenge("a"), challenge("b")],
        },
        {"url": "https://ca.test/authz/2"},
    ],
}
GOOD = {
    "Certificate": {"secretName": "web-tls", "issuerRef": {"name": "ca"}, "dnsNames": ["a.test"]},
    "CertificateRequest": {"request": REQUEST, "issuerRef": {"name": "ca"}},
    "Issuer": {"acme": account()},
    "ClusterIssuer": {"acme": account()},
    "Order": {"request": REQUEST, "issuerRef": {"name": "ca"}, "dnsNames": ["a.test"]},
    "Challenge": {
        "url": "https://ca.test/challenge/a",
        "authorizationURL": "https://ca.test/authz/1",
        "dnsName": "a.test",
        "type": "DNS-01",
        "token": "a",
        "key": "key",
        "solver": {"dns01": {"rfc2136": {"nameserver": "192.0.2.1"}}},
        "issuerRef": {"name": "ca"},
    },
}


def new_object(kind, change=None, name="one", namespace=NAMESPACE, **metadata):
    group = RESOURCES[kind][1]
    if kind != "ClusterIssuer":
        metadata["namespace"] = namespace
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": merged(GOOD[kind], change or {}),
    }


# --- requests ---


def resource_of(kind):
    return ".".join(RESOURCES[kind])


def place_of(body):
    return f"{resource_of(body['kind'])}/{body['metadata']['name']}", body["metadata"].get(
        "namespace"
    )


def answer(user, method, path, body):
    """None when it is let in, else the error; nothing is stored."""
    try:
        user.request(method, f"{path}?dryRun=All", body)
        return None
    except KubeError as error:
        return error


def creation(user, body):
    path = user.path(resource_of(body["kind"]), body["metadata"].get("namespace"))
    return answer(user, "POST", path, body)


def update(user, body, subresource=None):
    return answer(user, "PUT", user.path(*place_of(body), subresource), body)


def policy_of(error):
    found = re.search(
        r"ValidatingAdmissionPolicy '(\S+)' with binding '(\S+)' denied request", str(error)
    )
    return found and found.group(1)


def assert_refused(error, policy, message, code=422):
    assert error is not None, f"was let in; expected {policy}: {message}"
    text = error.status["message"].partition("denied request: ")[2]
    assert (policy_of(error), error.code) == (policy, code), error
    assert text.startswith(message), text
    assert len(text) > len(message) and "\n" not in text


def shown(value):
    """How a message quotes what a user wrote: not at all where there is too much of it."""
    return f"'{value}' " if len(value) <= 200 else ""


def assert_let_in(error):
    assert error is None, error


def until_refused_by(policy, ask):
    """Policies become active some seconds after they are made, each at its own time."""
    last = None

    def is_refused():
        nonlocal last
        last = ask()
        return policy_of(last) == policy

    try:
        wait_until(is_refused, SECONDS, f"waiting for policy {policy}", every=0.2)
    except BedError as error:
        raise BedError(f"{error}; the last answer: {last}") from None


def stored(admin, body, status=None):
    """Stored by the admin, the status too; anew when it was there. What the server has then."""
    where = place_of(body)
    admin.delete(*where)
    found = admin.create(where[0].partition("/")[0], body, where[1])
    if status is not None:
        found = admin.replace(where[0], {**found, "status": status}, where[1], "status")
    return found


# --- the cluster ---

ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: policies-author}
rules:
- apiGroups: [cert-manager.io, acme.cert-manager.io]
  resources: ["*"]
  verbs: [create, get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: policies-author}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: policies-author}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:policies"}
"""
# ServiceAccount: the one name for which it may approve.
APPROVERS = {
    "one": "issuers.cert-manager.io/policies.ca",
    "any": "issuers.cert-manager.io/*",
    "cluster-one": "clusterissuers.cert-manager.io/ca",
    "cluster-any": "clusterissuers.cert-manager.io/*",
    "step-one": "stepissuers.certmanager.step.sm/policies.ca",
    "aws-cluster-one": "awspcaclusterissuers.awspca.cert-manager.io/ca",
    "exception": "signingpolicies.ca.example.com/ca",
    "bare": "issuers.cert-manager.io/ca",
    "malformed": "issuers.policies/cert-manager.io.ca",
}
APPROVER = """---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: "approver-{name}"}}
rules:
- apiGroups: [cert-manager.io]
  resources: [signers]
  resourceNames: ["{signer}"]
  verbs: [approve]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: "approver-{name}"}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "approver-{name}"}}
subjects: [{{kind: ServiceAccount, name: "{name}", namespace: policies}}]
"""
# As docs/admission.md says it for kinds that the rule of thumb does not fit.
KUSTOMIZATION = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{policies}]
components: [{components}]
patches:
- target: {{kind: ValidatingAdmissionPolicy, name: certlet-certificaterequest-approval}}
  patch: |
    - {{op: test, path: /spec/variables/0/name, value: plurals}}
    - {{op: replace, path: /spec/variables/0/expression,
       value: "{{'SigningPolicy.ca.example.com': 'signingpolicies'}}"}}
    - {{op: test, path: /spec/variables/1/name, value: isClusterScoped}}
    - {{op: replace, path: /spec/variables/1/expression,
       value: "{{'SigningPolicy.ca.example.com': true}}"}}
"""


def apply_policies(kube, folder, components=()):
    def relative(path):
        return os.path.relpath(ROOT / path, folder)

    text = KUSTOMIZATION.format(
        policies=relative("crds/policies"), components=", ".join(map(relative, components))
    )
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    kube.kubectl("apply", "--server-side", "-k", folder)


def without_rules(schema):
    if isinstance(schema, dict):
        return {
            name: without_rules(value)
            for name, value in schema.items()
            if name != "x-kubernetes-validations"
        }
    return [without_rules(item) for item in schema] if isinstance(schema, list) else schema


def is_established(definition):
    conditions = definition.get("status", {}).get("conditions") or ()  # null for a moment
    return ("Established", "True") in [(one["type"], one["status"]) for one in conditions]


def install_kinds(kube):
    """Our CRDs less their own rules: the policies must hold over cert-manager's CRDs too."""
    kube.kubectl("apply", "--server-side", "-k", ROOT / "crds")
    for plural, group in RESOURCES.values():
        name = f"customresourcedefinitions.apiextensions.k8s.io/{plural}.{group}"
        found = kube.wait_for(name, condition=is_established)
        kube.replace(name, without_rules(found))


CANARY = """apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: types-are-known}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: [cert-manager.io, acme.cert-manager.io], apiVersions: [v1], operations: [CREATE],
       resources: [{resources}]}}
  validations:
  - expression: object.?spec.?thereIsNone{number}.hasValue()
"""


def type_warnings(policy):
    found = policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings", ())
    return "\n".join(warning["warning"] for warning in found)


def wait_until_types_are_known(kube):
    """The checker of expressions passes over kinds that it does not know yet."""
    number = 0
    resources = ", ".join(plural for plural, _ in RESOURCES.values())

    def are_known():
        nonlocal number
        number += 1
        kube.apply(CANARY.format(resources=resources, number=number))
        found = kube.wait_for(
            f"{POLICIES[0]}/types-are-known",
            condition=lambda one: one.get("status", {}).get("observedGeneration")
            == one["metadata"]["generation"],
        )
        return all(f"Kind={kind}:" in type_warnings(found) for kind in RESOURCES)

    wait_until(are_known, SECONDS, "waiting for the schemas of all kinds", every=0.5)
    kube.delete(f"{POLICIES[0]}/types-are-known")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kustomization")


@pytest.fixture(scope="module")
def users(kube, folder):
    """By name: 'author' and the APPROVERS; every policy is active for them."""
    install_kinds(kube)
    wait_until_types_are_known(kube)
    for name in ("author", *APPROVERS):
        kube.service_account(NAMESPACE, name)
    unchecked = {"name": "unchecked", "labels": {"cert-manager.io/disable-validation": "true"}}
    kube.create("namespaces", {"metadata": unchecked})
    roles = "".join(APPROVER.format(name=name, signer=signer) for name, signer in APPROVERS.items())
    kube.apply(ROLES + roles)
    apply_policies(kube, folder)
    found = {name: kube.as_service_account(NAMESPACE, name) for name in ("author", *APPROVERS)}
    for policy, ask in probes(kube, found["author"]).items():
        until_refused_by(policy, ask)
    return found


@pytest.fixture
def author(users):
    return users["author"]


def probes(kube, author):
    """Per policy a request that it refuses."""
    order = stored(kube, new_object("Order", name="probe"), ORDER_STATUS)
    request = stored(kube, new_object("CertificateRequest", name="probe"))
    token = stored(kube, new_object("Challenge", name="probe"))
    approved = {**request, "status": {"conditions": [condition("Approved")]}}
    other_name = {"issuerRef": {"name": "other"}}
    return {
        "certlet-certificate": lambda: creation(
            author, new_object("Certificate", {"dnsNames": []})
        ),
        "certlet-certificate-extra": lambda: creation(
            author, new_object("Certificate", {"renewal": {}})
        ),
        "certlet-certificaterequest": lambda: creation(
            author, new_object("CertificateRequest", {"issuerRef": {"name": ""}})
        ),
        "certlet-certificaterequest-identity": lambda: creation(
            author, new_object("CertificateRequest", {"username": "admin"})
        ),
        "certlet-certificaterequest-immutable": lambda: update(
            author, merged(request, {"spec": other_name})
        ),
        "certlet-certificaterequest-approval": lambda: update(author, approved, "status"),
        "certlet-challenge-immutable": lambda: update(author, merged(token, {"spec": other_name})),
        "certlet-order-immutable": lambda: update(
            author, merged(order, {"status": {"url": "https://ca.test/2"}}), "status"
        ),
        "certlet-issuer": lambda: creation(author, new_object("Issuer", {"acme": None})),
        "certlet-issuer-solver": lambda: creation(author, new_object("Issuer", solvers({}))),
    }


# --- the policies themselves ---


def shipped_policies():
    names = set()
    for file in (ROOT / "crds/policies").glob("*.yaml"):
        names.update(re.findall(r"^  name: (certlet-\S+)", file.read_text("utf-8"), re.M))
    return sorted(names)


def test_every_policy_is_bound_labelled_and_well_typed(kube, users):
    names = shipped_policies()
    for kind in POLICIES:
        found = kube.list(kind, selector="app.kubernetes.io/name=certlet")
        assert sorted(one["metadata"]["name"] for one in found) == names
        bound = [one["spec"].get("policyName", one["metadata"]["name"]) for one in found]
        assert sorted(bound) == names
    for name in names:
        found = kube.wait_for(
            f"{POLICIES[0]}/{name}",
            condition=lambda one: one.get("status", {}).get("observedGeneration")
            == one["metadata"]["generation"],
        )
        assert type_warnings(found) == "", name


def test_every_policy_that_refuses_has_a_probe(kube, users):
    assert {*probes(kube, users["author"]), "certlet-issuer-warning"} == set(shipped_policies())


# --- fields ---

CERTIFICATES = [
    ({"secretName": ""}, "spec.secretName: ''"),
    ({"secretName": "Web_TLS"}, "spec.secretName: 'Web_TLS'"),
    ({"secretName": "a" * 254}, "spec.secretName: "),
    ({"issuerRef": {"name": ""}}, "spec.issuerRef.name: is empty"),
    ({"issuerRef": {"kind": "StepIssuer"}}, "spec.issuerRef.kind: 'StepIssuer'"),
    (
        {"issuerRef": {"kind": "issuer", "group": "cert-manager.io"}},
        "spec.issuerRef.kind: 'issuer'",
    ),
    ({"commonName": "a" * 65}, "spec.commonName: has 65 bytes"),
    ({"commonName": "\u00fc" * 33}, "spec.commonName: has 66 bytes"),
    ({"dnsNames": None}, "spec: names nobody"),
    ({"dnsNames": [], "literalSubject": "O=a"}, "spec: names nobody"),
    ({"dnsNames": [], "literalSubject": "CN= ,O=a"}, "spec: names nobody"),
    ({"ipAddresses": ["192.0.2.1", "a.test"]}, "spec.ipAddresses[1]: 'a.test'"),
    ({"ipAddresses": ["::ffff:192.0.2.256"]}, "spec.ipAddresses[0]: "),
    ({"ipAddresses": ["192.0.2.0/24"]}, "spec.ipAddresses[0]: "),
    ({"emailAddresses": ["A <a@a.test>"]}, "spec.emailAddresses[0]: 'A <a@a.test>'"),
    ({"emailAddresses": ["a@a.test", "a"]}, "spec.emailAddresses[1]: 'a'"),
    ({"duration": "90d"}, "spec.duration: '90d'"),
    ({"duration": ""}, "spec.duration: ''"),
    ({"duration": "59m"}, "spec.duration: is 59m"),
    ({"duration": "-2h"}, "spec.duration: is -2h"),
    ({"duration": "2562048h"}, "spec.duration: '2562048h' is not"),
    ({"duration": "2562047h48m0s"}, "spec.duration: '2562047h48m0s' is not"),
    ({"duration": "153722868m"}, "spec.duration: '153722868m' is not"),
    ({"duration": "9223372037s"}, "spec.duration: '9223372037s' is not"),
    ({"renewBefore": "1w"}, "spec.renewBefore: '1w'"),
    ({"renewBefore": "4m59s"}, "spec.renewBefore: is 4m59s"),
    ({"duration": "2h", "renewBefore": "2h"}, "spec.renewBefore: is 2h"),
    ({"renewBefore": "2160h"}, "spec.renewBefore: is 2160h"),
    ({"renewBefore": "1h", "renewBeforePercentage": 50}, "spec.renewBeforePercentage: must not"),
    ({"duration": "2h", "renewBeforePercentage": 0}, "spec.renewBeforePercentage: 0 of 2h"),
    ({"duration": "2h", "renewBeforePercentage": 96}, "spec.renewBeforePercentage: 96 of 2h"),
    ({"revisionHistoryLimit": 0}, "spec.revisionHistoryLimit: must be at least 1"),
    ({"privateKey": {"size": 2047}}, "spec.privateKey.size: is 2047"),
    ({"privateKey": {"size": 2049}}, "spec.privateKey.size: is 2049"),
    ({"privateKey": {"algorithm": "RSA", "size": 8193}}, "spec.privateKey.size: is 8193"),
    ({"privateKey": {"algorithm": "ECDSA", "size": 2048}}, "spec.privateKey.size: is 2048"),
    ({"signatureAlgorithm": "ECDSAWithSHA256"}, "spec.signatureAlgorithm: 'ECDSAWithSHA256'"),
    (
        {"signatureAlgorithm": "SHA256WithRSA", "privateKey": {"algorithm": "Ed25519"}},
        "spec.signatureAlgorithm: 'SHA256WithRSA'",
    ),
]


def windows(change):
    """Two windows, of which the second has `change`."""
    fine = {"cron": "0 2 * * sat", "windowDuration": "4h", "timezone": "Europe/Zurich"}
    return {"renewal": {"policy": "RenewBefore", "windows": [fine, {**fine, **change}]}}


CERTIFICATE_EXTRAS = [
    ({"commonName": "a", "literalSubject": "CN=a"}, "spec.commonName: must not"),
    ({"literalSubject": "CN=a", "subject": {"countries": ["DE"]}}, "spec.subject: must not"),
    ({"literalSubject": "CN=a", "subject": {"serialNumber": "1"}}, "spec.subject: must not"),
    ({"literalSubject": "UNKNOWN=blah"}, "spec.literalSubject: is not a distinguished name"),
    ({"literalSubject": "CN=a,UNKNOWN=blah"}, "spec.literalSubject: is not"),
    ({"literalSubject": " "}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN"}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN=a,"}, "spec.literalSubject: is not"),
    ({"literalSubject": 'CN="a"'}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN=a\\"}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN=a\\00"}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN=a\\0Ab"}, "spec.literalSubject: is not"),
    ({"literalSubject": "CN=a\nb"}, "spec.literalSubject: is not"),
    ({"literalSubject": "1.40.1=a"}, "spec.literalSubject: is not"),
    ({"literalSubject": "O=b,CN=" + "a" * 65}, "spec.literalSubject: has a CN of more than 64"),
    ({"literalSubject": "O=" + "a" * 8191}, "spec.literalSubject: is longer"),
    ({"otherNames": [{"oid": "1.2.2147483648", "utf8Value": "a"}]}, "spec.otherNames[0].oid: '1.2."),
    (
        {"otherNames": [{"oid": "1.2", "utf8Value": "a"}, {"oid": "0.40", "utf8Value": "a"}]},
        "spec.otherNames[1].oid: '0.40'",
    ),
    ({"otherNames": [{"oid": "1" + ".2" * 118, "utf8Value": "a"}]}, "spec.otherNames[0].oid: is not"),
    ({"literalSubject": "1" + ".2" * 118 + "=a"}, "spec.literalSubject: has a type of more"),
    ({"literalSubject": "CN=a\\\\b; 1" + ".2" * 118 + "=a"}, "spec.literalSubject: has a type of more"),
    ({"otherNames": [{"utf8Value": "a"}]}, "spec.otherNames[0].oid: ''"),
    ({"otherNames": [{"oid": "1.2", "utf8Value": "a\0"}]}, "spec.otherNames[0].utf8Value: is empty or"),
    ({"otherNames": [{"oid": "BAD_OID", "utf8Value": "a"}]}, "spec.otherNames[0].oid: 'BAD_OID'"),
    ({"otherNames": [{"oid": "1.2.3"}]}, "spec.otherNames[0].utf8Value: is empty"),
    ({"renewal": {}}, "spec.renewal.policy: must be"),
    (
        {
            "renewal": {
                "policy": "Disabled",
                "windows": [{"cron": "@daily", "windowDuration": "1h"}],
            }
        },
        "spec.renewal.windows: must not",
    ),
    (
        {
            "renewal": {
                "policy": "RenewBefore",
                "windows": 65 * [{"cron": "@daily", "windowDuration": "1h"}],
            }
        },
        "spec.renewal.windows: may have 64",
    ),
    (windows({"cron": "0 2 * *"}), "spec.renewal.windows[1].cron: '0 2 * *'"),
    (windows({"cron": "0 0 2 * * *"}), "spec.renewal.windows[1].cron: '0 0 2 * * *'"),
    (windows({"cron": "@fortnightly"}), "spec.renewal.windows[1].cron: '@fortnightly'"),
    (windows({"cron": "TZ=UTC 0 2 * * *"}), "spec.renewal.windows[1].cron: 'TZ=UTC"),
    (windows({"windowDuration": "0s"}), "spec.renewal.windows[1].windowDuration: must be longer"),
    (windows({"windowDuration": "0.0h00m"}), "spec.renewal.windows[1].windowDuration: must be longer"),
    (windows({"timezone": "../UTC"}), "spec.renewal.windows[1].timezone: '../UTC'"),
    (windows({"timezone": "/etc/localtime"}), "spec.renewal.windows[1].timezone: '/etc/localtime'"),
    (windows({"timezone": "Europe/"}), "spec.renewal.windows[1].timezone: 'Europe/'"),
    (windows({"timezone": "A" * 65}), "spec.renewal.windows[1].timezone: 'A"),
    (windows({"timezone": "Local"}), "spec.renewal.windows[1].timezone: 'Local'"),
    (
        {"secretTemplate": {"annotations": {"cert-manager.io/alt-names": "a"}}},
        "spec.secretTemplate.annotations[cert-manager.io/alt-names]: ",
    ),
    ({"secretTemplate": {"annotations": {"a b": ""}}}, "spec.secretTemplate.annotations[a b]: "),
    ({"secretTemplate": {"labels": {"A/b": ""}}}, "spec.secretTemplate.labels[A/b]: "),
    ({"secretTemplate": {"labels": {"a": "b c"}}}, "spec.secretTemplate.labels[a]: 'b c'"),
    (
        {"additionalOutputFormats": [{"type": "DER"}, {"type": "DER"}]},
        "spec.additionalOutputFormats[1]: 'DER'",
    ),
    ({"keystores": {"jks": {"create": True}}}, "spec.keystores.jks: exactly one"),
    (
        {"keystores": {"jks": {"create": True, "password": "a", "passwordSecretRef": KEY}}},
        "spec.keystores.jks: exactly one",
    ),
    (
        {"keystores": {"jks": {"create": True, "password": ""}}},
        "spec.keystores.jks.password: is empty",
    ),
    ({"keystores": {"pkcs12": {"create": True}}}, "spec.keystores.pkcs12: exactly one"),
    (
        {"keystores": {"pkcs12": {"create": True, "password": ""}}},
        "spec.keystores.pkcs12.password: is empty",
    ),
    *(
        ({"keystores": {kind: {"create": True, "password": password}}}, f"spec.keystores.{kind}.password: must have")
        for kind in ("jks", "pkcs12")
        for password in ("a" * 4097, "\u00fc" * 2049)
    ),
    (
        {"keystores": {"jks": {"create": True, "password": "a", "alias": "a" * 21846}}},
        "spec.keystores.jks.alias: must have",
    ),
    ({"nameConstraints": {"permitted": {}}}, "spec.nameConstraints: are for CAs"),
    ({"isCA": True, "nameConstraints": {}}, "spec.nameConstraints: at least one"),
    (
        {"isCA": True, "nameConstraints": {"excluded": {"ipRanges": ["10.0.0.0/8", "10.0.0.1"]}}},
        "spec.nameConstraints.excluded.ipRanges[1]: '10.0.0.1'",
    ),
    (
        {"isCA": True, "nameConstraints": {"permitted": {"ipRanges": ["::ffff:10.0.0.0/104"]}}},
        "spec.nameConstraints.permitted.ipRanges[0]: '::ffff:10.0.0.0/104'",
    ),
    (
        {"isCA": True, "nameConstraints": {"permitted": {"dnsDomains": ["a", "\u00fc.test"]}}},
        "spec.nameConstraints.permitted.dnsDomains[1]: '\u00fc.test' is none",
    ),
    (
        {"isCA": True, "nameConstraints": {"excluded": {"uriDomains": ["a b"]}}},
        "spec.nameConstraints.excluded.uriDomains[0]: 'a b' is none",
    ),
]
CERTIFICATES_LET_IN = [
    {},
    {"commonName": "a" * 64, "dnsNames": None},
    {"dnsNames": None, "literalSubject": "O=a, CN=a.test"},
    {"dnsNames": None, "literalSubject": "CN=,CN= a"},
    {"literalSubject": " cn = a b , Ou=c+2.5.4.12=d;STREET=\\ e\\20,uid=,O=\u00fc\\C3\\BC\\,=#\\\\"},
    {"literalSubject": "CN=" + "a" * 64 + " ,O=" + "b" * 65},
    {"literalSubject": "O=a\\,CN=" + "b" * 65},
    {"dnsNames": None, "ipAddresses": ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]},
    {"dnsNames": None, "emailAddresses": ["a.b+c@a.test"]},
    {"dnsNames": None, "uris": ["spiffe://a.test/b"]},
    {"dnsNames": None, "otherNames": [{"oid": "1.3.6.1.4.1.311.20.2.3", "utf8Value": "a@a.test"}]},
    {"otherNames": [{"oid": "1" + ".2" * 117, "utf8Value": "a"}]},
    {"literalSubject": "O=a,1" + ".2" * 117 + "=1" + ".2" * 118},
    {"duration": "1h", "renewBefore": "5m"},
    {"duration": "2h", "renewBeforePercentage": 95},
    {"renewBeforePercentage": 0},
    {"duration": "1h30m0.5s"},
    {"duration": "2562047h", "renewBefore": "2562046h"},
    {"duration": "2562047h47m16s"},
    {"duration": "2562047h0m0s"},
    {"duration": "153000000m"},
    {"duration": "3153600000s"},
    *({"uris": [uri]} for uri in URIS),
    *({"isCA": True, "nameConstraints": {"permitted": {field: [name]}}} for field, name in NAME_BOUNDS),
    {"renewal": {"policy": "Disabled"}},
    {
        "renewal": {
            "policy": "RenewBefore",
            "windows": 64 * [{"cron": "@daily", "windowDuration": "1h"}],
        }
    },
    windows({"cron": " */15,1-5/2\t0-23 ? jan,DEC mon-fri\n", "windowDuration": "0.5s"}),
    windows({"cron": "@midnight", "windowDuration": "10h00m00s", "timezone": "Etc/GMT+12"}),
    windows({"cron": "@every 1h30m"}),
    windows({"cron": "60 2 30 feb 7", "timezone": "America/Port-au-Prince"}),  # the controller's part
    windows({"timezone": "Mars/Phobos"}),
    {"privateKey": {"size": 8192}},
    {"privateKey": {"algorithm": "ECDSA", "size": 521}, "signatureAlgorithm": "ECDSAWithSHA512"},
    {"privateKey": {"algorithm": "Ed25519", "size": 1}, "signatureAlgorithm": "PureEd25519"},
    {"signatureAlgorithm": "SHA512WithRSA"},
    {"issuerRef": {"kind": "StepIssuer", "group": "certmanager.step.sm"}},
    {"issuerRef": {"kind": "ClusterIssuer"}},
    {
        "secretTemplate": {
            "annotations": {
                "cert-manager.io/allow-direct-injection": "true",
                "Example.com/A": "b c",
            },
            "labels": {"a.test/b_c": "D.e-f", "empty": ""},
        }
    },
    {"additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}]},
    {
        "keystores": {
            "jks": {"create": True, "password": "a"},
            "pkcs12": {"create": True, "passwordSecretRef": KEY},
        }
    },
    {"keystores": {"jks": {"create": True, "password": "a" * 4096, "alias": "a" * 21845}}},
    {"isCA": True, "nameConstraints": {"permitted": {"ipRanges": ["10.0.0.0/8", "2001:db8::/32"]}}},
    {"isCA": True, "nameConstraints": {"permitted": {"ipRanges": ["10.1.2.3/8"], "dnsDomains": ["", ".a"]}}},
    {"isCA": True, "nameConstraints": {"excluded": {}}},
]


@pytest.mark.parametrize("change, message", CERTIFICATES)
def test_certificate_is_refused(author, change, message):
    assert_refused(
        creation(author, new_object("Certificate", change)), "certlet-certificate", message
    )


@pytest.mark.parametrize("change, path, _", BAD_NAMES)
def test_what_the_program_refuses_is_refused_at_the_same_place(author, change, path, _):
    error = creation(author, new_object("Certificate", change))
    assert_refused(error, "certlet-certificate-extra", f"{path}: ")


@pytest.mark.parametrize("uri", NO_URIS)
def test_what_go_cannot_read_as_uri_is_refused(author, uri):
    error = creation(author, new_object("Certificate", {"uris": ["a:b", uri]}))
    assert_refused(error, "certlet-certificate", f"spec.uris[1]: {shown(uri)}is not a URI")


@pytest.mark.parametrize("field, name", NO_NAME_BOUNDS)
def test_what_go_cannot_read_as_bound_is_refused(author, field, name):
    bounds = {"isCA": True, "nameConstraints": {"excluded": {field: ["a.test", name]}}}
    path = f"spec.nameConstraints.excluded.{field}[1]"
    error = creation(author, new_object("Certificate", bounds))
    assert_refused(error, "certlet-certificate-extra", f"{path}: {shown(name)}is none")


@pytest.mark.parametrize("change, message", CERTIFICATE_EXTRAS)
def test_certificate_extra_is_refused(author, change, message):
    error = creation(author, new_object("Certificate", change))
    assert_refused(error, "certlet-certificate-extra", message)


@pytest.mark.parametrize("change", CERTIFICATES_LET_IN)
def test_certificate_is_let_in(author, change):
    assert_let_in(creation(author, new_object("Certificate", change)))


def test_certificate_without_a_spec_is_refused(author):
    body = new_object("Certificate")
    del body["spec"]
    assert_refused(creation(author, body), "certlet-certificate", "spec: is missing")


REQUESTS = [
    ({"issuerRef": {"name": ""}}, "spec.issuerRef.name: is empty"),
    ({"issuerRef": {"kind": "StepIssuer"}}, "spec.issuerRef.kind: 'StepIssuer'"),
    ({"duration": "90d"}, "spec.duration: '90d'"),
]


@pytest.mark.parametrize("change, message", REQUESTS)
def test_request_is_refused(author, change, message):
    error = creation(author, new_object("CertificateRequest", change))
    assert_refused(error, "certlet-certificaterequest", message)


def test_request_without_a_spec_is_refused(author):
    body = new_object("CertificateRequest")
    del body["spec"]
    assert_refused(creation(author, body), "certlet-certificaterequest", "spec: is missing")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"duration": "24h"},
        {"issuerRef": {"kind": "StepIssuer", "group": "certmanager.step.sm"}},
    ],
)
def test_request_is_let_in(author, change):
    assert_let_in(creation(author, new_object("CertificateRequest", change)))


def vault(**members):
    auth = {"tokenSecretRef": KEY}
    return {
        "acme": None,
        "vault": merged({"server": "https://v.test", "path": "a/sign/b", "auth": auth}, members),
    }


BINDING = {"keyID": "1", "keySecretRef": KEY}
AWS = {"role": "a", "serviceAccountRef": {"name": "a"}}
CLOUD = {"apiTokenSecretRef": KEY}
TPP = {"url": "https://t.test", "credentialsRef": {"name": "a"}}
BUNDLE = base64.b64encode(b"certificate").decode("ascii")
ISSUERS = [
    ({"acme": None}, "spec: has no type of issuer"),
    ({"selfSigned": {}}, "spec: has acme and selfSigned"),
    ({"acme": {"server": ""}}, "spec.acme.server: is empty"),
    ({"acme": {"server": "https://a.test/a b"}}, "spec.acme.server: 'https://a.test/a b' must be"),
    ({"acme": {"server": "https:// a.test/"}}, "spec.acme.server: 'https:// a.test/' must be"),
    (
        {"acme": {"privateKeySecretRef": {"name": ""}}},
        "spec.acme.privateKeySecretRef.name: is empty",
    ),
    (
        {"acme": {"externalAccountBinding": {**BINDING, "keyID": ""}}},
        "spec.acme.externalAccountBinding.keyID: is empty",
    ),
    (
        {"acme": {"externalAccountBinding": {**BINDING, "keySecretRef": {"name": "", "key": "a"}}}},
        "spec.acme.externalAccountBinding.keySecretRef.name: is empty",
    ),
    (
        {"acme": {"externalAccountBinding": {**BINDING, "keySecretRef": {"name": "a"}}}},
        "spec.acme.externalAccountBinding.keySecretRef.key: is empty",
    ),
    ({"acme": {"caBundle": BUNDLE, "skipTLSVerify": True}}, "spec.acme.skipTLSVerify: must not"),
    ({"acme": None, "ca": {"secretName": ""}}, "spec.ca.secretName: is empty"),
    ({"acme": None, "ca": {"secretName": "a", "ocspServers": [""]}}, "spec.ca.ocspServers[0]: must"),
    (
        {"acme": None, "ca": {"secretName": "a", "issuingCertificateURLs": ["http://a.test", ""]}},
        "spec.ca.issuingCertificateURLs[1]: must",
    ),
    (vault(server=""), "spec.vault.server: is empty"),
    (vault(path=""), "spec.vault.path: is empty"),
    (vault(path="a/../b"), "spec.vault.path: must not"),
    (
        vault(auth={"kubernetes": {"role": "a", "secretRef": KEY, "mountPath": "/v1/.."}}),
        "spec.vault.auth.kubernetes.mountPath: must not",
    ),
    (vault(caBundle=BUNDLE, caBundleSecretRef=KEY), "spec.vault.caBundleSecretRef: must not"),
    (vault(clientCertSecretRef=KEY), "spec.vault: 'clientCertSecretRef' and"),
    (vault(auth={"tokenSecretRef": None}), "spec.vault.auth: set one of"),
    (vault(auth={"kubernetes": {"role": "a"}}), "spec.vault.auth.kubernetes: exactly one"),
    (
        vault(
            auth={"kubernetes": {"role": "a", "secretRef": KEY, "serviceAccountRef": {"name": "a"}}}
        ),
        "spec.vault.auth.kubernetes: exactly one",
    ),
    (vault(auth={"aws": AWS}), "spec.vault.auth.aws.iamRoleArn: is empty"),
    ({"acme": None, "venafi": {"zone": "a"}}, "spec.venafi: has none"),
    (
        {"acme": None, "venafi": {"zone": "a", "cloud": CLOUD, "tpp": TPP}},
        "spec.venafi: has tpp and cloud",
    ),
]
ISSUERS_LET_IN = [
    {},
    {"acme": {"externalAccountBinding": BINDING, "caBundle": BUNDLE}},
    {"acme": {"skipTLSVerify": True}},
    {"acme": None, "selfSigned": {}},
    {"acme": None, "ca": {"secretName": "a", "ocspServers": ["http://a.test"]}},
    vault(path="a..b/sign/c", clientCertSecretRef=KEY, clientKeySecretRef=KEY, caBundle=BUNDLE),
    vault(auth={"tokenSecretRef": None, "aws": {**AWS, "iamRoleArn": "arn:aws:iam::1:role/a"}}),
    vault(
        auth={
            "tokenSecretRef": None,
            "kubernetes": {"role": "a", "serviceAccountRef": {"name": "a"}},
        }
    ),
    {"acme": None, "venafi": {"zone": "a", "cloud": CLOUD}},
]


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
@pytest.mark.parametrize("change, message", ISSUERS)
def test_issuer_is_refused(author, kind, change, message):
    assert_refused(creation(author, new_object(kind, change)), "certlet-issuer", message)


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
@pytest.mark.parametrize("change", ISSUERS_LET_IN)
def test_issuer_is_let_in(author, kind, change):
    assert_let_in(creation(author, new_object(kind, change)))


NO_KEY = {"name": "secret"}
RFC2136 = {"nameserver": "192.0.2.1:53"}
AZURE = {"subscriptionID": "a", "resourceGroupName": "b"}
AKAMAI = {
    "serviceConsumerDomain": "a.test",
    "clientTokenSecretRef": KEY,
    "clientSecretSecretRef": KEY,
    "accessTokenSecretRef": KEY,
}
FIRST, SECOND = "spec.acme.solvers[0]", "spec.acme.solvers[1].dns01"
ROUTE = {"gatewayHTTPRoute": {}}


def ingress(**members):
    return solvers({"http01": {"ingress": members}})


SOLVERS = [
    (solvers({}), f"{FIRST}: exactly one"),
    (solvers({"http01": {"ingress": {}}, "dns01": {"rfc2136": RFC2136}}), f"{FIRST}: exactly one"),
    (
        solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "-1s"}),
        f"{FIRST}.waitInsteadOfSelfCheck: '-1s'",
    ),
    (
        solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "soon"}),
        f"{FIRST}.waitInsteadOfSelfCheck: 'soon'",
    ),
    (solvers({"http01": {}}), f"{FIRST}.http01: exactly one"),
    (solvers({"http01": {"ingress": {}, **ROUTE}}), f"{FIRST}.http01: exactly one"),
    (ingress(serviceType="LoadBalancer"), f"{FIRST}.http01.ingress.serviceType: must be"),
    (
        solvers({"http01": {"gatewayHTTPRoute": {"serviceType": "a"}}}),
        f"{FIRST}.http01.gatewayHTTPRoute.serviceType: must be",
    ),
    (ingress(**{"class": "a", "name": "b"}), f"{FIRST}.http01.ingress: at most one"),
    (ingress(ingressClassName="A b"), f"{FIRST}.http01.ingress.ingressClassName: 'A b'"),
    (dns(), f"{SECOND}: exactly one provider"),
    (dns(rfc2136=RFC2136, route53={}), f"{SECOND}: exactly one provider"),
    (dns(rfc2136=RFC2136, nameservers=["192.0.2.1"]), f"{SECOND}.nameservers[0]: must"),
    (dns(rfc2136=RFC2136, nameservers=["https://"]), f"{SECOND}.nameservers[0]: must"),
    (dns(acmeDNS={"host": "", "accountSecretRef": KEY}), f"{SECOND}.acmeDNS: 'host'"),
    (dns(acmeDNS={"host": "a", "accountSecretRef": NO_KEY}), f"{SECOND}.acmeDNS: 'host'"),
    (
        dns(akamai={**AKAMAI, "serviceConsumerDomain": ""}),
        f"{SECOND}.akamai: 'serviceConsumerDomain'",
    ),
    (dns(akamai={**AKAMAI, "clientTokenSecretRef": NO_KEY}), f"{SECOND}.akamai: "),
    (dns(akamai={**AKAMAI, "clientSecretSecretRef": NO_KEY}), f"{SECOND}.akamai: "),
    (dns(akamai={**AKAMAI, "accessTokenSecretRef": NO_KEY}), f"{SECOND}.akamai: "),
    (dns(azureDNS={**AZURE, "clientID": "a"}), f"{SECOND}.azureDNS: 'clientID'"),
    (
        dns(azureDNS={**AZURE, "clientID": "a", "tenantID": "b", "clientSecretSecretRef": NO_KEY}),
        f"{SECOND}.azureDNS.clientSecretSecretRef: name and key",
    ),
    (
        dns(azureDNS={**AZURE, "clientID": "a", "managedIdentity": {}}),
        f"{SECOND}.azureDNS.managedIdentity: must not",
    ),
    (
        dns(azureDNS={**AZURE, "managedIdentity": {"resourceID": "a", "clientID": "b"}}),
        f"{SECOND}.azureDNS.managedIdentity.resourceID: must not",
    ),
    (
        dns(azureDNS={**AZURE, "managedIdentity": {"tenantID": "a"}}),
        f"{SECOND}.azureDNS.managedIdentity.tenantID: needs",
    ),
    (dns(cloudDNS={"project": ""}), f"{SECOND}.cloudDNS: 'project'"),
    (dns(cloudDNS={"project": "a", "serviceAccountSecretRef": NO_KEY}), f"{SECOND}.cloudDNS: "),
    (dns(cloudflare={}), f"{SECOND}.cloudflare: exactly one"),
    (
        dns(cloudflare={"email": "a", "apiKeySecretRef": KEY, "apiTokenSecretRef": KEY}),
        f"{SECOND}.cloudflare: exactly one",
    ),
    (dns(cloudflare={"apiKeySecretRef": KEY}), f"{SECOND}.cloudflare.email: must be"),
    (
        dns(cloudflare={"email": "a", "apiKeySecretRef": NO_KEY}),
        f"{SECOND}.cloudflare.apiKeySecretRef: ",
    ),
    (dns(cloudflare={"apiTokenSecretRef": NO_KEY}), f"{SECOND}.cloudflare.apiTokenSecretRef: "),
    (dns(digitalocean={"tokenSecretRef": NO_KEY}), f"{SECOND}.digitalocean.tokenSecretRef: "),
    (dns(rfc2136={"nameserver": ""}), f"{SECOND}.rfc2136.nameserver: must be"),
    (dns(rfc2136={"nameserver": ":53"}), f"{SECOND}.rfc2136.nameserver: must be"),
    (dns(rfc2136={"nameserver": "2001:db8::1"}), f"{SECOND}.rfc2136.nameserver: must be"),
    (dns(rfc2136={**RFC2136, "tsigKeyName": "a"}), f"{SECOND}.rfc2136.tsigSecretSecretRef: is missing"),
    (dns(rfc2136={**RFC2136, "tsigSecretSecretRef": KEY}), f"{SECOND}.rfc2136.tsigKeyName: is missing"),
    (
        dns(rfc2136={**RFC2136, "tsigKeyName": "a", "tsigSecretSecretRef": NO_KEY}),
        f"{SECOND}.rfc2136.tsigSecretSecretRef.key: is empty",
    ),
    (dns(rfc2136={**RFC2136, "tsigAlgorithm": "md5"}), f"{SECOND}.rfc2136.tsigAlgorithm: 'md5'"),
    (
        dns(route53={"accessKeyID": "a", "accessKeyIDSecretRef": KEY}),
        f"{SECOND}.route53.accessKeyIDSecretRef: must not",
    ),
    (
        dns(webhook={"groupName": "a.test", "solverName": ""}),
        f"{SECOND}.webhook.solverName: is empty",
    ),
]
SOLVERS_LET_IN = [
    solvers(),
    solvers({"http01": ROUTE}, {"http01": {"ingress": {"serviceType": "ClusterIP"}}}),
    ingress(ingressClassName="nginx"),
    solvers({"http01": {"gatewayHTTPRoute": {"parentRefs": [{"name": "a", "kind": "Gateway"}]}}}),
    solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": "1m30s"}),
    dns(acmeDNS={"host": "a.test", "accountSecretRef": KEY}),
    dns(akamai=AKAMAI),
    dns(azureDNS=AZURE),
    dns(azureDNS={**AZURE, "clientID": "a", "tenantID": "b", "clientSecretSecretRef": KEY}),
    dns(azureDNS={**AZURE, "managedIdentity": {"clientID": "a", "tenantID": "b"}}),
    dns(cloudDNS={"project": "a"}),
    dns(cloudflare={"apiTokenSecretRef": KEY}),
    dns(cloudflare={"email": "a@a.test", "apiKeySecretRef": KEY}),
    dns(digitalocean={"tokenSecretRef": KEY}),
    dns(rfc2136={**RFC2136, "tsigKeyName": "a", "tsigSecretSecretRef": KEY}),
    dns(rfc2136={"nameserver": "[2001:db8::1]:53", "tsigAlgorithm": "HmacSha256"}),
    dns(rfc2136={"nameserver": "ns.example.test:"}),
    dns(route53={}),
    dns(webhook={"groupName": "a.test", "solverName": "b", "config": {"any": ["thing"]}}),
    dns(
        rfc2136=RFC2136, nameservers=["192.0.2.1:53", "[2001:db8::1]:53", "https://dns.test/query"]
    ),
]


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
@pytest.mark.parametrize("change, message", SOLVERS)
def test_solver_is_refused(author, kind, change, message):
    assert_refused(creation(author, new_object(kind, change)), "certlet-issuer-solver", message)


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
@pytest.mark.parametrize("change", SOLVERS_LET_IN)
def test_solver_is_let_in(author, kind, change):
    assert_let_in(creation(author, new_object(kind, change)))


def warnings_of(kube, kubeconfig, body):
    argv = [
        kube.kubectl_program,
        "create",
        "--dry-run=server",
        "-f",
        "-",
        f"--kubeconfig={kubeconfig}",
    ]
    done = subprocess.run(
        argv, input=json.dumps(body), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stderr


def test_deprecated_field_is_let_in_with_a_warning(kube, users):
    binding = {**BINDING, "keyAlgorithm": "HS256"}
    body = new_object("Issuer", {"acme": {"externalAccountBinding": binding}})
    kubeconfig = kube.service_account(NAMESPACE, "author")
    path = "spec.acme.externalAccountBinding.keyAlgorithm: is deprecated"
    wait_until(lambda: path in warnings_of(kube, kubeconfig, body), SECONDS, "the warning")
    del binding["keyAlgorithm"]
    assert (
        warnings_of(
            kube, kubeconfig, new_object("Issuer", {"acme": {"externalAccountBinding": binding}})
        )
        == ""
    )


# --- what a message cannot quote ---

# The API server shows no message with a line break in it, nor one of more than 5 kB: a rule that quotes what a user
# wrote then says the field alone.
UNQUOTABLE = {"line break": "Not good\nat all", "6 kB": "N-" * 3000}
WINDOW = "spec.renewal.windows[1]"


def times(duration, renew_before):
    return {"duration": duration, "renewBefore": renew_before}


QUOTED = [  # kind, policy, what is wrong with the value in it, the field
    ("Certificate", "certlet-certificate", lambda v: {"secretName": v}, "spec.secretName"),
    ("Certificate", "certlet-certificate", lambda v: {"issuerRef": {"kind": v}}, "spec.issuerRef.kind"),
    ("Certificate", "certlet-certificate", lambda v: {"commonName": v}, "spec.commonName"),
    ("Certificate", "certlet-certificate", lambda v: {"dnsNames": ["a", v]}, "spec.dnsNames[1]"),
    ("Certificate", "certlet-certificate", lambda v: {"uris": ["a:", f"1:{v}"]}, "spec.uris[1]"),
    ("Certificate", "certlet-certificate", lambda v: {"ipAddresses": ["::1", v]}, "spec.ipAddresses[1]"),
    ("Certificate", "certlet-certificate", lambda v: {"emailAddresses": ["a@b", v]}, "spec.emailAddresses[1]"),
    ("Certificate", "certlet-certificate", lambda v: {"duration": v}, "spec.duration"),
    ("Certificate", "certlet-certificate", lambda v: {"renewBefore": v}, "spec.renewBefore"),
    ("Certificate", "certlet-certificate-extra", lambda v: {"literalSubject": v}, "spec.literalSubject"),
    (
        "Certificate",
        "certlet-certificate-extra",
        lambda v: {"otherNames": [{"oid": v, "utf8Value": "a"}]},
        "spec.otherNames[0].oid",
    ),
    ("Certificate", "certlet-certificate-extra", lambda v: windows({"cron": v}), f"{WINDOW}.cron"),
    ("Certificate", "certlet-certificate-extra", lambda v: windows({"timezone": v}), f"{WINDOW}.timezone"),
    *(
        (
            "Certificate",
            "certlet-certificate-extra",
            lambda v, field=field: {"isCA": True, "nameConstraints": {"permitted": {field: [f"{v} "]}}},
            f"spec.nameConstraints.permitted.{field}[0]",
        )
        for field in ("dnsDomains", "ipRanges", "emailAddresses", "uriDomains")
    ),
    (
        "Certificate",
        "certlet-certificate-extra",
        lambda v: {"secretTemplate": {"annotations": {v: "a"}}},
        "spec.secretTemplate.annotations",
    ),
    (
        "Certificate",
        "certlet-certificate-extra",
        lambda v: {"secretTemplate": {"annotations": {f"cert-manager.io/{v}": "a"}}},
        "spec.secretTemplate.annotations",
    ),
    (
        "Certificate",
        "certlet-certificate-extra",
        lambda v: {"secretTemplate": {"labels": {v: "a"}}},
        "spec.secretTemplate.labels",
    ),
    (
        "Certificate",
        "certlet-certificate-extra",
        lambda v: {"secretTemplate": {"labels": {"a": v}}},
        "spec.secretTemplate.labels[a]",
    ),
    ("CertificateRequest", "certlet-certificaterequest", lambda v: {"duration": v}, "spec.duration"),
    (
        "CertificateRequest",
        "certlet-certificaterequest",
        lambda v: {"issuerRef": {"kind": v}},
        "spec.issuerRef.kind",
    ),
    *(
        row
        for kind in ("Issuer", "ClusterIssuer")
        for row in (
            (kind, "certlet-issuer", lambda v: {"acme": {"server": v}}, "spec.acme.server"),
            (kind, "certlet-issuer", lambda v: {"acme": {"email": v}}, "spec.acme.email"),
            (
                kind,
                "certlet-issuer",
                lambda v: {"acme": None, "ca": {"secretName": "a", "ocspServers": [f"{v} "]}},
                "spec.ca.ocspServers[0]",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: solvers({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": v}),
                f"{FIRST}.waitInsteadOfSelfCheck",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: ingress(serviceType=v),
                f"{FIRST}.http01.ingress.serviceType",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: ingress(ingressClassName=v),
                f"{FIRST}.http01.ingress.ingressClassName",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: solvers({"http01": {"gatewayHTTPRoute": {"labels": {v: "a"}}}}),
                f"{FIRST}.http01.gatewayHTTPRoute.labels",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: dns(rfc2136=RFC2136, nameservers=[v]),
                f"{SECOND}.nameservers[0]",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: dns(rfc2136={"nameserver": f":{v}"}),
                f"{SECOND}.rfc2136.nameserver",
            ),
            (
                kind,
                "certlet-issuer-solver",
                lambda v: dns(rfc2136={**RFC2136, "tsigAlgorithm": v}),
                f"{SECOND}.rfc2136.tsigAlgorithm",
            ),
        )
    ),
]


@pytest.mark.parametrize("value", UNQUOTABLE)
@pytest.mark.parametrize("kind, policy, change, path", QUOTED)
def test_message_has_the_field_where_it_cannot_quote(author, kind, policy, change, path, value):
    error = creation(author, new_object(kind, change(UNQUOTABLE[value])))
    assert_refused(error, policy, f"{path}: ")


# Durations have no line breaks; these are some, of 6 kB.
LONG_TIMES = [
    (times("0h" * 3000, "5m"), "spec.duration: must be at least"),
    (times("1h", "0m" * 3000), "spec.renewBefore: must be at least"),
    (times("1h", "1m" * 3000), "spec.renewBefore: must be shorter than the duration"),
    (times("1m" * 3000, "100h"), "spec.renewBefore: is 100h and must be shorter than"),
    (
        {"duration": "1m" * 3000, "renewBeforePercentage": 100},
        "spec.renewBeforePercentage: 100 of the duration leaves",
    ),
]


@pytest.mark.parametrize("change, message", LONG_TIMES)
def test_long_duration_is_not_quoted(author, change, message):
    error = creation(author, new_object("Certificate", change))
    assert_refused(error, "certlet-certificate", message)


# --- updates, and what was there before ---


def test_object_older_than_a_rule_can_be_touched_but_not_made_worse(kube, author):
    kube.create(
        "namespaces",
        {"metadata": {"name": "older", "labels": {"cert-manager.io/disable-validation": "true"}}},
    )
    bad = new_object("Certificate", {"dnsNames": None}, namespace="older", finalizers=["a.test/b"])
    wait_until(
        lambda: creation(author, bad) is None, SECONDS, "the label of the namespace", every=0.2
    )
    found = stored(kube, bad)
    kube.patch(
        "namespaces/older", {"metadata": {"labels": {"cert-manager.io/disable-validation": None}}}
    )
    until_refused_by(
        "certlet-certificate", lambda: creation(author, merged(bad, {"metadata": {"name": "two"}}))
    )

    assert_let_in(
        update(author, merged(found, {"metadata": {"finalizers": [], "labels": {"a": "b"}}}))
    )
    error = update(author, merged(found, {"spec": {"secretName": "other"}}))
    assert_refused(error, "certlet-certificate", "spec: names nobody")
    assert_let_in(update(author, merged(found, {"spec": {"dnsNames": ["a.test"]}})))


def test_label_of_a_namespace_turns_off_rules_for_fields_only(kube, author):
    def there(kind, change=None):
        return new_object(kind, change, namespace="unchecked")

    assert_let_in(creation(author, there("Certificate", {"dnsNames": None})))
    assert_let_in(creation(author, there("Certificate", {"renewal": {}})))
    assert_let_in(creation(author, there("CertificateRequest", {"issuerRef": {"name": ""}})))
    assert_let_in(creation(author, there("Issuer", {"acme": None})))
    assert_let_in(creation(author, there("Issuer", solvers({}))))

    error = creation(author, there("CertificateRequest", {"username": "admin"}))
    assert_refused(error, "certlet-certificaterequest-identity", "spec.username: 'admin'", 403)
    request = stored(kube, there("CertificateRequest"))
    error = update(author, merged(request, {"spec": {"isCA": True}}))
    assert_refused(error, "certlet-certificaterequest-immutable", "spec: cannot")
    error = update(author, {**request, "status": {"conditions": [condition("Approved")]}}, "status")
    assert_refused(error, "certlet-certificaterequest-approval", "status.conditions: ", 403)


# --- what does not change ---

ANNOTATIONS = {"cert-manager.io/a": "b", "acme.cert-manager.io/c": "d", "example.com/e": "f"}
FROZEN = [
    ({"cert-manager.io/a": "other"}, "cert-manager.io/a"),
    ({"cert-manager.io/a": None}, "cert-manager.io/a"),
    ({"cert-manager.io/new": ""}, "cert-manager.io/new"),
    ({"acme.cert-manager.io/c": None}, "acme.cert-manager.io/c"),
    ({"acme.cert-manager.io/new": ""}, "acme.cert-manager.io/new"),
]
KEEPERS = {
    "CertificateRequest": "certlet-certificaterequest-immutable",
    "Order": "certlet-order-immutable",
}


@pytest.mark.parametrize("kind", KEEPERS)
@pytest.mark.parametrize("change, key", FROZEN)
def test_annotation_is_frozen(kube, author, kind, change, key):
    found = stored(kube, new_object(kind, name="frozen", annotations=ANNOTATIONS))
    error = update(author, merged(found, {"metadata": {"annotations": change}}))
    assert_refused(error, KEEPERS[kind], f"metadata.annotations[{key}]: cannot")


@pytest.mark.parametrize("kind", KEEPERS)
@pytest.mark.parametrize("annotations", [ANNOTATIONS, {}])
def test_other_annotation_can_change(kube, author, kind, annotations):
    found = stored(kube, new_object(kind, name="frozen", annotations=annotations))
    other = {"metadata": {"annotations": {"example.com/e": "g", "acme.certlet.dev/retry": "now"}}}
    assert_let_in(update(author, merged(found, other)))


SPECS = [
    ("CertificateRequest", {"isCA": True}, KEEPERS["CertificateRequest"], "spec: cannot"),
    ("CertificateRequest", {"username": "admin"}, KEEPERS["CertificateRequest"], "spec: cannot"),
    (
        "CertificateRequest",
        {"issuerRef": {"name": "b"}},
        KEEPERS["CertificateRequest"],
        "spec: cannot",
    ),
    ("Challenge", {"token": "b"}, "certlet-challenge-immutable", "spec: cannot"),
    ("Challenge", {"solver": {"selector": {}}}, "certlet-challenge-immutable", "spec: cannot"),
    ("Order", {"request": BUNDLE}, "certlet-order-immutable", "spec.request: cannot"),
]


@pytest.mark.parametrize("kind, change, policy, message", SPECS)
def test_spec_is_immutable(kube, author, kind, change, policy, message):
    found = stored(kube, new_object(kind, name="immutable"))
    assert_refused(update(author, merged(found, {"spec": change})), policy, message)


@pytest.mark.parametrize(
    "kind, change",
    [
        *((kind, {"metadata": {"labels": {"a": "b"}, "finalizers": []}}) for kind in RESOURCES),
        ("Order", {"spec": {"issuerRef": {"name": "b"}, "profile": "a"}}),
        ("Certificate", {"spec": {"secretName": "b", "issuerRef": {"name": "b"}}}),
    ],
)
def test_update_is_let_in(kube, author, kind, change):
    found = stored(kube, new_object(kind, name="mutable", finalizers=["a.test/b"]))
    assert_let_in(update(author, merged(found, change)))
    where, namespace = place_of(found)
    kube.patch(where, {"metadata": {"finalizers": None}}, namespace)  # for stored() to delete it


def authorizations(change, index=0):
    found = copy.deepcopy(ORDER_STATUS["authorizations"])
    found[index] = merged(found[index], change)
    return {"authorizations": found}


ORDER_CHANGES = [
    ({"url": "https://ca.test/order/2"}, "status.url: cannot"),
    ({"url": None}, "status.url: cannot"),
    ({"finalizeURL": "https://ca.test/order/2/finalize"}, "status.finalizeURL: cannot"),
    ({"certificate": REQUEST}, "status.certificate: cannot"),
    ({"authorizations": None}, "status.authorizations: cannot"),
    (
        {"authorizations": [*ORDER_STATUS["authorizations"], {"url": "a"}]},
        "status.authorizations: cannot",
    ),
    (authorizations({"url": "https://ca.test/authz/3"}, 1), "status.authorizations[1]: what"),
    (authorizations({"identifier": "b.test"}), "status.authorizations[0]: what"),
    (authorizations({"identifier": None}), "status.authorizations[0]: what"),
    (authorizations({"wildcard": True}), "status.authorizations[0]: what"),
    (authorizations({"initialState": "valid"}), "status.authorizations[0]: what"),
    (authorizations({"challenges": [challenge("a")]}), "status.authorizations[0]: what"),
    (
        authorizations({"challenges": [challenge("a"), challenge("c")]}),
        "status.authorizations[0]: what",
    ),
]
ORDER_CHANGES_LET_IN = [
    {"state": "valid", "reason": "a"},
    authorizations(
        {
            "identifier": "b.test",
            "wildcard": True,
            "initialState": "valid",
            "challenges": [challenge("c")],
        },
        1,
    ),
]


@pytest.mark.parametrize("change, message", ORDER_CHANGES)
def test_order_status_keeps(kube, author, change, message):
    found = stored(kube, new_object("Order", name="kept"), ORDER_STATUS)
    error = update(author, merged(found, {"status": change}), "status")
    assert_refused(error, "certlet-order-immutable", message)


@pytest.mark.parametrize("value", UNQUOTABLE)
def test_order_keeps_what_cannot_be_quoted(kube, author, value):
    status = {"authorizations": [{"url": UNQUOTABLE[value], "identifier": "a.test"}]}
    found = stored(kube, new_object("Order", name="kept"), merged(ORDER_STATUS, status))
    change = {"authorizations": [{"url": UNQUOTABLE[value], "identifier": "b.test"}]}
    error = update(author, merged(found, {"status": change}), "status")
    assert_refused(error, "certlet-order-immutable", "status.authorizations[0]: what the CA said of it")


@pytest.mark.parametrize("change", ORDER_CHANGES_LET_IN)
def test_order_status_can_be_filled_in(kube, author, change):
    found = stored(kube, new_object("Order", name="kept"), ORDER_STATUS)
    assert_let_in(update(author, merged(found, {"status": change}), "status"))
    empty = stored(kube, new_object("Order", name="kept"))
    assert_let_in(update(author, {**empty, "status": merged(ORDER_STATUS, change)}, "status"))


# --- approval ---


def condition(kind, status="True", reason="a", second=0):
    time = f"2026-01-01T00:00:{second:02}Z"
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "m",
        "lastTransitionTime": time,
    }


STEP = {"name": "ca", "kind": "StepIssuer", "group": "certmanager.step.sm"}
AWS_CLUSTER = {"name": "ca", "kind": "AWSPCAClusterIssuer", "group": "awspca.cert-manager.io"}
EXCEPTION = {"name": "ca", "kind": "SigningPolicy", "group": "ca.example.com"}
MAY = [
    ("one", {}),
    ("one", {"kind": "Issuer", "group": "cert-manager.io"}),
    ("any", {}),
    ("any", {"name": "other"}),
    ("cluster-one", {"kind": "ClusterIssuer"}),
    ("cluster-any", {"kind": "ClusterIssuer", "name": "other"}),
    ("step-one", STEP),
    ("aws-cluster-one", AWS_CLUSTER),
    ("exception", EXCEPTION),
]
MAY_NOT = [
    ("author", {}, "issuers.cert-manager.io/policies.ca"),
    ("one", {"name": "other"}, "issuers.cert-manager.io/policies.other"),
    ("one", {"kind": "ClusterIssuer"}, "clusterissuers.cert-manager.io/ca"),
    ("bare", {}, "issuers.cert-manager.io/policies.ca"),
    ("malformed", {}, "issuers.cert-manager.io/policies.ca"),
    ("malformed", {"kind": "ClusterIssuer"}, "clusterissuers.cert-manager.io/ca"),
    ("any", {"kind": "ClusterIssuer"}, "clusterissuers.cert-manager.io/ca"),
    ("cluster-one", {}, "issuers.cert-manager.io/policies.ca"),
    (
        "cluster-one",
        {"kind": "ClusterIssuer", "name": "other"},
        "clusterissuers.cert-manager.io/other",
    ),
    ("any", STEP, "stepissuers.certmanager.step.sm/policies.ca"),
    ("step-one", {**STEP, "name": "other"}, "stepissuers.certmanager.step.sm/policies.other"),
    ("step-one", AWS_CLUSTER, "awspcaclusterissuers.awspca.cert-manager.io/ca"),
    ("any", EXCEPTION, "signingpolicies.ca.example.com/ca"),
]


@pytest.mark.parametrize("decision", ["Approved", "Denied"])
@pytest.mark.parametrize("name, issuer", MAY)
def test_approver_may(kube, users, name, issuer, decision):
    found = stored(kube, new_object("CertificateRequest", {"issuerRef": issuer}, name="asked"))
    decided = {
        **found,
        "status": {"conditions": [condition("Ready", "False"), condition(decision)]},
    }
    assert_let_in(update(users[name], decided, "status"))


@pytest.mark.parametrize("decision", ["Approved", "Denied"])
@pytest.mark.parametrize("name, issuer, signer", MAY_NOT)
def test_approver_may_not(kube, users, name, issuer, signer, decision):
    found = stored(kube, new_object("CertificateRequest", {"issuerRef": issuer}, name="asked"))
    decided = {**found, "status": {"conditions": [condition(decision)]}}
    error = update(users[name], decided, "status")
    user = f"status.conditions: 'system:serviceaccount:policies:{name}' may not set"
    assert_refused(error, "certlet-certificaterequest-approval", user, 403)
    assert f"resourceName '{signer}' or '{signer.partition('/')[0]}/*'" in error.status["message"]


@pytest.mark.parametrize("value", UNQUOTABLE)
def test_approver_of_an_issuer_that_cannot_be_quoted_may_not(kube, users, value):
    issuer = {"name": UNQUOTABLE[value]}
    found = stored(kube, new_object("CertificateRequest", {"issuerRef": issuer}, name="asked"))
    decided = {**found, "status": {"conditions": [condition("Approved")]}}
    error = update(users["author"], decided, "status")
    user = "status.conditions: 'system:serviceaccount:policies:author' may not set"
    assert_refused(error, "certlet-certificaterequest-approval", user, 403)
    assert error.status["message"].endswith("with the resourceName of the issuer")


def test_issuer_is_that_of_the_stored_request(kube, users):
    """Not one that came with the status."""
    found = stored(
        kube, new_object("CertificateRequest", {"issuerRef": {"name": "other"}}, name="asked")
    )
    changed = merged(found, {"spec": {"issuerRef": {"name": "ca"}}})
    decided = {**changed, "status": {"conditions": [condition("Approved")]}}
    error = update(users["one"], decided, "status")
    assert_refused(error, "certlet-certificaterequest-approval", "status.conditions: 'system", 403)


CANNOT = "status.conditions: Approved cannot be changed or removed"
APPROVED = condition("Approved")
AFTER_APPROVAL = [
    ([], CANNOT, 403),
    ([condition("Denied")], CANNOT, 403),
    ([condition("Approved", reason="b")], CANNOT, 403),
    ([condition("Approved", second=1)], CANNOT, 403),
    ([condition("Approved", "False")], CANNOT, 403),
    ([APPROVED, condition("Denied")], "status.conditions: Approved and Denied cannot both", 422),
]


@pytest.mark.parametrize("conditions, message, code", AFTER_APPROVAL)
def test_approval_is_final(kube, users, conditions, message, code):
    found = stored(kube, new_object("CertificateRequest", name="asked"), {"conditions": [APPROVED]})
    error = update(users["one"], {**found, "status": {"conditions": conditions}}, "status")
    assert_refused(error, "certlet-certificaterequest-approval", message, code)


@pytest.mark.parametrize("kind", ["Approved", "Denied"])
@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_decision_is_true_or_not_there(kube, users, kind, status):
    found = stored(kube, new_object("CertificateRequest", name="asked"))
    error = update(
        users["one"], {**found, "status": {"conditions": [condition(kind, status)]}}, "status"
    )
    message = f"status.conditions: {kind} has status '{status}'"
    assert_refused(error, "certlet-certificaterequest-approval", message)


def test_request_cannot_come_approved(kube, author):
    kube.delete(f"{resource_of('CertificateRequest')}/born", NAMESPACE)
    body = new_object("CertificateRequest", name="born")
    body["status"] = {"conditions": [APPROVED]}
    made = author.create(resource_of("CertificateRequest"), body, NAMESPACE)
    assert "status" not in made


def test_status_of_a_decided_request_needs_no_permission(kube, author):
    found = stored(kube, new_object("CertificateRequest", name="asked"), {"conditions": [APPROVED]})
    issued = {"conditions": [condition("Ready"), APPROVED], "certificate": BUNDLE}
    assert_let_in(update(author, {**found, "status": issued}, "status"))
    undecided = stored(kube, new_object("CertificateRequest", name="asked"))
    waits = {"conditions": [condition("Ready", "False")]}
    assert_let_in(update(author, {**undecided, "status": waits}, "status"))


# --- cost ---


def many(pattern, count=100):
    return [pattern.format(number) for number in range(count)]


USUAL = "a-name-of-usual-length-{}"


# Together they may take 24,000 bytes: with the constraints it would be twice that.
@pytest.mark.parametrize(
    "spec",
    [
        {
            "dnsNames": many(USUAL + ".example.test"),
            "ipAddresses": many("2001:db8:ffff:ffff:ffff:ffff:ffff:{}"),
            "emailAddresses": many(USUAL + "@a.test"),
            "uris": many("spiffe://a.test/" + USUAL),
            "otherNames": [{"oid": "1.3.6", "utf8Value": one} for one in many(USUAL)],
            "literalSubject": ",".join(many("OU=" + USUAL)),
        },
        {
            "ipAddresses": many("2001:db8::{}"),
            "isCA": True,
            "nameConstraints": {
                "permitted": {
                    "ipRanges": many("10.{}.0.0/16"),
                    "dnsDomains": many(USUAL + ".example.test"),
                    "emailAddresses": many(USUAL + ".example.test"),
                    "uriDomains": many(USUAL + ".example.test"),
                },
            },
        },
    ],
    ids=["names", "constraints"],
)
def test_rules_stay_within_their_cost_for_lists_of_hundred(kube, author, spec):
    template = {
        "annotations": {one: "value" * 10 for one in many("example.test/" + USUAL)},
        "labels": {one: "value" * 10 for one in many("example.test/" + USUAL)},
    }
    body = new_object("Certificate", {**spec, "secretTemplate": template})
    assert_let_in(creation(author, body))
    body["spec"]["ipAddresses"][99] = "a.test"
    assert_refused(creation(author, body), "certlet-certificate", "spec.ipAddresses[99]: 'a.test'")


# All of what the names of a certificate may take: with 4 bytes each, or 12.
DEAREST = {
    "shortest URIs": ({"uris": ["a"] * 4750 + ["%"]}, "spec.uris[4750]: "),
    "bad URIs": ({"uris": ["%"] * 4750}, "spec.uris[0]: "),
    "empty URIs": ({"uris": [""] * 5990}, "spec.uris[0]: "),
    "short URIs": ({"uris": ["a:/b"] * 2950 + ["1:/b"]}, "spec.uris[2950]: "),
    "too many": ({"uris": ["a:/b"] * 6000}, "spec.uris: the names"),
    "long URI": ({"uris": ["http://a/" + "b" * 23_900 + "%"]}, "spec.uris[0]: is not"),
    "long host": ({"uris": ["http://" + "a" * 23_900]}, "spec.uris[0]: is not"),
    "addresses": ({"uris": ["//[::1]"] * 2150 + ["//[:1:]"]}, "spec.uris[2150]: '//[:1:]' is not"),
    "long names": ({"dnsNames": ["a" * 240] * 97 + ["a" * 254]}, "spec.dnsNames[97]: "),
    "short names": ({"dnsNames": ["a"] * 4750 + [""]}, "spec.dnsNames[4750]: "),
    "short emails": ({"emailAddresses": ["a@b"] * 3400 + ["a"]}, "spec.emailAddresses[3400]: "),
    "long email": ({"emailAddresses": ["a" * 23_900]}, "spec.emailAddresses[0]: "),
    "very long email": ({"emailAddresses": ["a" * 1_400_000]}, "spec.emailAddresses: the names"),
    "very long URI": ({"uris": ["%" * 1_400_000]}, "spec.uris: the names"),
}
DEAREST_BOUNDS = {
    "empty": (["dnsDomains", [""] * 1900 + ["."]], 1900),
    "short": (["uriDomains", ["a"] * 1750 + ["."]], 1750),
    "emails": (["emailAddresses", ["a@b"] * 1500 + ["@"]], 1500),
    "long": (["dnsDomains", ["a" * 250] * 90 + ["."]], 90),
    "long email": (["emailAddresses", ["a@" + "b" * 23_900 + "."]], 0),
}


@pytest.mark.parametrize("case", DEAREST)
def test_rules_stay_within_their_cost_for_names(author, case):
    change, message = DEAREST[case]
    error = creation(author, new_object("Certificate", {"dnsNames": None, **change}))
    assert_refused(error, "certlet-certificate", message)


@pytest.mark.parametrize("case", DEAREST_BOUNDS)
def test_rules_stay_within_their_cost_for_bounds(author, case):
    (field, names), place = DEAREST_BOUNDS[case]
    bounds = {"isCA": True, "nameConstraints": {"permitted": {field: names}}}
    error = creation(author, new_object("Certificate", bounds))
    path = f"spec.nameConstraints.permitted.{field}[{place}]: "
    assert_refused(error, "certlet-certificate-extra", path)


def test_rules_stay_within_their_cost_for_a_long_subject(author):
    """Two policies say so; which one is told is the server's choice."""
    for change in ({}, {"dnsNames": None}):
        subject = {**change, "literalSubject": "CN=" + "a" * 1_300_000}
        error = creation(author, new_object("Certificate", subject))
        assert "denied request: spec.literalSubject: " in str(error)


def test_rules_stay_within_their_cost_for_bounds_that_are_too_much(author):
    bounds = {"isCA": True, "nameConstraints": {"permitted": {"emailAddresses": ["a@" + "b" * 1_400_000 + "."]}}}
    error = creation(author, new_object("Certificate", bounds))
    path = "spec.nameConstraints.permitted.emailAddresses: the names"
    assert_refused(error, "certlet-certificate", path)


def test_rules_stay_within_their_cost_for_hundred_solvers(author):
    rfc2136 = {**RFC2136, "tsigKeyName": "key.example.test", "tsigSecretSecretRef": KEY}
    each = [
        {
            "selector": {"dnsZones": [zone]},
            "dns01": {"rfc2136": rfc2136, "nameservers": ["192.0.2.1:53"]},
        }
        for zone in many("zone-{}.example.test")
    ]
    assert_let_in(creation(author, new_object("ClusterIssuer", solvers(*each))))
    each[99] = {"dns01": {"cloudflare": {}}}
    error = creation(author, new_object("ClusterIssuer", solvers(*each)))
    assert_refused(
        error, "certlet-issuer-solver", "spec.acme.solvers[99].dns01.cloudflare: exactly one"
    )


def test_rules_stay_within_their_cost_for_hundred_authorizations(kube, author):
    each = [
        {
            "url": f"https://acme-v02.api.example.test/acme/authz/1234567890/{number}",
            "identifier": f"a-name-of-usual-length-{number}.example.test",
            "wildcard": False,
            "initialState": "pending",
            "challenges": [challenge(f"{number}-{kind}" * 10) for kind in "abc"],
        }
        for number in range(100)
    ]
    found = stored(kube, new_object("Order", name="big"), {**ORDER_STATUS, "authorizations": each})
    assert_let_in(update(author, merged(found, {"status": {"state": "valid"}}), "status"))
    each[99]["initialState"] = "valid"
    error = update(author, merged(found, {"status": {"authorizations": each}}), "status")
    assert_refused(error, "certlet-order-immutable", "status.authorizations[99]: what")


def test_rules_stay_within_their_cost_for_hundred_annotations(kube, author):
    kept = {one: "value" * 20 for one in many("cert-manager.io/an-annotation-{}")}
    found = stored(kube, new_object("CertificateRequest", name="big", annotations=kept))
    assert_let_in(update(author, merged(found, {"metadata": {"labels": {"a": "b"}}})))


# --- identity ---


@pytest.fixture
def myself(author):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return author.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)[
        "status"
    ]["userInfo"]


def identity(user_info):
    return {
        name: user_info[name]
        for name in ("username", "uid", "groups", "extra")
        if name in user_info
    }


SPOOFED = [
    ({"username": "admin"}, "spec.username: 'admin'"),
    ({"uid": "1"}, "spec.uid: '1'"),
    ({"groups": ["system:masters"]}, "spec.groups: are not"),
    ({"groups": None}, "spec.groups: are not"),
    ({"extra": {"example.test/scope": ["all"]}}, "spec.extra: is not"),
]
PARTS = [change for change, _ in SPOOFED if change != {"groups": None}]


@pytest.mark.parametrize("change, message", SPOOFED)
def test_spoofed_identity_is_refused(author, myself, change, message):
    spoofed = merged(identity(myself), change)
    error = creation(author, new_object("CertificateRequest", spoofed))
    assert_refused(error, "certlet-certificaterequest-identity", message, 403)


@pytest.mark.parametrize("value", UNQUOTABLE)
@pytest.mark.parametrize("field", ["username", "uid"])
def test_spoofed_identity_that_cannot_be_quoted_is_refused(author, myself, field, value):
    spoofed = {**identity(myself), field: UNQUOTABLE[value]}
    error = creation(author, new_object("CertificateRequest", spoofed))
    assert_refused(error, "certlet-certificaterequest-identity", f"spec.{field}: is not", 403)


@pytest.mark.parametrize("change", PARTS)
def test_part_of_an_identity_is_refused(author, change):
    error = creation(author, new_object("CertificateRequest", change))
    assert_refused(error, "certlet-certificaterequest-identity", "spec.", 403)


def test_empty_and_own_identity_are_let_in(author, myself):
    own = identity(myself)
    for change in ({}, {"username": "", "groups": []}, own, {**own, "groups": own["groups"][::-1]}):
        assert_let_in(creation(author, new_object("CertificateRequest", change)))


def is_stamping(kube):
    return kube.minor >= 36


def as_stored(user, change):
    """The spec that would be stored; nothing is."""
    path = user.path(resource_of("CertificateRequest"), NAMESPACE)
    return user.request("POST", f"{path}?dryRun=All", new_object("CertificateRequest", change))[
        "spec"
    ]


def test_identity_component_stamps_and_needs_a_server_that_can(
    kube, folder, author, myself
):
    """Last but one of all: requests are different from here on."""
    required = "certlet-certificaterequest-identity-required"
    if not is_stamping(kube):
        with pytest.raises(BedError, match="MutatingAdmissionPolicy"):
            apply_policies(kube, folder, ["crds/policies/identity"])
        until_refused_by(required, lambda: creation(author, new_object("CertificateRequest")))
        return

    apply_policies(kube, folder, ["crds/policies/identity"])
    wait_until(lambda: is_stamped(author), SECONDS, "waiting for the stamp", every=0.2)
    for change in ({}, *PARTS):
        assert identity(as_stored(author, change)) == identity(myself)
    request = new_object("CertificateRequest", {"username": "admin"}, name="stamped")
    found = author.create(resource_of("CertificateRequest"), request, NAMESPACE)
    assert identity(found["spec"]) == identity(myself)
    test_request_without_a_spec_is_refused(author)

    kube.delete(f"{STAMPS[1]}/certlet-certificaterequest-identity")
    until_refused_by(required, lambda: creation(author, new_object("CertificateRequest")))


def is_stamped(user):
    try:
        return "username" in as_stored(user, {})
    except KubeError as error:  # while the check is active and the stamp is not
        assert policy_of(error) == "certlet-certificaterequest-identity-required", error
        return False


# --- the end ---


def test_binding_can_warn_instead(kube, author):
    nonsense = new_object("Certificate", {"dnsNames": None})
    kube.patch(f"{POLICIES[1]}/certlet-certificate", {"spec": {"validationActions": ["Warn"]}})
    wait_until(lambda: creation(author, nonsense) is None, SECONDS, "the warning", every=0.2)
    kubeconfig = kube.service_account(NAMESPACE, "author")
    assert "spec: names nobody" in warnings_of(kube, kubeconfig, nonsense)
    kube.patch(f"{POLICIES[1]}/certlet-certificate", {"spec": {"validationActions": ["Deny"]}})
    until_refused_by("certlet-certificate", lambda: creation(author, nonsense))


def test_uninstall_leaves_nothing_that_refuses(kube, author):
    kinds = [*POLICIES, *(STAMPS if is_stamping(kube) else ())]
    kube.kubectl("delete", ",".join(kinds), "--selector=app.kubernetes.io/name=certlet")
    for kind in kinds:
        names = [one["metadata"]["name"] for one in kube.list(kind)]
        assert [name for name in names if name.startswith("certlet")] == []
    nonsense = new_object("Certificate", {"dnsNames": None})
    wait_until(
        lambda: creation(author, nonsense) is None, SECONDS, "the end of the rules", every=0.2
    )
