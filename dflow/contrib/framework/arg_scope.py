"""Blocks that give arguments of functions other defaults.

    @df.contrib.framework.add_arg_scope
    def layer(x, size, activation=None): ...

    with df.contrib.framework.arg_scope([layer], activation=df.nn.relu):
        y = layer(x, 10)

Blocks hold for their own thread.
Source: tf.contrib.framework.arg_scope of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = [
    "add_arg_scope",
    "arg_scope",
    "arg_scope_func_key",
    "arg_scoped_arguments",
    "current_arg_scope",
    "has_arg_scope",
]

Defaults = dict[str, dict[str, Any]]  # function -> argument -> value

_ARGUMENTS: dict[str, tuple[str, ...]] = {}  # each decorated function, with its arguments that have defaults


class _Stack(threading.local):
    def __init__(self) -> None:
        self.scopes: list[Defaults] = [{}]


_stack = _Stack()


def arg_scope_func_key(op: Any) -> str:
    """The name under which a function's arguments are kept."""
    return str(getattr(op, "_key_op", str(op)))


def current_arg_scope() -> Defaults:
    """The arguments of the innermost block."""
    return _stack.scopes[-1]


@contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[Defaults]:
    """A block in which these functions have these arguments, unless a call gives its own.

    list_ops_or_scope: functions with `add_arg_scope`; or what an earlier block gave, to enter it again.
    TypeError for anything else; ValueError for a function without it, and for arguments beside an earlier block.
    """
    if isinstance(list_ops_or_scope, Mapping):
        if kwargs:
            raise ValueError("When attempting to re-use a scope by suppling a dictionary, kwargs must be empty.")
        scope: Defaults = {key: dict(value) for key, value in list_ops_or_scope.items()}
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = {key: dict(value) for key, value in current_arg_scope().items()}
        for op in list_ops_or_scope:
            if not has_arg_scope(op):
                raise ValueError(f"{_name(op)} is not decorated with @add_arg_scope")
            scope.setdefault(arg_scope_func_key(op), {}).update(kwargs)
    else:
        raise TypeError("list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict)")
    _stack.scopes.append(scope)
    try:
        yield scope
    finally:
        _stack.scopes.pop()


def _name(op: Any) -> tuple[str, str]:
    return op.__module__, op.__name__


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose keyword arguments `arg_scope` may set."""
    key = arg_scope_func_key(func)

    @functools.wraps(func)
    def func_with_args(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **{**current_arg_scope().get(key, {}), **kwargs})

    _ARGUMENTS[key] = _arguments_with_defaults(func)
    vars(func_with_args)["_key_op"] = key
    return func_with_args


def _arguments_with_defaults(func: Any) -> tuple[str, ...]:
    code, defaults = getattr(func, "__code__", None), getattr(func, "__defaults__", None)
    if code is None or not defaults:
        return ()
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names[-len(defaults) :]


def has_arg_scope(func: Any) -> bool:
    """Whether `arg_scope` may set arguments of a function."""
    return arg_scope_func_key(func) in _ARGUMENTS


def arg_scoped_arguments(func: Any) -> tuple[str, ...]:
    """The arguments with defaults of a function with `add_arg_scope`."""
    assert has_arg_scope(func)
    return _ARGUMENTS[arg_scope_func_key(func)]
