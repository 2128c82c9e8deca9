"""`Operation.node_def`: what an operation says of itself as TensorFlow's message.

`tests/oracle/programs/node_defs.py` compares the bytes with TensorFlow's, kind by kind.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pool, text_format

import dflow as df
from dflow import node_attrs
from dflow.node_attrs import RULES, STATE
from dflow.node_proto import shape_proto
from dflow.registry import OPS, define, no_gradient
from dflow.specs import TensorSpec
from tests.conformance.queue_kinds import KINDS, TYPES, kinds
from tests.ops.oracle import ORACLE
from tests.ops.test_oracle import build

OWN = {  # kinds that TensorFlow does not have, or has with other inputs and attributes altogether
    *(
        "AssignMul",
        "BroadcastLike",
        "DecodeBlock",
        "DenseOfSlices",
        "GatherGrad",
        "InitializedValue",
        "MinusOneHot",
        "ParseExample",
    ),
    *("ParseSequenceExample", "ParseSingleExample", "ParseSingleSequenceExample", "ProdOfOthers", "QueueChoose"),
    *("QueueCloseV2OfList",),
    *("QueueDequeueManyV2OfList", "QueueDequeueUpToV2OfList", "QueueDequeueV2OfList", "QueueEnqueueManyV2OfList"),
    *("QueueEnqueueV2OfList", "QueueTakePartition", "ReadVariable", "ReshapeLike", "SliceGrad", "SplitLike", "Spread"),
    "Rot90",
    *("IRFFT2DGrad", "IRFFT3DGrad", "IRFFTGrad", "PrintV2", "RFFT2DGrad", "RFFT3DGrad", "RFFTGrad"),
    *("SpreadLike", "StridedSliceGrad", "SumLike", "SumOfTiles", "TFRecordReaderNumLeftOut", "TileLike"),
    *("UninitializedNames", "Unpad", "While", "WhileSteps"),
    *("ImagePatchesGrad", "VolumePatchesGrad"),
    *(
        "SpreadLike",
        "StridedSliceGrad",
        "SumLike",
        "SumOfEqualIndices",
        "SumOfTiles",
        "TFRecordReaderNumLeftOut",
        "TileLike",
    ),
    *("AddAt", "KeptDims", "SparseApplyAdam", "ValuesAt"),
    *("TemporaryPrefix",),
    *("CountsAtK", "ExpandedBeside", "Orthonormal", "RelevanceAtK", "SqueezedBeside", "WeightsFit"),
}


def says(op: Any, text: str) -> None:
    """The node is what the text says, in the format of protocol buffers."""
    assert op.node_def == text_format.Merge(text, df.NodeDef())


# -- queues


@kinds
def test_a_queues_node_says_what_it_holds(kind: str) -> None:
    queue = KINDS[kind](10, [df.int32, df.float32], [(1, 2), ()], shared_name="foo", name="Q")
    shuffle = "".join(f"attr {{ key: '{name}' value {{ i: 0 }} }}" for name in ("min_after_dequeue", "seed", "seed2"))
    says(
        queue.queue_ref.op,
        f"""
        name: 'Q' op: '{TYPES[kind]}'
        attr {{ key: 'component_types' value {{ list {{ type: DT_INT32 type: DT_FLOAT }} }} }}
        attr {{ key: 'shapes' value {{ list {{ shape {{ dim {{ size: 1 }} dim {{ size: 2 }} }} shape {{ }} }} }} }}
        attr {{ key: 'capacity' value {{ i: 10 }} }}
        attr {{ key: 'container' value {{ s: '' }} }}
        attr {{ key: 'shared_name' value {{ s: 'foo' }} }}
        {shuffle if kind == "random_shuffle_queue" else ""}
        """,
    )


def test_open_sizes_are_minus_one_and_shapes_that_nobody_gave_an_empty_list() -> None:
    queue = df.PaddingFIFOQueue(10, df.float32, ((None, 2),), name="Q")
    assert [[dim.size for dim in it.dim] for it in queue.op.node_def.attr["shapes"].list.shape] == [[-1, 2]]
    shapes = df.FIFOQueue(10, df.float32).op.node_def.attr["shapes"]
    assert (shapes.WhichOneof("value"), len(shapes.list.shape)) == ("list", 0)


@kinds
def test_the_first_input_of_an_operation_on_a_queue_is_its_handle(kind: str) -> None:
    queue = KINDS[kind](10, df.int32, [()], name="q")
    element = [1] * len(queue.dtypes)
    enqueue, size = queue.enqueue(element), queue.size().op
    first = queue.dequeue()
    dequeue = (first[0] if isinstance(first, list) else first).op
    assert list(enqueue.node_def.input) == ["q", *(f"q_enqueue/component_{i}" for i in range(len(element)))]
    for op in (enqueue, size, dequeue, queue.close()):
        assert op.inputs[0] is queue.queue_ref
        assert op in queue.queue_ref.consumers()
    assert list(dequeue.get_attr("component_types")) == queue.dtypes
    assert enqueue.get_attr("Tcomponents") == queue.dtypes


def test_an_operation_on_a_queue_is_in_no_group_of_the_queue() -> None:
    queue = df.FIFOQueue(3, df.int32, name="q")
    with df.colocate_with(queue.queue_ref.op):
        beside = df.constant(1, name="beside").op
    assert "_class" not in queue.enqueue(1).node_def.attr
    assert queue.size().op.colocation_groups() == [b"loc:@q_Size"]
    assert list(beside.node_def.attr["_class"].list.s) == beside.colocation_groups() == [b"loc:@q"]
    with pytest.raises(ValueError, match="no attr named '_class'"):
        queue.size().op.get_attr("_class")


# -- bytes that TensorFlow writes


def test_nodes_have_the_bytes_that_tensorflow_writes() -> None:
    queue = df.FIFOQueue(10, [df.int32, df.string], [(), (2,)], shared_name="s", name="q")
    reader = df.TextLineReader(2, name="r")
    x = df.placeholder(df.float32, [None, 2], name="x")
    written = {
        queue.dequeue(name="d")[
            0
        ].op: b"\n\x01d\x12\x0eQueueDequeueV2\x1a\x01q*\x19\n\x0fcomponent_types\x12\x06\n\x042"
        b"\x02\x03\x07*\x19\n\ntimeout_ms\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        df.Variable(
            [1.0, 2.0], name="w"
        ).op: b"\n\x01w\x12\nVariableV2*\x0f\n\tcontainer\x12\x02\x12\x00*\x0b\n\x05dtype"
        b"\x12\x020\x01*\x0f\n\x05shape\x12\x06:\x04\x12\x02\x08\x02*\x11\n\x0bshared_name\x12\x02\x12\x00",
        x.op: b"\n\x01x\x12\x0bPlaceholder*\x0b\n\x05dtype\x12\x020\x01*\x1c\n\x05shape\x12\x13:\x11\x12\x0b\x08"
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x02\x08\x02",
        df.subtract(x, 1.0, name="m").op: b"\n\x01m\x12\x03Sub\x1a\x01x\x1a\x03m/y*\x07\n\x01T\x12\x020\x01",
        reader.reader_ref.op: b"\n\x01r\x12\x10TextLineReaderV2*\x0f\n\tcontainer\x12\x02\x12\x00*\x11\n\x0bshared_name"
        b"\x12\x02\x12\x00*\x17\n\x11skip_header_lines\x12\x02\x18\x02",
        df.constant(
            [1, 2], name="c"
        ).op: b"\n\x01c\x12\x05Const*\x0b\n\x05dtype\x12\x020\x03*\x1d\n\x05value\x12\x14B\x12"
        b'\x08\x03\x12\x04\x12\x02\x08\x02"\x08\x01\x00\x00\x00\x02\x00\x00\x00',
    }
    for op, bytes_of_tensorflow in written.items():
        assert op.node_def.SerializeToString(deterministic=True) == bytes_of_tensorflow


# -- variables, readers, control inputs, devices


def test_updates_of_a_variable_begin_with_the_variable_and_are_in_its_group() -> None:
    with df.device("/job:ps/task:1"):
        w = df.Variable([1.0], name="w")
    update = w.assign_add([2.0]).op
    assert list(update.node_def.input) == ["w", "AssignAdd/value"]
    assert update.node_def.device == "/job:ps/task:1"
    assert list(update.node_def.attr["_class"].list.s) == [b"loc:@w"]
    flags = [w.initializer, df.assign(w, [2.0]).op, w.assign([2.0]).op, df.assign_sub(w, [1.0], use_locking=True).op]
    assert [op.get_attr("use_locking") for op in flags] == [True, True, False, True]


def test_a_momentum_update_has_its_inputs_in_tensorflows_order() -> None:
    w = df.Variable([1.0], name="w")
    df.train.MomentumOptimizer(0.1, 0.9).apply_gradients([(df.constant([1.0], name="gradient"), w)])
    (update,) = (op for op in df.get_default_graph().get_operations() if op.type == "ApplyMomentum")
    last = [name.rpartition("/")[2] for name in update.node_def.input]
    assert last == ["w", "Momentum", "learning_rate", "gradient", "momentum"]


def test_a_reader_is_of_its_own_kind_and_its_constants_are_named_after_their_use() -> None:
    queue = df.FIFOQueue(3, df.string, name="files")
    reader = df.TFRecordReader(options="GZIP", name="reader")
    assert (reader.reader_ref.op.type, reader.op.node_def.op) == ("TFRecordReaderV2", "TFRecordReaderV2")
    assert reader.op.get_attr("compression_type") == b"GZIP"
    assert "on_corrupt" not in reader.op.node_def.attr
    assert df.TFRecordReader(on_corrupt="skip").op.get_attr("on_corrupt") == b"skip"
    keys, _ = reader.read_up_to(queue, 5)
    assert list(keys.op.node_def.input) == ["reader", "files", "ReaderReadUpToV2/num_records"]
    assert list(reader.restore_state("").node_def.input) == ["reader", "ReaderRestoreStateV2/state"]


def test_inputs_name_the_output_unless_it_is_the_first_and_control_inputs_come_last() -> None:
    first, second = df.unstack(df.placeholder(df.float32, [2]), name="parts")
    late, early = df.no_op(name="z"), df.no_op(name="a")
    with df.control_dependencies([late, early]), df.device("/job:worker/gpu:1"):
        op = df.subtract(second, first, name="minus").op
    assert list(op.node_def.input) == ["parts:1", "parts", "^z", "^a"]
    assert op.node_def.device == "/job:worker/device:GPU:1"


# -- attributes


def test_a_constant_says_the_values_that_the_program_gave() -> None:
    def held(tensor: Any) -> Any:
        return tensor.op.node_def.attr["value"].tensor

    assert list(held(df.constant([1, 2], shape=[4])).int_val) == [1, 2]
    assert list(held(df.zeros([2, 3])).float_val) == [0.0]
    assert list(held(df.ones([4], df.bool)).bool_val) == [True]
    assert held(df.zeros([0, 3])).tensor_shape.dim[1].size == 3
    np.testing.assert_array_equal(df.make_ndarray(held(df.constant([1, 2], shape=[2, 2]))), [[1, 2], [2, 2]])
    with df.Session() as sess:
        assert sess.run(df.zeros([2, 3])).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_numbers_that_are_inputs_in_tensorflow_have_names_with_an_underscore() -> None:
    x = df.placeholder(df.float32, [2, 3])
    node = df.reduce_sum(x, [0, 1]).op.node_def
    assert (list(node.attr["_axis"].list.i), node.attr["Tidx"].type, node.attr["keep_dims"].b) == ([0, 1], 3, False)
    assert node.input == ["Placeholder"]
    at_run_time = df.reduce_sum(x, df.placeholder(df.int64, name="axes")).op.node_def
    assert (list(at_run_time.input), "_axis" in at_run_time.attr) == (["Placeholder", "axes"], False)
    assert at_run_time.attr["Tidx"].type == 9
    sliced = x[None, ..., 1:, 2].op.node_def
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    assert [sliced.attr[name].i for name in masks] == [0, 4, 2, 1, 8]


def test_a_python_function_that_is_pure_is_of_another_kind() -> None:
    x = df.constant(1.0)
    stateful, pure = (df.py_func(abs, [x], df.float32, stateful=it).op for it in (True, False))
    assert (stateful.node_def.op, pure.node_def.op, pure.type) == ("PyFunc", "PyFuncStateless", "PyFuncStateless")
    assert (list(pure.node_def.attr["Tin"].list.type), "token" in pure.node_def.attr) == ([1], False)


def test_attributes_can_be_asked_for_by_tensorflows_names() -> None:
    x = df.placeholder(df.float64)
    assert df.matmul(x, x, transpose_b=True).op.get_attr("T") == df.float64
    assert df.cast(x, df.int32).op.get_attr("DstT") == df.int32
    with pytest.raises(ValueError, match="has no attr named 'nonsense'"):
        x.op.get_attr("nonsense")


def test_a_kind_of_a_script_says_its_own_attributes_as_far_as_they_can_be_said() -> None:
    def spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
        return x

    define("NodeDefOfAScript", spec=spec, kernel=lambda x, **attrs: x, gradient=no_gradient("a test"))
    try:
        values = {
            "text": "é",
            "flag": np.True_,
            "number": np.int64(-3),
            "rate": 0.5,
            "dtype": df.float16,
            "shape": df.TensorShape([None]),
            "array": np.array([1.5, 2.5]),
            "many": ["a", b"b"],
            "none": [],
            "mixed": ["a", 1],
            "function": len,
            "nothing": None,
        }
        op = df.add_op("NodeDefOfAScript", df.constant(1.0, name="x"), name="mine", **values).op
    finally:
        del OPS["NodeDefOfAScript"]
    node = op.node_def
    assert (node.op, list(node.input)) == ("NodeDefOfAScript", ["x"])
    assert {name: value.WhichOneof("value") for name, value in node.attr.items()} == {
        "text": "s",
        "flag": "b",
        "number": "i",
        "rate": "f",
        "dtype": "type",
        "shape": "shape",
        "array": "tensor",
        "many": "list",
        "none": "list",
    }
    assert (node.attr["text"].s, node.attr["number"].i, node.attr["dtype"].type) == ("é".encode(), -3, 19)
    assert list(node.attr["many"].list.s) == [b"a", b"b"]


# -- all kinds


def test_each_kind_is_in_the_table_or_dflows_own() -> None:
    """A kind that TensorFlow has needs its attributes in `dflow/node_attrs.py`, another one a place in `OWN` here."""
    kinds = {kind for kind, op in OPS.items() if op.module.startswith("dflow.")}
    listed = RULES.keys() | STATE.keys()
    assert kinds - listed - OWN == set(), "add them to dflow/node_attrs.py, or to OWN if TensorFlow lacks them"
    assert (listed | OWN) - kinds == set(), "these are not defined"
    assert listed & OWN == set()


def test_no_kind_has_two_rows_in_the_table_of_attributes() -> None:
    groups = [*node_attrs._GROUPS, *node_attrs._ARRAYS, *node_attrs.IMAGES]
    listed = [kind for kinds, _ in groups for kind in kinds.split()]
    assert sorted(listed) == sorted(set(listed))


@pytest.mark.parametrize("kind", ORACLE)
def test_each_operation_has_a_node_that_comes_back(kind: str) -> None:
    for case in ORACLE[kind]:
        for known in {True, not case.unknown}:
            build(case, known)
    for op in df.get_default_graph().get_operations():
        node = op.node_def
        assert df.NodeDef.FromString(node.SerializeToString()) == node
        assert (node.name, node.op, len(node.input)) == (op.name, op.type, len(op.inputs) + len(op.control_inputs))


# -- the message


def test_a_node_is_a_new_message_that_can_be_changed_and_pickled() -> None:
    op = df.constant(1.0, name="one").op
    node = op.node_def
    node.name = "changed"
    node.attr["new"].i = 3
    assert op.node_def.name == "one"
    assert op.node_def != node
    assert pickle.loads(pickle.dumps(node)) == node
    with pytest.raises(AttributeError):
        op.node_def = node


def test_the_messages_stay_out_of_the_pool_that_all_libraries_share() -> None:
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("dflow.NodeDef")


def test_a_value_has_one_kind() -> None:
    value = df.AttrValue(i=3)
    value.type = 1
    assert value.WhichOneof("value") == "type"
    value.func.CopyFrom(df.NameAttrList(name="f", attr={"x": df.AttrValue(b=True)}))
    assert df.AttrValue.FromString(value.SerializeToString()).func.attr["x"].b
    assert text_format.Parse("placeholder: 'p'", df.AttrValue()).placeholder == "p"


@pytest.mark.parametrize(("sizes", "said"), [([], []), ([2, None], [2, -1]), ([0], [0])])
def test_a_shape_says_its_sizes(sizes: list[int | None], said: list[int]) -> None:
    assert [dim.size for dim in shape_proto(df.TensorShape(sizes)).dim] == said
    assert shape_proto(df.TensorShape(None)).unknown_rank
