"""The device table as the scheduler last gave it, and which channels have ended since.

Callers ask the scheduler from their threads while channels end on the event loop, so an answer may be older than such
an end.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable


class KnownDevices:
    """Keeps the newest table; the end of a channel makes every table stale that was asked for before it."""

    def __init__(self) -> None:
        self.table: DeviceTable | None = None  # None: ask the scheduler
        self.generation = 0  # grows with each channel that ends; read it before you ask
        self._lock = threading.Lock()
        self._incarnations: dict[str, str] = {}  # address -> the process there, as the newest table says
        self._gone: dict[str, str] = {}  # the same of channels that ended, until the scheduler says what became of them
        self._cuts: Counter[str] = Counter()  # address -> channels that ended though their worker lives

    def process_at(self, address: str) -> str:
        """The incarnation of a worker, as the newest table says; "" if that has none at this address."""
        return self._incarnations.get(address, "")

    def channel_closed(self, address: str) -> None:
        with self._lock:
            self._gone[address] = self.process_at(address)
            self.generation += 1
            self.table = None

    def doubts(self, devices: Iterable[DeviceInfo]) -> bool:
        """Whether a channel has ended to a process that the scheduler takes for living."""
        with self._lock:
            return any(map(self._was_cut, devices))

    def keep(
        self, devices: Iterable[DeviceInfo], version: int, generation: int, refused: Iterable[str] = ()
    ) -> DeviceTable | None:
        """The table of an answer that was asked for in `generation`; None if a channel has ended since: ask again."""
        found = tuple(devices)
        with self._lock:
            if generation != self.generation:
                return None
            self._cuts.update({device.address for device in found if self._was_cut(device)})
            self._gone.clear()
            here = tuple(replace(device, connection=self._cuts[device.address]) for device in found)
            table = DeviceTable(here, version + self._cuts.total(), tuple(refused))
            if self.table is None or table.version >= self.table.version:  # another thread may have a newer one
                self.table = table
                self._incarnations = {device.address: device.incarnation for device in here}
            return self.table

    def _was_cut(self, device: DeviceInfo) -> bool:
        """Under the lock."""
        return not device.lost and self._gone.get(device.address) == device.incarnation


def devices_in(answer: dict[str, Any]) -> list[DeviceInfo]:
    """The devices in the scheduler's answer."""
    starting = [
        DeviceInfo(name, worker["address"], starting=True)
        for worker in answer["starting"]
        for name in worker["devices"]
    ]
    coming = {device.name for device in starting}
    there = [
        DeviceInfo(
            name,
            member["address"],
            member["virtual"] and "GPU" in name,
            member["lost"],
            incarnation=member["incarnation"],
        )
        for member in answer["members"]
        for name in member["devices"]
        if name not in coming  # those of a worker that has come back
    ]
    return there + starting
