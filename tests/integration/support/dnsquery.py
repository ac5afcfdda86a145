"""A DNS client of one page, for asking a test's own server: A, TXT, CNAME, NS and SOA over UDP or TCP."""

import dataclasses
import random
import socket
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "TXT": 16}
NAMES = {number: name for name, number in TYPES.items()}


@dataclasses.dataclass
class Answer:
    rcode: int
    records: list  # (owner name, type name, ttl, value)

    def values(self, kind):
        return [value for _, name, _, value in self.records if name == kind]


def _encode_name(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(message, at):
    """The name at `at`, and where what follows it begins. Compression only ever points backwards."""
    labels, end = [], None
    while message[at]:
        if message[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            continue
        labels.append(message[at + 1 : at + 1 + message[at]].decode("ascii"))
        at += 1 + message[at]
    return ".".join(labels), end or at + 1


def _read_value(kind, message, at, length):
    if kind == "A":
        return socket.inet_ntoa(message[at : at + 4])
    if kind in ("CNAME", "NS", "SOA"):
        return _read_name(message, at)[0]
    if kind != "TXT":
        return message[at : at + length]
    end, text = at + length, b""
    while at < end:
        text += message[at + 1 : at + 1 + message[at]]
        at += 1 + message[at]
    return text.decode("utf-8", "replace")


def _decode(message):
    _, flags, questions, answers, _, _ = struct.unpack_from("!6H", message)
    at, records = 12, []
    for _ in range(questions):
        at = _read_name(message, at)[1] + 4
    for _ in range(answers):
        owner, at = _read_name(message, at)
        number, _, ttl, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        kind = NAMES.get(number, str(number))
        records.append((owner, kind, ttl, _read_value(kind, message, at, length)))
        at += length
    return Answer(flags & 0xF, records)


def _receive(stream, size):
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        if not part:
            raise ConnectionError("the DNS server closed the connection")
        data += part
    return data


def query(server, name, kind, tcp=False, timeout=2):
    """Ask (host, port) once. Raises OSError when there is no answer in time."""
    number = random.randrange(65536)
    question = _encode_name(name) + struct.pack("!2H", TYPES[kind], 1)
    packet = struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.connect(server)
        if not tcp:
            channel.send(packet)
            return _decode(channel.recv(65535))
        channel.sendall(struct.pack("!H", len(packet)) + packet)
        return _decode(_receive(channel, struct.unpack("!H", _receive(channel, 2))[0]))
