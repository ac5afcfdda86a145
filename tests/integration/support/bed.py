"""The real servers of the bed, in one place to import from."""

from .bind import Bind
from .pebble import Pebble
from .server import BedError, reserve_port, wait_until

__all__ = ["BedError", "Bind", "Pebble", "reserve_port", "wait_until"]
