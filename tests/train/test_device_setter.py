"""replica_device_setter: P22.1 to P22.10."""

from collections.abc import Iterator
from typing import Any

import pytest

from dflow.cluster.spec import ClusterDef, ClusterSpec, JobDef
from dflow.graph import Graph, Operation, create_op
from dflow.ops.array.constants import constant
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import add
from dflow.ops.math.powers import square
from dflow.ops.state.variables import Variable
from dflow.registry import OPS, define, no_gradient
from dflow.train.adam import AdamOptimizer
from dflow.train.device_setter import replica_device_setter
from dflow.train.global_step import create_global_step

CLUSTER = {"ps": ["ps0:2222", "ps1:2222"], "worker": ["worker0:2222", "worker1:2222", "worker2:2222"]}


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made


def variables(graph: Graph, count: int = 3, **arguments: Any) -> list[str]:
    """The devices of new variables under a setter."""
    with graph.device(replica_device_setter(**arguments)):
        return [Variable(i, name=f"v{i}").device for i in range(count)]


def test_without_ps_tasks_there_is_no_device_function(graph: Graph) -> None:
    """P22.1: nothing happens under device(None)."""
    assert replica_device_setter() is None
    assert replica_device_setter(cluster={"worker": ["a:1"]}) is None
    assert replica_device_setter(ps_tasks=2, cluster={"ps": [], "worker": ["a:1"]}) is None
    assert variables(graph, ps_tasks=0) == ["", "", ""]


@pytest.mark.parametrize(
    "cluster",
    [
        CLUSTER,
        ClusterSpec(CLUSTER),
        ClusterDef([JobDef("ps", {0: "ps0:2222", 1: "ps1:2222"}), JobDef("worker", {0: "worker0:2222"})]),
    ],
    ids=["dict", "ClusterSpec", "ClusterDef"],
)
def test_the_cluster_says_how_many_ps_tasks_there_are(graph: Graph, cluster: Any) -> None:
    """P22.2: it overrides ps_tasks."""
    assert variables(graph, ps_tasks=7, cluster=cluster) == ["/job:ps/task:0", "/job:ps/task:1", "/job:ps/task:0"]


def test_variables_go_to_the_ps_tasks_in_turn(graph: Graph) -> None:
    """P22.3: round robin, in the order of their creation, one step per ps operation."""
    assert variables(graph, 4, ps_tasks=3) == [f"/job:ps/task:{task}" for task in (0, 1, 2, 0)]


def test_other_operations_go_to_the_worker(graph: Graph) -> None:
    """P22.4: they take no turn."""
    with graph.device(replica_device_setter(cluster=CLUSTER, worker_device="/job:worker/task:1")):
        first = Variable(1.0, name="first")
        total = add(first.value(), constant(2.0))
        second = Variable(2.0, name="second")
    assert (first.device, second.device) == ("/job:ps/task:0", "/job:ps/task:1")
    assert total.op.device == "/job:worker/task:1"


def test_reads_and_initializers_are_with_their_variable_and_the_initial_value_is_not(graph: Graph) -> None:
    """P22.5."""
    with graph.device(replica_device_setter(cluster=CLUSTER)):
        v = Variable([1.0, 2.0], name="v")
        Variable(1.0, name="other")
        late = v.read_value()
    assert v.device == "/job:ps/task:0"
    assert v.initializer.device == v.value().op.device == late.op.device == "/job:ps/task:0"
    assert v.initial_value.op.device == "/job:worker"


def test_slots_are_on_the_task_of_their_variable_and_the_global_step_takes_a_turn(graph: Graph) -> None:
    """P22.6: slots and powers are colocated, so that the next variable goes on where the last one was."""
    with graph.device(replica_device_setter(cluster=CLUSTER)):
        w, b = Variable(1.0, name="w"), Variable(1.0, name="b")
        step = create_global_step()
        adam = AdamOptimizer()
        adam.minimize(square(add(w.value(), b.value())), global_step=step)
        after = Variable(1.0, name="after")
    assert [v.device for v in (w, b, step, after)] == [f"/job:ps/task:{task}" for task in (0, 1, 0, 1)]
    for variable in (w, b):
        for name in adam.get_slot_names():
            slot = adam.get_slot(variable, name)
            assert slot is not None
            assert slot.device == variable.device
    assert {v.device for v in adam.variables() if "power" in v.name} == {b.device}


def test_an_inner_device_is_merged_over(graph: Graph) -> None:
    """P22.7: another job keeps its name and gets no task, the ps job takes a turn, other parts are added."""
    with graph.device(replica_device_setter(cluster=CLUSTER)):
        with graph.device("/job:moon"):
            moon = Variable(0.0, name="moon")
        with graph.device("/job:ps"):
            first = Variable(0.0, name="first")
        with graph.device("/cpu:0"):
            second = Variable(0.0, name="second")
            on_cpu = constant(1.0)
    assert moon.device == "/job:moon"
    assert first.device == "/job:ps/task:0"
    assert second.device == "/job:ps/task:1/device:CPU:0"
    assert on_cpu.op.device == "/job:worker/device:CPU:0"


def test_without_merging_an_operation_with_any_device_is_left_as_it_is(graph: Graph) -> None:
    """P22.8: and takes no turn."""
    with graph.device(replica_device_setter(cluster=CLUSTER, merge_devices=False)):
        with graph.device("/cpu:0"):
            asked = Variable(0.0, name="asked")
        free = Variable(0.0, name="free")
    assert asked.device == "/device:CPU:0"
    assert free.device == "/job:ps/task:0"


def test_a_ps_device_without_a_job_gets_no_task(graph: Graph) -> None:
    """P22.9."""
    assert variables(graph, 2, ps_tasks=3, ps_device="/cpu:0") == ["/device:CPU:0"] * 2


def test_a_strategy_chooses_the_task(graph: Graph) -> None:
    """P22.10: it gets the operation and gives a number."""
    seen = []

    def strategy(op: Operation) -> int:
        seen.append((op.type, op.name))
        return 1

    assert variables(graph, 2, ps_tasks=2, ps_strategy=strategy) == ["/job:ps/task:1"] * 2
    assert seen == [("VariableV2", "v0"), ("VariableV2", "v1")]


def test_a_strategy_must_be_a_function() -> None:
    """P22.10."""
    with pytest.raises(TypeError, match="ps_strategy must be callable"):
        replica_device_setter(ps_tasks=1, ps_strategy=3)  # type: ignore[arg-type]


def test_ps_ops_are_replaced_by_those_that_are_given(graph: Graph) -> None:
    """P22.3: kinds of operations; by default variables, accumulators and mutable tables."""
    with graph.device(replica_device_setter(ps_tasks=2, ps_ops=["Identity"])):
        x = constant(1.0)
        assert [identity(x).op.device for _ in range(2)] == ["/job:ps/task:0", "/job:ps/task:1"]
        assert x.op.device == "/job:worker"


@pytest.mark.parametrize(
    ("kind", "shared"), [("MutableHashTable", True), ("ConditionalAccumulator", True), ("FIFOQueueV2", False)]
)
def test_tables_and_accumulators_are_shared_and_queues_are_not(graph: Graph, kind: str, shared: bool) -> None:
    """P22.3, P22.4."""
    before = dict(OPS)
    try:
        OPS.pop(kind, None)
        define(kind, spec=lambda: (), kernel=lambda: (), gradient=no_gradient("state"))
        with graph.device(replica_device_setter(ps_tasks=2)):
            assert create_op(kind).device == ("/job:ps/task:0" if shared else "/job:worker")
    finally:
        OPS.clear()
        OPS.update(before)
