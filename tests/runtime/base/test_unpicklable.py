"""The error for what cannot be sent says which object it is, and how the user's function holds it."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import Any

import cloudpickle
import pytest

from dflow.runtime.base.unpicklable import way_to_unpicklable

LOCK = threading.Lock()
HARMLESS = [1, 2]


class Cache:
    """Holds a lock, as many classes do."""

    def __init__(self) -> None:
        self.values = {"a": 1}
        self.lock = threading.Lock()

    def look_up(self, x: Any) -> Any:
        return self.values


class Slots:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class OneSlot:
    __slots__ = "lock"

    def __init__(self) -> None:
        self.lock = LOCK


class Proxy:
    """Of nothing, as some have outside of a request: it cannot be looked into."""

    __slots__ = ("lock", "other")

    def __init__(self) -> None:
        self.lock = LOCK

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"there is no {name} outside of a request")


def uses_a_global(x: Any) -> Any:
    def inside() -> Any:
        return LOCK, HARMLESS

    return inside()


def closure_of(cache: Any) -> Any:
    return lambda x: (cache, HARMLESS, x)


def with_defaults(x: Any, y: int = 1, lock: Any = LOCK, *, other: Any = None) -> Any:
    return x


@pytest.mark.parametrize(
    ("held", "way"),
    [
        (uses_a_global, ["func (function uses_a_global, ", "global 'LOCK' (_thread.lock)"]),
        (closure_of(Cache()), ["func (function closure_of.", "variable 'cache' (", "attribute 'lock' (_thread.lock)"]),
        (Cache().look_up, ["func (method)", "object of the method (", "attribute 'lock' (_thread.lock)"]),
        (partial(closure_of(1), LOCK), ["func (functools.partial)", "argument 0 (_thread.lock)"]),
        (partial(closure_of(1), x=LOCK), ["func (functools.partial)", "argument 'x' (_thread.lock)"]),
        (with_defaults, ["func (function with_defaults, ", "default 1 (_thread.lock)"]),
        ([1, {"k": {2: LOCK}}], ["func (list)", "[1] (dict)", "k (dict)", "[2] (_thread.lock)"]),
        (Slots((1, LOCK)), ["func (", "attribute 'inner' (tuple)", "[1] (_thread.lock)"]),
        (OneSlot(), ["func (", "attribute 'lock' (_thread.lock)"]),
        ([Proxy()], ["func (list)", "[0] ("]),
        (LOCK, ["func (_thread.lock)"]),
    ],
)
def test_the_way_to_what_cannot_be_pickled_is_told(held: Any, way: list[str]) -> None:
    found = way_to_unpicklable({"Tout": (1,), "func": held}, dumps_by_value).split(" -> ")
    assert len(found) == len(way), found
    for step, start in zip(found, way, strict=True):
        assert step.startswith(start), found
    assert all(__file__ in step for step in found if "(function " in step)


def dumps_by_value(value: Any) -> bytes:
    """As for the functions of a user's script: this module is sent, not looked up."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        return cloudpickle.dumps(value)  # type: ignore[no-any-return]
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_what_holds_itself_is_no_endless_way() -> None:
    ring: list[Any] = [threading.Lock()]
    ring.insert(0, ring)
    assert way_to_unpicklable(ring, cloudpickle.dumps) == "[1] (_thread.lock)"


def test_a_global_of_the_name_of_an_attribute_is_not_blamed() -> None:
    scope: dict[str, Any] = {"lock": LOCK}
    exec("def f(x): return x.lock, missing", scope)
    scope["missing"] = Slots(LOCK)
    way = way_to_unpicklable(scope["f"], cloudpickle.dumps)
    assert way.startswith("global 'missing' (")
    assert way.endswith("attribute 'inner' (_thread.lock)")
