"""Small layers: products with weights plus biases, and the share of zeros.

Source: nn_ops and nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import size
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import subtract
from dflow.ops.math.division import realdiv
from dflow.ops.math.linalg import matmul
from dflow.ops.math.reduction import count_nonzero
from dflow.ops.nn.activations import relu
from dflow.ops.nn.bias import bias_add
from dflow.ops.rules.building import scoped

__all__ = ["relu_layer", "xw_plus_b", "zero_fraction"]


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """x @ weights + biases.  x: [n, a]; weights: [a, b]; biases: [b] -> [n, b].  Source: tf.nn.xw_plus_b."""
    with scoped("xw_plus_b", name, x, weights, biases) as scope:
        x, w, b = (convert_to_tensor(v, name=n) for v, n in ((x, "x"), (weights, "weights"), (biases, "biases")))
        return bias_add(matmul(x, w), b, name=scope)


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """relu(x @ weights + biases).  x: [n, a]; weights: [a, b]; biases: [b] -> [n, b].  Source: tf.nn.relu_layer."""
    with scoped("relu_layer", name, x, weights, biases) as scope:
        x, w, b = (convert_to_tensor(v, name=n) for v, n in ((x, "x"), (weights, "weights"), (biases, "biases")))
        return relu(bias_add(matmul(x, w), b), name=scope)


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The share of zeros among the values, a float32 scalar; NaN of no values.  Source: tf.nn.zero_fraction."""
    with scoped("zero_fraction", name, value):
        x = convert_to_tensor(value, name="value")
        count = size(x, out_type="int64")
        zeros = subtract(count, count_nonzero(x))
        return identity(realdiv(cast(zeros, "float32"), cast(count, "float32")), name="fraction")
