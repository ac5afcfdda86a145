"""The root filesystem of the image: small, without a shell, and the program works in it."""

import base64
import os
import pathlib
import subprocess

import pytest

from support import manifests as m
from support.controller import Controller, apply, wait_ready
from support.certlet import solver_flags
from support.keystores import PASSWORD, openssl_pkcs12
from support.kube import write_private
from support.resources import CERTIFICATES

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE_MAX = 30_000_000  # bytes


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release build of its own: one with checkers needs more than the image has."""
    build = tmp_path_factory.mktemp("build")
    configure = ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run([*configure, "-DBUILD_TESTING=OFF"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build, "--target", "certlet"], check=True, stdout=subprocess.DEVNULL)
    return build / "certlet"


@pytest.fixture(scope="module")
def image(release, tmp_path_factory):
    root = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([ROOT / "hack/image", "--binary", release, root], check=True)
    return root


# As a container runtime does it: devices of the machine, everything else read-only.
ENTER = """
mount --bind "$0" "$0" && mount --rbind /dev "$0/dev" &&
mount -o remount,bind,ro "$0" && exec chroot "$0" "$@"
"""


def inside(root, *argv):
    """A command with `root` as its root; without being root ourselves, in a user namespace."""
    user = [] if os.geteuid() == 0 else ["--map-root-user", "--user"]
    return ["unshare", *user, "--mount", "sh", "-c", ENTER, str(root), *map(str, argv)]


def files(root):
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]


def test_it_is_small_and_has_no_shell(image):
    assert sum(path.stat().st_size for path in files(image)) <= IMAGE_MAX
    programs = sorted(path.name for path in (image / "usr/bin").iterdir())
    assert programs == ["certlet", "kubectl-certlet"]


def test_nobody_but_the_owner_may_write_in_it(image):
    loose = [p for p in files(image) if p.stat().st_mode & 0o022]
    assert not loose and (image / "tmp").stat().st_mode & 0o1777 == 0o1777


def test_the_program_finds_its_libraries_and_modules(image):
    done = subprocess.run(inside(image, "/usr/bin/certlet", "version"), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("certlet "), done.stderr
    assert list(image.glob("usr/lib/*/ossl-modules/legacy.so"))


@pytest.mark.parametrize("zone", ["Europe/Zurich", "Pacific/Apia", "US/Pacific", "Etc/GMT-14"])
def test_it_has_time_zones_old_names_too(image, zone):
    window = {"cron": "@daily", "windowDuration": "1h", "timezone": zone}
    renewal = {"policy": "RenewBefore", "windows": [window]}
    manifest = m.text(m.certificate("web", ["web.example.test"], renewal=renewal))
    (image / "tmp/web.yaml").write_text(manifest, encoding="utf-8")
    command = inside(image, "/usr/bin/certlet", "check", "/tmp/web.yaml")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout + done.stderr


def test_a_folder_that_is_not_ours_is_left_alone(release, tmp_path):
    (tmp_path / "file").write_text("mine")
    done = subprocess.run(
        [ROOT / "hack/image", "--binary", release, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and str(tmp_path) in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.kube
def test_the_controller_issues_from_in_there(image, cluster, bind, pebble, tmp_path):
    class InImage(Controller):
        def command(self):
            return inside(image, "/usr/bin/certlet", *super().command()[1:])

    outside = cluster.service_account("cert-manager", "certlet", 86400)
    write_private(image / "tmp/kubeconfig", outside.read_text())
    with InImage("certlet", tmp_path, cluster, solver_flags(bind), kubeconfig="/tmp/kubeconfig"):
        apply(cluster, m.tsig_secret(bind), m.issuer(pebble, [m.rfc2136_solver(bind)]))
        # Its profile is LegacyRC2, for which OpenSSL needs a module.
        keystores = {"pkcs12": {"create": True, "password": PASSWORD}}
        apply(cluster, m.certificate("boxed", ["boxed.example.test"], keystores=keystores))
        wait_ready(cluster, f"{CERTIFICATES}/boxed")
        store = tmp_path / "keystore.p12"
        store.write_bytes(base64.b64decode(cluster.get("secrets/boxed-tls", "default")["data"][store.name]))
        assert "40BitRC2" in openssl_pkcs12(store, "-info", "-legacy", "-noout")[1]
