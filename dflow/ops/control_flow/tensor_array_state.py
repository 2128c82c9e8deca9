"""The elements of a TensorArray in one run, and the operations on them.

The handle of a TensorArray is this object: it stays in the process of its device.  All operations on it are on the
device of the handle, and their flows order them.
Source: tensor_array.h and tensor_array_ops.cc of TensorFlow 1.15 say how each operation behaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from dflow.dtypes import DType
from dflow.errors import InvalidArgumentError, UnimplementedError
from dflow.ops.rules.arrays import namespace
from dflow.shapes import TensorShape

_numbers = count()  # of the arrays of this process


class Elements:
    """The elements of one TensorArray.

    gradients: the arrays of gradients of this one, by their source, the call of `gradients` that made them.
    accumulate: whether an element that is written a second time is the sum.  name: what errors call the array.
    """

    dtype = None  # an array of no dimension, for the rest of dflow
    ndim = 0

    def __init__(
        self,
        size: int,
        element: DType,
        shape: TensorShape,
        dynamic_size: bool,
        clear_after_read: bool,
        identical_shapes: bool,
        accumulate: bool = False,
        name: str = "",
    ) -> None:
        self.name = f"{name}_{next(_numbers)}" if name else ""
        self.values: list[Any] = [None] * size
        self.element = element
        self.shape = shape
        self.dynamic_size = dynamic_size
        self.clear_after_read = clear_after_read
        self.identical_shapes = identical_shapes
        self.accumulate = accumulate
        self.gradients: dict[str, Elements] = {}
        self.closed = False
        self._cleared: set[int] = set()
        self._was_read: set[int] = set()

    def __reduce__(self) -> Any:
        raise UnimplementedError(
            None, None, "a TensorArray cannot leave the process of its device; use it on one device"
        )

    def gradient(self, source: str) -> Elements:
        """The array of gradients of a source, of the same size; made once."""
        self._check_open()
        if source not in self.gradients:
            self.gradients[source] = Elements(
                len(self.values), self.element, self.shape, False, False, self.identical_shapes, accumulate=True
            )
        return self.gradients[source]

    def read(self, index: int) -> Any:
        self._check_open()
        if not 0 <= index < len(self.values):
            raise _wrong(f"Tried to read from index {index} but array size is: {len(self.values)}")
        if index in self._cleared:
            raise _wrong(
                f"Could not read index {index} twice because it was cleared after a previous read "
                "(perhaps try setting clear_after_read = false?)."
            )
        value = self.values[index]
        if value is None:
            value = self._zeros(index)
        if self.clear_after_read:
            self.values[index] = None
            self._cleared.add(index)
        self._was_read.add(index)
        return value

    def _zeros(self, index: int) -> Any:
        """What an element that was never written counts as, if its shape is known."""
        if self.shape.is_fully_defined():
            return np.full(tuple(self.shape.as_list()), self.element.zero, self.element.numpy_dtype)
        raise _wrong(
            f"Could not read from TensorArray index {index}.  Furthermore, the element shape is not fully defined: "
            f"{_shape_text(self.shape)}. It is possible you are working with a resizeable TensorArray and "
            "stop_gradients is not allowing the gradients to be written. If you set the full element_shape property "
            "on the forward TensorArray, the proper all-zeros tensor will be returned instead of incurring this error."
        )

    def write(self, index: int, value: Any) -> None:
        self._check_open()
        if index < 0:
            raise _wrong(f"Tried to write to index {index} but array size is: {len(self.values)}")
        if index >= len(self.values):
            if not self.dynamic_size:
                raise _wrong(
                    f"Tried to write to index {index} but array is not resizeable and size is: {len(self.values)}"
                )
            self.values.extend([None] * (index + 1 - len(self.values)))
        if value.dtype != self.element.numpy_dtype:
            raise _wrong(f"TensorArray dtype is {self.element.name} but Op is trying to write dtype {value.dtype}.")
        if not self.shape.admits(value.shape):
            raise _wrong(
                f"Could not write to TensorArray index {index} because the value shape is {list(value.shape)} which is "
                f"incompatible with the TensorArray's inferred element shape: {_shape_text(self.shape)} "
                "(consider setting infer_shape=False)."
            )
        if self.identical_shapes and self.shape.ndims is None:
            self.shape = TensorShape(value.shape)
        elif self.identical_shapes and not self.shape.is_fully_defined():
            self.shape = self.shape.merge_with(TensorShape(value.shape))
        if index in self._was_read and not self.accumulate:
            raise _wrong(f"Could not write to TensorArray index {index} because it has already been read.")
        before = self.values[index]
        if before is None:
            self.values[index] = value
        elif not self.accumulate:
            who = f"TensorArray {self.name}: " if self.name else ""
            raise _wrong(f"{who}Could not write to TensorArray index {index} because it has already been written to.")
        else:
            if before.shape != value.shape:
                raise _wrong(
                    f"Could not aggregate to TensorArray index {index} because the existing shape is "
                    f"{list(before.shape)} but the new input shape is {list(value.shape)}."
                )
            self.values[index] = before + value

    def gather(self, indices: Sequence[int]) -> Any:
        """The elements, along a new first axis."""
        if not len(indices):
            if not self.shape.is_fully_defined():
                raise UnimplementedError(
                    None, None, "TensorArray has size zero, but element shape "
                    f"{_shape_text(self.shape)} is not fully defined. Currently only static shapes are supported when "
                    "packing zero-size TensorArrays."
                )  # fmt: skip
            return np.empty((0, *self.shape.as_list()), self.element.numpy_dtype)
        values = [self.read(int(index)) for index in indices]
        for i, value in enumerate(values):
            if value.shape != values[0].shape:
                raise _wrong(
                    f"TensorArray has inconsistent shapes.  Index 0 has shape: {list(values[0].shape)} but index {i} "
                    f"has shape: {list(value.shape)}"
                )
        return namespace(values[0]).stack(values)

    def scatter(self, indices: Sequence[int], value: Any) -> None:
        if not value.ndim:
            raise _wrong("Expected value to be at least a vector, but received shape: []")
        if len(indices) != value.shape[0]:
            raise _wrong(f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {value.shape[0]}")
        for index, element in zip(indices, value, strict=True):
            self.write(int(index), _array(element, value))

    def concat(self) -> tuple[Any, Any]:
        """The elements along their first axis, and the length of each."""
        if not self.values:
            sizes = self.shape.as_list()[1:] if self.shape.ndims else []
            return np.empty((0, *(size or 0 for size in sizes)), self.element.numpy_dtype), np.empty(0, np.int64)
        values = [self.read(i) for i in range(len(self.values))]
        for i, value in enumerate(values):
            if not value.ndim:
                raise _wrong(
                    f"Concat saw a scalar shape at index {i} but requires at least vectors.  Did you mean to call pack?"
                )
            if value.shape[1:] != values[0].shape[1:]:
                raise _wrong(
                    "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: "
                    f"{list(values[0].shape[1:])} but index {i} has (excepting dimension 0) shape: "
                    f"{list(value.shape[1:])}"
                )
        return namespace(values[0]).concat(values), np.asarray([len(value) for value in values], np.int64)

    def split(self, value: Any, lengths: Any) -> None:
        if lengths.ndim != 1:
            raise _wrong(f"Expected lengths to be a vector, received shape: {list(lengths.shape)}")
        if not value.ndim:
            raise _wrong("Expected value to be at least a vector, but received shape: []")
        if sum(int(length) for length in lengths) != value.shape[0]:
            raise _wrong(
                "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is "
                f"{sum(int(length) for length in lengths)} and value's shape is: {list(value.shape)} "
            )
        if len(lengths) != len(self.values) and not self.dynamic_size:
            raise _wrong(
                f"TensorArray's size is not equal to the size of lengths ({len(self.values)} vs. {len(lengths)}), and "
                "the TensorArray is not marked as dynamically resizeable"
            )
        start = 0
        for i, length in enumerate(lengths):
            self.write(i, value[start : start + int(length)])
            start += int(length)

    def size(self) -> int:
        self._check_open()
        return len(self.values)

    def close(self) -> None:
        self.values = []
        self.closed = True

    def _check_open(self) -> None:
        if self.closed:
            raise _wrong("TensorArray has already been closed.")


def _array(element: Any, of: Any) -> Any:
    """An element of an array that is an array too: NumPy gives a scalar in place of one without dimensions."""
    return element if hasattr(element, "shape") else np.asarray(element, of.dtype)


def _shape_text(shape: TensorShape) -> str:
    return "<unknown>" if shape.ndims is None else str(shape.as_list()).replace("None", "?")


def _wrong(fact: str) -> InvalidArgumentError:
    return InvalidArgumentError(None, None, fact)
