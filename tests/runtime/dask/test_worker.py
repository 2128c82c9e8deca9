"""The Dask task of a thread: what cancels it, and what is left of its error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dflow.errors import CancelledError, OpError, UnavailableError
from dflow.runtime.dask.worker import DflowWorker


@pytest.fixture
def plugin() -> DflowWorker:
    """That of a worker which runs the task "key"."""
    plugin: Any = DflowWorker()
    tasks = {"key": SimpleNamespace(state="executing")}
    plugin.worker = SimpleNamespace(get_current_task=lambda: "key", state=SimpleNamespace(tasks=tasks))
    plugin.tasks = {}
    return plugin  # type: ignore[no-any-return]


def test_a_task_is_cancelled_when_dask_takes_it_back_and_only_while_it_runs(plugin: DflowWorker) -> None:
    errors: list[OpError] = []
    with plugin.task(errors.append):
        plugin.transition("key", "executing", "memory")
        plugin.transition("other", "executing", "released")
        assert errors == []
        plugin.transition("key", "executing", "released")
    plugin.transition("key", "executing", "released")
    (error,) = errors
    assert isinstance(error, CancelledError)
    assert "'key'" in error.message


@pytest.mark.parametrize("state", ["released", "cancelled", "forgotten", None])
def test_a_task_that_dask_took_back_before_it_began_is_cancelled_at_once(
    plugin: DflowWorker, state: str | None
) -> None:
    tasks: Any = plugin.worker.state.tasks
    if state is None:
        tasks.clear()
    else:
        tasks["key"].state = state
    errors: list[OpError] = []
    with plugin.task(errors.append):
        assert len(errors) == 1


def test_an_error_of_dflow_is_kept_without_what_may_be_impossible_to_pickle(plugin: DflowWorker) -> None:
    with plugin.task(lambda error: None) as task:
        try:
            raise ValueError(plugin)
        except ValueError as cause:
            raise UnavailableError(None, None, "lost") from cause
    assert (type(task.failure), task.failure.message) == (UnavailableError, "lost")
    with pytest.raises(UnavailableError) as caught:
        raise task.failure
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert plugin.tasks == {}


def test_any_other_error_is_raised(plugin: DflowWorker) -> None:
    with pytest.raises(KeyError), plugin.task(lambda error: None):
        raise KeyError
    assert plugin.tasks == {}
