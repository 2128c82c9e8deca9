"""What all summaries share: names and tags, collections, and the message as the result of a kernel.

Source: summary_op_util of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dflow.dtypes import string
from dflow.graph import GraphKeys, Tensor, get_default_graph, scopes
from dflow.ops.rules.static import graph_of
from dflow.registry import no_gradient
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec

MESSAGE = TensorSpec(SCALAR, string)  # of each summary
NO_GRADIENT = no_gradient("a summary is text")

_INVALID = re.compile(r"[^-/\w\.]")
_log = logging.getLogger("tensorflow")


def clean_tag(name: str) -> str:
    """A name with `_` for each character that no tag may have, and without slashes at its beginning."""
    cleaned = _INVALID.sub("_", name).lstrip("/")
    if cleaned != name:
        _log.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextmanager
def summary_scope(name: str, family: str | None, values: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """The name scope of a summary; gives its tag and the scope, which is the name of its operation."""
    name, family = clean_tag(name), None if family is None else clean_tag(family)
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name if family is None else f"{family}/{name}") as scope:
        tag = scope.rstrip("/")
        yield (tag if family is None else f"{family}/{tag}"), scope


def collected(
    summary: Tensor, collections: Iterable[Any] | None, default: Iterable[str] = (GraphKeys.SUMMARIES,)
) -> Tensor:
    """A summary, added to its collections."""
    get_default_graph().add_to_collections(list(default) if collections is None else collections, summary)
    return summary


def message(summary: Any) -> Any:
    """A Summary as the result of a kernel."""
    result = np.empty((), object)
    result[()] = summary.SerializeToString()
    return result


def text(value: Any) -> str:
    """A scalar of text as `str`."""
    return bytes(np.asarray(value)[()]).decode()
