"""The operations on queues: their shape rules and kernels.

A queue lives on the device of its operation; every operation on it is colocated with it.  Its algorithm is in
`dflow/machines/queue`.  Enqueues, dequeues and closes may wait: they are attempts.
Source: data_flow_ops.cc of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import bool_, int32, string
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.ops.rules.arrays import single
from dflow.registry import KernelContext, define, no_gradient, op_def
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.specs import QueueSpec, TensorSpec

Reply = Callable[..., None]
Withdraw = Callable[[], None]


def _handle_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, string)


def _handle_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    context.resource_of(queue)
    handle = np.empty((), dtype=object)
    handle[()] = f"{context.device}/{queue.container}/{queue.name}".encode()
    return handle


def _enqueue_spec(*components: TensorSpec, queue: QueueSpec) -> tuple[TensorSpec, ...]:
    _check_components(queue, [component.shape for component in components])
    return ()


def _enqueue_many_spec(*components: TensorSpec, queue: QueueSpec) -> tuple[TensorSpec, ...]:
    batch: int | None = None
    for i, component in enumerate(components):
        if component.shape.ndims == 0:
            raise ShapeError(f"component {i} of enqueue_many needs a leading dimension, its shape is ()")
        size = component.shape[0]
        if size is not None and batch is not None and size != batch:
            raise ShapeError(f"the leading dimensions of the components differ: {batch} and {size}")
        batch = size if size is not None else batch
    _check_components(queue, [c.shape[1:] if c.shape else UNKNOWN_SHAPE for c in components])
    return ()


def _check_components(queue: QueueSpec, shapes: Sequence[TensorShape]) -> None:
    for i, (shape, expected) in enumerate(zip(shapes, queue.component_shapes, strict=True)):
        if not shape.is_compatible_with(expected):
            raise ShapeError(f"component {i} of queue {queue.name!r} is {expected}, the value is {shape}")


def _attempt(method: str) -> Callable[..., Withdraw]:
    def attempt(context: KernelContext, reply: Reply, *components: Any, queue: QueueSpec) -> Withdraw:
        withdraw: Withdraw = context.resource_of(queue).attempt(reply, method, tuple(np.asarray(c) for c in components))
        return withdraw

    return attempt


def _dequeue_spec(queue: QueueSpec) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(s, d) for s, d in zip(queue.component_shapes, queue.dtypes, strict=True))


def _dequeue_attempt(context: KernelContext, reply: Reply, queue: QueueSpec) -> Withdraw:
    withdraw: Withdraw = context.resource_of(queue).attempt(reply, "dequeue")
    return withdraw


def _dequeue_batch_spec(n: TensorSpec, queue: QueueSpec, size: int | None) -> tuple[TensorSpec, ...]:
    if not n.dtype.is_integer:
        raise TypeError(f"the number of elements is {n.dtype.name}, expected an integer")
    if not n.shape.is_compatible_with([1]):
        n.shape.with_rank(0)
    if queue.shapes is None:
        return tuple(TensorSpec(UNKNOWN_SHAPE, dtype) for dtype in queue.dtypes)
    leading = TensorShape([size])
    return tuple(TensorSpec(leading.concatenate(s), d) for s, d in zip(queue.shapes, queue.dtypes, strict=True))


def _dequeue_batch(method: str) -> Callable[..., Withdraw]:
    def attempt(context: KernelContext, reply: Reply, n: Any, queue: QueueSpec, size: int | None) -> Withdraw:
        n = single(n)
        if n.ndim:
            raise InvalidArgumentError(None, None, f"the number of elements is a scalar, got shape {np.shape(n)}")
        number = int(n)
        if number < 0:
            raise InvalidArgumentError(None, None, f"{method} requested {number} < 0 elements")
        withdraw: Withdraw = context.resource_of(queue).attempt(reply, method, number)
        return withdraw

    return attempt


def _close_spec(queue: QueueSpec, cancel_pending_enqueues: bool) -> tuple[TensorSpec, ...]:
    return ()


def _close_attempt(context: KernelContext, reply: Reply, queue: QueueSpec, cancel_pending_enqueues: bool) -> Withdraw:
    withdraw: Withdraw = context.resource_of(queue).attempt(reply, "close", cancel_pending_enqueues)
    return withdraw


def _size_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, int32)


def _size_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    return context.asarray(np.asarray(context.resource_of(queue).size, dtype=np.int32))


def _is_closed_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, bool_)


def _is_closed_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    return context.asarray(np.asarray(context.resource_of(queue).closed))


# A queue of `from_list`: the operation that a user builds is one of these for each queue of the list.


def of_list(kind: str) -> str:
    """The kind of operation that acts as `kind` if its first input, an index, is its own place in a list of queues.

    An operation that only reads the state of a queue always runs, and needs no index: it is `kind` itself.
    """
    return f"{kind}OfList" if op_def(kind).blocks else kind


def _of_list_spec(rule: Callable[..., tuple[TensorSpec, ...]], gives: bool) -> Callable[..., tuple[TensorSpec, ...]]:
    def spec(index: TensorSpec, *inputs: TensorSpec, place: int, count: int, **attrs: Any) -> tuple[TensorSpec, ...]:
        return rule(*inputs, **attrs) if gives else ()  # enqueued elements are for one queue, and may not fit this one

    return spec


def _of_list_attempt(kernel: Callable[..., Withdraw], gives: bool) -> Callable[..., Withdraw | None]:
    def attempt(
        context: KernelContext, reply: Reply, index: Any, *inputs: Any, place: int, count: int, **attrs: Any
    ) -> Withdraw | None:
        if _chosen(index, count) == place:
            return kernel(context, reply, *inputs, **attrs)
        reply(tuple(np.empty(0, dtype.numpy_dtype) for dtype in attrs["queue"].dtypes) if gives else None)
        return None

    return attempt


def _chosen(index: Any, count: int) -> int:
    if np.ndim(index) != 0:
        raise InvalidArgumentError(None, None, f"the index of a queue is a scalar, got shape {np.shape(index)}")
    place = int(index)
    if not 0 <= place < count:
        raise InvalidArgumentError(None, None, f"index {place} is not in [0, {count}), the queues of the list")
    return place


def _choose_spec(index: TensorSpec, *values: TensorSpec, count: int) -> tuple[TensorSpec, ...]:
    if not index.dtype.is_integer:
        raise TypeError(f"the index of a queue is {index.dtype.name}, expected an integer")
    index.shape.with_rank(0)
    size = len(values) // count
    specs = values[:size]
    for start in range(size, len(values), size):
        specs_of_queue = values[start : start + size]
        specs = tuple(
            TensorSpec(a.shape.relax_with(b.shape), a.dtype) for a, b in zip(specs, specs_of_queue, strict=True)
        )
    return specs


def _choose_kernel(index: Any, *values: Any, count: int) -> Any:
    place, size = _chosen(index, count), len(values) // count
    return values[place] if size == 1 else values[place * size : (place + 1) * size]


_NONE = no_gradient("a queue is state: its elements do not depend on this step's tensors")

for _kind in ("FIFOQueueV2", "PaddingFIFOQueueV2", "PriorityQueueV2", "RandomShuffleQueueV2"):
    define(_kind, spec=_handle_spec, kernel=_handle_kernel, gradient=_NONE, stateful=True, host_only=True)


def _define_attempt(
    kind: str, spec: Callable[..., tuple[TensorSpec, ...]], kernel: Callable[..., Withdraw], gives: bool = False
) -> None:
    """Define an operation that may wait, also for a list of queues.  gives: whether it has outputs, one a component."""
    define(kind, spec=spec, kernel=kernel, gradient=_NONE, blocks=True, host_only=True)
    spec, attempt = _of_list_spec(spec, gives), _of_list_attempt(kernel, gives)
    define(f"{kind}OfList", spec=spec, kernel=attempt, gradient=_NONE, blocks=True, host_only=True)


_define_attempt("QueueEnqueueV2", _enqueue_spec, _attempt("enqueue"))
_define_attempt("QueueEnqueueManyV2", _enqueue_many_spec, _attempt("enqueue_many"))
_define_attempt("QueueDequeueV2", _dequeue_spec, _dequeue_attempt, gives=True)
_define_attempt("QueueDequeueManyV2", _dequeue_batch_spec, _dequeue_batch("dequeue_many"), gives=True)
_define_attempt("QueueDequeueUpToV2", _dequeue_batch_spec, _dequeue_batch("dequeue_up_to"), gives=True)
_define_attempt("QueueCloseV2", _close_spec, _close_attempt)
define("QueueSizeV2", spec=_size_spec, kernel=_size_kernel, gradient=_NONE, stateful=True, host_only=True)
define("QueueIsClosedV2", spec=_is_closed_spec, kernel=_is_closed_kernel, gradient=_NONE, stateful=True, host_only=True)
define("QueueChoose", spec=_choose_spec, kernel=_choose_kernel, gradient=_NONE, host_only=True)
