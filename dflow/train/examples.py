"""The common part of all batching functions: examples of several sources go into one queue, and batches come out.

Sparse tensors are strings in the queue: they have no shape that would fit in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from dflow.dtypes import DType, bool_
from dflow.graph import Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import fill
from dflow.ops.array.gather import boolean_mask
from dflow.ops.array.shape import expand_dims
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.shape import size as size_of
from dflow.ops.array.stack import stack
from dflow.ops.control import Assert, identity, no_op
from dflow.ops.math.compare import equal
from dflow.ops.math.reduction import reduce_all
from dflow.ops.queues.kinds import QueueBase
from dflow.ops.rules.static import constant_value, only
from dflow.ops.sparse.serial import deserialize_many_sparse, serialize_many_sparse, serialize_sparse
from dflow.shapes import TensorShape, as_shape
from dflow.sparse_tensor import SparseTensor, SparseTensorValue
from dflow.train.queue_runner import QueueRunner, add_queue_runner

Tensors = Sequence[Any] | Mapping[Any, Any]  # one example, or many
Makes = Callable[[Any, Any], QueueBase]  # a queue, of the dtypes and shapes of its components


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse tensor in a queue: the dtype of its values, and the rank of one example if it is known."""

    dtype: DType
    rank: int | None

    @property
    def batched_rank(self) -> int | None:
        """The rank of a batch of them."""
        return None if self.rank is None else self.rank + 1


@dataclass(frozen=True, slots=True)
class Source:
    """The tensors of one source as they are queued, which of them are sparse, and their keys if they came as a dict."""

    tensors: list[Tensor]
    sparse: list[Sparse | None]
    keys: list[Any] | None

    @classmethod
    def of(cls, tensors: Tensors, enqueue_many: bool) -> Source:
        """Raises ValueError if there is no tensor, TypeError for a single one."""
        keys = _ordered_keys(tensors) if isinstance(tensors, Mapping) else None
        queued = [_queued(tensor, enqueue_many) for tensor in _as_tensor_list(tensors)]
        if not queued:
            raise ValueError("Expected at least one tensor in batch().")
        return cls([tensor for tensor, _ in queued], [sparse for _, sparse in queued], keys)

    @property
    def types(self) -> list[str]:
        """The type of each tensor, as text."""
        return [
            tensor.dtype.name if sparse is None else f"sparse {sparse.dtype.name}"
            for tensor, sparse in zip(self.tensors, self.sparse, strict=True)
        ]


def _ordered_keys(tensors: Mapping[Any, Any]) -> list[Any]:
    """The keys of a dict in the order of their texts, as they may be of types that have no order among them."""
    return sorted(tensors, key=str)


def _as_tensor_list(tensors: Tensors) -> list[Any]:
    """The tensors of a list or dict in the order in which they are the components of a queue."""
    return [tensors[key] for key in _ordered_keys(tensors)] if isinstance(tensors, Mapping) else list(tensors)


def _as_original_type(original: Tensors, tensors: Sequence[Any]) -> Any:
    """`tensors`, in the order of `_as_tensor_list`, in the structure of `original`; of a list of one, the tensor."""
    if isinstance(original, Mapping):
        return dict(zip(_ordered_keys(original), tensors, strict=True))
    return list(tensors) if len(tensors) > 1 else tensors[0]


def _queued(value: Any, enqueue_many: bool) -> tuple[Tensor, Sparse | None]:
    if not isinstance(value, (SparseTensor, SparseTensorValue)):
        return convert_to_tensor(value), None
    tensor = SparseTensor.from_value(value)
    rank = tensor.shape.ndims
    if not enqueue_many:
        return serialize_sparse(tensor), Sparse(tensor.dtype, rank)
    return serialize_many_sparse(tensor), Sparse(tensor.dtype, None if rank is None else rank - 1)


def batches(
    sources: Sequence[Any],
    batch_size: Any,
    make: Makes,
    name: str,
    *,
    keep_input: Any = True,
    num_threads: int = 1,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
) -> Any:
    """A batch of the examples of `sources`, in the structure of these; see `batching.py`."""
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        converted = [Source.of(tensors, enqueue_many) for tensors in sources]
        _check_alike(converted)
        sparse = [_merged(kinds) for kinds in zip(*[source.sparse for source in converted], strict=True)]
        keep = _kept(keep_input, enqueue_many)
        if shapes is None:
            shapes = _shapes([source.tensors for source in converted], enqueue_many, dynamic_pad)
        elif any(sparse):
            shapes = [as_shape([3] if kind else shape) for kind, shape in zip(sparse, shapes, strict=True)]
        queue = make([tensor.dtype for tensor in converted[0].tensors], shapes)
        enqueues = [_enqueue(queue, source.tensors, keep, enqueue_many) for source in converted]
        add_queue_runner(QueueRunner(queue, enqueues * num_threads))
        dequeue = queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many
        dequeued = dequeue(batch_size, name=scope)
        parts = dequeued if isinstance(dequeued, list) else [dequeued]
        parts = [
            part if kind is None else deserialize_many_sparse(part, kind.dtype, kind.batched_rank)
            for part, kind in zip(parts, sparse, strict=True)
        ]
    return _as_original_type(sources[0], parts)


def _check_alike(sources: Sequence[Source]) -> None:
    if not sources:
        raise ValueError("Expected at least one set of tensors")
    if any(source.keys != sources[0].keys for source in sources):
        raise ValueError("All dictionaries in tensors_list must have the same keys")
    first = sources[0].types
    for source in sources:
        if source.types != first:
            raise TypeError(f"Expected types to be consistent: {', '.join(first)} vs. {', '.join(source.types)}.")


def _merged(kinds: Sequence[Sparse | None]) -> Sparse | None:
    """One component of all sources, if it is sparse; ValueError if their ranks differ.

    As in TensorFlow, the batch has the rank of the first source, known or not.
    """
    sparse = [kind for kind in kinds if kind is not None]
    if not sparse:
        return None
    if len({kind.rank for kind in sparse} - {None}) > 1:
        raise ValueError(f"Sparse tensors of several ranks are not compatible: {[kind.rank for kind in sparse]}")
    return sparse[0]


def _shapes(sources: Sequence[Sequence[Tensor]], enqueue_many: bool, dynamic_pad: bool) -> list[TensorShape]:
    """The shape of each component of an example: the merged shapes of all sources; if padded, the sizes they share."""
    merged_shapes = []
    for tensors in zip(*sources, strict=True):
        shapes = [_example_shape(tensor, enqueue_many) for tensor in tensors]
        merged = reduce(TensorShape.merge_with, shapes)
        merged_shapes.append(reduce(TensorShape.relax_with, shapes) if dynamic_pad else merged)
    return merged_shapes


def _example_shape(tensor: Tensor, enqueue_many: bool) -> TensorShape:
    if tensor.shape.ndims is None:
        raise ValueError(f"Cannot infer Tensor's rank: {tensor!r}")
    if not enqueue_many:
        return tensor.shape
    if tensor.shape.ndims == 0:
        raise ValueError(f"{tensor.name}: Shape {tensor.shape} must have rank at least 1")
    shape: TensorShape = tensor.shape[1:]
    return shape


def _kept(keep_input: Any, enqueue_many: bool) -> bool | Tensor:
    """`keep_input` as a bool, if it is known, or a bool tensor."""
    keep: Tensor = convert_to_tensor(keep_input, name="keep_input")
    only(keep.spec, keep.dtype.name != "string", "bool and numbers as keep_input")
    if keep.shape.ndims is None:
        raise ValueError("`keep_input` dimensions must be known at graph construction.")
    if keep.shape.ndims > 1:
        raise ValueError("`keep_input` must be 0 or 1 dimensions.")
    if keep.shape.ndims == 1 and not enqueue_many:
        raise ValueError("`keep_input` cannot be a vector when `enqueue_many=False`.")
    value = constant_value(keep) if keep.shape.ndims == 0 else None
    return cast(keep, bool_) if value is None else bool(value)


def _enqueue(queue: QueueBase, tensors: list[Tensor], keep: bool | Tensor, enqueue_many: bool) -> Operation:
    """Enqueue an example, or many, without those that are not kept."""
    if keep is True:
        return queue.enqueue_many(tensors) if enqueue_many else queue.enqueue(tensors)
    if keep is False:
        return no_op()
    rows = tensors if enqueue_many else [expand_dims(tensor, 0) for tensor in tensors]
    mask = _mask(keep, rows)
    return queue.enqueue_many([boolean_mask(tensor, mask) for tensor in rows])


def _mask(keep: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """Whether each row is kept, as bools; InvalidArgumentError at run time if a tensor has more rows, or fewer."""
    mask, tensors = keep, rows
    if keep.shape.ndims == 0:
        mask, tensors = fill(shape_of(rows[0])[:1], keep), rows[1:]
        mask.set_shape([_size(rows[0])])
    if all(_size(row) == _size(mask) is not None for row in tensors):
        return mask
    fits = reduce_all(equal(size_of(mask), stack([shape_of(row)[0] for row in tensors])))
    facts = [
        "`keep_input` is for ",
        size_of(mask),
        " examples, the tensors hold ",
        *(shape_of(r)[0] for r in tensors),
    ]
    with mask.graph.control_dependencies([Assert(fits, facts)]):
        return identity(mask)


def _size(rows: Tensor) -> int | None:
    """The number of rows, where it is known."""
    return rows.shape.known[0] if rows.shape.ndims else None
