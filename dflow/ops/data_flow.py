"""Queues as operations: FIFOQueue and RandomShuffleQueue with their enqueues, dequeues and closes.

A queue lives on the device of its operation; every operation on it is colocated with it.  Its algorithm is in
`dflow/queues`; here is what a graph sees of it.  Enqueues, dequeues and closes may wait: they are attempts.
Source: data_flow_ops.QueueBase of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, bool_, int32, string
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.constants import constant_value
from dflow.ops.random import get_seed
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, as_shape
from dflow.specs import QueueSpec, TensorSpec

# -- the operations

Reply = Callable[..., None]
Withdraw = Callable[[], None]


def _handle_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, string)


def _handle_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    context.machine(queue)
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
    for i, (shape, wanted) in enumerate(zip(shapes, queue.shapes or (), strict=bool(queue.shapes))):
        if not shape.is_compatible_with(wanted):
            raise ShapeError(f"component {i} of queue {queue.name!r} is {wanted}, the value is {shape}")


def _attempt(method: str) -> Callable[..., Withdraw]:
    def attempt(context: KernelContext, reply: Reply, *components: Any, queue: QueueSpec) -> Withdraw:
        withdraw: Withdraw = context.machine(queue).attempt(reply, method, tuple(np.asarray(c) for c in components))
        return withdraw

    return attempt


_enqueue_attempt = _attempt("enqueue")
_enqueue_many_attempt = _attempt("enqueue_many")


def _component_shapes(queue: QueueSpec) -> tuple[TensorShape, ...]:
    return queue.shapes if queue.shapes is not None else (UNKNOWN_SHAPE,) * len(queue.dtypes)


def _dequeue_spec(queue: QueueSpec) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(s, d) for s, d in zip(_component_shapes(queue), queue.dtypes, strict=True))


def _dequeue_attempt(context: KernelContext, reply: Reply, queue: QueueSpec) -> Withdraw:
    withdraw: Withdraw = context.machine(queue).attempt(reply, "dequeue")
    return withdraw


def _dequeue_batch_spec(n: TensorSpec, queue: QueueSpec, size: int | None) -> tuple[TensorSpec, ...]:
    if not n.dtype.is_integer:
        raise TypeError(f"the number of elements is {n.dtype.name}, expected an integer")
    n.shape.with_rank(0)
    if queue.shapes is None:
        return tuple(TensorSpec(UNKNOWN_SHAPE, dtype) for dtype in queue.dtypes)
    leading = TensorShape([size])
    return tuple(TensorSpec(leading.concatenate(s), d) for s, d in zip(queue.shapes, queue.dtypes, strict=True))


def _dequeue_batch(method: str) -> Callable[..., Withdraw]:
    def attempt(context: KernelContext, reply: Reply, n: Any, queue: QueueSpec, size: int | None) -> Withdraw:
        if int(n) < 0:
            raise InvalidArgumentError(None, None, f"{method} requested {int(n)} < 0 elements")
        withdraw: Withdraw = context.machine(queue).attempt(reply, method, int(n))
        return withdraw

    return attempt


_dequeue_many_attempt = _dequeue_batch("dequeue_many")
_dequeue_up_to_attempt = _dequeue_batch("dequeue_up_to")


def _close_spec(queue: QueueSpec, cancel_pending_enqueues: bool) -> tuple[TensorSpec, ...]:
    return ()


def _close_attempt(context: KernelContext, reply: Reply, queue: QueueSpec, cancel_pending_enqueues: bool) -> Withdraw:
    withdraw: Withdraw = context.machine(queue).attempt(reply, "close", cancel_pending_enqueues)
    return withdraw


def _size_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, int32)


def _size_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    return context.asarray(np.asarray(context.machine(queue).size, dtype=np.int32))


def _is_closed_spec(queue: QueueSpec) -> TensorSpec:
    return TensorSpec(SCALAR, bool_)


def _is_closed_kernel(context: KernelContext, queue: QueueSpec) -> Any:
    return context.asarray(np.asarray(context.machine(queue).closed))


_NONE = no_gradient("a queue is state: what comes out of it does not depend on this step's tensors")

for _kind in ("FIFOQueueV2", "RandomShuffleQueueV2"):
    define(_kind, spec=_handle_spec, kernel=_handle_kernel, gradient=_NONE, stateful=True, host_only=True)
define("QueueEnqueueV2", spec=_enqueue_spec, kernel=_enqueue_attempt, gradient=_NONE, blocks=True, host_only=True)
define(
    "QueueEnqueueManyV2",
    spec=_enqueue_many_spec,
    kernel=_enqueue_many_attempt,
    gradient=_NONE,
    blocks=True,
    host_only=True,
)
define("QueueDequeueV2", spec=_dequeue_spec, kernel=_dequeue_attempt, gradient=_NONE, blocks=True, host_only=True)
define(
    "QueueDequeueManyV2",
    spec=_dequeue_batch_spec,
    kernel=_dequeue_many_attempt,
    gradient=_NONE,
    blocks=True,
    host_only=True,
)
define(
    "QueueDequeueUpToV2",
    spec=_dequeue_batch_spec,
    kernel=_dequeue_up_to_attempt,
    gradient=_NONE,
    blocks=True,
    host_only=True,
)
define("QueueCloseV2", spec=_close_spec, kernel=_close_attempt, gradient=_NONE, blocks=True, host_only=True)
define("QueueSizeV2", spec=_size_spec, kernel=_size_kernel, gradient=_NONE, stateful=True, host_only=True)
define("QueueIsClosedV2", spec=_is_closed_spec, kernel=_is_closed_kernel, gradient=_NONE, stateful=True, host_only=True)


# -- what a user builds with


class QueueBase:
    """A queue of tuples of tensors ("elements" of "components").  Made by its subclasses."""

    def __init__(self, kind: str, name: str, **spec: Any) -> None:
        graph = get_default_graph()
        node = graph.unique_name(name, mark_as_used=False)
        self._spec = QueueSpec(kind=kind, node=node, container=graph.scope.container, **spec)
        op = graph.create_op(f"{kind}V2", (), {"queue": self._spec}, name=name)
        self._op = op
        self._method_name = op.name.rpartition("/")[2]

    @property
    def queue_ref(self) -> Tensor:
        """The handle: running its operation creates or looks up the queue."""
        return self._op.outputs[0]

    @property
    def name(self) -> str:
        """The full name of the queue's operation."""
        return self._op.name

    @property
    def graph(self) -> Any:
        return self._op.graph

    @property
    def dtypes(self) -> list[DType]:
        return list(self._spec.dtypes)

    @property
    def shapes(self) -> list[TensorShape]:
        return list(_component_shapes(self._spec))

    @property
    def names(self) -> list[str] | None:
        return None if self._spec.names is None else list(self._spec.names)

    @property
    def spec(self) -> QueueSpec:
        return self._spec

    @property
    def op(self) -> Operation:
        return self._op

    def _as_graph_element(self) -> Tensor:
        return self.queue_ref

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Put in one element.

        vals: a value, a list with one per component, or, for a queue with names, a dict.  Waits while the queue is
        full.  CancelledError if the queue is closed; InvalidArgumentError for another shape than the queue's.
        """
        components = self._components(vals)
        return self._add("QueueEnqueueV2", components, name or f"{self._method_name}_enqueue")

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Put in the slices of `vals` along its first axis, in order.

        Puts in what fits and waits for room for the rest; no other enqueue comes between.  Errors as for `enqueue`.
        """
        components = self._components(vals)
        return self._add("QueueEnqueueManyV2", components, name or f"{self._method_name}_EnqueueMany")

    def dequeue(self, name: str | None = None) -> Any:
        """Take one element: a tensor, a list of tensors, or a dict for a queue with names.

        Waits while the queue is empty and open.  OutOfRangeError when it is closed and empty.
        """
        op = self._add("QueueDequeueV2", (), name or f"{self._method_name}_Dequeue")
        return self._given(op)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Take n elements, stacked on a new first axis: [n, *component shape].

        Takes them as they come and waits until it has n.  OutOfRangeError if the queue is closed and holds fewer;
        those taken go back to the front.  InvalidArgumentError for a queue without shapes.
        """
        return self._dequeue_batch("QueueDequeueManyV2", n, name or f"{self._method_name}_DequeueMany")

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Like `dequeue_many` while the queue is open; of a closed queue, what is left, if it is at least one."""
        return self._dequeue_batch("QueueDequeueUpToV2", n, name or f"{self._method_name}_DequeueUpTo")

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """Let no more elements in.

        Waits until the enqueues before it are done, unless `cancel_pending_enqueues`: then these fail with
        CancelledError and it takes effect at once.  CancelledError if the queue is closed already.
        """
        attrs = {"cancel_pending_enqueues": cancel_pending_enqueues}
        return self._add("QueueCloseV2", (), name or f"{self._method_name}_Close", **attrs)

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements stored now: a scalar int32."""
        return self._add("QueueSizeV2", (), name or f"{self._method_name}_Size").outputs[0]

    def is_closed(self, name: str | None = None) -> Tensor:
        """Has a close taken effect?  A scalar bool."""
        return self._add("QueueIsClosedV2", (), name or f"{self._method_name}_Is_Closed").outputs[0]

    def _add(self, kind: str, inputs: Sequence[Tensor], name: str, **attrs: Any) -> Operation:
        with self.graph.as_default(), self.graph.colocate_with(self._op):
            op: Operation = self.graph.create_op(kind, inputs, {"queue": self._spec, **attrs}, name=name)
        return op

    def _dequeue_batch(self, kind: str, n: Any, name: str) -> Any:
        number = n if isinstance(n, Tensor) else convert_to_tensor(n, int32, name=f"{name}/n")
        known = constant_value(number)
        if known is not None and known.ndim == 0 and int(known) < 0:
            raise ValueError(f"queue {self.name!r}: cannot dequeue {int(known)} elements")
        size = int(known) if known is not None and known.ndim == 0 and kind == "QueueDequeueManyV2" else None
        return self._given(self._add(kind, (number,), name, size=size))

    def _components(self, vals: Any) -> list[Tensor]:
        values = self._in_order(vals)
        if len(values) != len(self._spec.dtypes):
            raise ValueError(
                f"queue {self.name!r}: an element has {len(self._spec.dtypes)} components, got {len(values)} values"
            )
        with self.graph.as_default(), self.graph.name_scope(f"{self._method_name}_enqueue"):
            return [
                convert_to_tensor(value, dtype, name=f"component_{i}")
                for i, (value, dtype) in enumerate(zip(values, self._spec.dtypes, strict=True))
            ]

    def _in_order(self, vals: Any) -> list[Any]:
        names = self._spec.names
        if isinstance(vals, Mapping):
            if names is None:
                raise ValueError(f"queue {self.name!r} must have names to enqueue a dictionary")
            if set(names) != set(vals):
                raise ValueError(
                    f"Keys in dictionary to enqueue do not match names of Queue. Dictionary: {sorted(vals)}, "
                    f"Queue: {sorted(names)}"
                )
            return [vals[name] for name in names]
        if names is not None:
            raise ValueError(f"You must enqueue a dictionary in a Queue with names: {list(names)}")
        if len(self._spec.dtypes) == 1 and not (isinstance(vals, (list, tuple)) and len(vals) == 1):
            return [vals]
        return list(vals) if isinstance(vals, (list, tuple)) else [vals]

    def _given(self, op: Operation) -> Any:
        if self._spec.names is not None:
            return dict(zip(self._spec.names, op.outputs, strict=True))
        return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)


class FIFOQueue(QueueBase):
    """A queue whose elements leave in the order in which they came.

    capacity: elements, negative for no bound.  dtypes: one per component.  shapes: fully defined, one per component;
    without them elements may differ in shape and only `dequeue` works.  names: of the components; elements are dicts
    then.  shared_name: sessions that give the same one on the same device and container share the queue; without it
    the queue is private to its session.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        super().__init__("FIFOQueue", name, capacity=capacity, **_element(dtypes, shapes, names, shared_name))


class RandomShuffleQueue(QueueBase):
    """A queue whose elements leave in random order.

    min_after_dequeue: while the queue is open a dequeue leaves at least so many elements, to keep them mixed.
    seed: with the graph's seed; equal seeds and equal operations give equal orders; none at all: a new order each
    time.  The other arguments are those of `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        first, second = get_seed(seed)
        super().__init__(
            "RandomShuffleQueue",
            name,
            capacity=capacity,
            min_after_dequeue=min_after_dequeue,
            seed=(int(first or 0), int(second or 0)),
            **_element(dtypes, shapes, names, shared_name),
        )


def _element(dtypes: Any, shapes: Any, names: Any, shared_name: str | None) -> dict[str, Any]:
    """The arguments that all kinds share, as the spec has them."""
    types = tuple(as_dtype(d) for d in dtypes) if isinstance(dtypes, (list, tuple)) else (as_dtype(dtypes),)
    return {
        "dtypes": types,
        "shapes": _shapes(shapes, len(types)),
        "names": None if names is None else ((names,) if isinstance(names, str) else tuple(names)),
        "shared_name": shared_name or "",
    }


def _shapes(shapes: Any, components: int) -> tuple[TensorShape, ...] | None:
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        found = [shapes]
    elif not isinstance(shapes, (list, tuple)):
        raise TypeError(f"shapes must be None, a TensorShape, a list or a tuple, got {shapes!r}")
    elif all(isinstance(size, int) for size in shapes):  # one flat shape, such as () or (2, 3)
        found = [as_shape(shapes)] if components == 1 or shapes else []
    else:
        found = [as_shape(shape) for shape in shapes]
    if any(not shape.is_fully_defined() for shape in found):
        raise ValueError(f"all shapes must be fully defined: {[str(shape) for shape in found]}")
    return tuple(found)
