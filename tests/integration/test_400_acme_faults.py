"""What a broken or hostile ACME server gets: a message, and nothing else.

One process works on all cases at once: each has a CA of its own that does one thing wrong, and beside
them is one that does nothing wrong.
"""

import pytest

from support import manifests
from support.certlet import Certlet
from support.fault_ca import FaultCA
from support.fault_kinds import UNPAUSE_URL
from support.troubled import Case, Troubled, quick_solver

NOT_STORED = 1  # finalized, but what came is not taken
LIMITED = ("429", "rateLimited", "this exact set", "not before 20")

# The certificate is there already when these begin; each hits the order of a changed certificate.
ORDER_CASES = {
    "html": Case("newOrder", "html", ("creating order at", "new-order", "web page")),
    "huge": Case("newOrder", "huge", ("creating order", "larger than 1048576 bytes")),
    "huge-declared": Case(
        "order", "huge", ("reading order", "larger than 1048576 bytes"), {"declared": True}
    ),
    "deep": Case("newOrder", "deep", ("creating order at", "new-order")),
    "truncated": Case("newOrder", "truncated", ("creating order at", "not valid JSON")),
    "no-location": Case("newOrder", "no-location", ("creating order at", "no Location header")),
    "empty-authz": Case("newOrder", "empty-authorizations", ("'pending' for longer than usual",)),
    "authz-html": Case("authz", "html", ("reading authorization", "/authz/", "web page")),
    "wrong-chain": Case("cert", "wrong-chain", ("stranger intermediate", "did not sign"), finalized=NOT_STORED),
    "other-key": Case("cert", "other-key", ("is for another key",), finalized=NOT_STORED),
    "missing-names": Case("cert", "missing-names", ("'more.missing-names.example.test' is missing",), finalized=NOT_STORED),
    "expired": Case("cert", "expired", ("has expired at",), finalized=NOT_STORED),
    "private-key": Case("cert", "private-key", ("PEM block 'PRIVATE KEY'",), finalized=NOT_STORED),
    "garbage-pem": Case("cert", "garbage-pem", ("certificate cannot be read",), finalized=NOT_STORED),
    "empty-chain": Case("cert", "empty-chain", ("there is no certificate",), finalized=NOT_STORED),
    "huge-chain": Case(
        "cert", "huge", ("downloading certificate", "larger than 95000"), finalized=NOT_STORED
    ),
    "traversal": Case("authz", "traversal-token", ("traversal.example.test'", "not base64url")),
    "no-token": Case("authz", "no-token", ("no-token.example.test'", "the token has 0 characters")),
    "only-unknown": Case("authz", "unknown-challenge", ("no solver", "does not offer http-01"), {"only": True}),
    "processing": Case("order", "processing-forever", ("'processing' for longer than usual",)),
    "never-valid": Case("challenge", "never-validates", ("never-valid.example.test: The CA", "than usual")),
    "invalid": Case("challenge", "invalid", ("invalid.example.test", "connection", "could not reach it")),
    "limit-seconds": Case("newOrder", "rate-limited", LIMITED, {"retry_after": 3600}),
    "limit-date": Case("newOrder", "rate-limited", LIMITED, {"retry_after": 3600, "form": "date"}),
    "limit-detail": Case(
        "newOrder", "rate-limited", LIMITED, {"retry_after": 3600, "form": "detail"}
    ),
    "limit-none": Case("newOrder", "rate-limited", LIMITED),
    "paused": Case("newOrder", "paused", ("temporarily prevented", f"open {UNPAUSE_URL} to go on")),
    "unavailable": Case("newOrder", "unavailable", ("down for maintenance", "not before")),
    "broken-500": Case("finalize", "server-internal", ("finalize Order", "an internal error")),
    "rejected": Case(
        "newOrder",
        "rejected-identifier",
        ("(more.rejected.example.test: policy forbids this name)",),
        {"names": ["more.rejected.example.test"]},
    ),
    "unauthorized": Case("newOrder", "unauthorized", ("may not do that",)),
    "no-account": Case("newOrder", "account-does-not-exist", ("accountDoesNotExist", "another Secret")),
    "nonce-storm": Case("newOrder", "bad-nonce", ("badNonce", "nonce is refused")),
}

# These begin before there is an account.
ISSUER_CASES = {
    "html-dir": Case("directory", "html", ("registering with", "/dir", "web page")),
    "huge-dir": Case("directory", "huge", ("fetching directory", "larger than 1048576")),
    "truncated-dir": Case("directory", "truncated", ("directory", "not valid JSON")),
    "http-urls": Case("directory", "http-urls", ("newNonce", "does not start with https://")),
    "redirected": Case(
        "directory",
        "redirect",
        ("redirects are not followed", "use the URL", "http://127.0.0.1:1/"),
        {"to": "http://127.0.0.1:1/"},
    ),
    "external": Case(
        "newAccount", "external-account-required", ("set spec.acme.externalAccountBinding",)
    ),
    "terms": Case("newAccount", "user-action-required", ("https://ca.example/terms/2",)),
    "denied": Case("newAccount", "unauthorized", ("may not do that",)),
}

# A server that accepts and never answers is given up after 90 s: these are looked at last.
SILENT_CASES = {
    "silence": Case("newOrder", "silence", ("creating order", "in time")),
    "tar-pit": Case("connection", "silence", ("fetching directory", "connecting to")),
    "drip": Case("newOrder", "drip", ("creating order", "did not end in time")),
}
SILENT_STEPS = {
    "silent-poll": Case("order", "silence", ("reading order", "in time")),
    "silent-authz": Case("authz", "silence", ("reading authorization", "in time")),
    "silent-cert": Case("cert", "silence", ("downloading certificate", "in time"), finalized=NOT_STORED),
}
SILENT_ISSUERS = {
    "silent-dir": Case("directory", "silence", ("fetching directory", "in time")),
    "silent-tls": Case("connection", "silence", ("fetching directory", "connecting to")),
    "silent-account": Case("newAccount", "silence", ("registering account", "in time")),
}

# What lasts for a moment only.
PASSING_CASES = {
    "order-cut-before": Case("newOrder", "cut-before", (), times=1, finalized=1),
    "order-cut-after": Case("newOrder", "cut-after", (), times=1, finalized=1),
    "finalize-cut-before": Case("finalize", "cut-before", (), times=1, finalized=1),
    "finalize-cut-after": Case("finalize", "cut-after", (), times=1, finalized=1),
    "cert-cut": Case("cert", "cut-after", (), times=1, finalized=1),
    "challenge-cut-after": Case("challenge", "cut-after", (), times=1, finalized=1),
    "bad-nonces": Case("newOrder", "bad-nonce", (), times=3, finalized=1),
    "no-nonce": Case("newOrder", "no-nonce", (), times=1, finalized=1),
    "used-nonce": Case("newOrder", "used-nonce", (), times=1, finalized=1),
    "short-limit": Case("newOrder", "rate-limited", (), {"retry_after": 1}, times=1, finalized=1),
    "unknown-beside": Case("authz", "unknown-challenge", (), finalized=1),
}


def run_with(binary, folder, cases, issued_before=True):
    troubled = Troubled(binary, folder, cases, issued_before)
    try:
        troubled.start()
        yield troubled
    finally:
        troubled.stop()


@pytest.fixture(scope="module", autouse=True)
def silent(bed, binary, tmp_path_factory):
    """Started before all others, so that its waits pass while those are tested."""
    yield from run_with(binary, tmp_path_factory.mktemp("silent"), SILENT_CASES)


@pytest.fixture(scope="module", autouse=True)
def silent_steps(bed, binary, tmp_path_factory):
    yield from run_with(binary, tmp_path_factory.mktemp("silent-steps"), SILENT_STEPS)


@pytest.fixture(scope="module", autouse=True)
def silent_issuers(bed, binary, tmp_path_factory):
    yield from run_with(binary, tmp_path_factory.mktemp("silent-issuers"), SILENT_ISSUERS, False)


@pytest.fixture(scope="module")
def orders(binary, silent, tmp_path_factory):
    yield from run_with(binary, tmp_path_factory.mktemp("orders"), ORDER_CASES)


@pytest.fixture(scope="module")
def issuers(binary, silent, tmp_path_factory):
    yield from run_with(binary, tmp_path_factory.mktemp("issuers"), ISSUER_CASES, False)


@pytest.fixture(scope="module")
def passing(binary, silent, tmp_path_factory):
    yield from run_with(binary, tmp_path_factory.mktemp("passing"), PASSING_CASES)


def wait_for_good(troubled):
    """The certificate of the CA that does nothing wrong, while all others are at work."""
    return troubled.program.wait_for_certificate(
        "good-tls", other_than=troubled.before.get("good", ""), seconds=30
    )


def check_said_and_nothing_stored(troubled, name):
    case = troubled.cases[name]
    troubled.wait_until_said(name, case.says, seconds=200)
    assert troubled.program.is_running()
    assert troubled.pem(name) == troubled.before.get(name, "")
    assert troubled.finalized(name) == case.finalized
    assert not troubled.cas[name].errors, "\n".join(troubled.cas[name].errors)


def test_a_good_ca_is_not_delayed_by_silent_ones(silent, silent_steps, silent_issuers):
    wait_for_good(silent)
    wait_for_good(silent_steps)
    wait_for_good(silent_issuers)


def test_a_good_ca_is_not_delayed_by_orders_that_fail(orders):
    wait_for_good(orders)


@pytest.mark.parametrize("name", ORDER_CASES)
def test_a_faulty_order_is_explained_and_nothing_is_stored(orders, name):
    check_said_and_nothing_stored(orders, name)


@pytest.mark.parametrize("name", ["invalid", "wrong-chain", "rejected", "limit-none", "traversal"])
def test_a_faulty_order_is_in_the_log_with_its_name(orders, name):
    orders.wait_until_said(name, orders.cases[name].says)
    lines = [line for line in orders.program.log_text().splitlines() if name in line]
    words = [word for word in orders.cases[name].says if word.startswith(("the ", "did ", "not "))]
    assert lines and all(any(word in line for line in lines) for word in words), lines


def test_a_failed_attempt_is_counted_and_has_its_next_time(orders):
    orders.wait_until_said("wrong-chain", ORDER_CASES["wrong-chain"].says)
    row = orders.row("wrong-chain")
    assert row["attempts"] == 1 and row["nextAttempt"] > row["notBefore"]


def test_a_limit_of_the_ca_fails_no_attempt(orders):
    for name in ("limit-seconds", "limit-date", "limit-detail", "limit-none", "paused"):
        orders.wait_until_said(name, ORDER_CASES[name].says)
        row = orders.row(name)
        assert row["attempts"] == 0 and "nextAttempt" not in row
        # One refusal; where the CA says no time, another after a minute, if the machine is so slow.
        refused = [one.at for one in orders.cas[name].requests("newOrder") if one.fault]
        assert len(refused) == 1 or name == "limit-none", name
        assert all(later - earlier > 55 for earlier, later in zip(refused, refused[1:])), refused
        assert orders.cas[name].accepted("newOrder") == 1  # the first certificate


def test_a_token_never_becomes_a_path(orders):
    orders.wait_until_said("traversal", ORDER_CASES["traversal"].says)
    assert not [path for path in orders.folder.rglob("*escaped*")]


def test_the_names_that_failed_are_shown_apart(orders):
    orders.wait_until_said("invalid", ORDER_CASES["invalid"].says)
    assert orders.row("invalid")["failingName"].endswith("invalid.example.test")


@pytest.mark.parametrize("name", ISSUER_CASES)
def test_a_faulty_registration_is_explained_at_the_issuer(issuers, name):
    check_said_and_nothing_stored(issuers, name)
    assert issuers.cas[name].accepted("newOrder") == 0


def test_a_good_ca_is_not_delayed_by_registrations_that_fail(issuers):
    wait_for_good(issuers)


@pytest.mark.parametrize("name", PASSING_CASES)
def test_a_passing_fault_costs_no_second_certificate(passing, name):
    passing.program.wait_for_certificate(f"{name}-tls", other_than=passing.before[name])
    assert passing.finalized(name) == 1
    passing.program.wait_until(lambda: passing.row(name)["ready"] == "True", 20, "its status, behind its files")


def test_only_an_order_whose_answer_was_lost_is_ordered_again(passing):
    for name in PASSING_CASES:
        passing.program.wait_for_certificate(f"{name}-tls", other_than=passing.before[name])
        # one before the fault, one for the change
        assert passing.cas[name].accepted("newOrder") == (3 if name == "order-cut-after" else 2), name


def test_a_directory_without_tls_is_refused_before_anything_is_asked(binary, bed, tmp_path):
    with FaultCA(tmp_path / "plain", scheme="http") as ca, Certlet(
        binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]
    ) as program:
        program.write("a.yaml", manifests.issuer(ca, [quick_solver()]))
        program.write("b.yaml", manifests.certificate("a", ["a.example.test"]))
        done = program.run_once()
        assert done.returncode != 0
        assert "http://" in done.stderr and "https" in done.stderr
        assert "spec.acme.server" in done.stderr
        assert not ca.log


@pytest.mark.parametrize("name", SILENT_ISSUERS)
def test_an_issuer_whose_ca_never_answers_says_so(silent_issuers, name):
    check_said_and_nothing_stored(silent_issuers, name)


@pytest.mark.parametrize("name", [*SILENT_CASES, *SILENT_STEPS])
def test_an_order_whose_ca_never_answers_says_so(silent, silent_steps, name):
    check_said_and_nothing_stored(silent if name in SILENT_CASES else silent_steps, name)
