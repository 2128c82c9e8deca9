"""Parquet files in blocks of columns."""

import datetime
import math
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import DataLossError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from dflow.readers.blocks import decode_block
from dflow.readers.example.features import FixedLenFeature
from dflow.readers.parquet import ParquetReader
from dflow.registry import READERS
from tests.readers.helpers import file_names, run_to_end

ROWS = 1000
TABLE = pa.table(
    {
        "number": pa.array(range(ROWS)),
        "half": pa.array([None if i % 7 == 0 else i / 2 for i in range(ROWS)]),
        "text": pa.array([f"t{i % 3}" for i in range(ROWS)]).dictionary_encode(),
        "pair": pa.array([[i, i + 1.5] if i % 5 else None for i in range(ROWS)]),
        "even": pa.array([i % 2 == 0 for i in range(ROWS)]),
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "table.parquet"
    pq.write_table(TABLE, found, row_group_size=300)
    return found


def blocks(path: Path | str, columns: Any, block: int = 400) -> list[Any]:
    queue, fill = file_names(path)
    fetched = ParquetReader(columns, block).read_block(queue)
    with df.Session() as sess:
        sess.run(fill)
        found = run_to_end(sess, fetched)
    for values in found:
        for name, tensor in fetched.items():
            assert tensor.dtype == values[name].dtype
            assert tensor.shape.is_compatible_with(values[name].shape)
    return found


def test_columns_come_in_blocks_whatever_the_row_groups_are(path: Path) -> None:
    found = blocks(path, {"number": df.int32, "text": df.string, "even": df.bool})
    assert [len(values["number"]) for values in found] == [400, 400, 200]
    joined = {name: np.concatenate([values[name] for values in found]).tolist() for name in found[0]}
    assert joined["number"] == list(range(ROWS))
    assert joined["text"] == [b"t%d" % (i % 3) for i in range(ROWS)]
    assert joined["even"] == [i % 2 == 0 for i in range(ROWS)]
    assert found[0]["number"].dtype == np.int32


def test_missing_values_become_the_default(path: Path) -> None:
    columns = {"half": FixedLenFeature([], df.float32, -1), "pair": FixedLenFeature([2], df.float64, [8, 9])}
    first = blocks(path, columns)[0]
    assert first["half"][:8].tolist() == [-1, 0.5, 1, 1.5, 2, 2.5, 3, -1]
    assert first["pair"][:3].tolist() == [[8, 9], [1, 2.5], [2, 3.5]]
    assert first["pair"].shape == (400, 2)


@pytest.mark.parametrize(
    ("columns", "fact"),
    [
        ({"half": df.float32}, "column 'half': a value is required but missing in row 0 of the block"),
        ({"pair": FixedLenFeature([2], df.float32)}, "column 'pair': a value is required but missing"),
        ({"pair": FixedLenFeature([3], df.float32, [0, 0, 0])}, r"its lists have \[2, 3\] values, expected 3"),
        ({"number": df.uint8}, "column 'number': Integer value 256 not in range"),
        ({"text": df.int32}, "column 'text': Failed to parse"),
        (
            {"number": df.int32, "none": df.int32},
            "there is no column none; the file has number, half, text, pair, even",
        ),
    ],
)
def test_a_column_that_does_not_fit_fails_the_read(path: Path, columns: Any, fact: str) -> None:
    with pytest.raises(InvalidArgumentError, match=fact) as caught:
        blocks(path, columns)
    assert f"{path}:0" in caught.value.message


def test_a_block_is_a_record_with_the_place_of_its_first_row(path: Path) -> None:
    reader = ParquetReader({"number": df.int64}, block=600)
    queue, fill = file_names(path)
    key, value = reader.read(queue)
    number = decode_block(value, reader._columns)["number"]
    with df.Session() as sess:
        sess.run(fill)
        found = run_to_end(sess, [key, number])
        assert [(key, len(numbers)) for key, numbers in found] == [
            (os.fsencode(path) + b":0", 600),
            (os.fsencode(path) + b":600", 400),
        ]
        assert sess.run([reader.num_records_produced(), reader.num_work_units_completed()]) == [2, 1]


@given(st.integers(0, 40), st.integers(1, 15), st.integers(1, 15))
def test_any_state_goes_on_with_the_same_blocks(tmp_path_factory: Any, rows: int, group: int, block: int) -> None:
    path = str(tmp_path_factory.mktemp("parquet") / "f")
    pq.write_table(pa.table({"x": pa.array(range(rows), pa.int64())}), path, row_group_size=group)
    with df.Graph().as_default():
        options = dict(ParquetReader({"x": df.int64}, block).spec.options)
    form: Any = READERS["ParquetReader"](**options)
    form.open(path)
    states, found = [form.state()], []
    while (record := form.read()) is not None:
        found.append(record)
        states.append(form.state())
    form.close()
    assert states[-1] == rows
    for count, state in enumerate(states):
        form.open(path, state)
        assert list(iter(form.read, None)) == found[count:]
        form.close()


def test_other_dtypes_and_shapes_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": pa.array([datetime.datetime(1970, 1, 1, 0, 0, 1)]),
            "grid": pa.array([[[1, 2], [3, 4]]], pa.list_(pa.list_(pa.int32(), 2))),
            "flat": pa.array([[1, 2, 3, 4]], pa.list_(pa.int32(), 4)),
            "bytes": pa.array([b"\xff\0"]),
            "small": pa.array([3], pa.uint8()),
        }
    )
    pq.write_table(table, tmp_path / "f")
    columns = {
        "when": df.int64,
        "flat": FixedLenFeature([2, 2], df.float16),
        "bytes": df.string,
        "small": df.uint8,
    }
    (found,) = blocks(tmp_path / "f", columns)
    assert {name: value.tolist() for name, value in found.items()} == {
        "when": [1_000_000],
        "flat": [[[1, 2], [3, 4]]],
        "bytes": [b"\xff\0"],
        "small": [3],
    }


def test_a_url_is_read_from_its_file_system() -> None:
    with fsspec.open("memory://test_parquet/f", "wb") as file:
        pq.write_table(TABLE, file)
    assert sum(len(values["number"]) for values in blocks("memory://test_parquet/f", {"number": df.int64})) == ROWS


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="missing"):
        blocks(tmp_path / "missing", {"x": df.int64})
    with pytest.raises(FailedPreconditionError, match=f"{tmp_path}; Is a directory"):
        blocks(tmp_path, {"x": df.int64})


def test_a_file_that_is_broken_or_no_parquet_is_a_data_loss_that_names_it(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little")
    broken = {
        "empty": b"",
        "another": b"no parquet file",
        "cut": whole[: len(whole) // 2],
        "no place for its footer": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        "footer": whole[: -8 - size] + bytes(size) + whole[-8:],
        "pages": whole[:4] + bytes(len(whole) - size - 12) + whole[-8 - size :],
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataLossError, match=f"{tmp_path / name}:0; "):
            blocks(tmp_path / name, {"number": df.int64})


def test_a_number_beyond_float32_becomes_infinite(tmp_path: Path) -> None:
    """As for `decode_csv`, and for a cast in TensorFlow."""
    pq.write_table(pa.table({"x": [1.5, 1e300, -1e300]}), tmp_path / "f")
    (found,) = blocks(tmp_path / "f", {"x": df.float32})
    assert found["x"].tolist() == [1.5, math.inf, -math.inf]


def test_a_reader_stays_at_a_block_that_does_not_fit(path: Path) -> None:
    queue, fill = file_names(path)
    fetched = ParquetReader({"number": df.uint8}, block=200).read_block(queue)
    with df.Session() as sess:
        sess.run(fill)
        assert len(sess.run(fetched)["number"]) == 200
        for _ in range(2):
            with pytest.raises(InvalidArgumentError, match=f"{path}:200; column 'number'"):
                sess.run(fetched)


@pytest.mark.parametrize(
    ("columns", "fact"),
    [
        ({}, "columns must be a dict"),
        (["x"], "columns must be a dict"),
        ({"x": df.complex64}, "column x: a column cannot be complex64"),
        ({"x": FixedLenFeature([None], df.float32)}, "First dimension of shape for feature x unknown"),
    ],
)
def test_wrong_columns_are_found_while_the_graph_is_built(columns: Any, fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        ParquetReader(columns)


def test_wrong_block_sizes_and_wrong_bytes_fail_the_run(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="block must be positive, got 0"):
        blocks(path, {"number": df.int64}, block=0)
    reader = ParquetReader({"number": df.int64})
    with pytest.raises(InvalidArgumentError, match="this is no block"), df.Session() as sess:
        sess.run(decode_block(b"other bytes", reader._columns))
