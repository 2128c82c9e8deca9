"""The simple placer: where each operation goes, and what it says when there is no such place."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable, compile_plan
from dflow.compile.place import default_device, place
from dflow.compile.prune import prune
from tests.compile.helpers import cpu, gpu, table_of

MIXED = table_of(cpu(), gpu(0), gpu(1))
CLUSTER = table_of(
    cpu(job="ps", task=0),
    cpu(job="ps", task=1),
    cpu(job="worker", task=0),
    gpu(0, "worker", 0),
    cpu(job="worker", task=1),
    gpu(0, "worker", 1),
    gpu(1, "worker", 1),
)


def placed(item: Any, table: DeviceTable = MIXED, **options: Any) -> str:
    """Where the operation of `item` goes."""
    op = item.op if hasattr(item, "op") else item
    return place(prune([op], []).ops, table, default_device(table), **options)[op]


def on(device: Any, table: DeviceTable = MIXED, **options: Any) -> str:
    """Where an operation with a kernel for every device goes that asks for `device`."""
    with df.device(device):
        return placed(df.no_op(), table, **options)


def queue_on(device: Any, table: DeviceTable = MIXED, **options: Any) -> str:
    """Where an operation goes that has a CPU kernel only."""
    with df.device(device):
        return placed(df.FIFOQueue(1, df.float32), table, **options)


# -- where


def test_an_operation_goes_where_the_user_said() -> None:
    assert on("/cpu:0") == cpu()
    assert on("/gpu:1") == gpu(1)
    assert on("/job:localhost/replica:0/task:0/device:GPU:1") == gpu(1)


def test_an_operation_that_asks_for_nothing_goes_to_the_default_device() -> None:
    assert on(None) == gpu(0)
    assert on(None, table_of(cpu(0), cpu(1))) == cpu(0)


@pytest.mark.parametrize(
    ("request_", "device"),
    [
        ("/job:ps", cpu(job="ps", task=0)),
        ("/job:ps/task:1", cpu(job="ps", task=1)),
        ("/task:1", gpu(0, "worker", 1)),
        ("/gpu:1", gpu(1, "worker", 1)),
        ("/gpu:0", gpu(0, "worker", 0)),
        ("/cpu:0", cpu(job="worker", task=0)),
        ("/job:worker/task:1", gpu(0, "worker", 1)),
        ("/job:worker/device:CPU:*", cpu(job="worker", task=0)),
    ],
)
def test_a_partial_name_means_the_nearest_device_that_fits_a_gpu_before_a_cpu(request_: str, device: str) -> None:
    assert on(request_, CLUSTER) == device


def test_an_inner_block_overrides_only_the_parts_that_it_sets() -> None:
    with df.device("/job:worker/task:1/gpu:1"):
        assert on("/cpu:0", CLUSTER) == cpu(job="worker", task=1)
        assert on("/task:0/gpu:0", CLUSTER) == gpu(0, "worker", 0)
        assert on("/job:ps/cpu:0", CLUSTER) == cpu(job="ps", task=1)


def test_a_block_may_be_a_function_of_the_operation() -> None:
    assert on(lambda op: "/gpu:1" if op.type == "NoOp" else "/cpu:0") == gpu(1)


def test_what_needs_files_text_or_python_goes_to_a_cpu_of_the_task() -> None:
    assert queue_on(None) == cpu()
    assert queue_on("/job:worker/task:1", CLUSTER) == cpu(job="worker", task=1)


def test_an_operation_on_state_goes_where_the_state_is() -> None:
    with df.device("/gpu:1"):
        v = df.Variable(1.0)
    with df.device("/cpu:0"):
        assert placed(v.assign(2.0)) == gpu(1)
        assert placed(v.read_value()) == gpu(1)
        assert placed(v.initializer) == gpu(1)


def test_an_operation_goes_with_its_queue() -> None:
    with df.device("/job:ps/task:1"):
        q = df.FIFOQueue(1, df.float32)
    with df.device("/job:worker/task:1"):
        assert placed(q.dequeue(), CLUSTER) == cpu(job="ps", task=1)


def test_colocation_goes_by_the_operation_at_its_end() -> None:
    with df.device("/gpu:1"):
        a = df.no_op()
    with df.colocate_with(a):
        b = df.no_op()
    with df.colocate_with(b), df.device("/cpu:0"):
        assert placed(df.no_op()) == gpu(1)


def test_python_code_beside_something_on_a_gpu_goes_to_the_cpu_of_that_task() -> None:
    v = df.Variable(1.0)
    with df.colocate_with(v.op):
        found = df.py_func(abs, [df.constant(-1.0)], df.float32)
    assert placed(v.op) == gpu(0)
    assert placed(found) == cpu()


# -- constants


def reader_of(constant: df.Tensor, device: str, name: str = "reader") -> df.Operation:
    """An operation on a device that reads a constant."""
    with df.device(device):
        return df.negative(constant, name=name).op


def test_a_constant_that_nobody_pinned_goes_where_it_is_read() -> None:
    one, other = df.constant(1.0), df.constant(2.0)
    ops = [one.op, other.op, reader_of(one, "/job:ps/task:1"), reader_of(one, "/job:ps/task:0")]
    found = place(ops, CLUSTER, default_device(CLUSTER))
    assert found[one.op] == cpu(job="ps", task=1), "where it is read first: it is a literal of both"
    assert found[other.op] == gpu(0, "worker", 0), "nobody reads it"


def test_a_pinned_constant_stays_where_the_user_said() -> None:
    with df.device("/job:worker/task:1/cpu:0"):
        one = df.constant(1.0)
    found = place([one.op, reader_of(one, "/job:ps")], CLUSTER, default_device(CLUSTER))
    assert found[one.op] == cpu(job="worker", task=1)


def test_operations_that_are_colocated_with_each_others_constants_go_to_the_default_device() -> None:
    one, other = df.constant(1.0), df.constant(2.0)
    with df.colocate_with(other.op):
        first = df.negative(one)
    with df.colocate_with(one.op):
        second = df.negative(other)
    found = place([one.op, other.op, first.op, second.op], CLUSTER, default_device(CLUSTER))
    assert set(found.values()) == {gpu(0, "worker", 0)}


@pytest.mark.parametrize("of", [df.shape, df.size, df.rank])
def test_the_shape_of_a_tensor_is_found_where_the_tensor_is(of: Any) -> None:
    with df.device("/job:ps/task:1"):
        x = df.placeholder_with_default([1.0], None)  # a known shape would be a constant
    found = of(x)
    assert placed(found, CLUSTER) == cpu(job="ps", task=1)
    assert place([found.op], CLUSTER, default_device(CLUSTER))[found.op] == gpu(0, "worker", 0), "x is fed"
    with df.device("/job:worker/task:1"):
        assert placed(of(x), CLUSTER) == gpu(0, "worker", 1), "pinned"


def test_the_shape_of_a_shape_and_of_a_constant_go_to_the_default_device() -> None:
    """They are known while the graph is built, most often; one of them must not go with the other."""
    with df.device("/job:ps/task:1"):
        x = df.placeholder_with_default([1.0], [None])
    assert placed(df.shape(df.shape(x)), CLUSTER) == gpu(0, "worker", 0)
    assert placed(df.shape(df.constant(1.0)), CLUSTER) == gpu(0, "worker", 0)


def test_a_run_whose_operations_are_on_living_devices_needs_no_lost_one_for_its_constants() -> None:
    lost = cpu(job="worker")
    table = table_of(cpu(job="ps"), lost, lost=[lost])
    with df.device("/job:ps"):
        v = df.Variable(1.0)
    update = v.assign_add(df.constant(2.0))
    plan = compile_plan([update], [], table, lost)
    assert list(plan.parts) == [cpu(job="ps")]


# -- the default device


def test_the_default_device_is_gpu_0_of_the_first_worker_or_its_cpu() -> None:
    assert default_device(CLUSTER) == gpu(0, "worker", 0)
    assert default_device(table_of(cpu(job="ps"), cpu(job="worker"))) == cpu(job="worker")
    assert default_device(table_of(cpu(job="ps", task=3), cpu(job="ps", task=2))) == cpu(job="ps", task=2)


def test_a_cluster_without_workers_has_no_default_device() -> None:
    with pytest.raises(df.errors.UnavailableError, match="it has no workers yet"):
        default_device(DeviceTable(()))


# -- refusals


def test_an_unknown_device_is_an_error_that_names_the_operation_the_line_and_the_devices() -> None:
    with df.device("/gpu:7"):
        op = df.no_op(name="far")
    with pytest.raises(df.errors.InvalidArgumentError) as caught:
        placed(op)
    text = str(caught.value)
    assert "Cannot assign a device for operation far: no device matches '/device:GPU:7'." in text
    assert f"The devices are: {cpu()}, {gpu(0)}, {gpu(1)}" in text
    assert "test_place.py" in text
    assert caught.value.op is op


def test_the_list_of_devices_says_which_are_virtual_or_lost() -> None:
    table = DeviceTable((DeviceInfo(cpu(), lost=True), DeviceInfo(gpu(), virtual=True)))
    with pytest.raises(df.errors.InvalidArgumentError, match=r"CPU:0 \(lost\), .*GPU:0 \(virtual\)"):
        on("/job:nowhere", table)


def test_the_list_of_devices_says_which_workers_are_starting_and_which_have_none() -> None:
    table = DeviceTable((DeviceInfo(cpu(), starting=True),), refused=("tcp://b:1: it has no module 'dflow'",))
    with pytest.raises(
        df.errors.InvalidArgumentError, match=r"CPU:0 \(starting\); tcp://b:1: it has no module 'dflow'"
    ):
        on("/job:nowhere", table)


def test_a_worker_that_is_starting_may_have_any_device_of_its_task_until_it_says_so() -> None:
    """But what another worker has is there already, and a task of nobody is none."""
    ps, other = cpu(job="ps"), cpu(job="worker")
    table = DeviceTable((DeviceInfo(ps, starting=True), DeviceInfo(other), DeviceInfo(gpu(job="worker"))))
    assert on("/job:ps/task:0/gpu:3", table) == on("/job:ps", table) == ps
    assert on("/gpu:0", table) == gpu(job="worker")
    for nowhere in ("/job:ps/task:1", "/job:worker/gpu:1"):
        with pytest.raises(df.errors.InvalidArgumentError, match="no device matches"):
            on(nowhere, table)


def test_the_default_device_may_be_of_a_worker_that_is_starting() -> None:
    """So that it does not depend on who was there first."""
    first, second = cpu(job="worker"), cpu(job="worker", task=1)
    assert default_device(DeviceTable((DeviceInfo(second), DeviceInfo(first, starting=True)))) == first


def test_no_kernel_on_a_device_is_an_error_that_says_which_kernels_there_are() -> None:
    with pytest.raises(df.errors.InvalidArgumentError) as caught:
        queue_on("/gpu:1")
    text = str(caught.value)
    assert "FIFOQueueV2 has no GPU kernel (it needs text, files or Python objects), only one for CPU" in text
    assert f"'/device:GPU:1' means {gpu(1)}" in text
    assert "allow_soft_placement=True" in text


def test_python_code_beside_something_that_is_pinned_to_a_gpu_is_refused() -> None:
    with df.device("/gpu:1"):
        v = df.Variable(1.0)
    with df.colocate_with(v.op):
        found = df.py_func(abs, [df.constant(-1.0)], df.float32)
    with pytest.raises(df.errors.InvalidArgumentError, match="PyFunc has no GPU kernel"):
        placed(found)
    assert placed(found, soft=True) == cpu()


def test_soft_placement_takes_the_cpu_of_the_same_task() -> None:
    assert on("/gpu:7", soft=True) == cpu()
    assert queue_on("/gpu:1", soft=True) == cpu()
    assert on("/job:ps/task:1/gpu:0", CLUSTER, soft=True) == cpu(job="ps", task=1)
    assert on("/gpu:1", soft=True) == gpu(1), "a device that exists is taken"


def test_soft_placement_does_not_invent_tasks() -> None:
    with pytest.raises(df.errors.InvalidArgumentError, match="no device matches '/job:ps/task:9/device:GPU:0'"):
        on("/job:ps/task:9/gpu:0", CLUSTER, soft=True)


def test_a_lost_device_is_unavailable_and_nothing_moves_elsewhere() -> None:
    lost = cpu(job="ps", task=0)
    table = table_of(lost, cpu(job="ps", task=1), cpu(job="worker"), lost=[lost])
    for request in ("/job:ps/task:0", "/job:ps"):
        with pytest.raises(df.errors.UnavailableError, match=r"the worker of device .*task:0.* was lost"):
            on(request, table)
    assert on("/job:ps/task:1", table) == cpu(job="ps", task=1)


# -- the log


def test_the_log_says_where_each_operation_goes(caplog: pytest.LogCaptureFixture) -> None:
    with df.device("/cpu:0"):
        a = df.constant(1.0, name="a")
    b = df.negative(a, name="b")
    with caplog.at_level(logging.INFO, "dflow.placement"):
        placed(b)
        assert caplog.messages == []
        placed(b, log=True)
    assert caplog.messages == [f"a: (Const): {cpu()}", f"b: (Neg): {gpu(0)}"]


# -- state, text and groups


def test_state_stays_where_an_earlier_run_put_it_whatever_devices_come_later() -> None:
    variable = df.Variable(1.0)
    earlier: dict[df.Operation, str] = {}
    assert placed(variable, table_of(cpu()), earlier=earlier) == cpu()
    assert placed(variable, MIXED, earlier=earlier) == cpu()
    assert placed(df.identity(variable), MIXED, earlier=earlier) == gpu(0)  # what has no state is free


def test_state_whose_device_was_lost_is_not_put_elsewhere() -> None:
    variable = df.Variable(1.0)
    earlier = {variable.op: gpu(1)}
    with pytest.raises(df.errors.UnavailableError, match="GPU:1 was lost"):
        placed(variable, table_of(cpu(), gpu(0), gpu(1), lost=[gpu(1)]), earlier=earlier)


def test_text_is_never_placed_on_a_gpu_unless_the_user_asked_for_it_and_then_it_is_an_error() -> None:
    text = df.identity(df.constant(["a", "b"]))
    assert placed(text) == cpu()
    with df.device("/gpu:0"):
        text = df.identity(df.constant(["a", "b"]))
    with pytest.raises(df.errors.InvalidArgumentError, match="no GPU kernel"):
        placed(text)
    assert placed(text, soft=True) == cpu()


def test_a_group_inside_a_gpu_block_goes_to_the_devices_of_its_members() -> None:
    """A train_op that is built in a worker's GPU block updates variables on a ps that has no GPU."""
    with df.device("/job:ps/task:0"):
        variables = [df.Variable(1.0, name=name) for name in "ab"]
    with df.device("/job:worker/task:0/gpu:0"):
        loss = df.square(variables[0]) + df.square(variables[1])
        train_op = df.train.GradientDescentOptimizer(0.1).minimize(loss)
        mixed = df.group(train_op, df.no_op())
    assert placed(train_op, CLUSTER) == cpu(job="ps")
    assert placed(mixed, CLUSTER) == gpu(0, "worker", 0)


def test_the_default_device_is_one_whose_worker_lives() -> None:
    table = table_of(cpu(job="worker", task=0), cpu(job="worker", task=1), lost=[cpu(job="worker", task=0)])
    assert default_device(table) == cpu(job="worker", task=1)
    assert on(None, table) == cpu(job="worker", task=1)
