"""What the tests of readers share."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import dflow as df


def records(form: Any, path: Path | str, state: Any = None) -> list[tuple[bytes, bytes]]:
    """All (key, value) that a format reads from a file."""
    form.open(str(path), state)
    try:
        return list(iter(form.read, None))
    finally:
        form.close()


def values(form: Any, path: Path | str, state: Any = None) -> list[bytes]:
    return [value for _, value in records(form, path, state)]


def file_names(*paths: Path | str) -> tuple[df.FIFOQueue, df.Operation]:
    """A queue of file names, and what fills and closes it."""
    queue = df.FIFOQueue(100, [df.string], [()])
    with df.control_dependencies([queue.enqueue_many([[str(path) for path in paths]])]):
        return queue, queue.close()


def run_to_end(sess: df.Session, fetches: Any) -> list[Any]:
    """What run after run gives, until the reader has no more files."""
    found = []
    try:
        while True:
            found.append(sess.run(fetches))
    except df.errors.OutOfRangeError:
        return found


def mutated(data: bytes, random: Random) -> bytes:
    """`data` with something broken: bytes changed, cut out, put in, doubled, or cut off."""
    place = random.randrange(len(data) + 1)
    end = min(place + random.choice((1, 1, 2, 4, 30)), len(data))
    noise = random.randbytes(end - place)
    change = random.randrange(6)
    if change == 0:
        return data[:place]
    if change == 1:
        return data[:place] + data[end:]
    if change == 2:
        return data[:place] + noise + data[place:]
    if change == 3:
        return data[:end] + data[place:]
    if change == 4:
        return data[:place] + bytes(end - place) + data[end:]
    return data[:place] + noise + data[end:]
