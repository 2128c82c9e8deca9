"""Outputs of layers by their names in collections.  Source: tf.contrib.layers.utils of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dflow.graph import Tensor

__all__ = ["collect_named_outputs", "variable_collections"]


def collect_named_outputs(collections: Any, alias: str, outputs: Tensor) -> Tensor:
    """The outputs, added to collections; they are called `alias` in lists of end points."""
    if collections:
        vars(outputs).setdefault("aliases", []).append(alias)
        outputs.graph.add_to_collections(collections, outputs)
    return outputs


def variable_collections(collections: Any, name: str) -> Iterable[str] | None:
    """The collections of a variable: the same ones for all, or, of a mapping, those under its name."""
    if isinstance(collections, Mapping):
        found: Iterable[str] | None = collections.get(name)
        return found
    return collections  # type: ignore[no-any-return]
