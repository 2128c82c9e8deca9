"""Partial runs: one step of a graph in several calls, which feed and fetch a part each.

Each call runs the operations that its fetches need and that no earlier call has run.  The session keeps what later
calls need of their results, and feeds it to them.
Source: tf.Session.partial_run_setup and partial_run of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Graph, Operation, Tensor
from dflow.runtime.session.fetches import Element

Run = Callable[[Sequence[Element], Mapping[Tensor, Any]], Sequence[Any]]  # fetches, feeds -> values

_VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}  # to be looked up again, so that a later call can assign to it


class PartialRun:
    """One step.  fetches, feeds: what its calls may fetch and feed, each once."""

    def __init__(self, graph: Graph, fetches: Iterable[Element], feeds: Iterable[Tensor]) -> None:
        self._graph = graph
        self._fetches, self._feeds = dict.fromkeys(fetches), set(feeds)
        self._fetched, self._fed = set[Element](), set[Tensor]()
        self._known: dict[Tensor, Any] = {}  # values: fed ones, and results for later calls
        self._lock = threading.Lock()
        if not self._fetches:
            raise InvalidArgumentError(None, None, "Must specify at least one target to fetch or execute.")

    def call(self, wanted: Sequence[Element], feeds: Mapping[Tensor, Any], run: Run) -> tuple[Sequence[Any], bool]:
        """The values of some fetches, and whether all fetches of the step have been fetched now."""
        with self._lock:
            _check(feeds, self._feeds, self._fed, "feed", "fed")
            _check(wanted, self._fetches, self._fetched, "fetch", "fetched")
            self._fed.update(feeds)
            self._known.update(feeds)
            if not wanted:
                return (), False
            now, used = self._needed(wanted, set())
            kept = self._kept(now, wanted)
            values = run([*wanted, *kept], {tensor: self._known[tensor] for tensor in used})
            self._known.update(zip(kept, values[len(wanted) :], strict=True))
            self._fetched.update(wanted)
            return values[: len(wanted)], len(self._fetched) == len(self._fetches)

    def _needed(self, wanted: Iterable[Element], done: set[Operation]) -> tuple[dict[Operation, None], list[Tensor]]:
        """The operations that some elements need, but for those in `done`; and the known values that they use."""
        operations, used = dict[Operation, None](), dict[Tensor, None]()
        waiting = list(wanted)
        while waiting:
            element = waiting.pop()
            if isinstance(element, Tensor) and element in self._known:
                used[element] = None
                continue
            op = element.op if isinstance(element, Tensor) else element
            if op not in operations and op not in done:
                operations[op] = None
                waiting += [*op.inputs, *op.control_inputs]
        return operations, list(used)

    def _kept(self, now: Mapping[Operation, None], wanted: Sequence[Element]) -> list[Tensor]:
        """The results of the operations that run now which later calls need."""
        left = [fetch for fetch in self._fetches if fetch not in self._fetched and fetch not in wanted]
        later, _ = self._needed(left, set(now))
        inputs = [tensor for op in later for tensor in op.inputs]
        tensors = [it for it in (*left, *inputs) if isinstance(it, Tensor) and it.op in now and it not in self._known]
        return [it for it in dict.fromkeys(tensors) if self._can_be_kept(it)]

    def _can_be_kept(self, tensor: Tensor) -> bool:
        graph = self._graph
        return tensor.op.type not in _VARIABLES and graph.is_feedable(tensor) and graph.is_fetchable(tensor)


def _check(given: Iterable[Element], allowed: Any, used: set[Any], what: str, done: str) -> None:
    for element in given:
        if element not in allowed:
            raise InvalidArgumentError(None, None, f"The {what} {element.name} was not specified in partial_run_setup.")
        if element in used:
            raise InvalidArgumentError(None, None, f"The {what} {element.name} has already been {done}.")


class PartialRuns:
    """The partial runs of a session that have not ended, by their handles."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._runs: dict[str, PartialRun] = {}

    def add(self, run: PartialRun, fetches: Iterable[Element]) -> str:
        """A new handle."""
        handle = f"{','.join(element.name for element in fetches)}/{next(self._numbers)}"
        self._runs[handle] = run
        return handle

    def find(self, handle: str) -> PartialRun:
        """InvalidArgumentError for a handle of none, and of one that has ended."""
        run = self._runs.get(handle)
        if run is None:
            raise InvalidArgumentError(None, None, "Must run 'setup' before performing partial runs!")
        return run

    def end(self, handle: str) -> None:
        self._runs.pop(handle, None)
