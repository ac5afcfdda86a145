"""Fixtures of the integration tests: the program and the servers around it.

A server that does not start fails the test; only --no-bed skips what needs one.
"""

import pathlib

import pytest

from support.bed import Bind, Pebble, reserve_port
from support.certlet import Certlet, find_binary, solver_flags
from support.fault_ca import FaultCA

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption(
        "--no-bed", action="store_true", help="skip the tests that need BIND or Pebble"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "threads: run under the thread checker too (hack/test)")


@pytest.fixture(scope="session")
def bed(request):
    """Whoever starts a server asks for this first."""
    if request.config.getoption("--no-bed"):
        pytest.skip("--no-bed")


@pytest.fixture(scope="session")
def binary():
    return find_binary(ROOT)


@pytest.fixture(scope="module")
def bind(bed, tmp_path_factory):
    """A name server with the zones example.test and other.test for all tests of a file."""
    with Bind(tmp_path_factory.mktemp("bind"), zones=("example.test", "other.test")) as server:
        yield server


@pytest.fixture(scope="module")
def pebble(bind, tmp_path_factory):
    """A CA for all tests of a file, which validates through `bind`. Counters go on: compare differences."""
    with Pebble(tmp_path_factory.mktemp("pebble"), dns=bind.address) as server:
        yield server


@pytest.fixture
def fault_ca(tmp_path):
    with FaultCA(tmp_path / "fault-ca") as ca:
        yield ca
        assert not ca.errors, "the fault CA itself made mistakes:\n" + "\n".join(ca.errors)


@pytest.fixture
def certlet(binary, bind, pebble, tmp_path):
    """The program on an empty folder, led to `bind` and `pebble`."""
    with Certlet(
        binary, tmp_path / "dir", solver_flags(bind, http01_port=pebble.http_port)
    ) as program:
        yield program


@pytest.fixture
def free_port():
    """A port for the program to listen on."""
    return reserve_port()
