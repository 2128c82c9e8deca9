"""Partitioned variables and partitioners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.ops.state.partitioned import PartitionedVariable
from dflow.ops.state.partitions import PartitionInfo

WHOLE = np.arange(14.0, dtype=np.float32).reshape(7, 2)


@pytest.fixture
def sess() -> Any:
    with df.Graph().as_default(), df.Session() as session:
        yield session


def specs(parts: Any) -> list[str]:
    return [part._save_slice_info.spec for part in parts]


def test_a_partitioner_makes_the_parts_of_a_variable(sess: Any) -> None:
    with df.variable_scope("a", partitioner=df.fixed_size_partitioner(3)) as scope:
        w = df.get_variable("w", initializer=df.constant(WHOLE))
        assert scope.partitioner is not None
    assert isinstance(w, PartitionedVariable)
    assert (w.name, w.dtype, w.shape, len(w)) == ("a/w", df.float32, (7, 2), 3)
    assert [part.name for part in w] == ["a/w/part_0:0", "a/w/part_1:0", "a/w/part_2:0"]
    assert specs(w) == ["7 2 0,3:0,2", "7 2 3,2:0,2", "7 2 5,2:0,2"]
    assert df.global_variables() == df.trainable_variables() == list(w)
    sess.run(df.global_variables_initializer())
    np.testing.assert_array_equal(sess.run(w.as_tensor()), WHOLE)
    np.testing.assert_array_equal(sess.run(df.multiply(w, 2.0)), WHOLE * 2)
    assert df.convert_to_tensor(w).shape == (7, 2)


def test_the_parts_of_a_value_are_assigned_and_added(sess: Any) -> None:
    w = df.get_variable("w", [7, 2], partitioner=lambda **_: [1, 2], initializer=df.zeros_initializer())
    sess.run(df.global_variables_initializer())
    sess.run(w.assign(WHOLE))
    first, second = sess.run(w.assign_add(np.ones((7, 2), np.float32)))
    np.testing.assert_array_equal(np.concatenate([first, second], 1), WHOLE + 1)
    sess.run(w.assign_sub(WHOLE, read_value=False))
    np.testing.assert_array_equal(sess.run(w.as_tensor()), np.ones((7, 2)))


def test_an_initializer_is_called_for_each_part_and_may_know_which_it_is(sess: Any) -> None:
    seen = []

    def initializer(shape: Any, dtype: Any, partition_info: Any) -> Any:
        seen.append((list(shape), partition_info.full_shape, partition_info.var_offset))
        return df.ones(shape, dtype)

    df.get_variable("w", [5], partitioner=df.fixed_size_partitioner(2), initializer=initializer)
    assert seen == [([3], [5], [0]), ([2], [5], [3])]


def test_a_partitioned_variable_is_found_again() -> None:
    with df.Graph().as_default():
        with df.variable_scope("a", partitioner=df.fixed_size_partitioner(2)):
            w = df.get_variable("w", [4])
        with df.variable_scope("a", reuse=True):
            assert df.get_variable("w") is w
            with pytest.raises(ValueError, match="specified partitions"):
                df.get_variable("w", [4], partitioner=df.fixed_size_partitioner(4))
            with pytest.raises(ValueError, match="specified shape"):
                df.get_variable("w", [5])
            with pytest.raises(ValueError, match="PartitionedVariable a/x does not exist"):
                df.get_variable("x", [4], partitioner=df.fixed_size_partitioner(2))
        with df.variable_scope("a"):
            with pytest.raises(ValueError, match="partitioned version of the variable was found"):
                df.get_variable("w", [4])
            df.get_variable("single", [4])
            with pytest.raises(ValueError, match="unpartitioned version of the variable was found"):
                df.get_variable("single", [4], partitioner=df.fixed_size_partitioner(2))


@pytest.mark.parametrize(
    ("partitioner", "said"),
    [
        (3, "Partitioner must be callable"),
        (lambda **_: 3, "must return a sequence"),
        (lambda **_: [1], "does not match the Variable's rank"),
        (lambda **_: [0, 1], "zero partitions"),
        (lambda **_: [2, 2], "along one dimension"),
    ],
)
def test_a_partitioner_must_divide_one_axis(partitioner: Any, said: str) -> None:
    with df.Graph().as_default(), pytest.raises(ValueError, match=said):
        df.get_variable("w", [4, 4], partitioner=partitioner)


def test_a_scalar_is_not_partitioned() -> None:
    with df.Graph().as_default(), df.variable_scope("a", partitioner=df.fixed_size_partitioner(2)):
        assert df.get_variable("w", []).name == "a/w:0"


def test_parts_are_made_by_a_slicing(sess: Any) -> None:
    with df.variable_scope("hi"):
        first, second = df.create_partitioned_variables([2, 5], [1, 2], df.constant([[1, 2, 3, 4, 5], [6, 7, 8, 9, 0]]))
        others = df.create_partitioned_variables([3], [3], df.ones_initializer())
    assert [part.op.name for part in (first, *others[:1])] == [
        "hi/PartitionedVariable/part_0",
        "hi/PartitionedVariable_1/part_0",
    ]
    assert specs([first, second]) == ["2 5 0,2:0,3", "2 5 0,2:3,2"]
    sess.run(df.global_variables_initializer())
    assert sess.run(second).tolist() == [[4, 5], [9, 0]]
    for slicing in ([1], [1, 2, 3], [2, 2]):
        with pytest.raises(ValueError, match="shape"):
            df.create_partitioned_variables([10, 43], slicing, df.zeros_initializer())


@pytest.mark.parametrize(
    ("make", "shape", "parts"),
    [
        (lambda: df.fixed_size_partitioner(4), [10, 3], [4, 1]),
        (lambda: df.fixed_size_partitioner(4, axis=1), [10, 3], [1, 3]),
        (lambda: df.variable_axis_size_partitioner(40), [10, 5], [5, 1]),
        (lambda: df.variable_axis_size_partitioner(1), [10, 5], [10, 1]),
        (lambda: df.variable_axis_size_partitioner(40, max_shards=2), [10, 5], [2, 1]),
        (lambda: df.min_max_variable_partitioner(16, min_slice_size=40), [10, 5], [5, 1]),
        (lambda: df.min_max_variable_partitioner(3, min_slice_size=40), [10, 5], [3, 1]),
        (lambda: df.min_max_variable_partitioner(), [10, 5], [1, 1]),
    ],
)
def test_a_partitioner_says_the_number_of_parts_of_each_axis(
    make: Callable[[], Any], shape: list[int], parts: list[int]
) -> None:
    """The sizes are those of float32."""
    assert make()(shape=df.TensorShape(shape), dtype=df.float32) == parts


def test_a_partition_info_knows_the_place_of_a_part() -> None:
    info = PartitionInfo([9, 3], [4, 0])
    assert (info.single_offset([1, 3]), info.single_slice_dim([2, 3])) == (4, 0)
    assert PartitionInfo([9, 3], [0, 0]).single_offset([9, 3]) == 0
    for shape in ([1, 2, 3], [6, 3], [1, 1]):
        with pytest.raises(ValueError):
            info.single_slice_dim(shape)
    for full_shape, offset in ((None, [0]), ([1], "0")):
        with pytest.raises(TypeError):
            PartitionInfo(full_shape, offset)  # type: ignore[arg-type]
    for full_shape, offset in (([0, 1], [0]), ([1, 1], [0, 1])):
        with pytest.raises(ValueError):
            PartitionInfo(full_shape, offset)


def test_slots_of_a_part_are_parts_of_the_slot() -> None:
    with df.Graph().as_default():
        w = df.get_variable("w", [4], partitioner=df.fixed_size_partitioner(2))
        optimizer = df.train.MomentumOptimizer(0.1, 0.9)
        optimizer.minimize(df.gather(list(w)[1], [0]))
        slot = optimizer.get_slot(list(w)[1], "momentum")
        assert (slot.op.name, slot._save_slice_info.full_name) == ("w/part_1/Momentum", "w/Momentum")
        assert specs([slot]) == ["4 2,2"]


def test_the_parts_are_assigned_from_a_list_or_another_partitioned_variable() -> None:
    with df.Graph().as_default(), df.Session() as sess:
        halves = df.fixed_size_partitioner(2)
        v = df.get_variable("v", [4], initializer=df.zeros_initializer(), partitioner=halves)
        w = df.get_variable("w", [4], initializer=df.ones_initializer(), partitioner=halves)
        sess.run(df.global_variables_initializer())
        sess.run(v.assign([[1.0, 2.0], [3.0, 4.0]]))
        assert [it.tolist() for it in sess.run(v.assign_sub(w))] == [[0, 1], [2, 3]]
        with df.control_dependencies([df.constant(1)]):
            waiting = [v._concat(), v.as_tensor()]
        assert [bool(_waits(it.op)) for it in waiting] == [True, False]


def test_a_saver_puts_a_partitioned_variable_of_a_collection_together() -> None:
    with df.Graph().as_default() as graph:
        v = df.get_variable("v", [4], partitioner=df.fixed_size_partitioner(2))
        df.add_to_collection("mine", v)
        df.train.Saver()
        df.train.Saver()
        assert graph.get_tensor_by_name("v:0").shape.as_list() == [4]
        assert not [op.name for op in graph.get_operations() if op.name == "v_1"]


def _waits(op: df.Operation) -> bool:
    """Whether an operation, or one that it depends on, has control inputs."""
    return bool(op.control_inputs) or any(_waits(it.op) for it in op.operands)
