"""Device strings, device scopes, colocation and replica_device_setter: what the graph says, nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error


def strings(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in (
        "",
        "/job:w",
        "/job:w/task:1",
        "/task:1/job:w",
        "/replica:0/job:w/task:2/device:GPU:3",
        "/cpu:0",
        "/gpu:1",
        "/CPU:0",
        "/device:CPU:0",
        "/device:GPU:*",
        "/job:w/gpu:0",
        "/device:MyFunnyDevice:2",
    ):
        spec = tf.DeviceSpec.from_string(text)
        found[text] = [spec.to_string(), spec.job, spec.replica, spec.task, spec.device_type, spec.device_index]
    for text in ("/job:w/bar:1", "/task:x", "/cpu:0/gpu:0", "/replica:y"):
        found[text] = error(lambda text=text: tf.DeviceSpec.from_string(text))
    return found


def specs(tf: Any, folder: Path) -> dict[str, Any]:
    one = tf.DeviceSpec(job="ps", task=1)
    two = tf.DeviceSpec.from_string("/job:ps/task:1")
    gpu = tf.DeviceSpec(device_type="gpu", device_index=2)
    return {
        "strings": [one.to_string(), gpu.to_string(), tf.DeviceSpec(device_index=1).to_string()],
        "only a type": tf.DeviceSpec(device_type="GPU").to_string(),
        "equal": [one == two, hash(one) == hash(two), one == gpu],
    }


def scopes(tf: Any, folder: Path) -> dict[str, Any]:
    def device(*scopes: Any) -> str:
        if not scopes:
            return str(tf.constant(1.0).device)
        with tf.device(scopes[0]):
            return device(*scopes[1:])

    return {
        " > ".join(str(it) for it in case): device(*case)
        for case in (
            (),
            ("/cpu:0",),
            ("/job:ps", "/task:1", "/gpu:0"),
            ("/gpu:0", "/job:worker", "/cpu:0", "/job:ps"),
            ("/job:ps/task:1/cpu:0", "/task:2"),
            ("/job:ps", None),
            ("/job:ps", None, "/gpu:0"),
            ("/job:ps", ""),
            ("/device:GPU:7", "/device:GPU:*"),
            ("/device:GPU:*", "/device:GPU:7"),
            ("/gpu:3", "/cpu:0"),
        )
    } | {"a spec": device(tf.DeviceSpec(job="ps", task=3))}


def functions(tf: Any, folder: Path) -> dict[str, Any]:
    seen: list[list[str]] = []

    def choose(op: Any) -> str:
        seen.append([op.name, op.type, op.device])
        return "/job:ps" if op.type.startswith("Variable") else "/job:worker"

    with tf.device(choose):
        a = tf.constant(1.0, name="a")
        v = tf.Variable(a, name="v")
        with tf.device("/cpu:0"):
            b = tf.constant(1.0, name="b")
    with tf.device("/gpu:1"), tf.device(lambda op: "/cpu:0"):
        c = tf.constant(1.0)
    with tf.device(lambda op: "/gpu:1"), tf.device("/cpu:0"):
        d = tf.constant(1.0)
    return {
        "devices": [a.device, v.device, b.device, c.device, d.device],
        "seen": [it for it in seen if it[0] in ("a", "b", "v")],
    }


def colocation(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.device("/job:ps/cpu:0"):
        a = tf.constant(1.0, name="a")
    with tf.device("/gpu:0"), tf.colocate_with(a.op):
        b = tf.constant(2.0, name="b")
        with tf.colocate_with(None, ignore_existing=True):
            c = tf.constant(3.0)
    with tf.colocate_with(b):
        d = tf.constant(4.0)
    return {
        "devices": [it.device for it in (a, b, c, d)],
        "groups": [sorted(it.op.colocation_groups()) for it in (a, b, d)],
    }


def variables_and_queues(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.device("/job:ps/task:0"):
        v = tf.Variable(1.0, name="v")
        queue = tf.FIFOQueue(3, tf.float32, shapes=())
    with tf.device("/job:worker/task:1"):
        read = v + 1
        put = queue.enqueue(read)
        assign = v.assign(2.0)
    return {
        "variable": [v.device, v.op.device, v.initializer.device, assign.device],
        "queue": [queue.queue_ref.device.split("/device")[0], put.device.split("/device")[0]],
        "read": read.device,
    }


def replicas(tf: Any, folder: Path) -> dict[str, Any]:
    cluster = {"ps": ["ps0:1", "ps1:1"], "worker": ["w0:1", "w1:1"]}

    def devices(setter: Any) -> list[str]:
        with tf.Graph().as_default(), tf.device(setter):
            made = [tf.Variable(1.0), tf.Variable(2.0), tf.constant(1.0), tf.Variable(3.0)]
            with tf.device("/job:moon"):
                made.append(tf.Variable(4.0))
            with tf.device("/cpu:0"):
                made += [tf.Variable(4.0), tf.constant(4.0)]
            with tf.device("/job:ps"):
                made.append(tf.Variable(4.0))
            return [it.device for it in made] + [made[0].initializer.device, made[0].initial_value.device]

    setter = tf.train.replica_device_setter
    return {
        "two tasks": devices(setter(ps_tasks=2)),
        "a cluster": devices(setter(cluster=cluster)),
        "a specification": devices(setter(cluster=tf.train.ClusterSpec(cluster))),
        "no ps": setter(cluster={"worker": ["w0:1"]}),
        "no tasks": setter(ps_tasks=0),
        "a worker": devices(setter(ps_tasks=1, worker_device="/job:worker/task:3/gpu:0")),
        "no merging": devices(setter(ps_tasks=2, merge_devices=False)),
        "a ps without a job": devices(setter(ps_tasks=2, ps_device="/cpu:0")),
        "a strategy": devices(setter(ps_tasks=3, ps_strategy=lambda op: 2)),
        "no strategy": error(lambda: setter(ps_tasks=1, ps_strategy=1)),
    }


def cluster_specs(tf: Any, folder: Path) -> dict[str, Any]:
    make = tf.train.ClusterSpec
    dense, sparse = make({"worker": ["w0:1", "w1:1"], "ps": ["ps0:1"]}), make({"worker": {3: "w3:1", 1: "w1:1"}})
    return {
        "as_dict": [dense.as_dict(), {job: sorted(it.items()) for job, it in sparse.as_dict().items()}],
        "jobs": [sorted(dense.jobs), dense.num_tasks("worker"), sparse.num_tasks("worker")],
        "tasks": [dense.task_indices("worker"), sparse.task_indices("worker")],
        "addresses": [dense.task_address("worker", 1), sparse.task_address("worker", 3), sparse.job_tasks("worker")],
        "equal": [
            make({"a": {0: "x:1"}}) == make({"a": ["x:1"]}),
            dense == sparse,
            bool(make({})),
            dense != make(dense),
        ],
        "text": str(dense),
        "unknown job": error(lambda: dense.job_tasks("moon")),
        "unknown task": error(lambda: dense.task_address("worker", 7)),
        "wrong": error(lambda: make(7)),
    }
