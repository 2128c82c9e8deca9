"""From files to batches: readers, CSV, queues and the loops that fill them.  Statement ids: D16, V17, I14, R12."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import in_thread

_names = itertools.count()


@pytest.fixture
def shared() -> str:
    """A shared_name that no other test uses."""
    return f"examples-{next(_names)}"


def write(path: Path, rows: list[str]) -> str:
    path.write_text("".join(row + "\n" for row in rows))
    return str(path)


def reader_of(files: list[str], epochs: int | None = 1, shuffle: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
    """(key, value) of the lines of the files."""
    names = tf.train.string_input_producer(files, num_epochs=epochs, shuffle=shuffle)
    key, value = tf.TextLineReader().read(names)
    return key, value


def start(sess: tf.Session, coord: tf.train.Coordinator) -> list[object]:
    sess.run(tf.local_variables_initializer())
    return list(tf.train.start_queue_runners(sess, coord))


# -- readers


def test_a_reader_hands_out_the_lines_of_each_file_of_a_queue(target: str, tmp_path: Path) -> None:
    """D16.1, D16.2, D16.3, D16.5, D16.6, D16.13"""
    files = [write(tmp_path / "a.txt", ["a1", "", " a3 "]), write(tmp_path / "b.txt", []), str(tmp_path / "c.txt")]
    Path(files[2]).write_bytes(b"c1\r\nc2")
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader(name="lines")
    key, value = reader.read(queue)
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([files]))
        sess.run(queue.close())
        found = [sess.run([key, value, value]) for _ in range(5)]
        assert [row[1] for row in found] == [b"a1", b"", b" a3 ", b"c1", b"c2"]
        assert all(row[1] == row[2] for row in found)
        lines = [(0, 1), (0, 2), (0, 3), (2, 1), (2, 2)]
        assert [row[0].decode() for row in found] == [f"{files[file]}:{line}" for file, line in lines]
        assert sess.run(counts) == [5, 2]
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient") as caught:
            sess.run(value)
        assert caught.value.op is value.op
        assert sess.run(counts) == [5, 3]


def test_a_reader_takes_batches_that_do_not_cross_files_and_can_be_reset(target: str, tmp_path: Path) -> None:
    """D16.8, D16.25, D16.26"""
    files = [write(tmp_path / f"{n}.txt", [f"{n}-{i}" for i in range(n)]) for n in (7, 4)]
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader()
    n = tf.placeholder(tf.int64, [])
    _, values = reader.read_up_to(queue, n)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([files + files]))
        assert [len(sess.run(values, {n: 3})) for _ in range(5)] == [3, 3, 1, 3, 1]
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(values, {n: 0})
        sess.run(values, {n: 2})
        sess.run(reader.reset())
        assert sess.run(reader.num_records_produced()) == 0
        assert sess.run(values, {n: 2}).tolist() == [b"4-0", b"4-1"], "the rest of the file was dropped"


def test_a_readers_state_can_be_saved_and_brought_back(target: str, tmp_path: Path) -> None:
    """D16.9, D16.10, D9"""
    file = write(tmp_path / "lines.txt", [f"line {i}" for i in range(5)])
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader(name="test_reader")
    _, value = reader.read(queue)
    save, state = reader.serialize_state(), tf.placeholder(tf.string, [])
    restore = reader.restore_state(state)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(file))
        assert [sess.run(value) for _ in range(2)] == [b"line 0", b"line 1"]
        saved = sess.run(save)
        assert isinstance(saved, bytes)
        assert [sess.run(value) for _ in range(2)] == [b"line 2", b"line 3"]
        sess.run(restore, {state: saved})
        assert sess.run(value) == b"line 2"
        with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse state for TextLineReader"):
            sess.run(restore, {state: saved[:-3]})


def test_two_reads_of_one_reader_share_its_place(target: str, tmp_path: Path) -> None:
    """D16.12"""
    file = write(tmp_path / "lines.txt", [f"{i}" for i in range(40)])
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader()
    values = [reader.read(queue)[1] for _ in range(2)]
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(file))
        sess.run(queue.close())

        def read(value: tf.Tensor) -> list[bytes]:
            found = []
            try:
                while True:
                    found.append(sess.run(value))
            except tf.errors.OutOfRangeError:
                return found

        both = [future.result(60) for future in [in_thread(read, value) for value in values]]
    assert sorted(int(line) for found in both for line in found) == list(range(40))


def test_a_reader_waits_for_a_file_name(target: str, tmp_path: Path) -> None:
    """D16.4"""
    file = write(tmp_path / "lines.txt", ["first"])
    queue = tf.FIFOQueue(10, tf.string, ())
    _, value = tf.TextLineReader().read(queue)
    enqueue = queue.enqueue(file)
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(value, options=tf.RunOptions(timeout_in_ms=100))
        read = in_thread(sess.run, value)
        sess.run(enqueue)
        assert read.result(30) == b"first"


def test_a_file_that_is_not_there_is_named_by_the_error_with_the_operation_and_the_line(
    target: str, tmp_path: Path
) -> None:
    """D16.11, X26.5, D7"""
    missing, there = str(tmp_path / "missing.txt"), write(tmp_path / "there.txt", ["here"])
    queue = tf.FIFOQueue(10, tf.string, ())
    _, value = tf.TextLineReader().read(queue, name="read_lines")
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[missing, there]]))
        with pytest.raises(tf.errors.NotFoundError, match=r"missing\.txt") as caught:
            sess.run(value)
        assert caught.value.op is value.op
        assert "read_lines" in str(caught.value)
        assert "test_input_pipeline.py" in str(caught.value)
        assert sess.run(value) == b"here", "the next read goes on with the next file"


def test_a_queue_that_holds_no_file_names_is_an_invalid_argument(target: str) -> None:
    """D16.1"""
    queue = tf.FIFOQueue(10, [tf.string, tf.int32], [(), ()])
    _, value = tf.TextLineReader().read(queue)
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError, match="one scalar string component"):
        sess.run(value)


# -- CSV


def test_rows_with_missing_fields_and_spaces_are_decoded_with_the_defaults(target: str, tmp_path: Path) -> None:
    """V17.1, V17.3, D3"""
    file = write(tmp_path / "rows.csv", ["7. , , 0", "1.5,2.5,1", " , -3e1 ,", ",,"])
    _, line = reader_of([file])
    x1, x2, label = tf.decode_csv(line, [[-1.0], [-1.0], [-1]])
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        rows = [sess.run([x1, x2, label]) for _ in range(4)]
        assert [[float(v) for v in row] for row in rows] == [[7, -1, 0], [1.5, 2.5, 1], [-1, -30, -1], [-1, -1, -1]]
        assert [value.dtype for value in rows[0]] == [np.float32, np.float32, np.int32]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(x1)


@pytest.mark.parametrize("many", [False, True])
def test_a_malformed_line_is_an_error_that_names_file_line_column_and_text(
    target: str, tmp_path: Path, many: bool
) -> None:
    """V17.5, V17.16, D7"""
    file = write(tmp_path / "rows.csv", ["1,2,0", "3,4,1", "5,wrong,0", "7,8,1"])
    names = tf.train.string_input_producer([file], num_epochs=1)
    reader = tf.TextLineReader()
    _, lines = reader.read_up_to(names, 4) if many else reader.read(names)
    columns = tf.decode_csv(lines, [[-1.0], [-1.0], [-1]], name="decode")
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        if not many:
            for _ in range(2):
                sess.run(columns)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            sess.run(columns)
        for fact in ("Field 1 in record", "is not a valid float: wrong", f"{file}:3", "5,wrong,0", "decode"):
            assert fact in str(caught.value)
        assert caught.value.op is columns[0].op
        if not many:
            assert [float(v) for v in sess.run(columns)] == [7, 8, 1], "the reader goes on with the next line"


# -- producers


def test_a_producer_gives_each_row_once_an_epoch_and_then_the_end(target: str) -> None:
    """I14.1, I14.3, I14.4, I14.8"""
    queue = tf.train.input_producer([[1, 2], [3, 4], [5, 6]], num_epochs=2, shuffle=False)
    row = queue.dequeue()
    (counter,) = tf.local_variables()
    assert (counter.op.name, counter.dtype) == ("input_producer/limit_epochs/epochs", tf.int64)
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        assert [sess.run(row).tolist() for _ in range(6)] == [[1, 2], [3, 4], [5, 6]] * 2
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(row)


def test_a_shuffled_producer_mixes_within_an_epoch_and_repeats_with_a_seed(target: str) -> None:
    """I14.7"""

    def orders(seed: int) -> list[list[bytes]]:
        with tf.Graph().as_default():
            queue = tf.train.string_input_producer([f"{i}" for i in range(12)], num_epochs=3, seed=seed)
            take = queue.dequeue_many(12)
            with tf.Session(target) as sess, tf.train.Coordinator() as coord:
                start(sess, coord)
                return [sess.run(take).tolist() for _ in range(3)]

    first = orders(7)
    assert all(Counter(epoch) == Counter(first[0]) for epoch in first)
    assert len({tuple(epoch) for epoch in first}) == 3
    assert orders(7) == first
    assert orders(8) != first


def test_a_producer_without_epochs_goes_on_until_it_is_stopped(target: str) -> None:
    """I14.6, I14.17"""
    queue = tf.train.string_input_producer(["a", "b", "c"], shuffle=False, capacity=2)
    take = queue.dequeue_many(50)
    assert tf.local_variables() == []
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        threads = start(sess, coord)
        for _ in range(3):
            sess.run(take)
        assert sess.run(queue.dequeue()) == b"a"
        coord.request_stop()
        coord.join(threads)


def test_many_epochs_of_a_batch_larger_than_the_queue_arrive_whole(target: str) -> None:
    """I14.17"""
    queue = tf.train.string_input_producer([f"{i}" for i in range(40)], num_epochs=20, shuffle=False, capacity=32)
    take = queue.dequeue_many(100)
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        found = [item for _ in range(8) for item in sess.run(take).tolist()]
    assert found == [f"{i}".encode() for i in range(40)] * 20


def test_a_counter_that_was_not_initialised_is_the_error_that_join_raises(target: str) -> None:
    """I14.5, R12.12, R12.14"""
    queue = tf.train.string_input_producer(["a", "b"], num_epochs=1)
    item = queue.dequeue()
    coord = tf.train.Coordinator()
    with tf.Session(target) as sess:
        threads = tf.train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(item)
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
            coord.join(threads)


def test_wrong_arguments_of_producers_are_value_errors() -> None:
    """I14.2, I14.6, I14.9"""
    with pytest.raises(ValueError, match="fully defined shape"):
        tf.train.input_producer(tf.placeholder(tf.string, [None, None]))
    for epochs in (0, -1):
        with pytest.raises(ValueError, match="num_epochs must be > 0"):
            tf.train.string_input_producer(["a"], num_epochs=epochs)
    with pytest.raises(ValueError, match="non-null input tensor"):
        tf.train.string_input_producer([])


def test_an_empty_tensor_of_names_ends_the_input_and_join_tells_why(target: str) -> None:
    """I14.9"""
    names = tf.placeholder_with_default(tf.constant([], tf.string), [None])
    item = tf.train.string_input_producer(names, num_epochs=1).dequeue()
    coord = tf.train.Coordinator()
    with tf.Session(target) as sess:
        threads = start(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(item)
        with pytest.raises(tf.errors.InvalidArgumentError, match="non-null input tensor"):
            coord.join(threads)


def test_names_and_shared_names_are_those_of_the_queue(target: str) -> None:
    """I14.12, I14.14"""
    queue = tf.train.string_input_producer(["a"], num_epochs=1, shared_name="SHARED", name="Q")
    assert queue.spec.shared_name == "SHARED"
    assert queue.name == "Q"
    with tf.container(f"names-{next(_names)}"):
        item = tf.train.string_input_producer(["a"], num_epochs=1).dequeue()
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        assert sess.run(item) == b"a"


def test_limit_epochs_gives_a_tensor_so_many_times(target: str) -> None:
    """I14.15"""
    three, always = tf.train.limit_epochs(tf.constant(5), num_epochs=3), tf.train.limit_epochs(tf.constant(7))
    with tf.Session(target) as sess:
        sess.run(tf.local_variables_initializer())
        assert [int(sess.run(three)) for _ in range(3)] == [5, 5, 5]
        for _ in range(2):
            with pytest.raises(tf.errors.OutOfRangeError):
                sess.run(three)
        assert sess.run(always) == 7


# -- whole pipelines


def shards(folder: Path, count: int, rows: int) -> list[str]:
    """CSV files of rows `shard, number, label`, of which every third number is missing."""
    paths = []
    for shard in range(count):
        lines = [f"{shard}. , {i if i % 3 else ''} , {i % 2}" for i in range(rows)]
        paths.append(write(folder / f"shard-{shard}.csv", lines))
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
                _, line = reader_of(files)
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
    files = [write(tmp_path / "good.csv", ["1,2,0"]), write(tmp_path / "bad.csv", ["1,2,0", "1,two,0"])]
    _, line = reader_of(files)
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
    _, line = reader_of(shards(tmp_path, 2, 5), epochs=None)
    queue = tf.FIFOQueue(10, tf.string, ())
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(line)] * 3))
    take = queue.dequeue_many(20)
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        threads = start(sess, coord)
        for _ in range(3):
            assert len(sess.run(take)) == 20
    assert not any(thread.is_alive() for thread in threads)  # type: ignore[attr-defined]
