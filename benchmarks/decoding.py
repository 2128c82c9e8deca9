"""How many records a second does one thread read and decode?

A step is a `Session.run` of `read_up_to` and of the operation that decodes its records. All columns are fetched. Both
systems run the same program on the same files. TensorFlow has one thread in each pool.

* **CSV**: `TextLineReader` and `decode_csv` of columns of floats.
* **Examples**: `TFRecordReader` and `parse_example` of as many float features and an int64. The int64 is a label below
  2, so that all records have the same length, or a 64-bit hash, which takes one to ten bytes.
* **By hand**: `pyarrow.csv` reads one file at a time, in one thread. For Examples, protobuf parses the records of
  `tf_record_iterator` one after the other into a list for each feature, which becomes a NumPy array.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.csv
from competitors import Competitor, Here, Peer
from measure import RECORDS, Sample, rounds_asked, seconds_a_call, size
from programs.decoding import DECODING, decoding
from tables import BY_HAND, report

import dflow as df
from dflow.readers.example.proto import Example, Feature, Features, FloatList, Int64List

LINES = size(20_000, 1_000)


def write_files(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for kind, columns, _ in DECODING.values():
        values = rng.normal(size=(LINES, columns)).astype(np.float32)
        path = folder / f"{kind}-{columns}"
        if kind == "csv":
            np.savetxt(path, values, fmt="%.6g", delimiter=",")
            continue
        ids = rng.integers(2 if kind == "labels" else 2**63, size=LINES)
        with df.python_io.TFRecordWriter(str(path)) as writer:
            for row, number in zip(values, ids, strict=True):
                features = {f"f{i}": Feature(float_list=FloatList(value=[x])) for i, x in enumerate(row)}
                features["id"] = Feature(int64_list=Int64List(value=[number]))
                writer.write(Example(features=Features(feature=features)).SerializeToString())


def by_arrow(path: str, columns: int) -> Sample:
    options = {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, autogenerate_column_names=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={f"f{i}": pyarrow.float32() for i in range(columns)}
        ),
    }

    def read_file() -> None:
        for column in pyarrow.csv.read_csv(path, **options):
            column.to_numpy()

    return lambda: LINES / seconds_a_call(read_file, seconds=0.5)


def by_protobuf(path: str, columns: int, step: int) -> Sample:
    names = [*((f"f{i}", "float_list", np.float32) for i in range(columns)), ("id", "int64_list", np.int64)]

    def batches() -> Iterator[None]:
        records = itertools.chain.from_iterable(df.python_io.tf_record_iterator(path) for _ in itertools.count())
        while True:
            rows = [Example.FromString(record).features.feature for record in itertools.islice(records, step)]
            for key, kind, dtype in names:
                np.array([getattr(row[key], kind).value[0] for row in rows], dtype)
            yield

    taken = batches()
    return lambda: step / seconds_a_call(lambda: next(taken), seconds=0.5)


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        write_files(Path(folder))
        by_hand = {
            name: by_arrow(f"{folder}/csv-{columns}", columns)
            if kind == "csv"
            else by_protobuf(f"{folder}/{kind}-{columns}", columns, step)
            for name, (kind, columns, step) in DECODING.items()
        }
        competitors: list[Competitor] = [
            Here("dflow", decoding(df, folder)),
            Peer("TF1", "tensorflow", "tf1_decoding.py", folder),
            Here(BY_HAND, by_hand),
        ]
        print(report(__doc__, RECORDS, competitors, {}, rounds))


if __name__ == "__main__":
    main()
