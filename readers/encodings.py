"""Encoded strings: compressed ones, and base64.

Source: tf.decode_compressed, tf.decode_base64, tf.encode_base64 of TensorFlow 1.15.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import string
from dflow.errors import DataLossError, DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import elementwise
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]

_WINDOWS = {"ZLIB": zlib.MAX_WBITS, "GZIP": zlib.MAX_WBITS + 16}
_WEB_SAFE = re.compile(rb"[A-Za-z0-9_-]*")


def decode_compressed(bytes: Any, compression_type: str = "", name: str | None = None) -> Tensor:
    """Compressed strings as plain ones, in the same shape.

    compression_type: "ZLIB", "GZIP", or "" for strings that are not compressed.
    A run raises DataLossError for a string that is broken or cut off, InvalidArgumentError for another type.
    """
    tensor: Tensor = add_op("DecodeCompressed", _texts(bytes, "bytes"), name=name, compression_type=compression_type)
    return tensor


def decode_base64(input: Any, name: str | None = None) -> Tensor:
    """Strings in web-safe base64, with or without the = at their ends, as plain ones, in the same shape.

    A run raises InvalidArgumentError for a string that is none.
    """
    tensor: Tensor = add_op("DecodeBase64", _texts(input, "input"), name=name)
    return tensor


def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Tensor:
    """Strings as web-safe base64, in the same shape.  pad: fill them up with = to a multiple of 4."""
    tensor: Tensor = add_op("EncodeBase64", _texts(input, "input"), name=name, pad=bool(pad))
    return tensor


def _texts(value: Any, name: str) -> Tensor:
    return convert_to_tensor(value, string, name=name)


def _spec(texts: TensorSpec, **_: Any) -> TensorSpec:
    if texts.dtype != string:
        raise DTypeError(f"the input must be string, got {texts.dtype.name}")
    return texts


def _each(texts: Any, convert: Callable[[bytes], bytes]) -> Array:
    result = np.empty(texts.shape, object)
    result.reshape(-1)[:] = [convert(text) for text in texts.reshape(-1).tolist()]
    return result


def _decompress(texts: Any, compression_type: str) -> Any:
    if not compression_type:
        return texts
    if compression_type not in _WINDOWS:
        fact = f'compression_type may be "", "ZLIB" or "GZIP", got {compression_type!r}'
        raise InvalidArgumentError(None, None, fact)
    return _each(texts, lambda text: _plain(text, compression_type))


def _plain(text: bytes, compression_type: str) -> bytes:
    """Decompress a string.  Bytes behind the end of the stream are ignored, but for further streams of GZIP."""
    parts = []
    while text:
        stream = zlib.decompressobj(_WINDOWS[compression_type])
        try:
            parts.append(stream.decompress(text))
        except zlib.error as error:
            raise DataLossError(None, None, f"this is no {compression_type} data: {error}") from None
        if not stream.eof:
            raise DataLossError(None, None, f"the {compression_type} data is cut off")
        text = stream.unused_data if compression_type == "GZIP" else b""
    return b"".join(parts)


def _from_base64(texts: Any) -> Array:
    return _each(texts, _from_one)


def _from_one(text: bytes) -> bytes:
    body = text[:-2] if text.endswith(b"==") else text.removesuffix(b"=")
    padded = len(body) < len(text)
    if len(body) % 4 == 1 or not _WEB_SAFE.fullmatch(body) or (padded and len(text) % 4):
        raise InvalidArgumentError(None, None, f"Invalid character found in base64, or a wrong length: {_shown(text)}")
    try:
        return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    except binascii.Error as error:
        raise InvalidArgumentError(None, None, f"{_shown(text)} is no base64: {error}") from None


def _to_base64(texts: Any, pad: bool) -> Array:
    encode = base64.urlsafe_b64encode
    return _each(texts, encode if pad else lambda text: encode(text).rstrip(b"="))


def _shown(text: bytes) -> str:
    return repr(text if len(text) <= 60 else text[:57] + b"...")


for _kind, _kernel in (
    ("DecodeCompressed", _decompress),
    ("DecodeBase64", _from_base64),
    ("EncodeBase64", _to_base64),
):
    define(
        _kind,
        spec=_spec,
        kernel=_kernel,
        gradient=no_gradient("a string has no gradient"),
        batch=elementwise,  # strings of any shape are converted alike
        host_only=True,
    )
