"""PNG files of 16 bits a channel, which Pillow reads and writes for grey images only.

Source: the PNG specification, "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type -> channels
TYPES = {count: kind for kind, count in CHANNELS.items()}
SUB, UP, AVERAGE, PAETH = 1, 2, 3, 4  # how a row is filtered

Array = np.ndarray[Any, Any]


def bits_of(contents: bytes) -> int:
    """The bits of a channel of a PNG file; 0 for a file without a header."""
    return contents[24] if contents.startswith(SIGNATURE) and len(contents) > 25 else 0


def read(contents: bytes) -> Array | None:
    """The image, uint16 [height, width, channels]; None for a kind of file that Pillow is to read."""
    if bits_of(contents) != 16 or contents[25] not in CHANNELS or contents[28]:
        return None
    width, height = struct.unpack(">II", contents[16:24])
    channels = CHANNELS[contents[25]]
    data = zlib.decompress(b"".join(body for kind, body in _chunks(contents) if kind == b"IDAT"))
    rows = np.frombuffer(data, np.uint8)[: height * (2 * width * channels + 1)].reshape(height, -1)
    plain = np.zeros((height, rows.shape[1] - 1), np.uint8)
    before = np.zeros(rows.shape[1] - 1, np.uint8)
    for i in range(height):
        before = plain[i] = _unfiltered(int(rows[i, 0]), rows[i, 1:], before, 2 * channels)
    return plain.view(">u2").astype(np.uint16).reshape(height, width, channels)


def _chunks(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place + 8 <= len(contents):
        (length,) = struct.unpack(">I", contents[place : place + 4])
        yield contents[place + 4 : place + 8], contents[place + 8 : place + 8 + length]
        place += length + 12


def _unfiltered(kind: int, row: Array, above: Array, pixel: int) -> Array:
    """A row as it was before it was filtered.  pixel: the bytes of one."""
    if kind == SUB:
        return np.cumsum(row.reshape(-1, pixel), axis=0, dtype=np.uint8).reshape(-1)
    if kind == UP:
        return row + above
    if kind not in (AVERAGE, PAETH):
        return row
    found, up = row.reshape(-1, pixel).astype(np.int32), above.reshape(-1, pixel).astype(np.int32)
    left = corner = np.zeros(pixel, np.int32)
    for i in range(len(found)):  # each pixel depends on the one before it
        guess = (left + up[i]) // 2 if kind == AVERAGE else _paeth(left, up[i], corner)
        left = found[i] = (found[i] + guess) & 255
        corner = up[i]
    return found.astype(np.uint8).reshape(-1)


def _paeth(left: Array, up: Array, corner: Array) -> Array:
    guess = left + up - corner
    from_left, from_up, from_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    nearer = np.where(from_up <= from_corner, up, corner)
    return np.where((from_left <= from_up) & (from_left <= from_corner), left, nearer)


def write(image: Array, compression: int) -> bytes:
    """A file of an image, uint16 [height, width, channels]."""
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 16, TYPES[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + 2 * width * channels), np.uint8)
    rows[:, 1:] = np.ascontiguousarray(image, ">u2").reshape(height, -1).view(np.uint8)
    data = zlib.compress(rows.tobytes(), compression)
    return SIGNATURE + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, data, b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
