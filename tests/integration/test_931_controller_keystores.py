"""Key stores in a cluster: in the Secret for all formats, with passwords from Secrets that come, go and change, and
beside what others have put there. What is in each profile: test_130_keystores.py.
"""

import base64

import pytest

from support import keystores as ks
from support import manifests as m
from support import pki, rbac
from support.bed import wait_until
from support.controller import Controller, apply, condition, refused, wait_for_revision, wait_ready
from support.keystores import PASSWORD, STORES
from support.kube import account_user
from support.resources import CERTIFICATES, ISSUERS, REQUESTS

pytestmark = pytest.mark.kube
THEIRS = {"keystore.jks": "theirs", "note": "kept"}
ISSUING = "cert-manager-certificates-issuing"


@pytest.fixture(scope="module")
def controller(binary, cluster, tmp_path_factory):
    with Controller(binary, tmp_path_factory.mktemp("controller"), cluster) as process:
        process.wait_to_lead()
        yield process


def both(password=None, profile="Modern2023"):
    """Of a literal password, or that of the Secret 'store'."""
    source = {"password": password} if password else {"passwordSecretRef": {"name": "store", "key": "password"}}
    return {"jks": {"create": True, **source}, "pkcs12": {"create": True, "profile": profile, **source}}


def web(namespace, keystores=None, **spec):
    return m.certificate(
        "web", ["web.example.test"], "ca", namespace, **({"keystores": keystores} if keystores else {}), **spec
    )


def store_secret(namespace, password):
    return m.secret("store", {"password": password}, namespace)


def secret(cluster, namespace):
    return cluster.get("secrets/web-tls", namespace)


def data(cluster, namespace):
    return {key: base64.b64decode(value) for key, value in secret(cluster, namespace)["data"].items()}


def stores(one):
    return set(one["data"]) & set(STORES) if one else set()


def wait_for_stores(cluster, namespace, wanted):
    return cluster.wait_for("secrets/web-tls", namespace, condition=lambda one: stores(one) == set(wanted))


def owned(one):
    """Entries of the Secret that belong to the controller."""
    fields = [entry["fieldsV1"] for entry in one["metadata"]["managedFields"] if entry["manager"] == ISSUING]
    return {key[2:] for one in fields for key in one.get("f:data", {}) if key.startswith("f:")}


def check_all(folder, found, password=PASSWORD):
    """keytool opens each of them: key under its alias with the chain, CA trusted; the key is that of tls.key."""
    for name in STORES:
        (folder / name).write_bytes(found[name])
    leaf, ca = (ks.fingerprints(found[name].decode()) for name in ("tls.crt", "ca.crt"))
    for name, alias in (("keystore.jks", "certificate"), ("keystore.p12", "1")):
        entry = ks.entries(folder / name, password)[alias]
        assert entry.kind == "PrivateKeyEntry" and entry.chain[: len(leaf)] == leaf
        key = ks.key_of(folder / name, alias, folder, password)
        assert pki.public_of(key) == pki.public_of(found["tls.key"])
    for name, alias in (("truststore.jks", "ca"), ("truststore.p12", "cn=certlet test root")):
        entry = ks.entries(folder / name, password)[alias]
        assert entry.kind == "trustedCertEntry" and entry.chain == ca


def waits_for(words):
    def holds(one):
        status, _, message = condition(one, "Issuing") or ("", "", "")
        return status == "True" and words in (message or "")

    return holds


def reasons(cluster, namespace):
    return {one["reason"] for one in cluster.list("events", namespace) if one["involvedObject"]["name"] == "web"}


@pytest.mark.parametrize("profile", ["LegacyRC2", "LegacyDES", "Modern2023"])
def test_a_certificate_comes_with_its_stores(controller, cluster, private_ca, tmp_path, profile):
    apply(cluster, store_secret(private_ca, PASSWORD), web(private_ca, both(profile=profile)))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    one = secret(cluster, private_ca)
    assert stores(one) == set(STORES) and set(STORES) <= owned(one)
    check_all(tmp_path, data(cluster, private_ca))


def test_the_newest_profile_has_its_mac(controller, cluster, private_ca):
    apply(cluster, web(private_ca, both(PASSWORD, "Modern2026")))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    for name in ("keystore.p12", "truststore.p12"):
        assert ks.pbmac1_fits(data(cluster, private_ca)[name])


def test_stores_come_and_go_with_the_spec_and_the_certificate_stays(controller, cluster, private_ca):
    apply(cluster, web(private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    first = data(cluster, private_ca)
    apply(cluster, web(private_ca, both(PASSWORD)))
    wait_for_stores(cluster, private_ca, STORES)
    apply(cluster, web(private_ca, {"pkcs12": both(PASSWORD)["pkcs12"]}))
    wait_for_stores(cluster, private_ca, ("keystore.p12", "truststore.p12"))
    apply(cluster, web(private_ca))
    wait_for_stores(cluster, private_ca, ())
    assert data(cluster, private_ca) == first
    assert cluster.get(f"{CERTIFICATES}/web", private_ca)["status"]["revision"] == 1


def test_stores_change_with_the_certificate_and_at_no_other_time(controller, cluster, private_ca, plugin, tmp_path):
    apply(cluster, store_secret(private_ca, "first one"), web(private_ca, both()))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    first = data(cluster, private_ca)
    version = secret(cluster, private_ca)["metadata"]["resourceVersion"]
    # A new process, and a new password.
    controller.stop()
    apply(cluster, store_secret(private_ca, PASSWORD))
    controller.start()
    controller.wait_to_lead()
    apply(cluster, web(private_ca, both(), secretTemplate={"labels": {"team": "web"}}))
    one = cluster.wait_for(
        "secrets/web-tls", private_ca, condition=lambda one: "team" in one["metadata"]["labels"]
    )
    assert one["metadata"]["resourceVersion"] != version
    assert data(cluster, private_ca) == first
    assert plugin("renew", "-n", private_ca, "web").returncode == 0
    wait_for_revision(cluster, "web", private_ca, 2)
    second = data(cluster, private_ca)
    assert all(second[name] != first[name] for name in STORES)
    check_all(tmp_path, second)


@pytest.mark.parametrize(
    "first, words",
    [(None, "/store' does not exist"), ({"other": "x"}, "no key 'password'"), ({"password": ""}, "is empty")],
    ids=["no Secret", "no key", "no text"],
)
def test_an_issued_certificate_waits_for_its_password(controller, cluster, private_ca, tmp_path, first, words):
    if first:
        apply(cluster, m.secret("store", first, private_ca))
    apply(cluster, web(private_ca, both()))
    cluster.wait_for(f"{CERTIFICATES}/web", private_ca, condition=waits_for(words))
    assert secret(cluster, private_ca) is None
    wait_until(lambda: "KeystorePasswordSecretNotFound" in reasons(cluster, private_ca), 20, "the event")
    apply(cluster, store_secret(private_ca, PASSWORD))
    one = wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    assert one["status"]["revision"] == 1
    requests = [one["metadata"]["name"] for one in cluster.list(REQUESTS, private_ca)]
    assert sorted(requests) == ["root-1", "web-1"]
    check_all(tmp_path, data(cluster, private_ca))


def without_get_of_secrets(rule):
    return {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "get"]} if rule["resources"] == ["secrets"] else rule


def next_key(one):
    return one.get("status", {}).get("nextPrivateKeySecretName")


def let_read(cluster, namespace, account, *names):
    """These Secrets and no others; the authorizer knows of it by now."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": list(names), "verbs": ["get"]}
    rbac.grant(cluster, namespace, account, rule)
    about = {"namespace": namespace, "verb": "get", "resource": "secrets"}
    user = account_user(namespace, account)
    wait_until(lambda: all(cluster.allows(user, **about, name=name) for name in names), 20, "the permission")


def test_a_password_that_may_not_be_read_is_waited_for(controller, cluster, private_ca, tmp_path):
    """By an account that may read each Secret but this one. A role has names and no exceptions, so the next key of
    the Certificate may be read from when its name is known: until then it is what is waited for.
    """
    wait_ready(cluster, f"{ISSUERS}/ca", private_ca)
    kubeconfig = cluster.service_account(private_ca, "few")
    rbac.grant_as_ours(cluster, private_ca, "few", without_get_of_secrets)
    may = ["root-tls", "web-tls", "beside-tls"]
    let_read(cluster, private_ca, "few", *may)

    def waits_for_secret(name):
        words = f"'{private_ca}/{name}': denied: needs verb 'get' on 'secrets'"
        return cluster.wait_for(f"{CERTIFICATES}/web", private_ca, condition=waits_for(words), seconds=90)

    with controller.instead(tmp_path / "few", kubeconfig=kubeconfig):
        apply(cluster, store_secret(private_ca, PASSWORD), web(private_ca, both()))
        one = cluster.wait_for(f"{CERTIFICATES}/web", private_ca, condition=next_key)
        may.append(next_key(one))
        waits_for_secret(next_key(one))
        let_read(cluster, private_ca, "few", *may)
        one = waits_for_secret("store")
        said = condition(one, "Issuing")[2]
        assert "keystores.jks.passwordSecretRef: " in said and said.count("reading") == 1
        wait_until(lambda: "KeystorePasswordSecretNotFound" in reasons(cluster, private_ca), 20, "the event")
        apply(cluster, m.certificate("beside", ["beside.example.test"], "ca", private_ca))
        wait_ready(cluster, f"{CERTIFICATES}/beside", private_ca, 20)
        assert secret(cluster, private_ca) is None

        let_read(cluster, private_ca, "few", *may, "store")
        one = wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    assert one["status"]["revision"] == 1
    requests = [one["metadata"]["name"] for one in cluster.list(REQUESTS, private_ca)]
    assert sorted(requests) == ["beside-1", "root-1", "web-1"]
    check_all(tmp_path, data(cluster, private_ca))


def test_a_store_that_is_asked_for_later_waits_too(controller, cluster, private_ca):
    apply(cluster, web(private_ca))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    apply(cluster, web(private_ca, both()))
    wait_until(lambda: "KeystorePasswordSecretNotFound" in reasons(cluster, private_ca), 20, "the event")
    apply(cluster, store_secret(private_ca, PASSWORD))
    wait_for_stores(cluster, private_ca, STORES)
    assert cluster.get(f"{CERTIFICATES}/web", private_ca)["status"]["revision"] == 1


def test_what_is_there_of_others_stays_until_it_is_asked_for(controller, cluster, private_ca):
    apply(cluster, m.secret("web-tls", THEIRS, private_ca), web(private_ca, {"pkcs12": both(PASSWORD)["pkcs12"]}))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    now = data(cluster, private_ca)
    assert (now["keystore.jks"], now["note"]) == (b"theirs", b"kept")
    apply(cluster, web(private_ca, both(PASSWORD)))
    cluster.wait_for("secrets/web-tls", private_ca, condition=lambda one: "keystore.jks" in owned(one))
    now = data(cluster, private_ca)
    assert now["keystore.jks"][:4] == b"\xfe\xed\xfe\xed" and now["note"] == b"kept"
    apply(cluster, web(private_ca))
    wait_for_stores(cluster, private_ca, ())
    assert data(cluster, private_ca)["note"] == b"kept"


def test_what_somebody_takes_away_or_overwrites_is_made_again(controller, cluster, private_ca, tmp_path):
    apply(cluster, web(private_ca, both(PASSWORD)))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    first = data(cluster, private_ca)
    for broken in (None, "QUJD"):
        cluster.patch("secrets/web-tls", {"data": {"keystore.jks": broken}}, private_ca)
        cluster.wait_for(
            "secrets/web-tls", private_ca, condition=lambda one: len(one["data"].get("keystore.jks", "")) > 100
        )
    now = data(cluster, private_ca)
    assert now["keystore.jks"] != first["keystore.jks"] and now["keystore.p12"] == first["keystore.p12"]
    check_all(tmp_path, now)


def test_a_literal_password_beside_an_empty_reference_is_taken(controller, cluster, private_ca):
    """As typed clients in Go write it."""
    keystores = {"jks": {"create": True, "password": PASSWORD, "passwordSecretRef": {"name": ""}}}
    apply(cluster, web(private_ca, keystores))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)
    assert "keystore.jks" in data(cluster, private_ca)


def test_passwords_cost_a_read_and_are_told_nowhere(controller, cluster, private_ca):
    """After all of the above; and no permission is missing."""
    apply(cluster, store_secret(private_ca, "hidden-word"), web(private_ca, both()))
    wait_ready(cluster, f"{CERTIFICATES}/web", private_ca)

    def asked():
        events = cluster.api_server.audit(account_user("cert-manager", "certlet"))
        about = [one.get("objectRef", {}) for one in events if one["verb"] == "get"]
        return [one["name"] for one in about if one.get("namespace") == private_ca and one["resource"] == "secrets"]

    wait_until(lambda: asked().count("store") >= 2, 20, "the reads in the audit log")
    assert asked().count("store") == 2  # one for each format
    told = repr([cluster.list("events", private_ca), cluster.list(CERTIFICATES, private_ca), controller.log_text()])
    assert "hidden-word" not in told and PASSWORD not in controller.log_text()
    assert refused(cluster) == []
