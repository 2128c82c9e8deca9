"""From files to batches: readers, CSV, queues and the loops that fill them.  Statement ids: R12, D16, B15."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

import dflow as tf
from tests.conformance.inputs import lines_of, start, write_lines
from tests.conformance.programs import in_thread

_names = itertools.count()


@pytest.fixture
def shared() -> str:
    """A shared_name that no other test uses."""
    return f"examples-{next(_names)}"


def shards(folder: Path, count: int, rows: int) -> list[str]:
    """CSV files of rows `shard, number, label`, of which every third number is missing."""
    paths = []
    for shard in range(count):
        lines = [f"{shard}. , {i if i % 3 else ''} , {i % 2}" for i in range(rows)]
        paths.append(write_lines(folder / f"shard-{shard}.csv", lines))
    return paths


def expected(count: int, rows: int) -> Counter[tuple[float, float, int]]:
    return Counter((float(shard), float(i) if i % 3 else -1.0, i % 2) for shard in range(count) for i in range(rows))


def test_five_reader_loops_under_a_coordinator_deliver_every_row_of_every_shard_once(
    target: str, tmp_path: Path
) -> None:
    """R12.5, R12.10, R12.11, D16.12, Q8.11"""
    names = tf.train.string_input_producer(shards(tmp_path, 7, 30), num_epochs=2, seed=1)
    queue = tf.RandomShuffleQueue(64, 8, [tf.float32, tf.float32, tf.int32], [(), (), ()])
    enqueues = []
    for _ in range(5):
        _, line = tf.TextLineReader().read(names)
        enqueues.append(queue.enqueue(tf.decode_csv(line, [[-1.0], [-1.0], [-1]])))
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, enqueues))
    batch = queue.dequeue_up_to(16)
    found: Counter[tuple[float, float, int]] = Counter()
    coord = tf.train.Coordinator()
    with tf.Session(target) as sess:
        threads = start(sess, coord)
        try:
            while not coord.should_stop():
                x1, x2, labels = sess.run(batch)
                found.update(zip(x1.tolist(), x2.tolist(), labels.tolist(), strict=True))
        except tf.errors.OutOfRangeError:
            coord.request_stop()
        coord.join(threads)
    assert found == expected(7, 30) + expected(7, 30)


@pytest.mark.parametrize("placed", [False, True])
def test_one_session_fills_a_queue_while_another_one_trains_until_the_end(
    cluster: tf.cluster.EmbeddedCluster, tmp_path: Path, shared: str, container: str, placed: bool
) -> None:
    """Q11.3, R12.10, Q3.5, V17.3"""
    address = cluster.scheduler_address
    files = shards(tmp_path, 3, 40)

    def examples() -> tf.RandomShuffleQueue:
        with tf.container(container), tf.device("/job:ps/task:0"):
            return tf.RandomShuffleQueue(
                50, 10, [tf.float32, tf.float32, tf.int32], [(), (), ()], shared_name=shared, seed=5
            )

    def fill() -> None:
        with tf.Graph().as_default(), tf.container(container):
            with tf.device("/job:worker/task:1/cpu:0" if placed else None):
                queue = examples()
                _, line = lines_of(files)
                enqueue = queue.enqueue(tf.decode_csv(line, [[-1.0], [-1.0], [-1]]))
            tf.train.add_queue_runner(tf.train.QueueRunner(queue, [enqueue] * 2))
            with tf.Session(address) as sess:
                sess.run(tf.local_variables_initializer())
                for thread in tf.train.start_queue_runners(sess):
                    thread.join()

    def train() -> tuple[Counter[tuple[float, float, int]], float]:
        found: Counter[tuple[float, float, int]] = Counter()
        with tf.Graph().as_default(), tf.container(container):
            queue = examples()
            with tf.device("/job:ps/task:0"):
                w = tf.Variable(0.0, name="w")
            with tf.device("/job:worker/task:0/gpu:0" if placed else None):
                x1, x2, labels = queue.dequeue_up_to(16)
                step = w.assign_add(tf.reduce_sum(x1))
            with tf.Session(address) as sess:
                sess.run(w.initializer)
                try:
                    while True:
                        a, b, c, _ = sess.run([x1, x2, labels, step])
                        found.update(zip(a.tolist(), b.tolist(), c.tolist(), strict=True))
                except tf.errors.OutOfRangeError:
                    return found, float(sess.run(w))

    trained = in_thread(train)
    fill()
    found, total = trained.result(60)
    assert found == expected(3, 40)
    assert total == 40 * (0 + 1 + 2)


def test_the_error_of_a_reader_loop_stops_all_and_is_raised_by_join(target: str, tmp_path: Path) -> None:
    """R12.12, R12.14, B15.20"""
    files = [write_lines(tmp_path / "good.csv", ["1,2,0"]), write_lines(tmp_path / "bad.csv", ["1,2,0", "1,two,0"])]
    _, line = lines_of(files)
    queue = tf.RandomShuffleQueue(50, 0, [tf.float32, tf.float32, tf.int32], [(), (), ()])
    enqueue = queue.enqueue(tf.decode_csv(line, [[-1.0], [-1.0], [-1]]))
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [enqueue]))
    take = queue.dequeue()
    coord = tf.train.Coordinator()
    with tf.Session(target) as sess:
        threads = start(sess, coord)
        found = [sess.run(take) for _ in range(2)]
        assert [[float(value) for value in row] for row in found] == [[1.0, 2.0, 0.0]] * 2
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(take)
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not a valid float: two") as caught:
            coord.join(threads)
    assert "bad.csv:2" in str(caught.value)


def test_a_coordinator_block_ends_loops_that_would_go_on_for_ever(target: str, tmp_path: Path) -> None:
    """R12.14, R12.15, R12.17"""
    _, line = lines_of(shards(tmp_path, 2, 5), epochs=None)
    queue = tf.FIFOQueue(10, tf.string, ())
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(line)] * 3))
    take = queue.dequeue_many(20)
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        threads = start(sess, coord)
        for _ in range(3):
            assert len(sess.run(take)) == 20
    assert not any(thread.is_alive() for thread in threads)


def test_a_deadline_of_a_read_says_which_queue_of_files_it_waits_for(target: str) -> None:
    names = tf.FIFOQueue(1, tf.string, (), name="names")
    key, _ = tf.TextLineReader().read(names, name="first_line")
    late = pytest.raises(tf.errors.DeadlineExceededError, match=r"(?s)'names'.*first_line")
    with tf.Session(target) as sess, late:
        sess.run(key, options=tf.RunOptions(timeout_in_ms=2000 if target else 300))
