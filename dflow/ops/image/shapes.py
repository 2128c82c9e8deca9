"""What functions on images check of their shapes: while the graph is built, or in the run, if they are known only then.

Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import DType, float16, float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.shape import shape
from dflow.ops.control import Assert, with_dependencies
from dflow.ops.math.compare import greater, greater_equal
from dflow.ops.math.reduction import reduce_all
from dflow.ops.rules.static import is_symbolic

Size = Any  # a number, or a scalar tensor


def dims(x: Tensor, rank: int) -> list[Size]:
    """The sizes of an image: numbers where they are known, else scalar tensors."""
    if x.shape.is_fully_defined():
        return list(x.shape.as_list())
    known = x.spec.shape.with_rank(rank)
    at_run = shape(x)
    return [at_run[i] if known[i] is None else known[i] for i in range(rank)]


def known_size(size: Size) -> int | None:
    """The number, or None for a tensor."""
    return None if is_symbolic(size) else int(size)


def check(condition: Any, message: str) -> list[Any]:
    """ValueError if a known condition does not hold; for one that is a tensor, an operation that checks it."""
    if is_symbolic(condition):
        return [Assert(condition, [message])]
    if not condition:
        raise ValueError(message)
    return []


def after(checks: Sequence[Any], x: Tensor) -> Tensor:
    """The image, after its checks."""
    return with_dependencies(checks, x) if checks else x


def image_of(value: Any, name: str = "image") -> Tensor:
    """The value as a tensor of an image, or of several, [..., height, width, channels], none of which is empty.

    ValueError for another static shape, InvalidArgumentError at run time.
    """
    x = convert_to_tensor(value, name=name)
    ndims = x.shape.ndims
    if ndims is None:
        return x
    if ndims < 3:
        raise ValueError(f"'image' (shape {x.shape}) must be at least three-dimensional.")
    if 0 in x.shape.known[-3:]:
        raise ValueError(f"inner 3 dims of 'image.shape' must be > 0: {x.shape}")
    if x.shape.is_fully_defined():
        return x
    positive = reduce_all(greater(shape(x)[-3:], 0))
    return after([Assert(positive, ["inner 3 dims of 'image.shape' must be > 0."])], x)


def one_or_batch(x: Tensor) -> bool:
    """Whether it is a batch of images, and not one; ValueError for another rank."""
    if x.shape.ndims not in (None, 3, 4):
        raise ValueError(f"'image' (shape {x.shape}) must have either 3 or 4 dimensions.")
    return x.shape.ndims == 4


def at_least(value: Size, number: int, message: str) -> list[Any]:
    """A check that a size is not smaller than a number."""
    return check(greater_equal(value, number) if is_symbolic(value) else value >= number, message)


def is_float(dtype: DType) -> bool:
    """Whether images of this dtype are adjusted as they are: others become float32 first."""
    return dtype in (float16, float32)
