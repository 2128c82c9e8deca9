"""Links: the carriers of channels after the handshake.  A plain socket, a socket with TLS, or a comm of distributed.

A message is a head with the sizes, a pickle, and its large arrays, which are not copied.  Over a socket, the thread
that sends a message writes it, and the thread that reads a message handles it, without an event loop between them.

Why: measured on one machine, a round trip of 200 bytes that wakes the caller at its end takes 17 us over a plain
socket, TCP or Unix; 20 to 30 us with `multiprocessing.connection`, whose `send` may wait; and 26 us with pyzmq, which
does not tell that a peer is gone.  A `Session.run` of one operation on a cluster takes 0.24 ms over a socket, 1.1 ms
over a comm.
"""

from __future__ import annotations

import asyncio
import io
import logging
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import numpy as np
from distributed.comm import Comm, CommClosedError
from distributed.protocol import Serialized
from distributed.protocol.pickle import dumps

from dflow import forks
from dflow.runtime.threads.leader_followers import LeaderFollowers
from dflow.runtime.transport.handshake import Wire
from dflow.runtime.transport.tls import Buffer, Tls

logger = logging.getLogger("dflow.channel")

Frame = list[Buffer]  # a message: the head, the pickle, the bytes of each large array

SMALL = 1024  # bytes; an array up to this size is pickled with the rest, which takes less time than a read of its own
SEALED = 1 << 18  # bytes that are encrypted at once
MANY = 1000  # buffers of one system call, which takes 1024

_HEAD = struct.Struct("<QQ")  # the size of the pickle, the number of arrays; then the size of each array
_SIZE = struct.Struct("<Q")


# -- messages as bytes


def encode(message: Any) -> Frame:
    """A message as buffers; raises if it cannot be pickled.  Classes and functions of `__main__` go by value.

    Its class and a list of its fields are pickled: this takes a third of the time of pickling the data class itself.
    """
    kind, arrays = type(message), list[memoryview]()
    content = kind, [getattr(message, name) for name in kind.__match_args__]
    try:
        body = pickle.dumps(content, 5, buffer_callback=partial(_is_small, arrays))
    except Exception:
        body = None
    if body is None or b"__main__" in body:
        arrays.clear()
        body = dumps(content, buffer_callback=lambda array: arrays.append(array.raw()), protocol=5)
    head = _HEAD.pack(len(body), len(arrays)) + b"".join([_SIZE.pack(view.nbytes) for view in arrays])
    return [head, body, *arrays]


def _is_small(large: list[memoryview], array: pickle.PickleBuffer) -> bool:
    """Whether the pickler includes the array.  If not, it is collected in `large`."""
    view = array.raw()
    if view.nbytes <= SMALL:
        return True
    large.append(view)
    return False


def read_message(stream: io.BufferedReader) -> Any:
    """The next message, with arrays of the caller's own.  EOFError at the end."""
    size, count = _HEAD.unpack(_read(stream, _HEAD.size))
    sizes = _read(stream, count * _SIZE.size) if count else b""
    body = _read(stream, size)
    kind, fields = pickle.loads(body, buffers=[_read_array(stream, n) for (n,) in _SIZE.iter_unpack(sizes)])
    return kind(*fields)


def _read(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _read_array(stream: io.BufferedReader, size: int) -> np.ndarray[Any, Any]:
    array = np.empty(size, np.uint8)  # unlike a bytearray, not filled with zeros first
    if stream.readinto(array.data) < size:
        raise EOFError
    return array


def after(buffers: Sequence[Buffer], sent: int) -> Frame:
    """The rest of the buffers after the first `sent` bytes."""
    for i, buffer in enumerate(buffers):
        size = len(buffer)
        if sent < size:
            return [memoryview(buffer)[sent:], *buffers[i + 1 :]]
        sent -= size
    return []


# -- links


class Carried(Protocol):
    """A channel, as its link sees it.  handle: called with each message that arrives."""

    peer: str
    closing: bool
    handle: Callable[[Any], None]

    def take(self) -> list[Frame]: ...

    def ended(self) -> None: ...


class Link(Protocol):
    """The carrier of a channel, as the channel sees it.  Its methods do not wait."""

    def write_now(self, frame: Frame) -> Frame:
        """Write as much as the system takes at once; returns the rest.  Never called while a writer works."""

    def start_writer(self) -> None:
        """Start a writer, which writes `channel.take()` until it is empty, then closes if the channel is closing."""

    def cut(self) -> None:
        """End the connection at once, in any thread: readers and writers at both ends end."""


class SocketLink:
    """A blocking socket: one thread of the pool reads.  Another one writes while messages wait to be written."""

    def __init__(self, channel: Carried, sock: socket.socket, threads: LeaderFollowers) -> None:
        self._channel = channel
        self._sock = sock
        self._stream = self._make_stream()
        self._threads = threads
        self._writing = threading.Lock()
        forks.close_in_child(sock)

    def _make_stream(self) -> io.BufferedReader:
        return self._sock.makefile("rb")

    def start_reader(self) -> None:
        if not self._threads.start(self._read):
            self._end()

    def _read(self) -> None:
        """Handle messages until one gives this thread work, or until the end."""
        try:
            while not self._handle_next():
                pass
            return
        except (OSError, EOFError):
            pass  # the end of the channel
        except Exception:
            logger.exception("the channel to %s ends: a message from it cannot be read", self._channel.peer)
        self._end()

    def _handle_next(self) -> bool:
        """Handle a message.  True if this thread has done the work of the message while another thread reads on."""
        work = self._threads.handle(partial(self._channel.handle, read_message(self._stream)))
        return bool(work) and self._threads.do(work, lead=self._read)

    def _end(self) -> None:
        self.cut()
        self._channel.ended()  # from here on only a writer uses the socket
        with self._writing:
            self._stream.close()
            self._sock.close()

    def write_now(self, frame: Frame) -> Frame:
        try:
            return after(frame, self._sock.sendmsg(frame[:MANY], [], socket.MSG_DONTWAIT))
        except OSError:  # it takes no more now; or it is down, which the writer and the reader notice
            return frame

    def start_writer(self) -> None:
        if not self._threads.start(self._write):
            self.cut()

    def _write(self) -> None:
        with self._writing:
            try:
                while frames := self._channel.take():
                    self._write_all(frames)
            except OSError:
                self.cut()
        if self._channel.closing:
            self.cut()

    def _write_all(self, frames: list[Frame]) -> None:
        rest = [buffer for frame in frames for buffer in frame]
        while rest:
            rest = after(rest, self._sock.sendmsg(rest[:MANY]))

    def cut(self) -> None:  # the system still sends the bytes that it has taken
        with suppress(OSError):  # it is down already
            self._sock.shutdown(socket.SHUT_RDWR)


class Sealed(list[Buffer]):
    """An encrypted frame, or the rest of one that is partly sent."""


class TlsLink(SocketLink):
    """A socket with TLS."""

    def __init__(self, channel: Carried, sock: socket.socket, threads: LeaderFollowers, tls: Tls) -> None:
        self._tls = tls
        super().__init__(channel, sock, threads)

    def _make_stream(self) -> io.BufferedReader:
        return self._tls.stream(self._sock)

    def write_now(self, frame: Frame) -> Frame:
        if sum(map(len, frame)) > SEALED:  # this would take the sender too long: the writer encrypts it
            return frame
        return Sealed(super().write_now([self._tls.seal(frame)]))

    def _write_all(self, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, Sealed):
                super()._write_all([frame])
            else:
                for piece in _pieces(frame):
                    super()._write_all([[self._tls.seal(piece)]])


def _pieces(frame: Frame) -> Iterator[Frame]:
    """The frame in pieces of at most `SEALED` bytes."""
    for buffer in frame:
        for start in range(0, len(buffer), SEALED):
            yield [memoryview(buffer)[start : start + SEALED]]


def socket_link(channel: Carried, wire: Wire, threads: LeaderFollowers) -> SocketLink:
    return (
        SocketLink(channel, wire.sock, threads) if wire.tls is None else TlsLink(channel, wire.sock, threads, wire.tls)
    )


class CommLink:
    """A comm of distributed: all reading and writing happens on the event loop.

    Messages that are sent during one write go together in the next write.
    """

    def __init__(self, channel: Carried, comm: Comm) -> None:
        self._channel = channel
        self._comm = comm
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Handle messages until the end."""
        try:
            while True:
                batch = await self._comm.read()
                for kind, fields in batch["batch"]:
                    self._channel.handle(kind(*fields))
        except (OSError, EOFError):
            pass  # the end of the channel
        except Exception:
            logger.exception("the channel to %s ends: a message from it cannot be read", self._channel.peer)
        finally:
            if self._writer is not None:
                self._writer.cancel()
            self._comm.abort()
            self._channel.ended()

    def write_now(self, frame: Frame) -> Frame:
        return frame

    def start_writer(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._start_writer)
        except RuntimeError:  # the loop has stopped: this process is ending
            self._channel.ended()

    def cut(self) -> None:
        with suppress(RuntimeError):  # the loop has stopped: this process is ending
            self._loop.call_soon_threadsafe(self._comm.abort)

    def _start_writer(self) -> None:
        self._writer = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while frames := self._channel.take():
                await self._comm.write({"batch": [_serialized(frame) for frame in frames]})
                await drained(self._comm)  # the next `take` reports the frames of this one as sent
                await asyncio.sleep(0)  # lets other tasks of this event loop run
            if self._channel.closing:
                await self._comm.close()  # the reader ends as well
        except Exception as error:
            if not isinstance(error, OSError):
                logger.exception("the channel to %s ends: it cannot be written to", self._channel.peer)
            self._comm.abort()


def _serialized(frame: Frame) -> Serialized:
    """A frame in the form of distributed's own pickling."""
    _, body, *arrays = frame
    writeable = tuple(isinstance(array, memoryview) and not array.readonly for array in arrays)
    return Serialized({"serializer": "pickle", "writeable": writeable}, [body, *arrays])


async def drained(comm: Any) -> None:
    """Wait until the system has taken all bytes written to a comm, so that none is lost if this process ends.

    `write` of a comm over TCP or TLS does not wait for its stream, which keeps the bytes that the socket does not take
    at once.  Other comms have no stream, and their `write` waits.  OSError if the comm ends before.
    """
    if not hasattr(comm, "stream"):
        return
    stream = comm.stream
    if stream is None or stream.closed():  # perhaps during `write`, which raises no error then
        raise CommClosedError("the connection is closed")
    if stream.writing():
        await stream.write(b"")
