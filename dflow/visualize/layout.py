"""The layout of a drawing.

Devices are bands from top to bottom, segments are columns from left to right, and the operations of a segment go from
top to bottom.

Why two directions: a segment may be a long chain of operations, and there are few segments.  So neither gets too long.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dflow.visualize.model import Block, Node, Picture

NODE_HEIGHT, SMALL_HEIGHT = 36, 20
GAP_X, GAP_Y = 16, 26  # between boxes
PADDING = 14  # inside a frame
COLUMN_GAP, BLOCK_GAP = 64, 18
BAND_HEAD, BAND_GAP, BAND_PADDING = 26, 14, 16
MARGIN, LEGEND = 16, 70
ROW_WIDTH = 1100  # a row of boxes that is wider is broken
NAME, DETAIL = 7.3, 5.9  # the width of a character, for a wide font
MAX_LABEL, MAX_DETAIL = 24, 30  # characters

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its upper left corner, and its size."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Box:
        return Box(self.x + x, self.y + y, self.width, self.height)


@dataclass
class Layout:
    """The places of all boxes, frames and bands."""

    width: float = 0
    height: float = 0
    bands: dict[str, Box] = field(default_factory=dict)
    frames: dict[int, Box] = field(default_factory=dict)  # block -> its frame
    nodes: dict[Any, Box] = field(default_factory=dict)


def shortened(text: str, limit: int = MAX_LABEL) -> str:
    """A text of at most `limit` characters, with the end of a long name, which differs most."""
    if len(text) <= limit:
        return text
    end = text[2 - limit :]
    return f"…/{end.partition('/')[2]}" if "/" in end else f"…{end}"


def node_size(node: Node) -> tuple[float, float]:
    label, detail = len(shortened(node.label)), len(shortened(node.detail, MAX_DETAIL))
    return (20 + DETAIL * label, SMALL_HEIGHT) if node.small else (20 + max(NAME * label, DETAIL * detail), NODE_HEIGHT)


def levels(items: Sequence[K], pairs: Iterable[tuple[K, K]]) -> dict[K, int]:
    """The longest way to each item, over the pairs that lead from an earlier item to a later one."""
    place = {item: i for i, item in enumerate(items)}
    before: dict[K, set[K]] = {item: set() for item in items}
    for source, target in pairs:
        if source in place and target in place and place[source] < place[target]:
            before[target].add(source)
    level: dict[K, int] = {}
    for item in items:
        level[item] = max((level[other] + 1 for other in before[item]), default=0)
    return level


def lay_out(picture: Picture) -> Layout:
    """A place for each box, frame and band."""
    home = {key: i for i, block in enumerate(picture.blocks) for key in block.nodes}
    edges = [(edge.source, edge.target) for edge in picture.edges]
    crossing = [(home[s], home[t]) for s, t in edges if home[s] != home[t] and picture.blocks[home[s]].title]
    columns = levels(range(len(picture.blocks)), crossing)
    inner = [place_inside(block, picture.nodes, edges) for block in picture.blocks]
    sizes = [_size(boxes) for boxes in inner]
    starts, x = {}, MARGIN + BAND_PADDING
    for column in range(max(columns.values(), default=-1) + 1):
        starts[column] = x
        x += round(max(sizes[i][0] for i in columns if columns[i] == column)) + COLUMN_GAP
    layout = Layout(width=max(x - COLUMN_GAP + BAND_PADDING + MARGIN, 560))
    y: float = MARGIN
    for device in picture.devices:
        mine: dict[int, list[int]] = {}
        for i, block in enumerate(picture.blocks):
            if block.device == device:
                mine.setdefault(columns[i], []).append(i)
        y = _place_band(layout, device, y, mine, starts, sizes, inner)
    layout.height = y + LEGEND
    return layout


def _place_band(
    layout: Layout,
    device: str,
    top: float,
    mine: Mapping[int, list[int]],
    starts: Mapping[int, float],
    sizes: Sequence[tuple[float, float]],
    inner: Sequence[dict[Any, Box]],
) -> float:
    """Place the blocks of one device; returns the place where the next band starts."""
    heights = {c: sum(sizes[i][1] for i in blocks) + BLOCK_GAP * (len(blocks) - 1) for c, blocks in mine.items()}
    tallest = max(heights.values(), default=0)
    for column, blocks in mine.items():
        y = top + BAND_HEAD + (tallest - heights[column]) / 2
        for i in blocks:
            layout.frames[i] = Box(starts[column], y, *sizes[i])
            layout.nodes.update((key, box.moved(starts[column], y)) for key, box in inner[i].items())
            y += sizes[i][1] + BLOCK_GAP
    height = BAND_HEAD + tallest + BAND_PADDING
    layout.bands[device] = Box(MARGIN, top, layout.width - 2 * MARGIN, height)
    return top + height + BAND_GAP


def _size(boxes: Mapping[Any, Box]) -> tuple[float, float]:
    return max(b.x + b.width for b in boxes.values()) + PADDING, max(b.y + b.height for b in boxes.values()) + PADDING


def place_inside(block: Block, nodes: Mapping[Any, Node], edges: Sequence[tuple[Any, Any]]) -> dict[Any, Box]:
    """The boxes of a block, from its upper left corner."""
    keys = set(block.nodes)
    pairs = [(source, target) for source, target in edges if source in keys and target in keys]
    rows = _rows(block, pairs)
    middle: dict[Any, float] = {}  # of each box placed so far, from the middle of its row
    placed: dict[Any, Box] = {}
    sources: dict[Any, list[Any]] = {}
    for source, target in pairs:
        sources.setdefault(target, []).append(source)
    y: float = PADDING
    for row in rows:
        position = {key: _mean([middle[s] for s in sources.get(key, ()) if s in middle]) for key in row}
        for line in _lines(sorted(row, key=lambda key: position[key]), nodes):
            sizes = [node_size(nodes[key]) for key in line]
            x = -(sum(width for width, _ in sizes) + GAP_X * (len(line) - 1)) / 2
            tallest = max(height for _, height in sizes)
            for key, (width, height) in zip(line, sizes, strict=True):
                placed[key] = Box(x, y + (tallest - height) / 2, width, height)
                middle[key] = x + width / 2
                x += width + GAP_X
            y += tallest + GAP_Y
    left = min(box.x for box in placed.values())
    return {key: box.moved(PADDING - left, 0) for key, box in placed.items()}


def _rows(block: Block, pairs: Sequence[tuple[Any, Any]]) -> list[list[Any]]:
    """The boxes by level; one without inputs here is right above its first user."""
    level = levels(block.nodes, pairs)
    users: dict[Any, list[Any]] = {}
    fed = set()
    for source, target in pairs:
        users.setdefault(source, []).append(target)
        fed.add(target)
    for key in block.nodes:
        if key not in fed and key in users:
            level[key] = max(min(level[user] for user in users[key]) - 1, 0)
    rows: dict[int, list[Any]] = {}
    for key in block.nodes:
        rows.setdefault(level[key], []).append(key)
    return [rows[i] for i in sorted(rows)]


def _lines(row: Sequence[Any], nodes: Mapping[Any, Node]) -> list[list[Any]]:
    """A row in lines that are not too wide."""
    lines: list[list[Any]] = [[]]
    width = 0.0
    for key in row:
        needed = node_size(nodes[key])[0] + GAP_X
        if lines[-1] and width + needed > ROW_WIDTH:
            lines.append([])
            width = 0.0
        lines[-1].append(key)
        width += needed
    return lines


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
