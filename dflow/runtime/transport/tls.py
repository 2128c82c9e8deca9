"""TLS on a blocking socket: one thread can read while another one writes.

The TLS connection is separate from its socket (`ssl.MemoryBIO`).  A thread locks it while it encrypts or decrypts, and
waits for the socket without the lock.

Why: OpenSSL's connection is for one thread at a time, and `ssl.SSLSocket` holds it while it waits for the other end.
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
        """Encrypt.  The results must be sent in the order of the calls."""
        with self._lock:
            for buffer in buffers:
                rest = memoryview(buffer).cast("B")
                while rest:
                    rest = rest[self._connection.write(rest) :]
            return self._to_send.read()

    def stream(self, sock: socket.socket) -> io.BufferedReader:
        """The decrypted bytes of the other end.  Reading waits."""
        return io.BufferedReader(_Decrypted(self, sock))

    def read_into(self, buffer: memoryview) -> int | None:
        """Decrypt received bytes; returns their number.  0 at the end, None if more bytes must be received first."""
        with self._lock:
            try:
                size: Any = self._connection.read(len(buffer), buffer)  # typed as if it gave the bytes
                return int(size)
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLZeroReturnError:
                return 0

    def came(self, data: bytes) -> None:
        """Take bytes that the socket received, still encrypted."""
        with self._lock:
            self._received.write(data)

    async def shake_hands(self, sock: socket.socket) -> None:
        """Do the TLS handshake over a socket that does not block; ssl.SSLError, an OSError, if either end refuses."""
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
