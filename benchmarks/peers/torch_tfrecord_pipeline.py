"""`tfrecord_pipeline.py` for torch and `tfrecord`; its arguments are those of `tf1_tfrecord_pipeline.py`."""

import sys
from functools import partial
from importlib.metadata import version
from itertools import chain, repeat
from typing import Any

import torch
from competitors import Fact, serve
from measure import Sample
from programs.listing import numbers, rate
from programs.tfrecord import BESTS
from tfrecord.torch.dataset import TFRecordDataset
from torch.utils.data import ChainDataset, DataLoader

half = len(sys.argv) // 2
cases: dict[str, Sample] = {}
facts: dict[str, Fact] = {}


def batches(paths: list[str], batch: int, shuffled: int) -> Any:
    """One pass; a worker process reads, parses and shuffles, and is ahead by two batches."""
    description = {"x": "float", "label": "int"}
    data: Any = ChainDataset([TFRecordDataset(path, None, description, shuffle_queue_size=shuffled) for path in paths])
    for found in DataLoader(data, batch_size=batch, num_workers=1):
        yield found["x"].numpy(), found["label"].numpy()


def endless(files: list[str], batch: int, shuffled: int) -> Any:
    return chain.from_iterable(batches(files * 20, batch, shuffled) for _ in repeat(None))


def one_pass(path: str, *sizes: int) -> list[float]:
    return numbers(batches([path], *sizes))


for case, (checked, *files) in zip(BESTS, (sys.argv[1 : 1 + half], sys.argv[1 + half :]), strict=True):
    _, batch, shuffled = BESTS[case]
    cases[case] = partial(rate, endless(files, batch, shuffled), batch)
    facts[case] = partial(one_pass, checked, batch, shuffled)
serve(f"torch {torch.__version__}, tfrecord {version('tfrecord')}", cases, facts)
