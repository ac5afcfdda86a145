"""Let's Encrypt's Pebble on loopback, and what it saw."""

import json
import ssl
import urllib.request

from .pki import server_certificate
from .server import LOOPBACK, BedError, Server, cached_program, reserve_port

# Pebble version to the hack/bed part that holds it.
PARTS = {"2.10.1": "pebble", "distribution": "pebble-debian"}

# Validation at once, and nothing by chance: a test that wants chance says so in `env`.
QUIET = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Pebble(Server):
    """An ACME CA whose validations ask the DNS server at `dns` (host, port) and HTTP at `http_port`.

    `eab` {kid: base64url key} makes external account binding required. `profiles` is {name: life in seconds},
    or {name: Pebble's own dict}. `retry_after` is seconds, or {"authz": s, "order": s};
    without it no Retry-After is sent. `env` goes over QUIET.
    All state is in memory: after stop() and start() it knows no account, order or root of before.
    """

    name = "pebble"

    def __init__(
        self,
        folder,
        dns=None,
        http_port=None,
        tls_port=None,
        strict=True,
        env=None,
        eab=None,
        profiles=None,
        retry_after=None,
        blocklist=(),
        version="2.10.1",
        key_algorithm="ecdsa",
    ):
        super().__init__(folder)
        self.version = version
        self.program = cached_program("pebble", PARTS[version])
        self.dns, self.strict, self._env = dns, strict, env or {}
        self.port, self.management_port = reserve_port(), reserve_port()
        self.http_port, self.tls_port = http_port or reserve_port(), tls_port or reserve_port()
        self.ca_file, self._key_file = server_certificate(self.folder)
        config = {
            "listenAddress": f"{LOOPBACK}:{self.port}",
            "managementListenAddress": f"{LOOPBACK}:{self.management_port}",
            "certificate": str(self.ca_file),
            "privateKey": str(self._key_file),
            "httpPort": int(self.http_port),
            "tlsPort": int(self.tls_port),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(eab),
            "externalAccountMACKeys": eab or {},
            "domainBlocklist": list(blocklist),
            "keyAlgorithm": key_algorithm,
            "retryAfter": _retry_after(retry_after),
            "profiles": {name: _profile(name, value) for name, value in (profiles or {}).items()},
        }
        (self.folder / "pebble.json").write_text(
            json.dumps({"pebble": config}, indent=1), encoding="utf-8"
        )

    @property
    def directory_url(self):
        return f"https://{LOOPBACK}:{self.port}/dir"

    @property
    def root_url(self):
        """Where the root of issued certificates is; served with the certificate in ca_file."""
        return f"https://{LOOPBACK}:{self.management_port}/roots/0"

    def command(self):
        argv = [self.program, "-config", str(self.folder / "pebble.json")]
        if self.strict:
            argv.append("-strict")
        if self.dns:
            argv += ["-dnsserver", f"{self.dns[0]}:{self.dns[1]}"]
        return argv

    def environment(self):
        return {**QUIET, **self._env}

    def is_ready(self):
        # Our own certificate is the proof that it is our Pebble which answers.
        try:
            self._ask(self.directory_url)
            self.root_pem()
        except OSError:
            return False
        return True

    def directory(self):
        return json.loads(self._ask(self.directory_url))

    def root_pem(self, number=0):
        """Root of issued certificates: 0, and 1... with PEBBLE_ALTERNATE_ROOTS. New after every start."""
        return self._manage(f"/roots/{number}").decode("ascii")

    def intermediate_pem(self, number=0):
        return self._manage(f"/intermediates/{number}").decode("ascii")

    def certificate_status(self, serial_hex):
        """What it knows of an issued certificate: {"Status": "Valid" or "Revoked", ...}."""
        return json.loads(self._manage(f"/cert-status-by-serial/{serial_hex}"))

    def set_renewal_info(self, certificate_pem, response_text):
        """Answer ARI questions about that certificate with `response_text` from now on (2.8 and newer)."""
        if isinstance(response_text, dict):
            response_text = json.dumps(response_text)
        body = json.dumps({"Certificate": certificate_pem, "ARIResponse": response_text})
        self._manage("/set-renewal-info/", body.encode("utf-8"))

    def new_orders(self):
        """Orders that it has made, over all of its starts."""
        return sum("Added order " in line for line in self.log_text().splitlines())

    def finalizes(self):
        """Finalizations that it has accepted, over all of its starts."""
        return sum("Processing finalization" in line for line in self.log_text().splitlines())

    def requests(self, path):
        """Requests to a path of its own, refused ones too: '/order-plz', '/sign-me-up', '/chalZ/', ..."""
        return self.log_text().count(f" {path} -> calling handler()")

    def _manage(self, path, body=None):
        return self._ask(f"https://{LOOPBACK}:{self.management_port}{path}", body)

    def _ask(self, url, body=None):
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        request = urllib.request.Request(url, body, {"User-Agent": "certlet-test-bed"})
        with direct.open(request, timeout=20) as answer:
            return answer.read()


def _retry_after(value):
    value = value or 0  # 0: Pebble sends no Retry-After
    return value if isinstance(value, dict) else {"authz": value, "order": value}


def _profile(name, value):
    if isinstance(value, dict):
        return value
    if value <= 0:
        raise BedError(f"profile '{name}': a life in seconds is needed, not {value}")
    return {"description": f"{name}, {value} s", "validityPeriod": value}
