"""Loop batching: a loop that takes many records at once gives what it gives record by record."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.machines.queue.checks import ComponentCheck
from dflow.runtime.loop import vectorized
from dflow.runtime.loop.blocks import RemoteBlockSink
from dflow.runtime.loop.reserved_room import ReservedRoom
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.step.process import Process
from tests.runtime.loop.loop_bodies import run, same


def columns(key: Any, value: Any) -> list[Any]:
    x, y = df.decode_csv(value, [[0.0], [0]])
    return [df.stack([x, x * 2.0]), y, key]


LINES = "".join(f"{i}.5,{i}\n" for i in range(200))


def test_a_loop_takes_many_records_at_once(tmp_path: Path, blocks: list[int]) -> None:
    seen = run(tmp_path, [LINES], columns, batched=True)
    assert len(seen.rows) == 200
    assert sum(blocks) == 200


def test_off_means_off(tmp_path: Path, blocks: list[int]) -> None:
    run(tmp_path, [LINES], columns, batched=False)
    assert blocks == []


def test_all_records_of_all_files_come_in_their_order(tmp_path: Path) -> None:
    seen = same(tmp_path, [LINES, "", "1,2\n", LINES], columns)
    assert [row[1] for row in seen.rows] == [*range(200), 2, *range(200)]
    assert seen.rows[200][2].endswith(b"file 2:1")


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
    out, size = queue.dequeue_up_to(5), queue.size()
    found: list[int] = []
    sizes: list[int] = []
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        coord = df.train.Coordinator()
        threads = df.train.start_queue_runners(sess, coord)
        while len(found) < 600:
            found += sess.run(out).tolist()
            sizes.append(sess.run(size))
        coord.request_stop()
        coord.join(threads)
    assert found == [*range(200)] * 3
    assert max(sizes) <= 7
    assert max(blocks) > 7  # the loop's thread does not come back for each few


def reading(path: Path, capacity: int) -> tuple[Any, Any, Any, Any]:
    """A reader of the lines of a file, a queue, what puts one in, and what starts the reader."""
    path.write_text(LINES)
    names, reader = df.FIFOQueue(1, [df.string], shapes=[[]]), df.TextLineReader()
    queue = df.FIFOQueue(capacity, [df.string], shapes=[[]])
    return reader, queue, queue.enqueue(df.identity(reader.read(names)[1])), names.enqueue(str(path))


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until


def test_a_loop_that_is_to_finish_lets_in_the_one_element_that_waits(tmp_path: Path) -> None:
    reader, queue, body, start = reading(tmp_path / "lines", 40)
    out, size, produced = queue.dequeue(), queue.size(), reader.num_records_produced()
    with df.Session() as sess:
        sess.run(start)
        loop = sess.repeat(body)
        wait_for(lambda: sess.run(size) == 40)
        loop.stop(finish=True)
        found = [sess.run(out)]
        assert loop.join(20) == 41
        found += [sess.run(out) for _ in range(40)]
        assert found == LINES.encode().splitlines()[:41]
        assert sess.run([size, produced]) == [0, 41]


def test_a_close_lets_in_the_one_element_that_waits(tmp_path: Path) -> None:
    reader, queue, body, start = reading(tmp_path / "lines", 40)
    out, size, shut, produced = queue.dequeue(), queue.size(), queue.close(), reader.num_records_produced()
    with df.Session() as sess:
        sess.run(start)
        loop = sess.repeat(body)
        wait_for(lambda: sess.run(size) == 40)
        closing = threading.Thread(target=sess.run, args=(shut,))
        closing.start()
        wait_for(lambda: sum(row["waiting_enqueues"] for row in sess.queue_rows()) == 2)
        sess.run(out)
        closing.join()
        with pytest.raises(df.errors.CancelledError, match="is closed"):
            loop.join(20)
        assert sess.run([size, produced]) == [40, 42]  # the one that met the closed queue was read, too


def test_counts_and_reports_move_on_with_the_elements_while_the_loop_waits(tmp_path: Path) -> None:
    reader, queue, body, start = reading(tmp_path / "lines", 40)
    take, produced = queue.dequeue_many(10), reader.num_records_produced()
    with df.Session() as sess:
        sess.run(start)
        loop = sess.repeat(body, every=20)
        wait_for(lambda: sess.run(queue.size()) == 40)
        reports = iter(loop)
        assert [next(reports)[0] for _ in range(2)] == [20, 40]
        for done in (50, 60):
            sess.run(take)
            wait_for(lambda done=done: sess.run(produced) == done)  # type: ignore[misc]
        assert next(reports)[0] == 60
        loop.stop()


def test_loops_that_share_a_queue_lose_and_repeat_nothing(tmp_path: Path) -> None:
    loops = 3
    for i in range(loops):
        (tmp_path / str(i)).write_text("".join(f"{i * 10_000 + j}\n" for j in range(3000)))
    queue = df.RandomShuffleQueue(50, 20, [df.int32], shapes=[[]])
    enqueues = []
    for i in range(loops):
        names = df.train.string_input_producer([str(tmp_path / str(i))], num_epochs=1)
        enqueues.append(queue.enqueue(df.decode_csv(df.TextLineReader().read(names)[1], [[0]])[0]))
    df.train.add_queue_runner(df.train.QueueRunner(queue, enqueues))
    out = queue.dequeue_up_to(7)
    found: list[int] = []
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        coord = df.train.Coordinator()
        threads = df.train.start_queue_runners(sess, coord)
        while len(found) < loops * 3000:
            found += sess.run(out).tolist()
        coord.request_stop()
        coord.join(threads)
    assert sorted(found) == [i * 10_000 + j for i in range(loops) for j in range(3000)]


@pytest.mark.parametrize("capacity", [20, 5000])
def test_loops_that_share_a_reader_keep_the_order_of_its_records(capacity: int, tmp_path: Path) -> None:
    count, loops = 6000, 3
    for name in "abc":
        (tmp_path / name).write_text("".join(f"{ord(name) - ord('a')},{j}\n" for j in range(count // 3)))
    names = df.train.string_input_producer([str(tmp_path / name) for name in "abc"], num_epochs=1, shuffle=False)
    queue = df.FIFOQueue(capacity, [df.int32], shapes=[[]])
    file, line = df.decode_csv(df.TextLineReader().read(names)[1], [[0], [0]])
    body = queue.enqueue(file * (count // 3) + line)
    df.train.add_queue_runner(df.train.QueueRunner(queue, [body] * loops))
    out = queue.dequeue_up_to(50)
    found: list[int] = []
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        coord = df.train.Coordinator()
        threads = df.train.start_queue_runners(sess, coord)
        while len(found) < count:
            found += sess.run(out).tolist()
        coord.request_stop()
        coord.join(threads)
    assert found == list(range(count))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues are used as if they were in another process."""
    monkeypatch.setattr(vectorized, "block_sink", _reserving)


def _reserving(process: Process, spec: Any, enqueue: Any) -> RemoteBlockSink:
    queue, device = enqueue.attrs["queue"], enqueue.op.device
    call_queue = partial(process.call_queue, spec.session, device, "", queue)
    return RemoteBlockSink(ReservedRoom(spec.owner, enqueue.op, call_queue, lambda: None), ComponentCheck(queue))


@pytest.mark.usefixtures("elsewhere")
def test_a_stop_waits_for_no_answer_and_what_comes_late_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a queue in a process that stands still."""
    asked: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(Process, "call_queue", lambda self, *arguments: asked.put(arguments[5]) or (lambda: None))
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


@pytest.mark.usefixtures("elsewhere")
def test_what_a_stop_keeps_from_the_queue_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop comes when room is reserved, and nothing was put there yet."""
    plain = ReservedRoom.wait

    def stopped(self: ReservedRoom, wanted: int, unit: int) -> int:
        plain(self, wanted, unit)
        self.stop(df.errors.CancelledError(None, None, "stop"))
        return plain(self, wanted, unit)

    monkeypatch.setattr(ReservedRoom, "wait", stopped)
    assert len(same(tmp_path, [LINES], columns).rows) == 200


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("capacity", [7, 50, 10_000])
def test_all_records_come_in_their_order_to_a_queue_elsewhere(capacity: int, tmp_path: Path) -> None:
    reader, queue, body, start = reading(tmp_path / "lines", capacity)
    out = queue.dequeue()
    with df.Session() as sess:
        sess.run(start)
        loop = sess.repeat(body, steps=150)
        found = [sess.run(out) for _ in range(150)]
        assert found == LINES.encode().splitlines()[:150]
        assert loop.join(20) == 150
        assert sess.run([queue.size(), reader.num_records_produced()]) == [0, 150]


@pytest.mark.usefixtures("elsewhere")
def test_a_stopped_loop_counts_what_is_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a queue of another process: the answer comes after the stop."""
    plain, loops = Process.call_queue, SimpleQueue[Any]()

    def call_queue(self: Process, *arguments: Any) -> Any:
        *before, method, answer, kept, n, unit, components = arguments
        if method != "enqueue_reserved":
            return plain(self, *arguments)
        loops.get(timeout=20).stop()
        outcome: list[Any] = []
        withdraw = plain(self, *before, method, outcome.append, kept, n, unit, components)
        threading.Thread(target=answer, args=outcome).start()
        return withdraw

    monkeypatch.setattr(Process, "call_queue", call_queue)
    (tmp_path / "lines").write_text(LINES)
    names, queue = (df.FIFOQueue(1000, [df.string], shapes=[[]]) for _ in range(2))
    reader = df.TextLineReader()
    body = queue.enqueue(df.identity(reader.read(names)[1]))
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "lines")))
        loop = sess.repeat(body)
        loops.put(loop)
        steps = loop.join(20)
        assert steps is not None
        assert steps > 1
        assert sess.run([queue.size(), reader.num_records_produced()]) == [steps, steps]


def test_elements_of_different_shapes_go_many_at_once(tmp_path: Path, blocks: list[int]) -> None:
    lines = "".join("x" * (i // 5 % 4) + "\n" for i in range(60))
    seen = same(tmp_path, [lines], lambda key, value: [df.decode_raw(value, df.uint8), key], queue=_padding)
    assert [len(row[0]) for row in seen.rows] == [i // 5 % 4 for i in range(60)]
    assert sum(blocks) == 60


def _padding(dtypes: list[Any], shapes: list[Any]) -> Any:
    return df.PaddingFIFOQueue(1000, dtypes, shapes=shapes)


def test_a_shape_that_does_not_fit_the_queue_is_met_at_its_place(tmp_path: Path) -> None:
    def queue(dtypes: list[Any], shapes: list[Any]) -> Any:
        return df.FIFOQueue(1000, dtypes, shapes=[[2]])

    lines = "ab\n" * 30 + "a\n" + "ab\n" * 30
    seen = same(tmp_path, [lines], lambda key, value: [df.decode_raw(value, df.uint8)], queue=queue)
    assert len(seen.rows) == 30
    assert seen.error is not None
    assert "Expected [2], got [1]" in seen.error[1]


def test_a_loop_that_waits_for_room_does_not_open_the_next_file(tmp_path: Path) -> None:
    """A stop would lose the error of a file that cannot be opened, and its name."""
    (tmp_path / "a").write_text("1\n2\n3\n")
    names, queue = df.FIFOQueue(9, [df.string], shapes=[[]]), df.FIFOQueue(1, [df.string], shapes=[[]])
    reader = df.TextLineReader()
    body, out = queue.enqueue(reader.read(names)[1]), queue.dequeue()
    counts = [reader.num_records_produced(), reader.num_work_units_completed(), names.size(), queue.size()]
    with df.Session() as sess:
        sess.run(names.enqueue_many([[str(tmp_path / "a"), str(tmp_path / "missing"), str(tmp_path / "a")]]))
        loop = sess.repeat(body)
        wait_for(lambda: sess.run(counts[3]) == 1)
        wait_for(lambda: any(row["waiting_enqueues"] for row in sess.queue_rows()))
        assert sess.run(counts[1:3]) == [0, 2]
        loop.stop()
        assert loop.join(20) == 1
        again = sess.repeat(body)
        assert [sess.run(out) for _ in range(3)] == [b"1", b"2", b"3"]
        with pytest.raises(df.errors.NotFoundError, match="missing"):
            again.join(20)


def test_loops_that_share_a_reader_and_a_full_queue_all_go_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("".join(f"{i}\n" for i in range(500)))
    names, queue = df.FIFOQueue(9, [df.string], shapes=[[]]), df.FIFOQueue(4, [df.string], shapes=[[]])
    body, out = queue.enqueue(df.TextLineReader().read(names)[1]), queue.dequeue()
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "a")))
        endless = sess.repeat(body)
        wait_for(lambda: any(row["waiting_enqueues"] for row in sess.queue_rows()))
        short = sess.repeat(body, steps=5)
        found = []
        while not short.done():
            found.append(sess.run(out))
            assert len(found) < 400, "the second loop has no turn"
        assert short.join() == 5
        assert found == [b"%d" % i for i in range(len(found))]
        endless.stop()


def test_a_reset_of_its_queue_ends_a_loop_that_waits_for_room(tmp_path: Path) -> None:
    with df.container("other"):
        queue = df.FIFOQueue(1, [df.string], shapes=[[]], shared_name="q")
    (tmp_path / "a").write_text(LINES)
    names = df.FIFOQueue(9, [df.string], shapes=[[]])
    body, size = queue.enqueue(df.TextLineReader().read(names)[1]), queue.size()
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "a")))
        loop = sess.repeat(body)
        wait_for(lambda: any(row["waiting_enqueues"] for row in sess.queue_rows()))
        for executor in sess.backend.process.executors.values():  # type: ignore[attr-defined]
            executor.state.reset(["other"])
        with pytest.raises(df.errors.AbortedError, match="was reset"):
            loop.join(20)
        assert sess.run(size) == 0


def test_a_loop_of_so_many_steps_is_exact_when_elements_enter_while_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An element enters right after the loop has looked at the number of steps that are left."""
    plain = LoopRun._left
    soon = df.RunOptions(timeout_in_ms=500)

    def slow(self: LoopRun) -> int:
        left = plain(self)
        if any(row["waiting_enqueues"] for row in sess.queue_rows()):
            with suppress(df.errors.DeadlineExceededError):  # the consumer below was faster
                sess.run(out, options=soon)
        return left

    (tmp_path / "a").write_text(LINES)
    names, queue = df.FIFOQueue(9, [df.string], shapes=[[]]), df.FIFOQueue(2, [df.string], shapes=[[]])
    reader = df.TextLineReader()
    body, out, size = queue.enqueue(reader.read(names)[1]), queue.dequeue(), queue.size()
    produced = reader.num_records_produced()
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "a")))
        monkeypatch.setattr(LoopRun, "_left", slow)
        loop = sess.repeat(body, steps=30)
        until = time.monotonic() + 20
        while not loop.done() and time.monotonic() < until:
            if sess.run(size):
                with suppress(df.errors.DeadlineExceededError):
                    sess.run(out, options=soon)
        assert loop.join(0) == 30
        assert sess.run(produced) == 30


def test_a_pipe_gives_each_record_as_it_comes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    names, queue = df.FIFOQueue(1, [df.string], shapes=[[]]), df.FIFOQueue(100, [df.string], shapes=[[]])
    body, out = queue.enqueue(df.TextLineReader().read(names)[1]), queue.dequeue()
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "pipe")))
        loop = sess.repeat(body, steps=20)
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            for i in range(20):
                pipe.write(b"%d\n" % i)
                assert sess.run(out) == b"%d" % i
        assert loop.join(20) == 20
