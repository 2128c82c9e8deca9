"""TensorProto: its bytes, and what they are in arrays."""

import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dflow as df
from dflow.protos import messages
from dflow.tensor_proto import DATA_TYPES, TensorProto, TensorShapeProto, parsed, serialized

NUMBERS = [dtype for dtype in DATA_TYPES if dtype != df.string]


@pytest.mark.parametrize(
    ("value", "options", "data"),
    [
        (3, {}, b"\x08\x03\x12\x00:\x01\x03"),
        ([1.5, 2.5], {}, b"\x08\x01\x12\x04\x12\x02\x08\x02\x22\x08\x00\x00\xc0?\x00\x00 @"),
        (["a", b"bc"], {}, b"\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x02bc"),
        ([True, False], {}, b"\x08\x0a\x12\x04\x12\x02\x08\x02Z\x02\x01\x00"),
        ([1 + 2j], {"dtype": df.complex64}, b"\x08\x08\x12\x04\x12\x02\x08\x01J\x08\x00\x00\x80?\x00\x00\x00@"),
        (np.float16([1]), {}, b"\x08\x13\x12\x04\x12\x02\x08\x01j\x02\x80x"),
        ([1.5], {"dtype": df.bfloat16}, b"\x08\x0e\x12\x04\x12\x02\x08\x01j\x02\xc0\x7f"),
        (np.uint16([1, 2]), {}, b"\x08\x11\x12\x04\x12\x02\x08\x02:\x02\x01\x02"),
        (np.int8([-1]), {}, b"\x08\x06\x12\x04\x12\x02\x08\x01:\x0a" + b"\xff" * 9 + b"\x01"),
        (5, {"shape": [2, 3]}, b"\x08\x03\x12\x08\x12\x02\x08\x02\x12\x02\x08\x03:\x01\x05"),
        ([], {"shape": [0, 3]}, b"\x08\x01\x12\x06\x12\x00\x12\x02\x08\x03"),
    ],
)
def test_a_tensor_has_the_bytes_that_tensorflow_writes(value: Any, options: dict[str, Any], data: bytes) -> None:
    assert df.make_tensor_proto(value, **options).SerializeToString() == data


@given(st.data())
def test_any_array_comes_back(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(NUMBERS))
    shape = data.draw(hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    plain = np.uint8 if dtype == df.bool else np.dtype(f"V{dtype.size}")
    size = int(np.prod(shape)) * dtype.size
    raw = data.draw(st.binary(min_size=size, max_size=size)) if dtype != df.bool else b"\1" * size
    array = np.frombuffer(raw, plain).view(dtype.numpy_dtype).reshape(shape)
    for again in (parsed(serialized(array), dtype), df.make_ndarray(df.make_tensor_proto(array))):
        assert (again.shape, again.dtype) == (array.shape, array.dtype)
        if dtype not in (df.float16, df.bfloat16) and not dtype.is_complex and dtype != df.float32:
            assert again.tobytes() == array.tobytes()
        np.testing.assert_array_equal(again, array)


@given(hnp.arrays(object, hnp.array_shapes(min_dims=0, min_side=0, max_side=3), elements=st.binary()))
def test_any_strings_come_back(array: np.ndarray) -> None:
    for again in (parsed(serialized(array), df.string), df.make_ndarray(df.make_tensor_proto(array))):
        assert again.shape == array.shape
        assert again.tolist() == array.tolist()


def test_the_last_value_goes_on_and_none_is_zero() -> None:
    assert df.make_ndarray(df.make_tensor_proto([5, 6], shape=[2, 2])).tolist() == [[5, 6], [6, 6]]
    assert df.make_ndarray(df.make_tensor_proto("x", shape=[2])).tolist() == [b"x", b"x"]
    empty = TensorProto(dtype=DATA_TYPES[df.string], tensor_shape={"dim": [{"size": 2}]})
    assert df.make_ndarray(empty).tolist() == [b"", b""]
    more = TensorProto(dtype=DATA_TYPES[df.float32], tensor_shape={"dim": [{"size": 1}]}, float_val=[1, 2])
    assert df.make_ndarray(more).tolist() == [1]


def test_an_array_is_cast_to_the_dtype_and_its_byte_order_is_left_behind() -> None:
    assert df.make_ndarray(df.make_tensor_proto(np.array([1.5, 2]), df.int32)).tolist() == [1, 2]
    assert df.make_ndarray(df.make_tensor_proto(np.array([1, 2], ">i4"))).tolist() == [1, 2]
    assert parsed(serialized(np.array([1, 2], ">i4")), df.int32).tolist() == [1, 2]


def test_values_that_do_not_fit_the_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Too many elements provided\. Takes at most 2, but got 3"):
        df.make_tensor_proto([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match=r"Expected Tensor's shape: \(2,\), but got \(1,\)"):
        df.make_tensor_proto([1], shape=[2], verify_shape=True)
    with pytest.raises(TypeError, match=r"Expected Tensor's shape: \(4,\), but got \(2,\)"):
        df.make_tensor_proto([1, 2], shape=[4], allow_broadcast=True)
    with pytest.raises(ValueError, match="not both allowed"):
        df.make_tensor_proto([1], shape=[1], verify_shape=True, allow_broadcast=True)
    assert df.make_ndarray(df.make_tensor_proto([7], shape=[3], allow_broadcast=True)).tolist() == [7, 7, 7]


def test_what_is_no_value_is_refused() -> None:
    for value in (df.constant(1), [1, "a"]):
        with pytest.raises(TypeError):
            df.make_tensor_proto(value)
    with pytest.raises(ValueError, match="None"):
        df.make_tensor_proto(None)
    with pytest.raises(TypeError, match="Unsupported tensor type: qint8"):
        df.make_ndarray(TensorProto(dtype=11))


def _proto(code: int, *sizes: int, **values: Any) -> bytes:
    shape = TensorShapeProto(dim=[{"size": size} for size in sizes])
    data: bytes = TensorProto(dtype=code, tensor_shape=shape, **values).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("data", "dtype", "text"),
    [
        (b"bogus", df.uint16, "Could not parse `serialized` as TensorProto: 'bogus'"),
        (b"", df.float32, "Cannot parse tensor from proto: its dtype is invalid"),
        (_proto(101, float_val=[1]), df.float32, "its dtype is float_ref"),
        (_proto(77), df.float32, "its dtype is 77"),
        (_proto(4), df.uint16, r"Type mismatch between parsed tensor \(uint8\) and dtype \(uint16\)"),
        (_proto(11), df.int8, r"Type mismatch between parsed tensor \(qint8\) and dtype \(int8\)"),
        (_proto(1), df.float64, r"\(float\) and dtype \(double\)"),
        (_proto(1, 4, tensor_content=b"abcd"), df.float32, "Cannot parse tensor from proto"),
        (_proto(1, 1, tensor_content=b"abcdefgh"), df.float32, "Cannot parse tensor from proto"),
        (_proto(1, 1, tensor_content=b"abc"), df.float32, "Cannot parse tensor from proto"),
        (_proto(1, -1, float_val=[1]), df.float32, "the shape must be known"),
        (_proto(10, 2, tensor_content=b"\1\2"), df.bool, "neither false nor true"),
        (_proto(7, 1, tensor_content=b"a"), df.string, "a tensor of strings has no tensor_content"),
        (_proto(1, 1 << 40, float_val=[1]), df.float32, "it has 1 values for a shape of 1099511627776"),
    ],
)
def test_bytes_that_are_no_tensor_of_the_dtype_are_refused(data: bytes, dtype: df.DType, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parsed(data, dtype)


def test_lists_of_values_hold_each_dtype() -> None:
    assert parsed(_proto(6, 1, int_val=[300]), df.int8).tolist() == [44]
    assert parsed(_proto(19, 1, half_val=[15360]), df.float16).tolist() == [1.0]
    assert parsed(_proto(14, 1, half_val=[16256]), df.bfloat16) == ml_dtypes.bfloat16(1)
    assert parsed(_proto(8, 2, scomplex_val=[1, 2]), df.complex64).tolist() == [1 + 2j, 1 + 2j]
    assert parsed(_proto(8, 1, scomplex_val=[1]), df.complex64).tolist() == [0]


def test_messages_show_names_and_can_be_pickled() -> None:
    tensor = df.make_tensor_proto([1, 2])
    assert str(tensor).splitlines()[0] == "dtype: DT_INT32"
    assert pickle.loads(pickle.dumps(tensor)) == tensor
    assert pickle.loads(pickle.dumps(tensor.tensor_shape)) == tensor.tensor_shape


def test_a_schema_has_maps_choices_enums_and_inner_messages() -> None:
    outer, inner = messages(
        "test.proto",
        {
            "Outer": [("a", 1, "int64"), ("b", 2, "Outer.Inner"), ("m", 3, "map Outer.Inner"), ("k", 4, "Kind")],
            "Outer.Inner": [("shape", 1, "repeated TensorShapeProto")],
        },
        __name__,
        one_of={"Outer": ("either", ("a", "b"))},
        enums={"Kind": {"NONE": 0, "SOME": 1}},
        uses=("tensor.proto",),
    )
    message = outer(a=1, k="SOME")
    message.m["x"].shape.add().dim.add(size=2)
    assert (message.WhichOneof("either"), message.k) == ("a", 1)
    message.b.SetInParent()
    assert message.WhichOneof("either") == "b"
    assert outer.FromString(message.SerializeToString()).m["x"] == inner(shape=[TensorShapeProto(dim=[{"size": 2}])])
