"""Files as they are: one record a file."""

from __future__ import annotations

import os

from dflow.ops.readers import ReaderBase
from dflow.readers.text import open_file
from dflow.registry import reader


class WholeFileReader(ReaderBase):
    """Hands out files whole.

    `read` gives (key, value), scalar strings: the file name, and its content, which may be empty.
    File names are local paths, or URLs of any file system that fsspec knows.
    A file that cannot be read fails the read, and the reader stays there: the next read tries it again.
    Source: tf.WholeFileReader of TensorFlow 1.15.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__("WholeFileReader", {}, name)


@reader("WholeFileReader")
class WholeFiles:
    """The format of a `WholeFileReader`.  It has no place inside of a file, so no state."""

    ends_with_record = True

    def __init__(self) -> None:
        self._path = ""

    def open(self, path: str, state: None = None) -> None:
        """Start with a file.  It is opened by `read`, so that a missing one is tried again."""
        self._path = path

    def read(self) -> tuple[bytes, bytes]:
        """(file name, content).  Raises OSError if the file cannot be read."""
        with open_file(self._path) as file:
            return os.fsencode(self._path), file.read()

    def state(self) -> None:
        return None

    def close(self) -> None:
        """Nothing is open between two reads."""
