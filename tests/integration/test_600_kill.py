"""Killed at any moment, the program goes on where it was; told to end, it ends at once."""

import json
import random
import signal
import time

import pytest

from support import manifests
from support.bed import Pebble, wait_until
from support.certlet import Certlet, solver_flags
from support.fault_ca import FaultCA
from support.files import serial_of
from support.troubled import quick_solver

ROUNDS, NAMES = 30, 3
HOOK = """#!/bin/sh
echo "$CERTLET_NAME $(openssl x509 -noout -serial -in "$CERTLET_PATH/tls.crt")" >>"{log}"
"""


def write_hook(program, log):
    folder = program.folder / "hooks" / "deploy.d"
    folder.mkdir(parents=True)
    hook = folder / "10-note"
    hook.write_text(HOOK.format(log=log), encoding="ascii")
    hook.chmod(0o700)


def serial(program, secret):
    return serial_of(program.certificate_pem(secret))


@pytest.fixture
def shop(binary, bind, tmp_path):
    """The program, a Pebble that has seen nothing yet, and three certificates of different kinds."""
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble:
        flags = solver_flags(bind, http01_port=pebble.http_port)
        with Certlet(binary, tmp_path / "dir", flags) as program:
            program.pebble = pebble
            program.write("key.yaml", manifests.tsig_secret(bind))
            program.write(
                "issuer.yaml",
                manifests.issuer(pebble, [manifests.rfc2136_solver(bind)], name="dns"),
                manifests.issuer(pebble, [quick_solver()], name="http"),
            )
            write_hook(program, tmp_path / "hooks.log")
            yield program


def order(program, n):
    """Ask for NAMES new certificates. No name is below another: BIND's wildcard would not answer it."""
    program.write(
        f"g{n}.yaml",
        manifests.certificate(f"a{n}", [f"a{n}.example.test", f"*.a{n}.example.test"], "dns"),
        manifests.certificate(f"b{n}", [f"b{n}.example.test"], "http"),
        manifests.certificate(f"c{n}", [f"c{n}.example.test"], "dns"),
    )


def kill_after_lines(program, count):
    """Kill it when its log has grown by so many lines, or when all is done."""
    target = program.log_text().count("\n") + count
    program.start("-v", "4")
    wait_until(
        lambda: program.log_text().count("\n") >= target or all_are_stored(program),
        60,
        "lines of the log",
        program._child,
    )
    program.kill9()


def all_are_stored(program):
    """Whether every certificate that was asked for is in its place."""
    asked = (json.loads(part) for file in program.manifests.glob("g*.yaml") for part in parts(file))
    return all(program.certificate_pem(one["spec"]["secretName"]) for one in asked)


def parts(file):
    return file.read_text().split("---\n")[1:]


@pytest.mark.threads
def test_killed_at_random_nothing_is_lost_and_nothing_is_finalized_twice(shop, tmp_path):
    """30 rounds; every third one asks for three more certificates, the others go on with those."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    stored = {}
    for turn in range(ROUNDS):
        if turn % 3 == 0:
            order(shop, turn // 3)
        kill_after_lines(shop, dice.randrange(3, 50))
        for secret, pem in stored.items():
            assert shop.certificate_pem(secret) == pem, f"seed {seed}, turn {turn}: '{secret}' changed"
        folder = shop.folder / "tls" / "default"
        for path in folder.iterdir() if folder.exists() else []:
            if shop.certificate_pem(path.name):
                stored[path.name] = shop.certificate_pem(path.name)
    done = shop.run_once(seconds=60)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-4000:]}"

    wanted = NAMES * ROUNDS // 3
    rows = shop.status()["certificates"]
    assert [row["ready"] for row in rows] == ["True"] * wanted
    assert shop.pebble.finalizes() == wanted, f"seed {seed}"
    # An order is lost at most with the process that had asked for it.
    assert wanted <= shop.pebble.new_orders() <= wanted + ROUNDS
    for secret, pem in stored.items():
        assert shop.certificate_pem(secret) == pem

    noted = (tmp_path / "hooks.log").read_text().splitlines()
    for row in rows:
        assert f"{row['name']} serial={serial(shop, row['secretName'])}" in noted, f"seed {seed}"


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


def waiting(binary, ca, folder):
    """A running program that waits for an answer of the CA."""
    program = Certlet(binary, folder, ["--http01-listen", "127.0.0.1:0"])
    program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
    program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    ca.fault("newOrder", "silence", times=None)
    program.start()
    ca.wait_for("newOrder")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_told_to_end_in_the_middle_of_a_call_it_ends_within_three_seconds(
    binary, bed, tmp_path, number
):
    with FaultCA(tmp_path / "ca") as ca, waiting(binary, ca, tmp_path / "dir") as program:
        begin = time.monotonic()
        program.signal(number)
        program._child.wait(10)
        assert time.monotonic() - begin < 3
        assert program.stop() == 0
        ca.clear()
        assert program.run_once().returncode == 0


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
        code = program._child.wait(10)
        assert code in (0, 130) and time.monotonic() - begin < 3
        ca.clear()
        assert program.run_once().returncode == 0
