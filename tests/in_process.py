"""A Dask cluster whose scheduler and workers are objects of this process: `LocalCluster(processes=False)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import LocalCluster, Worker

import dflow as df

QUIET: dict[str, Any] = {
    "dashboard_address": None,
    "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},  # it has a port all the same: any, as others may run
    "silence_logs": False,  # to silence logs, Dask changes pytest's handlers
}
TASKS = ("/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1")


@contextmanager
def in_process_cluster() -> Iterator[LocalCluster]:
    """The tasks of `EmbeddedCluster(ps=1, workers=2)`; each task of the job "worker" has a virtual GPU, too."""
    with LocalCluster(n_workers=0, processes=False, **QUIET) as cluster:
        for name in TASKS:
            cluster.worker_spec[name] = {"cls": Worker, "options": cluster.new_spec["options"] | {"name": name}}
            with dask.config.set({"dflow.virtual-gpus": int(name.startswith("/job:worker"))}):
                cluster.sync(cluster._correct_state)
                df.Session(cluster.scheduler_address).close()  # gives the worker its devices
        yield cluster
