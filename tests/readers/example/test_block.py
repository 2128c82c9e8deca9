"""Decoding many Examples at once finds what decoding each finds, values and errors alike."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.dtypes import float32, int64, string
from dflow.readers.example import block as example_block
from dflow.readers.example.block import decode_many, decode_records
from dflow.readers.example.decode import Fault, decode, parse
from dflow.readers.example.features import FixedLenFeature, Plan, VarLenFeature, plan
from dflow.readers.records import Block, Records
from tests.readers.bounds import MUTATIONS
from tests.readers.example.examples import example
from tests.readers.helpers import mutated

INTEGERS = st.sampled_from([0, 1, 127, 128, 300, 2**35, 2**63 - 1, -1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32)
TEXTS = st.binary(max_size=3)
FEATURES = plan(
    {
        "f": FixedLenFeature([2], float32),
        "i": FixedLenFeature([], int64),
        "t": FixedLenFeature([1, 2], string),
        "d": FixedLenFeature([2], float32, [1.5, -0.0]),
    }
)


@pytest.fixture(autouse=True)
def two_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_block, "_WORTH", 2)


def outcome(decode: Any, records: Any, plan: Sequence[Plan]) -> Any:
    try:
        arrays = decode(records, plan)
    except Fault as fault:
        return str(fault), fault.index, fault.key
    return [
        (array.dtype, array.shape, str(array.tolist())) for array in arrays
    ]  # as text: nan equals nan, -0.0 not 0.0


def one_by_one(records: Sequence[bytes], plan: Sequence[Plan]) -> list[Any]:
    return decode(parse(records), plan)


def block_of(records: Sequence[bytes], gap: int = 0) -> Records:
    """As a reader hands them out, with some bytes between each two."""
    ends = np.cumsum([len(record) + gap for record in records], dtype=np.int64) - gap
    starts = ends - [len(record) for record in records]
    return Records(Block((b"?" * gap).join(records), starts, ends))


def usual(random: Random, most: int = 2) -> bytes:
    """An Example as one writer writes them."""
    return example(
        f=[random.random(), random.gauss(0, 1e30)],
        i=[random.randrange(most)],
        t=[b"yes", random.randbytes(2)],
        other=[random.randrange(10), 300],
        z=[b"ignored"],
    )


@st.composite
def examples(draw: Any) -> bytes:
    """Examples that mostly fit the plan."""
    features = {
        "f": draw(st.lists(FLOATS, min_size=2, max_size=2)),
        "i": [draw(INTEGERS)],
        "t": draw(st.lists(TEXTS, min_size=2, max_size=2)),
        "d": draw(st.none() | st.lists(FLOATS, min_size=2, max_size=2)),
        "other": draw(st.lists(INTEGERS, max_size=2) | st.lists(TEXTS, min_size=1, max_size=2)),
    }
    if draw(st.integers(0, 9)) == 9:
        features[draw(st.sampled_from(sorted(features)))] = draw(st.lists(FLOATS | INTEGERS, max_size=1))
    return example(**{key: features[key] for key in draw(st.permutations(sorted(features)))})


@given(st.lists(examples(), max_size=4), st.integers(1, 3), st.integers(0, 2), st.data())
def test_any_examples_are_decoded_as_each_is(records: list[bytes], times: int, gap: int, data: st.DataObject) -> None:
    records = data.draw(st.permutations(records * times))
    assert outcome(decode_many, records, FEATURES) == outcome(one_by_one, records, FEATURES)
    block = block_of(records, gap)
    start = data.draw(st.integers(0, len(records)))
    stop = data.draw(st.integers(start, len(records)))
    for part in (slice(None), slice(start, stop)):
        assert outcome(decode_records, block[part], FEATURES) == outcome(one_by_one, records[part], FEATURES)


def test_damaged_examples_are_decoded_as_each_is() -> None:
    """Bytes are changed that are the same in all others."""
    random = Random(11)
    for _ in range(MUTATIONS):
        records = [usual(random) for _ in range(4)]
        records[random.randrange(4)] = mutated(usual(random), random)
        assert outcome(decode_many, records, FEATURES) == outcome(one_by_one, records, FEATURES)


def test_examples_that_are_all_damaged_alike_are_decoded_as_each_is() -> None:
    """The form itself is broken."""
    random = Random(12)
    for _ in range(MUTATIONS):
        records = [mutated(usual(random), random)] * 3
        assert outcome(decode_many, records, FEATURES) == outcome(one_by_one, records, FEATURES)


UNPACKED = b"\x0a\x0b\x0a\x09\x0a\x01i\x12\x04\x1a\x02\x08"  # an int64 outside of a packed list
LONG = b"\x0a\x16\x0a\x14\x0a\x01i\x12\x0f\x1a\x0d\x0a\x0b" + b"\x80" * 9  # one stored in 10 or 11 bytes


@pytest.mark.parametrize(
    "records",
    [
        [UNPACKED + b"\x05", UNPACKED + b"\x06"],
        [LONG + b"\x80\x01", LONG + b"\x80\x00"],
        [LONG + b"\x01\x07", LONG + b"\x03\x07"],
        [LONG + b"\x7f\x07", LONG + b"\x7f\x08"],
        [example(i=[1]) + example(i=[2]), example(i=[1]) + example(i=[3])],
        [example(i=[1]) + b"\x10\x01", example(i=[2]) + b"\x10\x01"],
        [b"", b""],
        [example(), example()],
        [example(i=None), example(i=None)],
        [example(i=[1], j=None), example(i=[2], j=None)],
        [example(i=[1, 2]), example(i=[1, 2])],
        [example(i=[1.0]), example(i=[2.0])],
        [example(i=[b"1"]), example(i=[b"2"])],
    ],
)
def test_what_is_not_written_as_usual_is_decoded_as_each_is(records: list[bytes]) -> None:
    features = plan({"i": FixedLenFeature([], int64, 9)})
    assert outcome(decode_many, records, features) == outcome(one_by_one, records, features)


def test_no_values_are_none() -> None:
    features = plan({"i": FixedLenFeature([0], int64), "f": FixedLenFeature([0, 2], float32)})
    records = [example(i=[], f=[])] * 3
    assert outcome(decode_many, records, features) == outcome(one_by_one, records, features)


def test_a_feature_of_another_kind_is_decoded_as_each_is() -> None:
    features = (*FEATURES, *plan({"other": VarLenFeature(int64)}))
    random = Random(1)
    records = [usual(random) for _ in range(3)]
    assert outcome(decode_many, records, features) == outcome(one_by_one, records, features)


def test_usual_examples_are_not_decoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the first of each form: here the integer takes one to three bytes."""
    random = Random(1)
    records = [usual(random, 20_000) for _ in range(200)]
    expected = outcome(one_by_one, records, FEATURES)
    sizes: list[int] = []
    monkeypatch.setattr(example_block, "parse", lambda rows: [sizes.append(len(rows)), parse(rows)][1])
    assert outcome(decode_many, records, FEATURES) == expected
    assert sizes == [1, 1, 1]
    block = block_of(records, 16)
    for part in (slice(0, 199), slice(20, 30)):
        assert outcome(decode_records, block[part], FEATURES) == outcome(one_by_one, records[part], FEATURES)
    assert sizes == [1] * 6  # the block was decoded once
    assert outcome(decode_records, block, FEATURES) == expected
    assert sizes == [1] * 9  # nothing is kept for parts of it where all was asked for


LONG_FEATURES = plan(
    {"x": FixedLenFeature([600], float32), "label": FixedLenFeature([3], int64), "image": FixedLenFeature([], string)}
)


def long_example(random: Random) -> bytes:
    """An Example whose floats and text are long; its integers take one to three bytes."""
    label = [random.randrange(10), random.randrange(1000), random.choice([-1, 20_000])]
    return example(x=[random.random() for _ in range(600)], label=label, image=[random.randbytes(1500)], y=[1.5] * 300)


def test_long_values_are_not_compared_but_what_lies_between_them_is() -> None:
    random = Random(2)
    for _ in range(30):
        records = [long_example(random) for _ in range(6)]
        at = records[1].index(b"label")  # between two long values
        records[1] = records[1][:at] + mutated(records[1][at : at + 20], random) + records[1][at + 20 :]
        for gap in (0, 16):
            for part in (slice(None), slice(0, 1), slice(1, 3)):
                one = outcome(one_by_one, records[part], LONG_FEATURES)
                assert outcome(decode_records, block_of(records, gap)[part], LONG_FEATURES) == one
                assert outcome(decode_many, records[part], LONG_FEATURES) == one


def test_few_records_are_worth_it_if_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protobuf makes a Python object of each value."""
    monkeypatch.setattr(example_block, "_WORTH", 8)
    records = [example(x=[float(i)] * 5000) for i in range(2)]
    monkeypatch.setattr(example_block, "decode", lambda rows, plan: [] if not plan else pytest.fail("one by one"))
    (found,) = decode_many(records, plan({"x": FixedLenFeature([5000], float32)}))
    assert (found == [[0.0], [1.0]]).all()


def test_examples_of_too_many_forms_are_soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(1)
    records = [example(t=[b"x" * i, random.randbytes(2)]) for i in range(100)]
    features = plan({"t": FixedLenFeature([2], string)})
    forms: list[bytes] = []
    form = example_block._form
    monkeypatch.setattr(example_block, "_form", lambda data, plan: [forms.append(data), form(data, plan)][1])
    assert outcome(decode_many, records, features) == outcome(one_by_one, records, features)
    assert len(forms) == 4
