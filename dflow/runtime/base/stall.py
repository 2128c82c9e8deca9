"""Reports of stalled queues: which attempts wait for each of them, and since when.

They are for a program that stands still.  A queue is stalled when attempts wait for it and nothing has moved in it for
a while.  This file has pure functions of the rows of `SharedQueue.row`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dflow.runtime.base import timeouts

Row = Mapping[str, Any]


def stalled(queues: Iterable[Row], after: float = timeouts.STALL) -> list[Row]:
    """The queues in which nothing has moved for `after` seconds although attempts wait."""
    return [row for row in queues if row["waiting"] and row["idle_s"] >= after]


class StallWatch:
    """Reports each stall once, and again only after the queue has moved."""

    def __init__(self, after: float = timeouts.STALL) -> None:
        self.after = after
        self._reported: set[tuple[Any, ...]] = set()

    def look(self, queues: Iterable[Row]) -> str:
        """The report of the queues that are newly stalled; "" for none."""
        by_state = {_state(row): row for row in stalled(queues, self.after)}
        new = [row for state, row in by_state.items() if state not in self._reported]
        self._reported = set(by_state)
        return report(new)


def _state(row: Row) -> tuple[Any, ...]:
    """The name of a queue and its counts, which stay the same as long as nothing moves."""
    return row["device"], row["container"], row["name"], row["enqueued"], row["dequeued"]


def report(queues: Iterable[Row]) -> str:
    """The queues as text: how full each is, which attempts wait since when, which one last moved an element."""
    return "\n".join(_queue(row) for row in queues)


def _queue(row: Row) -> str:
    limit = "" if row["capacity"] < 0 else f" of {row['capacity']}"
    state = "closed" if row["closed"] else "open"
    moved = f"last moved {row['idle_s']:.0f} s ago by {row['moved_by']}" if row["moved_by"] else "nothing moved yet"
    gathered = f", and {row['gathered']} for the first that waits for several" if row["gathered"] else ""
    holds = f"{row['size']}{limit} elements{gathered}"
    head = f"{row['kind']} '{row['name']}' on {row['device']} holds {holds}, {state}; {moved}"
    waiting = [f"  waits since {w['since_s']:.0f} s: {w['who']} ({w['what']})" for w in row["waiting"]]
    return "\n".join([head, *waiting, *_hints(row)])


def _hints(row: Row) -> list[str]:
    """A line about a demand that no element can meet, which is easy to overlook."""
    wanted = max((w["wants"] for w in row["waiting"]), default=0)
    if 0 <= row["capacity"] < wanted and not row["waiting_enqueues"]:
        return [
            f"  {wanted} elements are wanted at once; the queue holds at most {row['capacity']}, and no one enqueues"
        ]
    return []
