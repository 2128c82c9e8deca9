"""`csv_pipeline.py` for torch.  Its arguments: the CSV file for the facts, then the others."""

import sys
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any

import numpy as np
import torch
from competitors import serve
from programs.csv import BEST, SHUFFLED
from programs.listing import apart, numbers, rate
from torch.utils.data import DataLoader, IterableDataset

checked, *files = sys.argv[1:]


class Shuffled(IterableDataset[Any]):
    """A data set that reads some thousand records at once and shuffles them.  The caller splits these into batches."""

    def __init__(self, paths: list[str], passes: int | None) -> None:
        self._paths, self._passes = paths, passes

    def __iter__(self) -> Iterator[torch.Tensor]:
        passes = repeat(self._paths) if self._passes is None else repeat(self._paths, self._passes)
        for path in chain.from_iterable(passes):
            with open(path) as lines:
                while part := list(islice(lines, SHUFFLED)):
                    values = np.loadtxt(part, np.float32, delimiter=",", ndmin=2)
                    yield torch.from_numpy(values)[torch.randperm(len(values))]


def batches(paths: list[str], passes: int | None) -> Any:
    """Yield batches.  One worker process reads, and is two parts ahead."""
    loader = DataLoader(Shuffled(paths, passes), batch_size=None, num_workers=1)
    return apart((part.numpy(),) for part in loader)


endless = batches(files, None)
serve(f"torch {torch.__version__}", {BEST: lambda: rate(endless)}, {BEST: lambda: numbers(batches([checked], 1))})
