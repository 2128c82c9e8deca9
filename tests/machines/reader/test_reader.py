"""The machine of readers: a line of attempts, one request for a file at a time, counts and states."""

import io
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow.readers  # noqa: F401  the formats that READERS lists
from dflow.dtypes import int64
from dflow.errors import (
    AbortedError,
    CancelledError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OpError,
    OutOfRangeError,
    PermissionDeniedError,
    UnknownError,
)
from dflow.machines.queue.queue import Reply
from dflow.machines.reader.reader import Effects, NeedFile, Reader
from dflow.readers.example.features import Fixed
from dflow.readers.tfrecord.framing import framed
from dflow.registry import READERS


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(range(7))}), file, row_group_size=3)
    return file.getvalue()


SAMPLES = {  # reader -> the bytes of a file with at least three records, if its files have more than one
    "CSVReader": b"x,y\n1,a\n2,b\n3,c\n4,d\n5,e\n",
    "FixedLengthRecordReader": b"headone...two...sixend",
    "IdentityReader": b"",
    "ParquetReader": _parquet(),
    "TFRecordReader": framed(b"one") + framed(b"") + framed(b"\0three"),
    "TextLineReader": b"one\r\n\n  three\nfour\nlast",
    "WholeFileReader": b"all of it",
}
OPTIONS: dict[str, dict[str, Any]] = {  # for the formats that cannot do without
    "CSVReader": {"columns": (Fixed("x", int64, ()),), "block": 2},
    "FixedLengthRecordReader": {"record_bytes": 3, "header_bytes": 4, "hop_bytes": 6},
    "ParquetReader": {"columns": (Fixed("x", int64, ()),), "block": 2},
}


class Memory:
    """A format whose files are lists of records; a record that is an error is raised."""

    def __init__(self, files: Mapping[str, Any], ends_with_record: bool = False) -> None:
        self.files = files
        self.ends_with_record = ends_with_record
        self.opened: list[str] = []
        self.closed = 0

    def open(self, path: str, state: int | None = None) -> None:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        if isinstance(self.files[path], BaseException):
            raise self.files[path]
        self.opened.append(path)
        self.path, self.at = path, state or 0

    def read(self) -> tuple[bytes, bytes] | None:
        if self.at == len(self.files[self.path]):
            return None
        record = self.files[self.path][self.at]
        if isinstance(record, Exception):
            raise record
        self.at += 1
        return os.fsencode(f"{self.path}:{self.at}"), record

    def state(self) -> int:
        return self.at

    def close(self) -> None:
        self.closed += 1


def reader_of(ends_with_record: bool = False, **files: Any) -> Reader:
    return Reader("r", "MemoryReader", lambda: Memory(files, ends_with_record))


def format_of(reader: Reader) -> Memory:
    found = reader._format
    assert isinstance(found, Memory)
    return found


def only(effects: Effects) -> Any:
    (effect,) = effects
    return effect


def value(effects: Effects) -> list[Any]:
    """Key and value of the one reply, as Python objects."""
    reply = only(effects)
    assert reply.error is None
    return [part.tolist() for part in reply.value]


def error(effects: Effects) -> OpError:
    reply = only(effects)
    assert isinstance(reply, Reply)
    assert reply.value is None
    assert reply.error is not None
    return reply.error


def values_left(reader: Reader) -> list[bytes]:
    """All records that need no other file.  No attempt may wait."""
    values = []
    while (effects := reader.read(-1)) and isinstance(effects[0], Reply):
        values.append(value(effects)[1])
    reader.withdraw(-1, CancelledError(None, None, "enough"))
    return values


# -- reading


def test_the_first_read_asks_for_a_file_and_is_served_when_it_comes() -> None:
    """D16.2"""
    reader = reader_of(a=[b"x", b"y"])
    assert reader.read(1) == [NeedFile(1)]
    assert value(reader.file(b"a")) == [b"a:1", b"x"]


def test_a_read_gives_two_scalar_strings() -> None:
    """D16.1"""
    reader = reader_of(a=[b"x"])
    reader.read(1)
    key, record = only(reader.file(b"a")).value
    assert key.shape == record.shape == ()
    assert key.dtype == record.dtype == object


def test_read_up_to_gives_two_string_vectors() -> None:
    """D16.1"""
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1, 5)
    key, record = only(reader.file(b"a")).value
    assert key.tolist() == [b"a:1", b"a:2"]
    assert record.tolist() == [b"x", b"y"]
    assert key.dtype == record.dtype == object


def test_no_file_is_asked_for_while_one_is_in_progress() -> None:
    """D16.2"""
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    assert value(reader.read(2)) == [b"a:2", b"y"]


def test_at_the_end_of_a_file_the_same_read_goes_on_with_the_next() -> None:
    """D16.5"""
    reader = reader_of(a=[b"x"], empty=[], b=[b"y"])
    reader.read(1)
    reader.file(b"a")
    assert reader.read(2) == [NeedFile(2)]
    assert reader.file(b"empty") == [NeedFile(2)]
    assert value(reader.file(b"b")) == [b"b:1", b"y"]
    assert format_of(reader).closed == 2


def test_attempts_are_served_in_order_with_one_request_at_a_time() -> None:
    """D16.12"""
    reader = reader_of(a=[b"x", b"y"], b=[b"z"])
    assert reader.read(1) == [NeedFile(1)]
    assert reader.read(2) == []
    assert reader.read(3) == []
    first, second, request = reader.file(b"a")
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (first.ticket, second.ticket, request) == (1, 2, NeedFile(3))
    assert value(reader.file(b"b")) == [b"b:1", b"z"]


def test_read_up_to_does_not_cross_into_the_next_file() -> None:
    """D16.25"""
    reader = reader_of(a=[b"x"] * 7, b=[b"y"] * 4)
    sizes, files = [], [b"a", b"b"]
    for ticket in range(5):
        effects = reader.read(ticket, 3)
        if effects == [NeedFile(ticket)]:
            effects = reader.file(files.pop(0))
        sizes.append(len(value(effects)[0]))
    assert sizes == [3, 3, 1, 3, 1]


@pytest.mark.parametrize("limit", [0, -1])
def test_reading_less_than_one_record_is_an_invalid_argument(limit: int) -> None:
    """D16.26"""
    assert isinstance(error(reader_of().read(1, limit)), InvalidArgumentError)


# -- when there is no file


def test_a_read_fails_with_the_error_of_its_dequeue() -> None:
    """D16.2"""
    reader = reader_of()
    reader.read(1)
    closed = OutOfRangeError(None, None, "queue 'q' is closed and has insufficient elements")
    assert error(reader.no_file(closed)) is closed


def test_the_next_attempt_asks_again_after_a_failed_dequeue() -> None:
    reader = reader_of(a=[b"x"])
    reader.read(1)
    reader.read(2)
    failed, request = reader.no_file(OutOfRangeError(None, None, "closed"))
    assert isinstance(failed, Reply)
    assert failed.ticket == 1
    assert request == NeedFile(2)
    assert value(reader.file(b"a")) == [b"a:1", b"x"]


def test_a_withdrawn_attempt_ends_with_the_given_error() -> None:
    reader = reader_of()
    reader.read(1)
    aborted = AbortedError(None, None, "reset")
    assert reader.withdraw(1, aborted) == [Reply(1, None, aborted)]
    assert reader.withdraw(1, aborted) == []


def test_a_file_that_comes_for_a_withdrawn_attempt_is_kept_for_the_next_read() -> None:
    reader = reader_of(a=[b"x"])
    reader.read(1)
    reader.withdraw(1, CancelledError(None, None, "stop"))
    assert reader.file(b"a") == []
    assert value(reader.read(2)) == [b"a:1", b"x"]


def test_the_file_that_a_withdrawn_attempt_asked_for_serves_the_next_in_line() -> None:
    reader = reader_of(a=[b"x"])
    reader.read(1)
    reader.read(2)
    reader.withdraw(1, CancelledError(None, None, "stop"))
    assert only(reader.file(b"a")).ticket == 2


def test_the_failed_dequeue_of_a_withdrawn_attempt_fails_nobody_else() -> None:
    reader = reader_of(a=[b"x"])
    reader.read(1)
    reader.read(2)
    reader.withdraw(1, CancelledError(None, None, "stop"))
    assert reader.no_file(CancelledError(None, None, "stop")) == [NeedFile(2)]
    assert value(reader.file(b"a")) == [b"a:1", b"x"]


# -- when a file or a record is bad


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError(2, "No such file or directory"), NotFoundError),
        (PermissionError(13, "Permission denied"), PermissionDeniedError),
        (IsADirectoryError(21, "Is a directory"), FailedPreconditionError),
        (OSError(5, "Input/output error"), UnknownError),
        (KeyError("a bug of a format"), UnknownError),
        (SystemExit("a format that ends its process"), UnknownError),
    ],
)
def test_a_file_that_cannot_be_opened_fails_the_read_and_names_the_file(
    raised: BaseException, expected: type[OpError]
) -> None:
    """D16.11"""
    reader = reader_of(bad=raised)
    reader.read(1)
    failed = error(reader.file(b"bad"))
    assert type(failed) is expected
    assert "bad" in failed.message
    assert failed.__cause__ is raised


def test_a_file_name_with_a_byte_0_is_an_invalid_argument() -> None:
    """No file system has such a file, and each library says so in its own way."""
    reader = reader_of(after=[b"x"])
    reader.read(1)
    failed = error(reader.file(b"a\0b"))
    assert type(failed) is InvalidArgumentError
    assert r"a\x00b" in failed.message
    reader.read(2)
    assert value(reader.file(b"after")) == [b"after:1", b"x"]


def test_a_relative_name_that_is_missing_says_in_which_folder_it_was_looked_for() -> None:
    """It is the folder of a worker, where the user may not have looked."""
    for name, said in {
        "sub/missing": f" in the folder {os.getcwd()}",
        "/missing": "",
        "s3://bucket/missing": "",
    }.items():
        reader = reader_of()
        reader.read(1)
        assert error(reader.file(name.encode())).message == f"{name}; No such file or directory{said}"


def test_after_a_file_that_cannot_be_opened_the_next_read_goes_on_with_the_next_file() -> None:
    """D16.11"""
    reader = reader_of(b=[b"y"])
    reader.read(1)
    assert isinstance(error(reader.file(b"missing")), NotFoundError)
    assert reader.read(2) == [NeedFile(2)]
    assert value(reader.file(b"b")) == [b"b:1", b"y"]
    assert (reader.produced, reader.completed) == (1, 0)


def test_the_reader_stays_at_a_broken_record() -> None:
    """D16.24"""
    broken = DataLossError(None, None, "corrupted record at 1")
    reader = reader_of(a=[b"x", broken])
    reader.read(1)
    reader.file(b"a")
    assert error(reader.read(2)) is broken
    assert error(reader.read(3)) is broken


def test_read_up_to_hands_out_the_records_before_a_broken_one() -> None:
    reader = reader_of(a=[b"x", b"y", DataLossError(None, None, "corrupted record at 2")])
    reader.read(1, 5)
    assert value(reader.file(b"a"))[1] == [b"x", b"y"]
    assert isinstance(error(reader.read(2, 5)), DataLossError)
    assert reader.produced == 2


# -- counts, reset, states


def test_a_file_is_completed_by_the_read_after_its_last_record() -> None:
    """D16.6, D16.7"""
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    reader.read(2)
    assert (reader.produced, reader.completed) == (2, 0)
    reader.read(3)
    assert (reader.produced, reader.completed) == (2, 1)


def test_a_short_batch_completes_its_file() -> None:
    """D16.25"""
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1, 3)
    reader.file(b"a")
    assert (reader.produced, reader.completed) == (2, 1)


def test_a_file_that_is_one_record_is_completed_together_with_it() -> None:
    """D16.7"""
    reader = reader_of(ends_with_record=True, a=[b"whole"])
    reader.read(1, 3)
    assert value(reader.file(b"a"))[1] == [b"whole"]
    assert (reader.produced, reader.completed) == (1, 1)
    assert reader.read(2) == [NeedFile(2)]


def test_reset_drops_the_current_file_and_the_counts() -> None:
    """D16.8"""
    reader = reader_of(a=[b"x", b"y"], b=[b"z"])
    reader.read(1)
    reader.file(b"a")
    reader.reset()
    assert (reader.produced, reader.completed) == (0, 0)
    assert format_of(reader).closed == 1
    assert reader.read(2) == [NeedFile(2)]
    assert value(reader.file(b"b")) == [b"b:1", b"z"]


def test_a_state_brings_back_the_counts_and_the_place() -> None:
    """D16.9, D9"""
    files: Mapping[str, Any] = {"a": [b"x"], "b": [b"y", b"z"]}
    reader = reader_of(**files)
    reader.read(1)
    reader.file(b"a")
    reader.read(2)
    reader.file(b"b")
    other = reader_of(**files)
    assert other.restore(reader.state()) == []
    assert (other.produced, other.completed) == (2, 1)
    assert other.state() == reader.state()
    assert value(other.read(3)) == [b"b:2", b"z"]


def test_a_state_holds_a_file_name_that_was_not_started() -> None:
    reader, other = reader_of(a=[b"x"]), reader_of(a=[b"x"])
    reader.read(1)
    reader.withdraw(1, CancelledError(None, None, "stop"))
    reader.file(b"a")
    other.restore(reader.state())
    assert value(other.read(2)) == [b"a:1", b"x"]


def test_an_attempt_that_waits_goes_on_at_the_restored_place() -> None:
    reader = reader_of(a=[b"x", b"y"], b=[b"z"])
    reader.read(1)
    reader.file(b"a")
    saved = reader.state()
    reader.reset()
    assert reader.read(2) == [NeedFile(2)]
    assert value(reader.restore(saved)) == [b"a:2", b"y"]
    assert reader.file(b"b") == []
    assert value(reader.read(3)) == [b"b:1", b"z"]


def test_restoring_keeps_a_file_name_that_was_not_started() -> None:
    reader = reader_of(a=[b"x"])
    saved = reader.state()
    reader.read(1)
    reader.withdraw(1, CancelledError(None, None, "stop"))
    reader.file(b"a")
    reader.restore(saved)
    assert value(reader.read(2)) == [b"a:1", b"x"]


def test_a_file_name_of_any_bytes_survives_a_state() -> None:
    path = b"caf\xe9 \xf0\x9f\x8d\x8b"
    files = {path.decode(errors="surrogateescape"): [b"x", b"y"]}
    reader, other = (Reader("r", "MemoryReader", lambda: Memory(files)) for _ in range(2))
    reader.file(path)
    other.restore(reader.state())
    assert values_left(other) == [b"x", b"y"]


def broken_states() -> list[bytes]:
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    good = reader.state()
    return [b"", good[1:], good[:-1], good + b"ExtraJunk", b"PREFIX" + good, b"BOGUS" + good[5:], b"[]"]


@pytest.mark.parametrize("state", broken_states())
def test_a_broken_state_is_an_error_that_names_the_reader_and_leaves_it_reset(state: bytes) -> None:
    """D16.10"""
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    with pytest.raises(InvalidArgumentError, match="Could not parse state for MemoryReader 'r'"):
        reader.restore(state)
    assert (reader.produced, reader.completed) == (0, 0)
    assert reader.read(2) == [NeedFile(2)]


def test_the_state_of_another_kind_of_reader_is_refused() -> None:
    other = Reader("o", "OtherReader", lambda: Memory({}))
    with pytest.raises(InvalidArgumentError, match="the state of a OtherReader"):
        reader_of().restore(other.state())


def test_a_state_is_text_that_one_can_read() -> None:
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    assert json.loads(reader.state()[9:])["path"] == "a"


# -- all formats


def test_every_reader_has_a_sample_file() -> None:
    assert SAMPLES.keys() == READERS.keys()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_restored_reader_goes_on_where_it_stopped(kind: str, tmp_path: Path) -> None:
    """D9"""
    path = tmp_path / "sample"
    path.write_bytes(SAMPLES[kind])
    make = partial(READERS[kind], **OPTIONS.get(kind, {}))
    reader, states = Reader("r", kind, make), []
    reader.file(str(path).encode())
    values = []
    while not isinstance(effect := only(reader.read(1)), NeedFile):
        values.append(effect.value[1].item())
        states.append(reader.state())
    assert len(values) >= (1 if getattr(READERS[kind], "ends_with_record", False) else 3)
    for count, state in enumerate(states, start=1):
        restored = Reader("r", kind, make)
        restored.restore(state)
        assert values_left(restored) == values[count:]


# -- any order of events


CALLS = ["read", "many", "file", "none", "withdraw", "checkpoint"]


@given(st.lists(st.sampled_from(CALLS), max_size=60), st.randoms())
def test_no_record_is_lost_or_repeated_or_out_of_order(calls: list[str], random: Random) -> None:
    """Whatever happens, the records come in the order of the files, and a state in between changes nothing."""
    files = {f"f{i}": [b"%d.%d" % (i, k) for k in range(i % 4)] for i in range(len(calls))}
    reader = Reader("r", "MemoryReader", lambda: Memory(files))
    waiting: list[int] = []
    sent: list[str] = []
    got: list[bytes] = []
    requests = 0
    for ticket, call in enumerate(calls):
        effects: Effects = []
        if call in ("read", "many"):
            waiting.append(ticket)
            effects = reader.read(ticket, None if call == "read" else 2)
        elif call == "file" and requests:
            requests -= 1
            sent.append(f"f{len(sent)}")
            effects = reader.file(sent[-1].encode())
        elif call == "none" and requests:
            requests -= 1
            effects = reader.no_file(OutOfRangeError(None, None, "closed"))
        elif call == "withdraw" and waiting:
            effects = reader.withdraw(random.choice(waiting), CancelledError(None, None, "stop"))
        elif call == "checkpoint" and not waiting and not requests:
            state = reader.state()
            reader = Reader("r", "MemoryReader", lambda: Memory(files))
            reader.restore(state)
        for effect in effects:
            if isinstance(effect, NeedFile):
                requests += 1
                continue
            waiting.remove(effect.ticket)
            if effect.value is not None:
                got += np.atleast_1d(effect.value[1]).tolist()
        assert requests <= 1
        assert requests or not waiting
    expected = [record for path in sent for record in files[path]]
    assert got == expected[: len(got)]
    assert reader.produced == len(got)
    assert waiting or got + values_left(reader) == expected


# -- deliveries


def unacknowledged_reader(**files: Any) -> Reader:
    """A reader that unacknowledged out the records of `a` in three replies, with the tickets 1, 2 and 3."""
    reader = reader_of(**files)
    reader.read(1, ack=True)
    reader.file(b"a")
    reader.read(2, ack=True)
    reader.read(3, ack=True)
    return reader


def test_records_that_come_back_are_read_again_in_their_order_with_the_old_counts() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z", b"end"])
    for ticket in (2, 3, 1):
        assert reader.take_back(ticket) == []
    assert reader.produced == 0
    assert [value(reader.read(ticket))[1] for ticket in range(4, 8)] == [b"x", b"y", b"z", b"end"]
    assert reader.produced == 4


def test_records_that_come_back_a_second_time_keep_their_order() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z", b"end"])
    reader.take_back(1)
    reader.take_back(2)
    reader.read(4, ack=True)
    reader.read(5, ack=True)
    reader.take_back(5)
    reader.take_back(4)
    reader.take_back(3)
    assert [value(reader.read(ticket))[1] for ticket in range(6, 10)] == [b"x", b"y", b"z", b"end"]


def test_an_acknowledged_record_does_not_come_back() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"])
    assert reader.acknowledge(1) == []
    assert reader.take_back(1) == []
    reader.take_back(2)
    assert value(reader.read(4))[1] == b"y"
    assert reader.produced == 3


def test_a_record_that_needs_no_acknowledgement_does_not_come_back() -> None:
    reader = reader_of(a=[b"x", b"y"])
    reader.read(1)
    reader.file(b"a")
    assert reader.take_back(1) == []
    assert value(reader.read(2))[1] == b"y"


def test_a_read_that_waits_for_a_file_gets_what_comes_back_and_the_file_serves_the_next() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"], b=[b"w"])
    assert reader.read(4) == [NeedFile(4)]
    assert value(reader.take_back(2)) == [b"a:2", b"y"]
    assert reader.file(b"b") == []
    assert value(reader.read(5)) == [b"b:1", b"w"]


def test_a_returned_batch_is_handed_out_in_parts_and_completes_its_file_with_the_last() -> None:
    reader = reader_of(a=[b"x", b"y", b"z"])
    reader.read(1, 5, ack=True)
    reader.file(b"a")
    assert (reader.produced, reader.completed) == (3, 1)
    reader.take_back(1)
    assert (reader.produced, reader.completed) == (0, 0)
    assert value(reader.read(2, 2))[1] == [b"x", b"y"]
    assert (reader.produced, reader.completed) == (2, 0)
    assert value(reader.read(3, 2))[1] == [b"z"]
    assert (reader.produced, reader.completed) == (3, 1)


def test_the_end_of_the_input_is_told_when_no_unacknowledged_record_can_come_back() -> None:
    closed = OutOfRangeError(None, None, "closed")
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"])
    assert reader.read(4) == [NeedFile(4)]
    assert reader.no_file(closed) == []
    reader.acknowledge(1)
    reader.acknowledge(2)
    assert error(reader.acknowledge(3)) is closed


def test_a_record_that_comes_back_before_the_end_of_the_input_is_told_is_read_first() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"])
    reader.read(4)
    reader.read(5)
    reader.no_file(OutOfRangeError(None, None, "closed"))
    served, request = reader.take_back(3)
    assert isinstance(served, Reply)
    assert served.ticket == 4
    assert request == NeedFile(5)


def test_the_next_read_asks_again_when_the_one_that_met_the_end_of_the_input_is_withdrawn() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"])
    reader.read(4)
    reader.read(5)
    reader.no_file(OutOfRangeError(None, None, "closed"))
    cancelled, request = reader.withdraw(4, CancelledError(None, None, "stop"))
    assert isinstance(cancelled, Reply)
    assert request == NeedFile(5)


def test_nothing_comes_back_to_a_reader_that_was_reset_meanwhile() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"], b=[b"w"])
    reader.take_back(1)
    reader.reset()
    assert reader.take_back(2) == []
    assert reader.read(4) == [NeedFile(4)]
    assert value(reader.file(b"b")) == [b"b:1", b"w"]
    assert (reader.produced, reader.completed) == (1, 0)


def test_a_reset_tells_the_end_of_the_input_when_the_last_delivery_is_settled() -> None:
    reader = unacknowledged_reader(a=[b"x", b"y", b"z"])
    reader.read(4)
    reader.no_file(OutOfRangeError(None, None, "closed"))
    reader.reset()
    assert reader.take_back(1) == []
    assert reader.acknowledge(2) == []
    assert isinstance(error(reader.take_back(3)), OutOfRangeError)


def test_a_state_holds_the_records_that_came_back() -> None:
    files: Mapping[str, Any] = {"a": [b"x", b"\xff\x00", b"z", b"end"]}
    reader, other = unacknowledged_reader(**files), reader_of(**files)
    reader.take_back(3)
    reader.take_back(2)
    other.restore(reader.state())
    assert (other.produced, other.completed) == (1, 0)
    assert values_left(other) == [b"\xff\x00", b"z", b"end"]


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_lending_loses_and_repeats_no_record(seed: int, limit: int) -> None:
    """What is acknowledged in the end is each record once, in order but for what others hold meanwhile."""
    random = Random(seed)
    files = {name: [f"{name}{i}".encode() for i in range(random.randrange(6))] for name in "abc"}
    reader, names, unacknowledged, got = reader_of(**files), list(files), {}, []
    ticket, ended = 0, False
    while not ended or unacknowledged:
        if unacknowledged and (ended or random.random() < 0.5):
            number = random.choice(list(unacknowledged))
            records = unacknowledged.pop(number)
            if random.random() < 0.5:
                got += records
                effects = reader.acknowledge(number)
            else:
                ended = False
                effects = reader.take_back(number)
        elif not ended:
            ticket += 1
            ended = True  # until it is known better: a read waits
            effects = reader.read(ticket, limit, ack=True)
        for effect in (pending := list(effects)):
            if isinstance(effect, NeedFile):
                more = OutOfRangeError(None, None, "closed")
                pending += reader.file(os.fsencode(names.pop(0))) if names else reader.no_file(more)
            elif effect.error is None:
                assert effect.value is not None
                unacknowledged[effect.ticket] = effect.value[1].tolist()
                ended = False
    assert sorted(got) == sorted(record for records in files.values() for record in records)
    assert reader.produced == len(got)
    assert reader.completed == len(files)
