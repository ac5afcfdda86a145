"""FaultCA: a scripted ACME server that needs no DNS and does wrong what it is told to.

    with FaultCA(tmp_path) as ca:
        ca.fault("newOrder", "rate-limited", times=2, retry_after=1)
        ...run the client on ca.directory_url, which trusts ca.ca_file...
        assert ca.count("newOrder") == 3 and ca.accepted("finalize") == 1

Endpoints are the names in acme_ca.PATHS, and 'connection' (a new TCP connection, before TLS).
Kinds of faults are in fault_kinds.KINDS.
"""

import dataclasses
import http.server
import pathlib
import socket
import ssl
import sys
import threading
import time
import traceback
import typing

from . import acme_ca, pki
from .fault_kinds import KINDS, Call
from .server import LEAST_SECONDS, LOOPBACK, BedError, reserve_port

ENDPOINTS = (*acme_ca.PATHS, "connection")
CONNECTION_KINDS = ("silence", "cut-before")


@dataclasses.dataclass
class Fault:
    endpoint: str
    kind: str
    options: dict
    times: typing.Optional[int]  # None: for ever
    after: int  # requests to let pass first
    when: object  # None, or a condition on the Request
    hits: int = 0

    def take(self, request):
        """Whether this request is hit; counts it."""
        if (
            request.endpoint != self.endpoint
            or self.times == 0
            or (self.when and not self.when(request))
        ):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        self.hits += 1
        return True


@dataclasses.dataclass
class Entry:
    """One request in the log. `status` is 0 while there is no answer, or when the connection was cut."""

    request: acme_ca.Request
    at: float
    fault: str = ""
    status: int = 0
    effect: bool = False  # the CA did what it was asked


class FaultCA:
    """An ACME CA over HTTPS (or, with scheme='http', without TLS) on loopback.

    `ca` is the well-behaved part (acme_ca.AcmeCA): meta, life, validate, renewal_info can be set there.
    `ca_file` is the trust for HTTPS, `root_pem` the root of what it issues. State lives through
    stop() and start().
    """

    def __init__(self, folder, scheme="https", meta=None, life=pki.Life(), validate=None):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = reserve_port()
        self.scheme = scheme
        self.ca_file, self._key_file = pki.server_certificate(self.folder)
        self.authority = pki.Authority(self.folder / "authority")
        self.ca = acme_ca.AcmeCA(
            f"{scheme}://{LOOPBACK}:{self.port}", self.authority, meta, life, validate
        )
        self.errors = []  # tracebacks of our own mistakes
        self.log = []
        self._faults = []
        self._stranger = None
        self._changed = threading.Condition()
        self._server = None
        self.closing = threading.Event()

    # --- for tests ---

    @property
    def directory_url(self):
        return self.ca.url("directory")

    @property
    def root_pem(self):
        return self.authority.root_pem

    def fault(self, endpoint, kind, times=1, after=0, when=None, **options):
        """Do `kind` to the next `times` requests (None: to all) to `endpoint`, letting `after` pass first.

        The first fault that fits a request is used. `when` is a further condition on it. Returns the fault,
        whose `hits` counts.
        """
        if endpoint not in ENDPOINTS or kind not in KINDS:
            raise ValueError(
                f"no fault '{kind}' at '{endpoint}'; see fault_kinds.KINDS and acme_ca.PATHS"
            )
        if endpoint == "connection" and kind not in CONNECTION_KINDS:
            raise ValueError(f"a connection can only have: {', '.join(CONNECTION_KINDS)}")
        fault = Fault(endpoint, kind, options, times, after, when)
        with self._changed:
            self._faults.append(fault)
        return fault

    def clear(self):
        """No faults any more."""
        with self._changed:
            self._faults.clear()

    def requests(self, endpoint):
        """The log's entries of an endpoint, oldest first; refused and cut requests too."""
        with self._changed:
            return [entry for entry in self.log if entry.request.endpoint == endpoint]

    def count(self, endpoint):
        return len(self.requests(endpoint))

    def accepted(self, endpoint):
        """Requests that had their effect, whether or not the answer got through."""
        return sum(entry.effect for entry in self.requests(endpoint))

    def wait_for(self, endpoint, count=1, seconds=LEAST_SECONDS):
        """Wait until `endpoint` has been asked `count` times."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(endpoint) >= count, seconds):
                asked = self.count(endpoint)
                raise BedError(f"'{endpoint}' was asked {asked} times in {seconds} s, not {count}")

    # --- life ---

    def start(self):
        self.closing.clear()
        self._server = _HttpServer(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Close everything; connections are refused until start()."""
        if self._server:
            self.closing.set()
            self._server.shutdown()
            self._server.close_all()
            self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def tls_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, self._key_file)
        return context

    # --- for the transport ---

    def handle(self, request):
        """The reply to a request, wrong if a fault says so."""
        entry, fault = self._record(request)
        reply = self._reply(request, entry, fault)
        entry.status = 0 if reply.cut else reply.status
        return reply

    def connection_fault(self):
        """True when this connection is not to be served; waits where it is to hang."""
        entry, fault = self._record(acme_ca.Request("connection", "", ""))
        if fault and fault.kind == "silence":
            self.closing.wait()
        entry.effect = not fault
        return bool(fault)

    def _record(self, request):
        with self._changed:
            fault = next((one for one in self._faults if one.take(request)), None)
            entry = Entry(request, time.monotonic(), fault.kind if fault else "")
            self.log.append(entry)
            self._changed.notify_all()
        return entry, fault

    def _reply(self, request, entry, fault):
        def proceed():
            reply = self.ca.answer(request)
            entry.effect = reply.status < 400
            return reply

        if not fault:
            return proceed()
        call = Call(self.ca, request, fault.options, proceed, self.closing, self._get_stranger)
        return KINDS[fault.kind](call)

    def _get_stranger(self):
        with self._changed:
            if not self._stranger:
                self._stranger = pki.Authority(self.folder / "stranger", "stranger")
            return self._stranger


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a thread may be in 'silence'
    request_queue_size = 128

    def __init__(self, owner):
        self.owner = owner
        self._tls = owner.tls_context() if owner.scheme == "https" else None
        self._open = set()
        super().__init__((LOOPBACK, int(owner.port)), _Handler)

    def process_request_thread(self, request, client_address):
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def finish_request(self, request, client_address):
        if self.owner.connection_fault():
            return
        if self._tls:  # without a handshake yet: close_all() must know connections that never greet
            request = self._tls.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
            self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)
            request.close()

    def close_all(self):
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already

    def handle_error(self, request, client_address):
        if not isinstance(
            sys.exc_info()[1], OSError
        ):  # a client that hangs up is no mistake of ours
            self.owner.errors.append(traceback.format_exc())


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass  # FaultCA.log is the log

    def _serve(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = owner.ca.route(self.path)
        if not found:
            self._send(acme_ca.problem_reply("malformed", f"nothing at '{self.path}'", 404))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = acme_ca.Request(found[0], self.command, self.path, found[1], headers=headers)
        try:
            if self.command == "POST":
                request.protected, request.payload = acme_ca.decode_jws(body)
            reply = owner.handle(request)
        except acme_ca.Problem as problem:
            reply = problem.reply
        self._send(reply)

    do_GET = do_HEAD = do_POST = _serve

    def _send(self, reply):
        if reply.cut:
            self.close_connection = True
            return
        body = reply.payload()
        self.send_response(reply.status)
        if body or reply.stream:
            self.send_header("Content-Type", reply.content_type)
        if reply.with_nonce:
            self.send_header("Replay-Nonce", self.server.owner.ca.new_nonce())
        self.send_header("Link", f'<{self.server.owner.directory_url}>;rel="index"')
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.stream is None:
            self.send_header("Content-Length", str(len(body)))
        elif "Content-Length" not in reply.headers:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for piece in reply.stream or [body]:
                self.wfile.write(piece)
