"""Killed at any moment, the program goes on where it was; told to end, it ends at once."""

import contextlib
import random
import signal
import time

import pytest

from support import manifests
from support.bed import wait_until
from support.certlet import STOPS_WITHIN_S, Certlet
from support.fault_ca import FaultCA
from support.kills import kill_at_random
from support.troubled import quick_solver


@pytest.mark.threads
def test_killed_at_random_nothing_is_lost_and_nothing_is_finalized_twice(binary, bind, tmp_path):
    """hack/faults does the same a thousand times."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    tally = kill_at_random(binary, tmp_path, bind, 30, seed)
    assert (tally.kills, tally.certificates) == (30, 30)
    assert tally.faults() == {}, f"seed {seed}: {tally}"


def test_killed_between_finalize_and_its_answer_the_certificate_is_fetched(binary, bed, tmp_path):
    with FaultCA(tmp_path / "ca") as ca:
        program = Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"])
        program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
        program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
        ca.fault("finalize", "silence-after", times=1)
        program.start()
        wait_until(lambda: ca.accepted("finalize"), 30, "the finalization", program._child)
        program.kill9()
        done = program.run_once()
        assert done.returncode == 0, done.stderr[-4000:]
        assert (ca.accepted("newOrder"), ca.count("finalize")) == (1, 1)
        assert "CERTIFICATE" in program.certificate_pem("a-tls")


@pytest.mark.parametrize("endpoint", ["newAccount", "newOrder", "challenge", "cert"])
def test_killed_while_the_ca_works_on(binary, bed, tmp_path, endpoint):
    with FaultCA(tmp_path / "ca") as ca:
        program = Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"])
        program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
        program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
        ca.fault(endpoint, "silence-after", times=1)
        program.start()
        wait_until(lambda: ca.accepted(endpoint), 30, endpoint, program._child)
        program.kill9()
        done = program.run_once()
        assert done.returncode == 0, done.stderr[-4000:]
        assert ca.accepted("finalize") == 1
        assert ca.accepted("newOrder") == (2 if endpoint == "newOrder" else 1)
        assert len(ca.ca.accounts) == 1


@contextlib.contextmanager
def hangup(handler):
    """For children that start meanwhile: what is ignored they ignore, too. These tests may be run by nohup(1)."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def waiting(binary, ca, folder):
    """A running program that waits for an answer of the CA."""
    program = Certlet(binary, folder, ["--http01-listen", "127.0.0.1:0"])
    program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
    program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    ca.fault("newOrder", "silence", times=None)
    with hangup(signal.SIG_DFL):
        program.start()
    ca.wait_for("newOrder")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["term", "int", "hup"])
def test_told_to_end_in_the_middle_of_a_call_it_ends_at_once(
    binary, bed, tmp_path, number
):
    with FaultCA(tmp_path / "ca") as ca, waiting(binary, ca, tmp_path / "dir") as program:
        begin = time.monotonic()
        program.signal(number)
        program._child.wait(60)
        assert time.monotonic() - begin < STOPS_WITHIN_S
        assert program.stop() == 0
        ca.clear()
        assert program.run_once().returncode == 0


def test_started_with_nohup_it_outlives_its_terminal(binary, tmp_path):
    program = Certlet(binary, tmp_path / "dir")
    with hangup(signal.SIG_IGN):
        program.start()
    with program:
        program.signal(signal.SIGHUP)
        issuer = manifests.private_issuer("self", {"selfSigned": {}}, "default")
        program.write("a.yaml", issuer, manifests.certificate("a", ["a.example.test"], "self"))
        program.wait_for_certificate("a-tls")


def test_a_second_signal_ends_it_at_once(binary, bed, tmp_path):
    """A hook that takes long keeps the end waiting; who asks twice does not want that."""
    with FaultCA(tmp_path / "ca") as ca:
        program = Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"])
        program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
        program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
        ca.fault("newOrder", "silence", times=None)
        program.start()
        ca.wait_for("newOrder")
        program.signal(signal.SIGTERM)
        program.signal(signal.SIGTERM)
        begin = time.monotonic()
        code = program._child.wait(60)
        assert code in (0, 130) and time.monotonic() - begin < STOPS_WITHIN_S
        ca.clear()
        assert program.run_once().returncode == 0
