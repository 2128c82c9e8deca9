"""A comparison of the software of client, scheduler and workers; differences are an error or a line in the log."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from typing import Any

import dask
import distributed
import numpy as np

from dflow.errors import FailedPreconditionError
from dflow.runtime.transport.messages import PROTOCOL
from dflow.version import __version__

logger = logging.getLogger("dflow.versions")


def versions() -> dict[str, str]:
    """The versions of the software that all processes must share."""
    return {
        "dflow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "dask": dask.__version__,
        "distributed": distributed.__version__,
        "protocol": str(PROTOCOL),
    }


_told: set[tuple[str, str]] = set()  # the processes and differences that were logged already


def compare_versions(answer: Mapping[str, Any]) -> None:
    """Compare the versions of this process with those of the scheduler and of each worker.

    FailedPreconditionError for another minor version of Python or another protocol of dflow.  Other differences are
    logged, once each.
    """
    _compare("the scheduler", answer["scheduler"])
    for member in answer["members"]:
        if not member["lost"]:
            _compare(f"worker {member['address']}", member["versions"])


def _compare(who: str, theirs: Mapping[str, str]) -> None:
    mine = versions()
    different = [name for name in mine if theirs.get(name) != mine[name]]
    if not different:
        return
    listed = ", ".join(f"{name} {theirs.get(name, 'none')} there, {mine[name]} here" for name in different)
    if "protocol" in different or _minor(theirs.get("python", "")) != _minor(mine["python"]):
        raise FailedPreconditionError(None, None, f"{who} cannot work with this program: {listed}")
    if (who, listed) not in _told:
        _told.add((who, listed))
        logger.warning("%s has other versions: %s", who, listed)


def _minor(version: str) -> str:
    """ "3.11.7" -> "3.11"."""
    return version.rpartition(".")[0]
