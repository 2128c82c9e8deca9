"""Tables of ids that give a key which is not there the number of a bucket, by a hash of the key.

Source: HasherSpec, IdTableWithHashBuckets, StaticVocabularyTable of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from dflow.dtypes import DType, as_dtype, int64, string
from dflow.graph import Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.array.cast import cast
from dflow.ops.control import no_op
from dflow.ops.lookup.tables import LookupInterface, StaticHashTable, like_keys
from dflow.ops.math.arithmetic import add
from dflow.ops.math.compare import not_equal, where
from dflow.ops.text.hash_bucket import (
    string_to_hash_bucket,
    string_to_hash_bucket_fast,
    string_to_hash_bucket_strong,
)
from dflow.ops.text.numbers import as_string

__all__ = ["FastHashSpec", "HasherSpec", "IdTableWithHashBuckets", "StaticVocabularyTable", "StrongHashSpec"]


class HasherSpec(NamedTuple):
    """A hash function: "fasthash", "stronghash" or "legacy", and its key."""

    hasher: str
    key: Any


FastHashSpec = HasherSpec("fasthash", None)


class StrongHashSpec(HasherSpec):
    """The hash function with a key of two integers."""

    __slots__ = ()

    def __new__(cls, key: Sequence[int]) -> StrongHashSpec:
        if len(key) != 2:
            raise ValueError(f"key must have size 2, got {len(key)}.")
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in key):
            raise TypeError(f"Invalid key {key}. Must be unsigned integer values.")
        return super().__new__(cls, "stronghash", key)


class _WithBuckets(LookupInterface):
    """Ids of a table, and behind them those of buckets."""

    def __init__(self, table: Any, num_oov_buckets: int, hasher_spec: HasherSpec, name: str, key_dtype: DType) -> None:
        if not key_dtype.is_integer and key_dtype != string:
            raise TypeError(f"Invalid key_dtype, expected integer or string, got {key_dtype.name}.")
        super().__init__(key_dtype, int64)
        self._table = table
        self._num_oov_buckets = num_oov_buckets
        self._hasher_spec = hasher_spec
        self._table_name = name.rstrip("/").rpartition("/")[2]

    @property
    def name(self) -> str:
        return self._table_name

    @property
    def resource_handle(self) -> Tensor | None:
        """The handle of the table; None if there are only buckets."""
        return None if self._table is None else self._table.resource_handle

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        if self._table is not None:
            op: Operation = self._table.initializer
            return op
        with get_default_graph().name_scope("init"):
            return no_op()

    @property
    def init(self) -> Operation:
        """The operation that fills the table, by its older name."""
        return self.initializer

    def size(self, name: str | None = None) -> Tensor:
        """The number of ids: a scalar int64."""
        graph = get_default_graph() if self._table is None else self._table.resource_handle.graph
        with scopes.building_in(graph), graph.name_scope(name or f"{self.name}_Size"):
            count = convert_to_tensor(0, int64) if self._table is None else self._table.size()
            return add(count, self._num_oov_buckets)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The id of each key, int64: that of the table, or that of a bucket.

        TypeError for keys of another dtype; ValueError for an unknown hash function.
        """
        values = self._as_keys(keys)
        graph = values.graph
        with scopes.building_in(graph):
            if self._table is not None and self._table.key_dtype == int64:
                values = cast(values, int64)
            if not self._num_oov_buckets:
                return like_keys(keys, self._table.lookup(values, name=name))
            with graph.name_scope(name or f"{self.name}_Lookup"):
                return like_keys(keys, self._ids(values))

    def _ids(self, values: Tensor) -> Tensor:
        texts = values if values.dtype == string else as_string(values)
        buckets = _hash_function(self._hasher_spec)(texts, num_buckets=self._num_oov_buckets, name="hash_bucket")
        if self._table is None:
            return buckets
        ids = self._table.lookup(values)
        behind = add(buckets, self._table.size())
        return where(not_equal(ids, self._table.default_value), ids, behind)


def _hash_function(spec: HasherSpec) -> Callable[..., Tensor]:
    functions: dict[str, Callable[..., Tensor]] = {
        "fasthash": string_to_hash_bucket_fast,
        "legacy": string_to_hash_bucket,
        "stronghash": partial(string_to_hash_bucket_strong, key=spec.key),
    }
    if spec.hasher not in functions:
        raise ValueError(f"Unknown hasher {spec.hasher}")
    return functions[spec.hasher]


def _check(what: Any, key_dtype: DType) -> None:
    """TypeError unless the dtypes of a table or an initializer are those of ids for such keys."""
    if what.key_dtype not in (int64, string):
        raise TypeError(f"Invalid key dtype, expected one of int64, string, but got {what.key_dtype.name}.")
    if what.key_dtype.is_integer != key_dtype.is_integer:
        expected = "integer" if key_dtype.is_integer else "non-integer"
        raise TypeError(f"Invalid key dtype, expected {expected} but got {what.key_dtype.name}.")
    if what.value_dtype != int64:
        raise TypeError(f"Invalid value dtype, expected int64, but got {what.value_dtype.name}.")


class IdTableWithHashBuckets(_WithBuckets):
    """The ids of a table of strings or integers, and `num_oov_buckets` ids behind them for all other keys.

    table: from int64 or string to int64; None: only buckets.  key_dtype: of the keys to look up, such as int32.
    """

    def __init__(
        self,
        table: Any,
        num_oov_buckets: int,
        hasher_spec: HasherSpec = FastHashSpec,
        name: str | None = None,
        key_dtype: Any = None,
    ) -> None:
        given = None if key_dtype is None else as_dtype(key_dtype)
        if table is not None:
            keys = table.key_dtype if given is None else given
            _check(table, keys)
            name = name or table.name
        else:
            if num_oov_buckets <= 0:
                raise ValueError("oov_buckets must be > 0 if no table is supplied.")
            keys, name = given or string, name or "hash_bucket"
        if not isinstance(hasher_spec, HasherSpec):
            raise TypeError(f"hasher_spec must be of type HasherSpec, got {hasher_spec!r}")
        super().__init__(table, num_oov_buckets, hasher_spec, name, keys)


class StaticVocabularyTable(_WithBuckets):
    """The ids that an initializer says, and `num_oov_buckets` ids behind them for all other keys.

    initializer: from int64 or string to int64; None: only buckets, for strings.  lookup_key_dtype: of the keys to look
    up, such as int32.
    """

    def __init__(
        self, initializer: Any, num_oov_buckets: int, lookup_key_dtype: Any = None, name: str | None = None
    ) -> None:
        if num_oov_buckets <= 0:
            raise ValueError("oov_buckets must be > 0.")
        table, keys = None, string
        if initializer is not None:
            keys = initializer.key_dtype if lookup_key_dtype is None else as_dtype(lookup_key_dtype)
            _check(initializer, keys)
            table = StaticHashTable(initializer, default_value=-1)
        chosen = name or ("hash_bucket" if table is None else table.name)
        super().__init__(table, num_oov_buckets, FastHashSpec, chosen, keys)
