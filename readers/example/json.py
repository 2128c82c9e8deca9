"""Examples that are written as JSON: `decode_json_example`."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from google.protobuf import json_format

from dflow.dtypes import string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import elementwise
from dflow.readers.example.proto import Example
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]

_FAILURES = (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError)
_BASE64 = re.compile("[A-Za-z0-9+/_-]*={0,2}")


def decode_json_example(json_examples: Any, name: str | None = None) -> Tensor:
    """Examples that are written as JSON, as serialized ones, which `parse_example` takes.

    json_examples: strings, of any shape, which the result has too; each is an Example in the JSON of protocol buffers,
    as `google.protobuf.json_format` reads and writes it.
    A run raises InvalidArgumentError for the first one that is none; the error's attribute `record` is its index.
    Source: tf.decode_json_example of TensorFlow 1.15.
    """
    inputs = convert_to_tensor(json_examples, string, name="json_examples")
    tensor: Tensor = add_op("DecodeJSONExample", inputs, name=name)
    return tensor


def _spec(texts: TensorSpec) -> TensorSpec:
    if texts.dtype != string:
        raise DTypeError(f"json_examples must be string, got {texts.dtype.name}")
    return texts


def _kernel(texts: Any) -> Array:
    result = np.empty(texts.shape, object)
    result.reshape(-1)[:] = [_binary(text, i) for i, text in enumerate(texts.reshape(-1).tolist())]
    return result


def _binary(text: bytes, index: int) -> bytes:
    try:
        message = json_format.Parse(text, Example())
        _check(json.loads(text))
    except _FAILURES as error:
        failure = InvalidArgumentError(None, None, f"Error while parsing JSON: {error} (example {index})")
        failure.record = index  # type: ignore[attr-defined]
        raise failure from None
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def _check(content: Any) -> None:
    """ValueError for faults that `json_format` accepts: a list for the Example, and bytes that are no base64."""
    if not isinstance(content, dict):
        raise ValueError("an Example is a JSON object")
    for feature in _object(_object(content.get("features")).get("feature")).values():
        for kind in ("bytesList", "bytes_list"):
            for value in _object(_object(feature).get(kind)).get("value") or ():
                if not _BASE64.fullmatch(value):
                    raise ValueError(f"corrupt base64: {value[:60]!r}")


def _object(content: Any) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


define(
    "DecodeJSONExample",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a string has no gradient"),
    batch=elementwise,  # texts of any shape are decoded alike
    host_only=True,
)
