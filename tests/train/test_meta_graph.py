"""Models: graphs with their collections and Savers, in files and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.any_pb2 import Any as AnyMessage

import dflow as df
from dflow import raw_ops
from dflow.graph_proto import SignatureDef
from dflow.train.collections import register_proto_function
from dflow.train.meta_graph import (
    export_scoped_meta_graph,
    import_scoped_meta_graph,
    stripped_op_list_for_graph,
)


def model() -> df.Tensor:
    """The loss of a small model that trains."""
    x, label = df.placeholder(df.float32, [None, 3], name="x"), df.placeholder(df.float32, [None, 2], name="label")
    w = df.Variable(np.arange(6, dtype=np.float32).reshape(3, 2) / 10, name="w")
    b = df.Variable(df.zeros([2]), name="b")
    loss = df.reduce_mean(df.square(df.nn.relu(df.matmul(x, w) + b, name="y") - label), name="loss")
    step = df.train.get_or_create_global_step()
    df.train.AdamOptimizer(0.1).minimize(loss, step, name="train")
    df.add_to_collection("losses", loss)
    return loss


FEEDS = {"x:0": [[1.0, 2.0, 3.0]], "label:0": [[0.0, 1.0]]}


def fed(prefix: str = "") -> dict[str, Any]:
    return {prefix + name: value for name, value in FEEDS.items()}


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("scope", ["", "new"])
def test_a_model_comes_back_with_its_collections_and_its_saver(tmp_path: Path, as_text: bool, scope: str) -> None:
    with df.Graph().as_default(), df.Session() as sess:
        loss = model()
        saver = df.train.Saver(max_to_keep=7)
        for name, value in (("numbers", 3), ("rates", 0.5), ("words", "word"), ("bytes", b"\xff")):
            df.add_to_collection(name, value)
        sess.run(df.global_variables_initializer())
        for _ in range(3):
            sess.run("train", fed())
        path = saver.save(sess, f"{tmp_path}/m", write_meta_graph=False) or ""
        made = saver.export_meta_graph(f"{tmp_path}/m.meta", as_text=as_text)
        values = [sess.run(loss, fed()), *sess.run(["train", "loss:0"], fed())[1:]]
    assert made.meta_info_def.tensorflow_version
    prefix = f"{scope}/" if scope else ""
    with df.Graph().as_default(), df.Session() as sess:
        back = df.train.import_meta_graph(f"{tmp_path}/m.meta", import_scope=scope or None)
        assert back is not None
        if not scope:
            assert back.export_meta_graph() == made
        back.restore(sess, path)
        assert sess.run(df.report_uninitialized_variables()).tolist() == []
        assert df.get_collection("losses") == [sess.graph.get_tensor_by_name(f"{prefix}loss:0")]
        found = [
            sess.run(f"{prefix}loss:0", fed(prefix)),
            *sess.run([f"{prefix}train", f"{prefix}loss:0"], fed(prefix))[1:],
        ]
        assert found == pytest.approx(values)
        assert [it.name for it in df.trainable_variables()] == [f"{prefix}w:0", f"{prefix}b:0"]
        assert df.global_variables()[0] in df.trainable_variables()
        step = df.train.get_global_step()
        assert step is not None
        assert sess.run(step) == 4
        assert [df.get_collection(name) for name in ("numbers", "rates")] == [[3], [0.5]]
        assert df.get_collection("words") + df.get_collection("bytes") == [b"word", b"\xff"]
        assert back.saver_def.max_to_keep == 7


def test_a_graph_may_have_several_savers(tmp_path: Path) -> None:
    v0, v1 = df.Variable([[1.0, 2.0]], name="v0"), df.Variable(11.0, name="v1")
    savers = [df.train.Saver({"v0": v0}, name="saver0"), df.train.Saver({"v1": v1}, name="saver1")]
    for saver in savers:
        df.add_to_collection(df.GraphKeys.SAVERS, saver)
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        paths = [saver.save(sess, f"{tmp_path}/{i}") or "" for i, saver in enumerate(savers)]
    all_of_it = df.train.export_meta_graph(f"{tmp_path}/meta")
    one = savers[1].export_meta_graph(clear_extraneous_savers=True)
    assert not all_of_it.HasField("saver_def")
    assert one.saver_def == savers[1].saver_def
    assert [len(it.collection_def["savers"].bytes_list.value) for it in (all_of_it, one)] == [2, 1]
    assert [len(it.graph_def.node) for it in (all_of_it, one)] == [33, 21]
    with df.Graph().as_default(), df.Session() as sess:
        df.train.import_meta_graph(f"{tmp_path}/meta")
        first, second = df.get_collection(df.GraphKeys.SAVERS)
        first.restore(sess, paths[0])
        assert sess.run("v0:0").tolist() == [[1.0, 2.0]]
        with pytest.raises(df.errors.FailedPreconditionError, match="uninitialized value v1"):
            sess.run("v1:0")
        second.restore(sess, paths[1])
        assert sess.run("v1:0") == 11.0


def test_an_import_under_a_block_is_found_by_its_saver(tmp_path: Path) -> None:
    with df.Graph().as_default(), df.Session() as sess:
        model()
        sess.run(df.global_variables_initializer())
        path = df.train.Saver().save(sess, f"{tmp_path}/m") or ""
    with df.Graph().as_default(), df.Session() as sess:
        with df.name_scope("block"):
            saver = df.train.import_meta_graph(f"{path}.meta")
        assert saver is not None
        saver.restore(sess, path)
        sess.run("block/train", fed("block/"))


def test_devices_can_be_left_out_on_both_ways() -> None:
    with df.device("/job:ps/replica:0/task:0/device:GPU:0"):
        model()
    made = df.train.export_meta_graph()
    without = df.train.export_meta_graph(clear_devices=True)
    assert {node.device for node in without.graph_def.node} == {""}
    for definition, arguments in ((without, {}), (made, {"clear_devices": True})):
        with df.Graph().as_default(), df.Session() as sess:
            df.train.import_meta_graph(definition, import_scope="new", **arguments)
            sess.run(df.global_variables_initializer())
            sess.run("new/train", fed("new/"))
    with df.Graph().as_default(), df.Session() as sess:
        df.train.import_meta_graph(made)
        with pytest.raises(df.errors.InvalidArgumentError):
            sess.run(df.global_variables_initializer())
    assert made.graph_def.node[0].device


def test_a_graph_without_variables_has_no_saver(tmp_path: Path) -> None:
    df.constant([1, 2], name="x")
    made = df.train.export_meta_graph()
    with df.Graph().as_default():
        assert df.train.import_meta_graph(made, import_scope="a") is None
        df.Variable(1.0, name="my/v")
        assert df.train.import_meta_graph(made, import_scope="b") is None
        assert isinstance(df.train.import_meta_graph(made, import_scope="my"), df.train.Saver)


# -- scopes


def test_a_scope_is_exported_and_connected_elsewhere(tmp_path: Path) -> None:
    images = df.constant(np.ones((2, 3), np.float32), name="images")
    with df.name_scope("hidden"):
        with df.colocate_with(images.op):
            w = df.Variable(np.full((3, 2), 2.0, np.float32), name="w")
        b = df.Variable(np.ones(2, np.float32), name="b")
        df.nn.relu(df.matmul(images, w) + b)
        df.add_to_collection("bias", b.op.outputs[0])
    df.Variable(1.0, name="elsewhere")
    made, variables = export_scoped_meta_graph(f"{tmp_path}/m", export_scope="hidden")
    assert sorted(variables) == ["b:0", "w:0"]
    assert [it.name for it in df.global_variables()] == ["hidden/w:0", "hidden/b:0", "elsewhere:0"]
    assert list(made.collection_def["unbound_inputs"].bytes_list.value) == [b"$unbound_inputs_images"]
    assert df.get_collection("unbound_inputs") == ["$unbound_inputs_images"]
    graph = df.Graph()
    with graph.as_default():
        new = df.constant(np.zeros((2, 3), np.float32), name="new_images")
    for wrong in (None, {"images:0": new}):
        with pytest.raises(ValueError, match=r"Graph contains unbound inputs: \$unbound_inputs_images\. Must provide"):
            import_scoped_meta_graph(f"{tmp_path}/m", graph=graph, import_scope="new", input_map=wrong)
    found = import_scoped_meta_graph(
        f"{tmp_path}/m", graph=graph, import_scope="new", input_map={"$unbound_inputs_images": new}
    )
    assert {name: it.name for name, it in found.items()} == {"b:0": "new/b:0", "w:0": "new/w:0"}
    assert graph.get_collection("bias") == [graph.get_tensor_by_name("new/b:0")]
    assert graph.get_operation_by_name("new/w").colocation_groups() == [b"loc:@new/w"]
    with df.Session(graph=graph) as sess:
        sess.run([it.initializer for it in found.values()])
        assert sess.run("new/Relu:0").tolist() == [[1.0, 1.0]] * 2
    again, _ = export_scoped_meta_graph(graph=graph, export_scope="new")
    del made.collection_def["unbound_inputs"], again.collection_def["unbound_inputs"]
    for definition in (made, again):
        for node in definition.graph_def.node:
            node.input[:] = [text.replace("new_images", "images") for text in node.input]
    assert again == made


def test_a_queue_runner_comes_back(tmp_path: Path) -> None:
    with df.name_scope("queue"):
        queue = df.FIFOQueue(10, df.float32, shapes=[()], name="q")
        df.train.add_queue_runner(df.train.QueueRunner(queue, [queue.enqueue(3.0, name="enqueue")]))
        queue.dequeue_many(12, name="dequeue")
    made, _ = export_scoped_meta_graph(export_scope="queue")
    with df.Graph().as_default(), df.Session() as sess:
        import_scoped_meta_graph(made, import_scope="new")
        again, _ = export_scoped_meta_graph(export_scope="new")
        assert again == made
        coord = df.train.Coordinator()
        threads = df.train.start_queue_runners(sess, coord)
        assert sess.run("new/dequeue:0").tolist() == [3.0] * 12
        coord.request_stop()
        coord.join(threads)


# -- collections


def test_items_that_cannot_be_written_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    df.add_to_collection("mixed", 3)
    df.add_to_collection("mixed", 3.5)
    df.add_to_collection("objects", object())
    df.add_to_collection(("no text",), 3)
    message = AnyMessage(type_url="a/b", value=b"c")
    df.add_to_collection("messages", message)
    made = df.train.export_meta_graph()
    assert list(made.collection_def) == ["messages"]
    assert "Issue encountered when serializing mixed" in caplog.text
    with df.Graph().as_default():
        df.train.import_meta_graph(made)
        assert df.get_collection("messages") == [message]
    df.Variable(1.0)
    definition = df.MetaGraphDef()
    df.train.Saver()._add_collection_def(definition, ("no text",))
    assert len(definition.collection_def) == 0


def test_a_program_says_how_its_items_become_messages() -> None:
    class Item:
        def __init__(self, name: str) -> None:
            self.name = name

    def to_proto(item: Item, export_scope: str | None = None) -> Any:
        return df.train.SaverDef(save_tensor_name=item.name)

    def from_proto(message: Any, import_scope: str | None = None) -> Item:
        return Item(f"{import_scope}/{message.save_tensor_name}")

    register_proto_function("items of a test", df.train.SaverDef, to_proto, from_proto)
    df.add_to_collection("items of a test", Item("one"))
    made = df.train.export_meta_graph()
    with df.Graph().as_default():
        import_scoped_meta_graph(made, import_scope="in")
        assert [item.name for item in df.get_collection("items of a test")] == ["in/one"]
        with df.Graph().as_default() as other:
            import_scoped_meta_graph(made, restore_collections_predicate=lambda key: False)
            assert other.get_all_collection_keys() == []
    with pytest.raises(TypeError, match="to_proto must be callable"):
        register_proto_function("items of a test", None, 3)  # type: ignore[arg-type]


# -- files and messages


def test_wrong_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        df.train.import_meta_graph(f"{tmp_path}/nothing")
    (tmp_path / "text").write_text("save_tensor_name: 'x'")
    with pytest.raises(OSError, match="Cannot parse file"):
        df.train.import_meta_graph(f"{tmp_path}/text")


def test_only_kinds_that_are_used_are_listed() -> None:
    df.square(df.constant(1.0))
    graph = df.get_default_graph().as_graph_def()
    assert [op.name for op in stripped_op_list_for_graph(graph).op] == ["Const", "Square"]
    text = """
        library { function { signature { name: 'A' } node_def { op: 'B' } }
                  function { signature { name: 'B' } node_def { op: 'Const' } node_def { op: 'A' } } }
        node { op: 'A' }
    """
    assert [op.name for op in stripped_op_list_for_graph(text_format.Merge(text, df.GraphDef())).op] == ["Const"]


def test_the_messages_of_models_have_tensorflows_fields() -> None:
    info = df.TensorInfo(name="x:0", dtype=1)
    signature = SignatureDef(inputs={"x": info}, method_name="predict")
    assert signature.SerializeToString() == b"\n\x0c\n\x01x\x12\x07\n\x03x:0\x10\x01\x1a\x07predict"
    info.coo_sparse.values_tensor_name = "v:0"
    assert info.WhichOneof("encoding") == "coo_sparse"


def test_a_graph_written_by_a_saver_is_read_by_its_name(tmp_path: Path) -> None:
    df.Variable(1.0, name="v")
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        path = df.train.Saver().save(sess, f"{tmp_path}/m", global_step=3, meta_graph_suffix="graph")
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "m-3.data-00000-of-00001", "m-3.graph", "m-3.index"]
    with df.Graph().as_default(), df.Session() as sess:
        saver = df.train.import_meta_graph(f"{path}.graph")
        assert saver is not None
        saver.restore(sess, path or "")
        assert sess.run("v:0") == 1.0


def test_attributes_with_the_default_of_their_kind_are_left_out_on_request() -> None:
    with df.Graph().as_default():
        df.complex(df.constant(1.0), df.constant(2.0), name="c")
        df.matmul(df.ones([1, 2]), df.ones([1, 2]), transpose_b=True, name="m")
        whole = df.train.export_meta_graph().graph_def
        short = df.train.export_meta_graph(strip_default_attrs=True)
    assert short.meta_info_def.stripped_default_attrs
    attrs = {node.name: set(node.attr) for node in short.graph_def.node}
    assert attrs["c"].isdisjoint({"T", "Tout"})
    assert {"T", "transpose_b"} <= attrs["m"]
    assert "transpose_a" not in attrs["m"]
    with df.Graph().as_default() as graph:
        df.train.import_meta_graph(short)
        assert df.train.export_meta_graph().graph_def == whole
        assert graph.get_tensor_by_name("c:0").dtype == df.complex64


def test_tables_of_a_graph_come_back_with_what_works_on_them() -> None:

    with df.Graph().as_default(), df.device("/cpu:1"):
        table = raw_ops.mutable_hash_table_v2(key_dtype=df.string, value_dtype=df.float32, name="t")
        raw_ops.lookup_table_insert_v2(table, ["k"], [3.0], name="insert")
        raw_ops.lookup_table_export_v2(table, df.string, df.float32, name="export")
        message = df.get_default_graph().as_graph_def()
    with df.Graph().as_default() as graph:
        df.import_graph_def(message, name="")
        assert graph.as_graph_def() == message
        assert graph.get_operation_by_name("export").device == graph.get_operation_by_name("t").device
        with df.Session(config=df.ConfigProto(device_count={"CPU": 2})) as sess:
            sess.run("insert")
            assert [it.tolist() for it in sess.run(["export:0", "export:1"])] == [[b"k"], [3.0]]
