"""Variables: state on a device that outlives steps and, on a cluster, sessions.

`Variable("w")` adds three operations: `w`, which reads the value, `w/Assign`, its initializer, and `w/read`, for use by
other operations.  Inside a `control_dependencies` block a variable is read anew, so that an operation built there sees
the effects that the block waits for.  Reads and assignments without a control dependency are unordered, as in
TensorFlow 1.

All variables are of one kind here: what TensorFlow calls a resource variable differs in its class alone.
Source: tf.Variable, ResourceVariable of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from dflow.dtypes import DType
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.graph.reference import Reference
from dflow.ops.array.gather import gather
from dflow.ops.array.gather_nd import gather_nd
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.state import reads as _reads  # defines the operations that read  # noqa: F401
from dflow.ops.state.assign import assign, assign_add, assign_sub, count_up_to
from dflow.ops.state.distribution import VariableAggregation, VariableSynchronization, checked_modes
from dflow.ops.state.initial_values import initialized_value, keep_beside, safe_initial_value
from dflow.ops.state.scatter import (
    batch_scatter_update,
    scatter_add,
    scatter_div,
    scatter_max,
    scatter_min,
    scatter_mul,
    scatter_nd_add,
    scatter_nd_sub,
    scatter_nd_update,
    scatter_sub,
    scatter_update,
)
from dflow.ops.state.variable_creation import MadeByCreators
from dflow.ops.state.variable_proto import SaveSliceInfo as Part
from dflow.ops.state.variable_proto import VariableDef, below, within
from dflow.specs import VariableSpec
from dflow.tensor_shape import TensorShape

__all__ = ["ResourceVariable", "Variable"]


class Variable(metaclass=MadeByCreators):
    """State of one dtype and, usually, one shape, kept on a device.

    initial_value: a tensor, a value, or a function without arguments that gives one (built under the variable's
    device).  trainable: whether it is one of `trainable_variables()`; None: unless it is synchronized ON_READ.
    collections: the collections that it is added to (GLOBAL_VARIABLES by default).  validate_shape=False: its shape may
    change.  caching_device: the device on which other operations read it; None: its own.  container, shared by name: on
    a cluster, sessions that build a variable of the same name on the same device share it.  A variable of the
    collection LOCAL_VARIABLES, such as a count of epochs, has a value for each session: each runs its initializer.
    variable_def, import_scope: make it of operations that the graph has already; see `from_proto`.
    constraint: a function of the variable that optimizers call after each update; they assign its result.
    shape: the static shape; None: that of the initial value.  expected_shape: ignored, as in TensorFlow.
    use_resource: whether it is a `ResourceVariable`; None: as the variable scope says.
    synchronization, aggregation: kept, without effect.

    ValueError without an initial value, with one of unknown shape or from inside a loop or a conditional, and for
    collections that are no list.
    """

    SaveSliceInfo: ClassVar[type[Part]] = Part
    _distribute_strategy: ClassVar[None] = None  # as programs ask for it: there are no strategies here

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Iterable[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: VariableSynchronization = VariableSynchronization.AUTO,
        aggregation: VariableAggregation = VariableAggregation.NONE,
        shape: Any = None,
    ) -> None:
        self._save_slice_info: Part | None = None
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            self._find(variable_def, import_scope)
            return
        modes = checked_modes(synchronization, aggregation, trainable, name)
        self.synchronization, self.aggregation, trainable = modes
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        if collections is not None and not isinstance(collections, (list, tuple, set)):
            raise ValueError(
                "collections argument to Variable constructor must be a list, tuple, or set. "
                f"Got {collections} of type {type(collections)}"
            )
        if constraint is not None and not callable(constraint):
            raise ValueError("The `constraint` argument must be a callable.")
        self.constraint = constraint
        graph = getattr(initial_value, "graph", None) or get_default_graph()
        names = list(collections) if collections is not None else [GraphKeys.GLOBAL_VARIABLES]
        with scopes.building_in(graph), graph.control_dependencies(None), graph.name_scope(name or "Variable") as scope:
            local = GraphKeys.LOCAL_VARIABLES in names
            self._build(graph, initial_value, scope, trainable, validate_shape, dtype, local, shape, caching_device)
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
        shape: Any,
        caching_device: Any,
    ) -> None:
        if callable(initial_value):
            with graph.name_scope("Initializer"), graph.device(None):
                self.initial_value = convert_to_tensor(initial_value(), dtype, name="initial_value")
        else:
            self.initial_value = convert_to_tensor(initial_value, dtype, name="initial_value")
            _check_context(self.initial_value, scope[:-1])
        if shape is not None:
            static = TensorShape(shape)
        else:
            static = self.initial_value.shape if validate_shape else TensorShape(None)
        if validate_shape and not self.initial_value.shape.is_fully_defined():
            raise ValueError(f"initial_value must have a shape specified: {self.initial_value!r} has not; "
                             "give it one, or use validate_shape=False")  # fmt: skip
        self.spec = VariableSpec(scope[:-1], self.initial_value.dtype, static, graph.scope.container, trainable, local)
        self.op = graph.create_op("VariableV2", (), {"variable": self.spec}, name=scope)
        self._value = self.op.outputs[0]
        if callable(initial_value):
            keep_beside(self.op, self.initial_value, f"{scope}Initializer/")
        with graph.colocate_with(self.op):
            assigned = {"variable": self.spec, "validate_shape": validate_shape}
            first = safe_initial_value(self.spec.name, self.initial_value)
            self.initializer = graph.create_op("Assign", (first,), assigned, name="Assign")
        self._cached = caching_device is not None
        with graph.colocate_with(self.op) if caching_device is None else graph.device(caching_device):
            self._snapshot: Tensor = graph.create_op("Identity", (self._value,), {}, name="read").outputs[0]
        self.validate_shape = validate_shape

    def _find(self, variable_def: Any, import_scope: str | None) -> None:
        """Be the variable that a message describes, of the operations that the default graph has."""
        graph = get_default_graph()

        def element(name: str) -> Any:
            return graph.as_graph_element(below(import_scope, name))

        self._value = element(variable_def.variable_name)
        self.op = self._value.op
        self.spec = self.op.attrs["variable"]
        self.initializer = element(variable_def.initializer_name)
        initial: Any = element(variable_def.initial_value_name) if variable_def.initial_value_name else None
        self.initial_value = initial
        self._snapshot = element(variable_def.snapshot_name)
        self._cached = False
        self.validate_shape = self.initializer.attrs.get("validate_shape", True)
        if variable_def.HasField("save_slice_info_def"):
            part = variable_def.save_slice_info_def
            self._save_slice_info = Part(save_slice_info_def=part, import_scope=import_scope)
        self.constraint = None
        self.synchronization = VariableSynchronization(variable_def.synchronization)
        self.aggregation = VariableAggregation(variable_def.aggregation)

    # -- properties

    @property
    def name(self) -> str:
        return self._value.name

    @property
    def _shared_name(self) -> str:
        return self.op.name

    @property
    def dtype(self) -> DType:
        return self.spec.dtype

    @property
    def shape(self) -> TensorShape:
        return self._value.shape

    def get_shape(self) -> TensorShape:
        return self.shape

    def ref(self) -> Reference:
        """A key for dictionaries and sets, whose `deref()` gives the variable."""
        return Reference(self)

    experimental_ref = ref

    def set_shape(self, shape: Any) -> None:
        """Add known sizes to the static shape."""
        self._value.set_shape(shape)
        self._snapshot.set_shape(shape)

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
        op.outputs[0].set_shape(self.shape)
        return op.outputs[0]

    def initialized_value(self) -> Tensor:
        """The value, or the initial value if there is none yet, for the initial value of another variable.

        ValueError for a variable from a message that names no initial value.
        """
        if self.initial_value is None:
            raise ValueError(f"The initial value of {self.name} is not known: the message that it is from has none.")
        return initialized_value(self, self.initial_value)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows at `indices`; see `df.gather`."""
        return gather(self, indices, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The slices at `indices`; see `df.gather_nd`."""
        return gather_nd(self, indices, name=name)

    def eval(self, session: Any = None) -> Any:
        """The value in `session`, or in the default session."""
        return self._value.eval(session=session)

    def _as_tensor(self) -> Tensor:
        frame = self.graph.scope.control_frame
        if frame is None or self._cached:
            return self._snapshot
        key = (self, self.graph.scope.context)
        read: Tensor | None = frame.reads.get(key)
        if read is None:
            read = frame.reads[key] = self.read_value()
        return read

    def _as_graph_element(self) -> Tensor:
        return self._value

    def _ref(self) -> Tensor:
        """The output of the variable's own operation."""
        return self._value

    # -- writing

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Replace the value; gives the new one, or the operation if read_value=False."""
        return _result(assign(self, value, use_locking=use_locking, name=name), read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add to the value; gives the new one, or the operation.  Concurrent additions are never lost."""
        return _result(assign_add(self, delta, use_locking, name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract from the value; gives the new one, or the operation.  Concurrent subtractions are never lost."""
        return _result(assign_sub(self, delta, use_locking, name), read_value)

    def count_up_to(self, limit: int) -> Tensor:
        """Add one and give the value before; OutOfRangeError at the limit, which leaves the value."""
        return count_up_to(self, limit)

    def load(self, value: Any, session: Any = None) -> None:
        """Assign a value in `session`, or in the default session, by way of the initializer."""
        session = session or scopes.get_default_session()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established")
        session.run(self.initializer, {self.initializer.operands[0]: value})

    # -- some rows; `sparse_delta` is IndexedSlices, else a TypeError

    def scatter_add(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Add to rows; see `df.scatter_add`."""
        return scatter_add(self, *_rows(sparse_delta), use_locking, name)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Subtract from rows; see `df.scatter_sub`."""
        return scatter_sub(self, *_rows(sparse_delta), use_locking, name)

    def scatter_mul(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Multiply rows; see `df.scatter_mul`."""
        return scatter_mul(self, *_rows(sparse_delta), use_locking, name)

    def scatter_div(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Divide rows; see `df.scatter_div`."""
        return scatter_div(self, *_rows(sparse_delta), use_locking, name)

    def scatter_max(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """The maximum of rows and their updates; see `df.scatter_max`."""
        return scatter_max(self, *_rows(sparse_delta), use_locking, name)

    def scatter_min(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """The minimum of rows and their updates; see `df.scatter_min`."""
        return scatter_min(self, *_rows(sparse_delta), use_locking, name)

    def scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Assign to rows; see `df.scatter_update`."""
        return scatter_update(self, *_rows(sparse_delta), use_locking, name)

    def batch_scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """Assign to rows of each item of a batch; see `df.batch_scatter_update`."""
        return batch_scatter_update(self, *_rows(sparse_delta), use_locking, name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Add to slices; see `df.scatter_nd_add`."""
        return scatter_nd_add(self, indices, updates, True, name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Subtract from slices; see `df.scatter_nd_sub`."""
        return scatter_nd_sub(self, indices, updates, True, name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Assign to slices; see `df.scatter_nd_update`."""
        return scatter_nd_update(self, indices, updates, True, name)

    # -- messages, and parts of larger variables

    def to_proto(self, export_scope: str | None = None) -> Any:
        """As a VariableDef; None if the variable is not below `export_scope`."""
        if within(export_scope, self.name) is None:
            return None
        message = VariableDef(
            variable_name=within(export_scope, self.name),
            initializer_name=within(export_scope, self.initializer.name),
            snapshot_name=within(export_scope, self._snapshot.name),
            trainable=self.trainable,
            synchronization=self.synchronization.value,
            aggregation=self.aggregation.value,
            is_resource=isinstance(self, ResourceVariable),
        )
        if self.initial_value is not None:
            message.initial_value_name = within(export_scope, self.initial_value.name) or ""
        part = None if self._save_slice_info is None else self._save_slice_info.to_proto(export_scope)
        if part is not None:
            message.save_slice_info_def.CopyFrom(part)
        return message

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Variable:
        """The variable that a VariableDef describes, of operations that the default graph has."""
        kind = ResourceVariable if variable_def.is_resource else Variable
        return kind(variable_def=variable_def, import_scope=import_scope, use_resource=variable_def.is_resource)

    def _set_save_slice_info(self, save_slice_info: Part) -> None:
        self._save_slice_info = save_slice_info

    def _get_save_slice_info(self) -> Part | None:
        return self._save_slice_info

    # -- Python

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __iter__(self) -> Any:
        raise TypeError("'Variable' object is not iterable.")

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}_ref>"


class ResourceVariable(Variable):
    """The class of variables made with use_resource=True.  They differ in nothing else.

    Source: tensorflow.python.ops.resource_variable_ops.ResourceVariable.
    """

    @property
    def handle(self) -> Tensor:
        """What updates may be given in the place of the variable."""
        return self._value

    @property
    def create(self) -> Operation:
        return self.initializer

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether the variable has a value, as a bool."""
        with self.graph.colocate_with(self.op), scopes.building_in(self.graph):
            op = self.graph.create_op("IsVariableInitialized", (), {"variable": self.spec}, name=name)
        return op.outputs[0]

    def __deepcopy__(self, memo: Any) -> Any:
        raise NotImplementedError("__deepcopy__() is only available when eager execution is enabled.")

    def _no_inplace(self, other: Any) -> Any:
        raise RuntimeError(
            "Variable += value not supported. Use variable.assign_add(value) to modify the variable value and "
            "variable = variable + value to get a new Tensor object; -=, *=, /= and **= likewise."
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _no_inplace

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


def _result(value: Tensor, read_value: bool) -> Any:
    return value if read_value else value.op


def _check_context(initial_value: Tensor, name: str) -> None:
    if initial_value.op.context is not None:
        raise ValueError(
            f"Initializer for variable {name} is from inside a control-flow construct, such as a loop or conditional. "
            "When creating a variable inside a loop or conditional, use a lambda as the initializer."
        )


def _rows(sparse_delta: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(sparse_delta, IndexedSlices):
        raise TypeError(f"sparse_delta is not IndexedSlices: {sparse_delta}")
    return sparse_delta.indices, sparse_delta.values


def _default_creator(use_resource: bool, **arguments: Any) -> Any:
    return (ResourceVariable if use_resource else Variable).made(**arguments)


MadeByCreators.default = _default_creator
VariableV1 = RefVariable = variable = Variable  # other names in TensorFlow's modules
