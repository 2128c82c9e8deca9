"""Records that a reader hands out before it is known whether they are wanted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import dflow.readers  # noqa: F401  the formats that READERS lists
from dflow.errors import CancelledError, OutOfRangeError
from dflow.machines.queue.queue import Reply
from dflow.machines.reader.reader import LOOK, Effects, NeedFile, Reader
from dflow.registry import READERS


class Driver:
    """A reader of lines, and its files."""

    def __init__(self, files: Sequence[Path], kind: str = "TextLineReader") -> None:
        self.reader = Reader("reader", kind, READERS[kind])
        self._files = list(files)
        self._tickets = itertools.count()
        self.waits: list[int] = []

    def read(self, limit: int | None = None) -> list[str]:
        ticket = next(self._tickets)
        return self._values(self._file(self.reader.read(ticket, limit)))

    def more(self, limit: int) -> tuple[int, list[str]]:
        """The ticket of an uncommitted read, and its records."""
        ticket = next(self._tickets)
        return ticket, self._values(self._file(self.reader.read(ticket, limit, uncommitted=True)))

    def _file(self, effects: Effects) -> Effects:
        while isinstance(effects[-1], NeedFile) and self._files:
            effects = [*effects[:-1], *self.reader.file(str(self._files.pop(0)).encode())]
        return effects

    @staticmethod
    def _values(effects: Effects) -> list[str]:
        (reply,) = [effect for effect in effects if isinstance(effect, Reply)]
        if reply.error is not None:
            raise reply.error
        assert reply.value is not None
        return [value.decode() for value in reply.value[1].reshape(-1)]

    def counts(self) -> tuple[int, int]:
        return self.reader.produced, self.reader.completed


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for name, lines in {"a": "1\n2\n3\n4\n", "b": "5\n6\n"}.items():
        path = tmp_path / name
        path.write_text(lines)
        found.append(path)
    return found


@pytest.fixture
def driver(files: list[Path]) -> Iterator[Driver]:
    driver = Driver(files)
    yield driver
    driver.reader.reset()  # it closes its file


def test_uncommitted_records_are_of_one_file(driver: Driver) -> None:
    assert driver.more(3)[1] == ["1", "2", "3"]
    assert driver.more(3)[1] == ["4"]
    assert driver.more(3)[1] == ["5", "6"]
    assert driver.counts() == (0, 1)  # the first file was left


def test_what_is_not_acknowledged_counts_for_nothing(driver: Driver) -> None:
    driver.read()
    ticket, _ = driver.more(2)
    assert driver.counts() == (1, 0)
    driver.reader.acknowledge(ticket)
    assert driver.counts() == (3, 0)


def test_what_comes_back_is_read_again_in_its_order(driver: Driver) -> None:
    driver.read()
    first, _ = driver.more(1)
    second, _ = driver.more(2)
    driver.reader.take_back(second)
    driver.reader.take_back(first)
    assert driver.counts() == (1, 0)
    assert [driver.read() for _ in range(5)] == [["2"], ["3"], ["4"], ["5"], ["6"]]


def test_the_end_of_a_file_is_for_the_next_read(driver: Driver) -> None:
    driver.read()
    ticket, values = driver.more(9)
    assert values == ["2", "3", "4"]
    driver.reader.acknowledge(ticket)
    assert driver.counts() == (4, 0)
    assert driver.read(9) == ["5", "6"]
    assert driver.counts() == (6, 2)


def test_a_state_is_that_of_a_reader_that_did_not_read_them(driver: Driver) -> None:
    driver.read()
    before = driver.reader.produced
    driver.more(2)
    state = driver.reader.state()
    other = Driver([])
    other.reader.restore(state)
    assert other.reader.produced == before
    assert [other.read() for _ in range(3)] == [["2"], ["3"], ["4"]]
    other.reader.reset()


def test_a_reset_forgets_them(driver: Driver) -> None:
    driver.read()
    taken, kept = driver.more(1)[0], driver.more(1)[0]
    driver.reader.reset()
    driver.reader.acknowledge(taken)
    driver.reader.take_back(kept)
    assert driver.counts() == (0, 0)
    assert driver.read() == ["5"]


def test_an_uncommitted_read_comes_after_a_read_that_waits(driver: Driver, files: list[Path]) -> None:
    reader = driver.reader
    assert reader.read(100) == [NeedFile(100)]
    assert reader.read(101, 9, uncommitted=True) == []
    replies = reader.file(str(files[0]).encode())
    assert [reply.ticket for reply in replies] == [100, 101]
    assert driver._values(replies[1:]) == ["2", "3", "4"]
    assert driver.counts() == (1, 0)


def test_an_uncommitted_read_that_waits_can_be_withdrawn(driver: Driver, files: list[Path]) -> None:
    reader = driver.reader
    assert reader.read(100, 9, uncommitted=True) == [NeedFile(100)]
    reader.withdraw(100, CancelledError(None, None, "withdrawn"))
    assert reader.file(str(files[0]).encode()) == []
    assert driver.read() == ["1"]


def test_uncommitted_records_do_not_hold_up_the_end_of_the_input(driver: Driver) -> None:
    """A loop may wait with them for ever, for room in its queue, as a step would with its record."""
    driver.more(9)
    ticket, _ = driver.more(9)
    driver.reader.acknowledge(ticket)
    assert driver.reader.read(100) == [NeedFile(100)]
    (reply,) = driver.reader.no_file(OutOfRangeError(None, None, "closed"))
    assert isinstance(reply, Reply)
    assert isinstance(reply.error, OutOfRangeError)


def test_a_read_that_opens_nothing_gives_none_at_the_end_of_a_file_and_leaves_it_open(driver: Driver) -> None:
    reader = driver.reader
    assert reader.read(100, 9, uncommitted=True, opens=False) == [Reply(100)]
    ticket, _ = driver.more(9)
    assert reader.read(101, 9, uncommitted=True, opens=False) == [Reply(101)]
    assert driver.counts() == (0, 0)
    reader.commit(ticket, 4)
    assert driver.counts() == (4, 0), "the file is completed by the read that opens the next one"
    assert driver.more(9)[1] == ["5", "6"]
    assert driver.counts() == (4, 1)


def test_a_file_that_is_one_record_is_completed_with_it(files: list[Path]) -> None:
    driver = Driver(files, "WholeFileReader")
    ticket, values = driver.more(2)
    assert values == ["1\n2\n3\n4\n"]
    assert driver.counts() == (0, 0)
    driver.reader.commit(ticket, 1)
    assert driver.counts() == (1, 1)


class Broken:
    """A format whose second record cannot be read."""

    def __init__(self) -> None:
        self._n = 0

    def open(self, path: str, state: Any = None) -> None:
        self._n = 0

    def read(self) -> tuple[bytes, bytes] | None:
        if self._n == 2:
            raise ValueError("broken")
        self._n += 1
        return b"key", b"%d" % self._n

    def state(self) -> Any:
        return self._n

    def close(self) -> None:
        pass


def test_a_record_that_cannot_be_read_is_for_the_next_read(driver: Driver) -> None:
    driver.reader = Reader("reader", "Broken", Broken)
    assert driver.read() == ["1"]
    assert driver.more(9)[1] == ["2"]
    for read in (lambda: driver.more(9), driver.read):
        with pytest.raises(Exception, match="broken"):
            read()


def test_what_is_committed_part_by_part_counts_part_by_part(driver: Driver) -> None:
    driver.read()
    ticket, _ = driver.more(3)
    driver.reader.commit(ticket, 1)
    assert driver.counts() == (2, 0)
    driver.reader.commit(ticket, 1)
    driver.reader.take_back(ticket)
    assert driver.counts() == (3, 0)
    assert driver.read() == ["4"]


def test_what_is_committed_in_full_does_not_come_back(driver: Driver) -> None:
    driver.read()
    ticket, _ = driver.more(3)
    driver.reader.commit(ticket, 2)
    driver.reader.commit(ticket, 1)
    driver.reader.take_back(ticket)
    assert driver.counts() == (4, 0)
    assert driver.read() == ["5"]


def test_what_is_committed_after_a_reset_counts_for_nothing(driver: Driver) -> None:
    driver.read()
    ticket, _ = driver.more(3)
    driver.reader.reset()
    driver.reader.commit(ticket, 2)
    driver.reader.commit(ticket, 1)
    driver.reader.take_back(ticket)
    assert driver.counts() == (0, 0)
    assert driver.read() == ["5"]


def test_large_records_are_not_read_by_the_thousands(tmp_path: Path) -> None:
    """A format that reads one by one: no more than about `LOOK` bytes are taken before they are wanted."""
    path = tmp_path / "large"
    path.write_bytes(bytes(10 * LOOK))
    driver = Driver([path])
    driver.reader = Reader("reader", "Quarters", Quarters)
    driver.read()
    assert len(driver.more(1000)[1]) == 4
    driver.reader.reset()


class Quarters(Broken):
    """A format of records of a quarter of `LOOK` bytes."""

    def read(self) -> tuple[bytes, bytes] | None:
        return b"key", bytes(LOOK // 4)
