"""Fixtures of the integration tests: the program and the servers around it.

A server that does not start fails the test; only --no-bed skips what needs one.
"""

import functools
import pathlib
import signal

import pytest

from support import manifests as m
from support.bed import Bind, Kube, Pebble, reserve_port, wait_until
from support.certlet import Certlet, find_binary, solver_flags
from support.controller import apply, install, namespace_of, new_namespace
from support.fault_ca import FaultCA
from support.kube import DEFAULT_VERSION
from support.plugin import Plugin
from support.scene import Scene
from support.swap import Swap

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption(
        "--no-bed", action="store_true", help="skip the tests that need BIND, Pebble or Kubernetes"
    )
    parser.addoption(
        "--kube",
        metavar="VERSION",
        default=DEFAULT_VERSION,
        help="Kubernetes of the tests marked kube",
    )
    parser.addoption(
        "--kube-emulate",
        metavar="1.MINOR",
        help="let its servers do as this older version, up to three minor versions back",
    )


def interrupt(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, interrupt)  # else the servers of an ended run stay
    config.addinivalue_line("markers", "threads: run under the thread checker too (hack/test)")
    config.addinivalue_line("markers", "kube: needs a Kubernetes control plane")


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


@pytest.fixture(scope="session")
def kube_version(request):
    return request.config.getoption("--kube")


@pytest.fixture(scope="session")
def new_kube(bed, request, kube_version):
    """Makes a Kube in a folder, of the version that is asked for."""
    emulate = request.config.getoption("--kube-emulate")
    return functools.partial(Kube, version=kube_version, emulate=emulate)


@pytest.fixture(scope="module")
def kube(new_kube, tmp_path_factory):
    """A control plane for all tests of a file: each takes namespaces of its own."""
    with new_kube(tmp_path_factory.mktemp("kube")) as servers:
        yield servers


@pytest.fixture(scope="module")
def cluster(kube):
    """`kube` with all of deploy/ in it, ready for `certlet controller`."""
    install(kube)
    return kube


@pytest.fixture
def namespace(cluster, request):
    """One of its own for each test."""
    return new_namespace(cluster, request.node.name)


@pytest.fixture
def private_ca(cluster, namespace):
    """A namespace with self ─► root ─► ca."""
    apply(cluster, *m.private_ca(namespace))
    return namespace


@pytest.fixture
def scene(cluster, bind, pebble, request):
    """The Scene of a test; in the end nothing is left of it."""
    scene = Scene(cluster, bind, pebble, namespace_of(request.node.name))
    yield scene
    scene.remove()
    wait_until(scene.is_gone, 180, "the namespace to go", every=0.2)
    assert not scene.records()


@pytest.fixture
def quick(scene):
    """A scene in which nobody looks before the CA is asked."""
    scene.make_issuer("0s")
    return scene


@pytest.fixture
def swap(binary, cluster, bind, tmp_path):
    return Swap(binary, tmp_path, cluster, bind)


@pytest.fixture(scope="module")
def plugin(binary, cluster, tmp_path_factory):
    return Plugin(binary, cluster, tmp_path_factory.mktemp("plugin"))


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
