"""Functions that are built of operations: their name scopes, and operations whose operands are named in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dflow.graph import Tensor, add_op, scopes
from dflow.ops.rules.static import graph_of, operands

__all__ = ["one_of", "operation", "scoped"]


@contextmanager
def scoped(default: str, name: str | None, *values: Any) -> Iterator[str]:
    """Build in the graph of the values, in a name scope: `name`, or the default one.  Gives the scope's name."""
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name or default) as scope:
        yield scope


def operation(
    kind: str, names: Sequence[str], values: Sequence[Any], name: str | None, *others: Any, **attrs: Any
) -> Any:
    """Add an operation of the values, of one dtype, and of others behind them; constants have the names of operands."""
    if all(isinstance(value, Tensor) for value in (*values, *others)):
        return add_op(kind, *values, *others, name=name, **attrs)
    with scoped(kind, name, *values, *others) as scope:
        tensors = operands(values, names, kind)
        return add_op(kind, *tensors, *others, name=scope, **attrs)


def one_of(name: str, value: Any, older_name: str, older_value: Any) -> Any:
    """An argument that has an older name, too; ValueError if both are given."""
    if value is not None and older_value is not None:
        raise ValueError(f"Cannot specify both '{older_name}' and '{name}'")
    return older_value if value is None else value
