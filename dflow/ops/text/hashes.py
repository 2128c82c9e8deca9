"""Hash functions of strings, on all strings at once: TensorFlow's old 64-bit hash, and SipHash-2-4 with a key.

Why here: the old hash is TensorFlow's own, a variant of MurmurHash64A, and there is no well-kept package of SipHash.
Source: Hash64 of TensorFlow 1.15; SipHash: a fast short-input PRF, by Aumasson and Bernstein (2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.ops.text.words import groups, rotated

__all__ = ["hash64", "siphash"]

Array = np.ndarray[Any, Any]

_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SEED = np.uint64(0xDECAFCAFFE)
_SHIFT = np.uint64(47)


def hash64(texts: list[bytes]) -> Array:
    """TensorFlow's old hash of each string: uint64 [n]."""
    hashes = np.empty(len(texts), np.uint64)
    for places, words, lengths in groups(texts):
        hashes[places] = _hash64(words, lengths)
    return hashes


def _hash64(words: Array, lengths: Array) -> Array:
    state = _SEED ^ (lengths.astype(np.uint64) * _MULTIPLIER)
    full = lengths // 8
    for i in range(int(full.max(initial=0))):
        word = words[:, i] * _MULTIPLIER
        word = (word ^ (word >> _SHIFT)) * _MULTIPLIER
        state = np.where(i < full, (state ^ word) * _MULTIPLIER, state)
    rest = words[np.arange(len(words)), full]
    state = np.where(lengths % 8 > 0, (state ^ rest) * _MULTIPLIER, state)
    state = (state ^ (state >> _SHIFT)) * _MULTIPLIER
    result: Array = state ^ (state >> _SHIFT)
    return result


def siphash(texts: list[bytes], key: Sequence[int]) -> Array:
    """SipHash-2-4 of each string with a key of two words: uint64 [n]."""
    hashes = np.empty(len(texts), np.uint64)
    for places, words, lengths in groups(texts):
        hashes[places] = _siphash(words, lengths, key)
    return hashes


def _siphash(words: Array, lengths: Array, key: Sequence[int]) -> Array:
    first, second = (number & 0xFFFFFFFFFFFFFFFF for number in key)
    start = (
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    )
    state = [np.full(len(words), number, np.uint64) for number in start]
    full = lengths // 8
    for i in range(int(full.max(initial=0))):
        taken = _absorbed(state, words[:, i])
        state = [np.where(i < full, new, old) for new, old in zip(taken, state, strict=True)]
    last = words[np.arange(len(words)), full] | (lengths.astype(np.uint64) << np.uint64(56))
    state = _absorbed(state, last)
    state[2] = state[2] ^ np.uint64(0xFF)
    for _ in range(4):
        state = _round(state)
    result: Array = state[0] ^ state[1] ^ state[2] ^ state[3]
    return result


def _absorbed(state: Sequence[Array], word: Array) -> list[Array]:
    a, b, c, d = _round(_round([*state[:3], state[3] ^ word]))
    return [a ^ word, b, c, d]


def _round(state: Sequence[Array]) -> list[Array]:
    a, b, c, d = state
    a, c = a + b, c + d
    b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
    a = rotated(a, 32)
    c, a = c + b, a + d
    b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
    return [a, b, rotated(c, 32), d]
