"""Do client, scheduler and workers run the same software?  Compared once for each of them, and told in words."""

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
    """The software that all must share."""
    return {
        "dflow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "dask": dask.__version__,
        "distributed": distributed.__version__,
        "protocol": str(PROTOCOL),
    }


_told: set[tuple[str, str]] = set()  # whom we told of what already


def compare_versions(answer: Mapping[str, Any]) -> None:
    """Compare ours with those of the scheduler and of each worker.

    Another Python minor version, or another protocol of dflow, is a FailedPreconditionError; other differences are
    logged, once.
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
    said = ", ".join(f"{name} {theirs.get(name, 'none')} there, {mine[name]} here" for name in different)
    if "protocol" in different or _minor(theirs.get("python", "")) != _minor(mine["python"]):
        raise FailedPreconditionError(None, None, f"{who} cannot work with this program: {said}")
    if (who, said) not in _told:
        _told.add((who, said))
        logger.warning("%s has other versions: %s", who, said)


def _minor(version: str) -> str:
    """ "3.11.7" -> "3.11"."""
    return version.rpartition(".")[0]
