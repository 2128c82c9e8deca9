"""Every operation against the oracle table.

NumPy judges values, central differences gradients, single calls batches.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import array_api_strict
import numpy as np
import pytest

import dflow.ops
from dflow import errors
from dflow.dtypes import as_dtype
from dflow.gradients import gradients
from dflow.graph import Graph, Tensor
from dflow.ops.array.constants import constant, placeholder
from dflow.ops.array.indexed_slices import densified
from dflow.registry import OPS, NoGradient
from dflow.runtime.base.transfers import to_device
from dflow.runtime.device.own_devices import gpu_count
from dflow.specs import TensorSpec
from tests.ops.evaluate import Evaluator
from tests.ops.oracle import ELSEWHERE, NO_ORACLE, ORACLE, Case

for found in pkgutil.walk_packages(dflow.ops.__path__, "dflow.ops."):
    importlib.import_module(found.name)

VALUES = [(kind, i) for kind, cases in ORACLE.items() for i in range(len(cases))]
GRADIENTS = [(kind, i) for kind, i in VALUES if not isinstance(OPS[kind].gradient, NoGradient)]
SECOND = [(kind, i) for kind, i in GRADIENTS if ORACLE[kind][i].second]
OWNED = [(kind, i) for kind, i in VALUES if OPS[kind].owns_outputs]
INPLACE = [(kind, i) for kind, i in VALUES if OPS[kind].inplace]
BATCHED = [(kind, i) for kind, i in VALUES if OPS[kind].batch is not None]

STRICT_DEVICE = array_api_strict.Device("device1")  # not the default one: a kernel must not mix the two


def strict(value: Any) -> Any:
    """An array of the namespace that has nothing beyond the standard, on a device of its own."""
    return array_api_strict.asarray(np.array(value), device=STRICT_DEVICE)


def to_numpy(value: Any) -> np.ndarray:
    if hasattr(value, "get"):  # CuPy's arrays
        return value.get()
    return value if isinstance(value, (np.ndarray, np.generic)) else np.array(np.from_dlpack(value))


DEVICES: dict[str, Callable[[], Evaluator]] = {
    "numpy": Evaluator,
    "strict": lambda: Evaluator(strict, array_api_strict),
}
MOVES: dict[str, Callable[[Any], Any]] = {"numpy": lambda value: value, "strict": strict}
if gpu_count():
    import cupy

    MOVES["cupy"] = partial(to_device, xp=cupy)
    DEVICES["cupy"] = lambda: Evaluator(MOVES["cupy"], cupy, to_numpy)


def build(case: Case, known: bool = True) -> tuple[list[Tensor], list[Tensor], dict[Tensor, Any]]:
    """The outputs, the inputs and their values; `known`: do the inputs have static shapes?"""
    inputs = [placeholder(value.dtype, np.shape(value) if known else None) for value in case.inputs]
    outputs = case.build(*inputs)
    feeds = dict(zip(inputs, case.inputs, strict=True))
    return (list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]), inputs, feeds


def close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(to_numpy(found), wanted, rtol=tolerance, atol=tolerance)
    assert np.shape(to_numpy(found)) == np.shape(wanted)


def test_every_op_has_an_oracle() -> None:
    ours = {kind for kind, op in OPS.items() if op.module.startswith("dflow.ops.") and op.module not in ELSEWHERE}
    assert ours == ORACLE.keys() | NO_ORACLE.keys()


@pytest.mark.parametrize(("kind", "i"), VALUES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("known", [True, False])
def test_op_agrees_with_numpy(graph: Graph, kind: str, i: int, device: str, known: bool) -> None:
    case = ORACLE[kind][i]
    if not known and not case.unknown:
        pytest.skip("needs static shapes")
    outputs, _, feeds = build(case, known)
    assert any(op.type == kind for op in graph.get_operations())
    wanted = case.judge(*case.inputs)
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for found, expected in zip(DEVICES[device]()(outputs, feeds), wanted, strict=True):
        close(found, expected)


@pytest.mark.parametrize(("kind", "i"), VALUES)
@pytest.mark.parametrize(
    ("dtype", "device"), [*(("float32", device) for device in DEVICES), ("float16", "numpy"), ("bfloat16", "numpy")]
)
def test_op_keeps_the_dtype(kind: str, i: int, dtype: str, device: str) -> None:
    """The evaluator holds each value's dtype against the promised one; gradients have their input's."""
    case = ORACLE[kind][i]
    inputs = tuple(v.astype(as_dtype(dtype).numpy_dtype) if v.dtype == np.float64 else v for v in case.inputs)
    outputs, xs, feeds = build(Case(case.build, case.judge, inputs, case.numbers))
    run = DEVICES[device]()
    run(outputs, feeds)
    ys = [y for y in outputs if y.dtype.is_floating]
    if not isinstance(OPS[kind].gradient, NoGradient) and ys:
        run([dx for dx in dense_gradients(ys, xs) if dx is not None], feeds)


TAKES_A_VECTOR = ("ConcatV2", "Fill", "Range", "SplitV")


@pytest.mark.parametrize(("kind", "i"), [line for line in VALUES if line[0] != "PlaceholderWithDefault"])
def test_what_the_shape_rule_refuses_the_kernel_refuses(graph: Graph, kind: str, i: int) -> None:
    """Whether or not the static shapes are known, the same values are refused.

    As in TensorFlow, but for PlaceholderWithDefault, which passes its default on, and for vectors of one number in
    place of a scalar.
    """
    _, _, feeds = build(ORACLE[kind][i])
    op = next(op for op in graph.get_operations() if op.type == kind)
    values = [np.asarray(value) for value in Evaluator()(list(op.inputs), feeds)]
    for place in range(len(values)):
        for other in of_other_shapes(values[place]):
            if (values[place].shape, other.shape) == ((), (1,)) and kind in TAKES_A_VECTOR:
                continue
            if (kind, place, other.shape) == ("Fill", 1, ()):  # one size, if its rank was not known
                continue
            arrays = [*values[:place], other, *values[place + 1 :]]
            try:
                op.definition.spec(*(TensorSpec(array.shape, array.dtype) for array in arrays), **op.attrs)
            except ValueError:
                with pytest.raises((errors.InvalidArgumentError, ValueError, IndexError)):
                    op.definition.kernel(*arrays, **op.attrs)


def of_other_shapes(value: Any) -> list[Any]:
    """With an axis more or less, longer, flat, of one value."""
    found = [value[None], value[..., None], value.reshape(-1), value.reshape(-1)[:1], value.reshape(-1)[0]]
    for axis in range(value.ndim):
        found += [value.take(0, axis), np.concatenate([value, value], axis), value.take([0], axis)]
    return [other for other in found if other.shape != value.shape]


@pytest.mark.parametrize(("kind", "i"), VALUES)
def test_static_shapes_are_complete_where_the_inputs_are(kind: str, i: int) -> None:
    case = ORACLE[kind][i]
    outputs, _, _ = build(case)
    left_open = case.numbers or kind in ("Where", "PlaceholderWithDefault", "Unique", "UniqueWithCounts", "ListDiff")
    assert left_open or all(output.shape.is_fully_defined() for output in outputs)


# -- gradients


def loss_of(outputs: list[Tensor], values: list[Any]) -> tuple[list[Tensor], list[Any]]:
    """The outputs that can be differentiated, and a random weight for each of their values."""
    rng = np.random.default_rng(3)
    kept = [
        (y, rng.normal(size=np.shape(value))) for y, value in zip(outputs, values, strict=True) if y.dtype.is_floating
    ]
    return [y for y, _ in kept], [weight for _, weight in kept]


def differences(run: Evaluator, ys: list[Tensor], weights: list[Any], feeds: dict[Tensor, Any], x: Tensor) -> Any:
    """d(sum of weights * ys)/dx by central differences."""
    step, at = 1e-6, np.array(feeds[x])
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        sides = []
        for sign in (1, -1):
            moved = at.copy()
            moved[place] += sign * step
            values = run(ys, {**feeds, x: moved})
            sides.append(sum(float((weight * value).sum()) for weight, value in zip(weights, values, strict=True)))
        found[place] = (sides[0] - sides[1]) / (2 * step)
    return found


def dense_gradients(ys: list[Tensor], xs: list[Tensor], grad_ys: Any = None) -> list[Tensor | None]:
    return [None if dx is None else densified(dx) for dx in gradients(ys, xs, grad_ys)]


def judge_gradients(ys: list[Tensor], weights: list[Any], xs: list[Tensor], feeds: dict[Tensor, Any]) -> list[Tensor]:
    """Compare on both devices; gives the gradients that are not nothing."""
    found = dense_gradients(ys, xs, [constant(weight) for weight in weights])
    run = Evaluator()
    for x, dx in zip(xs, found, strict=True):
        wanted = differences(run, ys, weights, feeds, x)
        if dx is None:
            np.testing.assert_allclose(wanted, 0, atol=1e-6)
            continue
        for device in DEVICES.values():
            np.testing.assert_allclose(to_numpy(device()(dx, feeds)), wanted, rtol=2e-5, atol=2e-5)
    return [dx for dx in found if dx is not None]


@pytest.mark.parametrize(("kind", "i"), GRADIENTS)
@pytest.mark.parametrize("known", [True, False])
def test_gradient_agrees_with_central_differences(kind: str, i: int, known: bool) -> None:
    case = ORACLE[kind][i]
    if not known and not case.unknown:
        pytest.skip("needs static shapes")
    outputs, inputs, feeds = build(case, known)
    ys, weights = loss_of(outputs, Evaluator()(outputs, feeds))
    xs = [x for place, x in enumerate(inputs) if x.dtype.is_floating and place not in case.numbers]
    if ys and xs:
        judge_gradients(ys, weights, xs, feeds)


@pytest.mark.parametrize(("kind", "i"), SECOND)
@pytest.mark.parametrize("known", [True, False])
def test_second_gradient_agrees_with_central_differences(kind: str, i: int, known: bool) -> None:
    case = ORACLE[kind][i]
    if not known and not case.unknown:
        pytest.skip("needs static shapes")
    outputs, inputs, feeds = build(case, known)
    ys, weights = loss_of(outputs, Evaluator()(outputs, feeds))
    xs = [x for place, x in enumerate(inputs) if x.dtype.is_floating and place not in case.numbers]
    if not ys or not xs:
        return
    grad_ys = [placeholder("float64", np.shape(weight) if known else None) for weight in weights]
    feeds |= dict(zip(grad_ys, weights, strict=True))
    first = [dx for dx in dense_gradients(ys, xs, grad_ys) if dx is not None]
    if first:
        _, again = loss_of(first, Evaluator()(first, feeds))
        judge_gradients(first, again, [*xs, *grad_ys], feeds)


# -- batch rules


def rolled(value: Any, by: int) -> np.ndarray:
    """The same numbers in another order: still valid as indices, positive, ..."""
    return np.roll(np.reshape(value, -1), by).reshape(np.shape(value)) * np.asarray(1, np.asarray(value).dtype)


@pytest.mark.parametrize(("kind", "i"), BATCHED)
@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_equals_its_single_calls(graph: Graph, kind: str, i: int, device: str) -> None:
    case = ORACLE[kind][i]
    _, inputs, feeds = build(case)
    op = next(op for op in graph.get_operations() if op.type == kind)
    definition = op.definition
    if device == "cupy" and definition.host_only:
        pytest.skip("has no kernel for GPUs")
    run = Evaluator()
    values = [np.asarray(run(x, feeds)) for x in op.inputs]
    fixed = {inputs[place] for place in case.numbers}
    choices = [(False,) if x in fixed else (False, True) for x in op.inputs]
    move = MOVES[device]
    for batched in itertools.product(*choices):
        if not any(batched):
            continue
        rows = [
            [rolled(v, step) if is_batched else v for v, is_batched in zip(values, batched, strict=True)]
            for step in range(3)
        ]
        stacked = [
            move(np.stack([row[k] for row in rows]) if is_batched else values[k])
            for k, is_batched in enumerate(batched)
        ]
        singles = [as_tuple(definition.kernel(*(move(v) for v in row), **op.attrs)) for row in rows]
        together = as_tuple(definition.batch(definition.kernel, stacked, batched, op.attrs))
        for found, steps in zip(together, zip(*singles, strict=True), strict=True):
            wanted = np.stack([to_numpy(step) for step in steps])
            close(found, wanted)
            assert to_numpy(found).dtype == wanted.dtype


# -- memory of outputs


def call_of(graph: Graph, case: Case, kind: str, dtype: str = "float64") -> tuple[Callable[..., Any], list[Any]]:
    """The kernel of an operation with its attributes, and its inputs."""
    wanted = as_dtype(dtype).numpy_dtype
    inputs = tuple(v.astype(wanted) if v.dtype == np.float64 else v for v in case.inputs)
    _, _, feeds = build(replace(case, inputs=inputs))
    op = next(op for op in graph.get_operations() if op.type == kind)
    values = Evaluator()(list(op.inputs), feeds)
    return partial(op.definition.kernel, **op.attrs), [np.array(value) for value in values]


@pytest.mark.parametrize(("kind", "i"), OWNED)
def test_an_owned_output_shares_no_memory_with_an_input(graph: Graph, kind: str, i: int) -> None:
    kernel, values = call_of(graph, ORACLE[kind][i], kind)
    for output in as_tuple(kernel(*values)):
        assert not any(np.shares_memory(output, value) for value in values)
        assert np.asarray(output).flags.writeable


@pytest.mark.parametrize(("kind", "i"), INPLACE)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_inplace_output_is_the_same_and_in_the_inputs_memory_if_it_fits(
    graph: Graph, kind: str, i: int, dtype: str, order: Any
) -> None:
    kernel, values = call_of(graph, ORACLE[kind][i], kind, dtype)
    wanted = kernel(*values)
    for place in OPS[kind].inplace:
        arrays = [np.array(value, order=order) for value in values]
        found = kernel(*arrays, out=arrays[place])
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
        assert np.shares_memory(found, arrays[place]) == (np.shape(wanted) == arrays[place].shape)
        for other, (array, value) in enumerate(zip(arrays, values, strict=True)):
            if other != place or np.shape(wanted) != array.shape:
                np.testing.assert_array_equal(array, value)


@pytest.mark.parametrize(("kind", "i"), INPLACE)
def test_arrays_that_are_not_numpys_are_not_written_over(graph: Graph, kind: str, i: int) -> None:
    kernel, values = call_of(graph, ORACLE[kind][i], kind)
    wanted = kernel(*values)
    for place in OPS[kind].inplace:
        arrays = [strict(value) for value in values]
        close(kernel(*arrays, out=arrays[place]), wanted)
        for array, value in zip(arrays, values, strict=True):
            np.testing.assert_array_equal(to_numpy(array), value)


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
