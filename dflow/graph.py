"""The graph that a user builds, and the functions that add operations to it.

A `Graph` only grows.  Nothing is computed here: `Session.run` compiles what its fetches need.
Source: tf.Graph of TensorFlow 1.15.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow import forks, scopes
from dflow.devices import canonical_name
from dflow.dtypes import DType, as_dtype, to_array
from dflow.registry import OpDef, op_def
from dflow.shapes import TensorShape
from dflow.specs import STATE, TensorSpec
from dflow.tensor import Operation, Tensor

__all__ = [
    "DeviceOf",
    "Graph",
    "GraphKeys",
    "Operation",
    "Tensor",
    "add_op",
    "convert_to_tensor",
    "create_op",
    "get_default_graph",
    "reset_default_graph",
    "user_line",
]


class GraphKeys:
    """Names of the standard collections.  Source: tf.GraphKeys."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    QUEUE_RUNNERS = "queue_runners"
    GLOBAL_STEP = "global_step"
    TRAIN_OP = "train_op"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"


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
        self._lock = threading.RLock()
        self._scopes = threading.local()
        self._seed: int | None = None
        self.finalized = False
        forks.in_child(self, Graph._forked)

    def _forked(self) -> None:
        """In a forked child: whatever another thread was adding at the fork is there, or is not."""
        self._lock = threading.RLock()
        self._in_order = list(self._operations.values())

    # -- building

    @property
    def scope(self) -> scopes.ScopeStack:
        """The `with` blocks that this thread is in."""
        stack = getattr(self._scopes, "stack", None)
        if stack is None:
            stack = self._scopes.stack = scopes.ScopeStack()
        return stack

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
    ) -> Operation:
        """Add an operation under the current scopes.

        Raises what its shape rule raises (ShapeError, DTypeError, ValueError), with the operation and its inputs
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
            specs = _infer_specs(definition, full_name, inputs, attrs)
            controls = self.scope.control_inputs_for(inputs, control_inputs)
            op = Operation(self, definition, full_name, inputs, controls, attrs, made_at)
            op.outputs = tuple(Tensor(op, i, spec) for i, spec in enumerate(specs))
            op.index = len(self._in_order)
            self.scope.apply_device(op)  # may call a function of the user: if that fails, nothing was added
            self._operations[full_name] = op
            self._in_order.append(op)
            self.scope.created(op)
        return op

    def handles_of(self, attrs: dict[str, Any]) -> Iterator[Tensor]:
        """The handles of the state that attributes name, if its operations are in this graph."""
        for value in attrs.values():
            if isinstance(value, STATE) and (op := self._operations.get(value.node)) is not None:
                yield op.outputs[0]

    def _op_name(self, name: str) -> str:
        if name.endswith("/"):  # the value of `as scope`: exactly this name
            exact = name[:-1]
            return exact if exact not in self._operations else self.unique_name(exact, scoped=False)
        scopes.check_name(name, self.scope.name_scope)
        return self.unique_name(name)

    def unique_name(self, name: str, mark_as_used: bool = True, *, scoped: bool = True) -> str:
        """`name` under the current name scope, with _1, _2, ... if it is taken (whatever its case)."""
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
        """Later operations are RuntimeErrors."""
        self.finalized = True

    def prevent_feeding(self, tensor: Tensor) -> None:
        self._unfeedable.add(tensor)

    def is_feedable(self, tensor: Tensor) -> bool:
        return tensor not in self._unfeedable

    # -- looking up

    def get_operations(self) -> list[Operation]:
        """All operations in the order of their creation."""
        return list(self._in_order)

    def get_operation_by_name(self, name: str) -> Operation:
        """KeyError if there is none of this name."""
        found = self.as_graph_element(name, allow_tensor=False)
        assert isinstance(found, Operation)
        return found

    def get_tensor_by_name(self, name: str) -> Tensor:
        """`name` is `<operation>:<output>`.  KeyError if there is none."""
        found = self.as_graph_element(name, allow_operation=False)
        assert isinstance(found, Tensor)
        return found

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Tensor | Operation:
        """The tensor or operation that `obj` is, names ("a": operation, "a:0": tensor) or converts to.

        Unknown name: KeyError; malformed name, element of another graph: ValueError; wrong kind: TypeError.
        """
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation)
        if (isinstance(obj, Tensor) and allow_tensor) or (isinstance(obj, Operation) and allow_operation):
            if obj.graph is not self:
                what = "Tensor" if isinstance(obj, Tensor) else "Operation"
                raise ValueError(f"{what} not in the graph: {obj!r} is not an element of this graph.")
            return obj
        wanted = " or ".join(n for n, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok)
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {wanted}.")

    def _element_by_name(self, name: str, allow_tensor: bool, allow_operation: bool) -> Tensor | Operation:
        op_name, colon, index = name.partition(":")
        if colon and not allow_tensor:
            raise ValueError(f"The name {name!r} refers to a Tensor, not an Operation; leave out {colon + index!r}")
        if colon and not index.isdigit():
            raise ValueError(f"The name {name!r} looks like a Tensor name, but is not: it must be '<op_name>:<index>'")
        op = self._operations.get(op_name)
        if op is None:
            raise KeyError(f"The name {name!r} refers to an operation which is not in the graph.")
        if colon:
            if int(index) >= len(op.outputs):
                raise KeyError(f"{name!r}: the operation {op_name!r} has only {len(op.outputs)} outputs")
            return op.outputs[int(index)]
        if not allow_operation:
            raise ValueError(f"The name {name!r} refers to an Operation, not a Tensor; Tensor names are '<op>:<index>'")
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

    # -- scopes

    def as_default(self) -> AbstractContextManager[Graph]:
        """Make it the graph that this thread builds in."""
        return scopes.default_graph_scope(self)

    def device(self, device: Any) -> AbstractContextManager[None]:
        return self.scope.device_scope(device if callable(device) or device is None else canonical_name(device))

    def name_scope(self, name: str | None) -> AbstractContextManager[str]:
        return self.scope.name_scope_block(self, name)

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

    def container(self, name: str) -> AbstractContextManager[str]:
        return self.scope.container_scope(name)

    def colocate_with(self, op: Any, ignore_existing: bool = False) -> AbstractContextManager[None]:
        target = None
        if op is not None:
            element = self.as_graph_element(op)
            target = element.op if isinstance(element, Tensor) else element
        elif not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        return self.scope.colocation_scope(target, ignore_existing)

    def switch_to_thread_local(self) -> None:
        """Kept for TensorFlow 1 programs: scopes are always per thread here."""


def _infer_specs(
    definition: OpDef, name: str, inputs: Sequence[Tensor], attrs: dict[str, Any]
) -> tuple[TensorSpec, ...]:
    try:
        specs = definition.spec(*(tensor.spec for tensor in inputs), **attrs)
    except (ValueError, TypeError) as error:
        given = ", ".join(f"{tensor.name} {tensor.spec}" for tensor in inputs)
        kind = type(error)
        raise kind(f"{name} ({definition.kind}): {error}" + (f"\n  inputs: {given}" if given else "")) from error
    return (specs,) if isinstance(specs, TensorSpec) else tuple(specs)


_PACKAGE = __name__.partition(".")[0]


def user_line() -> str:
    """The innermost line outside of dflow that led here: `file.py:12, in main`."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != _PACKAGE and not module.startswith("contextlib"):
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return ""


# -- making operations: what ops/ and users' own ops call


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """`value` as a tensor: a tensor itself, a variable's value, or a constant of a Python or NumPy value.

    dtype: what a constant is made with; a tensor of another dtype is a ValueError, a value that does not fit is a
    TypeError.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    convert = getattr(value, "_as_tensor", None)
    if convert is not None:
        value = convert()
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype != wanted:
            raise ValueError(
                f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: {value!r}"
            )
        return value
    if isinstance(value, (list, tuple)) and any(_is_symbolic(item) for item in _leaves(value)):
        with scopes.building_in(_graph_of(list(_leaves(value)))):
            items = [_packed_item(item, wanted, value) for item in value]
            return create_op("Pack", *items, name=name or "packed", axis=0).outputs[0]
    if isinstance(value, TensorShape):
        value = value.as_list()
    return create_op("Const", name=name or "Const", value=_frozen(to_array(value, wanted))).outputs[0]


def _leaves(value: Any) -> Iterator[Any]:
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def _is_symbolic(item: Any) -> bool:
    return isinstance(item, Tensor) or hasattr(item, "_as_tensor")


def _packed_item(item: Any, wanted: DType | None, values: Any) -> Tensor:
    """An item of a list that becomes a tensor, cast to what is wanted; a plain number takes the dtype of a tensor."""
    if isinstance(item, (list, tuple)) and any(_is_symbolic(leaf) for leaf in _leaves(item)):
        return convert_to_tensor(item, wanted)
    if not _is_symbolic(item):
        return convert_to_tensor(item, wanted or next(leaf for leaf in _leaves(values) if _is_symbolic(leaf)).dtype)
    tensor = convert_to_tensor(item)
    return tensor if wanted is None or tensor.dtype == wanted else create_op("Cast", tensor, dtype=wanted).outputs[0]


def _frozen(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def create_op(kind: str, *inputs: Any, name: str | None = None, **attrs: Any) -> Operation:
    """Add an operation of `kind` to the default graph, and give the operation.

    inputs: tensors, or values that `convert_to_tensor` takes; attrs: its static arguments.
    """
    graph = _graph_of(inputs)
    with scopes.building_in(graph):
        tensors = [convert_to_tensor(item) for item in inputs]
        return graph.create_op(kind, tensors, attrs, name)


def add_op(kind: str, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Like `create_op`, and give what a user wants: the tensor, a list of tensors, or the operation without outputs."""
    op = create_op(kind, *inputs, name=name, **attrs)
    if len(op.outputs) == 1:
        return op.outputs[0]
    return list(op.outputs) if op.outputs else op


def _graph_of(inputs: Sequence[Any]) -> Graph:
    """The graph of the first tensor among the inputs, else the default graph."""
    for item in inputs:
        graph = getattr(item, "graph", None)
        if isinstance(graph, Graph):
            return graph
    return get_default_graph()


_global_graph_lock = threading.Lock()
_global_graph: list[Graph] = []
forks.new_lock_in_child(sys.modules[__name__], "_global_graph_lock")


def get_default_graph() -> Graph:
    """The innermost `with graph.as_default()` of this thread, else the global graph of the process."""
    current = scopes.current_graph()
    if current is not None:
        return current
    with _global_graph_lock:
        if not _global_graph:
            _global_graph.append(Graph())
        return _global_graph[0]


def reset_default_graph() -> None:
    """Start again with an empty global graph; AssertionError inside `with graph.as_default()`."""
    if scopes.current_graph() is not None:
        raise AssertionError("Do not use reset_default_graph() to clear nested graphs.")
    with _global_graph_lock:
        _global_graph[:] = [Graph()]
