"""decode_compressed, decode_base64 and encode_base64."""

import gzip
import zlib
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import DataLossError, InvalidArgumentError, OpError
from dflow.registry import op_def
from tests.readers.bounds import bounded
from tests.readers.helpers import mutated


def run(tensor: Any) -> Any:
    with df.Session() as sess:
        return sess.run(tensor)


@given(st.lists(st.binary(), max_size=4), st.sampled_from(["", "ZLIB", "GZIP"]))
def test_any_compressed_strings_come_back(texts: list[bytes], compression: str) -> None:
    pack = {"": bytes, "ZLIB": zlib.compress, "GZIP": gzip.compress}[compression]
    packed = np.empty(len(texts), object)
    packed[:] = list(map(pack, texts))
    found = op_def("DecodeCompressed").kernel(packed, compression_type=compression)
    assert found.tolist() == texts


@given(st.binary(), st.booleans())
def test_any_strings_come_back_from_base64(text: bytes, pad: bool) -> None:
    encoded = op_def("EncodeBase64").kernel(np.array(text, object), pad=pad)
    assert op_def("DecodeBase64").kernel(encoded).item() == text


@given(st.text("AZaz09-_=+/ \n", max_size=10))
def test_what_is_no_base64_is_an_invalid_argument(text: str) -> None:
    try:
        found = op_def("DecodeBase64").kernel(np.array(text.encode(), object)).item()
    except InvalidArgumentError:
        return
    assert len(found) == len(text.rstrip("=")) * 3 // 4


@pytest.mark.parametrize(("compression", "pack"), [("ZLIB", zlib.compress), ("GZIP", gzip.compress)])
def test_mutated_compressed_data_is_a_string_or_a_data_loss(compression: str, pack: Any) -> None:
    random, kernel = Random(13), op_def("DecodeCompressed").kernel
    with bounded() as inputs:
        for _ in inputs:
            try:
                found = kernel(np.array(mutated(pack(b"some text " * 9), random), object), compression_type=compression)
            except DataLossError:
                continue
            assert isinstance(found.item(), bytes)


def test_they_keep_the_shape() -> None:
    assert run(df.encode_base64([["a", "\u00ff"]])).tolist() == [[b"YQ", b"w78"]]
    assert run(df.encode_base64("a", pad=True)) == b"YQ=="
    assert run(df.decode_base64([["YQ", "YQ=="], ["__79-w", "YWI="]])).tolist() == [
        [b"a", b"a"],
        [b"\xff\xfe\xfd\xfb", b"ab"],
    ]
    made = df.decode_compressed(df.placeholder(df.string, [None, 2]), "ZLIB", name="d")
    assert (made.name, made.shape.as_list(), made.dtype) == ("d:0", [None, 2], df.string)


@pytest.mark.parametrize("text", ["a", "a=", "ab=", "abc==", "+/==", "ab c", "a\n", "YW==YW", "abcde"])
def test_wrong_characters_and_lengths_are_no_base64(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid character found in base64, or a wrong length"):
        run(df.decode_base64(text))


@pytest.mark.parametrize(
    ("text", "compression", "kind", "fact"),
    [
        (b"xxxxxx", "ZLIB", DataLossError, "this is no ZLIB data"),
        (gzip.compress(b"hello", mtime=0), "ZLIB", DataLossError, "this is no ZLIB data"),
        (zlib.compress(b"hello" * 100)[:-6], "ZLIB", DataLossError, "the ZLIB data is cut off"),
        (gzip.compress(b"hello", mtime=0) + b"x", "GZIP", DataLossError, "GZIP data"),
        (b"", "BZ2", InvalidArgumentError, 'compression_type may be "", "ZLIB" or "GZIP", got'),
    ],
)
def test_broken_data_fails_the_run(text: bytes, compression: str, kind: type[OpError], fact: str) -> None:
    with pytest.raises(kind, match=fact):
        run(df.decode_compressed([text], compression))


def test_streams_of_gzip_follow_each_other_and_what_is_behind_one_of_zlib_is_left_out() -> None:
    assert run(df.decode_compressed([gzip.compress(b"a") + gzip.compress(b"b")], "GZIP")).tolist() == [b"ab"]
    assert run(df.decode_compressed([zlib.compress(b"a") + b"zz", b""], "ZLIB")).tolist() == [b"a", b""]


def test_numbers_are_no_text() -> None:
    for make in (df.decode_base64, df.encode_base64, df.decode_compressed):
        with pytest.raises(ValueError, match="string"):
            make(df.constant(1))
