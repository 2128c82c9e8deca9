"""Common functions of operations on strings: their operands, and kernels that treat each string by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, string
from dflow.errors import DTypeError
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.static import graph_of
from dflow.registry import no_gradient
from dflow.specs import TensorSpec

__all__ = ["NO_GRADIENT", "allowed", "array_of", "check", "each", "rules_of_each", "same_shape", "strings", "text_of"]

Array = np.ndarray[Any, Any]

NO_GRADIENT = no_gradient("a string has no gradient")


def strings(value: Any, name: str = "input") -> Tensor:
    """A value as a tensor of strings, in its own graph."""
    with scopes.building_in(graph_of((value,))):
        return convert_to_tensor(value, string, name=name)


def text_of(value: Any) -> str:
    """An attribute of a node that is text, as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def allowed(attr: str, value: str, choices: Sequence[str]) -> str:
    """An attribute that is one of a few texts; ValueError for another one."""
    text = text_of(value)
    if text not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"Value for attr '{attr}' of \"{text}\" is not in the list of allowed values: {listed}")
    return text


def same_shape(dtype: DType = string) -> Callable[..., TensorSpec]:
    """The shape rule of an operation on each string of a tensor: as many results of this dtype."""

    def spec(texts: TensorSpec, *_: TensorSpec, **attrs: Any) -> TensorSpec:
        check(texts)
        return TensorSpec(texts.shape, dtype)

    return spec


def check(spec: TensorSpec, what: str = "the input") -> None:
    """DTypeError for an operand that is not of strings."""
    if spec.dtype != string:
        raise DTypeError(f"{what} must be string, got {spec.dtype.name}")


def array_of(items: Iterable[Any], shape: tuple[int, ...]) -> Array:
    """Strings, in row-major order, as an array of this shape."""
    result = np.empty(shape, object)
    result.reshape(-1)[:] = list(items)
    return result


def each(texts: Array, convert: Callable[[bytes], Any]) -> Array:
    """A string of each string."""
    return array_of(map(convert, texts.reshape(-1).tolist()), texts.shape)


def rules_of_each(kernel: Callable[..., Any], dtype: DType = string) -> dict[str, Any]:
    """The rules of an operation with one result for each string of its only operand."""
    return {
        "spec": same_shape(dtype),
        "kernel": kernel,
        "gradient": NO_GRADIENT,
        "batch": elementwise,  # strings of any shape are treated alike
        "host_only": True,
    }
