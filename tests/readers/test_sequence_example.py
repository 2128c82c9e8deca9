"""parse_single_sequence_example."""

from random import Random
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example import parse_single_sequence_example
from dflow.readers.example_proto import SequenceExample
from dflow.readers.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.registry import op_def
from tests.readers.bounds import bounded
from tests.readers.examples import FLOAT, INT, run
from tests.readers.helpers import mutated


def serialized() -> bytes:
    """A context with c = 3; the lists f = [1, 2], [3, 4]; v = [1, 2], [], [3]; and e, without steps."""
    message = SequenceExample()
    message.context.feature["c"].int64_list.value.append(3)
    lists = message.feature_lists.feature_list
    for values in ([1, 2], [3, 4]):
        lists["f"].feature.add().float_list.value.extend(values)
    for values in ([1, 2], [], [3]):
        lists["v"].feature.add().int64_list.value.extend(values)
    lists["e"].SetInParent()
    return message.SerializeToString()  # type: ignore[no-any-return]


def parse(context: dict[str, Any] | None, sequence: dict[str, Any] | None, data: bytes | None = None) -> Any:
    return tuple(map(run, parse_single_sequence_example(serialized() if data is None else data, context, sequence)))


def test_a_context_and_lists_are_parsed() -> None:
    """E18.18"""
    context = {"c": FixedLenFeature([], INT), "d": FixedLenFeature([], INT, 5), "w": VarLenFeature(INT)}
    sequence = {"v": VarLenFeature(INT), "f": FixedLenSequenceFeature([2], FLOAT)}
    assert parse(context, sequence) == (
        {"c": 3, "d": 5, "w": [[], [], [0]]},
        {"v": [[[0, 0], [0, 1], [2, 0]], [1, 2, 3], [3, 2]], "f": [[1, 2], [3, 4]]},
    )
    assert parse({"c": FixedLenFeature([1], INT)}, None) == ({"c": [3]}, {})
    assert parse(None, {"f": VarLenFeature(FLOAT)})[0] == {}


def test_a_list_that_may_be_missing_has_no_steps() -> None:
    """E18.18"""
    sequence = {
        "z": FixedLenSequenceFeature([2], FLOAT, allow_missing=True),
        "e": FixedLenSequenceFeature([2], FLOAT),
        "q": VarLenFeature(df.string),
    }
    assert parse(None, sequence)[1] == {"z": [], "e": [], "q": [[], [], [0, 0]]}


@pytest.mark.parametrize(
    ("context", "sequence", "fact"),
    [
        (None, {"z": FixedLenSequenceFeature([], FLOAT)}, "Feature list 'z' is required but could not be found."),
        (None, {"v": FixedLenSequenceFeature([2], INT)}, "Key: v, Step: 1.  Number of int64 values != expected."),
        (None, {"f": FixedLenSequenceFeature([2], INT)}, "Key: f, Step: 0.  Data types don't match."),
        (None, {"f": VarLenFeature(INT)}, "Key: f, Step: 0.  Data types don't match."),
        ({"z": FixedLenFeature([], INT)}, None, "Feature: z (data type: int64) is required but could not be found."),
        ({"c": FixedLenFeature([], FLOAT)}, None, "Key: c.  Data types don't match."),
    ],
)
def test_what_does_not_fit_names_the_key_and_the_step(context: Any, sequence: Any, fact: str) -> None:
    """E18.18"""
    with pytest.raises(InvalidArgumentError) as caught:
        parse(context, sequence)
    assert fact in caught.value.message


def test_an_error_has_the_name_of_the_example() -> None:
    features = {"z": FixedLenFeature([], INT)}
    context, _ = parse_single_sequence_example(b"", features, example_name="the one")
    with pytest.raises(InvalidArgumentError, match="Name: the one, Feature: z"):
        run(context)


def test_bytes_that_are_no_sequence_example_are_an_error() -> None:
    """E18.16"""
    with pytest.raises(InvalidArgumentError, match="Could not parse example input"):
        parse({"c": FixedLenFeature([], INT)}, None, b"\xff\xff")


def test_mutated_sequence_examples_are_parsed_or_an_invalid_argument() -> None:
    random = Random(23)
    context = {"c": FixedLenFeature([], INT), "w": VarLenFeature(INT)}
    sequence = {"v": VarLenFeature(INT), "f": FixedLenSequenceFeature([2], FLOAT, allow_missing=True)}
    parsed, _ = parse_single_sequence_example(df.placeholder(df.string, []), context, sequence)
    op = parsed["c"].op
    kernel = op_def("ParseSingleSequenceExample").kernel
    with bounded() as inputs:
        for _ in inputs:
            try:
                arrays = kernel(np.array(mutated(serialized(), random), object), **op.attrs)
            except InvalidArgumentError:
                continue
            for tensor, array in zip(op.outputs, arrays, strict=True):
                assert tensor.dtype == array.dtype
                assert tensor.shape.is_compatible_with(array.shape)


@pytest.mark.parametrize(
    ("context", "sequence", "fact"),
    [
        (None, None, "Missing features"),
        ({}, {}, "Missing features"),
        ({"c": FixedLenSequenceFeature([], INT, True)}, None, "Unsupported feature c"),
        (None, {"f": FixedLenFeature([], INT)}, "Unsupported feature f"),
        (None, {"f": SparseFeature("i", "v", INT, 5)}, "Unsupported feature f"),
    ],
)
def test_wrong_features_are_value_errors(context: Any, sequence: Any, fact: str) -> None:
    """E18.2, E18.18"""
    with pytest.raises(ValueError, match=fact):
        parse_single_sequence_example(b"", context, sequence)
