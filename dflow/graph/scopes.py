"""The `with` blocks that operations are built under: devices, names, control dependencies, containers, colocation.

Each thread that builds a graph has one `ScopeStack` for it.  The default graph and the default session are stacks of
their own, per thread too.
Source: tf.Graph.device, name_scope, control_dependencies, container, colocate_with of TensorFlow 1.15.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from dflow.devices import canonical_name, merge_device

_ROOT_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
_SCOPED_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")


class Node(Protocol):
    """An operation, as the blocks see it."""

    device: str


Op = TypeVar("Op", bound=Node)
T = TypeVar("T")

DeviceBlock = str | None | Callable[[Op], Any]


class ControlContext(Protocol):
    """A control-flow context, as the blocks see it; see `contexts.py`."""

    def admit(self, name: str, inputs: Any, controls: Any) -> tuple[list[Any], list[Any]]: ...


@dataclass
class ControlFrame(Generic[Op]):
    """One control_dependencies block: the operations that it waits for, and those built inside."""

    ops: list[Op]
    made_inside: set[Op] = field(default_factory=set)
    # (variable, control-flow context) -> the tensor of a fresh read, made once a block
    reads: dict[Any, Any] = field(default_factory=dict)


class ScopeStack(Generic[Op]):
    """The blocks that one thread is in, for one graph with operations of the class `Op`."""

    def __init__(self) -> None:
        self.name_scope = ""
        self.container = ""
        self.devices: list[DeviceBlock[Op]] = []
        self.controls: list[ControlFrame[Op]] = []
        self.colocations: list[Op | None] = []
        self.context: ControlContext | None = None
        self.variable_creators: list[Callable[..., Any]] = []
        self.original: Op | None = None  # the operation whose gradient is built
        self.gradients: dict[str, str] = {}  # kind of operation -> the name of its gradient

    # -- devices

    @contextmanager
    def device_scope(self, device: DeviceBlock[Op]) -> Iterator[None]:
        outer = self.devices
        self.devices = mine = [*outer, device]
        try:
            yield
        finally:
            if self.devices is not mine:
                self.devices = outer
                raise RuntimeError("Exiting device scope without proper scope nesting.")
            self.devices = outer

    @property
    def colocated_with(self) -> Op | None:
        """The operation whose device a new one takes, regardless of the device blocks."""
        return self.colocations[-1] if self.colocations else None

    def apply_devices(self, op: Op) -> None:
        """Set the device of an operation as each block says, the innermost first."""
        for block in reversed(self.devices):
            if block is None:
                break
            op.device = canonical_name(block(op)) if callable(block) else merge_device(block, op.device)

    @contextmanager
    def colocation_scope(self, op: Op | None, ignore_existing: bool) -> Iterator[None]:
        outer_devices, outer = self.devices, self.colocations
        self.colocations = [op] if ignore_existing else [*outer, op]
        self.devices = []
        try:
            yield
        finally:
            self.colocations, self.devices = outer, outer_devices

    # -- names and containers

    @contextmanager
    def name_scope_block(self, name: str | None, unique_name: Callable[[str], str]) -> Iterator[str]:
        outer = self.name_scope
        if not name:
            self.name_scope = ""
        elif name.endswith("/"):
            self.name_scope = name[:-1]
        else:
            check_name(name, outer)
            self.name_scope = unique_name(name)
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
    def control_scope(self, ops: Iterable[Op] | None) -> Iterator[None]:
        """Wait for `ops` and for the operations of the outer blocks.

        None: forget the outer blocks inside, and the control-flow context, too.
        """
        outer, context = self.controls, self.context
        self.controls = [*(outer if ops is not None else ()), ControlFrame(list(dict.fromkeys(ops or ())))]
        if ops is None:
            self.context = None
        try:
            yield
        finally:
            self.controls, self.context = outer, context

    @contextmanager
    def context_scope(self, context: ControlContext | None) -> Iterator[None]:
        """Build in a control-flow context, or in none."""
        outer, self.context = self.context, context
        try:
            yield
        finally:
            self.context = outer

    @contextmanager
    def original_scope(self, op: Op) -> Iterator[None]:
        """Build the gradient of an operation."""
        outer, self.original = self.original, op
        try:
            yield
        finally:
            self.original = outer

    @contextmanager
    def gradients_scope(self, names: dict[str, str]) -> Iterator[None]:
        """Give operations of some kinds gradients of other names."""
        outer, self.gradients = self.gradients, self.gradients | names
        try:
            yield
        finally:
            self.gradients = outer

    def control_inputs_for(self, producers: set[Op], explicit: Iterable[Op]) -> list[Op]:
        """The operations that a new one must wait for, without the producers of its inputs."""
        candidates = dict.fromkeys(explicit)
        for frame in self.controls:
            if not producers & frame.made_inside:  # an input made inside waits for this block already
                candidates.update(dict.fromkeys(frame.ops))
        return [op for op in candidates if op not in producers]

    def created(self, op: Op) -> None:
        for frame in self.controls:
            frame.made_inside.add(op)

    @property
    def control_frame(self) -> ControlFrame[Op] | None:
        """The innermost block that waits for something."""
        return next((frame for frame in reversed(self.controls) if frame.ops), None)


def check_name(name: str, outer: str, what: str = "scope") -> None:
    if not (_SCOPED_NAME if outer else _ROOT_NAME).match(name):
        raise ValueError(f"'{name}' is not a valid {what} name")


# -- the default graph and the default session of a thread

_thread = threading.local()


def _stack(kind: str) -> list[Any]:
    stack = getattr(_thread, kind, None)
    if stack is None:
        stack = []
        setattr(_thread, kind, stack)
    return stack


def _innermost(kind: str) -> Any:
    stack = _stack(kind)
    return stack[-1] if stack else None


@contextmanager
def _default_scope(kind: str, item: T) -> Iterator[T]:
    stack = _stack(kind)
    stack.append(item)
    try:
        yield item
    finally:
        if stack[-1] is not item:
            raise AssertionError(f"Nesting violated for default stack of {type(item)} objects")
        stack.pop()


def current_graph() -> Any:
    """The innermost graph that this thread made its default, or None."""
    return _innermost("graphs")


def default_graph_scope(graph: T) -> AbstractContextManager[T]:
    return _default_scope("graphs", graph)


@contextmanager
def building_in(graph: object) -> Iterator[None]:
    """Make `graph` the default while an operation's constants are made; cheap if it is already."""
    if current_graph() is graph:
        yield
        return
    with default_graph_scope(graph):
        yield


def default_session_scope(session: Any) -> AbstractContextManager[Any]:
    return _default_scope("sessions", session)


def make_default(session: Any, graph: object) -> Callable[[], None]:
    """Make a session, and a graph if one is given, the defaults of this thread; return a callable that undoes this.

    Unlike the `with` blocks, these may be undone in any order.
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
    return _innermost("sessions")


def session_for(graph: object, session: Any, element: Any = None) -> Any:
    """`session`, else the default session; ValueError if there is none or it runs another graph.

    element: the tensor or operation to run, for the text of the error.
    """
    run = type(element).__name__ == "Operation"
    call, what, do = ("run", "operation", "execute") if run else ("eval", "tensor", "evaluate")
    given = session is not None
    session = session if given else get_default_session()
    if session is None:
        raise ValueError(
            f"Cannot {do} {what} using `{call}()`: No default session is registered. Use `with sess.as_default()` or "
            f"pass an explicit session to `{call}(session=sess)`"
        )
    if session.graph is not graph:
        raise ValueError(
            f"Cannot use the {'given' if given else 'default'} session to {do} {what}: the {what}'s graph is different "
            f"from the session's graph." + ("" if given else f" Pass an explicit session to `{call}(session=sess)`.")
        )
    return session
