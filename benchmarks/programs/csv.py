"""The CSV pipelines."""

from __future__ import annotations

from typing import Any

from programs.listing import Listing

COLUMNS, WIDE, MANY = 5, 28, 1024
SHUFFLED = 4096  # number of records among which the best pipelines shuffle
AT_ONCE = 32  # number of batches that they take at once
BEST_QUEUE = {"capacity": 4 * SHUFFLED, "reserve": SHUFFLED, "at_once": AT_ONCE}


def _read_csv(columns: int, label: bool, step: int) -> Any:
    def read(tf: Any, names: Any) -> list[Any]:
        reader = tf.TextLineReader()
        _, lines = reader.read(names) if step == 1 else reader.read_up_to(names, step)
        fields = tf.decode_csv(lines, [[0.0]] * columns + [[0]] * label)
        return [tf.stack(fields[:columns], axis=-1), *fields[columns:]]

    return read


def csv(columns: int = COLUMNS, label: bool = False, step: int = 1, loops: int = 1, **queue: int) -> Listing:
    shapes, dtypes = [(columns,), ()][: 1 + label], ["float32", "int32"][: 1 + label]
    return Listing(_read_csv(columns, label, step), shapes, dtypes, many=step > 1, loops=loops, **queue)


ONE_LOOP, FIVE_LOOPS = "5 columns, one record a step, one loop", "5 columns, one record a step, five loops"
WIDE_ONE_LOOP = "28 columns and a label, one record a step, one loop"
WIDE_FIVE_LOOPS = "28 columns and a label, one record a step, five loops"
BEST = "5 columns, the best that a user can write"
WIDE_BEST = "28 columns and a label, the best that a user can write"
TWO_WORKERS = "5 columns, the best on two workers"
LISTINGS = {ONE_LOOP: csv(), FIVE_LOOPS: csv(loops=5)}
WIDE_LISTINGS = {WIDE_ONE_LOOP: csv(WIDE, True), WIDE_FIVE_LOOPS: csv(WIDE, True, loops=5)}
READ_UP_TO = csv(step=MANY, loops=2, **BEST_QUEUE)
WIDE_READ_UP_TO = csv(WIDE, True, step=MANY, loops=2, **BEST_QUEUE)
CLUSTER = {
    "1 ps + 2 workers, one record a step, one loop each": csv(),
    "1 ps + 2 workers, 128 records a step, one loop each": csv(step=128),
}


def queue_name(case: str) -> str:
    """Return the name of the queue that the processes of a cluster share."""
    return "".join(letter for letter in case if letter.isalnum())
