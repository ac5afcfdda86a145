"""HAProxy on loopback, with the files of a Secret as a pod has them in a volume."""

import os
import signal
import socket
import tempfile

from . import pki
from .server import LOOPBACK, Server, accepts_connections, cached_program, reserve_port

# In master-worker mode a reload starts a new worker, which takes the sockets over from the old one.
CONFIG = """global
    master-worker
    stats socket unix@{admin} mode 600 level admin expose-fd listeners
    ssl-load-extra-del-ext
    hard-stop-after 10s
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 5s
frontend tls
    bind {address}:{port} ssl crt {certificate}
    http-request return status 200 content-type text/plain string "served"
"""
ADMIN = "admin.sock"


def write_volume(folder, data):
    """As kubelet lays a Secret out: all its files change together, by one rename."""
    folder.mkdir(exist_ok=True)
    version = tempfile.mkdtemp(prefix="..", dir=folder)
    for key, text in data.items():
        with open(os.path.join(version, key), "x", encoding="ascii") as file:
            file.write(text)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(f"..data/{key}")
    link = folder / "..new"
    link.symlink_to(os.path.basename(version))
    link.replace(folder / "..data")


class Haproxy(Server):
    """It shows `file` of the Secret with these `data`: 'tls.crt', and then 'tls.key' beside it, or
    'tls-combined.pem'.
    """

    name = "haproxy"

    def __init__(self, folder, data, file):
        super().__init__(folder)
        self.program = cached_program("haproxy", "haproxy")
        self.port = reserve_port()
        self._certificate = f"tls/{file}"  # by this name it is known at run time, too
        self.write(data)
        names = {"admin": ADMIN, "address": LOOPBACK, "port": self.port}
        text = CONFIG.format(certificate=self._certificate, **names)
        (self.folder / "haproxy.cfg").write_text(text, encoding="ascii")

    def command(self):
        return [self.program, "-f", "haproxy.cfg"]

    def is_ready(self):
        return accepts_connections(self.port)

    # --- a new certificate ---

    def write(self, data):
        """The volume is brought up to date; nobody has told HAProxy yet."""
        write_volume(self.folder / "tls", data)

    def reload(self):
        self.child.send_signal(signal.SIGUSR2)

    def replace(self, pem):
        """Without a reload: the text of the file, by the runtime API."""
        lines = [line for line in pem.splitlines() if line]  # an empty one would end the text
        said = self._ask(f"set ssl cert {self._certificate} <<\n" + "\n".join(lines) + "\n")
        assert "Transaction created" in said, said
        said = self._ask(f"commit ssl cert {self._certificate}")
        assert "Success!" in said, said

    def _ask(self, command):
        folder = os.open(self.folder, os.O_PATH)  # the path of a socket is 107 bytes at most
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(60)
                admin.connect(f"/proc/self/fd/{folder}/{ADMIN}")
                admin.sendall(command.encode("ascii") + b"\n")
                return b"".join(iter(lambda: admin.recv(4096), b"")).decode("ascii")
        finally:
            os.close(folder)

    # --- a look from outside ---

    def leaf(self, name, ca_file):
        """The leaf that `openssl s_client` is shown for `name`; a BedError when it does not believe it."""
        said = pki.openssl(
            *("s_client", "-connect", f"{LOOPBACK}:{self.port}", "-servername", name),
            *("-CAfile", ca_file, "-verify_hostname", name, "-verify_return_error"),
            stdin="",
        )
        assert "Verify return code: 0 (ok)" in said
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
        return begin + said.partition(begin)[2].partition(end)[0] + end
