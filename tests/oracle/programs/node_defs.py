"""What operations say of themselves as protocol buffers: names, kinds, inputs, devices, attributes, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

ANY_CPU = "/device:CPU:*"  # where newer versions of TensorFlow put a FIFOQueue that is put nowhere
NEWER = ("grad_a", "grad_b", "_has_manual_control_dependencies")  # attributes that TensorFlow 1.15 does not have


def _node(tf: Any, op: Any) -> Any:
    """The node of an operation, after a journey as bytes, as TensorFlow 1.15 has it."""
    node = tf.NodeDef.FromString(op.node_def.SerializeToString())
    assert node == op.node_def
    for name in NEWER:
        node.attr.pop(name, None)
    if node.device == ANY_CPU:
        node.device = ""
    if "experimental_type" in node.DESCRIPTOR.fields_by_name:
        node.ClearField("experimental_type")
    return node


def _nodes(tf: Any) -> dict[str, Any]:
    """The nodes of all operations of the default graph, as text and as bytes."""
    found = {}
    for op in tf.get_default_graph().get_operations():
        node = _node(tf, op)
        found[op.name] = {
            "text": text_format.MessageToString(node),
            "bytes": node.SerializeToString(deterministic=True),
            "groups": op.colocation_groups(),
            "type": op.type,
        }
    return found


def queues(tf: Any, folder: Path) -> dict[str, Any]:
    tf.set_random_seed(5)
    made = [
        tf.FIFOQueue(10, [tf.int32, tf.string], [[], [2, 3]], name="fifo", shared_name="shared"),
        tf.FIFOQueue(-1, tf.float32),
        tf.FIFOQueue(4, [tf.int32, tf.float32], names=["i", "f"], name="named"),
        tf.PaddingFIFOQueue(3, [tf.int64, tf.bool], [[None, 2], []], name="padding"),
        tf.PriorityQueue(3, [tf.string, tf.float64], [[], [2]], name="priority"),
    ]
    with tf.container("box"):
        made.append(tf.RandomShuffleQueue(7, 2, tf.complex64, [[2]], seed=3, name="shuffle"))
    for queue in made:
        element = {"i": 1, "f": 2.0} if queue.names else [tf.placeholder(dtype) for dtype in queue.dtypes]
        queue.enqueue(element)
        queue.enqueue_many({"i": [1], "f": [2.0]} if queue.names else element)
        queue.dequeue()
        queue.dequeue_many(3)
        queue.dequeue_up_to(tf.placeholder(tf.int32, []))
        queue.close()
        queue.close(cancel_pending_enqueues=True)
        queue.size()
        queue.is_closed()
    return _nodes(tf)


def readers(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.string, [[]])
    options = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)
    made = [
        tf.TextLineReader(),
        tf.TextLineReader(skip_header_lines=2, name="lines"),
        tf.WholeFileReader(),
        tf.IdentityReader(),
        tf.FixedLengthRecordReader(8, 1, 2, 4, encoding="GZIP"),
        tf.FixedLengthRecordReader(8),
    ]
    with tf.container("box"):
        made += [tf.TFRecordReader(), tf.TFRecordReader(options=options)]
    for reader in made:
        reader.read(queue)
        reader.read(queue.queue_ref, name="named")
        reader.read_up_to(queue, 5)
        reader.num_records_produced()
        reader.num_work_units_completed()
        reader.serialize_state()
        reader.restore_state("state")
        reader.reset()
    return _nodes(tf)


def variables(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.device("/job:ps/task:1/cpu:0"):
        v = tf.Variable([1.0, 2.0], name="v")
    with tf.container("box"):
        count = tf.Variable(0, name="count", trainable=False)
    open_shape = tf.Variable(tf.placeholder(tf.float32), validate_shape=False, name="open")
    with tf.colocate_with(count.op):
        tf.Variable(tf.zeros([2, 3]), name="beside")
    delta = tf.placeholder(tf.float32, [2])
    v.assign([3.0, 4.0])
    tf.assign(v, delta, name="mine")
    tf.assign(open_shape, [1.0], validate_shape=False)
    v.assign_add(delta)
    tf.assign_sub(v, delta, use_locking=True)
    tf.assign_add(count, 1)
    count.count_up_to(5)
    tf.is_variable_initialized(v)
    return _nodes(tf)


def updates(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 2.0], name="v")
    gradient = tf.placeholder(tf.float32, [2])
    for optimizer in (
        tf.train.GradientDescentOptimizer(0.1),
        tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        tf.train.AdamOptimizer(0.1),
    ):
        optimizer.apply_gradients([(gradient, v)])
    found: dict[str, Any] = {}
    for op in tf.get_default_graph().get_operations():
        if op.type.startswith("Apply"):
            node = _node(tf, op)
            found[op.name] = [it.rpartition("/")[2] for it in node.input]  # constants have scopes of their own in dflow
            del node.input[:]
            found[f"{op.name}, the rest"] = text_format.MessageToString(node)
    return found


def constants(tf: Any, folder: Path) -> dict[str, Any]:
    for dtype in (
        *(tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64),
        *(tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.complex64, tf.complex128),
    ):
        for value in ([], 1, [1], [0, 1, 1], [[2], [3]]):
            tf.constant(value, dtype)
        tf.zeros([2, 3], dtype)
        tf.ones([4], dtype)
    tf.constant(True)
    tf.constant([[True, False]])
    tf.constant("text")
    tf.constant([b"\x00\xff", b"", b"plain"])
    tf.zeros([2], tf.string)
    tf.constant([], tf.string)
    tf.constant(1.5 + 2.5j)
    tf.constant([1, 2], shape=[4])
    tf.constant(7.0, shape=[2, 2])
    tf.constant([[1, 2], [3, 4]], shape=[4])
    tf.constant(np.arange(6.0).reshape(2, 3).T)
    tf.constant([float("nan"), float("inf")])
    tf.zeros([0, 2])
    return _nodes(tf)


def placeholders(tf: Any, folder: Path) -> dict[str, Any]:
    for shape in (None, [], [2, 3], [None, 3]):
        for dtype in (tf.float32, tf.string, tf.bool):
            tf.placeholder(dtype, shape)
    tf.placeholder_with_default([1.0, 2.0], [None])
    tf.placeholder_with_default(tf.placeholder(tf.int32), None, name="default")
    return _nodes(tf)


def arithmetic(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.placeholder(tf.float32, [2, 2], name="x"), tf.placeholder(tf.float32, [2, 2], name="y")
    for function in (
        *(tf.subtract, tf.multiply, tf.maximum, tf.minimum, tf.pow, tf.floordiv, tf.floormod),
        *(tf.squared_difference, tf.equal, tf.not_equal, tf.less, tf.less_equal, tf.greater, tf.greater_equal),
    ):
        function(x, y)
    for function in (
        *(tf.negative, tf.abs, tf.sign, tf.square, tf.sqrt, tf.rsqrt, tf.exp, tf.log, tf.log1p, tf.expm1, tf.sin),
        *(tf.cos, tf.tanh, tf.sigmoid, tf.floor, tf.ceil, tf.round, tf.reciprocal, tf.is_nan, tf.is_inf, tf.is_finite),
        *(tf.identity, tf.stop_gradient, tf.nn.relu, tf.nn.softmax, tf.nn.log_softmax, tf.nn.l2_loss),
    ):
        function(x)
    tf.invert_permutation(tf.placeholder(tf.int32))
    x - 1.0
    2.0 * x
    x / y
    tf.add_n([x, y, x])
    tf.matmul(x, y, transpose_b=True)
    tf.cast(x, tf.int32)
    tf.stack([x, y], axis=1)
    tf.unstack(x)
    tf.where(x > y, x, y)
    tf.where(tf.placeholder(tf.bool, [None]))
    tf.nn.bias_add(x, tf.placeholder(tf.float32, [2]))
    tf.squeeze(tf.placeholder(tf.float32, [1, 2]), [0])
    tf.conj(tf.placeholder(tf.complex64))
    tf.logical_and(True, tf.logical_not(tf.placeholder(tf.bool)))
    tf.logical_or(tf.placeholder(tf.bool), False)
    unknown = tf.placeholder(tf.float64)
    tf.shape(unknown)
    tf.size(unknown, out_type=tf.int64)
    tf.rank(unknown)
    tf.range(3, tf.placeholder(tf.int32, []))
    tf.random_shuffle(x, seed=4)
    tf.decode_raw(tf.placeholder(tf.string), tf.int16, little_endian=False)
    tf.parse_tensor(tf.placeholder(tf.string), tf.uint8)
    tf.serialize_tensor(x)
    tf.decode_json_example(tf.placeholder(tf.string))
    tf.no_op()
    tf.group(tf.no_op(), name="group")
    return _nodes(tf)


def control_inputs_and_devices(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [2], name="x")
    first, second = tf.no_op(name="z"), tf.no_op(name="a")
    parts = tf.unstack(x, name="parts")
    with tf.control_dependencies([first, second, x]), tf.device("/job:worker/task:1"):
        tf.constant(1.0, name="one")
        with tf.device("/gpu:2"):
            tf.subtract(parts[1], parts[0], name="minus")
        tf.identity(x, name="same")
    with tf.control_dependencies([parts[1]]):
        tf.negative(parts[0], name="negative")
    with tf.device("/cpu:0"), tf.colocate_with(x.op):
        tf.no_op(name="beside")
    queue = tf.FIFOQueue(1, tf.float32, name="queue")
    with tf.control_dependencies([queue.enqueue([1.0])]):
        queue.close()
    with tf.colocate_with(queue.queue_ref.op):
        tf.constant(2.0, name="with_the_queue")
    return _nodes(tf)


def messages(tf: Any, folder: Path) -> dict[str, Any]:
    """The fields of the messages, by name and number, but for those that hold what dflow does not have."""
    foreign = {"experimental_debug_info", "experimental_type", "resource_handle_val", "variant_val", "float8_val"}
    tensor = tf.make_tensor_proto([1])
    kinds = [tf.NodeDef, tf.AttrValue, tf.AttrValue.ListValue, tf.NameAttrList, type(tensor), type(tensor.tensor_shape)]
    kinds.append(type(tensor.tensor_shape.dim[0]))
    return {
        it.DESCRIPTOR.name: sorted(
            [field.name, field.number, field.type, field.default_value == []]
            for field in it.DESCRIPTOR.fields
            if field.name not in foreign
        )
        for it in kinds
    } | {
        "dtypes": {
            it.name: it.number
            for it in tensor.DESCRIPTOR.fields_by_name["dtype"].enum_type.values
            if it.number % 100 <= tf.AttrValue(type="DT_UINT64").type
        }
    }
