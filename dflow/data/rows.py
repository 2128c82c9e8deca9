"""The rows of a partition: from a DataFrame, blocks of arrays or a list of items to one array a component.

The same checks are made twice: before anything runs, on the dtypes and shapes of the collection, and on each partition,
where it is computed.  Their errors have the bare fact (DTypeError, ShapeError, ValueError); the caller adds the queue
and the partition.  Nothing is cast: a float64 column for a float32 component is an error, as it is in an `enqueue` of a
tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dflow.dtypes import DType, as_dtype, string, to_array
from dflow.errors import DTypeError, ShapeError
from dflow.shapes import TensorShape, as_shape
from dflow.specs import QueueSpec

Pick = Any  # a column's name, or a tuple of names whose columns make one vector
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a queue's elements."""

    label: str  # its name in errors
    dtype: DType
    shape: TensorShape

    def check_dtype(self, actual: Any, what: str) -> None:
        """DTypeError if `what`, of the dtype `actual`, cannot be of this component.  Objects are checked one by one."""
        dtype = tensor_dtype(actual)
        if holds_objects(actual) or dtype == self.dtype:
            return
        hint = "convert it first, with astype for example"
        raise DTypeError(f"{what} is {dtype.name if dtype else actual}, but {self.label} is {self.dtype.name}; {hint}")

    def check_shape(self, actual: TensorShape, what: str) -> None:
        """ShapeError if a row of `what`, of the shape `actual`, is no value of this component."""
        if not actual.is_compatible_with(self.shape):
            raise ShapeError(f"a row of {what} has shape {actual}, but {self.label} has shape {self.shape}")


def components_of(spec: QueueSpec) -> tuple[Component, ...]:
    """The components of a queue's elements."""
    names = spec.names or (None,) * len(spec.dtypes)
    return tuple(
        Component(f"component {i}" if name is None else f"component {name!r}", dtype, shape)
        for i, (name, dtype, shape) in enumerate(zip(names, spec.dtypes, spec.component_shapes, strict=True))
    )


def tensor_dtype(dtype: Any) -> DType | None:
    """The dtype of tensors that holds values of a NumPy or pandas dtype; None if none does."""
    if getattr(dtype, "name", "") in ("str", "string"):  # pandas' own
        return string
    try:
        return as_dtype(getattr(dtype, "numpy_dtype", dtype))  # of pandas' nullable dtypes, and of Arrow's
    except TypeError:
        return None


def holds_objects(dtype: Any) -> bool:
    """Whether a NumPy or pandas dtype is that of Python objects, which says nothing of their types."""
    return bool(getattr(dtype, "numpy_dtype", dtype) == np.dtype(object))


class Rows(Protocol):
    """A conversion of the parts of a partition to arrays."""

    def arrays(self, parts: Sequence[Any], components: Sequence[Component]) -> list[Array]:
        """One array a component, [rows, *component shape]; none at all for a partition without rows."""


@dataclass(frozen=True, slots=True)
class FrameRows:
    """Rows of a DataFrame."""

    picks: tuple[Pick, ...]  # one per component

    def arrays(self, parts: Sequence[Any], components: Sequence[Component]) -> list[Array]:
        (frame,) = parts
        if not len(frame):
            return []
        return [self._array(frame, pick, c) for pick, c in zip(self.picks, components, strict=True)]

    @staticmethod
    def _array(frame: Any, pick: Pick, component: Component) -> Array:
        if isinstance(pick, tuple):
            array = np.stack([_column(frame[name], f"column {name!r}", component) for name in pick], axis=1)
        else:
            array = _column(frame[pick], f"column {pick!r}", component)
        component.check_shape(as_shape(array.shape[1:]), _columns(pick))
        return array

    def check(self, dtypes: Any, components: Sequence[Component]) -> None:
        """The same checks on the columns of a Dask DataFrame.  dtypes: by column."""
        for pick, component in zip(self.picks, components, strict=True):
            names = pick if isinstance(pick, tuple) else (pick,)
            for name in names:
                component.check_dtype(dtypes[name], f"column {name!r}")
            if isinstance(pick, tuple):
                component.check_shape(as_shape([len(pick)]), _columns(pick))
            elif not holds_objects(dtypes[pick]):  # an object may be an array
                component.check_shape(as_shape([]), _columns(pick))


def _columns(pick: Pick) -> str:
    return f"the columns {list(pick)}" if isinstance(pick, tuple) else f"column {pick!r}"


def _column(series: Any, what: str, component: Component) -> Array:
    """One column as an array of the component's dtype."""
    component.check_dtype(series.dtype, what)
    try:
        if component.dtype == string or holds_objects(series.dtype):
            return to_array(list(series), component.dtype)
        array: Array = series.to_numpy(dtype=component.dtype.numpy_dtype)
        return array
    except (TypeError, ValueError) as error:  # missing values, objects of another type
        raise DTypeError(f"{what}, for {component.label} of {component.dtype.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """Rows of arrays, one array a component."""

    def arrays(self, parts: Sequence[Any], components: Sequence[Component]) -> list[Array]:
        arrays = [self._array(part, i, c) for i, (part, c) in enumerate(zip(parts, components, strict=True))]
        if len({len(array) for array in arrays}) > 1:
            raise ShapeError(f"its arrays have {', '.join(str(len(array)) for array in arrays)} rows")
        return arrays

    @staticmethod
    def _array(part: Any, index: int, component: Component) -> Array:
        array = np.asarray(part)
        component.check_dtype(array.dtype, f"array {index}")
        component.check_shape(as_shape(array.shape[1:]), f"array {index}")
        return to_array(array.tolist() if holds_objects(array.dtype) else array, component.dtype)


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Rows of a Bag: tuples with one value a component, plain values for one component, or mappings.

    picks: the key of each component, or a tuple of keys whose values make one vector; None: tuples or plain values.
    """

    picks: tuple[Pick, ...] | None

    def arrays(self, parts: Sequence[Any], components: Sequence[Component]) -> list[Array]:
        items = [self._element(item, i, len(components)) for i, item in enumerate(parts[0])]
        return (
            [_stack(values, c) for values, c in zip(zip(*items, strict=True), components, strict=True)] if items else []
        )

    def _element(self, item: Any, index: int, count: int) -> Sequence[Any]:
        """The values of one item, one per component."""
        if self.picks is None:
            values = item if isinstance(item, tuple) else (item,)
            if len(values) != count:
                raise ValueError(f"item {index} has {len(values)} values, but an element has {count} components")
            return values
        try:
            return [[item[key] for key in pick] if isinstance(pick, tuple) else item[pick] for pick in self.picks]
        except (TypeError, LookupError) as error:
            keys = ", ".join(map(repr, self.picks))
            raise ValueError(f"item {index} is of type {type(item).__name__} without {keys}: {error!r}") from error


def _stack(values: Iterable[Any], component: Component) -> Array:
    try:
        array = to_array(list(values), component.dtype)
    except (TypeError, ValueError) as error:
        raise DTypeError(f"{component.label}: {error}") from error
    component.check_shape(as_shape(array.shape[1:]), "its items")
    return array
