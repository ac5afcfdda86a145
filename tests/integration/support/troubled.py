"""One certlet at work on many CAs at once, each of which does one thing wrong, and a good one."""

import concurrent.futures
import dataclasses
import json
import pathlib
import typing

from . import manifests
from .certlet import Certlet
from .fault_ca import FaultCA


def quick_solver():
    """HTTP-01 that asks the CA at once; FaultCA looks at nothing."""
    return manifests.http01_solver(wait="0s")


@dataclasses.dataclass
class Case:
    """A fault, and all of what must be said of it in `certlet status`."""

    endpoint: str
    kind: str
    says: tuple
    options: dict = dataclasses.field(default_factory=dict)
    times: typing.Optional[int] = None
    finalized: int = 0  # what the CA may have finalized in the end, after the fault began
    acme: dict = dataclasses.field(default_factory=dict)  # more of the Issuer
    scheme: str = "https"


class Troubled:
    """`cases` {name: Case}; with `issued_before` every certificate is there before the faults begin."""

    def __init__(self, binary, folder, cases, issued_before):
        self.folder, self.cases, self.issued_before = pathlib.Path(folder), cases, issued_before
        self.program = Certlet(
            binary, self.folder / "dir", ["--http01-listen", "127.0.0.1:0", "--v=1"]
        )
        self.cas, self.before, self.finalized_before = {}, {}, {}

    def name_of(self, case):
        return f"{case}.example.test"

    def start(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = pool.map(self._new_ca, [*self.cases, "good"])
            self.cas = dict(zip([*self.cases, "good"], made))
        self._write_all([])
        if self.issued_before:
            done = self.program.run_once(seconds=240)
            assert done.returncode == 0, done.stderr[-4000:]
            self.before = {case: self.pem(case) for case in self.cas}
            assert all(self.before.values())
        for name, case in self.cases.items():
            self.finalized_before[name] = self.cas[name].accepted("finalize")
            self.cas[name].fault(case.endpoint, case.kind, case.times, **case.options)
        self._write_all(["more"])
        self.program.start()
        self.program.wait_until((self.program.folder / "state.db").exists, 20, "the first start")

    def stop(self):
        """The program must still live, and end without a report of a sanitizer."""
        try:
            if self.program.is_running():
                self.program.stop()
        finally:
            for ca in self.cas.values():
                ca.stop()

    def pem(self, case):
        return self.program.certificate_pem(f"{case}-tls")

    def finalized(self, case):
        """Finalizations at the CA since the faults began."""
        return self.cas[case].accepted("finalize") - self.finalized_before[case]

    def row(self, case):
        return next(
            (one for one in self.program.status(case)["certificates"] if one["name"] == case), {}
        )

    def said(self, case):
        """Everything that `certlet status` says of a certificate and its issuer, as one text."""
        status = self.program.status(case)
        issuers = [one for one in status["issuers"] if one["name"] == case]
        return json.dumps(
            [status["certificates"], [one for one in issuers if one["ready"] != "True"]], indent=1
        )

    def wait_until_said(self, case, words, seconds=60):
        def is_said():
            text = self.said(case)
            return all(word in text for word in words) and text

        try:
            return self.program.wait_until(is_said, seconds, f"{words} in the status of '{case}'")
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- status:\n{self.said(case)}") from error

    def _new_ca(self, name):
        case = self.cases.get(name)
        ca = FaultCA(self.folder / f"ca-{name}", scheme=case.scheme if case else "https")
        ca.start()
        return ca

    def _write_all(self, prefixes):
        for name, ca in self.cas.items():
            case = self.cases.get(name)
            names = [self.name_of(name), *(f"{one}.{self.name_of(name)}" for one in prefixes)]
            issuer = manifests.issuer(
                ca, [quick_solver()], name=name, **(case.acme if case else {})
            )
            self.program.write(
                f"{name}.yaml", issuer, manifests.certificate(name, names, name)
            )
