"""Shapes and sizes as programs see them.  `tests/oracle/programs/shapes.py` compares them with TensorFlow's."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import dflow as df
from dflow import tensor_shape
from dflow.shapes import as_shape


def test_a_size_is_an_integer_wherever_one_is_expected() -> None:
    x = df.placeholder(df.float32, [None, 3])
    size = x.shape[1]
    assert (size.value, int(size), [0] * size, list(range(size)), np.zeros([size]).shape) == (
        3,
        3,
        [0] * 3,
        [0, 1, 2],
        (3,),
    )
    assert np.asarray([-1, size]).tolist() == [-1, 3]
    assert (size + 1, 2 * size, size // 2, 7 - size) == (4, 6, 1, 4)
    assert isinstance((size * size).value, int)
    assert df.reshape(x, [-1, size]).shape.as_list() == [None, 3]
    assert df.constant(size).dtype == "int32"


def test_what_an_unknown_size_takes_part_in_is_unknown() -> None:
    unknown, three = df.Dimension(None), df.Dimension(3)
    assert [it.value for it in (unknown + 1, 2 * unknown, three // unknown, unknown % 2, 5 - unknown)] == [None] * 5
    assert [unknown == 3, unknown != 3, unknown < three, three >= unknown, unknown == unknown] == [None] * 5
    assert not unknown
    with pytest.raises(TypeError, match="an unknown Dimension is no integer"):
        int(unknown)
    with pytest.raises(ValueError, match="Cannot convert an unknown Dimension to a Tensor"):
        df.convert_to_tensor(unknown)
    with pytest.raises(ValueError, match="Cannot convert a partially known TensorShape to a Tensor"):
        df.convert_to_tensor(df.TensorShape([None, 3]))


def test_sizes_merge_compare_and_are_kept_by_pickle() -> None:
    three = df.Dimension(3)
    assert three.merge_with(None).value == three.merge_with(df.Dimension(3)).value == 3
    assert three.is_compatible_with(df.Dimension(None))
    assert three == "3"
    assert three != "_"
    assert hash(three) == hash(3)
    with pytest.raises(ValueError, match="are not compatible"):
        three.assert_is_compatible_with(4)
    with pytest.raises(ValueError, match="Ambiguous dimension"):
        df.Dimension(1.5)
    with pytest.raises(TypeError):
        df.Dimension(df.string)
    assert [pickle.loads(pickle.dumps(df.Dimension(size))).value for size in (3, None)] == [3, None]
    assert (str(three), repr(three), str(df.Dimension(None))) == ("3", "Dimension(3)", "?")


def test_shapes_are_equal_if_their_sizes_are_known_to_be() -> None:
    x = df.placeholder(df.float32, [None, 3])
    assert x.shape == x.get_shape()
    assert x.shape != df.TensorShape([None, 3])
    assert df.TensorShape([2, 3]) == [2, 3]
    assert df.TensorShape([2, 3]) != [2, 4]
    assert df.TensorShape(None) == df.TensorShape(None)
    with pytest.raises(ValueError, match="inequality of unknown TensorShapes is undefined"):
        assert df.TensorShape(None) != df.TensorShape([2])
    assert as_shape(x.shape) == as_shape(df.TensorShape([None, 3]))  # among the shapes of rules


def test_the_sizes_of_a_shape_are_dimensions() -> None:
    shape = df.TensorShape([2, None])
    assert [type(size) for size in (*shape, shape[0], *(shape.dims or ()))] == [df.Dimension] * 5
    assert repr(shape) == "TensorShape([Dimension(2), Dimension(None)])"
    assert shape[1:].as_list() == [None]
    assert pickle.loads(pickle.dumps(shape)).as_list() == [2, None]
    joined = shape + [4], [4] + shape  # noqa: RUF005
    assert [it.as_list() for it in joined] == [[2, None, 4], [4, 2, None]]
    assert tensor_shape.unknown_shape(2).as_list() == [None, None]
    assert [str(it) for it in (tensor_shape.scalar(), tensor_shape.vector(2), tensor_shape.matrix(2, 3))] == [
        "()",
        "(2,)",
        "(2, 3)",
    ]


def test_a_shape_asserts_what_is_expected_of_it() -> None:
    shape = df.TensorShape([2, None])
    shape.assert_has_rank(2)
    shape.assert_same_rank([1, 1])
    shape.assert_is_compatible_with([2, 5])
    assert shape.with_rank_at_least(2) is shape.with_rank_at_most(2)
    assert shape.most_specific_compatible_shape([2, 3]).as_list() == [2, None]
    df.TensorShape([2, 3]).assert_is_fully_defined()
    for wrong in (
        lambda: shape.assert_is_fully_defined(),
        lambda: shape.assert_has_rank(1),
        lambda: shape.assert_same_rank([1]),
        lambda: shape.assert_is_compatible_with([3, 5]),
        lambda: shape.with_rank_at_least(3),
        lambda: shape.with_rank_at_most(1),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_a_shape_goes_into_a_message_and_comes_back() -> None:
    for sizes in ([2, None], [], None):
        shape = df.TensorShape(sizes)
        again = df.TensorShape(shape.as_proto())
        assert (again.ndims, again.ndims is not None and again.as_list()) == (
            shape.ndims,
            shape.ndims is not None and shape.as_list(),
        )


def test_queues_variables_and_sparse_tensors_have_shapes_of_dimensions() -> None:
    queue, variable = df.FIFOQueue(1, df.int32, shapes=[[2]]), df.Variable([1.0, 2.0])
    sparse = df.SparseTensor([[0, 1]], [1.0], [2, 3])
    shapes = (queue.shapes[0], variable.shape, variable.get_shape(), sparse.shape, sparse.get_shape())
    assert [shape[0].value for shape in shapes] == [2] * 5
