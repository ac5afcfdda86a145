"""A server as a child process: free ports, readiness by asking it, end by its pid."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

LOOPBACK = "127.0.0.1"
# Below Linux' ephemeral range (32768...), so no outgoing connection takes a port between starts.
PORTS = range(15000, 32000)
# Nothing is waited for less long: with checkers, beside two other beds and on two slow cores, what takes a moment
# takes tens of seconds now and then, and only what does not come at all is a failure.
LEAST_SECONDS = 60


class BedError(AssertionError):
    """The bed itself does not work; an AssertionError, so that pytest fails and never skips."""


class Port(int):
    """A port that is ours until this object is gone.

    The lock is an abstract socket: other beds on this machine see it, and the kernel frees it with us.
    So a server can be stopped and started again on its port while a second bed looks for one.
    """

    lock: socket.socket


def _is_free(number):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if (
                kind == socket.SOCK_STREAM
            ):  # connections in TIME_WAIT do not keep a server from starting
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, number))
            except OSError:
                return False
    return True


def reserve_port():
    """A port free for both TCP and UDP on 127.0.0.1, kept from other beds."""
    for _ in range(500):
        port = Port(random.choice(PORTS))
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0certlet-bed-port-{port}")
        except OSError:
            lock.close()
            continue
        if _is_free(port):
            port.lock = lock
            return port
        lock.close()
    raise BedError(f"no free port on {LOOPBACK} between {PORTS.start} and {PORTS.stop}")


def wait_until(condition, seconds, what, child=None, every=0.02):
    """Ask `condition` until it gives something true, and return that; fail after `seconds` (LEAST_SECONDS at
    least) or with `child`.
    """
    seconds = max(seconds, LEAST_SECONDS)
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if child and child.poll() is not None:
            raise BedError(f"{what}: the process ended with {child.returncode}")
        if time.monotonic() > deadline:
            raise BedError(f"{what}: not within {seconds} s")
        pause.wait(every)


def end(child, seconds=20):
    """End one process that we started: politely, then for good. A stopped one is woken first."""
    if child.poll() is None:
        child.send_signal(signal.SIGCONT)
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


class Server:
    """A real server: a subclass gives `name`, `command()`, `is_ready()` and its files in `folder`."""

    name = ""
    ready_seconds = 90
    end_seconds = 20  # to end by itself when asked
    outlives_us = False  # then a Ctrl-C at our terminal does not reach it

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.child = None

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def environment(self):
        return {}

    @property
    def log_file(self):
        return self.folder / f"{self.name}.log"

    def log_text(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self):
        """Start, or start again, on the same ports with the same files."""
        with open(self.log_file, "ab") as log:
            self.child = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=self.outlives_us,
            )
        try:
            wait_until(self.is_ready, self.ready_seconds, f"starting {self.name}", self.child)
        except BaseException as error:
            self.stop()
            if isinstance(error, BedError):
                tail = "\n".join(self.log_text().splitlines()[-15:])
                raise BedError(f"{error}; end of its log {self.log_file}:\n{tail}") from error
            raise

    def stop(self):
        """Its exit code, or None when it did not run."""
        code = end(self.child, self.end_seconds) if self.child else None
        self.child = None
        return code

    def kill(self):
        """End it without a chance to say goodbye."""
        self.child.kill()
        self.stop()

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """Keep its sockets open and answer nothing: packets are dropped, connections hang."""
        self.child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.child.pid, os.WSTOPPED)  # a thread of it may still be answering

    def resume(self):
        self.child.send_signal(signal.SIGCONT)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def accepts_connections(port):
    try:
        with socket.create_connection((LOOPBACK, int(port)), timeout=1):  # no Port there
            return True
    except OSError:
        return False


HACK = pathlib.Path(__file__).resolve().parents[3] / "hack"


def _bed(*arguments):
    return subprocess.run([HACK / "bed", *arguments], capture_output=True, text=True, check=False)


def cached_program(program, part, *options):
    """The path of a server's program, got into the cache first where that is needed (hack/bed)."""
    found = _bed("path", program, "--part", part, *options)
    if found.returncode != 0:
        got = _bed("get", part, *options)
        if got.returncode != 0:
            raise BedError(f"hack/bed get {part}: {got.stderr.strip()}")
        found = _bed("path", program, "--part", part, *options)
    return found.stdout.strip()
