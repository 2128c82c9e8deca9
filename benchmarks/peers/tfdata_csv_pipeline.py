"""`csv_pipeline.py` for tf.data.  Its arguments: the CSV file for the facts, then the others."""

import sys
from typing import Any

import tensorflow as tf
from competitors import serve
from programs.csv import AT_ONCE, BEST, COLUMNS, SHUFFLED
from programs.listing import BATCH, apart, numbers, rate

checked, *files = sys.argv[1:]


def parse(lines: Any) -> Any:
    return tf.stack(tf.io.decode_csv(lines, [[0.0]] * COLUMNS), axis=-1)


def batches(paths: list[str], passes: int) -> Any:
    lines = tf.data.TextLineDataset(paths).repeat(passes).shuffle(SHUFFLED).batch(BATCH * AT_ONCE)
    parsed = lines.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return apart((values,) for values in parsed.as_numpy_iterator())


endless = batches(files, -1)
serve(
    f"TensorFlow {tf.__version__}",
    {BEST: lambda: rate(endless)},
    {BEST: lambda: numbers(batches([checked], 1))},
)
