"""Kills the program at random moments and counts what that has cost (test_600, hack/faults).

One story: a folder and a CA of its own, so many kills, and then one run to the end. Every third start
finds three certificates more to issue; the others go on with those. What was stored is looked at after
every kill, what was ordered and finalized is counted at the CA.
"""

import dataclasses
import random

from . import manifests
from .bed import Pebble
from .certlet import Certlet, solver_flags
from .files import serial_of
from .tally import KillTally, growth_of
from .troubled import quick_solver

TURNS_OF_A_GROUP = 3
MOST_LINES = 50  # of the log, from a start to the kill; an issuance of three certificates has more
HOOK = """#!/bin/sh
echo "$CERTLET_NAME $(openssl x509 -noout -serial -in "$CERTLET_PATH/tls.crt")" >>"{log}"
"""


@dataclasses.dataclass
class Tally(KillTally):
    cut_off: int = 0  # killed while the CA was asking our web server: it takes that for a failure
    unhooked: list = dataclasses.field(default_factory=list)  # no hook ran for what is stored

    @property
    def ordered_twice(self):
        return super().ordered_twice - self.cut_off

    def text(self):
        return (
            f"kills {self.kills}, certificates {self.certificates}, orders {self.orders}, "
            f"finalized {self.finalized}, cut off {self.cut_off}; lost {len(self.lost)}, "
            f"twice {max(self.twice, 0)}, not ready {len(self.unready)}, "
            f"without their hook {len(self.unhooked)}, records left {len(self.records)}"
        )

    def more_faults(self):
        return {"without their hook": self.unhooked}


class Story:
    def __init__(self, binary, folder, bind, pebble, dice):
        self.bind, self.pebble, self.dice = bind, pebble, dice
        self.hook_log = folder / "hooks.log"
        flags = solver_flags(bind, http01_port=pebble.http_port)
        self.program = Certlet(binary, folder / "dir", flags)
        self.program.write(
            "issuers.yaml",
            manifests.tsig_secret(bind),
            manifests.issuer(pebble, [manifests.rfc2136_solver(bind)], name="dns"),
            manifests.issuer(pebble, [quick_solver()], name="http"),
        )
        self.program.write_hook("10-note", HOOK.format(log=self.hook_log))
        self.names, self.stored = [], {}
        self.tally = Tally()

    def order(self, n):
        """Ask for three more. No name is below another: BIND's wildcard would not answer it."""
        asked = {
            f"a{n}": ([f"a{n}.example.test", f"*.a{n}.example.test"], "dns"),
            f"b{n}": ([f"b{n}.example.test"], "http"),
            f"c{n}": ([f"c{n}.example.test"], "dns"),
        }
        objects = [manifests.certificate(name, *spec) for name, spec in asked.items()]
        self.program.write(f"g{n}.yaml", *objects)
        self.names += asked

    def turn(self):
        """Start it, and kill it when its log has grown by some lines, or when all is stored."""
        has_grown = growth_of(self.program.log_file, self.dice.randrange(3, MOST_LINES))
        self.program.start("-v", "4")
        self.program.wait_until(
            lambda: has_grown() or not self.pending(), 120, "lines of the log", every=0.002
        )
        self.program.kill9()
        self.tally.kills += 1
        self.look()

    def pending(self):
        """Those that are under way. What was cut off waits for an hour, and the log has no word on it meanwhile."""
        without = [name for name in self.names if not self.program.certificate_pem(f"{name}-tls")]
        return [name for name in without if not self.has_failed(name)]

    def has_failed(self, name):
        if not (self.program.folder / "state.db").exists():
            return False
        found = self.program.object("Certificate", name) or {}
        return bool(found.get("status", {}).get("failedIssuanceAttempts"))

    def look(self):
        for name in self.names:
            pem = self.program.certificate_pem(f"{name}-tls")
            if pem != self.stored.get(name, pem):
                self.tally.lost.append(name)
            if pem:
                self.stored[name] = pem

    def rows(self):
        return {row["name"]: row for row in self.program.status()["certificates"]}

    def renew_cut_off(self):
        """What the CA could not ask while we were dead waits an hour for its next attempt: ask for it now."""
        names = [
            name
            for name, row in self.rows().items()
            if "acme:error:connection" in row.get("problem", "")
        ]
        if names:
            self.tally.cut_off += len(names)
            self.program.command("renew", "--dir", self.program.folder, *names)
        return names

    def run_to_the_end(self):
        done = self.program.run_once(seconds=240)
        if done.returncode != 0 and self.renew_cut_off():
            done = self.program.run_once(seconds=240)  # nobody kills it now, so once is enough
        return done

    def finish(self):
        done = self.run_to_the_end()
        self.look()
        rows = self.rows()
        noted = self.hook_log.read_text().splitlines() if self.hook_log.exists() else []
        self.tally.certificates = len(self.names)
        self.tally.orders = self.pebble.new_orders()
        self.tally.finalized = self.pebble.finalizes()
        self.tally.unready = [name for name in self.names if rows[name]["ready"] != "True"]
        self.tally.unhooked = [
            name
            for name in self.names
            if name in self.stored and f"{name} serial={serial_of(self.stored[name])}" not in noted
        ]
        hosts = [f"_acme-challenge.{name}.example.test" for name in self.names]
        self.tally.records = [host for host in hosts if self.bind.txt(host)]
        if done.returncode != 0:
            self.tally.unready.append(done.stderr[-2000:])
        return self.tally


def kill_at_random(binary, folder, bind, kills, seed):
    """One story of so many kills; its Tally."""
    with Pebble(folder / "pebble", dns=bind.address) as pebble:
        story = Story(binary, folder, bind, pebble, random.Random(seed))
        with story.program:
            for turn in range(kills):
                if turn % TURNS_OF_A_GROUP == 0:
                    story.order(turn // TURNS_OF_A_GROUP)
                story.turn()
            return story.finish()
