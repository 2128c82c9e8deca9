"""Where the parts of a concatenation start in it.

Source: the operation ConcatOffset of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, create_op
from dflow.ops.rules.arrays import ints, namespace, single
from dflow.ops.rules.ranks import bracketed, exactly, require
from dflow.registry import define, not_differentiable
from dflow.specs import TensorSpec

__all__ = ["concat_offset"]


def concat_offset(concat_dim: Any, shape: Any, name: str | None = None) -> list[Tensor]:
    """Where each tensor of these shapes starts if they are concatenated along an axis: vectors, as `shape` has them.

    concat_dim: an int32; shape: a list of vectors of int32.  InvalidArgumentError at run time for an axis that is not
    there and for shapes that differ elsewhere.
    """
    return list(create_op("ConcatOffset", concat_dim, *shape, name=name).outputs)


def _spec(axis: TensorSpec, *shapes: TensorSpec) -> tuple[TensorSpec, ...]:
    if len(shapes) < 2:
        raise ShapeError(f"List argument 'shape' to 'ConcatOffset' Op with length {len(shapes)} shorter than minimum "
                         "length 2.")  # fmt: skip
    exactly(axis, 0)
    for it in shapes:
        exactly(it, 1)
    return shapes


def _kernel(axis: Any, *shapes: Any) -> list[Any]:
    require(axis.ndim == 0, f"Concat dim tensor should be a scalar, but got shape {bracketed(axis.shape)}")
    for place, it in enumerate(shapes):
        require(it.ndim == 1, f"input {place} should be a vector, but got shape {bracketed(it.shape)}")
    sizes, (dim,) = [ints(it) for it in shapes], ints(single(axis))
    rank = len(sizes[0])
    require(-rank <= dim < rank, f"Concat dim is out of range: {dim} vs. {rank}")
    dim %= rank
    xp, found, start = namespace(shapes[0]), [], 0
    for place, it in enumerate(sizes):
        require(len(it) == rank, f"input {place} should contain {rank} elements, but got {len(it)}")
        require(
            all(a == b for i, (a, b) in enumerate(zip(sizes[0], it, strict=True)) if i != dim),
            f"All dimensions except {dim} must match. Input {place} has shape {_spaced(it)} and doesn't match input 0 "
            f"with shape {_spaced(sizes[0])}.",
        )
        offset = xp.zeros_like(shapes[0])
        offset[dim] = start
        found.append(offset)
        start += it[dim]
    return found


def _spaced(sizes: tuple[int, ...]) -> str:
    return "[" + " ".join(map(str, sizes)) + "]"


define("ConcatOffset", spec=_spec, kernel=_kernel, gradient=not_differentiable)
