"""parse_example and parse_single_example: each kind of feature, and what is wrong with one."""

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.readers.example.operations import parse_example, parse_single_example
from dflow.registry import op_def
from tests.readers.example.examples import FLOAT, INT, TEXT, batch, example, fault, single

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
    assert "Key: a, Index: 0.  Data types don't match. Expected type: float, Actual type: int64" in message


def test_numbers_of_texts_are_numbers_of_bytes_values_in_messages() -> None:
    """E18.7, as in TensorFlow"""
    serialized = [example(a=[b"x"])]
    assert "Number of bytes values != expected." in fault(batch, serialized, {"a": FixedLenFeature([2], TEXT)}).message
    steps = {"a": FixedLenSequenceFeature([2], TEXT, allow_missing=True)}
    assert "Number of bytes values is not a multiple of stride length." in fault(batch, serialized, steps).message


@pytest.mark.parametrize("names", [[], ["one", "two"]])
def test_there_are_as_many_names_as_examples_or_none(names: list[str]) -> None:
    serialized, features = [example(a=[1]), example(a=[2])], {"a": FixedLenFeature([], INT)}
    assert batch(serialized, features, example_names=np.array(names, object)) == {"a": [1, 2]}
    error = fault(batch, [example(a=[1]), example()], features, example_names=np.array(names, object))
    assert error.message.startswith(f"Name: {names[1] if names else '<unknown>'}, Feature: a")


@pytest.mark.parametrize(("names", "shape"), [(["one"], "[1]"), (["one", "two", "three"], "[3]"), ("one", "[]")])
def test_another_number_of_names_fails_the_run(names: Any, shape: str) -> None:
    error = fault(batch, [example(), example()], {"a": VarLenFeature(INT)}, example_names=names)
    text = f"Expected names have the same shape as serialized: name.shape={shape}, serialized.shape=[2]"
    assert error.message == text
    with pytest.raises(ValueError, match="rank 1"):
        parse_example([b""], {"a": VarLenFeature(INT)}, example_names=[["x"]])


# -- defaults that a run computes


def test_a_default_may_be_computed_by_the_run() -> None:
    one, two = df.placeholder(INT, []), df.constant([1.0, 2.0]) * 2.0
    variable = df.Variable(df.constant(["v"]), dtype=TEXT)
    features = {
        "a": FixedLenFeature([], INT, one),
        "b": FixedLenFeature([2], FLOAT, two),
        "c": FixedLenFeature([1], TEXT, variable),
        "d": FixedLenSequenceFeature([], INT, allow_missing=True, default_value=one + 1),
    }
    serialized = [example(), example(a=[5], b=[6.0, 7.0], c=[b"x"], d=[8, 9])]
    parsed = parse_example(df.constant(np.array(serialized, object), TEXT), features)
    alone = [parse_single_example(data, features) for data in serialized]
    with df.Session() as sess:
        sess.run(variable.initializer)
        for value in (3, 4):
            found, each = sess.run([parsed, alone], {one: value})
            assert {key: array.tolist() for key, array in found.items()} == {
                "a": [value, 5],
                "b": [[2, 4], [6, 7]],
                "c": [[b"v"], [b"x"]],
                "d": [[value + 1, value + 1], [8, 9]],
            }
            for i in range(2):
                assert each[i]["a"] == found["a"][i]
                assert each[i]["b"].tolist() == found["b"][i].tolist()
                assert each[i]["d"].tolist() == [[], [8, 9]][i]


def test_a_computed_default_of_another_shape_fails_the_run() -> None:
    given = df.placeholder(INT)
    for feature in (FixedLenFeature([2], INT, given), FixedLenSequenceFeature([], INT, True, given)):
        parsed = parse_example([example(a=[1, 2])], {"a": feature})
        shape = "[2]" if isinstance(feature, FixedLenFeature) else "[]"
        with df.Session() as sess, pytest.raises(InvalidArgumentError) as caught:
            sess.run(parsed, {given: [1, 2, 3]})
        assert f"feature a: default_value has shape [3], it must have shape {shape}" in str(caught.value)


@pytest.mark.parametrize(
    "default", [lambda: df.placeholder(FLOAT, [2]), lambda: df.placeholder(INT, [3]), lambda: df.placeholder(INT, [])]
)
def test_a_computed_default_that_cannot_fit_is_found_when_the_graph_is_built(default: Any) -> None:
    with pytest.raises(ValueError, match=r"feature a: default_value must be int64 of shape \[2\], it is"):
        parse_example([b""], {"a": FixedLenFeature([2], INT, default())})


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
        with pytest.raises(
            ValueError, match=r"Unsupported: FixedLenSequenceFeature requires allow_missing to be True\."
        ):
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


def test_several_sparse_features_may_have_the_same_keys() -> None:
    """E18.13"""
    features = {
        "a": SparseFeature("i", "v", FLOAT, 9),
        "b": SparseFeature("i", "v", FLOAT, 5, already_sorted=True),
        "c": SparseFeature(["i", "j"], "w", INT, [9, 9]),
        "d": SparseFeature("j", "i", INT, 9),
        "i": VarLenFeature(INT),
        "v": VarLenFeature(FLOAT),
    }
    serialized = [example(i=[7, 2], v=[0.5, 1.5], j=[0, 1], w=[3, 4]), example()]
    assert batch(serialized, features) == {
        "a": [[[0, 2], [0, 7]], [1.5, 0.5], [2, 9]],
        "b": [[[0, 7], [0, 2]], [0.5, 1.5], [2, 5]],  # indices that are said to be sorted are taken as they are
        "c": [[[0, 2, 1], [0, 7, 0]], [4, 3], [2, 9, 9]],
        "d": [[[0, 0], [0, 1]], [7, 2], [2, 9]],
        "i": [[[0, 0], [0, 1]], [7, 2], [2, 2]],
        "v": [[[0, 0], [0, 1]], [0.5, 1.5], [2, 2]],
    }


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (
            {"a": SparseFeature("i", "v", FLOAT, 5), "b": SparseFeature("i", "v", INT, 5)},
            "float32 vs int64.* feature v",
        ),
        ({"a": SparseFeature("i", "v", FLOAT, 5), "i": VarLenFeature(FLOAT)}, "int64 vs float32 for feature i"),
        ({"v": FixedLenFeature([], TEXT), "a": SparseFeature("i", "v", INT, 5)}, "string vs int64 for feature v"),
    ],
)
def test_a_key_is_of_one_type_in_all_features(features: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"Conflicting type {text}"):
        parse_example([b""], features)


@pytest.mark.parametrize(
    ("indices", "fact"),
    [
        ([1], "it has 2 values in 'v' but 1 indices in 'i'"),
        ([1, 5], "index 5 in 'i' is out of bounds: it must be >= 0 and < 5"),
        ([-1, 1], "index -1 in 'i' is out of bounds"),
        ([0.5, 1.0], "Expected type: int64, Actual type: float"),
    ],
)
def test_indices_that_do_not_fit_are_an_error(indices: list[Any], fact: str) -> None:
    """E18.13"""
    features = {"s": SparseFeature("i", "v", FLOAT, 5)}
    assert fact in fault(batch, [example(i=indices, v=[0.5, 1.5])], features).message


# -- the operations


def test_static_shapes_hold_what_is_known() -> None:
    features = {
        "a": FixedLenFeature([2], INT),
        "b": VarLenFeature(INT),
        "c": SparseFeature(["i", "j"], "v", INT, [5, 6]),
    }
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
    unknown = df.placeholder(df.string)
    parsed = parse_example(unknown, {"a": FixedLenFeature([], INT)})
    with df.Session() as sess, pytest.raises(InvalidArgumentError, match="serialized must be a vector"):
        sess.run(parsed, {unknown: b""})


@pytest.mark.parametrize(
    "features", [{"a": FixedLenFeature([2], INT)}, {"b": FixedLenSequenceFeature([], FLOAT, True)}]
)
def test_a_batch_of_single_steps_is_parsed_as_one(features: dict[str, Any]) -> None:
    tensor = next(iter(parse_single_example(df.placeholder(df.string, ()), features).values()))
    definition = op_def("ParseSingleExample")
    assert definition.batch is not None
    serialized = [example(a=[1, 2], b=[0.5]), example(a=[3, 4], b=[1.5])]
    found = definition.batch(definition.kernel, [np.array(serialized, object)], [True], tensor.op.attrs)
    one_by_one = [definition.kernel(np.array(data, object), **tensor.op.attrs) for data in serialized]
    assert found.tolist() == [array.tolist() for array in one_by_one]
