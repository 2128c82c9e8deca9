"""A session's cache of the device table: the newest one of the scheduler, until a channel to a worker ends.

Several threads ask the scheduler, and channels end on the event loop.  So an answer may be older than the end of a
channel.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable


class KnownDevices:
    """Keeps the newest table.  At the end of a channel, all tables that were requested before it are out of date."""

    def __init__(self) -> None:
        self.table: DeviceTable | None = None  # None: to be requested from the scheduler
        self.generation = 0  # grows with each channel that ends; read it before a request
        self._lock = threading.Lock()
        self._incarnations: dict[str, str] = {}  # address -> the process there, in the newest table
        self._gone: dict[str, str] = {}  # the same for ended channels, until the next table
        self._cuts: Counter[str] = Counter()  # address -> the number of ended channels of a living worker

    def process_at(self, address: str) -> str:
        """The incarnation of the worker at an address in the newest table; "" if there is none."""
        return self._incarnations.get(address, "")

    def channel_closed(self, address: str) -> None:
        with self._lock:
            self._gone[address] = self.process_at(address)
            self.generation += 1
            self.table = None

    def doubts(self, devices: Iterable[DeviceInfo]) -> bool:
        """Whether a channel has ended to a process that the scheduler counts as alive."""
        with self._lock:
            return any(map(self._was_cut, devices))

    def keep(
        self, devices: Iterable[DeviceInfo], version: int, generation: int, refused: Iterable[str] = ()
    ) -> DeviceTable | None:
        """Keep an answer to a request of `generation`.  Returns the newest table; None if a channel has ended since."""
        answer = tuple(devices)
        with self._lock:
            if generation != self.generation:
                return None
            self._cuts.update({device.address for device in answer if self._was_cut(device)})
            self._gone.clear()
            counted = tuple(replace(device, connection=self._cuts[device.address]) for device in answer)
            table = DeviceTable(counted, version + self._cuts.total(), tuple(refused))
            if self.table is None or table.version >= self.table.version:  # another thread may have a newer one
                self.table = table
                self._incarnations = {device.address: device.incarnation for device in counted}
            return self.table

    def _was_cut(self, device: DeviceInfo) -> bool:
        """Whether a channel to the device's living process has ended.  Under the lock."""
        return not device.lost and self._gone.get(device.address) == device.incarnation


def devices_in(answer: dict[str, Any]) -> list[DeviceInfo]:
    """The devices in the scheduler's answer."""
    starting = [
        DeviceInfo(name, worker["address"], starting=True)
        for worker in answer["starting"]
        for name in worker["devices"]
    ]
    starting_names = {device.name for device in starting}
    declared = [
        DeviceInfo(
            name,
            member["address"],
            member["virtual"] and "GPU" in name,
            member["lost"],
            incarnation=member["incarnation"],
        )
        for member in answer["members"]
        for name in member["devices"]
        if name not in starting_names  # a restarted worker has the same devices
    ]
    return declared + starting
