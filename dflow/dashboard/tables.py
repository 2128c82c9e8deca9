"""The tables of the page as HTML, from a snapshot with rates.  Pure.

Why HTML and not Bokeh's DataTable: one that was hidden while it was empty does not follow its data once it is shown,
and its columns do not fit their texts (Bokeh 3.9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from dflow.dashboard.snapshot import History, Row, Snapshot

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f")
NO_COLOUR = "#b8c0cc"  # of a row that has no line in a plot
ROWS_SHOWN = 200  # of a table
UNKNOWN = "–"  # noqa: RUF001 - a dash as wide as a digit

CSS = """
:host { font-size: 13px; color: #1f2a3d; overflow-x: auto; }
.bk-clearfix { width: 100%; }
h2 { font-size: 15px; font-weight: 600; margin: 12px 0 4px; }
h2 small, p { font-weight: 400; color: #8a94a6; }
p { margin: 4px 0 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: left; white-space: nowrap; }
th { color: #5a667a; font-weight: 600; white-space: normal; vertical-align: bottom; border-bottom: 1px solid #c6ced9; }
td { border-bottom: 1px solid #eef1f5; }
th.number, td.number { text-align: right; }
i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 7px; }
.bar { width: 110px; height: 11px; border-radius: 3px; background: #e8ecf1; }
.bar div { height: 11px; border-radius: 3px; }
.virtual { background: #f6e7c1; color: #7a5a00; border-radius: 3px; padding: 0 5px; margin-left: 6px; font-size: 11px; }
"""


def whole(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def tenths(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f}"


def percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0%}"


def size_of(value: float) -> str:
    """A number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"


def short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def text(column: str) -> Callable[[Row], str]:
    return lambda row: escape(str(row[column]))


def number(column: str, show: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: show(row[column])


def device(column: str = "device") -> Callable[[Row], str]:
    mark = '<span class="virtual">virtual</span>'
    return lambda row: escape(row[column]) + (mark if row["virtual"] else "")


def name(row: Row) -> str:
    """The name of a queue or a loop, beside the colour of its line."""
    return f'<i style="background:{row["colour"]}"></i>{escape(row["name"] or str(row["id"]))}'


def fill(row: Row) -> str:
    """A bar for the filled part of a queue."""
    if row["capacity"] <= 0:
        return ""
    share = f"{min(1.0, row['size'] / row['capacity']):.0%}"
    return f'<div class="bar" title="{share}"><div style="width:{share};background:{row["colour"]}"></div></div>'


def capacity(row: Row) -> str:
    return whole(row["capacity"]) if row["capacity"] > 0 else "no bound"


def values(row: Row) -> str:
    latest = row["values"]
    shown = (f"{label} {short(value)}" for label, value in latest.items()) if isinstance(latest, Mapping) else ()
    return escape(", ".join(shown))


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    cell: Callable[[Row], str]  # HTML
    number: bool = False  # to the right


def count(title: str, column: str, show: Callable[[Any], str] = whole) -> Column:
    return Column(title, number(column, show), number=True)


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    empty: str  # the text while there is no row
    columns: tuple[Column, ...]


TABLES = {
    "queues": Table(
        "Queues",
        "No queue yet",
        (
            Column("Device", device()),
            Column("Container", text("container")),
            Column("Queue", name),
            Column("Kind", text("kind")),
            Column("Fill", fill),
            count("Size", "size"),
            Column("Capacity", capacity, number=True),
            count("Enqueued/s", "enqueued_per_s", tenths),
            count("Dequeued/s", "dequeued_per_s", tenths),
            count("Enqueues waiting", "waiting_enqueues"),
            count("Dequeues waiting", "waiting_dequeues"),
            Column("State", lambda row: "closed" if row["closed"] else "open"),
        ),
    ),
    "loops": Table(
        "Loops",
        "No loop yet",
        (
            Column("Device", device()),
            Column("Loop", name),
            Column("Session", text("session")),
            Column("State", text("state")),
            count("Iterations", "iterations"),
            count("Iterations/s", "iterations_per_s", tenths),
            count("Waiting", "waiting_share", percent),
            count("Busy (s)", "busy_s", tenths),
            count("Waited (s)", "waiting_s", tenths),
            Column("Values", values),
        ),
    ),
    "containers": Table(
        "Containers",
        "No container yet",
        (
            Column("Device", device()),
            Column("Container", text("container")),
            count("Variables", "variables"),
            count("Size", "bytes", size_of),
        ),
    ),
    "readers": Table(
        "Readers",
        "No reader yet",
        (
            Column("Device", device()),
            Column("Reader", text("name")),
            count("Records", "records"),
            count("Records/s", "records_per_s", tenths),
            count("Files", "files"),
        ),
    ),
    "devices": Table("Devices", "No device yet", (Column("Device", device("name")), Column("Worker", text("worker")))),
}


def colour(line: int | None) -> str:
    return NO_COLOUR if line is None else COLOURS[line % len(COLOURS)]


def table_html(part: str, history: History) -> str:
    """The table of one part of the latest snapshot, with its title."""
    table, rows = TABLES[part], history.latest[part]
    if not rows:
        return f"<h2>{table.title}</h2><p>{table.empty}</p>"
    cells = []
    for row in rows[:ROWS_SHOWN]:
        line = history.line_number(part, row) if part in ("queues", "loops") else None
        cells.append("".join(_cell("td", each, each.cell({**row, "colour": colour(line)})) for each in table.columns))
    titles = "".join(_cell("th", each, each.title) for each in table.columns)
    body = "".join(f"<tr>{each}</tr>" for each in cells)
    note = f"<p>and {len(rows) - ROWS_SHOWN:,} more</p>" if len(rows) > ROWS_SHOWN else ""
    head = f"<h2>{table.title} <small>{len(rows):,}</small></h2>"
    return f'{head}<table data-part="{part}"><tr>{titles}</tr>{body}</table>{note}'


def _cell(tag: str, column: Column, html: str) -> str:
    return f'<{tag} class="number">{html}</{tag}>' if column.number else f"<{tag}>{html}</{tag}>"


def summary(snapshot: Snapshot) -> str:
    """The page's first line."""
    virtual = sum(row["virtual"] for row in snapshot["devices"])
    counts = [_counted(len(snapshot[part]), part[:-1]) for part in ("workers", "devices", "queues", "loops", "readers")]
    if virtual:
        counts[1] += f" ({virtual} virtual: CPUs in the place of GPUs)"
    return " · ".join(counts)


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
