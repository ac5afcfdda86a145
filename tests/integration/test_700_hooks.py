"""Deploy hooks: what they get, when they run, and what happens when one fails."""

import os
import time

import pytest

from support import manifests as m
from support.bed import wait_until
from support.certlet import STOPS_WITHIN_S, Certlet
from support.fault_ca import FaultCA
from support.files import key_matches, serial_of
from support.troubled import quick_solver

FLAGS = ["--http01-listen", "127.0.0.1:0"]
# Appends a line per run: the hook's name, the Certificate and the serial that it saw.
NOTE = """#!/bin/sh
serial=$(openssl x509 -noout -serial -in "$CERTLET_PATH/tls.crt")
echo "${0##*/} $CERTLET_NAME ${serial#*=}" >>'%s'
"""


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    with FaultCA(tmp_path_factory.mktemp("ca")) as server:
        yield server
        assert not server.errors


@pytest.fixture
def program(binary, ca, tmp_path):
    """One that knows an issuer and a certificate 'a'."""
    with Certlet(binary, tmp_path / "dir", FLAGS) as one:
        one.runs = tmp_path / "runs"
        one.write("issuer.yaml", m.issuer(ca, [quick_solver()]))
        one.write("a.yaml", m.certificate("a", ["a.test"]))
        yield one


def runs(program):
    """Lines that the hooks have left."""
    return program.runs.read_text().splitlines() if program.runs.exists() else []


def note(program, name="note", before=""):
    """A hook that leaves its line after `before`."""
    head, body = (NOTE % program.runs).split("\n", 1)
    return program.write_hook(name, f"{head}\n{before}\n{body}")


def once(program, code=0, *flags):
    done = program.run_once(*flags)
    assert done.returncode == code, done.stderr
    return done.stderr


def serial(program, name="a"):
    return serial_of(program.certificate_pem(f"{name}-tls"))


def test_hook_gets_the_four_names_and_nothing_of_ours(binary, ca, tmp_path):
    seen = tmp_path / "seen"
    env = {"HOME": "/nowhere", "LANG": "C.UTF-8", "A_SECRET_OF_MINE": "x"}
    with Certlet(binary, tmp_path / "dir", FLAGS, env) as program:
        program.write("issuer.yaml", m.issuer(ca, [quick_solver()], namespace="shop"))
        program.write("a.yaml", m.certificate("a", ["a.test"], namespace="shop"))
        program.write_hook("env", f"#!/bin/sh\nenv >'{seen}'\n")
        once(program)
    values = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    for of_the_shell in ("PWD", "SHLVL", "_", "OLDPWD"):
        values.pop(of_the_shell, None)
    assert values == {
        "CERTLET_NAMESPACE": "shop",
        "CERTLET_NAME": "a",
        "CERTLET_SECRET": "a-tls",
        "CERTLET_PATH": str(program.tls("a-tls", "shop")),
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "LANG": "C.UTF-8",
    }


def test_hook_finds_files_that_belong_together_and_an_empty_standard_input(program, tmp_path):
    copy = tmp_path / "copy"
    program.write_hook("copy", f"#!/bin/sh\ncp -rL \"$CERTLET_PATH\" '{copy}' && cat >'{copy}/in'\n")
    once(program)
    assert key_matches(copy)
    assert (copy / "in").read_bytes() == b""


def test_hooks_run_in_order_of_name_and_only_executable_ones(program):
    for name in ("20-second", "10-first", "30-third"):
        note(program, name)
    note(program, ".hidden")
    note(program, "README").chmod(0o600)
    once(program)
    assert [line.split()[0] for line in runs(program)] == ["10-first", "20-second", "30-third"]


@pytest.mark.threads
def test_hook_runs_once_for_each_change_and_not_again_after_a_restart(program):
    note(program)
    once(program)
    once(program)
    first = serial(program)
    assert runs(program) == [f"note a {first}"]
    program.write("a.yaml", m.certificate("a", ["a.test", "b.test"]))
    once(program)
    assert runs(program) == [f"note a {first}", f"note a {serial(program)}"]
    assert serial(program) != first


def test_new_hook_runs_for_what_is_there_already(program):
    once(program)
    note(program)
    once(program)
    assert runs(program) == [f"note a {serial(program)}"]


def test_failing_hook_is_told_the_others_run_and_it_is_tried_again(program):
    program.write_hook("10-bad", "#!/bin/sh\necho trouble ahead\nexit 7\n")
    note(program, "20-good")
    said = once(program, 1)
    assert "hook '10-bad' for 'default/a-tls'" in said and "7" in said
    assert "hook '10-bad': trouble ahead" in said
    assert runs(program) == [f"20-good a {serial(program)}"]
    assert program.status()["certificates"][0]["ready"] == "True"
    note(program, "10-bad")
    once(program)
    assert runs(program)[1:] == [f"10-bad a {serial(program)}"]


def test_each_hook_that_failed_is_told_in_the_end(program):
    for name, code in (("10-mail", 7), ("20-reload", 8)):
        program.write_hook(name, f"#!/bin/sh\nexit {code}\n")
    said = [line for line in once(program, 1).splitlines() if line.startswith("certlet: hook ")]
    assert said == [
        "certlet: hook '10-mail' for 'default/a-tls': exit status 7",
        "certlet: hook '20-reload' for 'default/a-tls': exit status 8",
    ]


def test_hook_that_does_not_exist_as_a_program_is_told(program):
    program.write_hook("broken", "#!/no/such/interpreter\n")
    assert "broken" in once(program, 1)


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_hook_that_others_may_write_is_not_run(program, mode):
    note(program).chmod(mode)
    said = once(program, 1)
    assert "chmod go-w" in said and "deploy.d/note" in said
    assert runs(program) == []


def test_folder_that_others_may_write_runs_nothing(program):
    note(program).parent.chmod(0o777)
    assert "chmod go-w" in once(program, 1)
    assert runs(program) == []


def test_hook_of_another_user_is_not_run(program):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(note(program), 12345, 12345)
    assert "belongs to another user (12345)" in once(program, 1)
    assert runs(program) == []


def test_hook_that_hangs_is_ended_with_its_children_and_the_next_one_runs(program, tmp_path):
    pids = tmp_path / "pids"
    program.write_hook("10-hang", f"#!/bin/sh\nsleep 600 &\necho $! $$ >'{pids}'\nwait\n")
    note(program, "20-good")
    said = once(program, 1, "--hook-timeout", "5s")  # in which the good one has to do its work
    assert "10-hang" in said and "5s" in said
    assert runs(program) == [f"20-good a {serial(program)}"]
    for pid in pids.read_text().split():  # one is not ours to reap: it is killed, and gone a moment later
        wait_until(lambda one=pid: not is_alive(one), 20, f"the end of process {pid}")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_issuance_does_not_wait_for_a_hook(program, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    note(program, before=f"read line <'{gate}'")
    program.start()
    program.wait_for_certificate("a-tls")
    program.write("b.yaml", m.certificate("b", ["b.test"]))
    program.wait_for_certificate("b-tls")
    assert runs(program) == []
    with open(gate, "w", encoding="ascii") as writer:
        writer.write("one\n")
    program.wait_until(lambda: len(runs(program)) == 1, 20, "the first hook")
    with open(gate, "w", encoding="ascii") as writer:
        writer.write("two\n")
    program.wait_until(lambda: len(runs(program)) == 2, 20, "the second hook")
    assert sorted(line.split()[1] for line in runs(program)) == ["a", "b"]


def test_hook_that_was_cut_short_by_a_stop_runs_again(program, tmp_path):
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    os.mkfifo(gate)
    note(program, before=f"touch '{begun}'; read line <'{gate}'")
    program.start()
    program.wait_until(begun.exists, 30, "the hook")
    at = time.monotonic()
    assert program.stop(seconds=6) == 0
    assert time.monotonic() - at < STOPS_WITHIN_S
    assert runs(program) == []
    gate.unlink()
    note(program)
    once(program)
    assert runs(program) == [f"note a {serial(program)}"]


def test_secrets_that_no_certificate_names_get_neither_files_nor_hooks(program):
    program.write("other.yaml", m.secret("other", {"tls.crt": "x", "tls.key": "y"}))
    note(program)
    once(program)
    assert [line.split()[1] for line in runs(program)] == ["a"]
    assert not program.tls("other").exists()
    assert not program.tls("acme-account").exists()


def test_what_a_hook_prints_without_end_is_cut(program):
    program.write_hook("loud", "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' 'x' | fold -w 500\n")
    said = once(program)
    assert "the rest of its output is left out" in said
    assert len(said) < 200_000


def test_control_characters_of_a_hook_do_not_reach_the_log(program):
    program.write_hook("rude", "#!/bin/sh\nprintf 'a\\033[31mred\\n'\n")
    said = once(program)
    assert "\033" not in said and "red" in said
