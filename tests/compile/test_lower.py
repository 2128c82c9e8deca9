"""Lowering: slots, edges between segments and devices, and each device's part."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

import dflow as df
from dflow.compile import Plan
from dflow.runtime.base.deadline import NEVER
from tests.compile.helpers import compiled, cpu, names, segment_with


def run(fetches: object, feeds: dict[object, object] | None = None) -> object:
    with df.Session(config=df.ConfigProto(device_count={"CPU": 3})) as session:
        return session.run(fetches, feeds)


# -- constants and feeds


def test_a_constant_is_a_literal_of_its_user() -> None:
    (segment,) = compiled(df.negative(df.constant([1.0, 2.0]))).segments
    ((slot, value),) = segment.literals
    assert segment.instructions[0].inputs == (slot,)
    np.testing.assert_array_equal(value, [1.0, 2.0])


def test_a_constant_that_is_used_twice_has_one_slot() -> None:
    a = df.constant(1.0)
    (segment,) = compiled([a + a, df.negative(a)]).segments
    assert len(segment.literals) == 1


def test_a_fed_constant_is_an_argument() -> None:
    a = df.constant(1.0)
    plan = compiled(df.negative(a), [a])
    (segment,) = plan.segments
    assert segment.literals == ()
    assert [edge for _, edge in segment.arguments] == list(plan.feeds)
    assert run(df.negative(a), {a: 3.0}) == -3.0


def test_a_fetched_constant_is_computed_and_still_used() -> None:
    a = df.constant(1.0)
    assert run([a, df.negative(a)]) == [1.0, -1.0]


def test_constants_that_are_fetched_and_used_across_devices_are_no_cycle() -> None:
    with df.device("/cpu:0"):
        a = df.constant(1.0)
    with df.device("/cpu:1"):
        b = df.constant(2.0)
        c = df.negative(a)
    with df.device("/cpu:0"):
        d = df.negative(b)
    assert run([a, b, c, d]) == [1.0, 2.0, -1.0, -2.0]


def test_a_constant_may_be_fed_and_fetched_as_a_tensor_and_as_an_operation() -> None:
    a = df.constant(1.0)
    assert run([a, a.op, a + 1.0], {a: 5.0}) == [5.0, None, 6.0]


def test_a_fed_tensor_is_what_was_fed_although_its_operation_runs_too() -> None:
    a = df.identity(df.constant(1.0))
    with df.control_dependencies([a.op]):
        b = df.identity(df.constant(2.0))
    assert run([a + b, a], {a: 5.0}) == [7.0, 5.0]


def test_one_output_of_an_operation_may_be_fed_while_the_other_is_computed() -> None:
    a, b = df.unstack(df.identity(df.constant([1.0, 2.0])))
    assert run([a, b, a + b], {a: 5.0}) == [5.0, 2.0, 7.0]


def test_a_feed_goes_to_each_device_that_needs_it_and_to_no_other() -> None:
    x = df.placeholder(df.float32, name="x")
    found = []
    for i in range(2):
        with df.device(f"/cpu:{i}"):
            found.append(df.negative(x))
    with df.device("/cpu:2"):
        found.append(df.identity(found[0]))
    plan = compiled(found, [x])
    assert {device: len(part.feeds) for device, part in plan.parts.items()} == {cpu(0): 1, cpu(1): 1, cpu(2): 0}
    assert plan.call.feeds_of[cpu(1)] == plan.feeds
    assert plan.call.feeds_of[cpu(2)] == ()


def test_a_feed_that_no_one_needs_goes_nowhere() -> None:
    x = df.placeholder(df.float32)
    plan = compiled(df.identity(df.constant(1.0)), [x])
    assert [part.feeds for part in plan.parts.values()] == [()]


def test_fetching_only_what_is_fed_runs_nothing() -> None:
    x = df.placeholder(df.float32)
    plan = compiled([x, x], [x])
    assert plan.segments == ()
    assert plan.parts == {}
    assert plan.fetches == (plan.feeds[0],) * 2
    assert run([x, x], {x: 2.0}) == [2.0, 2.0]


# -- edges


def test_a_tensor_for_several_devices_is_one_edge_with_several_routes() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0), name="a")
    users = []
    for i in (2, 1, 0):
        with df.device(f"/cpu:{i}"):
            users += [df.negative(a), df.identity(a)]
    plan = compiled(users)
    part = plan.parts[cpu(0)]
    ((edge, devices),) = part.routes.items()
    assert devices == (cpu(1), cpu(2))
    assert [e for e, _ in segment_with(plan, "a").results][:1] == [edge]
    assert part.addresses == {cpu(1): f"at {cpu(1)}", cpu(2): f"at {cpu(2)}"}
    assert run(users) == [-1.0, 1.0] * 3


def test_control_dependencies_between_segments_are_one_edge_without_a_value() -> None:
    with df.device("/cpu:0"):
        first, second = df.no_op(name="first"), df.no_op(name="second")
    with df.device("/cpu:1"), df.control_dependencies([first, second]):
        last = df.negative(df.constant(1.0), name="last")
    plan = compiled(last)
    before, after = segment_with(plan, "first"), segment_with(plan, "last")
    assert names(before) == ["first", "second"]
    assert before.done is not None
    assert before.results == ()
    assert after.needs == (before.done,)
    assert after.arguments == ()
    assert plan.parts[cpu(0)].routes == {before.done: (cpu(1),)}


def test_a_control_dependency_inside_a_segment_is_the_order_of_its_instructions() -> None:
    first = df.no_op(name="first")
    with df.control_dependencies([first]):
        last = df.no_op(name="last")
    (segment,) = compiled(last).segments
    assert names(segment) == ["first", "last"]
    assert segment.done is None
    assert segment.needs == ()


def test_no_one_waits_for_a_constant() -> None:
    a = df.constant(1.0)
    with df.control_dependencies([a]):
        b = df.no_op(name="b")
    assert compiled([b, a]).segments[0].needs == ()


def test_only_fetched_tensors_go_to_the_caller() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0))
    with df.device("/cpu:1"):
        b = df.negative(a)
        op = df.no_op()
    plan = compiled([b, op, b])
    assert plan.fetches == (plan.fetches[0], None, plan.fetches[0])
    assert plan.parts[cpu(0)].fetched == frozenset()
    assert plan.parts[cpu(1)].fetched == {plan.fetches[0]}


def test_a_part_whose_results_others_need_does_not_report_its_end() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0))
    with df.device("/cpu:1"):
        b = df.negative(a)
    plan = compiled(b)
    assert {device: part.reports for device, part in plan.parts.items()} == {cpu(0): False, cpu(1): True}
    assert plan.call.reports == 1
    assert run(b) == -1.0


def test_a_part_reports_its_end_if_one_of_its_segments_is_fetched_or_needed_by_no_one() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0))
    with df.device("/cpu:1"):
        b = df.negative(a)
    assert compiled([a, b]).call.reports == 2
    with df.device("/cpu:0"):
        c = df.negative(b)
    plan = compiled(c.op)
    assert {device: part.reports for device, part in plan.parts.items()} == {cpu(0): True, cpu(1): False}
    assert run([c.op, a, b]) == [None, 1.0, -1.0]


def test_a_part_that_can_do_nothing_by_itself_is_known_with_those_that_it_waits_for() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0))
    with df.device("/cpu:1"):
        b = df.negative(a)
    with df.device("/cpu:2"):
        c = df.add(a, b)
    assert compiled(c).call.producers == {cpu(1): {cpu(0)}, cpu(2): {cpu(0), cpu(1)}}


def test_a_part_that_has_feeds_or_something_to_begin_with_waits_for_no_one() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0))
    with df.device("/cpu:1"):
        fed = df.placeholder("float32")
        b = df.add(a, fed)
    with df.device("/cpu:2"):
        began = df.identity(df.constant(2.0))
        with df.control_dependencies([b]):
            c = df.negative(began)
    assert compiled([b, c, began], [fed]).call.producers == {}


# -- attributes and names


def test_a_reader_learns_on_which_device_its_file_queue_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    with df.device("/cpu:2"):
        files = df.FIFOQueue(10, [df.string], shapes=[()])
    with df.device("/cpu:1"):
        _, line = df.TextLineReader().read(files, name="read")
    plan = compiled(line)
    segment = segment_with(plan, "read")
    assert segment.device == cpu(1)
    assert segment.instructions[0].attrs["queue_device"] == cpu(2)
    assert list(plan.parts) == [cpu(1)], "the queue's device has no part in the step"
    assert plan.parts[cpu(1)].addresses == {cpu(2): f"at {cpu(2)}"}
    with df.Session(config=df.ConfigProto(device_count={"CPU": 3})) as session:
        session.run(files.enqueue(str(tmp_path / "a.txt")))
        session.run(files.close())
        assert [session.run(line), session.run(line)] == [b"one", b"two"]
        with pytest.raises(df.errors.OutOfRangeError):
            session.run(line)


def test_attributes_are_the_plans_own() -> None:
    tensor = df.reduce_sum(df.constant([1.0]), name="sum")
    plan = compiled(tensor)
    attrs = dict(plan.segments[0].instructions[0].attrs)
    tensor.op.attrs["later"] = True
    assert plan.segments[0].instructions[0].attrs == attrs


def test_a_label_is_the_last_operation_that_does_something() -> None:
    a = df.negative(df.constant(1.0), name="layer/a")
    b = df.negative(a, name="layer/b")
    assert compiled([a]).segments[0].label == "layer/a"
    assert compiled([df.group(b, name="train")]).segments[0].label == "layer/b (+2)"
    assert compiled([df.no_op(name="nothing")]).segments[0].label == "nothing"


def test_every_instruction_knows_the_users_line() -> None:
    plan = compiled(df.negative(df.constant(1.0)))
    assert "test_lower.py" in plan.segments[0].instructions[0].op.made_at


# -- the plan as a whole


def three_devices() -> Plan:
    x = df.placeholder(df.float32)
    with df.device("/cpu:0"):
        a = df.negative(x)
    with df.device("/cpu:1"):
        b = df.negative(a)
    with df.device("/cpu:2"), df.control_dependencies([b]):
        c = df.negative(a)
    return compiled([c, b.op], [x], number=7)


def test_a_plan_cannot_be_changed() -> None:
    plan = three_devices()
    for item in (plan, plan.segments[0], plan.segments[0].instructions[0], plan.parts[cpu(0)], plan.call):
        for name in item.__slots__:
            with pytest.raises(FrozenInstanceError):
                setattr(item, name, None)


def test_running_a_plan_leaves_it_as_it_was() -> None:
    with df.Session(config=df.ConfigProto(device_count={"CPU": 3})) as session:
        plan = compiled(df.negative(df.identity(df.constant([1.0, 2.0]))), table=session.backend.devices())
        before = pickle.dumps(plan)
        session.backend.install(plan, NEVER)
        for _ in range(2):
            session.backend.run(plan, [], NEVER)
        assert pickle.dumps(plan) == before


def test_equal_programs_make_equal_plans() -> None:
    plans = []
    for _ in range(2):
        with df.Graph().as_default():
            plans.append(pickle.dumps(three_devices()))
    assert plans[0] == plans[1]


def test_each_device_has_its_segments_and_the_plans_number() -> None:
    plan = three_devices()
    assert plan.devices == [cpu(0), cpu(1), cpu(2)]
    assert [part.plan for part in plan.parts.values()] == [7, 7, 7]
    assert [segment for part in plan.parts.values() for segment in part.segments] == list(plan.segments)
    assert plan.parts[cpu(0)].kinds == ["Neg"]
    assert plan.placement["Neg_1"] == cpu(1)
    assert plan.call.addresses == {name: f"at {name}" for name in plan.devices}


# -- what is freed early


def test_a_value_that_may_be_large_is_freed_after_its_last_use_unless_it_leaves_the_segment() -> None:
    x = df.placeholder(df.float32, [None, 8])
    a = df.square(x)
    b = df.square(a) + a
    small = df.square(df.reduce_sum(b))
    (segment,) = compiled([b, small], [x]).segments
    frees = {i.op.name: len(i.frees) for i in segment.instructions if i.frees}
    assert frees == {"add": 2}  # a and its square; b is fetched, the sums are small


def test_what_nobody_reads_is_freed_where_it_is_made() -> None:
    w = df.Variable(df.zeros([300, 300]))
    (segment,) = compiled(w.assign_add(df.ones([300, 300])).op).segments
    (update,) = [i for i in segment.instructions if i.op.kind == "AssignAdd"]
    assert update.outputs[0] in update.frees


# -- what is written over


def overwritten(fetches: object, feeds: object = ()) -> dict[str, int]:
    """The operations that may write over an input, and which one."""
    instructions = [i for segment in compiled(fetches, feeds).segments for i in segment.instructions]
    return {i.op.name: i.inplace for i in instructions if i.inplace is not None}


def test_a_kernel_may_write_over_what_only_it_reads() -> None:
    x = df.placeholder(df.float32, [None, 3], name="x")
    product = df.matmul(x, x, transpose_b=True, name="product")
    shifted = df.subtract(df.constant([1.0]), product, name="shifted")
    y = df.nn.relu(shifted, name="y")
    assert overwritten(y, [x]) == {"shifted": 1, "y": 0}


def test_what_may_not_have_the_shape_of_the_result_is_not_written_over() -> None:
    x = df.placeholder(df.float32, [2, 3])
    assert overwritten(x + df.reduce_sum(x * x) * 2.0, [x]) == {}


def test_what_is_fed_is_not_written_over() -> None:
    x = df.placeholder(df.float32, [2, 2])
    product = df.matmul(x, x)
    assert overwritten(df.nn.relu(product), [x, product]) == {}
    value = np.full((2, 2), -1.0, np.float32)
    run(df.nn.relu(df.identity(x)), {x: value})
    np.testing.assert_array_equal(value, -1.0)


def test_what_is_fetched_is_not_written_over() -> None:
    x = df.placeholder(df.float32, [2, 2])
    product = df.matmul(x, x)
    assert overwritten([df.nn.relu(product), product], [x]) == {}


@pytest.mark.parametrize("read", [df.identity, df.square, lambda product: df.reshape(product, [4])])
def test_what_another_operation_reads_is_not_written_over(read: Callable[[df.Tensor], df.Tensor]) -> None:
    x = df.placeholder(df.float32, [2, 2])
    product = df.matmul(x, x)
    assert overwritten([df.nn.relu(product), read(product)], [x]) == {}


def test_what_one_operation_reads_twice_is_not_written_over() -> None:
    x = df.placeholder(df.float32, [2, 2])
    product = df.matmul(x, x)
    assert overwritten(product + product, [x]) == {}


def test_what_crosses_to_another_device_is_not_written_over() -> None:
    x = df.placeholder(df.float32, [2, 2])
    with df.device("/cpu:0"):
        product = df.matmul(x, x)
    with df.device("/cpu:1"):
        y = df.nn.relu(product)
    assert overwritten(y, [x]) == {}


def test_the_value_of_a_variable_is_not_written_over() -> None:
    w = df.Variable(df.ones([2, 2]), name="w")
    x = df.placeholder(df.float32, [2, 2])
    gradient = df.matmul(x, x, name="gradient")
    update = df.train.GradientDescentOptimizer(0.5).apply_gradients([(gradient, w)])
    assert list(overwritten([update, df.nn.relu(w + 0.0)], [x]).values()) == [1, 0]  # the gradient, the sum
    assert overwritten([df.nn.relu(df.assign(w, df.matmul(x, x))), df.nn.relu(w)], [x]) == {}


@pytest.mark.parametrize("dtype", [df.float64, df.float32, df.float16, df.bfloat16])
def test_a_step_that_writes_over_a_gradient_changes_no_value_that_was_read_or_fed(dtype: df.DType) -> None:
    w = df.Variable(df.constant([[1.0, 2.0], [3.0, 4.0]], dtype), name="w")
    x = df.placeholder(dtype, [3, 2])
    step = df.train.GradientDescentOptimizer(0.5).minimize(df.reduce_sum(df.matmul(x, w)))
    assert list(overwritten(step, [x]).values()) == [1]
    value = np.array([[1, 2], [3, 4], [5, 6]], dtype.as_numpy_dtype)
    with df.Session() as session:
        session.run(w.initializer)
        read = [session.run(w)]
        for _ in range(3):
            session.run(step, {x: value})
            read.append(session.run(w))
    moved = 0.5 * np.array([[9.0, 9.0], [12.0, 12.0]])
    for steps, found in enumerate(read):
        np.testing.assert_array_equal(found.astype(np.float64), np.array([[1.0, 2.0], [3.0, 4.0]]) - steps * moved)
    np.testing.assert_array_equal(value.astype(np.int64), [[1, 2], [3, 4], [5, 6]])
