"""Tensors and operations: what a graph is made of.

Why each operation keeps the user's line: an error of a later run must say where the operation was made.
Source: tf.Tensor, tf.Operation of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dflow import scopes
from dflow.dtypes import DType
from dflow.nodes import node_attrs, node_def, node_type
from dflow.registry import OpDef
from dflow.shapes import TensorShape, as_shape
from dflow.specs import TensorSpec

if TYPE_CHECKING:
    from dflow.graph import Graph


class Tensor:
    """One output of an operation: a symbol, not a value.

    op: the operation that computes it; value_index: which of its outputs; dtype; shape: the static shape.
    Hashable by identity; it has no truth value and cannot be iterated over, since its value exists only in a run.
    """

    def __init__(self, op: Operation, value_index: int, spec: TensorSpec) -> None:
        self.op = op
        self.value_index = value_index
        self._spec = spec

    @property
    def name(self) -> str:
        return f"{self.op.name}:{self.value_index}"

    @property
    def graph(self) -> Graph:
        return self.op.graph

    @property
    def dtype(self) -> DType:
        return self._spec.dtype

    @property
    def shape(self) -> TensorShape:
        return self._spec.shape

    @property
    def spec(self) -> TensorSpec:
        return self._spec

    @property
    def device(self) -> str:
        """The device that was asked for, as far as it was; "" for none."""
        return self.op.device

    def get_shape(self) -> TensorShape:
        return self._spec.shape

    def set_shape(self, shape: Any) -> None:
        """Say what the builder knows of the shape; ShapeError if it contradicts what is known already."""
        self._spec = TensorSpec(self._spec.shape.merge_with(as_shape(shape)), self._spec.dtype)

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor."""
        return [op for op in self.graph.get_operations() if self in op.inputs]

    def eval(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> Any:
        """The value in `session`, or in the default session; ValueError if there is none."""
        return scopes.session_for(self.graph, session).run(self, feed_dict)

    if TYPE_CHECKING:  # ops/operators.py gives the class its operators

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self.name} has no truth value while the graph is built. Use `if t is not None:` to test if it exists, "
            "and operations such as where() or cond-free arithmetic to depend on its value."
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"'Tensor' object is not iterable: {self.name} has no value while the graph is built")

    def __len__(self) -> int:
        raise TypeError(f"len of {self.name} is not known while the graph is built; use .shape or size()")

    def __repr__(self) -> str:
        return f"<dflow.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


class Operation:
    """A node of the graph.

    name: unique in the graph; type: what TensorFlow calls its kind; operands: the tensors that its kernel gets;
    handles: those of the queues, readers and variables that it works on; inputs: handles and operands;
    outputs: tensors; control_inputs: operations that must have ended before it runs; attrs: its static arguments;
    device: what was asked for, "" for nothing; made_at: the user's line.

    Why handles are no operands: an attribute says which state a kernel works on, so no run has to evaluate a handle.
    """

    def __init__(
        self,
        graph: Graph,
        definition: OpDef,
        name: str,
        operands: Sequence[Tensor],
        control_inputs: Sequence[Operation],
        attrs: dict[str, Any],
        made_at: str,
    ) -> None:
        self.graph = graph
        self.definition = definition
        self.name = name
        self.type: str = node_type(definition.kind, attrs)
        self.operands = tuple(operands)
        self.handles = tuple(graph.handles_of(attrs))
        self.inputs = (*self.handles, *self.operands)
        self.control_inputs = list(control_inputs)
        self.attrs: dict[str, Any] = attrs
        self.made_at = made_at
        self.device = ""
        self.colocated_with: Operation | None = None
        self.index = -1  # its place in the order of creation
        self.outputs: tuple[Tensor, ...] = ()

    @property
    def node_def(self) -> Any:
        """The operation as TensorFlow's message NodeDef: its name, kind, inputs, device and attributes.

        A new message each time.  Inputs are named as in TensorFlow: `x`, `x:1`, and `^x` for a control input.
        """
        return node_def(self)

    def get_attr(self, name: str) -> Any:
        """A static argument, by its name here or in TensorFlow; ValueError if there is none of this name."""
        attrs = node_attrs(self) | self.attrs
        if name not in attrs:
            raise ValueError(f"Operation {self.name!r} has no attr named {name!r}; it has {sorted(attrs)}")
        return attrs[name]

    def values(self) -> tuple[Tensor, ...]:
        return self.outputs

    def colocation_groups(self) -> list[bytes]:
        """The group that it shares its device with: `loc:@<op name>`."""
        root = self
        while root.group is not None:
            root = root.group
        return [f"loc:@{root.name}".encode()]

    @property
    def group(self) -> Operation | None:
        """The operation whose group it is in.  What is placed with its queue or reader for that reason is in none."""
        beside = self.colocated_with
        by_handle = beside is not None and beside.type != "VariableV2" and beside in [h.op for h in self.handles]
        return None if by_handle else beside

    def colocation_root(self) -> Operation:
        root = self
        while root.colocated_with is not None:
            root = root.colocated_with
        return root

    def run(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> None:
        """Run it in `session`, or in the default session; ValueError if there is none."""
        scopes.session_for(self.graph, session).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<dflow.Operation '{self.name}' type={self.type}>"
