"""What can be seen of a loop that reads files, computes and enqueues: with batching it must be what it is without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np

import dflow as df

Compute = Callable[[Any, Any], list[Any]]


class Seen:
    """What can be seen of a loop that read some files.  Two are equal if they are the same bit by bit."""

    def __init__(self, rows: list[Any], error: df.errors.OpError | None, counts: list[int], iterations: int) -> None:
        self.rows = rows
        self.error = None if error is None else (type(error), error.message)
        self.counts = counts
        self.iterations = iterations

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)  # NaN is NaN, and -0.0 is not 0.0

    def __repr__(self) -> str:
        return repr(vars(self))


def run(
    folder: Path,
    files: Sequence[str | bytes],
    compute: Compute,
    *,
    batched: bool,
    steps: int | None = None,
    queue: Callable[[list[Any], list[Any]], Any] | None = None,
    reader: Callable[[], Any] = df.TextLineReader,
) -> Seen:
    """Read the files with a loop; the queue has room for all."""
    paths = [folder / f"file {i}" for i in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with df.Graph().as_default(), dask.config.set({"dflow.fast-loops": batched}):
        names = df.FIFOQueue(100, [df.string], shapes=[[]])
        source = reader()
        key, value = source.read(names)
        elements = [df.convert_to_tensor(element) for element in compute(key, value)]
        dtypes, shapes = [e.dtype for e in elements], [e.shape for e in elements]
        into = make_queue(dtypes, shapes) if queue is None else queue(dtypes, shapes)
        enqueue = into.enqueue(elements)
        fill, shut, size = names.enqueue_many([[str(p) for p in paths]]), names.close(), into.size()
        out, produced, completed = into.dequeue(), source.num_records_produced(), source.num_work_units_completed()
        with df.Session() as sess:
            sess.run(fill)
            sess.run(shut)
            loop = sess.repeat(enqueue, steps=steps)
            error = None
            try:
                loop.join()
            except df.errors.OpError as found:
                error = found
            take = sess.make_callable(out)
            rows = [_plain(take()) for _ in range(sess.run(size))]
            counts = [int(n) for n in sess.run([produced, completed])]
    return Seen(rows, error, counts, loop.steps or 0)


def make_queue(dtypes: list[Any], shapes: list[Any]) -> Any:
    """A FIFO queue; without shapes where they are open."""
    known = all(shape.is_fully_defined() for shape in shapes)
    return df.FIFOQueue(10_000, dtypes, shapes=shapes if known else None)


def _plain(element: Any) -> tuple[Any, ...]:
    parts = element if isinstance(element, (list, tuple)) else [element]
    return tuple(part if isinstance(part, bytes) else np.asarray(part).tolist() for part in parts)


def same(folder: Path, files: Sequence[str | bytes], compute: Compute, **options: Any) -> Seen:
    """What is seen with batching, which must be what is seen without it."""
    plain = run(folder, files, compute, batched=False, **options)
    many = run(folder, files, compute, batched=True, **options)
    assert many == plain
    return many
