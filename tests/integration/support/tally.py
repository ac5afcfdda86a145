"""What tests that kill the program (kills.py, cluster_kills.py) have in common: when to do it, and what it has
cost."""

import dataclasses


@dataclasses.dataclass
class KillTally:
    """What a story, or many, came to. `orders` and `finalized` are the CA's numbers."""

    kills: int = 0
    certificates: int = 0
    orders: int = 0
    finalized: int = 0
    lost: list = dataclasses.field(default_factory=list)  # stored once, and then gone or another
    unready: list = dataclasses.field(default_factory=list)  # not issued in the end
    records: list = dataclasses.field(default_factory=list)  # TXT records that were left behind

    @property
    def twice(self):
        return self.finalized - self.certificates

    @property
    def ordered_twice(self):
        """None: the order whose answer died with us is found in the account's list, which Pebble has."""
        return self.orders - self.certificates

    def add(self, other):
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def faults(self):
        """{what: what was found} of all that must not be."""
        found = {
            "lost": self.lost,
            "not ready": self.unready,
            "records left": self.records,
            "finalized twice": max(self.twice, 0),
            "finalized never": max(-self.twice, 0),
            "ordered twice": max(self.ordered_twice, 0),
            **self.more_faults(),
        }
        return {what: value for what, value in found.items() if value}

    def more_faults(self):
        raise NotImplementedError


def growth_of(log, lines):
    """A function that says whether the file has got so many lines more by then."""
    size = log.stat().st_size if log.exists() else 0

    def has_grown():
        with open(log, "rb") as file:
            file.seek(size)
            return file.read().count(b"\n") >= lines

    return has_grown
