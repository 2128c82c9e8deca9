"""What is found to be wrong with features while the graph is built."""

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.readers.defaults import Computed
from dflow.readers.example.features import (
    Fixed,
    FixedLenFeature,
    FixedLenSequenceFeature,
    Indexed,
    Ragged,
    SparseFeature,
    Steps,
    VarLenFeature,
    plan,
)


def test_features_are_planned_in_their_order() -> None:
    features = {
        "b": FixedLenFeature([2, 1], df.float32, [[1], [2]]),
        "a": FixedLenFeature((), "int64"),
        "v": VarLenFeature(df.int64),
        "c": FixedLenFeature([], df.float32, df.placeholder(df.float32, [])),
        "s": FixedLenSequenceFeature([2], df.string, allow_missing=True, default_value="pad"),
        "p": SparseFeature("i", "v", df.int64, 5),
        "q": SparseFeature(["i", "j"], "v", df.int64, [5, 6], already_sorted=True),
    }
    assert plan(features) == (
        Fixed("b", df.float32, (2, 1), (1.0, 2.0)),
        Fixed("a", df.int64, ()),
        Ragged("v", df.int64),
        Fixed("c", df.float32, (), Computed()),
        Steps("s", df.string, (2,), b"pad", True),
        Indexed("p", df.int64, ("i",), "v", (5,), False),
        Indexed("q", df.int64, ("i", "j"), "v", (5, 6), True),
    )


def test_features_are_tuples() -> None:
    assert FixedLenFeature([], df.int64) == ([], df.int64, None)
    assert FixedLenSequenceFeature([], df.int64) == ([], df.int64, False, None)
    assert SparseFeature("i", "v", df.int64, 5)._replace(size=6).size == 6


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (3, (3,)),
        ([3], (3,)),
        (np.int64(3), (3,)),
        (np.array(3, np.int32), (3,)),
        (lambda: df.constant(3, "int64"), (3,)),
    ],
)
def test_a_default_may_be_anything_with_the_number_of_values(default: Any, expected: tuple[int, ...]) -> None:
    """E18.6"""
    default = default() if callable(default) else default
    assert plan({"a": FixedLenFeature([1], df.int64, default)}) == (Fixed("a", df.int64, (1,), expected),)


@pytest.mark.parametrize(
    ("feature", "fact"),
    [
        (FixedLenFeature(None, df.int64), "Missing shape for feature a"),
        (FixedLenFeature(df.TensorShape(None), df.int64), "Missing shape for feature a"),
        (VarLenFeature(None), "Missing type for feature a"),
        (
            FixedLenFeature([None], df.int64),
            r"First dimension of shape for feature a unknown. Consider using FixedLenSequenceFeature\.",
        ),
        (
            FixedLenFeature([1, None], df.int64),
            r"All dimensions of shape for feature a need to be known but received \(1, None\)\.",
        ),
        (FixedLenFeature([2], df.int64, 1), r"Cannot reshape a tensor with 1 elements to shape \[2\] \(2 elements\)"),
        (FixedLenFeature([], df.int64, [1, 2]), "Cannot reshape"),
        (FixedLenSequenceFeature([], df.int64, True, []), r"Cannot reshape a tensor with 0 elements to shape \[\]"),
        (FixedLenSequenceFeature([2], df.int64, True, [1, 2]), "Cannot reshape a tensor with 2 elements"),
        (SparseFeature(["i", "j"], "v", df.int64, [5]), "2 index_keys and 1 sizes"),
        (SparseFeature(3, "v", df.int64, 5), "must be names of features"),
        ("no feature", "Unsupported feature a"),
        (None, "Unsupported feature a"),
    ],
)
def test_wrong_features_are_value_errors(feature: Any, fact: str) -> None:
    """E18.2, E18.3, E18.6, E18.8"""
    with pytest.raises(ValueError, match=fact):
        plan({"a": feature})


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_keys_that_are_no_text_are_type_errors(key: Any) -> None:
    with pytest.raises(TypeError, match="the key of a feature is text, got"):
        plan({"a": FixedLenFeature([], df.int64), key: FixedLenFeature([], df.int64)})


@pytest.mark.parametrize("feature", [FixedLenFeature([], df.int32), VarLenFeature(df.bool)])
def test_dtypes_that_no_feature_has_are_type_errors(feature: Any) -> None:
    with pytest.raises(TypeError, match="feature a: dtype must be float32, int64 or string, got"):
        plan({"a": feature})


def test_a_default_of_another_dtype_is_an_error() -> None:
    with pytest.raises(TypeError, match="Expected int64"):
        plan({"a": FixedLenFeature([], df.int64, "x")})
    with pytest.raises(ValueError, match="default_value must be int64"):
        plan({"a": FixedLenFeature([], df.int64, df.placeholder(df.int32, ()))})


@pytest.mark.parametrize("features", [None, {}])
def test_no_features_are_a_value_error(features: Any) -> None:
    """E18.2"""
    with pytest.raises(ValueError, match="Missing: features was"):
        plan(features)


def test_a_class_that_does_not_belong_here_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="here it may be a VarLenFeature"):
        plan({"a": FixedLenFeature([], df.int64)}, (VarLenFeature,))
