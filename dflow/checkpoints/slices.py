"""Parts of a tensor: what a part is called in a program, in the index of a checkpoint, and as a key there.

A program writes the part as text: the shape of the whole tensor and the start and length of the part along each axis,
`10 3 0,5:-` for the first five of ten rows.
Source: tensor_slice.cc, saved_tensor_slice_util.cc and ordered_code.cc of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dflow.checkpoints.messages import TensorSliceProto

ALL = (0, -1)  # the start and the length of a whole axis


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a tensor: (start, length) for each axis."""

    extents: tuple[tuple[int, int], ...]

    @staticmethod
    def from_text(text: str) -> tuple[tuple[int, ...], Part]:
        """The shape of the whole tensor, and the part of it; ValueError for text of another form."""
        try:
            *sizes, part = text.split(" ")
            shape = tuple(int(size) for size in sizes)
            extents = tuple(ALL if one == "-" else _extent(one) for one in part.split(":") if one)
        except ValueError:
            raise ValueError(f"expected a shape and a part, such as '10 3 0,5:-', got {text!r}") from None
        if len(shape) != len(extents):
            raise ValueError(f"{text!r} has {len(shape)} sizes and {len(extents)} parts")
        return shape, Part(extents)

    @staticmethod
    def from_proto(proto: Any) -> Part:
        return Part(tuple((it.start, it.length) if it.HasField("length") else ALL for it in proto.extent))

    def to_proto(self) -> Any:
        proto = TensorSliceProto()
        for start, length in self.extents:
            extent = proto.extent.add()
            if (start, length) != ALL:
                extent.start, extent.length = start, length
        return proto

    def ranges(self, shape: Sequence[int]) -> tuple[slice, ...]:
        """The part of an array of this shape, to index it with; ValueError if it leaves the array."""
        if len(shape) != len(self.extents):
            raise ValueError(f"a part along {len(self.extents)} axes of a tensor of shape {list(shape)}")
        found = []
        for (start, length), size in zip(self.extents, shape, strict=True):
            end = size if length < 0 else start + length
            if not 0 <= start <= end <= size:
                raise ValueError(f"a part from {start} to {end} of an axis of {size}")
            found.append(slice(start, end))
        return tuple(found)

    def is_all(self, shape: Sequence[int]) -> bool:
        return all(part == slice(0, size) for part, size in zip(self.ranges(shape), shape, strict=True))

    def key(self, name: str) -> bytes:
        """The key of the part of a tensor in an index; keys are in the order of what they stand for."""
        text = name.encode().replace(b"\0", b"\0\xff")
        numbers = b"".join(_signed(number) for extent in self.extents for number in extent)
        return _unsigned(0) + text + b"\0\1" + _unsigned(len(self.extents)) + numbers


def _extent(text: str) -> tuple[int, int]:
    start, length = text.split(",")
    return int(start), int(length)


def _unsigned(number: int) -> bytes:
    """A number with its length in front of it, so that bytes are in the order of numbers."""
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _signed(number: int) -> bytes:
    """A number with its sign and its length in its first bits, so that bytes are in the order of numbers."""
    bits = (number if number >= 0 else ~number).bit_length()
    size = bits // 7 + 1
    digits = int.from_bytes(number.to_bytes(10, "big", signed=True)[-size:], "big")
    header = (0xFFFF << 16 - size) & 0xFFFF  # as many ones as bytes, in the first two bytes
    return (digits ^ (header << 8 * size >> 16)).to_bytes(size, "big")


def common(first: Sequence[slice], second: Sequence[slice]) -> tuple[slice, ...] | None:
    """What two parts of an array share, as a part of the whole; None if nothing."""
    shared = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return None if any(part.start >= part.stop for part in shared) else shared


def within(part: Sequence[slice], whole: Sequence[slice]) -> tuple[slice, ...]:
    """A part of an array, as a part of the larger part `whole`."""
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, whole, strict=True))
