"""Two network namespaces and a link between them that can be cut without a word to either end.

    near 192.0.2.1 ------------ 192.0.2.2 far
    a program (`near` in front of its command)      what it talks to (`listen()`)

Both lie in a user namespace of their own, so no root is needed, and any number of such links can be there
at once with the same addresses. A namespace lives as long as a process in it: a `cat` that ends with us,
however we end, and takes namespace and link along.
"""

import contextlib
import socket
import subprocess
import sys

NEAR, FAR = "192.0.2.1", "192.0.2.2"  # RFC 5737: of nobody
MACS = {"near": "02:00:00:00:00:01", "far": "02:00:00:00:00:02"}

# What is done to the far end, and undone. No packet comes out of it any more, so neither FIN nor RST does.
CUTS = {
    "down": (("link", "set", "far", "down"), ("link", "set", "far", "up")),
    # What we send still arrives: the other side does what it is asked, and its answer is lost.
    "one-way": (("route", "add", "blackhole", NEAR), ("route", "del", "blackhole", NEAR)),
}

# Sockets are of the namespace in which they were made, and can be used from everywhere.
LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0), backlog=64)
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"here"], [listener.fileno()])
"""


class NotPermitted(Exception):
    """What this machine refuses, in its words."""


def _run(*argv, **options):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, **options)
    except FileNotFoundError as error:
        raise NotPermitted(f"no program '{error.filename}' (hack/deps test installs it)") from error
    if done.returncode != 0:
        raise NotPermitted(f"'{' '.join(argv)}': {done.stderr.strip()}")


class Link:
    """Up between enter and exit, but for a cut. Enter raises NotPermitted."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            near = stack.enter_context(_holder("unshare", "--user", "--map-root-user", "--net"))
            self.near = _inside(near)
            far = stack.enter_context(_holder(*self.near, "unshare", "--net"))
            self._far = _inside(far)
            self._connect(far.pid)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _connect(self, far):
        pair = ("address", MACS["near"], "type", "veth", "peer", "name", "far", "address", MACS["far"])
        _run(*self.near, "ip", "link", "add", "name", "near", *pair, "netns", str(far))
        for inside, name, address in ((self.near, "near", NEAR), (self._far, "far", FAR)):
            _run(*inside, "ip", "link", "set", "lo", "up")
            _run(*inside, "ip", "address", "add", f"{address}/24", "dev", name)
            _run(*inside, "ip", "link", "set", name, "up")
        # As if a router were between: a neighbour who is not found any more would be an error of its own.
        far_neighbour = (FAR, "lladdr", MACS["far"], "nud", "permanent", "dev", "near")
        _run(*self.near, "ip", "neighbour", "add", *far_neighbour)

    def listen(self):
        """A socket at the far end that waits for connections; it is the caller's."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            argv = (*self._far, sys.executable, "-c", LISTEN, FAR, str(theirs.fileno()))
            _run(*argv, pass_fds=[theirs.fileno()])
            _, (descriptor,), _, _ = socket.recv_fds(ours, 16, 1)
        return socket.socket(fileno=descriptor)

    def cut(self, how):
        """One of CUTS."""
        _run(*self._far, "ip", *CUTS[how][0])

    def mend(self, how):
        _run(*self._far, "ip", *CUTS[how][1])


def _inside(holder):
    """In front of a command that is to run there."""
    return ("nsenter", f"--target={holder.pid}", "--user", "--net", "--preserve-credentials")


@contextlib.contextmanager
def _holder(*argv):
    """A process in the namespace that `argv` makes, which does nothing."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        child = subprocess.Popen([*argv, "sh", "-c", "echo here; exec cat"], text=True, **pipes)
    except FileNotFoundError as error:
        raise NotPermitted(f"no program '{error.filename}'") from error
    with child:  # its end closes the pipes and waits
        said = child.stdout.readline().strip()
        if said != "here":
            raise NotPermitted(f"'{' '.join(argv)}': {said}")
        yield child
