"""The base class of queues, with the methods that users call.

Source: data_flow_ops.QueueBase of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any

from dflow.dtypes import DType, int32
from dflow.graph import Operation, Tensor, convert_to_tensor, create_op
from dflow.ops.queues.operations import of_list
from dflow.ops.rules.static import constant_value
from dflow.registry import op_def
from dflow.specs import QueueSpec
from dflow.tensor_shape import TensorShape


class QueueBase:
    """A queue of tuples of tensors ("elements" of "components").  Made by its subclasses and by `from_list`.

    spec: its description; op: the operation whose output is its handle.
    """

    def __init__(self, spec: QueueSpec, op: Operation) -> None:
        self._spec = spec
        self._op = op
        self._method_name = op.name.rpartition("/")[2]

    @staticmethod
    def from_list(index: Any, queues: list[QueueBase]) -> QueueBase:
        """A queue whose operations act on `queues[index]`; a tensor `index` is evaluated by each run.

        The queues may be on different devices.  (Elements are sent to each of them.)
        InvalidArgumentError, when it is run, for an index that is not in [0, number of queues).  TypeError for queues
        that are not a non-empty list, or whose dtypes or names differ.
        """
        return _QueueOfList(index, queues)

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
        return [TensorShape(shape) for shape in self._spec.component_shapes]

    @property
    def names(self) -> list[str] | None:
        return None if self._spec.names is None else list(self._spec.names)

    @property
    def spec(self) -> QueueSpec:
        return self._spec

    @property
    def op(self) -> Operation:
        return self._op

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Put in one element.

        vals: a value, a list with one per component, or, for a queue with names, a dict.  Waits while the queue is
        full.  CancelledError if the queue is closed; InvalidArgumentError for another shape than the queue's.
        """
        with self._scope(name, "enqueue") as scope:
            return self._add("QueueEnqueueV2", self._components(vals), scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Put in the slices of `vals` along its first axis, in order.

        Puts in as many as fit and waits for room for the rest; no other enqueue comes between.  Errors as for
        `enqueue`.
        """
        with self._scope(name, "EnqueueMany") as scope:
            return self._add("QueueEnqueueManyV2", self._components(vals), scope)

    def dequeue(self, name: str | None = None) -> Any:
        """Take one element: a tensor, a list of tensors, or a dict for a queue with names.

        Waits while the queue is empty and open.  OutOfRangeError when it is closed and empty.
        """
        with self._scope(name, "Dequeue") as scope:
            return self._given(self._add("QueueDequeueV2", (), scope))

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Take n elements, stacked on a new first axis: [n, *component shape].

        Takes them as they come and waits until it has n.  OutOfRangeError if the queue is closed and holds fewer;
        those taken go back to the front.  InvalidArgumentError for a queue without shapes.
        """
        with self._scope(name, "DequeueMany") as scope:
            return self._dequeue_batch("QueueDequeueManyV2", n, scope)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Like `dequeue_many` while the queue is open; of a closed queue, the rest, if it is at least one element."""
        with self._scope(name, "DequeueUpTo") as scope:
            return self._dequeue_batch("QueueDequeueUpToV2", n, scope)

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """Let no more elements in.

        Waits until the enqueues before it are done, unless `cancel_pending_enqueues`: then these fail with
        CancelledError and it takes effect at once.  CancelledError if the queue is closed already.
        """
        with self._scope(name, "Close") as scope:
            return self._add("QueueCloseV2", (), scope, cancel_pending_enqueues=bool(cancel_pending_enqueues))

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements stored now: a scalar int32."""
        with self._scope(name, "Size") as scope:
            return self._add("QueueSizeV2", (), scope).outputs[0]

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether a close has taken effect, as a scalar bool."""
        with self._scope(name, "Is_Closed") as scope:
            return self._add("QueueIsClosedV2", (), scope).outputs[0]

    @contextmanager
    def _scope(self, name: str | None, method: str) -> Iterator[str]:
        """The name scope of one operation; the operation has the name of the scope."""
        with self.graph.as_default(), self.graph.name_scope(name or f"{self._method_name}_{method}") as scope:
            yield scope

    def _add(self, kind: str, inputs: Sequence[Tensor], name: str, **attrs: Any) -> Operation:
        with self.graph.colocate_with(self._op):
            return create_op(kind, *inputs, name=name, queue=self._spec, **attrs)

    def _dequeue_batch(self, kind: str, n: Any, name: str) -> Any:
        number = convert_to_tensor(n, None if isinstance(n, Tensor) or hasattr(n, "_as_tensor") else int32, name="n")
        static = constant_value(number)
        size = int(static) if static is not None and static.ndim == 0 and number.dtype.is_integer else None
        if size is not None and size < 0:
            raise ValueError(f"queue {self.name!r}: cannot dequeue {size} elements")
        return self._given(self._add(kind, (number,), name, size=size if kind == "QueueDequeueManyV2" else None))

    def _components(self, vals: Any) -> list[Tensor]:
        values = self._in_order(vals)
        if len(values) != len(self._spec.dtypes):
            raise ValueError(
                f"queue {self.name!r}: an element has {len(self._spec.dtypes)} components, got {len(values)} values; "
                "a list or tuple holds one value per component"
            )
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
                    "Keys in dictionary to enqueue do not match names of Queue. "
                    f"Dictionary: {sorted(map(str, vals))}, Queue: {sorted(names)}"
                )
            return [vals[name] for name in names]
        if names is not None:
            raise ValueError(f"You must enqueue a dictionary in a Queue with names: {list(names)}")
        return list(vals) if isinstance(vals, (list, tuple)) else [vals]

    def _given(self, op: Operation) -> Any:
        if self._spec.names is not None:
            return dict(zip(self._spec.names, op.outputs, strict=True))
        return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)


class _QueueOfList(QueueBase):
    """One of several queues, chosen by each run.

    Each operation becomes one operation on the device of every queue, of which only that of the chosen queue has an
    effect; an operation on the first queue's device passes on its outputs.
    """

    def __init__(self, index: Any, queues: list[QueueBase]) -> None:
        _check_list(queues)
        first = queues[0]
        self._queues = queues
        with first.graph.as_default(), first.graph.name_scope("from_list") as scope:
            self._index = convert_to_tensor(index, name="index")
            with first.graph.colocate_with(first.op):
                op = create_op(
                    "QueueChoose", self._index, *[q.queue_ref for q in queues], count=len(queues), name=scope
                )
        shapes = [reduce(TensorShape.relax_with, of_one) for of_one in zip(*[q.shapes for q in queues], strict=True)]
        super().__init__(replace(first.spec, node=op.name, shapes=tuple(shapes), shared_name=""), op)

    def _add(self, kind: str, inputs: Sequence[Tensor], name: str, **attrs: Any) -> Operation:
        graph = self.graph
        op_def(kind).spec(*[tensor.spec for tensor in inputs], queue=self._spec, **attrs)
        made = [self._add_to(place, kind, inputs, attrs) for place in range(len(self._queues))]
        with graph.colocate_with(self._op):
            outputs = [tensor for op in made for tensor in op.outputs]
            if outputs:
                return create_op("QueueChoose", self._index, *outputs, count=len(made), name=name)
            with graph.control_dependencies(made):
                return create_op("NoOp", name=name)

    def _add_to(self, place: int, kind: str, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> Operation:
        queue = self._queues[place]
        with self.graph.colocate_with(queue.op):
            if of_list(kind) == kind:
                return create_op(kind, *inputs, queue=queue.spec, **attrs)
            attrs = {"queue": queue.spec, "place": place, "count": len(self._queues), **attrs}
            return create_op(of_list(kind), self._index, *inputs, **attrs)


def _check_list(queues: Any) -> None:
    """TypeError for a value that cannot be a list of queues."""
    if not isinstance(queues, list) or not queues or not all(isinstance(queue, QueueBase) for queue in queues):
        raise TypeError(f"A list of queues expected, got {queues!r}")
    if any(isinstance(queue, _QueueOfList) for queue in queues):
        raise TypeError("A queue of from_list cannot be in another list of queues")
    if any(queue.dtypes != queues[0].dtypes for queue in queues):
        raise TypeError(f"Queues do not have matching component dtypes: {[queue.dtypes for queue in queues]}")
    if any(queue.names != queues[0].names for queue in queues):
        raise TypeError(f"Queues do not have matching component names: {[queue.names for queue in queues]}")
