"""Pools of sequences, images and volumes under one name.

Source: nn_ops.max_pool_v2 and avg_pool_v2 of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.pool.avg_pool import avg_pool, avg_pool1d, avg_pool3d
from dflow.ops.pool.max_pool import max_pool, max_pool1d, max_pool3d

__all__ = ["avg_pool_v2", "max_pool_v2"]


def max_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """`max_pool1d`, `max_pool` or `max_pool3d`, by the rank of the input.  Source: tf.nn.max_pool_v2."""
    return _pooled((max_pool1d, max_pool, max_pool3d), input, ksize, strides, padding, data_format, name)


def avg_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """`avg_pool1d`, `avg_pool` or `avg_pool3d`, by the rank of the input.  Source: tf.nn.avg_pool_v2."""
    return _pooled((avg_pool1d, avg_pool, avg_pool3d), input, ksize, strides, padding, data_format, name)


def _pooled(
    functions: tuple[Callable[..., Tensor], ...],
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None,
    name: str | None,
) -> Tensor:
    x = convert_to_tensor(input)
    rank = x.shape.ndims if x.shape.ndims is not None or data_format is None else len(data_format)
    if rank not in (3, 4, 5):
        raise ValueError(f"Input tensor must be of rank 3, 4 or 5 but was {rank}.")
    return functions[rank - 3](x, ksize, strides, padding, data_format, name=name)
