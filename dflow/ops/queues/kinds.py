"""The kinds of queues: the classes that users make.

Source: data_flow_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from numbers import Integral
from typing import Any

from dflow.dtypes import DType, as_dtype, int64
from dflow.graph import Operation, get_default_graph
from dflow.ops.queues.base import QueueBase
from dflow.ops.random import get_seed
from dflow.shapes import SCALAR, TensorShape, as_shape
from dflow.specs import QueueSpec

__all__ = ["FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "QueueBase", "RandomShuffleQueue"]

Shapes = tuple[TensorShape, ...]


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
        name: str | None = "fifo_queue",
    ) -> None:
        super().__init__(*_new("FIFOQueue", name, capacity, _dtypes(dtypes), _shapes(shapes), names, shared_name))


class PaddingFIFOQueue(QueueBase):
    """A FIFOQueue whose shapes may leave sizes open.

    shapes: a list, one per component; their ranks must be known.  In a batch of `dequeue_many` or `dequeue_up_to` each
    open size is the largest among the elements of this batch; smaller ones are filled up at the end with 0, False or
    the empty string.  `dequeue` gives an element as it is.  The other arguments are those of `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "padding_fifo_queue",
    ) -> None:
        types, partial = _dtypes(dtypes), _partial_shapes(shapes)
        if len(types) != len(partial):
            raise ValueError(
                "Shapes must be provided for all components, "
                f"but received {len(types)} dtypes and {len(partial)} shapes."
            )
        super().__init__(*_new("PaddingFIFOQueue", name, capacity, types, partial, names, shared_name))


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
        name: str | None = "random_shuffle_queue",
    ) -> None:
        super().__init__(
            *_new(
                "RandomShuffleQueue",
                name,
                capacity,
                _dtypes(dtypes),
                _shapes(shapes),
                names,
                shared_name,
                min_after_dequeue=operator.index(min_after_dequeue),
                seed=_seeds(seed, shared_name),
            )
        )


class PriorityQueue(QueueBase):
    """A queue whose element with the smallest priority leaves first; of equal ones, the one that came first.

    An element has its priority, an int64 scalar (for `enqueue_many`, a vector), as the first component, before those of
    `types` and `shapes`.  `dequeue_many` waits until all its elements are there, and takes none before.
    names: of all components, the priority's too.  The other arguments are those of `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "priority_queue",
    ) -> None:
        value_shapes = _shapes(shapes)
        sizes = None if value_shapes is None else (SCALAR, *value_shapes)
        super().__init__(*_new("PriorityQueue", name, capacity, (int64, *_dtypes(types)), sizes, names, shared_name))


def _new(
    kind: str,
    name: str | None,
    capacity: int,
    dtypes: tuple[DType, ...],
    shapes: Shapes | None,
    names: Any,
    shared_name: str | None,
    **options: Any,
) -> tuple[QueueSpec, Operation]:
    """A new queue of the default graph: its description, and its operation."""
    graph = get_default_graph()
    node = graph._op_name(name or f"{kind}V2")
    spec = QueueSpec(
        kind=kind,
        node=node,
        capacity=operator.index(capacity),
        dtypes=dtypes,
        shapes=shapes,
        names=None if names is None else (names,) if isinstance(names, str) else tuple(names),
        container=graph.scope.container,
        shared_name=shared_name or "",
        **options,
    )
    return spec, graph.create_op(f"{kind}V2", (), {"queue": spec}, name=f"{node}/")


def _dtypes(dtypes: Any) -> tuple[DType, ...]:
    return tuple(as_dtype(d) for d in dtypes) if isinstance(dtypes, (list, tuple)) else (as_dtype(dtypes),)


def _shapes(shapes: Any) -> Shapes | None:
    """One shape, a list of shapes or None; all sizes must be known."""
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        converted = [shapes]
    elif not isinstance(shapes, (list, tuple)):
        raise TypeError(f"shapes must be None, a TensorShape, a list or a tuple, got {shapes!r}")
    elif _is_flat(shapes, all):
        converted = [as_shape(shapes)]
    else:
        converted = [as_shape(shape) for shape in shapes]
    if any(not shape.is_fully_defined() for shape in converted):
        raise ValueError(f"All shapes must be fully defined: {[str(shape) for shape in converted]}")
    return tuple(converted)


def _partial_shapes(shapes: Any) -> Shapes:
    """A list of shapes; all ranks must be known."""
    if not isinstance(shapes, (list, tuple)) or not shapes or _is_flat(shapes, any):
        raise ValueError(f"When providing partial shapes, a list of shapes must be provided. Got {shapes!r}")
    converted = tuple(as_shape(shape) for shape in shapes)
    if any(shape.dims is None for shape in converted):
        raise ValueError(f"All shapes must have a defined rank: {[str(shape) for shape in converted]}")
    return converted


def _is_flat(shapes: list[Any] | tuple[Any, ...], how_many: Callable[..., bool]) -> bool:
    """Whether its items are sizes, so that it is one shape, such as () or (2, 3)."""
    return how_many(size is None or isinstance(size, Integral) for size in shapes)


def _seeds(seed: int | None, shared_name: str | None) -> tuple[int, int]:
    """The seeds of a shuffle queue, the same numbers as in TensorFlow 1.

    With the graph's seed alone the second one depends on the shared name, so that all programs that share a queue have
    the same seeds.  A program may give this number itself, as the seed of another queue of that name.
    """
    first, second = get_seed(seed)
    if seed is None and shared_name is not None and get_default_graph().seed is not None:
        digest = hashlib.md5(f"{first}{shared_name}".encode(), usedforsecurity=False).hexdigest()
        second = int(digest[:8], 16) & 0x7FFFFFFF
    return first, second
