"""The command line: help, exit codes, formats, colours, metrics."""

import json
import os
import pathlib
import pty
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from support import manifests as m
from support.certlet import Certlet
from support.fault_ca import FaultCA
from support.files import serial_of
from support.troubled import quick_solver

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ["run", "status", "renew", "approve", "deny", "check", "plan", "inspect", "version"]
LISTEN = ["--http01-listen", "127.0.0.1:0"]
REFUSED = "no.test"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    with FaultCA(tmp_path_factory.mktemp("ca")) as server:
        server.fault("newOrder", "rejected-identifier", times=None, names=[REFUSED], when=asks_refused)
        yield server
        assert not server.errors


def asks_refused(request):
    return any(one["value"] == REFUSED for one in request.payload["identifiers"])


@pytest.fixture(scope="module")
def program(binary, ca, tmp_path_factory):
    """After one run: 'good' and 'shop/also' are ready, 'bad' is refused by the CA, 'lost' has no issuer."""
    one = Certlet(binary, tmp_path_factory.mktemp("cli") / "dir", LISTEN)
    one.write("issuers.yaml", m.cluster_issuer(ca, [quick_solver()]))
    ref = {"issuerRef": {"name": "acme", "kind": "ClusterIssuer"}}
    one.write(
        "certificates.yaml",
        m.certificate("good", ["a.test", "b.test", "c.test"], **ref),
        m.certificate("also", ["d.test"], namespace="shop", **ref),
        m.certificate("bad", ["yes.test", REFUSED], **ref),
        m.certificate("lost", ["e.test"], "nowhere"),
    )
    one.done = one.run_once()
    return one


@pytest.fixture(scope="module")
def bare(binary, tmp_path_factory):
    """For commands that need no folder."""
    return Certlet(binary, tmp_path_factory.mktemp("bare") / "dir")


def on_terminal(program, *arguments, **env):
    """Run with standard output and error on a terminal; (exit code, what it showed)."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **program.env, "TERM": "xterm", **env}
    child = subprocess.Popen(
        [program.binary, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # Linux' way to say that the other side has closed
    os.close(ours)
    return child.wait(60), shown.decode()


# --- help and usage ---


def test_help_is_printed_by_every_command_in_every_way(bare):
    whole = bare.command("--help")
    assert whole.returncode == 0 and whole.stderr == ""
    for command in COMMANDS:
        assert f"  {command} " in whole.stdout
        long = bare.command(command, "--help")
        assert long.returncode == 0 and long.stderr == ""
        assert long.stdout.startswith(f"usage: certlet {command}")
        assert bare.command(command, "-h").stdout == long.stdout
        assert bare.command("help", command).stdout == long.stdout


def test_help_names_exit_codes_and_defaults(bare):
    said = bare.command("run", "--help").stdout
    assert "Exit codes: 0 all is well; 1" in said
    assert "(default :80)" in said and "(default 0600)" in said
    for flag in ("--once", "--timeout", "--dns01-recursive-nameservers-only", "--logging-format"):
        assert flag in said


MISUSED = {
    (): "usage: certlet COMMAND",
    ("frobnicate",): "there is no command 'frobnicate'",
    ("run",): "which folder",
    ("run", "a", "b"): "'b' is too much",
    ("run", "a", "--frobnicate"): "unknown flag '--frobnicate'",
    ("run", "a", "--timeout"): "flag '--timeout' needs a value",
    ("run", "a", "--timeout", "soon"): "flag '--timeout'",
    ("run", "a", "--logging-format", "xml"): "must be one of text|json",
    ("run", "a", "--concurrent-workers", "0"): "--concurrent-workers",
    ("status", "-o", "xml"): "must be one of table|wide|tree|json|yaml",
    ("renew",): "which Certificate",
    ("renew", "--all", "a"): "not two of them",
    ("check",): "which manifests",
    ("inspect",): "give one FILE",
    ("version", "now"): "unexpected argument 'now'",
}


@pytest.mark.parametrize("arguments", MISUSED, ids=" ".join)
def test_wrong_usage_is_explained_on_standard_error_and_ends_with_2(bare, arguments):
    done = bare.command(*arguments)
    assert done.returncode == 2
    assert MISUSED[arguments] in done.stderr
    assert done.stdout == ""
    assert not bare.folder.with_name("a").exists()


BAD_SETTINGS = {
    ("--tls-mode", "0660"): "others could write",
    ("--tls-mode", "0999"): "--tls-mode",
    ("--tls-group", "no-such-group"): "no-such-group",
    ("--metrics-listen-address", "nowhere:x"): "--metrics-listen-address",
    ("--dns01-recursive-nameservers", "1.2.3.4:99999"): "1.2.3.4:99999",
    ("--http01-webroot", "/no/such/folder"): "/no/such/folder",
}


@pytest.mark.parametrize("flags", BAD_SETTINGS, ids=" ".join)
def test_setting_that_cannot_be_used_is_named(binary, tmp_path, flags):
    done = Certlet(binary, tmp_path / "dir").run_once(*flags)
    assert done.returncode in (2, 4)
    assert BAD_SETTINGS[flags] in done.stderr


def test_version_is_printed_as_text_and_as_json(bare):
    text = bare.command("version").stdout
    assert re.fullmatch(r"certlet \d+\.\d+\.\d+\S*\n", text)
    assert bare.command("--version").stdout == text
    assert json.loads(bare.command("version", "-o", "json").stdout)["version"] == text.split()[1]


# --- run ---


def test_once_ends_with_1_and_says_a_line_for_each_that_is_not_ready(program):
    assert program.done.returncode == 1
    said = [line for line in program.done.stderr.splitlines() if line.startswith("certlet: ")]
    assert len([line for line in said if "default/bad" in line]) == 1
    assert len([line for line in said if "default/lost" in line]) == 1
    assert not any("good" in line or "also" in line for line in said)
    refusal = next(line for line in said if "default/bad" in line)
    for word in (REFUSED, "policy forbids this name", "not before"):
        assert word in refusal
    assert "nowhere" in next(line for line in said if "default/lost" in line)


def test_log_as_json_is_one_object_in_each_line(binary, ca, tmp_path):
    program = Certlet(binary, tmp_path / "dir", LISTEN)
    program.write("i.yaml", m.issuer(ca, [quick_solver()]))
    program.write("a.yaml", m.certificate("a", ["a.test"]))
    done = program.run_once("--logging-format", "json", "-v", "5")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(line.get("controller") for line in lines)
    assert all({"level", "msg"} <= set(line) for line in lines)


def test_progress_is_shown_on_a_terminal_only(binary, ca, tmp_path):
    program = Certlet(binary, tmp_path / "dir", LISTEN)
    program.write("i.yaml", m.issuer(ca, [quick_solver()]))
    program.write("a.yaml", m.certificate("a", ["a.test"]), m.certificate("b", ["b.test"]))
    code, shown = on_terminal(program, "run", program.folder, "--once", *LISTEN)
    assert code == 0
    assert "\r" in shown and re.search(r"\d of 2", shown)
    assert "\r" not in program.run_once().stderr


def test_once_ends_with_its_timeout_and_says_so(binary, tmp_path):
    with FaultCA(tmp_path / "ca") as ca:
        ca.fault("newOrder", "silence", times=None)
        program = Certlet(binary, tmp_path / "dir", LISTEN)
        program.write("a.yaml", m.issuer(ca, [quick_solver()]), m.certificate("a", ["a.test"]))
        done = program.run_once("--timeout", "2s")
    assert done.returncode == 1
    assert "--timeout" in done.stderr and "default/a" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_the_log_of_a_closed_standard_error_goes_nowhere(binary, tmp_path, closed):
    """And not into the file that was opened in its place."""
    program = Certlet(binary, tmp_path / "dir", LISTEN)
    program.write("bad.yaml", "a: [\n")
    line = f'exec "$0" run "$1" --once {closed}'
    done = subprocess.run(["sh", "-c", line, binary, program.folder], env=program.env, check=False)
    assert done.returncode == 1
    assert (program.folder / ".lock").read_bytes() == b""


def test_what_could_not_be_printed_ends_with_4(binary):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary, "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4 and "standard output could not be written" in done.stderr
    ours, theirs = os.pipe()
    os.close(ours)  # as head does
    done = subprocess.run([binary, "version"], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert done.returncode == 0 and done.stderr == ""


def test_a_folder_that_is_a_file_ends_with_4(binary, tmp_path):
    (tmp_path / "file").write_text("")
    done = Certlet(binary, tmp_path / "x").command("run", tmp_path / "file", "--once")
    assert done.returncode == 4
    assert str(tmp_path / "file") in done.stderr


# --- status ---


def test_status_table_shows_names_issuer_and_times_and_why_not(program):
    done = program.command("status", "--dir", program.folder)
    assert done.returncode == 1
    head, *lines = done.stdout.splitlines()
    assert "NAME READY NAMES ISSUER EXPIRES RENEWS" in re.sub(r"\s+", " ", head)
    rows = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert re.search(r"True +a\.test,b\.test,\+1 +acme +in 89d", rows["default/good"])
    assert "True" in rows["shop/also"] and "False" in rows["default/bad"]
    assert "policy forbids this name" in done.stdout and "not before 20" in done.stdout


def test_status_wide_shows_all_names_and_secrets(program):
    text = program.command("status", "--dir", program.folder, "-o", "wide").stdout
    assert "a.test,b.test,c.test" in text and "good-tls" in text and "SECRET" in text


def test_status_yaml_and_json_say_the_same(program):
    as_json = program.status()
    text = program.command("status", "--dir", program.folder, "-o", "yaml").stdout
    yaml = pytest.importorskip("yaml")
    assert yaml.load(text, Loader=yaml.BaseLoader)["certificates"][0]["name"] == (
        as_json["certificates"][0]["name"]
    )


def tree(program, name):
    """Line that explains, then (kind, state, line) of each object behind it."""
    first, *lines = program.command("status", "--dir", program.folder, "-o", "tree", name).stdout.splitlines()
    found = [re.fullmatch(r"[ │├└─]*(\w+) (\S+?)(?:: (.*?)(?: \(.*\))?)?", line) for line in lines]
    assert all(found), lines
    return first, [(one[1], one[3], line) for one, line in zip(found, lines)]


def test_status_tree_shows_what_is_behind_a_certificate(program):
    first, nodes = tree(program, "shop/also")
    assert first.startswith("shop/also: ready, expires in ")
    assert [node[:2] for node in nodes] == [
        ("ClusterIssuer", "ready"),
        ("Secret", "stored"),
        ("CertificateRequest", "issued"),
        ("Order", "valid"),
    ]
    serial = serial_of(program.certificate_pem("also-tls", "shop")).lower()
    assert serial.lstrip("0") in nodes[1][2]


def test_status_tree_says_where_it_is_stuck(program):
    first, nodes = tree(program, "bad")
    assert REFUSED in first and "attempt 1 failed" in first
    assert [node[:2] for node in nodes] == [
        ("ClusterIssuer", "ready"),
        ("Secret", "not there"),
        ("CertificateRequest", "failed"),
        ("Order", "errored"),
    ]
    assert REFUSED in nodes[3][2]
    first, nodes = tree(program, "lost")
    assert [node[:2] for node in nodes] == [("Issuer", "not there"), ("Secret", "not there"),
                                            ("CertificateRequest", "approved")]


def test_status_json_has_the_objects_of_the_tree(program):
    found = json.loads(program.command("status", "--dir", program.folder, "-o", "json", "good").stdout)
    objects = found["certificates"][0]["objects"]
    assert [(one["depth"], one["kind"], one["state"]) for one in objects] == [
        (0, "ClusterIssuer", "ready"),
        (0, "Secret", "stored"),
        (0, "CertificateRequest", "issued"),
        (1, "Order", "valid"),
    ]


def test_status_json_tells_the_failing_name_the_attempt_and_the_next_one(program):
    row = next(one for one in program.status()["certificates"] if one["name"] == "bad")
    assert row["ready"] == "False" and row["attempts"] == 1
    assert row["failingName"] == REFUSED
    assert "policy forbids this name" in row["problem"]
    assert row["nextAttempt"] > "2026"


def test_status_says_the_attempt_and_its_time_once(program):
    for format in ("table", "wide", "tree"):
        text = program.command("status", "--dir", program.folder, "-o", format, "bad").stdout
        assert text.count("attempt 1") == 1 and text.count("not before 20") == 1, text


def test_plan_says_of_a_back_off_what_has_failed_and_the_time_once(program):
    done = program.command("plan", "--dir", program.folder, "-o", "json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["certificates"]}
    assert (rows["bad"]["what"], rows["bad"]["reason"]) == ("hold", "Failed")
    assert "policy forbids this name" in rows["bad"]["message"] and rows["bad"]["notBefore"] > "2026"
    assert rows["lost"]["obstacle"] == "Referenced Issuer 'nowhere' does not exist"
    text = program.command("plan", "--dir", program.folder).stdout
    assert text.count("not before 20") == 1 and text.count(rows["lost"]["obstacle"]) == 1, text


def test_status_of_some_names_looks_at_those_only(program):
    good = program.command("status", "--dir", program.folder, "good", "shop/also")
    assert good.returncode == 0 and "bad" not in good.stdout
    assert program.command("status", "--dir", program.folder, "bad").returncode == 1
    lost = program.command("status", "--dir", program.folder, "nobody")
    assert lost.returncode != 0 and "nobody" in lost.stderr


def test_status_of_a_folder_that_was_never_run_says_what_to_do(bare, tmp_path):
    done = bare.command("status", "--dir", tmp_path / "none")
    assert done.returncode == 4
    assert f"certlet run {tmp_path}/none" in done.stderr
    assert not (tmp_path / "none").exists()


def test_colours_are_for_terminals_without_no_color(program):
    arguments = ("status", "--dir", program.folder)
    assert "\033[3" not in program.command(*arguments).stdout
    assert "\033[3" in on_terminal(program, *arguments)[1]
    assert "\033[3" not in on_terminal(program, *arguments, NO_COLOR="1")[1]


# --- renew, inspect ---


def test_renew_of_a_certificate_that_does_not_exist_is_told_and_others_are_done(program):
    done = program.command("renew", "--dir", program.folder, "nobody", "shop/also")
    assert done.returncode == 1
    assert "default/nobody" in done.stderr and "shop/also: " in done.stdout
    before = program.certificate_pem("also-tls", "shop")
    program.run_once()
    assert program.certificate_pem("also-tls", "shop") != before


def test_check_goes_on_behind_what_cannot_be_read(bare, tmp_path):
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a-gone.yaml").symlink_to(tmp_path / "nowhere")
    (folder / "b.yaml").write_text("kind: [")
    (folder / "c.yaml").write_text(m.text(m.certificate("c", [""])))
    done = bare.command("check", folder)
    assert done.returncode == 4
    assert f"opening '{folder}/a-gone.yaml'" in done.stderr
    assert f"{folder}/b.yaml" in done.stdout and f"{folder}/c.yaml" in done.stdout


def test_check_reads_each_file_once_where_links_lead_back(bare, tmp_path):
    """Two such links in a folder were followed in every order, as deep as it goes."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "wrong.yaml").write_text("hello\n")
    for name in ("up", "top"):
        (below / name).symlink_to(tmp_path)
    (tmp_path / "other").symlink_to(below)  # where a link leads elsewhere it is followed
    done = bare.command("check", tmp_path)
    assert done.returncode == 1
    files = [line.partition(":")[0] for line in done.stdout.splitlines()]
    assert files == [str(below / "wrong.yaml"), str(tmp_path / "other" / "wrong.yaml")]


def test_the_examples_of_the_documentation_can_be_used(bare):
    examples = ROOT / "docs/kinds/examples"
    files = sorted(examples.glob("*.yaml"))
    assert files
    done = bare.command("check", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(files)} file(s): all can be used" in done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_inspect_says_what_a_chain_holds(program):
    file = program.tls("good-tls") / "tls.crt"
    text = program.command("inspect", file).stdout
    assert "a.test, b.test, c.test" in text and "ECDSA 256" in text
    assert "certificate 2 (a CA)" in text and "signed by the next" in text
    found = json.loads(program.command("inspect", "-o", "json", file).stdout)["certificates"]
    assert len(found) == 2 and found[0]["dnsNames"] == ["a.test", "b.test", "c.test"]
    serial = serial_of(file.read_text()).lower()
    assert found[0]["serial"].replace(":", "").lower().lstrip("0") == serial.lstrip("0")


def test_inspect_reads_standard_input(program):
    with open(program.tls("good-tls") / "tls.crt", "rb") as file:
        done = subprocess.run(
            [program.binary, "inspect", "-"], stdin=file, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0 and "a.test" in done.stdout


def test_inspect_of_a_key_shows_its_kind_and_nothing_of_it(program):
    file = program.tls("good-tls") / "tls.key"
    done = program.command("inspect", file)
    assert done.returncode == 0 and "ECDSA" in done.stdout
    body = file.read_text().splitlines()[1]
    assert body[:20] not in done.stdout + done.stderr


def test_inspect_of_what_is_no_certificate_is_told(program, tmp_path):
    (tmp_path / "text").write_text("hello")
    done = program.command("inspect", tmp_path / "text")
    assert done.returncode == 1 and str(tmp_path / "text") in done.stderr
    assert program.command("inspect", tmp_path / "none").returncode == 4


def test_inspect_says_that_a_chain_is_out_of_order(program, tmp_path):
    whole = (program.tls("good-tls") / "tls.crt").read_text()
    first, second = whole.split("-----END CERTIFICATE-----\n")[:2]
    end = "-----END CERTIFICATE-----\n"
    (tmp_path / "turned").write_text(second + end + first + end)
    assert "problem: " in program.command("inspect", tmp_path / "turned").stdout


# --- metrics and health ---


def get(port, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{int(port)}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def documented_metrics():
    """Of docs/metrics.md, those that a folder's process has, whatever it does."""
    rows = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").splitlines()
    elsewhere = ("In a cluster only", "With leader election only", "| `certmanager_clusterissuer")
    return {
        name
        for row in rows
        if row.startswith("| `") and not any(words in row for words in elsewhere)
        for name in re.findall(r"`([a-z]+_[a-z_]+)`", row.split("|")[1])
    }


@pytest.mark.threads
def test_metrics_and_health_are_served_where_asked(binary, ca, tmp_path, free_port):
    with Certlet(binary, tmp_path / "dir", LISTEN) as program:
        program.write("i.yaml", m.issuer(ca, [quick_solver()]))
        program.write("a.yaml", m.certificate("a", ["a.test"]), m.certificate("b", [REFUSED]))
        program.start("--metrics-listen-address", f"127.0.0.1:{int(free_port)}")
        program.wait_for_certificate("a-tls")
        ready = r'certmanager_certificate_ready_status\{name="a".*condition="True".*\} 1\n'
        refused = r'ready_status\{name="b",namespace="default",condition="False"'

        def are_told():
            text = get(free_port, "/metrics")[1]
            return re.search(ready, text) and re.search(refused, text)

        program.wait_until(are_told, 20, "the metrics of a and b")  # a status comes behind the files
        status, text, headers = get(free_port, "/metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert re.search(r'expiration_timestamp_seconds\{name="a"[^}]*\} 1\.?\d+(e\+09)?\n', text)
        assert re.search(r'certmanager_issuer_ready_status\{name="acme".*"True"\} 1\n', text)
        assert 'certmanager_controller_sync_call_count{controller="' in text
        finalized = r'certmanager_http_acme_client_request_count\{.*action="create_order_cert".*\} 1\n'
        assert re.search(finalized, text)
        assert re.search(r'workqueue_adds_total\{name="certificates",controller="certificates"\} [1-9]', text)
        assert re.search(r'reconcile_total\{controller="certificates",result="success"\} \d', text)
        assert re.search(r'reconcile_time_seconds_bucket\{controller="orders",le="\+Inf"\} [1-9]', text)
        assert re.search(r'\ncertlet_build_info\{version="\d[^"]*"\} 1\n', text)
        opened, most = (int(float(re.search(rf"\nprocess_{name}_fds (\S+)\n", text)[1])) for name in ("open", "max"))
        assert 0 < opened < most
        assert not any(line.startswith("#") for line in text.splitlines() if "HELP" not in line and "TYPE" not in line)
        served = set(re.findall(r"^# TYPE (\S+)", text, re.M))
        assert documented_metrics() - served <= {"certmanager_controller_sync_error_count"}  # with the first
        assert "\ncertlet_acme_orders_in_doubt_total 0\n" in text
        clocks = re.findall(r"\ncertmanager_clock_time_seconds(?:_gauge)? (\S+)", text)
        assert len(clocks) == 2 and all(abs(float(clock) - time.time()) < 300 for clock in clocks)
        assert get(free_port, "/livez")[:2] == (200, "ok\n")
        assert get(free_port, "/readyz")[:2] == (200, "ok\n")
        assert get(free_port, "/other")[0] == 404


def test_port_of_the_metrics_that_is_taken_is_told(binary, ca, tmp_path):
    done = Certlet(binary, tmp_path / "dir").run_once(
        "--metrics-listen-address", f"127.0.0.1:{int(ca.port)}"
    )
    assert done.returncode == 4
    assert "--metrics-listen-address" in done.stderr and str(int(ca.port)) in done.stderr
