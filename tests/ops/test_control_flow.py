"""Branches and loops: what runs, in which order, for how long, and what an error says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.compile import LOOP, compile_plan
from dflow.compile.plan import DeviceInfo, DeviceTable
from dflow.ops.array.indexed_slices import densified
from dflow.ops.control import with_dependencies
from dflow.ops.control_flow.cond import smart_cond
from dflow.ops.control_flow.gates import _Enter, enter, exit, loop_cond, merge, next_iteration, switch
from dflow.ops.control_flow.stack import stack_pop_v2, stack_push_v2, stack_v2

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"


def run(fetches: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run([variable.initializer for variable in df.global_variables()])
        return sess.run(fetches, feeds)


def counted(n: Any, body: Callable[[Any], Any] = lambda x: x, first: Any = 0.0) -> Any:
    """What `body` makes of `first`, n times."""
    return df.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, body(x)), (0, df.convert_to_tensor(first)))[1]


# -- the plan


def segments(fetch: Any) -> list[list[str]]:
    """The kinds of operations of each segment of a plan."""
    plan = compile_plan([fetch], [], DeviceTable((DeviceInfo(CPU),)), CPU)
    return [[it.op.kind for it in segment.instructions] for segment in plan.segments]


def test_a_loop_of_one_device_is_one_instruction_of_one_segment() -> None:
    w = df.Variable(2.0)
    assert segments(counted(3, lambda x: x * w) + 1.0)[-1].count(LOOP) == 1
    assert len(segments(counted(3, lambda x: counted(2, lambda y: y + w, x)))) == 1


def test_a_branch_of_one_device_is_in_the_segment_of_what_it_is_between() -> None:
    p = df.placeholder_with_default(True, [])
    x = df.placeholder_with_default(1.0, [])
    kinds = segments(df.cond(p, lambda: x + 1.0, lambda: x - 1.0) * 2.0)
    assert len(kinds) == 1
    assert {"Switch", "Merge", "Add", "Sub", "Mul"} <= set(kinds[0])


# -- what runs


def test_a_tensor_of_a_branch_that_is_not_taken_has_no_value() -> None:
    p, made = df.placeholder(df.bool, []), []

    def branch() -> Any:
        made.append(df.constant(1.0) + 1.0)
        return made[0]

    df.cond(p, branch, lambda: df.constant(0.0))
    with df.name_scope("outside"):
        outside = df.identity(made[0])
    assert run(outside, {p: True}) == 2.0
    with pytest.raises(df.errors.InvalidArgumentError, match="does not have value"):
        run(outside, {p: False})
    assert run(outside.op, {p: False}) is None


def test_a_tensor_of_an_iteration_cannot_be_fetched() -> None:
    made = []
    counted(3, lambda x: made.append(x + 1.0) or made[-1])
    with pytest.raises(ValueError, match="has been marked as not fetchable"):
        run(made[0])
    made[0].op.fetchable = True  # as in a graph that was imported
    with pytest.raises(df.errors.InvalidArgumentError, match="in the loop"):
        run(made[0])


def test_an_error_in_a_loop_names_the_operation_in_its_body() -> None:
    def body(x: Any) -> Any:
        with df.control_dependencies([df.Assert(x < 2.0, [x])]):
            return x + 1.0

    with pytest.raises(df.errors.InvalidArgumentError, match=r"Assert.*assertion failed: \[2"):
        run(counted(5, body))


def test_a_loop_that_has_no_end_ends_at_its_deadline() -> None:
    endless = df.while_loop(lambda x: x >= 0.0, lambda x: x * 0.5, [df.constant(1.0)])
    with df.Session() as sess, pytest.raises(df.errors.DeadlineExceededError):
        sess.run(endless, options=df.RunOptions(timeout_in_ms=50))


def test_a_loop_that_has_no_end_ends_with_its_session() -> None:
    begun = threading.Event()
    told = df.py_func(lambda x: begun.set() or x, [df.constant(1.0)], df.float32, stateful=False)
    endless = df.while_loop(lambda x: x >= 0.0, lambda x: x * 0.5, [told])
    sess, errors = df.Session(), list[BaseException]()

    def work() -> None:
        try:
            sess.run(endless)
        except df.errors.OpError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    sess.close()
    thread.join()
    assert [type(error) for error in errors] == [df.errors.CancelledError]


def test_summaries_and_variables_may_be_made_in_a_branch() -> None:
    with pytest.raises(ValueError, match="they are in different while loops"):
        counted(3, lambda x: x + counted(2).op.operands[0])
    with pytest.raises(ValueError, match=r"is in a while loop\. See info log for more details\."):
        counted(2).op.operands[0] + 1.0
    p = df.placeholder(df.bool, [])
    y = df.cond(p, lambda: df.get_variable("v", [], initializer=df.zeros_initializer()) + 1.0, lambda: df.constant(5.0))
    assert run(y, {p: True}) == 1.0


def test_a_condition_that_is_known_builds_one_branch() -> None:
    assert run(smart_cond(True, lambda: df.constant(1.0), lambda: pytest.fail("not built"))) == 1.0
    assert run(smart_cond(df.constant(False), lambda: pytest.fail("not built"), lambda: df.constant(2.0))) == 2.0
    assert run(smart_cond(df.placeholder_with_default(True, []), lambda: df.constant(1), lambda: df.constant(2))) == 1
    with pytest.raises(TypeError, match="must be a Tensor, or a Python bool"):
        smart_cond("yes", lambda: 1, lambda: 2)


def test_values_of_unknown_size_live_as_long_as_a_loop_needs_them() -> None:
    first = df.py_func(lambda: np.float32(1.0), [], df.float32)  # of unknown shape, and with it all of the loop
    assert run(df.while_loop(lambda x: x > 0.1, lambda x: x * 0.5, [first])) == 0.0625


# -- loops of single operations


def test_a_loop_may_be_built_of_single_operations() -> None:
    n = df.constant(5)
    first = enter(df.constant(0), "frame")
    limit = enter(n, "frame", is_constant=True)
    value = merge([first, first])[0]
    at_end, goes_on = switch(value, loop_cond(value < limit))
    value.op.update_operand(1, next_iteration(goes_on + enter(df.constant(2), "frame", is_constant=True)))
    assert run(exit(at_end)) == 6


def test_a_loop_of_single_operations_may_end_without_a_condition_of_its_own() -> None:
    first, never = enter(df.constant(7), "frame"), enter(df.constant(False), "frame", is_constant=True)
    value = merge([first, first])[0]
    at_end, goes_on = switch(value, never)
    value.op.update_operand(1, next_iteration(goes_on))
    assert run(exit(at_end) + 1) == 8


def test_inputs_of_different_loops_are_an_error() -> None:
    one, other = enter(df.constant(1), "one"), enter(df.constant(2), "other")
    with pytest.raises(df.errors.InvalidArgumentError, match="inputs from different frames"):
        run(one + other)


def test_a_merge_gives_the_number_of_its_input() -> None:
    p = df.placeholder(df.bool, [])
    output = merge(switch(df.constant(3.0), p))
    assert [run(list(output), {p: value}) for value in (False, True)] == [[3.0, 0], [3.0, 1]]


# -- gradients


def test_a_loop_keeps_no_values_unless_a_gradient_needs_them() -> None:
    kinds = {op.type for op in df.get_default_graph().get_operations()}
    x = df.constant(2.0)
    y = counted(3, lambda a: a * x, x)
    assert kinds.isdisjoint({"StackV2"})
    (gradient,) = df.gradients(y, x)
    assert "StackPushV2" in {op.type for op in df.get_default_graph().get_operations()}
    assert run([y, gradient]) == [16.0, 32.0]


def test_two_gradients_of_one_loop_have_stacks_of_their_own() -> None:
    x, w = df.constant(2.0), df.constant(3.0)
    y = counted(2, lambda a: a * w, x)
    one, other = df.gradients(y, x), df.gradients(y * 2.0, w)
    assert run([*one, *other]) == [9.0, 24.0]


def test_the_gradient_of_a_variable_that_a_loop_reads_anew_is_the_sum_over_its_iterations() -> None:
    w = df.Variable(3.0)

    def body(x: Any) -> Any:
        with df.control_dependencies([x]):
            return x * w

    assert run(df.gradients(counted(2, body, 2.0), w)) == [12.0]


@pytest.mark.parametrize("taken", [True, False])
def test_the_gradient_of_a_branch_that_gives_what_it_was_given(taken: bool) -> None:
    p, x = df.placeholder(df.bool, []), df.constant([1.0, 2.0])
    y = df.cond(p, lambda: x, lambda: x * 3.0)
    z = df.cond(p, lambda: x * 3.0, lambda: x)
    assert run(df.gradients([y, z], x)[0], {p: taken}).tolist() == [4.0, 4.0]


def test_gradients_of_a_loop_are_those_of_finite_differences() -> None:
    x = df.placeholder(df.float64, [3])
    w = df.constant(np.array([0.5, -1.0, 2.0]))

    def body(a: Any) -> Any:
        return df.cond(a[0] > 0.5, lambda: df.tanh(a * w) + x, lambda: a * a - w)

    y = df.reduce_sum(counted(4, body, x))
    at, step = np.array([0.3, 0.7, -0.2]), 1e-6
    with df.Session() as sess:
        found = sess.run(df.gradients(y, x)[0], {x: at})
        for i in range(3):
            moved = [sess.run(y, {x: at + sign * step * np.eye(3)[i]}) for sign in (1, -1)]
            assert found[i] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-4)


# -- arrays of tensors


def test_an_array_has_the_names_of_tensorflow() -> None:
    array = df.TensorArray(df.float32, size=2, name="a")
    assert (array.handle.op.name, array.flow.name, array.handle.dtype.name) == ("a", "a:1", "resource")
    assert run(array.write(0, 1.0).write(1, 2.0).identity().stack()).tolist() == [1.0, 2.0]
    other = df.TensorArray(df.float32, handle=array.handle, flow=array.write(0, 7.0).flow)
    assert run(other.read(0)) == 7.0
    assert run(array.close()) is None


def test_gradients_that_are_written_to_one_element_are_summed() -> None:
    array = df.TensorArray(df.float32, size=1).write(0, 1.0)
    gradients = array.grad("gradients")
    summed = gradients.write(0, 2.0).write(0, 5.0)
    assert run(summed.read(0)) == 7.0


# -- objects of several tensors


def slices(values: Any, indices: Any, rows: int = 5) -> df.IndexedSlices:
    return df.IndexedSlices(df.constant(values), df.constant(indices), df.constant([rows]))


def test_indexed_slices_go_through_branches_and_loops() -> None:
    p = df.placeholder(df.bool, [])
    narrow, wide = slices([1.0, 2.0], [0, 3]), slices([3.0], np.array([4], np.int64))
    chosen = df.cond(p, lambda: narrow, lambda: wide)
    assert chosen.indices.dtype == df.int64
    assert [run(chosen, {p: value}).indices.tolist() for value in (True, False)] == [[0, 3], [4]]
    doubled = df.while_loop(lambda x: True, lambda x: x.mapped(lambda v: v * 2.0), [narrow], maximum_iterations=3)
    assert run(doubled).values.tolist() == [8.0, 16.0]
    assert doubled.values.shape.as_list() == [2]
    assert run(df.gradients(doubled.values, narrow.values)[0]).tolist() == [
        8,
        8,
    ]
    unknown = df.while_loop(lambda x: True, lambda x: x, [narrow], [df.TensorShape([None])], maximum_iterations=1)
    assert [part.shape.as_list() for part in (unknown.values, unknown.indices)] == [[None], [None]]
    with pytest.raises((TypeError, ValueError), match="Incompatible return types"):
        df.cond(p, lambda: narrow, lambda: narrow.values)
    merged = merge(switch(narrow, p)).output
    assert run(exit(_Enter(merged, "frame")), {p: True}).indices.tolist() == [0, 3]


def test_the_shape_invariant_of_a_sparse_tensor_is_that_of_its_dense_shape() -> None:
    sparse = df.SparseTensor([[0], [3]], [2.0, 4.0], [10])
    kept = df.while_loop(lambda x: True, lambda x: df.sparse_add(x, x), [sparse], maximum_iterations=2)
    assert [it.shape.as_list() for it in (kept.indices, kept.values, kept.dense_shape)] == [[None, 1], [None], [1]]
    assert run(kept).values.tolist() == [8.0, 16.0]
    any_rank = df.while_loop(lambda x: False, lambda x: x, [sparse], [df.TensorShape([None])])
    assert any_rank.indices.shape.as_list() == [None, None]
    with pytest.raises(ValueError, match="is not compatible with"):
        df.while_loop(lambda x: False, lambda x: x, [sparse], [df.TensorShape([5])])


def test_a_shape_invariant_may_be_the_spec_of_a_tensor() -> None:
    def grown(x: Any, spec: Any) -> Any:
        return df.while_loop(lambda x: True, lambda x: df.stack([x, x]), [x], [spec], maximum_iterations=2)

    assert grown(df.constant([1]), df.TensorSpec(None, df.int32)).shape.ndims is None
    with pytest.raises(TypeError, match="is of int32, but the loop variable is float32"):
        grown(df.constant([1.0]), df.TensorSpec(None, df.int32))
    with pytest.raises(TypeError, match="is that of a tensor"):
        grown(slices([1.0], [0]), df.TensorSpec(None, df.float32))


# -- gradients of rows


@pytest.mark.parametrize("taken", [True, False])
def test_the_gradient_of_rows_that_a_branch_reads_is_slices(taken: bool) -> None:
    p, table = df.placeholder(df.bool, []), df.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    y = df.cond(p, lambda: df.reduce_sum(df.gather(table, [2, 0]) ** 2), lambda: df.constant(0.0))
    (gradient,) = df.gradients(y, table)
    assert isinstance(gradient, df.IndexedSlices)
    value, dense = run([gradient, df.convert_to_tensor(gradient)], {p: taken})
    assert value.indices.tolist() == ([2, 0] if taken else [])
    assert dense.tolist() == ([[2, 4], [0, 0], [10, 12]] if taken else [[0, 0]] * 3)


@pytest.mark.parametrize("shape", [[3, 1], [None, 1], None])
def test_the_gradient_of_rows_that_a_loop_reads_is_slices_of_all_its_iterations(shape: Any) -> None:
    table = df.placeholder(df.float32, shape)
    y = df.while_loop(
        lambda i, _: i < 2, lambda i, x: (i + 1, x * df.reduce_sum(df.gather(table, [i, 2]))), [0, df.constant(1.0)]
    )[1]
    (gradient,) = df.gradients(y, table)
    assert isinstance(gradient, df.IndexedSlices)
    feeds = {table: [[1.0], [2.0], [3.0]]}  # (1 + 3) * (2 + 3)
    value, dense = run([gradient, densified(gradient)], feeds)
    assert sorted(value.indices.tolist()) == [0, 1, 2, 2]
    assert dense.tolist() == [[5.0], [4.0], [9.0]]


def test_gradients_inside_of_a_loop_go_to_what_each_iteration_has() -> None:
    w = df.constant(3.0)

    def body(x: Any) -> Any:
        inner = counted(2, lambda a: a * w, 1.0)
        return x + df.gradients(inner, w)[0]

    assert run(counted(2, body, 0.0)) == 12.0
    x = df.constant(2.0, name="first")
    with pytest.raises(ValueError, match="Cannot compute gradient inside while loop with respect to op 'first'"):
        counted(2, lambda v: df.gradients(v * 2.0, x)[0], x + 1.0)


# -- what may be fetched and fed


def test_what_is_built_in_a_branch_or_loop_is_not_fetched() -> None:
    graph, sums = df.get_default_graph(), []
    x = df.constant(1.0)

    def body(value: Any) -> Any:
        sums.append(value + x)
        return sums[-1]

    ends = [df.cond(df.constant(True), lambda: body(x), lambda: x), counted(2, body, x)]
    assert run(ends) == [2.0, 3.0]
    for tensor in sums:
        assert not graph.is_fetchable(tensor)
        assert not graph.is_fetchable(tensor.op)
        with pytest.raises(ValueError, match="has been marked as not fetchable"):
            run(tensor)
    assert [graph.is_feedable(tensor) for tensor in sums] == [True, False]
    with pytest.raises(ValueError, match="may not be fed"):
        run(ends[1], {sums[1]: 1.0})


# -- state


def test_a_dependency_comes_before_the_read_of_a_variable() -> None:
    v = df.Variable(5.0)
    assert run(df.group(with_dependencies([v.initializer], v._ref()))) is None
    with df.Session() as sess:
        assert sess.run(with_dependencies([v.initializer], v._ref())) == 5.0


def test_a_stack_gives_its_newest_value() -> None:
    stack = stack_v2(-1, df.int32, "name")
    with df.control_dependencies([stack_push_v2(stack, 1)]), df.control_dependencies([stack_push_v2(stack, 2)]):
        first = stack_pop_v2(stack, df.int32)
    with df.control_dependencies([first]):
        second = stack_pop_v2(stack, df.int32)
    assert sorted(run([first, second])) == [1, 2]


# -- arrays of tensors: what errors say


def test_an_array_names_itself_and_what_it_expected() -> None:
    array = df.TensorArray(df.float32, 3, tensor_array_name="foo", infer_shape=False)
    with pytest.raises(df.errors.InvalidArgumentError, match=r"TensorArray foo_\d+: Could not write to .* index 2"):
        run(array.write(2, 1.0).write(2, 1.0).flow)
    lengths = df.placeholder(df.int64)
    with pytest.raises(df.errors.InvalidArgumentError, match=r"Expected lengths to be a vector, received shape: \[\]"):
        run(array.split([1.0], lengths).flow, {lengths: 1})
    with pytest.raises(df.errors.InvalidArgumentError, match=r"Expected value to be at least a vector"):
        run(array.split(1.0, [1]).flow)
    assert run(array.split([1.0, 2.0], df.constant([0, 1, 1])).read(2)).tolist() == [2.0]


def test_a_given_gradient_does_not_wait_for_a_value_of_unknown_shape() -> None:
    x = df.constant([[4.0, 5.0]])
    array = df.TensorArray(df.float32, 1, infer_shape=False).write(0, x)
    once, twice = array.read(0), array.read(0)  # in one run, the second read would be an error
    gradient = df.gradients([once, twice], x, [[[2.0, 3.0]], [[1.0, -1.0]]])[0]
    assert run(gradient).tolist() == [[3.0, 2.0]]


def test_a_loop_reads_a_variable_that_it_writes_in_each_iteration() -> None:
    v, w = df.Variable(0.0), df.Variable(2.0)
    read = df.convert_to_tensor(v)

    def body(i: Any, _: Any) -> Any:
        chosen = df.cond(df.constant(True), lambda: w.assign(w * w), lambda: df.convert_to_tensor(w))
        with df.control_dependencies([chosen]):
            return i + 1, v.assign_add(1.0)

    steps, last = df.while_loop(lambda i, _: read < 4.0, body, (0, read))
    outer = counted(2, lambda x: df.while_loop(lambda x: v < 5.0, lambda x: v.assign_add(1.0), [x]))
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        assert sess.run([steps, last]) == [4, 4.0]
        assert sess.run([v, w]) == [4.0, 65536.0]
        assert sess.run(outer) == 5.0
