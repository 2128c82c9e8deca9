"""How many records a second come out of the TFRecord pipeline?

This is the pipeline of `csv_pipeline.py`, with `TFRecordReader` and `parse_single_example` of 28 floats and a label.

* **The best that a user can write** shuffles among 4,096 records. All of these take 32 batches at once, which the
  program splits, and may use all cores.
  * dflow: `read_up_to` and `parse_example`, in one loop of 8,192 records a step, which is faster there
  * TensorFlow 1: `read_up_to` and `parse_example`, in two loops of 1,024 records a step, which is faster there
  * `tf.data`: shuffles records and parses batches
  * torch: a `DataLoader` with the package `tfrecord`
* **Records of 100 KB** hold 25,000 floats and a label. The program takes one batch of 32 records at a time, shuffled
  among 64 records. There are two loops. dflow reads 64 records a step. TensorFlow 1 reads 16, which is faster there.
  All of these may use all cores.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from competitors import Competitor, Here, Peer
from measure import RECORDS, rounds_asked, size
from programs.listing import CHECKED, measured, samples
from programs.tfrecord import (
    BEST,
    FIVE_LOOPS,
    FLOATS,
    LARGE,
    LARGE_FLOATS,
    LARGE_MANY,
    LISTINGS,
    MANY,
    ONE_LOOP,
    best,
    large,
)  # fmt: skip
from tables import Target, report

import dflow as df
from dflow.readers.example.proto import Example

FILES, RECORDS_A_FILE, LARGE_RECORDS = 4, size(20_000, 2_000), size(500, 64)
TARGETS = {
    ONE_LOOP: [Target(40, "TF1")],
    FIVE_LOOPS: [Target(30, "TF1")],
    BEST: [Target(3)],
    LARGE: [Target(1.5)],
}


def write_file(path: Path, records: int, floats: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    with df.python_io.TFRecordWriter(str(path)) as writer:
        for label in range(records):
            example = Example()
            example.features.feature["x"].float_list.value.extend(rng.normal(size=floats).astype(np.float32))
            example.features.feature["label"].int64_list.value.append(label % 10)
            writer.write(example.SerializeToString())
    return str(path)


def write_files(folder: Path, records: int, floats: int) -> list[str]:
    """Write the files.  Returns the name of the file for the facts, then those of the others."""
    checked = write_file(folder / f"{floats}-checked.tfrecord", CHECKED, floats, FILES)
    return [checked, *(write_file(folder / f"{floats}-{i}.tfrecord", records, floats, i) for i in range(FILES))]


def ours(stack: ExitStack, narrow: list[str], wide: list[str]) -> Here:
    running, facts = measured(df, LISTINGS | {BEST: best(8 * MANY, loops=1)}, narrow[1:], narrow[0])
    large_running, large_facts = measured(df, {LARGE: large(4 * LARGE_MANY)}, wide[1:], wide[0])
    running |= large_running
    for pipeline in running.values():
        stack.callback(pipeline.close)
    return Here("dflow", samples(running), facts | large_facts)


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        narrow, wide = write_files(folder, RECORDS_A_FILE, FLOATS), write_files(folder, LARGE_RECORDS, LARGE_FLOATS)
        competitors: list[Competitor] = [
            ours(stack, narrow, wide),
            Peer("TF1", "tensorflow", "tf1_tfrecord_pipeline.py", *narrow, *wide),
            Peer("tf.data", "tensorflow", "tfdata_tfrecord_pipeline.py", *narrow, *wide),
            Peer("torch", "torch", "torch_tfrecord_pipeline.py", *narrow, *wide),
        ]
        print(report(__doc__, RECORDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()
