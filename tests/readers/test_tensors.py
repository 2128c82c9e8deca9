"""parse_tensor and serialize_tensor."""

from random import Random
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.registry import NoGradient, op_def
from dflow.tensor_proto import DATA_TYPES
from tests.readers.bounds import bounded
from tests.readers.helpers import mutated


def run(fetches: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        return sess.run(fetches, feeds)


@pytest.mark.parametrize("dtype", DATA_TYPES, ids=str)
def test_a_tensor_of_any_dtype_comes_back(dtype: df.DType) -> None:
    value = np.array([[b"a", b""]], object) if dtype == df.string else np.array([[1, 0]]).astype(dtype.numpy_dtype)
    found = run(df.parse_tensor(df.serialize_tensor(df.constant(value)), dtype))
    assert (found.shape, found.dtype) == (value.shape, value.dtype)
    assert found.tolist() == value.tolist()


def test_a_serialized_tensor_is_a_scalar_and_its_shape_is_known_when_it_is_there() -> None:
    text = df.serialize_tensor([1, 2], name="s")
    tensor = df.parse_tensor(text, "int32", name="p")
    assert (text.name, text.shape.as_list(), text.dtype) == ("s:0", [], df.string)
    assert (tensor.name, tensor.shape.ndims, tensor.dtype) == ("p:0", None, df.int32)
    assert run(text) == df.make_tensor_proto([1, 2]).SerializeToString()


def test_what_is_no_serialized_tensor_fails_the_run() -> None:
    text = df.placeholder(df.string)
    tensor = df.parse_tensor(text, df.uint16)
    with pytest.raises(InvalidArgumentError, match="Could not parse `serialized` as TensorProto: 'bogus'"):
        run(tensor, {text: b"bogus"})
    with pytest.raises(InvalidArgumentError, match=r"Expected `serialized` to be a scalar, got shape: \[1\]"):
        run(tensor, {text: [b"bogus"]})
    with pytest.raises(InvalidArgumentError, match=r"parsed tensor \(uint8\) and dtype \(uint16\)"):
        run(tensor, {text: df.make_tensor_proto(np.uint8([1])).SerializeToString()})
    with pytest.raises(ValueError, match="string"):
        df.parse_tensor(df.constant(1), df.int32)


@pytest.mark.parametrize("dtype", ["float32", "bool", "string", "complex64", "bfloat16", "int8"])
def test_a_mutated_tensor_is_parsed_or_an_invalid_argument(dtype: str) -> None:
    random, kernel, kind = Random(7), op_def("ParseTensor").kernel, df.as_dtype(dtype)
    values = np.array([[b"a", b"bcd"]], object) if dtype == "string" else np.array([[1, 0]]).astype(kind.numpy_dtype)
    whole = df.make_tensor_proto(values).SerializeToString()
    lists = df.make_tensor_proto(values[0, :1], shape=[3]).SerializeToString()
    with bounded() as inputs:
        for i in inputs:
            try:
                found = kernel(np.array(mutated(whole if i % 2 else lists, random), object), out_type=kind)
            except InvalidArgumentError:
                continue
            assert found.dtype == kind.numpy_dtype


def test_they_run_on_hosts_and_have_no_gradient() -> None:
    for kind in ("ParseTensor", "SerializeTensor"):
        assert op_def(kind).host_only
        assert isinstance(op_def(kind).gradient, NoGradient)
