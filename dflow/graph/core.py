"""The graph that a user builds, its operations and its tensors.

A `Graph` only grows.  Nothing is computed here: `Session.run` compiles what its fetches need.  The three classes are in
one file, as each of them knows the other two.

Why each operation keeps the user's line: an error of a later run must say where the operation was made.
Source: tf.Graph, tf.Operation, tf.Tensor of TensorFlow 1.15.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dflow import forks
from dflow.devices import canonical_name
from dflow.dtypes import DType
from dflow.errors import ShapeError
from dflow.graph import scopes
from dflow.graph.facts import fact_of
from dflow.graph.origin import user_line
from dflow.graph.reference import Reference
from dflow.graph_defs import graph_def
from dflow.graph_proto import GRAPH_DEF_VERSION, VersionDef
from dflow.nodes import node_attrs, node_def, node_type
from dflow.registry import OpDef, op_def
from dflow.shapes import as_shape, difference
from dflow.specs import STATE, TensorSpec
from dflow.tensor_shape import TensorShape

_CURRENT: Any = object()  # the control-flow context of this thread
_GROUPED = frozenset(  # the operations of state that make a group with the operations on it
    ("VariableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTableV2")
)


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
        return TensorShape(self._spec.shape)

    @property
    def spec(self) -> TensorSpec:
        return self._spec

    @property
    def device(self) -> str:
        """The requested device, perhaps a partial name; "" for none."""
        return self.op.device

    def get_shape(self) -> TensorShape:
        return TensorShape(self._spec.shape)

    def _shape_tuple(self) -> tuple[int | None, ...] | None:
        """The static shape, as programs that use TensorFlow's own modules ask for it; None if it is not known."""
        return None if self._spec.shape.ndims is None else tuple(self._spec.shape)

    def set_shape(self, shape: Any) -> None:
        """Add known sizes to the static shape; ShapeError if they contradict the shape that is known already."""
        known, more = self._spec.shape, as_shape(shape)
        if not known.is_compatible_with(more):
            raise ShapeError(difference(known, more))
        self._spec = TensorSpec(self._spec.shape.merge_with(as_shape(shape)), self._spec.dtype)

    def ref(self) -> Reference:
        """A key for dictionaries and sets, whose `deref()` gives the tensor."""
        return Reference(self)

    experimental_ref = ref

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor."""
        return [op for op in self.graph.get_operations() if self in op.inputs]

    def eval(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> Any:
        """The value in `session`, or in the default session; ValueError if there is none."""
        return scopes.session_for(self.graph, session, self).run(self, feed_dict)

    if TYPE_CHECKING:  # ops/operators.py gives the class its operators

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...

    def __bool__(self) -> bool:
        raise TypeError(
            "using a `tf.Tensor` as a Python `bool` is not allowed in Graph execution. Use `if t is not None:` instead "
            f"of `if t:` to test if a tensor is defined; {self.name} has no value while the graph is built, so use "
            "operations such as tf.cond or tf.where that depend on it."
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            "iterating over `tf.Tensor` is not allowed in Graph execution: 'Tensor' object is not iterable, "
            f"{self.name} has no value while the graph is built; unstack() gives its parts"
        )

    def __len__(self) -> int:
        raise TypeError(
            f"len is not well defined for symbolic Tensors. ({self.name}) Please call `x.shape` rather than `len(x)` "
            "for shape information."
        )

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        shape = f", shape={self.shape}" if self.shape.ndims is not None else ""
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name}{device})'


class Operation:
    """A node of the graph.

    name: unique in the graph; type: TensorFlow's name of its kind; operands: the tensors that its kernel gets;
    handles: those of the queues, readers and variables that it works on; inputs: handles and operands;
    outputs: tensors; control_inputs: operations that must have ended before it runs; attrs: its static arguments;
    device: the requested device, "" for none; made_at: the user's line.

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
        self.context: Any = None  # the innermost control-flow context that it was built in; see `contexts.py`
        self.fetchable = True  # whether a run may return it, see `Graph.is_fetchable`
        self._original_op: Operation | None = None  # the operation whose gradient it belongs to
        self.gradient: Any = None  # its own rule, or the name of a registered one; None: that of its kind
        self.by_handle = False  # beside its state without being in its group: its node did not say so
        self.index = -1  # its place in the order of creation
        self.outputs: tuple[Tensor, ...] = ()

    @property
    def _id(self) -> int:
        """Its number in its graph, from one on, as programs that use TensorFlow's own modules ask for it."""
        return self.index + 1

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

    def update_operand(self, place: int, tensor: Tensor) -> None:
        """Replace an operand, before any run.

        Only operations of loops get operands so late: the Merge of a loop variable, and what reads a variable.
        """
        operands = list(self.operands)
        operands[place] = tensor
        self.operands = tuple(operands)
        self.inputs = (*self.handles, *self.operands)

    _update_input = update_operand  # as programs that build loops of single operations call it

    def colocation_groups(self) -> list[bytes]:
        """The group that it shares its device with: `loc:@<op name>`."""
        root = self
        while root.group is not None:
            root = root.group
        return [f"loc:@{root.name}".encode()]

    @property
    def group(self) -> Operation | None:
        """The operation whose colocation group it is in.

        None for an operation that is on a device only because its queue, reader or static table is there.
        """
        beside = self.colocated_with
        quiet = beside is not None and (self.by_handle or beside.type not in _GROUPED)
        by_handle = quiet and beside in [handle.op for handle in self.handles]
        return None if by_handle else beside

    def colocation_root(self) -> Operation:
        root = self
        while root.colocated_with is not None:
            root = root.colocated_with
        return root

    def run(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> None:
        """Run it in `session`, or in the default session; ValueError if there is none."""
        scopes.session_for(self.graph, session, self).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"

    def __str__(self) -> str:
        return str(self.node_def)


@dataclass(frozen=True, slots=True)
class DeviceOf:
    """As an attribute whose name ends in `_device`: the full name of the device that `op` is placed on."""

    op: Operation


class Graph:
    """Operations by name, collections, and the scopes of each thread that builds.

    `version` grows with each operation; no operation changes after it was made, so that plans stay right.
    Many threads may build at once; `with` blocks hold for their own thread (a new thread starts outside of all).
    """

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._in_order: list[Operation] = []
        self._names: dict[str, int] = {}
        self._collections: dict[Any, list[Any]] = {}
        self._unfeedable: set[Tensor] = set()
        self.gradient_gates: set[Operation] = set()  # see `compile/prune.py`
        self._lock = threading.RLock()
        self._scopes = threading.local()
        self._seed: int | None = None
        self._versions = VersionDef(producer=GRAPH_DEF_VERSION)
        self.finalized = False
        forks.in_child(self, Graph._forked)

    def _forked(self) -> None:
        """Make the graph usable in a forked child.

        An operation that another thread was adding at the fork is in the graph completely, or not at all.
        """
        self._lock = threading.RLock()
        self._in_order = list(self._operations.values())

    # -- building

    @property
    def scope(self) -> scopes.ScopeStack[Operation]:
        """The `with` blocks that this thread is in."""
        stack = getattr(self._scopes, "stack", None)
        if stack is None:
            stack = self._scopes.stack = scopes.ScopeStack()
        return stack

    @property
    def _variable_creator_stack(self) -> list[Any]:
        """The creators of variables of this thread's blocks, as programs save and restore them."""
        return self.scope.variable_creators

    @_variable_creator_stack.setter
    def _variable_creator_stack(self, creators: list[Any]) -> None:
        self.scope.variable_creators = creators

    @property
    def version(self) -> int:
        return len(self._in_order)

    @property
    def seed(self) -> int | None:
        """The graph-level seed of random operations, as `set_random_seed` left it."""
        return self._seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        self._seed = value

    def create_op(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        attrs: dict[str, Any],
        name: str | None = None,
        control_inputs: Iterable[Operation] = (),
        *,
        context: Any = _CURRENT,
    ) -> Operation:
        """Add an operation under the current scopes.

        context: the control-flow context that it belongs to; its inputs are then taken as they are.
        Raises the error of its shape rule (ShapeError, DTypeError, ValueError), with the operation and its inputs
        named; ValueError for inputs of another graph; RuntimeError if the graph is finalized.
        """
        definition = op_def(kind)
        made_at = user_line()
        for tensor in inputs:
            if tensor.graph is not self:
                raise ValueError(f"{tensor.name} must be from the same graph as the operation {name or kind!r}")
        with self._lock:
            if self.finalized:
                raise RuntimeError("Graph is finalized and cannot be modified.")
            full_name = self._op_name(name or kind)
            controls = self.scope.control_inputs_for({tensor.op for tensor in inputs}, control_inputs)
            if context is _CURRENT:
                context = self.scope.context
                if context is not None:
                    inputs, controls = context.admit(full_name, inputs, controls)
                else:
                    for tensor in inputs:
                        if tensor.op.context is not None:
                            tensor.op.context.leave(tensor, full_name)
            specs = _infer_specs(definition, full_name, inputs, attrs)
            op = Operation(self, definition, full_name, inputs, controls, attrs, made_at)
            op.outputs = tuple(Tensor(op, i, spec) for i, spec in enumerate(specs))
            op.index = len(self._in_order)
            op.context = context
            op.fetchable = context is None
            op.gradient = self.scope.gradients.get(op.type)
            op._original_op = self.scope.original
            self._place(op)  # may call a function of the user: if that fails, nothing was added
            self._operations[full_name] = op
            self._in_order.append(op)
            self.scope.created(op)
        return op

    def _place(self, op: Operation) -> None:
        """Set the device of a new operation.  Colocation takes precedence over every device block."""
        target = op.colocated_with = self.scope.colocated_with
        if target is not None:
            op.device = target.device
        else:
            self.scope.apply_devices(op)

    def handles_of(self, attrs: dict[str, Any]) -> Iterator[Tensor]:
        """The handles of the state that attributes name, if its operations are in this graph."""
        for value in attrs.values():
            if isinstance(value, STATE) and (op := self._operations.get(value.node)) is not None:
                yield op.outputs[0]

    def _op_name(self, name: str) -> str:
        if name.endswith("/"):  # the value of `as scope`: exactly this name
            exact = name[:-1]
            return exact if exact not in self._operations else self.unique_name(exact, scoped=False)
        scopes.check_name(name, self.scope.name_scope, "node")
        return self.unique_name(name)

    def unique_name(self, name: str, mark_as_used: bool = True, *, scoped: bool = True) -> str:
        """`name` under the current name scope, with _1, _2, ... if it is taken, in upper or lower case."""
        if scoped and self.scope.name_scope:
            name = f"{self.scope.name_scope}/{name}"
        with self._lock:
            key = name.lower()
            count = self._names.get(key, 0)
            if mark_as_used:
                self._names[key] = count + 1
            if count == 0:
                return name
            while True:
                candidate = f"{name}_{count}"
                count += 1
                if candidate.lower() not in self._names:
                    break
            if mark_as_used:
                self._names[key] = count
                self._names[candidate.lower()] = 1
            return candidate

    def finalize(self) -> None:
        """Forbid further operations: adding one is a RuntimeError."""
        self.finalized = True

    def prevent_feeding(self, tensor: Tensor) -> None:
        self._unfeedable.add(tensor)

    def is_feedable(self, tensor: Tensor) -> bool:
        """Whether a run may be given a value for it: not for a tensor in the body of a loop."""
        context = tensor.op.context
        return tensor not in self._unfeedable and (context is None or not context.in_loop)

    def prevent_fetching(self, op: Operation) -> None:
        """Forbid to fetch an operation and its tensors: a run that fetches one raises ValueError."""
        op.fetchable = False

    def is_fetchable(self, tensor_or_op: Tensor | Operation) -> bool:
        """Whether a run may return it: not what was built in a branch or in the body of a loop."""
        op = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return op.fetchable

    # -- as data

    @property
    def graph_def_versions(self) -> Any:
        """The VersionDef of the graph: the versions of GraphDef that it was written for, and that can read it."""
        return self._versions

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a GraphDef, a new message each time.

        from_version: without the operations that were there when `version` was this number.
        add_shapes: with the static shapes of all outputs, as the attributes `_output_shapes`.
        """
        return graph_def(self._in_order[from_version or 0 :], self._versions, add_shapes)

    def take_name(self, name: str) -> None:
        """Mark a name as used: it is that of an operation that is about to be made with exactly this name."""
        with self._lock:
            self._names.setdefault(name.lower(), 1)

    # -- looking up

    def get_operations(self) -> list[Operation]:
        """All operations in the order of their creation."""
        return list(self._in_order)

    def get_operation_by_name(self, name: str) -> Operation:
        """KeyError if there is none of this name."""
        if not isinstance(name, str):
            raise TypeError(f"Operation names are strings (or similar), not {type(name).__name__}.")
        op = self.as_graph_element(name, allow_tensor=False)
        assert isinstance(op, Operation)
        return op

    def get_tensor_by_name(self, name: str) -> Tensor:
        """`name` is `<operation>:<output>`.  KeyError if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"Tensor names are strings (or similar), not {type(name).__name__}.")
        tensor = self.as_graph_element(name, allow_operation=False)
        assert isinstance(tensor, Tensor)
        return tensor

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Tensor | Operation:
        """The tensor or operation that `obj` is, names ("a": operation, "a:0": tensor) or converts to.

        Unknown name: KeyError; malformed name, element of another graph: ValueError; wrong kind: TypeError.
        """
        if not allow_tensor and not allow_operation:
            raise ValueError("allow_tensor and allow_operation can't both be False.")
        expected = " or ".join(n for n, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok)
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation, expected)
        if (isinstance(obj, Tensor) and allow_tensor) or (isinstance(obj, Operation) and allow_operation):
            if obj.graph is not self:
                what = "Tensor" if isinstance(obj, Tensor) else "Operation"
                shown = str(obj) if isinstance(obj, Tensor) else repr(obj)
                raise ValueError(f"{what} {shown} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {expected}.")

    def _element_by_name(
        self, name: str, allow_tensor: bool, allow_operation: bool, expected: str
    ) -> Tensor | Operation:
        op_name, colon, index = name.partition(":")
        form = 'Tensor names must be of the form "<op_name>:<output_index>".'
        if colon and not allow_tensor:
            raise ValueError(f"Name {name!r} appears to refer to a Tensor, not a {expected}.")
        if colon and not index.isdigit():
            raise ValueError(f"The name {name!r} looks a like a Tensor name, but is not a valid one. {form}")
        op = self._operations.get(op_name)
        if op is None and (colon or not allow_operation):
            raise _missing_tensor(name, op_name, colon, form)
        if op is None:
            raise KeyError(f"The name {name!r} refers to an Operation not in the graph.")
        if colon:
            if int(index) >= len(op.outputs):
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, exists "
                    f"but only has {len(op.outputs)} outputs."
                )
            return op.outputs[int(index)]
        if not allow_operation:
            raise ValueError(f"The name {name!r} refers to an Operation, not a {expected}. {form}")
        return op

    # -- collections

    def add_to_collection(self, name: Any, value: Any) -> None:
        with self._lock:
            self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Add to each of `names` once; a single string is one name."""
        for name in {names: None} if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The live list."""
        with self._lock:
            return self._collections.setdefault(name, [])

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy, of the items whose name starts with `scope` (a regular expression) if it is given."""
        with self._lock:
            items = list(self._collections.get(name, ()))
        if scope is None:
            return items
        pattern = re.compile(scope)
        return [item for item in items if hasattr(item, "name") and pattern.match(item.name)]

    def get_all_collection_keys(self) -> list[Any]:
        return [key for key in self._collections if isinstance(key, str)]

    @property
    def collections(self) -> list[Any]:
        """The names of all collections, as `get_all_collection_keys`, and keys that are no strings."""
        return list(self._collections)

    def clear_collection(self, name: Any) -> None:
        """Forget what a collection holds."""
        with self._lock:
            self._collections.pop(name, None)

    # -- scopes

    def as_default(self) -> AbstractContextManager[Graph]:
        """Make it the graph that this thread builds in."""
        return scopes.default_graph_scope(self)

    def device(self, device_name_or_function: Any) -> AbstractContextManager[None]:
        device = device_name_or_function
        return self.scope.device_scope(device if callable(device) or device is None else canonical_name(device))

    def name_scope(self, name: str | None) -> AbstractContextManager[str]:
        return self.scope.name_scope_block(name, self.unique_name)

    def get_name_scope(self) -> str:
        """The name scope that operations are built in now, such as "a/b"; "" outside of all."""
        return self.scope.name_scope

    def control_dependencies(self, control_inputs: Iterable[Any] | None) -> AbstractContextManager[None]:
        if control_inputs is None:
            return self.scope.control_scope(None)
        ops = []
        for item in control_inputs:
            element = self.as_graph_element(item)
            ops.append(element.op if isinstance(element, Tensor) else element)
        return self.scope.control_scope(ops)

    def container(self, container_name: str) -> AbstractContextManager[str]:
        return self.scope.container_scope(container_name)

    def colocate_with(self, op: Any, ignore_existing: bool = False) -> AbstractContextManager[None]:
        target = None
        if op is not None:
            element = self.as_graph_element(op)
            target = element.op if isinstance(element, Tensor) else element
        elif not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        return self.scope.colocation_scope(target, ignore_existing)

    def gradient_override_map(self, op_type_map: dict[str, str]) -> AbstractContextManager[None]:
        """Give operations that are made in this block other gradients than those of their kinds.

        op_type_map: from kinds to the names of gradients, see `RegisterGradient`.
        TypeError if it is no dictionary of strings.
        """
        if not isinstance(op_type_map, dict):
            raise TypeError("op_type_map must be a dictionary mapping strings to strings")
        if not all(isinstance(it, str) for pair in op_type_map.items() for it in pair):
            raise TypeError("op_type_map must be a dictionary mapping strings to strings")
        return self.scope.gradients_scope(op_type_map)

    def _original_op(self, op: Operation) -> AbstractContextManager[None]:
        """Build operations that belong to another one, as programs that use TensorFlow's own modules do."""
        return self.scope.original_scope(op)

    def switch_to_thread_local(self) -> None:
        """Kept for TensorFlow 1 programs: scopes are always per thread here."""


def _infer_specs(
    definition: OpDef, name: str, inputs: Sequence[Tensor], attrs: dict[str, Any]
) -> tuple[TensorSpec, ...]:
    try:
        specs = definition.spec(*(tensor.spec for tensor in inputs), **attrs)
    except (ValueError, TypeError) as error:
        operands = ", ".join(f"{tensor.name} {tensor.spec}" for tensor in inputs)
        kind, fact = type(error), fact_of(error, definition.kind, inputs, attrs)
        raise kind(f"{name} ({definition.kind}): {fact}" + (f"\n  inputs: {operands}" if operands else "")) from error
    return (specs,) if isinstance(specs, TensorSpec) else tuple(specs)


def _missing_tensor(name: str, op_name: str, colon: str, form: str) -> Exception:
    """The error for the name of a tensor whose operation is not in the graph."""
    if not colon:
        return ValueError(f"The name {name!r} looks like an (invalid) Operation name, not a Tensor. {form}")
    return KeyError(
        f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, does not exist in the "
        "graph."
    )
