"""Static shapes: the part of a tensor's shape that is known while the graph is built.

A `TensorShape` has an unknown rank, or a rank with sizes of which each may be unknown (None).  The functions below are
the rules that shape rules of operations are made of; they raise `ShapeError` with the bare fact, and the graph adds
the operation and the user's line.
Source: tf.TensorShape of TensorFlow 1.15, whose Dimension objects are plain integers or None here; `tensor_shape.py`
has the shapes of programs, with Dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from dflow.dimension import Dimension
from dflow.errors import ShapeError


class TensorShape:
    """The static shape of a tensor.

    dims: None for an unknown rank, else the sizes, each a non-negative integer, None or a Dimension; or a
    TensorShapeProto.
    """

    __slots__ = ("_dims",)

    def __init__(self, dims: Any = None) -> None:
        self._dims: tuple[int | None, ...] | None
        if dims is None:
            self._dims = None
        elif isinstance(dims, TensorShape):
            self._dims = dims._dims
        elif hasattr(dims, "unknown_rank"):
            self._dims = None if dims.unknown_rank else tuple(None if d.size == -1 else _size(d.size) for d in dims.dim)
        elif isinstance(dims, Iterable) and not isinstance(dims, (str, bytes)):
            self._dims = tuple(_size(dim) for dim in dims)
        else:
            self._dims = (_size(dims),)

    @property
    def dims(self) -> tuple[int | None, ...] | None:
        return self._dims

    @property
    def ndims(self) -> int | None:
        """The rank; None if it is unknown."""
        return None if self._dims is None else len(self._dims)

    rank = ndims

    @property
    def known(self) -> tuple[int | None, ...]:
        """The sizes of a shape whose rank is known; ShapeError otherwise."""
        if self._dims is None:
            raise ShapeError("the rank must be known here; use set_shape() or reshape() to set it")
        return self._dims

    def as_list(self) -> list[int | None]:
        """The sizes as a list; ValueError if the rank is unknown."""
        if self._dims is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self._dims)

    def is_fully_defined(self) -> bool:
        return self._dims is not None and None not in self._dims

    def num_elements(self) -> int | None:
        """The number of values; None if it is unknown."""
        if self._dims is None:
            return None
        total = 1
        for dim in self._dims:
            if dim is None:
                return None
            total *= dim
        return total

    def is_compatible_with(self, other: Any) -> bool:
        """True if one tensor could have both shapes."""
        dims = as_shape(other)._dims
        return dims is None or self.admits(dims)

    def admits(self, dims: tuple[int | None, ...]) -> bool:
        """True if a tensor of this shape could have these sizes, such as those of an array."""
        if self._dims is None:
            return True
        return len(self._dims) == len(dims) and all(
            a is None or b is None or a == b for a, b in zip(self._dims, dims, strict=True)
        )

    def merge_with(self, other: Any) -> Self:
        """The shape with the known sizes of both; ShapeError if they contradict each other."""
        shape = as_shape(other)
        if self._dims is None:
            return type(self)(shape)
        if shape._dims is None:
            return self
        if not self.is_compatible_with(shape):
            raise ShapeError(f"Shapes {self} and {shape} are not compatible", difference(self, shape))
        return type(self)([a if a is not None else b for a, b in zip(self._dims, shape._dims, strict=True)])

    def relax_with(self, other: Any) -> Self:
        """The sizes on which both agree: differing sizes become unknown, differing ranks an unknown rank."""
        other = as_shape(other)
        if self._dims is None or other._dims is None or len(self._dims) != len(other._dims):
            return type(self)(None)
        return type(self)([a if a == b else None for a, b in zip(self._dims, other._dims, strict=True)])

    def with_rank(self, rank: int) -> Self:
        """This shape, of the rank `rank` if its own was unknown; ShapeError if it has another rank."""
        if self._dims is None:
            return type(self)([None] * rank)
        self.assert_has_rank(rank)
        return self

    def with_rank_at_least(self, rank: int) -> Self:
        """This shape; ShapeError if its rank is known and smaller."""
        if self._dims is not None and len(self._dims) < rank:
            of_op = f"Shape must be at least rank {rank} but is rank {len(self._dims)}"
            raise ShapeError(f"Shape {self} must have rank at least {rank}", of_op)
        return self

    def with_rank_at_most(self, rank: int) -> Self:
        """This shape; ShapeError if its rank is known and larger."""
        if self._dims is not None and len(self._dims) > rank:
            of_op = f"Shape must be at most rank {rank} but is rank {len(self._dims)}"
            raise ShapeError(f"Shape {self} must have rank at most {rank}", of_op)
        return self

    def concatenate(self, other: Any) -> Self:
        """This shape followed by the sizes of `other`."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return type(self)(None)
        return type(self)(self._dims + other._dims)

    def assert_has_rank(self, rank: int) -> None:
        """ShapeError if the rank is known and another one."""
        if self._dims is not None and len(self._dims) != rank:
            of_op = f"Shape must be rank {rank} but is rank {len(self._dims)}"
            raise ShapeError(f"Shape {self} must have rank {rank}", of_op)

    def assert_same_rank(self, other: Any) -> None:
        """ShapeError if both ranks are known and differ."""
        dims = as_shape(other)._dims
        if self._dims is not None and dims is not None and len(self._dims) != len(dims):
            of_op = f"Shapes must be equal rank, but are {len(self._dims)} and {len(dims)}"
            raise ShapeError(f"Shapes {self} and {as_shape(other)} must have the same rank", of_op)

    def assert_is_compatible_with(self, other: Any) -> None:
        """ShapeError unless one tensor could have both shapes."""
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {as_shape(other)} are incompatible")

    def assert_is_fully_defined(self) -> None:
        """ShapeError unless the rank and all sizes are known."""
        if not self.is_fully_defined():
            raise ShapeError(f"Shape {self} is not fully defined")

    def __add__(self, other: Any) -> Self:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> Self:
        return type(self)(other).concatenate(self)

    def __len__(self) -> int:
        return len(self.known)

    def __iter__(self) -> Iterator[int | None]:
        return iter(self.known)

    def __getitem__(self, key: Any) -> Any:
        if self._dims is None:
            return TensorShape(None) if isinstance(key, slice) else None
        dims: Any = self._dims[key]
        return TensorShape(dims) if isinstance(key, slice) else dims

    def __eq__(self, other: object) -> bool:
        try:
            return self._dims == as_shape(other)._dims
        except TypeError:
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self._dims)

    def __bool__(self) -> bool:
        """True if the rank is known."""
        return self._dims is not None

    def __repr__(self) -> str:
        return f"TensorShape({None if self._dims is None else list(self._dims)})"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        inner = ", ".join("?" if dim is None else str(dim) for dim in self._dims)
        return f"({inner},)" if len(self._dims) == 1 else f"({inner})"


UNKNOWN_SHAPE = TensorShape(None)
SCALAR = TensorShape(())


def difference(one: TensorShape, other: TensorShape) -> str:
    """How two shapes of known rank that are not compatible differ, as an operation says it of its inputs."""
    a, b = one.known, other.known
    if len(a) != len(b):
        return f"Shapes must be equal rank, but are {len(a)} and {len(b)}"
    place = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if None not in (x, y) and x != y)
    texts = ["[" + ",".join("?" if size is None else str(size) for size in dims) + "]" for dims in (a, b)]
    return (
        f"Dimension {place} in both shapes must be equal, but are {a[place]} and {b[place]}. "
        f"Shapes are {texts[0]} and {texts[1]}."
    )


def _size(dim: Any) -> int | None:
    if dim is None or isinstance(dim, Dimension):
        return dim if dim is None else dim.value
    try:
        size = int(dim.__index__())
    except AttributeError:
        raise TypeError(f"a size is a non-negative integer or None, got {dim!r}") from None
    if size < 0:
        raise ShapeError(f"a size is a non-negative integer or None, got {size}")
    return size


def as_shape(value: Any) -> TensorShape:
    """`value` as a TensorShape of this module: one already, a program's shape, None, a number, or sizes."""
    return value if type(value) is TensorShape else TensorShape(value)


def bracket(dims: Iterable[int | None]) -> str:
    """A shape as messages of queues print it: `[2,?,3]`."""
    return "[" + ",".join("?" if dim is None else str(dim) for dim in dims) + "]"


def broadcast(*shapes: TensorShape) -> TensorShape:
    """The shape of an elementwise result, as NumPy broadcasts; ShapeError if the sizes do not fit."""
    result = as_shape(shapes[0])
    for other in shapes[1:]:
        result = _broadcast_two(result, other)
    return result


def _broadcast_two(a: TensorShape, b: TensorShape) -> TensorShape:
    if a.ndims is None or b.ndims is None:
        return UNKNOWN_SHAPE
    rank = max(a.ndims, b.ndims)
    left = (1,) * (rank - a.ndims) + a.known
    right = (1,) * (rank - b.ndims) + b.known
    return TensorShape(_broadcast_size(x, y, a, b) for x, y in zip(left, right, strict=True))


def _broadcast_size(x: int | None, y: int | None, a: TensorShape, b: TensorShape) -> int | None:
    if x == 1:
        return y
    if y == 1:
        return x
    if x is None or y is None:
        return x if y is None else y
    if x != y:
        raise ShapeError(f"Dimensions must be equal, but are {x} and {y}: shapes {a} and {b} do not broadcast")
    return x
