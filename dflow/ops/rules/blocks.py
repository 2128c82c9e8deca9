"""Common `with` blocks of functions that are made of several operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, scopes
from dflow.ops.rules.static import graph_of


@contextmanager
def named(name: str | None, default: str, values: Iterable[Any] = ()) -> Iterator[str]:
    """A name scope, `default` if no name is given, in the graph of the first tensor among `values`.

    Gives the scope's name with a slash behind it.  Source: tf.name_scope(name, default_name, values).
    """
    graph = graph_of(list(values))
    with scopes.building_in(graph), graph.name_scope(default if name is None else name) as scope:
        yield scope


def same_shape(x: Tensor, y: Tensor) -> None:
    """ShapeError unless both could have one shape.  Source: tf.TensorShape.assert_is_compatible_with."""
    if not x.shape.is_compatible_with(y.shape):
        raise ShapeError(f"Shapes {x.shape} and {y.shape} are incompatible")
