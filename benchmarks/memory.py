"""How much memory does a process need to stream a file of any size through the CSV pipeline?

The file has 5 float columns. Its records go through a `RandomShuffleQueue` of 10,000 records, which take 200 KB, and
come out in batches of 128. Each sample is a process of its own. The table shows the peak of its resident memory. There
is no warm-up round. TensorFlow 1 is not measured with one record a step, because it would take too long.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from competitors import Competitor, Here, Peer
from measure import MEGABYTES, command_line, size
from programs.csv import COLUMNS
from programs.stream import RECORDS_MANY, RECORDS_ONE, STEPS, peak
from tables import AtMost, report

TARGETS = {case: [AtMost(500)] for case in (RECORDS_ONE, RECORDS_MANY)}
PART = size(100_000, 1_000)  # number of lines that the file repeats


def write_file(path: Path, megabytes: float) -> str:
    values = np.random.default_rng(1).normal(size=(PART, COLUMNS))
    part = "\n".join(",".join(f"{value:.6g}" for value in row) for row in values).encode() + b"\n"
    with open(path, "wb") as file:
        while file.tell() < megabytes * 1e6:
            file.write(part)
    return str(path)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--megabytes", type=float, default=size(5000, 1), help="the size of the file")
    asked = parser.parse_args()
    question = f"{__doc__.rstrip()}\nThe file has {asked.megabytes:,.0f} MB.\n"
    with tempfile.TemporaryDirectory() as folder:
        file = write_file(Path(folder) / "records.csv", asked.megabytes)
        competitors: list[Competitor] = [
            Here("dflow", {case: partial(peak, "dflow", case, file) for case in STEPS}),
            Peer("TF1", "tensorflow", "tf1_memory.py", file),
        ]
        print(report(question, MEGABYTES, competitors, TARGETS, asked.rounds, warm_up=False))


if __name__ == "__main__":
    main()
