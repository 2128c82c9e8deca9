"""Loop batching: a loop that takes many records at once gives what it gives record by record."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dflow as df
from dflow.runtime.batched import BatchedBody
from dflow.runtime.process import Process

Compute = Callable[[Any, Any], list[Any]]
_names = itertools.count()


class Seen:
    """What can be seen of a loop that read some files."""

    def __init__(self, rows: list[Any], error: df.errors.OpError | None, counts: list[int], iterations: int) -> None:
        self.rows = rows
        self.error = None if error is None else (type(error), error.message)
        self.counts = counts
        self.iterations = iterations

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    def __repr__(self) -> str:
        return repr(vars(self))


def run(
    folder: Path,
    files: Sequence[str],
    compute: Compute,
    *,
    batched: bool,
    steps: int | None = None,
    queue: Callable[[list[Any], list[Any]], Any] | None = None,
    reader: Callable[[], Any] = df.TextLineReader,
) -> Seen:
    """Read the files with a loop; the queue has room for all."""
    paths = [folder / f"{next(_names)}" for _ in files]
    for path, text in zip(paths, files, strict=True):
        path.write_text(text)
    with df.Graph().as_default(), dask.config.set({"dflow.loop-batching": batched}):
        names = df.FIFOQueue(100, [df.string], shapes=[[]])
        source = reader()
        key, value = source.read(names)
        elements = [df.convert_to_tensor(element) for element in compute(key, value)]
        dtypes, shapes = [e.dtype for e in elements], [e.shape for e in elements]
        into = df.FIFOQueue(10_000, dtypes, shapes=shapes) if queue is None else queue(dtypes, shapes)
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
        seen = Seen(rows, error, counts, loop.steps or 0)
    for i, path in enumerate(paths):
        if seen.error is not None:
            seen.error = (seen.error[0], seen.error[1].replace(str(path), f"file {i}"))
        seen.rows = [
            tuple(v.replace(str(path).encode(), b"file %d" % i) if isinstance(v, bytes) else v for v in row)
            for row in seen.rows
        ]
    return seen


def _plain(element: Any) -> tuple[Any, ...]:
    parts = element if isinstance(element, (list, tuple)) else [element]
    return tuple(part if isinstance(part, bytes) else np.asarray(part).tolist() for part in parts)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each block took."""
    taken: list[int] = []
    plain = BatchedBody.run

    def counted(self: BatchedBody, most: int) -> int:
        taken.append(plain(self, most))
        return taken[-1]

    monkeypatch.setattr(BatchedBody, "run", counted)
    return taken


def same(folder: Path, files: Sequence[str], compute: Compute, **options: Any) -> Seen:
    """What is seen with batching, which must be what is seen without it."""
    plain = run(folder, files, compute, batched=False, **options)
    many = run(folder, files, compute, batched=True, **options)
    assert many == plain
    return many


def columns(key: Any, value: Any) -> list[Any]:
    x, y = df.decode_csv(value, [[0.0], [0]])
    return [df.stack([x, x * 2.0]), y, key]


LINES = "".join(f"{i}.5,{i}\n" for i in range(200))


def test_a_loop_takes_many_records_at_once(tmp_path: Path, blocks: list[int]) -> None:
    seen = run(tmp_path, [LINES], columns, batched=True)
    assert len(seen.rows) == 200
    assert sum(blocks) == 199  # all but the first, which opens the file


def test_off_means_off(tmp_path: Path, blocks: list[int]) -> None:
    run(tmp_path, [LINES], columns, batched=False)
    assert blocks == []


def test_all_records_of_all_files_come_in_their_order(tmp_path: Path) -> None:
    seen = same(tmp_path, [LINES, "", "1,2\n", LINES], columns)
    assert [row[1] for row in seen.rows] == [*range(200), 2, *range(200)]
    assert seen.rows[200][2] == b"file 2:1"


def test_a_bad_record_is_met_at_its_place_with_its_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen = same(tmp_path, [LINES + "x,1\n" + LINES], columns)
    assert caplog.records == []  # nothing is wrong with the operations
    assert len(seen.rows) == 200
    assert seen.error is not None
    assert "file 0:201" in seen.error[1]
    assert seen.counts == [201, 0]


def test_a_loop_of_so_many_steps_makes_so_many(tmp_path: Path) -> None:
    seen = same(tmp_path, [LINES], columns, steps=123)
    assert len(seen.rows) == 123
    assert seen.iterations == 123


def test_a_missing_file_is_met_at_its_place(tmp_path: Path) -> None:
    def gone(key: Any, value: Any) -> list[Any]:
        return [value]

    folder = tmp_path / "files"
    folder.mkdir()
    with df.Graph().as_default():
        names = df.train.string_input_producer([str(folder / "a"), str(folder / "b")], shuffle=False, num_epochs=1)
        (folder / "a").write_text(LINES)
        queue = df.FIFOQueue(1000, [df.string], shapes=[[]])
        loop_of = queue.enqueue(gone(*df.TextLineReader().read(names)))
        with df.Session() as sess:
            sess.run(df.local_variables_initializer())
            coord = df.train.Coordinator()
            threads = df.train.start_queue_runners(sess, coord)
            with pytest.raises(df.errors.NotFoundError, match="files/b"):
                sess.repeat(loop_of).join()
            assert sess.run(queue.size()) == 200
            coord.request_stop()
            coord.join(threads)


def test_a_component_that_is_the_same_for_all_records(tmp_path: Path) -> None:
    seen = same(
        tmp_path, ["1,2\n3,4\n5,6\n"], lambda key, value: [df.constant([7, 8]), df.decode_csv(value, [[0], [0]])[0]]
    )
    assert seen.rows == [([7, 8], 1), ([7, 8], 3), ([7, 8], 5)]


def test_an_operation_that_fails_for_many_at_once_only_turns_batching_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise ValueError("not for many")

    kept = df.registry.OPS["Square"]
    monkeypatch.setitem(df.registry.OPS, "Square", _replaced(kept, batch=broken))
    seen = same(tmp_path, [LINES], lambda key, value: [df.square(df.decode_csv(value, [[0.0], [0]])[0])])
    assert len(seen.rows) == 200
    (said,) = [r.message for r in caplog.records if "record by record" in r.message]
    assert "Square" in said


def _replaced(definition: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(definition, **changes)


UNARY = [df.abs, df.negative, df.square, df.exp, df.sigmoid, df.tanh, df.floor, df.identity, df.zeros_like]
BINARY = [df.add, df.subtract, df.multiply, df.maximum, df.minimum]
SHAPES = [
    lambda x: df.expand_dims(x, -1),
    lambda x: df.stack([x, x]),
    lambda x: df.reshape(x, [-1]),
    lambda x: df.concat([df.reshape(x, [-1]), df.constant([1.0, 2.0])], 0),
    lambda x: df.reduce_sum(x),
    lambda x: df.tile(df.reshape(x, [-1]), [2]),
    lambda x: df.reshape(x, [-1])[::-1],
]


@st.composite
def bodies(draw: st.DrawFn) -> Callable[[Any, Any], list[Any]]:
    """What a loop computes with two columns."""
    picks = draw(st.lists(st.tuples(st.sampled_from("ubs"), st.integers(0, 99), st.integers(0, 99)), max_size=6))

    def compute(key: Any, value: Any) -> list[Any]:
        values = list(df.decode_csv(value, [[0.5], [1.5]]))
        for what, which, of in picks:
            x = values[of % len(values)]
            if what == "u":
                values.append(UNARY[which % len(UNARY)](x))
            elif what == "b":
                values.append(BINARY[which % len(BINARY)](x, values[0]))
            else:
                values.append(SHAPES[which % len(SHAPES)](x))
        return [*values[-2:], key]

    return compute


FIELDS = st.sampled_from(["1.5", "-2", "", "0.25", "3e2", " 7", "x", '"9"', "1,2"])
FILES = st.lists(st.lists(st.tuples(FIELDS, FIELDS), max_size=40), min_size=1, max_size=3)


@given(bodies(), FILES)
@settings(max_examples=60, deadline=None)
def test_random_bodies_of_random_files_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, compute: Compute, files: list[list[tuple[str, str]]]
) -> None:
    texts = ["".join(f"{a},{b}\n" for a, b in lines) for lines in files]
    same(tmp_path_factory.mktemp("files"), texts, compute)


@pytest.mark.parametrize("kind", ["fifo", "shuffle", "padding", "priority", "no shapes"])
def test_every_kind_of_queue(kind: str, tmp_path: Path) -> None:
    def queue(dtypes: list[Any], shapes: list[Any]) -> Any:
        if kind == "shuffle":
            return df.RandomShuffleQueue(10_000, 0, dtypes, shapes=shapes, seed=3)
        if kind == "padding":
            return df.PaddingFIFOQueue(10_000, dtypes, shapes=[[None], [], []])
        if kind == "priority":
            return df.PriorityQueue(10_000, dtypes[1:], shapes=shapes[1:])
        return df.FIFOQueue(10_000, dtypes, **({} if kind == "no shapes" else {"shapes": shapes}))

    def compute(key: Any, value: Any) -> list[Any]:
        x, y, key = columns(key, value)
        return [df.cast(300 - y, df.int64), y, key] if kind == "priority" else [x, y, key]

    assert len(same(tmp_path, [LINES], compute, queue=queue).rows) == 200


def test_a_consumer_that_is_slower_gets_all_in_order(tmp_path: Path, blocks: list[int]) -> None:
    path = tmp_path / "lines"
    path.write_text(LINES)
    names = df.train.string_input_producer([str(path)], num_epochs=3, shuffle=False)
    queue = df.FIFOQueue(7, [df.int32], shapes=[[]])
    number = df.decode_csv(df.TextLineReader().read(names)[1], [[0.0], [0]])[1]
    df.train.add_queue_runner(df.train.QueueRunner(queue, [queue.enqueue(number)]))
    out = queue.dequeue_up_to(5)
    found: list[int] = []
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        coord = df.train.Coordinator()
        threads = df.train.start_queue_runners(sess, coord)
        while len(found) < 600:
            found += sess.run(out).tolist()
        coord.request_stop()
        coord.join(threads)
    assert found == [*range(200)] * 3
    assert max(blocks) <= 7


def test_a_stop_waits_for_no_answer_and_what_comes_late_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a queue in a process that stands still."""
    asked: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(Process, "ask", lambda self, *arguments: asked.put(arguments[5]) or (lambda: None))
    (tmp_path / "lines").write_text(LINES)
    names = df.FIFOQueue(1, [df.string], shapes=[[]])
    queue = df.FIFOQueue(1000, [df.string], shapes=[[]])
    body = queue.enqueue(df.identity(df.TextLineReader().read(names)[1]))
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "lines")))
        loop = sess.repeat(body)
        answer = asked.get(timeout=20)
        loop.stop()
        assert loop.join(20) == 0
    settled: list[bool] = []
    answer((np.asarray(5), np.asarray(0)), settled.append)
    assert settled == [False]
