"""A real CA and a real DNS server that are slow, unwilling, down, or forget everything."""

import pytest

from support import manifests
from support.bed import Bind, Pebble
from support.bind import new_secret
from support.certlet import Certlet, solver_flags


def write(program, bind, pebble, *certificates, **acme):
    program.write("key.yaml", manifests.tsig_secret(bind))
    program.write("issuer.yaml", manifests.issuer(pebble, [manifests.rfc2136_solver(bind)], **acme))
    program.write("certificates.yaml", *certificates)


def certificates(*names):
    return [manifests.certificate(name, [f"{name}.example.test"]) for name in names]


def row(program, name):
    return next(one for one in program.status(name)["certificates"] if one["name"] == name)


def wait_for_row(program, name, *words, seconds=60):
    """Wait until the status of a certificate has all of these words."""

    def said():
        text = str(program.status(name))
        return all(word in text for word in words)

    program.wait_until(said, seconds, f"{words} in the status of '{name}'")
    return row(program, name)


# --- settings of Pebble ---

SETTINGS = {
    "half-of-the-nonces-refused": ({"env": {"PEBBLE_WFE_NONCEREJECT": "50"}}, 3),
    "nine-of-ten-nonces-refused": ({"env": {"PEBBLE_WFE_NONCEREJECT": "90"}}, 1),
    "retry-after-of-a-second": ({"retry_after": 1}, 2),
    "three-intermediates": ({"env": {"PEBBLE_CHAIN_LENGTH": "3"}}, 1),
    "validations-that-sleep": (
        {"env": {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}},
        2,
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_pebble_with(binary, bind, tmp_path, name):
    settings, count = SETTINGS[name]
    with Pebble(tmp_path / "pebble", dns=bind.address, **settings) as pebble:
        program = Certlet(binary, tmp_path / "dir", solver_flags(bind))
        write(program, bind, pebble, *certificates(*[f"c{n}" for n in range(count)]))
        done = program.run_once(seconds=240)
        assert done.returncode == 0, done.stderr[-4000:]
        assert pebble.finalizes() == count
        assert pebble.new_orders() == count


def test_pebble_that_reuses_authorizations_is_asked_for_no_second_proof(binary, bind, tmp_path):
    with Pebble(
        tmp_path / "pebble", dns=bind.address, env={"PEBBLE_AUTHZREUSE": "100"}
    ) as pebble:
        program = Certlet(binary, tmp_path / "dir", solver_flags(bind))
        write(program, bind, pebble, *certificates("a"))
        assert program.run_once().returncode == 0
        proofs = pebble.requests("/chalZ/")
        again = manifests.certificate("again", ["a.example.test"])
        write(program, bind, pebble, *certificates("a"), again)
        done = program.run_once()
        assert done.returncode == 0, done.stderr[-4000:]
        assert (pebble.finalizes(), pebble.requests("/chalZ/")) == (2, proofs)


# --- a CA that is away ---


@pytest.mark.threads
def test_a_ca_that_is_down_is_told_and_the_order_goes_on_when_it_is_back(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble, Certlet(
        binary, tmp_path / "dir", solver_flags(bind)
    ) as program:
        write(program, bind, pebble, *certificates("before"))
        program.start()
        pem = program.wait_for_certificate("before-tls")
        pebble.pause()  # it keeps its memory, and answers nobody
        write(program, bind, pebble, *certificates("before", "a"))
        program.wait_until(
            lambda: "Issuing" in str(row_or_none(program, "a")), 20, "the new certificate"
        )
        pebble.resume()
        program.wait_for_certificate("a-tls")
        assert program.certificate_pem("before-tls") == pem
        assert (pebble.new_orders(), pebble.finalizes()) == (2, 2)


def row_or_none(program, name):
    return next((one for one in program.status()["certificates"] if one["name"] == name), None)


def test_a_ca_that_refuses_connections_delays_and_fails_no_attempt(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble, Certlet(
        binary, tmp_path / "dir", solver_flags(bind)
    ) as program:
        pebble.stop()
        write(program, bind, pebble, *certificates("a"))
        program.start()
        program.wait_until((program.folder / "state.db").exists, 20, "the store")
        wait_for_row(program, "a", "connecting to", f"127.0.0.1:{pebble.port}")
        pebble.start()
        program.wait_for_certificate("a-tls", seconds=300)  # the pauses grow
        assert row(program, "a")["attempts"] == 0


def test_a_ca_that_has_forgotten_the_account_is_told_with_what_to_do(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble, Certlet(
        binary, tmp_path / "dir", solver_flags(bind)
    ) as program:
        write(program, bind, pebble, *certificates("a"))
        program.start()
        pem = program.wait_for_certificate("a-tls")
        pebble.restart()
        write(program, bind, pebble, *certificates("a", "b"))
        wait_for_row(program, "b", "accountDoesNotExist", "another Secret")
        assert program.certificate_pem("a-tls") == pem
        account = account_of(program)
        new_key = {"name": "new-account"}
        write(program, bind, pebble, *certificates("a", "b"), privateKeySecretRef=new_key)
        program.wait_until(lambda: account_of(program) not in (None, account), 20, "a new account")
        program.command("renew", "--dir", program.folder, "b")
        program.wait_for_certificate("b-tls")


def test_a_ca_whose_certificate_nobody_trusts_is_told_with_what_to_do(binary, bind, tmp_path):
    with Pebble(tmp_path / "pebble", dns=bind.address) as pebble, Certlet(
        binary, tmp_path / "dir", solver_flags(bind)
    ) as program:
        write(program, bind, pebble, *certificates("a"), caBundle=None)
        program.start()
        program.wait_until((program.folder / "state.db").exists, 20, "the store")
        wait_for_row(program, "a", "certificate", "give the CA's own certificate in spec.acme.caBundle")
        write(program, bind, pebble, *certificates("a"))
        program.wait_for_certificate("a-tls")


def test_another_port_is_another_ca(binary, bind, tmp_path):
    with Pebble(tmp_path / "old", dns=bind.address) as old, Pebble(
        tmp_path / "new", dns=bind.address
    ) as new, Certlet(binary, tmp_path / "dir", solver_flags(bind)) as program:
        write(program, bind, old, *certificates("a"))
        program.start()
        program.wait_for_certificate("a-tls")
        assert f":{old.port}/" in account_of(program)
        write(program, bind, new, *certificates("a"))
        program.wait_until(lambda: f":{new.port}/" in (account_of(program) or ""), 20, "an account at the other one")
        write(program, bind, new, *certificates("a", "b"))
        program.wait_for_certificate("b-tls")
        assert new.new_orders() == 1


def account_of(program):
    return program.status()["issuers"][0].get("account")


# --- a DNS server that is away ---


def test_a_dns_server_that_is_down_is_told_and_waited_for(binary, bed, tmp_path):
    with Bind(tmp_path / "bind") as away, Pebble(
        tmp_path / "pebble", dns=away.address
    ) as pebble, Certlet(binary, tmp_path / "dir", solver_flags(away)) as program:
        away.stop()
        write(program, away, pebble, *certificates("a"))
        program.start()
        program.wait_until((program.folder / "state.db").exists, 20, "the store")
        wait_for_row(program, "a", "presenting", away.nameserver)
        assert row(program, "a")["failingName"] == "a.example.test"
        away.start()
        program.wait_for_certificate("a-tls", seconds=300)
        assert row(program, "a")["attempts"] == 0


def test_a_dns_server_that_drops_packets_is_told_and_waited_for(binary, bed, tmp_path):
    with Bind(tmp_path / "bind") as away, Pebble(
        tmp_path / "pebble", dns=away.address
    ) as pebble, Certlet(binary, tmp_path / "dir", solver_flags(away)) as program:
        away.pause()
        write(program, away, pebble, *certificates("a"))
        program.start()
        program.wait_until((program.folder / "state.db").exists, 20, "the store")
        wait_for_row(program, "a", "presenting", away.nameserver, "no answer")
        away.resume()
        program.wait_for_certificate("a-tls", seconds=300)
        assert (pebble.new_orders(), pebble.finalizes()) == (1, 1)


# --- keys for the DNS server ---


def test_a_wrong_dns_key_is_told_and_the_right_one_is_used_at_once(certlet, bind, pebble):
    finalizes = pebble.finalizes()
    write(certlet, bind, pebble, *certificates("wrong-key"))
    certlet.write("key.yaml", manifests.secret("tsig-certlet", {"secret": new_secret()}))
    certlet.start()
    certlet.wait_until((certlet.folder / "state.db").exists, 20, "the store")
    found = wait_for_row(
        certlet, "wrong-key", "presenting", bind.nameserver, "tsig key 'certlet'", "compare"
    )
    assert found["failingName"] == "wrong-key.example.test"
    certlet.write("key.yaml", manifests.tsig_secret(bind))
    certlet.wait_for_certificate("wrong-key-tls", seconds=120)
    assert pebble.finalizes() - finalizes == 1
    wait_for_no_record(certlet, bind, "wrong-key")


def test_a_missing_dns_key_is_told_and_used_when_it_comes(certlet, bind, pebble):
    write(certlet, bind, pebble, *certificates("late-key"))
    certlet.remove("key.yaml")
    certlet.start()
    certlet.wait_until((certlet.folder / "state.db").exists, 20, "the store")
    wait_for_row(certlet, "late-key", "tsig-certlet", "late-key.example.test")
    certlet.write("key.yaml", manifests.tsig_secret(bind))
    certlet.wait_for_certificate("late-key-tls", seconds=120)
    wait_for_no_record(certlet, bind, "late-key")


def test_a_dns_key_under_another_name_in_the_secret_is_told(certlet, bind, pebble):
    write(certlet, bind, pebble, *certificates("other-entry"))
    certlet.write("key.yaml", manifests.secret("tsig-certlet", {"other": "value"}))
    certlet.start()
    certlet.wait_until((certlet.folder / "state.db").exists, 20, "the store")
    wait_for_row(certlet, "other-entry", "tsig-certlet", "'secret'")
    certlet.remove("certificates.yaml")
    certlet.wait_until(lambda: not certlet.status()["certificates"], 20, "no certificate")
    assert bind.txt("_acme-challenge.other-entry.example.test") == []


def wait_for_no_record(program, bind, name):
    """It goes behind the certificate; the program must live so long."""
    host = f"_acme-challenge.{name}.example.test"
    program.wait_until(lambda: not bind.txt(host), 60, f"no record at {host}")


# --- and whom it concerns ---

MANY = 30  # of one bad issuer: more than there are workers


def bad_ones():
    names = [f"bad{n}" for n in range(MANY)]
    return [manifests.certificate(name, [f"{name}.example.test"], "pit") for name in names]


def test_names_are_issued_while_many_of_another_issuer_wait_for_its_ca(
    binary, bind, pebble, fault_ca, tmp_path
):
    fault_ca.fault("newOrder", "silence", times=None)
    with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as program:
        pit = manifests.issuer(fault_ca, [manifests.rfc2136_solver(bind)], name="pit")
        program.write("pit.yaml", pit, *bad_ones())
        write(program, bind, pebble)
        program.start()
        fault_ca.wait_for("newOrder")
        write(program, bind, pebble, *certificates("good"))
        program.wait_for_certificate("good-tls", seconds=20)


def test_names_are_issued_while_many_of_another_issuer_wait_for_its_dns_server(
    binary, bind, pebble, tmp_path
):
    with Bind(tmp_path / "dead", zones=("example.test",)) as dead:
        dead.pause()
        solver = manifests.rfc2136_solver(dead)
        solver["dns01"]["rfc2136"]["tsigSecretSecretRef"]["name"] = "tsig-dead"
        key = manifests.secret("tsig-dead", {"secret": dead.tsig["certlet"][1]})
        with Certlet(binary, tmp_path / "dir", solver_flags(bind)) as program:
            program.write(
                "pit.yaml", key, manifests.issuer(pebble, [solver], name="pit"), *bad_ones()
            )
            write(program, bind, pebble)
            program.start()
            program.wait_until(lambda: "PresentError" in program.log_text(), 60, "bad ones at work")
            write(program, bind, pebble, *certificates("good"))
            program.wait_for_certificate("good-tls", seconds=20)
