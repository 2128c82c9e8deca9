"""Reading many records at once gives what reading them one by one gives: records, keys, places, counts and errors."""

import gzip
import io
import logging
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import OpError
from dflow.machines.reader.reader import NeedFile, Reader
from dflow.readers import fixed_length, text
from dflow.readers.fixed_length import FixedLengthRecords
from dflow.readers.text import TextLines
from dflow.readers.tfrecord import reader as tfrecord
from dflow.readers.tfrecord.framing import framed
from dflow.readers.tfrecord.reader import TFRecords
from tests.readers.bounds import MUTATIONS
from tests.readers.helpers import mutated

RECORDS = [b"12,3.5", b"", b"x" * 30, b"a\r", b"b"]
FORMATS: dict[str, tuple[Any, bytes]] = {
    "text": (TextLines, b"\n".join(RECORDS) + b"\r\n" + b"\r\n\n".join(RECORDS)),
    "text with a header": (lambda: TextLines(2), b"\n".join(RECORDS) + b"\n"),
    "fixed length": (lambda: FixedLengthRecords(7), b"abcdefghij" * 9),
    "overlapping": (lambda: FixedLengthRecords(7, 3, 2, 4), b"abcdefghij" * 9),
    "with gaps": (lambda: FixedLengthRecords(3, 3, 2, 40), b"abcdefghij" * 20),
    "fixed length, compressed": (lambda: FixedLengthRecords(5, encoding="GZIP"), gzip.compress(bytes(range(200)))),
    "tfrecord": (TFRecords, b"".join(map(framed, RECORDS * 3))),
    "tfrecord, compressed": (lambda: TFRecords("GZIP"), gzip.compress(b"".join(map(framed, RECORDS * 3)))),
    "tfrecord, skipping": (lambda: TFRecords(on_corrupt="skip"), b"".join(map(framed, RECORDS * 3))),
}


class OneByOne:
    """A format without `read_up_to`."""

    def __init__(self, form: Any) -> None:
        self.open, self.read, self.state, self.close = form.open, form.read, form.state, form.close


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short files have many blocks."""
    monkeypatch.setattr(logging.getLogger("dflow.readers.tfrecord.reader"), "disabled", True)
    for module, names in {
        text: ("_BUFFER", "_AHEAD"),
        fixed_length: ("_BLOCK",),
        tfrecord: ("_FIRST", "_MOST"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, 16)


def history(form: Any, path: Path, limits: list[int | None]) -> list[Any]:
    """All that can be seen of a reader while it reads a file; None among the limits is a single read."""
    reader = Reader("r", "TestReader", lambda: form)
    seen: list[Any] = []
    for ticket, limit in enumerate(limits):
        effects = reader.read(ticket, limit)
        if effects == [NeedFile(ticket)]:
            if ticket:
                seen.append("end")
                break
            effects = reader.file(str(path).encode())
            if isinstance(effects[0], NeedFile):
                seen.append("end")
                break
        (reply,) = effects
        assert not isinstance(reply, NeedFile)
        found: Any = reply.error
        if isinstance(found, OpError):
            found = type(found), found.message
        elif reply.value is not None:
            found = [np.asarray(part).tolist() for part in reply.value]
        seen.append((found, reader.produced, reader.completed, reader.state()))
    reader.reset()  # closes the file
    return seen


LIMITS = st.lists(st.one_of(st.none(), st.integers(1, 4), st.sampled_from([7, 100, 10**18])), min_size=12, max_size=12)


@pytest.mark.parametrize("kind", FORMATS)
@given(limits=LIMITS)
def test_many_are_read_as_each_is(
    kind: str, tmp_path_factory: pytest.TempPathFactory, limits: list[int | None]
) -> None:
    make, content = FORMATS[kind]
    path = tmp_path_factory.getbasetemp() / "read-up-to"
    path.write_bytes(content)
    assert history(make(), path, limits) == history(OneByOne(make()), path, limits)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if hasattr(FORMATS[kind][0](), "at_hand")])
@given(limits=LIMITS)
def test_what_is_at_hand_comes_next(kind: str, tmp_path_factory: pytest.TempPathFactory, limits: list[Any]) -> None:
    make, content = FORMATS[kind]
    path = tmp_path_factory.getbasetemp() / "at-hand"
    path.write_bytes(content)
    each, form = make(), make()
    each.open(str(path))
    form.open(str(path))
    found: list[Any] = []
    for limit in cycle(limits):
        before = form.state()
        ready = 1 if limit is None else min(limit, max(1, form.at_hand()))
        assert form.state() == before
        record = form.read() if limit is None else form.read_up_to(ready)
        if record is None:
            break
        assert limit is None or len(record) == ready
        found += [record] if limit is None else record
    assert found == list(iter(each.read, None))
    each.close()
    form.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_as_each_record_is(kind: str, tmp_path: Path) -> None:
    make, content = FORMATS[kind]
    random = Random(5)
    path = tmp_path / "broken"
    for _ in range(MUTATIONS // 5):
        path.write_bytes(mutated(content, random))
        limits = [random.choice((None, 1, 2, 3, 20)) for _ in range(20)]
        assert history(make(), path, limits) == history(OneByOne(make()), path, limits)


def test_what_is_left_out_is_counted_and_kept_as_one_by_one(tmp_path: Path) -> None:
    records = [framed(b"record %d" % i) for i in range(20)]
    for i in (0, 3, 4, 11, 19):
        records[i] = records[i][:-1] + b"?"
    (tmp_path / "file").write_bytes(b"".join(records))
    kept = []
    for name, wrap in {"many": lambda form: form, "each": OneByOne}.items():
        form = TFRecords(on_corrupt=str(tmp_path / name))
        history(wrap(form), tmp_path / "file", [6] * 10)
        kept.append((form.left_out, (tmp_path / name).read_bytes()))
    assert kept[0] == kept[1]
    assert kept[0][0] == 5


class Failing(io.BytesIO):
    """A file that cannot be read behind its 40th byte."""

    def read(self, n: int | None = -1) -> bytes:
        if self.tell() >= 40:
            raise OSError(5, "the disk is broken")
        return super().read(min(40 - self.tell(), n if n and n > 0 else 40))

    def read1(self, n: int | None = -1) -> bytes:
        return self.read(n)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if "compressed" not in kind])
def test_what_comes_before_a_place_that_cannot_be_read_is_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, content = FORMATS[kind]
    for module in (text, fixed_length, tfrecord):
        monkeypatch.setattr(module, "open_file", lambda path: Failing(content))
    found = history(make(), Path("file"), [3] * 20)
    expected = history(OneByOne(make()), Path("file"), [3] * 20)
    assert found == expected
    assert "the disk is broken" in str(found[-1])


def test_a_reader_goes_on_where_it_was_after_a_file_could_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever class its error has, and whatever number of records is asked for then."""

    class Faltering(io.BytesIO):
        """Every third read fails."""

        calls = 0

        def read1(self, n: int | None = -1) -> bytes:
            self.calls += 1
            if self.calls % 3 == 1:
                raise ValueError("not now")
            return super().read1(4)

    monkeypatch.setattr(text, "open_file", lambda path: Faltering(b"one\ntwo\nthree\nfour\n\nsix"))
    form = TextLines()
    form.open("file")
    found: list[bytes] = []
    for limit in (3, 2, 1, 5, 1, 2, 4, 1, 2, 2, 2, 2, 2, 2, 2):
        try:
            found += [value for _, value in form.read_up_to(limit) or ()]
        except ValueError:
            continue
    assert found == [b"one", b"two", b"three", b"four", b"", b"six"]


@pytest.mark.parametrize("kind", ["text", "fixed length", "tfrecord"])
def test_records_that_came_back_are_read_again_and_saved(kind: str, tmp_path: Path) -> None:
    make, content = FORMATS[kind]
    path = tmp_path / "file"
    path.write_bytes(content)
    reader = Reader("r", "TestReader", make)
    reader.read(0, 4, ack=True)
    (reply,) = reader.file(str(path).encode())
    assert not isinstance(reply, NeedFile)
    reader.take_back(0)
    assert reader.produced == 0
    restored = Reader("r", "TestReader", make)
    restored.restore(reader.state())
    for one in (reader, restored):
        first, rest = one.read(1, 1)[0], one.read(2, 10)[0]
        assert not isinstance(first, NeedFile)
        assert not isinstance(rest, NeedFile)
        columns = [
            [*np.asarray(a).tolist(), *np.asarray(b).tolist()] for a, b in zip(first.value, rest.value, strict=True)
        ]
        assert columns == [np.asarray(part).tolist() for part in reply.value]
        one.reset()
