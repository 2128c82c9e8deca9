"""Discrete cosine transforms, made of Fourier transforms of real numbers.

Source: dct_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones, zeros_like
from dflow.ops.array.pad import pad
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import reshape, shape
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.complex import complex, real
from dflow.ops.math.powers import rsqrt, sqrt
from dflow.ops.math.trigonometry import cos, sin
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import only
from dflow.ops.signal.real_fourier import irfft, rfft

__all__ = ["dct", "idct"]

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def dct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The discrete cosine transform of a type, 1 to 4, along the last axis.  float32 or float64, [..., n].

    n: the length, for which the input is cut or gets zeros; axis: -1; norm: None or "ortho" (not for type 1).
    ValueError for other arguments, for type 1 of one value, NotImplementedError for another axis.
    """
    _check(type, n, axis, norm)
    with scope_of((input,), name, "dct"):
        x = convert_to_tensor(input)
        only(x.spec, x.dtype.name in ("float32", "float64"), "float32 and float64")
        if n is not None:
            x = _of_length(x, n)
        count = x.spec.shape[-1]
        size = convert_to_tensor(count, x.dtype) if count is not None else cast(shape(x)[-1], x.dtype)
        if type == 1:
            if count is not None and count < 2:
                raise ValueError("DCT-I requires the dimension to be greater than one.")
            return real(rfft(concat([x, x[..., -2:0:-1]], -1)))
        if type == 2:
            return _second(x, size, norm)
        return _third(x, size, norm) if type == 3 else _fourth(x, size, norm)


def idct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The inverse of `dct`, but for a factor of 2 * n without norm="ortho" (of 2 * (n - 1) for type 1)."""
    _check(type, n, axis, norm)
    with scope_of((input,), name, "idct"):
        return dct(input, type=_INVERSE[type], n=n, axis=axis, norm=norm)


def _check(type: int, n: int | None, axis: int, norm: str | None) -> None:
    if axis != -1:
        raise NotImplementedError(f"axis must be -1. Got: {axis}")
    if n is not None and n < 1:
        raise ValueError("n should be a positive integer or None")
    if type not in _INVERSE:
        raise ValueError("Only Types I, II, III and IV (I)DCT are supported.")
    if type == 1 and norm == "ortho":
        raise ValueError("Normalization is not supported for the Type-I DCT.")
    if norm not in (None, "ortho"):
        raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")


def _of_length(x: Tensor, n: int) -> Tensor:
    """The tensor cut, or with zeros behind it."""
    cut = x[..., :n]
    if cut.shape.ndims is None:
        raise ValueError(f"the rank of {x.name} must be known for n; use set_shape()")
    count = cut.spec.shape[-1]
    if count == n:
        return cut
    missing = n - shape(cut)[-1] if count is None else n - count
    padded = pad(cut, convert_to_tensor([[0, 0]] * (cut.shape.ndims - 1) + [[0, missing]]))
    padded.set_shape([*cut.shape[:-1], n])
    return padded


def _places(x: Tensor) -> Tensor:
    """0, 1, ..., n - 1 in the dtype of x."""
    count = x.spec.shape[-1]
    return cast(range_(shape(x)[-1] if count is None else count), x.dtype)


def _turn(places: Tensor, size: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """The parts of 2 * exp(sign * 1j * places * pi / (2 * n))."""
    angle = multiply(places, sign * math.pi * 0.5 / size)
    return multiply(cos(angle), 2), multiply(sin(angle), 2)


def _first_and_others(x: Tensor, first: Tensor, others: Tensor) -> Tensor:
    """A factor for the first value and one for all others, in the shape [n]."""
    count = shape(x)[-1:] if x.spec.shape[-1] is None else [x.spec.shape[-1]]
    all_others = multiply(ones(count, x.dtype), others)
    return concat([reshape(first, [1]), all_others[1:]], 0)


def _second(x: Tensor, size: Tensor, norm: str | None) -> Tensor:
    count = x.spec.shape[-1]
    length: Any = [2 * count] if count is not None else 2 * shape(x)[-1:]
    half = rfft(x, length)[..., : shape(x)[-1] if count is None else count]
    result = real(multiply(half, complex(*_turn(_places(x), size, -1))))
    if norm == "ortho":
        scale = multiply(rsqrt(size), 0.5)
        result = multiply(result, _first_and_others(x, scale, multiply(scale, math.sqrt(2))))
    return result


def _third(x: Tensor, size: Tensor, norm: str | None) -> Tensor:
    if norm == "ortho":
        scale = sqrt(size)
        x = multiply(x, _first_and_others(x, scale, multiply(scale, math.sqrt(0.5))))
    else:
        x = multiply(x, size)
    count = x.spec.shape[-1]
    length: Any = [2 * count] if count is not None else 2 * shape(x)[-1:]
    turned = multiply(complex(x, zeros_like(x)), complex(*_turn(_places(x), size, 1)))
    return irfft(turned, length)[..., : shape(x)[-1] if count is None else count]


def _fourth(x: Tensor, size: Tensor, norm: str | None) -> Tensor:
    """The odd values of the second transform of twice the length."""
    double = concat([x, zeros_like(x)], -1)
    result = _second(double, multiply(size, 2), None)[..., 1::2]
    return multiply(result, multiply(rsqrt(size), math.sqrt(0.5))) if norm == "ortho" else result
