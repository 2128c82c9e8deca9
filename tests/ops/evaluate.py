"""A small reference evaluator: walks the operations in the order of their creation and calls their kernels.

No placement, no segments, no threads: what it computes is what any other way of running the graph must compute.  It
also holds each value against the static shape and dtype that its operation promised.

    run = Evaluator()
    run(loss, {x: batch})                    # one value, or a list of values for a list of tensors
    Evaluator(to_device=strict)(loss)        # with the arrays of another namespace

State (variables) and random generators live as long as the evaluator: it is a device and a session.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dflow.dtypes import as_dtype, to_array
from dflow.errors import OpError, OpInfo
from dflow.graph import Operation, Tensor

DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"
PATIENCE = 30.0  # seconds that a blocking operation may take


class Context:
    """A kernel's context: the evaluator's dictionaries."""

    def __init__(self, owner: Evaluator, op: str) -> None:
        self.device = DEVICE
        self.op = op
        self.session = "session"
        self.xp = owner.xp
        self.cache: dict[int, tuple[Any, Any]] = {}
        self._owner = owner

    def asarray(self, value: Any) -> Any:
        return self._owner.to_device(value)

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._owner.resources:
            self._owner.resources[key] = make()
        return self._owner.resources[key]

    def per_session(self, make: Callable[[], Any]) -> Any:
        if self.op not in self._owner.per_session:
            self._owner.per_session[self.op] = make()
        return self._owner.per_session[self.op]

    def spawn(self, work: Callable[[], None]) -> None:
        work()

    def resource_of(self, spec: Any) -> Any:
        raise NotImplementedError("the reference evaluator has no queues and no readers")

    def dequeue_from(self, device: str, queue: Any, reply: Callable[..., None]) -> Callable[[], None]:
        raise NotImplementedError("the reference evaluator has no queues")


class Evaluator:
    """One device and one session.

    to_device: makes an array of the device of a NumPy array; None: NumPy's own arrays.
    to_host: makes a NumPy array of one of the device.  Then kinds that run on the host alone get NumPy arrays; None:
    they get arrays of the device, too.
    resources, per_session: what stateful kernels keep, by key and by operation.
    """

    def __init__(
        self,
        to_device: Callable[[Any], Any] | None = None,
        xp: Any = np,
        to_host: Callable[[Any], Any] | None = None,
    ) -> None:
        self.to_device = to_device or (lambda value: value)
        self.to_host = to_host
        self.xp = xp
        self.resources: dict[Any, Any] = {}
        self.per_session: dict[str, Any] = {}

    def __call__(self, fetches: Any, feeds: Mapping[Tensor, Any] | None = None) -> Any:
        """The values of `fetches`: a tensor, an operation (None), or a list of them."""
        values = {tensor: self.to_device(to_array(value, tensor.dtype)) for tensor, value in (feeds or {}).items()}
        items = list(fetches) if isinstance(fetches, (list, tuple)) else [fetches]
        with np.errstate(all="ignore"):
            for op in needed(items, values):
                for tensor, value in zip(op.outputs, self._outputs(op, values), strict=True):
                    values.setdefault(tensor, value)  # a fed output keeps what was fed
        found = [values[item] if isinstance(item, Tensor) else None for item in items]
        return found if isinstance(fetches, (list, tuple)) else found[0]

    def _outputs(self, op: Operation, values: Mapping[Tensor, Any]) -> tuple[Any, ...]:
        try:
            found = self._call(op, [values[tensor] for tensor in op.operands])
        except OpError as error:
            error.op = op
            raise error.placed(OpInfo(op.name, op.type, DEVICE, op.made_at)) from error.__cause__
        outputs = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        for tensor, value in zip(op.outputs, outputs, strict=True):
            check(tensor, value)
        return outputs

    def _call(self, op: Operation, inputs: list[Any]) -> Any:
        definition = op.definition
        context = (Context(self, op.name),) if definition.stateful else ()
        if self.to_host is not None and definition.host_only:
            inputs = [self.to_host(value) for value in inputs]
        if not definition.blocks:
            return definition.kernel(*context, *inputs, **op.attrs)
        replies: queue.Queue[Any] = queue.Queue()
        definition.kernel(*context, replies.put, *inputs, **op.attrs)
        answer = replies.get(timeout=PATIENCE)
        if isinstance(answer, BaseException):
            raise answer
        return tuple(answer or ())


def needed(fetches: Iterable[Any], fed: Iterable[Tensor] = ()) -> list[Operation]:
    """The operations that must run, in the order of their creation; nothing behind a fed tensor."""
    fed = set(fed)
    found: set[Operation] = set()
    pending = [item if isinstance(item, Operation) else item.op for item in fetches if item not in fed]
    while pending:
        op = pending.pop()
        if op in found:
            continue
        found.add(op)
        pending.extend(op.control_inputs)
        pending.extend(tensor.op for tensor in op.operands if tensor not in fed)
    return sorted(found, key=lambda op: op.index)


def check(tensor: Tensor, value: Any) -> None:
    """The value has the dtype, and a shape, that the operation promised."""
    place = f"{tensor.op.name} ({tensor.op.type})"
    assert hasattr(value, "shape"), f"{place} gave {value!r}, no array"
    assert tensor.shape.is_compatible_with(tuple(value.shape)), f"{place}: {value.shape} is not {tensor.shape}"
    name = dtype_name(value)
    assert name == tensor.dtype.name, f"{place}: its dtype is {name}, not {tensor.dtype.name}"


def dtype_name(value: Any) -> str:
    """The name of an array's dtype in any namespace."""
    if isinstance(value, (np.ndarray, np.generic)):
        return as_dtype(value.dtype).name
    return str(value.dtype).rpartition(".")[2]
