"""The rows of the dashboard: the merged metrics of the workers, and the rates between two such snapshots.  Pure.

A snapshot is a dictionary: "time", "workers" (addresses), and a list of rows for each of PARTS.

Why rates are computed here and not on the workers: a worker sends counts only, so that a lost heartbeat loses nothing
and two viewers may look at different spans of time.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Row = dict[str, Any]
Snapshot = dict[str, Any]
Key = tuple[Any, ...]

PARTS: dict[str, Row] = {  # part -> the columns of a row, with the values where a worker sent none
    "queues": {
        "name": "",
        "container": "",
        "device": "",
        "kind": "",
        "size": 0,
        "capacity": -1,  # elements; -1: no bound
        "enqueued": 0,
        "dequeued": 0,
        "waiting_enqueues": 0,
        "waiting_dequeues": 0,
        "closed": False,
    },
    "readers": {"name": "", "container": "", "device": "", "records": 0, "files": 0},
    "loops": {
        "id": "",
        "name": "",
        "session": "",
        "device": "",
        "iterations": 0,
        "waiting_s": 0.0,  # seconds since the loop began; so is busy_s
        "busy_s": 0.0,
        "state": "",
        "values": {},  # label -> the last value
    },
    "containers": {"container": "", "device": "", "variables": 0, "bytes": 0},
    "devices": {"name": "", "virtual": False},
}
IDENTITY = {
    "queues": ("worker", "device", "container", "name"),
    "readers": ("worker", "device", "container", "name"),
    "loops": ("worker", "id"),
}
COUNTS = {  # count -> the column of its rate
    "queues": {"enqueued": "enqueued_per_s", "dequeued": "dequeued_per_s"},
    "readers": {"records": "records_per_s"},
    "loops": {"iterations": "iterations_per_s"},
}
ONLY_GROW = {part: tuple(counts) for part, counts in COUNTS.items()} | {"loops": ("iterations", "waiting_s", "busy_s")}


def merge(metrics: Mapping[str, Mapping[str, Any]]) -> Snapshot:
    """One snapshot out of every worker's metrics, by worker address; rows are sorted by device.

    Each row gets "worker", "time" (the worker's clock, in s) and "virtual", whether its device is a virtual one.
    Workers without dflow are left out; columns that a worker did not send have the values of PARTS.
    """
    merged: Snapshot = {"time": 0.0, "workers": [], **{part: [] for part in PARTS}}
    for worker in sorted(metrics):
        sent = metrics[worker].get("dflow")
        if not isinstance(sent, Mapping):
            continue
        time = float(sent.get("time") or 0.0)
        virtual = {device.get("name") for device in _rows(sent, "devices") if device.get("virtual")}
        merged["workers"].append(worker)
        merged["time"] = max(merged["time"], time)
        for part, defaults in PARTS.items():
            for row in _rows(sent, part):
                device = row.get("name" if part == "devices" else "device")
                merged[part].append({**defaults, **row, "worker": worker, "time": time, "virtual": device in virtual})
    for part in PARTS:
        merged[part].sort(key=_place)
    return merged


def _rows(sent: Mapping[str, Any], part: str) -> Iterator[Mapping[str, Any]]:
    return (row for row in sent.get(part) or () if isinstance(row, Mapping))


def _place(row: Row) -> tuple[tuple[Any, ...], ...]:
    """The order of rows: by device, then by container and name; task:10 comes after task:9."""
    texts = (row.get("device", row.get("name")), row.get("container"), row.get("name"))
    return tuple(_natural(str(text)) for text in texts)


@lru_cache(maxsize=250)
def _natural(text: str) -> tuple[Any, ...]:
    return tuple(int(bit) if bit.isdecimal() else bit for bit in re.split(r"(\d+)", text))


def identity(part: str, row: Row) -> Key:
    """The key of a row in its part, the same in this snapshot and the next."""
    return (part, *(row[column] for column in IDENTITY[part]))


def rates(previous: Snapshot, current: Snapshot) -> Snapshot:
    """`current`, its rows with the rates since `previous`: per second of the worker's own clock.

    Loops also get "waiting_share", from 0 to 1.  A rate is None where it is not known: the row is new, its worker has
    sent nothing since, or one of its counts fell, as after a restart.
    """
    rated = dict(current)
    for part, columns in COUNTS.items():
        before = {identity(part, row): row for row in previous[part]}
        rated[part] = []
        for row in current[part]:
            old = before.get(identity(part, row))
            span = row["time"] - old["time"] if old is not None and not fell(part, old, row) else 0.0
            new = {
                column: (row[count] - old[count]) / span if old and span > 0 else None
                for count, column in columns.items()
            }
            if part == "loops":
                new["waiting_share"] = _waiting_share(old, row) if old and span > 0 else None
            rated[part].append({**row, **new})
    return rated


def fell(part: str, old: Row, new: Row) -> bool:
    """Whether a count of `new` is below that of `old`: it is another object of the same name."""
    return any(new[count] < old[count] for count in ONLY_GROW[part])


def _waiting_share(old: Row, new: Row) -> float | None:
    waiting, busy = new["waiting_s"] - old["waiting_s"], new["busy_s"] - old["busy_s"]
    return waiting / (waiting + busy) if waiting + busy > 0 else None


@dataclass
class Line:
    """One line of a plot: a queue's size or a loop's rate over time."""

    number: int  # the same for the whole life of the line: its colour
    row: Row  # the latest
    times: deque[float]
    values: deque[float]

    def shares(self) -> list[float]:
        """The values as shares of the queue's capacity, or of the largest one if it has no bound."""
        capacity: float = self.row["capacity"]
        whole = capacity if capacity > 0 else max((v for v in self.values if v == v), default=0)
        return [value / whole if whole else 0.0 for value in self.values]


@dataclass
class History:
    """The latest snapshots: rates over the last few seconds, and the lines of the plots.  Bounded."""

    window: float = 4.0  # s that rates are averaged over
    silence: float = 15.0  # s without news from a worker until its rates are unknown
    span: float = 120.0  # s that lines reach back
    points: int = 300  # of a line, at most
    lines_limit: int = 40  # of a part, at most: the first ones
    now: float = 0.0
    added: int = 0  # snapshots so far
    latest: Snapshot = field(default_factory=lambda: rates(merge({}), merge({})))
    _seen: dict[Key, deque[Row]] = field(default_factory=dict)
    _heard: dict[Key, float] = field(default_factory=dict)  # when the newest of _seen arrived, on the caller's clock
    _lines: dict[Key, Line] = field(default_factory=dict)
    _drawn: int = 0

    def add(self, now: float, snapshot: Snapshot) -> Snapshot:
        """Take in a snapshot of the time `now`, in s of the caller's clock; return it with its rates."""
        seen, heard = {}, {}
        for part in COUNTS:
            for row in snapshot[part]:
                key = identity(part, row)
                rows = seen[key] = self._seen.get(key, deque())
                heard[key] = now if self._observe(part, rows, row) else self._heard[key]
        self._seen, self._heard = seen, heard
        base: Snapshot = {part: [] for part in COUNTS}
        for key, rows in seen.items():
            if now - heard[key] <= self.silence:
                base[key[0]].append(rows[0])
        self.now, self.latest, self.added = now, rates(base, snapshot), self.added + 1
        self._draw()
        return self.latest

    def lines(self, part: str) -> list[Line]:
        """The lines of "queues" (sizes) or of "loops" (iterations per second), oldest first."""
        return [line for key, line in self._lines.items() if key[0] == part]

    def line_number(self, part: str, row: Row) -> int | None:
        """The number of this row's line, None if it has none."""
        line = self._lines.get(identity(part, row))
        return None if line is None else line.number

    def _observe(self, part: str, rows: deque[Row], row: Row) -> bool:
        """Add `row` to those of its object, oldest first; False if it is not newer.

        Older rows than the youngest one that is a window old are dropped, and after a restart those before it.
        """
        if rows and row["time"] == rows[-1]["time"]:
            return False
        if rows and (fell(part, rows[-1], row) or row["time"] < rows[-1]["time"]):
            rows.clear()
        rows.append(row)
        while len(rows) > 2 and rows[1]["time"] <= row["time"] - self.window:
            rows.popleft()
        return True

    def _draw(self) -> None:
        for part, column in (("queues", "size"), ("loops", "iterations_per_s")):
            for row in self.latest[part]:
                key = identity(part, row)
                if key not in self._lines and len(self.lines(part)) >= self.lines_limit:
                    continue
                line = self._lines.get(key)
                if line is None:
                    line = Line(self._drawn, row, deque(maxlen=self.points), deque(maxlen=self.points))
                    self._lines[key] = line
                    self._drawn += 1
                line.row = row
                line.times.append(self.now)
                line.values.append(math.nan if row[column] is None else row[column])
        for key, line in list(self._lines.items()):
            while line.times and line.times[0] < self.now - self.span:
                line.times.popleft()
                line.values.popleft()
            if not line.times:
                del self._lines[key]


def to_json(value: Any) -> Any:
    """`value` in types of strict JSON: None for numbers that are not finite, text for values of other types."""
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
