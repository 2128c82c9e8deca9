"""What a user fetches and feeds, as flat lists of graph elements, and back.

Source: Session.run of TensorFlow 1.15 (client/session.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dflow.dtypes import DType, to_array
from dflow.graph import Graph, Operation, Tensor

Element = Tensor | Operation
Rebuild = Callable[[Sequence[Any]], Any]


class FetchMap:
    """The elements that a structure of fetches names, each once, and how the structure is built from their values.

    names: what to call each element in a log or a table: its key in a dict of fetches, else its own name.
    """

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self._graph = graph
        self._index: dict[Element, int] = {}
        self._keys: dict[Element, str] = {}
        self.rebuild = self._map(fetches)
        self.elements: tuple[Element, ...] = tuple(self._index)
        self.names = tuple(self._keys.get(element, element.name) for element in self.elements)

    def _map(self, fetch: Any) -> Rebuild:
        if isinstance(fetch, (Tensor, Operation)):
            return self._leaf(fetch)
        if fetch is None:
            raise TypeError("Fetch argument None has invalid type <class 'NoneType'>")
        if isinstance(fetch, Mapping):
            return self._mapping(fetch)
        if isinstance(fetch, (list, tuple)):
            return self._sequence(fetch)
        if hasattr(fetch, "_fetch_parts"):  # a SparseTensor and its like
            parts, rebuild = fetch._fetch_parts()
            leaves = [self._leaf(part) for part in parts]
            return lambda found: rebuild(*(leaf(found) for leaf in leaves))
        if hasattr(type(fetch), "__attrs_attrs__"):
            names = [attribute.name for attribute in type(fetch).__attrs_attrs__]
            values = [self._map(getattr(fetch, name)) for name in names]
            return lambda found: type(fetch)(*(value(found) for value in values))
        return self._leaf(fetch)

    def _mapping(self, fetch: Mapping[Any, Any]) -> Rebuild:
        parts = {key: self._map(value) for key, value in fetch.items()}
        self._keys.update({value: str(key) for key, value in fetch.items() if isinstance(value, (Tensor, Operation))})
        make: Any = type(fetch)
        if isinstance(fetch, defaultdict):
            make = partial(make, fetch.default_factory)
        return lambda found: make([(key, part(found)) for key, part in parts.items()])

    def _sequence(self, fetch: Any) -> Rebuild:
        parts = [self._map(item) for item in fetch]
        kind = type(fetch)
        if hasattr(fetch, "_fields"):  # a named tuple
            return lambda found: kind(*(part(found) for part in parts))
        return lambda found: kind(part(found) for part in parts)

    def _leaf(self, fetch: Any) -> Rebuild:
        try:
            element = self._graph.as_graph_element(fetch)
        except TypeError as error:
            raise TypeError(
                f"Fetch argument {fetch!r} has invalid type {type(fetch)}, must be a string, a tensor, an operation, "
                f"or a list, tuple or dict of these. ({error})"
            ) from None
        except (KeyError, ValueError) as error:
            text = error.args[0] if error.args else str(error)
            raise ValueError(f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({text})") from None
        index = self._index.setdefault(element, len(self._index))
        return lambda found: found[index]


def feed_tensor(graph: Graph, key: Any) -> Tensor:
    """The tensor that a feed's key means; TypeError or ValueError for one that means none."""
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except (TypeError, KeyError, ValueError) as error:
        text = error.args[0] if error.args else str(error)
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
    assert isinstance(tensor, Tensor)
    if not graph.is_feedable(tensor):
        raise ValueError(f"Tensor {tensor.name} may not be fed.")
    return tensor


def feed_value(tensor: Tensor, value: Any) -> np.ndarray[Any, Any]:
    """A fed value as an array of the tensor's dtype, of the step's own.

    A value of another dtype is converted if that loses nothing: 2.0 or True for an integer.
    TypeError for a tensor or a value that would lose something; ValueError for another shape than the static one.
    """
    if isinstance(value, Tensor):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, "
            f"strings, lists and numpy ndarrays. For reference, the tensor object was {value!r}, fed to {tensor.name}"
        )
    try:
        array = _without_loss(value, tensor.dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Type of feed value {_short(value)} with type {type(value)} is not compatible with Tensor type "
            f"{tensor.dtype.name} of {tensor.name}: {error}"
        ) from None
    if not tensor.shape.is_compatible_with(array.shape):
        raise ValueError(
            f"Cannot feed value of shape {array.shape} for Tensor {tensor.name!r}, which has shape {tensor.shape}"
        )
    shared = isinstance(value, np.ndarray) and np.shares_memory(array, value)
    return array.copy() if shared else array


def _without_loss(value: Any, dtype: DType) -> np.ndarray[Any, Any]:
    try:
        return to_array(value, dtype)
    except TypeError:
        given = np.asarray(value)
        if given.dtype.kind not in "biuf" or not dtype.is_integer:
            raise
        with np.errstate(invalid="ignore"):
            converted = given.astype(dtype.numpy_dtype)
        if not np.array_equal(converted, given):
            raise
        return converted


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
