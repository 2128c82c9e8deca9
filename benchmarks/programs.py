"""The programs that are measured, written once: `tf` is dflow, or TensorFlow's `tensorflow.compat.v1`.

Each function builds its graphs and sessions and gives, by the name of the case, what takes one sample.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from measure import Sample, seconds_a_call, seconds_once

COLUMNS, BATCH, CAPACITY, RESERVE = 5, 128, 1000, 500
PS, WORKERS = "/job:ps/task:0/cpu:0", ("/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0")
CSV_LOCAL = {  # case -> records a step, loops
    "local, one record a step, one loop": (1, 1),
    "local, one record a step, four loops": (1, 4),
    "local, 128 records a step, one loop": (128, 1),
}
DECODING = {  # case -> kind of file, columns of floats, records a step
    "CSV, 5 floats, 128 records a step": ("csv", 5, 128),
    "CSV, 5 floats, 1,000 records a step": ("csv", 5, 1000),
    "CSV, 28 floats, 1,000 records a step": ("csv", 28, 1000),
    "Examples, 28 floats and a label, 128 records a step": ("labels", 28, 128),
    "Examples, 28 floats and a label, 1,000 records a step": ("labels", 28, 1000),
    "Examples, 28 floats and a hash, 1,000 records a step": ("hashes", 28, 1000),
}
CSV_CLUSTER = {  # case -> records a step
    "1 ps + 2 workers, one record a step, one loop each": 1,
    "1 ps + 2 workers, 128 records a step, one loop each": 128,
}


# -- CSV files to batches


def csv_pipeline(tf: Any, files: Sequence[str], step: int, home: str, loops: Sequence[str]) -> tuple[Any, Any]:
    """File names -> lines -> columns -> a shuffle queue at home, filled by a loop on each device.

    Gives a batch out of the queue, and the queue's size.

    The file names are beside their reader: TensorFlow 1 places no reader on another device than its queue.
    """
    with tf.device(home):
        queue = tf.RandomShuffleQueue(CAPACITY, RESERVE, [tf.float32], [(COLUMNS,)], shared_name=f"records{step}")
    enqueues = []
    for device in loops:
        with tf.device(device):
            names = tf.train.string_input_producer(list(files))
            reader = tf.TextLineReader()
            _, lines = reader.read(names) if step == 1 else reader.read_up_to(names, step)
            record = tf.stack(tf.decode_csv(lines, [[0.0]] * COLUMNS), axis=-1)
        enqueues.append(queue.enqueue([record]) if step == 1 else queue.enqueue_many([record]))
    if enqueues:
        tf.train.add_queue_runner(tf.train.QueueRunner(queue, enqueues))
    return queue.dequeue_many(BATCH), queue.size()


class CsvPipeline:
    """A pipeline without an end.  It stands still while nobody takes from it, so that others can be measured."""

    def __init__(
        self, tf: Any, files: Sequence[str], step: int, home: str, loops: Sequence[str], target: str = ""
    ) -> None:
        graph = tf.Graph()
        with graph.as_default():
            self._batch, self._size = csv_pipeline(tf, files, step, home, loops)
            self._coord = tf.train.Coordinator()
            self._sess = tf.Session(target, graph=graph)
            tf.train.start_queue_runners(self._sess, self._coord)

    def sample(self) -> float:
        """Records a second, in a second, once what had gathered in the queue is gone."""
        self._wait_until_full()
        for _ in range((CAPACITY - RESERVE) // BATCH + 1):
            self._sess.run(self._batch)
        found = BATCH / seconds_a_call(lambda: self._sess.run(self._batch), seconds=1.0)
        self._wait_until_full()
        return found

    def _wait_until_full(self) -> None:
        while self._sess.run(self._size) < CAPACITY:
            time.sleep(0.02)

    def close(self) -> None:
        self._coord.request_stop()
        self._coord.join()
        self._sess.close()


def csv_local(tf: Any, files: Sequence[str]) -> dict[str, CsvPipeline]:
    cpu = "/cpu:0"
    return {name: CsvPipeline(tf, files, step, cpu, [cpu] * loops) for name, (step, loops) in CSV_LOCAL.items()}


# -- files to columns


def decoding(tf: Any, folder: str, config: Any = None) -> dict[str, Sample]:
    """Records a second that steps read and decode, out of the file `<kind>-<columns>` of a folder, again and again."""
    return {
        name: _decoding(tf, f"{folder}/{kind}-{columns}", kind, columns, step, config)
        for name, (kind, columns, step) in DECODING.items()
    }


def _decoding(tf: Any, file: str, kind: str, columns: int, step: int, config: Any) -> Sample:
    with tf.Graph().as_default() as graph:
        files = tf.FIFOQueue(100_000, [tf.string], [()])
        fill = files.enqueue_many([[file] * 10_000])
        if kind == "csv":
            _, lines = tf.TextLineReader().read_up_to(files, step)
            found = tf.decode_csv(lines, [[0.0]] * columns)
        else:
            _, examples = tf.TFRecordReader().read_up_to(files, step)
            features = {f"f{i}": tf.FixedLenFeature([], tf.float32) for i in range(columns)}
            parsed = tf.parse_example(examples, features | {"id": tf.FixedLenFeature([], tf.int64)})
            found = list(parsed.values())
        size = files.size()
        sess = tf.Session("", graph=graph, config=config)

    def sample() -> float:
        if sess.run(size) < 10_000:
            sess.run(fill)
        return step / seconds_a_call(lambda: sess.run(found), seconds=0.5)

    return sample


# -- single runs


def local_runs(tf: Any) -> dict[str, Sample]:
    """Small operations in a session of this process."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [8])
        one = tf.tanh(x)
        twenty = x
        for _ in range(20):
            twenty = tf.tanh(twenty)
        queue = tf.FIFOQueue(10, [tf.float32], [(8,)])
        with tf.control_dependencies([queue.enqueue([x])]):
            out = queue.dequeue()
        sess = tf.Session("", graph=graph)
        fast_one, fast_twenty = sess.make_callable(one, [x]), sess.make_callable(twenty, [x])
    value = np.ones(8, np.float32)
    return {
        "Session.run of one operation": lambda: seconds_a_call(lambda: sess.run(one, {x: value})),
        "Session.run of a chain of 20": lambda: seconds_a_call(lambda: sess.run(twenty, {x: value})),
        "make_callable of one operation": lambda: seconds_a_call(lambda: fast_one(value)),
        "make_callable of a chain of 20": lambda: seconds_a_call(lambda: fast_twenty(value)),
        "Session.run of enqueue, then dequeue": lambda: seconds_a_call(lambda: sess.run(out, {x: value})),
    }


def cluster_runs(tf: Any, target: str) -> dict[str, Sample]:
    """First and later runs of a graph of one operation, and of one with two operations on two workers."""
    value = np.ones(8, np.float32)
    graph = tf.Graph()
    with graph.as_default(), tf.device(WORKERS[0]):
        x = tf.placeholder(tf.float32, [8])
    sess = tf.Session(target, graph=graph)

    def build(devices: int) -> Any:
        y = x
        with graph.as_default():
            for device in WORKERS[:devices]:
                with tf.device(device):
                    y = tf.tanh(y)
        return y

    def first(devices: int) -> float:
        """Each of these is new to the session; the session is not."""
        fresh = [build(devices) for _ in range(5)]
        return median(seconds_once(partial(sess.run, y, {x: value})) for y in fresh)

    def later(y: Any) -> float:
        deadline = time.perf_counter() + 0.1
        while time.perf_counter() < deadline:
            sess.run(y, {x: value})
        return seconds_a_call(lambda: sess.run(y, {x: value}))

    one, two = build(1), build(2)
    return {
        "one operation, first run": lambda: first(1),
        "one operation, later runs": lambda: later(one),
        "two workers, first run": lambda: first(2),
        "two workers, later runs": lambda: later(two),
    }
