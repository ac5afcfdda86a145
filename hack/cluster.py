"""The work of hack/cluster, which installs what is missing and calls this."""

import argparse
import contextlib
import pathlib
import signal
import tempfile

from steps import BUILD, ZONE, build, end_with_a_word, run, step


def get_servers(kube_version):
    step("getting etcd, Kubernetes, Pebble and BIND (the first time this takes minutes)")
    run("hack/bed", "get", "pebble", "bind", "etcd", "kube", "--kube", kube_version)


def issue(kube, bind, pebble):
    """What you would write; see docs/manifests.md."""
    from support import controller, manifests

    solver = manifests.rfc2136_solver(bind)
    controller.apply(
        kube,
        manifests.tsig_secret(bind),
        manifests.issuer(pebble, [solver], name="pebble"),
        manifests.certificate("shop", [f"shop.{ZONE}", f"*.shop.{ZONE}"], "pebble"),
    )
    return controller.wait_ready(kube, "certificates.cert-manager.io/shop")


def show(kube):
    for arguments in (
        ["get", "certificates,certificaterequests,orders,issuers"],
        ["describe", "certificate", "shop"],
        ["get", "secret", "shop-tls"],
    ):
        print(f"$ kubectl {' '.join(arguments)}", flush=True)
        print(kube.kubectl(*arguments), flush=True)


def explain(kube, process):
    print(f"""
To look around, in another terminal:
  export KUBECONFIG={kube.kubeconfig}
  alias kubectl={kube.kubectl_program}
  kubectl get certificates -A
  kubectl explain certificate.spec
  kubectl describe certificate shop
  kubectl delete secret shop-tls        # it is issued anew
  curl -s http://127.0.0.1:{process.metrics_port}/metrics | grep certmanager_
  less {process.log_file}""", flush=True)


def wait_for_interrupt():
    print("\nPress Ctrl-C to end all of it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def run_cluster(folder, kube_version, once):
    from support.bed import Bind, Kube, Pebble
    from support.certlet import solver_flags
    from support.controller import Controller, install

    step(f"starting Kubernetes {kube_version}, BIND and Pebble on loopback")
    with contextlib.ExitStack() as stack:
        kube = stack.enter_context(Kube(folder / "kube", kube_version))
        bind = stack.enter_context(Bind(folder / "bind", zones=(ZONE,)))
        pebble = stack.enter_context(Pebble(folder / "pebble", dns=bind.address))
        step("kubectl apply -k deploy")
        install(kube)
        step("starting certlet controller as the ServiceAccount cert-manager/certlet")
        process = Controller(BUILD / "certlet", folder / "certlet", kube, solver_flags(bind))
        stack.enter_context(process)
        step("a Certificate by DNS-01")
        issue(kube, bind, pebble)
        step("what there is now")
        show(kube)
        if not once:
            explain(kube, process)
            wait_for_interrupt()
    step("done")


def main():
    from support.kube import DEFAULT_VERSION

    options = argparse.ArgumentParser(prog="hack/cluster")
    options.add_argument("--once", action="store_true", help="end when the Certificate is issued")
    options.add_argument("--kube", metavar="VERSION", default=DEFAULT_VERSION)
    arguments = options.parse_args()
    build()
    get_servers(arguments.kube)
    with tempfile.TemporaryDirectory(prefix="certlet-cluster-") as folder:
        run_cluster(pathlib.Path(folder), arguments.kube, arguments.once)


if __name__ == "__main__":
    end_with_a_word(main)
