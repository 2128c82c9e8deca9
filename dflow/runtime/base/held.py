"""Snapshots of the objects in a process: sessions, plans, steps, loops, calls, and messages that wait to be written.

`Process.held` makes a snapshot from those of its devices and channels.  `Backend.held` adds the rest of a session.
Snapshots are for tests, the dashboard and debugging.  This takes those of all workers of a cluster, with a Dask client:

    client.run(lambda dask_worker: dask_worker.plugins["dflow"].process.held())

A snapshot is plain data that can be pickled.  Each of its parts is read under a lock of its own, or under none, so the
parts of a busy process may belong to slightly different moments.
"""

from __future__ import annotations

from dataclasses import dataclass

from dflow.runtime.base.ids import StepId


@dataclass(frozen=True, slots=True)
class HeldByDevice:
    """Snapshot of one device executor."""

    sessions: tuple[str, ...]
    plans: tuple[tuple[str, int], ...]  # installed plans, each as its session and its number
    parts: tuple[StepId, ...]  # steps with a part that runs here
    early: tuple[StepId, ...]  # steps of which tensors arrived before their part started
    ended: int  # entries of ended steps and their owners, kept to refuse late tensors


@dataclass(frozen=True, slots=True)
class HeldByChannel:
    """Snapshot of one end of a channel."""

    link: str  # the class of the link, such as "SocketLink"; "" while the channel connects
    unacknowledged: int  # deliveries that the other process has neither accepted nor refused
    messages: int  # queued, or being written
    bytes: int  # the size of these messages


@dataclass(frozen=True, slots=True)
class Held:
    """Snapshot of one process."""

    sessions: tuple[str, ...]
    steps: tuple[StepId, ...]  # steps whose owner is in this process
    attempts: int  # steps that consist of one blocking operation, and wait in it
    loops: tuple[tuple[str, str], ...]  # session and name; also of ended loops that the dashboard still shows
    calls: int  # requests to other processes without an answer yet
    serving: int  # attempts of other processes on queues of this one
    devices: dict[str, HeldByDevice]  # by the name of the device
    channels: dict[str, HeldByChannel]  # by the peer

    def counts(self) -> dict[str, int]:
        """The number of objects of each kind that belong to sessions; all are 0 when no session uses the process."""
        devices, channels = self.devices.values(), self.channels.values()
        return {
            "sessions": len({*self.sessions, *(session for device in devices for session in device.sessions)}),
            "plans": sum(len(device.plans) for device in devices),
            "parts": sum(len(device.parts) for device in devices),
            "early": sum(len(device.early) for device in devices),
            "ended": sum(device.ended for device in devices),
            "steps": len(self.steps),
            "attempts": self.attempts,
            "loops": len(self.loops),
            "calls": self.calls,
            "serving": self.serving,
            "unacknowledged": sum(channel.unacknowledged for channel in channels),
        }


@dataclass(frozen=True, slots=True)
class HeldBySession:
    """Snapshot of one session in the process of its program; a local session has no Dask tasks and no actors."""

    process: Held
    loops: tuple[str, ...]  # names of its loops that have not ended
    hot: tuple[int, ...] = ()  # numbers of the plans whose next run needs no Dask task
    tasks: tuple[str, ...] = ()  # keys of its Dask tasks that have not ended
    actors: tuple[str, ...] = ()  # keys of the Dask actors of its queues, readers and containers
