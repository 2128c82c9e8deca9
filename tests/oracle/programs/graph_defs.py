"""Graphs as messages: what is exported, what an import gives, and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from tests.oracle.tools import kind_of_error, names, session, shape


def _graph(tf: Any, text: str, producer: int = 21) -> Any:
    return text_format.Merge(f"versions {{ producer: {producer} }} {text}", tf.GraphDef())


_A_AND_B = """
    node { name: 'A' op: 'Const' attr { key: 'dtype' value { type: DT_INT32 } }
           attr { key: 'value' value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 3 } } } }
    node { name: 'B' op: 'Identity' input: 'A:0' attr { key: 'T' value { type: DT_INT32 } } }
"""


def exported(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    with tf.name_scope("layer"):
        y = tf.matmul(x, tf.constant([[1.0, 2.0], [3.0, 4.0]], name="w"), name="y")
    graph = tf.get_default_graph()
    with tf.control_dependencies([y]), tf.device("/cpu:1"):
        tf.negative(y, name="z")
    whole = graph.as_graph_def()
    shapes = graph.as_graph_def(add_shapes=True).node[-1].attr["_output_shapes"].list.shape[0]
    path = tf.train.write_graph(graph, str(folder / "a"), "graph.pbtxt")
    read = text_format.Merge(Path(path).read_text(), tf.GraphDef())
    tf.train.write_graph(whole, str(folder), "graph.pb", as_text=False)
    return {
        "nodes": [[node.name, node.op, list(node.input), node.device] for node in whole.node],
        "shapes": [dim.size for dim in shapes.dim],
        "path": path,
        "same as text": [node.name for node in read.node],
        "same as bytes": [node.name for node in tf.GraphDef.FromString((folder / "graph.pb").read_bytes()).node],
    }


def imported_names(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    graph = _graph(tf, _A_AND_B)
    for name in ("", "", None, "A", "A/", "A/", "other"):
        ops = tf.import_graph_def(graph, return_elements=["A", "B"], name=name)
        found[f"{name} {len(found)}"] = names(ops)
    with tf.name_scope("outer"):
        found["in a block"] = names(tf.import_graph_def(graph, return_elements=["A", "B:0"]))
        found["in a block, no name"] = names(tf.import_graph_def(graph, return_elements=["B"], name=""))
    found["nothing"] = tf.import_graph_def(graph)
    with tf.name_scope("empty"):
        pass
    rest = "node { name: 'empty' op: 'NoOp' } node { name: 'outer' op: 'NoOp' } node { name: 'A_1_1' op: 'NoOp' }"
    ops = tf.import_graph_def(_graph(tf, rest), return_elements=["empty", "outer", "A_1_1"], name="")
    return found | {"scopes": names(ops)}


def values(tf: Any, folder: Path) -> dict[str, Any]:
    """A graph of many kinds gives the same values after an import."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        y = {
            "sum": tf.reduce_sum(x, 1, keepdims=True),
            "mean": tf.reduce_mean(x, [0, 1]),
            "reshape": tf.reshape(x, [-1]),
            "transpose": tf.transpose(x, [1, 0]),
            "part": x[0, ..., 1:],
            "new": x[:, None, ::2],
            "concat": tf.concat([x, 2 * x], 1),
            "stack": tf.stack([x, x], 1),
            "pad": tf.pad(x, [[1, 0], [0, 2]]),
            "mirror": tf.pad(x, [[0, 0], [1, 1]], "REFLECT"),
            "tile": tf.tile(x, [1, 2]),
            "expand": tf.expand_dims(x, -1),
            "split": tf.split(x, 3, 1)[2],
            "unstack": tf.unstack(x, axis=1)[1],
            "gather": tf.gather(x, [1, 0, 1], axis=1),
            "one_hot": tf.one_hot([0, 2], 3, 5.0, -1.0),
            "cast": tf.cast(x, tf.int32),
            "softmax": tf.nn.softmax(x, 0),
            "argmax": tf.argmax(x, 1),
            "where": tf.where(x > 2.0, x, -x),
            "fill": tf.fill([2, 2], x[0, 0]),
            "range": tf.range(1, 9, 3),
            "slice": tf.slice(x, [0, 1], [-1, 2]),
            "cumsum": tf.cumsum(x, 1, exclusive=True),
            "clip": tf.clip_by_value(x, 1.0, 3.0),
            "text": tf.constant([b"a", b"\xff"]),
            "zeros": tf.zeros([2, 3], tf.float64),
        }
        elements = {name: tensor.name for name, tensor in y.items()}
        data = graph.as_graph_def().SerializeToString()
    graph_def = tf.GraphDef.FromString(data)
    x, *tensors = tf.import_graph_def(graph_def, return_elements=["x:0", *elements.values()], name="")
    with session(tf) as sess:
        given = np.array([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]], np.float32)
        values = sess.run(tensors, {x: given})
    return {
        "values": dict(zip(elements, values, strict=True)),
        "shapes": dict(zip(elements, map(shape, tensors), strict=True)),
    }


def mapped_inputs(tf: Any, folder: Path) -> dict[str, Any]:
    graph = _graph(tf, _A_AND_B)
    four = tf.constant([4, 4])
    (b,) = tf.import_graph_def(graph, {"A:0": four}, ["B:0"])
    (b2,) = tf.import_graph_def(graph, {b"A": [5, 5]}, [b"B:0"])
    with session(tf) as sess:
        found = {"values": sess.run([b, b2]), "inputs": names(b.op.inputs)}
    (a,) = tf.import_graph_def(graph, {"A:0": four}, ["A:0"])
    return found | {"mapped": a is four, "names": [b.name, b2.op.inputs[0].name]}


def errors(tf: Any, folder: Path) -> dict[str, Any]:
    def text(text: str, *fragments: str, **arguments: Any) -> dict[str, Any]:
        return kind_of_error(lambda: tf.import_graph_def(_graph(tf, text), **arguments), *fragments)

    no_op = "node { name: 'A' op: 'NoOp' }"
    identity = "node { name: 'B' op: 'Identity' input: '%s' attr { key: 'T' value { type: DT_FLOAT } } }"
    five = tf.constant(5.0)
    return {
        "no graph": kind_of_error(lambda: tf.import_graph_def("")),
        "map": text(no_op, input_map=[five]),
        "elements": text(no_op, return_elements=[7]),
        "element": text(no_op, "Cannot convert 'a:b:c' to a tensor name.", return_elements=["a:b:c"]),
        "duplicate": text(no_op + no_op, "Node 'A' is not unique"),
        "input": text(identity % "A:0", "Node 'B': Unknown input node 'A:0'"),
        "control": text("node { name: 'B' op: 'NoOp' input: '^A' }", "Node 'B': Unknown input node '^A'"),
        "index": text(identity % "A:B", "Node 'B': Unknown input node 'A:B'"),
        "output": text(
            _A_AND_B + "node { name: 'C' op: 'Identity' input: 'B:1' attr { key: 'T' value { type: DT_INT32 } } }",
            "Node 'C': Connecting to invalid output 1 of source node B which has 1 outputs",
        ),
        "dtype": text(
            _A_AND_B + "node { name: 'C' op: 'Identity' input: 'A:0' attr { key: 'T' value { type: DT_FLOAT } } }",
            "was passed int32 from import",
            "incompatible with expected float.",
        ),
        "node": text(no_op, "Requested return node 'B' not found in graph def", return_elements=["B"]),
        "tensor": text(no_op, "Requested return tensor 'B:0' not found in graph def", return_elements=["B:0"]),
        "tensor of a node": text(
            _A_AND_B, "Invalid return output 1 of node 'A', which has 1 output(s)", return_elements=["A:1"]
        ),
        "unused": text(
            no_op, "Attempted to map inputs that were not found in graph_def: [B:0]", input_map={"B:0": five}
        ),
        "group": text(
            "node { name: 'B' op: 'NoOp' attr { key: '_class' value { list { s: 'loc:@A' } } } }",
            "Node 'B' expects to be colocated with unknown node 'A'",
        ),
        "map without a name": text(no_op, "requires a non-empty `name`", input_map={"A:0": [1]}, name=""),
        "old": kind_of_error(
            lambda: tf.import_graph_def(_graph(tf, "", producer=-1)), "GraphDef producer version -1 below min producer"
        ),
        "shape": text(
            _A_AND_B.replace("'B' op: 'Identity'", "'B' op: 'Identity' attr { key: '_output_shapes' value { list "
                             "{ shape { dim { size: 43 } } } } }")
        ),
    }  # fmt: skip


def devices_and_groups(tf: Any, folder: Path) -> dict[str, Any]:
    text = """
        node { name: 'A' op: 'NoOp' device: '/job:worker' }
        node { name: 'B' op: 'NoOp' attr { key: '_class' value { list { s: 'loc:@A' } } } }
        node { name: 'C' op: 'NoOp' device: '/device:CPU:0' }
    """
    found: dict[str, Any] = {}
    for name, device in (("none", None), ("task", "/task:1"), ("job", "/job:ps"), ("gpu", "/device:GPU:0")):
        with tf.device(device):
            ops = tf.import_graph_def(_graph(tf, text), return_elements=["A", "B", "C"], name=name)
        found[name] = [op.device for op in ops]
        found[f"{name}, groups"] = [[it.decode() for it in op.colocation_groups()] for op in ops]
    return found


def parts_of_a_graph(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [2], name="x")
    v = tf.Variable([2.0, 3.0], name="v")
    y = tf.identity(tf.multiply(x, v, name="y"), name="same")
    tf.negative(y, name="other")
    graph_def = tf.get_default_graph().as_graph_def()
    part = tf.graph_util.extract_sub_graph(graph_def, ["y"])
    with session(tf) as sess:
        sess.run(v.initializer)
        frozen = tf.graph_util.convert_variables_to_constants(sess, graph_def, ["same"])
    found: dict[str, Any] = {
        "part": [node.name for node in part.node],
        "frozen": [[node.name, node.op] for node in frozen.node],
        "without training": [node.name for node in tf.graph_util.remove_training_nodes(frozen).node],
        "protected": [node.name for node in tf.graph_util.remove_training_nodes(frozen, ["same"]).node],
        "shape": tf.graph_util.tensor_shape_from_node_def_name(tf.get_default_graph(), "y").as_list(),
        "cpu": [tf.graph_util.must_run_on_cpu(node) for node in frozen.node],
        "not there": kind_of_error(lambda: tf.graph_util.extract_sub_graph(graph_def, ["nothing"])),
        "a string": kind_of_error(lambda: tf.graph_util.extract_sub_graph(graph_def, "y")),
    }
    with tf.Graph().as_default(), session(tf) as sess:
        fed, same = tf.import_graph_def(frozen, return_elements=["x:0", "same:0"])
        found["value"] = sess.run(same, {fed: [10.0, 20.0]})
    return found
