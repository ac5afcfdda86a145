"""The shortest ACME client that can judge the bed: one order at a time, ES256 by the openssl command.

The bed's own tests use it, so that a fault of the bed is never mistaken for one of certlet.
"""

import base64
import hashlib
import json
import pathlib
import ssl
import urllib.error
import urllib.request

from .acme_ca import b64url, thumbprint
from .pki import NEW_KEY, openssl, openssl_bytes, san_text
from .server import wait_until


class AcmeError(Exception):
    def __init__(self, status, body, headers=None):
        super().__init__(f"{status}: {body[:300]!r}")
        self.status, self.body, self.headers = status, body, headers or {}


def raw_signature(der):
    """r and s as 32 bytes each, from the DER that openssl writes."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2 : at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


class AcmeClient:
    def __init__(self, folder, directory_url, ca_file):
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key = self._folder / "account.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self._key)
        point = openssl_bytes("ec", "-in", self._key, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64url(point[:32]), "y": b64url(point[32:])}
        trust = ssl.create_default_context(cafile=str(ca_file))
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        self._kid = None
        self._nonce = None
        self.directory = self._send(directory_url)[0]

    def _send(self, url, body=None, method=None):
        headers = {"Content-Type": "application/jose+json", "User-Agent": "certlet-test-bed"}
        try:
            with self._opener.open(
                urllib.request.Request(url, body, headers, method=method), timeout=60
            ) as answer:
                data, headers = answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            self._nonce = error.headers.get("Replay-Nonce")
            raise AcmeError(error.code, error.read(), error.headers) from error
        self._nonce = headers.get("Replay-Nonce")
        is_json = headers.get_content_type() == "application/json"
        return (json.loads(data) if is_json else data), headers

    def post(self, url, payload=None):
        """(document or bytes, headers); without a payload it is POST-as-GET."""
        if not self._nonce:
            self._send(self.directory["newNonce"], method="HEAD")
        key = {"kid": self._kid} if self._kid else {"jwk": self.jwk}
        protected = b64url(
            json.dumps({"alg": "ES256", "nonce": self._nonce, "url": url, **key}).encode()
        )
        text = "" if payload is None else b64url(json.dumps(payload).encode())
        der = openssl_bytes("dgst", "-sha256", "-sign", self._key, stdin=f"{protected}.{text}")
        jws = {"protected": protected, "payload": text, "signature": b64url(raw_signature(der))}
        return self._send(url, json.dumps(jws).encode())

    def register(self, **members):
        account, headers = self.post(
            self.directory["newAccount"], {"termsOfServiceAgreed": True, **members}
        )
        self._kid = headers["Location"]
        return account

    def key_authorization(self, token):
        return f"{token}.{thumbprint(self.jwk)}"

    def dns_value(self, token):
        return b64url(hashlib.sha256(self.key_authorization(token).encode()).digest())

    def issue(self, names, present=lambda name, challenge: None, kind="dns-01", **order_members):
        """Order, prove by `present(name, challenge)`, finalize; the chain as PEM."""
        identifiers = [{"type": "dns", "value": name} for name in names]
        order, headers = self.post(
            self.directory["newOrder"], {"identifiers": identifiers, **order_members}
        )
        order_url = headers["Location"]
        for url in order["authorizations"]:
            authorization = self.post(url)[0]
            challenge = next(one for one in authorization["challenges"] if one["type"] == kind)
            present(authorization["identifier"]["value"], challenge)
            self.post(challenge["url"], {})
        self._wait(order_url, "ready")
        self.post(order["finalize"], {"csr": b64url(self._csr(names))})
        return self.post(self._wait(order_url, "valid")["certificate"])[0].decode("ascii")

    def _wait(self, url, status):
        def look():
            order = self.post(url)[0]
            if order["status"] == "invalid":
                raise AcmeError(0, json.dumps(order).encode())
            return order["status"] == status and order

        return wait_until(look, 20, f"the order becoming {status}")

    def _csr(self, names):
        arguments = (
            "-keyout",
            self._folder / "leaf.key",
            "-subj",
            "/",
            "-addext",
            f"subjectAltName={san_text(names)}",
        )
        pem = openssl("req", "-new", *NEW_KEY, *arguments)
        return base64.b64decode("".join(pem.split("-----")[2].split()))
