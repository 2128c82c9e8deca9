"""Whole files."""

import os
from pathlib import Path

import fsspec
import pytest

import dflow as df
from dflow.readers.whole_file import WholeFileReader, WholeFiles
from tests.readers.helpers import file_names, run_to_end


def test_a_file_is_one_record_with_its_name_as_the_key(tmp_path: Path) -> None:
    """D16.15"""
    for name, content in {"a": b"x\ny\n", "empty": b"", "b": b"\xff\0"}.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in ("a", "empty", "b")]
    reader = WholeFileReader()
    queue, fill = file_names(*paths)
    record = reader.read(queue)
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    with df.Session() as sess:
        sess.run(fill)
        sess.run(record)
        assert sess.run(counts) == [1, 1]  # D16.7
        found = run_to_end(sess, record)
    assert found == [(os.fsencode(paths[1]), b""), (os.fsencode(paths[2]), b"\xff\0")]


def test_the_reader_stays_at_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """D16.11"""
    (tmp_path / "a").write_bytes(b"x")
    queue, fill = file_names(tmp_path / "later", tmp_path / "a")
    _, value = WholeFileReader().read(queue)
    with df.Session() as sess:
        sess.run(fill)
        for _ in range(2):
            with pytest.raises(df.errors.NotFoundError, match="later"):
                sess.run(value)
        (tmp_path / "later").write_bytes(b"now")
        assert [sess.run(value), sess.run(value)] == [b"now", b"x"]


def test_a_url_is_read_from_its_file_system() -> None:
    with fsspec.open("memory://test_whole_file/a", "wb") as file:
        file.write(b"content")
    form = WholeFiles()
    form.open("memory://test_whole_file/a")
    assert form.read() == (b"memory://test_whole_file/a", b"content")
