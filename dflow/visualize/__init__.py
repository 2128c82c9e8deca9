"""Drawings of graphs: operations as boxes, grouped by the device and the segment that they run in.

`visualize(loss)` shows in a notebook, `visualize(loss, "graph.svg")` writes a file.  The drawing is a self-contained
SVG: it needs no program beside Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable, compile_plan
from dflow.compile.place import default_device
from dflow.compile.prune import prune
from dflow.devices import DeviceSpec
from dflow.graph import Graph, Operation, Tensor, get_default_graph
from dflow.runtime.session.fetches import FetchMap, feed_tensor
from dflow.visualize.collapse import collapse
from dflow.visualize.model import Picture, picture
from dflow.visualize.svg import draw

DEFAULT_LIMIT = 100  # boxes: a drawing of more is a summary


class Drawing:
    """A drawing: `svg` is its text; a notebook shows it."""

    def __init__(self, picture: Picture) -> None:
        self.svg = draw(picture)
        self._about = picture.about

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto;max-height:900px">{self.svg}</div>'

    def save(self, filename: str | Path) -> None:
        """Write it as `.svg` or as `.html`; ValueError for another ending."""
        path = Path(filename)
        if path.suffix == ".svg":
            text = f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}\n'
        elif path.suffix == ".html":
            title = escape(path.stem)
            text = f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
            text += f'<body style="margin:16px">{self.svg}</body></html>\n'
        else:
            raise ValueError(f"{path.name!r}: a drawing is written as .svg or .html")
        path.write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        return f"<dflow drawing: {self._about}>"


def visualize(
    fetches: Any = None,
    filename: str | Path | None = None,
    graph: Graph | None = None,
    feeds: Iterable[Any] = (),
    devices: Sequence[str] | DeviceTable | None = None,
    session: Any = None,
    limit: int = DEFAULT_LIMIT,
) -> Drawing:
    """Draw a run of `fetches`: each operation on its device, in its segment.

    fetches: as in `Session.run`; None for the whole graph.  filename: written as `.svg` or `.html` if it is given.
    graph: the default graph, if neither it nor a session is given.  feeds: tensors that are fed.
    session, devices: the session with the devices, or their full names; by default the devices that the operations
    request, so that a drawing needs no cluster.  limit: with more boxes than this, name scopes are drawn as one box
    each.  Raises the errors of placing (InvalidArgumentError, UnavailableError) if there is no such device.
    """
    if graph is None:
        graph = session.graph if session is not None else get_default_graph()
    elements = _sinks(graph) if fetches is None else FetchMap(graph, fetches).elements
    fed = [feed_tensor(graph, key) for key in feeds]
    needed = prune(elements, fed)
    table = _table(needed.ops, devices, session)
    soft = devices is None and session is None
    plan = compile_plan(elements, fed, table, default_device(table), soft_placement=soft)
    drawing = Drawing(collapse(picture(needed, plan, table, mark=fetches is not None), limit))
    if filename is not None:
        drawing.save(filename)
    return drawing


def _sinks(graph: Graph) -> tuple[Tensor | Operation, ...]:
    """The operations that no other one needs: a run of all of them needs the whole graph."""
    ops = graph.get_operations()
    used = {tensor.op for op in ops for tensor in op.operands} | {c for op in ops for c in op.control_inputs}
    return tuple(op for op in ops if op not in used)


def _table(ops: Iterable[Operation], devices: Any, session: Any) -> DeviceTable:
    if devices is None and session is not None:
        table: DeviceTable = session.backend.devices()
        return table
    if isinstance(devices, DeviceTable):
        return devices
    names = asked_devices(ops) if devices is None else list(devices)
    return DeviceTable(tuple(DeviceInfo(name) for name in names))


def asked_devices(ops: Iterable[Operation]) -> list[str]:
    """Full names for the devices that operations request, and a CPU beside each: the smallest cluster that has them."""
    requests = [DeviceSpec.from_string(request) for request in {op.colocation_root().device for op in ops}]
    jobs = {request.job for request in requests if request.job}
    home = DeviceSpec("worker" if "worker" in jobs else min(jobs, default="localhost"), 0, 0, "CPU", 0)
    specs = {} if jobs else {home.to_string(): home}
    for request in requests:
        full = home.make_merged_spec(request)
        for spec in (full, full.replace(device_type="CPU", device_index=0)) if request.to_string() else ():
            specs[spec.to_string()] = spec
    return sorted(specs, key=lambda name: _sort_key(specs[name]))


def _sort_key(spec: DeviceSpec) -> tuple[str, int, int, str, int]:
    return spec.job or "", spec.replica or 0, spec.task or 0, spec.device_type or "", spec.device_index or 0


def _graph_as_html(graph: Graph) -> str:
    return visualize(graph=graph)._repr_html_()


# A notebook shows a graph as its drawing.  Set here, since a graph knows nothing of devices and of the compiler.
Graph._repr_html_ = _graph_as_html  # type: ignore[attr-defined]
