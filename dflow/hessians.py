"""Second derivatives: the Hessian matrix of a sum.

Source: tf.hessians of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int32
from dflow.gradients import gradients
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import reshape, shape, size
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.while_loop import while_loop

__all__ = ["hessians"]


def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Tensor]:
    """The second derivatives of the sum of `ys` with respect to each of `xs`, one entry of an x at a time.

    ys, xs: one tensor or variable, or a sequence of them; the other arguments are those of `gradients`.

    Returns a tensor of the shape of x and once more the shape of x, and of its dtype, for each x.
    ValueError if `ys` do not depend on an x.
    """
    options: dict[str, Any] = {
        "colocate_gradients_with_ops": colocate_gradients_with_ops,
        "gate_gradients": gate_gradients,
        "aggregation_method": aggregation_method,
    }
    xs = list(xs) if isinstance(xs, (list, tuple)) else [xs]
    first = gradients(ys, xs, **options)
    return [_hessian(convert_to_tensor(dx), x, options) for dx, x in zip(first, xs, strict=True)]


def _hessian(gradient: Tensor, x: Any, options: dict[str, Any]) -> Tensor:
    """The derivatives of each entry of a gradient."""
    gradient, count = reshape(gradient, [-1]), size(x)

    def row(i: Any, rows: TensorArray) -> tuple[Any, TensorArray]:
        (second,) = gradients(gather(gradient, i), x, **options)
        return i + 1, rows.write(i, convert_to_tensor(second))

    _, rows = while_loop(lambda i, _: i < count, row, [convert_to_tensor(0, int32), TensorArray(x.dtype, count)])
    sizes = shape(x)
    return reshape(rows.stack(), concat([sizes, sizes], 0))
