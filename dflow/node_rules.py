"""How an attribute of TensorFlow's node and those of an operation come from each other: rules for the tables of kinds.

See `node_attrs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dflow.dtypes import DType, int32
from dflow.registry import OpDef


class NodeTensor(Protocol):
    """A tensor, as a node sees it; see `graph/core.py`."""

    @property
    def name(self) -> str: ...

    @property
    def dtype(self) -> DType: ...

    @property
    def value_index(self) -> int: ...

    @property
    def op(self) -> Node: ...


class Node(Protocol):
    """An operation, as its node describes it; see `graph/core.py`."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def definition(self) -> OpDef: ...

    @property
    def device(self) -> str: ...

    @property
    def attrs(self) -> dict[str, Any]: ...

    @property
    def inputs(self) -> Sequence[NodeTensor]: ...

    @property
    def gradient(self) -> Any: ...

    @property
    def operands(self) -> Sequence[NodeTensor]: ...

    @property
    def outputs(self) -> Sequence[NodeTensor]: ...

    @property
    def control_inputs(self) -> Sequence[Node]: ...

    @property
    def group(self) -> Node | None: ...

    def colocation_groups(self) -> list[bytes]: ...


Rule = Callable[[Node], Any]  # the value of an attribute; None: this operation does not have it
Rules = Mapping[str, Rule]


@dataclass(frozen=True)
class FromAttr:
    """A rule that can be read backwards: an attribute of the operation is one of the node, in another form perhaps.

    name: of the operation's attribute; write: makes the node's value of it; read: the reverse; default: the operation's
    value where the node has none; optional: an operation has it only if its rules name it.
    """

    name: str
    write: Callable[[Any], Any] = lambda value: value
    read: Callable[[Any], Any] = lambda value: value
    default: Any = None
    optional: bool = False

    def __call__(self, op: Node) -> Any:
        return self.write(op.attrs.get(self.name))


@dataclass(frozen=True)
class FromSeeds:
    """One of the two seeds of an operation."""

    place: int

    def __call__(self, op: Node) -> Any:
        return op.attrs["seeds"][self.place]


def attr(name: str, default: Any = None) -> Rule:
    """An attribute of the operation.  default: its value where a node does not have it."""
    return FromAttr(name, default=default)


def same(value: Any) -> Rule:
    """The same for all operations of the kind."""
    return lambda op: value


@dataclass(frozen=True)
class DtypeOf:
    """The dtype of an operand; `default` where the operation has an attribute instead of it."""

    place: int
    default: DType

    def __call__(self, op: Node) -> DType:
        return op.operands[self.place].dtype if self.place < len(op.operands) else self.default


def dtype_of(place: int, default: DType = int32) -> Rule:
    return DtypeOf(place, default)
