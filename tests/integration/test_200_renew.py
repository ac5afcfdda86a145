"""Renewal, re-issue, adoption: what happens to a certificate after it was issued."""

import base64
import datetime
import re
import shutil
import zoneinfo

import pytest

from support import manifests as m
from support import pki
from support.bed import Pebble, wait_until
from support.certlet import Certlet, solver_flags
from support.files import key_matches, names_of, serial_of
from support.troubled import quick_solver

BRIEF, HALF_A_MINUTE, HOUR_AND_A_BIT = 9, 30, 3605  # lifetimes of profiles, in seconds
ISSUERS = {
    "acme": {"profile": "classic", "renewalInformationSource": "None"},
    "other": {"profile": "classic", "renewalInformationSource": "None"},
    "brief": {"profile": "brief", "renewalInformationSource": "None"},
    "short": {"profile": "short", "renewalInformationSource": "None"},
    "hourly": {"profile": "hourly", "renewalInformationSource": "None"},
    "ari": {"profile": "classic"},
}


@pytest.fixture(scope="module")
def pebble(bind, tmp_path_factory):
    profiles = {
        **{"classic": 90 * 86400, "hourly": HOUR_AND_A_BIT},
        **{"brief": BRIEF, "short": HALF_A_MINUTE},
    }
    with Pebble(tmp_path_factory.mktemp("pebble"), dns=bind.address, profiles=profiles) as server:
        yield server


def folder(binary, pebble, bind, path, accounts=None):
    """A program with all of ISSUERS; `accounts` is one whose account keys it takes over."""
    program = Certlet(binary, path, solver_flags(bind, pebble.http_port))
    program.pebble = pebble
    program.write(
        "issuers.yaml",
        *(m.issuer(pebble, [quick_solver()], name=name, **more) for name, more in ISSUERS.items()),
        *(m.secret(f"{name}-account", key_of(accounts, name)) for name in (ISSUERS if accounts else ())),
    )
    return program


def key_of(program, issuer):
    return {"tls.key": program.secret(f"{issuer}-account")["tls.key"].decode()}


@pytest.fixture(scope="module")
def shared(binary, bind, pebble, tmp_path_factory):
    """One folder for all tests that tell their certificates apart by name."""
    return folder(binary, pebble, bind, tmp_path_factory.mktemp("shared") / "dir")


def once(program, code=0, **objects):
    """Write NAME.yaml for each of `objects`, run to the end, and give what the CA did meanwhile."""
    for name, one in objects.items():
        program.write(f"{name}.yaml", *(one if isinstance(one, list) else [one]))
    before = program.pebble.new_orders(), program.pebble.finalizes()
    done = program.run_once("--account-key-type", "ecdsa")
    assert done.returncode == code, done.stderr
    program.stderr = done.stderr
    return (program.pebble.new_orders() - before[0], program.pebble.finalizes() - before[1])


def certificate(name, issuer="acme", names=None, **spec):
    return m.certificate(name, names or [f"{name}.example.test"], issuer, **spec)


def row(program, name):
    return next(one for one in program.status()["certificates"] if one["name"] == name)


def as_secret(program, name, **data):
    """The Secret NAME-tls as a manifest, without anything that says where it came from."""
    files = {key: value.decode() for key, value in program.secret(f"{name}-tls").items()}
    return {**m.secret(f"{name}-tls", {**files, **data}), "type": "kubernetes.io/tls"}


# --- by command, by time ---


def opening(zone, **span):
    """A window of ten minutes that opens so long from now: as in a spec, and when that is."""
    at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)).replace(second=0)
    local = at.astimezone(zoneinfo.ZoneInfo(zone))
    cron = f"{local.minute} {local.hour} {local.day} {local.month} *"
    return {"cron": cron, "windowDuration": "10m", "timezone": zone}, at.strftime("%Y-%m-%dT%H:%M:%SZ")


def in_windows(*windows):
    """Due four seconds after it was issued, and an hour before its end."""
    return {"renewBefore": "1h0m1s", "renewal": {"policy": "RenewBefore", "windows": windows}}


def test_renewal_waits_for_the_window_of_a_time_zone_and_not_when_it_is_open(shared):
    closed, opens = opening("Asia/Kathmandu", minutes=30)
    assert once(shared, waits=certificate("waits", "hourly", **in_windows(closed))) == (1, 1)
    first = shared.certificate_pem("waits-tls")
    due = starts(first).replace(tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=4)
    wait_until(lambda: datetime.datetime.now(datetime.timezone.utc) > due, 20, "the renewal to be due")
    assert once(shared) == (0, 0)
    assert shared.certificate_pem("waits-tls") == first
    assert row(shared, "waits")["renewalTime"] == opens
    assert shared.condition("waits")["status"] == "True"
    always = {"cron": "* * * * *", "windowDuration": "1h"}
    once(shared, waits=certificate("waits", "hourly", **in_windows(closed, always)))
    assert serial_of(shared.certificate_pem("waits-tls")) != serial_of(first)
    assert once(shared, waits=certificate("waits", "hourly")) == (0, 0)


def test_window_that_opens_too_late_is_told_and_the_certificate_stays(shared):
    late, _ = opening("Europe/Berlin", hours=2)
    spec = {"renewal": {"policy": "RenewBefore", "windows": [late]}}
    assert once(shared, 1, late=certificate("late", "hourly", **spec)) == (1, 1)
    ready = shared.condition("late")
    assert (ready["status"], ready["reason"]) == ("False", "WindowError")
    assert f"windows[0] '{late['cron']}' in Europe/Berlin" in ready["message"]
    assert row(shared, "late")["renewalTime"] in ready["message"]
    assert once(shared, late=certificate("late", "hourly")) == (0, 0)


def test_window_that_is_wrong_is_refused_with_its_line_and_path(shared):
    window = {"cron": "0 2 * * 7", "windowDuration": "0s", "timezone": "Mars/Phobos"}
    fine = {"cron": "@daily", "windowDuration": "1h"}
    spec = {"renewal": {"policy": "RenewBefore", "windows": [fine, window]}}
    shared.write("wrong.yaml", certificate("wrong", **spec))
    done = shared.command("check", shared.folder / "manifests" / "wrong.yaml")
    shared.remove("wrong.yaml")
    assert done.returncode == 1
    for member, text in {
        "cron": "day of week '7' is out of range",
        "windowDuration": "must be longer than 0s",
        "timezone": "time zone 'Mars/Phobos' is not known here",
    }.items():
        assert f"spec.renewal.windows[1].{member}" in done.stdout and text in done.stdout, done.stdout


def test_renew_marks_it_and_the_next_run_issues_anew(shared):
    assert once(shared, renew=certificate("renew"), stays=certificate("stays")) == (2, 2)
    first, other = shared.certificate_pem("renew-tls"), shared.certificate_pem("stays-tls")
    assert shared.command("renew", "--dir", shared.folder, "renew").returncode == 0
    assert shared.condition("renew", "Issuing")["reason"] == "ManuallyTriggered"
    assert once(shared) == (1, 1)
    assert serial_of(shared.certificate_pem("renew-tls")) != serial_of(first)
    assert shared.certificate_pem("stays-tls") == other
    assert shared.object("Certificate", "renew")["status"]["revision"] == 2


def test_key_is_a_new_one_after_a_renewal_and_the_old_one_by_policy_never(shared):
    never = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"}
    once(shared, rotates=certificate("rotates"), keeps=certificate("keeps", privateKey=never))
    keys = {name: shared.secret(f"{name}-tls")["tls.key"] for name in ("rotates", "keeps")}
    shared.command("renew", "--dir", shared.folder, "rotates", "keeps")
    assert once(shared) == (2, 2)
    assert shared.secret("rotates-tls")["tls.key"] != keys["rotates"]
    assert shared.secret("keeps-tls")["tls.key"] == keys["keeps"]
    assert key_matches(shared.tls("keeps-tls"))


@pytest.mark.threads
def test_short_lived_certificates_are_renewed_in_time_while_running(binary, bind, pebble, tmp_path):
    """At two thirds of half a minute, so that a slow machine has the rest; at 1 h before the end of 1 h and 5 s."""
    with folder(binary, pebble, bind, tmp_path / "dir") as program:
        program.write(
            "a.yaml",
            certificate("thirds", "short"),
            certificate("before", "hourly", renewBefore="1h"),
            certificate("never", "short", renewal={"policy": "Disabled"}),
        )
        program.start("--account-key-type", "ecdsa")
        first = {name: program.wait_for_certificate(f"{name}-tls") for name in ("thirds", "before", "never")}
        for name in ("thirds", "before"):
            second = program.wait_for_certificate(f"{name}-tls", other_than=first[name], seconds=30)
            assert starts(second) < ends(first[name])  # there was no moment without a valid one
        assert program.certificate_pem("never-tls") == first["never"]
        assert row(program, "thirds")["attempts"] == 0


@pytest.mark.threads
def test_renew_beside_the_running_process_issues_anew(binary, bind, pebble, tmp_path):
    with folder(binary, pebble, bind, tmp_path / "dir") as program:
        program.write("a.yaml", certificate("a"))
        program.start("--account-key-type", "ecdsa")
        first = program.wait_for_certificate("a-tls")
        done = program.command("renew", "--dir", program.folder, "a")
        assert done.returncode == 0, done.stderr
        second = program.wait_for_certificate("a-tls", other_than=first)
        # And so does an edit: one that comes while the first is being worked on is not lost.
        program.write("a.yaml", certificate("a", names=["a.example.test", "b.example.test"]))
        third = program.wait_for_certificate("a-tls", other_than=second)
        assert names_of(third) == ["a.example.test", "b.example.test"]


def date(pem, which):
    text = pki.openssl("x509", "-noout", f"-{which}date", stdin=pem).partition("=")[2].strip()
    return datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y %Z")


def starts(pem):
    return date(pem, "start")


def ends(pem):
    return date(pem, "end")


@pytest.fixture(scope="module")
def expired(shared):
    """The Secret of 'old' as a manifest. A run lasts until something so near has happened."""
    assert once(shared, 1, old=certificate("old", "brief", renewal={"policy": "Disabled"})) == (1, 1)
    return as_secret(shared, "old")


def test_expired_certificate_is_told_and_replaced_once_it_may_be(expired, shared):
    assert row(shared, "old")["reason"] == "Expired"
    assert "expired" in row(shared, "old")["message"] and "default/old" in shared.stderr
    assert once(shared, old=certificate("old")) == (1, 1)
    assert row(shared, "old")["ready"] == "True"


# --- by the spec ---

EDITS = {
    "names": dict(names=["names.example.test", "more.example.test"]),
    "fewer": dict(names=["fewer.example.test"]),
    "curve": dict(privateKey={"algorithm": "ECDSA", "size": 384}),
    "algorithm": dict(privateKey={"algorithm": "RSA", "size": 2048}),
    "issuer": dict(issuer="other"),
    "common": dict(commonName="common.example.test"),
    "usages": dict(usages=["digital signature", "server auth"]),
}
# What does not concern the certificate itself.
METADATA_EDITS = {
    "template": dict(secretTemplate={"labels": {"team": "web"}}),
    "format": dict(additionalOutputFormats=[{"type": "CombinedPEM"}]),
    "earlier": dict(renewBefore="100h"),
    "history": dict(revisionHistoryLimit=3),
}


@pytest.fixture(scope="module")
def edited(shared):
    """{name: PEM before the edit}; each was edited as its entry says, in one go."""
    begin = {
        name: certificate(name, names=["fewer.example.test", "x.example.test"] if name == "fewer" else None)
        for name in (*EDITS, *METADATA_EDITS)
    }
    once(shared, edits=list(begin.values()))
    before = {name: shared.certificate_pem(f"{name}-tls") for name in begin}
    edits = [certificate(name, **edit) for name, edit in {**EDITS, **METADATA_EDITS}.items()]
    shared.edit_cost = once(shared, edits=edits)
    return before


def test_edits_cost_an_order_for_each_that_concerns_the_certificate(edited, shared):
    assert shared.edit_cost == (len(EDITS), len(EDITS))


@pytest.mark.parametrize("name", EDITS)
def test_edited_spec_is_issued_anew(edited, shared, name):
    now = shared.certificate_pem(f"{name}-tls")
    assert serial_of(now) != serial_of(edited[name])
    assert names_of(now) == sorted(EDITS[name].get("names", [f"{name}.example.test"]))
    assert row(shared, name)["ready"] == "True"


@pytest.mark.parametrize("name", METADATA_EDITS)
def test_edit_beside_the_certificate_issues_nothing(edited, shared, name):
    assert shared.certificate_pem(f"{name}-tls") == edited[name]


def test_edit_beside_the_certificate_is_applied_to_the_secret(edited, shared):
    assert shared.object("Secret", "template-tls")["metadata"]["labels"]["team"] == "web"
    assert (shared.tls("format-tls") / "tls-combined.pem").exists()
    issuer = shared.object("Secret", "issuer-tls")["metadata"]["annotations"]
    assert issuer["cert-manager.io/issuer-name"] == "other"


def test_key_settings_that_policy_never_forbids_are_told_and_the_certificate_stays(shared):
    key = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"}
    once(shared, fixed=certificate("fixed", privateKey=key))
    before = shared.certificate_pem("fixed-tls")
    assert once(shared, 1, fixed=certificate("fixed", privateKey={**key, "size": 384})) == (0, 0)
    assert "rotationPolicy" in shared.stderr and "default/fixed" in shared.stderr
    assert shared.certificate_pem("fixed-tls") == before
    once(shared, fixed=certificate("fixed", privateKey=key))
    assert row(shared, "fixed")["ready"] == "True" and not row(shared, "fixed")["issuing"]


# --- by the files ---


def test_files_that_were_deleted_are_written_again_without_an_order(shared):
    once(shared, files=certificate("files"))
    before = shared.certificate_pem("files-tls")
    shutil.rmtree(shared.tls("files-tls"))
    assert once(shared) == (0, 0)
    assert shared.certificate_pem("files-tls") == before
    assert key_matches(shared.tls("files-tls"))


def test_file_that_somebody_has_changed_is_written_again(shared):
    once(shared, files=certificate("files"))
    before = shared.certificate_pem("files-tls")
    (shared.tls("files-tls") / "tls.crt").resolve().write_text("broken")
    assert once(shared) == (0, 0)
    assert shared.certificate_pem("files-tls") == before


# --- by a Secret that is there already ---


@pytest.fixture(scope="module")
def moved(expired, shared, binary, bind, pebble, tmp_path_factory):
    """A new folder with the Secrets of the old one as manifests, after its first run."""
    names = ["fits", "renamed", "broken", "halved"]
    once(shared, old=certificate("old"), **{name: certificate(name) for name in names})
    program = folder(binary, pebble, bind, tmp_path_factory.mktemp("moved") / "dir", shared)
    program.first = {name: shared.certificate_pem(f"{name}-tls") for name in names}
    program.first["old"] = base64.b64decode(expired["data"]["tls.crt"]).decode()
    program.write("secrets/fits.yaml", as_secret(shared, "fits"))
    program.write("secrets/renamed.yaml", as_secret(shared, "renamed"))
    other_key = shared.secret("fits-tls")["tls.key"].decode()
    program.write("secrets/broken.yaml", as_secret(shared, "broken", **{"tls.key": other_key}))
    program.write("secrets/halved.yaml", as_secret(shared, "halved", **{"tls.crt": ""}))
    program.write("secrets/old.yaml", expired)
    program.cost = once(
        program,
        certificates=[
            certificate("fits"),
            certificate("renamed", names=["another.example.test"]),
            certificate("broken"),
            certificate("halved"),
            certificate("old"),
        ],
    )
    return program


def test_secret_that_fits_is_adopted_and_nothing_is_ordered_for_it(moved):
    assert moved.certificate_pem("fits-tls") == moved.first["fits"]
    assert moved.cost == (4, 4)
    assert row(moved, "fits")["ready"] == "True"
    assert moved.object("Certificate", "fits")["status"].get("revision", 1) == 1


@pytest.mark.parametrize("name", ["renamed", "broken", "halved", "old"])
def test_secret_that_does_not_fit_is_replaced(moved, name):
    now = moved.certificate_pem(f"{name}-tls")
    assert serial_of(now) != serial_of(moved.first[name])
    assert names_of(now) == ["another.example.test" if name == "renamed" else f"{name}.example.test"]
    assert key_matches(moved.tls(f"{name}-tls"))


def test_adopted_accounts_are_the_same(moved, shared):
    def accounts(program):
        return {one["name"]: one["account"] for one in program.status()["issuers"]}

    assert accounts(moved) == accounts(shared)


def test_second_run_of_all_this_changes_nothing(shared, moved):
    for program in (shared, moved):
        once(program)
        versions = program.versions()
        assert once(program) == (0, 0)
        assert program.versions() == versions


def test_old_requests_are_dropped_beyond_the_history(shared):
    once(shared, counted=certificate("counted", revisionHistoryLimit=2))
    for _ in range(3):
        shared.command("renew", "--dir", shared.folder, "counted")
        once(shared)
    requests = [
        one["metadata"]["annotations"]["cert-manager.io/certificate-revision"]
        for one in shared.objects("CertificateRequest")
        if one["metadata"]["annotations"]["cert-manager.io/certificate-name"] == "counted"
    ]
    assert sorted(requests) == ["3", "4"]


# --- by the CA's renewal information ---


def window(starts_in, ends_in):
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = (
        (now + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for s in (starts_in, ends_in)
    )
    return {"start": start, "end": end}


# Over before the certificate began: what a CA says that has to revoke it minutes after it was issued.
PAST, SOON = (-7200, -3600), (86400, 2 * 86400)
ANSWERS = {
    "past": lambda: {"suggestedWindow": window(*PAST), "explanationURL": "https://ca.example/why"},
    "later": lambda: {"suggestedWindow": window(*SOON)},
    "turned": lambda: {"suggestedWindow": window(*reversed(PAST))},
    "html": lambda: "<html>502</html>",
    "truncated": lambda: '{"suggestedWindow": {"start": "20',
    "null": lambda: '{"suggestedWindow": null}',
}


@pytest.fixture(scope="module")
def informed(shared, binary, bind, pebble, tmp_path_factory):
    """A new folder with the same certificates: it asks for renewal information anew, and gets ANSWERS."""
    once(shared, informed=[certificate(name, "ari") for name in ANSWERS])
    program = folder(binary, pebble, bind, tmp_path_factory.mktemp("informed") / "dir", shared)
    program.first = {name: shared.certificate_pem(f"{name}-tls") for name in ANSWERS}
    program.answers = {name: answer() for name, answer in ANSWERS.items()}
    for name, answer in program.answers.items():
        pebble.set_renewal_info(program.first[name], answer)
        secret = as_secret(shared, name)
        secret["metadata"]["annotations"] = issuer_annotations(shared, name)
        program.write(f"secrets/{name}.yaml", secret)
    before = replacements(pebble)
    program.cost = once(program, certificates=[certificate(name, "ari") for name in ANSWERS])
    program.replacements = replacements(pebble) - before
    return program


def replacements(pebble):
    """Orders that Pebble took for the replacement of a certificate."""
    return pebble.log_text().count("is a replacement of")


def test_window_ahead_renews_inside_of_it_while_running(shared, binary, bind, pebble, tmp_path):
    once(shared, ahead=certificate("ahead", "ari"))
    first = shared.certificate_pem("ahead-tls")
    secret = as_secret(shared, "ahead")
    secret["metadata"]["annotations"] = issuer_annotations(shared, "ahead")
    # It asked when the certificate was new, and again in hours: a new folder asks now.
    with folder(binary, pebble, bind, tmp_path / "dir", shared) as program:
        program.write("a.yaml", secret, certificate("ahead", "ari"))
        answer = window(6, 10)
        pebble.set_renewal_info(first, {"suggestedWindow": answer})
        before = replacements(pebble)
        program.start()
        second = program.wait_for_certificate("ahead-tls", other_than=first, seconds=40)
    assert starts(second) >= datetime.datetime.strptime(answer["start"], "%Y-%m-%dT%H:%M:%SZ")
    assert replacements(pebble) - before == 1


def issuer_annotations(program, name):
    """They tell who issued it."""
    return program.object("Secret", f"{name}-tls")["metadata"]["annotations"]


def test_window_in_the_past_renews_at_once_and_only_that_one(informed):
    assert informed.cost == (1, 1)
    assert informed.certificate_pem("past-tls") != informed.first["past"]
    for name in set(ANSWERS) - {"past"}:
        assert informed.certificate_pem(f"{name}-tls") == informed.first[name]


def test_order_of_a_renewal_says_which_certificate_it_replaces(informed):
    orders = informed.objects("Order")
    identifier = pki_ari_id(informed.first["past"])
    assert [one["spec"].get("replaces") for one in orders] == [identifier]
    assert informed.replacements == 1


def pki_ari_id(pem):
    """RFC 9773 4.1 from what openssl prints."""
    def url(text):
        return base64.urlsafe_b64encode(bytes.fromhex(text)).rstrip(b"=").decode()

    text = pki.openssl("x509", "-noout", "-ext", "authorityKeyIdentifier", stdin=pem)
    key = text.splitlines()[1].strip().removeprefix("keyid:").replace(":", "")
    serial = serial_of(pem)
    serial = ("00" if int(serial[0], 16) >= 8 else "") + serial
    return f"{url(key)}.{url(serial)}"


def test_window_ahead_moves_the_renewal_into_it(informed):
    told = informed.answers["later"]["suggestedWindow"]
    assert told["start"] <= row(informed, "later")["renewalTime"] <= told["end"]


@pytest.mark.parametrize("name", ["turned", "html", "truncated", "null"])
def test_answer_that_is_no_window_leaves_the_plain_time_and_is_kept(informed, name):
    ari = informed.object("Certificate", name)["status"]["acme"]["ari"]
    assert "suggestedWindow" not in ari and ari["lastError"]
    assert "<html>" not in ari["lastError"]
    plain = starts(informed.first[name]) + datetime.timedelta(days=60)
    told = datetime.datetime.strptime(row(informed, name)["renewalTime"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs((told - plain).total_seconds()) < 60


def test_renew_ends_the_wait_for_a_pause_that_is_over(binary, fault_ca, tmp_path):
    """A hold lasts a minute however often it is renewed: told here, waited for in the simulator."""
    fault_ca.fault("newOrder", "paused", times=1)
    with Certlet(binary, tmp_path / "dir", ["--http01-listen", "127.0.0.1:0"]) as program:
        program.write("a.yaml", m.issuer(fault_ca, [quick_solver()]), m.certificate("a", ["a.example.test"]))
        program.start()
        program.wait_until(lambda: held_until(program) > from_now(hours=23), 40, "a pause of a day")
        done = program.command("renew", "--dir", program.folder, "a")
        assert done.returncode == 0 and "tried again within a minute" in done.stdout, done.stderr
        program.wait_until(lambda: "" < held_until(program) < from_now(minutes=2), 40, "a minute instead")


def held_until(program):
    """RFC 3339, as `certlet status` says it; "" while there is nothing."""
    if not (program.folder / "state.db").exists():
        return ""
    return max(re.findall(r"not before (\S+?Z)", str(program.status())), default="")


def from_now(**span):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")
