"""cert-manager's own controllers (hack/bed get cert-manager) against a control plane of the bed."""

import urllib.error
import urllib.request

from .controller import LEASE_FLAGS, NAMESPACE
from .kube import account_user
from .rbac import GROUP, apply
from .server import LOOPBACK, Server, cached_program, reserve_port, wait_until

ACCOUNT = "cert-manager"


def let_it_work(kube):
    """Its ServiceAccount, which may everything: its chart's roles are not what is tried."""
    kube.service_account(NAMESPACE, ACCOUNT)
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "bed-cert-manager"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [subject],
    }
    apply(kube, binding)
    user = CertManager.user
    wait_until(lambda: kube.allows(user, verb="*", group="*", resource="*"), 60, "what it may")


class CertManager(Server):
    """One process. `without` are controllers of it that do not run, as --controllers=*,-NAME has it."""

    name = "cert-manager"
    ready_seconds = 120
    user = account_user(NAMESPACE, ACCOUNT)  # in the audit log

    def __init__(self, folder, kube, bind=None, flags=(), without=(), server_side_apply=False):
        super().__init__(folder)
        self.kube, self.bind, self.flags = kube, bind, list(flags)
        self.without, self.server_side_apply = list(without), server_side_apply
        self.program = cached_program("cert-manager", "cert-manager")
        self.port = reserve_port()
        let_it_work(kube)
        self.kubeconfig = kube.service_account(NAMESPACE, ACCOUNT, 86400)

    def command(self):
        argv = [
            self.program,
            f"--kubeconfig={self.kubeconfig}",
            f"--cluster-resource-namespace={NAMESPACE}",
            f"--listen={LOOPBACK}:{self.port}",
            f"--feature-gates=ServerSideApply={'true' if self.server_side_apply else 'false'}",
            "--dns01-check-retry-period=1s",
            *LEASE_FLAGS,
        ]
        if self.bind:
            argv.append(f"--dns01-recursive-nameservers={self.bind.nameserver}")
            argv.append("--dns01-recursive-nameservers-only")
        if self.without:
            argv.append(f"--without={','.join(self.without)}")
        return [*argv, *self.flags]

    def is_ready(self):
        return self._says("/healthz") and (self.is_elected_later() or self.leads())

    def is_elected_later(self):
        """Whether it may have to wait for the Lease: then it is ready before it works."""
        return "--leader-elect=false" not in self.flags

    def leads(self):
        return self._says("/leading")

    def wait_to_lead(self, seconds=90):
        wait_until(self.leads, seconds, "cert-manager to work", self.child)

    def _says(self, path):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://{LOOPBACK}:{self.port}{path}", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False
