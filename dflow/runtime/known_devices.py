"""The device table as the scheduler last gave it, and what the ends of lanes have said since.

Callers ask the scheduler from their threads while lanes end on the event loop, so an answer may be older than an end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from dflow.compile import DeviceInfo, DeviceTable


class KnownDevices:
    """Keeps the newest table; the end of a lane makes every table stale that was asked for before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: DeviceTable | None = None
        self._generation = 0
        self._gone: set[str] = set()  # addresses whose lane ended, until the scheduler says what became of them
        self._cut = 0  # lanes that ended though their worker lives: it has dropped our plans

    @property
    def table(self) -> DeviceTable | None:
        """None: ask the scheduler."""
        return self._table

    @property
    def generation(self) -> int:
        """Grows with each lane that ends; read it before you ask."""
        return self._generation

    def lane_closed(self, address: str) -> None:
        with self._lock:
            self._gone.add(address)
            self._generation += 1
            self._table = None

    def doubts(self, living: set[str]) -> bool:
        """Did a lane end to one of these workers, which the scheduler takes for living?"""
        with self._lock:
            return bool(living & self._gone)

    def keep(
        self, devices: Iterable[DeviceInfo], version: int, living: set[str], generation: int
    ) -> DeviceTable | None:
        """The table of an answer that was asked for in `generation`; None if a lane has ended since: ask again."""
        with self._lock:
            if generation != self._generation:
                return None
            self._cut += len(living & self._gone)
            self._gone.clear()
            table = DeviceTable(tuple(devices), version + self._cut)
            if self._table is None or table.version >= self._table.version:  # another thread may have a newer one
                self._table = table
            return self._table
