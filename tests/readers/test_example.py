"""parse_example and its kin: batches, single Examples, sequences, and what is wrong with them."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example import parse_example, parse_single_example
from dflow.readers.example_proto import BytesList, Example, Feature, Features, FloatList, Int64List
from dflow.readers.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.registry import op_def
from dflow.sparse import SparseTensor
from tests.readers.helpers import MUTATIONS, mutated


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


INT, FLOAT, TEXT = df.int64, df.float32, df.string


# -- FixedLenFeature


def test_a_fixed_feature_is_dense() -> None:
    """E18.1, E18.4"""
    features = {
        "a": FixedLenFeature([], INT),
        "b": FixedLenFeature([2, 1], FLOAT),
        "c": FixedLenFeature([1], TEXT),
    }
    first = example(a=[1], b=[1.5, 2.5], c=[b"x"], other=[9])
    second = example(c=[b"y\0"], b=[0.5, -1.0], a=[2**63 - 1])
    assert batch([first, second], features) == {
        "a": [1, 2**63 - 1],
        "b": [[[1.5], [2.5]], [[0.5], [-1.0]]],
        "c": [[b"x"], [b"y\0"]],
    }
    assert single(first, features) == {"a": 1, "b": [[1.5], [2.5]], "c": [b"x"]}


def test_a_missing_feature_has_its_default() -> None:
    """E18.5, E18.6"""
    features = {"a": FixedLenFeature([], INT, 7), "b": FixedLenFeature([2], FLOAT, [1.0, 2.0])}
    assert batch([example(a=[3]), example(a=None)], features) == {"a": [3, 7], "b": [[1, 2], [1, 2]]}
    assert single(example(), features) == {"a": 7, "b": [1, 2]}


def test_a_missing_feature_without_a_default_is_an_error() -> None:
    """E18.5"""
    features = {"c": FixedLenFeature([2], FLOAT)}
    error = fault(batch, [example(c=[1.0, 2.0]), example()], features)
    assert error.message == "Name: <unknown>, Feature: c (data type: float) is required but could not be found."
    assert error.record == 1  # type: ignore[attr-defined]
    assert fault(single, example(), features).message.startswith("Feature: c (data type: float) is required")
    assert "is required" in fault(single, example(c=None), features).message


def test_a_wrong_number_of_values_names_the_key_and_the_example() -> None:
    """E18.7"""
    features = {"a": FixedLenFeature([2], INT)}
    serialized = [example(a=[1, 2]), example(a=[3])]
    said = "Number of int64 values != expected.  Values size: 1 but output shape: [2]"
    assert fault(batch, serialized, features).message == f"Name: <unknown>, Key: a, Index: 1.  {said}"
    named = fault(batch, serialized, features, example_names=["first", "second"])
    assert named.message == f"Name: second, Key: a, Index: 1.  {said}"
    assert fault(single, serialized[1], features).message == f"Key: a.  {said}"
    assert "Values size: 0" in fault(single, example(a=[]), features).message  # E18.5: present, without values


@pytest.mark.parametrize("kind", [FixedLenFeature([1], FLOAT), VarLenFeature(FLOAT)])
def test_values_of_another_type_are_an_error(kind: Any) -> None:
    """E18.7, E18.9"""
    message = fault(batch, [example(a=[1])], {"a": kind}).message
    assert "Key: a, Index: 0.  Data types don't match. Expected type: float but the values are of type: int64" in message


# -- VarLenFeature, FixedLenSequenceFeature, SparseFeature


def test_a_feature_of_any_length_is_sparse() -> None:
    """E18.9"""
    features = {"a": VarLenFeature(TEXT), "b": VarLenFeature(INT)}
    serialized = [example(a=[b"x", b"y"]), example(), example(a=[b"z"], b=[])]
    assert batch(serialized, features) == {
        "a": [[[0, 0], [0, 1], [2, 0]], [b"x", b"y", b"z"], [3, 2]],
        "b": [[], [], [3, 0]],
    }
    assert single(serialized[0], features) == {"a": [[[0], [1]], [b"x", b"y"], [2]], "b": [[], [], [0]]}


def test_a_sequence_is_padded_to_the_longest() -> None:
    """E18.10, E18.11"""
    features = {
        "a": FixedLenSequenceFeature([2], INT, allow_missing=True),
        "b": FixedLenSequenceFeature([], TEXT, allow_missing=True, default_value="-"),
    }
    serialized = [example(a=[1, 2, 3, 4]), example(b=[b"x"]), example(a=[5, 6], b=[b"y", b"z"])]
    assert batch(serialized, features) == {
        "a": [[[1, 2], [3, 4]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]],
        "b": [[b"-", b"-"], [b"x", b"-"], [b"y", b"z"]],
    }
    assert single(serialized[0], features) == {"a": [[1, 2], [3, 4]], "b": []}


def test_a_sequence_must_be_allowed_to_be_missing() -> None:
    """E18.10"""
    features = {"a": FixedLenSequenceFeature([], INT)}
    for parse, serialized in ((parse_example, [b""]), (parse_single_example, b"")):
        with pytest.raises(ValueError, match=r"Unsupported: FixedLenSequenceFeature requires allow_missing to be True\."):
            parse(serialized, features)


def test_a_part_of_a_step_is_an_error() -> None:
    """E18.12"""
    features = {"a": FixedLenSequenceFeature([2], INT, allow_missing=True)}
    said = "Key: a, Index: 0.  Number of int64 values is not a multiple of stride length."
    assert said in fault(batch, [example(a=[1, 2, 3])], features).message


def test_a_sparse_feature_takes_its_indices_from_another_one() -> None:
    """E18.13"""
    features = {"s": SparseFeature("i", "v", FLOAT, 9)}
    serialized = [example(i=[5, 2], v=[0.5, 1.5]), example(), example(i=[8], v=[2.5])]
    assert batch(serialized, features) == {"s": [[[0, 2], [0, 5], [2, 8]], [1.5, 0.5, 2.5], [3, 9]]}
    assert single(serialized[0], features) == {"s": [[[2], [5]], [1.5, 0.5], [9]]}
    in_order = {"s": SparseFeature("i", "v", FLOAT, 9, already_sorted=True)}
    assert single(serialized[0], in_order) == {"s": [[[5], [2]], [0.5, 1.5], [9]]}


def test_a_sparse_feature_may_have_several_dimensions() -> None:
    """E18.13"""
    features = {"s": SparseFeature(["i", "j"], "v", INT, [3, 4])}
    assert batch([example(i=[1, 0, 1], j=[3, 2, 0], v=[7, 8, 9])], features) == {
        "s": [[[0, 0, 2], [0, 1, 0], [0, 1, 3]], [8, 9, 7], [1, 3, 4]]
    }


@pytest.mark.parametrize(
    ("indices", "fact"),
    [
        ([1], "it has 2 values in 'v' but 1 indices in 'i'"),
        ([1, 5], "index 5 in 'i' is out of bounds: it must be >= 0 and < 5"),
        ([-1, 1], "index -1 in 'i' is out of bounds"),
        ([0.5, 1.0], "Expected type: int64 but the values are of type: float"),
    ],
)
def test_indices_that_do_not_fit_are_an_error(indices: list[Any], fact: str) -> None:
    """E18.13"""
    features = {"s": SparseFeature("i", "v", FLOAT, 5)}
    assert fact in fault(batch, [example(i=indices, v=[0.5, 1.5])], features).message


# -- what the bytes are


def test_unknown_keys_are_ignored_and_the_last_of_a_repeated_key_wins() -> None:
    """E18.14"""
    features = {"a": FixedLenFeature([], INT)}
    twice = example(a=[1], z=[b"?"]) + example(a=[2])
    assert single(twice, features) == {"a": 2}


def test_packed_and_unpacked_values_are_read() -> None:
    """E18.15"""
    unpacked = b"\x0a\x0d\x0a\x0b\x0a\x01a\x12\x06\x1a\x04\x08\x03\x08\x04"
    assert single(unpacked, {"a": FixedLenFeature([2], INT)}) == {"a": [3, 4]}


def test_bytes_that_are_no_example_are_an_error() -> None:
    """E18.16"""
    error = fault(batch, [example(a=[1]), b"\xff" * 500], {"a": VarLenFeature(INT)})
    assert "Could not parse example input, value: b'\\xff" in error.message
    assert len(error.message) < 400
    assert error.record == 1  # type: ignore[attr-defined]


def test_an_empty_batch_has_no_rows() -> None:
    """E18.17"""
    features = {
        "a": FixedLenFeature([2], INT),
        "b": VarLenFeature(TEXT),
        "c": FixedLenSequenceFeature([3], FLOAT, allow_missing=True),
        "d": SparseFeature("i", "v", FLOAT, 5),
    }
    assert batch([], features) == {"a": [], "b": [[], [], [0, 0]], "c": [], "d": [[], [], [0, 5]]}


VALUES = {INT: st.integers(-(2**63), 2**63 - 1), FLOAT: st.floats(width=32, allow_nan=False), TEXT: st.binary()}


@given(st.data(), st.sampled_from(sorted(VALUES, key=str)), st.integers(0, 4))
def test_any_values_come_back(data: st.DataObject, dtype: df.DType, n: int) -> None:
    """E18.4, E18.9, E18.10"""
    rows = data.draw(st.lists(st.lists(VALUES[dtype], min_size=n, max_size=n), max_size=4))
    kind = {INT: Int64List, FLOAT: FloatList, TEXT: BytesList}[dtype]
    name = {INT: "int64_list", FLOAT: "float_list", TEXT: "bytes_list"}[dtype]
    messages = [Example(features=Features(feature={"a": Feature(**{name: kind(value=row)})})) for row in rows]
    with df.Graph().as_default():
        serialized = [message.SerializeToString() for message in messages]
        found = batch(serialized, {"a": FixedLenFeature([n], dtype)})["a"]
        assert found == rows
        longest = n if rows else 0
        _, values, dense_shape = batch(serialized, {"a": VarLenFeature(dtype)})["a"]
        assert (values, dense_shape) == (sum(rows, []), [len(rows), longest])


def test_mutated_examples_are_parsed_or_an_invalid_argument() -> None:
    random = Random(17)
    features = {
        "a": FixedLenFeature([2], INT, [0, 0]),
        "b": VarLenFeature(TEXT),
        "c": FixedLenSequenceFeature([2], FLOAT, allow_missing=True),
        "d": SparseFeature("i", "v", FLOAT, 5),
    }
    whole = example(a=[1, 2**40], b=[b"some", b"text"], c=[0.5, 1.5, 2.5, 3.5], i=[4, 1], v=[1.0, 2.0])
    op = next(iter(parse_example(df.placeholder(df.string, [None]), features).values())).op
    kernel = op_def("ParseExample").kernel
    for _ in range(MUTATIONS):
        serialized = np.array([whole, mutated(whole, random)], object)
        try:
            arrays = kernel(serialized, **op.attrs)
        except InvalidArgumentError as error:
            assert error.record == 1  # type: ignore[attr-defined]
            continue
        for tensor, array in zip(op.outputs, arrays, strict=True):
            assert tensor.dtype == array.dtype
            assert tensor.shape.is_compatible_with(array.shape)


# -- the operations


def test_static_shapes_hold_what_is_known() -> None:
    features = {"a": FixedLenFeature([2], INT), "b": VarLenFeature(INT), "c": SparseFeature(["i", "j"], "v", INT, [5, 6])}
    parsed = parse_example(df.placeholder(df.string, [None]), features)
    assert parsed["a"].shape.as_list() == [None, 2]
    assert parsed["b"].shape.as_list() == [None, None]
    assert parsed["c"].shape.as_list() == [None, None, None]
    assert parse_single_example(df.placeholder(df.string), features)["a"].shape.as_list() == [2]


def test_a_scalar_is_no_batch_and_a_vector_no_single_example() -> None:
    """E18.1"""
    features = {"a": VarLenFeature(INT)}
    with pytest.raises(ValueError, match="rank 1"):
        parse_example(b"", features)
    with pytest.raises(ValueError, match="rank 0"):
        parse_single_example([b""], features)
    with pytest.raises(InvalidArgumentError, match="serialized must be a vector"), df.Session() as sess:
        unknown = df.placeholder(df.string)
        sess.run(parse_example(unknown, features)["a"].values, {unknown: b""})  # type: ignore[union-attr]


@pytest.mark.parametrize("features", [{"a": FixedLenFeature([2], INT)}, {"b": FixedLenSequenceFeature([], FLOAT, True)}])
def test_a_batch_of_single_steps_is_parsed_as_one(features: dict[str, Any]) -> None:
    tensor = next(iter(parse_single_example(df.placeholder(df.string, ()), features).values()))
    definition = op_def("ParseSingleExample")
    assert definition.batch is not None
    serialized = [example(a=[1, 2], b=[0.5]), example(a=[3, 4], b=[1.5])]
    found = definition.batch(definition.kernel, [np.array(serialized, object)], [True], tensor.op.attrs)
    one_by_one = [definition.kernel(np.array(data, object), **tensor.op.attrs) for data in serialized]
    assert found.tolist() == [array.tolist() for array in one_by_one]
