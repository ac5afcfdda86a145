"""What stands between a client and an API server: a wire that can be cut, and a front that answers itself."""

import contextlib
import ctypes
import http.client
import http.server
import json
import socket
import ssl
import struct
import threading

from .server import LOOPBACK, reserve_port

SO_ATTACH_FILTER = 26


def kubeconfig(folder, server, ca_file=None, name="kubeconfig", cluster=None, **user):
    """A file for one server and one user, whose members are a kubeconfig's: `token`, `exec`, ..."""
    cluster = {"server": server, **(cluster or {})}
    if ca_file:
        cluster["certificate-authority"] = str(ca_file)
    named = {"name": "bed"}
    config = {
        "current-context": "bed",
        "contexts": [{**named, "context": {"cluster": "bed", "user": "bed"}}],
        "clusters": [{**named, "cluster": cluster}],
        "users": [{**named, "user": user}],
    }
    path = folder / name
    path.write_text(json.dumps(config), encoding="utf-8")
    path.chmod(0o600)
    return path


def _drop_everything(sock):
    """The kernel acts as if no packet for this socket came: a cut path, without touching the machine's network."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0), 8)  # return 0: of no packet anything
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(code)))


class Wire:
    """Carries TCP connections to a port. `accepted` counts them, `to_client` the bytes of answers.

    They come in at a port of its own, or at `listener`, a socket of the caller's that it closes in the end.
    """

    def __init__(self, target_port, listener=None):
        self._target = (LOOPBACK, int(target_port))
        self._listener = listener
        self.address = listener.getsockname() if listener else (LOOPBACK, reserve_port())
        self.accepted = self.to_client = 0
        self._gone, self._stalled = False, set()
        self._pairs, self._threads, self._lock = [], [], threading.Lock()

    def __enter__(self):
        self._listener = self._listener or socket.create_server(self.address, backlog=64)
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    @property
    def url(self):
        return "https://{}:{}".format(*self.address)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = self._connect()
            if not server:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            self._start(self._carry, client, server, False)
            self._start(self._carry, server, client, True)

    def _connect(self):
        with contextlib.suppress(OSError):
            return None if self._gone else socket.create_connection(self._target)
        return None

    def _carry(self, source, sink, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer:
                    self.to_client += len(data)
                if source not in self._stalled:  # else it is lost, and both kernels say that all is well
                    sink.sendall(data)
        self._close(source, sink)

    @staticmethod
    def _close(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    # --- faults ---

    def cut(self):
        """End every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._close(*pair)

    def target_gone(self):
        """End every connection, and every new one at once."""
        self._gone = True
        self.cut()

    def target_back(self):
        self._gone = False

    def stall(self):
        """From now on nothing passes on the present connections, as behind a load balancer that lost its server."""
        with self._lock:
            self._stalled = {one for pair in self._pairs for one in pair}

    def freeze(self):
        """From now on the client's packets on its present connections are lost, and nobody is told."""
        with self._lock:
            for client, _ in self._pairs:
                with contextlib.suppress(OSError):
                    _drop_everything(client)


class _HttpServer:
    """Answers by the class that `_handler()` gives, over TLS where there is a context for it."""

    _tls = None

    def __enter__(self):
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self._server.server_port}"


class ConnectProxy(_HttpServer):
    """An HTTP proxy for CONNECT; `asked` are the hosts and ports, in order."""

    def __init__(self):
        self.asked = []

    def _handler(proxy):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                proxy.asked.append(self.path)
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=_carry_all, args=(server, self.connection), daemon=True)
                    back.start()
                    _carry_all(self.connection, server)
                    back.join(10)

            def log_message(self, *_):
                pass

        return Handler


def _carry_all(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class Front(_HttpServer):
    """An HTTPS server that hands requests on to an API server, unless `decide` does something about one.

    `decide(method, path)` gives None, or a function that is called with the handler in place of handing on.
    """

    def __init__(self, kube, decide):
        self._kube, self.decide, self.requests = kube, decide, []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*map(str, kube.server_files))

    def _handler(front):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length", 0))
                self.body = self.rfile.read(length) if length else None
                front.requests.append((self.command, self.path))
                act = front.decide(self.command, self.path)
                (act or hand_on)(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

            def upstream(self):
                """The API server's answer."""
                trust = ssl.create_default_context(cafile=str(front._kube.ca_file))
                host = front._kube.url.removeprefix("https://")
                connection = http.client.HTTPSConnection(host, context=trust, timeout=60)
                names = ("Authorization", "Content-Type", "Accept")
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                connection.request(self.command, self.path, self.body, headers)
                return connection.getresponse()

            def send_head(self, answer):
                self.send_response(answer.status)
                for name in ("Content-Type", "Warning", "Retry-After"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()

            def send_chunk(self, data):
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

        return Handler


def hand_on(handler):
    answer = handler.upstream()
    handler.send_head(answer)
    with contextlib.suppress(OSError):
        while data := answer.read1(65536):
            handler.send_chunk(data)
        handler.send_chunk(b"")


def answer_with(status, body, **headers):
    """Say this in place of the API server; `retry_after=1` is a header."""

    def act(handler):
        data = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return act


def break_off_in(part):
    """Hand a stream on up to the middle of the first line with `part` in it, and end the connection there."""

    def act(handler):
        answer = handler.upstream()
        handler.send_head(answer)
        while line := answer.readline():
            if part in line:
                handler.send_chunk(line[: len(line) // 2])
                break
            handler.send_chunk(line)
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    return act
