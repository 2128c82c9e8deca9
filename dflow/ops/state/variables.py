"""Variables: state on a device that outlives steps and, on a cluster, sessions.

`Variable("w")` adds three operations: `w`, which reads the value, `w/Assign`, its initializer, and `w/read`, for use by
other operations.  Inside a `control_dependencies` block a variable is read anew, so that an operation built there sees
the effects that the block waits for.  Reads and assignments without a control dependency are unordered, as in
TensorFlow 1.
Source: tf.Variable, tf.assign of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dflow.dtypes import DType, int32, int64
from dflow.errors import InvalidArgumentError, OutOfRangeError, ShapeError
from dflow.graph import Graph, GraphKeys, Operation, Tensor, add_op, convert_to_tensor, get_default_graph, scopes
from dflow.ops.rules.arrays import pairwise
from dflow.ops.rules.static import only, refuse
from dflow.ops.state.variable_state import state_of
from dflow.registry import KernelContext, define, no_gradient, not_differentiable
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec, VariableSpec

__all__ = ["Variable", "assign", "assign_add", "assign_sub", "count_up_to"]


# -- the operations


def _value_spec(*inputs: TensorSpec, variable: VariableSpec, **attrs: Any) -> TensorSpec:
    return TensorSpec(variable.shape, variable.dtype)


def _read_kernel(context: KernelContext, variable: VariableSpec) -> Any:
    return state_of(context, variable).read()


def _assign_spec(
    value: TensorSpec, variable: VariableSpec, validate_shape: bool = True, use_locking: bool = True
) -> TensorSpec:
    if validate_shape and not value.shape.is_compatible_with(variable.shape):
        raise ShapeError(
            f"Assign requires shapes of both tensors to match: variable {variable.name!r} is {variable.shape}, "
            f"the value is {value.shape}; use validate_shape=False to change it"
        )
    return TensorSpec(variable.shape if validate_shape else value.shape, variable.dtype)


def _assign_kernel(
    context: KernelContext, value: Any, variable: VariableSpec, validate_shape: bool = True, use_locking: bool = True
) -> Any:
    return state_of(context, variable).assign(value, validate_shape)


def _delta_spec(delta: TensorSpec, variable: VariableSpec, use_locking: bool) -> TensorSpec:
    only(delta, delta.dtype.is_numeric, "numbers")
    if not delta.shape.is_compatible_with(variable.shape):
        raise ShapeError(f"variable {variable.name!r} is {variable.shape}, the value is {delta.shape}")
    return TensorSpec(variable.shape, variable.dtype)


def _assign_add_kernel(context: KernelContext, delta: Any, variable: VariableSpec, use_locking: bool) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("add", value, _like(value, delta, variable)))


def _assign_sub_kernel(context: KernelContext, delta: Any, variable: VariableSpec, use_locking: bool) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("subtract", value, _like(value, delta, variable)))


def _like(value: Any, delta: Any, variable: VariableSpec) -> Any:
    """The delta; an error unless it has the shape of the value: NumPy would repeat a smaller one."""
    if value.shape != delta.shape:
        raise InvalidArgumentError(
            None,
            None,
            f"variable {variable.name!r} and the value of its update do not have the same shape: "
            f"{list(value.shape)} {list(delta.shape)}",
        )
    return delta


def _count_up_to_spec(variable: VariableSpec, limit: int) -> TensorSpec:
    if variable.dtype not in (int32, int64):
        raise TypeError(f"count_up_to is for int32 and int64, variable {variable.name!r} is {variable.dtype.name}")
    return TensorSpec(variable.shape, variable.dtype)


def _count_up_to_kernel(context: KernelContext, variable: VariableSpec, limit: int) -> Any:
    before: list[Any] = []

    def count(value: Any) -> Any:
        if int(value) >= limit:
            raise OutOfRangeError(None, None, f"Reached limit of {limit}")
        before.append(value)
        return value + value.dtype.type(1)

    state_of(context, variable).update(count)
    return before[0]


define(
    "VariableV2", spec=_value_spec, kernel=_read_kernel, gradient=no_gradient("a variable has no inputs"), stateful=True
)
define(
    "ReadVariable",
    spec=_value_spec,
    kernel=_read_kernel,
    gradient=no_gradient("a variable has no inputs"),
    stateful=True,
)
define("Assign", spec=_assign_spec, kernel=_assign_kernel, gradient=not_differentiable, stateful=True)
define("AssignAdd", spec=_delta_spec, kernel=_assign_add_kernel, gradient=not_differentiable, stateful=True)
define("AssignSub", spec=_delta_spec, kernel=_assign_sub_kernel, gradient=not_differentiable, stateful=True)
define(
    "CountUpTo",
    spec=_count_up_to_spec,
    kernel=_count_up_to_kernel,
    gradient=no_gradient("an update of a variable is a side effect"),
    stateful=True,
)


def _initialized_value_spec(initial: TensorSpec, variable: VariableSpec) -> TensorSpec:
    return TensorSpec(variable.shape, variable.dtype)


def _initialized_value_kernel(context: KernelContext, initial: Any, variable: VariableSpec) -> Any:
    state = state_of(context, variable)
    return state.read() if state.initialized else initial


define(
    "InitializedValue",
    spec=_initialized_value_spec,
    kernel=_initialized_value_kernel,
    gradient=no_gradient("it is for initial values"),
    stateful=True,
)


class Variable:
    """State of one dtype and, usually, one shape, kept on a device.

    initial_value: a tensor, a value, or a function without arguments that gives one (built under the variable's
    device).  trainable: whether it is one of `trainable_variables()`.  collections: the collections that it is added to
    (GLOBAL_VARIABLES by default).  validate_shape=False: its shape may change.  container, shared by name: on a
    cluster, sessions that build a variable of the same name on the same device share it.  A variable of the collection
    LOCAL_VARIABLES, such as a count of epochs, has a value for each session: each runs its initializer.
    use_resource: accepted for TensorFlow 1 programs: all variables are of one kind here.
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool = True,
        collections: Iterable[str] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: None = None,
        use_resource: bool | None = None,
    ) -> None:
        refuse(constraint=constraint)
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        graph = getattr(initial_value, "graph", None) or get_default_graph()
        names = list(collections) if collections is not None else [GraphKeys.GLOBAL_VARIABLES]
        with scopes.building_in(graph), graph.control_dependencies(None), graph.name_scope(name or "Variable") as scope:
            local = GraphKeys.LOCAL_VARIABLES in names
            self._build(graph, initial_value, scope, trainable, validate_shape, dtype, local)
        if trainable and GraphKeys.TRAINABLE_VARIABLES not in names:
            names.append(GraphKeys.TRAINABLE_VARIABLES)
        graph.add_to_collections(names, self)

    def _build(
        self,
        graph: Graph,
        initial_value: Any,
        scope: str,
        trainable: bool,
        validate_shape: bool,
        dtype: Any,
        local: bool,
    ) -> None:
        with graph.name_scope("Initializer") if callable(initial_value) else nullcontext():
            value = initial_value() if callable(initial_value) else initial_value
            self.initial_value = convert_to_tensor(value, dtype, name="initial_value")
        shape = self.initial_value.shape if validate_shape else TensorShape(None)
        if validate_shape and not shape.is_fully_defined():
            raise ValueError(f"initial_value must have a shape specified: {self.initial_value!r} has not; "
                             "give it one, or use validate_shape=False")  # fmt: skip
        self.spec = VariableSpec(scope[:-1], self.initial_value.dtype, shape, graph.scope.container, trainable, local)
        self.op = graph.create_op("VariableV2", (), {"variable": self.spec}, name=scope)
        self._value = self.op.outputs[0]
        with graph.colocate_with(self.op):
            assign = graph.create_op(
                "Assign",
                (self.initial_value,),
                {"variable": self.spec, "validate_shape": validate_shape},
                name="Assign",
            )
            self.initializer = assign
            self._snapshot: Tensor = graph.create_op("Identity", (self._value,), {}, name="read").outputs[0]
        self.validate_shape = validate_shape

    # -- properties

    @property
    def name(self) -> str:
        return self._value.name

    @property
    def dtype(self) -> DType:
        return self.spec.dtype

    @property
    def shape(self) -> TensorShape:
        return self.spec.shape

    def get_shape(self) -> TensorShape:
        return self.spec.shape

    @property
    def graph(self) -> Graph:
        return self.op.graph

    @property
    def device(self) -> str:
        return self.op.device

    @property
    def trainable(self) -> bool:
        return self.spec.trainable

    # -- reading

    def value(self) -> Tensor:
        """The value for use by other operations; inside `control_dependencies`, a fresh read."""
        return self._as_tensor()

    def read_value(self) -> Tensor:
        """A fresh read, which happens after the current control dependencies."""
        with self.graph.colocate_with(self.op), self.graph.name_scope(f"{self.op.name}/"):
            op = self.graph.create_op("ReadVariable", (), {"variable": self.spec})
        return op.outputs[0]

    def initialized_value(self) -> Tensor:
        """The value, or the initial value if there is none yet, for the initial value of another variable."""
        with self.graph.colocate_with(self.op), self.graph.name_scope(f"{self.op.name}/"):
            op = self.graph.create_op("InitializedValue", (self.initial_value,), {"variable": self.spec})
        return op.outputs[0]

    def eval(self, session: Any = None) -> Any:
        """The value in `session`, or in the default session."""
        return self._value.eval(session=session)

    def _as_tensor(self) -> Tensor:
        frame = self.graph.scope.control_frame
        if frame is None:
            return self._snapshot
        key = (self, self.graph.scope.context)
        read: Tensor | None = frame.reads.get(key)
        if read is None:
            read = frame.reads[key] = self.read_value()
        return read

    def _as_graph_element(self) -> Tensor:
        return self._value

    # -- writing

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Replace the value; gives the new one."""
        return assign(self, value, use_locking=use_locking, name=name)

    def assign_add(self, delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Add to the value; gives the new one.  Concurrent additions are never lost."""
        return assign_add(self, delta, use_locking, name)

    def assign_sub(self, delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Subtract from the value; gives the new one.  Concurrent subtractions are never lost."""
        return assign_sub(self, delta, use_locking, name)

    def count_up_to(self, limit: int) -> Tensor:
        """Add one and give the value before; OutOfRangeError at the limit, which leaves the value."""
        return count_up_to(self, limit)

    def load(self, value: Any, session: Any = None) -> None:
        """Assign a value in `session`, or in the default session, by way of the initializer."""
        session = session or scopes.get_default_session()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established")
        session.run(self.initializer, {self.initial_value: value})

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __iter__(self) -> Any:
        raise TypeError("'Variable' object is not iterable.")

    def __repr__(self) -> str:
        return f"<dflow.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


# -- functions of variables
# `ref` is a variable, or the result of another of these functions, which then happens before.


def assign(
    ref: Variable | Tensor,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool = True,
    name: str | None = None,
) -> Tensor:
    """Replace the value of a variable; gives the new one.

    ShapeError for a static shape that is not the variable's; InvalidArgumentError at run time; unless
    validate_shape=False.
    """
    if validate_shape is None:
        validate_shape = ref.validate_shape if isinstance(ref, Variable) else True
    return _update(ref, "Assign", value, name, validate_shape=validate_shape, use_locking=use_locking)


def assign_add(ref: Variable | Tensor, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Add to a variable; gives the new value.  TypeError for a variable of text or of bool."""
    return _update(ref, "AssignAdd", value, name, use_locking=use_locking)


def assign_sub(ref: Variable | Tensor, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtract from a variable; gives the new value.  TypeError for a variable of text or of bool."""
    return _update(ref, "AssignSub", value, name, use_locking=use_locking)


def count_up_to(ref: Variable | Tensor, limit: int, name: str | None = None) -> Tensor:
    """Add one to a variable and give its value before; OutOfRangeError at the limit.

    TypeError for a variable that is not of int32 or int64.
    """
    changed = _changed(ref)
    with _after_update(ref), changed.graph.colocate_with(changed):
        tensor: Tensor = add_op("CountUpTo", name=name, variable=changed.attrs["variable"], limit=limit)
    return tensor


def _update(ref: Variable | Tensor, kind: str, value: Any, name: str | None, **attrs: Any) -> Tensor:
    """Add an update.  use_locking is for the operation's node alone: updates are always ordered by a lock."""
    changed = _changed(ref)
    graph, spec = changed.graph, changed.attrs["variable"]
    with graph.as_default(), graph.name_scope(name or kind) as scope:
        tensor = convert_to_tensor(value, spec.dtype, name="value")
        with _after_update(ref), graph.colocate_with(changed):
            op = graph.create_op(kind, (tensor,), {"variable": spec, **attrs}, name=scope)
    return op.outputs[0]


def _changed(ref: Variable | Tensor) -> Operation:
    """The operation of the variable that an update changes."""
    if isinstance(ref, Variable):
        return ref.op
    if isinstance(ref, Tensor) and ref.op.type in ("VariableV2", "Assign", "AssignAdd", "AssignSub"):
        return ref.op.colocation_root()
    raise TypeError(f"only a variable can be changed, or the result of an earlier change, got {ref!r}")


def _after_update(ref: Variable | Tensor) -> AbstractContextManager[None]:
    return ref.graph.control_dependencies([ref.op]) if isinstance(ref, Tensor) else nullcontext()
