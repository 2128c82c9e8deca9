"""What a worker sends with its heartbeat, made up: for the tests of the dashboard."""

from __future__ import annotations

import math
import time
from typing import Any
from xml.etree import ElementTree

from distributed import Worker, WorkerPlugin

PS = "/job:ps/replica:0/task:0/device:CPU:0"
CPU = "/job:worker/replica:0/task:{}/device:CPU:0"
GPU = "/job:worker/replica:0/task:{}/device:GPU:0"


def queue(name: str = "q", **more: Any) -> dict[str, Any]:
    defaults = {"container": "", "device": PS, "kind": "FIFOQueue", "size": 3, "capacity": 10, "closed": False}
    return {"name": name, "enqueued": 0, "dequeued": 0, **defaults, **more}


def loop(id: str = "l", **more: Any) -> dict[str, Any]:
    defaults = {"session": "s1", "device": PS, "state": "running", "values": {}}
    return {"id": id, "name": id, "iterations": 0, "waiting_s": 0.0, "busy_s": 0.0, **defaults, **more}


def sent(time: float = 0.0, **parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A worker's metrics."""
    return {"cpu": 1.0, "dflow": {"time": time, **parts}}


def table_rows(html: str) -> list[dict[str, str]]:
    """The texts of a table by the titles of its columns; none if there is no table."""
    titles, *rows = [
        ["".join(cell.itertext()) for cell in row] for row in ElementTree.XML(f"<p>{html}</p>").iter("tr")
    ] or [[]]
    return [dict(zip(titles, row, strict=True)) for row in rows]


def busy_worker(task: int, seconds: float) -> dict[str, Any]:
    """A worker that has read, queued and trained for so many seconds: all of its numbers move."""
    gpu, cpu = GPU.format(task), CPU.format(task)
    wave = 0.5 + 0.45 * math.sin(seconds / (4 + task) + task)
    read, steps = int(2100 * seconds), int((30 + 10 * task) * seconds + 8 * math.sin(seconds / 3))
    loops = [
        loop(f"s1/read-{task}", name=f"input/read_{task}", device=cpu, iterations=read, values={}),
        loop(f"s1/train-{task}", name="train", device=gpu, iterations=steps, values={"loss": 1 / (1 + seconds)}),
    ]
    for each, share in zip(loops, (0.7, 0.2), strict=True):
        each["waiting_s"], each["busy_s"] = share * seconds, (1 - share) * seconds
    rows = {
        "queues": [
            queue("input/files", device=cpu, size=3, capacity=32, kind="FIFOQueue"),
            queue(
                "input/shuffle_batch/random_shuffle_queue",
                device=cpu,
                kind="RandomShuffleQueue",
                size=int(1000 * wave),
                capacity=1000,
                enqueued=read,
                dequeued=read - int(1000 * wave),
                waiting_dequeues=1,
            ),
        ],
        "loops": loops,
        "readers": [{"name": "TextLineReader", "device": cpu, "records": read, "files": 4}],
        "containers": [{"container": "", "device": gpu, "variables": 3, "bytes": 250_388}],
        "devices": [{"name": cpu, "virtual": False}, {"name": gpu, "virtual": True}],
    }
    return {"time": time.time(), **rows}


class BusyWorkers(WorkerPlugin):
    """Workers that report as if they were busy; number `task` is the worker's name."""

    name = "busy-workers"

    def setup(self, worker: Worker) -> None:
        start = time.monotonic()
        task = int(str(worker.name))
        worker.metrics["dflow"] = lambda _: busy_worker(task, time.monotonic() - start)
