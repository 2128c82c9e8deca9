"""decode_json_example: Examples that are written as JSON."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import assume, given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.registry import op_def
from dflow.train import Example
from tests.readers.bounds import bounded
from tests.readers.example.test_proto import LISTS
from tests.readers.helpers import mutated


def run(texts: Any) -> Any:
    with df.Session() as sess:
        return sess.run(df.decode_json_example(texts))


def feature(kind: str, values: str) -> str:
    return f'{{"features": {{"feature": {{"a": {{"{kind}": {{"value": {values}}}}}}}}}}}'


@given(st.dictionaries(st.text(), LISTS))
def test_any_example_comes_back(features: dict[str, Any]) -> None:
    """But for the largest float, which json_format writes so that it is too large."""
    example = Example(features={"feature": features})
    assume(all(abs(x) < 3.4e38 or abs(x) == math.inf for it in features.values() for x in it.float_list.value))
    text = np.array(json_format.MessageToJson(example).encode(), object)
    assert Example.FromString(op_def("DecodeJSONExample").kernel(text).item()) == example


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        (feature("int64List", '["1", -2, 3.0]'), "int64_list", [1, -2, 3]),
        (feature("int64_list", '["9223372036854775807"]'), "int64_list", [2**63 - 1]),
        (feature("floatList", '[1.5, "Infinity", "-2"]'), "float_list", [1.5, float("inf"), -2]),
        (
            feature("bytesList", '["aGk=", "aGk", "_-8=", "/+8="]'),
            "bytes_list",
            [b"hi", b"hi", b"\xff\xef", b"\xff\xef"],
        ),
    ],
)
def test_json_becomes_the_example_that_it_describes(text: str, kind: str, values: list[Any]) -> None:
    with df.Session() as sess:
        found = Example.FromString(sess.run(df.decode_json_example(text))).features.feature["a"]
    assert found.WhichOneof("kind") == kind
    assert list(getattr(found, kind).value) == values


def test_the_result_has_the_shape_of_the_texts() -> None:
    assert run([["{}", "{}"], [" {} ", "{}"]]).tolist() == [[b"", b""], [b"", b""]]
    assert run(np.zeros([2, 0], object)).shape == (2, 0)
    made = df.decode_json_example(df.placeholder(df.string, [None, 3]), name="j")
    assert (made.name, made.shape.as_list(), made.dtype) == ("j:0", [None, 3], df.string)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{]",
        "[]",
        "null",
        "1",
        "{} {}",
        b"\xff",
        "[" * 10000,
        '{"unknown": 1}',
        '{"features": 1}',
        feature("int64List", "[1.5]"),
        feature("int64List", "[9223372036854775808]"),
        feature("int64List", '["x"]'),
        feature("int64List", "1"),
        feature("floatList", "[1e40]"),
        feature("floatList", '["x"]'),
        feature("bytesList", "[1]"),
        feature("bytesList", '["!!"]'),
        feature("bytesList", '["a"]'),
        feature("bytesList", '["aGk\\n"]'),
        '{"features": {"feature": {"a": {"int64List": {}, "floatList": {}}}}}',
        '{"features": {"feature": {"a": {}, "a": {}}}}',
    ],
)
def test_what_is_no_example_fails_the_run_and_names_its_place(text: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"(?s)Error while parsing JSON.*\(example 1\)") as caught:
        run(["{}", text, "{]"])
    assert caught.value.record == 1  # type: ignore[attr-defined]


def test_mutated_json_is_an_example_or_an_invalid_argument() -> None:
    random, kernel = Random(11), op_def("DecodeJSONExample").kernel
    features = (
        '"a": {"int64List": {"value": ["1", 2]}}',
        '"b": {"bytesList": {"value": ["aGk="]}}',
        '"c": {"floatList": {}}',
    )
    whole = f'{{"features": {{"feature": {{{", ".join(features)}}}}}}}'.encode()
    with bounded() as inputs:
        for _ in inputs:
            try:
                found = kernel(np.array(mutated(whole, random), object)).item()
            except InvalidArgumentError:
                continue
            Example.FromString(found)


def test_parse_example_takes_what_comes_out() -> None:
    parsed = df.parse_example(
        df.decode_json_example([feature("int64List", "[1]")]), {"a": df.FixedLenFeature([], df.int64)}
    )
    with df.Session() as sess:
        assert sess.run(parsed)["a"].tolist() == [1]


def test_numbers_are_no_json() -> None:
    with pytest.raises(TypeError, match="string"):
        df.decode_json_example([1])
