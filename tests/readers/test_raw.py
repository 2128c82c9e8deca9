"""decode_raw: strings that hold the bytes of numbers."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.ops.rules.batching import Rows, each
from dflow.readers.raw import decode_raw
from dflow.readers.records import Block, Records
from dflow.registry import op_def

NUMBERS = "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128"


def run(value: Any, *args: Any, **options: Any) -> Any:
    with df.Session() as sess:
        return sess.run(decode_raw(value, *args, **options))


@pytest.mark.parametrize("dtype", NUMBERS.split())
@pytest.mark.parametrize("little_endian", [True, False])
def test_any_numbers_come_back(dtype: str, little_endian: bool) -> None:
    """E18.19"""
    sent = np.array([[0, 1, 2], [3, 4, 5]]).astype(df.as_dtype(dtype).numpy_dtype)
    written = sent if little_endian else sent.byteswap()
    found = run([row.tobytes() for row in written], dtype, little_endian)
    np.testing.assert_array_equal(found, sent)
    assert found.dtype == sent.dtype


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=5))
def test_each_string_is_a_row(texts: list[bytes]) -> None:
    """E18.19"""
    kernel = op_def("DecodeRaw").kernel
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    found = kernel(array, out_type=df.uint8, little_endian=True)
    assert [row.tobytes() for row in found] == texts


def test_the_output_has_one_more_dimension() -> None:
    """E18.19"""
    tensor = decode_raw(df.placeholder(df.string, (2, None)), df.int16, name="raw")
    assert tensor.shape.as_list() == [2, None, None]
    assert (tensor.dtype, tensor.op.name) == (df.int16, "raw")
    assert run(b"\x01\x00\x02\x00", df.int16).tolist() == [1, 2]
    assert run([[b"\x00\x01"]], df.int16, little_endian=False).tolist() == [[[1]]]


def test_no_strings_and_empty_ones_give_no_numbers() -> None:
    """E18.19"""
    assert run([b"", b""], df.int32).shape == (2, 0)
    texts = df.placeholder(df.string, [None])
    with df.Session() as sess:
        assert sess.run(decode_raw(texts, df.int32), {texts: np.array([], object)}).shape == (0, 0)


@pytest.mark.parametrize(
    ("texts", "fact"),
    [
        ([b"abc"], "Input to DecodeRaw has length 3 that is not a multiple of 2, the size of int16"),
        ([b"ab", b"abcd"], "requires input strings to all be the same size, but element 1 has size 4 != 2"),
    ],
)
def test_lengths_that_do_not_fit_fail_the_run(texts: list[bytes], fact: str) -> None:
    """E18.19"""
    with pytest.raises(InvalidArgumentError, match=fact):
        run(texts, df.int16)


def test_text_is_no_number() -> None:
    with pytest.raises(TypeError, match="must be numeric or bool, got string"):
        decode_raw([b""], df.string)
    with pytest.raises(ValueError, match="dtype"):
        decode_raw(df.placeholder(df.int32), df.int32)


@st.composite
def blocks(draw: st.DrawFn) -> Records:
    """Records at any places of some bytes: overlapping, with gaps, one after the other; most often of one length."""
    data = draw(st.binary(min_size=24, max_size=60))
    length = draw(st.integers(0, 8))
    step = draw(st.sampled_from([None, 1, 4, 8]))
    if step is None:
        starts = np.array(sorted(draw(st.lists(st.integers(0, 12), max_size=5))), np.int64)
    else:
        starts = np.arange(0, 12, step)
    ends = starts + length
    if draw(st.integers(0, 4)) == 0:
        ends[len(ends) // 2 :] += 4
    return Records(Block(data, starts, ends))


@given(blocks(), st.sampled_from(NUMBERS.split()), st.booleans())
def test_the_bytes_of_a_block_give_what_its_strings_give(records: Records, dtype: str, little_endian: bool) -> None:
    def outcome(function: Any, *arguments: Any) -> Any:
        try:
            found = function(*arguments)
            values = found.values if isinstance(found, Rows) else found
            return [(value.tobytes(), value.dtype, value.shape) for value in values]
        except InvalidArgumentError as error:
            return error.message

    definition = op_def("DecodeRaw")
    attrs = {"out_type": df.as_dtype(dtype), "little_endian": little_endian}
    strings = np.asarray(records)
    assert outcome(partial(definition.kernel, **attrs), records) == outcome(
        partial(definition.kernel, **attrs), strings
    )
    if len(records):
        many = outcome(definition.batch, definition.kernel, [records], [True], attrs)
        assert many == outcome(each, definition.kernel, [strings], [True], attrs)


# -- strings of different lengths


def test_a_fixed_length_cuts_off_and_fills_up() -> None:
    """As in tf.io.decode_raw of TensorFlow 2."""
    texts = [b"abc", b"a", b"", b"abcdef"]
    assert run(texts, df.uint8, fixed_length=4).tolist() == [
        [97, 98, 99, 0],
        [97, 0, 0, 0],
        [0, 0, 0, 0],
        [97, 98, 99, 100],
    ]
    assert run(texts, df.int16, fixed_length=4).tolist() == [[25185, 99], [97, 0], [0, 0], [25185, 25699]]
    assert run(texts, df.int16, False, fixed_length=2).tolist() == [[24930], [24832], [0], [24930]]
    assert run([b"\0\2"], df.bool, fixed_length=3).tolist() == [[False, True, False]]
    assert run(b"ab", df.uint8, fixed_length=1).tolist() == [97]
    assert decode_raw(df.placeholder(df.string, [None]), df.int16, fixed_length=4).shape.as_list() == [None, 2]
    texts_of_no_batch = df.placeholder(df.string, [None])
    with df.Session() as sess:
        found = sess.run(decode_raw(texts_of_no_batch, df.int16, fixed_length=4), {texts_of_no_batch: []})
    assert found.shape == (0, 2)


@pytest.mark.parametrize("length", [0, -2, 3])
def test_a_fixed_length_is_a_multiple_of_the_size_of_a_number(length: int) -> None:
    with pytest.raises(ValueError, match=f"a positive multiple of 2, the size of int16, got {length}"):
        decode_raw([b"ab"], df.int16, fixed_length=length)


def test_the_strings_have_an_older_name() -> None:
    with df.Session() as sess:
        assert sess.run(decode_raw(bytes=[b"ab"], out_type=df.uint8)).tolist() == [[97, 98]]
    with pytest.raises(ValueError, match="Cannot specify both 'bytes' and 'input_bytes'"):
        decode_raw([b"ab"], df.uint8, bytes=[b"ab"])
    with pytest.raises(ValueError, match="None"):
        decode_raw(out_type=df.uint8)
    with pytest.raises(ValueError, match="out_type"):
        decode_raw([b"ab"])
