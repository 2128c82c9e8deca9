"""`tfrecord_pipeline.py` for torch and `tfrecord`.  Its arguments are those of `tf1_tfrecord_pipeline.py`."""

import sys
from functools import partial
from importlib.metadata import version
from itertools import chain, repeat
from typing import Any

import torch
from competitors import Fact, serve
from measure import Sample
from programs.listing import apart, numbers, rate
from programs.tfrecord import BESTS
from tfrecord.torch.dataset import TFRecordDataset
from torch.utils.data import ChainDataset, DataLoader

half = len(sys.argv) // 2
cases: dict[str, Sample] = {}
facts: dict[str, Fact] = {}


def batches(paths: list[str], batch: int, at_once: int, shuffled: int) -> Any:
    """Yield the batches of one pass.  A worker process reads, parses and shuffles, and is two parts ahead."""
    description = {"x": "float", "label": "int"}
    data: Any = ChainDataset([TFRecordDataset(path, None, description, shuffle_queue_size=shuffled) for path in paths])
    loader = DataLoader(data, batch_size=batch * at_once, num_workers=1)
    return apart(((found["x"].numpy(), found["label"].numpy()) for found in loader), batch)


def endless(files: list[str], *sizes: int) -> Any:
    return chain.from_iterable(batches(files * 20, *sizes) for _ in repeat(None))


def one_pass(path: str, *sizes: int) -> list[float]:
    return numbers(batches([path], *sizes))


for case, (checked, *files) in zip(BESTS, (sys.argv[1 : 1 + half], sys.argv[1 + half :]), strict=True):
    _, *sizes = BESTS[case]
    cases[case] = partial(rate, endless(files, *sizes), sizes[0])
    facts[case] = partial(one_pass, checked, *sizes)
serve(f"torch {torch.__version__}, tfrecord {version('tfrecord')}", cases, facts)
