"""A small evaluator for tests: computes tensors on this machine, without a session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, get_default_graph


class Context:
    """What a stateful kernel gets."""

    device = "/job:localhost/replica:0/task:0/device:CPU:0"
    session = "test"

    def __init__(self, op: str, resources: dict[Any, Any], lock: Any, xp: Any) -> None:
        self.op = op
        self.xp = xp
        self.cache: dict[int, tuple[Any, Any]] = {}
        self._resources = resources
        self._lock = lock

    def asarray(self, value: Any) -> Any:
        return self.xp.asarray(value)

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._resources:
                self._resources[key] = make()
            return self._resources[key]

    def per_session(self, make: Callable[[], Any]) -> Any:
        return self.resource(self.op, make)


class Evaluator:
    """Keeps variables between runs, as a session does.  xp: the array namespace of its device."""

    def __init__(self, xp: Any = np) -> None:
        self.xp = xp
        self._resources: dict[Any, Any] = {}
        self._lock = threading.RLock()

    def run(self, fetches: Any, feed_dict: dict[Tensor, Any] | None = None) -> Any:
        """The values of `fetches`: a tensor, an operation or a list of them."""
        graph = get_default_graph()
        many = fetches if isinstance(fetches, (list, tuple)) else [fetches]
        elements = [graph.as_graph_element(item) for item in many]
        values: dict[Tensor, Any] = dict(feed_dict or {})
        for op in _needed([item.op if isinstance(item, Tensor) else item for item in elements], values):
            values.update(zip(op.outputs, self._compute(op, values), strict=True))
        found = [values[item] if isinstance(item, Tensor) else None for item in elements]
        return found if isinstance(fetches, (list, tuple)) else found[0]

    def _compute(self, op: Operation, values: dict[Tensor, Any]) -> list[Any]:
        arrays = [values[tensor] for tensor in op.operands]
        if op.definition.stateful:
            arrays.insert(0, Context(op.name, self._resources, self._lock, self.xp))
        result = op.definition.kernel(*arrays, **op.attrs)
        return [result] if len(op.outputs) == 1 else list(result if op.outputs else ())


def _needed(ops: list[Operation], fed: dict[Tensor, Any]) -> list[Operation]:
    """The operations that `ops` wait for, in an order in which they can run."""
    found: dict[Operation, None] = {}
    pending = [(op, False) for op in ops]
    while pending:
        op, ready = pending.pop()
        if op in found or (op.outputs and all(out in fed for out in op.outputs)):
            continue
        if ready:
            found[op] = None
            continue
        pending.append((op, True))
        pending.extend((tensor.op, False) for tensor in op.operands)
        pending.extend((control, False) for control in op.control_inputs)
    return list(found)
