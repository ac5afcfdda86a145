"""A whole bed that outlives the command that starts it (hack/bed up), and ends by what it wrote down."""

import contextlib
import json
import os
import pathlib
import select
import shlex
import shutil
import signal

from .bind import Bind
from .kube import Kube
from .pebble import Pebble
from .server import BedError

ZONE = "example.test"


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_time(pid):
    """When a process began, in ticks since the boot; None when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the program's name may hold spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    """One process of the record. A pid is given again after its end: only with its start it is ours."""

    def __init__(self, name, pid, started, boot):
        self.name, self.pid, self.started, self.boot = name, pid, started, boot

    @classmethod
    def of_server(cls, server):
        pid = server.child.pid
        return cls(server.name, pid, start_time(pid), boot_id())

    def is_alive(self):
        started = start_time(self.pid)
        return self.boot == boot_id() and started is not None and started == self.started

    def end(self, seconds=20):
        """Politely, then for good; nothing when it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.is_alive():  # asked only now: the handle stays with this process
                return
            ended = select.poll()
            ended.register(handle, select.POLLIN)
            for word, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 30)):
                signal.pidfd_send_signal(handle, signal.SIGCONT)
                signal.pidfd_send_signal(handle, word)
                if ended.poll(patience * 1000):
                    return
        except ProcessLookupError:
            return
        finally:
            os.close(handle)
        raise BedError(f"{self.name} (pid {self.pid}) does not end")


class Background:
    """The bed whose state is in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.environment_file = self.folder / "env"
        self._record = self.folder / "bed.json"

    def is_known(self):
        return self._record.exists()

    def version(self):
        return self._read()["kube"]

    def processes(self):
        return [Process(**entry) for entry in self._read()["processes"]]

    def ended(self):
        """Names of its processes that have ended by themselves."""
        return [process.name for process in self.processes() if not process.is_alive()]

    def is_up(self):
        return self.is_known() and self.environment_file.exists() and not self.ended()

    def refuse_foreign_folder(self):
        if self.folder.exists() and any(self.folder.iterdir()) and not self.is_known():
            raise BedError(f"'{self.folder}' is not empty and not of a bed; name another folder")

    def up(self, version):
        """Start everything on an empty state. Whoever is interrupted here leaves nothing running."""
        self.refuse_foreign_folder()
        self.down()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(version, [])
        with contextlib.ExitStack() as stack, exit_on_sigterm():
            kube = Kube(self.folder / "kube", version)
            bind = Bind(self.folder / "bind", zones=(ZONE,))
            pebble = Pebble(self.folder / "pebble", dns=bind.address)
            servers = []
            for server in (*kube.servers, bind, pebble):
                server.outlives_us = True
                stack.callback(server.stop)
                server.start()
                servers.append(server)
                self._write(version, [Process.of_server(one) for one in servers])
            self._write_environment(kube, bind, pebble)
            stack.pop_all()

    def down(self):
        """End what the record names, the last first, and remove the state."""
        if not self.is_known():
            return
        for process in reversed(self.processes()):
            process.end()
        shutil.rmtree(self.folder)

    def _read(self):
        return json.loads(self._record.read_text(encoding="utf-8"))

    def _write(self, version, processes):
        new = self._record.with_suffix(".new")
        content = {"kube": version, "processes": [vars(process) for process in processes]}
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
        new.replace(self._record)

    def _write_environment(self, kube, bind, pebble):
        key, (algorithm, secret) = next(iter(bind.tsig.items()))
        values = {
            "KUBECONFIG": kube.kubeconfig,
            "BED_FOLDER": self.folder,
            "BED_KUBECTL": kube.kubectl_program,
            "BED_KUBE_SERVER": kube.url,
            "BED_KUBE_AUDIT_LOG": kube.api_server.audit_file,
            "BED_ETCD": kube.etcd.url,
            "BED_ACME_DIRECTORY": pebble.directory_url,
            "BED_ACME_CA_FILE": pebble.ca_file,
            "BED_ACME_ROOT": pebble.root_url,
            "BED_ACME_HTTP01_PORT": int(pebble.http_port),
            "BED_DNS_SERVER": bind.nameserver,
            "BED_DNS_ZONE": ZONE,
            "BED_TSIG_NAME": key,
            "BED_TSIG_ALGORITHM": algorithm,
            "BED_TSIG_SECRET": secret,
        }
        lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in values.items()]
        self.environment_file.touch(mode=0o600)
        self.environment_file.write_text("".join(lines), encoding="utf-8")


@contextlib.contextmanager
def exit_on_sigterm():
    def leave(*_):
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
