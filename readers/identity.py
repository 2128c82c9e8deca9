"""Work items as records: for queues whose elements are no files."""

from __future__ import annotations

import os

from dflow.ops.readers import ReaderBase
from dflow.registry import reader


class IdentityReader(ReaderBase):
    """Hands out the work items themselves: `read` gives (item, item), scalar strings.

    Source: tf.IdentityReader of TensorFlow 1.15.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__("IdentityReader", {}, name)


@reader("IdentityReader")
class Items:
    """The format of an `IdentityReader`.  It has no state."""

    ends_with_record = True

    def __init__(self) -> None:
        self._item = b""

    def open(self, path: str, state: None = None) -> None:
        """Start with an item; nothing is opened."""
        self._item = os.fsencode(path)

    def read(self) -> tuple[bytes, bytes]:
        """(item, item)."""
        return self._item, self._item

    def state(self) -> None:
        return None

    def close(self) -> None:
        """Nothing is open."""
