"""TensorProtos that have their values as bytes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from dflow.dtypes import ALL, DType, float32, int64, string
from dflow.tensor_content import from_bytes, to_bytes
from dflow.tensor_proto import TensorProto, make_ndarray, serialized

SHAPES = [(), (0,), (1,), (3,), (200,), (2, 3), (0, 2), (1,) * 40]


def array(dtype: DType, shape: tuple[int, ...]) -> Any:
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2
    if dtype != string:
        return numbers.astype(dtype.numpy_dtype)
    texts = np.empty(numbers.size, object)
    texts[:] = [b"" if number else b"x" * 200 for number in numbers.reshape(-1)]
    return texts.reshape(shape)


@pytest.mark.parametrize("dtype", ALL, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_array_comes_back_as_it_was_and_others_can_read_the_message(dtype: DType, shape: tuple[int, ...]) -> None:
    value = array(dtype, shape)
    data = to_bytes(value)
    message = TensorProto.FromString(data)
    for found in (from_bytes(data, dtype), *([] if dtype == string and value.size else [make_ndarray(message)])):
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found, value)
    assert message.SerializeToString() == data
    np.testing.assert_array_equal(from_bytes(serialized(value), dtype), value)


@pytest.mark.parametrize("dtype", [float32, int64, string], ids=lambda dtype: dtype.name)
def test_broken_bytes_are_an_array_or_a_value_error(dtype: DType) -> None:
    rng = random.Random(7)
    for _ in range(2000):
        data = bytearray(to_bytes(array(dtype, rng.choice(SHAPES[:-1]))))
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data) + 1)
            data[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        try:
            found = from_bytes(bytes(data), dtype)
        except ValueError:
            continue
        assert found.dtype == dtype.numpy_dtype
