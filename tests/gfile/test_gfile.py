"""Files by `gfile`, on local paths and URLs.  `tests/oracle/programs/files.py` compares it with TensorFlow's."""

from __future__ import annotations

import gc
import uuid
from pathlib import Path

import numpy as np
import pytest

import dflow as df
from dflow import gfile
from dflow.gfile import file_io


@pytest.fixture(params=["a local path", "a URL"])
def top(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder to be made."""
    return str(tmp_path / "top") if request.param == "a local path" else f"memory://{uuid.uuid4().hex}"


def write(name: str, text: str) -> None:
    with df.gfile.GFile(name, "w") as file:
        file.write(text)


def test_a_file_is_written_read_and_asked_for_its_size(top: str) -> None:
    df.gfile.MakeDirs(top)
    write(f"{top}/a", "one\ntwo\n")
    with df.gfile.Open(f"{top}/a") as file:
        assert (file.size(), file.readline(), file.tell(), file.readlines()) == (8, "one\n", 4, ["two\n"])
        file.seek(4)
        assert file.read(3) == "two"
        assert list(df.gfile.FastGFile(f"{top}/a", "rb")) == [b"one\n", b"two\n"]
        assert (file.name, file.mode, file.seekable()) == (f"{top}/a", "r", True)


def test_names_are_listed_moved_and_deleted(top: str) -> None:
    df.gfile.MakeDirs(f"{top}/sub")
    write(f"{top}/a.txt", "a")
    write(f"{top}/sub/b.txt", "bb")
    df.gfile.Copy(f"{top}/a.txt", f"{top}/c.txt")
    df.gfile.Rename(f"{top}/c.txt", f"{top}/d.txt")
    assert sorted(df.gfile.ListDirectory(top)) == ["a.txt", "d.txt", "sub"]
    assert df.gfile.Glob([f"{top}/*.txt"]) == df.gfile.Glob(f"{top}/*.txt")
    assert len(df.gfile.Glob(f"{top}/?.txt")) == 2
    assert [(at.rpartition("/")[2], sorted(files)) for at, _, files in df.gfile.Walk(top, in_order=False)] == [
        ("sub", ["b.txt"]),
        (top.rpartition("/")[2], ["a.txt", "d.txt"]),
    ]
    assert (df.gfile.Stat(f"{top}/sub/b.txt").length, df.gfile.IsDirectory(f"{top}/sub")) == (2, True)
    df.gfile.Remove(f"{top}/d.txt")
    assert not df.gfile.Exists(f"{top}/d.txt")
    df.gfile.DeleteRecursively(top)
    assert not df.gfile.Exists(f"{top}/sub/b.txt")


def test_the_names_of_version_2_do_the_same(top: str) -> None:
    v2 = df.io.gfile
    v2.makedirs(f"{top}/sub")
    with v2.GFile(v2.join(top, "a"), "w") as file:
        file.write("x")
    v2.copy(f"{top}/a", f"{top}/b")
    v2.rename(f"{top}/b", f"{top}/c", overwrite=True)
    assert (v2.exists(f"{top}/c"), v2.isdir(f"{top}/sub"), sorted(v2.listdir(top))) == (True, True, ["a", "c", "sub"])
    assert (len(v2.glob(f"{top}/[ac]")), v2.stat(f"{top}/a").length) == (2, 1)
    v2.remove(f"{top}/c")
    failed: list[Exception] = []
    assert list(v2.walk(f"{top}/none", onerror=failed.append)) == []
    assert [type(error) for error in failed] == [df.errors.NotFoundError]
    v2.rmtree(top)
    with pytest.raises(df.errors.NotFoundError):
        v2.rmtree(top)


def test_errors_are_those_of_tensorflow(top: str) -> None:
    df.gfile.MakeDirs(f"{top}/sub")
    write(f"{top}/a", "x")
    for wrong, expected in (
        (lambda: df.gfile.GFile(f"{top}/none").read(), df.errors.NotFoundError),
        (lambda: df.gfile.GFile(f"{top}/a").write("x"), df.errors.PermissionDeniedError),
        (lambda: df.gfile.GFile(f"{top}/a", "a").read(), df.errors.PermissionDeniedError),
        (lambda: df.gfile.GFile(f"{top}/a", "rw"), df.errors.InvalidArgumentError),
        (lambda: df.gfile.GFile(f"{top}/a").seek(0, 3), df.errors.InvalidArgumentError),
        (lambda: df.gfile.GFile(f"{top}/a").seek(-1), df.errors.InvalidArgumentError),
        (lambda: df.gfile.MkDir(f"{top}/a"), df.errors.AlreadyExistsError),
        (lambda: df.gfile.Copy(f"{top}/a", f"{top}/a"), df.errors.AlreadyExistsError),
        (lambda: df.gfile.Copy(f"{top}/sub", f"{top}/b"), df.errors.FailedPreconditionError),
        (lambda: df.gfile.Rename(f"{top}/none", f"{top}/b"), df.errors.NotFoundError),
        (lambda: df.gfile.Remove(f"{top}/none"), df.errors.NotFoundError),
        (lambda: df.gfile.ListDirectory(f"{top}/none"), df.errors.NotFoundError),
        (lambda: df.gfile.Stat(f"{top}/none"), df.errors.NotFoundError),
    ):
        with pytest.raises(expected):
            wrong()
    with pytest.raises(TypeError, match="offset argument required"):
        df.gfile.GFile(f"{top}/a").seek()
    with pytest.raises(TypeError, match="may not be set simultaneously"):
        df.gfile.GFile(f"{top}/a").seek(offset=0, position=0)
    with pytest.raises(df.errors.InvalidArgumentError, match="negative number of bytes"):
        df.gfile.GFile(f"{top}/a").read(-2)
    assert list(df.gfile.Walk(f"{top}/none")) == []


def test_what_is_written_is_in_the_file_when_nobody_holds_it_any_more(tmp_path: Path) -> None:
    df.gfile.GFile(str(tmp_path / "a"), "w").write("kept")
    gc.collect()
    assert (tmp_path / "a").read_text() == "kept"
    both = df.gfile.GFile(tmp_path / "b", "w+")
    both.write(b"one")
    both.flush()
    assert both.read() == "one"
    both.close()
    assert gfile.v2.join(b"a", b"b") == b"a/b"


def test_the_contents_of_whole_files_are_read_written_and_compared(top: str) -> None:
    df.gfile.MakeDirs(top)
    file_io.write_string_to_file(f"{top}/a", "text")
    file_io.atomic_write_string_to_file(f"{top}/b", b"text")
    assert (file_io.read_file_to_string(f"{top}/a"), file_io.read_file_to_string(f"{top}/b", True)) == ("text", b"text")
    assert file_io.filecmp(f"{top}/a", f"{top}/b")
    assert file_io.file_crc32(f"{top}/a") == file_io.file_crc32(f"{top}/b", 2) == "0x3b8ba7c7"
    with df.gfile.GFile(f"{top}/a", "r+") as file:
        file.write("other")
    assert not file_io.filecmp(f"{top}/a", f"{top}/b")


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    file_io.atomic_write_string_to_file(path, "old", overwrite=False)
    with pytest.raises(df.errors.AlreadyExistsError):
        file_io.atomic_write_string_to_file(path, "new", overwrite=False)
    assert (file_io.read_file_to_string(path), df.gfile.ListDirectory(tmp_path)) == ("old", ["a"])
    file_io.atomic_write_string_to_file(path, "new")
    assert file_io.read_file_to_string(path) == "new"


def test_numpy_reads_its_files(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(3))
    with df.gfile.GFile(tmp_path / "a.npz", "rb") as file:
        assert np.load(file)["a"].tolist() == [0, 1, 2]
