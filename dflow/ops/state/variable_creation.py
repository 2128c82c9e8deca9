"""How variables are made: by the creators of the program's `variable_creator_scope` blocks, then by a class.

Source: tf.variable_creator_scope, tf.enable_resource_variables of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from dflow.graph import get_default_graph
from dflow.ops.state.variable_scope import get_variable_scope

__all__ = [
    "disable_resource_variables",
    "enable_resource_variables",
    "resource_variables_enabled",
    "variable_creator_scope",
]


class MadeByCreators(type):
    """The class of `Variable`: a call of it goes through the creators; a call of a subclass makes one at once."""

    default: ClassVar[Callable[..., Any]]  # makes a variable of the arguments of `Variable`

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls.__bases__ != (object,) or kwargs.get("variable_def") is not None:
            return cls.made(*args, **kwargs)
        given = inspect.signature(vars(cls)["__init__"]).bind(None, *args, **kwargs)
        given.apply_defaults()
        arguments = {name: value for name, value in given.arguments.items() if name != "self"}
        make: Callable[..., Any] = _made
        for creator in get_default_graph().scope.variable_creators:
            make = functools.partial(creator, make)
        return make(**arguments)

    def made(cls, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


def _made(**arguments: Any) -> Any:
    """A variable, of the class that its argument `use_resource` or else the variable scope says."""
    use_resource = arguments.get("use_resource")
    if use_resource is None:
        use_resource = get_variable_scope().use_resource
    if use_resource is None:
        use_resource = resource_variables_enabled()
    return MadeByCreators.default(**{**arguments, "use_resource": use_resource})


@contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """A block whose variables are made by `variable_creator(next_creator, **kwargs)`, in this thread.

    kwargs: the arguments of `Variable`, which it may change; it gives the result of `next_creator(**kwargs)`: that is
    the creator of the outer block, or makes the variable.  RuntimeError for blocks that are left in a wrong order.
    """
    stack = get_default_graph().scope
    outer = stack.variable_creators
    stack.variable_creators = mine = [*outer, variable_creator]
    try:
        yield
    finally:
        if stack.variable_creators is not mine:
            raise RuntimeError("Exiting variable_creator_scope without proper nesting.")
        stack.variable_creators = outer


_enabled = False


def enable_resource_variables() -> None:
    """From here on, variables are of the class `ResourceVariable` unless they say otherwise."""
    global _enabled
    _enabled = True


def disable_resource_variables() -> None:
    """From here on, variables are of the class `Variable` alone unless they say otherwise."""
    global _enabled
    _enabled = False


def resource_variables_enabled() -> bool:
    """Whether variables that do not say so are of the class `ResourceVariable`."""
    return _enabled
