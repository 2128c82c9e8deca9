"""`variable_scope` blocks: the prefix of names and the defaults for `get_variable` calls inside of them.

Blocks hold for their own thread, the variables of a graph for all threads.
Source: tf.variable_scope, tf.get_variable_scope, tf.AUTO_REUSE of TensorFlow 1.15.
"""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from dflow import forks
from dflow.dtypes import as_dtype, float32
from dflow.graph import Graph, GraphKeys, get_default_graph, scopes
from dflow.ops.rules.static import graph_of, refuse
from dflow.ops.state.variables import Variable

__all__ = ["AUTO_REUSE", "VariableScope", "get_variable_scope", "variable_scope"]


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE  # find a variable, or make it if it does not exist


class VariableScope:
    """The name and the defaults of the current `variable_scope` blocks.

    name: the prefix of names, without a slash at its end; reuse: True, False or AUTO_REUSE; initializer, regularizer,
    dtype: the defaults of `get_variable`; original_name_scope: the name scope of the block.
    use_resource: kept for TensorFlow 1 programs, without effect.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        dtype: Any = float32,
        original_name_scope: str = "",
        use_resource: bool | None = None,
    ) -> None:
        self.name = name
        self.reuse = reuse
        self.initializer = initializer
        self.regularizer = regularizer
        self.dtype = as_dtype(dtype)
        self.original_name_scope = original_name_scope
        self.use_resource = use_resource

    def reuse_variables(self) -> None:
        """From here on, find variables instead of making them."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        self.regularizer = regularizer

    def set_use_resource(self, use_resource: bool) -> None:
        self.use_resource = use_resource

    def global_variables(self) -> list[Variable]:
        """The global variables under this scope."""
        return self._members(GraphKeys.GLOBAL_VARIABLES)

    def trainable_variables(self) -> list[Variable]:
        """The trainable variables under this scope."""
        return self._members(GraphKeys.TRAINABLE_VARIABLES)

    def _members(self, collection: str) -> list[Variable]:
        prefix = f"{self.name}/" if self.name else ""
        return [item for item in get_default_graph().get_collection(collection) if item.name.startswith(prefix)]


# -- state of a graph: its variables by name, and the blocks of each thread


class _Blocks(threading.local):
    """The blocks that one thread is in, for one graph."""

    def __init__(self) -> None:
        self.scope = VariableScope(False)
        self.opened: dict[str, int] = {}  # the number of times that each scope was opened, to number default names

    def unique(self, default_name: str) -> str:
        """`default_name` under the current scope, with _1, _2, ... if it is taken."""
        name = candidate = join_names(self.scope.name, default_name)
        number = 0
        while self.opened.get(candidate):
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def forget_below(self, name: str) -> None:
        """Start default names anew, when a scope is entered again."""
        for opened in [key for key in self.opened if key.startswith(f"{name}/") or not name]:
            del self.opened[opened]


class VariableStore:
    """The variables of a graph that `get_variable` made."""

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.lock = threading.RLock()
        self.blocks = _Blocks()
        forks.new_lock_in_child(self, "lock", threading.RLock)


_KEY = ("__variable_store",)
_making_stores = threading.Lock()
forks.new_lock_in_child(sys.modules[__name__], "_making_stores")


def variable_store(graph: Graph) -> VariableStore:
    """The variables of a graph that `get_variable` made; one store for each graph."""
    stores = graph.get_collection_ref(_KEY)
    with _making_stores:
        if not stores:
            stores.append(VariableStore())
    store: VariableStore = stores[0]
    return store


def get_variable_scope() -> VariableScope:
    """The innermost `variable_scope` of this thread in the default graph."""
    return variable_store(get_default_graph()).blocks.scope


# -- blocks


@contextmanager
def variable_scope(
    name_or_scope: str | VariableScope | None,
    default_name: str | None = None,
    values: Iterable[Any] | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: None = None,
    custom_getter: None = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: None = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:
    """A block whose `get_variable` calls prefix their names; it opens a name scope of that name, too.

    name_or_scope: a name, which is put behind the outer scope's, or a scope to enter again as it was; None: a name
    like `default_name` that no block has used yet.  values: tensors, of whose graph the block is.
    reuse: True: variables are found, AUTO_REUSE: found or made; None or False: as outside.
    initializer, regularizer, dtype: the defaults of `get_variable`; None: as outside.
    auxiliary_name_scope=False: open no name scope.

    ValueError for neither a name nor a default, for reuse=True without a name, and for another reuse;
    NotImplementedError for a partitioner, a custom getter or a constraint.
    """
    refuse(partitioner=partitioner, custom_getter=custom_getter, constraint=constraint)
    if name_or_scope is None and default_name is None:
        raise ValueError("If default_name is None then name_or_scope is required")
    if reuse not in (True, False, None, AUTO_REUSE):
        raise ValueError("The reuse parameter must be True or False or None, or AUTO_REUSE.")
    if name_or_scope is None and reuse is True:
        raise ValueError("reuse=True cannot be used without a name_or_scope")
    graph = graph_of(list(values or ()))
    with scopes.building_in(graph):
        blocks = variable_store(graph).blocks
        outer, opened = blocks.scope, dict(blocks.opened)
        again = isinstance(name_or_scope, VariableScope)
        base = name_or_scope if isinstance(name_or_scope, VariableScope) else outer
        name = base.name if again else _inner_name(name_or_scope, default_name, blocks)
        local = base.name.rpartition("/")[2] if again else str(name_or_scope or default_name or "")
        block = graph.name_scope(local) if local and auxiliary_name_scope else nullcontext(_current(graph))
        with block as scope_name:
            blocks.scope = VariableScope(
                reuse or base.reuse,
                name,
                base.initializer if initializer is None else initializer,
                base.regularizer if regularizer is None else regularizer,
                base.dtype if dtype is None else dtype,
                base.original_name_scope if again else scope_name,
                base.use_resource if use_resource is None else use_resource,
            )
            blocks.opened[name] = blocks.opened.get(name, 0) + 1
            try:
                yield blocks.scope
            finally:
                blocks.forget_below(name)
                if again:
                    blocks.opened = opened
                blocks.scope = outer


def _inner_name(name: Any, default_name: str | None, blocks: _Blocks) -> str:
    return blocks.unique(default_name or "") if name is None else join_names(blocks.scope.name, name)


def join_names(outer: str, name: str) -> str:
    """A name below the name of a scope, which may be empty."""
    return f"{outer}/{name}" if outer else name


def _current(graph: Graph) -> str:
    return f"{graph.scope.name_scope}/" if graph.scope.name_scope else ""
