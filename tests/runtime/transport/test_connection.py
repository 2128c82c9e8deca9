"""Messages as bytes, and back; what is left of a frame that was sent in part."""

import io
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dflow.runtime.transport.connection import SMALL, after, encode, read_message


@dataclass(frozen=True, slots=True)
class Message:
    """What all these messages are."""

    value: Any


def stream(*values: Any) -> io.BufferedReader:
    raw = io.BytesIO(b"".join(bytes(buffer) for value in values for buffer in encode(Message(value))))
    return io.BufferedReader(raw)  # type: ignore[arg-type]


def read(coming: io.BufferedReader) -> Any:
    message = read_message(coming)
    assert isinstance(message, Message)
    return message.value


def test_messages_come_in_order_and_then_the_end() -> None:
    coming = stream("one", [2, np.arange(3)], "three")
    assert read(coming) == "one"
    np.testing.assert_array_equal(read(coming)[1], [0, 1, 2])
    assert read(coming) == "three"
    with pytest.raises(EOFError):
        read(coming)


def test_arrays_are_not_copied_into_the_pickle_and_may_be_written_to_where_they_arrive() -> None:
    array = np.arange(1000.0)
    _, body, sent = encode(Message(array))
    assert len(body) < 500
    assert np.shares_memory(np.frombuffer(sent), array)
    came = read(stream(array))
    came[0] = 7.0
    assert came.flags.writeable


def test_small_arrays_are_part_of_the_pickle_and_may_be_written_to_where_they_arrive() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert len(encode(Message(array))) == 2
    came = read(stream(array))
    np.testing.assert_array_equal(came, array)
    came[0] = 7.0
    assert came.flags.writeable


@pytest.mark.parametrize("size", [3, SMALL])
def test_what_is_read_only_arrives_read_only(size: int) -> None:
    array = np.arange(size)
    array.flags.writeable = False
    assert not read(stream(array)).flags.writeable


class Own:
    """Pickled by value where this module is the program."""


def test_what_was_defined_in_the_program_itself_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "__module__", "__main__")
    large = np.arange(1000.0)
    _, body, *arrays = encode(Message([Own(), large]))
    assert len(arrays) == 1
    assert b"Pickled by value" in body


@pytest.mark.parametrize("cut", [5, 20, 60, -1])
def test_a_message_that_is_cut_off_is_the_end(cut: int) -> None:
    sent = b"".join(bytes(buffer) for buffer in encode(Message(np.arange(SMALL))))
    with pytest.raises(EOFError):
        read(io.BufferedReader(io.BytesIO(sent[:cut])))  # type: ignore[arg-type]


def test_what_cannot_be_pickled_raises() -> None:
    with pytest.raises(TypeError, match="lock"):
        encode(Message(threading.Lock()))


@pytest.mark.parametrize("sent", range(8))
def test_what_is_left_is_what_was_not_sent(sent: int) -> None:
    buffers = [b"abc", b"", memoryview(b"de"), b"", b"fg"]
    assert b"".join(bytes(buffer) for buffer in after(buffers, sent)) == b"abcdefg"[sent:]


def test_nothing_is_left_when_all_is_sent() -> None:
    assert after([b"abc", b""], 3) == []
