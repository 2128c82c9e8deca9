"""Messages as bytes: a head with the sizes, the pickle, and large arrays out of band, so that these are not copied."""

from __future__ import annotations

import io
import pickle
import struct
from functools import partial
from typing import Any

import numpy as np
from distributed.protocol.pickle import dumps

Buffer = bytes | memoryview
Frame = list[Buffer]  # the head, the pickle, the bytes of each array

SMALL = 1024  # bytes of an array that is pickled with the rest: that takes less time than to read it by itself

_HEAD = struct.Struct("<QQ")  # the size of the pickle, the number of arrays; then the size of each array
_SIZE = struct.Struct("<Q")


def encode(message: Any) -> Frame:
    """A message as it crosses; raises if it cannot be pickled.  What was defined in `__main__` goes by value.

    Its class and its fields are pickled, in a third of the time that data classes with slots take by themselves.
    """
    kind, arrays = type(message), list[memoryview]()
    content = kind, [getattr(message, name) for name in kind.__match_args__]
    try:
        body = pickle.dumps(content, 5, buffer_callback=partial(_is_small, arrays))
    except Exception:
        body = None
    if body is None or b"__main__" in body:
        arrays.clear()
        body = dumps(content, buffer_callback=lambda array: arrays.append(array.raw()), protocol=5)
    head = _HEAD.pack(len(body), len(arrays)) + b"".join([_SIZE.pack(view.nbytes) for view in arrays])
    return [head, body, *arrays]


def _is_small(large: list[memoryview], array: pickle.PickleBuffer) -> bool:
    """Is the array to be pickled with the rest?"""
    view = array.raw()
    if view.nbytes <= SMALL:
        return True
    large.append(view)
    return False


def read_message(stream: io.BufferedReader) -> Any:
    """The next message; its arrays are of the caller's own.  EOFError at the end."""
    size, count = _HEAD.unpack(_read(stream, _HEAD.size))
    sizes = _read(stream, count * _SIZE.size) if count else b""
    body = _read(stream, size)
    kind, fields = pickle.loads(body, buffers=[_read_array(stream, n) for (n,) in _SIZE.iter_unpack(sizes)])
    return kind(*fields)


def _read(stream: io.BufferedReader, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _read_array(stream: io.BufferedReader, size: int) -> np.ndarray[Any, Any]:
    array = np.empty(size, np.uint8)  # unlike a bytearray, not filled with zeros first
    if stream.readinto(array.data) < size:
        raise EOFError
    return array
