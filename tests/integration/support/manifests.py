"""cert-manager manifests as plain dicts, and their text.

Each builder returns one object; `text(*objects)` is a file of them. JSON is YAML, so json writes it.
"""

import base64
import json
import pathlib

# BIND's words for TSIG algorithms to cert-manager's.
TSIG_ALGORITHMS = {
    "hmac-md5": "HMACMD5",
    "hmac-sha1": "HMACSHA1",
    "hmac-sha256": "HMACSHA256",
    "hmac-sha512": "HMACSHA512",
}


def text(*objects):
    return "".join("---\n" + json.dumps(one, indent=2) + "\n" for one in objects)


def _object(api_version, kind, name, namespace, **members):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}


def owner_reference(owner):
    """What an object's controller writes into the object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def secret(name, data, namespace="default"):
    """A Secret of text values."""
    encoded = {
        key: base64.b64encode(value.encode("utf-8")).decode("ascii") for key, value in data.items()
    }
    return _object("v1", "Secret", name, namespace, type="Opaque", data=encoded)


def tsig_secret(bind, key="certlet", namespace="default"):
    """The Secret 'tsig-KEY' with one of Bind's TSIG keys."""
    return secret(f"tsig-{key}", {"secret": bind.tsig[key][1]}, namespace)


def rfc2136_solver(bind, key="certlet", protocol=None, selector=None, wait=None, **dns01):
    """A dns01 solver for Bind; further members of dns01 (cnameStrategy, ...) as keywords.

    With `wait`, such as "0s", the CA is asked so long after the record was written, and nobody looks for it.
    """
    provider = {
        "nameserver": bind.nameserver,
        "tsigKeyName": key,
        "tsigAlgorithm": TSIG_ALGORITHMS[bind.tsig[key][0]],
        "tsigSecretSecretRef": {"name": f"tsig-{key}", "key": "secret"},
        **({"protocol": protocol} if protocol else {}),
    }
    return _solver({"dns01": {"rfc2136": provider, **dns01}}, selector, wait)


def http01_solver(selector=None, wait=None, **ingress):
    return _solver({"http01": {"ingress": ingress}}, selector, wait)


def _solver(solver, selector, wait):
    more = {"selector": selector, "waitInsteadOfSelfCheck": wait}
    return {**{name: value for name, value in more.items() if value}, **solver}


def issuer(ca, solvers, name="acme", namespace="default", **acme):
    """An ACME Issuer for a Pebble or a FaultCA; more of spec.acme (email, profile, ...) as keywords."""
    spec = {
        "server": ca.directory_url,
        "caBundle": base64.b64encode(pathlib.Path(ca.ca_file).read_bytes()).decode("ascii"),
        "privateKeySecretRef": {"name": f"{name}-account"},
        "solvers": list(solvers),
        **acme,
    }
    if not spec["server"].startswith("https:"):
        del spec["caBundle"]
    return _object("cert-manager.io/v1", "Issuer", name, namespace, spec={"acme": spec})


def cluster_issuer(ca, solvers, name="acme", **acme):
    one = issuer(ca, solvers, name, None, **acme)
    return {**one, "kind": "ClusterIssuer"}


def private_issuer(name, spec, namespace=None):
    """An Issuer that signs by itself, {"selfSigned": {}} or {"ca": {...}}; without a namespace a ClusterIssuer."""
    kind = "Issuer" if namespace else "ClusterIssuer"
    return _object("cert-manager.io/v1", kind, name, namespace, spec=spec)


def root_certificate(issuer_name, namespace, name="root", **spec):
    """A CA certificate, with Secret 'NAME-tls'."""
    spec = {"isCA": True, "commonName": f"certlet test {name}", "duration": "87600h", **spec}
    one = certificate(name, [], issuer_name, namespace, **spec)
    del one["spec"]["dnsNames"]
    return one


def private_ca(namespace="default", **ca):
    """self ─► root ─► ca: two Issuers and the Certificate between them; more of spec.ca as keywords."""
    return [
        private_issuer("self", {"selfSigned": {}}, namespace),
        root_certificate("self", namespace),
        private_issuer("ca", {"ca": {"secretName": "root-tls", **ca}}, namespace),
    ]


def external_account(kid, key, namespace="default", name="eab"):
    """(Secret, value of spec.acme.externalAccountBinding) for one of Pebble's eab keys."""
    reference = {"keyID": kid, "keySecretRef": {"name": name, "key": "secret"}}
    return secret(name, {"secret": key}, namespace), reference


def certificate(name, dns_names, issuer_name="acme", namespace="default", **spec):
    """A Certificate with Secret 'NAME-tls' and an ECDSA key; more of spec as keywords."""
    body = {
        "secretName": f"{name}-tls",
        "dnsNames": list(dns_names),
        "issuerRef": {"name": issuer_name, "kind": "Issuer"},
        # RSA keys take tenths of a second each under the sanitizers.
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        **spec,
    }
    return _object("cert-manager.io/v1", "Certificate", name, namespace, spec=body)
