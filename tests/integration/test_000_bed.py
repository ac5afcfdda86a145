"""The bed itself: what the other tests stand on. No certlet here, so a failure is never certlet's."""

import fcntl
import http.server
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from support import pki
from support.acme_ca import b64url
from support.acme_client import AcmeClient, AcmeError
from support.background import Background, Process, boot_id, start_time
from support.bed import Bind, Pebble, wait_until
from support.bind import ALGORITHMS, new_secret
from support.kube import account_user
from support.kube_api import KubeApi, KubeError
from support.server import HACK, accepts_connections, cached_program, reserve_port


def present_by_dns(bind, client):
    def present(name, challenge):
        bind.add_record(
            f"_acme-challenge.{name}.", "TXT", f'"{client.dns_value(challenge["token"])}"'
        )

    return present


def names_of(pem):
    return pki.openssl("x509", "-noout", "-ext", "subjectAltName", stdin=pem)


def verify(chain_pem, root_pem, folder):
    """openssl verify: leaf and intermediates against the root."""
    (folder / "chain.pem").write_text(chain_pem)
    (folder / "root.pem").write_text(root_pem)
    untrusted = ("-untrusted", folder / "chain.pem")
    return pki.openssl("verify", "-CAfile", folder / "root.pem", *untrusted, folder / "chain.pem")


# --- BIND ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_takes_an_update_signed_with(bed, tmp_path, algorithm):
    with Bind(tmp_path, tsig={"key": (algorithm, new_secret())}) as bind:
        done = bind.nsupdate('update add _acme-challenge.example.test 1 TXT "value"', "key")
        assert done.returncode == 0, done.stderr
        assert bind.txt("_acme-challenge.example.test") == ["value"]


def test_bind_refuses_an_unsigned_update(bind):
    done = bind.nsupdate('update add unsigned.example.test 1 TXT "value"')
    assert done.returncode != 0 and "REFUSED" in done.stderr
    assert bind.txt("unsigned.example.test") == []


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_bind_answers_over(bind, tcp):
    assert bind.query("example.test", "SOA", tcp).values("SOA") == ["ns.example.test"]
    assert bind.query("any.name.example.test", "A", tcp).values("A") == ["127.0.0.1"]


def test_bind_holds_two_values_and_deletes_one(bind):
    bind.add_record("two.example.test", "TXT", '"a"')
    bind.add_record("two.example.test", "TXT", '"b"')
    assert bind.txt("two.example.test") == ["a", "b"]
    bind.delete_record("two.example.test", "TXT", '"a"')
    assert bind.txt("two.example.test") == ["b"]


def test_bind_follows_an_alias_into_its_other_zone(bind):
    bind.add_record("alias.example.test", "CNAME", "real.other.test.")
    bind.add_record("real.other.test", "TXT", '"there"')
    assert bind.txt("alias.example.test", tcp=True) == ["there"]


def test_bind_denies_what_is_in_no_zone_without_asking_anybody(bind):
    assert bind.query("www.nowhere.invalid", "A").rcode == 3


def test_bind_keeps_its_records_and_port_over_a_restart(bind):
    bind.add_record("kept.example.test", "TXT", '"value"')
    bind.restart()
    assert bind.txt("kept.example.test") == ["value"]


def test_bind_drops_packets_while_paused(bind):
    bind.pause()
    try:
        with pytest.raises(OSError):
            bind.query("example.test", "SOA", timeout=0.2)
    finally:
        bind.resume()
    assert bind.query("example.test", "SOA").rcode == 0


# --- Pebble ---


def test_pebble_serves_a_directory_over_https_with_its_own_root(pebble):
    directory = pebble.directory()
    assert directory["newOrder"].startswith("https://127.0.0.1:")
    assert "renewalInfo" in directory
    assert "BEGIN CERTIFICATE" in pebble.root_pem()


def test_pebble_validates_through_bind_issues_and_counts(pebble, bind, tmp_path):
    client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
    client.register()
    orders, finalizes = pebble.new_orders(), pebble.finalizes()

    chain = client.issue(["dns.example.test", "*.dns.example.test"], present_by_dns(bind, client))

    assert "DNS:*.dns.example.test" in names_of(chain)
    assert "OK" in verify(chain, pebble.root_pem(), tmp_path)
    assert (pebble.new_orders() - orders, pebble.finalizes() - finalizes) == (1, 1)
    assert pebble.requests("/order-plz") >= 1


def test_pebble_validates_http_on_the_port_it_was_given(pebble, tmp_path):
    client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
    client.register()

    class Responder(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(client.key_authorization(self.path.rpartition("/")[2]).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", int(pebble.http_port)), Responder) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            assert "web.example.test" in names_of(
                client.issue(["web.example.test"], kind="http-01")
            )
        finally:
            server.shutdown()


def test_pebble_answers_renewal_questions_as_told(pebble, bind, tmp_path):
    client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
    client.register()
    chain = client.issue(["ari.example.test"], present_by_dns(bind, client))
    leaf = chain.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    window = {"suggestedWindow": {"start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}}

    pebble.set_renewal_info(leaf, window)

    assert client._send(pebble.directory()["renewalInfo"] + "/" + ari_id(leaf))[0] == window


def ari_id(pem):
    """RFC 9773 4.1: the key identifier of the issuer and the serial number."""
    text = pki.openssl("x509", "-noout", "-serial", "-ext", "authorityKeyIdentifier", stdin=pem)
    key_id = re.search(r"(?:[0-9A-F]{2}:){19}[0-9A-F]{2}", text).group(0).replace(":", "")
    serial = bytes.fromhex(re.search(r"serial=([0-9A-F]+)", text).group(1))
    serial = (b"\0" if serial[0] & 0x80 else b"") + serial
    return b64url(bytes.fromhex(key_id)) + "." + b64url(serial)


def test_pebble_takes_profiles_blocklist_and_external_accounts(bed, bind, tmp_path):
    settings = {"eab": {"kid": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}}
    with Pebble(
        tmp_path / "a", dns=bind.address, profiles={"hour": 3600}, blocklist=["no.test"]
    ) as pebble:
        assert list(pebble.directory()["meta"]["profiles"]) == ["hour"]
        client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
        client.register()
        chain = client.issue(["short.example.test"], present_by_dns(bind, client), profile="hour")
        pki.openssl("x509", "-noout", "-checkend", "600", stdin=chain)
        with pytest.raises(pki.BedError):
            pki.openssl("x509", "-noout", "-checkend", "3700", stdin=chain)
        with pytest.raises(AcmeError, match="rejectedIdentifier"):
            client.issue(["no.test"])
    with Pebble(tmp_path / "b", dns=bind.address, **settings) as pebble:
        with pytest.raises(AcmeError, match="externalAccountRequired"):
            AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file).register()


def test_pebble_of_the_distribution_issues_too(bed, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address, version="distribution") as pebble:
        client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
        client.register()
        chain = client.issue(["old.example.test"], present_by_dns(bind, client))
        assert "OK" in verify(chain, pebble.root_pem(), tmp_path)
        assert (pebble.new_orders(), pebble.finalizes()) == (1, 1)


def test_pebble_comes_back_on_its_ports_with_counters_and_without_memory(bed, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble:
        client = AcmeClient(tmp_path, pebble.directory_url, pebble.ca_file)
        client.register()
        client.issue(["once.example.test"], present_by_dns(bind, client))
        root = pebble.root_pem()

        pebble.stop()
        with pytest.raises(OSError):
            pebble.directory()
        pebble.start()

        assert pebble.root_pem() != root
        assert pebble.new_orders() == 1


# --- two beds ---


def test_two_beds_run_at_once(bed, bind, pebble, tmp_path):
    with Bind(tmp_path / "bind", zones=["example.test"]) as second_bind:
        with Pebble(tmp_path / "pebble", dns=second_bind.address) as second_pebble:
            second_bind.add_record("whose.example.test", "TXT", '"second"')
            assert bind.txt("whose.example.test") == []
            assert second_bind.txt("whose.example.test") == ["second"]
            assert second_pebble.root_pem() != pebble.root_pem()


def test_a_reserved_port_is_not_given_twice():
    ports = [reserve_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


# --- Kubernetes ---


@pytest.mark.kube
def test_kube_fills_a_namespace_and_empties_it(kube):
    kube.create("namespaces", {"metadata": {"name": "life"}})
    kube.wait_for("serviceaccounts/default", "life")
    kube.wait_for("configmaps/kube-root-ca.crt", "life")

    assert kube.delete("namespaces/life")

    kube.wait_for("namespaces/life", condition=lambda found: found is None)
    assert not kube.delete("namespaces/life")


@pytest.mark.kube
def test_kube_tells_the_version_that_was_asked_for(kube, kube_version):
    version = kube.request("GET", "/version")
    assert version["gitVersion"] == f"v{kube_version}"
    assert version.get("emulationMinor", version["minor"]) == str(kube.minor)
    assert f"v{kube_version}" in kube.kubectl("version", "--output=yaml")


READER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: rbac}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: rbac}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: rbac}
"""


@pytest.mark.kube
def test_kube_refuses_a_service_account_until_rbac_allows_it_and_counts(kube):
    kubeconfig = kube.service_account("rbac", "reader")
    reader, user = kube.as_service_account("rbac", "reader"), account_user("rbac", "reader")
    with pytest.raises(KubeError) as caught:
        reader.list("secrets", "rbac")
    assert caught.value.code == 403
    wait_until(lambda: kube.requests(user, "list", "secrets") == 1, 20, "it to be counted")

    kube.apply(READER)

    wait_until(lambda: may_list_secrets(reader), 10, "the new binding")
    listing = ("get", "secrets", "--namespace=rbac", "--output=name")
    assert kube.kubectl(*listing, kubeconfig=kubeconfig) == ""
    wait_until(lambda: kube.requests(user, "list", "secrets") >= 3, 20, "them to be counted")
    assert kube.requests(user, "create") == 0


def may_list_secrets(user):
    try:
        return user.list("secrets", "rbac") == []
    except KubeError:
        return False


@pytest.mark.kube
def test_kube_knows_no_token_but_its_own(kube):
    with pytest.raises(KubeError) as caught:
        KubeApi(kube.url, kube.ca_file, token="not-a-token").request("GET", "/api/v1")
    assert caught.value.code == 401


WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.bed.test}
spec:
  group: bed.test
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
WIDGET = """
apiVersion: bed.test/v1
kind: Widget
metadata: {name: one, namespace: default, labels: {color: red}}
spec: {size: 1}
"""


def is_established(definition):
    return any(
        condition["type"] == "Established" and condition["status"] == "True"
        for condition in definition.get("status", {}).get("conditions", ())
    )


@pytest.mark.kube
def test_kube_serves_a_custom_resource_and_its_status(kube):
    kube.apply(WIDGETS)
    kube.wait_for(
        "customresourcedefinitions.apiextensions.k8s.io/widgets.bed.test", condition=is_established
    )
    kube.apply(WIDGET)
    name = "widgets.bed.test/one"

    kube.patch(name, {"spec": {"size": 2}}, "default")
    kube.patch(name, {"status": {"ready": True}}, "default", "status")

    found = kube.get(name, "default")
    assert (found["spec"], found["status"]) == ({"size": 2}, {"ready": True})
    assert kube.list("widgets.bed.test", selector="color=red") == [found]
    assert kube.list("widgets.bed.test", "default", "color=blue") == []
    kube.replace(name, {**found, "spec": {"size": 3}}, "default")
    with pytest.raises(KubeError) as caught:
        kube.replace(name, found, "default")
    assert caught.value.code == 409


@pytest.mark.kube
def test_kube_counts_a_watch_once(kube):
    before = kube.requests("admin", "watch", "services")
    events = kube.watch("services", "default", seconds=5)
    assert [event["object"]["metadata"]["name"] for event in events] == ["kubernetes"]
    wait_until(lambda: kube.requests("admin", "watch", "services") - before == 1, 20, "it to be counted")


@pytest.mark.kube
def test_kube_keeps_objects_tokens_and_ports_over_restarts(kube):
    kube.service_account("kept", "user")
    user = kube.as_service_account("kept", "user")
    made = kube.create("configmaps", {"metadata": {"name": "one"}, "data": {"a": "b"}}, "kept")

    assert kube.api_server.stop() == 0  # in spite of those who watch it
    kube.api_server.start()
    assert kube.get("configmaps/one", "kept") == made
    kube.etcd.kill()
    kube.etcd.start()

    wait_until(kube.is_ready, 30, "the API server finds etcd again")
    assert kube.get("configmaps/one", "kept") == made
    with pytest.raises(KubeError) as caught:  # known, but not allowed
        user.get("configmaps/one", "kept")
    assert caught.value.code == 403


@pytest.mark.kube
def test_kube_answers_nothing_while_paused(kube):
    kube.pause()
    try:
        with pytest.raises(OSError):
            kube.request("GET", "/version", timeout=0.3)
    finally:
        kube.resume()
    assert kube.request("GET", "/version")


@pytest.mark.kube
def test_kube_runs_twice_and_leaves_nothing(kube, new_kube, tmp_path):
    with new_kube(tmp_path) as second:
        second.create("namespaces", {"metadata": {"name": "second"}})
        assert kube.get("namespaces/second") is None
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            KubeApi(second.url, kube.ca_file).request("GET", "/version")
        ports = [server.port for server in second.servers]
        assert all(map(accepts_connections, ports))
    assert not any(map(accepts_connections, ports))


# --- hack/bed up and down ---


def hack_bed(*arguments):
    return subprocess.run([HACK / "bed", *arguments], capture_output=True, text=True, check=False)


def test_hack_bed_get_removes_what_killed_runs_left_and_nothing_that_is_being_built(tmp_path):
    cache, go = tmp_path / "certlet/bed", tmp_path / "go"
    left, building = cache / "kube-1.0.0.tmp.left", cache / "etcd-3.0.0.tmp.building"
    left.mkdir(parents=True)
    building.mkdir()
    go.write_text("#!/bin/sh\nexit 1\n")  # so that it gets no further
    go.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    with open(cache / ".etcd-3.0.0.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [HACK / "bed", "get", "kube"],
            env={**os.environ, "PATH": path, "XDG_CACHE_HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1 and f"'{go} env GOVERSION' failed" in done.stderr
    assert [one.name for one in cache.glob("*.tmp.*")] == [building.name]


def test_hack_bed_get_removes_older_builds_of_what_changes_with_us(bed, tmp_path):
    now = pathlib.Path(cached_program("cert-manager", "cert-manager")).parents[1].name
    cache = tmp_path / "certlet/bed"
    old, of_others, others = "cert-manager-1.0.0-old", "cert-manager-1.0.0-of-others", "cmctl-1.0.0"
    for name in (now, old, of_others, others):
        (cache / name / "bin").mkdir(parents=True)
        if name != of_others:
            os.utime(cache / name, (0, 0))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([HACK / "bed", "get", "cert-manager"], env=environment, check=True)
    assert {one.name for one in cache.iterdir() if one.is_dir()} == {now, of_others, others}


@pytest.fixture
def background(bed, tmp_path):
    one = Background(tmp_path / "up")
    yield one
    one.down()


def variables(text):
    return dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines())


@pytest.mark.kube
def test_hack_bed_up_starts_once_and_down_ends_all(background, kube_version):
    where = ("--dir", background.folder)
    assert "no bed is up" in hack_bed("env", *where).stderr

    done = hack_bed("up", *where, "--kube", kube_version)
    assert done.returncode == 0, done.stderr
    pids = [process.pid for process in background.processes()]
    assert hack_bed("up", *where, "--kube", kube_version).returncode == 0
    assert [process.pid for process in background.processes()] == pids
    refused = hack_bed("up", *where, "--kube", "1.2.3")
    assert refused.returncode == 1 and f"Kubernetes {kube_version} is up" in refused.stderr

    found = variables(hack_bed("env", *where).stdout)
    kubectl = (found["BED_KUBECTL"], f"--kubeconfig={found['KUBECONFIG']}")
    listed = subprocess.run([*kubectl, "get", "namespaces"], capture_output=True, check=True)
    assert b"kube-system" in listed.stdout
    ports = [int(found[name].rpartition(":")[2]) for name in ("BED_ETCD", "BED_DNS_SERVER")]
    assert all(map(accepts_connections, ports))

    background.processes()[-1].end()
    assert "no bed is up" in hack_bed("env", *where).stderr
    assert hack_bed("down", *where).returncode == 0
    assert not any(map(accepts_connections, ports)) and not any(map(start_time, pids))
    assert not background.folder.exists()
    assert hack_bed("down", *where).returncode == 0


@pytest.mark.kube
def test_hack_bed_up_leaves_nothing_running_when_it_is_interrupted(background, kube_version):
    argv = [HACK / "bed", "up", "--dir", background.folder, "--kube", kube_version]
    with subprocess.Popen(argv) as starter:
        wait_until(
            lambda: background.is_known() and background.processes(), 120, "the first", starter
        )
        starter.terminate()
        assert starter.wait(120) == 128 + signal.SIGTERM
    assert background.ended() == [process.name for process in background.processes()]
    assert not background.is_up()


def test_hack_bed_down_ends_no_process_that_has_its_pid_by_chance(tmp_path):
    with subprocess.Popen(["sleep", "600"]) as bystander:
        try:
            ours = Process("sleep", bystander.pid, start_time(bystander.pid), boot_id())
            for one in (
                Process("sleep", ours.pid, ours.started + 1, ours.boot),
                Process("sleep", ours.pid, ours.started, "another boot"),
            ):
                one.end()
            assert bystander.poll() is None
            ours.end()
            assert bystander.wait(60) == -signal.SIGTERM
        finally:
            bystander.kill()


def test_hack_bed_up_takes_no_folder_with_files_of_others(tmp_path):
    (tmp_path / "mine").touch()
    done = hack_bed("up", "--dir", tmp_path)
    assert done.returncode == 1 and "not of a bed" in done.stderr
    assert (tmp_path / "mine").exists()


# --- the CA of faults ---


@pytest.fixture
def client(fault_ca, tmp_path):
    one = AcmeClient(tmp_path / "client", fault_ca.directory_url, fault_ca.ca_file)
    one.register()
    return one


def test_fault_ca_issues_without_dns_when_no_fault_is_set(fault_ca, client, tmp_path):
    chain = client.issue(["a.test", "*.a.test"])
    assert "DNS:*.a.test" in names_of(chain)
    assert "OK" in verify(chain, fault_ca.root_pem, tmp_path)
    assert (fault_ca.accepted("newOrder"), fault_ca.accepted("finalize")) == (1, 1)


def test_fault_ca_does_a_fault_as_often_as_told_and_logs_it(fault_ca, client):
    fault = fault_ca.fault("newOrder", "unavailable", times=2, after=1, retry_after=7)
    client.issue(["a.test"])
    for _ in range(2):
        with pytest.raises(AcmeError, match="503"):
            client.issue(["b.test"])
    client.issue(["c.test"])
    assert fault.hits == 2
    assert [entry.status for entry in fault_ca.requests("newOrder")] == [201, 503, 503, 201]
    assert fault_ca.accepted("newOrder") == 2


@pytest.mark.parametrize(
    "options, pattern",
    [
        ({}, "None"),
        ({"retry_after": 5}, "5"),
        ({"retry_after": 5, "form": "date"}, "[A-Z][a-z]{2}, .* GMT"),
    ],
    ids=["none", "seconds", "date"],
)
def test_fault_ca_limits_the_rate_with_retry_after(fault_ca, client, options, pattern):
    fault_ca.fault("newOrder", "rate-limited", **options)
    with pytest.raises(AcmeError, match="rateLimited") as caught:
        client.issue(["a.test"])
    assert caught.value.status == 429
    assert re.fullmatch(pattern, str(caught.value.headers.get("Retry-After")))


ANSWERS = [
    ("html", {"status": 502}, "<html>"),
    ("problem", {"type": "malformed", "detail": "why", "status": 400}, "why"),
    ("rate-limited", {"retry_after": 5, "form": "detail"}, "retry after 2"),
    ("paused", {}, "unpause"),
    ("server-internal", {}, "serverInternal"),
    ("bad-nonce", {}, "badNonce"),
    ("external-account-required", {}, "externalAccountRequired"),
    ("user-action-required", {}, "userActionRequired"),
    ("rejected-identifier", {}, "subproblems"),
]


@pytest.mark.parametrize("kind, options, expected", ANSWERS)
def test_fault_ca_answers_new_order_with(fault_ca, client, kind, options, expected):
    fault_ca.fault("newOrder", kind, **options)
    with pytest.raises(AcmeError) as caught:
        client.issue(["a.test"])
    assert expected in caught.value.body.decode()
    assert fault_ca.accepted("newOrder") == 0


@pytest.mark.parametrize("kind, effects", [("cut-before", 0), ("cut-after", 1)])
def test_fault_ca_cuts_the_connection_on_the_right_side_of_the_effect(
    fault_ca, client, kind, effects
):
    fault_ca.fault("newOrder", kind)
    with pytest.raises(OSError):
        client.issue(["a.test"])
    assert fault_ca.accepted("newOrder") == effects


def test_fault_ca_sends_fifty_megabytes(fault_ca, client):
    fault_ca.fault("order", "huge")
    body, _ = client.post(fault_ca.ca.url("order", "1"))
    assert len(body["detail"]) > 49_000_000


def test_fault_ca_truncates_json_after_the_effect(fault_ca, client):
    fault_ca.fault("newOrder", "truncated")
    with pytest.raises(ValueError):
        client.issue(["a.test"])
    assert fault_ca.accepted("newOrder") == 1


@pytest.mark.parametrize("endpoint", ["connection", "directory"])
def test_fault_ca_can_be_silent_and_still_ends_at_once(fault_ca, tmp_path, endpoint):
    fault_ca.fault(endpoint, "silence")
    caller = threading.Thread(target=_expect_failure, args=(fault_ca, tmp_path), daemon=True)
    caller.start()
    fault_ca.wait_for(endpoint)
    fault_ca.stop()
    caller.join(30)  # it would wait for a minute
    assert not caller.is_alive()


def _expect_failure(fault_ca, tmp_path):
    with pytest.raises(OSError):
        AcmeClient(tmp_path / "silent", fault_ca.directory_url, fault_ca.ca_file)


def test_fault_ca_gives_http_urls_in_its_directory(fault_ca, tmp_path):
    fault_ca.fault("directory", "http-urls")
    client = AcmeClient(tmp_path / "client", fault_ca.directory_url, fault_ca.ca_file)
    assert client.directory["newOrder"].startswith("http://")


def test_fault_ca_keeps_an_order_processing_for_ever(fault_ca, client):
    fault_ca.fault("finalize", "processing-forever")
    order, headers = client.post(
        client.directory["newOrder"], {"identifiers": [{"type": "dns", "value": "a.test"}]}
    )
    challenge = client.post(order["authorizations"][0])[0]["challenges"][0]
    client.post(challenge["url"], {})
    assert client.post(order["finalize"], {"csr": csr_for("a.test")})[0]["status"] == "processing"
    assert client.post(headers["Location"])[0]["status"] == "processing"


def csr_for(name):
    return b64url(pki.openssl_bytes("req", "-outform", "DER", stdin=pki.new_csr([name])))


CHALLENGES = [
    ("traversal-token", lambda found: found[0]["token"].startswith("../")),
    ("no-token", lambda found: "token" not in found[0]),
    ("unknown-challenge", lambda found: found[0]["type"] == "frobnicate-01" and len(found) == 3),
]


@pytest.mark.parametrize("kind, holds", CHALLENGES)
def test_fault_ca_spoils_challenges_by(fault_ca, client, kind, holds):
    fault_ca.fault("authz", kind)
    order, _ = client.post(
        client.directory["newOrder"], {"identifiers": [{"type": "dns", "value": "a.test"}]}
    )
    assert holds(client.post(order["authorizations"][0])[0]["challenges"])


def test_fault_ca_empties_the_authorizations_of_an_order(fault_ca, client):
    fault_ca.fault("newOrder", "empty-authorizations")
    order, _ = client.post(
        client.directory["newOrder"], {"identifiers": [{"type": "dns", "value": "a.test"}]}
    )
    assert order["authorizations"] == []


def test_fault_ca_fails_a_challenge_when_asked(fault_ca, client):
    fault_ca.fault("challenge", "invalid", type="dns", detail="no such name")
    with pytest.raises(AcmeError, match="invalid"):
        client.issue(["a.test"])


def test_fault_ca_asks_the_validation_it_is_given(fault_ca, client):
    asked = []
    fault_ca.ca.validate = lambda kind, name, token, key: asked.append((kind, name))
    client.issue(["a.test"], kind="http-01")
    assert asked == [("http-01", "a.test")]


BAD_CERTIFICATES = [
    ("other-key", lambda bad, good: pki.public_of(bad) != pki.public_of(good)),
    ("missing-names", lambda bad, good: "b.test" not in names_of(bad)),
    ("private-key", lambda bad, good: "PRIVATE KEY" in bad),
    (
        "wrong-chain",
        lambda bad, good: bad.split("-----END")[0] == good.split("-----END")[0] and bad != good,
    ),
    ("other-ca", lambda bad, good: bad != good and "b.test" in names_of(bad)),
    ("empty-chain", lambda bad, good: bad == ""),
    ("garbage-pem", lambda bad, good: "BEGIN CERTIFICATE" in bad and bad != good),
]


@pytest.mark.parametrize("kind, holds", BAD_CERTIFICATES)
def test_fault_ca_spoils_the_certificate_by(fault_ca, client, kind, holds):
    fault_ca.fault("cert", kind)
    bad = client.issue(["a.test", "b.test"])
    order = next(iter(fault_ca.ca.orders.values()))
    good = client.post(fault_ca.ca.url("cert", order.ident))[0].decode()
    assert holds(bad, good)


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid"])
def test_fault_ca_issues_outside_of_the_time(fault_ca, client, tmp_path, kind):
    fault_ca.fault("cert", kind)
    with pytest.raises(pki.BedError):
        verify(client.issue(["a.test"]), fault_ca.root_pem, tmp_path)


def test_fault_ca_keeps_its_state_over_a_restart(fault_ca, client):
    client.issue(["a.test"])
    fault_ca.stop()
    with pytest.raises(OSError):
        client.issue(["b.test"])
    fault_ca.start()
    client._nonce = None
    client.issue(["b.test"])
    assert fault_ca.accepted("newOrder") == 2


def test_fault_ca_refuses_a_fault_that_it_does_not_know(fault_ca):
    with pytest.raises(ValueError, match="no fault"):
        fault_ca.fault("newOrder", "frobnicate")
