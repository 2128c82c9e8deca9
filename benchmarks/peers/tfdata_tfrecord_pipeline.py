"""`tfrecord_pipeline.py` for tf.data.  Its arguments are those of `tf1_tfrecord_pipeline.py`."""

import sys
from functools import partial
from typing import Any

import tensorflow as tf
from competitors import Fact, serve
from measure import Sample
from programs.listing import apart, numbers, rate
from programs.tfrecord import BESTS

half = len(sys.argv) // 2
cases: dict[str, Sample] = {}
facts: dict[str, Fact] = {}


def batches(paths: list[str], passes: int, floats: int, batch: int, at_once: int, shuffled: int) -> Any:
    features = {"x": tf.io.FixedLenFeature([floats], tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(records: Any) -> Any:
        found = tf.io.parse_example(records, features)
        return found["x"], found["label"]

    records = tf.data.TFRecordDataset(paths).repeat(passes).shuffle(shuffled).batch(batch * at_once)
    parsed = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return apart(parsed.as_numpy_iterator(), batch)


def one_pass(path: str, *sizes: int) -> list[float]:
    return numbers(batches([path], 1, *sizes))


for case, (checked, *files) in zip(BESTS, (sys.argv[1 : 1 + half], sys.argv[1 + half :]), strict=True):
    sizes = BESTS[case]
    cases[case] = partial(rate, batches(files, -1, *sizes), sizes[1])
    facts[case] = partial(one_pass, checked, *sizes)
serve(f"TensorFlow {tf.__version__}", cases, facts)
