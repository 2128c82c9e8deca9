"""Convolutions beyond the table of operations: names, formats, errors of a run, and images without a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.ops.conv import columns
from dflow.ops.rules.windows import axes_of
from tests.ops.evaluate import Evaluator
from tests.ops.oracle_conv import convolved

IMAGE, FILTER = np.ones((2, 5, 6, 3), np.float32), np.ones((3, 2, 3, 4), np.float32)


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("cost", [0, 1000])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_batch_in_parts_and_lines_of_any_length_give_the_same(
    parts: int, cost: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are unfolded along their last axis if the products of their ends cost much, and not otherwise."""
    rng = np.random.default_rng(1)
    x, f = rng.normal(size=(5, 4, 7, 2)), rng.normal(size=(2, 3, 2, 3))
    monkeypatch.setattr(columns, "COST", cost)
    monkeypatch.setattr("dflow.ops.rules.windows.CACHE", 4 * 7 * 12 * 5 // parts)
    for padding in ("SAME", "VALID", (2, 0)):
        axes = axes_of((4, 7), (2, 3), (1, stride), (1, 1), [padding] * 2)
        pairs = padding if isinstance(padding, str) else [(0, 0), padding, padding, (0, 0)]
        y = convolved(x, f, (1, stride), pairs)
        np.testing.assert_allclose(columns.convolve(x, f, axes), y, atol=1e-12)
        dy = rng.normal(size=y.shape)
        into_x, into_f = columns.input_gradient(dy, f, axes), columns.filter_gradient(x, dy, axes)
        np.testing.assert_allclose((into_x * x).sum(), (dy * y).sum())  # both are linear
        np.testing.assert_allclose((into_f * f).sum(), (dy * y).sum())


class _Cudnn:
    """What CuPy's functions of cuDNN do, by those of this project, for one group of channels."""

    def _as_here(self, x: Any, f: Any, pads: Any, strides: Any, dilations: Any) -> Any:
        pairs = [(pad, pad) for pad in pads]
        return axes_of(x.shape[2:], f.shape[2:], strides, dilations, pairs)

    def convolution_forward(self, x: Any, f: Any, b: Any, y: Any, *steps: Any, **how: Any) -> None:
        axes = self._as_here(x, f, *steps[:3])
        found = columns.convolve(np.moveaxis(x, 1, -1), np.transpose(f, (2, 3, 1, 0)), axes)
        y[...] = np.moveaxis(found, -1, 1)

    def convolution_backward_data(self, f: Any, dy: Any, b: Any, dx: Any, *steps: Any, **how: Any) -> None:
        axes = self._as_here(dx, f, *steps[:3])
        found = columns.input_gradient(np.moveaxis(dy, 1, -1), np.transpose(f, (2, 3, 1, 0)), axes)
        dx[...] = np.moveaxis(found, -1, 1)

    def convolution_backward_filter(self, x: Any, dy: Any, df: Any, *steps: Any, **how: Any) -> None:
        axes = self._as_here(x, df, *steps[:3])
        found = columns.filter_gradient(np.moveaxis(x, 1, -1), np.moveaxis(dy, 1, -1), axes)
        df[...] = np.transpose(found, (3, 2, 0, 1))


@pytest.mark.parametrize("padding", ["SAME", "VALID", [[0, 0], [2, 1], [0, 3], [0, 0]]])
@pytest.mark.parametrize("strides", [1, (2, 3)])
def test_cudnn_gets_channels_first_and_the_same_zeros_on_both_sides(
    padding: Any, strides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    x, f = df.constant(rng.normal(size=(2, 5, 8, 3))), df.constant(rng.normal(size=(3, 2, 3, 4)))
    y = df.nn.conv2d(x, f, strides, padding)
    fetches = [y, *df.gradients(y, [x, f], df.cos(y))]
    wanted = Evaluator()(fetches)
    monkeypatch.setattr("dflow.ops.conv.cudnn.library", lambda array: _Cudnn())
    for found, expected in zip(Evaluator()(fetches), wanted, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_no_images_have_no_results_and_no_gradient_of_the_filter() -> None:
    x = df.placeholder(df.float32, [None, 5, 6, 3])
    y = df.nn.conv2d(x, FILTER, 1, "SAME")
    dx, dw = df.gradients(y, [x, y.op.inputs[1]])
    found = Evaluator()([y, dx, dw], {x: IMAGE[:0]})
    assert [value.shape for value in found] == [(0, 5, 6, 4), (0, 5, 6, 3), (3, 2, 3, 4)]
    assert not found[2].any()


def test_what_a_run_finds_is_an_invalid_argument() -> None:
    x, f, sizes = df.placeholder(df.float32), df.placeholder(df.float32), df.placeholder(df.int32)
    valid = df.nn.conv2d(x, f, 1, "VALID")
    back = df.nn.conv2d_backprop_input(sizes, f, x, 1, "SAME")
    run = Evaluator()
    with pytest.raises(df.errors.InvalidArgumentError, match="Negative dimension size"):
        run(valid, {x: IMAGE, f: np.ones((6, 2, 3, 4), np.float32)})
    with pytest.raises(df.errors.InvalidArgumentError, match="not a multiple of input depth"):
        run(valid, {x: IMAGE, f: np.ones((3, 2, 2, 4), np.float32)})
    with pytest.raises(df.errors.InvalidArgumentError, match="doesn't match computed"):
        run(back, {x: np.ones((2, 5, 6, 4), np.float32), f: FILTER, sizes: [2, 5, 7, 3]})


def test_steps_along_the_batch_are_not_implemented() -> None:
    for strides in ([2, 1, 1, 1], [1, 1, 1, 2]):
        with pytest.raises(df.errors.UnimplementedError, match="strides in the batch and depth"):
            df.nn.conv2d(IMAGE, FILTER, strides, "SAME")
    with pytest.raises(df.errors.UnimplementedError, match="batch"):
        df.nn.max_pool(IMAGE, [2, 1, 1, 1], 1, "SAME")


def test_constants_have_the_names_of_operands_and_gradients_those_of_their_kinds() -> None:
    y = df.nn.conv2d(IMAGE, FILTER, 1, "SAME", name="layer")
    assert [x.op.name for x in y.op.inputs] == ["layer/input", "layer/filter"]
    grads = df.gradients(y, list(y.op.inputs))
    assert [dx.op.type for dx in grads] == ["Conv2DBackpropInput", "Conv2DBackpropFilter"]
    assert df.nn.max_pool(y, 2, 2, "SAME").op.name == "MaxPool"


def test_a_transposed_convolution_checks_its_shapes() -> None:
    y = np.ones((2, 5, 6, 4), np.float32)
    with pytest.raises(ValueError, match="value's input channels"):
        df.nn.atrous_conv2d_transpose(IMAGE, FILTER, [2, 5, 6, 3], 2, "SAME")
    with pytest.raises(ValueError, match="cannot be less than one"):
        df.nn.atrous_conv2d_transpose(y, FILTER, [2, 5, 6, 3], 0, "SAME")
    with pytest.raises(ValueError, match="output_shape does not match"):
        df.nn.atrous_conv2d_transpose(y, FILTER, [2, 5, 6, 2], 2, "SAME")
    with pytest.raises(ValueError, match="of length 3, 4 or 5"):
        df.nn.conv_transpose(y, FILTER, [2, 5], 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_small_floats_are_summed_in_float32(dtype: str) -> None:
    x, f = (df.cast(np.ones(shape, np.float32), dtype) for shape in ((1, 1, 4096, 1), (1, 4096, 1, 1)))
    y: Any = Evaluator()(df.nn.conv2d(x, f, 1, "VALID"))
    assert float(y[0, 0, 0, 0]) == 4096
