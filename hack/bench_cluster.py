"""The cluster bed of hack/bench: `certlet controller` on a real control plane.

Requests are counted, and times taken, from the API server's audit log: it is written before a request is
answered, so nobody has to watch beside the program. Load comes from tests/bench/load.c.
"""

import base64
import collections
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import threading
import time

from bench_tools import Process, build_release, conditions, machine_cpu, measure_idle, print_conditions, say, table, wait_until_settled
from support import manifests, pki
from support.bed import Bind, Kube, Pebble, wait_until
from support.cert_manager import CertManager
from support.certlet import solver_flags
from support.controller import ACCOUNT, LEASE, LEASE_NAMESPACE, NAMESPACE, Controller, apply, install, is_true, wait_ready
from support.kube import account_user

PARTS = ["burst", "latency", "neighbour", "rsa", "acme", "scale", "failover"]
CERTIFICATES = "certificates.cert-manager.io"
REQUESTS = "certificaterequests.cert-manager.io"
LEASES = f"leases.coordination.k8s.io/{LEASE}"
WORKERS = 5  # of the program, by default (--concurrent-workers); the bare generator has as many
LOAD_THREADS = 16  # of whoever creates Certificates and Secrets
FOREIGN_BYTES = 4096
WRITES = {"create", "update", "patch", "delete"}
READS = {"get", "list"}


# --- the audit log ---


def seconds_of(text):
    """Wall time of an audit timestamp."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Audit:
    """The requests of one user since this object was made, or since restart()."""

    def __init__(self, api_server, user, agent):
        self._path, self._marks = api_server.audit_file, (f'"username":"{user}"', f'"userAgent":"{agent}')
        self._offset, self._rest, self.events = 0, b"", []
        self.restart()

    def restart(self):
        self._offset, self._rest, self.events = self._path.stat().st_size, b"", []

    def read(self):
        """What came since the last read, which is kept in `events`, too."""
        with open(self._path, "rb") as log:
            log.seek(self._offset)
            text = self._rest + log.read()
            self._offset = log.tell()
        *lines, self._rest = text.split(b"\n")
        marks = [mark.encode() for mark in self._marks]
        new = [json.loads(line) for line in lines if all(mark in line for mark in marks)]
        new = [event for event in new if event["stage"] != "ResponseStarted"]  # a watch has two
        self.events += new
        return new


def resource_of(event):
    reference = event.get("objectRef", {})
    parts = [reference.get("resource", event["requestURI"]), reference.get("subresource")]
    return "/".join(part for part in parts if part)


def is_ours_to_count(event):
    """Not the Lease, which goes on by the clock."""
    return event.get("objectRef", {}).get("resource") != "leases"


def ended_at(event):
    return seconds_of(event["stageTimestamp"])


def is_status_write(event, resource="certificates"):
    return resource_of(event) == f"{resource}/status" and event["verb"] == "update" and event["responseStatus"]["code"] == 200


class Finished:
    """Certificates whose status was written `times` times: waits for that, by the audit log."""

    def __init__(self, audit, times=1):
        self._audit, self._times, self.counts, self.ends = audit, times, collections.Counter(), {}

    def look(self):
        for event in self._audit.read():
            if is_status_write(event):
                name = event["objectRef"]["name"]
                self.counts[name] += 1
                if self.counts[name] == self._times:
                    self.ends[name] = ended_at(event)
        return len(self.ends)

    @property
    def at(self):
        return list(self.ends.values())

    def wait(self, count, seconds, child=None):
        wait_until(lambda: self.look() >= count, seconds, f"{count} Certificates", child, every=0.1)


def wait_for_quiet(audit, seconds=30):
    """Events come behind; then there is nothing more for a second."""
    last = time.monotonic()

    def quiet():
        nonlocal last
        if any(is_ours_to_count(event) for event in audit.read()):
            last = time.monotonic()
        return time.monotonic() - last >= 1

    wait_until(quiet, seconds, "the last request", every=0.1)


def requests_per(audit, count):
    """{(verb, resource): per Certificate}, without the Lease and without watches and what opens them."""
    found = collections.Counter()
    for event in audit.events:
        code = event.get("responseStatus", {}).get("code", 0)
        if is_ours_to_count(event) and event["verb"] != "watch":
            found[event["verb"], resource_of(event), code if code >= 300 else 0] += 1
    return {key: number / count for key, number in sorted(found.items())}


def sums_of(requests):
    sums = collections.Counter()
    for (verb, resource, _), number in requests.items():
        kind = "event" if resource == "events" else "write" if verb in WRITES else "read"
        sums[kind] += number
    return {kind: sums[kind] for kind in ("write", "event", "read")}


# --- the bed ---


class Servers:
    """CPU seconds of the control plane."""

    def __init__(self, kube):
        self._processes = {
            "API server": Process(kube.api_server.child.pid),
            "etcd": Process(kube.etcd.child.pid),
            "controller manager": Process(kube.controllers.child.pid),
        }

    def cpu(self):
        return {name: process.cpu() for name, process in self._processes.items()}

    def since(self, before):
        return {name: now - before[name] for name, now in self.cpu().items()}


class Bed:
    """A control plane with everything of deploy/, and what is done to it."""

    def __init__(self, build, scratch, kube):
        self.build, self.scratch, self.kube = build, scratch, kube
        self.user = account_user(NAMESPACE, ACCOUNT)
        self.servers = Servers(kube)
        self.audit = Audit(kube.api_server, self.user, "certlet-controller")

    def namespace(self, name):
        self.kube.create("namespaces", {"metadata": {"name": name}})
        certificate, key = (path.read_text() for path in self._ca())
        apply(
            self.kube,
            {**manifests.secret("ca", {"tls.crt": certificate, "tls.key": key}, name), "type": "kubernetes.io/tls"},
            ca_issuer(name),
        )
        return name

    def _ca(self):
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        files = [self.scratch / "ca.pem", self.scratch / "ca.key"]
        return files if files[0].exists() else pki.new_certificate(self.scratch, "ca", "bench CA", usage)

    def controller(self, flags=(), name="certlet"):
        """With a token of its own, by which the audit log tells it from another."""
        shared = self.kube.service_account(NAMESPACE, ACCOUNT, 86400)
        kubeconfig = self.scratch / f"{name}.kubeconfig"
        shutil.copy(shared, kubeconfig)
        return Controller(self.build / "certlet", self.scratch / name, self.kube, flags, kubeconfig, name)

    def load(self, plan, lines, threads=LOAD_THREADS, kubeconfig=None, limit=()):
        """Starts bench_load: the process."""
        stem = self.scratch / f"load-{time.monotonic_ns()}"
        plan_file, names_file = stem.with_suffix(".json"), stem.with_suffix(".txt")
        plan_file.write_text(json.dumps(plan))
        names_file.write_text("\n".join(lines) + "\n")
        argv = [self.build / "tests/bench_load", kubeconfig or self.kube.kubeconfig, plan_file, names_file, threads, *limit]
        return subprocess.Popen([str(word) for word in argv])

    def load_all(self, *arguments, **options):
        child = self.load(*arguments, **options)
        if child.wait() != 0:
            raise SystemExit("hack/bench: bench_load failed")

    def certificates(self, namespace):
        return self.kube.list(CERTIFICATES, namespace)

    def check_all_ready(self, namespace, count):
        found = self.certificates(namespace)
        ready = sum(is_true(one) for one in found)
        if (len(found), ready) != (count, count):
            raise SystemExit(f"hack/bench: {ready} of {len(found)} Certificates in '{namespace}' are Ready, not {count}")

    # Somebody else leads: our process stands by, until it is let.

    def hold_lease(self):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": "bench", "leaseDurationSeconds": 3600, "acquireTime": now, "renewTime": now}
        self.kube.patch(LEASES, {"spec": spec}, LEASE_NAMESPACE)

    def release_lease(self):
        self.kube.patch(LEASES, {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}, LEASE_NAMESPACE)


def ca_issuer(namespace):
    metadata = {"name": "ca", "namespace": namespace}
    return {"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": metadata, "spec": {"ca": {"secretName": "ca"}}}


# --- plans for bench_load ---


def certificate_plan(namespace, issuer="ca", **spec):
    one = manifests.certificate("@name@", [f"@name@.{namespace}.example.test"], issuer, namespace, **spec)
    return [{"op": "create", "manager": "bench", "object": one}]


def foreign_secret_plan(namespace):
    text = base64.b64encode(bytes(range(256)) * (FOREIGN_BYTES // 256)).decode()
    one = manifests.secret("@name@", {}, namespace)
    return [{"op": "create", "manager": "bench", "object": {**one, "data": {"blob": text}}}]


def names(count, stem="web"):
    return [f"{stem}-{i:06}" for i in range(count)]


def bare_plan(kube, model_namespace, namespace):
    """The writes that made the Certificate 'model' Ready, for others: the same sizes, managers, kinds."""
    crt = kube.get(f"{CERTIFICATES}/model", model_namespace)
    request = next(one for one in kube.list(REQUESTS, model_namespace) if one["metadata"]["name"].startswith("model-"))
    secret = kube.get("secrets/model-tls", model_namespace)
    events = kube.list("events", model_namespace)
    event = next(
        one for one in events if one["involvedObject"]["name"] == "model" and "successfully" in one["message"]
    )
    steps = [
        ("create", "cert-manager-certificates", bare_request(request)),
        ("status", "cert-manager-certificaterequests", bare_status(request, "@name@-1", "@made-version@")),
        ("apply", "cert-manager-certificates-issuing", bare_object(secret, "@name@-tls", "type", "data")),
        ("status", "cert-manager-certificates", bare_status(crt, "@name@", "@version@")),
        ("create", "certlet", bare_event(event)),
    ]
    text = json.dumps([{"op": op, "manager": manager, "object": one} for op, manager, one in steps])
    text = text.replace(crt["metadata"]["uid"], "@uid@")
    return json.loads(text.replace(f'"namespace": "{model_namespace}"', f'"namespace": "{namespace}"'))


def bare_object(one, name, *members):
    metadata = {"name": name, "namespace": one["metadata"]["namespace"]}
    metadata |= {key: one["metadata"][key] for key in ("labels", "annotations") if key in one["metadata"]}
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, **{m: one[m] for m in members}}


def bare_request(request):
    one = bare_object(request, "@name@-1", "spec")
    for stamped in ("username", "uid", "groups", "extra"):  # by the API server
        one["spec"].pop(stamped, None)
    one["metadata"]["annotations"]["cert-manager.io/certificate-name"] = "@name@"
    owner = request["metadata"]["ownerReferences"][0]
    one["metadata"]["ownerReferences"] = [{**owner, "name": "@name@"}]
    return one


def bare_status(one, name, version):
    made = bare_object(one, name, "status")
    made["metadata"] = {"name": name, "namespace": one["metadata"]["namespace"], "resourceVersion": version}
    return made


def bare_event(event):
    made = {"apiVersion": "v1", "kind": "Event", **event}  # which the items of a list lack
    made["metadata"] = {"name": "@name@.bench", "namespace": event["metadata"]["namespace"]}
    made["involvedObject"] = {**event["involvedObject"], "name": "@name@"}
    return made


# --- burst: ours and the bare generator, in turns ---


def cores_busy(before):
    busy, passed = (after - begin for after, begin in zip(machine_cpu(), before))
    return 100 * busy / passed


def measure_model(bed, rounds):
    """One Certificate, whose writes the bare generator repeats; and Issuers that are Ready."""
    namespace = bed.namespace("model")
    for number in range(1, rounds + 1):
        bed.namespace(f"burst-{number}")
    with bed.controller() as controller:
        apply(bed.kube, manifests.certificate("model", ["model.example.test"], "ca", namespace))
        wait_ready(bed.kube, f"{CERTIFICATES}/model", namespace)
        for number in range(1, rounds + 1):
            wait_ready(bed.kube, "issuers.cert-manager.io/ca", f"burst-{number}")
        wait_for_quiet(bed.audit)
        controller.wait_to_lead()
    return namespace


def measure_ours(bed, count, number):
    """Certificates wait while the program stands by; then it gets the Lease."""
    namespace = f"burst-{number}"
    bed.hold_lease()
    with bed.controller() as controller:
        process = Process(controller.child.pid)
        bed.audit.restart()
        cpu, switches = process.cpu(), process.switches()
        bed.load_all(certificate_plan(namespace), names(count))
        finished, servers, machine = Finished(bed.audit), bed.servers.cpu(), machine_cpu()
        started = time.time()
        bed.release_lease()
        finished.wait(count, 60 + count * 0.2, controller.child)
        used, busy = bed.servers.since(servers), cores_busy(machine)
        wait_for_quiet(bed.audit)
        cpu, switches = process.cpu() - cpu, process.switches() - switches
        memory = process.memory("VmRSS")
    bed.check_all_ready(namespace, count)
    writes = [event for event in bed.audit.events if event["verb"] in WRITES and is_ours_to_count(event)]
    begin = min(seconds_of(event["requestReceivedTimestamp"]) for event in writes)
    return {
        "per_second": count / (finished.at[-1] - begin),
        "lead_s": begin - started,
        "cpu_ms": 1000 * cpu / count,
        "switches": switches / count,
        "rss_mb": memory,
        "server_ms": {name: 1000 * seconds / count for name, seconds in used.items()},
        "busy_percent": busy,
        "requests": requests_per(bed.audit, count),
    }


def measure_bare(bed, model, count, number):
    namespace = f"bare-{number}"
    bed.kube.create("namespaces", {"metadata": {"name": namespace}})
    bed.load_all(certificate_plan(namespace), names(count))
    found = [one["metadata"] for one in bed.certificates(namespace)]
    lines = [f"{one['name']} {one['uid']} {one['resourceVersion']}" for one in found]
    kubeconfig = bed.kube.service_account(NAMESPACE, ACCOUNT, 86400)
    audit = Audit(bed.kube.api_server, bed.user, "bench-load")
    servers, machine = bed.servers.cpu(), machine_cpu()
    bed.load_all(bare_plan(bed.kube, model, namespace), lines, WORKERS, kubeconfig)
    used, busy = bed.servers.since(servers), cores_busy(machine)
    audit.read()
    requests = requests_per(audit, count)
    begin = min(seconds_of(event["requestReceivedTimestamp"]) for event in audit.events)
    end = max(ended_at(event) for event in audit.events)
    for kind in (CERTIFICATES, REQUESTS, "secrets"):  # nobody shall take them for its own later
        bed.kube.request("DELETE", bed.kube.path(kind, namespace))
    return {
        "per_second": count / (end - begin),
        "server_ms": {name: 1000 * seconds / count for name, seconds in used.items()},
        "busy_percent": busy,
        "requests": requests,
    }


def measure_burst(bed, options):
    model = measure_model(bed, options.rounds)
    rounds = []
    for number in range(1, options.rounds + 1):
        say(f"burst, round {number}: {options.certificates} Certificates of a CA")
        ours = measure_ours(bed, options.certificates, number)
        say(f"burst, round {number}: the bare generator")
        rounds.append((ours, measure_bare(bed, model, options.certificates, number)))
    return {"count": options.certificates, "rounds": rounds, "workers": WORKERS}


# --- latency ---


def issue_one(bed, namespace, name, finished, controller):
    """A Certificate with a P-256 key, alone: until it is Ready."""
    one = manifests.certificate(name, [f"{name}.example.test"], "ca", namespace)
    bed.kube.create(CERTIFICATES, one, namespace)
    wait_until(lambda: finished.look() and name in finished.ends, 60, name, controller.child, every=0.02)


def latencies_ms(admin, finished, names_):
    """From the creation of each, which the audit log of the admin has, to its status."""
    admin.read()
    created = {event["objectRef"]["name"]: seconds_of(event["requestReceivedTimestamp"]) for event in admin.events if event["verb"] == "create"}
    return [1000 * (finished.ends[name] - created[name]) for name in names_]


def measure_latency(bed, options):
    say(f"latency: {options.latency} Certificates, one after the other")
    namespace, ones = bed.namespace("latency"), names(options.latency + 1, "one")
    admin = Audit(bed.kube.api_server, "admin", "certlet-test-bed")
    with bed.controller() as controller:
        controller.wait_to_lead()
        bed.audit.restart()
        admin.restart()
        finished = Finished(bed.audit)
        for name in ones:
            issue_one(bed, namespace, name, finished, controller)
            wait_for_quiet(bed.audit)
    bed.check_all_ready(namespace, len(ones))
    taken = latencies_ms(admin, finished, ones[1:])  # the first one opens connections
    return {"median_ms": statistics.median(taken), "worst_ms": max(taken), "count": options.latency}


# --- cert-manager's controllers in our place: what this machine makes of the same work ---


def last_status_writes(audit):
    """{name: when}: cert-manager writes the status of a Certificate several times until it is Ready."""
    return {event["objectRef"]["name"]: ended_at(event) for event in audit.events if is_status_write(event)}


def neighbour_burst(bed, neighbour, audit, count):
    namespace, process = "neighbour", Process(neighbour.child.pid)
    bed.load_all(certificate_plan(namespace), names(count))
    audit.restart()
    cpu, servers, started = process.cpu(), bed.servers.cpu(), time.time()
    bed.release_lease()
    wait_until(
        lambda: sum(map(is_true, bed.certificates(namespace))) == count, 60 + count, f"{count} Certificates", neighbour.child, every=2
    )
    wait_for_quiet(audit)
    used = bed.servers.since(servers)
    return {
        "count": count,
        "per_second": count / (max(last_status_writes(audit).values()) - started),
        "cpu_ms": 1000 * (process.cpu() - cpu) / count,
        "server_ms": {name: 1000 * seconds / count for name, seconds in used.items()},
        "requests": requests_per(audit, count),
    }


def neighbour_latency(bed, neighbour, audit, count):
    """After each the last write of its status, when nothing comes behind it."""
    namespace, ones = "neighbour", names(count + 1, "one")
    admin = Audit(bed.kube.api_server, "admin", "certlet-test-bed")
    for name in ones:
        bed.kube.create(CERTIFICATES, manifests.certificate(name, [f"{name}.example.test"], "ca", namespace), namespace)
        wait_ready(bed.kube, f"{CERTIFICATES}/{name}", namespace)
        wait_for_quiet(audit)
    admin.read()
    created = {event["objectRef"]["name"]: seconds_of(event["requestReceivedTimestamp"]) for event in admin.events if event["verb"] == "create"}
    ends = last_status_writes(audit)
    return statistics.median(1000 * (ends[name] - created[name]) for name in ones[1:])


def measure_neighbour(bed, options):
    """Its webhook and its cainjector are not there: less than an installation of it takes."""
    say(f"neighbour: cert-manager, {options.certificates} Certificates of a CA, and {options.latency} one after the other")
    bed.namespace("neighbour")
    with bed.controller() as controller:
        controller.wait_to_lead()
        wait_ready(bed.kube, "issuers.cert-manager.io/ca", "neighbour")
    audit = Audit(bed.kube.api_server, CertManager.user, "")
    bed.hold_lease()
    with CertManager(bed.scratch / "neighbour", bed.kube) as neighbour:
        found = neighbour_burst(bed, neighbour, audit, options.certificates)
        return {**found, "median_ms": neighbour_latency(bed, neighbour, audit, options.latency)}


# --- RSA ---

RSA = {"algorithm": "RSA", "size": 2048}


def key_seconds(keys):
    """What one RSA-2048 key takes a core, by openssl alone."""
    argv = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    before = os.times()
    for _ in range(keys):
        subprocess.run(argv, check=True, capture_output=True)
    return (os.times().children_user - before.children_user) / keys


def measure_rsa(bed, options):
    """A burst with RSA keys, and P-256 one after the other beside it. A few keys were made ahead."""
    count, namespace = options.rsa, bed.namespace("rsa")
    say(f"rsa: {count} Certificates with RSA-2048, and P-256 beside them")
    admin = Audit(bed.kube.api_server, "admin", "certlet-test-bed")
    with bed.controller() as controller:
        controller.wait_to_lead()
        process = Process(controller.child.pid)
        first = manifests.certificate("first", ["first.example.test"], "ca", namespace, privateKey=RSA)
        apply(bed.kube, first)
        wait_ready(bed.kube, f"{CERTIFICATES}/first", namespace)
        wait_until_settled(process, time.monotonic(), 120)
        bed.audit.restart()
        admin.restart()
        finished, cpu, machine, begin = Finished(bed.audit), process.cpu(), machine_cpu(), time.time()
        load = bed.load(certificate_plan(namespace, privateKey=RSA), names(count))
        beside = names(options.latency, "beside")
        for name in beside:
            issue_one(bed, namespace, name, finished, controller)
        finished.wait(count + len(beside), 60 + count, controller.child)
        busy, cpu, load = cores_busy(machine), process.cpu() - cpu, load.wait()
        bed.check_all_ready(namespace, count + len(beside) + 1)
    ends = sorted(finished.ends[name] - begin for name in names(count))
    return {
        "count": count,
        "per_second": count / ends[-1],
        "first_s": ends[0],
        "cpu_s": cpu / count,
        "busy_percent": busy,
        "key_s": key_seconds(options.rsa // 5),
        "beside": len(beside),
        "beside_ms": latencies_ms(admin, finished, beside),
    }


# --- ACME ---


def measure_acme(bed, options):
    count = options.acme
    say(f"acme: {count} Certificates from Pebble by DNS-01")
    bed.kube.create("namespaces", {"metadata": {"name": "acme"}})
    with contextlib.ExitStack() as stack:
        bind = stack.enter_context(Bind(bed.scratch / "bind", zones=("example.test",)))
        pebble = stack.enter_context(Pebble(bed.scratch / "pebble", dns=bind.address))
        solver = manifests.rfc2136_solver(bind)
        apply(bed.kube, manifests.tsig_secret(bind, namespace="acme"), manifests.issuer(pebble, [solver], namespace="acme"))
        controller = stack.enter_context(bed.controller(solver_flags(bind)))
        wait_ready(bed.kube, "issuers.cert-manager.io/acme", "acme")
        wait_for_quiet(bed.audit)
        process, servers = Process(controller.child.pid), bed.servers.cpu()
        others = {"Pebble": Process(pebble.child.pid), "BIND": Process(bind.child.pid)}
        before = {name: other.cpu() for name, other in others.items()}
        bed.audit.restart()
        cpu, machine, begin = process.cpu(), machine_cpu(), time.time()
        load = bed.load(certificate_plan("acme", "acme"), names(count))
        finished = Finished(bed.audit, times=2)
        finished.wait(count, 60 + count, controller.child)
        busy, load = cores_busy(machine), load.wait()
        wait_for_quiet(bed.audit)
        bed.check_all_ready("acme", count)
        used = {"certlet": process.cpu() - cpu, **bed.servers.since(servers)}
        used |= {name: other.cpu() - before[name] for name, other in others.items()}
        orders = pebble.new_orders()
    return {
        "count": count,
        "per_second": count / (finished.at[-1] - begin),
        "cpu_ms": {name: 1000 * seconds / count for name, seconds in used.items()},
        "busy_percent": busy,
        "orders": orders,
        "requests": requests_per(bed.audit, count),
    }


# --- scale ---


def rates_of(at, begin, parts=10):
    """Certificates per second, part by part."""
    step = len(at) // parts
    marks = [begin, *sorted(at)[step - 1 :: step]]
    return [step / (later - sooner) for sooner, later in zip(marks, marks[1:])]


def scrape(controller):
    """(seconds, bytes) of /metrics as Prometheus reads it."""
    connection = http.client.HTTPConnection("127.0.0.1", int(controller.metrics_port), timeout=60)
    with contextlib.closing(connection):
        began = time.monotonic()
        connection.request("GET", "/metrics")
        size = len(connection.getresponse().read())
        return time.monotonic() - began, size


def measure_creating(bed, controller, namespace, count, limit):
    finished = Finished(bed.audit)
    process, servers, cpu = Process(controller.child.pid), bed.servers.cpu(), 0
    cpu, begin = process.cpu(), time.time()
    load = bed.load(certificate_plan(namespace), names(count), limit=(namespace, limit))
    finished.wait(count, 120 + count * 0.2, controller.child)
    if load.wait() != 0:
        raise SystemExit("hack/bench: bench_load failed")
    used = {"certlet": process.cpu() - cpu, **bed.servers.since(servers)}
    rates = rates_of(finished.at, begin)
    return {
        "rates": rates,
        "per_second": count / (max(finished.at) - begin),
        "cpu_ms": {name: 1000 * seconds / count for name, seconds in used.items()},
    }


def measure_restart(bed, controller, namespace):
    """The process on a control plane that has it all already."""
    controller.stop()
    servers, began = bed.servers.cpu(), time.monotonic()
    controller.start()
    process = Process(controller.child.pid)
    ready, cpu, used = time.monotonic() - began, process.cpu(), bed.servers.since(servers)
    bed.audit.restart()
    created = time.time()
    finished = Finished(bed.audit)
    one = manifests.certificate("after-restart", ["after.example.test"], "ca", namespace)
    bed.kube.create(CERTIFICATES, one, namespace)
    finished.wait(1, 60, controller.child)
    figures = {
        "ready_s": ready,
        "ready_cpu_s": cpu,
        "server_cpu_s": used,
        "new_object_s": finished.at[0] - created,
        "settled_s": wait_until_settled(process, began, 120),
        "settled_cpu_s": process.cpu(),
    }
    wait_for_quiet(bed.audit)
    written = [event for event in bed.audit.events if event["verb"] in WRITES and is_ours_to_count(event)]
    return {**figures, "writes": len(written) - 5}  # of the new Certificate


def measure_scale(bed, options):
    count = options.scale
    namespace = bed.namespace("scale")
    bed.kube.create("namespaces", {"metadata": {"name": "foreign"}})
    with bed.controller() as controller:
        controller.wait_to_lead()
        process = Process(controller.child.pid)
        figures = {"count": count, "rss_empty_mb": process.memory("VmRSS"), "hwm_empty_mb": process.memory("VmHWM")}
        say(f"scale: {count} foreign Secrets")
        bed.load_all(foreign_secret_plan("foreign"), names(count, "foreign"))
        say(f"scale: {count} Certificates, {options.open} open")
        bed.audit.restart()
        figures["creating"] = measure_creating(bed, controller, namespace, count, options.open)
        bed.check_all_ready(namespace, count)
        wait_for_quiet(bed.audit, 120)
        figures["requests"] = requests_per(bed.audit, count)
        figures["hwm_creating_mb"] = process.memory("VmHWM")
        say(f"scale: {options.idle_seconds} s of rest")
        bed.audit.restart()
        figures["idle"] = measure_idle(process, options.idle_seconds)
        bed.audit.read()
        figures["idle_requests"] = dict(collections.Counter(f"{e['verb']} {resource_of(e)}" for e in bed.audit.events))
        figures["scrapes"] = [scrape(controller) for _ in range(3)]
        figures["hwm_scraped_mb"] = process.memory("VmHWM")
        say("scale: restart")
        figures["restart"] = measure_restart(bed, controller, namespace)
        process = Process(controller.child.pid)
        figures["hwm_restart_mb"] = process.memory("VmHWM")
        figures["idle_restart"] = measure_idle(process, options.idle_seconds)
    return figures


# --- fail-over ---


def token_id(kubeconfig):
    """As the audit log names the token in a kubeconfig file."""
    token = re.search(r"token: (\S+)", pathlib.Path(kubeconfig).read_text())[1]
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]


def is_by(event, token):
    return any(token in value for value in event["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", []))


class Stream:
    """Somebody who creates a Certificate every 100 ms."""

    def __init__(self, bed, namespace):
        self._bed, self._namespace, self._stop = bed, namespace, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def _run(self):
        while not self._stop.wait(0.1):
            one = manifests.certificate(f"stream-{self.count}", [f"s{self.count}.example.test"], "ca", self._namespace)
            self._bed.kube.create(CERTIFICATES, one, self._namespace)
            self.count += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def fail_over(bed, leader, standby, end):
    """Seconds until the one who stood by has made a Certificate Ready."""
    token = token_id(standby.kubeconfig)
    bed.audit.restart()
    began = time.time()
    end(leader)

    def next_ready():
        return next((event for event in bed.audit.read() if is_status_write(event) and is_by(event, token)), None)

    event = wait_until(next_ready, 60, "a Certificate from the new leader", standby.child, every=0.02)
    return ended_at(event) - began


def measure_failover(bed, options):
    namespace = bed.namespace("failover")
    figures = {"count": options.failover}
    with bed.controller(name="a") as leader, bed.controller(name="b") as standby:
        leader.wait_to_lead()
        with Stream(bed, namespace) as stream:
            for name, end in (("sigterm", Controller.interrupt), ("kill", lambda process: process.child.kill())):
                figures[name] = []
                for number in range(options.failover):
                    say(f"failover: {name} {number + 1}")
                    figures[name].append(fail_over(bed, leader, standby, end))
                    leader.stop()
                    leader.start()
                    leader, standby = standby, leader
        wait_until(
            lambda: all(is_true(one) for one in bed.certificates(namespace)), 60, "every Certificate Ready", every=0.5
        )
        bed.check_all_ready(namespace, stream.count)
        figures["certificates"] = stream.count
    return figures


# --- what is printed ---


def print_requests(requests, title):
    print(f"{title}\n")
    rows = []
    for (verb, resource, code), number in requests.items():
        rows.append([f"{verb} {resource}" + (f", answered {code}" if code else ""), f"{number:.3f}"])
    table(["request", "per Certificate"], rows)


def text_of_sums(requests):
    sums = sums_of(requests)
    return f"{sums['write']:.2f} + {sums['event']:.2f} + {sums['read']:.2f}"


def median_of(rounds, figure):
    return statistics.median(figure(one) for one in rounds)


def rows_of_burst(found):
    rounds = found["rounds"]
    ratios = sorted(ours["per_second"] / bare["per_second"] for ours, bare in rounds)
    ours = [one for one, _ in rounds]
    bare = [one for _, one in rounds]
    each = "; ".join(f"{o['per_second']:.0f} / {b['per_second']:.0f}" for o, b in rounds)
    return [
        [f"requests per Certificate, CA, {found['count']}: writes + events + reads", "4 + 1 + ≤ 1", text_of_sums(ours[-1]["requests"])],
        [f"Certificates/s, CA, ECDSA / bare generator ({found['workers']} workers each), round by round", "", each],
        ["  of the bare generator's (median)", "≥ 70 %", f"{100 * statistics.median(ratios):.0f} %"],
        ["our CPU per Certificate, CA, ECDSA, ms", "≤ 2.5", f"{median_of(ours, lambda r: r['cpu_ms']):.2f}"],
        ["  threads waited, times per Certificate; VmRSS at the end, MB", "", f"{median_of(ours, lambda r: r['switches']):.0f}; {median_of(ours, lambda r: r['rss_mb']):.1f}"],
        ["API server CPU per Certificate, CA, ms", "≤ 13", f"{median_of(ours, lambda r: r['server_ms']['API server']):.1f}"],
        ["  the bare generator's, ms", "", f"{median_of(bare, lambda r: r['server_ms']['API server']):.1f}"],
        ["  cores of the machine that were busy, ours / bare", "", f"{ours[-1]['busy_percent']:.0f} % / {bare[-1]['busy_percent']:.0f} %"],
    ]


def rows_of_latency(found):
    text = f"{found['median_ms']:.1f} (worst {found['worst_ms']:.1f})"
    return [[f"one Certificate alone, creation to Ready, median of {found['count']}, ms", "≤ 20", text]]


def rows_of_neighbour(found):
    """The aims are shares of what cert-manager took where they were set: 24 and 54 ms of CPU, 75 ms."""
    return [
        ["cert-manager's controller in our place, without its webhook and cainjector, requests", "", text_of_sums(found["requests"])],
        [f"  Certificates/s, CA, {found['count']}", "", f"{found['per_second']:.1f}"],
        ["  its CPU per Certificate, ms (our aim is a tenth)", "", f"{found['cpu_ms']:.1f}"],
        ["  API server CPU per Certificate, ms (our aim is 0.24 of it)", "", f"{found['server_ms']['API server']:.1f}"],
        ["  one Certificate alone, to the last write of its status, median, ms (our aim is 0.27 of it)", "", f"{found['median_ms']:.0f}"],
    ]


def rows_of_rsa(found):
    beside = f"{statistics.median(found['beside_ms']):.0f} (worst {max(found['beside_ms']):.0f})"
    return [
        [f"Certificates/s, CA, RSA-2048, {found['count']} (first one after, s)", "", f"{found['per_second']:.1f} ({found['first_s']:.2f})"],
        ["  an RSA-2048 key by openssl alone / our CPU per Certificate, s", "", f"{found['key_s']:.2f} / {found['cpu_s']:.2f}"],
        ["  cores of the machine that were busy", "all", f"{found['busy_percent']:.0f} %"],
        [f"  P-256 beside them, creation to Ready, median of {found['beside']}, ms", "", beside],
    ]


def rows_of_acme(found):
    cpu = ", ".join(f"{name} {ms:.1f}" for name, ms in found["cpu_ms"].items())
    return [
        [f"requests per Certificate, ACME DNS-01, {found['count']}: writes + events + reads", "≤ 16 + 5 + ≤ 1", text_of_sums(found["requests"])],
        ["Certificates/s, ACME DNS-01", "CA and DNS server", f"{found['per_second']:.1f}"],
        ["  CPU per Certificate, ms", "", cpu],
        ["  cores of the machine that were busy; orders at the CA", "", f"{found['busy_percent']:.0f} %; {found['orders']}"],
    ]


def rows_of_scale(found):
    creating, idle, restart = found["creating"], found["idle"], found["restart"]
    rates = creating["rates"]
    seconds, size = min(found["scrapes"])
    aims = (lambda aim: aim) if found["count"] == 10000 else (lambda aim: "")
    count = f"{found['count']:,}"
    after = found["idle_restart"]
    servers = ", ".join(f"{name} {cpu:.1f}" for name, cpu in restart["server_cpu_s"].items())
    return [
        [f"creating {count}: Certificates/s, mean (tenth by tenth)", "", f"{creating['per_second']:.0f} ({' '.join(f'{r:.0f}' for r in rates)})"],
        ["  rate at the end against the start (last and first fifth)", aims("≥ 0.9"), f"{sum(rates[-2:]) / sum(rates[:2]):.2f}"],
        ["  CPU per Certificate, creation included, ms", "", ", ".join(f"{n} {ms:.1f}" for n, ms in creating["cpu_ms"].items())],
        ["  requests per Certificate: writes + events + reads", "", text_of_sums(found["requests"])],
        [f"VmRSS after {count} Ready and {count} foreign Secrets, MB (heap and stacks)", aims("≤ 40"), f"{idle['rss_mb']:.1f} ({idle['rss_anon_mb']:.1f})"],
        ["  VmHWM of creating them / with a scrape, MB", "", f"{found['hwm_creating_mb']:.1f} / {found['hwm_scraped_mb']:.1f}"],
        ["  of a process started on them: VmRSS after a minute (heap) / VmHWM, MB", aims("≤ 40"), f"{after['rss_mb']:.1f} ({after['rss_anon_mb']:.1f}) / {found['hwm_restart_mb']:.1f}"],
        ["  of an empty one, VmRSS, MB", "", f"{found['rss_empty_mb']:.1f}"],
        ["restart to all in sync, our CPU, s", aims("≤ 3"), f"{restart['ready_cpu_s']:.2f}"],
        ["  wall time to /readyz, s; CPU of the servers in it, s", "", f"{restart['ready_s']:.2f}; {servers}"],
        ["  until a new Certificate is Ready, from then, s", "", f"{restart['new_object_s']:.2f}"],
        ["  everything looked at, s (our CPU, s); objects written", "", f"{restart['settled_s']:.2f} ({restart['settled_cpu_s']:.2f}); {restart['writes']}"],
        ["idle CPU, % of a core: first process / restarted", aims("≤ 0.1"), f"{idle['idle_percent']:.3f} / {after['idle_percent']:.3f}"],
        ["one scrape of /metrics, s; MB", aims("≤ 0.1"), f"{seconds:.3f}; {size / 1e6:.1f}"],
    ]


def rows_of_failover(found):
    def text(taken):
        return f"{statistics.median(taken):.2f} / {max(taken):.2f}"

    return [
        [f"fail-over, SIGTERM of the leader: median / worst of {found['count']}, s", "≤ 3", text(found["sigterm"])],
        [f"fail-over, kill -9 of the leader: median / worst of {found['count']}, s", "≤ 20", text(found["kill"])],
        ["  Certificates created meanwhile, all Ready", "", str(found["certificates"])],
    ]


ROWS = {
    "burst": rows_of_burst,
    "latency": rows_of_latency,
    "neighbour": rows_of_neighbour,
    "rsa": rows_of_rsa,
    "acme": rows_of_acme,
    "scale": rows_of_scale,
    "failover": rows_of_failover,
}
MEASURE = {
    "burst": measure_burst,
    "latency": measure_latency,
    "neighbour": measure_neighbour,
    "rsa": measure_rsa,
    "acme": measure_acme,
    "scale": measure_scale,
    "failover": measure_failover,
}


def print_figures(figures):
    rows = [row for part in PARTS if part in figures for row in ROWS[part](figures[part])]
    table(["figure", "aim", "measured"], rows)
    if "burst" in figures:
        print_requests(figures["burst"]["rounds"][-1][0]["requests"], "Requests, CA issuer:")
    if "acme" in figures:
        print_requests(figures["acme"]["requests"], "Requests, ACME DNS-01, one name:")


def as_json(value):
    """Keys that are tuples as text."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else " ".join(map(str, key)): as_json(one) for key, one in value.items()}
    return [as_json(one) for one in value] if isinstance(value, (list, tuple)) else value


# --- the command ---


def parts_of(text):
    parts = text.split(",")
    if not set(parts) <= set(PARTS):
        raise ValueError(text)
    return parts


def add_options(options):
    options.set_defaults(run=run_cluster)
    options.add_argument("--only", metavar="PART,...", type=parts_of, default=PARTS, help=f"of {', '.join(PARTS)}")
    options.add_argument("--certificates", metavar="N", type=int, default=500, help="Certificates of a burst (500)")
    options.add_argument("--rounds", metavar="N", type=int, default=3, help="bursts, in turns with the bare generator (3)")
    options.add_argument("--latency", metavar="N", type=int, default=20, help="Certificates, one by one (20)")
    options.add_argument("--rsa", metavar="N", type=int, default=100, help="Certificates with RSA keys (100)")
    options.add_argument("--acme", metavar="N", type=int, default=200, help="Certificates by DNS-01 (200)")
    options.add_argument("--scale", metavar="N", type=int, default=10000, help="Certificates and foreign Secrets (10,000)")
    options.add_argument("--open", metavar="N", type=int, default=500, help="of them not Ready at a time (500)")
    options.add_argument("--failover", metavar="N", type=int, default=10, help="times each (10)")
    options.add_argument("--kube", metavar="VERSION", help="of the API server")


def run_cluster(build, scratch, options):
    build_release(build, "bench_load")
    figures = {"conditions": conditions()}
    print_conditions(figures["conditions"])
    # What is counted at rest is not beside what the bursts have left.
    for number, parts in enumerate((PARTS[: PARTS.index("scale")], PARTS[PARTS.index("scale") :])):
        measure_on_one(build, scratch / f"bed-{number}", [part for part in parts if part in options.only], options, figures)
    print_figures(figures)
    return as_json(figures)


def measure_on_one(build, scratch, parts, options, figures):
    """These parts, one after the other, on a control plane of their own."""
    if not parts:
        return
    scratch.mkdir()
    versions = [options.kube] if options.kube else []
    with Kube(scratch / "kube", *versions) as kube:
        print(f"kube-apiserver {kube.version} with an audit log, etcd without fsync, on the same machine.\n", flush=True)
        install(kube)
        bed = Bed(build, scratch, kube)
        for part in parts:
            figures[part] = MEASURE[part](bed, options)
            say(f"{part}: {json.dumps(as_json(figures[part]))}")
