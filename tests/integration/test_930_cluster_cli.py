"""The command line against a real API server: status, renew, approve, deny, check, as admin and as others.

Nobody reconciles here: the tests write the statuses that a controller would.
"""

import json
import os
import pathlib
import subprocess

import pytest
import yaml

from support import manifests as m
from support.certlet import Certlet
from support.kube import account_user
from support.kube_fronts import Front, kubeconfig
from support.resources import CERTIFICATES, DEFINITIONS, LEASES, ORDERS, OURS, POLICIES, REQUESTS
from support.server import LOOPBACK, wait_until

pytestmark = pytest.mark.kube
ROOT = pathlib.Path(__file__).resolve().parents[2]
ALL_RESOURCES = {
    "cert-manager.io": ["certificates", "certificaterequests", "issuers", "clusterissuers"],
    "acme.cert-manager.io": ["orders", "challenges"],
}


class Cli(Certlet):
    """The commands as a user of a cluster: a kubeconfig in the environment, as for kubectl."""

    def __init__(self, binary, folder, kubeconfig):
        super().__init__(binary, folder, env={"KUBECONFIG": str(kubeconfig), "HOME": "/nonexistent"})
        self.kubeconfig = kubeconfig

    def json(self, *arguments):
        done = self.command(*arguments, "-o", "json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def admin(binary, kube, tmp_path):
    return Cli(binary, tmp_path / "admin", kube.kubeconfig)


@pytest.fixture
def user(binary, kube, tmp_path):
    """user(namespace, name, *rules): a ServiceAccount that may do so in its namespace, and no more."""

    def new(namespace, name, *rules):
        kubeconfig = kube.service_account(namespace, name)
        if rules:
            kube.apply(m.text(*role(namespace, name, rules)))
            wait_until(lambda: may(kube, namespace, name, rules[0]), 20, f"the role of {name}")
        return Cli(binary, tmp_path / name, kubeconfig)

    return new


def may(kube, namespace, name, one):
    """Whether the authorizer knows of the role by now."""
    return kube.allows(
        account_user(namespace, name),
        namespace=namespace,
        verb=one["verbs"][0],
        group=one["apiGroups"][0],
        resource=one["resources"][0],
    )


def rule(group, resources, *verbs):
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def role(namespace, name, rules):
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": name, "namespace": namespace}}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return (
        {**head, "kind": "Role", "rules": list(rules)},
        {
            **head,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    )


@pytest.fixture(scope="module")
def cluster(kube):
    """With our definitions; each test takes a namespace of its own."""
    kube.kubectl("apply", "--server-side", "-k", ROOT / "crds")
    for resource in OURS:
        kube.kubectl("wait", "--for=condition=Established", f"crd/{resource}")
    return kube


def put(kube, one, status=None, owner=None):
    """Create an object, then its status, as its controller would."""
    namespace, kind = one["metadata"]["namespace"], one["kind"]
    if not kube.get(f"namespaces/{namespace}"):
        kube.create("namespaces", {"metadata": {"name": namespace}})
    group = one["apiVersion"].partition("/")[0]
    resource = f"{kind.lower()}s.{group}"
    if owner:
        one["metadata"]["ownerReferences"] = [m.owner_reference(owner)]
    made = kube.create(resource, one, namespace)
    if status:
        path = f"{resource}/{one['metadata']['name']}"
        made = kube.patch(path, {"status": status}, namespace, "status")
    return made


def condition(kind, status="True", reason="Because", message="so it is"):
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


READY = {
    "conditions": [condition("Ready", reason="Ready", message="Certificate is up to date")],
    "notAfter": "2099-01-01T00:00:00Z",
    "notBefore": "2026-01-01T00:00:00Z",
    "renewalTime": "2098-01-01T00:00:00Z",
    "revision": 1,
}
ISSUING = {
    "conditions": [
        condition("Ready", "False", "DoesNotExist", "there is no Secret yet"),
        condition("Issuing", reason="DoesNotExist", message="there is no Secret yet"),
    ]
}


def labelled(one, **labels):
    one["metadata"]["labels"] = labels
    return one


def request(namespace, name, **annotations):
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"namespace": namespace, "name": name, "annotations": annotations},
        "spec": {"request": "bm90IGEgcmVxdWVzdA==", "issuerRef": {"name": "acme"}},
    }


def order(namespace, name, **annotations):
    return {
        "apiVersion": "acme.cert-manager.io/v1",
        "kind": "Order",
        "metadata": {"namespace": namespace, "name": name, "annotations": annotations},
        "spec": {
            "request": "bm90IGEgcmVxdWVzdA==",
            "issuerRef": {"name": "acme"},
            "dnsNames": ["slow.test"],
        },
    }


def conditions_of(kube, resource, namespace):
    found = kube.get(resource, namespace).get("status", {}).get("conditions", ())
    return {one["type"]: one for one in found}


# --- which cluster ---


def test_commands_say_that_the_definitions_are_missing(kube, admin):
    """First of all: nothing is installed yet."""
    for command in (["status"], ["renew", "--all"], ["renew", "x"], ["approve", "x"]):
        done = admin.command(*command)
        assert done.returncode in (1, 4)
        assert "does not have such a kind" in done.stderr
        assert "check --cluster" in done.stderr
    done = admin.command("check", "--cluster")
    assert done.returncode == 1
    for resource in OURS:
        assert f"problem  CRD {resource}: is missing; kubectl apply" in done.stdout


def test_without_a_kubeconfig_the_error_says_how_to_name_one(binary, tmp_path):
    cli = Cli(binary, tmp_path / "x", "")
    for command in (["status"], ["renew", "--all"], ["deny", "x"], ["check", "--cluster"]):
        done = cli.command(*command)
        assert done.returncode == 4
        assert "no cluster" in done.stderr and "--kubeconfig" in done.stderr
    done = cli.command("status", "--kubeconfig", tmp_path / "none")
    assert done.returncode == 4 and str(tmp_path / "none") in done.stderr


def test_a_context_that_does_not_exist_is_named(cluster, admin):
    done = admin.command("status", "--context", "nowhere")
    assert done.returncode == 4
    assert "no context 'nowhere'" in done.stderr and str(cluster.kubeconfig) in done.stderr


def test_a_context_gives_the_namespace(cluster, admin, tmp_path):
    put(cluster, m.certificate("there", ["a.test"], namespace="of-context"), READY)
    text = pathlib.Path(cluster.kubeconfig).read_text()
    two = text.replace("- name: bed\n  context: {", "- name: two\n  context: {namespace: of-context, ")
    (tmp_path / "two").write_text(two)
    done = admin.command("status", "--kubeconfig", tmp_path / "two", "--context", "two")
    assert done.returncode == 0 and "there" in done.stdout


@pytest.mark.parametrize("command", [["status"], ["renew", "--all"], ["check", "--cluster"]], ids=lambda words: words[0])
def test_a_token_that_is_not_accepted_is_told_with_its_context(cluster, admin, tmp_path, command):
    """Whether it is a GET or, of check, a POST, which a server answers before it has read it."""
    kubeconfig = pathlib.Path(cluster.service_account("bad-token", "me"))
    lines = kubeconfig.read_text().splitlines()
    bad = ["    token: not-a-token" if "token:" in line else line for line in lines]
    (tmp_path / "bad").write_text("\n".join(bad))
    for _ in range(5):
        done = admin.command(*command, "--kubeconfig", tmp_path / "bad")
        assert done.returncode in (1, 4) and not done.stdout
        assert "does not accept our credentials" in done.stderr
        assert f"context 'bed' of '{tmp_path / 'bad'}'" in done.stderr
        assert "not-a-token" not in done.stderr


def test_a_server_that_is_down_is_told(cluster, admin, free_port):
    done = admin.command("status", "--master", f"https://{LOOPBACK}:{int(free_port)}")
    assert done.returncode == 4 and str(int(free_port)) in done.stderr


def test_a_folder_with_a_store_goes_before_the_cluster_and_the_plugin_goes_to_the_cluster(
    cluster, admin, tmp_path
):
    """What scripts do that run in the folder of certlet run stays as it was."""
    put(cluster, m.certificate("in-cluster", ["a.test"], namespace="bare"), READY)
    admin.write("a.yaml", m.certificate("in-folder", ["a.test"], "nowhere"))
    admin.run_once()
    plugin = tmp_path / "kubectl-certlet"
    plugin.symlink_to(pathlib.Path(admin.binary).resolve())

    def at(program, *arguments):
        done = subprocess.run(
            [program, "status", *arguments],
            cwd=admin.folder,
            env={**os.environ, **admin.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    assert "in-folder" in at(admin.binary)
    assert "in-cluster" in at(admin.binary, "-A")
    assert "in-cluster" in at(admin.binary, "--context", "bed", "-n", "bare")
    assert "in-cluster" in at(plugin, "-n", "bare")
    assert "in-folder" in at(plugin, "--dir", ".")


def test_kubectl_certlet_is_the_same_program(cluster, admin, tmp_path):
    put(cluster, m.certificate("web", ["a.test"], namespace="plugin"), READY)
    (tmp_path / "kubectl-certlet").symlink_to(pathlib.Path(admin.binary).resolve())
    env = {**os.environ, **admin.env, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def kubectl(*arguments):
        return subprocess.run(
            [cluster.kubectl_program, "certlet", *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = kubectl("status", "-n", "plugin", "-o", "json", "web")
    assert done.returncode == 0
    assert json.loads(done.stdout)["certificates"][0]["name"] == "web"
    assert "usage: kubectl certlet renew [flags]" in kubectl("renew", "--help").stdout
    assert "usage: kubectl certlet COMMAND" in kubectl("--help").stdout
    lost = kubectl("status", "-n", "plugin", "nobody")
    assert lost.returncode == 1 and lost.stderr.startswith("kubectl certlet status: ")


# --- status ---


def test_status_shows_a_namespace_or_all_or_names(cluster, admin):
    put(cluster, m.certificate("a", ["a.test"], namespace="st-one"), READY)
    put(cluster, m.certificate("b", ["b.test"], namespace="st-one"), ISSUING)
    put(cluster, m.certificate("a", ["c.test"], namespace="st-two"), READY)

    one = admin.command("status", "-n", "st-one")
    assert one.returncode == 1
    lines = [line.split() for line in one.stdout.splitlines()]
    assert lines[0][:2] == ["NAME", "READY"]
    assert lines[1][:4] == ["a", "True", "a.test", "acme"]
    assert lines[2][:3] == ["b", "False", "b.test"]
    assert "there is no Secret yet" in one.stdout and "c.test" not in one.stdout

    everything = admin.command("status", "--all-namespaces")
    assert "st-one/a " in everything.stdout and "st-two/a " in everything.stdout

    some = admin.json("status", "-n", "st-one", "a", "st-two/a")["certificates"]
    assert [(row["namespace"], row["name"]) for row in some] == [("st-one", "a"), ("st-two", "a")]
    lost = admin.command("status", "-n", "st-two", "a", "b")
    assert lost.returncode == 1 and "there is no Certificate 'st-two/b'" in lost.stderr
    assert admin.command("status", "-n", "st-two").returncode == 0


def test_status_explains_from_request_order_and_challenge(cluster, admin):
    namespace = "explain"
    mine = put(cluster, m.certificate("web", ["slow.test"], namespace=namespace), ISSUING)
    asked = request(namespace, "web-1", **{"cert-manager.io/certificate-revision": "1"})
    asked = put(cluster, asked, {"conditions": [condition("Approved")]}, mine)
    placed = put(
        cluster,
        order(namespace, "web-1-2"),
        {"state": "pending", "reason": "not before noon because the CA said so"},
        asked,
    )
    challenge = {
        "apiVersion": "acme.cert-manager.io/v1",
        "kind": "Challenge",
        "metadata": {"namespace": namespace, "name": "web-1-2-3"},
        "spec": {
            **{"url": "u", "authorizationURL": "u", "dnsName": "slow.test", "type": "DNS-01"},
            **{"token": "t", "key": "k", "issuerRef": {"name": "acme"}},
            "solver": {"dns01": {"webhook": {"groupName": "g", "solverName": "s"}}},
        },
    }
    put(cluster, challenge, {"state": "pending", "reason": "no record yet"}, placed)

    row = admin.json("status", "-n", namespace)["certificates"][0]
    assert row["waitingFor"] == "not before noon because the CA said so"
    assert row["failingName"] == "slow.test"


def test_status_of_what_is_ready_and_being_issued_says_both(cluster, admin):
    namespace = "both"
    issuing = condition("Issuing", reason="ManuallyTriggered", message="by hand (waiting: the CA)")
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), {**READY, "conditions": [*READY["conditions"], issuing]})
    line = admin.command("status", "-n", namespace, "-o", "tree", "web").stdout.splitlines()[0]
    assert line.startswith(f"{namespace}/web: ready, expires") and line.endswith("; being issued anew: the CA")


def test_status_asks_for_no_more_than_it_needs(cluster, user):
    namespace, who = "few", account_user("few", "reader")
    every = [rule(group, plurals, "list") for group, plurals in ALL_RESOURCES.items()]
    reader = user(namespace, "reader", *every, rule("", ["secrets"], "get"))
    for i in range(20):
        put(cluster, m.certificate(f"c{i}", ["a.test"], namespace=namespace), READY)
    before = cluster.requests(who)

    done = reader.command("status", "-n", namespace)

    assert done.returncode == 0
    wait_until(lambda: cluster.requests(who) > before + 2, 10, "the audit log")
    assert cluster.requests(who) - before == 3  # Certificates, Issuers, ClusterIssuers
    assert cluster.requests(who, "watch") == 0
    assert "not permitted to read clusterissuers.cert-manager.io: " in done.stdout


def test_status_of_who_may_only_read_certificates_shows_them(cluster, user):
    namespace = "only-certificates"
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), ISSUING)
    reader = user(namespace, "reader", rule("cert-manager.io", ["certificates"], "list"))

    wide = reader.command("status", "-n", namespace, "-o", "wide")
    assert wide.returncode == 1 and wide.stderr == ""  # it is not ready; nothing has failed
    assert "a.test" in wide.stdout
    for what in ("certificaterequests.cert-manager.io", "issuers.cert-manager.io", "secrets"):
        assert f"not permitted to read {what} in namespace '{namespace}': " in wide.stdout
    refused = reader.json("status", "-n", namespace)["refused"]
    assert any("secrets" in one for one in refused)
    assert "secrets" not in reader.command("status", "-n", namespace).stdout


def test_status_of_who_may_read_nothing_names_verb_and_resource(cluster, user):
    nobody = user("nothing", "nobody")
    done = nobody.command("status", "-n", "nothing")
    assert done.returncode == 4 and done.stdout == ""
    assert "needs verb 'list' on 'certificates.cert-manager.io' in namespace 'nothing'" in done.stderr
    done = nobody.command("status", "-A")
    assert done.returncode == 4 and "verb 'list'" in done.stderr


# --- plan ---


def acme_issuer(name, namespace, *solvers):
    key = {"name": f"{name}-account"}
    acme = {"server": "https://ca.test/dir", "privateKeySecretRef": key, "solvers": list(solvers)}
    return m.private_issuer(name, {"acme": acme}, namespace)


def test_plan_names_issuers_that_a_cluster_cannot_work_with(cluster, admin):
    namespace = "plan-issuers"
    dns = {"dns01": {"rfc2136": {"nameserver": "127.0.0.1"}}}
    put(cluster, acme_issuer("by-http", namespace, dns, {"http01": {"ingress": {}}}))
    put(cluster, acme_issuer("by-dns", namespace, dns))
    put(cluster, m.private_issuer("vault", {"vault": {"server": "https://vault.test", "path": "pki",
                                                      "auth": {"tokenSecretRef": {"name": "token"}}}}, namespace))
    found = {one["name"]: one for one in admin.json("plan", "-n", namespace)["issuers"]
             if one.get("namespace") == namespace}
    assert set(found) == {"by-http", "vault"}
    assert found["by-http"]["problem"].startswith("spec.acme.solvers[1].http01: is not built in a cluster")
    assert "vault" in found["vault"]["problem"]
    assert not found["by-http"]["used"]
    assert admin.command("plan", "-n", namespace).returncode == 0  # nobody names them

    put(cluster, m.certificate("web", ["a.test"], "by-http", namespace=namespace))
    done = admin.command("plan", "-n", namespace)
    assert done.returncode == 1
    assert f"Issuer {namespace}/by-http cannot be worked with as it is, so that" in done.stdout
    assert "0 of 1 certificates would be re-issued: 1 issued for the first time" in done.stdout


def test_plan_of_who_may_not_list_all_says_what_is_missing(cluster, user):
    namespace = "plan-rights"
    reader = user(namespace, "planner", rule("cert-manager.io", ["certificates"], "list", "watch"))
    done = reader.command("plan", "-n", namespace)
    assert done.returncode == 4 and done.stdout == ""
    assert "certificaterequests.cert-manager.io" in done.stderr


# --- renew ---


def test_renew_marks_names_labels_or_all(cluster, admin):
    namespace = "renew"
    for name, labels in (("a", {"app": "web"}), ("b", {"app": "db"}), ("c", {"app": "web"})):
        put(cluster, labelled(m.certificate(name, ["a.test"], namespace=namespace), **labels), READY)

    def issuing():
        return [
            name
            for name in "abc"
            if "Issuing" in conditions_of(cluster, f"{CERTIFICATES}/{name}", namespace)
        ]

    done = admin.command("renew", "-n", namespace, "b", "nobody")
    assert done.returncode == 1 and "renew/nobody" in done.stderr
    assert "renew/b: will be issued anew" in done.stdout and issuing() == ["b"]
    mark = conditions_of(cluster, f"{CERTIFICATES}/b", namespace)["Issuing"]
    assert (mark["status"], mark["reason"]) == ("True", "ManuallyTriggered")
    assert mark["message"] == "Certificate re-issuance manually triggered"
    assert conditions_of(cluster, f"{CERTIFICATES}/b", namespace)["Ready"]["reason"] == "Ready"
    status = cluster.get(f"{CERTIFICATES}/b", namespace)["status"]
    assert status["renewalTime"] == READY["renewalTime"] and status["revision"] == 1

    assert admin.command("renew", "-n", namespace, "-l", "app in (web),!old").returncode == 0
    assert issuing() == ["a", "b", "c"]
    none = admin.command("renew", "-n", namespace, "-l", "app=other")
    assert none.returncode == 1
    assert f"no Certificate with such labels in namespace '{namespace}'" in none.stderr
    wrong = admin.command("renew", "-n", namespace, "-l", "app=(")
    assert wrong.returncode == 2 and "selector 'app=('" in wrong.stderr

    everything = admin.command("renew", "-n", namespace, "--all")
    assert everything.returncode == 0
    assert everything.stdout.count("is being issued already") == 3


@pytest.mark.parametrize("reason", ["InvalidSpec", "DuplicateSecretName", "SecretOfIssuer"])
def test_renew_of_what_cannot_be_issued_says_so(cluster, admin, reason):
    namespace = f"cannot-{reason.lower()}"
    refused = {"type": "Ready", "status": "False", "reason": reason, "message": "change\x1b[1m it"}
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), {"conditions": [refused | {"observedGeneration": 1}]})
    put(cluster, m.certificate("edited", ["a.test"], namespace=namespace), {"conditions": [refused]})

    done = admin.command("renew", "-n", namespace, "web", "edited")
    assert done.returncode == 1 and f"{namespace}/edited: will be issued anew" in done.stdout
    assert "cannot be issued as it is: change?[1m it" in done.stderr
    assert "Issuing" not in conditions_of(cluster, f"{CERTIFICATES}/web", namespace)


def rules_of_users(*roles):
    """What our ClusterRoles add to Kubernetes' own view, edit and admin."""
    made = yaml.safe_load_all((ROOT / "deploy/base/rbac/users.yaml").read_text())
    return [rule for one in made if one["metadata"]["name"] in roles for rule in one["rules"]]


def test_renew_of_what_is_being_issued_has_its_order_tried_again(cluster, user):
    """As somebody with `edit`, who may not write Orders: the mark stands on their requests."""
    namespace, retry = "pause", "acme.certlet.dev/retry"
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), ISSUING)
    named = {"cert-manager.io/certificate-name": "web"}
    for name, annotations, status in (
        ("waits", named, {"state": "pending"}),
        ("done", named, {"state": "valid"}),
        ("other", {"cert-manager.io/certificate-name": "x"}, None),
    ):
        owner = put(cluster, request(namespace, name, **annotations))
        put(cluster, order(namespace, name, **annotations), status, owner)
    put(cluster, order(namespace, "of-nobody", **named))

    editor = user(namespace, "editor", *rules_of_users("certlet-view", "certlet-edit"))
    done = editor.command("renew", "-n", namespace, "web")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("its Order is tried again within a minute") == 1

    def has_mark(name):
        return retry in cluster.get(f"{REQUESTS}/{name}", namespace)["metadata"]["annotations"]

    assert [has_mark(name) for name in ("waits", "done", "other")] == [True, False, False]


def test_renew_of_who_may_not_names_what_is_missing(cluster, user):
    namespace = "renew-403"
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), READY)
    reader = user(namespace, "reader", rule("cert-manager.io", ["certificates"], "get", "list"))

    done = reader.command("renew", "-n", namespace, "web")
    assert done.returncode == 1
    assert "needs verb 'update' on 'certificates/status.cert-manager.io'" in done.stderr
    assert "Issuing" not in conditions_of(cluster, f"{CERTIFICATES}/web", namespace)
    foreign = reader.command("renew", "-n", "default", "web")
    assert foreign.returncode == 1 and "needs verb 'get'" in foreign.stderr


def test_renew_holds_out_against_others_who_write_the_same_status(cluster, user, binary, tmp_path):
    """A controller writes statuses all the time; each conflict is a fresh look, and nothing is lost."""
    namespace, who, writes = "conflict", account_user("conflict", "renewer"), 5
    put(cluster, m.certificate("web", ["a.test"], namespace=namespace), READY)
    rules = rule("cert-manager.io", ["certificates"], "get"), rule(
        "cert-manager.io", ["certificates/status"], "update"
    )
    user(namespace, "renewer", *rules)
    path, written = f"{CERTIFICATES}/web", []

    def write_before(method, url):
        """Each time between the look and the write."""
        if method == "PUT" and "/certificates/web/status" in url and len(written) < writes:
            written.append(url)
            revision = {"status": {"revision": 1 + len(written)}}
            cluster.patch(path, revision, namespace, "status")

    def conflicts():
        events = cluster.api_server.audit(who)
        return sum(one.get("responseStatus", {}).get("code") == 409 for one in events)

    with Front(cluster, write_before) as front:
        token = cluster.token(namespace, "renewer")
        config = kubeconfig(tmp_path, front.url, cluster.ca_file, token=token)
        done = Cli(binary, tmp_path / "renewer", config).command("renew", "-n", namespace, "web")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: conflicts() == writes, 20, "the conflicts in the audit log")
    assert "Issuing" in conditions_of(cluster, path, namespace)
    assert cluster.get(path, namespace)["status"]["revision"] == 1 + writes


# --- approve, deny ---


def test_approve_and_deny_write_the_condition_once(cluster, admin):
    namespace = "decide"
    for name in ("good", "bad", "told"):
        put(cluster, request(namespace, name), {"conditions": [condition("Ready", "False")]})

    assert admin.command("approve", "-n", namespace, "good").returncode == 0
    approved = conditions_of(cluster, f"{REQUESTS}/good", namespace)
    assert approved["Approved"]["status"] == "True"
    assert approved["Approved"]["reason"] == "KubectlCertManager"
    assert approved["Approved"]["message"] and approved["Approved"]["lastTransitionTime"] > "2026"
    assert approved["Ready"]["reason"] == "Because"

    assert admin.command("deny", f"{namespace}/bad").returncode == 0
    assert conditions_of(cluster, f"{REQUESTS}/bad", namespace)["Denied"]["status"] == "True"

    words = ("--reason", "Policy", "--message", "too long a name")
    assert admin.command("deny", "-n", namespace, *words, "told").returncode == 0
    told = conditions_of(cluster, f"{REQUESTS}/told", namespace)["Denied"]
    assert (told["reason"], told["message"]) == ("Policy", "too long a name")

    version = cluster.get(f"{REQUESTS}/good", namespace)["metadata"]["resourceVersion"]
    for command, name, is_what in (
        ("approve", "good", "approved"),
        ("deny", "good", "approved"),
        ("approve", "bad", "denied"),
        ("deny", "bad", "denied"),
    ):
        again = admin.command(command, "-n", namespace, name)
        assert again.returncode == 1
        assert f"'{namespace}/{name}': is {is_what} already" in again.stderr
    assert cluster.get(f"{REQUESTS}/good", namespace)["metadata"]["resourceVersion"] == version

    lost = admin.command("approve", "-n", namespace, "nobody")
    assert lost.returncode == 1 and f"'{namespace}/nobody': not found" in lost.stderr


def test_approve_says_that_a_request_will_not_be_signed_all_the_same(cluster, admin):
    namespace = "decide-late"
    invalid = {"type": "InvalidRequest", "status": "True", "reason": "InvalidSpec", "message": "no\x1b[1m CSR"}
    failed = {"type": "Ready", "status": "False", "reason": "Failed", "message": "refused"}
    put(cluster, request(namespace, "invalid"), {"conditions": [invalid, failed]})
    put(cluster, request(namespace, "failed"), {"conditions": [failed]})
    for name, why in (("invalid", "no?[1m CSR"), ("failed", "refused")):
        done = admin.command("approve", "-n", namespace, name)
        assert done.returncode == 1 and not done.stdout
        assert f"'{namespace}/{name}' is approved, but will not be signed: {why}; make a new one" in done.stderr
        assert conditions_of(cluster, f"{REQUESTS}/{name}", namespace)["Approved"]["status"] == "True"


def test_approve_of_who_may_not_names_what_is_missing(cluster, user):
    namespace = "decide-403"
    put(cluster, request(namespace, "one"))
    reader = user(namespace, "reader", rule("cert-manager.io", ["certificaterequests"], "get"))
    for command in ("approve", "deny"):
        done = reader.command(command, "-n", namespace, "one")
        assert done.returncode == 1
        assert "needs verb 'update' on 'certificaterequests/status.cert-manager.io'" in done.stderr
    assert conditions_of(cluster, f"{REQUESTS}/one", namespace) == {}


MISUSED = {
    ("approve",): "which CertificateRequest",
    ("deny", "-A", "x"): "NAMESPACE/NAME",
    ("status", "--dir", ".", "--context", "x"): "give one of them",
    ("status", "-A", "-n", "x"): "not both",
    ("renew", "-l", "a=b", "x"): "not two of them",
    ("check", "--cluster", "file"): "not both",
    ("check", "--context", "x", "file"): "--cluster",
    ("check", "--cluster", "--service-account", "x"): "NAMESPACE/NAME",
}


@pytest.mark.parametrize("arguments", MISUSED, ids=" ".join)
def test_wrong_usage_ends_with_2(binary, tmp_path, arguments):
    done = Cli(binary, tmp_path / "x", "").command(*arguments)
    assert done.returncode == 2 and MISUSED[arguments] in done.stderr


# --- check --cluster ---


def findings(cli, about, *flags):
    """[(level, text)] of what is said about something."""
    said = cli.json("check", "--cluster", *flags)["findings"]
    return [(one["level"], one["text"]) for one in said if about in one["about"]]


def test_check_finds_the_definitions_ours_and_kept(cluster, admin):
    for resource in OURS:
        found = findings(admin, f"CRD {resource}")
        assert [level for level, _ in found] == ["ok"]
    version = cluster.request("GET", "/version")["gitVersion"]
    assert any(version in text for _, text in findings(admin, "server"))

    path = f"{DEFINITIONS}/{ORDERS}"
    cluster.patch(path, {"metadata": {"annotations": {"helm.sh/resource-policy": None}}})
    assert ("warning", "has no annotation helm.sh/resource-policy: keep") in findings(
        admin, f"CRD {ORDERS}"
    )
    release = {"meta.helm.sh/release-name": "cm"}
    cluster.patch(path, {"metadata": {"annotations": release}})
    assert ("problem", "helm uninstall cm would delete it and every object of it") in findings(
        admin, f"CRD {ORDERS}"
    )
    back = {"helm.sh/resource-policy": "keep", "meta.helm.sh/release-name": None}
    cluster.patch(path, {"metadata": {"annotations": back}})


def policy(name, expression="true"):
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rules = {
        **{"apiGroups": ["cert-manager.io"], "apiVersions": ["v1"]},
        **{"operations": ["UPDATE"], "resources": ["certificaterequests/status"]},
    }
    return (
        {
            **head,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rules]},
                "validations": [{"expression": expression}],
            },
        },
        {
            **head,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )


def test_check_follows_a_policy_from_missing_to_active(cluster, admin):
    name = "certlet-certificaterequest-approval"
    about = f"admission policy {name}"
    policies, bindings = POLICIES
    stamps = cluster.minor >= 36
    wanted = 11 if stamps else 10
    try:
        assert [level for level, _ in findings(admin, about)] == ["problem"]
        assert bool(findings(admin, "mutating policy")) == stamps
        cluster.apply(m.text(policy(name)[0]))
        assert any("is not bound" in text for _, text in findings(admin, about))
        cluster.apply(m.text(policy(name)[1]))
        good = ("ok", f"1 of {wanted} are there, bound and active")
        wait_until(lambda: good in findings(admin, "admission policies"), 30, "the policy")
        assert findings(admin, about) == []
    finally:
        cluster.delete(f"{policies}/{name}")
        cluster.delete(f"{bindings}/{name}")


def lease(holder, renewed):
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "cert-manager-controller", "namespace": "leases"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed},
    }


def test_check_says_who_holds_the_lease(cluster, admin):
    uuid = "0b6a4f1e-6f0c-4c0e-9d0a-3f1f6a2b8c77"
    flags = ("--leader-election-namespace", "leases")
    cluster.create("namespaces", {"metadata": {"name": "leases"}})

    def found():
        return findings(admin, "Lease leases/cert-manager-controller", *flags)[0]

    assert found()[0] == "problem" and "there is none" in found()[1]
    cluster.apply(m.text(lease(f"pod_{uuid}", "2099-01-01T00:00:00.000000Z")))
    assert found()[0] == "ok" and "(certlet)" in found()[1]
    cluster.apply(m.text(lease("pod-external-cert-manager-controller", "2099-01-01T00:00:00.000000Z")))
    assert found()[0] == "warning" and "(cert-manager)" in found()[1]
    cluster.apply(m.text(lease(f"pod_{uuid}", "2026-01-01T00:00:00.000000Z")))
    assert found()[0] == "problem" and "nobody works" in found()[1]

    chart = lease("pod-external-cert-manager-controller", "2099-01-01T00:00:00.000000Z")
    chart["metadata"]["namespace"] = "kube-system"
    cluster.apply(m.text(chart))
    two = findings(admin, "Lease kube-system/cert-manager-controller", *flags)
    cluster.delete(f"{LEASES}/cert-manager-controller", "kube-system")
    assert two[0][0] == "problem" and "works beside" in two[0][1]


def bind(name, namespace, rules):
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
    return (
        {**head, "kind": "ClusterRole", "rules": list(rules)},
        {
            **head,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    )


def test_check_asks_what_the_service_account_may_do(cluster, admin):
    namespace, name = "rights", "controller"
    flags = ("--service-account", f"{namespace}/{name}")
    about = f"ServiceAccount {namespace}/{name}"
    assert findings(admin, about, *flags) == [("problem", "is missing")]

    cluster.service_account(namespace, name)
    nothing = findings(admin, about, *flags)
    assert ("problem", "may not update certificates/status.cert-manager.io") in nothing
    assert ("problem", "may not get, list, watch, create, patch, delete secrets") in nothing

    cluster.apply(m.text(*bind(name, namespace, [rule("*", ["*"], "*")])))
    wait_until(
        lambda: [level for level, _ in findings(admin, about, *flags)] == ["ok"],
        20,
        "the permissions",
    )
    few = [
        rule("*", ["*"], "get", "list", "watch", "create", "patch", "delete", "approve"),
        rule("cert-manager.io", ["certificates/status", "certificaterequests/status"], "update"),
        rule("coordination.k8s.io", ["leases"], "update"),
    ]
    cluster.apply(m.text(*bind(name, namespace, few)))
    missing = {
        f"may not update {what}"
        for what in (
            "issuers/status.cert-manager.io",
            "clusterissuers/status.cert-manager.io",
            "orders/status.acme.cert-manager.io",
            "challenges/status.acme.cert-manager.io",
        )
    }
    wait_until(
        lambda: {text for _, text in findings(admin, about, *flags)} == missing, 20, "less of them"
    )


SIGNING = "certlet-controller-signing-requests"


def component():
    """The objects of deploy/signing_requests/component."""
    text = (ROOT / "deploy/signing_requests/component/rbac.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def deployment(*arguments):
    container = {"name": "certlet", "image": "certlet", "args": ["controller", *arguments]}
    labels = {"app": "certlet"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "certlet", "namespace": "cert-manager"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": "certlet", "containers": [container]},
            },
        },
    }


def test_check_follows_the_signing_of_requests_from_off_to_partly_there_to_on(cluster, admin):
    cluster.service_account("cert-manager", "certlet")
    role, binding = component()
    gate = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true"

    def found():
        return findings(admin, "CertificateSigningRequests")

    assert found() == [("ok", "are not signed: deploy/signing_requests is not installed")]
    try:
        cluster.apply(m.text(role))
        level, text = found()[0]
        assert level == "problem" and text.startswith(f"ClusterRole {SIGNING} is there, but the controller may not")
        assert "get, list, watch certificatesigningrequests.certificates.k8s.io" in text
        assert "sign signers.certificates.k8s.io clusterissuers.cert-manager.io/*" in text
        assert "create subjectaccessreviews.authorization.k8s.io" in text

        cluster.apply(m.text(deployment()))
        assert found() == [("warning", f"are not signed: ClusterRole {SIGNING} is there, but the gate is off")]
        cluster.apply(m.text(deployment(gate)))
        assert found()[0][0] == "problem" and found()[0][1].startswith("the gate is on, but the controller may not")

        cluster.apply(m.text(binding))
        good = [("ok", "the gate is on, and the controller has the permissions")]
        wait_until(lambda: found() == good, 20, "the permissions of the component")
        role["rules"] = [one for one in role["rules"] if "signers" not in one["resources"]]
        cluster.apply(m.text(role))
        wait_until(lambda: found() != good, 20, "less of them")
        assert found() == [("problem", "the gate is on, but the controller may not "
                            "sign signers.certificates.k8s.io issuers.cert-manager.io/*; "
                            "sign signers.certificates.k8s.io clusterissuers.cert-manager.io/*")]

        cluster.kubectl("delete", "clusterrole,clusterrolebinding", SIGNING)
        cluster.apply(m.text(deployment()))
        assert found() == [("ok", "are not signed: the gate is off")]
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", SIGNING)
        cluster.kubectl("delete", "--ignore-not-found", "-n", "cert-manager", "deployment", "certlet")


WEBHOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: left-behind
  annotations: {cert-manager.io/inject-ca-from-secret: hooks/ca}
webhooks:
- name: webhook.cert-manager.io
  sideEffects: None
  admissionReviewVersions: [v1]
  failurePolicy: Fail
  # Only what nobody writes: other tests go on.
  namespaceSelector: {matchLabels: {nobody: has}}
  rules:
  - {apiGroups: [cert-manager.io], apiVersions: ["*"], operations: [CREATE], resources: ["*/*"]}
  clientConfig: {service: {namespace: hooks, name: hook}}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: hook-1, namespace: hooks, labels: {kubernetes.io/service-name: hook}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1], conditions: {ready: true}}]
ports: [{name: https, port: 443}]
"""


def test_check_finds_a_webhook_without_pods_and_who_waits_for_cainjector(cluster, admin):
    cluster.create("namespaces", {"metadata": {"name": "hooks"}})
    cluster.apply(WEBHOOK)
    try:
        level, text = findings(admin, "webhook webhook.cert-manager.io")[0]
        assert level == "problem" and "Service hooks/hook has no endpoints" in text
        waits = findings(admin, "validatingwebhookconfiguration left-behind")
        assert waits[0][0] == "warning" and "inject-ca-from-secret" in waits[0][1]
        line = admin.command("check", "--cluster").stdout
        assert "kubectl delete validatingwebhookconfiguration left-behind" in line
        cluster.apply(SLICE)
        assert findings(admin, "webhook webhook.cert-manager.io")[0][0] == "ok"
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", "left-behind")


def test_check_of_who_may_not_look_says_what_is_not_known(cluster, user):
    cluster.service_account("cert-manager", "certlet")
    nobody = user("check-403", "nobody")
    done = nobody.command("check", "--cluster")
    assert done.returncode == 0 and done.stderr == ""  # nothing is known to be wrong
    for what in (
        "customresourcedefinitions.apiextensions.k8s.io: whether CRD orders",
        "validatingadmissionpolicies.admissionregistration.k8s.io: whether the policies",
        "leases.coordination.k8s.io in namespace 'kube-system': whether a controller",
        "validatingwebhookconfigurations.admissionregistration.k8s.io: whether a webhook",
        "deployments.apps in namespace 'cert-manager': whether CertificateSigningRequests",
    ):
        assert f"warning  permissions of yours: not permitted to read {what}" in done.stdout
    assert "not permitted to ask about ServiceAccount cert-manager/certlet" in done.stdout
    assert "you have 0" in done.stdout and "may not" not in done.stdout
    some = user("check-403", "some", rule("coordination.k8s.io", ["leases"], "create"))
    said = some.command("check", "--cluster", "--leader-election-namespace", "check-403").stdout
    assert "you have 1" in said and "yours: may not get, list, watch certificates.cert" in said


def test_check_changes_nothing(cluster, admin):
    cluster.service_account("cert-manager", "certlet")
    begin, end = "configmaps/begins-here", "configmaps/ends-here"  # what the audit log has is a moment late

    def asked(until):
        uris = [one["requestURI"] for one in cluster.api_server.audit("admin")]
        return any(uri.endswith(until) for uri in uris)

    cluster.get(begin, "default")
    wait_until(lambda: asked(begin), 20, "the beginning in the audit log")
    before = len(cluster.api_server.audit("admin"))

    admin.command("check", "--cluster")

    cluster.get(end, "default")
    wait_until(lambda: asked(end), 20, "the end in the audit log")
    asked_by_check = cluster.api_server.audit("admin")[before:]
    writes = [one for one in asked_by_check if one["verb"] not in ("get", "list")]
    assert {one["objectRef"]["resource"] for one in writes} == {"subjectaccessreviews"}
