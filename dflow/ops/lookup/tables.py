"""Lookup tables that an initializer fills once.

Source: LookupInterface, InitializableLookupTableBase, StaticHashTable of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.errors import DTypeError
from dflow.graph import GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.control import group, no_op
from dflow.ops.lookup.operations import add, make
from dflow.ops.rules.static import graph_of
from dflow.shapes import SCALAR
from dflow.sparse_tensor import SparseTensor

__all__ = [
    "HashTable",
    "InitializableLookupTableBase",
    "LookupInterface",
    "SignatureError",
    "StaticHashTable",
    "initialize_all_tables",
    "tables_initializer",
]


class SignatureError(DTypeError, ValueError):
    """Keys or values of another dtype than the table's: tables of TensorFlow raise either of both classes."""


class LookupInterface:
    """The base class of lookup tables: the dtypes of keys and values, `size` and `lookup`."""

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = as_dtype(key_dtype)
        self._value_dtype = as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype

    @property
    def name(self) -> str | None:
        raise NotImplementedError

    def size(self, name: str | None = None) -> Tensor:
        """The number of entries: a scalar int64."""
        raise NotImplementedError

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys, a tensor or a SparseTensor, in its shape."""
        raise NotImplementedError

    def _as_keys(self, keys: Any) -> Tensor:
        """Keys as a tensor, those of a SparseTensor; SignatureError for another dtype."""
        values = keys.values if isinstance(keys, SparseTensor) else keys
        with scopes.building_in(graph_of((values,))):
            tensor = convert_to_tensor(values, None if hasattr(values, "dtype") else self._key_dtype)
        if tensor.dtype != self._key_dtype:
            fact = f"Signature mismatch. Keys must be dtype {self._key_dtype.name}, got {tensor.dtype.name}."
            raise SignatureError(fact)
        return tensor


def like_keys(keys: Any, values: Tensor) -> Any:
    """The values of a lookup; for a SparseTensor as keys, at the same places."""
    return SparseTensor(keys.indices, values, keys.dense_shape) if isinstance(keys, SparseTensor) else values


class InitializableLookupTableBase(LookupInterface):
    """The base class of tables that an initializer fills once.

    A run that looks up keys before is a FailedPreconditionError.
    """

    def __init__(self, default_value: Any, initializer: Any) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        self._default_value = convert_to_tensor(default_value, self._value_dtype)
        self._default_value.shape.merge_with(SCALAR)
        self._initializer = initializer
        self._handle = self._make()
        self._init_op: Operation = initializer.initialize(self)

    def _make(self) -> Operation:
        """Add the operation that is the handle of the table."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self._handle.name.rpartition("/")[2]

    @property
    def resource_handle(self) -> Tensor:
        """The handle of the table."""
        return self._handle.outputs[0]

    @property
    def table_ref(self) -> Tensor:
        """The handle of the table, by its older name."""
        return self.resource_handle

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._init_op

    @property
    def init(self) -> Operation:
        """The operation that fills the table, by its older name."""
        return self._init_op

    @property
    def default_value(self) -> Tensor:
        """The value of a key that is not there."""
        return self._default_value

    def size(self, name: str | None = None) -> Tensor:
        """The number of entries: a scalar int64; 0 before the table was filled."""
        graph = self._handle.graph
        with scopes.building_in(graph), graph.name_scope(name or f"{self.name}_Size"):
            result: Tensor = add("LookupTableSizeV2", self._handle)
        return result

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys, a tensor or a SparseTensor, in its shape; the default value for a key that is not there.

        SignatureError (a TypeError) for keys of another dtype; FailedPreconditionError at run time if the table was
        not filled.
        """
        graph = self._handle.graph
        with scopes.building_in(graph):
            tensor = self._as_keys(keys)
            with graph.name_scope(name or f"{self.name}_Lookup"):
                values = add("LookupTableFindV2", self._handle, tensor, self._default_value)
                return like_keys(keys, values)


class StaticHashTable(InitializableLookupTableBase):
    """A table that an initializer fills once.

    A table of a file is shared by all sessions that read the file in the same way on the same device; another one
    belongs to its session.

    initializer: such as a `KeyValueTensorInitializer`; default_value: a scalar, for keys that are not there.
    """

    def __init__(
        self, initializer: Any, default_value: Any, name: str | None = None, shared_name: str | None = None
    ) -> None:
        self._name = name or "hash_table"
        self._shared_name = shared_name or initializer._shared_name
        super().__init__(default_value, initializer)

    def _make(self) -> Operation:
        dtypes = {"key_dtype": self._key_dtype, "value_dtype": self._value_dtype}
        return make("HashTableV2", self._name, shared_name=self._shared_name, **dtypes)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and values: two vectors, in no order."""
        graph = self._handle.graph
        with scopes.building_in(graph), graph.name_scope(name or f"{self.name}_Export"):
            keys, values = add("LookupTableExportV2", self._handle)
        return keys, values


class HashTable(StaticHashTable):
    """A `StaticHashTable` by its older name, with the order of arguments of `tf.contrib.lookup`."""

    def __init__(
        self, initializer: Any, default_value: Any, shared_name: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(initializer, default_value, name, shared_name)


def tables_initializer(name: str = "init_all_tables") -> Operation:
    """One operation that fills all tables of the default graph that exist now."""
    initializers = get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS)
    return group(*initializers, name=name) if initializers else no_op(name=name)


def initialize_all_tables(name: str = "init_all_tables") -> Operation:
    """The older name of `tables_initializer`."""
    return tables_initializer(name)
