"""Images mirrored, turned and transposed.

Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import reshape
from dflow.ops.array.transpose import transpose
from dflow.ops.image.shapes import dims, image_of, one_or_batch
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.compare import less, where
from dflow.ops.math.rounding import round
from dflow.ops.random import random_uniform
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.building import scoped
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import spec_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = [
    "flip_left_right",
    "flip_up_down",
    "random_flip_left_right",
    "random_flip_up_down",
    "rot90",
    "transpose_image",
]


def flip_left_right(image: Any) -> Tensor:
    """Images mirrored from left to right.  image: [height, width, c], or a batch.  Source: tf.image.flip_left_right."""
    return _flip(image, 1, "flip_left_right")


def flip_up_down(image: Any) -> Tensor:
    """Images mirrored from top to bottom.  image: [height, width, c], or a batch.  Source: tf.image.flip_up_down."""
    return _flip(image, 0, "flip_up_down")


def _flip(image: Any, axis: int, name: str) -> Tensor:
    with scoped(name, None, image):
        x = image_of(image)
        return _mirrored(x, axis, one_or_batch(x))


def _mirrored(x: Tensor, axis: int, batch: bool) -> Tensor:
    whole = slice(None)
    key: list[slice] = [whole] * (axis + batch) + [slice(None, None, -1)]
    result: Tensor = x[tuple(key)] if x.shape.ndims is not None else x[(*key, ...)]
    result.set_shape(x.shape)
    return result


def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """Images, each of which is mirrored from left to right or not, with equal chances.

    image: [height, width, c], or a batch.  Source: tf.image.random_flip_left_right.
    """
    return _random_flip(image, 1, seed, "random_flip_left_right")


def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """Images, each of which is mirrored from top to bottom or not, with equal chances.

    image: [height, width, c], or a batch.  Source: tf.image.random_flip_up_down.
    """
    return _random_flip(image, 0, seed, "random_flip_up_down")


def _random_flip(image: Any, axis: int, seed: int | None, name: str) -> Tensor:
    with scoped(name, None, image) as scope:
        x = image_of(image)
        batch = one_or_batch(x)
        flipped = _mirrored(x, axis, batch)
        if not batch:
            result = where(less(random_uniform([], 0, 1.0, seed=seed), 0.5), flipped, x, name=scope)
            result.set_shape(x.shape)
            return result
        count = dims(x, 4)[0]
        flips = round(reshape(random_uniform([count], 0, 1.0, seed=seed), [-1, 1, 1, 1]))
        flips = cast(flips, x.dtype)
        return add(multiply(flips, flipped), multiply(1 - flips, x))


def transpose_image(image: Any) -> Tensor:
    """Images with height and width exchanged.  image: [height, width, c], or a batch.

    Source: tf.image.transpose_image.
    """
    with scoped("transpose_image", None, image) as scope:
        x = image_of(image)
        return transpose(x, [0, 2, 1, 3] if one_or_batch(x) else [1, 0, 2], name=scope)


def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Images turned k times by 90 degrees, counter-clockwise.  image: [height, width, c], or a batch.

    k: an integer, or a tensor.  Source: tf.image.rot90.
    """
    with scoped("rot90", name, image, k) as scope:
        x = image_of(image)
        batch = one_or_batch(x)
        number, inputs = late(k, "k")
        result: Tensor = add_op("Rot90", x, *inputs, name=scope, k=None if number is None else number % 4)
        if number is None and batch and x.shape.ndims is not None:
            result.set_shape([x.shape[0], None, None, x.shape[3]])
        return result


def _spec(x: TensorSpec, k: int) -> TensorSpec:
    if x.shape.ndims is None or k % 2 == 0:
        return x
    *rest, height, width, c = x.shape.known
    return spec_of([*rest, width, height, c], x.dtype)


def _unknown(x: TensorSpec) -> TensorSpec:
    if x.shape.ndims is None:
        return x
    *rest, _, _, c = x.shape.known
    return spec_of([*rest, None, None, c], x.dtype)


def _kernel(x: Any, k: int) -> Any:
    k %= 4
    if k % 2:
        order = (*range(x.ndim - 3), x.ndim - 2, x.ndim - 3, x.ndim - 1)
        x = namespace(x).permute_dims(x, order)
    if k in (1, 2):
        x = x[..., ::-1, :, :]
    if k in (2, 3):
        x = x[..., ::-1, :]
    return x


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    k = op.attrs["k"]
    inputs = op.inputs[1:]
    back: Tensor = add_op("Rot90", dy, *(subtract(0, k) for k in inputs), k=None if k is None else -k % 4)
    return only_first(op, back)


define("Rot90", **late_rules("k", spec=_spec, unknown=_unknown, kernel=_kernel), gradient=_gradient)
