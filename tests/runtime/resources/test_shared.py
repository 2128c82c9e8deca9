"""Queues and readers shared by threads: who is answered, and what goes back."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

import dflow as df
import dflow.readers  # the formats that READERS lists
from dflow.dtypes import string
from dflow.errors import (
    AbortedError,
    CancelledError,
    DeadlineExceededError,
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
)
from dflow.registry import READERS
from dflow.runtime.resources.shared_queue import SharedQueue
from dflow.runtime.resources.shared_reader import SharedReader
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

    def attempt(self, method: str, *args: Any) -> "Read":
        """A restore, a reset, or a look at the state."""
        read = Read()
        read.withdraw = self.reader.attempt(read.answer, method, *args)
        return read


class Read:
    outcome: Any = None
    settle: Callable[[bool], None]
    withdraw: Callable[[], None]

    def __init__(self) -> None:
        self.answered = Event()

    def answer(self, outcome: Any, settle: Any = None) -> None:
        self.outcome, self.settle = outcome, settle
        self.answered.set()

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


def test_a_read_whose_request_for_a_file_cannot_begin_fails_and_the_next_one_asks_again(files: Files) -> None:
    """The queue of another specification under that name, say: the reader would wait for its answer for ever."""

    def refused(answer: Any) -> Any:
        raise InvalidArgumentError(None, None, "another queue has this name")

    for _ in range(2):
        read = Read()
        files.reader.read(read.answer, refused, None)
        assert isinstance(read.outcome, InvalidArgumentError)
    files.put("f", b"a\n")
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


class Stuck:
    """A format that reads a, b, c from every file; each read waits until it may go on."""

    def __init__(self) -> None:
        self.reads, self.may_go_on, self.closed = Event(), Event(), Event()

    def open(self, path: str, state: Any = None) -> None:
        self.left = [b"c", b"b", b"a"]

    def read(self) -> tuple[bytes, bytes] | None:
        self.reads.set()
        assert self.may_go_on.wait(30)
        return (b"key", self.left.pop()) if self.left else None

    def state(self) -> None: ...

    def close(self) -> None:
        self.closed.set()


class StuckFiles(Files):
    """A reader that is stuck in a file that came when one read waited for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.format = Stuck()
        self.reader = SharedReader(self.reader.spec, lambda: self.format)
        self.first = self.read()
        self.put("f", b"")
        assert self.format.reads.wait(30)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[StuckFiles]:
    stuck = StuckFiles(tmp_path)
    yield stuck
    stuck.format.may_go_on.set()
    stuck.reader.abort("is over")
    assert stuck.format.closed.wait(30)


def test_a_row_and_the_counts_do_not_wait_for_a_file(stuck: StuckFiles) -> None:
    assert stuck.reader.row() == {"name": "r", "records": 0, "files": 0}
    assert [stuck.reader.produced, stuck.reader.completed, stuck.reader.left_out] == [0, 0, 0]


def test_a_read_that_is_stuck_in_a_file_is_withdrawn_at_once_and_its_record_is_read_by_the_next(
    stuck: StuckFiles,
) -> None:
    stuck.first.withdraw()
    assert isinstance(stuck.first.outcome, CancelledError)
    second, third = stuck.read(), stuck.read()
    assert second.outcome is None
    stuck.format.may_go_on.set()
    assert third.answered.wait(30)
    assert [second.value, third.value] == [b"a", b"b"]
    assert stuck.reader.row()["records"] == 2


def test_a_read_that_was_withdrawn_behind_a_stuck_one_reads_nothing(stuck: StuckFiles) -> None:
    second, third = stuck.read(), stuck.read()
    second.withdraw()
    assert isinstance(second.outcome, CancelledError)
    stuck.format.may_go_on.set()
    assert third.answered.wait(30)
    assert [stuck.first.value, third.value] == [b"a", b"b"]


def test_a_record_comes_back_at_once_while_another_is_read(stuck: StuckFiles) -> None:
    stuck.format.may_go_on.set()
    assert stuck.first.answered.wait(30)
    stuck.format.may_go_on.clear()
    stuck.format.reads.clear()
    other = Thread(target=stuck.read)
    other.start()
    assert stuck.format.reads.wait(30)
    stuck.first.settle(False)
    third = stuck.read()
    stuck.format.may_go_on.set()
    assert third.answered.wait(30)
    other.join(30)
    assert third.value == b"a"


def test_a_reader_that_is_stuck_in_a_file_is_reset_at_once_and_leaves_the_file_later(stuck: StuckFiles) -> None:
    second = stuck.read()
    stuck.reader.abort("was reset")
    assert isinstance(stuck.first.outcome, AbortedError)
    assert isinstance(second.outcome, AbortedError)
    assert isinstance(stuck.read().outcome, AbortedError)
    assert not stuck.format.closed.is_set()
    stuck.format.may_go_on.set()
    assert stuck.format.closed.wait(30)


def test_a_file_that_cannot_be_closed_keeps_nothing_else_from_being_reset(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Unclosable(Stuck):
        def close(self) -> None:
            raise OSError("the disk is gone")

    files, format = Files(tmp_path), Unclosable()
    format.may_go_on.set()
    files.reader = SharedReader(files.reader.spec, lambda: format)
    read = files.read()
    files.put("f", b"")
    assert read.answered.wait(30)
    files.reader.abort("was reset")
    assert "reader r was reset, and its file could not be closed" in caplog.text
    assert isinstance(files.read().outcome, AbortedError)


def test_whoever_meets_a_reader_that_was_reset_gets_an_error_of_its_own(files: Files) -> None:
    """Each of them puts its operation and its traceback on it."""
    waiting = [files.read(), files.read()]
    files.reader.abort("was reset")
    errors = [read.outcome for read in (*waiting, files.read(), files.read(), files.attempt("state"))]
    assert len({id(error) for error in errors}) == 5
    assert {str(error) for error in errors} == {"was reset"}


def test_a_state_a_reset_and_a_restore_wait_for_a_stuck_read_and_hold_up_nobody(stuck: StuckFiles) -> None:
    state, reset, restore = stuck.attempt("state"), stuck.attempt("reset"), stuck.attempt("restore", b"no state")
    assert not any(attempt.answered.is_set() for attempt in (state, reset, restore))
    stuck.format.may_go_on.set()
    assert restore.answered.wait(30)
    assert b'"produced":1' in state.outcome[0].item()
    assert reset.outcome is None
    assert isinstance(restore.outcome, InvalidArgumentError)
    assert stuck.first.value == b"a"


def test_a_restore_that_is_withdrawn_behind_a_stuck_read_restores_nothing(stuck: StuckFiles) -> None:
    restore = stuck.attempt("reset")
    restore.withdraw()
    assert isinstance(restore.outcome, CancelledError)
    stuck.format.may_go_on.set()
    assert stuck.attempt("state").answered.wait(30)
    assert stuck.reader.produced == 1


def test_an_error_of_a_format_ends_a_look_at_the_state(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(format: Any) -> None:
        raise OSError("no place")

    monkeypatch.setattr(READERS["TextLineReader"], "state", broken)
    files.put("f", b"a\nb\n")
    files.read().settle(True)
    assert isinstance(files.attempt("state").outcome, OpError)
    assert files.read().value == b"b"


def test_a_run_that_saves_a_reader_with_a_stuck_file_has_its_deadline(tmp_path: Path) -> None:
    """The file is a pipe.  A kernel that waited would hold its thread, and know of no deadline."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    queue = df.FIFOQueue(1, ["string"], shapes=[[]])
    reader = df.TextLineReader()
    _, value = reader.read(queue)
    soon = df.RunOptions(timeout_in_ms=20)
    with df.Session() as session:
        session.run(queue.enqueue(str(path)))
        found: list[Any] = []
        thread = Thread(target=lambda: found.append(session.run(value)))
        thread.start()
        with open(path, "wb") as pipe:  # waits for the reader
            for op in (reader.serialize_state(), reader.restore_state(b""), reader.reset()):
                with pytest.raises(DeadlineExceededError):
                    session.run(op, options=soon)
            pipe.write(b"a\n")
        thread.join(30)
        assert found == [b"a"]
        session.run(reader.reset())
        assert session.run(reader.num_records_produced()) == 0


@pytest.mark.parametrize("alone", [True, False])
def test_a_run_that_reads_a_pipe_without_a_writer_has_its_deadline(tmp_path: Path, alone: bool) -> None:
    """In a local session too, where a run reads in its own thread.  alone: the read is all of the step."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    queue = df.FIFOQueue(1, ["string"], shapes=[[]])
    _, value = df.TextLineReader().read(queue)
    wanted = value if alone else df.identity(value)
    found: list[Any] = []

    def read(session: df.Session, options: df.RunOptions | None) -> None:
        try:
            found.append(session.run(wanted, options=options))
        except OpError as error:
            found.append(error)

    with df.Session() as session:
        session.run(queue.enqueue(str(path)))
        thread = Thread(target=read, args=(session, df.RunOptions(timeout_in_ms=20)), daemon=True)
        thread.start()
        thread.join(30)
        (error,) = found
        assert isinstance(error, DeadlineExceededError)
        with open(path, "wb") as pipe:
            pipe.write(b"a\n")
        read(session, None)
        assert found[1] == b"a", "the next run has the line"


def test_a_restore_leaves_the_file_that_a_waiting_read_goes_on_with_to_another_thread(files: Files) -> None:
    """The read waits for a file name; the state that is restored holds one, and that file is stuck."""
    stuck = Stuck()
    files.reader = SharedReader(files.reader.spec, lambda: stuck)
    stuck.may_go_on.set()
    files.put("f", b"")
    files.read().settle(True)
    state = files.attempt("state").outcome[0].item()
    files.attempt("reset")
    read = files.read()
    stuck.may_go_on.clear()
    files.attempt("restore", state)  # it would not return
    assert read.outcome is None
    stuck.may_go_on.set()
    assert read.answered.wait(30)
