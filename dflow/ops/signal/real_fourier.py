"""Fourier transforms of real numbers, over the last one, two or three axes.

The transform of n real numbers along the last axis is n // 2 + 1 complex ones: the others are their conjugates.
Each operation is linear, and so is its gradient, which is an operation too: `RFFTGrad` is the transpose of `RFFT`, and
the gradient of `RFFTGrad` is `RFFT` again.  A number of a pair of conjugates counts twice.
Source: fft_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from array_api_compat import device

from dflow.dtypes import DType, complex64, complex128, float32, float64, int32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import shape
from dflow.ops.array.slice import slice as slice_
from dflow.ops.array.stack import stack
from dflow.ops.math.arithmetic import maximum, minimum, subtract
from dflow.ops.rules.arrays import ints, namespace
from dflow.ops.rules.like import only_first
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import known_value, only, spec_of
from dflow.ops.signal.fourier import of_rank
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["irfft", "irfft2d", "irfft3d", "rfft", "rfft2d", "rfft3d"]

Sizes = tuple[int, ...] | None  # of the real numbers, along the transformed axes; None: they are an input

_SUFFIX = {1: "", 2: "2D", 3: "3D"}
_COMPLEX: dict[DType, DType] = {float32: complex64, float64: complex128}
_REAL = {whole: part for part, whole in _COMPLEX.items()}


def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The transform along the last axis.  x: float32 or float64, [..., n] -> [..., length // 2 + 1], complex.

    fft_length: [length], numbers or a tensor; the input is cut or gets zeros to have it; None: the size of the input.
    """
    return _forward(1, input_tensor, fft_length, name)


def rfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The transform along the last two axes; fft_length: two lengths; else as `rfft`."""
    return _forward(2, input_tensor, fft_length, name)


def rfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The transform along the last three axes; fft_length: three lengths; else as `rfft`."""
    return _forward(3, input_tensor, fft_length, name)


def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `rfft`.  complex64 or complex128, [..., m] -> [..., length], real.

    fft_length: [length], numbers or a tensor; the input is cut or gets zeros for it; None: 2 * (m - 1).
    """
    return _backward(1, input_tensor, fft_length, name)


def irfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `rfft2d`; fft_length: two lengths; else as `irfft`."""
    return _backward(2, input_tensor, fft_length, name)


def irfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `rfft3d`; fft_length: three lengths; else as `irfft`."""
    return _backward(3, input_tensor, fft_length, name)


def _forward(rank: int, value: Any, fft_length: Any, name: str | None) -> Tensor:
    kind = f"RFFT{_SUFFIX[rank]}"
    with scope_of((value, fft_length), name, kind.lower()) as scope:
        x = convert_to_tensor(value, name="input")
        of_rank(x.spec, rank)
        if fft_length is None:
            return _add(kind, x, _last_sizes(x, rank), scope)
        lengths = _lengths(fft_length, rank)
        return _add(kind, _of_sizes(x, lengths, rank), lengths, scope)


def _backward(rank: int, value: Any, fft_length: Any, name: str | None) -> Tensor:
    kind = f"IRFFT{_SUFFIX[rank]}"
    with scope_of((value, fft_length), name, kind.lower()) as scope:
        x = convert_to_tensor(value, name="input")
        of_rank(x.spec, rank)
        if fft_length is None:
            last = _last_sizes(x, rank)
            if isinstance(last, tuple):
                return _add(kind, x, (*last[:-1], max(0, 2 * (last[-1] - 1))), scope)
            return _add(kind, x, concat([last[:-1], maximum(2 * (last[-1:] - 1), 0)], 0), scope)
        lengths = _lengths(fft_length, rank)
        if isinstance(lengths, tuple):
            halved: tuple[int, ...] | Tensor = (*lengths[:-1], lengths[-1] // 2 + 1)
        else:
            halved = concat([lengths[:-1], lengths[-1:] // 2 + 1], 0)
        return _add(kind, _of_sizes(x, halved, rank), lengths, scope)


def _lengths(fft_length: Any, rank: int) -> tuple[int, ...] | Tensor:
    """The argument as numbers, if these are known, or as a tensor; ShapeError for another count of them."""
    tensor = convert_to_tensor(fft_length, name="fft_length")
    only(tensor.spec, tensor.dtype == int32, "int32 lengths")
    count = tensor.spec.shape.with_rank(1)[0]
    if count not in (rank, None):
        raise ShapeError(f"Dimension must be {rank} but is {count}: one length for each of the last {rank} axes")
    known = known_value(tensor)
    return tensor if known is None else ints(known)


def _last_sizes(x: Tensor, rank: int) -> tuple[int, ...] | Tensor:
    if x.shape.ndims is not None and x.spec.shape[-rank:].is_fully_defined():
        return tuple(x.spec.shape[-rank:].as_list())
    return shape(x)[-rank:]


def _of_sizes(x: Tensor, sizes: tuple[int, ...] | Tensor, rank: int) -> Tensor:
    """The tensor cut, or with zeros behind it, to have these sizes along its last axes."""
    if isinstance(sizes, tuple) and x.shape.ndims is not None:
        last = x.spec.shape[-rank:].as_list()
        if last == list(sizes):
            return x
        if None not in last:
            outer = x.shape.ndims - rank
            cut = slice_(x, [0] * x.shape.ndims, [-1] * outer + [min(pair) for pair in zip(last, sizes, strict=True)])
            more = [max(0, size - own) for own, size in zip(last, sizes, strict=True)]
            return pad(cut, [[0, 0]] * outer + [[0, n] for n in more]) if any(more) else cut
    wanted = convert_to_tensor(sizes, int32) if isinstance(sizes, tuple) else sizes
    own = shape(x)
    target = concat([own[:-rank], wanted], 0)
    cut = slice_(x, subtract(own, own), minimum(own, target))
    more_of_each = maximum(subtract(target, own), 0)
    padded = pad(cut, stack([subtract(own, own), more_of_each], axis=1))
    known = sizes if isinstance(sizes, tuple) else (None,) * rank
    padded.set_shape(_last(x.spec, rank, known))
    return padded


def _add(kind: str, x: Tensor, lengths: tuple[int, ...] | Tensor, name: str | None = None) -> Tensor:
    known = isinstance(lengths, tuple)
    inputs = () if known else (lengths,)
    result: Tensor = add_op(kind, x, *inputs, name=name, lengths=lengths if known else None)
    return result


# -- rules


def _last(x: TensorSpec, rank: int, sizes: tuple[int | None, ...]) -> TensorShape:
    return UNKNOWN_SHAPE if x.shape.ndims is None else TensorShape([*x.shape.known[:-rank], *sizes])


def _to_complex_spec(rank: int, x: TensorSpec, given: TensorSpec | None = None, *, lengths: Sizes) -> TensorSpec:
    only(x, x.dtype in _COMPLEX, "float32 and float64")
    of_rank(x, rank)
    sizes = (None,) * rank if lengths is None else (*lengths[:-1], lengths[-1] // 2 + 1 if lengths[-1] else 0)
    return spec_of(_last(x, rank, sizes), _COMPLEX[x.dtype])


def _to_real_spec(rank: int, x: TensorSpec, given: TensorSpec | None = None, *, lengths: Sizes) -> TensorSpec:
    only(x, x.dtype in _REAL, "complex numbers")
    of_rank(x, rank)
    return spec_of(_last(x, rank, (None,) * rank if lengths is None else lengths), _REAL[x.dtype])


def _sizes(x: Any, given: Any, lengths: Sizes, rank: int) -> tuple[int, ...]:
    if x.ndim < rank:
        raise InvalidArgumentError(None, None, f"Input must have rank of at least {rank} but got: {list(x.shape)}")
    sizes = ints(given) if lengths is None else lengths
    if len(sizes) != rank or min(sizes) < 0:
        raise InvalidArgumentError(None, None, f"fft_length must be {rank} non-negative numbers, got {list(sizes)}")
    return sizes


def _to_complex(x: Any, sizes: tuple[int, ...], doubled: bool) -> Any:
    """The transform, divided by the number of values and each pair counted twice if it is the transpose of IRFFT."""
    xp = namespace(x)
    if 0 in sizes:
        half = sizes[-1] // 2 + 1 if sizes[-1] else 0
        whole = xp.complex64 if x.dtype == xp.float32 else xp.complex128
        return xp.zeros((*x.shape[: -len(sizes)], *sizes[:-1], half), dtype=whole, device=device(x))
    found = xp.fft.rfftn(x, s=sizes, axes=tuple(range(-len(sizes), 0)))
    return (
        found * _pairs(found, x.dtype, sizes[-1], 2.0 / math.prod(sizes), 1.0 / math.prod(sizes)) if doubled else found
    )


def _to_real(x: Any, sizes: tuple[int, ...], halved: bool) -> Any:
    """The inverse, times the number of values and each pair counted once if it is the transpose of RFFT."""
    xp = namespace(x)
    part = xp.float32 if x.dtype == xp.complex64 else xp.float64
    if 0 in sizes:
        return xp.zeros((*x.shape[: -len(sizes)], *sizes), dtype=part, device=device(x))
    if halved:
        x = x * _pairs(x, part, sizes[-1], 0.5 * math.prod(sizes), 1.0 * math.prod(sizes))
    return xp.fft.irfftn(x, s=sizes, axes=tuple(range(-len(sizes), 0)))


def _pairs(x: Any, dtype: Any, length: int, of_pair: float, alone: float) -> Any:
    """A factor for each number of the last axis: those at both ends of an even length have no partner."""
    xp = namespace(x)
    factor = xp.full((length // 2 + 1,), of_pair, dtype=dtype, device=device(x))
    factor[0] = alone
    if length % 2 == 0:
        factor[-1] = alone
    return factor


def _define(rank: int) -> None:
    """RFFT and IRFFT for a number of axes, and the gradient of each, whose own gradient is the first again."""
    to_complex, to_real = partial(_to_complex_spec, rank), partial(_to_real_spec, rank)
    for kind, spec, compute, is_gradient in [
        ("RFFT", to_complex, _to_complex, False),
        ("IRFFT", to_real, _to_real, False),
        ("RFFTGrad", to_real, _to_real, True),
        ("IRFFTGrad", to_complex, _to_complex, True),
    ]:
        name, suffix = kind.removesuffix("Grad"), _SUFFIX[rank]
        partner = f"{name}{suffix}" if is_gradient else f"{name}{suffix}Grad"

        def kernel(
            x: Any, given: Any = None, *, lengths: Sizes, _compute: Any = compute, _flag: bool = is_gradient
        ) -> Any:
            return _compute(x, _sizes(x, given, lengths, rank), _flag)

        def gradient(op: Operation, dy: Tensor, _partner: str = partner) -> tuple[Tensor | None, ...]:
            return only_first(op, add_op(_partner, dy, *op.inputs[1:], lengths=op.attrs["lengths"]))

        define(f"{name}{suffix}{'Grad' if is_gradient else ''}", spec=spec, kernel=kernel, gradient=gradient)


for _rank in _SUFFIX:
    _define(_rank)
