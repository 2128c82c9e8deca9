"""Examples for the tests of their parsers, and what a session gives for parsed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example.operations import parse_example, parse_single_example
from dflow.readers.example.proto import BytesList, Example, Feature, Features, FloatList, Int64List
from dflow.sparse_tensor import SparseTensor

INT, FLOAT, TEXT = df.int64, df.float32, df.string


def feature(values: Sequence[Any] | None) -> Feature:
    """A feature of the kind of its first value; None: of no kind."""
    if values is None:
        return Feature()
    if all(isinstance(value, int) for value in values):
        return Feature(int64_list=Int64List(value=values))
    if isinstance(values[0], float):
        return Feature(float_list=FloatList(value=values))
    return Feature(bytes_list=BytesList(value=values))


def example(**features: Sequence[Any] | None) -> bytes:
    message = Example(features=Features(feature={key: feature(values) for key, values in features.items()}))
    return message.SerializeToString()  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """An array as lists; a sparse one as its three parts."""
    return [part.tolist() for part in value] if isinstance(value, tuple) else np.asarray(value).tolist()


def run(parsed: dict[str, Any]) -> dict[str, Any]:
    """What a session gives for parsed features, each with the promised shape and dtype."""
    with df.Session() as sess:
        found = {}
        for key, tensor in parsed.items():
            parts, rebuild = tensor._fetch_parts() if isinstance(tensor, SparseTensor) else ([tensor], lambda x: x)
            values = sess.run(parts)
            for part, value in zip(parts, values, strict=True):
                assert part.shape.is_compatible_with(np.shape(value))
                assert part.dtype == df.as_dtype(getattr(value, "dtype", type(value)))
            found[key] = plain(rebuild(*values))
        return found


def batch(serialized: list[bytes], features: dict[str, Any], **options: Any) -> dict[str, Any]:
    vector = np.empty(len(serialized), object)
    vector[:] = serialized
    return run(parse_example(df.constant(vector, df.string), features, **options))


def single(serialized: bytes, features: dict[str, Any]) -> dict[str, Any]:
    return run(parse_single_example(serialized, features))


def fault(parse: Any, serialized: Any, features: dict[str, Any], **options: Any) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        parse(serialized, features, **options)
    return caught.value
