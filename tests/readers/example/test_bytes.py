"""Serialized Examples: any values, any order, and bytes that are none."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import InvalidArgumentError
from dflow.readers.example.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.readers.example.operations import parse_example
from dflow.readers.example.proto import BytesList, Example, Feature, Features, FloatList, Int64List
from dflow.registry import op_def
from tests.readers.bounds import bounded
from tests.readers.example.examples import FLOAT, INT, TEXT, batch, example, fault, single
from tests.readers.helpers import mutated


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
        assert (values, dense_shape) == ([value for row in rows for value in row], [len(rows), longest])


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
    with bounded() as inputs:
        for _ in inputs:
            serialized = np.array([whole, mutated(whole, random)], object)
            try:
                arrays = kernel(serialized, **op.attrs)
            except InvalidArgumentError:
                continue
            for tensor, array in zip(op.outputs, arrays, strict=True):
                assert tensor.dtype == array.dtype
                assert tensor.shape.is_compatible_with(array.shape)
