"""Messages as bytes: a head with the sizes, the pickle, and the arrays out of band, so that none of them is copied."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from distributed.protocol.pickle import dumps

from dflow.ops.memory import room

Buffer = bytes | memoryview
Frame = list[Buffer]  # the head, the pickle, the bytes of each array

_HEAD = struct.Struct("<QQ")  # the size of the pickle, the number of arrays; then the size of each array
_SIZE = struct.Struct("<Q")


def encode(message: Any) -> Frame:
    """A message as it crosses; raises if it cannot be pickled.  What was defined in `__main__` goes by value."""
    arrays: list[pickle.PickleBuffer] = []
    body = dumps(message, buffer_callback=arrays.append, protocol=5)
    views = [array.raw() for array in arrays]
    head = _HEAD.pack(len(body), len(views)) + b"".join(_SIZE.pack(view.nbytes) for view in views)
    return [head, body, *views]


def read_message(stream: io.BufferedReader) -> Any:
    """The next message; its arrays are of the caller's own.  EOFError at the end."""
    size, count = _HEAD.unpack(_read(stream, _HEAD.size))
    sizes = _read(stream, count * _SIZE.size) if count else b""
    body = _read(stream, size)
    return pickle.loads(body, buffers=[_read_array(stream, n) for (n,) in _SIZE.iter_unpack(sizes)])


def _read(stream: io.BufferedReader, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _read_array(stream: io.BufferedReader, size: int) -> np.ndarray[Any, Any]:
    array = room(size)  # unlike a bytearray, not filled with zeros first
    if stream.readinto(array.data) < size:
        raise EOFError
    return array


def after(buffers: Sequence[Buffer], sent: int) -> Frame:
    """What is left to send when so many bytes are gone."""
    for i, buffer in enumerate(buffers):
        size = len(buffer)
        if sent < size:
            return [memoryview(buffer)[sent:], *buffers[i + 1 :]]
        sent -= size
    return []
