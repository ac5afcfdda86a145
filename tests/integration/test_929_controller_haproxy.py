"""HAProxy shows the Secrets that we write, and goes on doing so while they are renewed."""

import contextlib
import socket
import ssl
import threading

import pytest

from support import manifests as m
from support import pki
from support.bed import BedError, wait_until
from support.controller import Controller, apply, secret_data, wait_for_revision, wait_ready
from support.files import serial_of
from support.haproxy import Haproxy
from support.resources import CERTIFICATES
from support.server import LOOPBACK

pytestmark = pytest.mark.kube
HOST = "web.example.test"
COMBINED = {"additionalOutputFormats": [{"type": "CombinedPEM"}]}
RSA = {"privateKey": {"algorithm": "RSA", "size": 2048}}
PKCS8 = {"privateKey": {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8"}}
# What HAProxy is given of the Secret, and what is asked for.
WAYS = {
    "tls.crt and tls.key": ("tls.crt", {}),
    "tls-combined.pem": ("tls-combined.pem", COMBINED),
    "tls-combined.pem, RSA": ("tls-combined.pem", {**COMBINED, **RSA}),
    "tls-combined.pem, PKCS8": ("tls-combined.pem", {**COMBINED, **PKCS8}),
}


@pytest.fixture(scope="module")
def controller(binary, cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    with Controller(binary, folder, cluster, ["--leader-elect=false"]) as process:
        yield process


class Site:
    """The Certificate 'web' of a namespace, under an intermediate CA: a client must be sent the chain."""

    def __init__(self, cluster, namespace, plugin, folder):
        self._cluster, self._namespace, self._plugin = cluster, namespace, plugin
        self.ca_file = folder / "ca.pem"

    def issue(self, **spec):
        """The data of its Secret; the root is in ca_file."""
        apply(
            self._cluster,
            m.root_certificate("ca", self._namespace, "middle", duration="8760h"),
            m.private_issuer("middle-ca", {"ca": {"secretName": "middle-tls"}}, self._namespace),
            m.certificate("web", [HOST], "middle-ca", self._namespace, **spec),
        )
        wait_ready(self._cluster, f"{CERTIFICATES}/web", self._namespace)
        data = self._data()
        self.ca_file.write_text(data["ca.crt"], encoding="ascii")
        return data

    def renew(self):
        """The data of the Secret after that."""
        done = self._plugin("renew", "-n", self._namespace, "web")
        assert done.returncode == 0, done.stderr
        wait_for_revision(self._cluster, "web", self._namespace, 2)
        return self._data()

    def _data(self):
        return secret_data(self._cluster, "web-tls", self._namespace)


@pytest.fixture
def site(controller, cluster, private_ca, plugin, tmp_path):
    return Site(cluster, private_ca, plugin, tmp_path)


class Visitors:
    """Clients that connect again and again: `seen` are the serial numbers that they are shown, `failed` what
    went wrong, from the connection to the answer.
    """

    def __init__(self, port, ca_file):
        self._port = int(port)
        self._trust = ssl.create_default_context(cafile=str(ca_file))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._visit_on, daemon=True) for _ in range(3)]
        self.seen, self.failed = [], []

    def _visit(self):
        with socket.create_connection((LOOPBACK, self._port), 30) as raw:
            with self._trust.wrap_socket(raw, server_hostname=HOST) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
                assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"served"), answer
                return connection.getpeercert()["serialNumber"]

    def _visit_on(self):
        while not self._ended.wait(0.005):
            try:
                self.seen.append(self._visit())
            except (OSError, AssertionError) as error:
                self.failed.append(error)

    def wait_to_see(self, serial):
        wait_until(lambda: serial in self.seen[-10:], 20, f"visitors to be shown {serial}")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(30)


@contextlib.contextmanager
def visited(haproxy, site, data):
    """Within it there are visitors, who have been shown the leaf of `data`; none of them may fail."""
    with Visitors(haproxy.port, site.ca_file) as visitors:
        visitors.wait_to_see(serial_of(data["tls.crt"]))
        yield visitors
    assert visitors.failed == []


@pytest.mark.parametrize("way", WAYS)
def test_after_a_renewal_and_a_reload_the_new_leaf_is_shown_and_no_connection_fails(site, tmp_path, way):
    file, spec = WAYS[way]
    first = site.issue(**spec)
    assert ("tls-combined.pem" in first) == (file == "tls-combined.pem")
    with Haproxy(tmp_path / "haproxy", first, file) as haproxy:
        assert serial_of(haproxy.leaf(HOST, site.ca_file)) == serial_of(first["tls.crt"])
        with visited(haproxy, site, first) as visitors:
            second = site.renew()
            assert serial_of(second["tls.crt"]) != serial_of(first["tls.crt"])
            haproxy.write(second)
            haproxy.reload()
            visitors.wait_to_see(serial_of(second["tls.crt"]))
        assert serial_of(haproxy.leaf(HOST, site.ca_file)) == serial_of(second["tls.crt"])


def test_the_runtime_api_takes_the_combined_pem_without_a_reload(site, tmp_path):
    first = site.issue(**COMBINED)
    with Haproxy(tmp_path / "haproxy", first, "tls-combined.pem") as haproxy:
        with visited(haproxy, site, first) as visitors:
            second = site.renew()
            haproxy.replace(second["tls-combined.pem"])
            visitors.wait_to_see(serial_of(second["tls.crt"]))
        assert serial_of(haproxy.leaf(HOST, site.ca_file)) == serial_of(second["tls.crt"])


def test_a_client_that_should_not_believe_it_does_not(site, tmp_path):
    """So that the others say something: another name, and trust in another CA."""
    data = site.issue()
    other = pki.new_certificate(tmp_path, "other", "another CA", pki.IS_CA)
    with Haproxy(tmp_path / "haproxy", data, "tls.crt") as haproxy:
        with pytest.raises(BedError, match="[Hh]ostname mismatch"):
            haproxy.leaf("another.example.test", site.ca_file)
        with pytest.raises(BedError, match="unable to get (local )?issuer"):
            haproxy.leaf(HOST, other[0])
