"""The operations of TensorArray: their shapes, kernels and gradients.  See `tensor_array.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, float32, int32, int64, resource
from dflow.graph import Operation, Tensor
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.tensor_array_state import Elements
from dflow.ops.rules.static import spec_of
from dflow.registry import define, no_gradient, not_differentiable
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

FLOW = spec_of((), float32)
HANDLE = spec_of((), resource)
_FLOW_VALUE = np.zeros((), np.float32)


def _array_spec(size: TensorSpec, dtype: DType, **attrs: Any) -> tuple[TensorSpec, TensorSpec]:
    return HANDLE, FLOW


def _array_kernel(
    size: Any,
    dtype: DType,
    element_shape: TensorShape,
    dynamic_size: bool,
    clear_after_read: bool,
    identical_element_shapes: bool,
    tensor_array_name: str,
) -> tuple[Any, Any]:
    flags = (dynamic_size, clear_after_read, identical_element_shapes)
    return Elements(int(size), dtype, element_shape, *flags, name=tensor_array_name), _FLOW_VALUE


def _gradient_array_spec(handle: TensorSpec, flow: TensorSpec, source: str) -> tuple[TensorSpec, TensorSpec]:
    return HANDLE, FLOW


def _gradient_array_kernel(handle: Elements, flow: Any, source: str) -> tuple[Any, Any]:
    return handle.gradient(source), _FLOW_VALUE


def _value_spec(handle: TensorSpec, *rest: TensorSpec, dtype: DType, **attrs: Any) -> TensorSpec:
    return TensorSpec(UNKNOWN_SHAPE, dtype)


def _flow_spec(*inputs: TensorSpec) -> TensorSpec:
    return FLOW


def _read_kernel(handle: Elements, index: Any, flow: Any, dtype: DType) -> Any:
    return handle.read(int(index))


def _write_kernel(handle: Elements, index: Any, value: Any, flow: Any) -> Any:
    handle.write(int(index), value)
    return _FLOW_VALUE


def _gather_kernel(handle: Elements, indices: Any, flow: Any, dtype: DType, element_shape: TensorShape) -> Any:
    return handle.gather(indices)


def _scatter_kernel(handle: Elements, indices: Any, value: Any, flow: Any) -> Any:
    handle.scatter(indices, value)
    return _FLOW_VALUE


def _concat_spec(handle: TensorSpec, flow: TensorSpec, dtype: DType) -> tuple[TensorSpec, TensorSpec]:
    return TensorSpec(UNKNOWN_SHAPE, dtype), spec_of([None], int64)


def _concat_kernel(handle: Elements, flow: Any, dtype: DType) -> tuple[Any, Any]:
    return handle.concat()


def _split_kernel(handle: Elements, value: Any, lengths: Any, flow: Any) -> Any:
    handle.split(value, lengths)
    return _FLOW_VALUE


def _size_spec(handle: TensorSpec, flow: TensorSpec) -> TensorSpec:
    return spec_of((), int32)


def _size_kernel(handle: Elements, flow: Any) -> Any:
    return np.asarray(handle.size(), np.int32)


def _close_spec(handle: TensorSpec) -> tuple[TensorSpec, ...]:
    return ()


def _close_kernel(handle: Elements) -> tuple[Any, ...]:
    handle.close()
    return ()


# -- gradients: what is read in a run is written to the array of gradients, and what is written is read there


def _source(gradient: Tensor) -> str:
    """The name of the call of `gradients` that a gradient belongs to: `a/gradients_1` of `a/gradients_1/x_grad/y`."""
    parts = gradient.op.name.split("/")
    for i in reversed(range(len(parts))):
        if parts[i].startswith("gradients"):
            return "/".join(parts[: i + 1])
    raise ValueError(
        f"Expected op/tensor name to start with gradients (excluding scope), got: {gradient.op.name}. This means that "
        "a tf.gradients op with this op in its dependency path has a custom name that does not start with 'gradients'."
    )


def _gradients_of(op: Operation, dtype: DType, dy: Tensor) -> TensorArray:
    array = TensorArray(dtype, handle=op.operands[0], flow=op.operands[-1], infer_shape=False)
    flow = dy if dy.dtype == float32 and not dy.shape.ndims and op.type in _WRITES else op.operands[-1]
    return array.grad(_source(dy), flow)


_WRITES = ("TensorArrayWriteV3", "TensorArrayScatterV3", "TensorArraySplitV3")


def _read_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.attrs["dtype"], dy)
    return [None, None, gradients.write(op.operands[1], dy).flow]


def _write_gradient(op: Operation, flow: Tensor) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.operands[2].dtype, flow)
    value = gradients.read(op.operands[1])
    value.set_shape(op.operands[2].shape)
    return [None, None, value, flow]


def _gather_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.attrs["dtype"], dy)
    return [None, None, gradients.scatter(op.operands[1], dy).flow]


def _scatter_gradient(op: Operation, flow: Tensor) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.operands[2].dtype, flow)
    return [None, None, gradients.gather(op.operands[1]), flow]


def _concat_gradient(op: Operation, dy: Tensor, lengths: Tensor | None) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.attrs["dtype"], dy)
    return [None, gradients.split(dy, op.outputs[1]).flow]


def _split_gradient(op: Operation, flow: Tensor) -> list[Tensor | None]:
    gradients = _gradients_of(op, op.operands[1].dtype, flow)
    return [None, gradients.concat(), None, flow]


_NONE = no_gradient("its gradient goes through the elements")

define("TensorArrayV3", spec=_array_spec, kernel=_array_kernel, gradient=not_differentiable)
define("TensorArrayGradV3", spec=_gradient_array_spec, kernel=_gradient_array_kernel, gradient=not_differentiable)
define("TensorArrayReadV3", spec=_value_spec, kernel=_read_kernel, gradient=_read_gradient)
define("TensorArrayWriteV3", spec=_flow_spec, kernel=_write_kernel, gradient=_write_gradient)
define("TensorArrayGatherV3", spec=_value_spec, kernel=_gather_kernel, gradient=_gather_gradient)
define("TensorArrayScatterV3", spec=_flow_spec, kernel=_scatter_kernel, gradient=_scatter_gradient)
define("TensorArrayConcatV3", spec=_concat_spec, kernel=_concat_kernel, gradient=_concat_gradient)
define("TensorArraySplitV3", spec=_flow_spec, kernel=_split_kernel, gradient=_split_gradient)
define("TensorArraySizeV3", spec=_size_spec, kernel=_size_kernel, gradient=not_differentiable)
define("TensorArrayCloseV3", spec=_close_spec, kernel=_close_kernel, gradient=_NONE)
