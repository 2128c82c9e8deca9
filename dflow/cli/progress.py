"""The progress of a running program, as one line of text.  Pure: two snapshots in, text out.

A snapshot is what the scheduler's handler `dflow_snapshot` returns: plain dicts and lists of counters.  Rates come
from the difference of two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dflow.cluster.target import is_of

Snapshot = Mapping[str, Any]

NO_SESSION = "no session yet"  # some scripts never have one
SHOWN = 6  # queues or loops on a line; the rest is counted


def only_of(submission: str, snapshot: Snapshot) -> Snapshot:
    """The snapshot without the queues, readers and loops that only other programs on the cluster use."""
    mine: dict[str, Any] = {
        part: [row for row in snapshot[part] if any(is_of(session, submission) for session in row["sessions"])]
        for part in ("queues", "readers")
    }
    loops = [row for row in snapshot["loops"] if is_of(row["session"], submission)]
    return {**snapshot, **mine, "loops": loops}


def progress_line(previous: Snapshot | None, current: Snapshot | None) -> str:
    """Records read, the sizes of the queues, and each loop's steps and values, with the rates since `previous`.

    None for `current`: no session has begun yet.  None for `previous`: a line without rates.
    """
    if current is None:
        return NO_SESSION
    seconds = current["time"] - previous["time"] if previous is not None else 0.0
    parts = [_records(previous, current, seconds), *_queues(current), *_loops(previous, current, seconds)]
    return " | ".join(filter(None, parts)) or "running"


def _records(previous: Snapshot | None, current: Snapshot, seconds: float) -> str:
    """`12,000 records, 4,000/s`: the sum over all readers; nothing without readers."""
    if not current["readers"]:
        return ""
    count = _sum_of_records(current)
    before = _sum_of_records(previous) if previous is not None else count
    return f"{count:,} records{_rate(count - before, seconds)}"


def _sum_of_records(snapshot: Snapshot) -> int:
    return sum(reader["records"] for reader in snapshot["readers"])


def _queues(current: Snapshot) -> list[str]:
    """`queue shuffle 812/1,000` each; with its device where several have one name."""
    queues = sorted(current["queues"], key=lambda queue: (queue["name"], queue["device"]))
    names = Counter(queue["name"] for queue in queues)
    return _first(_queue(queue, names[queue["name"]] > 1, current) for queue in queues)


def _queue(queue: Mapping[str, Any], with_device: bool, current: Snapshot) -> str:
    place = f" on {device_label(queue['device'], current)}" if with_device else ""
    room = f"/{queue['capacity']:,}" if queue["capacity"] >= 0 else ""  # negative: no bound
    return f"queue {queue['name']}{place} {queue['size']:,}{room}{' closed' if queue['closed'] else ''}"


def _loops(previous: Snapshot | None, current: Snapshot, seconds: float) -> list[str]:
    """`train on worker:0/gpu:0 120 steps, 15/s, loss 0.25` each: the loops with values first, they train."""
    before = {loop["id"]: loop["iterations"] for loop in previous["loops"]} if previous is not None else {}
    loops = sorted(current["loops"], key=lambda loop: (not loop["values"], loop["name"], loop["device"]))
    return _first(_loop(loop, before.get(loop["id"]), seconds, current) for loop in loops)


def _loop(loop: Mapping[str, Any], before: int | None, seconds: float, current: Snapshot) -> str:
    steps = loop["iterations"]
    rate = _rate(steps - before, seconds) if before is not None else ""
    values = "".join(f", {label} {value:.4g}" for label, value in sorted(loop["values"].items()))
    state = f" ({loop['state']})" if loop["state"] != "running" else ""
    return f"{loop['name']} on {device_label(loop['device'], current)} {steps:,} steps{rate}{values}{state}"


def _first(parts: Iterable[str]) -> list[str]:
    shown = list(parts)
    return shown if len(shown) <= SHOWN else [*shown[:SHOWN], f"and {len(shown) - SHOWN} more"]


def _rate(count: float, seconds: float) -> str:
    """`, 4,000/s`; nothing if time stood still or the counter went back, as after a worker was lost."""
    if seconds <= 0 or count < 0:
        return ""
    rate = count / seconds
    return f", {rate:,.0f}/s" if rate >= 10 or rate == 0 else f", {rate:.2g}/s"


def device_label(device: str, snapshot: Snapshot) -> str:
    """`/job:worker/replica:0/task:1/device:GPU:0` -> `worker:1/gpu:0`, with a mark if the device is virtual."""
    virtual = any(described["virtual"] for described in snapshot["devices"] if described["name"] == device)
    return _short_name(device) + (" (virtual)" if virtual else "")


def _short_name(device: str) -> str:
    parts = re.fullmatch(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)(?:/device:|/)(\w+):(\d+)", device)
    if parts is None:
        return device
    job, task, kind, index = parts.groups()
    return f"{job}:{task}/{kind.lower()}:{index}"
