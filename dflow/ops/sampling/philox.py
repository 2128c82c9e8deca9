"""The random numbers of TensorFlow: its generator, and its distributions made of the bits of the generator.

The generator is Philox4x32-10: from a counter of 128 bits and a key of 64 bits it makes four numbers of 32 bits, by
multiplications alone, so that any part of a sequence can be computed by itself.  With one seed, these functions give
the numbers that TensorFlow gives on a CPU.
Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011); random_distributions of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.dtypes import DType

__all__ = ["Philox", "doubles", "integers", "normal", "truncated_normal", "uniform"]

Array = np.ndarray[Any, Any]

_MASK, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_FACTORS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEPS = 0x9E3779B9, 0xBB67AE85
_BLOCK = 1 << 13  # calls at a time: they stay in the cache
RESERVED = 256  # how many calls one output reserves, for distributions that may need several


@dataclass(frozen=True)
class Philox:
    """A place in a sequence: the key, and the counter of the next call.

    key, counter: integers of 64 and 128 bits.
    """

    key: int
    counter: int

    @classmethod
    def of_seeds(cls, seed: int, seed2: int) -> Philox:
        """The start of the sequence of an operation with two seeds."""
        return cls(seed % (1 << 64), (seed2 % (1 << 64)) << 64)

    @classmethod
    def scrambled(cls, seed: tuple[int, int]) -> Philox:
        """The start of the sequence of a stateless operation: its seeds may be alike, so their bits are mixed first."""
        low, high = (number % (1 << 64) for number in seed)
        a, b, c, d = (int(number) for number in cls(0x02461E29_3EC8F720, high << 64 | low).calls(1)[0])
        return cls(b << 32 | a, (d << 32 | c) << 64)

    def skip(self, calls: int) -> Philox:
        """The place after some calls."""
        return Philox(self.key, (self.counter + calls) % (1 << 128))

    def calls(self, count: int) -> Array:
        """[count, 4] uint32: the numbers of the next calls."""
        return np.concatenate([np.empty((0, 4), np.uint32), *self.blocks(count)])

    def blocks(self, count: int) -> Iterator[Array]:
        """As `calls`, in blocks that stay in the cache."""
        for start in range(0, count, _BLOCK):
            yield self._block(np.arange(start, min(count, start + _BLOCK), dtype=np.uint64))

    def at(self, places: Array) -> Array:
        """[..., 4] uint32: the numbers of the calls at places, counted from here."""
        return self._block(places.astype(np.uint64))

    def _block(self, places: Array) -> Array:
        low, high = np.uint64(self.counter & (1 << 64) - 1), self.counter >> 64
        with np.errstate(over="ignore"):
            first = low + places
        second = np.where(first < low, np.uint64((high + 1) % (1 << 64)), np.uint64(high))
        return _rounds((first & _MASK, first >> _HALF, second & _MASK, second >> _HALF), self.key)


def _rounds(numbers: tuple[Array, Array, Array, Array], key: int) -> Array:
    """Ten rounds; each number has 32 bits, in 64, which hold the products.

    The arrays are written over: new ones would take as long as the arithmetic.
    """
    a, b, c, d = numbers
    first, second = np.empty_like(a), np.empty_like(a)
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        np.multiply(a, _FACTORS[0], out=first)
        np.multiply(c, _FACTORS[1], out=second)
        np.right_shift(second, _HALF, out=a)
        a ^= b
        a ^= np.uint64(low)
        np.right_shift(first, _HALF, out=c)
        c ^= d
        c ^= np.uint64(high)
        np.bitwise_and(second, _MASK, out=b)
        np.bitwise_and(first, _MASK, out=d)
        low, high = (low + _STEPS[0]) & 0xFFFFFFFF, (high + _STEPS[1]) & 0xFFFFFFFF
    result = np.empty((*a.shape, 4), np.uint32)
    for place, number in enumerate(numbers):
        result[..., place] = number
    return result


# -- numbers in [0, 1)


def _floats(bits: Array) -> Array:
    """float32 of the last 23 bits."""
    values: Array = ((bits & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32)
    values -= np.float32(1)
    return values


def _pairs(bits: Array) -> Array:
    """uint64: every two numbers as one, the low one first."""
    return bits[..., 0::2].astype(np.uint64) | bits[..., 1::2].astype(np.uint64) << np.uint64(32)


def doubles(bits: Array) -> Array:
    """float64 of every two numbers: 20 bits of the first one, and the second one."""
    high = (bits[..., 0::2] & np.uint32(0xFFFFF)).astype(np.uint64) << np.uint64(32)
    values: Array = (high | bits[..., 1::2] | np.uint64(1023 << 52)).view(np.float64)
    values -= 1.0
    return values


def _short_floats(bits: Array, dtype: DType) -> Array:
    """float16 and bfloat16 of the last bits."""
    mantissa, one = (0x3FF, 15 << 10) if dtype.name == "float16" else (0x7F, 127 << 7)
    values: Array = ((bits & np.uint32(mantissa)) | np.uint32(one)).astype(np.uint16).view(dtype.numpy_dtype)
    values -= dtype.numpy_dtype.type(1)
    return values


# -- distributions: `count` values, from the next calls


def _values(start: Philox, count: int, a_call: int, make: Callable[[Array], Array]) -> Array:
    """The first `count` values of those that `make` gives, `a_call` for each call."""
    parts = [make(bits).reshape(-1) for bits in start.blocks(max(1, -(-count // a_call)))]
    result: Array = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return result[:count]


def uniform(start: Philox, count: int, dtype: DType) -> Array:
    """Equally likely everywhere in [0, 1)."""
    if dtype.name == "float64":
        return _values(start, count, 2, doubles)
    if dtype.name == "float32":
        return _values(start, count, 4, _floats)
    return _values(start, count, 4, lambda bits: _short_floats(bits, dtype))


def integers(start: Philox, count: int, low: int, high: int, dtype: DType) -> Array:
    """int32, int64, uint32 or uint64 in [low, high), with TensorFlow's remainder."""
    native = dtype.numpy_dtype
    unsigned = np.dtype(f"u{native.itemsize}")
    span = unsigned.type((high - low) % (1 << 8 * native.itemsize))
    if native.itemsize == 4:
        values = _values(start, count, 4, lambda bits: bits % span)
    else:
        values = _values(start, count, 2, lambda bits: _pairs(bits) % span)
    with np.errstate(over="ignore"):
        values += unsigned.type(low % (1 << 8 * native.itemsize))
    return values.view(native)


def normal(start: Philox, count: int, dtype: DType) -> Array:
    """Normally distributed, by the method of Box and Muller."""
    if dtype.name == "float64":
        return _values(start, count, 2, _box_muller_doubles)
    return _values(start, count, 4, _box_muller).astype(dtype.numpy_dtype, copy=False)


def _box_muller(bits: Array) -> Array:
    """float32 [n, 4]: two of every two numbers."""
    values = _floats(bits)
    radius = np.sqrt(np.float32(-2) * np.log(np.maximum(values[..., 0::2], np.float32(1e-7))))
    angle = np.float32(2 * np.pi) * values[..., 1::2]
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=-1).reshape(bits.shape)


def _box_muller_doubles(bits: Array) -> Array:
    """float64 [n, 2]: two of every four numbers."""
    values = doubles(bits)
    radius = np.sqrt(-2.0 * np.log(np.maximum(values[..., 0], 1e-7)))
    angle = 2 * np.pi * values[..., 1]
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=-1)


def truncated_normal(start: Philox, count: int, dtype: DType) -> Array:
    """Normally distributed, those beyond two standard deviations drawn again.

    Values are made in groups of 4 (of 2 for float64).  A group has calls of its own, and takes as many as it needs.
    """
    make = _box_muller_doubles if dtype.name == "float64" else _box_muller
    group = 2 if dtype.name == "float64" else 4
    groups = -(-count // group)
    result = np.empty((groups, group), np.float64 if group == 2 else np.float32)
    filled = np.zeros(groups, np.int64)
    open_groups, turn = np.arange(groups), 0
    while open_groups.size:
        bits = start.at(open_groups.astype(np.uint64) * np.uint64(group * RESERVED // 4) + np.uint64(turn))
        values = make(bits)
        kept = np.abs(values) < 2
        places = filled[open_groups, None] + np.cumsum(kept, axis=1) - 1
        kept &= places < group
        rows = np.broadcast_to(open_groups[:, None], kept.shape)
        result[rows[kept], places[kept]] = values[kept]
        filled[open_groups] += kept.sum(axis=1)
        open_groups, turn = open_groups[filled[open_groups] < group], turn + 1
    return result.reshape(-1)[:count].astype(dtype.numpy_dtype, copy=False)
