"""A picture as SVG text: self-contained, with everything escaped."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from dflow.visualize.layout import LEGEND, MAX_DETAIL, MAX_LABEL, Box, Layout, lay_out, shortened
from dflow.visualize.model import FAMILIES, Edge, Node, Picture

COLORS = {  # family -> fill, outline
    "compute": ("#e3edfd", "#3b6fd4"),
    "variable": ("#eee8fc", "#7a53cf"),
    "queue": ("#feecd9", "#dd7a1c"),
    "reader": ("#e2f5e4", "#3a9a49"),
    "random": ("#fce6f1", "#cf4a8d"),
    "order": ("#eef1f5", "#6b7889"),
    "input": ("#fdf6d3", "#b8930f"),
    "constant": ("#fafbfc", "#a3adba"),
    "own": ("#e0f3f3", "#2b8a8f"),
}
TITLES_SHOWN = 12  # tensors in the tool tip of an arrow

STYLE = """
.dflow-graph text{font-family:system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif;fill:#1f2a3d}
.dflow-graph .name{font-size:11px;font-weight:600;text-anchor:middle}
.dflow-graph .detail{font-size:9.5px;fill:#5b6879;text-anchor:middle}
.dflow-graph .small .name{font-size:9.5px;font-weight:400}
.dflow-graph .device{font-size:12px;font-weight:600}
.dflow-graph .about{font-size:11px;fill:#5b6879}
.dflow-graph .band{fill:#f6f8fb;stroke:#d5dce6}
.dflow-graph .frame{fill:#fff;stroke:#c9d2de}
.dflow-graph .waits{stroke:#e3a35f;stroke-dasharray:5 3}
.dflow-graph .edge{fill:none;stroke:#8592a6;stroke-width:1.2}
.dflow-graph .sent{stroke:#33476b;stroke-width:1.7}
.dflow-graph .control{stroke-dasharray:4 3;stroke:#a05a5a}
.dflow-graph .edge:hover{stroke:#d6336c;stroke-width:3}
.dflow-graph .node:hover rect{stroke-width:2.6}
"""


def draw(picture: Picture) -> str:
    """The SVG of a picture."""
    layout = lay_out(picture)
    device_of = {key: block.device for block in picture.blocks for key in block.nodes}
    width, height = round(layout.width), round(layout.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dflow-graph" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="dflow-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6.5" markerHeight="6.5" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1L7 4L0 7z" fill="#55647c"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_bands(picture, layout),
        *(_edge(edge, layout, device_of[edge.source] != device_of[edge.target]) for edge in picture.edges),
        *_boxes(picture, layout),
        *_legend(picture, layout),
        "</svg>",
    ]
    return "\n".join(lines)


def _bands(picture: Picture, layout: Layout) -> Iterator[str]:
    """Devices and their segments, which are behind the arrows."""
    for device in picture.devices:
        yield f'<rect class="band" {_rect(layout.bands[device])} rx="8"/>'
    for i, block in enumerate(picture.blocks):
        if block.title:
            kind = "frame waits" if block.waits else "frame"
            title = block.title + (" (may wait)" if block.waits else "")
            yield f'<rect class="{kind}" {_rect(layout.frames[i])} rx="6"><title>{escape(title)}</title></rect>'


def _boxes(picture: Picture, layout: Layout) -> Iterator[str]:
    """The operations of each device: they cover the arrows that pass behind them."""
    for device, note in picture.devices.items():
        band = layout.bands[device]
        text = device + (f" ({note})" if note else "")
        yield f"<g data-device={quoteattr(device)}>"
        yield f'<text class="device" x="{band.x + 14:.0f}" y="{band.y + 18:.0f}">{escape(text)}</text>'
        for block in picture.blocks:
            if block.device == device:
                yield from (_node(picture.nodes[key], layout.nodes[key]) for key in block.nodes)
        yield "</g>"


def _node(node: Node, box: Box) -> str:
    fill, outline = COLORS[node.family]
    middle = box.x + box.width / 2
    kind, rounding = ("node small", box.height / 2) if node.small else ("node", 5)
    name, detail = shortened(node.label, MAX_LABEL), shortened(node.detail, MAX_DETAIL)
    lines = [("name", name, 0.67 if node.small else 0.44), ("detail", detail, 0.79)]
    texts = [
        f'<text class="{style}" x="{middle:.1f}" y="{box.y + box.height * part:.1f}">{escape(text)}</text>'
        for style, text, part in lines
        if text
    ]
    return (
        f'<g class="{kind}" data-family="{node.family}"><title>{escape(node.title)}</title>'
        f'<rect {_rect(box)} rx="{rounding:.0f}" fill="{fill}" stroke="{outline}" '
        f'stroke-width="{2.6 if node.marked else 1}"/>{"".join(texts)}</g>'
    )


def _edge(edge: Edge, layout: Layout, sent: bool) -> str:
    """An arrow; `sent`: from one device to another."""
    source, target = layout.nodes[edge.source], layout.nodes[edge.target]
    kinds = ["edge", *(["control"] if edge.control else []), *(["sent"] if sent else [])]
    shown = list(edge.titles[:TITLES_SHOWN])
    if len(edge.titles) > len(shown):
        shown.append(f"and {len(edge.titles) - len(shown):,} more")
    title = escape("\n".join(shown))
    path = _path(source, target)
    return f'<path class="{" ".join(kinds)}" d="{path}" marker-end="url(#dflow-arrow)"><title>{title}</title></path>'


def _path(source: Box, target: Box) -> str:
    """The path of an arrow: to the right, if the target is there; else down, or up."""
    if target.x > source.x + source.width + 20:
        x1, y1 = source.x + source.width, source.y + source.height / 2
        x2, y2 = target.x, target.y + target.height / 2
        bend = max(24.0, (x2 - x1) / 2)
        return f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    down = target.y >= source.y + source.height
    x1, x2 = source.x + source.width / 2, target.x + target.width / 2
    y1 = source.y + (source.height if down else 0)
    y2 = target.y + (0 if down else target.height)
    bend = max(12.0, abs(y2 - y1) / 2) * (1 if down else -1)
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"


def _legend(picture: Picture, layout: Layout) -> Iterator[str]:
    y = round(layout.height) - LEGEND + 14
    yield f'<text class="about" x="16" y="{y}">{escape(picture.about)}</text>'
    x = 16
    used = {node.family for node in picture.nodes.values()}
    for name, text in FAMILIES.items():
        if name in used:
            fill, outline = COLORS[name]
            yield f'<rect x="{x}" y="{y + 12}" width="12" height="12" rx="3" fill="{fill}" stroke="{outline}"/>'
            yield f'<text class="about" x="{x + 17}" y="{y + 22}">{text}</text>'
            x += 34 + 6 * len(text)
    x = 16
    for kind, text in (
        ("edge", "data"),
        ("edge sent", "data, to another device"),
        ("edge control", "control dependency"),
    ):
        yield f'<path class="{kind}" d="M{x} {y + 37}h24"/>'
        yield f'<text class="about" x="{x + 29}" y="{y + 41}">{text}</text>'
        x += 46 + 6 * len(text)
    yield f'<rect class="frame waits" x="{x}" y="{y + 31}" width="18" height="12" rx="3"/>'
    yield f'<text class="about" x="{x + 23}" y="{y + 41}">may wait</text>'


def _rect(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
