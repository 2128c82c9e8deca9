"""Decoding many CSV records at once finds what decoding them one by one finds, values and errors alike."""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.csv  # noqa: F401  # its import takes longer than an example of hypothesis may
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import dflow as df
from dflow.dtypes import float32, float64, int32, int64, string
from dflow.errors import InvalidArgumentError
from dflow.readers.csv import arrow
from dflow.readers.csv.arrow import decode_many, decode_records
from dflow.readers.csv.decode import Layout, decode_each, decode_one, layout_of
from dflow.readers.records import Block, Records
from tests.readers.bounds import MUTATIONS
from tests.readers.helpers import mutated, run_to_end

NUMBERS = [
    "1",
    "-2",
    "+3",
    "0.5",
    ".5",
    "7.",
    "1e3",
    "1E-3",
    "inf",
    "-INF",
    "nan",
    "-nan",
    "infinity",
    "005",
    "-0",
    "-0.0",
]
ODD = [
    "0x10",
    "0X1",
    "nan(1)",
    "1_0",
    "1e",
    ".",
    "- 5",
    "--5",
    "1e400",
    "1e-400",
    "1e39",
    "2147483648",
    "9" * 25,
    "1d3",
]
BLANK = ["", " ", "\t", " 5", "5 ", "\t5\v", " NA", "NA", "NA ", "-9", " -9", '""', '" "', '"NA"', '"5"']
TEXT = [
    "a",
    "x",
    "(",
    "\xe9",
    "\0",
    " a ",
    '"',
    'a"b',
    '"a,b"',
    '"a""b"',
    '"a" ',
    "a\r",
    "a\n",
    "\r",
    '"\n"',
    "\ufeff1",
    "'",
]
FIELDS = st.sampled_from([*NUMBERS, *ODD, *BLANK, *TEXT]) | st.floats().map(repr) | st.integers().map(str)
GOOD = st.sampled_from([*NUMBERS[:2], "5", "-9", ""])  # so that most records have no fault
COLUMNS = st.tuples(st.sampled_from([float32, float64, int32, int64, string]), st.booleans()).map(
    lambda known: (known[0], None if known[1] else b"D" if known[0] == string else -7)
)


@st.composite
def layouts(draw: Any) -> Layout:
    columns = draw(st.lists(COLUMNS, min_size=1, max_size=4))
    chosen = sorted(draw(st.sets(st.integers(0, 5), min_size=len(columns), max_size=len(columns))))
    return layout_of(
        [dtype for dtype, _ in columns],
        [default for _, default in columns],
        draw(st.sampled_from(',,,;\t| .x-5"\0')),
        draw(st.booleans()),
        draw(st.sampled_from(["", "NA", "-9", " ", "a,b"])),
        draw(st.sampled_from([None, None, tuple(chosen)])),
    )


@st.composite
def tables(draw: Any) -> tuple[Layout, list[bytes]]:
    """A layout, and records most of which fit it."""
    layout = draw(layouts())
    width = len(layout.columns) if layout.select is None else layout.select[-1] + 1
    fields = draw(st.sampled_from([GOOD, GOOD, FIELDS]))
    rows = st.lists(fields, min_size=width, max_size=width) | st.lists(FIELDS, min_size=width, max_size=width)
    records = draw(st.lists(rows, min_size=1, max_size=6))
    return layout, [layout.delim.join(field.encode() for field in row) for row in records]


def outcome(decode: Any, records: Any, layout: Layout) -> Any:
    """The columns, bit by bit, or the error."""
    try:
        return [_bits(column) for column in decode(records, layout)]
    except InvalidArgumentError as error:
        return error.message, error.record  # type: ignore[attr-defined]


def _bits(column: Any) -> Any:
    values = column.tolist() if column.dtype == object else column.tobytes()
    return column.dtype, column.shape, values


@pytest.fixture(autouse=True)
def few_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_WORTH", 1)


def lines(records: Sequence[bytes], newline: bytes = b"\n") -> Records:
    """As TextLineReader hands them out; records must be lines."""
    ends = np.cumsum([len(record) + len(newline) for record in records]) - len(newline)
    starts = ends - [len(record) for record in records]
    return Records(Block(b"".join(record + newline for record in records), starts, ends, is_text=True))


@given(tables())
@example((layout_of([int32], [0]), [b"5", b""]))
@example((layout_of([int32], [0]), [b""]))
@example((layout_of([int32, string], [0, b""]), [b"0x10,x", b"1,x"]))
@example((layout_of([float32], [0.0]), [b"nan(1)"]))
@example((layout_of([string], [b""]), [b"\xef\xbb\xbfa"]))
@example((layout_of([float32], [0.0], na_value="NA"), [b" NA"]))
@example((layout_of([float32], [0.0]), [b"1.00000017881393432617187499"]))  # rounded twice, as Python's float is
def test_many_records_are_decoded_as_each_is(table: tuple[Layout, list[bytes]]) -> None:
    layout, records = table
    assert outcome(decode_many, records, layout) == outcome(decode_each, records, layout)


@given(tables(), st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_records_of_a_block_are_decoded_as_each_is(
    table: tuple[Layout, list[bytes]], newline: bytes, data: st.DataObject
) -> None:
    layout, found = table
    records = [record for record in found if b"\n" not in record and not record.endswith(b"\r")]
    block = lines(records, newline)
    for _ in range(3):
        start = data.draw(st.integers(0, len(records)))
        stop = data.draw(st.integers(start, len(records)))
        assert outcome(decode_records, block[start:stop], layout) == outcome(decode_each, records[start:stop], layout)


@given(tables())
def test_one_record_is_decoded_as_a_batch_of_one(table: tuple[Layout, list[bytes]]) -> None:
    layout, (record, *_) = table

    def one(records: list[bytes], layout: Layout) -> Any:
        return [column.reshape(1) for column in decode_one(records[0], layout)]

    assert outcome(one, [record], layout) == outcome(decode_each, [record], layout)


def test_damaged_tables_are_decoded_as_each_record_is() -> None:
    layout = layout_of([float32, string, int64, float64], [0.0, b"", None, 1.0], na_value="NA")
    random = Random(3)
    good = b'1.5,abc,7,\r\n-2e5,"d,""e",12,3\n0,,-9,NA\n' * 3
    for _ in range(MUTATIONS):
        records = mutated(good, random).split(b"\n")
        assert outcome(decode_many, records, layout) == outcome(decode_each, records, layout)


@pytest.mark.parametrize("records", [[b'1,"a,b",2', b',"c""d",-3'], [b"1,x(,2", b" 5,X,3"], [b"1,,2", b"2,NA,3"]])
def test_plain_records_are_not_decoded_one_by_one(records: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, blanks, missing fields, and letters in text that would be odd in a number."""
    layout = layout_of([float32, string, int64], [0.0, b"D", None], na_value="NA")
    expected = outcome(decode_each, records, layout)
    monkeypatch.setattr(arrow, "decode_each", None)
    assert outcome(decode_many, records, layout) == expected
    assert outcome(decode_records, lines(records, b"\r\n"), layout) == expected


def test_a_block_is_parsed_once_for_all_its_slices_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    parse = arrow._parse
    monkeypatch.setattr(arrow, "_parse", lambda text, n, layout: [calls.append(n), parse(text, n, layout)][1])
    layout = layout_of([float64, string], [None, b""])
    block = lines([b"%d,s%d" % (i, i) for i in range(100)])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: decode_records(block[i : i + 10], layout), range(0, 100, 10)))
    assert calls == [100]
    assert np.concatenate([numbers for numbers, _ in found]).tolist() == list(range(100))
    assert found[9][1].tolist() == [b"s%d" % i for i in range(90, 100)]


def test_what_is_cut_out_of_a_block_is_the_receivers_own() -> None:
    layout = layout_of([float64], [None])
    block = lines([b"1", b"2"])
    (first,) = decode_records(block, layout)
    first[:] = 0
    assert decode_records(block, layout)[0].tolist() == [1, 2]
    (many,) = decode_many([b"1", b"2"], layout)
    many[:] = 0


def test_a_fault_in_a_block_is_told_of_where_it_is_and_only_there() -> None:
    layout = layout_of([int32], [0])
    block = lines([b"1", b"2", b"bad", b"4"])
    assert decode_records(block[:2], layout)[0].tolist() == [1, 2]
    with pytest.raises(InvalidArgumentError, match="Field 0 in record 1 is not a valid int32: bad") as caught:
        decode_records(block[1:], layout)
    assert caught.value.record == 1  # type: ignore[attr-defined]
    assert decode_records(block[3:], layout)[0].tolist() == [4]


def test_the_same_objects_give_the_same_layout_and_equal_ones_keep_their_sign() -> None:
    types, zero, minus = (float32,), (0.0,), (-0.0,)
    assert layout_of(types, zero) is layout_of(types, zero)
    bits = [decode_each([b'""'], layout_of(types, default))[0].tobytes() for default in (zero, minus)]
    assert bits == [struct.pack("<f", 0.0), struct.pack("<f", -0.0)]


def test_the_pipeline_gives_the_same_columns_for_any_number_of_records_a_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(b"".join(b"%d,%g,t%d\r\n" % (i, i / 8, i) for i in range(1000)) + b"1000,1.5,end")
    for limit in (1, 7, 128, 5000):
        with df.Graph().as_default():
            queue = df.FIFOQueue(1, [df.string], [()])
            keys, records = df.readers.TextLineReader().read_up_to(queue, limit)
            columns = df.readers.decode_csv(records, [[0], [0.0], [""]])
            with df.Session() as sess:
                sess.run(queue.enqueue(str(path)))
                sess.run(queue.close())
                found = run_to_end(sess, [keys, *columns])
        sizes = [len(part[0]) for part in found]
        assert sizes == [limit] * (1001 // limit) + [1001 % limit] * (1001 % limit > 0)
        joined = [np.concatenate(part) for part in zip(*found, strict=True)]
        assert joined[0].tolist() == [f"{path}:{i}".encode() for i in range(1, 1002)]
        assert joined[1].tolist() == list(range(1001))
        assert joined[2].tolist() == [*(i / 8 for i in range(1000)), 1.5]
        assert joined[3].tolist() == [*(b"t%d" % i for i in range(1000)), b"end"]
