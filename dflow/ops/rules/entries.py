"""Elementwise functions of sparse tensors: of the entries alone, for functions that keep a zero."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar, cast

from dflow.sparse_tensor import SparseTensor

__all__ = ["of_entries"]

Function = TypeVar("Function", bound=Callable[..., Any])


def of_entries(function: Function) -> Function:
    """Let a function of a tensor also take a SparseTensor: the result is one with entries at the same places."""

    @wraps(function)
    def of_either(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, SparseTensor):
            return x.with_values(function(x.values, *args, **kwargs))
        return function(x, *args, **kwargs)

    of_either.__signature__ = signature(function)  # type: ignore[attr-defined]  # for `inspect.getfullargspec`
    return cast(Function, of_either)
