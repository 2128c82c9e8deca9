"""CSV files in blocks of columns."""

import csv
import math
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import InvalidArgumentError, NotFoundError
from dflow.readers.csv.reader import CSVReader
from dflow.readers.example.features import FixedLenFeature
from dflow.registry import READERS, op_def
from tests.readers.bounds import bounded
from tests.readers.helpers import file_names, mutated, run_to_end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "table.csv"
    rows = [f'{i},{i / 2 if i % 3 else ""},"text, {i}\nmore",other\n' for i in range(500)]
    found.write_text("".join(["number,half,text,last\n", *rows]))
    return found


def blocks(path: Path | str, columns: Any, **options: Any) -> list[Any]:
    queue, fill = file_names(path)
    fetched = CSVReader(columns, **options).read_block(queue)
    with df.Session() as sess:
        sess.run(fill)
        return run_to_end(sess, fetched)


def test_columns_are_found_by_their_names_in_the_first_line(path: Path) -> None:
    columns = {"text": df.string, "number": df.int64, "half": FixedLenFeature([], df.float32, -1)}
    found = blocks(path, columns, block=200)
    assert [len(values["number"]) for values in found] == [200, 200, 100]
    joined = {name: np.concatenate([values[name] for values in found]) for name in found[0]}
    assert list(joined) == ["text", "number", "half"]
    assert joined["number"].tolist() == list(range(500))
    assert joined["half"].tolist() == [i / 2 if i % 3 else -1 for i in range(500)]
    assert joined["text"].tolist() == [b"text, %d\nmore" % i for i in range(500)]
    assert [value.dtype for value in joined.values()] == [object, np.int64, np.float32]


def test_files_without_names_get_them(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1;NA\n2; 5 \n\n")
    columns = {"b": FixedLenFeature([], df.int32, 0), "a": df.float64}
    (found,) = blocks(tmp_path / "f", columns, names=["a", "b"], field_delim=";", na_value="NA")
    assert {name: value.tolist() for name, value in found.items()} == {"b": [0, 5], "a": [1, 2]}


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_file_without_rows_has_no_blocks(tmp_path: Path, content: str) -> None:
    (tmp_path / "f").write_text(content)
    assert blocks(tmp_path / "f", {"a": df.int32}) == []


@pytest.mark.parametrize(
    ("content", "columns", "fact"),
    [
        ("a\n1\nx\n", {"a": df.int32}, "conversion error to int32: invalid value 'x'"),
        ("a\n300\n", {"a": df.uint8}, "conversion error to uint8: invalid value '300'"),
        ("a,b\n1\n", {"a": df.int32}, "Expected 2 columns, got 1"),
        ("a,b\n1,2\n,3\n", {"a": df.int32}, "column 'a': a value is required but missing in row 1 of the block"),
        ("a,b\n1,2\n", {"c": df.int32}, "Column 'c' in include_columns does not exist"),
    ],
)
def test_what_does_not_fit_fails_the_read_and_names_the_file(
    tmp_path: Path, content: str, columns: Any, fact: str
) -> None:
    (tmp_path / "f").write_text(content)
    with pytest.raises(InvalidArgumentError, match=fact) as caught:
        blocks(tmp_path / "f", columns)
    assert f"{tmp_path / 'f'}:0" in caught.value.message


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(min_size=1)), max_size=20), st.integers(1, 7))
def test_what_pythons_csv_module_writes_is_read_from_any_state(
    tmp_path_factory: Any, rows: list[tuple[int, str]], block: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "f"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    with df.Graph().as_default():
        options = dict(CSVReader({"a": df.int64, "b": df.string}, block).spec.options)
        (found,) = (blocks(path, {"a": df.int64, "b": df.string}, block=100) if rows else [{"a": [], "b": []}],)
    if rows:
        assert found[0]["a"].tolist() == [number for number, _ in rows]
        assert found[0]["b"].tolist() == [text.encode() for _, text in rows]
    form: Any = READERS["CSVReader"](**options)
    form.open(str(path))
    states, records = [form.state()], []
    while (record := form.read()) is not None:
        records.append(record)
        states.append(form.state())
    form.close()
    assert states[-1] == len(rows)
    for count, state in enumerate(states):
        form.open(str(path), state)
        assert list(iter(form.read, None)) == records[count:]
        form.close()


def test_a_mutated_file_gives_blocks_or_an_invalid_argument(path: Path) -> None:
    """Columns that a block has are decoded, each row has a value in each."""
    random = Random(29)
    whole = b'number,half,text\r\n1,0.5,"some, \r\ntext"\r\n\r\n-2,,"a ""quote"""\n3,1e5,x\n'
    columns = {"number": df.int64, "half": FixedLenFeature([], df.float32, -1), "text": df.string}
    options = dict(CSVReader(columns, 2).spec.options)
    form: Any = READERS["CSVReader"](**options)
    decode = op_def("DecodeBlock").kernel

    def rows(data: bytes) -> int:
        path.write_bytes(data)
        count = 0
        try:
            form.open(str(path))
            for _, block in iter(form.read, None):
                arrays = decode(np.array(block, object), columns=options["columns"])
                assert [array.dtype for array in arrays] == [np.int64, np.float32, object]
                assert 1 <= len(arrays[0]) == len(arrays[1]) == len(arrays[2]) <= 2
                count += len(arrays[0])
        finally:
            form.close()
        return count

    assert rows(whole) == 3  # before the bounds: Arrow takes its threads and pools once
    with bounded() as inputs:
        for _ in inputs:
            with suppress(InvalidArgumentError):
                rows(mutated(whole, random))


def test_a_url_is_read_from_its_file_system() -> None:
    with fsspec.open("memory://test_csv_blocks/f", "w") as file:
        file.write("a\n1\n2\n")
    (found,) = blocks("memory://test_csv_blocks/f", {"a": df.int32})
    assert found["a"].tolist() == [1, 2]


def test_of_columns_of_one_name_the_first_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a,b,a\n1,2,3\n")
    (found,) = blocks(tmp_path / "f", {"a": df.int32, "b": df.int32})
    assert (found["a"].tolist(), found["b"].tolist()) == ([1], [2])


def test_a_number_beyond_float32_becomes_infinite(tmp_path: Path) -> None:
    """As for `decode_csv`."""
    (tmp_path / "f").write_text("a\n1.5\n1e300\n-1e300\n")
    (found,) = blocks(tmp_path / "f", {"a": df.float32})
    assert found["a"].tolist() == [1.5, math.inf, -math.inf]


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="missing"):
        blocks(tmp_path / "missing", {"a": df.int32})


@pytest.mark.parametrize(
    ("columns", "options", "fact"),
    [
        ({"a": FixedLenFeature([2], df.float32)}, {}, r"a field of a CSV file has shape \[\], not \[2\]"),
        ({"a": df.float32}, {"field_delim": ""}, "field_delim should be only 1 char"),
        ({"a": df.float32}, {"names": ["a", "b", "a"]}, "names must differ from each other"),
    ],
)
def test_wrong_arguments_are_found_while_the_graph_is_built(columns: Any, options: Any, fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        CSVReader(columns, **options)
