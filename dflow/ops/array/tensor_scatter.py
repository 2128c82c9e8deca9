"""Tensors with updates at indices: tensor_scatter_update, tensor_scatter_add and their kin.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.gather_nd import gather_nd, scatter_nd
from dflow.ops.array.shape import shape
from dflow.ops.math.arithmetic import add, multiply, negative
from dflow.ops.math.compare import equal
from dflow.ops.math.division import divide
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.nd_indices import check_static, check_updates, flat_places
from dflow.ops.rules.scatter import scatter
from dflow.ops.rules.static import only, same_dtype
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = [
    "scatter_nd_non_aliasing_add",
    "tensor_scatter_add",
    "tensor_scatter_max",
    "tensor_scatter_min",
    "tensor_scatter_sub",
    "tensor_scatter_update",
]


def tensor_scatter_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The tensor with `updates` in the place of its parts at `indices`.  Of updates of one place, the last one stays.

    tensor: any dtype; indices: [..., n], integers; updates: [..., *the axes of the tensor behind the first n].
    ShapeError, or InvalidArgumentError at run time, for shapes that do not fit together; InvalidArgumentError for a
    place that is outside.
    """
    return _scattered("TensorScatterUpdate", tensor, indices, updates, name)


def tensor_scatter_add(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The tensor with all updates added at their places.  Arguments and errors as for `tensor_scatter_update`."""
    return _scattered("TensorScatterAdd", tensor, indices, updates, name)


def tensor_scatter_sub(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The tensor with all updates subtracted at their places.  Else as `tensor_scatter_update`."""
    return _scattered("TensorScatterSub", tensor, indices, updates, name)


def tensor_scatter_min(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The smallest of the tensor's value and the updates of each place.  Else as `tensor_scatter_update`."""
    return _scattered("TensorScatterMin", tensor, indices, updates, name)


def tensor_scatter_max(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The largest of the tensor's value and the updates of each place.  Else as `tensor_scatter_update`."""
    return _scattered("TensorScatterMax", tensor, indices, updates, name)


def scatter_nd_non_aliasing_add(input: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_add`, of numbers and bool."""
    return _scattered("ScatterNdNonAliasingAdd", input, indices, updates, name)


def _scattered(kind: str, tensor: Any, indices: Any, updates: Any, name: str | None) -> Tensor:
    result: Tensor = add_op(kind, tensor, indices, updates, name=name)
    return result


def _spec(tensor: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> TensorSpec:
    same_dtype(tensor, updates)
    only(indices, indices.dtype.name in ("int32", "int64"), "int32 and int64 as indices")
    if 0 in (tensor.shape.ndims, indices.shape.ndims):
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    check_static(indices.shape, updates.shape, tensor.shape, "input")
    return tensor


def _number_spec(tensor: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> TensorSpec:
    only(tensor, tensor.dtype.is_numeric or tensor.dtype.is_bool, "numbers and bool")
    return _spec(tensor, indices, updates)


def _kernel(how: str) -> Callable[..., Any]:
    def kernel(tensor: Any, indices: Any, updates: Any) -> Any:
        xp = namespace(tensor, updates)
        sizes = tuple(tensor.shape)
        check_updates(indices, updates, sizes, "input")
        depth = indices.shape[-1]
        flat_copy = xp.asarray(xp.reshape(tensor, (-1,)), copy=True)  # in row-major order, as `scatter` needs it
        result = xp.reshape(flat_copy, (prod(sizes[:depth]), *sizes[depth:]))
        flat = xp.reshape(updates, (prod(indices.shape[:-1]), *sizes[depth:]))
        if flat.size:
            scatter(result, flat_places(indices, sizes[:depth]), flat, how)
        return xp.reshape(result, sizes)

    return kernel


# -- gradients


def _update_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    indices, updates = op.inputs[1:]
    return tensor_scatter_update(dy, indices, zeros_like(updates)), None, gather_nd(dy, indices)


def _add_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return dy, None, gather_nd(dy, op.inputs[1])


def _sub_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return dy, None, negative(gather_nd(dy, op.inputs[1]))


def _extreme_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Equal values share the gradient."""
    tensor, indices, updates = op.inputs
    kept = cast(equal(op.outputs[0], tensor), dy.dtype)
    chosen = cast(equal(updates, gather_nd(op.outputs[0], indices)), dy.dtype)
    share = divide(dy, add(kept, scatter_nd(indices, chosen, shape(tensor, out_type=indices.dtype))))
    return multiply(share, kept), None, multiply(gather_nd(share, indices), chosen)


define("TensorScatterUpdate", spec=_spec, kernel=_kernel("update"), gradient=_update_gradient)
define("TensorScatterAdd", spec=_spec, kernel=_kernel("add"), gradient=_add_gradient)
define("TensorScatterSub", spec=_number_spec, kernel=_kernel("sub"), gradient=_sub_gradient)
define("TensorScatterMin", spec=_number_spec, kernel=_kernel("min"), gradient=_extreme_gradient)
define("TensorScatterMax", spec=_number_spec, kernel=_kernel("max"), gradient=_extreme_gradient)
define("ScatterNdNonAliasingAdd", spec=_number_spec, kernel=_kernel("add"), gradient=_add_gradient)
