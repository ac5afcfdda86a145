"""Who works: hand-over between two controllers, orderly stops, foreign holders of the Lease."""

import contextlib
import datetime
import os
import select
import threading
import time

import pytest

from support.bed import wait_until
from support.certlet import solver_flags
from support.controller import (
    ACCOUNT,
    LEASE,
    LEASE_NAMESPACE,
    NAMESPACE,
    Controller,
)
from support.kube_fronts import Front, kubeconfig
from support.resources import CERTIFICATES, CHALLENGES, LEASES
from support.scene import repeated

pytestmark = pytest.mark.kube
STOPS_WITHIN_S = 6  # 3 s is what it should take; the checkers and a busy machine take their part


@pytest.fixture
def start(binary, cluster, bind, tmp_path):
    """Starts controllers; they end with the test, and their Lease goes."""
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.delete, f"{LEASES}/{LEASE}", LEASE_NAMESPACE)

        def new(name, kind=Controller, **options):
            process = kind(
                binary, tmp_path / name, cluster, solver_flags(bind), name=name, **options
            )
            stack.callback(process.stop)
            process.start()
            return process

        yield new


def leads(process):
    return process.metric("leader_election_master_status") == 1


def wait_alone(process, *others):
    process.wait_to_lead()
    wait_until(lambda: leads(process), 20, "the metric of the leader")  # set beside the line of the log
    assert not any(leads(other) for other in others)


# --- hand-over ---


def is_under_way(scene, names):
    """Some of them have Challenges; or we have come too late to see any."""
    return scene.list(CHALLENGES) or all(scene.is_ready(name) for name in names)


@pytest.mark.parametrize("how", ["term", "kill"])
def test_the_other_one_goes_on_and_issues_nothing_twice(start, scene, how):
    first = start("first")
    wait_alone(first)
    second = start("second")
    assert second.health("/readyz") == (200, "ok") and not leads(second)
    scene.ask("before")
    scene.wait_ready()
    during = [f"during-{number}" for number in range(4)]
    scene.ask(*during)
    wait_until(lambda: is_under_way(scene, during), 60, "issuing to be under way", every=0)
    began = time.monotonic()
    if how == "kill":
        first.kill()
    else:
        first.interrupt()
        assert first.child.wait(60) == 0
        assert time.monotonic() - began < STOPS_WITHIN_S
        assert first.stop() == 0
    scene.ask("after")
    second.wait_to_lead()
    taken = time.monotonic() - began
    scene.wait_ready()
    # The Lease lasts 15 s from its last renewal: one that was given back is not waited for.
    assert taken < (10 if how == "term" else 30)
    assert scene.finalizes() == len(scene.names) == 6
    # The answer to a newOrder may have died with the first one; Pebble lists orders, so it is found.
    assert scene.orders() == 6
    scene.wait_tidy()
    assert first.child is None and leads(second)


def test_an_order_whose_url_died_with_the_leader_is_found_by_the_standby(
    start, scene, cluster, tmp_path
):
    """The standby has seen the Order long before: it does not come with its first list."""
    reached, killed = threading.Event(), threading.Event()

    def hold(handler):
        reached.set()
        killed.wait(60)
        handler.close_connection = True

    def decide(method, path):
        is_write = method in ("PUT", "PATCH") and "/orders/" in path and "/status?" in path
        return hold if is_write and scene.orders() else None

    with Front(cluster, decide) as front:
        token = cluster.token(NAMESPACE, ACCOUNT)
        config = kubeconfig(tmp_path, front.url, cluster.ca_file, token=token)
        first = start("first", kubeconfig=config)
        wait_alone(first)
        second = start("second")
        scene.ask("web")
        assert reached.wait(60)
        first.kill()
        killed.set()
        wait_alone(second)
    scene.wait_ready()
    assert (scene.orders(), scene.finalizes()) == (1, 1)


# --- stops ---


def test_a_standby_ends_at_once_and_leaves_the_lease_alone(start, cluster):
    first = start("first")
    wait_alone(first)
    second = start("second")
    before = first.holder()
    began = time.monotonic()
    second.interrupt()
    assert second.child.wait(60) == 0 and time.monotonic() - began < STOPS_WITHIN_S
    assert first.holder() == before != ""


def test_a_stop_gives_the_lease_back(start, cluster):
    process = start("first")
    wait_alone(process)
    assert process.holder()
    began = time.monotonic()
    process.interrupt()
    assert process.child.wait(60) == 0 and time.monotonic() - began < STOPS_WITHIN_S
    lease = cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)["spec"]
    assert lease.get("holderIdentity", "") == "" and lease["leaseDurationSeconds"] == 1


def test_a_second_signal_ends_it_at_once(start, cluster):
    """The API server answers nothing, so that giving the Lease back takes as long as it may."""
    codes = []
    while 130 not in codes and len(codes) < 3:  # on a busy machine the stop may end before we ask again
        process = start(f"number-{len(codes)}")
        wait_alone(process)
        cluster.pause()
        try:
            process.interrupt()
            wait_until(lambda: is_stopping(process), 10, "the stop to begin", every=0)
            process.interrupt()
            codes.append(process.child.wait(60))
        finally:
            cluster.resume()
        process.child = None
    assert codes[-1] == 130, codes


def is_stopping(process):
    return "shutdown" in process.health("/readyz")[1] or process.child.poll() is not None


def test_an_api_server_that_answers_nothing_does_not_keep_us(start, cluster, scene):
    """What a stop would write: the pauses of the account that has just been used, events, the Lease."""
    process = start("first")
    wait_alone(process)
    scene.ask("web")
    scene.wait_ready()
    scene.ask("under-way")
    wait_until(lambda: is_under_way(scene, ["under-way"]), 60, "a Challenge", every=0)
    cluster.pause()
    try:
        began = time.monotonic()
        process.interrupt()
        process.child.wait(60)
        taken = time.monotonic() - began
        assert taken < STOPS_WITHIN_S
    finally:
        cluster.resume()
    wait_alone(start("second"))  # when the Lease that was not given back has run out
    scene.wait_ready()
    assert scene.finalizes() == 2


# --- foreign holders ---


def micro_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Rival:
    """Holds the Lease as cert-manager's controller does: 60 s, renewed."""

    identity = "cert-manager-5d8f7c9b4-x2x7q-external-cert-manager-controller"

    def __init__(self, cluster):
        self._cluster = cluster

    def _spec(self, **changes):
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": 60,
            "renewTime": micro_now(),
            **changes,
        }

    def take(self):
        if not self._cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE):
            spec = self._spec(acquireTime=micro_now(), leaseTransitions=0)
            self._cluster.create(LEASES, {"metadata": {"name": LEASE}, "spec": spec}, LEASE_NAMESPACE)
        self.renew(acquireTime=micro_now())

    def renew(self, **changes):
        self._cluster.patch(f"{LEASES}/{LEASE}", {"spec": self._spec(**changes)}, LEASE_NAMESPACE)

    def release(self):
        self.renew(holderIdentity="", leaseDurationSeconds=1, acquireTime=micro_now())


def test_a_foreign_holder_keeps_us_standing_by_until_it_releases(start, cluster, scene):
    rival = Rival(cluster)
    rival.take()
    with repeated(rival.renew, every=1):
        process = start("first")
        assert process.health("/readyz") == (200, "ok")
        wait_until(lambda: rival.identity in process.log_text(), 20, "the holder to be named")
        scene.ask("web")
        # Longer than a Lease of ours lasts; the rival's renewals tell the time.
        began = cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)["spec"]["renewTime"]
        limit = datetime.datetime.fromisoformat(began.rstrip("Z")) + datetime.timedelta(seconds=17)
        wait_until(
            lambda: cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)["spec"]["renewTime"] > limit.isoformat(),
            40,
            "17 s of renewals",
            every=0.5,
        )
        assert not leads(process) and process.child.poll() is None
        one = scene.get(f"{CERTIFICATES}/web")
        assert "conditions" not in one.get("status", {}) and scene.orders() == 0
        assert process.holder() == rival.identity
    began = time.monotonic()
    rival.release()
    process.wait_to_lead()
    assert time.monotonic() - began < 10  # its last record says 60 s
    scene.wait_ready()
    lease = cluster.get(f"{LEASES}/{LEASE}", LEASE_NAMESPACE)["spec"]
    assert lease["leaseTransitions"] == 1 and lease["leaseDurationSeconds"] == 15


def test_a_lease_that_is_stolen_ends_the_process_with_a_word(start, cluster, scene):
    process = start("first")
    wait_alone(process)
    scene.ask("web")
    scene.wait_ready()
    Rival(cluster).take()
    assert process.child.wait(60) == 1
    last = [line for line in process.log_text().splitlines() if line.startswith("E")]
    assert any("Lease is lost" in line and Rival.identity in line for line in last), last
    process.child = None
    assert process.holder() == Rival.identity


class Unread(Controller):
    """Its log is a pipe: read into the file that tests look at, until nobody reads it any more."""

    def start(self):
        self._fifo = self.folder / "log.fifo"
        os.mkfifo(self._fifo)
        self._reader = os.open(self._fifo, os.O_RDWR)  # of both ends: opening waits for nobody
        self._is_read = threading.Event()
        self._is_read.set()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        super().start()

    def command(self):
        return ["/bin/sh", "-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", str(self._fifo), *super().command()]

    def _read(self):
        with open(self.log_file, "ab") as log:
            while self._is_read.is_set():
                if select.select([self._reader], [], [], 0.1)[0]:
                    log.write(os.read(self._reader, 65536))
                    log.flush()

    def _end_reading(self):
        self._is_read.clear()
        self._thread.join()

    def fill_log(self):
        self._end_reading()
        full = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full, b"x" * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full, b"x")
        os.close(full)

    def stop(self):
        try:
            return super().stop()
        finally:
            self._end_reading()
            os.close(self._reader)


@pytest.mark.parametrize("how", ["stolen", "not renewed"])
def test_a_log_that_nobody_reads_keeps_no_leader_alive(start, cluster, how):
    process = start("first", kind=Unread)
    wait_alone(process)
    process.fill_log()
    if how == "stolen":
        Rival(cluster).take()
        assert process.child.wait(60) == 1
        return
    cluster.pause()
    try:
        assert process.child.wait(60) == 1
    finally:
        cluster.resume()
