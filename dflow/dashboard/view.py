"""The page in Bokeh: two plots over time, and a table for each part of a snapshot.

A `View` belongs to one browser window.  It reads a `History` and changes Bokeh models; it knows no Dask.
"""

from __future__ import annotations

from typing import Any

from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Title
from bokeh.models.widgets import Div
from bokeh.plotting import figure

from dflow.dashboard.snapshot import History, Line, Row
from dflow.dashboard.tables import CSS, TABLES, colour, short, summary, table_html

UPDATE_MS = 500
LOWEST_RATE = 0.1  # iterations/s; the axis is logarithmic, slower loops are drawn at its lower end


class Plot:
    """Lines over the last two minutes; each has the colour of its row in the table."""

    part: str
    FIELDS = ("xs", "ys", "colour", "name", "device", "text")

    def __init__(self, history: History, title: str, **figure_options: Any) -> None:
        self.history = history
        self.source = ColumnDataSource({name: [] for name in self.FIELDS}, name=f"{self.part}_lines")
        self.root = figure(
            title=Title(text=title, text_font_size="15px", text_color="#1f2a3d"),
            height=260,
            sizing_mode="stretch_width",
            x_range=Range1d(start=-history.span, end=0),
            tools=[HoverTool(tooltips=[("", "@name"), ("", "@device"), ("", "@text")], line_policy="nearest")],
            toolbar_location=None,
            x_axis_label="seconds ago",
            **figure_options,
        )
        self.root.multi_line("xs", "ys", source=self.source, line_color="colour", line_width=2, line_join="round")
        _style(self.root)

    def update(self) -> None:
        columns: dict[str, list[Any]] = {name: [] for name in self.FIELDS}
        for line in self.history.lines(self.part):
            columns["xs"].append([time - self.history.now for time in line.times])
            columns["ys"].append(self.values(line))
            columns["colour"].append(colour(line.number))
            columns["name"].append(line.row["name"] or line.row.get("id", ""))
            columns["device"].append(line.row["device"] + (" (virtual)" if line.row["virtual"] else ""))
            columns["text"].append(self.text(line))
        self.source.data = columns

    def values(self, line: Line) -> list[float]:
        raise NotImplementedError

    def text(self, line: Line) -> str:
        """The text of the tool tip of a line."""
        raise NotImplementedError


class QueuePlot(Plot):
    """The filled part of each queue."""

    part = "queues"

    def __init__(self, history: History) -> None:
        y_range = Range1d(start=0, end=1.03)
        super().__init__(history, "Queue fill", y_axis_label="share of capacity", y_range=y_range)
        self.root.yaxis.formatter = NumeralTickFormatter(format="0%")

    def values(self, line: Line) -> list[float]:
        return line.shares()

    def text(self, line: Line) -> str:
        queue: Row = line.row
        if queue["capacity"] > 0:
            return f"{queue['size']:,} of {queue['capacity']:,}"
        return f"{queue['size']:,}; without a bound, so 100% is its largest size here"


class LoopPlot(Plot):
    """The rate of each loop; logarithmic, as a loop that reads single records is far faster than one that trains."""

    part = "loops"

    def __init__(self, history: History) -> None:
        self.y_range = Range1d(start=LOWEST_RATE, end=100)
        options = {"y_axis_label": "iterations/s (log)", "y_axis_type": "log", "y_range": self.y_range}
        super().__init__(history, "Loop rates", **options)
        self.root.yaxis.formatter = NumeralTickFormatter(format="0,0.[0]")

    def update(self) -> None:
        super().update()
        rates = [rate for line in self.history.lines(self.part) for rate in line.values if rate == rate]
        self.y_range.end = max(100.0, 2 * max(rates, default=0.0))

    def values(self, line: Line) -> list[float]:
        return [max(LOWEST_RATE, rate) if rate == rate else rate for rate in line.values]

    def text(self, line: Line) -> str:
        rate = line.row["iterations_per_s"]
        return "rate not known" if rate is None else f"{short(rate)} iterations/s"


def _style(plot: figure) -> None:
    plot.outline_line_color = None
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = "#e8ecf1"
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = "#c6ced9"
    plot.axis.minor_tick_line_color = None
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_color = plot.axis.major_label_text_color = "#5a667a"
    plot.xaxis.formatter = NumeralTickFormatter(format="0")


def _html(**options: Any) -> Div:
    return Div(stylesheets=[CSS], disable_math=True, **options)


class View:
    """All models of one page, and their updates from a history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.drawn = -1
        self.head = _html(sizing_mode="stretch_width", name="summary")
        self.plots = (QueuePlot(history), LoopPlot(history))
        self.tables = {part: _html(name=part, sizing_mode="stretch_width") for part in TABLES}
        for part in ("containers", "readers", "devices"):  # side by side where there is room
            self.tables[part].styles = {"flex": "1 1 auto", "width": "auto", "min-width": "max-content"}
        queues, loops, *small_tables = self.tables.values()
        self.root = column(
            self.head,
            row(*(plot.root for plot in self.plots), sizing_mode="stretch_width", spacing=16),
            queues,
            loops,
            row(*small_tables, sizing_mode="stretch_width", styles={"flex-wrap": "wrap", "gap": "0 40px"}),
            sizing_mode="stretch_width",
        )

    def update(self) -> None:
        """Show the newest snapshot, if it is not shown yet."""
        if self.drawn == self.history.added:
            return
        self.drawn = self.history.added
        self.head.text = f"<p>{summary(self.history.latest)}</p>"
        for plot in self.plots:
            plot.update()
        for part, table in self.tables.items():
            table.text = table_html(part, self.history)


def show(history: History, document: Document, template: str) -> View:
    """Fill a new document with the page, and keep it up to date."""
    view = View(history)
    view.update()
    document.title = "dflow"
    document.template = template  # type: ignore[assignment]
    document.add_root(view.root)
    document.add_periodic_callback(view.update, UPDATE_MS)
    return view
