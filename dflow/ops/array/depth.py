"""Blocks of an image moved to its depth, and back: space_to_depth, depth_to_space.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.ranks import exactly, require
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["depth_to_space", "space_to_depth"]


def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Square blocks of an image moved to its depth.

    input: [batch, height, width, depth], of any dtype -> [batch, height / block_size, width / block_size,
    depth * block_size**2].  data_format: "NHWC", or "NCHW" for images [batch, depth, height, width].
    ShapeError, or InvalidArgumentError at run time, if the blocks do not fill the image.
    """
    return _moved("SpaceToDepth", input, block_size, name, data_format)


def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """The reverse of `space_to_depth`."""
    return _moved("DepthToSpace", input, block_size, name, data_format)


def _moved(kind: str, input: Any, block_size: int, name: str | None, data_format: str) -> Tensor:
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format is NHWC or NCHW, got {data_format!r}")
    result: Tensor = add_op(kind, input, name=name, block_size=int(block_size), data_format=data_format)
    return result


def _image(dims: list[Any], data_format: str) -> tuple[Any, Any, Any, Any]:
    """Batch, height, width and depth."""
    batch, a, b, c = dims
    return (batch, a, b, c) if data_format == "NHWC" else (batch, b, c, a)


def _dims(batch: Any, height: Any, width: Any, depth: Any, data_format: str) -> list[Any]:
    return [batch, height, width, depth] if data_format == "NHWC" else [batch, depth, height, width]


def _check_size(block_size: int) -> None:
    if block_size < 2:
        raise ShapeError(f"Block size should be > 1, but was: {block_size}")


def _quotient(size: int | None, block: int) -> int | None:
    if size is not None and size % block:
        raise ShapeError(f"Dimension size must be evenly divisible by {block} but is {size}")
    return None if size is None else size // block


def _product(size: int | None, block: int) -> int | None:
    return None if size is None else size * block


def _to_depth_spec(x: TensorSpec, block_size: int, data_format: str) -> TensorSpec:
    _check_size(block_size)
    batch, height, width, depth = _image(exactly(x, 4).as_list(), data_format)
    sizes = (batch, _quotient(height, block_size), _quotient(width, block_size), _product(depth, block_size**2))
    return TensorSpec(TensorShape(_dims(*sizes, data_format)), x.dtype)


def _to_space_spec(x: TensorSpec, block_size: int, data_format: str) -> TensorSpec:
    _check_size(block_size)
    batch, height, width, depth = _image(exactly(x, 4).as_list(), data_format)
    sizes = (batch, _product(height, block_size), _product(width, block_size), _quotient(depth, block_size**2))
    return TensorSpec(TensorShape(_dims(*sizes, data_format)), x.dtype)


def _to_depth_kernel(x: Any, block_size: int, data_format: str) -> Any:
    require(x.ndim == 4, f"Input rank should be: 4 instead of: {x.ndim}")
    batch, height, width, depth = _image(list(x.shape), data_format)
    n = block_size
    require(
        height % n == 0 and width % n == 0,
        f"Image width {width} and height {height} should be divisible by block_size: {n}",
    )
    xp = namespace(x)
    if data_format == "NHWC":
        blocks = xp.reshape(x, (batch, height // n, n, width // n, n, depth))
        return xp.reshape(xp.permute_dims(blocks, (0, 1, 3, 2, 4, 5)), (batch, height // n, width // n, depth * n * n))
    blocks = xp.reshape(x, (batch, depth, height // n, n, width // n, n))
    return xp.reshape(xp.permute_dims(blocks, (0, 3, 5, 1, 2, 4)), (batch, depth * n * n, height // n, width // n))


def _to_space_kernel(x: Any, block_size: int, data_format: str) -> Any:
    require(x.ndim == 4, f"Input rank should be: 4 instead of: {x.ndim}")
    batch, height, width, depth = _image(list(x.shape), data_format)
    n = block_size
    require(depth % (n * n) == 0, f"Input depth dimension {depth} should be divisible by: {n * n}")
    rest = depth // (n * n)
    xp = namespace(x)
    if data_format == "NHWC":
        blocks = xp.reshape(x, (batch, height, width, n, n, rest))
        return xp.reshape(xp.permute_dims(blocks, (0, 1, 3, 2, 4, 5)), (batch, height * n, width * n, rest))
    blocks = xp.reshape(x, (batch, n, n, rest, height, width))
    return xp.reshape(xp.permute_dims(blocks, (0, 3, 4, 1, 5, 2)), (batch, rest, height * n, width * n))


def _to_depth_gradient(op: Operation, dy: Tensor) -> Tensor:
    return depth_to_space(dy, op.attrs["block_size"], data_format=op.attrs["data_format"])


def _to_space_gradient(op: Operation, dy: Tensor) -> Tensor:
    return space_to_depth(dy, op.attrs["block_size"], data_format=op.attrs["data_format"])


define("SpaceToDepth", spec=_to_depth_spec, kernel=_to_depth_kernel, gradient=_to_depth_gradient)
define("DepthToSpace", spec=_to_space_spec, kernel=_to_space_kernel, gradient=_to_space_gradient)
