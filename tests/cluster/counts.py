"""What there is of everything in a process: of its objects, of the items in their containers, of what it has open."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import cloudpickle
import psutil

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # it runs on schedulers and workers

OWNERS = {"asyncio", "concurrent", "dask", "dflow", "distributed", "logging", "multiprocessing", "threading", "tornado"}
SIZED = (dict, list, set, tuple, frozenset, deque, WeakSet, WeakKeyDictionary, WeakValueDictionary)
NESTED = 3  # containers in containers whose items are counted, too


def count_all(**node: Any) -> Counter[str]:
    """Of this process, by what it is.  node: Dask says which one it is.

    "dflow.runtime.step.process.Process" counts the objects of that class,
    "dflow.runtime.step.process.Process._channels" the items in that attribute of all of them.  Modules and classes have
    attributes, too, and each cache counts what it keeps.
    """
    gc.collect()
    process = psutil.Process()
    counts = Counter({"file descriptors": process.num_fds(), "threads": process.num_threads()})
    for found in gc.get_objects():
        if isinstance(found, _lru_cache_wrapper):
            counts[f"{found.__module__}.{found.__qualname__}"] += found.cache_info().currsize
        elif isinstance(found, FunctionType):
            continue
        elif (name := _owner(found)).partition(".")[0] in OWNERS:
            counts[name] += 1
            for attribute, value in _attributes(found):
                counts[f"{name}.{attribute}"] += _items(value)
    return counts


def _owner(found: Any) -> str:
    if isinstance(found, ModuleType):
        return found.__name__
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}.{kind.__qualname__}"


def _attributes(found: Any) -> Iterator[tuple[str, Any]]:
    """Those that are there already: no property is computed."""
    yield from list(getattr(found, "__dict__", {}).items())
    for kind in type(found).__mro__:
        for slot in kind.__dict__.get("__slots__", ()):
            if slot != "__dict__" and hasattr(found, slot):
                yield slot, getattr(found, slot)


def _items(value: Any, depth: int = NESTED) -> int:
    if not isinstance(value, SIZED) or getattr(value, "maxlen", None) is not None:  # a history has a length of its own
        return 0
    inner = list(value.values() if isinstance(value, dict) else value) if depth else []
    return len(value) + sum(_items(item, depth - 1) for item in inner)
