"""Constants, whose values are known while the graph is built, and placeholders, whose values a run feeds.

Source: tf.constant, tf.placeholder of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, to_array
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor, get_default_graph
from dflow.ops.rules.batching import elementwise
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape
from dflow.specs import TensorSpec


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str | None = None, verify_shape: bool = False
) -> Tensor:
    """A tensor of a Python or NumPy value.

    dtype: None: float32 for Python floats, int32 for Python integers.  shape: the value is reshaped, and filled up with
    its last element, unless verify_shape=True (then TypeError for another shape).
    """
    array = to_array(value, None if dtype is None else as_dtype(dtype))
    count = array.size
    if shape is not None:
        array = _with_shape(
            array, tuple(int(size) for size in as_shape(shape).as_list() if size is not None), verify_shape
        )
    filled_up = {"given": count} if count < array.size else {}
    tensor: Tensor = add_op("Const", name=name or "Const", value=_read_only(array), **filled_up)
    return tensor


def _with_shape(array: np.ndarray[Any, Any], shape: tuple[int, ...], verify: bool) -> np.ndarray[Any, Any]:
    size = int(np.prod(shape))
    if verify and array.shape != shape:
        raise TypeError(f"Expected Tensor's shape: {shape}, got {array.shape}.")
    if array.size > size:
        raise ValueError(f"Too many elements provided. Needed at most {size}, but received {array.size}")
    flat = array.reshape(-1)
    if flat.size < size:
        flat = np.concatenate([flat, np.repeat(flat[-1:], size - flat.size)])
    return flat.reshape(shape)


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def _const_spec(value: np.ndarray[Any, Any], given: int | None = None) -> TensorSpec:
    """given: the number of the program's values, if the others repeat the last one: the node has these values only."""
    return TensorSpec(TensorShape(value.shape), as_dtype(value.dtype))


def _const_kernel(context: KernelContext, value: np.ndarray[Any, Any], given: int | None = None) -> Any:
    return context.asarray(value)


define("Const", spec=_const_spec, kernel=_const_kernel, gradient=no_gradient("a constant has no inputs"), stateful=True)


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that each run must feed; a run that needs it and does not feed it fails."""
    tensor: Tensor = add_op("Placeholder", name=name or "Placeholder", dtype=as_dtype(dtype), shape=as_shape(shape))
    return tensor


def _placeholder_spec(dtype: DType, shape: TensorShape) -> TensorSpec:
    return TensorSpec(shape, dtype)


def _placeholder_kernel(context: KernelContext, dtype: DType, shape: TensorShape) -> Any:
    with_shape = "" if shape == UNKNOWN_SHAPE else f" and shape {[-1 if d is None else d for d in shape.known]}"
    raise InvalidArgumentError(
        None,
        None,
        f"You must feed a value for placeholder tensor '{context.op}' with dtype {_said(dtype)}{with_shape}",
    )


def _said(dtype: DType) -> str:
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


define(
    "Placeholder",
    spec=_placeholder_spec,
    kernel=_placeholder_kernel,
    gradient=no_gradient("a placeholder has no inputs"),
    stateful=True,
)


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input`, unless the run feeds this tensor; fed values must be compatible with `shape`."""
    graph = getattr(input, "graph", None) or get_default_graph()
    with graph.as_default(), graph.name_scope(name or "PlaceholderWithDefault") as scope:
        default = convert_to_tensor(input, name="input")
        tensor: Tensor = add_op("PlaceholderWithDefault", default, name=scope, shape=as_shape(shape))
    return tensor


def _default_spec(x: TensorSpec, shape: TensorShape) -> TensorSpec:
    x.shape.merge_with(shape)
    return TensorSpec(shape, x.dtype)


def _default_kernel(x: Any, shape: TensorShape) -> Any:
    return x


def _default_gradient(op: Any, dy: Tensor) -> Tensor:
    return dy


define(
    "PlaceholderWithDefault", spec=_default_spec, kernel=_default_kernel, gradient=_default_gradient, batch=elementwise
)
