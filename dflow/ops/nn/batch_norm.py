"""Normalisation of a batch by given means and variances, built of other operations.

Source: nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.math.arithmetic import add, multiply, negative, subtract
from dflow.ops.math.powers import rsqrt
from dflow.ops.rules.building import one_of, scoped

__all__ = ["batch_norm_with_global_normalization", "batch_normalization"]


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any, name: str | None = None
) -> Tensor:
    """(x - mean) * scale / sqrt(variance + variance_epsilon) + offset.  Floating.

    offset, scale: None, or tensors; all broadcast to the shape of x.  Source: tf.nn.batch_normalization.
    """
    with scoped("batchnorm", name, x, mean, variance, scale, offset):
        x, mean, variance = (convert_to_tensor(it) for it in (x, mean, variance))
        inverse = rsqrt(add(variance, variance_epsilon, name="add"))
        if scale is not None:
            inverse = multiply(inverse, scale, name="mul")
        scaled = multiply(x, cast(inverse, x.dtype), name="mul")
        if offset is None:
            shift = multiply(negative(mean), inverse, name="mul")
        else:
            shift = subtract(offset, multiply(mean, inverse, name="mul"), name="sub")
        return add(scaled, cast(shift, x.dtype), name="add")


def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: bool | None = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """`batch_normalization` under an older name.  Source: tf.nn.batch_norm_with_global_normalization."""
    x = one_of("input", input, "t", t)
    mean, variance = one_of("mean", mean, "m", m), one_of("variance", variance, "v", v)
    scale = gamma if scale_after_normalization else None
    return batch_normalization(x, mean, variance, beta, scale, variance_epsilon, name)
