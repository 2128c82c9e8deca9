"""`variable_scope` blocks: the prefix of names and the defaults for `get_variable` calls inside of them.

Blocks hold for their own thread, the variables of a graph for all threads.
Source: tf.variable_scope, tf.get_variable_scope, tf.VariableScope, tf.AUTO_REUSE of TensorFlow 1.15.
"""

from __future__ import annotations

import enum
import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType
from typing import Any

from dflow import forks
from dflow.dtypes import as_dtype, float32
from dflow.graph import Graph, GraphKeys, convert_to_tensor, get_default_graph, scopes
from dflow.ops.rules.static import graph_of

__all__ = ["AUTO_REUSE", "VariableScope", "get_variable_scope", "no_regularizer", "variable_op_scope", "variable_scope"]


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE  # find a variable, or make it if it does not exist


def no_regularizer(_: Any) -> None:
    """As a regularizer: none, also where the scope has one.  Source: tf.no_regularizer."""


class VariableScope:
    """The name and the defaults of the current `variable_scope` blocks.

    name: the prefix of names, without a slash at its end; reuse: True, False or AUTO_REUSE; initializer, regularizer,
    caching_device, partitioner, custom_getter, dtype, use_resource, constraint: the defaults of `get_variable`;
    name_scope: the name scope of the block, `original_name_scope`.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self.name = name
        self.reuse = reuse
        self.initializer = initializer
        self.regularizer = regularizer
        self.caching_device = caching_device
        self.partitioner = partitioner
        self.custom_getter = custom_getter
        self.original_name_scope = name_scope
        self.dtype = as_dtype(dtype)
        self.use_resource = use_resource
        self.constraint = constraint

    def reuse_variables(self) -> None:
        """From here on, find variables instead of making them."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        self.regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        self.caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        self.partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        self.custom_getter = custom_getter

    def set_dtype(self, dtype: Any) -> None:
        self.dtype = as_dtype(dtype)

    def set_use_resource(self, use_resource: bool) -> None:
        self.use_resource = use_resource

    def get_collection(self, name: str) -> list[Any]:
        """The items of a collection under this scope."""
        return get_default_graph().get_collection(name, f"{self.name}/" if self.name else "")

    def global_variables(self) -> list[Any]:
        """The global variables under this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """The local variables under this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def trainable_variables(self) -> list[Any]:
        """The trainable variables under this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def get_variable(
        self,
        var_store: Any,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        constraint: Any = None,
        **others: Any,
    ) -> Any:
        """The variable of this name under this scope, with the scope's defaults, from a `VariableStore`.

        ValueError for an initial value of another dtype than `dtype`.  See `df.get_variable`.
        """
        defaults = ("caching_device", "partitioner", "custom_getter", "use_resource")
        others |= {key: getattr(self, key) for key in defaults if others.get(key) is None}
        with get_default_graph().name_scope(None):
            if dtype is not None and initializer is not None and not callable(initializer):
                found = convert_to_tensor(initializer).dtype
                if found != as_dtype(dtype):
                    raise ValueError(
                        f"Initializer type '{found.name}' and explicit dtype '{as_dtype(dtype).name}' don't match."
                    )
            return var_store.get_variable(
                join_names(self.name, name),
                shape=shape,
                dtype=self.dtype if dtype is None else as_dtype(dtype),
                initializer=self.initializer if initializer is None else initializer,
                regularizer=self.regularizer if regularizer is None else regularizer,
                reuse=self.reuse if reuse is None else reuse,
                constraint=self.constraint if constraint is None else constraint,
                **others,
            )


# -- the blocks of each thread, for each graph


class _Blocks(threading.local):
    """The blocks that one thread is in, for one graph."""

    def __init__(self) -> None:
        self.scope = VariableScope(False)
        self.opened: dict[str, int] = {}  # the number of times that each scope was opened, to number default names

    def unique(self, default_name: str) -> str:
        """`default_name`, with _1, _2, ... if it is taken under the current scope."""
        candidate, number = default_name, 0
        while self.opened.get(join_names(self.scope.name, candidate)):
            number += 1
            candidate = f"{default_name}_{number}"
        return candidate

    def forget_below(self, name: str) -> None:
        """Start default names anew, when a scope is entered again."""
        for opened in [key for key in self.opened if key.startswith(f"{name}/")]:
            del self.opened[opened]


_KEY = ("__varscope",)
_making_blocks = threading.Lock()
forks.new_lock_in_child(sys.modules[__name__], "_making_blocks")


def _blocks_of(graph: Graph) -> _Blocks:
    found = graph.get_collection_ref(_KEY)
    with _making_blocks:
        if not found:
            found.append(_Blocks())
    blocks: _Blocks = found[0]
    return blocks


def get_variable_scope() -> VariableScope:
    """The innermost `variable_scope` of this thread in the default graph."""
    return _blocks_of(get_default_graph()).scope


def unique_scope_name(prefix: str) -> str:
    """`prefix`, with _1, _2, ... if a scope of this name was opened already under the current one."""
    return _blocks_of(get_default_graph()).unique(prefix)


def join_names(outer: str, name: str) -> str:
    """A name below the name of a scope, which may be empty."""
    return f"{outer}/{name}" if outer else name


# -- blocks


class variable_scope(AbstractContextManager["VariableScope"]):
    """A block whose `get_variable` calls prefix their names; it opens a name scope of that name, too.

    name_or_scope: a name, which is put behind the outer scope's, or a scope to enter again as it was; None: a name
    like `default_name` that no block has used yet.  values: tensors, of whose graph the block is.
    reuse: True: variables are found, AUTO_REUSE: found or made; None or False: as outside.
    initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint: the defaults
    of `get_variable`; None: as outside.  A custom getter is put around that of the outer scopes.
    auxiliary_name_scope=False: open no name scope.

    TypeError for neither a name nor a default; ValueError for reuse=True without a name, and for another reuse;
    RuntimeError for blocks that are left in a wrong order.
    Source: tf.variable_scope.
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Iterable[Any] | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if name_or_scope is None and default_name is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        if reuse not in (True, False, None, AUTO_REUSE):
            raise ValueError("The reuse parameter must be True or False or None, or AUTO_REUSE.")
        if name_or_scope is None and reuse is True:
            raise ValueError("reuse=True cannot be used without a name_or_scope")
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary_name_scope!r}")
        self._name_or_scope: Any = name_or_scope
        self._default_name = default_name
        self._graph = graph_of(list(values or ()))
        self._given = {
            "initializer": initializer,
            "regularizer": regularizer,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "dtype": dtype,
            "use_resource": use_resource,
            "constraint": constraint,
        }
        self._custom_getter = custom_getter
        self._reuse = reuse
        self._auxiliary_name_scope = auxiliary_name_scope
        self._entered: list[tuple[VariableScope, ExitStack]] = []

    def __enter__(self) -> VariableScope:
        if not isinstance(self._name_or_scope, (VariableScope, str, type(None))):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        blocks = _blocks_of(self._graph)
        with ExitStack() as stack:
            stack.enter_context(scopes.building_in(self._graph))
            given = self._name_or_scope
            again = isinstance(given, VariableScope)
            base: VariableScope = given if isinstance(given, VariableScope) else blocks.scope
            name = base.name if again else join_names(blocks.scope.name, self._new_name(blocks))
            local = base.name.rpartition("/")[2] if again else str(given or self._default_name or "")
            opens = bool(local) and self._auxiliary_name_scope
            name_scope = stack.enter_context(
                self._graph.name_scope(local) if opens else nullcontext(_current(self._graph))
            )
            scope = self._scope(base, name, base.original_name_scope if again else name_scope)
            stack.enter_context(_entered(blocks, scope, again))
            self._entered.append((scope, stack.pop_all()))
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        scope, stack = self._entered[-1]
        if _blocks_of(self._graph).scope is not scope:
            raise RuntimeError("Improper nesting of variable_scope.")
        del self._entered[-1]
        stack.close()

    def _new_name(self, blocks: _Blocks) -> str:
        return blocks.unique(self._default_name or "") if self._name_or_scope is None else str(self._name_or_scope)

    def _scope(self, base: VariableScope, name: str, name_scope: str) -> VariableScope:
        """The scope inside of the block: that of `base`, with what was given."""
        values = {key: getattr(base, key) if value is None else value for key, value in self._given.items()}
        getter = _around(self._custom_getter, base.custom_getter)
        return VariableScope(self._reuse or base.reuse, name, name_scope=name_scope, custom_getter=getter, **values)


@contextmanager
def _entered(blocks: _Blocks, scope: VariableScope, again: bool) -> Iterator[None]:
    outer, opened = blocks.scope, dict(blocks.opened)
    blocks.scope = scope
    blocks.opened[scope.name] = blocks.opened.get(scope.name, 0) + 1
    if again:
        opened = dict(blocks.opened)
    try:
        yield
    finally:
        blocks.forget_below(scope.name)
        if again:
            blocks.opened = opened
        blocks.scope = outer


def _around(outer: Any, inner: Any) -> Any:
    """A custom getter of a block around that of the blocks that it is in: the latter is the getter that it calls."""
    if outer is None:
        return inner
    if inner is None or not callable(outer):
        return outer

    def both(getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return outer(functools.partial(inner, getter), *args, **kwargs)

    return both


def _current(graph: Graph) -> str:
    return f"{graph.scope.name_scope}/" if graph.scope.name_scope else ""


@contextmanager
def variable_op_scope(
    values: Iterable[Any],
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
) -> Iterator[VariableScope]:
    """`variable_scope` under its older name, with the values first.  Source: tf.variable_op_scope."""
    warnings.warn(
        "tf.variable_op_scope(values, name, default_name) is deprecated, use tf.variable_scope(name, default_name, "
        "values)",
        DeprecationWarning,
        stacklevel=3,
    )
    with variable_scope(
        name_or_scope,
        default_name,
        values,
        initializer,
        regularizer,
        caching_device,
        partitioner,
        custom_getter,
        reuse,
        dtype,
        use_resource,
        constraint,
    ) as scope:
        yield scope
