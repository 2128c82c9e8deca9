"""What went wrong with a segment's task, as the user reads it."""

from __future__ import annotations

from concurrent.futures import CancelledError as FutureCancelled
from types import SimpleNamespace

import pytest
from distributed.scheduler import KilledWorker

from dflow import errors
from dflow.compile import Segment
from dflow.runtime.dask.cold import _step_error

PS = "/job:ps/replica:0/task:0/device:CPU:0"
SEGMENT = Segment(0, PS, "queue_Dequeue", True, (), (), (), 0, (), (), None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KilledWorker("queue_Dequeue-1", SimpleNamespace(address="tcp://w"), 0), errors.UnavailableError),
        (FutureCancelled("queue_Dequeue-1"), errors.CancelledError),
    ],
)
def test_what_dask_says_of_a_task_is_told_with_the_operation_and_its_device(
    error: BaseException, kind: type[errors.OpError]
) -> None:
    found = _step_error(error, SEGMENT)
    assert type(found) is kind
    assert "'queue_Dequeue'" in str(found)
    assert PS in str(found)


def test_an_error_of_dflow_stays_as_it_is() -> None:
    error = errors.AbortedError(None, None, "reset")
    assert _step_error(error, SEGMENT) is error
