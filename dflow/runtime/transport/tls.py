"""TLS on a blocking socket that one thread reads while another one writes to it.

OpenSSL's connection is for one thread at a time, and `ssl.SSLSocket` keeps it while it waits for the other end.  So the
connection is kept apart from its socket (`ssl.MemoryBIO`): a thread has it while it encrypts or decrypts, and waits
for the socket without it.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

Buffer = bytes | memoryview

READ = 1 << 18  # bytes that are received at once


class Tls:
    """One end of a connection whose handshake is done.  It holds no socket."""

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._connection = context.wrap_bio(self._received, self._to_send, server_side)
        self._lock = threading.Lock()

    def seal(self, buffers: Sequence[Buffer]) -> bytes:
        """Encrypt; what was sealed first is to be sent first."""
        with self._lock:
            for buffer in buffers:
                rest = memoryview(buffer).cast("B")
                while rest:
                    rest = rest[self._connection.write(rest) :]
            return self._to_send.read()

    def stream(self, sock: socket.socket) -> io.BufferedReader:
        """What the other end says, decrypted.  Reading waits."""
        return io.BufferedReader(_Decrypted(self, sock))

    def read_into(self, buffer: memoryview) -> int | None:
        """Decrypt what has come: how many bytes that gives; 0 at the end, None if more must come first."""
        with self._lock:
            try:
                size: Any = self._connection.read(len(buffer), buffer)  # typed as if it gave the bytes
                return int(size)
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLZeroReturnError:
                return 0

    def came(self, data: bytes) -> None:
        """Take what the socket received."""
        with self._lock:
            self._received.write(data)

    async def shake_hands(self, sock: socket.socket) -> None:
        """Agree with the other end over a socket that does not block; ssl.SSLError, an OSError, if either says no."""
        loop = asyncio.get_running_loop()
        done = False
        while not done:
            try:
                self._connection.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            await loop.sock_sendall(sock, self._to_send.read())
            if not done:
                data = await loop.sock_recv(sock, READ)
                if not data:
                    raise EOFError
                self._received.write(data)


class _Decrypted(io.RawIOBase):
    def __init__(self, tls: Tls, sock: socket.socket) -> None:
        self._tls = tls
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while (size := self._tls.read_into(memoryview(buffer))) is None:
            data = self._sock.recv(READ)
            if not data:
                return 0
            self._tls.came(data)
        return size
