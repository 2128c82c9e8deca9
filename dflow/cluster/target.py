"""The cluster that `dflow submit` runs a script on."""

from __future__ import annotations

import os
import uuid

TARGET_VARIABLE = "DFLOW_TARGET"  # `dflow submit` sets it for the script
SUBMISSION_VARIABLE = "DFLOW_SUBMISSION"  # likewise: how the names of the script's sessions begin


def target() -> str:
    """The scheduler's address, to be given to a session; "" if the script was started without `dflow submit`.

    `df.Session(df.cluster.target())` so runs on the cluster of `dflow submit`, and in this process under plain Python.
    """
    return os.environ.get(TARGET_VARIABLE, "")


def new_session() -> str:
    """A name for a session on a cluster; `is_of` tells those of one `dflow submit` from others."""
    return f"{os.environ.get(SUBMISSION_VARIABLE, 'session')}-{uuid.uuid4().hex[:8]}"


def new_submission() -> str:
    """A value for `SUBMISSION_VARIABLE` in the environment of the script of a `dflow submit`."""
    return f"session-{uuid.uuid4().hex[:8]}"


def is_of(session: str, submission: str) -> bool:
    """Whether the script of that `dflow submit`, or a process that the script started, began this session."""
    return session.startswith(f"{submission}-")
