"""The settings of dflow, which are Dask's own: files, `DASK_DFLOW__FAST_LOOPS=false`, `dask.config.set`.

docs/settings.md lists them for users.
"""

from __future__ import annotations

import dask
from dask.utils import parse_bytes


def virtual_gpus() -> int:
    """The number of virtual GPUs of a worker without a GPU, or of a local session."""
    return int(dask.config.get("dflow.virtual-gpus", 0))


def fast_loops() -> bool:
    """Whether loops may prefetch, pipeline their enqueues, and make many iterations at once."""
    return bool(dask.config.get("dflow.fast-loops", True))


def use_sockets() -> bool:
    """Whether messages between processes may go over sockets of their own, beside Dask's connections."""
    return bool(dask.config.get("dflow.sockets", True))


def hot_runs() -> bool:
    """Whether later runs of a plan go straight to its devices.  If not, each is a Dask graph, as the first one is."""
    return bool(dask.config.get("dflow.hot-runs", True))


def kept_memory() -> int:
    """Bytes of freed memory that a worker, or a process with local sessions, keeps for its next arrays."""
    return int(parse_bytes(dask.config.get("dflow.kept-memory", "64 MiB")))
