"""Graphs that go through a GraphDef: every kind of operation comes back, also one with state; what cannot is said.

`tests/oracle/programs/graph_defs.py` compares exports and imports with TensorFlow's.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import dflow as df
from dflow import attr_text
from dflow.graph import Operation
from dflow.ops.array.strided_slice import FromInput
from dflow.shapes import TensorShape
from tests.ops.oracle import ORACLE
from tests.ops.test_oracle import build


def through_a_message(*elements: str, name: str = "", **arguments: Any) -> list[Any]:
    """The elements of a new graph that has gone through bytes."""
    data = df.get_default_graph().as_graph_def().SerializeToString()
    with df.Graph().as_default():
        found = df.import_graph_def(df.GraphDef.FromString(data), return_elements=elements, name=name, **arguments)
    assert found is not None
    return found


# -- all kinds


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray):
        return bool(found.dtype == wanted.dtype and found.shape == wanted.shape and (found == wanted).all())
    return bool(found == wanted)


@pytest.mark.parametrize("kind", ORACLE)
def test_each_kind_of_operation_comes_back_with_its_attributes_and_shapes(kind: str) -> None:
    for case in ORACLE[kind]:
        for known in {True, not case.unknown}:
            build(case, known)
    graph = df.get_default_graph()
    ops = graph.get_operations()
    found = through_a_message(*(op.name for op in ops))
    for back, op in zip(found, ops, strict=True):
        assert isinstance(back, Operation)
        assert (back.name, back.type, back.device) == (op.name, op.type, op.device)
        assert [it.name for it in back.inputs] == [it.name for it in op.inputs]
        attrs = {key: it for key, it in op.attrs.items() if not (it is None and key not in back.attrs)}
        assert back.attrs.keys() == attrs.keys() | {"given"} & back.attrs.keys(), op
        assert [key for key, it in attrs.items() if not _same(back.attrs[key], it)] == [], op
        assert [it.dtype for it in back.outputs] == [it.dtype for it in op.outputs]
    assert found[0].graph.as_graph_def() == graph.as_graph_def()


# -- state


def test_a_program_that_trains_comes_back() -> None:
    x, wanted = df.placeholder(df.float32, [None, 2], name="x"), df.placeholder(df.float32, [None, 1], name="wanted")
    w = df.get_variable("w", [2, 1], initializer=df.ones_initializer())
    loss = df.reduce_mean(df.square(df.matmul(x, w) - wanted), name="loss")
    df.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")
    df.train.AdamOptimizer(0.1).minimize(loss, name="adam")
    df.global_variables_initializer()

    def trained(graph: df.Graph, prefix: str) -> list[Any]:
        values = {f"{prefix}x:0": [[1, 2], [3, 4]], f"{prefix}wanted:0": [[1], [0]]}
        with df.Session(graph=graph) as sess:
            sess.run(f"{prefix}init")
            for _ in range(3):
                sess.run([f"{prefix}train", f"{prefix}adam"], values)
            return [*sess.run(f"{prefix}w:0").ravel().tolist(), sess.run(f"{prefix}loss:0", values).tolist()]

    wanted_values = trained(df.get_default_graph(), "")
    (back,) = through_a_message("w", name="again")
    assert back.name == back.attrs["variable"].name == "again/w"
    assert trained(back.graph, "again/") == pytest.approx(wanted_values)


def test_queues_and_readers_come_back(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("header\n1\n2\n")
    files = df.FIFOQueue(3, df.string, shapes=[()], name="files")
    files.enqueue(str(tmp_path / "a.txt"), name="put")
    files.close(name="close")
    reader = df.TextLineReader(skip_header_lines=1, name="reader")
    _, line = reader.read(files, name="read")
    lines = df.RandomShuffleQueue(10, 0, [df.string], shapes=[()], seed=3, name="lines")
    lines.enqueue(line, name="put_line")
    lines.dequeue_many(2, name="batch")
    priority = df.PriorityQueue(5, [df.int32], [()], name="priority")
    priority.enqueue((df.constant(3, df.int64), 4), name="put_priority")
    priority.dequeue(name="first")
    padded = df.PaddingFIFOQueue(5, [df.int32], [(None,)], name="padded")
    padded.enqueue([[1, 2]], name="put_padded")
    padded.dequeue_up_to(1, name="some")
    batch, first, some, size = through_a_message("batch:0", "first:1", "some:0", "files", name="in")
    assert batch.shape.as_list() == [2]
    assert size.name == "in/files"
    with df.Session(graph=batch.graph) as sess:
        sess.run("in/put")
        sess.run(["in/close", "in/put_line"])
        sess.run("in/put_line")
        assert sorted(sess.run(batch).tolist()) == [b"1", b"2"]
        sess.run("in/put_priority")
        assert sess.run(first) == 4
        sess.run("in/put_padded")
        assert sess.run(some).tolist() == [[1, 2]]


def test_random_operations_keep_their_seeds() -> None:
    df.random_uniform([3], seed=5, name="u")
    df.random_normal([2, 2], 1.0, 2.0, seed=6, name="n")
    df.random_shuffle(df.range(5), seed=7, name="s")
    u, n, s = through_a_message("u:0", "n:0", "s:0")
    with df.Session() as sess, df.Session(graph=u.graph) as other:
        for name, tensor in (("u:0", u), ("n:0", n), ("s:0", s)):
            np.testing.assert_array_equal(sess.run(name), other.run(tensor))
    assert n.shape.as_list() == [2, 2]


# -- graphs that TensorFlow wrote


def graph_of(text: str) -> Any:
    return text_format.Merge(f"versions {{ producer: 1087 }} {text}", df.GraphDef())


def node(name: str, op: str, *inputs: str, **attrs: str) -> str:
    names = " ".join(f"input: '{it}'" for it in inputs)
    values = " ".join(f"attr {{ key: '{key}' value {{ {value} }} }}" for key, value in attrs.items())
    return f"node {{ name: '{name}' op: '{op}' {names} {values} }}"


def numbers(name: str, *values: int) -> str:
    shape = f"tensor_shape {{ dim {{ size: {len(values)} }} }}" if len(values) != 1 else "tensor_shape {}"
    content = " ".join(f"int_val: {value}" for value in values)
    return node(name, "Const", dtype="type: DT_INT32", value=f"tensor {{ dtype: DT_INT32 {shape} {content} }}")


FLOAT, INT = "type: DT_FLOAT", "type: DT_INT32"
X = node("x", "Placeholder", dtype=FLOAT, shape="shape { dim { size: 2 } dim { size: 3 } }")
GIVEN = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (node("y", "Sum", "x", "a", T=FLOAT, Tidx=INT) + numbers("a", 1), GIVEN.sum(1)),
        (node("y", "Mean", "x", "a", T=FLOAT, keep_dims="b: true") + numbers("a", 0, 1), [[3.5]]),
        (node("y", "Reshape", "x", "a", T=FLOAT, Tshape=INT) + numbers("a", 3, -1), GIVEN.reshape(3, 2)),
        (node("y", "Transpose", "x", "a", T=FLOAT, Tperm=INT) + numbers("a", 1, 0), GIVEN.T),
        (node("y", "ExpandDims", "x", "a", T=FLOAT) + numbers("a", -1), GIVEN[..., None]),
        (node("y", "Tile", "x", "a", T=FLOAT) + numbers("a", 2, 1), np.tile(GIVEN, (2, 1))),
        (node("y", "ConcatV2", "x", "x", "a", N="i: 2", T=FLOAT) + numbers("a", 1), np.hstack([GIVEN, GIVEN])),
        (node("y", "Split", "a", "x", num_split="i: 2", T=FLOAT) + numbers("a", 0), GIVEN[:1]),
        (node("y", "ArgMax", "x", "a", T=FLOAT) + numbers("a", 1), [2, 2]),
        (node("y", "Slice", "x", "a", "b", T=FLOAT) + numbers("a", 0, 1) + numbers("b", 2, -1), GIVEN[:, 1:]),
        (
            node("y", "StridedSlice", "x", "a", "b", "c", T=FLOAT, shrink_axis_mask="i: 2", begin_mask="i: 1",
                 end_mask="i: 1")
            + numbers("a", 0, 1) + numbers("b", 0, 2) + numbers("c", 1, 1),
            GIVEN[:, 1],
        ),
        (node("y", "AddV2", "x", "x", T=FLOAT), GIVEN * 2),
        (node("y", "BatchMatMulV2", "x", "x", T=FLOAT, adj_y="b: true"), GIVEN @ GIVEN.T),
        (node("y", "MatMul", "x", "x", T=FLOAT, transpose_b="b: true"), GIVEN @ GIVEN.T),
        (node("y", "Cast", "x", SrcT=FLOAT, DstT="type: DT_INT32"), GIVEN.astype(int)),
        (node("y", "Fill", "a", "b", T=INT) + numbers("a", 2, 2) + numbers("b", 7), [[7, 7], [7, 7]]),
        (node("y", "GatherV2", "x", "a", "b", Tparams=FLOAT) + numbers("a", 2, 0) + numbers("b", 1), GIVEN[:, [2, 0]]),
        (node("y", "Relu", "x", T=FLOAT), GIVEN),
        (node("y", "Pack", "x", "x", N="i: 2", T=FLOAT), np.stack([GIVEN, GIVEN])),
    ],
)  # fmt: skip
def test_a_node_in_tensorflows_form_is_computed_and_has_its_static_shape(text: str, wanted: Any) -> None:
    x, y = df.import_graph_def(graph_of(X + text), return_elements=["x:0", "y:0"], name="") or ()
    assert y.shape.as_list() == list(np.shape(wanted))
    with df.Session() as sess:
        np.testing.assert_allclose(sess.run(y, {x: GIVEN}), wanted)


def ones(name: str, *shape: int) -> str:
    sizes = " ".join(f"dim {{ size: {size} }}" for size in shape)
    return node(
        name, "Const", dtype=FLOAT, value=f"tensor {{ dtype: DT_FLOAT tensor_shape {{ {sizes} }} float_val: 1 }}"
    )


ONE = "list { i: 1 i: 1 i: 1 i: 1 }"
TWO = "list { i: 1 i: 2 i: 2 i: 1 }"
SAME, VALID = "s: 'SAME'", "s: 'VALID'"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (node("y", "Conv2D", "x", "f", T=FLOAT, strides=ONE, padding=VALID) + ones("f", 2, 2, 1, 1), [10, 14, 18]),
        (
            node("y", "DepthwiseConv2dNative", "x", "f", T=FLOAT, strides=TWO, padding=SAME, dilations=ONE,
                 data_format="s: 'NHWC'") + ones("f", 1, 1, 1, 1),
            [0, 2],
        ),
        (node("y", "MaxPool", "x", T=FLOAT, ksize=TWO, strides=ONE, padding=VALID), [5, 6, 7]),
        (node("y", "AvgPool", "x", T=FLOAT, ksize=TWO, strides=TWO, padding=SAME), [2.5, 4.5]),
        (
            node("y", "ResizeBilinear", "x", "a", T=FLOAT, align_corners="b: true") + numbers("a", 1, 1),
            [0],
        ),
        (node("y", "LeakyRelu", "x", T=FLOAT), [0, 1, 2, 3, 4, 5, 6, 7]),
        (
            node("y", "FusedBatchNorm", "x", "f", "f", "g", "f", T=FLOAT, is_training="b: false", epsilon="f: 3")
            + ones("f", 1) + node("g", "Sub", "f", "f", T=FLOAT),
            [1 + value / 2 for value in range(8)],
        ),
        (node("y", "BiasAdd", "x", "f", T=FLOAT) + ones("f", 1), list(range(1, 9))),
    ],
)  # fmt: skip
def test_images_in_tensorflows_form_are_computed(text: str, wanted: list[float]) -> None:
    image = node("x", "Placeholder", dtype=FLOAT, shape="shape { dim { size: 1 } dim { size: 2 } dim { size: 4 } "
                 "dim { size: 1 } }")  # fmt: skip
    x, y = df.import_graph_def(graph_of(image + text), return_elements=["x:0", "y:0"], name="") or ()
    assert y.shape.is_fully_defined()
    with df.Session() as sess:
        found = sess.run(y, {x: np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)})
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-5)


def test_a_convolution_of_volumes_in_tensorflows_form_is_computed() -> None:
    each = "list { i: 1 i: 1 i: 1 i: 1 i: 1 }"
    text = node("y", "Conv3D", "x", "x", T=FLOAT, strides=each, padding=VALID) + ones("x", 1, 1, 1, 1, 1)
    (y,) = df.import_graph_def(graph_of(text), return_elements=["y:0"]) or ()
    with df.Session() as sess:
        assert sess.run(y).tolist() == [[[[[1.0]]]]]


def test_variables_of_both_kinds_are_imported() -> None:
    for variable, read, assign in (
        (node("v", "VariableV2", dtype=FLOAT, shape="shape { dim { size: 1 } }"), "v", "Assign"),
        (node("v", "VarHandleOp", dtype=FLOAT, shape="shape { dim { size: 1 } }"), "r", "AssignVariableOp"),
    ):
        value = "tensor { dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 2.5 }"
        text = (
            variable
            + node("c", "Const", dtype=FLOAT, value=value)
            + node("set", assign, "v", "c", T=FLOAT)
            + (node("r", "ReadVariableOp", "v", dtype=FLOAT) if read == "r" else "")
            + node("y", "Neg", read, T=FLOAT)
        )
        with df.Graph().as_default(), df.Session() as sess:
            y, op = df.import_graph_def(graph_of(text), return_elements=["y:0", "set"]) or ()
            sess.run(op)
            assert sess.run(y).tolist() == [-2.5]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"Op type not registered 'Oink' \(node 'pig'\)"):
        df.import_graph_def(graph_of(node("pig", "Oink")))


def test_a_python_function_cannot_come_back() -> None:
    df.py_func(abs, [1.0], df.float32, name="f")
    with pytest.raises(ValueError, match="Node 'f': PyFunc calls a Python function"):
        through_a_message("f")


def test_a_constant_of_a_graph_can_be_replaced_and_its_gradient_taken() -> None:
    df.square(df.constant([3.0], name="c"), name="y")
    data = df.get_default_graph().as_graph_def()
    with df.Graph().as_default(), df.Session() as sess:
        v = df.Variable([5.0], name="v")
        (y,) = df.import_graph_def(data, {"c:0": v}, ["y:0"]) or ()
        (dy,) = df.gradients(y, v)
        sess.run(v.initializer)
        assert sess.run([y, dy]) == [[25.0], [10.0]]


def test_nodes_may_come_in_any_order() -> None:
    text = node("y", "Identity", "x", T=INT) + numbers("x", 4) + node("n", "NoOp", "^y")
    y, n = df.import_graph_def(graph_of(text), return_elements=["y:0", "n"], name="") or ()
    assert n.control_inputs == [y.op]
    with pytest.raises(ValueError, match="cycle that is no loop: a, b"):
        df.import_graph_def(graph_of(node("a", "Neg", "b", T=FLOAT) + node("b", "Neg", "a", T=FLOAT)))


def test_versions_are_those_that_both_graphs_allow() -> None:
    graph = df.get_default_graph()
    assert graph.graph_def_versions.producer == df.GRAPH_DEF_VERSION
    assert df.GRAPH_DEF_VERSION_MIN_PRODUCER == df.GRAPH_DEF_VERSION_MIN_CONSUMER == 0
    df.import_graph_def(text_format.Merge("versions { producer: 20 min_consumer: 5 }", df.GraphDef()))
    assert (graph.graph_def_versions.producer, graph.graph_def_versions.min_consumer) == (20, 5)
    with pytest.raises(ValueError, match="min consumer version 1000000 above current version"):
        df.import_graph_def(text_format.Merge("versions { min_consumer: 1000000 }", df.GraphDef()))


# -- attributes as text


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, "é", b"\xff", 1 + 2j, (1, (2, None)), [1.5], {"a": 1}, slice(1, None, 2), ..., df.int8,
     TensorShape([None, 2]), TensorShape(None), FromInput(2)],
    ids=repr,
)  # fmt: skip
def test_an_attribute_comes_back_from_text(value: Any) -> None:
    found = attr_text.from_text(attr_text.to_text({"it": value}))["it"]
    assert type(found) is type(value)
    assert found == value or repr(found) == repr(value)


def test_arrays_come_back_from_text() -> None:
    for array in (np.arange(6, dtype=np.int8).reshape(2, 3), np.array(b"x", object), np.float32(1.5)):
        found = attr_text.from_text(attr_text.to_text({"it": array}))["it"]
        assert (found.dtype, found.shape, found.tolist()) == (array.dtype, array.shape, array.tolist())


def test_text_makes_no_objects_but_those_of_operations() -> None:
    with pytest.raises(TypeError, match="cannot be written"):
        attr_text.to_text({"f": len})
    for text in ('{"it":{"object":["os:system",{}]}}', '{"it":{"object":["dflow.graph.core:Graph",{}]}}', "[]"):
        with pytest.raises(ValueError, match="cannot be read"):
            attr_text.from_text(text)


def test_the_messages_of_graphs_can_be_pickled() -> None:
    df.constant(1.0)
    graph_def = df.get_default_graph().as_graph_def(add_shapes=True)
    assert pickle.loads(pickle.dumps(graph_def)) == graph_def
    assert graph_def.node[0].attr["_output_shapes"].list.shape[0].dim == []


def test_a_shape_of_dimensions_is_written_as_its_sizes() -> None:
    found = attr_text.from_text(attr_text.to_text({"it": df.TensorShape([None, 2])}))["it"]
    assert found.as_list() == [None, 2]


def test_graph_util_has_the_import_too() -> None:
    assert df.graph_util.import_graph_def is df.import_graph_def


def test_older_operations_can_be_left_out() -> None:
    df.constant(1.0, name="old")
    version = df.get_default_graph().version
    df.constant(1.0, name="new")
    assert [it.name for it in df.get_default_graph().as_graph_def(from_version=version).node] == ["new"]
