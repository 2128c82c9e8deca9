"""Where operations run: device blocks, device functions, colocation, placement.  Statement ids: P20, P21, S25."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest

import dflow as tf
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from tests.conformance.programs import device_name, in_thread, where_am_i

LOCAL = "/job:localhost/replica:0/task:0/device:"
WORKER = "/job:worker/replica:0/task:0/device:"
OTHER = "/job:worker/replica:0/task:1/device:"
PS = "/job:ps/replica:0/task:0/device:"
TWO_OF_EACH = {"CPU": 2, "GPU": 2}


@pytest.fixture
def on_cluster(cluster: EmbeddedCluster) -> str:
    return cluster.scheduler_address


# -- names of devices


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("", ""),
        ("/job:ps", "/job:ps"),
        ("/cpu:0", "/device:CPU:0"),
        ("/gpu:1", "/device:GPU:1"),
        ("/GPU:1", "/device:GPU:1"),
        ("/task:2/job:worker", "/job:worker/task:2"),
        ("/gpu:3/task:1/replica:2/job:ps", "/job:ps/replica:2/task:1/device:GPU:3"),
        ("/device:GPU:*", "/device:GPU:*"),
        ("/job:muu/device:MyFunnyDevice:2", "/job:muu/device:MyFunnyDevice:2"),
    ],
)
def test_names_have_one_canonical_form(given: str, canonical: str) -> None:
    """P20.1, P20.2, P20.4"""
    assert tf.DeviceSpec.from_string(given).to_string() == canonical
    assert tf.DeviceSpec.from_string(canonical).to_string() == canonical


def test_a_spec_is_made_of_parts_and_compares_by_content() -> None:
    """P20.3, P20.5, P20.8"""
    spec = tf.DeviceSpec(job="ps", replica=1, task=0, device_type="gpu", device_index=2)
    assert spec.to_string() == "/job:ps/replica:1/task:0/device:GPU:2"
    assert tf.DeviceSpec().to_string() == ""
    assert tf.DeviceSpec(device_index=3).to_string() == ""
    assert spec == tf.DeviceSpec.from_string("/gpu:2/task:0/replica:1/job:ps")
    assert hash(spec) == hash(tf.DeviceSpec.from_string(spec.to_string()))
    assert spec != tf.DeviceSpec.from_string("/job:ps")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/job:muu/task:a", "invalid literal for int.*: 'a' in device name '/job:muu/task:a'"),
        ("/job:muu/replica:b", "invalid literal for int"),
        ("/bar:muu/baz:2", "Unknown attribute: 'bar'"),
        ("/cpu:0/gpu:0", "Cannot specify multiple device"),
    ],
)
def test_what_is_no_name_of_a_device_is_a_value_error(name: str, message: str) -> None:
    """P20.6"""
    with pytest.raises(ValueError, match=message):
        tf.DeviceSpec.from_string(name)
    with pytest.raises(ValueError, match=message), tf.device(name):
        tf.constant(1)


def test_a_spec_can_be_changed_merged_and_replaced() -> None:
    """P20.7, P20.9"""
    spec = tf.DeviceSpec()
    spec.job, spec.task = "worker", 3
    assert spec.to_string() == "/job:worker/task:3"
    assert spec.parse_from_string("/gpu:1") is spec
    assert spec.to_string() == "/device:GPU:1"
    spec.merge_from(tf.DeviceSpec.from_string("/job:ps"))
    assert spec.to_string() == "/job:ps/device:GPU:1"
    merged = tf.DeviceSpec.from_string("/job:a/cpu:3").make_merged_spec(tf.DeviceSpec(device_type="GPU"))
    assert merged.to_string() == "/job:a/device:GPU:3"
    assert spec.replace(task=7).to_string() == "/job:ps/task:7/device:GPU:1"
    assert spec.replace(job=None).to_string() == "/device:GPU:1"


# -- blocks


def test_an_inner_block_overrides_the_parts_that_it_sets() -> None:
    """P21.2, P21.3, P21.5, P21.6, P21.12"""
    assert tf.constant(1).op.device == ""
    with tf.device("/job:worker/replica:2"):
        assert tf.constant(1).op.device == "/job:worker/replica:2"
        with tf.device("/job:ps/task:1"):
            assert tf.constant(1).op.device == "/job:ps/replica:2/task:1"
            with tf.device("/gpu:7"):
                assert tf.constant(1).op.device == "/job:ps/replica:2/task:1/device:GPU:7"
                with tf.device("/device:GPU:*"):
                    assert tf.constant(1).op.device == "/job:ps/replica:2/task:1/device:GPU:7"
                with tf.device("/cpu:0"), tf.device(""):
                    assert tf.constant(1).op.device == "/job:ps/replica:2/task:1/device:CPU:0"
        assert tf.constant(1).op.device == "/job:worker/replica:2"
    with tf.device("/device:GPU:*"), tf.device("/gpu:3"):
        assert tf.constant(1).op.device == "/device:GPU:3"
    assert tf.constant(1).op.device == ""


def test_a_block_takes_a_spec_and_none_forgets_all_outer_blocks() -> None:
    """P21.1, P21.4"""
    graph = tf.get_default_graph()
    with graph.device(tf.DeviceSpec(job="ps", task=1)), tf.device(lambda op: "/job:never"), tf.device(None):
        assert tf.constant(1).op.device == ""
        with tf.device("/cpu:0"):
            assert tf.constant(1).op.device == "/device:CPU:0"
    with tf.device(tf.DeviceSpec(job="ps", task=1)):
        assert tf.constant(1).op.device == "/job:ps/task:1"


def test_a_device_function_gets_the_operation_and_replaces_the_device() -> None:
    """P21.7"""
    seen = []

    def matmul_on_gpu(op: tf.Operation) -> str:
        seen.append((op.type, op.name, op.device, len(op.inputs)))
        return "/job:worker/gpu:0" if op.type == "MatMul" else "/job:worker/cpu:0"

    with tf.device(matmul_on_gpu):
        a = tf.constant([[1.0]], name="a")
        product = tf.matmul(a, a, name="product")
        with tf.device("/task:7"):
            inner = tf.matmul(a, a, name="inner")
    assert (a.op.device, product.op.device) == ("/job:worker/device:CPU:0", "/job:worker/device:GPU:0")
    assert inner.op.device == "/job:worker/device:GPU:0", "the outer function is applied last, and replaces"
    assert seen == [("Const", "a", "", 0), ("MatMul", "product", "", 2), ("MatMul", "inner", "/task:7", 2)]


def test_a_device_function_may_merge_and_may_give_a_spec() -> None:
    """P21.8"""

    def merge(device: str) -> Callable[[tf.Operation], tf.DeviceSpec]:
        def function(op: tf.Operation) -> tf.DeviceSpec:
            return tf.DeviceSpec.from_string(device).make_merged_spec(tf.DeviceSpec.from_string(op.device))

        return function

    with tf.device(merge("/job:worker/gpu:1")), tf.device(merge("/cpu:0")):
        assert tf.constant(1).op.device == "/job:worker/device:CPU:0"


def test_blocks_must_be_left_in_order() -> None:
    """P21.9"""

    def leave_in_a_wrong_order() -> None:
        with tf.Graph().as_default() as graph:
            outer, inner = graph.device("/cpu:0"), graph.device("/gpu:0")
            outer.__enter__()
            inner.__enter__()
            with pytest.raises(RuntimeError, match="Exiting device scope without proper scope nesting"):
                outer.__exit__(None, None, None)
            with pytest.raises(RuntimeError, match="Exiting device scope without proper scope nesting"):
                inner.__exit__(None, None, None)

    in_thread(leave_in_a_wrong_order).result(30)


def test_each_thread_has_blocks_of_its_own() -> None:
    """P21.10"""
    graph = tf.get_default_graph()
    graph.switch_to_thread_local()

    def build() -> str:
        with graph.as_default(), tf.device("/job:ps"):
            return tf.constant(1).op.device

    with tf.device("/gpu:0"):
        assert in_thread(build).result(30) == "/job:ps"


def test_colocation_comes_before_device_blocks_and_leads_to_the_first_operation() -> None:
    """P21.11"""
    with tf.device("/job:ps/task:1"):
        a = tf.constant(1.0, name="a")
    with tf.device("/gpu:3"), tf.colocate_with(a):
        b = tf.constant(2.0, name="b")
    with tf.colocate_with(b.op):
        c = tf.constant(3.0, name="c")
        with tf.colocate_with(None, ignore_existing=True):
            free = tf.constant(4.0, name="free")
    assert b.op.device == c.op.device == "/job:ps/task:1"
    assert b.op.colocation_groups() == c.op.colocation_groups() == [b"loc:@a"]
    assert free.op.device == ""
    assert free.op.colocation_groups() == [b"loc:@free"]
    with pytest.raises(ValueError, match="ignore_existing"), tf.colocate_with(None):
        pass


# -- where operations really run


def test_operations_run_where_their_blocks_say(on_cluster: str) -> None:
    """P21.2, S25.4"""
    with tf.device("/job:ps/task:0"):
        on_ps = where_am_i()
    with tf.device("/job:worker/task:1/cpu:0"):
        on_other = where_am_i()
        with tf.device("/gpu:0"):
            on_gpu = where_am_i()
        with tf.device("/task:0"):
            on_first = where_am_i()
    with tf.Session(on_cluster) as sess:
        for _ in range(2):  # the first run of a plan goes another way than the next ones
            found = [device_name(value) for value in sess.run([on_ps, on_other, on_gpu, on_first])]
            assert found == [f"{PS}CPU:0", f"{OTHER}CPU:0", f"{OTHER}GPU:0", f"{WORKER}CPU:0"]


def test_operations_of_a_session_in_this_process_run_where_their_blocks_say() -> None:
    """P21.2, S25.4"""
    with tf.device("/cpu:1"):
        second = where_am_i()
    with tf.device("/gpu:1"):
        gpu = where_am_i()
    with tf.device("/job:localhost/task:0/cpu:0"):
        full = where_am_i()
    with tf.Session(config=tf.ConfigProto(device_count=TWO_OF_EACH)) as sess:
        found = [device_name(value) for value in sess.run([second, gpu, full])]
    assert found == [f"{LOCAL}CPU:1", f"{LOCAL}GPU:1", f"{LOCAL}CPU:0"]


def test_values_cross_between_the_devices_of_one_run(on_cluster: str) -> None:
    """S25.4"""
    with tf.device("/job:ps"):
        w = tf.Variable([[2.0], [3.0]], name="w")
    with tf.device("/job:worker/task:0/gpu:0"):
        x = tf.placeholder(tf.float32, [None, 2])
        y = tf.matmul(x, w)
    with tf.device("/job:worker/task:1"):
        total = tf.reduce_sum(y)
    with tf.device("/job:ps"):
        update = w.assign_add(tf.ones([2, 1]) * total)
    with tf.Session(on_cluster) as sess:
        sess.run(w.initializer)
        np.testing.assert_array_equal(sess.run(update, {x: [[1, 1], [0, 1]]}), [[10.0], [11.0]])
        np.testing.assert_array_equal(sess.run(y, {x: [[1, 0]]}), [[10.0]])


def test_an_operation_without_a_device_goes_to_the_first_gpu_of_the_master_task(on_cluster: str) -> None:
    """S25.4"""
    here = where_am_i()
    with tf.device("/job:worker"):
        partly = where_am_i()
    with tf.device("/cpu:0"):
        cpu = where_am_i()
    needs_cpu = tf.FIFOQueue(1, tf.int32).size()
    metadata = tf.RunMetadata()
    with tf.Session(on_cluster) as sess:
        assert [device_name(v) for v in sess.run([here, partly, cpu])] == [
            f"{WORKER}GPU:0",
            f"{WORKER}GPU:0",
            f"{WORKER}CPU:0",
        ]
        sess.run(needs_cpu, run_metadata=metadata)
    assert set(metadata.placement.values()) == {f"{WORKER}CPU:0"}


def test_what_touches_state_runs_where_the_state_is(on_cluster: str) -> None:
    """P21.11, Q11.5"""
    with tf.device("/job:ps/task:0"):
        v = tf.Variable(1.0, name="v")
        queue = tf.FIFOQueue(5, tf.float32, ())
    with tf.device("/job:worker/task:1"):
        operations = [v.assign_add(1.0), queue.enqueue(v), queue.size(), v.initializer, v.read_value()]
        beside = v + 1
    metadata = tf.RunMetadata()
    with tf.Session(on_cluster) as sess:
        sess.run(v.initializer)
        sess.run([*operations[:3], beside], run_metadata=metadata)
    assert {metadata.placement[getattr(item, "op", item).name] for item in operations[:3]} == {f"{PS}CPU:0"}
    assert metadata.placement[beside.op.name] == f"{OTHER}GPU:0"


# -- devices that do not exist


@pytest.mark.parametrize("device", ["/job:moon", "/gpu:7", "/job:worker/task:9", "/device:TPU:0"])
def test_a_device_that_does_not_exist_is_an_error_that_lists_those_that_do(target: str, device: str) -> None:
    """S25.1, X26.5"""
    with tf.device(device):
        lost = tf.placeholder(tf.float32, name="lost")
    fine = tf.constant(1.0)
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot assign a device for operation") as caught:
            sess.run(lost)
        assert sess.run(fine) == 1.0
        for known in sess.list_devices():
            assert known.name in str(caught.value)
    assert tf.DeviceSpec.from_string(device).to_string() in str(caught.value)
    assert caught.value.op is lost.op
    assert "test_devices.py" in str(caught.value)


def test_an_operation_without_a_kernel_for_the_device_is_an_error_that_says_so(target: str) -> None:
    """S25.1"""
    with tf.device("/gpu:0"):
        queue = tf.FIFOQueue(5, tf.float32, ())
    config = tf.ConfigProto() if target else tf.ConfigProto(device_count=TWO_OF_EACH)
    with (
        tf.Session(target, config=config) as sess,
        pytest.raises(tf.errors.InvalidArgumentError, match="no GPU kernel"),
    ):
        sess.run(queue.size())


def test_soft_placement_falls_back_to_the_cpu_of_the_same_task(target: str) -> None:
    """S25.2"""
    with tf.device("/gpu:7"):
        here = where_am_i()
        queue = tf.FIFOQueue(5, tf.float32, ())
    with tf.device("/job:moon"):
        moon = where_am_i()
    config = tf.ConfigProto(allow_soft_placement=True)
    with tf.Session(target, config=config) as sess:
        assert device_name(sess.run(here)) == (WORKER if target else LOCAL) + "CPU:0"
        assert sess.run(queue.size()) == 0
        with pytest.raises(tf.errors.InvalidArgumentError, match="/job:moon"):
            sess.run(moon)


def test_soft_placement_keeps_the_task_that_was_asked_for(on_cluster: str) -> None:
    """S25.2"""
    with tf.device("/job:ps/gpu:0"):
        here = where_am_i()
    with tf.device("/job:worker/task:1/gpu:0"):
        queue = tf.FIFOQueue(5, tf.float32, ())
    metadata = tf.RunMetadata()
    with tf.Session(on_cluster, config=tf.ConfigProto(allow_soft_placement=True)) as sess:
        assert device_name(sess.run(here)) == f"{PS}CPU:0"
        sess.run(queue.size(), run_metadata=metadata)
    assert set(metadata.placement.values()) == {f"{OTHER}CPU:0"}


def test_every_placement_is_logged_if_the_session_is_asked_to(target: str, caplog: pytest.LogCaptureFixture) -> None:
    """S25.3"""
    total = tf.add(tf.constant([1.0]), tf.placeholder_with_default(tf.constant([2.0]), [1], name="input"), name="total")
    config = tf.ConfigProto(log_device_placement=True)
    with tf.Session(target, config=config) as sess:
        sess.run(total)
    device = f"{WORKER}GPU:0" if target else f"{LOCAL}CPU:0"
    lines = [record.getMessage() for record in caplog.records if record.name == "dflow.placement"]
    assert any(line.startswith(f"total: (Add): {device}") for line in lines), lines
    assert any(line.startswith(f"input: (PlaceholderWithDefault): {device}") for line in lines)


def test_the_log_of_placements_is_seen_on_stderr_without_any_set_up() -> None:
    """S25.3"""
    script = """
        import dflow as tf
        a = tf.constant([1.0], name="a") + 1
        with tf.Session(config=tf.ConfigProto(log_device_placement=True)) as sess:
            print(sess.run(a))
        with tf.Session() as sess:
            sess.run(a * 2)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "add: (Add): /job:localhost/replica:0/task:0/device:CPU:0\n" in done.stderr
    assert "mul" not in done.stderr
    assert done.stdout == "[2.]\n"
