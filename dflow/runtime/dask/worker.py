"""The worker plugin: makes a worker's device executors, declares their names as Dask resources, accepts channels.

A plain `dask worker` or `dask-cuda-worker` needs no option of dflow: the scheduler extension (`extension.py`) adds the
plugin to every new worker, also to a restarted one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from distributed import Worker, get_worker
from distributed.comm import Comm, get_address_host
from distributed.diagnostics.plugin import WorkerPlugin

from dflow.errors import CancelledError, InternalError, OpError, UnavailableError
from dflow.runtime.base import settings, timeouts
from dflow.runtime.dask.client import event_loop, listen_context
from dflow.runtime.dask.leftovers import tidy_keys
from dflow.runtime.dask.naming import worker_name
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.device.own_devices import gpu_count, make_gpu_executor
from dflow.runtime.dispatch import handle
from dflow.runtime.step.graph_loop import start_loop
from dflow.runtime.step.process import Process
from dflow.runtime.threads.current_frames import make_current_frames_safe
from dflow.runtime.threads.malloc import keep_freed_memory
from dflow.runtime.transport.channel import CHANNEL_OP, Channel
from dflow.runtime.transport.handshake import is_encrypted
from dflow.runtime.transport.messages import PROTOCOL, Hello
from dflow.runtime.transport.versions import versions

logger = logging.getLogger("dflow.worker")

NAME = "dflow"
SHARE = 2.0**-20  # of a device's resource for one task: many segments and loops run on a device at once
TAKEN_BACK = ("released", "cancelled", "forgotten")  # states of a task that Dask does not want any more
SWITCH_INTERVAL = 0.0005  # seconds; at Python's 5 ms, one busy loop adds 5 ms to every wake-up of another thread


class DflowWorker(WorkerPlugin):
    """dflow's half on a worker."""

    name = NAME
    idempotent = True

    async def setup(self, worker: Worker) -> None:
        make_current_frames_safe()
        self.worker = worker
        self.process = Process(worker.address, self._open_channel, handle, start_loop)
        self.tasks: dict[Any, Any] = {}  # Dask key -> the function that cancels its task
        self._background: set[asyncio.Task[None]] = set()
        gpu = _own_gpu()
        virtual = 0 if gpu is not None else settings.virtual_gpus()
        name = worker_name(worker.name, worker.address, worker.nanny)
        answer = await worker.scheduler.dflow_join(
            worker=worker.address,
            name=name,
            incarnation=self.process.incarnation,
            host=get_address_host(worker.address),
            gpu=gpu,
            virtual_gpus=virtual,
            versions=versions(),
        )
        if "refused" in answer:
            logger.error("this worker has no device of dflow: %s", answer["refused"])
            return
        for device in answer["devices"]:
            self.process.add_executor(_make_executor(device, gpu))
        sys.setswitchinterval(SWITCH_INTERVAL)
        keep_freed_memory(settings.kept_memory())
        worker.handlers[CHANNEL_OP] = self.take_channel
        worker.metrics["dflow"] = self.report
        await worker.set_resources(**dict.fromkeys(answer["devices"], 1.0))
        await worker.scheduler.dflow_ready(name=name)

    async def teardown(self, worker: Worker) -> None:
        self.process.close()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Cancel a task of dflow that Dask takes back before its function has returned."""
        if start in ("executing", "long-running") and finish in TAKEN_BACK:
            cancel = self.tasks.pop(key, None)
            if cancel is not None:
                cancel(_taken_back(key))

    def current_key(self) -> Any:
        """The key of the Dask task that this thread runs."""
        return self.worker.get_current_task()

    def task(self, cancel: Callable[[OpError], None]) -> Task:
        """The context in which this thread runs its Dask task.

        cancel: called when Dask takes the task back; at once, if it already has.
        """
        return Task(self, cancel)

    # -- channels

    def _open_channel(self, process: Process, address: str) -> Channel:
        loop = event_loop(self.worker)
        channel = Channel(process, address)
        arguments = self.worker.security.get_connection_args("worker")
        heard = partial(self.worker.scheduler.dflow_heard, worker=address)

        def start() -> None:
            task = loop.create_task(channel.open(arguments, "", timeouts.CONNECT, heard))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

        loop.call_soon_threadsafe(start)
        return channel

    async def take_channel(self, comm: Comm, hello: Any) -> str:
        """The worker's handler of a new channel, which lasts as long as its comm.  Refuses other protocols."""
        first: Hello = hello.messages[0]
        if first.protocol != PROTOCOL:
            logger.error(
                "no channel for %s: it speaks protocol %s, this worker %s", first.peer, first.protocol, PROTOCOL
            )
            comm.abort()
            return "dont-reply"
        channel = Channel(self.process, first.peer)
        self.process.accepted(channel, first)
        await channel.accept(comm, first, listen_context(self.worker) if is_encrypted(comm) else None)
        return "dont-reply"

    # -- the dashboard

    def report(self, worker: Worker) -> dict[str, Any]:
        """The tables for the dashboard, which go to the scheduler with each heartbeat."""
        tidy_keys()
        rows: dict[str, Any] = {"time": time.time(), "queues": [], "readers": [], "containers": []}
        for executor in self.process.executors.values():
            for table, own_rows in executor.rows().items():
                rows[table] += own_rows
        rows["devices"] = [
            {"name": executor.name, "virtual": executor.virtual} for executor in self.process.executors.values()
        ]
        rows["loops"] = [loop.row(self.process.name) for loop in list(self.process.loops.values())]
        return rows


class Task:
    """The context of a Dask task in its thread.  An OpError ends its block; `failure` is a copy that can be pickled.

    Why it does not raise the copy: the error itself would be the context of the copy, and Dask pickles that, too.
    """

    failure: OpError

    def __init__(self, plugin: DflowWorker, cancel: Callable[[OpError], None]) -> None:
        self._plugin = plugin
        self._cancel = cancel
        self._key = plugin.current_key()

    def __enter__(self) -> Task:
        plugin, key = self._plugin, self._key
        plugin.tasks[key] = self._cancel
        task = plugin.worker.state.tasks.get(key)
        if task is None or task.state in TAKEN_BACK:
            self._cancel(_taken_back(key))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        self._plugin.tasks.pop(self._key, None)
        if isinstance(error, OpError):
            self.failure = error.portable()
            return True
        return False


def _taken_back(key: Any) -> CancelledError:
    return CancelledError(None, None, f"Dask took the task {key!r} back")


def _own_gpu() -> int | None:
    """The number of the GPU that this worker owns, as the driver counts; None if it has none.

    dask-cuda gives each worker a rotated CUDA_VISIBLE_DEVICES, whose first entry is its own.
    """
    if gpu_count() == 0:
        return None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return int(first) if first.isdigit() else 0


def _make_executor(name: str, gpu: int | None) -> DeviceExecutor:
    if "/device:GPU:" not in name:
        return DeviceExecutor(name)
    return make_gpu_executor(name, 0) if gpu is not None else DeviceExecutor(name, virtual=True)


def current_plugin() -> DflowWorker:
    """The plugin of the worker that this task runs on."""
    try:
        plugin = get_worker().plugins[NAME]
    except (ValueError, KeyError):
        raise UnavailableError(None, None, "this task of dflow runs on no worker of dflow") from None
    if not isinstance(plugin, DflowWorker):
        raise InternalError(None, None, f"the worker plugin {NAME!r} is {plugin!r}")
    return plugin
