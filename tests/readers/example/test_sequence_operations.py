"""parse_single_sequence_example and parse_sequence_example."""

from random import Random
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.readers.example.proto import SequenceExample
from dflow.readers.example.sequence_operations import parse_sequence_example, parse_single_sequence_example
from dflow.registry import op_def
from tests.readers.bounds import bounded
from tests.readers.example.examples import FLOAT, INT, feature, run
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
        (
            None,
            {"z": FixedLenSequenceFeature([], FLOAT)},
            "Feature list 'z' is required but could not be found.  Did you mean to include it in",
        ),
        (
            None,
            {"v": FixedLenSequenceFeature([2], INT)},
            "Key: v, Index: 1.  Number of int64 values != expected.  values size: 0 but output shape: [2]",
        ),
        (
            None,
            {"f": FixedLenSequenceFeature([2], INT)},
            "Feature list: f, Index: 0.  Data types don't match. Expected type: int64  Feature is: float_list",
        ),
        (
            None,
            {"f": VarLenFeature(INT)},
            "Feature list: f, Index: 0.  Data types don't match. Expected type: int64  Feature is: float_list",
        ),
        (
            {"z": FixedLenFeature([], INT)},
            None,
            "Name: <unknown>, Context feature 'z' is required but could not be found.",
        ),
        (
            {"c": FixedLenFeature([], FLOAT)},
            None,
            "Context feature: c.  Data types don't match. Expected type: float, Actual type: int64",
        ),
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
    with pytest.raises(InvalidArgumentError, match="Name: the one, Context feature 'z' is required"):
        run(context)


def test_bytes_that_are_no_sequence_example_are_an_error() -> None:
    """E18.16"""
    with pytest.raises(InvalidArgumentError, match="Could not parse example input"):
        parse({"c": FixedLenFeature([], INT)}, None, b"\xff\xff")


@pytest.mark.parametrize("kind", ["ParseSingleSequenceExample", "ParseSequenceExample"])
def test_mutated_sequence_examples_are_parsed_or_an_invalid_argument(kind: str) -> None:
    random = Random(23)
    context = {"c": FixedLenFeature([], INT), "w": VarLenFeature(INT)}
    sequence = {"v": VarLenFeature(INT), "f": FixedLenSequenceFeature([2], FLOAT, allow_missing=True)}
    if kind == "ParseSequenceExample":
        op = parse_sequence_example(df.placeholder(df.string, [2]), context, sequence)[0]["c"].op
    else:
        op = parse_single_sequence_example(df.placeholder(df.string, []), context, sequence)[0]["c"].op
    kernel = op_def(kind).kernel
    with bounded() as inputs:
        for _ in inputs:
            data: Any = mutated(serialized(), random)
            data = data if kind == "ParseSingleSequenceExample" else [serialized(), data]
            try:
                arrays = kernel(np.array(data, object), **op.attrs)
            except InvalidArgumentError:
                continue
            for tensor, array in zip(op.outputs, arrays, strict=True):
                assert tensor.dtype == array.dtype
                assert tensor.shape.is_compatible_with(array.shape)


# -- batches


def lists(**features: list[Any]) -> bytes:
    """A SequenceExample whose lists have these features; None in place of one: it has no kind."""
    message = SequenceExample()
    for key, steps in features.items():
        message.feature_lists.feature_list[key].feature.extend(map(feature, steps))
    return message.SerializeToString()  # type: ignore[no-any-return]


def parse_batch(data: list[bytes], context: Any, sequence: Any, **options: Any) -> Any:
    vector = df.constant(np.array(data, object), df.string)
    return tuple(map(run, parse_sequence_example(vector, context, sequence, **options)))


def test_a_batch_is_filled_up_to_its_longest_list_and_tells_the_lengths() -> None:
    """E18.18"""
    context = {"c": FixedLenFeature([], INT, -1), "w": VarLenFeature(INT)}
    sequence = {
        "v": VarLenFeature(INT),
        "f": FixedLenSequenceFeature([2], FLOAT, allow_missing=True),
        "t": FixedLenSequenceFeature([], df.string, allow_missing=True),
        "z": FixedLenSequenceFeature([3], INT, allow_missing=True),
    }
    data = [serialized(), b"", lists(f=[[5.0, 6.0]], v=[[], [], None, [4]], t=[[b"x"], [b"y"]])]
    assert parse_batch(data, context, sequence) == (
        {"c": [3, -1, -1], "w": [[], [], [3, 0]]},
        {
            "v": [[[0, 0, 0], [0, 0, 1], [0, 2, 0], [2, 3, 0]], [1, 2, 3, 4], [3, 4, 2]],
            "f": [[[1, 2], [3, 4]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]],
            "t": [[b"", b""], [b"", b""], [b"x", b"y"]],
            "z": [[], [], []],
        },
        {"f": [2, 0, 1], "t": [0, 0, 2], "z": [0, 0, 0]},
    )


def test_an_empty_batch_of_sequences_has_empty_tensors() -> None:
    """E18.17"""
    sequence = {"f": FixedLenSequenceFeature([2], FLOAT), "v": VarLenFeature(INT)}
    assert parse_batch([], {"c": FixedLenFeature([2], INT)}, sequence) == (
        {"c": []},
        {"f": [], "v": [[], [], [0, 0, 0]]},
        {"f": []},
    )


def test_the_static_shapes_of_a_batch_of_sequences_hold_what_is_known() -> None:
    sequence = {"f": FixedLenSequenceFeature([2], FLOAT), "v": VarLenFeature(INT)}
    _, found, lengths = parse_sequence_example(df.placeholder(df.string, [4]), None, sequence, name="p")
    assert (found["f"].shape.as_list(), lengths["f"].shape.as_list()) == ([4, None, 2], [4])
    assert found["v"].indices.shape.as_list() == [None, 3]
    assert found["f"].op.name == "p"
    for wrong in ("x", [["x"]]):
        with pytest.raises(ValueError, match="rank 1"):
            parse_sequence_example(wrong, None, sequence)


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        (lists(f=[[1.0, 2.0], [1]]), "Feature list: f, Index: 1.  Data types don't match. Expected type: float"),
        (lists(f=[[1.0, 2.0], [1.0]]), "Key: f, Index: 1.  Number of float values != expected.  values size: 1 but"),
        (lists(f=[[1.0, 2.0], None]), "Key: f, Index: 1.  Number of float values != expected.  values size: 0 but"),
        (lists(f=[[1.0, 2.0]], v=[[1], [], [b"x"]]), "Feature list: v, Index: 2.  Data types don't match."),
        (lists(v=[]), "Feature list 'f' is required but could not be found."),
        (b"\xff\xff", "Could not parse example input"),
    ],
    ids=["dtype", "few values", "no values", "dtypes", "no list", "no example"],
)
def test_what_is_wrong_in_a_batch_names_the_example_the_list_and_the_step(bad: bytes, fact: str) -> None:
    """E18.18"""
    sequence = {"f": FixedLenSequenceFeature([2], FLOAT), "v": VarLenFeature(INT)}
    good = lists(f=[])
    for names, name in ((None, "<unknown>"), (["one", "two"], "two"), (np.zeros([0], object), "<unknown>")):
        with pytest.raises(InvalidArgumentError) as caught:
            parse_batch([good, bad, bad], None, sequence, example_names=names if name != "two" else [*names, "three"])
        assert caught.value.message.startswith(f"Name: {name}, {fact}")
        assert caught.value.record == 1  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match=r"Expected names have the same shape .*name.shape=\[1\]"):
        parse_batch([good, good], None, sequence, example_names=["one"])


def test_a_default_of_the_context_may_be_computed_by_the_run() -> None:
    given = df.placeholder(INT, [])
    context = {"c": FixedLenFeature([], INT, given)}
    many, _, _ = parse_sequence_example([serialized(), b""], context)
    one, _ = parse_single_sequence_example(b"", context, example_name="x")
    with df.Session() as sess:
        found = sess.run([many["c"], one["c"]], {given: 7})
    assert [found[0].tolist(), found[1]] == [[3, 7], 7]


@pytest.mark.parametrize(
    ("context", "sequence", "fact"),
    [
        (None, None, "Missing features"),
        ({}, {}, "Missing features"),
        ({"c": FixedLenSequenceFeature([], INT, True)}, None, "Unsupported feature c"),
        (None, {"f": FixedLenFeature([], INT)}, "Unsupported feature f"),
        (None, {"f": SparseFeature("i", "v", INT, 5)}, "Unsupported feature f"),
        (None, {"f": FixedLenSequenceFeature([], INT, True, 7)}, "a feature list has no default_value, got 7"),
    ],
)
def test_wrong_features_are_value_errors(context: Any, sequence: Any, fact: str) -> None:
    """E18.2, E18.18"""
    with pytest.raises(ValueError, match=fact):
        parse_single_sequence_example(b"", context, sequence)
    with pytest.raises(ValueError, match=fact):
        parse_sequence_example([b""], context, sequence)
