"""The life of a certificate in a directory: issue, renew, re-issue, adopt, survive."""

import random
import subprocess
import time

import pytest

from support import manifests
from support.bed import Bind, Pebble, wait_until
from support.certlet import Certlet, solver_flags


def write_shop(certlet, bind, pebble, *certificates, **acme):
    certlet.write("key.yaml", manifests.tsig_secret(bind))
    certlet.write("issuer.yaml", manifests.issuer(pebble, [manifests.rfc2136_solver(bind)], **acme))
    certlet.write("certificates.yaml", *certificates)


def certificate_of(certlet, name):
    rows = {row["name"]: row for row in certlet.status()["certificates"]}
    return rows[name]


def verify(certlet, pebble, secret, host):
    """openssl's opinion of the stored chain against the CA's root."""
    folder = certlet.tls(secret)
    root = certlet.folder / "root.pem"
    root.write_text(pebble.root_pem(), encoding="ascii")
    argv = ["openssl", "verify", "-CAfile", root, "-untrusted", folder / "tls.crt"]
    argv += ["-verify_hostname", host, folder / "tls.crt"]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.threads
def test_apex_and_wildcard_are_issued_by_dns01_and_taken_back(certlet, bind, pebble):
    orders, finalizes = pebble.new_orders(), pebble.finalizes()
    write_shop(certlet, bind, pebble, manifests.certificate("shop", ["shop.example.test", "*.shop.example.test"]))
    done = certlet.run_once()
    assert done.returncode == 0, done.stderr
    verify(certlet, pebble, "shop-tls", "any.shop.example.test")
    assert (pebble.new_orders() - orders, pebble.finalizes() - finalizes) == (1, 1)
    assert bind.txt("_acme-challenge.shop.example.test") == []
    assert certificate_of(certlet, "shop")["ready"] == "True"


@pytest.mark.threads
def test_a_name_is_issued_by_http01_from_the_own_server(certlet, bind, pebble):
    certlet.write("issuer.yaml", manifests.issuer(pebble, [manifests.http01_solver()]))
    certlet.write("www.yaml", manifests.certificate("www", ["www.example.test"]))
    flags = ["--http01-self-check-port", pebble.http_port, "--acme-http01-solver-nameservers", bind.nameserver]
    done = certlet.run_once(*flags)
    assert done.returncode == 0, done.stderr
    verify(certlet, pebble, "www-tls", "www.example.test")


def test_a_second_pass_asks_the_ca_nothing(certlet, bind, pebble):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    assert certlet.run_once().returncode == 0
    before, orders = certlet.certificate_pem("a-tls"), pebble.new_orders()
    assert certlet.run_once().returncode == 0
    assert certlet.certificate_pem("a-tls") == before
    assert pebble.new_orders() == orders


def test_a_secret_that_fits_is_adopted_without_an_order(binary, certlet, bind, pebble, tmp_path):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    assert certlet.run_once().returncode == 0
    orders = pebble.new_orders()
    files = {key: (certlet.tls("a-tls") / key).read_text() for key in ("tls.crt", "tls.key")}
    secret = manifests.secret("a-tls", files)
    secret["type"] = "kubernetes.io/tls"
    with Certlet(binary, tmp_path / "moved", solver_flags(bind)) as moved:
        write_shop(moved, bind, pebble, manifests.certificate("a", ["a.example.test"]))
        moved.write("secret.yaml", secret)
        done = moved.run_once()
        assert done.returncode == 0, done.stderr
        assert moved.certificate_pem("a-tls") == files["tls.crt"]
    assert pebble.new_orders() == orders


@pytest.mark.threads
def test_a_changed_spec_is_issued_anew_while_running(certlet, bind, pebble):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    certlet.start()
    first = certlet.wait_for_certificate("a-tls")
    certlet.write("certificates.yaml", manifests.certificate("a", ["a.example.test", "b.example.test"]))
    certlet.wait_for_certificate("a-tls", other_than=first)
    verify(certlet, pebble, "a-tls", "b.example.test")


def test_renew_issues_anew_beside_the_running_process(certlet, bind, pebble):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    certlet.start()
    first = certlet.wait_for_certificate("a-tls")
    done = certlet.command("renew", "--dir", certlet.folder, "a")
    assert done.returncode == 0, done.stderr
    certlet.wait_for_certificate("a-tls", other_than=first)


def rfc3339(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


def test_the_window_of_the_ca_renews_and_the_order_says_what_it_replaces(certlet, bind, pebble):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    assert certlet.run_once().returncode == 0
    first = certlet.certificate_pem("a-tls")
    window = {"start": rfc3339(1), "end": rfc3339(4)}
    pebble.set_renewal_info(first, {"suggestedWindow": window})
    # The window was asked for when the certificate was new and is asked for again in hours: a new
    # folder with the same account and Secret asks now.
    files = {key: (certlet.tls("a-tls") / key).read_text() for key in ("tls.crt", "tls.key")}
    secret = {**manifests.secret("a-tls", files), "type": "kubernetes.io/tls"}
    with Certlet(certlet.binary, certlet.folder.with_name("again"), certlet.flags) as again:
        write_shop(again, bind, pebble, manifests.certificate("a", ["a.example.test"]))
        again.write("secret.yaml", secret)
        again.start()
        again.wait_for_certificate("a-tls", seconds=20)
        again.wait_for_certificate("a-tls", other_than=first, seconds=40)


def test_names_are_issued_while_another_issuer_never_answers(binary, bind, pebble, fault_ca, tmp_path):
    fault_ca.fault("newOrder", "silence", times=None)
    with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as certlet:
        write_shop(certlet, bind, pebble, manifests.certificate("good", ["good.example.test"]))
        certlet.write("pit.yaml", manifests.issuer(fault_ca, [manifests.rfc2136_solver(bind)], name="pit"))
        certlet.write(
            "bad.yaml",
            *[manifests.certificate(f"bad{i}", [f"bad{i}.example.test"], "pit") for i in range(30)],
        )
        certlet.start()
        certlet.wait_for_certificate("good-tls", seconds=30)


def test_names_are_issued_while_another_dns_server_drops_packets(binary, bind, pebble, tmp_path):
    with Bind(tmp_path / "dead", zones=("example.test",)) as dead:
        dead.pause()
        with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as certlet:
            write_shop(certlet, bind, pebble)
            pit = {**manifests.rfc2136_solver(dead)}
            pit["dns01"]["rfc2136"]["tsigSecretSecretRef"]["name"] = "tsig-dead"
            key = manifests.secret("tsig-dead", {"secret": dead.tsig["certlet"][1]})
            certlet.write("pit.yaml", key, manifests.issuer(pebble, [pit], name="pit"))
            certlet.write(
                "bad.yaml",
                *[manifests.certificate(f"bad{i}", [f"bad{i}.example.test"], "pit") for i in range(30)],
            )
            certlet.start()
            certlet.wait_until(
                lambda: "PresentError" in certlet.log_text() or "bad29" in certlet.log_text(), 20, "bad ones at work"
            )
            certlet.write("good.yaml", manifests.certificate("good", ["good.example.test"]))
            certlet.wait_for_certificate("good-tls", seconds=20)
        dead.resume()


def test_a_ca_that_is_down_and_comes_back_delays_but_does_not_fail(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble:
        with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as certlet:
            pebble.stop()
            write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
            certlet.start()
            certlet.wait_until(lambda: "Connection refused" in certlet.log_text() or "connect" in certlet.log_text(), 30, "a failure")
            pebble.start()
            certlet.wait_for_certificate("a-tls", seconds=60)
            assert certificate_of(certlet, "a").get("attempts", 0) == 0


def test_half_of_the_nonces_refused_is_only_slower(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address, env={"PEBBLE_WFE_NONCEREJECT": "50"}) as pebble:
        with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as certlet:
            write_shop(certlet, bind, pebble, *[manifests.certificate(f"c{i}", [f"c{i}.example.test"]) for i in range(3)])
            done = certlet.run_once(seconds=90)
            assert done.returncode == 0, done.stderr
            assert pebble.finalizes() == 3


def test_killed_at_random_nothing_is_lost_and_nothing_finalized_twice(binary, bind, tmp_path):
    """30 rounds: a certificate each, the process killed at a random point of its log, then left to finish."""
    dice = random.Random(4)
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble:
        certlet = Certlet(binary, tmp_path / "dir", solver_flags(bind))
        write_shop(certlet, bind, pebble)
        done = 0
        for i in range(30):
            certlet.write(f"c{i}.yaml", manifests.certificate(f"c{i}", [f"c{i}.example.test"]))
            lines = certlet.log_text().count("\n") + dice.randrange(1, 12)
            certlet.start("-v", "4")
            wait_until(lambda: certlet.log_text().count("\n") >= lines, 20, "log lines", certlet._child)
            certlet.kill9()
            done += 1
        result = certlet.run_once(seconds=120)
        assert result.returncode == 0, result.stderr
        assert pebble.finalizes() == done
        for i in range(done):
            assert certificate_of(certlet, f"c{i}")["ready"] == "True"


FAULTS = [  # endpoint, kind, options, what the status must say
    ("newOrder", "html", {}, "Failed to create Order"),
    ("newOrder", "huge", {}, "larger than"),
    ("cert", "wrong-chain", {}, "did not sign the one before it"),
    ("cert", "other-key", {}, "is for another key"),
    ("cert", "missing-names", {}, "is missing in the certificate"),
    ("cert", "private-key", {}, "PRIVATE KEY"),
    ("authz", "traversal-token", {}, "the token has characters"),
    ("newOrder", "rate-limited", {"retry_after": 3600}, "not before"),
    ("newOrder", "paused", {}, "https://portal.example/"),
    ("newOrder", "rejected-identifier", {"names": ["a.example.test"]}, "policy forbids this name"),
    ("newAccount", "user-action-required", {}, "https://ca.example/terms/2"),
    ("newAccount", "external-account-required", {}, "externalAccountRequired"),
    ("directory", "http-urls", {}, "does not start with https://"),
]


@pytest.mark.parametrize("endpoint,kind,options,expected", FAULTS, ids=[f"{e}-{k}" for e, k, _, _ in FAULTS])
def test_a_hostile_ca_gets_a_message_and_what_was_stored_stays(
    binary, fault_ca, tmp_path, endpoint, kind, options, expected
):
    fault_ca.fault(endpoint, kind, times=None, **options)
    solver = {**manifests.http01_solver(), "waitInsteadOfSelfCheck": "0s"}
    with Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]) as certlet:
        certlet.write("a.yaml", manifests.issuer(fault_ca, [solver]), manifests.certificate("a", ["a.example.test"]))
        certlet.start()

        def said():
            return (certlet.folder / "state.db").exists() and expected in str(certlet.status())

        certlet.wait_until(said, 40, f"'{expected}' in the status")
        assert certlet.certificate_pem("a-tls") == ""
        assert certlet.is_running()
        fault_ca.clear()


@pytest.mark.parametrize("endpoint", ["newOrder", "finalize", "challenge", "newAccount"])
def test_an_answer_lost_after_its_effect_makes_no_second_certificate(binary, fault_ca, tmp_path, endpoint):
    fault_ca.fault(endpoint, "cut-after", times=1)
    solver = {**manifests.http01_solver(), "waitInsteadOfSelfCheck": "0s"}
    with Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]) as certlet:
        certlet.write("a.yaml", manifests.issuer(fault_ca, [solver]), manifests.certificate("a", ["a.example.test"]))
        done = certlet.run_once(seconds=60)
        assert done.returncode == 0, done.stderr
        assert fault_ca.accepted("finalize") == 1
        assert fault_ca.accepted("newOrder") <= 2


def test_a_second_process_on_the_folder_is_refused(certlet):
    certlet.start()
    certlet.wait_until(lambda: (certlet.folder / "state.db").exists(), 20, "the store")
    done = certlet.command("run", certlet.folder, "--once")
    assert done.returncode == 3
    assert f"process {certlet.pid} works on" in done.stderr


def test_a_stop_takes_less_than_three_seconds(certlet, bind, pebble):
    write_shop(certlet, bind, pebble, manifests.certificate("a", ["a.example.test"]))
    certlet.start()
    certlet.wait_for_certificate("a-tls")
    assert certlet.stop(seconds=3) == 0


def test_renew_ends_the_wait_for_a_pause_that_is_over(binary, fault_ca, tmp_path):
    fault_ca.fault("newOrder", "paused", times=1)
    solver = {**manifests.http01_solver(), "waitInsteadOfSelfCheck": "0s"}
    with Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]) as certlet:
        certlet.write("a.yaml", manifests.issuer(fault_ca, [solver]), manifests.certificate("a", ["a.example.test"]))
        certlet.start()
        certlet.wait_until(
            lambda: (certlet.folder / "state.db").exists() and "portal.example" in str(certlet.status()), 40, "the pause"
        )
        done = certlet.command("renew", "--dir", certlet.folder, "a")
        assert done.returncode == 0 and "tried again now" in done.stdout, done.stderr
        certlet.wait_for_certificate("a-tls")
        assert fault_ca.accepted("finalize") == 1
