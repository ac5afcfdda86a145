"""What a ServiceAccount may."""

import yaml

from .controller import ACCOUNT, NAMESPACE, ROOT, apply

GROUP = "rbac.authorization.k8s.io"


def rule(resource, *verbs, **more):
    """Of a Role, for our API group."""
    return {"apiGroups": ["cert-manager.io"], "resources": [resource], "verbs": list(verbs), **more}


def grant(kube, namespace, account, *rules):
    """By a Role called after the account."""
    _make(kube, "Role", account, rules, namespace)
    bind(kube, namespace, account, account, "Role")


def grant_everywhere(kube, namespace, account, *rules):
    """By a ClusterRole called after the account and its namespace."""
    name = f"{namespace}-{account}"
    _make(kube, "ClusterRole", name, rules)
    _make(kube, "ClusterRoleBinding", name, None, None, **_bound(namespace, account, name, "ClusterRole"))


def grant_as_ours(kube, namespace, account, change):
    """What `deploy` grants the controller's own account, each rule as `change(rule)` has it."""
    ours = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    made = list(yaml.safe_load_all(kube.kubectl("kustomize", ROOT / "deploy")))
    roles = {(one["kind"], one["metadata"]["name"]): one for one in made if one["kind"].endswith("Role")}
    for binding in made:
        if ours not in binding.get("subjects", ()):
            continue
        role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
        name, place = f"{namespace}-{account}-{role['metadata']['name']}", role["metadata"].get("namespace")
        _make(kube, role["kind"], name, map(change, role["rules"]), place)
        bound = _bound(namespace, account, name, role["kind"])
        _make(kube, binding["kind"], name, None, place, **bound)


def bind(kube, namespace, account, role, kind="ClusterRole"):
    """Let it do in its namespace what a role says."""
    _make(kube, "RoleBinding", account, None, namespace, **_bound(namespace, account, role, kind))


def _bound(namespace, account, role, kind):
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}, "subjects": [subject]}


def _make(kube, kind, name, rules, namespace=None, **more):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    content = {"rules": list(rules)} if rules else more
    apply(kube, {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **content})
