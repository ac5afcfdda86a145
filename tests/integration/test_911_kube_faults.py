"""The API server's store in trouble: lost versions, cut streams, servers that go away, tokens that end."""

import base64
import contextlib
import json
import pathlib
import re
import shlex
import time

import pytest

from support import pki
from support.acme_client import raw_signature
from support.bed import wait_until
from support.kube import account_user
from support.kube_fronts import ConnectProxy, Front, Wire, answer_with, break_off_in, kubeconfig
from support.kube_store import COMES_BY_ITSELF, Console, StoreError, find_program, install_kinds
from support.netns import FAR, Link, NotPermitted

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kube

# A path that is cut is noticed in 15 s; here sooner, by the same means.
IMPATIENT = ("--idle-s", "1", "--interval-s", "1", "--unacked-ms", "2000")


def is_admin(name):
    """A ClusterRoleBinding."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "namespace": name, "name": "tester"}
    return {"metadata": {"name": f"{name}-is-admin"}, "roleRef": role, "subjects": [subject]}


@pytest.fixture(scope="session")
def program():
    return find_program(ROOT)


@pytest.fixture(scope="module")
def cluster(kube):
    install_kinds(kube)
    return kube


class User:
    """A ServiceAccount 'tester' in a namespace of its own, allowed everything; its requests are counted."""

    def __init__(self, kube, name, folder):
        self.kube, self.namespace, self.folder = kube, name, folder
        kube.service_account(name, "tester")
        kube.create("clusterrolebindings.rbac.authorization.k8s.io", is_admin(name))
        self.token = kube.token(name, "tester")
        self.name = account_user(name, "tester")
        self.kubeconfig = self.config(token=self.token)
        wait_until(
            lambda: kube.allows(self.name, verb="*", group="*", resource="*"), 30, "the user may do all"
        )

    def config(self, url=None, ca_file=None, name="kubeconfig", **user):
        ca_file = ca_file or self.kube.ca_file
        return kubeconfig(self.folder, url or self.kube.url, ca_file, name, **user)

    def requests(self, verb=None, resource=None):
        return self.kube.requests(self.name, verb, resource)

    def wait_for_requests(self, count, verb=None, resource=None):
        """So many, and no more: what the audit log has is a moment late."""
        wait_until(lambda: self.requests(verb, resource) >= count, 20, f"{verb} {resource} in the audit log")
        assert self.requests(verb, resource) == count

    def asked(self, verb, resource):
        """The paths of its requests."""
        return [
            event["requestURI"]
            for event in self.kube.api_server.audit(self.name)
            if event["verb"] == verb and event.get("objectRef", {}).get("resource") == resource
        ]

    def make(self, *names, resource="configmaps", **members):
        for name in names:
            self.kube.create(resource, {"metadata": {"name": name}, **members}, self.namespace)

    def make_own(self, kind, name, namespace=None):
        """A custom resource, which has to say what it is."""
        body = {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {}}
        return self.kube.create(f"{kind.lower()}s.cert-manager.io", body, namespace)

    def versions(self, resource="configmaps"):
        return {
            f"{self.namespace}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
            for one in self.kube.list(resource, self.namespace)
            if one["metadata"]["name"] != COMES_BY_ITSELF
        }

    def wait_in_step(self, seen, resource="configmaps", seconds=60):
        """Until a reflector knows what the server has, and nothing else."""
        wait_until(
            lambda: seen.objects == self.versions(resource), seconds, "the cache is in step", every=0.1
        )


@pytest.fixture
def user(cluster, request, tmp_path):
    """For tests on the servers that all of them share."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:50].strip("-")
    return User(cluster, name, tmp_path)


@pytest.fixture
def console(program, tmp_path):
    """Starts consoles; they end with the test."""

    def start(config, *options, **words):
        return Console(program, tmp_path, config, *options, **words)

    return start


# --- watches ---


def test_a_watch_sends_the_present_state_by_itself(user, console):
    user.make("a", "b")
    with console(user.kubeconfig) as store:
        seen = store.synced("configmaps", user.namespace)
        user.wait_in_step(seen)
        user.make("c")
        user.kube.delete("configmaps/a", user.namespace)
        user.wait_in_step(seen)
    (path,) = user.asked("watch", "configmaps")
    assert "sendInitialEvents=true" in path and user.asked("list", "configmaps") == []
    assert seen.counts == {"added": 3, "deleted": 1, "synced": 1}


def test_streams_follow_each_other_from_bookmarks_without_a_new_list(user, console):
    user.make("a")
    with console(user.kubeconfig, "--watch-s", "3") as store:
        seen = store.synced("configmaps", user.namespace)
        # Elsewhere, so that only bookmarks can tell of it.
        other = user.kube.create("configmaps", {"metadata": {"generateName": "other-"}}, "default")
        version = int(other["metadata"]["resourceVersion"])

        def goes_on_from_there():
            later = user.asked("watch", "configmaps")[1:]
            return len(later) > 1 and int(re.search("resourceVersion=([0-9]+)", later[-1])[1]) >= version

        wait_until(goes_on_from_there, 60, "a third stream or more, from behind the other", every=0.2)
        user.make("b")
        user.wait_in_step(seen)
    first, *later = user.asked("watch", "configmaps")
    assert "sendInitialEvents" in first
    assert all("sendInitialEvents" not in path and "resourceVersion=" in path for path in later)
    assert user.asked("list", "configmaps") == [] and seen.counts["synced"] == 1
    assert "trying again" not in store.log()


@pytest.fixture(scope="module")
def without_watch_list(new_kube, tmp_path_factory):
    """A server that lists and then watches, as all did up to 1.31."""
    flags = ["--feature-gates=WatchList=false"]
    with new_kube(tmp_path_factory.mktemp("kube-list"), flags=flags) as servers:
        yield servers


def test_a_server_without_watch_lists_is_listed_by_pages_once_and_watched(
    without_watch_list, console, tmp_path
):
    user = User(without_watch_list, "listed", tmp_path)
    with console(user.kubeconfig) as store:
        for number in range(620):
            store.do("create", "configmaps", object=config_map(user, f"many-{number}"))
        seen = store.synced("configmaps", user.namespace)
        user.wait_in_step(seen)
        user.make("late")
        user.kube.delete("configmaps/many-7", user.namespace)
        user.wait_in_step(seen)
        again = store.synced("secrets", user.namespace)
        assert again.objects == user.versions("secrets")
    pages = user.asked("list", "configmaps")
    assert len(pages) == 2 and all("limit=500" in path for path in pages)
    assert ["sendInitialEvents" in path for path in user.asked("watch", "configmaps")] == [True, False]
    assert ["sendInitialEvents" in path for path in user.asked("watch", "secrets")] == [False]


def config_map(user, name, **data):
    return {"metadata": {"name": name, "namespace": user.namespace}, "data": data}


def test_a_version_that_the_server_has_forgotten_makes_a_new_list_that_tells_deletions(user, console):
    user.make("goes", "stays", "changes")
    with console(user.kubeconfig) as store:
        seen = store.synced("configmaps", user.namespace)
        user.wait_in_step(seen)
        with Wire(user.kube.api_server.port) as wire:
            # A second one, whose wire is cut while everything happens.
            config = user.config(wire.url, name="wired", token=user.token)
            with console(config) as behind:
                late = behind.synced("configmaps", user.namespace)
                user.wait_in_step(late)
                wire.target_gone()
                user.kube.delete("configmaps/goes", user.namespace)
                user.kube.patch("configmaps/changes", {"data": {"a": "b"}}, user.namespace)
                user.make("comes")
                user.kube.forget_versions()
                wire.target_back()
                user.wait_in_step(late)
                assert late.counts["deleted"] == 1 and late.counts["modified"] == 1
                assert f"{user.namespace}/goes" not in late.objects
        user.wait_in_step(seen)


def test_an_old_version_is_gone_and_says_so(user, console):
    user.make("a")
    version = user.kube.get("configmaps/a", user.namespace)["metadata"]["resourceVersion"]
    user.make("b")
    user.kube.forget_versions()
    with console(user.kubeconfig) as store, pytest.raises(StoreError) as caught:
        store.open("configmaps", user.namespace, version=version)
        store.do("next")
    assert caught.value.code == "gone"


def test_a_line_that_is_cut_in_half_is_read_again(user, console):
    cuts = []

    def decide(method, path):
        if "watch=1" in path and "configmaps" in path and len(cuts) < 2:
            cuts.append(path)
            return break_off_in(b'"cut-here"')
        return None

    user.make("a")
    with Front(user.kube, decide) as front:
        config = user.config(front.url, token=user.token)
        with console(config) as store:
            seen = store.synced("configmaps", user.namespace)
            user.make("cut-here")
            user.wait_in_step(seen)
            user.kube.patch("configmaps/cut-here", {"data": {"a": "b"}}, user.namespace)
            user.wait_in_step(seen)
    assert len(cuts) == 2 and "sendInitialEvents" not in cuts[1]
    assert seen.counts == {"added": 2, "modified": 1, "synced": 1}


def test_the_present_state_that_is_cut_in_half_is_asked_for_again(user, console):
    cuts = []

    def decide(method, path):
        if "watch=1" in path and not cuts:
            cuts.append(path)
            return break_off_in(b'"b"')
        return None

    user.make("a", "b", "c")
    with Front(user.kube, decide) as front:
        with console(user.config(front.url, token=user.token)) as store:
            seen = store.synced("configmaps", user.namespace)
            assert seen.objects == user.versions()
    assert cuts and seen.counts["synced"] == 1


def test_an_object_of_1_4_megabytes_is_written_read_and_watched(user, console):
    big = {
        "metadata": {"name": "big", "namespace": user.namespace},
        "spec": {"blob": base64.b64encode(b"x" * 1_050_000).decode()},
    }
    with console(user.kubeconfig) as store:
        seen = store.synced("certificates", user.namespace)
        made = store.object("create", "certificates", object=big)
        user.wait_in_step(seen, "certificates.cert-manager.io")
        for number in range(3):
            made["spec"]["number"] = number
            made = store.object("update", "certificates", object=made)
        user.wait_in_step(seen, "certificates.cert-manager.io")
        assert store.object("get", "certificates", "big", user.namespace) == made
        again = store.synced("certificates", user.namespace)
        assert again.objects == seen.objects
        big["metadata"]["name"] = "too-big"
        big["spec"]["blob"] += "x" * 200_000
        with pytest.raises(StoreError, match="too-big.* keeps 1572864 at most") as caught:
            store.do("create", "certificates", object=big)
        assert caught.value.code == "too large"


def test_an_object_that_is_six_times_as_long_in_json_ends_no_watch(user, console):
    """The server keeps it as protobuf, where '<' takes one byte."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "uid": "0", "name": "<" * 1_500_000}
    metadata = {"name": "long", "ownerReferences": [owner]}
    with console(user.kubeconfig) as store:
        seen = store.synced("secrets", user.namespace)
        user.kube.create("secrets", {"metadata": metadata}, user.namespace)
        user.make("after", resource="secrets")
        user.wait_in_step(seen, "secrets")
        again = store.synced("secrets", user.namespace)
        assert again.objects == seen.objects


def test_a_watcher_who_does_not_read_holds_up_nobody_else(user, console):
    with console(user.kubeconfig) as store:
        store.open("certificates", user.namespace)
        assert store.do("next")["initial_end"]
        blob = "x" * 400_000
        for number in range(8):
            body = {
                "metadata": {"name": f"blob-{number}", "namespace": user.namespace},
                "spec": {"blob": blob},
            }
            store.do("create", "certificates", object=body, timeout_ms=60_000)
        seen = store.synced("configmaps", user.namespace)
        user.make("a")
        user.wait_in_step(seen)
        names = []
        while len(names) < 8:
            event = store.do("next")
            names += [event["object"]["metadata"]["name"]] if event["type"] != "bookmark" else []
        assert names == [f"blob-{number}" for number in range(8)]


def test_what_a_watcher_did_not_read_reaches_no_other_watch(user, console):
    """A transfer that is given up while it makes the server wait leaves bytes behind in curl."""
    text = "x" * 900_000
    for number in range(6):
        user.make(f"theirs-{number}", resource="secrets", stringData={"text": text})
        user.make(f"ours-{number}", data={"text": text})

    def open_unread(store, resource):
        """Until more is there than is taken without a reader: what is asked for meanwhile shares its connection."""
        store.open(resource, user.namespace)
        for number in range(6):
            store.object("get", "secrets", f"theirs-{number}", user.namespace)

    with console(user.kubeconfig) as store:
        store.synced("certificates", user.namespace)  # keeps the connection
        for _ in range(3):
            open_unread(store, "secrets")
            store.do("close")
            open_unread(store, "configmaps")
            names, event = [], {}
            while not event.get("initial_end"):
                event = store.do("next")
                names += [event["object"]["metadata"]["name"]] if event["type"] == "added" else []
            assert set(names) - {COMES_BY_ITSELF} == {f"ours-{number}" for number in range(6)}


def test_a_restart_of_the_api_server_and_of_etcd_loses_nothing(user, console):
    user.make("a", "b")
    with console(user.kubeconfig) as store:
        seen = {
            resource: store.synced(resource, user.namespace) for resource in ("configmaps", "secrets")
        }
        user.kube.api_server.kill()
        user.kube.api_server.start()
        user.kube.delete("configmaps/a", user.namespace)
        user.make("c")
        user.make("c", resource="secrets")
        user.wait_in_step(seen["configmaps"])
        user.wait_in_step(seen["secrets"], "secrets")
        user.kube.etcd.kill()
        user.kube.etcd.start()
        wait_until(user.kube.is_ready, 30, "the API server finds etcd again")
        user.make("d")
        user.wait_in_step(seen["configmaps"])
        assert store.object("get", "configmaps", "d", user.namespace)
    assert seen["configmaps"].counts["deleted"] == 1


def test_an_api_server_that_is_down_at_the_start_is_waited_for_without_a_hurry(user, console):
    user.make("a")
    user.kube.api_server.stop()
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token)) as store:
            seen = store.reflect("configmaps", user.namespace)
            wait_until(lambda: wire.accepted >= 3, 60, "three tries")
            with pytest.raises(StoreError) as caught:
                store.do("get", "configmaps", "a", user.namespace)
            assert caught.value.code == "network" and "configmaps" in str(caught.value)
            assert not seen.synced
            tries = wire.accepted
            user.kube.api_server.start()
            user.wait_in_step(seen)
            assert tries < 12 and "trying again in" in store.log()
    # A server that has just come up refuses watches while it fills its own caches (429), and roles it has not read.
    assert 1 <= user.requests("watch", "configmaps") <= 8


def end_at_once(handler):
    """A stream without an event."""
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def status(code, reason):
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return answer_with(code, {**body, "message": "by the test"})


FAULTS = {
    "configmaps": end_at_once,
    "secrets": status(410, "Expired"),
    "certificates": status(429, "TooManyRequests"),
    "namespaces": status(500, "InternalError"),
    "deployments": status(403, "Forbidden"),
    "nothings": status(404, "NotFound"),
}


def test_a_server_that_only_fails_is_asked_less_and_less(user, console):
    failing, times = [True], {name: [] for name in FAULTS}

    def decide(method, path):
        name = re.search("/([a-z]+)[?]", path)[1]
        if "watch=1" not in path or not failing:
            return None
        times[name].append(time.monotonic())
        return FAULTS[name]

    user.make("a")
    with Front(user.kube, decide) as front:
        with console(user.config(front.url, token=user.token)) as store:
            seen = {name: store.reflect(name) for name in FAULTS}
            wait_until(lambda: all(len(at) >= 4 for at in times.values()), 120, "four tries of each")
            failing.clear()
            for name, at in times.items():
                # 0.8 s, then the double, each up to twice as long; only a lost version has one try at once.
                first = 1 if name == "secrets" else 0
                pauses = [later - earlier for earlier, later in zip(at[first:], at[first + 1 :])]
                assert all(pause > 0.7 * 2**i for i, pause in enumerate(pauses)), (name, pauses)
            wait_until(lambda: seen["configmaps"].synced, 60, "the first list of configmaps")
            mine = {key for key in seen["configmaps"].objects if key.startswith(f"{user.namespace}/")}
            assert mine == set(user.versions())


# --- transport ---


def hammer(store, user, objects):
    """Five calls for each object, of twenty threads at once."""
    words = {"objects": objects, "threads": 20, "timeout_ms": 300_000}
    return store.do("hammer", "configmaps", namespace=user.namespace, **words)


def test_all_calls_and_watches_share_one_connection(user, console):
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token)) as store:
            kinds = ("configmaps", "secrets", "certificates", "namespaces")
            seen = [store.reflect(kind) for kind in kinds]
            hammer(store, user, 40)
            wait_until(lambda: all(one.synced for one in seen), 30, "four lists")
            assert wire.accepted == 1


def test_a_path_that_is_cut_without_a_word_is_noticed(user, console):
    user.make("a")
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token), *IMPATIENT) as store:
            seen = store.synced("configmaps", user.namespace)
            wire.freeze()
            started = time.monotonic()
            user.make("b")
            wait_until(lambda: wire.accepted == 2, 20, "a second connection")
            user.wait_in_step(seen)
            assert time.monotonic() - started < 60  # else when the server ends the stream, in minutes
            wire.freeze()
            assert store.object("get", "configmaps", "b", user.namespace)
            user.make("c")
            user.wait_in_step(seen)
            assert wire.accepted == 3
    assert user.asked("list", "configmaps") == [] and seen.counts["synced"] == 1


@pytest.fixture
def link():
    """To a network of its own."""
    with contextlib.ExitStack() as stack:
        try:
            link = stack.enter_context(Link())
        except NotPermitted as error:
            pytest.skip(f"no network namespace can be made here: {error}")
        yield link


# Once with the settings that are shipped: noticed within 20 s, and told after a try to come back, of 20 s too.
SILENCES = {"down": ((), 45), "one-way": (IMPATIENT, 15)}


@pytest.mark.parametrize("how", SILENCES)
def test_a_network_that_falls_silent_is_noticed(user, console, link, how):
    options, seconds = SILENCES[how]
    user.make("goes", "stays", "changes")
    with Wire(user.kube.api_server.port, link.listen()) as wire:
        name = {"tls-server-name": "localhost"}  # its certificate does not have the address of the link
        config = user.config(wire.url, cluster=name, token=user.token)
        env = {"NO_PROXY": FAR}
        with console(config, *options, within=link.near, env=env) as store:
            seen = store.synced("configmaps", user.namespace)
            user.wait_in_step(seen)
            link.cut(how)
            user.kube.delete("configmaps/goes", user.namespace)
            user.kube.patch("configmaps/changes", {"data": {"a": "b"}}, user.namespace)
            user.make("comes")
            wait_until(lambda: "trying again" in store.log(), seconds, "a word about it")
            assert re.search("WARN  watching configmaps: .*did not answer in time", store.log())
            before = dict(seen.counts)
            with pytest.raises(StoreError) as caught:
                store.do("get", "configmaps", "stays", user.namespace, timeout_ms=3000)
            assert caught.value.code == "timeout" and wire.accepted == 1
            link.mend(how)
            user.wait_in_step(seen)
            assert store.object("get", "configmaps", "comes", user.namespace)
    assert before == {"added": 3, "synced": 1} and user.asked("list", "configmaps") == []
    assert seen.counts == {"added": 4, "deleted": 1, "modified": 1, "synced": 1}


def test_a_connection_that_says_nothing_any_more_is_given_up(user, console):
    user.make("a")
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token)) as store:
            seen = store.synced("configmaps", user.namespace)
            wire.stall()
            with pytest.raises(StoreError) as caught:
                store.do("get", "configmaps", "a", user.namespace, timeout_ms=6000)
            assert caught.value.code == "timeout"
            user.make("b")
            assert store.object("get", "configmaps", "b", user.namespace, timeout_ms=60_000)
            user.wait_in_step(seen)
            assert wire.accepted == 2


@pytest.fixture(scope="module")
def with_goaway(new_kube, tmp_path_factory):
    flags = ["--goaway-chance=0.02"]
    with new_kube(tmp_path_factory.mktemp("kube-goaway"), flags=flags) as servers:
        yield servers


def test_connections_that_the_server_ends_fail_no_request(with_goaway, console, tmp_path):
    user = User(with_goaway, "goaway", tmp_path)
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token)) as store:
            seen = store.synced("configmaps", user.namespace)
            answer = hammer(store, user, 400)
            assert answer["calls"] == 2000 and wire.accepted > 10
            user.wait_in_step(seen)


def test_large_answers_are_compressed(user, console):
    user.make("large", data={"text": "certificate " * 40_000})
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, token=user.token)) as store:
            found = store.object("get", "configmaps", "large", user.namespace)
            assert len(found["data"]["text"]) == 480_000 and wire.to_client < 100_000


TOO_MANY = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "TooManyRequests",
    "code": 429,
    "message": "slow down",
}


def test_a_server_that_says_when_to_come_again_is_asked_then(user, console):
    left = [2]

    def decide(method, path):
        if "configmaps/a" in path and left[0] > 0:
            left[0] -= 1
            return answer_with(429, TOO_MANY, retry_after=1)
        return answer_with(429, TOO_MANY, retry_after=90) if "configmaps/b" in path else None

    user.make("a", "b")
    with Front(user.kube, decide) as front:
        with console(user.config(front.url, token=user.token)) as store:
            started = time.monotonic()
            assert store.object("get", "configmaps", "a", user.namespace)
            assert time.monotonic() - started > 1.9
            with pytest.raises(StoreError, match="slow down") as caught:
                store.do("get", "configmaps", "b", user.namespace)
            assert caught.value.code == "rate limited"
            assert 80_000 < caught.value.retry_at_ms - time.time() * 1000 < 91_000


# --- credentials ---


def write_token(path, token):
    path.with_suffix(".new").write_text(token)
    path.with_suffix(".new").replace(path)


def test_a_token_that_is_refused_is_read_again_from_its_file(user, console, tmp_path):
    file = tmp_path / "token"
    write_token(file, "not-a-token")
    with console(user.config(tokenFile=str(file))) as store:
        with pytest.raises(StoreError) as caught:
            store.do("get", "namespaces", user.namespace)
        assert caught.value.code == "not authenticated" and f"'{file}'" in str(caught.value)
        assert "not-a-token" not in str(caught.value) + store.log()
        write_token(file, user.token)
        assert store.object("get", "namespaces", user.namespace)


def test_a_service_account_that_is_made_anew_goes_on_with_its_new_token(user, console, tmp_path):
    file = tmp_path / "token"
    write_token(file, user.token)
    user.make("a")
    with console(user.config(tokenFile=str(file))) as store:
        seen = store.synced("configmaps", user.namespace)
        user.kube.delete("serviceaccounts/tester", user.namespace)
        user.kube.create("serviceaccounts", {"metadata": {"name": "tester"}}, user.namespace)
        token = user.kube.token(user.namespace, "tester")
        write_token(file, token)
        ident = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["jti"]

        def is_used():
            assert store.object("get", "configmaps", "a", user.namespace)
            last = user.kube.api_server.audit(user.name)[-1]
            return ident in json.dumps(last["user"].get("extra", {}))

        wait_until(is_used, 90, "the new token is used", every=0.3)  # the server knew the old one for 10 s
        user.make("b")
        user.wait_in_step(seen)


def expired_token(kube, namespace):
    """As the server would have made it two hours ago."""
    uid = kube.get("serviceaccounts/tester", namespace)["metadata"]["uid"]
    issuer, now = "https://kubernetes.default.svc", int(time.time())
    claims = {
        **{"aud": [issuer], "iss": issuer, "sub": account_user(namespace, "tester")},
        **{"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600},
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": "tester", "uid": uid}},
    }
    parts = [{"alg": "ES256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    signed = b".".join(encoded)
    der = pki.openssl_bytes("dgst", "-sha256", "-sign", kube.certificates.account_key, stdin=signed)
    return b".".join([signed, base64.urlsafe_b64encode(raw_signature(der)).rstrip(b"=")]).decode()


def test_an_expired_token_is_called_expired(user, console):
    token = expired_token(user.kube, user.namespace)
    with console(user.config(token=token)) as store, pytest.raises(StoreError) as caught:
        store.do("get", "namespaces", user.namespace)
    assert "expired at 20" in str(caught.value) and "kubeconfig" in str(caught.value)
    assert token not in store.log() + str(caught.value)


def test_a_client_certificate_is_read_again_when_the_old_one_is_refused(user, console, tmp_path):
    def install(pair, names=("client.pem", "client.key")):
        for file, name in zip(pair, names):
            (tmp_path / name).write_bytes(pathlib.Path(file).read_bytes())

    install(pki.new_certificate(tmp_path, "stranger", "stranger", "extendedKeyUsage=clientAuth"))
    files = {
        "client-certificate": str(tmp_path / "client.pem"),
        "client-key": str(tmp_path / "client.key"),
    }
    with Wire(user.kube.api_server.port) as wire:
        with console(user.config(wire.url, **files)) as store:
            with pytest.raises(StoreError) as caught:
                store.do("get", "namespaces", user.namespace)
            assert caught.value.code == "not authenticated" and "client.pem" in str(caught.value)
            pair = user.kube.certificates.of_user(f"{user.namespace}-admin", "system:masters")
            install(pair, ["client.pem"])  # its key comes a moment later
            with pytest.raises(StoreError, match="client.pem|key"):
                store.do("get", "namespaces", user.namespace)
            install(pair)
            connections = wire.accepted
            assert store.object("get", "namespaces", user.namespace)
            assert wire.accepted > connections
    wait_until(lambda: user.kube.requests(f"{user.namespace}-admin") == 1, 20, "one request of the right one")


PLUGIN = """#!/bin/sh
echo run >>{folder}/runs
exec cat {folder}/reply
"""


def plugin(folder, command=None, **members):
    script = folder / "plugin"
    script.write_text(PLUGIN.format(folder=shlex.quote(str(folder))))
    script.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    exec_ = {"apiVersion": version, "command": command or str(script), "interactiveMode": "Never"}
    return {**exec_, **members}


def reply(folder, token, expires=None):
    status = {"token": token}
    if expires:
        status["expirationTimestamp"] = expires
    body = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    (folder / "reply").write_text(json.dumps(body))


def test_a_credential_plugin_is_run_once_and_again_when_what_it_gave_ends(user, console, tmp_path):
    def runs():
        return (tmp_path / "runs").read_text().count("run")

    soon = time.time() + 40  # it is not used any more 10 s before
    reply(tmp_path, user.token, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon)))
    with console(user.config(exec=plugin(tmp_path))) as store:
        hammer(store, user, 20)
        assert runs() == 1
        reply(tmp_path, user.kube.token(user.namespace, "tester"))

        def ran_again():
            assert store.object("get", "namespaces", user.namespace)
            return runs() == 2

        wait_until(ran_again, 90, "the plugin is run again", every=0.2)
        hammer(store, user, 20)
        assert runs() == 2


def test_a_credential_plugin_that_is_missing_says_how_to_get_it(user, console, tmp_path):
    missing = plugin(tmp_path, command="no-such-plugin", installHint="apt install no-such-plugin")
    with console(user.config(exec=missing)) as store, pytest.raises(StoreError) as caught:
        store.do("get", "namespaces", user.namespace)
    assert "'no-such-plugin' is not installed: apt install no-such-plugin" in str(caught.value)


def test_a_server_of_another_ca_is_not_talked_to(user, console, tmp_path):
    other, _ = pki.new_certificate(tmp_path, "other", "another CA")
    with console(user.config(ca_file=other, token=user.token)) as store:
        with pytest.raises(StoreError) as caught:
            store.do("get", "namespaces", user.namespace)
    assert caught.value.code == "denied"
    for part in (user.kube.url, "certificate", str(other)):
        assert part in str(caught.value)
    assert user.requests() == 0


def test_what_rbac_does_not_allow_names_verb_resource_and_namespace(cluster, console, tmp_path):
    with console(cluster.service_account("narrow", "nobody")) as store:
        for order, expected in (
            (("get", "secrets", "web", "narrow"), "verb 'get' on 'secrets' in namespace 'narrow'"),
            (("list", "certificates"), "verb 'watch' on 'certificates.cert-manager.io'"),
            (("delete", "namespaces", "narrow"), "verb 'delete' on 'namespaces'"),
        ):
            with pytest.raises(StoreError) as caught:
                store.do(*order)
            assert caught.value.code == "denied" and expected in str(caught.value)


def test_in_a_pod_the_service_account_is_found(user, console, tmp_path):
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(user.kube.ca_file.read_bytes())
    (folder / "namespace").write_text(user.namespace)
    (folder / "token").write_text(user.token + "\n")
    port = str(int(user.kube.api_server.port))
    env = {"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    with console(None, "--service-account", folder, env=env) as store:
        assert store.object("get", "namespaces", user.namespace)
    user.wait_for_requests(1, "get", "namespaces")


def test_a_server_may_have_another_name_in_its_certificate(user, console):
    for name, is_right in (("localhost", True), ("other.test", False)):
        config = user.config(cluster={"tls-server-name": name}, token=user.token)
        with console(config) as store:
            seen = store.reflect("configmaps", user.namespace)
            if is_right:
                user.wait_in_step(seen)
            else:
                with pytest.raises(StoreError, match="other.test") as caught:
                    store.do("get", "namespaces", user.namespace)
                assert caught.value.code == "denied" and not seen.synced


def test_a_proxy_of_the_kubeconfig_is_used_for_all(user, console):
    with ConnectProxy() as proxy:
        config = user.config(cluster={"proxy-url": proxy.url}, token=user.token)
        with console(config) as store:
            seen = store.synced("configmaps", user.namespace)
            user.make("a")
            user.wait_in_step(seen)
            assert store.object("get", "configmaps", "a", user.namespace)
    assert proxy.asked == [user.kube.url.removeprefix("https://")]


def test_somebody_else_can_be_acted_for(user, console):
    acts = {"as": "jane", "as-groups": ["dev", "ops"], "as-user-extra": {"bed.test/Why not": ["a", "b"]}}
    with console(user.config(token=user.token, **acts)) as store:
        with pytest.raises(StoreError, match="denied"):
            store.do("get", "secrets", "a", user.namespace)
    user.wait_for_requests(1)
    (event,) = user.kube.api_server.audit(user.name)
    acted = event["impersonatedUser"]
    assert acted["username"] == "jane" and {"dev", "ops"} <= set(acted["groups"])
    assert acted["extra"] == {"bed.test/why not": ["a", "b"]}  # the server takes header names lower


# --- writes ---


def test_a_namespace_that_is_being_deleted_or_missing_says_so(user, console):
    kube, name = user.kube, f"{user.namespace}-ends"
    kube.create("namespaces", {"metadata": {"name": name}})
    held = {"metadata": {"name": "held", "finalizers": ["bed.test/hold"]}}
    kube.create("configmaps", held, name)
    kube.delete(f"namespaces/{name}")
    with console(user.kubeconfig) as store:
        for namespace, code, words in (
            (name, "deleted", "the namespace is being deleted"),
            ("nowhere", "not found", "the namespace does not exist"),
        ):
            body = {"metadata": {"name": "late", "namespace": namespace}}
            for op in ("create", "apply"):
                with pytest.raises(StoreError) as caught:
                    store.do(op, "configmaps", object=body)
                assert caught.value.code == code and words in str(caught.value)
    kube.patch("configmaps/held", {"metadata": {"finalizers": None}}, name)


def test_a_kind_that_the_server_does_not_have_is_told_from_a_missing_object(user, console):
    with console(user.kubeconfig) as store:
        for op, resource, name, code in (
            ("get", "configmaps", "missing", "not found"),
            ("get", "nothings", "missing", "unsupported"),
            ("list", "nothings", None, "unsupported"),
        ):
            with pytest.raises(StoreError) as caught:
                store.do(op, resource, name, user.namespace)
            assert caught.value.code == code


def test_a_stale_version_is_a_conflict(user, console):
    user.make("a")
    with console(user.kubeconfig) as store:
        old = store.object("get", "configmaps", "a", user.namespace)
        store.do("update", "configmaps", object={**old, "data": {"a": "1"}})
        with pytest.raises(StoreError, match="modified") as caught:
            store.do("update", "configmaps", object={**old, "data": {"a": "2"}})
        assert caught.value.code == "conflict"


def test_a_dry_run_is_checked_by_the_server_and_keeps_nothing(user, console):
    user.make("a")
    before = user.versions()
    with console(user.kubeconfig, "--dry-run") as store:
        made = store.object("create", "configmaps", object=config_map(user, "new"))
        assert made["metadata"]["uid"]
        store.do("apply", "configmaps", object=config_map(user, "other", a="b"))
        store.do("patch", "configmaps", "a", user.namespace, object={"data": {"a": "b"}})
        store.do("delete", "configmaps", "a", user.namespace)
        with pytest.raises(StoreError) as caught:
            store.do("create", "configmaps", object=config_map(user, "bad", **{"a/b": "c"}))
        assert caught.value.code == "invalid"
        store.do("note", "configmaps", "a", user.namespace, reason="Never", message="kept")
    assert user.versions() == before
    assert user.requests("create", "events") == 0


UNKNOWN = {"spec": {"replicas": 0, "colour": "red"}}


def unknown_field(user):
    labels = {"app": "a"}
    spec = {"containers": [{"name": "a", "image": "a"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "metadata": {"name": "web", "namespace": user.namespace},
        "spec": {"replicas": 0, "colour": "red", "selector": {"matchLabels": labels}, "template": template},
    }


def test_an_unknown_field_is_a_warning_once_and_an_error_where_it_is_strict(user, console):
    with console(user.kubeconfig) as store:
        store.do("create", "deployments", object=unknown_field(user))
        for _ in range(3):
            store.do("patch", "deployments", "web", user.namespace, object=UNKNOWN)
    warnings = re.findall(r'the API server warns: (.*)', store.log())
    assert len(warnings) == len(set(warnings)) >= 1 and "spec.colour" in warnings[0]
    with console(user.kubeconfig, "--strict") as store, pytest.raises(StoreError) as caught:
        store.do("patch", "deployments", "web", user.namespace, object=UNKNOWN)
    assert caught.value.code == "invalid" and "colour" in str(caught.value)


# --- events ---


def events_of(user, name, namespace=None):
    return [
        event
        for event in user.kube.list("events.events.k8s.io", namespace or user.namespace)
        if event["regarding"]["name"] == name
    ]


def test_events_are_folded_into_series_that_kubectl_shows(user, console):
    uid = user.make_own("Certificate", "web", user.namespace)["metadata"]["uid"]
    note = {"uid": uid, "manager": "cert-manager-certificates-trigger", "action": "Issue"}
    with console(user.kubeconfig) as store:

        def tell(reason, message, **words):
            where = ("certificates", "web", user.namespace)
            store.do("note", *where, reason=reason, message=message, **{**note, **words})

        tell("Issuing", "Issuing certificate as Secret does not exist")
        wait_until(lambda: events_of(user, "web"), 10, "the first event")
        tell("Issuing", "Issuing certificate as Secret does not exist")
        wait_until(lambda: events_of(user, "web")[0].get("series"), 10, "the series")
        tell("Issuing", "Issuing certificate as Secret does not exist")
        tell("Issuing", "Issuing certificate as Secret holds another one")
        tell("Failed", "é" * 2000, type="Warning")
        wait_until(lambda: len(events_of(user, "web")) == 3, 10, "the events with another text or reason")
        user.wait_for_requests(1, "patch", "events")
    texts = {event["note"]: event for event in events_of(user, "web")}
    failed = texts["é" * 512]
    assert not texts["Issuing certificate as Secret holds another one"].get("series")
    issuing = texts["Issuing certificate as Secret does not exist"]
    assert issuing["series"]["count"] == 3  # what was left is told at the end
    assert issuing["action"] == "Issue" and issuing["type"] == "Normal"
    assert issuing["reportingController"] == "cert-manager-certificates-trigger"
    assert failed["type"] == "Warning" and failed["reason"] == "Failed"
    # Who reads core/v1 without the newer fields finds the same.
    (older,) = (one for one in user.kube.list("events", user.namespace) if one["message"] == issuing["note"])
    assert older["count"] == 3 and older["source"]["component"] == issuing["reportingController"]
    assert older["firstTimestamp"] == issuing["eventTime"][:19] + "Z"
    assert older["lastTimestamp"] == issuing["series"]["lastObservedTime"][:19] + "Z"
    shown = user.kube.kubectl("get", "events", "--namespace", user.namespace)
    assert "certificate/web" in shown and "Issuing certificate as Secret" in shown
    described = user.kube.kubectl("describe", "certificate", "web", "--namespace", user.namespace)
    assert re.search(r"Normal +Issuing +.*x3.*cert-manager-certificates-trigger", described), described
    assert re.search(r"Warning +Failed", described)


def test_an_event_about_an_object_without_a_namespace_is_in_default(user, console):
    user.make_own("ClusterIssuer", user.namespace)
    with console(user.kubeconfig) as store:
        store.do("note", "clusterissuers", user.namespace, reason="KeyGenerated", message="made")
    (event,) = events_of(user, user.namespace, "default")
    assert "namespace" not in event["regarding"] and event["reportingController"] == "certlet"


def test_an_event_in_a_namespace_that_is_gone_is_dropped(user, console):
    with console(user.kubeconfig) as store:
        store.do("note", "certificates", "web", "nowhere", reason="Issuing", message="lost")
        store.do("note", "configmaps", "a", user.namespace, reason="Issuing", message="found")
        wait_until(lambda: events_of(user, "a"), 10, "the event behind it")
    user.wait_for_requests(2, "create", "events")
