"""The messages of Examples: their bytes, and what one can do with them."""

import pickle

from google.protobuf import descriptor_pool
from hypothesis import given
from hypothesis import strategies as st

from dflow.readers.example import proto
from dflow.readers.example.proto import (
    BytesList,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    SequenceExample,
)

LISTS = st.one_of(
    st.builds(lambda v: Feature(bytes_list=BytesList(value=v)), st.lists(st.binary())),
    st.builds(lambda v: Feature(float_list=FloatList(value=v)), st.lists(st.floats(width=32, allow_nan=False))),
    st.builds(lambda v: Feature(int64_list=Int64List(value=v)), st.lists(st.integers(-(2**63), 2**63 - 1))),
    st.builds(Feature),
)


def test_an_example_has_the_bytes_that_tensorflow_writes() -> None:
    example = Example(features=Features(feature={"a": Feature(int64_list=Int64List(value=[1, -1]))}))
    inner = b"\x0a\x01a\x12\x0f\x1a\x0d\x0a\x0b\x01" + b"\xff" * 9 + b"\x01"
    assert example.SerializeToString() == bytes([0x0A, len(inner) + 2, 0x0A, len(inner)]) + inner
    floats = Feature(float_list=FloatList(value=[1.5]))
    assert floats.SerializeToString() == b"\x12\x06\x0a\x04\x00\x00\xc0\x3f"
    assert Feature(bytes_list=BytesList(value=[b"x"])).SerializeToString() == b"\x0a\x03\x0a\x01x"


def test_a_sequence_example_has_a_context_and_lists() -> None:
    step = Feature(float_list=FloatList(value=[0.5]))
    message = SequenceExample(
        context=Features(feature={"c": step}),
        feature_lists=FeatureLists(feature_list={"l": FeatureList(feature=[step, Feature()])}),
    )
    found = SequenceExample.FromString(message.SerializeToString())
    assert found.context.feature["c"] == step
    assert [item.WhichOneof("kind") for item in found.feature_lists.feature_list["l"].feature] == ["float_list", None]


@given(st.dictionaries(st.text(), LISTS))
def test_any_example_comes_back(features: dict[str, Feature]) -> None:
    example = Example(features=Features(feature=features))
    assert Example.FromString(example.SerializeToString()) == example
    assert pickle.loads(pickle.dumps(example)) == example


def test_a_feature_has_one_kind_of_values() -> None:
    feature = Feature(int64_list=Int64List(value=[1]))
    feature.float_list.value.append(2)
    assert feature.WhichOneof("kind") == "float_list"


def test_the_messages_are_in_a_pool_of_their_own() -> None:
    """So that another package may have messages of the same names."""
    assert Example.DESCRIPTOR.full_name == "dflow.Example"
    assert Example.DESCRIPTOR.file.pool is not descriptor_pool.Default()
    assert Example.__module__ == proto.__name__
