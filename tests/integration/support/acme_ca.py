"""A small ACME CA (RFC 8555, ARI) without transport: a request goes in, a reply comes out.

It does what a well-behaved CA does and nothing wrong; FaultCA does the wrong things around it.
Signatures are decoded, not verified: the client under test is ours, and Pebble verifies them.
"""

import base64
import dataclasses
import datetime
import hashlib
import json
import os
import threading
import typing

from . import pki

ERROR = "urn:ietf:params:acme:error:"
# Endpoint name to its path; those with a '/' at the end are followed by the id of a thing.
PATHS = {
    "directory": "/dir",
    "newNonce": "/nonce",
    "newAccount": "/new-account",
    "newOrder": "/new-order",
    "keyChange": "/key-change",
    "revokeCert": "/revoke-cert",
    "account": "/account/",
    "order": "/order/",
    "authz": "/authz/",
    "challenge": "/challenge/",
    "finalize": "/finalize/",
    "cert": "/cert/",
    "renewalInfo": "/renewal-info/",
}
IN_DIRECTORY = ("newNonce", "newAccount", "newOrder", "keyChange", "revokeCert")
REQUIRED_JWK_MEMBERS = {"RSA": "e kty n", "EC": "crv kty x y", "OKP": "crv kty x"}


@dataclasses.dataclass
class Request:
    endpoint: str
    method: str
    path: str
    ident: str = ""  # what follows an endpoint's path
    protected: dict = dataclasses.field(default_factory=dict)
    payload: typing.Any = None  # None for POST-as-GET
    headers: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Reply:
    status: int = 200
    doc: typing.Any = None  # becomes the body as JSON
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict = dataclasses.field(default_factory=dict)
    with_nonce: bool = True
    stream: typing.Any = (
        None  # an iterable of bytes in place of the body, for what is large or slow
    )
    cut: bool = False  # close the connection in place of answering
    order: typing.Any = None  # the order that this is about

    def payload(self):
        return self.body if self.doc is None else json.dumps(self.doc).encode("utf-8")


class Problem(Exception):
    def __init__(self, kind, detail, status=400, headers=None, **members):
        super().__init__(detail)
        self.reply = problem_reply(kind, detail, status, headers, **members)


def problem_reply(kind, detail, status=400, headers=None, **members):
    doc = {"type": ERROR + kind, "detail": detail, "status": status, **members}
    return Reply(status, doc, content_type="application/problem+json", headers=dict(headers or {}))


@dataclasses.dataclass
class Account:
    ident: str
    jwk: dict
    contact: list
    status: str = "valid"


@dataclasses.dataclass
class Authorization:
    ident: str
    identifier: dict
    account: str
    wildcard: bool
    token: str
    status: str = "pending"
    held: bool = False  # accepts the challenge and then never decides
    problem: dict = None  # decides, with this
    challenge: str = ""  # the type that was tried

    def challenge_types(self):
        if self.wildcard:
            return ["dns-01"]
        return ["http-01", "dns-01"] if self.identifier["type"] == "dns" else ["http-01"]


@dataclasses.dataclass
class Order:
    ident: str
    request: dict
    account: str
    authorizations: list
    status: str = "pending"
    shown_status: str = ""  # shown in place of the real one, for orders that never end
    csr_pem: str = ""
    certificate_pem: str = ""
    error: dict = None

    @property
    def names(self):
        return [identifier["value"] for identifier in self.request["identifiers"]]


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decode_jws(body):
    """(protected header, payload) of a flattened JWS; payload None when it is empty."""
    try:
        jws = json.loads(body)
        protected = json.loads(from_b64url(jws["protected"]))
        payload = json.loads(from_b64url(jws["payload"])) if jws["payload"] else None
        if not jws["signature"]:
            raise ValueError("no signature")
    except (ValueError, KeyError, TypeError) as error:
        raise Problem("malformed", f"not a flattened JWS: {error}") from error
    return protected, payload


def thumbprint(jwk):
    """RFC 7638."""
    members = {name: jwk[name] for name in REQUIRED_JWK_MEMBERS[jwk["kty"]].split()}
    return b64url(
        hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    )


def in_seconds(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class AcmeCA:
    """The CA's state and endpoints. Attributes may be changed while it runs.

    meta          the directory's meta object ({"externalAccountRequired": True} is acted on)
    life          pki.Life of what is issued
    validate      None: every challenge is valid; else called as validate(type, name, token, account
                  thumbprint) and returns None or a problem document
    renewal_info  what ARI answers (default: a window 60 days from now)
    """

    def __init__(self, base_url, authority, meta=None, life=pki.Life(), validate=None):
        self.base_url, self.authority = base_url, authority
        self.meta, self.life, self.validate = dict(meta or {}), life, validate
        self.renewal_info = {
            "suggestedWindow": {"start": in_seconds(60 * 86400), "end": in_seconds(61 * 86400)}
        }
        self.accounts, self.orders, self.authorizations = {}, {}, {}
        self.revoked = []
        self._nonces = set()
        self._count = 0
        self._lock = threading.RLock()

    # --- what the transport calls ---

    def route(self, path):
        """(endpoint name, id) of a path, or None."""
        for name, prefix in PATHS.items():
            if path == prefix or (prefix.endswith("/") and path.startswith(prefix)):
                return name, path[len(prefix) :]
        return None

    def new_nonce(self):
        nonce = b64url(os.urandom(16))
        with self._lock:
            self._nonces.add(nonce)
        return nonce

    def answer(self, request):
        """The reply of a well-behaved CA, with all of its effects."""
        with self._lock:
            try:
                if request.method == "POST":
                    self._check_post(request)
                return getattr(self, "_do_" + request.endpoint)(request)
            except Problem as problem:
                return problem.reply

    def url(self, endpoint, ident=""):
        return self.base_url + PATHS[endpoint] + ident

    # --- checks ---

    def _check_post(self, request):
        protected = request.protected
        if request.headers.get("content-type") != "application/jose+json":
            raise Problem("malformed", "the content type must be application/jose+json", 415)
        if protected.get("nonce") not in self._nonces:
            raise Problem("badNonce", "this nonce was not issued here, or was used before")
        self._nonces.remove(protected["nonce"])
        if protected.get("url") != self.base_url + request.path:
            raise Problem(
                "unauthorized", f"header url '{protected.get('url')}' is not the URL asked", 401
            )
        if ("jwk" in protected) == ("kid" in protected):
            raise Problem("malformed", "exactly one of jwk and kid is needed")
        if "kid" in protected and self._account(request).status != "valid":
            raise Problem("unauthorized", "the account is deactivated", 401)

    def _account(self, request):
        account = self.accounts.get(request.protected.get("kid", "").rpartition("/")[2])
        if not account:
            raise Problem("accountDoesNotExist", "no account with this key here")
        return account

    def _own(self, things, request):
        thing = things.get(request.ident.partition("/")[0])
        if not thing or thing.account != self._account(request).ident:
            raise Problem("malformed", f"nothing at '{request.path}'", 404)
        return thing

    def _new_ident(self):
        self._count += 1
        return f"{self._count}-{b64url(os.urandom(6))}"

    # --- endpoints: directory, nonces, accounts ---

    def _do_directory(self, _request):
        doc = {name: self.url(name) for name in IN_DIRECTORY}
        doc["renewalInfo"] = self.url("renewalInfo").rstrip("/")
        return Reply(doc={**doc, "meta": self.meta}, with_nonce=False)

    def _do_newNonce(self, request):
        return Reply(
            200 if request.method == "HEAD" else 204, headers={"Cache-Control": "no-store"}
        )

    def _do_newAccount(self, request):
        jwk, payload = request.protected.get("jwk"), request.payload or {}
        if not jwk:
            raise Problem("malformed", "newAccount needs the key itself (jwk)")
        for account in self.accounts.values():
            if thumbprint(account.jwk) == thumbprint(jwk):
                return self._account_reply(account, 200)
        if payload.get("onlyReturnExisting"):
            raise Problem("accountDoesNotExist", "no account with this key here")
        if self.meta.get("externalAccountRequired") and "externalAccountBinding" not in payload:
            raise Problem(
                "externalAccountRequired", "this CA needs an external account binding", 403
            )
        if self.meta.get("termsOfService") and not payload.get("termsOfServiceAgreed"):
            raise Problem("userActionRequired", "the terms of service must be agreed to", 403)
        account = Account(self._new_ident(), jwk, payload.get("contact", []))
        self.accounts[account.ident] = account
        return self._account_reply(account, 201)

    def _do_account(self, request):
        account = self._account(request)
        if request.payload:
            account.contact = request.payload.get("contact", account.contact)
            account.status = request.payload.get("status", account.status)
        return self._account_reply(account, 200)

    def _account_reply(self, account, status):
        doc = {
            "status": account.status,
            "contact": account.contact,
            "orders": self.url("account", account.ident),
        }
        return Reply(status, doc, headers={"Location": self.url("account", account.ident)})

    def _do_keyChange(self, request):
        inner, payload = decode_jws(json.dumps(request.payload))
        if payload["account"] != request.protected["kid"]:
            raise Problem("malformed", "the inner account is not the outer one")
        account = self._account(request)
        account.jwk = inner["jwk"]
        return self._account_reply(account, 200)

    # --- endpoints: orders ---

    def _do_newOrder(self, request):
        account, payload = self._account(request), request.payload
        profile = payload.get("profile")
        if profile and profile not in self.meta.get("profiles", {}):
            raise Problem("invalidProfile", f"no profile '{profile}' here")
        authorizations = [self._new_authorization(account, one) for one in payload["identifiers"]]
        order = Order(self._new_ident(), payload, account.ident, authorizations)
        self.orders[order.ident] = order
        reply = self.order_reply(order, 201)
        reply.headers["Location"] = self.url("order", order.ident)
        return reply

    def _new_authorization(self, account, identifier):
        wildcard = identifier["value"].startswith("*.")
        bare = {"type": identifier["type"], "value": identifier["value"].removeprefix("*.")}
        one = Authorization(
            self._new_ident(), bare, account.ident, wildcard, b64url(os.urandom(32))
        )
        self.authorizations[one.ident] = one
        return one

    def _do_order(self, request):
        return self.order_reply(self._own(self.orders, request))

    def order_reply(self, order, status=200):
        doc = {
            "status": order.shown_status or order.status,
            "expires": in_seconds(86400),
            "identifiers": order.request["identifiers"],
            "authorizations": [self.url("authz", one.ident) for one in order.authorizations],
            "finalize": self.url("finalize", order.ident),
        }
        doc.update(
            {name: order.request[name] for name in ("profile", "replaces") if name in order.request}
        )
        if order.error:
            doc["error"] = order.error
        if doc["status"] == "valid":
            doc["certificate"] = self.url("cert", order.ident)
        return Reply(status, doc, order=order)

    def _do_finalize(self, request):
        order = self._own(self.orders, request)
        if order.status != "ready":
            raise Problem("orderNotReady", f"the order is {order.status}", 403)
        order.csr_pem = _csr_as_pem(request.payload["csr"])
        if sorted(pki.csr_names(order.csr_pem)) != sorted(order.names):
            raise Problem("badCSR", "the CSR's names are not the order's")
        order.certificate_pem = self.authority.sign(order.csr_pem, order.names, self.life)
        order.status = "valid"
        return self.order_reply(order)

    def _do_cert(self, request):
        order = self._own(self.orders, request)
        body = (order.certificate_pem + self.authority.chain_pem).encode("ascii")
        return Reply(body=body, content_type="application/pem-certificate-chain", order=order)

    def _do_revokeCert(self, request):
        self.revoked.append(request.payload)
        return Reply()

    def _do_renewalInfo(self, _request):
        return Reply(doc=self.renewal_info, headers={"Retry-After": "21600"}, with_nonce=False)

    # --- endpoints: authorizations ---

    def _do_authz(self, request):
        one = self._own(self.authorizations, request)
        if (request.payload or {}).get("status") == "deactivated":
            one.status = "deactivated"
        doc = {
            "status": one.status,
            "expires": in_seconds(3600),
            "identifier": one.identifier,
            "challenges": [self._challenge(one, kind) for kind in one.challenge_types()],
        }
        return Reply(doc={**doc, "wildcard": True} if one.wildcard else doc)

    def _challenge(self, one, kind):
        url = self.url("challenge", f"{one.ident}/{kind}")
        doc = {"type": kind, "url": url, "token": one.token, "status": "pending"}
        if one.challenge == kind:
            doc["status"] = "processing" if one.status == "pending" else one.status
            if one.problem:
                doc["error"] = one.problem
        return doc

    def _do_challenge(self, request):
        one = self._own(self.authorizations, request)
        kind = request.ident.partition("/")[2]
        if request.payload is not None and one.status == "pending":
            one.challenge = kind
            self._decide(one, kind)
        up = f'<{self.url("authz", one.ident)}>;rel="up"'
        return Reply(doc=self._challenge(one, kind), headers={"Link": up})

    def _decide(self, one, kind):
        if one.held:
            return
        if not one.problem and self.validate:
            key = thumbprint(self.accounts[one.account].jwk)
            one.problem = self.validate(kind, one.identifier["value"], one.token, key)
        one.status = "invalid" if one.problem else "valid"
        for order in self.orders.values():
            if one in order.authorizations and order.status == "pending":
                self._update_order(order)

    @staticmethod
    def _update_order(order):
        statuses = {one.status for one in order.authorizations}
        if "invalid" in statuses:
            order.status = "invalid"
            order.error = {
                "type": ERROR + "unauthorized",
                "detail": "an authorization is invalid",
                "status": 403,
            }
        elif statuses == {"valid"}:
            order.status = "ready"


def _csr_as_pem(text):
    try:
        return pki.openssl("req", "-inform", "DER", stdin=from_b64url(text))
    except (pki.BedError, ValueError) as error:
        raise Problem("badCSR", "this CSR cannot be read") from error
