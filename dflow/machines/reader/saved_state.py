"""The state of a reader as bytes: text with a checksum, the same on any machine."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import Any

Record = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ReaderState:
    """The place of a reader and its counts, see `Reader`."""

    kind: str
    produced: int
    completed: int
    path: bytes | None  # the file in progress
    place: Any  # in that file, as the format defines it, in values that JSON can hold
    files: list[bytes]  # not started yet
    returned: list[tuple[list[Record], bool]]  # records to be read first, and whether their file ends with them

    def to_bytes(self) -> bytes:
        saved = {
            "kind": self.kind,
            "produced": self.produced,
            "completed": self.completed,
            "path": None if self.path is None else os.fsdecode(self.path),
            "place": self.place,
            "files": [os.fsdecode(path) for path in self.files],
            "returned": [([_texts(record) for record in records], ends_file) for records, ends_file in self.returned],
        }
        body = json.dumps(saved, separators=(",", ":")).encode()
        return _checksum(body) + body

    @staticmethod
    def from_bytes(data: bytes) -> ReaderState:
        """The state from the result of `to_bytes`; ValueError for other bytes."""
        body = data[9:]
        if data[:9] != _checksum(body):
            raise ValueError("its checksum does not fit")
        saved: dict[str, Any] = json.loads(body)
        return ReaderState(
            saved["kind"],
            saved["produced"],
            saved["completed"],
            None if saved["path"] is None else os.fsencode(saved["path"]),
            saved["place"],
            [os.fsencode(path) for path in saved["files"]],
            [([_record(texts) for texts in records], ends_file) for records, ends_file in saved["returned"]],
        )


def _texts(record: Record) -> list[str]:
    """A record as text for JSON; any bytes are possible."""
    return [part.decode("latin-1") for part in record]


def _record(texts: list[str]) -> Record:
    key, value = texts
    return key.encode("latin-1"), value.encode("latin-1")


def _checksum(body: bytes) -> bytes:
    return b"%08x " % zlib.crc32(body)
