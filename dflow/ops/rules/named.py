"""Names of operations as TensorFlow gives them: of constants that are made of operands, and of functions' scopes.

erf([0.5])  ->  a constant `Erf/x` and an operation `Erf`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dflow.graph import Tensor, add_op, scopes
from dflow.ops.rules.static import graph_of, operands

__all__ = ["named", "scope_of"]


@contextmanager
def scope_of(values: Iterable[Any], name: str | None, default: str) -> Iterator[str]:
    """A block for a function that is built of operations: in the graph of its arguments, in a name scope of its own.

    Gives the scope's name, which is the name of the last operation if that gets it as its name.
    """
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name or default) as scope:
        yield scope


def named(kind: str, values: Sequence[Any], names: Sequence[str], name: str | None, **attrs: Any) -> Any:
    """An operation of `kind`; operands that are no tensors take the dtype of the first one, see `operands`.

    names: those of the operands in TensorFlow; attrs: the operation's static arguments.
    """
    if all(isinstance(value, Tensor) for value in values):
        return add_op(kind, *values, name=name, **attrs)
    with scope_of(values, name, kind) as scope:
        return add_op(kind, *operands(values, names, kind), name=scope, **attrs)
