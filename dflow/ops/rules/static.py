"""Common functions for building the graph: operands, axes, and values that are known.

A shape or an axis of Python or NumPy numbers becomes an attribute of the operation; one that is a tensor stays an
input, which a run may feed.  In both cases `known_value` and `known_shape` give the known part for the static shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import as_dtype
from dflow.errors import DTypeError, InvalidArgumentError, ShapeError
from dflow.graph import Graph, Operation, Tensor, conversions_of, convert_to_tensor, get_default_graph, scopes
from dflow.registry import OPS
from dflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape
from dflow.specs import TensorSpec

Axes = tuple[int, ...]

# -- operands


def is_symbolic(value: Any) -> bool:
    """Whether it is a tensor, a variable, or a list that holds one."""
    if isinstance(value, (list, tuple)):
        return any(is_symbolic(item) for item in value)
    return isinstance(value, Tensor) or hasattr(value, "_as_tensor") or bool(conversions_of(value))


def graph_of(values: Iterable[Any]) -> Graph:
    """The graph of the first tensor among the values (nested lists too), else the default graph."""
    for value in _leaves(values):
        graph = getattr(value, "graph", None)
        if isinstance(graph, Graph):
            return graph
    return get_default_graph()


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _leaves(value)
        else:
            yield value


def as_tensor(value: Any, beside: Iterable[Any] = (), name: str | None = None) -> Tensor:
    """The value as a tensor, in its own graph or else in that of the first tensor among the operands beside it."""
    with scopes.building_in(graph_of((value, *beside))):
        return convert_to_tensor(value, name=name)


def operands(values: Sequence[Any], names: Sequence[str] = (), kind: str = "") -> list[Tensor]:
    """The values as tensors; a Python or NumPy value takes the dtype of the first operand, as TensorFlow casts it.

    The first value keeps its own dtype, which has to be that of a tensor behind it: see `same_dtype`.
    DTypeError, which names the op's kind, for a value that the dtype cannot hold.
    """
    with scopes.building_in(graph_of(values)):
        leader = convert_to_tensor(values[0], name=_at(names, 0))
        return [leader, *(_beside(leader, value, _at(names, i + 1), kind) for i, value in enumerate(values[1:]))]


def items_of(values: Sequence[Any], kind: str, beside: Iterable[Any] = ()) -> list[Tensor]:
    """The values of a list as tensors; a Python or NumPy value takes the dtype of the first tensor, wherever it stands.

    Without a tensor each value has its own dtype, and stands in the graph of the operands beside the list.  Errors: as
    `operands`.
    """
    with scopes.building_in(graph_of((*values, *beside))):
        first = next((i for i, value in enumerate(values) if is_symbolic(value)), None)
        if first is None:
            return [convert_to_tensor(value) for value in values]
        leader = convert_to_tensor(values[first])
        return [leader if i == first else _beside(leader, value, None, kind) for i, value in enumerate(values)]


def _beside(leader: Tensor, value: Any, name: str | None, kind: str) -> Tensor:
    if isinstance(value, Tensor) or hasattr(value, "_as_tensor"):
        return convert_to_tensor(value)
    return _convert(value, leader, name, kind)


def _at(names: Sequence[str], place: int) -> str | None:
    return names[place] if place < len(names) else None


def _convert(value: Any, leader: Tensor, name: str | None, kind: str) -> Tensor:
    try:
        return convert_to_tensor(value, leader.dtype, name=name)
    except TypeError as error:
        parameter = f"parameter '{name}' of " if name else ""
        raise DTypeError(
            f"Expected {leader.dtype.name} passed to {parameter}op '{kind}', got {value!r} of type "
            f"'{type(value).__name__}' instead. Error: {error}; the other operand is {leader.name}"
        ) from error


def spec_of(shape: Any, dtype: Any) -> TensorSpec:
    """A spec, from arguments of `as_shape` and `as_dtype`."""
    return TensorSpec(as_shape(shape), as_dtype(dtype))


def of_rank(x: TensorSpec) -> TensorSpec:
    """A spec that keeps the dtype and the rank of `x`, but none of its sizes."""
    return spec_of(None if x.shape.ndims is None else [None] * x.shape.ndims, x.dtype)


def same_dtype(*specs: TensorSpec) -> None:
    """DTypeError, which names both, unless all have one dtype."""
    for spec in specs[1:]:
        if spec.dtype != specs[0].dtype:
            raise DTypeError(
                f"the dtypes {specs[0].dtype.name} and {spec.dtype.name} differ, none is promoted; cast() one of them"
            )


def only(spec: TensorSpec, accepted: bool, what: str) -> None:
    """DTypeError unless the dtype was accepted; `what` describes the accepted ones."""
    if not accepted:
        raise DTypeError(f"dtype {spec.dtype.name} is not supported here: it takes {what}")


def refuse(**arguments: Any) -> None:
    """NotImplementedError for an argument of TensorFlow 1 that is given but not offered."""
    for name, value in arguments.items():
        if value is not None:
            raise NotImplementedError(f"{name} is not supported, got {value!r}")


# -- arguments that may be tensors


def number_or_tensor(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """An argument of integers as (attribute, inputs): (number or tuple, ()), or (None, (tensor,)) for a tensor.

    TypeError for other values, and for a tensor of another dtype.
    """
    if isinstance(value, TensorShape):
        value = value.as_list()
    if is_symbolic(value):
        tensor = convert_to_tensor(value)
        if not tensor.dtype.is_integer:
            raise DTypeError(f"expected integers, got {tensor.name} of dtype {tensor.dtype.name}")
        return None, (tensor,)
    array = np.asarray(value)
    if array.size == 0:
        array = array.astype(np.int32)
    if array.ndim > 1:
        raise ShapeError(f"Shape must be rank 1 but is rank {array.ndim}: expected integers, got {value!r}")
    if array.dtype.kind not in "iu":
        name = convert_to_tensor(value).dtype.name
        raise TypeError(
            f"Value passed has DataType {name} not in list of allowed values: int32, int64: expected an integer, "
            f"several integers or a tensor of integers, got {value!r}"
        )
    numbers = array.tolist()
    return (tuple(numbers) if isinstance(numbers, list) else numbers), ()


def normal_axis(axis: int, rank: int, fact: str = "") -> int:
    """An axis in [0, rank); ShapeError for one that is outside: `fact`, in the words of the operation."""
    if not -rank <= axis < rank:
        raise ShapeError(fact or f"axis {axis} is not in [{-rank}, {rank}), the axes of rank {rank}")
    return axis % rank


def normal_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes in [0, rank), ascending and distinct; None stands for all of them."""
    if axis is None:
        return tuple(range(rank))
    items = [axis] if isinstance(axis, int) else axis
    fact = "Invalid reduction dimension {} for input with {} dimensions."
    return tuple(sorted({normal_axis(item, rank, fact.format(item, rank)) for item in items}))


def static_value(value: Any) -> np.ndarray[Any, Any] | None:
    """An argument of numbers, or of a tensor that is known while the graph is built; None if it is not known."""
    return known_value(convert_to_tensor(value)) if is_symbolic(value) else np.asarray(value)


def static_axis(axis: Any) -> int:
    """An axis as a number: from a number or a tensor that is known while the graph is built.

    TensorFlow accepts the arguments of `int()`: True and 1.0 are 1.
    """
    value = static_value(axis)
    if value is None or value.size != 1 or value.dtype.kind not in "iubf" or not np.isfinite(value).all():
        raise ValueError(f"the axis must be one integer that is known while the graph is built, got {axis!r}")
    return int(value.reshape(()))


def shape_argument(shape: Any) -> tuple[Axes | None, tuple[Tensor, ...]]:
    """As `number_or_tensor`; a single number is a shape of rank 1."""
    if isinstance(shape, TensorShape):
        shape = [-1 if dim is None else dim for dim in shape.known]
    sizes, inputs = number_or_tensor(shape)
    return (sizes,) if isinstance(sizes, int) else sizes, inputs


def target_spec(x: TensorSpec, shape: Axes | None, sizes: TensorSpec | None) -> TensorSpec:
    """The dtype of `x` in the shape of a `shape_argument`, as (attribute, input)."""
    if shape is not None:
        return TensorSpec(TensorShape(shape), x.dtype)
    length = None if sizes is None else sizes.shape.with_rank(1)[0]
    return spec_of(UNKNOWN_SHAPE if length is None else [None] * length, x.dtype)


# -- values that are known


def constant_value(tensor: Any) -> np.ndarray[Any, Any] | None:
    """The value of a tensor that is known while the graph is built; None if it is not."""
    if isinstance(tensor, Tensor):
        if tensor.op.type == "Const":
            value: np.ndarray[Any, Any] = tensor.op.attrs["value"]
            return value
        if tensor.op.type in ("Identity", "StopGradient"):
            return constant_value(tensor.op.inputs[0])
        return None
    return None


def known_value(tensor: Tensor) -> np.ndarray[Any, Any] | None:
    """The value of a small tensor, if it is known while the graph is built: constants, shapes and arithmetic on these.

    None if it is not known.
    """
    value = constant_value(tensor)
    if value is not None:
        return value
    op = tensor.op
    if op.type == "Shape" and op.inputs[0].shape.is_fully_defined():
        return np.asarray(op.inputs[0].shape.as_list(), dtype=tensor.dtype.numpy_dtype)
    if op.type in ("Size", "Rank"):
        shape = op.inputs[0].shape
        number = shape.num_elements() if op.type == "Size" else shape.ndims
        return None if number is None else np.asarray(number, dtype=tensor.dtype.numpy_dtype)
    if op.type == "StridedSlice":  # of a shape that may be known in part
        part = known_numbers(tensor)
        if part is not None and None not in part:
            return np.asarray(part if tensor.shape.ndims else part[0], tensor.dtype.numpy_dtype)
    if op.type in _FOLDED:
        inputs = [known_value(item) for item in op.inputs]
        size = tensor.shape.num_elements() or 0
        if size <= _SMALL and all(item is not None and item.size <= _SMALL for item in inputs):
            return _folded(op, inputs)
    return None


def _folded(op: Operation, inputs: Sequence[Any]) -> np.ndarray[Any, Any] | None:
    """The value of an operation on known values; None if it fails: a run that needs it raises the error."""
    try:
        return np.asarray(OPS[op.type].kernel(*inputs, **op.attrs))
    except (InvalidArgumentError, ValueError):
        return None


# The operations of arithmetic on shapes.
_ARITHMETIC = frozenset(
    ["Cast", "Neg", "Add", "Sub", "Mul", "FloorDiv", "FloorMod", "Maximum", "Minimum", "Max", "Min", "Prod", "Sum"]
)
_FOLDED = _ARITHMETIC | {
    *("Pack", "ConcatV2", "StridedSlice", "Slice", "Reshape", "ExpandDims", "Squeeze", "Range", "Equal", "NotEqual"),
    *("Fill", "BroadcastArgs"),
}
_SMALL = 64  # the largest number of values of a tensor that is computed while the graph is built


def known_shape(tensor: Tensor) -> TensorShape:
    """The static shape from a vector of sizes; a size of -1 or an unknown one is None."""
    sizes = known_numbers(tensor)
    if sizes is None:
        length = tensor.spec.shape[0] if tensor.shape.ndims == 1 else None
        return UNKNOWN_SHAPE if length is None else TensorShape([None] * length)
    return TensorShape(None if size is None or size < 0 else size for size in sizes)


def known_numbers(tensor: Tensor) -> list[int | None] | None:
    """The numbers of a vector, None for an unknown one; None if their count is unknown."""
    op = tensor.op
    if op.type == "Shape":
        return None if op.inputs[0].shape.dims is None else op.inputs[0].shape.as_list()
    if op.type == "Pack" and op.attrs.get("axis") == 0 and tensor.shape.ndims == 1:
        values = [known_value(item) for item in op.inputs]
        return [None if value is None else int(value) for value in values]
    if op.type == "ConcatV2":
        parts = [known_numbers(item) for item in op.inputs]
        if any(part is None for part in parts):
            return None
        return [size for part in parts if part is not None for size in part]
    if op.type == "StridedSlice":
        return _known_slice(op)
    if op.type in ("Identity", "Cast", "StopGradient"):
        return known_numbers(op.inputs[0])
    value = known_value(tensor)
    if value is None:
        length = tensor.spec.shape[0] if tensor.shape.ndims == 1 else None
        return None if length is None else [None] * length
    return None if value.ndim != 1 else [int(size) for size in value]


def _known_slice(op: Operation) -> list[int | None] | None:
    """A slice of a vector of sizes, or one of them."""
    sizes, key = known_numbers(op.inputs[0]), op.attrs["key"]
    if sizes is None or len(op.inputs) > 1 or len(key) != 1:
        return None
    if isinstance(key[0], int):
        return [sizes[key[0]]]
    return sizes[key[0]] if isinstance(key[0], slice) else None


def known_sizes(value: Any) -> TensorShape:
    """The static shape of a `shape` argument: Python numbers, a TensorShape or a tensor."""
    if isinstance(value, TensorShape):
        return value
    if is_symbolic(value):
        return known_shape(convert_to_tensor(value))
    sizes = np.asarray(value).reshape(-1).tolist()
    return TensorShape(None if size < 0 else size for size in sizes)
