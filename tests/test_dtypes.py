"""DTypes beside those of tensors.  `tests/oracle/programs/shapes.py` compares their properties with TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as df
from dflow import dtypes


def test_each_dtype_has_a_number_and_a_reference_dtype() -> None:
    numbers = [*range(1, 24), *range(101, 124)]
    found = [df.as_dtype(number) for number in numbers]
    assert [dtype.as_datatype_enum for dtype in found] == numbers
    assert len({dtype.name for dtype in found}) == len(numbers)
    assert df.DType(1) == df.float32
    assert df.as_dtype("float32_ref") is dtypes.float32_ref
    assert dtypes.float32_ref.base_dtype is df.float32
    assert df.float32._as_ref is dtypes.float32_ref
    assert (df.float32.is_compatible_with("float32_ref"), dtypes.float32_ref.is_compatible_with(df.float32)) == (
        True,
        False,
    )
    for wrong in (0, 99, "not_a_type", None, np.dtype([("a", np.int32)])):
        with pytest.raises(TypeError):
            df.as_dtype(wrong)
    with pytest.raises(TypeError):
        df.DType(0)
    assert not df.int32 == int  # noqa: E721, SIM201
    assert (str(df.int32), str(df.constant(1, name="x"))) == (
        "<dtype: 'int32'>",
        'Tensor("x:0", shape=(), dtype=int32)',
    )
    assert {df.qint8, dtypes.quint16_ref} < df.QUANTIZED_DTYPES


def test_dtypes_have_numpy_dtypes_which_lead_back() -> None:
    for name in ("float32", "bfloat16", "string", "qint8", "quint8", "qint16", "quint16", "qint32", "resource"):
        dtype = df.as_dtype(name)
        np.empty((1, 1), dtype.as_numpy_dtype)
        assert df.as_dtype(dtype.as_numpy_dtype) is df.as_dtype(f"{name}_ref").base_dtype is dtype

    class WithDtype:
        dtype = "f4"

    assert df.as_dtype(WithDtype) is df.float32
    assert df.as_dtype(np.zeros(1, np.complex64)) is df.complex64


def test_a_dtype_knows_its_kind_and_its_limits() -> None:
    assert [it.is_quantized for it in (df.qint8, df.quint16, df.int8)] == [True, True, False]
    assert [it.is_unsigned for it in (df.uint8, df.int8, df.float32)] == [True, False, False]
    assert [it.is_numpy_compatible for it in (df.resource, df.variant, df.string)] == [False, False, True]
    assert (df.complex64.real_dtype, df.complex128.real_dtype, df.int8.real_dtype) == (df.float32, df.float64, df.int8)
    assert (df.uint8.limits, df.float32.limits, df.bool.limits) == ((0, 255), (0, 1), (0, True))
    assert (dtypes.int8_ref.min, df.bfloat16.max > 3e38) == (-128, True)
    for dtype in (df.string, df.bool, df.complex64, df.qint8):
        with pytest.raises(TypeError, match=f"Cannot find minimum value of {dtype}"):
            _ = dtype.min
    with pytest.raises(ValueError, match="does not have defined limits"):
        _ = df.string.limits
