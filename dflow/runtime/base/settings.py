"""The settings of dflow, which are Dask's own: files, `DASK_DFLOW__LOOP_BATCHING=false`, `dask.config.set`.

docs/settings.md lists them for users.
"""

from __future__ import annotations

import dask
from dask.utils import parse_bytes


def virtual_gpus() -> int:
    """How many CPUs of a worker without a GPU, or of a local session, play one."""
    return int(dask.config.get("dflow.virtual-gpus", 0))


def loop_batching() -> bool:
    """May loops that read, compute and enqueue take many records at once?"""
    return bool(dask.config.get("dflow.loop-batching", True))


def prefetch() -> bool:
    """May loops take the next elements of a queue of another process while they compute?"""
    return bool(dask.config.get("dflow.prefetch", True))


def pipelined_enqueues() -> bool:
    """May loops go on while their elements are on their way to a queue of another process?"""
    return bool(dask.config.get("dflow.pipelined-enqueues", True))


def use_sockets() -> bool:
    """May messages between processes go over sockets of their own, beside Dask's connections?"""
    return bool(dask.config.get("dflow.sockets", True))


def hot_runs() -> bool:
    """Do later runs of a plan go straight to its devices?  If not, each is a Dask graph, as the first one is."""
    return bool(dask.config.get("dflow.hot-runs", True))


def kept_memory() -> int:
    """So many bytes of freed memory a worker, or a process with local sessions, keeps for its next arrays."""
    return int(parse_bytes(dask.config.get("dflow.kept-memory", "64 MiB")))
