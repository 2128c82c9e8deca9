"""Serialized Examples as tensors, in this process and on a cluster.  Statement ids: E18."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow.train import SequenceExample
from tests.readers.example.examples import example, plain

INT, FLOAT, TEXT = tf.int64, tf.float32, tf.string
Fixed, Var, Steps, Sparse = tf.FixedLenFeature, tf.VarLenFeature, tf.FixedLenSequenceFeature, tf.SparseFeature


def batch(target: str, serialized: list[bytes], features: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What a session gives for a batch, as lists; a sparse tensor as its three parts."""
    vector = tf.constant(np.array(serialized, object), tf.string)
    with tf.Session(target) as sess:
        found = sess.run(tf.parse_example(vector, features, **options))
    return {key: plain(value) for key, value in found.items()}


def single(target: str, serialized: bytes, features: dict[str, Any]) -> dict[str, Any]:
    with tf.Session(target) as sess:
        found = sess.run(tf.parse_single_example(serialized, features))
    return {key: plain(value) for key, value in found.items()}


def fault(parse: Any, *arguments: Any, **options: Any) -> str:
    """What the error of the run says."""
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        parse(*arguments, **options)
    return str(caught.value)


# -- the functions


def test_a_batch_is_a_vector_and_a_single_example_a_scalar(target: str) -> None:
    """E18.1"""
    features = {"a": Fixed([], INT), "b": Fixed([2, 1], FLOAT)}
    one, two = example(a=[1], b=[1.5, 2.5]), example(a=[2], b=[0.5, -1.0])
    assert batch(target, [one, two], features) == {"a": [1, 2], "b": [[[1.5], [2.5]], [[0.5], [-1.0]]]}
    assert single(target, one, features) == {"a": 1, "b": [[1.5], [2.5]]}
    with pytest.raises(ValueError, match="rank"):
        tf.parse_example(one, features)
    with pytest.raises(ValueError, match="rank"):
        tf.parse_single_example([one], features)


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (None, "Missing: features was"),
        ({}, "Missing: features was"),
        ({"a": "no feature"}, "Unsupported feature a"),
        ({"a": None}, "Unsupported feature a"),
    ],
)
def test_features_are_needed_and_of_known_classes(features: Any, text: str) -> None:
    """E18.2"""
    for parse, serialized in ((tf.parse_example, [b""]), (tf.parse_single_example, b"")):
        with pytest.raises(ValueError, match=text):
            parse(serialized, features)


@pytest.mark.parametrize("dtype", ["int32", "float64", "bool", "uint8"])
def test_features_are_of_three_dtypes(dtype: str) -> None:
    """E18.3"""
    for feature in (Fixed([], dtype), Var(dtype), Steps([], dtype, True), Sparse("i", "v", dtype, 5)):
        with pytest.raises((TypeError, ValueError), match="dtype must be float32, int64 or string"):
            tf.parse_example([b""], {"a": feature})


def test_an_empty_batch_has_a_first_axis_of_no_examples(target: str) -> None:
    """E18.17"""
    features = {"a": Fixed([2], INT), "v": Var(TEXT), "s": Steps([3], FLOAT, True), "i": Sparse("i", "x", INT, 5)}
    assert batch(target, [], features) == {
        "a": [],
        "v": [[], [], [0, 0]],
        "s": [],
        "i": [[], [], [0, 5]],
    }
    with tf.Session(target) as sess:
        found = sess.run(tf.parse_example(tf.constant(np.empty(0, object), tf.string), features))
    assert (found["a"].shape, found["s"].shape) == ((0, 2), (0, 0, 3))


def test_other_keys_are_ignored_their_order_is_irrelevant_and_the_last_of_equal_ones_wins(target: str) -> None:
    """E18.14"""
    features = {"a": Fixed([1], INT), "b": Fixed([], TEXT)}
    serialized = [
        example(a=[1], b=[b"x"], other=[2.5]),
        example(b=[b"y"], a=[2]),
        example(a=[9]) + example(b=[b"z"], a=[3]),
    ]
    assert batch(target, serialized, features) == {"a": [[1], [2], [3]], "b": [b"x", b"y", b"z"]}
    assert single(target, serialized[2], features) == {"a": [3], "b": b"z"}


def field(number: int, payload: bytes) -> bytes:
    """A field with a length, as protocol buffers write it."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def by_hand(key: bytes, feature: bytes) -> bytes:
    """An Example with one feature."""
    return field(1, field(1, field(1, key) + field(2, feature)))


def test_numbers_are_read_packed_and_unpacked(target: str) -> None:
    """E18.15"""
    halves = [struct.pack("<f", value) for value in (0.5, 1.5)]
    packed = [field(3, field(1, b"\x05\x07")), field(2, field(1, b"".join(halves)))]
    unpacked = [field(3, b"\x08\x05\x08\x07"), field(2, b"".join(b"\x0d" + half for half in halves))]
    for ints, floats in (packed, unpacked):
        assert batch(target, [by_hand(b"a", ints)], {"a": Fixed([2], INT)}) == {"a": [[5, 7]]}
        assert batch(target, [by_hand(b"a", floats)], {"a": Var(FLOAT)})["a"][1] == [0.5, 1.5]
        assert single(target, by_hand(b"a", floats), {"a": Fixed([2], FLOAT)}) == {"a": [0.5, 1.5]}


@pytest.mark.parametrize("data", [b"\xff\xff", b"no Example", example(a=[1])[:-1]])
def test_bytes_that_are_no_example_are_an_error(target: str, data: bytes) -> None:
    """E18.16"""
    features = {"a": Fixed([1], INT)}
    assert "Could not parse example input" in fault(batch, target, [example(a=[1]), data], features)
    assert "Could not parse example input" in fault(single, target, data, features)


# -- FixedLenFeature


def test_a_fixed_feature_has_its_shape_behind_that_of_the_batch(target: str) -> None:
    """E18.4"""
    features = {"a": Fixed([2, 3], INT), "b": Fixed([0], FLOAT), "c": Fixed((), TEXT)}
    parsed = tf.parse_example(tf.placeholder(tf.string, [None]), features)
    assert [parsed[key].shape.as_list() for key in features] == [[None, 2, 3], [None, 0], [None]]
    serialized = example(a=[1, 2, 3, 4, 5, 2**63 - 1], b=[], c=[b"\0\xff"])
    empty = by_hand(b"b", field(2, b""))
    assert batch(target, [serialized + empty], features) == {
        "a": [[[1, 2, 3], [4, 5, 2**63 - 1]]],
        "b": [[]],
        "c": [b"\0\xff"],
    }


def test_a_missing_feature_is_an_error_or_has_its_default(target: str) -> None:
    """E18.5: a feature without a kind of values is missing, one with no values has a wrong number of them."""
    with_default = {"c": Fixed([1], FLOAT, [2.5])}
    assert batch(target, [example(c=[1.0]), example(), example(c=None)], with_default) == {"c": [[1.0], [2.5], [2.5]]}
    assert single(target, example(), with_default) == {"c": [2.5]}
    text = "Feature: c (data type: float) is required but could not be found."
    for missing in (example(), example(c=None)):
        assert text in fault(batch, target, [missing], {"c": Fixed([1], FLOAT)})
        assert text in fault(single, target, missing, {"c": Fixed([1], FLOAT)})
    no_values = by_hand(b"c", field(2, b""))
    assert "Key: c" in fault(batch, target, [no_values], with_default)


def test_a_default_has_the_number_of_values_of_its_feature(target: str) -> None:
    """E18.6"""
    features = {"a": Fixed([], INT, 7), "b": Fixed([2], TEXT, ["x", "y"]), "c": Fixed([1, 2], FLOAT, [[1, 2]])}
    assert batch(target, [example()], features) == {"a": [7], "b": [[b"x", b"y"]], "c": [[[1, 2]]]}
    for feature in (Fixed([2], INT, 1), Fixed([], INT, [1, 2]), Fixed([2], INT, [1, 2, 3])):
        with pytest.raises(ValueError, match="Cannot reshape"):
            tf.parse_example([b""], {"a": feature})


def test_a_wrong_number_or_type_of_values_names_the_key_and_the_example(target: str) -> None:
    """E18.7"""
    for bad, features in (
        (example(a=[1]), {"a": Fixed([2], INT)}),
        (example(a=[1, 2]), {"a": Fixed([2], FLOAT)}),
        (example(a=[b"x", b"y"]), {"a": Fixed([2], INT)}),
    ):
        good = example(a=[1.0, 2.0] if features["a"].dtype == FLOAT else [1, 2])
        message = fault(batch, target, [good, bad], features, example_names=["first", "second"])
        assert "Name: second, Key: a, Index: 1." in message
        assert "Name: <unknown>, Key: a, Index: 0." in fault(batch, target, [bad], features)
        assert "Key: a" in fault(single, target, bad, features)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (None, "Missing shape for feature a"),
        (
            [None],
            r"First dimension of shape for feature a unknown\. Consider using FixedLenSequenceFeature\.",
        ),
        ([None, 2], "First dimension of shape for feature a unknown"),
        ([1, None], r"All dimensions of shape for feature a need to be known but received \(1, None\)\."),
    ],
)
def test_the_shape_of_a_fixed_feature_is_known(shape: Any, text: str) -> None:
    """E18.8"""
    for parse, serialized in ((tf.parse_example, [b""]), (tf.parse_single_example, b"")):
        with pytest.raises(ValueError, match=text):
            parse(serialized, {"a": Fixed(shape, INT)})


# -- VarLenFeature, FixedLenSequenceFeature, SparseFeature


def test_a_feature_of_any_length_is_sparse(target: str) -> None:
    """E18.9"""
    features = {"a": Var(TEXT), "b": Var(INT)}
    serialized = [example(a=[b"x", b"y"]), example(), example(a=[b"z"])]
    assert batch(target, serialized, features) == {
        "a": [[[0, 0], [0, 1], [2, 0]], [b"x", b"y", b"z"], [3, 2]],
        "b": [[], [], [3, 0]],
    }
    assert single(target, serialized[0], features) == {"a": [[[0], [1]], [b"x", b"y"], [2]], "b": [[], [], [0]]}
    for parse, data in ((batch, [example(a=[1])]), (single, example(a=[1]))):
        assert "Key: a" in fault(parse, target, data, {"a": Var(FLOAT)})


def test_a_sequence_is_padded_to_the_longest_of_the_batch(target: str) -> None:
    """E18.10"""
    features = {
        "a": Steps([2], INT, allow_missing=True),
        "b": Steps([], TEXT, allow_missing=True),
        "c": Steps([], FLOAT, allow_missing=True, default_value=-1.0),
    }
    serialized = [example(a=[1, 2, 3, 4], c=[0.5]), example(b=[b"x"]), example(a=[5, 6], c=[1.5, 2.5])]
    assert batch(target, serialized, features) == {
        "a": [[[1, 2], [3, 4]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]],
        "b": [[b""], [b"x"], [b""]],
        "c": [[0.5, -1.0], [-1.0, -1.0], [1.5, 2.5]],
    }


def test_a_sequence_must_be_allowed_to_be_missing() -> None:
    """E18.10"""
    text = r"Unsupported: FixedLenSequenceFeature requires allow_missing to be True\."
    with pytest.raises(ValueError, match=text):
        tf.parse_example([b""], {"a": Steps([], INT)})


def test_a_sequence_of_a_single_example_has_its_own_length(target: str) -> None:
    """E18.11"""
    features = {"a": Steps([2], INT, allow_missing=True), "b": Steps([3], FLOAT, allow_missing=True)}
    assert single(target, example(a=[1, 2, 3, 4]), features) == {"a": [[1, 2], [3, 4]], "b": []}
    with tf.Session(target) as sess:
        assert sess.run(tf.parse_single_example(b"", features))["b"].shape == (0, 3)


def test_a_sequence_has_whole_steps(target: str) -> None:
    """E18.12"""
    features = {"a": Steps([2], INT, allow_missing=True)}
    text = "Number of int64 values is not a multiple of stride length"
    assert text in fault(batch, target, [example(a=[1, 2, 3])], features)
    assert "Key: a" in fault(single, target, example(a=[1, 2, 3]), features)


def test_a_sparse_feature_takes_its_indices_from_another_one(target: str) -> None:
    """E18.13"""
    features = {"s": Sparse("i", "v", FLOAT, 9)}
    serialized = [example(i=[5, 2], v=[0.5, 1.5]), example(), example(i=[8], v=[2.5])]
    assert batch(target, serialized, features) == {"s": [[[0, 2], [0, 5], [2, 8]], [1.5, 0.5, 2.5], [3, 9]]}
    assert single(target, serialized[0], features) == {"s": [[[2], [5]], [1.5, 0.5], [9]]}
    as_they_are = {"s": Sparse("i", "v", FLOAT, 9, already_sorted=True)}
    assert single(target, serialized[0], as_they_are) == {"s": [[[5], [2]], [0.5, 1.5], [9]]}


@pytest.mark.parametrize("indices", [[1], [1, 9], [-1, 1]])
def test_indices_that_do_not_fit_are_an_error(target: str, indices: list[int]) -> None:
    """E18.13"""
    features = {"s": Sparse("i", "v", FLOAT, 9)}
    assert "'i'" in fault(batch, target, [example(i=indices, v=[0.5, 1.5])], features)


# -- sequences of features


def sequence_example() -> bytes:
    """A context with c = 3; the lists f = [1, 2], [3, 4] and v = [1, 2], [], [3]."""
    context = field(1, field(1, b"c") + field(2, field(3, b"\x08\x03")))
    halves = [b"".join(struct.pack("<f", value) for value in pair) for pair in ((1, 2), (3, 4))]
    steps = b"".join(field(1, field(2, field(1, half))) for half in halves)
    ints = b"".join(field(1, field(3, field(1, bytes(values)))) for values in ([1, 2], [], [3]))
    lists = field(1, field(1, b"f") + field(2, steps)) + field(1, field(1, b"v") + field(2, ints))
    return field(1, context) + field(2, lists)


def test_a_sequence_example_has_a_context_and_lists_of_steps(target: str) -> None:
    """E18.18"""
    context, sequence = tf.parse_single_sequence_example(
        sequence_example(),
        {"c": Fixed([], INT), "d": Fixed([], INT, 5), "w": Var(INT)},
        {"f": Steps([2], FLOAT), "v": Var(INT), "z": Steps([2], FLOAT, allow_missing=True), "q": Var(INT)},
    )
    assert sequence["f"].shape.as_list() == [None, 2]
    with tf.Session(target) as sess:
        found, lists = sess.run([context, sequence])
    assert {key: plain(value) for key, value in found.items()} == {"c": 3, "d": 5, "w": [[], [], [0]]}
    assert {key: plain(value) for key, value in lists.items()} == {
        "f": [[1, 2], [3, 4]],
        "v": [[[0, 0], [0, 1], [2, 0]], [1, 2, 3], [3, 2]],
        "z": [],
        "q": [[], [], [0, 0]],
    }


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        ({"z": Steps([], FLOAT)}, "z"),
        ({"v": Steps([2], INT)}, "Key: v"),
        ({"f": Var(INT)}, "Feature list: f, Index: 0."),
    ],
)
def test_a_list_that_is_missing_or_does_not_fit_is_named(target: str, sequence: dict[str, Any], text: str) -> None:
    """E18.18"""
    _, parsed = tf.parse_single_sequence_example(sequence_example(), None, sequence)
    with tf.Session(target) as sess:
        assert text in fault(sess.run, parsed)


# -- decode_raw


def test_defaults_may_be_computed_by_each_run(target: str) -> None:
    """E18.5, E18.10"""
    given = tf.placeholder(INT, [])
    parsed = tf.parse_example(
        [example(), example(a=[5])], {"a": Fixed([], INT, given), "s": Steps([], INT, True, given)}
    )
    with tf.Session(target) as sess:
        for value in (3, 4):
            found = sess.run(parsed, {given: value})
            assert (found["a"].tolist(), found["s"].shape) == ([value, 5], (2, 0))


def test_a_batch_of_sequence_examples_has_lists_and_their_lengths(target: str) -> None:
    """E18.18"""
    one, two = SequenceExample(), SequenceExample()
    one.context.feature["c"].int64_list.value.append(3)
    for message, steps in ((one, [[1.0], [2.0]]), (two, [[3.0]])):
        for values in steps:
            message.feature_lists.feature_list["f"].feature.add().float_list.value.extend(values)
    context, lists, lengths = tf.io.parse_sequence_example(
        [one.SerializeToString(), two.SerializeToString()],
        {"c": Fixed([], INT, -1)},
        {"f": Steps([], FLOAT), "v": Var(TEXT)},
    )
    with tf.Session(target) as sess:
        found = sess.run([context["c"], lists["f"], lengths["f"], lists["v"].dense_shape])
    assert [array.tolist() for array in found] == [[3, -1], [[1.0, 2.0], [3.0, 0.0]], [2, 1], [2, 0, 0]]


def test_tensors_and_json_cross_processes_as_strings(target: str) -> None:
    text = tf.serialize_tensor(tf.constant([[1.5, 2.5]]))
    again = tf.parse_tensor(text, FLOAT)
    parsed = tf.parse_example(
        tf.decode_json_example(['{"features": {"feature": {"a": {"int64List": {"value": [7]}}}}}']),
        {"a": Fixed([], INT)},
    )
    with tf.Session(target) as sess:
        found = sess.run([again, text, parsed["a"]])
    assert found[0].tolist() == [[1.5, 2.5]]
    assert found[1] == tf.make_tensor_proto([[1.5, 2.5]]).SerializeToString()
    assert found[2].tolist() == [7]


def test_the_bytes_of_strings_are_numbers_along_a_last_axis(target: str) -> None:
    """E18.19"""
    texts = tf.constant([["AaBb", "CcDd"]])
    little, big = tf.decode_raw(texts, tf.int16), tf.decode_raw(texts, tf.int16, little_endian=False)
    assert little.shape.as_list() == [1, 2, None]
    empty = tf.decode_raw(tf.constant(["", ""]), tf.float32)
    with tf.Session(target) as sess:
        found = sess.run([tf.decode_raw(texts, tf.uint8), little, big, empty])
    assert found[0].tolist() == [[[65, 97, 66, 98], [67, 99, 68, 100]]]
    assert found[1].tolist() == [[[65 + 97 * 256, 66 + 98 * 256], [67 + 99 * 256, 68 + 100 * 256]]]
    assert found[2].tolist() == [[[65 * 256 + 97, 66 * 256 + 98], [67 * 256 + 99, 68 * 256 + 100]]]
    assert found[3].shape == (2, 0)


def test_strings_to_decode_have_one_length_a_multiple_of_the_size_of_a_number(target: str) -> None:
    """E18.19"""
    with tf.Session(target) as sess:
        text = "Input to DecodeRaw has length 3 that is not a multiple of 2"
        assert text in fault(sess.run, tf.decode_raw(["123", "456"], tf.int16))
        assert "same size" in fault(sess.run, tf.decode_raw(["12", "456"], tf.uint8))
