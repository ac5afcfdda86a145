"""The real servers of the bed, in one place to import from."""

from .bind import Bind
from .kube import Kube
from .pebble import Pebble
from .server import BedError, reserve_port, wait_until

__all__ = ["BedError", "Bind", "Kube", "Pebble", "reserve_port", "wait_until"]
