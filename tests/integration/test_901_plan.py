"""certlet plan on a folder: what it says is what then happens, and it writes nothing itself."""

import json

import pytest

from support import manifests as m
from support.certlet import Certlet
from support.files import serial_of

LISTEN = ["--http01-listen", "127.0.0.1:0"]


@pytest.fixture
def program(binary, tmp_path):
    """A private CA and three leaves of it, written but not run."""
    one = Certlet(binary, tmp_path / "dir", LISTEN)
    one.write_each(*m.private_ca())
    for name in ("a", "b", "c"):
        one.write(f"{name}.yaml", m.certificate(name, [f"{name}.test"], "ca"))
    return one


def plan(program, *flags, code=0):
    done = program.command("plan", "--dir", program.folder, *flags)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def planned(program, code=0):
    """Name -> what, and the whole of it."""
    made = json.loads(plan(program, "--all", "-o", "json", code=code).stdout)
    return {row["name"]: row["what"] for row in made["certificates"]}, made


def serials(program):
    return {name: serial_of(program.certificate_pem(f"{name}-tls")) for name in ("root", "a", "b", "c")}


def contents(folder):
    """Of every file; state.db's index of its log is made by whoever opens it."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_folder_that_was_never_run_is_issued_as_a_whole(program):
    before = contents(program.folder)
    what, made = planned(program)
    assert what == {"root": "issue", "a": "issue", "b": "issue", "c": "issue"}
    assert {row["obstacle"] for row in made["certificates"]} == {
        "Referenced Issuer 'self' is not ready: it has not been looked at yet",
        "Referenced Issuer 'ca' is not ready: it has not been looked at yet",
    }
    assert "0 of 4 certificates would be re-issued: 4 issued for the first time" in plan(program).stdout
    assert contents(program.folder) == before


def test_what_is_up_to_date_is_kept_and_said_so(program):
    assert program.run_once().returncode == 0
    before = contents(program.folder)
    what, made = planned(program)
    assert what == {"root": "keep", "a": "keep", "b": "keep", "c": "keep"}
    assert all(row["renewalTime"] for row in made["certificates"])
    assert plan(program).stdout == "0 of 4 certificates would be re-issued: 4 kept as they are\n"
    assert contents(program.folder) == before


def test_what_it_says_of_an_edit_is_what_then_happens(program):
    assert program.run_once().returncode == 0
    before = serials(program)
    program.write("b.yaml", m.certificate("b", ["b.test", "more.test"], "ca"))
    program.write("c.yaml", m.certificate("c", ["c.test"], "ca", secretTemplate={"labels": {"team": "web"}}))
    what, made = planned(program, code=1)
    assert what == {"root": "keep", "a": "keep", "b": "re-issue", "c": "take over"}
    rows = {row["name"]: row for row in made["certificates"]}
    assert rows["b"]["reason"] == "RequestChanged"
    assert "spec.dnsNames" in rows["b"]["message"]
    assert rows["c"]["reason"] == "SecretTemplateMismatch"
    assert serials(program) == before

    assert program.run_once().returncode == 0
    after = serials(program)
    assert {name for name in after if after[name] != before[name]} == {"b"}
    assert program.object("Secret", "c-tls")["metadata"]["labels"]["team"] == "web"
    assert set(planned(program)[0].values()) == {"keep"}


def test_a_key_that_is_to_stay_and_does_not_fit_is_in_the_way(program):
    assert program.run_once().returncode == 0
    larger = {"algorithm": "ECDSA", "size": 384}
    program.write("b.yaml", m.certificate("b", ["b.test"], "ca", privateKey={**larger, "rotationPolicy": "Never"}))
    program.write("c.yaml", m.certificate("c", ["c.test"], "ca", privateKey=larger))
    what, made = planned(program, code=1)
    assert what == {"root": "keep", "a": "keep", "b": "re-issue", "c": "re-issue"}
    rows = {row["name"]: row for row in made["certificates"]}
    assert "delete the Secret, or allow rotation" in rows["b"]["obstacle"]
    assert "obstacle" not in rows["c"]


KEYSTORES = {"jks": {"create": True, "passwordSecretRef": {"name": "store", "key": "password"}}}


def test_a_password_that_is_missing_is_in_the_way_of_the_next_certificate(program):
    program.write("b.yaml", m.certificate("b", ["b.test"], "ca", keystores=KEYSTORES))
    program.write("store.yaml", m.secret("store", {"password": "changeit"}))
    assert program.run_once().returncode == 0
    program.write("store.yaml", m.secret("store", {"other": "changeit"}))
    program.write("c.yaml", m.certificate("c", ["more.test"], "ca", keystores=KEYSTORES))
    what, made = planned(program, code=1)
    assert what == {"root": "keep", "a": "keep", "b": "keep", "c": "re-issue"}
    rows = {row["name"]: row for row in made["certificates"]}
    said = "spec.keystores.jks.passwordSecretRef: secret 'default/store' has no key 'password'"
    assert rows["b"]["obstacle"] == f"in the way of the renewal at {rows['b']['renewalTime']}: {said}"
    assert rows["c"]["obstacle"] == said
    assert "obstacle" not in rows["a"]
    program.write("c.yaml", m.certificate("c", ["c.test"], "ca"))
    assert said in plan(program, code=1).stdout  # of what is kept, too


def test_an_immutable_secret_is_in_the_way_from_the_renewal_on(program):
    assert program.run_once().returncode == 0
    stored = program.object("Secret", "b-tls")
    fixed = {**m.secret("b-tls", {}), "type": stored["type"], "data": stored["data"], "immutable": True}
    program.write("fixed.yaml", fixed)
    what, made = planned(program, code=1)
    assert what == {"root": "keep", "a": "keep", "b": "keep", "c": "keep"}
    row = {row["name"]: row for row in made["certificates"]}["b"]
    assert row["obstacle"].startswith(f"in the way of the renewal at {row['renewalTime']}: the Secret 'b-tls' is immutable")

    program.run_once()
    program.write("b.yaml", m.certificate("b", ["more.test"], "ca"))
    row = {row["name"]: row for row in planned(program, code=1)[1]["certificates"]}["b"]
    assert row["what"] == "re-issue"
    assert "take 'immutable' out of its manifest" in row["obstacle"]


def test_what_is_given_up_of_an_issuance_under_way_is_said(program):
    program.write("b.yaml", m.certificate("b", ["b.test"], "nobody"))
    assert program.run_once().returncode == 1
    program.write("b.yaml", m.certificate("b", ["more.test"], "nobody"))
    row = {row["name"]: row for row in planned(program, code=1)[1]["certificates"]}["b"]
    assert (row["what"], row["reason"]) == ("carry on", "RequestChanged")
    assert row["obstacle"] == "Referenced Issuer 'nobody' does not exist"
    assert row["message"].startswith("CertificateRequest 'b-1' is dropped, and another one made: ")
    assert "spec.dnsNames" in row["message"]

    program.write("b.yaml", m.certificate("b", ["b.test"], "nobody", privateKey={"algorithm": "RSA"}))
    row = {row["name"]: row for row in planned(program, code=1)[1]["certificates"]}["b"]
    assert row["message"].startswith("The next private key, in Secret 'b-")


def test_a_renewal_outside_of_its_windows_holds_nothing_up(program):
    never = {"policy": "RenewBefore", "windows": [{"cron": "0 0 30 2 *", "windowDuration": "1h"}]}
    program.write("b.yaml", m.certificate("b", ["b.test"], "ca", renewal=never))
    assert program.run_once().returncode == 1
    what, made = planned(program)
    assert what == {"root": "keep", "a": "keep", "b": "keep", "c": "keep"}
    row = {row["name"]: row for row in made["certificates"]}["b"]
    assert row["reason"] == "WindowError" and "obstacle" not in row
    assert "WindowError" in plan(program).stdout


def test_a_secret_of_another_certificate_is_held_without_a_time(program):
    assert program.run_once().returncode == 0
    program.write("b.yaml", m.certificate("b", ["b.test"], "ca", secretName="a-tls"))
    made = planned(program, code=1)[1]
    row = {row["name"]: row for row in made["certificates"]}["b"]
    assert (row["what"], row["reason"]) == ("hold", "DuplicateSecretName")
    assert "notBefore" not in row


def test_an_issuer_that_is_gone_or_not_ready_is_in_the_way_of_the_renewal(program):
    program.write("spare.yaml", m.private_issuer("spare", {"selfSigned": {}}, "default"))
    program.write("b.yaml", m.certificate("b", ["b.test"], "spare"))
    assert program.run_once().returncode == 0
    program.remove("spare.yaml")
    program.run_once()
    what, made = planned(program, code=1)
    assert what == {"root": "keep", "a": "keep", "b": "keep", "c": "keep"}
    rows = {row["name"]: row for row in made["certificates"]}
    when = rows["b"]["renewalTime"]
    assert rows["b"]["obstacle"] == f"in the way of the renewal at {when}: Referenced Issuer 'spare' does not exist"
    assert "obstacle" not in rows["a"]

    program.write("spare.yaml", m.private_issuer("spare", {"ca": {"secretName": "nothing"}}, "default"))
    planned(program)  # it is new, and was not looked at
    program.run_once()
    row = {row["name"]: row for row in planned(program, code=1)[1]["certificates"]}["b"]
    assert "Referenced Issuer 'spare' is not ready: " in row["obstacle"]


def test_what_cannot_be_used_is_in_the_way(program):
    assert program.run_once().returncode == 0
    vault = {"vault": {"server": "https://vault.test", "path": "pki"}}
    program.write("ca.yaml", m.private_issuer("ca", vault, "default"))
    program.write("b.yaml", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: b\n")
    done = plan(program, code=1)
    assert "b.yaml:" in done.stderr
    assert "ca.yaml:" in done.stderr
    assert "0 of 4 certificates" in done.stdout


def test_a_folder_without_manifests_is_told(binary, tmp_path):
    done = Certlet(binary, tmp_path / "dir").command("plan", "--dir", tmp_path / "nowhere")
    assert done.returncode == 4
    assert "nowhere/manifests' does not exist" in done.stderr
    assert not (tmp_path / "nowhere").exists()
