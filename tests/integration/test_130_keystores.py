"""Key stores in a directory: every format and profile by keytool and openssl, and when they are written."""

import pytest

from support import keystores as ks
from support import manifests as m
from support import pki
from support.certlet import Certlet
from support.files import serial_of
from support.keystores import PASSWORD, STORES

LISTEN = ["--http01-listen", "127.0.0.1:0"]
PROFILES = ("LegacyRC2", "LegacyDES", "Modern2023", "Modern2026")


@pytest.fixture
def program(binary, tmp_path):
    return Certlet(binary, tmp_path / "dir", LISTEN)


def private_ca(program):
    """self ─► root ─► middle: leaves come with a chain of two, and the root in ca.crt."""
    for name, spec in (("self", {"selfSigned": {}}), ("root", {"ca": {"secretName": "root-tls"}})):
        program.write(f"{name}.yaml", m.private_issuer(name, spec, "default"))
    program.write(
        "middle.yaml",
        m.root_certificate("self", "default"),
        m.root_certificate("root", "default", "middle", duration="8760h"),
        m.private_issuer("middle", {"ca": {"secretName": "middle-tls"}}, "default"),
    )


def web(program, keystores=None, **spec):
    more = {"keystores": keystores} if keystores else {}
    program.write("web.yaml", m.certificate("web", ["www.example.test"], "middle", **more, **spec))


def both(profile="Modern2023", alias=None, password=PASSWORD):
    jks = {"create": True, "password": password, **({"alias": alias} if alias else {})}
    return {"jks": jks, "pkcs12": {"create": True, "profile": profile, "password": password}}


def by_reference(profile="Modern2023", key="password"):
    reference = {"passwordSecretRef": {"name": "store", "key": key}}
    return {"pkcs12": {"create": True, "profile": profile, **reference}}


def run(program, code=0):
    done = program.run_once()
    assert done.returncode == code, done.stderr
    return done.stderr


def issued(program, code=0):
    """The folder of the files."""
    run(program, code)
    return program.tls("web-tls")


def there(folder):
    return {name for name in STORES if (folder / name).exists()}


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in there(folder)}


def pem_of(folder, name):
    return (folder / name).read_text(encoding="ascii")


def renew(program, *names):
    done = program.command("renew", "--dir", program.folder, *names)
    assert done.returncode == 0, done.stderr


def check_keystore(folder, name, alias, scratch, password=PASSWORD):
    """keytool finds the key under the alias, with the chain of tls.crt, and it is that of tls.key."""
    chain, ca = (ks.fingerprints(pem_of(folder, file)) for file in ("tls.crt", "ca.crt"))
    found = ks.entries(folder / name, password)
    assert found[alias].kind == "PrivateKeyEntry"
    # In PKCS#12 Java goes on to the root, which is there, too.
    assert found[alias].chain == (chain if name.endswith("jks") else chain + ca)
    key = ks.key_of(folder / name, alias, scratch, password)
    assert pki.public_of(key) == pki.public_of(pem_of(folder, "tls.key"))


def check_truststore(folder, name, alias, password=PASSWORD):
    found = ks.entries(folder / name, password)
    assert {alias} == set(found) and found[alias].kind == "trustedCertEntry"
    assert found[alias].chain == ks.fingerprints(pem_of(folder, "ca.crt"))


# --- what is in them ---


@pytest.mark.parametrize(
    "key",
    [
        {"algorithm": "RSA", "size": 2048, "encoding": "PKCS1"},
        {"algorithm": "ECDSA", "size": 384},
        {"algorithm": "Ed25519"},
    ],
    ids=lambda key: key["algorithm"],
)
def test_java_reads_every_kind_of_key(program, tmp_path, key):
    private_ca(program)
    web(program, both(), privateKey=key)
    folder = issued(program)
    assert there(folder) == set(STORES)
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in STORES)
    check_keystore(folder, "keystore.jks", "certificate", tmp_path)
    check_keystore(folder, "keystore.p12", "1", tmp_path)
    check_truststore(folder, "truststore.jks", "ca")
    check_truststore(folder, "truststore.p12", "cn=certlet test root")
    cas = ks.entries(folder / "keystore.jks")
    assert cas["ca"].kind == "trustedCertEntry" and set(cas) == {"ca", "certificate"}


# Words of `openssl pkcs12 -info`: MAC, certificates, key.
TOLD = {
    "LegacyRC2": ("MAC: sha1, Iteration 1\n", "pbeWithSHA1And40BitRC2-CBC", "pbeWithSHA1And3-KeyTripleDES-CBC"),
    "LegacyDES": ("MAC: sha1, Iteration 1\n", "pbeWithSHA1And3-KeyTripleDES-CBC", "pbeWithSHA1And3-KeyTripleDES-CBC"),
    "Modern2023": ("MAC: sha256, Iteration 2048", "PBES2, PBKDF2, AES-256-CBC", "PBES2, PBKDF2, AES-256-CBC"),
    "Modern2026": (None, "PBES2, PBKDF2, AES-256-CBC", "PBES2, PBKDF2, AES-256-CBC"),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_what_it_says_and_is_read(program, tmp_path, profile):
    private_ca(program)
    web(program, both(profile))
    folder = issued(program)
    store = folder / "keystore.p12"
    options = ["-legacy"] if profile == "LegacyRC2" else []
    # OpenSSL before 3.4 does not know PBMAC1; it has a test of its own.
    if profile == "Modern2026" and ks.openssl_version() < (3, 4):
        options = ["-nomacver"]
    mac, certs, key = TOLD[profile]
    text, told = ks.openssl_pkcs12(store, "-info", "-nodes", *options)
    assert mac is None or mac in told
    assert f"PKCS7 Encrypted data: {certs}, Iteration 2048" in told
    assert f"Shrouded Keybag: {key}, Iteration 2048" in told
    leaf_and_cas = ks.fingerprints(pem_of(folder, "tls.crt") + pem_of(folder, "ca.crt"))
    assert ks.fingerprints(text) == leaf_and_cas
    by_openssl = ks.key_by_openssl(store, *options)
    assert pki.public_of(by_openssl) == pki.public_of(pem_of(folder, "tls.key"))
    if profile != "Modern2026" or ks.java_major() >= 26:
        check_keystore(folder, "keystore.p12", "1", tmp_path)
        check_truststore(folder, "truststore.p12", "cn=certlet test root")


def test_rc2_is_the_default_and_openssl_wants_its_legacy_provider_for_it(program):
    private_ca(program)
    keystores = both()
    del keystores["pkcs12"]["profile"]
    web(program, keystores)
    store = issued(program) / "keystore.p12"
    assert "40BitRC2" in ks.openssl_pkcs12(store, "-info", "-legacy", "-noout")[1]
    with pytest.raises(ks.BedError, match="unsupported"):
        ks.openssl_pkcs12(store, "-nodes")


def test_pbmac1_is_that_of_the_password(program):
    private_ca(program)
    web(program, both("Modern2026", password="pässword €"))
    folder = issued(program)
    for name in ("keystore.p12", "truststore.p12"):
        store = (folder / name).read_bytes()
        assert ks.pbmac1_fits(store, "pässword €")
        assert not ks.pbmac1_fits(store, "passwort €")
    if ks.openssl_version() >= (3, 4):
        ks.openssl_pkcs12(folder / "keystore.p12", "-info", "-nodes", password="pässword €")


def test_a_wrong_password_opens_nothing(program):
    private_ca(program)
    web(program, both("LegacyDES"))
    folder = issued(program)
    for name in STORES:
        with pytest.raises(ks.BedError, match="password"):
            ks.entries(folder / name, "changeIt")
    with pytest.raises(ks.BedError, match="invalid password"):
        ks.openssl_pkcs12(folder / "keystore.p12", "-nodes", password="changeIt")


@pytest.mark.parametrize("profile", ["LegacyRC2", "LegacyDES", "Modern2023"])
def test_passwords_and_aliases_may_be_any_text(program, tmp_path, profile):
    password = "Pässwort €"
    private_ca(program)
    web(program, both(profile, "Ärger-CA", password))
    folder = issued(program)
    check_keystore(folder, "keystore.jks", "ärger-ca", tmp_path, password)
    # Java itself takes nothing but ASCII for PKCS#12.
    options = ["-legacy"] if profile == "LegacyRC2" else []
    key = ks.key_by_openssl(folder / "keystore.p12", *options, password=password)
    assert pki.public_of(key) == pki.public_of(pem_of(folder, "tls.key"))


def test_a_key_that_is_called_ca_keeps_its_name(program, tmp_path):
    private_ca(program)
    web(program, both(alias="CA"))
    folder = issued(program)
    check_keystore(folder, "keystore.jks", "ca", tmp_path)
    assert ks.entries(folder / "keystore.jks")["ca-1"].kind == "trustedCertEntry"


# --- when they are written ---


def test_they_come_and_go_with_the_spec_and_the_certificate_stays(program):
    private_ca(program)
    web(program)
    folder = issued(program)
    before = pem_of(folder, "tls.crt")
    assert there(folder) == set()
    web(program, both())
    run(program)
    assert there(folder) == set(STORES)
    web(program, {**both(), "jks": {"create": False, "password": PASSWORD}})
    run(program)
    assert there(folder) == {"keystore.p12", "truststore.p12"}
    web(program)
    run(program)
    assert there(folder) == set()
    assert pem_of(folder, "tls.crt") == before


def test_they_change_with_the_certificate_and_at_no_other_time(program):
    private_ca(program)
    web(program, both())
    folder = issued(program)
    first, versions = bytes_of(folder), program.versions()
    run(program)
    assert program.versions() == versions
    # Something else to repair, and what is for the next certificate only.
    web(program, both("LegacyDES", "other", "another"), secretTemplate={"labels": {"team": "web"}})
    run(program)
    assert program.object("Secret", "web-tls")["metadata"]["labels"]["team"] == "web"
    assert bytes_of(folder) == first
    renew(program, "web")
    run(program)
    second = bytes_of(folder)
    assert all(second[name] != first[name] for name in STORES)
    assert ks.entries(folder / "keystore.jks", "another")["other"].kind == "PrivateKeyEntry"
    assert "TripleDES" in ks.openssl_pkcs12(folder / "keystore.p12", "-info", "-noout", password="another")[1]


# --- passwords in Secrets ---


def check_password(folder, password):
    ks.openssl_pkcs12(folder / "keystore.p12", "-noout", password=password)


def test_a_password_that_is_there_first_and_edited_later(program):
    private_ca(program)
    program.write("store.yaml", m.secret("store", {"password": "first one\n"}))
    web(program, by_reference())
    folder = issued(program)
    check_password(folder, "first one\n")  # as it stands there
    program.write("store.yaml", m.secret("store", {"password": "second"}))
    before = bytes_of(folder)
    run(program)
    assert bytes_of(folder) == before
    renew(program, "web")
    run(program)
    check_password(folder, "second")


@pytest.mark.parametrize(
    "first, words",
    [(None, "secret 'default/store' does not exist"), ({"other": "x"}, "no key 'password'"), ({"password": ""}, "is empty")],
    ids=["no Secret", "no key", "no text"],
)
def test_a_password_that_comes_later(program, first, words):
    private_ca(program)
    if first:
        program.write("store.yaml", m.secret("store", first))
    web(program, by_reference())
    said = run(program, 1)
    assert words in said and "spec.keystores.pkcs12.passwordSecretRef" in said
    assert program.object("Secret", "web-tls") is None
    conditions = {one["type"]: one for one in program.object("Certificate", "web")["status"]["conditions"]}
    assert conditions["Issuing"]["status"] == "True" and words in conditions["Issuing"]["message"]
    reasons = [one["reason"] for one in program.events() if one["regarding"]["name"] == "web"]
    assert "KeystorePasswordSecretNotFound" in reasons
    program.write("store.yaml", m.secret("store", {"password": PASSWORD}))
    folder = issued(program)
    check_password(folder, PASSWORD)
    # The certificate is the one that was signed then.
    names = [one["metadata"]["name"] for one in program.objects("CertificateRequest")]
    assert sorted(names) == ["middle-1", "root-1", "web-1"]


def test_the_running_program_goes_on_as_soon_as_the_password_is_there(program):
    private_ca(program)
    web(program, by_reference())
    with program:
        program.start()
        program.wait_until(lambda: "KeystorePasswordSecretNotFound" in program.log_text(), 60)
        program.write("store.yaml", m.secret("store", {"password": PASSWORD}))
        program.wait_until(lambda: there(program.tls("web-tls")), 20, "the files")
    check_password(program.tls("web-tls"), PASSWORD)


def test_a_renewal_without_the_password_keeps_what_there_is(program):
    private_ca(program)
    program.write("store.yaml", m.secret("store", {"password": "first"}))
    web(program, by_reference())
    folder = issued(program)
    before, serial = bytes_of(folder), serial_of(pem_of(folder, "tls.crt"))
    program.write("store.yaml", m.secret("store", {"other": "x"}))
    renew(program, "web")
    assert "KeystorePasswordSecretNotFound" in run(program)  # what is in force is, so the exit code is 0
    assert bytes_of(folder) == before and serial_of(pem_of(folder, "tls.crt")) == serial
    program.write("store.yaml", m.secret("store", {"password": "second"}))
    run(program)
    check_password(folder, "second")
    assert serial_of(pem_of(folder, "tls.crt")) != serial


def test_passwords_are_told_nowhere(program):
    """Neither a good one nor one that is refused."""
    private_ca(program)
    program.write("store.yaml", m.secret("store", {"password": "hidden-word\0more"}))
    web(program, by_reference())
    program.write("other.yaml", m.certificate("other", ["o.example.test"], "middle", keystores=both(password="open-word")))
    said = run(program, 1)
    assert "NUL" in said
    told = [said, repr(program.events()), repr([one["status"] for one in program.objects("Certificate")])]
    assert not [text for text in told if "hidden-word" in text or "open-word" in text]


# --- what cannot be ---


def test_without_the_legacy_module_the_message_names_another_profile(binary, tmp_path):
    empty = tmp_path / "modules"
    empty.mkdir()
    program = Certlet(binary, tmp_path / "dir", LISTEN, {"OPENSSL_MODULES": str(empty)})
    private_ca(program)
    web(program, both("LegacyRC2"))
    said = run(program, 1)
    assert "needs OpenSSL's provider 'legacy'" in said and "use the profile LegacyDES or Modern2023" in said
    web(program, both("LegacyDES"))
    assert "keystore.p12" in there(issued(program))


@pytest.mark.parametrize(
    "keystores, words",
    [
        ({"jks": {"create": True}}, "spec.keystores.jks: exactly one of"),
        (
            {"pkcs12": {"create": True, "password": "a", "passwordSecretRef": {"name": "a", "key": "b"}}},
            "spec.keystores.pkcs12: exactly one of",
        ),
        ({"jks": {"create": True, "password": ""}}, "spec.keystores.jks.password: must not be empty"),
        ({"jks": {"password": "a"}}, "spec.keystores.jks.create: must be set"),
        ({"pkcs12": {"create": True, "password": "a", "profile": "Modern"}}, "spec.keystores.pkcs12.profile"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(program, keystores, words):
    file = program.write("web.yaml", m.certificate("web", ["www.example.test"], "middle", keystores=keystores))
    done = program.command("check", file)
    assert done.returncode == 1 and words in done.stdout + done.stderr
