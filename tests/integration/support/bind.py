"""BIND's named on loopback: zones that take RFC 2136 updates signed with TSIG."""

import base64
import os
import shutil
import subprocess
import uuid

from . import dnsquery
from .server import LOOPBACK, BedError, Server, cached_program, reserve_port

ALGORITHMS = ("hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512")

# It has a root zone of its own: what is in no zone of ours is answered here with NXDOMAIN, so that
# a recursive query never leaves loopback.
OPTIONS = """options {{
    directory "{folder}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion yes;
    allow-recursion {{ 127.0.0.1; }};
    dnssec-validation no;
    empty-zones-enable no;
    notify no;
}};
controls {{ }};
"""
KEY = 'key "{name}" {{ algorithm {algorithm}; secret "{secret}"; }};\n'
ZONE = 'zone "{name}" {{ type primary; file "{file}"; allow-update {{ {keys} }}; }};\n'

# TTL 1 everywhere, negative answers too: nobody may remember what a test has just changed.
# The wildcard leads every name to loopback for http-01. A record below a name hides it for that name
# (RFC 4592): while _acme-challenge.a exists, 'a' itself has no address but what add_record() gives it.
ZONE_HEAD = """$ORIGIN {origin}
$TTL 1
@ SOA ns hostmaster 1 60 60 600 1
@ NS ns
ns A 127.0.0.1
"""
ZONE_HOSTS = "@ A 127.0.0.1\n* A 127.0.0.1\n"


def new_secret():
    return base64.b64encode(os.urandom(32)).decode("ascii")


class Bind(Server):
    """named with `zones`, which the keys in `tsig` {name: (algorithm, base64 secret)} may update.

    Algorithms are BIND's words: ALGORITHMS. Without `tsig` there is one key, 'certlet' (hmac-sha256).
    `records` are further lines of the first zone, in zone file syntax. State lives through stop() and start().
    """

    name = "named"

    def __init__(self, folder, zones=("example.test",), tsig=None, port=None, records=()):
        super().__init__(folder)
        self.program = cached_program("named", "bind")
        self.port = port or reserve_port()
        self.zones = tuple(zones)
        self.tsig = dict(tsig or {"certlet": ("hmac-sha256", new_secret())})
        # For our own helpers, so that tests need not hold one of the keys under test.
        self._own_key = ("bed", ("hmac-sha256", new_secret()))
        self._mark = uuid.uuid4().hex
        self._write_files(records)

    @property
    def address(self):
        return (LOOPBACK, int(self.port))

    @property
    def nameserver(self):
        """host:port, as manifests and flags take it."""
        return f"{LOOPBACK}:{self.port}"

    def command(self):
        return [self.program, "-g", "-n", "1", "-c", str(self.folder / "named.conf")]

    def is_ready(self):
        # Asked for a mark of our own, in both ways: named goes on without a port that is taken,
        # and then somebody else answers there.
        try:
            found = [
                self.query("mark.bed", "TXT", tcp, timeout=1).values("TXT") for tcp in (False, True)
            ]
        except OSError:
            return False
        return found == [[self._mark]] * 2

    def query(self, name, kind="TXT", tcp=False, timeout=20):
        return dnsquery.query(self.address, name, kind, tcp, timeout)

    def txt(self, name, tcp=False):
        """The TXT values at `name`, sorted."""
        return sorted(self.query(name, "TXT", tcp).values("TXT"))

    def add_record(self, name, kind, value, ttl=1):
        self._update(f"update add {name} {ttl} {kind} {value}")

    def delete_record(self, name, kind, value=""):
        self._update(f"update delete {name} {kind} {value}")

    def nsupdate(self, commands, key=None):
        """Run nsupdate with the key of that name (None: unsigned); its result tells whether it was taken."""
        program = shutil.which("nsupdate")
        if not program:
            raise BedError("'nsupdate' is not here; run 'hack/deps test'")
        argv = [program]
        if key:
            algorithm, secret = self._keys()[key]
            argv += ["-y", f"{algorithm}:{key}:{secret}"]
        script = f"server {LOOPBACK} {self.port}\n{commands}\nsend\n"
        return subprocess.run(
            argv, input=script, capture_output=True, text=True, timeout=60, check=False
        )

    def _update(self, command):
        done = self.nsupdate(command, self._own_key[0])
        if done.returncode != 0:
            raise BedError(f"'{command}' was refused: {done.stderr.strip()}")

    def _keys(self):
        return dict([self._own_key, *self.tsig.items()])

    def _write_files(self, records):
        keys = "".join(
            KEY.format(name=name, algorithm=algorithm, secret=secret)
            for name, (algorithm, secret) in self._keys().items()
        )
        allowed = " ".join(f'key "{name}";' for name in self._keys())
        config = OPTIONS.format(folder=self.folder, port=self.port) + keys
        config += self._zone(".", f'mark.bed TXT "{self._mark}"\n', "")
        for number, zone in enumerate(self.zones):
            extra = "".join(f"{line}\n" for line in records) if number == 0 else ""
            config += self._zone(zone, ZONE_HOSTS + extra, allowed)
        self._write("named.conf", config)

    def _zone(self, name, lines, keys):
        file = "root.zone" if name == "." else f"{name}.zone"
        self._write(file, ZONE_HEAD.format(origin=name.rstrip(".") + ".") + lines)
        return ZONE.format(name=name, file=file, keys=keys or "none;")

    def _write(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)  # it may hold the keys
        path.write_text(text, encoding="ascii")
