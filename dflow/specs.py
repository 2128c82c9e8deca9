"""Frozen descriptions that check themselves: of tensors and of the state that lives on devices."""

from __future__ import annotations

from dataclasses import dataclass

from dflow.dtypes import DType, as_dtype
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, as_shape


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The static shape and the dtype of a tensor, as far as they are known while the graph is built."""

    shape: TensorShape
    dtype: DType

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", as_shape(self.shape))
        object.__setattr__(self, "dtype", as_dtype(self.dtype))

    def __str__(self) -> str:
        return f"{self.dtype.name} {self.shape}"


@dataclass(frozen=True, slots=True)
class ResourceKey:
    """Identity of state on a device: same device, type, container and name, same object."""

    type: str  # "variable", "queue" or "reader": things of different types may share a name
    container: str  # "" is the device's default container
    name: str  # unique within its type and the container
    session: str = ""  # not "": private to this session (a queue or a reader without shared_name, a local variable)

    def __str__(self) -> str:
        return f"{self.container}/{self.name}" if self.container else self.name


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """The description of a variable.  Its value lives on its device until it is reset."""

    name: str
    dtype: DType
    shape: TensorShape
    container: str = ""
    trainable: bool = True
    local: bool = False  # its value belongs to a session, and ends with it

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", as_shape(self.shape))

    @property
    def node(self) -> str:
        """The name of the operation that made it."""
        return self.name

    def key(self, session: str) -> ResourceKey:
        """Its identity, as this session sees it."""
        return ResourceKey("variable", self.container, self.name, session if self.local else "")

    def node_attrs(self) -> dict[str, object]:
        """The attributes of the variable's node in TensorFlow 1; text attributes are bytes, as there."""
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "container": self.container.encode(),
            "shared_name": b"",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """The description of a queue.

    Queues with the same device, container and name are the same queue if their specs are equal, else an error.

    `node` is the name of the operation that made it: the queue's identity if there is no shared_name.
    """

    kind: str  # "FIFOQueue", "RandomShuffleQueue", ...
    node: str
    capacity: int  # elements, not bytes; negative: no bound
    dtypes: tuple[DType, ...]  # one per component of an element
    shapes: tuple[TensorShape, ...] | None = None  # one per component; None: not specified, elements may differ
    names: tuple[str, ...] | None = None  # of the components
    container: str = ""
    shared_name: str = ""
    min_after_dequeue: int = 0  # a shuffle queue's reserve
    seed: tuple[int, int] = (0, 0)  # a shuffle queue's; (0, 0): from entropy

    def __post_init__(self) -> None:
        if self.shapes is not None:
            object.__setattr__(self, "shapes", tuple(as_shape(shape) for shape in self.shapes))
        if not self.dtypes:
            raise ValueError(f"queue {self.node!r}: an element needs at least one component, got no dtypes")
        if self.shapes is not None and len(self.shapes) != len(self.dtypes):
            raise ValueError(
                f"queue {self.node!r}: Queue shapes must have the same length as dtypes, "
                f"got {len(self.shapes)} shapes for {len(self.dtypes)} dtypes"
            )
        if self.names is not None and len(self.names) != len(self.dtypes):
            raise ValueError(
                f"queue {self.node!r}: Queue names must have the same length as dtypes, "
                f"got {len(self.names)} names for {len(self.dtypes)} dtypes"
            )

    @property
    def name(self) -> str:
        return self.shared_name or self.node

    def node_attrs(self) -> dict[str, object]:
        """The attributes of the queue's node in TensorFlow 1; text attributes are bytes, as there."""
        start = 1 if self.kind == "PriorityQueue" else 0  # its node does not say that there is a priority, too
        attrs: dict[str, object] = {
            "capacity": self.capacity,
            "component_types": list(self.dtypes[start:]),
            "shapes": list((self.shapes or ())[start:]),
            "container": self.container.encode(),
            "shared_name": self.shared_name.encode(),
        }
        if self.kind == "RandomShuffleQueue":
            attrs |= {"min_after_dequeue": self.min_after_dequeue, "seed": self.seed[0], "seed2": self.seed[1]}
        return attrs

    @property
    def component_shapes(self) -> tuple[TensorShape, ...]:
        """The static shape of each component; a priority is a scalar, also where no shapes are given."""
        if self.shapes is not None:
            return self.shapes
        unknown = (UNKNOWN_SHAPE,) * len(self.dtypes)
        return (SCALAR, *unknown[1:]) if self.kind == "PriorityQueue" else unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSpec:
    """The description of a reader: a format of files, and its options."""

    kind: str  # "TextLineReader", ...
    node: str  # the name of the operation that made it
    options: tuple[tuple[str, object], ...] = ()  # for the format's constructor
    container: str = ""
    shared_name: str = ""

    @property
    def name(self) -> str:
        return self.shared_name or self.node

    def node_attrs(self) -> dict[str, object]:
        """The attributes of the reader's node in TensorFlow 1; text attributes are bytes, as there."""
        attrs = {"container": self.container, "shared_name": self.shared_name, **dict(self.options)}
        return {name: value.encode() if isinstance(value, str) else value for name, value in attrs.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """The description of a lookup table.  Its entries live on its device until it is reset."""

    kind: str  # the type of its operation: "HashTableV2", "MutableHashTableV2", ...
    node: str  # the name of the operation that made it
    key_dtype: DType
    value_dtype: DType
    key_shape: TensorShape = SCALAR  # of one key
    value_shape: TensorShape = SCALAR  # of one value
    container: str = ""
    shared_name: str = ""
    by_node: bool = False  # without a shared name, sessions that have an operation of this name share it
    empty_key: tuple[object, ...] = ()  # flat: of a dense table, the key of a free bucket
    deleted_key: tuple[object, ...] = ()  # flat: of a dense table, that of a bucket whose entry was removed
    deleted_shape: TensorShape = SCALAR
    num_buckets: int = 0  # of a dense table, at first
    max_load_factor: float = 0.0  # of a dense table

    @property
    def name(self) -> str:
        return self.shared_name or self.node

    @property
    def private(self) -> bool:
        """Whether each session has a table of its own."""
        return not self.shared_name and not self.by_node

    def key(self, session: str) -> ResourceKey:
        """Its identity, as this session sees it."""
        return ResourceKey("table", self.container, self.name, session if self.private else "")

    def node_attrs(self) -> dict[str, object]:
        """The attributes of the table's node in TensorFlow 1; text attributes are bytes, as there."""
        attrs: dict[str, object] = {
            "container": self.container.encode(),
            "shared_name": self.shared_name.encode(),
            "use_node_name_sharing": self.by_node,
            "key_dtype": self.key_dtype,
            "value_dtype": self.value_dtype,
        }
        if self.kind in ("MutableHashTableOfTensorsV2", "MutableDenseHashTableV2"):
            attrs["value_shape"] = self.value_shape
        if self.kind == "MutableDenseHashTableV2":
            attrs |= {"initial_num_buckets": self.num_buckets, "max_load_factor": self.max_load_factor}
        return attrs


STATE = (VariableSpec, QueueSpec, ReaderSpec, TableSpec)  # as an attribute of an operation: the state that it works on
