"""The TFRecord pipelines: Examples of floats and a label."""

from __future__ import annotations

from typing import Any

from measure import size

from programs.listing import BATCH, Listing

FLOATS, MANY, SHUFFLED = 28, 1024, 4096
AT_ONCE = 32  # number of batches that the best pipeline takes at once
LARGE_FLOATS, LARGE_MANY, LARGE_BATCH, LARGE_SHUFFLED = size(25_000, 1_000), 16, 32, 64  # 100 KB a record


def _read_examples(floats: int, step: int) -> Any:
    def read(tf: Any, names: Any) -> list[Any]:
        features = {"x": tf.FixedLenFeature([floats], tf.float32), "label": tf.FixedLenFeature([], tf.int64)}
        reader = tf.TFRecordReader()
        if step == 1:
            found = tf.parse_single_example(reader.read(names)[1], features)
        else:
            found = tf.parse_example(reader.read_up_to(names, step)[1], features)
        return [found["x"], found["label"]]

    return read


def tfrecord(floats: int = FLOATS, step: int = 1, loops: int = 1, **queue: int) -> Listing:
    return Listing(
        _read_examples(floats, step), [(floats,), ()], ["float32", "int64"], many=step > 1, loops=loops, **queue
    )


def best(step: int = MANY, loops: int = 2) -> Listing:
    """Return the best pipeline.  step, loops: the settings that are the fastest for the system."""
    return tfrecord(step=step, loops=loops, capacity=4 * SHUFFLED, reserve=SHUFFLED, at_once=AT_ONCE)


def large(step: int = LARGE_MANY) -> Listing:
    """Return the best pipeline for records of 100 KB, which has two loops."""
    return tfrecord(LARGE_FLOATS, step, loops=2, batch=LARGE_BATCH, capacity=2 * LARGE_SHUFFLED, reserve=LARGE_SHUFFLED)


ONE_LOOP, FIVE_LOOPS = "28 floats and a label, one record a step, one loop", "the same in five loops"
BEST, LARGE = "28 floats and a label, the best that a user can write", "records of 100 KB, the best"
LISTINGS = {ONE_LOOP: tfrecord(), FIVE_LOOPS: tfrecord(loops=5)}
BESTS = {  # case -> floats, records a batch, batches at once, records to shuffle among
    BEST: (FLOATS, BATCH, AT_ONCE, SHUFFLED),
    LARGE: (LARGE_FLOATS, LARGE_BATCH, 1, LARGE_SHUFFLED),
}
