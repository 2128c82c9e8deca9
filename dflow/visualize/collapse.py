"""A summary of a big picture: one box for each name scope, or for larger groups if there are too many scopes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from dflow.graph import Operation
from dflow.visualize.model import Block, Edge, Node, Picture, family

NAMES_SHOWN = 25  # in the tool tip of a box
_NUMBER = re.compile(r"_\d+$")


def collapse(whole: Picture, limit: int) -> Picture:
    """The picture itself, if it has no more than `limit` boxes; else a summary of it, without its constants."""
    if len(whole.nodes) <= limit:
        return whole
    device_of = {key: block.device for block in whole.blocks for key in block.nodes}
    nodes = [node for node in whole.nodes.values() if not node.small]
    depth = max(node.label.count("/") for node in nodes)
    groups: dict[tuple[str, str], list[Node]] = {}
    for rule, _ in rules(depth):
        groups = {}
        for node in nodes:
            groups.setdefault((device_of[node.key], rule(node.ops[0])), []).append(node)
        if len(groups) <= limit:
            break
    return _summary(whole, groups)


Rule = Callable[[Operation], str]


def rules(depth: int) -> Iterator[tuple[Rule, str]]:
    """Ways to group, from fine to coarse: by a scope's depth, then also by name, by type, by family, by device."""
    for numbers in (True, False):
        for level in range(depth, 0, -1):
            yield partial(_by_scope, level=level, numbers=numbers), "name scopes"
    yield lambda op: _NUMBER.sub("", op.name.partition("/")[0]), "names"
    yield lambda op: op.type, "types"
    yield family, "families"
    yield lambda op: "operations", "devices"


def _by_scope(op: Operation, level: int, numbers: bool) -> str:
    """The scope of an operation at a level; its own name, with or without its number, if it is not as deep."""
    parts = op.name.split("/")
    if len(parts) > level:
        return "/".join(parts[:level]) + "/"
    return op.name if numbers else _NUMBER.sub("", op.name)


def _summary(whole: Picture, groups: dict[tuple[str, str], list[Node]]) -> Picture:
    group_of: dict[Any, Any] = {node.key: key for key, members in groups.items() for node in members}
    nodes = {key: _group_node(key, members) for key, members in groups.items()}
    titles: dict[tuple[Any, Any, bool], list[str]] = {}
    for edge in whole.edges:
        source, target = group_of.get(edge.source), group_of[edge.target]
        if source is not None and source != target:
            titles.setdefault((source, target, edge.control), []).extend(edge.titles)
    edges = tuple(Edge(*key, tuple(tensors)) for key, tensors in titles.items())
    members: dict[str, list[Any]] = {device: [] for device in whole.devices}
    for key in nodes:
        members[key[0]].append(key)
    blocks = tuple(Block(device, tuple(keys)) for device, keys in members.items())
    about = f"{whole.about}; a summary in {len(nodes)} boxes, without constants"
    return replace(whole, blocks=blocks, nodes=nodes, edges=edges, about=about)


def _group_node(key: tuple[str, str], members: list[Node]) -> Node:
    if len(members) == 1:
        return replace(members[0], key=key)
    ops = tuple(op for node in members for op in node.ops)
    kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(op.type for op in ops).most_common(8))
    names = [op.name for op in ops[:NAMES_SHOWN]]
    more = [f"and {len(ops) - len(names):,} more"] if len(ops) > len(names) else []
    title = "\n".join([f"{key[1]}: {len(ops):,} operations on {key[0]}", kinds, *names, *more])
    common = Counter(node.family for node in members).most_common(1)[0][0]
    marked = any(node.marked for node in members)
    return Node(key, key[1], f"{len(ops):,} operations", title, common, marked=marked, ops=ops)
