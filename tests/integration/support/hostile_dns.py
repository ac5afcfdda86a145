"""A DNS server that answers wrongly, the same to everybody: what it does is the first label that it knows.

Over UDP and TCP on one port. `asked` lists (name, type number, over TCP).
"""

import socket
import socketserver
import struct
import threading

from .dnsquery import _encode_name, _read_name, _receive
from .server import LOOPBACK, reserve_port

A, NS, CNAME, SOA, TXT, IN = 1, 2, 5, 6, 16, 1


def _record(owner, kind, data, ttl=0):
    return _encode_name(owner) + struct.pack("!2HIH", kind, IN, ttl, len(data)) + data


def _soa(zone):
    names = _encode_name(f"ns.{zone}") + _encode_name(f"admin.{zone}")
    return _record(zone, SOA, names + struct.pack("!5I", 1, 60, 60, 600, 1))


def _answer(query, records, authority=(), flags=0x8580):
    head = query[:2] + struct.pack("!5H", flags, 1, len(records), len(authority), 0)
    return head + query[12:] + b"".join(records) + b"".join(authority)


def _garbage(query, name):
    return query[:2] + b"\x85\x80" + b"\xff" * 200


def _short(query, name):
    return query[:5]


def _pointer_loop(query, name):
    """A name that is a pointer to itself."""
    loop = b"\xc0" + bytes([len(query)]) + struct.pack("!2HIH", SOA, IN, 0, 2) + b"\xc0\x0c"
    return query[:2] + struct.pack("!5H", 0x8580, 1, 1, 0, 0) + query[12:] + loop


def _cname_loop(query, name):
    return _answer(query, [_record(name, CNAME, _encode_name(name))])


def _cname_for_ever(query, name):
    """Each name leads to a longer one."""
    longer = f"x.{name}" if len(name) < 200 else name[2:]
    return _answer(query, [_record(name, CNAME, _encode_name(longer))])


def _order(query, name):
    """Everything that nobody asked for, in front (GHSA-gx3x-vq4p-mhhv)."""
    odd = [
        _record(name, 99, b"??"),
        _record("other.invalid", CNAME, _encode_name("elsewhere.invalid")),
        _record(name, TXT, b"\x00"),
        _record(name, A, b"\x7f\0\0\1"),
    ]
    return _answer(query, odd, odd)


def _counts(query, name):
    """Says that it holds 65535 records, and holds none."""
    return query[:2] + struct.pack("!5H", 0x8580, 1, 65535, 65535, 65535) + query[12:]


def _refused(query, name):
    return _answer(query, [], flags=0x8585)


def _many(query, name):
    return _answer(query, [_record(name, TXT, b"\x04spam")] * 3000)


def _wrong_question(query, name):
    other = _encode_name("something.else") + query[-4:]
    return query[:2] + struct.pack("!5H", 0x8580, 1, 0, 0, 0) + other


KINDS = {
    "garbage": _garbage,
    "short": _short,
    "pointer-loop": _pointer_loop,
    "cname-loop": _cname_loop,
    "cname-for-ever": _cname_for_ever,
    "order": _order,
    "counts": _counts,
    "refused": _refused,
    "many": _many,
    "wrong-question": _wrong_question,
}


class HostileDns:
    def __init__(self):
        self.port = reserve_port()
        self.asked = []
        self._servers = []

    @property
    def nameserver(self):
        return f"{LOOPBACK}:{int(self.port)}"

    def reply(self, query, over_tcp):
        name, end = _read_name(query, 12)
        self.asked.append((name, struct.unpack_from("!H", query, end)[0], over_tcp))
        kind = next((label for label in name.lower().split(".") if label in KINDS), "refused")
        return KINDS[kind](query, name)

    def __enter__(self):
        owner = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                query, channel = self.request
                channel.sendto(owner.reply(query, False)[:4096], self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    (size,) = struct.unpack("!H", _receive(self.request, 2))
                    answer = owner.reply(_receive(self.request, size), True)
                    self.request.sendall(struct.pack("!H", len(answer)) + answer)
                except OSError:
                    pass  # it has hung up

        for server, handler in (
            (socketserver.ThreadingUDPServer, Udp),
            (socketserver.ThreadingTCPServer, Tcp),
        ):
            one = type("Quick", (server,), {"allow_reuse_address": True, "daemon_threads": True})(
                (LOOPBACK, int(self.port)), handler
            )
            threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
            self._servers.append(one)
        return self

    def __exit__(self, *_):
        for one in self._servers:
            one.shutdown()
            one.server_close()


class Trap:
    """A port that nobody may talk to: a web server and a DNS server that only count."""

    def __init__(self):
        self.port = reserve_port()
        self.heard = []

    def __enter__(self):
        self._closing = threading.Event()
        self._sockets = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            one = socket.socket(socket.AF_INET, kind)
            one.settimeout(0.2)
            one.bind((LOOPBACK, int(self.port)))
            if kind == socket.SOCK_STREAM:
                one.listen()
            self._sockets.append(one)
            threading.Thread(target=self._listen, args=(one, kind), daemon=True).start()
        return self

    def _listen(self, one, kind):
        while not self._closing.is_set():
            try:
                if kind == socket.SOCK_STREAM:
                    channel, peer = one.accept()
                    self.heard.append(peer)
                    channel.close()
                else:
                    self.heard.append(one.recvfrom(4096))
            except OSError:
                pass  # a timeout, or the end

    def __exit__(self, *_):
        self._closing.set()
        for one in self._sockets:
            one.close()
