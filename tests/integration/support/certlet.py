"""The program under test, run on a folder of manifests."""

import base64
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import uuid

from . import manifests
from .server import BedError, end, wait_until

# A sanitizer's report ends the program with this, so that it is told apart from an ordinary failure.
SANITIZER_EXIT = 99
STOPS_WITHIN_S = 3
SUPPRESSIONS = pathlib.Path(__file__).resolve().parents[2] / "support/tsan.supp"
SANITIZERS = {
    "ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:detect_leaks=1",
    "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}",
    "UBSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:suppressions={SUPPRESSIONS}",
}


def solver_flags(bind=None, http01_port=None, http01_webroot=None, check_retry_period="1s"):
    """The flags that lead certlet's checks and answers to the bed. `http01_port` is the CA's; with
    `http01_webroot` somebody else answers there.
    """
    flags = []
    if bind:
        flags += [
            "--dns01-recursive-nameservers",
            bind.nameserver,
            "--dns01-recursive-nameservers-only",
        ]
        flags += ["--dns01-check-retry-period", check_retry_period]
        flags += ["--acme-http01-solver-nameservers", bind.nameserver]
    if http01_port:
        flags += ["--http01-listen", f"127.0.0.1:{int(http01_port)}"]
        flags += ["--http01-self-check-port", str(int(http01_port))]
    if http01_webroot:
        flags += ["--http01-webroot", str(http01_webroot)]
    return flags


class Certlet:
    """One DIR of certlet. `flags` go with every run; `env` goes over our environment."""

    def __init__(self, binary, folder, flags=(), env=None):
        self.binary = str(binary)
        self.folder = pathlib.Path(folder).resolve()
        self.manifests = self.folder / "manifests"
        self.manifests.mkdir(parents=True, exist_ok=True)
        self.flags = list(flags)
        self.env = {**SANITIZERS, **(env or {})}
        self.log_file = self.folder.with_name(self.folder.name + ".log")
        self._child = None

    # --- what it reads and writes ---

    def write(self, file, *objects):
        """Put manifests (dicts, or one str taken as it is) into manifests/FILE, in one rename."""
        content = (
            objects[0] if objects and isinstance(objects[0], str) else manifests.text(*objects)
        )
        target = self.manifests / file
        target.parent.mkdir(parents=True, exist_ok=True)
        new = self.folder / f".{target.name}.new"  # outside manifests: half a file is never seen
        new.touch(mode=0o600)  # it may hold Secrets
        new.write_text(content, encoding="utf-8")
        new.replace(target)
        return target

    def write_each(self, *objects):
        """Each into a file of its own, NAME.yaml; of one name, the last."""
        for one in objects:
            self.write(f"{one['metadata']['name']}.yaml", one)

    def write_hook(self, name, script, mode=0o700):
        """A program in hooks/deploy.d."""
        folder = self.folder / "hooks" / "deploy.d"
        for one in (folder.parent, folder):
            one.mkdir(mode=0o700, exist_ok=True)
        hook = folder / name
        hook.write_text(script, encoding="utf-8")
        hook.chmod(mode)
        return hook

    def remove(self, file):
        (self.manifests / file).unlink()

    def tls(self, secret, namespace="default"):
        """The folder of a Secret's files."""
        return self.folder / "tls" / namespace / secret

    def certificate_pem(self, secret, namespace="default"):
        """tls.crt as it is now, or '' while there is none."""
        try:
            return (self.tls(secret, namespace) / "tls.crt").read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def log_text(self):
        """What the runs in the background have written, over all starts."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # --- what is in its store ---

    def object(self, kind, name, namespace="default"):
        """An object as it is stored, or None."""
        rows = self._rows(
            "SELECT object FROM objects WHERE namespace = ? AND name = ?", namespace, name
        )
        found = [json.loads(row[0]) for row in rows]
        return next((one for one in found if one["kind"] == kind), None)

    def objects(self, kind):
        found = [json.loads(row[0]) for row in self._rows("SELECT object FROM objects")]
        return [one for one in found if one["kind"] == kind]

    def condition(self, name, wanted="Ready", kind="Certificate"):
        """A condition of an object in 'default', or {}."""
        found = self.object(kind, name)["status"].get("conditions", [])
        return next((one for one in found if one["type"] == wanted), {})

    def secret(self, name, namespace="default"):
        """{key: bytes} of a Secret."""
        data = self.object("Secret", name, namespace)["data"]
        return {key: base64.b64decode(value) for key, value in data.items()}

    def versions(self):
        """resourceVersion of everything: equal when nothing was written in between."""
        query = "SELECT resource, namespace, name, version FROM objects ORDER BY 1, 2, 3"
        return self._rows(query)

    def events(self):
        """The recorded events, oldest first."""
        return [json.loads(row[0]) for row in self._rows("SELECT object FROM events ORDER BY id")]

    def plant(self, resource, one):
        """Put an object into the store behind the program's back, which must not be running."""
        metadata = one["metadata"]
        store = sqlite3.connect(self.folder / "state.db", timeout=60)
        try:
            store.execute("UPDATE counter SET version = version + 1")
            version = store.execute("SELECT version FROM counter").fetchone()[0]
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.update(resourceVersion=str(version), generation=1)
            metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            row = (resource, metadata["namespace"], metadata["name"], metadata["uid"], version, 0)
            store.execute(
                "INSERT INTO objects (resource, namespace, name, uid, version, deleting, object) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, json.dumps(one)),
            )
            store.commit()
        finally:
            store.close()

    def _rows(self, query, *values):
        # Read-write, as SQLite needs it to read beside a writer in WAL mode.
        store = sqlite3.connect(self.folder / "state.db", timeout=60)
        try:
            return store.execute(query, values).fetchall()
        finally:
            store.close()

    # --- running it ---

    def command(self, *arguments, seconds=120):
        """Run any subcommand to its end. A sanitizer's report is an error of its own."""
        done = subprocess.run(
            [self.binary, *map(str, arguments)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        self._refuse_report(done.returncode, done.stderr)
        return done

    def run_once(self, *flags, seconds=120):
        """certlet run DIR --once, told to end within `seconds` and given a little longer than that."""
        arguments = ("run", self.folder, "--once", "--timeout", f"{seconds}s", *self.flags, *flags)
        return self.command(*arguments, seconds=seconds + 20)

    def start(self, *flags):
        """certlet run DIR in the background."""
        with open(self.log_file, "ab") as log:
            self._child = subprocess.Popen(
                [self.binary, "run", str(self.folder), *self.flags, *map(str, flags)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self):
        return self._child.pid if self._child else None

    def is_running(self):
        return self._child is not None and self._child.poll() is None

    def signal(self, number):
        self._child.send_signal(number)

    def stop(self, seconds=20):
        """End it by SIGTERM and return its exit code."""
        if not self._child:
            return None
        code, self._child = end(self._child, seconds), None
        self._refuse_report(code, self.log_text()[-4000:])
        if code == -signal.SIGKILL:
            raise BedError(f"certlet did not end within {seconds} s of SIGTERM")
        return code

    def kill9(self):
        self._child.kill()
        self._child.wait()
        self._child = None

    def wait_until(self, condition, seconds=60, what="the condition", every=0.02):
        """Wait for `condition()`, but not longer than the program lives; give what it gave."""
        try:
            return wait_until(condition, seconds, what, self._child, every)
        except BedError as error:
            raise BedError(f"{error}; end of the log:\n{self.log_text()[-4000:]}") from error

    def wait_for_certificate(self, secret, namespace="default", other_than="", seconds=60):
        """Wait for a tls.crt that is not `other_than`, and return it."""

        def changed():
            found = self.certificate_pem(secret, namespace)
            return found != other_than and found

        return self.wait_until(changed, seconds, f"a new certificate in '{namespace}/{secret}'")

    def status(self, *arguments):
        """certlet status -o json, decoded."""
        done = self.command("status", "--dir", self.folder, "-o", "json", *arguments)
        if not done.stdout:
            raise BedError(f"certlet status said nothing (exit {done.returncode}): {done.stderr}")
        return json.loads(done.stdout)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self._child:  # a test has failed already: do not hide why
            self.kill9()

    def _environment(self):
        # No proxy of the user's may stand between the program and loopback.
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return {**clean, **self.env}

    @staticmethod
    def _refuse_report(code, output):
        if code == SANITIZER_EXIT:
            raise BedError(f"a sanitizer has something to report:\n{output[-8000:]}")


def find_binary(root):
    """The program to test: $CERTLET_BINARY, or the debug build."""
    named = os.environ.get("CERTLET_BINARY")
    path = pathlib.Path(named) if named else pathlib.Path(root) / "build/debug/certlet"
    if not shutil.which(str(path)):
        raise BedError(
            f"no program at '{path}'; build it (cmake --build --preset debug) or set CERTLET_BINARY"
        )
    return path.resolve()
