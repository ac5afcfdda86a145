"""Bad manifests: each is told with file, line and field, and what was good stays in force."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from support import manifests, pki
from support.certlet import Certlet
from support.fault_ca import FaultCA
from support.troubled import quick_solver

CERTIFICATE = """apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: bad
spec:
  secretName: bad-tls
  issuerRef:
    name: acme
  dnsNames: [bad.example.test]
"""
SECRET = """apiVersion: v1
kind: Secret
metadata:
  name: bad
data:
"""
ISSUER = """apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: bad
spec:
  acme:
    server: https://127.0.0.1:1/dir
    privateKeySecretRef: {name: bad-account}
    solvers:
    - http01: {ingress: {}}
"""
# Nine lists of nine of the one before: a billion values in half a page.
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)

# name: (text, line that is named, words that are)
BAD = {
    "broken-yaml": (CERTIFICATE + "  oops: [1, 2\n", None, ()),
    "tab": (CERTIFICATE + "\tx: 1\n", 10, ()),
    "misspelt-field": (CERTIFICATE + "  dnsName: [a.test]\n", 10, ("spec.dnsName", "unknown")),
    "unbuilt-field": (
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: bad}\nspec:\n"
        "  vault: {server: 'https://vault.test', path: a, auth: {tokenSecretRef: {name: a, key: b}}}\n",
        None,
        ("spec.vault", "not built in this version"),
    ),
    "wrong-type": (
        CERTIFICATE.replace("[bad.example.test]", "bad.example.test"),
        9,
        ("spec.dnsNames", "list"),
    ),
    "wrong-kind-of-number": (CERTIFICATE + "  revisionHistoryLimit: many\n", 10, ("revisionHistoryLimit",)),
    "missing-field": (CERTIFICATE.replace("  secretName: bad-tls\n", ""), None, ("spec.secretName",)),
    "no-names": (CERTIFICATE.replace("  dnsNames: [bad.example.test]\n", ""), None, ("dnsNames",)),
    "path-namespace": (
        CERTIFICATE.replace("  name: bad\n", "  name: bad\n  namespace: ../..\n", 1),
        5,
        ("metadata.namespace", "../.."),
    ),
    "path-name": (CERTIFICATE.replace("name: bad\n", "name: ../../bad\n", 1), 4, ("metadata.name",)),
    "path-secret-name": (
        CERTIFICATE.replace("bad-tls", "../../etc/cron.d"),
        6,
        ("spec.secretName",),
    ),
    "dots-key": (SECRET + "  ..data: eA==\n", 6, ("data", "..data")),
    "path-key": (SECRET + "  ../x: eA==\n", 6, ("data", "../x")),
    "not-base64": (SECRET + "  key: '***'\n", 6, ("data", "base64")),
    "alias-bomb": (BOMB, None, ()),
    "alias-of-itself": ("a: &a [*a]\n", None, ()),
    "deep": ("[" * 10000 + "]" * 10000 + "\n", None, ()),
    "nul": ("kind: \0Certificate\n", None, ()),
    "unknown-kind": ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", 2, ("'Pod'", "known are")),
    "old-version": (
        CERTIFICATE.replace("cert-manager.io/v1", "cert-manager.io/v1alpha2"),
        1,
        ("apiVersion", "cert-manager.io/v1"),
    ),
    "ours-only": (
        "apiVersion: acme.cert-manager.io/v1\nkind: Order\nmetadata: {name: x}\nspec: {}\n",
        2,
        ("made by the program only",),
    ),
    "http-directory": (ISSUER.replace("https:", "http:"), 7, ("spec.acme.server", "https")),
    "repeated-key": (CERTIFICATE + "  secretName: other\n", 10, ("secretName",)),
}


def check(program, *paths):
    return program.command("check", *paths)


@pytest.fixture
def offline(binary, tmp_path):
    """The program for what needs no CA."""
    return Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"])


# --- certlet check ---


@pytest.mark.parametrize("name", BAD)
def test_check_names_file_line_and_field_of(offline, name):
    text, line, words = BAD[name]
    file = offline.write("bad.yaml", text)
    done = check(offline, file)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(re.escape(str(file)) + (rf":{line}: " if line else r"(:\d+)?: "), done.stdout), done.stdout
    for word in words:
        assert word in done.stdout
    assert len(done.stdout) < 4000


def test_check_says_nothing_bad_of_good_manifests(offline):
    file = offline.write("a.yaml", CERTIFICATE + "---\n" + ISSUER + "---\n" + SECRET + "  key: eA==\n")
    done = check(offline, offline.manifests)
    assert (done.returncode, done.stdout) == (0, "3 object(s) in 1 file(s): all can be used\n")
    assert check(offline, "--quiet", file).stdout == ""


def test_check_finds_the_same_object_twice_and_says_where_the_other_is(offline):
    first = offline.write("a.yaml", CERTIFICATE)
    second = offline.write("sub/b.yaml", "\n\n" + CERTIFICATE)
    done = check(offline, offline.manifests)
    assert done.returncode == 1
    assert f"{second}:3: Certificate default/bad: is in {first}:1 already" in done.stdout


def test_check_warns_of_two_certificates_for_one_secret(offline):
    other = CERTIFICATE.replace("name: bad\n", "name: other\n", 1)
    file = offline.write("a.yaml", CERTIFICATE + "---\n" + other)
    done = check(offline, file)
    assert done.returncode == 0
    assert "spec.secretName" in done.stdout and f"Certificate default/bad ({file}:" in done.stdout


def test_check_of_what_cannot_be_read_or_is_not_there_ends_with_4(offline, tmp_path):
    done = check(offline, tmp_path / "missing.yaml")
    assert done.returncode == 4 and "missing.yaml" in done.stderr
    assert check(offline).returncode == 2  # which manifests?


def test_check_tells_a_misspelt_field_from_one_that_is_not_built(offline):
    misspelt = check(offline, offline.write("a.yaml", BAD["misspelt-field"][0])).stdout
    unbuilt = check(offline, offline.write("a.yaml", BAD["unbuilt-field"][0])).stdout
    assert "not built in this version" in unbuilt and "unknown" not in unbuilt
    assert "unknown" in misspelt and "not built in this version" not in misspelt


# --- one pass ---


def test_a_certificate_is_told_that_the_manifest_of_its_issuer_was_refused(offline):
    """Not only that there is no such issuer; and no longer than that is so."""
    words = "manifests/self.yaml:4: Issuer default/self: spec.selfSigend: unknown field"
    text = "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: self}\nspec: {%s: {}}\n"
    offline.write("self.yaml", text % "selfSigend")
    offline.write("web.yaml", manifests.certificate("web", ["a.example.test"], "self"))
    done = offline.run_once()
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if line.startswith("certlet: default/web: ")]
    assert len(last) == 1 and words in last[0], done.stderr
    assert words in offline.command("status", "--dir", offline.folder).stdout
    assert words in offline.status()["certificates"][0]["issuerRefused"]
    offline.write("other.yaml", CERTIFICATE.replace("dnsNames", "dnsName"))
    shown = offline.command("status", "--dir", offline.folder, "bad").stdout
    assert "refused: manifests/other.yaml:9: Certificate default/bad: spec.dnsName: unknown" in shown
    files = {line.split(":")[0] for line in offline.status()["refusedManifests"]}
    assert files == {"manifests/other.yaml", "manifests/self.yaml"}
    offline.remove("other.yaml")
    assert words in offline.status()["refusedManifests"][0]
    offline.write("self.yaml", text % "selfSigned")
    assert offline.run_once().returncode == 0
    assert "issuerRefused" not in offline.status()["certificates"][0]
    assert "refusedManifests" not in offline.status()
    offline.write("other.yaml", CERTIFICATE.replace("dnsNames", "dnsName"))
    assert "\nrefused: manifests/other.yaml:9: " in offline.command("status", "--dir", offline.folder).stdout
    assert "refusedManifests" not in offline.status("web")


def test_an_issuer_of_another_kind_is_pointed_at(offline):
    offline.write("self.yaml", manifests.private_issuer("self", {"selfSigned": {}}))
    offline.write("web.yaml", manifests.certificate("web", ["a.example.test"], "self"))
    done, hint = offline.run_once(), "there is ClusterIssuer 'self': set spec.issuerRef.kind"
    assert done.returncode == 1 and hint in done.stderr
    assert offline.status()["certificates"][0]["issuerHint"] == hint
    assert f"issuer: {hint}" in offline.command("status", "--dir", offline.folder).stdout


def test_where_nothing_is_to_be_done_that_is_said(offline):
    """As where DIR/manifests was given in place of DIR."""
    offline.write("web.yaml.txt", CERTIFICATE)
    done = offline.run_once()
    assert done.returncode == 0
    assert f"no file in '{offline.manifests}' that ends in .yaml, .yml or .json" in done.stderr
    shown = offline.command("status", "--dir", offline.folder)
    assert shown.returncode == 0 and shown.stdout == ""
    assert "there is no Certificate" in shown.stderr


def test_a_ca_whose_certificate_is_not_in_force_has_one_look_at_the_clock(offline, tmp_path):
    ca = FaultCA(tmp_path / "ca")
    expired = ("-signkey", tmp_path / "ca/server.key", "-days", "-1")
    pki.openssl("x509", "-in", ca.ca_file, *expired, "-out", ca.ca_file)
    with ca:
        offline.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
        offline.write("web.yaml", manifests.certificate("web", ["a.example.test"]))
        done = offline.run_once(seconds=3)
    assert done.returncode == 1
    assert "certificate has expired; is the clock of this machine right?" in done.stderr


def test_a_folder_that_keeps_out_whom_tls_mode_lets_in_is_told(offline):
    another = ["--tls-group", "4321"]
    cases = ((0o700, [], True), (0o701, [], False), (0o710, [], False), (0o710, another, True))
    for mode, group, is_told in cases:
        offline.folder.chmod(mode)
        done = offline.run_once("--tls-mode", "0640", *group)
        assert done.returncode == 0
        assert ("chmod go+x" in done.stderr) == is_told, (mode, group)


# --- a running program ---


@pytest.fixture(scope="module")
def shop(bed, binary, tmp_path_factory):
    """A running program with one issued certificate, 'good', and a CA that takes everything."""
    folder = tmp_path_factory.mktemp("shop")
    with FaultCA(folder / "ca") as ca, Certlet(
        binary, folder / "dir", ["--http01-listen", "127.0.0.1:0"]
    ) as program:
        program.ca = ca
        program.write("issuer.yaml", manifests.issuer(ca, [quick_solver()]))
        program.write("good.yaml", manifests.certificate("good", ["good.example.test"]))
        program.start()
        program.wait_for_certificate("good-tls")
        yield program


def wait_for_words(program, *words, since=0):
    """Wait for a line of the log with all of these."""

    def line():
        lines = program.log_text()[since:].splitlines()
        return next((one for one in lines if all(word in one for word in words)), None)

    return program.wait_until(line, 20, f"a line of the log with {words}")


def names(program):
    return sorted(row["name"] for row in program.status()["certificates"])


def wait_for_names(program, *wanted):
    program.wait_until(lambda: names(program) == sorted(wanted), 20, f"the certificates {wanted}")


def test_a_running_program_tells_of_all_bad_files_and_issues_the_good_one(shop):
    for name, (text, _, _) in BAD.items():
        shop.write(f"bad/{name}.yaml", text)
    shop.write("new.yaml", manifests.certificate("new", ["new.example.test"]))
    shop.wait_for_certificate("new-tls")
    for name, (_, line, words) in BAD.items():
        at = f"manifests/bad/{name}.yaml:" + (f"{line}: " if line else "")
        wait_for_words(shop, at, *words[:1])
    assert shop.is_running()
    orders = shop.ca.accepted("newOrder")
    shutil.rmtree(shop.manifests / "bad")
    shop.remove("new.yaml")
    wait_for_names(shop, "good")
    assert shop.ca.accepted("newOrder") == orders
    assert not list(shop.folder.rglob("cron.d")) and not (shop.folder.parent / "bad-tls").exists()


@pytest.mark.threads
def test_an_edit_while_running_is_issued_and_the_files_follow(shop):
    before = shop.certificate_pem("good-tls")
    shop.write("good.yaml", manifests.certificate("good", ["good.example.test", "also.example.test"]))
    shop.wait_for_certificate("good-tls", other_than=before)
    assert shop.status("good")["certificates"][0]["dnsNames"] == ["good.example.test", "also.example.test"]


def test_the_last_good_version_stays_while_a_file_is_broken(shop):
    before, good = shop.certificate_pem("good-tls"), (shop.manifests / "good.yaml").read_text()
    since = len(shop.log_text())
    shop.write("good.yaml", good + "broken: [\n")
    wait_for_words(shop, "manifests/good.yaml:", since=since)
    # Another file is taken meanwhile, and nothing is removed while one cannot be read.
    shop.write("extra.yaml", manifests.certificate("extra", ["extra.example.test"]))
    shop.wait_for_certificate("extra-tls")
    assert names(shop) == ["extra", "good"]
    shop.remove("extra.yaml")
    wait_for_words(shop, "Certificate default/extra", "is removed once everything here can be read", since=since)
    assert names(shop) == ["extra", "good"]
    shop.write("good.yaml", good)
    wait_for_names(shop, "good")
    assert shop.certificate_pem("good-tls") == before


def test_a_bad_version_of_one_object_leaves_the_object_as_it_was(shop):
    good = (shop.manifests / "good.yaml").read_text()
    since, orders = len(shop.log_text()), shop.ca.accepted("newOrder")
    shop.write("good.yaml", good.replace('"dnsNames"', '"dnsName"'))
    wait_for_words(shop, "good.yaml", "spec.dnsName", since=since)
    assert names(shop) == ["good"]
    shop.write("good.yaml", good)
    wait_for_names(shop, "good")
    assert shop.ca.accepted("newOrder") == orders


def test_an_object_that_moves_to_another_file_is_not_issued_again(shop):
    orders, text = shop.ca.accepted("newOrder"), (shop.manifests / "good.yaml").read_text()
    (shop.manifests / "good.yaml").rename(shop.manifests / "moved.yml")
    shop.write("marker.yaml", manifests.certificate("marker", ["marker.example.test"]))
    shop.wait_for_certificate("marker-tls")
    assert names(shop) == ["good", "marker"]
    shop.remove("marker.yaml")
    wait_for_names(shop, "good")  # the two seconds are over
    assert shop.ca.accepted("newOrder") == orders + 1
    shop.remove("moved.yml")
    shop.write("good.yaml", text)
    wait_for_names(shop, "good")


def test_a_removed_certificate_leaves_its_files(shop):
    shop.write("gone.yaml", manifests.certificate("gone", ["gone.example.test"]))
    pem = shop.wait_for_certificate("gone-tls")
    shop.remove("gone.yaml")
    wait_for_names(shop, "good")
    assert shop.certificate_pem("gone-tls") == pem
    assert "PRIVATE KEY" in (shop.tls("gone-tls") / "tls.key").read_text()


def test_two_certificates_for_one_secret_are_told_and_only_one_gets_it(shop):
    since, before = len(shop.log_text()), shop.certificate_pem("good-tls")
    shop.write(
        "rival.yaml", manifests.certificate("rival", ["rival.example.test"], secretName="good-tls")
    )
    wait_for_words(shop, "rival", "spec.secretName", "only one of them gets it", since=since)
    row = shop.wait_until(
        lambda: [r for r in shop.status()["certificates"] if r["name"] == "rival" and r.get("message")],
        20,
        "the rival's row",
    )[0]
    assert row["ready"] == "False"
    assert shop.certificate_pem("good-tls") == before
    shop.remove("rival.yaml")
    wait_for_names(shop, "good")


def test_a_secret_manifest_that_others_can_read_is_warned_of(shop):
    since = len(shop.log_text())
    file = shop.write("secret.yaml", manifests.secret("loose", {"key": "value"}))
    file.chmod(0o644)
    file.touch()
    wait_for_words(shop, "secret.yaml", "chmod 600", since=since)
    shop.remove("secret.yaml")


def test_a_second_process_on_the_folder_is_refused_and_the_first_goes_on(shop):
    done = shop.command("run", shop.folder, "--once", "--timeout", "5s")
    assert done.returncode == 3
    assert f"process {shop.pid} works on '{shop.folder}'" in done.stderr
    assert "stop it first" in done.stderr
    assert shop.is_running()


def test_status_works_beside_the_running_process(shop):
    shop.wait_until(
        lambda: shop.status("good")["certificates"][0]["ready"] == "True", 20, "the status of a good one"
    )


# --- folders that cannot be used ---


def as_nobody(program, *arguments):
    """Run it without root's rights over files."""
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return subprocess.run(
        [*drop, program.binary, *map(str, arguments)],
        env=program._environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def foreign(binary):
    """A folder below /tmp itself, so that nobody can get there."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        copy = pathlib.Path(folder) / "certlet"
        shutil.copy2(binary, copy)
        yield Certlet(copy, pathlib.Path(folder) / "dir", ["--http01-listen", "127.0.0.1:0"])


def test_a_folder_that_may_not_be_written_is_named(foreign):
    foreign.folder.chmod(0o755)
    done = as_nobody(foreign, "run", foreign.folder, "--once", "--timeout", "5s")
    assert done.returncode == 4
    assert str(foreign.folder) in done.stderr and "ermission denied" in done.stderr


def test_a_manifest_that_may_not_be_read_is_named(foreign):
    os.chown(foreign.folder, 65534, 65534)
    foreign.manifests.chmod(0o755)
    foreign.write("closed.yaml", CERTIFICATE)
    done = as_nobody(foreign, "run", foreign.folder, "--once", "--timeout", "10s")
    assert done.returncode != 0
    assert re.search(r"closed\.yaml.*(annot be read|ermission denied)", done.stderr)
    checked = as_nobody(foreign, "check", foreign.manifests / "closed.yaml")
    assert checked.returncode == 4 and "closed.yaml" in checked.stderr


@pytest.fixture
def small_disk(bed, tmp_path):
    """A file system of 2 MB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    argv = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_what_was_stored_before_stays(binary, fault_ca, small_disk):
    program = Certlet(binary, small_disk / "dir", ["--http01-listen", "127.0.0.1:0"])
    program.write("issuer.yaml", manifests.issuer(fault_ca, [quick_solver()]))
    program.write("a.yaml", manifests.certificate("a", ["a.example.test"]))
    assert program.run_once(seconds=30).returncode == 0
    before = program.certificate_pem("a-tls")
    program.write("a.yaml", manifests.certificate("a", ["a.example.test", "b.example.test"]))
    fill(small_disk / "ballast")
    done = program.run_once(seconds=20)
    assert done.returncode != 0
    assert re.search("full|[Nn]o space left", done.stderr), done.stderr[-2000:]
    assert program.certificate_pem("a-tls") == before
    (small_disk / "ballast").unlink()
    done = program.run_once(seconds=30)
    assert done.returncode == 0, done.stderr[-2000:]
    assert program.certificate_pem("a-tls") not in ("", before)
    assert fault_ca.accepted("finalize") == 2


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass  # full


def test_a_signal_while_it_starts_ends_it_at_once(binary, tmp_path):
    many = 2000
    with Certlet(binary, tmp_path / "dir") as program:
        for i in range(many):
            program.write(f"c{i}.yaml", manifests.certificate(f"c{i}", [f"c{i}.example.test"]))
        program.start()
        program.wait_until(lambda: (program.folder / "state.db").exists(), 20, "the store")
        assert program.stop(seconds=3) == 0
        assert len(program.objects("Certificate")) < many  # it had not come to the end


def test_an_immutable_target_is_told_and_its_manifest_takes_that_back(binary, tmp_path):
    with Certlet(binary, tmp_path / "dir") as program:
        program.write_each(*manifests.private_ca())
        program.write("fixed.yaml", {**manifests.secret("web-tls", {"a": "b"}), "immutable": True})
        program.write("web.yaml", manifests.certificate("web", ["web.test"], "ca"))
        assert program.run_once().returncode == 1
        said = "the Secret 'web-tls' is immutable; take 'immutable' out of its manifest, or remove the manifest"
        assert said in program.condition("web", "Issuing")["message"]
        assert said in json.dumps(program.status())
        program.remove("fixed.yaml")
        assert program.run_once().returncode == 0
        assert program.object("Secret", "web-tls")["data"]["a"]
