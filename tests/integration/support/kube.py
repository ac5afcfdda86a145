"""A Kubernetes control plane without nodes on loopback: etcd, kube-apiserver, kube-controller-manager.

No kubelet: Pods stay Pending and Services get no endpoints. A test plays those parts itself, by writing
the objects.
"""

import base64
import contextlib
import json
import subprocess
import urllib.request

from . import pki
from .kube_api import KubeApi, KubeError
from .server import LOOPBACK, BedError, Server, cached_program, reserve_port, wait_until

DEFAULT_VERSION = "1.36.3"

# Only what a namespace, a ServiceAccount, an owner and a ClusterRole need to work as everywhere.
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "validatingadmissionpolicy-status-controller",
)

# A watch is two lines under one id, when it starts and when it ends.
AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""

KUBECONFIG = """apiVersion: v1
kind: Config
current-context: bed
contexts:
- name: bed
  context: {{cluster: bed, user: {user}}}
clusters:
- name: bed
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {user}
  user:
{credentials}"""


def minor_of(version):
    """36 of 1.36.3."""
    return int(version.split(".")[1])


def emulation(version):
    """The flag of a server that is to do as an older one did, up to three minor versions back."""
    return [f"--emulated-version={version}"] if version else []


def write_private(path, text):
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def account_user(namespace, name):
    """The user name of a ServiceAccount, as the audit log has it."""
    return f"system:serviceaccount:{namespace}:{name}"


class Certificates:
    """What the servers and the admin show each other, and the key of ServiceAccount tokens."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ca = pki.new_certificate(folder, "ca", "certlet test cluster", pki.IS_CA)
        self.ca_file = self._ca[0]
        san = f"subjectAltName={pki.san_text(('localhost', LOOPBACK))}"
        self.server = pki.new_certificate(
            folder, "server", "kube", san, "extendedKeyUsage=serverAuth", issuer=self._ca
        )
        self.admin = self.of_user("admin", "system:masters")
        self.account_key, self.account_public_key = folder / "sa.key", folder / "sa.pub"
        key = pki.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
        write_private(self.account_key, key)
        self.account_public_key.write_text(pki.public_of(key))

    def of_user(self, name, group):
        """A client certificate: the server reads the groups of a user from O."""
        usage = "extendedKeyUsage=clientAuth"
        subject = f"{name}/O={group}"
        return pki.new_certificate(self._folder, name, subject, usage, issuer=self._ca)


class Etcd(Server):
    name = "etcd"

    def __init__(self, folder):
        super().__init__(folder)
        self.program = cached_program("etcd", "etcd")
        self.port, self._peer_port = reserve_port(), reserve_port()

    @property
    def url(self):
        return f"http://{LOOPBACK}:{self.port}"

    def command(self):
        peer = f"http://{LOOPBACK}:{self._peer_port}"
        return [
            self.program,
            *("--name", "bed", "--data-dir", str(self.folder / "etcd"), "--log-level", "warn"),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"bed={peer}"),
            "--unsafe-no-fsync",
        ]

    def _open(self, path, body=None):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.url}{path}", body, timeout=20) as answer:
            return json.loads(answer.read())

    def is_ready(self):
        try:
            return self._open("/health")["health"] == "true"
        except OSError:
            return False

    def compact(self, revision):
        """Forget what was before `revision`."""
        self._open("/v3/kv/compaction", json.dumps({"revision": str(revision)}).encode())


class ApiServer(Server):
    name = "kube-apiserver"
    ready_seconds = 180
    end_seconds = 60

    def __init__(self, folder, version, certificates, etcd, flags=()):
        super().__init__(folder)
        self.program = cached_program("kube-apiserver", "kube", "--kube", version)
        self.port = reserve_port()
        self.audit_file = self.folder / "audit.log"
        self.flags = list(flags)
        self._certificates, self._etcd = certificates, etcd
        self._admin = KubeApi(self.url, certificates.ca_file, certificates.admin)
        (self.folder / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="ascii")

    @property
    def url(self):
        return f"https://{LOOPBACK}:{self.port}"

    def command(self):
        files = self._certificates
        return [
            self.program,
            *(f"--etcd-servers={self._etcd.url}", f"--cert-dir={self.folder}"),
            *(f"--bind-address={LOOPBACK}", f"--advertise-address={LOOPBACK}"),
            f"--secure-port={self.port}",
            # Nobody looks for it by its Service, and from 1.37 on no loopback address is let into that.
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={files.server[0]}",
            f"--tls-private-key-file={files.server[1]}",
            f"--client-ca-file={files.ca_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files.account_public_key}",
            f"--service-account-signing-key-file={files.account_key}",
            "--disable-admission-plugins=ServiceAccount",  # no Pod waits for its token here
            *("--authorization-mode=RBAC", "--allow-privileged=true", "--event-ttl=10m"),
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_file}",
            "--audit-log-maxsize=10000",  # MB: one file, so that every request is counted
            # Without it, a stop waits a minute for those who watch; with it, they are cut off after 2 s.
            "--shutdown-send-retry-after",
            *self.flags,
        ]

    def is_ready(self):
        return self._admin.is_ready()

    def audit(self, user):
        """The last audit event of every request of `user`, in order; a running watch is one too."""
        events = {}
        if self.audit_file.exists():
            with open(self.audit_file, encoding="utf-8") as lines:
                for line in lines:
                    if f'"username":"{user}"' in line and line.endswith("\n"):
                        event = json.loads(line)
                        events[event["auditID"]] = event
        return list(events.values())


class ControllerManager(Server):
    name = "kube-controller-manager"
    ready_seconds = 120

    def __init__(self, folder, version, certificates, api, kubeconfig, flags=()):
        super().__init__(folder)
        self.program = cached_program("kube-controller-manager", "kube", "--kube", version)
        self.port = reserve_port()
        self.flags = list(flags)
        self._certificates, self._api, self._kubeconfig = certificates, api, kubeconfig

    def command(self):
        files = self._certificates
        return [
            self.program,
            f"--kubeconfig={self._kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={files.account_key}",
            f"--root-ca-file={files.ca_file}",
            *(f"--bind-address={LOOPBACK}", f"--secure-port={self.port}"),
            f"--tls-cert-file={files.server[0]}",
            f"--tls-private-key-file={files.server[1]}",
            "--leader-elect=false",
            *self.flags,
        ]

    def is_ready(self):
        """It works when every namespace gets what it should."""
        try:
            return self._api.get("serviceaccounts/default", "default") and self._api.get(
                "configmaps/kube-root-ca.crt", "default"
            )
        except (KubeError, OSError):
            return False


class Kube(KubeApi):
    """The servers, and the admin's requests to them. `flags` go to the API server.

    `version` is that of the programs. With `emulate`, such as "1.33", they serve the API of that one: its
    resources, fields and feature gates. `minor` is what the API is of.

    State lives through stop() and start(). `etcd`, `api_server` and `controllers` can be stopped, killed
    and paused by themselves; stop(), start(), restart(), pause() and resume() of this object are for the
    API server's users: the first two for all three servers, the others for the API server alone.
    """

    def __init__(self, folder, version=DEFAULT_VERSION, flags=(), emulate=None):
        self.version, self.minor = version, minor_of(emulate or version)
        self.etcd = Etcd(folder)
        self.folder = self.etcd.folder
        certificates = Certificates(self.folder / "pki")
        older = emulation(emulate)
        self.api_server = ApiServer(self.folder, version, certificates, self.etcd, [*older, *flags])
        self.ca_file = certificates.ca_file
        self.certificates, self.server_files = certificates, certificates.server
        super().__init__(self.api_server.url, self.ca_file, certificates.admin)
        self.kubeconfig = self._write_kubeconfig("admin", _certificate_lines(certificates.admin))
        own = _certificate_lines(certificates.of_user("controllers", "system:masters"))
        kubeconfig = self._write_kubeconfig("controllers", own)
        self.controllers = ControllerManager(
            self.folder, version, certificates, self, kubeconfig, older
        )
        self.kubectl_program = cached_program("kubectl", "kube", "--kube", version)

    # --- the servers ---

    @property
    def servers(self):
        """In the order in which they start."""
        return (self.etcd, self.api_server, self.controllers)

    def start(self):
        try:
            for server in self.servers:
                server.start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        with contextlib.ExitStack() as stack:  # the last one first, and all of them
            for server in self.servers:
                stack.callback(server.stop)

    def restart(self):
        self.api_server.restart()

    def pause(self):
        self.api_server.pause()

    def resume(self):
        self.api_server.resume()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def forget_versions(self, *resources):
        """Whoever watches from a version of before gets 410: neither etcd nor the API server has it any more.

        The API server keeps some in memory; started again, it knows only what is there now. Returns when
        `resources` can be watched again.
        """
        now = self.request("GET", "/api/v1/namespaces")["metadata"]["resourceVersion"]
        self.create("namespaces", {"metadata": {"generateName": "after-"}})  # so that it is not the latest
        self.etcd.compact(int(now))
        self.restart()
        for resource in resources:
            wait_until(lambda name=resource: self._can_watch(name), 30, f"{resource} can be watched")

    def _can_watch(self, resource):
        try:
            return self.watch(resource, seconds=1) is not None
        except KubeError as error:
            if error.code in (429, 500, 503, 504):  # the server is still reading what there is
                return False
            raise

    # --- users ---

    def token(self, namespace, name, seconds=3600):
        """A new token of a ServiceAccount (600 s at least, says the server)."""
        path = self.path(f"serviceaccounts/{name}", namespace, "token")
        asked = {"spec": {"expirationSeconds": seconds}}
        return self.request("POST", path, asked)["status"]["token"]

    def service_account(self, namespace, name, seconds=3600):
        """A kubeconfig file with a new token; namespace and ServiceAccount are made when missing.

        Called again it rewrites that file, in one rename.
        """
        if not self.get(f"namespaces/{namespace}"):
            self.create("namespaces", {"metadata": {"name": namespace}})
        if not self.get(f"serviceaccounts/{name}", namespace):
            self.create("serviceaccounts", {"metadata": {"name": name}}, namespace)
        lines = f"    token: {self.token(namespace, name, seconds)}\n"
        return self._write_kubeconfig(f"{namespace}.{name}", lines)

    def as_service_account(self, namespace, name):
        """Requests of a ServiceAccount that is there already."""
        return KubeApi(self.url, self.ca_file, token=self.token(namespace, name))

    def _write_kubeconfig(self, user, credentials):
        text = KUBECONFIG.format(
            user=user, server=self.api_server.url, ca=_base64(self.ca_file), credentials=credentials
        )
        path = self.folder / f"{user}.kubeconfig"
        return write_private(path.with_suffix(".new"), text).replace(path)

    def allows(self, user, **attributes):
        """What the authorizer says of resourceAttributes (verb, group, resource, ...): of roles and bindings that
        were written or deleted just now it hears a moment later.
        """
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return self.request("POST", path, review)["status"]["allowed"]

    # --- kubectl ---

    def kubectl(self, *arguments, stdin=None, kubeconfig=None):
        """What kubectl prints; as the admin, or as the user of a kubeconfig file."""
        argv = [self.kubectl_program, *map(str, arguments)]
        argv += [f"--kubeconfig={kubeconfig or self.kubeconfig}"]
        argv += [f"--cache-dir={self.folder / 'kubectl-cache'}"]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise BedError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, text, kubeconfig=None):
        """Server-side apply of manifests, as YAML or JSON documents."""
        how = ("--server-side", "--force-conflicts", "--field-manager=bed")
        return self.kubectl("apply", *how, "-f", "-", stdin=text, kubeconfig=kubeconfig)

    # --- what was asked ---

    def requests(self, user, verb=None, resource=None):
        """How many requests a user has made, refused ones too; see account_user()."""
        return sum(
            verb in (None, event["verb"])
            and resource in (None, event.get("objectRef", {}).get("resource"))
            for event in self.api_server.audit(user)
        )


def _base64(path):
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _certificate_lines(pair):
    return f"    client-certificate-data: {_base64(pair[0])}\n    client-key-data: {_base64(pair[1])}\n"
