"""Functions that make tensors of the objects of a program: `register_tensor_conversion_function`.

Source: tf.register_tensor_conversion_function of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Conversion = Callable[..., Any]
_BUILT_IN = 100  # the priority of dflow's own conversion

_functions: list[tuple[int, type | tuple[type, ...], Conversion]] = []  # by priority, then by age
_of_type: dict[type, tuple[Conversion, ...]] = {}  # for each type that was asked for


def register_tensor_conversion_function(
    base_type: type | tuple[type, ...], conversion_func: Conversion, priority: int = _BUILT_IN
) -> None:
    """Have `convert_to_tensor` call a function for objects of a type, or of one of several types.

    conversion_func(value, dtype=None, name=None, as_ref=False) gives a tensor, of this dtype if it is not None, or
    NotImplemented: then the next function is asked, and in the end the object is converted as if there were none.
    priority: the smallest comes first; of equal ones, the oldest.
    TypeError for a type that is none, for a function that cannot be called, and for arrays and Python's numbers, text
    and lists: their conversion cannot be changed.
    """
    types = base_type if isinstance(base_type, tuple) else (base_type,)
    if not types or not all(isinstance(kind, type) for kind in types):
        raise TypeError("base_type must be a type or a tuple of types.")
    if any(issubclass(kind, _FIXED) for kind in types):
        raise TypeError("Cannot register conversions for Python numeric types and NumPy scalars and arrays.")
    if not callable(conversion_func):
        raise TypeError("conversion_func must be callable.")
    _functions.append((priority, base_type, conversion_func))
    _functions.sort(key=lambda entry: entry[0])
    _of_type.clear()


_FIXED = (int, float, complex, np.generic, np.ndarray)


def conversions_of(value: Any) -> tuple[Conversion, ...]:
    """The functions that the program registered for an object, in their order."""
    if not _functions:
        return ()
    kind = type(value)
    found = _of_type.get(kind)
    if found is None:
        found = _of_type[kind] = tuple(function for _, base, function in _functions if issubclass(kind, base))
    return found


def converted(value: Any, dtype: Any, name: str | None) -> Iterator[Any]:
    """What the functions for an object make of it, one after the other."""
    for function in conversions_of(value):
        result = function(value, dtype=dtype, name=name, as_ref=False)
        if result is not NotImplemented:
            yield result
