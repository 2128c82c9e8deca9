"""The cluster that `dflow submit` runs a script on."""

from __future__ import annotations

import os

TARGET_VARIABLE = "DFLOW_TARGET"  # `dflow submit` sets it for the script


def target() -> str:
    """The scheduler's address, to be given to a session; "" if the script was started without `dflow submit`.

    `df.Session(df.cluster.target())` so runs on the cluster of `dflow submit`, and in this process under plain Python.
    """
    return os.environ.get(TARGET_VARIABLE, "")
