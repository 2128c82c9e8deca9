"""The path from an object to its innermost part that cannot be pickled, for the text of an error.

    func (function load, train.py:12) -> variable 'cache' (Cache) -> attribute 'lock' (_thread.lock)

Why: pickle itself names only the innermost class, which the user's program may never mention.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

Part = tuple[str, object]  # the name of a part within its object, and the part; no part of a step


def way_to_unpicklable(value: object, dumps: Callable[[object], object]) -> str:
    """The path from `value`, which `dumps` cannot pickle, to its innermost part of this kind; "" if that is `value`."""
    steps: list[str] = []
    seen = {id(value)}
    with suppress(Exception):  # an object of the user that cannot be inspected: the path ends there
        part = _bad_part(value, dumps, seen)
        while part is not None:
            name, item = part
            steps.append(f"{name} ({_description(item)})")
            seen.add(id(item))
            part = _bad_part(item, dumps, seen)
    return " -> ".join(steps)


def _bad_part(value: object, dumps: Callable[[object], object], seen: set[int]) -> Part | None:
    for name, item in _parts(value):
        if id(item) not in seen and not _can_be_pickled(item, dumps):
            return name, item
    return None


def _can_be_pickled(value: object, dumps: Callable[[object], object]) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True


def _description(value: object) -> str:
    """The class of a value; for a function its name and its line."""
    if isinstance(value, FunctionType):
        code = value.__code__
        return f"function {value.__qualname__}, {code.co_filename}:{code.co_firstlineno}"
    kind = value if isinstance(value, type) else type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"class {name}" if isinstance(value, type) else name


def _parts(value: object) -> Iterator[Part]:
    """The objects that are pickled with a value, as its class shows."""
    if isinstance(value, FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, MethodType):
        yield "object of the method", value.__self__
        yield "function of the method", value.__func__
    elif isinstance(value, partial):
        yield "function of the partial", value.func
        yield from ((f"argument {i}", item) for i, item in enumerate(value.args))
        yield from ((f"argument {name!r}", item) for name, item in value.keywords.items())
    elif isinstance(value, Mapping):
        yield from ((str(key) if isinstance(key, str) else f"[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{i}]", item) for i, item in enumerate(value))
    else:
        yield from ((f"attribute {name!r}", item) for name, item in _attributes(value).items())


def _parts_of_function(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"variable {name!r}", cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    for name in _globals_of(function.__code__):
        if name in function.__globals__:
            yield f"global {name!r}", function.__globals__[name]
    yield from ((f"default {i}", item) for i, item in enumerate(function.__defaults__ or ()))
    yield from ((f"default of {name!r}", item) for name, item in (function.__kwdefaults__ or {}).items())
    yield from ((f"attribute {name!r}", item) for name, item in vars(function).items())


def _globals_of(code: CodeType) -> Iterator[str]:
    """The globals that a function, and the functions in it, look up."""
    yield from dict.fromkeys(it.argval for it in dis.get_instructions(code) if it.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def _attributes(value: object) -> dict[str, Any]:
    declared = [getattr(kind, "__slots__", ()) for kind in type(value).__mro__]
    names = [name for slots in declared for name in ([slots] if isinstance(slots, str) else slots)]
    slots = {name: getattr(value, name) for name in names if isinstance(name, str) and hasattr(value, name)}
    return slots | dict(getattr(value, "__dict__", {}))
