"""How fast are variables saved as a checkpoint, and restored?

A sample saves the variables of a session, or restores them, once. Both systems run the same program; the files are on
the local disk, and in the page cache when they are read. Only dflow has the disk write them (`fsync`) before the
checkpoint counts.

* **Large**: 8 variables of 128 MB, 1 GB in all.
* **Small**: 2,000 variables of 4 kB.
* **By hand**: NumPy writes the bytes of all variables to one file, with `fsync`, and reads them back. It computes no
  checksums.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from competitors import Competitor, Here, Peer
from measure import Sample, Unit, rounds_asked, seconds_once
from programs.checkpoints import CHECKPOINTS, checkpoints
from tables import BY_HAND, report

import dflow as df

MEGABYTES_A_SECOND = Unit("MB/s", rate=True, scale=1e-6)


def by_hand(folder: str) -> dict[str, Sample]:
    return {name: _by_hand(Path(folder) / f"{count}", count, floats, saves)
            for name, (count, floats, saves) in CHECKPOINTS.items()}  # fmt: skip


def _by_hand(path: Path, count: int, floats: int, saves: bool) -> Sample:
    values = [np.ones(floats, np.float32) for _ in range(count)]

    def write() -> None:
        with path.open("wb") as file:
            for value in values:
                file.write(value.data)
            file.flush()
            os.fsync(file.fileno())

    def read() -> None:
        with path.open("rb") as file:
            for _ in range(count):
                np.fromfile(file, np.float32, floats)

    write()
    return lambda: 4 * count * floats / seconds_once(write if saves else read)


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        competitors: list[Competitor] = [
            Here("dflow", checkpoints(df, f"{folder}/dflow")),
            Peer("TF1", "tensorflow", "tf1_checkpoints.py", f"{folder}/tf"),
            Here(BY_HAND, by_hand(folder)),
        ]
        print(report(__doc__, MEGABYTES_A_SECOND, competitors, {}, rounds))


if __name__ == "__main__":
    main()
