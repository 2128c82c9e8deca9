"""The `with` blocks that operations are built under: devices, names, control dependencies, containers, colocation.

Each thread that builds a graph has one `ScopeStack` for it.  The default graph and the default session are stacks of
their own, per thread too.
Source: tf.Graph.device, name_scope, control_dependencies, container, colocate_with of TensorFlow 1.15.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dflow.devices import canonical_name, merge_device

if TYPE_CHECKING:
    from dflow.graph import Graph, Operation, Tensor

_ROOT_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
_SCOPED_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")

DeviceBlock = str | None | Callable[["Operation"], Any]


@dataclass
class ControlFrame:
    """One control_dependencies block: what it waits for, and what was built inside."""

    ops: list[Operation]
    made_inside: set[Operation] = field(default_factory=set)
    reads: dict[Any, Tensor] = field(default_factory=dict)  # fresh reads of variables, made once a block


class ScopeStack:
    """The blocks that one thread is in, for one graph."""

    def __init__(self) -> None:
        self.name_scope = ""
        self.container = ""
        self.devices: list[DeviceBlock] = []
        self.controls: list[ControlFrame] = []
        self.colocations: list[Operation | None] = []

    # -- devices

    @contextmanager
    def device_scope(self, device: DeviceBlock) -> Iterator[None]:
        outer = self.devices
        self.devices = mine = [*outer, device]
        try:
            yield
        finally:
            if self.devices is not mine:
                self.devices = outer
                raise RuntimeError("Exiting device scope without proper scope nesting.")
            self.devices = outer

    def apply_device(self, op: Operation) -> None:
        """Set `op.device` from the blocks, the innermost first; colocation comes before every block."""
        target = self.colocations[-1] if self.colocations else None
        if target is not None:
            op.colocated_with = target
            op.device = target.device
            return
        for block in reversed(self.devices):
            if block is None:
                break
            if callable(block):
                op.device = canonical_name(block(op))
            else:
                op.device = merge_device(block, op.device)

    @contextmanager
    def colocation_scope(self, op: Operation | None, ignore_existing: bool) -> Iterator[None]:
        outer_devices, outer = self.devices, self.colocations
        self.colocations = [op] if ignore_existing else [*outer, op]
        self.devices = []
        try:
            yield
        finally:
            self.colocations, self.devices = outer, outer_devices

    # -- names and containers

    @contextmanager
    def name_scope_block(self, graph: Graph, name: str | None) -> Iterator[str]:
        outer = self.name_scope
        if not name:
            self.name_scope = ""
        elif name.endswith("/"):
            self.name_scope = name[:-1]
        else:
            check_name(name, outer)
            self.name_scope = graph.unique_name(name)
        try:
            yield f"{self.name_scope}/" if self.name_scope else ""
        finally:
            self.name_scope = outer

    @contextmanager
    def container_scope(self, name: str) -> Iterator[str]:
        outer, self.container = self.container, name
        try:
            yield name
        finally:
            self.container = outer

    # -- control dependencies

    @contextmanager
    def control_scope(self, ops: Iterable[Operation] | None) -> Iterator[None]:
        """Wait for `ops` as well as for what outer blocks say; None: forget the outer blocks inside."""
        outer = self.controls
        self.controls = [*(outer if ops is not None else ()), ControlFrame(list(dict.fromkeys(ops or ())))]
        try:
            yield
        finally:
            self.controls = outer

    def control_inputs_for(self, inputs: Sequence[Tensor], explicit: Iterable[Operation]) -> list[Operation]:
        """What a new operation must wait for, without what its data inputs imply already."""
        found = dict.fromkeys(explicit)
        producers = {tensor.op for tensor in inputs}
        for frame in self.controls:
            if not producers & frame.made_inside:  # an input made inside waits for this block already
                found.update(dict.fromkeys(frame.ops))
        return [op for op in found if op not in producers]

    def created(self, op: Operation) -> None:
        for frame in self.controls:
            frame.made_inside.add(op)

    @property
    def control_frame(self) -> ControlFrame | None:
        """The innermost block that waits for something."""
        return next((frame for frame in reversed(self.controls) if frame.ops), None)


def check_name(name: str, outer: str) -> None:
    if not (_SCOPED_NAME if outer else _ROOT_NAME).match(name):
        raise ValueError(f"'{name}' is not a valid scope name or operation name")


# -- the default graph and the default session of a thread

_thread = threading.local()


def _stack(kind: str) -> list[Any]:
    stack = getattr(_thread, kind, None)
    if stack is None:
        stack = []
        setattr(_thread, kind, stack)
    return stack


def current_graph() -> Graph | None:
    """The innermost graph that this thread made its default."""
    stack = _stack("graphs")
    return stack[-1] if stack else None


@contextmanager
def default_graph_scope(graph: Graph) -> Iterator[Graph]:
    stack = _stack("graphs")
    stack.append(graph)
    try:
        yield graph
    finally:
        if stack[-1] is not graph:
            raise AssertionError(f"Nesting violated for default stack of {type(graph)} objects")
        stack.pop()


@contextmanager
def building_in(graph: Graph) -> Iterator[None]:
    """Make `graph` the default while an operation's constants are made; cheap if it is already."""
    if current_graph() is graph:
        yield
        return
    with default_graph_scope(graph):
        yield


@contextmanager
def default_session_scope(session: Any) -> Iterator[Any]:
    stack = _stack("sessions")
    stack.append(session)
    try:
        yield session
    finally:
        if stack[-1] is not session:
            raise AssertionError(f"Nesting violated for default stack of {type(session)} objects")
        stack.pop()


def make_default(session: Any, graph: Graph | None) -> Callable[[], None]:
    """Make a session, and a graph if one is given, the defaults of this thread; gives what takes them back.

    Unlike the `with` blocks, it may be taken back in any order.
    """
    entered = [(_stack("sessions"), session)] + ([(_stack("graphs"), graph)] if graph is not None else [])
    for stack, item in entered:
        stack.append(item)

    def take_back() -> None:
        for stack, item in entered:
            for i in reversed(range(len(stack))):
                if stack[i] is item:
                    del stack[i]
                    break

    return take_back


def get_default_session() -> Any:
    """The innermost session that this thread made its default, or None."""
    stack = _stack("sessions")
    return stack[-1] if stack else None


def session_for(graph: Graph, session: Any) -> Any:
    """`session`, else the default session; ValueError if there is none or it runs another graph."""
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(
                "No default session is registered. Use `with sess.as_default()` or pass an explicit session."
            )
    if session.graph is not graph:
        raise ValueError("The session's graph is different from the graph of this element.")
    return session
