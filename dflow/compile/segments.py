"""Group operations into segments: those of one device that may start together and end together.

An operation that may wait for another one's side effect is a segment by itself.  The others are grouped by (device,
level, wait set).  The *level* is the maximum over the inputs of the input's level, plus one where the input sits on
another device.  The *wait set* holds the blocking operations that an operation depends on.

Why: every edge between two segments makes the level or the wait set grow, so the segment graph has no cycle; and all
operations of a segment wait for the same blocking operations, so grouping makes nothing wait that would not have waited
by itself.  A run hangs only where it would hang operation by operation.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from dflow.compile.prune import Needed
from dflow.graph import Operation

_SMALL = 1 << 1024  # a wait set of fewer blocking operations is its own key


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The operations of one segment, in the order of their creation."""

    device: str
    ops: tuple[Operation, ...]
    blocks: bool


def segments(needed: Needed, placed: Mapping[Operation, str]) -> list[Group]:
    """The groups, in an order they can run in.  A constant belongs to none: it is a literal of its users."""
    level: dict[Operation, int] = {}
    waits: dict[Operation, int] = {}  # a bit for each blocking operation; kept while later ones need it
    users = Counter(i for op in needed.ops for i in needed.before(op))
    groups: dict[tuple[object, ...], list[Operation]] = {}
    blocking = 0
    grouped = grouped_ops(needed)
    for op in needed.ops:
        if needed.is_literal(op):
            level[op], waits[op] = 0, 0
            if op in grouped:
                groups.setdefault((placed[op], 0, 0), []).append(op)
            continue
        inputs = needed.before(op)
        level[op] = max((level[i] + (placed[i] != placed[op]) for i in inputs if not needed.is_literal(i)), default=0)
        waits[op] = _union(waits[i] for i in inputs)
        if op.definition.blocks:
            groups[("blocks", op)] = [op]
            waits[op] |= 1 << blocking  # for the operations that depend on it
            blocking += 1
        else:
            groups.setdefault((placed[op], level[op], _key(waits[op])), []).append(op)
        for i in inputs:
            users[i] -= 1
            if not users[i]:
                del waits[i]
    drafts = [Group(placed[members[0]], tuple(members), members[0].definition.blocks) for members in groups.values()]
    return in_order(drafts, needed)


def _union(sets: Iterable[int]) -> int:
    union = 0
    for one in sets:
        union = union | one if union else one  # most operations share the set of their only input
    return union


def _key(waits: int) -> int | bytes:
    """A short key for a wait set: that of the last of 100,000 dequeues in sequence has 12 KB, and all are different."""
    if waits < _SMALL:
        return waits
    return blake2b(waits.to_bytes(waits.bit_length() // 8 + 1, "little"), digest_size=16).digest()


def grouped_ops(needed: Needed) -> set[Operation]:
    """The operations that are computed: all but the constants that are not fetched."""
    fetched = {item if isinstance(item, Operation) else item.op for item in needed.fetches}
    return {op for op in needed.ops if op in fetched or not needed.is_literal(op)}


def in_order(groups: Sequence[Group], needed: Needed) -> list[Group]:
    """The groups so that each comes after those it depends on; AssertionError for a cycle."""
    home = {op: group for group in groups for op in group.ops}
    before: dict[Group, set[Group]] = {group: set() for group in groups}
    for group in groups:
        for op in group.ops:
            for other in needed.before(op):
                if not needed.is_literal(other) and home[other] is not group:
                    before[group].add(home[other])
    after: dict[Group, list[Group]] = {group: [] for group in groups}
    for group, needs in before.items():
        for earlier in needs:
            after[earlier].append(group)
    missing = {group: len(needs) for group, needs in before.items()}
    ready = deque(group for group in groups if missing[group] == 0)
    ordered: list[Group] = []
    while ready:
        group = ready.popleft()
        ordered.append(group)
        for later in after[group]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    if len(ordered) != len(groups):
        raise AssertionError("segments: the segment graph has a cycle")
    return ordered


def check_segments(groups: Sequence[Group], needed: Needed, placed: Mapping[Operation, str]) -> None:
    """Check that each operation is in one group, on its device, and that operations of a group wait for the same."""
    members = [op for group in groups for op in group.ops]
    if len(members) != len(set(members)) or set(members) != grouped_ops(needed):
        raise AssertionError("segments: an operation is missing or in two segments")
    waits_for = _waits_for(needed)
    for group in groups:
        if any(placed[op] != group.device for op in group.ops):
            raise AssertionError(f"segments: {group} holds operations of two devices")
        if any(op.definition.blocks for op in group.ops) and not (group.blocks and len(group.ops) == 1):
            raise AssertionError(f"segments: {group.ops} hold a blocking operation and others")
        if len({waits_for[op] for op in group.ops}) > 1:
            raise AssertionError(f"segments: {[op.name for op in group.ops]} wait for different blocking operations")
    in_order(groups, needed)


def _waits_for(needed: Needed) -> dict[Operation, int]:
    """The blocking operations that each operation waits for, itself left out: a bit for each."""
    bits = {op: 1 << i for i, op in enumerate(op for op in needed.ops if op.definition.blocks)}
    waits: dict[Operation, int] = {}
    for op in needed.ops:
        waits[op] = 0
        for before in needed.before(op):
            waits[op] |= waits[before] | bits.get(before, 0)
    return waits
