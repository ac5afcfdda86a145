"""Kills `certlet controller` and its API server at random moments and counts what that has cost
(test_923, hack/faults --cluster).

One story: a namespace and a CA of its own, so many Certificates in groups, so many kills, and then one run
to the end. Every version of every Secret is looked at as it is written; what was ordered and finalized is
counted at the CA.
"""

import base64
import dataclasses
import random

from .bed import Pebble, wait_until
from .certlet import solver_flags
from .controller import Controller
from .files import serial_of
from .resources import CHALLENGES
from .scene import Scene, Watcher, is_pair
from .tally import KillTally, growth_of

MOST_LINES = 80  # of the log, from a start to the kill
TURNS_OF_A_GROUP = 5
TURNS_OF_AN_API_SERVER = 10  # every so many turns it is killed, too


@dataclasses.dataclass
class ClusterTally(KillTally):
    api_kills: int = 0
    pairs: int = 0  # versions of Secrets that were looked at
    unequal: list = dataclasses.field(default_factory=list)  # a certificate with another's key
    challenges: list = dataclasses.field(default_factory=list)  # that were left behind

    def text(self):
        return (
            f"kills {self.kills} (and {self.api_kills} of the API server), certificates {self.certificates}, "
            f"orders {self.orders}, finalized {self.finalized}, pairs seen {self.pairs}; "
            f"lost {len(self.lost)}, twice {max(self.twice, 0)}, not a pair {len(self.unequal)}, "
            f"not ready {len(self.unready)}, Challenges left {len(self.challenges)}, "
            f"records left {len(self.records)}"
        )

    def more_faults(self):
        return {"not a pair": self.unequal, "Challenges left": self.challenges}


class ClusterStory:
    """Without leader election: one process at a time, and nobody waits 15 s for a dead one's Lease."""

    def __init__(self, binary, folder, kube, bind, pebble, namespace, dice):
        self.kube, self.bind, self.dice = kube, bind, dice
        self.tally, self.stored = ClusterTally(), {}
        self.scene = Scene(kube, bind, pebble, namespace)
        flags = [*solver_flags(bind), "--leader-elect=false", "-v=4"]
        self.program = Controller(binary, folder, kube, flags)
        self.program.is_ready = lambda: True  # a start may be killed before it is ready

    # --- what is stored ---

    def see(self, kind, secret):
        """Called for each version of a Secret."""
        metadata = secret["metadata"]
        if metadata["namespace"] != self.scene.namespace or secret["type"] != "kubernetes.io/tls":
            return
        self.tally.pairs += 1
        if kind == "DELETED":
            self.tally.lost.append(metadata["name"])
        elif not is_pair(secret["data"]):
            self.tally.unequal.append(metadata["name"])
        else:
            serial = serial_of(base64.b64decode(secret["data"]["tls.crt"]).decode("ascii"))
            if self.stored.setdefault(metadata["name"], serial) != serial:
                self.tally.lost.append(metadata["name"])

    def pending(self):
        return [name for name in self.scene.names if f"{name}-tls" not in self.stored]

    # --- turns ---

    def ask(self, count):
        """Every third one has a wildcard beside its name: two challenges."""
        first = len(self.scene.names)
        for number in range(first, first + count):
            name = f"c{number}"
            host = self.scene.host(name)
            self.scene.ask(name, dnsNames=[host, f"*.{host}"] if number % 3 == 0 else [host])

    def wait_lines(self):
        """Until the log has grown by some lines, or all is stored."""
        has_grown = growth_of(self.program.log_file, self.dice.randrange(3, MOST_LINES))
        wait_until(
            lambda: has_grown() or not self.pending(),
            180,
            "lines of the log",
            self.program.child,
            every=0.002,
        )

    def kill_api_server(self):
        self.kube.api_server.kill()
        self.kube.api_server.start()
        self.tally.api_kills += 1

    def turn(self, number):
        self.program.start()
        self.wait_lines()
        if number % TURNS_OF_AN_API_SERVER == TURNS_OF_AN_API_SERVER // 2:
            self.kill_api_server()
            self.wait_lines()
        self.program.kill()
        self.tally.kills += 1

    def finish(self):
        self.program.start()
        try:
            for name in self.scene.names:
                try:
                    self.scene.wait_ready(name, seconds=300)
                except AssertionError as error:
                    self.tally.unready.append(f"{name}: {error}")
            self.tally.lost += self.left(self.pending)  # ready, and yet never seen
            self.tally.challenges = self.left(lambda: self.scene.list(CHALLENGES))
            self.tally.records = self.left(self.scene.records)
        finally:
            self.program.stop()
        self.tally.certificates = len(self.scene.names)
        self.tally.orders, self.tally.finalized = self.scene.orders(), self.scene.finalizes()
        return self.tally

    @staticmethod
    def left(ask):
        try:
            wait_until(lambda: not ask(), 120, "everything to go", every=0.2)
        except AssertionError:
            return ask()
        return []

    def remove(self):
        self.scene.remove()
        wait_until(self.scene.is_gone, 180, "the namespace to go", every=0.2)


def kill_controller_at_random(binary, folder, kube, bind, kills, certificates, seed):
    """One story in a control plane in which all of deploy/ is installed; its ClusterTally."""
    with Pebble(folder / "pebble", dns=bind.address) as pebble:
        story = ClusterStory(
            binary, folder / "controller", kube, bind, pebble, f"kills-{seed}", random.Random(seed)
        )
        with Watcher(kube, "secrets", story.see):
            for turn in range(kills):
                if turn % TURNS_OF_A_GROUP == 0:
                    end = min(turn + TURNS_OF_A_GROUP, kills)
                    story.ask(certificates * end // kills - certificates * turn // kills)
                story.turn(turn)
            tally = story.finish()
        story.remove()
        return tally
