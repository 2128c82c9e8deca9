"""Variables by name: `get_variable` makes one or finds it again, under the `variable_scope` blocks of the program.

    def layer(x):
        w = df.get_variable("w", [784, 10])
        return df.matmul(x, w)

    with df.variable_scope("model"):
        train = layer(a)                            # makes model/w
    with df.variable_scope("model", reuse=True):
        test = layer(b)                             # finds model/w

Blocks hold for their own thread, the variables of a graph for all threads.
Source: tf.get_variable, tf.variable_scope, tf.get_variable_scope, tf.AUTO_REUSE of TensorFlow 1.15.
"""

from __future__ import annotations

import enum
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from dflow import scopes
from dflow.dtypes import DType, as_dtype, float32
from dflow.graph import Graph, GraphKeys, Tensor, get_default_graph
from dflow.ops.initializers import glorot_uniform_initializer, zeros_initializer
from dflow.ops.static import graph_of
from dflow.ops.variables import Variable
from dflow.shapes import TensorShape, as_shape

REGULARIZATION_LOSSES = "regularization_losses"


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE  # find a variable, or make it if it does not exist


class VariableScope:
    """What the current `variable_scope` blocks say.

    name: the prefix of names, without a slash at its end; reuse: True, False or AUTO_REUSE; initializer, regularizer,
    dtype: what `get_variable` uses if it is given none; original_name_scope: the name scope of the block.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        dtype: Any = float32,
        original_name_scope: str = "",
    ) -> None:
        self.name = name
        self.reuse = reuse
        self.initializer = initializer
        self.regularizer = regularizer
        self.dtype = as_dtype(dtype)
        self.original_name_scope = original_name_scope

    def reuse_variables(self) -> None:
        """From here on, find variables instead of making them."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        self.regularizer = regularizer

    def global_variables(self) -> list[Variable]:
        """The global variables under this scope."""
        return self._members(GraphKeys.GLOBAL_VARIABLES)

    def trainable_variables(self) -> list[Variable]:
        """The trainable variables under this scope."""
        return self._members(GraphKeys.TRAINABLE_VARIABLES)

    def _members(self, collection: str) -> list[Variable]:
        prefix = f"{self.name}/" if self.name else ""
        return [item for item in get_default_graph().get_collection(collection) if item.name.startswith(prefix)]


# -- what a graph keeps: its variables by name, and the blocks of each thread


class _Blocks(threading.local):
    """The blocks that one thread is in, for one graph."""

    def __init__(self) -> None:
        self.scope = VariableScope(False)
        self.opened: dict[str, int] = {}  # how often each scope was opened, to number default names

    def unique(self, default_name: str) -> str:
        """`default_name` under the current scope, with _1, _2, ... if it is taken."""
        name = candidate = _join(self.scope.name, default_name)
        number = 0
        while self.opened.get(candidate):
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def forget_below(self, name: str) -> None:
        """Default names start anew when a scope is entered again."""
        for opened in [key for key in self.opened if key.startswith(f"{name}/") or not name]:
            del self.opened[opened]


class _Store:
    """The variables of a graph that `get_variable` made."""

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.lock = threading.RLock()
        self.blocks = _Blocks()


_KEY = ("__variable_store",)
_making_stores = threading.Lock()


def _store(graph: Graph) -> _Store:
    kept = graph.get_collection_ref(_KEY)
    with _making_stores:
        if not kept:
            kept.append(_Store())
    found: _Store = kept[0]
    return found


def get_variable_scope() -> VariableScope:
    """The innermost `variable_scope` of this thread in the default graph."""
    return _store(get_default_graph()).blocks.scope


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
    _refuse(partitioner=partitioner, custom_getter=custom_getter, constraint=constraint)
    if name_or_scope is None and default_name is None:
        raise ValueError("If default_name is None then name_or_scope is required")
    if reuse not in (True, False, None, AUTO_REUSE):
        raise ValueError("The reuse parameter must be True or False or None, or AUTO_REUSE.")
    if name_or_scope is None and reuse is True:
        raise ValueError("reuse=True cannot be used without a name_or_scope")
    graph = graph_of(list(values or ()))
    with scopes.building_in(graph):
        blocks = _store(graph).blocks
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
    return blocks.unique(default_name or "") if name is None else _join(blocks.scope.name, name)


def _join(outer: str, name: str) -> str:
    return f"{outer}/{name}" if outer else name


def _current(graph: Graph) -> str:
    return f"{graph.scope.name_scope}/" if graph.scope.name_scope else ""


def _refuse(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise NotImplementedError(f"{name} is not supported, got {value!r}")


# -- variables


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Variable], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    partitioner: None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: None = None,
    constraint: None = None,
) -> Variable:
    """The variable of this name under the current `variable_scope`: a new one, or the one that was made before.

    shape: fully defined; None for an initializer that is a value or a function without arguments.
    dtype: None: that of an initial value, else the scope's, float32 at first.
    initializer: an initializer, such as `zeros_initializer()`; a value or a tensor; or a function of (shape, dtype) or
    of nothing.  None: the scope's, else `glorot_uniform_initializer` for floats and zeros for integers and bool.
    regularizer: a function of the variable; what it gives for a new one goes to the collection REGULARIZATION_LOSSES.
    trainable, collections, validate_shape: as in `Variable`.

    ValueError if the variable already exists and reuse is not on, if it does not exist and reuse is True, if it was
    made with another shape or dtype, or if the shape is not known; NotImplementedError for a partitioner, a custom
    getter or a constraint.
    """
    _refuse(partitioner=partitioner, custom_getter=custom_getter, constraint=constraint)
    graph = get_default_graph()
    scope = get_variable_scope()
    store = _store(graph)
    full_name = _join(scope.name, name)
    wanted = None if dtype is None else as_dtype(dtype)
    with store.lock:
        found = store.variables.get(full_name)
        if found is not None:
            return _found_again(found, full_name, scope, shape, wanted)
        if scope.reuse is True:
            raise ValueError(
                f"Variable {full_name} does not exist, or was not created with get_variable(). "
                "Did you mean to set reuse=AUTO_REUSE in the variable scope?"
            )
        value, wanted = _initial(full_name, shape, wanted, scope, initializer)
        with graph.name_scope(None):
            variable = store.variables[full_name] = Variable(
                value, trainable, collections, validate_shape, name=full_name, dtype=wanted
            )
    regularize = scope.regularizer if regularizer is None else regularizer
    if regularize is not None:
        with graph.colocate_with(variable.op), graph.name_scope(f"{full_name}/Regularizer/"):
            loss = regularize(variable)
        if loss is not None:
            graph.add_to_collection(REGULARIZATION_LOSSES, loss)
    return variable


def _found_again(found: Variable, name: str, scope: VariableScope, shape: Any, dtype: DType | None) -> Variable:
    if not scope.reuse:
        raise ValueError(
            f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=AUTO_REUSE in the "
            f"variable scope? Originally defined at: {found.op.made_at}"
        )
    if not as_shape(shape).is_compatible_with(found.shape):
        raise ValueError(
            f"Trying to share variable {name}, but specified shape {as_shape(shape)} and found shape {found.shape}."
        )
    if dtype is not None and dtype != found.dtype:
        raise ValueError(
            f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {found.dtype.name}."
        )
    return found


def _initial(
    name: str, shape: Any, dtype: DType | None, scope: VariableScope, initializer: Any
) -> tuple[Any, DType | None]:
    """The initial value, or a function that makes it, and the dtype to convert it to (None: its own)."""
    if initializer is None:
        initializer = scope.initializer
    if initializer is None:
        initializer = _default_initializer(name, dtype or scope.dtype)
    if isinstance(initializer, (Tensor, Variable, np.ndarray)) or not callable(initializer):
        if shape is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        return initializer, dtype
    if isinstance(initializer, type):
        initializer = initializer()
    if shape is None and _takes_nothing(initializer):
        return initializer, dtype
    known: TensorShape = as_shape(shape)
    if not known.is_fully_defined():
        raise ValueError(f"Shape of a new variable ({name}) must be fully defined, but instead was {known}.")
    return (lambda: initializer(known.as_list(), dtype=dtype or scope.dtype)), dtype or scope.dtype


def _default_initializer(name: str, dtype: DType) -> Any:
    if dtype.is_floating:
        return glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool:
        return zeros_initializer()
    raise ValueError(f"An initializer for variable {name} of {dtype.name} is required")


def _takes_nothing(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
