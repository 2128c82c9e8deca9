"""Waits for workers that a run needs: Dask's scheduler knows them, but they have not declared their devices yet."""

from __future__ import annotations

import time
from collections.abc import Iterable

from dflow.compile import DeviceInfo, DeviceTable
from dflow.errors import UnavailableError
from dflow.runtime.base import timeouts
from dflow.runtime.base.deadline import Deadline, Patience


class AwaitedWorkers:
    """The workers that one run waits for.  It polls the table of devices, as Dask's scheduler sends no news of them."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._patience = Patience(deadline)
        self.workers: dict[str, str] = {}  # address of a worker -> a device that it will have
        self._pause = timeouts.WORKER_LOOK

    def all_there(self, starting: Iterable[DeviceInfo]) -> bool:
        """True if there is no worker to wait for.  Otherwise it waits a moment, and the caller looks again.

        starting: the devices that the run needs and that are not declared yet.
        DeadlineExceededError at the deadline, with the names of their workers.
        """
        self.workers = {device.address: device.name for device in starting}
        if not self.workers:
            return True
        self.look_up()
        left = self._deadline.left()
        time.sleep(self._pause if left is None else min(self._pause, left))
        self._pause = min(2 * self._pause, timeouts.WORKER_LONGEST_LOOK)
        return False

    def look_up(self) -> None:
        """DeadlineExceededError at the deadline, if there are workers to wait for."""
        if self.workers:
            workers = ", ".join(f"{address} with {device}" for address, device in self.workers.items())
            self._patience.check(f"the worker {workers}", "declare its devices")

    def check_there(self, table: DeviceTable) -> None:
        """UnavailableError if a worker that the run waited for is gone, or has no devices.

        For a run that cannot be placed without it.
        """
        addresses = {device.address for device in table.devices if not device.lost}
        for address, device in self.workers.items():
            if address not in addresses:
                refused = "".join(f"; {worker}" for worker in table.refused)
                fact = f"the worker {address}, which was to be {device}, was lost or refused before it declared it"
                raise UnavailableError(None, None, fact + refused)
