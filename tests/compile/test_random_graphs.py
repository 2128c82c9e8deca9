"""Random graphs of arithmetic, variables and control dependencies: a session computes what a plain NumPy walk computes.

A graph is drawn as a list of steps.  `build` makes operations of it, on three devices; `walk` computes it with NumPy.
Whatever touches a variable waits for what touched it before, as far as one of both is a write: the rest is free.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import dflow as df
from dflow.compile.segments import segments
from tests.compile.driver import Driver, plan_with
from tests.compile.helpers import CPUS

Array = np.ndarray[Any, Any]

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "negative": (df.negative, np.negative),
    "square": (df.square, np.square),
    "identity": (df.identity, np.copy),
}
BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (df.add, np.add),
    "subtract": (df.subtract, np.subtract),
    "multiply": (df.multiply, np.multiply),
    "maximum": (df.maximum, np.maximum),
}
WRITES = ("assign", "assign_add")
TOUCHES = ("read", *WRITES)
KINDS = ("constant", "nothing", *UNARY, *BINARY, *TOUCHES)
DEVICES = (None, "/cpu:0", "/cpu:1", "/cpu:2", "/device:CPU:*")


@dataclass(frozen=True)
class Step:
    """One operation: its arguments and what it waits for are earlier steps."""

    kind: str
    device: str | None
    arguments: tuple[int, ...] = ()
    controls: tuple[int, ...] = ()
    variable: int = 0
    value: tuple[int, ...] = ()  # of a constant


@dataclass(frozen=True)
class Recipe:
    """A graph, and a run of it.  `fetches`: (step, as a tensor?).  `feeds`: step -> value."""

    steps: tuple[Step, ...]
    homes: tuple[str, ...]  # the device of each variable
    fetches: tuple[tuple[int, bool], ...]
    feeds: dict[int, tuple[int, ...]]


VALUES = st.tuples(*[st.integers(-9, 9)] * 3)


@st.composite
def recipes(draw: Callable[..., Any]) -> Recipe:
    homes = tuple(draw(st.lists(st.sampled_from(DEVICES[1:4]), min_size=2, max_size=2)))
    steps = [Step("constant", None, value=draw(VALUES))]
    steps += [Step("assign", None, arguments=(0,), variable=variable) for variable in (0, 1)]
    touched = {0: [1], 1: [2]}  # variable -> its last write and the reads since
    for i in range(3, draw(st.integers(4, 27))):
        valued = [j for j, step in enumerate(steps) if step.kind != "nothing"]
        kind = draw(st.sampled_from(KINDS))
        count = 2 if kind in BINARY else 1 if kind in UNARY or kind in WRITES else 0
        arguments = tuple(draw(st.sampled_from(valued)) for _ in range(count))
        controls = set(draw(st.lists(st.integers(0, i - 1), max_size=2)))
        variable = draw(st.integers(0, 1))
        if kind in TOUCHES:
            before = touched[variable]
            controls |= set(before) if kind in WRITES else {j for j in before if steps[j].kind in WRITES}
            touched[variable] = [i] if kind in WRITES else [*before, i]
        value = draw(VALUES) if kind == "constant" else ()
        device = draw(st.sampled_from(DEVICES))
        steps.append(Step(kind, device, arguments, tuple(sorted(controls)), variable, value))
    fetches = draw(st.lists(st.tuples(st.integers(0, len(steps) - 1), st.booleans()), min_size=1, max_size=6))
    feedable = [j for j, step in enumerate(steps) if step.kind not in (*TOUCHES, "nothing")]
    feeds = draw(st.dictionaries(st.sampled_from(feedable), VALUES, max_size=2))
    return Recipe(tuple(steps), homes, tuple((i, t and steps[i].kind != "nothing") for i, t in fetches), feeds)


def array(value: tuple[int, ...]) -> Array:
    return np.array(value, np.int32)


# -- as a graph


@dataclass
class Built:
    variables: list[df.Variable] = field(default_factory=list)
    ops: list[df.Operation] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)


def build(recipe: Recipe) -> Built:
    """The operations of a recipe, in the default graph."""
    built = Built()
    for home in recipe.homes:
        with df.device(home):
            built.variables.append(df.Variable(np.zeros(3, np.int32)))
    for step in recipe.steps:
        with df.device(step.device), df.control_dependencies([built.ops[i] for i in step.controls]):
            made = build_step(step, built, [built.tensors[i] for i in step.arguments])
        built.tensors.append(made)
        built.ops.append(made if isinstance(made, df.Operation) else made.op)
    return built


def build_step(step: Step, built: Built, arguments: list[Any]) -> Any:
    variable = built.variables[step.variable]
    if step.kind == "constant":
        return df.constant(array(step.value))
    if step.kind == "nothing":
        return df.no_op()
    if step.kind == "read":
        return variable.read_value()
    if step.kind in WRITES:
        return getattr(variable, step.kind)(*arguments)
    return (UNARY | BINARY)[step.kind][0](*arguments)


def a_run(recipe: Recipe, built: Built) -> tuple[list[Any], dict[Any, Array]]:
    """What is fetched, and what is fed."""
    fetches = [built.tensors[i] if as_tensor else built.ops[i] for i, as_tensor in recipe.fetches]
    return fetches, {built.tensors[i]: array(value) for i, value in recipe.feeds.items()}


# -- with NumPy


def needed(recipe: Recipe) -> set[int]:
    """The steps that a run needs: a fed one only if someone waits for it.  An argument is no control as well."""
    found: set[int] = set()
    waiting = [i for i, as_tensor in recipe.fetches if not (as_tensor and i in recipe.feeds)]
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            step = recipe.steps[i]
            waiting += [j for j in step.arguments if j not in recipe.feeds]
            waiting += [j for j in step.controls if j not in step.arguments]
    return found


def walk(recipe: Recipe, variables: list[Array]) -> list[Any]:
    """What a run gives; changes the variables."""
    values: dict[int, Any] = {i: array(value) for i, value in recipe.feeds.items()}
    for i in sorted(needed(recipe)):
        value = walk_step(recipe.steps[i], variables, [values[j] for j in recipe.steps[i].arguments])
        values.setdefault(i, value)
    return [values[i] if as_tensor else None for i, as_tensor in recipe.fetches]


def walk_step(step: Step, variables: list[Array], arguments: list[Array]) -> Any:
    if step.kind == "constant":
        return array(step.value)
    if step.kind == "nothing":
        return None
    if step.kind in WRITES:
        old = variables[step.variable] if step.kind == "assign_add" else 0
        variables[step.variable] = old + arguments[0]
    if step.kind in TOUCHES:
        return variables[step.variable]
    return (UNARY | BINARY)[step.kind][1](*arguments)


# -- both


def zeros() -> list[Array]:
    return [np.zeros(3, np.int32), np.zeros(3, np.int32)]


@settings(max_examples=150)
@given(recipes())
def test_a_session_computes_what_numpy_computes(recipe: Recipe) -> None:
    with df.Graph().as_default():
        built = build(recipe)
        fetches, feeds = a_run(recipe, built)
        reads = [variable.read_value() for variable in built.variables]
        initializer = df.global_variables_initializer()
        with df.Session(config=df.ConfigProto(device_count={"CPU": 3})) as session:
            session.run(initializer)
            variables = zeros()
            for _ in range(2):
                expected = [*walk(recipe, variables), *variables]
                for mine, right in zip(session.run(fetches, feeds) + session.run(reads), expected, strict=True):
                    np.testing.assert_array_equal(mine, right)


@settings(max_examples=150)
@given(recipes(), st.integers(0, 99))
def test_devices_compute_what_numpy_computes_in_whatever_order_they_run(recipe: Recipe, seed: int) -> None:
    with df.Graph().as_default():
        fetches, feeds = a_run(recipe, build(recipe))
        plan = plan_with(segments, fetches, CPUS, list(feeds))
        found = Driver(plan, shuffle=random.Random(seed)).run(list(feeds.values()))
    assert found.end == "done"
    for edge, right in zip(plan.fetches, walk(recipe, zeros()), strict=True):
        if edge is not None:
            np.testing.assert_array_equal(found.values[edge], right)
