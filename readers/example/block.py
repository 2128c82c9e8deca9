"""Examples to arrays, many at once: records of one form are compared with the first of them, byte by byte.

Programs write the Examples of a file with the same features in the same order.  Two Examples differ in the bytes of the
values, and in the form: the lengths of texts and of the integers, which are stored in as many bytes as they need.  So
one record is parsed; where the others have the same bytes but for the values, their values are at the same places, and
are cut out of all of them at once.  The remaining records are compared with the next form.

Only the usual form is parsed here: features of fixed shapes whose numbers are packed.  Other records, or records of too
many forms, are decoded by `decode.py`, so values and errors are always those of `decode.py`.
Measured on one core, with 28 floats and a label: a million records a second, where `decode.py` decodes 20,000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.dtypes import float32, int64, string
from dflow.readers.example.decode import Fault, decode, parse
from dflow.readers.example.features import Fixed, Plan
from dflow.readers.records import Block, Matrix, Records

Array = np.ndarray[Any, Any]
Span = tuple[int, int]
Values = tuple[int, Array]  # a tag, and the places of the values: [n, 2]; all floats have one place

_FORMS = 16  # forms that are tried
_CHANCES = 4  # forms that may be those of a single record; each later one must have several records
_WORTH = 8  # records; from this number on, decoding them at once is faster than one by one
_LARGE = 1 << 14  # or from this number of bytes on
_LONG = 1 << 10  # bytes of a value that are not even compared under a mask
_BYTES, _FLOATS, _INTS = 0x0A, 0x12, 0x1A  # the tags of the lists that a feature may hold
_TAGS = {string: _BYTES, float32: _FLOATS, int64: _INTS}


def decode_records(records: Records, plan: Sequence[Plan]) -> list[Array]:
    """`decode.decode` for records of a block; the whole block is decoded, and the result is kept there."""
    block = records.block
    columns: list[Array] | None
    if len(records) == len(block):  # no other records, so no copy is needed
        columns = _decode_alike(block, plan)
    else:
        columns = block.memo(plan, lambda block: _decode_alike(block, plan))
        if columns is not None:
            return [array[records.start : records.stop].copy() for array in columns]
        columns = _decode_alike(records.alone().block, plan)
    return decode(parse(records.tolist()), plan) if columns is None else columns


def decode_many(serialized: Sequence[bytes], plan: Sequence[Plan]) -> list[Array]:
    """`decode.decode`, faster."""
    ends = np.cumsum([len(record) for record in serialized], dtype=np.int64)
    starts = ends - np.fromiter(map(len, serialized), np.int64, len(serialized))
    columns = _decode_alike(Block(b"".join(serialized), starts, ends), plan)
    return decode(parse(serialized), plan) if columns is None else columns


def _decode_alike(block: Block, plan: Sequence[Plan]) -> list[Array] | None:
    """All features of the records of a block; None if they have to be decoded one by one."""
    fixed = [feature for feature in plan if isinstance(feature, Fixed)]
    lengths = block.ends - block.starts
    if len(fixed) < len(plan) or not (len(block) >= _WORTH or lengths.sum() >= _LARGE):
        return None
    data = np.frombuffer(block.data, np.uint8)
    outputs = [np.empty((len(block), *feature.shape), feature.dtype.numpy_dtype) for feature in fixed]
    left = np.arange(len(block))
    for tried in range(_FORMS):
        if tried >= _CHANCES and len(block) - len(left) < _WORTH * tried:
            return None
        first = left[0]
        form = _form(block.data[block.starts[first] : block.ends[first]], fixed)
        if form is None:
            return None
        alike = left[lengths[left] == lengths[first]]
        rows = Matrix(data, block.starts[alike], int(lengths[first]))
        fits = form.fits(rows)
        if not fits.all():
            alike = alike[fits]
            rows = Matrix(data, block.starts[alike], int(lengths[first]))
        form.fill(outputs, slice(None) if len(alike) == len(block) else alike, rows)
        if len(alike) == len(left):
            return outputs
        left = np.setdiff1d(left, alike, assume_unique=True)
    return None


@dataclass(frozen=True, slots=True)
class _Form:
    """The places of the values in an Example, and the bytes that all Examples of this form have in common."""

    example: Array  # its bytes
    mask: Array  # the bits of it that all Examples of the form have in common
    same: Sequence[Span]  # the spans to compare: all but long values
    plan: Sequence[Fixed]
    values: Sequence[Values | None]  # of each feature of the plan; None: it is missing
    defaults: Sequence[Array]  # of the missing features

    def fits(self, rows: Matrix) -> Array:
        """Whether each row has this form, as bools."""
        fitting = np.ones(len(rows), bool)
        for start, end in self.same:
            differ = rows.part(start, end) ^ self.example[start:end]
            differ &= self.mask[start:end]
            fitting &= ~differ.any(axis=1)
        return fitting

    def fill(self, outputs: Sequence[Array], places: Any, rows: Matrix) -> None:
        """Decode rows of this form into places of the outputs."""
        defaults = iter(self.defaults)
        for output, feature, feature_values in zip(outputs, self.plan, self.values, strict=True):
            if feature_values is None:
                output[places] = next(defaults)
                continue
            tag, spans = feature_values
            if tag == _FLOATS:
                values = rows.part(*spans[0]).view("<f4")
            elif tag == _INTS:
                values = _integers(rows, spans)
            else:
                values = np.empty((len(rows), len(spans)), object)
                for i, span in enumerate(spans):
                    values[:, i] = [row.tobytes() for row in rows.part(*span)]
            output[places] = values.reshape(len(rows), *feature.shape)


def _integers(rows: Matrix, spans: Array) -> Array:
    """The integers that lie at `spans` of each row: those of as many bytes are decoded at once."""
    begin = spans[0, 0]
    digits = rows.part(begin, spans[-1, 1])
    starts, sizes = spans[:, 0] - begin, spans[:, 1] - spans[:, 0]
    values = np.empty((len(rows), len(spans)), np.int64)
    for size in set(sizes.tolist()):
        own = sizes == size
        values[:, own] = _varints(digits[:, starts[own][:, None] + np.arange(size)])
    return values


def _varints(digits: Array) -> Array:
    """Integers in 7 bits a byte, the lowest first: one in each row of the last axis."""
    values = np.zeros(digits.shape[:-1], np.uint64)
    for i in range(digits.shape[-1]):
        values |= (digits[..., i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
    return values.view(np.int64)


# -- taking one Example apart


class _Unusual(Exception):
    """An Example that is not in the usual form."""


def _form(data: bytes, plan: Sequence[Fixed]) -> _Form | None:
    """The form of an Example; None if it is not in the usual form, or does not fit the plan."""
    try:
        parsed = parse([data])
        features = _features(data)
        values = [features.get(feature.key.encode()) for feature in plan]
        missing = [feature for feature, feature_values in zip(plan, values, strict=True) if feature_values is None]
        defaults = decode(parsed, missing)
    except (_Unusual, IndexError, Fault):
        return None
    if any(
        feature_values is not None and not _fits(feature, *feature_values)
        for feature, feature_values in zip(plan, values, strict=True)
    ):
        return None
    mask = np.full(len(data), 0xFF, np.uint8)
    long: list[Span] = []
    for tag, spans in features.values():
        if tag == _INTS:
            mask[spans[0, 0] : spans[-1, 1]] = 0x80  # the bit of an integer's byte that tells whether it is the last
            mask[spans[spans[:, 1] - spans[:, 0] == 10, 1] - 1] = 0xFE  # 64 bits: 9 bytes of 7 bits, and one bit
            continue
        for start, end in spans.tolist():
            mask[start:end] = 0
            if end - start >= _LONG:
                long.append((start, end))
    long.sort()
    same = list(zip([0, *(end for _, end in long)], [*(start for start, _ in long), len(data)], strict=True))
    return _Form(np.frombuffer(data, np.uint8), mask, same, plan, values, defaults)


def _fits(feature: Fixed, tag: int, spans: Array) -> bool:
    """Whether there are as many values as the plan has, of its type."""
    count = (spans[0, 1] - spans[0, 0]) // 4 if tag == _FLOATS else len(spans)
    return tag == _TAGS[feature.dtype] and bool(count == math.prod(feature.shape))


def _features(data: bytes) -> dict[bytes, Values]:
    """The features of an Example, by key."""
    features: dict[bytes, Values] = {}
    at, end = _inside(data, 0, len(data), 0x0A)
    while at < end:
        at, entry_end = _field(data, at, end, 0x0A)
        key, key_end = _field(data, at, entry_end, 0x0A)
        value, _ = _inside(data, key_end, entry_end, 0x12)
        if data[key:key_end] in features:
            raise _Unusual
        features[data[key:key_end]] = _values(data, value, entry_end)
        at = entry_end
    return features


def _values(data: bytes, at: int, end: int) -> Values:
    """A feature's list; there must be some values."""
    tag = data[at]
    at, _ = _inside(data, at, end, tag)
    if tag == _BYTES:
        spans = []
        while at < end:
            spans.append(_field(data, at, end, 0x0A))
            at = spans[-1][1]
        return tag, np.array(spans, np.int64).reshape(-1, 2)
    at, _ = _inside(data, at, end, 0x0A)
    if tag == _FLOATS and at < end and (end - at) % 4 == 0:
        return tag, np.array([(at, end)])
    ends = at + 1 + np.flatnonzero(np.frombuffer(data[at:end], np.int8) >= 0)
    if tag != _INTS or not len(ends) or ends[-1] != end:
        raise _Unusual
    starts = np.append(at, ends[:-1])
    if (ends - starts).max() > 10:
        raise _Unusual
    return tag, np.stack([starts, ends], axis=1)


def _inside(data: bytes, at: int, end: int, tag: int) -> Span:
    """The only field of a message."""
    span = _field(data, at, end, tag)
    if span[1] != end:
        raise _Unusual
    return span


def _field(data: bytes, at: int, end: int, tag: int) -> Span:
    """The span of the content of a field with a length."""
    if data[at] != tag:
        raise _Unusual
    size, at = _varint(data, at + 1)
    if at + size > end:
        raise _Unusual
    return at, at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An integer, and the place where it ends."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1
