"""Values dropped at random, for training.

Source: nn_ops.dropout of TensorFlow 1.15.
"""

from __future__ import annotations

import numbers
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import shape
from dflow.ops.math.compare import greater_equal
from dflow.ops.random import random_uniform
from dflow.ops.rules.static import as_tensor, is_symbolic
from dflow.shapes import TensorShape

__all__ = ["dropout"]


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """x with each value set to 0 with probability `rate`, or else divided by keep_prob = 1 - rate.

    x: floating.  keep_prob: a number in (0, 1] or a scalar tensor; or rate, in [0, 1).  noise_shape: where it has size
    1, values are kept or dropped together; None stands for the size of x there.  With keep_prob 1, x itself.
    """
    if (keep_prob is None) == (rate is None):
        raise ValueError("dropout needs either keep_prob or rate")
    _check_scalar(keep_prob if rate is None else rate, "keep_prob" if rate is None else "rate")
    tensor = as_tensor(x, beside=(keep_prob, rate))
    if not tensor.dtype.is_floating:
        raise ValueError(
            "x has to be a floating point tensor since it's going to be scaled. "
            f"Got a {tensor.dtype.name} tensor instead."
        )
    keep: Any = keep_prob if rate is None else 1 - rate
    if not is_symbolic(keep):
        if not 0 < keep <= 1:
            raise ValueError(f"keep_prob must be a scalar tensor or a float in the range (0, 1], got {keep}")
        if keep == 1:
            return tensor
    dropped: Any = 1 - keep_prob if rate is None else rate
    with tensor.graph.as_default(), tensor.graph.name_scope(name or "dropout"):
        if not is_symbolic(dropped):
            dropped = convert_to_tensor(dropped, tensor.dtype, name="rate")
        noise = random_uniform(_noise_shape(tensor, noise_shape), dtype=tensor.dtype, seed=seed)
        scale = 1 / (1 - dropped)
        mask = cast(greater_equal(noise, dropped), tensor.dtype)
        result: Tensor = tensor * scale * mask
        result.set_shape(tensor.shape)
    return result


def _check_scalar(value: Any, what: str) -> None:
    """ValueError for a value that is neither a number nor a scalar tensor."""
    shape_known = value.shape if is_symbolic(value) and not isinstance(value, (list, tuple)) else None
    if shape_known is not None and shape_known.ndims in (None, 0):
        return
    if shape_known is not None or not isinstance(value, numbers.Real):
        raise ValueError(f"{what} must be a scalar tensor or a float, got {value!r}")


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    if noise_shape is None:
        return x.shape.as_list() if x.shape.is_fully_defined() else shape(x)
    if isinstance(noise_shape, TensorShape):
        noise_shape = noise_shape.as_list()
    if not isinstance(noise_shape, (list, tuple)) or None not in noise_shape:
        return noise_shape
    sizes = x.spec.shape.with_rank(len(noise_shape))
    return [
        (sizes[i] if sizes[i] is not None else shape(x)[i]) if size is None else size
        for i, size in enumerate(noise_shape)
    ]
