"""Loop batching, for every operation with a batch rule, every reader and every kind of queue.

A loop with batching delivers the records of the loop without, in their order, and fails at the same one in the same
way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dflow as df
from dflow.readers.tfrecord.framing import framed
from dflow.registry import OPS
from tests.readers.example.examples import example
from tests.runtime.loop.loop_bodies import Compute, make_queue, same
from tests.runtime.loop.loop_steps import LETTERS, STEPS, number, single

WAYS = [(kind, i) for kind, ways in STEPS.items() for i in range(len(ways))]
USES = 2  # of each way, in a loop
FAILING = [("AddN", 1), ("Select", 3), ("Assert", 0)]  # ways that some of the records do not fit


def test_every_operation_with_a_batch_rule_has_a_line() -> None:
    ours = {kind for kind, op in OPS.items() if op.batch is not None and op.module.startswith("dflow.")}
    assert ours == STEPS.keys()


def columns(key: Any, value: Any) -> list[Any]:
    """Tensors of all dtypes and of a few shapes, of a line and the same for all."""
    x, n, text = df.decode_csv(value, [[0.5], [1], ["??"]])
    vector = df.stack([x, x * 2.0, -x])
    matrix = df.stack([vector[:2], vector[1:]])
    flags = vector > df.constant([0.0, 3.0, 1.0])
    texts = df.stack([text, key])
    return [x, vector, matrix, df.constant([1.5, 2.0, -3.0]), n, df.stack([n, 2]), x > 0.0, flags, text, texts]


LINES = "".join(f"{(i * 7) % 11 - 3}.5,{i % 5},{'ab' * (i % 3)}\n" for i in range(60))


def uses(kind: str, ways: list[int], key: Any, value: Any) -> list[Any]:
    pool = columns(key, value)
    found = [itertools.islice(STEPS[kind][way].uses(pool), USES) for way in ways]
    return list(itertools.chain.from_iterable(itertools.chain.from_iterable(found)))


@pytest.mark.parametrize("kind", STEPS)
def test_an_operation_for_many_records_at_once_does_what_it_does_for_one(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture, blocks: list[int]
) -> None:
    ways = [way for way in range(len(STEPS[kind])) if (kind, way) not in FAILING]

    def compute(key: Any, value: Any) -> list[Any]:
        found = uses(kind, ways, key, value)
        assert kind in {op.type for op in df.get_default_graph().get_operations()}
        return found

    seen = same(tmp_path, [LINES + "x,1,a\n" + LINES], compute)
    assert seen.error is not None
    assert len(seen.rows) == 60
    assert sum(blocks) >= 16
    assert caplog.messages == []  # as of a rule that fails for records that are good


@pytest.mark.parametrize(("kind", "way"), FAILING)
def test_an_operation_that_some_records_do_not_fit_fails_at_the_first_of_them(
    tmp_path: Path, kind: str, way: int
) -> None:
    seen = same(tmp_path, [LINES], lambda key, value: uses(kind, [way], key, value))
    assert seen.error is not None
    assert len(seen.rows) < 60


@pytest.mark.parametrize(
    "build",
    [
        lambda x: df.add_n([x, [1.0, 2.0]]),
        lambda x: df.where(x > 0.0, x, [1.0, 2.0]),
        lambda x: df.where([True, False], x, [1.0, 2.0]),
        lambda x: df.where(x > 0.0, [1.0, 2.0], [3.0, 4.0]),
    ],
)
def test_what_does_not_fit_is_not_broadcast(tmp_path: Path, build: Callable[[Any], Any]) -> None:
    def compute(key: Any, value: Any) -> list[Any]:
        return [build(df.constant([1.0, 2.0])[: df.decode_csv(value, [[0]])[0]])]

    seen = same(tmp_path, ["2\n" + "1\n" * 40], compute)
    assert seen.error is not None
    assert len(seen.rows) == 1


# -- random bodies of all readers into all queues

ROWS = st.tuples(
    st.sampled_from(["1.5", "-2", "", "0.25", "3e2", " 7", '"9"', "nan"]),
    st.sampled_from(["1", "2", "-3", ""]),
    st.sampled_from(["", "ab", '"q,"']),
)
EXAMPLES = st.builds(
    lambda v, n: example(x=[1.0, n / 2], v=v or None, i=list(range(len(v))), n=[n]),
    st.lists(st.floats(-9, 9, width=32), max_size=3),
    st.integers(-5, 5),
)
BYTES = st.binary(max_size=9)
FRAIL = ("Parse", "Decode", "Assert")  # operations that fail for most records
OFTEN = [(kind, way) for kind, way in WAYS if not kind.startswith(FRAIL)] * 9 + WAYS


def line(row: tuple[str, ...]) -> bytes:
    return ",".join(row).encode()


def decoded(key: Any, value: Any) -> list[Any]:
    return [*single(value, "v", "q", "p"), key]


def bytes_of(key: Any, value: Any) -> list[Any]:
    numbers = df.cast(df.decode_raw(value, df.uint8), df.float32)
    return [numbers, numbers / 2.0 - 20.0, df.reduce_sum(numbers), number(numbers), numbers > 50.0, key, value]


@dataclass(frozen=True)
class Source:
    """A reader, the records that its files may hold, a bad one, and what is decoded of a record.

    pack: how a record lies in a file.
    """

    reader: Callable[[], Any]
    records: Any
    bad: bytes
    decode: Callable[[Any, Any], list[Any]]
    pack: Callable[[bytes], bytes] = bytes


def fixed_length(row: tuple[str, ...]) -> bytes:
    return line((*row[:2], "ab")).ljust(12)


SOURCES = {
    "lines": Source(df.TextLineReader, ROWS.map(line), b"1,2", columns, lambda record: record + b"\n"),
    "fixed length": Source(lambda: df.FixedLengthRecordReader(12), ROWS.map(fixed_length), b"x,1,ab      ", columns),
    "overlapping": Source(lambda: df.FixedLengthRecordReader(5, 1, 0, 3), BYTES, b"", bytes_of),
    "examples": Source(df.TFRecordReader, EXAMPLES, example(x=[1.0], n=[1]), decoded, framed),
    "framed bytes": Source(df.TFRecordReader, BYTES, b"", bytes_of, framed),
    "whole files": Source(df.WholeFileReader, ROWS.map(line), b"x,1,ab", columns),
    "names": Source(df.IdentityReader, BYTES, b"", bytes_of),
}


@st.composite
def contents(draw: st.DrawFn, source: Source) -> bytes:
    """A file of a few records again and again, perhaps with a bad one among them."""
    few = draw(st.lists(source.records, min_size=1, max_size=6))
    count = 1 if source.reader is df.WholeFileReader else draw(st.integers(0, 90))
    records = [*itertools.islice(itertools.cycle(few), count)]
    if draw(st.integers(0, 3)) == 3:
        records.insert(draw(st.integers(0, count)), source.bad)
    return b"".join(map(source.pack, records))


@st.composite
def bodies(draw: st.DrawFn, source: Source) -> Compute:
    """What a loop computes with a record: some of all that could be computed, in turn."""
    picks = draw(st.lists(st.tuples(st.sampled_from(OFTEN), st.integers(0, 9), st.integers(0, 9)), max_size=8))

    def compute(key: Any, value: Any) -> list[Any]:
        pool = source.decode(key, value)
        for (kind, which), *places in picks:
            way = STEPS[kind][which]
            fitting = [[x for x in pool if x.dtype == LETTERS[letter]] for letter in way.takes]
            if all(fitting):
                pool += way.use(
                    *(own[place % len(own)] for own, place in zip(fitting, itertools.cycle(places), strict=False))
                )
        return [*pool[-3:], pool[0], key]

    return compute


def shuffled(dtypes: list[Any], shapes: list[Any]) -> Any:
    known = all(shape.is_fully_defined() for shape in shapes)
    return df.RandomShuffleQueue(10_000, 0, dtypes, shapes=shapes if known else None, seed=3)


def padding(dtypes: list[Any], shapes: list[Any]) -> Any:
    """Its shapes have to be known but for their sizes."""
    known = all(shape.ndims is not None for shape in shapes)
    return df.PaddingFIFOQueue(10_000, dtypes, shapes=shapes) if known else make_queue(dtypes, shapes)


def by_priority(dtypes: list[Any], shapes: list[Any]) -> Any:
    known = all(shape.is_fully_defined() for shape in shapes)
    return df.PriorityQueue(10_000, dtypes[1:], shapes=shapes[1:] if known else None)


QUEUES = {"fifo": make_queue, "shuffled": shuffled, "padding": padding, "by priority": by_priority}


@pytest.mark.parametrize("reader", SOURCES)
@given(st.data())
@settings(max_examples=25)
def test_random_bodies_of_random_files_are_the_same(
    reader: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    source, queue = SOURCES[reader], data.draw(st.sampled_from(sorted(QUEUES)))
    body = data.draw(bodies(source))
    files = data.draw(st.lists(contents(source), min_size=1, max_size=3))

    def compute(key: Any, value: Any) -> list[Any]:
        found = body(key, value)
        return [df.cast(df.size(found[0]), df.int64), *found] if queue == "by priority" else found

    same(tmp_path_factory.mktemp("files"), files, compute, queue=QUEUES[queue], reader=source.reader)
