"""What a FaultCA can do wrong: one function per kind, and the table of them.

A fault stands around the well-behaved answer: it gets a Call, may or may not call proceed() (which has
the request's effect and gives its reply), and returns what is sent. So 'cut-before' and
'cut-after' differ only in that. Options of a kind are the keyword arguments of FaultCA.fault().
"""

import dataclasses
import datetime
import email.utils
import json

from . import pki
from .acme_ca import AcmeCA, Reply, Request, problem_reply

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
UNPAUSE_URL = "https://portal.example/sfe/v1/unpause?jwt=abc.def.ghi"


@dataclasses.dataclass
class Call:
    """One request under a fault."""

    acme: AcmeCA
    request: Request
    options: dict
    proceed: object  # () -> Reply
    closing: object  # threading.Event, set when the server ends
    stranger: object  # () -> pki.Authority, one that nobody trusts

    def option(self, name, default=None):
        return self.options.get(name, default)


# --- before any effect ---


def _html(call):
    return Reply(call.option("status", 200), body=HTML, content_type="text/html")


def _body(call):
    """Any answer: body, status, content_type, headers."""
    body = call.option("body", b"")
    body = body if isinstance(body, bytes) else body.encode("utf-8")
    kind = call.option("content_type", "application/json")
    return Reply(
        call.option("status", 200), body=body, content_type=kind, headers=call.option("headers", {})
    )


def _huge(call):
    """A JSON string of `size` bytes (50 MB); without declared=True its length is not told beforehand."""
    size, piece = call.option("size", 50_000_000), b"a" * 65536

    def pieces():
        yield b'{"detail":"'
        for _ in range(size // len(piece)):
            yield piece
        yield b'"}'

    length = len(b'{"detail":""}') + size // len(piece) * len(piece)
    headers = {"Content-Length": str(length)} if call.option("declared") else {}
    return Reply(call.option("status", 200), stream=pieces(), headers=headers)


def _drip(call):
    """One byte now and then, for ever."""

    def bytes_for_ever():
        yield b"{"
        while not call.closing.wait(call.option("seconds", 0.2)):
            yield b" "

    return Reply(stream=bytes_for_ever())


def _deep(call):
    depth = call.option("depth", 100_000)
    return Reply(body=b"[" * depth + b"]" * depth)


def _silence(call):
    call.closing.wait()
    return Reply(cut=True)


def _cut_before(_call):
    return Reply(cut=True)


def _redirect(call):
    return Reply(
        call.option("status", 302),
        headers={"Location": call.option("to", call.acme.url("directory"))},
    )


def _problem(call):
    """Any problem document: type (after the ACME prefix), detail, status, headers, subproblems, ..."""
    members = {
        k: v for k, v in call.options.items() if k not in ("type", "detail", "status", "headers")
    }
    return problem_reply(
        call.option("type", "serverInternal"),
        call.option("detail", "something went wrong"),
        call.option("status", 400),
        call.option("headers"),
        **members,
    )


def _fixed_problem(kind, detail, status, headers=None):
    return lambda _call: problem_reply(kind, detail, status, headers)


def _retry_after(call):
    """The Retry-After header: `retry_after` seconds, with form='date' as HTTP-date; none without it."""
    seconds = call.option("retry_after")
    if seconds is None:
        return {}
    if call.option("form") != "date":
        return {"Retry-After": str(seconds)}
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return {"Retry-After": email.utils.format_datetime(moment, usegmt=True)}


def _rate_limited(call):
    """429. form='detail' tells the time as Let's Encrypt does, in the text only."""
    detail = "too many certificates (5) already issued for this exact set of identifiers"
    headers = _retry_after(call)
    if call.option("form") == "detail":
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
            seconds=call.option("retry_after", 60)
        )
        detail += f", retry after {moment:%Y-%m-%d %H:%M:%S} UTC"
        headers = {}
    return problem_reply("rateLimited", detail, 429, headers)


def _unavailable(call):
    return problem_reply(
        "serverInternal", "the service is down for maintenance", 503, _retry_after(call)
    )


def _rejected_identifier(call):
    """A refusal with one subproblem for each of `names` (default: all of the order's)."""
    asked = (call.request.payload or {}).get("identifiers", [])
    refused = [one for one in asked if one["value"] in call.option("names", [one["value"]])]
    parts = [
        {
            "type": "urn:ietf:params:acme:error:rejectedIdentifier",
            "detail": "policy forbids this name",
            "identifier": one,
        }
        for one in refused
    ]
    return problem_reply("rejectedIdentifier", "some names are refused", 400, subproblems=parts)


# --- after the effect, or with another effect ---


def _cut_after(call):
    call.proceed()
    return Reply(cut=True)


def _silence_after(call):
    call.proceed()
    return _silence(call)


def _truncated(call):
    reply = call.proceed()
    whole = reply.payload()
    return dataclasses.replace(reply, doc=None, body=whole[: len(whole) // 2])


def _edit(call):
    """`edit` gets the JSON document that would be sent and returns the one to send."""
    reply = call.proceed()
    return dataclasses.replace(reply, doc=call.options["edit"](reply.doc))


def _without_header(name):
    def drop(call):
        reply = call.proceed()
        return dataclasses.replace(
            reply, headers={k: v for k, v in reply.headers.items() if k != name}
        )

    return drop


def _no_nonce(call):
    return dataclasses.replace(call.proceed(), with_nonce=False)


def _used_nonce(call):
    reply = call.proceed()
    used = call.request.protected.get("nonce", "AAAAAAAAAAAAAAAAAAAAAA")
    return dataclasses.replace(
        reply, with_nonce=False, headers={**reply.headers, "Replay-Nonce": used}
    )


def _http_urls(call):
    reply = call.proceed()
    return dataclasses.replace(
        reply, doc=json.loads(json.dumps(reply.doc).replace("https://", "http://"))
    )


def _empty_authorizations(call):
    reply = call.proceed()
    return dataclasses.replace(reply, doc={**reply.doc, "authorizations": []})


def _stays(status):
    """The order shows `status` from now on, whatever happens to it."""

    def stay(call):
        reply = call.proceed()
        if reply.order:
            reply.order.shown_status = status
            reply.doc["status"] = status
            reply.doc.pop("certificate", None)
        return reply

    return stay


def _authorization(call):
    return call.acme.authorizations.get(call.request.ident.partition("/")[0])


def _never_validates(call):
    _authorization(call).held = True
    return call.proceed()


def _invalid(call):
    """The CA tries and fails: type (dns, connection, ...), detail."""
    kind = "urn:ietf:params:acme:error:" + call.option("type", "connection")
    _authorization(call).problem = {
        "type": kind,
        "detail": call.option("detail", "could not reach it"),
        "status": 400,
    }
    return call.proceed()


def _with_challenges(change):
    def changed(call):
        reply = call.proceed()
        return dataclasses.replace(
            reply, doc={**reply.doc, "challenges": change(call, reply.doc["challenges"])}
        )

    return changed


def _traversal_token(call, challenges):
    return [{**one, "token": call.option("token", "../../../../escaped")} for one in challenges]


def _no_token(_call, challenges):
    return [{k: v for k, v in one.items() if k != "token"} for one in challenges]


def _unknown_challenge(call, challenges):
    """A type that nobody knows, without a token, first; only=True: nothing else."""
    url = call.acme.url("challenge", call.request.ident + "/frobnicate-01")
    unknown = {"type": "frobnicate-01", "url": url, "status": "pending"}
    return [unknown] if call.option("only") else [unknown, *challenges]


# --- certificates ---


def _certificate(make):
    """The answer of 'cert' with the PEM that make(call, order) gives."""

    def replaced(call):
        reply = call.proceed()
        if not reply.order:
            return reply
        return dataclasses.replace(reply, body=make(call, reply.order).encode("ascii"))

    return replaced


def _issue(call, order, csr=None, names=None, life=None):
    authority = call.acme.authority
    leaf = authority.sign(csr or order.csr_pem, names or order.names, life or call.acme.life)
    return leaf + authority.chain_pem


def _wrong_chain(call, order):
    return order.certificate_pem + call.stranger().chain_pem


def _other_ca(call, order):
    """A whole and right chain, by a CA that nobody asked."""
    stranger = call.stranger()
    return stranger.sign(order.csr_pem, order.names) + stranger.chain_pem


def _other_key(call, order):
    return _issue(call, order, csr=pki.new_csr(order.names))


def _missing_names(call, order):
    """Without the last name; with a single name, for another one."""
    return _issue(call, order, names=order.names[:-1] or ["someone-else.test"])


def _expired(call, order):
    return _issue(call, order, life=pki.Life(-7200, -3600))


def _not_yet_valid(call, order):
    return _issue(call, order, life=pki.Life(86400, 2 * 86400))


def _private_key(_call, order):
    pem = "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % ("A" * 64)
    return order.certificate_pem + pem


def _garbage(_call, _order):
    return "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


KINDS = {
    # answers without effect
    "html": _html,
    "body": _body,
    "huge": _huge,
    "drip": _drip,
    "deep": _deep,
    "silence": _silence,
    "cut-before": _cut_before,
    "redirect": _redirect,
    "problem": _problem,
    "rate-limited": _rate_limited,
    "paused": _fixed_problem(
        "rateLimited",
        "Your account is temporarily prevented from requesting certificates for example.test "
        "and possibly others. "
        f"Please visit: {UNPAUSE_URL}",
        429,
    ),
    "unavailable": _unavailable,
    "server-internal": _fixed_problem("serverInternal", "an internal error", 500),
    "bad-nonce": _fixed_problem("badNonce", "this nonce is refused for the test's sake", 400),
    "external-account-required": _fixed_problem(
        "externalAccountRequired", "an external account is needed", 403
    ),
    "user-action-required": _fixed_problem(
        "userActionRequired",
        "the terms of service have changed",
        403,
        {"Link": '<https://ca.example/terms/2>;rel="terms-of-service"'},
    ),
    "account-does-not-exist": _fixed_problem(
        "accountDoesNotExist", "no account with this key here", 400
    ),
    "unauthorized": _fixed_problem("unauthorized", "this account may not do that", 403),
    "rejected-identifier": _rejected_identifier,
    # after the effect
    "cut-after": _cut_after,
    "silence-after": _silence_after,
    "truncated": _truncated,
    "edit": _edit,
    "no-location": _without_header("Location"),
    "no-nonce": _no_nonce,
    "used-nonce": _used_nonce,
    "http-urls": _http_urls,
    # orders and authorizations
    "empty-authorizations": _empty_authorizations,
    "processing-forever": _stays("processing"),
    "pending-forever": _stays("pending"),
    "never-validates": _never_validates,
    "invalid": _invalid,
    "traversal-token": _with_challenges(_traversal_token),
    "no-token": _with_challenges(_no_token),
    "unknown-challenge": _with_challenges(_unknown_challenge),
    # certificates
    "wrong-chain": _certificate(_wrong_chain),
    "other-ca": _certificate(_other_ca),
    "other-key": _certificate(_other_key),
    "missing-names": _certificate(_missing_names),
    "expired": _certificate(_expired),
    "not-yet-valid": _certificate(_not_yet_valid),
    "private-key": _certificate(_private_key),
    "garbage-pem": _certificate(_garbage),
    "empty-chain": _certificate(lambda _call, _order: ""),
}
