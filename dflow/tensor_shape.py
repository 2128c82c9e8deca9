"""TensorShape: the static shape of a tensor as programs see it, whose sizes are `Dimension`s.

Why two classes: the rules of operations work on the shapes of `dflow.shapes`, whose sizes are plain integers or None.
`x.shape`, `x.get_shape()` and `df.TensorShape` are of this class.  `as_shape` of `dflow.shapes` leads back.
Source: tf.TensorShape of TensorFlow 1.15, with its rules of comparison: an unknown size equals no other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex, overload

from dflow import shapes
from dflow.dimension import Dimension, as_dimension
from dflow.errors import ShapeError
from dflow.node_proto import shape_proto

__all__ = ["TensorShape", "as_shape", "dimension_at_index", "matrix", "scalar", "unknown_shape", "vector"]


class TensorShape(shapes.TensorShape):
    """A static shape.

    dims: None for an unknown rank; or sizes, each an integer, None or a Dimension; or one size; or a TensorShapeProto.
    TypeError for text, ValueError for what is no size.
    """

    __slots__ = ()

    def __init__(self, dims: Any = None) -> None:
        if isinstance(dims, (str, bytes)):
            raise TypeError(f"A string has ambiguous TensorShape, please wrap in a list or convert to an int: {dims!r}")
        if isinstance(dims, Iterable) and not isinstance(dims, shapes.TensorShape):
            dims = [as_dimension(dim).value for dim in dims]
        elif isinstance(dims, int):
            dims = [as_dimension(dims).value]
        super().__init__(dims)

    @property
    def dims(self) -> list[Dimension] | None:  # type: ignore[override]
        """The sizes; None if the rank is unknown."""
        return None if self._dims is None else [Dimension(size) for size in self._dims]

    def as_proto(self) -> Any:
        """As a TensorShapeProto: an unknown size is -1."""
        return shape_proto(self)

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The sizes on which both agree: the most that holds for both."""
        return self.relax_with(other)

    def __len__(self) -> int:
        if self.ndims is None:
            raise ShapeError("Cannot take the length of shape with unknown rank.")
        return super().__len__()

    def __iter__(self) -> Iterator[Dimension]:  # type: ignore[override]
        if self.ndims is None:
            raise ShapeError("Cannot iterate over a shape with unknown rank.")
        return (Dimension(size) for size in self.known)

    @overload
    def __getitem__(self, key: SupportsIndex) -> Dimension: ...
    @overload
    def __getitem__(self, key: slice) -> TensorShape: ...
    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, slice):
            return Dimension(None if self._dims is None else self._dims[key])
        if self._dims is not None:
            return TensorShape(shapes.TensorShape(self._dims[key]))
        return unknown_shape(_length(key))

    def __eq__(self, other: object) -> Any:
        """True for equal known sizes, for two unknown ranks, and for the shape of the same tensor."""
        try:
            dims = TensorShape(other)._dims
        except (TypeError, ValueError):
            return NotImplemented
        return self._dims is dims or (self._dims == dims and dims is not None and None not in dims)

    def __ne__(self, other: object) -> Any:
        """ValueError if one of the ranks is unknown."""
        try:
            dims = TensorShape(other)._dims
        except (TypeError, ValueError):
            return NotImplemented
        if self._dims is None or dims is None:
            raise ValueError("The inequality of unknown TensorShapes is undefined.")
        return not self == other

    __hash__ = shapes.TensorShape.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorShape, (None if self._dims is None else list(self._dims),)

    def __repr__(self) -> str:
        return f"TensorShape({self.dims})"


def _length(key: slice) -> int | None:
    """How many sizes a slice of a shape of unknown rank has; None if its bounds do not say."""
    start, stop = key.start or 0, key.stop
    if key.step is not None or stop is None or start < 0 or stop < 0:
        return None
    return int(max(stop - start, 0))


def as_shape(shape: Any) -> TensorShape:
    """`shape` as a TensorShape."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def unknown_shape(ndims: int | None = None) -> TensorShape:
    """A shape of unknown sizes; without `ndims`, of unknown rank."""
    return TensorShape(None if ndims is None else [None] * ndims)


def scalar() -> TensorShape:
    """The shape of a single value."""
    return TensorShape([])


def vector(length: Any) -> TensorShape:
    """A shape of rank 1."""
    return TensorShape([length])


def matrix(rows: Any, cols: Any) -> TensorShape:
    """A shape of rank 2."""
    return TensorShape([rows, cols])


def dimension_at_index(shape: Any, index: int) -> Dimension:
    """The size of a shape at an index, as a Dimension.  Source: tf.compat.dimension_at_index."""
    return as_shape(shape)[index]
