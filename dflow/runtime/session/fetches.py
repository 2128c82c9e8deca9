"""Fetches and feeds: converts the structures that a user passes to flat lists of graph elements, and results back.

Source: Session.run of TensorFlow 1.15 (client/session.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dflow.dtypes import DType, to_array_without_loss
from dflow.graph import Graph, Operation, Tensor
from dflow.ops.session_ops import TensorHandle

Element = Tensor | Operation
Rebuild = Callable[[Sequence[Any]], Any]
HandleOf = Callable[[bytes, DType], Any]  # makes the handle of a tensor that the session keeps


class FetchMap:
    """The elements in a structure of fetches, each once, and the function that builds the structure from their values.

    handle_of: makes the value that a program gets for a `get_session_handle`.
    names: of the elements, for a log or a table: the key in a dict of fetches, else the element's own name.
    """

    def __init__(self, graph: Graph, fetches: Any, handle_of: HandleOf | None = None) -> None:
        self._graph = graph
        self._handle_of = handle_of
        self._index: dict[Element, int] = {}
        self._keys: dict[Element, str] = {}
        self.rebuild = self._map(fetches)
        self.elements: tuple[Element, ...] = tuple(self._index)

    @property
    def names(self) -> tuple[str, ...]:
        """The elements' names: their keys in a mapping, or their own."""
        return tuple(self._keys.get(element, element.name) for element in self.elements)

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
            return lambda results: rebuild(*(leaf(results) for leaf in leaves))
        if hasattr(type(fetch), "__attrs_attrs__"):
            names = [attribute.name for attribute in type(fetch).__attrs_attrs__]
            values = [self._map(getattr(fetch, name)) for name in names]
            return lambda results: type(fetch)(*(value(results) for value in values))
        return self._leaf(fetch)

    def _mapping(self, fetch: Mapping[Any, Any]) -> Rebuild:
        parts = {key: self._map(value) for key, value in fetch.items()}
        self._keys.update({value: str(key) for key, value in fetch.items() if isinstance(value, (Tensor, Operation))})
        make: Any = type(fetch)
        if isinstance(fetch, defaultdict):
            make = partial(make, fetch.default_factory)
        return lambda results: make([(key, part(results)) for key, part in parts.items()])

    def _sequence(self, fetch: Any) -> Rebuild:
        parts = [self._map(item) for item in fetch]
        kind = type(fetch)
        if hasattr(fetch, "_fields"):  # a named tuple
            return lambda results: kind(*(part(results) for part in parts))
        return lambda results: kind(part(results) for part in parts)

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
        op = element.op if isinstance(element, Tensor) else element
        if not op.fetchable:
            raise ValueError(f"Operation {op.name} has been marked as not fetchable.")
        index = self._index.setdefault(element, len(self._index))
        handle_of = self._handle_of
        if handle_of is not None and isinstance(element, Tensor) and element.op.type == "GetSessionHandle":
            dtype = element.op.inputs[0].dtype
            return lambda results: handle_of(results[index], dtype)
        return lambda results: results[index]


def feed_tensor(graph: Graph, key: Any) -> Tensor:
    """The tensor that a key of a feed_dict names; TypeError or ValueError if it names none that can be fed."""
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except (TypeError, KeyError, ValueError) as error:
        text = error.args[0] if error.args else str(error)
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
    assert isinstance(tensor, Tensor)
    if not graph.is_feedable(tensor):
        raise ValueError(f"Tensor {tensor.name} may not be fed.")
    return tensor


def feeds_of(graph: Graph, feed_dict: Any) -> dict[Tensor, np.ndarray[Any, Any]]:
    """The tensors that a feed_dict feeds, and their values.

    A key may be a SparseTensor, or nested tuples of keys with as many values in lists or tuples.
    TypeError if it is no dict; ValueError for a wrong number of values, and for a key that comes twice.
    """
    feeds = {feed_tensor(graph, key): value for key, value in _flat_feeds(feed_dict)}
    return {tensor: feed_value(tensor, value) for tensor, value in feeds.items()}


def _flat_feeds(feed_dict: Any) -> list[tuple[Any, Any]]:
    """The pairs of a key for one tensor and its value."""
    if not hasattr(feed_dict, "items"):
        raise TypeError(f"feed_dict must be a dict, got {type(feed_dict).__name__}")
    pairs = list[tuple[Any, Any]]()
    for key, value in feed_dict.items():
        pairs += flat_feed(key, value)
    if len(dict(pairs)) != len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"Cannot flatten dict because this key is not unique: {key!r}")
    return pairs


def flat_feed(key: Any, value: Any) -> list[tuple[Any, Any]]:
    """The same for one key of a feed_dict and its value."""
    if hasattr(key, "_fetch_parts"):  # a SparseTensor is fed by its parts
        return list(zip(key._fetch_parts()[0], value, strict=True))
    if not isinstance(key, tuple):
        return [(key, value)]
    keys, values = flat(key), flat(value)
    if len(keys) != len(values):
        raise ValueError(
            f"Could not flatten dictionary. Key had {len(keys)} elements, but value had {len(values)} elements: "
            f"{_short(value)} for {key!r}; give the value of a tensor that is no scalar as an array"
        )
    return list(zip(keys, values, strict=True))


def flat(items: Any) -> list[Any]:
    """The items of nested sequences and mappings, the latter in the order of their keys."""
    if isinstance(items, Mapping):
        return [leaf for key in sorted(items) for leaf in flat(items[key])]
    if isinstance(items, Sequence) and not isinstance(items, (str, bytes)):
        return [leaf for item in items for leaf in flat(item)]
    return [items]


def feed_value(tensor: Tensor, value: Any) -> np.ndarray[Any, Any]:
    """A fed value as an array of the tensor's dtype, which shares no memory with the user's array.

    A value of another dtype is converted if that loses nothing: 2.0 or True for an integer, also as objects.
    TypeError for a tensor, for a variable, and for a value that would lose something; ValueError for another shape than
    the static one.
    """
    if isinstance(value, TensorHandle):
        value = value.eval()
    if isinstance(value, Tensor) or hasattr(value, "_as_tensor"):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, "
            f"strings, lists and numpy ndarrays. For reference, the tensor object was {value!r}, fed to {tensor.name}"
        )
    try:
        array = to_array_without_loss(value, tensor.dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Type of feed value {_short(value)} with type {type(value)} is not compatible with Tensor type "
            f"{tensor.dtype.name} of {tensor.name}: {error}"
        ) from None
    if not tensor.shape.admits(array.shape):
        raise ValueError(
            f"Cannot feed value of shape {array.shape} for Tensor {tensor.name!r}, which has shape {tensor.shape}"
        )
    shared = isinstance(value, np.ndarray) and np.shares_memory(array, value)
    return array.copy() if shared else array


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
