"""Fourier transforms of complex numbers, over the last one, two or three axes.

Source: fft_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.dtypes import complex64, complex128
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import shape
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.division import realdiv
from dflow.ops.math.reduction import reduce_prod
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["fft", "fft2d", "fft3d", "ifft", "ifft2d", "ifft3d"]


def fft(input: Any, name: str | None = None) -> Tensor:
    """The discrete Fourier transform along the last axis.  Complex."""
    return _transformed("FFT", input, name)


def ifft(input: Any, name: str | None = None) -> Tensor:
    """The inverse of `fft`.  Complex."""
    return _transformed("IFFT", input, name)


def fft2d(input: Any, name: str | None = None) -> Tensor:
    """The discrete Fourier transform along the last two axes.  Complex."""
    return _transformed("FFT2D", input, name)


def ifft2d(input: Any, name: str | None = None) -> Tensor:
    """The inverse of `fft2d`.  Complex."""
    return _transformed("IFFT2D", input, name)


def fft3d(input: Any, name: str | None = None) -> Tensor:
    """The discrete Fourier transform along the last three axes.  Complex."""
    return _transformed("FFT3D", input, name)


def ifft3d(input: Any, name: str | None = None) -> Tensor:
    """The inverse of `fft3d`.  Complex."""
    return _transformed("IFFT3D", input, name)


def _transformed(kind: str, x: Any, name: str | None) -> Tensor:
    tensor: Tensor = named(kind, (x,), ("input",), name)
    return tensor


def of_rank(x: TensorSpec, rank: int) -> None:
    """ShapeError for a rank that is known to be smaller."""
    if x.shape.ndims is not None and x.shape.ndims < rank:
        raise ShapeError(f"Shape must be at least rank {rank} but is rank {x.shape.ndims}")


def _spec(rank: int, x: TensorSpec) -> TensorSpec:
    only(x, x.dtype in (complex64, complex128), "complex numbers")
    of_rank(x, rank)
    return x


def _kernel(function: str, rank: int, x: Any) -> Any:
    return getattr(namespace(x).fft, function)(x, axes=tuple(range(-rank, 0))) if x.size else x


def count_of(x: Tensor, rank: int) -> Tensor:
    """The number of values of the last axes, in the dtype of `x`."""
    last = x.shape[-rank:] if x.shape.ndims is not None else None
    with scopes.building_in(x.graph):
        if last is not None and last.is_fully_defined():
            return convert_to_tensor(last.num_elements(), x.dtype)
        return cast(reduce_prod(shape(x)[-rank:]), x.dtype)


def _define(suffix: str, rank: int) -> None:
    forward, inverse = f"FFT{suffix}", f"IFFT{suffix}"

    def gradient(op: Operation, dy: Tensor) -> Tensor:
        return multiply(_transformed(inverse, dy, None), count_of(dy, rank))

    def inverse_gradient(op: Operation, dy: Tensor) -> Tensor:
        return realdiv(_transformed(forward, dy, None), count_of(dy, rank))

    spec = partial(_spec, rank)
    for kind, function, rule in ((forward, "fftn", gradient), (inverse, "ifftn", inverse_gradient)):
        define(kind, spec=spec, kernel=checked(spec, partial(_kernel, function, rank)), gradient=rule)


for _suffix, _rank in (("", 1), ("2D", 2), ("3D", 3)):
    _define(_suffix, _rank)
