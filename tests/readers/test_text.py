"""Text files, line by line: the format and the file systems that it reads from."""

import os
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import InvalidArgumentError, UnimplementedError
from dflow.readers.text import TextLines, open_file


def records(path: str, skip: int | None = None) -> list[tuple[bytes, bytes]]:
    text = TextLines(skip)
    text.open(path)
    found = list(iter(text.read, None))
    text.close()
    return found


def lines(path: Path, content: bytes, skip: int | None = None) -> list[bytes]:
    path.write_bytes(content)
    return [value for _, value in records(str(path), skip)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lines.txt"


def test_keys_are_the_file_and_the_line_number_from_one(path: Path) -> None:
    """D16.13"""
    path.write_bytes(b"a\nb\n")
    name = os.fsencode(path)
    assert records(str(path)) == [(name + b":1", b"a"), (name + b":2", b"b")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\n\n\nb\n", [b"a", b"", b"", b"b"]),
        (b"  a \n", [b"  a "]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"a\r", [b"a"]),
        (b"a\n\r", [b"a"]),
        (b"\n", [b""]),
        (b"", []),
        (b"\xff\x00\n", [b"\xff\x00"]),
    ],
)
def test_a_record_is_a_line_without_its_end(path: Path, content: bytes, expected: list[bytes]) -> None:
    """D16.13"""
    assert lines(path, content) == expected


def test_header_lines_are_skipped_but_counted(path: Path) -> None:
    """D16.13, D16.14"""
    path.write_bytes(b"x,y\r\n\n1\n")
    assert records(str(path), 2) == [(os.fsencode(path) + b":3", b"1")]


def test_a_file_may_have_fewer_lines_than_its_header(path: Path) -> None:
    """D16.14"""
    assert lines(path, b"x\n", 5) == []


def test_the_header_is_skipped_in_each_file(tmp_path: Path) -> None:
    """D16.14"""
    text = TextLines(1)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"header\n" + name.encode())
        text.open(str(tmp_path / name))
        record = text.read()
        assert record is not None
        assert record[1] == name.encode()
        text.close()


def test_a_negative_header_is_an_invalid_argument() -> None:
    """D16.14"""
    with pytest.raises(InvalidArgumentError, match="skip_header_lines must be >= 0 not -1"):
        TextLines(-1)


@given(st.lists(st.binary().filter(lambda b: b"\n" not in b and not b.endswith(b"\r"))), st.booleans(), st.booleans())
def test_any_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, sent: list[bytes], crlf: bool, end: bool
) -> None:
    newline = b"\r\n" if crlf else b"\n"
    content = newline.join(sent) + (newline if sent and (end or not sent[-1]) else b"")
    assert lines(tmp_path_factory.mktemp("lines") / "f", content) == sent


def test_an_opened_state_goes_on_with_the_same_keys(path: Path) -> None:
    """D9"""
    path.write_bytes(b"header\na\r\n\nlast")
    expected = records(str(path), 1)
    text = TextLines(1)
    text.open(str(path))
    for count in range(len(expected) + 1):
        other = TextLines(1)
        other.open(str(path), list(text.state()))
        assert list(iter(other.read, None)) == expected[count:]
        other.close()
        text.read()
    text.close()


def test_a_missing_file_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TextLines().open(str(path))


@pytest.fixture
def in_memory() -> str:
    url = "memory://test_text/lines.txt"
    with fsspec.open(url, "wb") as file:
        file.write(b"a\nb\nc")
    return url


def test_a_url_is_read_from_its_file_system(in_memory: str) -> None:
    """The key holds the URL as it was given; a state works as for a local file."""
    assert records(in_memory) == [(f"{in_memory}:{i}".encode(), b"%c" % (96 + i)) for i in (1, 2, 3)]
    text = TextLines()
    text.open(in_memory, (2, 1))
    assert text.read() == (in_memory.encode() + b":2", b"b")


def test_a_missing_file_of_a_url_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        open_file("memory://test_text/missing")


def test_a_file_url_is_a_local_file(path: Path) -> None:
    path.write_bytes(b"a\nb")
    assert [value for _, value in records(path.as_uri())] == [b"a", b"b"]


def test_an_unknown_file_system_is_unimplemented_and_names_the_file() -> None:
    with pytest.raises(UnimplementedError, match=r"File system scheme 'foo' not implemented \(file: 'foo://x/y'\)"):
        open_file("foo://x/y")
