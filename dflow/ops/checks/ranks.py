"""Assertions about shapes: assert_rank, assert_scalar, assert_shapes, ensure_shape.

A shape that is known while the graph is built is checked at once: ValueError.
Source: check_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import rank as rank_of
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.checks.comparisons import assert_equal
from dflow.ops.control import Assert, group, no_op
from dflow.ops.math.compare import equal, greater_equal
from dflow.ops.math.reduction import reduce_any
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import known_value
from dflow.registry import define
from dflow.shapes import TensorShape, as_shape, bracket
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["assert_rank", "assert_rank_at_least", "assert_rank_in", "assert_scalar", "assert_shapes", "ensure_shape"]

Data = Sequence[Any] | None


def assert_rank(
    x: Any,
    rank: Any,
    data: Data = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails with InvalidArgumentError unless x has this rank, an integer scalar or tensor.

    data: tensors that the error shows, None: a description; summarize: how many values of each; message: text in front
    of these.  ValueError at once for a known rank that differs, and for a rank that is no integer scalar.
    """
    return _ranked(
        x, [rank], equal, "Tensor {x} must have rank {ranks}.", data, summarize, message, name, "assert_rank"
    )


def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Data = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Fails unless x has this rank or a larger one; arguments and errors as for `assert_rank`."""
    text = "Tensor {x} must have rank at least {ranks}."
    return _ranked(x, [rank], greater_equal, text, data, summarize, message, name, "assert_rank_at_least")


def assert_rank_in(
    x: Any,
    ranks: Iterable[Any],
    data: Data = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Fails unless x has one of these ranks; arguments and errors as for `assert_rank`."""
    text = "Tensor {x} must have rank in {ranks}."
    return _ranked(x, list(ranks), equal, text, data, summarize, message, name, "assert_rank_in")


def _ranked(
    x: Any,
    ranks: Sequence[Any],
    compare: Callable[..., Tensor],
    text: str,
    data: Data,
    summarize: int | None,
    message: str | None,
    name: str | None,
    default: str,
) -> Operation:
    given = (x.values,) if isinstance(x, SparseTensor) else (x,)
    with scope_of((*given, *ranks, *(data or ())), name, default):
        if not isinstance(x, SparseTensor):
            x = convert_to_tensor(x, name="x")
        wanted = [convert_to_tensor(rank, name="rank") for rank in ranks]
        known = [_static_rank(rank) for rank in wanted]
        own = x.shape.ndims
        if own is not None and None not in known:
            holds = any(own >= it if compare is greater_equal else own == it for it in known)
            if not holds:
                names = f"{message}.  " if message else ""
                told = text.format(x=_name(x), ranks=known[0] if len(known) == 1 else tuple(known))
                raise ShapeError(f"{names}{told}  Received rank {own}, shape {x.shape}")
            return no_op(name="static_checks_determined_all_ok")
        if data is None:
            told = text.partition(" {ranks}")[0].format(x=_name(x))
            data = [f"{told} of: ", *wanted, "Received shape: ", shape_of(x)]
        are_scalars = [
            Assert(equal(rank_of(rank), 0), ["Rank must be a scalar."]) for rank in wanted if rank.shape.ndims is None
        ]
        with x.graph.control_dependencies(are_scalars):
            condition = reduce_any(convert_to_tensor([compare(rank_of(x), cast(rank, "int32")) for rank in wanted]))
        return Assert(condition, [message, *data] if message else list(data), summarize=summarize)


def _name(x: Any) -> str:
    return str(x.values.name if isinstance(x, SparseTensor) else x.name)


def _static_rank(rank: Tensor) -> int | None:
    """The rank, if it is known; TypeError for a dtype and ValueError for a shape that is none of a rank."""
    if not rank.dtype.is_integer:
        raise TypeError(f"Rank must be of type <dtype: 'int32'>, got {rank.dtype.name}")
    if rank.shape.ndims not in (0, None):
        raise ShapeError(f"Rank must be a scalar, its shape is {rank.shape}")
    value = known_value(rank)
    return None if value is None else int(value)


def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """The tensor; ValueError unless its rank is known to be 0."""
    with scope_of((tensor,), name, "assert_scalar"):
        x = convert_to_tensor(tensor)
        if x.shape.ndims != 0:
            raise ShapeError(f"{message or ''}Expected scalar shape for {x.name}, saw shape: {x.shape}.")
        return x


# -- shapes with symbols


def assert_shapes(
    shapes: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """An operation that fails with InvalidArgumentError unless tensors have the shapes that belong to them.

    shapes: a dictionary from tensors to shapes, or pairs of these.  A shape is a list of sizes, or a scalar's `()`:
    numbers, None for any size, or symbols, of which each stands for one size in all shapes; `...` or "..." at one end
    stands for any axes.
    The other arguments are those of `assert_rank`.  ValueError at once for what is known and differs.
    """
    pairs = [(x, _symbols(shape)) for x, shape in (shapes.items() if isinstance(shapes, dict) else shapes)]
    with scope_of([x for x, _ in pairs], name, "assert_shapes"):
        found: dict[Any, tuple[Any, str]] = {}
        checks: list[Operation] = []
        for value, symbols in pairs:
            x = convert_to_tensor(value)
            checks.extend(_check_sizes(x, symbols, found, data, summarize, message or ""))
        return group(*checks) if checks else no_op(name="static_checks_determined_all_ok")


def _symbols(shape: Any) -> list[Any]:
    if isinstance(shape, str):
        return list(shape.replace("...", "\N{HORIZONTAL ELLIPSIS}"))
    return list(as_shape(shape).known) if isinstance(shape, TensorShape) else list(shape)


_ANY_AXES = (Ellipsis, "...", "*", "\N{HORIZONTAL ELLIPSIS}")


def _check_sizes(
    x: Tensor, symbols: list[Any], found: dict[Any, tuple[Any, str]], data: Data, summarize: int | None, message: str
) -> Iterable[Operation]:
    """The checks that a run has to make of one tensor; sizes of symbols are added to `found`."""
    from_end = bool(symbols) and symbols[0] in _ANY_AXES
    open_end = bool(symbols) and symbols[-1] in _ANY_AXES
    sizes = symbols[1:] if from_end else symbols[:-1] if open_end else symbols
    if from_end or open_end:
        yield assert_rank_at_least(x, len(sizes), data, summarize, message)
    else:
        yield assert_rank(x, len(sizes), data, summarize, message)
    for place, wanted in enumerate(sizes):
        axis = place - len(sizes) if from_end else place
        size: Any = x.spec.shape[axis] if x.shape.ndims is not None else None
        if size is None:
            size = shape_of(x)[axis]
        where = f"dimension {axis} of {x.name}"
        if wanted is None or wanted in ("?", "."):
            continue
        if isinstance(wanted, (int, np.integer)) or (isinstance(wanted, str) and wanted.isdigit()):
            before: tuple[Any, str] = (int(wanted), "the given size")
        else:
            before = found.setdefault(wanted, (size, where))
        yield from _same_size(size, where, *before, data=data, summarize=summarize, message=message)


def _same_size(
    size: Any, where: str, other: Any, other_where: str, *, data: Data, summarize: int | None, message: str
) -> Iterable[Operation]:
    if size is other:
        return
    if isinstance(size, int) and isinstance(other, int):
        if size != other:
            raise ShapeError(f"{message}.  Specified by {other_where}: {where} must have size {other}, but is {size}")
        return
    text = f"{message} {where} must have the size of {other_where}"
    yield assert_equal(size, other, data=data, summarize=summarize, message=text)


# -- a shape at run time


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """The tensor, with a static shape that is checked at run time.

    shape: sizes, of which None is any size.  ShapeError at once if the known sizes differ; InvalidArgumentError at run
    time.
    """
    with scope_of((x,), name, "EnsureShape") as scope:
        tensor = convert_to_tensor(x)
        result: Tensor = add_op("EnsureShape", tensor, name=scope, shape=as_shape(shape), of=tensor.op.name)
        return result


def _ensure_spec(x: TensorSpec, shape: TensorShape, of: str = "") -> TensorSpec:
    return TensorSpec(x.shape.merge_with(shape), x.dtype)


def _ensure_kernel(x: Any, shape: TensorShape, of: str = "") -> Any:
    """of: the name of the operation that gave x, for the error."""
    if not shape.admits(tuple(x.shape)):
        raise InvalidArgumentError(
            None,
            None,
            f"Shape of tensor {of} {bracket(x.shape)} is not compatible with expected shape {bracket(shape.known)}.",
        )
    return x


define("EnsureShape", spec=_ensure_spec, kernel=_ensure_kernel, gradient=lambda op, dy: dy)
