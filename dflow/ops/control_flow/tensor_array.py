"""TensorArray: an array of tensors that loops read and write, an element at a time.

    ta = tf.TensorArray(tf.float32, size=3)
    ta = ta.unstack(x).write(...)         # each operation gives the array after it
    y = ta.stack()

An operation happens after those whose result it uses: each gives a *flow*, a scalar that the next one takes.
Source: tf.TensorArray of TensorFlow 1.15.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import shape
from dflow.ops.control import identity
from dflow.ops.rules.static import constant_value, graph_of
from dflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape


class TensorArray:
    """An array of tensors of one dtype.

    size: the number of elements, an int32 scalar.  dynamic_size: whether a write past the end makes it larger.
    clear_after_read: whether an element is dropped when it is read, so that it cannot be read again.
    infer_shape: whether all elements have one shape, which the first write gives.  element_shape: that shape.
    handle, flow: of another TensorArray, in the place of a size: another view of it.
    colocate_with_first_write_call: accepted; an array is on the device that it is made on.
    Raises ValueError for a handle and a size, and for neither; TypeError for a size that is no integer.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Tensor | None = None,
        flow: Tensor | None = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None and tensor_array_name:
            raise ValueError("Cannot construct with both handle and tensor_array_name")
        if handle is not None and not isinstance(handle, Tensor):
            raise TypeError("Handle must be a Tensor")
        if handle is None and size is None:
            raise ValueError("Size must be provided if handle is not provided")
        if handle is not None and size is not None:
            raise ValueError("Cannot provide both a handle and size at the same time")
        if handle is not None and element_shape is not None:
            raise ValueError("Cannot provide both a handle and element_shape at the same time")
        if handle is not None and dynamic_size is not None:
            raise ValueError("Cannot provide both a handle and dynamic_size at the same time")
        if handle is not None and clear_after_read is not None:
            raise ValueError("Cannot provide both a handle and clear_after_read at the same time")
        self._dtype = as_dtype(dtype)
        self._infer_shape = infer_shape
        # A list, which all views of the array share: a write in a loop's body tells the shape of what is read after it.
        self._shapes = [as_shape(element_shape) if element_shape is not None else UNKNOWN_SHAPE]
        self._dynamic_size = bool(dynamic_size)
        self._size: Any = size
        if handle is not None:
            self._handle = handle
            with self._beside():
                self._flow = flow if flow is not None else convert_to_tensor(0.0, "float32", name="flow")
            return
        graph = graph_of([size, flow])
        with scopes.building_in(graph), graph.name_scope(name or "TensorArray") as scope:
            size = convert_to_tensor(size, "int32", name="size")
            self._handle, self._flow = add_op(
                "TensorArrayV3",
                size,
                name=scope,
                dtype=self._dtype,
                element_shape=self._shape,
                dynamic_size=self._dynamic_size,
                clear_after_read=clear_after_read is None or bool(clear_after_read),
                identical_element_shapes=infer_shape,
                tensor_array_name=tensor_array_name or "",
            )
            if flow is not None:
                self._flow = flow

    # -- properties

    @property
    def flow(self) -> Tensor:
        """A scalar that is there when all operations that led to this object have happened."""
        return self._flow

    @property
    def handle(self) -> Tensor:
        return self._handle

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def element_shape(self) -> TensorShape:
        """The static shape of the elements, as far as it is known."""
        return self._shape

    @property
    def dynamic_size(self) -> bool:
        return self._dynamic_size

    @property
    def _shape(self) -> TensorShape:
        return self._shapes[0]

    def _beside(self) -> AbstractContextManager[None]:
        return self._handle.graph.colocate_with(self._handle.op, ignore_existing=True)

    def _add(self, kind: str, *inputs: Any, name: str | None, **attrs: Any) -> Any:
        with scopes.building_in(self._handle.graph):
            tensors = [convert_to_tensor(item) for item in inputs]
            with self._beside():
                return add_op(kind, self._handle, *tensors, self._flow, name=name, **attrs)

    def _with_flow(self, flow: Tensor) -> TensorArray:
        """The same array, after the operation of this flow."""
        array = TensorArray(self._dtype, handle=self._handle, flow=flow, infer_shape=self._infer_shape)
        array._shapes, array._dynamic_size, array._size = self._shapes, self._dynamic_size, self._size
        return array

    def _check_shape(self, saw: TensorShape) -> None:
        if not self._shape.is_compatible_with(saw):
            raise ValueError(f"Inconsistent shapes: saw {saw} but expected {self._shape} (and infer_shape=True)")

    def _merge_shape(self, saw: TensorShape) -> None:
        """Note the shape of an element that is written."""
        if self._infer_shape:
            self._check_shape(saw)
            self._shapes[0] = self._shape.merge_with(saw)

    # -- one element

    def identity(self) -> TensorArray:
        """The same array; operations on it come after those that led here."""
        return self._with_flow(identity(self._flow))

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`.  InvalidArgumentError if it was read before and `clear_after_read`."""
        value: Tensor = self._add("TensorArrayReadV3", _int(index), name=name, dtype=self._dtype)
        value.set_shape(self._shape)
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array after `value` was written at `index`.

        ValueError for a value of another dtype or shape; InvalidArgumentError if the element was written before.
        """
        with scopes.building_in(self._handle.graph):
            value = convert_to_tensor(value, self._dtype, name="value")
        written = self._with_flow(self._add("TensorArrayWriteV3", _int(index), value, name=name))
        written._merge_shape(value.shape)
        return written

    # -- all elements

    def stack(self, name: str | None = None) -> Tensor:
        """All elements along a new first axis."""
        graph = self._handle.graph
        with scopes.building_in(graph), self._beside(), graph.name_scope(name or "TensorArrayStack"):
            count = self.size()
            value = self.gather(range_(0, count), name=name)
            known = constant_value(count)
            if known is not None and value.shape.ndims is not None:
                value.set_shape([int(known), *value.spec.shape.as_list()[1:]])
            return value

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at `indices` along a new first axis."""
        with scopes.building_in(self._handle.graph):
            indices = _int(indices)
        value: Tensor = self._add(
            "TensorArrayGatherV3", indices, name=name, dtype=self._dtype, element_shape=self._shape
        )
        if self._shape.ndims is not None:
            value.set_shape([None, *self._shape.as_list()])
        return value

    def concat(self, name: str | None = None) -> Tensor:
        """All elements along their first axis."""
        value: Tensor = self._add("TensorArrayConcatV3", name=name, dtype=self._dtype)[0]
        if self._shape.ndims is not None:
            value.set_shape([None, *self._shape.as_list()[1:]])
        return value

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array after the rows of `value` were written from the first element on."""
        graph = self._handle.graph
        with scopes.building_in(graph), graph.name_scope(name or "TensorArrayUnstack"):
            value = convert_to_tensor(value, self._dtype, name="value")
            return self.scatter(range_(0, shape(value)[0]), value, name=name)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array after the rows of `value` were written at `indices`."""
        with scopes.building_in(self._handle.graph):
            value = convert_to_tensor(value, self._dtype, name="value")
        written = self._with_flow(self._add("TensorArrayScatterV3", _int(indices), value, name=name))
        if value.shape.ndims is not None:
            written._merge_shape(TensorShape(_row_shape(value)))
        return written

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array after parts of `value`, of these lengths along its first axis, were written."""
        with scopes.building_in(self._handle.graph):
            value = convert_to_tensor(value, self._dtype, name="value")
            lengths = cast(lengths, "int64")
        written = self._with_flow(self._add("TensorArraySplitV3", value, lengths, name=name))
        if value.shape.ndims and self._infer_shape:
            known = constant_value(lengths)
            length = int(known[0]) if known is not None and known.size and (known == known[0]).all() else None
            written._merge_shape(TensorShape([length, *value.shape.as_list()[1:]]))
        return written

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements, an int32 scalar."""
        if not self._dynamic_size and self._size is not None and not isinstance(self._size, Tensor):
            with scopes.building_in(self._handle.graph):
                return convert_to_tensor(self._size, "int32")
        size: Tensor = self._add("TensorArraySizeV3", name=name)
        return size

    def close(self, name: str | None = None) -> Any:
        """An operation that drops the elements."""
        with self._beside():
            return add_op("TensorArrayCloseV3", self._handle, name=name)

    def grad(self, source: str, flow: Tensor | None = None, name: str | None = None) -> TensorArray:
        """The array of gradients of this array's elements.  source: the name of the call of `gradients`."""
        graph = self._handle.graph
        with scopes.building_in(graph), graph.name_scope(name or "TensorArrayGrad"), self._beside():
            handle, out = add_op(
                "TensorArrayGradV3", self._handle, flow if flow is not None else self._flow, source=source
            )
            with graph.control_dependencies([handle]):
                out = identity(flow if flow is not None else out, name="gradient_flow")
        gradient = TensorArray(self._dtype, handle=handle, flow=out, infer_shape=self._infer_shape)
        gradient._shapes = [self._shape]
        return gradient

    # -- in nested structures: the flow stands for the array

    def _parts(self) -> list[Tensor]:
        return [self._flow]

    def _with_parts(self, parts: list[Tensor]) -> TensorArray:
        return self._with_flow(parts[0]) if isinstance(parts[0], Tensor) else self

    def __repr__(self) -> str:
        return f"<dflow.TensorArray '{self._handle.op.name}' dtype={self._dtype.name}>"


def _row_shape(value: Tensor) -> list[int | None]:
    """The static shape of the rows of a tensor of known rank.  ValueError for a scalar."""
    if not value.shape.ndims:
        raise ValueError(f"Shape {value.shape} must have rank at least 1: {value.name} has no rows")
    return value.shape.as_list()[1:]


def _int(index: Any) -> Tensor:
    return convert_to_tensor(index, None if isinstance(index, Tensor) else "int32")
