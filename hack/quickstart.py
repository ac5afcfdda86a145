"""The work of hack/quickstart, which installs what is missing and calls this."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

from steps import BUILD, ROOT, ZONE, build, end_with_a_word, run, step


def get_servers():
    step("getting Pebble and BIND")
    run("hack/bed", "get", "pebble", "--no-go")
    run("hack/bed", "get", "bind")


def write_manifests(folder, bind, pebble, manifests):
    """What you would write; see docs/manifests.md."""
    target = folder / "manifests"
    target.mkdir(parents=True)
    secret = target / "dns-key.yaml"
    secret.touch(mode=0o600)
    secret.write_text(manifests.text(manifests.tsig_secret(bind)), encoding="utf-8")
    by_dns = manifests.rfc2136_solver(bind, selector={"dnsZones": [f"shop.{ZONE}"]})
    issuer = manifests.issuer(pebble, [by_dns, manifests.http01_solver()], name="pebble")
    (target / "issuer.yaml").write_text(manifests.text(issuer), encoding="utf-8")
    shop = manifests.certificate("shop", [f"shop.{ZONE}", f"*.shop.{ZONE}"], "pebble")
    www = manifests.certificate("www", [f"www.{ZONE}"], "pebble")
    (target / "certificates.yaml").write_text(manifests.text(shop, www), encoding="utf-8")
    for file in sorted(target.iterdir()):
        print(f"  {file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}")


def certlet(*arguments):
    print(f"$ certlet {' '.join(str(a) for a in arguments)}", flush=True)
    return subprocess.run([BUILD / "certlet", *map(str, arguments)], cwd=ROOT, check=False).returncode


def issue(folder, bind, pebble):
    flags = ["--dns01-recursive-nameservers", bind.nameserver, "--dns01-recursive-nameservers-only"]
    flags += ["--http01-listen", f"127.0.0.1:{pebble.http_port}"]
    flags += ["--http01-self-check-port", str(pebble.http_port)]
    flags += ["--acme-http01-solver-nameservers", bind.nameserver]
    return certlet("run", folder, "--once", "--timeout", "60s", *flags)


def verify(folder, pebble):
    root = folder / "root-of-the-CA.pem"
    root.write_text(pebble.root_pem(), encoding="ascii")
    bad = 0
    for name, host in (("shop", f"any.shop.{ZONE}"), ("www", f"www.{ZONE}")):
        chain = folder / "tls/default" / f"{name}-tls/tls.crt"
        argv = ["openssl", "verify", "-CAfile", root, "-untrusted", chain, "-verify_hostname", host, chain]
        print(f"$ {' '.join(str(a) for a in argv)}", flush=True)
        bad |= subprocess.run([str(a) for a in argv], check=False).returncode
    return bad


def explain(folder):
    print(f"""
Everything is in {folder}: manifests/ (yours), tls/ (for your servers), state.db.

To use a public CA on a server of yours:
  - take spec.acme.server: https://acme-v02.api.letsencrypt.org/directory (or its staging twin
    https://acme-staging-v02.api.letsencrypt.org/directory), an e-mail, and leave caBundle out;
  - point the DNS-01 solver at your own name server, or use http01 alone: certlet answers on port 80
    while a challenge needs it, or writes below --http01-webroot of a server that runs already;
  - run `certlet run DIR` as a service: deploy/systemd, README.md.""")


def issue_all(folder, keep):
    from support import manifests  # noqa: E402  (needs the path above)
    from support.bed import Bind, Pebble

    servers = folder / ".servers"
    servers.mkdir(parents=True)
    cached = subprocess.run(["hack/bed", "path", "pebble", "--part", "pebble"], cwd=ROOT, capture_output=True, check=False)
    version = "2.10.1" if cached.returncode == 0 else "distribution"
    step("starting BIND and Pebble on loopback")
    with Bind(servers / "bind", zones=(ZONE,)) as bind:
        with Pebble(servers / "pebble", dns=bind.address, version=version) as pebble:
            print(f"  DNS {bind.nameserver}, ACME directory {pebble.directory_url}")
            step("writing manifests")
            write_manifests(folder, bind, pebble, manifests)
            step("issuing")
            code = issue(folder, bind, pebble)
            step("what there is now")
            certlet("status", "--dir", folder)
            code |= verify(folder, pebble)
            if keep:
                input("\nPebble and BIND are running; press Enter to stop them. ")
    shutil.rmtree(servers)
    return code


def main():
    options = argparse.ArgumentParser(prog="hack/quickstart")
    options.add_argument("folder", metavar="DIR", nargs="?", default=ROOT / "build/quickstart")
    options.add_argument("--keep", action="store_true", help="leave Pebble and BIND running until Enter")
    arguments = options.parse_args()
    folder = pathlib.Path(arguments.folder).resolve()
    ours = ROOT / "build/quickstart"
    if folder == ours and folder.exists():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        sys.exit(f"hack/quickstart: '{folder}' is not empty; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    build()
    get_servers()
    code = issue_all(folder, arguments.keep)
    if code:
        sys.exit("hack/quickstart: not everything was issued; the lines above say why")
    explain(folder)
    step("done")


if __name__ == "__main__":
    end_with_a_word(main)
