"""What the tests of failures share: a look into the workers, a shared queue, client processes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
from distributed import Client

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from dflow.runtime.transport.channel import Channel

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # what runs on the workers

PS = "/job:ps/task:0/cpu:0"
W0 = "/job:worker/task:0/cpu:0"
W1 = "/job:worker/task:1/cpu:0"
PATIENCE = 40.0  # seconds; what these tests wait for takes milliseconds, or a worker's restart


def eventually(condition: Callable[[], Any], what: Callable[[], Any] = lambda: "", timeout: float = PATIENCE) -> Any:
    """Wait until `condition()` is true, and give what it gave."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s; {what()}"
        time.sleep(0.01)
    return found


def inside(dask_worker: Any) -> dict[str, Any]:
    """What dflow holds on a worker."""
    plugin = dask_worker.plugins["dflow"]
    executors = plugin.process.executors.values()
    return {
        **plugin.process.held().counts(),
        "tasks": len(plugin.tasks),
        "queues": {row["name"]: row for executor in executors for row in executor.rows()["queues"]},
    }


def quick_cluster(ps: int = 1, workers: int = 1, virtual_gpus: int = 0, **options: Any) -> EmbeddedCluster:
    """A cluster that starts and ends fast: its workers have no Nanny and no dashboard, and are killed at its end."""
    defaults: dict[str, Any] = {"nanny": False, "worker_dashboards": False, "grace": 0.0}
    return EmbeddedCluster(ps, workers, virtual_gpus, **{**defaults, **options})


class Look:
    """A look into a cluster, by a Dask client that is no session."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.client = Client(cluster.scheduler_address, set_as_default=False)

    def inside(self) -> dict[str, dict[str, Any]]:
        """What dflow holds on each worker, by the worker's name.  A worker that is dying is left out."""
        names = {address: row["name"] for address, row in self.workers().items()}
        found = self.client.run(inside, on_error="return")
        return {names[a]: held for a, held in found.items() if a in names and isinstance(held, dict)}

    def workers(self) -> dict[str, Any]:
        """What the scheduler says of its workers, by address."""
        found: dict[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        return found

    def queue(self, name: str) -> dict[str, Any]:
        """The counts of a queue; {} if there is none."""
        return next((held["queues"][name] for held in self.inside().values() if name in held["queues"]), {})

    def waits(self, name: str, dequeues: int = 1) -> None:
        """Return when so many dequeues wait at a queue."""
        eventually(lambda: self.queue(name).get("waiting_dequeues") == dequeues, lambda: self.queue(name))

    def delivers(self, name: str) -> None:
        """Return when a queue has handed out all it had, and waits to hear that it arrived."""

        def delivers() -> bool:
            inside = self.inside().values()
            sizes = [held["queues"][name]["size"] for held in inside if name in held["queues"]]
            return sizes == [0] and any(held["unacknowledged"] for held in inside)

        eventually(delivers, self.inside)

    def needs_no_acknowledgement(self) -> None:
        """Return when all that was handed out is acknowledged, or back in its queue."""
        eventually(lambda: not any(held["unacknowledged"] for held in self.inside().values()), self.inside)

    def is_empty(self) -> bool:
        """Is nothing left of any session?"""
        found = self.inside()
        return not any(count for held in found.values() for key, count in held.items() if key != "queues")

    def tasks(self, *states: str) -> list[str]:
        """The keys of tasks in these states (all by default) at the scheduler, but for actors."""

        def found(dask_scheduler: Any, states: tuple[str, ...]) -> list[str]:
            tasks = dask_scheduler.tasks.values()
            return [f"{t.state} {t.key}" for t in tasks if not t.actor and (not states or t.state in states)]

        keys: list[str] = self.client.run_on_scheduler(found, states=states)
        return keys

    def process_of(self, name: str) -> psutil.Process:
        """A worker's process."""
        return self.cluster.worker_process(name)

    def returns(self, name: str, before: str) -> None:
        """Return when a worker is there again at another address."""
        eventually(lambda: any(row["name"] == name and a != before for a, row in self.workers().items()), self.workers)

    def address(self, name: str) -> str:
        """Of a worker, as soon as the scheduler knows it."""
        found = eventually(lambda: [a for a, row in self.workers().items() if row["name"] == name], self.workers)
        return str(found[0])


class Tap:
    """A shared queue, as a session of this process uses it."""

    def __init__(self, session: df.Session, name: str, device: str = PS, capacity: int = 100) -> None:
        self.session = session
        self.name = name
        with session.graph.as_default():
            self.queue = shared_queue(name, device, capacity)
            self.value = df.placeholder("float32", shape=[])
            self.enqueue = self.queue.enqueue([self.value])
            self.dequeue = self.queue.dequeue()
            self.count = self.queue.size()
            self.close = self.queue.close()

    def put(self, value: float, timeout: float = PATIENCE) -> None:
        self.session.run(self.enqueue, {self.value: value}, options=limit(timeout))

    def take(self, timeout: float = PATIENCE) -> float:
        return float(self.session.run(self.dequeue, options=limit(timeout)))

    def size(self) -> int:
        return int(self.session.run(self.count))


def shared_queue(name: str, device: str = PS, capacity: int = 100) -> df.FIFOQueue:
    with df.device(device):
        return df.FIFOQueue(capacity, ["float32"], shapes=[[]], shared_name=name)


def limit(seconds: float) -> df.RunOptions:
    return df.RunOptions(timeout_in_ms=int(1000 * seconds))


def stop(process: psutil.Process) -> None:
    """Let a process stand still; returns when it does, which the signal alone does not wait for."""
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)


def all_end(processes: list[psutil.Process]) -> None:
    """Return when no process runs any more, whether or not the system's first process has heard of its end."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    eventually(lambda: not any(map(runs, processes)), lambda: processes)


def shared_memory(processes: list[psutil.Process]) -> list[Path]:
    """The files in /dev/shm that processes use, semaphores among them; [] on other systems than Linux."""
    if sys.platform != "linux":
        return []
    used = {Path(mapped.path) for process in processes for mapped in process.memory_maps()}
    return [path for path in used if path.parent == Path("/dev/shm")]


def be_slow(message: str, dask_worker: Any) -> None:
    """From now on the worker's messages of one kind take a while; of none, with another word."""
    send = getattr(Channel.send, "wrapped", Channel.send)

    def slowly(channel: Channel, sent: Any, *then: Any) -> None:
        if type(sent).__name__ == message:
            time.sleep(0.05)  # this is the fault, not a wait for something
        send(channel, sent, *then)

    slowly.wrapped = send  # type: ignore[attr-defined]
    Channel.send = slowly  # type: ignore[assignment, method-assign]


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """The process stands still in this block."""
    stop(process)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            self.outcome = call()
        except BaseException as error:
            self.outcome = error

    def result(self, timeout: float = PATIENCE) -> Any:
        """What the call gave or raised (as a value)."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"it did not end within {timeout} s"
        return self.outcome


class ClientProcess:
    """One client process; made by `Clients.start`."""

    def __init__(self) -> None:
        self.pid = 0
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def hears(self, words: str) -> str:
        """Wait for a line that starts with `words`, and give the rest of it."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            if line.startswith(words):
                return line[len(words) :].strip()
            assert not line.startswith("raised"), line

    def said(self) -> list[str]:
        """The lines that nobody has heard yet."""
        return [self._lines.get() for _ in range(self._lines.qsize())]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it has ended
            self.signal(signal.SIGKILL)


class Clients:
    """Starts client processes, each in some 10 ms."""

    def __init__(self, target: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("clients.py")), target]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(), text=True
        )
        self._new: queue.SimpleQueue[ClientProcess] = queue.SimpleQueue()
        self._all: dict[int, ClientProcess] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            pid, _, words = line.strip().partition(" ")
            if words == "started":
                self._all[int(pid)] = client = self._new.get()
                client.pid = int(pid)
            self._all[int(pid)]._lines.put(words)

    def start(self, program: str) -> ClientProcess:
        assert self._process.stdin is not None
        client = ClientProcess()
        self._new.put(client)
        self._process.stdin.write(json.dumps(program) + "\n")
        self._process.stdin.flush()
        client.hears("started")
        return client

    def kill_all(self) -> None:
        for client in self._all.values():
            client.kill()

    def close(self) -> None:
        self.kill_all()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._process.stdout.close()
