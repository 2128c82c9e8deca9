"""Savers and checkpoints: names of operations and files, what comes back, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, names, session


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _two_variables(tf: Any) -> tuple[Any, Any]:
    return tf.Variable([[1.0, 2.0, 3.0]], name="v0"), tf.Variable([b"a", b"bc"], name="v1")


def operations(tf: Any, folder: Path) -> dict[str, Any]:
    _two_variables(tf)
    saver = tf.train.Saver(name="saver")
    plain = [op.name for op in tf.get_default_graph().get_operations() if op.name.startswith("saver")]
    fields = saver.as_saver_def()
    tf.train.Saver({"one": tf.global_variables()[0]}, reshape=True, max_to_keep=2)
    again = [op.name for op in tf.get_default_graph().get_operations() if op.name.startswith("save/")]
    return {
        "plain": plain,
        "reshape": [name for name in again if not name.endswith("/shape")],
        "def": [fields.filename_tensor_name, fields.save_tensor_name, fields.restore_op_name, fields.max_to_keep],
        "version": fields.version,
        "types": [tf.get_default_graph().get_operation_by_name(name).type for name in plain],
    }


def files_of_a_run(tf: Any, folder: Path) -> dict[str, Any]:
    _two_variables(tf)
    saver = tf.train.Saver(max_to_keep=2)
    found: dict[str, Any] = {}
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for step in (1, 20, 300):
            found[f"path {step}"] = saver.save(sess, str(folder / "model.ckpt"), global_step=step)
        found["files"] = _files(folder)
        found["state"] = (folder / "checkpoint").read_text()
        found["last"] = saver.last_checkpoints
        found["latest"] = tf.train.latest_checkpoint(str(folder))
        found["no meta"] = saver.save(sess, str(folder / "other"), write_meta_graph=False, write_state=False)
        found["files then"] = _files(folder)
        tf.train.remove_checkpoint(str(folder / "model.ckpt-20"))
        found["files at the end"] = _files(folder)
        found["exists"] = [tf.train.checkpoint_exists(str(folder / it)) for it in ("model.ckpt-300", "model.ckpt-20")]
    return found


def values_that_come_back(tf: Any, folder: Path) -> dict[str, Any]:
    v0, v1 = _two_variables(tf)
    step = tf.Variable(7, name="step")
    saver = tf.train.Saver({"a/b": v0, "text": v1, "step": step})
    prefix = str(folder / "m")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        found: dict[str, Any] = {"path": saver.save(sess, prefix, global_step=step)}
    reader = tf.train.NewCheckpointReader(f"{prefix}-7")
    found["shapes"] = dict(sorted(reader.get_variable_to_shape_map().items()))
    found["a/b"], found["text"] = reader.get_tensor("a/b"), reader.get_tensor("text")
    found["has"] = [reader.has_tensor("a/b"), reader.has_tensor("v0")]
    found["debug"] = reader.debug_string()
    found["list"] = [[name, list(shape)] for name, shape in tf.train.list_variables(str(folder))]
    found["load"] = tf.train.load_variable(str(folder), "step")
    with session(tf) as sess:
        saver.restore(sess, tf.train.latest_checkpoint(str(folder)))
        found["restored"] = sess.run([v0, v1, step])
    found["missing"] = kind_of_error(lambda: reader.get_tensor("v3"), "not found in checkpoint")
    return found


def other_shapes_and_dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    prefix = str(folder / "m")
    with tf.Graph().as_default(), session(tf) as sess:
        v = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3), name="v")
        sess.run(v.initializer)
        tf.train.Saver().save(sess, prefix)
    found: dict[str, Any] = {}
    for name, initial, reshape in (
        ("other shape", np.zeros([3, 2], np.float32), False),
        ("reshaped", np.zeros([3, 2], np.float32), True),
        ("too large", np.zeros([3, 3], np.float32), True),
        ("other dtype", np.zeros([2, 3], np.int32), False),
    ):
        with tf.Graph().as_default(), session(tf) as sess:
            v = tf.Variable(initial, name="v")
            saver = tf.train.Saver(reshape=reshape)
            error = kind_of_error(lambda: saver.restore(sess, prefix), "Restoring from checkpoint failed")  # noqa: B023
            found[name] = error if error["error"] else sess.run(v)
    with tf.Graph().as_default(), session(tf) as sess:
        tf.Variable(1.0, name="w")
        saver = tf.train.Saver()
        found["missing"] = kind_of_error(
            lambda: saver.restore(sess, prefix), "Restoring from checkpoint failed", "Key w not found in checkpoint"
        )
    return found


def sharded(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.device("/cpu:0"):
        v0 = tf.Variable(10, name="v0")
    with tf.device("/cpu:1"):
        v1 = tf.Variable(20, name="v1")
    saver = tf.train.Saver(sharded=True)
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        found: dict[str, Any] = {"path": saver.save(sess, str(folder / "m"), write_meta_graph=False)}
    found["files"] = _files(folder)
    with tf.Session(config=config) as sess:
        saver.restore(sess, str(folder / "m"))
        found["values"] = sess.run([v0, v1])
    return found


def wrong_uses(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"nothing": kind_of_error(tf.train.Saver, "No variables to save")}
    v = tf.Variable(1.0, name="v")
    w = tf.Variable(1.0, name="w")
    saver = tf.train.Saver()
    for name, call in {
        "twice": lambda: tf.train.Saver({"v": v, "too": v}),
        "no variable": lambda: tf.train.Saver([tf.constant(1.0)]),
        "no variable in a dict": lambda: tf.train.Saver({"c": tf.constant(1.0)}),
        "no list": lambda: tf.train.Saver(v),
        "no name": lambda: tf.train.Saver({1: v}),
        "same name": lambda: tf.train.Saver([v, v]),
        "no slices": lambda: tf.train.Saver({"s": [v, w]}),
        "deferred": lambda: tf.train.Saver([v], defer_build=True),
        "no def": lambda: tf.train.Saver(saver_def="no"),
    }.items():
        found[name] = kind_of_error(call)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for name, call in {
            "collides": lambda: saver.save(sess, str(folder / "checkpoint")),
            "a folder": lambda: saver.save(sess, str(folder / "m"), latest_filename="a/b"),
            "no session": lambda: saver.save("sess", str(folder / "m")),
            "no folder": lambda: saver.save(sess, str(folder / "a" / "b" / "m")),
            "no path": lambda: saver.restore(sess, None),
            "no checkpoint": lambda: saver.restore(sess, str(folder / "nothing")),
            "not built": lambda: tf.train.Saver(defer_build=True).save(sess, str(folder / "m")),
        }.items():
            found[name] = kind_of_error(call)
    found["no reader"] = kind_of_error(lambda: tf.train.NewCheckpointReader(str(folder / "nothing")))
    found["no state"] = [tf.train.latest_checkpoint(str(folder)), tf.train.get_checkpoint_state(str(folder))]
    return found


def states(tf: Any, folder: Path) -> dict[str, Any]:
    def fields(state: Any) -> list[Any]:
        return [state.model_checkpoint_path, list(state.all_model_checkpoint_paths)]

    make = tf.train.generate_checkpoint_state_proto
    found: dict[str, Any] = {
        "absolute": fields(make("/a", "/a/m-2", ["/a/m-1", "/a/m-2"])),
        "added": fields(make("/a", "/a/m-2", ["/a/m-1"])),
        "none": fields(make("/a", "m-2")),
        "relative": fields(make("a/b", "a/b/m-2", ["a/b/m-1", "/x/m", "a/b/m-2"])),
        "times": kind_of_error(lambda: make("/a", "m", ["m"], all_model_checkpoint_timestamps=[1.0, 2.0])),
    }
    tf.train.update_checkpoint_state(str(folder), "m-2", ["m-1", "m-2"], latest_filename="list")
    found["written"] = (folder / "list").read_text()
    found["read"] = fields(tf.train.get_checkpoint_state(str(folder), "list"))
    (folder / "list").write_text("no state")
    found["broken"] = tf.train.get_checkpoint_state(str(folder), "list")
    return found


def first_values_from_a_checkpoint(tf: Any, folder: Path) -> dict[str, Any]:
    prefix = str(folder / "m")
    with tf.Graph().as_default(), session(tf) as sess:
        with tf.variable_scope("old"):
            tf.get_variable("a", initializer=[1.0, 2.0])
            tf.get_variable("b", initializer=[3.0])
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, prefix)
    found: dict[str, Any] = {}
    with tf.Graph().as_default(), session(tf) as sess:
        with tf.variable_scope("new"):
            a, b = tf.get_variable("a", [2]), tf.get_variable("b", [1])
        c = tf.get_variable("c", [2])
        tf.train.init_from_checkpoint(prefix, {"old/": "new/", "old/a": c})
        sess.run(tf.global_variables_initializer())
        found["values"] = sess.run([a, b, c])
        for name, pairs in {
            "not there": {"old/x": c},
            "other shape": {"old/b": c},
            "scope to name": {"old": "new/"},
            "not in the scope": {"wrong/": "new/"},
        }.items():
            found[name] = kind_of_error(lambda: tf.train.init_from_checkpoint(prefix, pairs))  # noqa: B023
    return found


def names_of_first_values(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0], name="v")
    with session(tf) as sess:
        sess.run(v.initializer)
        tf.train.Saver().save(sess, str(folder / "m"))
    w = tf.get_variable("w", [1])
    tf.train.init_from_checkpoint(str(folder / "m"), {"v": w})
    ops = [op for op in tf.get_default_graph().get_operations() if "checkpoint_initializer" in op.name]
    return {"kinds": sorted(op.type for op in ops), "restore": [it for it in names(ops) if it.endswith("initializer")]}
