"""Batch rules: what the rules do that the oracle's cases do not show."""

from __future__ import annotations

import numpy as np
import pytest

from dflow.ops.rules import batching
from dflow.readers.records import Block, Records
from dflow.registry import OPS


def test_steps_of_different_ranks_are_aligned_behind_the_leading_axis() -> None:
    x, y = np.ones((5, 3)), np.arange(6.0).reshape(2, 3)  # five steps of a vector, one matrix
    found = batching.elementwise(np.add, [x, y], [True, False], {})
    np.testing.assert_array_equal(found, np.stack([row + y for row in x]))


def test_a_batched_scalar_meets_a_batched_matrix() -> None:
    x, y = np.arange(5.0), np.ones((5, 2, 3))
    found = batching.elementwise(np.multiply, [x, y], [True, True], {})
    np.testing.assert_array_equal(found, np.stack([a * b for a, b in zip(x, y, strict=True)]))


def test_each_keeps_steps_whose_results_differ_in_shape_apart() -> None:
    found = batching.each(lambda n: np.zeros(int(n)), [np.array([2, 2, 1])], [True], {})
    assert [step.shape for step in found.values] == [(2,), (2,), (1,)]
    assert found.alike(0) == 2
    assert found.stacked(0, 2).shape == (2, 2)


def test_each_goes_on_from_steps_whose_shapes_differ() -> None:
    rows = batching.Rows([np.ones(2), np.ones(3)])
    assert batching.each(lambda x, y: x.sum() + y, [rows, np.array(1.0)], [True, False], {}).tolist() == [3, 4]


def test_each_takes_records_whose_objects_are_not_made_yet() -> None:
    text = Records(Block(b"ab", np.array([0, 1]), np.array([1, 2])))
    found = batching.each(lambda x: np.asarray(x), [text], [True], {})
    assert found.tolist() == [b"a", b"b"]


def test_each_stacks_every_output() -> None:
    first, second = batching.each(lambda x: (x, x + 1), [np.arange(3)], [True], {})
    assert first.tolist() == [0, 1, 2]
    assert second.tolist() == [1, 2, 3]


def test_a_rule_takes_text_too() -> None:
    lines = np.array([[b"a", b"b"], [b"c", b"d"]], dtype=object)
    op = OPS["Pack"]
    found = op.batch(op.kernel, [lines[:, 0], lines[:, 1]], [True, True], {"axis": 0})
    np.testing.assert_array_equal(found, lines)


UNARY = ("Abs", "Asinh", "Atan", "Ceil", "Cos", "Cosh", "Digamma", "Elu", "Erf", "Erfc", "Exp", "Expm1", "Floor")
UNARY += ("Lgamma", "Log", "Log1p", "Neg", "Reciprocal", "Relu", "Relu6", "Rint", "Round", "Rsqrt", "Selu", "Sigmoid")
UNARY += ("Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Square", "Tan", "Tanh")


@pytest.mark.parametrize("kind", UNARY)
def test_a_kernel_gives_a_value_alone_the_bits_that_it_gives_it_among_others(kind: str) -> None:
    """A loop may compute the elements of many steps at once.  A value alone may be a NumPy scalar."""
    op = OPS[kind]
    values = np.random.default_rng(0).uniform(0.01, 3, 300).astype(np.float32)
    many = op.batch(op.kernel, [values], [True], {})
    for alone in (values, [np.asarray(value) for value in values]):
        np.testing.assert_array_equal(np.array([op.kernel(value) for value in alone]), many)
