"""Shapes beyond the oracle table: what is known of them, errors, and strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.errors import DTypeError, ShapeError
from dflow.gradients import gradients
from dflow.graph import Graph, Tensor
from dflow.ops.array.constants import constant, placeholder, placeholder_with_default
from dflow.ops.rules.static import known_value
from tests.ops.evaluate import Evaluator


def value(tensor: Any, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


def shape_of(tensor: Tensor) -> list[int | None] | None:
    return None if tensor.shape.ndims is None else tensor.shape.as_list()


@pytest.mark.parametrize(
    ("given", "sizes", "wanted"),
    [
        ((0, 2, 3), [0, -1], (0, 6)),
        ((0, 2, 3), [-1, 6], (0, 6)),
        ((0, 2, 3), [-1, 0], (6, 0)),
        ((3, 0), [-1, 0], (3, 0)),
        ((0,), [0, -1], (0, 1)),
        ((0,), [-1, 0, 2], (0, 0, 2)),
        ((0,), [0, 3, -1], (0, 3, 0)),
        ((0, 3), [0, -1, 5], (0, 0, 5)),
    ],
)
def test_an_empty_batch_keeps_the_size_of_its_items(given: tuple[int, ...], sizes: list[int], wanted: Any) -> None:
    x, late = placeholder("float32", [None] * len(given)), placeholder("int32", [len(sizes)])
    empty = np.zeros(given, "float32")
    assert value(df.reshape(x, sizes), {x: empty}).shape == wanted
    assert value(df.reshape(x, late), {x: empty, late: sizes}).shape == wanted


def test_values_do_not_fit_into_an_empty_shape() -> None:
    x = placeholder("float32", [None, None])
    with pytest.raises(errors.InvalidArgumentError, match=r"6 values, but the requested shape is \[0, -1\]"):
        value(df.reshape(x, [0, -1]), {x: np.zeros((2, 3), "float32")})


def test_nothing_cannot_be_concatenated() -> None:
    with pytest.raises(ValueError, match="with length 0 shorter than minimum length 2"):
        df.concat([], 0)


# -- what is known


def test_a_shape_made_of_shapes_and_numbers_is_known_as_far_as_they_are() -> None:
    x = placeholder("float32", [None, 3, 4])
    rows = df.shape(x)[0]
    assert shape_of(df.reshape(x, [rows, 12])) == [None, 12]
    assert shape_of(df.reshape(x, [-1, 12])) == [None, 12]
    assert shape_of(df.reshape(x, df.concat([df.shape(x)[:2], [2, 2]], 0))) == [None, 3, 2, 2]
    assert shape_of(df.fill(df.shape(x), 0.0)) == [None, 3, 4]
    assert shape_of(df.zeros([df.shape(x)[1], 5])) == [3, 5]
    assert shape_of(df.reshape(x, placeholder("int32", [2]))) == [None, None]
    assert shape_of(df.reshape(x, placeholder("int32", None))) is None


def test_arithmetic_on_shapes_is_known() -> None:
    x = placeholder("float32", [6, 4])
    assert shape_of(df.reshape(x, [df.size(x) // 2, 2])) == [12, 2]
    assert known_value(df.shape(x)[1] * 2 + 1) == 9
    assert shape_of(df.range(df.shape(x)[0])) == [6]


def test_a_shape_with_a_gap_that_can_be_filled_in_is_complete() -> None:
    assert shape_of(df.reshape(placeholder("float32", [6, 4]), [3, -1])) == [3, 8]


def test_unknown_ranks_stay_unknown_until_something_says_them() -> None:
    x = placeholder("float32", None)
    assert shape_of(df.transpose(x)) is None
    assert shape_of(df.transpose(x, [1, 0])) == [None, None]
    assert shape_of(df.expand_dims(x, 0)) is None
    assert shape_of(x[0]) is None
    assert shape_of(df.reshape(x, [2, -1])) == [2, None]


def test_known_sizes_have_to_divide_the_number_of_elements_of_another_shape() -> None:
    x = placeholder("float32", [None, 3])
    assert shape_of(df.reshape(x, [6, 1])) == [6, 1]
    assert shape_of(df.reshape(x, [0])) == [0]
    with pytest.raises(ShapeError, match=r"cannot reshape a tensor of shape \(\?, 3\) to shape \[2, 1\]: 2 elements"):
        df.reshape(x, [2, 1])
    with pytest.raises(ShapeError, match="2 elements"):
        df.reshape(placeholder("float32", [None, 0]), [2, 1])


def test_small_zeros_are_constants_and_large_ones_are_not_kept_in_the_graph() -> None:
    assert df.zeros([3, 2]).op.type == "Const"
    assert df.zeros([1000, 1000]).op.type == "Fill"
    assert value(df.zeros([1000, 1000])).shape == (1000, 1000)
    assert df.zeros([3], "string").dtype == "string"
    assert value(df.ones([2], "bool")).tolist() == [True, True]
    assert value(df.zeros(())) == 0


def test_range_infers_its_dtype() -> None:
    assert value(df.range(3, 18, 3)).tolist() == [3, 6, 9, 12, 15]
    assert df.range(5).dtype == "int32"
    assert df.range(0.0, 1.0, 0.25).dtype == "float32"
    assert shape_of(df.range(0.0, 1.0, 0.25)) == [4]
    assert value(df.range(3, dtype="int64")).dtype == np.int64
    assert df.range(constant(3, "int64")).dtype == "int64"


# -- errors while building


ERRORS: list[tuple[Callable[[Tensor], Any], type[Exception], str]] = [
    (lambda x: df.reshape(x, [4]), ShapeError, r"Reshape \(Reshape\): .*6 elements"),
    (lambda x: df.reshape(x, [4, -1]), ShapeError, "evenly divisible by 4 but is 6"),
    (lambda x: df.reshape(x, [-1, -1]), ShapeError, "may be -1"),
    (lambda x: df.reshape(x, [2.5]), TypeError, "integer"),
    (lambda x: df.transpose(x, [0]), ShapeError, "Dimension must be 2 but is 1"),
    (lambda x: df.transpose(x, [0, 2]), ShapeError, "perm dim 2 is out of range of input rank 2"),
    (lambda x: df.expand_dims(x, 3), ShapeError, r"dim 3 not in the interval \[-3, 2\]"),
    (lambda x: df.squeeze(x, [0]), ShapeError, r"dim\[0\], expected a dimension of 1, got 2"),
    (lambda x: df.broadcast_to(x, [2, 4]), ShapeError, r"\(2, 3\) does not broadcast to \(2, 4\)"),
    (lambda x: df.fill([2], x), ShapeError, "scalar"),
    (lambda x: df.range(5, 0), ShapeError, "start <= limit"),
    (lambda x: df.ones_like(x, "string"), DTypeError, "string"),
    (lambda x: df.concat([x, x[0]], 0), ShapeError, "rank 2"),
    (lambda x: df.concat([x, x], 2), ShapeError, "at least rank 3 but is rank 2"),
    (lambda x: df.concat([x, x[:, :2]], 0), ShapeError, "must be equal, but are 3 and 2"),
    (lambda x: df.concat([x, df.shape(x)], 0), DTypeError, r"\[float32, int32\] that don't all match"),
    (lambda x: df.stack([x, x[0]]), ShapeError, "must be equal rank, but are 2 and 1"),
    (lambda x: df.stack([]), ValueError, "at least one"),
    (lambda x: df.unstack(x, 3), ShapeError, "Dimension must be 3 but is 2"),
    (lambda x: df.split(x, 4, 1), ShapeError, "evenly divisible by 4 but is 3"),
    (lambda x: df.split(x, [1, 1], 1), ShapeError, r"axis of size 3 into pieces of size \[1,1\]"),
    (lambda x: df.tile(x, [2]), ShapeError, "rank 1"),
    (lambda x: df.pad(x, [[1, 1]]), ShapeError, "rank 1"),
    (
        lambda x: df.pad(x, [[0, 0], [3, 0]], "REFLECT"),
        ShapeError,
        "less than the dimension size: 3, 0 not less than 3",
    ),
    (lambda x: df.pad(x, [[0, 0], [3, 0]], "SIDEWAYS"), ValueError, "SIDEWAYS"),
    (lambda x: x[2], ShapeError, "slice index 2 of dimension 0"),
    (lambda x: x[0, 0, 0], ShapeError, "only 2 dims"),
    (lambda x: x[::0], ShapeError, "strides"),
    (lambda x: x[1.5], TypeError, "1.5"),
    (lambda x: x[[[0, 1]]], TypeError, "integers"),
    (lambda x: x[..., ...], ValueError, "ellipses"),
    (lambda x: df.slice(x, [0, 2], [1]), ShapeError, "must be equal, but are 2 and 1"),
    (lambda x: df.gather(x, x), DTypeError, "'indices' has DataType float32 not in list of allowed values: int"),
    (lambda x: df.one_hot(x, 3), DTypeError, "'indices' has DataType float32 not in list of allowed values"),
    (lambda x: df.one_hot([1], 3, axis=-2), ShapeError, "axis must be >= -1"),
    (lambda x: df.one_hot([1], 3, 1.0, 2), TypeError, "of on_value does not match dtype .*int32.* of off_value"),
    (lambda x: df.one_hot([1], 3, 1.0, dtype="int32"), TypeError, "of on_value does not match dtype parameter"),
    (lambda x: df.one_hot([1], 3, dtype="bool"), TypeError, "Expected bool, got 1 of type 'int'"),
    (lambda x: df.one_hot([1], [3, 4]), ShapeError, "the depth is one integer"),
    (lambda x: df.one_hot([1], 3, [1.0, 2.0]), ShapeError, "scalars"),
    (lambda x: df.concat([x, x], [0, 1]), ShapeError, "the axis is one integer"),
    (lambda x: df.concat([x, x], placeholder("int32", [1])), ShapeError, "the axis is one integer"),
    (lambda x: df.cumsum(x, 1.0), TypeError, "the axis is an integer"),
    (lambda x: df.gather(x, [0], axis=x), DTypeError, "an integer as its axis"),
    (lambda x: df.split(x, [1, 1, 1], 1, num=2), ValueError, "num is 2, but there are 3 sizes"),
    (lambda x: df.split(x, constant([1, 1, 1]), 1, num=2), ValueError, "num is 2, but there are 3 sizes"),
    (lambda x: df.split(x, placeholder("int32", [3]), 1, num=2), ValueError, "num is 2, but there are 3 sizes"),
    (lambda x: df.split(x, placeholder("int32", []), 1, num=2), ValueError, "a scalar tensor is not supported"),
    (lambda x: df.reduce_sum(x, 2), ShapeError, "Invalid reduction dimension 2 for input with 2 dimensions."),
    (lambda x: df.argmax(x, 2), ShapeError, r"Dimension \(2\) must be in the range \[-2, 2\)"),
    (lambda x: df.where(x[0, 0]), ShapeError, "a scalar has no places"),
    (lambda x: df.invert_permutation(df.shape(x)[0]), ShapeError, "rank 1"),
    (lambda x: x[constant(2)], ShapeError, "slice index 2 of dimension 0"),
    (lambda x: df.boolean_mask(x, [True, False, True]), ShapeError, "incompatible"),
    (lambda x: df.unstack(placeholder("float32", [None])), ValueError, "infer num"),
]


@pytest.mark.parametrize("i", range(len(ERRORS)))
def test_what_cannot_work_is_an_error_while_building(i: int) -> None:
    build, kind, text = ERRORS[i]
    with pytest.raises(kind, match=text):
        build(placeholder("float32", [2, 3], name="x"))


# -- errors while running, where the static shape does not tell

LATE: list[tuple[Callable[[Tensor], Any], str]] = [
    (lambda x: df.reshape(x, [4]), "6 values, but the requested shape is"),
    (lambda x: df.transpose(x, [0, 1, 2]), "transpose expects a vector of size 2"),
    (lambda x: df.transpose(x, [0, 0]), "1 is missing from {0,0}"),
    (lambda x: df.reduce_sum(x, [0, -2]), "Axes contains duplicate dimension: 0"),
    (lambda x: df.squeeze(x, [0]), "Can not squeeze dim"),
    (lambda x: df.broadcast_to(x, [2, 4]), "does not broadcast"),
    (lambda x: df.fill(df.shape(x) - 5, 1.0), "Dimensions must be >= 0"),
    (lambda x: df.range(df.shape(x)[0], 0), "start <= limit"),
    (lambda x: df.concat([x, constant([[1.0]])], 0), "Dimensions of inputs should match"),
    (lambda x: df.stack([x, constant([[1.0]])]), "Shapes of all inputs must match"),
    (lambda x: df.unstack(x, 3), "size 3"),
    (lambda x: df.split(x, 4, 1), "evenly divide the split dimension"),
    (lambda x: df.split(x, [1, 1], 1), "axis of size 3 into pieces"),
    (lambda x: df.tile(x, df.shape(x)[:1]), "length 2"),
    (lambda x: df.pad(x, [[0, 0], [3, 0]], "REFLECT"), "no greater than"),
    (lambda x: x[2], "slice index 2 of dimension 0 out of bounds"),
    (lambda x: x[df.shape(x)[0]], "slice index 2 of dimension 0 out of bounds"),
    (lambda x: x[0, 0, 0], "only 2 dims"),
    (lambda x: df.slice(x, [0, 2], [1, 2]), r"Expected size\[1\] in \[0, 1\], but got 2"),
    (lambda x: df.gather(x, [0, 2]), r"indices\[1\] = 2 is not in \[0, 2\)"),
    (lambda x: df.gather(x, [[0, -1]]), r"indices\[0,1\] = -1 is not in \[0, 2\)"),
    (lambda x: df.where(constant([True, False, True]), x, x), "the condition's shape"),
]


@pytest.mark.parametrize("i", range(len(LATE)))
def test_what_cannot_work_is_an_invalid_argument_at_run_time(i: int) -> None:
    build, text = LATE[i]
    x = placeholder("float32", None, name="x")
    found = build(x)
    with pytest.raises(errors.InvalidArgumentError, match=text) as caught:
        value(found, {x: np.zeros((2, 3))})
    assert "test_array.py" in str(caught.value)


# -- slices beyond the table


def test_a_tensor_may_be_an_index_or_a_bound(graph: Graph) -> None:
    x, i = constant(np.arange(5)), placeholder("int32", [])
    assert value(x[i], {i: 3}) == 3
    assert value(x[i:], {i: 3}).tolist() == [3, 4]
    assert value(x[: i + 1 : i], {i: 2}).tolist() == [0, 2]
    assert shape_of(x[: i + 1]) == [None]


def test_strided_slice_takes_masks() -> None:
    x = constant(np.arange(24).reshape(2, 3, 4))
    y = np.arange(24).reshape(2, 3, 4)
    for arguments, wanted in [
        (([0, 1, 0], [1, 3, 4], [1, 1, 2]), y[0:1, 1:3, 0:4:2]),
        (([0, 1], [9, 9], None, 1, 2), y[:9, 1:]),
        (([0, 1], [0, 2], None, 0, 0, 1), y[..., 1:2]),
        (([0, 1], [0, 2], None, 0, 0, 0, 1), y[None, 1:2]),
        (([1, 1], [2, 2], None, 0, 0, 0, 0, 3), y[1, 1]),
    ]:
        np.testing.assert_array_equal(value(df.strided_slice(x, *arguments)), wanted)
    begin = placeholder("int32", [2])
    found = df.strided_slice(x, begin, [2, 3])
    np.testing.assert_array_equal(value(found, {begin: [1, 1]}), y[1:2, 1:3])


def test_boolean_mask_picks_along_the_axes_of_the_mask() -> None:
    x = np.arange(12).reshape(2, 3, 2)
    mask = np.array([[True, False, True], [False, False, True]])
    np.testing.assert_array_equal(value(df.boolean_mask(constant(x), mask)), x[mask])
    t = placeholder("int32", [2, 3, None])
    np.testing.assert_array_equal(value(df.boolean_mask(t, mask), {t: x}), x[mask])
    np.testing.assert_array_equal(value(df.boolean_mask(constant(x), [False, True])), x[[False, True]])


@pytest.mark.parametrize("size", [[2, 3, 2], [None, 3, None], None])
@pytest.mark.parametrize(
    ("axis", "mask"), [(1, [True, False, True]), (2, [False, True]), (1, [[1, 0], [0, 0], [1, 1]]), (-1, [True, False])]
)
def test_boolean_mask_picks_along_its_axis(size: Any, axis: int, mask: Any) -> None:
    x, chosen = np.arange(12).reshape(2, 3, 2), np.array(mask, bool)
    t, place = placeholder("int32", size), placeholder("int32", [])
    wanted = x[(slice(None),) * (axis % 3) + (chosen,)]
    np.testing.assert_array_equal(value(df.boolean_mask(t, mask, axis=axis), {t: x}), wanted)
    np.testing.assert_array_equal(value(df.boolean_mask(t, mask, axis=constant(axis)), {t: x}), wanted)
    if axis >= 0:
        np.testing.assert_array_equal(value(df.boolean_mask(t, mask, axis=place), {t: x, place: axis}), wanted)


def test_boolean_mask_knows_the_sizes_of_the_other_axes() -> None:
    t = placeholder("int32", [2, 3, 4])
    assert df.boolean_mask(t, placeholder("bool", [None]), axis=1).shape.as_list() == [2, None, 4]
    assert df.boolean_mask(t, placeholder("bool", [None, None]), axis=1).shape.as_list() == [2, None]
    with pytest.raises(ShapeError, match="incompatible"):
        df.boolean_mask(t, [True, False], axis=1)
    with pytest.raises(ShapeError, match="axis 3"):
        df.boolean_mask(t, [True, False], axis=3)


@pytest.mark.parametrize(
    ("bounds", "masks", "key"),
    [
        (([1], [2], None), {}, (slice(1, 2),)),
        (([1, -2], [4, 1], [2, 1]), {"end_mask": 2}, (slice(1, 4, 2), slice(-2, None))),
        (([2, 0], [0, 9], [-1, 1]), {"begin_mask": 1, "shrink_axis_mask": 2}, (slice(None, 0, -1), 0)),
        (([1, 0, 0, 0], [2, 0, 0, 2], None), {"ellipsis_mask": 2, "new_axis_mask": 4, "shrink_axis_mask": 1},
         (1, Ellipsis, None, slice(0, 2))),
        (([], [], None), {}, ()),
    ],
)  # fmt: skip
def test_a_slice_and_its_gradients_are_the_same_with_bounds_of_unknown_number(
    bounds: Any, masks: Any, key: Any
) -> None:
    x = constant(np.random.default_rng(5).random((5, 3, 2)))
    found = []
    for known in (True, False):
        numbers = [
            it if it is None or known else placeholder_with_default(np.array(it, np.int32), [None]) for it in bounds
        ]
        y = df.strided_slice(x, *numbers, **masks)
        first = gradients(df.exp(y), x)[0]
        found.append(value([y, first, gradients(first, x)[0]]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found[0][0], value(x)[key])


def test_bounds_of_a_slice_that_do_not_fit_fail_the_run() -> None:
    x, begin, end = constant(np.arange(6).reshape(2, 3)), placeholder("int32", [None]), placeholder("int32")
    found = df.strided_slice(x, begin, end)
    for wrong, text in [(([0], [1, 1]), "lengths 1, 2 and 1"), (([0], 1), "vectors"), (([0] * 3, [1] * 3), "only 2")]:
        with pytest.raises(errors.InvalidArgumentError, match=text):
            value(found, dict(zip((begin, end), wrong, strict=True)))
    with pytest.raises(ShapeError, match="rank 1"):
        df.strided_slice(x, placeholder("int32", []), [1])


def test_one_hot_leaves_an_index_that_is_no_class_cold() -> None:
    np.testing.assert_array_equal(value(df.one_hot([0, 5, -1], 2)), [[1, 0], [0, 0], [0, 0]])
    assert value(df.one_hot([0, 1], 2, True, False)).dtype == bool
    assert df.one_hot([0], 2, 5, 2).dtype == "int32"


# -- strings

TEXT = np.array([[b"a", b"bc"], [b"", "é".encode()]], dtype=object)

STRINGS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Any]]] = {
    "reshape": (lambda x: df.reshape(x, [4]), lambda x: x.reshape(4)),
    "reshape to a scalar": (lambda x: df.reshape(x[:1, :1], []), lambda x: x[0, 0]),
    "transpose": (df.transpose, lambda x: x.T),
    "expand_dims": (lambda x: df.expand_dims(x, 0), lambda x: x[None]),
    "squeeze": (lambda x: df.squeeze(x[:1]), lambda x: x[0]),
    "concat": (lambda x: df.concat([x, x], 1), lambda x: np.concatenate([x, x], 1)),
    "stack": (lambda x: df.stack([x, x], 1), lambda x: np.stack([x, x], 1)),
    "stack of scalars": (lambda x: df.stack([x[0, 0], x[1, 1]]), lambda x: x[[0, 1], [0, 1]]),
    "unstack": (lambda x: df.unstack(x[0], 2)[1], lambda x: x[0, 1]),
    "split": (lambda x: df.split(x, 2, 1)[1], lambda x: x[:, 1:]),
    "tile": (lambda x: df.tile(x, [2, 1]), lambda x: np.tile(x, (2, 1))),
    "pad": (lambda x: df.pad(x, [[1, 0], [0, 0]]), lambda x: np.concatenate([[[b"", b""]], x])),
    "pad with": (lambda x: df.pad(x[0], [[1, 0]], constant_values="-"), lambda x: np.append([b"-"], x[0])),
    "index": (lambda x: x[1, 1], lambda x: x[1, 1]),
    "slices": (lambda x: x[::-1, :1], lambda x: x[::-1, :1]),
    "slice": (lambda x: df.slice(x, [0, 1], [2, 1]), lambda x: x[:, 1:]),
    "gather": (lambda x: df.gather(x, [1, 0, 1]), lambda x: x[[1, 0, 1]]),
    "gather a scalar": (lambda x: df.gather(x[0], 1), lambda x: x[0, 1]),
    "boolean_mask": (lambda x: df.boolean_mask(x, [False, True]), lambda x: x[1:]),
    "broadcast_to": (lambda x: df.broadcast_to(x, [2, 2, 2]), lambda x: np.stack([x, x])),
    "fill": (lambda x: df.fill([2], x[0, 0]), lambda x: np.array([x[0, 0]] * 2, dtype=object)),
    "zeros_like": (df.zeros_like, lambda x: np.full((2, 2), b"", object)),
    "where": (lambda x: df.where(constant([True, False]), x, x[::-1]), lambda x: x[[0, 0]]),
    "shape": (df.shape, lambda x: np.array([2, 2])),
    "size": (df.size, lambda x: 4),
    "not_equal": (lambda x: df.not_equal(x, ""), lambda x: np.array([[True, True], [False, True]])),
}


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("known", [True, False])
def test_strings_pass_through(name: str, known: bool) -> None:
    """The evaluator checks that each operation gives an array of the promised dtype, also for a single string."""
    build, judge = STRINGS[name]
    x = placeholder("string", [2, 2] if known else None)
    np.testing.assert_array_equal(value(build(x), {x: TEXT}), judge(TEXT))
