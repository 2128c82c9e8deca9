"""Connects the Dask client of a session to its scheduler."""

from __future__ import annotations

import os

from distributed import Client
from distributed.comm import get_address_host, get_address_host_port

from dflow.cluster.scheduler import reach
from dflow.errors import DeadlineExceededError, NotFoundError, UnavailableError
from dflow.runtime.base import timeouts
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import Deadline
from dflow.runtime.dask.client import CLIENT


def connect_client(target: str, config: ConfigProto) -> Client:
    """A Dask client of the session's own, connected to the scheduler at `target`.

    Waits up to the session's `operation_timeout_in_ms`; without one, as long as Dask does.  NotFoundError for a target
    that is no address, UnavailableError if no scheduler answers, DeadlineExceededError at the time-out.
    """
    milliseconds = config.operation_timeout_in_ms
    seconds = milliseconds / 1000 or timeouts.SCHEDULER_ANSWER
    deadline = Deadline(milliseconds / 1000 or None)
    try:
        if not target.startswith("ucx://"):
            _check_address(target)  # a Client that cannot start to connect leaves threads and objects behind
            reach(target, seconds)  # a Client waits for ever if a listener gives no answer, or an unexpected one
        return Client(target, set_as_default=False, name=CLIENT, **({"timeout": seconds} if milliseconds else {}))
    except ValueError as error:
        fact = "No session factory registered for the given session options: "
        raise NotFoundError(None, None, f"{fact}{target!r} is no address of a Dask scheduler: {error}") from error
    except PermissionError as error:
        raise UnavailableError(None, None, f"no connection to the Dask scheduler at {target}: {error}") from error
    except OSError as error:
        reason = str(error) or f"nothing came within {seconds:.1f} s"
        if deadline.left() == 0.0 or (milliseconds and isinstance(error, TimeoutError)):
            fact = f"no Dask scheduler answered at {target} within {milliseconds} ms: {reason}"
            raise DeadlineExceededError(None, None, fact) from error
        raise UnavailableError(None, None, f"no Dask scheduler answers at {target}: {reason}") from error


def _check_address(target: str) -> None:
    """ValueError for a target that is no address; UnavailableError for a scheduler inside another process."""
    if not target.startswith("inproc://"):
        get_address_host_port(target)
        return
    _, pid, _ = target.removeprefix("inproc://").split("/")
    if int(pid) != os.getpid():
        fact = (
            f"the Dask scheduler at {target} is inside the process {pid}, and only that process reaches it; a cluster "
        )
        raise UnavailableError(
            None, None, f"{fact}that other processes use has a port: LocalCluster(), or LocalCluster(protocol='tcp')"
        )
    get_address_host(target)
