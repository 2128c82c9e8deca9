"""The records of TFRecord files: the frame around each payload, and the search for the next whole record.

A record is the payload's length (8 bytes, little endian), a checksum of these 8 bytes (4), the payload, and a checksum
of the payload (4).  A checksum is a masked CRC-32C: rotated right by 15 bits, plus a constant.  A file has no header.
Source: the TFRecord format as TensorFlow documents it.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import google_crc32c
import numpy as np

from dflow import crc32c
from dflow.errors import DataLossError
from dflow.readers.window import Window

Array = np.ndarray[Any, Any]

FRAMING = 16  # bytes that a record has besides its payload
HEAD = 12  # of them before it
_HEAD = struct.Struct("<QI")
_SUM = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_MASK = 0xA282EAD8
_ONES = 0xFFFFFFFF
_SEARCHED = 1 << 16  # bytes searched at once
_FEW = 32  # lengths; from this number on, checking them at once is faster than one by one
_MANY = 512  # payloads of one length; from this number on, the same holds for them
_LARGE = 1 << 20  # bytes of payloads; from here on, checking at once is not faster, but lets other threads run


class BadRecord(Exception):
    """There is no whole record at `offset`; the text has the reason, such as "corrupted record"."""

    def __init__(self, fact: str, offset: int) -> None:
        super().__init__(f"{fact} at {offset}")


def masked_crc(data: bytes) -> int:
    """The checksum of some bytes."""
    masked: int = _masked(google_crc32c.value(data))
    return masked


def framed(payload: bytes) -> bytes:
    """A payload as a record."""
    return b"".join(frame(payload))


def frame(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """The bytes before a payload in a file, the payload, and the bytes behind it."""
    length = _LENGTH.pack(len(payload))
    return length + _SUM.pack(masked_crc(length)), payload, _SUM.pack(masked_crc(payload))


def payload_at(window: Window, offset: int) -> bytes | None:
    """The payload of the record at `offset`; None: the file ends there.  Raises BadRecord, or DataLossError."""
    head = window.at(offset, HEAD)
    if not head:
        return None
    if len(head) < HEAD:
        raise BadRecord("truncated record", offset)
    length = _length(head)
    if length is None:
        raise BadRecord("corrupted record", offset)
    if window.ends_before(offset + FRAMING + length):
        raise BadRecord("truncated record", offset)
    body = window.at(offset + HEAD, length + _SUM.size)
    if len(body) < length + _SUM.size:
        raise BadRecord("truncated record", offset)
    payload = body[:length]
    if masked_crc(payload) != _SUM.unpack_from(body, length)[0]:
        raise BadRecord("corrupted record", offset)
    return payload


def framed_records(data: bytes) -> tuple[Array, Array, bool]:
    """The complete records at the beginning of `data`: (starts of payloads, ends of payloads, whether more may follow).

    The payloads are not checked: `num_whole` does that.
    More may follow if the data ends behind the last record, or within the next one; else the next record is broken.
    """
    alike = _num_alike(data)
    heads, end = _chain(data, alike)
    starts, ends = heads + HEAD, np.append(heads[1:], end)[: len(heads)] - _SUM.size
    checked = heads[max(alike - 1, 0) :]  # the first of them stands for all that are alike
    good = _good_lengths(data, checked)
    if not good.all():
        n = int(good.argmin())
        n = n and n + len(heads) - len(checked)
        return starts[:n], ends[:n], False
    cut = data[end : end + HEAD]
    return starts, ends, len(cut) < HEAD or _length(cut) is not None


def num_whole(data: bytes, starts: Array, ends: Array) -> int:
    """The number of these payloads that have the checksum behind them, up to the first that does not.

    Measured for 500 bytes a record: in Python the chain of lengths takes 0.15 us and the call for the checksum of a
    payload 0.2; all else is done for all records at once.  Payloads of one length are checked together, by one CRC.
    Chain and checksums by numba took 0.13 us where this took 0.52, for records of 180 bytes; for 4,000 bytes 2.5 and
    1.1 (google-crc32c has the processor do it); and to import it takes a second in each process.  So there is no numba.
    """
    if _may_go_together(starts, ends) and _are_whole(data, starts, ends):
        return len(starts)
    payloads = map(data.__getitem__, map(slice, starts.tolist(), ends.tolist()))
    crcs = np.fromiter(map(google_crc32c.value, payloads), np.uint32, len(starts))
    good = _masked(crcs) == _stored(np.frombuffer(data, np.uint8), ends)
    return len(good) if good.all() else int(good.argmin())


def _may_go_together(starts: Array, ends: Array) -> bool:
    """Whether these payloads have one length, and are enough to be checked at once."""
    n = len(starts)
    if n < _MANY and (n < _FEW // 2 or ends[-1] - starts[0] < _LARGE):
        return False
    return bool((np.diff(starts) == starts[1] - starts[0]).all())


def _num_alike(data: bytes) -> int:
    """The number of complete records at the beginning of `data` with the length of the first, and its checksum."""
    size = FRAMING + _LENGTH.unpack_from(data)[0] if len(data) >= FRAMING else FRAMING
    n = len(data) // size
    if not n:
        return 0
    lengths = np.ndarray((n,), "<u8", data, 0, (size,))
    sums = np.ndarray((n,), "<u4", data, _LENGTH.size, (size,))
    same = (lengths == lengths[:1]) & (sums == sums[:1])
    return n if same.all() else int(same.argmin())


def _chain(data: bytes, alike: int) -> tuple[Array, int]:
    """The starts of complete records, if each length is right, and the end of the last one.

    alike: the number of the first records that have the same length.
    """
    heads, at, size, length_at = [], 0, len(data), _LENGTH.unpack_from
    first = np.arange(alike, dtype=np.int64)
    if alike:
        first *= FRAMING + length_at(data)[0]
        at = int(first[-1]) + FRAMING + length_at(data)[0]
    while at + FRAMING <= size:
        end = at + FRAMING + length_at(data, at)[0]
        if end > size:
            break
        heads.append(at)
        at = end
    return np.concatenate((first, np.array(heads, np.int64))), at


def _are_whole(data: bytes, starts: Array, ends: Array) -> bool:
    """Whether all these payloads, of one length, have the checksums behind them.

    A CRC without its complements is linear: that of all records together follows from those of their payloads, shifted
    by the bytes behind them.  So one call computes the CRC of all records, which must equal the one that follows from
    the stored checksums.  An error in one record is always detected, as a shift loses nothing; errors in several are
    missed as rarely as one in a CRC.
    """
    begin, end, length = int(starts[0]) - HEAD, int(ends[-1]) + _SUM.size, int(ends[0] - starts[0])
    view = np.frombuffer(data, np.uint8)
    stored = _stored(view, ends)
    ones, head = np.uint32(_ONES), np.uint32(_linear(view[begin : begin + HEAD]))
    of_payloads = _unmasked(stored) ^ _shifted(ones, _shift_by(length)) ^ ones
    parts = _shifted(of_payloads ^ stored, _shift_by(_SUM.size)) ^ _shifted(head, _shift_by(length + _SUM.size))
    size = length + FRAMING
    while len(parts) > 1:
        if len(parts) % 2:
            parts = np.append(np.uint32(0), parts)
        parts = _shifted(parts[::2], _shift_by(size)) ^ parts[1::2]
        size *= 2
    return int(parts[0]) == _linear(view[begin:end])


def _linear(data: Array) -> int:
    """The CRC without its complements."""
    return crc32c.extend(_ONES, data) ^ _ONES


@functools.lru_cache(256)
def _shift_by(size: int) -> Array:
    """[byte, value]: the linear CRC of each byte of a CRC when `size` zeros follow."""
    if size % 2 or size < 64:
        bits = [google_crc32c.extend(1 << bit ^ _ONES, bytes(size)) ^ _ONES for bit in range(32)]
        chosen = np.arange(256)[:, None] >> np.arange(8) & 1 == 1
        columns = np.array(bits, np.uint32).reshape(4, 1, 8)
        table: Array = np.bitwise_xor.reduce(np.where(chosen, columns, np.uint32(0)), axis=2)
        return table
    half = _shift_by(size // 2)
    twice: Array = _shifted(half, half)
    return twice


def _shifted(crcs: Any, by: Array) -> Any:
    """Shift one CRC, or an array of them.

    There are few calls of NumPy, as each releases Python's lock, which another thread may take.
    """
    parts = np.ascontiguousarray(crcs, "<u4").view(np.uint8).reshape(-1, 4).T.astype(np.intp)
    shifted: Any = by[0][parts[0]] ^ by[1][parts[1]] ^ by[2][parts[2]] ^ by[3][parts[3]]
    return shifted.reshape(np.shape(crcs))


def _good_lengths(data: bytes, heads: Array) -> Array:
    """Whether each of the lengths at these places has its checksum, as bools."""
    if len(heads) < _FEW:
        return np.array([_length(data[head : head + HEAD]) is not None for head in heads.tolist()], bool)
    view = np.frombuffer(data, np.uint8)
    good: Array = _masked(_length_crcs(view, heads)) == _stored(view, heads + _LENGTH.size)
    return good


def _length_crcs(data: Array, heads: Array) -> Array:
    """The CRC of the 8 bytes at each place in `heads`."""
    crc = np.full(len(heads), google_crc32c.value(bytes(8)), np.uint32)
    for place, parts in enumerate(_crc_parts()):
        crc ^= parts[data[heads + place]]
    return crc


def _stored(data: Array, places: Array) -> Array:
    """The stored checksum at each of these places."""
    checksums: Array = data[places[:, None] + np.arange(_SUM.size)].view("<u4")[:, 0]
    return checksums


def end_of(window: Window, offset: int) -> int | None:
    """The end of the bad record at `offset`, if its length is right: a record or the file's end follows."""
    length = _length(_readable(window, offset, HEAD))
    if length is None or window.ends_before(offset + FRAMING + length):
        return None
    end = offset + FRAMING + length
    last, following = _readable(window, end - 1, 1), _readable(window, end, HEAD)
    return end if last and (not following or _length(following) is not None) else None


def search(window: Window, offset: int) -> tuple[int, bool]:
    """Search one block for a whole record at `offset` or behind it.

    Returns (its offset, True), or (the offset to search next, or the end of the readable bytes, False).
    """
    block = _readable(window, offset, _SEARCHED)
    for place in _heads(block).tolist():
        try:
            if payload_at(window, offset + place) is not None:
                return offset + place, True
        except (BadRecord, DataLossError):
            continue
    return offset + len(block) - (HEAD - 1 if len(block) == _SEARCHED else 0), False


def _readable(window: Window, offset: int, n: int) -> bytes:
    """Up to `n` bytes from `offset` on; fewer where the compressed data is broken."""
    try:
        return window.at(offset, n)
    except DataLossError:
        return window.held(offset)[:n]


def _length(head: bytes) -> int | None:
    """The length from the first 12 bytes of a record; None if their checksum does not fit."""
    if len(head) < HEAD:
        return None
    length, checksum = _HEAD.unpack(head)
    return length if masked_crc(head[:8]) == checksum else None


def _heads(block: bytes) -> Array:
    """All places in `block` of 8 bytes with their checksum behind them.

    A CRC is linear: that of 8 bytes is the exclusive or of a part for each byte and place, so that all places of a
    block are computed at once.
    """
    data = np.frombuffer(block, np.uint8)
    n = len(data) - HEAD + 1
    if n <= 0:
        return np.empty(0, np.int64)
    crc = np.full(n, google_crc32c.value(bytes(8)), np.uint32)
    for place, parts in enumerate(_crc_parts()):
        crc ^= parts[data[place : place + n]]
    stored = sum(data[8 + i : 8 + i + n].astype(np.uint32) << np.uint32(8 * i) for i in range(4))
    return np.flatnonzero(_masked(crc) == stored)


def _unmasked(stored: Array) -> Array:
    """The CRCs of stored checksums."""
    rotated = stored - np.uint32(_MASK)
    crcs: Array = rotated << 15 | rotated >> 17
    return crcs


def _masked(crc: Any) -> Any:
    """The stored checksum of a CRC, or those of an array of uint32."""
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


@functools.cache
def _crc_parts() -> Array:
    """[place, byte]: the part of a byte at a place in the CRC of 8 bytes."""
    none = google_crc32c.value(bytes(8))
    parts = [
        [google_crc32c.value(bytes(place) + bytes([byte]) + bytes(7 - place)) ^ none for byte in range(256)]
        for place in range(8)
    ]
    return np.array(parts, np.uint32)
