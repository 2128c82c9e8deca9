"""`csv_pipeline.py` for Ray Data.  Its arguments: the CSV file for the facts, then the others.

A sample is one pass over a list that has each file ten times, and starts at the first batch.  Ray Data has no endless
pass.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.csv
import ray
import ray.data
from competitors import serve
from measure import size
from programs.csv import AT_ONCE, BEST, COLUMNS, SHUFFLED
from programs.listing import BATCH, apart, numbers

checked, *files = sys.argv[1:]
NAMES = [f"f{i}" for i in range(COLUMNS)]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False


def batches(paths: list[str]) -> Iterator[tuple[Any]]:
    data = ray.data.read_csv(
        paths,
        read_options=pyarrow.csv.ReadOptions(column_names=NAMES),
        convert_options=pyarrow.csv.ConvertOptions(column_types={name: pyarrow.float32() for name in NAMES}),
    )
    for values in data.iter_batches(
        batch_size=BATCH * AT_ONCE,
        batch_format="numpy",
        local_shuffle_buffer_size=SHUFFLED,
        prefetch_batches=2,
    ):
        yield from apart([(np.stack([values[name] for name in NAMES], axis=-1),)])


def sample() -> float:
    found = batches(files * size(10, 1))
    next(found)
    started = time.perf_counter()
    records = sum(len(batch) for (batch,) in found)
    return records / (time.perf_counter() - started)


serve(f"Ray {ray.__version__}", {BEST: sample}, {BEST: lambda: numbers(batches([checked]))})
