"""Gradients compared with finite differences.  Source: tf.test.compute_gradient of TensorFlow 1.15.

A complex number counts as two real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import bfloat16, float16
from dflow.gradients import gradients
from dflow.graph import Tensor
from dflow.graph.scopes import get_default_session
from dflow.ops.array.constants import constant
from dflow.ops.control import identity

Array = np.ndarray[Any, Any]
Jacobians = tuple[Array, Array]  # by the gradient, by differences


def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict[Any, Any] | None = None,
) -> Any:
    """The Jacobian of y with respect to x, as the gradient gives it and as finite differences do.

    x, y: tensors; or x is a list, and with it x_shape and x_init_value.  x_init_value: the place; random by default.
    delta: the step of the differences.  init_targets: operations to run before.
    extra_feed_dict: is fed in each run.  Needs a default session.
    Gives two arrays [values of x, values of y], or a list of such pairs for a list.
    """
    session = get_default_session()
    for target in _as_list(init_targets):
        session.run(target)
    several = isinstance(x, list)
    xs, x_shapes = (x, x_shape) if several else ([x], [x_shape])
    starts = _as_list(x_init_value) if several and x_init_value is not None else [x_init_value] * len(xs)
    places = [_start(*one) for one in zip(xs, x_shapes, starts, strict=True)]
    pairs = []
    for i, one in enumerate(xs):
        feeds = {**(extra_feed_dict or {}), **dict(zip(xs, places, strict=True))}
        by_gradient = _by_gradient(session, one, places[i], y, y_shape, feeds)
        pairs.append((by_gradient, _by_differences(session, one, places[i], y, y_shape, delta, feeds)))
    return pairs if several else pairs[0]


def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict[Any, Any] | None = None,
) -> float:
    """The largest difference between the gradient and finite differences; arguments as of `compute_gradient`."""
    found = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs: Sequence[Jacobians] = [found] if isinstance(found, tuple) else found
    return float(max((np.abs(exact - near).max() for exact, near in pairs if exact.size), default=0.0))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _start(x: Tensor, shape: Any, value: Any) -> Array:
    """The place where the gradient is taken."""
    dtype = x.dtype.base_dtype.numpy_dtype
    if value is not None:
        place = np.array(value, dtype)
        if place.shape != tuple(shape):
            raise AssertionError(f"x_init_value has the shape {place.shape}, and not {tuple(shape)}")
        return place
    sample = np.random.random_sample(tuple(shape))
    if x.dtype.is_complex:
        return np.asarray(sample + 1j * np.random.random_sample(tuple(shape)), dtype)
    return np.asarray(sample, dtype)


def _reals(array: Array) -> Array:
    """The values as a vector of real numbers, of at least float32."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.kind == "c":
        return flat.view(np.float32 if flat.dtype == np.complex64 else np.float64)
    return flat.astype(np.float32) if flat.dtype.itemsize < 4 else flat


def _by_gradient(session: Any, x: Tensor, place: Array, y: Tensor, y_shape: Any, feeds: dict[Any, Any]) -> Array:
    dtype = y.dtype.numpy_dtype
    with y.graph.as_default():
        dy = identity(constant(np.ones(tuple(y_shape), dtype)))
        (dx,) = gradients(y, x, dy)
    width = _reals(np.zeros(tuple(y_shape), dtype)).size
    result = np.zeros((_reals(place).size, width), _reals(place).dtype)
    if dx is None:
        return result
    for column in range(width):
        direction = np.zeros(tuple(y_shape), dtype)
        _part(direction)[column] = 1
        result[:, column] = _reals(_dense(session.run(dx, {**feeds, dy: direction}), place.shape))
    return result


def _part(array: Array) -> Array:
    """A view of the values as real numbers, in which they can be set."""
    flat = array.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _dense(value: Any, shape: tuple[int, ...]) -> Array:
    """A gradient as an array, also one of slices."""
    if not hasattr(value, "indices"):
        return np.asarray(value)
    dense = np.zeros(shape, value.values.dtype)
    np.add.at(dense, value.indices, value.values)
    return dense


def _by_differences(
    session: Any, x: Tensor, place: Array, y: Tensor, y_shape: Any, delta: float, feeds: dict[Any, Any]
) -> Array:
    width = _reals(np.zeros(tuple(y_shape), y.dtype.numpy_dtype)).size
    result = np.zeros((_reals(place).size, width), _reals(place).dtype)
    for row in range(len(result)):
        ends, at = [], []
        for step in (delta, -delta):
            moved = place.copy()
            _part(moved)[row] += np.asarray(step, _part(moved).dtype)
            at.append(float(_reals(moved)[row]))
            ends.append(_reals(session.run(y, {**feeds, x: moved})))
        low = x.dtype in (float16, bfloat16)  # a step of these dtypes is seldom the one that was asked for
        result[row] = (ends[0] - ends[1]) / ((at[0] - at[1]) if low else 2 * delta)
    return result
