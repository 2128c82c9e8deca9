"""Queues and readers shared by threads: who is answered, and what goes back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow.readers  # noqa: F401  the formats that READERS lists
from dflow.dtypes import string
from dflow.errors import AbortedError, CancelledError, OutOfRangeError
from dflow.registry import READERS
from dflow.runtime.shared import SharedQueue, SharedReader
from dflow.shapes import SCALAR
from dflow.specs import QueueSpec, ReaderSpec


class Files:
    """A queue of file names, and a reader that takes them from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        spec = ReaderSpec(kind="TextLineReader", node="r")
        self.queue = SharedQueue(QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=(string,), shapes=(SCALAR,)))
        self.reader = SharedReader(spec, lambda: READERS[spec.kind](skip_header_lines=0))

    def put(self, name: str, text: bytes) -> None:
        path = self.folder / name
        path.write_bytes(text)
        component = np.empty((), dtype=object)
        component[()] = str(path).encode()
        self.queue.attempt(lambda outcome, settle=None: None, "enqueue", (component,))

    def read(self) -> "Read":
        read = Read()
        read.withdraw = self.reader.read(read.answer, lambda answer: self.queue.attempt(answer, "dequeue"), None)
        return read


class Read:
    outcome: Any = None
    settle: Callable[[bool], None]
    withdraw: Callable[[], None]

    def answer(self, outcome: Any, settle: Any = None) -> None:
        self.outcome, self.settle = outcome, settle

    @property
    def value(self) -> Any:
        return self.outcome[1].item()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    files.reader.abort("is over")  # closes its file, which would be a warning


def test_a_record_that_its_receiver_does_not_want_is_read_again(files: Files) -> None:
    files.put("f", b"a\nb\n")
    first = files.read()
    first.settle(False)
    second, third = files.read(), files.read()
    assert [second.value, third.value] == [b"a", b"b"]
    second.settle(True)
    assert files.reader.row() == {"name": "r", "records": 2, "files": 0}


def test_a_withdrawn_read_withdraws_its_request_for_a_file(files: Files) -> None:
    read = files.read()
    assert files.queue.row()["waiting_dequeues"] == 1
    read.withdraw()
    assert isinstance(read.outcome, CancelledError)
    assert files.queue.row()["waiting_dequeues"] == 0


def test_a_file_name_that_comes_when_nobody_reads_goes_back_to_its_queue(files: Files) -> None:
    """The request and the withdrawal cross each other, as they may between processes."""
    late: list[Callable[..., None]] = []
    read = Read()
    read.withdraw = files.reader.read(read.answer, lambda answer: (late.append(answer), lambda: None)[1], None)
    read.withdraw()
    files.put("f", b"a\n")
    files.queue.attempt(late[0], "dequeue")
    assert files.queue.size == 1
    assert files.read().value == b"a"


def test_a_reset_reader_withdraws_its_request_for_a_file(files: Files) -> None:
    first, second = files.read(), files.read()
    files.reader.abort("was reset")
    assert isinstance(first.outcome, AbortedError)
    assert isinstance(second.outcome, AbortedError)
    assert files.queue.row()["waiting_dequeues"] == 0


def test_the_end_of_the_input_waits_for_records_that_may_come_back(files: Files) -> None:
    files.put("f", b"a\n")
    files.queue.attempt(lambda outcome, settle=None: None, "close")
    first, second = files.read(), files.read()
    assert second.outcome is None
    first.settle(False)
    assert second.value == b"a"
    second.settle(True)
    assert isinstance(files.read().outcome, OutOfRangeError)
